package main

import (
	"slices"
	"sync"
	"testing"
)

// ends is something that is closed, and when it is.
type ends func()

func (e ends) Close() error {
	e()
	return nil
}

// Providers end beside what was opened, which may take as long as they do, and
// Close waits for both; those who were dismissed are not told again.
func TestProvidersEndBesideTheRest(t *testing.T) {
	var mu sync.Mutex
	var said []string
	say := func(s string) {
		mu.Lock()
		defer mu.Unlock()
		said = append(said, s)
	}
	told, opened := make(chan struct{}), make(chan struct{})
	w := &workspace{}
	w.served = append(w.served, ends(func() {
		close(told)
		<-opened
		say("provider")
	}))
	w.onClose(ends(func() {
		<-told
		say("opened")
		close(opened)
	}))
	w.dismiss()
	<-told
	w.Close()
	w.Close()
	if want := []string{"opened", "provider"}; !slices.Equal(said, want) {
		t.Errorf("ended are %v, and not %v", said, want)
	}
}
