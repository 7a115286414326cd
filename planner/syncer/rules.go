package syncer

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"accord/lang/schema"
	"accord/providers"
)

// mapping turns the fields of a source record into those of a target record,
// by the rules of one part, in the order of the target fields. It is pure.
type mapping []mapped

type mapped struct {
	*providers.Rule
	to []byte
}

func mappingFor(rules []providers.Rule, part string) mapping {
	var m mapping
	for n := range rules {
		if r := &rules[n]; len(r.Parts) == 0 || slices.Contains(r.Parts, part) {
			m = append(m, mapped{r, []byte(r.To)})
		}
	}
	slices.SortStableFunc(m, func(a, b mapped) int { return cmp.Compare(a.To, b.To) })
	return m
}

// fields are those of a record, in the order of their names; a blank one need
// not be there.
type fields []schema.Member

func (f fields) value(name string) json.RawMessage { return schema.Find(f, name).Value }

// parser reads the fields of one record after the other. They are good until
// the next.
type parser struct {
	text []byte
	list fields
}

func (p *parser) parse(text string) (fields, error) {
	p.text = append(p.text[:0], text...)
	list, err := schema.Members(p.list[:0], p.text)
	if err != nil {
		return nil, fmt.Errorf("reading the fields of a record: %w", err)
	}
	p.list = list
	return list, nil
}

// blank: null, "", [] and {}; false and 0 are values.
func blank(v json.RawMessage) bool {
	switch string(v) {
	case "", "null", `""`, "[]", "{}":
		return true
	default:
		return false
	}
}

// apply appends the target fields as they shall be. Fields that are set once
// are there only for a new item.
func (m mapping) apply(target, source fields, created bool) fields {
	for _, rule := range m {
		if rule.Once && !created {
			continue
		}
		if last := len(target) - 1; last >= 0 && bytes.Equal(target[last].Name, rule.to) {
			target = target[:last] // a rule takes the place of one before it, also where its source is blank
		}
		if v := value(rule.Rule, source); !blank(v) {
			target = append(target, schema.Member{Name: rule.to, Value: v})
		}
	}
	return target
}

func value(rule *providers.Rule, source fields) json.RawMessage {
	if rule.From == "" {
		return rule.Default
	}
	v := source.value(rule.From)
	if blank(v) {
		return rule.Default
	}
	if len(rule.Values) == 0 {
		return v
	}
	return translate(rule.Values, v)
}

// translate replaces a text, or each text of a list, by what the table says;
// what the table does not name goes over as it is. A list that was sorted is so
// again, and names nothing twice where two values become one.
func translate(table map[string]string, v json.RawMessage) json.RawMessage {
	var one string
	if json.Unmarshal(v, &one) == nil {
		if to, ok := table[one]; ok {
			return encode(to)
		}
		return v
	}
	var list []json.RawMessage
	if json.Unmarshal(v, &list) != nil {
		return v
	}
	for i, element := range list {
		if json.Unmarshal(element, &one) == nil {
			if to, ok := table[one]; ok {
				list[i] = encode(to)
			}
		}
	}
	slices.SortFunc(list, func(a, b json.RawMessage) int { return bytes.Compare(a, b) })
	return encode(slices.CompactFunc(list, func(a, b json.RawMessage) bool { return bytes.Equal(a, b) }))
}

// differing returns the fields of the rules that a target record holds
// otherwise than it shall, sorted.
func (m mapping) differing(shall, have fields) []string {
	var names []string
	for _, rule := range m {
		if !rule.Once && !same(shall.value(rule.To), have.value(rule.To), rule.Reference != nil) && !slices.Contains(names, rule.To) {
			names = append(names, rule.To)
		}
	}
	return names
}

// same compares two values as canonical JSON; references by link, else by
// external id (RULE-2).
func same(a, b json.RawMessage, reference bool) bool {
	if bytes.Equal(a, b) || blank(a) && blank(b) {
		return true
	}
	if blank(a) || blank(b) {
		return false
	}
	var x, y any
	if !decode(a, &x) || !decode(b, &y) {
		return false
	}
	if reference {
		return sameReferences(x, y)
	}
	return bytes.Equal(encode(x), encode(y))
}

func decode(v json.RawMessage, into *any) bool {
	d := json.NewDecoder(bytes.NewReader(v))
	d.UseNumber()
	if d.Decode(into) != nil {
		return false
	}
	*into = canonical(*into)
	return true
}

// canonical makes equal numbers equal texts.
func canonical(v any) any {
	switch v := v.(type) {
	case json.Number:
		if f, err := strconv.ParseFloat(v.String(), 64); err == nil && bytes.ContainsAny([]byte(v), ".eE") {
			return f
		}
	case []any:
		for i := range v {
			v[i] = canonical(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = canonical(v[k])
		}
	}
	return v
}

func sameReferences(a, b any) bool {
	x, isList := a.([]any)
	y, isAlso := b.([]any)
	if isList != isAlso || len(x) != len(y) {
		return false
	}
	if isList { // they have no order that both sides know
		y = slices.Clone(y)
		for i := range x {
			at := slices.IndexFunc(y, func(b any) bool { return sameReferences(x[i], b) })
			if at < 0 {
				return false
			}
			y = slices.Delete(y, at, at+1)
		}
		return true
	}
	p, isMap := a.(map[string]any)
	q, isToo := b.(map[string]any)
	if !isMap || !isToo {
		return bytes.Equal(encode(a), encode(b))
	}
	for _, by := range []string{"link", "external_id"} {
		if l, r := p[by], q[by]; l != nil && l != "" && r != nil && r != "" {
			return l == r
		}
	}
	return false
}

// encode returns canonical JSON: keys sorted, no space, no escapes for HTML's sake.
func encode(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // values that came from JSON go back to it
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
