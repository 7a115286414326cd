package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner"
	"accord/planner/graph"
	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
)

// workspace is a configuration directory with everything a command opened for
// it. Close ends it all.
type workspace struct {
	cli     *cli
	dir     string
	config  *lang.Config
	desired *lang.Desired
	store   state.Store
	journal state.Journal
	planner *planner.Planner
	dev     *devServer
	closers []func() error
	served  []io.Closer // providers, until nothing more is asked of them

	preparing graph.Group // the journal, for being written to
	ending    graph.Group // providers and state

	builtins map[string]*builtin // that were started before openProviders
	declared []*declared         // all providers
	judges   []string            // what tells the programs of the providers apart; nil where that is not known

	landing  time.Duration // how long a call of a tool that died may still land
	patience time.Duration // that vaults have with a slower one; 0: without end

	named   bool            // previews name every item
	holds   string          // leases of runs as this operation: "serve"; "": "sync"
	invalid hcl.Diagnostics // what was set aside
	loaded  hcl.Diagnostics // warnings of what was read
	advice  hcl.Diagnostics // these, and those of what was evaluated
	warned  hcl.Diagnostics // what the plan has shown
}

// inputs are the flags by which variables are set.
type inputs struct {
	vars     []string
	varFiles []string

	thorough bool // providers check also what they had nothing to say of the last time
	lenient  bool // what they find wrong with objects is left to the plan
}

// load reads the files of the directory, and ends with every mistake in them.
func (c *cli) load() (*workspace, error) {
	info, err := os.Stat(c.chdir)
	if err != nil || !info.IsDir() {
		return nil, fmt.Errorf("-chdir=%s: there is no such directory", c.chdir)
	}
	config, diags := lang.Load(c.chdir)
	return c.open(config, diags)
}

func (c *cli) open(config *lang.Config, diags hcl.Diagnostics) (*workspace, error) {
	w := &workspace{cli: c, dir: c.chdir, config: config}
	c.sources = config.Files()
	if diags.HasErrors() {
		return nil, c.problems(diags)
	}
	diags = append(diags, config.Settings.CheckVersion(Version)...)
	if diags.HasErrors() {
		return nil, c.problems(diags)
	}
	w.loaded = diags
	return w, nil
}

// Close ends everything that was opened, last first; the providers and the state
// beside the rest, which has nothing more to ask of the ones or to tell the other.
func (w *workspace) Close() {
	w.dismiss()
	if w.store != nil {
		w.ending.Go(func() error {
			_ = w.preparing.Wait()
			return w.store.Close()
		})
	}
	for _, end := range slices.Backward(w.closers) {
		_ = end()
	}
	_ = w.ending.Wait()
	w.closers, w.store = nil, nil
}

// dismiss has the providers end, of whom nothing more is asked. Close waits for them.
func (w *workspace) dismiss() {
	for _, p := range w.served {
		w.ending.Go(p.Close)
	}
	w.served = nil
}

func (w *workspace) onClose(c io.Closer) { w.closers = append(w.closers, c.Close) }

// evaluate settles what the files want, and has the providers check it.
func (w *workspace) evaluate(ctx context.Context, in inputs) (hcl.Diagnostics, error) {
	desired, diags := w.config.Evaluate(w.schemas(), lang.Options{Environ: os.Environ(), VarFiles: in.varFiles, Vars: in.vars})
	w.cli.sources = w.config.Files()
	w.desired = desired
	written := !diags.HasErrors()
	proof, judges := desired.Proof(), w.judges
	if len(diags) > 0 || judges == nil {
		proof = nil
	}
	if in.thorough || !proof.Holds(judges...) {
		if err := w.arrive(); err != nil {
			return nil, err
		}
		if diags = w.planner.Validate(ctx, desired, diags); len(diags) == 0 {
			proof.Keep(judges...)
		}
	}
	if in.lenient && written {
		diags = w.setAside(diags)
	}
	if diags.HasErrors() {
		return nil, w.cli.problems(lang.Arrange(diags))
	}
	w.advice = lang.Arrange(slices.Concat(w.loaded, diags))
	return w.advice, nil
}

// setAside keeps what providers find wrong with objects for a plan, which then
// fails and says what is known of the others. What is wrong with anything else
// stays.
func (w *workspace) setAside(diags hcl.Diagnostics) (rest hcl.Diagnostics) {
	for _, d := range diags {
		p, known := d.Extra.(*planner.Problem)
		if d.Severity == hcl.DiagError && known && slices.ContainsFunc(w.desired.Resources, func(r *lang.Resource) bool { return r.Addr == p.Addr }) {
			w.invalid = append(w.invalid, d)
		} else {
			rest = append(rest, d)
		}
	}
	return rest
}

// evaluated opens the directory with its providers, and settles what the files
// want. Whoever asked closes it.
func (c *cli) evaluated(ctx context.Context, in inputs) (*workspace, error) {
	return c.opened(ctx, func(w *workspace) error {
		if err := w.openProviders(ctx); err != nil {
			return err
		}
		_, err := w.evaluate(ctx, in)
		return err
	})
}

// withState is evaluated with the state, which is read meanwhile: unless there is
// nothing of accord's in the directory yet, where nothing is made before the
// files are right.
func (c *cli) withState(ctx context.Context, in inputs) (w *workspace, st *state.State, err error) {
	w, err = c.opened(ctx, func(w *workspace) error {
		evaluate := func() error {
			err := w.openProviders(ctx)
			if err == nil {
				_, err = w.evaluate(ctx, in)
			}
			return err
		}
		var journal state.Journal
		read := func() (err error) {
			if journal, err = w.journalOf(ctx); err == nil {
				st, err = w.store.Read(ctx)
			}
			return err
		}
		if _, err := os.Stat(filepath.Join(w.dir, ".accord")); err != nil {
			for _, next := range []func() error{evaluate, func() error { return w.openStore(ctx) }, read} {
				if err := next(); err != nil {
					return err
				}
			}
			w.useJournal(journal)
			return nil
		}
		if err := w.openStore(ctx); err != nil {
			return err
		}
		var reading graph.Group
		reading.Go(read)
		err := evaluate()
		if err := cmp.Or(err, reading.Wait()); err != nil {
			return err
		}
		w.useJournal(journal)
		return nil
	})
	return w, st, err
}

// remembering opens the directory with its providers and its state: what was
// applied counts, not what the files want now. Whoever asked closes it.
func (c *cli) remembering(ctx context.Context) (*workspace, error) {
	return c.opened(ctx, func(w *workspace) error {
		if err := w.openState(ctx); err != nil { // while the providers start
			return err
		}
		return w.openProviders(ctx)
	})
}

// opened loads the directory, and closes it again where more is not to be had.
// The built-in providers start while the files are read.
func (c *cli) opened(ctx context.Context, more func(*workspace) error) (*workspace, error) {
	builtins := c.startBuiltins(ctx)
	w, err := c.load()
	if err != nil {
		for _, b := range builtins {
			_ = b.Close()
		}
		return nil, err
	}
	w.builtins = builtins
	for _, b := range builtins {
		w.served = append(w.served, b)
	}
	if err := more(w); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func objectOf(r *lang.Resource) providers.Object {
	return providers.Object{Addr: r.Addr, Type: r.Type.Name, Body: r.Body, Unknown: r.Unknown, Sensitive: r.Sensitive}
}

// openState opens the store that the accord block names, and its journal.
func (w *workspace) openState(ctx context.Context) error {
	if err := w.openStore(ctx); err != nil {
		return err
	}
	return w.openJournal(ctx)
}

func (w *workspace) openJournal(ctx context.Context) error {
	journal, err := w.journalOf(ctx)
	if err == nil {
		w.useJournal(journal)
	}
	return err
}

func (w *workspace) journalOf(ctx context.Context) (state.Journal, error) {
	journal, err := w.store.Journal(ctx)
	if errors.Is(err, state.ErrNoJournal) {
		journal, err = state.NoJournal{}, nil // said where it is needed
	}
	if err != nil {
		return nil, fmt.Errorf("open the journal of syncs: %w", err)
	}
	return journal, nil
}

func (w *workspace) useJournal(journal state.Journal) {
	w.journal = journal
	if w.planner != nil {
		w.planner.Journal = journal
	}
}

// openSyncer makes the engine of runs, under the limits that hold.
func (w *workspace) openSyncer(settings planner.Settings, events func(syncer.Event)) error {
	work := filepath.Join(w.dir, ".accord", "work")
	if err := os.MkdirAll(work, 0o700); err != nil {
		return err
	}
	limit := func(l planner.Limit) syncer.Limit { return syncer.Limit{Set: true, Share: l.Share, Place: l.Place} }
	s, err := syncer.New(syncer.Options{
		Provider: w.provider, Journal: w.journal, WorkDir: work, Operation: w.holds, Tell: planner.Told(w.config.Settings),
		Limits: syncer.Limits{MaxWithdrawn: limit(settings.MaxWithdrawn), MaxPublished: limit(settings.MaxPublished), IgnoreBelow: settings.IgnoreBelow},
		Named:  w.named, FollowFor: settings.PlatformWait, Settle: w.landing, Patience: w.patience,
		Now: time.Now, Events: events,
	})
	if err != nil {
		return err
	}
	w.onClose(s)
	w.planner.Syncer = s
	return nil
}

// provider finds whose an instance is.
func (w *workspace) provider(addr addrs.Instance) (providers.Provider, *schema.Provider) {
	for name, sch := range w.planner.Schemas {
		if t, instance := sch.Type(addr.Type); t != nil && instance {
			return w.planner.Providers[name], sch
		}
	}
	return nil, nil
}

// connect reaches every vault, the development ones included. Nothing is
// written before all of them have answered.
func (w *workspace) connect(ctx context.Context, instances []providers.Object, pairs []devPair, readOnly bool) (map[addrs.Instance]providers.Object, error) {
	found, errs, err := w.reach(ctx, instances, pairs, readOnly)
	if err != nil {
		return nil, err
	}
	if len(errs) > 0 {
		return nil, w.accessProblems(errs)
	}
	return found, nil
}

// reach is connect for who can do without some: errs are of those that did not
// answer.
func (w *workspace) reach(ctx context.Context, instances []providers.Object, pairs []devPair, readOnly bool) (found map[addrs.Instance]providers.Object, errs []error, err error) {
	dir, err := filepath.Abs(w.dir)
	if err != nil {
		return nil, nil, err
	}
	w.landing = landingIn(instances)
	if journal, ok := w.journal.(state.Preparing); ok && !readOnly {
		w.preparing.Go(func() error { return journal.Prepare(ctx) }) // whoever writes says what is wrong
	}
	config := providers.Config{Dir: dir, Instances: instances, ReadOnly: readOnly, Tool: "accord-" + Version}
	if usesDev(instances) {
		if w.dev, err = openDevServer(ctx, w.dir); err != nil {
			return nil, nil, err
		}
		w.onClose(w.dev)
		if config.Endpoints, err = w.dev.provide(ctx, instances, pairs, w.config.Settings.Dev); err != nil {
			return nil, nil, w.accessProblems([]error{err})
		}
	}
	if err := w.arrive(); err != nil {
		return nil, nil, err
	}
	found, errs = w.planner.Configure(ctx, config)
	return found, errs, nil
}

func usesDev(instances []providers.Object) bool {
	for _, inst := range instances {
		var body instanceBody
		if inst.Decode(&body) == nil {
			if _, ok := devName(body.URL); ok {
				return true
			}
		}
	}
	return false
}

// accessProblems presents what went wrong while connecting, all at once, each
// at its vault's line.
func (w *workspace) accessProblems(errs []error) error {
	diags, code := w.accessDiagnostics(errs)
	w.cli.diagnostics(diags)
	return told(code)
}

// accessWarnings presents what went wrong with vaults that can be done without.
func (w *workspace) accessWarnings(errs []error) {
	diags, _ := w.accessDiagnostics(errs)
	for _, d := range diags {
		d.Severity = hcl.DiagWarning
	}
	w.cli.diagnostics(diags)
}

func (w *workspace) accessDiagnostics(errs []error) (diags hcl.Diagnostics, code int) {
	code = exitError
	for _, err := range errs {
		var perr *providers.Error
		if !errors.As(err, &perr) {
			diags = append(diags, diagnosticOf(err))
			continue
		}
		if c := exitCode(perr); c > code {
			code = c
		}
		diags = append(diags, planner.Place(w.locate(perr.Addr), providers.Diagnostic{Severity: providers.SeverityError, Addr: perr.Addr, Path: perr.Path, Summary: sentence(perr.Error()), Detail: perr.Advice}))
	}
	return diags, code
}

// locate returns where what is said of an object points: the line at fault where the
// files were evaluated, else the header of its block; nil where the files have none.
func (w *workspace) locate(addr addrs.Instance) planner.Locator {
	if w.desired != nil {
		if r := w.desired.Find(addr); r != nil {
			return r
		}
	}
	if at, ok := w.config.Declaration(addr.Block); ok {
		return header(at)
	}
	return nil
}

// header is where a block begins.
type header hcl.Range

// Diagnostic implements planner.Locator.
func (h header) Diagnostic(severity hcl.DiagnosticSeverity, _ addrs.Path, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: severity, Summary: summary, Detail: detail, Subject: hcl.Range(h).Ptr()}
}

// placed presents an error about an object at the line of its block, as the exit that
// follows; any other it returns as it is.
func (w *workspace) placed(err error) error {
	var perr *providers.Error
	if !errors.As(err, &perr) || perr.Addr.IsZero() {
		return err
	}
	at := w.locate(perr.Addr)
	if at == nil {
		return err
	}
	w.cli.diagnosticsOf(at, "", err)
	return told(exitCode(err))
}

// connections are those that a configuration wants.
func (w *workspace) connections() iter.Seq[providers.Object] {
	return func(yield func(providers.Object) bool) {
		for _, r := range w.desired.Resources {
			if r.Type.Name == "connection" && !yield(objectOf(r)) {
				return
			}
		}
	}
}

// pairs lists connections, for the development server.
func pairs(objects iter.Seq[providers.Object]) []devPair {
	var out []devPair
	for o := range objects {
		var body struct {
			Type    string         `json:"type"`
			Content addrs.Instance `json:"content"`
			CRM     addrs.Instance `json:"crm"`
		}
		if o.Decode(&body) == nil {
			out = append(out, devPair{addr: o.Addr, typ: body.Type, content: body.Content, crm: body.CRM})
		}
	}
	return out
}

func objectsOf(resources []*lang.Resource) []providers.Object {
	out := make([]providers.Object, len(resources))
	for i, r := range resources {
		out[i] = objectOf(r)
	}
	return out
}
