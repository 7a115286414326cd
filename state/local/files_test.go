package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"accord/lang/addrs"
	"accord/state"
	"accord/state/statetest"

	"github.com/google/go-cmp/cmp"
)

func outcome(key, body string) state.Outcome {
	o := statetest.Object(key, body)
	return state.Outcome{Addr: o.Addr, Object: o}
}

// history makes a saved state and a log that goes on from it, and returns the
// states that were acknowledged after each line of the log.
func history(t *testing.T) (path string, acknowledged []*state.State) {
	t.Helper()
	ctx := t.Context()
	path = filepath.Join(t.TempDir(), "accord.state.json")
	s := open(t, path, statetest.NewClock().Now)
	lock, err := s.Lock(ctx, "apply")
	if err != nil {
		t.Fatal(err)
	}
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		acknowledged = append(acknowledged, lock.State())
	}
	do(lock.Done(ctx, []state.Outcome{outcome("us", `{"n":0}`)}))
	do(lock.Save(ctx))
	acknowledged = nil
	intent := func(key string) state.Intent {
		return state.Intent{Addr: statetest.Object(key, "").Addr, Action: "update"}
	}
	do(lock.Intend(ctx, []state.Intent{intent("us"), intent("de")}))
	do(lock.Done(ctx, []state.Outcome{outcome("us", `{"n":1}`), outcome("de", `{"s":"<é\n>"}`)}))
	do(lock.SetOutputs(ctx, map[string]state.Output{"a": {Value: json.RawMessage(`1`)}}))
	do(lock.Intend(ctx, []state.Intent{intent("us")}))
	do(lock.Done(ctx, []state.Outcome{{Addr: statetest.Object("us", "").Addr, Forget: true}}))
	if err := lock.Unlock(); err != nil {
		t.Fatal(err)
	}
	return path, acknowledged
}

// FuzzLog must not panic over any journal, also one whose checksums and numbers
// somebody made fit; what can be read is what it says.
func FuzzLog(f *testing.F) {
	head := `{"n":1,"head":{"format":1,"lineage":"x","serial":1}}`
	f.Add([]byte(head + "\n" + `{"n":2,"intents":[{"seq":1,"address":"a.b[\"c\"]","action":"update","at":"2026-11-02T09:00:00Z"}]}` + "\n" +
		`{"n":3,"outcomes":[{"address":"a.b[\"c\"]","object":{"address":"a.b[\"c\"]","type":"a","body":{}}}]}` + "\n" + `{"n":4,"outputs":{"a":{"value":1}}}` + "\n" + `{"n":5,"saving":"00"}` + "\n"))
	f.Add([]byte(head + "\n" + `{"n":2,"outcomes":[{},{"object":null,"forget":true}]}` + "\n" + `{"n":3,"sealed":"AAAA"}` + "\n"))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		var fits []byte
		for line := range bytes.Lines(data) {
			text := bytes.TrimSuffix(line, []byte("\n"))
			fits = fmt.Appendf(fits, "%08x %s\n", checksum(text), text)
		}
		for n, b := range [][]byte{data, fits} {
			path := filepath.Join(dir, fmt.Sprintf("%d-%d", os.Getpid(), n))
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := readLog(path, nil)
			if err != nil || !c.exists() {
				continue
			}
			for included := range len(c.entries) + 1 {
				st := state.New("", c.head.Lineage)
				c.replay(st, included)
				if _, err := state.Encode(st); err != nil {
					t.Fatal(err)
				}
			}
			c.savedIn(nil)
		}
	})
}

// A log that was cut short at any byte is the log up to its last whole line;
// whoever locks the state then goes on from there.
func TestLogTruncated(t *testing.T) {
	t.Parallel()
	path, acknowledged := history(t)
	s := open(t, path, nil)
	whole, err := os.ReadFile(s.logPath())
	if err != nil {
		t.Fatal(err)
	}
	saved := readState(t, path)
	for n := range whole {
		if err := os.WriteFile(s.logPath(), whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		want := saved
		if lines := bytes.Count(whole[:n], []byte("\n")); lines > 1 {
			want = acknowledged[lines-2]
		}
		got, err := s.Read(t.Context())
		if err != nil {
			t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%d of %d bytes (-want +got):\n%s", n, len(whole), diff)
		}
		if n%7 != 0 && whole[n] != '\n' {
			continue
		}

		lock, err := s.Lock(t.Context(), "apply")
		if err != nil {
			t.Fatal(err)
		}
		if err := lock.Done(t.Context(), []state.Outcome{outcome("fr", `{}`)}); err != nil {
			t.Fatal(err)
		}
		if err := lock.Unlock(); err != nil {
			t.Fatal(err)
		}
		want = want.Clone()
		want.Settle([]state.Outcome{outcome("fr", `{}`)})
		if diff := cmp.Diff(want, mustRead(t, s)); diff != "" {
			t.Fatalf("%d of %d bytes, gone on (-want +got):\n%s", n, len(whole), diff)
		}
	}
}

// A byte that changed anywhere in the log is noticed. Only where it takes away
// the end of the last line, that line counts as never written.
func TestLogDamaged(t *testing.T) {
	t.Parallel()
	path, acknowledged := history(t)
	s := open(t, path, nil)
	whole, err := os.ReadFile(s.logPath())
	if err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(s.logPath(), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for n := range whole {
		for _, flip := range []byte{1, 0x80, whole[n] ^ '\n'} {
			if flip == 0 {
				continue
			}
			damaged := bytes.Clone(whole)
			damaged[n] ^= flip
			if _, err := file.WriteAt(damaged, 0); err != nil {
				t.Fatal(err)
			}
			got, err := s.Read(t.Context())
			if n == len(whole)-1 {
				if diff := cmp.Diff(acknowledged[len(acknowledged)-2], got); err != nil || diff != "" {
					t.Errorf("the last line end: %v\n%s", err, diff)
				}
				continue
			}
			var de *state.DamagedError
			if !errors.As(err, &de) || de.Path != s.logPath() || !strings.Contains(de.Reason, "line ") || de.Advice == "" {
				t.Fatalf("byte %d ^ %#x: %v", n, flip, err)
			}
			if n%10 == 0 {
				if _, err := s.Lock(t.Context(), "apply"); !errors.As(err, new(*state.DamagedError)) {
					t.Fatalf("byte %d ^ %#x: Lock: %v", n, flip, err)
				}
			}
			if left, _ := os.ReadFile(s.logPath()); !bytes.Equal(left, damaged) {
				t.Fatalf("byte %d ^ %#x: the damaged log was changed", n, flip)
			}
		}
	}

	// A whole line that is gone from the middle, and one that is there twice.
	lines := bytes.SplitAfter(whole, []byte("\n"))
	for name, data := range map[string][]byte{
		"gone":  bytes.Join(append(lines[:2:2], lines[3:]...), nil),
		"twice": bytes.Join(append(lines[:2:2], lines[1:]...), nil),
		"first": bytes.Join(lines[1:], nil),
	} {
		if err := os.WriteFile(s.logPath(), data, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Read(t.Context()); !errors.As(err, new(*state.DamagedError)) {
			t.Errorf("a line %s: %v", name, err)
		}
	}
}

// Trap, torn state: a state file that was cut short, at any byte, is named, said
// to be so, and left alone.
func TestStateTruncated(t *testing.T) {
	t.Parallel()
	path, _ := history(t)
	s := open(t, path, nil)
	saveOnce(t, s) // the second version: there is a backup, and no log
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(whole) - 1 {
		if err := os.WriteFile(path, whole[:n], 0o600); err != nil {
			t.Fatal(err)
		}
		_, readErr := s.Read(t.Context())
		_, lockErr := s.Lock(t.Context(), "apply")
		for _, err := range []error{readErr, lockErr} {
			var de *state.DamagedError
			if !errors.As(err, &de) || de.Path != path || !strings.Contains(de.Advice, s.backups()[0]) {
				t.Fatalf("%d of %d bytes: %v", n, len(whole), err)
			}
		}
		if left, _ := os.ReadFile(path); len(left) != n {
			t.Fatalf("%d of %d bytes: it was changed", n, len(whole))
		}
	}
	if _, err := state.Decode(mustReadFile(t, filepath.Join(s.backupDir(), s.backups()[0]))); err != nil {
		t.Errorf("the backup: %v", err)
	}
}

func TestForeignStateFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "accord.state.json")
	s := open(t, path, nil)
	for data, want := range map[string]string{
		`{"format_version": 9}`:                  "its format version is 9, and this accord knows only version 1",
		`{"version": 4, "terraform_version": 1}`: "it is not a state",
		"":                                       "it is empty",
	} {
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := s.Lock(t.Context(), "apply")
		if err == nil || !strings.Contains(err.Error(), path+": "+want) {
			t.Errorf("%q: %v", data, err)
		}
		if left := mustReadFile(t, path); string(left) != data {
			t.Errorf("%q was overwritten", data)
		}
	}
	if _, err := Open(filepath.Dir(path), Options{}); err == nil {
		t.Error("a folder was taken for a state file")
	}
}

// Wherever Save is cut short, the state file and the log fit together.
func TestSaveCutShort(t *testing.T) {
	t.Parallel()
	path, acknowledged := history(t)
	s := open(t, path, nil)
	want := acknowledged[len(acknowledged)-1]
	log, before := mustReadFile(t, s.logPath()), mustReadFile(t, path)
	saveOnce(t, s)
	after := mustReadFile(t, path)
	saving, err := entry{N: len(acknowledged) + 2, Saving: digest(after)}.line()
	if err != nil {
		t.Fatal(err)
	}
	announced := append(bytes.Clone(log), saving...)
	more, err := entry{N: len(acknowledged) + 3, Outcomes: []state.Outcome{outcome("fr", `{}`)}}.line()
	if err != nil {
		t.Fatal(err)
	}
	grown := want.Clone()
	grown.Settle([]state.Outcome{outcome("fr", `{}`)})

	for _, test := range []struct {
		name       string
		state, log []byte
		serial     uint64
		want       *state.State
	}{
		{"announced", before, announced, 1, want},
		{"announced, given up, and gone on", before, append(bytes.Clone(announced), more...), 1, grown},
		{"renamed", after, announced, 2, want},
		{"renamed, and gone on in the same log", after, append(bytes.Clone(announced), more...), 2, grown},
		{"ended", after, nil, 2, want},
	} {
		restore(t, path, test.state)
		restore(t, s.logPath(), test.log)
		got := mustRead(t, s)
		if diff := cmp.Diff(test.want.Objects, got.Objects); diff != "" || got.Serial != test.serial || len(got.Open) != 0 {
			t.Errorf("%s: serial %d, %d open (-want +got):\n%s", test.name, got.Serial, len(got.Open), diff)
		}
		saveOnce(t, s)
		got = mustRead(t, s)
		if diff := cmp.Diff(test.want.Objects, got.Objects); diff != "" {
			t.Errorf("%s, then saved (-want +got):\n%s", test.name, diff)
		}
		if _, err := os.Stat(s.logPath()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s, then saved: there still is a log", test.name)
		}
	}

	// Another version of the state than the one the log goes on from.
	var de *state.DamagedError
	restore(t, s.logPath(), log)
	restore(t, path, after)
	if _, err := s.Read(t.Context()); !errors.As(err, &de) || de.Path != s.logPath() || !strings.Contains(de.Advice, "serial 1") {
		t.Errorf("a later state file: %v", err)
	}
	restore(t, path, bytes.Replace(before, []byte(want.Lineage), []byte("another"), 1))
	if _, err := s.Lock(t.Context(), "apply"); !errors.As(err, &de) || !strings.Contains(de.Reason, "lineage another") {
		t.Errorf("another lineage: %v", err)
	}
	restore(t, path, nil)
	if _, err := s.Lock(t.Context(), "apply"); !errors.As(err, &de) {
		t.Errorf("no state file: %v", err)
	}
	if left := mustReadFile(t, s.logPath()); !bytes.Equal(left, log) {
		t.Error("the log was changed")
	}
}

// Versions before the present one are kept, so many and no more, all whole.
func TestBackups(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "accord.state.json")
	clock := statetest.NewClock()
	s, err := Open(path, Options{Now: clock.Now, Backups: 3})
	if err != nil {
		t.Fatal(err)
	}
	lock, err := s.Lock(t.Context(), "apply")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for n := range 12 {
		if n%4 == 0 {
			clock.Add(1e9) // several versions in one moment too
		}
		if err := lock.Done(t.Context(), []state.Outcome{outcome("us", fmt.Sprint(n))}); err != nil {
			t.Fatal(err)
		}
		if err := lock.Save(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var serials []uint64
	for _, name := range s.backups() {
		st, err := state.Decode(mustReadFile(t, filepath.Join(s.backupDir(), name)))
		if err != nil {
			t.Fatal(err)
		}
		serials = append(serials, st.Serial)
	}
	if diff := cmp.Diff([]uint64{9, 10, 11}, serials); diff != "" {
		t.Errorf("kept versions (-want +got):\n%s", diff)
	}
}

// A batch costs one fsync, whatever its size; goroutines share them.
func TestFsyncs(t *testing.T) {
	ctx := t.Context()
	s := open(t, filepath.Join(t.TempDir(), "accord.state.json"), nil)
	lock, err := s.Lock(ctx, "apply")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := lock.Done(ctx, []state.Outcome{outcome("first", `{}`)}); err != nil { // makes the log
		t.Fatal(err)
	}
	var intents []state.Intent
	var outcomes []state.Outcome
	for n := range 500 {
		o := outcome(fmt.Sprint(n), `{}`)
		outcomes = append(outcomes, o)
		intents = append(intents, state.Intent{Addr: o.Addr, Action: "create", Object: o.Object})
	}
	count := func(want int64, do func() error) {
		t.Helper()
		before := s.fsyncs.Load()
		if err := do(); err != nil {
			t.Fatal(err)
		}
		if got := s.fsyncs.Load() - before; got != want {
			t.Errorf("%d fsyncs, not %d", got, want)
		}
	}
	count(1, func() error { return lock.Intend(ctx, intents) })
	count(1, func() error { return lock.Done(ctx, outcomes) })
	count(4, func() error { return lock.Save(ctx) }) // new file, announcement, folder, folder of the log
	count(0, func() error { return lock.Save(ctx) })

	before := s.fsyncs.Load()
	var wg sync.WaitGroup
	const writers, each = 16, 20
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				if err := lock.Done(ctx, []state.Outcome{outcome(fmt.Sprint(w, "-", n), `{}`)}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := s.fsyncs.Load() - before; got > writers*each+2 {
		t.Errorf("%d fsyncs for %d batches", got, writers*each)
	} else {
		t.Logf("%d fsyncs for %d batches of %d goroutines", got, writers*each, writers)
	}
}

// While one goroutine waits for the disk, others gather; one sync serves them.
func TestGroupCommit(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "accord.state.json"), nil)
	if err := s.makeDirs(); err != nil {
		t.Fatal(err)
	}
	g, err := s.createLog(state.New("", "lineage"))
	if err != nil {
		t.Fatal(err)
	}
	defer g.close()
	var wg sync.WaitGroup
	g.syncing.Lock() // the disk is busy
	before := s.fsyncs.Load()
	for range 100 {
		upTo, err := g.write(entry{Saving: "x"})
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if err := g.sync(upTo); err != nil {
				t.Error(err)
			}
		})
	}
	g.syncing.Unlock()
	wg.Wait()
	if got := s.fsyncs.Load() - before; got != 1 {
		t.Errorf("%d fsyncs for 100 batches", got)
	}
}

// What may hold names of people and places is for its owner alone.
func TestModes(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("no modes there")
	}
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "new", "accord.state.json"), nil)
	defer s.Close()
	lock, err := s.Lock(t.Context(), "apply")
	if err != nil {
		t.Fatal(err)
	}
	for n := range 3 {
		if err := lock.Done(t.Context(), []state.Outcome{outcome("us", fmt.Sprint(n))}); err != nil {
			t.Fatal(err)
		}
		if n < 2 {
			if err := lock.Save(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	j, err := s.Journal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := state.LeaseOf(t.Context(), j, addrs.New("a", "b"), "sync", 1e9); err != nil {
		t.Fatal(err)
	}
	files := 0
	err = filepath.WalkDir(filepath.Join(dir, "new"), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		files++
		if info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", path, info.Mode())
		}
		return nil
	})
	if err != nil || files < 12 {
		t.Errorf("looked at %d files: %v", files, err)
	}
}

// A link to the state file leads to the same lock.
func TestLink(t *testing.T) {
	t.Parallel()
	path, _ := history(t)
	link := filepath.Join(t.TempDir(), "link.json")
	if err := os.Symlink(path, link); err != nil {
		t.Skip(err)
	}
	one, two := open(t, path, nil), open(t, link, nil)
	if _, err := one.Lock(t.Context(), "apply"); err != nil {
		t.Fatal(err)
	}
	defer one.Close()
	if _, err := two.Lock(t.Context(), "apply"); !errors.As(err, new(*state.LockedError)) {
		t.Errorf("through a link: %v", err)
	}
}

func TestClosed(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "accord.state.json"), nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Lock(t.Context(), "apply"); err == nil {
		t.Error("a closed store was locked")
	}
	if _, err := s.Journal(t.Context()); err == nil {
		t.Error("a closed store gave a journal")
	}
}

// saveOnce makes another version of the state.
func saveOnce(t *testing.T, s *Store) {
	t.Helper()
	lock, err := s.Lock(t.Context(), "apply")
	if err == nil {
		err = errors.Join(lock.Save(t.Context()), lock.Unlock())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func mustRead(t *testing.T, s *Store) *state.State {
	t.Helper()
	st, err := s.Read(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func mustReadFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func readState(t *testing.T, path string) *state.State {
	t.Helper()
	st, err := state.Decode(mustReadFile(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// restore puts a file back as it was; nil: it was not there.
func restore(t *testing.T, path string, data []byte) {
	t.Helper()
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	if err == nil && data != nil {
		err = os.WriteFile(path, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// BenchmarkRead reads ten thousand objects, all from the state file, then a
// thousand of them from the log as well.
func BenchmarkRead(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "accord.state.json"), nil)
	defer s.Close()
	lock, err := s.Lock(b.Context(), "apply")
	if err != nil {
		b.Fatal(err)
	}
	var outcomes []state.Outcome
	body := fmt.Sprintf(`{"a":[1,2,{"b":%q}]}`, strings.Repeat("lorem ", 150))
	for n := range 10_000 {
		outcomes = append(outcomes, outcome(fmt.Sprint(n), body))
	}
	if err := errors.Join(lock.Done(b.Context(), outcomes), lock.Save(b.Context())); err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name string
		more []state.Outcome
	}{{"saved", nil}, {"log", outcomes[:1000]}} {
		if err := lock.Done(b.Context(), bench.more); err != nil {
			b.Fatal(err)
		}
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Read(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/10_000, "µs/object")
		})
	}
}

// BenchmarkDone keeps one outcome in a state of ten, and of ten thousand.
func BenchmarkDone(b *testing.B) {
	for _, size := range []int{10, 10_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "accord.state.json"), nil)
			defer s.Close()
			lock, err := s.Lock(b.Context(), "apply")
			if err != nil {
				b.Fatal(err)
			}
			var outcomes []state.Outcome
			for n := range size {
				outcomes = append(outcomes, outcome(fmt.Sprint(n), `{}`))
			}
			if err := lock.Done(b.Context(), outcomes); err != nil {
				b.Fatal(err)
			}
			n := 0
			for b.Loop() {
				n++
				if err := lock.Done(b.Context(), []state.Outcome{outcome("us", fmt.Sprint(n))}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
