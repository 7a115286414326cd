package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/planner/watch"
)

// /healthz and /metrics say when nothing can be brought over, and of each vault
// what was last heard of it; /livez says that a start anew would not help.
func TestServeHealth(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	s := &story{world: worked(t)}
	s.clock.run()
	s.done("apply", "-auto-approve")
	serve := s.begin("serve", "-listen=127.0.0.1:0", "-interval=200ms")
	defer serve.stop()
	address := s.pageOf(serve)
	get := func(path string) (int, string) {
		t.Helper()
		resp, err := http.Get(address + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body)
	}
	type health struct {
		Healthy bool
		Why     string
		Vaults  map[string]vaultHealth
	}
	asked := func() (h health) {
		t.Helper()
		code, body := get("/healthz")
		if err := json.Unmarshal([]byte(body), &h); err != nil {
			t.Fatal(err)
		}
		if h.Healthy != (code == 200) {
			t.Errorf("%d: %s", code, body)
		}
		return h
	}
	all := func(state string) func() bool {
		return func() bool {
			h := asked()
			for _, v := range h.Vaults {
				if v.State != state {
					return false
				}
			}
			return h.Healthy && len(h.Vaults) == 4
		}
	}
	s.until(serve, "all is well", all("ok"))
	gone := func(vault string) {
		s.answer(func(to http.ResponseWriter, v, _, _, _ string) bool {
			if v == vault {
				to.WriteHeader(http.StatusServiceUnavailable)
			}
			return v == vault
		})
	}

	gone(source)
	began := time.Now()
	s.until(serve, "the content vault is missed", func() bool { return !asked().Healthy })
	t.Logf("missed after %s", time.Since(began).Round(time.Second))
	h := asked()
	if v := h.Vaults["vault.promomats"]; v.State != "silent" || !strings.Contains(h.Why, "no vault that content comes from has answered for ") {
		t.Errorf("without the content vault: %+v", h)
	}
	if code, body := get("/livez"); code != 200 {
		t.Errorf("a start anew would not help: %d %s", code, body)
	}
	_, metrics := get("/metrics")
	for _, want := range []string{"accord_up 1", "accord_healthy 0", `accord_vault_up{vault="vault.promomats"} 0`, `accord_vault_up{vault="vault.crm[\"a\"]"} 1`} {
		if !strings.Contains(metrics, want+"\n") {
			t.Errorf("the metrics lack %s:\n%s", want, metrics)
		}
	}
	s.answer(nil)
	s.until(serve, "it is there again", all("ok"))

	gone(s.crms[0].vault())
	began = time.Now()
	for n := 1; ; n++ {
		s.rewrite(n)
		s.eventually(t, s.crms[1:]...)
		if h = asked(); h.Vaults[`vault.crm["a"]`].State != "ok" {
			break
		}
		if time.Since(began) > 2*patience { // a run tries each call for a while, and tells the vault what is wrong
			t.Fatalf("nobody misses the CRM vault: %+v\n%s", h, tail(serve.out.String()))
		}
	}
	if !h.Healthy || h.Vaults[`vault.crm["a"]`].Why == "" || h.Vaults[`vault.crm["b"]`].State != "ok" {
		t.Errorf("without one CRM vault: %+v", h)
	}
}

// What waits for the first apply, or for its state to be reached, comes round: a start
// anew would not help, and it is said what is waited for.
func TestServeWaitsAlive(t *testing.T) {
	t.Parallel()
	s := &server{started: time.Now().Add(-time.Hour)}
	s.tries(errNothing)
	st := s.status()
	if why := st.Alive(time.Now()); why != "" {
		t.Errorf("it is not alive: %s", why)
	}
	if why := st.Healthy(time.Now()); why != errNothing.Error() {
		t.Errorf("it is unhealthy, since %q", why)
	}
	if st.Alive(time.Now().Add(time.Hour)) == "" {
		t.Error("it is alive, and has tried nothing for an hour")
	}
	web := served(t, "", false)
	resp, err := http.Get(web.URL + "/status.json")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, _ := io.ReadAll(resp.Body); strings.Contains(string(body), "null") {
		t.Errorf("a list of nothing is none: %s", body)
	}
}

// A point that cannot be read cannot run.
func TestUnreadPointFails(t *testing.T) {
	t.Parallel()
	now := time.Now()
	clm := addrs.New("integration_point", "clm")
	why := errors.New("connection refused")
	d := viewStatus(watch.Status{Known: true, Beat: now, Interval: time.Second, Unread: []watch.Unread{{Addr: clm, Err: why}},
		Points: []watch.Point{{Addr: clm, Decision: syncer.Decision{Mode: syncer.Incremental}, Waits: "it cannot be read: connection refused"}}}, now)
	if d.Verdict != "1 of 1 point cannot run" || !d.Bad || d.Points[0].State != "failing" {
		t.Errorf("%q, %+v", d.Verdict, d.Points)
	}
}

// Nor is all said to be up to date where a point has never been read, since serve began
// while its vault was away.
func TestPageOfPointsNeverRead(t *testing.T) {
	t.Parallel()
	now := time.Now()
	read := watch.Point{Addr: addrs.NewKeyed("integration_point", "clm", "us"), Decision: syncer.Decision{Mode: syncer.Incremental}}
	d := viewStatus(watch.Status{Known: true, Beat: now, Interval: time.Second, Points: []watch.Point{read},
		Unread: []watch.Unread{{Addr: addrs.NewKeyed("integration_point", "clm", "ca"), Err: errors.New("vault.crm is not connected")}}}, now)
	if d.Verdict != "1 object cannot be read, and no point runs that hangs together with one" || !d.Bad {
		t.Errorf("the page: %q", d.Verdict)
	}
}

// A point that is off is not said to be up to date.
func TestVerdictOfWhatIsOff(t *testing.T) {
	t.Parallel()
	now := time.Now()
	off := watch.Point{Addr: addrs.New("integration_point", "clm"), Waits: "the point is inactive"}
	on := watch.Point{Addr: addrs.New("integration_point", "country"), Decision: syncer.Decision{Mode: syncer.Incremental}}
	bad := on
	bad.Memory.Failures = 2
	for want, points := range map[string][]watch.Point{"No point is active": {off}, "All active points are up to date": {off, on}, "All points are up to date": {on},
		"All active points run; 2 items cannot be synced": {off, bad}, "All points run; 2 items cannot be synced": {on, bad}} {
		if d := viewStatus(watch.Status{Known: true, Beat: now, Interval: time.Second, Points: points}, now); d.Verdict != want {
			t.Errorf("the verdict is %q, want %q", d.Verdict, want)
		}
	}
}
