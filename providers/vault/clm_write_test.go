package vault

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"accord/providers"
	"accord/providers/vaultapi"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Whatever the nodes are and shall be: the changes lead there, and none is
// made where nothing differs.
func TestNodeChangesProperty(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Custom(func(t *rapid.T) vaultapi.ID { return vaultapi.ID(fmt.Sprint(rapid.IntRange(1, 8).Draw(t, "id"))) })
		var there []node
		for n, d := range rapid.SliceOfN(id, 0, 10).Draw(t, "there") {
			there = append(there, node{ID: vaultapi.ID(fmt.Sprintf("n%d", n)), Content: d})
		}
		shall := rapid.SliceOfN(id, 0, 10).Draw(t, "shall")
		now := slices.Clone(there)
		changes := nodeChanges(there, shall)
		for _, c := range changes {
			at := func(id string) int {
				return slices.IndexFunc(now, func(n node) bool { return string(n.ID) == id })
			}
			switch {
			case c.remove != "":
				k := at(c.remove)
				now = slices.Delete(now, k, k+1)
			case c.move != "":
				k := at(c.move)
				n := now[k]
				now = slices.Insert(slices.Delete(now, k, k+1), c.order, n)
			case c.last:
				now = append(now, node{Content: c.add})
			default:
				now = slices.Insert(now, c.order, node{Content: c.add})
			}
		}
		got := []vaultapi.ID{}
		for _, n := range now {
			got = append(got, n.Content)
		}
		if diff := cmp.Diff(append([]vaultapi.ID{}, shall...), got); diff != "" {
			t.Fatalf("after %+v (-want +got)\n%s", changes, diff)
		}
		same := len(there) == len(shall)
		for n := range there {
			same = same && there[n].Content == shall[n]
		}
		if same != (len(changes) == 0) {
			t.Fatalf("%d changes, and nothing differs: %t", len(changes), same)
		}
		if most := len(there) + len(shall); len(changes) > most {
			t.Fatalf("%d changes of at most %d nodes", len(changes), most)
		}
	})
}

// CLM-13: the way to a state is found from the lifecycle's metadata.
func TestWayTo(t *testing.T) {
	action := func(name, to string) string {
		return fmt.Sprintf(`<useraction name=%q label="x" type="changeState" state=%q/>`, name, to)
	}
	state := func(name string, actions ...string) vaultapi.LifecycleState {
		return vaultapi.LifecycleState{Name: name, UserAction: "{<useractions>" + strings.Join(actions, "") + "</useractions>}"}
	}
	l := &vaultapi.Lifecycle{
		Name: "custom__c", StateLabels: []string{"base:general:steady", "base:general:obsolete"}, LabeledStates: []string{"Doclifecyclestate.live__c", "Doclifecyclestate.gone__c"},
		States: []vaultapi.LifecycleState{
			state("new__c", action("submit__c", "check__c")), state("check__c", action("back__c", "new__c"), action("release__c", "live__c")),
			state("live__c", action("retire__c", "gone__c")), state("gone__c"),
		},
	}
	for _, c := range []struct{ from, kind, want string }{
		{"new__c", "steady", "submit__c"}, {"check__c", "steady", "release__c"}, {"live__c", "obsolete", "retire__c"}, {"new__c", "obsolete", "submit__c"},
		{"gone__c", "steady", ""},
	} {
		got, err := wayTo(l, c.from, c.kind)
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("CLM-13: from %s to %s by %q, %v; want %q", c.from, c.kind, got, err, c.want)
		}
	}
}

// Marks of one point and source sort as keys do, and are read only by them.
func TestMarks(t *testing.T) {
	const point = "promomats_crm_clm_presentation__v"
	slide, shared := providers.Member{Part: partSlide, Key: keyOf("42")}, providers.Member{Part: partShared, Key: keyOf("42")}
	for _, item := range []providers.Member{slide, shared} {
		m := mark(point, 1001, item)
		if got, ok := itemOfMark(m, point, 1001); !ok || got != item {
			t.Errorf("%s reads as %v", m, got)
		}
	}
	m := mark(point, 1001, slide)
	if next := mark(point, 1001, providers.Member{Part: partSlide, Key: keyOf("43")}); !(m < mark(point, 1001, shared) && mark(point, 1001, shared) < next) {
		t.Error("the marks of a slide, of what became of it, and of the next do not sort as keys do")
	}
	for _, other := range []string{mark("medical_crm_clm_presentation__v", 1001, slide), mark(point, 100, slide), m + "0", m + ":t", "by-hand", ""} {
		if item, ok := itemOfMark(other, point, 1001); ok {
			t.Errorf("CLM-11: %q is taken for ours: %v", other, item)
		}
	}
	if !(keyOf("9") < keyOf("10") && keyOf("99") < keyOf("100")) {
		t.Error("keys do not sort as ids do")
	}
}

// CLM-2: slides are taken as a reader of the binder meets them, chapter by chapter.
// Where one is in a chapter that the binder does not have, no presentation is made of
// the others: absence never removes.
func TestSlidesInChapters(t *testing.T) {
	t.Parallel()
	slide := func(id, section string, order int64) node {
		return node{ID: vaultapi.ID("n" + id), Content: vaultapi.ID(id), Section: vaultapi.ID(section), Order: order, Type: "document"}
	}
	chapter := func(id, section string, order int64) node {
		return node{ID: vaultapi.ID(id), Section: vaultapi.ID(section), Order: order, Type: "section"}
	}
	for name, c := range map[string]struct {
		nodes []node
		want  string
		whole bool
	}{
		"none":           {[]node{slide("2", "rootNode", 2), slide("1", "rootNode", 1)}, "1 2", true},
		"two":            {[]node{slide("3", "b", 1), slide("1", "", 1), chapter("a", "", 2), chapter("b", "a", 9), slide("2", "a", 1)}, "1 2 3", true},
		"an unknown one": {[]node{slide("1", "", 1), slide("2", "elsewhere", 2)}, "1", false},
		"one in itself":  {[]node{slide("1", "", 1), chapter("a", "b", 2), chapter("b", "a", 3), slide("2", "b", 1)}, "1", false},
	} {
		members, problem := membersOf(c.nodes, func(node) bool { return false })
		var got []string
		for _, m := range members {
			got = append(got, idOf(m.Key))
		}
		if strings.Join(got, " ") != c.want || (problem == "") != c.whole {
			t.Errorf("%s: %v, problem %q, want %s", name, got, problem, c.want)
		}
	}
}

// RULE-2: references are resolved by Link, then by External ID; without a
// match they are exceptions, or blank where the rule says so.
func TestReferences(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spec{"promomats", "promomats", production, ""}, spec{"crm-a", "crm", production, ""})
	w.tie("promomats", "crm-a")
	w.countries("promomats")
	w.load("promomats", `
{"mdl": "RECREATE Object brand__c (label('Brand'), label_plural('Brands'), active(true), in_menu(true), audit(false));"}
{"mdl": "RECREATE Docfield brand__c (label('Brand'), active(true), required(false), shared(true), type('ObjectReference'), object('brand__c'), display_section('general'));"}
{"record": "brand__c", "key": "B-1", "fields": {"name__v": "Mira"}}
{"record": "brand__c", "key": "B-2", "fields": {"name__v": "Vela"}}
{"record": "brand__c", "key": "B-3", "fields": {"name__v": "Nobody's"}}
{"record": "brand__c", "key": "B-4", "fields": {"name__v": "Two of them"}}
{"document": "one", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "By link", "brand__c.external_id__v": ["B-1"]}, "versions": [{"number": "1.0", "state": "approved__v"}]}
{"document": "two", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "By external id", "brand__c.external_id__v": ["B-2"]}, "versions": [{"number": "1.0", "state": "approved__v"}]}
{"document": "four", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Two matches", "brand__c.external_id__v": ["B-4"]}, "versions": [{"number": "1.0", "state": "approved__v"}]}
{"document": "three", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "No match", "brand__c.external_id__v": ["B-3"]}, "versions": [{"number": "1.0", "state": "approved__v"}]}
`)
	rows, err := vaultOf(w, "promomats").caller().all(t.Context(), "SELECT id, global_id__sys FROM brand__c WHERE external_id__v = 'B-1'")
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	link := rows[0].text("global_id__sys")
	rows, err = vaultOf(w, "promomats").caller().all(t.Context(), "SELECT id, global_id__sys FROM brand__c WHERE external_id__v = 'B-4'")
	if err != nil || len(rows) != 1 {
		t.Fatal(rows, err)
	}
	double := rows[0].text("global_id__sys")
	w.load("crm-a", `
{"record": "product__v", "key": "first", "fields": {"name__v": "Two", "link__sys": "`+double+`"}}
{"record": "product__v", "key": "second", "fields": {"name__v": "Two", "link__sys": "`+double+`"}}
{"record": "product__v", "key": "another key", "fields": {"name__v": "Mira", "link__sys": "`+link+`"}}
{"record": "product__v", "key": "B-2", "fields": {"name__v": "Vela"}}
`)
	w.connect(false)
	rule := w.object(keyed("field_rule", "brand", "a"), map[string]any{"connection": `connection.crm["a"]`, "source": "brand__c", "target": "product__v",
		"reference": map[string]any{"object": "product__v", "no_match": "exception"}})
	c := w.crms(map[string][]string{"a": {"United States"}})
	c.objects = append(c.objects, rule)
	c.apply()
	clm := &clmWorld{c, c.syncs()[`integration_point.clm_presentation["a"]`]}
	source := clm.source()
	var writes []providers.Write
	for _, title := range []string{"By link", "By external id", "No match", "Two matches"} {
		writes = append(writes, clm.item(providers.WriteCreate, byTitle(source, title)))
	}
	results := w.write(clm.sync, writes...)
	for n, bad := range []bool{false, false, true, true} {
		if (results[n].Err != nil) != bad {
			t.Errorf("RULE-2: %s: %v", writes[n].Title, results[n].Err)
		}
	}
	target := clm.target()
	for title, want := range map[string]string{
		"By link":        `"product__v":[{"external_id":"another key","link":"` + link + `"}]`,
		"By external id": `"product__v":[{"external_id":"B-2"}]`,
	} {
		if r := byTitle(target, title); !strings.Contains(string(r.Fields), want) {
			t.Errorf("RULE-2: %s has %s, want %s", title, r.Fields, want)
		}
	}
	// A second plan finds the rule as it is.
	if problems := errorsOf(c.plan()); problems != nil {
		t.Error(problems)
	}
	blank := clm.sync
	s, err := scopeOf(blank.Target)
	if err != nil {
		t.Fatal(err)
	}
	s.Refs[0].Blank = true
	blank.Target.Scope = s.raw()
	if r := w.write(blank, writes[2]); r[0].Err != nil {
		t.Errorf("RULE-2: blank where the rule says so: %v", r[0].Err)
	}
	if r := w.write(blank, writes[3]); r[0].Err == nil || !strings.Contains(r[0].Err.Message, "several records of product__v") {
		t.Errorf("RULE-2: one of several was chosen: %v", r[0].Err)
	}

	// The same is known before anything is written.
	end := clm.sync.Rules[len(clm.sync.Rules)-1].Reference.Records
	var keys []providers.Member
	for _, name := range []string{"By link", "By external id", "No match", "Two matches"} {
		var f struct {
			Brand []json.RawMessage `json:"brand__c"`
		}
		if err := json.Unmarshal(byTitle(source, name).Fields, &f); err != nil || len(f.Brand) != 1 {
			t.Fatal(name, err)
		}
		keys = append(keys, providers.Member{Part: partReference, Key: string(f.Brand[0])})
	}
	standings := map[string]string{}
	for _, r := range w.read(providers.RecordsRequest{End: end, Keys: keys, Only: true}) {
		standings[r.Key] = r.Standing
	}
	for n, want := range []string{providers.Linked, providers.Matched, providers.NoMatch, providers.ManyMatches} {
		if got := standings[keys[n].Key]; got != want {
			t.Errorf("RULE-2: %s is %s, want %s", keys[n].Key, got, want)
		}
	}
	// However long External IDs are: a query has an end.
	keys = []providers.Member{{Part: partReference, Key: neutralReference("", "B-2")}}
	for n := range 1000 {
		keys = append(keys, providers.Member{Part: partReference, Key: neutralReference("", fmt.Sprintf("%s %d", strings.Repeat("o'", 60), n))})
	}
	matched := 0
	for _, r := range w.read(providers.RecordsRequest{End: end, Keys: keys, Only: true}) {
		if r.Standing == providers.Matched {
			matched++
		}
	}
	if matched != 1 {
		t.Errorf("RULE-2: of %d references %d have a match, want 1", len(keys), matched)
	}
}
