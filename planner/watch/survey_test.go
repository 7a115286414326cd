package watch

import (
	"errors"
	"testing"
	"time"
)

// What was applied is looked at when nothing is known of it, when the state has moved,
// when somebody says that it is not so any more, and now and then.
func TestSurveyIsDue(t *testing.T) {
	whole := Applied{Serial: 3, At: noon}
	partly := Applied{Serial: 3, At: noon, Unread: []Unread{{Err: errors.New("away")}}}
	found := func(a Applied, then ...func(*survey)) survey {
		var s survey
		s.begin()
		s.ended(&a, time.Minute, 1)
		s.going = false
		for _, f := range then {
			f(&s)
		}
		return s
	}
	failed := func(s *survey) { s.begin(); s.going = false; s.failed(noon, 1) }
	for what, c := range map[string]struct {
		s      survey
		serial uint64
		after  time.Duration
		due    bool
		known  bool
	}{
		"nothing is known":                       {survey{}, 3, 0, true, false},
		"it is known":                            {found(whole), 3, time.Minute - 1, false, true},
		"it is old":                              {found(whole), 3, time.Minute, true, true},
		"the state has moved":                    {found(whole), 4, 0, true, false},
		"somebody says so":                       {found(whole, func(s *survey) { s.stale = true }), 3, 0, true, true},
		"a vault was away":                       {found(partly), 3, firstBackoff, true, true},
		"a vault was away a moment ago":          {found(partly), 3, firstBackoff - 1, false, true},
		"a look is under way":                    {found(whole, (*survey).begin), 4, 0, false, true},
		"a look failed":                          {found(whole, failed), 3, firstBackoff, true, true},
		"a look failed a moment ago":             {found(whole, failed), 3, firstBackoff - 1, false, true},
		"a look failed, and the state has moved": {found(whole, failed), 4, firstBackoff - 1, false, false},
	} {
		if due := c.s.due(c.serial, noon.Add(c.after)); due != c.due {
			t.Errorf("%s: due is %v", what, due)
		}
		if known := c.s.of(c.serial) != nil; known != c.known {
			t.Errorf("%s: known is %v", what, known)
		}
	}
}
