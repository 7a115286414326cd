package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"accord/providers/devvault"
)

// Passwords and sessions are in nothing that the tool prints or writes: not
// with -debug, not where a call fails or breaks off, not where credentials are
// wrong, not in a crash.
func TestSecretsStayInside(t *testing.T) {
	t.Parallel()
	const password = "canary-pass/w&rd=1"
	server, err := devvault.Open(devvault.Options{Dir: t.TempDir(), Password: password, Lax: true, Settings: devvault.Settings{Burst: 1_000_000, AuthBurst: 1_000_000}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []devvault.VaultSpec{{Name: "promomats", Kind: "promomats"}, {Name: "crm", Kind: "crm"}} {
		if err := server.AddVault(v); err != nil {
			t.Fatal(err)
		}
	}
	// The sessions are seen where they are made.
	var mu sync.Mutex
	secrets := []string{password, "canary-pass%2Fw%26rd%3D1", `canary-pass/w\u0026rd=1`}
	handler := server.Handler()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/auth") {
			handler.ServeHTTP(w, r)
			return
		}
		kept := httptest.NewRecorder()
		handler.ServeHTTP(kept, r)
		var reply struct{ SessionID string }
		if json.Unmarshal(kept.Body.Bytes(), &reply) == nil && reply.SessionID != "" {
			mu.Lock()
			secrets = append(secrets, reply.SessionID)
			mu.Unlock()
		}
		for name, values := range kept.Header() {
			w.Header()[name] = values
		}
		_, _ = w.Write(kept.Body.Bytes())
	}))
	t.Cleanup(func() { web.Close(); _ = server.Close() })

	dir := t.TempDir()
	text := fmt.Sprintf(`accord {
  state "local" {
    path = "state.json"
  }
}

vault "promomats" {
  kind        = "promomats"
  environment = "sandbox"
  url         = "%[1]s/promomats"
}

vault "crm" {
  kind                = "crm"
  environment         = "sandbox"
  url                 = "%[1]s/crm"
  credentials_command = ["sh", "-c", "echo asking the helper >&2; printf 'admin@crm.dev\\n%%s\\n' \"$CANARY\""]
}

connection "crm" {
  type    = "promomats_crm"
  content = vault.promomats
  crm     = vault.crm
}

country_filter "crm" {
  connection = connection.crm
  feature    = "clm"
  countries  = ["United States"]
}
`, web.URL)
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := server.Connect(devvault.ConnectSpec{Content: "promomats", CRM: "crm"}, web.URL); err != nil {
		t.Fatal(err)
	}

	run := func(what string, pass string, args ...string) string {
		t.Helper()
		cmd := exec.Command("accord", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "HOME="+dir, "NO_COLOR=1", "CANARY="+password, "ACCORD_VAULT_PROMOMATS_USER=admin@promomats.dev", "ACCORD_VAULT_PROMOMATS_PASSWORD="+pass)
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState == nil {
			t.Fatal(err)
		}
		mu.Lock()
		defer mu.Unlock()
		for n, s := range append(secrets, pass) {
			if bytes.Contains(out, []byte(s)) {
				t.Errorf("%s: secret %d is in what was printed:\n%s", what, n, out)
			}
			_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
				if err != nil || d.IsDir() {
					return err
				}
				if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, []byte(s)) {
					t.Errorf("%s: secret %d is in %s", what, n, path)
				}
				return nil
			})
		}
		return string(out)
	}
	has := func(out string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(out, w) {
				t.Errorf("there is no %q in\n%s", w, out)
			}
		}
	}

	out := run("plan", password, "-debug", "plan")
	has(out, "method=POST path=/promomats/api/v25.2/auth", "password=(redacted)", `sessionId\":\"(redacted)`, "path=/crm/api/v25.2/query", "took=", "http=200", "status=SUCCESS", "q=SELECT")
	has(run("apply", password, "-debug", "apply", "-auto-approve"), "method=PUT")

	if _, err := server.AddFault(devvault.Fault{Kind: "http", Status: 400, Route: "objects/domain", Vault: "crm", Count: 1}); err != nil {
		t.Fatal(err)
	}
	run("a proxy's trouble", password, "-debug", "plan")
	server.ClearFaults()
	if _, err := server.AddFault(devvault.Fault{Kind: "failure", Type: "INSUFFICIENT_ACCESS", Route: "query"}); err != nil {
		t.Fatal(err)
	}
	run("trouble in the vault", password, "plan")
	server.ClearFaults()

	out = run("a wrong password", "canary-other-password", "-debug", "plan")
	has(out, "USERNAME_OR_PASSWORD_INCORRECT", "ACCORD_VAULT_PROMOMATS_PASSWORD")
}
