package main

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fatih/color"
	"github.com/rivo/uniseg"
)

// Colours stress; the symbol or word beside them carries the meaning.
var (
	bold   = color.New(color.Bold).SprintFunc()
	green  = color.New(color.FgGreen).SprintFunc()
	red    = color.New(color.FgRed).SprintFunc()
	yellow = color.New(color.FgYellow).SprintFunc()
	faint  = color.New(color.Faint).SprintFunc()
)

// count is a number with its noun.
func count(n int, noun string) string { return number(n) + " " + plural(n, noun) }

// plural is a noun as it stands behind a number.
func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	if stem, ok := strings.CutSuffix(noun, "ry"); ok { // countries
		return stem + "ries"
	}
	return noun + "s"
}

// number groups digits by narrow spaces, so that it can still be grepped by
// its groups and never misread.
func number(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + " " + s[i:]
	}
	return s
}

func round(d time.Duration) time.Duration {
	switch {
	case d > time.Minute:
		return d.Round(time.Second)
	case d > time.Second:
		return d.Round(100 * time.Millisecond)
	default:
		return d.Round(time.Millisecond)
	}
}

// shorten cuts text to so many columns.
func shorten(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	var out strings.Builder
	left := n - 1
	for g := uniseg.NewGraphemes(s); g.Next() && g.Width() <= left; left -= g.Width() {
		out.WriteString(g.Str())
	}
	return out.String() + "…"
}

// columns is how many columns text takes on a screen: characters of East Asia and
// emoji take two, what is put over another character none.
func columns(s string) int {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return uniseg.StringWidth(s)
		}
	}
	return len(s) // without control characters, which clean takes out
}

// padded is text that takes at least so many columns.
func padded(s string, n int) string { return s + strings.Repeat(" ", max(0, n-columns(s))) }

// visible is how many columns painted text takes.
func visible(s string) int { return columns(unpainted.Replace(s)) }

// unpainted takes out the colours that stand within paragraphs.
var unpainted = strings.NewReplacer("\x1b[31m", "", "\x1b[32m", "", "\x1b[33m", "", "\x1b[0m", "", "\x1b[0;0m", "", "\x1b[1m", "", "\x1b[2m", "", "\x1b[22m", "", "\x1b[0;22m", "")

// wrap breaks text at the screen's width, and at 100 columns on a wider one.
func wrap(s, indent string, width int) string {
	var out strings.Builder
	col := len(indent)
	for i, word := range strings.Fields(s) {
		n := visible(word)
		if i > 0 && col+n+1 > min(width, defaultWidth) {
			out.WriteString("\n" + indent)
			col = len(indent)
		} else if i > 0 {
			out.WriteByte(' ')
			col++
		}
		out.WriteString(word)
		col += n
	}
	return out.String()
}

// clean strips control characters from text that came from a vault: a title
// must not move the cursor.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case commands(r):
			return -1
		}
		return r
	}, s)
}

// commands reports whether a character is no text: a control character, or
// one that turns the direction of what follows.
func commands(r rune) bool {
	return r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}
