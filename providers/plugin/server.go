package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/plugin/proto"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// server answers the wire with a provider: the one that the context of a call
// belongs to.
type server struct {
	proto.UnimplementedProviderServer
	provider func(context.Context) providers.Provider
}

// guard calls a method of the provider; a panic is an error with its stack.
func guard(f func()) (err *providers.Error) {
	defer func() {
		if v := recover(); v != nil {
			err = providers.Panicked(v)
		}
	}()
	f()
	return nil
}

// guarded answers a batch of n, with one error for each where the method
// panicked or gave the wrong number of answers.
func guarded[R any](n int, f func() []R, failed func(*providers.Error) R) (results []R) {
	err := guard(func() { results = f() })
	if err == nil && len(results) != n {
		err = providers.Errorf(providers.Internal, "the provider gave %d answers to %d requests", len(results), n)
	}
	if err == nil {
		return results
	}
	results = make([]R, n)
	for i := range results {
		results[i] = failed(err)
	}
	return results
}

func failedResult(err *providers.Error) providers.Result { return providers.Result{Err: err} }

func failedWrite(err *providers.Error) providers.WriteResult { return providers.WriteResult{Err: err} }

func failedDiagnostic(err *providers.Error) providers.Diagnostic {
	return providers.Diagnostic{Severity: providers.SeverityError, Summary: err.Message, Detail: err.Stack}
}

func failedPlan(err *providers.Error) providers.PlanResponse {
	return providers.PlanResponse{Diagnostics: []providers.Diagnostic{failedDiagnostic(err)}}
}

// plain makes any error one that can travel. An ended context has the kind
// that its caller says.
func plain(err error, ended providers.Kind) *providers.Error {
	var e *providers.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		if _, direct := err.(*providers.Error); direct {
			return e
		}
		whole := *e
		whole.Op, whole.Message, whole.Trace = "", err.Error(), ""
		return &whole
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return providers.Errorf(ended, "%v", err)
	default:
		return providers.Errorf(providers.Internal, "%v", err)
	}
}

func badRequest(err error) error { return status.Error(codes.InvalidArgument, err.Error()) }

func (s *server) Schema(ctx context.Context, _ *proto.SchemaRequest) (*proto.SchemaResponse, error) {
	answer := &proto.SchemaResponse{}
	crash := guard(func() {
		declared, err := s.provider(ctx).Schema(ctx)
		if err == nil {
			answer.Schema, err = json.Marshal(declared)
		}
		answer.Err = wire{}.err(plain(err, providers.Transient))
	})
	if crash != nil {
		answer.Err = wire{}.err(crash)
	}
	return answer, nil
}

func (s *server) Validate(stream grpc.BidiStreamingServer[proto.ValidateRequest, proto.ValidateResponse]) error {
	var r reader
	var objects []providers.Object
	if err := receive(stream, func(m *proto.ValidateRequest) { objects = append(objects, r.objects(m.Objects)...) }); err != nil {
		return err
	}
	if r.err != nil {
		return badRequest(r.err)
	}
	var diagnostics []providers.Diagnostic
	if crash := guard(func() { diagnostics = s.provider(stream.Context()).Validate(stream.Context(), objects) }); crash != nil {
		diagnostics = []providers.Diagnostic{failedDiagnostic(crash)}
	}
	for some := range parts(diagnostics, sizeOfDiagnostic) {
		if err := stream.Send(&proto.ValidateResponse{Diagnostics: convertAt(some, wire{}.diagnostic)}); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) Configure(stream grpc.BidiStreamingServer[proto.ConfigureRequest, proto.ResultsResponse]) error {
	var r reader
	var config providers.Config
	err := receive(stream, func(m *proto.ConfigureRequest) {
		config.Instances = append(config.Instances, r.objects(m.Instances)...)
		if m.Dir != "" || m.Tool != "" || m.ReadOnly || m.Impatient || len(m.Endpoints) > 0 {
			config.Dir, config.Tool, config.ReadOnly, config.Impatient = m.Dir, m.Tool, m.ReadOnly, m.Impatient
			for addr, e := range m.Endpoints {
				if config.Endpoints == nil {
					config.Endpoints = make(map[addrs.Instance]providers.Endpoint)
				}
				config.Endpoints[r.addr(addr)] = r.endpoint(e)
			}
		}
	})
	if err != nil {
		return err
	}
	if r.err != nil {
		return badRequest(r.err)
	}
	results := guarded(len(config.Instances), func() []providers.Result { return s.provider(stream.Context()).Configure(stream.Context(), config) }, failedResult)
	return sendResults(stream, results, wire{}.result)
}

func (s *server) Apply(stream grpc.BidiStreamingServer[proto.ApplyRequest, proto.ResultsResponse]) error {
	w, r := ends(0)
	var req providers.ApplyRequest
	err := receive(stream, func(m *proto.ApplyRequest) {
		req.Items = append(req.Items, convert(m.Items, r.applyItem)...)
		req.Refs = r.refs(m.Refs, req.Refs)
	})
	if err != nil {
		return err
	}
	if r.err != nil {
		return badRequest(r.err)
	}
	results := guarded(len(req.Items), func() []providers.Result { return s.provider(stream.Context()).Apply(stream.Context(), req) }, failedResult)
	return sendResults(stream, results, w.result)
}

func sendResults(stream interface {
	Send(*proto.ResultsResponse) error
}, results []providers.Result, write func(*providers.Result) *proto.Result) error {
	for some := range parts(results, sizeOfResult) {
		if err := stream.Send(&proto.ResultsResponse{Results: convertAt(some, write)}); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) Plan(stream grpc.BidiStreamingServer[proto.PlanRequest, proto.PlanResponse]) error {
	w, r := ends(0)
	var req providers.PlanRequest
	err := receive(stream, func(m *proto.PlanRequest) {
		req.Items = append(req.Items, convert(m.Items, r.planItem)...)
		req.Refs = r.refs(m.Refs, req.Refs)
	})
	if err != nil {
		return err
	}
	if r.err != nil {
		return badRequest(r.err)
	}
	responses := guarded(len(req.Items), func() []providers.PlanResponse { return s.provider(stream.Context()).Plan(stream.Context(), req) }, failedPlan)
	n := 0
	write := func(p *providers.PlanResponse) *proto.Planned {
		same := alike(p.Planned, req.Items[n].Live)
		n++
		if !same {
			return w.planned(p)
		}
		p.Planned = nil
		m := w.planned(p)
		m.PlannedAsLive = true
		return m
	}
	for some := range parts(responses, sizeOfPlanned) {
		if err := stream.Send(&proto.PlanResponse{Items: convertAt(some, write)}); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) List(m *proto.ListRequest, stream grpc.ServerStreamingServer[proto.ListResponse]) error {
	var r reader
	req := providers.ListRequest{Type: m.Type, Instance: r.addr(m.Instance), Refs: r.refs(m.Refs, nil)}
	if r.err != nil {
		return badRequest(r.err)
	}
	var (
		failure error // of the provider
		broken  error // of the stream
		waiting []*proto.Object
		left    []string
		size    int
	)
	send := func(answer *proto.ListResponse) bool {
		broken = stream.Send(answer)
		waiting, left, size = nil, nil, 0
		return broken == nil
	}
	crash := guard(func() {
		for o, err := range s.provider(stream.Context()).List(stream.Context(), req) {
			if failure = err; err != nil {
				return
			}
			waiting, left = append(waiting, wire{}.object(&o.Object)), append(left, o.Left)
			if size += sizeOfObject(&o.Object) + len(o.Left); size > partSize/4 && !send(&proto.ListResponse{Objects: waiting, Left: left}) {
				return
			}
		}
	})
	if broken != nil {
		return broken
	}
	last := plain(failure, providers.Transient)
	if crash != nil {
		last = crash
	}
	send(&proto.ListResponse{Objects: waiting, Left: left, Err: wire{}.err(last)})
	return broken
}

func (s *server) Seen(_ *proto.SeenRequest, stream grpc.ServerStreamingServer[proto.SeenResponse]) error {
	return answer(func() ([]providers.Seen, error) { return s.provider(stream.Context()).Seen(stream.Context()) },
		func(seen [][]byte, err *proto.Error) error {
			return stream.Send(&proto.SeenResponse{Seen: seen, Err: err})
		})
}

func (s *server) Lacks(stream grpc.BidiStreamingServer[proto.LacksRequest, proto.LacksResponse]) error {
	var r reader
	var objects []providers.Object
	if err := receive(stream, func(m *proto.LacksRequest) { objects = append(objects, r.objects(m.Objects)...) }); err != nil {
		return err
	}
	if r.err != nil {
		return badRequest(r.err)
	}
	return answer(func() ([]providers.Lack, error) { return s.provider(stream.Context()).Lacks(stream.Context(), objects) },
		func(lacks [][]byte, err *proto.Error) error {
			return stream.Send(&proto.LacksResponse{Lacks: lacks, Err: err})
		})
}

func (s *server) Syncs(stream grpc.BidiStreamingServer[proto.SyncsRequest, proto.SyncsResponse]) error {
	_, r := ends(0)
	var changes []providers.Change
	if err := receive(stream, func(m *proto.SyncsRequest) { changes = append(changes, convert(m.Changes, r.change)...) }); err != nil {
		return err
	}
	if r.err != nil {
		return badRequest(r.err)
	}
	return answer(func() ([]providers.Sync, error) { return s.provider(stream.Context()).Syncs(stream.Context(), changes) },
		func(syncs [][]byte, err *proto.Error) error {
			return stream.Send(&proto.SyncsResponse{Syncs: syncs, Err: err})
		})
}

// answer sends what a method of the provider returns, each as JSON, some at a time,
// so that the other end reads them while more are written; or why it does not.
func answer[T any](method func() ([]T, error), send func(bodies [][]byte, err *proto.Error) error) error {
	var failure, broken error // of the provider; of the stream
	crash := guard(func() {
		var list []T
		if list, failure = method(); failure != nil {
			return
		}
		for some := range slices.Chunk(list, atATime) {
			var bodies [][]byte
			if bodies, failure = marshalAll(some); failure != nil {
				return
			}
			for part := range parts(bodies, sizeOfBytes) {
				if broken = send(part, nil); broken != nil {
					return
				}
			}
		}
	})
	switch {
	case broken != nil:
		return broken
	case crash != nil:
		failure = crash
	}
	if failure == nil {
		return nil
	}
	return send(nil, wire{}.err(plain(failure, providers.Transient)))
}

func (s *server) Records(m *proto.RecordsRequest, stream grpc.ServerStreamingServer[proto.RecordsResponse]) error {
	var r reader
	req := r.recordsRequest(m)
	if r.err != nil {
		return badRequest(r.err)
	}
	var failure, broken error // of the provider; of the stream
	w := recordsWriters.Get().(*recordsWriter)
	defer recordsWriters.Put(w)
	crash := guard(func() {
		for b, err := range s.provider(stream.Context()).Records(stream.Context(), req) {
			if failure = err; err != nil {
				return
			}
			if broken = w.send(stream, &b); broken != nil {
				return
			}
		}
	})
	switch {
	case broken != nil:
		return broken
	case crash != nil:
		failure = crash
	}
	if failure == nil {
		return nil
	}
	return stream.Send(&proto.RecordsResponse{Err: wire{}.err(plain(failure, providers.Transient))})
}

func (s *server) Write(stream grpc.BidiStreamingServer[proto.WriteRequest, proto.WriteResponse]) error {
	var r reader
	var req providers.WriteRequest
	err := receive(stream, func(m *proto.WriteRequest) {
		if m.Sync != nil && r.err == nil {
			r.err = json.Unmarshal(m.Sync, &req.Sync)
			req.Run = m.Run
		}
		req.Writes = append(req.Writes, convert(m.Writes, r.write)...)
	})
	if err != nil {
		return err
	}
	if r.err != nil {
		return badRequest(r.err)
	}
	results := guarded(len(req.Writes), func() []providers.WriteResult { return s.provider(stream.Context()).Write(stream.Context(), req) }, failedWrite)
	for some := range parts(results, sizeOfWriteResult) {
		if err := stream.Send(&proto.WriteResponse{Results: convertAt(some, wire{}.writeResult)}); err != nil {
			return err
		}
	}
	return nil
}

func (s *server) Finish(ctx context.Context, m *proto.FinishRequest) (*proto.FinishResponse, error) {
	var run providers.Run
	if err := json.Unmarshal(m.Run, &run); err != nil {
		return nil, badRequest(fmt.Errorf("reading a run: %w", err))
	}
	var failure error
	if crash := guard(func() { failure = s.provider(ctx).Finish(ctx, run) }); crash != nil {
		failure = crash
	}
	return &proto.FinishResponse{Err: wire{}.err(plain(failure, providers.Ambiguous))}, nil
}

func marshalAll[E any](list []E) ([][]byte, error) {
	out := make([][]byte, len(list))
	for n := range list {
		var err error
		if out[n], err = json.Marshal(&list[n]); err != nil {
			return nil, err
		}
	}
	return out, nil
}
