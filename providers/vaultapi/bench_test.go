package vaultapi

import (
	"bytes"
	"fmt"
	"net/http"
	"runtime"
	"strconv"
	"testing"
)

// BenchmarkMillionRows walks a million rows, page after page, and reports the
// most heap that was in use on the way, server included: a page's text is made
// once. It must not grow with the number of rows.
func BenchmarkMillionRows(b *testing.B) {
	const rows = 1_000_000
	var page bytes.Buffer
	for i := range PageSize {
		if i > 0 {
			page.WriteByte(',')
		}
		fmt.Fprintf(&page, `{"id":"%d","name__v":"Slide %d","title__v":"A title of some length","country__v":["00C000000000001"],"clm_content__v":true,"version_modified_date__v":"2026-03-01T09:00:00.000Z"}`, i, i)
	}
	s := serve(b, func(w http.ResponseWriter, r *http.Request) {
		offset, _ := strconv.Atoi(r.URL.Query().Get("pageoffset"))
		next := ""
		if offset+PageSize < rows {
			next = fmt.Sprintf(`,"next_page":"/api/v25.2/query/t?pagesize=%d&pageoffset=%d"`, PageSize, offset+PageSize)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprintf(w, `{"responseStatus":"SUCCESS","responseDetails":{"pagesize":%d,"pageoffset":%d,"size":%d,"total":%d%s},"data":[`, PageSize, offset, PageSize, rows, next)
		_, _ = w.Write(page.Bytes())
		_, _ = w.Write([]byte(`]}`))
	})
	c := s.open(b)
	type slide struct {
		ID      ID     `json:"id"`
		Name    string `json:"name__v"`
		Title   string `json:"title__v"`
		Country Names  `json:"country__v"`
		Content Bool   `json:"clm_content__v"`
	}
	var stats runtime.MemStats
	for b.Loop() {
		s.mu.Lock()
		s.requests = nil
		s.mu.Unlock()
		var early, peak uint64
		n := 0
		for _, err := range QueryInto[slide](b.Context(), c.Reader, "SELECT id, name__v, title__v, country__v, clm_content__v FROM documents") {
			if err != nil {
				b.Fatal(err)
			}
			if n++; n%10_000 == 0 {
				runtime.ReadMemStats(&stats)
				peak = max(peak, stats.HeapAlloc)
				if n <= rows/10 {
					early = peak
				}
			}
		}
		if n != rows {
			b.Fatalf("%d rows", n)
		}
		// Twice of what a tenth of the rows took would be growth.
		if peak > 2*early+8<<20 {
			b.Errorf("the heap grows: %d bytes after a tenth of the rows, %d at most", early, peak)
		}
		b.ReportMetric(float64(peak)/(1<<20), "peak-MB")
	}
	b.ReportMetric(float64(rows*b.N)/b.Elapsed().Seconds(), "rows/s")
}
