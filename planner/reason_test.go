package planner

import (
	"fmt"
	"strings"
	"testing"

	"accord/planner/plan"
)

// why prints the reasons of a plan's changes.
func why(p *plan.Plan) string {
	var lines []string
	for _, c := range p.Changes {
		line := fmt.Sprintf("%s %s at %s", c.Addr, c.Reason, c.At())
		for _, e := range c.Edits {
			if e.Place.File == "" {
				continue
			}
			line += fmt.Sprintf(", %s at %s", e.Path, e.At())
			if e.Forces {
				line += " forces"
			}
			if e.Origin != nil {
				line += " from " + e.Origin.At()
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "; ")
}

func TestReasons(t *testing.T) {
	w := newWorld(t)
	// Lines 1 to 3 are the shelves.
	const base = `variable "size" { default = 3 }
variable "keys" { default = ["x", "y"] }
box "a" {
  shelf = shelf.north
  name  = "a"
  size  = var.size
}
label "l" {
  box  = box.a
  text = "t"
}
sign "s" {
  for_each = toset(var.keys)
  shelf    = shelf.north
  name     = each.key
  text     = "way out"
}
`
	first := "box.a declared at main.hcl:6; label.l declared at main.hcl:11; sign.s[\"x\"] declared at main.hcl:15; sign.s[\"y\"] declared at main.hcl:15"
	if got := why(w.plan(base)); got != first {
		t.Errorf("got  %s\nwant %s", got, first)
	}
	w.clean(w.apply(base))
	edit := func(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(base) }
	for name, c := range map[string]struct {
		source, want string
		req          Request
	}{
		"an edited attribute, by way of a variable": {source: edit("default = 3", "default = 4"), want: "box.a edited at main.hcl:6, size at main.hcl:9 from main.hcl:4"},
		"an attribute that forces":                  {source: edit(`"t"`, `"u"`), want: "label.l forced at main.hcl:11, text at main.hcl:13 forces"},
		"a key that is gone":                        {source: edit(`["x", "y"]`, `["x"]`), want: `sign.s["y"] key_gone at main.hcl:16`},
		"a block that is switched off":              {source: edit("  for_each = toset(var.keys)\n", "  for_each = toset(var.keys)\n  enabled  = each.key == \"x\"\n"), want: `sign.s["y"] disabled at main.hcl:17`},
		"a block that is gone":                      {source: edit("label \"l\" {\n  box  = box.a\n  text = \"t\"\n}\n", ""), want: "label.l block_gone at "},
		"a removed block":                           {source: edit("label \"l\" {\n  box  = box.a\n  text = \"t\"\n}\n", "removed {\n  from = label.l\n}\n"), want: "label.l removed_block at main.hcl:11"},
		"-replace":                                  {source: base, req: Request{Replace: []string{"box.a"}}, want: "box.a requested at main.hcl:6; label.l follows at main.hcl:11"},
		"a protection":                              {source: edit("size  = var.size", "size  = var.size\n  lifecycle {\n    protect = true\n  }"), want: "box.a protects at main.hcl:6"},
	} {
		if got := why(w.request(c.source, c.req)); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", name, got, c.want)
		}
	}
	p, err := w.tryPlan(base, true)
	if err != nil || !strings.Contains(why(p), "box.a destroyed at ") {
		t.Errorf("destroy: %v, %v", p, err)
	}
	// Changed outside, taken away outside, and found.
	other := newWorldOn(w)
	if got := why(other.plan(base)); !strings.Contains(got, "box.a found at main.hcl:6") {
		t.Errorf("found: %s", got)
	}
	other.clean(other.apply(edit("default = 3", "default = 9")))
	if got, want := why(w.plan(base)), "box.a drifted at main.hcl:6, size at main.hcl:9 from main.hcl:4"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	other.clean(other.destroy(base))
	if got := why(w.plan(base)); !strings.Contains(got, "box.a lost at main.hcl:6") {
		t.Errorf("lost: %s", got)
	}
}
