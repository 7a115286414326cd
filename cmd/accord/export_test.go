package main

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/planner"
	"accord/planner/plan"
	"accord/providers"
	"accord/providers/devvault"
)

// TestExportOfAnyVaults: whatever vaults hold, a plan of its export takes it
// over and changes nothing, and after an apply there is nothing left to do.
func TestExportOfAnyVaults(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	n := howMany(0, 12, 200)
	seen := map[string]int{}
	left := map[string]int{}
	for seed := range n {
		x := newStrange(t, uint64(seed))
		e := x.roundTrip()
		for typ, count := range e.Objects {
			seen[typ] += count
		}
		for _, l := range e.LeftOut {
			left[l.Why]++
		}
	}
	for _, typ := range []string{"connection", "permission_set", "country_filter", "integration", "integration_point", "query_rule", "field_rule"} {
		if seen[typ] == 0 {
			t.Errorf("no %s was exported", typ)
		}
	}
	t.Logf("%d worlds: exported %v, left out %v", n, seen, left)
}

// strange is a world whose vaults were configured by many hands.
type strange struct {
	*world
	r *rand.Rand
}

func newStrange(t *testing.T, seed uint64) *strange {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 0xe4))
	var crms []*crmConfig
	for n := range 1 + r.IntN(4) {
		c := &crmConfig{key: string(rune('a' + n))}
		if r.IntN(3) == 0 {
			c.environment = []string{"production", "sandbox"}[r.IntN(2)]
		}
		crms = append(crms, c)
	}
	w := newWorld(t, r.IntN(2) == 0, crms...)
	w.note("seed %d", seed)
	x := &strange{w, r}
	x.load(source, `{"record": "country__v", "key": "us", "fields": {"name__v": "United States", "country_cda__v": ["us__v"]}}
{"record": "country__v", "key": "ca", "fields": {"name__v": "Canada", "country_cda__v": ["ca__v"]}}
`)
	if r.IntN(3) == 0 {
		x.addVault("medcomms", "medcomms", environmentOf(w.prod))
		crm := crms[r.IntN(len(crms))]
		x.must(nil, x.server.Connect(devvault.ConnectSpec{Content: "medcomms", CRM: crm.vault()}, x.web.URL))
	}
	for _, c := range crms {
		x.configureByHand(c)
	}
	for _, vault := range append(x.vaultNames(), source) {
		x.sets(vault)
	}
	return x
}

// configureByHand sets a CRM vault up as its admins might have.
func (x *strange) configureByHand(c *crmConfig) {
	vault := c.vault()
	if countries := x.some("us__v", "ca__v", "mx__v", "de__v", "fr__v"); len(countries) > 0 && x.r.IntN(4) > 0 {
		for _, row := range x.query(vault, "SELECT id FROM connection_settings__v WHERE object_type__vr.api_name__v = 'clm_integration_settings__v'") {
			x.put(vault, "vobjects/connection_settings__v", "id", row["id"], "country_filter__v", strings.Join(countries, ","))
			if x.r.IntN(2) == 0 {
				x.put(vault, "vobjects/connection_settings__v", "id", row["id"], "vault_crm_id__v", x.ids[vault])
			}
		}
	}
	for _, object := range []string{"integration__sys", "integration_point__sys"} {
		for _, row := range x.query(vault, "SELECT id, name__v FROM "+object) {
			if x.r.IntN(2) == 0 {
				x.put(vault, "vobjects/"+object, "id", row["id"], "status__v", "active__v")
			}
		}
	}
	for _, row := range x.query(vault, "SELECT id FROM integration_point__sys") {
		if x.r.IntN(4) > 0 {
			at := x.clock.Now().Add(-time.Duration(x.r.IntN(20*24)) * time.Hour).UTC().Format("2006-01-02T15:04:05.000Z")
			x.put(vault, "vobjects/integration_point__sys", "id", row["id"], "last_run_time__sys", at, "last_successful_run_time__sys", at)
		}
	}
	for n := range x.r.IntN(6) {
		field := fmt.Sprintf("hand_%d__c", n)
		mdl := fmt.Sprintf(`{"mdl": "RECREATE Docfield %s (label('Hand %d'), active(true), required(false), shared(true), type('String'), max_length(100), display_section('general'));"}`+"\n", field, n)
		x.load(source, mdl)
		x.load(vault, mdl)
		text := fmt.Sprintf("ALTER Integrationrule promomats_crm_clm_presentation_iir__v ( ADD Fieldrule by_hand_%d__c (label('By hand %d'), active(true), query_object('documents'), query_field('%s'), query_field_type('String'), target_docfield('Docfield.%s')%s) );",
			n, n, field, field, []string{"", ", field_default('none')", ", field_default('${x} y')"}[x.r.IntN(3)])
		x.load(vault, fmt.Sprintf("{\"mdl\": %q}\n", text))
	}
	if x.r.IntN(3) == 0 {
		x.load(vault, `{"mdl": "ALTER Integrationrule promomats_crm_clm_presentation_iir__v ( MODIFY Queryobjectrule approved_only__v ( active(false) ) );"}`+"\n")
	}
}

// sets makes permission sets, some the same in each vault.
func (x *strange) sets(vault string) {
	object := "country__v"
	if strings.HasPrefix(vault, "crm") {
		object = "keyword__v"
	}
	grants := []string{"Vaultaction api_access__v(granted(true))", "Vaultaction manage_connections__v(granted(true))", "Vaultaction manage_integrations__v(granted(true))",
		"Objectpermission " + object + "(read(true), create(true))", "Objectpermission " + object + "(read(true))"}
	for _, name := range x.some("field_teams__c", "café__c", "for__c", "in__c", "readers__c", "readers_2__c", "123__c") {
		if strings.ContainsAny(name, "é1") {
			name = "x_" + strings.ReplaceAll(name, "é", "e")
		}
		chosen := slices.Clone(grants[:4])
		if x.r.IntN(3) == 0 {
			chosen = append(x.some(grants[:3]...), grants[3+x.r.IntN(2)])
		}
		label := []string{"Field teams", "Équipe «terrain»", "現場 ${x} 50 %{y}", "Say \\\"hi\\\""}[x.r.IntN(4)]
		if x.r.IntN(2) == 0 {
			label = "The same"
		}
		x.load(vault, fmt.Sprintf(`{"mdl": "RECREATE Permissionset %s (label('%s'), active(true), %s);"}`+"\n", name, label, strings.Join(chosen, ", ")))
	}
}

func (x *strange) some(of ...string) []string {
	return slices.DeleteFunc(slices.Clone(of), func(string) bool { return x.r.IntN(2) == 0 })
}

func (x *strange) put(vault, path string, pairs ...any) {
	x.t.Helper()
	form := url.Values{}
	for n := 0; n < len(pairs); n += 2 {
		form.Set(fmt.Sprint(pairs[n]), fmt.Sprint(pairs[n+1]))
	}
	x.must(x.call("PUT", vault, path, form))
}

// vaultsFile declares the vaults: CRM vaults in one block, or each in its own.
func (x *strange) vaultsFile() string {
	var b strings.Builder
	one := func(name, kind, environment, url string) {
		fmt.Fprintf(&b, "vault %q {\n  kind = %q\n  environment = %q\n  url = %q\n}\n", name, kind, environment, url)
	}
	for name := range x.ids {
		if !strings.HasPrefix(name, "crm-") {
			one(name, name, environmentOf(x.prod), "dev://"+name)
		}
	}
	if x.r.IntN(3) == 0 {
		for _, c := range x.crms {
			one("crm_"+c.key, "crm", c.environment, "dev://"+c.vault())
		}
		return b.String()
	}
	b.WriteString("vault \"crm\" {\n  for_each = {\n")
	for _, c := range x.crms {
		fmt.Fprintf(&b, "    %q = %q\n", c.key, c.environment)
	}
	b.WriteString("  }\n  kind = \"crm\"\n  environment = each.value\n  url = \"dev://crm-${each.key}\"\n}\n")
	return b.String()
}

// export exports the world as its files say, and reads only.
func (x *strange) export(alone bool) *planner.Export {
	x.t.Helper()
	ctx := context.Background()
	s := x.start(ctx, "export")
	defer s.Close()
	s.readOnly = true
	st, err := s.store.Read(ctx)
	x.must(nil, err)
	found, err := s.configure(objectsOf(s.desired.Instances))
	x.must(nil, err)
	x.server.Calls(true)
	e, diags := s.workspace.planner.Export(ctx, planner.ExportRequest{Instances: found, Desired: s.desired, State: st, Alone: alone, Dir: x.dir, Sources: s.config.Sources()})
	if diags.HasErrors() {
		x.fail("export: %v", diags)
	}
	for call := range x.writes() {
		x.fail("an export has written: %s", call)
	}
	for addr, err := range e.Unlisted {
		x.fail("%s could not be listed: %v", addr, err)
	}
	return e
}

func (x *strange) roundTrip() *planner.Export {
	x.t.Helper()
	ctx := context.Background()
	before := x.dumps()
	x.files = map[string]string{"main.hcl": x.vaultsFile()}
	alone := x.r.IntN(2) == 0
	e, again := x.export(alone), x.export(alone)
	if diff := cmp.Diff(fileTexts(e.Files), fileTexts(again.Files)); diff != "" {
		x.fail("two exports differ (-first +second)\n%s", diff)
	}
	if alone {
		x.files = map[string]string{}
	}
	maps.Copy(x.files, fileTexts(e.Files))
	for _, name := range slices.Sorted(maps.Keys(x.files)) {
		x.note("--- %s\n%s", name, x.files[name])
	}
	p, err := x.plan(ctx)
	x.must(nil, err)
	if len(p.Refusals) > 0 {
		x.fail("the plan is refused: %v", p.Refusals)
	}
	adopted, runs := map[string]int{}, 0
	for _, c := range p.Changes {
		adopted[c.Addr.Type]++
		if c.Action != providers.Adopt || c.Reason != plan.Imported {
			x.fail("the plan would %s %s (%s)", c.Action, c.Addr, c.Reason)
		}
		for _, edit := range c.Edits {
			if name := edit.Path.Root(); !edit.Computed && name != "engine" && name != "on_unapproved" { // accord's own
				x.fail("the plan changes %s of %s", edit.Path, c.Addr)
			}
		}
	}
	for _, s := range p.Steps {
		if s.Ref.Sync {
			runs++
		}
	}
	if diff := cmp.Diff(e.Objects, adopted); diff != "" || runs != len(e.Runs) {
		x.fail("exported and planned differ, %d runs and %d planned (-exported +planned)\n%s", len(e.Runs), runs, diff)
	}
	_, report, err := x.apply(ctx)
	x.must(nil, err)
	for _, f := range report.Failed {
		if f.Ref.Sync { // a run that the vault asks for may have its own reasons not to end well
			continue
		}
		x.fail("%s: %v", f.Ref.Addr, f.Err)
	}
	if runs == 0 && len(e.Fills) == 0 {
		if diff := cmp.Diff(before, x.dumps()); diff != "" {
			x.fail("applying the export changed a vault (-before +after)\n%s", diff)
		}
	}
	if p, err = x.plan(ctx); err != nil || len(p.Changes) > 0 || len(report.Failed) == 0 && !p.Empty() {
		x.fail("after the apply there is something to do: %v, %v", err, p.Changes)
	}
	return e
}

func (x *strange) dumps() map[string]string {
	out := map[string]string{}
	for name := range x.ids {
		out[name] = x.dump(name, "record")
	}
	return out
}

func (x *strange) vaultNames() []string {
	var names []string
	for _, c := range x.crms {
		names = append(names, c.vault())
	}
	return names
}

func fileTexts(files map[string][]byte) map[string]string {
	out := map[string]string{}
	for name, text := range files {
		out[name] = string(text)
	}
	return out
}
