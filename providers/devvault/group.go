package devvault

import (
	"database/sql"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// group is a group of users of a vault.
type group struct {
	id                   int64
	name, label, about   string
	active               bool
	members              []int64
	profiles             []string
	created, createdBy   int64
	modified, modifiedBy int64
}

// everybody is the group that the system keeps: all members of the vault.
const everybody = 1

func (c *call) groups(q querier) ([]*group, error) {
	all := &group{id: everybody, name: "all_internal_users__v", label: "All Internal Users", active: true, created: c.v.created, createdBy: 1, modified: c.v.created, modifiedBy: 1}
	list := []*group{all}
	for _, u := range c.s.usersOf(c.v) {
		all.members = append(all.members, u.ID)
	}
	slices.Sort(all.members)
	rows, err := q.QueryContext(c.ctx(), `SELECT id, name, label, description, active, members, profiles, created, created_by, modified, modified_by
		FROM groups WHERE slot = ? ORDER BY id`, c.v.slot)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		g, err := scanGroup(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, g)
	}
	return list, rows.Err()
}

func scanGroup(rows *sql.Rows) (*group, error) {
	var g group
	var members, profiles []byte
	if err := rows.Scan(&g.id, &g.name, &g.label, &g.about, &g.active, &members, &profiles, &g.created, &g.createdBy, &g.modified, &g.modifiedBy); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(members, &g.members); err != nil {
		return nil, err
	}
	return &g, json.Unmarshal(profiles, &g.profiles)
}

// group finds the group that the route names.
func (c *call) group(q querier) (*group, error) {
	id, err := c.number("group")
	if err != nil {
		return nil, err
	}
	list, err := c.groups(q)
	if err != nil {
		return nil, err
	}
	for _, g := range list {
		if g.id == id {
			return g, nil
		}
	}
	return nil, fail("INVALID_DATA", "The group [%d] does not exist", id)
}

func (c *call) groupBody(g *group) body {
	b := body{"id", g.id, "name__v", g.name, "label__v", g.label, "members__v", orNone(g.members)}
	if c.form.Get("includeImplied") == "true" {
		implied := []int64{}
		for _, u := range c.s.usersOf(c.v) {
			if slices.Contains(g.profiles, u.profile(c.v.slot)) && !slices.Contains(g.members, u.ID) {
				implied = append(implied, u.ID)
			}
		}
		b = append(b, "implied_members__v", implied)
	}
	kind := "User Managed"
	if g.id == everybody {
		kind = "System Provided"
	}
	return append(b, "security_profiles__v", append([]string{}, g.profiles...), "active__v", g.active, "group_description__v", g.about, "type__v", kind,
		"system_group__v", g.id == everybody, "editable__v", g.id != everybody, "created_date__v", formatMillis(g.created), "created_by__v", g.createdBy,
		"modified_date__v", formatMillis(g.modified), "modified_by__v", g.modifiedBy)
}

func orNone(list []int64) []int64 {
	if list == nil {
		return []int64{}
	}
	return list
}

// handleGroupMetadata answers GET /api/{v}/metadata/objects/groups.
func handleGroupMetadata(c *call) (reply, error) {
	var list []body
	for _, f := range []struct {
		name, typ                    string
		editable, required, multiple bool
	}{{"id", "id", false, true, false}, {"name__v", "String", false, false, false}, {"label__v", "String", true, true, false}, {"members__v", "Number", true, false, true},
		{"security_profiles__v", "String", true, false, true}, {"active__v", "Boolean", true, false, false}, {"group_description__v", "String", true, false, false},
		{"type__v", "String", false, false, false}, {"system_group__v", "Boolean", false, false, false}, {"editable__v", "Boolean", false, false, false}} {
		list = append(list, body{"name", f.name, "type", f.typ, "length", 255, "editable", f.editable, "required", f.required, "multivalue", f.multiple, "onCreateEditable", f.editable})
	}
	return ok("properties", list)
}

// handleGroups answers GET /api/{v}/objects/groups.
func handleGroups(c *call) (reply, error) {
	list, err := c.groups(c.s.store.read)
	if err != nil {
		return reply{}, err
	}
	out := []body{}
	for _, g := range list {
		out = append(out, body{"group", c.groupBody(g)})
	}
	return ok("groups", out)
}

// handleAutoGroups answers GET /api/{v}/objects/groups/auto: there are none, as nothing here has dynamic access control.
func handleAutoGroups(c *call) (reply, error) {
	return ok("responseDetails", body{"limit", 1000, "offset", 0, "size", 0, "total", 0}, "groups", []body{})
}

// handleGroup answers GET /api/{v}/objects/groups/{group}.
func handleGroup(c *call) (reply, error) {
	g, err := c.group(c.s.store.read)
	if err != nil {
		return reply{}, err
	}
	return ok("groups", []body{{"group", c.groupBody(g)}})
}

// handleCreateGroup answers POST /api/{v}/objects/groups.
func handleCreateGroup(c *call) (reply, error) {
	if err := c.mayManageUsers(); err != nil {
		return reply{}, err
	}
	label, err := c.required("label__v")
	if err != nil {
		return reply{}, err
	}
	g := &group{name: apiName(label), active: true}
	err = c.update(func(t *tx) error {
		g.created, g.createdBy = c.now.UnixMilli(), c.user.ID
		if _, err := one(c.ctx(), t, []any{&g.id}, `SELECT max(coalesce(max(id), 0) + 1, ?) FROM groups`, everybody+1); err != nil {
			return err
		}
		list, err := c.groups(t)
		if err != nil {
			return err
		}
		for _, other := range list {
			if other.name == g.name {
				return fail("INVALID_DATA", "There is a group [%s] already", g.name)
			}
		}
		c.audit(t, systemTrail, g.name, "action", "Create", "item", "Group : "+label)
		return c.storeGroup(t, g)
	})
	return reply{body: body{"responseMessage", "Group successfully created.", "id", g.id}}, err
}

// apiName makes a name of a label, as the platform does: lower case, underscores, __c.
func apiName(label string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(label) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	return strings.TrimSuffix(b.String(), "_") + "__c"
}

// storeGroup applies the form to a group and stores it.
func (c *call) storeGroup(t *tx, g *group) error {
	if _, given := c.form["label__v"]; given {
		g.label = c.form.Get("label__v")
	}
	if _, given := c.form["group_description__v"]; given {
		g.about = c.form.Get("group_description__v")
	}
	if text := c.form.Get("active__v"); text != "" {
		active, err := strconv.ParseBool(text)
		if err != nil {
			return fail("INVALID_DATA", "Invalid value [%s] specified for field [active__v]", text)
		}
		g.active = active
	}
	if list, given := c.form["members__v"]; given {
		ids, err := c.userIDs(list[0])
		if err != nil {
			return err
		}
		g.members = ids
	}
	if list, given := c.form["security_profiles__v"]; given {
		g.profiles = nil
		for _, p := range strings.Split(list[0], ",") {
			if p = strings.TrimSpace(p); p == "" {
				continue
			}
			if _, known := c.v.catalog().components["Securityprofile."+p]; !known {
				return fail("INVALID_DATA", "The security profile [%s] does not exist", p)
			}
			g.profiles = append(g.profiles, p)
		}
	}
	g.modified, g.modifiedBy = c.now.UnixMilli(), c.user.ID
	return t.exec(`INSERT OR REPLACE INTO groups (id, slot, name, label, description, active, members, profiles, created, created_by, modified, modified_by)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, g.id, c.v.slot, g.name, g.label, g.about, g.active, string(appendJSON(nil, orNone(g.members))),
		string(appendJSON(nil, append([]string{}, g.profiles...))), g.created, g.createdBy, g.modified, g.modifiedBy)
}

// userIDs reads a comma list of ids of members of this vault.
func (c *call) userIDs(list string) ([]int64, error) {
	var ids []int64
	for _, s := range strings.Split(list, ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		id, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, fail("INVALID_DATA", "Invalid user id [%s]", s)
		}
		if u := c.s.userByID(id); u == nil || u.membership(c.v.slot) == nil {
			return nil, fail("USER_NOT_FOUND", "The user [%d] does not exist", id)
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// handleUpdateGroup answers PUT /api/{v}/objects/groups/{group}.
func handleUpdateGroup(c *call) (reply, error) {
	return c.changeGroup("Edit", "Group successfully updated.", c.storeGroup)
}

// handleDeleteGroup answers DELETE /api/{v}/objects/groups/{group}.
func handleDeleteGroup(c *call) (reply, error) {
	return c.changeGroup("Delete", "Group successfully deleted.", func(t *tx, g *group) error {
		return t.exec(`DELETE FROM groups WHERE id = ?`, g.id)
	})
}

func (c *call) changeGroup(action, done string, do func(*tx, *group) error) (reply, error) {
	if err := c.mayManageUsers(); err != nil {
		return reply{}, err
	}
	var id int64
	err := c.update(func(t *tx) error {
		g, err := c.group(t)
		if err != nil {
			return err
		}
		if id = g.id; id == everybody {
			return fail("OPERATION_NOT_ALLOWED", "The group [%s] is kept by the system", g.name)
		}
		c.audit(t, systemTrail, g.name, "action", action, "item", "Group : "+g.label)
		return do(t, g)
	})
	return reply{body: body{"responseMessage", done, "id", id}}, err
}
