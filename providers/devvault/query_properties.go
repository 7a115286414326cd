package devvault

import (
	"strconv"
	"strings"
)

// properties is what a query answers beside its rows, of each row: record_properties or document_properties. In time it is for one page.
type properties struct {
	name string
	plan *plan
	only string // all, hidden, redacted or weblink
	rows []body

	id, typ, key, major, minor int // where they are among the values of a row
}

// wantProperties adds what the headers X-VaultAPI-RecordProperties and X-VaultAPI-DocumentProperties ask for to what is read.
func (p *plan) wantProperties() {
	h := p.q.c.r.Header
	a := p.t.alias
	if only := strings.ToLower(h.Get("X-VaultAPI-RecordProperties")); only != "" && p.t.object != nil {
		p.properties = &properties{name: "record_properties", plan: p, only: only, id: p.fetch(sqlf(a + ".id")), typ: p.fetch(sqlf(a + ".type")), rows: []body{}}
	}
	if strings.EqualFold(h.Get("X-VaultAPI-DocumentProperties"), "all") && p.t.labels {
		p.properties = &properties{name: "document_properties", plan: p, key: p.fetch(sqlf(p.t.key)), major: p.fetch(sqlf(a + ".major")),
			minor: p.fetch(sqlf(a + ".minor")), rows: []body{}}
	}
}

func (x *properties) add(c *call, values []any) {
	if x.name == "document_properties" {
		x.addDocument(values)
		return
	}
	o := x.plan.t.object
	id, _ := values[x.id].(string)
	typ, _ := values[x.typ].(string)
	fields := body{}
	all := x.only == "all"
	if all || x.only == "hidden" { // what is hidden cannot be selected here
		fields = append(fields, "hidden", []string{})
	}
	if all || x.only == "redacted" {
		fields = append(fields, "redacted", []string{})
	}
	b := body{"id", id}
	if all {
		edit := []string{}
		for i, column := range x.plan.s.Columns {
			f := x.plan.output[i].field
			if f != nil && o.fields.get(column.Field.Name) == f && !f.ReadOnly && f.Via == "" && c.user.canType(o.Name, typ, "edit") && c.user.canField(o.Name, f.Name, "edit") {
				edit = append(edit, f.Name)
			}
		}
		fields = append(fields, "edit", edit)
		b = append(b, "permissions", body{"read", true, "edit", c.user.canType(o.Name, typ, "edit"), "create", c.user.canType(o.Name, typ, "create"),
			"delete", c.user.canType(o.Name, typ, "delete")})
	}
	b = append(b, "field_properties", fields)
	if all {
		b = append(b, "subquery_properties", body{})
	}
	if all || x.only == "weblink" {
		links := body{}
		for _, f := range o.fields.list {
			if f.Type == typeURL {
				links = append(links, f.Name, body{"web_link", body{"label", f.Label, "target", "new_window"}})
			}
		}
		b = append(b, "field_additional_data", links)
	}
	x.rows = append(x.rows, b)
}

func (x *properties) addDocument(values []any) {
	key, _ := values[x.key].(int64)
	major, _ := values[x.major].(int64)
	minor, _ := values[x.minor].(int64)
	edit, readOnly := []string{}, []string{}
	for i := range x.plan.s.Columns {
		switch f := x.plan.output[i].field; {
		case f == nil:
		case f.ReadOnly:
			readOnly = append(readOnly, f.Name)
		default:
			edit = append(edit, f.Name)
		}
	}
	x.rows = append(x.rows, body{"id", key >> docShift & maxDoc, "document_version", strconv.FormatInt(major, 10) + "_" + strconv.FormatInt(minor, 10),
		"permissions", body{"view_content", true, "edit_fields", true, "download_source", true, "version", true},
		"field_properties", body{"edit", edit, "read-only", readOnly}})
}

// queryUser is whose queries are counted together.
type queryUser struct{ slot, user int64 }

// enter waits until the user has fewer queries under way than are allowed. What it returns ends the query.
func (s *queryState) enter(c *call) (done func(), err error) {
	most := c.s.settings.Load().Queries
	if most <= 0 {
		return func() {}, nil
	}
	key := queryUser{c.v.slot, c.user.ID}
	s.mu.Lock()
	places := s.running[key]
	if cap(places) != most {
		if s.running == nil {
			s.running = map[queryUser]chan struct{}{}
		}
		places = make(chan struct{}, most)
		s.running[key] = places
	}
	s.mu.Unlock()
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	case <-c.ctx().Done():
		return nil, c.ctx().Err()
	}
}

// tokens puts the values of Vaulttoken components in the place of ${Vault.name} in a query.
func (c *call) tokens(query string) (string, error) {
	if !strings.Contains(query, "${Vault.") || c.version < "v22.2" {
		return query, nil
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(query, "${Vault.")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		x, known := c.v.catalog().components["Vaulttoken."+name]
		if !closed || !known {
			return "", fail("INVALID_DATA", "The token [${Vault.%s}] is not known", name)
		}
		b.WriteString(tokenEscaper.Replace(x.Text("value")))
		query = after
	}
}

var tokenEscaper = strings.NewReplacer(`\`, `\\`, `'`, `\'`)

// decimals reports whether a number is answered with the decimals of its field.
func (f *field) decimals() bool {
	return f.Type == typeCurrency || f.Type == typeNumber && f.Scale > 0
}
