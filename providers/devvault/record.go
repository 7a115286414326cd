package devvault

import (
	"context"
	"database/sql"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// record is a row of an object. Empty texts of columns that may be null are null.
type record struct {
	id, name, status, typ, state, external, link string
	created, createdBy, modified, modifiedBy     int64
	fields                                       values
}

const recordColumns = `id, name, status, type, state, external_id, link, created, created_by, modified, modified_by, fields`

func scanRecord(rows *sql.Rows) (*record, error) {
	var r record
	var name, state, external, link sql.NullString
	var fields []byte
	if err := rows.Scan(&r.id, &name, &r.status, &r.typ, &state, &external, &link, &r.created, &r.createdBy, &r.modified, &r.modifiedBy, &fields); err != nil {
		return nil, err
	}
	r.name, r.state, r.external, r.link = name.String, state.String, external.String, link.String
	var err error
	r.fields, err = parseValues(fields)
	return &r, err
}

// record finds a record by id; nil when there is none.
func (v *vault) record(ctx context.Context, q querier, object, id string) (*record, error) {
	switch object {
	case "user__sys":
		return v.userRecord(id), nil
	case "object_type__v":
		return v.typeRecord(id), nil
	}
	return oneRecord(ctx, q, `SELECT `+recordColumns+` FROM records WHERE extent = ? AND id = ?`, v.extent(object), id)
}

// userRecord is a member of the vault as a record of user__sys.
func (v *vault) userRecord(id string) *record {
	for _, u := range v.s.usersOf(v) {
		if strconv.FormatInt(u.ID, 10) == id {
			r := &record{id: id, name: u.Name, status: "inactive__v", typ: "base__v", created: v.created, modified: v.created, createdBy: u.ID, modifiedBy: u.ID,
				fields: values{"username__sys": u.Name, "email__sys": u.Name}}
			if u.active() {
				r.status = "active__v"
			}
			return r
		}
	}
	return nil
}

// typeRecord is an object type as a record of object_type__v.
func (v *vault) typeRecord(id string) *record {
	for _, o := range v.catalog().objects {
		if t := o.typeByID(id); t != nil {
			r := &record{id: id, name: t.Label, status: "active__v", typ: "base__v", created: v.created, modified: v.created, createdBy: 10000 + v.slot,
				modifiedBy: 10000 + v.slot, fields: values{"api_name__v": t.Name, "object_name__v": o.Name}}
			if t.Inactive {
				r.status = "inactive__v"
			}
			return r
		}
	}
	return nil
}

func oneRecord(ctx context.Context, q querier, query string, args ...any) (*record, error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, rows.Err()
	}
	return scanRecord(rows)
}

// lookup finds the ids of the records in which a field has a value. A unique field yields one at most; two are enough to know of more.
func (v *vault) lookup(ctx context.Context, q querier, o *object, f *field, value string) ([]string, error) {
	extent := v.extent(o.Name)
	var query string
	args := []any{extent, value}
	switch {
	case f.Column != "":
		query = `SELECT id FROM records WHERE extent = ? AND ` + f.Column + ` = ? LIMIT 2`
	case f.Unique:
		query = `SELECT id FROM uniques WHERE extent = ? AND value = ? AND field = ? LIMIT 2`
		args = append(args, f.Name)
	default:
		query = `SELECT id FROM records WHERE extent = ? AND fields ->> ? = ? LIMIT 2`
		args = []any{extent, "$." + f.Name, value}
	}
	return idsIn(q.QueryContext(ctx, query, args...))
}

func null(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// insertRecord stores a record and what is kept for its unique fields and references.
func (v *vault) insertRecord(t *tx, o *object, r *record) error {
	extent := v.extent(o.Name)
	if r.id == "" {
		var err error
		if r.id, err = v.nextRecord(t, o, extent); err != nil {
			return err
		}
	}
	if err := t.exec(`INSERT INTO records (extent, `+recordColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		extent, r.id, null(r.name), r.status, r.typ, null(r.state), null(r.external), null(r.link), r.created, r.createdBy, r.modified, r.modifiedBy,
		r.fields.stored()); err != nil {
		return err
	}
	return v.index(t, o, extent, r, nil)
}

// updateRecord stores a changed record; old is how it was.
func (v *vault) updateRecord(t *tx, o *object, r, old *record) error {
	extent := v.extent(o.Name)
	if err := t.exec(`UPDATE records SET name = ?, status = ?, type = ?, state = ?, external_id = ?, link = ?, modified = ?, modified_by = ?, fields = ?
		WHERE extent = ? AND id = ?`, null(r.name), r.status, r.typ, null(r.state), null(r.external), null(r.link), r.modified, r.modifiedBy,
		r.fields.stored(), extent, r.id); err != nil {
		return err
	}
	return v.index(t, o, extent, r, old)
}

// index brings uniques and refs from old to r; either may be nil.
func (v *vault) index(t *tx, o *object, extent int64, r, old *record) error {
	value := func(r *record, f *field) string {
		if r == nil {
			return ""
		}
		return asText(r.fields[f.Name])
	}
	id := ""
	if r != nil {
		id = r.id
	} else {
		id = old.id
	}
	for _, f := range o.fields.list {
		if f.Column != "" || f.Computed || !f.Unique && f.Object == "" {
			continue
		}
		before, after := value(old, f), value(r, f)
		if before == after {
			continue
		}
		table, column := "refs", "target"
		if f.Object == "" {
			table, column = "uniques", "value"
		}
		if before != "" {
			if err := t.exec(`DELETE FROM `+table+` WHERE extent = ? AND field = ? AND `+column+` = ? AND id = ?`, extent, f.Name, before, id); err != nil {
				return err
			}
		}
		if after != "" {
			if err := t.exec(`INSERT INTO `+table+` (extent, field, `+column+`, id) VALUES (?, ?, ?, ?)`, extent, f.Name, after, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// deleteRecord removes a record and those that go with it. One that others refer to stays, and is the answer's failure.
func (v *vault) deleteRecord(t *tx, o *object, r *record, now int64) error {
	for _, in := range v.catalog().inbound(o.Name) {
		extent := v.extent(in.Object.Name)
		if extent == 0 {
			continue
		}
		ids, err := v.referring(t, extent, in.Field.Name, r.id)
		if err != nil {
			return err
		}
		if in.Field.SetNull {
			for _, id := range ids {
				old, err := v.record(context.Background(), t, in.Object.Name, id)
				if err != nil {
					return err
				}
				child := old.clone()
				delete(child.fields, in.Field.Name)
				child.modified = now
				if err := v.updateRecord(t, in.Object, child, old); err != nil {
					return err
				}
			}
			continue
		}
		if len(ids) > 0 && !in.Field.Cascade {
			return fail("OPERATION_NOT_ALLOWED", "The record [%s] cannot be deleted: %s [%s] refers to it", r.id, in.Object.Label, ids[0])
		}
		for _, id := range ids {
			child, err := v.record(context.Background(), t, in.Object.Name, id)
			if err != nil {
				return err
			}
			if err := v.deleteRecord(t, in.Object, child, now); err != nil {
				return err
			}
		}
	}
	extent := v.extent(o.Name)
	if err := v.index(t, o, extent, nil, r); err != nil {
		return err
	}
	if o.Attachments || o.hasFiles() {
		if err := t.exec(`DELETE FROM record_files WHERE extent = ? AND id = ?`, extent, r.id); err != nil {
			return err
		}
	}
	if err := t.exec(`DELETE FROM record_roles WHERE extent = ? AND id = ?`, extent, r.id); err != nil {
		return err
	}
	if err := t.exec(`DELETE FROM records WHERE extent = ? AND id = ?`, extent, r.id); err != nil {
		return err
	}
	return t.exec(`INSERT INTO deletions (slot, kind, at, id, global_id) VALUES (?, ?, ?, ?, ?)`, v.slot, o.Name, now, r.id, v.globalID(r.id))
}

func (o *object) hasFiles() bool {
	for _, f := range o.fields.list {
		if f.Type == typeFile {
			return true
		}
	}
	return false
}

func (v *vault) referring(t *tx, extent int64, field, target string) ([]string, error) {
	return idsIn(t.QueryContext(context.Background(), `SELECT id FROM refs WHERE extent = ? AND field = ? AND target = ?`, extent, field, target))
}

// idsIn reads the answer to a query for ids.
func idsIn(rows *sql.Rows, err error) ([]string, error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

func (v *vault) globalID(id string) string { return strconv.FormatInt(v.id, 10) + "_" + id }

// get returns a field of a record as it is stored, nil when it has no value. References and picklists are as in fields.
func (v *vault) get(o *object, r *record, f *field) any {
	switch f.Name {
	case "id":
		return r.id
	case "name__v":
		return null(r.name)
	case "status__v":
		return []string{r.status}
	case "object_type__v":
		if t := o.typeByName(r.typ); t != nil {
			return t.ID
		}
		return nil
	case "external_id__v":
		return null(r.external)
	case "link__sys":
		return null(r.link)
	case "global_id__sys":
		return v.globalID(r.id)
	case "state__v":
		return null(r.state)
	case "lifecycle__v":
		return null(o.Lifecycle)
	case "created_date__v":
		return formatMillis(r.created)
	case "modified_date__v":
		return formatMillis(r.modified)
	case "created_by__v":
		return strconv.FormatInt(r.createdBy, 10)
	case "modified_by__v":
		return strconv.FormatInt(r.modifiedBy, 10)
	}
	if f.Source != "" && f.Computed {
		return r.fields[f.Source]
	}
	return r.fields[f.Name]
}

// show is get as a record is answered: lookups followed, currencies with their decimals.
func (v *vault) show(ctx context.Context, q querier, o *object, r *record, f *field) (any, error) {
	if f.Via != "" {
		ref := o.fields.outbound(f.Via)
		if ref == nil {
			return nil, nil
		}
		far := v.catalog().object(ref.Object)
		id := asText(v.get(o, r, ref))
		if far == nil || id == "" {
			return nil, nil
		}
		x, err := v.record(ctx, q, far.Name, id)
		source := far.fields.get(f.Source)
		if x == nil || source == nil || err != nil {
			return nil, err
		}
		return v.get(far, x, source), nil
	}
	value := v.get(o, r, f)
	if n, isNumber := value.(json.Number); isNumber && f.Type == typeCurrency {
		return f.money(n.String()), nil
	}
	return value, nil
}

// money is an amount as text with the decimals of its field, two where it says nothing.
func (f *field) money(amount string) string {
	n, err := strconv.ParseFloat(amount, 64)
	if err != nil {
		return amount
	}
	scale := f.Scale
	if scale == 0 {
		scale = 2
	}
	return strconv.FormatFloat(n, 'f', scale, 64)
}

// set changes a field of a record to a converted value.
func (r *record) set(o *object, f *field, value any) error {
	text := asText(value)
	switch f.Name {
	case "name__v":
		r.name = text
	case "status__v":
		if text == "" {
			return fail("INVALID_DATA", "The field [status__v] cannot be blank")
		}
		r.status = text
	case "object_type__v":
		t := o.typeByID(text)
		if t == nil {
			t = o.typeByName(text)
		}
		if t == nil {
			return fail("INVALID_DATA", "The object type [%s] does not exist on [%s]", text, o.Name)
		}
		r.typ = t.Name
	case "external_id__v":
		r.external = text
	case "link__sys":
		r.link = text
	case "state__v":
		r.state = text
	case "created_date__v", "modified_date__v": // in migration mode
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil && f.Name == "created_date__v" {
			r.created = at.UnixMilli()
		} else if err == nil {
			r.modified = at.UnixMilli()
		}
	case "created_by__v", "modified_by__v":
		if id, err := strconv.ParseInt(text, 10, 64); err == nil && f.Name == "created_by__v" {
			r.createdBy = id
		} else if err == nil {
			r.modifiedBy = id
		}
	default:
		if value == nil {
			delete(r.fields, f.Name)
		} else {
			r.fields[f.Name] = value
		}
	}
	return nil
}

func (r *record) clone() *record {
	n := *r
	n.fields = cloneMap(r.fields)
	return &n
}

// handleReadRecord answers GET /api/{v}/vobjects/{object}/{id}.
func handleReadRecord(c *call) (reply, error) {
	o, r, err := c.readable()
	if err != nil {
		return reply{}, err
	}
	data := body{}
	for _, f := range o.fields.list {
		if f.Inactive || !c.user.canField(o.Name, f.Name, "read") {
			continue
		}
		value, err := c.v.show(c.ctx(), c.s.store.read, o, r, f)
		if err != nil {
			return reply{}, err
		}
		data = append(data, f.Name, value)
	}
	if o.DynamicSecurity {
		roles, err := c.v.recordRoles(c.s.store.read, o.Name, r.id)
		if err != nil {
			return reply{}, err
		}
		sharing := body{}
		for _, name := range []string{"owner__v", "viewer__v", "editor__v"} {
			x := recordRole{}
			for _, role := range roles {
				if role.name == name {
					x = role
				}
			}
			sharing = append(sharing, name, body{"groups", numbers(x.groups), "users", numbers(x.users)})
		}
		data = append(data, "manually_assigned_sharing_roles", sharing)
	}
	url := "/api/" + c.version + "/vobjects/" + o.Name
	return ok("responseDetails", body{"url", url + "/" + r.id, "object", c.objectBody(o)}, "data", data)
}

func (c *call) objectBody(o *object) body {
	return body{"url", "/api/" + c.version + "/metadata/vobjects/" + o.Name, "label", o.Label, "name", o.Name, "label_plural", o.Plural, "prefix", o.Prefix}
}

// object finds the object of the route, and refuses who may not do verb with its records.
func (c *call) object(verb string) (*object, error) {
	o := c.v.catalog().object(c.param("object"))
	if o == nil {
		return nil, fail("INVALID_DATA", "The object [%s] does not exist", c.param("object"))
	}
	if !c.user.can(o.Name, verb) {
		return nil, fail("INSUFFICIENT_ACCESS", "User [%s] has no %s permission on object [%s]", c.user.Name, verb, o.Name)
	}
	return o, nil
}

// handleListRecords answers GET /api/{v}/vobjects/{object}, as older clients use it.
func handleListRecords(c *call) (reply, error) {
	o, err := c.object("read")
	if err != nil {
		return reply{}, err
	}
	limit, offset := c.page(200, 200)
	if o.Name == "user__sys" || o.Name == "object_type__v" {
		return c.listVirtual(o, limit, offset)
	}
	rows, err := c.s.store.read.QueryContext(c.ctx(), `SELECT `+recordColumns+` FROM records WHERE extent = ? ORDER BY id LIMIT ? OFFSET ?`,
		c.v.extent(o.Name), limit, offset)
	if err != nil {
		return reply{}, err
	}
	defer rows.Close()
	wanted := []string{"id", "name__v"}
	if f := c.form.Get("fields"); f != "" {
		wanted = strings.Split(f, ",")
	}
	data := []body{}
	for rows.Next() {
		r, err := scanRecord(rows)
		if err != nil {
			return reply{}, err
		}
		row := body{}
		for _, n := range wanted {
			if f := o.fields.get(strings.TrimSpace(n)); f != nil && c.user.canField(o.Name, f.Name, "read") {
				value, err := c.v.show(c.ctx(), c.s.store.read, o, r, f)
				if err != nil {
					return reply{}, err
				}
				row = append(row, f.Name, value)
			}
		}
		data = append(data, row)
	}
	if err := rows.Err(); err != nil {
		return reply{}, err
	}
	var total int
	if _, err := one(c.ctx(), c.s.store.read, []any{&total}, `SELECT count(*) FROM records WHERE extent = ?`, c.v.extent(o.Name)); err != nil {
		return reply{}, err
	}
	return ok("responseDetails", body{"total", total, "limit", limit, "offset", offset, "object", c.objectBody(o)}, "data", data)
}

// listVirtual lists the records of an object that are no rows of a table.
func (c *call) listVirtual(o *object, limit, offset int) (reply, error) {
	var list []*record
	if o.Name == "user__sys" {
		for _, u := range c.s.usersOf(c.v) {
			list = append(list, c.v.userRecord(strconv.FormatInt(u.ID, 10)))
		}
	} else {
		cat := c.v.catalog()
		for _, n := range names(cat.objects) {
			for _, t := range cat.objects[n].Types {
				list = append(list, c.v.typeRecord(t.ID))
			}
		}
	}
	data := []body{}
	for _, r := range list[min(offset, len(list)):min(offset+limit, len(list))] {
		data = append(data, body{"id", r.id, "name__v", r.name})
	}
	return ok("responseDetails", body{"total", len(list), "limit", limit, "offset", offset, "object", c.objectBody(o)}, "data", data)
}

// page reads limit and offset.
func (c *call) page(standard, most int) (limit, offset int) {
	limit = standard
	if n, err := strconv.Atoi(c.form.Get("limit")); err == nil && n >= 0 {
		limit = min(n, most)
	}
	if n, err := strconv.Atoi(c.form.Get("offset")); err == nil && n > 0 {
		offset = n
	}
	return limit, offset
}
