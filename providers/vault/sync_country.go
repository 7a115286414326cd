package vault

import (
	"context"
	"slices"
	"time"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/resource"
)

// country is the Country Integration (CTRY-2): countries of the content vault
// whose field holds a value of the filter, as Connection Country records there. There
// is one set of these for all features, and so it is kept for their union.
func (s *syncMaker) country(p *syncPoint, sync *providers.Sync, filter filterState) {
	l := p.link
	sync.Source = providers.End{Instance: l.content.addr, Stream: streamCountry}
	sync.Target = providers.End{Instance: l.content.addr, Stream: streamConnectionCountry,
		Scope: scope{Point: p.apiName(), CRM: l.crm.id}.raw()}
	sync.Rules = []providers.Rule{{From: "name__v", To: "name__v"}}
	union := slices.Concat(filter.values, filter.others)
	slices.Sort(union)
	union = slices.Compact(union)
	sync.Route = providers.Route{Values: union}
	sync.Standings = map[string]providers.Meaning{standPresent: providers.Publish, standDeleted: providers.Withdraw}
	sync.Inputs[inputFilter] = digest(union)
	filter.mustHold(sync)
}

// mustHold keeps a sync from running by an empty filter, which is never read as "no
// country": nothing is taken away for it (CTRY-11).
func (f *filterState) mustHold(sync *providers.Sync) {
	if len(f.values) == 0 && sync.Active {
		sync.Active, sync.Idle = false, "the country filter is empty"
	}
}

// filterState is the filter of a connection: of its block as it will be, else of
// the vault.
type filterState struct {
	values []string
	others []string  // values of the filters for other features (CTRY-2)
	crm    string    // vault_crm_id__v as read
	edited time.Time // when it became what it is; zero: it is yet to
}

func (s *syncMaker) filter(ctx context.Context, l *link) (filterState, error) {
	f, err := s.filterOfCLM(ctx, l)
	if err != nil {
		return f, err
	}
	f.others, err = s.otherValues(ctx, l)
	return f, err
}

// otherValues are those of the filters for other features: of their blocks as they will
// be, else of the vault.
func (s *syncMaker) otherValues(ctx context.Context, l *link) (values []string, err error) {
	managed := map[string]bool{featureCLM: true}
	for _, addr := range s.around.at(l.addr).otherFilters {
		b, _, err := resource.Ref[countryFilterBody](s.after, addr)
		if err != nil {
			return nil, err
		}
		of, err := l.valuesOf(ctx, b)
		if err != nil {
			return nil, err
		}
		managed[b.Feature], values = true, append(values, of...)
	}
	list, read := l.crm.filters.get(objSettings) // with the filter for CLM
	if !read {
		if list, err = s.settings(l.crm); err != nil {
			return nil, contractError("read connection settings of "+l.crm.addr.String(), err)
		}
	}
	for _, f := range features {
		if managed[f.Name] {
			continue
		}
		if r, err := settingsOf(list, f.Name); err == nil && r != nil {
			values = append(values, r.Values...)
		}
	}
	return values, nil
}

// valuesOf are the countries of a filter as it will be.
func (l *link) valuesOf(ctx context.Context, b *countryFilterBody) ([]string, error) {
	if b.Values != nil {
		return b.Values, nil
	}
	names, err := l.crm.countryNames(ctx)
	if err != nil {
		return nil, err
	}
	values, _ := names.expand(b)
	return values, nil
}

func (s *syncMaker) filterOfCLM(ctx context.Context, l *link) (filterState, error) {
	if filters := s.around.at(l.addr).filters; len(filters) > 0 {
		addr := filters[0]
		b, _, err := resource.Ref[countryFilterBody](s.after, addr)
		if err != nil {
			return filterState{}, err
		}
		f := filterState{}
		if f.values, err = l.valuesOf(ctx, b); err != nil {
			return f, err
		}
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
		return f, nil
	}
	list, err := s.settings(l.crm)
	if err != nil {
		return filterState{}, contractError("read connection settings of "+l.crm.addr.String(), err)
	}
	r, err := settingsOf(list, featureCLM)
	if err != nil || r == nil {
		return filterState{}, err
	}
	return filterState{values: r.Values, crm: r.CRM, edited: r.Edited}, nil
}

// countryElsewhere reports whether the Country Integration of a connection is active
// in its CRM vault though no block says so: nobody here manages its point, and
// somebody has activated both.
func (s *syncMaker) countryElsewhere(l *link) (bool, error) {
	if l.unfiltered() || s.managesCountry(l.addr) {
		return false, nil
	}
	points, err := s.points(l.crm)
	if err != nil {
		return false, contractError("read integration points of "+l.crm.addr.String(), err)
	}
	point, integration := pointByName("clm_country"), integrationByType("country")
	if r := findRecord(points, l.names.apiName(point.Stem), l.names.label(point.Label)); r == nil || !r.Active {
		return false, nil
	}
	list, err := s.integrations(l.crm)
	if err != nil {
		return false, contractError("read integrations of "+l.crm.addr.String(), err)
	}
	r := findRecord(list, l.names.apiName(integration.Stem), l.names.label(integration.Label))
	return r != nil && r.Active, nil
}

// managesCountry reports whether the point of a Country Integration, or its
// integration, is under code and decides: the point whatever its status, the
// integration where it is inactive; either where it is deactivated, since it is not
// under code any more.
func (s *syncMaker) managesCountry(connection addrs.Instance) bool {
	will, was := s.around.at(connection), s.was.at(connection)
	isPoint := func(env *resource.Env) func(addrs.Instance) bool {
		return func(addr addrs.Instance) bool {
			b, _, err := resource.Ref[pointBody](env, addr)
			return err == nil && b.Name == "clm_country"
		}
	}
	if slices.ContainsFunc(will.points, isPoint(s.after)) || slices.ContainsFunc(was.points, isPoint(s.before)) {
		return true
	}
	for _, addr := range will.country {
		if b, _, err := resource.Ref[integrationBody](s.after, addr); err == nil && b.Status == inactive {
			return true
		}
	}
	return len(will.country) == 0 && len(was.country) > 0
}
