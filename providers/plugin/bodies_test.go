package plugin

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	protobuf "google.golang.org/protobuf/proto"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/plugin/proto"
)

// What a plan sends of an object that stays as it is: its body as wanted, and
// once how it is, as which it is remembered and planned too.
func TestBodiesTravelOnce(t *testing.T) {
	there, answers := ends(0)
	back, requests := ends(0)
	req := providers.PlanRequest{Refs: providers.Refs{}}
	for n := range 10 {
		addr := addrs.NewKeyed("box", "b", fmt.Sprint(n))
		wanted := &providers.Object{Addr: addr, Type: "box", Body: fmt.Appendf(nil, `{"name":"%d"}`, n)}
		is := &providers.Object{Addr: addr, Type: "box", ID: "id", Body: fmt.Appendf(nil, `{"history":"%0300d","name":"%d"}`, n, n)}
		remembered := *is
		req.Items = append(req.Items, providers.PlanItem{Addr: addr, Desired: wanted, Live: is, Recorded: &remembered})
		req.Refs[addr] = *wanted
	}
	sent := travelled(t, &proto.PlanRequest{Items: convertAt(req.Items, there.planItem), Refs: there.refs(req.Refs)})
	text, _ := protobuf.Marshal(sent)
	if n := bytes.Count(text, []byte(`"history"`)); n != 10 {
		t.Errorf("%d of 10 bodies as they are were sent", n)
	}
	if n := bytes.Count(text, []byte(`"name"`)); n != 20 {
		t.Errorf("%d of 20 bodies were sent", n)
	}
	items := convert(sent.Items, requests.planItem)
	refs := requests.refs(sent.Refs, nil)
	planned := make([]providers.PlanResponse, len(items))
	for n, item := range items {
		want := req.Items[n]
		if !bytes.Equal(item.Desired.Body, want.Desired.Body) || !bytes.Equal(item.Live.Body, want.Live.Body) || !bytes.Equal(item.Recorded.Body, want.Live.Body) || !bytes.Equal(refs[item.Addr].Body, want.Desired.Body) {
			t.Errorf("%v arrived as %+v", want.Addr, item)
		}
		planned[n].Planned = item.Live
	}
	planned[3].Planned = &providers.Object{Type: "box", Body: []byte(`{"name":"new"}`)}
	answer := travelled(t, &proto.PlanResponse{Items: convertAt(planned, back.planned)})
	if text, _ := protobuf.Marshal(answer); bytes.Contains(text, []byte(`"history"`)) {
		t.Error("a body that was sent came back")
	}
	for n, got := range convert(answer.Items, answers.planned) {
		switch {
		case n == 3 && string(got.Planned.Body) != `{"name":"new"}`:
			t.Errorf("planned %s", got.Planned.Body)
		case n != 3 && placeOf(got.Planned.Body) != placeOf(req.Items[n].Live.Body):
			t.Errorf("%d: planned %s", n, got.Planned.Body)
		}
	}
	if requests.err != nil || answers.err != nil {
		t.Error(requests.err, answers.err)
	}
	answers.object(&proto.Object{Same: 1000})
	if answers.err == nil {
		t.Error("a body that was never sent was found")
	}
}

// What is remembered as it was found, and planned to stay so, is said in a word.
func TestNothingNewIsSaid(t *testing.T) {
	there, _ := ends(0)
	_, requests := ends(0)
	addr := addrs.New("box", "b")
	is := &providers.Object{Addr: addr, Type: "box", ID: "id", Body: []byte(`{"name":"b"}`), Sensitive: []addrs.Path{"/name"}}
	remembered := *is
	sent := there.planItem(&providers.PlanItem{Addr: addr, Desired: is, Live: is, Recorded: &remembered})
	if sent.Recorded != nil || !sent.RecordedAsLive {
		t.Errorf("sent %v", sent)
	}
	got := requests.planItem(sent)
	if diff := cmp.Diff(got.Live, got.Recorded); diff != "" || got.Recorded == got.Live || got.Recorded == nil {
		t.Error(diff)
	}
	for name, change := range map[string]func(*providers.Object){
		"another id":   func(o *providers.Object) { o.ID = "other" },
		"another body": func(o *providers.Object) { o.Body = []byte(`{"name":"c"}`) },
		"no secret":    func(o *providers.Object) { o.Sensitive = nil },
	} {
		other := *is
		change(&other)
		if m := there.planItem(&providers.PlanItem{Addr: addr, Live: is, Recorded: &other}); m.RecordedAsLive || m.Recorded == nil {
			t.Errorf("%s: %v", name, m)
		}
	}
}

// travelled is a message as it arrives.
func travelled[M any, P interface {
	*M
	protobuf.Message
}](t *testing.T, m P) P {
	t.Helper()
	text, err := protobuf.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	got := P(new(M))
	if err := protobuf.Unmarshal(text, got); err != nil {
		t.Fatal(err)
	}
	return got
}

// An answer that is what the state remembers shares its bytes; another one is
// read as it is.
func TestAnswersAsRecorded(t *testing.T) {
	p := start(t, "bench")
	req := providers.ReadRequest{Objects: objects(5000)} // more than one part
	for n := range req.Objects {
		remembered := bytes.Clone(req.Objects[n].Body)
		switch n % 3 {
		case 1:
			remembered = nil
		case 2:
			remembered[3] ^= 1
		}
		req.Recorded = append(req.Recorded, remembered)
	}
	for n, r := range p.Read(t.Context(), req) {
		switch {
		case r.Err != nil:
			t.Fatal(r.Err)
		case !bytes.Equal(r.Object.Body, req.Objects[n].Body):
			t.Fatalf("%d: read %s", n, r.Object.Body)
		case n%3 == 0 && placeOf(r.Object.Body) != placeOf(req.Recorded[n]):
			t.Fatalf("%d: what is remembered travelled", n)
		}
	}
}

// What was found as it is remembered is planned at once, where the caller asks
// for it: beside the others of the request, as they are, and those that travel
// for it. Where one was found otherwise, or something is to be said,
// it waits for Plan.
func TestStays(t *testing.T) {
	p := start(t, "bench")
	const last = 4999
	request := func() providers.ReadRequest {
		req := providers.ReadRequest{Objects: make([]providers.Object, last+1), Stay: providers.Refs{}}
		for n := range req.Objects {
			key := fmt.Sprint(n)
			o := &req.Objects[n]
			*o = providers.Object{Addr: addrs.NewKeyed("box", "b", key), Type: "box", ID: "id of " + key}
			beside := fmt.Sprint(n + 1)
			if n == last {
				beside = "elsewhere"
			}
			o.Body = fmt.Appendf(nil, `{"beside":"box.b[\"%s\"]","text":"%0400d"}`, beside, n)
			req.Recorded = append(req.Recorded, bytes.Clone(o.Body))
		}
		other := addrs.NewKeyed("box", "b", "elsewhere")
		req.Stay[other] = providers.Object{Addr: other, Type: "box", ID: "id of elsewhere", Body: []byte(`{"text":"other"}`)}
		return req
	}
	for name, c := range map[string]struct {
		change func(*providers.ReadRequest)
		stay   int
	}{
		"all":                 {func(*providers.ReadRequest) {}, last + 1},
		"not asked for":       {func(r *providers.ReadRequest) { r.Stay = nil }, 0},
		"one is not beside":   {func(r *providers.ReadRequest) { delete(r.Stay, addrs.NewKeyed("box", "b", "elsewhere")) }, last},
		"one changed outside": {func(r *providers.ReadRequest) { r.Recorded[3] = []byte(`{}`) }, 0},
		"one not remembered":  {func(r *providers.ReadRequest) { r.Recorded[3] = nil }, 0},
	} {
		req := request()
		c.change(&req)
		stay := 0
		for n, r := range p.Read(t.Context(), req) {
			if r.Err != nil || r.Object == nil {
				t.Fatalf("%s: %v, %v", name, r.Object, r.Err)
			}
			if !bytes.Equal(r.Object.Body, req.Objects[n].Body) || r.Object.Addr != req.Objects[n].Addr {
				t.Fatalf("%s: %d: read %s", name, n, r.Object.Body)
			}
			if r.Stays {
				stay++
			}
		}
		if stay != c.stay {
			t.Errorf("%s: %d stay, want %d", name, stay, c.stay)
		}
	}
}
