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
	var reply struct {
		Values []Labelled `json:"picklistValues"`
	}
	err := r.c.do(ctx, call{op: "read picklist " + picklist, method: http.MethodGet, path: r.c.path("objects", "picklists", seg(picklist)), missing: true}, &reply)
	return reply.Values, err
}

// AddPicklistValues adds values by label; Vault makes their names.
func (c *Client) AddPicklistValues(ctx context.Context, picklist string, labels ...string) error {
	fields := Fields{}
	for i, label := range labels {
		fields[fmt.Sprintf("value_%d", i+1)] = label
	}
	return c.postForm(ctx, http.MethodPost, "add values to picklist "+picklist, c.c.path("objects", "picklists", seg(picklist)), fields, nil)
}
