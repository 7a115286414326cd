package main

import (
	"slices"
	"strings"
	"time"

	"accord/planner/ledger"
	"accord/planner/syncer"
	"accord/planner/watch"
	"accord/providers"
	"accord/state"
)

// pagePoint is a point, and how it stands.
type pagePoint struct {
	Addr     string `json:"point"`
	Title    string `json:"title"`
	Vault    string `json:"vault"`
	Engine   string `json:"engine"`
	State    string `json:"state"` // ok | running | waiting | failing | off
	Words    string `json:"words"`
	LRT      when   `json:"last_run_time,omitzero"`
	LSRT     when   `json:"last_successful_run_time,omitzero"`
	NextFull when   `json:"next_full,omitzero"`
	Failures int    `json:"failures"`
	Run      bool   `json:"-"` // whoever asks for it has it run
	Full     bool   `json:"-"` // and in full
}

func viewPoint(p watch.Point, now time.Time) pagePoint {
	v := pagePoint{
		Addr: p.Addr.String(), Title: clean(p.Sync.Title), Vault: p.Sync.Target.Instance.String(), Engine: p.Sync.Engine,
		LRT: when{p.Sync.LRT, now}, LSRT: when{p.Sync.LSRT, now}, NextFull: when{p.Decision.FullAt, now}, Failures: p.Memory.Failures,
		Run: mayRun(p, false) == nil, Full: mayRun(p, true) == nil,
	}
	switch {
	case p.Running:
		v.State, v.Words = "running", modeText(p.Decision)
	case p.Trouble != "":
		v.State, v.Words = "failing", clean(p.Trouble)
		if !p.Until.IsZero() {
			v.Words += " · again " + when{p.Until, now}.Far()
		}
	case p.Decision.Mode == syncer.None && p.Waits != "":
		v.State, v.Words = "off", clean(p.Waits)
	case p.Waits != "":
		v.State, v.Words = "waiting", clean(p.Waits)
		if !p.Until.IsZero() {
			v.Words += ", " + when{p.Until, now}.Far()
		}
	case p.Decision.HeldBack != "":
		v.State, v.Words = "waiting", clean(p.Decision.HeldBack)
		if p.Decision.HeldBack == syncer.AfterEdit {
			v.Words += ", " + v.NextFull.Far()
		}
	case v.Failures > 0:
		v.State, v.Words = "ok", "up to date, but for "+count(v.Failures, "item")
	default:
		v.State, v.Words = "ok", "up to date"
	}
	return v
}

// pageVault is which vault feeds which.
type pageVault struct {
	From   string `json:"content"`
	To     string `json:"target"`
	Points int    `json:"points"`
	State  string `json:"state"` // ok | failing | silent
	Why    string `json:"why,omitempty"`
	Heard  when   `json:"answered,omitzero"` // of the one that does not
}

// viewVaults lists which vault feeds which, in the order of the points.
func viewVaults(st watch.Status, shown []pagePoint, now time.Time) []pageVault {
	var list []pageVault
	for i, p := range st.Points {
		from, to := p.Sync.Source.Instance.String(), p.Sync.Target.Instance.String()
		if from == to || p.Sync.Source.Instance.IsZero() {
			continue
		}
		n := slices.IndexFunc(list, func(v pageVault) bool { return v.From == from && v.To == to })
		if n < 0 {
			n = len(list)
			v := pageVault{From: from, To: to, State: "ok"}
			for _, heard := range st.Vaults {
				if h := healthOf(heard); h.State != "ok" && (heard.Addr == p.Sync.Source.Instance || heard.Addr == p.Sync.Target.Instance) {
					v.State, v.Why, v.Heard = h.State, h.Why, when{heard.Answered, now}
				}
			}
			list = append(list, v)
		}
		list[n].Points++
		if shown[i].State == "failing" && list[n].State == "ok" {
			list[n].State, list[n].Why = "failing", shown[i].Words
		}
	}
	return list
}

// pageRun is a run, which may go on.
type pageRun struct {
	ID        string `json:"id"`
	Point     string `json:"point"`
	Mode      string `json:"mode"`
	Why       string `json:"why,omitempty"` // it ran in full
	Started   when   `json:"started"`
	Took      string `json:"took,omitempty"`
	Outcome   string `json:"outcome"`
	Message   string `json:"message,omitempty"`
	Published int    `json:"published"`
	Updated   int    `json:"updated"`
	Withdrawn int    `json:"withdrawn"`
	Failed    int    `json:"failed"`
}

func viewRun(r state.Run, now time.Time) pageRun {
	v := pageRun{ID: r.ID, Point: r.Sync.String(), Mode: r.Mode, Started: when{r.Started, now}, Outcome: string(r.Outcome), Message: clean(r.Message), Failed: r.Failures}
	if v.Outcome == "" {
		v.Outcome = "running"
	} else {
		v.Took = round(r.Ended.Sub(r.Started)).String()
	}
	v.Published = int(r.Counts[syncer.Added] + r.Counts[syncer.Restored])
	v.Updated, v.Withdrawn = int(r.Counts[syncer.Updated]), int(r.Counts[syncer.Withdrawn])
	if r.Mode == state.Full {
		var why []string
		for _, reason := range r.Reasons {
			why = append(why, syncer.Reason(reason).Words())
		}
		v.Why = strings.Join(why, ", ")
	}
	return v
}

// pageItem is what cannot be synced.
type pageItem struct {
	ID       string `json:"id"`
	Point    string `json:"point"`
	Part     string `json:"part,omitempty"`
	Key      string `json:"key"`
	Title    string `json:"title,omitempty"`
	Kind     string `json:"kind"`
	Message  string `json:"message"`
	Class    string `json:"class"`
	Fix      string `json:"fix,omitempty"`
	Known    string `json:"known,omitempty"`
	First    when   `json:"first_seen"`
	Last     when   `json:"last_seen"`
	Attempts int    `json:"attempts"`
	General  bool   `json:"general,omitempty"` // ERR-1
	Can      bool   `json:"can_reprocess"`     // here
}

func viewException(e *ledger.Entry, sync providers.Sync, fix string, now time.Time) pageItem {
	v := pageItem{ID: e.ID, Point: e.Point.String(), Part: e.Part, Key: clean(strings.TrimLeft(e.Key, "0")), Title: clean(e.Title), Kind: e.Kind, Message: clean(e.Message),
		Class: e.Class.Words(), Fix: clean(fix), General: e.Type == ledger.Message, First: when{e.First, now}, Last: when{e.Last, now}, Attempts: e.Attempts}
	if e.Known {
		v.Known = knownBy(e, now)
	}
	v.Can = mayReprocess(e, sync) == nil
	return v
}

// pageDrift is an object that is not as it was applied, or cannot be read.
type pageDrift struct {
	Addr string   `json:"addr"`
	What []string `json:"what"`
}
