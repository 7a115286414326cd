package state

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"accord/lang/addrs"
)

// scan reads a document in the very form that Encode gives it, in one pass and
// with few allocations. ok is false for everything else, be it right or wrong:
// encoding/json reads that, and says what is the matter.
func scan(data []byte) (doc document, ok bool) {
	s := &scanner{data: data, words: map[string]string{}, names: map[string]addrs.Instance{}}
	defer func() {
		if r := recover(); r != nil {
			if _, strange := r.(strange); !strange {
				panic(r)
			}
			doc, ok = document{}, false
		}
	}()
	doc.Outputs = map[string]Output{}
	s.members(func(key string) {
		switch key {
		case "format_version":
			s.generic(&doc.FormatVersion)
		case "tool":
			doc.Tool = s.text()
		case "lineage":
			doc.Lineage = s.text()
		case "serial":
			doc.Serial = s.integer()
		case "outputs":
			s.generic(&doc.Outputs)
		case "objects":
			s.elements(func() { doc.Objects = append(doc.Objects, s.object()) })
		default:
			panic(strange{})
		}
	})
	s.space()
	return doc, s.at == len(data)
}

// strange is what a scanner panics with where the form is another one.
type strange struct{}

type scanner struct {
	data  []byte
	at    int
	words map[string]string         // what is written often, once
	names map[string]addrs.Instance // addresses that are referred to
	slab  []Object                  // made many at a time
	arena []byte                    // of bodies
}

func (s *scanner) object() *Object {
	if len(s.slab) == cap(s.slab) {
		s.slab = make([]Object, 0, 256)
	}
	s.slab = append(s.slab, Object{})
	o := &s.slab[len(s.slab)-1]
	s.members(func(key string) {
		switch key {
		case "address":
			o.Addr = s.address(s.text())
		case "provider":
			o.Provider = s.word()
		case "type":
			o.Type = s.word()
		case "id":
			o.ID = s.text()
		case "schema_version":
			s.generic(&o.SchemaVersion)
		case "removal":
			o.Removal = s.word()
		case "protect":
			s.generic(&o.Protect)
		case "depends_on":
			s.elements(func() { o.DependsOn = append(o.DependsOn, s.name()) })
		case "sensitive":
			s.elements(func() { o.Sensitive = append(o.Sensitive, addrs.Path(s.text())) })
		case "body":
			o.Body = s.body()
		default:
			panic(strange{})
		}
	})
	return o
}

// members reads an object in which no key stands twice.
func (s *scanner) members(value func(key string)) {
	s.take('{')
	s.space()
	if s.peek() == '}' {
		s.at++
		return
	}
	var buffer [16]string
	seen := buffer[:0]
	for {
		key := s.word()
		if slices.Contains(seen, key) {
			panic(strange{})
		}
		seen = append(seen, key)
		s.take(':')
		value(key)
		if s.end('}') {
			return
		}
	}
}

func (s *scanner) elements(element func()) {
	s.take('[')
	s.space()
	if s.peek() == ']' {
		s.at++
		return
	}
	for {
		element()
		if s.end(']') {
			return
		}
	}
}

// end reads a comma, or the last byte of what is listed.
func (s *scanner) end(last byte) bool {
	s.space()
	c := s.peek()
	s.at++
	if c != ',' && c != last {
		panic(strange{})
	}
	return c == last
}

func (s *scanner) peek() byte {
	if s.at >= len(s.data) {
		panic(strange{})
	}
	return s.data[s.at]
}

func (s *scanner) space() {
	for s.at < len(s.data) {
		switch s.data[s.at] {
		case ' ', '\n', '\t', '\r':
			s.at++
		default:
			return
		}
	}
}

func (s *scanner) take(c byte) {
	s.space()
	if s.peek() != c {
		panic(strange{})
	}
	s.at++
}

// token is a string without escapes.
func (s *scanner) token() []byte {
	s.take('"')
	n := bytes.IndexByte(s.data[s.at:], '"')
	if n < 0 {
		panic(strange{})
	}
	b := s.data[s.at : s.at+n]
	for _, c := range b {
		if c < ' ' || c == '\\' || c >= 0x80 {
			panic(strange{})
		}
	}
	s.at += n + 1
	return b
}

// text is a string of any kind.
func (s *scanner) text() string {
	s.space()
	start := s.at
	end, ok := skipString(s.data, start)
	if !ok {
		panic(strange{})
	}
	s.at = end
	plain := s.data[start+1 : end-1]
	quotes := false // escaped, and nothing else that is
	for n, c := range plain {
		if c == '\\' && plain[n+1] == '"' {
			quotes = true
		} else if c == '\\' || c >= 0x80 {
			var text string
			if json.Unmarshal(s.data[start:end], &text) != nil {
				panic(strange{})
			}
			return text
		}
	}
	if quotes {
		return strings.ReplaceAll(string(plain), `\"`, `"`)
	}
	return string(plain)
}

// word is a string that comes again and again.
func (s *scanner) word() string {
	b := s.token()
	word, ok := s.words[string(b)]
	if !ok {
		word = string(b)
		s.words[word] = word
	}
	return word
}

// name is an address that comes again and again.
func (s *scanner) name() addrs.Instance {
	s.space()
	start := s.at
	text := s.text()
	quoted := s.data[start:s.at]
	addr, ok := s.names[string(quoted)]
	if !ok {
		addr = s.address(text)
		s.names[string(quoted)] = addr
	}
	return addr
}

func (s *scanner) address(text string) addrs.Instance {
	addr, err := addrs.ParseInstance(text)
	if err != nil {
		panic(strange{})
	}
	return addr
}

func (s *scanner) integer() uint64 {
	s.space()
	start := s.at
	for s.at < len(s.data) && s.data[s.at] >= '0' && s.data[s.at] <= '9' {
		s.at++
	}
	n, err := strconv.ParseUint(string(s.data[start:s.at]), 10, 64)
	if err != nil || s.at-start > 1 && s.data[start] == '0' {
		panic(strange{})
	}
	return n
}

// generic leaves a value to encoding/json.
func (s *scanner) generic(into any) {
	if json.Unmarshal(s.body(), into) != nil {
		panic(strange{})
	}
}

// body is any value, without the space between its tokens.
func (s *scanner) body() json.RawMessage {
	s.space()
	if cap(s.arena)-len(s.arena) < 16<<10 {
		s.arena = make([]byte, 0, 256<<10)
	}
	start := len(s.arena)
	w := squeezer{in: s.data, at: s.at, out: s.arena}
	if !w.value(0) {
		panic(strange{})
	}
	s.at = w.at
	if cap(w.out) != cap(s.arena) { // it did not fit: it is in an arena of its own
		return w.out[start:len(w.out):len(w.out)]
	}
	s.arena = w.out
	return w.out[start:len(w.out):len(w.out)]
}

// squeezer copies valid JSON without the space between its tokens.
type squeezer struct {
	in  []byte
	at  int
	out []byte
}

func (w *squeezer) space() byte {
	for w.at < len(w.in) {
		switch c := w.in[w.at]; c {
		case ' ', '\n', '\t', '\r':
			w.at++
		default:
			return c
		}
	}
	return 0
}

// value copies one value; false where it is not valid, or very deep.
func (w *squeezer) value(depth int) bool {
	switch c := w.space(); {
	case c == '"':
		return w.text()
	case c == '{' || c == '[':
		return depth < 100 && w.list(c, depth)
	case c == '-' || c >= '0' && c <= '9':
		end := w.at
		for end < len(w.in) && bytes.IndexByte([]byte("+-.eE0123456789"), w.in[end]) >= 0 {
			end++
		}
		return w.scalar(end)
	case c >= 'a' && c <= 'z':
		end := w.at
		for end < len(w.in) && w.in[end] >= 'a' && w.in[end] <= 'z' {
			end++
		}
		return w.scalar(end)
	}
	return false
}

// scalar copies a number or a word.
func (w *squeezer) scalar(end int) bool {
	b := w.in[w.at:end]
	for _, c := range b {
		if c < '0' || c > '9' || b[0] == '0' && len(b) > 1 {
			if !json.Valid(b) {
				return false
			}
			break
		}
	}
	w.out = append(w.out, b...)
	w.at = end
	return true
}

func (w *squeezer) text() bool {
	end, ok := skipString(w.in, w.at)
	if !ok {
		return false
	}
	w.out = append(w.out, w.in[w.at:end]...)
	w.at = end
	return true
}

func (w *squeezer) list(open byte, depth int) bool {
	last := open + 2 // the closing one
	w.at++
	w.out = append(w.out, open)
	if w.space() == last {
		w.at++
		w.out = append(w.out, last)
		return true
	}
	for {
		if open == '{' {
			if w.space() != '"' || !w.text() || w.space() != ':' {
				return false
			}
			w.at++
			w.out = append(w.out, ':')
		}
		if !w.value(depth + 1) {
			return false
		}
		c := w.space()
		if c != ',' && c != last {
			return false
		}
		w.at++
		w.out = append(w.out, c)
		if c == last {
			return true
		}
	}
}

// skipString returns where a string ends that begins at a place; false where it
// is none that JSON knows.
func skipString(data []byte, at int) (end int, ok bool) {
	if at >= len(data) || data[at] != '"' {
		return 0, false
	}
	for n := at + 1; n < len(data); n++ {
		for n+8 < len(data) && plainWord(binary.LittleEndian.Uint64(data[n:])) {
			n += 8
		}
		switch c := data[n]; {
		case c == '"':
			return n + 1, true
		case c < ' ':
			return 0, false
		case c != '\\':
		case n+1 < len(data) && bytes.IndexByte([]byte(`"\/bfnrt`), data[n+1]) >= 0:
			n++
		case n+5 < len(data) && data[n+1] == 'u' && isHex(data[n+2:n+6]):
			n += 5
		default:
			return 0, false
		}
	}
	return 0, false
}

// plainWord reports whether eight bytes are all of a string as it is: no quote,
// no backslash, no control character.
func plainWord(w uint64) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	zero := func(x uint64) uint64 { return (x - ones) & ^x & high }
	control := (w - ones*0x20) & ^w & high
	return zero(w^ones*'"')|zero(w^ones*'\\')|control == 0
}

func isHex(digits []byte) bool {
	for _, c := range digits {
		if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return false
		}
	}
	return true
}
