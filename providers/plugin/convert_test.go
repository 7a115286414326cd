package plugin

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/providers"

	"github.com/google/go-cmp/cmp"
)

// fill sets every field of a value, so that one that is forgotten on the wire
// is missed.
func fill(v reflect.Value, n *int) {
	*n++
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Date(2026, 1, 1, 0, 0, *n, *n, time.UTC)))
		return
	case addrs.Instance:
		v.Set(reflect.ValueOf(addrs.NewKeyed("box", "b", fmt.Sprint("key ", *n, ` "]`))))
		return
	case json.RawMessage:
		v.SetBytes([]byte(fmt.Sprintf(`{"n":%d}`, *n)))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("s", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem(), n)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(v.Index(0), n)
		fill(v.Index(1), n)
	case reflect.Map:
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(key, n)
		fill(value, n)
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(key, value)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), n)
		}
	default:
		panic(v.Type())
	}
}

func roundTrip[T any](t *testing.T, there func(*T) T) {
	t.Helper()
	for _, full := range []bool{true, false} {
		var want T
		if n := 0; full {
			fill(reflect.ValueOf(&want).Elem(), &n)
		}
		if diff := cmp.Diff(want, there(&want)); diff != "" {
			t.Errorf("%T (-want +got)\n%s", want, diff)
		}
	}
}

func TestNoFieldIsForgotten(t *testing.T) {
	var w wire
	var r reader
	roundTrip(t, func(v *providers.Object) providers.Object { return *r.object(w.object(v)) })
	roundTrip(t, func(v *providers.Result) providers.Result { return r.result(w.result(v)) })
	roundTrip(t, func(v *providers.Diagnostic) providers.Diagnostic { return r.diagnostic(w.diagnostic(v)) })
	roundTrip(t, func(v *providers.Endpoint) providers.Endpoint { return r.endpoint(w.endpoint(*v)) })
	roundTrip(t, func(v *providers.PlanItem) providers.PlanItem { return r.planItem(w.planItem(v)) })
	roundTrip(t, func(v *providers.PlanResponse) providers.PlanResponse { return r.planned(w.planned(v)) })
	roundTrip(t, func(v *providers.ApplyItem) providers.ApplyItem { return r.applyItem(w.applyItem(v)) })
	roundTrip(t, func(v *providers.Change) providers.Change { return r.change(w.change(v)) })
	roundTrip(t, func(v *providers.RecordsRequest) providers.RecordsRequest {
		return r.recordsRequest(w.recordsRequest(v))
	})
	roundTrip(t, func(v *providers.Record) providers.Record {
		got, err := readRecords(new(recordsWriter).write([]providers.Record{*v}))
		if err != nil || len(got) != 1 {
			t.Fatalf("%d records: %v", len(got), err)
		}
		return got[0]
	})
	roundTrip(t, func(v *providers.Write) providers.Write { return r.write(w.write(v)) })
	roundTrip(t, func(v *providers.WriteResult) providers.WriteResult { return r.writeResult(w.writeResult(v)) })
	roundTrip(t, func(v *providers.Refs) providers.Refs {
		for addr, o := range *v {
			o.Addr = addr // they are by their address
			(*v)[addr] = o
		}
		return r.refs(w.refs(*v), nil)
	})
	roundTrip(t, func(v *providers.Sync) (got providers.Sync) {
		b, err := json.Marshal(v)
		if err == nil {
			err = json.Unmarshal(b, &got)
		}
		if err != nil {
			t.Error(err)
		}
		return got
	})
	if r.err != nil {
		t.Error(r.err)
	}
}

func TestAnAddressThatIsNone(t *testing.T) {
	var r reader
	r.addr("box.b")
	r.addr("not an address")
	r.addr("box")
	if r.err == nil {
		t.Error("no error")
	}
}

func TestParts(t *testing.T) {
	for _, x := range []struct {
		sizes []int
		want  []int
	}{
		{nil, []int{0}},
		{[]int{1}, []int{1}},
		{[]int{partSize, 1}, []int{1, 1}},
		{[]int{partSize / 2, partSize / 2, 1}, []int{2, 1}},
		{[]int{9 * partSize, 9 * partSize}, []int{1, 1}},
	} {
		var got []int
		for p := range parts(x.sizes, func(n *int) int { return *n }) {
			got = append(got, len(p))
		}
		if diff := cmp.Diff(x.want, got); diff != "" {
			t.Errorf("%v (-want +got)\n%s", x.sizes, diff)
		}
	}
}
