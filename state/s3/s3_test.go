package s3

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"accord/state"
	"accord/state/remote"
	"accord/state/seal"
	"accord/state/statetest"

	"filippo.io/age"
)

// One server serves all tests: each place has a prefix of its own.
func serve(t *testing.T, change func(*http.Request)) Config {
	t.Helper()
	t.Setenv("AWS_ACCESS_KEY_ID", "someone")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "canary")
	t.Setenv("AWS_CONFIG_FILE", "/nonexistent")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
	inner := statetest.S3(t, "bucket")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if change != nil {
			change(r)
		}
		inner.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return Config{Bucket: "bucket", Region: "us-east-1", Endpoint: server.URL, PathStyle: true}
}

func TestSuite(t *testing.T) {
	config := serve(t, nil)
	var prefixes atomic.Int64
	statetest.State(t, func(t *testing.T) statetest.Place {
		config := config
		config.Prefix = fmt.Sprint("states/", prefixes.Add(1), "/")
		return func(t *testing.T, now func() time.Time) state.Store {
			s, err := Open(t.Context(), config, remote.Options{Tool: "accord test", Who: "someone@here", Now: now})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
	})
}

// A store that takes every write, whatever the conditions, is not trusted.
func TestUnconditional(t *testing.T) {
	for _, header := range []string{"If-Match", "If-None-Match"} {
		config := serve(t, func(r *http.Request) {
			if r.Method == http.MethodPut {
				r.Header.Del(header)
			}
		})
		s, err := Open(t.Context(), config, remote.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Lock(t.Context(), "apply"); !errors.Is(err, ErrUnconditional) {
			t.Errorf("a store without %s: %v", header, err)
		}
		if _, err := s.Read(t.Context()); err != nil {
			t.Errorf("reading needs no trust: %v", err)
		}
	}
}

// What is encrypted to others is not damaged, be it the state, what was done since
// it was saved, or a version of before: it is said whose identity is needed.
func TestSealedToOthers(t *testing.T) {
	config := serve(t, nil)
	mine, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	store := func(id *age.X25519Identity) *remote.Store {
		c, err := seal.New([]string{id.Recipient().String()}, []age.Identity{id})
		if err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), config, remote.Options{Tool: "accord test", Who: "someone@here", Cipher: c})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	begin := func(save bool) {
		lock, err := store(mine).Lock(t.Context(), "apply")
		if err != nil {
			t.Fatal(err)
		}
		o := statetest.Object("a", `{}`)
		err = lock.Intend(t.Context(), []state.Intent{{Addr: o.Addr, Action: "create", Object: o}})
		if save {
			err = errors.Join(err, lock.Done(t.Context(), []state.Outcome{{Addr: o.Addr, Object: o}}), lock.Save(t.Context()))
		}
		if err := errors.Join(err, lock.Unlock()); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, state.ErrSealed) || errors.As(err, new(*state.DamagedError)) {
			t.Errorf("%s: %v", what, err)
		}
	}

	begin(false)
	_, err = store(other).Read(t.Context())
	refused("what was begun", err)
	begin(true)
	begin(true)
	_, err = store(other).Read(t.Context())
	refused("the state", err)
	if !strings.Contains(fmt.Sprint(err), "it needs an identity of "+mine.Recipient().String()) {
		t.Errorf("whose identity is needed: %v", err)
	}
	_, err = store(other).At(t.Context(), 1)
	refused("a version of before", err)
	if _, err := store(mine).At(t.Context(), 1); err != nil {
		t.Errorf("with its identity: %v", err)
	}
}

// Who held the lock before cannot make anything count, even what it appended
// while another was taking over, and was told nothing about.
func TestLateWriter(t *testing.T) {
	config := serve(t, nil)
	old, err := open(t.Context(), config, remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	h, err := old.Lock(t.Context(), remote.Options{}.NewHolder("apply", "x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := old.Append(t.Context(), h, 0, [][]byte{[]byte("one")}); err != nil {
		t.Fatal(err)
	}
	if err := old.ForceUnlock(t.Context(), h.ID); err != nil {
		t.Fatal(err)
	}
	next, err := open(t.Context(), config, remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := next.Lock(t.Context(), remote.Options{}.NewHolder("apply", "y")); err != nil {
		t.Fatal(err)
	}
	if err := old.Append(t.Context(), h, 1, [][]byte{[]byte("two")}); !errors.Is(err, state.ErrLockLost) {
		t.Errorf("appended late: %v", err)
	}
	if err := old.Save(t.Context(), h, remote.Saved{New: true, Serial: 9, State: []byte("nine")}); !errors.Is(err, state.ErrLockLost) {
		t.Errorf("saved late: %v", err)
	}
	kept, err := next.Load(t.Context())
	if err != nil || len(kept.Log) != 1 || string(kept.Log[0]) != "one" || kept.State != nil {
		t.Errorf("%v, %v", kept, err)
	}
	if versions, err := next.History(t.Context()); err != nil || len(versions) != 0 {
		t.Errorf("a version that never was: %v, %v", versions, err)
	}
}

// The answer to a write may be lost, and the client then writes again: that it
// was itself who wrote is found out by reading.
func TestLostAnswer(t *testing.T) {
	config := serve(t, nil)
	p, err := open(t.Context(), config, remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	first, err := p.swap(t.Context(), "x", object{}, []byte("a"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := p.swap(t.Context(), "x", object{}, []byte("a")); err != nil {
			t.Errorf("the same once more: %v", err)
		}
		if _, err := p.swap(t.Context(), "x", first, []byte("b")); err != nil {
			t.Errorf("the next once more: %v", err)
		}
		first.data = nil
		if _, err := p.swap(t.Context(), "x", first, []byte("c")); !errors.Is(err, errChanged) {
			t.Errorf("another's: %v", err)
		}
		if err := p.put(t.Context(), "x", []byte("a")); err != nil {
			t.Fatal(err)
		}
	}
}

func TestOpen(t *testing.T) {
	if _, err := Open(t.Context(), Config{}, remote.Options{}); err == nil || !strings.Contains(err.Error(), "no bucket") {
		t.Errorf("%v", err)
	}
	config := serve(t, nil)
	config.Bucket = "another"
	s, err := Open(t.Context(), config, remote.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Read(t.Context()); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("a bucket that does not exist: %v", err)
	}
	if _, err := s.Journal(t.Context()); !errors.Is(err, state.ErrNoJournal) {
		t.Errorf("%v", err)
	}
}
