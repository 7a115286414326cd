package syncer

import (
	"cmp"
	"encoding/binary"
	"errors"
	"iter"
	"maps"
	"slices"

	"accord/lang/addrs"
	"accord/providers"
)

// A frame is a key and a payload: what the spools hold. Payloads are strings
// with their size before them. Taken apart they share the bytes of their spool,
// so that reading what nobody looks at costs nothing.

var errFrame = errors.New("a temporary file is damaged")

func putString[T ~string | ~[]byte](b []byte, s T) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func putStrings(b []byte, list []string) []byte {
	return putList(b, func(b []byte) []byte {
		for _, s := range list {
			b = putString(b, s)
		}
		return b
	})
}

func putMembers(b []byte, members []providers.Member) []byte {
	return putList(b, func(b []byte) []byte {
		for _, m := range members {
			b = putString(putString(b, m.Part), m.Key)
		}
		return b
	})
}

func putGroups(b []byte, groups map[string]string) []byte {
	if len(groups) == 0 {
		return putStrings(b, nil)
	}
	return putList(b, func(b []byte) []byte {
		for _, name := range slices.Sorted(maps.Keys(groups)) {
			b = putString(putString(b, name), groups[name])
		}
		return b
	})
}

// putList puts a list with its size before it, so that it can be passed over,
// or held against another, without being taken apart.
func putList(b []byte, put func([]byte) []byte) []byte {
	at := len(b)
	b = put(append(b, make([]byte, sizeOfList)...))
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-sizeOfList))
	return b
}

const sizeOfList = 4

// reader takes a payload apart, in the order in which it was put together.
type reader struct {
	rest string
	bad  bool
}

// uvarint is binary.Uvarint of a string. Most are of one byte.
func uvarint(s string) (v uint64, n int) {
	if len(s) > 0 && s[0] < 0x80 {
		return uint64(s[0]), 1
	}
	return longUvarint(s)
}

func longUvarint(s string) (v uint64, n int) {
	for i := 0; i < len(s) && i < binary.MaxVarintLen64; i++ {
		c := s[i]
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			return v, i + 1
		}
	}
	return 0, 0
}

func (r *reader) string() string {
	size, n := uvarint(r.rest)
	if n == 0 || size > uint64(len(r.rest)-n) {
		return r.fail()
	}
	end := n + int(size)
	s := r.rest[n:end]
	r.rest = r.rest[end:]
	return s
}

func (r *reader) fail() string {
	r.bad, r.rest = true, ""
	return ""
}

func (r *reader) list() list {
	if len(r.rest) < sizeOfList {
		return list(r.fail())
	}
	size := uint64(r.rest[0]) | uint64(r.rest[1])<<8 | uint64(r.rest[2])<<16 | uint64(r.rest[3])<<24
	if size > uint64(len(r.rest)-sizeOfList) {
		return list(r.fail())
	}
	end := sizeOfList + int(size)
	l := list(r.rest[sizeOfList:end])
	r.rest = r.rest[end:]
	return l
}

func (r *reader) addr() (a addrs.Instance) {
	if a.UnmarshalText([]byte(r.string())) != nil {
		r.bad = true
	}
	return a
}

func (r *reader) end() error {
	if r.bad || r.rest != "" {
		return errFrame
	}
	return nil
}

// list is a list as it lies in a frame: equal lists are equal texts. What is
// damaged in one ends it.
type list string

// listOf is a list of members as it lies in a frame.
func listOf(members []providers.Member) list { return list(putMembers(nil, members)[sizeOfList:]) }

// strings yields the elements of a list of strings.
func (l list) strings() iter.Seq[string] {
	return func(yield func(string) bool) {
		for r := (reader{rest: string(l)}); r.rest != ""; {
			if s := r.string(); r.bad || !yield(s) {
				return
			}
		}
	}
}

// pairs yields the elements of a list of groups.
func (l list) pairs() iter.Seq2[string, string] {
	return func(yield func(name, value string) bool) {
		for r := (reader{rest: string(l)}); r.rest != ""; {
			if name, value := r.string(), r.string(); r.bad || !yield(name, value) {
				return
			}
		}
	}
}

// pairsIn is how many groups or members a list has.
func (l list) pairsIn() (n int) {
	for range l.pairs() {
		n++
	}
	return n
}

// members yields the elements of a list of members.
func (l list) members() iter.Seq[providers.Member] {
	return func(yield func(providers.Member) bool) {
		for part, key := range l.pairs() {
			if !yield(providers.Member{Part: part, Key: key}) {
				return
			}
		}
	}
}

func (l list) has(s string) bool {
	for element := range l.strings() {
		if element == s {
			return true
		}
	}
	return false
}

// groups is what the list was made of.
func (l list) groups() map[string]string {
	if l == "" {
		return nil
	}
	return maps.Collect(l.pairs())
}

// record is a providers.Record as it lies in a frame. Its body is read for those
// that somebody looks into; until then it has no id, fields and groups.
type record struct {
	part, key                string
	standing, problem, title string
	variants, routes         list
	members                  list
	place                    place // of the body

	whole      bool // the rest is there as well
	id, fields string
	groups     list
}

// there reports whether a record of a target is there, and not withdrawn; r may be
// nil.
func (r *record) there() bool { return r != nil && r.standing != providers.Withdrawn }

// appendHead encodes what most steps look at, all but the part and the key,
// which the spool and the frame know.
func appendHead(b []byte, r *providers.Record) []byte {
	b = putString(b, r.Standing)
	b = putString(b, r.Problem)
	b = putString(b, r.Title)
	b = putStrings(b, r.Variants)
	b = putStrings(b, r.Routes)
	return putMembers(b, r.Members)
}

func appendBody(b []byte, r *providers.Record) []byte {
	b = putString(b, r.ID)
	b = putString(b, r.Fields)
	return putGroups(b, r.Groups)
}

// decode takes a frame apart; r shares its bytes.
func (r *record) decode(payload, part, key string) error {
	from := reader{rest: payload}
	*r = record{
		part: part, key: key,
		standing: from.string(), problem: from.string(), title: from.string(),
		variants: from.list(), routes: from.list(), members: from.list(),
	}
	return from.end()
}

func (r *record) decodeBody(body string) error {
	from := reader{rest: body}
	r.id, r.fields, r.groups = from.string(), from.string(), from.list()
	r.whole = true
	return from.end()
}

// recordOf is a record that was just read as one that lies in a frame.
func recordOf(from *providers.Record) (r record, err error) {
	err = r.decode(string(appendHead(nil, from)), from.Part, from.Key)
	return r, cmp.Or(err, r.decodeBody(string(appendBody(nil, from))))
}
