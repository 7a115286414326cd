package lang

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"accord/lang/addrs"
	"accord/lang/schema"
)

// Removal says what happens to an object, or to all instances of a block, that
// was taken out of the configuration.
type Removal struct {
	From      addrs.Instance
	Then      schema.Removal // "": the type's own
	Unprotect bool           // its protection is lifted
	Range     hcl.Range      // the header of the block
}

// Removal returns what is written about an object that was taken out; nil where
// nothing is.
func (d *Desired) Removal(addr addrs.Instance) *Removal {
	for _, r := range d.Removals {
		if r.Covers(addr) {
			return r
		}
	}
	return nil
}

// Covers reports whether r is about an object.
func (r *Removal) Covers(addr addrs.Instance) bool { return r.From.Covers(addr) }

var removedSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "from"}, {Name: "then"}, {Name: "unprotect"}}}

func (e *evaluator) evaluateRemoved(block *hcl.Block) {
	content, ok := e.required(block, removedSchema, "from")
	if !ok {
		return
	}
	from, ok := e.staticTarget(content.Attributes["from"])
	if !ok {
		return
	}
	r := &Removal{From: from, Range: block.DefRange}
	read := &reader{}
	read.flag(content.Attributes["unprotect"], &r.Unprotect)
	if a := content.Attributes["then"]; a != nil {
		var word string
		if read.into(a, &word); word != "" {
			words := []string{string(schema.Forget), string(schema.Reset), string(schema.Delete)}
			if !slices.Contains(words, word) {
				read.problem(a, "Unknown word", fmt.Sprintf("then is one of %s; %q is not.%s", enumerate(words), word, didYouMean(word, words)))
			}
			r.Then = schema.Removal(word)
		}
	}
	if e.report(read.diags...); read.diags.HasErrors() {
		return
	}
	e.desired.Removals = append(e.desired.Removals, r)
}

// checkRemovals holds removals against what is there.
func (e *evaluator) checkRemovals() {
	for _, removal := range e.desired.Removals {
		if r := e.still(removal.Covers); r != nil {
			e.report(&hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Removed and there",
				Detail:  fmt.Sprintf("%s is still in the configuration, at %s:%d. Take that block out, or this one.", r.Addr, r.Range.Filename, r.Range.Start.Line),
				Subject: removal.Range.Ptr(),
			})
		}
	}
}
