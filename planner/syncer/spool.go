package syncer

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"unsafe"
)

// scratch is the folder of the temporary files of one passage.
type scratch struct {
	dir    string
	budget int // bytes that a sorter holds before it goes to disk
	small  int // bytes that frames may have and stay in memory
	next   *atomic.Int64
}

// shared is where that goes which all targets read, again and again: more of it
// stays in memory.
func (s scratch) shared() scratch {
	s.small = min(max(s.small, sharedFrames), s.budget)
	return s
}

func (s scratch) create() (*os.File, error) {
	name := filepath.Join(s.dir, strconv.FormatInt(s.next.Add(1), 10))
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making a temporary file: %w", err)
	}
	return f, nil
}

// frames is a sequence of frames at rest. It may be read by many, again and
// again. The zero value is empty.
type frames struct {
	heads, bodies rest
	n             int
}

// rest is what was written: in memory while it is small, else in a file.
type rest struct{ text, path string }

func (f frames) remove() {
	for _, path := range []string{f.heads.path, f.bodies.path} {
		if path != "" {
			os.Remove(path)
		}
	}
}

// spool writes frames, in the order in which they come: keys and payloads to
// one place and bodies to another, so that a walk need not pass through what it
// does not look at.
type spool struct {
	heads, bodies tape
	n             int
}

func (s scratch) spool() *spool { return &spool{heads: tape{scratch: s}, bodies: tape{scratch: s}} }

// expect makes room for so many bytes.
func (w *spool) expect(heads, bodies int) {
	small := w.heads.scratch.small
	w.heads.buf, w.bodies.buf = make([]byte, 0, min(heads, 2*small)), make([]byte, 0, min(bodies, 2*small))
}

func (w *spool) add(key string, payload, body []byte) error {
	h := &w.heads
	h.buf = binary.AppendUvarint(h.buf, uint64(len(key)))
	h.buf = binary.AppendUvarint(h.buf, uint64(len(payload)))
	h.buf = binary.AppendUvarint(h.buf, uint64(len(body)))
	h.buf = append(h.buf, key...)
	h.buf = append(h.buf, payload...)
	w.bodies.buf = append(w.bodies.buf, body...)
	w.n++
	return cmp.Or(h.spill(), w.bodies.spill())
}

// copy adds the frame that a cursor stands at.
func (w *spool) copy(c *cursor) error {
	body, err := c.bodies.read(c.body)
	if err != nil {
		return err
	}
	return w.add(c.key, []byte(c.payload), []byte(body))
}

// rest ends the writing.
func (w *spool) rest() (frames, error) {
	heads, err := w.heads.rest()
	if err != nil {
		return frames{}, err
	}
	bodies, err := w.bodies.rest()
	return frames{heads, bodies, w.n}, err
}

// tape gathers bytes in memory, and once they are many in a file.
type tape struct {
	scratch scratch
	buf     []byte
	file    *os.File
}

func (t *tape) spill() error {
	if len(t.buf) <= t.scratch.small {
		return nil
	}
	return t.flush()
}

func (t *tape) flush() error {
	if t.file == nil {
		f, err := t.scratch.create()
		if err != nil {
			return err
		}
		t.file = f
	}
	if _, err := t.file.Write(t.buf); err != nil {
		return fmt.Errorf("writing a temporary file: %w", err)
	}
	t.buf = t.buf[:0]
	return nil
}

func (t *tape) rest() (rest, error) {
	if t.file == nil {
		return rest{text: asText(t.buf)}, nil
	}
	if err := t.flush(); err != nil {
		return rest{}, err
	}
	t.buf = nil
	if err := t.file.Close(); err != nil {
		return rest{}, fmt.Errorf("writing a temporary file: %w", err)
	}
	return rest{path: t.file.Name()}, nil
}

// asText is text as a string, without a copy: nobody writes to it any more.
func asText(text []byte) string { return unsafe.String(unsafe.SliceData(text), len(text)) }

// cursor reads frames. After the last, and after an error, there is no key (ok
// is false). Key and payload may be kept, and keep with them the block of the
// file that they lie in: what is kept for long is cloned.
type cursor struct {
	rest string   // what was read and not yet taken
	file *os.File // where there is more
	buf  []byte

	key, payload string
	body         place
	begun, ok    bool
	err          error

	bodies bodies
}

// place is where a body lies.
type place struct {
	at   int64
	size int
}

// blockSize is how much of a file is read at once.
const blockSize = 16 << 10

// open returns a cursor before the first frame. Close it.
func (f frames) open() *cursor {
	c := &cursor{rest: f.heads.text, bodies: bodies{rest: f.bodies, block: f.bodies.text}}
	if f.heads.path != "" {
		c.file, c.err = os.Open(f.heads.path)
	}
	return c
}

func (c *cursor) close() {
	for _, f := range []*os.File{c.file, c.bodies.file} {
		if f != nil {
			f.Close()
		}
	}
}

func (c *cursor) next() bool {
	c.begun, c.ok = true, false
	for c.err == nil {
		if c.take() {
			return true
		}
		if c.file == nil {
			if c.rest != "" {
				c.err = errFrame
			}
			break
		}
		c.fill()
	}
	return false
}

// take takes the next frame off what was read; false where it is not whole.
func (c *cursor) take() bool {
	key, a := uvarint(c.rest)
	if a == 0 {
		return false
	}
	size, b := uvarint(c.rest[a:])
	if b == 0 {
		return false
	}
	more, n := uvarint(c.rest[a+b:])
	if n == 0 {
		return false
	}
	frame := c.rest[a+b+n:]
	if key > uint64(len(frame)) || size > uint64(len(frame))-key {
		return false
	}
	c.key, c.payload, c.rest = frame[:key], frame[key:key+size], frame[key+size:]
	c.body = place{c.body.at + int64(c.body.size), int(more)}
	c.ok = true
	return true
}

// fill reads the next block, and at the end of the file closes it.
func (c *cursor) fill() {
	if c.buf == nil {
		c.buf = make([]byte, blockSize)
	}
	n, err := c.file.Read(c.buf)
	var block strings.Builder
	block.Grow(len(c.rest) + n)
	block.WriteString(c.rest)
	block.Write(c.buf[:n])
	c.rest = block.String()
	if err == nil {
		return
	}
	c.file.Close()
	c.file, c.buf = nil, nil
	if err != io.EOF {
		c.err = fmt.Errorf("reading a temporary file: %w", err)
	}
}

// seek moves a cursor over sorted frames forward to the first whose key is not
// less, and reports whether it is key. Keys asked for must not go backwards.
func (c *cursor) seek(key string) bool {
	if !c.begun {
		c.next()
	}
	for c.ok && c.key < key {
		c.next()
	}
	return c.ok && c.key == key
}

// bodies reads the bodies of frames, best in their order: of those that lie
// close to each other a block at once.
type bodies struct {
	rest  rest
	file  *os.File
	block string
	at    int64 // of the block
}

// read returns a body, as good as a cursor's key and payload.
func (b *bodies) read(p place) (string, error) {
	if p.size == 0 {
		return "", nil
	}
	if from := p.at - b.at; from < 0 || from+int64(p.size) > int64(len(b.block)) {
		if err := b.fill(p); err != nil {
			return "", err
		}
	}
	return b.block[p.at-b.at:][:p.size], nil
}

func (b *bodies) fill(p place) error {
	if b.rest.path == "" {
		return errFrame
	}
	if b.file == nil {
		var err error
		if b.file, err = os.Open(b.rest.path); err != nil {
			return fmt.Errorf("reading a temporary file: %w", err)
		}
	}
	block := make([]byte, max(p.size, blockSize))
	n, err := b.file.ReadAt(block, p.at)
	switch {
	case n >= p.size:
	case err == io.EOF:
		return errFrame
	default:
		return fmt.Errorf("reading a temporary file: %w", err)
	}
	b.block, b.at = asText(block[:n]), p.at
	return nil
}
