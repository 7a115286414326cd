package syncer

import (
	"context"
	"hash/maphash"
	"time"

	"accord/providers"
)

// Sight is what a look at the recent changes of a source saw: the hash of each
// record. Two sights of one process can be held against each other.
type Sight struct {
	Records map[uint64]struct{}
	More    bool // there were more than a sight holds

	Calls int
	At    time.Time // the source's clock when the look began
}

// mostSeen is how many records a sight holds.
const mostSeen = 10_000

var sightSeed = maphash.MakeSeed()

// New reports whether s saw a record that before did not see.
func (s *Sight) New(before *Sight) bool {
	if s.More {
		return true
	}
	for h := range s.Records {
		if before == nil {
			return true
		}
		if _, seen := before.Records[h]; !seen {
			return true
		}
	}
	return false
}

// Peek looks at what changed in the source of tasks since a moment, and does
// nothing about it: whoever looks every few seconds asks only what changed, once
// for all targets. The tasks share one source.
func (s *Syncer) Peek(ctx context.Context, tasks []Task, since time.Time) (*Sight, error) {
	req := providers.RecordsRequest{End: tasks[0].Sync.Source, Since: since, Only: true}
	for _, t := range tasks {
		req.Variants = append(req.Variants, t.Sync.Variant)
		req.Fields = append(req.Fields, t.Sync.Fields...)
	}
	req.Variants, req.Fields = distinct(req.Variants), distinct(req.Fields)

	sight := &Sight{Records: map[uint64]struct{}{}}
	var m meter
	var buf []byte
	err := s.records(ctx, req, &m, func(r *providers.Record) error {
		if len(sight.Records) == mostSeen {
			sight.More = true
			return nil
		}
		buf = append(buf[:0], r.Part...)
		buf = append(buf, 0)
		buf = appendBody(appendHead(append(append(buf, r.Key...), 0), r), r)
		sight.Records[maphash.Bytes(sightSeed, buf)] = struct{}{}
		return nil
	})
	sight.Calls, sight.At = m.calls, m.horizon
	return sight, err
}
