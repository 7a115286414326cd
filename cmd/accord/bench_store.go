package main

import (
	"encoding/binary"

	"accord/lang/addrs"
)

// benchWriter writes rows of the benchmarks' provider in a form that costs
// nothing to read: they stand for what a provider has in its memory.
type benchWriter struct{ bytes []byte }

func (w *benchWriter) number(n int) { w.bytes = binary.AppendVarint(w.bytes, int64(n)) }

func (w *benchWriter) text(s string) {
	w.number(len(s))
	w.bytes = append(w.bytes, s...)
}

func (w *benchWriter) maybe(s *string) {
	if s == nil {
		w.number(-1)
		return
	}
	w.text(*s)
}

func (w *benchWriter) row(b *benchBoxBody) {
	w.text(b.Shelf.String())
	w.text(b.Name)
	if b.Behind == nil {
		w.text("")
	} else {
		w.text(b.Behind.String())
	}
	w.number(b.Size)
	if b.Locked {
		w.number(1)
	} else {
		w.number(0)
	}
	w.maybe(b.Text)
	w.maybe(b.Colour)
	w.text(b.Serial)
	w.text(b.History)
	w.number(len(b.Contents))
	for _, c := range b.Contents {
		w.text(c)
	}
	w.number(len(b.Marks))
	for k, v := range b.Marks {
		w.text(k)
		w.text(v)
	}
}

// benchReader reads what benchWriter wrote.
type benchReader struct {
	rest   []byte
	broken bool
}

func (r *benchReader) number() int {
	n, size := binary.Varint(r.rest)
	if size <= 0 {
		r.rest, r.broken = nil, true
		return 0
	}
	r.rest = r.rest[size:]
	return int(n)
}

func (r *benchReader) text() []byte { return r.taken(r.number()) }

func (r *benchReader) taken(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.rest, r.broken = nil, true
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *benchReader) maybe() *string {
	n := r.number()
	if n < 0 {
		return nil
	}
	s := string(r.taken(n))
	return &s
}

func (r *benchReader) address() *addrs.Instance {
	text := r.text()
	if len(text) == 0 {
		return nil
	}
	addr, err := addrs.ParseInstance(string(text))
	r.broken = r.broken || err != nil
	return &addr
}

func (r *benchReader) row() *benchBoxBody {
	b := &benchBoxBody{}
	if shelf := r.address(); shelf != nil {
		b.Shelf = *shelf
	}
	b.Name, b.Behind = string(r.text()), r.address()
	b.Size, b.Locked = r.number(), r.number() == 1
	b.Text, b.Colour = r.maybe(), r.maybe()
	b.Serial, b.History = string(r.text()), string(r.text())
	for n := r.number(); n > 0 && !r.broken; n-- {
		b.Contents = append(b.Contents, string(r.text()))
	}
	for n := r.number(); n > 0 && !r.broken; n-- {
		if b.Marks == nil {
			b.Marks = map[string]string{}
		}
		k := string(r.text())
		b.Marks[k] = string(r.text())
	}
	return b
}
