package lang

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/zclconf/go-cty/cty"
)

// What was let go of once all was known is there again for who asks for it, and
// is kept where a body or a condition will ask.
func TestReleased(t *testing.T) {
	smallest := worthwhile
	worthwhile = 0
	t.Cleanup(func() { worthwhile = smallest })
	const plain = `
locals {
  rules = { a = "one", b = "two" }
}
vault "content" {
  kind = "promomats"
  url  = "dev://content"
}
connection "crm" {
  content = vault.content
  crm     = vault.content
}
field_rule "rule" {
  for_each   = local.rules
  connection = connection.crm
  source     = each.value
}
`
	const reads = `
field_rule "reads" {
  connection = connection.crm
  source     = field_rule.rule["a"].source
}
`
	for source, released := range map[string]bool{plain: true, plain + reads: false} {
		dir := t.TempDir()
		if err := os.Mkdir(filepath.Join(dir, ".accord"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(source), 0o600); err != nil {
			t.Fatal(err)
		}
		config, diags := Load(dir)
		d, more := config.Evaluate(testProviders(), Options{})
		if diags = append(diags, more...); diags.HasErrors() {
			t.Fatal(diags)
		}
		if is := d.root.context.Variables["local"].RawEquals(cty.EmptyObjectVal); is != released {
			t.Errorf("local values were let go of: %v, want %v", is, released)
		}
		answer, diags := d.Ask(`"${local.rules.a} of ${length(local.rules)}"`, "", nil)
		if diags.HasErrors() || answer.Text != `"one of 2"` {
			t.Errorf("%s: %v", answer.Text, diags)
		}
		for _, r := range d.Resources {
			if again, diags := r.Resolve(nil); diags.HasErrors() || r.Addr.Name == "rule" && string(again.Body) != string(r.Body) {
				t.Errorf("%s: %s: %v", r.Addr, again.Body, diags)
			}
		}
	}
}
