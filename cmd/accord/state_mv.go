package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"accord/lang"
	"accord/lang/addrs"
	"accord/state"
)

func (c *cli) stateMvCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "mv FROM TO",
		Short: "Remember an object under another address",
		Long: `Gives what is remembered another address, after a block or a key was renamed in the
files. FROM without a key moves all of its block. No vault is asked; what other
blocks say of the old address is shown by the next plan. What the journal of syncs
knows of an integration point stays with its old address: under the new one its
first run is a full one.`,
		Example: `  accord state mv vault.crm vault.field
  accord state mv 'vault.crm["us"]' 'vault.crm["usa"]'`,
		Annotations: exits(exitLocked),
		Args:        exactly(2),
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runStateMv(cmd.Context(), args[0], args[1]) },
	}
}

func (c *cli) runStateMv(ctx context.Context, from, to string) error {
	return c.changeState(ctx, "state mv", func(_ state.Store, lock state.Lock) error {
		st := lock.State()
		moves, err := movesOf(st, from, to)
		if err != nil {
			return err
		}
		if err := lock.Done(ctx, moved(st, moves)); err != nil {
			return err
		}
		for _, o := range st.Sorted() {
			if target, ok := moves[o.Addr]; ok {
				c.did("state_moved", fmt.Sprintf("%s is now %s", o.Addr, target), map[string]any{"from": o.Addr, "to": target})
			}
		}
		return nil
	})
}

// movesOf settles where each object that an argument names goes.
func movesOf(st *state.State, from, to string) (map[addrs.Instance]addrs.Instance, error) {
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
	moves := map[addrs.Instance]addrs.Instance{}
	for _, o := range objects {
		switch {
		case one && o.Addr != source:
			continue
		case one:
			moves[o.Addr] = target
		default:
			moves[o.Addr], _ = (&lang.Move{From: source, To: target}).Moved(o.Addr)
		}
		if st.Objects[moves[o.Addr]] != nil {
			return nil, misused("See: accord state show '"+moves[o.Addr].String()+"'", "The place is taken: %s is remembered already", moves[o.Addr])
		}
		if err := settled(st, o.Addr); err != nil {
			return nil, err
		}
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

// moved is what is remembered after objects moved, those that follow them included.
func moved(st *state.State, moves map[addrs.Instance]addrs.Instance) []state.Outcome {
	var out []state.Outcome
	for _, o := range st.Sorted() {
		target, itself := moves[o.Addr]
		follows := slices.ContainsFunc(o.DependsOn, func(d addrs.Instance) bool { _, ok := moves[d]; return ok })
		if !itself && !follows {
			continue
		}
		next := *o
		if itself {
			next.Addr = target
			out = append(out, state.Outcome{Addr: o.Addr, Forget: true})
		}
		next.DependsOn = slices.Clone(o.DependsOn)
		for n, d := range next.DependsOn {
			if target, ok := moves[d]; ok {
				next.DependsOn[n] = target
			}
		}
		out = append(out, state.Outcome{Addr: next.Addr, Object: &next})
	}
	return out
}
