package lang

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/hashicorp/hcl/v2"

	"accord/lang/addrs"
)

func settings(t *testing.T, source string) Settings {
	t.Helper()
	c, diags := Parse(".", map[string][]byte{"main.hcl": []byte(source)})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return c.Settings
}

func TestSettingsWritten(t *testing.T) {
	c, diags := Load("testdata/every_block")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	want := Settings{
		RequiredVersion: ">= 0.1, < 9",
		Backend:         Backend{Type: "local", Config: map[string]string{"path": "kept/here.json"}},
		Providers:       []RequiredProvider{{Name: "weather", Source: addrs.Source{Host: "example.org", Namespace: "forecast", Name: "weather"}, Version: "~> 2.1", Env: []string{"WEATHER_TOKEN"}}},
		Limits: Limits{
			MaxWithdrawn: Limit{Name: "max_withdrawn", Share: 0.025, Written: true},
			MaxPublished: Limit{Name: "max_published", Share: 1, Written: true},
			IgnoreBelow:  3,
		},
		Sync:       Sync{FilterDelay: 90 * time.Second, FullRetryAfter: 12 * time.Hour, PlatformTimeout: time.Hour},
		Serve:      Serve{Interval: time.Minute},
		Notify:     []Notify{{Type: "webhook", URL: "https://example.org/told"}},
		Encryption: Encryption{Recipients: []string{"age1someone"}},
		Suppress: []Suppression{
			{Address: addrs.NewKeyed("country_filter", "crm", "it"), Attribute: "countries", Owner: "launch team", Reason: "San Marino is tried out by hand", Expires: time.Date(2030, 6, 30, 0, 0, 0, 0, time.UTC)},
			{Address: addrs.New("connection", "crm"), Owner: "ops", Reason: "known"},
		},
		Dev: Dev{Library: "content", Burst: 50000},
	}
	if diff := cmp.Diff(want, c.Settings, cmpopts.IgnoreTypes(hcl.Range{}), cmpopts.IgnoreUnexported(Limit{}, Settings{})); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestSettingsDefault(t *testing.T) {
	for _, source := range []string{``, `accord {}`, "accord {\n  state \"local\" {}\n  limits {}\n  sync {}\n  serve {}\n}"} {
		want := Settings{
			Backend: Backend{Type: "local", Config: map[string]string{"path": "accord.state.json"}},
			Limits:  Limits{MaxWithdrawn: Limit{Name: "max_withdrawn", Share: 0.2}, MaxPublished: Limit{Name: "max_published", Share: 0.5}, IgnoreBelow: 10},
			Sync:    Sync{FilterDelay: 5 * time.Minute, FullRetryAfter: 24 * time.Hour, PlatformTimeout: time.Hour},
			Serve:   Serve{Interval: 5 * time.Second},
		}
		if diff := cmp.Diff(want, settings(t, source), cmpopts.IgnoreTypes(hcl.Range{}), cmpopts.IgnoreUnexported(Limit{}, Settings{})); diff != "" {
			t.Errorf("%s (-want +got)\n%s", source, diff)
		}
	}
}

// TestLimitPlace: a run that is refused names the line to change (CLM-11).
func TestLimitPlace(t *testing.T) {
	for source, want := range map[string]string{
		"accord {\n  limits {\n    max_withdrawn = \"12.5%\"\n  }\n}":     `main.hcl:3: max_withdrawn = "12.5%"`,
		"\naccord {\n  limits {\n    max_published = \"12.5%\"\n  }\n}\n": `max_withdrawn is 20% by default; write it into the limits block at main.hcl:3`,
		"\naccord {}": `max_withdrawn is 20% by default, there is no limits block; write limits { max_withdrawn = "…" } into the accord block at main.hcl:2`,
		"":            `max_withdrawn is 20% by default, there is no accord block; write accord { limits { max_withdrawn = "…" } }`,
	} {
		if diff := cmp.Diff(want, settings(t, source).Limits.MaxWithdrawn.Place()); diff != "" {
			t.Errorf("%s (-want +got)\n%s", source, diff)
		}
	}
}

func TestCheckVersion(t *testing.T) {
	s := settings(t, `accord { required_version = ">= 0.2, < 1" }`)
	for tool, ok := range map[string]bool{"0.1.9": false, "0.2.0": true, "0.9.0-dev": true, "1.0.0": false} {
		if diags := s.CheckVersion(tool); diags.HasErrors() == ok {
			t.Errorf("version %s: %v", tool, diags)
		}
	}
	if diags := (&Settings{}).CheckVersion("0.0.1"); len(diags) > 0 {
		t.Errorf("nothing is required: %v", diags)
	}
}

func TestSuggest(t *testing.T) {
	names := []string{"us", "de", "countries", "connection", "Case"}
	for given, want := range map[string]string{
		"usa": "us", "uss": "us", "xx": "", "d": "de", "contries": "countries", "conuntries": "countries", "conection": "connection", "case": "Case", "q": "", "something": "",
	} {
		if got := suggest(given, names); got != want {
			t.Errorf("suggest(%q) = %q, want %q", given, got, want)
		}
	}
}
