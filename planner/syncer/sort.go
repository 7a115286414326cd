package syncer

import (
	"bytes"
	"cmp"
	"container/heap"
	"slices"
)

// mergeWidth is how many sorted runs are merged at once: each is an open file
// with a buffer.
const mergeWidth = 32

// sorter sorts frames by key, within its budget of memory: what is more goes
// to disk in sorted runs, which are merged at the end. Frames of one key keep
// the order in which they came.
type sorter struct {
	scratch scratch
	unique  bool // of frames with one key keep the first
	arena   []byte
	entries []entry
	runs    []frames
}

type entry struct{ at, key, body, end int } // the key is arena[at:key], the payload arena[key:body], the body arena[body:end]

func (s scratch) sorter() *sorter { return &sorter{scratch: s} }

// set returns a sorter that keeps one frame of each key.
func (s scratch) set() *sorter { return &sorter{scratch: s, unique: true} }

const (
	entrySize    = 32
	leastArena   = 512
	sizesOfFrame = 5 // usually, of key, payload and body
)

func (s *sorter) add(key string, payload, body []byte) error {
	at := len(s.arena)
	if more := len(key) + len(payload) + len(body); cap(s.arena)-at < more { // doubled: what is outgrown is as much as what is needed
		s.arena = slices.Grow(s.arena, max(more, at, leastArena))
	}
	s.arena = append(s.arena, key...)
	s.arena = append(s.arena, payload...)
	s.arena = append(s.arena, body...)
	s.entries = append(s.entries, entry{at, at + len(key), at + len(key) + len(payload), len(s.arena)})
	if len(s.arena)+entrySize*len(s.entries) < s.scratch.budget {
		return nil
	}
	run, err := s.run()
	s.runs = append(s.runs, run)
	return err
}

// note adds a key with nothing to it.
func (s *sorter) note(key string) error { return s.add(key, nil, nil) }

// run writes what is in memory as one sorted run.
func (s *sorter) run() (frames, error) {
	slices.SortFunc(s.entries, func(a, b entry) int {
		return cmp.Or(bytes.Compare(s.arena[a.at:a.key], s.arena[b.at:b.key]), cmp.Compare(a.at, b.at))
	})
	out := s.scratch.spool()
	heads := 0
	for _, e := range s.entries {
		heads += e.body - e.at
	}
	out.expect(heads+sizesOfFrame*len(s.entries), len(s.arena)-heads)
	for i, e := range s.entries {
		key := s.arena[e.at:e.key]
		if s.unique && i > 0 {
			if before := s.entries[i-1]; bytes.Equal(key, s.arena[before.at:before.key]) {
				continue
			}
		}
		if err := out.add(string(key), s.arena[e.key:e.body], s.arena[e.body:e.end]); err != nil {
			return frames{}, err
		}
	}
	s.arena, s.entries = s.arena[:0], s.entries[:0]
	return out.rest()
}

// sorted returns all that was added. The sorter is done.
func (s *sorter) sorted() (frames, error) {
	if len(s.entries)+len(s.runs) == 0 {
		return frames{}, nil
	}
	last, err := s.run()
	if err != nil {
		return frames{}, err
	}
	s.arena, s.entries = nil, nil
	runs := append(s.runs, last)
	for len(runs) > mergeWidth {
		var fewer []frames
		for part := range slices.Chunk(runs, mergeWidth) {
			merged, err := s.scratch.merge(s.unique, part...)
			if err != nil {
				return frames{}, err
			}
			fewer = append(fewer, merged)
		}
		runs = fewer
	}
	return s.scratch.merge(s.unique, runs...)
}

// merge makes sorted frames into one, and removes the parts. Of frames with
// one key those of earlier parts come first.
func (s scratch) merge(unique bool, parts ...frames) (frames, error) {
	parts = slices.DeleteFunc(slices.Clone(parts), func(f frames) bool { return f.n == 0 })
	switch len(parts) {
	case 0:
		return frames{}, nil
	case 1:
		return parts[0], nil
	}
	var heads merging
	for i, part := range parts {
		c := part.open()
		defer part.remove()
		defer c.close()
		if c.next() {
			heads = append(heads, head{c, i})
		} else if c.err != nil {
			return frames{}, c.err
		}
	}
	heap.Init(&heads)
	out := s.spool()
	var last string
	for len(heads) > 0 {
		c := heads[0].cursor
		if !unique || out.n == 0 || last != c.key {
			if err := out.copy(c); err != nil {
				return frames{}, err
			}
			last = c.key
		}
		if c.next() {
			heap.Fix(&heads, 0)
			continue
		}
		if c.err != nil {
			return frames{}, c.err
		}
		heap.Pop(&heads)
	}
	return out.rest()
}

// without returns the sorted frames of list whose keys are not among those of
// others.
func (s scratch) without(list, others frames) (frames, error) {
	c, o := list.open(), others.open()
	defer c.close()
	defer o.close()
	out := s.spool()
	for c.next() {
		if !o.seek(c.key) {
			if err := out.copy(c); err != nil {
				return frames{}, err
			}
		}
	}
	if err := cmp.Or(c.err, o.err); err != nil {
		return frames{}, err
	}
	return out.rest()
}

// keys returns the keys of sorted frames, each once.
func (s scratch) keys(of frames) (frames, error) {
	c := of.open()
	defer c.close()
	out := s.spool()
	var last string
	for c.next() {
		if out.n > 0 && c.key == last {
			continue
		}
		if err := out.add(c.key, nil, nil); err != nil {
			return frames{}, err
		}
		last = c.key
	}
	if c.err != nil {
		return frames{}, c.err
	}
	return out.rest()
}

type head struct {
	*cursor
	part int
}

type merging []head

func (m merging) Len() int { return len(m) }
func (m merging) Less(i, j int) bool {
	if c := cmp.Compare(m[i].key, m[j].key); c != 0 {
		return c < 0
	}
	return m[i].part < m[j].part
}
func (m merging) Swap(i, j int) { m[i], m[j] = m[j], m[i] }
func (m *merging) Push(x any)   { *m = append(*m, x.(head)) }
func (m *merging) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}
