package vault

import (
	"fmt"
	"slices"
	"testing"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/vaultapi"

	"github.com/google/go-cmp/cmp"
)

func keyed(typ, name, key string) addrs.Instance { return addrs.NewKeyed(typ, name, key) }

// crms is the example of the specification: one content vault, a CRM vault for
// each key, all blocks for each.
func (w *world) crms(filters map[string][]string) *config {
	var objects []providers.Object
	for _, kind := range []string{"connection", "permission_set", "country_filter", "integration country", "integration clm", "integration_point clm_country", "integration_point clm_presentation", "query_rule"} {
		for _, key := range slices.Sorted(mapsKeys(filters)) {
			connection := keyed("connection", "crm", key).String()
			var o providers.Object
			switch kind {
			case "connection":
				o = w.object(keyed("connection", "crm", key), map[string]any{"type": "promomats_crm", "content": "vault.promomats", "crm": keyed("vault", "crm", key).String()})
			case "permission_set":
				o = w.object(keyed("permission_set", "admin", key), map[string]any{"vault": keyed("vault", "crm", key).String(), "name": "clm_admin__c", "label": "CLM administration",
					"bundles": []string{"clm_integration", "country_integration"}, "vault_actions": []string{"manage_connections"}})
			case "country_filter":
				o = w.object(keyed("country_filter", "crm", key), map[string]any{"connection": connection, "countries": filters[key]})
			case "integration country":
				o = w.object(keyed("integration", "country", key), map[string]any{"connection": connection, "type": "country", "status": "active"})
			case "integration clm":
				o = w.object(keyed("integration", "clm", key), map[string]any{"connection": connection, "type": "clm", "status": "active"})
			case "integration_point clm_country":
				o = w.object(keyed("integration_point", "clm_country", key), map[string]any{"integration": keyed("integration", "country", key).String(), "name": "clm_country", "status": "active"})
			case "integration_point clm_presentation":
				o = w.object(keyed("integration_point", "clm_presentation", key), map[string]any{"integration": keyed("integration", "clm", key).String(), "name": "clm_presentation", "status": "active"})
			case "query_rule":
				o = w.object(keyed("query_rule", "approved_only", key), map[string]any{"connection": connection, "status": "active"})
			}
			objects = append(objects, o)
		}
	}
	return w.config(objects...)
}

func mapsKeys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func threeCRMs(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, spec{"promomats", "promomats", production, ""}, spec{"crm-a", "crm", production, ""}, spec{"crm-b", "crm", production, ""}, spec{"crm-c", "crm", production, ""})
	for _, key := range []string{"a", "b", "c"} {
		w.tie("promomats", "crm-"+key)
	}
	w.countries("promomats")
	w.connect(false)
	return w
}

// run is a country run without an engine: what the route takes is written,
// what it does not take is withdrawn.
func (w *world) runCountries(sync providers.Sync) {
	w.t.Helper()
	held := map[string]providers.Record{}
	for _, r := range w.read(providers.RecordsRequest{End: sync.Target}) {
		held[r.Key] = r
	}
	var creates, gone []providers.Write
	for _, r := range w.read(providers.RecordsRequest{End: sync.Source}) {
		taken := slices.ContainsFunc(r.Routes, func(v string) bool { return slices.Contains(sync.Route.Values, v) })
		old, there := held[r.Key]
		switch {
		case taken && !there:
			creates = append(creates, providers.Write{Verb: providers.WriteCreate, Part: r.Part, Key: r.Key, Title: r.Title, Fields: r.Fields})
		case !taken && there:
			gone = append(gone, providers.Write{Verb: providers.WriteWithdraw, Part: r.Part, Key: r.Key, ID: old.ID})
		}
	}
	for _, list := range [][]providers.Write{creates, gone} {
		for _, r := range w.write(sync, list...) {
			if r.Err != nil {
				w.t.Fatal(r.Err)
			}
		}
	}
	if err := w.p.Finish(w.t.Context(), providers.Run{Sync: sync, ID: "run", Started: w.clock.Now(), Clean: true}); err != nil {
		w.t.Fatalf("finish %s: %v", sync.Addr, err)
	}
}

func (w *world) connected(sync providers.Sync) []string {
	var names []string
	for _, r := range w.read(providers.RecordsRequest{End: sync.Target}) {
		names = append(names, r.Title)
	}
	slices.Sort(names)
	return names
}

// CTRY-4, exactly; and CTRY-3, CLM-8 on the way.
func TestWorkedExampleOfCountries(t *testing.T) {
	t.Parallel()
	w := threeCRMs(t)
	filters := map[string][]string{"a": {"United States"}, "b": {"United States", "Canada"}, "c": {"Mexico", "ca__v"}}
	c := w.crms(filters)
	c.apply()
	want := map[string][]string{"a": {"Global", "United States"}, "b": {"Canada", "Global", "United States"}, "c": {"Canada", "Global", "Mexico"}}
	syncs := c.syncs()
	for key := range want {
		w.runCountries(syncs[keyed("integration_point", "clm_country", key).String()])
	}
	for key, names := range want {
		if diff := cmp.Diff(names, w.connected(syncs[keyed("integration_point", "clm_country", key).String()])); diff != "" {
			t.Errorf("CTRY-4: Connection Countries of %s (-want +got)\n%s", key, diff)
		}
	}
	// CTRY-3: what nothing else in the filter asks for goes, Global stays.
	b := slices.IndexFunc(c.objects, func(o providers.Object) bool { return o.Addr == keyed("country_filter", "crm", "b") })
	c.objects[b] = w.object(c.objects[b].Addr, map[string]any{"connection": `connection.crm["b"]`, "countries": []string{"Canada"}})
	c.apply()
	sync := c.syncs()[keyed("integration_point", "clm_country", "b").String()]
	w.runCountries(sync)
	if diff := cmp.Diff([]string{"Canada", "Global"}, w.connected(sync)); diff != "" {
		t.Errorf("CTRY-3 (-want +got)\n%s", diff)
	}
	// CLM-8: both times are the start of the run.
	if s := c.syncs()[sync.Addr.String()]; !s.LRT.Equal(start) || !s.LSRT.Equal(start) {
		t.Errorf("CLM-8: LRT %v, LSRT %v, want %v", s.LRT, s.LSRT, start)
	}
}

// A second apply makes no write call, and finds nothing to do.
func TestSecondApplyWritesNothing(t *testing.T) {
	t.Parallel()
	w := threeCRMs(t)
	c := w.crms(map[string][]string{"a": {"United States"}, "b": {"us__v", "Canada"}, "c": {"Mexico"}})
	c.apply()
	if n := w.writes(); n == 0 {
		t.Fatal("the first apply wrote nothing")
	}
	c.plan()
	for _, o := range c.objects {
		r := c.planned[o.Addr]
		typ, _ := w.schema.Type(o.Type)
		live := c.live[o.Addr]
		if live == nil || r.Planned == nil {
			t.Fatalf("%s is not there", o.Addr)
		}
		var skip []string
		for _, a := range typ.Body.Attributes {
			if a.Volatile || a.Local {
				skip = append(skip, a.Name)
			}
		}
		if diff := cmp.Diff(without(live.Body, skip), without(r.Planned.Body, skip)); diff != "" {
			t.Errorf("%s is not as planned (-live +planned)\n%s", o.Addr, diff)
		}
	}
	c.apply()
	if n := w.writes(); n != 0 {
		t.Errorf("the second apply made %d writing calls", n)
	}
	calls := 0
	w.server.Calls(true)
	c.plan()
	for _, call := range w.server.Calls(true) {
		calls += call.Count
	}
	t.Logf("a plan of %d objects in 4 vaults takes %d calls", len(c.objects), calls)
	if calls > 60 {
		t.Errorf("a plan of %d objects takes %d calls", len(c.objects), calls)
	}
}

// CTRY-12: the order of steps on one connection.
func TestOrderOfSteps(t *testing.T) {
	t.Parallel()
	w := threeCRMs(t)
	c := w.crms(map[string][]string{"a": {"United States"}})
	if problems := errorsOf(c.plan()); problems != nil {
		t.Fatal(problems)
	}
	after := func(addr addrs.Instance) []string {
		var out []string
		for _, r := range c.planned[addr].After {
			out = append(out, fmt.Sprintf("%s %t", r.Addr, r.Sync))
		}
		slices.Sort(out)
		return out
	}
	country := `integration_point.clm_country["a"]`
	for addr, want := range map[addrs.Instance][]string{
		keyed("integration", "country", "a"):                {`country_filter.crm["a"] false`},
		keyed("integration", "clm", "a"):                    {country + " false", country + " true"},
		keyed("integration_point", "clm_presentation", "a"): {country + " false", country + " true"},
		keyed("integration_point", "clm_country", "a"):      nil, // after its integration, by reference
	} {
		if diff := cmp.Diff(want, after(addr)); diff != "" {
			t.Errorf("CTRY-12: %s (-want +got)\n%s", addr, diff)
		}
	}
	syncs := c.syncs()
	clm := syncs[`integration_point.clm_presentation["a"]`]
	if clm.Route.Table == nil || clm.Route.Table.String() != country || len(clm.After) != 1 {
		t.Errorf("CTRY-5: the CLM sync is routed by %+v, after %v", clm.Route, clm.After)
	}

	// Removal goes the other way round.
	c.apply()
	c.objects = nil
	c.plan()
	if diff := cmp.Diff([]string{`integration_point.clm_presentation["a"] false`}, after(keyed("integration_point", "clm_country", "a"))); diff != "" {
		t.Errorf("CTRY-12, removal (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{`integration.clm["a"] false`}, after(keyed("integration", "country", "a"))); diff != "" {
		t.Errorf("CTRY-12, removal (-want +got)\n%s", diff)
	}
}

// INT-4, RULE-4, CTRY-11, PERM-4: what taking everything out does.
func TestTakenOut(t *testing.T) {
	t.Parallel()
	w := threeCRMs(t)
	c := w.crms(map[string][]string{"a": {"United States"}})
	c.apply()
	c.objects = nil
	c.apply()
	if len(c.recorded) != 0 {
		t.Errorf("still remembered: %v", c.recorded)
	}
	w.connect(false)
	points, err := vaultOf(w, "crm-a").pointRecords(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range points {
		if p.Active {
			t.Errorf("INT-4: %s is still active", p.Name)
		}
	}
	settings, err := vaultOf(w, "crm-a").settingsRecords(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	filter, err := settingsOf(settings, "clm")
	if err != nil || len(filter.Values) != 1 {
		t.Errorf("CTRY-11: the filter is %+v, %v", filter, err)
	}
	set, err := vaultOf(w, "crm-a").permissionSet(t.Context(), "clm_admin__c")
	if err != nil || set == nil || len(set.grants()) != 0 {
		t.Errorf("PERM-4: the set is %v, %v", set, err)
	}
}

func vaultOf(w *world, name string) *vault {
	w.t.Helper()
	v, _, err := (&Provider{transport: vaultapi.NewTransport()}).dial(w.t.Context(), providers.Config{Endpoints: w.endpoints()}, vaultAddr(name), instanceBody{
		Kind: map[string]string{"promomats": "promomats", "medcomms": "medcomms"}[name], Environment: production, URL: "dev://" + name, BurstShare: "80%"})
	if err != nil {
		v, _, err = (&Provider{transport: vaultapi.NewTransport()}).dial(w.t.Context(), providers.Config{Endpoints: w.endpoints()}, vaultAddr(name), instanceBody{Kind: kindCRM, Environment: production, URL: "dev://" + name, BurstShare: "80%"})
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = v.reader.Close(w.t.Context()) })
	return v
}
