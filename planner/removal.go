package planner

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"accord/lang/schema"
	"accord/providers"
)

// removalOf is what happens to an object whose block is gone: what a removed
// block says, else its type's own word.
func (m *making) removalOf(o *object) schema.Removal {
	r := m.req.Desired.Removal(o.addr)
	if r == nil || r.Then == "" || m.req.Destroy {
		return o.typ.Removal
	}
	word, ok := o.typ.RemovalFor(r.Then)
	if !ok {
		m.diags = append(m.diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: fmt.Sprintf("%s cannot be removed by the word %q", o.addr, r.Then),
			Detail:  fmt.Sprintf("What can be done with %s: %s.", o.typ.Name, o.typ.RemovalWords()),
			Subject: r.Range.Ptr(),
		})
		return o.typ.Removal
	}
	return word
}

// unprotected reports whether a removed block lifts the protection.
func (m *making) unprotected(o *object) bool {
	r := m.req.Desired.Removal(o.addr)
	return r != nil && r.Unprotect && o.desired == nil && o.action == providers.Remove
}
