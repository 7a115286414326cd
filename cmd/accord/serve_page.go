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
	"sync"
	"time"

	"accord/lang/addrs"
	"accord/planner/ledger"
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
	Lost    string      `json:"-"` // why what the journal holds is not shown; "": it is
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

// page answers with how things stand, for people. Where the journal cannot be read, all
// else is shown.
func (s *server) page(w http.ResponseWriter, r *http.Request) {
	data, err := s.pageData(r.Context(), time.Now())
	if err != nil {
		data.lacks(err)
	}
	data.May, data.Token = s.known(r), s.token != ""
	s.render(w, "page", data)
}

// statusJSON answers with the same for programs.
func (s *server) statusJSON(w http.ResponseWriter, r *http.Request) {
	data, err := s.pageData(r.Context(), time.Now())
	if err != nil {
		s.failed(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(data)
}

// lacks notes that what the journal holds could not be read.
func (d *pageData) lacks(err error) {
	d.Lost, d.Runs, d.Failed, d.Chart, d.More = clean(err.Error()), nil, nil, pageChart{}, 0
	if !d.Bad {
		d.Verdict, d.Bad = "What ran, and what cannot be synced, cannot be read", true
	}
}

// pagePatience is how long the page waits for the journal, which may hang: less than a
// browser waits for the page.
const pagePatience = 5 * time.Second

func (s *server) pageData(ctx context.Context, now time.Time) (*pageData, error) {
	ctx, cancel := context.WithTimeout(ctx, pagePatience)
	defer cancel()
	d := viewStatus(s.status(), now)
	return d, s.past(ctx, d, now)
}

// viewStatus is how things stand, without the past.
func viewStatus(st watch.Status, now time.Time) *pageData {
	d := &pageData{At: when{now, now}, Serial: st.Serial, Looked: when{st.Looked, now}, // a list of nothing is one, for programs
		Points: []pagePoint{}, Runs: []pageRun{}, Failed: []pageItem{}, Drift: []pageDrift{}, Unread: []pageDrift{}, Vaults: []pageVault{}}
	if why := st.Healthy(now); why != "" {
		d.Verdict, d.Bad = clean(why), true
	}
	running, failing, waiting, off, failures := 0, 0, 0, 0, 0
	for _, p := range st.Points {
		v := viewPoint(p, now)
		if v.State == "waiting" && slices.ContainsFunc(st.Unread, func(u watch.Unread) bool { return u.Addr == p.Addr }) {
			v.State = "failing"
		}
		d.Points = append(d.Points, v)
		failures += v.Failures
		switch v.State {
		case "running":
			running++
		case "failing":
			failing++
		case "waiting":
			waiting++
		case "off":
			off++
		}
	}
	if d.Verdict == "" {
		switch {
		case failing > 0:
			d.Verdict, d.Bad = fmt.Sprintf("%d of %s cannot run", failing, count(len(st.Points), "point")), true
		case len(st.Unread) > 0: // points among them may never have been read by this process
			d.Verdict, d.Bad = count(len(st.Unread), "object")+" cannot be read, and no point runs that hangs together with one", true
		case failures > 0:
			who := "All points"
			if off > 0 {
				who = "All active points"
			}
			d.Verdict = fmt.Sprintf("%s run; %s cannot be synced", who, count(failures, "item"))
		case running > 0:
			d.Verdict = fmt.Sprintf("%s running", count(running, "point"))
		case waiting == 1:
			d.Verdict = "1 point waits"
		case waiting > 1:
			d.Verdict = fmt.Sprintf("%s wait", count(waiting, "point"))
		case off > 0 && off == len(st.Points):
			d.Verdict = "No point is active"
		case off > 0:
			d.Verdict = "All active points are up to date"
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
	d.Vaults = append(d.Vaults, viewVaults(st, d.Points, now)...)
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
	items := 0
	for f, err := range journal.Exceptions(ctx, addrs.Instance{}) {
		if err != nil {
			return err
		}
		if f.Type != state.Message { // these are few, and come first
			if items++; items > pageFailures {
				continue
			}
		}
		l.Journal(f)
	}
	if on := s.now.Load(); on != nil {
		if told := on.told.Load(); told != nil {
			told.add(l)
		}
	}
	d.More = max(0, items-pageFailures)
	for _, e := range l.Entries() {
		if len(d.Failed) == pageFailures { // vaults tell of as many each
			d.More++
			continue
		}
		var sync providers.Sync
		if n := slices.IndexFunc(syncs, func(s providers.Sync) bool { return s.Addr == e.Point }); n >= 0 {
			sync = syncs[n]
		}
		d.Failed = append(d.Failed, viewException(e, sync, s.line(e), now))
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
