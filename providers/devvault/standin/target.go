package standin

import (
	"fmt"
	"slices"
	"strings"
)

// item is what the CRM vault has of a source document.
type item struct {
	id, part  string
	published bool // in a steady state
	withdrawn bool // in an obsolete one
	values    map[string]string
	members   []string // ids in the CRM vault
	links     map[string]string
}

// items are the items of the CRM vault that come from the content vault, by source document. What carries accord's mark is accord's.
func (w *work) items(list []mapping) (map[string]*item, error) {
	out := map[string]*item{}
	columnsOf := "SELECT " + columns(list, func(m mapping) string { return m.to }) + ", id, TONAME(type__v) AS type_name, external_id__v, crosslink__v, source_vault_id__v, source_document_id__v"
	states := map[string]map[string]bool{"STEADYSTATE()": {}, "OBSOLETESTATE()": {}}
	for _, of := range []struct{ types, from, nodes string }{
		{"('slide__v', 'shared_resource__v')", "documents", ""},
		{"('presentation__v')", "binders", ", (SELECT id, content_id__sys, order__sys, type__sys, parent_section_id__sys FROM binder_nodes__sysr)"},
	} {
		where := " WHERE TONAME(type__v) CONTAINS " + of.types
		for state, ids := range states {
			rows, err := w.query(w.crm.Name, "SELECT id FROM "+of.from+where+" AND status__v = "+state)
			if err != nil {
				return nil, err
			}
			for _, r := range rows {
				ids[r.text("id")] = true
			}
		}
		rows, err := w.query(w.crm.Name, columnsOf+of.nodes+" FROM "+of.from+where+" ORDER BY id")
		if err != nil {
			return nil, err
		}
		for _, r := range rows {
			source := r.text("source_document_id__v")
			if of.from == "binders" {
				source, _ = strings.CutPrefix(r.text("link__sys"), fmt.Sprintf("%d_", w.content.ID))
				if source == r.text("link__sys") {
					continue
				}
			} else if r.text("crosslink__v") != "true" || r.text("source_vault_id__v") != fmt.Sprint(w.content.ID) {
				continue
			}
			if strings.HasPrefix(r.text("external_id__v"), "accord:") || out[source] != nil {
				continue
			}
			i := &item{id: r.text("id"), part: r.text("type_name"), values: map[string]string{}, links: map[string]string{}}
			i.published, i.withdrawn = states["STEADYSTATE()"][i.id], states["OBSOLETESTATE()"][i.id]
			for _, m := range list {
				i.values[m.to] = m.value(r, m.to)
			}
			for _, n := range inOrder(r.rows("binder_nodes__sysr")) {
				i.members = append(i.members, n.text("content_id__sys"))
				i.links[n.text("content_id__sys")] = n.text("id")
			}
			out[source] = i
		}
	}
	byID := map[string]*item{}
	for _, i := range out {
		byID[i.id] = i
	}
	links, err := w.query(w.crm.Name, "SELECT id, source_doc_id__v, target_doc_id__v FROM relationships WHERE relationship_type__v = 'related_shared_resource__v'")
	if err != nil {
		return nil, err
	}
	for _, l := range links {
		if i := byID[l.text("source_doc_id__v")]; i != nil && i.part == slide && byID[l.text("target_doc_id__v")] != nil {
			i.members = append(i.members, l.text("target_doc_id__v"))
			i.links[l.text("target_doc_id__v")] = l.text("id")
		}
	}
	return out, nil
}

// publish makes a document an item of the CRM vault, or brings the one that is there up to date.
func (w *work) publish(d *doc, there *item, approvedOnly bool, members []string) (*item, error) {
	family := "documents"
	if d.part == presentation {
		family = "binders"
	}
	i := there
	if i == nil {
		fields := map[string]string{"type__v": d.part, "lifecycle__v": "crm_content__v"}
		for name, v := range d.values {
			if v != "" {
				fields[name] = v
			}
		}
		if family == "documents" {
			fields["source_vault_id__v"], fields["source_document_id__v"], fields["source_binding_rule__v"] = fmt.Sprint(w.content.ID), d.id, "Latest Steady State version"
			if !approvedOnly {
				fields["source_binding_rule__v"] = "Latest version"
			}
		}
		id, err := w.form(w.crm.Name, "POST", "objects/"+family, fields)
		if err != nil {
			return nil, err
		}
		i = &item{id: id, part: d.part, links: map[string]string{}, values: d.values}
	}
	changed := map[string]string{}
	for name, v := range d.values {
		if i.values[name] != v {
			changed[name] = v
		}
	}
	if len(changed) > 0 {
		if _, err := w.form(w.crm.Name, "PUT", "objects/"+family+"/"+i.id, changed); err != nil {
			return nil, err
		}
	}
	if !slices.Equal(i.members, members) {
		if err := w.hold(d.part, i, members); err != nil {
			return nil, err
		}
	}
	if err := w.enter(family, i.id, "STEADYSTATE()", "approve__v", "reinstate__v"); err != nil {
		return nil, err
	}
	return i, nil
}

// hold gives a presentation its slides, in a version of its own where one is published, or a slide its shared resources.
func (w *work) hold(part string, i *item, members []string) error {
	if part == presentation && i.published {
		if _, err := w.form(w.crm.Name, "POST", "objects/binders/"+i.id, nil); err != nil {
			return err
		}
	}
	if part == presentation {
		got, err := w.server.Inside(w.ctx, w.crm.Name, "GET", "objects/binders/"+i.id+"?depth=all", "")
		if err != nil {
			return err
		}
		binder, _ := got["binder"].(map[string]any)
		for _, n := range rowsOf(binder["nodes"]) {
			properties, _ := n["properties"].(map[string]any)
			if _, err := w.form(w.crm.Name, "DELETE", "objects/binders/"+i.id+"/documents/"+row(properties).text("id"), nil); err != nil {
				return err
			}
		}
		for _, id := range members {
			if _, err := w.form(w.crm.Name, "POST", "objects/binders/"+i.id+"/documents", map[string]string{"document_id__v": id, "parent_id__v": "rootNode"}); err != nil {
				return err
			}
		}
		return nil
	}
	for id, link := range i.links {
		if !slices.Contains(members, id) {
			if _, err := w.server.Inside(w.ctx, w.crm.Name, "DELETE", "objects/documents/relationships/batch", `[{"id": "`+link+`"}]`); err != nil {
				return err
			}
		}
	}
	for _, id := range members {
		if i.links[id] == "" {
			body := fmt.Sprintf(`[{"source_doc_id__v": %q, "target_doc_id__v": %q, "relationship_type__v": "related_shared_resource__v"}]`, i.id, id)
			if _, err := w.server.Inside(w.ctx, w.crm.Name, "POST", "objects/documents/relationships/batch", body); err != nil {
				return err
			}
		}
	}
	return nil
}

// enter takes the latest version of an item into a state by the first of the actions that leads there.
func (w *work) enter(family, id, state string, actions ...string) error {
	var last error
	for _, action := range append([]string{""}, actions...) {
		if action != "" {
			rows, err := w.query(w.crm.Name, "SELECT major_version_number__v, minor_version_number__v FROM "+family+" WHERE id = '"+id+"'")
			if err != nil || len(rows) == 0 {
				return err
			}
			if _, last = w.form(w.crm.Name, "PUT", fmt.Sprintf("objects/%s/%s/versions/%s/%s/lifecycle_actions/%s", family, id, rows[0].text("major_version_number__v"), rows[0].text("minor_version_number__v"), action), nil); last != nil {
				continue
			}
		}
		rows, err := w.query(w.crm.Name, "SELECT id FROM "+family+" WHERE id = '"+id+"' AND status__v = "+state)
		if err != nil || len(rows) > 0 {
			return err
		}
	}
	return fmt.Errorf("%s %s did not enter the %s: %w", family, id, state, last)
}
