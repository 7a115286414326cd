package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"accord/lang/addrs"
	"accord/planner/ledger"
	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
)

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
each of its runs does so.

What is left of a point that is under code no more cannot be tried again, and is taken
off the list. Its vault is not asked, and keeps what it tells of it.`,
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
	x, picked, err := c.chosen(ctx, writing, ids, o.exceptionFilter, true)
	if err != nil {
		return err
	}
	defer x.Close()
	if len(picked) == 0 {
		return c.noneMeant()
	}
	left, picked := x.outlived(picked)
	messages, items, err := x.byPoint(picked)
	if err != nil {
		return err
	}
	if err := errors.Join(x.drop(ctx, left), x.dismiss(ctx, messages)); err != nil {
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
	tasks := x.only(items, syncer.Request{})
	outcomes := x.planner.Syncer.Run(ctx, tasks)
	err = x.syncReport(ctx, tasks, outcomes, nil, syncOptions{failOn: o.failOn})
	x.tell(ctx)
	return err
}

// outlived are the entries of points that are under code no more, and the others.
func (x *troubled) outlived(picked []*ledger.Entry) (left, others []*ledger.Entry) {
	for _, e := range picked {
		if slices.Contains(x.applied, e.Point) {
			others = append(others, e)
		} else {
			left = append(left, e)
		}
	}
	return left, others
}

// drop takes what outlived its point off the list.
func (x *troubled) drop(ctx context.Context, left []*ledger.Entry) error {
	for len(left) > 0 {
		point := left[0].Point
		n := slices.IndexFunc(left, func(e *ledger.Entry) bool { return e.Point != point })
		if n < 0 {
			n = len(left)
		}
		items := make([]state.Item, n)
		for i, e := range left[:n] {
			items[i] = e.Item()
		}
		if err := x.journal.Dismiss(ctx, point, items); err != nil {
			return fmt.Errorf("drop what is left of %s: %w", point, err)
		}
		x.dismissed(left[:n], fmt.Sprintf("%s is under code no more: took %s off the list", point, count(n, "exception")))
		left = left[n:]
	}
	return nil
}

// dismissed tells of entries that are gone now; text does it for people.
func (x *troubled) dismissed(list []*ledger.Entry, text string) {
	if !x.cli.json {
		fmt.Fprintln(x.cli.stdout, text+".")
		return
	}
	for _, e := range list {
		_ = x.cli.line("exception_dismissed", e.ID, map[string]any{"id": e.ID, "point": e.Point})
	}
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
		if n < 0 {
			return nil, nil, &providers.Error{Kind: providers.Invalid, Addr: e.Point, Message: fmt.Sprintf("exception %s: %s is no sync that was applied", e.ID, e.Point),
				Advice: "Apply the configuration that declares the point, and reprocess then."}
		}
		if err := mayReprocess(e, sync); err != nil {
			return nil, nil, err
		}
		if e.Type == ledger.Message {
			messages[e.Point] = append(messages[e.Point], e)
		} else {
			items[e.Point] = append(items[e.Point], e.Item())
		}
	}
	return messages, items, nil
}

// mayReprocess says why an exception cannot be reprocessed; nil: it can.
func mayReprocess(e *ledger.Entry, sync providers.Sync) error {
	switch {
	case e.Type == ledger.Kept:
		return &providers.Error{Kind: providers.Refused, Addr: e.Point, Message: fmt.Sprintf("exception %s does not fail: %s", e.ID, e.Message),
			Advice: "Every run looks at it again. To take it out of the CRM vault: accord exceptions withdraw " + e.ID}
	case e.Type == ledger.Message:
		return nil
	case sync.Engine == providers.EnginePlatform:
		return &providers.Error{Kind: providers.Refused, Addr: e.Point,
			Message: fmt.Sprintf("exception %s: %s has engine = \"platform\": that engine tries its items again with each of its runs, and none alone", e.ID, e.Point),
			Advice:  "Ask it for a full run, and follow it: accord sync -full '" + e.Point.String() + "'"}
	case !sync.Active:
		return &providers.Error{Kind: providers.Refused, Addr: e.Point, Message: fmt.Sprintf("exception %s: %s does not run: %s", e.ID, e.Point, cmp.Or(sync.Idle, "it cannot be read at the moment")),
			Advice: "Activate the point, and reprocess then."}
	}
	return nil
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
		x.dismissed(list, fmt.Sprintf("%s: deactivated %s; the next run tries again: accord sync '%[1]s'", t.Sync.Addr, count(len(list), "message")))
	}
	return errors.Join(errs...)
}
