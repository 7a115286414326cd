package vaultapi

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// byRow reads a page row by row.
func byRow(r io.Reader, head *pageHead) (list [][]Cell, err error) {
	err = readPage(r, "data", head, func(row []byte) error {
		if head.known() && !head.ok() {
			return nil
		}
		cells, err := Cells(nil, string(row))
		list = append(list, cells)
		return err
	})
	return list, err
}

// A page that is read whole has the rows, the head and the faults that it has
// when it is read row by row, wherever it is cut off.
func FuzzReadWhole(f *testing.F) {
	for _, text := range []string{
		somePage, string(bigPage(3, "x")), `{"data":[],"responseStatus":"SUCCESS"}`, `{"responseStatus":"FAILURE","errors":[{"type":"X","message":"y"}],"data":[1]}`, `{"data":null}`, `{}`, ``, `<html>`,
		`{"data":[{"a":1}],"x":{bad}}`, `{"data":[{"a":1}],"data":[]}`, `{"data":[{"a":1} {"b":2}]}`, `{"data":[{"a":1},]}`, `{"data":[{"a":[}]}`, `{"d\u0061ta":[{"a":1}]}`, `{"data":[{"a":1},5]}`,
		`{"data":[{"a":1}]} x`, `{"responseDetails":7,"data":[{}]}`, ` { "data" : [ { } , {"a":{"b":[1,2]}} ] , "x" : 1 } `, `{"data":[{"a":1}]`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, page []byte) {
		reset := errors.New("connection reset")
		for name, r := range map[string]func() io.Reader{
			"whole":  func() io.Reader { return bytes.NewReader(page) },
			"broken": func() io.Reader { return io.MultiReader(bytes.NewReader(page), iotest.ErrReader(reset)) },
		} {
			var wanted, head pageHead
			want, fault := byRow(r(), &wanted)
			got, err := readWhole(r(), "data", &head)
			if (err == nil) != (fault == nil) || errors.Is(err, errPage) != errors.Is(fault, errPage) || errors.Is(err, errRow) != errors.Is(fault, errRow) || errors.Is(err, reset) != errors.Is(fault, reset) {
				t.Fatalf("%s, %q: %v, and row by row %v", name, page, err, fault)
			}
			if err != nil {
				continue
			}
			if diff := cmp.Diff(want, got); diff != "" && len(want)+len(got) > 0 {
				t.Fatalf("%s, %q: rows (-row by row +whole)\n%s", name, page, diff)
			}
			if diff := cmp.Diff(wanted.Details, head.Details); diff != "" || wanted.Status != head.Status {
				t.Fatalf("%s, %q: head %+v, and row by row %+v", name, page, head, wanted)
			}
		}
	})
}

// A page with rows of unusual length is read row by row, and as well.
func TestReadWholeOfLongRows(t *testing.T) {
	t.Parallel()
	row := `{"a":"` + strings.Repeat("x", mostWhole/2) + `"}`
	got, err := readWhole(strings.NewReader(`{"responseStatus":"SUCCESS","data":[`+row+","+row+","+row+`]}`), "data", new(pageHead))
	if err != nil || len(got) != 3 || len(got[2]) != 1 || len(got[2][0].Value) != mostWhole/2+2 {
		t.Fatalf("%d rows: %v", len(got), err)
	}
}

func BenchmarkReadWhole(b *testing.B) {
	page := bigPage(1000, "")
	for name, read := range map[string]func(io.Reader, *pageHead) ([][]Cell, error){
		"whole":      func(r io.Reader, head *pageHead) ([][]Cell, error) { return readWhole(r, "data", head) },
		"row by row": byRow,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := read(bytes.NewReader(page), new(pageHead)); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/1000, "µs/row")
		})
	}
}
