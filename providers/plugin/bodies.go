package plugin

import (
	"bytes"
	"fmt"
	"slices"
	"unsafe"

	"accord/providers"
)

// bodies are those that an exchange has carried, in the order in which they
// were written out, those of the request first: each travels once, however
// often it is meant. Both ends keep the list. Without one, every body travels.
type bodies struct {
	all    [][]byte
	number map[place]uint32 // from 1
}

// place tells bodies apart that are of one memory from those that are only
// alike.
type place struct {
	first *byte
	size  int
}

func newBodies(room int) *bodies {
	return &bodies{all: make([][]byte, 0, room), number: make(map[place]uint32, room)}
}

// alike reports whether two objects are the same in everything.
func alike(a, b *providers.Object) bool {
	return a != nil && b != nil && a.Addr == b.Addr && a.Type == b.Type && a.ID == b.ID && bytes.Equal(a.Body, b.Body) &&
		slices.Equal(a.Unknown, b.Unknown) && slices.Equal(a.Sensitive, b.Sensitive)
}

func placeOf(body []byte) place { return place{unsafe.SliceData(body), len(body)} }

func (b *bodies) keep(body []byte) {
	b.all = append(b.all, body)
	b.number[placeOf(body)] = uint32(len(b.all))
}

// send is what is written of a body: all of it, or the number under which it
// was carried before.
func (b *bodies) send(body []byte) (written []byte, same uint32) {
	if b == nil || len(body) == 0 {
		return body, 0
	}
	if n, ok := b.number[placeOf(body)]; ok {
		return nil, n
	}
	b.keep(body)
	return body, 0
}

// receive is the body of which that was written.
func (b *bodies) receive(written []byte, same uint32) ([]byte, error) {
	switch {
	case same == 0:
		if b != nil && len(written) > 0 {
			b.keep(written)
		}
		return written, nil
	case b == nil || int(same) > len(b.all):
		return nil, fmt.Errorf("reading a message: no body with the number %d was carried before", same)
	default:
		return b.all[same-1], nil
	}
}
