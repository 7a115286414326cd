package devvault

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"accord/providers/devvault/mdl"
)

//go:embed componenttypes.txt
var componentTypeTable string

// componentType is a type of component, or of sub-component, as the platform documents it. A type without attributes is known by name only.
type componentType struct {
	name       string
	attributes []componentAttribute
	subs       []*componentType
}

type componentAttribute struct {
	name, kind         string // kind: String, Boolean, Number, Enum, XMLString, ComponentReference, …
	required, readOnly bool
	many               bool
	most               int
	values             []string // of an Enum, where they are known
}

func (t *componentType) attribute(name string) *componentAttribute {
	for i := range t.attributes {
		if t.attributes[i].name == name {
			return &t.attributes[i]
		}
	}
	return nil
}

func (t *componentType) sub(name string) *componentType {
	for _, s := range t.subs {
		if s.name == name {
			return s
		}
	}
	return nil
}

// componentTypes holds all types by name.
var componentTypes = sync.OnceValue(func() map[string]*componentType {
	types := map[string]*componentType{}
	var top, at *componentType
	form := regexp.MustCompile(`^(\w+):(\w+)(!?)(?:\((\d+)\))?(?:\{([^}]*)\})?(\[\])?(?:\((\d+)\))?( ro)?$`)
	for line := range strings.Lines(componentTypeTable) {
		text := strings.TrimSpace(line)
		switch {
		case text == "" || text[0] == '#':
		case line[0] != ' ':
			top = &componentType{name: text}
			at, types[text] = top, top
		case text[0] == '+':
			at = &componentType{name: text[2:]}
			top.subs = append(top.subs, at)
		default:
			bang := strings.Contains(text, "!")
			m := form.FindStringSubmatch(strings.Replace(text, "!", "", 1))
			if m == nil {
				panic("componenttypes.txt: " + text)
			}
			a := componentAttribute{name: m[1], kind: m[2], required: bang, many: m[6] != "", readOnly: m[8] != ""}
			a.most, _ = strconv.Atoi(m[4] + m[7])
			if m[5] != "" {
				a.values = strings.Split(m[5], "|")
			}
			at.attributes = append(at.attributes, a)
		}
	}
	return types
})

// check refuses what the type does not allow: unknown and missing attributes, values of another kind, too long, or not of the enum.
// Booleans and numbers may be left out though the platform calls some of them required: false, and the place in the text, stand for them.
func (t *componentType) check(x *mdl.Component) error {
	for _, a := range x.Attributes {
		known := t.attribute(a.Name)
		if known == nil {
			return fail("ATTRIBUTE_NOT_SUPPORTED", "[%s] has no attribute [%s]", x.Type, a.Name)
		}
		if err := known.check(x, a); err != nil {
			return err
		}
	}
	for _, a := range t.attributes {
		if a.required && a.kind != "Boolean" && a.kind != "Number" && x.Text(a.name) == "" {
			return fail("PARAMETER_REQUIRED", "Missing required attribute [%s] of [%s]", a.name, x.Key())
		}
	}
	for i := range x.Components {
		s := &x.Components[i]
		known := t.sub(s.Type)
		if known == nil {
			// Lifecycles nest some of their parts in their states, others stand beside them.
			for _, beside := range t.subs {
				known = cmpOr(known, beside.sub(s.Type))
			}
		}
		if known == nil && strings.HasPrefix(t.name, "Objectlifecycle") {
			known = componentTypes()["Objectlifecycle"].sub(s.Type)
		}
		if known == nil {
			return fail("INVALID_DATA", "[%s] has no sub-component [%s]", x.Type, s.Type)
		}
		if err := known.check(s); err != nil {
			return err
		}
	}
	return nil
}

func cmpOr(a, b *componentType) *componentType {
	if a != nil {
		return a
	}
	return b
}

func (a *componentAttribute) check(x *mdl.Component, given mdl.Attribute) error {
	bad := func(format string, args ...any) error {
		return fail("INVALID_DATA", "The attribute [%s] of [%s] %s", a.name, x.Key(), fmt.Sprintf(format, args...))
	}
	if len(given.Values) > 1 && !a.many {
		return bad("takes one value only")
	}
	for _, v := range given.Values {
		switch a.kind {
		case "Boolean":
			if v.Kind != mdl.Bool {
				return bad("takes true or false")
			}
			continue
		case "Number":
			if v.Kind != mdl.Number {
				return bad("takes a number")
			}
			continue
		case "XMLString", "Expression", "SdkCode", "LongString":
		default:
			if v.Kind != mdl.Text {
				return bad("takes a text")
			}
		}
		if a.most > 0 && utf8.RuneCountInString(v.Text) > a.most {
			return bad("is longer than %d characters", a.most)
		}
		if len(a.values) > 0 && v.Text != "" && !slices.Contains(a.values, v.Text) {
			return bad("is none of %s: [%s]", strings.Join(a.values, ", "), v.Text)
		}
	}
	return nil
}

// handleComponentTypes answers GET /api/{v}/metadata/components.
func handleComponentTypes(c *call) (reply, error) {
	data := []body{}
	for _, n := range names(componentTypes()) {
		label := componentLabel(n)
		b := body{"url", "/api/" + c.version + "/metadata/components/" + n, "name", n, "class", componentClass(n), "abbreviation", abbreviation(n), "active", true,
			"label", label, "label_plural", label + "s"}
		if n == "Object" || n == "Objecttype" {
			b = append(b, "cacheable", true)
		}
		data = append(data, b)
	}
	return ok("data", data)
}

// handleComponentType answers GET /api/{v}/metadata/components/{type}.
func handleComponentType(c *call) (reply, error) {
	t := componentTypes()[c.param("type")]
	if t == nil {
		return reply{}, fail("INVALID_DATA", "The component type [%s] does not exist", c.param("type"))
	}
	b := body{"name", t.name, "class", componentClass(t.name), "abbreviation", abbreviation(t.name), "active", true, "attributes", t.attributeBodies()}
	var subs []body
	for _, s := range t.subs {
		subs = append(subs, body{"name", s.name, "json_collection_name", s.name, "attributes", s.attributeBodies()})
	}
	if subs != nil {
		b = append(b, "sub_components", subs)
	}
	return ok("data", b)
}

func (t *componentType) attributeBodies() []body {
	list := []body{}
	for _, a := range t.attributes {
		required := "optional"
		if a.required {
			required = "required"
		}
		b := body{"name", a.name, "type", a.kind, "requiredness", required}
		if a.most > 0 {
			b = append(b, "max_length", a.most)
		}
		b = append(b, "editable", !a.readOnly, "multi_value", a.many)
		if len(a.values) > 0 {
			b = append(b, "enums", a.values)
		}
		list = append(list, b)
	}
	return list
}

// componentClass is code for the types that hold source code.
func componentClass(name string) string {
	if t := componentTypes()[name]; t != nil && t.attribute("source_code") != nil || slices.Contains([]string{"Recordtrigger", "Actiontrigger", "Userdefinedclass",
		"Userdefinedmodel", "Userdefinedservice", "Sdkjob", "Recordworkflowaction", "Emailprocessor", "Customwebapi", "Messagedeliveryeventhandler",
		"Recordmergeeventhandler", "Recordroletrigger"}, name) {
		return "code"
	}
	return "metadata"
}

// abbreviation is three letters of the name. One is known of the platform, SPR; the others are ours.
func abbreviation(name string) string {
	if name == "Securityprofile" {
		return "SPR"
	}
	return strings.ToUpper((name + "XX")[:3])
}

func componentLabel(name string) string {
	if k, known := componentKinds()[name]; known && k.label != "" {
		return k.label
	}
	return name
}
