package devvault

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var parameter = regexp.MustCompile(`\{[^}]*\}`)

// Every route of the reference is walked over HTTP: one that Routes calls built must not be refused as unknown, one that it does not must be.
func TestRoutesTellTheTruth(t *testing.T) {
	b := newBench(t, "crm:crm")
	b.Set(Settings{AuthBurst: 10000, Burst: 100000})
	count := map[bool]int{}
	for _, r := range Routes() {
		if r.Section == "control" || r.Method == "DELETE" && strings.HasSuffix(r.Pattern, "/session") {
			continue
		}
		path := strings.ReplaceAll(r.Pattern, "{version}", "v26.2")
		path = parameter.ReplaceAllString(path, "1")
		if strings.HasPrefix(path, "/api/") {
			path = "/crm" + path
		}
		_, out := b.raw(r.Method, path, "application/x-www-form-urlencoded", nil, http.Header{"Authorization": {b.session("crm")}})
		refused := strings.Contains(string(out), `"type":"METHOD_NOT_SUPPORTED"`) || strings.Contains(string(out), `"type":"MALFORMED_URL"`)
		if refused == r.Built {
			t.Errorf("%s %s: built is %v, and the answer is %.200s", r.Method, r.Pattern, r.Built, out)
		}
		if !r.Built && strings.Contains(string(out), "MALFORMED_URL") {
			t.Errorf("%s %s: %.200s", r.Method, r.Pattern, out)
		}
		count[r.Built]++
	}
	t.Logf("%d routes are built, %d are not", count[true], count[false])
}

// No route of the reference was lost on the way here: these are its sections, and how many routes each has.
func TestReferenceIsWhole(t *testing.T) {
	sections := map[string]int{}
	for _, r := range referenceRoutes() {
		sections[r.section]++
	}
	want := map[string]int{"01 Authentication": 8, "02 Direct Data": 2, "03 VQL": 1, "04 MDL": 11, "05 Documents": 105, "06 Binders": 36, "07 Objects": 48,
		"08 Document and binder roles": 10, "09 Workflows (object)": 22, "10 Document lifecycle": 18, "11 Object lifecycle": 7, "12 Users": 14, "14 Groups": 7,
		"15 Picklists": 6, "17 Security policies": 3, "18 Domain": 2, "19 Configuration migration": 12, "20 Sandboxes": 15, "21 Logs": 20,
		"22 File staging": 12, "23 Loader": 6, "25 Jobs": 5, "26 Java SDK / queues": 12}
	if diff := cmp.Diff(want, sections); diff != "" {
		t.Error(diff)
	}
}

// What is not built says why: a person who reads the list should not have to guess.
func TestRoutesThatAreNotBuiltSayWhy(t *testing.T) {
	for _, r := range Routes() {
		if !r.Built && r.Note == "" {
			t.Errorf("%s %s says nothing", r.Method, r.Pattern)
		}
	}
}
