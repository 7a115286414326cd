package plugin

import (
	"bytes"
	"context"
	"slices"

	"accord/providers"
	"accord/providers/plugin/proto"

	"google.golang.org/grpc"
)

// reading is a request to read on the plugin's side.
type reading struct {
	providers.ReadRequest
	recorded [][]byte // digests of what is recorded of Objects
	results  []providers.Result
}

func (s *server) Read(stream grpc.BidiStreamingServer[proto.ReadRequest, proto.ResultsResponse]) error {
	w, r := ends(0)
	var q reading
	err := receive(stream, func(m *proto.ReadRequest) {
		q.Objects = append(q.Objects, r.objects(m.Objects)...)
		q.recorded = append(q.recorded, m.Recorded...)
		q.Refs = r.refs(m.Refs, q.Refs)
		q.Touched = q.Touched || m.Touched
		if m.Foresee && q.Stay == nil {
			q.Stay = make(providers.Refs, len(m.Stay)+len(m.Objects))
		}
		q.Stay = r.refs(m.Stay, q.Stay)
	})
	if err != nil {
		return err
	}
	if r.err != nil {
		return badRequest(r.err)
	}
	ctx, provider := stream.Context(), s.provider(stream.Context())
	q.results = guarded(len(q.Objects), func() []providers.Result { return provider.Read(ctx, q.ReadRequest) }, failedResult)
	known := make([]bool, len(q.results))
	for n := range known {
		known[n] = q.known(n)
	}
	if q.Stay != nil && !slices.Contains(known, false) {
		q.foresee(ctx, provider)
	}
	n := 0
	return sendResults(stream, q.results, func(result *providers.Result) *proto.Result {
		at := n
		n++
		if !known[at] {
			return w.result(result)
		}
		bare, asked := *result.Object, q.Objects[at]
		bare.Body, asked.Body, asked.Unknown = nil, nil, nil
		if result.Object = &bare; alike(&bare, &asked) {
			result.Object = nil
		}
		m := w.result(result)
		m.AsRecorded = true
		return m
	})
}

// known reports whether an object was found with the body that is recorded.
func (q *reading) known(n int) bool {
	found := q.results[n].Object
	return found != nil && n < len(q.recorded) && len(q.recorded[n]) > 0 && bytes.Equal(q.recorded[n], digestOf(found.Body))
}

// foresee plans what was found as recorded, and notes what stays so.
func (q *reading) foresee(ctx context.Context, provider providers.Provider) {
	req := providers.PlanRequest{Items: make([]providers.PlanItem, len(q.Objects)), Refs: q.Stay}
	for n := range req.Items {
		desired, live := q.Objects[n], q.results[n].Object
		if desired.ID != live.ID {
			return
		}
		desired.ID = ""
		req.Items[n] = providers.PlanItem{Addr: desired.Addr, Desired: &desired, Recorded: live, Live: live}
		req.Refs[desired.Addr] = *live
	}
	planned := guarded(len(req.Items), func() []providers.PlanResponse { return provider.Plan(ctx, req) }, failedPlan)
	for n := range planned {
		p := &planned[n]
		q.results[n].Stays = alike(p.Planned, req.Items[n].Live) && len(p.Replace)+len(p.Consequences)+len(p.After)+len(p.Diagnostics) == 0
	}
}
