package vaultapi

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
)

func (c *conn) renditionPath(v Version, typ string) string {
	if v.Major == 0 && v.Minor == 0 {
		return c.path("objects", "documents", seg(v.ID), "renditions", seg(typ))
	}
	return c.versionPath(Documents, v, "renditions", seg(typ))
}

// RenditionOptions choose what DownloadRendition gives.
type RenditionOptions struct {
	Steady      bool // of the latest steady version instead
	Unprotected bool // without the protection that Vault adds
}

// DownloadRendition writes a rendition to w; a Version with only an ID means
// the latest.
func (r *Reader) DownloadRendition(ctx context.Context, v Version, typ string, opts RenditionOptions, w io.Writer) (int64, error) {
	k := call{op: fmt.Sprintf("download rendition %s of document %s", typ, v), method: http.MethodGet, path: r.c.renditionPath(v, typ), params: url.Values{}, missing: true}
	if opts.Steady {
		k.params.Set("steadyState", "true")
	}
	if opts.Unprotected {
		k.params.Set("protectedRendition", strconv.FormatBool(false))
	}
	return r.c.download(ctx, k, w)
}

// AddRendition uploads a rendition of a type that the document does not have.
func (c *Client) AddRendition(ctx context.Context, v Version, typ string, file File) error {
	return c.sendFile(ctx, call{op: fmt.Sprintf("add rendition %s to document %s", typ, v), method: http.MethodPost, path: c.c.renditionPath(v, typ)}, nil, &file, nil)
}

// ReplaceRendition uploads a rendition in the place of the one there is;
// without file Vault renders anew.
func (c *Client) ReplaceRendition(ctx context.Context, v Version, typ string, file *File) error {
	return c.sendFile(ctx, call{op: fmt.Sprintf("replace rendition %s of document %s", typ, v), method: http.MethodPut, path: c.c.renditionPath(v, typ)}, nil, file, nil)
}

// DeleteRendition deletes one.
func (c *Client) DeleteRendition(ctx context.Context, v Version, typ string) error {
	op := fmt.Sprintf("delete rendition %s of document %s", typ, v)
	return c.c.do(ctx, call{op: op, method: http.MethodDelete, path: c.c.renditionPath(v, typ), write: true, missing: true}, nil)
}

// AddRenditions adds staged files as renditions: rows have file, id,
// rendition_type__v and the version. Vault takes it only with MigrationMode.
func (c *Client) AddRenditions(ctx context.Context, rows []Fields, opts ...WriteOption) []Result {
	return c.renditionRows(ctx, "add renditions", http.MethodPost, rows, opts)
}

// DeleteRenditions deletes renditions: rows have id, rendition_type__v and the
// version.
func (c *Client) DeleteRenditions(ctx context.Context, rows []Fields) []Result {
	return c.renditionRows(ctx, "delete renditions", http.MethodDelete, rows, nil)
}

func (c *Client) renditionRows(ctx context.Context, op, method string, rows []Fields, opts []WriteOption) []Result {
	return c.csvRows(ctx, call{op: op, method: method, path: c.c.path("objects", "documents", "renditions", "batch")}, c.c.caps.documents, rows, opts)
}

// Rerender makes the viewable renditions of documents anew.
func (c *Client) Rerender(ctx context.Context, documents []ID) []Result {
	rows := make([]Fields, len(documents))
	for i, id := range documents {
		rows[i] = Fields{"id": id}
	}
	return c.csvRows(ctx, call{op: "render documents anew", method: http.MethodPost, path: c.c.path("objects", "documents", "batch", "actions", "rerender")}, c.c.caps.documents, rows, nil)
}
