package vault

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"

	"accord/providers/vaultapi"
)

// integrationRule is an Integrationrule as the vault describes it: the rules
// of one CLM point (RULE-1).
type integrationRule struct {
	Name         string        `json:"name"`
	QueryRules   []queryObject `json:"Queryobjectrule"`
	FieldRules   []fieldObject `json:"Fieldrule"`
	byPairOfRule map[[2]string]*fieldObject
}

// queryObject is a Queryobjectrule.
type queryObject struct {
	Name   string        `json:"name"`
	Label  string        `json:"label"`
	Active vaultapi.Bool `json:"active"`
	Filter string        `json:"filter_clause"`
}

// fieldObject is a Fieldrule.
type fieldObject struct {
	Name        string        `json:"name"`
	Label       string        `json:"label"`
	Active      vaultapi.Bool `json:"active"`
	QueryField  string        `json:"query_field"`
	TargetField string        `json:"target_docfield"` // Docfield.product__c
	Default     string        `json:"field_default"`
	LookupType  string        `json:"reference_lookup_type"`
	Lookup      string        `json:"reference_lookup"`
	QueryObject string        `json:"query_object"`
}

// integrationRule reads the rules of a connection, in one call.
func (v *vault) integrationRule(ctx context.Context, name string) (*integrationRule, error) {
	var r integrationRule
	if err := v.reader.Configuration(ctx, "Integrationrule."+name, &r); err != nil {
		return nil, contractError("read the integration rule "+name, err)
	}
	r.byPairOfRule = map[[2]string]*fieldObject{}
	for n := range r.FieldRules {
		f := &r.FieldRules[n]
		f.TargetField = strings.TrimPrefix(f.TargetField, "Docfield.")
		r.byPairOfRule[[2]string{f.QueryField, f.TargetField}] = f
	}
	v.sawRules(name, &r)
	return &r, nil
}

// rulesCache reads the rules of each connection once.
func rulesCache(ctx context.Context) func(*link) (*integrationRule, error) {
	type key struct {
		v    *vault
		rule string
	}
	rule := cached(func(k key) (*integrationRule, error) { return k.v.integrationRule(ctx, k.rule) })
	return func(l *link) (*integrationRule, error) { return rule(key{l.crm, l.names.Rule}) }
}

// approvedOnlyRule is the name of the rule that lets only steady-state content
// through, as far as names are known.
const approvedOnlyRule = "approved_only__v"

// approvedOnly finds the query object rule of RULE-4: by name, else the one
// whose filter is the steady state.
func (r *integrationRule) approvedOnly() *queryObject {
	for n := range r.QueryRules {
		if r.QueryRules[n].Name == approvedOnlyRule {
			return &r.QueryRules[n]
		}
	}
	for n := range r.QueryRules {
		if strings.Contains(strings.ToUpper(r.QueryRules[n].Filter), "STEADYSTATE()") {
			return &r.QueryRules[n]
		}
	}
	return nil
}

// fieldRuleName is the name of the Fieldrule that accord makes for a pair of
// fields.
func fieldRuleName(source, target string) string {
	short := func(s string) string { return strings.ReplaceAll(s, "__", "_") }
	name := "accord_" + short(source) + "_to_" + short(target)
	const most = 40
	if len(name) > most-3 {
		h := fnv.New32a()
		h.Write([]byte(name))
		name = fmt.Sprintf("%s_%08x", strings.TrimRight(name[:most-3-9], "_"), h.Sum32())
	}
	return name + "__c"
}

// queryFieldTypes are the platform's names for the types of source fields.
var queryFieldTypes = map[string]string{
	"String": "document_text__sys", "LongText": "document_text__sys", "Number": "document_number__sys", "Boolean": "document_boolean__sys",
	"Date": "document_date__sys", "DateTime": "document_datetime__sys", "Picklist": "document_picklist__sys",
	"ObjectReference": "document_object_reference__sys", "URL": "document_url__sys",
}
