package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/lang/addrs"
	"accord/planner/syncer"
)

func long() bool { return os.Getenv("ACCORD_LONG") != "" }

// howMany is how many cases a proof takes: with -short, as a rule, and with
// ACCORD_LONG, where ACCORD_CASES says otherwise if it is set.
func howMany(short, rule, all int) int {
	n, err := strconv.Atoi(os.Getenv("ACCORD_CASES"))
	switch {
	case long() && err == nil:
		return n
	case long():
		return all
	case testing.Short():
		return short
	}
	return rule
}

// withoutRaces leaves a test to the run without the race detector, which finds
// nothing in it: it does one thing after the other, or counts.
func withoutRaces(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("the race detector finds nothing here")
	}
}

// seeds are how many cases a proof takes, and the first one's seed: with
// ACCORD_SEED that one, from a failure's name, and with ACCORD_CASES as many
// from there on.
func seeds(t *testing.T, n int) (cases int, first uint64) {
	t.Helper()
	text := os.Getenv("ACCORD_SEED")
	if text == "" {
		return n, 1
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	if os.Getenv("ACCORD_CASES") == "" {
		n = 1
	}
	return n, seed
}

// What a plan or a preview promises is what the run does, and what the run
// does is what the rules say: CLM-1..5, CLM-7, CLM-11..13, CTRY-2, CTRY-3,
// CTRY-5, CTRY-6, CTRY-8, RULE-4, RULE-5, and that absence never removes. Over
// random libraries, filters, rules and changes, each of these met by apply, by
// an incremental run or by a full one.
func TestContent(t *testing.T) {
	t.Parallel()
	cases, first := seeds(t, howMany(2, 5, 3000))
	var total tally
	t.Run("cases", func(t *testing.T) {
		for n := range cases {
			seed := first + uint64(n)
			t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
				t.Parallel()
				newStory(t, seed, &total, 1).tell()
			})
		}
	})
	t.Logf("%d libraries, %d changes (%d of them of the configuration, %d of a document's type), %d runs (%d of them incremental), %d items published, %d updated, %d withdrawn, %d restored, %d exceptions",
		total.cases.Load(), total.changes.Load()+total.edits.Load(), total.edits.Load(), total.retyped.Load(), total.runs.Load(), total.incremental.Load(), total.added.Load(), total.updated.Load(), total.withdrawn.Load(), total.restored.Load(), total.exceptions.Load())
	for name, n := range map[string]*atomic.Int64{"changes": &total.changes, "edits": &total.edits, "types": &total.retyped, "runs": &total.runs, "incremental": &total.incremental, "added": &total.added, "updated": &total.updated, "withdrawn": &total.withdrawn, "restored": &total.restored, "exceptions": &total.exceptions} {
		if n.Load() == 0 && !t.Failed() && !testing.Short() && first == 1 && cases > 1 { // other samples are smaller
			t.Errorf("no %s: the sample proves nothing of it", name)
		}
	}
}

type tally struct {
	cases, changes, edits, retyped, runs, incremental, added, updated, withdrawn, restored, exceptions atomic.Int64
}

// story is one library and what happens to it.
type story struct {
	*world
	r     *rand.Rand
	total *tally
	ids   map[string]map[thing]string // by CRM vault and document: the item's id, which never changes
	led   map[string]*routedBy        // by the same, in the last full run
	fixed bool                        // documents keep their types
	made  int
	keys  map[string][]string // by part

	settled bool // everything that is active has run since the last change
}

var labels = []string{"United States", "Canada", "Mexico", "Germany"}
var countryKeys = []string{"us", "ca", "mx", "de", "global", "nowhere"}

func newStory(t *testing.T, seed uint64, total *tally, size int) *story {
	r := rand.New(rand.NewPCG(seed, 7))
	production := r.IntN(3) > 0
	var crms []*crmConfig
	for _, key := range []string{"a", "b", "c"}[:2+r.IntN(2)] {
		c := &crmConfig{key: key, clm: true, country: r.IntN(5) > 0, countries: someOf(r, labels, 1+r.IntN(2))}
		if production && r.IntN(3) == 0 { // CONN-3: routed from the filter, in memory
			c.environment, c.country = "sandbox", false
		}
		crms = append(crms, c)
	}
	s := &story{world: newWorld(t, production, crms...), r: r, total: total, ids: map[string]map[thing]string{}, keys: map[string][]string{}}
	for _, c := range crms {
		s.randomRules(c)
		c.both = r.IntN(2) == 0
		c.objects = c.both
		for _, m := range c.models() {
			s.ids[m.look()] = map[thing]string{}
		}
	}
	s.fill(size)
	return s
}

func someOf[T any](r *rand.Rand, list []T, n int) []T {
	out := slices.Clone(list)
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out[:min(n, len(out))]
}

func oneOf[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func (s *story) randomRules(c *crmConfig) {
	if c.environment == "sandbox" {
		c.rule = oneOf(s.r, "", "active", "inactive", "inactive")
	}
	c.team = oneOf(s.r, "", "plain", "values", "values", "default")
	c.types = someOf(s.r, []string{"presentation__v", "slide__v", "shared_resource__v"}, 1+s.r.IntN(3))
	c.onUnapproved = oneOf(s.r, "keep", "keep", "withdraw")
	if c.platform { // that engine knows neither
		c.team, c.onUnapproved = oneOf(s.r, "", "plain", "default"), "keep"
	}
}

// fill makes a library of a size, 1 being small, and in the CRM vaults what is not ours (CLM-11).
func (s *story) fill(size int) {
	var b strings.Builder
	b.WriteString(`{"record": "country__v", "key": "us", "fields": {"name__v": "United States", "country_cda__v": ["us__v"]}}
{"record": "country__v", "key": "ca", "fields": {"name__v": "Canada", "country_cda__v": ["ca__v"]}}
{"record": "country__v", "key": "mx", "fields": {"name__v": "Mexico", "country_cda__v": ["mx__v"]}}
{"record": "country__v", "key": "de", "fields": {"name__v": "Germany", "country_cda__v": ["de__v"]}}
{"record": "country__v", "key": "global", "fields": {"name__v": "Global", "country_cda__v": ["us__v", "ca__v", "mx__v"]}}
{"record": "country__v", "key": "nowhere", "fields": {"name__v": "Nowhere"}}
{"record": "product__v", "key": "cholecap", "fields": {"name__v": "Cholecap"}}
{"record": "product__v", "key": "nyaxa", "fields": {"name__v": "Nyaxa"}}
`)
	for range size * (1 + s.r.IntN(3)) {
		s.document(&b, shareds)
	}
	for range size * (4 + s.r.IntN(8)) {
		s.document(&b, slides)
		for range s.r.IntN(3) {
			s.line(&b, map[string]any{"relationship": "related_shared_resource__v", "source": fmt.Sprint("d", s.made), "target": oneOf(s.r, s.keys[shareds]...)})
		}
	}
	for range size * (3 + s.r.IntN(6)) {
		s.document(&b, presentations)
	}
	s.world.load(source, b.String())
	for _, c := range s.crms {
		s.world.load(c.vault(), `{"document": "native-slide", "type": "slide__v", "lifecycle": "crm_content__v", "fields": {"name__v": "Congress booth"}, "versions": [{"number": "1.0", "state": "approved__v"}]}
{"binder": "native", "type": "presentation__v", "lifecycle": "crm_content__v", "fields": {"name__v": "Congress booth"}, "nodes": ["native-slide"], "versions": [{"number": "1.0", "state": "approved__v"}]}
{"crosslink": "by-hand", "type": "slide__v", "lifecycle": "crm_content__v", "fields": {"name__v": "By hand"}, "source_vault": "promomats", "source": "d1", "rule": "Latest version"}
{"crosslink": "accord:medical_crm_clm_presentation__v:1001:000000000001", "type": "slide__v", "lifecycle": "crm_content__v", "fields": {"name__v": "Of another point"}, "source_vault": "promomats", "source": "d1", "rule": "Latest version"}
`)
	}
}

func (s *story) line(b *strings.Builder, x map[string]any) {
	raw, err := json.Marshal(x)
	if err != nil {
		s.t.Fatal(err)
	}
	b.Write(raw)
	b.WriteByte('\n')
}

// document makes one with a history.
func (s *story) document(b *strings.Builder, part string) {
	s.made++
	key := fmt.Sprint("d", s.made)
	s.keys[part] = append(s.keys[part], key)
	fields := map[string]any{"name__v": fmt.Sprintf("%s %d", part, s.made), "title__v": fmt.Sprintf("タイトル %d", s.made)}
	x := map[string]any{"document": key, "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": fields}
	if s.r.IntN(2) == 0 {
		fields["team__c"] = oneOf(s.r, "red", "blue")
	}
	if part == shareds {
		fields["is_shared_resource__v"] = true
	}
	rarely := func(n int) bool { // of members more so, else hardly any presentation would be whole
		if part != presentations {
			n *= 4
		}
		return s.r.IntN(n) == 0
	}
	if rarely(10) {
		fields["crm_end_date__v"] = oneOf(s.r, "2026-11-01", "2026-11-02", "2026-11-03", "2027-01-31")
	}
	var nodes []string
	if part == presentations {
		delete(x, "document")
		x["binder"], x["type"] = key, "multichannel_presentation__v"
		fields["clm_content__v"] = true
		if s.r.IntN(10) == 0 {
			fields["clm_content__v"] = false
		}
		if list := someOf(s.r, countryKeys, s.r.IntN(3)); len(list) > 0 {
			fields["country__v.external_id__v"] = list
		}
		if list := someOf(s.r, []string{"cholecap", "nyaxa"}, s.r.IntN(3)); len(list) > 0 {
			fields["product__v.external_id__v"] = list
		}
		nodes = s.someSlides()
		x["nodes"] = nodes
	} else if s.r.IntN(2) == 0 {
		fields["clm_content__v"] = !rarely(10)
	}
	v := func(number, state string, more ...string) map[string]any {
		n := map[string]any{"number": number, "state": state}
		if len(more) > 0 {
			n["fields"] = map[string]any{"title__v": more[0]}
			if part == presentations {
				n["nodes"] = s.someSlides()
			}
		}
		return n
	}
	histories := [][]map[string]any{
		{v("1.0", "approved__v")}, {v("1.0", "approved__v")}, {v("1.0", "approved__v")}, {v("1.0", "approved__v")}, {v("1.0", "approved__v")},
		{v("1.0", "superseded__v"), v("2.0", "approved__v", "Second")},
		{v("1.0", "approved__v"), v("1.1", "draft__v", "Draft")},
		{v("1.0", "superseded__v"), v("2.0", "approved__v", "Second"), v("2.1", "in_review__v", "Third")},
		{v("1.0", "approved__v"), v("2.0", "in_review__v", "Second")},
		{v("0.1", "draft__v")}, {v("1.0", "obsolete__v")}, {v("1.0", "in_review__v")}, {v("1.0", "expired__v")},
		{v("1.0", "obsolete__v"), v("1.1", "draft__v", "Again")},
		{v("1.0", "approved__v"), v("2.0", "approved__v", "Second")},
	}
	if part != presentations && !rarely(2) {
		histories = histories[:9]
	}
	x["versions"] = oneOf(s.r, histories...)
	s.line(b, x)
}

// someSlides are nodes of a presentation: slides, rarely a shared resource or
// one slide twice.
func (s *story) someSlides() []string {
	var out []string
	for range s.r.IntN(5) {
		key := oneOf(s.r, s.keys[slides]...)
		if s.r.IntN(20) == 0 {
			key = oneOf(s.r, s.keys[shareds]...)
		}
		if !slices.Contains(out, key) || s.r.IntN(10) == 0 {
			out = append(out, key)
		}
	}
	return out
}

// tell lets things happen, and looks after each.
func (s *story) tell() {
	s.total.cases.Add(1)
	ctx := context.Background()
	s.applied(ctx, true)
	for range 5 + s.r.IntN(4) {
		s.pass()
		edited := false
		for range 1 + s.r.IntN(4) {
			s.change()
		}
		if s.r.IntN(3) == 0 {
			s.edit()
			edited = true
		}
		s.pass()
		switch {
		case edited || s.r.IntN(8) == 0:
			s.applied(ctx, edited)
		default:
			s.synced(ctx, s.r.IntN(4) == 0)
		}
		if s.settled && s.r.IntN(3) == 0 {
			s.nothingMore(ctx)
		}
	}
	s.pass()
	s.synced(ctx, false)
	s.nothingMore(ctx)
}

// pass lets some time go by: seconds, or hours.
func (s *story) pass() {
	s.clock.pass(oneOf(s.r, 2*time.Second, 3*time.Minute, time.Hour, 20*time.Hour))
}

// before is what there is before a run.
type before struct {
	items     map[string]items
	countries map[string][]string
	dumps     map[string][]string
	source    string
	library   *library
}

func (s *story) look() before {
	b := before{items: map[string]items{}, countries: map[string][]string{}, dumps: map[string][]string{}, source: s.documentsDump(source), library: s.library()}
	for _, c := range s.crms {
		b.countries[c.key] = s.countries(c)
		for _, m := range c.models() {
			b.items[m.look()] = s.published(m)
			b.dumps[m.look()] = lines(s.contentDump(m))
		}
	}
	return b
}

// settle notes what the configuration that is applied now leaves behind.
func (s *story) settle() {
	for _, c := range s.crms {
		c.nobody = c.team == "default" || c.nobody && c.team != ""
	}
}

// applied plans and applies.
func (s *story) applied(ctx context.Context, edited bool) {
	s.t.Helper()
	s.note("--- apply at %s", s.clock.Now().Format(time.DateTime))
	s.settle()
	b := s.look()
	p, report, err := s.world.apply(ctx)
	if err != nil {
		s.fail("apply: %v", err)
	}
	if len(p.Refusals) > 0 {
		s.fail("apply was refused: %v", p.Refusals)
	}
	var impacts []syncer.Impact
	for _, c := range p.Content {
		impacts = append(impacts, c.Impact)
	}
	for _, f := range report.Failed {
		var items interface{ Error() string } = f.Err
		if !strings.Contains(items.Error(), "items of") {
			s.fail("%v failed: %v", f.Ref, f.Err)
		}
	}
	if len(report.Skipped) > 0 {
		s.fail("skipped: %v", report.Skipped)
	}
	s.check(b, impacts, report.Outcomes)
	s.settled = true
	ran := func(point addrs.Instance) bool {
		return slices.ContainsFunc(report.Outcomes, func(o syncer.Outcome) bool { return o.Addr == point })
	}
	for _, c := range s.crms {
		s.settled = s.settled && (!c.country || !s.countryAllowed(c) || ran(c.point("clm_country")))
		for _, m := range c.models() {
			s.settled = s.settled && (!s.running(m) || ran(m.content()))
		}
	}
}

// running says whether the CLM point of a CRM vault runs at all: with the
// Country Integration that it is routed by, or without any.
func (s *story) running(c *crmConfig) bool { return c.clm && (!c.asObjects || c.objects) }

// synced previews and runs.
func (s *story) synced(ctx context.Context, full bool) {
	s.t.Helper()
	s.note("--- sync full=%v at %s", full, s.clock.Now().Format(time.DateTime))
	b := s.look()
	impacts, outcomes, err := s.world.sync(ctx, full)
	if err != nil {
		s.fail("sync: %v", err)
	}
	ran := map[string]bool{}
	for _, o := range outcomes {
		ran[o.Addr.String()] = true
	}
	for _, c := range s.crms {
		for _, m := range c.models() {
			if addr := m.content().String(); s.running(m) && !ran[addr] {
				s.fail("%s did not run", addr)
			}
		}
	}
	s.check(b, impacts, outcomes)
	s.settled = true
}

// nothingMore: a further run writes nothing but the run times of points.
func (s *story) nothingMore(ctx context.Context) {
	s.t.Helper()
	full := s.r.IntN(2) == 0
	s.note("--- nothing more, full=%v", full)
	all := func() string {
		text := s.documentsDump(source)
		for _, c := range s.crms {
			for _, m := range c.models() {
				text += s.contentDump(m)
			}
			text += fmt.Sprint(s.countries(c))
		}
		return text
	}
	was := all()
	s.writes()
	_, outcomes, err := s.runs(ctx, full, false)
	if err != nil {
		s.fail("sync: %v", err)
	}
	for _, o := range outcomes {
		s.note("%s %s %s %v: %+v", o.Addr, o.Decision.Mode, o.Status, o.Decision.Reasons, o.Failures)
	}
	// A day that went by may have ended the time of a slide, which a run sees that
	// reads more than what changed: that is told, and the content stays as it is.
	told := slices.ContainsFunc(outcomes, func(o syncer.Outcome) bool {
		return slices.ContainsFunc(o.Failures, func(f syncer.Failure) bool { return strings.Contains(f.Message, "is expired") })
	})
	for call, n := range s.writes() {
		if told && strings.HasSuffix(call, " POST vobjects/{object}") {
			continue
		}
		if !strings.HasSuffix(call, " PUT vobjects/{object}") || n > 3*len(s.crms) {
			s.fail("a further run made %d calls of %s", n, call)
		}
	}
	for _, o := range outcomes {
		if o.Err != nil || o.Done.Written() > 0 {
			s.fail("a further run: %s %v %+v", o.Addr, o.Err, o.Done)
		}
	}
	if diff := cmp.Diff(lines(was), lines(all())); diff != "" {
		s.fail("a further run changed something (-before +after)\n%s", diff)
	}
}

// check holds what happened against what was promised, and against the oracle.
func (s *story) check(b before, impacts []syncer.Impact, outcomes []syncer.Outcome) {
	s.t.Helper()
	promised := map[string]syncer.Impact{}
	for _, i := range impacts {
		promised[i.Addr.String()] = i
	}
	if now := s.documentsDump(source); now != b.source {
		s.fail("the source was changed (-before +after)\n%s", cmp.Diff(lines(b.source), lines(now)))
	}
	ran := map[string]syncer.Outcome{}
	for _, o := range outcomes {
		ran[o.Addr.String()] = o
		s.total.runs.Add(1)
		if o.Decision.Mode == syncer.Incremental {
			s.total.incremental.Add(1)
		}
		s.note("%s %s %s %v: %+v", o.Addr, o.Decision.Mode, o.Status, o.Decision.Reasons, o.Done)
		if o.Err != nil || o.Status != syncer.Clean && o.Status != syncer.Faulty {
			s.fail("%s ended as %s: %v", o.Addr, o.Status, o.Err)
		}
		for _, f := range o.Failures {
			if f.Kind != "exception" {
				s.fail("%s: %+v", o.Addr, f)
			}
		}
		if (o.Status == syncer.Clean) != (o.Failed == 0) {
			s.fail("%s is %s with %d failures", o.Addr, o.Status, o.Failed)
		}
		i, ok := promised[o.Addr.String()]
		if !ok {
			s.fail("%s ran, and nothing was promised", o.Addr)
		}
		if diff := cmp.Diff(written(i.Total), written(o.Done)); diff != "" {
			s.fail("%s: promised and done (-promised +done)\n%s", o.Addr, diff)
		}
		for what, pair := range map[string][2]any{
			"by part": {i.Parts, o.Impact.Parts}, "by country": {i.Routes, o.Impact.Routes}, "by group": {i.Groups, o.Impact.Groups}, "names": {i.Names, o.Impact.Names},
		} {
			if diff := cmp.Diff(pair[0], pair[1]); diff != "" {
				s.fail("%s: promised, and found by the run, %s (-promised +run)\n%s", o.Addr, what, diff)
			}
		}
	}
	for addr, i := range promised {
		if _, ok := ran[addr]; !ok && i.Total.Written() > 0 {
			s.fail("%s was promised to write %+v and did not run", addr, i.Total)
		}
	}
	for _, c := range s.crms {
		if _, ok := ran[c.point("clm_country").String()]; ok {
			if diff := cmp.Diff(b.library.connected(c), s.countries(c)); diff != "" {
				s.fail("CTRY-2 %s: Connection Country records (-want +got)\n%s", c.key, diff)
			}
		} else if diff := cmp.Diff(b.countries[c.key], s.countries(c)); diff != "" {
			s.fail("%s: Connection Country records changed without a run (-before +after)\n%s", c.key, diff)
		}
		for _, m := range c.models() {
			s.checkCRM(m, b, ran)
		}
	}
}

func written(c syncer.Counts) syncer.Counts {
	c.Unchanged, c.Kept, c.Exceptions = 0, 0, 0
	return c
}

func (s *story) checkCRM(c *crmConfig, b before, ran map[string]syncer.Outcome) {
	s.t.Helper()
	was, now := b.items[c.look()], s.published(c)
	want := was
	outcome, ok := ran[c.content().String()]
	if ok {
		want = b.library.expected(s.world, c, was)
	}
	for at, x := range now {
		if id := s.ids[c.look()][at]; id != "" && id != x.ID { // CLM-13
			s.fail("%s: %v was item %s and is %s", c.look(), at, id, x.ID)
		}
		s.ids[c.look()][at] = x.ID
	}
	for at := range s.ids[c.look()] {
		if _, there := now[at]; !there { // CLM-13
			s.fail("%s: %v was deleted", c.look(), at)
		}
	}
	if diff := cmp.Diff(text(want), text(now)); diff != "" {
		s.fail("%s: its content (-the rules +the vault)\n%s\nbefore: %s\nlibrary now: %s", c.look(), diff, text(was), s.documentsDump(source))
	}
	s.gone(c, was, now)
	// By part and verb, by country and by product: promised, and seen.
	if s.led == nil {
		s.led = map[string]*routedBy{}
	}
	if ok && outcome.Decision.Mode == syncer.Full {
		defer func() {
			table, all := b.library.table(s.world, c)
			s.led[c.look()] = &routedBy{table, all}
		}()
	}
	seen := map[string]*syncer.Counts{presentations: {}, slides: {}, shareds: {}}
	countries, products := map[string]syncer.Counts{}, map[string]syncer.Counts{}
	touched := map[string]bool{}
	for at, x := range now {
		old, there := was[at]
		if there && old == x {
			continue
		}
		n := happened(old, there, x)
		*seen[at.part] = plus(*seen[at.part], n)
		touched[x.ID] = true
		if at.part == presentations {
			in, of := b.library.groupsOf(s.world, c, at.doc, n.Withdrawn > 0, s.led[c.look()])
			for _, country := range in {
				countries[country] = plus(countries[country], n)
			}
			if of != "" {
				products[of] = plus(products[of], n)
			}
		}
	}
	if ok {
		for _, p := range outcome.Impact.Parts {
			if diff := cmp.Diff(written(p.Counts), *seen[p.Part]); diff != "" {
				s.fail("%s: %s counted, and seen in the vault (-counted +seen)\n%s", c.look(), p.Part, diff)
			}
			s.total.exceptions.Add(int64(p.Exceptions))
		}
		promised := map[string]syncer.Counts{}
		for _, r := range outcome.Impact.Routes {
			if n := written(r.Counts); n != (syncer.Counts{}) {
				promised[r.Key] = n
			}
		}
		if diff := cmp.Diff(promised, countries); diff != "" {
			s.fail("%s: by country (-counted +seen in the vault)\n%s", c.look(), diff)
		}
		promised = map[string]syncer.Counts{}
		for _, g := range outcome.Impact.Groups["product"] {
			if n := written(g.Counts); n != (syncer.Counts{}) {
				promised[g.Name] = n
			}
		}
		if diff := cmp.Diff(promised, products); diff != "" {
			s.fail("%s: by product (-counted +seen in the vault)\n%s", c.look(), diff)
		}
		s.total.added.Add(int64(outcome.Done.Added))
		s.total.updated.Add(int64(outcome.Done.Updated))
		s.total.withdrawn.Add(int64(outcome.Done.Withdrawn))
		s.total.restored.Add(int64(outcome.Done.Restored))
	}
	// What was not touched is as it was, to the byte; what is not ours above all (CLM-11).
	untouched := func(list []string) []string {
		return slices.DeleteFunc(list, func(line string) bool {
			var x struct {
				Version, Node, Source int64
				Relationship          int64
				Record, ID            string
				Fields                map[string]any
			}
			s.decode(line, &x)
			if x.Record != "" {
				return touched[x.ID] || touched[fmt.Sprint(x.Fields["clm_presentation__v"])]
			}
			doc := x.Version + x.Node
			if x.Relationship != 0 {
				doc = x.Source
			}
			return touched[fmt.Sprint(doc)]
		})
	}
	if before, after := untouched(b.dumps[c.look()]), untouched(lines(s.contentDump(c))); !slices.Equal(before, after) {
		s.fail("%s: something was touched that had no reason (-before +after)\n%s", c.look(), cmp.Diff(before, after))
	}
}

// gone: of what was withdrawn no version is published any more (CLM-13).
func (s *story) gone(c *crmConfig, was, now items) {
	s.t.Helper()
	if c.asObjects || c.platform {
		return
	}
	published := map[string]bool{}
	for _, r := range s.query(c.vault(), "SELECT id FROM ALLVERSIONS documents WHERE status__v = STEADYSTATE()") {
		published[fmt.Sprint(r["id"])] = true
	}
	for at, x := range now {
		if x.Standing == "obsolete__v" && was[at].Standing != x.Standing && published[x.ID] {
			s.fail("%s: a version of %v is published, though it was withdrawn", c.look(), at)
		}
	}
}

// happened is what became of an item.
func happened(old item, there bool, x item) (n syncer.Counts) {
	switch {
	case !there:
		n.Added = 1
	case x.Standing != "approved__v":
		n.Withdrawn = 1
	case old.Standing != "approved__v":
		n.Restored = 1
	default:
		n.Updated = 1
	}
	return n
}

func plus(a, b syncer.Counts) syncer.Counts {
	a.Added += b.Added
	a.Updated += b.Updated
	a.Withdrawn += b.Withdrawn
	a.Restored += b.Restored
	return a
}

// text is items in order, for people.
func text(all items) []string {
	var out []string
	for _, at := range all.inOrder() {
		x := all[at]
		out = append(out, fmt.Sprintf("%v %s [%s] %s", at, x.Standing, x.Members, x.Fields))
	}
	return out
}

// edit changes the configuration.
func (s *story) edit() {
	for range 1 + s.r.IntN(2) {
		s.total.edits.Add(1)
		c := oneOf(s.r, s.crms...)
		switch s.r.IntN(8) {
		case 7:
			c.objects = c.both && !c.objects
		case 0, 1, 2:
			c.countries = someOf(s.r, labels, 1+s.r.IntN(3))
		case 3:
			if s.countryAllowed(c) {
				c.country = !c.country
			}
		case 4:
			c.clm = !c.clm
		default:
			s.randomRules(c)
		}
		s.note("edit %s: %+v", c.key, *c)
	}
}

// change does to the library what an author would.
func (s *story) change() {
	l := s.library()
	doc := oneOf(s.r, slices.Sorted(maps.Keys(l.versions))...)
	if list := l.docs(presentations); len(list) > 0 && s.r.IntN(2) == 0 {
		doc = oneOf(s.r, list...)
	}
	heal := s.r.IntN(4) == 0 // else soon hardly anything is whole
	if heal {
		var ill []int64
		for _, x := range slices.Sorted(maps.Keys(l.versions)) {
			if _, standing := l.taken(x, true, s.clock.Now().UTC().Format(time.DateOnly)); standing != "approved" || l.latest(x).part() == "" {
				ill = append(ill, x)
			}
		}
		if len(ill) == 0 {
			return
		}
		doc = oneOf(s.r, ill...)
	}
	kinds := 29
	if s.fixed {
		kinds = 22
	}
	kindOfChange := s.r.IntN(kinds)
	if members := append(l.docs(slides), l.docs(shareds)...); (kindOfChange == 22 || kindOfChange == 23) && !heal && len(members) > 0 {
		doc = oneOf(s.r, members...)
	}
	v := l.latest(doc)
	part, kind := v.part(), "multichannel_slide__v"
	base := fmt.Sprintf("objects/documents/%d", doc)
	if v.Binder == 1 {
		kind = "multichannel_presentation__v"
		base = fmt.Sprintf("objects/binders/%d", doc)
	}
	do := func(method, path string, pairs ...string) bool {
		form := url.Values{}
		for n := 0; n < len(pairs); n += 2 {
			form.Set(pairs[n], pairs[n+1])
		}
		_, err := s.call(method, source, path, form)
		s.note("%s %s %v (%s %d.%d): %v", method, path, pairs, v.Status, v.Major, v.Minor, err)
		return err == nil
	}
	action := func(name string) {
		x := s.library().latest(doc)
		do("PUT", fmt.Sprintf("%s/versions/%d/%d/lifecycle_actions/%s", base, x.Major, x.Minor, name))
	}
	draft := func() {
		if v.Status != "draft__v" {
			do("POST", base, "createDraft", "latestContent")
		}
	}
	retype := func(to string) {
		do("PUT", base, "reclassify", "true", "type__v", to, "lifecycle__v", "promo_mats_lifecycle__v")
		s.total.retyped.Add(1)
	}
	s.made++
	s.total.changes.Add(1)
	if heal {
		if part == "" {
			retype(kind)
		}
		switch v.Status {
		case "obsolete__v":
			action("reinstate__v")
		case "approved__v":
		default:
			action("approve__v")
		}
		do("PUT", base, "clm_content__v", "true", "crm_end_date__v", "")
		return
	}
	switch kindOfChange {
	case 22, 23: // CLM-3: a slide becomes a shared resource, or one a slide
		do("PUT", base, "is_shared_resource__v", fmt.Sprint(part == slides))
		s.total.retyped.Add(1)
	case 24: // CLM-3: no CLM content any more, or again
		if part == "" {
			retype(kind)
		} else {
			retype("material__v")
		}
	case 25: // a version is deleted, as a rule the latest
		old := v
		if s.r.IntN(3) == 0 {
			old = oneOf(s.r, l.versions[doc]...)
		}
		if len(l.versions[doc]) > 1 {
			do("DELETE", fmt.Sprintf("%s/versions/%d/%d", base, old.Major, old.Minor))
		}
	case 26, 27: // the approved version, under whatever is newer
		for _, old := range l.versions[doc] {
			if old.Status == "approved__v" {
				do("PUT", fmt.Sprintf("%s/versions/%d/%d", base, old.Major, old.Minor), "title__v", fmt.Sprint("Corrected ", s.made), "clm_content__v", oneOf(s.r, "true", "true", "false"))
				break
			}
		}
	case 28: // CLM-3: a presentation becomes a slide, or one a presentation, and is neither: what a binder is says the vault
		switch part {
		case presentations:
			retype("multichannel_slide__v")
		case slides, shareds:
			retype("multichannel_presentation__v")
		}
	case 0, 1: // a new version
		draft()
		do("PUT", base, "title__v", fmt.Sprint("Title ", s.made), "description__v", "New")
		if part == presentations {
			s.rearrange(doc, do)
		}
		action("approve__v")
	case 2: // a draft only
		draft()
		do("PUT", base, "title__v", fmt.Sprint("Draft ", s.made))
		if part == presentations {
			s.rearrange(doc, do)
		}
	case 3:
		action("make_obsolete__v")
	case 4:
		action("withdraw_approval__v")
	case 5:
		action("expire__v")
	case 6:
		action("reinstate__v")
	case 7, 8, 9:
		action("approve__v")
	case 10, 11: // metadata of the version that there is
		do("PUT", base, "title__v", fmt.Sprint(oneOf(s.r, "Edited ", "Ärger: “'\"\\”\n\té ", "<b>&amp; 𝒯 "), s.made), "team__c", oneOf(s.r, "red", "blue", ""))
	case 12, 13:
		do("PUT", base, "clm_content__v", oneOf(s.r, "true", "true", "false", ""))
	case 14, 15: // country changed, or lost; product too
		if part == presentations {
			do("PUT", base, "product__v", strings.Join(someOf(s.r, l.products(), s.r.IntN(3)), ","))
			var ids []string
			for id := range l.country {
				ids = append(ids, id)
			}
			slices.Sort(ids)
			do("PUT", base, "country__v", strings.Join(someOf(s.r, ids, s.r.IntN(3)), ","))
		}
	case 16:
		if part == "" || len(l.docs(part)) > 2 {
			do("DELETE", base)
		}
	case 17, 18: // slides of the version that there is
		if part == presentations {
			s.rearrange(doc, do)
		}
	case 19: // a relationship dropped, or made
		if len(l.relation) > 0 && s.r.IntN(2) == 0 {
			r := oneOf(s.r, l.relation...)
			x := l.latest(r.Source)
			do("DELETE", fmt.Sprintf("objects/documents/%d/versions/%d/%d/relationships/%d", r.Source, x.Major, x.Minor, r.ID))
		} else if part == slides && len(l.docs(shareds)) > 0 {
			do("POST", fmt.Sprintf("%s/versions/%d/%d/relationships", base, v.Major, v.Minor), "target_doc_id__v", fmt.Sprint(oneOf(s.r, l.docs(shareds)...)), "relationship_type__v", "related_shared_resource__v")
		}
	case 20:
		do("PUT", base, "crm_end_date__v", oneOf(s.r, "", "", "2026-11-02", "2026-11-05", "2030-01-01"))
	case 21:
		if s.r.IntN(2) == 0 {
			var b strings.Builder
			s.document(&b, oneOf(s.r, slides, presentations))
			s.note("new: %s", b.String())
			if _, err := s.server.Load(source, fmt.Sprint("more-", s.made), strings.NewReader(b.String())); err != nil {
				s.note("not loaded: %v", err)
			}
			return
		}
		id := oneOf(s.r, slices.Sorted(maps.Keys(l.country))...)
		do("PUT", "vobjects/country__v", "id", id, "country_cda__v", strings.Join(someOf(s.r, []string{"us__v", "ca__v", "mx__v", "de__v"}, s.r.IntN(3)), ","))
	}
}

// rearrange moves, adds or removes slides of the latest version of a binder.
func (s *story) rearrange(doc int64, do func(method, path string, pairs ...string) bool) {
	for range 1 + s.r.IntN(2) {
		l := s.library()
		list := l.nodes[doc]
		base := fmt.Sprintf("objects/binders/%d/documents", doc)
		switch n := s.r.IntN(3); {
		case n == 0 && len(list) > 1:
			do("PUT", base+"/"+oneOf(s.r, list...).ID, "order__v", fmt.Sprint(1+s.r.IntN(len(list))))
		case n == 1 && len(list) > 0:
			do("DELETE", base+"/"+oneOf(s.r, list...).ID)
		case len(l.docs(slides)) > 0:
			do("POST", base, "document_id__v", fmt.Sprint(oneOf(s.r, l.docs(slides)...)), "order__v", fmt.Sprint(1+s.r.IntN(len(list)+1)), "parent_id__v", "rootNode")
		}
	}
}
