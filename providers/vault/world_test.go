package vault

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
	"accord/providers/devvault"
)

// world is a development server with vaults, and a provider connected to them.
type world struct {
	t      *testing.T
	server *devvault.Server
	url    string
	file   string // of the password
	p      providers.Provider
	schema *schema.Provider

	vaults []providers.Object
	clock  *testClock
}

type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

var start = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)

// spec is a vault of a world: crm-us is vault.crm["us"].
type spec struct{ name, kind, environment, domain string }

// newWorld starts a server with vaults. Vaults are connected when connect is
// called.
func newWorld(t *testing.T, specs ...spec) *world {
	t.Helper()
	clock := &testClock{now: start}
	server, err := devvault.Open(devvault.Options{Dir: t.TempDir(), Lax: true, Clock: clock.Now,
		Settings: devvault.Settings{Burst: 1_000_000, AuthBurst: 1_000_000}})
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server.Handler())
	t.Cleanup(func() { web.Close(); _ = server.Close() })
	w := &world{t: t, server: server, url: web.URL, clock: clock, file: filepath.Join(t.TempDir(), "dev.json")}
	if err := os.WriteFile(w.file, []byte(`{"password": "dev"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, s := range specs {
		if err := server.AddVault(devvault.VaultSpec{Name: s.name, Kind: s.kind, Environment: s.environment, Domain: s.domain}); err != nil {
			t.Fatal(err)
		}
		environment := s.environment
		if environment == "" {
			environment = sandbox
		}
		w.vaults = append(w.vaults, w.object(vaultAddr(s.name), map[string]any{
			"kind": s.kind, "environment": environment, "url": "dev://" + s.name, "burst_share": "80%",
		}))
	}
	return w
}

func vaultAddr(name string) addrs.Instance {
	if typ, key, ok := strings.Cut(name, "-"); ok {
		return addrs.NewKeyed("vault", typ, key)
	}
	return addrs.New("vault", name)
}

func (w *world) object(addr addrs.Instance, body map[string]any) providers.Object {
	w.t.Helper()
	if w.schema == nil {
		var err error
		if w.schema, err = New().Schema(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
	typ, _ := w.schema.Type(addr.Type)
	for _, a := range typ.Body.Attributes {
		if _, ok := body[a.Name]; !ok && a.Default != nil {
			body[a.Name] = a.Default
		}
	}
	raw, err := json.Marshal(body)
	if err == nil {
		raw, err = schema.Canonical(raw, &typ.Body)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	return providers.Object{Addr: addr, Type: addr.Type, Body: raw}
}

func (w *world) endpoints() map[addrs.Instance]providers.Endpoint {
	m := map[addrs.Instance]providers.Endpoint{}
	for _, v := range w.vaults {
		var b struct{ URL string }
		_ = v.Decode(&b)
		if name, ok := strings.CutPrefix(b.URL, "dev://"); ok {
			m[v.Addr] = providers.Endpoint{URL: w.url + "/" + name, User: "admin@" + name + ".dev", PasswordFile: w.file}
		}
	}
	return m
}

// connect opens a new provider on the world.
func (w *world) connect(readOnly bool) {
	w.t.Helper()
	if w.p != nil {
		_ = w.p.Close()
	}
	w.p = New()
	w.t.Cleanup(func() { _ = w.p.Close() })
	for _, r := range w.p.Configure(w.t.Context(), providers.Config{Instances: w.vaults, Endpoints: w.endpoints(), ReadOnly: readOnly, Tool: "accord/test"}) {
		if r.Err != nil {
			w.t.Fatalf("connect: %v", r.Err)
		}
	}
}

func (w *world) tie(content, crm string) {
	w.t.Helper()
	if err := w.server.Connect(devvault.ConnectSpec{Content: content, CRM: crm}, w.url); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) load(vault, lines string) {
	w.t.Helper()
	if _, err := w.server.Load(vault, fmt.Sprintf("test-%d", time.Now().UnixNano()), strings.NewReader(lines)); err != nil {
		w.t.Fatal(err)
	}
}

// countries loads the country records of CTRY-4.
func (w *world) countries(vault string) {
	w.load(vault, `
{"record": "country__v", "key": "us", "fields": {"name__v": "United States", "country_cda__v": ["us__v"]}}
{"record": "country__v", "key": "ca", "fields": {"name__v": "Canada", "country_cda__v": ["ca__v"]}}
{"record": "country__v", "key": "mx", "fields": {"name__v": "Mexico", "country_cda__v": ["mx__v"]}}
{"record": "country__v", "key": "global", "fields": {"name__v": "Global", "country_cda__v": ["us__v", "ca__v", "mx__v"]}}
`)
}

// dump is the canonical text of a vault.
func (w *world) dump(vault, kind string) string {
	w.t.Helper()
	var b bytes.Buffer
	if err := w.server.Dump(w.t.Context(), vault, kind, &b); err != nil {
		w.t.Fatal(err)
	}
	return b.String()
}

// writes counts the writing calls since it was asked last.
func (w *world) writes() int {
	n := 0
	for _, c := range w.server.Calls(true) {
		if string(c.Effect) == "write" {
			n += c.Count
		}
	}
	return n
}

// config is a small configuration: what the state and the plan know.
type config struct {
	*world
	objects  []providers.Object // desired, in the order of references
	recorded map[addrs.Instance]providers.Object
	live     map[addrs.Instance]*providers.Object
	planned  map[addrs.Instance]providers.PlanResponse
}

func (w *world) config(objects ...providers.Object) *config {
	return &config{world: w, objects: objects, recorded: map[addrs.Instance]providers.Object{}}
}

// refs are all objects, as the planner gives them: desired, or planned, or
// recorded.
func (c *config) refs() providers.Refs {
	refs := providers.Refs{}
	for _, v := range c.vaults {
		refs[v.Addr] = v
	}
	for addr, o := range c.recorded {
		refs[addr] = o
	}
	for _, o := range c.objects {
		refs[o.Addr] = o
	}
	for addr, r := range c.planned {
		if r.Planned != nil {
			refs[addr] = *r.Planned
		}
	}
	return refs
}

// plan reads and plans all objects, one type after the other.
func (c *config) plan() []providers.Diagnostic {
	c.t.Helper()
	c.live, c.planned = map[addrs.Instance]*providers.Object{}, map[addrs.Instance]providers.PlanResponse{}
	var problems []providers.Diagnostic
	ask := slices.Clone(c.objects)
	for addr, o := range c.recorded {
		if n := slices.IndexFunc(ask, func(x providers.Object) bool { return x.Addr == addr }); n >= 0 {
			ask[n].ID = o.ID // as the state has it
		} else {
			ask = append(ask, o)
		}
	}
	for n, r := range c.p.Read(c.t.Context(), providers.ReadRequest{Objects: ask, Refs: c.refs()}) {
		if r.Err != nil {
			c.t.Fatalf("read %s: %v", ask[n].Addr, r.Err)
		}
		o := r.Object
		if r.Same {
			o = &ask[n]
		}
		c.live[ask[n].Addr] = o
	}
	for _, typ := range []string{"connection", "permission_set", "country_filter", "query_rule", "field_rule", "integration", "integration_point"} {
		var items []providers.PlanItem
		for _, o := range ask {
			if o.Type != typ {
				continue
			}
			item := providers.PlanItem{Addr: o.Addr, Live: c.live[o.Addr]}
			if r, ok := c.recorded[o.Addr]; ok {
				item.Recorded = &r
			}
			if n := slices.IndexFunc(c.objects, func(x providers.Object) bool { return x.Addr == o.Addr }); n >= 0 {
				item.Desired = &c.objects[n]
			} else {
				t, _ := c.schema.Type(typ)
				item.Removal = t.Removal
			}
			items = append(items, item)
		}
		if len(items) == 0 {
			continue
		}
		for n, r := range c.p.Plan(c.t.Context(), providers.PlanRequest{Items: items, Refs: c.refs()}) {
			c.planned[items[n].Addr] = r
			problems = append(problems, r.Diagnostics...)
		}
	}
	return problems
}

// apply applies all that was planned, and remembers it.
func (c *config) apply() {
	c.t.Helper()
	for _, d := range c.plan() {
		if d.Severity == providers.SeverityError {
			c.t.Fatalf("plan %s: %s %s", d.Addr, d.Summary, d.Detail)
		}
	}
	all := slices.Clone(c.objects)
	for _, o := range all {
		r := c.planned[o.Addr]
		item := providers.ApplyItem{Addr: o.Addr, Action: providers.Update, Live: c.live[o.Addr], Planned: r.Planned}
		if rec, ok := c.recorded[o.Addr]; ok {
			item.Recorded = &rec
		}
		if item.Live == nil {
			item.Action = providers.Create
		}
		c.do(item)
	}
	var gone []providers.Object
	for addr, o := range c.recorded {
		if !slices.ContainsFunc(all, func(x providers.Object) bool { return x.Addr == addr }) {
			gone = append(gone, o)
		}
	}
	// Who refers is removed before who is referred to.
	order := []string{"integration_point", "integration", "query_rule", "field_rule", "country_filter", "permission_set", "connection"}
	slices.SortFunc(gone, func(a, b providers.Object) int { return slices.Index(order, a.Type) - slices.Index(order, b.Type) })
	for _, o := range gone {
		addr := o.Addr
		typ, _ := c.schema.Type(o.Type)
		c.do(providers.ApplyItem{Addr: addr, Action: providers.Remove, Live: c.live[addr], Recorded: &o, Removal: typ.Removal})
		delete(c.recorded, addr)
	}
}

func (c *config) do(item providers.ApplyItem) {
	c.t.Helper()
	r := c.p.Apply(c.t.Context(), providers.ApplyRequest{Items: []providers.ApplyItem{item}, Refs: c.refs()})[0]
	if r.Err != nil {
		c.t.Fatalf("%s %s: %v", item.Action, item.Addr, r.Err)
	}
	if r.Object != nil {
		c.recorded[item.Addr] = *r.Object
	}
}

// syncs are those of the configuration as applied, by point.
func (c *config) syncs() map[string]providers.Sync {
	c.t.Helper()
	c.plan()
	var changes []providers.Change
	for _, o := range c.objects {
		ch := providers.Change{Addr: o.Addr, After: c.planned[o.Addr].Planned, Live: c.live[o.Addr]}
		if rec, ok := c.recorded[o.Addr]; ok {
			ch.Before = &rec
		}
		changes = append(changes, ch)
	}
	list, err := c.p.Syncs(c.t.Context(), changes)
	if err != nil {
		c.t.Fatalf("syncs: %v", err)
	}
	out := map[string]providers.Sync{}
	for _, s := range list {
		out[s.Addr.String()] = s
	}
	return out
}

// read reads a stream.
func (w *world) read(req providers.RecordsRequest) []providers.Record {
	w.t.Helper()
	var out []providers.Record
	ended := false
	for b, err := range w.p.Records(w.t.Context(), req) {
		if err != nil {
			w.t.Fatalf("read %s: %v", req.End.Stream, err)
		}
		out = append(out, b.Records...)
		ended = b.End
	}
	if !ended {
		w.t.Fatalf("read %s: it did not end", req.End.Stream)
	}
	return out
}

func (w *world) write(sync providers.Sync, writes ...providers.Write) []providers.WriteResult {
	w.t.Helper()
	results := w.p.Write(w.t.Context(), providers.WriteRequest{Sync: sync, Run: "test", Writes: writes})
	if len(results) != len(writes) {
		w.t.Fatalf("%d results of %d writes", len(results), len(writes))
	}
	return results
}

func errorsOf(problems []providers.Diagnostic) []string {
	var out []string
	for _, d := range problems {
		if d.Severity == providers.SeverityError {
			out = append(out, fmt.Sprintf("%s %s %s", d.Code, d.Addr, string(d.Path)))
		}
	}
	slices.Sort(out)
	return out
}

// without is a body without some attributes, indented.
func without(body json.RawMessage, names []string) string {
	var m map[string]any
	if err := json.Unmarshal(body, &m); err != nil {
		panic(err)
	}
	for _, n := range names {
		delete(m, n)
	}
	raw, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		panic(err)
	}
	return string(raw)
}
