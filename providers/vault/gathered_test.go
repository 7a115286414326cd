package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// asker is one whose questions are answered when the test says so.
type asker struct {
	gathered[int, string]
	asked  chan []int // a question was put
	answer chan error // and is answered
	told   sync.WaitGroup
	wrong  atomic.Int32
	crash  atomic.Bool
}

func newAsker() *asker { return &asker{asked: make(chan []int), answer: make(chan error)} }

func (a *asker) ask(_ context.Context, keys []int) (map[int]string, error) {
	a.asked <- slices.Sorted(slices.Values(keys))
	err := <-a.answer
	if a.crash.Load() {
		panic("crash")
	}
	values := map[int]string{}
	for _, k := range keys {
		values[k] = fmt.Sprint("of ", k)
	}
	return values, err
}

// wish asks for some keys, and returns once all of them wait.
func (a *asker) wish(t *testing.T, keys ...int) {
	for _, k := range keys {
		a.told.Go(func() {
			defer func() { _ = recover() }()
			switch got, err := a.get(t.Context(), k, a.ask); {
			case err != nil:
				a.wrong.Add(1)
			case got != fmt.Sprint("of ", k):
				t.Errorf("%d was answered %q", k, got)
			}
		})
	}
}

// waits waits until so many wait for the next question.
func (a *asker) waits(n int) {
	for {
		a.mu.Lock()
		waiting := len(a.waiting)
		a.mu.Unlock()
		if waiting == n {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// What is asked for while a question is out is one question, put after that: an
// answer is younger than the wish for it. What goes wrong is told to all that it
// was about.
func TestGathered(t *testing.T) {
	a := newAsker()
	want := func(keys ...int) {
		t.Helper()
		if got := <-a.asked; !slices.Equal(got, keys) {
			t.Errorf("the question was about %v, not %v", got, keys)
		}
	}
	a.wish(t, 1)
	want(1)
	a.wish(t, 2, 3, 2, 1)
	a.waits(4)
	a.answer <- nil
	want(1, 2, 3)
	a.answer <- nil
	a.told.Wait()
	a.wish(t, 5)
	want(5)
	a.wish(t, 6, 7)
	a.waits(2)
	a.answer <- nil
	want(6, 7)
	a.answer <- errors.New("no")
	a.told.Wait()
	if a.wrong.Load() != 2 {
		t.Errorf("%d of 2 heard what went wrong", a.wrong.Load())
	}
}

// A question that crashes takes nobody with it but who put it: the others of it
// are told so, and the next one is put.
func TestGatheredCrash(t *testing.T) {
	a := newAsker()
	a.wish(t, 1)
	<-a.asked
	a.wish(t, 2, 3)
	a.waits(2)
	a.answer <- nil
	<-a.asked
	a.crash.Store(true)
	a.answer <- nil
	a.told.Wait()
	if a.wrong.Load() != 1 {
		t.Errorf("%d were told, not 1", a.wrong.Load())
	}
	a.crash.Store(false)
	a.wish(t, 4)
	<-a.asked
	a.answer <- nil
	a.told.Wait()
	if a.wrong.Load() != 1 {
		t.Error("the next question failed, too")
	}
}
