package vault

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/devvault"
	"accord/providers/vaultapi"

	"github.com/google/go-cmp/cmp"
)

// CONN-1: the declared connection, else the one whose remote vault it is.
func TestContentSide(t *testing.T) {
	names := connectionByType("promomats_crm")
	standard := connectionRecord{ID: "1", API: "promomats_crm__v", Remote: "1002", Active: true}
	second := connectionRecord{ID: "2", API: "promomats_crm_2__c", Remote: "1003", Active: true}
	double := connectionRecord{ID: "3", API: "promomats_crm_3__c", Remote: "1003", Active: true}
	other := connectionRecord{ID: "4", API: "spark_c", Remote: "1003", Active: true}
	for name, c := range map[string]struct {
		records  []connectionRecord
		declared string
		crm      int64
		want     string // id, "" none, else the error
	}{
		"standard":            {[]connectionRecord{standard, second}, "", 1002, "1"},
		"duplicate":           {[]connectionRecord{standard, second, other}, "", 1003, "2"},
		"none":                {[]connectionRecord{standard}, "", 1003, ""},
		"ambiguous":           {[]connectionRecord{second, double}, "", 1003, "several connections of the content vault lead to vault 1003: promomats_crm_2__c, promomats_crm_3__c; write content_api_name"},
		"declared":            {[]connectionRecord{second, double}, "promomats_crm_3__c", 1003, "3"},
		"declared, another's": {[]connectionRecord{standard}, "promomats_crm__v", 1003, "the connection promomats_crm__v of the content vault is with vault 1002, not with vault 1003"},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := contentSide(c.records, names, c.declared, c.crm)
			got := ""
			if r != nil {
				got = r.ID
			}
			if err != nil {
				got = err.Error()
			}
			if got != c.want {
				t.Errorf("CONN-1: got %q, want %q", got, c.want)
			}
		})
	}
}

// CONN-2 and CONN-3, as tables over what vaults say of themselves.
func TestEnvironments(t *testing.T) {
	vaultIn := func(environment, domain string) *vault { return &vault{environment: environment, domain: domain} }
	for _, c := range []struct {
		content, crm              *vault
		connect, toCRM, toContent bool
	}{
		{vaultIn(production, "a"), vaultIn(production, "a"), true, true, true},
		{vaultIn(sandbox, "a"), vaultIn(sandbox, "a"), true, true, true},
		{vaultIn(production, "a"), vaultIn(sandbox, "b"), true, true, false}, // the legal one with a direction
		{vaultIn(sandbox, "a"), vaultIn(production, "b"), true, false, true},
		{vaultIn(production, "a"), vaultIn(production, "b"), false, true, true},
		{vaultIn(sandbox, "a"), vaultIn(sandbox, "b"), false, true, true},
		{vaultIn(unproven, ""), vaultIn(sandbox, "b"), true, true, false},
		{vaultIn(unproven, ""), vaultIn(production, "b"), true, false, true}, // unproven counts as sandbox when read from
		{vaultIn(production, "a"), vaultIn(unproven, ""), true, true, false}, // and as production when written to
		{vaultIn(unproven, ""), vaultIn(unproven, ""), true, false, false},
	} {
		name := fmt.Sprintf("%s %q, %s %q", c.content.environment, c.content.domain, c.crm.environment, c.crm.domain)
		if got := mayConnect(c.content, c.crm) == ""; got != c.connect {
			t.Errorf("CONN-2: %s: %t, want %t", name, got, c.connect)
		}
		if got := mayFlow(c.content, c.crm); got != c.toCRM {
			t.Errorf("CONN-3: to the CRM vault, %s: %t, want %t", name, got, c.toCRM)
		}
		if got := mayFlow(c.crm, c.content); got != c.toContent {
			t.Errorf("CONN-3: to the content vault, %s: %t, want %t", name, got, c.toContent)
		}
	}
}

// CONN-3 as planned, per point and direction, on a production content vault
// with a sandbox CRM vault; and the routing from the filter in memory.
func TestSandboxOnProduction(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spec{"promomats", "promomats", production, ""}, spec{"crm-a", "crm", sandbox, ""})
	w.tie("promomats", "crm-a")
	w.countries("promomats")
	w.connect(false)
	c := w.crms(map[string][]string{"a": {"United States"}})
	problems := c.plan()
	if diff := cmp.Diff([]string{`CONN-3 integration_point.clm_country["a"] /status`}, errorsOf(problems)); diff != "" {
		t.Fatalf("CONN-3 (-want +got)\n%s", diff)
	}
	for _, d := range problems {
		if d.Code == "CONN-3" && (!d.Refused || !strings.Contains(d.Summary, "vault.promomats") || !strings.Contains(d.Summary, `vault.crm["a"]`) || !strings.Contains(d.Summary, "CLM Country")) {
			t.Errorf("CONN-3: it names both vaults and the point, and is refused: %+v", d)
		}
	}
	for n, o := range c.objects {
		if o.Addr.Name == "clm_country" || o.Addr.Name == "country" {
			body := map[string]any{"status": "inactive"}
			if o.Type == "integration" {
				body["connection"], body["type"] = `connection.crm["a"]`, "country"
			} else {
				body["integration"], body["name"] = `integration.country["a"]`, "clm_country"
			}
			c.objects[n] = w.object(o.Addr, body)
		}
	}
	c.apply()
	clm := c.syncs()[`integration_point.clm_presentation["a"]`]
	if !clm.Active || clm.Route.Lookup == nil || cmp.Diff([]string{"us__v"}, clm.Route.Lookup.Values) != "" || clm.Route.Lookup.End.Stream != streamCountry {
		t.Errorf("CONN-3: CLM is routed by %+v, active %t %s", clm.Route, clm.Active, clm.Idle)
	}
	country := c.syncs()[`integration_point.clm_country["a"]`]
	if country.Active {
		t.Error("CONN-3: the country sync is active")
	}
	r := w.write(country, providers.Write{Verb: providers.WriteCreate, Part: partCountry, Key: "00C000000000001", Fields: []byte(`{"name__v":"x"}`)})
	if r[0].Err == nil || r[0].Err.Kind != providers.Refused {
		t.Errorf("CONN-3: before the first write: %+v", r[0])
	}
}

// CONN-7: pending on either side refuses the plan and names who must approve.
func TestPendingConnection(t *testing.T) {
	t.Parallel()
	for pending, want := range map[string]string{"crm": `pending in vault.crm["a"]`, "content": "pending in vault.promomats", "both": `pending in vault.promomats and vault.crm["a"]`} {
		w := newWorld(t, spec{"promomats", "promomats", production, ""}, spec{"crm-a", "crm", production, ""})
		if err := w.server.Connect(devvault.ConnectSpec{Content: "promomats", CRM: "crm-a", Pending: pending}, w.url); err != nil {
			t.Fatal(err)
		}
		w.connect(true)
		c := w.config(w.object(keyed("connection", "crm", "a"), map[string]any{"type": "promomats_crm", "content": "vault.promomats", "crm": `vault.crm["a"]`}))
		problems := c.plan()
		if len(problems) != 1 || !problems[0].Refused || !strings.Contains(problems[0].Summary, want) {
			t.Errorf("CONN-7: pending %s: %+v", pending, problems)
		}
	}
}

// What is wrong is said before any vault is asked: CONN-1, CONN-5, INT-1,
// CLM-3, CTRY-1, the names of credentials.
func TestValidate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	vaultBody := func(kind, url string) map[string]any {
		return map[string]any{"kind": kind, "environment": production, "url": url}
	}
	connection := func(name, typ, content string) providers.Object {
		return w.object(addrs.New("connection", name), map[string]any{"type": typ, "content": "vault." + content, "crm": "vault.crm"})
	}
	crm := w.object(addrs.New("vault", "crm"), vaultBody("crm", "dev://crm"))
	promomats := w.object(addrs.New("vault", "promomats"), vaultBody("promomats", "dev://promomats"))
	medcomms := w.object(addrs.New("vault", "medcomms"), vaultBody("medcomms", "dev://medcomms"))
	medical, promo := connection("medical", "medical_crm", "medcomms"), connection("promo", "promomats_crm", "promomats")
	base := []providers.Object{crm, promomats, medcomms, medical, promo}
	for name, c := range map[string]struct {
		objects []providers.Object
		want    []string
	}{
		"all is well":        {nil, nil},
		"another vault kind": {[]providers.Object{connection("x", "promomats_crm", "medcomms")}, []string{"CONN-1 connection.x /content"}},
		"CONN-1: a second content vault": {[]providers.Object{
			w.object(addrs.New("vault", "p2"), vaultBody("promomats", "dev://p2")), connection("x", "promomats_crm", "p2"),
		}, []string{"CONN-1 connection.x /content"}},
		"CONN-5": {[]providers.Object{w.object(addrs.New("integration", "x"), map[string]any{"connection": "connection.medical", "type": "records", "status": "active"})},
			[]string{"CONN-5 integration.x /type"}},
		"a vault with the variables of another one's reader": {[]providers.Object{
			w.object(addrs.New("vault", "crm_read"), vaultBody("crm", "dev://x")),
		}, []string{"CREDENTIALS vault.crm_read "}},
		"a point that is not there": {[]providers.Object{
			w.object(addrs.New("integration", "clm"), map[string]any{"connection": "connection.promo", "type": "clm", "status": "active"}),
			w.object(addrs.New("integration_point", "x"), map[string]any{"integration": "integration.clm", "name": "clm_presentations", "status": "active"}),
		}, []string{"INT-1 integration_point.x /name"}},
		"a point of another integration": {[]providers.Object{
			w.object(addrs.New("integration", "clm"), map[string]any{"connection": "connection.promo", "type": "clm", "status": "active"}),
			w.object(addrs.New("integration_point", "x"), map[string]any{"integration": "integration.clm", "name": "clm_country", "status": "active"}),
		}, []string{"INT-1 integration_point.x /name"}},
		"CLM-10: no engine but accord's for the object model": {[]providers.Object{
			w.object(addrs.New("integration", "clm"), map[string]any{"connection": "connection.promo", "type": "clm", "status": "active"}),
			w.object(addrs.New("integration_point", "x"), map[string]any{"integration": "integration.clm", "name": "clm_object_model", "status": "active", "engine": "platform"}),
		}, []string{"CLM-10 integration_point.x /engine"}},
		"CLM-1: a point that moves no content leaves none": {[]providers.Object{
			w.object(addrs.New("integration", "country"), map[string]any{"connection": "connection.promo", "type": "country", "status": "active"}),
			w.object(addrs.New("integration_point", "x"), map[string]any{"integration": "integration.country", "name": "clm_country", "status": "active", "on_unapproved": "keep"}),
		}, []string{"CLM-1 integration_point.x /on_unapproved"}},
		"CLM-3": {[]providers.Object{w.object(addrs.New("field_rule", "x"), map[string]any{"connection": "connection.promo", "source": "name__v", "target": "type__v", "applies_to": []string{"slides__v"}})},
			[]string{"CLM-3 field_rule.x /applies_to/0", "CLM-3 field_rule.x /target"}},
		"CTRY-1: no country": {[]providers.Object{w.object(addrs.New("country_filter", "x"), map[string]any{"connection": "connection.promo"})}, []string{"CTRY-1 country_filter.x "}},
		"CTRY-1: one filter for all connections of a CRM vault": {[]providers.Object{
			w.object(addrs.New("country_filter", "x"), map[string]any{"connection": "connection.promo", "countries": []string{"us__v"}}),
			w.object(addrs.New("country_filter", "y"), map[string]any{"connection": "connection.medical", "countries": []string{"ca__v"}}),
		}, []string{"CTRY-1 country_filter.y "}},
		"CTRY-1: both words": {[]providers.Object{w.object(addrs.New("country_filter", "x"), map[string]any{"connection": "connection.promo", "countries": []string{"us__v"}, "all_countries": true})},
			[]string{"CTRY-1 country_filter.x /all_countries"}},
		"an id is missing":   {[]providers.Object{w.object(addrs.New("vault", "real"), vaultBody("crm", "https://acme.veevavault.com"))}, []string{" vault.real /id"}},
		"no address":         {[]providers.Object{w.object(addrs.New("vault", "real"), vaultBody("crm", "http://acme.veevavault.com"))}, []string{" vault.real /url"}},
		"one variable twice": {[]providers.Object{w.object(keyed("vault", "crm", "eu west"), vaultBody("crm", "dev://a")), w.object(keyed("vault", "crm", "eu-west"), vaultBody("crm", "dev://b"))}, []string{`CREDENTIALS vault.crm["eu-west"] `}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, errorsOf(New().Validate(t.Context(), append(append([]providers.Object{}, base...), c.objects...)))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
	// Advice: CTRY-9 and INT-3.
	second := w.object(addrs.New("connection", "second"), map[string]any{"type": "promomats_crm", "content": "vault.promomats", "crm": "vault.crm2"})
	advice := New().Validate(t.Context(), append(base, second,
		w.object(addrs.New("vault", "crm2"), vaultBody("crm", "dev://crm2")),
		w.object(addrs.New("country_filter", "idle"), map[string]any{"connection": "connection.second", "countries": []string{"us__v"}}),
		w.object(addrs.New("integration", "clm"), map[string]any{"connection": "connection.second", "type": "clm", "status": "inactive"}),
		w.object(addrs.New("integration_point", "clm"), map[string]any{"integration": "integration.clm", "name": "clm_presentation", "status": "active"})))
	var got []string
	for _, d := range advice {
		got = append(got, fmt.Sprintf("%s %s %s", d.Severity, d.Code, d.Addr))
	}
	if diff := cmp.Diff([]string{"warning INT-3 integration_point.clm", "warning CTRY-9 connection.promo", "warning CTRY-9 country_filter.idle"}, got); diff != "" {
		t.Errorf("advice (-want +got)\n%s", diff)
	}
	// CTRY-9: the filter that two connections share does its work on one of them.
	part := func(typ, name string, body map[string]any) providers.Object {
		return w.object(addrs.New(typ, name), body)
	}
	shared := New().Validate(t.Context(), append(base,
		part("country_filter", "shared", map[string]any{"connection": "connection.promo", "countries": []string{"us__v"}}),
		part("integration", "country", map[string]any{"connection": "connection.medical", "type": "country", "status": "active"}),
		part("integration_point", "country", map[string]any{"integration": "integration.country", "name": "clm_country", "status": "active"}),
		part("integration", "clm", map[string]any{"connection": "connection.promo", "type": "clm", "status": "active"}),
		part("integration_point", "clm", map[string]any{"integration": "integration.clm", "name": "clm_presentation", "status": "active"})))
	if len(shared) != 1 || shared[0].Summary != "The filter has no effect on what comes by connection.promo unless the Country Integration is active in the vault" {
		t.Errorf("a shared filter: %+v", shared)
	}
	// CTRY-9: it certainly has none where a block deactivates the Country Integration.
	idle := New().Validate(t.Context(), append(base,
		part("country_filter", "idle", map[string]any{"connection": "connection.promo", "countries": []string{"us__v"}}),
		part("integration", "country", map[string]any{"connection": "connection.promo", "type": "country", "status": "inactive"})))
	if len(idle) != 1 || idle[0].Summary != "The filter has no effect" {
		t.Errorf("a filter under an inactive Country Integration: %+v", idle)
	}
	// CTRY-9: where the Country Integration is active, a filter that no block names
	// routes all the same; and it may be so where no block says anything of it.
	for country, says := range map[string]string{active: "what the filter in the vault lets through", inactive: "It receives all content.", "": "unless the Country Integration is active in the vault"} {
		objects := append(base, second,
			part("vault", "crm2", vaultBody("crm", "dev://crm2")),
			part("country_filter", "promo", map[string]any{"connection": "connection.promo", "countries": []string{"us__v"}}))
		if country != "" {
			objects = append(objects,
				part("integration", "country", map[string]any{"connection": "connection.second", "type": "country", "status": country}),
				part("integration_point", "country", map[string]any{"integration": "integration.country", "name": "clm_country", "status": country}))
		}
		advice := New().Validate(t.Context(), objects)
		if !slices.ContainsFunc(advice, func(d providers.Diagnostic) bool {
			return d.Addr == second.Addr && strings.Contains(d.Detail, says)
		}) {
			t.Errorf("CTRY-9, %s: %+v", country, advice)
		}
	}
	// CONN-3, as far as is declared, by the direction in which a point moves its data.
	for _, c := range []struct{ content, crm, says string }{
		{production, sandbox, "integration_point.country: The point would move data from vault.small (sandbox) to vault.big (production), which a plan refuses"},
		{sandbox, production, "integration_point.clm: The point would move data from vault.big (sandbox) to vault.small (production), which a plan refuses"},
		{sandbox, sandbox, ""}, {production, production, ""},
	} {
		vault := func(name, kind, environment string) providers.Object {
			return part("vault", name, map[string]any{"kind": kind, "environment": environment, "url": "dev://" + name})
		}
		var got string
		for _, d := range New().Validate(t.Context(), []providers.Object{
			vault("big", "promomats", c.content), vault("small", "crm", c.crm),
			part("connection", "x", map[string]any{"type": "promomats_crm", "content": "vault.big", "crm": "vault.small"}),
			part("integration", "country", map[string]any{"connection": "connection.x", "type": "country", "status": "active"}),
			part("integration_point", "country", map[string]any{"integration": "integration.country", "name": "clm_country", "status": "active"}),
			part("integration", "clm", map[string]any{"connection": "connection.x", "type": "clm", "status": "active"}),
			part("integration_point", "clm", map[string]any{"integration": "integration.clm", "name": "clm_presentation", "status": "active"}),
		}) {
			got += d.Addr.String() + ": " + d.Summary
		}
		if got != c.says {
			t.Errorf("CONN-3, %s → %s: %q, want %q", c.content, c.crm, got, c.says)
		}
	}
}

// Configure: one clear error for each thing that is wrong, of the right kind.
func TestConnect(t *testing.T) {
	w := newWorld(t, spec{"promomats", "promomats", production, ""}, spec{"crm-a", "crm", sandbox, ""})
	good := w.vaults[1]
	connect := func(body map[string]any, change func(*providers.Endpoint)) *providers.Error {
		p := New()
		defer p.Close()
		o := w.object(keyed("vault", "crm", "a"), body)
		e := w.endpoints()[good.Addr]
		if change != nil {
			change(&e)
		}
		return p.Configure(t.Context(), providers.Config{Instances: []providers.Object{o}, Endpoints: map[addrs.Instance]providers.Endpoint{o.Addr: e}})[0].Err
	}
	body := func(kind, environment string) map[string]any {
		return map[string]any{"kind": kind, "environment": environment, "url": "dev://crm-a"}
	}
	if err := connect(body("crm", sandbox), nil); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		body   map[string]any
		change func(*providers.Endpoint)
		kind   providers.Kind
		say    string
	}{
		"another kind":        {body("promomats", sandbox), nil, providers.Access, "is a crm vault"},
		"another environment": {body("crm", production), nil, providers.Access, "says that it is sandbox"},
		"another user":        {body("crm", sandbox), func(e *providers.Endpoint) { e.User = "nobody@crm-a.dev" }, providers.Access, ""},
		"another vault":       {body("crm", sandbox), func(e *providers.Endpoint) { e.ID = 4711 }, providers.Access, "4711"},
		"no password":         {body("crm", sandbox), func(e *providers.Endpoint) { e.PasswordFile = "" }, providers.Access, "ACCORD_VAULT_CRM_A_USER"},
	} {
		err := connect(c.body, c.change)
		if err == nil || err.Kind != c.kind || !strings.Contains(err.Error()+err.Advice, c.say) {
			t.Errorf("%s: %+v", name, err)
		}
	}
	t.Setenv("ACCORD_VAULT_CRM_A_USER", "admin@crm-a.dev")
	t.Setenv("ACCORD_VAULT_CRM_A_PASSWORD", "wrong, and never shown")
	err := connect(body("crm", sandbox), nil)
	if err == nil || err.Kind != providers.Access || strings.Contains(fmt.Sprintf("%+v", err), "never shown") {
		t.Errorf("a wrong password: %+v", err)
	}
	if w.writes() != 0 {
		t.Error("Configure wrote")
	}
}

// RULE-3 and RULE-4 and unknown countries: errors at their place, when planned.
func TestPlannedMistakes(t *testing.T) {
	t.Parallel()
	w := oneCRM(t)
	connection := w.object(keyed("connection", "crm", "a"), map[string]any{"type": "promomats_crm", "content": "vault.promomats", "crm": `vault.crm["a"]`})
	at := `connection.crm["a"]`
	rule := func(name, source, target string) providers.Object {
		return w.object(addrs.New("field_rule", name), map[string]any{"connection": at, "source": source, "target": target})
	}
	c := w.config(connection,
		w.object(addrs.New("country_filter", "x"), map[string]any{"connection": at, "countries": []string{"Canada", "Untied States"}}),
		w.object(addrs.New("query_rule", "x"), map[string]any{"connection": at, "status": "inactive"}),
		rule("source", "brnd__c", "title__v"), rule("target", "brand__c", "tilte__v"), rule("types", "crm_start_date__v", "crm_training__v"),
		rule("readonly", "name__v", "link_status__v"), rule("fine", "brand__c", "title__v"),
	)
	problems := c.plan()
	want := []string{"CTRY-1 country_filter.x /countries/1", "RULE-3 field_rule.readonly /target", "RULE-3 field_rule.source /source",
		"RULE-3 field_rule.target /target", "RULE-3 field_rule.types /target", "RULE-4 query_rule.x /status"}
	if diff := cmp.Diff(want, errorsOf(problems)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	for _, d := range problems {
		switch d.Path {
		case "/countries/1":
			if !strings.Contains(d.Summary, `did you mean "United States"?`) {
				t.Errorf("no suggestion: %s", d.Summary)
			}
		case "/status":
			if !d.Refused {
				t.Errorf("RULE-4 is a protection: %+v", d)
			}
		}
	}
}

// CTRY-13: the record of another vault stops everything of the connection.
func TestRefreshedSandbox(t *testing.T) {
	t.Parallel()
	w := oneCRM(t)
	c := w.crms(map[string][]string{"a": {"United States"}})
	c.apply()
	v := vaultOf(w, "crm-a")
	settings, err := v.settingsRecords(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := settingsOf(settings, "clm")
	if err != nil {
		t.Fatal(err)
	}
	if r.CRM != "1002" {
		t.Errorf("CTRY-13: vault_crm_id__v is %q, want the CRM vault's own id", r.CRM)
	}
	if err := vaultapi.FirstError(v.client.UpdateRecords(t.Context(), objSettings, []vaultapi.Fields{{"id": r.ID, "vault_crm_id__v": "1234"}})); err != nil {
		t.Fatal(err)
	}
	problems := c.plan()
	if len(problems) != 1 || problems[0].Code != "CTRY-13" || !problems[0].Refused || !strings.Contains(problems[0].Summary, "vault 1234") {
		t.Errorf("CTRY-13: %+v", problems)
	}
	for addr, s := range c.syncs() {
		found := w.obstacles(s)
		if len(found) != 1 || found[0].Code != "CTRY-13" || !found[0].Refused || found[0].Addr != keyed("country_filter", "crm", "a") {
			t.Errorf("CTRY-13: %s is not stopped: %+v", addr, found)
		}
	}
}

// CTRY-12: a country run that did not leave a record for every filter value
// that a country holds is an error, and no success.
func TestVerifyCountries(t *testing.T) {
	countries := []countryRecord{{"1", "United States", []string{"us__v"}}, {"2", "Canada", []string{"ca__v"}}, {"9", "Global", []string{"ca__v", "us__v"}}}
	for _, c := range []struct {
		records []string
		values  []string
		want    []string
	}{
		{[]string{"1", "9"}, []string{"us__v"}, nil},
		{[]string{"1"}, []string{"us__v", "ca__v"}, []string{"ca__v"}},
		{[]string{"9"}, []string{"us__v", "ca__v"}, nil},
		{nil, []string{"mx__v"}, nil}, // no country holds it: CTRY-9 has warned
	} {
		var records []connectionCountry
		for _, id := range c.records {
			records = append(records, connectionCountry{Country: id})
		}
		if diff := cmp.Diff(c.want, missingCountries(countries, records, c.values)); diff != "" {
			t.Errorf("CTRY-12: %v (-want +got)\n%s", c, diff)
		}
	}

	w := oneCRM(t)
	conf := w.crms(map[string][]string{"a": {"United States"}})
	conf.apply()
	sync := conf.syncs()[`integration_point.clm_country["a"]`]
	err := w.p.Finish(t.Context(), providers.Run{Sync: sync, Started: w.clock.Now(), Clean: true})
	if err == nil || !strings.Contains(err.Error(), "CTRY-12") {
		t.Errorf("CTRY-12: nothing was written, and Finish says %v", err)
	}
	if s := conf.syncs()[sync.Addr.String()]; s.LRT.IsZero() || !s.LSRT.IsZero() {
		t.Errorf("CLM-8: LRT %v is set, LSRT %v is not", s.LRT, s.LSRT)
	}
}

// INT-6: an administrator clears LSRT while a run is under way, or was decided
// already. The run does not take that for its own: what was asked for stays so.
func TestClearedMeanwhile(t *testing.T) {
	t.Parallel()
	w := oneCRM(t)
	conf := w.crms(map[string][]string{"a": {"United States"}})
	conf.apply()
	country := func() providers.Sync { return conf.syncs()[`integration_point.clm_country["a"]`] }
	w.runCountries(country())
	decided := country()
	if decided.LSRT.IsZero() {
		t.Fatal("CLM-8: LSRT is empty after a clean run")
	}
	w.set("crm-a", objPoint, decided.Title, vaultapi.Fields{fieldLSRT: nil})
	w.clock.pass(time.Minute)
	w.runCountries(decided)
	if s := country(); !s.LRT.Equal(w.clock.Now()) || !s.LSRT.IsZero() {
		t.Errorf("INT-6: LRT %v, LSRT %v: the request that was made meanwhile is lost", s.LRT, s.LSRT)
	}
	w.runCountries(country()) // the run that was asked for
	if s := country(); !s.LSRT.Equal(w.clock.Now()) {
		t.Errorf("CLM-8: LSRT %v, want %v", s.LSRT, w.clock.Now())
	}
}

// CLM-8: LRT is set by every run, LSRT by one without errors only.
func TestRunTimes(t *testing.T) {
	t.Parallel()
	w := oneCRM(t)
	conf := w.crms(map[string][]string{"a": {"United States"}})
	conf.apply()
	country := func() providers.Sync { return conf.syncs()[`integration_point.clm_country["a"]`] }
	clean := w.clock.Now()
	w.runCountries(country())
	w.clock.pass(time.Minute)
	if err := w.p.Finish(t.Context(), providers.Run{Sync: country(), ID: "run", Started: w.clock.Now(), Failed: 1}); err != nil {
		t.Fatal(err)
	}
	if s := country(); !s.LRT.Equal(w.clock.Now()) || !s.LSRT.Equal(clean) {
		t.Errorf("CLM-8: LRT %v, want %v; LSRT %v, want %v", s.LRT, w.clock.Now(), s.LSRT, clean)
	}
}

// INT-7: the platform's engine and accord's never both. On a real vault accord
// runs only where the platform's own integration and point are inactive.
func TestBothEngines(t *testing.T) {
	w := oneCRM(t)
	// A real vault, as far as the provider can tell: it is reached by its URL.
	for n, o := range w.vaults {
		name := map[string]string{"vault.promomats": "promomats"}[o.Addr.String()]
		if name == "" {
			name = "crm-a"
		}
		kind := map[string]string{"promomats": "promomats", "crm-a": "crm"}[name]
		w.vaults[n] = w.object(o.Addr, map[string]any{"kind": kind, "environment": production, "url": w.url + "/" + name, "id": 1001 + n})
		t.Setenv(variableName(o.Addr)+"_USER", "admin@"+name+".dev")
		t.Setenv(variableName(o.Addr)+"_PASSWORD", "dev")
	}
	w.connect(false)
	c := w.crms(map[string][]string{"a": {"United States"}})
	c.apply()
	clm := `integration_point.clm_presentation["a"]`
	if s := c.syncs()[clm]; s.Engine != providers.EnginePlatform || !s.Active {
		t.Fatalf("INT-7: the default on a real vault: %+v", s)
	}
	engine := func(engine string) {
		for n, o := range c.objects {
			switch o.Addr.String() {
			case clm:
				c.objects[n] = w.object(o.Addr, map[string]any{"integration": `integration.clm["a"]`, "name": "clm_presentation", "status": "active", "engine": engine})
			case `integration.clm["a"]`:
				c.objects[n] = w.object(o.Addr, map[string]any{"connection": `connection.crm["a"]`, "type": "clm", "status": "active", "engine": engine})
			}
		}
	}
	engine(providers.EngineAccord)
	problems := c.plan()
	if diff := cmp.Diff([]string{`INT-7 integration.clm["a"] /engine`, `INT-7 integration_point.clm_presentation["a"] /engine`}, errorsOf(problems)); diff != "" {
		t.Errorf("INT-7 (-want +got)\n%s", diff)
	}
	for _, d := range problems {
		if d.Code == "INT-7" && !d.Refused {
			t.Errorf("INT-7 is a protection: %+v", d)
		}
	}
	// With the platform's own inactive, "active" lives in the state alone.
	v, _, err := (&Provider{transport: vaultapi.NewTransport()}).dial(t.Context(), providers.Config{Instances: w.vaults}, vaultAddr("crm-a"), instanceBody{Kind: kindCRM, Environment: production, URL: w.url + "/crm-a", BurstShare: "80%"})
	if err != nil {
		t.Fatal(err)
	}
	for object, read := range map[string]func() ([]statusRecord, error){
		objIntegration: func() ([]statusRecord, error) { return v.integrationRecords(t.Context()) },
		objPoint:       func() ([]statusRecord, error) { return v.pointRecords(t.Context()) },
	} {
		list, err := read()
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			if strings.Contains(r.Name, "CLM Presentation") || strings.Contains(r.Name, "CLM Integration") {
				if err := vaultapi.FirstError(v.client.UpdateRecords(t.Context(), object, []vaultapi.Fields{{"id": r.ID, "status__v": "inactive__v"}})); err != nil && !strings.Contains(err.Error(), "NO_DATA") {
					t.Fatal(err)
				}
			}
		}
	}
	c.apply()
	points, err := v.pointRecords(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r := findRecord(points, "promomats_crm_clm_presentation__v", ""); r.Active {
		t.Error("INT-7: accord activated the platform's own point")
	}
	sync := c.syncs()[clm]
	if sync.Engine != providers.EngineAccord || !sync.Active {
		t.Errorf("INT-7: %+v", sync)
	}
	// Somebody activates the platform's: before every batch that is looked at.
	r := findRecord(points, "promomats_crm_clm_presentation__v", "")
	if err := vaultapi.FirstError(v.client.UpdateRecords(t.Context(), objPoint, []vaultapi.Fields{{"id": r.ID, "status__v": "active__v"}})); err != nil {
		t.Fatal(err)
	}
	results := w.write(sync, providers.Write{Verb: providers.WriteCreate, Part: partSlide, Key: keyOf("2"), Fields: []byte(`{"name__v":"Slide 1"}`)})
	if results[0].Err == nil || results[0].Err.Kind != providers.Refused || !strings.Contains(results[0].Err.Message, "INT-7") {
		t.Errorf("INT-7: %+v", results[0])
	}
}

// CONN-3, every integration point in every pair of environments: only the
// direction of its data counts.
func TestEveryPointInEveryEnvironment(t *testing.T) {
	toCRM := []string{"clm_presentation", "clm_object_model", "approved_email", "document_transfer"}
	toContent := []string{"clm_country", "content_metrics"}
	for _, content := range []string{production, sandbox, unproven} {
		for _, crm := range []string{production, sandbox, unproven} {
			l := &link{content: &vault{addr: vaultAddr("promomats"), environment: content}, crm: &vault{addr: vaultAddr("crm-a"), environment: crm}}
			for _, p := range points {
				// What is not proven counts as sandbox when read from, as production when written to.
				downOK := content == production || crm == sandbox
				upOK := crm == production || content == sandbox
				want := downOK && upOK
				switch {
				case slices.Contains(toCRM, p.Name):
					want = downOK
				case slices.Contains(toContent, p.Name):
					want = upOK
				}
				why := l.forbidden(integrationByType(p.Integration).Flow)
				if (why == "") != want {
					t.Errorf("CONN-3: %s of %s content and %s CRM: %q, want allowed %t", p.Name, content, crm, why, want)
				}
				if why != "" && (!strings.Contains(why, "vault.promomats") || !strings.Contains(why, `vault.crm["a"]`)) {
					t.Errorf("CONN-3: it does not name both vaults: %s", why)
				}
			}
		}
	}
}

// CONN-4, CONN-5: a medical_crm connection has the CLM and the Country
// Integration; another type on it is an error at validate.
func TestTypesOfConnections(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	vaultOf := func(name, kind string) providers.Object {
		return w.object(addrs.New("vault", name), map[string]any{"kind": kind, "environment": production, "url": "dev://" + name})
	}
	for typ, content := range map[string]string{"promomats_crm": "promomats", "medical_crm": "medcomms"} {
		base := []providers.Object{vaultOf("crm", "crm"), vaultOf(content, content),
			w.object(addrs.New("connection", "c"), map[string]any{"type": typ, "content": "vault." + content, "crm": "vault.crm"})}
		for _, i := range integrations {
			o := w.object(addrs.New("integration", "x"), map[string]any{"connection": "connection.c", "type": i.Type, "status": "active"})
			got := errorsOf(New().Validate(t.Context(), append(slices.Clone(base), o)))
			refused := typ == "medical_crm" && i.Type != "clm" && i.Type != "country"
			if refused != slices.Equal(got, []string{"CONN-5 integration.x /type"}) || !refused && got != nil {
				t.Errorf("CONN-5: %s on %s: %v", i.Type, typ, got)
			}
		}
	}
}

// RULE-1: field rules belong to the integration rule of their connection's type,
// and are there in the vault under its name.
func TestIntegrationRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spec{"promomats", "promomats", production, ""}, spec{"medcomms", "medcomms", production, ""}, spec{"crm-a", "crm", production, ""})
	w.tie("promomats", "crm-a")
	w.tie("medcomms", "crm-a")
	w.connect(false)
	var objects []providers.Object
	for typ, content := range map[string]string{"promomats_crm": "promomats", "medical_crm": "medcomms"} {
		objects = append(objects, w.object(addrs.New("connection", content), map[string]any{"type": typ, "content": "vault." + content, "crm": `vault.crm["a"]`}),
			w.object(addrs.New("field_rule", content), map[string]any{"connection": "connection." + content, "source": "title__v", "target": "description__v"}))
	}
	c := w.config(objects...)
	c.apply()
	for rule, other := range map[string]string{
		"promomats_crm_clm_presentation_iir__v": "promomats_crm", "medical_crm_clm_presentation_iir__v": "medical_crm",
	} {
		if names := connectionByType(other); names.Rule != rule {
			t.Errorf("RULE-1: %s has the rule %s, want %s", other, names.Rule, rule)
		}
		r, err := vaultOf(w, "crm-a").integrationRule(t.Context(), rule)
		if err != nil || len(r.FieldRules) != 1 || r.byPairOfRule[[2]string{"title__v", "description__v"}] == nil {
			t.Errorf("RULE-1: %s: %+v %v", rule, r, err)
		}
	}
}

// CONN-7 again at the run: a connection that one side has taken back.
func TestPendingConnectionStopsRuns(t *testing.T) {
	t.Parallel()
	w := oneCRM(t)
	c := w.crms(map[string][]string{"a": {"United States"}})
	c.apply()
	v := vaultOf(w, "crm-a")
	records, err := v.connectionRecords(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(records, func(r connectionRecord) bool { return r.API == "promomats_crm__v" })
	if err := vaultapi.FirstError(v.client.UpdateRecords(t.Context(), objConnection, []vaultapi.Fields{{"id": records[at].ID, "status__v": "inactive__v"}})); err != nil {
		t.Fatal(err)
	}
	for addr, s := range c.syncs() {
		found := w.obstacles(s)
		if len(found) != 1 || found[0].Code != "CONN-7" || !found[0].Refused || !strings.Contains(found[0].Summary, `pending in vault.crm["a"]`) {
			t.Errorf("CONN-7: %s: %+v", addr, found)
		}
	}
}

// CTRY-2: what comes with a country that lists more than the filter has.
func TestCountriesThatListOthers(t *testing.T) {
	records := []countryRecord{{Name: "Canada", Values: []string{"ca__v"}}, {Name: "Europe", Values: []string{"de__v", "fr__v"}},
		{Name: "Global", Values: []string{"ca__v", "mx__v", "us__v"}}, {Name: "Blank"}}
	if diff := cmp.Diff([]string{"Global"}, lists(records, []string{"ca__v"})); diff != "" {
		t.Errorf("CTRY-2 (-want +got)\n%s", diff)
	}
}
