package devvault

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"accord/providers/devvault/mdl"
)

// handleExecuteAsync answers POST /api/mdl/execute_async: the script is run at once, and a job tells how it went.
func handleExecuteAsync(c *call) (reply, error) {
	r, err := handleExecute(c)
	if err != nil {
		return reply{}, err
	}
	status := r.status
	if status == "" {
		status = "SUCCESS"
	}
	var id int64
	err = c.update(func(t *tx) (err error) {
		id, err = c.startJob(t, "MDL", appendJSON(nil, append(body{"responseStatus", status}, r.body...)))
		return err
	})
	if err != nil {
		return reply{}, err
	}
	return ok("job_id", id, "url", fmt.Sprintf("/api/%s/services/jobs/%d", versions[len(versions)-1], id))
}

// handleExecuteResults answers GET /api/mdl/execute_async/{id}/results.
func handleExecuteResults(c *call) (reply, error) {
	id, err := c.number("id")
	if err != nil {
		return reply{}, err
	}
	result, err := c.jobResult(id)
	if err != nil {
		return reply{}, err
	}
	return reply{content: result, media: "application/json;charset=UTF-8"}, nil
}

// statementError is what is wrong with one MDL statement.
type statementError struct{ code, message string }

func (e *statementError) Error() string { return e.code + ": " + e.message }

// handleExecute answers POST /api/mdl/execute. Statements are run in order, each on its own; the first that fails ends the script,
// and those before it stay done.
func handleExecute(c *call) (reply, error) {
	if !c.user.action("configure_vault__v") {
		return reply{}, fail("INSUFFICIENT_ACCESS", "User [%s] may not change the configuration of this vault", c.user.Name)
	}
	script, err := mdl.Parse(string(c.body))
	if err == nil && len(script) == 0 {
		return reply{}, fail("PARAMETER_REQUIRED", "The request has no MDL statement")
	}
	if err != nil {
		var syntax *mdl.SyntaxError
		line := 1
		if errors.As(err, &syntax) {
			line = syntax.Pos.Line
		}
		return reply{status: "FAILURE", body: body{
			"errors", []body{{"type", "INVALID_DATA", "message", err.Error()}},
			"script_execution", scriptBody("GEN-F-401", "Script execution failed", 1, 0),
			"statement_execution", []body{{"vault", c.v.name, "statement", 1, "command", "", "component", "", "message", "[FAILURE] " + err.Error(), "response", "FAILURE",
				"errors", []body{{"line", line, "message", err.Error(), "context", "", "code", "GEN-FSYN-II-1001"}}}}}}, nil
	}
	results := []body{}
	changed := 0
	for i, s := range script {
		affected, err := c.runStatement(s)
		row := body{"vault", c.v.name, "statement", i + 1, "command", string(s.Command), "component", s.Key()}
		what := fmt.Sprintf("%s %s %s", s.Command, s.Type, s.Name)
		if err == nil {
			if affected {
				changed++
			}
			results = append(results, append(row, "message", "[SUCCESS] "+what, "response", "SUCCESS"))
			continue
		}
		e := &statementError{"GEN-FGEN-II-1000", err.Error()}
		typ := "INVALID_DATA"
		var coded *statementError
		var api *apiError
		switch {
		case errors.As(err, &coded):
			e = coded
		case errors.As(err, &api):
			e.message, typ = api.Message, api.Type
		default:
			return reply{}, err
		}
		results = append(results, append(row, "message", "[FAILURE] "+what, "response", "FAILURE",
			"errors", []body{{"line", s.Pos.Line, "message", e.message, "context", s.Key(), "code", e.code}}))
		return reply{status: "FAILURE", body: body{"errors", []body{{"type", typ, "message", e.message}},
			"script_execution", scriptBody("GEN-F-401", "Script execution failed", 1, changed), "statement_execution", results}}, nil
	}
	return ok("script_execution", scriptBody("GEN-S-0", "OK", 0, changed), "statement_execution", results)
}

func scriptBody(code, message string, failures, changed int) body {
	return body{"code", code, "message", message, "warnings", 0, "failures", failures, "exceptions", 0, "components_affected", changed, "execution_time", 0.001}
}

// runStatement does one statement; affected is false when its IF made it do nothing.
func (c *call) runStatement(s mdl.Statement) (affected bool, err error) {
	if _, known := componentKinds()[s.Type]; !known || componentTypes()[s.Type] == nil {
		return false, &statementError{"GEN-FTYP-II-1002", fmt.Sprintf("The component type [%s] is not supported", s.Type)}
	}
	if s.Type == "Permissionset" && strings.HasSuffix(s.Name, "__v") {
		return false, fail("OPERATION_NOT_ALLOWED", "The permission set [%s] is a standard one", s.Name)
	}
	v := c.v
	v.schema.Lock()
	defer v.schema.Unlock()
	cat := v.catalog().clone()
	old, exists := cat.component(s.Type, s.Name)
	missing := &statementError{"GEN-FALT-II-1008", fmt.Sprintf("The component [%s] does not exist", s.Key())}
	saved := map[string]string{} // what to keep: key → text; empty: dropped
	moved := func(*tx) error { return nil }
	switch s.Command {
	case mdl.Create, mdl.Recreate:
		if s.Command == mdl.Create && exists {
			if s.Condition == mdl.IfNotExists {
				return false, nil
			}
			return false, &statementError{"GEN-FCRE-II-1007", fmt.Sprintf("The component [%s] exists already", s.Key())}
		}
		if err := c.check(cat, s.Component); err != nil {
			return false, err
		}
		if err := cat.conform(s.Component); err != nil {
			return false, err
		}
	case mdl.Alter:
		if !exists {
			if s.Condition == mdl.IfExists {
				return false, nil
			}
			return false, missing
		}
		changed, err := mdl.Apply(old, s.Component)
		if err != nil {
			return false, &statementError{"GEN-FALT-II-1009", err.Error()}
		}
		if err := c.check(cat, changed); err != nil {
			return false, err
		}
		if err := cat.conform(changed); err != nil {
			return false, err
		}
		moved = v.renameFields(s.Component)
	case mdl.Drop, mdl.Rename:
		if !exists {
			if s.Condition == mdl.IfExists {
				return false, nil
			}
			return false, missing
		}
		if s.Command == mdl.Drop {
			if err := v.inUse(s.Type, s.Name); err != nil {
				return false, err
			}
			if err := cat.drop(s.Type, s.Name); err != nil {
				return false, err
			}
			saved[s.Key()] = ""
			break
		}
		if _, taken := cat.component(s.Type, s.Newname); taken {
			return false, &statementError{"GEN-FCRE-II-1007", fmt.Sprintf("The component [%s.%s] exists already", s.Type, s.Newname)}
		}
		changed, move, err := v.rename(cat, old, s.Newname)
		if err != nil {
			return false, err
		}
		moved = move
		for _, key := range changed {
			typ, name, _ := strings.Cut(key, ".")
			if x, found := cat.component(typ, name); found {
				saved[key] = mdl.Format(x)
			} else {
				saved[key] = ""
			}
		}
	default:
		return false, &statementError{"GEN-FSYN-II-1001", fmt.Sprintf("The command [%s] is not supported", s.Command)}
	}
	save := moved
	moved = func(t *tx) error {
		c.auditComponent(t, s)
		return save(t)
	}
	if len(saved) == 0 {
		x, _ := cat.component(s.Type, s.Name)
		saved[s.Key()] = mdl.Format(x)
	}
	return true, v.saveComponents(cat, saved, moved)
}

// saveComponents stores texts of components, by key, and makes cat the vault's catalog. The caller holds v.schema.
func (v *vault) saveComponents(cat *catalog, saved map[string]string, more func(*tx) error) error {
	return v.s.store.update(func(t *tx) error {
		if err := more(t); err != nil {
			return err
		}
		for key, text := range saved {
			typ, name, _ := strings.Cut(key, ".")
			if err := t.exec(`INSERT INTO components VALUES (?, ?, ?, ?) ON CONFLICT (slot, type, name) DO UPDATE SET mdl = excluded.mdl`,
				v.slot, typ, name, text); err != nil {
				return err
			}
		}
		t.then(func() { v.cat.Store(cat) })
		return v.makeExtents(t, cat)
	})
}

// inUse refuses to drop what records or documents have.
func (v *vault) inUse(typ, name string) error {
	var n int
	var found bool
	var err error
	switch typ {
	case "Object":
		found, err = one(bg, v.s.store.read, []any{&n}, `SELECT 1 FROM records WHERE extent = ? LIMIT 1`, v.extent(name))
	case "Objecttype":
		object, typ, _ := strings.Cut(name, ".")
		found, err = one(bg, v.s.store.read, []any{&n}, `SELECT 1 FROM records WHERE extent = ? AND type = ? LIMIT 1`, v.extent(object), typ)
	case "Doctype":
		found, err = one(bg, v.s.store.read, []any{&n}, `SELECT 1 FROM versions WHERE slot = ? AND type = ? LIMIT 1`, v.slot, name)
	case "Doclifecycle":
		found, err = one(bg, v.s.store.read, []any{&n}, `SELECT 1 FROM versions WHERE slot = ? AND lifecycle = ? LIMIT 1`, v.slot, name)
	case "Docrelationshiptype":
		found, err = one(bg, v.s.store.read, []any{&n}, `SELECT 1 FROM relationships WHERE slot = ? AND type = ? LIMIT 1`, v.slot, name)
	}
	if err == nil && found {
		err = fail("OPERATION_NOT_ALLOWED", "The component [%s.%s] is in use", typ, name)
	}
	return err
}

// rename gives a component another name in cat. It returns the keys of all components that change with it, and what to do in the tables.
func (v *vault) rename(cat *catalog, old mdl.Component, name string) (changed []string, move func(*tx) error, err error) {
	move = func(*tx) error { return nil }
	was := old.Name
	key := old.Key()
	if !strings.HasSuffix(was, "__c") || !strings.HasSuffix(name, "__c") {
		return nil, nil, fail("OPERATION_NOT_ALLOWED", "Only names that end in __c can be changed, and into such")
	}
	x := old.Clone()
	x.Name = name
	changed = []string{key, x.Key()}
	switch old.Type {
	case "Object":
		o := *cat.objects[was]
		o.Name = name
		cat.objects[name] = &o
		delete(cat.objects, was)
		cat.written[x.Key()] = x
		delete(cat.written, key)
		cat.eachField(func(owner string, f *field) *field {
			if f.Object != was {
				return nil
			}
			changed = append(changed, owner)
			n := *f
			n.Object = name
			return &n
		})
		extent := v.extent(was)
		move = func(t *tx) error {
			t.then(func() {
				v.extents.Delete(was)
				v.extents.Store(name, extent)
			})
			v.extents.Store(name, extent)
			return t.exec(`UPDATE extents SET object = ? WHERE extent = ?`, name, extent)
		}
	case "Picklist":
		if err := cat.conform(x); err != nil {
			return nil, nil, err
		}
		cat.eachField(func(owner string, f *field) *field {
			if f.Picklist != was {
				return nil
			}
			changed = append(changed, owner)
			n := *f
			n.Picklist = name
			return &n
		})
		if err := cat.drop("Picklist", was); err != nil {
			return nil, nil, err
		}
	case "Docfield":
		f := *cat.docFields.get(was)
		if f.System {
			return nil, nil, fail("OPERATION_NOT_ALLOWED", "The document field [%s] is a standard one", was)
		}
		if err := cat.drop("Docfield", was); err != nil {
			return nil, nil, err
		}
		if err := cat.conform(x); err != nil {
			return nil, nil, err
		}
		move = func(t *tx) error { return moveValues(t, "versions", "slot", v.slot, was, name) }
	default:
		if err := v.inUse(old.Type, was); err != nil {
			return nil, nil, err
		}
		if err := cat.drop(old.Type, was); err != nil {
			return nil, nil, err
		}
		if err := cat.conform(x); err != nil {
			return nil, nil, err
		}
	}
	return changed, move, nil
}

// eachField replaces the fields of objects and documents for which change returns another; owner is the key of the component that has it.
func (c *catalog) eachField(change func(owner string, f *field) *field) {
	for _, n := range names(c.objects) {
		old, fresh := c.objects[n], (*object)(nil)
		for _, f := range slices.Clone(old.fields.list) {
			if x := change("Object."+n, f); x != nil {
				if fresh == nil {
					o := *old
					o.fields = old.fields.clone()
					fresh = &o
				}
				fresh.fields.set(x)
			}
		}
		if fresh != nil {
			c.objects[n] = fresh
		}
	}
	for _, f := range slices.Clone(c.docFields.list) {
		if x := change("Docfield."+f.Name, f); x != nil {
			c.docFields.set(x)
		}
	}
}

// moveValues renames a field in what is stored.
func moveValues(t *tx, table, scope string, of int64, from, to string) error {
	return t.exec(`UPDATE `+table+` SET fields = json_set(json_remove(fields, '$.`+from+`'), '$.`+to+`', json(fields -> '$.`+from+`'))
		WHERE `+scope+` = ? AND fields -> '$.`+from+`' IS NOT NULL`, of)
}

// renameFields moves the values of the fields that an ALTER of an object renames.
func (v *vault) renameFields(x mdl.Component) func(*tx) error {
	return func(t *tx) error {
		for _, s := range x.Components {
			if x.Type != "Object" || s.Command != mdl.Rename || s.Type != "Field" {
				continue
			}
			extent := v.extent(x.Name)
			if err := moveValues(t, "records", "extent", extent, s.Name, s.Newname); err != nil {
				return err
			}
			for _, table := range []string{"refs", "uniques"} {
				if err := t.exec(`UPDATE `+table+` SET field = ? WHERE extent = ? AND field = ?`, s.Newname, extent, s.Name); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

// check refuses what the type's attributes do not allow.
func (c *call) check(cat *catalog, x mdl.Component) error {
	own := x
	if x.Type == "Permissionset" { // its grants are a grammar of ours
		own.Components = nil
		text := mdl.Format(x)
		again, err := mdl.Parse(text)
		if err != nil || len(again) != 1 || mdl.Format(again[0].Component) != text {
			return fail("INVALID_DATA", "The text of [%s] cannot be read back as it was written", x.Key())
		}
	}
	if err := componentTypes()[x.Type].check(&own); err != nil {
		return err
	}
	switch x.Type {
	case "Permissionset":
		for i := range x.Components {
			if err := checkGrant(cat, &x.Components[i]); err != nil {
				return err
			}
		}
	case "Securityprofile":
		for _, n := range x.List("permission_sets") {
			if _, found := cat.components["Permissionset."+strings.TrimPrefix(n, "Permissionset.")]; !found {
				return fail("INVALID_DATA", "The permission set [%s] does not exist", n)
			}
		}
	case "Integrationrule":
		for i := range x.Components {
			s := &x.Components[i]
			if d := strings.TrimPrefix(s.Text("target_docfield"), "Docfield."); d != "" && cat.docFields.get(d) == nil {
				return fail("INVALID_DATA", "The document field [%s] of [%s] does not exist", d, s.Name)
			}
		}
	}
	return nil
}

// checkGrant refuses a grant for what does not exist.
func checkGrant(cat *catalog, s *mdl.Component) error {
	object, rest, _ := strings.Cut(s.Name, ".")
	verbs := []string{"read", "create", "edit", "delete"}
	switch s.Type {
	case "Vaultaction":
		verbs = []string{"granted"}
		if !slices.Contains(vaultActions, s.Name) {
			return fail("INVALID_DATA", "The vault action [%s] does not exist", s.Name)
		}
	case "Objectpermission":
		if cat.object(s.Name) == nil {
			return fail("INVALID_DATA", "The object [%s] does not exist", s.Name)
		}
	case "Objecttypepermission":
		if o := cat.object(object); o == nil || rest != "all" && o.typeByName(rest) == nil {
			return fail("INVALID_DATA", "The object type [%s] does not exist", s.Name)
		}
	case "Fieldpermission":
		verbs = []string{"read", "edit"}
		if o := cat.object(object); o == nil || rest != "all" && o.fields.get(rest) == nil {
			return fail("INVALID_DATA", "The field [%s] does not exist", s.Name)
		}
	default:
		return fail("INVALID_DATA", "A Permissionset has no [%s]", s.Type)
	}
	for _, a := range s.Attributes {
		if !slices.Contains(verbs, a.Name) {
			return fail("ATTRIBUTE_NOT_SUPPORTED", "[%s] has no attribute [%s]", s.Type, a.Name)
		}
		if len(a.Values) != 1 || a.Values[0].Kind != mdl.Bool {
			return fail("INVALID_DATA", "The attribute [%s] of [%s] takes true or false", a.Name, s.Key())
		}
	}
	return nil
}

// handleComponentText answers GET /api/mdl/components/{Type.name}: RECREATE as plain text.
func handleComponentText(c *call) (reply, error) {
	typ, name, _ := strings.Cut(c.param("component"), ".")
	x, found := c.v.catalog().component(typ, name)
	if !found {
		return reply{}, fail("INVALID_DATA", "The component [%s] does not exist", c.param("component"))
	}
	return reply{content: []byte(mdl.Format(x) + "\n"), media: "text/plain;charset=UTF-8"}, nil
}

// handleConfiguration answers GET /api/{v}/configuration/{Type} and /configuration/{Type.name}.
func handleConfiguration(c *call) (reply, error) {
	typ, name, one := strings.Cut(c.param("component"), ".")
	cat := c.v.catalog()
	k, known := componentKinds()[typ]
	if !known {
		if componentTypes()[typ] == nil {
			return reply{}, fail("INVALID_DATA", "The component type [%s] does not exist", typ)
		}
		k = textKind(typ, typ) // known by name; there are none
	}
	if one {
		x, found := cat.component(typ, name)
		if !found {
			return reply{}, fail("INVALID_DATA", "The component [%s] does not exist", c.param("component"))
		}
		return ok("data", componentBody(x))
	}
	if typ == "Object" {
		return reply{}, fail("OPERATION_NOT_ALLOWED", "Components of type [Object] cannot be listed here")
	}
	data := []body{}
	for _, n := range k.names(cat) {
		x, _ := k.print(cat, n)
		x.Components = nil
		data = append(data, componentBody(x))
	}
	return ok("data", data)
}

// lists are the attributes that are arrays in JSON however many values they have.
var lists = []string{"state_labels", "labeled_states", "permission_sets", "available_lifecycles", "relationship_types", "default_value"}

// componentBody is a component as JSON: attributes by name, sub-components in an array under their type.
func componentBody(x mdl.Component) body {
	b := body{"name", x.Name}
	for _, a := range x.Attributes {
		values := make([]any, len(a.Values))
		for i, v := range a.Values {
			switch v.Kind {
			case mdl.Bool:
				values[i] = v.Text == "true"
			case mdl.Number:
				values[i] = raw(v.Text)
			default:
				values[i] = v.Text
			}
		}
		switch {
		case len(values) == 1 && !slices.Contains(lists, a.Name):
			b = append(b, a.Name, values[0])
		case len(values) == 0:
			b = append(b, a.Name, nil)
		default:
			list := raw("[")
			for i, v := range values {
				if i > 0 {
					list = append(list, ',')
				}
				list = appendJSON(list, v)
			}
			b = append(b, a.Name, append(list, ']'))
		}
	}
	var types []string
	for _, s := range x.Components {
		if !slices.Contains(types, s.Type) {
			types = append(types, s.Type)
		}
	}
	for _, t := range types {
		var list []body
		for _, s := range x.Components {
			if s.Type == t {
				list = append(list, componentBody(s))
			}
		}
		b = append(b, t, list)
	}
	return b
}
