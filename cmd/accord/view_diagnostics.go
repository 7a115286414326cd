package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/fatih/color"
	"github.com/hashicorp/hcl/v2"
	"github.com/rivo/uniseg"

	"accord/lang"
	"accord/lang/addrs"
	"accord/planner"
	"accord/providers"
)

// problems prints diagnostics and returns the error that ends the command.
func (c *cli) problems(diags hcl.Diagnostics) error {
	c.diagnostics(diags)
	return &exit{code: exitError, err: diags, shown: true}
}

// diagnostics prints every problem on stderr: what is wrong, where, and what
// to do. With -json they are lines on stdout.
func (c *cli) diagnostics(diags hcl.Diagnostics) {
	if c.json {
		for _, d := range diags {
			c.diagnosticLine(d)
		}
		return
	}
	for _, alike := range alikeWarnings(diags) {
		c.diagnostic(c.stderr, alike[0], alike[1:]...)
	}
}

// alikeWarnings groups warnings that say the same of one place in a block, as
// of each instance of a for_each. Errors stand alone.
func alikeWarnings(diags hcl.Diagnostics) [][]*hcl.Diagnostic {
	type place struct {
		summary, code string
		at            hcl.Range
	}
	var groups [][]*hcl.Diagnostic
	find := map[place]int{}
	for _, d := range diags {
		p, ok := d.Extra.(*planner.Problem)
		if !ok || d.Severity != hcl.DiagWarning || d.Subject == nil || p.Addr.IsZero() {
			groups = append(groups, []*hcl.Diagnostic{d})
			continue
		}
		key := place{d.Summary, p.Code, *d.Subject}
		i, ok := find[key]
		if !ok {
			i = len(groups)
			find[key] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], d)
	}
	return groups
}

// sameOf names what warnings that are alike are about.
func sameOf(alike []*hcl.Diagnostic) string {
	first := alike[0].Extra.(*planner.Problem).Addr
	var keys, names []string
	for _, d := range alike {
		addr := d.Extra.(*planner.Problem).Addr
		if addr.Block == first.Block {
			keys = append(keys, addr.Key)
		}
		names = append(names, addr.String())
	}
	const few = 4
	switch {
	case len(keys) == len(alike):
		return addrs.Several(first, keys)
	case len(names) > few+1: // of as many modules
		return fmt.Sprintf("%s and %d more", strings.Join(names[:few], ", "), len(names)-few)
	default:
		return strings.Join(names, ", ")
	}
}

// diagnostic prints one problem, and of which instances others say the same.
func (c *cli) diagnostic(w io.Writer, d *hcl.Diagnostic, alike ...*hcl.Diagnostic) {
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
	if len(alike) > 0 {
		fmt.Fprintf(&b, "%s\n", wrapLines("The same of "+sameOf(alike)+".", screenWidth(w)-2))
	}
	if p, ok := d.Extra.(*planner.Problem); ok && p.Code != "" {
		fmt.Fprintf(&b, "%s\n", faint("["+p.Code+"]  accord explain "+p.Code))
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
	in := ""
	if p, ok := d.Extra.(*planner.Problem); ok && !p.Addr.IsZero() {
		in = ", in " + p.Addr.String()
	}
	fmt.Fprintf(w, "\n  on %s line %d%s:\n", at.Filename, at.Start.Line, clean(in))
	text, from, to, ok := c.sourceLine(at)
	if !ok {
		return
	}
	runes := []rune(text)
	prefix := fmt.Sprintf("  %d: ", at.Start.Line)
	fmt.Fprintf(w, "%s%s\n", prefix, text)
	if strings.TrimSpace(string(runes[from:to])) != "" {
		var lead strings.Builder // as wide as what stands there
		for g := uniseg.NewGraphemes(string(runes[:from])); g.Next(); {
			if g.Str() == "\t" {
				lead.WriteByte('\t')
			} else {
				lead.WriteString(strings.Repeat(" ", g.Width()))
			}
		}
		fmt.Fprintf(w, "%s%s%s\n", strings.Repeat(" ", len(prefix)), lead.String(), strings.Repeat("^", max(1, columns(string(runes[from:to])))))
	}
	if facts := lang.Facts(d); len(facts) > 0 {
		fmt.Fprintln(w, faint("    ├────────────────"))
		for _, f := range facts {
			fmt.Fprintln(w, faint("    │ "+clean(f)))
		}
	}
}

// passwords stand in addresses, where none belongs, the user with them, and so do
// sessions and tokens: a message that says so does not repeat them.
var passwords = []*regexp.Regexp{
	regexp.MustCompile(`(://)([^\s"@]+)(@)`),
	regexp.MustCompile(`(?i)(\bpassword=)([^\s"&]+)()`),
	regexp.MustCompile(`(?i)([?&;]\w*(?:session|token|secret|key|sig)\w*=)([^\s"&;]+)()`),
}

// withoutPasswords is a line in which each character keeps its column.
func withoutPasswords(line string) string {
	for _, p := range passwords {
		line = p.ReplaceAllStringFunc(line, func(s string) string {
			part := p.FindStringSubmatch(s)
			return part[1] + strings.Repeat("*", utf8.RuneCountInString(part[2])) + part[3]
		})
	}
	return line
}

// sourceLine is the line of a file where a range begins, and which of its
// characters belong to the range. ok is false where the text is not known.
func (c *cli) sourceLine(at hcl.Range) (text string, from, to int, ok bool) {
	file := c.sources[at.Filename]
	if file == nil {
		return "", 0, 0, false
	}
	lines := bytes.Split(file.Bytes, []byte("\n"))
	if at.Start.Line < 1 || at.Start.Line > len(lines) {
		return "", 0, 0, false
	}
	text = strings.Map(func(r rune) rune { // each character keeps its column
		if commands(r) && r != '\t' {
			return utf8.RuneError
		}
		return r
	}, strings.TrimRight(string(lines[at.Start.Line-1]), "\r"))
	text = withoutPasswords(text)
	length := utf8.RuneCountInString(text)
	from, to = min(runesBefore(text, at.Start.Column), length), length
	if at.End.Line == at.Start.Line {
		to = min(max(runesBefore(text, at.End.Column), from+1), length)
	}
	return text, from, max(from, to), true
}

// runesBefore is how many characters stand before a column of a file, in which those
// that make one picture are one.
func runesBefore(text string, column int) (n int) {
	g := uniseg.NewGraphemes(text)
	for ; column > 1; column-- {
		if g.Next() {
			n += len(g.Runes())
		} else {
			n++
		}
	}
	return n
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
	out := diagnosticJSON{Severity: providers.SeverityError, Summary: d.Summary, Detail: d.Detail}
	if d.Severity == hcl.DiagWarning {
		out.Severity = providers.SeverityWarning
	}
	if at := d.Subject; at != nil {
		position := func(p hcl.Pos) positionJSON { return positionJSON{Line: p.Line, Column: p.Column, Byte: p.Byte} }
		out.Range = &rangeJSON{Filename: at.Filename, Start: position(at.Start), End: position(at.End)}
		if text, from, to, ok := c.sourceLine(*at); ok {
			out.Snippet = &snippetJSON{Line: at.Start.Line, Code: text, Start: from, End: to, Facts: lang.Facts(d)}
		}
	}
	if p, ok := d.Extra.(*planner.Problem); ok {
		out.Code, out.Address = p.Code, p.Addr
	}
	_ = c.line("diagnostic", d.Summary, map[string]any{"diagnostic": out})
}
