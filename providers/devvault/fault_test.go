package devvault

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// try makes a product and returns what the caller sees ("cut", "HTTP 503", or status and error), and how many products there are then.
func (b *bench) try(name string) (seen string, products int) {
	b.Helper()
	body, _ := json.Marshal([]map[string]any{{"name__v": name}})
	b.do("GET", "promo", "objects/users/me", nil)
	seen = b.send("POST", "/promo/api/v26.2/vobjects/product__v", body)
	return seen, len(b.all("promo", "product__v", "id"))
}

// send posts JSON with the session of promo's admin, and says what came back.
func (b *bench) send(method, path string, body []byte) string {
	b.Helper()
	res, out, err := b.exchange(method, path, "application/json", body, http.Header{"Authorization": {b.ids["promo"]}})
	if err != nil {
		return "cut"
	}
	if res.StatusCode != http.StatusOK {
		return res.Status
	}
	var a response
	if err := json.Unmarshal(out, &a); err != nil {
		b.Fatal(err)
	}
	seen := a.status()
	if e := a.errorType(); e != "" {
		seen += " " + e
	}
	for _, row := range a.list("data") {
		seen += ", " + row.status()
		if e := row.errorType(); e != "" {
			seen += " " + e
		}
	}
	return seen
}

func TestFaults(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	want(t, "unknown kind", b.dev("POST", "faults", map[string]any{"kind": "nonsense"}).errorType(), "INVALID_DATA")
	products := 0
	for _, test := range []struct {
		fault Fault
		seen  string
		done  bool
	}{
		{Fault{Kind: "ok"}, "SUCCESS, SUCCESS", true},
		{Fault{Kind: "delay", DelayMS: 1}, "SUCCESS, SUCCESS", true},
		{Fault{Kind: "downtime", Minutes: 30}, "SUCCESS, SUCCESS", true},
		{Fault{Kind: "cut"}, "cut", false},
		{Fault{Kind: "cut_after"}, "cut", true},
		{Fault{Kind: "http", Status: 502}, "502 Bad Gateway", false},
		{Fault{Kind: "http_after"}, "503 Service Unavailable", true},
		{Fault{Kind: "failure", Type: "RACE_CONDITION"}, "FAILURE RACE_CONDITION", false},
		{Fault{Kind: "failure_after"}, "FAILURE OPERATION_NOT_ALLOWED", true},
		{Fault{Kind: "exception"}, "EXCEPTION UNEXPECTED_ERROR", false},
		{Fault{Kind: "row_failure", Type: "INVALID_DATA"}, "SUCCESS, FAILURE INVALID_DATA", false},
		{Fault{Kind: "row_failure", Match: map[string]string{"name__v": "another"}}, "SUCCESS, SUCCESS", true},
	} {
		test.fault.Vault, test.fault.Method, test.fault.Route, test.fault.Count = "promo", "POST", "vobjects/{object}", 1
		if _, err := b.AddFault(test.fault); err != nil {
			t.Fatal(err)
		}
		seen, n := b.try("P")
		want(t, test.fault.Kind, seen, test.seen)
		want(t, test.fault.Kind+" done", n > products, test.done)
		products = n
		b.ClearFaults()
	}
}

func TestFaultsStrikeWhenTheyShould(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	strikes := func(f Fault) string {
		t.Helper()
		f.Route = "vobjects/*"
		if _, err := b.AddFault(f); err != nil {
			t.Fatal(err)
		}
		defer b.ClearFaults()
		line := ""
		for range 8 {
			if a := b.do("GET", "promo", "vobjects/product__v", nil); a.status() == "SUCCESS" {
				line += "."
			} else {
				line += "x"
			}
		}
		return line
	}
	want(t, "count after skip", strikes(Fault{Kind: "failure", Skip: 2, Count: 3}), "..xxx...")
	want(t, "script", strikes(Fault{Script: []string{"ok", "failure", "ok", "exception"}}), ".x.x....")
	want(t, "another verb", strikes(Fault{Kind: "failure", Method: "PUT"}), "........")
	rate := strikes(Fault{Kind: "failure", Rate: 0.5, Seed: 7})
	want(t, "the same seed, the same calls", strikes(Fault{Kind: "failure", Rate: 0.5, Seed: 7}), rate)
	if d := cmp.Diff("........", rate); d == "" {
		t.Error("a rate of a half never struck in eight calls")
	}
}

func TestExpiredSessionFault(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	b.do("GET", "promo", "objects/users/me", nil)
	if _, err := b.AddFault(Fault{Kind: "expired", Count: 1}); err != nil {
		t.Fatal(err)
	}
	want(t, "expired", b.do("GET", "promo", "objects/users/me", nil).errorType(), "INVALID_SESSION_ID")
	want(t, "and stays so", b.do("GET", "promo", "objects/users/me", nil).errorType(), "INVALID_SESSION_ID")
	clear(b.ids)
	want(t, "until the next login", b.do("GET", "promo", "objects/users/me", nil).status(), "SUCCESS")
}

func TestControl(t *testing.T) {
	t.Parallel()
	b := newBench(t, "promo:promomats")
	_, out := b.raw("GET", "/_dev/vaults", "", nil, http.Header{"X-Dev-Token": {"wrong"}})
	var refused response
	if err := json.Unmarshal(out, &refused); err != nil {
		t.Fatal(err)
	}
	want(t, "token", refused.errorType(), "INSUFFICIENT_ACCESS")
	for range 2 {
		a := b.dev("POST", "vaults", map[string]any{"name": "crm-us", "kind": "crm", "environment": "production", "id": 4711})
		want(t, "make if missing", a.status(), "SUCCESS")
		want(t, "id", a["id"], any(4711.0))
		want(t, "url", a["url"], any(b.http.URL+"/crm-us"))
		want(t, "user", a["user"], any("admin@crm-us.dev"))
	}
	want(t, "another kind", b.dev("POST", "vaults", map[string]any{"name": "crm-us", "kind": "promomats"}).errorType(), "INVALID_DATA")
	want(t, "vaults", len(b.dev("GET", "vaults", nil).list("vaults")), 2)

	want(t, "clock", b.dev("POST", "clock", map[string]any{"advance": "360h"})["now"], any("2026-03-16T12:00:00.000Z"))
	want(t, "clock", b.dev("POST", "clock", map[string]any{"set": start.Add(time.Minute)})["now"], any("2026-03-01T12:01:00.000Z"))

	b.dev("GET", "calls?reset", nil)
	id := b.login("promo", "admin@promo.dev", "secret")
	b.as(id, "GET", "promo", "vobjects/product__v", nil)
	b.as(id, "POST", "promo", "vobjects/product__v", []map[string]any{{"name__v": "P"}})
	b.as(id, "POST", "promo", "query", form("q", "SELECT id FROM product__v"))
	calls := b.dev("GET", "calls", nil)
	want(t, "reads", calls["reads"], any(2.0))
	want(t, "writes", calls["writes"], any(1.0))
	want(t, "logins", calls["logins"], any(1.0))
	want(t, "route", calls.list("calls")[0]["route"], any("auth"))

	first, second := b.dev("POST", "client", nil)["id"], b.dev("POST", "client", nil)["id"]
	gone := b.ClientsGone()
	b.dev("DELETE", "client/"+jsonText(first), nil)
	select {
	case <-gone:
		t.Error("a client is still there")
	default:
	}
	b.dev("DELETE", "client/"+jsonText(second), nil)
	<-gone
}

func jsonText(v any) string { b, _ := json.Marshal(v); return string(b) }
