package mdl

import (
	"fmt"
	"strings"
)

// SyntaxError is a text that is no MDL. Token is what stood at Pos, or "" at the end of the script.
type SyntaxError struct {
	Pos     Pos
	Token   string
	Message string
}

func (e *SyntaxError) Error() string {
	at := "at the end of the script"
	if e.Token != "" {
		at = fmt.Sprintf("at %q", e.Token)
	}
	return fmt.Sprintf("line %d, column %d: %s %s", e.Pos.Line, e.Pos.Column, e.Message, at)
}

type tokenKind byte

const (
	tokenEnd    tokenKind = iota
	tokenWord             // keyword, type or name, true, false
	tokenNumber           // 12, -3.5
	tokenText             // 'text', already unquoted
	tokenXML              // {…}, without the outer braces
	tokenMark             // ( ) , ;
)

type token struct {
	kind tokenKind
	text string
	pos  Pos
}

type lexer struct {
	src  string
	off  int
	line int
	head int // offset at which the line begins
}

func (l *lexer) pos() Pos { return Pos{Line: l.line, Column: l.off - l.head + 1} }

// take consumes n bytes and keeps the line count.
func (l *lexer) take(n int) string {
	text := l.src[l.off : l.off+n]
	if last := strings.LastIndexByte(text, '\n'); last >= 0 {
		l.line += strings.Count(text, "\n")
		l.head = l.off + last + 1
	}
	l.off += n
	return text
}

func (l *lexer) skipBlank() {
	for l.off < len(l.src) {
		switch c := l.src[l.off]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			l.take(1)
		case c == '#':
			n := strings.IndexByte(l.src[l.off:], '\n')
			if n < 0 {
				n = len(l.src) - l.off
			}
			l.take(n)
		default:
			return
		}
	}
}

func (l *lexer) next() (token, error) {
	l.skipBlank()
	t := token{pos: l.pos()}
	if l.off == len(l.src) {
		return t, nil
	}
	rest := l.src[l.off:]
	switch c := rest[0]; {
	case c == '\'':
		n := textLength(rest)
		if n < 0 {
			return t, &SyntaxError{t.pos, snippet(rest), "unclosed quote"}
		}
		t.kind = tokenText
		t.text = strings.ReplaceAll(l.take(n)[1:n-1], "''", "'")
	case c == '{':
		n := braceLength(rest)
		if n < 0 {
			return t, &SyntaxError{t.pos, snippet(rest), "unclosed brace"}
		}
		t.kind = tokenXML
		t.text = l.take(n)[1 : n-1]
	case strings.IndexByte("(),;", c) >= 0:
		t.kind = tokenMark
		t.text = l.take(1)
	case isDigit(c) || c == '-':
		n := numberLength(rest)
		if n == 0 || n < len(rest) && isWord(rest[n]) {
			return t, &SyntaxError{t.pos, snippet(rest), "malformed number"}
		}
		t.kind = tokenNumber
		t.text = l.take(n)
	case isWord(c):
		n := 1
		for n < len(rest) && isWord(rest[n]) {
			n++
		}
		t.kind = tokenWord
		t.text = l.take(n)
	default:
		return t, &SyntaxError{t.pos, snippet(rest), "unexpected character"}
	}
	return t, nil
}

// textLength is the length of the quoted text at the start of s, quotes included; -1 when it is not closed.
func textLength(s string) int {
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			continue
		}
		if i+1 < len(s) && s[i+1] == '\'' {
			i++
			continue
		}
		return i + 1
	}
	return -1
}

// braceLength is the length of the balanced {…} at the start of s; -1 when it is not closed.
func braceLength(s string) int {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return -1
}

// numberLength is the length of -?digits[.digits] at the start of s, 0 when there is none.
func numberLength(s string) int {
	n := 0
	if s[0] == '-' {
		n = 1
	}
	digits := n
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	if n == digits {
		return 0
	}
	if n+1 < len(s) && s[n] == '.' && isDigit(s[n+1]) {
		for n++; n < len(s) && isDigit(s[n]); {
			n++
		}
	}
	return n
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || isDigit(c) || c == '_' || c == '.'
}

// snippet is the first word or so of s, for an error.
func snippet(s string) string {
	if n := strings.IndexAny(s, " \t\r\n"); n > 0 {
		s = s[:n]
	}
	if len(s) > 40 {
		s = s[:40]
	}
	return s
}
