package vaultapi

import (
	"context"
	"net/http"
)

// Lock is who has checked a document out; the zero value: nobody.
type Lock struct {
	By   ID     `json:"locked_by__v"`
	Date string `json:"locked_date__v"`
}

// LockOf tells who has checked a document out.
func (r *Reader) LockOf(ctx context.Context, document ID) (Lock, error) {
	var reply struct {
		Lock Lock `json:"lock"`
	}
	err := r.c.do(ctx, call{op: "read the lock of document " + string(document), method: http.MethodGet, path: r.c.path("objects", "documents", seg(document), "lock"), missing: true}, &reply)
	return reply.Lock, err
}

// CheckOut locks a document for the session's user.
func (c *Client) CheckOut(ctx context.Context, document ID) error {
	return c.lock(ctx, http.MethodPost, "check out document "+string(document), document)
}

// UndoCheckOut takes the lock away, and what was changed under it.
func (c *Client) UndoCheckOut(ctx context.Context, document ID) error {
	return c.lock(ctx, http.MethodDelete, "undo the check-out of document "+string(document), document)
}

func (c *Client) lock(ctx context.Context, method, op string, document ID) error {
	return c.c.do(ctx, call{op: op, method: method, path: c.c.path("objects", "documents", seg(document), "lock"), write: true, missing: true}, nil)
}

// UndoCheckOuts takes the locks of many documents away.
func (c *Client) UndoCheckOuts(ctx context.Context, documents []ID) []Result {
	rows := make([]Fields, len(documents))
	for i, id := range documents {
		rows[i] = Fields{"id": id}
	}
	return c.csvRows(ctx, call{op: "undo check-outs", method: http.MethodDelete, path: c.c.path("objects", "documents", "batch", "lock")}, c.c.caps.documents, rows, nil)
}

// CheckIn uploads the new content of a document that is checked out.
func (c *Client) CheckIn(ctx context.Context, document ID, file File) (Version, error) {
	var reply versionReply
	err := c.sendFile(ctx, call{op: "check in document " + string(document), method: http.MethodPost, path: c.c.path("objects", "documents", seg(document))}, nil, &file, &reply)
	return reply.version(document), err
}
