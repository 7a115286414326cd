package devvault

import "strings"

// handleObjects answers GET /api/{v}/metadata/vobjects.
func handleObjects(c *call) (reply, error) {
	list := []body{}
	cat := c.v.catalog()
	for _, n := range names(cat.objects) {
		o := cat.objects[n]
		list = append(list, body{"url", "/api/" + c.version + "/metadata/vobjects/" + n, "label", o.Label, "name", n, "label_plural", o.Plural,
			"prefix", o.Prefix, "in_menu", o.InMenu, "source", o.Source, "status", []string{"active__v"}, "configuration_state", "STEADY_STATE"})
	}
	return ok("objects", list)
}

// handleObject answers GET /api/{v}/metadata/vobjects/{object}.
func handleObject(c *call) (reply, error) {
	cat := c.v.catalog()
	o := cat.object(c.param("object"))
	if o == nil {
		return reply{}, fail("INVALID_DATA", "The object [%s] does not exist", c.param("object"))
	}
	url := "/api/" + c.version + "/metadata/vobjects/" + o.Name
	fields, relations := []body{}, []body{}
	for _, f := range o.fields.list {
		fields = append(fields, c.fieldBody(cat, f))
		if to := cat.object(f.Object); to != nil {
			relations = append(relations, body{"relationship_name", f.Outbound, "relationship_label", f.Label, "field", f.Name,
				"relationship_type", "reference_outbound", "relationship_deletion", f.deletion(), "object", c.objectBody(to)})
		}
	}
	for _, in := range cat.inbound(o.Name) {
		relations = append(relations, body{"relationship_name", in.Name, "relationship_label", in.Object.Plural, "field", in.Field.Name,
			"relationship_type", "reference_inbound", "relationship_deletion", in.Field.deletion(), "object", c.objectBody(in.Object)})
	}
	lifecycles := []string{}
	if o.Lifecycle != "" {
		lifecycles = append(lifecycles, o.Lifecycle)
	}
	types := []body{}
	for _, t := range o.Types {
		types = append(types, body{"name", t.Name, "label", t.Label, "id", t.ID})
	}
	return ok("object", body{"name", o.Name, "label", o.Label, "label_plural", o.Plural, "prefix", o.Prefix, "data_store", "standard",
		"object_class", "base", "source", o.Source, "description", nil, "order", 0, "in_menu", o.InMenu, "allow_types", len(o.Types) > 1,
		"allow_attachments", false, "enable_esignatures", false, "available_lifecycles", lifecycles, "dynamic_security", false, "auditable", true,
		"system_managed", o.Source == "system", "default_obj_type", o.defaultType(), "object_types", types, "configuration_state", "STEADY_STATE",
		"status", []string{"active__v"},
		"urls", body{"field", url + "/fields/{name}", "record", "/api/" + c.version + "/vobjects/" + o.Name + "/{id}",
			"list", "/api/" + c.version + "/vobjects/" + o.Name, "metadata", url},
		"fields", fields, "relationships", relations})
}

// handleObjectField answers GET /api/{v}/metadata/vobjects/{object}/fields/{field}.
func handleObjectField(c *call) (reply, error) {
	cat := c.v.catalog()
	o := cat.object(c.param("object"))
	if o == nil {
		return reply{}, fail("INVALID_DATA", "The object [%s] does not exist", c.param("object"))
	}
	f := o.fields.get(c.param("field"))
	if f == nil {
		return reply{}, fail("INVALID_DATA", "The field [%s] does not exist on object [%s]", c.param("field"), o.Name)
	}
	return ok("field", c.fieldBody(cat, f))
}

func (f *field) deletion() string {
	if f.Cascade {
		return "cascade"
	}
	return "block"
}

func (f *field) source() string {
	switch {
	case strings.HasSuffix(f.Name, "__sys"):
		return "system"
	case strings.HasSuffix(f.Name, "__c"):
		return "custom"
	}
	return "standard"
}

// fieldBody is a field of an object as metadata shows it. A reference is of type Object there.
func (c *call) fieldBody(cat *catalog, f *field) body {
	typ := f.Type
	switch typ {
	case typeObject:
		typ = "Object"
	case typeID:
		typ = "ID"
	}
	b := body{"name", f.Name, "label", f.Label, "type", typ, "required", f.Required, "unique", f.Unique, "editable", !f.ReadOnly,
		"status", []string{"active__v"}, "source", f.source(), "list_column", false, "encrypted", false, "no_copy", false}
	if f.MaxLength > 0 {
		b = append(b, "max_length", f.MaxLength)
	}
	if f.Picklist != "" {
		b = append(b, "picklist", f.Picklist, "multi_value", f.MultiValue)
	}
	if to := cat.object(f.Object); to != nil {
		b = append(b, "object", c.objectBody(to), "relationship_type", "reference", "relationship_deletion", f.deletion(),
			"relationship_outbound_name", f.Outbound, "relationship_inbound_name", f.Inbound)
	}
	return b
}

// handleLimits answers GET /api/{v}/limits.
func handleLimits(c *call) (reply, error) {
	return ok("data", []body{{"name", "objects_limits", "remaining", 1000, "max", 1000}, {"name", "custom_fields_limits", "remaining", 1000, "max", 1000}})
}

// handleRecordDeletions answers GET /api/{v}/objects/deletions/vobjects/{object}.
func handleRecordDeletions(c *call) (reply, error) {
	o, err := c.object("read")
	if err != nil {
		return reply{}, err
	}
	limit, offset := c.page(1000, 5000)
	from, to, err := c.span()
	if err != nil {
		return reply{}, err
	}
	rows, err := c.s.store.read.QueryContext(c.ctx(), `SELECT id, at FROM deletions WHERE slot = ? AND kind = ? AND at BETWEEN ? AND ? ORDER BY at, id LIMIT ? OFFSET ?`,
		c.v.slot, o.Name, from, to, limit, offset)
	if err != nil {
		return reply{}, err
	}
	defer rows.Close()
	data := []body{}
	for rows.Next() {
		var id string
		var at int64
		if err := rows.Scan(&id, &at); err != nil {
			return reply{}, err
		}
		data = append(data, body{"id", id, "date_deleted", secondsOf(at)})
	}
	if err := rows.Err(); err != nil {
		return reply{}, err
	}
	var total int
	if _, err := one(c.ctx(), c.s.store.read, []any{&total}, `SELECT count(*) FROM deletions WHERE slot = ? AND kind = ? AND at BETWEEN ? AND ?`,
		c.v.slot, o.Name, from, to); err != nil {
		return reply{}, err
	}
	return ok("responseMessage", "OK", "responseDetails", body{"total", total, "size", len(data), "limit", limit, "offset", offset}, "data", data)
}
