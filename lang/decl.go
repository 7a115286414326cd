package lang

import (
	"fmt"
	"slices"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"accord/lang/addrs"
	"accord/lang/lower"
)

// decl is a block of a provider's type, or a call of a module, once for all its
// instances.
type decl struct {
	addr    addrs.Block
	typ     *blockType
	block   *hcl.Block
	content *hcl.BodyContent

	forEach, enabled, protect *hcl.Attribute
	dependsOn                 []mention
	ignore                    []addrs.Path

	body     *body     // nil before it is bound, and once it is no longer needed
	mentions []mention // of other blocks, whose values the body reads

	conditions []*condition // preconditions, then postconditions

	call     *call                 // nil for a block of a provider
	children map[string]*evaluator // of a call, by key

	remembered bool       // it was evaluated before, and is not again
	recalled   []recalled // what it came to, until that is in what is wanted

	settled bool                 // false after an error: whatever refers to it follows from that
	keys    []string             // with for_each: sorted
	values  map[string]cty.Value // with for_each: each.value; nil before it is asked for, where it was recalled
	valued  sync.Once
	off     map[string]bool // switched off by enabled, by key

	instances []addrs.Instance // all, in order; none before it is settled
	one       [1]addrs.Instance
	resources []Resource // of instances
}

// local is the block's name in its own module.
func (d *decl) local() addrs.Block { return addrs.Block{Type: d.addr.Type, Name: d.addr.Name} }

// has reports whether d has an instance of a key.
func (d *decl) has(key string) bool {
	_, ok := slices.BinarySearch(d.keys, key)
	return ok
}

// single reports whether d has one instance and no for_each.
func (d *decl) single() bool { return d.forEach == nil && len(d.instances) == 1 }

// read takes the meta-arguments out of the block.
func (d *decl) read() hcl.Diagnostics {
	if lowered, ok := d.block.Body.(*lower.Body); ok && lowered.Only(d.typ.body.syntax) {
		return nil // most blocks have none
	}
	content, diags := contentOf(d.block.Body, d.typ.body.top)
	if _, lowered := d.block.Body.(*lower.Body); !lowered {
		d.content = content // else it is cheap to have again
	}
	d.forEach = content.Attributes["for_each"]
	d.enabled = content.Attributes["enabled"]
	diags = append(diags, d.readDependsOn(content.Attributes["depends_on"])...)
	first := hcl.Range{}
	for _, b := range content.Blocks.OfType("lifecycle") {
		if first != (hcl.Range{}) {
			diags = append(diags, again(b.DefRange, "a lifecycle block", first))
			continue
		}
		first = b.DefRange
		diags = append(diags, d.readLifecycle(b)...)
	}
	return diags
}

// readDependsOn reads the references of depends_on, if it is written.
func (d *decl) readDependsOn(a *hcl.Attribute) hcl.Diagnostics {
	if a == nil {
		return nil
	}
	exprs, diags := staticList(a.Expr)
	for _, expr := range exprs {
		found, _ := mentions(expr)
		if len(found) == 0 || !isInstance(expr) || found[0].attr != "" || earlyRoots[found[0].root] {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Not a reference",
				Detail:   "depends_on lists blocks, written as TYPE.NAME or TYPE.NAME[KEY].",
				Subject:  expr.Range().Ptr(),
			})
			continue
		}
		d.dependsOn = append(d.dependsOn, found[0])
	}
	return diags
}

var lifecycleSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "protect"}, {Name: "ignore_changes"}},
	Blocks:     []hcl.BlockHeaderSchema{{Type: "precondition"}, {Type: "postcondition"}},
}

func (d *decl) readLifecycle(block *hcl.Block) hcl.Diagnostics {
	content, diags := contentOf(block.Body, lifecycleSchema)
	r := &reader{diags: diags}
	d.protect = content.Attributes["protect"]
	for _, b := range content.Blocks {
		if rule := r.rule(b); rule != nil {
			d.conditions = append(d.conditions, &condition{kind: Kind(b.Type), rule: rule, rng: b.DefRange})
		}
	}
	a := content.Attributes["ignore_changes"]
	if a == nil {
		return r.diags
	}
	if hcl.ExprAsKeyword(static(a.Expr)) == "all" {
		d.ignore = []addrs.Path{""}
		return r.diags
	}
	exprs, more := staticList(a.Expr)
	r.diags = append(r.diags, more...)
	for _, expr := range exprs {
		t, more := hcl.RelTraversalForExpr(expr)
		if more.HasErrors() {
			r.diags = append(r.diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Not an attribute",
				Detail:   "ignore_changes is all, or a list of attributes of this block, without quotes.",
				Subject:  expr.Range().Ptr(),
			})
			continue
		}
		path, more := d.typ.path(t)
		r.diags = append(r.diags, more...)
		if path != "" {
			d.ignore = append(d.ignore, path)
		}
	}
	return r.diags
}

// path turns a traversal inside a block into a path.
func (t *blockType) path(traversal hcl.Traversal) (addrs.Path, hcl.Diagnostics) {
	var path addrs.Path
	for n, step := range traversal {
		switch step := step.(type) {
		case hcl.TraverseAttr:
			if n == 0 && t.Body.Attribute(step.Name) == nil && t.Body.Nested(step.Name) == nil {
				return "", hcl.Diagnostics{{
					Severity: hcl.DiagError,
					Summary:  "Unknown attribute",
					Detail:   fmt.Sprintf("%s has no attribute %q.%s", capital(article(t.Name)), step.Name, didYouMean(step.Name, t.names())),
					Subject:  step.SrcRange.Ptr(),
				}}
			}
			path = path.Child(step.Name)
		case hcl.TraverseIndex:
			key, err := convert.Convert(step.Key, cty.String)
			if err == nil {
				path = path.Child(key.AsString())
			}
		}
	}
	return path, nil
}
