package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"accord/planner/syncer"
	"accord/providers/devvault"
	"accord/providers/devvault/sample"
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
sync after some changes. With -share, where documents are routed by country, also
the plan of an edited filter in every CRM vault.

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

// benchCountries are values of country_cda__v, one for each CRM vault.
var benchCountries = strings.Fields("us ca mx de fr it es gb nl be ch at se no dk fi pl pt ie gr cz hu ro bg jp cn kr in br au")

const benchSyncConfig = `
accord {
  limits {
    max_withdrawn = "100%"
    max_published = "100%"
    ignore_below  = 1000000000
  }
  sync {
    filter_delay = "0s"
  }
  dev {
    library = "library"
    burst   = 1000000000
  }
}
vault "promomats" {
  kind        = "promomats"
  environment = "production"
  url         = "dev://promomats"
}
vault "crm" {
  for_each    = local.crm
  kind        = "crm"
  environment = "production"
  url         = "dev://crm-${each.key}"
}
connection "crm" {
  for_each = local.crm
  type     = "promomats_crm"
  content  = vault.promomats
  crm      = vault.crm[each.key]
}
integration "clm" {
  for_each   = local.crm
  connection = connection.crm[each.key]
  type       = "clm"
  status     = "active"
}
integration_point "clm_presentation" {
  for_each    = local.crm
  integration = integration.clm[each.key]
  name        = "clm_presentation"
  status      = "active"
}
`

const benchShareConfig = `
country_filter "crm" {
  for_each   = local.crm
  connection = connection.crm[each.key]
  feature    = "clm"
  countries  = [each.value]
}
integration "country" {
  for_each   = local.crm
  connection = connection.crm[each.key]
  type       = "country"
  status     = "active"
}
integration_point "clm_country" {
  for_each    = local.crm
  integration = integration.country[each.key]
  name        = "clm_country"
  status      = "active"
}
`

// configure writes the configuration; shift moves every country to another
// CRM vault.
func (o benchSyncOptions) configure(dir string, shift int) error {
	var b strings.Builder
	b.WriteString("locals {\n  crm = {\n")
	for n := range o.vaults {
		fmt.Fprintf(&b, "    %d = %q\n", n+1, benchCountries[(n+shift)%o.vaults%len(benchCountries)]+"__v")
	}
	b.WriteString("  }\n}\n" + benchSyncConfig)
	if o.share {
		b.WriteString(benchShareConfig)
	}
	return os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(b.String()), 0o600)
}

// library is what the content vault holds: of six documents, one is a
// presentation; of fifty, one a shared resource.
func (o benchSyncOptions) library() sample.Params {
	p := sample.Params{Seed: 1, Presentations: o.documents / 6, SharedResources: o.documents / 50}
	p.Slides = o.documents - p.Presentations - p.SharedResources
	for n := range min(o.vaults, len(benchCountries)) {
		key := benchCountries[n]
		p.Countries = append(p.Countries, sample.Country{Key: key, Name: strings.ToUpper(key), Values: []string{key + "__v"}, Weight: 1})
	}
	return p
}

// benchSync is one benchmark on its way: the tool works in one folder, and the
// floor in another that began as its copy.
type benchSync struct {
	*cli
	benchSyncOptions
	dir, floor string
	rows       []benchSyncRow
}

// benchSyncRow is one kind of run, by the tool and by the bare loop.
type benchSyncRow struct {
	title       string
	tool, floor benchRun
}

// benchRun is what a run took.
type benchRun struct {
	wall, cpu    time.Duration
	tool, plugin int64 // peak bytes
	calls        []devvault.CallCount
}

// runJSON is a run as a machine reads it.
type runJSON struct {
	Wall   float64 `json:"wall_s"`
	CPU    float64 `json:"cpu_s"`
	Tool   int64   `json:"tool_peak_bytes"`
	Plugin int64   `json:"plugin_peak_bytes"`
	Calls  int     `json:"calls"`
}

func jsonRun(r *benchRun) runJSON {
	return runJSON{r.wall.Seconds(), r.cpu.Seconds(), r.tool, r.plugin, r.total()}
}

func (r *benchRun) total() (n int) {
	for _, c := range r.calls {
		n += c.Count
	}
	return n
}

// busiest is the vault that was called most, and how often.
func (r *benchRun) busiest() (vault string, calls int) {
	by := map[string]int{}
	for _, c := range r.calls {
		by[c.Vault] += c.Count
	}
	for v, n := range by {
		if n > calls || n == calls && v < vault {
			vault, calls = v, n
		}
	}
	return vault, calls
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
	if o.share {
		if err := b.measurePlan(ctx); err != nil {
			return err
		}
	}
	return b.print()
}

// prepare loads the vaults and applies the configuration, without any run, and
// copies all of it for the floor.
func (b *benchSync) prepare(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Join(b.dir, "library"), 0o700); err != nil {
		return err
	}
	if err := b.configure(b.dir, 0); err != nil {
		return err
	}
	params, err := json.Marshal(b.library())
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.dir, "library", "promomats.sample.json"), append(params, '\n'), 0o600); err != nil {
		return err
	}
	dev, err := openDevServer(ctx, b.dir)
	if err != nil {
		return err
	}
	defer dev.Close()
	if _, err := b.child(ctx, b.dir, nil, "apply", "-auto-approve", "-concise", "-no-sync"); err != nil {
		return err
	}
	if b.share {
		m, err := b.child(ctx, b.dir, nil, "sync", "integration_point.clm_country")
		if err != nil {
			return err
		}
		if n := strings.Count(m.out.String(), "full run clean"); n != b.vaults {
			return fmt.Errorf("the countries of %d CRM vaults were synced, not of %d:\n%s", n, b.vaults, m.out.String())
		}
	}
	if b.filled {
		if err := b.fill(ctx, dev); err != nil {
			return err
		}
	}
	dev.Close()
	return copyOfSite(ctx, b.dir, b.floor)
}

// copyOfSite copies a folder with the data of its development server, once
// that has ended.
func copyOfSite(ctx context.Context, from, to string) error {
	lock := flock.New(filepath.Join(from, ".accord", "dev.lock"))
	waiting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if held, err := lock.TryLockContext(waiting, 50*time.Millisecond); err != nil || !held {
		return fmt.Errorf("wait for the development server to end: %w", err)
	}
	defer lock.Unlock()
	return os.CopyFS(to, os.DirFS(from))
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

// run runs this program beside the server of a folder, and counts its calls.
func (b *benchSync) run(ctx context.Context, dir string, args ...string) (r benchRun, err error) {
	dev, err := openDevServer(ctx, dir)
	if err != nil {
		return r, err
	}
	defer dev.Close()
	if err := dev.control(ctx, http.MethodPost, "settings", map[string]any{"burst": 1000000000, "auth_burst": 1000000000}, nil); err != nil {
		return r, err
	}
	if err := dev.control(ctx, http.MethodGet, "calls?reset=true", nil, nil); err != nil {
		return r, err
	}
	m, err := b.child(ctx, dir, nil, args...)
	if err != nil {
		return r, err
	}
	r.wall, r.cpu, r.tool, r.plugin = m.took, m.cpu, m.peak["tool"], m.peak["plugin"]
	var answer struct {
		Calls []devvault.CallCount `json:"calls"`
	}
	err = dev.control(ctx, http.MethodGet, "calls", nil, &answer)
	r.calls = answer.Calls
	return r, err
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
		err = b.change(ctx, dev)
		dev.Close()
		if err != nil {
			return err
		}
	}
	return b.measure(ctx, fmt.Sprintf("incremental, %s changes", number(b.changes)), []string{"sync"}, "-since="+since.UTC().Truncate(time.Second).Format(time.RFC3339), "incremental")
}

// change gives documents another title, and makes some of other types, as people
// in the content vault would.
func (b *benchSync) change(ctx context.Context, dev *devServer) error {
	bare := newBare(dev.info)
	v := &bareVault{bare: bare, name: "promomats"}
	if err := v.login(ctx); err != nil {
		return err
	}
	var rows strings.Builder
	rows.WriteString("id,title__v\n")
	for n := range b.changes {
		fmt.Fprintf(&rows, "%d,Changed %d\n", 1+(2*n+1)*b.documents/(2*b.changes), n)
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

// What the figures are held against.
const (
	benchWall   = 1.2
	benchFewest = 1.05
	benchMemory = 256 << 20
)

func (b *benchSync) print() error {
	fmt.Fprintln(b.benchText())
	t := tabwriter.NewWriter(b.benchText(), 2, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(t, "run\twall\tfloor\tx\tCPU\tfloor\tcalls\tfewest\tx\ttool\tplugin\tat 2,000 in 5 min\t\n")
	var missed []string
	for _, r := range b.rows {
		wall := r.tool.wall.Seconds() / r.floor.wall.Seconds()
		calls := float64(r.tool.total()) / float64(r.floor.total())
		busiest, most := r.tool.busiest()
		fmt.Fprintf(t, "%s\t%s\t%s\t%.2f\t%s\t%s\t%s\t%s\t%.3f\t%d MiB\t%d MiB\t%s: %s\t\n", r.title, round(r.tool.wall), round(r.floor.wall), wall,
			round(r.tool.cpu), round(r.floor.cpu), number(r.tool.total()), number(r.floor.total()), calls, r.tool.tool>>20, r.tool.plugin>>20, busiest, forecast(most))
		if b.json {
			if err := b.line("bench_sync", r.title, map[string]any{"run": r.title, "documents": b.documents, "vaults": b.vaults,
				"accord": jsonRun(&r.tool), "floor": jsonRun(&r.floor), "forecast_s": forecast(most).Seconds()}); err != nil {
				return err
			}
		}
		miss := func(of bool, format string, args ...any) {
			if of {
				missed = append(missed, r.title+": "+fmt.Sprintf(format, args...))
			}
		}
		miss(wall > benchWall, "%.2f of the floor's time, of at most %.2f", wall, benchWall)
		miss(calls > benchFewest, "%.3f of the fewest calls, of at most %.2f", calls, benchFewest)
		miss(r.tool.tool > benchMemory || r.tool.plugin > benchMemory, "more than %d MiB", benchMemory>>20)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintln(b.benchText())
	for _, r := range b.rows {
		b.differences(r)
	}
	if len(missed) == 0 {
		fmt.Fprintf(b.benchText(), "All within %.2f of the floor's time, %.2f of the fewest calls, and %d MiB.\n", benchWall, benchFewest, benchMemory>>20)
	}
	for _, m := range missed {
		fmt.Fprintf(b.benchText(), "Missed: %s\n", m)
	}
	return nil
}

// differences prints where the tool and the loop make different calls.
func (b *benchSync) differences(r benchSyncRow) {
	by := map[string][2]int{}
	for side, calls := range [][]devvault.CallCount{r.tool.calls, r.floor.calls} {
		for _, c := range calls {
			vault := "promomats"
			if c.Vault != vault {
				vault = "CRM"
			}
			key := vault + " " + c.Method + " " + c.Route
			n := by[key]
			n[side] += c.Count
			by[key] = n
		}
	}
	var lines []string
	for key, n := range by {
		if n[0] != n[1] {
			lines = append(lines, fmt.Sprintf("  %s: %s, the floor %s", key, number(n[0]), number(n[1])))
		}
	}
	if len(lines) == 0 {
		return
	}
	slices.Sort(lines)
	fmt.Fprintf(b.benchText(), "%s, calls that differ:\n%s\n", r.title, strings.Join(lines, "\n"))
}

// forecast is how long so many calls of one vault take where 2,000 are allowed
// in 5 minutes, and 80 % of them taken: the rest is left to people.
func forecast(calls int) time.Duration {
	const window, limit = 5 * time.Minute, 1600
	whole, rest := time.Duration(calls/limit), calls%limit
	return (whole*window + window*time.Duration(rest)/limit).Round(time.Second)
}
