package main

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"slices"
	"sync"
	"time"

	"accord/planner/plan"
	"accord/providers"
)

var (
	//go:embed report.html
	reportPage string
	//go:embed report.css
	reportStyle string
	//go:embed report.js
	reportScript string
)

var reportTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("report").Funcs(template.FuncMap{"paragraph": paragraph}).Parse(reportPage))
})

// report is a plan as one HTML file that needs nothing else: styles, script and
// the document itself lie in it, and its policy forbids everything but these
// very bytes, so that no title can bring along what runs or loads.
func report(d *document) ([]byte, error) {
	data, err := json.Marshal(d) // with <, > and & as escapes: it cannot end its element
	if err != nil {
		return nil, err
	}
	v := planView{plan: d}
	page := reportData{
		Document: d, Columns: nil, Verdict: d.Verdict, Data: template.JS(data),
		Style: template.CSS(reportStyle), Script: template.JS(reportScript),
		Policy: fmt.Sprintf("default-src 'none'; style-src %s; script-src %s; base-uri 'none'; form-action 'none'", sourceHash(reportStyle), sourceHash(reportScript)),
		Cards: []card{
			{"changes", len(d.Changes), "#changes"}, {"in", d.Totals.In, "#content"}, {"out", d.Totals.Out, "#content"},
			{"full syncs", d.Totals.Full, "#syncs"}, {"drifted", d.Totals.Drift, "#drift"}, {"unchanged", d.Unchanged, "#changes"},
		},
	}
	if !d.Created.IsZero() {
		page.Created = d.Created.UTC().Format(time.RFC3339)
	}
	if d.Reads.Calls > 0 {
		page.Read = contentRead(d)
	}
	for _, n := range d.Newly {
		page.Newly = append(page.Newly, reportNewly{n.Vault.String(), n.Title, n.by(), comes(mdCounts(n.Counts))})
	}
	columns := v.columns()
	for _, col := range columns {
		page.Columns = append(page.Columns, col.title)
	}
	for _, c := range d.Content {
		page.Content = append(page.Content, reportContentOf(c, columns))
	}
	for _, idle := range d.Idle {
		page.Idle, page.Stillness = append(page.Idle, idle.Vault.String()), stillness
	}
	for _, c := range d.Drift {
		row := reportChangeOf(c)
		row.ID, row.Action = "drift:"+row.ID, "changed outside"
		if c.Action == providers.Remove {
			row.Action = "gone"
		}
		page.Drift = append(page.Drift, row)
	}
	for _, c := range d.Changes {
		page.Changes = append(page.Changes, reportChangeOf(c))
	}
	for _, o := range d.Outputs {
		page.Outputs = append(page.Outputs, reportOutput{o.Name, string(o.Action), outputWords(o), o.At()})
	}
	for _, s := range d.Syncs {
		page.Syncs = append(page.Syncs, reportSync{s.Addr.String(), s.Vault.String(), modeText(s.Decision), syncText(s.Decision)})
	}
	for _, a := range []providers.Action{providers.Create, providers.Adopt, providers.Update, providers.Replace, providers.Remove} {
		if slices.ContainsFunc(d.Changes, func(c plan.Change) bool { return c.Action == a }) {
			page.Actions = append(page.Actions, string(a))
		}
	}
	var out bytes.Buffer
	if err := reportTemplate().Execute(&out, page); err != nil {
		return nil, fmt.Errorf("write the report: %w", err)
	}
	return out.Bytes(), nil
}

// sourceHash names a script or a style in a content security policy.
func sourceHash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// reportData is what report.html shows.
type reportData struct {
	Document  *document
	Verdict   string
	Created   string
	Read      string // what making the plan took
	Policy    string
	Style     template.CSS
	Script    template.JS
	Data      template.JS
	Cards     []card
	Newly     []reportNewly
	Columns   []string
	Content   []reportContent
	Idle      []string
	Stillness string // of those
	Drift     []reportChange
	Changes   []reportChange
	Actions   []string
	Outputs   []reportOutput
	Syncs     []reportSync
}

type card struct {
	Title string
	N     int
	Link  string
}

type reportNewly struct{ Vault, Country, By, Counts string }

type reportOutput struct{ Name, Action, Text, Place string }

type reportSync struct{ Addr, Vault, Mode, Why string }

type reportChange struct {
	ID, Addr, Action, Symbol, Place, Why string
	Protected                            bool
	Edits                                []reportEdit
	Same                                 int
	Consequences                         []string
}

type reportEdit struct {
	Path   string
	Gone   []string
	Come   []string
	Note   string
	Forces bool
}

func reportChangeOf(c plan.Change) reportChange {
	r := reportChange{
		ID: c.Addr.String(), Addr: c.Addr.String(), Action: word(c), Symbol: symbols[c.Action], Place: c.At(), Why: c.Reason.Words(),
		Protected: c.Protected, Same: c.Same, Consequences: c.Consequences,
	}
	for _, e := range c.Edits {
		edit := reportEdit{Path: e.Path.String(), Forces: e.Forces}
		gone, come, same, list := setChanges(e.Before, e.After)
		switch {
		case e.Sensitive:
			edit.Note = "(sensitive)"
		case e.Unknown:
			edit.Note = "(known after apply)"
		case list:
			for _, v := range gone {
				edit.Gone = append(edit.Gone, value(v))
			}
			for _, v := range come {
				edit.Come = append(edit.Come, value(v))
			}
			if len(gone)+len(come) == 0 {
				edit.Note = "(another order)"
			} else if same > 0 {
				edit.Note = fmt.Sprintf("(%d stay)", same)
			}
		default:
			if e.Before != nil {
				edit.Gone = []string{value(e.Before)}
			}
			if e.After != nil {
				edit.Come = []string{value(e.After)}
			}
		}
		r.Edits = append(r.Edits, edit)
	}
	return r
}

type reportContent struct {
	Vault, Addr, Title, Read string
	Unaffected               string
	ByCountry                string
	Rows                     []reportRow
	Routes, Groups           []reportCount
	Names                    []reportNames
	Notes                    []string
}

type reportRow struct {
	Title  string
	Counts []string
}

type reportCount struct {
	Title, Counts string
	Newly         bool
}

type reportNames struct {
	Verb  string
	Total string
	Items []string
}

func reportContentOf(c plan.Content, columns []column) reportContent {
	i := c.Impact
	r := reportContent{Vault: c.Vault.String(), ByCountry: byCountry(i), Addr: c.Addr.String(), Title: c.Title, Read: readText(i)}
	if nothingToTell(i) {
		r.Unaffected = unaffectedBy(i) + ": " + stays(i.Total.Unchanged)
	}
	for _, p := range slices.Backward(i.Parts) {
		row := reportRow{Title: p.Title}
		for _, col := range columns {
			row.Counts = append(row.Counts, number(col.count(p.Counts)))
		}
		r.Rows = append(r.Rows, row)
	}
	if !i.Within {
		for _, route := range countriesOf(i) {
			r.Routes = append(r.Routes, reportCount{route.Title, mdCounts(route.Counts), route.Newly && !i.First})
		}
		for _, name := range groupsOf(i) {
			for _, g := range i.Groups[name] {
				if g.Name != "" && g.Written() > 0 {
					r.Groups = append(r.Groups, reportCount{name + ": " + g.Name, mdCounts(g.Counts), false})
				}
			}
		}
	}
	for _, verb := range named {
		n := reportNames{Verb: verbTitle(verb), Total: number(i.Total.Of(verb))}
		for _, it := range i.Names[verb] {
			text := it.Title
			if it.Reason != "" {
				text += " (" + it.Reason + ")"
			}
			n.Items = append(n.Items, text)
		}
		if more := i.Total.Of(verb) - len(n.Items); more > 0 && len(n.Items) > 0 {
			n.Items = append(n.Items, "… and "+number(more)+" more")
		}
		if len(n.Items) > 0 {
			r.Names = append(r.Names, n)
		}
	}
	r.Notes = notesOn(c)
	return r
}
