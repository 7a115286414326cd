package planner

import (
	"bytes"
	"encoding/json"

	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner/plan"
	"accord/providers"
)

// explain says why an object changes, and in which line that is written.
func (m *making) explain(o *object, c *plan.Change) {
	if o.desired == nil {
		c.Reason, c.Place = m.whyGone(o)
		return
	}
	c.Place = placeOf(o.desired.Range)
	if o.live != nil {
		m.locateEdits(o, c.Edits)
	}
	switch {
	case o.action == providers.Create && o.recorded != nil:
		c.Reason = plan.Lost
	case o.action == providers.Create:
		c.Reason = plan.Declared
	case o.action == providers.Replace && len(o.response.Replace) > 0:
		c.Reason = plan.Forced
	case o.action == providers.Replace:
		c.Reason = plan.Requested
	case o.action == providers.Adopt && o.imported != nil:
		c.Reason, c.Place = plan.Imported, placeOf(o.imported.Range)
	case o.action == providers.Adopt:
		c.Reason = plan.Found
	default:
		c.Reason = o.whyUpdated(c.Edits)
	}
	// What the provider finds no words for in the vault is no edit of the body.
	if c.Reason == plan.Follows && len(m.otherwise(o, remembered(o.recorded))) > 0 {
		c.Reason = plan.Edited
	}
}

func placeOf(r hcl.Range) plan.Place {
	if r.Filename == "" {
		return plan.Place{}
	}
	return plan.Place{File: r.Filename, Line: r.Start.Line}
}

// absences are the reasons for what lang says of an address that is gone.
var absences = map[lang.AbsenceWord]plan.Reason{
	lang.BlockGone: plan.BlockGone, lang.KeyGone: plan.KeyGone, lang.Disabled: plan.Disabled,
	lang.ModuleGone: plan.ModuleGone, lang.ModuleKeyGone: plan.ModuleKeyGone, lang.ModuleDisabled: plan.ModuleDisabled,
}

func (m *making) whyGone(o *object) (plan.Reason, plan.Place) {
	if m.req.Destroy {
		return plan.Destroyed, plan.Place{}
	}
	if r := m.req.Desired.Removal(o.addr); r != nil {
		return plan.RemovedBlock, placeOf(r.Range)
	}
	gone := m.req.Desired.Absent(o.addr)
	return absences[gone.Word], placeOf(gone.Range)
}

// whyUpdated tells an edit of the configuration from a change outside: what is
// wanted is what was applied, or it is not.
func (o *object) whyUpdated(edits []plan.Edit) plan.Reason {
	if len(edits) == 0 {
		return plan.Protects
	}
	if o.recorded == nil {
		return plan.Found
	}
	reason := plan.Follows
	for _, e := range edits {
		want, asked := valueAt(o.want.Body, e.Path)
		was, had := valueAt(o.recorded.Body, e.Path)
		hidden := e.Path.MeetsAny(o.want.Sensitive)
		switch {
		case e.Computed && !e.Unknown && bytes.Equal(e.After, was):
			reason = plan.Drifted
		case e.Unknown, e.Computed, hidden && !e.Sensitive:
		case hidden, asked != had, !bytes.Equal(want, was):
			return plan.Edited
		case asked:
			reason = plan.Drifted
		}
	}
	return reason
}

// valueAt is what a canonical body holds at a path.
func valueAt(body json.RawMessage, path addrs.Path) (json.RawMessage, bool) {
	for _, step := range path.Steps() {
		if body = schema.ValueOf(body, step); body == nil {
			return nil, false
		}
	}
	return body, true
}

// locateEdits notes for each edit the line that asks for it.
func (m *making) locateEdits(o *object, edits []plan.Edit) {
	for i := range edits {
		e := &edits[i]
		if e.Computed {
			continue
		}
		if e.Place = placeOf(o.desired.Locate(e.Path)); e.Place == placeOf(o.desired.Range) {
			e.Place = plan.Place{} // not written: the block's own line says it
		}
		if origin := placeOf(o.desired.Origin(e.Path)); e.Place.File != "" && origin != e.Place && origin.File != "" {
			e.Origin = &origin
		}
	}
}
