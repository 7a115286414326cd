package devvault

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"accord/providers/devvault/vql"
)

// stateFunction compiles status__v = STEADYSTATE() and its kin.
func (col *column) stateFunction(p predicate) (fragment, error) {
	v := p.values[0]
	if v.Text == "STATETYPE" {
		if col.field.Name != "state__v" || col.table.object == nil {
			return fragment{}, p.fail("STATETYPE is for state__v of objects")
		}
		// The state type complete_state__sys is the label base:object_lifecycle:complete.
		flow := col.table.q.cat.stateflows[col.table.object.Lifecycle]
		f := col.among(flow.kind(strings.TrimSuffix(v.Argument, "_state__sys")))
		if p.op == "!=" {
			f.sql = "NOT coalesce(" + f.sql + ", 0)"
		}
		return f, nil
	}
	if col.field.Name != "status__v" || !col.table.labels || p.field.Function != "" {
		return fragment{}, p.fail("%s() is for status__v of documents", v.Text)
	}
	kind := map[string]string{"STEADYSTATE": "steady", "OBSOLETESTATE": "obsolete", "SUPERSEDEDSTATE": "superseded", "DELETEDSTATE": "deleted"}[v.Text]
	var states []string
	for _, s := range col.table.q.cat.statesOf(kind) {
		states = append(states, s[0]+"/"+s[1])
	}
	f := col.among(states)
	if p.op == "!=" {
		f.sql = "NOT " + f.sql
	}
	return f, nil
}

// among is true for the given names; of a domain within another column they are "lifecycle/state".
func (col *column) among(values []string) fragment {
	if len(values) == 0 {
		return never()
	}
	if col.domain == nil || col.domain.within == "" {
		return anyOf(col.sql, values)
	}
	var outer []string
	states := map[string][]string{}
	for _, n := range values {
		lifecycle, state, _ := strings.Cut(n, "/")
		if states[lifecycle] == nil {
			outer = append(outer, lifecycle)
		}
		states[lifecycle] = append(states[lifecycle], state)
	}
	var terms []fragment
	for _, lifecycle := range outer {
		terms = append(terms, join(" AND ", sqlf(col.domain.within+" = ?", lifecycle), anyOf(col.sql, states[lifecycle])))
	}
	f := balanced(" OR ", terms)
	f.sql = "(" + f.sql + ")"
	return f
}

func anyOf[T any](sql string, values []T) fragment {
	if len(values) == 1 {
		return sqlf(sql+" = ?", values[0])
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = v
	}
	return sqlf(sql+" IN (SELECT value FROM json_each(?))", jsonList(args))
}

// whereLabel compares the label of a value: which names that means is found in the catalog.
func (col *column) whereLabel(p predicate) (condition, error) {
	matching, negative := col.domain.matching(p)
	f := col.among(matching)
	if negative {
		f.sql = "(" + f.sql + ") IS NOT 1"
		return condition{fragment: f}, nil
	}
	c := condition{fragment: f}
	if col.index == "versions_type" && len(matching) == 1 {
		c.ways = []way{{index: col.index, where: f}}
	}
	return c, nil
}

// matching lists the names whose label the predicate accepts. With negative the predicate accepts all others, and null.
func (d *domain) matching(p predicate) (list []string, negative bool) {
	op := p.op
	if op == "!=" {
		op, negative = "=", true
	}
	for _, n := range d.names {
		if acceptsLabel(op, d.labels[n], p) {
			list = append(list, n)
		}
	}
	return list, negative
}

func acceptsLabel(op, label string, p predicate) bool {
	if p.field.Function == "CASEINSENSITIVE" {
		label = strings.ToLower(label)
	}
	value := func(i int) string {
		if p.field.Function == "CASEINSENSITIVE" {
			return strings.ToLower(p.values[i].Text)
		}
		return p.values[i].Text
	}
	switch op {
	case "=":
		return label == value(0)
	case "<":
		return label < value(0)
	case ">":
		return label > value(0)
	case "<=":
		return label <= value(0)
	case ">=":
		return label >= value(0)
	case "between":
		return label >= value(0) && label <= value(1)
	case "in":
		return slices.ContainsFunc(p.values, func(v vql.Value) bool { return v.Text == label })
	case "like":
		return likes(label, p.pattern)
	}
	return false
}

// likes reports whether s matches a LIKE pattern.
func likes(s string, pattern vql.Pattern) bool {
	if len(pattern) == 1 {
		return s == pattern[0]
	}
	last := len(pattern) - 1
	if !strings.HasPrefix(s, pattern[0]) {
		return false
	}
	s = s[len(pattern[0]):]
	for _, piece := range pattern[1:last] {
		i := strings.Index(s, piece)
		if i < 0 {
			return false
		}
		s = s[i+len(piece):]
	}
	return strings.HasSuffix(s, pattern[last])
}

// whereTypeID compares object_type__v: queries have ids, rows have names.
func (col *column) whereTypeID(p predicate) (condition, error) {
	o := col.table.object
	for i, v := range p.values {
		find := o.typeByID(v.Text)
		p.values = slices.Clone(p.values)
		if find != nil {
			p.values[i].Text = find.Name
		}
	}
	return col.where1(p)
}

// whereSeveral asks for one of several values.
func (col *column) whereSeveral(p predicate, labelled, null bool) (fragment, error) {
	negative := p.op == "!="
	if negative {
		p.op = "="
	}
	var inner fragment
	switch {
	case null:
		negative = !negative
		inner = sqlf(col.sql + " IS NOT NULL")
	case labelled:
		matching, _ := col.domain.matching(p)
		inner = col.among(matching)
	default:
		one := *col
		one.several, one.id, one.index = fragment{}, "", ""
		c, err := one.where1(p)
		if err != nil {
			return inner, err
		}
		inner = c.fragment
	}
	f := join(" ", sqlf("EXISTS (SELECT 1 FROM"), col.several, sqlf("WHERE"), join(" AND ", append(slices.Clone(col.where), inner)...), sqlf(")"))
	if negative {
		f.sql = "NOT " + f.sql
	}
	return f, nil
}

// where1 compares a single value.
func (col *column) where1(p predicate) (condition, error) {
	if len(p.values) == 1 && p.values[0].Kind == vql.Null {
		return condition{fragment: sqlf(col.sql + map[string]string{"=": " IS NULL", "!=": " IS NOT NULL"}[p.op])}, nil
	}
	if len(p.values) == 1 && p.values[0].Kind == vql.Date {
		return col.whereDate(p)
	}
	if col.id != "" && slices.Contains([]string{"=", "<", ">", "<=", ">=", "in", "between"}, p.op) {
		if c, done, err := col.whereID(p); done || err != nil {
			return c, err
		}
	}
	if p.op == "like" {
		return col.whereLike(p)
	}
	args := make([]any, len(p.values))
	for i, v := range p.values {
		arg, err := col.argument(p, v)
		if err != nil {
			return condition{}, err
		}
		args[i] = arg
	}
	sql := col.sql
	if p.field.Function == "CASEINSENSITIVE" {
		sql = "lower(" + sql + ")"
		for i := range args {
			if s, ok := args[i].(string); ok {
				args[i] = lowerASCII(s)
			}
		}
	}
	if fast, ok := col.byReference(p, args); ok {
		return condition{fragment: fast}, nil
	}
	var f fragment
	switch p.op {
	case "!=":
		f = sqlf(sql+" IS NOT ?", args...)
	case "between":
		f = sqlf(sql+" BETWEEN ? AND ?", args...)
	case "in":
		f = anyOf(sql, args)
	default:
		f = sqlf(sql+" "+p.op+" ?", args...)
	}
	c := condition{fragment: f}
	if p.op != "!=" && p.field.Function != "CASEINSENSITIVE" {
		switch {
		case col.index == "versions_type" && p.op == "=", col.index == "versions_type" && len(args) == 1 && p.op == "in":
			c.ways = []way{{index: col.index, where: f}}
		case col.index != "" && col.index != "versions_type":
			c.ways = []way{{index: col.index, where: f, estimate: p.op != "=" && p.op != "in"}}
		}
		if name := col.field.Name; col.table.labels && (name == "version_id" || name == "global_version_id__sys") && (p.op == "=" || p.op == "in") {
			c.ways = col.versionPath(name, args)
		}
	}
	return c, nil
}

// byReference answers = and CONTAINS on a record's references and unique fields from their own tables.
func (col *column) byReference(p predicate, args []any) (fragment, bool) {
	t, f := col.table, col.field
	if t.object == nil || col.json == "" || p.field.Function != "" || p.op != "=" && p.op != "in" {
		return fragment{}, false
	}
	var rows string
	switch {
	case f.Type == typeObject:
		rows = "refs WHERE extent = ? AND field = ? AND target"
	case f.Unique && f.Type == typeString:
		rows = "uniques WHERE extent = ? AND field = ? AND value"
	default:
		return fragment{}, false
	}
	return sqlf(t.alias+".id IN (SELECT id FROM "+rows+" IN (SELECT value FROM json_each(?)))", t.q.c.v.extent(t.object.Name), f.Name, jsonList(args)), true
}

// versionPath leads from the text forms of version ids to the documents they are of.
func (col *column) versionPath(name string, args []any) []way {
	var docs []any
	for _, arg := range args {
		parts := strings.Split(fmt.Sprint(arg), "_")
		if len(parts) != 3 {
			continue
		}
		doc := parts[0]
		if name == "global_version_id__sys" {
			doc = parts[1]
		}
		if n, err := strconv.ParseInt(doc, 10, 64); err == nil && n >= 0 && n <= maxDoc {
			docs = append(docs, versionKey(col.table.q.c.v.slot, n, 0))
		}
	}
	return []way{{where: keysOf(col.table.rowid, docs)}}
}

// keysOf is true for version keys of the documents whose first keys are given.
func keysOf(key string, first []any) fragment {
	return sqlf(fmt.Sprintf("%s IN (SELECT w.key FROM json_each(?) j CROSS JOIN versions w ON w.key >= j.value AND w.key < j.value + %d)", key, int64(1)<<docShift), jsonList(first))
}

// whereID compares a document's id as a range of version keys. Not done means that the text of the id must be compared.
func (col *column) whereID(p predicate) (c condition, done bool, err error) {
	if col.prefix != "" && p.op != "=" && p.op != "in" {
		return c, false, nil
	}
	slot := col.table.q.c.v.slot
	var docs []int64
	for _, v := range p.values {
		s := v.Text
		if col.prefix != "" {
			rest, mine := strings.CutPrefix(s, col.prefix)
			if !mine {
				continue
			}
			s = rest
		}
		n, err := strconv.ParseInt(s, 10, 64)
		switch {
		case err != nil && col.prefix != "":
			continue
		case err != nil || v.Kind == vql.Bool:
			return c, false, p.fail("[%s] is not a document id", v.Text)
		}
		docs = append(docs, min(max(n, -1), maxDoc))
	}
	key := func(doc int64) int64 { return slot<<slotShift + doc<<docShift }
	switch p.op {
	case "<":
		return condition{fragment: sqlf(col.id+" < ?", key(docs[0]))}, true, nil
	case "<=":
		return condition{fragment: sqlf(col.id+" < ?", key(docs[0]+1))}, true, nil
	case ">":
		return condition{fragment: sqlf(col.id+" >= ?", key(docs[0]+1))}, true, nil
	case ">=":
		return condition{fragment: sqlf(col.id+" >= ?", key(docs[0]))}, true, nil
	case "between":
		return condition{fragment: sqlf(col.id+" >= ? AND "+col.id+" < ?", key(docs[0]), key(docs[1]+1))}, true, nil
	}
	if len(docs) == 0 {
		return condition{fragment: never()}, true, nil
	}
	first := make([]any, len(docs))
	for i, doc := range docs {
		first[i] = key(doc)
	}
	f := keysOf(col.id, first)
	c = condition{fragment: f}
	if col.table.labels {
		c.ways = []way{{where: f}}
	}
	return c, true, nil
}

// argument turns a value of the query into what the column holds.
func (col *column) argument(p predicate, v vql.Value) (any, error) {
	switch col.form {
	case heldNumber:
		if n, err := strconv.ParseInt(v.Text, 10, 64); err == nil {
			return n, nil
		}
		if x, err := strconv.ParseFloat(v.Text, 64); err == nil && v.Kind != vql.Bool && !math.IsInf(x, 0) && !math.IsNaN(x) {
			return x, nil
		}
		return nil, p.fail("[%s] is not a number", v.Text)
	case heldBool:
		switch v.Text {
		case "true":
			return int64(1), nil
		case "false":
			return int64(0), nil
		}
		return nil, p.fail("[%s] is neither true nor false", v.Text)
	case heldMillis, heldTime, heldDate:
		at, err := parseTime(v.Text)
		if err != nil {
			return nil, p.fail("[%s] is not a date or time", v.Text)
		}
		return col.moment(at), nil
	}
	return v.Text, nil
}

func parseTime(s string) (time.Time, error) {
	if t, err := time.Parse("2006-01-02", s); err == nil {
		return t, nil
	}
	if t, err := time.Parse("2006-01-02T15:04:05.000Z", s); err == nil {
		return t, nil
	}
	return time.Parse("2006-01-02T15:04:05Z", s)
}

// moment is a time as the column holds it.
func (col *column) moment(t time.Time) any {
	switch col.form {
	case heldMillis:
		return t.UnixMilli()
	case heldDate:
		return t.Format("2006-01-02")
	}
	return t.Format(timeLayout)
}

// whereDate compares with a date literal, which is a span of time: its start is in, its end is not.
func (col *column) whereDate(p predicate) (condition, error) {
	if col.form != heldMillis && col.form != heldDate && col.form != heldTime {
		return condition{}, p.fail("%s is for dates and times", p.values[0].Text)
	}
	from, to := dateSpan(p.values[0], col.table.q.c.now)
	low, high := col.moment(from), col.moment(to)
	var f fragment
	switch p.op {
	case "=":
		f = sqlf("("+col.sql+" >= ? AND "+col.sql+" < ?)", low, high)
	case "!=":
		f = sqlf("("+col.sql+" IS NULL OR "+col.sql+" < ? OR "+col.sql+" >= ?)", low, high)
	case "<":
		f = sqlf(col.sql+" < ?", low)
	case "<=":
		f = sqlf(col.sql+" < ?", high)
	case ">":
		f = sqlf(col.sql+" >= ?", high)
	case ">=":
		f = sqlf(col.sql+" >= ?", low)
	}
	c := condition{fragment: f}
	if col.index != "" && p.op != "!=" {
		c.ways = []way{{index: col.index, where: f, estimate: true}}
	}
	return c, nil
}

// dateSpan is what a date literal means at a moment. Spans of days include today, save DAYS_AGO; spans of larger units leave the current one out.
func dateSpan(v vql.Value, now time.Time) (from, to time.Time) {
	now = now.UTC()
	day := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
	n := v.Count
	switch v.Text {
	case "TODAY":
		return day, day.AddDate(0, 0, 1)
	case "LAST_DAYS":
		return day.AddDate(0, 0, -n), day.AddDate(0, 0, 1)
	case "NEXT_DAYS":
		return day, day.AddDate(0, 0, n+1)
	case "DAYS_AGO":
		return day.AddDate(0, 0, -n), day.AddDate(0, 0, 1-n)
	}
	unit, months := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC), 1
	switch {
	case strings.Contains(v.Text, "QUARTER"):
		unit, months = time.Date(now.Year(), (now.Month()-1)/3*3+1, 1, 0, 0, 0, 0, time.UTC), 3
	case strings.Contains(v.Text, "YEAR"):
		unit, months = time.Date(now.Year(), 1, 1, 0, 0, 0, 0, time.UTC), 12
	}
	at := func(units int) time.Time { return unit.AddDate(0, units*months, 0) }
	if !strings.HasSuffix(v.Text, "S") && !strings.HasSuffix(v.Text, "_AGO") {
		n = 1
	}
	switch {
	case strings.HasPrefix(v.Text, "THIS_"):
		return at(0), at(1)
	case strings.HasPrefix(v.Text, "LAST_"):
		return at(-n), at(0)
	case strings.HasPrefix(v.Text, "NEXT_"):
		return at(1), at(n + 1)
	}
	return at(-n), at(1 - n)
}

// whereLike compiles LIKE as a range of its beginning, which an index can serve, and GLOB for the rest, which minds case.
func (col *column) whereLike(p predicate) (condition, error) {
	sql, pattern := col.sql, slices.Clone(p.pattern)
	insensitive := p.field.Function == "CASEINSENSITIVE"
	if insensitive {
		sql = "lower(" + sql + ")"
		for i := range pattern {
			pattern[i] = lowerASCII(pattern[i])
		}
	}
	if len(pattern) == 1 {
		return condition{fragment: sqlf(sql+" = ?", pattern[0])}, nil
	}
	prefix := pattern[0]
	var f fragment
	if prefix != "" {
		end := []byte(prefix)
		end[len(end)-1]++ // no byte of UTF-8 is 255
		f = sqlf(sql+" >= ? AND "+sql+" < ?", prefix, string(end))
	} else {
		f = sqlf(sql + " IS NOT NULL")
	}
	c := condition{}
	if col.index != "" && col.index != "versions_type" && prefix != "" && !insensitive {
		c.ways = []way{{index: col.index, where: f, estimate: true}}
	}
	if len(pattern) > 2 || pattern[1] != "" {
		pieces := make([]string, len(pattern))
		for i, piece := range pattern {
			pieces[i] = globEscaper.Replace(piece)
		}
		f = join(" AND ", f, sqlf(sql+" GLOB ?", strings.Join(pieces, "*")))
	}
	f.sql = "(" + f.sql + ")"
	c.fragment = f
	return c, nil
}

var globEscaper = strings.NewReplacer("*", "[*]", "?", "[?]", "[", "[[]")

// lowerASCII folds as SQL's lower does.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}
