package vault

import (
	"context"
	"slices"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/resource"
)

// clm is the CLM Integration, in the point's model (CLM-10). Field rules that do not
// fit the vaults any more are no part of it, and are told.
func (s *syncMaker) clm(ctx context.Context, p *syncPoint, sync *providers.Sync, filter filterState) (broken []providers.Diagnostic, err error) {
	l := p.link
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
	if p.names.Model == modelObject {
		if rules, err = s.rulesOfObjects(ctx, l, rules); err != nil {
			return nil, err
		}
		sync.Rules = append(objectRules(), rules...)
		sync.Target.Stream, sync.AtMost = streamCLMObjects, map[string]int{partSlide: 1}
	}
	sync.Target.Scope = scope{Point: p.apiName(), Source: l.content.id, Fields: fitting.targets, Refs: fitting.refs}.raw()

	approvedOnly, err := s.approvedOnly(l)
	if err != nil {
		return nil, err
	}
	sync.Variant = variantSteady
	if !approvedOnly {
		sync.Variant = variantLatest
	}
	sync.Standings, sync.Told = clmMeanings(p.body.unapproved(), sync.Variant), clmTold
	sync.Inputs[inputQueryRule] = sync.Variant
	sync.Inputs[inputRules] = digest(written)
	if p.names.Model == modelObject { // what they fill there follows from its objects
		filled := map[string][]string{}
		for _, r := range rules {
			filled[r.To] = append(filled[r.To], r.Parts...)
		}
		sync.Inputs[inputRules] = digest([]any{written, filled})
	}
	sync.Inputs[inputUnapproved] = p.body.unapproved()

	around := s.around.at(l.addr)
	elsewhere, err := s.countryElsewhere(l)
	if err != nil {
		return nil, err
	}
	if elsewhere { // CTRY-5: by the records that are there
		sync.Route.Lookup = &providers.Lookup{End: providers.End{Instance: l.content.addr, Stream: streamConnectionCountry, Scope: scope{CRM: l.crm.id}.raw()}}
	}
	if sync.Engine == providers.EnginePlatform {
		s.asPlatform(l, sync, around, filter, written)
		filter.narrow(l, sync)
		return fitting.broken, nil
	}
	switch {
	case elsewhere:
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
	filter.narrow(l, sync)
	return fitting.broken, nil
}

// narrow has a sync take of the Connection Country records those alone that are kept for
// its own feature: there is one set for all of them (CTRY-2).
func (f *filterState) narrow(l *link, sync *providers.Sync) {
	shared := sync.Route.Table != nil || sync.Route.Lookup != nil && sync.Route.Lookup.End.Stream == streamConnectionCountry
	foreign := func(v string) bool { return !slices.Contains(f.values, v) }
	if shared && slices.ContainsFunc(f.others, foreign) {
		sync.Route.Within = &providers.Lookup{End: providers.End{Instance: l.content.addr, Stream: streamCountry}, Values: f.values}
		f.mustHold(sync)
	}
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
	case sync.Route.Lookup != nil:
		sync.Inputs[inputTable] = streamConnectionCountry
	default: // CTRY-6, and CONN-3: unfiltered
		sync.Route.All = true
		sync.Inputs[inputTable] = ""
	}
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

// clmMeanings is CLM-1.
//
// A document that was given another type is no CLM content any more (CLM-3), and is
// withdrawn like one that was deleted. Content past its CRM end date is not published
// anew (CLM-7: not valid), and what is there of it stays, reported as expired: no rule
// says that it is withdrawn. Nor does one of what was published while RULE-4 was off and
// never approved: with the rule on again it counts as what left the steady state, kept
// and told of, or withdrawn where on_unapproved says so.
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
