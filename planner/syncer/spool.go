package syncer

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
)

// scratch is the folder of the temporary files of one passage.
type scratch struct {
	dir    string
	budget int // bytes that a sorter holds before it goes to disk
	small  int // bytes that frames may have and stay in memory
	next   *atomic.Int64
}

func (s scratch) create() (*os.File, error) {
	name := filepath.Join(s.dir, strconv.FormatInt(s.next.Add(1), 10))
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making a temporary file: %w", err)
	}
	return f, nil
}

// frames is a sequence of frames at rest: in memory while it is small, else in
// a file. It may be read by many, again and again. The zero value is empty.
type frames struct {
	text string
	path string
	n    int
}

func (f frames) remove() {
	if f.path != "" {
		os.Remove(f.path)
	}
}

// spool writes frames, in the order in which they come.
type spool struct {
	scratch scratch
	buf     []byte
	file    *os.File
	n       int
}

func (s scratch) spool() *spool { return &spool{scratch: s} }

func (w *spool) add(key string, payload []byte) error {
	w.buf = binary.AppendUvarint(w.buf, uint64(len(key)))
	w.buf = binary.AppendUvarint(w.buf, uint64(len(payload)))
	w.buf = append(w.buf, key...)
	w.buf = append(w.buf, payload...)
	w.n++
	if len(w.buf) > w.scratch.small {
		return w.flush()
	}
	return nil
}

func (w *spool) flush() error {
	if w.file == nil {
		f, err := w.scratch.create()
		if err != nil {
			return err
		}
		w.file = f
	}
	if _, err := w.file.Write(w.buf); err != nil {
		return fmt.Errorf("writing a temporary file: %w", err)
	}
	w.buf = w.buf[:0]
	return nil
}

// rest ends the writing.
func (w *spool) rest() (frames, error) {
	if w.file == nil {
		return frames{text: string(w.buf), n: w.n}, nil
	}
	if err := w.flush(); err != nil {
		return frames{}, err
	}
	w.buf = nil
	if err := w.file.Close(); err != nil {
		return frames{}, fmt.Errorf("writing a temporary file: %w", err)
	}
	return frames{path: w.file.Name(), n: w.n}, nil
}

// cursor reads frames. After the last, and after an error, there is no key (ok
// is false). Key and payload may be kept, and keep with them the block of the
// file that they lie in: what is kept for long is cloned.
type cursor struct {
	rest string   // what was read and not yet taken
	file *os.File // where there is more
	buf  []byte

	key, payload string
	begun, ok    bool
	err          error
}

// blockSize is how much of a file is read at once.
const blockSize = 16 << 10

// open returns a cursor before the first frame. Close it.
func (f frames) open() *cursor {
	c := &cursor{rest: f.text}
	if f.path != "" {
		c.file, c.err = os.Open(f.path)
	}
	return c
}

func (c *cursor) close() {
	if c.file != nil {
		c.file.Close()
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
	body := c.rest[a+b:]
	if key > uint64(len(body)) || size > uint64(len(body))-key {
		return false
	}
	c.key, c.payload, c.rest = body[:key], body[key:key+size], body[key+size:]
	c.ok = true
	return true
}

// fill reads the next block, and at the end of the file closes it.
func (c *cursor) fill() {
	if c.buf == nil {
		c.buf = make([]byte, blockSize)
	}
	n, err := c.file.Read(c.buf)
	c.rest += string(c.buf[:n])
	if err == nil {
		return
	}
	c.close()
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
