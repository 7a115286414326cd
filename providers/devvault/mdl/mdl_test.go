package mdl

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

const rule = `RECREATE Integrationrule promomats_crm_clm_presentation_iir__v (
   label('PromoMats-CRM: CLM'),
   active(true),
   connection('promomats_crm__v'),
   integration_point('clm'),
   Queryobjectrule approved_only__v(
      label('It''s approved'),
      active(true),
      query_object('documents'),
      filter_clause('status__v = STEADYSTATE()')
   ),
   Fieldrule product__c(
      query_field_select(),
      target_object('Object.a__c', 'Object.b__c')
   )
);`

func parseOne(t *testing.T, src string) Statement {
	t.Helper()
	statements, err := Parse(src)
	if err != nil {
		t.Fatalf("parsing %q: %v", src, err)
	}
	if len(statements) != 1 {
		t.Fatalf("parsing %q: %d statements, want 1", src, len(statements))
	}
	return statements[0]
}

func TestFormatIsWhatVaultPrints(t *testing.T) {
	s := parseOne(t, rule)
	if diff := cmp.Diff(rule, s.String()); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(rule, Format(s.Component)); diff != "" {
		t.Errorf("formatted (-want +got):\n%s", diff)
	}
	sub := s.Component.Component("Queryobjectrule", "approved_only__v")
	if got := sub.Text("label"); got != "It's approved" {
		t.Errorf("label = %q", got)
	}
	if sub.Pos != (Pos{Line: 6, Column: 4}) {
		t.Errorf("position of the sub-component = %v", sub.Pos)
	}
}

func TestParse(t *testing.T) {
	sub := func(command Command, typ, name string) Component {
		return Component{Command: command, Type: typ, Name: name}
	}
	for _, test := range []struct {
		name, src string
		want      []Statement
	}{
		{"nothing", "  # only a comment", nil},
		{"drop", "DROP Picklist color__c;", []Statement{{Component: sub(Drop, "Picklist", "color__c")}}},
		{"last semicolon may be missing", "drop Picklist color__c", []Statement{{Component: sub(Drop, "Picklist", "color__c")}}},
		{"drop if exists", "DROP Picklist IF EXISTS color__c;", []Statement{{Condition: IfExists, Component: sub(Drop, "Picklist", "color__c")}}},
		{"rename", "RENAME Picklist a__c TO b__c;", []Statement{{Component: Component{Command: Rename, Type: "Picklist", Name: "a__c", Newname: "b__c"}}}},
		{"two statements", "DROP Tab a__c; DROP Tab b__c;", []Statement{{Component: sub(Drop, "Tab", "a__c")}, {Component: sub(Drop, "Tab", "b__c")}}},
		{"values", "CREATE Job IF NOT EXISTS j__c (a('x'), b(-1.5), c(true), d({<a b='1'>{}</a>}), e(), f('1','2'),);", []Statement{{Condition: IfNotExists, Component: Component{
			Command: Create, Type: "Job", Name: "j__c", Attributes: []Attribute{
				{Name: "a", Values: []Value{{Text, "x"}}},
				{Name: "b", Values: []Value{{Number, "-1.5"}}},
				{Name: "c", Values: []Value{{Bool, "true"}}},
				{Name: "d", Values: []Value{{XML, "<a b='1'>{}</a>"}}},
				{Name: "e"},
				{Name: "f", Values: []Value{{Text, "1"}, {Text, "2"}}},
			}}}}},
		{"alter", `ALTER Objecttype account__v.base__v (label('L'), summary_fields ADD ('Field.a'), summary_fields DROP ('Field.b'),
			ADD Typefield a__c (required(true)), MODIFY Typefield b__c (pickentries DROP ('p')), DROP Typefield c__c;, RENAME Typefield d__c TO e__c)`, []Statement{{Component: Component{
			Command: Alter, Type: "Objecttype", Name: "account__v.base__v",
			Attributes: []Attribute{
				{Name: "label", Values: []Value{{Text, "L"}}},
				{Name: "summary_fields", Command: Add, Values: []Value{{Text, "Field.a"}}},
				{Name: "summary_fields", Command: Drop, Values: []Value{{Text, "Field.b"}}},
			},
			Components: []Component{
				{Command: Add, Type: "Typefield", Name: "a__c", Attributes: []Attribute{{Name: "required", Values: []Value{{Bool, "true"}}}}},
				{Command: Modify, Type: "Typefield", Name: "b__c", Attributes: []Attribute{{Name: "pickentries", Command: Drop, Values: []Value{{Text, "p"}}}}},
				{Command: Drop, Type: "Typefield", Name: "c__c"},
				{Command: Rename, Type: "Typefield", Name: "d__c", Newname: "e__c"},
			}}}}},
		{"nested", "CREATE Objectlifecycle l__c (Objectlifecyclestate s__c (Objectlifecyclestateuseraction u__c (order(1))));", []Statement{{Component: Component{
			Command: Create, Type: "Objectlifecycle", Name: "l__c", Components: []Component{
				{Type: "Objectlifecyclestate", Name: "s__c", Components: []Component{
					{Type: "Objectlifecyclestateuseraction", Name: "u__c", Attributes: []Attribute{{Name: "order", Values: []Value{{Number, "1"}}}}}}}}}}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse(test.src)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.IgnoreTypes(Pos{})); diff != "" {
				t.Errorf("statements (-want +got):\n%s", diff)
			}
		})
	}
}

func TestSyntaxErrorsPointAtTheToken(t *testing.T) {
	for _, test := range []struct {
		src, want string
	}{
		{"SELECT id", `line 1, column 1: expected CREATE, RECREATE, ALTER, DROP or RENAME at "SELECT"`},
		{"CREATE picklist x", `line 1, column 8: expected a component type at "picklist"`},
		{"CREATE Picklist IF x", `line 1, column 20: expected EXISTS at "x"`},
		{"CREATE Picklist x", `line 1, column 18: expected ( at the end of the script`},
		{"CREATE Picklist x (\n  label('a)\n)", `line 2, column 9: unclosed quote at "'a)"`},
		{"CREATE Picklist x (label({<a>)", `line 1, column 26: unclosed brace at "{<a>)"`},
		{"CREATE Picklist x (label(a))", `line 1, column 26: expected a value: 'text', a number, true, false or {…} at "a"`},
		{"CREATE Picklist x (label('a'), label('b'))", `line 1, column 32: attribute given twice at "label"`},
		{"CREATE Picklist x (Picklistentry a (), Picklistentry a ())", `line 1, column 40: sub-component given twice at "Picklistentry a"`},
		{"ALTER Picklist x (Picklistentry a ())", `line 1, column 19: expected ADD, MODIFY, DROP or RENAME before a sub-component of ALTER at "Picklistentry"`},
		{"RENAME Picklist x b", `line 1, column 19: expected TO at "b"`},
		{"DROP Picklist x DROP Picklist y", `line 1, column 17: expected ; at "DROP"`},
		{"CREATE Picklist x (order(12a))", `line 1, column 26: malformed number at "12a))"`},
		{"CREATE Picklist x (order[1])", `line 1, column 25: unexpected character at "[1])"`},
	} {
		_, err := Parse(test.src)
		if err == nil {
			t.Errorf("parsing %q: no error", test.src)
			continue
		}
		if diff := cmp.Diff(test.want, err.Error()); diff != "" {
			t.Errorf("parsing %q (-want +got):\n%s", test.src, diff)
		}
	}
}

func TestApply(t *testing.T) {
	base := parseOne(t, "RECREATE Picklist c__c (label('C'), tags('a','b'), Picklistentry x__c (value('X')), Picklistentry y__c (value('Y')));").Component
	before := Format(base)
	apply := func(body string) (Component, error) {
		return Apply(base, parseOne(t, "ALTER Picklist c__c ("+body+");").Component)
	}

	got, err := apply("label('D'), tags ADD ('b','c'), tags DROP ('a'), order_type('o'), ADD Picklistentry z__c (value('Z')), MODIFY Picklistentry x__c (value('XX')), DROP Picklistentry y__c;, RENAME Picklistentry x__c TO w__c")
	if err != nil {
		t.Fatal(err)
	}
	want := `RECREATE Picklist c__c (
   label('D'),
   tags('b', 'c'),
   order_type('o'),
   Picklistentry w__c(
      value('XX')
   ),
   Picklistentry z__c(
      value('Z')
   )
);`
	if diff := cmp.Diff(want, Format(got)); diff != "" {
		t.Errorf("altered (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(before, Format(base)); diff != "" {
		t.Errorf("the base was changed (-want +got):\n%s", diff)
	}

	for body, want := range map[string]string{
		"ADD Picklistentry x__c ()":             "component [Picklistentry.x__c] already exists in [Picklist.c__c]",
		"MODIFY Picklistentry q__c ()":          "component [Picklistentry.q__c] does not exist in [Picklist.c__c]",
		"DROP Picklistentry q__c":               "component [Picklistentry.q__c] does not exist in [Picklist.c__c]",
		"RENAME Picklistentry x__c TO y__c":     "component [Picklistentry.y__c] already exists in [Picklist.c__c]",
		"label('Z'), DROP Picklistentry nil__c": "component [Picklistentry.nil__c] does not exist in [Picklist.c__c]",
	} {
		if _, err := apply(body); err == nil || err.Error() != want {
			t.Errorf("%s: error %v, want %s", body, err, want)
		}
	}
}

// TestPrintedIsStable: what is printed parses to what was printed, and prints as the same bytes.
func TestPrintedIsStable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := component(t, Recreate, 0)
		text := Format(c)
		statements, err := Parse(text)
		if err != nil {
			t.Fatalf("parsing %s: %v", text, err)
		}
		if diff := cmp.Diff([]Statement{{Component: c}}, statements, cmpopts.IgnoreTypes(Pos{}), cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("parsed again (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(text, Format(statements[0].Component)); diff != "" {
			t.Fatalf("printed again (-want +got):\n%s", diff)
		}
	})
}

func component(t *rapid.T, command Command, depth int) Component {
	c := Component{
		Command: command,
		Type:    rapid.StringMatching(`[A-Z][a-z]{1,8}`).Filter(isNoCommand).Draw(t, "type"),
		Name:    rapid.StringMatching(`[a-z][a-z0-9_.]{0,9}`).Draw(t, "name"),
	}
	for _, name := range rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z][a-z_]{0,5}`), 0, 4, rapid.ID[string]).Draw(t, "attributes") {
		c.Attributes = append(c.Attributes, Attribute{Name: name, Values: rapid.SliceOfN(rapid.Custom(value), 0, 3).Draw(t, "values")})
	}
	if depth < 2 {
		for range rapid.IntRange(0, 2).Draw(t, "components") {
			if sub := component(t, "", depth+1); c.Component(sub.Type, sub.Name) == nil {
				c.Components = append(c.Components, sub)
			}
		}
	}
	return c
}

// isNoCommand reports whether a word can begin a component inside another one, where a
// command may begin it, too.
func isNoCommand(word string) bool {
	return !slices.Contains([]Command{Create, Recreate, Alter, Drop, Rename, Add, Modify}, Command(strings.ToUpper(word)))
}

func value(t *rapid.T) Value {
	switch kind := rapid.SampledFrom([]Kind{Text, Bool, Number, XML}).Draw(t, "kind"); kind {
	case Bool:
		return Value{kind, rapid.SampledFrom([]string{"true", "false"}).Draw(t, "bool")}
	case Number:
		return Value{kind, rapid.StringMatching(`-?[0-9]{1,5}(\.[0-9]{1,3})?`).Draw(t, "number")}
	case XML:
		return Value{kind, strings.NewReplacer("{", "", "}", "").Replace(rapid.String().Draw(t, "xml"))}
	default:
		return Value{kind, rapid.String().Draw(t, "text")}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(rule)
	f.Add("ALTER Picklist a ( x ADD ('1'), DROP Picklistentry b;, ADD Picklistentry c(y({<z/>})))")
	f.Add("RENAME Object a TO b; # end")
	f.Fuzz(func(t *testing.T, src string) {
		statements, err := Parse(src)
		if err != nil {
			if e := err.(*SyntaxError); e.Pos.Line < 1 || e.Pos.Column < 1 {
				t.Fatalf("error without a place: %v", err)
			}
			return
		}
		for _, s := range statements {
			text := s.String()
			again, err := Parse(text)
			if err != nil || len(again) != 1 {
				t.Fatalf("parsing what was printed, %s: %d statements, %v", text, len(again), err)
			}
			if diff := cmp.Diff(text, again[0].String()); diff != "" {
				t.Fatalf("printed again (-want +got):\n%s", diff)
			}
		}
	})
}
