package planner

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
)

// Drift is how what was applied differs from what is there, and what merely is
// not applied yet.
type Drift struct {
	Reads  plan.Reads
	Unread int // objects that could not be read, or hang together with one: whether they differ is not known

	Changed    []plan.Change // changed or gone outside, less what is suppressed
	Suppressed []Suppressed  // changed or gone as well, and known
	Expired    []Suppressed  // suppressed once; these are in Changed too
	Pending    []plan.Change // what the files say otherwise than was applied; not drift
	Moves      []plan.Move   // and what they call otherwise
	Unmanaged  []providers.Object
	Syncs      []SyncStanding

	Unlisted map[addrs.Instance]error // instances whose unmanaged objects could not be found out
}

// Suppressed is a change outside that a suppress block speaks of.
type Suppressed struct {
	Change plan.Change // with the edits that it is about
	By     lang.Suppression
}

// SyncStanding is how far one sync is behind.
type SyncStanding struct {
	Addr        addrs.Instance
	Title       string
	Vault       addrs.Instance
	Decision    syncer.Decision
	LastSuccess time.Time // zero: never
	Failures    int       // items that failed, and wait to be moved
}

// Late reports whether something waits.
func (s *SyncStanding) Late() bool {
	return s.Failures > 0 || s.Decision.Mode == syncer.Full || s.Decision.HeldBack != ""
}

// DriftInstances are what Drift needs connected: what the last apply connected
// to, whatever the files say by now, under the names that they give it.
func (p *Planner) DriftInstances(req Request) []providers.Object {
	m := p.driftMaking(req)
	return m.AppliedInstances(m.req.State)
}

func (p *Planner) driftMaking(req Request) *making {
	m := &making{Planner: p, req: req}
	m.plan = newPlan(p, req, p.Now())
	m.move(context.Background())
	return m
}

// Drift reads everything that was applied, in the words in which it was
// applied, and holds it against the state. The files are asked for three things
// only: what is called otherwise now, what is not applied yet, and what is
// suppressed. Problems come as diagnostics; what could be found out is returned
// beside them, nil where nothing could.
func (p *Planner) Drift(ctx context.Context, req Request) (*Drift, hcl.Diagnostics) {
	started := p.Now()
	m := p.driftMaking(req)
	if m.diags.HasErrors() {
		return nil, m.diags
	}
	survey, err := m.Survey(ctx, m.req.State, req.Instances)
	if err != nil {
		return nil, append(m.diags, m.problem(err, &object{}))
	}
	m.unread(survey.Unread)
	d := &Drift{Unread: len(survey.Unread), Unlisted: map[addrs.Instance]error{}}
	for i := range survey.Drift {
		m.locate(&survey.Drift[i])
	}
	m.touched(ctx, survey.Drift)
	m.suppress(d, survey.Drift)
	m.notApplied(ctx, d)
	m.unmanaged(ctx, d)
	for i := range survey.Tasks {
		t := &survey.Tasks[i]
		d.Syncs = append(d.Syncs, SyncStanding{
			Addr: t.Sync.Addr, Title: t.Sync.Title, Vault: t.Sync.Target.Instance, Decision: t.Decision,
			LastSuccess: t.Sync.LSRT, Failures: t.Memory.Failures,
		})
	}
	d.Reads = plan.Reads{Instances: len(req.Instances), Objects: len(p.recordedObjects(m.req.State)) - len(survey.Unread), Took: p.Now().Sub(started)}
	return d, m.diags
}

// unread reports each error once, at the first object that it kept from being
// read.
func (m *making) unread(failed map[addrs.Instance]error) {
	told := map[error]bool{}
	for _, addr := range slices.SortedFunc(maps.Keys(failed), addrs.Instance.Compare) {
		if err := failed[addr]; !told[err] {
			told[err] = true
			m.diags = append(m.diags, m.problem(err, &object{addr: addr, desired: m.req.Desired.Find(addr)}))
		}
	}
}

// touched asks who changed what has changed, and when. What is gone has nobody
// to tell; where a system does not say, nothing is noted.
func (m *making) touched(ctx context.Context, changed []plan.Change) {
	at := map[addrs.Instance]*plan.Change{}
	for i := range changed {
		if changed[i].Action != providers.Remove {
			at[changed[i].Addr] = &changed[i]
		}
	}
	objects := slices.DeleteFunc(m.recordedObjects(m.req.State), func(o *object) bool { return at[o.addr] == nil })
	refs := m.recordedRefs(m.req.State, m.req.Instances)
	for _, batch := range batches(objects) {
		req := providers.ReadRequest{Objects: make([]providers.Object, len(batch)), Refs: refs, Touched: true}
		for i, o := range batch {
			req.Objects[i] = *remembered(o.recorded)
		}
		results := m.Providers[batch[0].provider].Read(ctx, req)
		for i, o := range batch {
			at[o.addr].Touched = answer(results, i).Touched
		}
	}
}

// locate notes where the files speak of what has changed.
func (m *making) locate(c *plan.Change) {
	r := m.req.Desired.Find(c.Addr)
	if r == nil {
		return
	}
	c.Place = placeOf(r.Range)
	for i := range c.Edits {
		if e := &c.Edits[i]; !e.Computed {
			e.Place = placeOf(r.Locate(e.Path))
		}
	}
}

// suppress parts what has changed by the suppress blocks, and says of each
// block that is of no use that it is.
func (m *making) suppress(d *Drift, changed []plan.Change) {
	blocks := m.req.Desired.Settings.Suppress
	var matched []bool
	d.Changed, d.Suppressed, d.Expired, matched = suppressed(changed, blocks, m.Now())
	for n, block := range blocks {
		s := suppression(block)
		switch {
		case matched[n]:
		case s.expired(m.Now()):
			m.advise(s, fmt.Sprintf("The suppression of %s has expired, and nothing is left of what it was for", s.what()), "Take it out.")
		default:
			m.advise(s, fmt.Sprintf("The suppression of %s matches nothing", s.what()), "Nothing differs there. Correct address and attribute, or take it out.")
		}
	}
}

// Unsuppressed is what has changed outside, less what suppress blocks speak of.
func Unsuppressed(changed []plan.Change, blocks []lang.Suppression, now time.Time) []plan.Change {
	rest, _, _, _ := suppressed(changed, blocks, now)
	return rest
}

// suppressed parts what has changed by suppress blocks; matched are those that speak of
// any of it. What was suppressed once is among the rest, too.
func suppressed(changed []plan.Change, blocks []lang.Suppression, now time.Time) (rest []plan.Change, known, expired []Suppressed, matched []bool) {
	matched = make([]bool, len(blocks))
	for _, c := range changed {
		for n, block := range blocks {
			s := suppression(block)
			hit, others := s.split(c)
			if hit == nil {
				continue
			}
			matched[n] = true
			entry := Suppressed{Change: *hit, By: block}
			if s.expired(now) {
				expired = append(expired, entry)
				continue
			}
			known = append(known, entry)
			if others == nil {
				c.Action = ""
				break
			}
			c = *others
		}
		if c.Action != "" {
			rest = append(rest, c)
		}
	}
	return rest, known, expired, matched
}

func (m *making) advise(s suppression, summary, detail string) {
	m.diags = append(m.diags, &hcl.Diagnostic{
		Severity: hcl.DiagWarning, Summary: summary, Detail: detail, Subject: s.Range.Ptr(), Extra: &Problem{Code: "SUPPRESS"},
	})
}

// suppression is a suppress block, held against what has changed.
type suppression lang.Suppression

// expired reports whether its last day is over.
func (s suppression) expired(now time.Time) bool {
	return !s.Expires.IsZero() && !now.Before(s.Expires.AddDate(0, 0, 1))
}

func (s suppression) what() string {
	if s.Attribute == "" {
		return s.Address.String()
	}
	return s.Address.String() + " " + s.Attribute
}

// split is the part of a change that it speaks of, nil for none, and the rest,
// nil for none. What the provider fills follows what is written: alone, it is
// no rest.
func (s suppression) split(c plan.Change) (hit, rest *plan.Change) {
	switch {
	case !s.Address.Covers(c.Addr):
		return nil, &c
	case s.Attribute == "":
		return &c, nil
	}
	mine, others := c, c
	mine.Edits, others.Edits = nil, nil
	written := false
	for _, e := range c.Edits {
		if name := e.Path.String(); name == s.Attribute || strings.HasPrefix(name, s.Attribute+".") || strings.HasPrefix(name, s.Attribute+"[") {
			mine.Edits = append(mine.Edits, e)
		} else {
			others.Edits = append(others.Edits, e)
			written = written || !e.Computed
		}
	}
	switch {
	case len(mine.Edits) == 0:
		return nil, &c
	case len(others.Edits) == 0, !written && !mine.Edits[0].Computed:
		return &c, nil
	}
	return &mine, &others
}

// notApplied lists what the files say otherwise than what was applied. What is
// only written otherwise, and is so in the vault already, is not listed.
func (m *making) notApplied(ctx context.Context, d *Drift) {
	m.known = map[addrs.Instance]lang.Object{}
	for addr, rec := range m.req.State.Objects {
		m.known[addr] = lang.Object{Body: rec.Body, Sensitive: rec.Sensitive}
	}
	for addr, inst := range m.req.Instances {
		m.known[addr] = lang.Object{Body: inst.Body, Sensitive: inst.Sensitive}
	}
	refs := m.recordedRefs(m.req.State, m.req.Instances)
	var edited []*object
	for _, r := range m.req.Desired.Resources {
		rec := m.req.State.Objects[r.Addr]
		if rec == nil {
			d.Pending = append(d.Pending, plan.Change{Addr: r.Addr, Action: providers.Create, Reason: plan.Declared, Place: placeOf(r.Range)})
			continue
		}
		want, diags := r.Resolve(m.known)
		if diags.HasErrors() {
			m.diags = append(m.diags, diags...)
			continue
		}
		o := &object{addr: r.Addr, provider: r.Provider, typ: r.Type, desired: r, recorded: rec}
		o.want = m.ignoring(&object{live: remembered(rec), desired: r, typ: r.Type}, boundary(r.Addr, r.Type.Name, rec.ID, want))
		if places := m.otherwise(o, remembered(rec)); len(places) > 0 {
			edited = append(edited, o)
			refs[r.Addr] = *o.want
		}
	}
	failed := m.read(ctx, edited, m.neighbourhoods(refs, edited...), nil) // in the words of the files
	for _, o := range edited {
		if failed[o] == nil && o.live != nil && len(m.otherwise(o, o.before())) == 0 {
			continue
		}
		c := plan.Change{Addr: o.addr, Action: providers.Update, Reason: plan.Edited, Place: placeOf(o.desired.Range)}
		for _, at := range m.otherwise(o, remembered(o.recorded)) {
			before, _ := valueAt(o.recorded.Body, at)
			after, _ := valueAt(o.want.Body, at)
			c.Edits = append(c.Edits, plan.Edit{Path: at, Before: before, After: after, Place: placeOf(o.desired.Locate(at))})
		}
		d.Pending = append(d.Pending, c)
	}
	for _, o := range m.recordedObjects(m.req.State) {
		if m.req.Desired.Find(o.addr) != nil {
			continue
		}
		c := plan.Change{Addr: o.addr, Action: providers.Remove, Removal: m.removalOf(o)}
		c.Reason, c.Place = m.whyGone(o)
		d.Pending = append(d.Pending, c)
	}
	d.Moves = m.plan.Moves
	slices.SortFunc(d.Pending, func(a, b plan.Change) int { return a.Addr.Compare(b.Addr) })
}

// otherwise lists the places where an object is not as it is wanted. What is
// sensitive is not in the state, and is not compared.
func (m *making) otherwise(o *object, is *providers.Object) []addrs.Path {
	hidden := append(slices.Clone(o.want.Sensitive), o.recorded.Sensitive...)
	return slices.DeleteFunc(refinement(o.want, is), func(at addrs.Path) bool {
		return at.MeetsAny(hidden)
	})
}

// unmanaged lists what stands in the vaults that neither the state nor the files
// know, of the types whose objects a provider can list.
func (m *making) unmanaged(ctx context.Context, d *Drift) {
	found, failed := m.ListAll(ctx, m.req.Instances, m.recordedRefs(m.req.State, m.req.Instances))
	d.Unlisted = failed
	managed := m.identities()
	for _, o := range found {
		if o.Left == "" && !managed[m.identityOf(&o.Object)] {
			d.Unmanaged = append(d.Unmanaged, o.Object)
		}
	}
}

// identities are those of all that is under code: applied, or in the files.
func (m *making) identities() map[string]bool {
	all := map[string]bool{}
	for _, o := range m.recordedObjects(m.req.State) {
		all[m.identityOf(remembered(o.recorded))] = true
	}
	for _, r := range m.req.Desired.Resources {
		all[m.identityOf(boundary(r.Addr, r.Type.Name, "", r.Object))] = true
	}
	return all
}

// identityOf is what no two objects have in common: the type, and the
// attributes by which the type finds an object.
func (p *Planner) identityOf(o *providers.Object) string {
	_, typ, _ := p.typeOf(o.Type)
	text := o.Type
	for _, name := range typ.Identity {
		v, _ := valueAt(o.Body, addrs.Path("").Child(name))
		text += "\x00" + string(v)
	}
	return text
}
