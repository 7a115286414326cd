package devvault

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// all reads the records of an object, in order of id.
func (b *bench) all(vault, object, fields string) []response {
	b.Helper()
	return b.must("GET", vault, "vobjects/"+object+"?fields="+url.QueryEscape(fields), nil).list("data")
}

// INT-1, INT-2, INT-3: what the seeds name is there, in the CRM vault, and all of it inactive.
func TestINT3StandardIntegrationsAreInactive(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm", "promo:promomats")
	status := map[string]string{}
	for _, o := range []string{"integration__sys", "integration_point__sys", "connection__sys"} {
		for _, r := range b.all("crm", o, "name__v,status__v") {
			status[r["name__v"].(string)] = fmt.Sprint(r["status__v"])
		}
	}
	for _, name := range []string{"PromoMats-CRM Connection", "Medical-CRM Connection",
		"PromoMats-CRM: CLM Integration", "Medical-CRM: CLM Integration", "PromoMats-CRM: Country Integration", "Medical-CRM: Country Integration",
		"PromoMats-CRM: CLM Presentation Integration Point", "Medical-CRM: CLM Presentation Integration Point", "PromoMats-CRM: CLM Country", "Medical-CRM: CLM Country"} {
		want(t, name, status[name], "[inactive__v]")
	}
	for name, s := range status {
		want(t, name, s, "[inactive__v]")
	}
	// ERR-4: a content vault has the other end of what comes to it, which its exceptions refer to.
	for _, o := range []string{"integration__sys", "integration_point__sys"} {
		list := b.all("promo", o, "name__v,status__v")
		if len(list) != 1 || fmt.Sprint(list[0]["status__v"]) != "[inactive__v]" {
			t.Errorf("%s of a content vault: %v", o, list)
		}
	}
}

// INT-4: the standard ones cannot be deleted.
func TestINT4StandardIntegrationsStay(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm")
	for _, o := range []string{"integration__sys", "integration_point__sys"} {
		for _, r := range b.all("crm", o, "id") {
			row := b.do("DELETE", "crm", "vobjects/"+o, []map[string]any{{"id": r["id"]}}).list("data")[0]
			want(t, o, row.errorType(), "OPERATION_NOT_ALLOWED")
		}
	}
}

// CTRY-1: the settings record has a type, and a filter that starts empty.
func TestCTRY1SettingsRecord(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm")
	settings := b.all("crm", "connection_settings__v", "id,name__v,object_type__v,country_filter__v,vault_crm_id__v")[0]
	want(t, "name", settings["name__v"], any("Global CLM Integration Settings"))
	want(t, "type", settings["object_type__v"], any(objectTypeID("connection_settings__v", "clm_integration_settings__v")))
	want(t, "filter", settings["country_filter__v"], nil)
	want(t, "vault", settings["vault_crm_id__v"], nil)
	b.must("PUT", "crm", "vobjects/connection_settings__v", "id,country_filter__v\n"+settings["id"].(string)+",\"us__v,ca__v\"\n")
	want(t, "two countries", fmt.Sprint(b.read("crm", "connection_settings__v", settings["id"].(string))["country_filter__v"]), "[us__v ca__v]")
}

// RULE-4: the rule that lets only steady content through is there, and active.
func TestRULE4IsActive(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm")
	for _, name := range []string{"promomats_crm_clm_presentation_iir__v", "medical_crm_clm_presentation_iir__v"} {
		rule := b.must("GET", "crm", "configuration/Integrationrule."+name, nil)
		query := response(rule.get("data").(map[string]any)).list("Queryobjectrule")[0]
		if d := cmp.Diff(response{"name": "approved_only__v", "label": "Only Approved (Steady State)", "active": true, "query_object": "documents", "filter_clause": "status__v = STEADYSTATE()"}, query); d != "" {
			t.Error(d)
		}
	}
}

func TestLifecycleStatesAreLabeled(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm")
	data := response(b.must("GET", "crm", "configuration/Doclifecycle.crm_content__v", nil).get("data").(map[string]any))
	want(t, "labels", fmt.Sprint(data["state_labels"]), "[base:general:starting base:general:steady base:general:obsolete]")
	want(t, "states", fmt.Sprint(data["labeled_states"]), "[Doclifecyclestate.draft__v Doclifecyclestate.approved__v Doclifecyclestate.obsolete__v]")
	want(t, "actions", data.list("Doclifecyclestate")[1]["user_action"], any(`<useractions><useraction name="make_obsolete__v" label="Make Obsolete" type="changeState" state="obsolete__v"/></useractions>`))
}

func TestCountriesOfTheWorld(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm")
	labels := map[any]any{}
	for _, v := range b.must("GET", "crm", "objects/picklists/country_cda__v", nil).list("picklistValues") {
		labels[v["name"]] = v["label"]
	}
	for name, label := range map[string]string{"us__v": "United States", "ca__v": "Canada", "mx__v": "Mexico", "ad__v": "Andorra", "de__v": "Germany", "jp__v": "Japan"} {
		want(t, name, labels[name], any(label))
	}
	want(t, "countries", len(labels), 250)
	want(t, "system managed", b.do("DELETE", "crm", "objects/picklists/country_cda__v/us__v", nil).errorType(), "OPERATION_NOT_ALLOWED")
}

// CONN-1: the standard connection serves one CRM vault, each further one is a duplicate with names of its own; CONN-7: established is active on both sides.
func TestCONN1Connections(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats", "us:crm", "eu:crm", "med:medcomms")
	for range 2 {
		for _, crm := range []string{"us", "eu"} {
			if a := b.dev("POST", "connect", map[string]any{"content": "promo", "crm": crm}); a.status() != "SUCCESS" {
				t.Fatal(a)
			}
		}
	}
	if a := b.dev("POST", "connect", map[string]any{"content": "med", "crm": "us", "pending": "crm"}); a.status() != "SUCCESS" {
		t.Fatal(a)
	}
	list := func(vault string) (lines []string) {
		for _, r := range b.all(vault, "connection__sys", "name__v,api_name__sys,remote_vault_id__sys,status__v,state__v,remote_vault_dns__sys") {
			dns, _ := r["remote_vault_dns__sys"].(string)
			if dns != "" {
				dns = dns[len(b.http.URL):]
			}
			lines = append(lines, fmt.Sprintf("%v | %v | %v | %v | %v | %s", r["name__v"], r["api_name__sys"], r["remote_vault_id__sys"], r["status__v"], r["state__v"], dns))
		}
		return lines
	}
	for vault, wanted := range map[string][]string{
		"promo": {"PromoMats-CRM Connection | promomats_crm__v | 1002 | [active__v] | active_state__sys | /us",
			"PromoMats-CRM Connection 2 | promomats_crm_2__c | 1003 | [active__v] | active_state__sys | /eu"},
		"us": {"PromoMats-CRM Connection | promomats_crm__v | 1001 | [active__v] | active_state__sys | /promo",
			"Medical-CRM Connection | medical_crm__v | 1004 | [inactive__v] | pending_state__sys | /med"},
		"eu": {"PromoMats-CRM Connection | promomats_crm__v | 1001 | [active__v] | active_state__sys | /promo",
			"Medical-CRM Connection | medical_crm__v | <nil> | [inactive__v] | pending_state__sys | "},
		"med": {"Medical-CRM Connection | medical_crm__v | 1002 | [active__v] | active_state__sys | /us"},
	} {
		if d := cmp.Diff(wanted, list(vault)); d != "" {
			t.Errorf("%s: %s", vault, d)
		}
	}
	want(t, "two CRM vaults", b.dev("POST", "connect", map[string]any{"content": "us", "crm": "eu"}).errorType(), "INVALID_DATA")
}

func TestDomain(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats", "us:crm")
	if err := b.AddVault(VaultSpec{Name: "other", Kind: "crm", Domain: "elsewhere"}); err != nil {
		t.Fatal(err)
	}
	got := response(b.must("GET", "promo", "objects/domain?include_application=true", nil).get("domain__v").(map[string]any)).list("vaults__v")
	want(t, "vaults of the domain", len(got), 2)
	want(t, "environment", got[0]["vault_type__v"], any("sandbox"))
	want(t, "application", got[0].list("vault_application__v")[0]["name"], any("pm_promomats__v"))
}

// CONN-4, CONN-5, METR-1, ALN-2, ALN-5, ALN-8: the objects that the rules name are there, in the vaults they are of, and every reference leads somewhere.
func TestStandardObjects(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats", "med:medcomms", "us:crm", "align:align")
	for vault, objects := range map[string]string{
		"promo": "country__v product__v product_family__v indication__v crm_product__v crm_product_group__v crm_detail_group__v crm_content_group__v crm_survey__v crm_directory__v " +
			"crm_content_type__v event_topic__v event_configuration__v clm_content_metrics__v crm_connection_country__v keyword__v website__v document_type_group__v",
		"med": "country__v product__v crm_connection_country__v keyword__v website__v",
		"us": "connection_settings__v account__v territory__v user_territory__v account_territory__v my_setup_products__v clm_presentation__v clm_presentation_slide__v key_message__v " +
			"application_profile__v multichannel_settings__v veeva_settings__v vmobile_object_configuration__v call2__v tsf__v brand__v product_family__v indication__v",
		"align": "aln_territory__v aln_account_territory__v aln_roster_member__v aln_roster_member_territory__v aln_territory_product__v aln_process_monitor__v aln_crm_instance__v " +
			"aln_crm_instance_country__v aln_field_mapping__v account__v address__v",
	} {
		for _, o := range strings.Fields(objects) {
			want(t, vault+" "+o, b.query(vault, "SELECT id, name__v FROM "+o).status(), "SUCCESS")
		}
		cat := b.vault(vault).catalog()
		prefixes := map[string]string{}
		inbounds := map[string]bool{}
		for _, n := range names(cat.objects) {
			o := cat.objects[n]
			if other := prefixes[o.Prefix]; other != "" {
				t.Errorf("%s: %s and %s have the prefix %s", vault, n, other, o.Prefix)
			}
			prefixes[o.Prefix] = n
			for _, f := range o.fields.list {
				if f.Object != "" && cat.object(f.Object) == nil || f.Picklist != "" && cat.picklists[f.Picklist] == nil {
					t.Errorf("%s: %s.%s leads nowhere", vault, n, f.Name)
				}
				if key := f.Object + "." + f.Inbound; f.Object != "" && !strings.HasSuffix(f.Column, "_by") && f.Object != "object_type__v" && f.Object != "user__sys" {
					if inbounds[key] {
						t.Errorf("%s: two relationships %s", vault, key)
					}
					inbounds[key] = true
				}
			}
		}
	}
	want(t, "monitors", len(b.all("align", "aln_process_monitor__v", "id")), len(importedObjects))
	want(t, "mappings", len(b.all("align", "aln_field_mapping__v", "id")), 2*len(standardMappings))
}
