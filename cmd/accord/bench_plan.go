package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/spf13/cobra"
)

type benchPlanOptions struct {
	sizes  []int
	shapes []string
	rounds int
	keep   string
}

func (c *cli) benchPlanCommand() *cobra.Command {
	var o benchPlanOptions
	cmd := &cobra.Command{
		Use:   "plan",
		Short: "Plans that find nothing to do, beside the parsing of their files",
		Long: `Makes files, state and an in-memory provider for N resources, in three shapes:
flat, one block with for_each, and chains of 5. Applies them, then plans them
again through the plugin's process: without the cache of lowered files, and with
it. Beside that, in the same rounds, the floor: hclparse over the same files, one
after the other, and nothing else. Ratios are against that floor. Memory is the
peak of the tool and of the plugin above that of a plan of one resource.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error { return c.runBenchPlan(cmd.Context(), o) },
	}
	cmd.Flags().IntSliceVarP(&o.sizes, "n", "n", []int{1000, 10000}, "how many resources")
	cmd.Flags().StringSliceVar(&o.shapes, "shape", []string{"flat", "for_each", "chain"}, "which shapes")
	cmd.Flags().IntVar(&o.rounds, "rounds", 3, "how often each is measured; the median counts")
	cmd.Flags().StringVar(&o.keep, "keep", "", "work below this `DIR` and keep it")
	return cmd
}

// benchFloorCommand is the floor of bench plan, a process of its own.
func (c *cli) benchFloorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "parse",
		Short: "Only parses the files of the directory, and prints how many seconds that took",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			names, err := filepath.Glob(filepath.Join(c.chdir, "*.hcl"))
			if err != nil {
				return err
			}
			started := time.Now()
			parser := hclparse.NewParser()
			for _, name := range names {
				if _, diags := parser.ParseHCLFile(name); diags.HasErrors() {
					return diags
				}
			}
			fmt.Fprintln(c.stdout, time.Since(started).Seconds())
			return nil
		},
	}
}

const benchBlocks = 200 // a file

// benchFiles writes a configuration of n boxes.
func benchFiles(dir, shape string, n int) error {
	write := func(name, text string) error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600) }
	if err := write("shelf.hcl", "bench_shelf \"main\" {}\n"); err != nil {
		return err
	}
	if shape == "for_each" {
		if err := write("box.hcl", `bench_box "box" {
  for_each = local.boxes
  shelf    = bench_shelf.main
  name     = each.key
  size     = each.value.size
  locked   = each.value.locked
  text     = "${each.value.text} of box ${each.key}"
  contents = each.value.contents
  marks    = each.value.marks
}
`); err != nil {
			return err
		}
	}
	for first := 0; first < n; first += benchBlocks {
		var b strings.Builder
		last := min(first+benchBlocks, n)
		if shape == "for_each" {
			fmt.Fprintf(&b, "locals {\n  part%05d = {\n", first/benchBlocks)
			for i := first; i < last; i++ {
				fmt.Fprintf(&b, "    i%06d = {\n      size     = %d\n      locked   = %t\n      text     = \"What is written on it, line %d\"\n      contents = [\"apple\", \"item %d\"]\n      marks    = { owner = \"team %d\", row = \"%d\" }\n    }\n", i, i%1000+1, i%2 == 0, i, i, i%7, i)
			}
			b.WriteString("  }\n}\n")
		} else {
			for i := first; i < last; i++ {
				fmt.Fprintf(&b, "bench_box \"i%06d\" {\n  shelf    = bench_shelf.main\n  name     = \"i%06d\"\n", i, i)
				if shape == "chain" && i%5 > 0 {
					fmt.Fprintf(&b, "  behind   = bench_box.i%06d\n", i-1)
				}
				fmt.Fprintf(&b, "  size     = %d\n  locked   = %t\n  text     = \"What is written on it, line %d\"\n  contents = [\"apple\", \"item %d\"]\n  marks    = { owner = \"team %d\", row = \"%d\" }\n}\n\n", i%1000+1, i%2 == 0, i, i, i%7, i)
			}
		}
		if err := write(fmt.Sprintf("part%05d.hcl", first/benchBlocks), b.String()); err != nil {
			return err
		}
	}
	if shape != "for_each" {
		return nil
	}
	parts := make([]string, (n+benchBlocks-1)/benchBlocks)
	for i := range parts {
		parts[i] = fmt.Sprintf("local.part%05d", i)
	}
	return write("all.hcl", "locals {\n  boxes = merge(\n    "+strings.Join(parts, ",\n    ")+",\n  )\n}\n")
}

// cost is what one run of a process took; CPU with its children's.
type cost struct {
	wall, user time.Duration
	memory     int64 // peak of the tool and of its plugin, together
}

// costJSON is a cost as a machine reads it.
type costJSON struct {
	Wall   float64 `json:"wall_s"`
	User   float64 `json:"user_s"`
	Memory int64   `json:"peak_bytes" doc:"of the tool and of its plugin, together"`
}

func jsonCost(c cost) costJSON { return costJSON{c.wall.Seconds(), c.user.Seconds(), c.memory} }

func median(costs []cost) cost {
	by := func(of func(cost) int64) int64 {
		var all []int64
		for _, c := range costs {
			all = append(all, of(c))
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	return cost{
		wall:   time.Duration(by(func(c cost) int64 { return int64(c.wall) })),
		user:   time.Duration(by(func(c cost) int64 { return int64(c.user) })),
		memory: by(func(c cost) int64 { return c.memory }),
	}
}

// benchRow is what one shape and size took.
type benchRow struct {
	Shape string
	N     int

	floor, apply, cold, warm cost
	calls                    benchCount // of one plan
}

func (c *cli) runBenchPlan(ctx context.Context, o benchPlanOptions) error {
	root := o.keep
	if root == "" {
		tmp, err := os.MkdirTemp("", "accord-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(tmp)
		root = tmp
	}
	slices.Sort(o.sizes)
	one, err := c.benchShape(ctx, filepath.Join(root, "one"), "flat", 1, max(o.rounds, 3))
	if err != nil {
		return err
	}
	out := c.benchText()
	t := tabwriter.NewWriter(out, 2, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "Plans that find nothing to do; x: against only parsing the same files in the same run. An empty plan: %s, %d MiB.\n", round(one.warm.wall), one.warm.memory>>20)
	fmt.Fprint(t, "shape\tresources\tparse\tuser\tplan\tx\tuser\tx\tagain\tx\tuser\tx\tKB each\tagain\tcalls\tapply\t\n")
	rows := map[string][]benchRow{}
	for _, shape := range o.shapes {
		for _, n := range o.sizes {
			r, err := c.benchShape(ctx, filepath.Join(root, shape+strconv.Itoa(n)), shape, n, o.rounds)
			if err != nil {
				return err
			}
			rows[shape] = append(rows[shape], *r)
			each := func(m cost) float64 { return float64(m.memory-one.warm.memory) / 1024 / float64(n) }
			over := func(a, b time.Duration) float64 { return a.Seconds() / b.Seconds() }
			if c.json {
				if err := c.line("bench_plan", fmt.Sprintf("%s, %s resources", shape, number(n)), map[string]any{"shape": shape, "resources": n, "calls": r.calls.total(),
					"empty": jsonCost(one.warm), "parse": jsonCost(r.floor), "apply": jsonCost(r.apply), "plan": jsonCost(r.cold), "again": jsonCost(r.warm)}); err != nil {
					return err
				}
			}
			fmt.Fprintf(t, "%s\t%s\t%.2fs\t%.2fs\t%.2fs\t%.2f\t%.2fs\t%.2f\t%.2fs\t%.2f\t%.2fs\t%.2f\t%.1f\t%.1f\t%d\t%.2fs\t\n", shape, number(n),
				r.floor.wall.Seconds(), r.floor.user.Seconds(),
				r.cold.wall.Seconds(), over(r.cold.wall, r.floor.wall), r.cold.user.Seconds(), over(r.cold.user, r.floor.user),
				r.warm.wall.Seconds(), over(r.warm.wall, r.floor.wall), r.warm.user.Seconds(), over(r.warm.user, r.floor.user),
				each(r.cold), each(r.warm), r.calls.total(), r.apply.wall.Seconds())
		}
	}
	if err := t.Flush(); err != nil || len(o.sizes) < 2 {
		return err
	}
	fmt.Fprintln(out, "\nGrowth of user CPU from size to size, as an exponent: of the parse, of the plan, of the plan again.")
	t = tabwriter.NewWriter(out, 2, 0, 2, ' ', tabwriter.AlignRight)
	for _, shape := range o.shapes {
		for i := range rows[shape][1:] {
			a, b := rows[shape][i], rows[shape][i+1]
			exponent := func(x, y cost) float64 {
				return math.Log(y.user.Seconds()/x.user.Seconds()) / math.Log(float64(b.N)/float64(a.N))
			}
			fmt.Fprintf(t, "%s\t%s to %s\t%.2f\t%.2f\t%.2f\t\n", shape, number(a.N), number(b.N), exponent(a.floor, b.floor), exponent(a.cold, b.cold), exponent(a.warm, b.warm))
		}
	}
	return t.Flush()
}

// benchShape makes and measures one configuration.
func (c *cli) benchShape(ctx context.Context, dir, shape string, n, rounds int) (*benchRow, error) {
	if err := os.RemoveAll(dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	if err := benchFiles(dir, shape, n); err != nil {
		return nil, err
	}
	r := &benchRow{Shape: shape, N: n}
	run := func(into *[]cost, env []string, args ...string) (*measured, error) {
		m, err := c.child(ctx, dir, append(env, envBench+"="+dir), args...)
		if err == nil {
			*into = append(*into, cost{wall: m.took, user: m.user, memory: m.peak["tool"] + m.peak["plugin"]})
		}
		return m, err
	}
	var floor, apply, cold, warm, empty []cost
	if _, err := run(&apply, nil, "apply", "-auto-approve", "-concise"); err != nil {
		return nil, err
	}
	r.apply = apply[0]
	for range rounds {
		if _, err := run(&empty, nil, "version"); err != nil {
			return nil, err
		}
		m, err := run(&floor, []string{"GOGC=100"}, "bench", "parse") // as in any program
		if err != nil {
			return nil, err
		}
		seconds, err := strconv.ParseFloat(strings.TrimSpace(m.out.String()), 64)
		if err != nil {
			return nil, err
		}
		last := &floor[len(floor)-1]
		last.wall = time.Duration(seconds * float64(time.Second))
		last.user -= empty[len(empty)-1].user
		for _, again := range []bool{false, true} {
			into := &warm
			if !again {
				into = &cold
				if err := os.RemoveAll(filepath.Join(dir, ".accord", "cache")); err != nil {
					return nil, err
				}
			}
			_ = os.Remove(filepath.Join(dir, benchCalls))
			if _, err := run(into, nil, "plan", "-concise", "-detailed-exitcode"); err != nil {
				return nil, fmt.Errorf("a plan that should be empty: %w", err)
			}
		}
	}
	r.floor, r.cold, r.warm = median(floor), median(cold), median(warm)
	b, err := os.ReadFile(filepath.Join(dir, benchCalls))
	if err != nil {
		return nil, err
	}
	return r, json.Unmarshal(b, &r.calls)
}
