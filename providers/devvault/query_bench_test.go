package devvault

import (
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

var benchDocs = flag.Int("documents", 100_000, "documents that the query benchmarks read")

// BenchmarkQueryPages reads documents by `id > last`, 1000 a page: from the beginning, and at the end of the library.
// rows/s is of the handler alone, JSON included.
func BenchmarkQueryPages(b *testing.B) {
	s, err := Open(Options{Dir: b.TempDir(), Lax: true, Settings: Settings{Burst: 1e9}})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.AddVault(VaultSpec{Name: "pm", Kind: kindPromoMats}); err != nil {
		b.Fatal(err)
	}
	v := s.vault("pm")
	err = s.store.update(func(t *tx) error {
		for i := range *benchDocs {
			typ := "multichannel_slide__v"
			if i%50 == 0 {
				typ = "material__v"
			}
			err := putVersion(t, v.slot, versionRow{doc: int64(i + 1), typ: typ, status: [2]string{"approved__v", "draft__v"}[i%2], external: fmt.Sprintf("accord:p:%d", i),
				link: fmt.Sprintf("1001_%d", i), modified: time.UnixMilli(1.7e12 + int64(i)*1000),
				fields: `{"title__v":"A title of ordinary length","description__v":"Some words that say what it is about","country__v":["00C000000000001","00C000000000002"],` +
					`"product__v":["00P000000000001"],"language__v":["english__v"],"clm_content__v":true,"crm_media_type__v":["html__v"],"crm_start_date__v":"2026-01-01",` +
					`"crm_end_date__v":"2027-01-01","crm_training__v":false,"crm_hidden__v":false}`})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	handler := s.Handler()
	session := ""
	post := func(path string, form url.Values) string {
		r := httptest.NewRequest("POST", "http://host/pm"+path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Authorization", session)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusOK || !strings.Contains(w.Body.String()[:40], "SUCCESS") {
			b.Fatalf("%s: %.300s", path, w.Body)
		}
		return w.Body.String()
	}
	login := post("/api/v26.2/auth", url.Values{"username": {"admin@pm.dev"}, "password": {"dev"}})
	_, session, _ = strings.Cut(login, `"sessionId":"`)
	session, _, _ = strings.Cut(session, `"`)

	const fields = `id, version_id, name__v, title__v, description__v, document_number__v, TONAME(type__v) AS typ, TONAME(status__v) AS state, status__v,
		major_version_number__v, minor_version_number__v, global_id__sys, global_version_id__sys, external_id__v, product__v, country__v, language__v, clm_content__v,
		crm_media_type__v, crm_start_date__v, crm_end_date__v, version_modified_date__v`
	for _, q := range []struct{ name, query string }{
		{"latest", "SELECT " + fields + " FROM documents WHERE TONAME(type__v) = 'multichannel_slide__v' AND id > %d ORDER BY id PAGESIZE 1000"},
		{"steady", "SELECT LATESTVERSION " + fields + " FROM ALLVERSIONS documents WHERE TONAME(type__v) = 'multichannel_slide__v' AND status__v = STEADYSTATE() AND id > %d ORDER BY id PAGESIZE 1000"},
		{"all", "SELECT " + fields + " FROM documents WHERE id > %d PAGESIZE 1000"},
		{"ids", "SELECT id FROM documents WHERE id > %d PAGESIZE 1000"},
		{"marks", "SELECT id, external_id__v FROM documents WHERE external_id__v LIKE 'accord:%%' AND id > %d ORDER BY id PAGESIZE 1000"},
	} {
		for _, at := range []struct {
			name string
			id   int
		}{{"start", 0}, {"end", *benchDocs * 96 / 100}} {
			b.Run(q.name+"/"+at.name, func(b *testing.B) {
				last, rows := at.id, 0
				for range b.N {
					reply := post("/api/v26.2/query", url.Values{"q": {fmt.Sprintf(q.query, last)}})
					n := strings.Count(reply, `{"id":`)
					rows += n
					i := strings.LastIndex(reply, `{"id":`)
					if n < 1000 {
						last = at.id
					} else if _, err := fmt.Sscanf(reply[i:], `{"id":%d`, &last); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}
