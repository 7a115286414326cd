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
