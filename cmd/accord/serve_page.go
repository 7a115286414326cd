package main

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"accord/lang/addrs"
	"accord/planner/ledger"
	"accord/planner/syncer"
	"accord/planner/watch"
	"accord/providers"
	"accord/state"
)

//go:embed serve.html
var pageFiles embed.FS

var pages = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").ParseFS(pageFiles, "serve.html"))
})

// How much of the past the page shows.
const (
	pageRuns     = 40
	pageFailures = 100
)

// pageData is all that the page shows. Times are in UTC.
type pageData struct {
	Verdict string      `json:"verdict"`
	Bad     bool        `json:"bad"`
	At      string      `json:"at"`
	Serial  uint64      `json:"serial"`
	May     bool        `json:"-"` // write
	Token   bool        `json:"-"` // there is one to log in with
	Points  []pagePoint `json:"points"`
	Runs    []pageRun   `json:"runs"`
	Chart   pageChart   `json:"-"`
	Failed  []pageItem  `json:"exceptions"`
	More    int         `json:"more_exceptions"`
	Drift   []pageDrift `json:"drift"`
	Unread  []pageDrift `json:"unread"`
	Vaults  []pageVault `json:"connections"`
	Looked  string      `json:"looked"`
}

type pagePoint struct {
	Addr     string `json:"point"`
	Title    string `json:"title"`
	Vault    string `json:"vault"`
	Engine   string `json:"engine"`
	State    string `json:"state"` // ok | running | waiting | failing | off
	Words    string `json:"words"`
	LRT      string `json:"last_run_time"`
	LSRT     string `json:"last_successful_run_time"`
	NextFull string `json:"next_full"`
	Failures int    `json:"failures"`
}

type pageVault struct {
	From   string `json:"content"`
	To     string `json:"target"`
	Points int    `json:"points"`
	State  string `json:"state"`
}

type pageRun struct {
	ID, Point, Mode, Started, Took, Outcome, Message, Counts string
	Published, Updated, Withdrawn, Failed                    int
}

type pageItem struct {
	ID, Point, Part, Key, Title, Kind, Message, Class, Fix, First, Last, Known string
	General                                                                    bool // ERR-1
	Attempts                                                                   int
	Can                                                                        bool // be reprocessed here
}

type pageDrift struct {
	Addr string
	What []string
}

// page answers with how things stand, for people.
func (s *server) page(w http.ResponseWriter, r *http.Request) {
	data, err := s.pageData(r.Context(), time.Now())
	if err != nil {
		s.failed(w, r, err)
		return
	}
	data.May, data.Token = s.known(r), s.token != ""
	s.render(w, "page", data)
}

// statusJSON answers with the same for programs.
func (s *server) statusJSON(w http.ResponseWriter, r *http.Request) {
	data, err := s.pageData(r.Context(), time.Now())
	if err != nil {
		s.failed(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(data)
}

func (s *server) pageData(ctx context.Context, now time.Time) (*pageData, error) {
	st := s.status()
	d := &pageData{At: howFar(now, now), Serial: st.Serial, Looked: howFar(st.Looked, now)}
	if why := st.Healthy(now); why != "" {
		d.Verdict, d.Bad = clean(why), true
	}
	running, failing, failures := 0, 0, 0
	for _, p := range st.Points {
		v := viewPoint(p, now)
		d.Points = append(d.Points, v)
		failures += v.Failures
		switch v.State {
		case "running":
			running++
		case "failing":
			failing++
		}
	}
	if d.Verdict == "" {
		switch {
		case failing > 0:
			d.Verdict, d.Bad = fmt.Sprintf("%s of %d cannot run", plural(failing, "point"), len(st.Points)), true
		case failures > 0:
			d.Verdict = fmt.Sprintf("All points run; %s cannot be synced", plural(failures, "item"))
		case running > 0:
			d.Verdict = fmt.Sprintf("%s running", plural(running, "point"))
		default:
			d.Verdict = "All points are up to date"
		}
	}
	for _, x := range st.Drift {
		v := pageDrift{Addr: x.Addr.String()}
		for _, what := range x.What {
			v.What = append(v.What, clean(what))
		}
		if len(v.What) == 0 {
			v.What = []string{"it is gone"}
		}
		d.Drift = append(d.Drift, v)
	}
	for _, u := range st.Unread {
		d.Unread = append(d.Unread, pageDrift{Addr: u.Addr.String(), What: []string{clean(u.Err.Error())}})
	}
	d.Vaults = viewVaults(st.Points, d.Points)
	return d, s.past(ctx, d, now)
}

// past adds what the journal holds: runs, and what fails.
func (s *server) past(ctx context.Context, d *pageData, now time.Time) error {
	journal := s.records()
	if journal == nil {
		return nil
	}
	runs, err := journal.Runs(ctx, addrs.Instance{}, pageRuns)
	if err != nil {
		return err
	}
	for _, r := range runs {
		d.Runs = append(d.Runs, viewRun(r, now))
	}
	d.Chart = chartOf(d.Runs)
	st := s.status()
	syncs := make([]providers.Sync, len(st.Points))
	for i, p := range st.Points {
		syncs[i] = p.Sync
	}
	l := ledger.New(now, syncs)
	for f, err := range journal.Failures(ctx, addrs.Instance{}) {
		if err != nil {
			return err
		}
		if d.More++; d.More <= pageFailures {
			l.Journal(f)
		}
	}
	d.More = max(0, d.More-pageFailures)
	for _, e := range l.Entries() {
		d.Failed = append(d.Failed, viewException(e, s.line(e), now))
	}
	return nil
}

// line is where what would mend an exception is declared.
func (s *server) line(e *ledger.Entry) string {
	on := s.now.Load()
	if on == nil || e.Class != ledger.Configuration {
		return ""
	}
	at := *on.lines.Load()
	return cmp.Or(at(e.Cause), at(e.Point))
}

func viewException(e *ledger.Entry, fix string, now time.Time) pageItem {
	v := pageItem{ID: e.ID, Point: e.Point.String(), Part: e.Part, Key: clean(e.Key), Title: clean(e.Title), Kind: e.Kind, Message: clean(e.Message),
		Class: e.Class.Words(), Fix: clean(fix), General: e.Type == ledger.Message, First: howFar(e.First, now), Last: howFar(e.Last, now), Attempts: e.Attempts}
	if e.Known {
		v.Known = knownBy(e, now)
	}
	v.Can = v.General || e.Engine == providers.EngineAccord
	return v
}

func viewPoint(p watch.Point, now time.Time) pagePoint {
	v := pagePoint{
		Addr: p.Addr.String(), Title: clean(p.Sync.Title), Vault: p.Sync.Target.Instance.String(), Engine: p.Sync.Engine,
		LRT: howFar(p.Sync.LRT, now), LSRT: howFar(p.Sync.LSRT, now), NextFull: howFar(p.Decision.FullAt, now), Failures: p.Memory.Failures,
	}
	switch {
	case p.Running:
		v.State, v.Words = "running", modeText(p.Decision)
	case p.Trouble != "":
		v.State, v.Words = "failing", clean(p.Trouble)
		if !p.Until.IsZero() {
			v.Words += " · again " + howFar(p.Until, now)
		}
	case p.Decision.Mode == syncer.None && p.Waits != "":
		v.State, v.Words = "off", clean(p.Waits)
	case p.Waits != "":
		v.State, v.Words = "waiting", clean(p.Waits)
		if !p.Until.IsZero() {
			v.Words += " " + howFar(p.Until, now)
		}
	case p.Decision.HeldBack != "":
		v.State, v.Words = "waiting", clean(p.Decision.HeldBack)
	default:
		v.State, v.Words = "ok", "up to date"
	}
	return v
}

// viewVaults lists which vault feeds which, in the order of the points.
func viewVaults(points []watch.Point, shown []pagePoint) []pageVault {
	var list []pageVault
	for i, p := range points {
		from, to := p.Sync.Source.Instance.String(), p.Sync.Target.Instance.String()
		if from == to || p.Sync.Source.Instance.IsZero() {
			continue
		}
		n := slices.IndexFunc(list, func(v pageVault) bool { return v.From == from && v.To == to })
		if n < 0 {
			n = len(list)
			list = append(list, pageVault{From: from, To: to, State: "ok"})
		}
		list[n].Points++
		if shown[i].State == "failing" {
			list[n].State = "failing"
		}
	}
	return list
}

func viewRun(r state.Run, now time.Time) pageRun {
	v := pageRun{ID: r.ID, Point: r.Sync.String(), Mode: r.Mode, Started: howFar(r.Started, now), Outcome: string(r.Outcome), Message: clean(r.Message), Failed: r.Failures}
	if v.Outcome == "" {
		v.Outcome = "running"
	} else {
		v.Took = r.Ended.Sub(r.Started).Round(100 * time.Millisecond).String()
	}
	v.Published = int(r.Counts[syncer.Added] + r.Counts[syncer.Restored])
	v.Updated, v.Withdrawn = int(r.Counts[syncer.Updated]), int(r.Counts[syncer.Withdrawn])
	if len(r.Reasons) > 0 && r.Mode == state.Full {
		v.Mode += " (" + strings.Join(r.Reasons, ", ") + ")"
	}
	return v
}

// pageChart is the runs as bars, oldest first, in a box of 100 by 100.
type pageChart struct {
	Bars []chartBar
	Most int
}

type chartBar struct {
	X, Width float64
	Parts    []chartPart
	Words    string
}

type chartPart struct {
	Class     string
	Y, Height float64
}

func chartOf(runs []pageRun) pageChart {
	c := pageChart{}
	for _, r := range runs {
		c.Most = max(c.Most, r.Published+r.Updated+r.Withdrawn+r.Failed)
	}
	if c.Most == 0 {
		return c
	}
	width := 100 / float64(len(runs))
	for i, r := range slices.Backward(runs) {
		bar := chartBar{X: float64(len(runs)-1-i) * width, Width: width * 0.8,
			Words: fmt.Sprintf("%s, %s: %d published, %d updated, %d withdrawn, %d failed", r.Point, r.Started, r.Published, r.Updated, r.Withdrawn, r.Failed)}
		y := 100.0
		for _, part := range []struct {
			class string
			n     int
		}{{"published", r.Published}, {"updated", r.Updated}, {"withdrawn", r.Withdrawn}, {"failed", r.Failed}} {
			h := float64(part.n) * 100 / float64(c.Most)
			if part.n > 0 {
				y -= h
				bar.Parts = append(bar.Parts, chartPart{Class: part.class, Y: y, Height: h})
			}
		}
		c.Bars = append(c.Bars, bar)
	}
	return c
}

// howFar is a time for people: how far away, and when.
func howFar(t, now time.Time) string {
	if t.IsZero() {
		return "–"
	}
	d := now.Sub(t)
	future := d < 0
	if future {
		d = -d
	}
	var far string
	switch {
	case d < time.Minute:
		far = fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		far = fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		far = fmt.Sprintf("%d h", int(d.Hours()))
	default:
		far = fmt.Sprintf("%d d", int(d.Hours()/24))
	}
	at := t.UTC().Format("15:04:05")
	if t.UTC().Format(time.DateOnly) != now.UTC().Format(time.DateOnly) {
		at = t.UTC().Format("2006-01-02 15:04")
	}
	switch {
	case d < time.Second:
		return at
	case future:
		return at + ", in " + far
	}
	return at + ", " + far + " ago"
}
