package devvault

import (
	"fmt"
	"slices"
	"strings"

	"accord/providers/devvault/vql"
)

// condition is a compiled condition. Paths are the ways into the table that it offers: each holds for every row that it accepts.
type condition struct {
	fragment
	ways []way
}

// way is a path to the rows of a condition that is shorter than reading all.
type way struct {
	index    string // of versions; empty when the condition gives version keys
	where    fragment
	estimate bool // may well be most rows: look before it is taken
}

// condition compiles a WHERE.
func (t *table) condition(e vql.Expr) (condition, error) {
	switch e := e.(type) {
	case *vql.And:
		var all condition
		var parts []fragment
		for _, term := range e.Terms {
			c, err := t.condition(term)
			if err != nil {
				return c, err
			}
			parts = append(parts, c.fragment)
			all.ways = append(all.ways, c.ways...)
		}
		all.fragment = join(" AND ", parts...)
		all.sql = "(" + all.sql + ")"
		return all, nil
	case *vql.Or:
		var parts []fragment
		for _, term := range e.Terms {
			c, err := t.condition(term)
			if err != nil {
				return c, err
			}
			parts = append(parts, c.fragment)
		}
		any := condition{fragment: balanced(" OR ", parts)}
		return any, nil
	case *vql.Compare:
		return t.predicate(predicate{field: e.Field, op: e.Op, values: []vql.Value{e.Value}})
	case *vql.Between:
		return t.predicate(predicate{field: e.Field, op: "between", values: []vql.Value{e.Low, e.High}})
	case *vql.Contains:
		return t.predicate(predicate{field: e.Field, op: "in", values: e.Values})
	case *vql.Like:
		return t.predicate(predicate{field: e.Field, op: "like", pattern: e.Pattern})
	case *vql.In:
		return t.inner(e)
	}
	return condition{}, fmt.Errorf("compile query: a condition of type %T", e)
}

// balanced joins many terms as a tree, because the depth of an expression is limited in SQL.
func balanced(separator string, terms []fragment) fragment {
	if len(terms) == 1 {
		return terms[0]
	}
	half := len(terms) / 2
	f := join(separator, balanced(separator, terms[:half]), balanced(separator, terms[half:]))
	f.sql = "(" + f.sql + ")"
	return f
}

// predicate is one field compared: op is a symbol, "in", "between" or "like".
type predicate struct {
	field   vql.Field
	op      string
	values  []vql.Value
	pattern vql.Pattern
}

func (p predicate) fail(format string, args ...any) error {
	pos := p.field.Pos
	if len(p.values) > 0 {
		pos = p.values[0].Pos
	}
	return fail("INVALID_DATA", "The condition on [%s] at line %d, column %d: %s", p.field.Name, pos.Line, pos.Column, fmt.Sprintf(format, args...))
}

func (t *table) predicate(p predicate) (condition, error) {
	col, err := t.column(p.field)
	if err != nil {
		return condition{}, err
	}
	switch p.field.Function {
	case "", "TONAME", "TOLABEL", "CASEINSENSITIVE":
	default:
		return condition{}, p.fail("%s is for the select list only", p.field.Function)
	}
	if len(p.values) == 1 && p.values[0].Kind == vql.Function {
		c, err := col.stateFunction(p)
		return condition{fragment: c}, err
	}
	labelled, err := col.labelled(p.field)
	if err != nil {
		return condition{}, err
	}
	null := len(p.values) == 1 && p.values[0].Kind == vql.Null
	switch {
	case col.several.sql != "":
		c, err := col.whereSeveral(p, labelled, null)
		return condition{fragment: c}, err
	case labelled && !null:
		return col.whereLabel(p)
	case col.field.Name == "object_type__v" && t.object != nil && !null:
		return col.whereTypeID(p)
	}
	return col.where1(p)
}

// inner compiles id IN (SELECT … FROM relationship WHERE …). What stands before IN is a convention only.
func (t *table) inner(e *vql.In) (condition, error) {
	s := e.Select
	r, err := t.relation(s.Target)
	if err != nil {
		return condition{}, err
	}
	if _, err := t.column(e.Field); err != nil {
		return condition{}, err
	}
	for _, c := range s.Columns {
		if c.Select != nil {
			return condition{}, fail("INVALID_DATA", "The sub-select on [%s] at line %d, column %d takes fields only", s.Target.Text, s.Target.Pos.Line, s.Target.Pos.Column)
		}
		if _, err := r.far.column(c.Field); err != nil {
			return condition{}, err
		}
	}
	*r.far.joins = nil
	r.far.joined = map[string]*table{}
	where := slices.Clone(r.scope)
	if s.Where != nil {
		c, err := r.far.condition(s.Where)
		if err != nil {
			return condition{}, err
		}
		where = append(where, c.fragment)
	}
	from := join(" ", append([]fragment{r.from}, *r.far.joins...)...)
	f := join(" ", sqlf(r.key+" IN (SELECT "+r.parent+" FROM"), from, sqlf("WHERE"), join(" AND ", where...), sqlf(")"))
	c := condition{fragment: f}
	if t.labels {
		c.ways = []way{{where: f}}
	}
	return c, nil
}

// relation opens a relationship to many; the error names those that are near.
func (t *table) relation(name vql.Name) (*relation, error) {
	if err := t.q.relate(t, name.Text, name.Pos); err != nil {
		return nil, err
	}
	r, err := t.many(name.Text)
	if err != nil {
		return nil, err
	}
	if r == nil {
		var known []string
		for _, x := range t.relationships() {
			known = append(known, x[1].(string))
		}
		return nil, fail("INVALID_DATA", "The relationship [%s] of [%s] is not known at line %d, column %d%s", name.Text, t.target, name.Pos.Line, name.Pos.Column,
			didYouMean(name.Text, known))
	}
	r.far.target = name.Text
	return r, nil
}

// found compiles FIND: all words of an AND, one of an OR, in the texts of the scope, in any case.
func (t *table) found(find *vql.Find) (fragment, error) {
	if t.object != nil && t.object.Raw {
		return fragment{}, fail("INVALID_DATA", "FIND at line %d, column %d: the raw object [%s] cannot be searched", find.Pos.Line, find.Pos.Column, t.target)
	}
	columns, err := t.scopeColumns(find)
	if err != nil {
		return fragment{}, err
	}
	var any []fragment
	for _, alternative := range strings.Split(find.Phrase, " OR ") {
		var all []fragment
		for _, word := range strings.Split(alternative, " AND ") {
			word = strings.ToLower(strings.Trim(strings.TrimSpace(word), "*\""))
			var one []fragment
			for _, col := range columns {
				f := sqlf("instr(lower("+col.sql+"), ?) > 0", word)
				if col.several.sql != "" {
					f = join(" ", sqlf("EXISTS (SELECT 1 FROM"), col.several, sqlf("WHERE"), join(" AND ", append(slices.Clone(col.where), f)...), sqlf(")"))
				}
				one = append(one, f)
			}
			if len(one) == 0 {
				one = append(one, never())
			}
			f := balanced(" OR ", one)
			f.sql = "coalesce(" + f.sql + ", 0)"
			all = append(all, f)
		}
		any = append(any, balanced(" AND ", all))
	}
	f := balanced(" OR ", any)
	if find.Not {
		f.sql = "NOT " + f.sql
	}
	f.sql = "(" + f.sql + ")"
	return f, nil
}

func (t *table) scopeColumns(find *vql.Find) ([]*column, error) {
	var columns []*column
	if len(find.Scope) == 1 && find.Scope[0] == "CONTENT" {
		return nil, nil // no content is searched here
	}
	if len(find.Scope) == 0 || find.Scope[0] == "PROPERTIES" || find.Scope[0] == "ALL" {
		for _, f := range t.fields.list {
			if (f.Type == typeString || f.Type == typeLongText) && !f.Computed {
				columns = append(columns, t.own(f))
			}
		}
		return columns, nil
	}
	if len(find.Scope) > 25 {
		return nil, fail("INVALID_DATA", "FIND at line %d, column %d takes 25 fields at most", find.Pos.Line, find.Pos.Column)
	}
	for _, name := range find.Scope {
		col, err := t.column(vql.Field{Pos: find.Pos, Name: name})
		if err != nil {
			return nil, err
		}
		columns = append(columns, col)
	}
	return columns, nil
}
