package main

import (
	"bytes"
	"encoding/csv"
	"strings"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/planner/ledger"
	"accord/state"
)

// What comes from a vault, or from whoever acknowledged it, is no formula in a
// spreadsheet, and no command to a terminal.
func TestCSVIsInert(t *testing.T) {
	for _, hostile := range []string{"=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", " =1", "|cmd", "%1", "＝1", "\x1b]0;owned\x07=1", "=HYPERLINK(\"http://x\",\"y\")"} {
		e := &ledger.Entry{ID: "a", Type: ledger.Item, Point: addrs.New("integration_point", "clm"), Key: hostile, Title: hostile, Countries: hostile, Product: hostile,
			Kind: hostile, Message: hostile, Fix: hostile, Record: hostile, Ack: &state.Ack{Owner: hostile, Reason: hostile}}
		var out bytes.Buffer
		if err := exceptionsCSV(&out, []*ledger.Entry{e}); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&out).ReadAll()
		if err != nil || len(rows) != 2 || len(rows[0]) != len(rows[1]) {
			t.Fatalf("%q: %v, %v", hostile, rows, err)
		}
		for i, cell := range rows[1] {
			if strings.ContainsAny(cell, "\x1b\x07") || cell != "" && strings.ContainsRune("=+-@|%＝\t\r\n ", []rune(cell)[0]) {
				t.Errorf("%q: the cell %s is %q", hostile, rows[0][i], cell)
			}
		}
	}
}

// On a screen on which a table has no room an exception is a paragraph, no wider
// than the screen, that says as much.
func TestExceptionsOnANarrowScreen(t *testing.T) {
	var out bytes.Buffer
	c := &cli{stdout: &out}
	c.exceptionsNarrow([]*ledger.Entry{{ID: "k3v9q2x7ab", Type: ledger.Item, Part: "presentation", Title: "Launch", Point: addrs.NewKeyed("integration_point", "clm_presentation", "us"),
		Class: ledger.Document, Fix: "document 6 in vault.promomats", Message: strings.Repeat("slide Dosing is unpublished ", 5), Attempts: 4, First: time.Now().Add(-time.Hour),
		Known: true, Ack: &state.Ack{Owner: "Ana"}}}, 60)
	for line := range strings.Lines(out.String()) {
		if visible(strings.TrimRight(line, "\n")) > 60 {
			t.Errorf("wider than the screen: %q", line)
		}
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{"k3v9q2x7ab presentation Launch slide Dosing", "fix the document (document 6 in vault.promomats) · integration_point.clm_presentation[\"us\"] · 1 h ago · 4 attempts · acknowledged: Ana"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %q", want, text)
		}
	}
}
