package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	goversion "github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"accord/lang"
	"accord/providers/plugin/pin"
)

// initOptions are the flags of init.
type initOptions struct {
	folders []string // that offer providers
	upgrade bool
}

// pluginFolders is the environment variable that names such folders.
const pluginFolders = "ACCORD_PLUGIN_DIR"

func (c *cli) initCommand() *cobra.Command {
	var o initOptions
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Prepare a directory",
		Long: `Checks that the directory can be worked in: its providers are there and its
state can be opened. With built-in providers alone nothing needs preparing, and
every command does without it.

A provider that is not built in is a program called

  accord-provider-NAME[_VERSION][_OS_ARCH]

in a folder that -plugin-dir names, or below it in [HOST/]NAMESPACE/NAME; without
-plugin-dir in those of ACCORD_PLUGIN_DIR, else in accord/plugins of your
configuration folder. The newest version that the configuration allows is
written to .accord.lock.hcl with the checksum of its bytes, those for other
systems beside it included. Every command runs these bytes and no others, until
-upgrade chooses anew. Keep the lock file with the configuration.

A provider is given what its blocks say, and of the environment only what every
program needs (PATH, HOME, proxies and the like) and what env = ["NAME"] in its
block names. It runs with your rights: choose it as you choose any program.`,
		Example: `  accord init
  accord init -plugin-dir=../providers
  accord init -upgrade`,
		Annotations: exits(exitRefused),
		Args:        noArguments,
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runInit(cmd.Context(), o) },
	}
	cmd.Flags().StringArrayVar(&o.folders, "plugin-dir", nil, "look for providers in `DIR`, and nowhere else; may be repeated")
	cmd.Flags().BoolVar(&o.upgrade, "upgrade", false, "choose versions anew, and take the bytes that are there")
	return cmd
}

func (c *cli) runInit(ctx context.Context, o initOptions) error {
	w, err := c.load()
	if err != nil {
		return err
	}
	defer w.Close()
	if o.folders, err = foldersOf(o.folders); err != nil {
		return err
	}
	if err := w.chooseProviders(ctx, o); err != nil {
		return err
	}
	if err := w.openState(ctx); err != nil {
		return err
	}
	st, err := w.store.Read(ctx)
	if err != nil {
		return err
	}
	names := slices.Sorted(maps.Keys(w.planner.Schemas))
	if c.json {
		return c.line("initialised", "Ready", map[string]any{"providers": names, "serial": st.Serial})
	}
	for n, name := range names {
		if makers[name] != nil {
			names[n] += " (built in)"
		}
	}
	_, err = fmt.Fprintf(c.stdout, "Ready. Providers: %s. State: %s, %d objects.\n", strings.Join(names, ", "), w.config.Settings.Backend.Type, len(st.Objects))
	return err
}

// foldersOf are those that offer providers: the given ones, which must be there,
// else those that may be.
func foldersOf(given []string) ([]string, error) {
	for _, folder := range given {
		if info, err := os.Stat(folder); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("-plugin-dir=%s: there is no such directory", folder)
		}
	}
	if len(given) > 0 {
		return given, nil
	}
	if list := os.Getenv(pluginFolders); list != "" {
		return filepath.SplitList(list), nil
	}
	own, err := os.UserConfigDir()
	if err != nil {
		return nil, nil
	}
	return []string{filepath.Join(own, "accord", "plugins")}, nil
}

// chooseProviders starts the providers of the configuration, as they are locked
// or newly chosen, and records what was chosen, all or nothing.
func (w *workspace) chooseProviders(ctx context.Context, o initOptions) error {
	r, diags := w.registry()
	if diags.HasErrors() {
		return w.cli.problems(diags)
	}
	var all []*started
	for _, name := range builtins() {
		s, more, err := r.openBuiltin(ctx, name)
		if err != nil {
			return err
		}
		if diags = append(diags, more...); s != nil {
			w.onClose(s)
			all = append(all, s)
		}
	}
	next := &pin.Lock{}
	var choices []*choice
	for n := range w.config.Settings.Providers {
		p := &w.config.Settings.Providers[n]
		if at, ok := r.waiting[p.Source.Name]; ok {
			s, more := attach(ctx, p.Name, p.SourceRange, at)
			diags = append(diags, more...)
			if s != nil {
				w.onClose(s)
				all = append(all, s)
			}
			if locked := r.lock.Provider(p.Source); locked != nil {
				next.Set(*locked)
			}
			continue
		}
		ch, d := r.choose(ctx, p, o)
		if d != nil {
			diags = append(diags, d)
			continue
		}
		w.onClose(ch)
		all = append(all, ch.started)
		next.Set(ch.lock)
		choices = append(choices, ch)
	}
	if diags.HasErrors() {
		return w.cli.pluginProblems(diags)
	}
	w.cli.diagnostics(diags)
	if err := w.employ(all); err != nil {
		return err
	}
	return w.record(r, next, choices)
}

// record installs what was chosen, and writes the lock file where it changes.
func (w *workspace) record(r *registry, next *pin.Lock, choices []*choice) error {
	for _, ch := range choices {
		path := r.installed(ch.lock.Source, ch.lock.Version)
		if sum, err := pin.Checksum(path); err == nil && sum == ch.binary.Checksum {
			continue
		}
		if err := ch.binary.Install(path); err != nil {
			return fmt.Errorf("install %s: %w", ch.lock.Source, err)
		}
	}
	for _, ch := range choices {
		w.cli.locked(ch)
	}
	for _, p := range r.lock.Providers {
		if next.Provider(p.Source) == nil {
			w.cli.unlocked(p)
		}
	}
	if len(next.Providers)+len(r.lock.Providers) == 0 || string(next.Bytes()) == string(r.lock.Bytes()) {
		return nil
	}
	if err := next.Write(r.lockFile); err != nil {
		return fmt.Errorf("write the lock file of providers: %w", err)
	}
	if !w.cli.json {
		fmt.Fprintf(w.cli.stdout, "\n%s is written anew. Keep it with the configuration.\n\n", lockFile)
	}
	return nil
}

// choice is a provider that was chosen, and runs.
type choice struct {
	*started
	name   string
	binary *pin.Copy
	lock   pin.Provider // as it will be locked
	was    *pin.Provider
	anew   bool // other bytes of the same version
}

// Close ends it, and deletes its copy.
func (ch *choice) Close() error { return errors.Join(ch.started.Close(), ch.binary.Remove()) }

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
	started *started
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
	ch := &choice{started: chosen.started, name: s.provider.Name, binary: chosen.binary, was: s.locked,
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
