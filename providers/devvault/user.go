package devvault

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
)

// user is a user of a domain and member of some of its vaults.
type user struct {
	ID           int64
	Name, Domain string

	mu      sync.RWMutex
	digest  string // salt and hash of the password; empty: the server's password
	enabled bool
	members map[int64]*member // by slot; replaced, never changed but for lastLogin
	fields  map[string]string // what else is known, by the name of the users API
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

	DomainAdmin bool `json:"domain_admin"` // may see the domain, whatever the profiles are
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
	if m := u.members[slot]; m != nil && m.active && u.enabled {
		return m.profile
	}
	return ""
}

func (u *user) matches(password, server string) bool {
	u.mu.RLock()
	kept := u.digest
	u.mu.RUnlock()
	if kept == "" {
		return subtle.ConstantTimeCompare([]byte(password), []byte(server)) == 1
	}
	salt, _, _ := strings.Cut(kept, ":")
	return subtle.ConstantTimeCompare([]byte(digest(salt, password)), []byte(kept)) == 1
}

// newDigest is the digest of a password with a salt of its own.
func newDigest(password string) string {
	var salt [8]byte
	rand.Read(salt[:])
	return digest(hex.EncodeToString(salt[:]), password)
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

// everyone lists the users of a domain by id.
func (s *Server) everyone(domain string) []*user {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var list []*user
	for _, u := range s.users {
		if u.Domain == domain {
			list = append(list, u)
		}
	}
	slices.SortFunc(list, func(a, b *user) int { return int(a.ID - b.ID) })
	return list
}

func (s *Server) loadUsers(ctx context.Context) error {
	rows, err := s.store.read.QueryContext(ctx, `SELECT u.id, u.name, u.digest, u.domain, u.active, coalesce(p.fields, '{}'), m.slot, m.profile, m.active, m.last_login
		FROM users u LEFT JOIN profiles p ON p.user = u.id LEFT JOIN members m ON m.user = u.id ORDER BY u.id`)
	if err != nil {
		return fmt.Errorf("read users: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var u user
		var slot, last *int64
		var profile *string
		var active *bool
		var fields []byte
		if err := rows.Scan(&u.ID, &u.Name, &u.digest, &u.Domain, &u.enabled, &fields, &slot, &profile, &active, &last); err != nil {
			return fmt.Errorf("read users: %w", err)
		}
		known := s.users[u.Name]
		if known == nil {
			known = &user{ID: u.ID, Name: u.Name, digest: u.digest, Domain: u.Domain, enabled: u.enabled, members: map[int64]*member{}}
			if err := json.Unmarshal(fields, &known.fields); err != nil {
				return fmt.Errorf("read users: %w", err)
			}
			s.users[u.Name] = known
		}
		if slot != nil {
			known.members[*slot] = &member{profile: *profile, active: *active, lastLogin: *last}
		}
	}
	return rows.Err()
}

// userState is what of a user can change.
type userState struct {
	digest, domain string
	enabled        bool
	members        map[int64]*member
	fields         map[string]string
}

// state is a copy of what of the user can change.
func (u *user) state() userState {
	u.mu.RLock()
	defer u.mu.RUnlock()
	n := userState{u.digest, u.Domain, u.enabled, map[int64]*member{}, cloneMap(u.fields)}
	for slot, m := range u.members {
		copied := *m
		n.members[slot] = &copied
	}
	return n
}

// putUser stores a user, new or known, as n says.
func (s *Server) putUser(t *tx, u *user, n userState) error {
	if err := t.exec(`INSERT INTO users VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE
		SET digest = excluded.digest, domain = excluded.domain, active = excluded.active`, u.ID, u.Name, n.digest, n.domain, n.enabled); err != nil {
		return err
	}
	if err := t.exec(`DELETE FROM members WHERE user = ?`, u.ID); err != nil {
		return err
	}
	for slot, m := range n.members {
		if err := t.exec(`INSERT INTO members VALUES (?, ?, ?, ?, ?)`, u.ID, slot, m.profile, m.active, m.lastLogin); err != nil {
			return err
		}
	}
	if len(n.fields) > 0 {
		fields, err := json.Marshal(n.fields)
		if err != nil {
			return err
		}
		if err := t.exec(`INSERT INTO profiles VALUES (?, ?) ON CONFLICT (user) DO UPDATE SET fields = excluded.fields`, u.ID, string(fields)); err != nil {
			return err
		}
	}
	t.then(func() {
		u.mu.Lock()
		u.digest, u.Domain, u.enabled, u.members, u.fields = n.digest, n.domain, n.enabled, n.members, n.fields
		u.mu.Unlock()
		s.mu.Lock()
		s.users[u.Name] = u
		s.mu.Unlock()
	})
	return nil
}

// firstUser is the id of the first user; the admin of the first vault has it.
const firstUser = 10001

// nextUser gives out the next id of a user.
func (s *Server) nextUser(t *tx) (id int64, err error) {
	_, err = one(bg, t, []any{&id}, `SELECT max(coalesce(max(id), 0) + 1, ?) FROM users`, firstUser)
	return id, err
}

// AddUser makes a user, or changes the one of that name to be like spec.
func (s *Server) AddUser(spec UserSpec) error {
	return s.store.update(func(t *tx) (err error) {
		u := s.user(spec.Name)
		if u == nil {
			u = &user{Name: spec.Name}
			if u.ID, err = s.nextUser(t); err != nil {
				return err
			}
		}
		n := u.state()
		n.enabled, n.members = !spec.Inactive, map[int64]*member{}
		if spec.Password != "" {
			n.digest = newDigest(spec.Password)
		}
		if spec.DomainAdmin {
			n.fields = map[string]string{fieldDomainAdmin: "true"}
		}
		for name, profile := range spec.Vaults {
			v := s.vault(name)
			if v == nil {
				return fmt.Errorf("add user %s: there is no vault %q", spec.Name, name)
			}
			n.domain = v.domain
			n.members[v.slot] = &member{profile: profile, active: true}
		}
		return s.putUser(t, u, n)
	})
}

const fieldDomainAdmin = "is_domain_admin__v"

// handleDomain answers GET /api/{v}/objects/domain. Environment is ours: vault_type__v, production or sandbox.
func handleDomain(c *call) (reply, error) {
	if !c.user.admin && c.user.text(fieldDomainAdmin) == "" {
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
