// Package mdl reads and writes MDL, the component language of Vault: CREATE, RECREATE, ALTER, DROP and RENAME
// statements with attributes and sub-components.
//
// It knows the grammar only. Which component types exist, which attributes they take and what a statement does to a
// vault is for its caller; the one piece of meaning kept here is Apply, because it follows from the grammar alone.
//
// Start at Parse and at the type Component. Format is the canonical text: Format of what Parse read from it is the
// same bytes.
package mdl

import "accord/providers/devvault/scan"

// Command is the verb of a statement or, inside an ALTER body, of a sub-component.
type Command string

const (
	Create   Command = "CREATE"
	Recreate Command = "RECREATE"
	Alter    Command = "ALTER"
	Drop     Command = "DROP"
	Rename   Command = "RENAME"

	// Add and Modify are written before sub-components of an ALTER only; Drop and Rename may stand there too.
	Add    Command = "ADD"
	Modify Command = "MODIFY"
)

// Condition is what may stand between a statement's type and its name.
type Condition string

const (
	Always      Condition = ""
	IfExists    Condition = "IF EXISTS"
	IfNotExists Condition = "IF NOT EXISTS"
)

// Pos is a place in the source.
type Pos = scan.Pos

// Statement is one command on one component.
type Statement struct {
	Condition Condition
	Component
}

// Component is a component or a sub-component. Attributes and Components keep the order of the source.
//
// Command is the statement's verb at the top. For a sub-component it is empty, except directly inside an ALTER or
// MODIFY body, where it is ADD, MODIFY, DROP or RENAME. Newname is set for RENAME only.
type Component struct {
	Pos        Pos
	Command    Command
	Type       string
	Name       string
	Newname    string
	Attributes []Attribute
	Components []Component
}

// Attribute is a name with its values. No values means unset: `attr()`.
// Command is ADD or DROP for `attr ADD (…)` inside an ALTER body, else empty: the values replace the former ones.
type Attribute struct {
	Pos     Pos
	Name    string
	Command Command
	Values  []Value
}

// Kind says how a value is written.
type Kind byte

const (
	Text   Kind = iota // 'text', with '' for a quote inside
	Bool               // true, false
	Number             // 12, -3.5
	XML                // {…}; braces inside are balanced
)

// Value is one value of an attribute. Text is unquoted; for Bool and Number it is the literal as written.
type Value struct {
	Kind Kind
	Text string
}

// Key is the full name of a component, `Type.name`, as Vault prints it.
func (c *Component) Key() string { return c.Type + "." + c.Name }

// Attribute returns the attribute of that name, or nil.
func (c *Component) Attribute(name string) *Attribute {
	for i := range c.Attributes {
		if c.Attributes[i].Name == name {
			return &c.Attributes[i]
		}
	}
	return nil
}

// Text returns the first value of an attribute as text, or "" when it is absent or unset.
func (c *Component) Text(name string) string {
	if a := c.Attribute(name); a != nil && len(a.Values) > 0 {
		return a.Values[0].Text
	}
	return ""
}

// True reports whether the attribute is present with the value true. Absent and false are the same.
func (c *Component) True(name string) bool { return c.Text(name) == "true" }

// List returns all values of an attribute as text.
func (c *Component) List(name string) []string {
	a := c.Attribute(name)
	if a == nil {
		return nil
	}
	list := make([]string, len(a.Values))
	for i, v := range a.Values {
		list[i] = v.Text
	}
	return list
}

// Component returns the sub-component of that type and name, or nil.
func (c *Component) Component(typ, name string) *Component {
	for i := range c.Components {
		if c.Components[i].Type == typ && c.Components[i].Name == name {
			return &c.Components[i]
		}
	}
	return nil
}

// Clone returns a copy that shares nothing with c.
func (c Component) Clone() Component {
	attributes := make([]Attribute, len(c.Attributes))
	for i, a := range c.Attributes {
		a.Values = append([]Value(nil), a.Values...)
		attributes[i] = a
	}
	components := make([]Component, len(c.Components))
	for i, sub := range c.Components {
		components[i] = sub.Clone()
	}
	c.Attributes, c.Components = nil, nil
	if len(attributes) > 0 {
		c.Attributes = attributes
	}
	if len(components) > 0 {
		c.Components = components
	}
	return c
}
