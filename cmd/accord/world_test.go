package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"accord/lang"
	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
	"accord/providers/devvault"
	"accord/providers/vault"
	"accord/state"
	"accord/state/local"
)

// world is a development server, a configuration directory, and the tool, all
// in this process and under one clock.
type world struct {
	t      testing.TB
	server *devvault.Server
	web    *httptest.Server
	clock  *worldClock
	dir    string
	file   string // of the password
	users  map[string]string

	limits string            // the limits block of the configuration
	allow  []string          // limits that are lifted once
	delay  string            // filter_delay; "": none
	detach bool              // apply does not wait
	files  map[string]string // in place of the configuration that hcl makes
	block  string            // the state block; "": the local one that there is without
	crms   []*crmConfig
	ids    map[string]int64  // of vaults
	prod   bool              // the content vault is in production
	bare   bool              // no integrations, and so no runs
	trace  []string          // what was done, for whoever reads a failure
	logins map[string]string // vault → as whom the tool logs in; "": its admin
	env    []string          // of real tools, beside the environment
	failAt string            // fail point of real tools, see arm

	mu    sync.Mutex
	heard []string // calls since listen: vault, method, path, and the query
	wrote []sent   // calls that may write, since sent
	count int      // calls of the tool so far
	// met is called with the number of each call, before it is answered.
	met func(call int)
	// instead answers a call in place of the server, when it says so.
	instead func(w http.ResponseWriter, vault, method, path, query string) bool

	sleep func(context.Context, time.Duration) error // of the syncer; nil: really
}

// sent is a call that may write, with its body.
type sent struct{ vault, method, path, body string }

// crmConfig is what the configuration says of one CRM vault: vault.crm["a"] is
// the vault crm-a.
type crmConfig struct {
	key          string
	environment  string
	countries    []string // the filter, by label
	country      bool     // the Country Integration is active
	clm          bool     // the CLM Integration is active
	rule         string   // query_rule: "" for none, active, inactive
	team         string   // field_rule team__c → team__c: "", plain, values, default
	types        []string // what a rule with values applies to: document types
	onUnapproved string
	platform     bool // the platform's engine moves its content (INT-7)
	both         bool // the object model is declared beside the document model (CLM-10)
	objects      bool // and active
	asObjects    bool // this is a look at what there is in the object model

	// nobody says that the field rule in the vault has a default: what a block
	// leaves out is not managed, and stays as it is.
	nobody bool

	moves int // how often its points were given another name
}

// ruled reports whether the rule of the team reaches a part.
func (c *crmConfig) ruled(part string) bool {
	return c.team != "" && (c.team != "values" || slices.Contains(c.types, part+"__v"))
}

func (c *crmConfig) vault() string { return "crm-" + c.key }

// models are the looks at a CRM vault's content: one for each model (CLM-10).
func (c *crmConfig) models() []*crmConfig {
	if !c.both {
		return []*crmConfig{c}
	}
	objects := *c
	objects.asObjects = true
	return []*crmConfig{c, &objects}
}

// look names a look.
func (c *crmConfig) look() string {
	if c.asObjects {
		return c.key + ", objects"
	}
	return c.key
}

// content is the point that moves what is looked at.
func (c *crmConfig) content() addrs.Instance {
	if c.asObjects {
		return c.point("clm_object_model")
	}
	return c.point("clm_presentation")
}

func (c *crmConfig) point(name string) addrs.Instance {
	return addrs.NewKeyed("integration_point", movedName(name, c.moves), c.key)
}

// movedName is what a block is called after so many moves.
func movedName(name string, moves int) string {
	if moves == 0 {
		return name
	}
	return fmt.Sprint(name, "_", moves)
}

// worldClock stands still where now is set, and is ahead of the real one where
// it is not.
type worldClock struct {
	mu    sync.Mutex
	now   time.Time
	ahead time.Duration
}

func (c *worldClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now.IsZero() {
		return time.Now().Add(c.ahead)
	}
	return c.now
}

func (c *worldClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now.IsZero() {
		c.ahead += d
		return
	}
	c.now = c.now.Add(d)
}

// run lets the clock go on by itself, never backwards.
func (c *worldClock) run() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead, c.now = max(0, time.Until(c.now)), time.Time{}
}

const source = "promomats"

// newWorld starts a server with a content vault and a CRM vault for each
// config, not yet connected by anything but the platform.
func newWorld(t testing.TB, production bool, crms ...*crmConfig) *world {
	t.Helper()
	w := &world{t: t, clock: &worldClock{now: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)}, dir: t.TempDir(), users: map[string]string{}, crms: crms, ids: map[string]int64{}, prod: production,
		limits: `max_withdrawn = "100%"
    max_published = "100%"
    ignore_below  = 1000000`}
	server, err := devvault.Open(devvault.Options{Dir: t.TempDir(), Lax: true, Clock: w.clock.Now,
		Settings: devvault.Settings{Burst: 1_000_000, AuthBurst: 1_000_000}})
	if err != nil {
		t.Fatal(err)
	}
	clients := &devClients{password: "dev", next: http.HandlerFunc(w.serve), gone: make(chan struct{}, 1)}
	w.server, w.web = server, httptest.NewServer(clients)
	t.Cleanup(func() { w.web.CloseClientConnections(); w.web.Close(); _ = server.Close() })
	// A real tool, started for this folder, finds the server too.
	w.file = devFile(w.dir)
	if err := os.MkdirAll(filepath.Dir(w.file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writePrivate(w.file, devInfo{Address: w.web.URL, Password: "dev", PID: os.Getpid()}); err != nil {
		t.Fatal(err)
	}
	w.addVault(source, "promomats", environmentOf(production))
	for _, c := range crms {
		if c.environment == "" {
			c.environment = environmentOf(production)
		}
		w.addVault(c.vault(), "crm", c.environment)
		if err := server.Connect(devvault.ConnectSpec{Content: source, CRM: c.vault()}, w.web.URL); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// serve hands calls of the tool to the server.
func (w *world) serve(to http.ResponseWriter, r *http.Request) {
	vault, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/api/")
	path = strings.TrimPrefix(path, "v25.2/") // what has no version keeps its path
	query := ""
	var body []byte
	if r.Method != http.MethodGet && r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	if path == "query" {
		form, _ := url.ParseQuery(string(body))
		query = form.Get("q")
	}
	w.mu.Lock()
	if r.Method != http.MethodGet && query == "" && path != "auth" && path != "session" && !strings.HasPrefix(path, "query/") {
		w.wrote = append(w.wrote, sent{vault, r.Method, path, string(body)})
	}
	w.heard = append(w.heard, strings.TrimSpace(vault+" "+r.Method+" "+path+" "+query))
	w.count++
	instead, met, n := w.instead, w.met, w.count
	w.mu.Unlock()
	if met != nil {
		met(n)
	}
	if instead != nil && instead(to, vault, r.Method, path, query) {
		return
	}
	w.server.Handler().ServeHTTP(to, r)
}

// listen returns the calls since it was asked last.
func (w *world) listen() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	heard := w.heard
	w.heard = nil
	return heard
}

// sent returns the calls that may write since it was asked last.
func (w *world) sent() []sent {
	w.mu.Lock()
	defer w.mu.Unlock()
	wrote := w.wrote
	w.wrote = nil
	return wrote
}

// meet sets what happens at calls, which are counted from 1 again.
func (w *world) meet(met func(call int)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.met, w.count = met, 0
}

// answer sets what answers in place of the server; nil: nothing.
func (w *world) answer(instead func(to http.ResponseWriter, vault, method, path, query string) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.instead = instead
}

func environmentOf(production bool) string {
	if production {
		return "production"
	}
	return "sandbox"
}

// teamField is a custom field of documents, in every vault.
const teamField = `{"mdl": "RECREATE Docfield team__c (label('Team'), active(true), required(false), shared(true), type('String'), max_length(100), display_section('general'));"}
`

func (w *world) addVault(name, kind, environment string) {
	w.t.Helper()
	if err := w.server.AddVault(devvault.VaultSpec{Name: name, Kind: kind, Environment: environment, Domain: "accord.dev"}); err != nil {
		w.t.Fatal(err)
	}
	var answer struct {
		Vaults []struct {
			ID   int64  `json:"id"`
			Name string `json:"name"`
		} `json:"vaults"`
	}
	req := httptest.NewRequest("GET", "/_dev/vaults", nil)
	req.Header.Set("X-Dev-Token", "dev")
	got := httptest.NewRecorder()
	w.server.Handler().ServeHTTP(got, req)
	if err := json.Unmarshal(got.Body.Bytes(), &answer); err != nil {
		w.t.Fatal(err)
	}
	for _, v := range answer.Vaults {
		w.ids[v.Name] = v.ID
	}
	w.load(name, teamField)
}

func (w *world) load(vault, lines string) {
	w.t.Helper()
	if _, err := w.server.Load(vault, fmt.Sprintf("lines-%d", len(lines)), strings.NewReader(lines)); err != nil {
		w.t.Fatal(err)
	}
}

// note adds to what is printed when something goes wrong.
func (w *world) note(format string, args ...any) {
	w.trace = append(w.trace, fmt.Sprintf(format, args...))
}

// call calls the API of a vault as its admin would.
func (w *world) call(method, vault, path string, form url.Values) (map[string]any, error) {
	session := w.users[vault]
	if session == "" && path != "auth" {
		got, err := w.call("POST", vault, "auth", url.Values{"username": {"admin@" + vault + ".dev"}, "password": {"dev"}})
		if err != nil {
			return nil, err
		}
		session, _ = got["sessionId"].(string)
		w.users[vault] = session
	}
	req := httptest.NewRequest(method, w.web.URL+"/"+vault+"/api/v25.2/"+path, strings.NewReader(form.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", session)
	got := httptest.NewRecorder()
	w.server.Handler().ServeHTTP(got, req)
	out := map[string]any{}
	d := json.NewDecoder(got.Body)
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		return nil, err
	}
	if out["responseStatus"] == "INVALID_SESSION_ID" || fmt.Sprint(out["errors"]) != "<nil>" && strings.Contains(fmt.Sprint(out["errors"]), "INVALID_SESSION_ID") {
		delete(w.users, vault)
		return w.call(method, vault, path, form)
	}
	if out["responseStatus"] == "FAILURE" || out["responseStatus"] == "EXCEPTION" {
		return out, fmt.Errorf("%s %s %s: %v", method, vault, path, out["errors"])
	}
	return out, nil
}

// query reads all rows of a VQL query.
func (w *world) query(vault, q string) []map[string]any {
	w.t.Helper()
	got, err := w.call("POST", vault, "query", url.Values{"q": {q}})
	var rows []map[string]any
	for {
		if err != nil {
			w.t.Fatal(err)
		}
		data, _ := got["data"].([]any)
		for _, r := range data {
			rows = append(rows, r.(map[string]any))
		}
		details, _ := got["responseDetails"].(map[string]any)
		next, _ := details["next_page"].(string)
		if next == "" {
			return rows
		}
		_, path, _ := strings.Cut(next, "/api/v25.2/")
		if path == "" {
			w.t.Fatalf("the next page is %q", next)
		}
		got, err = w.call("POST", vault, path, nil)
	}
}

// dump is the canonical text of a vault, or of one kind of its content.
func (w *world) dump(vault, kind string) string {
	w.t.Helper()
	var b bytes.Buffer
	if err := w.server.Dump(context.Background(), vault, kind, &b); err != nil {
		w.t.Fatal(err)
	}
	return b.String()
}

// documentsDump is all content of a vault but its records.
func (w *world) documentsDump(vault string) string {
	return w.dump(vault, "version") + w.dump(vault, "node") + w.dump(vault, "relationship")
}

// writes are the calls that write, since this was asked last, by vault, method
// and route. Setting the run times of points (CLM-8) is left out: it is told
// apart by points, the number of such calls that there may be.
func (w *world) writes() map[string]int {
	out := map[string]int{}
	for _, c := range w.server.Calls(true) {
		if c.Effect == "write" {
			out[c.Vault+" "+c.Method+" "+c.Route] += c.Count
		}
	}
	return out
}

// hcl is the configuration.
func (w *world) hcl() string {
	var b strings.Builder
	fmt.Fprintf(&b, `accord {
  limits {
    %s
  }
  sync {
    filter_delay = %q
  }
  %s
}
vault "promomats" {
  kind        = "promomats"
  environment = %q
  url         = "dev://promomats"
}
`, w.limits, cmp.Or(w.delay, "0s"), w.block, environmentOf(w.prod))
	each := func(name, body string, of func(*crmConfig) (map[string]string, bool)) {
		entries := map[string]map[string]string{}
		for _, c := range w.crms {
			if values, ok := of(c); ok {
				entries[c.key] = values
			}
		}
		if len(entries) == 0 {
			return
		}
		fmt.Fprintf(&b, "%s {\n  for_each = {\n", name)
		for _, key := range slices.Sorted(maps.Keys(entries)) {
			fmt.Fprintf(&b, "    %s = {", key)
			for _, k := range slices.Sorted(maps.Keys(entries[key])) {
				fmt.Fprintf(&b, " %s = %s,", k, entries[key][k])
			}
			b.WriteString(" }\n")
		}
		fmt.Fprintf(&b, "  }\n%s}\n", body)
	}
	all := func(values func(*crmConfig) map[string]string) func(*crmConfig) (map[string]string, bool) {
		return func(c *crmConfig) (map[string]string, bool) { return values(c), true }
	}
	status := func(active bool) string {
		if active {
			return `"active"`
		}
		return `"inactive"`
	}
	engine := func(c *crmConfig) string {
		if c.platform {
			return `"platform"`
		}
		return "null"
	}
	each(`vault "crm"`, "  kind = \"crm\"\n  environment = each.value.environment\n  url = each.value.url\n", all(func(c *crmConfig) map[string]string {
		return map[string]string{"environment": strconv.Quote(c.environment), "url": strconv.Quote("dev://" + c.vault())}
	}))
	each(`connection "crm"`, "  type = \"promomats_crm\"\n  content = vault.promomats\n  crm = vault.crm[each.key]\n", all(func(*crmConfig) map[string]string { return nil }))
	each(`country_filter "crm"`, "  connection = connection.crm[each.key]\n  feature = \"clm\"\n  countries = each.value.countries\n", func(c *crmConfig) (map[string]string, bool) {
		list, _ := json.Marshal(c.countries)
		return map[string]string{"countries": string(list)}, len(c.countries) > 0
	})
	routed := func(c *crmConfig) (map[string]string, bool) {
		return map[string]string{"status": status(c.country), "engine": engine(c)}, w.countryAllowed(c) && !w.bare
	}
	each(`integration "country"`, "  connection = connection.crm[each.key]\n  type = \"country\"\n  status = each.value.status\n  engine = each.value.engine\n", routed)
	moves := w.crms[0].moves
	point := func(name string) string {
		if moves > 0 {
			fmt.Fprintf(&b, "moved {\n  from = integration_point.%s\n  to = integration_point.%s\n}\n", movedName(name, moves-1), movedName(name, moves))
		}
		return fmt.Sprintf("integration_point %q", movedName(name, moves))
	}
	each(point("clm_country"), "  integration = integration.country[each.key]\n  name = \"clm_country\"\n  status = each.value.status\n  engine = each.value.engine\n", routed)
	each(`integration "clm"`, "  connection = connection.crm[each.key]\n  type = \"clm\"\n  status = each.value.status\n  engine = each.value.engine\n", func(c *crmConfig) (map[string]string, bool) {
		return map[string]string{"status": status(c.clm), "engine": engine(c)}, !w.bare
	})
	each(point("clm_presentation"), "  integration = integration.clm[each.key]\n  name = \"clm_presentation\"\n  status = each.value.status\n  engine = each.value.engine\n  on_unapproved = each.value.unapproved\n", func(c *crmConfig) (map[string]string, bool) {
		unapproved := c.onUnapproved
		if unapproved == "" {
			unapproved = "keep"
		}
		return map[string]string{"status": status(c.clm), "engine": engine(c), "unapproved": strconv.Quote(unapproved)}, !w.bare
	})
	each(`integration_point "clm_object_model"`, "  integration = integration.clm[each.key]\n  name = \"clm_object_model\"\n  status = each.value.status\n  on_unapproved = each.value.unapproved\n", func(c *crmConfig) (map[string]string, bool) {
		return map[string]string{"status": status(c.clm && c.objects), "unapproved": strconv.Quote(cmp.Or(c.onUnapproved, "keep"))}, c.both
	})
	each(`query_rule "approved_only"`, "  connection = connection.crm[each.key]\n  status = each.value.status\n", func(c *crmConfig) (map[string]string, bool) {
		return map[string]string{"status": strconv.Quote(c.rule)}, c.rule != ""
	})
	for _, c := range w.crms {
		if c.team == "" {
			continue
		}
		fmt.Fprintf(&b, "field_rule \"team_%s\" {\n  connection = connection.crm[%q]\n  source = \"team__c\"\n  target = \"team__c\"\n", c.key, c.key)
		switch c.team {
		case "values":
			types, _ := json.Marshal(c.types)
			fmt.Fprintf(&b, "  applies_to = %s\n  values = { red = \"Red team\" }\n", types)
		case "default":
			b.WriteString("  default = \"nobody\"\n")
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// countryAllowed is CONN-3: a sandbox never populates a production vault.
func (w *world) countryAllowed(c *crmConfig) bool { return !w.prod || c.environment == "production" }

// tool is one start of accord: a provider of its own, and all that a command
// opens.
type tool struct {
	*world
	*workspace
	ctx      context.Context
	readOnly bool
}

// start opens what every command opens. The provider runs in this process.
func (w *world) start(ctx context.Context, operation string) *tool {
	w.t.Helper()
	must := func(err error) {
		if err != nil {
			w.t.Helper()
			w.fail("%s: %v", operation, err)
		}
	}
	files := w.files
	if files == nil {
		files = map[string]string{"main.hcl": w.hcl()}
	}
	old, err := filepath.Glob(filepath.Join(w.dir, "*.hcl"))
	must(err)
	for _, name := range old {
		must(os.Remove(name))
	}
	for name, text := range files {
		must(os.WriteFile(filepath.Join(w.dir, name), []byte(text), 0o600))
	}
	config, diags := lang.Load(w.dir)
	if diags.HasErrors() {
		must(diags)
	}
	x := &tool{world: w, ctx: ctx, workspace: &workspace{dir: w.dir, config: config, cli: &cli{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}}}
	p := vault.New()
	x.closers = append(x.closers, p.Close)
	sch, err := p.Schema(ctx)
	must(err)
	x.workspace.planner = &planner.Planner{Tool: "accord test", Now: w.clock.Now,
		Providers: map[string]providers.Provider{"vault": p}, Schemas: map[string]*schema.Provider{"vault": sch}}
	if _, err := x.evaluate(ctx, inputs{}); err != nil {
		must(fmt.Errorf("%w\n%s", err, x.cli.stderr))
	}
	store, err := local.Open(filepath.Join(w.dir, config.Settings.Backend.Config["path"]), local.Options{Tool: "accord test", Now: w.clock.Now})
	must(err)
	x.store = store
	x.onClose(store)
	x.journal, err = store.Journal(ctx)
	must(err)
	x.workspace.planner.Journal = x.journal
	settings := planner.SettingsOf(x.desired.Settings)
	limit := func(l planner.Limit) syncer.Limit { return syncer.Limit{Set: true, Share: l.Share, Place: l.Place} }
	s, err := syncer.New(syncer.Options{
		Provider: x.provider, Journal: x.journal, WorkDir: filepath.Join(w.dir, ".accord", "work"), Operation: operation,
		Limits: syncer.Limits{MaxWithdrawn: limit(settings.MaxWithdrawn), MaxPublished: limit(settings.MaxPublished), IgnoreBelow: settings.IgnoreBelow},
		Now:    w.clock.Now, Sleep: w.sleep,
	})
	must(err)
	x.onClose(s)
	x.workspace.planner.Syncer = s
	return x
}

func (w *world) fail(format string, args ...any) {
	w.t.Helper()
	w.t.Fatalf("%s\n\nwhat was done:\n%s", fmt.Sprintf(format, args...), strings.Join(w.trace, "\n"))
}

func (x *tool) configure(instances []providers.Object) (map[addrs.Instance]providers.Object, error) {
	endpoints := map[addrs.Instance]providers.Endpoint{}
	for _, inst := range instances {
		var body instanceBody
		if err := inst.Decode(&body); err != nil {
			return nil, err
		}
		name, _ := devName(body.URL)
		endpoints[inst.Addr] = providers.Endpoint{URL: x.web.URL + "/" + name, ID: x.ids[name], User: cmp.Or(x.logins[name], "admin@"+name+".dev"), PasswordFile: x.file}
	}
	found, errs := x.workspace.planner.Configure(x.ctx, providers.Config{Dir: x.world.dir, Instances: instances, Endpoints: endpoints, ReadOnly: x.readOnly, Tool: "accord-test"})
	return found, errors.Join(errs...)
}

// makePlan plans what the files want.
func (x *tool) makePlan(st *state.State) (*plan.Plan, error) {
	found, err := x.configure(objectsOf(x.desired.Instances))
	if err != nil {
		return nil, err
	}
	p, diags := x.workspace.planner.Plan(x.ctx, planner.Request{Desired: x.desired, State: st, Instances: found, Allow: x.world.allow})
	if diags.HasErrors() {
		return nil, diags
	}
	return p, nil
}

// apply plans and applies, and returns both. Between the two, meanwhile happens.
func (w *world) apply(ctx context.Context, meanwhile ...func()) (*plan.Plan, *planner.Report, error) {
	w.t.Helper()
	x := w.start(ctx, "apply")
	defer x.Close()
	lock, err := x.store.Lock(ctx, "apply")
	if err != nil {
		return nil, nil, err
	}
	defer lock.Unlock()
	p, err := x.makePlan(lock.State())
	if err != nil || len(p.Refusals) > 0 {
		return p, nil, err
	}
	for _, f := range meanwhile {
		f()
	}
	report, err := x.workspace.planner.Apply(ctx, planner.ApplyRequest{Plan: p, Desired: x.desired, Lock: lock, Detach: w.detach})
	return p, report, err
}

// plan plans only.
func (w *world) plan(ctx context.Context) (*plan.Plan, error) {
	w.t.Helper()
	x := w.start(ctx, "plan")
	defer x.Close()
	st, err := x.store.Read(ctx)
	if err != nil {
		return nil, err
	}
	return x.makePlan(st)
}

// sync runs what is due, or all in full, after a preview of the same.
func (w *world) sync(ctx context.Context, full bool) ([]syncer.Impact, []syncer.Outcome, error) {
	w.t.Helper()
	impacts, _, err := w.runs(ctx, full, true)
	if err != nil {
		return nil, nil, fmt.Errorf("preview: %w", err)
	}
	_, outcomes, err := w.runs(ctx, full, false)
	return impacts, outcomes, err
}

func (w *world) runs(ctx context.Context, full, preview bool) ([]syncer.Impact, []syncer.Outcome, error) {
	w.t.Helper()
	x := w.start(ctx, "sync")
	defer x.Close()
	st, err := x.store.Read(ctx)
	if err != nil {
		return nil, nil, err
	}
	found, err := x.configure(x.workspace.planner.AppliedInstances(st))
	if err != nil {
		return nil, nil, err
	}
	tasks, err := x.workspace.planner.AppliedTasks(ctx, st, found, syncer.Request{})
	if err != nil {
		return nil, nil, err
	}
	if err := x.choose(tasks, nil, syncOptions{full: full, allow: w.allow}); err != nil {
		return nil, nil, err
	}
	if preview {
		impacts, err := x.workspace.planner.Syncer.Preview(ctx, tasks)
		return impacts, nil, err
	}
	return nil, x.workspace.planner.Syncer.Run(ctx, tasks), nil
}

// lines splits a dump into its lines.
func lines(text string) []string {
	var out []string
	s := bufio.NewScanner(strings.NewReader(text))
	s.Buffer(nil, 16<<20)
	for s.Scan() {
		out = append(out, s.Text())
	}
	return out
}

func (w *world) must(_ any, err error) {
	w.t.Helper()
	if err != nil {
		w.fail("%v", err)
	}
}
