package plugin

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"time"

	"accord/lang/schema"
	"accord/providers"
	"accord/providers/plugin/proto"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
)

// Command is how a plugin is started.
type Command struct {
	Name    string        // for people; the base of Path where empty
	Path    string        // the executable, as exec.Command takes it
	Args    []string      // without the name
	Environ []string      // its environment, as of os.Environ; nil: the host's own
	Env     []string      // beside that
	Within  time.Duration // how long it may take to start; StartWithin where zero
	Log     *slog.Logger  // where its log goes; other lines of it go there at level debug; nil: slog.Default
}

func (c *Command) level() string {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo} {
		if c.Log.Enabled(context.Background(), level) {
			return level.String()
		}
	}
	return slog.LevelWarn.String()
}

// StartWithin is how long a plugin may take to answer, unless the command says
// otherwise: far longer than any takes that is well.
const StartWithin = 20 * time.Second

// Plugin is a provider in a process of its own.
type Plugin struct {
	process *process
	client  *goplugin.Client // nil where it is attached to
	conn    *grpc.ClientConn // to whom it is attached
	rpc     proto.ProviderClient
	close   sync.Once
}

var _ providers.Provider = (*Plugin)(nil)

// Open starts a plugin and shakes hands with it. The process ends with Close,
// and with this process. The context holds for the start alone.
func Open(ctx context.Context, c Command) (*Plugin, error) { return open(ctx, c, protocol) }

func open(ctx context.Context, c Command, speaks versions) (*Plugin, error) {
	c.Name = cmp.Or(c.Name, filepath.Base(c.Path))
	c.Within = cmp.Or(c.Within, StartWithin)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	path, err := exec.LookPath(c.Path)
	if err != nil {
		return nil, providers.Errorf(providers.Invalid, "starting plugin %s: %v", c.Name, err)
	}
	c.Path = path
	p := &Plugin{process: newProcess(c)}
	p.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  handshake,
		StartTimeout:     c.Within,
		VersionedPlugins: speaks.sets(&end{}),
		SkipHostEnv:      true, // the process has what the command says
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: sockets()},
		AutoMTLS:         runtime.GOOS == "windows", // no unix socket there, but a port that anyone may dial
		Logger:           c.logger(),
		Stderr:           io.MultiWriter(&p.process.words, &records{log: c.Log, plugin: c.Name}),
		SyncStderr:       io.MultiWriter(&p.process.words, lines{c.Log, c.Name}),
		RunnerFunc: func(_ hclog.Logger, spec *exec.Cmd, folder string) (runner.Runner, error) {
			p.process.folder = folder
			return p.process, p.process.prepare(spec.Env)
		},
		GRPCDialOptions: dialOptions,
	})
	stop := context.AfterFunc(ctx, func() { _ = p.process.Kill(ctx) })
	defer stop()
	began := time.Now()
	if err := p.start(); err != nil {
		late := p.process.wasKilled() && time.Since(began) >= c.Within
		_ = p.Close()
		return nil, p.notStarted(ctx, err, speaks, late)
	}
	return p, nil
}

var dialOptions = []grpc.DialOption{
	grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageSize), grpc.MaxCallSendMsgSize(messageSize)),
	grpc.WithInitialWindowSize(windowSize), grpc.WithInitialConnWindowSize(windowSize),
}

func (p *Plugin) start() error {
	protocol, err := p.client.Client()
	if err != nil {
		return err
	}
	raw, err := protocol.Dispense(service)
	if err != nil {
		return err
	}
	p.rpc = raw.(proto.ProviderClient)
	return nil
}

var incompatible = regexp.MustCompile(`Plugin version: (\d+), Client versions`)

func (p *Plugin) notStarted(ctx context.Context, err error, speaks versions, late bool) error {
	c := p.process.command
	if m := incompatible.FindStringSubmatch(err.Error()); m != nil {
		theirs, _ := strconv.Atoi(m[1])
		return speaks.apart(c.Name, versions{theirs, theirs})
	}
	if ctx.Err() != nil {
		return providers.Errorf(providers.Transient, "starting plugin %s: %v", c.Name, ctx.Err())
	}
	e := providers.Errorf(providers.Internal, "starting plugin %s: it did not answer as a plugin does: %v", c.Name, err)
	status, dead := p.process.dead()
	switch {
	case late:
		e.Kind, e.Message = providers.Transient, fmt.Sprintf("starting plugin %s: it did not answer within %s, and was ended", c.Name, c.Within)
	case dead && !p.process.started:
		e.Message = fmt.Sprintf("starting plugin %s: %s", c.Name, status)
	case dead:
		e.Message = fmt.Sprintf("starting plugin %s: it ended (%s) before it answered as a plugin does", c.Name, status)
	}
	if words := p.process.words.String(); words != "" {
		e.Message += "; its last words were:\n" + words
	}
	return e
}

// apart says that the two ends have no version in common, and which of them is
// behind.
func (v versions) apart(name string, plugin versions) *providers.Error {
	err := providers.Errorf(providers.Invalid, "plugin %s speaks %s of the plugin protocol, and this accord speaks %s", name, plugin, v)
	if plugin.oldest > v.newest {
		err.Advice = "The plugin is newer than accord. Upgrade accord, or use an older version of the plugin."
	} else {
		err.Advice = "The plugin is older than accord. Upgrade the plugin, or use an older version of accord."
	}
	return err
}

// PID returns the id of the plugin's process.
func (p *Plugin) PID() int { return p.process.pid() }

// Done is closed when the plugin's process has ended.
func (p *Plugin) Done() <-chan struct{} { return p.process.done }

// patience is how long a plugin may take to end, or to be found dead.
const patience = 3 * time.Second

// Close ends the process. It may be called again.
func (p *Plugin) Close() error {
	p.close.Do(func() {
		if p.conn != nil {
			_ = p.conn.Close()
			p.process.ended("it was let go")
			return
		}
		// a process that hangs hears no farewell
		kill := time.AfterFunc(patience, func() { _ = p.process.Kill(context.Background()) })
		defer kill.Stop()
		p.client.Kill()
		if p.process.stdin != nil {
			_ = p.process.stdin.Close()
		}
		_ = os.RemoveAll(p.process.folder) // go-plugin leaves that of a process which was never started
	})
	return nil
}

// alive refuses a call that could only fail.
func (p *Plugin) alive() error {
	if _, dead := p.process.dead(); dead {
		return p.process.obituary(providers.Internal)
	}
	return nil
}

// failed explains why a call was not answered. Kind is what it means that it
// was not.
func (p *Plugin) failed(ctx context.Context, op string, kind providers.Kind, err error) *providers.Error {
	if e, ok := err.(*providers.Error); ok {
		return e
	}
	var e *providers.Error
	switch {
	case ctx.Err() != nil:
		e = providers.Errorf(kind, "%v", ctx.Err())
	case p.conn != nil:
		e = providers.Errorf(kind, "plugin %s, which waited in process %d, did not answer: %v", p.process.command.Name, p.PID(), err)
	default:
		t := time.NewTimer(patience)
		defer t.Stop()
		select {
		case <-p.process.done:
			e = p.process.obituary(kind)
		case <-ctx.Done():
			e = providers.Errorf(kind, "%v", ctx.Err())
		case <-t.C:
			e = providers.Errorf(kind, "plugin %s did not answer: %v", p.process.command.Name, err)
		}
	}
	e.Op = op
	return e
}

// results answers n requests, all with an error where the exchange failed.
func results[R any](n int, got []R, err *providers.Error, failed func(*providers.Error) R) []R {
	if err == nil && len(got) == n {
		return got
	}
	if err == nil {
		err = providers.Errorf(providers.Internal, "the plugin gave %d answers to %d requests", len(got), n)
	}
	got = make([]R, n)
	for i := range got {
		got[i] = failed(err)
	}
	return got
}

// call runs f on a plugin that lives, and explains its failure.
func (p *Plugin) call(ctx context.Context, op string, kind providers.Kind, r *reader, f func() error) *providers.Error {
	err := p.alive()
	if err == nil {
		if err = f(); err == nil && r.err != nil {
			return providers.Errorf(providers.Internal, "%s: %v", op, r.err)
		}
	}
	if err == nil {
		return nil
	}
	return p.failed(ctx, op, kind, err)
}

// Schema implements providers.Provider.
func (p *Plugin) Schema(ctx context.Context) (*schema.Provider, error) {
	var r reader
	var answer *proto.SchemaResponse
	if err := p.call(ctx, "reading the schema", providers.Transient, &r, func() (err error) {
		answer, err = p.rpc.Schema(ctx, &proto.SchemaRequest{})
		return err
	}); err != nil {
		return nil, err
	}
	if answer.Err != nil {
		return nil, r.error(answer.Err)
	}
	declared := new(schema.Provider)
	if err := json.Unmarshal(answer.Schema, declared); err != nil {
		return nil, providers.Errorf(providers.Internal, "reading the schema of plugin %s: %v", p.process.command.Name, err)
	}
	return declared, nil
}

// Validate implements providers.Provider.
func (p *Plugin) Validate(ctx context.Context, objects []providers.Object) []providers.Diagnostic {
	var r reader
	var found []providers.Diagnostic
	if err := p.call(ctx, "validating", providers.Transient, &r, func() error {
		request := func(yield func(*proto.ValidateRequest) bool) {
			for some := range parts(objects, sizeOfObject) {
				if !yield(&proto.ValidateRequest{Objects: convertAt(some, wire{}.object)}) {
					return
				}
			}
		}
		return exchange(ctx, p.rpc.Validate, request, func(m *proto.ValidateResponse) {
			found = append(found, convert(m.Diagnostics, r.diagnostic)...)
		})
	}); err != nil {
		found = append(found, providers.Diagnostic{Severity: providers.SeverityError, Summary: err.Error(), Detail: err.Advice})
	}
	return found
}

// Configure implements providers.Provider.
func (p *Plugin) Configure(ctx context.Context, config providers.Config) []providers.Result {
	var r reader
	var got []providers.Result
	err := p.call(ctx, "connecting", providers.Transient, &r, func() error {
		request := func(yield func(*proto.ConfigureRequest) bool) {
			first := true
			for some := range parts(config.Instances, sizeOfObject) {
				m := &proto.ConfigureRequest{Instances: convertAt(some, wire{}.object)}
				if first {
					m.Dir, m.Tool, m.ReadOnly, m.Impatient = config.Dir, config.Tool, config.ReadOnly, config.Impatient
					m.Endpoints = make(map[string]*proto.Endpoint, len(config.Endpoints))
					for addr, e := range config.Endpoints {
						m.Endpoints[addr.String()] = wire{}.endpoint(e)
					}
					first = false
				}
				if !yield(m) {
					return
				}
			}
		}
		return exchange(ctx, p.rpc.Configure, request, func(m *proto.ResultsResponse) { got = append(got, convert(m.Results, r.result)...) })
	})
	return results(len(config.Instances), got, err, failedResult)
}

// Read implements providers.Provider.
func (p *Plugin) Read(ctx context.Context, req providers.ReadRequest) []providers.Result {
	w, r := ends(len(req.Objects))
	got := make([]providers.Result, 0, len(req.Objects))
	var same []providers.Object // which all live as long
	err := p.call(ctx, "reading", providers.Transient, &r, func() error {
		request := func(yield func(*proto.ReadRequest) bool) {
			recorded, refs, stay := req.Recorded, req.Refs, req.Stay
			for some := range parts(req.Objects, sizeOfObject) {
				m := &proto.ReadRequest{Objects: convertAt(some, w.object), Refs: w.refs(refs), Touched: req.Touched, Foresee: req.Stay != nil, Stay: w.refs(stay)}
				if len(recorded) >= len(some) {
					m.Recorded, recorded = convert(recorded[:len(some)], digestOf), recorded[len(some):]
				}
				if !yield(m) {
					return
				}
				refs, stay = nil, nil
			}
		}
		return exchange(ctx, p.rpc.Read, request, func(m *proto.ResultsResponse) {
			for _, result := range m.Results {
				g := r.result(result)
				if n := len(got); result.AsRecorded && n < len(req.Recorded) && len(req.Recorded[n]) > 0 {
					if g.Object == nil {
						if same == nil {
							same = make([]providers.Object, len(req.Objects))
						}
						same[n] = req.Objects[n]
						same[n].Unknown = nil
						g.Object = &same[n]
					}
					g.Object.Body = req.Recorded[n]
				}
				got = append(got, g)
			}
		})
	})
	return results(len(req.Objects), got, err, failedResult)
}

// digestOf tells whether both ends mean the same body; nothing is told of none.
func digestOf(body json.RawMessage) []byte {
	if len(body) == 0 {
		return nil
	}
	sum := sha256.Sum256(body)
	return sum[:]
}

// Plan implements providers.Provider.
func (p *Plugin) Plan(ctx context.Context, req providers.PlanRequest) []providers.PlanResponse {
	w, r := ends(2 * len(req.Items))
	var got []providers.PlanResponse
	err := p.call(ctx, "planning", providers.Transient, &r, func() error {
		request := func(yield func(*proto.PlanRequest) bool) {
			refs := req.Refs
			for some := range parts(req.Items, sizeOfPlanItem) {
				if !yield(&proto.PlanRequest{Items: convertAt(some, w.planItem), Refs: w.refs(refs)}) {
					return
				}
				refs = nil
			}
		}
		return exchange(ctx, p.rpc.Plan, request, func(m *proto.PlanResponse) {
			for _, item := range m.Items {
				g := r.planned(item)
				if n := len(got); item.PlannedAsLive && n < len(req.Items) && req.Items[n].Live != nil {
					live := *req.Items[n].Live
					g.Planned = &live
				}
				got = append(got, g)
			}
		})
	})
	return results(len(req.Items), got, err, failedPlan)
}

// Apply implements providers.Provider.
func (p *Plugin) Apply(ctx context.Context, req providers.ApplyRequest) []providers.Result {
	w, r := ends(2 * len(req.Items))
	var got []providers.Result
	err := p.call(ctx, "applying", providers.Ambiguous, &r, func() error {
		request := func(yield func(*proto.ApplyRequest) bool) {
			refs := req.Refs
			for some := range parts(req.Items, sizeOfApplyItem) {
				if !yield(&proto.ApplyRequest{Items: convertAt(some, w.applyItem), Refs: w.refs(refs)}) {
					return
				}
				refs = nil
			}
		}
		return exchange(ctx, p.rpc.Apply, request, func(m *proto.ResultsResponse) { got = append(got, convert(m.Results, r.result)...) })
	})
	return results(len(req.Items), got, err, failedResult)
}

// List implements providers.Provider.
func (p *Plugin) List(ctx context.Context, req providers.ListRequest) iter.Seq2[providers.Found, error] {
	return func(yield func(providers.Found, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var r reader
		var stream grpc.ServerStreamingClient[proto.ListResponse]
		open := func() (err error) {
			stream, err = p.rpc.List(ctx, &proto.ListRequest{Type: req.Type, Instance: req.Instance.String(), Refs: wire{}.refs(req.Refs)})
			return err
		}
		next := func() (m *proto.ListResponse, err error) { return stream.Recv() }
		for m, err := range messages(p, ctx, "listing", open, next) {
			if err != nil {
				yield(providers.Found{}, err)
				return
			}
			for n, o := range r.objects(m.Objects) {
				if r.err == nil && len(m.Left) != len(m.Objects) {
					r.err = errors.New("an answer with objects, and without what keeps each from being managed")
				}
				if r.err != nil {
					yield(providers.Found{}, r.err)
					return
				}
				if !yield(providers.Found{Object: o, Left: m.Left[n]}, nil) {
					return
				}
			}
			if m.Err != nil {
				yield(providers.Found{}, r.error(m.Err))
				return
			}
		}
	}
}

// Seen implements providers.Provider.
func (p *Plugin) Seen(ctx context.Context) ([]providers.Seen, error) {
	var l listed[providers.Seen]
	return l.all(p.call(ctx, "asking what was seen", providers.Transient, &l.reader, func() error {
		stream, err := p.rpc.Seen(ctx, &proto.SeenRequest{})
		if err != nil {
			return err
		}
		return receive(stream, func(m *proto.SeenResponse) { l.add(m.Seen, m.Err) })
	}))
}

// Lacks implements providers.Provider.
func (p *Plugin) Lacks(ctx context.Context, objects []providers.Object) ([]providers.Lack, error) {
	var l listed[providers.Lack]
	return l.all(p.call(ctx, "asking what is not permitted", providers.Transient, &l.reader, func() error {
		request := func(yield func(*proto.LacksRequest) bool) {
			for some := range parts(objects, sizeOfObject) {
				if !yield(&proto.LacksRequest{Objects: convertAt(some, wire{}.object)}) {
					return
				}
			}
		}
		return exchange(ctx, p.rpc.Lacks, request, func(m *proto.LacksResponse) { l.add(m.Lacks, m.Err) })
	}))
}

// Syncs implements providers.Provider.
func (p *Plugin) Syncs(ctx context.Context, changes []providers.Change) ([]providers.Sync, error) {
	var w wire
	var l listed[providers.Sync]
	w, l.reader = ends(2 * len(changes))
	return l.all(p.call(ctx, "asking for syncs", providers.Transient, &l.reader, func() error {
		request := func(yield func(*proto.SyncsRequest) bool) {
			for some := range parts(changes, sizeOfChange) {
				if !yield(&proto.SyncsRequest{Changes: convertAt(some, w.change)}) {
					return
				}
			}
		}
		return exchange(ctx, p.rpc.Syncs, request, func(m *proto.SyncsResponse) { l.add(m.Syncs, m.Err) })
	}))
}

// listed is an answer of things as JSON, in parts, or why there is none.
type listed[T any] struct {
	reader
	list    []T
	refused *providers.Error
}

func (l *listed[T]) add(bodies [][]byte, refused *proto.Error) {
	for _, raw := range bodies {
		var one T
		if err := json.Unmarshal(raw, &one); err != nil && l.err == nil {
			l.err = err
		}
		l.list = append(l.list, one)
	}
	if refused != nil {
		l.refused = l.error(refused)
	}
}

// all returns what came, where the call did not fail.
func (l *listed[T]) all(failed *providers.Error) ([]T, error) {
	switch {
	case failed != nil:
		return nil, failed
	case l.refused != nil:
		return nil, l.refused
	}
	return l.list, nil
}

// Records implements providers.Provider. Batches arrive as the plugin sends
// them, up to windowSize ahead of who reads them.
func (p *Plugin) Records(ctx context.Context, req providers.RecordsRequest) iter.Seq2[providers.Batch, error] {
	return func(yield func(providers.Batch, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var r reader
		var stream grpc.ServerStreamingClient[proto.RecordsResponse]
		open := func() (err error) {
			stream, err = p.rpc.Records(ctx, wire{}.recordsRequest(&req))
			return err
		}
		next := func() (*proto.RecordsResponse, error) { return stream.Recv() }
		for m, err := range messages(p, ctx, "reading records", open, next) {
			switch {
			case err != nil:
				yield(providers.Batch{}, err)
				return
			case m.Err != nil:
				yield(providers.Batch{}, r.error(m.Err))
				return
			}
			records, err := readRecords(m.Records)
			if err != nil {
				yield(providers.Batch{}, providers.Errorf(providers.Internal, "reading records: %v", err))
				return
			}
			b := providers.Batch{Records: records, End: m.End, Horizon: r.time(m.Horizon), Calls: int(m.Calls), Titles: m.Titles, Of: int(m.Of), Err: r.error(m.Failed)}
			if !yield(b, nil) {
				return
			}
		}
	}
}

// messages yields the messages of a stream; an error is the last.
func messages[M any](p *Plugin, ctx context.Context, op string, open func() error, next func() (*M, error)) iter.Seq2[*M, error] {
	return func(yield func(*M, error) bool) {
		err := p.alive()
		if err == nil {
			err = open()
		}
		for err == nil {
			var m *M
			if m, err = next(); err == nil && !yield(m, nil) {
				return
			}
		}
		if err != io.EOF {
			yield(nil, p.failed(ctx, op, providers.Transient, err))
		}
	}
}

// Write implements providers.Provider.
func (p *Plugin) Write(ctx context.Context, req providers.WriteRequest) []providers.WriteResult {
	var r reader
	var got []providers.WriteResult
	sync, err := json.Marshal(&req.Sync)
	if err != nil {
		return results(len(req.Writes), nil, providers.Errorf(providers.Internal, "writing a sync: %v", err), failedWrite)
	}
	failure := p.call(ctx, "writing", providers.Ambiguous, &r, func() error {
		request := func(yield func(*proto.WriteRequest) bool) {
			for some := range parts(req.Writes, sizeOfWrite) {
				if !yield(&proto.WriteRequest{Sync: sync, Run: req.Run, Writes: convertAt(some, wire{}.write)}) {
					return
				}
				sync = nil
			}
		}
		return exchange(ctx, p.rpc.Write, request, func(m *proto.WriteResponse) { got = append(got, convert(m.Results, r.writeResult)...) })
	})
	return results(len(req.Writes), got, failure, failedWrite)
}

// Finish implements providers.Provider.
func (p *Plugin) Finish(ctx context.Context, run providers.Run) error {
	var r reader
	raw, err := json.Marshal(&run)
	if err != nil {
		return providers.Errorf(providers.Internal, "writing a run: %v", err)
	}
	var answer *proto.FinishResponse
	if err := p.call(ctx, "finishing a run", providers.Ambiguous, &r, func() (err error) {
		answer, err = p.rpc.Finish(ctx, &proto.FinishRequest{Run: raw})
		return err
	}); err != nil {
		return err
	}
	if answer.Err != nil {
		return r.error(answer.Err)
	}
	return nil
}
