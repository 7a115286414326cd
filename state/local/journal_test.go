package local

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/state"
	"accord/state/sqljournal"
	"accord/state/statetest"
)

// Who may not write in the folder is told what to do, also where he only looks; and
// where there is nothing yet, there is nothing to open.
func TestJournalForbidden(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Skip("nothing is forbidden to this user")
	}
	dir := t.TempDir()
	path := filepath.Join(dir, "accord.state.json")
	t.Cleanup(func() { _ = os.Chmod(dir, 0o700) })
	point := addrs.New("integration_point", "clm")
	owe := func(s *Store) error {
		j, err := s.Journal(t.Context())
		if err != nil {
			return err
		}
		return j.Owe(t.Context(), point, []string{"activated"}, state.Allowance{})
	}
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	blank := open(t, path, nil)
	j, err := blank.Journal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if m, err := state.MemoryOf(t.Context(), j, point); err != nil || len(m.Owed) > 0 {
		t.Errorf("of nothing, %+v and %v are remembered", m, err)
	}
	if err := owe(blank); err == nil {
		t.Error("what cannot be kept is taken")
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := open(t, path, nil)
	if err := owe(s); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(s.dir, 0o700) })
	if err := owe(open(t, path, nil)); err == nil || !strings.Contains(err.Error(), "permission denied; let this user write in "+s.dir) {
		t.Errorf("what to do is not told: %v", err)
	}
}

// A database that is not ours, not of our version, or not whole, is named, and
// left as it is; a cut in its write-ahead log is a cut in time.
func TestJournalDamaged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "accord.state.json")
	s := open(t, path, statetest.NewClock().Now)
	j, err := s.Journal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	point := addrs.New("integration_point", "clm")
	if err := j.Owe(t.Context(), point, []string{"activated"}, state.Allowance{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(s.dir, "syncs.db")
	whole := mustReadFile(t, db)

	foreign := filepath.Join(t.TempDir(), "other.db")
	sqlDo(t, foreign, "CREATE TABLE t (a)")
	later := filepath.Join(t.TempDir(), "later.db")
	restore(t, later, whole)
	sqlDo(t, later, "PRAGMA user_version = 99")

	cases := map[string]struct {
		data []byte
		want string
	}{
		"another program's":  {mustReadFile(t, foreign), "it is not a journal of syncs"},
		"a later version":    {mustReadFile(t, later), "its format version is 99"},
		"no database at all": {[]byte(strings.Repeat("hello, world\n", 1000)), ""},
		"empty":              {[]byte{}, "it is not a journal of syncs"},
	}
	for n := 1; n < len(whole); n += 509 {
		cases[fmt.Sprint("cut at ", n)] = struct {
			data []byte
			want string
		}{whole[:n], ""}
	}
	for name, test := range cases {
		for _, suffix := range []string{"-wal", "-shm"} {
			restore(t, db+suffix, nil)
		}
		restore(t, db, test.data)
		s := open(t, path, nil)
		var m state.Memory
		j, err := s.Journal(t.Context())
		if err == nil {
			m, err = state.MemoryOf(t.Context(), j, point)
		}
		var de *state.DamagedError
		if err == nil && len(m.Owed) == 1 {
			t.Errorf("%s: it is all there", name)
		} else if !errors.As(err, &de) || de.Path != db || !strings.Contains(de.Reason, test.want) || de.Advice == "" {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
		if left := mustReadFile(t, db); string(left) != string(test.data) {
			t.Errorf("%s: it was changed", name)
		}
	}
}

func sqlDo(t *testing.T, path, query string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = db.Exec(query)
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A database that was about to be made when its maker died is made anew.
func TestJournalHalfMade(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "accord.state.json"), nil)
	if err := s.makeDirs(); err != nil {
		t.Fatal(err)
	}
	temp := filepath.Join(s.dir, "syncs.db.tmp")
	restore(t, temp, []byte("half"))
	if _, err := s.Journal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(temp); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

func journalOf(t *testing.T, s *Store) *journal {
	t.Helper()
	j, err := s.Journal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return j.(*journal)
}

// History is kept up to a number of runs, and the last full run beyond it.
func TestRunsArePruned(t *testing.T) {
	t.Parallel()
	s := open(t, filepath.Join(t.TempDir(), "accord.state.json"), nil)
	defer s.Close()
	j := journalOf(t, s)
	point := addrs.New("integration_point", "clm")
	lease, err := state.LeaseOf(t.Context(), j, point, "sync", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	run := func(id, mode string) {
		t.Helper()
		if err := j.Begin(t.Context(), state.Run{ID: id, Sync: point, Mode: mode, Fence: lease.Fence}); err != nil {
			t.Fatal(err)
		}
		if _, err := j.End(t.Context(), state.End{Run: id, Outcome: state.Clean}); err != nil {
			t.Fatal(err)
		}
	}
	run("full", state.Full)
	_, err = j.db.Exec(`
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2 * 1000 - 2)
		INSERT INTO run (id, sync, mode, reasons, fence, started, outcome) SELECT 'R' || i, ?, 'incremental', '[]', 1, 0, 'clean' FROM n`, point.String())
	if err != nil {
		t.Fatal(err)
	}
	run("last", state.Incremental) // the two thousandth
	runs, err := j.Runs(t.Context(), point, 5000)
	if err != nil {
		t.Fatal(err)
	}
	if len(runs) != sqljournal.KeptRuns+1 || runs[0].ID != "last" || runs[sqljournal.KeptRuns].ID != "full" {
		t.Errorf("%d runs are kept", len(runs))
	}
	m, err := state.MemoryOf(t.Context(), j, point)
	if err != nil || m.LastFull == nil || m.LastFull.ID != "full" || m.Last.ID != "last" {
		t.Errorf("%v, %+v", err, m)
	}
}

// CONN-6: a run that somebody is still to be told of is kept beyond that, for as long as
// anybody may try.
func TestUntoldRunsAreKept(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)
	s := open(t, filepath.Join(t.TempDir(), "accord.state.json"), func() time.Time { return now })
	defer s.Close()
	j := journalOf(t, s)
	point := addrs.New("integration_point", "clm")
	run := func(id string, e state.End, tell ...string) {
		t.Helper()
		lease, err := state.LeaseOf(t.Context(), j, point, "sync", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Begin(t.Context(), state.Run{ID: id, Sync: point, Mode: state.Incremental, Fence: lease.Fence, Started: now, Tell: tell}); err != nil {
			t.Fatal(err)
		}
		e.Run, e.Outcome, e.At, e.Release = id, state.Clean, now, true
		if _, err := j.End(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	thousands := 0
	pruned := func() {
		t.Helper()
		thousands += 2
		_, err := j.db.Exec(`
			WITH RECURSIVE n(i) AS (SELECT (SELECT max(seq) FROM run) + 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?2 * 1000 - 1)
			INSERT INTO run (seq, id, sync, mode, reasons, fence, started, outcome) SELECT i, 'R' || i, ?1, 'incremental', '[]', 1, 0, 'clean' FROM n`, point.String(), thousands)
		if err != nil {
			t.Fatal(err)
		}
		run(fmt.Sprint("last ", thousands), state.End{})
	}
	untold := func() (ids []string) {
		t.Helper()
		list, err := j.Untold(t.Context(), "hook", 10, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range list {
			ids = append(ids, u.Run.ID)
		}
		return ids
	}
	run("old", state.End{Worth: true}, "hook")
	now = now.Add(7 * 24 * time.Hour)
	run("new", state.End{Worth: true}, "hook")
	pruned()
	if got := fmt.Sprint(untold()); got != "[old new]" {
		t.Errorf("after a week: %s", got)
	}
	now = now.Add(2 * 24 * time.Hour)
	pruned()
	if got := fmt.Sprint(untold()); got != "[new]" {
		t.Errorf("two days later: %s", got)
	}
}

// BenchmarkCheckpoint keeps a batch of 500 rows: its intent, and what came of
// it, with so many failures.
func BenchmarkCheckpoint(b *testing.B) {
	for _, failing := range []int{0, 500} {
		b.Run(fmt.Sprint(failing, "-failing"), func(b *testing.B) {
			s := open(b, filepath.Join(b.TempDir(), "accord.state.json"), nil)
			defer s.Close()
			j, err := s.Journal(b.Context())
			if err != nil {
				b.Fatal(err)
			}
			point := addrs.New("integration_point", "clm")
			lease, err := state.LeaseOf(b.Context(), j, point, "sync", time.Hour)
			if err != nil {
				b.Fatal(err)
			}
			if err := j.Begin(b.Context(), state.Run{ID: "R1", Sync: point, Fence: lease.Fence}); err != nil {
				b.Fatal(err)
			}
			var n uint64
			for b.Loop() {
				n++
				keys := make([]string, 500)
				var failed []state.Exception
				for i := range keys {
					keys[i] = fmt.Sprintf("%012d", int(n)*500+i)
					if i < failing {
						failed = append(failed, state.Exception{Part: "slide", Key: keys[i], Title: "A slide", Kind: "invalid", Message: "the field brand__c refers to nothing"})
					}
				}
				if err := j.Intend(b.Context(), "R1", []state.Batch{{Seq: n, Part: "slide", Verb: "create", Keys: keys}}); err != nil {
					b.Fatal(err)
				}
				if err := j.Checkpoint(b.Context(), "R1", state.Checkpoint{Seq: n, Counts: map[string]int64{"slide/create": 500}, Met: failed}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A journal of a version before keeps what it holds, and takes what is new.
func TestJournalMigrates(t *testing.T) {
	row := "INSERT INTO failure (sync, part, key, title, kind, message, cause, first, last, attempts, first_run, last_run, id%s) VALUES ('integration_point.clm', '%s', 'a', 'Slide a', 'invalid', 'too long', '', 1, 2, 3, 1, 1, 'R1'%s);"
	owed := "INSERT INTO owed (sync, reason) VALUES ('integration_point.clm', '%s');"
	failing := fmt.Sprintf(row, "", "slide", "")
	for version, test := range map[int]struct {
		rows string
		want []state.ExceptionType // by part
	}{
		1: {failing + fmt.Sprintf(owed, "activated"), []state.ExceptionType{state.Failing}},
		4: {failing + fmt.Sprintf(row, ", general", "", ", 1") + fmt.Sprintf(row, ", kept", "deck", ", 1") + fmt.Sprintf(owed, "activated") + fmt.Sprintf(owed, "allow_withdraw=7"),
			[]state.ExceptionType{state.Message, state.Kept, state.Failing}},
	} {
		t.Run(fmt.Sprint("version ", version), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "state.json")
			s := open(t, path, statetest.NewClock().Now)
			if err := s.makeDirs(); err != nil {
				t.Fatal(err)
			}
			var tables strings.Builder
			for n := 1; n <= version; n++ {
				step, err := steps.ReadFile(fmt.Sprintf("%d.sql", n))
				if err != nil {
					t.Fatal(err)
				}
				tables.Write(step)
			}
			sqlDo(t, filepath.Join(s.dir, "syncs.db"), fmt.Sprintf("%s; PRAGMA application_id = %d; PRAGMA user_version = %d; %s", tables.String(), applicationID, version, test.rows))
			j, err := s.Journal(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			point := addrs.New("integration_point", "clm")
			if m, err := state.MemoryOf(t.Context(), j, point); err != nil || !slices.Equal(m.Owed, []string{"activated"}) || m.Allowed != (state.Allowance{}) {
				t.Errorf("after the migration: %+v, %v", m, err)
			}
			for range 2 {
				var types []state.ExceptionType
				for f, err := range j.Exceptions(t.Context(), point) {
					if err != nil {
						t.Fatal(err)
					}
					if types = append(types, f.Type); f.Title != "Slide a" || f.Attempts != 3 || f.Routes != nil {
						t.Errorf("after the migration: %+v", f)
					}
					if err := j.Acknowledge(t.Context(), []state.Exception{f}, &state.Ack{Owner: "Ana"}); err != nil {
						t.Error(err)
					}
				}
				if !slices.Equal(types, test.want) {
					t.Errorf("after the migration of types %q, not %q", types, test.want)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				s = open(t, path, statetest.NewClock().Now)
				if j, err = s.Journal(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// What a call to a vault depends upon is on the disk before it, and nothing
// else waits for the disk: an incremental run that says first what it is about to
// write waits once.
func TestWaits(t *testing.T) {
	ctx := t.Context()
	j := journalAt(t)
	clm := addrs.New("integration_point", "clm")
	var lease state.Lease
	said := func(waits int64, what string, do func() error) {
		t.Helper()
		before := j.Waits()
		if err := do(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if got := j.Waits() - before; got != waits {
			t.Errorf("%s waits %d times for the disk, not %d", what, got, waits)
		}
		var synchronous int64 // of SQLite: 1 NORMAL, 2 FULL
		if err := j.db.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&synchronous); err != nil {
			t.Fatal(err)
		}
		if synchronous != 1+waits {
			t.Errorf("%s: SQLite commits with synchronous = %d", what, synchronous)
		}
	}
	said(0, "acquire", func() (err error) { lease, err = state.LeaseOf(ctx, j, clm, "sync", time.Hour); return err })
	said(0, "begin", func() error {
		return j.Begin(ctx, state.Run{ID: "R1", Sync: clm, Mode: state.Incremental, Fence: lease.Fence})
	})
	said(1, "intend", func() error { return j.Intend(ctx, "R1", []state.Batch{{Seq: 1}, {Seq: 2}, {Seq: 3}}) })
	for n := range uint64(3) {
		said(0, "checkpoint", func() error { return j.Checkpoint(ctx, "R1", state.Checkpoint{Seq: n + 1}) })
	}
	said(0, "renew", func() (err error) { lease, err = j.Renew(ctx, lease, time.Hour); return err })
	said(0, "end of what the next run would find", func() error {
		_, err := j.End(ctx, state.End{Run: "R1", Outcome: state.Clean, Light: true})
		return err
	})
	said(0, "begin of a full run", func() error {
		return j.Begin(ctx, state.Run{ID: "R2", Sync: clm, Mode: state.Full, Fence: lease.Fence, Owes: []string{"requested"}})
	})
	said(1, "intend", func() error { return j.Intend(ctx, "R2", []state.Batch{{Seq: 1, Keys: []string{"1"}}}) })
	said(1, "checkpoint with a failure", func() error {
		return j.Checkpoint(ctx, "R2", state.Checkpoint{Seq: 1, Met: []state.Exception{{Part: "slide", Key: "1"}}})
	})
	said(1, "end", func() error {
		_, err := j.End(ctx, state.End{Run: "R2", Outcome: state.Faulty})
		return err
	})
	said(0, "memory", func() error { _, err := state.MemoryOf(ctx, j, clm); return err })
	said(0, "release", func() error { return j.Release(ctx, lease) })
}

// Runs of many points that wait at once share a commit, and one that fails
// takes nothing of the others with it.
func TestTurnsTogether(t *testing.T) {
	ctx := t.Context()
	j := journalAt(t)
	const points = 40
	point := func(n int) addrs.Instance { return addrs.NewKeyed("integration_point", "clm", fmt.Sprint(n)) }
	for n := range points {
		lease, err := state.LeaseOf(ctx, j, point(n), "sync", time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if err := j.Begin(ctx, state.Run{ID: fmt.Sprint("R", n), Sync: point(n), Mode: state.Incremental, Fence: lease.Fence}); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := j.db.Conn(ctx) // the disk is busy
	if err != nil {
		t.Fatal(err)
	}
	before := j.Waits()
	var begun, said sync.WaitGroup
	var refused atomic.Int64
	begun.Add(points)
	for n := range points {
		said.Go(func() {
			begun.Done()
			seq := uint64(n % 4) // batches are counted from 1: every fourth is refused
			if err := j.Intend(ctx, fmt.Sprint("R", n), []state.Batch{{Seq: seq, Keys: []string{"1"}}}); err != nil {
				refused.Add(1)
				if seq != 0 {
					t.Errorf("%s: %v", point(n), err)
				}
			}
		})
	}
	begun.Wait() // however busy the machine is
	time.Sleep(200 * time.Millisecond)
	conn.Close()
	said.Wait()
	if got := j.Waits() - before; got > 3 {
		t.Errorf("%d points that waited at once waited %d times for the disk", points, got)
	}
	if refused.Load() != points/4 {
		t.Errorf("%d were refused, not %d", refused.Load(), points/4)
	}
	for n := range points {
		open, err := j.Open(ctx, point(n))
		if err != nil {
			t.Fatal(err)
		}
		if want := min(n%4, 1); len(open) != want {
			t.Errorf("%s has %d open batches, not %d", point(n), len(open), want)
		}
	}
}

func journalAt(t *testing.T) *journal {
	t.Helper()
	s := open(t, filepath.Join(t.TempDir(), "accord.state.json"), nil)
	t.Cleanup(func() { s.Close() })
	j, err := s.Journal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return j.(*journal)
}
