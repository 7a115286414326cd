package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/planner/syncer"
)

// newly names the countries that a vault receives for the first time (CTRY-8).
// It stands at the top, since that is what a reviewer must not miss.
func (v *planView) newly() {
	for _, n := range v.plan.Newly {
		v.line("%s", wrap(fmt.Sprintf("%s %s newly receives %s%s: %s", yellow("!"), bold(n.Vault.String()), bold(clean(n.Title)), n.by(), comes(signed(n.Counts))), "  ", v.width))
	}
}

// comes is what comes of a country that is newly received: nothing, where all of it
// was there before, for another country.
func comes(counts string) string { return cmp.Or(counts, "nothing that was not there before") }

func (v *planView) content() {
	if len(v.plan.Content) == 0 {
		v.untouched()
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
		if nothingToTell(c.Impact) && !v.verbose {
			continue
		}
		v.line("  %s  %s", c.Vault, faint(c.Addr.String()))
		for _, p := range slices.Backward(c.Impact.Parts) {
			if narrow {
				v.text("    ", p.Title+": "+listed(columns, p.Counts))
				continue
			}
			row := "    " + padded(p.Title, labelWidth-4)
			for _, col := range columns {
				row += fmt.Sprintf("%*s", columnWidth, number(col.count(p.Counts)))
			}
			v.line("%s", row)
		}
		v.details(c)
	}
	v.unaffected()
}

// untouched says that a change of the configuration comes without any run.
func (v *planView) untouched() {
	if v.plan.untouched() {
		v.heading("Content")
		v.unaffected()
	}
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
		if !slices.Contains(groups[i].keys, vault.Key) { // several points lead to one vault
			groups[i].keys = append(groups[i].keys, vault.Key)
		}
	}
	for _, still := range v.still() {
		c, by := still.first, clean(still.by())
		text := fmt.Sprintf("%s: %s (%s; %s)", unaffectedBy(c.Impact), stays(still.read), by, asOf(c.Impact))
		if v.affected(c.Vault) {
			text = fmt.Sprintf("%s by %s: %s (%s)", unaffectedBy(c.Impact), by, stays(still.read), asOf(c.Impact))
		}
		add(c.Vault, text)
	}
	for _, idle := range v.plan.Idle {
		add(idle.Vault, stillness)
	}
	for _, g := range groups {
		name := addrs.Several(g.first, g.keys)
		if v.verbose {
			name = addrs.SeveralInFull(g.first, g.keys)
		}
		v.text("  ", name+"  "+g.text)
	}
}

// affected reports whether some point changes the content of a vault, whatever
// others leave as it is.
func (v *planView) affected(vault addrs.Instance) bool {
	return slices.ContainsFunc(v.plan.Content, func(c plan.Content) bool { return c.Vault == vault && !nothingToTell(c.Impact) })
}

// stillness is said of vaults in which nothing runs.
const stillness = "no run, so what is there stays as it is"

// still are the points of one vault whose runs leave everything as it is.
type still struct {
	first plan.Content
	keys  []string // of the points
	read  int      // items
}

// still tells points that lead to one vault by the same way as one.
func (v *planView) still() []still {
	var list []still
	for _, c := range v.plan.Content {
		if !nothingToTell(c.Impact) || v.verbose {
			continue
		}
		i := slices.IndexFunc(list, func(s still) bool {
			f := s.first
			return f.Vault == c.Vault && f.Addr.Block == c.Addr.Block && f.Title == c.Title && unaffectedBy(f.Impact) == unaffectedBy(c.Impact) && asOf(f.Impact) == asOf(c.Impact)
		})
		if i < 0 {
			i, list = len(list), append(list, still{first: c})
		}
		list[i].keys = append(list[i].keys, c.Addr.Key)
		list[i].read += c.Impact.Total.Unchanged
	}
	return list
}

// by names the point as people know it; several have but their addresses.
func (s still) by() string {
	switch {
	case len(s.keys) > 1:
		return addrs.Several(s.first.Addr, s.keys)
	case s.first.Title != "":
		return s.first.Title
	}
	return s.first.Addr.Block.String()
}

// nothingToTell: nothing would be written, and nothing stays that calls for somebody.
func nothingToTell(i syncer.Impact) bool {
	return i.Unaffected() && i.Total.Kept == 0 && i.Total.Exceptions == 0
}

// unaffectedBy: what accord's own run leaves as it is is proven; of the platform's
// engine it is what is to be expected (INT-7).
func unaffectedBy(i syncer.Impact) string {
	if i.Decision.Engine != "" {
		return "unaffected (a forecast)"
	}
	return "unaffected (proved)"
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

// inAndOut says how many items users get and lose; of a table within one vault,
// how many it does.
func inAndOut(i syncer.Impact) string {
	in, out := number(i.Total.Published()), number(i.Total.Withdrawn)
	if i.Within {
		return in + " added, " + out + " withdrawn"
	}
	return in + " in, " + out + " out"
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
	if !i.Within {
		var countries []string
		for _, r := range countriesOf(i) {
			countries = append(countries, clean(r.Title)+" "+signed(r.Counts))
		}
		v.some(byCountry(i), countries)
		for _, group := range groupsOf(i) {
			var names []string
			for _, g := range i.Groups[group] {
				if g.Written() > 0 && g.Name != "" {
					names = append(names, clean(g.Name)+" "+signed(g.Counts))
				}
			}
			v.some("by "+clean(group), names)
		}
	}
	for _, verb := range named {
		v.names(i, verb)
	}
	for _, note := range notesOn(c) {
		v.text("    ", clean(note))
	}
	v.text("    ", faint(readText(i)))
}

// named are the verbs whose items are named, in the order of what a reviewer must
// not miss.
var named = []string{syncer.Withdrawn, syncer.Exception, syncer.Kept, syncer.Added, syncer.Restored, syncer.Updated}

// verbTitle is a verb over the names of its items.
func verbTitle(verb string) string {
	switch verb {
	case syncer.Exception:
		return "cannot be published"
	case syncer.Kept:
		return "kept as they are"
	}
	return verb
}

// byCountry is the title of counts by country.
func byCountry(i syncer.Impact) string {
	if severalOf(i) {
		return "by country (what is for several, in each)"
	}
	return "by country"
}

// notesOn are what is to be said of content beside what is counted and named.
func notesOn(c plan.Content) (notes []string) {
	i := c.Impact
	switch {
	case i.Blank == 1:
		notes = append(notes, "1 item has no country, and goes nowhere")
	case i.Blank > 1:
		notes = append(notes, number(i.Blank)+" items have no country, and go nowhere")
	}
	if i.First && !i.Within && i.Total.Published() > 0 {
		notes = append(notes, "the first full sync of an empty vault: max_published does not apply")
	}
	if i.Inherited > 0 && !i.Within {
		notes = append(notes, "beside these stays what the engine before published, "+count(i.Inherited, "item")+": limits are measured by it (INT-7)")
	}
	if i.Withheld != "" {
		notes = append(notes, "nothing is withdrawn: "+i.Withheld)
	}
	return notes
}

// countriesOf are the countries whose content changes; last what has none, since it
// is blank or the source has it no more.
func countriesOf(i syncer.Impact) (list []syncer.RouteImpact) {
	var none []syncer.RouteImpact
	for _, r := range i.Routes {
		switch {
		case r.Written() == 0:
		case r.Key == "":
			r.Title = "no country"
			none = append(none, r)
		default:
			list = append(list, r)
		}
	}
	return append(list, none...)
}

// severalOf reports whether countries count an item more than once.
func severalOf(i syncer.Impact) bool {
	n := 0
	for _, p := range i.Parts {
		if p.Routed {
			n -= p.Written()
		}
	}
	for _, r := range i.Routes {
		n += r.Written()
	}
	return n > 0
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
	switch {
	case i.Decision.Engine != "":
		how = "a forecast of what the platform's engine does"
	case i.Exact:
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

// some lists the first few of many, all with -verbose. Names of countries and of
// products may hold commas.
func (v *planView) some(label string, items []string) {
	if len(items) == 0 {
		return
	}
	const few = 8
	more := ""
	if n := len(items) - few; n > 0 && !v.verbose {
		items, more = items[:few], fmt.Sprintf(" … and %s more", number(n))
	}
	v.text("    ", label+": "+strings.Join(items, "; ")+more)
}

// names lists some of the items that something becomes of, more with -verbose.
func (v *planView) names(i syncer.Impact, verb string) {
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
	if total := i.Total.Of(verb); total > len(titles) {
		more = fmt.Sprintf(" … and %s more", number(total-len(titles)))
	}
	v.text("    ", verbTitle(verb)+": "+clean(strings.Join(titles, "; "))+more)
}

// signed are the counts of what changes, in colours.
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
