package devvault

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
)

// version is one version of a document or binder. Empty texts of columns that may be null are null.
type version struct {
	doc, seq, major, minor           int64
	latest, binder, crosslink        bool
	name, number                     string
	typ, subtype, classification     string
	lifecycle, status                string
	external, link, versionLink      string
	source                           int64 // of a CrossLink: sourceKey
	created, createdBy               int64 // of the document
	versionCreated, versionCreatedBy int64
	modified, modifiedBy             int64
	fields                           values
}

const versionColumns = `doc, seq, major, minor, latest, binder, crosslink, name, number, type, subtype, classification, lifecycle, status,
	external_id, link, version_link, source, created, created_by, version_created, version_created_by, modified, modified_by, fields`

func scanVersion(rows *sql.Rows) (*version, error) {
	var x version
	var subtype, classification, external, link, versionLink sql.NullString
	var source sql.NullInt64
	var fields []byte
	if err := rows.Scan(&x.doc, &x.seq, &x.major, &x.minor, &x.latest, &x.binder, &x.crosslink, &x.name, &x.number, &x.typ, &subtype, &classification,
		&x.lifecycle, &x.status, &external, &link, &versionLink, &source, &x.created, &x.createdBy, &x.versionCreated, &x.versionCreatedBy,
		&x.modified, &x.modifiedBy, &fields); err != nil {
		return nil, err
	}
	x.subtype, x.classification, x.external, x.link, x.versionLink = subtype.String, classification.String, external.String, link.String, versionLink.String
	x.source = source.Int64
	var err error
	x.fields, err = parseValues(fields)
	return &x, err
}

func (v *vault) key(x *version) int64 { return versionKey(v.slot, x.doc, x.seq) }

// versions returns the versions of a document, oldest first; none when there is no such document.
func (v *vault) versions(ctx context.Context, q querier, doc int64) ([]*version, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+versionColumns+` FROM versions WHERE key > ? AND key < ? ORDER BY key`,
		versionKey(v.slot, doc, 0), versionKey(v.slot, doc+1, 0))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []*version
	for rows.Next() {
		x, err := scanVersion(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, x)
	}
	return list, rows.Err()
}

// latest returns the latest version of a document, or a failure that names it.
func (v *vault) latest(ctx context.Context, q querier, doc int64) (*version, error) {
	rows, err := q.QueryContext(ctx, `SELECT `+versionColumns+` FROM versions WHERE key > ? AND key < ? ORDER BY key DESC LIMIT 1`,
		versionKey(v.slot, doc, 0), versionKey(v.slot, doc+1, 0))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	if !rows.Next() {
		if err := rows.Err(); err != nil {
			return nil, err
		}
		return nil, noDocument(doc)
	}
	return scanVersion(rows)
}

// numbered returns one version of a document by its number, or a failure that names it.
func (v *vault) numbered(ctx context.Context, q querier, doc, major, minor int64) (*version, error) {
	list, err := v.versions(ctx, q, doc)
	if err != nil {
		return nil, err
	}
	for _, x := range list {
		if x.major == major && x.minor == minor {
			return x, nil
		}
	}
	if len(list) == 0 {
		return nil, noDocument(doc)
	}
	return nil, fail("INVALID_DATA", "The version [%d.%d] of document [%d] does not exist", major, minor, doc)
}

func noDocument(doc int64) *apiError {
	return fail("INVALID_DATA", "The document [%d] does not exist", doc)
}

// exists reports whether there is a document.
func (v *vault) exists(ctx context.Context, q querier, doc int64) (bool, error) {
	var key int64
	return one(ctx, q, []any{&key}, `SELECT key FROM versions WHERE key > ? AND key < ? LIMIT 1`, versionKey(v.slot, doc, 0), versionKey(v.slot, doc+1, 0))
}

func (v *vault) insertVersion(t *tx, x *version) error {
	return t.exec(`INSERT INTO versions (key, slot, `+versionColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		v.key(x), v.slot, x.doc, x.seq, x.major, x.minor, x.latest, x.binder, x.crosslink, x.name, x.number, x.typ, null(x.subtype), null(x.classification),
		x.lifecycle, x.status, null(x.external), null(x.link), null(x.versionLink), nullInt(x.source), x.created, x.createdBy, x.versionCreated, x.versionCreatedBy,
		x.modified, x.modifiedBy, x.fields.stored())
}

func (v *vault) updateVersion(t *tx, x *version) error {
	return t.exec(`UPDATE versions SET major = ?, minor = ?, latest = ?, name = ?, number = ?, type = ?, subtype = ?, classification = ?, lifecycle = ?, status = ?,
		external_id = ?, link = ?, version_link = ?, modified = ?, modified_by = ?, fields = ? WHERE key = ?`,
		x.major, x.minor, x.latest, x.name, x.number, x.typ, null(x.subtype), null(x.classification), x.lifecycle, x.status,
		null(x.external), null(x.link), null(x.versionLink), x.modified, x.modifiedBy, x.fields.stored(), v.key(x))
}

func nullInt(n int64) any {
	if n == 0 {
		return nil
	}
	return n
}

func (x *version) clone() *version {
	n := *x
	n.fields = cloneMap(x.fields)
	return &n
}

// touch marks a version as changed now.
func (c *call) touch(x *version) { x.modified, x.modifiedBy = c.now.UnixMilli(), c.user.ID }

// docValue returns how the document calls show a field of a version: labels of types, lifecycles, states and picklists; nil for no value.
func (v *vault) docValue(cat *catalog, x *version, f *field) any {
	switch f.Name {
	case "id":
		return x.doc
	case "version_id":
		return fmt.Sprintf("%d_%d_%d", x.doc, x.major, x.minor)
	case "name__v":
		return x.name
	case "document_number__v":
		return x.number
	case "type__v":
		if t := cat.doctypes[x.typ]; t != nil {
			return t.Label
		}
		return x.typ
	case "subtype__v":
		return null(cat.typeLabel(x.subtype, x.typ, x.subtype))
	case "classification__v":
		return null(cat.typeLabel(x.classification, x.typ, x.subtype, x.classification))
	case "lifecycle__v":
		if l := cat.lifecycles[x.lifecycle]; l != nil {
			return l.Label
		}
		return x.lifecycle
	case "status__v":
		if l := cat.lifecycles[x.lifecycle]; l != nil && l.state(x.status) != nil {
			return l.state(x.status).Label
		}
		return x.status
	case "major_version_number__v":
		return x.major
	case "minor_version_number__v":
		return x.minor
	case "latest_version__v":
		return x.latest
	case "global_id__sys":
		return v.globalID(strconv.FormatInt(x.doc, 10))
	case "global_version_id__sys":
		return fmt.Sprintf("%d_%d_%d", v.id, x.doc, x.seq)
	case "link__sys":
		return null(x.link)
	case "version_link__sys":
		return null(x.versionLink)
	case "external_id__v":
		return null(x.external)
	case "crosslink__v":
		return x.crosslink
	case "binder__v":
		return x.binder
	case "version_modified_date__v":
		return formatMillis(x.modified)
	case "document_creation_date__v":
		return formatMillis(x.created)
	case "version_creation_date__v":
		return formatMillis(x.versionCreated)
	case "created_by__v":
		return x.createdBy
	case "version_created_by__v":
		return x.versionCreatedBy
	case "last_modified_by__v":
		return x.modifiedBy
	}
	value := x.fields[f.Name]
	if list, isList := value.([]string); isList && f.Picklist != "" {
		p := cat.picklists[f.Picklist]
		labels := make([]string, len(list))
		for i, n := range list {
			labels[i] = p.label(n)
		}
		return labels
	}
	return value
}

// documentBody is a version as the document calls show it. Fields without a value are left out.
func (v *vault) documentBody(x *version) body {
	cat := v.catalog()
	b := body{}
	for _, f := range cat.docFields.list {
		if value := v.docValue(cat, x, f); value != nil {
			b = append(b, f.Name, value)
		}
	}
	return b
}
