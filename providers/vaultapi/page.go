package vaultapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// pageHead is what a page says about its rows, before or after them.
type pageHead struct {
	envelope
	Details  Details
	Describe *Description

	Properties []RecordProperties
}

// Details tell where a page is among its rows.
type Details struct {
	PageSize     int    `json:"pagesize"`
	PageOffset   int    `json:"pageoffset"`
	Size         int    `json:"size"`  // rows of this page
	Total        int    `json:"total"` // rows of all pages
	NextPage     string `json:"next_page"`
	PreviousPage string `json:"previous_page"`
	Limit        int    `json:"limit"`  // of lists that are not VQL
	Offset       int    `json:"offset"` // of lists that are not VQL
}

// errStop is what a row's receiver returns to end the page.
var errStop = errors.New("stop")

// errPage is a page that is not JSON, or not a page.
var errPage = errors.New("the page is malformed")

// readPage reads {…, "<rows>": [row, …], …} and hands on one row after the
// other, as it comes in; a row's bytes are good until the next. head is what
// was read before the rows, and completed after them: a page may name its
// status last. An error of row ends the reading and is returned as it is;
// io.ErrUnexpectedEOF, or the reader's error, says that the page was cut off.
func readPage(r io.Reader, rows string, head *pageHead, row func([]byte) error) error {
	s := scanners.Get().(*scanner)
	*s = scanner{r: r, buf: s.buf, tok: s.tok[:0]}
	defer func() {
		if s.r = nil; cap(s.tok) <= mostKept {
			scanners.Put(s)
		}
	}()
	if err := s.expect('{'); err != nil {
		return err
	}
	seen := false
	for first := true; ; first = false {
		b, err := s.next()
		if err != nil {
			return err
		}
		if b == '}' && first {
			break
		}
		if !first {
			if b == '}' {
				break
			}
			if b != ',' {
				return errPage
			}
		} else {
			s.back()
		}
		key, err := s.key()
		if err != nil {
			return err
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		if key == rows {
			if seen {
				return errPage
			}
			seen = true
			if err := s.rows(row); err != nil {
				return err
			}
			continue
		}
		if err := s.head(key, head); err != nil {
			return err
		}
	}
	if _, err := s.next(); err != io.EOF && err != io.ErrUnexpectedEOF {
		return errPage
	}
	return nil
}

// head reads the value of one of the keys that are not the rows.
func (s *scanner) head(key string, head *pageHead) error {
	value, err := s.value(head.place(key) != nil)
	if err != nil {
		return err
	}
	return head.set(key, value)
}

// place is where the value of a key is kept; nil: nowhere.
func (h *pageHead) place(key string) any {
	switch key {
	case "responseStatus":
		return &h.Status
	case "responseMessage":
		return &h.Message
	case "errors":
		return &h.Errors
	case "errorType":
		return &h.ErrorType
	case "responseDetails":
		return &h.Details
	case "queryDescribe":
		return &h.Describe
	case "record_properties":
		return &h.Properties
	}
	return nil
}

func (h *pageHead) set(key string, value []byte) (err error) {
	switch into := h.place(key).(type) {
	case nil:
		return nil
	case *Details: // which every page has
		*into, _, err = detailsIn(string(value), make([]Cell, 0, 8))
	case *string:
		if string(value) == `"`+statusSuccess+`"` { // as nearly always
			*into = statusSuccess
			return nil
		}
		err = json.Unmarshal(value, into)
	default:
		err = json.Unmarshal(value, into)
	}
	if err != nil {
		return fmt.Errorf("%w: %s: %w", errPage, key, err)
	}
	return nil
}

// rows reads an array and hands on its elements; null is an empty one.
func (s *scanner) rows(row func([]byte) error) error {
	b, err := s.next()
	if err != nil {
		return err
	}
	if b != '[' {
		s.back()
		value, err := s.value(true)
		if err == nil && !bytes.Equal(value, []byte("null")) {
			err = errPage
		}
		return err
	}
	for first := true; ; first = false {
		b, err := s.next()
		switch {
		case err != nil:
			return err
		case b == ']':
			return nil
		case first:
			s.back()
		case b != ',':
			return errPage
		}
		value, err := s.value(true)
		if err != nil {
			return err
		}
		if err := row(value); err != nil {
			return err
		}
	}
}

const (
	// maxValue bounds what one row may take in memory, and mostKept what is
	// kept of that for the next page.
	maxValue = 64 << 20
	mostKept = 1 << 20
)

// scanner cuts a stream of JSON into values without understanding them.
type scanner struct {
	r        io.Reader
	buf      []byte
	pos, end int
	tok      []byte
	err      error
}

// scanners are used again: most pages are small.
var scanners = sync.Pool{New: func() any { return &scanner{buf: make([]byte, 32<<10)} }}

// fill reads on; at the end of the stream it returns io.ErrUnexpectedEOF.
func (s *scanner) fill() error {
	for s.pos == s.end {
		if s.err != nil {
			return s.err
		}
		n, err := s.r.Read(s.buf)
		s.pos, s.end = 0, n
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		s.err = err
	}
	return nil
}

// next is the next byte that is not white space.
func (s *scanner) next() (byte, error) {
	for {
		if err := s.fill(); err != nil {
			return 0, err
		}
		for s.pos < s.end {
			b := s.buf[s.pos]
			s.pos++
			if b != ' ' && b != '\n' && b != '\r' && b != '\t' {
				return b, nil
			}
		}
	}
}

// back undoes the byte that next just returned.
func (s *scanner) back() { s.pos-- }

func (s *scanner) expect(want byte) error {
	b, err := s.next()
	if err == nil && b != want {
		err = errPage
	}
	return err
}

func (s *scanner) key() (string, error) {
	value, err := s.value(true)
	if err != nil {
		return "", err
	}
	if value[0] != '"' {
		return "", errPage
	}
	if !bytes.ContainsRune(value, '\\') {
		return string(value[1 : len(value)-1]), nil
	}
	var key string
	if err := json.Unmarshal(value, &key); err != nil {
		return "", errPage
	}
	return key, nil
}

// value is the next value as it is written; without keep it is only skipped.
// The bytes are good until the next call. What is between balanced brackets is
// not checked here: whoever decodes the value does that.
func (s *scanner) value(keep bool) ([]byte, error) {
	b, err := s.next()
	if err != nil {
		return nil, err
	}
	s.back()
	s.tok = s.tok[:0]
	switch b {
	case '{', '[', '"':
		err = s.nested(keep)
	case ',', ':', '}', ']':
		err = errPage
	default:
		err = s.bare(keep)
	}
	return s.tok, err
}

// nested reads a string, or from a bracket to the one that closes it.
func (s *scanner) nested(keep bool) error {
	depth, inString, escaped := 0, false, false
	for {
		if err := s.fill(); err != nil {
			return err
		}
		chunk := s.buf[s.pos:s.end]
		done := false
		i := 0
		for i < len(chunk) && !done {
			if escaped {
				escaped = false
				i++
				continue
			}
			if inString {
				// Most of a row is the inside of strings: look for their ends only.
				end := bytes.IndexByte(chunk[i:], '"')
				part := chunk[i:]
				if end >= 0 {
					part = part[:end]
				}
				if escape := bytes.IndexByte(part, '\\'); escape >= 0 {
					i += escape + 1
					escaped = true
					continue
				}
				i += len(part)
				if end >= 0 {
					i++
					inString = false
					done = depth == 0
				}
				continue
			}
			switch chunk[i] {
			case '"':
				inString = true
			case '{', '[':
				depth++
			case '}', ']':
				depth--
				done = depth == 0
			}
			i++
		}
		s.pos += i
		if err := s.take(keep, chunk[:i]); err != nil || done {
			return err
		}
	}
}

// bare reads a number, a boolean or null.
func (s *scanner) bare(keep bool) error {
	for {
		if err := s.fill(); err != nil {
			return err
		}
		chunk := s.buf[s.pos:s.end]
		i := bytes.IndexAny(chunk, ",:}] \n\r\t[{\"")
		if i >= 0 {
			s.pos += i
			return s.take(keep, chunk[:i])
		}
		s.pos = s.end
		if err := s.take(keep, chunk); err != nil {
			return err
		}
	}
}

func (s *scanner) take(keep bool, chunk []byte) error {
	if !keep {
		return nil
	}
	if len(s.tok)+len(chunk) > maxValue {
		return fmt.Errorf("%w: one value is larger than %d MB", errPage, maxValue>>20)
	}
	s.tok = append(s.tok, chunk...)
	return nil
}
