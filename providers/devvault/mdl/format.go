package mdl

import "strings"

// Format prints a component as the canonical RECREATE statement, without a newline at the end: attributes first, then
// sub-components, each in their order. Commands inside it are not printed.
func Format(c Component) string {
	c.Command = Recreate
	return Statement{Component: c}.String()
}

// String prints the statement in canonical form.
func (s Statement) String() string {
	var b strings.Builder
	writeComponent(&b, &s.Component, s.Condition, 0)
	b.WriteByte(';')
	return b.String()
}

func writeComponent(b *strings.Builder, c *Component, condition Condition, depth int) {
	if c.Command != "" {
		b.WriteString(string(c.Command) + " ")
	}
	b.WriteString(c.Type + " ")
	if condition != Always {
		b.WriteString(string(condition) + " ")
	}
	b.WriteString(c.Name)
	switch c.Command {
	case Drop:
		return
	case Rename:
		b.WriteString(" TO " + c.Newname)
		return
	}
	if depth == 0 {
		b.WriteByte(' ')
	}
	b.WriteByte('(')
	alter := c.Command == Alter || c.Command == Modify
	separator := ""
	for i := range c.Attributes {
		b.WriteString(separator)
		separator = ","
		newline(b, depth+1)
		writeAttribute(b, &c.Attributes[i], alter)
	}
	for i := range c.Components {
		b.WriteString(separator)
		separator = ","
		newline(b, depth+1)
		sub := c.Components[i]
		if !alter {
			sub.Command = ""
		}
		writeComponent(b, &sub, Always, depth+1)
	}
	newline(b, depth)
	b.WriteByte(')')
}

func newline(b *strings.Builder, depth int) {
	b.WriteByte('\n')
	for range depth {
		b.WriteString("   ")
	}
}

func writeAttribute(b *strings.Builder, a *Attribute, alter bool) {
	b.WriteString(a.Name)
	if alter && a.Command != "" {
		b.WriteString(" " + string(a.Command) + " ")
	}
	b.WriteByte('(')
	for i, v := range a.Values {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(v.String())
	}
	b.WriteByte(')')
}

// String prints the value as MDL. XML whose braces do not balance has no brace form and is printed as text.
func (v Value) String() string {
	switch {
	case v.Kind == Bool || v.Kind == Number:
		return v.Text
	case v.Kind == XML && braceLength("{"+v.Text+"}") == len(v.Text)+2:
		return "{" + v.Text + "}"
	}
	return "'" + strings.ReplaceAll(v.Text, "'", "''") + "'"
}
