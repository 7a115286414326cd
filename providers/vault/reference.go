package vault

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"accord/lang/schema"
	"accord/providers"
)

// A reference in a document is a record id, which means nothing in another
// vault. Streams give references in a neutral form instead: a list of what
// both vaults know of the records, {"link": …, "external_id": …} (RULE-2). The
// Link of a CRM record is the global id of the record that it stands for.

// neutralReferences adds the neutral form of all references to a page of rows.
// of says what a record is known by, from its id, link__sys, global_id__sys
// and external_id__v.
func (c *caller) neutralReferences(ctx context.Context, columns []column, rows []row, of func(row) (link, external string)) error {
	for _, col := range columns {
		if col.typ != "ObjectReference" {
			continue
		}
		var used ids
		for _, r := range rows {
			used.add(r.names(col.key())...)
		}
		known := map[string]json.RawMessage{}
		err := c.lists(ctx, used.sorted(), listed, func(list string) string {
			return "SELECT id, link__sys, global_id__sys, external_id__v FROM " + col.object + " WHERE id CONTAINS " + list
		}, func(r row) error {
			known[r.text("id")] = neutralReference(of(r))
			return nil
		})
		if err != nil {
			return err
		}
		for _, r := range rows {
			names := r.names(col.key())
			if len(names) == 0 {
				continue
			}
			list := make([]json.RawMessage, 0, len(names))
			for _, id := range names {
				n := known[id]
				if n == nil { // no such record any more: like no other
					n = neutralReference("", "record "+id)
				}
				list = append(list, n)
			}
			slices.SortFunc(list, func(a, b json.RawMessage) int { return strings.Compare(string(a), string(b)) })
			raw, err := json.Marshal(list)
			if err != nil {
				return err
			}
			r[col.neutralKey()] = raw
		}
	}
	return nil
}

// neutralReference is canonical JSON.
func neutralReference(link, external string) json.RawMessage {
	m := map[string]any{}
	if link != "" {
		m["link"] = link
	}
	if external != "" {
		m["external_id"] = external
	}
	raw, err := schema.AppendCanonical(nil, m, nil)
	if err != nil {
		panic(err) // strings only
	}
	return raw
}

// reference is the neutral form, decoded.
type reference struct {
	Link     string `json:"link"`
	External string `json:"external_id"`
}

// resolver finds the records of a CRM vault that references mean, in batches.
type resolver struct {
	*caller
	ids map[string]map[reference]string // object → reference → record id
}

// learn looks up all references to an object: by Link; those for which there
// is none, by External ID, where the record found has no Link of its own.
func (x *resolver) learn(ctx context.Context, object string, list []reference) error {
	if x.ids == nil {
		x.ids = map[string]map[reference]string{}
	}
	if x.ids[object] == nil {
		x.ids[object] = map[reference]string{}
	}
	found := x.ids[object]
	byLink, byExternal := map[string]string{}, map[string]string{}
	var links, externals ids
	for _, r := range list {
		if _, done := found[r]; !done && r.Link != "" {
			links.add(r.Link)
		}
	}
	query := func(field string) func(string) string {
		return func(l string) string {
			return "SELECT id, link__sys, external_id__v FROM " + object + " WHERE " + field + " CONTAINS " + l
		}
	}
	if err := x.lists(ctx, links.sorted(), markList, query("link__sys"), func(r row) error {
		byLink[r.text("link__sys")] = r.text("id")
		return nil
	}); err != nil {
		return err
	}
	for _, r := range list {
		if _, done := found[r]; !done && byLink[r.Link] == "" && r.External != "" {
			externals.add(r.External)
		}
	}
	if err := x.lists(ctx, externals.sorted(), markList, query("external_id__v"), func(r row) error {
		if r.text("link__sys") == "" {
			byExternal[r.text("external_id__v")] = r.text("id")
		}
		return nil
	}); err != nil {
		return err
	}
	for _, r := range list {
		if id := byLink[r.Link]; r.Link != "" && id != "" {
			found[r] = id
		} else if id := byExternal[r.External]; r.External != "" {
			found[r] = id
		}
	}
	return nil
}

// resolve turns a neutral value into record ids; one that has no match is left
// out where that is wanted, else an error.
func (x *resolver) resolve(m refMap, list []reference) ([]string, error) {
	var out []string
	for _, r := range list {
		id := x.ids[m.Object][r]
		switch {
		case id != "":
			out = append(out, id)
		case !m.Blank:
			name := r.External
			if name == "" {
				name = r.Link
			}
			return nil, providers.Errorf(providers.Invalid, "RULE-2: no %s of the CRM vault has the Link or External ID of %s, for %s", m.Object, name, m.Field)
		}
	}
	return out, nil
}
