package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// The floor of bench sync: a bare loop over net/http that knows one
// configuration by heart, keeps all it reads in memory, journals nothing,
// paces nothing and trusts every answer, in a process as Go has it, with garbage
// collected as usual. It makes the calls that the work takes and that the rules
// ask for, in the phases of a run and at its concurrency: the source beside the
// targets, one page ahead; four CRM vaults at once, or 16 to which little passes;
// four batches of 500 in flight for each; 32 calls in flight where there is no
// batch.

const (
	bareTargets  = 4
	bareSmall    = 16 // where little passes to each
	bareBatches  = 4
	bareSingles  = 32
	bareIdle     = bareTargets * bareBatches * bareSingles // connections
	barePage     = 1000
	bareBatch    = 500
	bareMarks    = 700 // a query has at most 50,000 characters
	barePointCLM = "promomats_crm_clm_presentation__v"
	barePointCDA = "promomats_crm_clm_country__v"
)

type bareOptions struct {
	vaults int
	share  bool
	first  bool
	since  string
	round  bool
}

// benchBareCommand is a process of its own, as the tool is one.
func (c *cli) benchBareCommand() *cobra.Command {
	var o bareOptions
	cmd := &cobra.Command{
		Use:   "bare full|incremental|preview",
		Short: "The floor of bench sync: the same calls, and nothing else",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			info, err := readDevInfo(c.chdir)
			if err != nil {
				return err
			}
			run := &bareRun{bareOptions: o, kind: args[0], source: &bareVault{bare: newBare(info), name: "promomats"}}
			for n := range o.vaults {
				run.crms = append(run.crms, &bareVault{bare: run.source.bare, name: "crm-" + strconv.Itoa(n+1)})
			}
			if err := run.run(cmd.Context()); err != nil {
				return err
			}
			if o.round {
				fmt.Fprintln(c.stdout, run.took)
			}
			return nil
		},
	}
	cmd.Flags().IntVar(&o.vaults, "vaults", 1, "how many CRM vaults")
	cmd.Flags().BoolVar(&o.share, "share", false, "route by country")
	cmd.Flags().BoolVar(&o.first, "first", false, "nothing is known yet of what earlier runs left")
	cmd.Flags().StringVar(&o.since, "since", "", "of an incremental run: where it begins")
	cmd.Flags().BoolVar(&o.round, "round", false, "connected already: say how long the content takes")
	return cmd
}

// bareRun is one run of the loop.
type bareRun struct {
	bareOptions
	kind   string
	source *bareVault
	crms   []*bareVault

	library map[int64]*bareRow // of the source, published or not
	uses    map[int64][]int64  // slide → shared resources
	started time.Time
	took    time.Duration // of the content
}

func (r *bareRun) run(ctx context.Context) error {
	r.started = time.Now().UTC()
	r.library, r.uses = map[int64]*bareRow{}, map[int64][]int64{}
	if err := r.connect(ctx); err != nil {
		return err
	}
	if r.share {
		if err := r.countries(ctx); err != nil {
			return err
		}
	}
	began := time.Now()
	if err := r.content(ctx); err != nil {
		return err
	}
	r.took = time.Since(began)
	return r.each(append(slices.Clone(r.crms), r.source), 16, func(v *bareVault) error {
		return v.call(ctx, http.MethodDelete, "session", "", nil, nil)
	})
}

func (r *bareRun) each(vaults []*bareVault, atOnce int, f func(*bareVault) error) error {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, v := range vaults {
		g.Go(func() error { return f(v) })
	}
	return g.Wait()
}

// content is the CLM integration.
func (r *bareRun) content(ctx context.Context) error {
	var both errgroup.Group
	both.Go(func() error { return r.readSource(ctx) })
	if r.kind != "incremental" {
		both.Go(func() error {
			return r.each(r.crms, bareTargets, func(v *bareVault) error { return r.readTarget(ctx, v) })
		})
	}
	if err := both.Wait(); err != nil {
		return err
	}
	targets := bareTargets
	if r.kind == "incremental" {
		targets = bareSmall
	}
	return r.each(r.crms, targets, func(v *bareVault) error {
		if r.kind == "incremental" {
			if err := r.readTargetOf(ctx, v); err != nil {
				return err
			}
		}
		if r.kind == "preview" {
			return nil
		}
		if err := r.write(ctx, v); err != nil {
			return err
		}
		if r.first {
			if err := v.exceptions(ctx, barePointCLM); err != nil {
				return err
			}
		}
		return r.finish(ctx, v, barePointCLM)
	})
}
