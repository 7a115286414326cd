package addrs

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"pgregory.net/rapid"
)

func TestInstanceString(t *testing.T) {
	for text, want := range map[string]Instance{
		`country_filter.crm`:                           New("country_filter", "crm"),
		`country_filter.crm["us"]`:                     NewKeyed("country_filter", "crm", "us"),
		`country_filter.crm[""]`:                       NewKeyed("country_filter", "crm", ""),
		`a.b["x\"y\\z"]`:                               NewKeyed("a", "b", `x"y\z`),
		`a.b["line\nnext\ttab"]`:                       NewKeyed("a", "b", "line\nnext\ttab"),
		`a.b["$${x} %%{y} $z"]`:                        NewKeyed("a", "b", "${x} %{y} $z"),
		`a.b["].c["]`:                                  NewKeyed("a", "b", "].c["),
		`module.eu.a.b`:                                {Block: Block{Module: "module.eu", Type: "a", Name: "b"}},
		`module.eu["north"].module.it-2.a.b_1["über"]`: {Block: Block{Module: `module.eu["north"].module.it-2`, Type: "a", Name: "b_1"}, Key: "über", Keyed: true},
	} {
		got, err := ParseInstance(text)
		if err != nil || got != want {
			t.Errorf("ParseInstance(%s) = %#v, %v; want %#v", text, got, err, want)
		}
		if got := want.String(); got != text {
			t.Errorf("%#v prints %s, want %s", want, got, text)
		}
	}
}

func TestParseInstanceRefuses(t *testing.T) {
	for _, text := range []string{
		"", "a", "a.", ".b", "a.b.c", "a.b[", "a.b[us]", "a.b[0]", `a.b["x`, `a.b["x"`, `a.b["x"]y`, `a.b["\q"]`, "a b.c", "1a.b", "a.1b", "module.eu", "module.eu.a", "a..b", ` a.b`,
	} {
		if got, err := ParseInstance(text); err == nil {
			t.Errorf("ParseInstance(%q) = %v, want an error", text, got)
		} else if !strings.Contains(err.Error(), "is not an address") {
			t.Errorf("ParseInstance(%q): %v", text, err)
		}
	}
}

var (
	words     = rapid.StringMatching(`[a-zA-Z_][a-zA-Z0-9_-]{0,8}`).Filter(func(s string) bool { return s != "module" })
	instances = rapid.Custom(func(t *rapid.T) Instance {
		i := Instance{Block: Block{Type: words.Draw(t, "type"), Name: words.Draw(t, "name")}}
		var module []string
		for n := rapid.IntRange(0, 2).Draw(t, "depth"); n > 0; n-- {
			step := "module." + words.Draw(t, "module")
			if rapid.Bool().Draw(t, "keyed") {
				step += "[" + quote(rapid.String().Draw(t, "key")) + "]"
			}
			module = append(module, step)
		}
		i.Module = strings.Join(module, ".")
		if i.Keyed = rapid.Bool().Draw(t, "keyed"); i.Keyed {
			i.Key = rapid.String().Draw(t, "key")
		}
		return i
	})
)

func TestInstanceRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		i := instances.Draw(t, "instance")
		got, err := ParseInstance(i.String())
		if err != nil || got != i {
			t.Fatalf("%s parses to %#v, %v; want %#v", i, got, err, i)
		}
		text, err := json.Marshal(map[Instance]Instance{i: i})
		if err != nil {
			t.Fatal(err)
		}
		var back map[Instance]Instance
		if err := json.Unmarshal(text, &back); err != nil || back[i] != i {
			t.Fatalf("%s becomes %v, %v", text, back, err)
		}
	})
}

// TestInstanceIsHCL parses what is printed as HCL does: a user can paste it.
func TestInstanceIsHCL(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[ -~\n\t\r]{0,12}`).Draw(t, "key")
		text := NewKeyed("a", "b", key).String()
		traversal, diags := hclsyntax.ParseTraversalAbs([]byte(text), "", hcl.InitialPos)
		if diags.HasErrors() {
			expr, more := hclsyntax.ParseExpression([]byte(text), "", hcl.InitialPos)
			if more.HasErrors() {
				t.Fatalf("%s: %v", text, more)
			}
			if traversal, diags = hcl.AbsTraversalForExpr(expr); diags.HasErrors() {
				t.Fatalf("%s: %v", text, diags)
			}
		}
		if got := traversal[2].(hcl.TraverseIndex).Key; !got.RawEquals(cty.StringVal(key)) {
			t.Fatalf("%s has the key %#v, want %q", text, got, key)
		}
	})
}

func TestCompareIsAnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(instances, 3, 3).Draw(t, "instances")
		a, b, c := list[0], list[1], list[2]
		if a.Compare(b) != -b.Compare(a) || (a.Compare(b) == 0) != (a == b) {
			t.Fatalf("%s and %s: %d and %d", a, b, a.Compare(b), b.Compare(a))
		}
		if a.Compare(b) < 0 && b.Compare(c) < 0 && a.Compare(c) >= 0 {
			t.Fatalf("%s < %s < %s, and not %s < %s", a, b, c, a, c)
		}
	})
	whole, first, second := New("a", "b"), NewKeyed("a", "b", ""), NewKeyed("a", "b", "x")
	if got := []Instance{second, first, whole}; !slices.IsSortedFunc([]Instance{whole, first, second}, Instance.Compare) {
		t.Errorf("%v is not in order", got)
	}
	if !whole.Covers(second) || !whole.Covers(whole) || first.Covers(whole) || first.Covers(second) || New("a", "c").Covers(second) {
		t.Error("a block covers its instances, and an instance itself")
	}
}

func TestTargets(t *testing.T) {
	in := func(module string) Instance {
		return Instance{Block: Block{Module: module, Type: "a", Name: "b"}, Key: "k", Keyed: true}
	}
	for text, covered := range map[string][]bool{ // of: root, eu, eu["n"], eu["n"].x, europe
		`a.b`:                     {true, false, false, false, false},
		`a.b["k"]`:                {true, false, false, false, false},
		`a.b["other"]`:            {false, false, false, false, false},
		`module.eu`:               {false, true, true, true, false},
		`module.eu["n"]`:          {false, false, true, true, false},
		`module.eu["n"].module.x`: {false, false, false, true, false},
		`module.eu["n"].a.b`:      {false, false, true, false, false},
	} {
		target, err := ParseTarget(text)
		if err != nil || target.String() != text {
			t.Errorf("ParseTarget(%s) = %s, %v", text, target, err)
		}
		for n, module := range []string{``, `module.eu`, `module.eu["n"]`, `module.eu["n"].module.x`, `module.europe`} {
			if got := target.Covers(in(module)); got != covered[n] {
				t.Errorf("%s covers %s: %t", text, in(module), got)
			}
		}
	}
	for _, text := range []string{"", "module", "module.", "module.eu.", "a", "module.eu.a", `module.eu["n"`} {
		if got, err := ParseTarget(text); err == nil {
			t.Errorf("ParseTarget(%q) = %s", text, got)
		}
	}
}

func FuzzParseInstance(f *testing.F) {
	for _, s := range []string{`a.b`, `a.b["c"]`, `module.x["y"].a.b["\\\"$${"]`, "a.b[\"\x80\"]"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		i, err := ParseInstance(s)
		if err != nil {
			return
		}
		if again, err := ParseInstance(i.String()); err != nil || again != i {
			t.Fatalf("%q is %#v, prints %s, and that is %#v, %v", s, i, i, again, err)
		}
	})
}
