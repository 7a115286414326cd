package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"accord/providers/devvault"
)

// benchSyncRow is one kind of run, by the tool and by the bare loop.
type benchSyncRow struct {
	title       string
	tool, floor benchRun
}

// medians is the run in the middle of each side.
func medians(rows []benchSyncRow) (m benchSyncRow) {
	by := func(of func(*benchSyncRow) *benchRun) benchRun {
		slices.SortFunc(rows, func(a, b benchSyncRow) int { return cmp.Compare(of(&a).wall, of(&b).wall) })
		return *of(&rows[len(rows)/2])
	}
	m.tool = by(func(r *benchSyncRow) *benchRun { return &r.tool })
	m.floor = by(func(r *benchSyncRow) *benchRun { return &r.floor })
	return m
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
	fmt.Fprintf(b.benchText(), "\nA round of serve, %s changes: %s, the floor %s, %.2f of it; from the beat to the last record.\n\n",
		number(b.changes), round(b.served[0]), round(b.served[1]), b.served[0].Seconds()/b.served[1].Seconds())
	if b.json {
		if err := b.line("bench_round", "a round of serve", map[string]any{"documents": b.documents, "vaults": b.vaults,
			"accord_s": b.served[0].Seconds(), "floor_s": b.served[1].Seconds()}); err != nil {
			return err
		}
	}
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
