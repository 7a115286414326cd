package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
)

// What is written in the characters of East Asia, with emoji, or with accents that are
// characters of their own, stands in columns as well.
func TestColumns(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "Launch": 6, "Überblick": 9, "U\u0308berblick": 9, "発売": 4, "ﾗﾝﾁ": 3, "출시": 4, "🚀": 2, "👩‍⚕️": 2, "🇯🇵": 2, "é́": 1, "– …": 3,
	} {
		if got := columns(text); got != want {
			t.Errorf("%q takes %d columns, not %d", text, got, want)
		}
	}
	tab := table{head: []string{"title", "in", "n"}}
	for _, title := range []string{"Launch", "発売 2026", "🚀 👩‍⚕️", "U\u0308bersicht"} {
		tab.add(title, "x", "7")
	}
	var out bytes.Buffer
	tab.print(&out, "  ", 80)
	var ends []int
	for line := range strings.Lines(out.String()) {
		ends = append(ends, columns(strings.TrimRight(line, "\n")))
	}
	if diff := cmp.Diff([]int{18, 18, 18, 18, 18}, ends); diff != "" {
		t.Errorf("(-want +got)\n%s\n%s", diff, out.String())
	}
	for text, want := range map[string]string{"発売の資料": "発売…", "Launch it": "Launc…", "発売資": "発売資", "👩‍⚕️👩‍⚕️👩‍⚕️👩‍⚕️": "👩‍⚕️👩‍⚕️…"} {
		if got := shorten(text, 6); got != want || columns(got) > 6 {
			t.Errorf("%s is cut to %s", text, got)
		}
	}
}

// The marks below a line stand below what they mark, whatever stands before it.
func TestMarksBelowWideText(t *testing.T) {
	source := []byte("\tname = \"発売 👩‍⚕️\" + bad\n")
	c := &cli{sources: map[string]*hcl.File{"main.hcl": {Bytes: source}}}
	at := hcl.Range{Filename: "main.hcl", Start: hcl.Pos{Line: 1, Column: 18}, End: hcl.Pos{Line: 1, Column: 21}} // "bad", by pictures
	text, from, to, ok := c.sourceLine(at)
	if runes := []rune(text); !ok || string(runes[from:to]) != "bad" {
		t.Fatalf("%q is marked", string(runes[from:to]))
	}
	var out bytes.Buffer
	c.snippet(&out, &hcl.Diagnostic{Subject: &at})
	lines := strings.Split(out.String(), "\n")
	if got := lines[len(lines)-2]; got != "     \t"+strings.Repeat(" ", 19)+"^^^" {
		t.Errorf("marked so:\n%s", out.String())
	}
}
