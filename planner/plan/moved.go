package plan

import (
	"bytes"
	"fmt"

	"accord/lang/addrs"
	"accord/providers"
)

// Moved says what is different in the changes of a plan made again from those
// that were approved, "" when nothing is: by what a provider makes of objects
// that nobody manages. Runs and content are held against the promise.
func Moved(approved, now *Plan) string {
	was := map[addrs.Instance]*Change{}
	for i := range approved.Changes {
		was[approved.Changes[i].Addr] = &approved.Changes[i]
	}
	for i := range now.Changes {
		c := &now.Changes[i]
		old := was[c.Addr]
		delete(was, c.Addr)
		switch {
		case old == nil:
			return fmt.Sprintf("%s was unchanged when planned, and would now be: %s", c.Addr, c.Action)
		case old.Action != c.Action:
			return fmt.Sprintf("%s was planned as %s, and would now be: %s", c.Addr, old.Action, c.Action)
		case !sameEdits(old.Edits, c.Edits):
			return fmt.Sprintf("%s has changed in its vault since the plan", c.Addr)
		}
	}
	for addr, c := range was {
		return fmt.Sprintf("%s was planned as %s, and nothing would now be done", addr, c.Action)
	}
	return ""
}

// Exceeds says what a plan does that was not approved, "" when it does the same
// or less: what is left of an apply that was cut short. An action may have been
// done in part, so that another leads to the same.
func Exceeds(approved, now *Plan) string {
	for i := range now.Steps {
		s := &now.Steps[i]
		if s.Ref.Sync || s.Record {
			continue
		}
		was := approved.Step(s.Ref)
		switch {
		case was == nil || was.Item == nil:
			return fmt.Sprintf("%s would be: %s", s.Ref.Addr, s.Item.Action)
		case was.Item.Action == s.Item.Action:
		case was.Item.Action == providers.Remove, s.Item.Action == providers.Remove, s.Item.Action == providers.Replace:
			return fmt.Sprintf("%s was approved as %s, and would be: %s", s.Ref.Addr, was.Item.Action, s.Item.Action)
		}
	}
	return ""
}

func sameEdits(a, b []Edit) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i].Path != b[i].Path || !bytes.Equal(a[i].Before, b[i].Before) || !bytes.Equal(a[i].After, b[i].After) || a[i].Unknown != b[i].Unknown {
			return false
		}
	}
	return true
}
