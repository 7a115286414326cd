package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	goversion "github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"accord/lang"
	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner"
	"accord/planner/graph"
	"accord/providers"
	"accord/providers/plugin"
	"accord/providers/plugin/pin"
)

// executable is this program, to be started again.
var executable = os.Executable

// declared is what a provider declares, and who has its process.
type declared struct {
	process interface {
		arrive() (*plugin.Plugin, error) // waits for it
		Close() error                    // ends it, if there is one
	}
	schema *schema.Provider
	named  string // what it calls itself; the schema says what it is called here
	digest string // of its program; "" where nobody knows it
}

// Close ends the process, if there is one.
func (d *declared) Close() error { return d.process.Close() }

// running is a process that is there.
type running struct{ *plugin.Plugin }

func (r running) arrive() (*plugin.Plugin, error) { return r.Plugin, nil }

// pluginTimeout is the variable that says how long a provider may take to
// start: 60s.
const pluginTimeout = "ACCORD_PLUGIN_TIMEOUT"

// startWithin is how long a provider may take to start, and to say what it declares.
func startWithin() (time.Duration, error) {
	text := os.Getenv(pluginTimeout)
	if text == "" {
		return plugin.StartWithin, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, misused("Set it to a time such as 60s, or unset it.", "%s is %q, which is no time", pluginTimeout, text)
	}
	return d, nil
}

// tooSlow says of a provider that was given up what else it may be.
func tooSlow(err error) error {
	var late *providers.Error
	if errors.As(err, &late) && late.Kind == providers.Transient && late.Advice == "" {
		late.Advice = fmt.Sprintf("Nothing was read or written. Where it only takes longer here, give it more time: %s=60s", pluginTimeout)
	}
	return err
}

// declaration asks a provider for its schema, and closes one that gives none.
func declaration(ctx context.Context, p *plugin.Plugin, limit time.Duration) (*declared, error) {
	asking, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	sch, err := p.Schema(asking)
	if err != nil {
		_ = p.Close()
		if ctx.Err() == nil && asking.Err() != nil {
			return nil, tooSlow(providers.Errorf(providers.Transient, "the provider did not say what it declares within %s", limit))
		}
		return nil, err
	}
	return &declared{process: running{p}, schema: sch, named: sch.Name}, nil
}

// startCopy starts a provider that is not built in.
func (c *cli) startCopy(ctx context.Context, p *lang.RequiredProvider, binary *pin.Copy) (*declared, error) {
	limit, err := startWithin()
	if err != nil {
		return nil, err
	}
	opened, err := plugin.Open(ctx, plugin.Command{Name: p.Name, Path: binary.Path, Environ: environ(p), Within: limit, Log: c.logger()})
	if err != nil {
		return nil, tooSlow(err)
	}
	s, err := declaration(ctx, opened, limit)
	if err != nil {
		return nil, err
	}
	s.schema.Name = p.Name // as the configuration and the state call it
	s.digest = binary.Checksum
	return s, nil
}

// common are the environment variables that every program may need: where
// things are, how to speak, and how to reach the network. They are in capitals.
var common = strings.Fields(`
	PATH HOME USER LOGNAME SHELL LANG LANGUAGE LC_ALL LC_CTYPE LC_MESSAGES LC_TIME TZ TMPDIR TMP TEMP
	XDG_CONFIG_HOME XDG_CACHE_HOME XDG_DATA_HOME XDG_RUNTIME_DIR
	HTTP_PROXY HTTPS_PROXY NO_PROXY ALL_PROXY SSL_CERT_FILE SSL_CERT_DIR
	SYSTEMROOT SYSTEMDRIVE WINDIR COMSPEC PATHEXT USERPROFILE APPDATA LOCALAPPDATA PROGRAMDATA
	GODEBUG GOTRACEBACK GOMAXPROCS GOMEMLIMIT`)

// environ is what a provider that is not built in is given of the environment:
// what is common, and what its block names. Credentials of vaults, of the state
// and of other providers are not for it.
func environ(p *lang.RequiredProvider) []string {
	named := func(name string) bool {
		if runtime.GOOS == "windows" {
			return slices.ContainsFunc(p.Env, func(n string) bool { return strings.EqualFold(n, name) })
		}
		return slices.Contains(p.Env, name)
	}
	given := []string{}
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if slices.Contains(common, strings.ToUpper(name)) || named(name) {
			given = append(given, entry)
		}
	}
	return given
}

// openProviders learns the schemas of the providers. Those that are not built in
// are started for it, all at once, and must be the ones that are locked; for those
// that are built in, arrive waits once they are needed.
func (w *workspace) openProviders(ctx context.Context) error {
	names := builtins()
	var required []lang.RequiredProvider
	if w.config != nil {
		required = w.config.Settings.Providers
	}
	r, diags := w.registry()
	if diags.HasErrors() {
		return w.cli.problems(diags)
	}
	all := make([]*declared, len(names)+len(required))
	found := make([]hcl.Diagnostics, len(all))
	errs := make([]error, len(names))
	var starting graph.Group
	for n := range required {
		at := len(names) + n
		starting.Go(func() error { all[at], found[at] = r.open(ctx, &required[n]); return nil })
	}
	for n, name := range names {
		all[n], found[n], errs[n] = r.openBuiltin(ctx, name)
	}
	_ = starting.Wait()
	for _, s := range all {
		if s != nil {
			w.served = append(w.served, s)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if diags = slices.Concat(found...); diags.HasErrors() {
		return w.cli.pluginProblems(diags)
	}
	w.cli.diagnostics(diags)
	w.declared = all
	return w.introduce(all)
}

// arrive waits for the processes of all providers, and gives them to the planner.
func (w *workspace) arrive() error {
	errs := make([]error, len(w.declared))
	for n, d := range w.declared {
		var p *plugin.Plugin
		if p, errs[n] = d.process.arrive(); errs[n] == nil {
			w.planner.Providers[d.schema.Name] = veiled{passing{p}, &w.cli.veil}
		}
	}
	return errors.Join(errs...)
}

// introduce tells the planner, and the configuration, what providers declare.
func (w *workspace) introduce(all []*declared) error {
	w.planner = &planner.Planner{
		Providers: map[string]providers.Provider{}, Schemas: map[string]*schema.Provider{},
		Journal: w.journal, Tool: "accord " + Version, Now: time.Now,
	}
	var schemas []*schema.Provider
	w.judges = []string{}
	for _, s := range all {
		if s.digest == "" {
			w.judges = nil
		}
		if w.judges != nil {
			w.judges = append(w.judges, s.schema.Name, s.digest)
		}
		w.planner.Schemas[s.schema.Name] = s.schema
		schemas = append(schemas, s.schema)
	}
	if w.config == nil {
		return nil
	}
	if diags := w.config.CheckProviders(schemas); diags.HasErrors() {
		for _, d := range diags {
			d.Extra = &planner.Problem{Code: codePlugin}
		}
		return w.cli.problems(diags)
	}
	return nil
}

// schemas are those of all providers, by name.
func (w *workspace) schemas() []*schema.Provider {
	var all []*schema.Provider
	for _, name := range slices.Sorted(maps.Keys(w.planner.Schemas)) {
		all = append(all, w.planner.Schemas[name])
	}
	return all
}

// codePlugin is the code of what is wrong with a provider that is not built in.
const codePlugin = "PLUGIN"

// pluginProblem is one at a place in the files; a zero range is none.
func pluginProblem(at hcl.Range, summary, detail string) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Extra: &planner.Problem{Code: codePlugin}}
	if at != (hcl.Range{}) {
		d.Subject = at.Ptr()
	}
	return d
}

// pluginProblems ends a command that cannot have its providers; where bytes are
// not those that were locked, as one that was refused.
func (c *cli) pluginProblems(diags hcl.Diagnostics) error {
	c.diagnostics(diags)
	code := exitError
	for _, d := range diags {
		var refused *providers.Error
		if p, ok := d.Extra.(*planner.Problem); ok && errors.As(orNil(p.Err), &refused) && refused.Kind == providers.Refused {
			code = exitRefused
		}
	}
	return told(code)
}

func orNil(err *providers.Error) error {
	if err == nil {
		return nil
	}
	return err
}

// registry is where the providers of a configuration are that are not built in.
type registry struct {
	cli      *cli
	folder   string // .accord
	lock     *pin.Lock
	waiting  map[string]plugin.Reattach // by the name in the source
	lockFile string
	builtins map[string]*builtin // that were started already
}

// registry reads the lock file, and what is waiting to be attached to.
func (w *workspace) registry() (*registry, hcl.Diagnostics) {
	r := &registry{cli: w.cli, folder: filepath.Join(w.dir, ".accord"), lockFile: filepath.Join(w.dir, lockFile), builtins: w.builtins}
	if text := os.Getenv(plugin.ReattachVariable); text != "" {
		if err := json.Unmarshal([]byte(text), &r.waiting); err != nil {
			return nil, hcl.Diagnostics{pluginProblem(hcl.Range{}, fmt.Sprintf("%s is not what a provider prints: %v", plugin.ReattachVariable, err),
				"A provider that is started with -debug prints the line to set it with. Or unset it.")}
		}
	}
	lock, files, diags := pin.ReadLock(r.lockFile)
	if diags.HasErrors() {
		w.cli.sources = maps.Clone(w.cli.sources)
		maps.Copy(w.cli.sources, files)
		for _, d := range diags {
			d.Extra = &planner.Problem{Code: codePlugin}
		}
		return nil, diags
	}
	r.lock = lock
	return r, nil
}

// installed is where the binary of a provider is kept, for this system.
func (r *registry) installed(source addrs.Source, version string) string {
	return pin.Installed(filepath.Join(r.folder, "providers"), source, version, pin.Platform())
}

// builtIn refuses a provider that would hide one of accord's own.
func builtIn(p *lang.RequiredProvider) *hcl.Diagnostic {
	if _, ok := makers[p.Name]; !ok {
		return nil
	}
	return pluginProblem(p.Range, fmt.Sprintf("The provider %s is built in", p.Name), "Take this block out; or, where it is about another provider, give it another name.")
}

// openBuiltin returns a built-in provider, which is that of this binary unless
// somebody runs it under a debugger: accord provider NAME -debug.
func (r *registry) openBuiltin(ctx context.Context, name string) (*declared, hcl.Diagnostics, error) {
	if at, ok := r.waiting[name]; ok {
		s, diags := attach(ctx, name, hcl.Range{}, at)
		return s, diags, nil
	}
	b := r.builtins[name]
	if b == nil {
		b = r.cli.builtin(ctx, name)
	}
	s, err := b.declared(ctx)
	return s, nil, err
}

// open starts a provider as it is locked: the bytes that were checked.
func (r *registry) open(ctx context.Context, p *lang.RequiredProvider) (*declared, hcl.Diagnostics) {
	if d := builtIn(p); d != nil {
		return nil, hcl.Diagnostics{d}
	}
	if at, ok := r.waiting[p.Source.Name]; ok {
		return attach(ctx, p.Name, p.SourceRange, at)
	}
	fail := func(summary, detail string) (*declared, hcl.Diagnostics) {
		return nil, hcl.Diagnostics{pluginProblem(p.SourceRange, summary, detail)}
	}
	locked := r.lock.Provider(p.Source)
	if locked == nil {
		return fail(fmt.Sprintf("The provider %s is not locked", p.Source), "No version of it has been chosen for this configuration yet. Run: accord init")
	}
	if !allows(p, locked.Version) {
		return nil, hcl.Diagnostics{notAllowed(p, locked)}
	}
	sum, ok := locked.Checksums[pin.Platform()]
	if !ok {
		return fail(fmt.Sprintf("%s %s is not locked for %s", p.Source, locked.Version, pin.Platform()),
			fmt.Sprintf("It is locked for %s. Run accord init here, and keep the lock file with the configuration.", strings.Join(locked.Platforms(), ", ")))
	}
	binary, err := pin.Take(r.folder, r.installed(p.Source, locked.Version), sum)
	if err != nil {
		return nil, hcl.Diagnostics{notTaken(p, locked.Version, err)}
	}
	s, err := r.cli.startCopy(ctx, p, binary)
	if err != nil {
		_ = binary.Remove()
		return nil, hcl.Diagnostics{notStarted(p.SourceRange, err)}
	}
	binary.Started()
	return s, nil
}

// attachWithin is how long one may take that somebody looks at in a debugger.
const attachWithin = 10 * time.Minute

// attach connects to a provider that somebody started by hand.
func attach(ctx context.Context, name string, place hcl.Range, at plugin.Reattach) (*declared, hcl.Diagnostics) {
	opened, err := plugin.Attach(ctx, name, at)
	if err != nil {
		return nil, hcl.Diagnostics{notStarted(place, err)}
	}
	s, err := declaration(ctx, opened, attachWithin)
	if err != nil {
		return nil, hcl.Diagnostics{notStarted(place, err)}
	}
	s.schema.Name = name
	warning := pluginProblem(place, fmt.Sprintf("The provider %s is the one that waits in process %d", name, at.PID),
		plugin.ReattachVariable+" says so. It is used as it is: neither its version nor its checksum is held against the lock file.")
	warning.Severity = hcl.DiagWarning
	return s, hcl.Diagnostics{warning}
}

func allows(p *lang.RequiredProvider, text string) bool {
	v, err := goversion.NewVersion(text)
	return err == nil && p.Allows(v)
}

func notAllowed(p *lang.RequiredProvider, locked *pin.Provider) *hcl.Diagnostic {
	asked := fmt.Sprintf("version = %q", p.Version)
	if p.Version == "" {
		asked = "without a version no prerelease is taken, which"
	}
	return pluginProblem(p.VersionRange, fmt.Sprintf("%s is locked at %s, and the configuration asks for another version", p.Source, locked.Version),
		fmt.Sprintf("%s does not allow it. To choose a version that it allows: accord init -upgrade", asked))
}

// notTaken says why the binary of a provider could not be had.
func notTaken(p *lang.RequiredProvider, version string, err error) *hcl.Diagnostic {
	var changed *pin.ChangedError
	switch {
	case errors.As(err, &changed):
		d := pluginProblem(p.SourceRange, fmt.Sprintf("The binary of %s %s is not the one that was locked", p.Source, version),
			fmt.Sprintf("%s. Nothing of it was started. Get the right one; or, where it was built anew on purpose, lock it again: accord init -upgrade", sentence(changed.Error())))
		d.Extra = &planner.Problem{Code: codePlugin, Err: providers.Errorf(providers.Refused, "%v", changed)}
		return d
	case errors.Is(err, fs.ErrNotExist):
		return pluginProblem(p.SourceRange, fmt.Sprintf("The binary of %s %s is not here", p.Source, version),
			"It is locked, but not installed in this folder. Run: accord init")
	default:
		return pluginProblem(p.SourceRange, fmt.Sprintf("The binary of %s %s cannot be read: %v", p.Source, version, err),
			"accord runs a copy of it, which it makes in the folder .accord.")
	}
}

// notStarted says why a binary is no provider.
func notStarted(at hcl.Range, err error) *hcl.Diagnostic {
	d := diagnosticOf(err)
	if d.Detail == "" {
		d.Detail = "Is it a provider of accord, and for this system? Its maker may know."
	}
	return pluginProblem(at, d.Summary, d.Detail)
}

func (c *cli) providerCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "provider NAME",
		Short:  "Serve a built-in provider to another accord process",
		Hidden: true,
		Args:   cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			maker, ok := makers[args[0]]
			if !ok {
				return fmt.Errorf("there is no built-in provider %q", args[0])
			}
			return plugin.Serve(func() providers.Provider { return passing{maker.serve()} })
		},
	}
}
