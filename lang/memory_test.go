package lang

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"

	"accord/lang/addrs"
)

const mixed = `
variable "kind" {
  default = "promomats"
}
locals {
  rules = { for n in range(40) : "rule_${n}" => { source = "source_${n}__c", values = { a = "b" } } }
}
vault "content" {
  kind = var.kind
  url  = "dev://content"
}
connection "crm" {
  for_each = toset(["a", "b"])
  content  = vault.content
  crm      = vault.content
}
field_rule "rule" {
  for_each   = local.rules
  connection = connection.crm["a"]
  source     = each.value.source
  target     = "of ${each.key}"
  values     = each.value.values
  depends_on = [connection.crm["b"]]
  lifecycle {
    protect        = true
    ignore_changes = [target]
  }
}
field_rule "reads" {
  connection = connection.crm["a"]
  source     = field_rule.rule["rule_7"].source
}
field_rule "judged" {
  connection = connection.crm["a"]
  source     = "s"
  lifecycle {
    precondition {
      condition     = local.rules.rule_1.source != ""
      error_message = "no source"
    }
  }
}
field_rule "off" {
  enabled    = var.kind != "promomats"
  connection = connection.crm["a"]
  source     = "s"
}
module "more" {
  source   = "./more"
  for_each = { x = "one", y = "two" }
  content  = vault.content
  word     = each.value
}
output "sources" {
  value = [for r in field_rule.rule : r.source]
}
output "far" {
  value = module.more["x"].word
}
`

const calledModule = `
variable "content" {}
variable "word" {
  type = string
}
locals {
  twice = "${var.word}${var.word}"
}
connection "inner" {
  content = var.content
  crm     = var.content
}
field_rule "inner" {
  connection = connection.inner
  source     = local.twice
}
output "word" {
  value = field_rule.inner.source
}
`

// What is remembered of an evaluation is what evaluating again comes to: every
// object, what it depends on, where each part of it is written, and what reads
// it. What was not to be remembered is evaluated.
func TestMemory(t *testing.T) {
	smallest := worthwhile
	worthwhile = 0
	t.Cleanup(func() { worthwhile = smallest })
	everything := map[string][]byte{"main.hcl": []byte(mixed), "more/more.hcl": []byte(calledModule)}
	for name, test := range map[string]struct {
		sources map[string][]byte
		options Options
		blocks  int // that are remembered
		not     []addrs.Block
	}{
		"flat":     {sources: flat(30), blocks: 32},
		"for_each": {sources: forEach(200), blocks: 2, not: []addrs.Block{{Type: "field_rule", Name: "rule"}}},
		"chains":   {sources: chains(10), blocks: 4},
		"mixed":    {sources: everything, blocks: 7, not: []addrs.Block{{Type: "field_rule", Name: "reads"}, {Type: "field_rule", Name: "judged"}, {Type: "field_rule", Name: "off"}}},
		"variable": {sources: everything, options: Options{Vars: []string{"kind=crm"}}, blocks: 7},
		"secret variable": {sources: map[string][]byte{"main.hcl": []byte(mixed + "variable \"word\" {\n  sensitive = true\n}\n"), "more/more.hcl": []byte(calledModule)},
			options: Options{Environ: []string{"ACCORD_VAR_word=s3cret"}}},
		"secret attribute": {sources: map[string][]byte{"main.hcl": []byte(strings.Replace(mixed, "crm      = vault.content", "crm = vault.content\n  secret = \"s3cret\"", 1)), "more/more.hcl": []byte(calledModule)},
			blocks: 6, not: []addrs.Block{{Type: "connection", Name: "crm"}}},
		"another file": {sources: map[string][]byte{"main.hcl": []byte(strings.Replace(mixed, `"of ${each.key}"`, `file("text.txt")`, 1)), "more/more.hcl": []byte(calledModule), "text.txt": []byte("one")}},
		"a warning":    {sources: map[string][]byte{"main.hcl": []byte(mixed + "country_filter \"f\" {\n  connection = connection.crm[\"a\"]\n  regions = [\"x\"]\n}\n"), "more/more.hcl": []byte(calledModule)}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(file string, text []byte) {
				t.Helper()
				path := filepath.Join(dir, file)
				if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Mkdir(filepath.Join(dir, ".accord"), 0o700); err != nil {
				t.Fatal(err)
			}
			for file, text := range test.sources {
				write(file, text)
			}
			run := func(kept bool) (*Desired, hcl.Diagnostics) {
				t.Helper()
				c, diags := Load(dir)
				if !kept {
					c.memory = ""
				}
				d, more := c.Evaluate(testProviders(), test.options)
				if diags = append(diags, more...); diags.HasErrors() {
					t.Fatal(diags)
				}
				return d, diags
			}
			file := filepath.Join(dir, ".accord", "cache", "objects")
			want, wantDiags := run(false)
			for _, when := range []string{"the first time", "again"} {
				got, gotDiags := run(true)
				if when == "again" {
					blocks := rememberedBlocks(got)
					for _, b := range test.not {
						if slices.Contains(blocks, b) {
							t.Errorf("%v is remembered", b)
						}
					}
					if len(blocks) != test.blocks {
						t.Errorf("%d blocks were remembered, want %d", len(blocks), test.blocks)
					}
				}
				sameDesired(t, when, want, got)
				if diff := cmp.Diff(wantDiags.Error(), gotDiags.Error()); diff != "" {
					t.Error(when, diff)
				}
			}
			kept, err := os.ReadFile(file)
			if (err == nil) != (test.blocks > 0) {
				t.Errorf("there is a memory: %v", err == nil)
			}
			if strings.Contains(string(kept), "s3cret") {
				t.Error("a secret was written down")
			}
			if test.blocks == 0 {
				return
			}
			points := 40
			if testing.Short() {
				points = 6
			}
			for n := 0; n < len(kept); n += 1 + len(kept)/points { // another program, a broken disk
				bad := []byte(string(kept))
				bad[n] ^= 0x55
				write(".accord/cache/objects", bad)
				got, _ := run(true)
				if len(rememberedBlocks(got)) > 0 {
					t.Fatalf("a memory with another byte %d is believed", n)
				}
				write(".accord/cache/objects", kept[:n])
				if got, _ = run(true); len(rememberedBlocks(got)) > 0 {
					t.Fatalf("a memory of %d bytes is believed", n)
				}
			}
			write("new.hcl", []byte("locals {\n  unused = 1\n}\n"))
			if got, _ := run(true); len(rememberedBlocks(got)) > 0 {
				t.Error("another configuration is remembered as the same")
			}
		})
	}
}

func sameDesired(t *testing.T, when string, want, got *Desired) {
	t.Helper()
	if len(want.Resources) != len(got.Resources) || len(want.Instances) != len(got.Instances) {
		t.Fatalf("%s: %d and %d objects, want %d and %d", when, len(got.Resources), len(got.Instances), len(want.Resources), len(want.Instances))
	}
	known := map[addrs.Instance]Object{}
	for _, r := range want.Resources {
		known[r.Addr] = r.Object
	}
	text := func(r *Resource) string {
		object, diags := r.Resolve(known)
		s := fmt.Sprintf("%s %s %s %+v %v %v %v %v %d\n", r.Addr, r.Type.Name, r.Provider, object, r.DependsOn, r.Protect, r.IgnoreChanges, r.Range, len(r.Conditions))
		for _, path := range []addrs.Path{"", "/connection", "/source", "/target", "/values/a", "/url"} {
			d := r.Diagnostic(hcl.DiagError, path, "Summary", "Detail")
			s += fmt.Sprintln(path, r.Locate(path), r.Origin(path), d.Subject, d.Expression != nil, d.EvalContext != nil)
		}
		return s + diags.Error()
	}
	for n := range want.Instances {
		if diff := cmp.Diff(text(want.Instances[n]), text(got.Instances[n])); diff != "" {
			t.Error(when, diff)
		}
	}
	for n := range want.Resources {
		if diff := cmp.Diff(text(want.Resources[n]), text(got.Resources[n])); diff != "" {
			t.Error(when, diff)
		}
	}
	for n := range want.Outputs {
		a, aDiags := want.Outputs[n].Value(known)
		b, bDiags := got.Outputs[n].Value(known)
		if diff := cmp.Diff(fmt.Sprint(a, aDiags), fmt.Sprint(b, bDiags)); diff != "" {
			t.Error(when, diff)
		}
	}
	if want.Digest() != got.Digest() {
		t.Errorf("%s: another digest", when)
	}
}

// rememberedBlocks are those that were not evaluated again.
func rememberedBlocks(d *Desired) (blocks []addrs.Block) {
	for _, m := range d.root.all {
		for _, decl := range m.order {
			if decl.remembered {
				blocks = append(blocks, decl.addr)
			}
		}
	}
	return blocks
}
