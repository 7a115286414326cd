package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/fatih/color"
	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/planner"
)

// problems prints diagnostics and returns the error that ends the command.
func (c *cli) problems(diags hcl.Diagnostics) error {
	c.diagnostics(diags)
	return told(exitError)
}

// diagnostics prints every problem on stderr: what is wrong, where, and what
// to do. With -json they are lines on stdout.
func (c *cli) diagnostics(diags hcl.Diagnostics) {
	for _, d := range diags {
		if c.json {
			c.diagnosticLine(d)
			continue
		}
		c.diagnostic(c.stderr, d)
	}
}

func (c *cli) diagnostic(w io.Writer, d *hcl.Diagnostic) {
	paint, word := color.New(color.FgRed, color.Bold).SprintFunc(), "Error"
	if d.Severity == hcl.DiagWarning {
		paint, word = color.New(color.FgYellow, color.Bold).SprintFunc(), "Warning"
	}
	var b bytes.Buffer
	summary, more, _ := strings.Cut(d.Summary, "\n")
	fmt.Fprintf(&b, "%s%s\n", paint(word+": "), bold(clean(summary)))
	for line := range strings.Lines(more) {
		fmt.Fprintf(&b, "  %s\n", clean(strings.TrimSuffix(line, "\n")))
	}
	c.snippet(&b, d)
	if d.Detail != "" {
		fmt.Fprintf(&b, "\n%s\n", wrapLines(d.Detail, screenWidth(w)-2))
	}
	if p, ok := d.Extra.(*planner.Problem); ok && p.Code != "" {
		fmt.Fprintf(&b, "%s\n", faint("["+p.Code+"]"))
	}
	fmt.Fprintln(w, paint("╷"))
	lines := bufio.NewScanner(&b)
	for lines.Scan() {
		fmt.Fprintln(w, strings.TrimRight(paint("│")+" "+lines.Text(), " "))
	}
	fmt.Fprintln(w, paint("╵"))
}

// snippet shows the line, marks the place, and lists values that matter there.
func (c *cli) snippet(w io.Writer, d *hcl.Diagnostic) {
	if d.Subject == nil {
		return
	}
	at := *d.Subject
	fmt.Fprintf(w, "\n  on %s line %d:\n", at.Filename, at.Start.Line)
	file := c.sources[at.Filename]
	if file == nil {
		return
	}
	lines := bytes.Split(file.Bytes, []byte("\n"))
	if at.Start.Line < 1 || at.Start.Line > len(lines) {
		return
	}
	text := string(bytes.TrimRight(lines[at.Start.Line-1], "\r"))
	prefix := fmt.Sprintf("  %d: ", at.Start.Line)
	fmt.Fprintf(w, "%s%s\n", prefix, text)
	runes := []rune(text)
	from := min(max(at.Start.Column-1, 0), len(runes))
	to := len(runes)
	if at.End.Line == at.Start.Line {
		to = min(max(at.End.Column-1, from+1), len(runes))
	}
	if to > from && strings.TrimSpace(string(runes[from:to])) != "" {
		lead := strings.Map(func(r rune) rune {
			if r == '\t' {
				return r
			}
			return ' '
		}, string(runes[:from]))
		fmt.Fprintf(w, "%s%s%s\n", strings.Repeat(" ", len(prefix)), lead, strings.Repeat("^", to-from))
	}
	if facts := lang.Facts(d); len(facts) > 0 {
		for _, f := range facts {
			fmt.Fprintf(w, "    %s\n", faint(clean(f)))
		}
	}
}

// wrapLines wraps each paragraph, and leaves indented lines as they are.
func wrapLines(s string, width int) string {
	var out []string
	for _, l := range strings.Split(s, "\n") {
		if strings.HasPrefix(l, " ") {
			out = append(out, clean(l))
			continue
		}
		out = append(out, wrap(clean(l), "", width))
	}
	return strings.Join(out, "\n")
}

func (c *cli) diagnosticLine(d *hcl.Diagnostic) {
	severity := "error"
	if d.Severity == hcl.DiagWarning {
		severity = "warning"
	}
	m := map[string]any{"severity": severity, "summary": d.Summary, "detail": d.Detail}
	if d.Subject != nil {
		m["range"] = map[string]any{
			"filename": d.Subject.Filename,
			"start":    map[string]int{"line": d.Subject.Start.Line, "column": d.Subject.Start.Column, "byte": d.Subject.Start.Byte},
			"end":      map[string]int{"line": d.Subject.End.Line, "column": d.Subject.End.Column, "byte": d.Subject.End.Byte},
		}
	}
	if p, ok := d.Extra.(*planner.Problem); ok {
		if p.Code != "" {
			m["code"] = p.Code
		}
		if !p.Addr.IsZero() {
			m["address"] = p.Addr
		}
	}
	_ = c.line("diagnostic", d.Summary, map[string]any{"diagnostic": m})
}
