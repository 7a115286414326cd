package devvault

import (
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var benchRecords = flag.Int("records", 100_000, "records that the record benchmarks read")

// BenchmarkBesideFloor does what a sync does most, 1, 8 and 64 in flight, beside an empty handler of the same HTTP stack that reads the same
// requests and answers the same bytes. Client and server share the machine. The cap of queries a user is off.
func BenchmarkBesideFloor(b *testing.B) {
	const form, json = "application/x-www-form-urlencoded", "application/json"
	page := func(i int64) string {
		return "q=" + url.QueryEscape(fmt.Sprintf("SELECT id, version_id, name__v, title__v, TONAME(type__v), TONAME(status__v), major_version_number__v, minor_version_number__v, country__v, "+
			"language__v, clm_content__v, crm_end_date__v, version_modified_date__v, global_version_id__sys FROM documents WHERE id > %d ORDER BY id PAGESIZE 1000", i%4*1000))
	}
	batch := func(i int64) string {
		var rows strings.Builder
		for n := range 500 {
			fmt.Fprintf(&rows, `,{"name__v":"Keyword %d","external_id__v":"k%d-%d","link__sys":"1001_%d"}`, n, i, n, n)
		}
		return "[" + rows.String()[1:] + "]"
	}
	link := func(i int64) string {
		return fmt.Sprintf("name__v=Slide+%d&type__v=slide__v&lifecycle__v=crm_content__v&source_vault_id__v=1001&source_document_id__v=%d&source_binding_rule__v=Latest+Steady+State+version&"+
			"external_id__v=accord%%3A%d&link__sys=1001_%d&version_link__sys=1001_%d_1&title__v=A+title&clm_content__v=true&language__v=english__v", i, i%5000+1, i, i, i)
	}
	for _, work := range []struct {
		name, path, media string
		body              func(int64) string
		unit              string
		rows              int
	}{
		{"pages", "/promo/api/v26.2/query", form, page, "rows/s", 1000},
		{"batches", "/crm/api/v26.2/vobjects/keyword__v", json, batch, "rows/s", 500},
		{"crosslinks", "/crm/api/v26.2/objects/documents", form, link, "links/s", 1},
	} {
		for _, flight := range []int{1, 8, 64} {
			for _, side := range []string{"vault", "floor"} {
				b.Run(fmt.Sprintf("%s/inflight=%d/%s", work.name, flight, side), func(b *testing.B) {
					base, session := benchServer(b, 5000)
					client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: flight}}
					defer client.CloseIdleConnections()
					answer := []byte(post(b, client, base+work.path, session, work.media, work.body(1<<40)))
					if side == "floor" {
						floor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
							io.Copy(io.Discard, r.Body)
							w.Header().Set("X-VaultAPI-Status", "SUCCESS")
							w.Header().Set("Content-Type", "application/json;charset=UTF-8")
							w.Write(answer)
						}))
						defer floor.Close()
						base = floor.URL
					}
					var next atomic.Int64
					var wg sync.WaitGroup
					b.ResetTimer()
					for range flight {
						wg.Go(func() {
							for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
								post(b, client, base+work.path, session, work.media, work.body(i))
							}
						})
					}
					wg.Wait()
					b.ReportMetric(float64(b.N*work.rows)/b.Elapsed().Seconds(), work.unit)
				})
			}
		}
	}
}

// BenchmarkRecordPages reads records by `id > last`, 1000 a page, from the beginning and at the end of -records of them, alone and while
// someone writes batches of 500.
func BenchmarkRecordPages(b *testing.B) {
	s, err := Open(Options{Dir: b.TempDir(), Settings: Settings{Burst: 1 << 30, Queries: -1}})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.AddVault(VaultSpec{Name: "crm", Kind: kindCRM}); err != nil {
		b.Fatal(err)
	}
	v := s.vault("crm")
	o := v.catalog().objects["account__v"]
	for from := 0; from < *benchRecords; from += 50_000 {
		err := s.store.update(func(t *tx) error {
			for i := from; i < min(from+50_000, *benchRecords); i++ {
				r := &record{name: fmt.Sprint("Account ", i), status: "active__v", typ: "person__v", external: fmt.Sprint("a", i), created: int64(i), modified: int64(i),
					createdBy: 10001, modifiedBy: 10001, fields: values{"formatted_name__v": "Dr. Someone of the long name"}}
				if err := v.insertRecord(t, o, r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	web := httptest.NewServer(s.Handler())
	defer web.Close()
	client := &http.Client{}
	defer client.CloseIdleConnections()
	session, err := s.login(s.user("admin@crm.dev"), v, s.Now(), nil)
	if err != nil {
		b.Fatal(err)
	}
	for _, busy := range []bool{false, true} {
		for _, at := range []struct {
			name string
			n    int
		}{{"start", 0}, {"end", max(0, *benchRecords-2000)}} {
			b.Run(fmt.Sprintf("%s/writing=%v", at.name, busy), func(b *testing.B) {
				stop := make(chan struct{})
				var written atomic.Int64
				var wg sync.WaitGroup
				if busy {
					wg.Go(func() {
						for i := time.Now().UnixNano(); ; i++ {
							select {
							case <-stop:
								return
							default:
							}
							var rows strings.Builder
							for n := range 500 {
								fmt.Fprintf(&rows, `,{"name__v":"K","external_id__v":"k%d-%d"}`, i, n)
							}
							post(b, client, web.URL+"/crm/api/v26.2/vobjects/keyword__v", session.id, "application/json", "["+rows.String()[1:]+"]")
							written.Add(500)
						}
					})
				}
				q := url.Values{"q": {fmt.Sprintf("SELECT id, name__v, external_id__v, formatted_name__v, modified_date__v FROM account__v WHERE id > '%s' ORDER BY id PAGESIZE 1000",
					recordID(o.Prefix, int64(at.n)))}}.Encode()
				b.ResetTimer()
				for range b.N {
					post(b, client, web.URL+"/crm/api/v26.2/query", session.id, "application/x-www-form-urlencoded", q)
				}
				b.StopTimer()
				close(stop)
				wg.Wait()
				b.ReportMetric(float64(b.N*1000)/b.Elapsed().Seconds(), "rows/s")
				if busy {
					b.ReportMetric(float64(written.Load())/b.Elapsed().Seconds(), "written/s")
				}
			})
		}
	}
}
