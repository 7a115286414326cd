package syncer

import (
	"slices"
	"strings"
	"time"
	"unicode"

	"accord/lang/addrs"
	"accord/providers"
	"accord/state"
)

// Status is how a run ended.
type Status string

// The statuses.
const (
	Clean       Status = "clean"
	Faulty      Status = "faulty"      // it came to its end, and some items failed or withdrawals were withheld
	Refused     Status = "refused"     // a limit, or a promise: nothing was written
	Failed      Status = "failed"      // it gave up: Err
	Interrupted Status = "interrupted" // it was stopped between two batches
	Skipped     Status = "skipped"     // another run has met its reason since
	Blocked     Status = "blocked"     // a run that it depends on did not come to its end
	Locked      Status = "locked"      // someone else runs it: Err is a *state.LeasedError
)

// Outcome is what came of a run.
type Outcome struct {
	Addr     addrs.Instance `json:"addr"`
	Run      string         `json:"run,omitempty"` // "": it did not begin
	Decision Decision       `json:"decision"`
	Status   Status         `json:"status"`
	Err      error          `json:"-"`

	Impact Impact `json:"impact"` // what it set out to do
	Done   Counts `json:"done"`   // what it did; only what is written is counted

	Failed      int       `json:"failed"`       // items, exceptions included
	NewFailures int       `json:"new_failures"` // those that were not failing before
	Failures    []Failure `json:"failures,omitempty"`

	Followed *Followed `json:"followed,omitempty"` // of a run of the platform's own engine

	Started time.Time `json:"started,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	Calls   int       `json:"calls"` // of reads and of writes
}

// Failure is one item that could not be moved. The journal keeps them all; an
// Outcome has the first.
type Failure struct {
	Part    string         `json:"part"`
	Key     string         `json:"key"`
	Title   string         `json:"title,omitempty"`
	Kind    string         `json:"kind"` // of a providers.Error, or "exception" (CLM-12), or "held": by a container that failed
	Message string         `json:"message"`
	Cause   addrs.Instance `json:"cause,omitzero"` // the block whose change would help

	General bool              `json:"general,omitempty"` // ERR-1: of the whole run; Part is "", Key names its kind
	Routes  []string          `json:"routes,omitempty"`
	Groups  map[string]string `json:"groups,omitempty"`
}

// exceptionsOf is how the journal keeps failures, or what else is told alike: kind is
// that of all that are of one item.
func exceptionsOf(list []Failure, kind state.ExceptionType) []state.Exception {
	out := make([]state.Exception, len(list))
	for i, f := range list {
		out[i] = state.Exception{Type: kind, Part: f.Part, Key: f.Key, Title: f.Title, Kind: f.Kind, Message: f.Message, Cause: f.Cause, Routes: f.Routes, Groups: f.Groups}
		if f.General {
			out[i].Type = state.Message
		}
	}
	return out
}

// Kinds of failures that no provider answered with.
const (
	kindException = "exception"
	KindHeld      = "held" // it goes once what holds it does
)

// failed is that a change could not be made.
func (c *change) failed(kind, message string) Failure {
	return Failure{Part: c.Part, Key: c.Key, Title: c.Title, Kind: kind, Message: message, Cause: c.Cause, Routes: slices.Collect(c.routes.strings()), Groups: c.groups.groups()}
}

// failureOf is what a provider answered about a change. Where it does not say
// whose fault that is, and the target takes exception to a field that one rule
// fills, it is that rule's (RULE-3).
func failureOf(c *change, err *providers.Error, rules []providers.Rule) Failure {
	f := c.failed(string(err.Kind), err.Error())
	f.Cause = err.Addr
	if f.Cause.IsZero() && err.Kind == providers.Invalid {
		for _, r := range rules {
			if !r.Addr.IsZero() && names(err.Message, r.To) {
				f.Cause = r.Addr
				break
			}
		}
	}
	return f
}

// names reports whether a text holds a name as a word.
func names(text, name string) bool {
	isName := func(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }
	return slices.Contains(strings.FieldsFunc(text, func(r rune) bool { return !isName(r) }), name)
}

func (j *job) outcome() Outcome {
	o := Outcome{
		Addr: j.Sync.Addr, Decision: j.Decision, Status: j.status, Err: j.err, Done: j.done,
		Failed: j.ended.Failures, NewFailures: j.ended.New, Failures: j.first,
		Started: j.ended.Started, Ended: j.ended.Ended,
	}
	o.Followed = j.followed
	if j.run != nil {
		o.Run, o.Calls = j.run.id, int(j.run.calls.Load())
	}
	if j.impact != nil {
		o.Impact, o.Calls = *j.impact, o.Calls+j.impact.Calls
	}
	if o.Status == "" {
		o.Status = statusOf(j.err)
	}
	return o
}
