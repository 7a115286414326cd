package lang

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// bind holds every body against its schema, but for those that are bound when
// their only instance is evaluated.
func (e *evaluator) bind() {
	problems := make([]hcl.Diagnostics, len(e.order))
	parallel(len(e.order), func(n int) {
		if d := e.order[n]; !d.single() && !d.remembered {
			problems[n] = e.bindOne(d)
		}
	})
	for _, diags := range problems {
		e.report(diags...)
	}
}

func (e *evaluator) bindOne(d *decl) hcl.Diagnostics {
	b := e.binder(d)
	content := d.content
	if content == nil {
		content, _ = contentOf(d.block.Body, d.typ.body.top)
	}
	d.body, d.content = b.bind(content, d.typ.body, d.block.DefRange), nil
	d.mentions = b.read
	for _, c := range d.conditions {
		own := b.sight
		own.self = d.typ
		b.diags = append(b.diags, c.bind(e, own)...)
	}
	d.dependsOn = slices.DeleteFunc(d.dependsOn, func(m mention) bool {
		diags := e.checkMentions([]mention{m}, b.sight)
		if m.key != nil {
			_, more := e.check(m.key, b.sight)
			diags = append(diags, more...)
		}
		b.diags = append(b.diags, diags...)
		return diags.HasErrors()
	})
	if d.protect != nil {
		_, diags := e.check(d.protect.Expr, sight{what: "The protection of a block", each: b.sight.each})
		b.diags = append(b.diags, diags...)
		if diags.HasErrors() {
			d.protect = nil
		}
	}
	return b.diags
}

func (e *evaluator) binder(d *decl) *binder {
	s := sight{what: d.block.Type + "." + d.block.Labels[0], each: d.forEach != nil, blocks: !d.typ.instance}
	if d.typ.instance {
		s.what = capital(article(d.addr.Type))
	}
	return &binder{evaluator: e, sight: s}
}

// bound is the body of d, bound again where it is not kept.
func (e *evaluator) bound(d *decl) *body {
	if d.body != nil {
		return d.body
	}
	content, _ := contentOf(d.block.Body, d.typ.body.top)
	return e.binder(d).bind(content, d.typ.body, d.block.DefRange)
}
