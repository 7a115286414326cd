package syncer

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"

	"accord/lang/addrs"
	"accord/providers"
)

// A frame is a key and a payload: what the spools hold. Payloads are strings
// with their length before them, so that a record is decoded with as few
// allocations as it has lists.

var errFrame = errors.New("a temporary file is damaged")

func putString(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func putStrings(b []byte, list []string) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, s := range list {
		b = putString(b, s)
	}
	return b
}

func putMembers(b []byte, list []providers.Member) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, m := range list {
		b = putString(putString(b, m.Part), m.Key)
	}
	return b
}

func putGroups(b []byte, groups map[string]string) []byte {
	b = binary.AppendUvarint(b, uint64(len(groups)))
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		b = putString(putString(b, name), groups[name])
	}
	return b
}

// reader takes a payload apart, in the order in which it was put together.
type reader struct {
	rest string
	bad  bool
}

func (r *reader) uint() uint64 {
	var v uint64
	for i := 0; i < len(r.rest) && i < binary.MaxVarintLen64; i++ {
		c := r.rest[i]
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.rest = r.rest[i+1:]
			return v
		}
	}
	r.bad, r.rest = true, ""
	return 0
}

func (r *reader) string() string {
	n := r.uint()
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, ""
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

// count reads the length of a list; each element takes at least a byte.
func (r *reader) count() int {
	n := r.uint()
	if n > uint64(len(r.rest)) {
		r.bad, r.rest = true, ""
		return 0
	}
	return int(n)
}

func (r *reader) strings() []string {
	n := r.count()
	if n == 0 {
		return nil
	}
	list := make([]string, n)
	for i := range list {
		list[i] = r.string()
	}
	return list
}

func (r *reader) members() []providers.Member {
	n := r.count()
	if n == 0 {
		return nil
	}
	list := make([]providers.Member, n)
	for i := range list {
		list[i] = providers.Member{Part: r.string(), Key: r.string()}
	}
	return list
}

func (r *reader) groups() map[string]string {
	n := r.count()
	if n == 0 {
		return nil
	}
	groups := make(map[string]string, n)
	for range n {
		name := r.string()
		groups[name] = r.string()
	}
	return groups
}

func (r *reader) bytes() []byte {
	if s := r.string(); s != "" {
		return []byte(s)
	}
	return nil
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

// appendRecord encodes all of a record but its part and key, which the spool
// and the frame know.
func appendRecord(b []byte, r *providers.Record) []byte {
	b = putStrings(b, r.Variants)
	b = putString(b, r.ID)
	b = putString(b, r.Title)
	b = putString(b, r.Standing)
	b = putString(b, r.Problem)
	b = putString(b, string(r.Fields))
	b = putStrings(b, r.Routes)
	b = putGroups(b, r.Groups)
	return putMembers(b, r.Members)
}

func decodeRecord(payload []byte, part, key string) (providers.Record, error) {
	r := reader{rest: string(payload)}
	rec := providers.Record{
		Part: part, Key: key,
		Variants: r.strings(),
		ID:       r.string(),
		Title:    r.string(),
		Standing: r.string(),
		Problem:  r.string(),
		Fields:   r.bytes(),
		Routes:   r.strings(),
		Groups:   r.groups(),
		Members:  r.members(),
	}
	return rec, r.end()
}
