package devvault

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

const maxUserRows = 500

// profileFields are the fields of the users API that are kept as text, and what they are when nothing was said.
var profileFields = []struct{ name, label, standard string }{
	{"user_first_name__v", "First Name", ""}, {"user_last_name__v", "Last Name", ""}, {"user_email__v", "Email", ""},
	{"user_timezone__v", "Timezone", "Etc/UTC"}, {"user_locale__v", "Locale", "en_US"}, {"user_language__v", "Language", "en"},
	{"security_policy_id__v", "Security Policy", "basic__v"}, {"license_type__v", "License Type", "full__v"},
	{"company__v", "Company", ""}, {"user_title__v", "Title", ""}, {"office_phone__v", "Office Phone", ""}, {"mobile_phone__v", "Mobile Phone", ""},
	{"federated_id__v", "Federated ID", ""}, {"user_needs_to_change_password__v", "User Needs To Change Password", ""},
}

// requiredProfile are what a new user must be given beside user_name__v.
var requiredProfile = []string{"user_first_name__v", "user_last_name__v", "user_email__v", "user_timezone__v", "user_locale__v", "user_language__v"}

// text is a field of the users API that is kept as text.
func (u *user) text(name string) string {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if s := u.fields[name]; s != "" {
		return s
	}
	first, domain, _ := strings.Cut(u.Name, "@")
	switch name {
	case "user_first_name__v":
		return first
	case "user_last_name__v":
		return domain
	case "user_email__v":
		return u.Name
	}
	for _, f := range profileFields {
		if f.name == name {
			return f.standard
		}
	}
	return ""
}

func (u *user) fullName() string {
	return u.text("user_first_name__v") + " " + u.text("user_last_name__v")
}

// membership is the user's place in a vault, active or not; nil for who has none.
func (u *user) membership(slot int64) *member {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if m := u.members[slot]; m != nil {
		copied := *m
		return &copied
	}
	return nil
}

// userBody is a user as a vault sees it.
func (v *vault) userBody(u *user) body {
	m := u.membership(v.slot)
	b := body{"id", u.ID, "user_name__v", u.Name}
	for _, f := range profileFields {
		if s := u.text(f.name); s != "" {
			b = append(b, f.name, s)
		}
	}
	profile, active := "", false
	if m != nil {
		profile, active = m.profile, m.active && u.active()
		if m.lastLogin > 0 {
			b = append(b, "last_login__v", formatMillis(m.lastLogin))
		}
	}
	return append(b, "security_profile__v", profile, "active__v", active, fieldDomainAdmin, isAdmin(profile) || u.text(fieldDomainAdmin) != "", "domain_id__v", v.domain,
		"domain_active__v", u.active(), "group_id__v", []int{}, "created_date__v", formatMillis(v.created), "created_by__v", 1,
		"modified_date__v", formatMillis(v.created), "modified_by__v", 1)
}

// handleUserMetadata answers GET /api/{v}/metadata/objects/users.
func handleUserMetadata(c *call) (reply, error) {
	property := func(name, label, typ string, editable, required bool) body {
		return body{"name", name, "label", label, "type", typ, "length", 255, "editable", editable, "queryable", true, "required", required, "multivalue", false,
			"onCreateEditable", editable}
	}
	list := []body{property("id", "ID", "id", false, true), property("user_name__v", "User Name", "String", true, true)}
	for _, f := range profileFields {
		list = append(list, property(f.name, f.label, "String", true, slices.Contains(requiredProfile, f.name)))
	}
	return ok("properties", append(list, property("security_profile__v", "Security Profile", "String", true, true), property("active__v", "Active", "Boolean", true, false),
		property("is_domain_admin__v", "Domain Admin", "Boolean", true, false), property("domain_id__v", "Domain", "String", false, false),
		property("last_login__v", "Last Login", "DateTime", false, false)))
}

// handleMe answers GET /api/{v}/objects/users/me.
func handleMe(c *call) (reply, error) {
	return ok("users", []body{{"user", c.withMemberships(c.user.user, c.v.userBody(c.user.user))}})
}

// handleUsers answers GET /api/{v}/objects/users: the members of this vault; with vaults=all or -1 of the domain, with vaults=ids of those.
func handleUsers(c *call) (reply, error) {
	var slots []int64
	switch text := c.form.Get("vaults"); text {
	case "":
		slots = []int64{c.v.slot}
	case "all", "-1":
		if !c.user.admin {
			return reply{}, fail("INSUFFICIENT_ACCESS", "Only a domain administrator may see the users of all vaults")
		}
		for _, v := range c.s.list() {
			if v.domain == c.v.domain {
				slots = append(slots, v.slot)
			}
		}
	default:
		for _, s := range strings.Split(text, ",") {
			id, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
			if err != nil {
				return reply{}, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [vaults]", s)
			}
			v := c.s.vaultByID(id)
			if v == nil || v.domain != c.v.domain {
				return reply{}, fail("INVALID_DATA", "The vault [%d] does not exist in this domain", id)
			}
			slots = append(slots, v.slot)
		}
	}
	var found []*user
	for _, u := range c.s.everyone(c.v.domain) {
		if slices.ContainsFunc(slots, func(slot int64) bool { return u.membership(slot) != nil }) {
			found = append(found, u)
		}
	}
	limit, _ := c.page(200, 1000)
	from, _ := strconv.Atoi(c.form.Get("start"))
	from = min(max(0, from), len(found))
	list := []body{}
	for _, u := range found[from:min(from+limit, len(found))] {
		list = append(list, body{"user", c.withMemberships(u, c.v.userBody(u))})
	}
	return ok("size", len(found), "start", from, "limit", limit, "sort", "id asc", "users", list)
}

// withMemberships adds the user's vaults where exclude_vault_membership=false asks for them.
func (c *call) withMemberships(u *user, b body) body {
	if c.form.Get("exclude_vault_membership") != "false" {
		return b
	}
	list := []body{}
	for _, v := range c.s.list() {
		if m := u.membership(v.slot); m != nil && v.domain == c.v.domain {
			list = append(list, body{"id", v.id, "active__v", m.active, "security_profile__v", m.profile, "license_type__v", u.text("license_type__v")})
		}
	}
	return append(b, "vault_membership", list)
}

// handleUser answers GET /api/{v}/objects/users/{id}.
func handleUser(c *call) (reply, error) {
	u, err := c.userParam()
	if err != nil {
		return reply{}, err
	}
	return ok("users", []body{{"user", c.withMemberships(u, c.v.userBody(u))}})
}

// userParam finds the user that the route names, of this vault's domain.
func (c *call) userParam() (*user, error) {
	id, err := c.number("id")
	if err != nil {
		return nil, err
	}
	u := c.s.userByID(id)
	if u == nil || u.Domain != c.v.domain {
		return nil, fail("USER_NOT_FOUND", "The user [%d] does not exist", id)
	}
	return u, nil
}

func (c *call) mayManageUsers() error {
	if !c.user.admin {
		return fail("INSUFFICIENT_ACCESS", "User [%s] may not manage users", c.user.Name)
	}
	return nil
}

// handleCreateUsers answers POST /api/{v}/objects/users: one by a form, many by CSV or JSON. domain=true makes a user without a vault.
func handleCreateUsers(c *call) (reply, error) {
	if err := c.mayManageUsers(); err != nil {
		return reply{}, err
	}
	return c.userRows(func(t *tx, row requestRow) (int64, error) {
		name := row.text("user_name__v")
		if name == "" {
			return 0, fail("PARAMETER_REQUIRED", "Missing required parameter [user_name__v]")
		}
		if !strings.Contains(name, "@") {
			return 0, fail("INVALID_DATA", "The user name [%s] is not of the form name@domain", name)
		}
		for _, f := range requiredProfile {
			if row.text(f) == "" {
				return 0, fail("PARAMETER_REQUIRED", "Missing required parameter [%s]", f)
			}
		}
		if c.s.user(name) != nil || c.made[name] {
			return 0, fail("INVALID_DATA", "There is a user [%s] already", name)
		}
		id, err := c.s.nextUser(t)
		if err != nil {
			return 0, err
		}
		u := &user{ID: id, Name: name}
		n := userState{domain: c.v.domain, enabled: true, members: map[int64]*member{}, fields: map[string]string{}}
		if c.form.Get("domain") != "true" && row.text("domain") != "true" {
			profile := row.text("security_profile__v")
			if profile == "" {
				return 0, fail("PARAMETER_REQUIRED", "Missing required parameter [security_profile__v]")
			}
			n.members[c.v.slot] = &member{profile: profile, active: true}
		}
		if c.made == nil {
			c.made = map[string]bool{}
		}
		c.made[name] = true
		return id, c.changeUser(t, u, n, row, true)
	}, "successfully created user")
}

// userRows runs do for each row, of one form, or of a CSV or JSON of many.
func (c *call) userRows(do func(*tx, requestRow) (int64, error), done string) (reply, error) {
	if c.media == "text/csv" || c.media == "application/json" || c.file != nil && strings.HasSuffix(c.file.name, ".csv") {
		return c.documentRows(maxUserRows, func(t *tx, row requestRow) (body, error) {
			id, err := do(t, row)
			return body{"id", id}, err
		})
	}
	var id int64
	err := c.update(func(t *tx) (err error) {
		id, err = do(t, c.formRow())
		return err
	})
	if err != nil {
		return reply{}, err
	}
	return ok("responseMessage", done, "id", id)
}

// changeUser applies the fields of a row to a user and stores it.
func (c *call) changeUser(t *tx, u *user, n userState, row requestRow, create bool) error {
	if n.fields == nil {
		n.fields = map[string]string{}
	}
	for _, name := range names(row) {
		value := row.text(name)
		before := n.fields[name]
		switch {
		case name == "id", name == "user_name__v", name == "domain", name == "is_domain_admin__v":
			continue
		case name == "security_profile__v":
			if value == "" {
				continue
			}
			if _, known := c.v.catalog().components["Securityprofile."+value]; !known {
				return fail("INVALID_DATA", "The security profile [%s] does not exist", value)
			}
			if m := n.members[c.v.slot]; m != nil {
				before, m.profile = m.profile, value
			}
		case name == "active__v":
			active, err := strconv.ParseBool(value)
			if err != nil {
				return fail("INVALID_DATA", "Invalid value [%s] specified for field [active__v]", value)
			}
			if m := n.members[c.v.slot]; m != nil {
				before, m.active = strconv.FormatBool(m.active), active
			}
		case name == "domain_active__v":
			active, err := strconv.ParseBool(value)
			if err != nil {
				return fail("INVALID_DATA", "Invalid value [%s] specified for field [domain_active__v]", value)
			}
			before, n.enabled = strconv.FormatBool(n.enabled), active
		case slices.ContainsFunc(profileFields, func(f struct{ name, label, standard string }) bool { return f.name == name }):
			if name == "federated_id__v" && value != "" {
				for _, other := range c.s.everyone(c.v.domain) {
					if other.ID != u.ID && other.text(name) == value {
						return fail("FEDERATED_ID_ALREADY_EXISTS", "The federated id [%s] is another user's", value)
					}
				}
			}
			n.fields[name] = value
		default:
			return fail("INVALID_DATA", "The field [%s] does not exist on users", name)
		}
		if !create && before != value {
			c.audit(t, domainTrail, u.Name, "action", "Edit", "item", "User : "+u.Name, "field_name", name, "old_value", before, "new_value", value)
		}
	}
	if create {
		c.audit(t, domainTrail, u.Name, "action", "Create", "item", "User : "+u.Name, "event_description", "User "+u.Name+" created")
	}
	return c.s.putUser(t, u, n)
}

// handleUpdateUser answers PUT /api/{v}/objects/users/{id} and /me.
func handleUpdateUser(c *call) (reply, error) {
	u := c.user.user
	if c.param("id") != "" {
		var err error
		if u, err = c.userParam(); err != nil {
			return reply{}, err
		}
	}
	row := c.formRow()
	if u.ID != c.user.ID {
		if err := c.mayManageUsers(); err != nil {
			return reply{}, err
		}
	} else if !c.user.admin {
		for _, name := range []string{"security_profile__v", "active__v", "domain_active__v", "license_type__v", "security_policy_id__v"} {
			if _, given := row[name]; given {
				return reply{}, fail("INSUFFICIENT_ACCESS", "User [%s] may not change the field [%s]", c.user.Name, name)
			}
		}
	}
	err := c.update(func(t *tx) error {
		return c.changeUser(t, u, u.state(), row, false)
	})
	return reply{body: body{"id", u.ID}}, err
}

// handleUpdateUsers answers PUT /api/{v}/objects/users: many, by id or with idParam=user_name__v.
func handleUpdateUsers(c *call) (reply, error) {
	if err := c.mayManageUsers(); err != nil {
		return reply{}, err
	}
	return c.userRows(func(t *tx, row requestRow) (int64, error) {
		var u *user
		if c.form.Get("idParam") == "user_name__v" || row.text("id") == "" {
			u = c.s.user(row.text("user_name__v"))
		} else if id, err := strconv.ParseInt(row.text("id"), 10, 64); err == nil {
			u = c.s.userByID(id)
		}
		if u == nil || u.Domain != c.v.domain {
			return 0, fail("USER_NOT_FOUND", "The user [%s%s] does not exist", row.text("id"), row.text("user_name__v"))
		}
		return u.ID, c.changeUser(t, u, u.state(), row, false)
	}, "successfully updated user")
}

// handleDisableUser answers DELETE /api/{v}/objects/users/{id}: a user is never deleted, but inactive here, and with domain=true everywhere.
func handleDisableUser(c *call) (reply, error) {
	if err := c.mayManageUsers(); err != nil {
		return reply{}, err
	}
	u, err := c.userParam()
	if err != nil {
		return reply{}, err
	}
	row := requestRow{"active__v": "false"}
	if c.form.Get("domain") == "true" {
		row = requestRow{"domain_active__v": "false"}
	}
	err = c.update(func(t *tx) error {
		return c.changeUser(t, u, u.state(), row, false)
	})
	return reply{body: body{"id", u.ID}}, err
}

// handleMembership answers PUT /api/{v}/objects/users/{id}/vault_membership/{vault}.
func handleMembership(c *call) (reply, error) {
	if err := c.mayManageUsers(); err != nil {
		return reply{}, err
	}
	u, err := c.userParam()
	if err != nil {
		return reply{}, err
	}
	id, err := c.number("vault")
	if err != nil {
		return reply{}, err
	}
	v := c.s.vaultByID(id)
	if v == nil || v.domain != c.v.domain {
		return reply{}, fail("INVALID_DATA", "The vault [%d] does not exist in this domain", id)
	}
	err = c.update(func(t *tx) error {
		n := u.state()
		m := n.members[v.slot]
		if m == nil {
			m = &member{profile: "business_user__v"}
			n.members[v.slot] = m
		}
		active, before := true, fmt.Sprint(m.active, " ", m.profile)
		if text := c.form.Get("active__v"); text != "" {
			if active, err = strconv.ParseBool(text); err != nil {
				return fail("INVALID_DATA", "Invalid value [%s] specified for field [active__v]", text)
			}
		}
		m.active = active
		if p := c.form.Get("security_profile__v"); p != "" {
			if _, known := v.catalog().components["Securityprofile."+p]; !known {
				return fail("INVALID_DATA", "The security profile [%s] does not exist", p)
			}
			m.profile = p
		}
		if l := c.form.Get("license_type__v"); l != "" {
			if n.fields == nil {
				n.fields = map[string]string{}
			}
			n.fields["license_type__v"] = l
		}
		c.audit(t, domainTrail, u.Name, "action", "Edit", "item", "User : "+u.Name, "field_name", "vault_membership", "old_value", before,
			"new_value", fmt.Sprint(m.active, " ", m.profile))
		return c.s.putUser(t, u, n)
	})
	return reply{body: body{"id", u.ID}}, err
}

// minPassword is the least length of a password, by the only security policy there is.
const minPassword = 8

// handlePassword answers POST /api/{v}/objects/users/me/password.
func handlePassword(c *call) (reply, error) {
	old, err := c.required("password__v")
	if err != nil {
		return reply{}, err
	}
	password, err := c.required("new_password__v")
	if err != nil {
		return reply{}, err
	}
	u := c.user.user
	switch {
	case !u.matches(old, c.s.password):
		return reply{}, fail("INVALID_DATA", "The current password is not right")
	case len(password) < minPassword:
		return reply{}, fail("INVALID_DATA", "The new password is shorter than %d characters", minPassword)
	case password == old:
		return reply{}, fail("INVALID_DATA", "The new password is the old one")
	}
	return reply{}, c.update(func(t *tx) error {
		n := u.state()
		n.digest = newDigest(password)
		c.audit(t, domainTrail, u.Name, "action", "PasswordChange", "item", "User : "+u.Name)
		return c.s.putUser(t, u, n)
	})
}
