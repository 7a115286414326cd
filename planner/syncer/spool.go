package syncer

import (
	"bufio"
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
	bytes []byte
	path  string
	n     int
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
		return frames{bytes: w.buf, n: w.n}, nil
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

// cursor reads frames. key and payload hold until the next call of next; after
// the last, and after an error, there is no key (ok is false).
type cursor struct {
	rest []byte        // in memory
	file *os.File      // or on disk
	in   *bufio.Reader // of file
	buf  []byte

	key, payload []byte
	ok           bool
	err          error
}

// open returns a cursor before the first frame. Close it.
func (f frames) open() *cursor {
	c := &cursor{rest: f.bytes}
	if f.path != "" {
		c.file, c.err = os.Open(f.path)
		c.in = bufio.NewReaderSize(c.file, 1<<16)
	}
	return c
}

func (c *cursor) close() {
	if c.file != nil {
		c.file.Close()
	}
}

func (c *cursor) next() bool {
	c.ok = false
	if c.err != nil {
		return false
	}
	if c.in != nil {
		c.ok, c.err = c.fromFile()
		return c.ok
	}
	if len(c.rest) == 0 {
		return false
	}
	keyLen, a := binary.Uvarint(c.rest)
	size, b := binary.Uvarint(c.rest[a:])
	body := c.rest[a+b:]
	c.key, c.payload, c.rest = body[:keyLen], body[keyLen:keyLen+size], body[keyLen+size:]
	c.ok = true
	return true
}

func (c *cursor) fromFile() (bool, error) {
	keyLen, err := binary.ReadUvarint(c.in)
	if err == io.EOF {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("reading a temporary file: %w", err)
	}
	size, err := binary.ReadUvarint(c.in)
	if err != nil || keyLen+size > 1<<30 {
		return false, errFrame
	}
	if n := int(keyLen + size); cap(c.buf) < n {
		c.buf = make([]byte, n, 2*n)
	} else {
		c.buf = c.buf[:n]
	}
	if _, err := io.ReadFull(c.in, c.buf); err != nil {
		return false, errFrame
	}
	c.key, c.payload = c.buf[:keyLen], c.buf[keyLen:]
	return true, nil
}

// seek moves a cursor over sorted frames forward to the first whose key is not
// less, and reports whether it is key. Keys asked for must not go backwards.
func (c *cursor) seek(key string) bool {
	if c.key == nil && !c.ok {
		c.next()
	}
	for c.ok && string(c.key) < key {
		c.next()
	}
	return c.ok && string(c.key) == key
}
