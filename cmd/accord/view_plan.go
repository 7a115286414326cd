package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

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

// look is how a plan is to be shown.
type look struct {
	format   string // text, json, markdown or html
	maxBytes int    // of Markdown
	since    string // a file with an earlier plan

	was     *document // that plan
	verbose bool
	concise bool
}

func (l *look) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&l.verbose, "verbose", false, "list everything")
	cmd.Flags().BoolVar(&l.concise, "concise", false, "the verdict and the totals only")
}

func (l *look) formatFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.format, "format", "text", "print it as `FORMAT`: text, json (one document), markdown (for a pull request), html (one file)")
	cmd.Flags().IntVar(&l.maxBytes, "max-bytes", markdownBudget, "leave sections of Markdown out beyond `N` bytes")
}

func (l *look) sinceFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.since, "since", "", "say as well what is new since an earlier plan: a `FILE` that -out saved, or -format=json printed")
}

// check refuses what cannot be shown of something, before anything is done for it.
func (l *look) check(c *cli, of string) error {
	switch {
	case !slices.Contains([]string{"", "text", "json", "markdown", "html"}, l.format):
		return misused("It is text, json, markdown or html.", "There is no format %q of %s", l.format, of)
	case c.json && l.format != "" && l.format != "text":
		return misused("-json prints lines while things happen, -format=json one document at the end.", "-json and -format=%s exclude each other", l.format)
	case l.maxBytes < 0:
		return misused("It is a number of bytes, such as 60000.", "-max-bytes=%d is no size", l.maxBytes)
	}
	if l.since == "" {
		return nil
	}
	was, err := earlier(l.since)
	l.was = was
	return err
}

// document reports whether standard output is one document, and nothing else.
func (l *look) document() bool { return l.format != "" && l.format != "text" }

// showPlan prints a plan in the format that was asked for.
func (c *cli) showPlan(p *plan.Plan, l look) error {
	d := documentOf(p)
	if l.was != nil {
		d.Since = since(l.was, d)
	}
	var out []byte
	var err error
	switch {
	case c.json:
		c.planLines(d)
	case l.format == "json":
		out, err = d.encode()
	case l.format == "markdown":
		out = markdown(d, l)
	case l.format == "html":
		out, err = report(d)
	default:
		c.planText(d, l)
	}
	if err == nil && out != nil {
		_, err = c.stdout.Write(out)
	}
	return err
}

func (c *cli) planText(d *document, l look) {
	v := c.planView(d, l.verbose)
	v.failed()
	v.newly()
	v.scope()
	v.resolved()
	v.since()
	if !l.concise {
		v.reads()
		v.drift()
		v.moves()
		v.changes()
		v.unknown()
		v.content()
		v.syncs()
	}
	v.verdict()
}

// failed says that this is no plan.
func (v *planView) failed() {
	if v.plan.Failed {
		v.line("%s", red(wrap("! The plan failed, and nothing can be applied. What is known all the same:", "  ", v.width)))
	}
}

// unknown lists the objects of which a plan that failed cannot say what they
// will be.
func (v *planView) unknown() {
	all := v.plan.Unknown
	if len(all) == 0 {
		return
	}
	v.heading(fmt.Sprintf("Not known (%d)", len(all)))
	const few = 12
	for i, u := range all {
		if i == few && len(all) > few+1 && !v.verbose {
			v.text("  ", faint(fmt.Sprintf("… and %s more (-verbose lists them)", number(len(all)-few))))
			return
		}
		v.text("  ", fmt.Sprintf("%s %s  %s  %s", yellow("?"), u.Addr, faint(u.At()), clean(u.Because)))
	}
}

// planView prints a plan for people.
type planView struct {
	w       io.Writer
	width   int
	plan    *document
	verbose bool
}

func (c *cli) planView(d *document, verbose bool) planView {
	return planView{w: c.stdout, width: screenWidth(c.stdout), plan: d, verbose: verbose}
}

func (v *planView) line(format string, args ...any) { fmt.Fprintf(v.w, format+"\n", args...) }

func (v *planView) heading(text string) { v.line("\n%s", bold(wrap(text, "  ", v.width))) }

// text prints a paragraph, its further lines indented like the first.
func (v *planView) text(indent, s string) { v.line("%s%s", indent, wrap(s, indent, v.width)) }

// scope says loudly what the plan is not about.
func (v *planView) scope() {
	p := v.plan
	if p.Partial() {
		var flags []string
		for _, t := range p.Target {
			flags = append(flags, "-target="+clean(t))
		}
		for _, t := range p.Exclude {
			flags = append(flags, "-exclude="+clean(t))
		}
		v.line("%s", yellow(wrap(fmt.Sprintf("! This plan is partial (%s). Left out, and as they are afterwards: %s.", strings.Join(flags, " "), count(p.LeftOut, "object")), "  ", v.width)))
	}
	if p.Assumed {
		v.line("%s", yellow(wrap("! As remembered (-refresh=false): what the state remembers was not read again, so what changed in the vaults since is not seen.", "  ", v.width)))
	}
}

// resolved says what came of calls whose answer was lost.
func (v *planView) resolved() {
	for _, r := range v.plan.Resolved {
		v.text("  ", yellow("! ")+resolvedText(r))
	}
}

func (v *planView) reads() {
	r := v.plan.Reads
	text := fmt.Sprintf("Read %s, %s", count(r.Instances, "vault"), count(r.Objects, "object"))
	if r.Records > 0 {
		text += fmt.Sprintf(" and %s of content", count(r.Records, "record"))
	}
	v.line("%s", faint(wrap(fmt.Sprintf("%s%s in %s.", text, byCalls(r.Calls), round(time.Duration(r.Took)*time.Millisecond)), "", v.width)))
}

// newly names the countries that a vault receives for the first time (CTRY-8).
// It stands at the top, since that is what a reviewer must not miss.
func (v *planView) newly() {
	for _, n := range v.plan.Newly {
		v.line("%s", wrap(fmt.Sprintf("%s %s newly receives %s: %s", yellow("!"), bold(n.Vault.String()), bold(clean(n.Title)), signed(n.Counts)), "  ", v.width))
	}
}

// movesContent reports whether a sync moves content, with members and containers,
// and not only a table that others are routed by.
func movesContent(c plan.Content) bool { return len(c.Impact.Parts) > 1 }

func (v *planView) moves() {
	if len(v.plan.Moves) == 0 {
		return
	}
	v.heading(fmt.Sprintf("Renamed (%d)", len(v.plan.Moves)))
	for _, m := range v.plan.Moves {
		v.line("  %s is now %s  %s", m.From, m.To, faint(m.At()))
	}
}

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
		v.edits(d.Edits, "      ", eachKey(nil))
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
	groups := alike(v.plan.Changes, v.verbose)
	names, words := 0, 0
	for _, group := range groups {
		names, words = max(names, len([]rune(address(group)))), max(words, len(word(group[0])))
	}
	for _, group := range groups {
		c := group[0]
		at := c.At()
		if names+words+len(at)+10 > v.width {
			names, words = 0, 0 // too narrow for columns
		}
		if visible(address(group))+len(word(c))+len(at)+10 > v.width {
			v.text("  ", paint(c.Action, symbols[c.Action])+" "+address(group))
			v.text("        ", strings.TrimSpace(word(c)+"  "+faint(at)))
			v.under(group)
			continue
		}
		head := fmt.Sprintf("  %s %-*s  %-*s  %s", paint(c.Action, fmt.Sprintf("%3s", symbols[c.Action])), names, address(group), words, word(c), faint(at))
		why := c.Reason.Words()
		if width := visible(head); width+len(why)+2 <= v.width || why == "" {
			v.line("%s", strings.TrimRight(head+"  "+faint(why), " "))
		} else {
			v.line("%s", strings.TrimRight(head, " "))
			v.text("        ", faint(why))
		}
		v.under(group)
	}
}

// under is what stands below the line of a change.
func (v *planView) under(group []plan.Change) {
	c := group[0]
	v.edits(placed(group), "        ", eachKey(group))
	if c.Same > 0 && c.Action == providers.Update {
		v.line("        %s", faint(fmt.Sprintf("(%s unchanged)", count(c.Same, "attribute"))))
	}
	for _, text := range c.Consequences {
		v.text("        ", clean(text))
	}
}

// placed are the edits of a group, with the lines that all of it have in common.
func placed(group []plan.Change) []plan.Edit {
	edits := slices.Clone(group[0].Edits)
	for i := range edits {
		e := &edits[i]
		if e.Place == group[0].Place {
			e.Place = plan.Place{}
		}
		for _, c := range group[1:] {
			if c.Edits[i].Place != group[0].Edits[i].Place {
				e.Place = plan.Place{}
			}
			if a, b := c.Edits[i].Origin, e.Origin; a == nil || b == nil || *a != *b {
				e.Origin = nil
			}
		}
	}
	return edits
}

// eachKey writes a value of the first of a group as it stands for all.
func eachKey(group []plan.Change) func(string) string {
	return func(text string) string {
		if len(group) < 2 {
			return text
		}
		return strings.ReplaceAll(text, fmt.Sprintf("[%q]", group[0].Addr.Key), "[each.key]")
	}
}

// alike groups changes of one for_each block that differ in nothing but their
// key, so that a fleet reads as one line.
func alike(changes []plan.Change, verbose bool) [][]plan.Change {
	var groups [][]plan.Change
	find := map[string]int{}
	for _, c := range changes {
		key := fmt.Sprint(c.Addr.Block, c.Action, c.Removal, c.Consequences, c.Protected, c.Reason)
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
	keys := make([]string, len(group))
	for i, c := range group {
		keys[i] = c.Addr.Key
	}
	return fleet(group[0].Addr, keys)
}

// fleet names several instances of one block.
func fleet(first addrs.Instance, keys []string) string {
	if len(keys) == 1 {
		return first.String()
	}
	quoted := make([]string, len(keys))
	for i, k := range keys {
		quoted[i] = fmt.Sprintf("%q", k)
	}
	return fmt.Sprintf("%s[%s]", first.Block, strings.Join(quoted, ", "))
}

func word(c plan.Change) string {
	switch c.Action {
	case providers.Remove:
		return string(c.Removal)
	case providers.Adopt:
		return "adopt"
	default:
		return string(c.Action)
	}
}

func (v *planView) edits(edits []plan.Edit, indent string, each func(string) string) {
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
		at := e.At()
		if e.Origin != nil {
			at = strings.TrimPrefix(at+" ← "+e.Origin.At(), " ")
		}
		if at != "" {
			at = faint("  " + at)
		}
		text := fmt.Sprintf("%s%-*s  %s%s%s", indent, width, e.Path, each(editText(e)), forces, at)
		if visible(text) > v.width {
			v.line("%s%s", indent, e.Path)
			v.text(indent+"  ", each(editText(e))+forces+at)
			continue
		}
		v.line("%s", text)
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
	gone, come, same, ok := setChanges(before, after)
	if !ok {
		return "", false
	}
	var parts []string
	for _, v := range gone {
		parts = append(parts, red("- "+value(v)))
	}
	for _, v := range come {
		parts = append(parts, green("+ "+value(v)))
	}
	if len(parts) == 0 {
		return "(another order)", true
	}
	if same > 0 {
		parts = append(parts, faint(fmt.Sprintf("(%d stay)", same)))
	}
	return strings.Join(parts, "  "), true
}

// setChanges are the members of two lists that only one has, and how many
// both have; ok is false where either is no list.
func setChanges(before, after json.RawMessage) (gone, come []json.RawMessage, same int, ok bool) {
	var b, a []json.RawMessage
	if json.Unmarshal(before, &b) != nil || json.Unmarshal(after, &a) != nil {
		return nil, nil, 0, false
	}
	has := func(list []json.RawMessage, v json.RawMessage) bool {
		return slices.ContainsFunc(list, func(o json.RawMessage) bool { return bytes.Equal(o, v) })
	}
	for _, v := range b {
		if has(a, v) {
			same++
		} else {
			gone = append(gone, v)
		}
	}
	for _, v := range a {
		if !has(b, v) {
			come = append(come, v)
		}
	}
	return gone, come, same, true
}

// value prints JSON on one line as a file would say it, addresses without
// quotes.
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
	var object map[string]json.RawMessage
	if json.Unmarshal(v, &object) == nil && object != nil {
		parts := make([]string, 0, len(object))
		for _, k := range slices.Sorted(maps.Keys(object)) {
			parts = append(parts, clean(k)+" = "+value(object[k]))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	}
	return clean(shorten(string(v), 120))
}

func (v *planView) content() {
	if len(v.plan.Content) == 0 {
		return
	}
	columns := v.columns()
	narrow := v.width < labelWidth+columnWidth*len(columns)
	head := fmt.Sprintf("%-*s", labelWidth, "Content")
	for _, col := range columns {
		if !narrow {
			head += fmt.Sprintf("%*s", columnWidth, col.title)
		}
	}
	v.line("\n%s", bold(strings.TrimRight(head, " ")))
	for _, c := range v.plan.Content {
		if c.Impact.Unaffected() && !v.verbose {
			continue
		}
		v.line("  %s  %s", c.Vault, faint(c.Addr.String()))
		for _, p := range slices.Backward(c.Impact.Parts) {
			if narrow {
				v.text("    ", p.Title+": "+listed(columns, p.Counts))
				continue
			}
			row := fmt.Sprintf("    %-*s", labelWidth-4, p.Title)
			for _, col := range columns {
				row += fmt.Sprintf("%*s", columnWidth, number(col.count(p.Counts)))
			}
			v.line("%s", row)
		}
		v.details(c)
	}
	v.unaffected()
}

const labelWidth, columnWidth = 22, 11

// listed are the columns that count something, as a list.
func listed(columns []column, c syncer.Counts) string {
	var parts []string
	for _, col := range columns {
		if n := col.count(c); n > 0 {
			parts = append(parts, number(n)+" "+col.title)
		}
	}
	if len(parts) == 0 {
		return "none"
	}
	return strings.Join(parts, ", ")
}

// unaffected names the vaults whose content is proven to stay, and those in
// which nothing runs; what is alike, in one line.
func (v *planView) unaffected() {
	type group struct {
		first addrs.Instance
		keys  []string
		text  string
	}
	var groups []group
	add := func(vault addrs.Instance, text string) {
		i := slices.IndexFunc(groups, func(g group) bool { return g.first.Block == vault.Block && g.text == text })
		if i < 0 || v.verbose {
			i, groups = len(groups), append(groups, group{first: vault, text: text})
		}
		groups[i].keys = append(groups[i].keys, vault.Key)
	}
	for _, c := range v.plan.Content {
		if c.Impact.Unaffected() && !v.verbose {
			by := c.Title
			if by == "" {
				by = c.Addr.Block.String()
			}
			add(c.Vault, fmt.Sprintf("unaffected (proved): %s (%s; %s)", stays(c.Impact.Total.Unchanged), clean(by), asOf(c.Impact)))
		}
	}
	for _, idle := range v.plan.Idle {
		add(idle.Vault, "no run, so its content stays as it is")
	}
	for _, g := range groups {
		v.text("  ", fleet(g.first, g.keys)+"  "+g.text)
	}
}

func stays(n int) string {
	switch n {
	case 0:
		return "nothing was read that could change"
	case 1:
		return "1 item was read, and stays as it is"
	}
	return number(n) + " items were read, and stay as they are"
}

// column is one thing that may become of an item.
type column struct {
	title string
	count func(syncer.Counts) int
}

// columns are what is always counted, and of the rest what there is.
func (v *planView) columns() []column {
	columns := []column{
		{"added", func(c syncer.Counts) int { return c.Added }},
		{"updated", func(c syncer.Counts) int { return c.Updated }},
		{"withdrawn", func(c syncer.Counts) int { return c.Withdrawn }},
		{"unchanged", func(c syncer.Counts) int { return c.Unchanged }},
	}
	for _, col := range []column{
		{"restored", func(c syncer.Counts) int { return c.Restored }},
		{"kept", func(c syncer.Counts) int { return c.Kept }},
		{"failing", func(c syncer.Counts) int { return c.Exceptions }},
	} {
		if slices.ContainsFunc(v.plan.Content, func(c plan.Content) bool { return col.count(c.Impact.Total) > 0 }) {
			columns = append(columns, col)
		}
	}
	return columns
}

// details adds what the totals hide: countries, names, and what is not done.
func (v *planView) details(c plan.Content) {
	i := c.Impact
	if movesContent(c) {
		var countries []string
		for _, r := range i.Routes {
			if r.Written() > 0 && r.Key != "" {
				countries = append(countries, clean(r.Title)+" "+signed(r.Counts))
			}
		}
		v.some("by country: ", countries)
		for _, group := range groupsOf(i) {
			var names []string
			for _, g := range i.Groups[group] {
				if g.Written() > 0 && g.Name != "" {
					names = append(names, clean(g.Name)+" "+signed(g.Counts))
				}
			}
			v.some("by "+clean(group)+": ", names)
		}
	}
	if v.verbose {
		v.names(i, syncer.Added, "added")
		v.names(i, syncer.Restored, "restored")
		v.names(i, syncer.Updated, "updated")
	}
	v.names(i, syncer.Withdrawn, "withdrawn")
	v.names(i, syncer.Exception, "cannot be published")
	v.names(i, syncer.Kept, "kept as they are")
	switch {
	case i.Blank == 1:
		v.text("    ", "1 item has no country, and goes nowhere")
	case i.Blank > 1:
		v.text("    ", number(i.Blank)+" items have no country, and go nowhere")
	}
	if i.First && movesContent(c) && i.Total.Published() > 0 {
		v.text("    ", "the first full sync of an empty vault: max_published does not apply")
	}
	if i.Withheld != "" {
		v.text("    ", "nothing is withdrawn: "+clean(i.Withheld))
	}
	v.text("    ", faint(readText(i)))
}

// groupsOf are the names by which an impact groups items, but for the country,
// which its routes tell better.
func groupsOf(i syncer.Impact) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(i.Groups)), func(name string) bool { return name == "country" && len(i.Routes) > 0 })
}

// readText says how well the counts are known, and what it took to know them.
func readText(i syncer.Impact) string {
	text := fmt.Sprintf("%s: %s read%s", asOf(i), count(i.Records, "record"), byCalls(i.Calls))
	if 0 < i.Shared && i.Shared < i.Calls {
		text += fmt.Sprintf(", %s of them for all vaults of this source", number(i.Shared))
	}
	return text
}

// contentRead says what reading content took for all of a plan.
func contentRead(d *document) string {
	return count(d.Reads.Records, "record") + " of content read" + byCalls(d.Reads.Calls)
}

// asOf says whether the counts are exact, and when they were so.
func asOf(i syncer.Impact) string {
	how := "only what changed was looked at"
	if i.Exact {
		how = "exact"
	}
	return how + ", as of " + i.AsOf.UTC().Format("2 Jan 15:04:05 UTC")
}

func byCalls(n int) string {
	if n == 0 {
		return ""
	}
	return " by " + count(n, "call")
}

// some lists the first few of many, all with -verbose.
func (v *planView) some(label string, items []string) {
	if len(items) == 0 {
		return
	}
	const few = 8
	more := ""
	if n := len(items) - few; n > 0 && !v.verbose {
		items, more = items[:few], fmt.Sprintf(" … and %s more", number(n))
	}
	v.text("    ", label+strings.Join(items, ", ")+more)
}

// names lists some of the items that something becomes of, all with -verbose.
func (v *planView) names(i syncer.Impact, verb, label string) {
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
		text := it.Title
		if it.Reason != "" {
			text += " (" + it.Reason + ")"
		}
		titles = append(titles, text)
	}
	more := ""
	if total := verbTotal(i.Total, verb); total > len(titles) {
		more = fmt.Sprintf(" … and %s more", number(total-len(titles)))
	}
	v.text("    ", label+": "+clean(strings.Join(titles, "; "))+more)
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
	case syncer.Restored:
		return c.Restored
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

// shownSyncs are those that run, are due or held back, or should run and do not;
// with -verbose all.
func (v *planView) shownSyncs() []plan.SyncLine {
	return slices.DeleteFunc(slices.Clone(v.plan.Syncs), func(s plan.SyncLine) bool {
		d := s.Decision
		return !v.verbose && d.Mode == syncer.None && d.HeldBack == "" && !v.alarming(s)
	})
}

func (v *planView) syncs() {
	shown := v.shownSyncs()
	if len(shown) == 0 {
		return
	}
	v.heading("Syncs")
	var t table
	for len(shown) > 0 {
		s, keys, rest := shown[0], []string(nil), []plan.SyncLine(nil)
		for _, other := range shown {
			if other.Addr.Block == s.Addr.Block && modeText(other.Decision) == modeText(s.Decision) && syncText(other.Decision) == syncText(s.Decision) {
				keys = append(keys, other.Addr.Key)
			} else {
				rest = append(rest, other)
			}
		}
		shown = rest
		t.add(fleet(s.Addr, keys), modeText(s.Decision), syncText(s.Decision))
	}
	t.print(v.w, "  ", v.width)
	v.calls()
}

// alarming: someone wants it to run, and it does not.
func (v *planView) alarming(s plan.SyncLine) bool {
	return s.Decision.Idle != "" && len(v.plan.Steps) > 0
}

func modeText(d syncer.Decision) string {
	switch {
	case d.Step:
		return "FULL"
	case d.Mode == syncer.Withdrawal:
		return "WITHDRAW ALL"
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
	text := strings.Join(words, ", ") + engineText(d)
	if !d.EarliestStart.IsZero() && d.EarliestStart.After(d.At) {
		text += " · not before " + clockTime(d.EarliestStart, d.At)
	}
	if d.HeldBack != "" {
		text += " · held back: " + clean(d.HeldBack)
	}
	if d.Idle != "" {
		text += clean(d.Idle)
	}
	if d.Mode != syncer.Full && !d.FullAt.IsZero() {
		text += " · full on " + d.FullAt.UTC().Format("2 Jan 15:04 UTC")
	}
	return strings.TrimPrefix(text, " · ")
}

// clockTime is a moment for who reads it at now: the day is said where it is
// another one.
func clockTime(t, now time.Time) string {
	if t.UTC().Format(time.DateOnly) == now.UTC().Format(time.DateOnly) {
		return t.UTC().Format("15:04:05 UTC")
	}
	return t.UTC().Format("2 Jan 15:04:05 UTC")
}

// calls says what the runs are expected to ask of the vaults, and what that is
// of the limit, which each vault has for itself.
func (v *planView) calls() {
	var all plan.Calls
	shares := map[string]float64{}
	most := ""
	for _, s := range v.plan.Syncs {
		if s.Calls != nil {
			all.Reads, all.Writes = all.Reads+s.Calls.Reads, all.Writes+s.Calls.Writes
			vault := s.Vault.String()
			shares[vault] += s.Calls.Share
			if shares[vault] > shares[most] {
				most = vault
			}
		}
	}
	if all.Reads+all.Writes == 0 {
		return
	}
	limit := fmt.Sprintf("%.1f %% of 2 000 calls in 5 minutes", 100*shares[most])
	if shares[most] > 1 {
		limit = fmt.Sprintf("%s at 2 000 calls in 5 minutes", time.Duration(shares[most]*float64(5*time.Minute)).Round(time.Minute))
	}
	text := fmt.Sprintf("expected: %s to read, about %s to write; %s the most: %s", count(all.Reads, "call"), number(all.Writes), most, limit)
	v.line("  %s", faint(wrap(clean(text), "    ", v.width)))
}

// verdict is the last line, and the one to grep for.
func (v *planView) verdict() {
	if v.plan.Nothing {
		v.line("\n%s", wrap(bold(v.plan.Verdict), "", v.width))
		return
	}
	word := "Plan:"
	if v.plan.Failed {
		word = "No plan:"
	}
	for _, a := range v.plan.Allow {
		v.line("")
		v.text("", bold("Limit")+" lifted once: -allow="+clean(a))
	}
	v.line("\n%s", wrap(bold(word)+" "+v.plan.Verdict+".", "", v.width))
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

// visible is how many columns painted text takes.
func visible(s string) int { return len([]rune(unpainted.Replace(s))) }

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
