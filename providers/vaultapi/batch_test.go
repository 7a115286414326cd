package vaultapi

import (
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// store is a vault's object that keeps what it is sent.
type store struct {
	mu      sync.Mutex
	batches [][]map[string]any
	answer  func(batch, row int, fields map[string]any) string // a row's answer; "" for success
}

func (s *store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rows := readRowsOf(r)
	s.mu.Lock()
	s.batches = append(s.batches, rows)
	n := len(s.batches)
	s.mu.Unlock()
	answers := make([]string, len(rows))
	for i, row := range rows {
		if s.answer != nil {
			answers[i] = s.answer(n, i, row)
		}
		if answers[i] == "" {
			answers[i] = fmt.Sprintf(`{"responseStatus":"SUCCESS","data":{"id":"V-%v","event":"created__sys"}}`, row["name__v"])
		}
	}
	answer(w, `{"responseStatus":"SUCCESS","data":[`+strings.Join(answers, ",")+`]}`)
}

func readRowsOf(r *http.Request) []map[string]any {
	var rows []map[string]any
	if strings.HasPrefix(r.Header.Get("Content-Type"), "text/csv") {
		lines, err := csv.NewReader(r.Body).ReadAll()
		if err != nil {
			panic(err)
		}
		for _, line := range lines[1:] {
			row := map[string]any{}
			for i, name := range lines[0] {
				row[name] = line[i]
			}
			rows = append(rows, row)
		}
		return rows
	}
	if err := json.NewDecoder(r.Body).Decode(&rows); err != nil {
		panic(err)
	}
	return rows
}

func (s *store) sizes() []int {
	var sizes []int
	for _, b := range s.batches {
		sizes = append(sizes, len(b))
	}
	return sizes
}

func named(n int) []Fields {
	rows := make([]Fields, n)
	for i := range rows {
		rows[i] = Fields{"name__v": fmt.Sprint(i)}
	}
	return rows
}

func TestBatchesAreSplitAtTheCap(t *testing.T) {
	t.Parallel()
	st := &store{}
	c := serve(t, st.ServeHTTP).open(t)
	for _, test := range []struct {
		rows int
		want []int
	}{{0, nil}, {1, []int{1}}, {500, []int{500}}, {501, []int{500, 1}}, {1203, []int{500, 500, 203}}} {
		st.batches = nil
		results := c.CreateRecords(t.Context(), "x__c", named(test.rows))
		if diff := cmp.Diff(test.want, st.sizes()); diff != "" {
			t.Errorf("%d rows:\n%s", test.rows, diff)
		}
		if len(results) != test.rows {
			t.Errorf("%d rows: %d results", test.rows, len(results))
		}
		for i, r := range results {
			if want := (Result{ID: ID(fmt.Sprintf("V-%d", i)), Event: "created__sys"}); r != want {
				t.Fatalf("row %d: %+v", i, r)
			}
		}
	}
}

// split keeps order and both caps, and never makes more chunks than needed.
func TestSplit(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(0, 40), 0, 60).Draw(t, "sizes")
		maxRows, maxBytes := rapid.IntRange(1, 10).Draw(t, "maxRows"), rapid.IntRange(41, 120).Draw(t, "maxBytes")
		rows := make([][]byte, len(sizes))
		for i, n := range sizes {
			rows[i] = make([]byte, n)
		}
		at, before, beforeRows := 0, 0, 0
		for from, to := range split(rows, maxRows, maxBytes) {
			if from != at || to <= from || to-from > maxRows {
				t.Fatalf("chunk %d:%d after %d", from, to, at)
			}
			bytes := 0
			for _, row := range rows[from:to] {
				bytes += len(row) + 1
			}
			if bytes > maxBytes {
				t.Fatalf("chunk %d:%d has %d bytes", from, to, bytes)
			}
			if from > 0 && beforeRows < maxRows && before+len(rows[from])+1 <= maxBytes {
				t.Fatalf("row %d would have gone into the chunk before", from)
			}
			at, before, beforeRows = to, bytes, to-from
		}
		if at != len(rows) {
			t.Fatalf("%d of %d rows", at, len(rows))
		}
	})
}

func TestBatchesAreSplitByBytes(t *testing.T) {
	t.Parallel()
	st := &store{}
	var largest int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		largest = max(largest, r.ContentLength)
		st.ServeHTTP(w, r)
	})
	c := s.open(t)
	c.c.caps.recordBytes = 1000
	rows := named(100)
	rows[7]["text__c"] = strings.Repeat("x", 2000)
	rows[50]["text__c"] = strings.Repeat("y", 900)
	results := c.CreateRecords(t.Context(), "x__c", rows)
	if largest > 1000 || len(st.batches) < 3 {
		t.Errorf("%d batches, the largest of %d bytes", len(st.batches), largest)
	}
	for i, r := range results {
		if i == 7 {
			wantKind(t, r.Err, Invalid)
		} else if r.Err != nil || r.ID != ID(fmt.Sprintf("V-%d", i)) {
			t.Errorf("row %d: %+v", i, r)
		}
	}
}

// A body is never larger than the cap, brackets and commas included (and at
// most one byte is given away).
func TestBytesAreCountedExactly(t *testing.T) {
	t.Parallel()
	var sizes []int64
	st := &store{}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		sizes = append(sizes, r.ContentLength)
		st.ServeHTTP(w, r)
	}).open(t)
	row := Fields{"name__v": strings.Repeat("x", 99-len(`{"name__v":""}`))} // 99 bytes, 100 with its comma
	rows := slices.Repeat([]Fields{row}, 20)
	for limit, want := range map[int][]int64{1000: {901, 901, 201}, 1001: {901, 901, 201}, 1002: {1001, 1001}} {
		sizes = nil
		c.c.caps.recordBytes = limit
		if err := FirstError(c.CreateRecords(t.Context(), "x__c", rows)); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(want, sizes); diff != "" {
			t.Errorf("cap %d:\n%s", limit, diff)
		}
	}
}

// Rows fail one by one, each at its place.
func TestRowFailuresKeepTheirPlaces(t *testing.T) {
	t.Parallel()
	st := &store{answer: func(_, i int, row map[string]any) string {
		switch i % 5 {
		case 1:
			return `{"responseStatus":"FAILURE","errors":[{"type":"INVALID_DATA","message":"no"}]}`
		case 2:
			return `{"responseStatus":"WARNING","data":{"id":"V-1"},"warnings":[{"warning_type":"NO_DATA_CHANGES","message":"m"}]}`
		case 3:
			return fmt.Sprintf(`{"responseStatus":"SUCCESS","id":%d,"external_id__v":"E-%v"}`, i, row["name__v"]) // flat, as documents answer
		case 4:
			return `{"responseStatus":"EXCEPTION","errors":[{"type":"UNEXPECTED_ERROR","message":"who knows"}],"data":{"id_param_value":"K"}}`
		}
		return ""
	}}
	c := serve(t, st.ServeHTTP).open(t)
	results := c.UpdateRecords(t.Context(), "x__c", named(1001))
	for i, r := range results {
		within := i % 500 % 5
		got := KindOf(r.Err)
		want := []Kind{"", Invalid, "", "", Ambiguous}[within]
		if got != want || r.Unchanged != (within == 2) || within == 3 && (r.Key != fmt.Sprintf("E-%d", i) || r.ID != ID(fmt.Sprint(i%500))) || within == 4 && r.Key != "K" {
			t.Fatalf("row %d: %+v", i, r)
		}
	}
	if err := FirstError(results); KindOf(err) != Invalid || !strings.Contains(err.Error(), "400 of 1001 rows") {
		t.Errorf("%v", err)
	}
	if n := len(st.batches); n != 3 {
		t.Errorf("%d batches: failed rows were sent again", n)
	}
}

// Rows that Vault turned away for the moment are sent again, alone.
func TestRowsTurnedAwayAreSentAgain(t *testing.T) {
	t.Parallel()
	st := &store{answer: func(batch, i int, row map[string]any) string {
		if batch < 3 && (row["name__v"] == "1" || row["name__v"] == "3") {
			return `{"responseStatus":"FAILURE","errors":[{"type":"RACE_CONDITION","message":"m"}]}`
		}
		return ""
	}}
	c := serve(t, st.ServeHTTP).open(t)
	results := c.CreateRecords(t.Context(), "x__c", named(5))
	if diff := cmp.Diff([]int{5, 2, 2}, st.sizes()); diff != "" {
		t.Error(diff)
	}
	for i, r := range results {
		if r.Err != nil || r.ID != ID(fmt.Sprintf("V-%d", i)) {
			t.Errorf("row %d: %+v", i, r)
		}
	}
}

// A batch cut off in its answer: what was answered is known, the rest is in
// doubt, and the batches after it are sent.
func TestBatchCutOff(t *testing.T) {
	t.Parallel()
	batch := 0
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		rows := readRowsOf(r)
		batch++
		if batch != 2 {
			(&store{}).respond(w, rows)
			return
		}
		w.Header().Set("Content-Length", "100000")
		_, _ = io.WriteString(w, `{"responseStatus":"SUCCESS","data":[{"responseStatus":"SUCCESS","data":{"id":"known"}},{"responseSta`)
		cut(w)
	})
	c := s.open(t)
	results := c.CreateRecords(t.Context(), "x__c", named(1100))
	for i, r := range results {
		want := Kind("")
		if i > 500 && i < 1000 {
			want = Ambiguous
		}
		if KindOf(r.Err) != want || i == 500 && r.ID != "known" {
			t.Fatalf("row %d: %+v", i, r)
		}
	}
}

func (s *store) respond(w http.ResponseWriter, rows []map[string]any) {
	body, _ := json.Marshal(rows)
	s.ServeHTTP(w, &http.Request{Header: http.Header{}, Body: io.NopCloser(strings.NewReader(string(body)))})
}

// What comes of answers that do not fit the rows.
func TestBatchAnswersThatDoNotFit(t *testing.T) {
	t.Parallel()
	one := `{"responseStatus":"SUCCESS","data":{"id":"V1"}}`
	for name, test := range map[string]struct {
		body string
		want []Kind
	}{
		"too few":       {`{"responseStatus":"SUCCESS","data":[` + one + `]}`, []Kind{"", Ambiguous}},
		"too many":      {`{"responseStatus":"SUCCESS","data":[` + one + `,` + one + `,` + one + `]}`, []Kind{"", ""}},
		"none":          {`{"responseStatus":"SUCCESS"}`, []Kind{Ambiguous, Ambiguous}},
		"no status":     {`{"data":[` + one + `,` + one + `]}`, []Kind{"", ""}},
		"a row without": {`{"responseStatus":"SUCCESS","data":[{},` + one + `]}`, []Kind{Ambiguous, ""}},
		"refused":       {`{"responseStatus":"FAILURE","errors":[{"type":"INVALID_DATA","message":"duplicate keys"}]}`, []Kind{Invalid, Invalid}},
		"refused last":  {`{"data":[` + one + `,` + one + `],"responseStatus":"FAILURE","errors":[{"type":"INVALID_DATA","message":"m"}]}`, []Kind{Invalid, Invalid}},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, test.body) })
		var got []Kind
		for _, r := range s.open(t).CreateRecords(t.Context(), "x__c", named(2)) {
			got = append(got, KindOf(r.Err))
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if n := len(s.seen()); n != 1 {
			t.Errorf("%s: sent %d times", name, n)
		}
	}
}

// The vault is gone: the batches that remain are not tried one after the other.
func TestBatchesStopWhenTheVaultIsGone(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) { says("FAILURE", "OPERATION_IN_PROGRESS")(w) })
	c := s.open(t, func(cfg *Config) { cfg.Retry.Tries = 3 })
	results := c.CreateRecords(t.Context(), "x__c", named(5000))
	for i, r := range results {
		if KindOf(r.Err) != Transient {
			t.Fatalf("row %d: %+v", i, r)
		}
	}
	if n := len(s.seen()); n != 3 {
		t.Errorf("%d requests, want 3", n)
	}
}

func TestUpsertRefusesDoubledKeys(t *testing.T) {
	t.Parallel()
	st := &store{}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.URL.Query().Get("idParam"); got != "external_id__v" {
			t.Errorf("idParam %q", got)
		}
		st.ServeHTTP(w, r)
	}).open(t)
	results := c.UpsertRecords(t.Context(), "x__c", "external_id__v", []Fields{
		{"external_id__v": "a", "name__v": "0"}, {"external_id__v": "b", "name__v": "1"},
		{"external_id__v": "a", "name__v": "2"}, {"name__v": "3"}, {"external_id__v": "c", "name__v": "4"},
	})
	want := []Kind{"", "", Invalid, Invalid, ""}
	for i, r := range results {
		if KindOf(r.Err) != want[i] || want[i] == "" && r.ID != ID(fmt.Sprintf("V-%d", i)) {
			t.Errorf("row %d: %+v", i, r)
		}
	}
	if diff := cmp.Diff([]int{3}, st.sizes()); diff != "" {
		t.Error(diff)
	}
}

// An empty CSV cell clears a field, so rows with other columns go apart.
func TestDocumentRowsAreGroupedByColumns(t *testing.T) {
	t.Parallel()
	st := &store{answer: func(_, _ int, row map[string]any) string {
		return fmt.Sprintf(`{"responseStatus":"SUCCESS","id":%v}`, row["id"])
	}}
	c := serve(t, st.ServeHTTP).open(t)
	results := c.UpdateDocuments(t.Context(), []Fields{
		{"id": 1, "title__v": "a,\"b\"\nc\\d"},
		{"id": 2, "title__v": "x", "country__v": []string{"C1", "C2"}},
		{"id": 3, "title__v": nil},
		{"id": 4, "title__v": "bare\rreturn"},
		{"id": 5, "title__v": " y ", "country__v": Names{}},
		{"id": 6, "title__v": struct{}{}},
		{"id": ID("7"), "title__v": "ü漢", "clm_content__v": true},
	})
	want := [][]map[string]any{
		{{"id": "1", "title__v": "a,\"b\"\nc\\\\d"}, {"id": "3", "title__v": ""}},
		{{"id": "2", "title__v": "x", "country__v": "C1,C2"}, {"id": "5", "title__v": " y ", "country__v": ""}},
		{{"id": "7", "title__v": "ü漢", "clm_content__v": "true"}},
	}
	if diff := cmp.Diff(want, st.batches); diff != "" {
		t.Error(diff)
	}
	for i, r := range results {
		if i == 3 || i == 5 {
			wantKind(t, r.Err, Invalid)
		} else if r.Err != nil || r.ID != ID(fmt.Sprint(i+1)) {
			t.Errorf("row %d: %+v", i, r)
		}
	}
}

func TestJSONRows(t *testing.T) {
	t.Parallel()
	st := &store{}
	c := serve(t, st.ServeHTTP).open(t)
	at, _ := ParseTime("2026-02-03T04:05:06.789Z")
	c.CreateRecords(t.Context(), "x__c", []Fields{{
		"name__v": "a", "on__c": true, "n__c": 7, "f__c": 1.5, "list__c": Names{"x", "y"}, "none__c": nil, "at__c": at, "any__c": []any{"z", ID("9")},
	}})
	want := [][]map[string]any{{{
		"name__v": "a", "on__c": true, "n__c": 7.0, "f__c": 1.5, "list__c": []any{"x", "y"}, "none__c": nil, "at__c": "2026-02-03T04:05:06.789Z", "any__c": []any{"z", "9"},
	}}}
	if diff := cmp.Diff(want, st.batches); diff != "" {
		t.Error(diff)
	}
}

// The other batches: what they send, and that their rows come back in order.
func TestOtherBatches(t *testing.T) {
	t.Parallel()
	var got []string
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		n := strings.Count(string(body), `"id"`) + strings.Count(string(body), "source_doc_id__v")
		if values, err := url.ParseQuery(string(body)); err == nil && values.Has("ids") {
			n = strings.Count(values.Get("ids"), ",") + 1
			body = []byte(values.Encode())
		}
		if strings.HasPrefix(r.Header.Get("Content-Type"), "text/csv") {
			n = strings.Count(string(body), "\n") - 1
		}
		rows := make([]string, n)
		for i := range rows {
			rows[i] = fmt.Sprintf(`{"responseStatus":"SUCCESS","id":"%d"}`, i+1)
		}
		got = append(got, fmt.Sprintf("%s %s %s", r.Method, strings.TrimPrefix(r.URL.Path, "/api/v25.2/"), body))
		answer(w, `{"responseStatus":"SUCCESS","data":[`+strings.Join(rows, ",")+`]}`)
	})
	c := s.open(t)
	ctx := t.Context()
	one := Int(1)
	for _, results := range [][]Result{
		c.DeleteRecords(ctx, "x__c", []ID{"1", "2"}),
		c.ExecuteRecordsAction(ctx, "x__c", "Objectaction.x__c.go__c", []ID{"1", "2", "3"}),
		c.DeleteDocuments(ctx, []ID{"1", "2"}),
		c.CreateRelationships(ctx, []Relationship{{Source: "1", Target: "2", Type: "related_shared_resource__v", TargetMajor: &one}}),
		c.DeleteRelationships(ctx, []ID{"1"}),
	} {
		if err := FirstError(results); err != nil {
			t.Error(err)
		}
		for i, r := range results {
			if r.ID != ID(fmt.Sprint(i+1)) {
				t.Errorf("%+v", results)
			}
		}
	}
	want := []string{
		`DELETE vobjects/x__c [{"id":"1"},{"id":"2"}]`,
		`POST vobjects/x__c/actions/Objectaction.x__c.go__c ids=1%2C2%2C3`,
		"DELETE objects/documents/batch id\n\"1\"\n\"2\"\n",
		`POST objects/documents/relationships/batch [{"relationship_type__v":"related_shared_resource__v","source_doc_id__v":"1","target_doc_id__v":"2","target_major_version__v":1}]`,
		`DELETE objects/documents/relationships/batch [{"id":"1"}]`,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBulkLifecycleAction(t *testing.T) {
	t.Parallel()
	var got []url.Values
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		got = append(got, r.PostForm)
		if len(got) == 2 {
			failure(w, "INVALID_DATA", "m")
			return
		}
		answer(w, `{"responseStatus":"SUCCESS"}`)
	})
	c := s.open(t)
	c.c.caps.actions = 2
	versions := []Version{{"22", 0, 1}, {"21", 1, 0}, {"20", 2, 3}, {"19", 0, 1}, {"18", 0, 1}}
	results := c.ExecuteLifecycleActions(t.Context(), Binders, "approve__v", "crm_content__v", "draft__v", versions)
	var kinds []Kind
	for i, r := range results {
		if r.ID != versions[i].ID {
			t.Errorf("%+v", r)
		}
		kinds = append(kinds, KindOf(r.Err))
	}
	if diff := cmp.Diff([]Kind{"", "", Invalid, Invalid, ""}, kinds); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(url.Values{"docIds": {"22:0:1,21:1:0"}, "lifecycle": {"crm_content__v"}, "state": {"draft__v"}}, got[0]); diff != "" {
		t.Error(diff)
	}
	if path := s.seen()[0]; path != "PUT /api/v25.2/objects/binders/lifecycle_actions/approve__v" {
		t.Error(path)
	}
}

func TestFirstError(t *testing.T) {
	t.Parallel()
	if err := FirstError([]Result{{}, {}}); err != nil {
		t.Error(err)
	}
	e := &Error{Op: "x", Kind: Exists}
	if err := FirstError([]Result{{}, {Err: e}}); !errors.Is(err, Exists) || err.Error() != "x: exists" {
		t.Error(err)
	}
}
