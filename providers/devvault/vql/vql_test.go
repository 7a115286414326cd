package vql

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func number(n int) *int { return &n }

func field(name string) Field { return Field{Name: name} }

func text(s string) Value { return Value{Kind: String, Text: s} }

func columns(names ...string) []Column {
	list := make([]Column, len(names))
	for i, name := range names {
		list[i].Field.Name = name
	}
	return list
}

func where(e Expr) *Select {
	return &Select{Columns: columns("id"), Target: Name{Text: "documents"}, Where: e}
}

func TestParse(t *testing.T) {
	equals := func(name, value string) Expr { return &Compare{Field: field(name), Op: "=", Value: text(value)} }
	for _, test := range []struct {
		name, src string
		want      Query
	}{
		{"all clauses", `select LATESTVERSION id, TONAME(status__v) as state, country__vr.name__v from ALLVERSIONS documents
			find ('insulin OR sugar' scope PROPERTIES) where id > 5 order by id desc, name__v asc skip 1 maxrows 2 pagesize 3 pageoffset 4`,
			&Select{Latest: true, All: true, Target: Name{Text: "documents"},
				Columns: []Column{{Field: field("id")}, {Field: Field{Function: "TONAME", Name: "status__v"}, Alias: "state"}, {Field: field("country__vr.name__v")}},
				Find:    &Find{Phrase: "insulin OR sugar", Scope: []string{"PROPERTIES"}},
				Where:   &Compare{Field: field("id"), Op: ">", Value: Value{Kind: Number, Text: "5"}},
				OrderBy: []Order{{Field: field("id"), Desc: true}, {Field: field("name__v")}},
				Skip:    number(1), Maxrows: number(2), Pagesize: number(3), Pageoffset: number(4)}},
		{"sub-select in the list", "SELECT id, (SELECT id FROM binder_nodes__sysr ORDER BY order__sys) FROM binders",
			&Select{Columns: []Column{{Field: field("id")}, {Select: &Select{Columns: columns("id"), Target: Name{Text: "binder_nodes__sysr"}, OrderBy: []Order{{Field: field("order__sys")}}}}}, Target: Name{Text: "binders"}}},
		{"sub-select as a filter", "SELECT id FROM documents WHERE id IN (SELECT id FROM document_product__vr WHERE name__v = 'A')",
			where(&In{Field: field("id"), Select: &Select{Columns: columns("id"), Target: Name{Text: "document_product__vr"}, Where: equals("name__v", "A")}})},
		{"AND binds tighter than OR", "SELECT id FROM documents WHERE a = '1' OR b = '2' AND c = '3' OR d = '4'",
			where(&Or{[]Expr{equals("a", "1"), &And{[]Expr{equals("b", "2"), equals("c", "3")}}, equals("d", "4")}})},
		{"parentheses", "SELECT id FROM documents WHERE (a = '1' OR b = '2') AND ((c = '3'))",
			where(&And{[]Expr{&Or{[]Expr{equals("a", "1"), equals("b", "2")}}, equals("c", "3")}})},
		{"escapes", `SELECT id FROM documents WHERE a = '\\ \' '' \" \% \* \n\t\r'`, where(equals("a", "\\ ' ' \" % * \n\t\r"))},
		{"LIKE keeps an escaped percent", `SELECT id FROM documents WHERE a LIKE '100\%%x%'`,
			where(&Like{Field: field("a"), Pattern: Pattern{"100%", "x", ""}})},
		{"percent is a character elsewhere", `SELECT id FROM documents WHERE a = '5%'`, where(equals("a", "5%"))},
		{"CONTAINS", "SELECT id FROM documents WHERE a CONTAINS ('x', 2, true)",
			where(&Contains{Field: field("a"), Values: []Value{text("x"), {Kind: Number, Text: "2"}, {Kind: Bool, Text: "true"}}})},
		{"BETWEEN binds its AND", "SELECT id FROM documents WHERE a BETWEEN 1 AND 2 AND b != null",
			where(&And{[]Expr{&Between{Field: field("a"), Low: Value{Kind: Number, Text: "1"}, High: Value{Kind: Number, Text: "2"}}, &Compare{Field: field("b"), Op: "!=", Value: Value{Kind: Null}}}})},
		{"steady state", "SELECT id FROM documents WHERE status__v = steadystate()",
			where(&Compare{Field: field("status__v"), Op: "=", Value: Value{Kind: Function, Text: "STEADYSTATE"}})},
		{"state type", "SELECT id FROM documents WHERE state__v = STATETYPE('complete_state__sys')",
			where(&Compare{Field: field("state__v"), Op: "=", Value: Value{Kind: Function, Text: "STATETYPE", Argument: "complete_state__sys"}})},
		{"date literal", "SELECT id FROM documents WHERE a >= LAST_DAYS:7 AND b = TODAY",
			where(&And{[]Expr{&Compare{Field: field("a"), Op: ">=", Value: Value{Kind: Date, Text: "LAST_DAYS", Count: 7}}, &Compare{Field: field("b"), Op: "=", Value: Value{Kind: Date, Text: "TODAY"}}}})},
		{"FIND with NOT and fields", "SELECT id FROM x__c FIND (NOT 'a' SCOPE name__v, b__c)",
			&Select{Columns: columns("id"), Target: Name{Text: "x__c"}, Find: &Find{Not: true, Phrase: "a", Scope: []string{"name__v", "b__c"}}}},
		{"SHOW TARGETS LIKE", "SHOW TARGETS LIKE '%exception%'", &Show{What: "TARGETS", Pattern: Pattern{"", "exception", ""}}},
		{"SHOW FIELDS", "show fields from documents", &Show{What: "FIELDS", Target: Name{Text: "documents"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse(test.src, false)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got, cmpopts.IgnoreTypes(Pos{})); diff != "" {
				t.Errorf("query (-want +got):\n%s", diff)
			}
		})
	}
}

func TestLimitIsForOldVersions(t *testing.T) {
	const query = "SELECT id FROM documents LIMIT 5 OFFSET 10"
	got, err := Parse(query, true)
	if err != nil {
		t.Fatal(err)
	}
	want := &Select{Columns: columns("id"), Target: Name{Text: "documents"}, Pagesize: number(5), Pageoffset: number(10)}
	if diff := cmp.Diff(Query(want), got, cmpopts.IgnoreTypes(Pos{})); diff != "" {
		t.Errorf("query (-want +got):\n%s", diff)
	}
	if _, err := Parse(query, false); err == nil {
		t.Error("LIMIT was taken in a new version")
	}
}

func TestErrorsPointAtTheToken(t *testing.T) {
	for _, test := range []struct {
		src, want string
	}{
		{"", "expected SELECT or SHOW at the end of the query (line 1, column 1)"},
		{"UPDATE x", "expected SELECT or SHOW at [UPDATE] (line 1, column 1)"},
		{"SELECT FROM x", "expected a field at [FROM] (line 1, column 8)"},
		{"SELECT id x", "expected FROM at [x] (line 1, column 11)"},
		{"SELECT id FROM documents\nWERE a = 1", "unexpected text at [WERE] (line 2, column 1)"},
		{"SELECT id FROM documents WHERE a", "expected an operator at the end of the query (line 1, column 33)"},
		{"SELECT id FROM documents WHERE a = b", "expected a value at [b] (line 1, column 36)"},
		{"SELECT id FROM documents WHERE a = 'x", "unclosed quote at ['x] (line 1, column 36)"},
		{`SELECT id FROM documents WHERE a = 'x\y'`, `unknown escape \y in a quoted text at ['x\y'] (line 1, column 36)`},
		{"SELECT id FROM documents WHERE a > null", "operator > does not take this value at [null] (line 1, column 36)"},
		{"SELECT id FROM documents WHERE a LIKE '%x'", "LIKE does not take a leading % at ['%x'] (line 1, column 39)"},
		{"SELECT id FROM documents WHERE a IN ('x')", "expected SELECT at ['x'] (line 1, column 38)"},
		{"SELECT id FROM documents WHERE NOT a = 1", "expected a field at [NOT] (line 1, column 32)"},
		{"SELECT id FROM documents WHERE a CONTAINS ()", "expected a value at [)] (line 1, column 44)"},
		{"SELECT id FROM documents WHERE a BETWEEN null AND 2", "expected a literal value at [null] (line 1, column 42)"},
		{"SELECT COUNT(id) FROM documents", "unknown function at [COUNT] (line 1, column 8)"},
		{"SELECT id FROM documents PAGEOFFSET 1 PAGESIZE 2", "unexpected text at [PAGESIZE] (line 1, column 39)"},
		{"SELECT id FROM documents PAGESIZE -1", "expected a whole number at [-1] (line 1, column 35)"},
		{"SELECT id FROM documents SKIP 1 SKIP 2", "SKIP is given twice at [SKIP] (line 1, column 33)"},
		{"SELECT id FROM documents WHERE a = 1 FIND ('x')", "unexpected text at [FIND] (line 1, column 38)"},
		{"SELECT id FROM documents FIND ('')", "a FIND phrase has 1 to 250 characters at [''] (line 1, column 32)"},
		{"SELECT (SELECT (SELECT id FROM a) FROM b) FROM c", "only one level of sub-select is allowed at [SELECT] (line 1, column 17)"},
		{"SELECT a..b FROM c", "malformed name at [a..b] (line 1, column 8)"},
		{"SELECT * FROM c", "unexpected character at [*] (line 1, column 8)"},
		{"SHOW TABLES", "expected TARGETS, FIELDS or RELATIONSHIPS at [TABLES] (line 1, column 6)"},
		{strings.Repeat("x", MaxLength+1), "query is longer than 50000 characters at [" + strings.Repeat("x", 40) + "] (line 1, column 1)"},
		{"SELECT id FROM c WHERE " + strings.Repeat("(", 200), "parentheses nested too deep at [(] (line 1, column 124)"},
	} {
		_, err := Parse(test.src, false)
		if err == nil {
			t.Errorf("parsing %.60q: no error", test.src)
			continue
		}
		if diff := cmp.Diff(test.want, err.Error()); diff != "" {
			t.Errorf("parsing %.60q (-want +got):\n%s", test.src, diff)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`SELECT LATESTVERSION a, TONAME(b) AS c, (SELECT id FROM d WHERE e = 1) FROM ALLVERSIONS f FIND (NOT 'g' SCOPE ALL) WHERE (h = 'i\'j' OR k LIKE 'l%m') AND n BETWEEN 1 AND 2 ORDER BY o DESC SKIP 1 MAXROWS 2 PAGESIZE 3 PAGEOFFSET 4`)
	f.Add(`SELECT a FROM b WHERE c IN (SELECT d FROM e) AND f CONTAINS ('g', -1.5) AND h != null AND i = STATETYPE('j') AND k > DAYS_AGO:3`)
	f.Add("SHOW FIELDS FROM a LIKE '%b%'")
	f.Fuzz(func(t *testing.T, src string) {
		q, err := Parse(src, false)
		if err != nil {
			if e := err.(*Error); e.Pos.Line < 1 || e.Pos.Column < 1 {
				t.Fatalf("error without a place: %v", err)
			}
			return
		}
		printed := q.(interface{ String() string }).String()
		if len(printed) > MaxLength {
			return
		}
		again, err := Parse(printed, false)
		if err != nil {
			t.Fatalf("parsing what was printed, %s: %v", printed, err)
		}
		if diff := cmp.Diff(q, again, cmpopts.IgnoreTypes(Pos{})); diff != "" {
			t.Fatalf("parsed again from %s (-want +got):\n%s", printed, diff)
		}
	})
}
