package vql

import (
	"fmt"
	"strings"

	"accord/providers/devvault/scan"
)

// ErrorType is Vault's error type for a query that is no VQL.
const ErrorType = "INCORRECT_QUERY_SYNTAX_ERROR"

// Pos is a place in the query text.
type Pos = scan.Pos

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

type lexer struct{ scan.Text }

func (l *lexer) next() (token, error) {
	l.Blank()
	t := token{pos: l.Pos()}
	rest := l.Rest()
	if rest == "" {
		return t, nil
	}
	switch c := rest[0]; {
	case c == '\'':
		n := stringLength(rest)
		if n < 0 {
			return t, &Error{t.pos, scan.Snippet(rest), "unclosed quote"}
		}
		t.kind = tokenString
		t.text = l.Take(n)[1 : n-1]
	case isWordStart(c):
		n := 1
		for n < len(rest) && (isWordStart(rest[n]) || scan.IsDigit(rest[n]) || rest[n] == '.') {
			n++
		}
		t.kind = tokenWord
		t.text = l.Take(n)
		if strings.HasSuffix(t.text, ".") || strings.Contains(t.text, "..") {
			return t, &Error{t.pos, t.text, "malformed name"}
		}
	case scan.IsDigit(c) || c == '-':
		n := scan.Number(rest)
		if n == 0 || n < len(rest) && (isWordStart(rest[n]) || scan.IsDigit(rest[n]) || rest[n] == '.') {
			return t, &Error{t.pos, scan.Snippet(rest), "malformed number"}
		}
		t.kind = tokenNumber
		t.text = l.Take(n)
	default:
		n := 1
		if len(rest) > 1 && rest[1] == '=' && strings.IndexByte("!<>", c) >= 0 {
			n = 2
		} else if strings.IndexByte("(),:=<>", c) < 0 {
			return t, &Error{t.pos, scan.Snippet(rest), "unexpected character"}
		}
		t.kind = tokenMark
		t.text = l.Take(n)
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

func isWordStart(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
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
