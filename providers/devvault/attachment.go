package devvault

import (
	"archive/zip"
	"bytes"
	"crypto/md5"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strconv"
)

// attachment is a version of a file that is attached to a document. It belongs to the document; every version of that shows it.
type attachment struct {
	doc, id, version, size int64
	name, about, media     string
	md5                    string
	created, createdBy     int64
}

// attachmentKind is what the deletions call names them by.
const attachmentKind = "document_attachment__sys"

func attachmentRoutes(get, post, put, remove routeMaker) []*route {
	routes := []*route{
		post("objects/documents/{id}/attachments", handleAddAttachment),
		post("objects/documents/attachments/batch", handleAddAttachments),
		put("objects/documents/{id}/attachments/{attachment}", handleDescribeAttachment),
		put("objects/documents/attachments/batch", handleDescribeAttachments),
		remove("objects/documents/{id}/attachments/{attachment}", handleDropAttachment),
		remove("objects/documents/attachments/batch", handleDropAttachments),
		remove("objects/documents/{id}/attachments/{attachment}/versions/{number}", handleDropAttachmentVersion),
		post("objects/documents/{id}/attachments/{attachment}/versions/{number}", handleRestoreAttachment),
		get("objects/documents/{id}/attachments/{attachment}", handleAttachment),
		get("objects/documents/{id}/attachments/{attachment}/file", handleAttachmentFile),
	}
	for _, base := range []string{"objects/documents/{id}/attachments", "objects/documents/{id}/versions/{major}/{minor}/attachments"} {
		routes = append(routes,
			get(base, handleAttachments),
			get(base+"/file", handleAttachmentFiles),
			get(base+"/{attachment}/versions", handleAttachmentVersions),
			get(base+"/{attachment}/versions/{number}", handleAttachment),
			get(base+"/{attachment}/versions/{number}/file", handleAttachmentFile))
	}
	return routes
}

const attachmentColumns = `doc, id, version, filename, description, media, size, md5, created, created_by`

// attachments reads the versions of attachments, of one document by the condition doc = ? or of one attachment.
func (c *call) attachments(q querier, where string, args ...any) ([]*attachment, error) {
	rows, err := q.QueryContext(c.ctx(), `SELECT `+attachmentColumns+` FROM attachments WHERE slot = ? AND `+where+` ORDER BY id, version`, append([]any{c.v.slot}, args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []*attachment
	for rows.Next() {
		var a attachment
		if err := rows.Scan(&a.doc, &a.id, &a.version, &a.name, &a.about, &a.media, &a.size, &a.md5, &a.created, &a.createdBy); err != nil {
			return nil, err
		}
		list = append(list, &a)
	}
	return list, rows.Err()
}

// attachment finds the version of the attachment that the route names, and all of them; without a number the newest.
func (c *call) attachment(q querier) (*attachment, []*attachment, error) {
	x, err := c.target(q, false)
	if err != nil {
		return nil, nil, err
	}
	id, err := c.number("attachment")
	if err != nil {
		return nil, nil, err
	}
	list, err := c.attachments(q, `doc = ? AND id = ?`, x.doc, id)
	if err != nil {
		return nil, nil, err
	}
	if len(list) == 0 {
		return nil, nil, noAttachment(id)
	}
	if c.param("number") == "" {
		return list[len(list)-1], list, nil
	}
	n, err := c.number("number")
	if err != nil {
		return nil, nil, err
	}
	for _, a := range list {
		if a.version == n {
			return a, list, nil
		}
	}
	return nil, nil, fail("INVALID_DATA", "The attachment [%d] has no version [%d]", id, n)
}

func noAttachment(id int64) *apiError {
	return fail("INVALID_DATA", "The attachment [%d] does not exist", id)
}

func (c *call) attachmentURL(a *attachment) string {
	return c.url(fmt.Sprintf("/api/%s/objects/documents/%d/attachments/%d", c.version, a.doc, a.id))
}

func (c *call) attachmentBody(a *attachment, all []*attachment) body {
	b := body{"id", a.id, "filename__v", a.name, "description__v", a.about, "format__v", a.media, "size__v", a.size, "md5checksum__v", a.md5, "version__v", a.version,
		"created_date__v", formatMillis(a.created), "created_by__v", a.createdBy}
	if all == nil {
		return b
	}
	versions := []body{}
	for _, v := range all {
		versions = append(versions, body{"version__v", v.version, "url", fmt.Sprintf("%s/versions/%d", c.attachmentURL(v), v.version)})
	}
	return append(b, "versions", versions)
}

// byAttachment puts versions together that are of one attachment; the newest is the last.
func byAttachment(list []*attachment) [][]*attachment {
	var out [][]*attachment
	for _, a := range list {
		if n := len(out); n > 0 && out[n-1][0].id == a.id {
			out[n-1] = append(out[n-1], a)
			continue
		}
		out = append(out, []*attachment{a})
	}
	return out
}

// attachmentLinks are the attachments of a document as its own body shows them.
func (c *call) attachmentLinks(doc int64) ([]body, error) {
	list, err := c.attachments(c.s.store.read, `doc = ?`, doc)
	out := []body{}
	for _, all := range byAttachment(list) {
		out = append(out, body{"id", all[0].id, "url", c.attachmentURL(all[0])})
	}
	return out, err
}

// handleAttachments answers GET …/attachments.
func handleAttachments(c *call) (reply, error) {
	x, err := c.target(c.s.store.read, false)
	if err != nil {
		return reply{}, err
	}
	list, err := c.attachments(c.s.store.read, `doc = ?`, x.doc)
	data := []body{}
	for _, all := range byAttachment(list) {
		data = append(data, c.attachmentBody(all[len(all)-1], all))
	}
	return reply{body: body{"data", data}}, err
}

// handleAttachment answers GET …/attachments/{attachment}[/versions/{number}].
func handleAttachment(c *call) (reply, error) {
	a, all, err := c.attachment(c.s.store.read)
	if err != nil {
		return reply{}, err
	}
	if c.param("number") != "" {
		all = nil
	}
	return ok("data", []body{c.attachmentBody(a, all)})
}

// handleAttachmentVersions answers GET …/attachments/{attachment}/versions.
func handleAttachmentVersions(c *call) (reply, error) {
	_, all, err := c.attachment(c.s.store.read)
	if err != nil {
		return reply{}, err
	}
	data := []body{}
	for _, a := range all {
		data = append(data, body{"version__v", a.version, "url", fmt.Sprintf("%s/versions/%d", c.attachmentURL(a), a.version)})
	}
	return ok("data", data)
}

// handleAttachmentFile answers GET …/attachments/{attachment}[/versions/{number}]/file.
func handleAttachmentFile(c *call) (reply, error) {
	a, _, err := c.attachment(c.s.store.read)
	if err != nil {
		return reply{}, err
	}
	content, err := c.attachmentContent(a)
	return reply{content: content, media: a.media, name: a.name}, err
}

func (c *call) attachmentContent(a *attachment) ([]byte, error) {
	content := []byte{}
	_, err := one(c.ctx(), c.s.store.read, []any{&content}, `SELECT content FROM attachments WHERE slot = ? AND doc = ? AND id = ? AND version = ?`, c.v.slot, a.doc, a.id, a.version)
	if content == nil {
		content = []byte{}
	}
	return content, err
}

// handleAttachmentFiles answers GET …/attachments/file: the newest versions of all, as a zip.
func handleAttachmentFiles(c *call) (reply, error) {
	x, err := c.target(c.s.store.read, false)
	if err != nil {
		return reply{}, err
	}
	list, err := c.attachments(c.s.store.read, `doc = ?`, x.doc)
	if err != nil {
		return reply{}, err
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, all := range byAttachment(list) {
		a := all[len(all)-1]
		content, err := c.attachmentContent(a)
		if err != nil {
			return reply{}, err
		}
		f, err := z.Create(a.name)
		if err != nil {
			return reply{}, err
		}
		if _, err := f.Write(content); err != nil {
			return reply{}, err
		}
	}
	if err := z.Close(); err != nil {
		return reply{}, err
	}
	return reply{content: out.Bytes(), media: "application/zip;charset=UTF-8", name: fmt.Sprintf("%s - attachments.zip", x.number)}, nil
}

// attach adds a file to a document: as a new attachment, or as a new version of the one of that name.
func (c *call) attach(t *tx, x *version, file *upload, about string) (*attachment, error) {
	sum := md5.Sum(file.content)
	a := &attachment{doc: x.doc, version: 1, name: file.name, about: about, media: file.media, size: int64(len(file.content)), md5: hex.EncodeToString(sum[:]),
		created: c.now.UnixMilli(), createdBy: c.user.ID}
	list, err := c.attachments(t, `doc = ?`, x.doc)
	if err != nil {
		return nil, err
	}
	for _, all := range byAttachment(list) {
		newest := all[len(all)-1]
		if newest.name != a.name {
			continue
		}
		if newest.md5 == a.md5 { // the same content is no new version
			return newest, nil
		}
		a.id, a.version = newest.id, newest.version+1
		if about == "" {
			a.about = newest.about
		}
	}
	res, err := t.execResult(`INSERT INTO attachments (slot, `+attachmentColumns+`, content) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.v.slot, a.doc, a.id, a.version, a.name, a.about, a.media, a.size, a.md5, a.created, a.createdBy, file.content)
	if err != nil {
		return nil, err
	}
	if a.id == 0 {
		if a.id, err = res.LastInsertId(); err != nil {
			return nil, err
		}
		if err := t.exec(`UPDATE attachments SET id = ? WHERE rowid = ?`, a.id, a.id); err != nil {
			return nil, err
		}
	}
	c.auditDocument(t, x, "AddAttachment", "Attachment added", "new_value", a.name)
	return a, nil
}

// handleAddAttachment answers POST …/attachments.
func handleAddAttachment(c *call) (reply, error) {
	if c.file == nil {
		return reply{}, fail("PARAMETER_REQUIRED", "Missing required parameter [file]")
	}
	var a *attachment
	err := c.update(func(t *tx) error {
		x, err := c.target(t, false)
		if err != nil {
			return err
		}
		a, err = c.attach(t, x, c.file, c.form.Get("description__v"))
		return err
	})
	if err != nil {
		return reply{}, err
	}
	return ok("data", body{"id", strconv.FormatInt(a.id, 10), "version__v", a.version})
}

// handleAddAttachments answers POST /api/{v}/objects/documents/attachments/batch; the files are in file staging.
func handleAddAttachments(c *call) (reply, error) {
	return c.documentRows(maxDocumentRows, func(t *tx, row requestRow) (body, error) {
		for _, name := range []string{"document_id__v", "file"} {
			if row.text(name) == "" {
				return nil, fail("PARAMETER_REQUIRED", "Missing required parameter [%s]", name)
			}
		}
		id, err := strconv.ParseInt(row.text("document_id__v"), 10, 64)
		if err != nil {
			return nil, fail("INVALID_DATA", "Invalid value [%s] specified for field [document_id__v]", row.text("document_id__v"))
		}
		x, err := c.v.latest(c.ctx(), t, id)
		if err != nil {
			return nil, err
		}
		file, err := c.fileOf(t, row)
		if err != nil {
			return nil, err
		}
		if n := row.text("filename__v"); n != "" {
			file.name = n
		}
		a, err := c.attach(t, x, file, row.text("description__v"))
		if err != nil {
			return nil, err
		}
		return body{"id", a.id, "version", a.version}, nil
	})
}

// changeAttachment runs do on the attachment that the route names.
func (c *call) changeAttachment(do func(*tx, *attachment, []*attachment) error) (a *attachment, err error) {
	err = c.update(func(t *tx) error {
		var all []*attachment
		if a, all, err = c.attachment(t); err != nil {
			return err
		}
		return do(t, a, all)
	})
	return a, err
}

// rowAttachment finds the newest version of the attachment that a row names by id.
func (c *call) rowAttachment(t *tx, row requestRow) (*attachment, error) {
	id, err := strconv.ParseInt(row.text("id"), 10, 64)
	if err != nil {
		return nil, fail("PARAMETER_REQUIRED", "Missing required parameter [id]")
	}
	list, err := c.attachments(t, `id = ?`, id)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, noAttachment(id)
	}
	return list[len(list)-1], nil
}

func (c *call) describe(t *tx, a *attachment, about string) error {
	return t.exec(`UPDATE attachments SET description = ? WHERE slot = ? AND doc = ? AND id = ?`, about, c.v.slot, a.doc, a.id)
}

// handleDescribeAttachment answers PUT …/attachments/{attachment}: its description is all that can be changed.
func handleDescribeAttachment(c *call) (reply, error) {
	a, err := c.changeAttachment(func(t *tx, a *attachment, _ []*attachment) error {
		return c.describe(t, a, c.form.Get("description__v"))
	})
	if err != nil {
		return reply{}, err
	}
	return ok("data", []body{{"id", a.id, "version", a.version}})
}

// handleDescribeAttachments answers PUT /api/{v}/objects/documents/attachments/batch.
func handleDescribeAttachments(c *call) (reply, error) {
	return c.documentRows(maxDocumentRows, func(t *tx, row requestRow) (body, error) {
		a, err := c.rowAttachment(t, row)
		if err != nil {
			return nil, err
		}
		return body{"id", a.id, "version", a.version}, c.describe(t, a, row.text("description__v"))
	})
}

// dropAttachment deletes a version of an attachment, or with version 0 the whole of it.
func (c *call) dropAttachment(t *tx, a *attachment, version int64) error {
	stmt, args := `DELETE FROM attachments WHERE slot = ? AND doc = ? AND id = ?`, []any{c.v.slot, a.doc, a.id}
	var major any
	if version != 0 {
		stmt, args, major = stmt+` AND version = ?`, append(args, version), version
	}
	if err := t.exec(stmt, args...); err != nil {
		return err
	}
	c.audit(t, documentTrail, strconv.FormatInt(a.doc, 10), "action", "RemoveAttachment", "doc_id", a.doc, "old_value", a.name, "event_description", "Attachment deleted")
	return t.exec(`INSERT INTO deletions (slot, kind, at, id, major, global_id) VALUES (?, ?, ?, ?, ?, ?)`, c.v.slot, attachmentKind, c.now.UnixMilli(),
		strconv.FormatInt(a.id, 10), major, c.v.globalID(strconv.FormatInt(a.doc, 10)))
}

// handleDropAttachment answers DELETE …/attachments/{attachment}.
func handleDropAttachment(c *call) (reply, error) {
	_, err := c.changeAttachment(func(t *tx, a *attachment, _ []*attachment) error { return c.dropAttachment(t, a, 0) })
	return reply{}, err
}

// handleDropAttachments answers DELETE /api/{v}/objects/documents/attachments/batch.
func handleDropAttachments(c *call) (reply, error) {
	return c.documentRows(maxDocumentRows, func(t *tx, row requestRow) (body, error) {
		a, err := c.rowAttachment(t, row)
		if err != nil {
			return nil, err
		}
		return body{"id", a.id}, c.dropAttachment(t, a, 0)
	})
}

// handleDropAttachmentVersion answers DELETE …/attachments/{attachment}/versions/{number}.
func handleDropAttachmentVersion(c *call) (reply, error) {
	_, err := c.changeAttachment(func(t *tx, a *attachment, all []*attachment) error { return c.dropAttachment(t, a, a.version) })
	return reply{}, err
}

// handleRestoreAttachment answers POST …/attachments/{attachment}/versions/{number}?restore=true: an old version becomes the newest.
func handleRestoreAttachment(c *call) (reply, error) {
	if c.form.Get("restore") != "true" {
		return reply{}, fail("PARAMETER_REQUIRED", "Missing required parameter [restore]")
	}
	var version int64
	a, err := c.changeAttachment(func(t *tx, a *attachment, all []*attachment) error {
		version = all[len(all)-1].version + 1
		return t.exec(`INSERT INTO attachments SELECT slot, doc, id, ?, filename, description, media, size, md5, ?, ?, content FROM attachments
			WHERE slot = ? AND doc = ? AND id = ? AND version = ?`, version, c.now.UnixMilli(), c.user.ID, c.v.slot, a.doc, a.id, a.version)
	})
	if err != nil {
		return reply{}, err
	}
	return ok("data", body{"id", strconv.FormatInt(a.id, 10), "version__v", version})
}

// handleAttachmentDeletions answers GET /api/{v}/objects/deletions/documents/attachments.
func handleAttachmentDeletions(c *call) (reply, error) {
	from, to, err := c.span()
	if err != nil {
		return reply{}, err
	}
	limit, offset := c.page(1000, 5000)
	const where = ` FROM deletions WHERE slot = ? AND kind = '` + attachmentKind + `' AND at BETWEEN ? AND ?`
	rows, err := c.s.store.read.QueryContext(c.ctx(), `SELECT at, CAST(id AS INTEGER), major`+where+` ORDER BY at, id LIMIT ? OFFSET ?`, c.v.slot, from, to, limit, offset)
	if err != nil {
		return reply{}, err
	}
	defer rows.Close()
	data := []body{}
	for rows.Next() {
		var at, id int64
		var version sql.NullInt64
		if err := rows.Scan(&at, &id, &version); err != nil {
			return reply{}, err
		}
		var number any = ""
		if version.Valid {
			number = version.Int64
		}
		data = append(data, body{"id", id, "version__v", number, "date_deleted", secondsOf(at), "deletion_type", attachmentKind})
	}
	if err := rows.Err(); err != nil {
		return reply{}, err
	}
	var total int
	if _, err := one(c.ctx(), c.s.store.read, []any{&total}, `SELECT count(*)`+where, c.v.slot, from, to); err != nil {
		return reply{}, err
	}
	return ok("responseMessage", "OK", "responseDetails", body{"total", total, "size", len(data), "limit", limit, "offset", offset}, "data", data)
}
