package vault

import (
	"iter"
	"maps"
	"slices"
	"strconv"
)

// ids is a small set of record or document ids, such as those of one page.
type ids struct{ set map[string]bool }

func (s *ids) add(list ...string) {
	if s.set == nil {
		s.set = map[string]bool{}
	}
	for _, id := range list {
		s.set[id] = true
	}
}

func (s *ids) sorted() []string { return slices.Sorted(maps.Keys(s.set)) }

// idList is a set of document ids that may be long: a sorted list of numbers.
type idList struct {
	ids    []int64
	sorted bool
}

// add adds ids; what is no number names no document.
func (l *idList) add(list ...string) {
	for _, id := range list {
		if n, err := strconv.ParseInt(id, 10, 64); err == nil {
			l.ids, l.sorted = append(l.ids, n), false
		}
	}
}

// join adds the ids of another list.
func (l *idList) join(more *idList) {
	l.ids, l.sorted = append(l.ids, more.ids...), false
}

func (l *idList) sort() {
	if !l.sorted {
		slices.Sort(l.ids)
		l.ids, l.sorted = slices.Compact(l.ids), true
	}
}

func (l *idList) has(id string) bool {
	n, err := strconv.ParseInt(id, 10, 64)
	if err != nil {
		return false
	}
	l.sort()
	_, found := slices.BinarySearch(l.ids, n)
	return found
}

// parts yields the ids in their order, as many at a time as a list of a query has.
func (l *idList) parts() iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		l.sort()
		for part := range slices.Chunk(l.ids, listed) {
			list := make([]string, len(part))
			for n, id := range part {
				list[n] = strconv.FormatInt(id, 10)
			}
			if !yield(list) {
				return
			}
		}
	}
}
