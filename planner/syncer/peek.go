package syncer

import (
	"bytes"
	"context"
	"encoding/binary"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"accord/providers"
)

// Sight is what a look at the recent changes of a source saw: the hash of each
// record. Sights can be held against each other, whoever looked.
type Sight struct {
	Records map[uint64]struct{}
	More    bool // there were more than a sight holds

	Calls int
	At    time.Time // the source's clock when the look began
}

// mostSeen is how many records a sight holds, and mostKept of how many a run leaves
// word to those who look in other processes.
const mostSeen, mostKept = 10_000, 256

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

// Known reports whether the run that left a digest has dealt with all that s saw.
func (s *Sight) Known(digest []byte) bool {
	if s.More || len(digest) == 0 {
		return false
	}
	known := slices.Collect(slices.Chunk(digest, 8))
	for h := range s.Records {
		if _, found := slices.BinarySearchFunc(known, binary.BigEndian.AppendUint64(nil, h), bytes.Compare); !found {
			return false
		}
	}
	return true
}

// Digest is what a run upon s leaves to whoever looks next; nil: nobody looked, or
// saw too much.
func (s *Sight) Digest() (digest []byte) {
	if s == nil || s.More || len(s.Records) > mostKept {
		return nil
	}
	for _, h := range slices.Sorted(maps.Keys(s.Records)) {
		digest = binary.BigEndian.AppendUint64(digest, h)
	}
	return digest
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
		h := fnv.New64a()
		_, _ = h.Write(buf)
		sight.Records[h.Sum64()] = struct{}{}
		return nil
	})
	sight.Calls, sight.At = m.calls, m.horizon
	return sight, err
}
