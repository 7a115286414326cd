package syncer

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"pgregory.net/rapid"

	"accord/providers"
)

func testScratch(t interface{ TempDir() string }, budget int) scratch {
	return scratch{dir: t.TempDir(), budget: budget, small: min(budget, smallFrames), next: new(atomic.Int64)}
}

type frame struct{ key, payload, body string }

func drain(t rapid.TB, f frames) []frame {
	t.Helper()
	var all []frame
	c := f.open()
	defer c.close()
	for c.next() {
		body, err := c.bodies.read(c.body)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, frame{c.key, c.payload, body})
	}
	if c.err != nil {
		t.Fatal(c.err)
	}
	if len(all) != f.n {
		t.Fatalf("%d frames were read, %d written", len(all), f.n)
	}
	return all
}

// Whatever the budget, frames come out by key, those of one key in the order
// in which they went in; a set keeps the first of each.
func TestSorter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		s := scratch{dir: dir, budget: rapid.SampledFrom([]int{1, 40, 200, 1 << 20}).Draw(t, "budget"), next: &files}
		s.small = rapid.SampledFrom([]int{0, 64, 1 << 20}).Draw(t, "small")
		unique := rapid.Bool().Draw(t, "unique")
		sorter := s.sorter()
		sorter.unique = unique
		var want []frame
		for i := range rapid.IntRange(0, 120).Draw(t, "n") {
			f := frame{rapid.StringMatching(`[a-c]{0,3}`).Draw(t, "key"), fmt.Sprint(i), strings.Repeat("body", i%4)}
			want = append(want, f)
			if err := sorter.add(f.key, []byte(f.payload), []byte(f.body)); err != nil {
				t.Fatal(err)
			}
		}
		slices.SortStableFunc(want, func(a, b frame) int { return cmp.Compare(a.key, b.key) })
		if unique {
			want = slices.CompactFunc(want, func(a, b frame) bool { return a.key == b.key })
		}
		sorted, err := sorter.sorted()
		if err != nil {
			t.Fatal(err)
		}
		defer sorted.remove()
		if got := drain(t, sorted); !slices.Equal(got, want) {
			t.Fatalf("got %v, want %v", got, want)
		}
		if left, _ := os.ReadDir(dir); len(left) > 2 {
			t.Fatalf("%d files are left", len(left))
		}
	})
}

var files atomic.Int64

// A sorter holds no more than its budget, and temporary files are for us alone.
func TestSorterStaysWithinItsBudget(t *testing.T) {
	t.Parallel()
	s := testScratch(t, 10_000)
	sorter := s.sorter()
	payload, body := bytes.Repeat([]byte("x"), 50), bytes.Repeat([]byte("y"), 50)
	for i := range 5000 {
		if err := sorter.add(fmt.Sprintf("%06d", (i*7919)%5000), payload, body); err != nil {
			t.Fatal(err)
		}
		if held := cap(sorter.arena) + entrySize*cap(sorter.entries); held > 40_000 {
			t.Fatalf("it holds %d bytes with a budget of %d", held, s.budget)
		}
	}
	sorted, err := sorter.sorted()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{sorted.heads.path, sorted.bodies.path} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info.Mode(), err)
		}
	}
	if all := drain(t, sorted); len(all) != 5000 || all[17] != (frame{"000017", string(payload), string(body)}) {
		t.Errorf("%d frames", len(all))
	}
}

// A record comes out of a spool as it went in; a damaged one is an error.
func TestFrameOfRecord(t *testing.T) {
	t.Parallel()
	text := rapid.String()
	list := rapid.SliceOfN(text, 0, 3)
	rapid.Check(t, func(t *rapid.T) {
		r := providers.Record{
			Part: "p", Key: "k", ID: text.Draw(t, "id"), Title: text.Draw(t, "title"), Standing: text.Draw(t, "standing"), Problem: text.Draw(t, "problem"),
			Variants: list.Draw(t, "variants"), Routes: list.Draw(t, "routes"), Fields: []byte(text.Draw(t, "fields")),
			Groups: rapid.MapOfN(text, text, 0, 3).Draw(t, "groups"),
		}
		for _, key := range list.Draw(t, "members") {
			r.Members = append(r.Members, providers.Member{Part: "m", Key: key})
		}
		head, body := string(appendHead(nil, &r)), string(appendBody(nil, &r))
		got, err := recordOf(&r)
		if err != nil {
			t.Fatal(err)
		}
		back := providers.Record{
			Part: got.part, Key: got.key, ID: got.id, Title: got.title, Standing: got.standing, Problem: got.problem,
			Variants: slices.Collect(got.variants.strings()), Routes: slices.Collect(got.routes.strings()), Fields: []byte(got.fields),
			Groups: got.groups.groups(), Members: slices.Collect(got.members.members()),
		}
		if fmt.Sprint(back) != fmt.Sprint(r) {
			t.Fatalf("got %+v, want %+v", back, r)
		}
		if again, err := recordOf(&back); err != nil || again != got {
			t.Fatalf("what is equal is not in frames: %+v, %+v, %v", again, got, err)
		}
		if cut := rapid.IntRange(0, len(head)-1).Draw(t, "cut"); new(record).decode(head[:cut], "p", "k") == nil {
			t.Fatalf("cut at %d of %d it is still a record", cut, len(head))
		}
		if cut := rapid.IntRange(0, len(body)-1).Draw(t, "cut of the body"); new(record).decodeBody(body[:cut]) == nil {
			t.Fatalf("cut at %d of %d it is still the body of a record", cut, len(body))
		}
	})
}

// A temporary file that was cut off anywhere but behind a frame is an error,
// however its frames lie in the blocks that are read; so is one without all
// bodies, for whoever reads them.
func TestCursorOfDamagedFile(t *testing.T) {
	t.Parallel()
	s := testScratch(t, 1)
	w := s.spool()
	var ends []int64
	var size int64
	for i := range 40 {
		payload := bytes.Repeat([]byte{byte(i)}, i*300)
		if err := w.add(fmt.Sprintf("%012d", i), payload, payload); err != nil {
			t.Fatal(err)
		}
		lengths := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(len(payload))), uint64(len(payload)))
		size += int64(1 + len(lengths) + 12 + len(payload))
		ends = append(ends, size)
	}
	whole, err := w.rest()
	if err != nil {
		t.Fatal(err)
	}
	if all := drain(t, whole); all[39].payload != strings.Repeat("\x27", 39*300) || all[38].body != strings.Repeat("\x26", 38*300) {
		t.Fatal("it is not read as it was written")
	}
	read := func() (n, bodies int, err error) {
		c := whole.open()
		defer c.close()
		for c.next() {
			n++
			if _, err := c.bodies.read(c.body); err == nil {
				bodies++
			}
		}
		return n, bodies, c.err
	}
	if err := os.Truncate(whole.bodies.path, 300*(1+2+3+4)+299); err != nil {
		t.Fatal(err)
	}
	if n, bodies, err := read(); n != 40 || bodies != 5 || err != nil {
		t.Fatalf("%d frames with %d bodies, %v", n, bodies, err)
	}
	for cut := size; cut > 0; cut -= 97 {
		if err := os.Truncate(whole.heads.path, cut); err != nil {
			t.Fatal(err)
		}
		n, _, err := read()
		behind, exact := slices.BinarySearch(ends, cut)
		if exact {
			behind++
		}
		if n != behind || (err == nil) != exact {
			t.Fatalf("cut at %d: %d frames of %d, %v", cut, n, behind, err)
		}
	}
}
