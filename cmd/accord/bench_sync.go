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
	documents, vaults, changes, others, rounds int

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

Incremental syncs and rounds of serve are measured as often as -rounds says, accord
and the floor in turns, and the medians count. A folder that -keep has kept is gone
on with: what is in it is not loaded again, and only incremental runs are measured.

Prints wall time, CPU, calls and peak memory, what they are of the floor's, and
how long the calls would take under the vendor's limit of 2,000 in 5 minutes a
vault, of which accord takes 80 %.`,
		Example: `  accord bench sync -documents 100000
  accord bench sync -documents 20000 -vaults 30
  accord bench sync -documents 1000000 -vaults 30 -share -filled
  accord bench sync -documents 20000 -vaults 30 -share -filled -rounds 7 -keep DIR`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return c.runBenchSync(cmd.Context(), o) },
	}
	cmd.Flags().IntVar(&o.documents, "documents", 10000, "how many documents the content vault holds")
	cmd.Flags().IntVar(&o.vaults, "vaults", 1, "how many CRM vaults")
	cmd.Flags().IntVar(&o.changes, "changes", 100, "how many documents change before the incremental sync")
	cmd.Flags().IntVar(&o.others, "others", 0, "how many documents of other types change with them, such as reports")
	cmd.Flags().IntVar(&o.rounds, "rounds", 1, "how often incremental runs are measured")
	cmd.Flags().BoolVar(&o.share, "share", false, "each CRM vault takes the documents of its country, and not all of them")
	cmd.Flags().BoolVar(&o.filled, "filled", false, "load the CRM vaults directly into the server's database, instead of by a full sync")
	cmd.Flags().StringVar(&o.keep, "keep", "", "work in this `DIR` and keep it; go on where it was kept")
	return cmd
}

// benchSync is one benchmark on its way: the tool works in one folder, and the
// floor in another that began as its copy.
type benchSync struct {
	*cli
	benchSyncOptions
	dir, floor string
	rows       []benchSyncRow
	served     [2]time.Duration // a round of serve, and of the floor
}

func (c *cli) runBenchSync(ctx context.Context, o benchSyncOptions) error {
	if o.vaults < 1 || o.documents < 100 || o.rounds < 1 || o.share && o.vaults > len(benchCountries) {
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
	_, err := os.Stat(b.floor)
	kept := err == nil
	if !kept {
		if err := b.measureFull(ctx); err != nil {
			return err
		}
	}
	if err := b.measureChanges(ctx); err != nil {
		return err
	}
	if err := b.measureRounds(ctx); err != nil {
		return err
	}
	if o.share && !kept {
		if err := b.measurePlan(ctx); err != nil {
			return err
		}
	}
	return b.print()
}

// measureFull loads the vaults, and measures full syncs.
func (b *benchSync) measureFull(ctx context.Context) error {
	started := time.Now()
	if err := b.prepare(ctx); err != nil {
		return err
	}
	fmt.Fprintf(b.benchText(), "loaded and configured in %s\n", round(time.Since(started)))
	measure := func(title string, tool ...string) error {
		row, err := b.pair(ctx, tool, fmt.Sprintf("-first=%t", len(b.rows) == 0), "full")
		if err != nil {
			return err
		}
		row.title = title
		b.rows = append(b.rows, row)
		return b.settled(ctx, title)
	}
	if !b.filled {
		if err := measure("full, into empty vaults", "sync"); err != nil {
			return err
		}
	}
	return measure("full, nothing changed", "sync", "-full")
}

// pair runs the tool, and the bare loop, each on its own server. The tool must
// find the same to do as the loop did.
func (b *benchSync) pair(ctx context.Context, tool []string, floor ...string) (row benchSyncRow, err error) {
	if row.tool, err = b.run(ctx, b.dir, tool...); err != nil {
		return row, err
	}
	row.floor, err = b.run(ctx, b.floor, b.bareArgs(floor...)...)
	return row, err
}

// bareArgs are the words of a command that runs the bare loop.
func (b *benchSync) bareArgs(more ...string) []string {
	return append([]string{"bench", "bare", fmt.Sprintf("-vaults=%d", b.vaults), fmt.Sprintf("-share=%t", b.share)}, more...)
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
	var rows []benchSyncRow
	for range b.rounds {
		since, err := b.changeBoth(ctx, changedNow())
		if err != nil {
			return err
		}
		row, err := b.pair(ctx, []string{"sync"}, "-since="+since, "incremental")
		if err != nil {
			return err
		}
		rows = append(rows, row)
	}
	row := medians(rows)
	row.title = fmt.Sprintf("incremental, %s changes", number(b.changes))
	b.rows = append(b.rows, row)
	return b.settled(ctx, row.title)
}

// changedNow is the beginning of a title that no document has.
func changedNow() string { return "Changed at " + time.Now().UTC().Format(time.RFC3339Nano) }

// changeBoth changes documents for the tool and for the floor, and says since when.
func (b *benchSync) changeBoth(ctx context.Context, title string) (since string, err error) {
	for _, dir := range []string{b.dir, b.floor} {
		dev, err := openDevServer(ctx, dir)
		if err != nil {
			return "", err
		}
		var clock struct{ Now time.Time }
		if err := dev.control(ctx, http.MethodGet, "clock", nil, &clock); err == nil && since == "" {
			since = clock.Now.UTC().Truncate(time.Second).Format(time.RFC3339)
		}
		err = b.change(ctx, dev, title)
		dev.Close()
		if err != nil {
			return "", err
		}
	}
	return since, nil
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
	if err := v.batch(ctx, http.MethodPut, "objects/documents/batch", "text/csv", rows.String()); err != nil {
		return err
	}
	for made := 0; made < b.others; made += bareBatch {
		rows.Reset()
		rows.WriteString("name__v,type__v,lifecycle__v\n")
		for n := made; n < min(made+bareBatch, b.others); n++ {
			fmt.Fprintf(&rows, "Report %d,material__v,promo_mats_lifecycle__v\n", n)
		}
		if err := v.batch(ctx, http.MethodPost, "objects/documents/batch", "text/csv", rows.String()); err != nil {
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
	row, err := b.pair(ctx, []string{"plan", "-concise"}, "preview")
	row.title = "plan of an edited filter in each"
	b.rows = append(b.rows, row)
	return err
}
