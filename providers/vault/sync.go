package vault

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/resource"
	"accord/providers/vaultapi"
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
	var all errgroup.Group
	all.SetLimit(atOnce)
	for n, c := range changes {
		if objectType(c) == "integration_point" && c.After != nil {
			all.Go(func() error { made[n], errs[n] = s.sync(ctx, c); return nil })
		}
	}
	_ = all.Wait()
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

// inputsBefore says of the syncs of the platform's engine what their content
// follows from before the plan.
func (s *syncMaker) inputsBefore(ctx context.Context, changes []providers.Change, syncs []providers.Sync) error {
	if !slices.ContainsFunc(syncs, func(sync providers.Sync) bool { return sync.Engine == providers.EnginePlatform }) {
		return nil
	}
	as := slices.Clone(changes)
	for n := range as {
		as[n].After = as[n].Before
	}
	before := newSyncMaker(ctx, s.p, as)
	for n := range syncs {
		if at := slices.IndexFunc(as, func(c providers.Change) bool { return c.Addr == syncs[n].Addr }); syncs[n].Engine == providers.EnginePlatform && as[at].Before != nil {
			was, err := before.sync(ctx, as[at])
			if err != nil || was == nil {
				return err
			}
			syncs[n].Before = was.Inputs
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
	live          map[addrs.Instance]*providers.Object
	around, was   neighbourIndex              // of after, and of before
	types         map[string][]addrs.Instance // field_rule → addresses, as they will be
	settings      func(*vault) ([]settingsRecord, error)
	rules         func(*link) (*integrationRule, error)
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
	s.now = cached(func(v *vault) (time.Time, error) { return v.askNow(ctx) })
	return s
}

// sync makes one; nil for points that accord does not run yet.
func (s *syncMaker) sync(ctx context.Context, c providers.Change) (*providers.Sync, error) {
	point, _, err := resource.Ref[pointBody](s.after, c.Addr)
	if err != nil {
		return nil, err
	}
	names := pointByName(point.Name)
	if names == nil || names.Model == "" && point.Name != "clm_country" {
		return nil, nil
	}
	parent, _, err := resource.Ref[integrationBody](s.after, point.Integration)
	if err != nil { // taken out of the configuration, with the point left
		if parent, _, err = resource.Ref[integrationBody](s.before, point.Integration); err != nil {
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
	sync := &providers.Sync{
		Addr: c.Addr, Title: l.names.label(names.Label), Engine: engineOf(l, point.Engine),
		Active: point.Status == active && parent.Status == active, Was: s.wasActive(c.Addr),
		Policy: providers.Policy{FullAfter: fullAfter, DelayedInputs: []string{inputFilter}},
		Inputs: map[string]string{inputVaults: fmt.Sprintf("%d %d", l.content.id, l.crm.id)},
	}
	sync.Trigger, sync.TriggerWas = point.trigger(), s.triggerWas(c.Addr)
	switch {
	case point.Status == inactive:
		sync.Idle = "the point is inactive"
	case parent.Status == inactive:
		sync.Idle = fmt.Sprintf("the integration %s is inactive (INT-3)", point.Integration)
	}
	if o := s.live[c.Addr]; o != nil {
		var now pointBody
		if err := o.Decode(&now); err != nil {
			return nil, err
		}
		sync.LRT, sync.LSRT = now.LastRunTime, now.LastSuccessfulRunTime
		if sync.Active && sync.Was && now.Status == inactive {
			sync.Active, sync.Idle = false, "it was deactivated outside; accord apply activates it again"
		}
	}
	if sync.Active && sync.Was {
		var now integrationBody
		if o := s.live[point.Integration]; o != nil {
			if err := o.Decode(&now); err != nil {
				return nil, err
			}
			if now.Status == inactive {
				sync.Active, sync.Idle = false, fmt.Sprintf("%s was deactivated outside; accord apply activates it again", point.Integration)
			}
		}
	}
	if sync.Now, err = s.now(l.crm); err != nil {
		return nil, contractError("read the clock of "+l.crm.addr.String(), err)
	}
	filter, err := s.filter(ctx, l)
	if err != nil {
		return nil, err
	}
	var broken []providers.Diagnostic // field rules
	if point.Name == "clm_country" {
		s.country(l, sync, filter, names)
	} else if broken, err = s.clm(ctx, l, sync, point, filter, names); err != nil {
		return nil, err
	}
	of := scope{Point: l.names.apiName(names.Stem), Title: sync.Title, Source: l.content.id}
	if point.Name == "clm_country" {
		of.Source, of.CRM = 0, l.crm.id
	}
	sync.Exceptions = &providers.End{Instance: sync.Target.Instance, Stream: streamExceptions, Scope: of.raw()}
	if flow := integrationByType(names.Integration).Flow; sync.Active && l.forbidden(flow) != "" {
		sync.Active, sync.Idle = false, "CONN-3: it would move data "+l.forbidden(flow)
	}
	if _, routed := sync.Inputs[inputFilter]; routed {
		sync.Edited = filter.edited
	}
	sync.Needs = s.needs(l, point)
	if sync.Active {
		check := s.preflight(l, point, parent, sync)
		if sync.Engine == providers.EngineAccord {
			check.Known = append(check.Known, broken...)
		}
		if filter.crm != "" && filter.crm != strconv.FormatInt(l.crm.id, 10) {
			other := refused(otherVault(filter.crm, l.crm))
			other.Path = ""
			if filters := s.around.at(l.addr).filters; len(filters) > 0 {
				other.Addr = filters[0]
			}
			check.Known = append(check.Known, other)
		}
		if o := s.live[l.addr]; o != nil {
			var now connectionBody
			if o.Decode(&now) == nil && now.State == connectionPending {
				check.Known = append(check.Known, refused(notEstablished(l.addr, l.names, now.Pending)))
			}
		}
		sync.Requires = &providers.End{Instance: l.crm.addr, Stream: streamPreflight, Scope: scope{Preflight: check}.raw()}
	}
	return sync, nil
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
	inputQueryRule  = "query_rule"
	inputUnapproved = "on_unapproved"
	inputTable      = "table" // of the platform's engine: by which point's records it routes
)

// filterState is the filter of a connection: of its block as it will be, else of
// the vault.
type filterState struct {
	values []string
	crm    string    // vault_crm_id__v as read
	edited time.Time // when it became what it is; zero: it is yet to
}

func (s *syncMaker) filter(ctx context.Context, l *link) (filterState, error) {
	if filters := s.around.at(l.addr).filters; len(filters) > 0 {
		addr := filters[0]
		b, _, err := resource.Ref[countryFilterBody](s.after, addr)
		if err != nil {
			return filterState{}, err
		}
		f := filterState{values: b.Values}
		if o := s.live[addr]; o != nil {
			var now countryFilterBody
			if err := o.Decode(&now); err != nil {
				return f, err
			}
			f.crm = now.VaultCRMID
			if was, _, err := resource.Ref[countryFilterBody](s.before, addr); err == nil && slices.Equal(was.Values, b.Values) {
				f.edited = now.Edited
			}
		}
		if f.values == nil {
			names, err := l.crm.countryNames(ctx)
			if err != nil {
				return f, err
			}
			f.values, _ = names.expand(b)
		}
		return f, nil
	}
	list, err := s.settings(l.crm)
	if err != nil {
		return filterState{}, contractError("read connection settings of "+l.crm.addr.String(), err)
	}
	r, err := settingsOf(list, "clm")
	if err != nil || r == nil {
		return filterState{}, err
	}
	return filterState{values: r.Values, crm: r.CRM, edited: r.Edited}, nil
}

// country is the Country Integration (CTRY-2): countries of the content vault
// whose field holds a value of the filter, as Connection Country records there.
func (s *syncMaker) country(l *link, sync *providers.Sync, filter filterState, names *pointNames) {
	sync.Source = providers.End{Instance: l.content.addr, Stream: streamCountry}
	sync.Target = providers.End{Instance: l.content.addr, Stream: streamConnectionCountry,
		Scope: scope{Point: l.names.apiName(names.Stem), CRM: l.crm.id}.raw()}
	sync.Rules = []providers.Rule{{From: "name__v", To: "name__v"}}
	sync.Route = providers.Route{Values: filter.values}
	sync.Standings = map[string]providers.Meaning{standPresent: providers.Publish, standDeleted: providers.Withdraw}
	sync.Inputs[inputFilter] = digest(filter.values)
	if len(filter.values) == 0 && sync.Active {
		// CTRY-11: never read as "no country": nothing is taken away for it.
		sync.Active, sync.Idle = false, "the country filter is empty"
	}
}

// clm is the CLM Integration, in the point's model (CLM-10). Field rules that do not
// fit the vaults any more are no part of it, and are told.
func (s *syncMaker) clm(ctx context.Context, l *link, sync *providers.Sync, point *pointBody, filter filterState, names *pointNames) (broken []providers.Diagnostic, err error) {
	fitting, err := s.fieldRules(ctx, l)
	if err != nil {
		return nil, err
	}
	rules := fitting.rules
	written, err := s.writtenRules(l)
	if err != nil {
		return nil, err
	}
	for _, r := range rules {
		if r.From != "" {
			sync.Fields = append(sync.Fields, r.From)
		}
	}
	slices.Sort(sync.Fields)
	sync.Fields = slices.Compact(sync.Fields)
	sync.Rules = append(baseRules(), rules...)
	sync.Source = providers.End{Instance: l.content.addr, Stream: streamCLM}
	sync.Groups = &providers.End{Instance: l.content.addr, Stream: streamGroups}
	sync.Target = providers.End{Instance: l.crm.addr, Stream: streamCLMContent}
	if names.Model == modelObject {
		if rules, err = s.rulesOfObjects(ctx, l, rules); err != nil {
			return nil, err
		}
		sync.Rules = append(objectRules(), rules...)
		sync.Target.Stream, sync.AtMost = streamCLMObjects, map[string]int{partSlide: 1}
	}
	sync.Target.Scope = scope{Point: l.names.apiName(names.Stem), Source: l.content.id, Fields: fitting.targets, Refs: fitting.refs}.raw()

	approvedOnly, err := s.approvedOnly(l)
	if err != nil {
		return nil, err
	}
	sync.Variant = variantSteady
	if !approvedOnly {
		sync.Variant = variantLatest
	}
	sync.Standings, sync.Told = clmMeanings(point.OnUnapproved, sync.Variant), clmTold
	sync.Inputs[inputQueryRule] = sync.Variant
	sync.Inputs[inputRules] = digest(written)
	if names.Model == modelObject { // what they fill there follows from its objects
		filled := map[string][]string{}
		for _, r := range rules {
			filled[r.To] = append(filled[r.To], r.Parts...)
		}
		sync.Inputs[inputRules] = digest([]any{written, filled})
	}
	sync.Inputs[inputUnapproved] = point.OnUnapproved

	around := s.around.at(l.addr)
	if sync.Engine == providers.EnginePlatform {
		s.asPlatform(l, sync, around, filter, written)
		return fitting.broken, nil
	}
	switch {
	case l.unfiltered() && len(filter.values) > 0: // CONN-3: from the filter, in memory
		sync.Route.Lookup = &providers.Lookup{End: providers.End{Instance: l.content.addr, Stream: streamCountry}, Values: filter.values}
		sync.Inputs[inputFilter] = digest(filter.values)
	case !l.unfiltered() && len(around.countryPoints) > 0: // CTRY-5
		table := around.countryPoints[0]
		sync.Route.Table = &table
		sync.After = []addrs.Instance{table}
		sync.Inputs[inputFilter] = digest(filter.values)
	default: // CTRY-6
		sync.Route.All = true
	}
	return fitting.broken, nil
}

// asPlatform makes the sync what the platform's own engine will do, as far as
// that is known (INT-7): it knows no mark, and nothing of what only accord keeps
// (values, applies_to, on_unapproved). It is read for a forecast, never written.
func (s *syncMaker) asPlatform(l *link, sync *providers.Sync, around *neighbourhood, filter filterState, written []fieldRuleBody) {
	sync.Target.Stream = streamPlatform
	sync.Standings, sync.Told = clmMeanings("keep", sync.Variant), nil
	delete(sync.Inputs, inputUnapproved)
	for n := range sync.Rules {
		sync.Rules[n].Values, sync.Rules[n].Parts = nil, nil
	}
	for n := range written {
		written[n].Values, written[n].AppliesTo = nil, nil
	}
	sync.Inputs[inputRules] = digest(written)
	switch {
	case !l.unfiltered() && len(around.countryPoints) > 0: // CTRY-5
		table := around.countryPoints[0]
		sync.Route.Table = &table
		sync.After = []addrs.Instance{table}
		sync.Inputs[inputTable] = streamConnectionCountry
		sync.Inputs[inputFilter] = digest(filter.values)
	default: // CTRY-6, and CONN-3: unfiltered
		sync.Route.All = true
		sync.Inputs[inputTable] = ""
	}
}

// clmMeanings is CLM-1. A document that was given another type is no CLM content
// any more (CLM-3), and is withdrawn like one that was deleted. Content past its CRM end date is not published anew
// (CLM-7: not valid), and what is there of it stays: no rule says that it is
// withdrawn, and absence never removes. It is reported as expired. What was
// published while RULE-4 was off and was never approved is not named among what is
// withdrawn either: once the rule is on again it is treated as what left the steady
// state, kept and told of, or withdrawn where on_unapproved says so.
func clmMeanings(onUnapproved, variant string) map[string]providers.Meaning {
	m := map[string]providers.Meaning{
		standApproved:    providers.Publish,
		standUnpublished: providers.Withdraw,
		standObsolete:    providers.Withdraw,
		standDeleted:     providers.Withdraw,
		standRetyped:     providers.Withdraw,
		standExpired:     providers.Keep,
		standDraft:       providers.Keep,
	}
	if variant == variantSteady {
		m[standUnapproved] = providers.Keep
		if onUnapproved == "withdraw" {
			m[standUnapproved] = providers.Withdraw
		}
		m[standInField], m[standNever] = m[standUnapproved], m[standUnapproved]
	}
	return m
}

// clmTold is what is said of a presentation that stays although the source does
// not have it approved any more (CLM-1), as long as that lasts.
var clmTold = map[string]string{
	standInField: "it left the steady state without being made obsolete, and stays published (CLM-1); approve it again, make it obsolete, or set Publish for CRM to No",
	standNever:   "it was never approved, was published while the rule that lets only approved content through was off, and stays published (RULE-4, CLM-1); approve it, or set Publish for CRM to No",
	standMissing: "its source document is not there any more, and no deletion of it is on record, which goes back 30 days: it stays published, since absence never removes",
}

// baseRules are the fields that every item has (CLM-5), whatever field rules
// add.
func baseRules() []providers.Rule {
	rules := []providers.Rule{{From: "global_version_id__sys", To: "version_link__sys"}, {From: "global_id__sys", To: "link__sys"}}
	for _, f := range targetFields {
		if f != "link__sys" && f != "version_link__sys" {
			rules = append(rules, providers.Rule{From: f, To: f})
		}
	}
	return rules
}

// writtenRules are the field rules of a connection as they are written, whatever their
// blocks are called and whether or not they still fit: what a full run follows from
// (RULE-5).
func (s *syncMaker) writtenRules(l *link) ([]fieldRuleBody, error) {
	var list []fieldRuleBody
	for _, addr := range s.types["field_rule"] {
		b, _, err := resource.Ref[fieldRuleBody](s.after, addr)
		if err != nil {
			return nil, err
		}
		if b.Connection == l.addr {
			one := *b
			one.Connection, one.Rule = addrs.Instance{}, ""
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b fieldRuleBody) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Target, b.Target))
	})
	return list, nil
}

// fittingRules are the field rules of a connection as the engine applies them. Those
// whose fields are gone, or do not fit any more, are broken (RULE-3): of their
// connection nothing is run, and all others go on.
type fittingRules struct {
	rules   []providers.Rule
	targets []string // fields that they fill
	refs    []refMap // how references among those are resolved
	broken  []providers.Diagnostic
}

func (s *syncMaker) fieldRules(ctx context.Context, l *link) (*fittingRules, error) {
	f := &fittingRules{}
	for _, addr := range s.types["field_rule"] {
		b, _, err := resource.Ref[fieldRuleBody](s.after, addr)
		if err != nil {
			return nil, err
		}
		if b.Connection != l.addr {
			continue
		}
		misfit, source, target, err := l.misfit(ctx, b)
		if err != nil {
			return nil, err
		}
		if misfit != nil {
			misfit.Addr = addr
			f.broken = append(f.broken, *misfit)
			continue
		}
		rule, err := b.rule(addr, target)
		if err != nil {
			return nil, err
		}
		refers := rule.Reference != nil
		switch most := int(target.MaxLength); {
		case refers:
			s.refers(sourceField{l.content, b.Source}, source.ObjectType)
			rule.Reference.Records = l.crm.references(scope{Object: rule.Reference.Object})
		case target.Type == "Picklist" && target.Picklist != "":
			rule.Reference = l.crm.valueOf(target.Picklist)
		case isText(target.Type) && most > 0 && int(source.MaxLength) > most:
			rule.MaxLength = most
		}
		f.rules = append(f.rules, rule)
		if !slices.Contains(f.targets, b.Target) {
			f.targets = append(f.targets, b.Target)
			if refers {
				f.refs = append(f.refs, refMap{Field: b.Target, Object: rule.Reference.Object, Blank: rule.Reference.NoMatch == "blank"})
			}
		}
	}
	slices.Sort(f.targets)
	return f, nil
}

// misfit is why a rule cannot be applied to the vaults as they are now, nil when it
// can; and its two fields.
func (l *link) misfit(ctx context.Context, b *fieldRuleBody) (wrong *providers.Diagnostic, source, target vaultapi.DocumentField, err error) {
	for _, side := range []struct {
		v    *vault
		name string
		at   addrs.Path
		to   *vaultapi.DocumentField
	}{{l.content, b.Source, "/source", &source}, {l.crm, b.Target, "/target", &target}} {
		*side.to, err = side.v.documentField(ctx, side.name)
		if errors.Is(err, vaultapi.NotFound) {
			return &providers.Diagnostic{Severity: providers.SeverityError, Code: "RULE-3", Path: side.at, Summary: fmt.Sprintf("%s has no document field %s", side.v.addr, side.name),
				Detail: "The field was there when the rule was applied. Create it again, or take the rule out and apply that."}, source, target, nil
		}
		if err != nil {
			return nil, source, target, contractError("read the document fields of "+side.v.addr.String(), err)
		}
	}
	for _, m := range (&fit{source: source, target: target}).check(b) {
		if !m.warning {
			return &providers.Diagnostic{Severity: providers.SeverityError, Code: "RULE-3", Path: m.at, Summary: m.summary, Detail: m.detail}, source, target, nil
		}
	}
	return nil, source, target, nil
}

// valueOf is the reference to a value of a picklist: one that the CRM vault does not
// have is an exception of its item before anything is written (RULE-3).
func (v *vault) valueOf(picklist string) *providers.Reference {
	return &providers.Reference{Picklist: picklist, NoMatch: "exception", Records: v.references(scope{Picklist: picklist})}
}

func (v *vault) references(to scope) providers.End {
	return providers.End{Instance: v.addr, Stream: streamReference, Scope: to.raw()}
}

func (s *syncMaker) refers(field sourceField, object string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.referred[field] = object
}

// refersTo is the object that a reference of a content vault refers to; "": not known.
func (s *syncMaker) refersTo(field sourceField) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.referred[field]
}

// rulesOfObjects are field rules as the object model takes them: for those of its
// objects that have such a field.
func (s *syncMaker) rulesOfObjects(ctx context.Context, l *link, rules []providers.Rule) ([]providers.Rule, error) {
	var out []providers.Rule
	for _, r := range rules {
		fields, err := l.crm.objectFields(ctx, r)
		if err != nil {
			return nil, err
		}
		for _, part := range slices.Sorted(maps.Keys(fields)) {
			one, f := r, fields[part]
			one.Parts = []string{part}
			switch {
			case isText(f.Type):
				one.MaxLength = int(f.MaxLength)
			case f.Type == "Picklist" && f.Picklist != "":
				one.Reference = l.crm.valueOf(f.Picklist)
			}
			one.Single = one.Reference != nil && !bool(f.MultiValue)
			out = append(out, one)
		}
	}
	return out, nil
}

// objectFields are the target fields of a rule in the objects that have one, of the
// same kind, by part.
func (v *vault) objectFields(ctx context.Context, r providers.Rule) (map[string]vaultapi.ObjectField, error) {
	document, err := v.documentField(ctx, r.To)
	if errors.Is(err, vaultapi.NotFound) {
		return nil, nil // RULE-3 has said so
	}
	if err != nil {
		return nil, contractError("read the document fields of "+v.addr.String(), err)
	}
	fields := map[string]vaultapi.ObjectField{}
	for _, part := range []string{partShared, partSlide, partPresentation} {
		o, err := v.object(ctx, objectOfPart[part])
		if err != nil {
			return nil, contractError("read the object "+objectOfPart[part]+" of "+v.addr.String(), err)
		}
		f, err := o.Field(r.To)
		if err != nil || documentTypeOf(f) != document.Type || f.Object.Name != document.ObjectType || len(r.Parts) > 0 && !slices.Contains(r.Parts, part) {
			continue
		}
		fields[part] = f
	}
	return fields, nil
}

// approvedOnly is RULE-4: of the block as it will be; of the vault, where no
// block manages the rule.
func (s *syncMaker) approvedOnly(l *link) (bool, error) {
	for _, addr := range s.around.at(l.addr).queryRules {
		b, _, err := resource.Ref[queryRuleBody](s.after, addr)
		return err == nil && b.Status == active, err
	}
	if l.crm.environment != sandbox {
		return true, nil
	}
	for addr := range s.before.Refs { // taken out of the configuration: it becomes active
		if b, _, err := resource.Ref[queryRuleBody](s.before, addr); s.before.Refs[addr].Type == "query_rule" && err == nil && b.Connection == l.addr {
			return true, nil
		}
	}
	r, err := s.rules(l)
	if err != nil {
		return false, err
	}
	q := r.approvedOnly()
	return q == nil || bool(q.Active), nil
}

// needs are the objects that must be as planned before a sync runs: those that
// it follows from, and those that it followed from until now.
func (s *syncMaker) needs(l *link, point *pointBody) []addrs.Instance {
	needs := []addrs.Instance{l.addr, point.Integration}
	for _, index := range []neighbourIndex{s.around, s.was} {
		around := index.at(l.addr)
		needs = append(needs, around.filters...)
		if movesCLM(point.Name) {
			needs = slices.Concat(needs, around.queryRules, around.countryPoints, around.countryParents, around.fieldRules)
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
