package devvault

import "strconv"

// handleDeleteDocuments answers DELETE /api/{v}/objects/documents/batch.
func handleDeleteDocuments(c *call) (reply, error) {
	return c.documentRows(maxDocumentRows, func(t *tx, row requestRow) (body, error) {
		x, err := c.rowDocument(t, row)
		if err != nil {
			return nil, err
		}
		return documentRow(x), c.deleteDocument(t, x)
	})
}

// handleDeleteDocument answers DELETE of a document or binder.
func handleDeleteDocument(c *call, binder bool) (reply, error) {
	id, err := c.change(binder, func(t *tx, x *version) error { return c.deleteDocument(t, x) })
	if err != nil {
		return reply{}, err
	}
	return ok("id", id)
}

// deleteDocument removes all versions of a document with their nodes, renditions and relationships.
func (c *call) deleteDocument(t *tx, x *version) error {
	if err := c.mayWriteFile(t, x); err != nil {
		return err
	}
	from, to := versionKey(c.v.slot, x.doc, 0), versionKey(c.v.slot, x.doc+1, 0)
	for _, stmt := range []string{`DELETE FROM nodes WHERE version > ? AND version < ?`, `DELETE FROM renditions WHERE version > ? AND version < ?`,
		`DELETE FROM versions WHERE key > ? AND key < ?`} {
		if err := t.exec(stmt, from, to); err != nil {
			return err
		}
	}
	for _, stmt := range []string{`DELETE FROM relationships WHERE slot = ? AND source = ?`, `DELETE FROM relationships WHERE slot = ? AND target = ?`,
		`DELETE FROM roles WHERE slot = ? AND doc = ?`, `DELETE FROM locks WHERE slot = ? AND doc = ?`, `DELETE FROM attachments WHERE slot = ? AND doc = ?`} {
		if err := t.exec(stmt, c.v.slot, x.doc); err != nil {
			return err
		}
	}
	c.auditDocument(t, x, "DeleteDocument", "Document deleted")
	id := strconv.FormatInt(x.doc, 10)
	if err := t.exec(`INSERT INTO deletions (slot, kind, at, id, global_id, external_id) VALUES (?, 'document__sys', ?, ?, ?, ?)`,
		c.v.slot, c.now.UnixMilli(), id, c.v.globalID(id), null(x.external)); err != nil {
		return err
	}
	return c.v.refreshLinks(t, x.doc)
}

// handleDeleteVersion answers DELETE of one version; the document goes with its last one.
func handleDeleteVersion(c *call, binder bool) (reply, error) {
	id, err := c.change(binder, func(t *tx, x *version) error { return c.deleteVersion(t, x) })
	if err != nil {
		return reply{}, err
	}
	return ok("id", id)
}

// deleteVersion removes one version; the document goes with its last one.
func (c *call) deleteVersion(t *tx, x *version) error {
	list, err := c.v.versions(c.ctx(), t, x.doc)
	if err != nil {
		return err
	}
	if len(list) == 1 {
		return c.deleteDocument(t, x)
	}
	for _, stmt := range []string{`DELETE FROM nodes WHERE version = ?`, `DELETE FROM renditions WHERE version = ?`, `DELETE FROM versions WHERE key = ?`} {
		if err := t.exec(stmt, c.v.key(x)); err != nil {
			return err
		}
	}
	if x.latest {
		if err := t.exec(`UPDATE versions SET latest = 1 WHERE key = ?`, c.v.key(list[len(list)-2])); err != nil {
			return err
		}
	}
	c.auditDocument(t, x, "DeleteVersion", "Version deleted")
	doc := strconv.FormatInt(x.doc, 10)
	if err := t.exec(`INSERT INTO deletions (slot, kind, at, id, major, minor, global_id, external_id) VALUES (?, 'document_version__sys', ?, ?, ?, ?, ?, ?)`,
		c.v.slot, c.now.UnixMilli(), doc, x.major, x.minor, c.v.globalID(doc), null(x.external)); err != nil {
		return err
	}
	return c.v.refreshLinks(t, x.doc)
}

// rowVersion finds the version that a row is about: of rowDocument, the one with the row's numbers, or the latest when it has none.
func (c *call) rowVersion(t *tx, row requestRow) (*version, error) {
	x, err := c.rowDocument(t, row)
	if err != nil {
		return nil, err
	}
	var n [2]int64
	for i, name := range []string{"major_version_number__v", "minor_version_number__v"} {
		text := row.text(name)
		if text == "" {
			return x, nil
		}
		if n[i], err = strconv.ParseInt(text, 10, 64); err != nil {
			return nil, fail("INVALID_DATA", "Invalid value [%s] specified for field [%s]", text, name)
		}
	}
	return c.v.numbered(c.ctx(), t, x.doc, n[0], n[1])
}

// handleDeleteVersions answers DELETE /api/{v}/objects/documents/versions/batch.
func handleDeleteVersions(c *call) (reply, error) {
	return c.documentRows(maxDocumentRows, func(t *tx, row requestRow) (body, error) {
		for _, name := range []string{"major_version_number__v", "minor_version_number__v"} {
			if row.text(name) == "" {
				return nil, fail("PARAMETER_REQUIRED", "Missing required parameter [%s]", name)
			}
		}
		x, err := c.rowVersion(t, row)
		if err != nil {
			return nil, err
		}
		return append(documentRow(x), "major_version_number__v", x.major, "minor_version_number__v", x.minor), c.deleteVersion(t, x)
	})
}
