package vql

import (
	"fmt"
	"strings"
)

// ErrorType is Vault's error type for a query that is no VQL.
const ErrorType = "INCORRECT_QUERY_SYNTAX_ERROR"

// Pos is a place in the query text. Line and Column count from one, Column in bytes.
type Pos struct {
	Line, Column int
}

// Error is a query that is no VQL. Token is what stood at Pos, or "" at the end of the query.
type Error struct {
	Pos     Pos
	Token   string
	Message string
}

// Type is ErrorType.
func (e *Error) Type() string { return ErrorType }

func (e *Error) Error() string {
	at := "at the end of the query"
	if e.Token != "" {
		at = fmt.Sprintf("at [%s]", e.Token)
	}
	return fmt.Sprintf("%s %s (line %d, column %d)", e.Message, at, e.Pos.Line, e.Pos.Column)
}

type tokenKind byte

const (
	tokenEnd    tokenKind = iota
	tokenWord             // keyword or name, with dots
	tokenNumber           // 12, -3.5
	tokenString           // 'text', escapes kept, without the quotes
	tokenMark             // ( ) , : and operators
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

func (l *lexer) take(n int) string {
	text := l.src[l.off : l.off+n]
	if last := strings.LastIndexByte(text, '\n'); last >= 0 {
		l.line += strings.Count(text, "\n")
		l.head = l.off + last + 1
	}
	l.off += n
	return text
}

func (l *lexer) next() (token, error) {
	for l.off < len(l.src) && strings.IndexByte(" \t\r\n", l.src[l.off]) >= 0 {
		l.take(1)
	}
	t := token{pos: Pos{Line: l.line, Column: l.off - l.head + 1}}
	if l.off == len(l.src) {
		return t, nil
	}
	rest := l.src[l.off:]
	switch c := rest[0]; {
	case c == '\'':
		n := stringLength(rest)
		if n < 0 {
			return t, &Error{t.pos, snippet(rest), "unclosed quote"}
		}
		t.kind = tokenString
		t.text = l.take(n)[1 : n-1]
	case isWordStart(c):
		n := 1
		for n < len(rest) && (isWordStart(rest[n]) || isDigit(rest[n]) || rest[n] == '.') {
			n++
		}
		t.kind = tokenWord
		t.text = l.take(n)
		if strings.HasSuffix(t.text, ".") || strings.Contains(t.text, "..") {
			return t, &Error{t.pos, t.text, "malformed name"}
		}
	case isDigit(c) || c == '-':
		n := numberLength(rest)
		if n == 0 || n < len(rest) && (isWordStart(rest[n]) || isDigit(rest[n]) || rest[n] == '.') {
			return t, &Error{t.pos, snippet(rest), "malformed number"}
		}
		t.kind = tokenNumber
		t.text = l.take(n)
	default:
		n := 1
		if len(rest) > 1 && rest[1] == '=' && strings.IndexByte("!<>", c) >= 0 {
			n = 2
		} else if strings.IndexByte("(),:=<>", c) < 0 {
			return t, &Error{t.pos, snippet(rest), "unexpected character"}
		}
		t.kind = tokenMark
		t.text = l.take(n)
	}
	return t, nil
}

// stringLength is the length of the quoted text at the start of s, quotes included; -1 when it is not closed.
func stringLength(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '\'':
			if i+1 < len(s) && s[i+1] == '\'' {
				i++
				continue
			}
			return i + 1
		}
	}
	return -1
}

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

func isWordStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
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

// unescape decodes the inside of a quoted text, split at each unescaped %. Only LIKE minds the split.
func unescape(raw string) (Pattern, error) {
	var pieces Pattern
	var b strings.Builder
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; c {
		case '%':
			pieces = append(pieces, b.String())
			b.Reset()
		case '\'': // the lexer saw to it that there are two
			i++
			b.WriteByte('\'')
		case '\\':
			i++
			switch raw[i] {
			case '\\', '\'', '"', '%', '*':
				b.WriteByte(raw[i])
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case 'r':
				b.WriteByte('\r')
			default:
				return nil, fmt.Errorf("unknown escape \\%c in a quoted text", raw[i])
			}
		default:
			b.WriteByte(c)
		}
	}
	return append(pieces, b.String()), nil
}
