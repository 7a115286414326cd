package devvault

import (
	"context"
	"database/sql"
	"slices"
	"strconv"
)

const maxRelationshipRows = 1000

// relationship ties a document to another. Whether it is of versions or of documents is said by its type.
type relationship struct {
	id                       int64
	typ                      string
	source, target           int64
	sourceMajor, sourceMinor int64
	targetMajor, targetMinor sql.NullInt64
	created, createdBy       int64
}

const relationshipColumns = `id, type, source, source_major, source_minor, target, target_major, target_minor, created, created_by`

func (v *vault) relationshipsOf(ctx context.Context, q querier, doc int64) ([]*relationship, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+relationshipColumns+` FROM relationships WHERE slot = ? AND source = ? ORDER BY id`, v.slot, doc)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []*relationship
	for rows.Next() {
		r, err := scanRelationship(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

func scanRelationship(rows *sql.Rows) (*relationship, error) {
	var r relationship
	err := rows.Scan(&r.id, &r.typ, &r.source, &r.sourceMajor, &r.sourceMinor, &r.target, &r.targetMajor, &r.targetMinor, &r.created, &r.createdBy)
	return &r, err
}

func (r *relationship) body() body {
	b := body{"id", strconv.FormatInt(r.id, 10), "source_doc_id__v", strconv.FormatInt(r.source, 10), "target_doc_id__v", strconv.FormatInt(r.target, 10),
		"relationship_type__v", r.typ, "created_date__v", formatMillis(r.created), "created_by__v", r.createdBy}
	if r.targetMajor.Valid {
		b = append(b, "target_major_version__v", r.targetMajor.Int64, "target_minor_version__v", r.targetMinor.Int64)
	}
	return b
}

// handleRelationships answers GET …/versions/{major}/{minor}/relationships.
func handleRelationships(c *call, binder bool) (reply, error) {
	list, err := c.ofVersion(binder)
	if err != nil {
		return reply{}, err
	}
	out := []body{}
	for _, r := range list {
		out = append(out, body{"relationship", r.body()})
	}
	return ok("relationships", out)
}

// ofVersion returns the relationships of the version that the route names.
func (c *call) ofVersion(binder bool) ([]*relationship, error) {
	x, err := c.target(c.s.store.read, binder)
	if err != nil {
		return nil, err
	}
	list, err := c.v.relationshipsOf(c.ctx(), c.s.store.read, x.doc)
	if err != nil {
		return nil, err
	}
	cat := c.v.catalog()
	return slices.DeleteFunc(list, func(r *relationship) bool {
		t := cat.relations[r.typ]
		return t != nil && t.SourceSpecific && (r.sourceMajor != x.major || r.sourceMinor != x.minor)
	}), nil
}

// handleRelationship answers GET …/relationships/{relationship}.
func handleRelationship(c *call, binder bool) (reply, error) {
	list, err := c.ofVersion(binder)
	if err != nil {
		return reply{}, err
	}
	for _, r := range list {
		if strconv.FormatInt(r.id, 10) == c.param("relationship") {
			return ok("relationships", []body{{"relationship", r.body()}})
		}
	}
	return reply{}, fail("INVALID_DATA", "The relationship [%s] does not exist", c.param("relationship"))
}

// handleCreateRelationship answers POST …/versions/{major}/{minor}/relationships.
func handleCreateRelationship(c *call, binder bool) (reply, error) {
	var id int64
	_, err := c.change(binder, func(t *tx, x *version) (err error) {
		id, err = c.relate(t, x, c.formRow())
		return err
	})
	if err != nil {
		return reply{}, err
	}
	return ok("responseMessage", "Document relationship successfully created.", "id", id)
}

// relate makes a relationship from a version. It counts as a change of the version (ours), so that it is seen by who reads what changed.
func (c *call) relate(t *tx, x *version, row requestRow) (int64, error) {
	typ := row.text("relationship_type__v")
	if typ == "" {
		return 0, fail("PARAMETER_REQUIRED", "Missing required parameter [relationship_type__v]")
	}
	kind := c.v.catalog().relations[typ]
	if kind == nil {
		return 0, fail("INVALID_DATA", "The relationship type [%s] does not exist", typ)
	}
	if kind.System {
		return 0, fail("OPERATION_NOT_ALLOWED", "Relationships of type [%s] are made by the system", typ)
	}
	target, err := strconv.ParseInt(row.text("target_doc_id__v"), 10, 64)
	if err != nil {
		return 0, fail("PARAMETER_REQUIRED", "Missing required parameter [target_doc_id__v]")
	}
	if found, err := c.v.exists(c.ctx(), t, target); err != nil {
		return 0, err
	} else if !found {
		return 0, noDocument(target)
	}
	var major, minor sql.NullInt64
	if row.text("target_major_version__v") != "" {
		for _, p := range []struct {
			name string
			to   *sql.NullInt64
		}{{"target_major_version__v", &major}, {"target_minor_version__v", &minor}} {
			n, err := strconv.ParseInt(row.text(p.name), 10, 64)
			if err != nil {
				return 0, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [%s]", row.text(p.name), p.name)
			}
			*p.to = sql.NullInt64{Int64: n, Valid: true}
		}
		if _, err := c.v.numbered(c.ctx(), t, target, major.Int64, minor.Int64); err != nil {
			return 0, err
		}
	}
	others, err := c.v.relationshipsOf(c.ctx(), t, x.doc)
	if err != nil {
		return 0, err
	}
	for _, r := range others {
		if r.typ == typ && r.target == target && r.targetMajor == major && r.targetMinor == minor && (!kind.SourceSpecific || r.sourceMajor == x.major && r.sourceMinor == x.minor) {
			return 0, fail("INVALID_DATA", "The relationship [%s] from document [%d] to document [%d] exists already", typ, x.doc, target)
		}
	}
	res, err := t.execResult(`INSERT INTO relationships (slot, type, source, source_major, source_minor, target, target_major, target_minor, created, created_by)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, c.v.slot, typ, x.doc, x.major, x.minor, target, major, minor, c.now.UnixMilli(), c.user.ID)
	if err != nil {
		return 0, err
	}
	if err := c.touched(t, x.doc); err != nil {
		return 0, err
	}
	c.auditDocument(t, x, "AddRelationship", "Relationship created", "field_name", typ, "new_value", target)
	return res.LastInsertId()
}

// touched marks the latest version of a document as changed now.
func (c *call) touched(t *tx, doc int64) error {
	return t.exec(`UPDATE versions SET modified = ?, modified_by = ? WHERE key > ? AND key < ? AND latest = 1`, c.now.UnixMilli(), c.user.ID,
		versionKey(c.v.slot, doc, 0), versionKey(c.v.slot, doc+1, 0))
}

// handleDeleteRelationship answers DELETE …/relationships/{relationship}.
func handleDeleteRelationship(c *call, binder bool) (reply, error) {
	id, err := c.number("relationship")
	if err != nil {
		return reply{}, err
	}
	_, err = c.change(binder, func(t *tx, x *version) (err error) {
		return c.unrelate(t, id, x.doc)
	})
	if err != nil {
		return reply{}, err
	}
	return ok("responseMessage", "Document relationship successfully deleted.", "id", id)
}

// unrelate removes a relationship; source is 0 or the document it must be of.
func (c *call) unrelate(t *tx, id, source int64) error {
	var doc int64
	var typ string
	found, err := one(c.ctx(), t, []any{&doc, &typ}, `SELECT source, type FROM relationships WHERE slot = ? AND id = ?`, c.v.slot, id)
	if err != nil {
		return err
	}
	if !found || source != 0 && doc != source {
		return fail("INVALID_DATA", "The relationship [%d] does not exist", id)
	}
	if kind := c.v.catalog().relations[typ]; kind != nil && kind.System {
		return fail("OPERATION_NOT_ALLOWED", "Relationships of type [%s] are removed by the system", typ)
	}
	if err := t.exec(`DELETE FROM relationships WHERE id = ?`, id); err != nil {
		return err
	}
	c.audit(t, documentTrail, strconv.FormatInt(doc, 10), "action", "RemoveRelationship", "doc_id", doc, "field_name", typ, "event_description", "Relationship deleted")
	return c.touched(t, doc)
}

// handleCreateRelationships answers POST /api/{v}/objects/documents/relationships/batch.
func handleCreateRelationships(c *call) (reply, error) {
	return c.documentRows(maxRelationshipRows, func(t *tx, row requestRow) (body, error) {
		n := [3]int64{}
		for i, name := range []string{"source_doc_id__v", "source_major_version__v", "source_minor_version__v"} {
			text := row.text(name)
			if i > 0 && text == "" {
				n[i] = -1
				continue
			}
			v, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return nil, fail("PARAMETER_REQUIRED", "Missing required parameter [%s]", name)
			}
			n[i] = v
		}
		var x *version
		var err error
		if n[1] < 0 || n[2] < 0 {
			x, err = c.v.latest(c.ctx(), t, n[0])
		} else {
			x, err = c.v.numbered(c.ctx(), t, n[0], n[1], n[2])
		}
		if err != nil {
			return nil, err
		}
		id, err := c.relate(t, x, row)
		if err != nil {
			return nil, err
		}
		return body{"id", id}, nil
	})
}

// handleDeleteRelationships answers DELETE /api/{v}/objects/documents/relationships/batch.
func handleDeleteRelationships(c *call) (reply, error) {
	return c.documentRows(maxRelationshipRows, func(t *tx, row requestRow) (body, error) {
		id, err := strconv.ParseInt(row.text("id"), 10, 64)
		if err != nil {
			return nil, fail("PARAMETER_REQUIRED", "Missing required parameter [id]")
		}
		return body{"id", id}, c.unrelate(t, id, 0)
	})
}
