package sqljournal

import "testing"

// Where a transaction panics, the others of its commit are told that they did
// not happen: none may take itself for done.
func TestTurnThatPanics(t *testing.T) {
	j := &Journal{} // has no database, which is a panic
	group := []*turn{{fn: func(tx) error { return nil }}, {fn: func(tx) error { return nil }}}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("nothing panicked")
			}
		}()
		j.settle(t.Context(), group)
	}()
	for n, of := range group {
		if !of.done || of.err != errGivenUp {
			t.Errorf("transaction %d: done %v, %v", n, of.done, of.err)
		}
	}
}
