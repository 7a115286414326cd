package plugin

import (
	"context"
	"encoding/json"

	"accord/providers"
	"accord/providers/plugin/proto"

	"google.golang.org/grpc"
)

// Both ends of what is asked of a system's own engine.

func failedState(err *providers.Error) providers.EngineState { return providers.EngineState{Err: err} }

// Ask implements providers.Provider.
func (p *Plugin) Ask(ctx context.Context, syncs []providers.Sync) []providers.EngineState {
	return p.states(ctx, "asking for a run", providers.Ambiguous, syncs, p.rpc.Ask)
}

// Follow implements providers.Provider.
func (p *Plugin) Follow(ctx context.Context, syncs []providers.Sync) []providers.EngineState {
	return p.states(ctx, "following a run", providers.Transient, syncs, p.rpc.Follow)
}

func (p *Plugin) states(ctx context.Context, op string, dead providers.Kind, syncs []providers.Sync,
	rpc func(context.Context, ...grpc.CallOption) (grpc.BidiStreamingClient[proto.EngineRequest, proto.EngineResponse], error),
) []providers.EngineState {
	var r reader
	var got []providers.EngineState
	bodies, err := marshalAll(syncs)
	if err != nil {
		return results(len(syncs), nil, providers.Errorf(providers.Internal, "writing a sync: %v", err), failedState)
	}
	failure := p.call(ctx, op, dead, &r, func() error {
		request := func(yield func(*proto.EngineRequest) bool) {
			for some := range parts(bodies, sizeOfBytes) {
				if !yield(&proto.EngineRequest{Syncs: some}) {
					return
				}
			}
		}
		return exchange(ctx, rpc, request, func(m *proto.EngineResponse) {
			for _, raw := range m.States {
				var s providers.EngineState
				if err := json.Unmarshal(raw, &s); err != nil && r.err == nil {
					r.err = err
				}
				got = append(got, s)
			}
		})
	})
	return results(len(syncs), got, failure, failedState)
}

func (s *server) Ask(stream grpc.BidiStreamingServer[proto.EngineRequest, proto.EngineResponse]) error {
	return s.states(stream, providers.Provider.Ask)
}

func (s *server) Follow(stream grpc.BidiStreamingServer[proto.EngineRequest, proto.EngineResponse]) error {
	return s.states(stream, providers.Provider.Follow)
}

func (s *server) states(stream grpc.BidiStreamingServer[proto.EngineRequest, proto.EngineResponse], f func(providers.Provider, context.Context, []providers.Sync) []providers.EngineState) error {
	var syncs []providers.Sync
	var bad error
	err := receive(stream, func(m *proto.EngineRequest) {
		for _, raw := range m.Syncs {
			var sync providers.Sync
			if err := json.Unmarshal(raw, &sync); err != nil && bad == nil {
				bad = err
			}
			syncs = append(syncs, sync)
		}
	})
	if err != nil {
		return err
	}
	if bad != nil {
		return badRequest(bad)
	}
	states := guarded(len(syncs), func() []providers.EngineState { return f(s.provider(stream.Context()), stream.Context(), syncs) }, failedState)
	bodies, err := marshalAll(states)
	if err != nil {
		return err
	}
	for some := range parts(bodies, sizeOfBytes) {
		if err := stream.Send(&proto.EngineResponse{States: some}); err != nil {
			return err
		}
	}
	return nil
}
