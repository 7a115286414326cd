package local

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/state"
	"accord/state/statetest"
)

// The test binary is also the process that is killed: with actEnv set it is
// the actor of that name, at the place in its first argument.
const actEnv = "ACCORD_STATE_TEST_ACT"

// ctx is that of an actor, which is stopped from outside.
var ctx = context.Background()

var acts = map[string]func(s *Store, args []string) error{
	"contend": contend,
	"record":  record,
	"sync":    syncForEver,
	"beside":  beside,
}

func TestMain(m *testing.M) {
	name := os.Getenv(actEnv)
	if name == "" {
		os.Exit(m.Run())
	}
	s, err := Open(os.Args[1], Options{Tool: "accord test"})
	if err == nil {
		err = acts[name](s, os.Args[2:])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// actor is another process.
type actor struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func start(t *testing.T, act string, args ...string) *actor {
	t.Helper()
	a := &actor{Cmd: exec.Command(os.Args[0], args...)}
	a.Env = append(os.Environ(), actEnv+"="+act)
	a.Stderr = os.Stderr
	in, err := a.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := a.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	a.in, a.out = in, bufio.NewScanner(out)
	if err := a.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Process.Kill() })
	return a
}

// line returns the next line that the actor prints; "" at its end.
func (a *actor) line() string {
	a.out.Scan()
	return a.out.Text()
}

// killed yields what the actor prints until it is killed: after so long from
// its start or, where it is to be met at work, from its first line.
func (a *actor) killed(after time.Duration, atWork bool) iter.Seq[string] {
	kill := func() { a.Process.Kill() }
	if !atWork {
		time.AfterFunc(after, kill)
	}
	return func(yield func(string) bool) {
		for line := a.line(); line != ""; line = a.line() {
			if atWork {
				time.AfterFunc(after, kill)
				atWork = false
			}
			if !yield(line) {
				return
			}
		}
	}
}

// pace is how much of the long proofs is done.
func pace(sample, long int) int {
	if os.Getenv("ACCORD_LONG") != "" {
		return long
	}
	return sample
}

// Anchors §3b.10: of many processes that want the lock at once one gets it,
// and all others are told of that one. When it is killed the lock is free.
func TestProcessesContend(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "accord.state.json")
	processes := pace(8, 50)
	var all []*actor
	for range processes {
		all = append(all, start(t, "contend", path))
	}
	for _, a := range all {
		if got := a.line(); got != "ready" {
			t.Fatalf("an actor says %q", got)
		}
	}
	for _, a := range all {
		fmt.Fprintln(a.in, "go")
	}
	var winner *actor
	told := map[string]int{}
	for _, a := range all {
		verdict, id, _ := strings.Cut(a.line(), " ")
		told[id]++
		if verdict == "won" {
			if winner != nil {
				t.Fatal("two have won")
			}
			winner = a
		} else if verdict != "lost" {
			t.Fatalf("an actor says %q", verdict)
		}
	}
	if winner == nil || len(told) != 1 {
		t.Fatalf("the holder, as told: %v", told)
	}

	s := open(t, path, nil)
	if _, err := s.Lock(t.Context(), "apply"); !errors.As(err, new(*state.LockedError)) {
		t.Fatalf("while the winner lives: %v", err)
	}
	winner.Process.Kill()
	winner.Wait()
	lock, err := s.Lock(t.Context(), "apply")
	if err != nil {
		t.Fatalf("after the winner died: %v", err)
	}
	if told[lock.Holder().ID] != 0 {
		t.Error("the dead one's record is still there")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func contend(s *Store, _ []string) error {
	fmt.Println("ready")
	in := bufio.NewScanner(os.Stdin)
	in.Scan()
	lock, err := s.Lock(ctx, "apply")
	var locked *state.LockedError
	switch {
	case err == nil:
		fmt.Println("won", lock.Holder().ID)
		in.Scan() // until killed
		return nil
	case errors.As(err, &locked):
		fmt.Println("lost", locked.Holder.ID)
		return nil
	}
	return err
}

// Anchors §3b.5: killed at any moment, the state has every outcome that was
// acknowledged, knows every intent that was and has no outcome, and is free.
func TestKilledWhileRecording(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "accord.state.json")
	s := open(t, path, nil)
	kills, interrupted, total := pace(25, 1000), 0, 0
	for kill := 0; kill < kills || kill < 20*kills && (total == 0 || interrupted == 0); kill++ {
		a := start(t, "record", path)
		intended, done := map[string]string{}, map[string]string{}
		for line := range a.killed(time.Duration(random.Int64N(int64(40*time.Millisecond))), kill%2 == 0) {
			var what, key, body string
			fmt.Sscan(line, &what, &key, &body)
			switch what {
			case "intended":
				intended[key] = body
			case "done":
				delete(intended, key)
				done[key] = body
			}
		}
		a.Wait()

		lock, err := s.Lock(t.Context(), "apply")
		if err != nil {
			t.Fatalf("seed %d, kill %d: %v", seed, kill, err)
		}
		got := lock.State()
		for key, body := range done {
			total++
			if o := got.Objects[statetest.Object(key, "").Addr]; o == nil || string(o.Body) < body {
				t.Fatalf("seed %d, kill %d: %s was acknowledged with %s, and is %+v", seed, kill, key, body, o)
			}
		}
		open := map[string]bool{}
		for _, i := range got.Open {
			open[i.Addr.Key] = true
			interrupted++
		}
		for key, body := range intended {
			// Its outcome may have been made durable, and not yet been said so.
			o := got.Objects[statetest.Object(key, "").Addr]
			if !open[key] && (o == nil || string(o.Body) != body) {
				t.Fatalf("seed %d, kill %d: the intent for %s is lost", seed, kill, key)
			}
		}
		var outcomes []state.Outcome
		for _, i := range got.Open {
			outcomes = append(outcomes, state.Outcome{Addr: i.Addr})
		}
		if err := lock.Done(t.Context(), outcomes); err != nil {
			t.Fatal(err)
		}
		if err := lock.Unlock(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills: %d acknowledged outcomes, none lost; %d open intents found", kills, total, interrupted)
	if total == 0 || interrupted == 0 {
		t.Error("the kills came too early, or too late, to prove anything")
	}
}

// record goes on from what there is, and says what was acknowledged.
func record(s *Store, _ []string) error {
	lock, err := s.Lock(ctx, "apply")
	if err != nil {
		return err
	}
	// Bodies of one width, which rise over all processes.
	n := uint64(0)
	for _, o := range lock.State().Objects {
		var last uint64
		fmt.Sscan(string(o.Body), &last)
		n = max(n, last)
	}
	n = max(n, 1_000_000)
	for {
		var intents []state.Intent
		var outcomes []state.Outcome
		for range 1 + n%7 {
			n++
			o := outcome(fmt.Sprint(n%40), fmt.Sprint(n))
			intents = append(intents, state.Intent{Addr: o.Addr, Action: "update", Object: o.Object})
			outcomes = append(outcomes, o)
		}
		if err := lock.Intend(ctx, intents); err != nil {
			return err
		}
		for _, o := range outcomes {
			fmt.Println("intended", o.Addr.Key, string(o.Object.Body))
		}
		if err := lock.Done(ctx, outcomes); err != nil {
			return err
		}
		for _, o := range outcomes {
			fmt.Println("done", o.Addr.Key, string(o.Object.Body))
		}
		if n%3 == 0 {
			if err := lock.Save(ctx); err != nil {
				return err
			}
		}
	}
}

// The same for runs: every checkpoint that was acknowledged is counted, every
// batch without one is found, and the dead one's lease does not hold up anybody.
func TestKilledWhileSyncing(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	path := filepath.Join(t.TempDir(), "accord.state.json")
	s := open(t, path, nil)
	defer s.Close()
	j, err := s.Journal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	point := addrs.New("integration_point", "clm")
	kills, total, batches, fence := pace(15, 500), 0, 0, uint64(0)
	for kill := 0; kill < kills || kill < 20*kills && (total == 0 || batches == 0); kill++ {
		run := fmt.Sprint("R", kill)
		a := start(t, "sync", path, run)
		begun, checked := 0, 0
		for line := range a.killed(time.Duration(random.Int64N(int64(60*time.Millisecond))), kill%2 == 0) {
			var what string
			var n int
			fmt.Sscan(line, &what, &n)
			if what == "intended" {
				begun = n
			} else {
				checked = n
			}
		}
		a.Wait()

		lease, err := state.LeaseOf(t.Context(), j, point, "sync", time.Hour)
		if err != nil {
			t.Fatalf("seed %d, kill %d: %v", seed, kill, err)
		}
		if lease.Fence <= fence {
			t.Fatalf("seed %d, kill %d: the fence went from %d to %d", seed, kill, fence, lease.Fence)
		}
		fence = lease.Fence
		open, err := j.Open(t.Context(), point)
		if err != nil {
			t.Fatal(err)
		}
		failures := 0
		for f, err := range j.Exceptions(t.Context(), point) {
			if err != nil {
				t.Fatal(err)
			}
			if f.Run == run {
				failures++
			}
		}
		runs, err := j.Runs(t.Context(), point, 1)
		if err != nil {
			t.Fatal(err)
		}
		if begun > 0 {
			r := runs[0]
			counted := int(r.Counts["batches"])
			if r.ID != run || counted < checked || counted > checked+1 || failures != counted {
				t.Fatalf("seed %d, kill %d: %d checkpoints were acknowledged, run %s has %d, and %d failures", seed, kill, checked, r.ID, counted, failures)
			}
			if begun > counted && (len(open) != 1 || open[0].Seq != uint64(begun) || len(open[0].Keys) != 1) {
				t.Fatalf("seed %d, kill %d: batch %d was begun, %d were checked; open are %+v", seed, kill, begun, counted, open)
			}
		}
		total += checked
		batches += len(open)
		// A run that comes to its end settles them.
		if err := j.Begin(t.Context(), state.Run{ID: run + "b", Sync: point, Fence: lease.Fence}); err != nil {
			t.Fatal(err)
		}
		if _, err := j.End(t.Context(), state.End{Run: run + "b", Outcome: state.Clean}); err != nil {
			t.Fatal(err)
		}
		if err := j.Release(t.Context(), lease); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d kills: %d acknowledged checkpoints, none lost; %d open batches found", kills, total, batches)
	if total == 0 || batches == 0 {
		t.Error("the kills came too early, or too late, to prove anything")
	}
}

func syncForEver(s *Store, args []string) error {
	run := args[0]
	j, err := s.Journal(ctx)
	if err != nil {
		return err
	}
	point := addrs.New("integration_point", "clm")
	lease, err := state.LeaseOf(ctx, j, point, "sync", time.Hour)
	if err != nil {
		return err
	}
	if err := j.Begin(ctx, state.Run{ID: run, Sync: point, Mode: state.Full, Fence: lease.Fence}); err != nil {
		return err
	}
	for n := 1; ; n++ {
		if err := j.Intend(ctx, run, []state.Batch{{Seq: uint64(n), Keys: []string{fmt.Sprint(n)}}}); err != nil {
			return err
		}
		fmt.Println("intended", n)
		err := j.Checkpoint(ctx, run, state.Checkpoint{
			Seq: uint64(n), Counts: map[string]int64{"batches": 1}, Met: []state.Exception{{Part: "slide", Key: fmt.Sprintf("%012d", n)}},
		})
		if err != nil {
			return err
		}
		fmt.Println("checked", n)
	}
}

// Two processes use one journal at once, each for syncs of its own, as sync
// beside serve does; and a third asks for the state's lock meanwhile.
func TestProcessesSideBySide(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "accord.state.json")
	const batches = 40
	var all []*actor
	for _, name := range []string{"clm", "country"} {
		all = append(all, start(t, "beside", path, name, fmt.Sprint(batches)))
	}
	s := open(t, path, nil)
	defer s.Close()
	lock, err := s.Lock(t.Context(), "apply")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(lock.Done(t.Context(), []state.Outcome{outcome("us", `{}`)}), lock.Save(t.Context())); err != nil {
		t.Fatal(err)
	}
	for _, a := range all {
		if err := a.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	j, err := s.Journal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	runs, err := j.Runs(t.Context(), addrs.Instance{}, 10)
	if err != nil {
		t.Fatal(err)
	}
	if len(runs) != 2 || runs[0].Counts["batches"] != batches || runs[1].Counts["batches"] != batches {
		t.Errorf("the runs: %+v", runs)
	}
}

func beside(s *Store, args []string) error {
	var batches int
	fmt.Sscan(args[1], &batches)
	j, err := s.Journal(ctx)
	if err != nil {
		return err
	}
	point := addrs.New("integration_point", args[0])
	lease, err := state.LeaseOf(ctx, j, point, "sync", time.Hour)
	if err != nil {
		return err
	}
	if err := j.Begin(ctx, state.Run{ID: args[0], Sync: point, Fence: lease.Fence}); err != nil {
		return err
	}
	for n := range batches {
		seq := uint64(n + 1)
		if err := j.Intend(ctx, args[0], []state.Batch{{Seq: seq}}); err != nil {
			return err
		}
		if err := j.Checkpoint(ctx, args[0], state.Checkpoint{Seq: seq, Counts: map[string]int64{"batches": 1}}); err != nil {
			return err
		}
	}
	_, err = j.End(ctx, state.End{Run: args[0], Outcome: state.Clean})
	return errors.Join(err, j.Release(ctx, lease), s.Close())
}

// Anchors §3b.10: an expired lease, or a dead one's, is taken over by one
// process only; see also statetest. Here goroutines with stores of their own
// stand at the same moment before a lease whose holder was killed.
func TestLeaseOfTheKilled(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "accord.state.json")
	a := start(t, "sync", path, "R1")
	for range 3 {
		if a.line() == "" {
			t.Fatal("the actor is gone")
		}
	}
	point := addrs.New("integration_point", "clm")
	s := open(t, path, nil)
	defer s.Close()
	j, err := s.Journal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var leased *state.LeasedError
	if _, err := state.LeaseOf(t.Context(), j, point, "sync", time.Hour); !errors.As(err, &leased) || leased.Lease.Holder.PID != a.Process.Pid {
		t.Fatalf("while the holder lives: %v", err)
	}
	a.Process.Kill()
	a.Wait()

	var wg sync.WaitGroup
	got := make(chan state.Lease, 8)
	for range cap(got) {
		other := open(t, path, nil)
		defer other.Close()
		wg.Go(func() {
			j, err := other.Journal(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			l, err := state.LeaseOf(t.Context(), j, point, "sync", time.Hour)
			if err == nil {
				got <- l
			} else if !errors.As(err, new(*state.LeasedError)) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(got) != 1 {
		t.Fatalf("%d took over", len(got))
	}
	if l := <-got; l.Fence != leased.Lease.Fence+1 {
		t.Errorf("the fence went from %d to %d", leased.Lease.Fence, l.Fence)
	}
}
