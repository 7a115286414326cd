package vaultapi

import (
	"context"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Attachment is a file beside a document or a record, in one of its versions.
type Attachment struct {
	ID          ID                  `json:"id"`
	Name        string              `json:"filename__v"`
	Description string              `json:"description__v"`
	Format      string              `json:"format__v"`
	Size        Int                 `json:"size__v"`
	MD5         string              `json:"md5checksum__v"`
	Version     Int                 `json:"version__v"`
	CreatedBy   ID                  `json:"created_by__v"`
	Created     string              `json:"created_date__v"`
	Versions    []AttachmentVersion `json:"versions"`
}

// AttachmentVersion is a version of an attachment.
type AttachmentVersion struct {
	Version Int    `json:"version__v"`
	URL     string `json:"url"`
}

// attachments decodes the ways in which Vault lists them.
type attachments struct {
	Data        oneOrMany[Attachment] `json:"data"`
	Attachments oneOrMany[Attachment] `json:"attachments"`
}

func (a attachments) all() oneOrMany[Attachment] { return append(a.Data, a.Attachments...) }

func attachmentPath(id ID, version int) []string {
	path := []string{"attachments", seg(id)}
	if version > 0 {
		path = append(path, "versions", strconv.Itoa(version))
	}
	return path
}

// Attachments lists the attachments of a document, a version or a record.
func (r *Reader) Attachments(ctx context.Context, h Holder) ([]Attachment, error) {
	var reply attachments
	err := r.c.do(ctx, call{op: "list attachments of " + h.name, method: http.MethodGet, path: r.c.held(h, "attachments"), missing: true}, &reply)
	return reply.all(), err
}

// AttachmentVersions lists the versions of one.
func (r *Reader) AttachmentVersions(ctx context.Context, h Holder, id ID) ([]AttachmentVersion, error) {
	var reply struct {
		Data     oneOrMany[AttachmentVersion] `json:"data"`
		Versions oneOrMany[AttachmentVersion] `json:"versions"`
	}
	err := r.c.do(ctx, call{op: fmt.Sprintf("list versions of attachment %s of %s", id, h.name), method: http.MethodGet,
		path: r.c.held(h, append(attachmentPath(id, 0), "versions")...), missing: true}, &reply)
	return append(reply.Data, reply.Versions...), err
}

// Attachment reads one; version 0 is the latest.
func (r *Reader) Attachment(ctx context.Context, h Holder, id ID, version int) (Attachment, error) {
	var reply attachments
	k := call{op: fmt.Sprintf("read attachment %s of %s", id, h.name), method: http.MethodGet, path: r.c.held(h, attachmentPath(id, version)...), missing: true}
	if err := r.c.do(ctx, k, &reply); err != nil {
		return Attachment{}, err
	}
	return reply.all().one(k)
}

// DownloadAttachment writes an attachment's file to w; version 0 is the latest.
func (r *Reader) DownloadAttachment(ctx context.Context, h Holder, id ID, version int, w io.Writer) (int64, error) {
	k := call{op: fmt.Sprintf("download attachment %s of %s", id, h.name), method: http.MethodGet, path: r.c.held(h, append(attachmentPath(id, version), "file")...), missing: true}
	return r.c.download(ctx, k, w)
}

// DownloadAttachments writes all attachments to w, as a zip file.
func (r *Reader) DownloadAttachments(ctx context.Context, h Holder, w io.Writer) (int64, error) {
	return r.c.download(ctx, call{op: "download the attachments of " + h.name, method: http.MethodGet, path: r.c.held(h, "attachments", "file"), missing: true}, w)
}

// DeletedAttachments streams the attachments deleted from since to until: of
// documents, or of the records of an object.
func (r *Reader) DeletedAttachments(ctx context.Context, object string, since, until time.Time) iter.Seq2[Deletion, error] {
	path := r.c.path("objects", "deletions", "documents", "attachments")
	if object != "" {
		path = r.c.path("objects", "deletions", "vobjects", seg(object), "attachments")
	}
	return r.deletions(ctx, "list deleted attachments", path, since, until)
}

// AddAttachment attaches a file. A file of the same name becomes a new version
// of it.
func (c *Client) AddAttachment(ctx context.Context, h Holder, file File) (Attachment, error) {
	k := call{op: fmt.Sprintf("attach %s to %s", file.Name, h.name), method: http.MethodPost, path: c.c.held(h, "attachments")}
	return c.attachment(k, func(reply any) error { return c.sendFile(ctx, k, nil, &file, reply) })
}

// RestoreAttachment makes an earlier version the latest.
func (c *Client) RestoreAttachment(ctx context.Context, h Holder, id ID, version int) (Attachment, error) {
	k := call{op: fmt.Sprintf("restore version %d of attachment %s of %s", version, id, h.name), method: http.MethodPost, write: true, missing: true,
		path: c.c.held(h, attachmentPath(id, version)...), params: url.Values{"restore": {"true"}}}
	return c.attachment(k, func(reply any) error { return c.c.do(ctx, k, reply) })
}

func (c *Client) attachment(k call, send func(reply any) error) (Attachment, error) {
	var reply attachments
	if err := send(&reply); err != nil {
		return Attachment{}, err
	}
	return reply.all().one(k)
}

// DescribeAttachment changes an attachment's description.
func (c *Client) DescribeAttachment(ctx context.Context, h Holder, id ID, description string) error {
	return c.postForm(ctx, http.MethodPut, fmt.Sprintf("describe attachment %s of %s", id, h.name), c.c.held(h, attachmentPath(id, 0)...), Fields{"description__v": description}, nil)
}

// DeleteAttachment deletes an attachment, or with a version that alone.
func (c *Client) DeleteAttachment(ctx context.Context, h Holder, id ID, version int) error {
	return c.c.do(ctx, call{op: fmt.Sprintf("delete attachment %s of %s", id, h.name), method: http.MethodDelete, path: c.c.held(h, attachmentPath(id, version)...), write: true, missing: true}, nil)
}

// AddAttachments attaches staged files, of documents, or of the records of an
// object: rows have what Vault's columns name.
func (c *Client) AddAttachments(ctx context.Context, object string, rows []Fields) []Result {
	return c.attachmentRows(ctx, "add attachments", http.MethodPost, object, rows)
}

// DescribeAttachments changes descriptions in bulk.
func (c *Client) DescribeAttachments(ctx context.Context, object string, rows []Fields) []Result {
	return c.attachmentRows(ctx, "describe attachments", http.MethodPut, object, rows)
}

// DeleteAttachments deletes attachments in bulk.
func (c *Client) DeleteAttachments(ctx context.Context, object string, rows []Fields) []Result {
	return c.attachmentRows(ctx, "delete attachments", http.MethodDelete, object, rows)
}

func (c *Client) attachmentRows(ctx context.Context, op, method, object string, rows []Fields) []Result {
	path := c.c.path("objects", "documents", "attachments", "batch")
	if object != "" {
		path = c.c.path("vobjects", seg(object), "attachments", "batch")
	}
	return c.csvRows(ctx, call{op: op, method: method, path: path}, c.c.caps.documents, rows, nil)
}

// DownloadAttachmentField writes the file of a record's attachment field to w;
// of all of them, as a zip file, where field is "".
func (r *Reader) DownloadAttachmentField(ctx context.Context, object string, id ID, field string, w io.Writer) (int64, error) {
	path := r.c.path("vobjects", seg(object), seg(id), "attachment_fields", "file")
	if field != "" {
		path = r.c.path("vobjects", seg(object), seg(id), "attachment_fields", seg(field), "file")
	}
	return r.c.download(ctx, call{op: fmt.Sprintf("download %s of %s %s", field, object, id), method: http.MethodGet, path: path, missing: true}, w)
}

// SetAttachmentField fills a record's attachment field.
func (c *Client) SetAttachmentField(ctx context.Context, object string, id ID, field string, file File) error {
	return c.sendFile(ctx, call{op: fmt.Sprintf("fill %s of %s %s", field, object, id), method: http.MethodPost,
		path: c.c.path("vobjects", seg(object), seg(id), "attachment_fields", seg(field), "file")}, nil, &file, nil)
}
