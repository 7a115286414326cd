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
// whose field holds a value of the filter, as Connection Country records there.
func (s *syncMaker) country(p *syncPoint, sync *providers.Sync, filter filterState) {
	l := p.link
	sync.Source = providers.End{Instance: l.content.addr, Stream: streamCountry}
	sync.Target = providers.End{Instance: l.content.addr, Stream: streamConnectionCountry,
		Scope: scope{Point: p.apiName(), CRM: l.crm.id}.raw()}
	sync.Rules = []providers.Rule{{From: "name__v", To: "name__v"}}
	sync.Route = providers.Route{Values: filter.values}
	sync.Standings = map[string]providers.Meaning{standPresent: providers.Publish, standDeleted: providers.Withdraw}
	sync.Inputs[inputFilter] = digest(filter.values)
	if len(filter.values) == 0 && sync.Active {
		// CTRY-11: never read as "no country": nothing is taken away for it.
		sync.Active, sync.Idle = false, "the country filter is empty"
	}
}

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
