package lang

import (
	"github.com/hashicorp/hcl/v2"

	"accord/lang/addrs"
)

// evaluateTransitions evaluates the import, moved and removed blocks of a module.
func (e *evaluator) evaluateTransitions() {
	for _, block := range e.module.transitions {
		switch block.Type {
		case "import":
			e.evaluateImport(block)
		case "moved":
			e.evaluateMoved(block)
		case "removed":
			e.evaluateRemoved(block)
		}
	}
}

// required takes a block apart; ok is false where something is missing.
func (e *evaluator) required(block *hcl.Block, schema *hcl.BodySchema, names ...string) (*hcl.BodyContent, bool) {
	content, diags := contentOf(block.Body, schema)
	for _, name := range names {
		if content.Attributes[name] == nil {
			diags = append(diags, missing(name, block.DefRange))
		}
	}
	e.report(diags...)
	return content, !diags.HasErrors()
}

// still is a resource of the configuration that something covers which should be
// gone; nil: there is none.
func (e *evaluator) still(covers func(addrs.Instance) bool) *Resource {
	for _, r := range e.desired.Resources {
		if covers(r.Addr) {
			return r
		}
	}
	return nil
}
