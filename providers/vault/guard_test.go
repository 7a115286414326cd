package vault

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/devvault"
	"accord/providers/vaultapi"
)

// The vault must be the declared one in id, address, kind and environment. If
// it is not, the server has seen a login and the look at what it says of
// itself, and nothing else.
func TestWrongVault(t *testing.T) {
	t.Parallel()
	const domain, objects, end = "GET objects/domain", "GET metadata/vobjects", "DELETE session"
	w := newWorld(t, spec{"promomats", "promomats", production, ""}, spec{"crm-a", "crm", production, ""}, spec{"crm-b", "crm", sandbox, ""}, spec{"align", "align", production, ""})
	for name, vaults := range map[string]map[string]string{
		"normal": {"promomats": "business_user__v", "crm-a": "business_user__v", "crm-b": "business_user__v", "align": "business_user__v"},
		"only-b": {"crm-b": "business_user__v"},
	} {
		if err := w.server.AddUser(devvault.UserSpec{Name: name + "@dev", Password: "canary", Vaults: vaults}); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		user, vault, kind, environment string
		id                             int64
		path                           addrs.Path // "": it is the declared one
		calls                          []string
		warns                          bool
	}{
		"the right one":             {"admin@crm-a.dev", "crm-a", "crm", production, 1002, "", []string{domain}, false},
		"another id":                {"admin@crm-a.dev", "crm-a", "crm", production, 1003, "/id", nil, false},
		"another address":           {"only-b@dev", "crm-a", "crm", sandbox, 1003, "/id", nil, false},
		"lands in another":          {"only-b@dev", "crm-a", "crm", production, 1002, "/id", nil, false},
		"another kind":              {"admin@crm-a.dev", "crm-a", "promomats", production, 1002, "/kind", []string{end, domain}, false},
		"another environment":       {"admin@crm-b.dev", "crm-b", "crm", production, 1003, "/environment", []string{end, domain}, false},
		"a user sees the kind":      {"normal@dev", "crm-a", "crm", production, 1002, "", []string{objects, domain}, true},
		"of content vaults":         {"normal@dev", "promomats", "promomats", production, 1001, "", []string{objects, domain}, true},
		"a user, another kind":      {"normal@dev", "crm-a", "medcomms", production, 1002, "/kind", []string{end, objects, domain}, false},
		"a user, content for CRM":   {"normal@dev", "promomats", "crm", production, 1001, "/kind", []string{end, objects, domain}, false},
		"a user, Align for content": {"normal@dev", "align", "promomats", production, 1004, "/kind", []string{end, objects, domain}, false},
	} {
		w.server.Calls(true)
		password := "dev"
		if !strings.HasPrefix(c.user, "admin@") {
			password = "canary"
		}
		file := filepath.Join(t.TempDir(), "credentials")
		if err := os.WriteFile(file, []byte(c.user+"\n"+password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		o := w.object(addrs.New("vault", "x"), map[string]any{"kind": c.kind, "environment": c.environment, "url": w.url + "/" + c.vault, "id": c.id, "burst_share": "80%", "credentials_file": file})
		p := New()
		r := p.Configure(t.Context(), providers.Config{Instances: []providers.Object{o}, Tool: "accord/test"})[0]
		if c.path == "" && r.Err != nil || c.path != "" && (r.Err == nil || r.Err.Kind != providers.Access || r.Err.Path != c.path || !strings.Contains(r.Err.Advice, "Nothing is written to it")) {
			t.Errorf("%s: %+v", name, r.Err)
		}
		if r.Err != nil && strings.Contains(fmt.Sprintf("%+v", r.Err), "canary") {
			t.Errorf("%s: a password got out: %v", name, r.Err)
		}
		if warns := len(r.Diagnostics) > 0; warns != c.warns {
			t.Errorf("%s: warned %t: %v", name, warns, r.Diagnostics)
		}
		var calls []string
		logins := 0
		for _, call := range w.server.Calls(true) {
			if call.Route == "auth" {
				logins += call.Count
				continue
			}
			calls = append(calls, call.Method+" "+call.Route)
		}
		slices.Sort(calls)
		slices.Sort(c.calls)
		if diff := cmp.Diff(c.calls, calls); diff != "" || logins != 1 {
			t.Errorf("%s: %d logins, and (-want +got)\n%s", name, logins, diff)
		}
		_ = p.Close()
	}
}

// What objects tell of a vault's kind; what has several kinds' is any of them,
// and what has none is not known.
func TestKindsOfObjects(t *testing.T) {
	t.Parallel()
	for want, list := range map[string][]vaultapi.Object{
		"crm":                {{Name: "account__v"}, {Name: "connection_settings__v"}},
		"align crm":          {{Name: "aln_territory__v"}, {Name: "connection_settings__v"}},
		"promomats medcomms": {{Name: "x__c", Label: labelConnectionCountry}, {Name: "clm_content_metrics__v"}},
		"":                   {{Name: "account__v"}},
	} {
		if got := strings.Join(kindsOfObjects(list), " "); got != want {
			t.Errorf("%v: %q, want %q", list, got, want)
		}
	}
}
