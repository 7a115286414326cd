package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/planner/syncer"
	"accord/providers/devvault/standin"
)

// INT-7: what is forecast of the platform's own engine, from reads alone, is
// what the stand-in that plays it then does; and of all that the vaults are
// sent, each write is of the configuration, or asks for a run (INT-6). Over the
// random libraries, filters, rules and changes of TestContent, with CRM vaults
// that accord's engine serves beside them.
func TestPlatformForecast(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	cases, first := seeds(t, howMany(0, 4, 1000))
	var total forecastTally
	t.Run("cases", func(t *testing.T) {
		for n := range cases {
			seed := first + uint64(n)
			t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
				t.Parallel()
				newPlatformStory(t, seed, &total).tell()
			})
		}
	})
	t.Logf("%d runs followed, %d of them with exceptions; %d items published, %d updated, %d withdrawn, %d restored; %d writes of configuration, %d requests",
		total.runs.Load(), total.faulty.Load(), total.added.Load(), total.updated.Load(), total.withdrawn.Load(), total.restored.Load(), total.settings.Load(), total.asked.Load())
	for name, n := range map[string]*atomic.Int64{"runs": &total.runs, "exceptions": &total.faulty, "added": &total.added, "updated": &total.updated,
		"withdrawn": &total.withdrawn, "restored": &total.restored, "configuration": &total.settings, "requests": &total.asked} {
		if n.Load() == 0 && !t.Failed() && !testing.Short() && first == 1 && cases > 1 {
			t.Errorf("no %s: the sample proves nothing of it", name)
		}
	}
}

type forecastTally struct {
	runs, faulty, added, updated, withdrawn, restored, settings, asked atomic.Int64
}

// platformStory is a story in whose CRM vaults, some of them, the platform's
// engine is at work.
type platformStory struct {
	*story
	engine *standin.Engine
	total  *forecastTally
}

func newPlatformStory(t *testing.T, seed uint64, total *forecastTally) *platformStory {
	s := &platformStory{story: newStory(t, seed, new(tally), 1), total: total}
	for n, c := range s.crms {
		c.both, c.objects = false, false // that engine has no part in it
		s.fixed = true                   // what it does of a document that was given another type is not known
		if c.platform = n == 0 || s.r.IntN(3) > 0; !c.platform {
			continue
		}
		s.randomRules(c)
		if err := s.server.SetEngine(c.vault(), true); err != nil {
			t.Fatal(err)
		}
		// What was made by hand from the same source would be its own.
		for _, r := range s.query(c.vault(), "SELECT id FROM documents WHERE external_id__v = 'by-hand'") {
			s.must(s.call("DELETE", c.vault(), fmt.Sprintf("objects/documents/%v", r["id"]), nil))
		}
	}
	s.engine = standin.New(s.server, standinEvery)
	s.sleep = func(_ context.Context, d time.Duration) error {
		s.clock.pass(d)
		s.tick()
		return nil
	}
	return s
}

// tick lets the platform's engine look what is due.
func (s *platformStory) tick() {
	if err := s.engine.Tick(context.Background()); err != nil {
		s.fail("%v", err)
	}
}

func (s *platformStory) tell() {
	s.applied()
	for range 5 + s.r.IntN(4) {
		s.pass()
		if s.r.IntN(3) == 0 { // it has seen what was done until now by itself
			s.tick()
		}
		for range 1 + s.r.IntN(4) {
			s.change()
		}
		if s.r.IntN(2) == 0 {
			s.edit()
			s.pass()
			s.applied()
			continue
		}
		s.pass()
		s.asked()
	}
	s.asked()
	s.sent()
	p, err := s.plan(s.t.Context())
	if sent := s.sent(); err != nil || len(sent) > 0 {
		s.fail("a plan: %v, and it sent %v", err, sent)
	} else if len(p.Content) > 0 {
		s.fail("a plan after everything ran forecasts %+v", p.Content)
	}
}

// standinEvery is how often that engine runs by itself.
const standinEvery = 10 * time.Minute

// pass lets time go by, and enough of it for that engine to look at the countries
// again before it routes by them (CTRY-10); but not into the minutes before
// midnight: content whose end date comes while a run is waited for is another story.
func (s *platformStory) pass() {
	began := s.clock.Now()
	s.story.pass()
	s.clock.pass(max(0, standinEvery-s.clock.Now().Sub(began)))
	if now := s.clock.Now().UTC(); now.Hour() == 23 {
		s.clock.pass(time.Hour)
	}
}

// applied plans and applies.
func (s *platformStory) applied() {
	s.t.Helper()
	s.note("--- apply at %s", s.clock.Now().Format(time.DateTime))
	s.settle()
	b := s.look()
	s.sent()
	p, report, err := s.apply(s.t.Context())
	if err != nil || len(p.Refusals) > 0 {
		s.fail("apply: %v, refused %v", err, p.Refusals)
	}
	for _, f := range report.Failed {
		if !strings.Contains(f.Err.Error(), "items of") {
			s.fail("%v failed: %v", f.Ref, f.Err)
		}
	}
	if len(report.Skipped) > 0 {
		s.fail("skipped: %v", report.Skipped)
	}
	var impacts []syncer.Impact
	for _, c := range p.Content {
		impacts = append(impacts, c.Impact)
	}
	s.held(b, impacts, report.Outcomes)
	s.tick() // it sees what was switched off
}

// asked runs everything in full, after a preview of the same.
func (s *platformStory) asked() {
	s.t.Helper()
	s.note("--- sync -full at %s", s.clock.Now().Format(time.DateTime))
	b := s.look()
	s.sent()
	impacts, outcomes, err := s.sync(s.t.Context(), true)
	if err != nil {
		s.fail("sync: %v", err)
	}
	s.held(b, impacts, outcomes)
}

// held holds what happened against what was forecast, and against the rules.
func (s *platformStory) held(b before, impacts []syncer.Impact, outcomes []syncer.Outcome) {
	s.t.Helper()
	forecast := map[string]syncer.Impact{}
	for _, i := range impacts {
		forecast[i.Addr.String()] = i
	}
	ran := map[string]syncer.Outcome{}
	for _, o := range outcomes {
		ran[o.Addr.String()] = o
		s.note("%s %s %s %v", o.Addr, o.Decision.Mode, o.Status, o.Decision.Reasons)
		if o.Err != nil {
			s.fail("%s ended as %s: %v", o.Addr, o.Status, o.Err)
		}
		if _, ok := forecast[o.Addr.String()]; !ok {
			s.fail("%s ran, and nothing was forecast", o.Addr)
		}
	}
	for addr := range forecast {
		if _, ok := ran[addr]; !ok {
			s.fail("%s was forecast, and did not run", addr)
		}
	}
	for _, c := range s.crms {
		if _, ok := ran[c.point("clm_country").String()]; ok {
			if diff := cmp.Diff(b.library.connected(c), s.countries(c)); diff != "" {
				s.fail("CTRY-2 %s: Connection Country records (-want +got)\n%s", c.key, diff)
			}
		}
		addr := c.point("clm_presentation").String()
		if !c.platform {
			s.checkCRM(c, b, ran)
		} else if o, ok := ran[addr]; ok {
			s.heldCRM(c, b, forecast[addr], o)
		}
	}
	for _, w := range s.sent() {
		s.mayBeSent(w)
	}
}

func (s *platformStory) heldCRM(c *crmConfig, b before, forecast syncer.Impact, o syncer.Outcome) {
	s.t.Helper()
	was, now := b.items[c.key], s.published(c)
	s.total.runs.Add(1)
	if o.Followed == nil || o.Done.Written() > 0 {
		s.fail("%s was not followed: %+v", o.Addr, o)
	}
	exceptions := 0
	for _, p := range forecast.Parts {
		if p.Routed {
			exceptions += p.Exceptions
		}
	}
	if o.Failed != exceptions || (o.Status == syncer.Clean) != (exceptions == 0) {
		s.fail("%s is %s with %d exceptions, and %d were forecast\n%+v", o.Addr, o.Status, o.Failed, exceptions, o.Followed)
	}
	if exceptions > 0 {
		s.total.faulty.Add(1)
	}
	if diff := cmp.Diff(text(b.library.expected(s.world, c, was)), text(now)); diff != "" {
		s.fail("%s: its content (-the rules +the stand-in)\n%s", c.key, diff)
	}
	seen := map[string]*syncer.Counts{presentations: {}, slides: {}, shareds: {}}
	verbs := map[string]string{}
	for at, x := range now {
		old, there := was[at]
		n, key := seen[at.part], at.String()
		switch {
		case !there:
			n.Added++
			verbs[key] = syncer.Added
		case old == x:
		case x.Standing != "approved__v":
			n.Withdrawn++
			verbs[key] = syncer.Withdrawn
		case old.Standing != "approved__v":
			n.Restored++
			verbs[key] = syncer.Restored
		default:
			n.Updated++
			verbs[key] = syncer.Updated
		}
	}
	for _, p := range forecast.Parts {
		if diff := cmp.Diff(written(p.Counts), *seen[p.Part]); diff != "" {
			s.fail("%s: %s forecast, and done by the stand-in (-forecast +done)\n%s\nbefore %s\nafter %s", c.key, p.Part, diff, text(was), text(now))
		}
		s.total.added.Add(int64(p.Added))
		s.total.updated.Add(int64(p.Updated))
		s.total.withdrawn.Add(int64(p.Withdrawn))
		s.total.restored.Add(int64(p.Restored))
	}
	for verb, items := range forecast.Names {
		if !slices.Contains([]string{syncer.Added, syncer.Updated, syncer.Withdrawn, syncer.Restored}, verb) {
			continue
		}
		for _, i := range items {
			doc, _ := strconv.ParseInt(i.Key, 10, 64)
			if got := verbs[thing{i.Part, doc}.String()]; got != verb {
				s.fail("%s: %s %s was forecast as %s and is %q", c.key, i.Part, i.Key, verb, got)
			}
		}
	}
}

// mayBeSent holds one write against what accord may write where the platform's
// engine is at work: settings, statuses and rules of the integration, and the
// clearing of Last Successful Run Time.
func (s *platformStory) mayBeSent(w sent) {
	s.t.Helper()
	at := slices.IndexFunc(s.crms, func(c *crmConfig) bool { return c.vault() == w.vault })
	ours := slices.ContainsFunc(s.crms, func(c *crmConfig) bool { return !c.platform })
	switch {
	case at >= 0 && !s.crms[at].platform:
		return // accord's engine
	case w.vault == source && ours && s.connectionCountriesOfOurs(w):
		return
	case at < 0:
		s.fail("it wrote to the content vault: %+v", w)
	}
	var rows []map[string]any
	if err := json.Unmarshal([]byte(w.body), &rows); err != nil && !strings.HasPrefix(w.path, "mdl/") {
		s.fail("a write that nobody knows: %+v", w)
	}
	fields := map[string]bool{}
	for _, r := range rows {
		for name := range r {
			fields[name] = true
		}
		if v, there := r["last_successful_run_time__sys"]; there && v != nil && v != "" {
			s.fail("it set Last Successful Run Time: %+v", w)
		}
	}
	delete(fields, "id")
	only := func(names ...string) bool {
		for name := range fields {
			if !slices.Contains(names, name) {
				return false
			}
		}
		return len(fields) > 0
	}
	switch {
	case w.method == "PUT" && w.path == "vobjects/integration_point__sys" && only("last_successful_run_time__sys"):
		s.total.asked.Add(1)
	case w.method == "PUT" && (w.path == "vobjects/integration_point__sys" || w.path == "vobjects/integration__sys") && only("status__v"),
		w.method == "PUT" && w.path == "vobjects/connection_settings__v" && only("country_filter__v", "vault_crm_id__v"),
		strings.HasPrefix(w.path, "mdl/execute") && strings.Contains(w.body, "Integrationrule promomats_crm_clm_presentation_iir__v"):
		s.total.settings.Add(1)
	default:
		s.fail("a write that is neither configuration nor a request: %+v", w)
	}
}

// connectionCountriesOfOurs reports whether a write to the content vault is of
// Connection Country records of CRM vaults that accord's engine serves.
func (s *platformStory) connectionCountriesOfOurs(w sent) bool {
	if !strings.HasPrefix(w.path, "vobjects/crm_connection_country__v") {
		return false
	}
	for _, c := range s.crms {
		if c.platform && strings.Contains(w.body, fmt.Sprintf("%q", fmt.Sprint(s.ids[c.vault()]))) {
			return false
		}
	}
	return true
}
