package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"accord/planner"
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
		if _, ok := makers[name]; ok {
			names[n] += " (built in)"
		}
	}
	_, err = fmt.Fprintf(c.stdout, "Ready. Providers: %s. State: %s, %s.\n", strings.Join(names, ", "), w.config.Settings.Backend.Type, count(len(planner.Remembered(st)), "object"))
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
	var all []*declared
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
		all = append(all, ch.declared)
		next.Set(ch.lock)
		choices = append(choices, ch)
	}
	if diags.HasErrors() {
		return w.cli.pluginProblems(diags)
	}
	w.cli.diagnostics(diags)
	if err := w.introduce(all); err != nil {
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
