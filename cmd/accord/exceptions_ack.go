package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"accord/state"
)

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
	x, picked, err := c.chosen(ctx, reading, ids, o.exceptionFilter, true)
	if err != nil {
		return err
	}
	defer x.Close()
	exceptions := make([]state.Exception, len(picked))
	for i, e := range picked {
		exceptions[i] = e.Exception()
	}
	if err := x.journal.Acknowledge(ctx, exceptions, ack); err != nil {
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
		return c.noneMeant()
	case o.undo:
		fmt.Fprintf(c.stdout, "No longer acknowledged: %s.\n", count(len(picked), "exception"))
	case ack.Until.IsZero():
		fmt.Fprintf(c.stdout, "Acknowledged: %s, as long as they last.\n", count(len(picked), "exception"))
	default:
		fmt.Fprintf(c.stdout, "Acknowledged: %s, until %s.\n", count(len(picked), "exception"), momentOr(ack.Until, "–"))
	}
	return nil
}
