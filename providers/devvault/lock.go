package devvault

import (
	"context"
	"strconv"
	"strings"
)

// lockOf is who has checked a document out, and when; 0 for nobody.
func (v *vault) lockOf(ctx context.Context, q querier, doc int64) (user, at int64, err error) {
	_, err = one(ctx, q, []any{&user, &at}, `SELECT user, at FROM locks WHERE slot = ? AND doc = ?`, v.slot, doc)
	return user, at, err
}

// mayWriteFile refuses to change the file of a document, or to delete it, while somebody else has it checked out.
func (c *call) mayWriteFile(t *tx, x *version) error {
	holder, _, err := c.v.lockOf(c.ctx(), t, x.doc)
	if err == nil && holder != 0 && holder != c.user.ID {
		err = fail("OPERATION_NOT_ALLOWED", "The document [%d] is checked out by user [%d]", x.doc, holder)
	}
	return err
}

// mayDraft refuses a draft of a document that is checked out: its next version comes by checking in.
func (c *call) mayDraft(t *tx, x *version) error {
	holder, _, err := c.v.lockOf(c.ctx(), t, x.doc)
	if err == nil && holder != 0 {
		err = fail("OPERATION_NOT_ALLOWED", "The document [%d] is checked out by user [%d]", x.doc, holder)
	}
	return err
}

// handleLockMetadata answers GET /api/{v}/metadata/objects/documents/lock.
func handleLockMetadata(c *call) (reply, error) {
	return ok("name", "Lock", "properties", []body{
		{"name", "locked_by__v", "scope", "Lock", "type", "ObjectReference", "required", true, "systemAttribute", true, "editable", false, "setOnCreateOnly", true, "objectType", "User",
			"label", "Locked By", "hidden", false},
		{"name", "locked_date__v", "scope", "Lock", "type", "DateTime", "required", true, "systemAttribute", true, "editable", false, "setOnCreateOnly", true, "label", "Locked Date",
			"hidden", false}})
}

// handleLock answers GET /api/{v}/objects/documents/{id}/lock.
func handleLock(c *call) (reply, error) {
	x, err := c.target(c.s.store.read, false)
	if err != nil {
		return reply{}, err
	}
	user, at, err := c.v.lockOf(c.ctx(), c.s.store.read, x.doc)
	lock := body{}
	if user != 0 {
		lock = body{"locked_by__v", user, "locked_date__v", formatMillis(at)}
	}
	return reply{body: body{"lock", lock}}, err
}

// handleCheckOut answers POST /api/{v}/objects/documents/{id}/lock.
func handleCheckOut(c *call) (reply, error) {
	err := c.update(func(t *tx) error {
		x, err := c.target(t, false)
		if err != nil {
			return err
		}
		if x.binder || x.crosslink {
			return fail("OPERATION_NOT_ALLOWED", "The document [%d] has no file to check out", x.doc)
		}
		holder, _, err := c.v.lockOf(c.ctx(), t, x.doc)
		if err != nil {
			return err
		}
		if holder != 0 {
			return fail("OPERATION_NOT_ALLOWED", "The document [%d] is checked out by user [%d]", x.doc, holder)
		}
		c.auditDocument(t, x, "CheckOut", "Document checked out")
		return t.exec(`INSERT INTO locks VALUES (?, ?, ?, ?)`, c.v.slot, x.doc, c.user.ID, c.now.UnixMilli())
	})
	return reply{body: body{"responseMessage", "Document successfully checked out."}}, err
}

// undoCheckOut gives a document back as it was. An administrator may do that for others.
func (c *call) undoCheckOut(t *tx, x *version) error {
	holder, _, err := c.v.lockOf(c.ctx(), t, x.doc)
	switch {
	case err != nil:
		return err
	case holder == 0:
		return fail("OPERATION_NOT_ALLOWED", "The document [%d] is not checked out", x.doc)
	case holder != c.user.ID && !c.user.admin:
		return fail("INSUFFICIENT_ACCESS", "The document [%d] is checked out by user [%d]", x.doc, holder)
	}
	c.auditDocument(t, x, "UndoCheckOut", "Check out undone")
	return t.exec(`DELETE FROM locks WHERE slot = ? AND doc = ?`, c.v.slot, x.doc)
}

// handleUndoCheckOut answers DELETE /api/{v}/objects/documents/{id}/lock.
func handleUndoCheckOut(c *call) (reply, error) {
	err := c.update(func(t *tx) error {
		x, err := c.target(t, false)
		if err != nil {
			return err
		}
		return c.undoCheckOut(t, x)
	})
	return reply{body: body{"responseMessage", "Undo check out successful."}}, err
}

// handleUndoCheckOuts answers DELETE /api/{v}/objects/documents/batch/lock with docIds, or rows with id.
func handleUndoCheckOuts(c *call) (reply, error) {
	return c.documentRows(maxDocumentRows, func(t *tx, row requestRow) (body, error) {
		id, err := strconv.ParseInt(strings.TrimSpace(row.text("id")), 10, 64)
		if err != nil {
			return nil, fail("PARAMETER_REQUIRED", "Missing required parameter [id]")
		}
		x, err := c.v.latest(c.ctx(), t, id)
		if err != nil {
			return nil, err
		}
		return body{"id", id}, c.undoCheckOut(t, x)
	})
}
