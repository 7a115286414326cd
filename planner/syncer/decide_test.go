package syncer

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/lang/addrs"
	"accord/providers"
	"accord/state"
)

// Trap, edited filter looks like deletion: an edited filter is a reason for a full
// run, which withdraws by rules and under limits. CLM-6, and the other reasons: INT-3, INT-5, INT-6, INT-7, RULE-5, CTRY-7,
// CLM-8, CLM-14.
func TestDecide(t *testing.T) {
	now := time.Date(2026, 3, 29, 1, 30, 0, 0, time.UTC) // a night on which clocks in Europe change
	const day = 24 * time.Hour
	// remembered: it ran well an hour ago.
	good := state.Memory{
		Horizon: now.Add(-time.Hour), HorizonFull: now.Add(-time.Hour),
		Inputs:    map[string]string{"filter": "f1", "rules": "r1", inputRoutes: `["us"]`},
		LastStart: now.Add(-time.Hour), LastSuccess: now.Add(-time.Hour),
		LastFull: &state.Run{Mode: state.Full, Outcome: state.Clean, Started: now.Add(-time.Hour), Ended: now.Add(-time.Hour)},
	}
	faulty := good
	faulty.Errors, faulty.Failures, faulty.LastSuccess = 2, 2, time.Time{}
	faulty.LastFull = &state.Run{Mode: state.Full, Outcome: state.Faulty, Started: now.Add(-2 * time.Hour), Ended: now.Add(-time.Hour)}
	base := providers.Sync{
		Active: true, Was: true, LRT: now.Add(-time.Hour), LSRT: now.Add(-time.Hour), Now: now,
		Inputs: map[string]string{"filter": "f1", "rules": "r1"},
		Policy: providers.Policy{FullAfter: 15 * day, RetryAfter: day, DelayedInputs: []string{"filter"}},
	}
	type want struct {
		Mode    Mode
		Reasons []Reason
		Step    bool
		Held    bool
		Start   time.Time
	}
	full := func(reasons ...Reason) want { return want{Mode: Full, Reasons: reasons, Step: true} }
	due := func(reasons ...Reason) want { return want{Mode: Incremental, Reasons: reasons} }
	for name, test := range map[string]struct {
		edit   func(*providers.Sync)
		memory state.Memory
		req    Request
		want   want
	}{
		"nothing to do but changes":     {memory: good, want: due(Changes)},
		"INT-3 inactive":                {edit: func(s *providers.Sync) { s.Active = false }, memory: good},
		"INT-7 platform":                {edit: func(s *providers.Sync) { s.Engine = providers.EnginePlatform }, memory: good},
		"INT-5 activated":               {edit: func(s *providers.Sync) { s.Was = false }, memory: good, want: full(Activated)},
		"INT-5 activated, first":        {edit: func(s *providers.Sync) { s.Was, s.LSRT = false, time.Time{} }, want: full(Activated, NeverSucceeded)},
		"CLM-6 LSRT empty":              {edit: func(s *providers.Sync) { s.LSRT = time.Time{} }, want: full(NeverSucceeded)},
		"CLM-6 15 days less a second":   {edit: func(s *providers.Sync) { s.LSRT = now.Add(-15*day + time.Second) }, memory: good, want: due(Changes, Retry)},
		"CLM-6 exactly 15 days":         {edit: func(s *providers.Sync) { s.LSRT = now.Add(-15 * day) }, memory: good, want: full(LastSuccess15d)},
		"CLM-6 15 days and a second":    {edit: func(s *providers.Sync) { s.LSRT = now.Add(-15*day - time.Second) }, memory: good, want: full(LastSuccess15d)},
		"CLM-6 by the vault's clock":    {edit: func(s *providers.Sync) { s.Now, s.LSRT = now.Add(day), now.Add(-14*day) }, memory: good, want: full(LastSuccess15d)},
		"CLM-6 vault's clock behind":    {edit: func(s *providers.Sync) { s.Now, s.LSRT = now.Add(-day), now.Add(-15*day) }, memory: good, want: due(Changes, Retry)},
		"CLM-6 15 days is the default":  {edit: func(s *providers.Sync) { s.Policy.FullAfter, s.LSRT = 0, now.Add(-15*day) }, memory: good, want: full(LastSuccess15d)},
		"an LSRT in the future":         {edit: func(s *providers.Sync) { s.LSRT = now.Add(time.Hour) }, memory: good, want: due(Changes)},
		"INT-6 LSRT emptied by someone": {edit: func(s *providers.Sync) { s.LSRT = time.Time{} }, memory: good, want: full(Requested)},
		"INT-6 trigger set first":       {edit: func(s *providers.Sync) { s.Trigger = "a" }, memory: good, want: due(Changes)},
		"INT-6 trigger changed":         {edit: func(s *providers.Sync) { s.TriggerWas, s.Trigger = "a", "b" }, memory: good, want: full(Requested)},
		"INT-6 trigger removed":         {edit: func(s *providers.Sync) { s.TriggerWas = "a" }, memory: good, want: due(Changes)},
		"INT-6 trigger as it was":       {edit: func(s *providers.Sync) { s.TriggerWas, s.Trigger = "a", "a" }, memory: good, want: due(Changes)},
		"requested":                     {memory: good, req: Request{Full: true}, want: full(Requested)},
		"CTRY-7 filter edited":          {edit: func(s *providers.Sync) { s.Inputs = map[string]string{"filter": "f2", "rules": "r1"} }, memory: good, want: full(FilterEdited)},
		"INT-7 engine changed": {edit: func(s *providers.Sync) {
			s.Inputs = map[string]string{"filter": "f1", "rules": "r2", "engine": "accord"}
		},
			memory: func() state.Memory {
				m := good
				m.Inputs = map[string]string{"filter": "f1", "rules": "r1", "table": "t", "engine": "platform"}
				return m
			}(), want: full(EngineChanged)},
		"RULE-5 rule changed":     {edit: func(s *providers.Sync) { s.Inputs = map[string]string{"filter": "f1", "rules": "r2"} }, memory: good, want: full(RuleChanged)},
		"RULE-5 another input":    {edit: func(s *providers.Sync) { s.Inputs = map[string]string{"filter": "f1", "rules": "r1", "types": "t"} }, memory: good, want: full(RuleChanged)},
		"RULE-5 an input is gone": {edit: func(s *providers.Sync) { s.Inputs = map[string]string{"filter": "f1"} }, memory: good, want: full(RuleChanged)},
		"CTRY-6 no filter routes any more, which is no edit": {edit: func(s *providers.Sync) {
			s.Policy.Delay, s.Inputs = 5*time.Minute, map[string]string{"rules": "r1"}
		}, memory: good, want: full(RouteTableChanged)},
		"CTRY-6 nor does one that was edited before": {edit: func(s *providers.Sync) {
			s.Policy.Delay, s.Inputs = 5*time.Minute, map[string]string{"rules": "r1"}
		}, memory: with(good, func(m *state.Memory) { m.Owed = []string{"filter_edited"} }), want: full(FilterEdited, RouteTableChanged)},
		"route table taken away": {edit: func(s *providers.Sync) { s.Route.All = true }, memory: good, want: full(RouteTableChanged)},
		"inputs first seen":      {memory: with(good, func(m *state.Memory) { m.Inputs = nil }), want: due(Changes)},
		"CTRY-7 delay": {edit: func(s *providers.Sync) {
			s.Policy.Delay, s.Inputs = 5*time.Minute, map[string]string{"filter": "f2", "rules": "r1"}
		}, memory: good, want: want{Mode: Full, Reasons: []Reason{FilterEdited}, Step: true, Start: now.Add(5 * time.Minute)}},
		"CTRY-7 the rest of the delay": {edit: func(s *providers.Sync) {
			s.Policy.Delay, s.Inputs = 5*time.Minute, map[string]string{"filter": "f2", "rules": "r1"}
			s.Edited = s.Now.Add(-3 * time.Minute)
		}, memory: good, want: want{Mode: Full, Reasons: []Reason{FilterEdited}, Step: true, Start: now.Add(2 * time.Minute)}},
		"CTRY-7 by the vault's clock": {edit: func(s *providers.Sync) {
			s.Policy.Delay, s.Inputs = 5*time.Minute, map[string]string{"filter": "f2", "rules": "r1"}
			s.Now, s.LRT, s.LSRT = now.Add(time.Hour), now.Add(50*time.Minute), now.Add(50*time.Minute)
			s.Edited = now.Add(59 * time.Minute)
		}, memory: good, want: want{Mode: Full, Reasons: []Reason{FilterEdited}, Step: true, Start: now.Add(4 * time.Minute)}},
		"CTRY-7 the delay has passed": {edit: func(s *providers.Sync) {
			s.Policy.Delay, s.Inputs = 5*time.Minute, map[string]string{"filter": "f2", "rules": "r1"}
			s.Edited = s.Now.Add(-5 * time.Minute)
		}, memory: good, want: full(FilterEdited)},
		"CTRY-7 an edit taken back": {edit: func(s *providers.Sync) { s.Policy.Delay, s.Edited = 5*time.Minute, s.Now.Add(-time.Minute) },
			memory: with(good, func(m *state.Memory) { m.Owed = []string{"filter_edited"} }),
			want:   want{Mode: Full, Reasons: []Reason{FilterEdited}, Step: true, Start: now.Add(4 * time.Minute)}},
		"CTRY-7 never longer than the delay": {edit: func(s *providers.Sync) {
			s.Policy.Delay, s.Inputs = 5*time.Minute, map[string]string{"filter": "f2", "rules": "r1"}
			s.Edited = s.Now.Add(time.Hour)
		}, memory: good, want: want{Mode: Full, Reasons: []Reason{FilterEdited}, Step: true, Start: now.Add(5 * time.Minute)}},
		"CTRY-7 no delay when activated": {edit: func(s *providers.Sync) {
			s.Was, s.Policy.Delay, s.Inputs = false, 5*time.Minute, map[string]string{"filter": "f2", "rules": "r1"}
		}, memory: good, want: full(Activated, FilterEdited)},
		"CTRY-7 no delay before the first success": {edit: func(s *providers.Sync) {
			s.LSRT, s.Policy.Delay, s.Inputs = time.Time{}, 5*time.Minute, map[string]string{"filter": "f2", "rules": "r1"}
		}, memory: with(good, func(m *state.Memory) { m.LastSuccess = time.Time{} }), want: full(NeverSucceeded, FilterEdited)},
		"CTRY-7 with CLM-14: what is held back by itself hurries nothing": {edit: func(s *providers.Sync) {
			s.LSRT, s.Policy.Delay, s.Inputs = time.Time{}, 5*time.Minute, map[string]string{"filter": "f2", "rules": "r1"}
			s.Edited = s.Now.Add(-3 * time.Minute)
		}, memory: faulty, want: want{Mode: Full, Reasons: []Reason{NeverSucceeded, FilterEdited}, Step: true, Start: now.Add(2 * time.Minute)}},
		"CTRY-7 no delay for a rule": {edit: func(s *providers.Sync) {
			s.Policy.Delay, s.Inputs = 5*time.Minute, map[string]string{"filter": "f1", "rules": "r2"}
		}, memory: good, want: full(RuleChanged)},
		"owed by a run that died":      {memory: with(good, func(m *state.Memory) { m.Owed = []string{"activated", "rule_changed"} }), want: full(Activated, RuleChanged)},
		"CLM-8 LRT after LSRT":         {edit: func(s *providers.Sync) { s.LRT = now }, memory: good, want: due(Changes, Retry)},
		"CLM-14 held back":             {edit: func(s *providers.Sync) { s.LSRT = time.Time{} }, memory: faulty, want: want{Mode: Incremental, Reasons: []Reason{Changes, Retry}, Held: true}},
		"CLM-14 nothing to go on from": {edit: func(s *providers.Sync) { s.LSRT = time.Time{} }, memory: with(faulty, func(m *state.Memory) { m.Horizon = time.Time{} }), want: full(NeverSucceeded)},
		"CLM-14 after 24 hours":        {edit: func(s *providers.Sync) { s.LSRT = time.Time{} }, memory: with(faulty, func(m *state.Memory) { r := *m.LastFull; r.Ended = now.Add(-day); m.LastFull = &r }), want: full(NeverSucceeded)},
		"CLM-14 by age, held back":     {edit: func(s *providers.Sync) { s.LSRT = now.Add(-20 * day) }, memory: faulty, want: want{Mode: Incremental, Reasons: []Reason{Changes, Retry}, Held: true}},
		"CLM-14 a change goes before": {edit: func(s *providers.Sync) {
			s.LSRT, s.Inputs = time.Time{}, map[string]string{"filter": "f1", "rules": "r2"}
		}, memory: faulty, want: full(NeverSucceeded, RuleChanged)},
		"CLM-14 a request goes before": {edit: func(s *providers.Sync) { s.LSRT = time.Time{} }, memory: faulty, req: Request{Full: true}, want: full(NeverSucceeded, Requested)},
	} {
		t.Run(name, func(t *testing.T) {
			sync := base
			if test.edit != nil {
				test.edit(&sync)
			}
			d := Decide(sync, test.memory, test.req, now)
			got := want{Mode: d.Mode, Reasons: d.Reasons, Step: d.Step, Held: d.HeldBack != "", Start: d.EarliestStart}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			if (d.Mode == None) != (d.Idle != "") {
				t.Errorf("mode %q, idle %q", d.Mode, d.Idle)
			}
			if only := d.StepOnly(); d.Step != (only.Mode == Full) {
				t.Errorf("StepOnly makes %+v of %+v", only, d)
			}
		})
	}
}

// CTRY-7: a table that runs only because it is routed by begins no earlier than
// the first that routes by it.
func TestTablesWaitToo(t *testing.T) {
	t.Parallel()
	table := addrs.New("point", "table")
	now := time.Unix(1000, 0)
	routed := func(start time.Time) Task {
		return Task{Sync: providers.Sync{Addr: addrs.New("point", "full"), Active: true, Route: providers.Route{Table: &table}}, Decision: Decision{Mode: Full, EarliestStart: start}}
	}
	soon, later := now.Add(time.Minute), now.Add(time.Hour)
	for want, starts := range map[time.Time][]time.Time{soon: {later, soon}, later: {later}, {}: {soon, {}}} {
		tasks := []Task{{Sync: providers.Sync{Addr: table, Active: true}}}
		for _, start := range starts {
			tasks = append(tasks, routed(start))
		}
		TablesFirst(tasks)
		if got := tasks[0].Decision; got.Mode != Full || !got.EarliestStart.Equal(want) {
			t.Errorf("routed by at %v: %+v, want %s", starts, got, want)
		}
	}
}

// CTRY-7: what may not begin yet is left out, with what comes after it, and
// nothing else.
func TestPostpone(t *testing.T) {
	now := time.Date(2026, 1, 20, 12, 0, 0, 0, time.UTC)
	at := func(name string) addrs.Instance { return addrs.New("integration_point", name) }
	task := func(name string, start time.Duration, after ...string) Task {
		task := Task{Sync: providers.Sync{Addr: at(name)}, Decision: Decision{At: now, Mode: Full}}
		if start > 0 {
			task.Decision.EarliestStart = now.Add(start)
		}
		for _, a := range after {
			task.Sync.After = append(task.Sync.After, at(a))
		}
		return task
	}
	routed := task("routed", 0)
	table := at("table")
	routed.Sync.Route.Table = &table
	tasks := []Task{task("table", 5*time.Minute), task("past", -time.Minute), routed, task("last", 0, "routed"), task("soon", time.Minute), task("free", 0)}
	later, first := Postpone(tasks, now)
	var left, run []string
	for _, t := range later {
		left = append(left, t.Sync.Addr.Name)
	}
	for _, t := range tasks {
		if t.Decision.Mode != None {
			run = append(run, t.Sync.Addr.Name)
		}
	}
	if diff := cmp.Diff([]string{"table", "routed", "last", "soon"}, left); diff != "" || !first.Equal(now.Add(time.Minute)) {
		t.Errorf("first %s, left (-want +got)\n%s", first, diff)
	}
	if diff := cmp.Diff([]string{"past", "free"}, run); diff != "" {
		t.Errorf("run (-want +got)\n%s", diff)
	}
}

// CLM-7: an incremental run reads from the journal's horizon, by the source's
// clock, less a margin; from LSRT where the journal has none.
func TestDecideHorizon(t *testing.T) {
	now := time.Date(2026, 1, 20, 12, 0, 0, 0, time.UTC)
	sync := providers.Sync{Active: true, Was: true, LSRT: now.Add(-time.Hour), Now: now}
	if got, want := Decide(sync, state.Memory{}, Request{}, now).Since, now.Add(-time.Hour-skew); !got.Equal(want) {
		t.Errorf("without a journal: %s, want %s", got, want)
	}
	horizon := now.Add(-30 * time.Minute)
	if got, want := Decide(sync, state.Memory{Horizon: horizon}, Request{}, now).Since, horizon.Add(-margin); !got.Equal(want) {
		t.Errorf("with a journal: %s, want %s", got, want)
	}
	sync.Now = now.Add(time.Hour) // the vault is an hour ahead
	if got, want := Decide(sync, state.Memory{}, Request{}, now).FullAt, now.Add(-2*time.Hour+fullAfter); !got.Equal(want) {
		t.Errorf("full at %s by our clock, want %s", got, want)
	}
}

func with(m state.Memory, edit func(*state.Memory)) state.Memory {
	edit(&m)
	return m
}

// CTRY-10: what a full run routes by runs first, in full, though nothing else
// asks for it or it is held back; what is not active does not.
// CTRY-7: who is to run in full by a table that must wait says that it waits, too.
func TestTableThatWaits(t *testing.T) {
	t.Parallel()
	table := addrs.New("point", "table")
	soon, later := time.Unix(100, 0), time.Unix(200, 0)
	by := func(name string, d Decision) Task {
		return Task{Sync: providers.Sync{Addr: addrs.New("point", name), Active: true, Route: providers.Route{Table: &table}}, Decision: d}
	}
	tasks := []Task{
		by("activated", Decision{Mode: Full, Reasons: []Reason{Activated}}),
		{Sync: providers.Sync{Addr: table, Active: true}, Decision: Decision{Mode: Full, Reasons: []Reason{FilterEdited}, EarliestStart: later}},
		by("edited", Decision{Mode: Full, Reasons: []Reason{FilterEdited}, EarliestStart: later}),
		by("incremental", Decision{Mode: Incremental, EarliestStart: soon}),
	}
	TablesFirst(tasks)
	for n, want := range []time.Time{later, later, later, soon} {
		if got := tasks[n].Decision.EarliestStart; !got.Equal(want) {
			t.Errorf("%s may begin at %v, want %v", tasks[n].Sync.Addr, got, want)
		}
	}
}

func TestTablesFirst(t *testing.T) {
	t.Parallel()
	address := func(name string) addrs.Instance { return addrs.New("point", name) }
	table, idle := address("table"), address("idle")
	tasks := []Task{
		{Sync: providers.Sync{Addr: table, Active: true}, Decision: Decision{Mode: Incremental, Reasons: []Reason{Retry}, Since: time.Unix(1, 0), HeldBack: "for a day"}},
		{Sync: providers.Sync{Addr: idle}},
		{Sync: providers.Sync{Addr: address("other"), Active: true}, Decision: Decision{Mode: Incremental}},
		{Sync: providers.Sync{Addr: address("full"), Active: true, Route: providers.Route{Table: &table}}, Decision: Decision{Mode: Full}},
		{Sync: providers.Sync{Addr: address("of idle"), Active: true, Route: providers.Route{Table: &idle}}, Decision: Decision{Mode: Full}},
	}
	TablesFirst(tasks)
	var got []Decision
	for _, task := range tasks {
		got = append(got, task.Decision)
	}
	want := []Decision{
		{Mode: Full, Step: true, Reasons: []Reason{RoutesFullRun}}, {}, {Mode: Incremental}, {Mode: Full}, {Mode: Full},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// CTRY-7: while the full run after an edit waits, what changed is brought over
// as before, by a table that is still as it was; and by nothing else.
func TestMeanwhile(t *testing.T) {
	now := time.Date(2026, 3, 29, 1, 30, 0, 0, time.UTC)
	table := addrs.New("point", "country")
	waits := Decision{Mode: Full, Step: true, Reasons: []Reason{FilterEdited, RouteTableChanged}, EarliestStart: now.Add(time.Minute), At: now}
	read := now.Add(-time.Hour)
	for name, c := range map[string]struct {
		route   providers.Route
		reasons []Reason
		at      time.Time
		want    bool
	}{
		"by a table":             {providers.Route{Table: &table}, waits.Reasons, now, true},
		"the delay is over":      {providers.Route{Table: &table}, waits.Reasons, waits.EarliestStart, false},
		"by the filter itself":   {providers.Route{Values: []string{"us"}}, waits.Reasons, now, false},
		"a rule was changed too": {providers.Route{Table: &table}, []Reason{FilterEdited, RuleChanged}, now, false},
		"it is too old as well":  {providers.Route{Table: &table}, []Reason{LastSuccess15d, FilterEdited}, now, false},
	} {
		d := waits
		d.Reasons = c.reasons
		run, ok := Meanwhile(providers.Sync{Route: c.route}, state.Memory{Horizon: read}, d, c.at)
		switch {
		case ok != c.want:
			t.Errorf("CTRY-7: %s: %v", name, ok)
		case ok && (run.Mode != Incremental || run.Step || !run.EarliestStart.IsZero() || !run.Since.Equal(read.Add(-margin))):
			t.Errorf("CTRY-7: %s: %+v", name, run)
		}
	}
	waits.Reasons = []Reason{NeverSucceeded, FilterEdited}
	held := state.Memory{Horizon: read, Failures: 1, LastFull: &state.Run{Outcome: state.Faulty, Ended: now}}
	if _, ok := Meanwhile(providers.Sync{Route: providers.Route{Table: &table}}, held, waits, now); !ok {
		t.Error("CTRY-7 with CLM-14: what is held back by itself keeps nothing from being brought over")
	}
}
