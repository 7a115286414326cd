package syncer

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
	"accord/state"
)

// comparison is one target being compared, from the last part to the first:
// what containers need is known before their members are met.
type comparison struct {
	*job
	p     *pass
	led   *routes   // see routed
	needs []*sorter // by part: members that what will be there names
	names []*sorter // incremental, by part: members that what is there names
	held  []frames  // and these, once all that could name them was looked at
	more  []frames  // and those among them that the source did not yield

	// of the part that is gone through
	mendable map[string]bool // see findMendable

	tgt    *walk
	gaps   *cursor
	need   *cursor
	needed frames
	out    *spool
	lacks  *spool  // items with references that have no match
	lost   *sorter // what would lose all its members of another part
	others []*walk // by part: what the source has of it

	buf, fields   []byte // these are of one item, again and again
	source, there parser
	shall         fields
}

// leastBudget is what a sort may take, however many targets are compared at once.
const leastBudget = 256 << 10

// compare finds what has to change at the targets of jobs of one class, in one
// walk through the source. What went wrong is said in each job.
func (p *pass) compare(ctx context.Context, jobs []*job) {
	scratch := p.scratch
	share := max(len(jobs)*p.atOnce()/concurrency, 1)
	scratch.budget = max(scratch.budget/share, min(scratch.budget, leastBudget))
	var all []*comparison
	for _, j := range jobs {
		all = append(all, &comparison{
			job: j, p: p, led: j.routed(),
			needs: sets(scratch, len(p.parts)),
			names: sets(scratch, len(p.parts)),
			held:  make([]frames, len(p.parts)),
			more:  make([]frames, len(p.parts)),
		})
		j.tally = newTally(len(p.parts), j.s.opts.Named)
		j.changes, j.unmatched = make([]frames, len(p.parts)), make([]frames, len(p.parts))
		if j.asTable {
			j.table = &table{keys: make(map[string]string), gone: make(map[string]string)}
		}
	}
	going := func(step func(*comparison) error) {
		all = slices.DeleteFunc(all, func(c *comparison) bool {
			c.err = step(c)
			return c.err != nil
		})
	}
	going(func(c *comparison) error {
		if p.whole || c.asked {
			return nil
		}
		return c.readTargetKeys(ctx, p, p.keys)
	})
	for q := len(p.parts) - 1; q >= 0; q-- {
		going(func(c *comparison) error { return c.open(ctx, q) })
		p.part(q, all)
		going(func(c *comparison) error { return cmp.Or(c.close(q), c.err) })
		going(func(c *comparison) error { return c.confirm(ctx, q) })
	}
	for _, c := range all {
		for _, f := range slices.Concat(c.more, c.held) {
			f.remove()
		}
	}
}

// open readies one part: what is at the target, and what of it is needed there.
func (c *comparison) open(ctx context.Context, q int) error {
	if !c.p.whole {
		if err := c.lookFurther(ctx, q); err != nil {
			return err
		}
	}
	var err error
	if c.needed, err = c.needs[q].sorted(); err != nil {
		return err
	}
	if !c.p.whole && !c.p.parts[q].Routed {
		if c.needed, err = c.neededOutside(ctx, q, c.needed); err != nil {
			return err
		}
	}
	if err := c.findMendable(q); err != nil {
		return err
	}
	c.tgt = walkTarget(c.target[q], c.p.parts[q].Name)
	c.gaps, c.need = c.class.gaps[q].open(), c.needed.open()
	c.out, c.lacks, c.lost = c.p.scratch.spool(), c.p.scratch.spool(), c.p.scratch.set()
	c.others = make([]*walk, len(c.p.parts))
	return nil
}

// close ends a part, and keeps what has to change of it.
func (c *comparison) close(q int) error {
	err := cmp.Or(c.tgt.err, c.gaps.err, c.need.err)
	c.tgt.close()
	c.gaps.close()
	c.need.close()
	for _, w := range c.others {
		if w != nil {
			err = cmp.Or(err, w.err)
			w.close()
		}
	}
	c.needed.remove()
	var unwritten error
	c.changes[q], unwritten = c.out.rest()
	err = cmp.Or(err, unwritten)
	c.unmatched[q], unwritten = c.lacks.rest()
	return cmp.Or(err, unwritten)
}

// part goes through one part key by key, at all targets at once: source, gaps,
// targets and needs are all in key order. Most of a library concerns few targets.
func (p *pass) part(q int, all []*comparison) {
	if len(all) == 0 {
		return
	}
	src := walkSource(p.library[q], p.parts[q].Name, all[0].class.variant)
	defer src.close()
	for ; src.rec != nil; src.next() {
		for _, c := range all {
			if c.err == nil {
				c.err = c.meet(q, src)
			}
		}
	}
	for _, c := range all {
		for c.err == nil && c.tgt.rec != nil {
			c.err = c.alone(q)
		}
		c.err = cmp.Or(c.err, src.err)
	}
}

// meet holds the record that the source stands at against the target, which is
// brought there.
func (c *comparison) meet(q int, src *walk) error {
	s := src.rec
	for c.tgt.rec != nil && c.tgt.rec.key < s.key {
		if err := c.alone(q); err != nil {
			return err
		}
	}
	var t *record
	if c.tgt.rec != nil && c.tgt.rec.key == s.key {
		t = c.tgt.rec
	}
	routed := c.p.parts[q].Routed
	if routed {
		c.blank(s)
	}
	if t == nil {
		if !c.wanted(s, routed) {
			return nil
		}
		return cmp.Or(src.whole(), c.item(q, s, nil))
	}
	err := cmp.Or(src.whole(), c.tgt.whole())
	if err == nil {
		err = c.item(q, s, t)
	}
	c.tgt.next()
	return err
}

// alone decides the record that the target stands at, which the source does not
// have.
func (c *comparison) alone(q int) error {
	err := c.tgt.whole()
	if err == nil {
		err = c.item(q, nil, c.tgt.rec)
	}
	c.tgt.next()
	return err
}

// wanted reports whether something may become of a record that is not there.
func (c *comparison) wanted(s *record, routed bool) bool {
	switch {
	case c.Decision.Mode == Withdrawal:
		return false
	case routed:
		return c.routes.takes(s.routes) && c.class.meaning(s) == providers.Publish
	default:
		return c.need.seek(s.key)
	}
}

// item decides one item, counts it, and writes down what has to change. s is
// what the source has, t what is there; one of them may be nil.
func (c *comparison) item(q int, s, t *record) error {
	key, there := cmp.Or(s, t).key, t.there()
	if there {
		c.tally.owned++
	}
	s, gap, cause := c.flaws(q, s)
	f, why := c.fate(q, key, s, gap, there)
	ch := change{Part: c.p.parts[q].Name, Key: key, Reason: why, Cause: cause}
	if err := c.verb(&ch, f, s, t, c.mappings[q]); err != nil {
		return err
	}
	if ch.Verb == Unchanged && c.tgt.twice {
		ch.Verb, ch.Reason = Kept, "it is there twice"
	}
	if err := c.needsOf(&ch, t); err != nil {
		return err
	}
	if c.p.parts[q].Routed {
		c.remember(&ch, there, s)
	}
	if ch.Verb == "" {
		return nil
	}
	c.tally.count(q, &c.job.parts[q], &ch)
	if ch.Verb == Unchanged || !c.p.writing {
		return nil
	}
	c.buf = appendChange(c.buf[:0], &ch)
	return c.out.add(key, c.buf, nil)
}

// flaws says what keeps a record of the source from being published: a gap among
// its members, or a problem that its references have, which it then returns as the
// record's own. cause is the rule of such a reference.
func (c *comparison) flaws(q int, s *record) (flawed *record, gap string, cause addrs.Instance) {
	if s == nil {
		return nil, "", addrs.Instance{}
	}
	if c.gaps.seek(s.key) {
		gap = c.gaps.payload
	}
	if c.refs == nil {
		return s, gap, cause
	}
	at := hash(c.p.parts[q].Name, s.key)
	if gap == "" {
		gap, cause = c.refs.gaps[at].why, c.refs.gaps[at].cause
	}
	if lack := c.refs.problems[at]; lack.why != "" && c.class.problem(s) == "" {
		bad := *s
		bad.problem = lack.why
		return &bad, gap, lack.cause
	}
	return s, gap, cause
}

// fate is what shall become of an item at this target.
func (c *comparison) fate(q int, key string, s *record, gap string, there bool) (f fate, why string) {
	switch {
	case c.Decision.Mode == Withdrawal:
		f = withdraw // one reason for all: the run has it
	case c.p.parts[q].Routed:
		f, why = c.class.decide(s, c.routes, gap)
		if f == keep && c.Decision.Has(WithdrawKept) && slices.Contains(c.Decision.Only, state.Item{Part: c.p.parts[q].Name, Key: key}) {
			f, why = withdraw, words(why)+", and somebody has it withdrawn"
		}
	default:
		f, why = c.class.decideMember(s, c.need.seek(key), gap)
		if f == withdraw && there {
			why = cmp.Or(c.became(q, key), why)
		}
	}
	if f == withdraw && there && c.withheld != "" {
		f, why, c.keptBack = keep, why+", but "+c.withheld, true
	}
	return f, why
}

// became says what other part a member has become, which is why nothing needs
// it as what it was; "": none.
func (c *comparison) became(q int, key string) string {
	for other, part := range c.p.parts {
		if other == q || part.Routed {
			continue
		}
		if c.others[other] == nil {
			c.others[other] = walkSource(c.p.library[other], part.Name, c.class.variant)
		}
		if r := c.others[other].seek(key); r != nil && c.class.meaning(r) == providers.Publish {
			return "it is a " + words(part.Name) + " now"
		}
	}
	return ""
}

// blank counts what would be published if it had a route value (CTRY-5).
func (c *comparison) blank(s *record) {
	if s != nil && s.routes == "" && !c.routes.all && c.class.meaning(s) == providers.Publish {
		c.tally.blank++
	}
}

// verb fills in what has to be done, by what shall become of the item and what
// is there; Verb "": nothing, and nothing to count.
func (c *comparison) verb(ch *change, f fate, s, t *record, m mapping) error {
	if t != nil {
		ch.ID, ch.Title, ch.held = t.id, t.title, t.members
	}
	if s != nil {
		ch.Title, ch.routes, ch.groups = cmp.Or(s.title, ch.Title), s.routes, s.groups // what is missing has no title any more
	}
	switch f {
	case publish:
		return c.publish(ch, s, t, m)
	case withdraw:
		if t.there() {
			ch.Verb = Withdrawn
		}
		if led := c.led.taken(ch.routes); led != "" {
			ch.routes = led
		}
	case keep:
		if t.there() {
			ch.Verb, ch.kept, ch.problem = Kept, ch.Reason, t.problem
		}
		if ch.problem != "" && c.mendable[ch.Key] {
			ch.Verb, ch.Reason, ch.problem, ch.Reorder, c.mended = Updated, t.problem, "", true, true
			ch.members, ch.fields = t.members, []byte(t.fields)
		}
	case stay:
		if t.there() {
			ch.Verb = Unchanged
		}
	case refuse:
		ch.Verb = Exception
	}
	return nil
}

func (c *comparison) publish(ch *change, s, t *record, m mapping) error {
	if c.routes != nil {
		ch.routes = c.routes.taken(s.routes)
	}
	source, err := c.source.parse(s.fields)
	if err != nil {
		return err
	}
	shall := m.apply(c.shall[:0], source, t == nil)
	c.shall = shall
	shall, err = c.settle(ch.Key, m, shall)
	if err != nil {
		return err
	}
	if t == nil {
		ch.Verb = Added
	} else {
		have, err := c.there.parse(t.fields)
		if err != nil {
			return err
		}
		ch.Changed = m.differing(shall, have)
		ch.Reorder = s.members != t.members || t.problem != ""
		switch {
		case t.standing != providers.Published:
			ch.Verb = Restored
			if t.standing == providers.Unfinished {
				ch.Reason = "an earlier run was cut short"
			}
		case len(ch.Changed) > 0 || ch.Reorder:
			ch.Verb, ch.Reason = Updated, t.problem
		default:
			ch.Verb = Unchanged
			return nil
		}
		if t.there() && len(lostParts(t.members, s.members)) > 0 {
			if err := c.lost.note(s.key); err != nil {
				return err
			}
		}
	}
	ch.members = s.members
	if c.p.writing {
		c.fields = schema.AppendObject(c.fields[:0], shall)
		ch.fields = c.fields
	}
	return nil
}

// needsOf notes what members an item will name at the target.
func (c *comparison) needsOf(ch *change, t *record) error {
	switch {
	case ch.Verb == Added || ch.Verb == Updated || ch.Verb == Restored:
		return name(c.needs, c.p, ch.members.members())
	case t.there() && ch.Verb != Withdrawn:
		return name(c.needs, c.p, t.members.members())
	default:
		return nil
	}
}

// remember notes what routing and route tables want to know afterwards of a routed
// item.
func (c *comparison) remember(ch *change, there bool, s *record) {
	if there && s != nil {
		for r := range s.routes.strings() {
			c.tally.route(r).before = true
		}
	}
	switch ch.Verb {
	case Added, Updated, Restored, Unchanged:
		for r := range ch.routes.strings() {
			c.tally.route(r).after = true
		}
	}
	if c.table == nil || ch.Verb == "" {
		return
	}
	if there && ch.Verb != Withdrawn || ch.Verb == Added || ch.Verb == Restored {
		c.table.keys[strings.Clone(ch.Key)] = strings.Clone(ch.Title)
	} else if ch.Verb == Withdrawn {
		c.table.gone[strings.Clone(ch.Key)] = strings.Clone(ch.Title)
	}
}

// name adds members to the sets of their parts.
func name(sets []*sorter, p *pass, members iter.Seq[providers.Member]) error {
	for m := range members {
		q := partIndex(p.parts, m.Part)
		if q < 0 {
			return providers.Errorf(providers.Internal, "a member of a part that is not known: %q", m.Part)
		}
		if err := sets[q].note(m.Key); err != nil {
			return err
		}
	}
	return nil
}

// words makes a name of the platform readable: shared_resource.
func words(name string) string { return strings.ReplaceAll(name, "_", " ") }
