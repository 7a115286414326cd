package main

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"math"
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
	row := func(may bool, p pagePoint) map[string]any { return map[string]any{"May": may, "P": p} }
	return template.Must(template.New("").Funcs(template.FuncMap{"row": row}).ParseFS(pageFiles, "serve.html"))
})

// How much of the past the page shows.
const (
	pageRuns     = 40
	latestRuns   = 8
	pageFailures = 100
)

// pageData is all that the page shows: of points and connections, what is broken
// first.
type pageData struct {
	Verdict string      `json:"verdict"`
	Bad     bool        `json:"bad"`
	At      when        `json:"at"`
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
	Looked  when        `json:"looked,omitzero"`
}

// Calm are those that call for nobody, and Busy the others.
func (d *pageData) Calm() []pagePoint { return ofState(d.Points, true) }
func (d *pageData) Busy() []pagePoint { return ofState(d.Points, false) }

func ofState(all []pagePoint, calm bool) []pagePoint {
	return slices.DeleteFunc(slices.Clone(all), func(p pagePoint) bool { return (p.State == "ok" && p.Failures == 0) != calm })
}

// Reached are the connections that are well, and Missed the others.
func (d *pageData) Reached() []pageVault { return reached(d.Vaults, true) }
func (d *pageData) Missed() []pageVault  { return reached(d.Vaults, false) }

func reached(all []pageVault, well bool) []pageVault {
	return slices.DeleteFunc(slices.Clone(all), func(v pageVault) bool { return (v.State == "ok") != well })
}

// Latest are the runs that everybody wants to see, and Earlier the others.
func (d *pageData) Latest() []pageRun  { return d.Runs[:min(len(d.Runs), latestRuns)] }
func (d *pageData) Earlier() []pageRun { return d.Runs[min(len(d.Runs), latestRuns):] }

// when is a moment, as seen at another one: for people how far away it is, and
// the time of day, which the page tells in the time zone of whoever looks.
type when struct {
	time.Time
	now time.Time
}

func (w when) Far() string {
	if w.now.Sub(w.Time).Abs() < time.Second {
		return "now"
	}
	_, far, _ := strings.Cut(howFar(w.Time, w.now), ", ")
	return far
}

func (w when) ISO() string { return w.UTC().Format(time.RFC3339) }

func (w when) Clock() string {
	at, _, _ := strings.Cut(howFar(w.Time, w.now), ", ")
	return at + " UTC"
}

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
}

type pageVault struct {
	From   string `json:"content"`
	To     string `json:"target"`
	Points int    `json:"points"`
	State  string `json:"state"` // ok | failing | silent
	Why    string `json:"why,omitempty"`
	Heard  when   `json:"answered,omitzero"` // of the one that does not
}

type pageRun struct {
	ID, Point, Mode, Took, Outcome, Message, Counts string
	Started                                         when
	Published, Updated, Withdrawn, Failed           int
}

type pageItem struct {
	ID, Point, Part, Key, Title, Kind, Message, Class, Fix, Known string
	First, Last                                                   when
	General                                                       bool // ERR-1
	Attempts                                                      int
	Can                                                           bool // be reprocessed here
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
	d := viewStatus(s.status(), now)
	return d, s.past(ctx, d, now)
}

// viewStatus is how things stand, without the past.
func viewStatus(st watch.Status, now time.Time) *pageData {
	d := &pageData{At: when{now, now}, Serial: st.Serial, Looked: when{st.Looked, now}}
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
			d.Verdict, d.Bad = fmt.Sprintf("%d of %s cannot run", failing, count(len(st.Points), "point")), true
		case failures > 0:
			d.Verdict = fmt.Sprintf("All points run; %s cannot be synced", count(failures, "item"))
		case running > 0:
			d.Verdict = fmt.Sprintf("%s running", count(running, "point"))
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
	d.Vaults = viewVaults(st, d.Points, now)
	slices.SortStableFunc(d.Points, func(a, b pagePoint) int {
		return cmp.Compare(urgency(a.State, a.Failures), urgency(b.State, b.Failures))
	})
	slices.SortStableFunc(d.Vaults, func(a, b pageVault) int { return cmp.Compare(urgency(a.State, 0), urgency(b.State, 0)) })
	return d
}

// urgency orders by who is looked for first.
func urgency(state string, failures int) int {
	if state == "ok" && failures > 0 {
		return 2
	}
	return slices.Index([]string{"silent", "failing", "", "waiting", "running", "off", "ok"}, state)
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
	v := pageItem{ID: e.ID, Point: e.Point.String(), Part: e.Part, Key: clean(strings.TrimLeft(e.Key, "0")), Title: clean(e.Title), Kind: e.Kind, Message: clean(e.Message),
		Class: e.Class.Words(), Fix: clean(fix), General: e.Type == ledger.Message, First: when{e.First, now}, Last: when{e.Last, now}, Attempts: e.Attempts}
	if e.Known {
		v.Known = knownBy(e, now)
	}
	v.Can = v.General || e.Engine == providers.EngineAccord
	return v
}

func viewPoint(p watch.Point, now time.Time) pagePoint {
	v := pagePoint{
		Addr: p.Addr.String(), Title: clean(p.Sync.Title), Vault: p.Sync.Target.Instance.String(), Engine: p.Sync.Engine,
		LRT: when{p.Sync.LRT, now}, LSRT: when{p.Sync.LSRT, now}, NextFull: when{p.Decision.FullAt, now}, Failures: p.Memory.Failures,
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
	case v.Failures > 0:
		v.State, v.Words = "ok", "up to date, but for "+count(v.Failures, "item")
	default:
		v.State, v.Words = "ok", "up to date"
	}
	return v
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

func viewRun(r state.Run, now time.Time) pageRun {
	v := pageRun{ID: r.ID, Point: r.Sync.String(), Mode: r.Mode, Started: when{r.Started, now}, Outcome: string(r.Outcome), Message: clean(r.Message), Failed: r.Failures}
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

// pageChart is the runs as bars, oldest first, in a box of 100 by 100. Heights
// are square roots, so that a few items are seen beside many.
type pageChart struct {
	Bars        []chartBar
	Most        int
	First, Last when
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
	c.First, c.Last = runs[len(runs)-1].Started, runs[0].Started
	width := 100 / float64(len(runs))
	for i, r := range slices.Backward(runs) {
		bar := chartBar{X: float64(len(runs)-1-i) * width, Width: width * 0.8,
			Words: fmt.Sprintf("%s, %s, %s: %d published, %d updated, %d withdrawn, %d failed", r.Point, r.Started.Far(), r.Started.Clock(), r.Published, r.Updated, r.Withdrawn, r.Failed)}
		y, all := 100.0, r.Published+r.Updated+r.Withdrawn+r.Failed
		height := 100 * math.Sqrt(float64(all)/float64(c.Most))
		for _, part := range []struct {
			class string
			n     int
		}{{"published", r.Published}, {"updated", r.Updated}, {"withdrawn", r.Withdrawn}, {"failed", r.Failed}} {
			if part.n > 0 {
				h := height * float64(part.n) / float64(all)
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
