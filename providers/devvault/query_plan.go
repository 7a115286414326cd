package devvault

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"accord/providers/devvault/vql"
)

// plan is a compiled SELECT: what is read from where, and how a row of it is answered.
type plan struct {
	q      *compiler
	s      *vql.Select
	t      *table
	way    *way       // the way taken into versions, if it is not by key
	from   fragment   // all that follows FROM
	where  []fragment // conditions without the bound
	rest   vql.Expr   // WHERE without the bound
	bound  *bound     // the top condition `f > x` that callers page by, kept apart from where
	order  []fragment
	paged  string // the unique field in whose ascending order rows come: id, external_id__v; empty when it is another order
	read   []fragment
	output []output
	subs   []*subplan

	properties *properties // what headers ask for beside the rows; nil when nothing
}

// bound is a condition f > x that stands at the top of WHERE, where f is the unique field that the rows are in order of.
// Callers page with it, so counting takes it into account.
type bound struct {
	value string // as JSON
	condition
}

// subplan is a sub-select of the select list, read for all rows of a page at once.
type subplan struct {
	*plan
	relation *relation
	pagesize int
	skip     int
	maxrows  int
}

const (
	maxPage = 1000
	subPage = 250
)

// plan compiles a SELECT.
func (q *compiler) plan(s *vql.Select) (*plan, error) {
	t, err := q.table(s.Target)
	if err != nil {
		return nil, err
	}
	if !t.labels && (s.All || s.Latest) {
		return nil, fail("INVALID_DATA", "ALLVERSIONS and LATESTVERSION are for documents, not for [%s]", s.Target.Text)
	}
	p := &plan{q: q, s: s, t: t}
	p.readKey()
	if err := p.columns(s); err != nil {
		return nil, err
	}
	p.paged = pagedBy(t, s)
	ways, err := p.conditions(s)
	if err != nil {
		return nil, err
	}
	if err := p.orderBy(s); err != nil {
		return nil, err
	}
	p.from = t.from
	switch {
	case t.labels:
		if err := p.versions(s, ways); err != nil {
			return nil, err
		}
	case t.fields == nodeFields:
		p.nodes(s)
	case t.fields == relationshipFields:
		p.relationships(s)
	}
	p.where = append(p.where, t.scope...)
	p.wantProperties()
	p.from = join(" ", append([]fragment{p.from}, *t.joins...)...)
	return p, nil
}

// readKey puts what a row is known by in front: the key by which its page is kept, and what sub-selects hang on.
func (p *plan) readKey() {
	key := p.t.key
	if key == "" {
		key = "0"
	}
	p.read = append(p.read, sqlf(key))
}

// conditions compiles WHERE and FIND and takes the bound apart.
func (p *plan) conditions(s *vql.Select) ([]way, error) {
	where := s.Where
	var ways []way
	if rest, lower := splitBound(where, p.paged); lower != nil {
		c, err := p.t.condition(lower)
		if err != nil {
			return nil, err
		}
		p.bound = &bound{string(appendString(nil, lower.Value.Text)), c}
		if n, err := strconv.ParseInt(lower.Value.Text, 10, 64); err == nil && p.t.object == nil && p.paged == "id" {
			p.bound.value = strconv.FormatInt(n, 10)
		}
		ways = c.ways
		where = rest
	}
	p.rest = where
	if where != nil {
		c, err := p.t.condition(where)
		if err != nil {
			return nil, err
		}
		p.where = append(p.where, c.fragment)
		ways = append(ways, c.ways...)
	}
	if s.Find != nil {
		f, err := p.t.found(s.Find)
		if err != nil {
			return nil, err
		}
		p.where = append(p.where, f)
	}
	return ways, nil
}

// pagedBy is the unique field in whose order the rows come, and no other; empty when there is none.
func pagedBy(t *table, s *vql.Select) string {
	name := "id"
	if len(s.OrderBy) > 0 {
		o := s.OrderBy[0]
		if len(s.OrderBy) > 1 || o.Desc || o.Field.Function != "" {
			return ""
		}
		name = o.Field.Name
	}
	if t.labels && name == "ID" {
		name = "id"
	}
	f := t.fields.get(name)
	if t.key == "" || f == nil || f.Name != "id" && (!f.Unique || f.Column == "" || s.All) {
		return ""
	}
	return name
}

// splitBound takes the first `name > x` out of the terms of a top AND.
func splitBound(e vql.Expr, name string) (rest vql.Expr, lower *vql.Compare) {
	isBound := func(e vql.Expr) bool {
		c, ok := e.(*vql.Compare)
		return ok && name != "" && c.Op == ">" && (c.Field.Name == name || name == "id" && c.Field.Name == "ID") && c.Field.Function == "" && c.Value.Kind != vql.Date
	}
	if isBound(e) {
		return nil, e.(*vql.Compare)
	}
	and, ok := e.(*vql.And)
	if !ok {
		return e, nil
	}
	i := slices.IndexFunc(and.Terms, isBound)
	if i < 0 {
		return e, nil
	}
	terms := slices.Delete(slices.Clone(and.Terms), i, i+1)
	if len(terms) == 1 {
		return terms[0], and.Terms[i].(*vql.Compare)
	}
	return &vql.And{Terms: terms}, and.Terms[i].(*vql.Compare)
}

func (p *plan) orderBy(s *vql.Select) error {
	for _, o := range s.OrderBy {
		col, err := p.t.column(o.Field)
		if err != nil {
			return err
		}
		labelled, err := col.labelled(o.Field)
		if err != nil {
			return err
		}
		f, err := col.sorted(labelled)
		if err != nil {
			return err
		}
		if col.id != "" && col.table == p.t {
			f = sqlf(col.id)
		}
		if o.Desc {
			f.sql += " DESC"
		}
		// Documents and objects put nulls last both ways; elsewhere they come first going up, as in SQL.
		if (p.t.labels || p.t.object != nil) && !col.fixed && !p.isNotNull(o.Field.Name) {
			f.sql += " NULLS LAST"
		}
		p.order = append(p.order, f)
	}
	for _, o := range p.t.order {
		p.order = append(p.order, sqlf(o))
	}
	return nil
}

// isNotNull reports whether a top condition leaves out the rows in which the field is null.
func (p *plan) isNotNull(name string) bool {
	for _, e := range topTerms(p.s.Where) {
		switch e := e.(type) {
		case *vql.Compare:
			if e.Field.Name == name && (e.Op != "!=" && e.Value.Kind != vql.Null || e.Op == "!=" && e.Value.Kind == vql.Null) {
				return true
			}
		case *vql.Like:
			if e.Field.Name == name {
				return true
			}
		}
	}
	return false
}

func topTerms(e vql.Expr) []vql.Expr {
	if and, ok := e.(*vql.And); ok {
		return and.Terms
	}
	return []vql.Expr{e}
}

// mentions reports whether a top condition or the first order is of the field.
func mentions(s *vql.Select, fields ...string) bool {
	for _, e := range topTerms(s.Where) {
		f := ""
		switch e := e.(type) {
		case *vql.Compare:
			f = e.Field.Name
		case *vql.Contains:
			f = e.Field.Name
		case *vql.Between:
			f = e.Field.Name
		}
		if slices.Contains(fields, f) {
			return true
		}
	}
	return len(s.OrderBy) > 0 && slices.Contains(fields, s.OrderBy[0].Field.Name)
}

// nodes keeps to this vault, and leads by content where that is asked for.
func (p *plan) nodes(s *vql.Select) {
	a, slot := p.t.alias, p.q.c.v.slot
	if mentions(s, "content_id__sys") {
		p.where = append(p.where, sqlf(a+".slot = ?", slot))
		return
	}
	p.where = append(p.where, sqlf(a+".version >= ? AND "+a+".version < ?", versionKey(slot, 0, 0), versionKey(slot+1, 0, 0)))
}

// relationships keeps to this vault, and leads by source or target where one is asked for.
func (p *plan) relationships(s *vql.Select) {
	plus := "+"
	if mentions(s, "source_doc_id__v", "target_doc_id__v") {
		plus = ""
	}
	p.where = append(p.where, sqlf(plus+p.t.alias+".slot = ?", p.q.c.v.slot))
}

// maxProbe is how many rows a way by range may lead to at most; above it, reading in order of id is better.
const maxProbe = 5000

// versions chooses which versions of documents are meant, and the way to them.
func (p *plan) versions(s *vql.Select, ways []way) error {
	t, slot := p.t, p.q.c.v.slot
	latest := !s.All
	if latest {
		t.scope = append(t.scope, sqlf(t.alias+".latest = 1"))
	} else if s.Latest {
		newest, err := p.newest(s)
		if err != nil {
			return err
		}
		p.where = append(p.where, newest)
	}
	chosen, err := p.chooseWay(s, ways, latest)
	if err != nil {
		return err
	}
	switch {
	case chosen == nil && s.Target.Text == "binders":
		p.from = sqlf("versions " + t.alias + " INDEXED BY versions_binders")
		t.scope = append(t.scope, sqlf(t.alias+".slot = ?", slot))
	case chosen == nil:
		p.from = sqlf("versions " + t.alias + " NOT INDEXED")
		t.scope = append(t.scope, sqlf(t.alias+".key >= ? AND "+t.alias+".key < ?", versionKey(slot, 0, 0), versionKey(slot+1, 0, 0)))
	case chosen.index == "":
		p.from = sqlf("versions " + t.alias + " NOT INDEXED")
		t.scope = append(t.scope, sqlf("+"+t.alias+".slot = ?", slot))
	default:
		p.from = sqlf("versions " + t.alias + " INDEXED BY " + chosen.index)
		t.scope = append(t.scope, sqlf(t.alias+".slot = ?", slot))
	}
	p.way = chosen
	return nil
}

// newest leaves, of the versions of a document that match, the newest. Most often that is its latest version.
func (p *plan) newest(s *vql.Select) (fragment, error) {
	w := p.q.documents(p.q.alias(), s.Target.Text == "binders")
	w.rowid = "+" + w.key // there are few versions of a document, and many keys in a list
	all := append([]fragment{sqlf(fmt.Sprintf("%s.key > %s.key AND %[1]s.key <= (%[2]s.key | %d)", w.alias, p.t.alias, maxSeq))}, w.scope...)
	if p.rest != nil { // a bound by id holds for all versions of a document or none
		c, err := w.condition(p.rest)
		if err != nil {
			return fragment{}, err
		}
		all = append(all, c.fragment)
	}
	if s.Find != nil {
		f, err := w.found(s.Find)
		if err != nil {
			return fragment{}, err
		}
		all = append(all, f)
	}
	from := join(" ", append([]fragment{sqlf("versions " + w.alias + " NOT INDEXED")}, *w.joins...)...)
	return join(" ", sqlf("("+p.t.alias+".latest = 1 OR NOT EXISTS (SELECT 1 FROM"), from, sqlf("WHERE"), join(" AND ", all...), sqlf("))")), nil
}

// chooseWay picks the way into versions: by keys, by an index that leads to few rows or gives the order, by type, or nil for all in order.
func (p *plan) chooseWay(s *vql.Select, ways []way, latest bool) (*way, error) {
	var byType *way
	for i := range ways {
		w := &ways[i]
		switch {
		case w.index == "":
			return w, nil
		case w.index == "versions_type":
			byType = w
		case !latest && w.index != "versions_modified":
			// the other indexes are of latest versions only
		case !w.estimate || p.orderedBy(s, w.index):
			return w, nil
		default:
			few, err := p.leadsToFew(w, latest)
			if err != nil {
				return nil, err
			}
			if few {
				return w, nil
			}
		}
	}
	if s.Target.Text == "binders" {
		return nil, nil
	}
	return byType, nil
}

// orderedBy reports whether the rows are asked for in the order of an index.
func (p *plan) orderedBy(s *vql.Select, index string) bool {
	if len(s.OrderBy) == 0 {
		return false
	}
	col, err := p.t.column(s.OrderBy[0].Field)
	return err == nil && col.table == p.t && col.index == index
}

func (p *plan) leadsToFew(w *way, latest bool) (bool, error) {
	a := p.t.alias
	where := []fragment{sqlf(a+".slot = ?", p.q.c.v.slot), w.where}
	if latest && w.index != "versions_modified" {
		where = append(where, sqlf(a+".latest = 1"))
	}
	f := join(" ", sqlf("SELECT count(*) FROM (SELECT 1 FROM versions "+a+" INDEXED BY "+w.index+" WHERE"), join(" AND ", where...), sqlf("LIMIT ?)", maxProbe+1))
	n, err := p.q.c.s.queries.count(p.q.c, f)
	return n <= maxProbe, err
}

// columns compiles the select list.
func (p *plan) columns(s *vql.Select) error {
	seen := map[string]bool{}
	for _, c := range s.Columns {
		if seen[c.Key()] {
			return fail("INVALID_DATA", "[%s] is selected twice at line %d, column %d; name one of them with AS", c.Key(), c.Field.Pos.Line, c.Field.Pos.Column)
		}
		seen[c.Key()] = true
		o := output{prefix: string(appendString(nil, c.Key())) + ":", at: -1}
		if c.Select != nil {
			sub, err := p.sub(c.Select)
			if err != nil {
				return err
			}
			o.sub = len(p.subs)
			o.kind = answerSub
			p.subs = append(p.subs, sub)
		} else if err := p.field(c.Field, &o); err != nil {
			return err
		}
		p.output = append(p.output, o)
	}
	return nil
}

// fetch adds an expression to what is read and returns its place.
func (p *plan) fetch(f fragment) int {
	for i, r := range p.read {
		if r.sql == f.sql && slices.Equal(r.args, f.args) {
			return i
		}
	}
	p.read = append(p.read, f)
	return len(p.read) - 1
}

// field says where the value of a selected field comes from and how it is answered.
func (p *plan) field(f vql.Field, o *output) error {
	col, err := p.t.column(f)
	if err != nil {
		return err
	}
	labelled, err := col.labelled(f)
	if err != nil {
		return err
	}
	o.field, o.function = col.field, f.Function
	if f.Function == "CASEINSENSITIVE" {
		return fail("INVALID_DATA", "CASEINSENSITIVE(%s) at line %d, column %d is for WHERE only", f.Name, f.Pos.Line, f.Pos.Column)
	}
	if labelled {
		o.domain = col.domain
	}
	if col.several.sql != "" && col.json == "" { // of the records that a document lists
		o.kind = answerRaw
		o.at = p.fetch(join(" ", sqlf("(SELECT json_group_array("+col.sql+") FROM"), col.several, sqlf("WHERE"), join(" AND ", col.where...), sqlf(")")))
		return nil
	}
	if col.json != "" && !col.field.decimals() {
		o.kind = answerJSON
		o.name = col.json
		o.at = p.fetch(sqlf(col.table.alias + ".fields"))
		return nil
	}
	if far := col.table; far.labels && (col.id != "" || col.field.Name == "version_id" || col.field.Name == "global_version_id__sys") {
		p.versionID(far, col, o)
		return nil
	}
	switch {
	case o.domain != nil && o.domain.within != "":
		o.kind = answerLabel
		o.at = p.fetch(sqlf(col.domain.within + " || '/' || " + col.sql))
		return nil
	case col.field.Name == "object_type__v" && col.table.object != nil:
		o.kind, o.object = answerType, col.table.object
	case o.domain != nil:
		o.kind = answerLabel
		o.wrap = col.field.Type == typePicklist
	case col.field.decimals():
		o.kind = answerAmount
	case col.field.Type == typePicklist:
		o.kind, o.wrap = answerText, true
	case col.form == heldBool:
		o.kind = answerBool
	case col.form == heldMillis:
		o.kind = answerMillis
	default:
		o.kind = answerText
	}
	o.at = p.fetch(sqlf(col.sql))
	return nil
}

// versionID answers the ids of documents and versions from the version's key.
func (p *plan) versionID(t *table, col *column, o *output) {
	o.at, o.vault = p.fetch(sqlf(t.key)), p.q.c.v.id
	switch col.field.Name {
	case "id":
		o.kind = answerDoc
	case "global_id__sys":
		o.kind = answerGlobal
	case "global_version_id__sys":
		o.kind = answerGlobalVersion
	case "version_id":
		o.kind = answerVersion
		o.major, o.minor = p.fetch(sqlf(t.alias+".major")), p.fetch(sqlf(t.alias+".minor"))
	}
}

// sub compiles a sub-select of the select list.
func (p *plan) sub(s *vql.Select) (*subplan, error) {
	r, err := p.t.relation(s.Target)
	if err != nil {
		return nil, err
	}
	if s.All || s.Latest || s.Find != nil {
		return nil, fail("INVALID_DATA", "The sub-select on [%s] at line %d, column %d takes neither versions nor FIND", s.Target.Text, s.Target.Pos.Line, s.Target.Pos.Column)
	}
	sub := &subplan{plan: &plan{q: p.q, s: s, t: r.far}, relation: r, pagesize: subPage, maxrows: -1}
	sub.read = append(sub.read, sqlf(r.parent))
	if err := sub.columns(s); err != nil {
		return nil, err
	}
	if _, err := sub.conditions(s); err != nil {
		return nil, err
	}
	if err := sub.orderBy(s); err != nil {
		return nil, err
	}
	if sub.bound != nil {
		sub.where = append(sub.where, sub.bound.fragment)
	}
	sub.where = append(sub.where, r.scope...)
	sub.from = join(" ", append([]fragment{r.from}, *r.far.joins...)...)
	if s.Pagesize != nil {
		sub.pagesize = min(*s.Pagesize, subPage)
	}
	if s.Skip != nil {
		sub.skip = *s.Skip
	}
	if s.Pageoffset != nil {
		sub.skip += *s.Pageoffset
	}
	if s.Maxrows != nil {
		sub.maxrows = *s.Maxrows
	}
	p.near(r)
	return sub, nil
}

// near reads what a relationship hangs on, if it is not the row's key.
func (p *plan) near(r *relation) { r.at = p.fetch(sqlf(r.key)) }

func (p *plan) allWhere() fragment {
	where := p.where
	if p.bound != nil { // first, so that it is what the reading starts from
		where = append([]fragment{p.bound.fragment}, where...)
	}
	if len(where) == 0 {
		return sqlf("1")
	}
	return join(" AND ", where...)
}

// page is the statement that reads rows.
func (p *plan) page(limit, offset int) fragment {
	f := join(" ", sqlf("SELECT"), join(", ", p.read...), sqlf("FROM"), p.from, sqlf("WHERE"), p.allWhere(), sqlf("ORDER BY"), join(", ", p.order...), sqlf("LIMIT ?", limit))
	if offset > 0 {
		f = join(" ", f, sqlf("OFFSET ?", offset))
	}
	return f
}

// count is the statement that counts rows, up to limit where that is not negative.
func (p *plan) count(limit int) fragment {
	if limit < 0 {
		return join(" ", sqlf("SELECT count(*) FROM"), p.from, sqlf("WHERE"), p.allWhere())
	}
	return join(" ", sqlf("SELECT count(*) FROM (SELECT 1 FROM"), p.from, sqlf("WHERE"), p.allWhere(), sqlf("LIMIT ?)", limit))
}

// countRest is the statement that counts the rows that are of the same document as key but come after it. With ALLVERSIONS a page may end
// in the middle of a document, whose other versions `id > last` then leaves out.
func (p *plan) countRest(key int64) fragment {
	return join(" ", sqlf("SELECT count(*) FROM"), p.from, sqlf("WHERE"), p.allWhere(), sqlf("AND "+p.t.key+" > ? AND "+p.t.key+" <= ?", key, key|maxSeq))
}

// keys is the statement that reads the keys of all rows in order.
func (p *plan) keys(limit, offset int) fragment {
	return join(" ", sqlf("SELECT "+p.t.key+" FROM"), p.from, sqlf("WHERE"), p.allWhere(), sqlf("ORDER BY"), join(", ", p.order...), sqlf("LIMIT ? OFFSET ?", limit, offset))
}

// rowsOf is the statement that reads the rows of some keys, in their order.
func (p *plan) rowsOf(keys []int64) fragment {
	values := make([]any, len(keys))
	for i, k := range keys {
		values[i] = k
	}
	from := p.from
	if p.t.labels { // whatever way led to the keys, they lead to the rows
		_, rest, _ := strings.Cut(from.sql, " INDEXED BY ")
		if rest != "" {
			_, joins, _ := strings.Cut(rest+" ", " ")
			from.sql = "versions " + p.t.alias + " NOT INDEXED " + joins
		}
	}
	return join(" ", sqlf("SELECT"), join(", ", p.read...), sqlf("FROM json_each(?) page CROSS JOIN", jsonList(values)), from,
		sqlf("WHERE "+p.t.key+" = page.value ORDER BY page.key"))
}

// children is the statement that reads the rows of a sub-select for some rows of its parent.
func (s *subplan) children(parents []any) fragment {
	where := append([]fragment{sqlf(s.relation.parent+" IN (SELECT value FROM json_each(?))", jsonList(parents))}, s.where...)
	return join(" ", sqlf("SELECT"), join(", ", s.read...), sqlf("FROM"), s.from, sqlf("WHERE"), join(" AND ", where...),
		sqlf("ORDER BY "+s.relation.parent+","), join(", ", s.order...))
}
