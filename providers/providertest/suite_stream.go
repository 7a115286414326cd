package providertest

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"accord/lang/schema"
	"accord/providers"

	"github.com/google/go-cmp/cmp"
)

func (target *Target) stream(t *testing.T, s Stream) {
	w := target.open(t)
	declared := w.schema.Stream(s.End.Stream)
	if declared == nil {
		t.Fatalf("the schema has no stream %s", s.End.Stream)
	}
	all := providers.RecordsRequest{End: s.End}
	records := w.records(t, declared, all)
	if len(records) < s.Records {
		t.Errorf("%d records, want at least %d", len(records), s.Records)
	}
	if again := w.records(t, declared, all); cmp.Diff(records, again) != "" {
		t.Errorf("read twice, it is another (-first +second)\n%s", cmp.Diff(records, again))
	}

	if len(records) > 1 {
		keys := make([]string, len(records))
		for n, r := range records {
			keys[n] = r.Key
		}
		slices.Sort(keys)
		middle := keys[(len(keys)-1)/2]
		low, high := all, all
		low.UpTo, high.After = middle, middle
		sum := append(w.records(t, declared, low), w.records(t, declared, high)...)
		if diff := cmp.Diff(lines(records), lines(sum)); diff != "" {
			t.Errorf("two ranges are not the whole (-whole +ranges)\n%s", diff)
		}
		one := all
		one.Keys, one.Only = []providers.Member{{Part: records[0].Part, Key: records[0].Key}}, true
		for _, r := range w.records(t, declared, one) {
			if r.Part != records[0].Part || r.Key != records[0].Key {
				t.Errorf("asked for %s alone, got %s too", records[0].Key, r.Key)
			}
		}
	}
	w.beside(t, all, records)
	for range w.p.Records(t.Context(), all) {
		break // must not hang
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ended := false
	var failure error
	for b, err := range w.p.Records(ctx, all) {
		ended, failure = b.End, err
	}
	if !ended && failure == nil {
		t.Error("a cancelled read stops without End and without an error")
	}
	if len(s.Writes) > 0 {
		target.writes(t, w, declared, s)
	}
}

// beside reads an end twice in one request, beside one that is not there: it is
// what it is alone, and the other keeps nobody from being read.
func (w *world) beside(t *testing.T, req providers.RecordsRequest, alone []providers.Record) {
	nowhere := req.End
	nowhere.Stream = "no_such_stream"
	req.Also = []providers.End{nowhere, req.End}
	var got [3][]providers.Record
	var over [3]bool
	for b, err := range w.p.Records(t.Context(), req) {
		if err != nil {
			t.Fatalf("reading several ends: %v", err)
		}
		if b.Of < 0 || b.Of >= len(got) || over[b.Of] {
			t.Fatalf("reading several ends: a batch of end %d, which is over or was not asked for", b.Of)
		}
		if over[b.Of] = b.End || b.Err != nil; b.Of == 1 && b.Err == nil || b.Of != 1 && b.Err != nil {
			t.Errorf("reading end %d of several: %v", b.Of, b.Err)
		}
		got[b.Of] = append(got[b.Of], b.Records...)
	}
	for n, end := range []int{0, 2} {
		if !over[end] || cmp.Diff(lines(alone), lines(got[end])) != "" {
			t.Errorf("read beside others (%d), it is another (-alone +beside)\n%s", n, cmp.Diff(lines(alone), lines(got[end])))
		}
	}
	if !over[1] {
		t.Error("reading several ends: nothing is said of the one that is not there")
	}
	for range w.p.Records(t.Context(), req) {
		break // must not hang
	}
}

func lines(records []providers.Record) []string {
	var all []string
	for _, r := range records {
		b, _ := json.Marshal(r)
		all = append(all, string(b))
	}
	slices.Sort(all)
	return all
}

// records reads a stream to its end, and checks what arrives.
func (w *world) records(t *testing.T, declared *schema.Stream, req providers.RecordsRequest) (all []providers.Record) {
	t.Helper()
	parts := map[string]bool{}
	for _, p := range declared.Parts {
		parts[p.Name] = true
	}
	before := map[string]string{}
	seen := map[string]bool{}
	ended := false
	for b, err := range w.p.Records(t.Context(), req) {
		if err != nil {
			t.Fatalf("reading %s: %v", declared.Name, err)
		}
		if ended {
			t.Errorf("reading %s: a batch follows the end", declared.Name)
		}
		if ended = b.End; ended && b.Horizon.IsZero() {
			t.Errorf("reading %s: the end has no horizon", declared.Name)
		}
		for _, r := range b.Records {
			if !parts[r.Part] || r.Key == "" || r.Standing == "" {
				t.Errorf("reading %s: a record of no part, without key or standing: %+v", declared.Name, r)
			}
			if declared.Ordered && r.Key < before[r.Part] {
				t.Errorf("reading %s: %s %s comes after %s", declared.Name, r.Part, r.Key, before[r.Part])
			}
			before[r.Part] = r.Key
			if id := fmt.Sprintf("%s %s %v", r.Part, r.Key, r.Variants); seen[id] {
				t.Errorf("reading %s: %s comes twice", declared.Name, id)
			} else {
				seen[id] = true
			}
			if r.Fields != nil {
				if canonical, err := schema.Canonical(r.Fields, nil); err != nil || string(canonical) != string(r.Fields) {
					t.Errorf("reading %s: fields of %s are not canonical: %s", declared.Name, r.Key, r.Fields)
				}
			}
			all = append(all, r)
		}
	}
	if !ended {
		t.Errorf("reading %s: it stopped without an end", declared.Name)
	}
	return all
}

func (target *Target) writes(t *testing.T, w *world, declared *schema.Stream, s Stream) {
	if !declared.Write {
		t.Fatalf("stream %s cannot be written", declared.Name)
	}
	all := providers.RecordsRequest{End: s.Sync.Target}
	if held := w.records(t, declared, all); len(held) > 0 {
		t.Fatalf("the target holds something before it is written to: %+v", held)
	}
	write := func(p providers.Provider, verb providers.Verb, batch []providers.Write) []providers.WriteResult {
		t.Helper()
		batch = slices.Clone(batch)
		for n := range batch {
			batch[n].Verb = verb
		}
		results := p.Write(t.Context(), providers.WriteRequest{Sync: s.Sync, Run: "run", Writes: batch})
		if len(results) != len(batch) {
			t.Fatalf("%s: %d answers to %d writes", verb, len(results), len(batch))
		}
		return results
	}
	held := func() map[string]string {
		t.Helper()
		m := map[string]string{}
		for _, r := range w.records(t, declared, all) {
			m[r.Part+" "+r.Key] = r.ID + " " + r.Standing + " " + r.Title
		}
		return m
	}

	// a client that only reads writes nothing
	writer := w.p
	w.connect(t, true)
	for _, r := range write(w.p, providers.WriteCreate, s.Writes[0]) {
		if r.Err == nil || r.Err.Kind != providers.Refused {
			t.Errorf("a client that only reads has written: %+v", r)
		}
	}
	if err := w.p.Finish(t.Context(), providers.Run{Sync: s.Sync, ID: "run"}); providers.KindOf(err) != providers.Refused {
		t.Errorf("a client that only reads has finished a run: %v", err)
	}
	if got := held(); len(got) > 0 {
		t.Errorf("refused, and written: %v", got)
	}
	w.p = writer

	want := map[string]string{}
	for _, batch := range s.Writes {
		for n, r := range write(w.p, providers.WriteCreate, batch) {
			if r.Err != nil || r.ID == "" {
				t.Fatalf("create %s %s: %+v", batch[n].Part, batch[n].Key, r)
			}
			want[batch[n].Part+" "+batch[n].Key] = r.ID + " " + providers.Published + " " + batch[n].Title
		}
	}
	if diff := cmp.Diff(want, held()); diff != "" {
		t.Errorf("created (-want +got)\n%s", diff)
	}
	for _, batch := range s.Writes {
		for n, r := range write(w.p, providers.WriteCreate, batch) {
			if r.Err != nil || !strings.HasPrefix(want[batch[n].Part+" "+batch[n].Key], r.ID+" ") {
				t.Errorf("created again: %s %s: %+v", batch[n].Part, batch[n].Key, r)
			}
		}
	}
	if diff := cmp.Diff(want, held()); diff != "" {
		t.Errorf("created again (-want +got)\n%s", diff)
	}
	for range 2 {
		for _, batch := range slices.Backward(s.Writes) {
			for _, r := range write(w.p, providers.WriteWithdraw, batch) {
				if r.Err != nil {
					t.Errorf("withdraw: %v", r.Err)
				}
			}
		}
		for key, got := range held() {
			if !strings.Contains(got, " "+providers.Withdrawn+" ") {
				t.Errorf("withdrawn, and %s is %s", key, got)
			}
		}
	}
	deletes := len(held()) == 0
	for _, batch := range s.Writes {
		verb := providers.WriteRestore
		if deletes {
			verb = providers.WriteCreate
		}
		for _, r := range write(w.p, verb, batch) {
			if r.Err != nil {
				t.Errorf("%s: %v", verb, r.Err)
			}
		}
	}
	for key, got := range held() {
		if !deletes && got != want[key] || !strings.Contains(got, " "+providers.Published+" ") {
			t.Errorf("restored: %s is %s, was %s", key, got, want[key])
		}
	}
	engine(t, w.p, s.Sync)
	run := providers.Run{Sync: s.Sync, ID: "run", Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Clean: true}
	for range 2 {
		if err := w.p.Finish(t.Context(), run); err != nil {
			t.Errorf("finish: %v", err)
		}
	}
}

// engine checks that what is asked of a system's own engine has one answer for
// each sync, and that following it is no asking.
func engine(t *testing.T, p providers.Provider, sync providers.Sync) {
	t.Helper()
	for range 2 {
		states := p.Follow(t.Context(), []providers.Sync{sync, sync})
		if len(states) != 2 {
			t.Fatalf("follow gave %d answers to 2 syncs", len(states))
		}
		if diff := cmp.Diff(states[0].LSRT, states[1].LSRT); diff != "" || states[0].Err != nil && states[0].Err.Message == "" {
			t.Errorf("following twice differs: %s %v", diff, states[0].Err)
		}
	}
	if states := p.Ask(t.Context(), []providers.Sync{}); len(states) != 0 {
		t.Errorf("ask gave %d answers to no syncs", len(states))
	}
}
