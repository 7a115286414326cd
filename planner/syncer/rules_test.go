package syncer

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord/lang/schema"
	"accord/providers"
)

func TestMapping(t *testing.T) {
	raw := func(s string) json.RawMessage { return json.RawMessage(s) }
	for name, test := range map[string]struct {
		rule    providers.Rule
		source  string
		created bool
		want    string // of the target field, "" for none
	}{
		"copied":                   {rule: providers.Rule{From: "a"}, source: `{"a":[1,2]}`, want: `[1,2]`},
		"blank":                    {rule: providers.Rule{From: "a"}, source: `{"a":""}`},
		"null is blank":            {rule: providers.Rule{From: "a"}, source: `{"a":null}`},
		"false is not blank":       {rule: providers.Rule{From: "a", Default: raw(`true`)}, source: `{"a":false}`, want: `false`},
		"not there":                {rule: providers.Rule{From: "a"}, source: `{}`},
		"no fields at all":         {rule: providers.Rule{From: "a", Default: raw(`"d"`)}, want: `"d"`},
		"default":                  {rule: providers.Rule{From: "a", Default: raw(`"d"`)}, source: `{"a":[]}`, want: `"d"`},
		"constant":                 {rule: providers.Rule{Default: raw(`true`)}, source: `{}`, want: `true`},
		"translated":               {rule: providers.Rule{From: "a", Values: map[string]string{"x": "<y>"}}, source: `{"a":"x"}`, want: `"<y>"`},
		"a list translated":        {rule: providers.Rule{From: "a", Values: map[string]string{"x": "y"}}, source: `{"a":["x","z",1]}`, want: `["y","z",1]`},
		"two become one":           {rule: providers.Rule{From: "a", Values: map[string]string{"x": "z"}}, source: `{"a":["x","y","z"]}`, want: `["y","z"]`},
		"not in the table":         {rule: providers.Rule{From: "a", Values: map[string]string{"x": "y"}}, source: `{"a":"z"}`, want: `"z"`},
		"once, created":            {rule: providers.Rule{From: "a", Once: true}, source: `{"a":1}`, created: true, want: `1`},
		"once, there already":      {rule: providers.Rule{From: "a", Once: true}, source: `{"a":1}`},
		"of another part":          {rule: providers.Rule{From: "a", Parts: []string{"other"}}, source: `{"a":1}`},
		"of this part":             {rule: providers.Rule{From: "a", Parts: []string{"other", "part"}}, source: `{"a":1}`, want: `1`},
		"a reference, as it comes": {rule: providers.Rule{From: "a", Reference: &providers.Reference{Object: "o"}}, source: `{"a":{"link":"7"}}`, want: `{"link":"7"}`},
	} {
		t.Run(name, func(t *testing.T) {
			test.rule.To = "b"
			m := mappingFor([]providers.Rule{test.rule}, "part")
			source, err := new(parser).parse(test.source)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, string(m.apply(nil, source, test.created).value("b"))); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// Of the rules for one field the last one counts, also where what it reads is
// blank; fields come in the order of their names, whatever that of the rules.
func TestMappingOfSeveralRules(t *testing.T) {
	m := mappingFor([]providers.Rule{{From: "a", To: "z"}, {From: "a", To: "y"}, {From: "b", To: "z"}, {From: "a", To: "x"}, {From: "c", To: "y"}}, "")
	source, err := new(parser).parse(`{"a":1,"b":2}`)
	if err != nil {
		t.Fatal(err)
	}
	shall := schema.AppendObject(nil, m.apply(nil, source, true))
	if string(shall) != `{"x":1,"z":2}` {
		t.Errorf("it shall be %s", shall)
	}
	have, err := new(parser).parse(`{"x":2,"y":1,"z":1}`)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"x", "y", "z"}, m.differing(m.apply(nil, source, true), have)); diff != "" {
		t.Errorf("what differs (-want +got)\n%s", diff)
	}
}

func TestDiffering(t *testing.T) {
	for name, test := range map[string]struct {
		shall, have string
		reference   bool
		once        bool
		want        bool
	}{
		"equal":                          {shall: `"a"`, have: `"a"`},
		"different":                      {shall: `"a"`, have: `"b"`, want: true},
		"blank and nothing":              {shall: ``, have: `[]`},
		"to be cleared":                  {have: `"a"`, want: true},
		"to be set":                      {shall: `"a"`, want: true},
		"equal otherwise written":        {shall: `{"b":1.0, "a":"é"}`, have: `{"a":"é","b":1}`},
		"large numbers":                  {shall: `9007199254740993`, have: `9007199254740992`, want: true},
		"order counts":                   {shall: `["a","b"]`, have: `["b","a"]`, want: true},
		"once":                           {shall: ``, have: `"b"`, once: true},
		"RULE-2 the same link":           {shall: `{"link":"1","external_id":"x"}`, have: `{"link":"1","external_id":"y"}`, reference: true},
		"RULE-2 another link":            {shall: `{"link":"1","external_id":"x"}`, have: `{"link":"2","external_id":"x"}`, reference: true, want: true},
		"RULE-2 by external id":          {shall: `{"external_id":"x"}`, have: `{"external_id":"x","link":"2"}`, reference: true},
		"RULE-2 nothing to know them by": {shall: `{"external_id":"x"}`, have: `{"link":"2"}`, reference: true, want: true},
		"RULE-2 lists":                   {shall: `[{"link":"1"},{"link":"2"}]`, have: `[{"link":"1"},{"link":"3"}]`, reference: true, want: true},
		"RULE-2 ids of the source":       {shall: `"V1"`, have: `"V1"`, reference: true},
	} {
		t.Run(name, func(t *testing.T) {
			rule := providers.Rule{From: "f", To: "f", Once: test.once}
			if test.reference {
				rule.Reference = &providers.Reference{}
			}
			field := func(value string) fields { return fields{{Name: []byte("f"), Value: json.RawMessage(value)}} }
			if got := len(mappingFor([]providers.Rule{rule}, "").differing(field(test.shall), field(test.have))) > 0; got != test.want {
				t.Errorf("differs: %v, want %v", got, test.want)
			}
		})
	}
}

// RULE-2: a list of references has no order that both sides know, and what has
// no match is left out where the rule says so, else an exception; several
// matches are always one.
func TestReferencesThatDoNotMatch(t *testing.T) {
	a, b := `{"external_id":"A","link":"1"}`, `{"external_id":"B","link":"2"}`
	if !same(json.RawMessage("["+a+","+b+"]"), json.RawMessage(`[{"external_id":"B","link":"2"},{"link":"1"}]`), true) {
		t.Error("the order of references counts")
	}
	if same(json.RawMessage("["+a+","+a+"]"), json.RawMessage("["+a+","+b+"]"), true) {
		t.Error("one reference stands for two")
	}
	end := providers.End{Stream: "reference"}
	for name, test := range map[string]struct {
		noMatch string
		without map[string]string
		value   string
		left    string
		bad     bool
	}{
		"all match":                {noMatch: "blank", value: "[" + a + "," + b + "]", left: "[" + a + "," + b + "]"},
		"one has none":             {noMatch: "blank", without: map[string]string{a: providers.NoMatch}, value: "[" + a + "," + b + "]", left: "[" + b + "]"},
		"none is left":             {noMatch: "blank", without: map[string]string{a: providers.NoMatch}, value: "[" + a + "]"},
		"no list":                  {noMatch: "blank", without: map[string]string{a: providers.NoMatch}, value: a},
		"an exception":             {noMatch: "exception", without: map[string]string{a: providers.NoMatch}, value: "[" + a + "]", bad: true},
		"several, where blank":     {noMatch: "blank", without: map[string]string{a: providers.ManyMatches}, value: "[" + a + "]", left: "[" + a + "]", bad: true},
		"several, where exception": {noMatch: "exception", without: map[string]string{a: providers.ManyMatches}, value: "[" + a + "]", bad: true},
		"of another field":         {noMatch: "exception", without: map[string]string{a: providers.NoMatch}, value: "[" + b + "]", left: "[" + b + "]"},
	} {
		t.Run(name, func(t *testing.T) {
			m := mappingFor([]providers.Rule{{From: "brand", To: "product", Reference: &providers.Reference{Object: "product__v", NoMatch: test.noMatch, Records: end}}}, "")
			refs := &references{without: map[uint64]string{}, problems: map[uint64]lack{}, gaps: map[uint64]lack{}}
			for element, standing := range test.without {
				refs.without[hash(endName(end), element)] = standing
			}
			r := &providers.Record{Part: "slide", Key: "1", Title: "One", Fields: json.RawMessage(`{"brand":` + test.value + `}`)}
			holder := &providers.Record{Part: "presentation", Key: "2", Members: []providers.Member{{Part: "slide", Key: "1"}}}
			for _, x := range []*providers.Record{r, holder} {
				x, err := recordOf(x)
				if err == nil {
					err = refs.judge(m, &x)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			if bad := refs.problems[hash("slide", "1")].why != ""; bad != test.bad {
				t.Errorf("an exception: %v", bad)
			}
			if bad := refs.gaps[hash("presentation", "2")].why != ""; bad != test.bad {
				t.Errorf("what holds it: %v", bad)
			}
			shall := refs.settle(m, fields{{Name: []byte("product"), Value: json.RawMessage(test.value)}}, nil)
			if left := string(shall.value("product")); !test.bad && left != test.left {
				t.Errorf("%s is left", left)
			}
		})
	}
}
