package plugin

import (
	"testing"

	"accord/providers"
	"accord/providers/plugin/proto"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	protobuf "google.golang.org/protobuf/proto"
)

// generated is a message of records as generated code has it.
func generated(m *proto.Records) []providers.Record {
	return convert(m.Records, func(r *proto.Record) providers.Record {
		return providers.Record{
			Part: r.Part, Key: r.Key, ID: r.Id, Title: r.Title, Standing: r.Standing, Variants: r.Variants, Routes: r.Routes, Groups: r.Groups,
			Members: convert(r.Members, func(m *proto.Member) providers.Member { return providers.Member{Part: m.Part, Key: m.Key} }),
			Fields:  r.Fields, Problem: r.Problem,
		}
	})
}

// What is written and read by hand is what generated code writes and reads.
func TestRecordsOnTheWire(t *testing.T) {
	records := []providers.Record{
		record(1), {}, record(2),
		{Part: "slide", Key: "1", Variants: []string{"steady", ""}, Groups: map[string]string{"": "", "product": "x"}, Members: []providers.Member{{}, {Part: "p"}, {Key: "k"}}},
		{Part: "slide", Key: "2", Routes: []string{"ca", "us"}, Variants: []string{"latest"}, Problem: "it is torn", Fields: []byte(`{}`)},
		{Part: "slide", Key: "3"},
	}
	written := new(recordsWriter).write(records)
	var m proto.Records
	if err := protobuf.Unmarshal(written, &m); err != nil {
		t.Fatal(err)
	}
	same := cmpopts.EquateEmpty()
	if diff := cmp.Diff(records, generated(&m), same); diff != "" {
		t.Errorf("written by hand (-want +got)\n%s", diff)
	}
	other, err := protobuf.Marshal(&m)
	if err != nil {
		t.Fatal(err)
	}
	for _, message := range [][]byte{written, other} {
		got, err := readRecords(message)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(records, got, same); diff != "" {
			t.Errorf("read by hand (-want +got)\n%s", diff)
		}
		for _, r := range got { // what is appended to one is nowhere in the others
			_, _, _ = append(r.Members, providers.Member{Key: "more"}), append(r.Variants, "more"), append(r.Routes, "more")
			_ = append(r.Fields, "more"...)
		}
		if diff := cmp.Diff(records, got, same); diff != "" {
			t.Errorf("after lists have grown (-want +got)\n%s", diff)
		}
	}
	if _, err := readRecords(written[:len(written)-1]); err == nil {
		t.Error("a message that is cut short is read")
	}
}

// What can be read is what generated code reads.
func FuzzRecords(f *testing.F) {
	f.Add(new(recordsWriter).write([]providers.Record{record(1), record(2)}))
	f.Add([]byte{10, 2, 74, 0})
	f.Fuzz(func(t *testing.T, message []byte) {
		got, err := readRecords(message)
		if err != nil {
			return
		}
		var m proto.Records
		if protobuf.Unmarshal(message, &m) != nil {
			return // texts that are not UTF-8
		}
		if diff := cmp.Diff(generated(&m), got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
}
