package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"accord/planner"
	"accord/state"
)

func (c *cli) stateHistoryCommand() *cobra.Command {
	var restore uint64
	var encrypt bool
	cmd := &cobra.Command{
		Use:   "history",
		Short: "List the versions that are kept, or go back to one",
		Long: `Lists the versions of the state that the backend keeps, newest first. With -restore
an earlier one becomes the present one, under a serial of its own; the vaults stay
as they are, and the next plan says how they differ.

With -encrypt the versions that are kept, and what the journal of syncs says of items,
are encrypted to the recipients of the accord block, where they are not, or to others:
what the first apply with encryption, or with other recipients, does by itself. An
identity of those before opens what it was encrypted to.`,
		Example: `  accord state history
  accord state history -restore=41
  accord state history -encrypt`,
		Annotations: exits(exitLocked),
		Args:        noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if encrypt && cmd.Flags().Changed("restore") {
				return misused("Restore first, then encrypt.", "-restore and -encrypt exclude each other")
			}
			if encrypt {
				return c.runStateEncrypt(cmd.Context())
			}
			if !cmd.Flags().Changed("restore") {
				return c.runStateHistory(cmd.Context())
			}
			return c.runStateRestore(cmd.Context(), restore)
		},
	}
	cmd.Flags().Uint64Var(&restore, "restore", 0, "make the version with this `SERIAL` the present one")
	cmd.Flags().BoolVar(&encrypt, "encrypt", false, "encrypt what is kept as what is written now")
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
		st, err := store.At(ctx, v.Serial)
		if sealed := (*state.SealedError)(nil); errors.As(err, &sealed) {
			made[n].Command = "encrypted to " + strings.Join(sealed.To, ", ")
		}
		if err != nil {
			continue
		}
		if op := planner.LastOperation(st); op != nil {
			made[n] = *op
		}
	}
	type end struct {
		id string
		at time.Time
	}
	known := map[end]bool{}
	for n, op := range slices.Backward(made) {
		if op.ID == "" {
			continue
		}
		of := end{op.ID, op.Ended.UTC()}
		if known[of] {
			made[n] = planner.Operation{} // kept from an earlier version, or brought back with it
		}
		known[of] = true
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

func (c *cli) runStateEncrypt(ctx context.Context) error {
	return c.readStore(ctx, func(store state.Store) error {
		lock, err := store.Lock(ctx, "state history -encrypt")
		if err != nil {
			return err
		}
		err = lock.Save(ctx)
		if err == nil {
			err = c.reseal(ctx, lock, true)
		}
		return errors.Join(err, lock.Unlock())
	})
}

// reseal encrypts what was kept before as what is written now, and says what
// stays as it is; without always only where that has just changed.
func (c *cli) reseal(ctx context.Context, lock state.Lock, always bool) error {
	done, err := lock.Reseal(ctx, always)
	if err != nil {
		return err
	}
	if n := len(done.Done); n > 0 || always {
		text := fmt.Sprintf("Encrypted as the state is now: %s.", count(n, "earlier version"))
		if c.json {
			_ = c.line("state_encrypted", text, map[string]any{"versions": n, "left": len(done.Left)})
		} else {
			fmt.Fprintln(c.stdout, text)
		}
	}
	if len(done.Left) == 0 {
		return nil
	}
	var serials, why []string
	for _, v := range done.Left {
		serials = append(serials, strconv.FormatUint(v.Serial, 10))
		if text := v.Err.Error(); !slices.Contains(why, text) {
			why = append(why, text)
		}
	}
	advice := "Give that identity too, and run: accord state history -encrypt"
	if slices.ContainsFunc(done.Left, func(v state.Unsealed) bool { return errors.Is(v.Err, state.ErrVersionStays) }) {
		advice = "What lies there is as it was written then: remove those versions there, once nobody will go back to them"
	}
	c.diagnostics(hcl.Diagnostics{{Severity: hcl.DiagWarning, Summary: fmt.Sprintf("Not encrypted as the state is now: %s of it", count(len(serials), "earlier version")),
		Detail: fmt.Sprintf("Serial %s: %s. %s.", planner.FirstOf(serials), strings.Join(why, "; "), advice)}})
	return nil
}
