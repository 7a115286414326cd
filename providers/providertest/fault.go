package providertest

import (
	"context"
	"fmt"
	"os"

	"accord/providers"
)

// Fault makes calls go wrong. Of those that match, the first Skip pass, then
// Times of them fail; 0 is all.
//
// For records, each batch is an occasion: Skip batches arrive before it.
type Fault struct {
	Method string `json:"method"`          // of the contract: "schema", "configure", "read", "apply", "list", "records", "write", "finish", "syncs"
	Match  string `json:"match,omitempty"` // the name of an object, or a key; "" is any. Of records: the stream
	Skip   int    `json:"skip,omitempty"`
	Times  int    `json:"times,omitempty"`

	Kind  providers.Kind `json:"kind,omitempty"`  // fail with this
	Done  bool           `json:"done,omitempty"`  // with Kind, apply, write, finish: it is done, and reported as failed
	Half  bool           `json:"half,omitempty"`  // with Kind and Done, write: only half is done, the item is unfinished
	Panic bool           `json:"panic,omitempty"` // panic
	Exit  bool           `json:"exit,omitempty"`  // end the process, as if killed; with Done after it is done

	Hang bool `json:"hang,omitempty"` // wait until the call is cancelled

	Short     bool `json:"short,omitempty"`     // records: stop without End
	Backwards bool `json:"backwards,omitempty"` // records: repeat the first batch

	// Hold makes the call wait until it is closed, or the call is cancelled.
	Hold chan struct{} `json:"-"`
	// Held, if not nil, gets a value when a call begins to wait.
	Held chan struct{} `json:"-"`

	passed int
	failed int
}

// Fault arms a fault. The first that matches an occasion happens.
func (m *Memory) Fault(f Fault) { m.locked(func() { m.Faults = append(m.Faults, &f) }) }

// ClearFaults disarms all faults.
func (m *Memory) ClearFaults() { m.locked(func() { m.Faults = nil }) }

// fault returns what goes wrong on an occasion, nil if nothing does.
func (m *Memory) fault(method, match string) *Fault {
	m.lock()
	defer m.mu.Unlock()
	for n, f := range m.Faults {
		if f.Method != method || f.Match != "" && f.Match != match {
			continue
		}
		if f.passed < f.Skip {
			f.passed++
			continue
		}
		f.failed++
		if f.failed == f.Times {
			m.Faults = append(m.Faults[:n:n], m.Faults[n+1:]...)
			m.save()
		}
		return f
	}
	return nil
}

// strike makes a fault happen, unless it is one of after and nothing is done
// yet. A nil fault does nothing.
func (f *Fault) strike(ctx context.Context, done bool) error {
	if f == nil {
		return nil
	}
	if f.Hold != nil && !done {
		if f.Held != nil {
			f.Held <- struct{}{}
		}
		select {
		case <-f.Hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if f.Hang && !done {
		<-ctx.Done()
		return ctx.Err()
	}
	if f.Done != done {
		return nil
	}
	switch {
	case f.Exit:
		fmt.Fprintln(os.Stderr, "memory: told to end")
		os.Exit(70)
	case f.Panic:
		panic("memory: told to panic")
	case f.Kind != "":
		return providers.Errorf(f.Kind, "the shelf was told to fail")
	}
	return nil
}
