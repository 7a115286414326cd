package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"

	"accord/planner/syncer"
	"accord/providers"
	"accord/providers/devvault"
)

// medical is a MedComms vault with one CRM vault.
func medical(t *testing.T) *world {
	w := newWorld(t, true, &crmConfig{key: "a"})
	w.addVault("medcomms", "medcomms", "production")
	w.must(nil, w.server.Connect(devvault.ConnectSpec{Content: "medcomms", CRM: "crm-a"}, w.web.URL))
	w.load("medcomms", `{"record": "country__v", "key": "us", "fields": {"name__v": "United States", "country_cda__v": ["us__v"]}}
`+strings.ReplaceAll(slide("one")+presentation("For the US", []string{"us"}, "one"), "promo_mats", "med_comms"))
	w.files = map[string]string{"main.hcl": `accord {
  sync {
    filter_delay = "0s"
  }
}

vault "medcomms" {
  kind        = "medcomms"
  environment = "production"
  url         = "dev://medcomms"
}

vault "crm" {
  kind        = "crm"
  environment = "production"
  url         = "dev://crm-a"
}

connection "crm" {
  type    = "medical_crm"
  content = vault.medcomms
  crm     = vault.crm
}

country_filter "crm" {
  connection = connection.crm
  countries  = ["United States"]
}

integration "country" {
  connection = connection.crm
  type       = "country"
  status     = "active"
}

integration_point "country" {
  integration = integration.country
  name        = "clm_country"
  status      = "active"
}

integration "clm" {
  connection = connection.crm
  type       = "clm"
  status     = "active"
}

integration_point "clm" {
  integration = integration.clm
  name        = "clm_presentation"
  status      = "active"
}
`}
	return w
}

// right is one that a run needs: as a permission set grants it, and as a message
// names it.
type right struct{ kind, name, verb string }

func (r right) String() string {
	if r.kind == "Vaultaction" {
		return strings.ReplaceAll(strings.TrimSuffix(r.name, "__v"), "_", " ")
	}
	return r.verb + " on " + r.name
}

// rightsOf spells rights out: "country__v read" or "manage_connections__v".
func rightsOf(list ...string) []right {
	var all []right
	for _, text := range list {
		name, verbs, object := strings.Cut(text, " ")
		if !object {
			all = append(all, right{"Vaultaction", name, "granted"})
			continue
		}
		for _, verb := range strings.Split(verbs, "/") {
			all = append(all, right{"Objectpermission", name, verb})
		}
	}
	return all
}

// grantAll gives the user of a vault these rights, and no other.
func (w *world) grantAll(vault string, rights []right) {
	w.t.Helper()
	grants := map[string][]string{}
	for _, r := range rights {
		thing := r.kind + " " + r.name
		grants[thing] = append(grants[thing], r.verb+"(true)")
	}
	text := "RECREATE Permissionset sync__c (label('Sync'), active(true), Vaultaction api_access__v(granted(true))"
	for thing, verbs := range grants {
		text += ", " + thing + "(" + strings.Join(verbs, ", ") + ")"
	}
	if _, err := w.server.Load(vault, fmt.Sprintf("rights-%d", len(w.trace)), strings.NewReader(fmt.Sprintf("{\"mdl\": %q}\n", text+");"))); err != nil {
		w.t.Fatal(err)
	}
	w.note("%s: %s", vault, text)
}

// PERM-5: each right that runs need is taken away alone, in the content vault,
// PromoMats or MedComms, and in the CRM vault. The plan and the run name that one
// and no other, with the vault and the user, and nothing is written.
func TestRightsOneByOne(t *testing.T) {
	t.Parallel()
	content := rightsOf("manage_connections__v", "country__v read", "product__v read", "crm_connection_country__v create/edit/delete",
		"exception_message__sys create/edit", "exception_item__sys create/edit")
	crm := rightsOf("manage_connections__v", "manage_integrations__v", "connection_settings__v read",
		"exception_message__sys create/edit", "exception_item__sys create/edit")
	for source, made := range map[string]func(*testing.T) *world{
		"promomats": func(t *testing.T) *world {
			w := worked(t)
			w.crms = w.crms[:1]
			return w
		},
		"medcomms": medical,
	} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			w := made(t)
			w.applyCleanly()
			all := map[string][]right{source: content, "crm-a": crm}
			w.logins = map[string]string{}
			for vault, rights := range all {
				w.grantAll(vault, rights)
				w.load(vault, `{"mdl": "RECREATE Securityprofile sync__c (label('Sync'), active(true), permission_sets('sync__c'));"}`+"\n")
				w.logins[vault] = "sync@" + vault + ".dev"
				w.must(nil, w.server.AddUser(devvault.UserSpec{Name: w.logins[vault], Password: "dev", DomainAdmin: true, Vaults: map[string]string{vault: "sync__c"}}))
			}
			w.must(w.call("PUT", source, "objects/binders/"+w.documentOf(source, "For the US"), url.Values{"description__v": {"New"}}))
			w.writes()
			for vault, rights := range all {
				for n, r := range rights {
					if testing.Short() && n%4 != 0 {
						continue
					}
					w.grantAll(vault, slices.Delete(slices.Clone(rights), n, n+1))
					where := "vault.crm"
					if vault == source {
						where = "vault." + source
					} else if source == "promomats" {
						where = `vault.crm["a"]`
					}
					want := []string{fmt.Sprintf("The user sync@%s.dev, as whom accord logs in to %s, may not: %s", vault, where, r)}
					if diff := cmp.Diff(want, w.planLacks()); diff != "" {
						t.Errorf("PERM-5: planned without %s in %s (-want +got)\n%s", r, vault, diff)
					}
					if diff := cmp.Diff(want, w.runLacks()); diff != "" {
						t.Errorf("PERM-5: run without %s in %s (-want +got)\n%s", r, vault, diff)
					}
				}
				w.grantAll(vault, rights)
			}
			if wrote := w.writes(); len(wrote) > 0 {
				t.Errorf("PERM-5: something was written: %v", wrote)
			}
			// With all of them, and no more, the change is brought over.
			if said := w.planLacks(); said != nil {
				t.Errorf("PERM-5: with all rights: %v", said)
			}
			if said := w.runLacks(); said != nil {
				t.Errorf("PERM-5: with all rights: %v", said)
			}
			if rows := w.query("crm-a", "SELECT id FROM binders WHERE description__v = 'New'"); len(rows) != 1 {
				t.Errorf("PERM-5: with all rights %d presentations are changed", len(rows))
			}
		})
	}
}

// planLacks is what a plan with full runs says of rights that are missing.
func (w *world) planLacks() []string {
	w.t.Helper()
	w.edit(true)
	defer w.edit(false)
	var said []string
	p, err := w.plan(w.t.Context())
	var diags hcl.Diagnostics
	switch {
	case errors.As(err, &diags):
		for _, d := range diags {
			if d.Severity == hcl.DiagError {
				_, text, found := strings.Cut(d.Summary, "PERM-5: ")
				if !found {
					text = d.Summary
				}
				said = append(said, text)
			}
		}
	case err != nil:
		w.t.Fatal(err)
	default:
		for _, d := range append(slices.Clone(p.Warnings), p.Refusals...) {
			if d.Code == "PERM-5" {
				said = append(said, d.Summary)
			}
		}
	}
	slices.Sort(said)
	return slices.Compact(said)
}

// edit has the first CRM vault's filter differ from what was applied, or not.
func (w *world) edit(differs bool) {
	one, two := `["United States"]`, `["Canada", "United States"]`
	if !differs {
		one, two = two, one
	}
	if w.files != nil {
		w.files["main.hcl"] = strings.Replace(w.files["main.hcl"], one, two, 1)
		return
	}
	w.must(nil, json.Unmarshal([]byte(two), &w.crms[0].countries))
}

// runLacks is what runs that are refused say of rights that are missing.
func (w *world) runLacks() []string {
	w.t.Helper()
	_, outcomes, err := w.runs(w.t.Context(), false, false)
	if err != nil {
		outcomes = []syncer.Outcome{{Err: err}}
	}
	var said []string
	for _, o := range outcomes {
		if providers.KindOf(o.Err) != providers.Refused || o.Status == syncer.Blocked {
			if o.Err != nil && o.Status != syncer.Blocked {
				w.t.Errorf("%s: %v", o.Addr, o.Err)
			}
			continue
		}
		_, text, _ := strings.Cut(o.Err.Error(), "PERM-5: ")
		said = append(said, text)
	}
	slices.Sort(said)
	return slices.Compact(said)
}
