package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"accord/state"
	"accord/state/local"
	"accord/state/seal"
	"accord/state/statetest"

	"filippo.io/age"
)

func identity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func cipher(t *testing.T, to []*age.X25519Identity, with ...*age.X25519Identity) *seal.Seal {
	t.Helper()
	var recipients []string
	for _, id := range to {
		recipients = append(recipients, id.Recipient().String())
	}
	var identities []age.Identity
	for _, id := range with {
		identities = append(identities, id)
	}
	c, err := seal.New(recipients, identities)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func open(t *testing.T, path string, now func() time.Time, c state.Cipher) *local.Store {
	t.Helper()
	s, err := local.Open(path, local.Options{Tool: "accord test", Who: "someone@here", Now: now, Cipher: c})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Sealed or not, a store keeps the same promises.
func TestSuite(t *testing.T) {
	id := identity(t)
	c := cipher(t, []*age.X25519Identity{id}, id)
	statetest.State(t, func(t *testing.T) statetest.Place {
		path := filepath.Join(t.TempDir(), "accord.state.json")
		return func(t *testing.T, now func() time.Time) state.Store { return open(t, path, now, c) }
	})
}

const canary = "CANARY-7f3a"

func change(t *testing.T, s *local.Store, body string, save bool) {
	t.Helper()
	lock, err := s.Lock(t.Context(), "apply")
	if err != nil {
		t.Fatal(err)
	}
	o := statetest.Object(canary, body)
	err = errors.Join(
		lock.Intend(t.Context(), []state.Intent{{Addr: o.Addr, Action: "create", Object: o}}),
		lock.Done(t.Context(), []state.Outcome{{Addr: o.Addr, Object: o}}),
		lock.SetOutputs(t.Context(), map[string]state.Output{"a": {Value: json.RawMessage(body)}}),
		lock.Intend(t.Context(), []state.Intent{{Addr: o.Addr, Action: "update", Object: o}}))
	if save {
		err = errors.Join(err, lock.Save(t.Context()))
	}
	if err := errors.Join(err, lock.Unlock()); err != nil {
		t.Fatal(err)
	}
}

// §3b.23: nothing of what is sealed is found in any file: saved, kept before,
// begun, or acknowledged and not yet saved.
func TestCanary(t *testing.T) {
	t.Parallel()
	id := identity(t)
	path := filepath.Join(t.TempDir(), "accord.state.json")
	s := open(t, path, nil, cipher(t, []*age.X25519Identity{id}, id))
	change(t, s, `{"a":"`+canary+`1"}`, true)
	change(t, s, `{"a":"`+canary+`2"}`, true)
	change(t, s, `{"a":"`+canary+`3"}`, false)
	if got := find(t, filepath.Dir(path)); len(got) > 0 {
		t.Errorf("in plain text: %v", got)
	}
	if st, err := s.Read(t.Context()); err != nil || !strings.Contains(string(st.Sorted()[0].Body), canary+"3") {
		t.Errorf("%v, %v", st, err)
	}

	plain := filepath.Join(t.TempDir(), "accord.state.json")
	change(t, open(t, plain, nil, nil), `{"a":"`+canary+`"}`, true)
	if got := find(t, filepath.Dir(plain)); len(got) < 2 {
		t.Errorf("the search finds nothing where there is something: %v", got)
	}
}

// find returns the files in which the canary is, also as base64.
func find(t *testing.T, dir string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		encoded := base64.StdEncoding.EncodeToString([]byte(canary))
		if bytes.Contains(data, []byte(canary)) || bytes.Contains(data, []byte(encoded[:12])) {
			found = append(found, filepath.Base(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// S5: a new recipient reads what is written from now on, and what is there is
// written again at the next save, though nothing else differs. The old
// identity reads until then.
func TestRotation(t *testing.T) {
	t.Parallel()
	before, after := identity(t), identity(t)
	path := filepath.Join(t.TempDir(), "accord.state.json")
	save := func(c state.Cipher) {
		t.Helper()
		lock, err := open(t, path, nil, c).Lock(t.Context(), "apply")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(lock.Save(t.Context()), lock.Unlock()); err != nil {
			t.Fatal(err)
		}
	}
	serial := func(c state.Cipher) uint64 {
		st, err := open(t, path, nil, c).Read(t.Context())
		if err != nil {
			return 0
		}
		return st.Serial
	}
	old := cipher(t, []*age.X25519Identity{before}, before)
	change(t, open(t, path, nil, nil), `{}`, true) // not yet encrypted
	save(old)
	save(old)
	if n := serial(old); n != 2 {
		t.Fatalf("encrypting what was plain, and again nothing: serial %d", n)
	}
	if serial(nil) != 0 || serial(cipher(t, []*age.X25519Identity{after}, after)) != 0 {
		t.Error("without its identity it was read")
	}
	save(cipher(t, []*age.X25519Identity{after}, before, after))
	if n := serial(cipher(t, []*age.X25519Identity{after}, after)); n != 3 {
		t.Errorf("with the new identity alone: serial %d", n)
	}
	if serial(old) != 0 {
		t.Error("the old identity reads what was written after it was taken out")
	}
	save(cipher(t, nil, after)) // taken back
	if n := serial(nil); n != 4 {
		t.Errorf("no longer encrypted: serial %d", n)
	}
}

// Cut at any byte, or with any bit changed, it is refused; never half a state.
func TestDamaged(t *testing.T) {
	t.Parallel()
	id := identity(t)
	c := cipher(t, []*age.X25519Identity{id}, id)
	s := state.New("accord test", "0b4e")
	o := statetest.Object("us", `{"a":"b"}`)
	s.Objects[o.Addr] = o
	data, err := state.EncodeWith(c, s)
	if err != nil {
		t.Fatal(err)
	}
	for n := range len(data) - 1 {
		if _, err := state.DecodeWith(c, data[:n]); err == nil {
			t.Errorf("the first %d of %d bytes were taken for a state", n, len(data))
		}
	}
	sealed, err := c.Seal([]byte("plain"))
	if err != nil {
		t.Fatal(err)
	}
	for n := range sealed {
		sealed[n] ^= 1
		if plain, err := c.Open(sealed); err == nil {
			t.Errorf("with byte %d changed it opens as %q", n, plain)
		}
		sealed[n] ^= 1
	}
}

func TestNew(t *testing.T) {
	mine, other := identity(t), identity(t)
	for name, test := range map[string]struct {
		to   string
		with []age.Identity
		want string
	}{
		"no recipient":  {"age1nonsense", []age.Identity{mine}, "not an age recipient"},
		"a secret":      {mine.String(), []age.Identity{mine}, "this is a secret one"},
		"no identity":   {mine.Recipient().String(), nil, "an identity is needed"},
		"another's":     {mine.Recipient().String(), []age.Identity{other}, "none of the identities belongs to a recipient"},
		"two on a line": {mine.Recipient().String() + "\n" + other.Recipient().String(), []age.Identity{mine}, "not an age recipient"},
	} {
		_, err := seal.New([]string{test.to}, test.with)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), mine.String()) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEnvironment(t *testing.T) {
	a, b := identity(t), identity(t)
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte("# mine\n"+b.String()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{seal.Identities: a.String(), seal.IdentitiesFile: file}
	ids, err := seal.Environment(func(name string) string { return env[name] })
	if err != nil || len(ids) != 2 {
		t.Errorf("%d identities, %v", len(ids), err)
	}
	secret := strings.TrimSuffix(a.String(), "Q") + "!"
	for name, value := range map[string]string{seal.Identities: secret, seal.IdentitiesFile: file + ".not"} {
		_, err := seal.Environment(func(n string) string { return map[string]string{name: value}[n] })
		if err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
