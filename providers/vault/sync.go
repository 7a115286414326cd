package vault

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"sync"
	"time"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/resource"
)

// fullAfter is CLM-6: a last success that is this old makes a run full.
const fullAfter = 15 * 24 * time.Hour

// Syncs turns integration points into syncs (INT-1, INT-2), from the objects
// as they will be. The vaults are asked only for their clocks, and for filters
// and rules that no block manages.
func (p *Provider) Syncs(ctx context.Context, changes []providers.Change) ([]providers.Sync, error) {
	s := newSyncMaker(ctx, p, changes)
	made := make([]*providers.Sync, len(changes))
	errs := make([]error, len(changes))
	var points []int // among changes
	for n, c := range changes {
		if objectType(c) == "integration_point" && c.After != nil {
			points = append(points, n)
		}
	}
	resource.Spread(atOnce, len(points), func(n int) {
		n = points[n]
		made[n], errs[n] = s.sync(ctx, changes[n].Addr)
	})
	var syncs []providers.Sync
	for n, c := range changes {
		if err := errs[n]; err != nil {
			e := *contractError("make the sync of "+c.Addr.String(), err)
			if e.Addr.IsZero() {
				e.Addr = c.Addr
			}
			return nil, &e
		}
		if made[n] != nil {
			syncs = append(syncs, *made[n])
		}
	}
	return syncs, s.inputsBefore(ctx, changes, syncs)
}

// inputsBefore says what the content of syncs followed from before the plan.
func (s *syncMaker) inputsBefore(ctx context.Context, changes []providers.Change, syncs []providers.Sync) error {
	if !slices.ContainsFunc(changes, func(c providers.Change) bool {
		return c.Before == nil || c.After == nil || !bytes.Equal(c.Before.Body, c.After.Body)
	}) {
		for n := range syncs {
			syncs[n].Before = syncs[n].Inputs // nothing changes
		}
		return nil
	}
	as := slices.Clone(changes)
	for n := range as {
		as[n].After = as[n].Before
	}
	before := newSyncMaker(ctx, s.p, as)
	before.former = true
	for n := range syncs {
		if at := slices.IndexFunc(as, func(c providers.Change) bool { return c.Addr == syncs[n].Addr }); as[at].Before != nil {
			was, err := before.sync(ctx, as[at].Addr)
			if err != nil {
				return err
			}
			if was != nil {
				syncs[n].Before = was.Inputs
			}
		}
	}
	return nil
}

func objectType(c providers.Change) string {
	for _, o := range []*providers.Object{c.After, c.Before, c.Live} {
		if o != nil {
			return o.Type
		}
	}
	return ""
}

// syncMaker holds what the syncs of one request share.
type syncMaker struct {
	p             *Provider
	after, before *resource.Env
	former        bool // it makes what was before the plan, of which only the inputs are wanted
	live          map[addrs.Instance]*providers.Object
	around, was   neighbourIndex              // of after, and of before
	types         map[string][]addrs.Instance // field_rule → addresses, as they will be
	settings      func(*vault) ([]settingsRecord, error)
	rules         func(*link) (*integrationRule, error)
	integrations  func(*vault) ([]statusRecord, error)
	points        func(*vault) ([]statusRecord, error)
	now           func(*vault) (time.Time, error)

	mu       sync.Mutex
	referred map[sourceField]string // what references of content vaults refer to
}

func newSyncMaker(ctx context.Context, p *Provider, changes []providers.Change) *syncMaker {
	s := &syncMaker{p: p, after: &resource.Env{Refs: providers.Refs{}}, before: &resource.Env{Refs: providers.Refs{}},
		live: map[addrs.Instance]*providers.Object{}, types: map[string][]addrs.Instance{}, referred: map[sourceField]string{}}
	for _, c := range changes {
		if c.After != nil {
			s.after.Refs[c.Addr] = *c.After
			s.types[c.After.Type] = append(s.types[c.After.Type], c.Addr)
		}
		if c.Before != nil {
			s.before.Refs[c.Addr] = *c.Before
		}
		s.live[c.Addr] = c.Live
	}
	for _, list := range s.types {
		slices.SortFunc(list, addrs.Instance.Compare)
	}
	s.around, s.was = neighbours(s.after), neighbours(s.before)
	s.settings = cached(func(v *vault) ([]settingsRecord, error) { return v.settingsRecords(ctx) })
	s.rules = rulesCache(ctx)
	s.integrations = cached(func(v *vault) ([]statusRecord, error) { return v.integrationRecords(ctx) })
	s.points = cached(func(v *vault) ([]statusRecord, error) { return v.pointRecords(ctx) })
	s.now = cached(func(v *vault) (time.Time, error) { return v.askNow(ctx) })
	return s
}

// syncPoint is an integration point as it will be, and what it stands on.
type syncPoint struct {
	addr   addrs.Instance
	body   *pointBody
	names  *pointNames
	parent *integrationBody
	link   *link
}

// apiName is what the vaults call it.
func (p *syncPoint) apiName() string { return p.link.names.apiName(p.names.Stem) }

// point finds one; nil for those that accord does not run yet.
func (s *syncMaker) point(addr addrs.Instance) (*syncPoint, error) {
	body, _, err := resource.Ref[pointBody](s.after, addr)
	if err != nil {
		return nil, err
	}
	names := pointByName(body.Name)
	if names == nil || names.Model == "" && body.Name != "clm_country" {
		return nil, nil
	}
	parent, _, err := resource.Ref[integrationBody](s.after, body.Integration)
	if err != nil { // taken out of the configuration, with the point left
		if parent, _, err = resource.Ref[integrationBody](s.before, body.Integration); err != nil {
			return nil, err
		}
		gone := *parent
		gone.Status = inactive
		parent = &gone
	}
	connection, _, err := resource.Ref[connectionBody](s.after, parent.Connection)
	if err != nil {
		if connection, _, err = resource.Ref[connectionBody](s.before, parent.Connection); err != nil {
			return nil, err
		}
	}
	l, err := s.p.linkOf(parent.Connection, connection)
	if err != nil {
		return nil, err
	}
	return &syncPoint{addr: addr, body: body, names: names, parent: parent, link: l}, nil
}

// sync makes one; nil for points that accord does not run yet.
func (s *syncMaker) sync(ctx context.Context, addr addrs.Instance) (*providers.Sync, error) {
	p, err := s.point(addr)
	if err != nil || p == nil {
		return nil, err
	}
	l := p.link
	sync := &providers.Sync{
		Addr: addr, Title: l.names.label(p.names.Label), Engine: engineOf(l, p.body.Engine),
		Active: p.body.Status == active && p.parent.Status == active, Was: s.wasActive(addr),
		Policy: providers.Policy{FullAfter: fullAfter, DelayedInputs: []string{inputFilter}},
		Inputs: map[string]string{inputVaults: fmt.Sprintf("%d %d", l.content.id, l.crm.id), inputEngine: engineOf(l, p.body.Engine)},
		Needs:  s.needs(p), Permits: s.adminSets(l, p.parent.Type), Trigger: p.body.trigger(), TriggerWas: s.triggerWas(addr),
	}
	switch {
	case p.body.Status == inactive:
		sync.Idle = "the point is inactive"
	case p.parent.Status == inactive:
		sync.Idle = fmt.Sprintf("the integration %s is inactive (INT-3)", p.body.Integration)
	}
	if err := s.asFound(p, sync); err != nil {
		return nil, err
	}
	if !s.former {
		if sync.Now, err = s.now(l.crm); err != nil {
			return nil, contractError("read the clock of "+l.crm.addr.String(), err)
		}
	}
	filter, err := s.filter(ctx, l)
	if err != nil {
		return nil, err
	}
	var broken []providers.Diagnostic // field rules
	of := scope{Point: p.apiName(), Title: sync.Title}
	if p.body.Name == "clm_country" {
		s.country(p, sync, filter)
		of.CRM = l.crm.id
	} else {
		if broken, err = s.clm(ctx, p, sync, filter); err != nil {
			return nil, err
		}
		of.Source = l.content.id
	}
	sync.Exceptions = &providers.End{Instance: sync.Target.Instance, Stream: streamExceptions, Scope: of.raw()}
	if _, routed := sync.Inputs[inputFilter]; routed {
		sync.Edited = filter.edited
	}
	if flow := integrationByType(p.names.Integration).Flow; sync.Active && l.forbidden(flow) != "" {
		sync.Active, sync.Idle = false, "CONN-3: it would move data "+l.forbidden(flow)
	}
	if s.former {
		return sync, nil
	}
	// Of one that is not active all may yet be withdrawn.
	check := s.preflight(p, sync)
	if sync.Engine == providers.EngineAccord {
		check.Known = append(check.Known, broken...)
	}
	check.Known = append(check.Known, s.mistaken(p, filter)...)
	sync.Requires = &providers.End{Instance: l.crm.addr, Stream: streamPreflight, Scope: scope{Preflight: check}.raw()}
	return sync, nil
}

// asFound takes over what the vault says of a point: its run times, and whether
// somebody deactivated it, or its integration.
func (s *syncMaker) asFound(p *syncPoint, sync *providers.Sync) error {
	if o := s.live[p.addr]; o != nil {
		var now pointBody
		if err := o.Decode(&now); err != nil {
			return err
		}
		sync.LRT, sync.LSRT = now.LastRunTime, now.LastSuccessfulRunTime
		if sync.Active && sync.Was && now.Status == inactive {
			sync.Active, sync.Idle = false, "it was deactivated outside; accord apply activates it again"
		}
	}
	if o := s.live[p.body.Integration]; o != nil && sync.Active && sync.Was {
		var now integrationBody
		if err := o.Decode(&now); err != nil {
			return err
		}
		if now.Status == inactive {
			sync.Active, sync.Idle = false, fmt.Sprintf("%s was deactivated outside; accord apply activates it again", p.body.Integration)
		}
	}
	return nil
}

// mistaken is what is known to be wrong with the connection of a point: it is not
// established, or its filter names another vault (CTRY-13).
func (s *syncMaker) mistaken(p *syncPoint, filter filterState) []providers.Diagnostic {
	l := p.link
	var known []providers.Diagnostic
	if filter.crm != "" && filter.crm != strconv.FormatInt(l.crm.id, 10) {
		other := refused(otherVault(filter.crm, l.crm))
		other.Path = ""
		if filters := s.around.at(l.addr).filters; len(filters) > 0 {
			other.Addr = filters[0]
		}
		known = append(known, other)
	}
	if o := s.live[l.addr]; o != nil {
		var now connectionBody
		if o.Decode(&now) == nil && now.State == connectionPending {
			known = append(known, refused(notEstablished(l.addr, l.names, now.Pending)))
		}
	}
	return known
}

// triggerWas is the trigger of a point before the plan.
func (s *syncMaker) triggerWas(addr addrs.Instance) string {
	point, _, err := resource.Ref[pointBody](s.before, addr)
	if err != nil {
		return ""
	}
	return point.trigger()
}

// wasActive reports whether a point was active, with its integration.
func (s *syncMaker) wasActive(addr addrs.Instance) bool {
	point, _, err := resource.Ref[pointBody](s.before, addr)
	if err != nil || point.Status != active {
		return false
	}
	parent, _, err := resource.Ref[integrationBody](s.before, point.Integration)
	return err == nil && parent.Status == active
}

// Inputs.
const (
	inputFilter     = "filter"
	inputRules      = "rules"
	inputVaults     = "vaults" // which two they are: what a run remembers is of these
	inputEngine     = "engine" // whose run it is (INT-7)
	inputQueryRule  = "query_rule"
	inputUnapproved = "on_unapproved"
	inputTable      = "table" // of the platform's engine: by which point's records it routes
)

// needs are the objects that must be as planned before a sync runs: those that
// it follows from, and those that it followed from until now.
func (s *syncMaker) needs(p *syncPoint) []addrs.Instance {
	needs := []addrs.Instance{p.link.addr, p.body.Integration}
	for _, index := range []neighbourIndex{s.around, s.was} {
		around := index.at(p.link.addr)
		needs = append(needs, around.filters...)
		if p.names.Model != "" {
			needs = slices.Concat(needs, around.queryRules, around.countryPoints, around.country, around.fieldRules)
		} else {
			needs = append(needs, around.otherFilters...)
		}
	}
	slices.SortFunc(needs, addrs.Instance.Compare)
	return slices.Compact(needs)
}

// digest is the identity of a value that a run follows from.
func digest(v any) string {
	raw, err := json.Marshal(v) // maps in the order of their keys
	if err != nil {
		panic(err) // values of this package
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8])
}
