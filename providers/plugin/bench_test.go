package plugin

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
)

// echo answers with what it is given, to measure the wire alone.
type echo struct{}

func (echo) Schema(context.Context) (*schema.Provider, error) {
	return &schema.Provider{Name: "echo"}, nil
}
func (echo) Validate(context.Context, []providers.Object) []providers.Diagnostic { return nil }
func (echo) Configure(_ context.Context, c providers.Config) []providers.Result {
	return make([]providers.Result, len(c.Instances))
}

func (echo) Read(_ context.Context, req providers.ReadRequest) []providers.Result {
	results := make([]providers.Result, len(req.Objects))
	for n := range req.Objects {
		results[n].Object = &req.Objects[n]
	}
	return results
}

func (echo) Apply(context.Context, providers.ApplyRequest) []providers.Result    { return nil }
func (echo) Seen(context.Context) ([]providers.Seen, error)                      { return seen, nil }
func (echo) Lacks(context.Context, []providers.Object) ([]providers.Lack, error) { return lacks, nil }
func (echo) Close() error                                                        { return nil }
func (echo) Syncs(context.Context, []providers.Change) ([]providers.Sync, error) { return nil, nil }

func (echo) Finish(_ context.Context, run providers.Run) error {
	slog.Debug("finished " + run.ID)
	return nil
}

// Plan keeps each object as it is. It has something to say of one whose
// neighbour in Refs is not as it says itself.
func (echo) Plan(_ context.Context, req providers.PlanRequest) []providers.PlanResponse {
	answers := make([]providers.PlanResponse, len(req.Items))
	for n, item := range req.Items {
		answers[n].Planned = item.Live
		var body struct{ Beside addrs.Instance }
		if err := item.Desired.Decode(&body); err != nil {
			answers[n].Diagnostics = []providers.Diagnostic{{Summary: err.Error()}}
		}
		if beside := body.Beside; !beside.IsZero() && req.Refs[beside].ID != "id of "+beside.Key {
			answers[n].Consequences = []string{"it stands alone"}
		}
	}
	return answers
}

// List yields as many objects as the type says, each of a megabyte.
func (echo) List(_ context.Context, req providers.ListRequest) iter.Seq2[providers.Found, error] {
	return func(yield func(providers.Found, error) bool) {
		body := make([]byte, 1<<20)
		for range len(req.Type) {
			if !yield(providers.Found{Object: providers.Object{Type: req.Type, Body: body}}, nil) {
				return
			}
		}
	}
}

// Records yields as many records as the milliseconds since 1970 say.
func (echo) Records(_ context.Context, req providers.RecordsRequest) iter.Seq2[providers.Batch, error] {
	return func(yield func(providers.Batch, error) bool) {
		const size = 1000
		for n := req.Since.UnixMilli(); n > 0; n -= size {
			b := providers.Batch{Records: make([]providers.Record, min(n, size)), End: n <= size, Horizon: req.Since}
			for i := range b.Records {
				b.Records[i] = record(int(n) + i)
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

func (echo) Write(_ context.Context, req providers.WriteRequest) []providers.WriteResult {
	results := make([]providers.WriteResult, len(req.Writes))
	for n := range results {
		results[n].ID = req.Writes[n].Key
	}
	return results
}

func record(n int) providers.Record {
	return providers.Record{
		Part: "presentation", Key: fmt.Sprintf("%012d", n), Title: "Cholecap for elderly patients, part " + fmt.Sprint(n), Standing: "approved",
		Variants: []string{"steady"}, Routes: []string{"00C000000000101", "00C000000000102"},
		Groups:  map[string]string{"product": "Cholecap", "country": "United States"},
		Members: []providers.Member{{Part: "slide", Key: "000000001234"}, {Part: "slide", Key: "000000001235"}, {Part: "slide", Key: "000000001236"}},
		Fields:  []byte(`{"audience__c":"hcp__c","brand__c":"V1A000000000001","name__v":"Cholecap for elderly patients","title__v":"A title","version_id":"1234_2_0"}`),
	}
}

func objects(n int) []providers.Object {
	all := make([]providers.Object, n)
	for i := range all {
		all[i] = providers.Object{
			Addr: addrs.NewKeyed("field_rule", "brand", fmt.Sprint(i)), Type: "field_rule", ID: fmt.Sprintf("V4S%012d", i),
			Body: []byte(`{"applies_to":["presentation__v","slide__v"],"connection":"connection.crm[\"us\"]","default":"professional__c","reference":{"no_match":"exception","object":"product__v"},"source":"brand__c","status":"active","target":"product__c","values":{"hcp__c":"professional__c","nurse__c":"professional__c","patient__c":"consumer__c","pharmacist__c":"professional__c"}}`),
		}
	}
	return all
}

func BenchmarkReadBatchOf500(b *testing.B) {
	p := start(b, "bench")
	req := providers.ReadRequest{Objects: objects(500)}
	b.ReportAllocs()
	for b.Loop() {
		if r := p.Read(b.Context(), req); r[499].Object == nil {
			b.Fatal(r[499].Err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/500, "µs/object")
}

func BenchmarkRecords100k(b *testing.B) {
	p := start(b, "bench")
	const records = 100_000
	req := providers.RecordsRequest{Since: time.UnixMilli(records)}
	b.ReportAllocs()
	for b.Loop() {
		n := 0
		for batch, err := range p.Records(b.Context(), req) {
			if err != nil {
				b.Fatal(err)
			}
			n += len(batch.Records)
		}
		if n != records {
			b.Fatal(n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/records, "µs/record")
}

func BenchmarkWriteBatchOf500(b *testing.B) {
	p := start(b, "bench")
	req := providers.WriteRequest{Writes: make([]providers.Write, 500)}
	for n := range req.Writes {
		r := record(n)
		req.Writes[n] = providers.Write{Verb: providers.WriteCreate, Part: r.Part, Key: r.Key, Title: r.Title, Members: r.Members, Fields: r.Fields}
	}
	for b.Loop() {
		if r := p.Write(b.Context(), req); r[499].ID == "" {
			b.Fatal(r[499].Err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/500, "µs/write")
}

func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		p := start(b, "bench")
		if _, err := p.Schema(b.Context()); err != nil {
			b.Fatal(err)
		}
		b.StopTimer()
		_ = p.Close()
		b.StartTimer()
	}
}

// A batch that no message could hold arrives whole.
func TestLargeBatch(t *testing.T) {
	p := start(t, "bench")
	const size = 5 << 20
	req := providers.ReadRequest{Objects: objects(messageSize/size + 1)}
	for n := range req.Objects {
		req.Objects[n].Body = append(make([]byte, size), byte(n))
	}
	for n, r := range p.Read(t.Context(), req) {
		if r.Err != nil || len(r.Object.Body) != size+1 || r.Object.Body[size] != byte(n) {
			t.Fatalf("object %d: %v", n, r.Err)
		}
	}
	listed := 0
	for o, err := range p.List(t.Context(), providers.ListRequest{Type: "12345678"}) {
		if err != nil || len(o.Body) != 1<<20 {
			t.Fatal(err)
		}
		listed++
	}
	if listed != 8 {
		t.Errorf("%d objects listed", listed)
	}
	req.Objects[0].Body = make([]byte, messageSize+1)
	if r := p.Read(t.Context(), req); len(r) != len(req.Objects) || r[0].Err == nil {
		t.Error("an object larger than a message: no error")
	}
	if r := p.Read(t.Context(), providers.ReadRequest{Objects: req.Objects[1:2]}); r[0].Err != nil {
		t.Errorf("after that: %v", r[0].Err)
	}
}

// A reader that stops leaves the plugin fit for the next call.
func TestStreamStops(t *testing.T) {
	p := start(t, "bench")
	for b, err := range p.Records(t.Context(), providers.RecordsRequest{Since: time.UnixMilli(10_000_000)}) {
		if err != nil || len(b.Records) == 0 {
			t.Fatal(err)
		}
		break
	}
	if r := p.Read(t.Context(), providers.ReadRequest{Objects: objects(1)}); r[0].Err != nil {
		t.Error(r[0].Err)
	}
}

func (echo) Ask(_ context.Context, syncs []providers.Sync) []providers.EngineState {
	return echo{}.Follow(context.Background(), syncs)
}

func (echo) Follow(_ context.Context, syncs []providers.Sync) []providers.EngineState {
	states := make([]providers.EngineState, len(syncs))
	for n, s := range syncs {
		states[n] = providers.EngineState{Active: s.Active, LRT: s.LRT, LSRT: s.LSRT, Published: map[string]int{"page": n}}
	}
	return states
}
