package vaultapi

import (
	"context"
	"fmt"
	"net/http"
)

// Picklist is a picklist, without its values.
type Picklist struct {
	Name          string `json:"name"`
	Label         string `json:"label"`
	SystemManaged Bool   `json:"systemManaged"`
}

// Picklists lists the vault's picklists.
func (r *Reader) Picklists(ctx context.Context) ([]Picklist, error) {
	var reply struct {
		Picklists []Picklist `json:"picklists"`
	}
	err := r.c.do(ctx, call{op: "list picklists", method: http.MethodGet, path: r.c.path("objects", "picklists")}, &reply)
	return reply.Picklists, err
}

// PicklistValues lists a picklist's values in their order.
func (r *Reader) PicklistValues(ctx context.Context, picklist string) ([]Labelled, error) {
	type reply struct {
		Values []Labelled `json:"picklistValues"`
	}
	said, err := askAlike[reply](ctx, r.c, call{op: "read picklist " + picklist, method: http.MethodGet, path: r.c.path("objects", "picklists", seg(picklist)), missing: true})
	if err != nil {
		return nil, err
	}
	return said.Values, nil
}

// AddPicklistValues adds values by label; Vault makes their names.
func (c *Client) AddPicklistValues(ctx context.Context, picklist string, labels ...string) error {
	fields := Fields{}
	for i, label := range labels {
		fields[fmt.Sprintf("value_%d", i+1)] = label
	}
	return c.postForm(ctx, http.MethodPost, "add values to picklist "+picklist, c.c.path("objects", "picklists", seg(picklist)), fields, nil)
}

// RelabelPicklistValues changes labels, by the values' names.
func (c *Client) RelabelPicklistValues(ctx context.Context, picklist string, labels map[string]string) error {
	fields := Fields{}
	for name, label := range labels {
		fields[name] = label
	}
	return c.postForm(ctx, http.MethodPut, "relabel values of picklist "+picklist, c.c.path("objects", "picklists", seg(picklist)), fields, nil)
}

// PicklistChange is a change of a picklist's value; "" stays as it is.
type PicklistChange struct {
	Name   string // without suffix, which Vault adds
	Status string // active, inactive
}

// ChangePicklistValue renames a value or changes its status.
func (c *Client) ChangePicklistValue(ctx context.Context, picklist, value string, change PicklistChange) error {
	fields := Fields{}
	if change.Name != "" {
		fields["name"] = change.Name
	}
	if change.Status != "" {
		fields["status"] = change.Status
	}
	op := fmt.Sprintf("change value %s of picklist %s", value, picklist)
	return c.postForm(ctx, http.MethodPut, op, c.c.path("objects", "picklists", seg(picklist), seg(value)), fields, nil)
}

// DropPicklistValue makes a value inactive.
func (c *Client) DropPicklistValue(ctx context.Context, picklist, value string) error {
	op := fmt.Sprintf("drop value %s of picklist %s", value, picklist)
	return c.c.do(ctx, call{op: op, method: http.MethodDelete, path: c.c.path("objects", "picklists", seg(picklist), seg(value)), write: true, missing: true}, nil)
}
