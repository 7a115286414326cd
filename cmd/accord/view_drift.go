package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"accord/lang/addrs"
	"accord/planner"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
)

// driftDocument is what differs outside as one document, of which the views are
// renderings.
type driftDocument struct {
	FormatVersion string `json:"format_version" doc:"major.minor; additions raise the minor number"`
	Kind          string `json:"kind" doc:"drift"`
	Tool          string `json:"tool"`
	Verdict       string `json:"verdict" doc:"the totals in words"`

	Changed    []plan.Change     `json:"changed" doc:"changed or gone outside, and counted"`
	Suppressed []suppressedDrift `json:"suppressed" doc:"changed or gone as well, and known; with expired, counted again"`
	Pending    []plan.Change     `json:"pending" doc:"what the files say otherwise than was applied: not drift"`
	Moves      []plan.Move       `json:"moves" doc:"and what they call otherwise"`
	Unmanaged  []unmanaged       `json:"unmanaged" doc:"what is not under code: not drift"`
	Syncs      []standing        `json:"syncs" doc:"how far each sync is behind: not drift"`

	Objects   int              `json:"objects" doc:"that were read"`
	Unread    int              `json:"unread" doc:"that could not be read, or hang together with one"`
	Instances int              `json:"instances" doc:"in which they are"`
	Unlisted  []addrs.Instance `json:"unlisted" doc:"vaults whose objects that are not under code could not be found out"`
}

type suppressedDrift struct {
	Change  plan.Change `json:"change"`
	Owner   string      `json:"owner"`
	Reason  string      `json:"reason"`
	Until   string      `json:"until,omitempty" doc:"its last day"`
	Expired bool        `json:"expired,omitempty"`
}

type unmanaged struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

type standing struct {
	Addr        addrs.Instance  `json:"addr"`
	Title       string          `json:"title"`
	Vault       addrs.Instance  `json:"vault"`
	Decision    syncer.Decision `json:"decision"`
	LastSuccess time.Time       `json:"last_success,omitzero"`
	Failures    int             `json:"failures"`
	Late        bool            `json:"late" doc:"something waits"`
}

func driftDocumentOf(d *planner.Drift) *driftDocument {
	doc := &driftDocument{
		FormatVersion: uiVersion, Kind: "drift", Tool: "accord " + Version, Verdict: driftVerdict(d),
		Changed: notNil(d.Changed), Suppressed: []suppressedDrift{}, Pending: notNil(d.Pending), Moves: notNil(d.Moves), Unmanaged: []unmanaged{}, Syncs: []standing{},
		Objects: d.Reads.Objects, Unread: d.Unread, Instances: d.Reads.Instances,
		Unlisted: notNil(slices.SortedFunc(maps.Keys(d.Unlisted), addrs.Instance.Compare)),
	}
	for n, s := range slices.Concat(d.Suppressed, d.Expired) {
		one := suppressedDrift{Change: s.Change, Owner: s.By.Owner, Reason: s.By.Reason, Expired: n >= len(d.Suppressed)}
		if !s.By.Expires.IsZero() {
			one.Until = s.By.Expires.Format(time.DateOnly)
		}
		doc.Suppressed = append(doc.Suppressed, one)
	}
	for _, o := range d.Unmanaged {
		doc.Unmanaged = append(doc.Unmanaged, unmanaged{o.Type, clean(o.ID)})
	}
	for i := range d.Syncs {
		s := &d.Syncs[i]
		doc.Syncs = append(doc.Syncs, standing{s.Addr, clean(s.Title), s.Vault, s.Decision, s.LastSuccess, s.Failures, s.Late()})
	}
	return doc
}

// driftVerdict is what was found, in one line.
func driftVerdict(d *planner.Drift) string {
	lost := gone(d.Changed)
	switch {
	case len(d.Changed) > 0:
		return fmt.Sprintf("Drift: %s changed outside, %d gone, %d suppressed", number(len(d.Changed)-lost), lost, len(d.Suppressed))
	case d.Unread > 0:
		return fmt.Sprintf("Not known: %s could not be read, or hang together with what could not", count(d.Unread, "object"))
	case len(d.Suppressed) > 0:
		return fmt.Sprintf("In sync with what was applied, but for %s", count(len(d.Suppressed), "suppressed difference"))
	}
	return "In sync with what was applied"
}

// markdown is the document for a comment; it never fails for want of room.
func (d *driftDocument) markdown(l look) []byte {
	changed := func(changes []plan.Change, title string, keep int) *mdPart {
		p := &mdPart{keep: keep, open: "\n**" + title + "**\n"}
		return p.fence(changes, fmt.Sprintf("%s (%d)", title, len(changes)), func(c plan.Change) string {
			text := "! " + clean(c.Addr.String()) + "\n" + diffLines(c.Edits)
			if c.Action == providers.Remove {
				text = "- " + clean(c.Addr.String()) + "   is gone\n"
			}
			if c.Touched != nil {
				text += "  " + clean(touchText(c, c.Touched, false)) + "\n"
			}
			return text
		})
	}
	list := func(title string, keep int, items []string) *mdPart {
		p := &mdPart{keep: keep, open: "\n**" + title + "**\n\n"}
		p.items = items
		return p.fold(fmt.Sprintf("%s (%d)", title, len(items)))
	}
	var suppressed, unmanaged, late []string
	for _, s := range d.Suppressed {
		suppressed = append(suppressed, fmt.Sprintf("- %s: %s, %s\n", mdCode(s.Change.Addr.String()), mdText(s.Owner), mdText(s.Reason)))
	}
	for _, o := range d.Unmanaged {
		unmanaged = append(unmanaged, fmt.Sprintf("- %s %s\n", mdText(o.Type), mdCode(o.ID)))
	}
	for _, s := range d.Syncs {
		if s.Late || l.verbose {
			late = append(late, fmt.Sprintf("- %s: %s\n", mdCode(s.Addr.String()), mdText(syncText(s.Decision))))
		}
	}
	pending := func() *mdPart {
		p := &mdPart{keep: 20, open: "\n**Not applied yet; not drift**\n\n"}
		for _, c := range d.Pending {
			p.items = append(p.items, fmt.Sprintf("- %s: %s\n", mdCode(c.Addr.String()), mdText(c.Reason.Words())))
		}
		return p.fold(fmt.Sprintf("Not applied yet (%d); not drift", len(d.Pending)))
	}
	parts := []*mdPart{
		{keep: 100, items: []string{"### accord · drift · " + mdText(d.Verdict) + "\n"}},
		changed(d.Changed, "Changed outside", 90), list("Suppressed", 50, suppressed), pending(),
		list("Syncs that are behind; not drift", 30, late), list("Not under code; not drift", 10, unmanaged),
	}
	return within("<!-- accord:drift -->\n", parts, l.maxBytes)
}

//go:embed drift.html
var driftPage string

var driftTemplate = sync.OnceValue(func() *template.Template {
	return template.Must(template.Must(reportTemplate().Clone()).New("drift").Parse(driftPage))
})

// html is the document as one file that needs nothing else, as report is of a
// plan.
func (d *driftDocument) html() ([]byte, error) {
	data, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	page := struct {
		Document         *driftDocument
		Changed, Pending []reportChange
		Data             template.JS
		Style            template.CSS
		Policy           string
	}{
		Document: d, Data: template.JS(data), Style: template.CSS(reportStyle),
		Policy: fmt.Sprintf("default-src 'none'; style-src %s; base-uri 'none'; form-action 'none'", sourceHash(reportStyle)),
	}
	for _, c := range d.Changed {
		row := reportChangeOf(c)
		row.ID, row.Action = "drift:"+row.ID, "changed outside"
		if c.Action == providers.Remove {
			row.Action = "gone"
		}
		if c.Touched != nil {
			row.Consequences = append(slices.Clone(row.Consequences), clean(touchText(c, c.Touched, false)))
		}
		page.Changed = append(page.Changed, row)
	}
	for _, c := range d.Pending {
		page.Pending = append(page.Pending, reportChangeOf(c))
	}
	var out strings.Builder
	if err := driftTemplate().Execute(&out, page); err != nil {
		return nil, err
	}
	return []byte(out.String()), nil
}

// showDriftDocument prints drift in the format that was asked for.
func (c *cli) showDriftDocument(d *planner.Drift, l look) error {
	doc := driftDocumentOf(d)
	var out []byte
	var err error
	switch l.format {
	case "markdown":
		out = doc.markdown(l)
	case "html":
		out, err = doc.html()
	default:
		if out, err = json.MarshalIndent(doc, "", "  "); err == nil {
			out = append(out, '\n')
		}
	}
	if err != nil {
		return err
	}
	_, err = c.stdout.Write(out)
	return err
}
