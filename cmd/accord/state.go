package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"accord/lang"
	"accord/lang/addrs"
	"accord/planner"
	"accord/planner/plan"
	"accord/state"
)

func (c *cli) stateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Look at what is remembered, and correct it",
		Long: `The state is what accord remembers of everything it manages. These commands read
it and correct it; none of them asks or changes a vault. Each correction is a new
version, and history brings an earlier one back.`,
		Example: `  accord state list
  accord state mv 'vault.crm["old"]' 'vault.crm["new"]'
  accord state history`,
		Args: unknownCommand,
		RunE: func(cmd *cobra.Command, args []string) error { return cmd.Help() },

		SuggestionsMinimumDistance: 2,
	}
	cmd.AddCommand(c.stateListCommand(), c.stateShowCommand(), c.stateMvCommand(), c.stateRmCommand(),
		c.statePullCommand(), c.statePushCommand(), c.stateHistoryCommand())
	return cmd
}

// readStore calls fn with the store of the directory; providers are not started.
func (c *cli) readStore(ctx context.Context, fn func(store state.Store) error) error {
	w, err := c.load()
	if err != nil {
		return err
	}
	defer w.Close()
	if err := w.openStore(ctx); err != nil {
		return err
	}
	return fn(w.store)
}

// changeState calls fn under the state's lock, and saves what it did.
func (c *cli) changeState(ctx context.Context, operation string, fn func(store state.Store, lock state.Lock) error) error {
	return c.readStore(ctx, func(store state.Store) error {
		lock, err := store.Lock(ctx, operation)
		if err != nil {
			return err
		}
		if err := fn(store, lock); err != nil {
			return errors.Join(err, lock.Unlock())
		}
		return errors.Join(lock.Save(ctx), lock.Unlock())
	})
}

// pick returns the objects that an argument names: one, or all of its block.
func pick(st *state.State, arg string) ([]*state.Object, error) {
	addr, err := addrs.ParseTarget(arg)
	if err != nil {
		return nil, misused(`An address is written as in the files: vault.crm["us"]`, "%s", err)
	}
	var found []*state.Object
	for _, o := range st.Sorted() {
		if addr.Covers(o.Addr) && o.Type != planner.SettingsType {
			found = append(found, o)
		}
	}
	if len(found) == 0 {
		return nil, misused("See: accord state list", "Nothing is remembered of %s", addr)
	}
	return found, nil
}

func pickAll(st *state.State, args []string) ([]*state.Object, error) {
	var all []*state.Object
	for _, arg := range args {
		found, err := pick(st, arg)
		if err != nil {
			return nil, err
		}
		for _, o := range found {
			if !slices.Contains(all, o) {
				all = append(all, o)
			}
		}
	}
	return all, nil
}

func (c *cli) stateListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list [ADDRESS…]",
		Short: "List the addresses that are remembered",
		Long: `Lists what is remembered, by address; with addresses only these. An address without
a key means all of its block.`,
		Example: `  accord state list
  accord state list vault.crm`,
		Annotations: exits(),
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runStateList(cmd.Context(), args) },
	}
}

func (c *cli) runStateList(ctx context.Context, args []string) error {
	return c.readStore(ctx, func(store state.Store) error {
		st, err := store.Read(ctx)
		if err != nil {
			return err
		}
		objects := slices.DeleteFunc(st.Sorted(), func(o *state.Object) bool { return o.Type == planner.SettingsType })
		if len(args) > 0 {
			if objects, err = pickAll(st, args); err != nil {
				return err
			}
		}
		for _, o := range objects {
			if c.json {
				_ = c.line("state_object", o.Addr.String(), map[string]any{"address": o.Addr, "id": o.ID, "provider": o.Provider, "protect": o.Protect})
				continue
			}
			fmt.Fprintln(c.stdout, o.Addr)
		}
		return nil
	})
}

func (c *cli) stateShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:         "show ADDRESS",
		Short:       "Show what is remembered of one object",
		Long:        `Shows everything that is remembered of one object, but for what is sensitive.`,
		Example:     `  accord state show 'vault.crm["us"]'`,
		Annotations: exits(),
		Args:        exactly(1),
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runStateShow(cmd.Context(), args[0]) },
	}
}

func (c *cli) runStateShow(ctx context.Context, arg string) error {
	return c.readStore(ctx, func(store state.Store) error {
		st, err := store.Read(ctx)
		if err != nil {
			return err
		}
		found, err := pick(st, arg)
		if err != nil {
			return err
		}
		for _, o := range found {
			if c.json {
				_ = c.line("state_object", o.Addr.String(), map[string]any{"object": redacted(o)})
				continue
			}
			fmt.Fprintln(c.stdout, bold(o.Addr.String()))
			t := tabwriter.NewWriter(c.stdout, 2, 0, 2, ' ', 0)
			fmt.Fprintf(t, "    id\t%s\n    provider\t%s\n    protected\t%t\n", clean(o.ID), clean(o.Provider), o.Protect)
			for _, d := range o.DependsOn {
				fmt.Fprintf(t, "    follows\t%s\n", d)
			}
			for _, i := range st.Open {
				if i.Addr == o.Addr {
					fmt.Fprintf(t, "    begun\t%s, at %s, without a known outcome\n", clean(i.Action), i.At.Format(time.RFC3339))
				}
			}
			t.Flush()
			edits, _ := plan.Diff(nil, redacted(o).Body, nil, nil)
			v := c.planView(nil, false)
			v.edits(edits, "    ", eachKey(nil))
		}
		return nil
	})
}

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

func (c *cli) stateRmCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rm ADDRESS…",
		Short: "Forget objects, and leave them as they are in the vault",
		Long: `Forgets what is remembered. The vault keeps it as it is; while it stands in the
files, the next plan takes it over again. What is protected is refused: take the
protection away first, with a removed block that says unprotect.`,
		Example:     `  accord state rm 'vault.crm["us"]'`,
		Annotations: exits(exitRefused, exitLocked),
		Args:        atLeast(1),
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runStateRm(cmd.Context(), args) },
	}
}

func (c *cli) runStateRm(ctx context.Context, args []string) error {
	return c.changeState(ctx, "state rm", func(_ state.Store, lock state.Lock) error {
		st := lock.State()
		objects, err := pickAll(st, args)
		if err != nil {
			return err
		}
		var outcomes []state.Outcome
		for _, o := range objects {
			if o.Protect {
				return refusal("the protection of %s would be forgotten with it", o.Addr)
			}
			if err := settled(st, o.Addr); err != nil {
				return err
			}
			outcomes = append(outcomes, state.Outcome{Addr: o.Addr, Forget: true})
		}
		if err := lock.Done(ctx, outcomes); err != nil {
			return err
		}
		for _, o := range objects {
			c.did("state_forgotten", fmt.Sprintf("%s is forgotten", o.Addr), map[string]any{"address": o.Addr})
		}
		return nil
	})
}

func (c *cli) statePullCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "pull",
		Short: "Print the whole state",
		Long: `Prints the state as JSON, in the form that push takes: whole, unencrypted, with what
is sensitive in it.`,
		Example:     `  accord state pull > before.json`,
		Annotations: exits(),
		Args:        noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.readStore(cmd.Context(), func(store state.Store) error {
				st, err := store.Read(cmd.Context())
				if err != nil {
					return err
				}
				data, err := state.Encode(st)
				if err != nil {
					return err
				}
				if c.json {
					return c.line("state_pulled", fmt.Sprintf("State %d", st.Serial), map[string]any{"state": json.RawMessage(data)})
				}
				_, err = c.stdout.Write(data)
				return err
			})
		},
	}
}

func (c *cli) statePushCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "push FILE",
		Short: "Make a file the state",
		Long: `Makes what pull printed the state; - reads it from standard input. A file of another
lineage, or with a serial below the present one, is refused: it was made for
something else, or something was saved since. What was there before is kept in
the history.`,
		Example: `  accord state push before.json
  accord state push -force before.json`,
		Annotations: exits(exitRefused, exitLocked),
		Args:        exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.runStatePush(cmd.Context(), args[0], force)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "push another lineage, or a lower serial, too")
	return cmd
}

func (c *cli) runStatePush(ctx context.Context, name string, force bool) error {
	data, err := readInput(c.stdin, name)
	if err != nil {
		return err
	}
	next, err := state.Decode(data)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name, err)
	}
	return c.changeState(ctx, "state push", func(_ state.Store, lock state.Lock) error {
		if err := lock.State().Succeeds(next); err != nil && !force {
			return refusal("pushing %s: %w. -force does it all the same", name, err)
		}
		return c.replace(ctx, lock, next)
	})
}

func readInput(stdin io.Reader, name string) ([]byte, error) {
	if name != "-" {
		return os.ReadFile(name)
	}
	if stdin == nil {
		return nil, errors.New("there is no standard input")
	}
	return io.ReadAll(stdin)
}

// replace makes another state the present one, and says so.
func (c *cli) replace(ctx context.Context, lock state.Lock, next *state.State) error {
	if err := lock.Replace(ctx, next); err != nil {
		return err
	}
	now := lock.State()
	c.did("state_replaced", fmt.Sprintf("The state has %s now, with serial %d", count(len(now.Objects), "object"), now.Serial),
		map[string]any{"serial": now.Serial, "lineage": now.Lineage, "objects": len(now.Objects)})
	return nil
}

func (c *cli) stateHistoryCommand() *cobra.Command {
	var restore uint64
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List the versions that are kept, or go back to one",
		Long: `Lists the versions of the state that the backend keeps, newest first. With -restore
an earlier one becomes the present one, under a serial of its own; the vaults stay
as they are, and the next plan says how they differ.`,
		Example: `  accord state history
  accord state history -restore=41`,
		Annotations: exits(exitLocked),
		Args:        noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("restore") {
				return c.runStateHistory(cmd.Context())
			}
			return c.runStateRestore(cmd.Context(), restore)
		},
	}
	cmd.Flags().Uint64Var(&restore, "restore", 0, "make the version with this `SERIAL` the present one")
	return cmd
}

func (c *cli) runStateHistory(ctx context.Context) error {
	return c.readStore(ctx, func(store state.Store) error {
		versions, err := store.History(ctx)
		if err != nil {
			return err
		}
		made := madeBy(ctx, store, versions)
		if c.json {
			for n, v := range versions {
				_ = c.line("state_version", fmt.Sprintf("serial %d", v.Serial), map[string]any{"version": v, "present": n == 0, "command": made[n].Command, "who": made[n].Who, "change_ref": made[n].ChangeRef})
			}
			return nil
		}
		if len(versions) == 0 {
			fmt.Fprintln(c.stdout, "Nothing has been saved yet.")
			return nil
		}
		t := tabwriter.NewWriter(c.stdout, 2, 0, 2, ' ', 0)
		fmt.Fprintln(t, "serial\tsaved\tbytes\tby\tfor\twho\t")
		for n, v := range versions {
			present := ""
			if n == 0 {
				present = "\tpresent"
			}
			fmt.Fprintf(t, "%d\t%s\t%d\t%s\t%s\t%s%s\n", v.Serial, v.Saved.UTC().Format(time.RFC3339), v.Size, clean(made[n].Command), clean(made[n].ChangeRef), clean(made[n].Who), present)
		}
		return t.Flush()
	})
}

// madeBy finds the apply that each version came from; the zero Operation where
// it came from none. Versions are newest first.
func madeBy(ctx context.Context, store state.Store, versions []state.Version) []planner.Operation {
	made := make([]planner.Operation, len(versions))
	for n, v := range versions {
		if st, err := store.At(ctx, v.Serial); err == nil {
			if op := planner.LastOperation(st); op != nil {
				made[n] = *op
			}
		}
	}
	for n := range made {
		if n+1 < len(made) && made[n].ID == made[n+1].ID && made[n].Ended.Equal(made[n+1].Ended) {
			made[n] = planner.Operation{} // kept from the version before
		}
	}
	return made
}

func (c *cli) runStateRestore(ctx context.Context, serial uint64) error {
	return c.changeState(ctx, "state history -restore", func(store state.Store, lock state.Lock) error {
		st, err := store.At(ctx, serial)
		if errors.Is(err, state.ErrNoVersion) {
			return misused("See: accord state history", "No version with serial %d is kept", serial)
		}
		if err != nil {
			return err
		}
		return c.replace(ctx, lock, st)
	})
}

func (c *cli) forceUnlockCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "force-unlock ID",
		Short: "Take the lock away from someone who is gone for good",
		Long: `Takes the state's lock away. ID is that of the lock, as the message says that it is
in the way; another one is refused. Do so only if its process is gone for good: one
that still runs would write at the same time. A local state needs this hardly ever,
since the system frees the lock of a process that ends; and where a lock expires it
is taken over without this.`,
		Example:     `  accord force-unlock 4KSWAHBXTZ2N5UJQ3MVEY6RDFC`,
		Annotations: exits(exitLocked),
		Args:        exactly(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			return c.readStore(ctx, func(store state.Store) error {
				if err := store.ForceUnlock(ctx, args[0]); err != nil {
					return err
				}
				c.did("state_unlocked", "The lock was taken away", map[string]any{"id": args[0]})
				return nil
			})
		},
	}
}

// did says what was done.
func (c *cli) did(typ, message string, data map[string]any) {
	if c.json {
		_ = c.line(typ, message, data)
		return
	}
	fmt.Fprintln(c.stdout, message+".")
}

// refusal is an error that exits as refused.
func refusal(format string, args ...any) error {
	return &exit{code: exitRefused, err: fmt.Errorf(format, args...)}
}
