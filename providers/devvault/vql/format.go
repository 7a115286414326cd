package vql

import (
	"strconv"
	"strings"
)

// String prints the query in one line; parsing it again gives the same tree but for positions.
func (s *Select) String() string {
	var b strings.Builder
	s.write(&b)
	return b.String()
}

// String prints the query in one line.
func (s *Show) String() string {
	text := "SHOW " + s.What
	if s.Target.Text != "" {
		text += " FROM " + s.Target.Text
	}
	if s.Pattern != nil {
		text += " LIKE " + s.Pattern.String()
	}
	return text
}

func (s *Select) write(b *strings.Builder) {
	b.WriteString("SELECT ")
	if s.Latest {
		b.WriteString("LATESTVERSION ")
	}
	for i, c := range s.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		if c.Select != nil {
			b.WriteByte('(')
			c.Select.write(b)
			b.WriteByte(')')
		} else {
			b.WriteString(c.Field.String())
		}
		if c.Alias != "" {
			b.WriteString(" AS " + c.Alias)
		}
	}
	b.WriteString(" FROM ")
	if s.All {
		b.WriteString("ALLVERSIONS ")
	}
	b.WriteString(s.Target.Text)
	if s.Find != nil {
		b.WriteString(" FIND (" + s.Find.String() + ")")
	}
	if s.Where != nil {
		b.WriteString(" WHERE ")
		write(b, s.Where)
	}
	for i, o := range s.OrderBy {
		b.WriteString([2]string{", ", " ORDER BY "}[btoi(i == 0)] + o.Field.String())
		if o.Desc {
			b.WriteString(" DESC")
		}
	}
	for _, clause := range []struct {
		keyword string
		n       *int
	}{{"SKIP", s.Skip}, {"MAXROWS", s.Maxrows}, {"PAGESIZE", s.Pagesize}, {"PAGEOFFSET", s.Pageoffset}} {
		if clause.n != nil {
			b.WriteString(" " + clause.keyword + " " + strconv.Itoa(*clause.n))
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// String prints the field with its function.
func (f Field) String() string {
	if f.Function != "" {
		return f.Function + "(" + f.Name + ")"
	}
	return f.Name
}

// String prints what stands inside the parentheses of FIND.
func (f *Find) String() string {
	text := quote(f.Phrase)
	if f.Not {
		text = "NOT " + text
	}
	if len(f.Scope) > 0 {
		text += " SCOPE " + strings.Join(f.Scope, ", ")
	}
	return text
}

func write(b *strings.Builder, e Expr) {
	switch e := e.(type) {
	case *And:
		join(b, e.Terms, " AND ")
	case *Or:
		join(b, e.Terms, " OR ")
	case *Compare:
		b.WriteString(e.Field.String() + " " + e.Op + " " + e.Value.String())
	case *Like:
		b.WriteString(e.Field.String() + " LIKE " + e.Pattern.String())
	case *Between:
		b.WriteString(e.Field.String() + " BETWEEN " + e.Low.String() + " AND " + e.High.String())
	case *Contains:
		b.WriteString(e.Field.String() + " CONTAINS (")
		for i, v := range e.Values {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(v.String())
		}
		b.WriteByte(')')
	case *In:
		b.WriteString(e.Field.String() + " IN (")
		e.Select.write(b)
		b.WriteByte(')')
	}
}

func join(b *strings.Builder, terms []Expr, separator string) {
	for i, term := range terms {
		if i > 0 {
			b.WriteString(separator)
		}
		switch term.(type) {
		case *And, *Or:
			b.WriteByte('(')
			write(b, term)
			b.WriteByte(')')
		default:
			write(b, term)
		}
	}
}

// String prints the value as VQL.
func (v Value) String() string {
	switch v.Kind {
	case String:
		return quote(v.Text)
	case Null:
		return "null"
	case Date:
		if dateWords[v.Text] {
			return v.Text + ":" + strconv.Itoa(v.Count)
		}
	case Function:
		if valueFunctions[v.Text] {
			return v.Text + "(" + quote(v.Argument) + ")"
		}
		return v.Text + "()"
	}
	return v.Text
}

// String prints the pattern as a quoted text.
func (p Pattern) String() string {
	pieces := make([]string, len(p))
	for i, piece := range p {
		pieces[i] = escaper.Replace(piece)
	}
	return "'" + strings.Join(pieces, "%") + "'"
}

var escaper = strings.NewReplacer(`\`, `\\`, `'`, `\'`, `%`, `\%`, "\n", `\n`, "\t", `\t`, "\r", `\r`)

func quote(text string) string { return "'" + escaper.Replace(text) + "'" }
