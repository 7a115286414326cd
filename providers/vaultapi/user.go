package vaultapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/hashicorp/go-version"
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
	var reply struct {
		Users []struct {
			User User `json:"user"`
		} `json:"users"`
	}
	k := call{op: "read the session's user", method: http.MethodGet, path: r.c.path("objects", "users", "me")}
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
	var reply struct {
		Data []UserPermission `json:"data"`
	}
	k := call{op: "read the user's permissions", method: http.MethodGet, path: r.c.path("objects", "users", "me", "permissions")}
	if filter != "" {
		k.params = url.Values{"filter": {filter}}
	}
	err := r.c.do(ctx, k, &reply)
	return reply.Data, err
}

// Domain is the customer's domain and its vaults.
type Domain struct {
	Name   string        `json:"domain_name__v"`
	Type   string        `json:"domain_type__v"`
	Vaults []DomainVault `json:"vaults__v"`
}

// DomainVault is a vault of a domain. Type is not in Vault's reference; it is
// "" where the vault does not say it.
type DomainVault struct {
	ID           Int        `json:"id"`
	Name         string     `json:"vault_name__v"`
	Status       string     `json:"vault_status__v"`
	Type         string     `json:"vault_type__v"` // production, sandbox
	Family       Labelled   `json:"vault_family__v"`
	Applications []Labelled `json:"vault_application__v"`
}

// Domain reads the domain; only domain admins may.
func (r *Reader) Domain(ctx context.Context) (*Domain, error) {
	var reply struct {
		Domain Domain `json:"domain__v"`
	}
	err := r.c.do(ctx, call{op: "read the domain", method: http.MethodGet, path: r.c.path("objects", "domain"), params: url.Values{"include_application": {"true"}}}, &reply)
	if err != nil {
		return nil, err
	}
	return &reply.Domain, nil
}

// Versions lists the API versions that the vault offers, oldest first; the
// last may still be changed by Vault.
func (r *Reader) Versions(ctx context.Context) ([]string, error) {
	var reply struct {
		Values map[string]string `json:"values"`
	}
	if err := r.c.do(ctx, call{op: "list API versions", method: http.MethodGet, path: "/api/"}, &reply); err != nil {
		return nil, err
	}
	names := make([]string, 0, len(reply.Values))
	for name := range reply.Values {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		va, errA := version.NewVersion(a)
		vb, errB := version.NewVersion(b)
		if errA != nil || errB != nil {
			return strings.Compare(a, b)
		}
		return va.Compare(vb)
	})
	return names, nil
}
