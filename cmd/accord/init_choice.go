package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/providers/plugin/pin"
)

// choice is a provider that was chosen, and runs.
type choice struct {
	*declared
	name   string
	binary *pin.Copy
	lock   pin.Provider // as it will be locked
	was    *pin.Provider
	anew   bool // other bytes of the same version
}

// Close ends it, and deletes its copy.
func (ch *choice) Close() error { return errors.Join(ch.declared.Close(), ch.binary.Remove()) }

// what it is to the lock file, in a word and for people.
func (ch *choice) what() (word, text string) {
	platforms := strings.Join(ch.lock.Platforms(), ", ")
	switch {
	case ch.was == nil:
		return "added", fmt.Sprintf("locked for %s", platforms)
	case ch.was.Version != ch.lock.Version:
		return "changed", fmt.Sprintf("was %s; locked for %s", ch.was.Version, platforms)
	case ch.anew:
		return "rebuilt", fmt.Sprintf("other bytes of the same version; locked for %s", platforms)
	case !maps.Equal(ch.was.Checksums, ch.lock.Checksums):
		return "extended", fmt.Sprintf("locked for %s, which is new", platforms)
	default:
		return "kept", "as locked"
	}
}

func (c *cli) locked(ch *choice) {
	word, text := ch.what()
	message := fmt.Sprintf("%s: %s %s, %s", ch.name, ch.lock.Source, ch.lock.Version, text)
	if c.json {
		_ = c.line("provider_locked", message, map[string]any{"name": ch.name, "source": ch.lock.Source.String(), "version": ch.lock.Version, "checksums": ch.lock.Checksums, "change": word})
		return
	}
	mark := map[string]string{"added": green("+"), "kept": " "}[word]
	fmt.Fprintf(c.stdout, "  %s %s\n", cmp.Or(mark, yellow("~")), message)
}

func (c *cli) unlocked(p pin.Provider) {
	message := fmt.Sprintf("%s %s is locked no more: the configuration does not name it", p.Source, p.Version)
	if c.json {
		_ = c.line("provider_unlocked", message, map[string]any{"source": p.Source.String(), "version": p.Version})
		return
	}
	fmt.Fprintf(c.stdout, "  %s %s\n", red("-"), message)
}

// choose finds the binary of a provider, starts a copy of it, and holds what it
// says of itself against what it was found as.
func (r *registry) choose(ctx context.Context, p *lang.RequiredProvider, o initOptions) (*choice, *hcl.Diagnostic) {
	if d := builtIn(p); d != nil {
		return nil, d
	}
	s := &search{registry: r, provider: p, options: o, locked: r.lock.Provider(p.Source)}
	defer s.close()
	if s.locked != nil && !o.upgrade && !allows(p, s.locked.Version) {
		return nil, notAllowed(p, s.locked)
	}
	if d := s.find(); d != nil {
		return nil, d
	}
	if d := s.ask(ctx); d != nil {
		return nil, d
	}
	return s.take(ctx)
}
