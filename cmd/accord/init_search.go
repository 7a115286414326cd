package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	goversion "github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/providers/plugin/pin"
)

// search is for the binary of one provider.
type search struct {
	*registry
	provider *lang.RequiredProvider
	options  initOptions
	locked   *pin.Provider // nil: not yet

	offers []*offer // newest first
}

// offer is a binary that may be it, started where that was needed.
type offer struct {
	pin.Offer
	binary  *pin.Copy
	started *declared
}

func (s *search) close() {
	for _, o := range s.offers {
		o.close()
	}
}

func (o *offer) close() {
	if o.started != nil {
		_ = o.started.Close()
	}
	if o.binary != nil {
		_ = o.binary.Remove()
	}
}

func (s *search) problem(summary, detail string) *hcl.Diagnostic {
	return pluginProblem(s.provider.SourceRange, summary, detail)
}

// find gathers what is offered; last, what is installed already.
func (s *search) find() *hcl.Diagnostic {
	found, err := pin.Find(s.options.folders, s.provider.Source)
	if err != nil {
		return s.problem(fmt.Sprintf("Providers could not be looked for: %v", err), "Name a folder that can be read: accord init -plugin-dir=DIR")
	}
	for _, o := range found {
		s.offers = append(s.offers, &offer{Offer: o})
	}
	if s.locked == nil {
		return nil
	}
	v, err := goversion.NewVersion(s.locked.Version)
	path := s.installed(s.locked.Source, s.locked.Version)
	if _, missing := os.Stat(path); err == nil && missing == nil {
		s.offers = append(s.offers, &offer{Offer: pin.Offer{Path: path, Version: v, Platform: pin.Platform()}})
	}
	return nil
}

// ask starts the binaries whose names do not say their version.
func (s *search) ask(ctx context.Context) *hcl.Diagnostic {
	for _, o := range s.offers {
		if o.Version != nil || o.Platform != pin.Platform() {
			continue
		}
		if d := s.start(ctx, o, ""); d != nil {
			return d
		}
		v, err := goversion.NewVersion(o.started.schema.Version)
		if err != nil {
			return s.problem(fmt.Sprintf("%s says that its version is %q, which is none", o.Path, o.started.schema.Version), "Its maker can mend that.")
		}
		o.Version = v
	}
	slices.SortStableFunc(s.offers, func(a, b *offer) int {
		if a.Version == nil || b.Version == nil {
			return cmp.Compare(order(a), order(b))
		}
		return b.Version.Compare(a.Version)
	})
	return nil
}

// order puts those of other systems that do not say their version last.
func order(o *offer) int {
	if o.Version == nil {
		return 1
	}
	return 0
}

func (s *search) start(ctx context.Context, o *offer, checksum string) *hcl.Diagnostic {
	var err error
	if o.binary, err = pin.Take(s.folder, o.Path, checksum); err != nil {
		version := "?"
		if o.Version != nil {
			version = o.Version.String()
		}
		return notTaken(s.provider, version, err)
	}
	if o.started, err = s.cli.startCopy(ctx, s.provider, o.binary); err != nil {
		return notStarted(s.provider.SourceRange, fmt.Errorf("%w (%s)", err, o.Path))
	}
	return nil
}

// allowed are the offers for this system from which to choose: all of one
// version.
func (s *search) allowed() (some []*offer) {
	for _, o := range s.offers {
		switch {
		case o.Platform != pin.Platform() || !s.provider.Allows(o.Version):
		case s.locked != nil && !s.options.upgrade && o.Version.String() != s.locked.Version:
		case len(some) > 0 && !o.Version.Equal(some[0].Version):
		default:
			some = append(some, o)
		}
	}
	return some
}

// take starts what is chosen. Of what is locked with its bytes it takes no
// others.
func (s *search) take(ctx context.Context) (*choice, *hcl.Diagnostic) {
	some := s.allowed()
	if len(some) == 0 {
		return nil, s.nothing()
	}
	chosen, want := some[0], ""
	version := chosen.Version.String()
	same := s.locked != nil && s.locked.Version == version
	if same && !s.options.upgrade {
		if want = s.locked.Checksums[pin.Platform()]; want != "" {
			for _, o := range some {
				if sum, err := pin.Checksum(o.Path); err == nil && sum == want {
					chosen = o
					break
				}
			}
		}
	}
	switch {
	case chosen.started == nil:
		if d := s.start(ctx, chosen, want); d != nil {
			return nil, d
		}
	case want != "" && chosen.binary.Checksum != want:
		return nil, notTaken(s.provider, version, &pin.ChangedError{Path: chosen.Path, Want: want, Got: chosen.binary.Checksum})
	}
	if d := s.check(chosen); d != nil {
		return nil, d
	}
	ch := &choice{declared: chosen.started, name: s.provider.Name, binary: chosen.binary, was: s.locked,
		lock: pin.Provider{Source: s.provider.Source, Version: version, Checksums: map[string]string{}}}
	if same {
		maps.Copy(ch.lock.Checksums, s.locked.Checksums)
		ch.anew = s.locked.Checksums[pin.Platform()] != "" && s.locked.Checksums[pin.Platform()] != chosen.binary.Checksum
	}
	ch.lock.Checksums[pin.Platform()] = chosen.binary.Checksum
	if d := s.others(ch, same); d != nil {
		return nil, d
	}
	chosen.started, chosen.binary = nil, nil // they are the choice's now
	return ch, nil
}

// check holds what a provider says of itself against its source and its file.
func (s *search) check(o *offer) *hcl.Diagnostic {
	v, err := goversion.NewVersion(o.started.schema.Version)
	switch {
	case o.started.named != s.provider.Source.Name:
		return s.problem(fmt.Sprintf("%s is the provider %s, and not %s", o.Path, o.started.named, s.provider.Source.Name), "Correct source, or the name of the file.")
	case err != nil || !v.Equal(o.Version):
		return s.problem(fmt.Sprintf("%s says that its version is %q", o.Path, o.started.schema.Version), "The name of the file says another. Give it the name that it should have, or leave the version out of it.")
	}
	return nil
}

// others locks the same version for other systems, where it is offered.
func (s *search) others(ch *choice, same bool) *hcl.Diagnostic {
	for _, o := range s.offers {
		if o.Version == nil || o.Platform == pin.Platform() || o.Version.String() != ch.lock.Version {
			continue
		}
		sum, err := pin.Checksum(o.Path)
		if err != nil {
			return notTaken(s.provider, ch.lock.Version, err)
		}
		if want := ch.lock.Checksums[o.Platform]; same && want != "" && want != sum {
			if !s.options.upgrade {
				return notTaken(s.provider, ch.lock.Version, &pin.ChangedError{Path: o.Path, Want: want, Got: sum})
			}
			ch.anew = true
		}
		ch.lock.Checksums[o.Platform] = sum
	}
	return nil
}

// nothing says why there is nothing to choose.
func (s *search) nothing() *hcl.Diagnostic {
	p := s.provider
	var here, elsewhere []string
	for _, o := range s.offers {
		text := "?"
		if o.Version != nil {
			text = o.Version.String()
		}
		if o.Platform == pin.Platform() {
			here = append(here, text)
		} else {
			elsewhere = append(elsewhere, text+" for "+o.Platform)
		}
	}
	here, elsewhere = slices.Compact(here), slices.Compact(elsewhere)
	looked := "No folder was given to look in."
	if len(s.options.folders) > 0 {
		looked = fmt.Sprintf("accord-provider-%s[_VERSION] was looked for in %s.", p.Source.Name, strings.Join(s.options.folders, ", "))
	}
	switch {
	case len(here) > 0 && s.locked != nil && !s.options.upgrade:
		return s.problem(fmt.Sprintf("%s %s is locked, and only %s is there", p.Source, s.locked.Version, strings.Join(here, ", ")),
			looked+" Put what is locked there, or choose anew: accord init -upgrade")
	case len(here) > 0 && p.Version == "":
		return s.problem(fmt.Sprintf("Of %s there is only the prerelease %s", p.Source, strings.Join(here, ", ")), fmt.Sprintf("One is taken where the block asks for it: version = %q", here[0]))
	case len(here) > 0:
		return pluginProblem(p.VersionRange, fmt.Sprintf("No version of %s that is there is allowed", p.Source),
			fmt.Sprintf("There is %s, and the configuration asks for version = %q. %s", strings.Join(here, ", "), p.Version, looked))
	case len(elsewhere) > 0:
		return s.problem(fmt.Sprintf("%s is not there for %s", p.Source, pin.Platform()), fmt.Sprintf("There is %s. %s", strings.Join(elsewhere, ", "), looked))
	default:
		return s.problem(fmt.Sprintf("There is no binary of %s", p.Source), looked+" Put it there, or name its folder: accord init -plugin-dir=DIR")
	}
}
