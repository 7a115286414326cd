package lang

import (
	"strings"
	"testing"
)

// What drift does not report has an owner and a reason that say something.
func TestSuppressionIsOwned(t *testing.T) {
	t.Parallel()
	block := func(address, owner, reason string) string {
		_, diags := Parse(".", map[string][]byte{"main.hcl": []byte(`
accord {
  suppress {
    address = "` + address + `"
    owner   = "` + owner + `"
    reason  = "` + reason + `"
  }
}
`)})
		return diags.Error()
	}
	if got := block("vault.a", "it", "maintenance"); !strings.Contains(got, "no diagnostics") {
		t.Fatal(got)
	}
	for want, got := range map[string]string{
		"main.hcl:4,15-17: Blank address": block("", "it", "maintenance"),
		"main.hcl:5,15-17: Blank owner":   block("vault.a", "", "maintenance"),
		"main.hcl:6,15-18: Blank reason":  block("vault.a", "it", " "),
	} {
		if !strings.HasPrefix(got, want) {
			t.Errorf("want %s, got %s", want, got)
		}
	}
}
