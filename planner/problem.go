package planner

import (
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/providers"
)

// Problem keeps a provider's diagnostic or error beside the hcl.Diagnostic made
// of it (in Extra), so that a view can show its code and main its exit code.
type Problem struct {
	Code string
	Err  *providers.Error
	Addr addrs.Instance
}

// fail reports a problem at an object's line.
func (m *making) fail(addr addrs.Instance, path addrs.Path, summary, detail string) {
	m.report(m.object(addr), providers.Diagnostic{Severity: providers.SeverityError, Addr: addr, Path: path, Summary: summary, Detail: detail})
}

// report places a provider's diagnostic: refusals into the plan, the rest into
// the diagnostics, at its line where the object has one.
func (m *making) report(o *object, d providers.Diagnostic) {
	if d.Addr.IsZero() && o != nil {
		d.Addr = o.addr
	}
	switch {
	case d.Refused:
		m.refuse(d)
	case d.Severity == providers.SeverityWarning:
		m.plan.Warnings = append(m.plan.Warnings, d)
		m.diags = append(m.diags, m.place(o, d))
	default:
		if other := m.object(d.Addr); other != nil {
			o = other
		}
		o.lose(d.Summary)
		m.diags = append(m.diags, m.place(o, d))
	}
}

// warn keeps the warnings among diagnostics in the plan.
func (m *making) warn(diags hcl.Diagnostics) {
	if m.req.Destroy {
		return // what is to be removed needs no advice
	}
	for _, d := range diags {
		if d.Severity != hcl.DiagWarning {
			continue
		}
		m.plan.Warnings = append(m.plan.Warnings, kept(d, providers.SeverityWarning))
	}
}

// kept is a diagnostic as a plan keeps it: without its line.
func kept(d *hcl.Diagnostic, severity providers.Severity) providers.Diagnostic {
	k := providers.Diagnostic{Severity: severity, Summary: d.Summary, Detail: d.Detail}
	if p, ok := d.Extra.(*Problem); ok {
		k.Code, k.Addr = p.Code, p.Addr
	}
	return k
}

func (m *making) place(o *object, d providers.Diagnostic) *hcl.Diagnostic {
	if other := m.object(d.Addr); other != nil {
		o = other
	}
	return Place(o.located(), d)
}

// Locator finds the line of a place in an object's body.
type Locator interface {
	Diagnostic(severity hcl.DiagnosticSeverity, path addrs.Path, summary, detail string) *hcl.Diagnostic
}

func (o *object) located() Locator {
	if o == nil || o.desired == nil {
		return nil
	}
	return o.desired
}

// Place turns a provider's diagnostic into one at its line. Where the object
// has no line any more, the summary names it.
func Place(at Locator, d providers.Diagnostic) *hcl.Diagnostic {
	severity := hcl.DiagError
	if d.Severity == providers.SeverityWarning {
		severity = hcl.DiagWarning
	}
	var out *hcl.Diagnostic
	if at != nil {
		out = at.Diagnostic(severity, d.Path, d.Summary, d.Detail)
	} else {
		summary := d.Summary
		if name := d.Addr.String(); name != "" && !strings.Contains(summary, name) {
			summary = name + ": " + summary
		}
		out = &hcl.Diagnostic{Severity: severity, Summary: summary, Detail: d.Detail}
	}
	out.Extra = &Problem{Code: d.Code, Addr: d.Addr}
	return out
}

// problem turns a provider's error about an object into a diagnostic.
func (m *making) problem(err error, o *object) *hcl.Diagnostic {
	var perr *providers.Error
	if !errors.As(err, &perr) {
		perr = &providers.Error{Kind: providers.Internal, Message: err.Error()}
	}
	d := Place(o.located(), providers.Diagnostic{
		Severity: providers.SeverityError, Addr: o.addr, Path: perr.Path,
		Summary: capital(perr.Error()), Detail: perr.Advice,
	})
	d.Extra = &Problem{Err: perr, Addr: o.addr}
	return d
}

func (m *making) cycle(cycle []addrs.Instance) *hcl.Diagnostic {
	names := make([]string, 0, len(cycle)+1)
	for _, a := range cycle {
		names = append(names, a.String())
	}
	names = append(names, names[0])
	return Place(m.object(cycle[0]).located(), providers.Diagnostic{
		Severity: providers.SeverityError, Addr: cycle[0], Summary: "These objects depend on each other",
		Detail: fmt.Sprintf("%s. Take one of the references or depends_on out.", strings.Join(names, " needs ")),
	})
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// owner is the object that an error names, or the instance that could not be read;
// an empty one when it names none.
func (m *making) owner(err error) *object {
	var perr *providers.Error
	var unread *syncer.Unread
	var addr addrs.Instance
	if errors.As(err, &perr) {
		addr = perr.Addr
	}
	if addr.IsZero() && errors.As(err, &unread) {
		addr = unread.End.Instance
	}
	if o := m.object(addr); o != nil {
		return o
	}
	return &object{addr: addr, desired: m.req.Desired.Find(addr)}
}
