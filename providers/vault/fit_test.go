package vault

import (
	"fmt"
	"strings"
	"testing"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/vaultapi"

	"github.com/google/go-cmp/cmp"
)

// RULE-3: all pairs of types. What is not in the table does not fit.
func TestFits(t *testing.T) {
	types := []string{"String", "LongText", "RichText", "URL", "Number", "Boolean", "Date", "DateTime", "Picklist", "ObjectReference", "Formula", "Component", "id"}
	fitting := map[string]string{
		"String": "String LongText", "LongText": "LongText", "URL": "URL String LongText", "Number": "Number", "Boolean": "Boolean",
		"Date": "Date", "DateTime": "DateTime", "Picklist": "Picklist", "ObjectReference": "ObjectReference", // RULE-2: a reference is never copied as an id
	}
	for _, from := range types {
		for _, to := range types {
			want := strings.Contains(" "+fitting[from]+" ", " "+to+" ")
			why := fits(vaultapi.DocumentField{Type: from}, vaultapi.DocumentField{Type: to})
			if (why == "") != want {
				t.Errorf("RULE-3: a %s into a %s: %q", from, to, why)
			}
			if !want {
				continue
			}
			one, many := vaultapi.DocumentField{Type: from}, vaultapi.DocumentField{Type: to, Repeating: true}
			if why := fits(one, many); why != "" {
				t.Errorf("RULE-3: one %s into several: %s", from, why)
			}
			one.Repeating, many.Repeating = true, false
			if fits(one, many) == "" {
				t.Errorf("RULE-3: several of %s into one", from)
			}
		}
	}
}

// RULE-3: values, defaults and lengths, each at its place in the block.
func TestFitOfValues(t *testing.T) {
	picklist := func(names ...string) []vaultapi.Labelled {
		list := []vaultapi.Labelled{}
		for _, n := range names {
			list = append(list, vaultapi.Labelled{Name: n, Label: strings.ToUpper(n)})
		}
		return list
	}
	field := func(name, typ string, most int) vaultapi.DocumentField {
		return vaultapi.DocumentField{Name: name, Type: typ, Editable: true, MaxLength: vaultapi.Int(most)}
	}
	text := func(s string) *string { return &s }
	picks := fit{source: field("from__c", "Picklist", 0), target: field("to__c", "Picklist", 0), sourceValues: picklist("a__c", "b__c"), targetValues: picklist("a__c", "x__c")}
	texts := func(from, to int) fit {
		return fit{source: field("from__c", "String", from), target: field("to__c", "String", to)}
	}
	of := func(typ string) fit { return fit{source: field("from__c", typ, 0), target: field("to__c", typ, 0)} }
	off := func(f fit, where string) fit {
		switch where {
		case "source":
			f.source.Disabled = true
		case "target":
			f.target.Disabled = true
		default:
			f.target.Editable = false
		}
		return f
	}
	for name, c := range map[string]struct {
		fit  fit
		rule fieldRuleBody
		want []string // "error|warning place part of the summary"
	}{
		"all values are there":       {picks, fieldRuleBody{Values: map[string]string{"b__c": "x__c"}, Default: text("a__c")}, nil},
		"a value is lost":            {picks, fieldRuleBody{}, []string{"warning /target Values of from__c that to__c does not have: b__c"}},
		"no value of the source":     {picks, fieldRuleBody{Values: map[string]string{"b__c": "x__c", "q__c": "x__c"}}, []string{`error /values/q__c "q__c" is no value of from__c`}},
		"no value of the target":     {picks, fieldRuleBody{Values: map[string]string{"b__c": "X"}}, []string{`error /values/b__c "X" does not fit to__c`}},
		"a label for a name":         {picks, fieldRuleBody{Values: map[string]string{"b__c": "x__c"}, Default: text("A__C")}, []string{`error /default The default "A__C" does not fit`}},
		"picklists that are unknown": {of("Picklist"), fieldRuleBody{Values: map[string]string{"q": "z"}, Default: text("y")}, nil},
		"values of a number":         {of("Number"), fieldRuleBody{Values: map[string]string{"1": "2"}}, []string{"error /values values are for picklists and texts"}},
		"values of a text":           {texts(10, 10), fieldRuleBody{Values: map[string]string{"x": "y"}}, nil},
		"a value that is too long":   {texts(10, 10), fieldRuleBody{Values: map[string]string{"x": "0123456789a"}}, []string{`error /values/x "0123456789a" does not fit to__c: it has more`}},
		"characters, not bytes":      {texts(10, 10), fieldRuleBody{Default: text("ééééééàààà")}, nil},
		"longer texts":               {texts(100, 10), fieldRuleBody{}, []string{"warning /target to__c takes 10 characters, and from__c may have 100"}},
		"shorter texts":              {texts(10, 100), fieldRuleBody{}, nil},
		"a default number":           {of("Number"), fieldRuleBody{Default: text("1.5")}, nil},
		"no number":                  {of("Number"), fieldRuleBody{Default: text("one")}, []string{"error /default"}},
		"not a number":               {of("Number"), fieldRuleBody{Default: text("NaN")}, []string{"error /default"}},
		"infinite":                   {of("Number"), fieldRuleBody{Default: text("Inf")}, []string{"error /default"}},
		"hexadecimal":                {of("Number"), fieldRuleBody{Default: text("0x1p4")}, []string{"error /default"}},
		"yes":                        {of("Boolean"), fieldRuleBody{Default: text("yes")}, []string{"error /default"}},
		"true":                       {of("Boolean"), fieldRuleBody{Default: text("true")}, nil},
		"a day":                      {of("Date"), fieldRuleBody{Default: text("2027-02-28")}, nil},
		"no day":                     {of("Date"), fieldRuleBody{Default: text("2027-02-29")}, []string{"error /default"}},
		"no time":                    {of("DateTime"), fieldRuleBody{Default: text("noon")}, []string{"error /default"}},
		"a default reference":        {of("ObjectReference"), fieldRuleBody{Default: text("V001")}, []string{"error /default"}},
		"source off":                 {off(of("Number"), "source"), fieldRuleBody{}, []string{"error /source from__c is not an active field"}},
		"target off":                 {off(of("Number"), "target"), fieldRuleBody{}, []string{"error /target to__c is not an active field"}},
		"not to be written":          {off(of("Number"), ""), fieldRuleBody{}, []string{"error /target to__c cannot be written"}},
	} {
		t.Run(name, func(t *testing.T) {
			found := c.fit.check(&c.rule)
			if len(found) != len(c.want) {
				t.Fatalf("RULE-3: %+v, want %v", found, c.want)
			}
			for n, m := range found {
				severity := "error"
				if m.warning {
					severity = "warning"
				}
				if got := fmt.Sprintf("%s %s %s", severity, string(m.at), m.summary); !strings.Contains(got, c.want[n]) {
					t.Errorf("RULE-3: %s, want %s", got, c.want[n])
				}
				if m.detail == "" {
					t.Errorf("%s does not say what to do", m.summary)
				}
			}
		})
	}
}

// RULE-3: it is checked against the picklists as they are in both vaults.
func TestFitOfPicklists(t *testing.T) {
	t.Parallel()
	w := oneCRM(t)
	for vault, values := range map[string]string{"promomats": "hcp__c('HCP'), patient__c('Patient'), payer__c('Payer')", "crm-a": "hcp__c('HCP'), consumer__c('Consumer')"} {
		entries := ""
		for n, v := range strings.Split(values, ", ") {
			name, label, _ := strings.Cut(strings.TrimSuffix(v, ")"), "(")
			entries += fmt.Sprintf(", Picklistentry %s(value(%s), order(%d), active(true))", name, label, n)
		}
		w.load(vault, `{"mdl": "RECREATE Picklist audiences__c (label('Audiences'), active(true)`+entries+`);"}
{"mdl": "RECREATE Docfield audiences__c (label('Audiences'), active(true), required(false), shared(true), type('Picklist'), picklist('audiences__c'), display_section('general'));"}
`)
	}
	connection := w.object(keyed("connection", "crm", "a"), map[string]any{"type": "promomats_crm", "content": "vault.promomats", "crm": `vault.crm["a"]`})
	rule := func(values map[string]string) providers.Object {
		return w.object(addrs.New("field_rule", "x"), map[string]any{"connection": `connection.crm["a"]`, "source": "audiences__c", "target": "audiences__c", "values": values})
	}
	c := w.config(connection, rule(map[string]string{"patient__c": "consumer__c", "payr__c": "consumer__c"}))
	var got []string
	for _, d := range c.plan() {
		got = append(got, fmt.Sprintf("%s %s %s %s", d.Severity, d.Code, string(d.Path), d.Summary))
	}
	want := []string{
		`error RULE-3 /values/payr__c "payr__c" is no value of audiences__c; did you mean "payer__c"?`,
		`warning RULE-3 /target Values of audiences__c that audiences__c does not have: payer__c`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
