package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"accord/lang"
	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/state"
)

func (c *cli) stateMvCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "mv FROM TO",
		Short: "Remember an object under another address",
		Long: `Gives what is remembered another address, after a block or a key was renamed in the
files, as a moved block does: with what refers to it, and what is remembered of its
syncs. FROM without a key moves all of its block. No vault is asked.`,
		Example: `  accord state mv vault.crm vault.field
  accord state mv 'vault.crm["us"]' 'vault.crm["usa"]'`,
		Annotations: exits(exitLocked),
		Args:        exactly(2),
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runStateMv(cmd.Context(), args[0], args[1]) },
	}
}

func (c *cli) runStateMv(ctx context.Context, from, to string) error {
	w, err := c.remembering(ctx) // which attributes are references, the schemas say
	if err != nil {
		return err
	}
	defer w.Close()
	return c.underLock(ctx, w.store, "state mv", func(lock state.Lock) error {
		moves, err := movesOf(lock.State(), from, to)
		if err != nil {
			return err
		}
		if err := w.planner.Rename(ctx, lock, moves); err != nil {
			return err
		}
		for _, m := range moves {
			c.did("state_moved", fmt.Sprintf("%s is now %s", m.From, m.To), map[string]any{"from": m.From, "to": m.To})
		}
		return nil
	})
}

// movesOf settles where each object that an argument names goes.
func movesOf(st *state.State, from, to string) ([]plan.Move, error) {
	objects, err := pick(st, from)
	if err != nil {
		return nil, err
	}
	source, _ := addrs.ParseTarget(from)
	target, err := addrs.ParseTarget(to)
	switch {
	case err != nil:
		return nil, misused(`An address is written as in the files: vault.crm["us"]`, "%s", err)
	case target.Type != source.Type:
		return nil, misused("An object keeps its type.", "%s cannot become %s", source, target)
	}
	one := st.Objects[source] != nil
	if !one && target.Keyed && target.Type != "module" {
		return nil, misused("Give an address without a key: the keys stay as they are.", "%s is %s, and cannot all become %s", source, count(len(objects), "object"), target)
	}
	var moves []plan.Move
	for _, o := range objects {
		m := plan.Move{From: o.Addr, To: target}
		switch {
		case one && o.Addr != source:
			continue
		case !one:
			m.To, _ = (&lang.Move{From: source, To: target}).Moved(o.Addr)
		}
		if st.Objects[m.To] != nil {
			return nil, misused("See: accord state show '"+m.To.String()+"'", "The place is taken: %s is remembered already", m.To)
		}
		if err := settled(st, o.Addr); err != nil {
			return nil, err
		}
		moves = append(moves, m)
	}
	return moves, nil
}

// settled refuses an object of which a call is open: its outcome will be
// looked for under the address it has now.
func settled(st *state.State, addr addrs.Instance) error {
	if slices.ContainsFunc(st.Open, func(i state.Intent) bool { return i.Addr == addr }) {
		return misused("Run accord apply first: it finds out.", "It is not known what came of the last change to %s", addr)
	}
	return nil
}
