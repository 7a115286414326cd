package vaultapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// library answers any query with rows numbered from 0, in pages.
type library struct {
	rows, page int
	next       func(r *http.Request, offset int) string // the address of the next page
	trouble    func(w http.ResponseWriter, page string, n int) bool
	asked      atomic.Int64
}

func (l *library) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n := int(l.asked.Add(1))
	if r.Method != http.MethodPost {
		failure(w, "METHOD_NOT_SUPPORTED", r.Method)
		return
	}
	offset := 0
	if r.URL.Path != "/api/v25.2/query" {
		offset, _ = strconv.Atoi(r.URL.Query().Get("pageoffset"))
	}
	page := l.text(r, offset)
	if l.trouble == nil || !l.trouble(w, page, n) {
		answer(w, page)
	}
}

func (l *library) text(r *http.Request, offset int) string {
	size := min(l.page, l.rows-offset)
	next := ""
	if offset+size < l.rows {
		address := fmt.Sprintf("/api/v25.2/query/uuid-1?pagesize=%d&pageoffset=%d", l.page, offset+size)
		if l.next != nil {
			address = l.next(r, offset+size)
		}
		next = fmt.Sprintf(`,"next_page":%q`, address)
	}
	rows := make([]string, size)
	for i := range rows {
		rows[i] = fmt.Sprintf(`{"id":%d}`, offset+i)
	}
	return fmt.Sprintf(`{"responseStatus":"SUCCESS","responseDetails":{"pagesize":%d,"pageoffset":%d,"size":%d,"total":%d%s},"data":[%s]}`,
		l.page, offset, size, l.rows, next, strings.Join(rows, ","))
}

type row struct{ ID ID }

func ids(t *testing.T, c *Client, q string, opts ...QueryOption) ([]int, error) {
	t.Helper()
	var got []int
	for r, err := range QueryInto[row](t.Context(), c.Reader, q, opts...) {
		if err != nil {
			return got, err
		}
		n, _ := r.ID.Int()
		got = append(got, int(n))
	}
	return got, nil
}

func upTo(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

func TestQueryFollowsPages(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(r *http.Request, offset int) string{
		"relative": nil,
		"absolute": func(r *http.Request, n int) string {
			return fmt.Sprintf("http://%s/crm-us/api/v25.2/query/u?pageoffset=%d", r.Host, n)
		},
		"under the prefix": func(r *http.Request, n int) string { return fmt.Sprintf("/crm-us/api/v25.2/query/u?pageoffset=%d", n) },
		"absolute, no path": func(r *http.Request, n int) string {
			return fmt.Sprintf("http://%s/api/v25.2/query/u?pageoffset=%d", r.Host, n)
		},
	} {
		l := &library{rows: 25, page: 10, next: next}
		c := serve(t, l.ServeHTTP).open(t)
		var details Details
		got, err := ids(t, c, "SELECT id FROM documents", WithDetails(&details))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(upTo(25), got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if details.Total != 25 || l.asked.Load() != 3 {
			t.Errorf("%s: %+v, %d calls", name, details, l.asked.Load())
		}
		for _, r := range c.Query(t.Context(), "SELECT id FROM documents") {
			if r != nil {
				t.Errorf("%s: stopped with %v", name, r)
			}
			break
		}
	}
}

// A page at another host would get the session.
func TestQueryStaysWithItsVault(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"https://evil.example.com/api/v25.2/query/u", "//evil.example.com/api/v25.2/query/u", "/other/query/u", "/api/../x", "http://127.0.0.1:1/api/v25.2/query/u", "ftp://127.0.0.1/api/"} {
		l := &library{rows: 25, page: 10, next: func(*http.Request, int) string { return address }}
		got, err := ids(t, serve(t, l.ServeHTTP).open(t), "SELECT id FROM documents")
		if KindOf(err) != Internal || len(got) != 10 {
			t.Errorf("%s: %d rows, %v", address, len(got), err)
		}
	}
}

// A page is cut off after some of its rows were given: it is asked for again,
// and no row is missed or given twice.
func TestQueryGoesOnAfterACut(t *testing.T) {
	t.Parallel()
	l := &library{rows: 30, page: 10}
	cuts := 0
	l.trouble = func(w http.ResponseWriter, page string, n int) bool {
		if n%2 == 0 || cuts == 6 {
			return false
		}
		cuts++
		w.Header().Set("Content-Length", fmt.Sprint(len(page)))
		_, _ = io.WriteString(w, page[:len(page)/3*2])
		cut(w)
		return true
	}
	c := serve(t, l.ServeHTTP).open(t)
	got, err := ids(t, c, "SELECT id FROM documents")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(upTo(30), got); diff != "" {
		t.Error(diff)
	}
	if cuts < 3 {
		t.Errorf("%d cuts", cuts)
	}
}

// A row that arrived damaged was not given, and comes when the page is asked
// for again.
func TestQueryGoesOnAfterADamagedRow(t *testing.T) {
	t.Parallel()
	l := &library{rows: 8, page: 10}
	l.trouble = func(w http.ResponseWriter, page string, n int) bool {
		if n == 1 {
			answer(w, strings.Replace(page, `{"id":5}`, `{"id" 5}`, 1))
		}
		return n == 1
	}
	got, err := ids(t, serve(t, l.ServeHTTP).open(t), "SELECT id FROM documents")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(upTo(8), got); diff != "" {
		t.Error(diff)
	}
}

// The vault changed before the page was asked for again: better no row than a
// wrong one.
func TestQueryEndsWhenRowsMoved(t *testing.T) {
	t.Parallel()
	l := &library{rows: 8, page: 10}
	l.trouble = func(w http.ResponseWriter, page string, n int) bool {
		if n == 1 {
			w.Header().Set("Content-Length", fmt.Sprint(len(page)))
			_, _ = io.WriteString(w, page[:len(page)-15])
			cut(w)
			return true
		}
		answer(w, strings.Replace(page, `{"id":2},`, "", 1))
		return true
	}
	got, err := ids(t, serve(t, l.ServeHTTP).open(t), "SELECT id FROM documents")
	wantKind(t, err, Transient)
	if diff := cmp.Diff(upTo(len(got)), got); diff != "" || len(got) == 0 {
		t.Error(diff)
	}
	if n := l.asked.Load(); n != 2 {
		t.Errorf("asked %d times", n)
	}
}

// QueryPage reads a page that was cut off again, from its beginning.
func TestQueryPage(t *testing.T) {
	t.Parallel()
	l := &library{rows: 25, page: 10}
	l.trouble = func(w http.ResponseWriter, page string, n int) bool {
		if n != 1 {
			return false
		}
		_, _ = io.WriteString(w, page[:len(page)/3*2])
		cut(w)
		return true
	}
	s := serve(t, l.ServeHTTP)
	page, err := QueryPage[row](t.Context(), s.open(t).Reader, "SELECT id FROM documents WHERE id > 0 ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Rows) != 10 || page.Rows[9].ID != "9" || page.Details.Total != 25 || page.Details.NextPage == "" {
		t.Errorf("%+v", page)
	}
}

func TestQueryFailures(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		body string
		want Kind
		rows int
	}{
		"syntax":       {`{"responseStatus":"FAILURE","errors":[{"type":"INCORRECT_QUERY_SYNTAX_ERROR","message":"m"}]}`, Invalid, 0},
		"status last":  {`{"data":[{"id":1}],"responseStatus":"FAILURE","errors":[{"type":"INVALID_DATA","message":"m"}]}`, Invalid, 1},
		"failed rows":  {`{"responseStatus":"FAILURE","data":[{"id":1}],"errors":[{"type":"INVALID_DATA","message":"m"}]}`, Invalid, 0},
		"no status":    {`{"data":[{"id":1}]}`, Transient, 1},
		"a wrong type": {`{"responseStatus":"SUCCESS","data":[{"id":1},{"id":{}}]}`, Internal, 1},
		"damaged":      {`{"responseStatus":"SUCCESS","data":[{"id":1},{"id":[}]}]}`, Transient, 1},
		"no page":      {`{"responseStatus":"SUCCESS","data":{}}`, Transient, 0},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, test.body) })
		c := s.open(t, func(cfg *Config) { cfg.Retry.Tries = 2 })
		got, err := ids(t, c, "SELECT id FROM documents")
		if KindOf(err) != test.want || len(got) != test.rows {
			t.Errorf("%s: %d rows, %v", name, len(got), err)
		}
	}
	c := serve(t, nil).open(t)
	_, err := ids(t, c, "SELECT id FROM documents WHERE id = "+strings.Repeat("x", MaxQueryLength))
	wantKind(t, err, Invalid)
}

// A session that ends between two pages costs one login, and no row.
func TestQueryOutlivesItsSession(t *testing.T) {
	t.Parallel()
	l := &library{rows: 30, page: 10}
	s := serve(t, l.ServeHTTP)
	c := s.open(t)
	n := 0
	for r, err := range QueryInto[row](t.Context(), c.Reader, "SELECT id FROM documents") {
		if err != nil || r.ID != IntID(int64(n)) {
			t.Fatalf("row %d: %v, %v", n, r, err)
		}
		if n++; n == 5 || n == 15 {
			s.expire()
		}
	}
	if n != 30 || s.loginCount() != 3 {
		t.Errorf("%d rows, %d logins", n, s.loginCount())
	}
}

// No more queries in flight than allowed; and a caller that queries between
// two rows does not wait for itself.
func TestQueriesInFlight(t *testing.T) {
	t.Parallel()
	var flying, most atomic.Int64
	l := &library{rows: 20, page: 10}
	arrived := make(chan bool, 100)
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := flying.Add(1)
		for {
			m := most.Load()
			if n <= m || most.CompareAndSwap(m, n) {
				break
			}
		}
		arrived <- true
		runtime.Gosched()
		flying.Add(-1)
		l.ServeHTTP(w, r)
	})
	c := s.open(t, func(cfg *Config) { cfg.Queries = 2 })
	together(8, func(int) {
		for _, err := range c.Query(t.Context(), "SELECT id FROM documents") {
			if err != nil {
				t.Error(err)
			}
			for _, err := range c.Query(t.Context(), "SELECT id FROM binders") {
				if err != nil {
					t.Error(err)
				}
				break
			}
			<-arrived
			break
		}
	})
	if m := most.Load(); m > 2 {
		t.Errorf("%d in flight", m)
	}
}

func TestQueryCanceled(t *testing.T) {
	t.Parallel()
	l := &library{rows: 30, page: 10}
	c := serve(t, l.ServeHTTP).open(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	n := 0
	var last error
	for _, err := range c.Query(ctx, "SELECT id FROM documents") {
		if n++; n == 5 {
			cancel()
		}
		last = err
	}
	if !errors.Is(last, context.Canceled) || n > 12 {
		t.Errorf("%d rows, then %v", n, last)
	}
}

// A page that lacks rows of those it counts is asked for again, as one that was cut
// off, and is an error where it stays so: absence never removes.
func TestPageLacksRows(t *testing.T) {
	t.Parallel()
	for _, rows := range []string{`"data":[{"id":0}]`, `"data":[]`, `"data":null`, `"other":1`} {
		asked := 0
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if asked++; asked > 1 {
				rows = `"data":[{"id":0},{"id":1}]`
			}
			answer(w, `{"responseStatus":"SUCCESS","responseDetails":{"pagesize":1000,"pageoffset":0,"size":2,"total":2},`+rows+`}`)
		})
		got, err := ids(t, s.open(t), "SELECT id FROM documents")
		if diff := cmp.Diff(upTo(2), got); err != nil || diff != "" {
			t.Errorf("%s: %v\n%s", rows, err, diff)
		}
	}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		answer(w, `{"responseStatus":"SUCCESS","responseDetails":{"size":2,"total":2},"data":[{"id":0}]}`)
	})
	if _, err := ids(t, s.open(t), "SELECT id FROM documents"); KindOf(err) != Transient || !strings.Contains(err.Error(), "it has 1 rows, and counts 2") {
		t.Errorf("%v", err)
	}
	if page, err := QueryPage[row](t.Context(), s.open(t).Reader, "SELECT id FROM documents"); KindOf(err) != Transient {
		t.Errorf("%v, %v", page, err)
	}
}

func TestDescribe(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-VaultAPI-DescribeQuery") != "true" {
			answer(w, `{"responseStatus":"SUCCESS","responseDetails":{},"data":[]}`)
			return
		}
		answer(w, `{"responseStatus":"SUCCESS","queryDescribe":{"object":{"name":"product__v","label":"Product"},"fields":[{"type":"id","required":true,"name":"id"},{"label":"Name","type":"String","name":"name__v","max_length":128}]},"responseDetails":{"total":0},"data":[]}`)
	})
	var d Description
	for range s.open(t).Query(t.Context(), "SELECT id, name__v FROM product__v", WithDescription(&d)) {
	}
	if d.Object.Label != "Product" || len(d.Fields) != 2 || d.Fields[1].MaxLength != 128 {
		t.Errorf("%+v", d)
	}
}

func TestSub(t *testing.T) {
	t.Parallel()
	var r struct {
		ID    ID       `json:"id"`
		Nodes Sub[row] `json:"binder_nodes__sysr"`
		None  Sub[row] `json:"other__sysr"`
	}
	text := `{"id":11,"binder_nodes__sysr":{"responseDetails":{"pagesize":250,"pageoffset":0,"size":1,"total":2},"data":[{"id":"n1"}]}}`
	if err := Row(text).Decode(&r); err != nil {
		t.Fatal(err)
	}
	if r.ID != "11" || r.Nodes.Complete() || len(r.Nodes.Data) != 1 || !r.None.Complete() {
		t.Errorf("%+v", r)
	}
}

func TestPageSizeIsAlwaysAsked(t *testing.T) {
	t.Parallel()
	for q, want := range map[string]string{
		"SELECT id FROM documents":                                     "SELECT id FROM documents PAGESIZE 1000",
		"select id from x__c where name__v = 'PAGESIZE 5'":             "select id from x__c where name__v = 'PAGESIZE 5' PAGESIZE 1000",
		"SELECT id, (SELECT id FROM n__sysr PAGESIZE 10) FROM binders": "SELECT id, (SELECT id FROM n__sysr PAGESIZE 10) FROM binders PAGESIZE 1000",
		"SELECT id FROM x__c WHERE a = 'it\\'s' MAXROWS 5":             "SELECT id FROM x__c WHERE a = 'it\\'s' MAXROWS 5 PAGESIZE 1000",
		"SELECT id FROM documents\npagesize 7":                         "SELECT id FROM documents\npagesize 7",
		"SELECT id FROM documents PAGEOFFSET 7":                        "SELECT id FROM documents PAGEOFFSET 7",
		"SHOW FIELDS FROM x__c":                                        "SHOW FIELDS FROM x__c",
		"":                                                             "",
	} {
		if got := q + pageSize(topWords(q)); got != want {
			t.Errorf("%q: %q, want %q", q, got, want)
		}
	}
	for q, want := range map[string]string{
		"SELECT id FROM documents": "documents", "SELECT LATESTVERSION id, (SELECT x FROM y) FROM ALLVERSIONS binders WHERE a = 1": "binders", "SHOW TARGETS": "show targets",
	} {
		if got := target(topWords(q)); got != want {
			t.Errorf("%q reads %q, want %q", q, got, want)
		}
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	if got, want := Quote("a'b\\c\"d\n\t\r"), `'a\'b\\c\"d\n\t\r'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if got, want := QuoteList[ID]("1", "a'"), `('1','a\'')`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	at := time.Date(2026, 3, 1, 10, 0, 0, 5e6, time.FixedZone("CET", 3600))
	if got, want := QuoteTime(at), `'2026-03-01T09:00:00.005Z'`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestDeletions(t *testing.T) {
	t.Parallel()
	var params []url.Values
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		params = append(params, r.URL.Query())
		offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
		rows := []string{`{"id":"1","major_version_number__v":"","minor_version_number__v":"","date_deleted":"2026-02-01T00:00:00Z","deletion_type":"document__sys"}`,
			`{"id":2,"major_version_number__v":0,"minor_version_number__v":1,"date_deleted":"2026-02-01T00:00:00Z","deletion_type":"document_version__sys"}`, `{"id":3}`}
		answer(w, fmt.Sprintf(`{"responseDetails":{"total":3,"size":1,"limit":1,"offset":%d},"data":[%s],"responseStatus":"SUCCESS"}`, offset, rows[offset]))
	})
	c := s.open(t)
	since := time.Date(2026, 2, 1, 0, 0, 0, 7, time.UTC)
	var got []Deletion
	for d, err := range c.DeletedDocuments(t.Context(), since, time.Time{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, d)
	}
	want := []Deletion{{ID: "1", Date: "2026-02-01T00:00:00Z", Type: "document__sys"}, {ID: "2", Major: "0", Minor: "1", Date: "2026-02-01T00:00:00Z", Type: "document_version__sys"}, {ID: "3"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if params[2].Get("start_date") != "2026-02-01T00:00:00Z" || params[2].Has("end_date") || params[2].Get("offset") != "2" || params[0].Get("offset") != "0" {
		t.Errorf("%v", params)
	}
}

// Pages read per second over HTTP on this machine, and per row.
func BenchmarkQuery(b *testing.B) {
	page := bigPage(1000, "")
	s := serve(b, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(page)))
		_, _ = w.Write(page)
	})
	for _, flight := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("flight=%d", flight), func(b *testing.B) {
			c := s.open(b, func(cfg *Config) { cfg.Queries = -1; cfg.Clock = nil })
			b.ReportAllocs()
			var next atomic.Int64
			b.ResetTimer()
			together(flight, func(int) {
				for next.Add(1) <= int64(b.N) {
					for _, err := range QueryInto[benchRow](b.Context(), c.Reader, "SELECT id FROM documents") {
						if err != nil {
							b.Error(err)
						}
					}
				}
			})
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "µs/row")
		})
	}
}
