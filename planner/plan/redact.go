package plan

import (
	"encoding/json"
	"slices"

	"accord/lang/addrs"
	"accord/providers"
)

// Hidden reports whether anything sensitive lies in a top-level attribute.
func Hidden(sensitive []addrs.Path, name string) bool {
	return slices.ContainsFunc(sensitive, func(p addrs.Path) bool { return p.Root() == name || p == "" })
}

// Redact returns a canonical body without the top-level attributes in which
// something sensitive lies.
func Redact(body json.RawMessage, sensitive []addrs.Path) json.RawMessage {
	if len(sensitive) == 0 {
		return body
	}
	var names []string
	for _, m := range members(body) {
		if name := string(m.Name); Hidden(sensitive, name) {
			names = append(names, name)
		}
	}
	return Without(body, names...)
}

// Redacted returns a copy of a plan to be kept: it shows everything that p
// shows, and holds nothing sensitive. Apply makes the plan again, from the same
// sources, to have what is missing.
func (p *Plan) Redacted() *Plan {
	kept := *p
	redact := func(o *providers.Object, more ...addrs.Path) *providers.Object {
		if o == nil {
			return nil
		}
		r := *o
		r.Body = Redact(o.Body, append(slices.Clone(o.Sensitive), more...))
		return &r
	}
	kept.Objects = slices.Clone(p.Objects)
	for i := range kept.Objects {
		kept.Objects[i] = *redact(&kept.Objects[i])
	}
	kept.Steps = slices.Clone(p.Steps)
	for i := range kept.Steps {
		s := &kept.Steps[i]
		s.Sync = nil // its rules may hold what their blocks hide
		if s.Item == nil {
			continue
		}
		item := *s.Item
		var hidden []addrs.Path
		for _, o := range []*providers.Object{item.Planned, item.Recorded, item.Live} {
			if o != nil {
				hidden = append(hidden, o.Sensitive...)
			}
		}
		item.Planned, item.Recorded, item.Live = redact(item.Planned, hidden...), redact(item.Recorded, hidden...), redact(item.Live, hidden...)
		s.Item = &item
	}
	return &kept
}
