// Package scan goes through a text of one of Vault's languages, and knows where it is in it.
//
// It refuses to know any of the languages: what a word, a quote and a comment are is for their lexers. Start with Text.
package scan

import "strings"

// Pos is a place in a text. Line and Column count from one, Column in bytes.
type Pos struct {
	Line, Column int
}

// Text is a text that is gone through from its beginning.
type Text struct {
	src  string
	off  int
	line int
	head int // offset at which the line begins
}

// New returns a text at its beginning.
func New(src string) Text { return Text{src: src, line: 1} }

// Rest is what is left.
func (t *Text) Rest() string { return t.src[t.off:] }

// Pos is where the rest begins.
func (t *Text) Pos() Pos { return Pos{Line: t.line, Column: t.off - t.head + 1} }

// Take consumes n bytes.
func (t *Text) Take(n int) string {
	text := t.src[t.off : t.off+n]
	if last := strings.LastIndexByte(text, '\n'); last >= 0 {
		t.line += strings.Count(text, "\n")
		t.head = t.off + last + 1
	}
	t.off += n
	return text
}

// Blank consumes white space.
func (t *Text) Blank() {
	for t.off < len(t.src) && strings.IndexByte(" \t\r\n", t.src[t.off]) >= 0 {
		t.Take(1)
	}
}

// Number is the length of -?digits[.digits] at the start of s, 0 when there is none.
func Number(s string) int {
	n := 0
	if s[0] == '-' {
		n = 1
	}
	digits := n
	for n < len(s) && IsDigit(s[n]) {
		n++
	}
	if n == digits {
		return 0
	}
	if n+1 < len(s) && s[n] == '.' && IsDigit(s[n+1]) {
		for n++; n < len(s) && IsDigit(s[n]); {
			n++
		}
	}
	return n
}

// IsDigit reports whether a byte is one of 0 to 9.
func IsDigit(c byte) bool { return c >= '0' && c <= '9' }

// Snippet is the first word or so of s, for an error.
func Snippet(s string) string {
	if n := strings.IndexAny(s, " \t\r\n"); n > 0 {
		s = s[:n]
	}
	return s[:min(len(s), 40)]
}
