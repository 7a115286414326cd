package devvault

import (
	"fmt"
	"strconv"
	"strings"

	"accord/providers/devvault/vql"
)

// held says how a column's values lie in the database.
type held byte

const (
	heldText held = iota
	heldNumber
	heldBool
	heldMillis // milliseconds since 1970
	heldDate   // "2026-01-31"
	heldTime   // "2026-01-31T00:00:00.000Z"
)

// column is a field as SQL has it.
type column struct {
	field *field
	table *table
	sql   string // of the value or, where there are several, of one of them
	form  held
	fixed bool // never null

	// several is the FROM item that yields the values of a field with more than one; sql is of its rows.
	several fragment
	where   []fragment

	json string // the value is in the table's fields under this name

	// domain says by which names the labels of its values are known; nil where a value is its own name.
	domain *domain

	// id is set on columns that stand for a document: the SQL of the version key, so that they compare as ranges of it.
	// prefix is what stands before the id in the text form, "{vault id}_".
	id     string
	prefix string

	index string // the index of versions that is led by slot and this column
}

// domain maps the names of values to their labels.
type domain struct {
	names  []string
	labels map[string]string
	// within is another column that a name depends on: the lifecycle of a document's state. Names are then "lifecycle/state".
	within string
}

func (d *domain) label(name string) string {
	if l, ok := d.labels[name]; ok {
		return l
	}
	_, state, found := strings.Cut(name, "/")
	if d.within != "" && found {
		return state
	}
	return name
}

// column finds a field by the name it has in a query, with a relationship before it or without.
func (t *table) column(f vql.Field) (*column, error) {
	relationship, name, dotted := strings.Cut(f.Name, ".")
	if !dotted {
		return t.plainColumn(f, f.Name)
	}
	if strings.Contains(name, ".") {
		return nil, fail("INVALID_DATA", "The field [%s] at line %d, column %d: a lookup takes one relationship only", f.Name, f.Pos.Line, f.Pos.Column)
	}
	if err := t.q.relate(t, relationship, f.Pos); err != nil {
		return nil, err
	}
	if t.labels {
		if ref := t.reference(relationship); ref != nil && ref.Column == "" {
			return t.lookupSeveral(f, ref, name)
		}
	}
	far, err := t.lookup(relationship)
	if err != nil {
		return nil, err
	}
	if far == nil {
		var known []string
		for _, r := range t.relationships() {
			known = append(known, r[1].(string))
		}
		return nil, fail("ATTRIBUTE_NOT_SUPPORTED", "The relationship [%s] of [%s] is not known at line %d, column %d%s", relationship, t.target,
			f.Pos.Line, f.Pos.Column, didYouMean(relationship, known))
	}
	return far.plainColumn(f, name)
}

// lookupSeveral is a field of the records that a document's reference lists.
func (t *table) lookupSeveral(f vql.Field, ref *field, name string) (*column, error) {
	far, err := t.q.records(t.q.cat.object(ref.Object))
	if err != nil {
		return nil, err
	}
	col, err := far.plainColumn(f, name)
	if err != nil {
		return nil, err
	}
	list := t.q.alias()
	if col.several.sql == "" {
		col.several = join(" ", sqlf("json_each("+t.alias+".fields, '$."+ref.Name+"') "+list+" CROSS JOIN"), far.from)
	} else {
		col.several = join(" ", sqlf("json_each("+t.alias+".fields, '$."+ref.Name+"') "+list+" CROSS JOIN"), far.from, sqlf("CROSS JOIN"), col.several)
	}
	col.several = join(" ", append([]fragment{col.several}, *far.joins...)...) // what a lookup of the far side leads to
	col.where = append(append([]fragment{}, far.scope...), sqlf(far.alias+".id = "+list+".value"))
	col.json, col.id = "", ""
	return col, nil
}

func (t *table) plainColumn(f vql.Field, name string) (*column, error) {
	if t.labels && name == "ID" {
		name = "id"
	}
	meta := t.fields.get(name)
	if meta == nil {
		var known []string
		for _, x := range t.fields.list {
			known = append(known, x.Name)
		}
		return nil, fail("ATTRIBUTE_NOT_SUPPORTED", "The field [%s] of [%s] is not known at line %d, column %d%s", name, t.target,
			f.Pos.Line, f.Pos.Column, didYouMean(name, known))
	}
	if t.object != nil && !t.q.c.user.canField(t.object.Name, name, "read") {
		return nil, fail("INSUFFICIENT_ACCESS", "User [%s] has no permission to read the field [%s] of [%s]", t.q.c.user.Name, name, t.object.Name)
	}
	return t.own(meta), nil
}

// own is the column of a field of this table.
func (t *table) own(f *field) *column {
	if f.Via != "" {
		return t.looked(f)
	}
	col := &column{field: f, table: t, form: formOf(f)}
	a := t.alias
	switch {
	case f.Computed:
		t.computed(col)
	case f.Column != "":
		col.sql = a + "." + f.Column
		col.fixed = columnFixed[f.Column]
		if f.Type == typeDateTime {
			col.form = heldMillis
		}
		if f.Type == typeObject && strings.HasSuffix(f.Column, "_by") {
			col.form = heldNumber
		}
	case f.multiple() || t.labels && f.Type == typeObject:
		list := t.q.alias()
		col.json = f.Name
		col.several = sqlf("json_each(" + a + ".fields, '$." + f.Name + "') " + list)
		col.sql = list + ".value"
	default:
		col.json = f.Name
		col.sql = a + ".fields ->> '$." + f.Name + "'"
	}
	if p := t.q.cat.picklists[f.Picklist]; f.Type == typePicklist && p != nil {
		col.domain = p.domain()
	}
	if t.labels {
		t.document(col)
	}
	if t.object != nil && f.Name == "object_type__v" {
		col.domain = &domain{labels: map[string]string{}}
		for _, typ := range t.object.Types {
			col.domain.names = append(col.domain.names, typ.Name)
			col.domain.labels[typ.Name] = typ.Label
		}
	}
	if flow := t.flow(); flow != nil && f.Name == "state__v" {
		col.domain = &domain{labels: map[string]string{}}
		for _, s := range flow.States {
			col.domain.names = append(col.domain.names, s.Name)
			col.domain.labels[s.Name] = s.Label
		}
	} else if flow != nil && f.Name == "lifecycle__v" {
		col.domain = &domain{names: []string{flow.Name}, labels: map[string]string{flow.Name: flow.Label}}
	}
	return col
}

// flow is the lifecycle of the table's object, nil when there is none.
func (t *table) flow() *stateflow {
	if t.object == nil {
		return nil
	}
	return t.q.cat.stateflows[t.object.Lifecycle]
}

// looked is the column of a lookup: that of its source, on the far side of its relationship. What the caller may not read there is null.
func (t *table) looked(f *field) *column {
	if far, err := t.lookup(f.Via); err == nil && far != nil {
		if source := far.fields.get(f.Source); source != nil && far.object != nil && t.q.c.user.canField(far.object.Name, f.Source, "read") {
			col := far.own(source)
			col.field, col.index, col.fixed = f, "", false
			return col
		}
	}
	return &column{field: f, table: t, form: formOf(f), sql: "NULL"}
}

// columnFixed are the columns that are never null.
var columnFixed = map[string]bool{"id": true, "key": true, "doc": true, "status": true, "type": true, "created": true, "modified": true, "major": true,
	"minor": true, "latest": true, "binder": true, "crosslink": true, "lifecycle": true, "ord": true, "kind": true, "source": true, "target": true}

func formOf(f *field) held {
	switch f.Type {
	case typeNumber, typeCurrency:
		return heldNumber
	case typeBoolean:
		return heldBool
	case typeDate:
		return heldDate
	case typeDateTime:
		return heldTime
	}
	return heldText
}

// document adds what is special about the columns of documents.
func (t *table) document(col *column) {
	a, cat := t.alias, t.q.cat
	switch col.field.Name {
	case "id":
		col.form, col.id = heldNumber, t.rowid
	case "type__v", "subtype__v", "classification__v":
		col.domain = cat.doctypeDomain()
		if col.field.Name == "type__v" {
			col.index = "versions_type"
		}
	case "lifecycle__v":
		col.domain = cat.lifecycleDomain()
	case "status__v":
		col.domain = cat.stateDomain(a + ".lifecycle")
	case "version_modified_date__v":
		col.index = "versions_modified"
	case "external_id__v":
		col.index = "versions_external"
	case "link__sys":
		col.index = "versions_link"
	}
}

// computed makes the columns that are put together from others.
func (t *table) computed(col *column) {
	a, vault := t.alias, strconv.FormatInt(t.q.c.v.id, 10)
	col.fixed = true
	col.sql = "NULL"
	switch name := col.field.Name; {
	case t.labels && name == "version_id":
		col.sql = a + ".doc || '_' || " + a + ".major || '_' || " + a + ".minor"
	case t.labels && name == "global_id__sys":
		col.sql, col.id, col.prefix = "'"+vault+"_' || "+a+".doc", t.rowid, vault+"_"
	case t.labels && name == "global_version_id__sys":
		col.sql = "'" + vault + "_' || " + a + ".doc || '_' || " + a + ".seq"
	case t.object != nil && name == "global_id__sys":
		col.sql = "'" + vault + "_' || " + a + ".id"
	case t.object != nil && col.field.Source != "":
		col.sql, col.fixed = a+".fields ->> '$."+col.field.Source+"'", false
	case t.object != nil && name == "lifecycle__v":
		col.sql = "'" + t.object.Lifecycle + "'"
	case t.fields == nodeFields && name == "parent_binder_id__sys":
		col.sql, col.id = fmt.Sprintf("((%s.version >> %d) & %d)", a, docShift, maxDoc), a+".version"
	case t.fields == nodeFields && name == "section_id__sys":
		col.sql, col.fixed = "CASE WHEN "+a+".kind = 'section' THEN "+a+".id END", false
	case t.fields == nodeFields && name == "parent_section_id__sys":
		col.sql, col.fixed = "nullif("+a+".parent, 'rootNode')", false
	case t.fields == renditionFields && name == "document_id":
		col.sql, col.id = a+"v.doc", a+".version"
	case t.fields == renditionFields && name == "major_version_number__sys":
		col.sql = a + "v.major"
	case t.fields == renditionFields && name == "minor_version_number__sys":
		col.sql = a + "v.minor"
	case t.fields == userFields && name == "security_profile__v":
		col.sql = a + "m.profile"
	case t.fields == userFields && name == "active__v":
		col.sql = "(" + a + ".active AND " + a + "m.active)"
	case t.fields == userFields && name == "user_first_name__v":
		col.sql = "substr(" + a + ".name, 1, instr(" + a + ".name, '@') - 1)"
	case t.fields == userFields && name == "user_last_name__v":
		col.sql = "'" + t.q.c.v.name + "'"
	}
}

func (p *picklist) domain() *domain {
	d := &domain{labels: make(map[string]string, len(p.Entries))}
	for _, e := range p.Entries {
		d.names = append(d.names, e.Name)
		d.labels[e.Name] = e.Label
	}
	return d
}

func (c *catalog) doctypeDomain() *domain {
	d := &domain{labels: map[string]string{}}
	for _, n := range names(c.doctypes) {
		d.names = append(d.names, n)
		d.labels[n] = c.doctypes[n].Label
	}
	return d
}

func (c *catalog) lifecycleDomain() *domain {
	d := &domain{labels: map[string]string{}}
	for _, n := range names(c.lifecycles) {
		d.names = append(d.names, n)
		d.labels[n] = c.lifecycles[n].Label
	}
	return d
}

func (c *catalog) stateDomain(within string) *domain {
	d := &domain{labels: map[string]string{}, within: within}
	for _, n := range names(c.lifecycles) {
		for _, s := range c.lifecycles[n].States {
			key := n + "/" + s.Name
			d.names = append(d.names, key)
			d.labels[key] = s.Label
		}
	}
	return d
}

// sorted is the SQL by which rows are put in the order of the column. With labels it is the order of labels.
func (col *column) sorted(labels bool) (fragment, error) {
	if col.several.sql != "" {
		if col.json == "" {
			return fragment{}, fail("INVALID_DATA", "The field [%s] has several values and cannot be sorted by", col.field.Name)
		}
		first := &column{field: col.field, table: col.table, sql: col.table.alias + ".fields ->> '$." + col.json + "[0]'", domain: col.domain}
		return first.sorted(labels)
	}
	if !labels || col.domain == nil {
		return sqlf(col.sql), nil
	}
	value := col.sql
	if col.domain.within != "" {
		value = col.domain.within + " || '/' || " + col.sql
	}
	f := fragment{sql: "CASE " + value}
	for _, n := range col.domain.names {
		f.sql += " WHEN ? THEN ?"
		f.args = append(f.args, n, col.domain.labels[n])
	}
	f.sql += " ELSE " + col.sql + " END"
	return f, nil
}

// labelled reports whether the column is taken and answered by label under this function.
func (col *column) labelled(f vql.Field) (bool, error) {
	switch {
	case f.Function == "TONAME":
		if !col.table.labels || col.domain == nil {
			return false, fail("INVALID_DATA", "TONAME(%s) at line %d, column %d: only for document types, lifecycles, states and picklists of documents", f.Name, f.Pos.Line, f.Pos.Column)
		}
		return false, nil
	case f.Function == "TOLABEL":
		special := col.field.Name == "object_type__v" || col.field.Name == "state__v" || col.field.Name == "lifecycle__v"
		if col.table.labels || col.domain == nil && !special {
			return false, fail("INVALID_DATA", "TOLABEL(%s) at line %d, column %d: only for lifecycles, states, object types and picklists of objects", f.Name, f.Pos.Line, f.Pos.Column)
		}
		return col.domain != nil, nil
	}
	return col.table.labels && col.domain != nil, nil
}
