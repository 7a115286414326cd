package planner

import (
	"context"

	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/providers"
)

// Validate has the providers check what the files want, and adds what they say
// to the problems that evaluating found. What these are about is not checked, and
// no advice is given beside them: it would be about what is missing for that alone.
func (p *Planner) Validate(ctx context.Context, desired *lang.Desired, diags hcl.Diagnostics) hcl.Diagnostics {
	sound, whole := desired.Sound(diags), !diags.HasErrors()
	for name, provider := range p.Providers {
		var mine []providers.Object
		for _, r := range sound {
			if r.Provider == name {
				mine = append(mine, *boundary(r.Addr, r.Type.Name, "", r.Object))
			}
		}
		for _, d := range provider.Validate(ctx, mine) {
			if d.Severity == providers.SeverityWarning && !whole {
				continue
			}
			var at Locator
			if r := desired.Find(d.Addr); r != nil {
				at = r
			}
			diags = append(diags, Place(at, d))
		}
	}
	return diags
}
