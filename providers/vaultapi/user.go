package vaultapi

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/http"
	"net/url"
)

// User is a user of the vault.
type User struct {
	ID              ID     `json:"id"`
	Name            string `json:"user_name__v"`
	FirstName       string `json:"user_first_name__v"`
	LastName        string `json:"user_last_name__v"`
	SecurityProfile string `json:"security_profile__v"`
	LicenseType     string `json:"license_type__v"`
	Active          Bool   `json:"active__v"`
	DomainAdmin     Bool   `json:"is_domain_admin__v"`
}

// Me is the user of the session.
func (r *Reader) Me(ctx context.Context) (User, error) {
	return r.user(ctx, call{op: "read the session's user", method: http.MethodGet, path: r.c.path("objects", "users", "me")})
}

func (r *Reader) user(ctx context.Context, k call) (User, error) {
	var reply struct {
		Users []struct {
			User User `json:"user"`
		} `json:"users"`
	}
	if err := r.c.do(ctx, k, &reply); err != nil {
		return User{}, err
	}
	if len(reply.Users) != 1 {
		return User{}, &Error{Op: k.op, Kind: Internal, Message: "the answer is not about one user"}
	}
	return reply.Users[0].User, nil
}

// UserPermission is what a user may do with one thing, named as
// "object.country__v.object_actions".
type UserPermission struct {
	Name   string `json:"name__v"`
	Grants Grants `json:"permissions"`
}

// Grants are rights by name: read, edit, create, delete, …
type Grants map[string]bool

// UnmarshalJSON passes over what is not a flag.
func (g *Grants) UnmarshalJSON(data []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	*g = make(Grants, len(all))
	for name, value := range all {
		var granted Bool
		if granted.UnmarshalJSON(value) == nil {
			(*g)[name] = bool(granted)
		}
	}
	return nil
}

// Permissions lists what the session's user may do. filter is as Vault takes
// it ("name__v::object.country__v.object_actions"); "" for all.
func (r *Reader) Permissions(ctx context.Context, filter string) ([]UserPermission, error) {
	return r.permissions(ctx, call{op: "read the user's permissions", method: http.MethodGet, path: r.c.path("objects", "users", "me", "permissions")}, filter)
}

func (r *Reader) permissions(ctx context.Context, k call, filter string) ([]UserPermission, error) {
	var reply struct {
		Data []UserPermission `json:"data"`
	}
	if filter != "" {
		k.params = url.Values{"filter": {filter}}
	}
	err := r.c.do(ctx, k, &reply)
	return reply.Data, err
}

// Users streams the users of the vault; of all vaults of the domain with all.
func (r *Reader) Users(ctx context.Context, all bool) iter.Seq2[User, error] {
	k := call{op: "list users", method: http.MethodGet, path: r.c.path("objects", "users"), params: url.Values{}}
	if all {
		k.params.Set("vaults", "all")
	}
	type row struct {
		User User `json:"user"`
	}
	return func(yield func(User, error) bool) {
		for u, err := range listed[row](ctx, r.c, k, listing{"users", "start", 200}) {
			if !yield(u.User, err) {
				return
			}
		}
	}
}

// User reads a user.
func (r *Reader) User(ctx context.Context, id ID) (User, error) {
	return r.user(ctx, call{op: "read user " + string(id), method: http.MethodGet, path: r.c.path("objects", "users", seg(id)), missing: true})
}

// UserPermissions is Permissions of another user.
func (r *Reader) UserPermissions(ctx context.Context, id ID, filter string) ([]UserPermission, error) {
	return r.permissions(ctx, call{op: "read the permissions of user " + string(id), method: http.MethodGet, path: r.c.path("objects", "users", seg(id), "permissions"), missing: true}, filter)
}

// CreateUsers creates users; the fields are Vault's.
func (c *Client) CreateUsers(ctx context.Context, rows []Fields) []Result {
	return c.csvRows(ctx, call{op: "create users", method: http.MethodPost, path: c.c.path("objects", "users")}, c.c.caps.actions, rows, nil)
}

// UpdateUsers updates users; rows have "id".
func (c *Client) UpdateUsers(ctx context.Context, rows []Fields) []Result {
	return c.csvRows(ctx, call{op: "update users", method: http.MethodPut, path: c.c.path("objects", "users")}, c.c.caps.actions, rows, nil)
}

// DisableUser takes a user out of the domain, or out of this vault alone.
func (c *Client) DisableUser(ctx context.Context, id ID, domain bool) error {
	k := call{op: "disable user " + string(id), method: http.MethodDelete, path: c.c.path("objects", "users", seg(id)), write: true, missing: true}
	if domain {
		k.params = url.Values{"domain": {"true"}}
	}
	return c.c.do(ctx, k, nil)
}

// Membership is what a user is in a vault.
type Membership struct {
	Active          bool
	SecurityProfile string // "" stays as it is
	LicenseType     string // "" stays as it is
}

// SetMembership changes what a user is in a vault of the domain.
func (c *Client) SetMembership(ctx context.Context, user ID, vault int64, m Membership) error {
	fields := Fields{"active__v": m.Active}
	if m.SecurityProfile != "" {
		fields["security_profile__v"] = m.SecurityProfile
	}
	if m.LicenseType != "" {
		fields["license_type__v"] = m.LicenseType
	}
	op := fmt.Sprintf("change the membership of user %s in vault %d", user, vault)
	return c.postForm(ctx, http.MethodPut, op, c.c.path("objects", "users", seg(user), "vault_membership", fmt.Sprint(vault)), fields, nil)
}

// ChangePassword changes the password of the session's user.
func (c *Client) ChangePassword(ctx context.Context, old, new Secret) error {
	return c.c.do(ctx, call{op: "change the password", method: http.MethodPost, path: c.c.path("objects", "users", "me", "password"), write: true, secret: new,
		body: form(url.Values{"password__v": {old.Reveal()}, "new_password__v": {new.Reveal()}})}, nil)
}
