package devvault

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// benchServer is a server on the real disk with a library of slides, and a client without limits.
func benchServer(b *testing.B, slides int) (url, session string) {
	s, err := Open(Options{Dir: b.TempDir(), Settings: Settings{Burst: 1 << 30, Queries: -1}})
	if err != nil {
		b.Fatal(err)
	}
	for _, v := range []VaultSpec{{Name: "promo", Kind: "promomats"}, {Name: "crm", Kind: "crm"}} {
		if err := s.AddVault(v); err != nil {
			b.Fatal(err)
		}
	}
	var text strings.Builder
	text.WriteString(`{"record": "country__v", "key": "us", "fields": {"name__v": "United States", "country_cda__v": ["us__v"]}}` + "\n")
	for i := range slides {
		fmt.Fprintf(&text, `{"document": "slide-%d", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Slide %d", "title__v": "A title of some length", "country__v.external_id__v": ["us"], "clm_content__v": true, "language__v": "english__v", "crm_end_date__v": "2027-01-01"}, "versions": [{"number": "1.0", "state": "approved__v"}]}`+"\n", i, i)
	}
	if _, err := s.Load("promo", "x", strings.NewReader(text.String())); err != nil {
		b.Fatal(err)
	}
	h := httptest.NewServer(s.Handler())
	b.Cleanup(func() { h.Close(); s.Close() })
	ses, err := s.login(s.user("admin@crm.dev"), s.vault("crm"), s.Now(), nil)
	if err != nil {
		b.Fatal(err)
	}
	s.users["admin@crm.dev"].members[1] = &member{profile: "system_admin__v", active: true}
	return h.URL, ses.id
}

func post(b *testing.B, client *http.Client, url, session, media, body string) string {
	req, err := http.NewRequest("POST", url, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.Header.Set("Authorization", session)
	req.Header.Set("Content-Type", media)
	res, err := client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		b.Fatal(err)
	}
	if got := res.Header.Get("X-VaultAPI-Status"); got != "SUCCESS" {
		b.Fatalf("%s: %s", got, out)
	}
	return string(out)
}

// BenchmarkCrossLinks creates CrossLinks with single calls, many in flight. Client and server share the machine.
func BenchmarkCrossLinks(b *testing.B) {
	for _, flight := range []int{1, 8, 64} {
		b.Run(fmt.Sprintf("inflight=%d", flight), func(b *testing.B) {
			url, session := benchServer(b, 1000)
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: flight}}
			defer client.CloseIdleConnections()
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range flight {
				wg.Go(func() {
					for {
						i := next.Add(1)
						if i > int64(b.N) {
							return
						}
						post(b, client, url+"/crm/api/v26.2/objects/documents", session, "application/x-www-form-urlencoded", fmt.Sprintf(
							"name__v=Slide+%d&type__v=slide__v&lifecycle__v=crm_content__v&source_vault_id__v=1001&source_document_id__v=%d&source_binding_rule__v=Latest+Steady+State+version&"+
								"external_id__v=accord%%3A%d&link__sys=1001_%d&version_link__sys=1001_%d_1&title__v=A+title&clm_content__v=true&language__v=english__v", i, i%1000+1, i, i, i))
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "links/s")
		})
	}
}

// BenchmarkPages reads documents in pages of 1000.
func BenchmarkPages(b *testing.B) {
	const slides = 20000
	url, session := benchServer(b, slides)
	client := &http.Client{}
	defer client.CloseIdleConnections()
	b.ResetTimer()
	rows := 0
	for i := 0; b.Loop(); i++ {
		q := fmt.Sprintf("SELECT id, version_id, name__v, title__v, TONAME(type__v), TONAME(status__v), major_version_number__v, minor_version_number__v, country__v, language__v, clm_content__v, crm_end_date__v, "+
			"version_modified_date__v, global_version_id__sys FROM documents WHERE id > %d ORDER BY id MAXROWS 1000 PAGESIZE 1000", i%(slides/1000)*1000)
		post(b, client, url+"/promo/api/v26.2/query", session, "application/x-www-form-urlencoded", "q="+strings.ReplaceAll(strings.ReplaceAll(q, " ", "+"), ">", "%3E"))
		rows += 1000
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkBinders makes binders of five nodes with single calls, 16 in flight: seven calls a binder.
func BenchmarkBinders(b *testing.B) {
	const flight = 16
	url, session := benchServer(b, 1000)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: flight}}
	defer client.CloseIdleConnections()
	url += "/promo/api/v26.2/objects/binders"
	const form = "application/x-www-form-urlencoded"
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range flight {
		wg.Go(func() {
			for next.Add(1) <= int64(b.N) {
				out := post(b, client, url, session, form, "name__v=B&type__v=multichannel_presentation__v&lifecycle__v=promo_mats_lifecycle__v")
				_, id, _ := strings.Cut(out, `"id":`)
				id = strings.TrimSuffix(id, "}")
				for n := range 5 {
					post(b, client, url+"/"+id+"/documents", session, form, fmt.Sprintf("document_id__v=%d&binding_rule__v=steady-state&order__v=%d", n+1, n))
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)*6/b.Elapsed().Seconds(), "calls/s")
}

// BenchmarkOpen opens a fresh server with four vaults, as most tests do.
func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		s, err := Open(Options{Dir: b.TempDir(), Lax: true})
		if err != nil {
			b.Fatal(err)
		}
		for _, v := range []VaultSpec{{Name: "promo", Kind: "promomats"}, {Name: "a", Kind: "crm"}, {Name: "b", Kind: "crm"}, {Name: "c", Kind: "crm"}} {
			if err := s.AddVault(v); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
