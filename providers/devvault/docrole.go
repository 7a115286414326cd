package devvault

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const maxRoleRows = 1000

// documentRoles are the roles that every document has. Which ones a lifecycle has is its own on the platform; here all have the same.
var documentRoles = []struct{ name, label string }{
	{"owner__v", "Owner"}, {"coordinator__v", "Coordinator"}, {"editor__v", "Editor"}, {"reviewer__v", "Reviewer"}, {"approver__v", "Approver"},
	{"viewer__v", "Viewer"}, {"consumer__v", "Consumer"},
}

// assigned are the members of one role of a document.
type assigned struct{ users, groups []int64 }

func (a *assigned) of(kind string) *[]int64 {
	if kind == "group" {
		return &a.groups
	}
	return &a.users
}

func (a *assigned) body() body { return body{"users", orNone(a.users), "groups", orNone(a.groups)} }

// rolesOf is who has which role on a document. Its owner is who made it, until others are named.
func (v *vault) rolesOf(ctx context.Context, q querier, x *version) (map[string]*assigned, error) {
	roles := map[string]*assigned{}
	for _, r := range documentRoles {
		roles[r.name] = &assigned{}
	}
	rows, err := q.QueryContext(ctx, `SELECT role, kind, member FROM roles WHERE slot = ? AND doc = ? ORDER BY role, kind, member`, v.slot, x.doc)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var role, kind string
		var member int64
		if err := rows.Scan(&role, &kind, &member); err != nil {
			return nil, err
		}
		to := roles[role].of(kind)
		*to = append(*to, member)
	}
	if o := roles["owner__v"]; len(o.users)+len(o.groups) == 0 {
		o.users = []int64{x.createdBy}
	}
	return roles, rows.Err()
}

// withRoles adds the roles that somebody has to a document's body.
func (c *call) withRoles(x *version, b body) (body, error) {
	roles, err := c.v.rolesOf(c.ctx(), c.s.store.read, x)
	if err != nil {
		return nil, err
	}
	for _, r := range documentRoles {
		if has := roles[r.name]; len(has.users)+len(has.groups) > 0 {
			b = append(b, r.name, has.body())
		}
	}
	return b, nil
}

// handleRoles answers GET …/roles[/{role}].
func handleRoles(c *call, binder bool) (reply, error) {
	x, err := c.target(c.s.store.read, binder)
	if err != nil {
		return reply{}, err
	}
	roles, err := c.v.rolesOf(c.ctx(), c.s.store.read, x)
	if err != nil {
		return reply{}, err
	}
	var users, groups []int64
	for _, u := range c.s.usersOf(c.v) {
		users = append(users, u.ID)
	}
	slices.Sort(users)
	list, err := c.groups(c.s.store.read)
	if err != nil {
		return reply{}, err
	}
	for _, g := range list {
		groups = append(groups, g.id)
	}
	out := []body{}
	for _, r := range documentRoles {
		if only := c.param("role"); only != "" && only != r.name {
			continue
		}
		has := roles[r.name]
		out = append(out, body{"name", r.name, "label", r.label, "assignedUsers", orNone(has.users), "assignedGroups", orNone(has.groups),
			"availableUsers", orNone(users), "availableGroups", orNone(groups), "defaultUsers", []int64{}, "defaultGroups", []int64{}})
	}
	if len(out) == 0 {
		return reply{}, noRole(c.param("role"))
	}
	return ok("documentRoles", out)
}

func noRole(name string) *apiError { return fail("INVALID_DATA", "The role [%s] does not exist", name) }

// roleChange is a column like reviewer__v.users with its members.
type roleChange struct {
	role, kind string
	members    []int64
}

// roleChanges reads the columns {role}.users and {role}.groups of a row.
func (c *call) roleChanges(t *tx, row requestRow) ([]roleChange, error) {
	var list []roleChange
	for _, name := range names(row) {
		role, kind, isRole := strings.Cut(name, ".")
		if !isRole || row.text(name) == "" {
			continue
		}
		n := roleChange{role: role, kind: strings.TrimSuffix(kind, "s")}
		if !slices.ContainsFunc(documentRoles, func(r struct{ name, label string }) bool { return r.name == role }) {
			return nil, noRole(role)
		}
		var err error
		switch n.kind {
		case "user":
			n.members, err = c.userIDs(row.text(name))
		case "group":
			n.members, err = c.groupIDs(t, row.text(name))
		default:
			err = fail("INVALID_DATA", "The column [%s] is neither of users nor of groups", name)
		}
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	if len(list) == 0 {
		return nil, fail("PARAMETER_REQUIRED", "Missing a parameter {role}.users or {role}.groups")
	}
	return list, nil
}

func (c *call) groupIDs(t *tx, text string) ([]int64, error) {
	known, err := c.groups(t)
	if err != nil {
		return nil, err
	}
	var ids []int64
	for _, s := range strings.Split(text, ",") {
		id, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
		if err != nil || !slices.ContainsFunc(known, func(g *group) bool { return g.id == id }) {
			return nil, fail("INVALID_DATA", "The group [%s] does not exist", s)
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// assign gives roles on a document, beside those that are given already.
func (c *call) assign(t *tx, x *version, list []roleChange) error {
	for _, n := range list {
		for _, m := range n.members {
			if err := t.exec(`INSERT OR IGNORE INTO roles VALUES (?, ?, ?, ?, ?)`, c.v.slot, x.doc, n.role, n.kind, m); err != nil {
				return err
			}
		}
		c.auditDocument(t, x, "AssignRole", "Role assigned", "field_name", n.role, "new_value", fmt.Sprint(n.kind, " ", n.members))
	}
	return nil
}

func (c *call) unassign(t *tx, x *version, list []roleChange) error {
	for _, n := range list {
		for _, m := range n.members {
			res, err := t.execResult(`DELETE FROM roles WHERE slot = ? AND doc = ? AND role = ? AND kind = ? AND member = ?`, c.v.slot, x.doc, n.role, n.kind, m)
			if err != nil {
				return err
			}
			if gone, err := res.RowsAffected(); err != nil || gone == 0 {
				return fail("INVALID_DATA", "The %s [%d] has not the role [%s] on document [%d]", n.kind, m, n.role, x.doc)
			}
		}
		c.auditDocument(t, x, "RemoveRole", "Role removed", "field_name", n.role, "old_value", fmt.Sprint(n.kind, " ", n.members))
	}
	return nil
}

// handleAssignRole answers POST …/roles.
func handleAssignRole(c *call, binder bool) (reply, error) {
	var list []roleChange
	_, err := c.change(binder, func(t *tx, x *version) (err error) {
		if list, err = c.roleChanges(t, c.formRow()); err != nil {
			return err
		}
		return c.assign(t, x, list)
	})
	return reply{body: body{"responseMessage", "Document roles updated", "updatedRoles", updatedRoles(list)}}, err
}

func updatedRoles(list []roleChange) body {
	by := map[string]*assigned{}
	for _, n := range list {
		if by[n.role] == nil {
			by[n.role] = &assigned{}
		}
		*by[n.role].of(n.kind) = n.members
	}
	out := body{}
	for _, role := range names(by) {
		b := body{}
		if by[role].users != nil {
			b = append(b, "users", by[role].users)
		}
		if by[role].groups != nil {
			b = append(b, "groups", by[role].groups)
		}
		out = append(out, role, b)
	}
	return out
}

// handleUnassignRole answers DELETE …/roles/{role}.{user|group}/{member}.
func handleUnassignRole(c *call, binder bool) (reply, error) {
	var list []roleChange
	_, err := c.change(binder, func(t *tx, x *version) (err error) {
		if list, err = c.roleChanges(t, requestRow{c.param("role"): c.param("member")}); err != nil {
			return err
		}
		return c.unassign(t, x, list)
	})
	return reply{body: body{"responseMessage", "User/group removed from document role", "updatedRoles", updatedRoles(list)}}, err
}

// handleAssignRoles answers POST /api/{v}/objects/documents/roles/batch.
func handleAssignRoles(c *call) (reply, error) { return c.roleRows(c.assign) }

// handleUnassignRoles answers DELETE /api/{v}/objects/documents/roles/batch.
func handleUnassignRoles(c *call) (reply, error) { return c.roleRows(c.unassign) }

func (c *call) roleRows(do func(*tx, *version, []roleChange) error) (reply, error) {
	return c.documentRows(maxRoleRows, func(t *tx, row requestRow) (body, error) {
		x, err := c.rowDocument(t, row)
		if err != nil {
			return nil, err
		}
		list, err := c.roleChanges(t, row)
		if err != nil {
			return nil, err
		}
		return body{"id", x.doc}, do(t, x, list)
	})
}
