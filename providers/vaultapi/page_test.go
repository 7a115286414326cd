package vaultapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

const somePage = `{"responseStatus":"SUCCESS","queryDescribe":{"object":{"name":"x__c"},"fields":[{"name":"id","type":"id"}]},
 "responseDetails":{"pagesize":2,"pageoffset":0,"size":2,"total":3,"next_page":"/api/v25.2/query/u?pagesize=2"},
 "data":[ {"id":"1","a":"]},\"\\"} , {"id":"2","sub__cr":{"data":[{"x":[1,{}]}]}}, 5, "x", null, [], true ],
 "record_properties":[{"id":"1","permissions":{}}]}`

func TestReadPage(t *testing.T) {
	t.Parallel()
	want := []string{`{"id":"1","a":"]},\"\\"}`, `{"id":"2","sub__cr":{"data":[{"x":[1,{}]}]}}`, `5`, `"x"`, `null`, `[]`, `true`}
	for name, r := range map[string]io.Reader{
		"at once": strings.NewReader(somePage), "byte by byte": iotest.OneByteReader(strings.NewReader(somePage)),
		"with the end": iotest.DataErrReader(strings.NewReader(somePage)),
	} {
		var head pageHead
		var got []string
		err := readPage(r, "data", &head, func(row []byte) error {
			if head.Details.Total != 3 {
				t.Errorf("%s: the details come after the rows", name)
			}
			got = append(got, string(row))
			return nil
		})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
		if head.Status != "SUCCESS" || head.Details.NextPage == "" || head.Describe.Fields[0].Name != "id" {
			t.Errorf("%s: %+v", name, head)
		}
	}
}

// A page cut off anywhere is an error, whatever was read of it before.
func TestReadPageCutOff(t *testing.T) {
	t.Parallel()
	for n := range len(somePage) {
		err := readPage(strings.NewReader(somePage[:n]), "data", &pageHead{}, func([]byte) error { return nil })
		if err == nil {
			t.Fatalf("cut at %d: no error", n)
		}
	}
	reset := errors.New("connection reset")
	err := readPage(io.MultiReader(strings.NewReader(somePage[:300]), iotest.ErrReader(reset)), "data", &pageHead{}, func([]byte) error { return nil })
	if !errors.Is(err, reset) {
		t.Errorf("%v", err)
	}
}

func TestReadPageMalformed(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		`<html></html>`, `[]`, `{"data":{}}`, `{"data":5}`, `{"data":[1 2]}`, `{"data":[,]}`, `{"data":[1,]}`, `{"data" [1]}`,
		`{"data":[]} x`, `{"data":[]}{}`, `{"a":1,,"data":[]}`, `{data:[]}`, `{"data":[],"data":[]}`, `{"responseDetails":[],"data":[]}`, `{"responseStatus":7}`, `{"x":}`, `{,}`,
	} {
		err := readPage(strings.NewReader(text), "data", &pageHead{}, func([]byte) error { return nil })
		if !errors.Is(err, errPage) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := readPage(strings.NewReader(`{}`), "data", &pageHead{}, nil); err != nil {
		t.Error(err)
	}
	if err := readPage(strings.NewReader(`{"data":null}`), "data", &pageHead{}, nil); err != nil {
		t.Error(err)
	}
}

// Whatever is a JSON object with an array of rows is read as encoding/json
// reads it; whatever is not never panics, and never gives a damaged row as a
// good one to who decodes it.
func FuzzReadPage(f *testing.F) {
	f.Add([]byte(somePage), 7)
	f.Add([]byte(`{"data":[{"a":"ä\u00e4"},-1.5e3],"responseStatus":"SUCCESS"}`), 1)
	f.Add([]byte(`{"data":null}`), 3)
	f.Add([]byte(`{"d\u0061ta":[1]}`), 3)
	f.Add([]byte(`{"data":[{"a":[}]}`), 3)
	f.Fuzz(func(t *testing.T, page []byte, size int) {
		var rows [][]byte
		err := readPage(&chunks{page, max(1, size%97)}, "data", &pageHead{}, func(row []byte) error {
			rows = append(rows, bytes.Clone(row))
			return nil
		})

		var want map[string]json.RawMessage
		if json.Unmarshal(page, &want) != nil || want == nil {
			return
		}
		var list []json.RawMessage
		if raw, ok := want["data"]; ok && json.Unmarshal(raw, &list) != nil {
			if err == nil {
				t.Fatalf("rows that are no array: %s", page)
			}
			return
		}
		if err != nil {
			if errors.Is(err, errPage) {
				return // a head that is JSON but not ours, or doubled rows
			}
			t.Fatalf("%v: %s", err, page)
		}
		if len(rows) != len(list) {
			t.Fatalf("%d rows, want %d: %s", len(rows), len(list), page)
		}
		for i := range list {
			if !bytes.Equal(bytes.TrimSpace(rows[i]), bytes.TrimSpace(list[i])) {
				t.Fatalf("row %d is %s, want %s", i, rows[i], list[i])
			}
		}
	})
}

// chunks reads n bytes at a time.
type chunks struct {
	data []byte
	n    int
}

func (c *chunks) Read(p []byte) (int, error) {
	if len(c.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, c.data[:min(c.n, len(c.data))])
	c.data = c.data[n:]
	return n, nil
}

type benchRow struct {
	ID       ID     `json:"id"`
	Name     string `json:"name__v"`
	Title    string `json:"title__v"`
	Status   Names  `json:"status__v"`
	Country  Names  `json:"country__v"`
	Global   string `json:"global_id__sys"`
	Modified string `json:"version_modified_date__v"`
	Publish  Bool   `json:"clm_content__v"`
	Major    Int    `json:"major_version_number__v"`
	Minor    Int    `json:"minor_version_number__v"`
}

func bigPage(rows int, next string) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, `{"responseStatus":"SUCCESS","responseDetails":{"pagesize":1000,"pageoffset":0,"size":%d,"total":%d,"next_page":%q},"data":[`, rows, rows, next)
	for i := range rows {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":%d,"name__v":"Presentation number %d","title__v":"A title of some length, with \"quotes\" and ümlauts","status__v":["Approved"],"country__v":["00C000000000101","00C000000000102"],"global_id__sys":"7001_%d","version_modified_date__v":"2026-03-01T09:00:00.000Z","clm_content__v":true,"major_version_number__v":1,"minor_version_number__v":0}`, i, i, i)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// Time and allocations of one row of a page of 1,000.
func BenchmarkReadPage(b *testing.B) {
	page := bigPage(1000, "")
	for name, row := range map[string]func([]byte) error{
		"split": func([]byte) error { return nil },
		"raw": func(row []byte) error {
			if !json.Valid(row) {
				return errPage
			}
			return nil
		},
		"typed": func(row []byte) error { var v benchRow; return decodeRow(row, &v) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(page)))
			b.ReportAllocs()
			for b.Loop() {
				if err := readPage(bytes.NewReader(page), "data", &pageHead{}, row); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "µs/row")
		})
	}
}
