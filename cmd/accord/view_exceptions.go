package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"accord/planner/ledger"
)

// exceptionsList prints exceptions in a format.
func (c *cli) exceptionsList(list []*ledger.Entry, format string) error {
	switch {
	case format == "csv":
		return exceptionsCSV(c.stdout, list)
	case format == "json":
		b, err := json.MarshalIndent(map[string]any{"exceptions": notNil(list)}, "", "  ")
		if err == nil {
			_, err = c.stdout.Write(append(harmless(b), '\n'))
		}
		return err
	case c.json:
		for _, e := range list {
			_ = c.line("exception", e.Message, map[string]any{"exception": e})
		}
		t := totalExceptions(list)
		return c.line("exceptions_summary", t.words(), map[string]any{"messages": t.Messages, "items": t.Items, "kept": t.Kept, "acknowledged": t.Known})
	}
	if len(list) == 0 {
		fmt.Fprintln(c.stdout, "No exceptions.")
		return nil
	}
	now := c.now()
	t := table{head: []string{"id", "what", "point", "to do", "seen", "attempts", "acknowledged", "where", "what is wrong"}}
	for _, e := range list {
		t.add(e.ID, exceptionName(e), e.Point.String(), e.Class.Words(), ago(e.First, now), attemptsOf(e), knownBy(e, now), dash(clean(e.Fix)), clean(e.Message))
	}
	if screen := screenWidth(c.stdout); t.width() > screen {
		c.exceptionsNarrow(list, screen)
	} else {
		t.print(c.stdout, "", screen)
	}
	fmt.Fprintf(c.stdout, "\n%s.\n", totalExceptions(list).words())
	return nil
}

// exceptionsNarrow prints exceptions where no table has room: a paragraph each, of
// what is wrong, and what to do about it where.
func (c *cli) exceptionsNarrow(list []*ledger.Entry, screen int) {
	now := c.now()
	for _, e := range list {
		todo := e.Class.Words()
		if e.Fix != "" {
			todo += " (" + clean(e.Fix) + ")"
		}
		facts := []string{todo, e.Point.String(), ago(e.First, now)}
		if e.Attempts > 0 {
			facts = append(facts, count(e.Attempts, "attempt"))
		}
		if e.Known {
			facts = append(facts, "acknowledged: "+knownBy(e, now))
		}
		fmt.Fprintf(c.stdout, "%s  %s\n    %s\n    %s\n", bold(e.ID), exceptionName(e), wrap(clean(e.Message), "    ", screen), faint(wrap(strings.Join(facts, " · "), "    ", screen)))
	}
}

// attemptsOf is how many runs have met it; of one that only its vault tells of that
// is not known.
func attemptsOf(e *ledger.Entry) string {
	if e.Attempts == 0 {
		return "–"
	}
	return strconv.Itoa(e.Attempts)
}

// exceptionName is what an exception is about, for people.
func exceptionName(e *ledger.Entry) string {
	if e.Type == ledger.Message {
		return "message"
	}
	part := strings.ReplaceAll(e.Part, "_", " ")
	return strings.TrimSpace(part + " " + clean(e.Title))
}

func knownBy(e *ledger.Entry, now time.Time) string {
	switch {
	case e.Ack.Holds(now):
		return clean(e.Ack.Owner)
	case e.Known:
		return "in the vault"
	}
	return "no"
}

func dash(s string) string {
	if s == "" {
		return "–"
	}
	return s
}

// exceptionTotals count exceptions.
type exceptionTotals struct{ Messages, Items, Kept, Known int }

func totalExceptions(list []*ledger.Entry) (t exceptionTotals) {
	for _, e := range list {
		switch e.Type {
		case ledger.Message:
			t.Messages++
		case ledger.Kept:
			t.Kept++
		default:
			t.Items++
		}
		if e.Known {
			t.Known++
		}
	}
	return t
}

func (t exceptionTotals) words() string {
	kept := ""
	if t.Kept > 0 {
		kept = ", " + number(t.Kept) + " kept"
	}
	return fmt.Sprintf("%s, %s%s; %s acknowledged", count(t.Messages, "message"), count(t.Items, "item"), kept, number(t.Known))
}

// exceptionsShow prints all that is known of exceptions.
func (c *cli) exceptionsShow(list []*ledger.Entry) {
	now := c.now()
	for i, e := range list {
		if c.json {
			_ = c.line("exception", e.Message, map[string]any{"exception": e})
			continue
		}
		if i > 0 {
			fmt.Fprintln(c.stdout)
		}
		fmt.Fprintf(c.stdout, "%s  %s\n", bold(e.ID), exceptionName(e))
		line := func(name, value string) {
			if value != "" {
				fmt.Fprintf(c.stdout, "  %-14s%s\n", name, wrap(clean(value), "  "+strings.Repeat(" ", 14), min(screenWidth(c.stdout), defaultWidth)))
			}
		}
		line("what is wrong", e.Message)
		line("to do", e.Class.Words())
		if e.Type == ledger.Kept {
			line("or", "accord exceptions withdraw "+e.ID)
		}
		line("where", e.Fix)
		if !e.Cause.IsZero() {
			line("caused by", e.Cause.String())
		}
		line("point", e.Point.String())
		if e.Type != ledger.Message {
			line("from", sourceOf(e))
		}
		line("to", e.Target.String())
		line("countries", e.Countries)
		line("product", e.Product)
		line("first seen", howFar(e.First, now))
		line("last seen", howFar(e.Last, now))
		line("attempts", attemptsOf(e))
		if e.Record != "" {
			line("record", fmt.Sprintf("%s in %s", e.Record, e.Where))
		}
		switch {
		case e.Ack != nil:
			what := fmt.Sprintf("by %s on %s for %s: %s", e.Ack.By, momentOr(e.Ack.At, "–"), e.Ack.Owner, e.Ack.Reason)
			if !e.Ack.Until.IsZero() {
				what += ", until " + momentOr(e.Ack.Until, "–")
			}
			line("acknowledged", what)
		case e.Known:
			line("acknowledged", "in the vault")
		default:
			line("acknowledged", "no")
		}
		if !e.Retried.IsZero() {
			line("reprocessed", fmt.Sprintf("%s, by %s", howFar(e.Retried, now), e.RetriedBy))
		}
	}
}

// exceptionsCSV writes exceptions for a spreadsheet.
func exceptionsCSV(w io.Writer, list []*ledger.Entry) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"id", "type", "point", "part", "document", "title", "countries", "product", "class", "kind", "message", "fix", "cause",
		"first_seen", "last_seen", "attempts", "acknowledged", "owner", "reason", "until", "vault", "record"}}
	when := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.UTC().Format(time.RFC3339)
	}
	for _, e := range list {
		row := []string{e.ID, e.Type, e.Point.String(), e.Part, e.Key, e.Title, e.Countries, e.Product, string(e.Class), e.Kind, e.Message, e.Fix, e.Cause.String(),
			when(e.First), when(e.Last), strconv.Itoa(e.Attempts), strconv.FormatBool(e.Known), "", "", "", e.Where.String(), e.Record}
		if e.Ack != nil {
			row[17], row[18], row[19] = e.Ack.Owner, e.Ack.Reason, when(e.Ack.Until)
		}
		rows = append(rows, row)
	}
	for _, row := range rows {
		for i, cell := range row {
			row[i] = inertCell(cell)
		}
		if err := out.Write(row); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

// inertCell is a cell that no spreadsheet takes for a formula: what begins like
// one begins with an apostrophe. Characters that a terminal obeys are left out.
func inertCell(s string) string {
	s = clean(s)
	if t := strings.TrimLeft(s, " \t\r\n"); t != "" && strings.ContainsRune("=+-@|%＝＋－＠", []rune(t)[0]) {
		return "'" + s
	}
	return s
}
