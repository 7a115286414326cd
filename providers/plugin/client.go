package plugin

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"os"
	"sync"
	"time"

	"accord/lang/schema"
	"accord/providers"
	"accord/providers/plugin/proto"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// Plugin is a provider in a process of its own.
type Plugin struct {
	process *process
	client  *goplugin.Client // nil where it is attached to
	conn    *grpc.ClientConn // to whom it is attached
	rpc     proto.ProviderClient
	close   sync.Once
}

var _ providers.Provider = (*Plugin)(nil)

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
