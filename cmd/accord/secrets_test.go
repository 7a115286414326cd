package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"accord/providers/devvault"
)

// canaries is a development server, a configuration, and every secret that the
// tool is given or makes there.
type canaries struct {
	t      *testing.T
	server *devvault.Server
	url    string
	dir    string
	env    []string

	mu      sync.Mutex
	secrets []string
	echo    string // calls of this path are refused in words that repeat the session
}

// Characters that are written in another way by URLs, JSON, HTML and HCL.
const canaryPassword = `canary-pass/w&rd="1`

func newCanaries(t *testing.T) *canaries {
	t.Helper()
	server, err := devvault.Open(devvault.Options{Dir: t.TempDir(), Password: canaryPassword, Lax: true, Settings: devvault.Settings{Burst: 1_000_000, AuthBurst: 1_000_000}})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []devvault.VaultSpec{{Name: "promomats", Kind: "promomats"}, {Name: "crm", Kind: "crm"}} {
		if err := server.AddVault(v); err != nil {
			t.Fatal(err)
		}
	}
	c := &canaries{t: t, server: server, dir: t.TempDir()}
	c.secret(canaryPassword)
	// The sessions are seen where they are made.
	handler := server.Handler()
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		echo := c.echo
		c.mu.Unlock()
		if echo != "" && strings.HasSuffix(r.URL.Path, echo) {
			_ = json.NewEncoder(w).Encode(map[string]any{"responseStatus": "FAILURE", "errors": []any{map[string]any{
				"type": "INSUFFICIENT_ACCESS", "message": "session " + r.Header.Get("Authorization") + " may not"}}})
			return
		}
		if !strings.HasSuffix(r.URL.Path, "/auth") {
			handler.ServeHTTP(w, r)
			return
		}
		kept := httptest.NewRecorder()
		handler.ServeHTTP(kept, r)
		var reply struct{ SessionID string }
		if json.Unmarshal(kept.Body.Bytes(), &reply) == nil && reply.SessionID != "" {
			c.secret(reply.SessionID)
		}
		for name, values := range kept.Header() {
			w.Header()[name] = values
		}
		_, _ = w.Write(kept.Body.Bytes())
	}))
	t.Cleanup(func() { web.Close(); _ = server.Close() })
	if err := server.Connect(devvault.ConnectSpec{Content: "promomats", CRM: "crm"}, web.URL); err != nil {
		t.Fatal(err)
	}
	c.url = web.URL
	c.env = []string{"CANARY=" + canaryPassword, "ACCORD_VAULT_PROMOMATS_USER=admin@promomats.dev", "ACCORD_VAULT_PROMOMATS_PASSWORD=" + canaryPassword}
	c.write("main.hcl", fmt.Sprintf(`accord {
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
`, web.URL))
	return c
}

// secret adds one, in every way in which it may be written.
func (c *canaries) secret(text string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	quoted, _ := json.Marshal(text)
	plain, _ := json.Marshal(text)
	plain = bytes.ReplaceAll(plain, []byte(`\u0026`), []byte("&"))
	for _, s := range []string{text, url.QueryEscape(text), url.PathEscape(text), strings.Trim(string(quoted), `"`), strings.Trim(string(plain), `"`), html.EscapeString(text),
		base64.StdEncoding.EncodeToString([]byte(text)), base64.StdEncoding.EncodeToString([]byte("accord:" + text))} {
		if !slices.Contains(c.secrets, s) {
			c.secrets = append(c.secrets, s)
		}
	}
}

func (c *canaries) write(name, text string) {
	c.t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), []byte(text), 0o644); err != nil {
		c.t.Fatal(err)
	}
}

func (c *canaries) command(env []string, args ...string) *exec.Cmd {
	cmd := exec.Command("accord", args...)
	cmd.Dir = c.dir
	cmd.Env = append(append(append(os.Environ(), "HOME="+c.dir, "NO_COLOR=1"), c.env...), env...)
	return cmd
}

// run runs the tool, and looks through what it prints and leaves behind. What a
// test wrote itself, given is not looked at.
func (c *canaries) run(what string, env []string, args ...string) string {
	c.t.Helper()
	cmd := c.command(env, args...)
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		c.t.Fatal(err)
	}
	c.search(what, out)
	return string(out)
}

func (c *canaries) search(what string, printed []byte) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := c.found(printed); n >= 0 {
		c.t.Errorf("%s: secret %d is in what was printed:\n%s", what, n, printed)
	}
	_ = filepath.WalkDir(c.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), "given") {
			return err
		}
		if b, err := os.ReadFile(path); err == nil {
			if n := c.found(b); n >= 0 {
				c.t.Errorf("%s: secret %d is in %s", what, n, path)
			}
		}
		return nil
	})
}

// query asks a vault, as its administrator.
func (c *canaries) query(vault, q string) []byte {
	c.t.Helper()
	base := c.url + "/" + vault + "/api/v25.2/"
	login, err := call(http.MethodPost, base+"auth", "", url.Values{"username": {"admin@" + vault + ".dev"}, "password": {canaryPassword}})
	if err != nil {
		c.t.Fatal(err)
	}
	session, _ := login["sessionId"].(string)
	rows, err := call(http.MethodPost, base+"query", session, url.Values{"q": {q}})
	if err != nil {
		c.t.Fatal(err)
	}
	b, err := json.Marshal(rows)
	if err != nil {
		c.t.Fatal(err)
	}
	return b
}

// found is the first secret in some bytes, also where they hold base64 of it, as
// the sources in a plan are; -1: none.
func (c *canaries) found(b []byte) int {
	texts := [][]byte{b}
	for _, coded := range regexp.MustCompile(`[A-Za-z0-9+/]{24,}={0,2}`).FindAll(b, -1) {
		if text, err := base64.StdEncoding.DecodeString(string(coded)); err == nil {
			texts = append(texts, text)
		}
	}
	for n, s := range c.secrets {
		for _, text := range texts {
			if bytes.Contains(text, []byte(s)) {
				return n
			}
		}
	}
	return -1
}

func (c *canaries) has(out string, want ...string) {
	c.t.Helper()
	for _, w := range want {
		if !strings.Contains(out, w) {
			c.t.Errorf("there is no %q in\n%s", w, out)
		}
	}
}

func (c *canaries) fault(f devvault.Fault) {
	c.t.Helper()
	if _, err := c.server.AddFault(f); err != nil {
		c.t.Fatal(err)
	}
}

// Passwords and sessions are in nothing that the tool prints or writes: not
// with -debug, not where a call fails or breaks off, not where credentials are
// wrong, not in a crash.
func TestSecretsStayInside(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	c := newCanaries(t)
	out := c.run("plan", nil, "-debug", "plan")
	c.has(out, "method=POST path=/promomats/api/v25.2/auth", "password=(redacted)", `sessionId\":\"(redacted)`, "path=/crm/api/v25.2/query", "took=", "http=200", "status=SUCCESS", "q=SELECT")
	c.has(c.run("apply", nil, "-debug", "apply", "-auto-approve"), "method=PUT")

	c.fault(devvault.Fault{Kind: "http", Status: 400, Route: "objects/domain", Vault: "crm", Count: 1})
	c.run("a proxy's trouble", nil, "-debug", "plan")
	c.server.ClearFaults()
	c.fault(devvault.Fault{Kind: "failure", Type: "INSUFFICIENT_ACCESS", Route: "query"})
	c.run("trouble in the vault", nil, "plan")
	c.server.ClearFaults()

	c.secret("canary-other-password")
	out = c.run("a wrong password", []string{"ACCORD_VAULT_PROMOMATS_PASSWORD=canary-other-password"}, "-debug", "plan")
	c.has(out, "USERNAME_OR_PASSWORD_INCORRECT", "ACCORD_VAULT_PROMOMATS_PASSWORD")
}

// Every command there is, as it is, with -json and with -debug, well and after a
// crash: no secret of the vaults, of a variable, of serve, or of the key that
// seals the state is in its output or in a file.
func TestSecretsOfEveryCommand(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	c := newCanaries(t)
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	c.secret(id.String())
	c.secret("canary-variable")
	c.secret("canary-of-serve")
	c.write("variables.hcl", `variable "note" {
  type      = string
  sensitive = true
}

variable "codes" {
  type      = map(number)
  sensitive = true
  default   = {}
}

output "note" {
  value     = "made of ${var.note}"
  sensitive = true
}

permission_set "readers" {
  vault   = vault.crm
  name    = "readers__c"
  label   = var.note
  bundles = ["country_integration"]
}

check "note" {
  assert {
    condition     = length(var.note) > 3
    error_message = "The note ${var.note} is short."
  }
}
`)
	c.write("given.vars", "note = \"canary-variable\"\n")
	c.write("given-wrong.vars", "note = \"canary-variable\"\ncodes = { a = \"canary-variable\" }\n")
	c.write("given-typo.vars", "noet = \"canary-variable\"\n")
	c.write("given-broken.vars", "note = \"canary-variable\n")
	note := []string{"ACCORD_VAR_note=canary-variable", "ACCORD_SERVE_TOKEN=canary-of-serve"}

	// What is wrong with a variable.
	c.has(c.run("a variable file with a wrong value", nil, "plan", "-var-file=given-wrong.vars"), "Unusable value")
	c.has(c.run("a variable file with a typing error", nil, "plan", "-var-file=given-typo.vars"), `Did you mean "note"`, "noet = ****")
	c.has(c.run("a broken variable file", nil, "-json", "plan", "-var-file=given-broken.vars"), "It is not shown")
	c.run("a variable of the wrong type", nil, "plan", "-var=note=canary-variable", `-var=codes={a = "canary-variable"}`)
	c.run("a variable that is no expression", nil, "-json", "plan", "-var=note=canary-variable", `-var=codes={canary-variable`)

	// A saved plan, in all forms, and what becomes of it.
	c.has(c.run("plan", note, "plan", "-out=saved.plan"), "Saved", "(sensitive)")
	c.run("plan with a file of variables", nil, "plan", "-var-file=given.vars", "-out=other.plan", "-verbose")
	for _, format := range []string{"text", "json", "markdown", "html"} {
		c.run("show "+format, nil, "show", "saved.plan", "-format="+format)
		c.run("plan "+format, note, "plan", "-format="+format)
	}
	c.run("a crash", append(note, "MISHAP=sink stderr - 2"), "apply", "saved.plan")
	c.run("a crash with -json", append(note, "MISHAP=sink stdout - 4"), "-json", "apply", "saved.plan")
	c.run("a crash of the provider", append(note, "MISHAP=panic POST query 4"), "-debug", "apply", "-auto-approve")
	c.run("a death of the provider", append(note, "MISHAP=die PUT vobjects 1"), "-debug", "apply", "-auto-approve")
	c.run("resume", note, "-debug", "resume")
	c.run("apply", note, "-debug", "apply", "-auto-approve")
	c.has(c.run("an output", note, "output"), "note = (sensitive)")
	c.run("an output by name", note, "-json", "output", "note")

	// Somebody changed it outside; what it was, and is, is not shown.
	for _, args := range [][]string{{"plan"}, {"drift"}, {"-json", "drift"}, {"plan", "-format=html"}} {
		c.run(strings.Join(args, " "), []string{"ACCORD_VAR_note=canary-variable2"}, args...)
	}
	for _, expr := range []string{"var.note", "upper(var.note)", "var.note + 1", "regex(var.note, 1)", "jsondecode(var.note)", "var"} {
		for _, args := range [][]string{{"console"}, {"-json", "console"}} {
			cmd := c.command(note, args...)
			cmd.Stdin = strings.NewReader(expr + "\n")
			out, _ := cmd.CombinedOutput()
			c.search("console: "+expr, out)
		}
	}

	// Whatever else there is, with nothing but its name.
	root := (&cli{}).root(nil)
	var visit func(cmd *cobra.Command, path []string)
	visit = func(cmd *cobra.Command, path []string) {
		for _, sub := range cmd.Commands() {
			visit(sub, append(slices.Clone(path), sub.Name()))
		}
		name := strings.Join(path, " ")
		if !cmd.Runnable() || slices.Contains([]string{"", "provider", "dev", "serve", "worker"}, name) || strings.HasPrefix(name, "bench") {
			return
		}
		c.run(name, note, path...)
		c.run(name+" -json", note, append([]string{"-json"}, path...)...)
		c.run(name+" -debug x", note, append(append([]string{"-debug"}, path...), "x")...)
	}
	visit(root, nil)
	c.served(note)

	// Sealed, and read with a key that is not the one.
	text, err := os.ReadFile(filepath.Join(c.dir, "main.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	c.write("main.hcl", strings.Replace(string(text), "accord {\n", fmt.Sprintf("accord {\n  encryption {\n    recipients = [%q]\n  }\n", id.Recipient()), 1))
	sealed := append(slices.Clone(note), "ACCORD_AGE_IDENTITY="+id.String())
	out := c.run("sealing", sealed, "apply", "-auto-approve")
	if strings.Contains(out, "Error") {
		c.t.Errorf("sealing:\n%s", out)
	}
	c.run("a key that is none", append(note, "ACCORD_AGE_IDENTITY="+id.String()+"x"), "plan")
	c.run("state pull", sealed, "state", "pull")
}

// What is sensitive and written out in the files (the default of a variable,
// what a module is given, sensitive("…")) is neither in a saved plan nor in the
// state's record of an apply; the plan is applied all the same, of the very
// files that it was made from, and of no others.
func TestSecretsOfSources(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	c := newCanaries(t)
	for _, secret := range []string{"canary-of-default", "canary-of-module", "canary-of-call"} {
		c.secret(secret)
	}
	given := `variable "note" {
  type      = string
  sensitive = true
  default   = "canary-of-default"
}

module "readers" {
  source = "./readers"
  note   = "canary-of-module"
  vault  = vault.crm
}

output "note" {
  value     = sensitive("canary-of-call")
  sensitive = true
}

permission_set "readers" {
  vault   = vault.crm
  name    = "readers__c"
  label   = var.note
  bundles = ["country_integration"]
}
`
	c.write("given.hcl", given)
	if err := os.Mkdir(filepath.Join(c.dir, "readers"), 0o755); err != nil {
		t.Fatal(err)
	}
	c.write("readers/main.hcl", `variable "note" {
  type      = string
  sensitive = true
}

variable "vault" {}

permission_set "more" {
  vault   = var.vault
  name    = "more_readers__c"
  label   = var.note
  bundles = ["country_integration"]
}
`)
	c.has(c.run("plan", nil, "plan", "-out=saved.plan"), "Saved", "permission_set.readers")
	c.write("given.hcl", given+"\n# edited\n")
	c.has(c.run("apply of other files", nil, "apply", "saved.plan"), "The saved plan is stale", "given.hcl wrote out something sensitive", "ACCORD_VAR_NAME")
	c.write("given.hcl", given)
	c.run("a crash in the apply of a saved plan", []string{"MISHAP=die PUT vobjects 1"}, "apply", "saved.plan")
	c.has(c.run("resume", nil, "resume"), "begun at")
	c.has(c.run("plan again", nil, "plan"), "Nothing to do")
}

// A sensitive value that nobody knew, since somebody set it in the vault by
// hand, is not in the log of the call that finds it.
func TestSecretsFoundOutside(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	c := newCanaries(t)
	c.write("variables.hcl", `variable "note" {
  type      = string
  sensitive = true
}

field_rule "note" {
  connection = connection.crm
  source     = "title__v"
  target     = "description__v"
  default    = var.note
}
`)
	c.secret("canary-variable")
	note := []string{"ACCORD_VAR_note=canary-variable"}
	c.run("apply", note, "-debug", "apply", "-auto-approve")
	rule := regexp.MustCompile(`promomats_crm_clm_presentation_iir__v\.(\w+)`).FindStringSubmatch(c.run("state", note, "state", "show", "field_rule.note"))
	if rule == nil {
		t.Fatal("the rule has no id")
	}
	for n, args := range [][]string{{"plan"}, {"drift"}, {"-json", "drift"}, {"plan", "-out=saved.plan"}, {"apply", "-auto-approve"}} {
		outside := fmt.Sprintf("canary-outside-%d", n)
		c.secret(outside)
		if _, err := c.server.Load("crm", "outside", strings.NewReader(fmt.Sprintf(`{"mdl": "ALTER Integrationrule promomats_crm_clm_presentation_iir__v (MODIFY Fieldrule %s (field_default('%s')));"}`+"\n", rule[1], outside))); err != nil {
			t.Fatal(err)
		}
		out := c.run(strings.Join(args, " "), note, append([]string{"-debug"}, args...)...)
		c.has(out, `\"field_default\":\"(sensitive)\"`)
	}
}

// A vault that says in an error what it was called with: none of it is in the
// journal, in the records that tell of exceptions, or in their lists (ERR-4).
func TestSecretsOfExceptions(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	c := newCanaries(t)
	c.write("points.hcl", `integration "clm" {
  connection = connection.crm
  type       = "clm"
  status     = "active"
}

integration_point "clm" {
  integration = integration.clm
  name        = "clm_presentation"
  status      = "active"
  engine      = "accord"
}
`)
	if _, err := c.server.Load("promomats", "library", strings.NewReader(`
{"document": "A", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "=1+1"}, "versions": [{"number": "0.1", "state": "draft__v"}]}
{"binder": "P", "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "P", "clm_content__v": true}, "nodes": ["A"], "versions": [{"number": "1.0", "state": "approved__v"}]}
`)); err != nil {
		t.Fatal(err)
	}
	c.has(c.run("apply", nil, "-debug", "apply", "-auto-approve"), "faulty")
	c.mu.Lock()
	c.echo = "/objects/deletions/documents"
	c.mu.Unlock()
	c.has(c.run("sync", nil, "-debug", "sync"), "session (redacted) may not")
	for _, args := range [][]string{{"list"}, {"list", "-format=csv"}, {"list", "-format=json"}, {"ack", "-type=item", "-reason=known"}, {"reprocess", "-type=item"}} {
		for _, how := range [][]string{nil, {"-json"}, {"-debug"}} {
			c.run(fmt.Sprint(how, args), nil, slices.Concat(how, []string{"exceptions"}, args)...)
		}
	}
	c.has(c.run("list", nil, "exceptions", "list"), "presentation P", "INSUFFICIENT_ACCESS")
	for object, want := range map[string]string{"exception_message__sys": "INSUFFICIENT_ACCESS", "exception_item__sys": "=1+1"} {
		rows := c.query("crm", "SELECT name__v, error_message__sys FROM "+object)
		c.has(string(rows), want)
		c.search("records of "+object, rows)
	}
}

// served runs serve for a moment, and reads its page as whoever has the token.
func (c *canaries) served(env []string) {
	c.t.Helper()
	cmd := c.command(env, "serve", "-listen=127.0.0.1:0", "-json")
	var out transcript
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	page, address := regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+`), ""
	for deadline := time.Now().Add(patience); address == ""; address = page.FindString(strings.ReplaceAll(out.String(), c.url, "")) {
		if time.Now().After(deadline) {
			c.t.Fatalf("serve has no page after %s\n%s", patience, out.String())
		}
		time.Sleep(50 * time.Millisecond)
	}
	for _, path := range []string{"/", "/status.json", "/metrics", "/healthz", "/login", "/nothing"} {
		req, err := http.NewRequest("GET", address+path, nil)
		if err != nil {
			c.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer canary-of-serve")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			c.t.Fatalf("%v\n%s", err, out.String())
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		c.search("serve "+path, append(body, fmt.Sprint(resp.Header)...))
	}
	if resp, err := http.PostForm(address+"/login", url.Values{"token": {"canary-of-serve"}}); err == nil {
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		c.search("serve login", append(body, fmt.Sprint(resp.Header)...))
	}
	_ = cmd.Process.Signal(os.Interrupt)
	_ = cmd.Wait()
	c.search("serve", []byte(out.String()))
}

// What a place of the state is opened with is not told either, when it refuses.
func TestSecretsOfBackends(t *testing.T) {
	t.Parallel()
	refuses := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, "not you: %s %v", r.Header.Get("Authorization"), r.URL)
	}))
	t.Cleanup(refuses.Close)
	for name, at := range map[string]struct {
		block string
		env   []string
	}{
		"http":     {fmt.Sprintf(`state "http" { address = "%s/state" }`, refuses.URL), []string{"ACCORD_HTTP_USERNAME=accord", "ACCORD_HTTP_PASSWORD=canary-http"}},
		"s3":       {fmt.Sprintf(`state "s3" { bucket = "b", endpoint = %q, region = "eu-1", path_style = "true" }`, refuses.URL), []string{"AWS_ACCESS_KEY_ID=accord", "AWS_SECRET_ACCESS_KEY=canary-s3", "AWS_SESSION_TOKEN=canary-s3-token"}},
		"postgres": {fmt.Sprintf(`state "postgres" { url = "postgres://accord@%s/x?connect_timeout=2&sslmode=disable" }`, strings.TrimPrefix(refuses.URL, "http://")), []string{"PGPASSWORD=canary-pg"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := &canaries{t: t, dir: t.TempDir()}
			for _, s := range []string{"canary-http", "canary-s3", "canary-s3-token", "canary-pg"} {
				c.secret(s)
			}
			block := strings.NewReplacer(" { ", " {\n", ", ", "\n", " }", "\n}").Replace(at.block)
			c.write("main.hcl", "accord {\n"+block+"\n}\n")
			for _, args := range [][]string{{"state", "list"}, {"-debug", "state", "list"}, {"-json", "state", "pull"}, {"force-unlock", "x"}, {"init"}} {
				out := c.run(strings.Join(args, " "), at.env, args...)
				if args[0] == "state" && !strings.Contains(out, "Error") {
					t.Errorf("%v:\n%s", args, out)
				}
			}
		})
	}
}
