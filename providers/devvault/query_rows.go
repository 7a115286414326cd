package devvault

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"accord/providers/devvault/vql"
)

// output is how one column of a select list is answered.
type output struct {
	prefix   string // `"name__v":`
	kind     answer
	at       int    // which of the values read
	name     string // the field inside it, when it is a JSON object
	slot     int    // where scanObject puts it
	sub      int
	field    *field
	function string
	domain   *domain // of labels, where those are answered
	wrap     bool    // a single value answered as an array
	object   *object
	vault    int64

	major, minor int
}

type answer byte

const (
	answerText   answer = iota // as it is read: text, number or null
	answerBool                 // 0 or 1
	answerMillis               // milliseconds since 1970
	answerAmount               // a number with its decimals; currencies are text
	answerLabel                // the label of a name
	answerType                 // the id of an object type
	answerRaw                  // JSON
	answerJSON                 // a field of a JSON object
	answerSub                  // a sub-select

	// Of the key of a version:
	answerDoc           // 5
	answerGlobal        // "2001_5"
	answerGlobalVersion // "2001_5_1"
	answerVersion       // "5_1_0"
)

// rowWriter writes the rows of a plan as JSON. It is for one reading of them.
type rowWriter struct {
	plan    *plan
	objects []objectScan
	labels  map[string][]byte // arrays of names as they are stored → arrays of labels, by field
	sub     []map[any]*children
}

// objectScan is which fields of a JSON object among the values are wanted.
type objectScan struct {
	at    int
	slots map[string]int
	found []string
}

func newRowWriter(p *plan) *rowWriter {
	w := &rowWriter{plan: p, labels: map[string][]byte{}}
	for i := range p.output {
		o := &p.output[i]
		if o.kind != answerJSON {
			continue
		}
		n := -1
		for k := range w.objects {
			if w.objects[k].at == o.at {
				n = k
			}
		}
		if n < 0 {
			n = len(w.objects)
			w.objects = append(w.objects, objectScan{at: o.at, slots: map[string]int{}})
		}
		scan := &w.objects[n]
		slot, known := scan.slots[o.name]
		if !known {
			slot = len(scan.slots)
			scan.slots[o.name] = slot
			scan.found = append(scan.found, "")
		}
		o.slot = slot<<8 | n
	}
	return w
}

// append writes one row.
func (w *rowWriter) append(b []byte, values []any) []byte {
	for i := range w.objects {
		scan := &w.objects[i]
		clear(scan.found)
		if s, ok := values[scan.at].(string); ok {
			scanObject(s, scan.slots, scan.found)
		}
	}
	b = append(b, '{')
	for i := range w.plan.output {
		if i > 0 {
			b = append(b, ',')
		}
		o := &w.plan.output[i]
		b = append(b, o.prefix...)
		b = w.value(b, o, values)
	}
	return append(b, '}')
}

func (w *rowWriter) value(b []byte, o *output, values []any) []byte {
	switch o.kind {
	case answerJSON:
		return w.stored(b, o, w.objects[o.slot&255].found[o.slot>>8])
	case answerSub:
		return w.children(b, o, values)
	}
	v := values[o.at]
	if v == nil {
		return append(b, "null"...)
	}
	if o.wrap {
		b = append(b, '[')
	}
	switch o.kind {
	case answerBool:
		b = strconv.AppendBool(b, v == int64(1))
	case answerMillis:
		if ms, ok := v.(int64); ok {
			b = appendTime(b, ms)
		}
	case answerAmount:
		amount := o.field.money(fmt.Sprint(v))
		if o.field.Type == typeCurrency {
			return appendString(b, amount)
		}
		b = append(b, amount...)
	case answerLabel:
		s, _ := v.(string)
		b = appendString(b, o.domain.label(s))
	case answerType:
		s, _ := v.(string)
		if typ := o.object.typeByName(s); typ != nil {
			s = typ.ID
			if o.function == "TOLABEL" {
				s = typ.Label
			}
		}
		b = appendString(b, s)
	case answerRaw:
		s, _ := v.(string)
		b = append(b, s...)
	case answerDoc, answerGlobal, answerGlobalVersion, answerVersion:
		b = o.versionID(b, values)
	default:
		if s, ok := v.(string); ok && o.function == "TRIM" {
			v = strings.TrimSpace(s)
		}
		b = appendScalar(b, v)
	}
	if o.wrap {
		b = append(b, ']')
	}
	return b
}

func (o *output) versionID(b []byte, values []any) []byte {
	key, _ := values[o.at].(int64)
	doc, seq := key>>docShift&maxDoc, key&maxSeq
	if o.kind == answerDoc {
		return strconv.AppendInt(b, doc, 10)
	}
	b = append(b, '"')
	if o.kind != answerVersion {
		b = append(strconv.AppendInt(b, o.vault, 10), '_')
	}
	b = strconv.AppendInt(b, doc, 10)
	switch o.kind {
	case answerGlobalVersion:
		b = strconv.AppendInt(append(b, '_'), seq, 10)
	case answerVersion:
		major, _ := values[o.major].(int64)
		minor, _ := values[o.minor].(int64)
		b = strconv.AppendInt(append(b, '_'), major, 10)
		b = strconv.AppendInt(append(b, '_'), minor, 10)
	}
	return append(b, '"')
}

func appendScalar(b []byte, v any) []byte {
	switch v := v.(type) {
	case string:
		return appendString(b, v)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case float64:
		return strconv.AppendFloat(b, v, 'f', -1, 64)
	}
	return append(b, "null"...)
}

// appendTime is formatMillis as a JSON string.
func appendTime(b []byte, ms int64) []byte {
	b = append(b, '"')
	b = append(b, formatMillis(ms)...)
	return append(b, '"')
}

// stored writes a value as it lies in fields, which is as it is answered, but for labels and for long texts.
func (w *rowWriter) stored(b []byte, o *output, value string) []byte {
	switch {
	case value == "":
		return append(b, "null"...)
	case o.domain != nil && value[0] == '[':
		key := o.name + value
		labels, known := w.labels[key]
		if !known {
			var list []string
			if json.Unmarshal([]byte(value), &list) != nil {
				return append(b, value...)
			}
			for i, n := range list {
				list[i] = o.domain.label(n)
			}
			labels = appendJSON(nil, list)
			w.labels[key] = labels
		}
		return append(b, labels...)
	case o.field.Type == typeLongText && o.function == "" && len(value) > shortText+2:
		var s string
		if json.Unmarshal([]byte(value), &s) == nil && utf8.RuneCountInString(s) > shortText {
			return appendString(b, string([]rune(s)[:shortText]))
		}
	case o.function == "TRIM" && value[0] == '"':
		var s string
		if json.Unmarshal([]byte(value), &s) == nil {
			return appendString(b, strings.TrimSpace(s))
		}
	}
	return append(b, value...)
}

// shortText is how much of a long text is answered without LONGTEXT().
const shortText = 250

// scanObject finds the raw values of the wanted fields of a JSON object that this server has written: compact, no duplicate names.
func scanObject(s string, slots map[string]int, found []string) {
	missing := len(found)
	for i := 1; i < len(s) && s[i] == '"' && missing > 0; {
		end := i + 1 + strings.IndexByte(s[i+1:], '"')
		name := s[i+1 : end]
		i = end + 2 // the quote and the colon
		start := i
		i = skipValue(s, i)
		if slot, wanted := slots[name]; wanted {
			found[slot] = s[start:i]
			missing--
		}
		i++ // the comma
	}
}

// skipValue returns the end of the JSON value at i.
func skipValue(s string, i int) int {
	depth := 0
	for ; i < len(s); i++ {
		switch s[i] {
		case '"':
			for i++; i < len(s) && s[i] != '"'; i++ {
				if s[i] == '\\' {
					i++
				}
			}
		case '[', '{':
			depth++
		case ']', '}':
			if depth == 0 {
				return i
			}
			depth--
		case ',':
			if depth == 0 {
				return i
			}
		}
	}
	return i
}

// children are the rows of a sub-select that belong to one row.
type children struct {
	rows  []byte
	size  int
	total int
}

func (w *rowWriter) children(b []byte, o *output, values []any) []byte {
	sub := w.plan.subs[o.sub]
	kids := w.sub[o.sub][values[sub.relation.at]]
	if kids == nil {
		kids = &children{}
	}
	b = append(b, `{"responseDetails":`...)
	b = appendJSON(b, body{"pagesize", sub.pagesize, "pageoffset", sub.skip, "size", kids.size, "total", kids.total})
	b = append(b, `,"data":[`...)
	b = append(b, kids.rows...)
	return append(b, "]}"...)
}

// readChildren reads the rows of a sub-select for a page of its parents.
func (s *subplan) readChildren(c *call, rows [][]any) (map[any]*children, error) {
	var parents []any
	kids := make(map[any]*children, len(rows))
	for _, r := range rows {
		key := r[s.relation.at]
		if key != nil && kids[key] == nil {
			kids[key] = &children{}
			parents = append(parents, key)
		}
	}
	if len(parents) == 0 {
		return kids, nil
	}
	w := newRowWriter(s.plan)
	err := c.s.queries.each(c, s.children(parents), len(s.read), func(values []any) error {
		k := kids[values[0]]
		if k == nil {
			return nil
		}
		k.total++
		if k.total <= s.skip || k.size == s.pagesize || s.maxrows >= 0 && k.total-s.skip > s.maxrows {
			return nil
		}
		if k.size++; k.size > 1 {
			k.rows = append(k.rows, ',')
		}
		k.rows = w.append(k.rows, values)
		return nil
	})
	return kids, err
}

// page is some rows of a query as a JSON array.
type page struct {
	rows []byte
	size int
	key  int64  // of the last row
	last string // the value, as JSON, that the next page will begin after; empty when it is not known
	cut  bool   // the rows are so wide that the page has fewer than were asked for
}

// readRows runs a statement of the plan, which yields most rows or fewer.
func (p *plan) readRows(c *call, f fragment, most int) (page, error) {
	w := newRowWriter(p)
	var out page
	out.rows = append(out.rows, '[')
	wide := c.s.settings.Load().PageBytes
	var final []any
	write := func(values []any) {
		if out.cut = out.cut || wide > 0 && out.size > 0 && len(out.rows) >= wide; out.cut {
			return
		}
		if out.size++; out.size > 1 {
			out.rows = append(out.rows, ',')
		}
		out.rows = w.append(out.rows, values)
		final = values
		if p.properties != nil {
			p.properties.add(c, values)
		}
		if out.size == 8 { // by now it is known how long a row is
			out.rows = slices.Grow(out.rows, len(out.rows)/7*most)
		}
	}
	var held [][]any
	err := c.s.queries.each(c, f, len(p.read), func(values []any) error {
		if len(p.subs) > 0 {
			held = append(held, slices.Clone(values))
		} else {
			write(values)
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	for _, sub := range p.subs {
		kids, err := sub.readChildren(c, held)
		if err != nil {
			return out, err
		}
		w.sub = append(w.sub, kids)
	}
	if len(p.subs) > 0 {
		for _, values := range held {
			write(values)
		}
	}
	if out.cut {
		final = nil // the values that were read last are not those of the last row
	}
	out.rows = append(out.rows, ']')
	if final != nil {
		out.key, _ = final[0].(int64)
	}
	if o := p.pagedOutput(); o != nil && final != nil {
		out.last = string(w.value(nil, o, final))
	}
	return out, nil
}

// pagedOutput is how the field is answered that callers page by; nil when it is not selected.
func (p *plan) pagedOutput() *output {
	for i := range p.output {
		if o := &p.output[i]; o.field != nil && p.paged != "" && o.field == p.t.fields.get(p.paged) && o.kind != answerRaw && o.function == "" {
			return o
		}
	}
	return nil
}

// describe is queryDescribe: the target, and the fields that are selected.
func (p *plan) describe() body {
	list := []body{}
	for i, c := range p.s.Columns {
		f := p.output[i].field
		if f == nil {
			continue
		}
		list = append(list, describeField(c, f))
	}
	return body{"object", body{"name", p.t.target, "label", p.t.label, "label_plural", p.t.plural}, "fields", list}
}

func describeField(c vql.Column, f *field) body {
	b := body{"name", c.Key(), "type", f.Type, "label", f.Label, "required", f.Required}
	if f.MaxLength > 0 {
		b = append(b, "max_length", f.MaxLength)
	}
	if f.Picklist != "" {
		b = append(b, "picklist", f.Picklist)
	}
	if f.Object != "" {
		b = append(b, "object", f.Object)
	}
	if f.MultiValue {
		b = append(b, "multi_value", true)
	}
	return b
}

// each runs a statement and calls yield for each row; the values are good until it returns.
func (s *queryState) each(c *call, f fragment, columns int, yield func([]any) error) error {
	rows, err := s.query(c.ctx(), c.s.store.read, f)
	if err != nil {
		return err
	}
	defer rows.Close()
	values := make([]any, columns)
	into := make([]any, columns)
	for i := range values {
		into[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return fmt.Errorf("read query rows: %w", err)
		}
		if err := yield(values); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read query rows: %w", err)
	}
	return nil
}

// count runs a statement that answers one number.
func (s *queryState) count(c *call, f fragment) (n int, err error) {
	err = s.each(c, f, 1, func(values []any) error {
		v, _ := values[0].(int64)
		n = int(v)
		return nil
	})
	return n, err
}

// query runs a statement.
func (s *queryState) query(ctx context.Context, db *sql.DB, f fragment) (*sql.Rows, error) {
	stmt, err := s.statement(ctx, db, f.sql)
	if err != nil {
		return nil, err
	}
	var rows *sql.Rows
	if stmt == nil {
		rows, err = db.QueryContext(ctx, f.sql, f.args...)
	} else {
		rows, err = stmt.QueryContext(ctx, f.args...)
	}
	if err != nil {
		return nil, fmt.Errorf("run query %s: %w", f.sql, err)
	}
	return rows, nil
}
