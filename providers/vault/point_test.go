package vault

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"accord/providers"
)

// CTRY-9: whether the filters are empty that no block names is asked of all vaults at
// once, by one call each.
func TestEmptyFiltersAreAskedForTogether(t *testing.T) {
	t.Parallel()
	w := threeCRMs(t)
	var calls sync.Map // by path
	var asking sync.WaitGroup
	asking.Add(3)
	handler := w.server.Handler()
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		if form, _ := url.ParseQuery(string(body)); strings.Contains(form.Get("q"), "country_filter__v") && strings.Contains(form.Get("q"), "FROM "+objSettings) {
			if _, again := calls.LoadOrStore(r.URL.Path, true); again {
				t.Errorf("%s is asked again", r.URL.Path)
			} else {
				asking.Done()
			}
			all := make(chan struct{})
			go func() { asking.Wait(); close(all) }()
			select {
			case <-all:
			case <-time.After(10 * time.Second):
				t.Errorf("%s is asked alone", r.URL.Path)
			}
		}
		handler.ServeHTTP(rw, r)
	}))
	t.Cleanup(web.Close)
	w.url = web.URL
	w.connect(true)
	c := w.crms(map[string][]string{"a": {"us__v"}, "b": {"ca__v"}, "c": {"mx__v"}})
	calls.Clear()
	c.objects = slices.DeleteFunc(c.objects, func(o providers.Object) bool { return o.Type == "country_filter" })
	var got []string
	for _, d := range c.plan() {
		if d.Code == "CTRY-9" && strings.Contains(d.Summary, "is empty") {
			got = append(got, d.Addr.Key)
		}
	}
	if slices.Sort(got); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("advised of %v", got)
	}
	asked := 0
	calls.Range(func(any, any) bool { asked++; return true })
	if asked != 3 {
		t.Errorf("%d vaults were asked", asked)
	}
}
