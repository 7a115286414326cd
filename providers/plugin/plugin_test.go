package plugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
	"accord/providers/providertest"
)

// The test binary is the host, and started again with envMode the plugin.
const (
	envMode   = "ACCORD_TEST_PLUGIN"
	envMemory = "ACCORD_TEST_MEMORY" // the file of a memory
	envAlive  = "ACCORD_TEST_ALIVE"  // a named pipe to hold open
)

func TestMain(m *testing.M) {
	var err error
	switch mode := os.Getenv(envMode); mode {
	case "":
		os.Exit(m.Run())
	case "memory":
		var memory *providertest.Memory
		if memory, err = providertest.OpenMemory(os.Getenv(envMemory)); err == nil {
			memory.BatchSize = 3
			err = Serve(memory.Provider)
		}
	case "bench":
		err = Serve(func() providers.Provider { return echo{} })
	case "odd":
		err = Serve(func() providers.Provider { return &odd{begun: make(chan struct{}), over: make(chan struct{})} })
	case "future":
		err = serve(echo{}, versions{8, 9})
	case "past":
		err = serve(echo{}, versions{1, 2})
	case "environment":
		err = Serve(func() providers.Provider { return environment{} })
	case "deaf":
		time.Sleep(time.Minute)
	case "mute":
		fmt.Fprintln(os.Stderr, "I am no plugin")
		os.Exit(3)
	case "hang":
		fmt.Fprintln(os.Stderr, "waiting for somebody")
		_, _ = io.Copy(io.Discard, os.Stdin)
	case "host":
		err = host()
	default:
		err = errors.New("unknown mode " + mode)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// command starts this binary again.
func command(t testing.TB, mode string, environment ...string) Command {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Command{Name: mode, Path: exe, Env: append(environment, envMode+"="+mode, "GORACE=atexit_sleep_ms=0")}
}

func start(t testing.TB, mode string, environment ...string) *Plugin {
	t.Helper()
	p, err := Open(context.Background(), command(t, mode, environment...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	return p
}

// keep writes a memory to a file that a plugin opens.
func keep(t testing.TB, m *providertest.Memory) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "memory.json")
	b, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMemoryBehindThePlugin(t *testing.T) {
	providertest.Run(t, providertest.MemoryTarget(func(t *testing.T, m *providertest.Memory) func(*testing.T) providers.Provider {
		path := keep(t, m)
		return func(t *testing.T) providers.Provider { return start(t, "memory", envMemory+"="+path) }
	}))
}

var (
	shelves = providers.Config{Instances: []providers.Object{providertest.Shelf("north", "north"), providertest.Shelf("south", "south")}}
	box     = providertest.Desired(addrs.New("box", "b"), map[string]any{"shelf": "shelf.north", "name": "b", "size": 1})
	books   = providers.End{Instance: addrs.New("shelf", "north"), Stream: providertest.StreamBooks}
	copies  = providers.Sync{
		Addr:   addrs.New("feed", "f"),
		Target: providers.End{Instance: addrs.New("shelf", "south"), Stream: providertest.StreamCopies, Scope: []byte(`{"feed":"f"}`)},
	}
)

// calls are all calls of the contract, and what a death in each means.
var calls = []struct {
	method string
	kind   providers.Kind
	call   func(context.Context, providers.Provider) error
}{
	{"read", providers.Transient, func(ctx context.Context, p providers.Provider) error {
		return only(p.Read(ctx, providers.ReadRequest{Objects: []providers.Object{box}}))
	}},
	{"apply", providers.Ambiguous, func(ctx context.Context, p providers.Provider) error {
		return only(p.Apply(ctx, providers.ApplyRequest{Items: []providers.ApplyItem{{Addr: box.Addr, Action: providers.Create, Planned: &box}}}))
	}},
	{"list", providers.Transient, func(ctx context.Context, p providers.Provider) (last error) {
		for _, err := range p.List(ctx, providers.ListRequest{Type: "box", Instance: books.Instance}) {
			last = err
		}
		return last
	}},
	{"seen", providers.Transient, func(ctx context.Context, p providers.Provider) error {
		_, err := p.Seen(ctx)
		return err
	}},
	{"lacks", providers.Transient, func(ctx context.Context, p providers.Provider) error {
		_, err := p.Lacks(ctx, []providers.Object{box})
		return err
	}},
	{"syncs", providers.Transient, func(ctx context.Context, p providers.Provider) error {
		_, err := p.Syncs(ctx, nil)
		return err
	}},
	{"records", providers.Transient, func(ctx context.Context, p providers.Provider) (last error) {
		ended := false
		for b, err := range p.Records(ctx, providers.RecordsRequest{End: books}) {
			last, ended = err, b.End
		}
		if last == nil && !ended {
			return errors.New("neither end nor error")
		}
		return last
	}},
	{"write", providers.Ambiguous, func(ctx context.Context, p providers.Provider) error {
		r := p.Write(ctx, providers.WriteRequest{Sync: copies, Writes: []providers.Write{{Verb: providers.WriteCreate, Part: "page", Key: "p"}}})
		if len(r) == 1 && r[0].Err == nil {
			return nil
		} else if len(r) == 1 {
			return r[0].Err
		}
		return fmt.Errorf("%d answers", len(r))
	}},
	{"finish", providers.Ambiguous, func(ctx context.Context, p providers.Provider) error {
		return p.Finish(ctx, providers.Run{Sync: copies, ID: "r"})
	}},
}

func only(r []providers.Result) error {
	if len(r) == 1 && r[0].Err == nil {
		return nil
	} else if len(r) == 1 {
		return r[0].Err
	}
	return fmt.Errorf("%d answers", len(r))
}

func memory(t testing.TB, faults ...providertest.Fault) *providertest.Memory {
	t.Helper()
	m := providertest.NewMemory()
	north := m.System("north")
	for n := range 10 {
		north.Put(providertest.Page(fmt.Sprintf("p%d", n), "A page"))
	}
	for _, f := range faults {
		m.Fault(f)
	}
	return m
}

func connected(t testing.TB, path string) *Plugin {
	t.Helper()
	p := start(t, "memory", envMemory+"="+path)
	for _, r := range p.Configure(context.Background(), shelves) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	return p
}

func TestPluginDies(t *testing.T) {
	for _, c := range calls {
		t.Run(c.method, func(t *testing.T) {
			t.Parallel()
			p := connected(t, keep(t, memory(t, providertest.Fault{Method: c.method, Exit: true})))
			err := c.call(t.Context(), p)
			if providers.KindOf(err) != c.kind || !strings.Contains(err.Error(), "exit status 70") || !strings.Contains(err.Error(), "plugin memory died") {
				t.Errorf("in flight: %s: %v", providers.KindOf(err), err)
			}
			for _, later := range calls {
				if err := later.call(t.Context(), p); providers.KindOf(err) != providers.Internal || !strings.Contains(err.Error(), "exit status 70") {
					t.Errorf("%s after that: %s: %v", later.method, providers.KindOf(err), err)
				}
			}
			if d := p.Validate(t.Context(), nil); len(d) != 1 || d[0].Severity != providers.SeverityError {
				t.Errorf("validate after that: %+v", d)
			}
			if r := p.Plan(t.Context(), providers.PlanRequest{Items: []providers.PlanItem{{Desired: &box}}}); len(r) != 1 || len(r[0].Diagnostics) != 1 {
				t.Errorf("plan after that: %+v", r)
			}
			if r := p.Configure(t.Context(), shelves); len(r) != 2 || r[1].Err == nil {
				t.Errorf("configure after that: %+v", r)
			}
		})
	}
}

// A stream that breaks in its middle yields what arrived, and an error.
func TestPluginDiesInAStream(t *testing.T) {
	p := connected(t, keep(t, memory(t, providertest.Fault{Method: "records", Skip: 2, Exit: true})))
	records, ended := 0, false
	var failure error
	for b, err := range p.Records(t.Context(), providers.RecordsRequest{End: books}) {
		records += len(b.Records)
		ended = ended || b.End
		failure = err
	}
	if ended || providers.KindOf(failure) != providers.Transient || records > 6 {
		t.Errorf("%d records, ended %v, %v", records, ended, failure)
	}
}

// kill ends a plugin's process as nobody can prevent.
func kill(t *testing.T, p *Plugin) {
	t.Helper()
	process, err := os.FindProcess(p.PID())
	if err == nil {
		err = process.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestPluginIsKilledInFlight(t *testing.T) {
	for _, c := range calls {
		t.Run(c.method, func(t *testing.T) {
			t.Parallel()
			p := start(t, "odd")
			answer := make(chan error)
			go func() { answer <- c.call(t.Context(), p) }()
			if _, err := p.Schema(t.Context()); err != nil { // answers once a call hangs
				t.Fatal(err)
			}
			kill(t, p)
			if err := <-answer; providers.KindOf(err) != c.kind || !strings.Contains(err.Error(), "signal: killed") {
				t.Errorf("%s: %v", providers.KindOf(err), err)
			}
		})
	}
}

func TestCancelReachesThePlugin(t *testing.T) {
	for _, c := range calls {
		t.Run(c.method, func(t *testing.T) {
			t.Parallel()
			p := start(t, "odd")
			ctx, cancel := context.WithCancel(t.Context())
			answer := make(chan error)
			go func() { answer <- c.call(ctx, p) }()
			if _, err := p.Schema(t.Context()); err != nil {
				t.Fatal(err)
			}
			cancel()
			if err := <-answer; providers.KindOf(err) != c.kind {
				t.Errorf("%s: %v", providers.KindOf(err), err)
			}
			p.Validate(t.Context(), nil) // answers once the call was cancelled over there
		})
	}
}

func TestPanicIsAnError(t *testing.T) {
	p := connected(t, keep(t, memory(t, providertest.Fault{Method: "records", Skip: 1, Panic: true}, providertest.Fault{Method: "write", Panic: true})))
	for _, c := range calls {
		if c.method != "records" && c.method != "write" {
			continue
		}
		err := c.call(t.Context(), p)
		var e *providers.Error
		if !errors.As(err, &e) || e.Kind != providers.Internal || !strings.Contains(e.Stack, "memory_streams.go") || strings.Contains(err.Error(), "goroutine") {
			t.Errorf("%s: %+v", c.method, err)
		}
	}
	if err := calls[0].call(t.Context(), p); err != nil {
		t.Errorf("the plugin lives on: %v", err)
	}

	// of a provider that the kit does not protect
	rough := start(t, "odd")
	r := rough.Plan(t.Context(), providers.PlanRequest{Items: make([]providers.PlanItem, 2)})
	if len(r) != 2 || len(r[1].Diagnostics) != 1 || !strings.Contains(r[1].Diagnostics[0].Summary, "panicked: planned") {
		t.Errorf("%+v", r)
	}
	// and beyond all protection, in a goroutine of its own
	results := rough.Configure(t.Context(), shelves)
	if len(results) != 2 || results[0].Err == nil || results[0].Err.Kind != providers.Transient || !strings.Contains(results[0].Err.Message, "panic: on its own") {
		t.Errorf("%+v", results[0].Err)
	}
}

// odd is a provider that hangs, panics and tells when.
type odd struct {
	echo
	once        sync.Once
	begun, over chan struct{}
}

func (o *odd) hang(ctx context.Context) {
	o.once.Do(func() { close(o.begun) })
	<-ctx.Done()
	close(o.over)
}

func (o *odd) Schema(context.Context) (*schema.Provider, error) {
	<-o.begun
	return &schema.Provider{Name: "odd"}, nil
}

func (o *odd) Validate(context.Context, []providers.Object) []providers.Diagnostic {
	<-o.over
	return nil
}

func (o *odd) Configure(context.Context, providers.Config) []providers.Result {
	go panic("on its own")
	select {}
}

func (o *odd) Plan(context.Context, providers.PlanRequest) []providers.PlanResponse { panic("planned") }

func (o *odd) Read(ctx context.Context, req providers.ReadRequest) []providers.Result {
	o.hang(ctx)
	return nil
}

func (o *odd) Apply(ctx context.Context, req providers.ApplyRequest) []providers.Result {
	o.hang(ctx)
	return nil
}

func (o *odd) List(ctx context.Context, _ providers.ListRequest) iter.Seq2[providers.Found, error] {
	return func(yield func(providers.Found, error) bool) { o.hang(ctx) }
}

func (o *odd) Seen(ctx context.Context) ([]providers.Seen, error) {
	o.hang(ctx)
	return nil, ctx.Err()
}

func (o *odd) Lacks(ctx context.Context, _ []providers.Object) ([]providers.Lack, error) {
	o.hang(ctx)
	return nil, ctx.Err()
}

func (o *odd) Syncs(ctx context.Context, _ []providers.Change) ([]providers.Sync, error) {
	o.hang(ctx)
	return nil, ctx.Err()
}

func (o *odd) Records(ctx context.Context, _ providers.RecordsRequest) iter.Seq2[providers.Batch, error] {
	return func(yield func(providers.Batch, error) bool) { o.hang(ctx) }
}

func (o *odd) Write(ctx context.Context, _ providers.WriteRequest) []providers.WriteResult {
	o.hang(ctx)
	return nil
}

func (o *odd) Finish(ctx context.Context, _ providers.Run) error {
	o.hang(ctx)
	return ctx.Err()
}

func TestOpenFails(t *testing.T) {
	check := func(err error, kind providers.Kind, words ...string) {
		t.Helper()
		if providers.KindOf(err) != kind {
			t.Errorf("%s, want %s: %v", providers.KindOf(err), kind, err)
			return
		}
		for _, w := range words {
			var e *providers.Error
			if errors.As(err, &e); !strings.Contains(e.Message+e.Advice, w) {
				t.Errorf("the error does not say %q: %v", w, err)
			}
		}
	}
	_, err := Open(t.Context(), command(t, "future"))
	check(err, providers.Invalid, "plugin future speaks version 8", "this accord speaks version 1", "Upgrade accord")
	_, err = open(t.Context(), command(t, "past"), versions{3, 5})
	check(err, providers.Invalid, "plugin past speaks version 1", "this accord speaks versions 3 to 5", "Upgrade the plugin")
	_, err = Open(t.Context(), command(t, "mute"))
	check(err, providers.Internal, "plugin mute", "exit status 3", "I am no plugin")
	_, err = Open(t.Context(), Command{Name: "x", Path: filepath.Join(t.TempDir(), "none")})
	check(err, providers.Invalid, "plugin x", "no such file")

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Open(ctx, command(t, "hang"))
	check(err, providers.Transient, "canceled")

	silent := command(t, "hang") // for ever
	for silent.Within = 300 * time.Millisecond; ; silent.Within *= 10 {
		_, err = Open(t.Context(), silent)
		if strings.Contains(err.Error(), "waiting for somebody") || silent.Within > time.Minute {
			break
		} // a machine that is busy took longer to start it
	}
	check(err, providers.Transient, "plugin hang", fmt.Sprint("did not answer within ", silent.Within), "waiting for somebody")
}

// Both ends use the newest version that both speak, whichever is older.
func TestVersionsAreNegotiated(t *testing.T) {
	for _, c := range []struct {
		mode  string
		host  versions
		speak int
	}{
		{"past", versions{2, 5}, 2},
		{"past", versions{1, 1}, 1},
		{"future", versions{1, 8}, 8},
		{"future", versions{9, 9}, 9},
	} {
		p, err := open(t.Context(), command(t, c.mode), c.host)
		if err != nil {
			t.Errorf("%s: %v", c.mode, err)
			continue
		}
		if got := p.client.NegotiatedVersion(); got != c.speak {
			t.Errorf("%s and a host of %s speak version %d, want %d", c.mode, c.host, got, c.speak)
		}
		if _, err := p.Schema(t.Context()); err != nil {
			t.Error(err)
		}
		_ = p.Close()
	}
}

// A plugin has the environment that it is given, and no more.
func TestEnvironment(t *testing.T) {
	t.Setenv("SECRET_OF_ANOTHER", "x")
	c := command(t, "environment")
	c.Environ = []string{"GIVEN=1"}
	p, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	declared, err := p.Schema(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range strings.Fields(declared.Version) {
		if name != "GIVEN" && name != envMode && name != "GORACE" && !strings.HasPrefix(name, "PLUGIN_") && !strings.HasPrefix(name, "ACCORD_PLUGIN") {
			t.Errorf("the plugin has %s in its environment", name)
		}
	}
	if !strings.Contains(declared.Version, "GIVEN") {
		t.Errorf("the plugin has %s", declared.Version)
	}
}

// environment tells the names of what its process was given, in its version, and
// where it works, in its name.
type environment struct{ echo }

func (environment) Schema(context.Context) (*schema.Provider, error) {
	var names []string
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		names = append(names, name)
	}
	dir, err := os.Getwd()
	return &schema.Provider{Name: "environment in " + dir, Version: strings.Join(names, " ")}, err
}

// A plugin is not to be run by hand.
func TestByHand(t *testing.T) {
	c := command(t, "bench")
	cmd := exec.Command(c.Path)
	cmd.Env = append(os.Environ(), c.Env...)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "accord init -help") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestCloseEndsTheProcess(t *testing.T) {
	p := start(t, "bench")
	socket := p.client.ReattachConfig().Addr.String()
	if info, err := os.Stat(filepath.Dir(socket)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder of the socket: %v, %v", info.Mode(), err)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	<-p.Done()
	if p.process.status != "exit status 0" {
		t.Errorf("it ended with %s", p.process.status)
	}
	if err := p.Close(); err != nil {
		t.Errorf("closed again: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(socket)); !os.IsNotExist(err) {
		t.Errorf("the folder of the socket is left behind: %v", err)
	}
	if err := calls[0].call(t.Context(), p); providers.KindOf(err) != providers.Internal {
		t.Errorf("a call after that: %v", err)
	}
}

// host is a process that opens a plugin, says so, and waits.
func host() error {
	_ = os.Setenv(envMode, "memory")
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	if _, err := Open(context.Background(), Command{Path: exe}); err != nil {
		return err
	}
	fmt.Println("open")
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// journal is a log that a test reads.
type journal struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (j *journal) Write(b []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.b.Write(b)
}

func TestLog(t *testing.T) {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo} {
		j := &journal{}
		c := command(t, "bench")
		c.Log = slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{Level: level}))
		p, err := Open(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Finish(t.Context(), providers.Run{ID: "seven"}); err != nil {
			t.Fatal(err)
		}
		_ = p.Close()
		want := 0
		if level == slog.LevelDebug {
			want = 1
		}
		if heard := strings.Count(j.b.String(), `level=DEBUG msg="finished seven"`); heard != want || strings.Count(j.b.String(), "finished seven") != want {
			t.Errorf("at level %v: %s", level, j.b.String())
		}
	}
}

// Records arrive whole, at their own level and in their own order, however the
// lines are cut; other lines are left to the log of level debug.
func TestRecords(t *testing.T) {
	var said bytes.Buffer
	plugin := slog.New(slog.NewJSONHandler(&said, &slog.HandlerOptions{Level: slog.LevelDebug}))
	plugin.Info("waits 12s", "zone", "a\nb", "count", 3)
	said.WriteString("no record\n")
	plugin.Debug("call")
	plugin.Warn("odd")

	j := &journal{}
	r := &records{log: slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})), plugin: "p"}
	for _, b := range said.Bytes() {
		if _, err := r.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	want := "level=INFO msg=\"waits 12s\" zone=\"a\\nb\" count=3 plugin=p\nlevel=WARN msg=odd plugin=p\n"
	if got := j.b.String(); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	var words lastWords
	_, _ = words.Write(said.Bytes())
	if got := words.String(); !strings.HasPrefix(got, "no record\n") || !strings.Contains(got, `"odd"`) || strings.Contains(got, "waits") {
		t.Errorf("last words %s", got)
	}
}
