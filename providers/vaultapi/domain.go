package vaultapi

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/hashicorp/go-version"
)

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
	type reply struct {
		Domain Domain `json:"domain__v"`
	}
	said, err := askAlike[reply](ctx, r.c, call{op: "read the domain", method: http.MethodGet, path: r.c.path("objects", "domain"), params: url.Values{"include_application": {"true"}}})
	if err != nil {
		return nil, err
	}
	return &said.Domain, nil
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

// Limits are what the vault allows, as it says them, by name.
type Limits map[string]map[string]Int

// Limits reads them.
func (r *Reader) Limits(ctx context.Context) (Limits, error) {
	var reply struct {
		Data []map[string]any `json:"data"`
	}
	if err := r.c.do(ctx, call{op: "read the limits", method: http.MethodGet, path: r.c.path("limits")}, &reply); err != nil {
		return nil, err
	}
	limits := Limits{}
	for _, row := range reply.Data {
		name, _ := row["name"].(string)
		limits[name] = map[string]Int{}
		for key, value := range row {
			if n, ok := value.(float64); ok {
				limits[name][key] = Int(n)
			}
		}
	}
	return limits, nil
}

// KeepAlive keeps the session from ending for want of calls. It does not
// prolong the longest time that Vault gives a session.
func (r *Reader) KeepAlive(ctx context.Context) error {
	return r.c.do(ctx, call{op: "keep the session alive", method: http.MethodPost, path: r.c.path("keep-alive")}, nil)
}
