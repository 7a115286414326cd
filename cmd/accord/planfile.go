package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"accord/lang"
	"accord/planner"
	"accord/planner/plan"
	"accord/state"
	"accord/state/seal"
)

// lockFile pins the providers of a configuration.
const lockFile = ".accord.lock.hcl"

// frozen is a plan with everything that it was made from: the sources, less
// what is sensitive in them, the variables that are no secret, and the lock file.
func (w *workspace) frozen(p *plan.Plan, in inputs) (*plan.File, error) {
	sources, cut := w.config.Kept(w.schemas())
	value := func(name string) bool { // which may be secret
		return strings.HasPrefix(name, "<") || slices.Contains(in.varFiles, name)
	}
	maps.DeleteFunc(sources, func(name string, _ []byte) bool { return value(name) })
	f := &plan.File{Plan: p, Sources: sources, VarFiles: in.varFiles, Desired: w.desired.Digest()}
	if cut = slices.DeleteFunc(cut, value); len(cut) > 0 {
		f.Whole = make(map[string]string, len(cut))
		whole := w.config.Sources()
		for _, name := range cut {
			f.Whole[name] = plan.Digest(whole[name])
		}
	}
	for _, v := range in.vars {
		if name, _, _ := strings.Cut(v, "="); !w.config.SensitiveVariable(name) {
			f.Vars = append(f.Vars, v)
		}
	}
	var err error
	f.Lock, err = w.lockDigest()
	return f, err
}

func (w *workspace) lockDigest() (string, error) {
	b, err := os.ReadFile(filepath.Join(w.dir, lockFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read the lock file of providers: %w", err)
	}
	return plan.Digest(b), nil
}

// planTarget refuses a name under which something else than a plan would be lost,
// before the vaults are asked.
func planTarget(name string) error {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if dir, err := os.Stat(filepath.Dir(name)); err != nil || !dir.IsDir() {
			return misused("Make it, or name a file elsewhere.", "-out=%s: there is no directory %s", name, filepath.Dir(name))
		}
		return nil
	case err != nil:
		return err
	case info.IsDir():
		return misused("Name a file in it.", "-out=%s is a directory", name)
	case !info.Mode().IsRegular() || info.Size() == 0:
		return nil
	}
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 64)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if head = head[:n]; !plan.Is(head) && !seal.Is(head) {
		return misused("Only a saved plan is overwritten. Name another file, or take that one away.", "-out=%s: that file is there, and is not a plan", name)
	}
	return nil
}

// savePlan writes the plan with what it was made from.
func (w *workspace) savePlan(p *plan.Plan, o planOptions) error {
	f, err := w.frozen(p.Redacted(), o.inputs)
	if err != nil {
		return err
	}
	b, err := f.Encode()
	if err != nil {
		return err
	}
	cipher, err := w.cipher()
	if err != nil {
		return err
	}
	if state.Seals(cipher) {
		if b, err = cipher.Seal(b); err != nil {
			return fmt.Errorf("encrypt the plan: %w", err)
		}
	}
	if err := replaceFile(o.out, b, 0o600); err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	if w.cli.json {
		return w.cli.line("saved", "Saved: "+o.out, map[string]any{"file": o.out, "digest": f.Digest()})
	}
	out := w.cli.stdout
	if o.document() {
		out = w.cli.stderr
	}
	_, err = fmt.Fprintf(out, "\nSaved: %s (%s)  →  accord apply %s\n", o.out, f.Digest()[:19], o.out)
	return err
}

// stale says why a saved plan is not the one to apply any more.
func stale(format string, args ...any) error {
	return &exit{code: exitStale, err: fmt.Errorf("the saved plan is stale: %s", fmt.Sprintf(format, args...))}
}

// thaw opens the workspace as it was when a plan was made: its sources, its
// variables, its providers.
func (c *cli) thaw(ctx context.Context, f *plan.File) (*workspace, error) {
	sources, changed := c.whole(f)
	config, diags := lang.Parse(c.chdir, sources)
	w, err := c.open(config, diags)
	if err != nil {
		return nil, err
	}
	if err := w.same(ctx, f); err != nil {
		w.Close()
		if len(changed) > 0 {
			err = stale("%s wrote out something sensitive, which is in no file of a plan, and is not as it was then. Bring it back, give the variable its value in the environment (ACCORD_VAR_NAME), or plan again", strings.Join(changed, ", "))
		}
		return nil, err
	}
	return w, nil
}

// whole are the sources of a plan, with what is sensitive in them: files that
// are still the ones that it was made from are read again. changed are those
// that are not; with them the plan may only be applied where what is missing
// comes from elsewhere, and is the same.
func (c *cli) whole(f *plan.File) (sources map[string][]byte, changed []string) {
	sources = maps.Clone(f.Sources)
	for _, name := range slices.Sorted(maps.Keys(f.Whole)) {
		text, err := os.ReadFile(filepath.Join(c.chdir, filepath.FromSlash(name)))
		if err != nil || plan.Digest(text) != f.Whole[name] {
			changed = append(changed, name)
			continue
		}
		sources[name] = text
	}
	return sources, changed
}

func (w *workspace) same(ctx context.Context, f *plan.File) error {
	if tool := "accord " + Version; f.Plan.Tool != tool {
		return stale("it was made by %s, and this is %s. Plan again with this version", f.Plan.Tool, tool)
	}
	lock, err := w.lockDigest()
	if err != nil {
		return err
	}
	if lock != f.Lock {
		return stale("%s is not the one that it was made with, so other providers would carry it out. Plan again", lockFile)
	}
	if err := w.openProviders(ctx); err != nil {
		return err
	}
	if _, err := w.evaluate(ctx, inputs{vars: f.Vars, varFiles: f.VarFiles}); err != nil {
		return err
	}
	if w.desired.Digest() != f.Desired {
		return stale("the variables are not those that it was made with; sensitive ones are never in the file, and come from the environment (ACCORD_VAR_NAME). Plan again")
	}
	return nil
}

// fits refuses a plan that was made for another state, for one that has moved
// on since, and one that was applied already.
func (w *workspace) fits(ctx context.Context, f *plan.File, st *state.State) error {
	if op := planner.LastOperation(st); op != nil && op.Plan == f.Digest() {
		if op.Standing == planner.Done {
			return stale("it was applied already, at %s. There is nothing left of it to do", op.Ended.Format(time.RFC3339))
		}
		return stale("it was begun already, at %s, and not brought to its end. To go on with it: accord resume", op.Started.Format(time.RFC3339))
	}
	switch p := f.Plan; {
	case p.Serial != 0 && st.Lineage != p.Lineage:
		return stale("it was made for another state (lineage %s, and this one is %s). Plan again", p.Lineage, st.Lineage)
	case len(st.Open) > 0:
		return stale("something was begun since, and it is not known what came of it. To find out, and go on: accord resume")
	case st.Serial != p.Serial:
		if serial, at := w.appliedBefore(ctx, f.Digest(), p.Serial, st.Serial); serial != 0 {
			return stale("it was applied already, at %s (serial %d of the state). There is nothing left of it to do", at.Format(time.RFC3339), serial)
		}
		return stale("the state has moved on from serial %d to %d since. Plan again", p.Serial, st.Serial)
	}
	return nil
}

// appliedBefore looks through the history for an apply of a plan.
func (w *workspace) appliedBefore(ctx context.Context, digest string, after, until uint64) (uint64, time.Time) {
	versions, err := w.store.History(ctx)
	if err != nil {
		return 0, time.Time{} // no history is kept: then it has moved on
	}
	for _, v := range versions {
		if v.Serial <= after || v.Serial > until {
			continue
		}
		st, err := w.store.At(ctx, v.Serial)
		if err != nil {
			continue
		}
		if op := planner.LastOperation(st); op != nil && op.Plan == digest {
			return v.Serial, op.Ended
		}
	}
	return 0, time.Time{}
}

// moved says what is not as it was when a plan was made.
func (c *cli) moved(p *plan.Plan) error {
	for _, d := range p.Moved {
		text := d.Addr.String() + ": " + d.What
		if d.What == "" {
			text = fmt.Sprintf("%s: %s %s → %s", d.Addr, d.Path, shown(d.Before), shown(d.Now))
		}
		if c.json {
			_ = c.line("moved", text, map[string]any{"difference": d})
			continue
		}
		fmt.Fprintf(c.stdout, "  %s %s\n", yellow("!"), clean(text))
	}
	first := p.Moved[0]
	what := first.What
	if what == "" {
		what = fmt.Sprintf("its %s is %s now, and was %s", first.Path, shown(first.Now), shown(first.Before))
	}
	more := ""
	if n := len(p.Moved) - 1; n > 0 {
		more = fmt.Sprintf(", and %s", count(n, "more difference"))
	}
	return stale("%s has moved since: %s%s. Plan again", first.Addr, clean(what), more)
}

func shown(v []byte) string {
	if v == nil {
		return "(nothing)"
	}
	return value(v)
}
