package vaultapi

import (
	"context"
	"fmt"
	"net/http"
	"strings"
)

// DocumentRole is who has a role on a document or binder, and who may be given it.
type DocumentRole struct {
	Name            string `json:"name"`
	Label           string `json:"label"`
	Users           []ID   `json:"assignedUsers"`
	Groups          []ID   `json:"assignedGroups"`
	AvailableUsers  []ID   `json:"availableUsers"`
	AvailableGroups []ID   `json:"availableGroups"`
	DefaultUsers    []ID   `json:"defaultUsers"`
	DefaultGroups   []ID   `json:"defaultGroups"`
}

// DocumentRoles lists the roles of a document or binder; one alone where role
// is not "".
func (r *Reader) DocumentRoles(ctx context.Context, f Family, id ID, role string) ([]DocumentRole, error) {
	path := []string{"objects", string(f), seg(id), "roles"}
	if role != "" {
		path = append(path, seg(role))
	}
	var reply struct {
		Roles []DocumentRole `json:"documentRoles"`
	}
	op := fmt.Sprintf("list roles of %s %s", strings.TrimSuffix(string(f), "s"), id)
	err := r.c.do(ctx, call{op: op, method: http.MethodGet, path: r.c.path(path...), missing: true}, &reply)
	return reply.Roles, err
}

// Members are users and groups.
type Members struct {
	Users  []ID `json:"users"`
	Groups []ID `json:"groups"`
}

// AssignDocumentRoles gives roles, by name, to users and groups, and returns
// those that it added.
func (c *Client) AssignDocumentRoles(ctx context.Context, f Family, id ID, roles map[string]Members) (map[string]Members, error) {
	fields := Fields{}
	for role, m := range roles {
		if len(m.Users) > 0 {
			fields[role+".users"] = m.Users
		}
		if len(m.Groups) > 0 {
			fields[role+".groups"] = m.Groups
		}
	}
	var reply struct {
		Updated map[string]Members `json:"updatedRoles"`
	}
	op := fmt.Sprintf("assign roles of %s %s", strings.TrimSuffix(string(f), "s"), id)
	err := c.postForm(ctx, http.MethodPost, op, c.c.path("objects", string(f), seg(id), "roles"), fields, &reply)
	return reply.Updated, err
}

// RemoveDocumentRole takes a role from a user or a group.
func (c *Client) RemoveDocumentRole(ctx context.Context, f Family, id ID, role string, group bool, member ID) error {
	who := ".user"
	if group {
		who = ".group"
	}
	op := fmt.Sprintf("remove %s%s %s of %s %s", role, who, member, strings.TrimSuffix(string(f), "s"), id)
	return c.c.do(ctx, call{op: op, method: http.MethodDelete, path: c.c.path("objects", string(f), seg(id), "roles", seg(role+who), seg(member)), write: true, missing: true}, nil)
}

// AssignRolesOfDocuments gives roles in bulk; rows have "id" and columns such
// as "reviewer__v.users".
func (c *Client) AssignRolesOfDocuments(ctx context.Context, rows []Fields) []Result {
	return c.csvRows(ctx, call{op: "assign roles of documents", method: http.MethodPost, path: c.c.path("objects", "documents", "roles", "batch")}, c.c.caps.updates, rows, nil)
}

// RemoveRolesOfDocuments takes roles in bulk; rows as of AssignRolesOfDocuments.
func (c *Client) RemoveRolesOfDocuments(ctx context.Context, rows []Fields) []Result {
	return c.csvRows(ctx, call{op: "remove roles of documents", method: http.MethodDelete, path: c.c.path("objects", "documents", "roles", "batch")}, c.c.caps.updates, rows, nil)
}

// RecordRole is who has a role on a record.
type RecordRole struct {
	Name       string `json:"name"`
	Users      []ID   `json:"users"`
	Groups     []ID   `json:"groups"`
	Assignment string `json:"assignment_type"` // manual_assignment, …
}

// RecordRoles lists the roles of a record; one alone where role is not "".
func (r *Reader) RecordRoles(ctx context.Context, object string, id ID, role string) ([]RecordRole, error) {
	path := []string{"vobjects", seg(object), seg(id), "roles"}
	if role != "" {
		path = append(path, seg(role))
	}
	var reply struct {
		Data []RecordRole `json:"data"`
	}
	err := r.c.do(ctx, call{op: fmt.Sprintf("list roles of %s %s", object, id), method: http.MethodGet, path: r.c.path(path...), missing: true}, &reply)
	return reply.Data, err
}

// AssignRecordRoles gives roles; rows have "id" and keys such as
// "editor__v.users".
func (c *Client) AssignRecordRoles(ctx context.Context, object string, rows []Fields) []Result {
	return c.recordsAt(ctx, "assign roles of", http.MethodPost, object, c.c.path("vobjects", seg(object), "roles"), rows, nil)
}

// RemoveRecordRoles takes roles; rows as of AssignRecordRoles.
func (c *Client) RemoveRecordRoles(ctx context.Context, object string, rows []Fields) []Result {
	return c.recordsAt(ctx, "remove roles of", http.MethodDelete, object, c.c.path("vobjects", seg(object), "roles"), rows, nil)
}
