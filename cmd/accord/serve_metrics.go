package main

import (
	"bytes"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"accord/planner/syncer"
	"accord/planner/watch"
)

// metrics answers in Prometheus's text format, version 0.0.4. Counters count
// from the start of the process, or from the last time that other vaults were
// applied.
func (s *server) metrics(w http.ResponseWriter, r *http.Request) {
	var e exposition
	e.status(s.status(), time.Now())
	e.family("accord_untold_runs", "gauge", "Runs that a webhook is still to be told of.")
	left := map[string]int{}
	s.untold.Range(func(_, of any) bool {
		left[of.(untoldRuns).webhook] += of.(untoldRuns).n
		return true
	})
	for _, webhook := range slices.Sorted(maps.Keys(left)) {
		e.sample("accord_untold_runs", float64(left[webhook]), "webhook", webhook)
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = e.out.WriteTo(w)
}

// untoldRuns is how many runs a webhook is still to be told of, by what people know it
// by: several of one host have one name.
type untoldRuns struct {
	webhook string
	n       int
}

type exposition struct{ out bytes.Buffer }

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// family begins one metric.
func (e *exposition) family(name, kind, help string) {
	fmt.Fprintf(&e.out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// sample prints one value; labels are name, value, name, value.
func (e *exposition) sample(name string, value float64, labels ...string) {
	e.out.WriteString(name)
	for i := 0; i+1 < len(labels); i += 2 {
		sep := byte(',')
		if i == 0 {
			sep = '{'
		}
		e.out.WriteByte(sep)
		fmt.Fprintf(&e.out, `%s="%s"`, labels[i], labelEscapes.Replace(labels[i+1]))
	}
	if len(labels) > 0 {
		e.out.WriteByte('}')
	}
	e.out.WriteByte(' ')
	e.out.WriteString(strconv.FormatFloat(value, 'g', -1, 64))
	e.out.WriteByte('\n')
}

func (e *exposition) status(s watch.Status, now time.Time) {
	one := func(name, kind, help string, value float64) {
		e.family(name, kind, help)
		e.sample(name, value)
	}
	well := func(why string) float64 {
		if why == "" {
			return 1
		}
		return 0
	}
	one("accord_up", "gauge", "Whether the loop comes round, as /livez.", well(s.Alive(now)))
	one("accord_healthy", "gauge", "Whether something can be brought over, as /healthz.", well(s.Healthy(now)))
	one("accord_beats_total", "counter", "Times that the loop has come round.", float64(s.Beats))
	one("accord_look_calls_total", "counter", "API calls made to see whether anything changed.", float64(s.Calls))
	one("accord_state_serial", "gauge", "Serial of the state that is run.", float64(s.Serial))
	one("accord_drift", "gauge", "Objects that are not as they were applied.", float64(len(s.Drift)))
	one("accord_unread", "gauge", "Objects that cannot be read at the moment.", float64(len(s.Unread)))
	e.family("accord_build_info", "gauge", "The version that runs.")
	e.sample("accord_build_info", 1, "version", Version)

	e.family("accord_vault_up", "gauge", "Whether a vault answered when it was asked last.")
	for _, v := range s.Vaults {
		up := 1.0
		if v.Silent || v.Err != nil {
			up = 0
		}
		e.sample("accord_vault_up", up, "vault", v.Addr.String())
	}
	e.family("accord_vault_last_answer_timestamp_seconds", "gauge", "When a vault last answered.")
	for _, v := range s.Vaults {
		if !v.Answered.IsZero() {
			e.sample("accord_vault_last_answer_timestamp_seconds", seconds(v.Answered), "vault", v.Addr.String())
		}
	}

	each := func(name, kind, help string, value func(watch.Point) (float64, bool)) {
		e.family(name, kind, help)
		for _, p := range s.Points {
			if v, ok := value(p); ok {
				e.sample(name, v, "point", p.Addr.String())
			}
		}
	}
	always := func(f func(watch.Point) float64) func(watch.Point) (float64, bool) {
		return func(p watch.Point) (float64, bool) { return f(p), true }
	}
	when := func(f func(watch.Point) time.Time) func(watch.Point) (float64, bool) {
		return func(p watch.Point) (float64, bool) {
			t := f(p)
			return seconds(t), !t.IsZero()
		}
	}
	each("accord_point_active", "gauge", "Whether the point is active and run by accord.", always(func(p watch.Point) float64 {
		if p.Decision.Mode == syncer.None {
			return 0
		}
		return 1
	}))
	each("accord_point_failing_runs", "gauge", "Failed runs in a row.", always(func(p watch.Point) float64 { return float64(p.Failing) }))
	each("accord_point_failures", "gauge", "Items that cannot be synced (ERR-2).", always(func(p watch.Point) float64 { return float64(p.Memory.Failures) }))
	each("accord_point_last_run_timestamp_seconds", "gauge", "LRT.", when(func(p watch.Point) time.Time { return p.Sync.LRT }))
	each("accord_point_last_successful_run_timestamp_seconds", "gauge", "LSRT.", when(func(p watch.Point) time.Time { return p.Sync.LSRT }))
	each("accord_point_next_full_timestamp_seconds", "gauge", "When age alone makes a run full (CLM-6).", when(func(p watch.Point) time.Time { return p.Decision.FullAt }))
	each("accord_point_calls_total", "counter", "API calls that runs made, of reads and of writes.", always(func(p watch.Point) float64 { return float64(p.Calls) }))

	e.family("accord_point_run_seconds", "summary", "How long runs took.")
	for _, p := range s.Points {
		n := 0
		for _, count := range p.Runs {
			n += count
		}
		e.sample("accord_point_run_seconds_sum", p.Took.Seconds(), "point", p.Addr.String())
		e.sample("accord_point_run_seconds_count", float64(n), "point", p.Addr.String())
	}
	e.family("accord_point_runs_total", "counter", "Runs, by how they ended.")
	for _, p := range s.Points {
		for _, status := range slices.Sorted(maps.Keys(p.Runs)) {
			e.sample("accord_point_runs_total", float64(p.Runs[status]), "point", p.Addr.String(), "status", string(status))
		}
	}
	e.family("accord_point_items_total", "counter", "Items that were written, by what became of them.")
	for _, p := range s.Points {
		for _, verb := range []struct {
			name string
			n    int
		}{{syncer.Added, p.Done.Added}, {syncer.Updated, p.Done.Updated}, {syncer.Restored, p.Done.Restored}, {syncer.Withdrawn, p.Done.Withdrawn}} {
			e.sample("accord_point_items_total", float64(verb.n), "point", p.Addr.String(), "verb", verb.name)
		}
	}
}
