package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"accord/lang"
	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner"
	"accord/planner/graph"
	"accord/planner/ledger"
	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
)

// exceptionFilter is which exceptions a command is about, as flags say it.
type exceptionFilter struct {
	vaults, points, classes, types, countries, products []string
	since, known                                        string
}

func (f *exceptionFilter) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.vaults, "vault", nil, "only those from, to or of the vault at this `ADDRESS`")
	flags.StringArrayVar(&f.points, "point", nil, "only those of the integration point at this `ADDRESS`; without a key all of its block")
	flags.StringArrayVar(&f.classes, "class", nil, "only those of a `CLASS`: configuration, document, wait")
	flags.StringArrayVar(&f.types, "type", nil, "only those of a `TYPE`: message, item")
	flags.StringArrayVar(&f.countries, "country", nil, "only documents for this `COUNTRY`, by its name; slides and shared resources by the presentations that need them")
	flags.StringArrayVar(&f.products, "product", nil, "only documents of this `PRODUCT`, by its name; slides and shared resources as above")
	flags.StringVar(&f.since, "since", "", "only those seen since `WHEN`: a time ago (36h, 7d), a date, or a time")
	flags.StringVar(&f.known, "acknowledged", "", "only those that somebody has acknowledged, or nobody: `yes|no`")
}

// filter reads the flags.
func (f *exceptionFilter) filter(ids []string, now time.Time) (ledger.Filter, error) {
	out := ledger.Filter{IDs: ids, Countries: f.countries, Products: f.products}
	for _, list := range []struct {
		given []string
		into  *[]addrs.Instance
	}{{f.vaults, &out.Vaults}, {f.points, &out.Points}} {
		for _, text := range list.given {
			a, err := addrs.ParseTarget(text)
			if err != nil {
				return out, misused(`An address is written as in the files: vault.crm["us"]`, "%s", err)
			}
			*list.into = append(*list.into, a)
		}
	}
	for _, class := range f.classes {
		if !slices.Contains(ledger.Classes, ledger.Class(class)) {
			return out, misused("The classes are configuration, document and wait.", "-class=%s is no class of exceptions", class)
		}
		out.Classes = append(out.Classes, ledger.Class(class))
	}
	for _, typ := range f.types {
		if typ != ledger.Message && typ != ledger.Item {
			return out, misused("A message is a general error, an item one document's failure.", "-type=%s is neither message nor item", typ)
		}
		out.Types = append(out.Types, typ)
	}
	switch f.known {
	case "":
	case "yes", "no":
		yes := f.known == "yes"
		out.Known = &yes
	default:
		return out, misused("Leave it out for both.", "-acknowledged=%s is neither yes nor no", f.known)
	}
	var err error
	if f.since != "" {
		if out.Since, err = timeOf(f.since, now, -1); err != nil {
			return out, misused("Write a time ago (36h, 7d), a date (2026-03-01), or a time (2026-03-01T12:00:00Z).", "-since=%s is no time", f.since)
		}
	}
	return out, nil
}

func (f *exceptionFilter) empty() bool {
	return len(f.vaults)+len(f.points)+len(f.classes)+len(f.types)+len(f.countries)+len(f.products) == 0 && f.since+f.known == ""
}

// timeOf reads a time: a distance from now in a direction, a date, or a time.
func timeOf(text string, now time.Time, direction int) (time.Time, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 {
			return now.AddDate(0, 0, direction*n), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(time.Duration(direction) * d), nil
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, text)
}

func (c *cli) exceptionsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "exceptions",
		Short: "What cannot be synced: list, acknowledge, reprocess",
		Long: `Exceptions are what cannot be synced. A message is a general error: the target vault
cannot take what comes in, and something must be configured otherwise. An item is
one document's failure. Both are tried again by every run, by themselves, and are
gone once they succeed.

They are one list: what accord's runs remember, and the User Exception Messages and
Items in the vaults, of whichever engine. Each has a class, which says who can do
something: fix the configuration (with the line to change), fix the document, or
wait.`,
		Example: `  accord exceptions list
  accord exceptions list -class=document -country=Canada -format=csv
  accord exceptions ack k3v9q2x7ab -owner="Ana" -reason="the agency mends it" -until=7d
  accord exceptions reprocess k3v9q2x7ab`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(c.exceptionsListCommand(), c.exceptionsShowCommand(), c.exceptionsAckCommand(), c.exceptionsReprocessCommand())
	return cmd
}

// troubled is a workspace with what was applied, and what cannot be synced of it.
type troubled struct {
	*workspace
	tasks   []syncer.Task
	ledger  *ledger.Ledger
	entries []*ledger.Entry // in order
}

// exceptions gathers the ledger. A vault that does not answer is warned of, and
// what the journal knows of it is told all the same; with all, it is an error.
func (c *cli) exceptions(ctx context.Context, readOnly, all bool) (*troubled, error) {
	w, err := c.load()
	if err != nil {
		return nil, err
	}
	x := &troubled{workspace: w}
	if err := x.open(ctx, readOnly, all); err != nil {
		w.Close()
		return nil, err
	}
	return x, nil
}

func (x *troubled) open(ctx context.Context, readOnly, all bool) error {
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
	if err := x.openSyncer(settings, nil); err != nil {
		return err
	}
	instances := x.planner.AppliedInstances(st)
	var found map[addrs.Instance]providers.Object
	var errs []error
	if all {
		found, err = x.connect(ctx, instances, nil, readOnly)
	} else {
		found, errs, err = x.reach(ctx, instances, nil, readOnly)
	}
	if err != nil {
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

// gather reads the journal and, a few at once, the vaults.
func (x *troubled) gather(ctx context.Context, errs *[]error) error {
	syncs := make([]providers.Sync, len(x.tasks))
	for i, t := range x.tasks {
		syncs[i] = t.Sync
	}
	x.ledger = ledger.New(x.planner.Now(), syncs)
	for f, err := range x.journal.Failures(ctx, addrs.Instance{}) {
		if err != nil {
			return err
		}
		x.ledger.Journal(f)
	}
	told := make([][]providers.Exception, len(syncs))
	failed := make([]error, len(syncs))
	var group graph.Group
	group.SetLimit(8)
	for i, sync := range syncs {
		group.Go(func() error {
			failed[i] = x.planner.Syncer.Exceptions(ctx, sync, func(e providers.Exception) error {
				told[i] = append(told[i], e)
				return nil
			})
			return nil
		})
	}
	_ = group.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, sync := range syncs {
		for _, e := range told[i] {
			x.ledger.Vault(sync.Addr, e)
		}
		if failed[i] != nil {
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
	line := linesOf(x.config, x.schemas())
	for _, e := range x.entries {
		switch e.Class {
		case ledger.Configuration:
			e.Fix = line(e.Cause)
			if e.Fix == "" {
				e.Fix = line(e.Point)
			}
		case ledger.Document:
			e.Fix = fmt.Sprintf("%s in %s", documentOfKey(e.Key), e.Source)
		}
	}
}

// documentOfKey is what people know a document by: its id, of a key the number.
func documentOfKey(key string) string {
	if _, err := strconv.ParseUint(key, 10, 64); err == nil {
		return "document " + strings.TrimLeft(key, "0")
	}
	return "record " + clean(key)
}

// linesOf returns where blocks are declared, as FILE:LINE; "" where the files do
// not, or cannot be read at the moment.
func linesOf(config *lang.Config, schemas []*schema.Provider) func(addrs.Instance) string {
	desired, _ := config.Evaluate(schemas, lang.Options{Environ: os.Environ()})
	return func(a addrs.Instance) string {
		if desired == nil || a.IsZero() {
			return ""
		}
		r := desired.Find(a)
		if r == nil {
			return ""
		}
		at := r.Locate("")
		return fmt.Sprintf("%s:%d", filepath.ToSlash(at.Filename), at.Start.Line)
	}
}

// pick returns the entries that arguments and flags mean. Commands that change
// something want to be told which.
func (x *troubled) pick(ids []string, f exceptionFilter, named bool) ([]*ledger.Entry, error) {
	if named && len(ids) == 0 && f.empty() {
		return nil, misused("Name them by id, or choose them: -point, -class, -country … See: accord exceptions list", "Which exceptions?")
	}
	filter, err := f.filter(ids, x.planner.Now())
	if err != nil {
		return nil, err
	}
	return filter.Pick(x.entries)
}

type exceptionsListOptions struct {
	exceptionFilter
	format string
}

func (c *cli) exceptionsListCommand() *cobra.Command {
	var o exceptionsListOptions
	cmd := &cobra.Command{
		Use:   "list [ID…]",
		Short: "List what cannot be synced, and who can do something about it",
		Long: `Lists messages, then items, with the line of the configuration that would mend them.
An id may be shortened as long as it is of one exception. It changes nothing. A vault
that does not answer is warned of, and what accord remembers of it is listed.

csv is for spreadsheets, which will not take a title for a formula; json is one
document; -json is a line for each.`,
		Example: `  accord exceptions list
  accord exceptions list -vault='vault.crm["us"]' -acknowledged=no -since=7d
  accord exceptions list -format=csv >exceptions.csv`,
		Annotations: exits(exitAccess, exitInterrupted),
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runExceptionsList(cmd.Context(), args, o) },
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&o.format, "format", "text", "text, csv or json: `FORMAT`")
	return cmd
}

func (c *cli) runExceptionsList(ctx context.Context, ids []string, o exceptionsListOptions) error {
	if !slices.Contains([]string{"text", "csv", "json"}, o.format) {
		return misused("Formats are text, csv and json.", "There is no format %q", o.format)
	}
	x, err := c.exceptions(ctx, true, false)
	if err != nil {
		return err
	}
	defer x.Close()
	picked, err := x.pick(ids, o.exceptionFilter, false)
	if err != nil {
		return err
	}
	return c.exceptionsList(picked, o.format)
}

func (c *cli) exceptionsShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:         "show ID…",
		Short:       "Show all that is known of an exception",
		Long:        `Shows what is wrong, since when, what it is about, and what to do. It changes nothing.`,
		Example:     `  accord exceptions show k3v9q2x7ab`,
		Annotations: exits(exitAccess, exitInterrupted),
		RunE: func(cmd *cobra.Command, args []string) error {
			x, err := c.exceptions(cmd.Context(), true, false)
			if err != nil {
				return err
			}
			defer x.Close()
			picked, err := x.pick(args, exceptionFilter{}, true)
			if err != nil {
				return err
			}
			c.exceptionsShow(picked)
			return nil
		},
	}
}

type exceptionsAckOptions struct {
	exceptionFilter
	owner, reason, until string
	undo                 bool
}

func (c *cli) exceptionsAckCommand() *cobra.Command {
	var o exceptionsAckOptions
	cmd := &cobra.Command{
		Use:   "ack [ID…]",
		Short: "Acknowledge exceptions: who takes care, why they may stay, until when",
		Long: `Says that somebody knows of an exception. It is tried again by every run as before.
An acknowledgement ends with its exception, with -until, and once the exception
becomes one of another kind. It is kept with the journal of syncs; no vault is
changed.`,
		Example: `  accord exceptions ack k3v9q2x7ab -reason="the agency mends it"
  accord exceptions ack -class=document -country=Canada -owner=Ana -reason="in review" -until=2026-04-01
  accord exceptions ack -undo k3v9q2x7ab`,
		Annotations: exits(exitAccess, exitInterrupted),
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runExceptionsAck(cmd.Context(), args, o) },
	}
	o.flags(cmd)
	cmd.Flags().StringVar(&o.owner, "owner", "", "`WHO` takes care of it; left out: who runs the command")
	cmd.Flags().StringVar(&o.reason, "reason", "", "why it may stay so: `TEXT`")
	cmd.Flags().StringVar(&o.until, "until", "", "`WHEN` it counts again as unknown: in a time (36h, 7d), at a date, or a time")
	cmd.Flags().BoolVar(&o.undo, "undo", false, "take an acknowledgement back")
	return cmd
}

func (c *cli) runExceptionsAck(ctx context.Context, ids []string, o exceptionsAckOptions) error {
	var ack *state.Ack
	switch {
	case o.undo && o.owner+o.reason+o.until != "":
		return misused("Leave out -owner, -reason and -until.", "-undo takes an acknowledgement back, and needs nothing else")
	case !o.undo && strings.TrimSpace(o.reason) == "":
		return misused(`Write why it may stay so: -reason="the agency mends it"`, "An acknowledgement needs a reason")
	case !o.undo:
		ack = &state.Ack{Owner: o.owner, Reason: o.reason, By: state.Who()}
		if ack.Owner == "" {
			ack.Owner = ack.By
		}
	}
	if o.until != "" {
		until, err := timeOf(o.until, c.now(), 1)
		if err != nil || !until.After(c.now()) {
			return misused("Write a time from now (36h, 7d), or a date or time to come.", "-until=%s is no time to come", o.until)
		}
		ack.Until = until.UTC()
	}
	x, err := c.exceptions(ctx, true, false)
	if err != nil {
		return err
	}
	defer x.Close()
	picked, err := x.pick(ids, o.exceptionFilter, true)
	if err != nil {
		return err
	}
	failures := make([]state.Failure, len(picked))
	for i, e := range picked {
		failures[i] = e.Failure()
	}
	if err := x.journal.Acknowledge(ctx, failures, ack); err != nil {
		return err
	}
	for _, e := range picked {
		if c.json {
			data := map[string]any{"id": e.ID, "point": e.Point}
			if ack != nil {
				data["ack"] = ack
			}
			_ = c.line("exception_acknowledged", e.ID, data)
		}
	}
	if c.json {
		return nil
	}
	switch {
	case len(picked) == 0:
		fmt.Fprintln(c.stdout, "No exception is meant.")
	case o.undo:
		fmt.Fprintf(c.stdout, "No longer acknowledged: %s.\n", count(len(picked), "exception"))
	case ack.Until.IsZero():
		fmt.Fprintf(c.stdout, "Acknowledged: %s, as long as they last.\n", count(len(picked), "exception"))
	default:
		fmt.Fprintf(c.stdout, "Acknowledged: %s, until %s.\n", count(len(picked), "exception"), momentOr(ack.Until, "–"))
	}
	return nil
}

type exceptionsReprocessOptions struct {
	exceptionFilter
	failOn failOn
}

func (c *cli) exceptionsReprocessCommand() *cobra.Command {
	var o exceptionsReprocessOptions
	cmd := &cobra.Command{
		Use:   "reprocess [ID…]",
		Short: "Try items again at once; deactivate messages",
		Long: `An item is tried again at once, by an incremental run of its point that looks at
nothing else. A message is deactivated at once: no run, no full sync, and Last
Successful Run Time stays as it is; the next run tries again.

Where the platform's own engine moves the content, a message is deactivated by the
vault's own action Reprocess Request. Its items cannot be tried again one by one:
each of its runs does so.`,
		Example: `  accord exceptions reprocess k3v9q2x7ab
  accord exceptions reprocess -point='integration_point.clm["us"]' -class=document`,
		Annotations: exits(exitRecords, exitRefused, exitLocked, exitAccess, exitInterrupted),
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runExceptionsReprocess(cmd.Context(), args, o) },
	}
	o.flags(cmd)
	o.failOn.flag(cmd)
	return cmd
}

func (c *cli) runExceptionsReprocess(ctx context.Context, ids []string, o exceptionsReprocessOptions) error {
	x, err := c.exceptions(ctx, false, true)
	if err != nil {
		return err
	}
	defer x.Close()
	picked, err := x.pick(ids, o.exceptionFilter, true)
	if err != nil {
		return err
	}
	if len(picked) == 0 {
		if !c.json {
			fmt.Fprintln(c.stdout, "No exception is meant.")
		}
		return nil
	}
	messages, items, err := x.byPoint(picked)
	if err != nil {
		return err
	}
	if err := x.dismiss(ctx, messages); err != nil {
		return err
	}
	if len(items) == 0 {
		return nil
	}
	for point, list := range items {
		if err := x.journal.Retried(ctx, point, list, state.Who()); err != nil {
			return err
		}
	}
	tasks := slices.Clone(x.tasks)
	for i := range tasks {
		t := &tasks[i]
		at := t.Decision.At
		t.Decision = syncer.Decision{At: at}
		if list := items[t.Sync.Addr]; len(list) > 0 {
			t.Decision = syncer.Decide(t.Sync, t.Memory, syncer.Request{Only: list}, x.planner.Now())
		}
	}
	outcomes := x.planner.Syncer.Run(ctx, tasks)
	return c.syncReport(ctx, tasks, outcomes, syncOptions{failOn: o.failOn})
}

// byPoint sorts what is to be reprocessed. What cannot be is an error before
// anything is done.
func (x *troubled) byPoint(picked []*ledger.Entry) (messages map[addrs.Instance][]*ledger.Entry, items map[addrs.Instance][]state.Item, err error) {
	messages, items = map[addrs.Instance][]*ledger.Entry{}, map[addrs.Instance][]state.Item{}
	for _, e := range picked {
		n := slices.IndexFunc(x.tasks, func(t syncer.Task) bool { return t.Sync.Addr == e.Point })
		var sync providers.Sync
		if n >= 0 {
			sync = x.tasks[n].Sync
		}
		switch {
		case n < 0:
			return nil, nil, &providers.Error{Kind: providers.Invalid, Addr: e.Point, Message: fmt.Sprintf("exception %s: %s is no sync that was applied", e.ID, e.Point),
				Advice: "Apply the configuration that declares the point, and reprocess then."}
		case e.Type == ledger.Message:
			messages[e.Point] = append(messages[e.Point], e)
		case sync.Engine == providers.EnginePlatform:
			return nil, nil, &providers.Error{Kind: providers.Refused, Addr: e.Point,
				Message: fmt.Sprintf("exception %s: %s has engine = \"platform\": that engine tries its items again with each of its runs, and none alone", e.ID, e.Point),
				Advice:  "Ask it for a full run, and follow it: accord sync -full '" + e.Point.String() + "'"}
		case !sync.Active:
			return nil, nil, &providers.Error{Kind: providers.Refused, Addr: e.Point, Message: fmt.Sprintf("exception %s: %s does not run: %s", e.ID, e.Point, sync.Idle),
				Advice: "Activate the point, and reprocess then."}
		default:
			items[e.Point] = append(items[e.Point], e.Item())
		}
	}
	return messages, items, nil
}

// dismiss deactivates messages (ERR-1).
func (x *troubled) dismiss(ctx context.Context, messages map[addrs.Instance][]*ledger.Entry) error {
	var errs []error
	for _, t := range x.tasks {
		list := messages[t.Sync.Addr]
		if len(list) == 0 {
			continue
		}
		var batch []syncer.Message
		for _, e := range list {
			batch = append(batch, syncer.Message{ID: e.Record, Key: e.Key, Title: e.Title})
		}
		if err := x.planner.Syncer.Dismiss(ctx, t.Sync, batch); err != nil {
			errs = append(errs, fmt.Errorf("reprocess messages of %s: %w", t.Sync.Addr, err))
			continue
		}
		for _, e := range list {
			if x.cli.json {
				_ = x.cli.line("exception_dismissed", e.ID, map[string]any{"id": e.ID, "point": e.Point})
			}
		}
		if !x.cli.json {
			fmt.Fprintf(x.cli.stdout, "%s: deactivated %s; the next run tries again: accord sync '%[1]s'\n", t.Sync.Addr, count(len(list), "message"))
		}
	}
	return errors.Join(errs...)
}
