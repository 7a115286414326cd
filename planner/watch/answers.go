package watch

import (
	"maps"
	"slices"
	"time"

	"accord/lang/addrs"
	"accord/providers"
)

// Vault is what was last heard of an instance that syncs lead from or to.
type Vault struct {
	Addr     addrs.Instance
	Source   bool      // syncs lead from it to others
	Answered time.Time // when it last did; zero: never
	Silent   bool      // it has not for too long, or never
	Err      error     // why, as far as is known
}

// answers is what was heard of an instance.
type answers struct {
	last  time.Time // that it answered
	since time.Time // it has been asked in vain; zero: it has not
	err   error
}

// asked notes that an instance is being asked.
func (w *Watch) asked(addr addrs.Instance) *answers {
	a := w.answers[addr]
	if a == nil {
		a = &answers{}
		w.answers[addr] = a
	}
	if a.since.IsZero() {
		a.since = w.opts.Now()
	}
	return a
}

// heard notes that an instance has answered, or why it has not.
func (w *Watch) heard(addr addrs.Instance, err error) {
	a := w.asked(addr)
	if a.err = err; err == nil {
		a.last, a.since = w.opts.Now(), time.Time{}
	}
}

// blame notes that something of a sync could not be done. It is the target's,
// where nothing is known against the source. A table that stays within one
// instance is read and written there, and told of elsewhere: of it nobody knows.
func (w *Watch) blame(s *providers.Sync, err error) {
	if s.Source.Instance == s.Target.Instance {
		return
	}
	switch providers.KindOf(err) {
	case providers.Transient, providers.Throttled, providers.Ambiguous, providers.Access:
	default:
		return
	}
	if a := w.answers[s.Source.Instance]; a == nil || a.err == nil {
		w.heard(s.Target.Instance, err)
	}
}

// vaults says what was heard of each instance.
func (w *Watch) vaults(now time.Time) []Vault {
	sources := map[addrs.Instance]bool{}
	for _, p := range w.points {
		if s := &p.task.Sync; s.Source.Instance != s.Target.Instance {
			sources[s.Source.Instance] = true
		}
	}
	var list []Vault
	for _, addr := range slices.SortedFunc(maps.Keys(w.answers), addrs.Instance.Compare) {
		a := w.answers[addr]
		silent := !a.since.IsZero() && (now.Sub(a.since) > mostSilence(w.opts.Interval) || a.last.IsZero() && a.err != nil)
		list = append(list, Vault{Addr: addr, Source: sources[addr], Answered: a.last, Err: a.err, Silent: silent})
	}
	return list
}

// mostSilence is how long an instance, or the state, may be asked in vain before it
// counts as silent: a few beats, and at least what a slow look takes.
func mostSilence(interval time.Duration) time.Duration { return max(3*interval, 15*time.Second) }

// silence says that all vaults that content comes from, or all that it goes to,
// do not answer; "": some do, or there are none.
func silence(vaults []Vault, sources bool, now time.Time) string {
	var last time.Time
	var err error
	n := 0
	for _, v := range vaults {
		if v.Source != sources {
			continue
		}
		if n++; !v.Silent {
			return ""
		}
		if v.Answered.After(last) {
			last = v.Answered
		}
		if err == nil {
			err = v.Err
		}
	}
	if n == 0 {
		return ""
	}
	why := "no vault that content goes to has answered"
	if sources {
		why = "no vault that content comes from has answered"
	}
	if !last.IsZero() {
		why += " for " + now.Sub(last).Round(time.Second).String()
	}
	if err != nil {
		why += ": " + err.Error()
	}
	return why
}
