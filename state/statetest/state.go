package statetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/state"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Object returns an object to remember.
func Object(key, body string) *state.Object {
	a := addrs.NewKeyed("country_filter", "crm", key)
	return &state.Object{
		Addr: a, Provider: "vault", Type: a.Type, ID: "V-" + key, SchemaVersion: 2, Removal: "forget", Protect: true,
		DependsOn: []addrs.Instance{addrs.New("connection", "crm")}, Sensitive: []addrs.Path{"/a~1b"}, Body: json.RawMessage(body),
	}
}

func remember(key, body string) state.Outcome {
	o := Object(key, body)
	return state.Outcome{Addr: o.Addr, Object: o}
}

// State tests reading, locking and changing a state.
func State(t *testing.T, fresh func(t *testing.T) Place) {
	run := func(name string, test func(place)) {
		t.Run(name, func(t *testing.T) { test(newPlace(t, fresh)) })
	}
	run("Empty", testEmpty)
	run("Remembered", testRemembered)
	run("Serial", testSerial)
	run("Outputs", testOutputs)
	run("Intents", testIntents)
	run("SavedWithOpenIntents", testSavedWithOpenIntents)
	run("Locked", testLocked)
	run("OneWins", testOneWins)
	run("Unlocked", testUnlocked)
	run("Invalid", testInvalid)
	run("Cancelled", testCancelled)
	run("Concurrent", testConcurrent)
	run("Replace", testReplace)
	run("History", testHistory)
	run("ForceUnlock", testForceUnlock)
	run("Expired", testExpired)
	run("Lost", testLost)
}

func testEmpty(p place) {
	s, err := p.store().Read(p.ctx)
	p.must(err)
	if s.Lineage == "" || s.Serial != 0 || len(s.Objects)+len(s.Outputs)+len(s.Open) != 0 {
		p.Errorf("where nothing exists, Read returned %+v", s)
	}
}

// What is acknowledged is there for everybody at once, whatever happens to the
// lock: given up, or just left.
func testRemembered(p place) {
	one := p.store()
	lock := p.lock(one, "apply")
	p.must(lock.Done(p.ctx, []state.Outcome{remember("us", `{"countries":["US","<&>"]}`), remember("de", `{}`)}))
	want := lock.State()
	if len(want.Objects) != 2 {
		p.Fatalf("the lock's state has %d objects", len(want.Objects))
	}
	p.same(want, p.read(p.store()))

	p.must(one.Close())
	p.same(want, p.read(p.store()))

	lock = p.lock(p.store(), "apply")
	p.same(want, lock.State())
	p.must(lock.Done(p.ctx, []state.Outcome{{Addr: Object("us", "").Addr, Forget: true}, {Addr: Object("de", "").Addr}}))
	p.must(lock.Save(p.ctx))
	p.must(lock.Unlock())
	got := p.read(p.store())
	if len(got.Objects) != 1 || got.Objects[Object("de", "").Addr] == nil || got.Lineage != want.Lineage {
		p.Errorf("after one was forgotten: %+v", got)
	}
}

func testSerial(p place) {
	store := p.store()
	save := func(want uint64, outcomes ...state.Outcome) {
		p.Helper()
		lock := p.lock(store, "apply")
		p.must(lock.Done(p.ctx, outcomes))
		p.must(lock.Save(p.ctx))
		if got := lock.State().Serial; got != want {
			p.Errorf("the lock's serial is %d, not %d", got, want)
		}
		p.must(lock.Unlock())
		if got := p.read(store).Serial; got != want {
			p.Errorf("serial %d, not %d", got, want)
		}
	}
	save(0)
	save(1, remember("us", `{}`))
	save(1)
	save(1, remember("us", `{}`))
	save(1, remember("us", `{"a":1}`), remember("us", `{}`))
	save(1, remember("de", `{}`), state.Outcome{Addr: Object("de", "").Addr, Forget: true})
	save(2, remember("us", `{"a":1}`))
	save(3, state.Outcome{Addr: Object("us", "").Addr, Forget: true})

	// Also across processes: one changes, the next one changes it back.
	lock := p.lock(store, "apply")
	p.must(lock.Done(p.ctx, []state.Outcome{remember("us", `{}`)}))
	p.must(lock.Unlock())
	save(3, state.Outcome{Addr: Object("us", "").Addr, Forget: true})
	lock = p.lock(store, "apply")
	p.must(lock.Done(p.ctx, []state.Outcome{remember("us", `{}`)}))
	p.must(lock.Unlock())
	save(4)
}

func testOutputs(p place) {
	lock := p.lock(p.store(), "apply")
	p.must(lock.SetOutputs(p.ctx, map[string]state.Output{
		"plain":  {Value: json.RawMessage(`["a"]`)},
		"secret": {Value: json.RawMessage(`"canary"`), Sensitive: true},
	}))
	want := map[string]state.Output{"plain": {Value: json.RawMessage(`["a"]`)}, "secret": {Sensitive: true}}
	check := func(where string, s *state.State) {
		p.Helper()
		if diff := cmp.Diff(want, s.Outputs); diff != "" {
			p.Errorf("%s (-want +got):\n%s", where, diff)
		}
		if v := s.Outputs["secret"].Value; len(v) > 0 { // outputs are equal whatever secret they hold
			p.Errorf("%s a secret is kept: %s", where, v)
		}
	}
	check("with who holds the lock", lock.State())
	check("before Save", p.read(p.store()))
	p.must(lock.Save(p.ctx))
	check("after Save", p.read(p.store()))
	p.must(lock.SetOutputs(p.ctx, want))
	p.must(lock.Save(p.ctx))
	if serial := lock.State().Serial; serial != 1 {
		p.Errorf("the same outputs moved the serial to %d", serial)
	}
	p.must(lock.SetOutputs(p.ctx, nil))
	p.must(lock.Save(p.ctx))
	if s := p.read(p.store()); s.Serial != 2 || len(s.Outputs) != 0 {
		p.Errorf("without outputs: serial %d, %v", s.Serial, s.Outputs)
	}
}

func testIntents(p place) {
	one := p.store()
	lock := p.lock(one, "apply")
	us, de, fr := Object("us", `{"n":1}`), Object("de", `{"n":2}`), Object("fr", `{}`)
	intents := []state.Intent{
		{Addr: us.Addr, Action: "create", Object: us},
		{Addr: de.Addr, Action: "update", ID: "V1", Object: de},
		{Addr: fr.Addr, Action: "remove", ID: "V2"},
	}
	p.must(lock.Intend(p.ctx, intents))
	p.clock.Add(1)
	p.must(lock.Intend(p.ctx, []state.Intent{{Addr: fr.Addr, Action: "create", Object: fr}}))
	p.must(lock.Done(p.ctx, []state.Outcome{{Addr: de.Addr, Object: de}}))
	p.must(one.Close()) // as a process that died would leave it

	lock = p.lock(p.store(), "apply")
	open := lock.State().Open
	var got []string
	for _, i := range open {
		got = append(got, fmt.Sprint(i.Action, " ", i.Addr.Key, " ", i.ID, i.At.Sub(Start).Nanoseconds(), i.Holder != ""))
	}
	if diff := cmp.Diff([]string{`create us 0 true`, `remove fr V20 true`, `create fr 1 true`}, got); diff != "" {
		p.Fatalf("open intents (-want +got):\n%s", diff)
	}
	if !open[0].Object.Equal(us) || open[0].Seq != intents[0].Seq || open[0].Seq >= open[1].Seq {
		p.Errorf("the first open intent is %+v", open[0])
	}

	// The next process finds out what came of them, and adds its own behind.
	next := []state.Intent{{Addr: de.Addr, Action: "update"}}
	p.must(lock.Intend(p.ctx, next))
	if next[0].Seq <= open[2].Seq {
		p.Errorf("a later intent has Seq %d, an earlier one %d", next[0].Seq, open[2].Seq)
	}
	p.must(lock.Done(p.ctx, []state.Outcome{{Addr: fr.Addr}, {Addr: us.Addr, Object: us}, {Addr: de.Addr}}))
	if s := p.read(p.store()); len(s.Open) != 0 || len(s.Objects) != 2 {
		p.Errorf("after all outcomes: %+v", s)
	}
}

func testSavedWithOpenIntents(p place) {
	one := p.store()
	lock := p.lock(one, "apply")
	us, de := Object("us", `{}`), Object("de", `{}`)
	p.must(lock.Intend(p.ctx, []state.Intent{{Addr: us.Addr, Action: "create"}, {Addr: de.Addr, Action: "create"}}))
	p.must(lock.Done(p.ctx, []state.Outcome{{Addr: de.Addr, Object: de}}))
	p.must(lock.Save(p.ctx))
	if s := p.read(p.store()); s.Serial != 1 || len(s.Open) != 1 || s.Open[0].Addr != us.Addr {
		p.Errorf("after Save: serial %d, open %+v", s.Serial, s.Open)
	}
	p.must(lock.Done(p.ctx, []state.Outcome{{Addr: us.Addr, Object: us}}))
	p.must(one.Close())
	if s := p.read(p.store()); s.Serial != 1 || len(s.Open) != 0 || len(s.Objects) != 2 {
		p.Errorf("after its outcome: %+v", s)
	}
}

// S2, S3: who is refused is told who holds the lock, not who he is himself.
func testLocked(p place) {
	one, two := p.store(), p.store()
	lock := p.lock(one, "apply")
	p.clock.Add(1e9)
	for range 2 {
		_, err := two.Lock(p.ctx, "destroy")
		var locked *state.LockedError
		if !errors.As(err, &locked) {
			p.Fatalf("a second lock: %v", err)
		}
		if diff := cmp.Diff(lock.Holder(), locked.Holder); diff != "" {
			p.Fatalf("the holder (-really +as told):\n%s", diff)
		}
	}
	h := lock.Holder()
	if h.ID == "" || h.Operation != "apply" || h.Who == "" || h.PID == 0 || h.Path == "" || !h.Created.Equal(Start) {
		p.Errorf("the holder's record is %+v", h)
	}
	p.must(lock.Unlock())
	second := p.lock(two, "destroy")
	if second.Holder().ID == h.ID {
		p.Error("two locks have one id")
	}
	if _, err := two.Lock(p.ctx, "apply"); !errors.As(err, new(*state.LockedError)) {
		p.Errorf("a second lock of one store: %v", err)
	}
}

func testOneWins(p place) {
	var asks []func() (state.Lock, error)
	for n := range 50 {
		store := p.store()
		asks = append(asks, func() (state.Lock, error) { return store.Lock(p.ctx, fmt.Sprint("apply ", n)) })
	}
	won, lost := contend[*state.LockedError](p, asks)
	for _, refused := range lost {
		if refused.Holder != won.Holder() {
			p.Errorf("a loser was told of %v", refused.Holder)
		}
	}
}

func testUnlocked(p place) {
	lock := p.lock(p.store(), "apply")
	p.must(lock.Unlock())
	p.must(lock.Unlock())
	for name, err := range map[string]error{
		"Intend":     lock.Intend(p.ctx, []state.Intent{{Addr: Object("us", "").Addr}}),
		"Done":       lock.Done(p.ctx, []state.Outcome{remember("us", `{}`)}),
		"SetOutputs": lock.SetOutputs(p.ctx, map[string]state.Output{"a": {}}),
		"Save":       lock.Save(p.ctx),
		"Replace":    lock.Replace(p.ctx, state.New("", "x")),
	} {
		if !errors.Is(err, state.ErrUnlocked) {
			p.Errorf("%s after Unlock: %v", name, err)
		}
	}
	if s := p.read(p.store()); len(s.Objects) != 0 || s.Serial != 0 {
		p.Errorf("something was written: %+v", s)
	}
}

// What could not be read again is refused before it is written.
func testInvalid(p place) {
	lock := p.lock(p.store(), "apply")
	us := Object("us", `{}`)
	for name, o := range map[string]state.Outcome{
		"no address":      {Object: us},
		"another address": {Addr: Object("de", "").Addr, Object: us},
		"both":            {Addr: us.Addr, Object: us, Forget: true},
		"no body":         {Addr: us.Addr, Object: &state.Object{Addr: us.Addr, Type: "x"}},
		"no JSON":         {Addr: us.Addr, Object: &state.Object{Addr: us.Addr, Type: "x", Body: json.RawMessage(`{`)}},
	} {
		if err := lock.Done(p.ctx, []state.Outcome{remember("ok", `{}`), o}); err == nil {
			p.Errorf("%s: no error", name)
		}
	}
	if s := p.read(p.store()); len(s.Objects) != 0 {
		p.Errorf("part of a refused batch was kept: %v", s.Objects)
	}
}

// A cancelled operation begins nothing, and still keeps what was done.
func testCancelled(p place) {
	lock := p.lock(p.store(), "apply")
	ctx, cancel := context.WithCancel(p.ctx)
	cancel()
	if err := lock.Intend(ctx, []state.Intent{{Addr: Object("us", "").Addr}}); !errors.Is(err, context.Canceled) {
		p.Errorf("Intend: %v", err)
	}
	p.must(lock.Done(ctx, []state.Outcome{remember("us", `{}`)}))
	p.must(lock.Save(ctx))
	if s := p.read(p.store()); len(s.Objects) != 1 || len(s.Open) != 0 || s.Serial != 1 {
		p.Errorf("after a cancelled operation: %+v", s)
	}
}

// Many goroutines record at once, others read and save meanwhile.
func testConcurrent(p place) {
	const writers, each = 8, 25
	store := p.store()
	lock := p.lock(store, "apply")
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for n := range each {
				o := remember(fmt.Sprint(w, "-", n), fmt.Sprintf(`{"n":%d}`, n))
				if err := lock.Intend(p.ctx, []state.Intent{{Addr: o.Addr, Action: "create"}}); err != nil {
					p.Error(err)
				}
				if err := lock.Done(p.ctx, []state.Outcome{o}); err != nil {
					p.Error(err)
				}
			}
		})
	}
	wg.Go(func() {
		for range 5 {
			if err := lock.Save(p.ctx); err != nil {
				p.Error(err)
			}
			if _, err := store.Read(p.ctx); err != nil {
				p.Error(err)
			}
		}
	})
	wg.Wait()
	p.must(lock.Save(p.ctx))
	if s := p.read(p.store()); len(s.Objects) != writers*each || len(s.Open) != 0 {
		p.Errorf("%d objects and %d open intents", len(s.Objects), len(s.Open))
	}
}

// Another state takes the place of the one that is there, lineage included,
// and what was begun stays open.
func testReplace(p place) {
	one := p.store()
	lock := p.lock(one, "push")
	us, de := Object("us", `{}`), Object("de", `{"n":1}`)
	p.must(lock.Done(p.ctx, []state.Outcome{{Addr: us.Addr, Object: us}}))
	p.must(lock.Save(p.ctx))
	p.must(lock.Done(p.ctx, []state.Outcome{remember("fr", `{}`)})) // not saved
	p.must(lock.Intend(p.ctx, []state.Intent{{Addr: us.Addr, Action: "update"}}))

	next := state.New("accord test", "77aa")
	next.Serial = 1
	next.Objects[de.Addr] = de
	next.Outputs["a"] = state.Output{Value: json.RawMessage(`"b"`)}
	p.must(lock.Replace(p.ctx, next))
	check := func(serial uint64) {
		p.Helper()
		for name, s := range map[string]*state.State{"the lock's": lock.State(), "as read": p.read(p.store())} {
			if s.Lineage != "77aa" || s.Serial != serial || len(s.Objects) != 1 || !s.Objects[de.Addr].Equal(de) || len(s.Outputs) != 1 || len(s.Open) != 1 {
				p.Errorf("the state, %s: %+v", name, s)
			}
		}
	}
	check(2)
	next.Serial = 9
	p.must(lock.Replace(p.ctx, next))
	check(9)
	p.must(lock.Done(p.ctx, []state.Outcome{{Addr: us.Addr}, remember("fr", `{}`)}))
	p.must(lock.Save(p.ctx))
	p.must(one.Close())
	if s := p.read(p.store()); s.Serial != 10 || len(s.Objects) != 2 || len(s.Open) != 0 {
		p.Errorf("after going on: %+v", s)
	}
}

// Versions are numbered, and come back as they were saved.
func testHistory(p place) {
	store := p.store()
	versions, err := store.History(p.ctx)
	if errors.Is(err, state.ErrNoHistory) {
		if _, err := store.At(p.ctx, 1); !errors.Is(err, state.ErrNoHistory) {
			p.Errorf("At of a backend without history: %v", err)
		}
		return
	}
	p.must(err)
	if len(versions) != 0 {
		p.Errorf("where nothing was saved: %v", versions)
	}
	lock := p.lock(store, "apply")
	var lineage string
	for n := range 4 {
		p.clock.Add(time.Second)
		p.must(lock.Done(p.ctx, []state.Outcome{remember(fmt.Sprint(n), `{}`)}))
		p.must(lock.Save(p.ctx))
		lineage = lock.State().Lineage
	}
	p.must(lock.Done(p.ctx, []state.Outcome{remember("not saved", `{}`)}))
	versions, err = p.store().History(p.ctx)
	p.must(err)
	var serials []uint64
	for _, v := range versions {
		serials = append(serials, v.Serial)
		if v.Size == 0 || v.Saved.IsZero() {
			p.Errorf("a version without size or time: %+v", v)
		}
		s, err := store.At(p.ctx, v.Serial)
		p.must(err)
		if s.Serial != v.Serial || len(s.Objects) != int(v.Serial) || s.Lineage != lineage {
			p.Errorf("version %d: serial %d, %d objects", v.Serial, s.Serial, len(s.Objects))
		}
	}
	if diff := cmp.Diff([]uint64{4, 3, 2, 1}, serials); diff != "" {
		p.Errorf("versions (-want +got):\n%s", diff)
	}
	for _, serial := range []uint64{0, 5} {
		if _, err := store.At(p.ctx, serial); !errors.Is(err, state.ErrNoVersion) {
			p.Errorf("version %d: %v", serial, err)
		}
	}
}

// S2: only the id of the very lock takes it away; and never from a process
// that the system knows to be alive.
func testForceUnlock(p place) {
	one, two := p.store(), p.store()
	if err := two.ForceUnlock(p.ctx, "x"); !errors.Is(err, state.ErrNotLocked) {
		p.Errorf("where nothing is locked: %v", err)
	}
	lock := p.lock(one, "apply")
	refused := func(id string) {
		p.Helper()
		var locked *state.LockedError
		if err := two.ForceUnlock(p.ctx, id); !errors.As(err, &locked) || locked.Holder != lock.Holder() {
			p.Errorf("force-unlock %q: %v", id, err)
		}
	}
	refused("x")
	refused("")
	err := two.ForceUnlock(p.ctx, lock.Holder().ID)
	if lock.Holder().Expires.IsZero() && errors.As(err, new(*state.LockedError)) { // the system knows better
		refused(lock.Holder().ID)
		p.must(lock.Intend(p.ctx, []state.Intent{{Addr: Object("us", "").Addr}}))
		return
	}
	p.must(err)
	if err := two.ForceUnlock(p.ctx, lock.Holder().ID); !errors.Is(err, state.ErrNotLocked) {
		p.Errorf("a second time: %v", err)
	}
	p.lostTo(lock, p.lock(two, "apply"))
}

// §3b.10: an expired lock is taken over, by one alone; one that is bound to a
// process never expires.
func testExpired(p place) {
	one := p.store()
	lock := p.lock(one, "apply")
	expires := lock.Holder().Expires
	if expires.IsZero() {
		p.clock.Add(1000 * time.Hour)
		if _, err := p.store().Lock(p.ctx, "apply"); !errors.As(err, new(*state.LockedError)) {
			p.Errorf("the lock of a living process: %v", err)
		}
		return
	}
	p.clock.Add(expires.Sub(p.clock.Now()) - 1)
	if _, err := p.store().Lock(p.ctx, "apply"); !errors.As(err, new(*state.LockedError)) {
		p.Errorf("just before it expires: %v", err)
	}
	p.clock.Add(1)
	var asks []func() (state.Lock, error)
	for range 10 {
		store := p.store()
		asks = append(asks, func() (state.Lock, error) { return store.Lock(p.ctx, "apply") })
	}
	next, _ := contend[*state.LockedError](p, asks)
	p.lostTo(lock, next)
}

// A lock that expired while nobody wanted it is still its holder's.
func testLost(p place) {
	lock := p.lock(p.store(), "apply")
	if lock.Holder().Expires.IsZero() {
		p.Skip("a lock here is bound to its process")
	}
	p.clock.Add(time.Hour)
	p.must(lock.Intend(p.ctx, []state.Intent{{Addr: Object("us", "").Addr}}))
	if _, err := p.store().Lock(p.ctx, "apply"); !errors.As(err, new(*state.LockedError)) {
		p.Errorf("it was not renewed: %v", err)
	}
	p.must(lock.Done(p.ctx, []state.Outcome{remember("us", `{}`)}))
	p.must(lock.Save(p.ctx))
}

// lostTo checks that a lock is worth nothing once another took its place.
func (p place) lostTo(lost, lock state.Lock) {
	p.Helper()
	for name, err := range map[string]error{
		"Intend":  lost.Intend(p.ctx, []state.Intent{{Addr: Object("us", "").Addr}}),
		"Done":    lost.Done(p.ctx, []state.Outcome{remember("us", `{}`)}),
		"Save":    lost.Save(p.ctx),
		"Replace": lost.Replace(p.ctx, state.New("", "x")),
	} {
		if !errors.Is(err, state.ErrLockLost) {
			p.Errorf("%s with a lock that was lost: %v", name, err)
		}
	}
	_ = lost.Unlock() // whatever it says, it leaves the other's alone
	p.must(lock.Done(p.ctx, []state.Outcome{remember("de", `{}`)}))
	p.must(lock.Save(p.ctx))
	if s := p.read(p.store()); len(s.Objects) != 1 || s.Objects[Object("de", "").Addr] == nil || len(s.Open) != 0 {
		p.Errorf("after a takeover: %+v", s)
	}
	p.must(lock.Unlock())
}

func (p place) lock(s state.Store, operation string) state.Lock {
	p.Helper()
	lock, err := s.Lock(p.ctx, operation)
	p.must(err)
	return lock
}

func (p place) read(s state.Store) *state.State {
	p.Helper()
	st, err := s.Read(p.ctx)
	p.must(err)
	return st
}

func (p place) same(want, got *state.State) {
	p.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		p.Errorf("the state (-want +got):\n%s", diff)
	}
}
