package devvault

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Writes that come in together share a commit, and yet each one is all there or not at all.
func TestWritesOfOneCommitDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	st, err := openStore(t.TempDir(), true)
	if err != nil {
		t.Fatal(err)
	}
	defer st.close()
	refused := errors.New("refused")
	put := func(tx *tx, name string) error { return tx.exec(`INSERT INTO settings VALUES (?, 'x')`, name) }

	// The first write holds the writer up until all others wait behind it.
	held, release := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		if err := st.update(func(tx *tx) error { close(held); <-release; return put(tx, "first") }); err != nil {
			t.Error(err)
		}
	})
	<-held
	const n = 60
	var after sync.Map
	for i := range n {
		all.Go(func() {
			name := fmt.Sprintf("w%02d", i)
			err := st.update(func(tx *tx) error {
				tx.then(func() { after.Store(name, true) })
				if err := put(tx, name); err != nil {
					return err
				}
				switch i % 3 {
				case 1:
					return refused
				case 2:
					return put(tx, "first") // breaks a rule of the database
				}
				return nil
			})
			if (err == nil) != (i%3 == 0) || i%3 == 1 && !errors.Is(err, refused) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	for len(st.jobs) < n {
		runtime.Gosched()
	}
	close(release)
	all.Wait()

	rows, err := st.read.Query(`SELECT name FROM settings ORDER BY name`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var got []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		got = append(got, name)
	}
	wanted := []string{"first"}
	for i := 0; i < n; i += 3 {
		wanted = append(wanted, fmt.Sprintf("w%02d", i))
	}
	if d := cmp.Diff(wanted, got); d != "" {
		t.Error(d)
	}
	for i := range n {
		_, ran := after.Load(fmt.Sprintf("w%02d", i))
		want(t, fmt.Sprintf("what follows the commit of w%02d", i), ran, i%3 == 0)
	}
	if err := st.close(); err != nil {
		t.Fatal(err)
	}
	want(t, "after close", st.update(func(*tx) error { return nil }), errClosed)
}

// A reader sees what was committed, and does not wait for a write that is under way.
func TestReadersDoNotWaitForAWriter(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	id := b.doc("promo", "material__v", "title__v", "before")
	held, release, done := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		done <- b.store.update(func(tx *tx) error {
			err := tx.exec(`UPDATE versions SET fields = json_set(fields, '$.title__v', 'after')`)
			close(held)
			<-release
			return err
		})
	}()
	<-held
	want(t, "while it writes", b.field("promo", id, "title__v"), any("before"))
	rows := b.must("POST", "promo", "query", form("q", "SELECT title__v FROM documents")).list("data")
	want(t, "by query", rows[0]["title__v"], any("before"))
	close(release)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	want(t, "when it is committed", b.field("promo", id, "title__v"), any("after"))
}
