package lang

import (
	"fmt"
	"strings"
	"testing"
)

// flat is n blocks in files of a thousand.
func flat(n int) map[string][]byte {
	sources := map[string][]byte{"vaults.hcl": []byte(`
vault "content" {
  kind = "promomats"
  url  = "dev://content"
}
connection "crm" {
  content = vault.content
  crm     = vault.content
}
`)}
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `
field_rule "rule_%d" {
  connection = connection.crm
  source     = "source_%d__c"
  target     = "target_%d__c"
  applies_to = ["presentation__v", "slide__v"]
  values     = { a = "b", c = "d" }

  reference {
    object   = "product__v"
    no_match = "blank"
  }
}
`, i, i, i)
		if i%1000 == 999 || i == n-1 {
			sources[fmt.Sprintf("rules_%d.hcl", i/1000)] = []byte(b.String())
			b.Reset()
		}
	}
	return sources
}

// forEach is one block with n instances, and one that refers to each of them.
func forEach(n int) map[string][]byte {
	return map[string][]byte{"main.hcl": fmt.Appendf(nil, `
locals {
  rules = { for n in flatten([for i in range(%d) : [for j in range(100) : 100 * i + j]]) : "rule_${n}" => { source = "source_${n}__c", values = { a = "b" } } }
}
vault "content" {
  kind = "promomats"
  url  = "dev://content"
}
connection "crm" {
  for_each = local.rules
  content  = vault.content
  crm      = vault.content
}
field_rule "rule" {
  for_each   = local.rules
  connection = connection.crm[each.key]
  source     = each.value.source
  target     = "${connection.crm[each.key].type}_target"
  applies_to = ["presentation__v", "slide__v"]
  values     = each.value.values
}
`, n/100)}
}

// chains are n blocks, each of which reads the one before, in fives.
func chains(n int) map[string][]byte {
	sources := flat(0)
	var b strings.Builder
	for i := range n {
		source := `"first"`
		if i%5 > 0 {
			source = fmt.Sprintf("field_rule.rule_%d.source", i-1)
		}
		fmt.Fprintf(&b, "field_rule \"rule_%d\" {\n  connection = connection.crm\n  source     = %s\n  target     = \"x\"\n}\n", i, source)
	}
	sources["chains.hcl"] = []byte(b.String())
	return sources
}

// BenchmarkEvaluate is from text to what is wanted. Its ns/resource must not
// grow with the number.
func BenchmarkEvaluate(b *testing.B) {
	for _, shape := range []struct {
		name    string
		sources func(int) map[string][]byte
	}{{"flat", flat}, {"for_each", forEach}, {"chains", chains}} {
		for _, n := range []int{1000, 10000} {
			b.Run(fmt.Sprintf("%s/%d", shape.name, n), func(b *testing.B) {
				sources := shape.sources(n)
				b.ReportAllocs()
				resources := 0
				for b.Loop() {
					config, diags := Parse(".", sources)
					desired, more := config.Evaluate(testProviders(), Options{})
					if len(diags)+len(more) > 0 {
						b.Fatal(append(diags, more...))
					}
					resources = len(desired.Resources)
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(resources), "ns/resource")
			})
		}
	}
}

// BenchmarkParse is the floor of BenchmarkEvaluate: syntax alone.
func BenchmarkParse(b *testing.B) {
	sources := flat(10000)
	b.ReportAllocs()
	for b.Loop() {
		Parse(".", sources)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/10000, "ns/resource")
}
