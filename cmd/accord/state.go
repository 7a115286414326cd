package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"accord/lang/addrs"
	"accord/planner"
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
		return c.underLock(ctx, store, operation, func(lock state.Lock) error { return fn(store, lock) })
	})
}

func (c *cli) underLock(ctx context.Context, store state.Store, operation string, fn func(lock state.Lock) error) error {
	lock, err := store.Lock(ctx, operation)
	if err != nil {
		return err
	}
	if err := fn(lock); err != nil {
		return errors.Join(err, lock.Unlock())
	}
	err = lock.Save(ctx)
	if err == nil {
		err = c.reseal(ctx, lock, false)
	}
	return errors.Join(err, lock.Unlock())
}

// pick returns the objects that an argument names: one, or all of its block.
func pick(st *state.State, arg string) ([]*state.Object, error) {
	addr, err := addrs.ParseTarget(arg)
	if err != nil {
		return nil, misused(`An address is written as in the files: vault.crm["us"]`, "%s", err)
	}
	found := slices.DeleteFunc(planner.Remembered(st), func(o *state.Object) bool { return !addr.Covers(o.Addr) })
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
