package plan

import (
	"bytes"
	"fmt"

	"accord/lang/addrs"
	"accord/providers"
)

// Moved says what is different in a plan made again from the one that was
// approved, "" when nothing is. It looks at the objects and at which syncs
// run; what these would do to the content is held against the promise when
// they run, since content moves all the time.
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
	runs := map[providers.Ref]bool{}
	for _, s := range approved.Steps {
		runs[s.Ref] = true
	}
	for _, s := range now.Steps {
		if s.Ref.Sync && !runs[s.Ref] {
			return fmt.Sprintf("%s would now run in full, which the plan did not show", s.Ref.Addr)
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
