package devvault

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
)

// user is a user of a domain and member of some of its vaults.
type user struct {
	ID           int64
	Name, Domain string
	digest       string // salt and hash of the password; empty: the server's password

	mu      sync.RWMutex
	enabled bool
	members map[int64]*member // by slot
}

type member struct {
	profile   string
	active    bool
	lastLogin int64
}

// UserSpec describes a user, for AddUser.
type UserSpec struct {
	Name     string            `json:"name"`
	Password string            `json:"password"` // the server's when empty
	Inactive bool              `json:"inactive"`
	Vaults   map[string]string `json:"vaults"` // vault name → security profile, such as system_admin__v
}

func (u *user) active() bool {
	u.mu.RLock()
	defer u.mu.RUnlock()
	return u.enabled
}

func (u *user) lastLogin(slot int64) int64 {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if m := u.members[slot]; m != nil {
		return m.lastLogin
	}
	return 0
}

func (u *user) loggedIn(slot, at int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if m := u.members[slot]; m != nil {
		m.lastLogin = at
	}
}

// profile is the user's security profile in a vault; empty for who is not an active member.
func (u *user) profile(slot int64) string {
	u.mu.RLock()
	defer u.mu.RUnlock()
	if m := u.members[slot]; m != nil && m.active {
		return m.profile
	}
	return ""
}

func (u *user) matches(password, server string) bool {
	if u.digest == "" {
		return subtle.ConstantTimeCompare([]byte(password), []byte(server)) == 1
	}
	salt, _, _ := strings.Cut(u.digest, ":")
	return subtle.ConstantTimeCompare([]byte(digest(salt, password)), []byte(u.digest)) == 1
}

func digest(salt, password string) string {
	sum := sha256.Sum256([]byte(salt + "\x00" + password))
	return salt + ":" + hex.EncodeToString(sum[:])
}

func (s *Server) user(name string) *user {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.users[name]
}

func (s *Server) userByID(id int64) *user {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, u := range s.users {
		if u.ID == id {
			return u
		}
	}
	return nil
}

// vaultsOf lists the vaults in which u is an active member, oldest first.
func (s *Server) vaultsOf(u *user) []*vault {
	var list []*vault
	for _, v := range s.list() {
		if u.profile(v.slot) != "" {
			list = append(list, v)
		}
	}
	return list
}

// usersOf lists the members of a vault by id.
func (s *Server) usersOf(v *vault) []*user {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []*user
	for _, n := range names(s.users) {
		if u := s.users[n]; u.profile(v.slot) != "" {
			list = append(list, u)
		}
	}
	return list
}

func (s *Server) loadUsers(ctx context.Context) error {
	rows, err := s.store.read.QueryContext(ctx, `SELECT u.id, u.name, u.digest, u.domain, u.active, m.slot, m.profile, m.active, m.last_login
		FROM users u LEFT JOIN members m ON m.user = u.id ORDER BY u.id`)
	if err != nil {
		return fmt.Errorf("read users: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var u user
		var slot, last *int64
		var profile *string
		var active *bool
		if err := rows.Scan(&u.ID, &u.Name, &u.digest, &u.Domain, &u.enabled, &slot, &profile, &active, &last); err != nil {
			return fmt.Errorf("read users: %w", err)
		}
		known := s.users[u.Name]
		if known == nil {
			known = &user{ID: u.ID, Name: u.Name, digest: u.digest, Domain: u.Domain, enabled: u.enabled, members: map[int64]*member{}}
			s.users[u.Name] = known
		}
		if slot != nil {
			known.members[*slot] = &member{profile: *profile, active: *active, lastLogin: *last}
		}
	}
	return rows.Err()
}

// AddUser makes a user, or changes the one of that name to be like spec.
func (s *Server) AddUser(spec UserSpec) error {
	u := s.user(spec.Name)
	fresh := u == nil
	if fresh {
		u = &user{Name: spec.Name, members: map[int64]*member{}}
		s.mu.RLock()
		u.ID = int64(10000 + len(s.users) + 1)
		s.mu.RUnlock()
	}
	if spec.Password != "" {
		var salt [8]byte
		rand.Read(salt[:])
		u.digest = digest(hex.EncodeToString(salt[:]), spec.Password)
	}
	members := map[int64]*member{}
	for name, profile := range spec.Vaults {
		v := s.vault(name)
		if v == nil {
			return fmt.Errorf("add user %s: there is no vault %q", spec.Name, name)
		}
		u.Domain = v.domain
		members[v.slot] = &member{profile: profile, active: true}
	}
	return s.store.update(func(t *tx) error {
		if err := t.exec(`INSERT INTO users VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE
			SET digest = excluded.digest, domain = excluded.domain, active = excluded.active`, u.ID, u.Name, u.digest, u.Domain, !spec.Inactive); err != nil {
			return err
		}
		if err := t.exec(`DELETE FROM members WHERE user = ?`, u.ID); err != nil {
			return err
		}
		for slot, m := range members {
			if err := t.exec(`INSERT INTO members VALUES (?, ?, ?, 1, 0)`, u.ID, slot, m.profile); err != nil {
				return err
			}
		}
		t.then(func() {
			u.mu.Lock()
			u.enabled, u.members = !spec.Inactive, members
			u.mu.Unlock()
			s.mu.Lock()
			s.users[u.Name] = u
			s.mu.Unlock()
		})
		return nil
	})
}

// handleMe answers GET /api/{v}/objects/users/me.
func handleMe(c *call) (reply, error) {
	return ok("users", []body{{"user", c.v.userBody(c.user.user)}})
}

// handleUsers answers GET /api/{v}/objects/users.
func handleUsers(c *call) (reply, error) {
	list := []body{}
	for _, u := range c.s.usersOf(c.v) {
		list = append(list, body{"user", c.v.userBody(u)})
	}
	return ok("size", len(list), "start", 0, "limit", 200, "sort", "id asc", "users", list)
}

// handleUser answers GET /api/{v}/objects/users/{id}.
func handleUser(c *call) (reply, error) {
	id, err := c.number("id")
	if err != nil {
		return reply{}, err
	}
	u := c.s.userByID(id)
	if u == nil || u.profile(c.v.slot) == "" {
		return reply{}, fail("USER_NOT_FOUND", "The user [%d] does not exist", id)
	}
	return ok("users", []body{{"user", c.v.userBody(u)}})
}

func (v *vault) userBody(u *user) body {
	first, _, _ := strings.Cut(u.Name, "@")
	return body{"id", u.ID, "user_name__v", u.Name, "user_first_name__v", first, "user_last_name__v", v.name,
		"user_email__v", u.Name, "user_timezone__v", "Etc/UTC", "user_locale__v", "en_US", "user_language__v", "en",
		"security_profile__v", u.profile(v.slot), "license_type__v", "full__v", "active__v", u.active(),
		"is_domain_admin__v", isAdmin(u.profile(v.slot)), "domain_id__v", v.domain}
}

// handleDomain answers GET /api/{v}/objects/domain. Environment is ours: vault_type__v, production or sandbox.
func handleDomain(c *call) (reply, error) {
	if !c.user.admin {
		return reply{}, fail("INSUFFICIENT_ACCESS", "Only a domain administrator may see the domain")
	}
	list := []body{}
	for _, v := range c.s.list() {
		if v.domain != c.v.domain {
			continue
		}
		row := body{"id", fmt.Sprint(v.id), "vault_name__v", v.name, "vault_status__v", "active__v", "vault_type__v", v.environment}
		if c.form.Get("include_application") == "true" {
			app := applications[v.kind]
			row = append(row, "vault_family__v", body{"name", app.family, "label", app.familyLabel},
				"vault_application__v", []body{{"name", app.name, "label", app.label}})
		}
		list = append(list, row)
	}
	return ok("domain__v", body{"domain_name__v", c.v.domain, "domain_type__v", "testing", "vaults__v", list})
}

type application struct{ name, label, family, familyLabel string }

var applications = map[string]application{
	kindPromoMats: {"pm_promomats__v", "PromoMats", "commercial__v", "Commercial"},
	kindMedComms:  {"pm_medcomms__v", "MedComms", "medical__v", "Medical"},
	kindCRM:       {"vault_crm__v", "Vault CRM", "commercial__v", "Commercial"},
	kindAlign:     {"align__v", "Align", "commercial__v", "Commercial"},
}
