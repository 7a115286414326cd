package vault

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"

	"accord/providers"
)

// CTRY-8: a Connection Country record that somebody deletes between the look of a run
// and its write is told as a failure, so that nobody routes by it; the next run sees
// that it is gone.
func TestConnectionCountryGoneMeanwhile(t *testing.T) {
	t.Parallel()
	w := threeCRMs(t)
	var raced string // the method of whose calls somebody is ahead
	handler := w.server.Handler()
	web := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Method == raced {
			var rows []map[string]any
			if err := json.Unmarshal(body, &rows); err != nil || len(rows) == 0 {
				t.Errorf("%s %s: %v, %s", r.Method, r.URL, err, body)
			}
			for n := range rows {
				rows[n] = map[string]any{"id": rows[n]["id"]}
			}
			ids, _ := json.Marshal(rows)
			first := r.Clone(r.Context())
			first.Method, first.Body, first.ContentLength = http.MethodDelete, io.NopCloser(bytes.NewReader(ids)), int64(len(ids))
			answer := httptest.NewRecorder()
			if handler.ServeHTTP(answer, first); !bytes.Contains(answer.Body.Bytes(), []byte(`"SUCCESS"`)) {
				t.Errorf("somebody deletes %s: %s", ids, answer.Body)
			}
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		handler.ServeHTTP(rw, r)
	}))
	t.Cleanup(web.Close)
	w.url = web.URL
	w.connect(false)
	c := w.crms(map[string][]string{"a": {"United States", "Canada"}})
	c.apply()
	sync := c.syncs()[keyed("integration_point", "clm_country", "a").String()]
	w.runCountries(sync)
	held := w.read(providers.RecordsRequest{End: sync.Target})
	of := func(title string, verb providers.Verb, fields string) providers.Write {
		n := slices.IndexFunc(held, func(r providers.Record) bool { return r.Title == title })
		if n < 0 {
			t.Fatalf("there is no %s", title)
		}
		return providers.Write{Verb: verb, Part: held[n].Part, Key: held[n].Key, ID: held[n].ID, Title: title, Fields: json.RawMessage(fields)}
	}
	for title, r := range map[string]struct {
		method string
		write  providers.Write
	}{
		"Canada":        {http.MethodPut, of("Canada", providers.WriteUpdate, `{"name__v": "Kanada"}`)},
		"United States": {http.MethodDelete, of("United States", providers.WriteWithdraw, ``)},
	} {
		raced = r.method
		if got := w.write(sync, r.write)[0]; got.Err == nil {
			t.Errorf("%s went away, and nothing is said: %+v", title, got)
		}
	}
	raced = ""
	if got := w.connected(sync); !slices.Equal(got, []string{"Global"}) {
		t.Errorf("there are %v", got)
	}
}
