package resource

import (
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/lang/addrs"
	"accord/providers"
)

type everyKind struct {
	Address  addrs.Instance    `json:"address" refers:"shop"`
	Maybe    *addrs.Instance   `json:"maybe" refers:"shop"`
	Text     string            `json:"text" schema:"required"`
	Note     *string           `json:"note"`
	On       bool              `json:"on" schema:"required"`
	Off      *bool             `json:"off"`
	Count    int               `json:"count" schema:"required"`
	Small    int8              `json:"small" schema:"required"`
	Tags     Set[string]       `json:"tags"`
	List     []int             `json:"list"`
	Far      []addrs.Instance  `json:"far"`
	Labels   map[string]string `json:"labels"`
	Raw      json.RawMessage   `json:"raw"`
	Lid      *lid              `json:"lid" schema:"block"`
	Drawers  map[string]lid    `json:"drawers" schema:"block"`
	Handles  []lid             `json:"handles" schema:"block"`
	Unmarked string            `json:"unmarked" schema:"required"`
}

// A body is read as encoding/json reads it, whatever is in it: what is
// canonical, what is written otherwise, and what is no body at all.
func TestDecode(t *testing.T) {
	if decoderFor(reflect.TypeFor[everyKind]()) == nil {
		t.Fatal("a type of every kind is left to encoding/json")
	}
	type timed struct {
		At time.Time `json:"at"`
	}
	if decoderFor(reflect.TypeFor[timed]()) != nil {
		t.Error("a time reads itself")
	}
	bodies := []string{
		``, `{}`, `null`, `[]`, `{"count":1}`, `{"count":01}`, `{"count":-0}`, `{"count":1.0}`, `{"count":1e2}`, `{"small":128}`, `{"count":"1"}`,
		`{"text":"a\nb"}`, `{"text":"ä"}`, "{\"text\":\"\xff\"}", "{\"text\":\"a\tb\"}", `{"text":null}`, `{"Text":"x"}`, `{"other":1}`, `{"text":"a","text":"b"}`,
		`{"address":"shop.a"}`, `{"address":"shop.a[\"x\"]"}`, `{"address":""}`, `{"address":"no address"}`, `{"maybe":"shop.a"}`, `{"maybe":null}`,
		`{"tags":[]}`, `{"tags":["a","b"]}`, `{"tags":["a",]}`, `{"tags":[,]}`, `{"list":[1,2,3,4,5,6]}`, `{"labels":{}}`, `{"labels":{"a":"b","c":"d"}}`, `{"labels":{"a":1}}`,
		`{"raw":{"a":[1,"}"]}}`, `{"raw":7}`, `{"raw":null}`, `{"raw":}`, `{"lid":{"colour":"red","locked":true}}`, `{"lid":{}}`, `{"lid":null}`,
		`{"drawers":{"a":{"colour":"red"},"b":{"colour":"blue","locked":false}}}`, `{"handles":[{"colour":"red"},{"colour":"blue"}]}`,
		`{"on":true}`, `{"on":tru}`, `{"on":truely}`, `{"off":false} `, ` {"off":false}`, `{"off":false}x`, `{"count":1,}`, `{"count" :1}`, `{"count":1`, `{"count":`, `{"count"`, `{"`, `{`,
	}
	whole := everyKind{
		Address: addrs.NewKeyed("shop", "s", `k"`), Text: "text", Note: ptr("note"), On: true, Off: ptr(false), Count: -3, Small: 7, Tags: Set[string]{"b", "a"}, List: []int{3, 1},
		Far: []addrs.Instance{addrs.New("shop", "x")}, Labels: map[string]string{"k": "v"}, Raw: json.RawMessage(`[1,{"a":null}]`),
		Lid: &lid{Colour: "red", Locked: ptr(true)}, Drawers: map[string]lid{"top": {Colour: "blue"}}, Handles: []lid{{Colour: "a"}, {Colour: "b"}},
	}
	full, err := appenderOf(reflect.TypeFor[everyKind]())(nil, reflect.ValueOf(whole))
	if err != nil {
		t.Fatal(err)
	}
	bodies = append(bodies, string(full))
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 { // one byte or more is another one, or is not there
		b := []byte(bodies[r.IntN(len(bodies))])
		if r.IntN(2) == 0 {
			b = []byte(string(full))
		}
		for range 1 + r.IntN(2) {
			if len(b) == 0 {
				break
			}
			at := r.IntN(len(b))
			switch r.IntN(3) {
			case 0:
				b[at] = full[r.IntN(len(full))]
			case 1:
				b = append(b[:at], b[at+1:]...)
			default:
				b = []byte(string(b[:at]) + string(full[r.IntN(len(full))]) + string(b[at:]))
			}
		}
		bodies = append(bodies, string(b))
	}
	for _, body := range bodies {
		var want everyKind
		wantErr := json.Unmarshal([]byte(body), &want)
		got, err := decode[everyKind](&providers.Object{Type: "box", Body: []byte(body)})
		if (err == nil) != (wantErr == nil) || err != nil && !strings.Contains(err.Error(), wantErr.Error()) {
			t.Fatalf("%s: %v, want %v", body, err, wantErr)
		}
		if err == nil {
			if diff := cmp.Diff(&want, got); diff != "" {
				t.Fatalf("%s:\n%s", body, diff)
			}
		}
	}
	// what is canonical is not left to encoding/json
	d := decoderFor(reflect.TypeFor[everyKind]())
	simple := strings.Replace(string(full), `[\"k\\\"\"]`, "", 1)
	if _, ok := d([]byte(simple), 0, reflect.ValueOf(new(everyKind)).Elem()); !ok {
		t.Errorf("%s is not read", simple)
	}
}
