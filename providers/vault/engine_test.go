package vault

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/providers"
	"accord/providers/vaultapi"
)

// platformCRM is one CRM vault whose CLM point is active and the platform's.
func platformCRM(t *testing.T) (*config, providers.Sync) {
	t.Helper()
	w := oneCRM(t)
	if err := w.server.SetEngine("crm-a", true); err != nil {
		t.Fatal(err)
	}
	c := w.crms(map[string][]string{"a": {"United States"}})
	c.engine(providers.EnginePlatform)
	c.apply()
	return c, c.syncs()[`integration_point.clm_presentation["a"]`]
}

// engine writes who moves the content into every integration and point.
func (c *config) engine(engine string) {
	for n, o := range c.objects {
		var body map[string]any
		if o.Type != "integration" && o.Type != "integration_point" {
			continue
		}
		if err := o.Decode(&body); err != nil {
			c.t.Fatal(err)
		}
		body["engine"] = engine
		c.objects[n] = c.object(o.Addr, body)
	}
}

// set writes fields of an object's only record whose name holds a text.
func (w *world) set(vault, object, name string, fields vaultapi.Fields) {
	w.t.Helper()
	v := w.dial(vault)
	rows, err := v.caller().page(w.t.Context(), "SELECT id, name__v FROM "+object+" PAGESIZE 100")
	if err != nil {
		w.t.Fatal(err)
	}
	at := slices.IndexFunc(rows.Rows, func(r row) bool { return strings.Contains(r.text("name__v"), name) })
	if at < 0 {
		w.t.Fatalf("no %s is called %q", object, name)
	}
	fields["id"] = rows.Rows[at].text("id")
	if err := vaultapi.FirstError(v.client.UpdateRecords(w.t.Context(), object, []vaultapi.Fields{fields})); err != nil {
		w.t.Fatal(err)
	}
}

// dial is a session of its own in a vault.
func (w *world) dial(name string) *vault {
	w.t.Helper()
	at := slices.IndexFunc(w.vaults, func(o providers.Object) bool { return o.Addr == vaultAddr(name) })
	var body instanceBody
	if err := w.vaults[at].Decode(&body); err != nil {
		w.t.Fatal(err)
	}
	v, _, err := (&Provider{transport: vaultapi.NewTransport()}).dial(w.t.Context(), providers.Config{Instances: w.vaults, Endpoints: w.endpoints()}, vaultAddr(name), body)
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

// INT-6, INT-7: a run is asked for by clearing Last Successful Run Time, once,
// and by nothing else; and only of an active point that is the platform's.
func TestAsk(t *testing.T) {
	t.Parallel()
	c, sync := platformCRM(t)
	const point = "CLM Presentation"
	ask := func(sync providers.Sync) (providers.EngineState, int) {
		c.writes()
		state := c.p.Ask(t.Context(), []providers.Sync{sync})[0]
		return state, c.writes()
	}
	if state, writes := ask(sync); state.Err != nil || writes != 0 || !state.LSRT.IsZero() {
		t.Errorf("INT-6: LSRT is empty, so that a run is asked for already: %+v and %d writes", state, writes)
	}
	c.set("crm-a", objPoint, point, vaultapi.Fields{fieldLRT: vaultapi.FormatTime(start), fieldLSRT: vaultapi.FormatTime(start)})
	before := c.dump("crm-a", "record")
	state, writes := ask(sync)
	if state.Err != nil || writes != 1 || !state.LSRT.Equal(start) || !state.LRT.Equal(start) || !state.Active {
		t.Errorf("INT-6: %+v and %d writes, want one", state, writes)
	}
	want := strings.Replace(before, `,"last_successful_run_time__sys":"2026-11-02T09:00:00.000Z"`, "", 1)
	if diff := cmp.Diff(strings.Split(want, "\n"), strings.Split(c.dump("crm-a", "record"), "\n")); diff != "" || want == before {
		t.Errorf("INT-6: more was written than the clearing of LSRT (-want +got)\n%s", diff)
	}
	if state, writes := ask(sync); state.Err != nil || writes != 0 {
		t.Errorf("INT-6: asked for twice: %+v and %d writes", state, writes)
	}
	ours := sync
	ours.Engine = providers.EngineAccord
	if state, writes := ask(ours); writes != 0 || state.Err == nil || state.Err.Kind != providers.Refused || !strings.Contains(state.Err.Message, `engine = "accord"`) {
		t.Errorf("INT-7: a point of accord's: %+v and %d writes", state, writes)
	}
	c.set("crm-a", objPoint, point, vaultapi.Fields{"status__v": "inactive__v", fieldLSRT: vaultapi.FormatTime(start)})
	if state, writes := ask(sync); writes != 0 || state.Err == nil || state.Err.Kind != providers.Refused || !strings.Contains(state.Err.Message, "inactive") || state.Err.Addr != sync.Addr {
		t.Errorf("INT-7: an inactive point: %+v and %d writes", state, writes)
	}
	// One sync that cannot be asked for does not keep another from being so.
	country := c.syncs()[`integration_point.clm_country["a"]`]
	if states := c.p.Ask(t.Context(), []providers.Sync{sync, country}); states[0].Err == nil || states[1].Err != nil {
		t.Errorf("INT-7: of two: %+v", states)
	}
}

// INT-7, ERR-1, ERR-2: what the vault says of a point is read: its open
// exceptions, not those that are settled or another point's, and what is
// published there, but for what is accord's.
func TestFollowReadsExceptions(t *testing.T) {
	t.Parallel()
	c, sync := platformCRM(t)
	v := c.dial("crm-a")
	points, err := v.pointRecords(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ours := findRecord(points, "promomats_crm_clm_presentation__v", "").ID
	other := findRecord(points, "promomats_crm_clm_country__v", "").ID
	follow := func() providers.EngineState {
		c.writes()
		state := c.p.Follow(t.Context(), []providers.Sync{sync})[0]
		if n := c.writes(); state.Err != nil || n != 0 {
			t.Fatalf("%v and %d writes", state.Err, n)
		}
		return state
	}
	said := func(state providers.EngineState) (out []string) {
		for _, x := range state.Exceptions {
			out = append(out, strings.TrimSpace(x.Key+" "+x.Message))
		}
		return out
	}
	create := func(object string, rows ...vaultapi.Fields) (made []string) {
		t.Helper()
		for _, r := range v.client.CreateRecords(t.Context(), object, rows) {
			if r.Err != nil {
				t.Fatal(r.Err)
			}
			made = append(made, string(r.ID))
		}
		return made
	}
	if state := follow(); state.Open != 0 || len(state.Exceptions) != 0 {
		t.Errorf("nothing failed: %+v", state)
	}
	// A message alone is one problem of the whole run.
	message := func(point, text, status string) vaultapi.Fields {
		return vaultapi.Fields{"name__v": text, "integration_point__sys": point, "error_message__sys": text, "error_type__sys": "configuration_error__sys", "status__v": status}
	}
	messages := create("exception_message__sys", message(ours, "The field brand__c is gone", "active__v"), message(ours, "An old one", "inactive__v"), message(other, "Another point's", "active__v"))
	state := follow()
	if diff := cmp.Diff([]string{"The field brand__c is gone"}, said(state)); diff != "" || state.Open != 1 || !state.Exceptions[0].At.Equal(start) {
		t.Errorf("ERR-1 (-want +got)\n%s%+v", diff, state)
	}
	item := func(point, of, doc, status string) vaultapi.Fields {
		return vaultapi.Fields{"name__v": "Item " + doc, "exception_message__sys": of, "integration_point__sys": point, "item__sys": doc,
			"error_message__sys": "Slide " + doc + " has no approved version", "error_type__sys": "item_processing_error__sys", "error_status__sys": status}
	}
	create("exception_item__sys", item(ours, messages[0], "17", "open__sys"), item(ours, messages[0], "18", "resolved__sys"), item(other, messages[2], "19", "open__sys"))
	state = follow()
	if diff := cmp.Diff([]string{keyOf("17") + " Slide 17 has no approved version"}, said(state)); diff != "" || state.Open != 1 {
		t.Errorf("ERR-2 (-want +got)\n%s%+v", diff, state)
	}
	var many []vaultapi.Fields
	for n := range 3 * firstExceptions {
		many = append(many, item(ours, messages[0], fmt.Sprint(100+n), "open__sys"))
	}
	create("exception_item__sys", many...)
	if state := follow(); state.Open != 1+3*firstExceptions || len(state.Exceptions) != firstExceptions {
		t.Errorf("%d are open and %d are named, want %d and %d", state.Open, len(state.Exceptions), 1+3*firstExceptions, firstExceptions)
	}
	// What carries a mark of accord's is not the platform's.
	c.load("promomats", `{"document": "s1", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Slide"}, "versions": [{"number": "1.0", "state": "approved__v"}]}`)
	c.load("crm-a", `{"crosslink": "theirs", "type": "slide__v", "lifecycle": "crm_content__v", "fields": {"name__v": "Slide"}, "source_vault": "promomats", "source": "s1", "rule": "Latest Steady State version", "versions": [{"number": "1.0", "state": "approved__v"}]}
{"crosslink": "accord:promomats_crm_clm_presentation__v:1001:000000000001", "type": "slide__v", "lifecycle": "crm_content__v", "fields": {"name__v": "Slide"}, "source_vault": "promomats", "source": "s1", "rule": "Latest Steady State version", "versions": [{"number": "1.0", "state": "approved__v"}]}`)
	if state := follow(); state.Published[partSlide] != 1 || state.Published[partPresentation] != 0 {
		t.Errorf("INT-7: published %v, want one slide", state.Published)
	}
	// A point that is gone, and a vault that is not connected, are errors of one sync.
	gone := sync
	gone.Title, gone.Target.Scope = "No such point", []byte(`{"point":"no_such_point__v","source":1001}`)
	lost := sync
	lost.Target.Instance = keyed("vault", "crm", "z")
	states := c.p.Follow(t.Context(), []providers.Sync{gone, lost, sync})
	if e := states[0].Err; e == nil || e.Kind != providers.NotFound || e.Addr != sync.Addr {
		t.Errorf("a point that is gone: %v", e)
	}
	if e := states[1].Err; e == nil || e.Kind != providers.Access {
		t.Errorf("a vault that is not connected: %v", e)
	}
	if states[2].Err != nil {
		t.Errorf("the third: %v", states[2].Err)
	}
}

// INT-7 on the development server, where accord's engine and a stand-in of the
// platform's can meet: both at once are refused, when planned and before every
// batch; and a point of the platform's that nobody runs is warned of.
func TestBesideAStandIn(t *testing.T) {
	t.Parallel()
	w := oneCRM(t)
	c := w.crms(map[string][]string{"a": {"United States"}})
	stand := func(on bool) {
		t.Helper()
		if err := w.server.SetEngine("crm-a", on); err != nil {
			t.Fatal(err)
		}
	}
	int7 := func() (out []string) {
		for _, d := range c.plan() {
			if d.Code == "INT-7" {
				out = append(out, fmt.Sprintf("%s refused=%v %s", d.Addr, d.Refused, d.Summary))
			}
		}
		slices.Sort(out)
		return out
	}
	if got := int7(); got != nil {
		t.Errorf("accord alone: %v", got)
	}
	c.apply()
	sync := c.syncs()[`integration_point.clm_presentation["a"]`]
	stand(true)
	want := []string{
		`integration_point.clm_country["a"] refused=true A stand-in of the platform's own engine runs "PromoMats-CRM: CLM Country" in vault.crm["a"]`,
		`integration_point.clm_presentation["a"] refused=true A stand-in of the platform's own engine runs "PromoMats-CRM: CLM Presentation Integration Point" in vault.crm["a"]`,
	}
	if diff := cmp.Diff(want, int7()); diff != "" {
		t.Errorf("INT-7: accord beside a stand-in (-want +got)\n%s", diff)
	}
	c.engine(providers.EnginePlatform)
	if got := int7(); got != nil {
		t.Errorf("INT-7: the stand-in alone: %v", got)
	}
	stand(false)
	w.clock.pass(time.Minute)
	if got := int7(); len(got) != 2 || !strings.Contains(got[0], `refused=false Nothing runs`) {
		t.Errorf("INT-7: nobody runs it: %v", got)
	}
	// The stand-in is switched on while a run of accord's writes: the batch that
	// comes after the vault has said so is refused.
	slide := func(doc string) providers.WriteResult {
		return w.write(sync, providers.Write{Verb: providers.WriteWithdraw, Part: partSlide, Key: keyOf(doc)})[0]
	}
	if r := slide("1"); r.Err != nil {
		t.Fatal(r.Err)
	}
	stand(true)
	slide("2") // its answers say so
	if r := slide("3"); r.Err == nil || r.Err.Kind != providers.Refused || !strings.Contains(r.Err.Message, "INT-7") {
		t.Errorf("INT-7: a batch beside a stand-in: %+v", r.Err)
	}
}
