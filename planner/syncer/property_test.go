package syncer_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"accord/planner/syncer"
	"accord/providers"
	"accord/providers/providertest"
)

// The sample is the same each time, but for the long proof and where flags say
// otherwise.
func TestMain(m *testing.M) {
	flag.Parse()
	given := make(map[string]bool)
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	set := func(name, value string) {
		if !given[name] {
			flag.Set(name, value)
		}
	}
	if os.Getenv("ACCORD_LONG") != "" {
		set("rapid.checks", "10000")
	} else {
		set("rapid.checks", "120")
		set("rapid.seed", "2")
	}
	os.Exit(m.Run())
}

// What is wanted at a target, told naively: the rules of spec/rules.md over
// maps, without parts in files, joins, or any notion of what has changed.
type oracle struct {
	source    map[providers.Member]providers.Record // of the feed's variant
	before    map[providers.Member]providertest.Copy
	standings map[string]providers.Meaning
	takes     func([]string) bool
	fields    map[string]string // target field → source field
	after     map[providers.Member]copied
}

// copied is a target item without its id.
type copied struct {
	Standing string
	Fields   string
	Members  []providers.Member
}

func (o *oracle) meaning(m providers.Member) providers.Meaning {
	r, ok := o.source[m]
	if !ok {
		return providers.Keep
	}
	if meaning, ok := o.standings[r.Standing]; ok {
		return meaning
	}
	return providers.Keep
}

func (o *oracle) publishable(m providers.Member) bool {
	r := o.source[m]
	return o.meaning(m) == providers.Publish && r.Problem == "" && !slices.ContainsFunc(r.Members, func(m providers.Member) bool { return !o.publishable(m) })
}

// fate decides one item; needed is for those that are not routed.
func (o *oracle) fate(m providers.Member, routed, needed bool) string {
	r, known := o.source[m]
	_, means := o.standings[r.Standing]
	switch {
	case !routed && !needed:
		return "withdraw"
	case routed && !known:
		return "keep"
	case routed && o.meaning(m) == providers.Withdraw:
		return "withdraw"
	case routed && means && !o.takes(r.Routes):
		return "withdraw"
	case o.publishable(m):
		return "publish"
	default:
		return "keep"
	}
}

func (o *oracle) decide(parts []string, routed string) {
	o.after = make(map[providers.Member]copied)
	needed := make(map[providers.Member]bool)
	all := make(map[providers.Member]bool)
	for m := range o.source {
		all[m] = true
	}
	for m := range o.before {
		all[m] = true
	}
	for _, part := range parts { // containers first
		for m := range all {
			if m.Part != part {
				continue
			}
			before, was := o.before[m]
			now := copied{before.Standing, string(before.Fields), before.Members}
			switch o.fate(m, part == routed, needed[m]) {
			case "publish":
				r := o.source[m]
				now = copied{providers.Published, o.mapped(r, before.Fields), r.Members}
				was = true
			case "withdraw":
				if now.Standing = providers.Withdrawn; routed == "country" {
					was = false
				}
			}
			if was {
				o.after[m] = now
			}
			if was && now.Standing != providers.Withdrawn {
				for _, member := range now.Members {
					needed[member] = true
				}
			}
		}
	}
}

// mapped returns the fields of a target item: what no rule fills stays.
func (o *oracle) mapped(r providers.Record, before json.RawMessage) string {
	source, target := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	json.Unmarshal(r.Fields, &source)
	json.Unmarshal(before, &target)
	target["title"] = source["name"]
	for to, from := range o.fields {
		delete(target, to)
		if v, ok := source[from]; ok {
			target[to] = v
		}
	}
	text, _ := json.Marshal(target)
	return string(text)
}

func (w *world) before(crm, feed string) map[providers.Member]providertest.Copy {
	held := make(map[providers.Member]providertest.Copy)
	for _, c := range w.m.System(crm).Held(feed) {
		m := providers.Member{Part: c.Part, Key: c.Key}
		if _, twice := held[m]; twice {
			w.t.Fatalf("%s has %s %s twice", crm, c.Part, c.Key)
		}
		held[m] = c
	}
	return held
}

// expected returns what a run must leave at a target, as a feed is configured.
func (w *world) expected(crm string) (countries, books map[providers.Member]copied) {
	source := func(variant string, parts ...string) map[providers.Member]providers.Record {
		records := make(map[providers.Member]providers.Record)
		for _, i := range w.north().Library {
			if slices.Contains(parts, i.Part) && (len(i.Variants) == 0 || slices.Contains(i.Variants, variant)) {
				records[providers.Member{Part: i.Part, Key: i.Key}] = i.Record
			}
		}
		return records
	}
	among := func(values []string) func([]string) bool {
		return func(routes []string) bool {
			return slices.ContainsFunc(routes, func(r string) bool { return slices.Contains(values, r) })
		}
	}
	standings := map[string]providers.Meaning{"approved": "publish", "unpublished": "withdraw", "obsolete": "withdraw", "deleted": "withdraw"}
	table := oracle{
		source: source("", "country"), before: w.before(crm, feedName(countryFeed(crm))), standings: standings,
		takes: among(w.feeds[countryFeed(crm)]["routes"].([]string)),
	}
	table.decide([]string{"country"}, "country")
	var keys []string
	for m := range table.after {
		keys = append(keys, m.Key)
	}
	feed := w.feeds[booksFeed(crm)]
	variant := feed["variant"].(string)
	standings = maps.Clone(standings)
	standings["unapproved"] = providers.Meaning(feed["on_unapproved"].(string))
	if variant == "latest" {
		standings["draft"] = "publish"
	}
	content := oracle{
		source: source(variant, "book", "page", "picture"), before: w.before(crm, feedName(booksFeed(crm))),
		standings: standings, takes: among(keys), fields: map[string]string{},
	}
	if fields, ok := feed["fields"].(map[string]string); ok {
		for from, to := range fields {
			content.fields[to] = from
		}
	}
	content.decide([]string{"book", "page", "picture"}, "book")
	return table.after, content.after
}

func (w *world) actual(crm, feed string) map[providers.Member]copied {
	got := make(map[providers.Member]copied)
	for m, c := range w.before(crm, feed) {
		got[m] = copied{c.Standing, string(c.Fields), c.Members}
	}
	return got
}

// draw helps to draw things of a library.
type draw struct{ *rapid.T }

func (d draw) keys(prefix string, n, most int) []string {
	return rapid.SliceOfNDistinct(rapid.Map(rapid.IntRange(1, n), func(i int) string { return fmt.Sprint(prefix, i) }), 0, most, rapid.ID).Draw(d.T, prefix+"s")
}

func (d draw) one(of ...string) string { return rapid.SampledFrom(of).Draw(d.T, "choice") }

var countries = []string{"us", "ca", "mx", "gl"}

// record draws a book, a page or a picture, without a standing.
func (d draw) record(part, key string) providers.Record {
	title := d.one("Eins", "二", "Trois")
	var r providers.Record
	switch part {
	case "book":
		r = providertest.Book(key, title, rapid.SliceOfNDistinct(rapid.SampledFrom(countries), 0, 2, rapid.ID).Draw(d.T, "routes"), d.keys("p", 6, 4)...)
	case "page":
		r = providertest.Page(key, title, d.keys("x", 3, 2)...)
	default:
		r = providertest.Picture(key, title)
	}
	if rapid.IntRange(0, 20).Draw(d.T, "problem") == 0 {
		r.Problem = "it is incomplete"
	}
	if color := d.one("", "red", "blue"); color != "" {
		r = with(r, "color", color)
	}
	return r
}

// change draws one change of the library.
func (w *world) change(d draw) {
	part := d.one("book", "book", "page", "page", "picture")
	key := map[string]string{"book": "b", "page": "p", "picture": "x"}[part] + fmt.Sprint(rapid.IntRange(1, map[string]int{"book": 5, "page": 6, "picture": 3}[part]).Draw(d.T, "key"))
	switch rapid.IntRange(0, 9).Draw(d.T, "change") {
	case 0:
		w.north().Delete(part, key)
		return
	case 1:
		if rapid.IntRange(0, 3).Draw(d.T, "lose") == 0 {
			w.north().Lose(part, key)
		}
		return
	}
	r := d.record(part, key)
	w.north().Lose(part, key)
	switch rapid.IntRange(0, 5).Draw(d.T, "versions") {
	case 0: // a draft over an approved one
		r.Variants = []string{"steady"}
		draft := standing(d.record(part, key), "draft")
		draft.Variants = []string{"latest"}
		w.north().Put(r, draft)
	case 1: // never approved
		r.Variants = []string{"latest"}
		w.north().Put(standing(r, "draft"))
	default:
		r.Variants = []string{"latest", "steady"}
		w.north().Put(standing(r, d.one("approved", "approved", "approved", "approved", "unpublished", "obsolete", "unapproved")))
	}
}

// check runs what is due, or everything in full, and holds it against the
// preview and the oracle.
func (w *world) check(d draw, req syncer.Request, crms []string) {
	w.t.Helper()
	foreign := make(map[string][]providertest.Copy)
	type expectation struct{ countries, books map[providers.Member]copied }
	want := make(map[string]expectation)
	for _, crm := range crms {
		countries, books := w.expected(crm)
		want[crm] = expectation{countries, books}
		foreign[crm] = w.m.System(crm).Held("")
	}
	tasks := w.tasks(req)
	promised := w.preview(tasks)
	for i := range tasks {
		if p, ok := promised[tasks[i].Sync.Addr]; ok {
			tasks[i].Promise = p.Promise()
		}
	}
	outcomes := w.run(tasks)
	for _, task := range tasks {
		a := task.Sync.Addr
		o, ran := outcomes[a]
		p, was := promised[a]
		if ran != was || ran && o.Status != syncer.Clean && o.Status != syncer.Faulty {
			w.t.Fatalf("%s: ran %v, previewed %v, %s, %v", a, ran, was, o.Status, o.Err)
		}
		if !ran {
			continue
		}
		if o.Status == syncer.Clean && o.Failed > 0 || o.Failed != o.Impact.Total.Exceptions {
			w.t.Fatalf("%s: %s with %d failures, %d exceptions: %v", a, o.Status, o.Failed, o.Impact.Total.Exceptions, o.Failures)
		}
		if diff := cmp.Diff(p.Parts, o.Impact.Parts); diff != "" {
			w.t.Fatalf("%s: the preview and the run differ (-preview +run)\n%s", a, diff)
		}
		done := syncer.Counts{Added: p.Total.Added, Updated: p.Total.Updated, Restored: p.Total.Restored, Withdrawn: p.Total.Withdrawn}
		if diff := cmp.Diff(done, o.Done); diff != "" {
			w.t.Fatalf("%s: promised and done (-promised +done)\n%s", a, diff)
		}
	}
	for _, crm := range crms {
		for _, side := range []struct {
			want map[providers.Member]copied
			feed string
		}{{want[crm].countries, feedName(countryFeed(crm))}, {want[crm].books, feedName(booksFeed(crm))}} {
			if diff := cmp.Diff(side.want, w.actual(crm, side.feed)); diff != "" {
				w.t.Fatalf("%s after the run of %v (-want +got)\n%s", side.feed, tasks[0].Decision, diff)
			}
		}
		if diff := cmp.Diff(foreign[crm], w.m.System(crm).Held("")); diff != "" {
			w.t.Fatalf("%s: what is not ours has changed\n%s", crm, diff)
		}
	}
	// Full or incremental, a full run now finds nothing to do.
	for a, i := range w.preview(w.tasks(syncer.Request{Full: true})) {
		if !i.Unaffected() {
			w.t.Fatalf("%s: a run of %+v left %+v to a full one: %v", a, outcomes[a].Decision, i.Total, i.Names)
		}
	}
}

// fault draws something that goes wrong in the next run, if it gets there.
func (w *world) fault(d draw) {
	if rapid.Bool().Draw(d.T, "dies") {
		w.p.left = rapid.IntRange(0, 12).Draw(d.T, "writes until it dies")
		w.p.unheard = rapid.Bool().Draw(d.T, "before the last is recorded")
		return
	}
	f := providertest.Fault{
		Method: rapid.SampledFrom([]string{"write", "write", "write", "records", "finish"}).Draw(d.T, "method"),
		Skip:   rapid.IntRange(0, 8).Draw(d.T, "skip"), Times: rapid.IntRange(1, 6).Draw(d.T, "times"),
		Kind: rapid.SampledFrom([]providers.Kind{providers.Invalid, providers.Transient, providers.Throttled, providers.Ambiguous, providers.Ambiguous}).Draw(d.T, "kind"),
		Done: rapid.Bool().Draw(d.T, "done"),
	}
	f.Half = f.Done && f.Method == "write" && rapid.Bool().Draw(d.T, "half")
	if f.Method == "records" {
		f.Done = false
	}
	w.m.Fault(f)
}

func (w *world) mend() {
	w.p.left = -1
	w.m.ClearFaults()
	w.journal.reborn()
}

// simulate makes a world, and lets things happen to it. After each step that
// nothing disturbs all must be as the oracle says.
func simulate(t *rapid.T, dir string, faults bool) {
	d := draw{t}
	crms := []string{"a", "b"}
	w := newWorld(t, dir, crms...)
	w.budget = rapid.SampledFrom([]int{1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 1 << 20, 64}).Draw(t, "budget")
	w.m.BatchSize = rapid.SampledFrom([]int{100, 3}).Draw(t, "batch size")
	w.m.Pass(time.Hour)
	for _, c := range countries {
		values := []string{c}
		if c == "gl" {
			values = []string{"us", "ca", "mx"}
		}
		w.north().Put(providertest.Country(c, "Country "+c, values...))
	}
	for _, crm := range crms {
		w.feed(booksFeed(crm), map[string]any{"variant": d.one("steady", "latest"), "on_unapproved": d.one("keep", "withdraw")})
		w.table(crm, d.one("us", "ca"))
		w.m.System(crm).PutForeign(providertest.StreamCopies, standing(providertest.Book("b1", "Native", nil), providers.Published))
	}
	for range rapid.IntRange(5, 25).Draw(t, "documents") {
		w.change(d)
	}
	w.check(d, syncer.Request{}, crms)
	for range rapid.IntRange(1, 5).Draw(t, "steps") {
		w.m.Pass(rapid.SampledFrom([]time.Duration{time.Hour, time.Hour, 20 * time.Second, 15 * 24 * time.Hour}).Draw(t, "time passes"))
		for range rapid.IntRange(0, 4).Draw(t, "changes") {
			w.change(d)
		}
		crm := d.one(crms...)
		switch rapid.IntRange(0, 9).Draw(t, "configuration") {
		case 0, 1:
			w.table(crm, rapid.SliceOfNDistinct(rapid.SampledFrom(countries[:3]), 1, 3, rapid.ID).Draw(t, "filter")...)
		case 2:
			w.feed(booksFeed(crm), map[string]any{"fields": map[string]string{"color": d.one("colour", "farbe")}})
		case 3:
			c := d.one(countries...)
			w.north().Put(providertest.Country(c, "Country "+c, rapid.SliceOfNDistinct(rapid.SampledFrom(countries[:3]), 0, 3, rapid.ID).Draw(t, "values")...))
		}
		if faults {
			for range rapid.IntRange(1, 3).Draw(t, "disturbed runs") {
				w.fault(d)
				w.run(w.tasks(syncer.Request{Full: rapid.IntRange(0, 3).Draw(t, "in full") == 0}))
				w.mend()
				for range rapid.IntRange(0, 2).Draw(t, "changes meanwhile") {
					w.change(d)
				}
				w.m.Pass(time.Minute)
			}
		}
		w.check(d, syncer.Request{Full: rapid.IntRange(0, 3).Draw(t, "in full") == 0}, crms)
	}
}

// Whatever the library, the filters, the rules and the changes, and whether a
// run is full or incremental: it does what its preview said, and leaves what
// the rules say (CLM-1, CLM-5, CLM-7, CLM-11, CLM-12, CLM-13, CTRY-5, CTRY-8).
func TestRunsDoWhatPreviewsSay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) { simulate(t, dir, false) })
}

// Whatever fails, is done and reported as failed, is half done, or dies: the
// next run leaves what the rules say, with nothing doubled and nothing lost.
func TestRunsConverge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) { simulate(t, dir, true) })
}
