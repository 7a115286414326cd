package lang

import (
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
)

// CONN-6: an address that is itself a secret is found by its looks, and one that is
// not is left alone.
func TestCarriesToken(t *testing.T) {
	for address, secret := range map[string]bool{
		"https://hooks.example.com/accord":                                             false,
		"https://ops.example.com/hooks/content-team/crm-2026":                          false,
		"https://ops.example.com/integrations/incoming-webhook-for-content-operations": false,
		"https://ops.example.com/hook?team=content":                                    false,
		"https://hooks.slack.com/":                                                     false,
		"http://127.0.0.1:8080/accord":                                                 false,
		"https://hooks.slack.com/services/T0/B0/x":                                     true,
		"https://hooks.slack.com:443/services/T0/B0/x":                                 true,
		"https://acme.webhook.office.com/webhookb2/a":                                  true,
		"https://prod-12.westeurope.logic.azure.com/workflows/a":                       true,
		"https://discord.com/api/webhooks/1/a":                                         true,
		"https://ops.example.com/hook?token=x":                                         true,
		"https://ops.example.com/hook?API_KEY=x":                                       true,
		"https://ops.example.com/hook?sig=x":                                           true,
		"https://chat.example.com/hooks/gx7k4q9r3bn8zc5t1yw6":                          true,
		"https://ops.example.com/hook?id=gx7k4q9r3bn8zc5t1yw6":                         true,
		"https://ops.example.com/3f2b8c1e-9d4a-4c7e-8b1f-2a6d5e9c0b3d/in":              true,
	} {
		if got := carriesToken(address); got != secret {
			t.Errorf("%s: %v", address, got)
		}
	}
}

func TestNotify(t *testing.T) {
	read := func(body string) ([]Notify, hcl.Diagnostics) {
		c, diags := Parse(".", map[string][]byte{"main.hcl": []byte("accord {\n" + body + "\n}")})
		return c.Settings.Notify, diags
	}
	for body, name := range map[string]string{
		`url = "https://ops.example.com/hook"`:        "ops.example.com",
		`url_env = "TEAM_WEBHOOK"`:                    "webhook TEAM_WEBHOOK",
		`url_file = "hook.url"`:                       "webhook hook.url",
		`url_command = ["pass", "show", "team/hook"]`: "webhook of pass",
	} {
		got, diags := read("notify \"webhook\" {\n" + body + "\n}")
		if len(diags) > 0 || len(got) != 1 || got[0].Name() != name {
			t.Errorf("%s: %+v %v", body, got, diags)
		}
		twice := "notify \"webhook\" {\n" + body + "\n}\n"
		if _, diags := read(twice + twice); !strings.Contains(diags.Error(), "Declared twice") {
			t.Errorf("%s twice: %v", body, diags)
		}
	}
	for body, want := range map[string]string{
		``: "One address is needed",
		"url = \"https://a.example.com\"\nurl_env = \"A\"": "One address is needed",
		`url_env = ""`:                           "Bad address",
		`url_env = "https://canary.example.com"`: "Bad name",
		`url_file = ""`:                          "Bad address",
		`url_command = []`:                       "Bad address",
		`url = "canary"`:                         "Bad address",
		`url = "ftp://canary.example.com"`:       "Bad address",
		`url = "https://u:canary@a.example"`:     "Bad address",
	} {
		_, diags := read("notify \"webhook\" {\n" + body + "\n}")
		if len(diags) != 1 || diags[0].Summary != want || strings.Contains(diags.Error(), "canary") || diags[0].Subject.Start.Line != 2 {
			t.Errorf("%s: %v", body, diags)
		}
	}
}
