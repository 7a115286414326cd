package devvault

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// queryMaker makes queries of the grammar, most of which make sense: of targets, fields and relationships that are there.
type queryMaker struct {
	*rand.Rand
	b       *bench
	targets map[string][]string    // target → fields
	links   map[string][][2]string // target → relationships to one: name and target
	many    map[string][][2]string // and to many
}

func newQueryMaker(b *bench, vault string) *queryMaker {
	m := &queryMaker{b: b, targets: map[string][]string{}, links: map[string][][2]string{}, many: map[string][][2]string{}}
	for _, row := range b.query(vault, "SHOW TARGETS").list("data") {
		name := row["name"].(string)
		for _, f := range b.query(vault, "SHOW FIELDS FROM "+name).list("data") {
			m.targets[name] = append(m.targets[name], f["name"].(string))
		}
		for _, r := range b.query(vault, "SHOW RELATIONSHIPS FROM "+name).list("data") {
			link := [2]string{r["name"].(string), r["target"].(string)}
			if r["type"] == "outbound" {
				m.links[name] = append(m.links[name], link)
			}
			m.many[name] = append(m.many[name], link)
		}
	}
	return m
}

func (m *queryMaker) one(list ...string) string { return list[m.IntN(len(list))] }
func (m *queryMaker) chance(percent int) bool   { return m.IntN(100) < percent }

func (m *queryMaker) field(target string, lookups bool) string {
	if links := m.links[target]; lookups && len(links) > 0 && m.chance(20) {
		l := links[m.IntN(len(links))]
		return l[0] + "." + m.field(l[1], m.chance(3))
	}
	if fields := m.targets[target]; len(fields) > 0 && !m.chance(2) {
		return m.one(fields...)
	}
	return m.one("nothing__v", "id", "name__v")
}

func (m *queryMaker) value() string {
	return m.one("'a'", "'Draft'", "''", "'it''s'", `'a\\b'`, "1", "-3.5", "0", "99999999999999999999", "true", "false", "null", "'2026-01-31'", "'2026-01-31T08:00:00.000Z'",
		"'V0K000000000001'", "'1001_1'", "'1001_1_1'", "'1_0_1'", "'é漢'", "'%'", "'draft__v'", "'active__v'")
}

func (m *queryMaker) condition(target string, depth int) string {
	if depth > 0 && m.chance(30) {
		return "(" + m.condition(target, depth-1) + m.one(" AND ", " OR ") + m.condition(target, depth-1) + ")"
	}
	f := m.field(target, true)
	if m.chance(15) {
		f = m.one("TONAME", "TOLABEL", "CASEINSENSITIVE", "TRIM", "LONGTEXT") + "(" + f + ")"
	}
	switch m.IntN(8) {
	case 0:
		return f + " CONTAINS (" + m.value() + ", " + m.value() + ")"
	case 1:
		return f + " BETWEEN " + m.value() + " AND " + m.value()
	case 2:
		return f + " LIKE " + m.one("'a%'", "'Dr_ft%x'", "'[*?%'", "'a'", `'a\%b%'`)
	case 3:
		return f + m.one(" = ", " != ", " < ", ">= ") + m.one("TODAY", "LAST_DAYS:3", "NEXT_MONTHS:2", "THIS_YEAR", "YEARS_AGO:1", "LAST_DAYS:99999999")
	case 4:
		return m.one("status__v", f) + m.one(" = ", " != ") + m.one("STEADYSTATE()", "OBSOLETESTATE()", "DELETEDSTATE()", "STATETYPE('complete_state__sys')")
	case 5:
		if many := m.many[target]; len(many) > 0 && depth > 0 {
			r := many[m.IntN(len(many))]
			inner := ""
			if m.chance(60) {
				inner = " WHERE " + m.condition(r[1], depth-1)
			}
			return "id IN (SELECT " + m.field(r[1], false) + " FROM " + r[0] + inner + ")"
		}
	}
	return f + m.one(" = ", " != ", " < ", " > ", " <= ", " >= ") + m.value()
}

func (m *queryMaker) query(target, as string, depth int) string {
	var q strings.Builder
	q.WriteString("SELECT ")
	if m.chance(5) {
		q.WriteString("LATESTVERSION ")
	}
	var columns []string
	for range 1 + m.IntN(5) {
		c := m.field(target, true)
		if m.chance(12) {
			c = m.one("TONAME", "TOLABEL", "LONGTEXT", "RICHTEXT", "FILENAME", "TODISPLAYFORMAT", "TRIM", "CASEINSENSITIVE") + "(" + c + ")"
		}
		if m.chance(10) {
			c += fmt.Sprintf(" AS c%d", m.IntN(9))
		}
		if !slices.Contains(columns, c) {
			columns = append(columns, c)
		}
	}
	if many := m.many[target]; depth > 0 && len(many) > 0 && m.chance(30) {
		r := many[m.IntN(len(many))]
		columns = append(columns, "("+m.query(r[1], r[0], 0)+")")
	}
	q.WriteString(strings.Join(columns, ", ") + " FROM ")
	if m.chance(6) {
		q.WriteString("ALLVERSIONS ")
	}
	q.WriteString(as)
	if m.chance(10) {
		q.WriteString(" FIND (" + m.one("'a'", "'a AND b'", "'a OR b*'", "NOT 'x'", `'a\*'`) + m.one("", " SCOPE ALL", " SCOPE PROPERTIES", " SCOPE CONTENT", " SCOPE name__v, "+m.field(target, false)) + ")")
	}
	if m.chance(60) {
		q.WriteString(" WHERE " + m.condition(target, 2))
	}
	if m.chance(30) {
		q.WriteString(" ORDER BY " + m.field(target, true) + m.one("", " ASC", " DESC"))
		if m.chance(30) {
			q.WriteString(", " + m.field(target, false))
		}
	}
	if m.chance(10) {
		q.WriteString(fmt.Sprintf(" SKIP %d", m.IntN(5)))
	}
	if m.chance(15) {
		q.WriteString(fmt.Sprintf(" MAXROWS %d", m.IntN(5)))
	}
	if m.chance(30) {
		q.WriteString(fmt.Sprintf(" PAGESIZE %d", m.IntN(4)))
		if m.chance(30) {
			q.WriteString(fmt.Sprintf(" PAGEOFFSET %d", m.IntN(6)))
		}
	}
	return q.String()
}

// newFuzzVault is a vault with something of everything.
func newFuzzVault(t *testing.T) *bench {
	b := newFamily(t)
	b.Set(Settings{Burst: 1 << 30})
	country := b.record("promo", "country__v", map[string]any{"name__v": "a", "code__v": "US", "country_cda__v": "us__v,ca__v"})
	for i := range 4 {
		house := b.record("promo", "house__c", map[string]any{"name__v": fmt.Sprint("a", i), "size__c": "big__c", "price__c": i, "country__c": country, "external_id__v": fmt.Sprint("e", i)})
		b.record("promo", "room__c", map[string]any{"name__v": "R", "house__c": house})
		b.record("promo", "keyword__v", map[string]any{"name__v": "a"})
		doc := b.doc("promo", "material__v", "house__c", house, "country__v", country, "language__v", "English")
		if i%2 == 0 {
			b.action("promo", doc, "approve__v")
		}
		binder := b.binder("promo", "multichannel_presentation__v")
		b.must("POST", "promo", fmt.Sprintf("objects/binders/%d/documents", binder), url.Values{"document_id__v": {fmt.Sprint(doc)}})
	}
	return b
}

var grammarQueries = flag.Int("queries", 400, "how many queries TestQueriesOfTheGrammar makes")

// What the grammar allows is answered by rows, or by a failure of the documented types, never by a trouble of the server.
func TestQueriesOfTheGrammar(t *testing.T) {
	t.Parallel()
	b := newFuzzVault(t)
	m := newQueryMaker(b, "promo")
	session := b.session("promo")
	failures := 0
	for seed := range *grammarQueries {
		m.Rand = rand.New(rand.NewPCG(uint64(seed), 1))
		target := m.one("documents", "binders", "binder_node__sys", "house__c", "room__c", "country__v", "keyword__v", "connection__sys", "object_type__v", "user__sys",
			m.one(names(m.targets)...))
		q := m.query(target, target, 1)
		w := httptest.NewRecorder()
		r := httptest.NewRequest("POST", "/promo/api/v26.2/query", strings.NewReader(url.Values{"q": {q}}.Encode()))
		r.Header = http.Header{"Authorization": {session}, "Content-Type": {"application/x-www-form-urlencoded"}, "X-Vaultapi-Describequery": {"true"}}
		b.Handler().ServeHTTP(w, r)
		var a response
		if err := json.Unmarshal(w.Body.Bytes(), &a); w.Code != http.StatusOK || err != nil {
			t.Fatalf("%s\n%d %v %s", q, w.Code, err, w.Body)
		}
		switch a.status() {
		case "SUCCESS":
			if size, _ := a.get("responseDetails", "size").(float64); int(size) != len(a.list("data")) {
				t.Errorf("%s\nsize %v, rows %d", q, size, len(a.list("data")))
			}
		case "FAILURE":
			failures++
			if typ := a.errorType(); !slices.Contains([]string{"INVALID_DATA", "ATTRIBUTE_NOT_SUPPORTED", "INCORRECT_QUERY_SYNTAX_ERROR", "INSUFFICIENT_ACCESS"}, typ) {
				t.Errorf("%s\n%s", q, w.Body)
			}
		default:
			t.Errorf("%s\n%s", q, w.Body)
		}
	}
	if failures > *grammarQueries*9/10 {
		t.Errorf("%d of %d queries failed: they prove nothing", failures, *grammarQueries)
	}
}
