package standin

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// Types of CLM content, in the content vault and in the CRM vault.
const (
	presentation = "presentation__v"
	slide        = "slide__v"
	shared       = "shared_resource__v"
)

// doc is a document of the content vault as the integration looks at it.
type doc struct {
	id, title string
	part      string // its type in the CRM vault
	standing  string
	problem   string // why it cannot be taken as it is
	countries []string
	members   []string // document ids: of a presentation its slides in order, of a slide its shared resources
	values    map[string]string
	changed   time.Time
}

// Standings of a document.
const (
	approved    = "approved"
	unpublished = "unpublished"
	obsolete    = "obsolete"
	expired     = "expired"
	kept        = "" // without a version that counts
)

// copied are the fields that every item has of its source, beside the two links.
var copied = []mapping{
	{from: "name__v", to: "name__v"}, {from: "title__v", to: "title__v"}, {from: "description__v", to: "description__v"},
	{from: "language__v", to: "language__v", picklist: true}, {from: "crm_media_type__v", to: "crm_media_type__v", picklist: true},
	{from: "crm_start_date__v", to: "crm_start_date__v"}, {from: "crm_end_date__v", to: "crm_end_date__v"},
	{from: "crm_training__v", to: "crm_training__v"}, {from: "crm_hidden__v", to: "crm_hidden__v"},
	{from: "global_id__sys", to: "link__sys"}, {from: "global_version_id__sys", to: "version_link__sys"},
}

// mapping fills a field of the target. Of field rules the stand-in knows those that copy a value, not those that look a reference up.
type mapping struct {
	from, to string
	picklist bool
	standard string // where the source is blank
}

// mappings are the fields that are copied, with those of the field rules, and whether only approved content is let through.
func (w *work) mappings() (list []mapping, approvedOnly bool, err error) {
	got, err := w.server.Inside(w.ctx, w.crm.Name, "GET", "configuration/Integrationrule."+w.connection+"_clm_presentation_iir__v", "")
	if err != nil {
		return nil, false, err
	}
	rule, _ := got["data"].(map[string]any)
	list = slices.Clone(copied)
	for _, f := range rowsOf(rule["Fieldrule"]) {
		typ := f.text("query_field_type")
		if f.text("active") != "true" || strings.Contains(typ, "reference") {
			continue
		}
		list = append(list, mapping{f.text("query_field"), strings.TrimPrefix(f.text("target_docfield"), "Docfield."), strings.Contains(typ, "picklist"), f.text("field_default")})
	}
	for _, q := range rowsOf(rule["Queryobjectrule"]) {
		approvedOnly = approvedOnly || q.text("active") == "true"
	}
	return list, approvedOnly, nil
}

// columns selects fields, picklists by name.
func columns(list []mapping, of func(mapping) string) string {
	var out []string
	for _, m := range list {
		name := of(m)
		if m.picklist {
			name = "TONAME(" + name + ") AS " + short(name)
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return strings.Join(out, ", ")
}

// short is the alias of a picklist.
func short(field string) string { return strings.ReplaceAll(field, "__", "_") + "_name" }

// value is a field as text: lists sorted and joined.
func (m mapping) value(r row, field string) string {
	if m.picklist {
		list := r.list(short(field))
		slices.Sort(list)
		return strings.Join(list, ",")
	}
	return r.text(field)
}

// library reads all CLM content of the content vault, by document.
func (w *work) library(fields []mapping, approvedOnly bool) (map[string]*doc, error) {
	columnsOf := "SELECT " + columns(fields, func(m mapping) string { return m.from }) + ", id, TONAME(status__v) AS status_name, major_version_number__v, minor_version_number__v, " +
		"clm_content__v, is_shared_resource__v, country__v, version_modified_date__v"
	out := map[string]*doc{}
	today := w.server.Now().UTC().Format(time.DateOnly)
	for _, of := range []struct{ typ, from, nodes string }{
		{"multichannel_slide__v", "documents", ""},
		{"multichannel_presentation__v", "binders", ", (SELECT id, content_id__sys, order__sys, type__sys, parent_section_id__sys FROM binder_nodes__sysr)"},
	} {
		where := " WHERE TONAME(type__v) = '" + of.typ + "'"
		type version struct {
			row
			obsolete bool
		}
		taken := map[string]version{}
		add := func(q string, isObsolete bool) error {
			rows, err := w.query(w.content.Name, q)
			for _, r := range rows {
				if old, there := taken[r.text("id")]; !there || newer(r, old.row) {
					taken[r.text("id")] = version{r, isObsolete}
				}
			}
			return err
		}
		everything, err := w.query(w.content.Name, columnsOf+of.nodes+" FROM "+of.from+where)
		if err != nil {
			return nil, err
		}
		for _, r := range everything { // those that have no version which counts are kept as they are
			out[r.text("id")] = &doc{id: r.text("id"), title: r.text("name__v"), part: partOf(of.typ, r), standing: kept, countries: r.list("country__v"), changed: r.time("version_modified_date__v")}
		}
		all := columnsOf + of.nodes + " FROM ALLVERSIONS " + of.from + where
		if approvedOnly {
			if err := add(all+" AND status__v = STEADYSTATE()", false); err != nil {
				return nil, err
			}
			if err := add(all+" AND status__v = OBSOLETESTATE()", true); err != nil {
				return nil, err
			}
		} else {
			gone, err := w.query(w.content.Name, "SELECT id FROM "+of.from+where+" AND status__v = OBSOLETESTATE()")
			if err != nil {
				return nil, err
			}
			for _, r := range everything {
				isGone := slices.ContainsFunc(gone, func(g row) bool { return g.text("id") == r.text("id") })
				taken[r.text("id")] = version{r, isGone}
			}
		}
		for id, v := range taken {
			d := &doc{id: id, title: v.text("name__v"), part: partOf(of.typ, v.row), countries: v.list("country__v"), values: map[string]string{}, changed: v.time("version_modified_date__v")}
			if latest := out[id]; latest != nil && latest.changed.After(d.changed) {
				d.changed = latest.changed
			}
			for _, m := range fields {
				if d.values[m.to] = m.value(v.row, m.from); d.values[m.to] == "" {
					d.values[m.to] = m.standard
				}
			}
			publish := v.text("clm_content__v")
			switch end := v.text("crm_end_date__v"); {
			case v.obsolete:
				d.standing = obsolete
			case publish == "false", publish == "" && d.part == presentation:
				d.standing = unpublished
			case end != "" && end < today:
				d.standing = expired
			default:
				d.standing = approved
			}
			for _, n := range inOrder(v.rows("binder_nodes__sysr")) {
				switch {
				case n.text("type__sys") == "binder":
					d.problem = "it holds another binder, which is not CLM content"
				case n.text("content_id__sys") == "":
					d.problem = "one of its slides is not there any more"
				default:
					d.members = append(d.members, n.text("content_id__sys"))
				}
			}
			out[id] = d
		}
	}
	links, err := w.query(w.content.Name, "SELECT source_doc_id__v, target_doc_id__v FROM relationships WHERE relationship_type__v = 'related_shared_resource__v'")
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		if d := out[l.text("source_doc_id__v")]; d != nil && d.part == slide && !slices.Contains(d.members, l.text("target_doc_id__v")) {
			d.members = append(d.members, l.text("target_doc_id__v"))
		}
	}
	return out, nil
}

func partOf(typ string, r row) string {
	switch {
	case typ == "multichannel_presentation__v":
		return presentation
	case r.text("is_shared_resource__v") == "true":
		return shared
	}
	return slide
}

func newer(a, b row) bool {
	n := func(r row, name string) (n int) { fmt.Sscan(r.text(name), &n); return n }
	return cmp.Or(cmp.Compare(n(a, "major_version_number__v"), n(b, "major_version_number__v")), cmp.Compare(n(a, "minor_version_number__v"), n(b, "minor_version_number__v"))) > 0
}

// inOrder are the nodes of a binder as a reader meets them, without its sections.
func inOrder(nodes []row) []row {
	below := map[string][]row{}
	for _, n := range nodes {
		parent := n.text("parent_section_id__sys")
		if parent == "rootNode" {
			parent = ""
		}
		below[parent] = append(below[parent], n)
	}
	order := func(r row) (n int) { fmt.Sscan(r.text("order__sys"), &n); return n }
	var walk func(parent string) []row
	walk = func(parent string) (out []row) {
		slices.SortStableFunc(below[parent], func(a, b row) int { return order(a) - order(b) })
		for _, n := range below[parent] {
			if n.text("type__sys") == "section" {
				out = append(out, walk(n.text("id"))...)
			} else {
				out = append(out, n)
			}
		}
		return out
	}
	return walk("")
}

// sorted are the keys of a map, documents of one part in the order of their ids.
func sorted[T any](m map[string]T) []string {
	return slices.SortedFunc(maps.Keys(m), func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
}
