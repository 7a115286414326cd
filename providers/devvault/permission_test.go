package devvault

import (
	"fmt"
	"net/url"
	"testing"
)

// limited logs a user in who has one permission set, limited__c.
func (b *bench) limited(vault, set string) string {
	b.Helper()
	a := b.mdl(vault, set+`
RECREATE Securityprofile limited__c (label('Limited'), active(true), permission_sets('limited__c'));`)
	if a.status() != "SUCCESS" {
		b.Fatal(a)
	}
	if err := b.AddUser(UserSpec{Name: "kim@dev", Password: "pw", Vaults: map[string]string{vault: "limited__c"}}); err != nil {
		b.Fatal(err)
	}
	return b.login(vault, "kim@dev", "pw")
}

// PERM-3: what the Country Integration needs is asked of the caller's permission sets.
func TestPERM3Enforced(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm")
	settings := b.all("crm", "connection_settings__v", "id")
	change := []map[string]any{{"id": settings[0]["id"], "country_filter__v": []string{"us__v"}}}
	try := func(grants string) string {
		t.Helper()
		id := b.limited("crm", `RECREATE Permissionset limited__c (label('Limited'), active(true), Vaultaction api_access__v(granted(true))`+grants+`);`)
		a := b.as(id, "PUT", "crm", "vobjects/connection_settings__v", change)
		if e := a.errorType(); e != "" {
			return e
		}
		row := a.list("data")[0]
		return row.status() + " " + row.errorType()
	}
	want(t, "nothing", try(``), "INSUFFICIENT_ACCESS")
	want(t, "read only", try(`, Objectpermission connection_settings__v(read(true), edit(false))`), "INSUFFICIENT_ACCESS")
	want(t, "another type", try(`, Objectpermission connection_settings__v(read(true), edit(true)), Objecttypepermission connection_settings__v.approved_email_integration_settings__v(edit(true))`), "FAILURE INSUFFICIENT_ACCESS")
	want(t, "another field", try(`, Objectpermission connection_settings__v(edit(true)), Fieldpermission connection_settings__v.vault_crm_id__v(edit(true)), Fieldpermission connection_settings__v.all(read(true))`), "FAILURE INSUFFICIENT_ACCESS")
	want(t, "all that is needed", try(`, Objectpermission connection_settings__v(edit(true)), Objecttypepermission connection_settings__v.clm_integration_settings__v(edit(true)), Fieldpermission connection_settings__v.country_filter__v(edit(true))`), "SUCCESS ")
}

func TestPermissionsOfAUser(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm")
	id := b.limited("crm", `RECREATE Permissionset limited__c (label('Limited'), active(true), Vaultaction api_access__v(granted(true)), Vaultaction manage_connections__v(granted(true)),
		Objectpermission keyword__v(read(true)), Fieldpermission keyword__v.all(read(true)), Objectpermission website__v(edit(true)));`)
	permission := func(name string) string {
		t.Helper()
		list := b.as(id, "GET", "crm", "objects/users/me/permissions?filter="+url.QueryEscape("name__v::"+name), nil).list("data")
		if len(list) == 0 {
			return "none"
		}
		return fmt.Sprint(list[0]["permissions"])
	}
	want(t, "read", permission("object.keyword__v.object_actions"), "map[create:false delete:false edit:false read:true]")
	want(t, "edit implies read", permission("object.website__v.object_actions"), "map[create:false delete:false edit:true read:true]")
	want(t, "none", permission("object.product__v.object_actions"), "map[create:false delete:false edit:false read:false]")
	want(t, "field", permission("object.keyword__v.field_actions"), "map[edit:false read:true]")
	want(t, "granted", permission("vault_actions.manage_connections__v"), "map[execute:true]")
	want(t, "not granted", permission("vault_actions.manage_integrations__v"), "map[execute:false]")
	want(t, "an admin may look at others", b.do("GET", "crm", "objects/users/10002/permissions", nil).status(), "SUCCESS")
	want(t, "others may not", b.as(id, "GET", "crm", "objects/users/10001/permissions", nil).errorType(), "INSUFFICIENT_ACCESS")
	want(t, "nor change configuration", b.as(id, "POST", "crm", "/api/mdl/execute", clmAdmin).errorType(), "INSUFFICIENT_ACCESS")
}

func TestAPIAccessIsNeeded(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm")
	id := b.limited("crm", `RECREATE Permissionset limited__c (label('Limited'), active(true), Objectpermission keyword__v(read(true)));`)
	want(t, "the login succeeds, the call fails", b.as(id, "GET", "crm", "objects/users/me", nil).errorType(), "INSUFFICIENT_ACCESS")
}

// PERM-1: connections and integrations are changed by who has the vault actions for them, and by nobody else.
func TestPERM1ManageActions(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm")
	objects := []string{"connection__sys", "integration__sys", "integration_point__sys"}
	try := func(grants string) (seen string) {
		t.Helper()
		id := b.limited("crm", `RECREATE Permissionset limited__c (label('Limited'), active(true), Vaultaction api_access__v(granted(true))`+grants+`);`)
		for _, o := range objects {
			record := b.all("crm", o, "id")[0]["id"].(string)
			read := b.as(id, "GET", "crm", "vobjects/"+o+"/"+record, nil).errorType()
			edit := b.as(id, "PUT", "crm", "vobjects/"+o, []map[string]any{{"id": record, "description__sys": fmt.Sprint(len(grants))}}).errorType()
			seen += fmt.Sprintf("%t %t, ", read == "", edit == "")
		}
		return seen
	}
	want(t, "none", try(``), "false false, false false, false false, ")
	want(t, "connections", try(`, Vaultaction manage_connections__v(granted(true))`), "true true, false false, false false, ")
	want(t, "integrations", try(`, Vaultaction manage_integrations__v(granted(true))`), "false false, true true, true true, ")
	want(t, "rights on the object only", try(`, Objectpermission connection__sys(read(true), edit(true))`), "true false, false false, false false, ")
}

// PERM-2: what the CLM Integration reads, and no more.
func TestPERM2Reads(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm")
	id := b.limited("crm", `RECREATE Permissionset limited__c (label('Limited'), active(true), Vaultaction api_access__v(granted(true)),
		Objectpermission keyword__v(read(true)), Fieldpermission keyword__v.name__v(read(true)), Objectpermission exception_item__sys(read(true)));`)
	record := b.record("crm", "keyword__v", map[string]any{"name__v": "K", "external_id__v": "k"})
	data := b.as(id, "GET", "crm", "vobjects/keyword__v/"+record, nil).get("data").(map[string]any)
	want(t, "fields", fmt.Sprint(data), "map[name__v:K]")
	want(t, "website", b.as(id, "GET", "crm", "vobjects/website__v", nil).errorType(), "INSUFFICIENT_ACCESS")
	want(t, "the object under its other name", b.as(id, "GET", "crm", "vobjects/user_exception_item__v", nil).status(), "SUCCESS")
	want(t, "by query", b.as(id, "POST", "crm", "query", form("q", "SELECT id FROM website__v")).status(), "FAILURE")
	want(t, "read only", b.as(id, "POST", "crm", "vobjects/keyword__v", []map[string]any{{"name__v": "x"}}).errorType(), "INSUFFICIENT_ACCESS")
	want(t, "list", len(b.as(id, "GET", "crm", "vobjects/keyword__v?fields=name__v", nil).list("data")), 1)
	want(t, "query", len(b.as(id, "POST", "crm", "query", form("q", "SELECT name__v FROM keyword__v")).list("data")), 1)
}
