package main

import (
	"encoding/binary"
	"errors"
	"io"
	"os"
	"strings"

	"accord/lang/addrs"
)

// benchBoxes are the boxes of the benchmarks' provider in the memory of its
// process: written out, one after the other, in one text that a garbage
// collection never goes into. On the disk they are a list of batches, each
// behind its length, so that nothing is left to be written in the end. Whoever
// has them takes turns.
type benchBoxes struct {
	name string            // of the file
	rows map[string]string // as benchWriter writes them, by name, which is the id too
}

// benchBatch is what one batch did to the boxes.
type benchBatch struct {
	Rows map[string]*benchBoxBody
	Gone []string
}

// load reads the file; there may be none.
func (b *benchBoxes) load() error {
	f, err := os.Open(b.name)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	var text strings.Builder
	if info, err := f.Stat(); err == nil {
		text.Grow(int(info.Size()))
	}
	if _, err := io.Copy(&text, f); err != nil {
		return err
	}
	for r := (benchReader{rest: text.String()}); len(r.rest) > 0; {
		batch := benchReader{rest: r.text()}
		b.apply(&batch)
		if r.broken || batch.broken {
			return errors.New("reading the boxes: the last batch is not whole")
		}
	}
	return nil
}

// keep does what a batch says, and writes it down.
func (b *benchBoxes) keep(batch benchBatch) error {
	var w benchWriter
	w.number(len(batch.Rows))
	for name, row := range batch.Rows {
		w.text(name)
		var inner benchWriter
		inner.row(row)
		w.text(string(inner.bytes))
	}
	w.number(len(batch.Gone))
	for _, name := range batch.Gone {
		w.text(name)
	}
	b.apply(&benchReader{rest: string(w.bytes)})
	f, err := os.OpenFile(b.name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(append(binary.AppendVarint(nil, int64(len(w.bytes))), w.bytes...))
	return errors.Join(err, f.Close())
}

func (b *benchBoxes) apply(batch *benchReader) {
	for rows := batch.number(); rows > 0 && !batch.broken; rows-- {
		name := batch.text()
		b.rows[name] = batch.text()
	}
	for gone := batch.number(); gone > 0 && !batch.broken; gone-- {
		delete(b.rows, batch.text())
	}
}

// row is the box of a name; ok is false where there is none.
func (b *benchBoxes) row(name string) (box benchBoxBody, ok bool) {
	text, ok := b.rows[name]
	if ok {
		r := benchReader{rest: text}
		box = r.row()
	}
	return box, ok
}

// benchWriter writes boxes in a form that costs next to nothing to read: they
// stand for what a provider has in its memory.
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
	rest   string
	broken bool
}

func (r *benchReader) number() int {
	n, size := binary.Varint([]byte(r.rest[:min(len(r.rest), binary.MaxVarintLen64)]))
	if size <= 0 {
		r.rest, r.broken = "", true
		return 0
	}
	r.rest = r.rest[size:]
	return int(n)
}

func (r *benchReader) text() string { return r.taken(r.number()) }

func (r *benchReader) taken(n int) string {
	if n < 0 || n > len(r.rest) {
		r.rest, r.broken = "", true
		return ""
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
	s := r.taken(n)
	return &s
}

func (r *benchReader) address() *addrs.Instance {
	text := r.text()
	if len(text) == 0 {
		return nil
	}
	addr, err := addrs.ParseInstance(text)
	r.broken = r.broken || err != nil
	return &addr
}

func (r *benchReader) row() (b benchBoxBody) {
	if shelf := r.address(); shelf != nil {
		b.Shelf = *shelf
	}
	b.Name, b.Behind = r.text(), r.address()
	b.Size, b.Locked = r.number(), r.number() == 1
	b.Text, b.Colour = r.maybe(), r.maybe()
	b.Serial, b.History = r.text(), r.text()
	for n := r.number(); n > 0 && !r.broken; n-- {
		b.Contents = append(b.Contents, r.text())
	}
	for n := r.number(); n > 0 && !r.broken; n-- {
		if b.Marks == nil {
			b.Marks = map[string]string{}
		}
		k := r.text()
		b.Marks[k] = r.text()
	}
	return b
}
