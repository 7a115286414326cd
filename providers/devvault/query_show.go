package devvault

import (
	"accord/providers/devvault/vql"
)

// show answers SHOW TARGETS, SHOW FIELDS FROM and SHOW RELATIONSHIPS FROM.
func (q *compiler) show(s *vql.Show) (reply, error) {
	var rows []body
	switch s.What {
	case "TARGETS":
		for _, p := range plainTargets {
			rows = append(rows, body{"name", p.name, "label", p.label, "label_plural", p.plural})
		}
		for _, n := range names(q.cat.objects) {
			if o := q.cat.objects[n]; q.c.user.can(n, "read") {
				rows = append(rows, body{"name", n, "label", o.Label, "label_plural", o.Plural})
			}
		}
		for _, n := range names(q.cat.aliases) {
			if o := q.cat.object(n); o != nil && q.c.user.can(o.Name, "read") {
				rows = append(rows, body{"name", n, "label", o.Label, "label_plural", o.Plural})
			}
		}
	case "FIELDS":
		t, err := q.table(s.Target)
		if err != nil {
			return reply{}, err
		}
		for _, f := range t.fields.list {
			if t.object != nil && !q.c.user.canField(t.object.Name, f.Name, "read") {
				continue
			}
			row := body{"name", f.Name, "label", f.Label, "type", f.Type}
			if f.Outbound != "" {
				row = append(row, "relationship_name", f.Outbound)
			}
			rows = append(rows, row)
		}
	case "RELATIONSHIPS":
		t, err := q.table(s.Target)
		if err != nil {
			return reply{}, err
		}
		rows = t.relationships()
	}
	data := []body{}
	for _, row := range rows {
		if s.Pattern == nil || likes(row[1].(string), s.Pattern) {
			data = append(data, row)
		}
	}
	return ok("responseDetails", body{"pagesize", maxPage, "pageoffset", 0, "size", len(data), "total", len(data)}, "data", data)
}
