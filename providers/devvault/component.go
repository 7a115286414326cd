package devvault

import (
	"slices"
	"strconv"
	"strings"
	"sync"

	"accord/providers/devvault/mdl"
)

// componentKind is a type of component that the server knows: how to print it, take one over, and drop it.
type componentKind struct {
	label   string
	names   func(*catalog) []string
	print   func(*catalog, string) (mdl.Component, bool)
	conform func(*catalog, mdl.Component) error // nil: read only
	drop    func(*catalog, string) error        // nil: cannot be dropped
}

// textKind is a component whose text is all there is to it.
func textKind(typ, label string) componentKind {
	return componentKind{label: label,
		names: func(c *catalog) []string {
			var list []string
			for _, k := range names(c.components) {
				if n, ok := strings.CutPrefix(k, typ+"."); ok {
					list = append(list, n)
				}
			}
			return list
		},
		print: func(c *catalog, name string) (mdl.Component, bool) {
			x, ok := c.components[typ+"."+name]
			return x, ok
		},
		conform: func(c *catalog, x mdl.Component) error {
			c.components[x.Key()] = x
			return nil
		},
		drop: func(c *catalog, name string) error {
			delete(c.components, typ+"."+name)
			return nil
		},
	}
}

// componentKinds holds all kinds by name. It is made when it is needed, since
// this package is linked into processes that serve no vault.
var componentKinds = sync.OnceValue(func() map[string]componentKind {
	kinds := map[string]componentKind{
		"Permissionset":       textKind("Permissionset", "Permission Set"),
		"Securityprofile":     textKind("Securityprofile", "Security Profile"),
		"Integrationrule":     textKind("Integrationrule", "Integration Rule"),
		"Picklist":            {"Picklist", func(c *catalog) []string { return names(c.picklists) }, printPicklist, conformPicklist, dropPicklist},
		"Object":              {"Object", func(c *catalog) []string { return names(c.objects) }, printObject, conformObject, dropObject},
		"Objecttype":          {"Object Type", objecttypeNames, printObjecttype, conformObjecttype, dropObjecttype},
		"Objectlifecycle":     {"Object Lifecycle", func(c *catalog) []string { return names(c.stateflows) }, printObjectlifecycle, conformObjectlifecycle, dropObjectlifecycle},
		"Docfield":            {"Document Field", docfieldNames, printDocfield, conformDocfield, dropDocfield},
		"Doctype":             {"Document Type", func(c *catalog) []string { return names(c.doctypes) }, printDoctype, conformDoctype, dropDoctype},
		"Doclifecycle":        {"Document Lifecycle", func(c *catalog) []string { return names(c.lifecycles) }, printDoclifecycle, conformDoclifecycle, dropDoclifecycle},
		"Docrelationshiptype": {"Document Relationship Type", func(c *catalog) []string { return names(c.relations) }, printRelationType, conformRelationType, dropRelationType},
	}
	for _, n := range names(componentTypes()) { // the rest of those whose attributes are known is text
		if _, done := kinds[n]; !done && len(componentTypes()[n].attributes) > 0 {
			kinds[n] = textKind(n, n)
		}
	}
	return kinds
})

// component prints one component; ok is false when there is none, or none of that type. What the catalog gives no meaning to
// is there as it was written.
func (c *catalog) component(typ, name string) (x mdl.Component, ok bool) {
	k, known := componentKinds()[typ]
	if !known {
		return x, false
	}
	if x, ok = k.print(c, name); !ok {
		return x, false
	}
	if w, written := c.written[typ+"."+name]; written {
		keepWritten(&x, &w)
	}
	return x, true
}

// passive are the attributes that are printed as they were written, though the catalog could print them itself.
var passive = []string{"active", "in_menu", "data_store", "allow_types", "default_type", "order", "list_column"}

func keepWritten(x, w *mdl.Component) {
	for _, a := range w.Attributes {
		switch own := x.Attribute(a.Name); {
		case own == nil:
			x.Attributes = append(x.Attributes, mdl.Attribute{Name: a.Name, Values: slices.Clone(a.Values)})
		case slices.Contains(passive, a.Name) && x.Type != "Picklistentry":
			own.Values = slices.Clone(a.Values)
		}
	}
	printed := map[string]bool{}
	for i := range x.Components {
		s := &x.Components[i]
		printed[s.Type] = true
		if sub := w.Component(s.Type, s.Name); sub != nil {
			keepWritten(s, sub)
		}
	}
	for _, s := range w.Components {
		switch s.Type {
		case "Field", "Picklistentry", "Doclifecyclestate", "Objectlifecyclestate", "Objectlifecyclestateuseraction":
		default:
			if !printed[s.Type] {
				x.Components = append(x.Components, s.Clone())
			}
		}
	}
}

// conform makes the catalog have the component as it is given.
func (c *catalog) conform(x mdl.Component) error {
	k, known := componentKinds()[x.Type]
	if !known || k.conform == nil {
		return fail("OPERATION_NOT_ALLOWED", "Components of type [%s] cannot be changed here", x.Type)
	}
	x.Command = ""
	if err := k.conform(c, x); err != nil {
		return err
	}
	if _, isText := c.components[x.Key()]; !isText {
		c.written[x.Key()] = x.Clone()
	}
	return nil
}

func (c *catalog) drop(typ, name string) error {
	k, known := componentKinds()[typ]
	if !known || k.drop == nil {
		return fail("OPERATION_NOT_ALLOWED", "Components of type [%s] cannot be dropped", typ)
	}
	delete(c.written, typ+"."+name)
	return k.drop(c, name)
}

// Makers of attributes.

func attribute(name string, kind mdl.Kind, values ...string) mdl.Attribute {
	a := mdl.Attribute{Name: name}
	for _, v := range values {
		a.Values = append(a.Values, mdl.Value{Kind: kind, Text: v})
	}
	return a
}
func textAttr(name string, values ...string) mdl.Attribute {
	return attribute(name, mdl.Text, values...)
}
func boolAttr(name string, v bool) mdl.Attribute {
	return attribute(name, mdl.Bool, strconv.FormatBool(v))
}
func numberAttr(name string, n int) mdl.Attribute {
	return attribute(name, mdl.Number, strconv.Itoa(n))
}
