package devvault

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	maxDocumentRows = 500  // of a batch that creates or deletes
	maxUpdateRows   = 1000 // of a batch that updates
)

type routeMaker = func(string, func(*call) (reply, error)) *route

func documentRoutes(get, post, put, remove routeMaker, reading func(*route) *route) []*route {
	routes := []*route{
		get("metadata/objects/documents/properties", handleDocumentProperties),
		get("metadata/objects/documents/types", handleDocumentTypes),
		get("metadata/objects/documents/types/{type}", handleDocumentType),
		get("metadata/objects/documents/types/{type}/subtypes/{subtype}", handleDocumentType),
		get("metadata/objects/documents/types/{type}/subtypes/{subtype}/classifications/{classification}", handleDocumentType),
		get("metadata/objects/documents/types/{type}/relationships", handleTypeRelationships),
		reading(post("metadata/objects/documents/properties/find_common", handleCommonProperties)),
		get("metadata/objects/documents/lock", handleLockMetadata),
		get("metadata/objects/documents/events", handleEventMetadata),
		get("metadata/objects/documents/templates", handleTemplateMetadata),
		get("metadata/objects/binders/templates", handleTemplateMetadata),
		get("metadata/objects/binders/templates/bindernodes", handleTemplateMetadata),
		get("objects/documents/templates", handleTemplates),
		get("objects/documents/templates/{template}", handleTemplate),
		get("objects/binders/templates", handleTemplates),
		get("objects/binders/templates/{template}", handleTemplate),
		get("objects/binders/templates/{template}/bindernodes", handleTemplate),
		get("objects/documents/{id}/events", handleEvents),
		get("objects/deletions/documents", handleDocumentDeletions),
		get("objects/deletions/documents/attachments", handleAttachmentDeletions),

		get("objects/documents", handleListDocuments),
		post("objects/documents/batch", handleCreateDocuments),
		put("objects/documents/batch", handleUpdateDocuments),
		remove("objects/documents/batch", handleDeleteDocuments),
		put("objects/documents/batch/actions/reclassify", handleReclassifyDocuments),
		post("objects/documents/versions/batch", handleCreateVersions),
		remove("objects/documents/versions/batch", handleDeleteVersions),
		post("objects/documents/renditions/batch", handleAddRenditions),
		remove("objects/documents/renditions/batch", handleDropRenditions),
		post("objects/documents/roles/batch", handleAssignRoles),
		remove("objects/documents/roles/batch", handleUnassignRoles),
		get("objects/documents/{id}/lock", handleLock),
		post("objects/documents/{id}/lock", handleCheckOut),
		remove("objects/documents/{id}/lock", handleUndoCheckOut),
		remove("objects/documents/batch/lock", handleUndoCheckOuts),
		post("objects/documents/relationships/batch", handleCreateRelationships),
		remove("objects/documents/relationships/batch", handleDeleteRelationships),

		get("objects/documents/{id}/file", handleFile),
		get("objects/documents/{id}/versions/{major}/{minor}/file", handleFile),
		get("objects/documents/{id}/versions/{major}/{minor}/text", handleText),
		get("objects/documents/{id}/versions/{major}/{minor}/thumbnail", handleThumbnail),
		get("objects/documents/{id}/renditions", handleRenditions),
		get("objects/documents/{id}/versions/{major}/{minor}/renditions", handleRenditions),
		get("objects/documents/{id}/renditions/{rendition}", handleRendition),
		get("objects/documents/{id}/versions/{major}/{minor}/renditions/{rendition}", handleRendition),
		post("objects/documents/{id}/renditions/{rendition}", handleAddRendition),
		post("objects/documents/{id}/versions/{major}/{minor}/renditions/{rendition}", handleAddRendition),
		put("objects/documents/{id}/renditions/{rendition}", handleAddRendition),
		put("objects/documents/{id}/versions/{major}/{minor}/renditions/{rendition}", handleAddRendition),
		remove("objects/documents/{id}/renditions/{rendition}", handleDropRendition),
		remove("objects/documents/{id}/versions/{major}/{minor}/renditions/{rendition}", handleDropRendition),

		get("objects/binders/{id}/sections", handleSections),
		get("objects/binders/{id}/sections/{node}", handleSections),
		get("objects/binders/{id}/versions/{major}/{minor}/sections", handleSections),
		get("objects/binders/{id}/versions/{major}/{minor}/sections/{node}", handleSections),
		post("objects/binders/{id}/sections", handleAddSection),
		put("objects/binders/{id}/sections/{node}", handleMoveNode),
		remove("objects/binders/{id}/sections/{node}", handleDropNode),
		post("objects/binders/{id}/documents", handleAddNode),
		put("objects/binders/{id}/documents/{node}", handleMoveNode),
		remove("objects/binders/{id}/documents/{node}", handleDropNode),
		put("objects/binders/{id}/binding_rule", handleBinderRule),
		put("objects/binders/{id}/sections/{node}/binding_rule", handleNodeRule),
		put("objects/binders/{id}/documents/{node}/binding_rule", handleNodeRule),
		post("objects/binders/{id}/actions", handleBinderAction),
		post("objects/binders/{id}/actions/export", handleExport),
		get("objects/binders/actions/export/{job}/results", handleExportResults),
	}
	routes = append(routes, attachmentRoutes(get, post, put, remove)...)
	for _, what := range []string{"documents", "binders"} {
		binder := what == "binders"
		of := func(h func(*call, bool) (reply, error)) func(*call) (reply, error) {
			return func(c *call) (reply, error) { return h(c, binder) }
		}
		base := "objects/" + what
		routes = append(routes,
			post(base, of(handleCreateDocument)),
			get(base+"/{id}", of(handleReadDocument)),
			put(base+"/{id}", of(handleUpdateDocument)),
			post(base+"/{id}", of(handleNewDraft)),
			remove(base+"/{id}", of(handleDeleteDocument)),
			get(base+"/{id}/versions", of(handleReadDocument)),
			get(base+"/{id}/versions/{major}/{minor}", of(handleReadDocument)),
			put(base+"/{id}/versions/{major}/{minor}", of(handleUpdateDocument)),
			remove(base+"/{id}/versions/{major}/{minor}", of(handleDeleteVersion)),
			get(base+"/{id}/versions/{major}/{minor}/lifecycle_actions", of(handleLifecycleActions)),
			get(base+"/{id}/versions/{major}/{minor}/lifecycle_actions/{action}/entry_requirements", of(handleEntryRequirements)),
			put(base+"/{id}/versions/{major}/{minor}/lifecycle_actions/{action}", of(handleRunLifecycleAction)),
			reading(post(base+"/lifecycle_actions", of(handleSharedLifecycleActions))),
			put(base+"/lifecycle_actions/{action}", of(handleRunLifecycleActions)),
			get(base+"/{id}/roles", of(handleRoles)),
			get(base+"/{id}/roles/{role}", of(handleRoles)),
			post(base+"/{id}/roles", of(handleAssignRole)),
			remove(base+"/{id}/roles/{role}/{member}", of(handleUnassignRole)),
			get(base+"/{id}/versions/{major}/{minor}/relationships", of(handleRelationships)),
			post(base+"/{id}/versions/{major}/{minor}/relationships", of(handleCreateRelationship)),
			get(base+"/{id}/versions/{major}/{minor}/relationships/{relationship}", of(handleRelationship)),
			remove(base+"/{id}/versions/{major}/{minor}/relationships/{relationship}", of(handleDeleteRelationship)))
	}
	return routes
}

// update changes vaults in one transaction, at one moment.
func (c *call) update(do func(*tx) error) error {
	return c.s.store.update(func(t *tx) error {
		c.now = c.s.clock.now()
		return do(t)
	})
}

// change changes the version that the route names, and returns its document.
func (c *call) change(binder bool, do func(*tx, *version) error) (id int64, err error) {
	err = c.update(func(t *tx) error {
		x, err := c.target(t, binder)
		if err != nil {
			return err
		}
		id = x.doc
		return do(t, x)
	})
	return id, err
}

// target finds the version that the route names: by number where it has one, else the latest. Under /binders/ it must be a binder.
func (c *call) target(q querier, binder bool) (*version, error) {
	id, err := c.number("id")
	if err != nil {
		return nil, err
	}
	var x *version
	if c.param("major") == "" {
		x, err = c.v.latest(c.ctx(), q, id)
	} else {
		var major, minor int64
		if major, err = c.number("major"); err != nil {
			return nil, err
		}
		if minor, err = c.number("minor"); err != nil {
			return nil, err
		}
		x, err = c.v.numbered(c.ctx(), q, id, major, minor)
	}
	if err == nil && binder && !x.binder {
		return nil, fail("INVALID_DATA", "The document [%d] is not a binder", id)
	}
	return x, err
}

// handleReadDocument answers the GETs of a document, of its versions, and of one version; of a binder with its nodes.
func handleReadDocument(c *call, binder bool) (reply, error) {
	q := c.s.store.read
	x, err := c.target(q, binder)
	if err != nil {
		return reply{}, err
	}
	list, err := c.v.versions(c.ctx(), q, x.doc)
	if err != nil {
		return reply{}, err
	}
	what := "documents"
	if binder {
		what = "binders"
	}
	base := fmt.Sprintf("/api/%s/objects/%s/%d", c.version, what, x.doc)
	versions := []body{}
	for _, y := range list {
		versions = append(versions, body{"number", fmt.Sprintf("%d.%d", y.major, y.minor), "value", c.url(fmt.Sprintf("%s/versions/%d/%d", base, y.major, y.minor))})
	}
	if strings.HasSuffix(c.route.pattern, "/versions") {
		return ok("versions", versions, "renditions", body{})
	}
	document, err := c.withRoles(x, c.v.documentBody(x))
	if err != nil {
		return reply{}, err
	}
	out := body{"document", document, "versions", versions}
	if binder {
		nodes, err := c.v.nodes(c.ctx(), q, c.v.key(x))
		if err != nil {
			return reply{}, err
		}
		out = append(out, "binder", body{"nodes", nodeBodies(nodes, rootNode, c.form.Get("depth") == "all")})
	} else {
		renditions, err := c.v.renditions(c.ctx(), q, c.v.key(x))
		if err != nil {
			return reply{}, err
		}
		links := body{}
		for _, r := range renditions {
			links = append(links, r.typ, c.url(base+"/renditions/"+r.typ))
		}
		attachments, err := c.attachmentLinks(x.doc)
		if err != nil {
			return reply{}, err
		}
		out = append(out, "renditions", links, "attachments", attachments)
	}
	return reply{body: out}, nil
}

// documentOrder are the columns that a list of documents can be sorted by.
var documentOrder = map[string]string{"id": "doc", "name__v": "name", "document_number__v": "number", "type__v": "type", "lifecycle__v": "lifecycle", "status__v": "status",
	"external_id__v": "external_id", "version_modified_date__v": "modified", "document_creation_date__v": "created"}

// handleListDocuments answers GET /api/{v}/objects/documents: of each document its latest version, or with versionscope=all every one.
func handleListDocuments(c *call) (reply, error) {
	limit, _ := c.page(200, 200)
	from, _ := strconv.Atoi(c.form.Get("start"))
	from = max(0, from)
	where := ` FROM versions WHERE key > ? AND key < ?`
	args := []any{versionKey(c.v.slot, 0, 0), versionKey(c.v.slot+1, 0, 0)}
	if c.form.Get("versionscope") != "all" {
		where += ` AND latest = 1`
	}
	switch filter := c.form.Get("named_filter"); filter {
	case "":
	case "My Documents":
		where += ` AND created_by = ?`
		args = append(args, c.user.ID)
	default: // favorites, recent documents and the cart are not kept
		return reply{}, fail("INVALID_FILTER", "The filter [%s] is not supported", filter)
	}
	if text := c.form.Get("search"); text != "" { // of properties, whatever the scope: contents are not indexed
		where += ` AND (instr(lower(name), lower(?)) OR instr(lower(number), lower(?)) OR instr(lower(fields ->> '$.title__v'), lower(?)))`
		args = append(args, text, text, text)
	}
	order := "key"
	if sort := c.form.Get("sort"); sort != "" {
		name, direction, _ := strings.Cut(strings.TrimSpace(sort), " ")
		column := documentOrder[name]
		direction = strings.ToUpper(strings.TrimSpace(direction))
		if column == "" || direction != "" && direction != "ASC" && direction != "DESC" {
			return reply{}, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [sort]", sort)
		}
		order = column + " " + direction + ", key"
	}
	var size int
	if _, err := one(c.ctx(), c.s.store.read, []any{&size}, `SELECT count(*)`+where, args...); err != nil {
		return reply{}, err
	}
	rows, err := c.s.store.read.QueryContext(c.ctx(), `SELECT `+versionColumns+where+` ORDER BY `+order+` LIMIT ? OFFSET ?`, append(args, limit, from)...)
	if err != nil {
		return reply{}, err
	}
	defer rows.Close()
	list := []body{}
	for rows.Next() {
		x, err := scanVersion(rows)
		if err != nil {
			return reply{}, err
		}
		list = append(list, body{"document", c.v.documentBody(x)})
	}
	return reply{body: body{"size", size, "start", from, "limit", limit, "documents", list}}, rows.Err()
}

// handleCreateDocument answers POST /api/{v}/objects/documents, where a CrossLink is made too, and /objects/binders.
func handleCreateDocument(c *call, binder bool) (reply, error) {
	row := c.formRow()
	if c.media == "application/json" {
		rows, err := c.rows(1)
		if err != nil {
			return reply{}, err
		}
		row = rows[0]
	}
	var x *version
	err := c.update(func(t *tx) (err error) {
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
	row := c.formRow()
	if c.media == "application/json" {
		rows, err := c.rows(1)
		if err != nil {
			return reply{}, err
		}
		row = rows[0]
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
	if err := t.exec(`INSERT INTO deletions (slot, kind, at, id, global_id) VALUES (?, 'document__sys', ?, ?, ?)`, c.v.slot, c.now.UnixMilli(), id, c.v.globalID(id)); err != nil {
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
	if err := t.exec(`INSERT INTO deletions (slot, kind, at, id, major, minor, global_id) VALUES (?, 'document_version__sys', ?, ?, ?, ?, ?)`,
		c.v.slot, c.now.UnixMilli(), doc, x.major, x.minor, c.v.globalID(doc)); err != nil {
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
