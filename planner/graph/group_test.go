package graph

import (
	"errors"
	"sync/atomic"
	"testing"
)

func TestGroupPanicsWhereItIsWaitedFor(t *testing.T) {
	var g Group
	g.SetLimit(2)
	var ran atomic.Int32
	for n := range 9 {
		g.Go(func() error {
			ran.Add(1)
			if n == 4 {
				panic("five")
			}
			return nil
		})
	}
	defer func() {
		p, ok := recover().(*Panic)
		if !ok || p.Value != "five" || len(p.Stack) == 0 {
			t.Errorf("recovered %v", p)
		}
		if ran.Load() != 9 {
			t.Errorf("%d ran", ran.Load())
		}
	}()
	g.Wait()
	t.Error("Wait returned")
}

func TestGroupTellsAtOnceThatOnePanicked(t *testing.T) {
	told := make(chan struct{})
	g := Group{Crashed: func() { close(told) }}
	g.Go(func() error { panic("one") })
	g.Go(func() error { <-told; return nil })
	defer func() {
		if p, ok := recover().(*Panic); !ok || p.Value != "one" {
			t.Errorf("recovered %v", p)
		}
	}()
	g.Wait()
	t.Error("Wait returned")
}

func TestGroupReturnsTheFirstError(t *testing.T) {
	var g Group
	want := errors.New("first")
	g.Go(func() error { return want })
	g.Go(func() error { return nil })
	if err := g.Wait(); err != want {
		t.Errorf("Wait returned %v", err)
	}
}
