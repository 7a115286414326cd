package planner

import (
	"context"

	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/providers"
)

// Validate has the providers check what the files want, and adds what they say
// to the problems that evaluating found. What these are about is not checked.
func (p *Planner) Validate(ctx context.Context, desired *lang.Desired, diags hcl.Diagnostics) hcl.Diagnostics {
	sound := desired.Sound(diags)
	for name, provider := range p.Providers {
		var mine []providers.Object
		for _, r := range sound {
			if r.Provider == name {
				mine = append(mine, *boundary(r.Addr, r.Type.Name, "", r.Object))
			}
		}
		for _, d := range provider.Validate(ctx, mine) {
			var at Locator
			if r := desired.Find(d.Addr); r != nil {
				at = r
			}
			diags = append(diags, Place(at, d))
		}
	}
	return diags
}
