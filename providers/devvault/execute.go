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
	err = c.s.store.update(func(t *tx) (err error) {
		c.now = c.s.clock.now()
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
	if _, known := componentKinds[s.Type]; !known {
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
	saved := map[string]string{} // what to keep: name → text; empty: dropped
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
	case mdl.Drop, mdl.Rename:
		if !exists {
			if s.Condition == mdl.IfExists {
				return false, nil
			}
			return false, missing
		}
		if err := cat.drop(s.Type, s.Name); err != nil {
			return false, err
		}
		saved[s.Name] = ""
		if s.Command == mdl.Rename {
			old = old.Clone()
			old.Name = s.Newname
			if err := cat.conform(old); err != nil {
				return false, err
			}
			x, _ := cat.component(s.Type, s.Newname)
			saved[s.Newname] = mdl.Format(x)
		}
	default:
		return false, &statementError{"GEN-FSYN-II-1001", fmt.Sprintf("The command [%s] is not supported", s.Command)}
	}
	if len(saved) == 0 {
		x, _ := cat.component(s.Type, s.Name)
		saved[s.Name] = mdl.Format(x)
	}
	return true, v.saveComponents(cat, s.Type, saved)
}

// saveComponents stores texts of components and makes cat the vault's catalog. The caller holds v.schema.
func (v *vault) saveComponents(cat *catalog, typ string, saved map[string]string) error {
	return v.s.store.update(func(t *tx) error {
		for name, text := range saved {
			if err := t.exec(`INSERT INTO components VALUES (?, ?, ?, ?) ON CONFLICT (slot, type, name) DO UPDATE SET mdl = excluded.mdl`,
				v.slot, typ, name, text); err != nil {
				return err
			}
		}
		t.then(func() { v.cat.Store(cat) })
		return v.makeExtents(t, cat)
	})
}

// check refuses what the type's attributes do not allow.
func (c *call) check(cat *catalog, x mdl.Component) error {
	required := func(x *mdl.Component, names ...string) error {
		for _, n := range names {
			if x.Text(n) == "" {
				return fail("PARAMETER_REQUIRED", "Missing required attribute [%s] of [%s]", n, x.Key())
			}
		}
		return nil
	}
	only := func(x *mdl.Component, names ...string) error {
		for _, a := range x.Attributes {
			if !slices.Contains(names, a.Name) {
				return fail("ATTRIBUTE_NOT_SUPPORTED", "[%s] has no attribute [%s]", x.Type, a.Name)
			}
		}
		return nil
	}
	switch x.Type {
	case "Permissionset":
		if err := errors.Join(required(&x, "label"), only(&x, "label", "active")); err != nil {
			return err
		}
		for i := range x.Components {
			if err := checkGrant(cat, &x.Components[i]); err != nil {
				return err
			}
		}
	case "Integrationrule":
		if err := errors.Join(required(&x, "connection"), only(&x, "label", "active", "connection", "integration_point", "primary_query_object")); err != nil {
			return err
		}
		for i := range x.Components {
			s := &x.Components[i]
			switch s.Type {
			case "Queryobjectrule":
				if err := errors.Join(required(s, "query_object"), only(s, "label", "active", "query_object", "filter_clause")); err != nil {
					return err
				}
			case "Fieldrule":
				if err := only(s, "label", "active", "query_object", "query_field", "query_field_select", "query_field_type", "target_object",
					"target_object_field", "target_docfield", "target_field_lookup", "field_default", "reference_lookup_type", "reference_lookup"); err != nil {
					return err
				}
				if d := strings.TrimPrefix(s.Text("target_docfield"), "Docfield."); d != "" && cat.docFields.get(d) == nil {
					return fail("INVALID_DATA", "The document field [%s] of [%s] does not exist", d, s.Name)
				}
			default:
				return fail("INVALID_DATA", "An Integrationrule has no [%s]", s.Type)
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
	k, known := componentKinds[typ]
	if !known {
		return reply{}, fail("INVALID_DATA", "The component type [%s] does not exist", typ)
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

// handleComponentTypes answers GET /api/{v}/metadata/components.
func handleComponentTypes(c *call) (reply, error) {
	data := []body{}
	for _, n := range names(componentKinds) {
		k := componentKinds[n]
		data = append(data, body{"url", "/api/" + c.version + "/metadata/components/" + n, "name", n, "class", "metadata", "active", true,
			"label", k.label, "label_plural", k.label + "s"})
	}
	return ok("data", data)
}
