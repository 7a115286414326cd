package lang

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"golang.org/x/sync/errgroup"
)

// Config is a directory of files as written: read, but not yet held against
// any schema.
type Config struct {
	Dir      string // where relative file names start
	Settings Settings

	variables map[string]*variable
	locals    map[string]*local
	outputs   map[string]*output
	blocks    []*hcl.Block // of providers, in the order of the files
	later     []*hcl.Block // of the core, kept for what acts on them
	broken    bool         // a file has a syntax error: what is missing may stand there

	mu    sync.Mutex
	files map[string]*hcl.File
}

// coreBlocks are the block types of the core and the names of their labels.
var coreBlocks = map[string][]string{
	"accord":   nil,
	"variable": {"name"},
	"locals":   nil,
	"output":   {"name"},
	"module":   {"name"},
	"import":   nil,
	"moved":    nil,
	"removed":  nil,
	"check":    {"name"},
}

// Load reads every *.hcl file of a directory. Hidden files and variable files
// (*.vars.hcl) are no part of a configuration. The Config is never nil and
// holds what could be read, so that problems can be shown with their source.
func Load(dir string) (*Config, hcl.Diagnostics) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		c, _ := Parse(dir, nil)
		c.broken = true
		return c, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "No configuration directory",
			Detail:   fmt.Sprintf("Reading the directory of the configuration: %v.", err),
		}}
	}
	var names []string
	var diags hcl.Diagnostics
	for _, entry := range entries {
		name := entry.Name()
		switch {
		case entry.IsDir(), strings.HasPrefix(name, "."), strings.HasSuffix(name, ".vars.hcl"):
		case strings.HasSuffix(name, ".hcl.json"):
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagWarning,
				Summary:  "File not read",
				Detail:   fmt.Sprintf("%s is JSON, which is not yet read; write its blocks into a *.hcl file.", name),
			})
		case strings.HasSuffix(name, ".hcl"):
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "No configuration",
			Detail:   fmt.Sprintf("The directory %s has no *.hcl file.", dir),
		})
	}
	texts := make([][]byte, len(names))
	problems := make([]*hcl.Diagnostic, len(names))
	parallel(len(names), func(n int) {
		text, err := os.ReadFile(filepath.Join(dir, names[n]))
		if err != nil {
			problems[n] = &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Unreadable file",
				Detail:   fmt.Sprintf("Reading a file of the configuration: %v.", err),
			}
		}
		texts[n] = text
	})
	sources := make(map[string][]byte, len(names))
	for n, name := range names {
		sources[name] = texts[n]
		if problems[n] != nil {
			diags = append(diags, problems[n])
		}
	}
	c, more := Parse(dir, sources)
	c.broken = c.broken || diags.HasErrors()
	return c, Arrange(append(diags, more...))
}

// Parse is Load for files that are in memory, by name.
func Parse(dir string, sources map[string][]byte) (*Config, hcl.Diagnostics) {
	c := &Config{
		Dir:       dir,
		Settings:  defaultSettings(),
		variables: map[string]*variable{},
		locals:    map[string]*local{},
		outputs:   map[string]*output{},
		files:     map[string]*hcl.File{},
	}
	var diags hcl.Diagnostics
	names := slices.Sorted(maps.Keys(sources))
	files := make([]*hcl.File, len(names))
	problems := make([]hcl.Diagnostics, len(names))
	parallel(len(names), func(n int) {
		files[n], problems[n] = hclsyntax.ParseConfig(sources[names[n]], names[n], hcl.InitialPos)
	})
	for n, name := range names {
		c.files[name] = files[n]
		diags = append(diags, problems[n]...)
		c.broken = c.broken || problems[n].HasErrors()
	}
	for _, file := range files {
		diags = append(diags, c.sort(file)...)
	}
	return c, Arrange(diags)
}

// sort puts the blocks of a file where they belong.
func (c *Config) sort(file *hcl.File) hcl.Diagnostics {
	body, ok := file.Body.(*hclsyntax.Body)
	if !ok {
		return nil
	}
	var diags hcl.Diagnostics
	for _, a := range body.Attributes {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Attribute outside a block",
			Detail:   fmt.Sprintf("A file holds blocks. A value of your own goes into a locals block: locals { %s = … }.", a.Name),
			Subject:  a.NameRange.Ptr(),
			Context:  a.SrcRange.Ptr(),
		})
	}
	for _, b := range body.Blocks {
		block := b.AsHCLBlock()
		labels, core := coreBlocks[block.Type]
		if !core {
			labels = []string{"name"}
		}
		if d := checkLabels(block, labels); d != nil {
			diags = append(diags, d)
			c.broken = true // others may refer to it
			continue
		}
		switch block.Type {
		case "accord":
			diags = append(diags, c.Settings.decode(block)...)
		case "variable":
			diags = append(diags, c.addVariable(block)...)
		case "locals":
			diags = append(diags, c.addLocals(block)...)
		case "output":
			diags = append(diags, c.addOutput(block)...)
		default:
			if core {
				c.later = append(c.later, block)
			} else {
				c.blocks = append(c.blocks, block)
			}
		}
	}
	return diags
}

// checkLabels holds the labels of a block against those it must have. A label
// that is a name must be writable without quotes, as part of an address.
func checkLabels(block *hcl.Block, want []string) *hcl.Diagnostic {
	switch {
	case len(block.Labels) < len(want):
		return &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Missing name",
			Detail:   fmt.Sprintf("A %s block has a %s: %s \"…\" { }.", block.Type, want[len(block.Labels)], block.Type),
			Subject:  block.DefRange.Ptr(),
		}
	case len(block.Labels) > len(want):
		detail := fmt.Sprintf("A %s block has no label.", block.Type)
		if len(want) > 0 {
			detail = fmt.Sprintf("A %s block has one label, its %s.", block.Type, strings.Join(want, ", "))
		}
		return &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Too many labels",
			Detail:   detail,
			Subject:  block.LabelRanges[len(want)].Ptr(),
			Context:  block.DefRange.Ptr(),
		}
	}
	for n, label := range block.Labels {
		if !hclsyntax.ValidIdentifier(label) {
			return &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Bad name",
				Detail:   fmt.Sprintf("%q cannot be part of an address. A name begins with a letter or an underscore; letters, digits, underscores and dashes follow.", label),
				Subject:  block.LabelRanges[n].Ptr(),
				Context:  block.DefRange.Ptr(),
			}
		}
	}
	return nil
}

// Files returns all that was read, by the name in the ranges of diagnostics;
// after Evaluate also variable files and values from the command line.
func (c *Config) Files() map[string]*hcl.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.files)
}

// Sources returns the text of Files.
func (c *Config) Sources() map[string][]byte {
	sources := map[string][]byte{}
	for name, file := range c.Files() {
		sources[name] = file.Bytes
	}
	return sources
}

// Types returns the block types in use that are not the core's, sorted.
func (c *Config) Types() []string {
	types := map[string]bool{}
	for _, b := range c.blocks {
		types[b.Type] = true
	}
	return slices.Sorted(maps.Keys(types))
}

func (c *Config) keepFile(name string, file *hcl.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files[name] = file
}

// parallel calls do for 0…n-1 on all cores and waits.
func parallel(n int, do func(n int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	var group errgroup.Group
	for w := range workers {
		group.Go(func() error {
			for i := w * n / workers; i < (w+1)*n/workers; i++ {
				do(i)
			}
			return nil
		})
	}
	group.Wait()
}
