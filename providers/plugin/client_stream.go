package plugin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"

	"accord/providers"
	"accord/providers/plugin/proto"

	"google.golang.org/grpc"
)

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
