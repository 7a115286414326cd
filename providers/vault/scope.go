package vault

import (
	"encoding/json"

	"accord/lang/schema"
	"accord/providers"
)

// scope is what narrows the streams of targets, in one JSON object. Its fields, and
// those of what it holds, are in the order of their names: so it is canonical as it
// is written.
type scope struct {
	CRM       int64      `json:"crm,omitempty"`      // connection_country: the CRM vault's id
	Fields    []string   `json:"fields,omitempty"`   // clm_content: target fields that the rules fill
	Object    string     `json:"object,omitempty"`   // reference: what is referred to
	Picklist  string     `json:"picklist,omitempty"` // reference: or whose values
	Point     string     `json:"point,omitempty"`    // API name of the point: whose mark (CLM-11)
	Preflight *preflight `json:"preflight,omitempty"`
	Refs      []refMap   `json:"refs,omitempty"`   // clm_content: target fields that hold references (RULE-2)
	Source    int64      `json:"source,omitempty"` // clm_content: the content vault's id
	Title     string     `json:"title,omitempty"`  // exceptions: the label of the point
}

// refMap says what a target field refers to, and what becomes of a reference
// that has no match in the CRM vault.
type refMap struct {
	Blank  bool   `json:"blank,omitempty"`
	Field  string `json:"field"`
	Object string `json:"object"`
}

func scopeOf(end providers.End) (scope, error) {
	var s scope
	if len(end.Scope) == 0 {
		return s, nil
	}
	if err := json.Unmarshal(end.Scope, &s); err != nil {
		return s, providers.Errorf(providers.Internal, "the scope of stream %s cannot be read: %v", end.Stream, err)
	}
	return s, nil
}

func (s scope) raw() json.RawMessage {
	raw, err := json.Marshal(s)
	if err == nil && s.Preflight != nil && len(s.Preflight.Known) > 0 { // whose fields are in an order of their own
		raw, err = schema.Canonical(raw, nil)
	}
	if err != nil {
		panic(err) // strings and numbers only
	}
	return raw
}
