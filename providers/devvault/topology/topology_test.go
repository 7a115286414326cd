package topology

import (
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"encoding/json"
	"net/http"

	"accord/providers/devvault"
)

const file = `
vault "promo" {
  kind        = "promomats"
  environment = "production"
  domain      = "acme"
  id          = 7001
  mdl         = [file("fields.mdl"), "RECREATE Permissionset readers__c (label('Readers'), active(true), Vaultaction api_access__v(granted(true)), Objectpermission thing__c(read(true)));"]
  library     = ["content.jsonl"]
}
vault "us" {
  kind = "crm"
}
user "anna@acme.dev" {
  password_env = "TOPOLOGY_TEST_PASSWORD"
  member "promo" {
    permission_sets = ["readers__c"]
  }
  member "us" {
    profile = "business_user__v"
  }
}
connection "promo" "us" {}
`

func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestApply(t *testing.T) {
	t.Setenv("TOPOLOGY_TEST_PASSWORD", "pass")
	path := write(t, "topology.hcl", file)
	for name, text := range map[string]string{
		"fields.mdl":    "RECREATE Object thing__c (label('Thing'), label_plural('Things'), active(true), in_menu(true), Field size__c (label('Size'), type('Number'), active(true)));",
		"content.jsonl": `{"record": "thing__c", "key": "t1", "fields": {"name__v": "One", "size__c": 3}}`,
	} {
		if err := os.WriteFile(filepath.Join(filepath.Dir(path), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	topology, diags := Load(path)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	s, err := devvault.Open(devvault.Options{Dir: t.TempDir(), Lax: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 2 {
		if err := topology.Apply(s); err != nil {
			t.Fatal(err)
		}
	}
	web := httptest.NewServer(s.Handler())
	defer web.Close()
	post := func(path string, form url.Values, session string, into any) {
		t.Helper()
		r, _ := http.NewRequest("POST", web.URL+path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", session)
		res, err := web.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if err := json.NewDecoder(res.Body).Decode(into); err != nil {
			t.Fatal(err)
		}
	}
	var login struct {
		SessionID string `json:"sessionId"`
		VaultID   int64  `json:"vaultId"`
		VaultIDs  []any  `json:"vaultIds"`
	}
	post("/promo/api/v26.2/auth", url.Values{"username": {"anna@acme.dev"}, "password": {"pass"}}, "", &login)
	if login.VaultID != 7001 || login.SessionID == "" {
		t.Fatalf("login: %+v", login)
	}
	var answer struct {
		ResponseStatus string
		Data           []map[string]any
	}
	post("/promo/api/v26.2/query", url.Values{"q": {"SELECT name__v, size__c FROM thing__c"}}, login.SessionID, &answer)
	if len(answer.Data) != 1 || answer.Data[0]["size__c"] != 3.0 {
		t.Errorf("her things: %+v", answer)
	}
	post("/promo/api/v26.2/query", url.Values{"q": {"SELECT id FROM connection__sys"}}, login.SessionID, &answer)
	if answer.ResponseStatus != "FAILURE" {
		t.Errorf("what she may not see: %+v", answer)
	}
}

func TestLoadPointsAtWhatIsWrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`vault "a" {}`:                      `The argument "kind" is required`,
		`vault "a" { kind = "salesforce" }`: "Unknown kind of vault",
		"vault \"a\" {\nkind = \"crm\"\n}\nvault \"a\" {\nkind = \"crm\"\n}": "Vault declared twice",
		"user \"u\" {\nmember \"x\" {\nprofile = \"p\"\n}\n}":                "Unknown vault",
		"vault \"a\" {\nkind = \"crm\"\n}\nuser \"u\" {\nmember \"a\" {}\n}": "Profile or permission sets",
		"vault \"a\" {\nkind = \"crm\"\n}\nconnection \"a\" \"a\" {}":        "Impossible connection",
		`vault "a" { kind = "crm", color = 1 }`:                              "",
		`vault "a" { mdl = [file("nothing")], kind = "crm" }`:                "",
	} {
		_, diags := Load(write(t, "t.hcl", text))
		if !diags.HasErrors() || !strings.Contains(diags.Error(), want) {
			t.Errorf("%s: %v, want %q", text, diags, want)
		}
	}
}
