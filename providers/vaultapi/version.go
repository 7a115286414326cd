package vaultapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
)

// versionReply is how Vault names the version that a call made.
type versionReply struct {
	Major Int `json:"major_version_number__v"`
	Minor Int `json:"minor_version_number__v"`
}

func (r versionReply) version(id ID) Version {
	return Version{ID: id, Major: int(r.Major), Minor: int(r.Minor)}
}

// DocumentVersions lists the versions of a document or binder.
func (r *Reader) DocumentVersions(ctx context.Context, f Family, id ID) ([]DocumentVersion, error) {
	reply, err := r.document(ctx, fmt.Sprintf("list versions of %s %s", strings.TrimSuffix(string(f), "s"), id), r.c.path("objects", string(f), seg(id), "versions"), nil)
	if err != nil {
		return nil, err
	}
	return reply.Versions, nil
}

// ListOptions narrow a list of documents.
type ListOptions struct {
	Filter   string // a filter of Vault's, "My Documents"
	Search   string
	Scope    string // where Search looks: contents, all
	Sort     string // "name__v asc"
	Versions bool   // all versions
}

// ListDocuments streams documents and binders as a user's library lists them.
// VQL is the better way for all that it can ask.
func (r *Reader) ListDocuments(ctx context.Context, o ListOptions) iter.Seq2[Row, error] {
	k := call{op: "list documents", method: http.MethodGet, path: r.c.path("objects", "documents"), params: url.Values{}}
	for name, value := range map[string]string{"named_filter": o.Filter, "search": o.Search, "scope": o.Scope, "sort": o.Sort} {
		if value != "" {
			k.params.Set(name, value)
		}
	}
	if o.Versions {
		k.params.Set("versionscope", "all")
	}
	type row struct {
		Document json.RawMessage `json:"document"`
	}
	return func(yield func(Row, error) bool) {
		for d, err := range listed[row](ctx, r.c, k, listing{"documents", "start", 200}) {
			if !yield(Row(d.Document), err) {
				return
			}
		}
	}
}

// DownloadDocument writes the latest source file to w.
func (r *Reader) DownloadDocument(ctx context.Context, id ID, w io.Writer) (int64, error) {
	return r.c.download(ctx, call{op: fmt.Sprintf("download document %s", id), method: http.MethodGet, path: r.c.path("objects", "documents", seg(id), "file"), missing: true}, w)
}

// DownloadToEdit is DownloadDocument that checks the document out, too.
func (c *Client) DownloadToEdit(ctx context.Context, id ID, w io.Writer) (int64, error) {
	return c.c.download(ctx, call{op: fmt.Sprintf("download document %s to edit it", id), method: http.MethodGet, path: c.c.path("objects", "documents", seg(id), "file"),
		params: url.Values{"lockDocument": {"true"}}, write: true, missing: true}, w)
}

// DownloadVersion writes the source file of one version to w.
func (r *Reader) DownloadVersion(ctx context.Context, v Version, w io.Writer) (int64, error) {
	return r.part(ctx, "file", v, w)
}

// DownloadText writes the plain text of a version to w.
func (r *Reader) DownloadText(ctx context.Context, v Version, w io.Writer) (int64, error) {
	return r.part(ctx, "text", v, w)
}

// DownloadThumbnail writes a version's thumbnail, an image, to w.
func (r *Reader) DownloadThumbnail(ctx context.Context, v Version, w io.Writer) (int64, error) {
	return r.part(ctx, "thumbnail", v, w)
}

func (r *Reader) part(ctx context.Context, what string, v Version, w io.Writer) (int64, error) {
	return r.c.download(ctx, call{op: fmt.Sprintf("download the %s of document %s", what, v), method: http.MethodGet, path: r.c.versionPath(Documents, v, what), missing: true}, w)
}

// CreateVersions adds versions to documents, from staged files. Vault takes it
// only with MigrationMode, which is set here.
func (c *Client) CreateVersions(ctx context.Context, rows []Fields, opts ...WriteOption) []Result {
	return c.csvRows(ctx, call{op: "create versions", method: http.MethodPost, path: c.c.path("objects", "documents", "versions", "batch")}, c.c.caps.documents, rows,
		append([]WriteOption{MigrationMode()}, opts...))
}

// DeleteVersion deletes one version.
func (c *Client) DeleteVersion(ctx context.Context, f Family, v Version) error {
	op := fmt.Sprintf("delete %s %s", strings.TrimSuffix(string(f), "s"), v)
	return c.c.do(ctx, call{op: op, method: http.MethodDelete, path: c.c.versionPath(f, v), write: true, missing: true}, nil)
}

// DeleteVersions deletes versions of documents.
func (c *Client) DeleteVersions(ctx context.Context, versions []Version) []Result {
	rows := make([]Fields, len(versions))
	for i, v := range versions {
		rows[i] = Fields{"id": v.ID, "major_version_number__v": v.Major, "minor_version_number__v": v.Minor}
	}
	return c.csvRows(ctx, call{op: "delete versions", method: http.MethodDelete, path: c.c.path("objects", "documents", "versions", "batch")}, c.c.caps.documents, rows, nil)
}

// Reclassify changes the type of a document or binder, and fields with it.
func (c *Client) Reclassify(ctx context.Context, f Family, id ID, fields Fields, opts ...WriteOption) error {
	all := Fields{"reclassify": true}
	for name, value := range fields {
		all[name] = value
	}
	k := call{op: fmt.Sprintf("reclassify %s %s", strings.TrimSuffix(string(f), "s"), id), method: http.MethodPut, path: c.c.path("objects", string(f), seg(id))}
	for _, opt := range opts {
		opt(&k)
	}
	return c.sendFile(ctx, k, all, nil, nil)
}

// ReclassifyDocuments changes types in bulk; rows have "id".
func (c *Client) ReclassifyDocuments(ctx context.Context, rows []Fields, opts ...WriteOption) []Result {
	return c.csvRows(ctx, call{op: "reclassify documents", method: http.MethodPut, path: c.c.path("objects", "documents", "batch", "actions", "reclassify")}, c.c.caps.documents, rows, opts)
}
