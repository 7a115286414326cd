package main

import (
	"encoding"
	"encoding/json"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"accord/lang/schema"
	"accord/planner"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
)

// moment is a time in the declaration of a line.
type moment = time.Time

// enums are the words that a type of words may have.
var enums = map[reflect.Type][]any{
	reflect.TypeFor[providers.Action]():   {providers.NoAction, providers.Create, providers.Update, providers.Replace, providers.Adopt, providers.Remove},
	reflect.TypeFor[providers.Severity](): {providers.SeverityError, providers.SeverityWarning},
	reflect.TypeFor[providers.Kind](): {providers.Invalid, providers.NotFound, providers.Exists, providers.Permission, providers.Throttled,
		providers.Transient, providers.Ambiguous, providers.Refused, providers.Access, providers.Internal},
	reflect.TypeFor[planner.Standing](): {planner.Begun, planner.Done, planner.Incomplete, planner.Interrupted, planner.Waiting},
	reflect.TypeFor[plan.Finding]():     {plan.WasDone, plan.NotDone, plan.HalfDone},
	reflect.TypeFor[plan.Reason](): {plan.Declared, plan.Lost, plan.Found, plan.Imported, plan.Edited, plan.Drifted, plan.Follows, plan.Forced, plan.Requested, plan.Protects,
		plan.BlockGone, plan.KeyGone, plan.Disabled, plan.ModuleGone, plan.ModuleKeyGone, plan.ModuleDisabled, plan.RemovedBlock, plan.Destroyed},
	reflect.TypeFor[providers.Verb](): {providers.WriteCreate, providers.WriteUpdate, providers.WriteRestore, providers.WriteWithdraw},
	reflect.TypeFor[schema.Removal](): {schema.Forget, schema.Deactivate, schema.Reset, schema.Revoke, schema.Delete},
	reflect.TypeFor[syncer.Mode]():    {syncer.None, syncer.Incremental, syncer.Full, syncer.Withdrawal},
	reflect.TypeFor[syncer.Status](): {syncer.Clean, syncer.Faulty, syncer.Refused, syncer.Failed, syncer.Interrupted,
		syncer.Skipped, syncer.Blocked, syncer.Locked},
	reflect.TypeFor[syncer.Reason](): {syncer.Activated, syncer.NeverSucceeded, syncer.LastSuccess15d, syncer.FilterEdited,
		syncer.RuleChanged, syncer.EngineChanged, syncer.VaultChanged, syncer.RouteTableChanged, syncer.RoutesUnknown, syncer.RoutesFullRun, syncer.Requested, syncer.Changes, syncer.Retry, syncer.WithdrawAll, syncer.Reprocess, syncer.WithdrawKept},
}

// outputSchema is the JSON Schema (draft 2020-12) of every line that -json
// prints, and of the documents that -format=json prints.
//
// As it is published, types and members that it does not know are valid: they
// may come with the next minor version. Strict, they are not; so the tests
// read it.
func outputSchema(strict bool) map[string]any {
	m := schemaMaker{strict: strict, defs: map[string]any{}}
	var each []any
	for _, t := range lineTypes {
		m.defs["line."+t.name] = m.line(t)
		each = append(each, map[string]any{
			"if":   map[string]any{"properties": map[string]any{"type": map[string]any{"const": t.name}}},
			"then": ref("line." + t.name),
		})
	}
	line := map[string]any{
		"description": "One line. Ignore types and members that you do not know; @message can always be shown.",
		"type":        "object", "required": []string{"@timestamp", "@message", "type"}, "allOf": each,
		"properties": map[string]any{
			"@timestamp": map[string]any{"type": "string", "format": "date-time"},
			"@message":   map[string]any{"type": "string", "description": "for people"},
			"type":       map[string]any{"type": "string", "description": "which of line.* it is"},
		},
	}
	if strict {
		var names []string
		for _, t := range lineTypes {
			names = append(names, t.name)
		}
		line["properties"].(map[string]any)["type"].(map[string]any)["enum"] = names
	}
	m.defs["line"] = line
	for name, of := range map[string]reflect.Type{"plan": reflect.TypeFor[document](), "state": reflect.TypeFor[stateDocument](), "drift": reflect.TypeFor[driftDocument]()} {
		m.reference(of)
		m.defs[name] = m.defs[of.Name()]
		delete(m.defs, of.Name())
	}
	return map[string]any{
		"$schema":        "https://json-schema.org/draft/2020-12/schema",
		"$id":            "urn:accord:output:" + uiVersion,
		"title":          "What accord prints for machines",
		"description":    "With -json every line of standard output is one #/$defs/line, the first one of the type version. Additions raise the minor number of the version.",
		"format_version": uiVersion,
		"$ref":           "#/$defs/line",
		"$defs":          m.defs,
	}
}

// schemaMaker turns Go types into JSON Schema, each named struct once.
type schemaMaker struct {
	strict bool
	defs   map[string]any
}

func ref(name string) map[string]any { return map[string]any{"$ref": "#/$defs/" + name} }

func (m *schemaMaker) line(t lineType) map[string]any {
	properties := map[string]any{"@timestamp": true, "@message": true, "type": map[string]any{"const": t.name}}
	required := []string{"@timestamp", "@message", "type"}
	for name, value := range t.fields {
		name, optional := strings.CutSuffix(name, "?")
		if !optional {
			required = append(required, name)
		}
		properties[name] = m.of(reflect.TypeOf(value), !optional)
	}
	slices.Sort(required)
	out := map[string]any{"description": t.doc, "type": "object", "required": required, "properties": properties}
	if m.strict {
		out["additionalProperties"] = false
	}
	return out
}

var textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()

// of is the schema of a Go type as encoding/json writes it. Where always says
// that a member is never left out, a nil value is null.
func (m *schemaMaker) of(t reflect.Type, always bool) any {
	kind := func(name string, nilable bool, more map[string]any) any {
		if more == nil {
			more = map[string]any{}
		}
		more["type"] = name
		if nilable && always {
			more["type"] = []string{name, "null"}
		}
		return more
	}
	switch {
	case t == reflect.TypeFor[json.RawMessage](), t.Kind() == reflect.Interface:
		return true
	case t == reflect.TypeFor[time.Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case t == reflect.TypeFor[time.Duration]():
		return map[string]any{"type": "integer", "description": "in nanoseconds"}
	case enums[t] != nil:
		if m.strict {
			return map[string]any{"enum": enums[t]}
		}
		return map[string]any{"type": "string", "examples": enums[t]}
	case t.Implements(textMarshaler):
		return map[string]any{"type": "string"}
	case t.Implements(reflect.TypeFor[json.Marshaler]()):
		return true
	}
	switch t.Kind() {
	case reflect.Pointer:
		if always {
			return map[string]any{"anyOf": []any{m.of(t.Elem(), false), map[string]any{"type": "null"}}}
		}
		return m.of(t.Elem(), false)
	case reflect.Struct:
		return m.reference(t)
	case reflect.Slice, reflect.Array:
		if t.Elem().Kind() == reflect.Uint8 {
			return kind("string", t.Kind() == reflect.Slice, map[string]any{"contentEncoding": "base64"})
		}
		return kind("array", t.Kind() == reflect.Slice, map[string]any{"items": m.of(t.Elem(), true)})
	case reflect.Map:
		return kind("object", true, map[string]any{"additionalProperties": m.of(t.Elem(), true)})
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float32, reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	default:
		return map[string]any{"type": "integer"}
	}
}

// reference is a struct, described once under its package and name.
func (m *schemaMaker) reference(t reflect.Type) any {
	name := path.Base(t.PkgPath()) + "." + t.Name()
	if t.PkgPath() == reflect.TypeFor[lineType]().PkgPath() {
		name = strings.TrimSuffix(t.Name(), "JSON")
	}
	if m.defs[name] == nil {
		m.defs[name] = true // for types that hold themselves
		out := map[string]any{"type": "object"}
		properties := map[string]any{}
		required := m.members(t, properties, []string{})
		slices.Sort(required)
		out["properties"], out["required"] = properties, required
		if m.strict {
			out["additionalProperties"] = false
		}
		m.defs[name] = out
	}
	return ref(name)
}

// members adds the fields of a struct, those of embedded ones among them, and
// returns which are always there.
func (m *schemaMaker) members(t reflect.Type, properties map[string]any, required []string) []string {
	for i := range t.NumField() {
		f := t.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous && name == "":
			required = m.members(f.Type, properties, required)
			continue
		case !f.IsExported() || name == "-":
			continue
		case name == "":
			name = f.Name
		}
		always := !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero")
		if always {
			required = append(required, name)
		}
		properties[name] = described(m.of(f.Type, always), f.Tag.Get("doc"))
	}
	return required
}

// described adds what a member means.
func described(of any, doc string) any {
	s, ok := of.(map[string]any)
	switch {
	case doc == "":
		return of
	case !ok:
		return map[string]any{"description": doc}
	}
	s["description"] = doc
	return s
}
