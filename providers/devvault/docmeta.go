package devvault

import (
	"strconv"
	"strings"
)

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
		if strings.Contains(n, ".") {
			continue
		}
		list = append(list, body{"label", cat.doctypes[n].Label, "value", c.url(base + "types/" + n)})
	}
	return ok("types", list, "lock", c.url(base+"lock"))
}

// Subtypes and classifications are types whose names have the names of what they are under before them, with dots: in the MDL of a Doctype,
// promotional_piece__v.advertisement__c.print__c is the classification print__c. That way of naming is ours.

// below finds the type under t that has a name or label; t itself stands for none. Names are not empty where t is none.
func (c *catalog) below(t *doctype, name string) (*doctype, error) {
	if name == "" {
		return nil, nil
	}
	if t != nil {
		if x := c.doctypes[t.Name+"."+name]; x != nil {
			return x, nil
		}
		for _, x := range c.under(t.Name) {
			if x.Label == name {
				return x, nil
			}
		}
		return nil, fail("INVALID_DATA", "The document type [%s] has nothing under it that is called [%s]", t.Name, name)
	}
	return nil, fail("INVALID_DATA", "A classification [%s] needs a subtype", name)
}

// under lists the types right under one.
func (c *catalog) under(name string) []*doctype {
	var list []*doctype
	for _, n := range names(c.doctypes) {
		if rest, isUnder := strings.CutPrefix(n, name+"."); isUnder && !strings.Contains(rest, ".") {
			list = append(list, c.doctypes[n])
		}
	}
	return list
}

// last is the last part of a type's name; empty for none.
func (t *doctype) last() string {
	if t == nil {
		return ""
	}
	return t.Name[strings.LastIndexByte(t.Name, '.')+1:]
}

// typeLabel is the label of the type with a path, or else.
func (c *catalog) typeLabel(or string, path ...string) string {
	if or == "" {
		return ""
	}
	if t := c.doctypes[strings.Join(path, ".")]; t != nil {
		return t.Label
	}
	return or
}

// handleDocumentType answers GET /api/{v}/metadata/objects/documents/types/{type}[/subtypes/{subtype}[/classifications/{classification}]].
func handleDocumentType(c *call) (reply, error) {
	cat := c.v.catalog()
	path, url := c.param("type"), "/api/"+c.version+"/metadata/objects/documents/types/"+c.param("type")
	under := "subtypes"
	if s := c.param("subtype"); s != "" {
		path, url, under = path+"."+s, url+"/subtypes/"+s, "classifications"
	}
	if s := c.param("classification"); s != "" {
		path, url, under = path+"."+s, url+"/classifications/"+s, ""
	}
	t := cat.doctypes[path]
	if t == nil {
		return reply{}, fail("INVALID_DATA", "The document type [%s] does not exist", path)
	}
	properties, relations, lifecycles, below := []body{}, []body{}, []body{}, []body{}
	for _, f := range cat.docFields.list {
		properties = append(properties, c.property(cat, f))
	}
	for _, r := range t.Relations {
		if cat.relations[r] != nil {
			relations = append(relations, body{"label", cat.relations[r].Label, "value", c.url(url + "/relationships/" + r)})
		}
	}
	for _, l := range t.Lifecycles {
		lifecycles = append(lifecycles, body{"name", l, "label", cat.lifecycles[l].Label})
	}
	for _, x := range cat.under(path) {
		below = append(below, body{"label", x.Label, "value", c.url(url + "/" + under + "/" + x.last())})
	}
	out := body{"name", t.last(), "label", t.Label, "properties", properties, "renditions", renditionTypes, "relationshipTypes", relations,
		"templates", []body{}, "availableLifecycles", lifecycles}
	if under != "" && len(below) > 0 {
		out = append(out, under, below)
	}
	return reply{body: out}, nil
}

// handleCommonProperties answers POST /api/{v}/metadata/objects/documents/properties/find_common: all fields are shared by all types.
func handleCommonProperties(c *call) (reply, error) {
	ids, err := c.required("docIds")
	if err != nil {
		return reply{}, err
	}
	for _, s := range strings.Split(ids, ",") {
		id, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
		if err != nil {
			return reply{}, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [docIds]", s)
		}
		if found, err := c.v.exists(c.ctx(), c.s.store.read, id); err != nil {
			return reply{}, err
		} else if !found {
			return reply{}, noDocument(id)
		}
	}
	return handleDocumentProperties(c)
}

// handleTemplateMetadata answers GET /api/{v}/metadata/objects/{documents|binders}/templates.
func handleTemplateMetadata(c *call) (reply, error) {
	var list []body
	for _, f := range []struct {
		name, typ string
		required  bool
	}{{"name__v", "String", true}, {"label__v", "String", true}, {"active__v", "Boolean", true}, {"type__v", "String", true}, {"subtype__v", "String", false},
		{"classification__v", "String", false}} {
		list = append(list, body{"name", f.name, "type", f.typ, "requiredness", map[bool]string{true: "required", false: "optional"}[f.required], "editable", true})
	}
	return ok("data", list)
}

// handleTemplates answers GET /api/{v}/objects/{documents|binders}/templates: there are none.
func handleTemplates(c *call) (reply, error) { return ok("data", []body{}) }

// handleTemplate answers what is asked of one template.
func handleTemplate(c *call) (reply, error) {
	return reply{}, fail("INVALID_DATA", "The template [%s] does not exist", c.param("template"))
}

// handleEventMetadata answers GET /api/{v}/metadata/objects/documents/events: nothing here is distributed.
func handleEventMetadata(c *call) (reply, error) { return ok("events", []body{}) }

// handleEvents answers GET /api/{v}/objects/documents/{id}/events.
func handleEvents(c *call) (reply, error) {
	if _, err := c.target(c.s.store.read, false); err != nil {
		return reply{}, err
	}
	return ok("events", []body{})
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
