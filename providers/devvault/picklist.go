package devvault

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"accord/providers/devvault/mdl"
)

// handlePicklists answers GET /api/{v}/objects/picklists.
func handlePicklists(c *call) (reply, error) {
	cat := c.v.catalog()
	used := map[string][]body{}
	for _, n := range names(cat.objects) {
		for _, f := range cat.objects[n].fields.list {
			if f.Picklist != "" {
				used[f.Picklist] = append(used[f.Picklist], body{"objectName", n, "propertyName", f.Name})
			}
		}
	}
	for _, f := range cat.docFields.list {
		if f.Picklist != "" {
			used[f.Picklist] = append(used[f.Picklist], body{"documentTypeName", "base_document__v", "propertyName", f.Name})
		}
	}
	list := []body{}
	for _, n := range names(cat.picklists) {
		p := cat.picklists[n]
		b := body{"name", n, "label", p.Label, "kind", "global", "systemManaged", p.System}
		if u := used[n]; u != nil {
			b = append(b, "usedIn", u)
		}
		list = append(list, b)
	}
	return ok("picklists", list)
}

// handlePicklist answers GET /api/{v}/objects/picklists/{picklist}.
func handlePicklist(c *call) (reply, error) {
	p := c.v.catalog().picklists[c.param("picklist")]
	if p == nil {
		return reply{}, fail("INVALID_DATA", "The picklist [%s] does not exist", c.param("picklist"))
	}
	values := []body{}
	for _, e := range p.Entries {
		if e.Active {
			values = append(values, body{"name", e.Name, "label", e.Label})
		}
	}
	b := body{"picklistValues", values}
	if p.Controlling != "" {
		b = append(b, "controllingPicklistName", p.Controlling, "picklistDependencies", c.v.catalog().dependencies(p))
	}
	return reply{body: b}, nil
}

// dependencies lists, by value of the controlling picklist, the values of p that may be chosen under it.
func (c *catalog) dependencies(p *picklist) body {
	b := body{}
	controlling := c.picklists[p.Controlling]
	if controlling == nil {
		return b
	}
	for _, by := range controlling.Entries {
		list := []string{}
		for _, e := range p.Entries {
			if e.Active && (len(e.Controlled) == 0 || slices.Contains(e.Controlled, by.Name)) {
				list = append(list, e.Name)
			}
		}
		b = append(b, by.Name, list)
	}
	return b
}

// changePicklist replaces the entries of the picklist of the route.
func (c *call) changePicklist(change func(*picklist, []entry) ([]entry, error)) error {
	if !c.user.action("configure_vault__v") {
		return fail("INSUFFICIENT_ACCESS", "User [%s] may not change picklists", c.user.Name)
	}
	c.v.schema.Lock()
	defer c.v.schema.Unlock()
	cat := c.v.catalog().clone()
	p := cat.picklists[c.param("picklist")]
	if p == nil {
		return fail("INVALID_DATA", "The picklist [%s] does not exist", c.param("picklist"))
	}
	if p.System {
		return fail("OPERATION_NOT_ALLOWED", "The picklist [%s] is managed by the system", p.Name)
	}
	entries, err := change(p, slices.Clone(p.Entries))
	if err != nil {
		return err
	}
	fresh := newPicklist(p.Name, p.Label, false, entries...)
	fresh.Controlling = p.Controlling
	cat.picklists[p.Name] = fresh
	saved := map[string]string{}
	renamed := map[string]string{}
	for i, e := range p.Entries {
		if e.Name != entries[i].Name {
			renamed[e.Name] = entries[i].Name
		}
	}
	for _, n := range names(cat.picklists) { // those that it controls go by its new names
		if q := cat.picklists[n]; n == p.Name || q.Controlling == p.Name && len(renamed) > 0 {
			follow := newPicklist(q.Name, q.Label, q.System, slices.Clone(q.Entries)...)
			follow.Controlling = q.Controlling
			for i := range follow.Entries {
				e := &follow.Entries[i]
				e.Controlled = slices.Clone(e.Controlled)
				for j, by := range e.Controlled {
					if to := renamed[by]; to != "" && n != p.Name {
						e.Controlled[j] = to
					}
				}
			}
			cat.picklists[n] = follow
			x, _ := cat.component("Picklist", n)
			saved[x.Key()] = mdl.Format(x)
		}
	}
	return c.v.saveComponents(cat, saved, func(t *tx) error {
		for i, e := range p.Entries { // entries are added at the end, and never taken out
			if e.Name != entries[i].Name {
				if err := c.v.renameValue(t, cat, p.Name, e.Name, entries[i].Name); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// renameValue gives a picklist value its new name wherever it was chosen.
func (v *vault) renameValue(t *tx, cat *catalog, picklist, from, to string) error {
	const change = `UPDATE %[1]s SET fields = json_set(fields, '$.%[2]s', (SELECT json_group_array(CASE value WHEN ? THEN ? ELSE value END) FROM json_each(fields, '$.%[2]s')))
		WHERE %[3]s AND EXISTS (SELECT 1 FROM json_each(fields, '$.%[2]s') WHERE value = ?)`
	for _, n := range names(cat.objects) {
		for _, f := range cat.objects[n].fields.list {
			if f.Picklist != picklist || f.Column != "" || f.Via != "" {
				continue
			}
			err := t.exec(fmt.Sprintf(change, "records", f.Name, "extent = ?"), from, to, v.extent(n), from)
			if err != nil {
				return err
			}
		}
	}
	for _, f := range cat.docFields.list {
		if f.Picklist != picklist || f.Column != "" {
			continue
		}
		err := t.exec(fmt.Sprintf(change, "versions", f.Name, "key >= ? AND key < ?"), from, to, versionKey(v.slot, 0, 0), versionKey(v.slot+1, 0, 0), from)
		if err != nil {
			return err
		}
	}
	return nil
}

// valueName makes a value's name of its label: small letters with underscores, and __c.
func valueName(label string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(label) {
		switch {
		case r < unicode.MaxASCII && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "_"):
			b.WriteByte('_')
		}
	}
	return strings.Trim(b.String(), "_") + "__c"
}

// handleAddPicklistValues answers POST /api/{v}/objects/picklists/{picklist} with value_1=Label, value_2=….
func handleAddPicklistValues(c *call) (reply, error) {
	added := []body{}
	err := c.changePicklist(func(p *picklist, entries []entry) ([]entry, error) {
		for _, k := range names(c.form) {
			if !strings.HasPrefix(k, "value_") {
				continue
			}
			e := entry{Name: valueName(c.form.Get(k)), Label: c.form.Get(k), Active: true}
			if _, taken := p.byName[e.Name]; taken {
				return nil, fail("ITEM_NAME_EXISTS", "The picklist value [%s] exists already", e.Name)
			}
			entries = append(entries, e)
			added = append(added, body{"name", e.Name, "label", e.Label})
		}
		if len(added) == 0 {
			return nil, fail("PARAMETER_REQUIRED", "Missing required parameter [value_1]")
		}
		return entries, nil
	})
	if err != nil {
		return reply{}, err
	}
	return ok("responseMessage", "Created picklist value(s).", "picklistValues", added)
}

// handleRelabelPicklistValues answers PUT /api/{v}/objects/picklists/{picklist} with {value}=New label.
func handleRelabelPicklistValues(c *call) (reply, error) {
	changed := []body{}
	err := c.changePicklist(func(p *picklist, entries []entry) ([]entry, error) {
		for _, k := range names(c.formRow()) {
			i, found := p.byName[k]
			if !found {
				return nil, fail("INVALID_DATA", "The picklist value [%s] does not exist", k)
			}
			entries[i].Label = c.form.Get(k)
			changed = append(changed, body{"name", k, "label", entries[i].Label})
		}
		return entries, nil
	})
	if err != nil {
		return reply{}, err
	}
	return ok("responseMessage", "Updated picklist value(s).", "picklistValues", changed)
}

// handleChangePicklistValue answers PUT /api/{v}/objects/picklists/{picklist}/{value} with name and status.
func handleChangePicklistValue(c *call) (reply, error) {
	var now entry
	err := c.changePicklist(func(p *picklist, entries []entry) ([]entry, error) {
		i, found := p.byName[c.param("value")]
		if !found {
			return nil, fail("INVALID_DATA", "The picklist value [%s] does not exist", c.param("value"))
		}
		if n := c.form.Get("name"); n != "" {
			n = strings.TrimSuffix(n, "__c") + "__c"
			if j, taken := p.byName[n]; taken && j != i {
				return nil, fail("ITEM_NAME_EXISTS", "The picklist value [%s] exists already", n)
			}
			if strings.ToLower(n) != n || strings.Trim(n, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" {
				return nil, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [name]", c.form.Get("name"))
			}
			entries[i].Name = n
		}
		if c.form.Get("name") == "" && c.form.Get("status") == "" {
			return nil, fail("PARAMETER_REQUIRED", "Missing required parameter [name] or [status]")
		}
		switch c.form.Get("status") {
		case "active":
			entries[i].Active = true
		case "inactive":
			entries[i].Active = false
		case "":
		default:
			return nil, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [status]", c.form.Get("status"))
		}
		now = entries[i]
		return entries, nil
	})
	if err != nil {
		return reply{}, err
	}
	return ok("responseMessage", "Updated picklist value.", "name", now.Name)
}

// handleDropPicklistValue answers DELETE /api/{v}/objects/picklists/{picklist}/{value}: the value becomes inactive.
func handleDropPicklistValue(c *call) (reply, error) {
	err := c.changePicklist(func(p *picklist, entries []entry) ([]entry, error) {
		i, found := p.byName[c.param("value")]
		if !found {
			return nil, fail("INVALID_DATA", "The picklist value [%s] does not exist", c.param("value"))
		}
		entries[i].Active = false
		return entries, nil
	})
	if err != nil {
		return reply{}, err
	}
	return ok("name", c.param("value"))
}
