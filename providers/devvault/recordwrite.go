package devvault

import (
	"context"
	"slices"
	"strings"
)

const maxRecordRows = 500

// rowResult is the answer to one row of a bulk call.
type rowResult struct {
	err     *apiError
	warning bool // NO_DATA_CHANGES
	data    body
}

func (c *call) recordRow(r rowResult) body {
	switch {
	case r.err != nil:
		row := body{"responseStatus", "FAILURE", "errors", []body{{"type", r.err.Type, "message", r.err.Message}}}
		if r.data != nil {
			row = append(row, "data", r.data)
		}
		return row
	case r.warning:
		return body{"responseStatus", "WARNING", "warnings", noDataChanges("No changes in values"), "data", r.data}
	}
	return body{"responseStatus", "SUCCESS", "data", r.data}
}

func noDataChanges(message string) []body {
	return []body{{"warning_type", "NO_DATA_CHANGES", "message", message}}
}

func (c *call) recordURL(o *object, id string) string {
	return "/api/" + c.version + "/vobjects/" + o.Name + "/" + id
}

// recordReply puts rows into the envelope of bulk calls: SUCCESS though rows failed, WARNING when one is a warning.
func (c *call) recordReply(results []rowResult) (reply, error) {
	data := make([]body, len(results))
	status := ""
	for i, r := range results {
		data[i] = c.recordRow(r)
		if r.warning {
			status = "WARNING"
		}
	}
	out := reply{status: status, body: body{"data", data}}
	if status == "WARNING" {
		out.body = append(body{"warnings", noDataChanges("At least one record was not updated, as it has no changes in values")}, out.body...)
	}
	return out, nil
}

// each runs do for every row in one transaction. A row that fails leaves nothing behind; what is not a failure of the row fails the call.
func (c *call) each(rows []requestRow, do func(*tx, requestRow) (rowResult, error)) ([]rowResult, error) {
	results := make([]rowResult, len(rows))
	err := c.update(func(t *tx) error {
		for i, row := range rows {
			if e := c.fault.row(i, row.text); e != nil {
				results[i] = rowResult{err: e}
				continue
			}
			err := t.row(func() (err error) {
				results[i], err = do(t, row)
				return err
			})
			if e, isAPI := err.(*apiError); isAPI {
				results[i] = rowResult{err: e, data: results[i].data}
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	return results, err
}

// row runs do and takes back what it wrote if it fails.
func (t *tx) row(do func() error) error {
	if err := t.exec("SAVEPOINT line"); err != nil {
		return err
	}
	after, lines := len(t.after), len(t.audit)
	err := do()
	if err != nil {
		t.after, t.audit = t.after[:after], t.audit[:lines]
		if e := t.exec("ROLLBACK TO line"); e != nil {
			return e
		}
	}
	if e := t.exec("RELEASE line"); e != nil {
		return e
	}
	return err
}

// idParam finds the field that ?idParam= names; nil when there is none. It must be unique.
func (c *call) idParam(o *object) (*field, error) {
	name := c.form.Get("idParam")
	if name == "" {
		return nil, nil
	}
	f := o.fields.get(name)
	if f == nil || !f.Unique {
		return nil, fail("INVALID_DATA", "The field [%s] given as idParam is not a unique field of [%s]", name, o.Name)
	}
	return f, nil
}

// recordRows reads what a call does something to: an object, the field that finds its records, if any, and rows.
func (c *call) recordRows(verb string) (o *object, key *field, rows []requestRow, err error) {
	if o, err = c.object(verb); err != nil {
		return nil, nil, nil, err
	}
	if rows, err = c.rows(maxRecordRows); err != nil {
		return nil, nil, nil, err
	}
	key, err = c.idParam(o)
	return o, key, rows, err
}

// handleCreateRecords answers POST /api/{v}/vobjects/{object}: create, or upsert with idParam.
func handleCreateRecords(c *call) (reply, error) {
	o, key, rows, err := c.recordRows("create")
	if err != nil {
		return reply{}, err
	}
	if key == nil {
		results, err := c.each(rows, func(t *tx, row requestRow) (rowResult, error) {
			id, err := c.createRecord(t, o, row)
			return rowResult{data: body{"id", id, "url", c.recordURL(o, id), "event", "created__sys"}}, err
		})
		if err != nil {
			return reply{}, err
		}
		return c.recordReply(results)
	}
	if e := duplicates(rows, key.Name); e != nil {
		return reply{}, e
	}
	if !c.user.can(o.Name, "edit") {
		return reply{}, fail("INSUFFICIENT_ACCESS", "User [%s] has no edit permission on object [%s]", c.user.Name, o.Name)
	}
	results, err := c.each(rows, func(t *tx, row requestRow) (rowResult, error) { return c.upsertRecord(t, o, key, row) })
	if err != nil {
		return reply{}, err
	}
	return c.recordReply(results)
}

// duplicates refuses rows of which two have the same key.
func duplicates(rows []requestRow, key string) error {
	seen := make(map[string]bool, len(rows))
	for _, row := range rows {
		v := row.text(key)
		if v != "" && seen[v] {
			return fail("INVALID_DATA", "Duplicate values in the idParam field [%s]: %s", key, v)
		}
		seen[v] = true
	}
	return nil
}

func (c *call) upsertRecord(t *tx, o *object, key *field, row requestRow) (rowResult, error) {
	value := row.text(key.Name)
	result := rowResult{data: body{"id_param_value", value}}
	if value == "" {
		return result, fail("PARAMETER_REQUIRED", "Missing required parameter [%s]", key.Name)
	}
	ids, err := c.v.lookup(c.ctx(), t, o, key, value)
	if err != nil {
		return result, err
	}
	if len(ids) == 0 {
		id, err := c.createRecord(t, o, row)
		if err != nil {
			return result, err
		}
		return rowResult{data: body{"id", id, "url", c.recordURL(o, id), "event", "created__sys", "id_param_value", value}}, nil
	}
	changed, err := c.changeRecord(t, o, ids[0], row, key.Name)
	if err != nil {
		return result, err
	}
	return rowResult{warning: !changed, data: body{"id", ids[0], "url", c.recordURL(o, ids[0]), "event", "updated__sys", "id_param_value", value}}, nil
}

// handleUpdateRecords answers PUT /api/{v}/vobjects/{object}.
func handleUpdateRecords(c *call) (reply, error) {
	o, key, rows, err := c.recordRows("edit")
	if err != nil {
		return reply{}, err
	}
	repeated := map[string]int{}
	for _, row := range rows {
		repeated[row.text("id")]++
	}
	isParent := slices.ContainsFunc(c.v.catalog().inbound(o.Name), func(in inbound) bool { return in.Field.Parent })
	results, err := c.each(rows, func(t *tx, row requestRow) (rowResult, error) {
		id, used, err := c.recordOf(t, o, key, row)
		if err != nil {
			return rowResult{}, err
		}
		if _, given := row["status__v"]; given && isParent && len(rows) > 1 {
			return rowResult{}, fail("OPERATION_NOT_ALLOWED", "The status of a parent object cannot be changed in bulk")
		}
		if key == nil && repeated[id] > 1 {
			return rowResult{}, fail("INVALID_DATA", "Duplicate ids in the request: [%s]", id)
		}
		changed, err := c.changeRecord(t, o, id, row, used)
		data := body{"id", id, "url", c.recordURL(o, id)}
		if key != nil {
			data = append(data, "id_param_value", row.text(key.Name))
		}
		return rowResult{warning: !changed, data: data}, err
	})
	if err != nil {
		return reply{}, err
	}
	return c.recordReply(results)
}

// handleDeleteRecords answers DELETE /api/{v}/vobjects/{object}.
func handleDeleteRecords(c *call) (reply, error) {
	o, key, rows, err := c.recordRows("delete")
	if err != nil {
		return reply{}, err
	}
	results, err := c.each(rows, func(t *tx, row requestRow) (rowResult, error) {
		id, _, err := c.recordOf(t, o, key, row)
		if err != nil {
			return rowResult{}, err
		}
		if virtual(o) {
			return rowResult{}, fail("OPERATION_NOT_ALLOWED", "Records of [%s] cannot be deleted: make them inactive", o.Name)
		}
		r, err := c.v.record(c.ctx(), t, o.Name, id)
		if err != nil {
			return rowResult{}, err
		}
		if r == nil {
			return rowResult{}, fail("INVALID_DATA", "The resource [%s] does not exist", id)
		}
		if !c.user.canType(o.Name, r.typ, "delete") {
			return rowResult{}, fail("INSUFFICIENT_ACCESS", "User [%s] may not delete records of type [%s]", c.user.Name, r.typ)
		}
		if o.Name == "integration__sys" && strings.HasSuffix(asText(r.fields["integration_api_name__sys"]), "__v") ||
			o.Name == "integration_point__sys" && strings.HasSuffix(asText(r.fields["integration_point_api_name__sys"]), "__v") {
			return rowResult{}, fail("OPERATION_NOT_ALLOWED", "The standard record [%s] cannot be deleted", id)
		}
		c.auditRecord(t, o, "Delete", r, nil)
		return rowResult{data: body{"id", id}}, c.v.deleteRecord(t, o, r, c.now.UnixMilli())
	})
	if err != nil {
		return reply{}, err
	}
	return c.recordReply(results)
}

// recordOf finds the id of the record that a row is about, and the name of the field that said so.
func (c *call) recordOf(t *tx, o *object, key *field, row requestRow) (id, used string, err error) {
	if key == nil || key.Name == "id" {
		if id = row.text("id"); id == "" {
			return "", "", fail("PARAMETER_REQUIRED", "Missing required parameter [id]")
		}
		return id, "id", nil
	}
	value := row.text(key.Name)
	ids, err := c.v.lookup(c.ctx(), t, o, key, value)
	if err != nil {
		return "", "", err
	}
	if value == "" || len(ids) == 0 {
		return "", "", fail("INVALID_DATA", "The resource [%s] does not exist", value)
	}
	return ids[0], key.Name, nil
}

func (c *call) createRecord(t *tx, o *object, row requestRow) (string, error) {
	if virtual(o) {
		return "", fail("OPERATION_NOT_ALLOWED", "Records of [%s] cannot be created here", o.Name)
	}
	now := c.now.UnixMilli()
	r := &record{status: "active__v", typ: o.defaultType(), created: now, modified: now, createdBy: c.user.ID, modifiedBy: c.user.ID, fields: values{}}
	if flow := c.v.catalog().stateflows[o.Lifecycle]; flow != nil {
		r.enter(flow.state(flow.Starting))
	}
	if from := row.text("source_record_id"); from != "" {
		source, err := c.v.record(c.ctx(), t, o.Name, from)
		if err != nil {
			return "", err
		}
		if source == nil || !c.user.canType(o.Name, source.typ, "read") {
			return "", fail("INVALID_DATA", "The resource [%s] does not exist", from)
		}
		r = c.copyOf(o, source)
	}
	for _, f := range o.fields.list {
		if _, given := row[f.Name]; f.Default != "" && !given && f.Column == "" && r.fields[f.Name] == nil {
			if value, err := f.convert(c.v.catalog(), strings.Trim(f.Default, `"`)); err == nil && value != nil {
				r.fields[f.Name] = value
			}
		}
	}
	if err := c.fill(t, o, r, row, "id", true); err != nil {
		return "", err
	}
	for _, f := range o.fields.list {
		if f.Required && c.v.get(o, r, f) == nil {
			return "", fail("PARAMETER_REQUIRED", "Missing required parameter [%s]", f.Name)
		}
	}
	if !c.user.canType(o.Name, r.typ, "create") {
		return "", fail("INSUFFICIENT_ACCESS", "User [%s] may not create records of type [%s]", c.user.Name, r.typ)
	}
	if err := c.checkUnique(t, o, r, nil); err != nil {
		return "", err
	}
	if err := c.v.insertRecord(t, o, r); err != nil {
		return "", err
	}
	c.auditRecord(t, o, "Create", r, nil)
	return r.id, c.setRoles(t, o, r.id, row)
}

// virtual objects have records that come from elsewhere.
func virtual(o *object) bool { return o.Name == "user__sys" || o.Name == "object_type__v" }

// setRoles puts who has a role on a record in place of who had it, for the columns {role}.users and {role}.groups of a row.
func (c *call) setRoles(t *tx, o *object, id string, row requestRow) error {
	for _, n := range names(row) {
		if isRoleColumn(n) {
			if err := c.setRole(t, o, id, n, row.text(n), func(_, given []string) []string { return given }); err != nil {
				return err
			}
		}
	}
	return nil
}

func isRoleColumn(name string) bool {
	role, kind, _ := strings.Cut(name, ".")
	return (kind == "users" || kind == "groups") && (role == "owner__v" || role == "viewer__v" || role == "editor__v")
}

// changeRecord applies a row to a record; changed is false when all values are as they were. The field used, which found the record, is not applied.
func (c *call) changeRecord(t *tx, o *object, id string, row requestRow, used string) (changed bool, err error) {
	old, err := c.v.record(c.ctx(), t, o.Name, id)
	if err != nil {
		return false, err
	}
	if old == nil {
		return false, fail("INVALID_DATA", "The resource [%s] does not exist", id)
	}
	if !c.user.canType(o.Name, old.typ, "edit") {
		return false, fail("INSUFFICIENT_ACCESS", "User [%s] may not edit records of type [%s]", c.user.Name, old.typ)
	}
	r := old.clone()
	if err := c.fill(t, o, r, row, used, false); err != nil {
		return false, err
	}
	for _, f := range o.fields.list {
		if f.Required && c.v.get(o, r, f) == nil {
			return false, fail("INVALID_DATA", "The field [%s] cannot be blank", f.Name)
		}
		changed = changed || !equal(c.v.get(o, old, f), c.v.get(o, r, f))
	}
	if err := c.setRoles(t, o, id, row); err != nil {
		return false, err
	}
	if !changed {
		return false, nil
	}
	if virtual(o) {
		return false, fail("OPERATION_NOT_ALLOWED", "Records of [%s] cannot be changed here", o.Name)
	}
	if err := c.checkUnique(t, o, r, old); err != nil {
		return false, err
	}
	r.modified, r.modifiedBy = c.now.UnixMilli(), c.user.ID
	c.auditRecord(t, o, "Edit", r, old)
	return true, c.v.updateRecord(t, o, r, old)
}

// fill sets the fields that a row names. The field called skip has found the record, and is left alone.
func (c *call) fill(t *tx, o *object, r *record, row requestRow, skip string, create bool) error {
	cat := c.v.catalog()
	for _, name := range names(row) {
		in := row[name]
		if name == skip || name == "source_record_id" && create || isRoleColumn(name) && o.DynamicSecurity {
			continue
		}
		if name == "state_label" {
			flow := cat.stateflows[o.Lifecycle]
			kind, _ := strings.CutPrefix(asText(in), "base:object_lifecycle:")
			states := flow.kind(kind)
			switch {
			case !c.migration():
				return fail("INVALID_DATA", "[state_label] can be set in migration mode only")
			case len(states) == 0:
				return fail("INVALID_DATA", "No state of [%s] has the label [%s]", o.Lifecycle, asText(in))
			}
			r.enter(flow.state(states[0]))
			continue
		}
		if name == "object_type__v.api_name__v" {
			if _, both := row["object_type__v"]; both {
				return fail("INVALID_DATA", "Give [object_type__v] or [object_type__v.api_name__v], not both")
			}
			name = "object_type__v"
		}
		if path, of, isPath := strings.Cut(name, "."); isPath {
			f := o.fields.outbound(path)
			if f == nil {
				return fail("INVALID_DATA", "The field [%s] does not exist on object [%s]", name, o.Name)
			}
			id, err := c.resolve(t, f, of, asText(in))
			if err != nil {
				return err
			}
			name, in = f.Name, id
		}
		f := o.fields.get(name)
		if f == nil {
			return fail("ATTRIBUTE_NOT_SUPPORTED", "The field [%s] does not exist on object [%s]", name, o.Name)
		}
		if f.ReadOnly && !(c.migration() && systemDates[name]) {
			return fail("INVALID_DATA", "The field [%s] cannot be written", name)
		}
		if f.Inactive {
			return fail("ATTRIBUTE_NOT_SUPPORTED", "The field [%s] of object [%s] is inactive", name, o.Name)
		}
		if f.Type == typeFile {
			return fail("INVALID_DATA", "The file of the attachment field [%s] is set by its own call here", name)
		}
		if name == "state__v" && !c.migration() && o.Name != "connection__sys" {
			return fail("INVALID_DATA", "The field [state__v] can be set in migration mode only")
		}
		if !c.user.canField(o.Name, name, "edit") {
			return fail("INSUFFICIENT_ACCESS", "User [%s] may not edit the field [%s]", c.user.Name, name)
		}
		value, err := f.convert(cat, in)
		if err != nil {
			return err
		}
		if name == "object_type__v" && value == nil {
			continue
		}
		if value != nil && f.Object != "" && f.Column == "" {
			if err := c.checkReference(t, f, asText(value)); err != nil {
				return err
			}
		}
		if name == "state__v" && value != nil {
			if flow := cat.stateflows[o.Lifecycle]; flow != nil {
				to := flow.state(asText(value))
				if to == nil {
					return fail("INVALID_DATA", "The state [%s] does not exist in the lifecycle [%s]", asText(value), flow.Name)
				}
				if c.migration() {
					r.enter(to)
					continue
				}
			}
		}
		if err := c.checkControlled(cat, o, r, f, row, value); err != nil {
			return err
		}
		before := r.typ
		if err := r.set(o, f, value); err != nil {
			return err
		}
		if !create && r.typ != before && !c.migration() && !c.retype {
			return fail("INVALID_DATA", "The object type of a record can be changed in migration mode only")
		}
	}
	return nil
}

// systemDates can be written in migration mode.
var systemDates = map[string]bool{"created_date__v": true, "modified_date__v": true, "created_by__v": true, "modified_by__v": true}

// checkControlled refuses a picklist value that the value of the controlling field does not allow.
func (c *call) checkControlled(cat *catalog, o *object, r *record, f *field, row requestRow, value any) error {
	chosen, _ := value.([]string)
	p := cat.picklists[f.Picklist]
	if f.Controlling == "" || len(chosen) == 0 || p == nil {
		return nil
	}
	by := o.fields.get(f.Controlling)
	if by == nil {
		return nil
	}
	given := r.fields[by.Name]
	if in, now := row[by.Name]; now {
		var err error
		if given, err = by.convert(cat, in); err != nil {
			return err
		}
	}
	controls, _ := given.([]string)
	for _, n := range chosen {
		e := p.entry(n)
		if e != nil && len(e.Controlled) > 0 && !slices.ContainsFunc(controls, func(s string) bool { return slices.Contains(e.Controlled, s) }) {
			return fail("INVALID_DATA", "The value [%s] of field [%s] is not allowed by the field [%s]", n, f.Name, by.Name)
		}
	}
	return nil
}

// resolveAll is resolve for a document's reference, which may have many values.
func (c *call) resolveAll(t *tx, f *field, by string, in any) (any, error) {
	list, isList := in.([]any)
	if !isList {
		return c.resolve(t, f, by, asText(in))
	}
	ids := make([]string, 0, len(list))
	for _, x := range list {
		id, err := c.resolve(t, f, by, asText(x))
		if err != nil {
			return nil, err
		}
		if s, isText := id.(string); isText {
			ids = append(ids, s)
		}
	}
	return ids, nil
}

// resolve finds the record that a column such as country__vr.name__v means.
func (c *call) resolve(t *tx, f *field, by, value string) (any, error) {
	if value == "" {
		return nil, nil
	}
	o := c.v.catalog().object(f.Object)
	var target *field
	if o != nil {
		target = o.fields.get(by)
	}
	if target == nil {
		return nil, fail("INVALID_DATA", "The field [%s] does not exist on object [%s]", by, f.Object)
	}
	ids, err := c.v.lookup(c.ctx(), t, o, target, value)
	if err != nil {
		return nil, err
	}
	switch len(ids) {
	case 0:
		return nil, fail("INVALID_DATA", "No record of [%s] has [%s] %s", f.Object, by, value)
	case 1:
		return ids[0], nil
	}
	return nil, fail("INVALID_DATA", "More than one record of [%s] has [%s] %s", f.Object, by, value)
}

func (c *call) checkReference(t *tx, f *field, id string) error {
	if f.Object == "user__sys" || f.Object == "object_type__v" {
		return nil
	}
	if c.known[[2]string{f.Object, id}] {
		return nil
	}
	var key int64
	found, err := one(c.ctx(), t, []any{&key}, `SELECT key FROM records WHERE extent = ? AND id = ?`, c.v.extent(f.Object), id)
	if err != nil {
		return err
	}
	if !found {
		return fail("INVALID_DATA", "Invalid value [%s] specified for field [%s]: there is no such record of [%s]", id, f.Name, f.Object)
	}
	if c.known == nil {
		c.known = map[[2]string]bool{}
	}
	c.known[[2]string{f.Object, id}] = true
	return nil
}

// checkUnique refuses a value of a unique field that another record has.
func (c *call) checkUnique(t *tx, o *object, r, old *record) error {
	for _, f := range o.fields.list {
		if !f.Unique || f.Name == "id" {
			continue
		}
		value := asText(c.v.get(o, r, f))
		if value == "" || old != nil && asText(c.v.get(o, old, f)) == value {
			continue
		}
		ids, err := c.v.lookup(context.Background(), t, o, f, value)
		if err != nil {
			return err
		}
		if len(ids) > 0 && ids[0] != r.id {
			return fail("INVALID_DATA", "The value [%s] of the unique field [%s] is used by record [%s]", value, f.Name, ids[0])
		}
	}
	return nil
}
