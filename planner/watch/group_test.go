package watch

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"accord/planner/syncer"
)

// CTRY-10, CLM-6: a full run goes with the run of its route table, which comes
// first; an incremental one routes by it and does not run it.
func TestTablesGoAlong(t *testing.T) {
	table, clm := routedFeed()
	s := newStage(t, table, clm)
	byTable := func() {
		m := s.memories[clm.Addr]
		m.Inputs = map[string]string{"syncer_routes": `["us"]`}
		s.memories[clm.Addr] = m
	}
	byTable()
	s.changes["vault.promomats"] = []uint64{1}
	s.after(0)
	if fmt.Sprint(s.runs, s.tables) != "[[a incremental]] [[countries]]" {
		t.Fatalf("an incremental run: %v by %v", s.runs, s.tables)
	}
	s.ran()
	byTable()
	s.mu.Lock()
	m := s.memories[clm.Addr]
	m.Owed = []string{string(syncer.Requested)}
	s.memories[clm.Addr] = m
	s.end = func(t syncer.Task) syncer.Outcome { return syncer.Outcome{Status: syncer.Clean} }
	s.mu.Unlock()
	s.after(5 * time.Second)
	if fmt.Sprint(s.runs) != "[[a full countries full]]" {
		t.Fatalf("a full run: %v", s.runs)
	}
}

// CLM-14, CTRY-10: while a full run waits, since a limit refused it, or since another
// process is about it, its table does not run again and again for it.
func TestTableRunsForNobodyWhoWaits(t *testing.T) {
	for status, most := range map[syncer.Status]int{syncer.Refused: 1, syncer.Failed: 5, syncer.Locked: 4} {
		table, clm := routedFeed()
		s := newStage(t, table, clm)
		m := s.memories[clm.Addr]
		m.Inputs, m.Owed = map[string]string{"syncer_routes": `["us"]`}, []string{string(syncer.FilterEdited)}
		s.memories[clm.Addr] = m
		s.end = func(t syncer.Task) syncer.Outcome {
			if t.Sync.Addr == clm.Addr {
				return syncer.Outcome{Status: status, Decision: t.Decision, Err: errors.New("not now")}
			}
			return syncer.Outcome{Status: syncer.Clean, Decision: t.Decision}
		}
		for range 20 { // 100 s; each run begins a beat of its own
			s.after(5 * time.Second)
			for len(s.wake) > 0 {
				<-s.wake
				s.after(0)
			}
		}
		if n := strings.Count(s.ran(), "countries full"); n < 1 || n > most {
			t.Errorf("%s: its table ran %d times in full", status, n)
		}
	}
}

// Whose table another process runs has not failed: it waits as the table does.
func TestTableRunsElsewhere(t *testing.T) {
	table, clm := routedFeed()
	s := newStage(t, table, clm)
	s.end = func(t syncer.Task) syncer.Outcome {
		if t.Sync.Addr == table.Addr {
			return syncer.Outcome{Status: syncer.Locked, Decision: t.Decision, Err: errors.New("held")}
		}
		return syncer.Outcome{Status: syncer.Blocked, Decision: t.Decision, Err: errors.New("held by the table")}
	}
	s.Request(table.Addr)
	s.changes["crm"], s.changes["vault.promomats"] = []uint64{1}, []uint64{1}
	m := s.memories[clm.Addr]
	m.Owed = []string{string(syncer.Requested)}
	s.memories[clm.Addr] = m
	s.after(0)
	if got := s.ran(); got != "[[a full countries full]]" {
		t.Fatal(got)
	}
	for _, p := range s.Status().Points {
		if p.Failing > 0 || p.Trouble != "" {
			t.Errorf("%s is said to fail: %q", p.Addr, p.Trouble)
		}
	}
}
