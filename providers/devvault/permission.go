package devvault

import (
	"strings"

	"accord/providers/devvault/mdl"
)

// principal is a user in one vault, with what the user may do there.
type principal struct {
	*user
	vault  *vault
	admin  bool
	grants *grants // nil for an admin
}

// grants is the union of the permission sets of a security profile.
//
// The grammar of the grants inside a Permissionset is ours; no source documents it:
//
//	Vaultaction manage_connections__v(granted(true))
//	Objectpermission keyword__v(read(true), create(false), edit(false), delete(false))
//	Objecttypepermission connection_settings__v.clm_integration_settings__v(read(true), …)
//	Fieldpermission keyword__v.all(read(true), edit(false))
//
// Absent and false are the same. Where no set says anything of an object's types or fields, the object's own permission counts.
type grants struct {
	actions map[string]bool
	objects map[string]access
	types   map[string]access
	fields  map[string]access
	typed   map[string]bool // objects of whose types a set speaks
	fielded map[string]bool // objects of whose fields a set speaks
}

type access struct{ read, create, edit, delete bool }

func (a access) may(verb string) bool {
	switch verb {
	case "read":
		return a.read || a.edit || a.create || a.delete
	case "create":
		return a.create
	case "edit":
		return a.edit
	case "delete":
		return a.delete
	}
	return false
}

func (a access) or(b access) access {
	return access{a.read || b.read, a.create || b.create, a.edit || b.edit, a.delete || b.delete}
}

func isAdmin(profile string) bool { return profile == "system_admin__v" || profile == "vault_owner__v" }

// vaultActions are the actions of a Permissionset that are not tied to an object.
var vaultActions = []string{"api_access__v", "manage_connections__v", "manage_integrations__v", "configure_vault__v", "manage_jobs__v",
	"document_migration__v", "record_migration__v"}

func (s *Server) principal(u *user, v *vault) *principal {
	profile := u.profile(v.slot)
	if profile == "" {
		return nil
	}
	p := &principal{user: u, vault: v, admin: isAdmin(profile)}
	if !p.admin {
		p.grants = v.catalog().grants(profile)
	}
	return p
}

// action reports whether the user has a vault action.
func (p *principal) action(name string) bool { return p.admin || p.grants.actions[name] }

// managed are the objects that nobody changes without a vault action (PERM-1). The action alone is enough for them.
var managed = map[string]string{
	"connection__sys":        "manage_connections__v",
	"integration__sys":       "manage_integrations__v",
	"integration_point__sys": "manage_integrations__v",
}

// can reports whether the user may read, create, edit or delete records of an object.
func (p *principal) can(object, verb string) bool {
	if p.admin {
		return true
	}
	if action := managed[object]; action != "" && (verb != "read" || p.action(action)) {
		return p.action(action)
	}
	if object == "object_type__v" && verb == "read" { // what types there are is metadata, which everybody may read
		return true
	}
	return p.grants.objects[object].may(verb)
}

// canType is can for the records of one object type.
func (p *principal) canType(object, typ, verb string) bool {
	if p.admin {
		return true
	}
	if !p.can(object, verb) {
		return false
	}
	return !p.grants.typed[object] || p.grants.types[object+"."+typ].may(verb) || p.grants.types[object+".all"].may(verb)
}

// canField reports whether the user may read or edit a field.
func (p *principal) canField(object, field, verb string) bool {
	if p.admin || !p.grants.fielded[object] {
		return true
	}
	return p.grants.fields[object+".all"].may(verb) || p.grants.fields[object+"."+field].may(verb)
}

// grants computes what a security profile may do. It is computed once for a catalog.
func (c *catalog) grants(profile string) *grants {
	if g, ok := c.granted.Load(profile); ok {
		return g.(*grants)
	}
	g := &grants{actions: map[string]bool{}, objects: map[string]access{}, types: map[string]access{}, fields: map[string]access{},
		typed: map[string]bool{}, fielded: map[string]bool{}}
	if p, ok := c.components["Securityprofile."+profile]; ok {
		for _, set := range p.List("permission_sets") {
			if comp, ok := c.components["Permissionset."+strings.TrimPrefix(set, "Permissionset.")]; ok {
				g.add(comp)
			}
		}
	}
	c.granted.Store(profile, g)
	return g
}

func (g *grants) add(set mdl.Component) {
	if a := set.Attribute("active"); a != nil && !set.True("active") {
		return
	}
	for i := range set.Components {
		sub := &set.Components[i]
		a := access{sub.True("read"), sub.True("create"), sub.True("edit"), sub.True("delete")}
		object, _, _ := strings.Cut(sub.Name, ".")
		switch sub.Type {
		case "Vaultaction":
			g.actions[sub.Name] = g.actions[sub.Name] || sub.True("granted")
		case "Objectpermission":
			g.objects[sub.Name] = g.objects[sub.Name].or(a)
		case "Objecttypepermission":
			g.types[sub.Name] = g.types[sub.Name].or(a)
			g.typed[object] = true
		case "Fieldpermission":
			g.fields[sub.Name] = g.fields[sub.Name].or(a)
			g.fielded[object] = true
		}
	}
}

// handlePermissions answers GET /api/{v}/objects/users/{me|id}/permissions[?filter=name__v::…].
//
// Rows are "object.{o}.object_actions" and, when asked for by the filter, "object.{o}.field_actions" with one row a field,
// "object.{o}.{field}.field_actions". Vault actions are rows "vault_actions.{name}" with the permission execute; that name is ours.
func handlePermissions(c *call) (reply, error) {
	p := c.user
	if c.param("id") != "" {
		id, err := c.number("id")
		if err != nil {
			return reply{}, err
		}
		u := c.s.userByID(id)
		if u == nil {
			return reply{}, fail("USER_NOT_FOUND", "The user [%d] does not exist", id)
		}
		if u.ID != c.user.ID && !c.user.admin {
			return reply{}, fail("INSUFFICIENT_ACCESS", "Only an administrator may see the permissions of others")
		}
		if p = c.s.principal(u, c.v); p == nil {
			return reply{}, fail("USER_NOT_FOUND", "The user [%d] is not a member of this vault", id)
		}
	}
	rows := []body{}
	filter, filtered := strings.CutPrefix(c.form.Get("filter"), "name__v::")
	if c.form.Get("filter") != "" && !filtered {
		return reply{}, fail("INVALID_FILTER", "The filter [%s] is not of the form name__v::{name}", c.form.Get("filter"))
	}
	cat := c.v.catalog()
	for _, n := range names(cat.objects) {
		if name := "object." + n + ".object_actions"; !filtered || filter == name {
			rows = append(rows, body{"name__v", name, "permissions", body{"read", p.can(n, "read"), "edit", p.can(n, "edit"),
				"create", p.can(n, "create"), "delete", p.can(n, "delete")}})
		}
		if filtered && filter == "object."+n+".field_actions" {
			for _, f := range cat.objects[n].fields.list {
				rows = append(rows, body{"name__v", "object." + n + "." + f.Name + ".field_actions", "permissions",
					body{"read", p.can(n, "read") && p.canField(n, f.Name, "read"), "edit", p.can(n, "edit") && p.canField(n, f.Name, "edit")}})
			}
		}
		if o := cat.objects[n]; filtered && filter == "object."+n+".objecttype_actions" {
			for _, t := range o.Types {
				rows = append(rows, body{"name__v", "object." + n + "." + t.Name + ".objecttype_actions", "permissions",
					body{"read", p.canType(n, t.Name, "read"), "edit", p.canType(n, t.Name, "edit"),
						"create", p.canType(n, t.Name, "create"), "delete", p.canType(n, t.Name, "delete")}})
			}
		}
	}
	for _, n := range vaultActions {
		if name := "vault_actions." + n; !filtered || filter == name {
			rows = append(rows, body{"name__v", name, "permissions", body{"execute", p.action(n)}})
		}
	}
	return ok("data", rows)
}
