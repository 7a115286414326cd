package notify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"accord/lang/addrs"
	"accord/planner/ledger"
	"accord/planner/syncer"
	"accord/state"
)

// Sender is who tells.
type Sender struct {
	Tool    string `json:"tool"`    // "accord 1.2.0"
	Lineage string `json:"lineage"` // of the state: which configuration it is
}

// Message is the body of a delivery.
type Message struct {
	Type      string    `json:"type"` // run.clean, run.faulty, run.failed, run.interrupted
	Timestamp time.Time `json:"timestamp"`
	Text      string    `json:"text"` // all of it in a line, as chats show it
	Data      Told      `json:"data"`
}

// Told is what is told of a run.
type Told struct {
	From     Sender           `json:"from"`
	Run      string           `json:"run"`
	Sync     addrs.Instance   `json:"sync"`
	Mode     string           `json:"mode"`
	Reasons  []string         `json:"reasons"`
	Started  time.Time        `json:"started"`
	Ended    time.Time        `json:"ended"`
	Outcome  state.RunOutcome `json:"outcome"`
	Error    string           `json:"error,omitempty"` // why it gave up
	Counts   map[string]int64 `json:"counts"`
	Failed   int              `json:"failed"`             // items
	New      int              `json:"new_errors"`         // what fails for the first time
	Failures []Failure        `json:"failures,omitempty"` // the first of these
}

// Failure is what fails for the first time: an item, or the whole sync.
type Failure struct {
	ID      string         `json:"id"` // as in accord exceptions show ID
	Part    string         `json:"part,omitempty"`
	Key     string         `json:"key,omitempty"`
	Title   string         `json:"title,omitempty"`
	Kind    string         `json:"kind"`
	Message string         `json:"message"`
	Class   ledger.Class   `json:"class"`          // who can do something about it
	Cause   addrs.Instance `json:"cause,omitzero"` // the block whose change would help
}

// longest is how long a text of somebody else may be, and inLine as one of several
// in a line.
const longest, inLine = 500, 120

func (s Sender) message(u state.Untold) ([]byte, error) {
	r := u.Run
	m := Message{Type: "run." + string(r.Outcome), Timestamp: r.Ended.UTC(), Text: text(u), Data: Told{
		From: s, Run: r.ID, Sync: r.Sync, Mode: r.Mode, Reasons: r.Reasons, Started: r.Started.UTC(), Ended: r.Ended.UTC(),
		Outcome: r.Outcome, Error: shorten(r.Message, longest), Counts: r.Counts, Failed: r.Failures, New: u.NewCount,
	}}
	for _, f := range u.New {
		m.Data.Failures = append(m.Data.Failures, Failure{ID: ledger.IDOf(r.Sync, state.Item{Part: f.Part, Key: f.Key}), Part: f.Part, Key: f.Key, Title: shorten(f.Title, longest), Kind: f.Kind, Message: shorten(f.Message, longest),
			Class: ledger.ClassOf(f.Kind, f.Type == state.Message, !f.Cause.IsZero()), Cause: f.Cause})
	}
	return json.Marshal(m)
}

// text says it in a line.
func text(u state.Untold) string {
	r := u.Run
	n := func(names ...string) (sum int64) {
		for _, name := range names {
			sum += r.Counts[name]
		}
		return sum
	}
	what := fmt.Sprintf("%d published, %d updated, %d withdrawn", n(syncer.Added, syncer.Restored), n(syncer.Updated), n(syncer.Withdrawn))
	if found, engine := r.Counts[syncer.Found]; engine { // the platform's: what it did is not known one by one
		what = fmt.Sprintf("run by the platform's engine, %d published there", found)
		if _, seen := r.Counts[syncer.FoundMore]; seen {
			what += fmt.Sprintf(", %d more and %d fewer than before", n(syncer.FoundMore), n(syncer.FoundFewer))
		}
	}
	line := fmt.Sprintf("%s: %s run %s: %s", r.Sync, r.Mode, r.Outcome, what)
	if r.Failures > 0 {
		line += fmt.Sprintf(", %d failed", r.Failures)
	}
	if u.NewCount > 0 {
		line += fmt.Sprintf(", %d for the first time", u.NewCount)
	}
	if r.Message != "" {
		return line + ": " + shorten(r.Message, longest)
	}
	return line + named(u)
}

// named says of the first that fail what is wrong with them.
func named(u state.Untold) string {
	const few = 3
	var list []string
	for _, f := range u.New[:min(few, len(u.New))] {
		name := cmp.Or(f.Title, strings.TrimLeft(f.Key, "0"))
		list = append(list, shorten(name, inLine)+" ("+shorten(f.Message, inLine)+")")
	}
	if len(list) == 0 {
		return ""
	}
	text := ": " + strings.Join(list, "; ")
	if more := u.NewCount - len(list); more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

func shorten(s string, n int) string {
	s = strings.Join(strings.Fields(s), " ")
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return s
}
