package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
)

// markdownBudget is how many bytes of Markdown fit into a comment of the code
// hosts that take least: GitHub takes 65,536.
const markdownBudget = 60000

// folded is from how many lines on a part is folded.
const folded = 12

// markdown prints a plan for a pull request: what must not be missed first. It
// never fails for want of room: where it would be longer than the budget, lines
// of the least important parts are left out, and it says so.
func markdown(d *document, l look) []byte {
	m := marker(d)
	parts := []*mdPart{mdNewly(d), mdHeading(d), mdFlags(d), mdSince(d), mdImpact(d), mdDetails(d, l.verbose), mdDrift(d), mdMoves(d), mdChanges(d, l.verbose), mdUnknown(d), mdSyncs(d, l.verbose), mdOutputs(d), mdWarnings(d), mdFooter(d)}
	if l.concise {
		parts = []*mdPart{mdNewly(d), mdHeading(d), mdFlags(d), mdSince(d), mdFooter(d)}
	}
	return within(m, parts, l.maxBytes)
}

// within puts parts together in a number of bytes: the least important are
// shortened first.
func within(m string, parts []*mdPart, maxBytes int) []byte {
	budget := maxBytes - len(m)
	if sizeOf(parts) > budget {
		budget -= len(sectionsLeftOut(len(parts)))
	}
	shorten := slices.Clone(parts)
	slices.SortStableFunc(shorten, func(a, b *mdPart) int { return a.keep - b.keep })
	for _, p := range shorten {
		p.fit(budget - sizeOf(parts) + len(p.text()))
		if sizeOf(parts) <= budget {
			break
		}
	}
	var out strings.Builder
	out.WriteString(m)
	gone := 0
	for _, p := range parts {
		out.WriteString(p.text())
		if len(p.items) == 0 && p.left > 0 {
			gone++
		}
	}
	if gone > 0 {
		out.WriteString(sectionsLeftOut(gone))
	}
	return cut(out.String(), maxBytes)
}

// sectionsLeftOut says that parts are missing of which no item is left.
func sectionsLeftOut(n int) string {
	return fmt.Sprintf("\n… and %s, left out for length\n", count(n, "more section"))
}

// marker is how a bot finds its comment again.
func marker(d *document) string {
	of := d.Lineage
	if of == "" {
		of = "new"
	}
	safe := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '-' && !strings.Contains(of, "--") {
			return r
		}
		return -1
	}, of)
	return "<!-- accord:plan:" + safe + " -->\n"
}

// cut shortens text to a number of bytes, between two characters.
func cut(s string, n int) []byte {
	if len(s) <= n {
		return []byte(s)
	}
	return []byte(strings.ToValidUTF8(s[:max(n, 0)], ""))
}

// mdPart is one part of the comment: what frames it, and items that can be left out
// from the end. The part with the lowest keep is shortened first.
type mdPart struct {
	keep        int
	open, close string
	items       []string
	left        int // how many were left out
}

func (p *mdPart) text() string {
	if len(p.items) == 0 {
		return ""
	}
	more := ""
	if p.left > 0 {
		more = p.leftOut(p.left)
	}
	return p.open + strings.Join(p.items, "") + more + p.close
}

// fit leaves items out until the text is no longer than n bytes.
func (p *mdPart) fit(n int) {
	size := len(p.text())
	if size <= n {
		return
	}
	size += len(p.leftOut(len(p.items)))
	for len(p.items) > 0 && size > n {
		last := len(p.items) - 1
		size -= len(p.items[last])
		p.items = p.items[:last]
		p.left++
	}
}

// leftOut says that items are missing.
func (p *mdPart) leftOut(n int) string {
	return fmt.Sprintf("… and %s more, left out for length\n", number(n))
}

func sizeOf(parts []*mdPart) int {
	n := 0
	for _, p := range parts {
		n += len(p.text())
	}
	return n
}

// fold puts a part behind a line that opens it, where it is long.
func (p *mdPart) fold(summary string) *mdPart {
	lines := 0
	for _, i := range p.items {
		lines += strings.Count(i, "\n")
	}
	if lines > folded {
		p.open = "\n<details><summary>" + summary + "</summary>\n" + p.open
		p.close += "\n</details>\n"
	}
	return p
}

func mdNewly(d *document) *mdPart {
	p := &mdPart{keep: 90, close: "\n"}
	for _, n := range d.Newly {
		by := ""
		if n.Several {
			by = " by " + mdCode(n.Addr.String())
		}
		p.items = append(p.items, fmt.Sprintf("**! %s newly receives %s%s:** %s\n", mdCode(n.Vault.String()), mdCode(n.Title), by, comes(mdCounts(n.Counts))))
	}
	return p
}

func mdHeading(d *document) *mdPart {
	text := mdText(d.Verdict)
	switch {
	case d.Failed:
		text = "no plan: " + text
	case len(d.Refusals) > 0:
		text = "refused: " + text
	case d.Nothing:
		text = "nothing to do"
	case d.Destroy:
		text = "destroy: " + text
	}
	where := ""
	if len(d.Environments) > 0 {
		where = mdText(strings.Join(d.Environments, " and ")) + " · "
	}
	return &mdPart{keep: 100, items: []string{"### accord · " + where + text + "\n"}}
}

// mdFlags are the red flags: what was refused, what leaves the field, what is
// replaced, what changed outside, and what the plan does not look at.
func mdFlags(d *document) *mdPart {
	p := &mdPart{keep: 80, open: "\n> [!CAUTION]\n"}
	flag := func(format string, args ...any) {
		p.items = append(p.items, "> - "+fmt.Sprintf(format, args...)+"\n")
	}
	problem := func(what string, r providers.Diagnostic) {
		code := ""
		if r.Code != "" {
			code = " (" + mdCode(r.Code) + ")"
		}
		flag("**%s**%s: %s", what, code, mdText(paragraph(r)))
	}
	for _, e := range d.Errors {
		problem("failed", e)
	}
	if d.Failed {
		flag("**nothing of this can be applied**: it is what is known all the same")
	}
	for _, r := range d.Refusals {
		problem("refused", r)
	}
	if n := d.Totals.Out; n > 0 {
		flag("**%s withdrawn**: %s", count(n, "item"), withdrawnOf(d))
	}
	for _, c := range d.Changes {
		if c.Action == providers.Replace || c.Action == providers.Remove && c.Removal != "forget" {
			protected := ""
			if c.Protected {
				protected = ", **protected**"
			}
			flag("%s: **%s**%s", mdCode(c.Addr.String()), word(c), protected)
		}
	}
	if n := len(d.Drift); n > 0 {
		flag("**%s changed outside** this configuration", count(n, "object"))
	}
	for _, a := range d.Allow {
		flag("limit lifted once: %s", mdCode(a))
	}
	if d.Partial() {
		flag("partial: %s left out", count(d.LeftOut, "object"))
	}
	if d.Assumed {
		flag("as remembered: what changed in the vaults is not seen (%s)", mdCode("-refresh=false"))
	}
	return p
}

// withdrawnOf says of what kind that is which is withdrawn, over all vaults.
func withdrawnOf(d *document) string {
	var titles []string
	total := map[string]int{}
	for _, c := range d.Content {
		if c.Impact.Within {
			continue
		}
		for _, p := range slices.Backward(c.Impact.Parts) {
			if total[p.Title] += p.Withdrawn; p.Withdrawn > 0 && !slices.Contains(titles, p.Title) {
				titles = append(titles, p.Title)
			}
		}
	}
	for n, title := range titles {
		titles[n] = mdText(title) + " " + number(total[title])
	}
	return strings.Join(titles, ", ")
}

// paragraph is a problem as running text.
func paragraph(d providers.Diagnostic) string {
	text := d.Summary
	if d.Detail != "" && !strings.HasSuffix(text, "?") {
		text += "."
	}
	return strings.TrimSpace(text + " " + d.Detail)
}

// mdImpact is the same table as on the terminal.
func mdImpact(d *document) *mdPart {
	v := planView{plan: d}
	columns := v.columns()
	p := &mdPart{keep: 70}
	if len(d.Content) == 0 {
		if d.untouched() {
			p.open = "\nContent: " + stillness + "\n\n"
			for _, idle := range d.Idle {
				p.items = append(p.items, "- "+mdCode(idle.Vault.String())+"\n")
			}
		}
		return p
	}
	head, rule := "| vault | content |", "|---|---|"
	for _, col := range columns {
		head += " " + col.title + " |"
		rule += "--:|"
	}
	p.open = "\n" + head + "\n" + rule + "\n"
	where := mdWhere(d, mdCell)
	for _, c := range d.Content {
		if nothingToTell(c.Impact) {
			p.items = append(p.items, fmt.Sprintf("| %s | %s |%s\n", where(c), unaffectedBy(c.Impact), strings.Repeat(" |", len(columns))))
			continue
		}
		for _, part := range slices.Backward(c.Impact.Parts) {
			row := fmt.Sprintf("| %s | %s |", where(c), mdText(part.Title))
			for _, col := range columns {
				row += " " + number(col.count(part.Counts)) + " |"
			}
			p.items = append(p.items, row+"\n")
		}
	}
	for _, idle := range d.Idle {
		p.items = append(p.items, fmt.Sprintf("| %s | no run |%s\n", mdCell(idle.Vault.String()), strings.Repeat(" |", len(columns))))
	}
	return p
}

// mdWhere names the vault of content, and where several points move content of that
// vault, the point as well.
func mdWhere(d *document, code func(string) string) func(plan.Content) string {
	points := map[addrs.Instance]int{}
	for _, c := range d.Content {
		points[c.Vault]++
	}
	return func(c plan.Content) string {
		if points[c.Vault] < 2 {
			return code(c.Vault.String())
		}
		return code(c.Vault.String()) + " " + code(c.Addr.String())
	}
}

// mdDetails says by country, by product and by name what the table counts.
func mdDetails(d *document, verbose bool) *mdPart {
	p := &mdPart{keep: 10, open: "\n"}
	where := mdWhere(d, mdCode)
	for _, c := range d.Content {
		i := c.Impact
		if nothingToTell(i) {
			p.items = append(p.items, fmt.Sprintf("- %s: %s: %s; %s\n", where(c), unaffectedBy(i), stays(i.Total.Unchanged), mdText(readText(i))))
			continue
		}
		if i.Within {
			continue
		}
		var lines []string
		add := func(label string, items []string) {
			if len(items) > 0 {
				lines = append(lines, "  - "+label+": "+strings.Join(items, ", ")+"\n")
			}
		}
		var countries []string
		for _, r := range countriesOf(i) {
			countries = append(countries, mdCode(r.Title)+" "+mdCounts(r.Counts))
		}
		add(byCountry(i), countries)
		for _, group := range groupsOf(i) {
			var names []string
			for _, g := range i.Groups[group] {
				if g.Written() > 0 && g.Name != "" {
					names = append(names, mdCode(g.Name)+" "+mdCounts(g.Counts))
				}
			}
			add("by "+mdText(group), names)
		}
		for _, verb := range named {
			var names []string
			for _, it := range i.Names[verb] {
				if len(names) == 3 && !verbose {
					break
				}
				name := mdCode(it.Title)
				if it.Reason != "" {
					name += " (" + mdText(it.Reason) + ")"
				}
				names = append(names, name)
			}
			if more := i.Total.Of(verb) - len(names); more > 0 && len(names) > 0 {
				names = append(names, "… and "+number(more)+" more")
			}
			add(verbTitle(verb), names)
		}
		for _, note := range notesOn(c) {
			lines = append(lines, "  - "+mdText(note)+"\n")
		}
		add("counts", []string{mdText(readText(i))})
		p.items = append(p.items, "- "+where(c)+"\n")
		p.items = append(p.items, lines...)
	}
	return p.fold("Content in detail")
}

func mdDrift(d *document) *mdPart {
	p := &mdPart{keep: 50, open: "\n**Changed outside this configuration**\n"}
	return p.fence(d.Drift, fmt.Sprintf("Changed outside this configuration (%d)", len(d.Drift)), func(c plan.Change) string {
		if c.Action == providers.Remove {
			return "- " + clean(c.Addr.String()) + "   is gone\n"
		}
		return "! " + clean(c.Addr.String()) + "\n" + diffLines(c.Edits)
	})
}

func mdMoves(d *document) *mdPart {
	p := &mdPart{keep: 40, open: "\n**Renamed**\n\n"}
	for _, mv := range d.Moves {
		p.items = append(p.items, fmt.Sprintf("- %s is now %s\n", mdCode(mv.From.String()), mdCode(mv.To.String())))
	}
	return p.fold(fmt.Sprintf("Renamed (%d)", len(d.Moves)))
}

func mdChanges(d *document, verbose bool) *mdPart {
	title := fmt.Sprintf("Configuration: %d to change, %d unchanged", len(d.Changes), d.Unchanged)
	p := &mdPart{keep: 30, open: "\n**" + title + "**\n"}
	marks := map[providers.Action]string{providers.Create: "+", providers.Remove: "-", providers.Replace: "-"}
	return p.fence(d.Changes, title, func(c plan.Change) string {
		mark := marks[c.Action]
		if mark == "" {
			mark = "!"
		}
		words := []string{mark, clean(c.Addr.String()), " " + word(c)}
		if at := c.At(); at != "" {
			words = append(words, " "+clean(at))
		}
		if why := c.Reason.Words(); why != "" {
			words = append(words, " ("+clean(why)+")")
		}
		edits := c.Edits
		if !verbose {
			edits = slices.DeleteFunc(slices.Clone(edits), func(e plan.Edit) bool { return e.Computed })
		}
		out := strings.Join(words, " ") + "\n" + diffLines(edits)
		if c.Same > 0 && c.Action == providers.Update {
			out += fmt.Sprintf("      (%s unchanged)\n", count(c.Same, "attribute"))
		}
		for _, text := range c.Consequences {
			out += "      " + clean(text) + "\n"
		}
		return out
	})
}

// mdOutputs lists the outputs that an apply records otherwise.
func mdOutputs(d *document) *mdPart {
	title := fmt.Sprintf("Outputs: %s", count(len(d.Outputs), "change"))
	p := &mdPart{keep: 20, open: "\n**" + title + "**\n"}
	for _, o := range d.Outputs {
		p.items = append(p.items, diffLines([]plan.Edit{o.Edit()}))
	}
	return p.fenced(title)
}

// mdUnknown lists the objects of which a plan that failed cannot say what they
// will be.
func mdUnknown(d *document) *mdPart {
	p := &mdPart{keep: 45, open: "\n**Not known**\n\n"}
	for _, u := range d.Unknown {
		p.items = append(p.items, fmt.Sprintf("- %s: %s\n", mdCode(u.Addr.String()), mdText(u.Because)))
	}
	return p.fold(fmt.Sprintf("Not known (%d)", len(d.Unknown)))
}

// fence shows changes as a diff, which code hosts colour.
func (p *mdPart) fence(changes []plan.Change, title string, show func(plan.Change) string) *mdPart {
	for _, c := range changes {
		p.items = append(p.items, show(c))
	}
	return p.fenced(title)
}

// fenced puts the items into a diff.
func (p *mdPart) fenced(title string) *mdPart {
	ticks := strings.Repeat("`", max(3, longestRun(strings.Join(p.items, ""), '`')+1))
	p.open += "\n" + ticks + "diff\n"
	p.close = ticks + "\n" + p.close
	return p.fold(title)
}

// diffLines are edits as lines of a diff: what goes with -, what comes with +.
func diffLines(edits []plan.Edit) string {
	var out strings.Builder
	line := func(mark string, e plan.Edit, text string) {
		forces := ""
		if e.Forces {
			forces = "   forces replacement"
		}
		fmt.Fprintf(&out, "%s     %s: %s%s\n", mark, clean(e.Path.String()), text, forces)
	}
	for _, e := range edits {
		gone, come, _, list := setChanges(e.Before, e.After)
		switch {
		case e.Sensitive:
			line("!", e, "(sensitive)")
		case e.Unknown:
			line("!", e, "(known after apply)")
		case list && len(gone)+len(come) > 0:
			for _, v := range gone {
				line("-", e, value(v))
			}
			for _, v := range come {
				line("+", e, value(v))
			}
		case list:
			line("!", e, "(another order)")
		default:
			if e.Before != nil {
				line("-", e, value(e.Before))
			}
			if e.After != nil {
				line("+", e, value(e.After))
			}
		}
	}
	return out.String()
}

func mdSyncs(d *document, verbose bool) *mdPart {
	p := &mdPart{keep: 60, open: "\n| sync | run | why |\n|---|---|---|\n"}
	v := planView{plan: d, verbose: verbose}
	for _, s := range v.shownSyncs() {
		p.items = append(p.items, fmt.Sprintf("| %s | %s | %s |\n", mdCell(s.Addr.String()), mdText(modeText(s.Decision)), mdText(syncText(s.Decision))))
	}
	return p.fold(fmt.Sprintf("Syncs (%d)", len(p.items)))
}

func mdWarnings(d *document) *mdPart {
	p := &mdPart{keep: 20, open: "\n"}
	for _, w := range d.Warnings {
		code := ""
		if w.Code != "" {
			code = " (" + mdCode(w.Code) + ")"
		}
		if !w.Addr.IsZero() {
			code += " " + mdCode(w.Addr.String())
		}
		p.items = append(p.items, fmt.Sprintf("- warning%s: %s\n", code, mdText(paragraph(w))))
	}
	return p.fold(fmt.Sprintf("Warnings (%d)", len(d.Warnings)))
}

func mdFooter(d *document) *mdPart {
	words := []string{mdText(d.Tool)}
	if !d.Created.IsZero() {
		words = append(words, "planned "+d.Created.UTC().Format(time.RFC3339))
	}
	if d.Reads.Calls > 0 {
		words = append(words, contentRead(d))
	}
	if d.Lineage != "" {
		words = append(words, fmt.Sprintf("state serial %d", d.Serial))
	}
	if !d.Nothing && !d.Failed && len(d.Refusals) == 0 {
		words = append(words, "to do it, save the plan and apply the file: "+mdCode("accord apply FILE"))
	}
	return &mdPart{keep: 75, items: []string{"\n<sub>" + strings.Join(words, " · ") + "</sub>\n"}}
}

func mdCounts(c syncer.Counts) string {
	var parts []string
	for _, n := range []struct {
		sign string
		n    int
	}{{"+", c.Published()}, {"~", c.Updated}, {"−", c.Withdrawn}} {
		if n.n > 0 {
			parts = append(parts, n.sign+number(n.n))
		}
	}
	return strings.Join(parts, " ")
}

// mdCode is text that came from elsewhere, as code: nothing in it is markup,
// and nobody is notified. Long text loses its middle.
func mdCode(s string) string {
	s = middle(strings.TrimSpace(clean(s)), 64)
	if s == "" {
		return "(no name)"
	}
	ticks := strings.Repeat("`", longestRun(s, '`')+1)
	if len(ticks) > 1 {
		s = " " + s + " "
	}
	return ticks + s + ticks
}

// mdCell is mdCode within a table, where a bar would end the cell even in code.
func mdCell(s string) string { return strings.ReplaceAll(mdCode(s), "|", `\|`) }

// mdText is a sentence that may quote what came from elsewhere: no character
// of it is markup, and no word becomes a link or a mention.
func mdText(s string) string {
	var out strings.Builder
	s = strings.ReplaceAll(strings.Join(strings.Fields(clean(s)), " "), "://", ":"+apart+"//")
	for _, r := range s {
		if strings.ContainsRune("\\`*_[]<>#|~&@$", r) {
			out.WriteByte('\\')
		}
		out.WriteRune(r)
		if r == '@' || r == '#' {
			out.WriteString(apart) // hosts look for these after the markup is gone
		}
	}
	return out.String()
}

// apart is a character without width that keeps a word from being a link.
const apart = "\u2060"

func longestRun(s string, of rune) int {
	longest, run := 0, 0
	for _, r := range s {
		if r == of {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	return longest
}

// middle takes text out of the middle of what is longer than n characters.
func middle(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return string(r[:n/2-1]) + "…" + string(r[len(r)-n/2:])
}
