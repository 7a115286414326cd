package devvault

import "strings"

// handlePageLayouts answers GET /api/{v}/metadata/vobjects/{object}/page_layouts. The layouts are the Pagelayout components of the object, named
// {object}.{layout}, and where there is none, one that shows all fields.
func handlePageLayouts(c *call) (reply, error) {
	o, err := c.object("read")
	if err != nil {
		return reply{}, err
	}
	layouts := []body{}
	for _, l := range c.layouts(o) {
		layouts = append(layouts, l[0])
	}
	return ok("layouts", layouts)
}

// handlePageLayout answers GET /api/{v}/metadata/vobjects/{object}/page_layouts/{layout}.
func handlePageLayout(c *call) (reply, error) {
	o, err := c.object("read")
	if err != nil {
		return reply{}, err
	}
	for _, l := range c.layouts(o) {
		if l[0][1] == c.param("layout") {
			return ok("data", append(l[0], l[1]...))
		}
	}
	return reply{}, fail("INVALID_DATA", "The page layout [%s] does not exist on object [%s]", c.param("layout"), o.Name)
}

// layouts are the layouts of an object: what the list says of each, and what more its own page says.
func (c *call) layouts(o *object) [][2]body {
	base := "/api/" + c.version + "/metadata/vobjects/" + o.Name + "/page_layouts/"
	var list [][2]body
	cat := c.v.catalog()
	for _, key := range names(cat.components) {
		name, found := strings.CutPrefix(key, "Pagelayout."+o.Name+".")
		if !found {
			continue
		}
		x := cat.components[key]
		list = append(list, [2]body{{"name", name, "label", x.Text("label"), "object_type", "base__v", "url", base + name, "active", x.True("active"),
			"description", x.Text("description"), "default_layout", x.True("default_layout"), "display_lifecycle_stages", x.True("display_lifecycle_stages")},
			{"page_markup", x.Text("page_markup")}})
	}
	if list == nil {
		name := strings.TrimRight(o.Name, "_") + "_detail_page_layout"
		var fields []string
		for _, f := range o.fields.list {
			if !f.Inactive && c.user.canField(o.Name, f.Name, "read") {
				fields = append(fields, f.Name)
			}
		}
		list = append(list, [2]body{{"name", name, "label", o.Label + " Detail Page Layout", "object_type", o.defaultType(), "url", base + name, "active", true,
			"description", "", "default_layout", true, "display_lifecycle_stages", false},
			{"layout", body{"sections", []body{{"type", "detail", "name", "details__c", "label", "Details", "properties", body{"layout_type", "Two-Column",
				"items", fields}}}}}})
	}
	return list
}
