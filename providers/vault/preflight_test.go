package vault

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/devvault"
	"accord/providers/vaultapi"
)

// obstacles are what keeps a run of a sync from being made.
func (w *world) obstacles(sync providers.Sync) []providers.Diagnostic {
	w.t.Helper()
	if sync.Requires == nil {
		w.t.Fatalf("%s requires nothing", sync.Addr)
	}
	var found []providers.Diagnostic
	for _, r := range w.read(providers.RecordsRequest{End: *sync.Requires}) {
		var d providers.Diagnostic
		if err := json.Unmarshal(r.Fields, &d); err != nil {
			w.t.Fatal(err)
		}
		found = append(found, d)
	}
	return found
}

// limited adds a user with these grants in a vault, and says its id.
func (w *world) limited(vault, name, grants string) int64 {
	w.t.Helper()
	w.load(vault, fmt.Sprintf(`{"mdl": "RECREATE Permissionset %[1]s__c (label('Limited'), active(true), Vaultaction api_access__v(granted(true))%[2]s);"}
{"mdl": "RECREATE Securityprofile %[1]s__c (label('Limited'), active(true), permission_sets('%[1]s__c'));"}
`, name, grants))
	if err := w.server.AddUser(devvault.UserSpec{Name: name + "@" + vault + ".dev", Password: "dev", Vaults: map[string]string{vault: name + "__c"}}); err != nil {
		w.t.Fatal(err)
	}
	v := vaultOf(w, vault)
	for u, err := range v.reader.Users(w.t.Context(), false) {
		if err != nil {
			w.t.Fatal(err)
		}
		if u.Name == name+"@"+vault+".dev" {
			var id int64
			fmt.Sscan(string(u.ID), &id)
			return id
		}
	}
	w.t.Fatalf("%s was not made", name)
	return 0
}

// PERM-5: the user that accord logs in as, in both vaults: what is missing is
// told at once, whose and where; nothing that the run does not need.
func TestPreflightOfLogin(t *testing.T) {
	w := oneCRM(t)
	c := w.crms(map[string][]string{"a": {"United States"}})
	c.apply()
	for addr, s := range c.syncs() {
		if found := w.obstacles(s); found != nil {
			t.Errorf("PERM-5: an administrator lacks something for %s: %+v", addr, found)
		}
	}
	// Somebody who may read, and not more.
	read := func(objects ...string) string {
		text := ""
		for _, o := range objects {
			text += ", Objectpermission " + o + "(read(true))"
		}
		return text
	}
	w.limited("promomats", "reader", ", Vaultaction manage_connections__v(granted(true))"+read("country__v", "product__v"))
	w.limited("crm-a", "reader", ", Vaultaction manage_connections__v(granted(true))"+read("connection_settings__v"))
	t.Setenv("ACCORD_VAULT_PROMOMATS_USER", "reader@promomats.dev")
	t.Setenv("ACCORD_VAULT_PROMOMATS_PASSWORD", "dev")
	syncs := c.syncs()
	w.connect(false)
	country, clm := syncs[`integration_point.clm_country["a"]`], syncs[`integration_point.clm_presentation["a"]`]
	found := w.obstacles(country)
	if len(found) != 1 || found[0].Code != "PERM-5" || found[0].Severity != providers.SeverityWarning || found[0].Addr != keyed("connection", "crm", "a") {
		t.Fatalf("PERM-5: %+v", found)
	}
	if got, want := found[0].Summary, "The user reader@promomats.dev, as whom accord logs in to vault.promomats, may not: read/create/edit/delete on crm_connection_country__v, read/create/edit on exception_item__sys, read/create/edit on exception_message__sys"; got != want {
		t.Errorf("PERM-5:\n%s, want\n%s", got, want)
	}
	// CLM only reads the table.
	if found := w.obstacles(clm); len(found) != 1 || !strings.HasSuffix(found[0].Summary, "may not: read on crm_connection_country__v") {
		t.Errorf("PERM-5: %+v", found)
	}
	// In the CRM vault, too: both are told.
	t.Setenv("ACCORD_VAULT_CRM_A_USER", "reader@crm-a.dev")
	t.Setenv("ACCORD_VAULT_CRM_A_PASSWORD", "dev")
	w.connect(false)
	found = w.obstacles(clm)
	if len(found) != 2 || !strings.Contains(found[1].Summary, `reader@crm-a.dev, as whom accord logs in to vault.crm["a"], may not: manage integrations`) {
		t.Errorf("PERM-5: %+v", found)
	}
	// Granted by somebody: the next look sees it, without a new session.
	w.load("promomats", `{"mdl": "RECREATE Permissionset reader__c (label('Limited'), active(true), Vaultaction api_access__v(granted(true)), Vaultaction manage_connections__v(granted(true)), Objectpermission country__v(read(true)), Objectpermission product__v(read(true)), Objectpermission crm_connection_country__v(edit(true)));"}`)
	if found = w.obstacles(clm); len(found) != 1 || strings.Contains(found[0].Summary, "promomats") {
		t.Errorf("PERM-5: edit implies read: %+v", found)
	}
}

// PERM-5: the connection's authorized user. With the platform's engine it is who
// moves the content; with accord's, it must be there and active.
func TestPreflightOfAuthorizedUser(t *testing.T) {
	t.Parallel()
	w := oneCRM(t)
	c := w.crms(map[string][]string{"a": {"United States"}})
	c.apply()
	id := w.limited("crm-a", "mover", "")
	v := vaultOf(w, "crm-a")
	records, err := v.connectionRecords(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(records, func(r connectionRecord) bool { return r.API == "promomats_crm__v" })
	set := func(user string) {
		t.Helper()
		if err := vaultapi.FirstError(v.client.UpdateRecords(t.Context(), objConnection, []vaultapi.Fields{{"id": records[at].ID, "authorized_connection_user__sys": user}})); err != nil {
			t.Fatal(err)
		}
		c.plan()
	}
	set(fmt.Sprint(id))
	clm := func() providers.Sync { return c.syncs()[`integration_point.clm_presentation["a"]`] }
	if found := w.obstacles(clm()); found != nil {
		t.Errorf("PERM-5: with accord's engine the authorized user moves nothing: %+v", found)
	}
	sync := clm()
	sync.Engine = providers.EnginePlatform
	maker := newSyncMaker(t.Context(), nil, nil)
	maker.live[keyed("connection", "crm", "a")] = c.live[keyed("connection", "crm", "a")]
	l := &link{addr: keyed("connection", "crm", "a"), content: vaultOf(w, "promomats"), crm: v}
	check := maker.preflight(&syncPoint{link: l, names: pointByName("clm_presentation"), parent: &integrationBody{Type: "clm"}}, &sync)
	sync.Requires = &providers.End{Instance: v.addr, Stream: streamPreflight, Scope: scope{Preflight: check}.raw()}
	found := w.obstacles(sync)
	if len(found) != 1 || !strings.Contains(found[0].Summary, `The authorized user of connection.crm["a"] in vault.crm["a"], mover@crm-a.dev, may not: `) ||
		!strings.Contains(found[0].Summary, "read on connection_settings__v") {
		t.Errorf("PERM-5: %+v", found)
	}
	if err := v.client.DisableUser(t.Context(), vaultapi.ID(fmt.Sprint(id)), false); err != nil {
		t.Fatal(err)
	}
	v.forgetAccess(fmt.Sprint(id))
	if found := w.obstacles(clm()); len(found) != 1 || !strings.Contains(found[0].Summary, "is inactive") {
		t.Errorf("PERM-5: %+v", found)
	}
}

// PERM-5: the declared sets of content administrators, as they are.
func TestPreflightOfAdminSets(t *testing.T) {
	t.Parallel()
	w := oneCRM(t)
	c := w.crms(map[string][]string{"a": {"United States"}})
	set := addrs.New("permission_set", "admins")
	c.objects = append(c.objects, w.object(set, map[string]any{"vault": `vault.crm["a"]`, "name": "admins__c", "bundles": []string{"clm_integration"}}))
	c.apply()
	c.plan()
	clm := c.syncs()[`integration_point.clm_presentation["a"]`]
	if found := w.obstacles(clm); found != nil {
		t.Errorf("PERM-5: %+v", found)
	}
	// What is granted in other words is granted.
	w.load("crm-a", `{"mdl": "ALTER Permissionset admins__c (MODIFY Objectpermission keyword__v(read(false), edit(true)));"}`)
	c.plan()
	if found := w.obstacles(c.syncs()[`integration_point.clm_presentation["a"]`]); found != nil {
		t.Errorf("PERM-5: edit implies read: %+v", found)
	}
	w.load("crm-a", `{"mdl": "ALTER Permissionset admins__c (DROP Vaultaction manage_integrations__v, DROP Objectpermission website__v);"}`)
	if found := w.obstacles(c.syncs()[`integration_point.clm_presentation["a"]`]); found != nil {
		t.Errorf("PERM-5: the plan grants it again, before the run: %+v", found)
	}
	applied := func() map[string]providers.Sync { // as sync asks: what was applied, beside what is there
		var changes []providers.Change
		for addr, o := range c.recorded {
			changes = append(changes, providers.Change{Addr: addr, Before: &o, After: &o, Live: c.live[addr]})
		}
		list, err := c.p.Syncs(t.Context(), changes)
		if err != nil {
			t.Fatal(err)
		}
		byAddr := map[string]providers.Sync{}
		for _, s := range list {
			byAddr[s.Addr.String()] = s
		}
		return byAddr
	}
	found := w.obstacles(applied()[`integration_point.clm_presentation["a"]`])
	if len(found) != 1 || found[0].Addr != set || !strings.Contains(found[0].Summary, `The permission set admins__c of vault.crm["a"] lacks manage integrations, read on website__v`) {
		t.Errorf("PERM-5: %+v", found)
	}
	if found := w.obstacles(applied()[`integration_point.clm_country["a"]`]); found != nil {
		t.Errorf("PERM-5: the country integration has a bundle of its own: %+v", found)
	}
}
