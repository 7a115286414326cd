package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/fatih/color"

	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
)

// Colours stress; the symbol or word beside them carries the meaning.
var (
	bold   = color.New(color.Bold).SprintFunc()
	green  = color.New(color.FgGreen).SprintFunc()
	red    = color.New(color.FgRed).SprintFunc()
	yellow = color.New(color.FgYellow).SprintFunc()
	faint  = color.New(color.Faint).SprintFunc()
)

// showPlan prints a plan in the format that was asked for.
func (c *cli) showPlan(p *plan.Plan, verbose, concise bool) {
	if c.json {
		c.planLines(p)
		return
	}
	v := planView{w: c.stdout, plan: p, verbose: verbose}
	if !concise {
		v.reads()
		v.newly()
		v.drift()
		v.changes()
		v.content()
		v.syncs()
	}
	v.verdict()
}

// planView prints a plan for people.
type planView struct {
	w       io.Writer
	plan    *plan.Plan
	verbose bool
}

func (v *planView) line(format string, args ...any) { fmt.Fprintf(v.w, format+"\n", args...) }

func (v *planView) heading(text string) { v.line("\n%s", bold(text)) }

func (v *planView) reads() {
	r := v.plan.Reads
	text := fmt.Sprintf("Read %s, %s", count(r.Instances, "vault"), count(r.Objects, "object"))
	if r.Records > 0 {
		text += fmt.Sprintf(" and %s of content", count(r.Records, "record"))
	}
	v.line("%s", faint(fmt.Sprintf("%s in %s.", text, round(r.Took))))
}

// newly names the countries that a vault receives for the first time (CTRY-8).
// It stands at the top, since that is what a reviewer must not miss.
func (v *planView) newly() {
	first := true
	for _, c := range v.plan.Content {
		for _, n := range c.Impact.Newly {
			if n.Key == "" || c.Impact.First || !movesContent(c) {
				continue
			}
			if first {
				v.line("")
				first = false
			}
			v.line("  %s %s newly receives %s: %s", yellow("!"), bold(c.Vault.String()), bold(clean(n.Title)), signed(n.Counts))
		}
	}
}

// movesContent reports whether a sync moves content, with members and containers,
// and not only a table that others are routed by.
func movesContent(c plan.Content) bool { return len(c.Impact.Parts) > 1 }

func (v *planView) drift() {
	if len(v.plan.Drift) == 0 {
		return
	}
	v.heading(fmt.Sprintf("Changed outside this configuration (%d)", len(v.plan.Drift)))
	for _, d := range v.plan.Drift {
		if d.Action == providers.Remove {
			v.line("  %s %s is gone", yellow("!"), d.Addr)
			continue
		}
		v.line("  %s %s", yellow("!"), d.Addr)
		v.edits(d.Edits, "      ")
	}
}

// symbols, as Terraform users know them; adopt is ours.
var symbols = map[providers.Action]string{
	providers.Create: "+", providers.Update: "~", providers.Replace: "-/+", providers.Adopt: "<=", providers.Remove: "-",
}

func paint(action providers.Action, text string) string {
	switch action {
	case providers.Create:
		return green(text)
	case providers.Remove, providers.Replace:
		return red(text)
	default:
		return yellow(text)
	}
}

func (v *planView) changes() {
	if len(v.plan.Changes) == 0 {
		return
	}
	v.heading(fmt.Sprintf("Configuration (%d to change, %d unchanged)", len(v.plan.Changes), v.plan.Unchanged))
	for _, group := range alike(v.plan.Changes, v.verbose) {
		c := group[0]
		where := ""
		if c.File != "" {
			where = faint(fmt.Sprintf("   %s:%d", c.File, c.Line))
		}
		v.line("  %s %s  %s%s", paint(c.Action, fmt.Sprintf("%3s", symbols[c.Action])), address(group), word(c), where)
		v.edits(c.Edits, "        ")
		if c.Same > 0 && c.Action == providers.Update {
			v.line("        %s", faint(fmt.Sprintf("(%s unchanged)", count(c.Same, "attribute"))))
		}
		for _, text := range c.Consequences {
			v.line("        %s", wrap(clean(text), "        "))
		}
	}
}

// alike groups changes of one for_each block that differ in nothing but their
// key, so that a fleet reads as one line.
func alike(changes []plan.Change, verbose bool) [][]plan.Change {
	var groups [][]plan.Change
	find := map[string]int{}
	for _, c := range changes {
		key := fmt.Sprint(c.Addr.Block, c.Action, c.Removal, c.Consequences, c.Protected)
		for _, e := range c.Edits {
			key += fmt.Sprint(e.Path, withoutKey(e.Before, c.Addr), withoutKey(e.After, c.Addr), e.Unknown, e.Sensitive, e.Forces)
		}
		i, ok := find[key]
		if !ok || verbose {
			find[key] = len(groups)
			groups = append(groups, nil)
			i = len(groups) - 1
		}
		groups[i] = append(groups[i], c)
	}
	return groups
}

// withoutKey is a value in which references by the instance's own key look
// alike in all instances.
func withoutKey(value json.RawMessage, addr addrs.Instance) string {
	s := string(value)
	if !addr.Keyed {
		return s
	}
	return strings.ReplaceAll(s, `[\"`+addr.Key+`\"]`, "[each.key]")
}

func address(group []plan.Change) string {
	if len(group) == 1 {
		return group[0].Addr.String()
	}
	keys := make([]string, len(group))
	for i, c := range group {
		keys[i] = fmt.Sprintf("%q", c.Addr.Key)
	}
	return fmt.Sprintf("%s[%s]", group[0].Addr.Block, strings.Join(keys, ", "))
}

func word(c plan.Change) string {
	switch c.Action {
	case providers.Remove:
		return string(c.Removal)
	case providers.Adopt:
		return "adopt: it exists, and is taken over"
	default:
		return string(c.Action)
	}
}

func (v *planView) edits(edits []plan.Edit, indent string) {
	width := 0
	if !v.verbose {
		edits = slices.DeleteFunc(slices.Clone(edits), func(e plan.Edit) bool { return e.Computed })
	}
	for _, e := range edits {
		width = max(width, len(e.Path.String()))
	}
	for _, e := range edits {
		forces := ""
		if e.Forces {
			forces = red("   forces replacement")
		}
		v.line("%s%-*s  %s%s", indent, width, e.Path, editText(e), forces)
	}
}

func editText(e plan.Edit) string {
	switch {
	case e.Sensitive:
		return "(sensitive)"
	case e.Unknown:
		return "(known after apply)"
	case e.Before == nil:
		return value(e.After)
	case e.After == nil:
		return value(e.Before) + red(" → left out")
	}
	if text, ok := setText(e.Before, e.After); ok {
		return text
	}
	return value(e.Before) + " → " + value(e.After)
}

// setText shows a list as what comes and what goes.
func setText(before, after json.RawMessage) (string, bool) {
	var b, a []json.RawMessage
	if json.Unmarshal(before, &b) != nil || json.Unmarshal(after, &a) != nil {
		return "", false
	}
	has := func(list []json.RawMessage, v json.RawMessage) bool {
		return slices.ContainsFunc(list, func(o json.RawMessage) bool { return bytes.Equal(o, v) })
	}
	var parts []string
	same := 0
	for _, v := range b {
		if !has(a, v) {
			parts = append(parts, red("- "+value(v)))
		} else {
			same++
		}
	}
	for _, v := range a {
		if !has(b, v) {
			parts = append(parts, green("+ "+value(v)))
		}
	}
	if len(parts) == 0 {
		return "(another order)", true
	}
	if same > 0 {
		parts = append(parts, faint(fmt.Sprintf("(%d stay)", same)))
	}
	return strings.Join(parts, "  "), true
}

// value prints JSON on one line, strings of addresses without their quotes.
func value(v json.RawMessage) string {
	var s string
	if json.Unmarshal(v, &s) == nil {
		if _, err := addrs.ParseInstance(s); err == nil {
			return clean(s)
		}
		return fmt.Sprintf("%q", clean(s))
	}
	var list []json.RawMessage
	if json.Unmarshal(v, &list) == nil {
		parts := make([]string, len(list))
		for i, e := range list {
			parts[i] = value(e)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return clean(shorten(string(v), 120))
}

func (v *planView) content() {
	if len(v.plan.Content) == 0 {
		return
	}
	v.heading("Content")
	for _, c := range v.plan.Content {
		v.line("  %s%s", bold(c.Vault.String()), faint("   "+c.Addr.String()+", "+c.Title))
		if c.Impact.Unaffected() && !v.verbose {
			v.line("    unaffected (proved): %s stay as they are", count(c.Impact.Total.Unchanged, "item"))
		} else {
			v.table(c.Impact)
		}
		v.details(c)
	}
}

// table counts what becomes of the items, containers first.
func (v *planView) table(i syncer.Impact) {
	columns := []struct {
		title string
		count func(syncer.Counts) int
	}{
		{"added", syncer.Counts.Published},
		{"updated", func(c syncer.Counts) int { return c.Updated }},
		{"withdrawn", func(c syncer.Counts) int { return c.Withdrawn }},
		{"unchanged", func(c syncer.Counts) int { return c.Unchanged }},
		{"kept", func(c syncer.Counts) int { return c.Kept }},
		{"failing", func(c syncer.Counts) int { return c.Exceptions }},
	}
	row := fmt.Sprintf("    %-18s", "")
	for n, col := range columns {
		if n < 4 || col.count(i.Total) > 0 {
			row += fmt.Sprintf("%11s", col.title)
		}
	}
	v.line("%s", faint(row))
	for _, p := range slices.Backward(i.Parts) {
		row := fmt.Sprintf("    %-18s", p.Title)
		for n, col := range columns {
			if n < 4 || col.count(i.Total) > 0 {
				row += fmt.Sprintf("%11s", number(col.count(p.Counts)))
			}
		}
		v.line("%s", row)
	}
}

// details adds what the totals hide: countries, names, and what is not done.
func (v *planView) details(c plan.Content) {
	i := c.Impact
	var byRoute []string
	for _, r := range i.Routes {
		if n := r.Written(); n > 0 && r.Key != "" {
			byRoute = append(byRoute, fmt.Sprintf("%s %s", clean(r.Title), signed(r.Counts)))
		}
	}
	var lines []string
	if len(byRoute) > 0 {
		lines = append(lines, "by country: "+strings.Join(byRoute, ", "))
	}
	names := func(verb, label string) {
		items := i.Names[verb]
		if len(items) == 0 {
			return
		}
		show := 3
		if v.verbose {
			show = len(items)
		}
		var titles []string
		for _, it := range items[:min(show, len(items))] {
			text := clean(it.Title)
			if it.Reason != "" {
				text += " (" + clean(it.Reason) + ")"
			}
			titles = append(titles, text)
		}
		more := ""
		if total := verbTotal(i.Total, verb); total > len(titles) {
			more = fmt.Sprintf(" … and %d more", total-len(titles))
		}
		lines = append(lines, label+": "+strings.Join(titles, "; ")+more)
	}
	if v.verbose {
		names(syncer.Added, "added")
		names(syncer.Updated, "updated")
	}
	names(syncer.Withdrawn, "withdrawn")
	names(syncer.Exception, "cannot be published")
	names(syncer.Kept, "kept as they are")
	if i.Blank > 0 {
		lines = append(lines, fmt.Sprintf("%s without a country, which go nowhere", count(i.Blank, "item")))
	}
	if i.First {
		lines = append(lines, "the first full sync into an empty vault: max_published does not apply")
	}
	if i.Withheld != "" {
		lines = append(lines, "nothing is withdrawn: "+clean(i.Withheld))
	}
	for _, l := range lines {
		v.line("    %s", wrap(l, "      "))
	}
}

func verbTotal(c syncer.Counts, verb string) int {
	switch verb {
	case syncer.Withdrawn:
		return c.Withdrawn
	case syncer.Exception:
		return c.Exceptions
	case syncer.Kept:
		return c.Kept
	case syncer.Added:
		return c.Added
	case syncer.Updated:
		return c.Updated
	}
	return 0
}

func signed(c syncer.Counts) string {
	var parts []string
	if n := c.Published(); n > 0 {
		parts = append(parts, green(fmt.Sprintf("+%d", n)))
	}
	if c.Updated > 0 {
		parts = append(parts, yellow(fmt.Sprintf("~%d", c.Updated)))
	}
	if c.Withdrawn > 0 {
		parts = append(parts, red(fmt.Sprintf("-%d", c.Withdrawn)))
	}
	return strings.Join(parts, " ")
}

func (v *planView) syncs() {
	var shown []plan.SyncLine
	for _, s := range v.plan.Syncs {
		if d := s.Decision; v.verbose || d.Mode != syncer.None || d.HeldBack != "" || v.alarming(s) {
			shown = append(shown, s)
		}
	}
	if len(shown) == 0 {
		return
	}
	v.heading("Syncs")
	t := tabwriter.NewWriter(v.w, 2, 0, 2, ' ', 0)
	for _, s := range shown {
		d := s.Decision
		fmt.Fprintf(t, "  %s\t%s\t%s\n", s.Addr, modeText(d), syncText(d))
	}
	t.Flush()
}

// alarming: someone wants it to run, and it does not.
func (v *planView) alarming(s plan.SyncLine) bool {
	return s.Decision.Idle != "" && len(v.plan.Steps) > 0
}

func modeText(d syncer.Decision) string {
	switch {
	case d.Step:
		return "FULL"
	case d.Mode == syncer.Full:
		return "full (due)"
	case d.Mode == syncer.Incremental:
		return "incremental (due)"
	default:
		return "—"
	}
}

func syncText(d syncer.Decision) string {
	var words []string
	for _, r := range d.Reasons {
		words = append(words, r.Words())
	}
	text := strings.Join(words, ", ")
	if !d.EarliestStart.IsZero() && d.EarliestStart.After(d.At) {
		text += fmt.Sprintf(" · starts %s", d.EarliestStart.Local().Format("15:04:05"))
	}
	if d.HeldBack != "" {
		text += " · held back: " + clean(d.HeldBack)
	}
	if d.Idle != "" {
		text += clean(d.Idle)
	}
	if d.Mode != syncer.Full && !d.FullAt.IsZero() {
		text += " · full on " + d.FullAt.Local().Format("2 Jan 15:04")
	}
	return strings.TrimPrefix(text, " · ")
}

func (v *planView) verdict() {
	p := v.plan
	due := 0
	for _, s := range p.Syncs {
		if !s.Decision.Step && s.Decision.Mode != syncer.None {
			due++
		}
	}
	if p.Empty() {
		text := "Nothing to do: the vaults are as the configuration says."
		if due > 0 {
			text += fmt.Sprintf(" %s due for accord sync.", count(due, "incremental run"))
		}
		v.line("\n%s", bold(text))
		return
	}
	c := p.Count()
	parts := []string{}
	add := func(n int, text string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, text))
		}
	}
	add(c.Create, "to create")
	add(c.Adopt, "to adopt")
	add(c.Update, "to change")
	add(c.Replace, "to replace")
	add(c.Remove, "to remove")
	add(len(p.Drift), "drifted")
	if c.Full > 0 {
		parts = append(parts, count(c.Full, "full sync"), fmt.Sprintf("%d in, %d out", c.In, c.Out))
	}
	if len(parts) == 0 {
		parts = append(parts, "only what accord remembers changes")
	}
	v.line("\n%s %s", bold("Plan:"), strings.Join(parts, ", ")+".")
}

// count is a number with its noun.
func count(n int, noun string) string { return number(n) + " " + plural(n, noun) }

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

func shorten(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n-1]) + "…"
}

// wrap breaks text at 100 columns.
func wrap(s, indent string) string {
	var out strings.Builder
	col := len(indent)
	for i, word := range strings.Fields(s) {
		n := len([]rune(word))
		if i > 0 && col+n+1 > 100 {
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
		case r < 0x20 || r == 0x7f || r >= 0x80 && r < 0xa0 || r == 0x2028 || r == 0x2029,
			r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069:
			return -1
		}
		return r
	}, s)
}
