package vault

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"accord/lang/schema"
	"accord/providers"
	"accord/providers/vaultapi"
)

// A reference in a document is a record id, which means nothing in another
// vault. Streams give references in a neutral form instead: a list of what
// both vaults know of the records, {"link": …, "external_id": …} (RULE-2). The
// Link of a CRM record is the global id of the record that it stands for.

// neutral is what another vault knows of the records that a page of rows refers
// to, by field and id, each as canonical JSON.
type neutral map[string]map[string]string

// neutralReferences finds the neutral form of all references of a page of rows.
// of says what a record is known by, from its id, link__sys, global_id__sys
// and external_id__v.
func (c *caller) neutralReferences(ctx context.Context, columns []column, rows []row, of func(row) (link, external string)) (neutral, error) {
	all := neutral{}
	for _, col := range columns {
		if col.typ != "ObjectReference" {
			continue
		}
		var used ids
		for _, r := range rows {
			used.add(r.names(col.key)...)
		}
		known := map[string]string{}
		err := c.lists(ctx, used.sorted(), listed, func(list string) string {
			return "SELECT id, link__sys, global_id__sys, external_id__v FROM " + col.object + " WHERE id CONTAINS " + list
		}, func(r row) error {
			known[r.text("id")] = neutralReference(of(r))
			return nil
		})
		if err != nil {
			return nil, err
		}
		all[col.field] = known
	}
	return all, nil
}

// append appends the list of what ids of a field are known by, in an order of
// its own.
func (n neutral) append(to []byte, field string, ids []string) []byte {
	list := make([]string, 0, len(ids))
	for _, id := range ids {
		known, ok := n[field][id]
		if !ok { // no such record any more: like no other
			known = neutralReference("", "record "+id)
		}
		list = append(list, known)
	}
	slices.Sort(list)
	return append(append(append(to, '['), strings.Join(list, ",")...), ']')
}

// neutralReference is canonical JSON.
func neutralReference(link, external string) string {
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
	return string(raw)
}

// reference is the neutral form, decoded.
type reference struct {
	Link     string `json:"link"`
	External string `json:"external_id"`
}

// match is what a reference means in a CRM vault.
type match struct {
	id     string // "": no record
	many   bool   // several
	linked bool   // by Link
}

func (m match) standing() string {
	switch {
	case m.many:
		return providers.ManyMatches
	case m.id == "":
		return providers.NoMatch
	case m.linked:
		return providers.Linked
	}
	return providers.Matched
}

// resolver finds the records of a CRM vault that references mean, in batches.
type resolver struct {
	*caller
	matches map[string]map[reference]match // by object
}

// learn looks up all references to an object: by Link; those for which there
// is none, by External ID, where the record found has no Link of its own.
func (x *resolver) learn(ctx context.Context, object string, list []reference) error {
	if x.matches == nil {
		x.matches = map[string]map[reference]match{}
	}
	if x.matches[object] == nil {
		x.matches[object] = map[reference]match{}
	}
	found := x.matches[object]
	byLink, byExternal := map[string]match{}, map[string]match{}
	add := func(to map[string]match, key, id string) {
		if m, there := to[key]; there && m.id != id {
			to[key] = match{id: m.id, many: true}
		} else {
			to[key] = match{id: id}
		}
	}
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
		add(byLink, r.text("link__sys"), r.text("id"))
		return nil
	}); err != nil {
		return err
	}
	for _, r := range list {
		if _, done := found[r]; !done && byLink[r.Link].id == "" && r.External != "" {
			externals.add(r.External)
		}
	}
	if err := x.lists(ctx, externals.sorted(), markList, query("external_id__v"), func(r row) error {
		if r.text("link__sys") == "" {
			add(byExternal, r.text("external_id__v"), r.text("id"))
		}
		return nil
	}); err != nil {
		return err
	}
	for _, r := range list {
		if _, done := found[r]; done {
			continue
		}
		if m := byLink[r.Link]; r.Link != "" && m.id != "" {
			m.linked = true
			found[r] = m
		} else if r.External != "" {
			found[r] = byExternal[r.External]
		} else {
			found[r] = match{}
		}
	}
	return nil
}

// resolve turns a neutral value into record ids; one that has no match is left
// out where that is wanted, else an error. Several matches are always one.
func (x *resolver) resolve(m refMap, list []reference) ([]string, error) {
	var out []string
	for _, r := range list {
		switch found := x.matches[m.Object][r]; {
		case found.many:
			return nil, providers.Errorf(providers.Invalid, "RULE-2: several records of %s match %s, for %s", m.Object, cmp.Or(r.External, r.Link), m.Field)
		case found.id != "":
			out = append(out, found.id)
		case !m.Blank:
			return nil, providers.Errorf(providers.Invalid, "RULE-2: no record of %s has the Link or External ID of %s, for %s", m.Object, cmp.Or(r.External, r.Link), m.Field)
		}
	}
	return out, nil
}

// fieldsOf turns the fields of writes into what the client writes, references
// resolved in batches. What is wrong with one write is its own error.
func (x *resolver) fieldsOf(ctx context.Context, refs map[string]refMap, writes []*providers.Write) ([]vaultapi.Fields, []error, error) {
	parsed, failed := make([]map[string]json.RawMessage, len(writes)), make([]error, len(writes))
	wanted := map[string][]reference{}
	for n, w := range writes {
		if len(w.Fields) == 0 {
			continue
		}
		if err := json.Unmarshal(w.Fields, &parsed[n]); err != nil {
			failed[n] = fmt.Errorf("read the fields: %w", err)
			continue
		}
		for name, m := range refs {
			var list []reference
			if raw := parsed[n][name]; len(raw) > 0 && json.Unmarshal(raw, &list) == nil {
				wanted[m.Object] = append(wanted[m.Object], list...)
			}
		}
	}
	for object, list := range wanted {
		if err := x.learn(ctx, object, list); err != nil {
			return nil, nil, err
		}
	}
	out := make([]vaultapi.Fields, len(writes))
	for n := range writes {
		out[n] = vaultapi.Fields{}
		for name, raw := range parsed[n] {
			value, err := x.fieldValue(refs, name, raw)
			if err != nil {
				failed[n] = err
				continue
			}
			out[n][name] = value
		}
	}
	return out, failed, nil
}

// fieldValue turns canonical JSON into what the client writes. Most of it is
// plain text.
func fieldValue(raw json.RawMessage) (any, error) {
	if text, ok := plain(string(raw)); ok {
		return text, nil
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return v, nil
}

func (x *resolver) fieldValue(refs map[string]refMap, name string, raw json.RawMessage) (any, error) {
	m, refers := refs[name]
	if !refers {
		value, err := fieldValue(raw)
		if err != nil {
			return nil, fmt.Errorf("read the field %s: %w", name, err)
		}
		return value, nil
	}
	var list []reference
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("read the reference %s: %w", name, err)
	}
	return x.resolve(m, list)
}

// referenceRecords reads the stream "reference": what references mean in a CRM
// vault. Only those that are asked for are known.
func (p *Provider) referenceRecords(ctx context.Context, r *reading) (last providers.Batch, err error) {
	s, err := scopeOf(r.End)
	if err != nil {
		return last, err
	}
	now, err := r.v.now(ctx)
	if err != nil {
		return last, err
	}
	if last.Horizon = now; s.Picklist != "" {
		last.Records, err = r.v.valuesOf(ctx, s.Picklist, r.Keys)
		last.Calls = 1
	} else {
		x := &resolver{caller: r.v.caller()}
		last.Records, err = x.recordsOf(ctx, s.Object, r.Keys)
		last.Calls = x.took()
	}
	slices.SortFunc(last.Records, func(a, b providers.Record) int { return strings.Compare(a.Key, b.Key) })
	return last, err
}

// recordsOf are references to records of an object, and what each means.
func (x *resolver) recordsOf(ctx context.Context, object string, keys []providers.Member) ([]providers.Record, error) {
	if object == "" {
		return nil, providers.Errorf(providers.Invalid, "the stream %s needs an object in its scope", streamReference)
	}
	asked := make([]reference, len(keys))
	for n, m := range keys {
		if err := json.Unmarshal([]byte(m.Key), &asked[n]); err != nil {
			return nil, err
		}
	}
	if err := x.learn(ctx, object, asked); err != nil {
		return nil, err
	}
	records := make([]providers.Record, len(asked))
	for n, r := range asked {
		m := x.matches[object][r]
		records[n] = providers.Record{Part: partReference, Key: keys[n].Key, ID: m.id, Title: cmp.Or(r.External, r.Link), Standing: m.standing()}
	}
	return records, nil
}

// valuesOf are references to values of a picklist, and whether it has each.
func (v *vault) valuesOf(ctx context.Context, picklist string, keys []providers.Member) ([]providers.Record, error) {
	values, err := v.reader.PicklistValues(ctx, picklist) // as they are now: one may have been added
	if err != nil {
		return nil, contractError("read the picklist "+picklist+" of "+v.addr.String(), err)
	}
	has := make(map[string]bool, len(values))
	for _, value := range values {
		has[string(schema.AppendString(nil, value.Name))] = true
	}
	records := make([]providers.Record, len(keys))
	for n, m := range keys {
		records[n] = providers.Record{Part: partReference, Key: m.Key, Standing: providers.NoMatch}
		if has[m.Key] {
			records[n].Standing = providers.Matched
		}
	}
	return records, nil
}
