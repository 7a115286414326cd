package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"accord/planner/syncer"
)

type benchSyncOptions struct {
	documents, vaults, changes, others int

	share  bool
	filled bool
	keep   string
}

func (c *cli) benchSyncCommand() *cobra.Command {
	var o benchSyncOptions
	cmd := &cobra.Command{
		Use:   "sync",
		Short: "Syncs of a large library on the development server, beside a bare loop of the same calls",
		Long: `Fills a development PromoMats vault with documents (slides, shared resources,
presentations), ties CRM vaults to it, and measures runs of accord: a full sync
into the empty vaults, a full sync that finds nothing changed, and an incremental
sync after some changes, by a process of its own and as a round of accord serve,
which is there and connected. With -share, where documents are routed by country,
also the plan of an edited filter in every CRM vault.

Beside each, in the same run, on a copy of the same data and the same server, the
floor: a bare loop that makes the calls which the work takes, in the same phases
and at the same concurrency, and does nothing else. What it left is then held
against the rules: a full preview must find nothing to do.

Prints wall time, CPU, calls and peak memory, what they are of the floor's, and
how long the calls would take under the vendor's limit of 2,000 in 5 minutes a
vault, of which accord takes 80 %.`,
		Example: `  accord bench sync -documents 100000
  accord bench sync -documents 20000 -vaults 30
  accord bench sync -documents 1000000 -vaults 30 -share -filled`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return c.runBenchSync(cmd.Context(), o) },
	}
	cmd.Flags().IntVar(&o.documents, "documents", 10000, "how many documents the content vault holds")
	cmd.Flags().IntVar(&o.vaults, "vaults", 1, "how many CRM vaults")
	cmd.Flags().IntVar(&o.changes, "changes", 100, "how many documents change before the incremental sync")
	cmd.Flags().IntVar(&o.others, "others", 0, "how many documents of other types change with them, such as reports")
	cmd.Flags().BoolVar(&o.share, "share", false, "each CRM vault takes the documents of its country, and not all of them")
	cmd.Flags().BoolVar(&o.filled, "filled", false, "load the CRM vaults directly into the server's database, instead of by a full sync")
	cmd.Flags().StringVar(&o.keep, "keep", "", "work in this `DIR` and keep it")
	return cmd
}

// benchSync is one benchmark on its way: the tool works in one folder, and the
// floor in another that began as its copy.
type benchSync struct {
	*cli
	benchSyncOptions
	dir, floor string
	rows       []benchSyncRow
	rounds     [2]time.Duration // of serve, and of the floor
}

func (c *cli) runBenchSync(ctx context.Context, o benchSyncOptions) error {
	if o.vaults < 1 || o.documents < 100 || o.share && o.vaults > len(benchCountries) {
		return fmt.Errorf("from 100 documents and 1 CRM vault on; with -share to %d CRM vaults", len(benchCountries))
	}
	root := o.keep
	if root == "" {
		tmp, err := os.MkdirTemp("", "accord-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		root = tmp
	}
	b := &benchSync{cli: c, benchSyncOptions: o, dir: filepath.Join(root, "tool"), floor: filepath.Join(root, "floor")}
	where := "all of them to each"
	if o.share {
		where = "to each those of its country"
	}
	fmt.Fprintf(c.benchText(), "%s documents in one PromoMats vault; CRM vaults: %d, %s\n", number(o.documents), o.vaults, where)
	started := time.Now()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	fmt.Fprintf(c.benchText(), "loaded and configured in %s\n", round(time.Since(started)))
	if !o.filled {
		if err := b.measure(ctx, "full, into empty vaults", []string{"sync"}, "full"); err != nil {
			return err
		}
	}
	title := "full, nothing changed"
	if err := b.measure(ctx, title, []string{"sync", "-full"}, "full"); err != nil {
		return err
	}
	if err := b.measureChanges(ctx); err != nil {
		return err
	}
	if err := b.measureRound(ctx); err != nil {
		return err
	}
	if o.share {
		if err := b.measurePlan(ctx); err != nil {
			return err
		}
	}
	return b.print()
}

// measure runs the tool, and the bare loop, each on its own server. The tool
// must find the same to do as the loop did.
func (b *benchSync) measure(ctx context.Context, title string, tool []string, floor ...string) error {
	row := benchSyncRow{title: title}
	var err error
	if row.tool, err = b.run(ctx, b.dir, tool...); err != nil {
		return err
	}
	if row.floor, err = b.run(ctx, b.floor, append([]string{"bench", "bare", fmt.Sprintf("-vaults=%d", b.vaults), fmt.Sprintf("-share=%t", b.share), fmt.Sprintf("-first=%t", len(b.rows) == 0)}, floor...)...); err != nil {
		return err
	}
	b.rows = append(b.rows, row)
	return b.settled(ctx, title)
}

// settled holds what the tool and the loop left against the rules: a full
// preview finds nothing to do.
func (b *benchSync) settled(ctx context.Context, title string) error {
	for who, dir := range map[string]string{"accord": b.dir, "the bare loop": b.floor} {
		m, err := b.child(ctx, dir, nil, "-json", "sync", "-full", "-preview")
		if err != nil {
			return err
		}
		previewed := 0
		for line := range strings.Lines(m.out.String()) {
			var planned struct {
				Content struct {
					Addr   string
					Impact syncer.Impact
				}
			}
			if err := json.Unmarshal([]byte(line), &planned); err != nil || planned.Content.Addr == "" {
				continue
			}
			previewed++
			if !planned.Content.Impact.Unaffected() {
				return fmt.Errorf("%s: after %s a full run would still do this: %s", title, who, strings.TrimSpace(line))
			}
		}
		if previewed < b.vaults {
			return fmt.Errorf("%s: of %d CRM vaults only %d were previewed after %s:\n%s", title, b.vaults, previewed, who, m.out.String())
		}
	}
	return nil
}

// measureChanges changes documents, evenly spread, and syncs what changed.
func (b *benchSync) measureChanges(ctx context.Context) error {
	since := time.Time{}
	for _, dir := range []string{b.dir, b.floor} {
		dev, err := openDevServer(ctx, dir)
		if err != nil {
			return err
		}
		var clock struct{ Now time.Time }
		if err := dev.control(ctx, http.MethodGet, "clock", nil, &clock); err == nil && since.IsZero() {
			since = clock.Now
		}
		err = b.change(ctx, dev, "Changed")
		dev.Close()
		if err != nil {
			return err
		}
	}
	return b.measure(ctx, fmt.Sprintf("incremental, %s changes", number(b.changes)), []string{"sync"}, "-since="+since.UTC().Truncate(time.Second).Format(time.RFC3339), "incremental")
}

// change gives documents another title, and makes some of other types, as people
// in the content vault would.
func (b *benchSync) change(ctx context.Context, dev *devServer, title string) error {
	bare := newBare(dev.info)
	v := &bareVault{bare: bare, name: "promomats"}
	if err := v.login(ctx); err != nil {
		return err
	}
	var rows strings.Builder
	rows.WriteString("id,title__v\n")
	for n := range b.changes {
		fmt.Fprintf(&rows, "%d,%s %d\n", 1+(2*n+1)*b.documents/(2*b.changes), title, n)
	}
	if err := v.batch(ctx, http.MethodPut, "objects/documents/batch", "text/csv", rows.String(), nil); err != nil {
		return err
	}
	for made := 0; made < b.others; made += bareBatch {
		rows.Reset()
		rows.WriteString("name__v,type__v,lifecycle__v\n")
		for n := made; n < min(made+bareBatch, b.others); n++ {
			fmt.Fprintf(&rows, "Report %d,material__v,promo_mats_lifecycle__v\n", n)
		}
		if err := v.batch(ctx, http.MethodPost, "objects/documents/batch", "text/csv", rows.String(), nil); err != nil {
			return err
		}
	}
	return nil
}

// measurePlan plans after every CRM vault was given the country of another.
func (b *benchSync) measurePlan(ctx context.Context) error {
	for _, dir := range []string{b.dir, b.floor} {
		if err := b.configure(dir, 1); err != nil {
			return err
		}
	}
	row := benchSyncRow{title: "plan of an edited filter in each"}
	var err error
	if row.tool, err = b.run(ctx, b.dir, "plan", "-concise"); err != nil {
		return err
	}
	row.floor, err = b.run(ctx, b.floor, "bench", "bare", fmt.Sprintf("-vaults=%d", b.vaults), "-share", "preview")
	b.rows = append(b.rows, row)
	return err
}
