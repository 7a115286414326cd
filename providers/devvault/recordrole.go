package devvault

import (
	"slices"
	"strings"
)

// recordSchema is what records have beside their values.
const recordSchema = `
-- roles that were given on a record by hand: lists of numbers, "1,2"
CREATE TABLE IF NOT EXISTS record_roles (
	extent INTEGER NOT NULL,
	id TEXT NOT NULL,
	role TEXT NOT NULL,
	users TEXT NOT NULL,
	groups TEXT NOT NULL,
	PRIMARY KEY (extent, id, role)
) WITHOUT ROWID;
-- attachments of records, one row for each version of each, and the files of attachment fields, of which there is one
CREATE TABLE IF NOT EXISTS record_files (
	key INTEGER PRIMARY KEY,
	extent INTEGER NOT NULL,
	id TEXT NOT NULL,
	field TEXT NOT NULL,            -- empty for an attachment
	attachment INTEGER NOT NULL,
	version INTEGER NOT NULL,
	filename TEXT NOT NULL,
	description TEXT NOT NULL,
	media TEXT NOT NULL,
	size INTEGER NOT NULL,
	md5 TEXT NOT NULL,
	created INTEGER NOT NULL,
	created_by INTEGER NOT NULL,
	content BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS record_files_of ON record_files (extent, id, attachment, version);
`

// recordRole is who has a role on a record.
type recordRole struct {
	name          string
	users, groups []string
}

func split(list string) []string {
	var out []string
	for _, s := range strings.Split(list, ",") {
		if s = strings.TrimSpace(s); s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

func (v *vault) recordRoles(q querier, object, id string) ([]recordRole, error) {
	rows, err := q.QueryContext(bg, `SELECT role, users, groups FROM record_roles WHERE extent = ? AND id = ? ORDER BY role`, v.extent(object), id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []recordRole
	for rows.Next() {
		var name, users, groups string
		if err := rows.Scan(&name, &users, &groups); err != nil {
			return nil, err
		}
		list = append(list, recordRole{name, split(users), split(groups)})
	}
	return list, rows.Err()
}

// numbers are ids as JSON numbers.
func numbers(list []string) raw { return raw("[" + strings.Join(list, ",") + "]") }

// handleRecordRoles answers GET /api/{v}/vobjects/{object}/{id}/roles and …/roles/{role}.
func handleRecordRoles(c *call) (reply, error) {
	o, r, err := c.readable()
	if err != nil {
		return reply{}, err
	}
	list, err := c.v.recordRoles(c.s.store.read, o.Name, r.id)
	if err != nil {
		return reply{}, err
	}
	if !slices.ContainsFunc(list, func(x recordRole) bool { return x.name == "owner__v" }) {
		list = append([]recordRole{{"owner__v", []string{asText(c.v.get(o, r, o.fields.get("created_by__v")))}, nil}}, list...)
	}
	data := []body{}
	for _, x := range list {
		if role := c.param("role"); role == "" || role == x.name {
			data = append(data, body{"name", x.name, "users", numbers(x.users), "groups", numbers(x.groups), "assignment_type", "manual_assignment"})
		}
	}
	if c.param("role") != "" && len(data) == 0 {
		return reply{}, fail("INVALID_DATA", "The role [%s] is not assigned on the record [%s]", c.param("role"), r.id)
	}
	return ok("data", data)
}

// handleAssignRecordRoles answers POST /api/{v}/vobjects/{object}/roles: rows of id and {role}.users, {role}.groups.
func handleAssignRecordRoles(c *call) (reply, error) {
	return c.changeRoles(func(old, given []string) []string { return append(slices.Clone(old), given...) })
}

// handleRemoveRecordRoles answers DELETE /api/{v}/vobjects/{object}/roles.
func handleRemoveRecordRoles(c *call) (reply, error) {
	return c.changeRoles(func(old, given []string) []string {
		return slices.DeleteFunc(slices.Clone(old), func(s string) bool { return slices.Contains(given, s) })
	})
}

func (c *call) changeRoles(change func(old, given []string) []string) (reply, error) {
	o, err := c.object("edit")
	if err != nil {
		return reply{}, err
	}
	rows, err := c.rows(maxRecordRows)
	if err != nil {
		return reply{}, err
	}
	results, err := c.each(rows, func(t *tx, row requestRow) (rowResult, error) {
		id := row.text("id")
		r, err := c.v.record(c.ctx(), t, o.Name, id)
		if err != nil {
			return rowResult{}, err
		}
		if r == nil {
			return rowResult{}, fail("INVALID_DATA", "The resource [%s] does not exist", id)
		}
		for _, n := range names(row) {
			if n == "id" {
				continue
			}
			if err := c.setRole(t, o, id, n, row.text(n), change); err != nil {
				return rowResult{}, err
			}
		}
		return rowResult{data: body{"id", id}}, nil
	})
	if err != nil {
		return reply{}, err
	}
	return c.recordReply(results)
}

// setRole changes who has a role: column is {role}.users or {role}.groups.
func (c *call) setRole(t *tx, o *object, id, column, value string, change func(old, given []string) []string) error {
	name, kind, _ := strings.Cut(column, ".")
	if kind != "users" && kind != "groups" || !strings.Contains(name, "__") {
		return fail("ATTRIBUTE_NOT_SUPPORTED", "The column [%s] names no role", column)
	}
	given := split(value)
	for _, n := range given {
		if strings.Trim(n, "0123456789") != "" {
			return fail("INVALID_DATA", "[%s] is not the id of a user or group", n)
		}
	}
	list, err := c.v.recordRoles(t, o.Name, id)
	if err != nil {
		return err
	}
	x := recordRole{name: name}
	for _, r := range list {
		if r.name == name {
			x = r
		}
	}
	if kind == "users" {
		x.users = change(x.users, given)
	} else {
		x.groups = change(x.groups, given)
	}
	if len(x.users)+len(x.groups) == 0 {
		return t.exec(`DELETE FROM record_roles WHERE extent = ? AND id = ? AND role = ?`, c.v.extent(o.Name), id, name)
	}
	return t.exec(`INSERT INTO record_roles VALUES (?, ?, ?, ?, ?) ON CONFLICT (extent, id, role) DO UPDATE SET users = excluded.users, groups = excluded.groups`,
		c.v.extent(o.Name), id, name, strings.Join(split(strings.Join(x.users, ",")), ","), strings.Join(split(strings.Join(x.groups, ",")), ","))
}

// readable finds the object and the record of the route, for who may read it.
func (c *call) readable() (*object, *record, error) {
	o, err := c.object("read")
	if err != nil {
		return nil, nil, err
	}
	r, err := c.v.record(c.ctx(), c.s.store.read, o.Name, c.param("id"))
	if err != nil {
		return nil, nil, err
	}
	if r == nil || !c.user.canType(o.Name, r.typ, "read") {
		return nil, nil, fail("INVALID_DATA", "The resource [%s] does not exist", c.param("id"))
	}
	return o, r, nil
}
