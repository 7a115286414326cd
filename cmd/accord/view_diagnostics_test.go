package main

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"accord/lang/addrs"
	"accord/planner"
)

// A fleet of sixty reads as one: a warning of each instance is one box, and a
// list of keys shows the first of many.
func TestFleetIsOneWarning(t *testing.T) {
	at := func(line int) *hcl.Range { return &hcl.Range{Filename: "main.hcl", Start: hcl.Pos{Line: line}} }
	var diags hcl.Diagnostics
	for i := range 60 {
		addr := addrs.NewKeyed("country_filter", "crm", fmt.Sprintf("v%02d", i))
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: "The filter has no effect", Subject: at(3), Extra: &planner.Problem{Code: "CTRY-9", Addr: addr}})
		if i < 2 {
			diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "Wrong", Subject: at(4), Extra: &planner.Problem{Addr: addr}})
		}
	}
	var stderr bytes.Buffer
	(&cli{stderr: &stderr}).diagnostics(diags)
	for text, want := range map[string]int{
		"Warning: ":                     1,
		"Error: ":                       2,
		`in country_filter.crm["v00"]:`: 2, // with the error
		`The same of country_filter.crm["v01", "v02", "v03", "v04", "v05", "v06", … 53 more].`: 1,
	} {
		if got := strings.Count(stderr.String(), text); got != want {
			t.Errorf("%q is %d times, want %d:\n%s", text, got, want, &stderr)
		}
	}
	if got, want := addrs.Several(addrs.NewKeyed("vault", "crm", "a"), []string{"a", "b"}), `vault.crm["a", "b"]`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A line that is shown because an address in it holds a password does not show it.
func TestPasswordsInAddressesAreNotRepeated(t *testing.T) {
	for line, want := range map[string]string{
		`  url = "postgres://u:canary@127.0.0.1:1/x"`:       `  url = "postgres://********@127.0.0.1:1/x"`,
		`url="https://can/ary@h", other = "dev://crm-a"`:    `url="https://*******@h", other = "dev://crm-a"`,
		`url = "host=db password=canary user=u"`:            `url = "host=db password=****** user=u"`,
		`url = "postgres://db/x?password=canary&a=b"`:       `url = "postgres://db/x?password=******&a=b"`,
		`url = "https://h/x?a=b&sessionId=canary"`:          `url = "https://h/x?a=b&sessionId=******"`,
		`url = "https://h.example.com/x" # ask bob@example`: `url = "https://h.example.com/x" # ask bob@example`,
		`label = "a: b" # x`:                                `label = "a: b" # x`,
	} {
		if got := withoutPasswords(line); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}
