package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/lang/addrs"
	"accord/planner"
	"accord/planner/graph"
	"accord/planner/ledger"
	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
)

// troubled is a workspace with what was applied, and what cannot be synced of it.
type troubled struct {
	*workspace
	tasks   []syncer.Task
	ledger  *ledger.Ledger
	entries []*ledger.Entry // in order
	partial bool            // a vault does not answer
	away    []error         // of such vaults, where something is to be done

	applied, vaults []addrs.Instance // what the state remembers; vaults are what is connected to
}

// purpose is what the vaults are reached for. Who reads is told what the journal
// knows of a vault that does not answer, and warned; who writes needs those of what
// is meant.
type purpose bool

const (
	reading purpose = false
	writing purpose = true
)

// chosen gathers the ledger, and the entries of it that arguments and flags mean.
// Whoever asked closes it.
func (c *cli) chosen(ctx context.Context, to purpose, ids []string, f exceptionFilter, named bool) (*troubled, []*ledger.Entry, error) {
	w, err := c.load()
	if err != nil {
		return nil, nil, err
	}
	x := &troubled{workspace: w}
	err = x.open(ctx, to)
	var picked []*ledger.Entry
	if err == nil {
		picked, err = x.pick(ctx, ids, f, named)
	}
	if err == nil {
		_, err = x.tellAway(x.away, x.cutOff(picked), func(addrs.Instance) bool { return true })
	}
	if err != nil {
		w.Close()
		return nil, nil, err
	}
	return x, picked, nil
}

// cutOff are the points of entries that hang together with a vault that does not answer.
func (x *troubled) cutOff(entries []*ledger.Entry) (points []addrs.Instance) {
	for _, e := range entries {
		if slices.Contains(x.applied, e.Point) && !slices.ContainsFunc(x.tasks, func(t syncer.Task) bool { return t.Sync.Addr == e.Point }) {
			points = append(points, e.Point)
		}
	}
	return points
}

// only are the syncs as they look at some items alone. Those that have none are not
// run, and others may route by them.
func (x *troubled) only(items map[addrs.Instance][]state.Item, req syncer.Request) []syncer.Task {
	tasks := slices.Clone(x.tasks)
	for i := range tasks {
		t := &tasks[i]
		t.Decision = syncer.Decision{At: t.Decision.At}
		if req.Only = items[t.Sync.Addr]; len(req.Only) > 0 {
			t.Decision = syncer.Decide(t.Sync, t.Memory, req, x.planner.Now())
		}
	}
	return tasks
}

// noneMeant says that nothing was picked, which is no mistake.
func (c *cli) noneMeant() error {
	if !c.json {
		fmt.Fprintln(c.stdout, "No exception is meant.")
	}
	return nil
}

func (x *troubled) open(ctx context.Context, to purpose) error {
	if err := x.openProviders(ctx); err != nil {
		return err
	}
	if err := x.openState(ctx); err != nil {
		return err
	}
	if _, none := x.journal.(state.NoJournal); none {
		return state.ErrNoJournal
	}
	st, err := x.store.Read(ctx)
	if err != nil {
		return err
	}
	settings, ok := planner.AppliedSettings(st)
	if !ok {
		return &providers.Error{Kind: providers.Invalid, Message: "nothing has been applied yet", Advice: "Exceptions are of what was applied. Run: accord apply"}
	}
	instances := x.planner.AppliedInstances(st)
	for _, o := range st.Sorted() {
		x.applied = append(x.applied, o.Addr)
	}
	for _, i := range instances {
		x.vaults = append(x.vaults, i.Addr)
	}
	found, errs, err := x.reach(ctx, instances, nil, to == reading)
	if err != nil {
		return err
	}
	if to == writing {
		x.away, errs = errs, nil
	}
	if err := x.openSyncer(settings, nil); err != nil {
		return err
	}
	if len(found) > 0 {
		survey, err := x.planner.Survey(ctx, st, found)
		if err != nil {
			return err
		}
		x.tasks = survey.Tasks
	}
	if err := x.gather(ctx, &errs); err != nil {
		return err
	}
	x.partial = len(errs)+len(x.away) > 0
	for _, err := range errs {
		x.cli.warn(err, "What accord remembers of it is listed; what its vault alone knows is not.")
	}
	x.locate()
	return nil
}

// warn presents an error as a warning.
func (c *cli) warn(err error, more string) {
	d := diagnosticOf(err)
	d.Severity = hcl.DiagWarning
	d.Detail = strings.TrimSpace(d.Detail + " " + more)
	c.diagnostics(hcl.Diagnostics{d})
}

// errEnough ends a reading of which enough was read.
var errEnough = errors.New("enough")

// exceptionsOf reads what vaults tell of syncs, a few at once, and at most so much of
// each. failed is why it could not be read.
func exceptionsOf(ctx context.Context, s *syncer.Syncer, syncs []providers.Sync, most int) (told [][]providers.Exception, failed []error) {
	told, failed = make([][]providers.Exception, len(syncs)), make([]error, len(syncs))
	var group graph.Group
	group.SetLimit(8)
	for i, sync := range syncs {
		group.Go(func() error {
			err := s.Exceptions(ctx, sync, func(e providers.Exception) error {
				if len(told[i]) == most {
					return errEnough
				}
				told[i] = append(told[i], e)
				return nil
			})
			if !errors.Is(err, errEnough) {
				failed[i] = err
			}
			return nil
		})
	}
	_ = group.Wait()
	return told, failed
}

// gather reads the journal and, a few at once, the vaults.
func (x *troubled) gather(ctx context.Context, errs *[]error) error {
	syncs := make([]providers.Sync, len(x.tasks))
	for i, t := range x.tasks {
		syncs[i] = t.Sync
	}
	x.ledger = ledger.New(x.planner.Now(), syncs)
	for f, err := range x.journal.Exceptions(ctx, addrs.Instance{}) {
		if err != nil {
			return err
		}
		x.ledger.Journal(f)
	}
	told, failed := exceptionsOf(ctx, x.planner.Syncer, syncs, math.MaxInt)
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, sync := range syncs {
		for _, e := range told[i] {
			x.ledger.Vault(sync.Addr, e)
		}
		if failed[i] == nil {
			x.ledger.Whole(sync.Addr)
		} else {
			*errs = append(*errs, fmt.Errorf("%s: %w", sync.Addr, failed[i]))
		}
	}
	// Slides and shared resources count where the presentations do that need them.
	for _, sync := range syncs {
		nowhere := x.ledger.Nowhere(sync.Addr)
		if len(nowhere) == 0 {
			continue
		}
		groups, err := x.planner.Syncer.Groups(ctx, sync, nowhere)
		if err != nil {
			*errs = append(*errs, fmt.Errorf("%s: finding what %d items belong to: %w", sync.Addr, len(nowhere), err))
			continue
		}
		for m, of := range groups {
			x.ledger.Belongs(sync.Addr, m, of)
		}
	}
	x.entries = x.ledger.Entries()
	return nil
}

// locate says of each entry which line would mend it: of the block that causes
// it, else, where the configuration must change, of its point.
func (x *troubled) locate() {
	line := linesOf(x.config)
	for _, e := range x.entries {
		switch e.Class {
		case ledger.Configuration:
			e.Fix = line(e.Cause)
			if e.Fix == "" {
				e.Fix = line(e.Point)
			}
		case ledger.Document:
			e.Fix = sourceOf(e)
		}
	}
}

// sourceOf is what an exception is about, as people know it: a document by its id.
// Where its vault does not say, all that is known is the vault's record of it. Of a
// point that is under code no more the vault is not known.
func sourceOf(e *ledger.Entry) string {
	what, in := "record "+clean(e.Key), e.Source
	switch _, err := strconv.ParseUint(e.Key, 10, 64); {
	case err == nil:
		what = "document " + syncer.KeyText(e.Key)
	case e.Unnamed():
		what, in = "exception "+e.Record, e.Where
	}
	if in.IsZero() {
		return what
	}
	return what + " in " + in.String()
}

// linesOf returns where blocks are declared, as FILE:LINE; "" where the files do
// not. It needs no values of variables: those that an apply was given are not kept.
func linesOf(config *lang.Config) func(addrs.Instance) string {
	lines := map[addrs.Block]string{}
	var mu sync.Mutex
	return func(a addrs.Instance) string {
		mu.Lock()
		defer mu.Unlock()
		line, known := lines[a.Block]
		if !known {
			if at, ok := config.Declaration(a.Block); ok {
				line = fmt.Sprintf("%s:%d", filepath.ToSlash(at.Filename), at.Start.Line)
			}
			lines[a.Block] = line
		}
		return line
	}
}
