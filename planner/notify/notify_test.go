package notify

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/lang/addrs"
	"accord/planner/ledger"
	"accord/planner/syncer"
	"accord/state"
	"accord/state/local"
)

// The signature is that of the specification's own example.
func TestSign(t *testing.T) {
	w, err := NewWebhook("here", "https://example.org/", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "")
	if err != nil {
		t.Fatal(err)
	}
	got := w.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", []byte(`{"test": 2432232314}`))
	if want := "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="; got != want {
		t.Errorf("signed %s, want %s", got, want)
	}
	if _, err := NewWebhook("here", "https://example.org/", "whsec_%", ""); err == nil || strings.Contains(err.Error(), "%") {
		t.Errorf("a secret that is no base64: %v", err)
	}
}

// receiver is a webhook that answers what it is told to.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []*http.Request
	bodies []Message
	answer func(n int, w http.ResponseWriter)
}

func newReceiver(t *testing.T, answer func(n int, w http.ResponseWriter)) *receiver {
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		var m Message
		if err := json.NewDecoder(req.Body).Decode(&m); err != nil {
			t.Errorf("the body: %v", err)
		}
		r.mu.Lock()
		r.got, r.bodies = append(r.got, req), append(r.bodies, m)
		n := len(r.got)
		r.mu.Unlock()
		r.answer(n, w)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ids() (ids []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, q := range r.got {
		ids = append(ids, q.Header.Get("webhook-id"))
	}
	r.got, r.bodies = nil, nil
	return ids
}

// world is a journal with runs, and a clock.
type world struct {
	*testing.T
	now     time.Time
	journal state.Journal
	hook    *Webhook
}

func newWorld(t *testing.T, url string) *world {
	w := &world{T: t, now: time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)}
	store, err := local.Open(t.TempDir()+"/state.json", local.Options{Tool: "test", Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if w.journal, err = store.Journal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.hook, err = NewWebhook(url, url, "a secret", "accord/test"); err != nil {
		t.Fatal(err)
	}
	w.hook.pause = 0
	return w
}

func (w *world) run(id string, e state.End, failed ...state.Exception) {
	w.Helper()
	point := addrs.New("integration_point", "clm")
	must := func(err error) {
		w.Helper()
		if err != nil {
			w.Fatal(err)
		}
	}
	lease, err := state.LeaseOf(w.Context(), w.journal, point, "sync", time.Minute)
	must(err)
	must(w.journal.Begin(w.Context(), state.Run{ID: id, Sync: point, Mode: state.Full, Fence: lease.Fence, Started: w.now, Tell: []string{w.hook.Name()}}))
	must(w.journal.Checkpoint(w.Context(), id, state.Checkpoint{Counts: map[string]int64{"added": 3, "withdrawn": 1}, Met: failed}))
	e.At = w.now
	e.Run = id
	_, err = w.journal.End(w.Context(), e)
	must(err)
	must(w.journal.Release(w.Context(), lease))
}

// engine is a run of the platform's engine, which came to some counts.
func (w *world) engine(id string, counts map[string]int64) {
	w.Helper()
	point := addrs.New("integration_point", "clm")
	lease, err := state.LeaseOf(w.Context(), w.journal, point, "sync", time.Minute)
	if err == nil {
		err = w.journal.Begin(w.Context(), state.Run{ID: id, Sync: point, Mode: state.Full, Fence: lease.Fence, Started: w.now, Tell: []string{w.hook.Name()}})
	}
	if err == nil {
		_, err = w.journal.End(w.Context(), state.End{Run: id, Outcome: state.Clean, At: w.now, Counts: counts, Worth: true, Release: true})
	}
	if err != nil {
		w.Fatal(err)
	}
}

// tell tells as a process of its own would.
func (w *world) tell() Result {
	w.Helper()
	hook := *w.hook
	t := &Teller{Journal: w.journal, Webhook: &hook, From: Sender{Tool: "accord test", Lineage: "L"}, Now: func() time.Time { return w.now }}
	r, err := t.Tell(context.Background())
	if err != nil {
		w.Fatal(err)
	}
	return r
}

// CONN-6: what was published, and what fails for the first time, is told once,
// signed, with an id of its own.
func TestTell(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(_ int, w http.ResponseWriter) {})
	w := newWorld(t, r.URL)
	w.run("one", state.End{Outcome: state.Faulty, Worth: true}, state.Exception{Part: "slide", Key: "7", Title: "Launch\n2", Kind: "invalid", Message: strings.Repeat("x", 900)})
	if got := w.tell(); got.Told != 1 || got.Left != 0 || got.Err != nil {
		t.Errorf("told %+v", got)
	}
	if m := r.bodies[0]; m.Type != "run.faulty" || m.Data.Counts["added"] != 3 || m.Data.New != 1 || m.Data.Failures[0].Title != "Launch 2" ||
		len([]rune(m.Data.Failures[0].Message)) != longest || m.Data.From.Lineage != "L" ||
		m.Text != "integration_point.clm: full run faulty: 3 published, 0 updated, 1 withdrawn, 1 failed, 1 for the first time: Launch 2 ("+strings.Repeat("x", inLine-1)+"…)" ||
		m.Data.Failures[0].ID == "" || m.Data.Failures[0].Class != ledger.Document {
		t.Errorf("was told %+v", m)
	}
	if diff := cmp.Diff([]string{"run_one"}, r.ids()); diff != "" {
		t.Error(diff)
	}
	if got := w.tell(); got != (Result{}) || len(r.got) > 0 {
		t.Errorf("told again %+v", got)
	}
}

// INT-7: of a run of the platform's engine is told what was counted, and no more.
func TestTellOfAnEngine(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(_ int, w http.ResponseWriter) {})
	w := newWorld(t, r.URL)
	w.engine("seen", map[string]int64{syncer.Found: 40, syncer.FoundMore: 2, syncer.FoundFewer: 1})
	w.engine("late", map[string]int64{syncer.Found: 40})
	if got := w.tell(); got.Told != 2 {
		t.Errorf("told %+v", got)
	}
	var texts []string
	for _, m := range r.bodies {
		texts = append(texts, m.Text)
	}
	if diff := cmp.Diff([]string{
		"integration_point.clm: full run clean: run by the platform's engine, 40 published there, 2 more and 1 fewer than before",
		"integration_point.clm: full run clean: run by the platform's engine, 40 published there",
	}, texts); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// A webhook that suffers is tried twice, then later each time, by whatever
// process comes next; it is told in the end, in order.
func TestTellWhoSuffers(t *testing.T) {
	t.Parallel()
	broken := true
	r := newReceiver(t, func(_ int, w http.ResponseWriter) {
		if broken {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	w := newWorld(t, r.URL)
	w.run("one", state.End{Outcome: state.Clean, Worth: true})
	w.run("two", state.End{Outcome: state.Clean, Worth: true})
	for wait := firstTry; wait < lastTry; wait *= 2 {
		got := w.tell()
		if got.Told != 0 || got.Left != 2 || !got.Next.Equal(w.now.Add(wait)) {
			t.Errorf("%+v, want the next %s later", got, wait)
		}
		if diff := cmp.Diff([]string{"run_one", "run_one"}, r.ids()); diff != "" {
			t.Error(diff)
		}
		w.now = w.now.Add(wait - time.Second)
		if w.tell(); len(r.ids()) > 0 {
			t.Error("told too early")
		}
		w.now = w.now.Add(time.Second)
	}
	broken = false
	if got := w.tell(); got.Told != 2 || got.Left != 0 {
		t.Errorf("mended: %+v", got)
	}
	if diff := cmp.Diff([]string{"run_one", "run_two"}, r.ids()); diff != "" {
		t.Error(diff)
	}
}

// One that asks for time is left alone so long, also by whoever has something new to
// tell.
func TestTellWhoAsksForTime(t *testing.T) {
	t.Parallel()
	busy := true
	r := newReceiver(t, func(_ int, w http.ResponseWriter) {
		if busy {
			w.Header().Set("Retry-After", "600")
			w.WriteHeader(http.StatusTooManyRequests)
		}
	})
	w := newWorld(t, r.URL)
	w.run("one", state.End{Outcome: state.Clean, Worth: true})
	asked := w.now.Add(10 * time.Minute)
	if got := w.tell(); got.Left != 1 || !got.Next.Equal(asked) || len(r.ids()) != 1 {
		t.Errorf("%+v", got)
	}
	busy = false
	w.run("two", state.End{Outcome: state.Clean, Worth: true})
	w.now = asked.Add(-time.Second)
	if got := w.tell(); got.Left != 2 || !got.Next.Equal(asked) || len(r.ids()) != 0 {
		t.Errorf("before its time: %+v", got)
	}
	w.now = asked
	if got := w.tell(); got.Told != 2 || got.Left != 0 {
		t.Errorf("in time: %+v", got)
	}
}

// One run that is rejected keeps none of the others back, and is given up after
// a week.
func TestTellWhoRejects(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(n int, w http.ResponseWriter) {
		if n == 1 {
			w.Header().Set("Retry-After", "300")
			w.WriteHeader(http.StatusUnprocessableEntity)
		}
	})
	w := newWorld(t, r.URL)
	w.run("one", state.End{Outcome: state.Clean, Worth: true})
	w.run("two", state.End{Outcome: state.Clean, Worth: true})
	got := w.tell()
	if got.Told != 1 || got.Left != 1 || !got.Next.Equal(w.now.Add(5*time.Minute)) || got.Err == nil {
		t.Errorf("%+v", got)
	}
	if diff := cmp.Diff([]string{"run_one", "run_two"}, r.ids()); diff != "" {
		t.Error(diff)
	}
	w.now = w.now.Add(8 * 24 * time.Hour)
	if got := w.tell(); got.GaveUp != 1 || got.Left != 0 || len(r.ids()) > 0 {
		t.Errorf("a week later: %+v", got)
	}
}

// A redirect is not followed, and no error shows the address, which may hold a
// secret.
func TestTellElsewhere(t *testing.T) {
	t.Parallel()
	elsewhere := newReceiver(t, func(_ int, w http.ResponseWriter) {})
	r := newReceiver(t, func(_ int, w http.ResponseWriter) {
		w.Header().Set("Location", elsewhere.URL+"/canary")
		w.WriteHeader(http.StatusTemporaryRedirect)
	})
	w := newWorld(t, r.URL+"/canary?token=canary")
	w.run("one", state.End{Outcome: state.Clean, Worth: true})
	got := w.tell()
	var answer *Answer
	if !errors.As(got.Err, &answer) || answer.To != strings.TrimPrefix(elsewhere.URL, "http://") || len(elsewhere.ids()) > 0 {
		t.Errorf("%v", got.Err)
	}
	r.Close()
	w.now = w.now.Add(time.Hour)
	down := w.tell()
	for _, err := range []error{got.Err, down.Err} {
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("it says %v", err)
		}
	}
	if !strings.Contains(down.Err.Error(), "refused") {
		t.Errorf("a webhook that is down: %v", down.Err)
	}
}

// One that does not answer is not waited for.
func TestTellWhoIsSlow(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	r := newReceiver(t, func(int, http.ResponseWriter) { <-over })
	defer close(over)
	w := newWorld(t, r.URL)
	w.hook.client.Timeout = 50 * time.Millisecond
	w.run("one", state.End{Outcome: state.Clean, Worth: true})
	if got := w.tell(); got.Err == nil || !strings.Contains(got.Err.Error(), "did not answer") || got.Left != 1 {
		t.Errorf("%+v", got)
	}
}

// One that has said yes is believed, however long it goes on talking; one that hangs
// up without a word is said to do so.
func TestTellWhoTalks(t *testing.T) {
	t.Parallel()
	over := make(chan struct{})
	r := newReceiver(t, func(n int, w http.ResponseWriter) {
		if n == 1 {
			w.WriteHeader(http.StatusOK)
			w.(http.Flusher).Flush()
			<-over
			return
		}
		panic(http.ErrAbortHandler)
	})
	defer close(over)
	w := newWorld(t, r.URL)
	w.hook.client.Timeout = time.Minute
	w.run("one", state.End{Outcome: state.Clean, Worth: true})
	if got := w.tell(); got.Told != 1 || got.Err != nil {
		t.Errorf("%+v", got)
	}
	w.run("two", state.End{Outcome: state.Clean, Worth: true})
	if got := w.tell(); got.Err == nil || got.Err.Error() != "it closed the connection without an answer" {
		t.Errorf("%+v", got)
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "soon": 0, "-5": 0, "120": 2 * time.Minute,
		"Sun, 29 Nov 2026 12:10:00 GMT": 10 * time.Minute, "Sun, 29 Nov 2026 11:00:00 GMT": 0,
	} {
		if got := retryAfter(text, now); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
