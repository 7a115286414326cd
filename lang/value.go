package lang

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"accord/lang/addrs"
	"accord/lang/schema"
)

// unknownObject is the value of an object of which nothing is known.
func unknownObject(s *bodySchema) cty.Value {
	attrs := map[string]cty.Value{}
	for n := range s.Attributes {
		a := &s.Attributes[n]
		attrs[a.Name] = marked(unknownOf(a.Type), a)
	}
	for _, n := range s.Blocks {
		attrs[n.Name] = cty.DynamicVal
		if n.Single {
			attrs[n.Name] = unknownObject(s.nested[n.Name])
		}
	}
	return cty.ObjectVal(attrs)
}

func unknownOf(ty cty.Type) cty.Value { return cty.UnknownVal(ty.WithoutOptionalAttributesDeep()) }

// marked gives a value the marks that its attribute is declared with.
func marked(v cty.Value, a *schema.Attribute) cty.Value {
	if a.Sensitive {
		v = v.Mark(sensitive)
	}
	if a.Volatile {
		v = v.Mark(volatile)
	}
	return v
}

// decoder makes values of a known object, for expressions that read it.
type decoder struct {
	Object
	open bool // what is computed and absent is not known yet
}

func (d *decoder) object(s *bodySchema) (cty.Value, error) {
	dec := json.NewDecoder(bytes.NewReader(d.Body))
	dec.UseNumber()
	var body map[string]any
	if err := dec.Decode(&body); err != nil {
		return cty.DynamicVal, fmt.Errorf("reading a body: %w", err)
	}
	return d.block(s, body, "")
}

func (d *decoder) block(s *bodySchema, body map[string]any, path addrs.Path) (cty.Value, error) {
	attrs := map[string]cty.Value{}
	for n := range s.Attributes {
		a := &s.Attributes[n]
		at := path.Child(a.Name)
		v, err := d.attribute(a, body[a.Name], at)
		if err != nil {
			return cty.DynamicVal, fmt.Errorf("%s: %w", at, err)
		}
		if at.MeetsAny(d.Sensitive) {
			v = v.Mark(sensitive)
		}
		attrs[a.Name] = marked(v, a)
	}
	for _, n := range s.Blocks {
		v, err := d.nested(&n, s.nested[n.Name], body[n.Name], path.Child(n.Name))
		if err != nil {
			return cty.DynamicVal, err
		}
		attrs[n.Name] = v
	}
	return cty.ObjectVal(attrs), nil
}

// attribute decodes one attribute. One that is unknown in part is unknown.
func (d *decoder) attribute(a *schema.Attribute, raw any, path addrs.Path) (cty.Value, error) {
	ty := a.Type.WithoutOptionalAttributesDeep()
	switch {
	case path.MeetsAny(d.Unknown), raw == nil && d.open && (a.Computed || a.Volatile || a.ReadOnly):
		return cty.UnknownVal(ty), nil
	case raw == nil:
		return cty.NullVal(ty), nil
	}
	return convert.Convert(natural(raw), ty)
}

func (d *decoder) nested(n *schema.Nested, s *bodySchema, raw any, path addrs.Path) (cty.Value, error) {
	for _, p := range d.Unknown {
		if p == path {
			return cty.DynamicVal, nil
		}
	}
	switch raw := raw.(type) {
	case map[string]any:
		if n.Label == "" {
			return d.block(s, raw, path)
		}
		blocks := map[string]cty.Value{}
		for label, inner := range raw {
			body, _ := inner.(map[string]any)
			v, err := d.block(s, body, path.Child(label))
			if err != nil {
				return cty.DynamicVal, err
			}
			blocks[label] = v
		}
		return cty.ObjectVal(blocks), nil
	case []any:
		blocks := make([]cty.Value, len(raw))
		for i, inner := range raw {
			body, _ := inner.(map[string]any)
			v, err := d.block(s, body, path.Index(i))
			if err != nil {
				return cty.DynamicVal, err
			}
			blocks[i] = v
		}
		return cty.TupleVal(blocks), nil
	}
	switch {
	case n.Single:
		return cty.NullVal(cty.DynamicPseudoType), nil
	case n.Label != "":
		return cty.EmptyObjectVal, nil
	default:
		return cty.EmptyTupleVal, nil
	}
}

// natural is the value that JSON shows, without a schema.
func natural(raw any) cty.Value {
	switch raw := raw.(type) {
	case string:
		return cty.StringVal(raw)
	case bool:
		return cty.BoolVal(raw)
	case json.Number:
		if n, err := raw.Int64(); err == nil {
			return cty.NumberIntVal(n)
		}
		v, err := cty.ParseNumberVal(raw.String())
		if err != nil {
			return cty.NullVal(cty.Number)
		}
		return v
	case []any:
		elements := make([]cty.Value, len(raw))
		for n, e := range raw {
			elements[n] = natural(e)
		}
		return cty.TupleVal(elements)
	case map[string]any:
		attrs := make(map[string]cty.Value, len(raw))
		for name, e := range raw {
			attrs[name] = natural(e)
		}
		return cty.ObjectVal(attrs)
	default:
		return cty.NullVal(cty.DynamicPseudoType)
	}
}

// encoder takes values apart into what becomes JSON, and notes what is unknown
// and what is sensitive on the way.
type encoder struct {
	unknown, sensitive []addrs.Path
	late               bool // volatile values may be used
}

// valueError says what a value cannot become JSON for.
type valueError struct {
	path            addrs.Path
	summary, detail string
}

func (e *valueError) Error() string { return e.detail }

// value returns v as map[string]any, []any, string, bool, json.Number or int64,
// or nil where there is nothing to write: v is null or unknown.
func (e *encoder) value(v cty.Value, path addrs.Path) (any, error) {
	v, err := e.unmark(v, path)
	if err != nil {
		return nil, err
	}
	if !v.IsKnown() {
		e.unknown = append(e.unknown, path)
		return nil, nil
	}
	if v.IsNull() {
		return nil, nil
	}
	switch ty := v.Type(); {
	case ty == cty.String:
		return v.AsString(), nil
	case ty == cty.Bool:
		return v.True(), nil
	case ty == cty.Number:
		return number(v.AsBigFloat()), nil
	case ty.IsMapType(), ty.IsObjectType():
		members := make(map[string]any, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			key, element := it.Element()
			name := key.AsString()
			if members[name], err = e.value(element, path.Child(name)); err != nil {
				return nil, err
			}
		}
		return members, nil
	case ty.IsListType(), ty.IsSetType(), ty.IsTupleType():
		if !v.IsWhollyKnown() {
			e.unknown = append(e.unknown, path)
			return nil, e.scan(v, path)
		}
		elements := make([]any, 0, v.LengthInt())
		for it := v.ElementIterator(); it.Next(); {
			_, element := it.Element()
			at := path.Index(len(elements))
			value, err := e.value(element, at)
			if err != nil {
				return nil, err
			}
			if value == nil {
				return nil, &valueError{at, "Null element", "An element is null. Leave it out instead."}
			}
			elements = append(elements, value)
		}
		return elements, nil
	default:
		return nil, &valueError{path, "Wrong type", fmt.Sprintf("A %s cannot be kept.", ty.FriendlyName())}
	}
}

// unmark takes the marks off v and notes them.
func (e *encoder) unmark(v cty.Value, path addrs.Path) (cty.Value, error) {
	if !v.IsMarked() {
		return v, nil
	}
	if v.HasMark(volatile) && !e.late {
		return cty.NilVal, &valueError{path, "Volatile value", "This value changes by itself, without anyone changing the configuration; only outputs and checks may use it."}
	}
	if v.HasMark(sensitive) {
		e.sensitive = append(e.sensitive, path)
	}
	v, _ = v.Unmark()
	return v, nil
}

// scan notes the marks of a value that is not written because a part of it is
// unknown.
func (e *encoder) scan(v cty.Value, path addrs.Path) error {
	if !v.ContainsMarked() {
		return nil
	}
	_, marks := v.UnmarkDeep()
	_, err := e.unmark(cty.DynamicVal.WithMarks(marks), path)
	return err
}

// number is exact for integers; a fraction has the precision that JSON readers
// give it.
func number(f *big.Float) any {
	if n, accuracy := f.Int64(); accuracy == big.Exact {
		return n
	}
	if f.IsInt() {
		return json.Number(f.Text('f', 0))
	}
	n, _ := f.Float64()
	return n
}

// problemAt makes a diagnostic of what is wrong with a value of an attribute.
func problemAt(expr hcl.Expression, attr hcl.Range, ctx *hcl.EvalContext, at hcl.Range, summary, detail string) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: at.Ptr(), Expression: expr, EvalContext: ctx}
	if attr.Filename == at.Filename && attr.Start.Byte <= at.Start.Byte && attr.End.Byte >= at.End.Byte {
		d.Context = attr.Ptr()
	}
	return d
}
