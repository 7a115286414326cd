package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
)

// delta is how a plan differs from an earlier one that was reviewed: what a
// reviewer has to look at again.
type delta struct {
	Created time.Time   `json:"created" doc:"when the earlier plan was made"`
	Verdict string      `json:"verdict" doc:"of the earlier plan"`
	Lines   []sinceLine `json:"lines" doc:"what is new, gone, or otherwise"`
	Same    int         `json:"same" doc:"how much both say"`
}

// sinceLine is one thing that two plans do not both say.
type sinceLine struct {
	Part string         `json:"part" doc:"drift, change, content, sync, newly, unknown, refusal or error"`
	What string         `json:"what"`
	Addr addrs.Instance `json:"addr,omitzero"`
	Was  string         `json:"was,omitempty" doc:"in words; absent: the earlier plan did not say it"`
	Now  string         `json:"now,omitempty" doc:"in words; absent: this plan does not say it"`
}

// said is one thing that a plan says.
type said struct {
	part, what string
	addr       addrs.Instance
	text       string
}

// since compares a plan with an earlier one, in the order in which they are
// shown.
func since(was, now *document) *delta {
	out := &delta{Created: was.Created, Verdict: clean(was.Verdict), Lines: []sinceLine{}}
	before, after := was.says(), now.says()
	key := func(s said) string { return s.part + "\x00" + s.what }
	texts := map[string]string{}
	for _, s := range before {
		texts[key(s)] = s.text
	}
	has := map[string]bool{}
	for _, s := range after {
		has[key(s)] = true
		switch text, known := texts[key(s)]; {
		case known && text == s.text:
			out.Same++
		case known:
			out.Lines = append(out.Lines, sinceLine{Part: s.part, What: s.what, Addr: s.addr, Was: text, Now: s.text})
		default:
			out.Lines = append(out.Lines, sinceLine{Part: s.part, What: s.what, Addr: s.addr, Now: s.text})
		}
	}
	for _, s := range before {
		if !has[key(s)] {
			out.Lines = append(out.Lines, sinceLine{Part: s.part, What: s.what, Addr: s.addr, Was: s.text})
		}
	}
	order := []string{"error", "refusal", "newly", "content", "change", "drift", "unknown", "sync"}
	slices.SortStableFunc(out.Lines, func(a, b sinceLine) int { return slices.Index(order, a.Part) - slices.Index(order, b.Part) })
	return out
}

// says is everything that counts in a plan, one by one, in words.
func (d *document) says() []said {
	var all []said
	add := func(part string, addr addrs.Instance, what, format string, args ...any) {
		all = append(all, said{part: part, what: clean(what), addr: addr, text: clean(fmt.Sprintf(format, args...))})
	}
	for _, r := range d.Errors {
		add("error", r.Addr, r.Summary, "failed")
	}
	for _, r := range d.Refusals {
		add("refusal", r.Addr, r.Summary, "refused")
	}
	for _, n := range d.Newly {
		add("newly", n.Vault, n.Vault.String()+" newly receives "+n.Title+n.by(), "%s", comes(unpainted.Replace(signed(n.Counts))))
	}
	for _, c := range d.Content {
		add("content", c.Vault, c.Vault.String()+" by "+c.Addr.String(), "%s, %s updated", inAndOut(c.Impact), number(c.Impact.Total.Updated))
	}
	for _, c := range d.Changes {
		add("change", c.Addr, c.Addr.String(), "%s", strings.TrimSpace(word(c)+" "+editsText(c.Edits)))
	}
	for _, c := range d.Drift {
		text := "gone outside"
		if c.Action != providers.Remove {
			text = strings.TrimSpace("changed outside " + editsText(c.Edits))
		}
		add("drift", c.Addr, c.Addr.String(), "%s", text)
	}
	for _, u := range d.Unknown {
		add("unknown", u.Addr, u.Addr.String(), "not known")
	}
	for _, s := range d.Syncs {
		if s.Decision.Mode != syncer.None || s.Decision.HeldBack != "" {
			add("sync", s.Addr, s.Addr.String(), "%s", modeText(s.Decision))
		}
	}
	return all
}

// editsText is what a change edits, in one line.
func editsText(edits []plan.Edit) string {
	var parts []string
	for _, e := range edits {
		if e.Computed {
			continue
		}
		gone, come, _, list := setChanges(e.Before, e.After)
		text := ""
		switch {
		case e.Sensitive:
			text = "(sensitive)"
		case e.Unknown:
			text = "(known after apply)"
		case list:
			for _, v := range gone {
				text += " -" + value(v)
			}
			for _, v := range come {
				text += " +" + value(v)
			}
		case e.Before == nil:
			text = value(e.After)
		case e.After == nil:
			text = value(e.Before) + " → left out"
		default:
			text = value(e.Before) + " → " + value(e.After)
		}
		parts = append(parts, e.Path.String()+" "+strings.TrimSpace(text))
	}
	return strings.Join(parts, "; ")
}

// Title says since when.
func (d *delta) Title() string {
	return fmt.Sprintf("Since the plan of %s", d.Created.UTC().Format("2 Jan 15:04 UTC"))
}

// earlier reads a plan that was saved, or printed with -format=json.
func earlier(name string) (*document, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if len(b) > 0 && b[0] == '{' {
		d := &document{}
		if err := json.Unmarshal(b, d); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		major, _, _ := strings.Cut(d.FormatVersion, ".")
		if ours, _, _ := strings.Cut(uiVersion, "."); d.Kind != "plan" || major != ours {
			return nil, misused("It is a saved plan, or what accord plan -format=json printed.", "%s is no plan that this accord reads", name)
		}
		return d, nil
	}
	f, err := readPlan(name)
	if err != nil {
		return nil, err
	}
	return documentOf(f.Plan), nil
}

// since prints how the plan differs from the earlier one.
func (v *planView) since() {
	d := v.plan.Since
	if d == nil {
		return
	}
	v.heading(fmt.Sprintf("%s (%d)", d.Title(), len(d.Lines)))
	if len(d.Lines) == 0 {
		v.text("  ", "It says the same.")
		return
	}
	for _, l := range d.Lines {
		switch {
		case l.Was == "":
			v.text("  ", green("+")+" "+l.What+": "+l.Now)
		case l.Now == "":
			v.text("  ", red("-")+" "+l.What+": no more, and was: "+l.Was)
		default:
			v.text("  ", yellow("~")+" "+l.What+": "+l.Now+", and was: "+l.Was)
		}
	}
	v.line("  %s", faint(fmt.Sprintf("(%s as before)", count(d.Same, "line"))))
}

// mdSince is the same for a pull request.
func mdSince(d *document) *mdPart {
	s := d.Since
	if s == nil {
		return &mdPart{}
	}
	title := fmt.Sprintf("%s: %s", s.Title(), strings.TrimSuffix(s.Verdict, "."))
	p := &mdPart{keep: 78, open: "\n**" + mdText(title) + "**\n\n"}
	if len(s.Lines) == 0 {
		p.items = append(p.items, "It says the same.\n")
		return p
	}
	for _, l := range s.Lines {
		what := mdCode(l.What)
		switch {
		case l.Was == "":
			p.items = append(p.items, fmt.Sprintf("- **new** %s: %s\n", what, mdText(l.Now)))
		case l.Now == "":
			p.items = append(p.items, fmt.Sprintf("- **no more** %s: was %s\n", what, mdText(l.Was)))
		default:
			p.items = append(p.items, fmt.Sprintf("- **other** %s: %s; was %s\n", what, mdText(l.Now), mdText(l.Was)))
		}
	}
	p.close = fmt.Sprintf("\n%s as before\n", count(s.Same, "line"))
	return p.fold(mdText(fmt.Sprintf("%s (%d)", title, len(s.Lines))))
}
