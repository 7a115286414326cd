package devvault

// property is a document field as the document metadata calls show it.
func (c *call) property(cat *catalog, f *field) body {
	scope := "DocumentVersion"
	b := body{"name", f.Name, "type", f.Type, "scope", scope, "required", f.Required, "repeating", f.MultiValue, "systemAttribute", f.System,
		"editable", !f.ReadOnly, "setOnCreateOnly", f.CreateOnly, "disabled", false, "label", f.Label, "section", f.Section, "sectionPosition", 0,
		"hidden", false, "queryable", true, "shared", true, "definedInType", "type", "definedIn", "base_document__v", "noCopy", false,
		"secureRelationship", false, "facetable", false}
	if f.MaxLength > 0 {
		b = append(b, "maxLength", f.MaxLength)
	}
	if f.Picklist != "" {
		b = append(b, "picklist", f.Picklist, "entryLabels", nil)
	}
	if to := cat.object(f.Object); to != nil {
		b = append(b, "objectType", f.Object, "relationshipType", "reference", "relationshipName", f.Outbound)
	}
	return b
}

// handleDocumentProperties answers GET /api/{v}/metadata/objects/documents/properties.
func handleDocumentProperties(c *call) (reply, error) {
	cat := c.v.catalog()
	list := []body{}
	for _, f := range cat.docFields.list {
		list = append(list, c.property(cat, f))
	}
	return ok("properties", list)
}

// handleDocumentTypes answers GET /api/{v}/metadata/objects/documents/types.
func handleDocumentTypes(c *call) (reply, error) {
	cat := c.v.catalog()
	base := "/api/" + c.version + "/metadata/objects/documents/"
	list := []body{}
	for _, n := range names(cat.doctypes) {
		list = append(list, body{"label", cat.doctypes[n].Label, "value", c.url(base + "types/" + n)})
	}
	return ok("types", list, "lock", c.url(base+"lock"))
}

// handleDocumentType answers GET /api/{v}/metadata/objects/documents/types/{type}.
func handleDocumentType(c *call) (reply, error) {
	cat := c.v.catalog()
	t := cat.doctypes[c.param("type")]
	if t == nil {
		return reply{}, fail("INVALID_DATA", "The document type [%s] does not exist", c.param("type"))
	}
	properties, relations, lifecycles := []body{}, []body{}, []body{}
	for _, f := range cat.docFields.list {
		properties = append(properties, c.property(cat, f))
	}
	base := "/api/" + c.version + "/metadata/objects/documents/types/" + t.Name
	for _, r := range t.Relations {
		if cat.relations[r] != nil {
			relations = append(relations, body{"label", cat.relations[r].Label, "value", c.url(base + "/relationships/" + r)})
		}
	}
	for _, l := range t.Lifecycles {
		lifecycles = append(lifecycles, body{"name", l, "label", cat.lifecycles[l].Label})
	}
	return ok("name", t.Name, "label", t.Label, "properties", properties, "renditions", renditionTypes, "relationshipTypes", relations,
		"templates", []body{}, "availableLifecycles", lifecycles)
}

// handleTypeRelationships answers GET /api/{v}/metadata/objects/documents/types/{type}/relationships.
func handleTypeRelationships(c *call) (reply, error) {
	cat := c.v.catalog()
	t := cat.doctypes[c.param("type")]
	if t == nil {
		return reply{}, fail("INVALID_DATA", "The document type [%s] does not exist", c.param("type"))
	}
	property := func(name, typ string, required bool) body {
		return body{"name", name, "type", typ, "length", 20, "editable", false, "queryable", true, "required", required, "multivalue", false, "onCreateEditable", true}
	}
	list := []body{}
	for _, n := range names(cat.relations) {
		r := cat.relations[n]
		own := r.System
		for _, x := range t.Relations {
			own = own || x == n
		}
		if own {
			list = append(list, body{"value", n, "label", r.Label, "sourceDocVersionSpecific", r.SourceSpecific, "targetDocVersionSpecific", r.TargetSpecific,
				"system", r.System, "singleUse", false, "targetDocumentTypes", []body{}})
		}
	}
	return ok("properties", []body{property("source_doc_id__v", "id", true), property("relationship_type__v", "String", true), property("created_date__v", "DateTime", false),
		property("id", "id", true), property("target_doc_id__v", "id", true), property("created_by__v", "id", false),
		property("target_major_version__v", "Number", false), property("target_minor_version__v", "Number", false)}, "relationshipTypes", list)
}
