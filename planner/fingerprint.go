package planner

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner/plan"
	"accord/providers"
)

// hold reads the approved plan's objects against how they are now. What has
// moved is noted in the plan, which is then good for nothing else. A vault that
// is another one than it was is an error of access.
func (m *making) hold(context.Context) {
	if m.req.Approved == nil {
		return
	}
	for _, was := range m.req.Approved.Fingerprints {
		if was.Body == nil && was.Digest != "" {
			was.Body = m.approvedBody(was.Addr)
		}
		inst, instance := m.req.Instances[was.Addr]
		switch o := m.object(was.Addr); {
		case instance && inst.ID != was.ID:
			m.diags = append(m.diags, m.otherVault(was, inst))
		case instance:
			m.plan.Moved = append(m.plan.Moved, plan.Differences(was, m.printOf(&inst, nil))...)
		case o != nil && !o.unreachable:
			m.plan.Moved = append(m.plan.Moved, plan.Differences(was, m.printOf(o.live, o))...)
		}
	}
}

// otherVault says that what the plan was made for is not what was reached.
func (m *making) otherVault(was plan.Fingerprint, now providers.Object) *hcl.Diagnostic {
	err := &providers.Error{
		Kind: providers.Access, Addr: was.Addr, Op: "apply the saved plan",
		Message: fmt.Sprintf("%s is the vault with the id %s, and the plan was made for the one with the id %s", was.Addr, now.ID, was.ID),
		Advice:  "Nothing was read or written beside its id. Correct where the name leads, or plan again for this vault.",
	}
	return m.problem(err, &object{addr: was.Addr})
}

// sight asks what else was read of the configuration, in order.
func (m *making) sight(ctx context.Context) ([]plan.Sighting, error) {
	var all []plan.Sighting
	for _, name := range slices.Sorted(maps.Keys(m.Providers)) {
		seen, err := m.Providers[name].Seen(ctx)
		if err != nil {
			return nil, fmt.Errorf("ask the provider %s what it has seen: %w", name, err)
		}
		for _, s := range seen {
			all = append(all, plan.SightingOf(s))
		}
	}
	slices.SortFunc(all, plan.Sighting.Compare)
	return all, nil
}

// holdSightings reads what else was seen for the approved plan against how it
// is now: that was read again where the plan was made again, and by no other
// calls.
func (m *making) holdSightings(ctx context.Context) error {
	if m.req.Approved == nil || m.req.Resume {
		return nil
	}
	now, err := m.sight(ctx)
	if err != nil {
		return err
	}
	m.plan.Moved = append(m.plan.Moved, plan.Sighted(m.req.Approved.Sightings, now)...)
	return nil
}

// freeze notes in the plan how every object was found that was read.
func (m *making) freeze(ctx context.Context) error {
	if !m.req.Freeze {
		return nil
	}
	var err error
	if m.plan.Sightings, err = m.sight(ctx); err != nil {
		return err
	}
	for _, inst := range m.req.Instances {
		m.plan.Fingerprints = append(m.plan.Fingerprints, m.printOf(&inst, nil))
	}
	for _, o := range m.sorted {
		if o.read {
			m.plan.Fingerprints = append(m.plan.Fingerprints, m.printOf(o.live, o))
		}
	}
	slices.SortFunc(m.plan.Fingerprints, func(a, b plan.Fingerprint) int { return a.Addr.Compare(b.Addr) })
	for i := range m.plan.Fingerprints {
		f := &m.plan.Fingerprints[i]
		if f.Digest != "" && bytes.Equal(f.Body, bodyIn(m.plan, m.typeNamed(f.Addr.Type), f.Addr)) {
			f.Body = nil
		}
	}
	return nil
}

func (m *making) approvedBody(addr addrs.Instance) []byte {
	return bodyIn(m.req.Approved, m.typeNamed(addr.Type), addr)
}

func (m *making) typeNamed(name string) *schema.Type {
	_, typ, _ := m.typeOf(name)
	return typ
}

// bodyIn is the body that a plan holds of an object, as a fingerprint has it.
func bodyIn(p *plan.Plan, typ *schema.Type, addr addrs.Instance) []byte {
	i, ok := slices.BinarySearchFunc(p.Objects, addr, func(o providers.Object, a addrs.Instance) int { return o.Addr.Compare(a) })
	if !ok || typ == nil {
		return nil
	}
	o := p.Objects[i]
	return printed(typ, o.Body, o.Sensitive)
}

// printed is what a fingerprint is made of.
func printed(typ *schema.Type, body []byte, sensitive []addrs.Path) []byte {
	return plan.Redact(plan.Without(body, flagged(typ, func(a *schema.Attribute) bool { return a.Volatile || a.Local || a.Sensitive })...), sensitive)
}

// printOf is the fingerprint of an object as it was found; o knows what of it
// is sensitive.
func (m *making) printOf(found *providers.Object, o *object) plan.Fingerprint {
	if found == nil {
		return plan.FingerprintOf(o.addr, nil)
	}
	sensitive := slices.Clone(found.Sensitive)
	if o != nil && o.desired != nil {
		sensitive = append(sensitive, o.desired.Sensitive...)
	}
	if o != nil && o.recorded != nil {
		sensitive = append(sensitive, o.recorded.Sensitive...)
	}
	shown := *found
	shown.Body = printed(m.typeNamed(found.Addr.Type), found.Body, sensitive)
	return plan.FingerprintOf(found.Addr, &shown)
}

// keep holds a run that the plan would begin against what was approved: no run,
// no vault, country or direction that the approved plan did not show, and
// hardly more withdrawals.
func (m *making) keep(step *plan.Step, content *plan.Content) {
	if m.req.Approved == nil {
		return
	}
	refuse := func(message string) {
		m.refuse(providers.Diagnostic{
			Severity: providers.SeverityError, Code: "PROMISE", Addr: step.Ref.Addr, Refused: true, Summary: message,
			Detail: "What happens to the content now is not what was approved. Plan again, look, and approve that.",
		})
	}
	was := m.req.Approved.Step(step.Ref)
	if was == nil {
		refuse(fmt.Sprintf("%s would now run in full (%s) and write to %s, which the approved plan did not show", step.Ref.Addr, content.Impact.Decision.Why(), content.Vault))
		return
	}
	step.Promise = was.Promise
	for _, v := range was.Promise.Keeps(&content.Impact) {
		refuse(v.Message)
	}
}
