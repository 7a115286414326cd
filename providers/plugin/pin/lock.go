package pin

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"regexp"
	"slices"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"accord/lang/addrs"
)

// Lock is the lock file: what everyone runs who works with a configuration.
type Lock struct {
	Providers []Provider // by source
}

// Provider is one provider as it was chosen.
type Provider struct {
	Source    addrs.Source
	Version   string            // canonical: 1.2.0
	Checksums map[string]string // by platform: linux_amd64 → sha256:…
}

// Platforms are those that it is locked for, sorted.
func (p *Provider) Platforms() []string {
	return slices.Sorted(maps.Keys(p.Checksums))
}

// document is the lock file as HCL reads it.
type document struct {
	Providers []struct {
		Source    string            `hcl:"source,label"`
		Version   string            `hcl:"version"`
		Checksums map[string]string `hcl:"checksums"`
		Range     hcl.Range         `hcl:",def_range"`
	} `hcl:"provider,block"`
}

var checksumForm = regexp.MustCompile(`^sha256:[0-9a-f]+$`)

// ReadLock reads a lock file; one that is not there locks nothing. The files
// are for showing diagnostics.
func ReadLock(path string) (*Lock, map[string]*hcl.File, hcl.Diagnostics) {
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return &Lock{}, nil, nil
	}
	if err != nil {
		return nil, nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "Unreadable lock file", Detail: fmt.Sprintf("Reading it: %v.", err)}}
	}
	parser := hclparse.NewParser()
	file, diags := parser.ParseHCL(text, path)
	if diags.HasErrors() {
		return nil, parser.Files(), diags
	}
	var d document
	if diags = append(diags, gohcl.DecodeBody(file.Body, nil, &d)...); diags.HasErrors() {
		return nil, parser.Files(), diags
	}
	lock := &Lock{}
	for _, b := range d.Providers {
		bad := func(what string, args ...any) {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Bad lock file", Detail: fmt.Sprintf(what, args...) + " Restore it, or delete it and run: accord init", Subject: b.Range.Ptr()})
		}
		source, err := addrs.ParseSource(b.Source)
		if err != nil {
			bad("%v.", err)
			continue
		}
		v, err := version.NewVersion(b.Version)
		if err != nil {
			bad("%q is no version.", b.Version)
			continue
		}
		for _, platform := range slices.Sorted(maps.Keys(b.Checksums)) {
			if sum := b.Checksums[platform]; len(sum) != len("sha256:")+64 || !checksumForm.MatchString(sum) || !platformForm.MatchString(platform) {
				bad("%s = %q is not a platform with a checksum.", platform, sum)
			}
		}
		if lock.Provider(source) != nil {
			bad("%s is in it twice.", source)
			continue
		}
		lock.Set(Provider{Source: source, Version: v.String(), Checksums: b.Checksums})
	}
	if diags.HasErrors() {
		return nil, parser.Files(), diags
	}
	return lock, parser.Files(), diags
}

// Provider returns what is locked of a source, nil where nothing is.
func (l *Lock) Provider(source addrs.Source) *Provider {
	for n := range l.Providers {
		if l.Providers[n].Source == source {
			return &l.Providers[n]
		}
	}
	return nil
}

// Set puts a provider in its place.
func (l *Lock) Set(p Provider) {
	if old := l.Provider(p.Source); old != nil {
		*old = p
		return
	}
	l.Providers = append(l.Providers, p)
	slices.SortFunc(l.Providers, func(a, b Provider) int { return cmp.Compare(a.Source.String(), b.Source.String()) })
}

const header = `# Written by accord init. Keep it with the configuration: it says which
# providers everyone runs, and accord runs no others.
`

// Bytes is the lock file: the same for the same providers.
func (l *Lock) Bytes() []byte {
	f := hclwrite.NewEmptyFile()
	for _, p := range l.Providers {
		f.Body().AppendNewline()
		body := f.Body().AppendNewBlock("provider", []string{p.Source.String()}).Body()
		body.SetAttributeValue("version", cty.StringVal(p.Version))
		sums := map[string]cty.Value{}
		for platform, sum := range p.Checksums {
			sums[platform] = cty.StringVal(sum)
		}
		body.SetAttributeValue("checksums", cty.ObjectVal(sums))
	}
	return append([]byte(header), hclwrite.Format(f.Bytes())...)
}

// Write replaces the lock file.
func (l *Lock) Write(path string) error {
	return replace(path, 0o644, func(f *os.File) error {
		_, err := f.Write(l.Bytes())
		return err
	})
}
