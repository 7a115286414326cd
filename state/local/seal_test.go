package local

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"

	"accord/lang/addrs"
	"accord/state"
	"accord/state/seal"
)

// With encryption nothing that a vault says of an item lies in the journal of
// syncs; what lay there before is sealed with the first state that is, as often
// as the recipients change; and who has no identity is told whose it takes.
func TestWordsOfFailuresAreSealed(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	path := filepath.Join(t.TempDir(), "accord.state.json")
	sync, err := addrs.ParseInstance("point.a")
	must(t, err)
	one, two := identity(t), identity(t)

	open := func(to *age.X25519Identity, identities ...age.Identity) (*Store, state.Journal) {
		t.Helper()
		opts := Options{Tool: "test"}
		if to != nil {
			c, err := seal.New([]string{to.Recipient().String()}, identities)
			must(t, err)
			opts.Cipher = c
		}
		s, err := Open(path, opts)
		must(t, err)
		t.Cleanup(func() { s.Close() })
		j, err := s.Journal(ctx)
		must(t, err)
		return s, j
	}
	meet := func(j state.Journal, run, key, title string) {
		t.Helper()
		lease, err := state.LeaseOf(ctx, j, sync, "test", time.Hour)
		must(t, err)
		must(t, j.Begin(ctx, state.Run{ID: run, Sync: sync, Mode: state.Full, Fence: lease.Fence, Started: lease.Holder.Created}))
		must(t, j.Checkpoint(ctx, run, state.Checkpoint{Met: []state.Exception{{Part: "slide", Key: key, Title: title, Kind: "invalid",
			Message: title + " is too long", Routes: []string{"us"}, Groups: map[string]string{"product": "Canarium"}}}}))
		_, err = j.End(ctx, state.End{Run: run, Outcome: state.Failed, At: lease.Holder.Created})
		must(t, err)
		must(t, j.Release(ctx, lease))
	}
	told := func(j state.Journal) (list []state.Exception) {
		t.Helper()
		for f, err := range j.Exceptions(ctx, sync) {
			must(t, err)
			list = append(list, f)
		}
		return list
	}
	plain := func() bool {
		for _, name := range []string{"syncs.db", "syncs.db-wal"} {
			b, err := os.ReadFile(filepath.Join(filepath.Dir(path), ".accord", filepath.Base(path), name))
			if err == nil && bytes.Contains(b, []byte("Canar")) {
				return true
			}
		}
		return false
	}
	save := func(s *Store) {
		t.Helper()
		lock, err := s.Lock(ctx, "test")
		must(t, err)
		must(t, lock.SetOutputs(ctx, map[string]state.Output{"n": {Value: []byte(`1`)}}))
		must(t, lock.Save(ctx))
		_, err = lock.Reseal(ctx, false)
		must(t, err)
		must(t, lock.Unlock())
	}

	s, j := open(nil)
	meet(j, "r1", "1", "Canary one")
	save(s)
	if !plain() {
		t.Fatal("without encryption it should lie there in plain text: the test looks in the wrong place")
	}
	s.Close()

	s, j = open(one, one)
	save(s)
	meet(j, "r2", "2", "Canary two")
	if plain() {
		t.Error("with encryption it lies there in plain text")
	}
	for i, f := range told(j) {
		want := []string{"Canary one", "Canary two"}[i]
		if f.Title != want || f.Message != want+" is too long" || f.Routes[0] != "us" || f.Groups["product"] != "Canarium" {
			t.Errorf("it is told as %+v", f)
		}
	}
	s.Close()

	s, j = open(two, two)
	if f := told(j)[0]; f.Title != "(encrypted)" || f.Message != "it is encrypted, and needs an identity of "+one.Recipient().String() || f.Key != "1" {
		t.Errorf("without the identity it is told as %+v", f)
	}
	s.Close()

	s, _ = open(two, two, one)
	save(s)
	s.Close()
	s, j = open(two, two)
	if list := told(j); len(list) != 2 || list[0].Title != "Canary one" || list[1].Title != "Canary two" {
		t.Errorf("after the rotation: %+v", list)
	}
	s.Close()
}

func identity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	must(t, err)
	return id
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
