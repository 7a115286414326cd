package devvault

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"accord/providers/devvault/mdl"
	"accord/providers/devvault/vql"
)

// fragment is a piece of SQL with its arguments.
type fragment struct {
	sql  string
	args []any
}

func sqlf(sql string, args ...any) fragment { return fragment{sql, args} }

// join puts fragments together with a separator.
func join(separator string, list ...fragment) fragment {
	var sql strings.Builder
	var args []any
	for i, f := range list {
		if i > 0 {
			sql.WriteString(separator)
		}
		sql.WriteString(f.sql)
		args = append(args, f.args...)
	}
	return fragment{sql.String(), args}
}

// jsonList is values as the one argument of `IN (SELECT value FROM json_each(?))`, so that the SQL is the same for any number of them.
func jsonList(values []any) string {
	b, err := json.Marshal(values)
	if err != nil {
		panic(err) // texts and numbers
	}
	return string(b)
}

// table is a query target, or the far side of a relationship, as SQL has it under an alias.
type table struct {
	q      *compiler
	target string // as the query names it
	label  string
	plural string
	alias  string
	from   fragment   // FROM item, without what is joined to it
	scope  []fragment // what is always true of its rows, such as that they are of this vault
	key    string     // an integer that is a row's own; empty when there is none
	rowid  string     // of versions: key as conditions have it, with a + when rows must not be searched by it
	order  []string   // the order of rows when none is asked for
	fields *fields
	object *object // of a table of records
	labels bool    // answers and takes labels (documents), not names
	joined map[string]*table
	joins  *[]fragment // what lookups join; shared with the tables that are joined
}

// Tables whose rows have no object in the catalog.
var (
	nodeFields = newFields(
		(&field{Name: "id", Label: "ID", Type: typeString}).column("id"),
		text("name__v", "Name", 255).column("name"),
		number("parent_binder_id__sys", "Parent Binder").computed(),
		text("section_id__sys", "Section ID", 60).computed(),
		text("parent_section_id__sys", "Parent Section ID", 60).computed(),
		text("section_number__v", "Section Number", 60).column("number"),
		number("order__sys", "Order").column("ord"),
		number("content_id__sys", "Content").column("content"),
		number("content_major_version__sys", "Content Major Version").column("major"),
		number("content_minor_version__sys", "Content Minor Version").column("minor"),
		text("type__sys", "Type", 20).column("kind"),
		text("binding_rule__v", "Binding Rule", 20).column("rule"),
		dateTime("created_date__v", "Created Date").column("created"),
	)
	relationshipFields = newFields(
		number("id", "ID").column("id"),
		number("source_doc_id__v", "Source Document").column("source"),
		number("source_major_version__v", "Source Major Version").column("source_major"),
		number("source_minor_version__v", "Source Minor Version").column("source_minor"),
		number("target_doc_id__v", "Target Document").column("target"),
		number("target_major_version__v", "Target Major Version").column("target_major"),
		number("target_minor_version__v", "Target Minor Version").column("target_minor"),
		text("relationship_type__v", "Relationship Type", 100).column("type"),
		dateTime("created_date__v", "Created Date").column("created"),
		number("created_by__v", "Created By").column("created_by"),
	)
	renditionFields = newFields(
		number("document_id", "Document").computed(),
		number("major_version_number__sys", "Major Version Number").computed(),
		number("minor_version_number__sys", "Minor Version Number").computed(),
		text("rendition_type__sys", "Rendition Type", 100).column("type"),
		text("filename__sys", "File Name", 255).column("filename"),
		number("size__sys", "Size").column("size"),
		text("md5checksum__sys", "MD5 Checksum", 32).column("md5"),
	)
	userFields = newFields(
		number("id", "ID").column("id"),
		text("user_name__v", "User Name", 255).column("name"),
		text("user_email__v", "Email", 255).column("name"),
		text("user_first_name__v", "First Name", 255).computed(),
		text("user_last_name__v", "Last Name", 255).computed(),
		text("security_profile__v", "Security Profile", 100).computed(),
		boolean("active__v", "Active").computed(),
	)
	componentFields = newFields(
		text("id", "ID", 100).column("id"),
		text("label__v", "Label", 255).column("label"),
		text("component_name__v", "Component Name", 100).column("name"),
		text("component_type__v", "Component Type", 100).column("type"),
	)
	// Only POST /query/components has these.
	definitionFields = newFields(append(slices.Clone(componentFields.list),
		longText("mdl_definition__v", "MDL Definition").column("mdl"),
		longText("json_definition__v", "JSON Definition").column("json"))...)
	workflowFields = newFields(
		number("workflow_id__v", "Workflow ID").column("id"),
		text("workflow_name__v", "Workflow Name", 255).column("name"),
		text("workflow_status__v", "Workflow Status", 40).column("status"),
		number("workflow_document_id__v", "Workflow Document ID").column("doc"),
	)
	jobFields = newFields(
		number("id", "ID").column("id"),
		text("name__v", "Name", 255).column("title"),
		text("status__v", "Status", 40).column("status"),
		number("created_by__v", "Created By").column("user"),
		dateTime("created_date__v", "Created Date").column("created"),
		dateTime("run_end_date__v", "Run End Date").column("finished"),
	)
)

// Targets that are no objects, with their labels.
var plainTargets = []struct{ name, label, plural string }{
	{"documents", "Document", "Documents"},
	{"binders", "Binder", "Binders"},
	{"binder_node__sys", "Binder Node", "Binder Nodes"},
	{"relationships", "Document Relationship", "Document Relationships"},
	{"renditions", "Rendition", "Renditions"},
	{"archived_documents", "Archived Document", "Archived Documents"},
	{"users", "User", "Users"},
	{"workflows", "Workflow", "Workflows"},
	{"job_instance__sys", "Job Instance", "Job Instances"},
	{"job_history__sys", "Job History", "Job Histories"},
	{"vault_component__v", "Vault Component", "Vault Components"},
}

// compiler turns a query into SQL for one call.
type compiler struct {
	c       *call
	cat     *catalog
	aliases int

	definitions bool            // components are asked for with their definitions
	relations   map[string]bool // the relationships that the query uses
}

const maxRelations = 10

// relate counts the relationships of a query.
func (q *compiler) relate(t *table, relationship string, pos vql.Pos) error {
	if q.relations == nil {
		q.relations = map[string]bool{}
	}
	q.relations[t.target+"."+relationship] = true
	if len(q.relations) > maxRelations {
		return fail("INVALID_DATA", "The relationship [%s] at line %d, column %d is one too many: a query takes %d", relationship, pos.Line, pos.Column, maxRelations)
	}
	return nil
}

func newCompiler(c *call) *compiler { return &compiler{c: c, cat: c.v.catalog()} }

// alias makes a name that nothing else in the statement has.
func (q *compiler) alias() string {
	q.aliases++
	return fmt.Sprintf("t%d", q.aliases)
}

// table opens a target by name. The error names the targets that are near.
func (q *compiler) table(target vql.Name) (*table, error) {
	for _, p := range plainTargets {
		if p.name == target.Text {
			t := q.plain(p.name)
			t.target, t.label, t.plural = p.name, p.label, p.plural
			return t, nil
		}
	}
	o := q.cat.object(target.Text)
	if o == nil {
		return nil, fail("INVALID_DATA", "The query target [%s] is not known at line %d, column %d%s", target.Text, target.Pos.Line, target.Pos.Column,
			didYouMean(target.Text, q.targets()))
	}
	t, err := q.records(o)
	if err == nil {
		t.target = target.Text
	}
	return t, err
}

// targets lists what can be queried.
func (q *compiler) targets() []string {
	var list []string
	for _, p := range plainTargets {
		list = append(list, p.name)
	}
	return append(list, names(q.cat.objects)...)
}

func (q *compiler) plain(target string) *table {
	v := q.c.v
	a := q.alias()
	t := &table{q: q, alias: a, joins: new([]fragment), joined: map[string]*table{}}
	switch target {
	case "documents", "binders":
		return q.documents(a, target == "binders")
	case "archived_documents": // none is ever archived here
		t := q.documents(a, false)
		t.scope = append(t.scope, never())
		return t
	case "workflows": // there are none
		t.fields = workflowFields
		t.from, t.order = sqlf("(SELECT NULL AS id, NULL AS name, NULL AS status, NULL AS doc WHERE 0) "+a), []string{a + ".id"}
	case "job_instance__sys", "job_history__sys":
		t.fields = jobFields
		t.from, t.key, t.order = sqlf("jobs "+a), a+".id", []string{a + ".id"}
		done := "IS NOT NULL"
		if target == "job_instance__sys" {
			done = "IS NULL"
		}
		t.scope = []fragment{sqlf(a+".slot = ? AND "+a+".finished "+done, v.slot)}
	case "binder_node__sys": // narrowed by plan
		t.fields = nodeFields
		t.from = sqlf("nodes " + a + " JOIN versions " + a + "v ON " + a + "v.key = " + a + ".version AND " + a + "v.latest = 1")
		t.order = []string{a + ".version", a + ".ord", a + ".id"}
	case "relationships":
		t.fields = relationshipFields
		t.from, t.key, t.order = sqlf("relationships "+a), a+".id", []string{a + ".id"}
	case "renditions":
		t.fields = renditionFields
		t.from = sqlf("renditions " + a + " JOIN versions " + a + "v ON " + a + "v.key = " + a + ".version AND " + a + "v.latest = 1")
		t.scope = []fragment{sqlf(a+".version >= ? AND "+a+".version < ?", versionKey(v.slot, 0, 0), versionKey(v.slot+1, 0, 0))}
		t.order = []string{a + ".version", a + ".type"}
	case "users":
		t.fields = userFields
		t.from = sqlf("users " + a + " JOIN members " + a + "m ON " + a + "m.user = " + a + ".id")
		t.scope = []fragment{sqlf(a+"m.slot = ?", v.slot)}
		t.order = []string{a + ".id"}
	case "vault_component__v":
		t.fields = componentFields
		if q.definitions {
			t.fields = definitionFields
		}
		t.from = q.componentRows(a)
		t.order = []string{a + ".id"}
	}
	return t
}

// documents is the table of versions; what of them is asked for (latest, all) is for the plan to say.
func (q *compiler) documents(alias string, binders bool) *table {
	t := &table{q: q, target: "documents", alias: alias, from: sqlf("versions " + alias), key: alias + ".key", rowid: alias + ".key", order: []string{alias + ".key"},
		fields: q.cat.docFields, labels: true, joins: new([]fragment), joined: map[string]*table{}}
	if binders {
		t.scope = []fragment{sqlf(alias + ".binder = 1")}
	}
	return t
}

// records is the table of an object's records that the caller may read.
func (q *compiler) records(o *object) (*table, error) {
	if !q.c.user.can(o.Name, "read") {
		return nil, fail("INSUFFICIENT_ACCESS", "User [%s] has no permission to read [%s]", q.c.user.Name, o.Name)
	}
	a := q.alias()
	t := &table{q: q, target: o.Name, label: o.Label, plural: o.Plural, alias: a, fields: o.fields, object: o, joins: new([]fragment), joined: map[string]*table{}}
	switch o.Name {
	case "user__sys":
		t.from = sqlf("(SELECT u.id AS key, CAST(u.id AS TEXT) AS id, u.name, CASE WHEN u.active AND m.active THEN 'active__v' ELSE 'inactive__v' END AS status, "+
			"'base__v' AS type, NULL AS state, NULL AS external_id, NULL AS link, 0 AS created, u.id AS created_by, 0 AS modified, u.id AS modified_by, "+
			"json_object('username__sys', u.name, 'email__sys', u.name) AS fields FROM users u JOIN members m ON m.user = u.id AND m.slot = ?) "+a, q.c.v.slot)
	case "object_type__v":
		t.from = q.typeRows(a)
	default:
		t.from = sqlf("records " + a)
		t.scope = []fragment{sqlf(a+".extent = ?", q.c.v.extent(o.Name))}
	}
	t.key, t.order = a+".key", []string{a + ".id"}
	if o.Name == "object_type__v" {
		t.key = ""
	}
	if !q.c.user.admin {
		var types []any
		for _, typ := range o.Types {
			if q.c.user.canType(o.Name, typ.Name, "read") {
				types = append(types, typ.Name)
			}
		}
		if len(types) < len(o.Types) {
			t.scope = append(t.scope, sqlf(a+".type IN (SELECT value FROM json_each(?))", jsonList(types)))
		}
	}
	return t, nil
}

// typeRows makes rows of records out of the object types that the catalog has.
func (q *compiler) typeRows(alias string) fragment {
	rows := []any{}
	for _, n := range names(q.cat.objects) {
		for _, typ := range q.cat.objects[n].Types {
			rows = append(rows, map[string]any{"id": typ.ID, "name": typ.Label, "fields": map[string]string{"api_name__v": typ.Name, "object_name__v": n}})
		}
	}
	return sqlf("(SELECT value->>'$.id' AS id, value->>'$.name' AS name, 'active__v' AS status, 'base__v' AS type, NULL AS state, NULL AS external_id, "+
		"NULL AS link, 0 AS created, 0 AS created_by, 0 AS modified, 0 AS modified_by, value->'$.fields' AS fields FROM json_each(?)) "+alias, jsonList(rows))
}

// componentRows makes rows out of the components that the catalog has.
func (q *compiler) componentRows(alias string) fragment {
	rows := []any{}
	for _, typ := range names(componentKinds()) {
		for _, n := range componentKinds()[typ].names(q.cat) {
			x, _ := q.cat.component(typ, n)
			row := map[string]string{"id": typ + "." + n, "type": typ, "name": n, "label": x.Text("label")}
			if q.definitions {
				row["mdl"], row["json"] = mdl.Format(x), string(appendJSON(nil, componentBody(x)))
			}
			rows = append(rows, row)
		}
	}
	return sqlf("(SELECT value->>'$.id' AS id, value->>'$.label' AS label, value->>'$.name' AS name, value->>'$.type' AS type, value->>'$.mdl' AS mdl, "+
		"value->>'$.json' AS json FROM json_each(?)) "+alias, jsonList(rows))
}

// latest is the latest version of the document whose id is in the expression.
func (q *compiler) latest(id string) (*table, fragment) {
	t := q.documents(q.alias(), false)
	base := versionKey(q.c.v.slot, 0, 0)
	return t, sqlf(fmt.Sprintf("LEFT JOIN versions %s NOT INDEXED ON %[1]s.key >= %d + (%s << %d) AND %[1]s.key < %d + ((%[3]s + 1) << %[4]d) AND +%[1]s.latest = 1",
		t.alias, base, id, docShift, base))
}

// lookup is the far side of a relationship that leads to one row at most; it is joined once, however often it is used.
// It is nil when there is no such relationship.
func (t *table) lookup(relationship string) (*table, error) {
	if far := t.joined[relationship]; far != nil {
		return far, nil
	}
	far, on, err := t.outbound(relationship)
	if far == nil || err != nil {
		return nil, err
	}
	far.joins, far.joined = t.joins, map[string]*table{}
	*t.joins = append(*t.joins, on)
	t.joined[relationship] = far
	return far, nil
}

func (t *table) outbound(relationship string) (far *table, on fragment, err error) {
	switch {
	case t.fields == nodeFields && relationship == "document__sysr":
		far, on = t.q.latest(t.alias + ".content")
		return far, on, nil
	case t.fields == nodeFields && relationship == "binder__sysr":
		far = t.q.documents(t.q.alias(), false)
		return far, sqlf("LEFT JOIN versions " + far.alias + " ON " + far.key + " = " + t.alias + ".version"), nil
	case t.fields == relationshipFields && relationship == "source__vr":
		far, on = t.q.latest(t.alias + ".source")
		return far, on, nil
	case t.fields == relationshipFields && relationship == "target__vr":
		far, on = t.q.latest(t.alias + ".target")
		return far, on, nil
	}
	f := t.reference(relationship)
	if f == nil {
		return nil, on, nil
	}
	o := t.q.cat.object(f.Object)
	if o == nil {
		return nil, on, nil
	}
	if far, err = t.q.records(o); err != nil {
		return nil, on, err
	}
	value := t.own(f).sql
	switch {
	case o.Name == "object_type__v":
		return far, join(" ", sqlf("LEFT JOIN"), far.from, sqlf("ON "+far.alias+".fields->>'$.api_name__v' = "+value+
			" AND "+far.alias+".fields->>'$.object_name__v' = ?", t.object.Name)), nil
	case o.Name == "user__sys":
		value = "CAST(" + value + " AS TEXT)"
	}
	conditions := append(slices.Clone(far.scope), sqlf(far.alias+".id = "+value))
	return far, join(" ", sqlf("LEFT JOIN"), far.from, sqlf("ON"), join(" AND ", conditions...)), nil
}

// reference is the field whose relationship is called so. A document's reference has two names: document_x__vr and x__vr.
func (t *table) reference(relationship string) *field {
	if f := t.fields.outbound(relationship); f != nil {
		return f
	}
	if t.labels {
		for _, f := range t.fields.list {
			if name := relationshipName(f.Name); f.Object != "" && (relationship == name || relationship == "document_"+name) {
				return f
			}
		}
	}
	return nil
}

// relation is a relationship to many, for a sub-select: the rows of far, and how they belong to the rows of near.
type relation struct {
	near, far *table
	// key is near's side of the link, parent the same seen from far's side. from is what far's rows are read from so that parent is there.
	key, parent string
	from        fragment
	scope       []fragment
	at          int // where near's side is among the values of its row
}

// many opens a relationship to many by its name, or returns nil when there is none.
func (t *table) many(relationship string) (*relation, error) {
	q := t.q
	switch {
	case t.labels && relationship == "binder_nodes__sysr":
		far := q.plain("binder_node__sys")
		far.from = sqlf("nodes " + far.alias)
		return &relation{near: t, far: far, key: t.rowid, parent: far.alias + ".version", from: far.from, scope: []fragment{sqlf(far.alias+".slot = ?", q.c.v.slot)}}, nil
	case t.labels:
		f := t.reference(relationship)
		if f == nil || f.Column != "" || q.cat.object(f.Object) == nil {
			return nil, nil
		}
		far, err := q.records(q.cat.object(f.Object))
		if err != nil {
			return nil, err
		}
		near := q.alias()
		from := join(" ", sqlf("versions "+near+" CROSS JOIN json_each("+near+".fields, '$."+f.Name+"') "+near+"j CROSS JOIN"), far.from)
		return &relation{near: t, far: far, key: t.rowid, parent: near + ".key", from: from,
			scope: append(slices.Clone(far.scope), sqlf(far.alias+".id = "+near+"j.value"))}, nil
	case t.object != nil:
		for _, in := range q.cat.inbound(t.object.Name) {
			if in.Name != relationship || in.Field.Column != "" {
				continue
			}
			far, err := q.records(in.Object)
			if err != nil {
				return nil, err
			}
			link := q.alias()
			return &relation{near: t, far: far, key: t.alias + ".id", parent: link + ".target", from: join(" ", sqlf("refs "+link+" CROSS JOIN"), far.from),
				scope: append(slices.Clone(far.scope), sqlf(link+".extent = ? AND "+link+".field = ? AND "+far.alias+".id = "+link+".id",
					q.c.v.extent(in.Object.Name), in.Field.Name))}, nil
		}
		for _, f := range q.cat.docFields.list {
			if f.Object != t.object.Name || f.Column != "" || relationship != "document_"+relationshipName(f.Name) {
				continue
			}
			far := q.documents(q.alias(), false)
			link := q.alias()
			return &relation{near: t, far: far, key: t.alias + ".id", parent: link + ".value",
				from:  sqlf("versions " + far.alias + " CROSS JOIN json_each(" + far.alias + ".fields, '$." + f.Name + "') " + link),
				scope: []fragment{sqlf(far.key+" >= ? AND "+far.key+" < ? AND "+far.alias+".latest = 1", versionKey(q.c.v.slot, 0, 0), versionKey(q.c.v.slot+1, 0, 0))}}, nil
		}
	}
	return nil, nil
}

// relationships lists the relationships of a table as SHOW RELATIONSHIPS prints them.
func (t *table) relationships() []body {
	var rows []body
	add := func(name, target, typ string) {
		rows = append(rows, body{"name", name, "target", target, "type", typ})
	}
	switch {
	case t.fields == nodeFields:
		add("binder__sysr", "binders", "outbound")
		add("document__sysr", "documents", "outbound")
	case t.fields == relationshipFields:
		add("source__vr", "documents", "outbound")
		add("target__vr", "documents", "outbound")
	case t.labels:
		if t.target == "binders" {
			add("binder_nodes__sysr", "binder_node__sys", "inbound")
		}
	}
	for _, f := range t.fields.list {
		if f.Object != "" && f.Outbound != "" {
			add(f.Outbound, f.Object, "outbound")
		}
	}
	if t.object != nil {
		for _, in := range t.q.cat.inbound(t.object.Name) {
			add(in.Name, in.Object.Name, "inbound")
		}
		for _, f := range t.q.cat.docFields.list {
			if f.Object == t.object.Name && f.Column == "" {
				add("document_"+relationshipName(f.Name), "documents", "inbound")
			}
		}
	}
	return rows
}

// didYouMean names what is near to a name that is not known.
func didYouMean(name string, known []string) string {
	type near struct {
		name     string
		distance int
	}
	stem := func(s string) string { s, _, _ = strings.Cut(s, "__"); return s }
	var list []near
	for _, k := range known {
		d := distance(name, k)
		if stem(k) == stem(name) {
			d = 0
		}
		if d <= max(2, len(name)/3) {
			list = append(list, near{k, d})
		}
	}
	if len(list) == 0 {
		return ""
	}
	slices.SortStableFunc(list, func(a, b near) int { return cmp.Compare(a.distance, b.distance) })
	text := "; did you mean "
	for i, n := range list[:min(3, len(list))] {
		if i > 0 {
			text += ", "
		}
		text += "[" + n.name + "]"
	}
	return text + "?"
}

// distance is the number of letters to add, drop or change to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		previous := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := previous
			if a[i] != b[j] {
				change++
			}
			previous = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// never is true of no row. A plain 0 would let the database drop what says that a partial index can be used, and then refuse that index.
func never() fragment { return sqlf("? = 1", 0) }
