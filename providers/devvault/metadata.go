package devvault

import (
	"slices"
	"strings"
)

// handleObjects answers GET /api/{v}/metadata/vobjects.
func handleObjects(c *call) (reply, error) {
	list := []body{}
	cat := c.v.catalog()
	for _, n := range names(cat.objects) {
		o := cat.objects[n]
		b := body{"url", "/api/" + c.version + "/metadata/vobjects/" + n, "label", o.Label, "name", n, "label_plural", o.Plural,
			"prefix", o.Prefix, "order", 0, "in_menu", o.InMenu, "source", o.Source, "status", o.status(), "configuration_state", "STEADY_STATE"}
		if c.localized() {
			b = append(b, "localized_data", body{"label", body{"en", o.Label}, "label_plural", body{"en", o.Plural}})
		}
		list = append(list, b)
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
		fields = append(fields, c.fieldBody(cat, o, f))
		if to := cat.object(f.Object); to != nil {
			relations = append(relations, body{"relationship_name", f.Outbound, "relationship_label", f.Label, "field", f.Name,
				"relationship_type", f.relationKind("reference_outbound", "parent"), "relationship_deletion", f.deletion(), "object", c.objectBody(to)})
		}
	}
	for _, in := range cat.inbound(o.Name) {
		relations = append(relations, body{"relationship_name", in.Name, "relationship_label", in.Object.Plural, "field", in.Field.Name,
			"relationship_type", in.Field.relationKind("reference_inbound", "child"), "relationship_deletion", in.Field.deletion(), "object", c.objectBody(in.Object)})
	}
	lifecycles := []string{}
	if o.Lifecycle != "" {
		lifecycles = append(lifecycles, o.Lifecycle)
	}
	types := []body{}
	for _, t := range o.Types {
		types = append(types, body{"name", t.Name, "label", t.Label, "id", t.ID})
	}
	state, store, class := "STEADY_STATE", "standard", "base"
	if o.Raw {
		store = "raw"
	}
	if o.Name == "user__sys" {
		class = "userrolesetup"
	}
	created := formatMillis(c.v.created)
	b := body{"name", o.Name, "label", o.Label, "label_plural", o.Plural, "prefix", o.Prefix, "data_store", store,
		"object_class", class, "source", o.Source, "description", null(o.Description), "help_content", null(o.Help), "order", 0, "in_menu", o.InMenu,
		"allow_types", len(o.Types) > 1, "allow_attachments", o.Attachments, "enable_esignatures", false, "enable_merges", o.Merges,
		"available_lifecycles", lifecycles, "dynamic_security", o.DynamicSecurity, "auditable", true, "system_managed", o.Source == "system",
		"role_overrides", false, "secure_audit_trail", false, "secure_sharing_settings", false, "secure_attachments", false, "prevent_record_overwrite", false,
		"user_role_setup_object", nil, "default_obj_type", o.defaultType(), "object_types", types, "configuration_state", state,
		"created_by", 10000 + c.v.slot, "created_date", created, "modified_by", 10000 + c.v.slot, "modified_date", created,
		"status", o.status(),
		"urls", body{"field", url + "/fields/{name}", "record", "/api/" + c.version + "/vobjects/" + o.Name + "/{id}",
			"list", "/api/" + c.version + "/vobjects/" + o.Name, "metadata", url},
		"fields", fields, "relationships", relations}
	if c.localized() {
		b = append(b, "localized_data", body{"label", body{"en", o.Label}, "label_plural", body{"en", o.Plural}})
	}
	return ok("object", b)
}

// localized reports whether labels are asked for in all languages. There is one here.
func (c *call) localized() bool { return c.form.Get("loc") == "true" }

func (o *object) status() []string {
	if o.Inactive {
		return []string{"inactive__v"}
	}
	return []string{"active__v"}
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
	return ok("field", c.fieldBody(cat, o, f))
}

func (f *field) deletion() string {
	switch {
	case f.Cascade:
		return "cascade"
	case f.SetNull:
		return "setnull"
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

func (f *field) relationKind(reference, parent string) string {
	if f.Parent {
		return parent
	}
	return reference
}

// fieldBody is a field of an object as metadata shows it. A reference is of type Object there.
func (c *call) fieldBody(cat *catalog, o *object, f *field) body {
	typ := f.Type
	switch typ {
	case typeObject:
		typ = "Object"
	case typeID:
		typ = "ID"
	}
	status := []string{"active__v"}
	if f.Inactive {
		status[0] = "inactive__v"
	}
	created := formatMillis(c.v.created)
	b := body{"name", f.Name, "label", f.Label, "type", typ, "required", f.Required, "unique", f.Unique, "editable", !f.ReadOnly,
		"status", status, "source", f.source(), "description", null(f.Description), "help_content", null(f.Help), "list_column", f.ListColumn,
		"order", slices.Index(o.fields.list, f), "start_number", nil, "value_format", nil, "system_managed_name", false, "sequential_naming", false,
		"encrypted", f.Encrypted, "no_copy", f.NoCopy, "facetable", f.Picklist != "" || f.Object != "" || f.Type == typeBoolean,
		"searchable", f.Type == typeString || f.Type == typeLongText, "format_mask", nil, "lookup_relationship_name", null(f.Via),
		"lookup_source_field", null(f.Source), "created_by", 10000 + c.v.slot, "created_date", created, "modified_by", 10000 + c.v.slot, "modified_date", created}
	if f.MaxLength > 0 {
		b = append(b, "max_length", f.MaxLength)
	}
	if f.Type == typeNumber || f.Type == typeCurrency {
		b = append(b, "scale", f.Scale)
		if f.MinValue != nil {
			b = append(b, "min_value", *f.MinValue)
		}
		if f.MaxValue != nil {
			b = append(b, "max_value", *f.MaxValue)
		}
	}
	if f.Picklist != "" {
		b = append(b, "picklist", f.Picklist, "multi_value", f.MultiValue)
		if f.Controlling != "" {
			b = append(b, "controlling_field", f.Controlling)
		}
	}
	if f.Type == typeBoolean {
		b = append(b, "checkbox", f.Checkbox)
	}
	if to := cat.object(f.Object); to != nil {
		b = append(b, "object", c.objectBody(to), "relationship_type", f.relationKind("reference", "parent"), "relationship_deletion", f.deletion(),
			"relationship_outbound_name", f.Outbound, "relationship_inbound_name", f.Inbound)
	}
	if c.localized() {
		b = append(b, "localized_data", body{"label", body{"en", f.Label}})
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
