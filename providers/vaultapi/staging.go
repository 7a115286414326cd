package vaultapi

import (
	"context"
	"crypto/md5"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// StagedItem is a file or a folder of the file staging server.
type StagedItem struct {
	Kind     string `json:"kind"` // file, folder
	Path     string `json:"path"`
	Name     string `json:"name"`
	Size     Int    `json:"size"`
	Modified string `json:"modified_date"`
	MD5      string `json:"file_content_md5"`
}

// segs escapes a path with its slashes.
func segs(path string) string {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, p := range parts {
		parts[i] = seg(p)
	}
	return strings.Join(parts, "/")
}

// Staged streams what is in a folder, "" for the root; with deep, what is
// below, too.
func (r *Reader) Staged(ctx context.Context, folder string, deep bool) iter.Seq2[StagedItem, error] {
	k := call{op: "list staged files in /" + folder, method: http.MethodGet, path: r.c.path("services", "file_staging", "items", segs(folder)), params: url.Values{"limit": {"1000"}}}
	if deep {
		k.params.Set("recursive", "true")
	}
	return listed[StagedItem](ctx, r.c, k, listing{rows: "data"})
}

// DownloadStaged writes a staged file to w.
func (r *Reader) DownloadStaged(ctx context.Context, path string, w io.Writer) (int64, error) {
	return r.c.download(ctx, call{op: "download staged file " + path, method: http.MethodGet, path: r.c.path("services", "file_staging", "items", "content", segs(path)), missing: true}, w)
}

// MaxStaged is the largest file that Stage takes; StageLarge takes larger ones.
const MaxStaged = 50 << 20

// Stage uploads a file of at most MaxStaged bytes.
func (c *Client) Stage(ctx context.Context, path string, file File, overwrite bool) (StagedItem, error) {
	if file.Size > MaxStaged {
		return StagedItem{}, &Error{Op: "stage " + path, Kind: Invalid, Message: fmt.Sprintf("the file has %d bytes, %d are allowed in one piece", file.Size, MaxStaged)}
	}
	return c.stage(ctx, path, Fields{"kind": "file", "path": path, "overwrite": overwrite}, &file)
}

// StageFolder makes a folder.
func (c *Client) StageFolder(ctx context.Context, path string) (StagedItem, error) {
	return c.stage(ctx, path, Fields{"kind": "folder", "path": path}, nil)
}

func (c *Client) stage(ctx context.Context, path string, fields Fields, file *File) (StagedItem, error) {
	var reply struct {
		Data StagedItem `json:"data"`
	}
	err := c.sendFile(ctx, call{op: "stage " + path, method: http.MethodPost, path: c.c.path("services", "file_staging", "items")}, fields, file, &reply)
	return reply.Data, err
}

// MoveStaged moves a file or folder, as a job: to another folder, to another
// name, or both; "" stays as it is.
func (c *Client) MoveStaged(ctx context.Context, path, folder, name string) (JobRef, error) {
	fields := Fields{}
	if folder != "" {
		fields["parent"] = folder
	}
	if name != "" {
		fields["name"] = name
	}
	var job JobRef
	err := c.postForm(ctx, http.MethodPut, "move staged "+path, c.c.path("services", "file_staging", "items", segs(path)), fields, &job)
	return job, err
}

// DeleteStaged deletes a file, or with deep a folder and all in it, as a job.
func (c *Client) DeleteStaged(ctx context.Context, path string, deep bool) (JobRef, error) {
	k := call{op: "delete staged " + path, method: http.MethodDelete, path: c.c.path("services", "file_staging", "items", segs(path)), write: true, missing: true}
	if deep {
		k.params = url.Values{"recursive": {"true"}}
	}
	var job JobRef
	err := c.c.do(ctx, k, &job)
	return job, err
}

// Upload is an upload in parts that goes on.
type Upload struct {
	ID        string `json:"id"`
	Path      string `json:"path"`
	Name      string `json:"name"`
	Size      Int    `json:"size"`
	Uploaded  Int    `json:"uploaded"`       // bytes
	Parts     Int    `json:"uploaded_parts"` // of those so far
	Owner     ID     `json:"owner"`
	Expires   string `json:"expiration_date"`
	Created   string `json:"created_date"`
	Overwrite Bool   `json:"overwrite"`
}

// UploadedPart is a part that arrived.
type UploadedPart struct {
	Number Int    `json:"part_number"` // from 1
	Size   Int    `json:"size"`
	MD5    string `json:"part_content_md5"`
}

const (
	partSize    = 50 << 20 // the largest that Vault takes; all but the last have at least 5 MB
	mostParts   = 2000
	maxUploaded = partSize * mostParts
)

// StartUpload begins an upload in parts. Vault drops it after 72 hours.
func (c *Client) StartUpload(ctx context.Context, path string, size int64, overwrite bool) (Upload, error) {
	if size > maxUploaded {
		return Upload{}, &Error{Op: "upload " + path, Kind: Invalid, Message: fmt.Sprintf("the file has %d bytes, %d are allowed", size, int64(maxUploaded))}
	}
	var reply struct {
		Data Upload `json:"data"`
	}
	err := c.postForm(ctx, http.MethodPost, "begin to upload "+path, c.c.path("services", "file_staging", "upload"), Fields{"path": path, "size": size, "overwrite": overwrite}, &reply)
	return reply.Data, err
}

// UploadPart sends one part, counted from 1. A part that is sent again replaces
// the one before, so it is repeated like a read.
func (c *Client) UploadPart(ctx context.Context, upload string, number int, content io.ReaderAt, offset, size int64) (UploadedPart, error) {
	op := fmt.Sprintf("send part %d of upload %s", number, upload)
	if c.c.cfg.ReadOnly {
		return UploadedPart{}, &Error{Op: op, Kind: Permission, Cause: ErrReadOnly}
	}
	var sum hash.Hash
	k := call{
		op: op, method: http.MethodPut, path: c.c.path("services", "file_staging", "upload", seg(upload)),
		header: map[string]string{"X-VaultAPI-FilePartNumber": strconv.Itoa(number)},
		body: payload{contentType: "application/octet-stream", size: size, open: func() (io.ReadCloser, error) {
			sum = md5.New()
			return io.NopCloser(io.TeeReader(io.NewSectionReader(content, offset, size), sum)), nil
		}},
	}
	var reply struct {
		Data UploadedPart `json:"data"`
	}
	if err := c.c.do(ctx, k, &reply); err != nil {
		return UploadedPart{}, err
	}
	if got, want := reply.Data.MD5, sum.Sum(nil); got != "" && !strings.EqualFold(got, hex.EncodeToString(want)) && got != base64.StdEncoding.EncodeToString(want) {
		return UploadedPart{}, &Error{Op: op, Kind: Transient, Message: "what arrived is not what was sent"}
	}
	return reply.Data, nil
}

// FinishUpload puts the parts together, as a job.
func (c *Client) FinishUpload(ctx context.Context, upload string) (JobRef, error) {
	var job JobRef
	err := c.c.do(ctx, call{op: "finish upload " + upload, method: http.MethodPost, path: c.c.path("services", "file_staging", "upload", seg(upload)), write: true, missing: true}, &job)
	return job, err
}

// AbortUpload drops an upload.
func (c *Client) AbortUpload(ctx context.Context, upload string) error {
	return c.c.do(ctx, call{op: "abort upload " + upload, method: http.MethodDelete, path: c.c.path("services", "file_staging", "upload", seg(upload)), write: true, missing: true}, nil)
}

// Uploads lists the uploads that go on.
func (r *Reader) Uploads(ctx context.Context) ([]Upload, error) {
	var reply struct {
		Data []Upload `json:"data"`
	}
	err := r.c.do(ctx, call{op: "list uploads", method: http.MethodGet, path: r.c.path("services", "file_staging", "upload")}, &reply)
	return reply.Data, err
}

// Upload reads how far one is.
func (r *Reader) Upload(ctx context.Context, upload string) (Upload, error) {
	var reply struct {
		Data Upload `json:"data"`
	}
	err := r.c.do(ctx, call{op: "look at upload " + upload, method: http.MethodGet, path: r.c.path("services", "file_staging", "upload", seg(upload)), missing: true}, &reply)
	return reply.Data, err
}

// UploadParts streams the parts that arrived.
func (r *Reader) UploadParts(ctx context.Context, upload string) iter.Seq2[UploadedPart, error] {
	k := call{op: "list the parts of upload " + upload, method: http.MethodGet, path: r.c.path("services", "file_staging", "upload", seg(upload), "parts"), missing: true}
	return listed[UploadedPart](ctx, r.c, k, listing{rows: "data"})
}

// StageLarge uploads a file in parts, and waits until Vault has put them
// together. An upload that fails is dropped.
func (c *Client) StageLarge(ctx context.Context, path string, content io.ReaderAt, size int64, overwrite bool) error {
	upload, err := c.StartUpload(ctx, path, size, overwrite)
	if err != nil {
		return err
	}
	drop := func(err error) error {
		_ = c.AbortUpload(context.WithoutCancel(ctx), upload.ID)
		return err
	}
	for number, offset := 1, int64(0); offset < size; number, offset = number+1, offset+partSize {
		if _, err := c.UploadPart(ctx, upload.ID, number, content, offset, min(partSize, size-offset)); err != nil {
			return drop(err)
		}
	}
	ref, err := c.FinishUpload(ctx, upload.ID)
	if err != nil {
		if KindOf(err) == Ambiguous {
			return err // it may be there
		}
		return drop(err)
	}
	job, err := c.WaitJob(ctx, ref.ID)
	if err != nil {
		return err
	}
	if !job.Succeeded() {
		return &Error{Op: "upload " + path, Kind: Invalid, Message: "the job ended as " + job.Status}
	}
	return nil
}
