package mdl

import (
	"fmt"
	"strings"

	"accord/providers/devvault/scan"
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

type lexer struct{ scan.Text }

// skip consumes white space and comments.
func (l *lexer) skip() {
	for l.Blank(); strings.HasPrefix(l.Rest(), "#"); l.Blank() {
		line, _, _ := strings.Cut(l.Rest(), "\n")
		l.Take(len(line))
	}
}

func (l *lexer) next() (token, error) {
	l.skip()
	t := token{pos: l.Pos()}
	rest := l.Rest()
	if rest == "" {
		return t, nil
	}
	switch c := rest[0]; {
	case c == '\'':
		n := textLength(rest)
		if n < 0 {
			return t, &SyntaxError{t.pos, scan.Snippet(rest), "unclosed quote"}
		}
		t.kind = tokenText
		t.text = strings.ReplaceAll(l.Take(n)[1:n-1], "''", "'")
	case c == '{':
		n := braceLength(rest)
		if n < 0 {
			return t, &SyntaxError{t.pos, scan.Snippet(rest), "unclosed brace"}
		}
		t.kind = tokenXML
		t.text = l.Take(n)[1 : n-1]
	case strings.IndexByte("(),;", c) >= 0:
		t.kind = tokenMark
		t.text = l.Take(1)
	case scan.IsDigit(c) || c == '-':
		n := scan.Number(rest)
		if n == 0 || n < len(rest) && isWord(rest[n]) {
			return t, &SyntaxError{t.pos, scan.Snippet(rest), "malformed number"}
		}
		t.kind = tokenNumber
		t.text = l.Take(n)
	case isWord(c):
		n := 1
		for n < len(rest) && isWord(rest[n]) {
			n++
		}
		t.kind = tokenWord
		t.text = l.Take(n)
	default:
		return t, &SyntaxError{t.pos, scan.Snippet(rest), "unexpected character"}
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

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || scan.IsDigit(c) || c == '_' || c == '.'
}
