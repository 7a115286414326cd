package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"accord/lang/addrs"
	"accord/planner"
	"accord/planner/ledger"
	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
)

type exceptionsWithdrawOptions struct {
	exceptionFilter
	syncOptions
}

func (c *cli) exceptionsWithdrawCommand() *cobra.Command {
	var o exceptionsWithdrawOptions
	cmd := &cobra.Command{
		Use:   "withdraw [ID…]",
		Short: "Withdraw what is kept although its source has it no more",
		Long: `Withdraws, from the CRM vault of their point, items of the type kept: presentations that
stay published because no rule says that they are withdrawn. They are counted first, the
limits hold (-allow), and only yes is taken for an answer. Nothing is deleted: what is
withdrawn is published again once the source has it approved.

Each is looked at again before: one that its source has approved meanwhile stays.`,
		Example: `  accord exceptions withdraw k3v9q2x7ab
  accord exceptions withdraw -type=kept -point='integration_point.clm["us"]'`,
		Annotations: exits(exitRecords, exitRefused, exitLocked, exitAccess, exitInterrupted),
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runExceptionsWithdraw(cmd.Context(), args, o) },
	}
	o.exceptionFilter.flags(cmd)
	o.failOn.flag(cmd)
	cmd.Flags().BoolVar(&o.preview, "preview", false, "only count")
	cmd.Flags().BoolVar(&o.autoApprove, "auto-approve", false, "do not ask")
	cmd.Flags().StringArrayVar(&o.allow, "allow", nil, "lift a limit once, by name: `withdraw:ADDRESS=N`")
	return cmd
}

func (c *cli) runExceptionsWithdraw(ctx context.Context, ids []string, o exceptionsWithdrawOptions) error {
	x, picked, err := c.chosen(ctx, writing, ids, o.exceptionFilter, true)
	if err != nil {
		return err
	}
	defer x.Close()
	if len(picked) == 0 {
		return c.noneMeant()
	}
	items, err := x.kept(picked)
	if err != nil {
		return err
	}
	tasks := x.only(items, syncer.Request{Withdraw: true})
	if err := planner.CheckAllowFor(o.allow, tasks); err != nil {
		return misused("It is about one sync: withdraw:ADDRESS=N.", "-allow: %s", err)
	}
	for i := range tasks {
		if tasks[i].Allow, err = planner.Allowance(o.allow, tasks[i].Sync.Addr); err != nil {
			return err
		}
	}
	return x.withdraw(ctx, tasks, c.progress(), o.syncOptions)
}

// kept sorts what is to be withdrawn by point. What cannot be is an error before
// anything is done.
func (x *troubled) kept(picked []*ledger.Entry) (map[addrs.Instance][]state.Item, error) {
	items := map[addrs.Instance][]state.Item{}
	for _, e := range picked {
		n := slices.IndexFunc(x.tasks, func(t syncer.Task) bool { return t.Sync.Addr == e.Point })
		switch {
		case e.Type != ledger.Kept:
			return nil, &providers.Error{Kind: providers.Refused, Addr: e.Point, Message: fmt.Sprintf("exception %s is not of the type kept, and a rule says what becomes of it", e.ID),
				Advice: "Choose what is kept: -type=kept. What the source has is withdrawn there: set Publish for CRM to No, or make it obsolete."}
		case n < 0:
			return nil, &providers.Error{Kind: providers.Invalid, Addr: e.Point, Message: fmt.Sprintf("exception %s: %s is no sync that was applied", e.ID, e.Point),
				Advice: "Apply the configuration that declares the point first."}
		case !x.tasks[n].Sync.Active:
			return nil, &providers.Error{Kind: providers.Refused, Addr: e.Point, Message: fmt.Sprintf("exception %s: %s does not run: %s", e.ID, e.Point, x.tasks[n].Sync.Idle),
				Advice: "Activate the point first; or withdraw all that it published: accord sync -withdraw-all '" + e.Point.String() + "'"}
		}
		items[e.Point] = append(items[e.Point], e.Item())
	}
	return items, nil
}
