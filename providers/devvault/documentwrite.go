package devvault

import (
	"fmt"
	"strconv"
	"strings"
)

// handleCreateDocument answers POST /api/{v}/objects/documents, where a CrossLink is made too, and /objects/binders.
func handleCreateDocument(c *call, binder bool) (reply, error) {
	row, err := c.row()
	if err != nil {
		return reply{}, err
	}
	var x *version
	err = c.update(func(t *tx) (err error) {
		x, err = c.createDocument(t, row, binder)
		return err
	})
	if err != nil {
		return reply{}, err
	}
	message := "successfully created document"
	if binder {
		message = "Successfully created binder."
	}
	return ok("responseMessage", message, "id", x.doc)
}

// createDocument makes a document, binder or CrossLink of a row.
func (c *call) createDocument(t *tx, row requestRow, binder bool) (*version, error) {
	now := c.now.UnixMilli()
	x := &version{seq: 1, minor: 1, latest: true, binder: binder, created: now, createdBy: c.user.ID, versionCreated: now, versionCreatedBy: c.user.ID,
		modified: now, modifiedBy: c.user.ID, fields: make(values, len(row))}
	link, err := c.crossLink(t, row, binder)
	if err != nil {
		return nil, err
	}
	if err := c.classify(x, row); err != nil {
		return nil, err
	}
	if _, err := c.fillDocument(t, x, row, true); err != nil {
		return nil, err
	}
	if strings.TrimSpace(x.name) == "" {
		return nil, fail("PARAMETER_REQUIRED", "Missing required parameter [name__v]")
	}
	if x.doc, err = c.v.nextDoc(t); err != nil {
		return nil, err
	}
	if x.number == "" {
		x.number = fmt.Sprintf("VV-%06d", x.doc)
	}
	if link != nil {
		link.into(x)
	}
	if err := c.v.insertVersion(t, x); err != nil {
		return nil, err
	}
	file, err := c.fileOf(t, row)
	if err != nil {
		return nil, err
	}
	if file != nil {
		if err := c.v.putRendition(t, c.v.key(x), sourceFile, file); err != nil {
			return nil, err
		}
	}
	c.auditDocument(t, x, "CreateDocument", "Document created")
	return x, nil
}

// fileOf is the file that comes with a row: uploaded with the call, or named by its path in file staging.
func (c *call) fileOf(t *tx, row requestRow) (*upload, error) {
	if path := row.text("file"); path != "" {
		return c.staged(t, path)
	}
	return c.file, nil
}

// classify sets type, lifecycle and state of a new document; names and labels are taken.
func (c *call) classify(x *version, row requestRow) error {
	cat := c.v.catalog()
	typ, cycle := row.text("type__v"), row.text("lifecycle__v")
	for _, p := range [][2]string{{"type__v", typ}, {"lifecycle__v", cycle}} {
		if p[1] == "" {
			return fail("PARAMETER_REQUIRED", "Missing required parameter [%s]", p[0])
		}
	}
	t := cat.doctypes[typ]
	for _, n := range cat.doctypes {
		if t == nil && n.Label == typ && !strings.Contains(n.Name, ".") {
			t = n
		}
	}
	if t == nil && typ == "Undefined" {
		t = cat.doctypes["undefined__v"]
	}
	if t == nil {
		return fail("INVALID_DATA", "The document type [%s] does not exist", typ)
	}
	var l *lifecycle
	for _, n := range t.Lifecycles {
		if n == cycle || cat.lifecycles[n].Label == cycle {
			l = cat.lifecycles[n]
		}
	}
	if l == nil {
		return fail("INVALID_DATA", "The lifecycle [%s] is not available for the document type [%s]", cycle, typ)
	}
	subtype, err := cat.below(t, row.text("subtype__v"))
	if err != nil {
		return err
	}
	classification, err := cat.below(subtype, row.text("classification__v"))
	if err != nil {
		return err
	}
	x.typ, x.subtype, x.classification, x.lifecycle = t.Name, subtype.last(), classification.last(), l.Name
	x.status = l.kind("starting").Name
	return nil
}

// placed are the fields that classify reads.
var placed = map[string]bool{"type__v": true, "subtype__v": true, "classification__v": true, "lifecycle__v": true}

// fillDocument sets the fields that a row names, and reports whether any has changed.
func (c *call) fillDocument(t *tx, x *version, row requestRow, create bool) (changed bool, err error) {
	cat := c.v.catalog()
	for _, name := range names(row) {
		in := row[name]
		if placed[name] && create || linkParameters[name] || documentParameters[name] {
			continue
		}
		if path, of, isPath := strings.Cut(name, "."); isPath {
			f := cat.docFields.outbound(path)
			if f == nil {
				f = cat.docFields.get(path)
			}
			if f == nil || f.Object == "" {
				return false, fail("INVALID_DATA", "The document field [%s] does not exist", name)
			}
			id, err := c.resolveAll(t, f, of, in)
			if err != nil {
				return false, err
			}
			name, in = f.Name, id
		}
		f := cat.docFields.get(name)
		if f == nil {
			return false, fail("INVALID_DATA", "The document field [%s] does not exist", name)
		}
		if f.ReadOnly && name != "status__v" || f.Computed {
			return false, fail("INVALID_DATA", "The document field [%s] cannot be written", name)
		}
		if migrationOnly[name] && !c.migration() {
			if create && (name == "major_version_number__v" || name == "minor_version_number__v") {
				if n := asText(in); n != "" && n != "0" && n != "1" {
					return false, fail("INVALID_DATA", "The field [%s] can be set in migration mode only", name)
				}
				continue
			}
			return false, fail("INVALID_DATA", "The field [%s] can be set in migration mode only", name)
		}
		if placed[name] {
			return false, fail("INVALID_DATA", "The field [%s] is changed by reclassify=true", name)
		}
		value, err := f.convert(cat, in)
		if err != nil {
			return false, err
		}
		var before any
		if !create {
			before = c.v.docValue(cat, x, f)
		}
		if ids, isList := value.([]string); isList && f.Object != "" {
			for _, id := range ids {
				if err := c.checkReference(t, f, id); err != nil {
					return false, err
				}
			}
		}
		same, err := c.setDocument(t, cat, x, f, value)
		if err != nil {
			return false, err
		}
		changed = changed || !same
		if !create && !same {
			c.auditDocument(t, x, "EditProperty", "Property changed", "field_label", f.Label, "field_name", f.Name, "old_value", asText(before), "new_value", asText(c.v.docValue(cat, x, f)))
		}
	}
	return changed, nil
}

// migrationOnly are the fields that can be written in migration mode only.
var migrationOnly = map[string]bool{"status__v": true, "document_number__v": true, "major_version_number__v": true, "minor_version_number__v": true}

// documentParameters are what forms and rows carry beside fields.
var documentParameters = map[string]bool{"id": true, "file": true, "docIds": true, "reclassify": true, "fromTemplate": true, "suppressRendition": true,
	"createDraft": true, "async": true, "idParam": true}

// setDocument sets a field that can be written to a converted value; same is true when it had that value.
func (c *call) setDocument(t *tx, cat *catalog, x *version, f *field, value any) (same bool, err error) {
	text := asText(value)
	column := func(s *string) (bool, error) {
		same := *s == text
		*s = text
		return same, nil
	}
	switch f.Name {
	case "name__v":
		if text == "" && x.doc != 0 {
			return false, fail("INVALID_DATA", "The field [name__v] cannot be blank")
		}
		return column(&x.name)
	case "document_number__v":
		return column(&x.number)
	case "link__sys":
		return column(&x.link)
	case "version_link__sys":
		return column(&x.versionLink)
	case "external_id__v":
		if text != "" && text != x.external {
			var doc int64
			found, err := one(c.ctx(), t, []any{&doc}, `SELECT doc FROM versions WHERE slot = ? AND external_id = ? AND latest = 1 AND doc <> ?`, c.v.slot, text, x.doc)
			if err != nil {
				return false, err
			}
			if found {
				return false, fail("INVALID_DATA", "The value [%s] of the unique field [external_id__v] is used by document [%d]", text, doc)
			}
		}
		return column(&x.external)
	case "status__v":
		l := cat.lifecycles[x.lifecycle]
		for _, s := range l.States {
			if s.Name == text || s.Label == text {
				same := x.status == s.Name
				x.status = s.Name
				return same, nil
			}
		}
		return false, fail("INVALID_DATA", "The lifecycle [%s] has no state [%s]", l.Name, text)
	case "major_version_number__v", "minor_version_number__v":
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n < 0 {
			return false, fail("INVALID_DATA", "Invalid value [%s] specified for field [%s]", text, f.Name)
		}
		to := &x.major
		if f.Name == "minor_version_number__v" {
			to = &x.minor
		}
		same := *to == n
		*to = n
		return same, nil
	}
	same = equal(x.fields[f.Name], value)
	if value == nil {
		delete(x.fields, f.Name)
	} else {
		x.fields[f.Name] = value
	}
	return same, nil
}

// handleUpdateDocument answers PUT of a document, binder, or one version.
func handleUpdateDocument(c *call, binder bool) (reply, error) {
	row, err := c.row()
	if err != nil {
		return reply{}, err
	}
	id, err := c.change(binder, func(t *tx, x *version) error { return c.updateDocument(t, x, row) })
	if err != nil {
		return reply{}, err
	}
	return ok("id", id)
}

// updateDocument applies a row to a version. What changes nothing moves no date.
func (c *call) updateDocument(t *tx, x *version, row requestRow) error {
	name := x.name
	reclassified := false
	if row.text("reclassify") == "true" || c.form.Get("reclassify") == "true" {
		before := x.clone()
		place := requestRow{"type__v": before.typ, "lifecycle__v": before.lifecycle, "subtype__v": before.subtype, "classification__v": before.classification}
		rest := requestRow{}
		for k, v := range row {
			if placed[k] {
				place[k] = v
			} else {
				rest[k] = v
			}
		}
		if err := c.classify(x, place); err != nil {
			return err
		}
		if x.lifecycle == before.lifecycle {
			x.status = before.status
		}
		reclassified, row = true, rest
		c.auditDocument(t, x, "Reclassify", "Document reclassified", "old_value", before.typ, "new_value", x.typ)
	}
	changed, err := c.fillDocument(t, x, row, false)
	if err != nil || !changed && !reclassified {
		return err
	}
	c.touch(x)
	if err := c.v.updateVersion(t, x); err != nil {
		return err
	}
	if x.name != name {
		return c.v.refreshLinks(t, x.doc)
	}
	return nil
}

// documentRows runs do for every row of a batch, in one transaction, and answers flat rows.
func (c *call) documentRows(most int, do func(*tx, requestRow) (body, error)) (reply, error) {
	var rows []requestRow
	var err error
	if ids := c.form.Get("docIds"); ids != "" && c.media != "application/json" && c.media != "text/csv" {
		shared := c.formRow()
		for _, id := range strings.Split(ids, ",") {
			row := cloneMap(shared)
			row["id"] = strings.TrimSpace(id)
			rows = append(rows, row)
		}
		if len(rows) > most {
			return reply{}, fail("INVALID_DATA", "The maximum batch size of %d rows is exceeded: %d", most, len(rows))
		}
	} else if rows, err = c.rows(most); err != nil {
		return reply{}, err
	}
	c.file = nil // it was the rows
	results, err := c.each(rows, func(t *tx, row requestRow) (rowResult, error) {
		data, err := do(t, row)
		return rowResult{data: data}, err
	})
	if err != nil {
		return reply{}, err
	}
	data := make([]body, len(results))
	for i, r := range results {
		if r.err != nil && r.data == nil {
			for _, n := range []string{"id", "external_id__v"} {
				if v := rows[i].text(n); v != "" {
					r.data = append(r.data, n, v)
				}
			}
		}
		data[i] = flatRow(r.err, r.data)
	}
	return ok("data", data)
}

func documentRow(x *version) body {
	row := body{"id", x.doc}
	if x.external != "" {
		row = append(row, "external_id__v", x.external)
	}
	return row
}

// handleCreateDocuments answers POST /api/{v}/objects/documents/batch. CrossLinks are made by the single call only.
func handleCreateDocuments(c *call) (reply, error) {
	return c.documentRows(maxDocumentRows, func(t *tx, row requestRow) (body, error) {
		if row.text("source_vault_id__v") != "" || row.text("source_document_id__v") != "" {
			return nil, fail("OPERATION_NOT_ALLOWED", "CrossLinks cannot be created in a batch")
		}
		x, err := c.createDocument(t, row, false)
		if err != nil {
			return nil, err
		}
		return documentRow(x), nil
	})
}

// rowDocument finds the latest version of the document that a row is about, by id or by the field that ?idParam= names.
func (c *call) rowDocument(t *tx, row requestRow) (*version, error) {
	if p := c.form.Get("idParam"); p != "" && p != "id" {
		if p != "external_id__v" {
			return nil, fail("INVALID_DATA", "The field [%s] given as idParam is not a unique field of documents", p)
		}
		var doc int64
		found, err := one(c.ctx(), t, []any{&doc}, `SELECT doc FROM versions WHERE slot = ? AND external_id = ? AND latest = 1`, c.v.slot, row.text(p))
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, fail("INVALID_DATA", "The document [%s] does not exist", row.text(p))
		}
		return c.v.latest(c.ctx(), t, doc)
	}
	id, err := strconv.ParseInt(row.text("id"), 10, 64)
	if err != nil {
		return nil, fail("PARAMETER_REQUIRED", "Missing required parameter [id]")
	}
	return c.v.latest(c.ctx(), t, id)
}

// handleUpdateDocuments answers PUT /api/{v}/objects/documents/batch.
func handleUpdateDocuments(c *call) (reply, error) {
	return c.documentRows(maxUpdateRows, func(t *tx, row requestRow) (body, error) {
		x, err := c.rowDocument(t, row)
		if err != nil {
			return nil, err
		}
		if p := c.form.Get("idParam"); p != "" {
			row = cloneMap(row)
			delete(row, p)
		}
		return documentRow(x), c.updateDocument(t, x, row)
	})
}

// handleReclassifyDocuments answers PUT /api/{v}/objects/documents/batch/actions/reclassify.
func handleReclassifyDocuments(c *call) (reply, error) {
	return c.documentRows(maxDocumentRows, func(t *tx, row requestRow) (body, error) {
		x, err := c.rowDocument(t, row)
		if err != nil {
			return nil, err
		}
		row = cloneMap(row)
		row["reclassify"] = "true"
		if p := c.form.Get("idParam"); p != "" {
			delete(row, p)
		}
		for name := range placed { // an empty cell of these leaves them as they are
			if row.text(name) == "" {
				delete(row, name)
			}
		}
		return documentRow(x), c.updateDocument(t, x, row)
	})
}
