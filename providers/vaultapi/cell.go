package vaultapi

import (
	"encoding/json"
	"errors"
	"iter"
	"math/bits"
	"strconv"
	"strings"
)

// Cell is one column of a row, its value as it is written.
type Cell struct{ Name, Value string }

// errRow is JSON that is no object where a row is expected.
var errRow = errors.New("a row is an object")

// Cells appends the cells of a row to a list, in the order in which they are
// written; they share the bytes of the row. Whether all of it is JSON is found
// on the way: rows are read by the hundred thousand, and read once.
func Cells(list []Cell, row string) ([]Cell, error) {
	begin := space(row, 0)
	if begin == len(row) || row[begin] != '{' {
		if end := skip(row, begin, 0); end < 0 || space(row, end) != len(row) {
			return nil, errPage
		}
		return nil, errRow
	}
	end := skipObject(row, begin, 1, &list)
	if end < 0 || space(row, end) != len(row) {
		return nil, errPage
	}
	return list, nil
}

// SubRows gives each row of a sub-select, of the cell that holds it, in its own
// bytes. The list of cells is good until the next row.
func SubRows(value string, each func([]Cell) error) (details Details, err error) {
	if value == "" || value[0] != '{' {
		return details, nil // null
	}
	var cells []Cell
	for at := space(value, 1); at < len(value) && value[at] != '}'; {
		end := skipString(value, at)
		if end < 0 {
			return details, errPage
		}
		name := value[at+1 : end-1]
		at = space(value, space(value, end)+1)
		switch {
		case name == "data" && at < len(value) && value[at] == '[':
			for at = space(value, at+1); at < len(value) && value[at] == '{'; at = next(value, end) {
				cells = cells[:0]
				if end = skipObject(value, at, 1, &cells); end < 0 {
					return details, errPage
				}
				if err := each(cells); err != nil {
					return details, err
				}
			}
			end = at + 1 // behind the bracket
		default:
			if end = skip(value, at, 0); end < 0 {
				return details, errPage
			}
			if name == "responseDetails" {
				if details, cells, err = detailsIn(value[at:end], cells[:0]); err != nil {
					return details, err
				}
			}
		}
		at = next(value, end)
	}
	return details, nil
}

// detailsIn reads what a page, or a sub-select, says of its rows.
func detailsIn(text string, cells []Cell) (d Details, _ []Cell, err error) {
	if text == "null" {
		return d, cells, nil
	}
	if cells, err = Cells(cells, text); err != nil {
		return d, cells, err
	}
	for _, c := range cells {
		var into any
		switch c.Name {
		case "pagesize":
			into = &d.PageSize
		case "pageoffset":
			into = &d.PageOffset
		case "size":
			into = &d.Size
		case "total":
			into = &d.Total
		case "next_page":
			into = &d.NextPage
		case "previous_page":
			into = &d.PreviousPage
		case "limit":
			into = &d.Limit
		case "offset":
			into = &d.Offset
		default:
			continue
		}
		if n, isNumber := into.(*int); isNumber {
			if *n, err = strconv.Atoi(c.Value); err == nil {
				continue
			}
		}
		if err = json.Unmarshal([]byte(c.Value), into); err != nil {
			return d, cells, err
		}
	}
	return d, cells, nil
}

func unquoted(text string) string {
	if strings.IndexByte(text, '\\') >= 0 {
		return unescaped(text)
	}
	return text[1 : len(text)-1]
}

func unescaped(text string) (s string) {
	_ = json.Unmarshal([]byte(text), &s) // it is a string
	return s
}

// Elements yields the elements of an array, as they are written, of the value of
// a cell. What is no array has none.
func Elements(value string) iter.Seq[string] {
	return func(yield func(string) bool) {
		if value == "" || value[0] != '[' {
			return
		}
		for at := space(value, 1); at < len(value) && value[at] != ']'; {
			end := skip(value, at, 0)
			if end < 0 || !yield(value[at:end]) {
				return
			}
			at = next(value, end)
		}
	}
}

// next is the place behind a value, and behind the comma that follows it.
func next(s string, at int) int {
	if at = space(s, at); at < len(s) && s[at] == ',' {
		at = space(s, at+1)
	}
	return at
}

// deepest is how many brackets may be open at once, as in encoding/json.
const deepest = 10_000

// skip is where the value ends that begins at a place, -1 where there is none.
func skip(s string, at, depth int) int {
	if at >= len(s) {
		return -1
	}
	switch s[at] {
	case '"':
		return skipString(s, at)
	case '{':
		if depth < deepest {
			return skipObject(s, at, depth+1, nil)
		}
		return -1
	case '[':
		if depth < deepest {
			return skipArray(s, at, depth+1)
		}
		return -1
	case 't':
		return skipWord(s, at, "true")
	case 'f':
		return skipWord(s, at, "false")
	case 'n':
		return skipWord(s, at, "null")
	}
	return skipNumber(s, at)
}

// skipObject adds the members to a list on its way, unless that is nil.
func skipObject(s string, at, depth int, to *[]Cell) int {
	if at = space(s, at+1); at < len(s) && s[at] == '}' {
		return at + 1
	}
	for {
		if at >= len(s) || s[at] != '"' {
			return -1
		}
		end := skipString(s, at)
		if end < 0 {
			return -1
		}
		name := s[at:end]
		if at = space(s, end); at >= len(s) || s[at] != ':' {
			return -1
		}
		at = space(s, at+1)
		if end = skip(s, at, depth); end < 0 {
			return -1
		}
		if to != nil {
			*to = append(*to, Cell{unquoted(name), s[at:end]})
		}
		if at = space(s, end); at >= len(s) {
			return -1
		}
		switch s[at] {
		case '}':
			return at + 1
		case ',':
			at = space(s, at+1)
		default:
			return -1
		}
	}
}

func skipArray(s string, at, depth int) int {
	if at = space(s, at+1); at < len(s) && s[at] == ']' {
		return at + 1
	}
	for {
		end := skip(s, at, depth)
		if end < 0 {
			return -1
		}
		if at = space(s, end); at >= len(s) {
			return -1
		}
		switch s[at] {
		case ']':
			return at + 1
		case ',':
			at = space(s, at+1)
		default:
			return -1
		}
	}
}

func space(s string, at int) int {
	for at < len(s) && (s[at] == ' ' || s[at] == '\n' || s[at] == '\t' || s[at] == '\r') {
		at++
	}
	return at
}

func skipString(s string, at int) int {
	for at = passPlain(s, at+1); at < len(s); at = passPlain(s, at+1) {
		switch c := s[at]; {
		case c == '"':
			return at + 1
		case c < ' ':
			return -1
		case c != '\\':
			continue
		}
		if at++; at >= len(s) {
			return -1
		}
		switch s[at] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		case 'u':
			for range 4 {
				if at++; at >= len(s) || !hexadecimal(s[at]) {
					return -1
				}
			}
		default:
			return -1
		}
	}
	return -1
}

// passPlain is where the next byte is that means something in a string: a quote,
// a backslash, or what may not be there. It goes by eights.
func passPlain(s string, at int) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	for ; at+8 <= len(s); at += 8 {
		b := s[at : at+8]
		x := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 | uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		quote, slash := x^'"'*ones, x^'\\'*ones
		// The lowest bit that is set belongs to a byte that is meant; those above
		// it may not.
		if found := ((x-' '*ones)&^x | (quote-ones)&^quote | (slash-ones)&^slash) & tops; found != 0 {
			return at + bits.TrailingZeros64(found)/8
		}
	}
	for at < len(s) && s[at] >= ' ' && s[at] != '"' && s[at] != '\\' {
		at++
	}
	return at
}

func hexadecimal(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}

func skipWord(s string, at int, word string) int {
	if !strings.HasPrefix(s[at:], word) {
		return -1
	}
	return at + len(word)
}

func skipNumber(s string, at int) int {
	digits := func() bool {
		begin := at
		for at < len(s) && '0' <= s[at] && s[at] <= '9' {
			at++
		}
		return at > begin
	}
	if s[at] == '-' {
		at++
	}
	if at < len(s) && s[at] == '0' {
		at++
	} else if !digits() {
		return -1
	}
	if at < len(s) && s[at] == '.' {
		if at++; !digits() {
			return -1
		}
	}
	if at < len(s) && (s[at] == 'e' || s[at] == 'E') {
		if at++; at < len(s) && (s[at] == '+' || s[at] == '-') {
			at++
		}
		if !digits() {
			return -1
		}
	}
	return at
}
