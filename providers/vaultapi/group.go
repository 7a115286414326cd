package vaultapi

import (
	"context"
	"net/http"
	"net/url"
)

// Group is a group of users.
type Group struct {
	ID               ID     `json:"id"`
	Name             string `json:"name__v"`
	Label            string `json:"label__v"`
	Description      string `json:"group_description__v"`
	Members          []ID   `json:"members__v"`
	Implied          []ID   `json:"implied_members__v"` // through security profiles
	SecurityProfiles Names  `json:"security_profiles__v"`
	Active           Bool   `json:"active__v"`
	Type             string `json:"type__v"`
	System           Bool   `json:"system_group__v"`
	Editable         Bool   `json:"editable__v"`
}

type groups struct {
	Groups []struct {
		Group Group `json:"group"`
	} `json:"groups"`
}

// Groups lists the groups; with implied, also who is in them by profile.
func (r *Reader) Groups(ctx context.Context, implied bool) ([]Group, error) {
	k := call{op: "list groups", method: http.MethodGet, path: r.c.path("objects", "groups")}
	if implied {
		k.params = url.Values{"includeImplied": {"true"}}
	}
	return r.groups(ctx, k)
}

// AutoGroups lists the groups that Vault keeps by itself.
func (r *Reader) AutoGroups(ctx context.Context) ([]Group, error) {
	return r.groups(ctx, call{op: "list automatic groups", method: http.MethodGet, path: r.c.path("objects", "groups", "auto")})
}

// Group reads a group.
func (r *Reader) Group(ctx context.Context, id ID) (Group, error) {
	k := call{op: "read group " + string(id), method: http.MethodGet, path: r.c.path("objects", "groups", seg(id)), missing: true}
	list, err := r.groups(ctx, k)
	if err != nil {
		return Group{}, err
	}
	return oneOrMany[Group](list).one(k)
}

func (r *Reader) groups(ctx context.Context, k call) ([]Group, error) {
	var reply groups
	if err := r.c.do(ctx, k, &reply); err != nil {
		return nil, err
	}
	list := make([]Group, len(reply.Groups))
	for i, each := range reply.Groups {
		list[i] = each.Group
	}
	return list, nil
}

// CreateGroup creates a group; fields are label__v, members__v,
// security_profiles__v, active__v, group_description__v.
func (c *Client) CreateGroup(ctx context.Context, fields Fields) (ID, error) {
	var reply struct {
		ID ID `json:"id"`
	}
	err := c.postForm(ctx, http.MethodPost, "create a group", c.c.path("objects", "groups"), fields, &reply)
	return reply.ID, err
}

// UpdateGroup changes a group.
func (c *Client) UpdateGroup(ctx context.Context, id ID, fields Fields) error {
	return c.postForm(ctx, http.MethodPut, "update group "+string(id), c.c.path("objects", "groups", seg(id)), fields, nil)
}

// DeleteGroup deletes a group.
func (c *Client) DeleteGroup(ctx context.Context, id ID) error {
	return c.c.do(ctx, call{op: "delete group " + string(id), method: http.MethodDelete, path: c.c.path("objects", "groups", seg(id)), write: true, missing: true}, nil)
}
