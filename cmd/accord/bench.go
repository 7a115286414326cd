package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"accord/providers/devvault"
	"accord/providers/devvault/sample"
)

type benchOptions struct {
	presentations int
	slides        int
	crms          int
	again         bool
	keep          string
}

func (c *cli) benchCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "bench", Short: "Benchmarks that need the whole program", Hidden: true}
	var o benchOptions
	sync := &cobra.Command{
		Use:   "sync",
		Short: "A full sync from one PromoMats vault to CRM vaults on the development server",
		Long: `Fills a development PromoMats vault with presentations and slides, applies a
configuration that syncs all of them to CRM vaults in full, and prints time, peak
memory of each process, calls by endpoint, and the forecast under the vendor's
2,000 calls in 5 minutes a vault.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return c.runBenchSync(cmd.Context(), o) },
	}
	sync.Flags().IntVar(&o.presentations, "presentations", 20000, "how many")
	sync.Flags().IntVar(&o.slides, "slides", 100000, "how many")
	sync.Flags().IntVar(&o.crms, "crms", 3, "how many CRM vaults")
	sync.Flags().BoolVar(&o.again, "again", true, "then a full sync of what is unchanged, and an incremental one of 100 changes")
	sync.Flags().StringVar(&o.keep, "keep", "", "work in this `DIR` and keep it")
	cmd.AddCommand(sync, c.benchPlanCommand(), c.benchFloorCommand())
	return cmd
}

const benchConfig = `
accord {
  limits {
    max_withdrawn = "100%%"
    max_published = "100%%"
  }
  sync {
    filter_delay = "0s"
  }
  dev {
    library = "library"
    burst   = 1000000000
  }
}
locals {
  crm = toset([%s])
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

func (c *cli) runBenchSync(ctx context.Context, o benchOptions) error {
	dir := o.keep
	if dir == "" {
		tmp, err := os.MkdirTemp("", "accord-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		dir = tmp
	}
	if err := os.MkdirAll(filepath.Join(dir, "library"), 0o700); err != nil {
		return err
	}
	names := make([]string, o.crms)
	for i := range names {
		names[i] = strconv.Quote(strconv.Itoa(i + 1))
	}
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), fmt.Appendf(nil, benchConfig, strings.Join(names, ", ")), 0o600); err != nil {
		return err
	}
	params, err := json.Marshal(sample.Params{Seed: 1, Presentations: o.presentations, Slides: o.slides, SharedResources: o.slides / 50})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "library", "promomats.sample.json"), append(params, '\n'), 0o600); err != nil {
		return err
	}
	// Attached for the whole benchmark, so that the server and its counts stay.
	dev, err := openDevServer(ctx, dir)
	if err != nil {
		return err
	}
	defer dev.Close()

	fmt.Fprintf(c.stdout, "%s presentations and %s slides, to %d CRM vaults, all on one machine\n", number(o.presentations), number(o.slides), o.crms)
	started := time.Now()
	if _, err := c.child(ctx, dir, "plan", "-concise"); err != nil {
		return fmt.Errorf("load the library: %w", err)
	}
	fmt.Fprintf(c.stdout, "library loaded and first plan made in %s\n", round(time.Since(started)))
	measure := func(title string, args ...string) error {
		if err := dev.control(ctx, http.MethodGet, "calls?reset=true", nil, nil); err != nil {
			return err
		}
		m, err := c.child(ctx, dir, args...)
		if err != nil {
			return err
		}
		return c.benchReport(ctx, dev, title, m)
	}
	if err := measure("full sync into empty vaults (accord apply: plan, then run)", "apply", "-auto-approve", "-concise"); err != nil {
		return err
	}
	if !o.again {
		return nil
	}
	return measure("full sync of what is unchanged (accord sync -full)", "sync", "-full")
}

// measured is what a run of accord took.
type measured struct {
	took time.Duration
	user time.Duration    // CPU, with the children's
	peak map[string]int64 // bytes of resident memory by process
	out  bytes.Buffer
}

// child runs this program and watches the memory of its processes.
func (c *cli) child(ctx context.Context, dir string, args ...string) (*measured, error) {
	self, err := executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, append([]string{"-chdir=" + dir}, args...)...)
	m := &measured{peak: map[string]int64{}}
	cmd.Stdout, cmd.Stderr = &m.out, &m.out
	started := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		for {
			watchMemory(cmd.Process.Pid, dir, m.peak)
			select {
			case <-stop:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	err = cmd.Wait()
	close(stop)
	watching.Wait()
	m.took = time.Since(started)
	if err != nil {
		return nil, fmt.Errorf("accord %s: %w\n%s", strings.Join(args, " "), err, m.out.Bytes())
	}
	m.user = cmd.ProcessState.UserTime()
	return m, nil
}

// watchMemory notes the peak resident memory of the tool, its plugin and the
// server. Where the system has no /proc it notes nothing.
func watchMemory(pid int, dir string, peak map[string]int64) {
	note := func(name string, pid int) {
		if kb := statusField(pid, "VmHWM"); kb > 0 {
			peak[name] = max(peak[name], kb<<10)
		}
	}
	note("tool", pid)
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	for _, f := range strings.Fields(string(children)) {
		if child, err := strconv.Atoi(f); err == nil {
			note("plugin", child)
		}
	}
	if all, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)); err == nil {
		for _, name := range all {
			b, _ := os.ReadFile(name)
			for _, f := range strings.Fields(string(b)) {
				if child, err := strconv.Atoi(f); err == nil {
					note("plugin", child)
				}
			}
		}
	}
	if info, err := readDevInfo(dir); err == nil {
		note("server", info.PID)
	}
}

func statusField(pid int, field string) int64 {
	f, err := os.Open(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		name, rest, _ := strings.Cut(s.Text(), ":")
		if fields := strings.Fields(rest); name == field && len(fields) > 0 {
			n, _ := strconv.ParseInt(fields[0], 10, 64)
			return n
		}
	}
	return 0
}

func (c *cli) benchReport(ctx context.Context, dev *devServer, title string, m *measured) error {
	var answer struct {
		Calls []devvault.CallCount `json:"calls"`
	}
	if err := dev.control(ctx, http.MethodGet, "calls", nil, &answer); err != nil {
		return err
	}
	fmt.Fprintf(c.stdout, "\n%s\n  time %s\n", bold(title), round(m.took))
	for _, name := range []string{"tool", "plugin", "server"} {
		if m.peak[name] > 0 {
			fmt.Fprintf(c.stdout, "  peak memory of the %s %d MiB\n", name, m.peak[name]>>20)
		}
	}
	routes, vaults, total := map[string]int{}, map[string]int{}, 0
	for _, n := range answer.Calls {
		routes[n.Method+" "+n.Route] += n.Count
		vaults[n.Vault] += n.Count
		total += n.Count
	}
	t := tabwriter.NewWriter(c.stdout, 2, 0, 2, ' ', tabwriter.AlignRight)
	names := make([]string, 0, len(routes))
	for r := range routes {
		names = append(names, r)
	}
	slices.SortFunc(names, func(a, b string) int { return routes[b] - routes[a] })
	for _, r := range names {
		fmt.Fprintf(t, "  %s\t  %s\t\n", number(routes[r]), r)
	}
	t.Flush()
	busiest, most := "", 0
	for v, n := range vaults {
		if n > most {
			busiest, most = v, n
		}
	}
	// 80 % of the vendor's window: the rest is left to people.
	windows := (most + 1599) / 1600
	fmt.Fprintf(c.stdout, "  %s calls; %s has most, %s\n  forecast at 2,000 calls in 5 minutes, of which 80 %% are taken: %s\n",
		number(total), busiest, number(most), time.Duration(max(windows-1, 0))*5*time.Minute+time.Duration(most%1600)*5*time.Minute/1600)
	return nil
}
