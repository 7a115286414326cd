package lang

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"accord/lang/addrs"
	"accord/lang/lower"
)

// Sound lists the instances and resources in whose blocks no error lies, nor
// in those of what they depend on: what a provider may still be asked about,
// so that all mistakes are told at once.
func (d *Desired) Sound(diags hcl.Diagnostics) []*Resource {
	all := slices.Concat(d.Instances, d.Resources)
	if !diags.HasErrors() {
		return all
	}
	faulty := map[addrs.Instance]bool{}
	for _, r := range all {
		faulty[r.Addr] = r.dangling || slices.ContainsFunc(diags, r.holds)
	}
	for spread := true; spread; {
		spread = false
		for _, r := range all {
			if !faulty[r.Addr] && slices.ContainsFunc(r.DependsOn, func(on addrs.Instance) bool { return faulty[on] }) {
				faulty[r.Addr], spread = true, true
			}
		}
	}
	return slices.DeleteFunc(all, func(r *Resource) bool { return faulty[r.Addr] })
}

// holds reports whether an error lies in r's block.
func (r *Resource) holds(diag *hcl.Diagnostic) bool {
	if diag.Severity != hcl.DiagError || diag.Subject == nil || diag.Subject.Filename != r.Range.Filename || diag.Subject.Start.Line < r.Range.Start.Line {
		return false
	}
	switch body := r.decl.block.Body.(type) {
	case *lower.Body:
		return diag.Subject.Start.Line <= body.Range().End.Line
	case *hclsyntax.Body:
		return diag.Subject.Start.Line <= body.SrcRange.End.Line
	}
	return false
}
