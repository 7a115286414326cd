package vault

import (
	"slices"

	"accord/lang/addrs"
	"accord/providers/resource"
)

// neighbourhood is what stands on one connection, beside what refers to what.
type neighbourhood struct {
	filters       []addrs.Instance // country filters, feature clm
	otherFilters  []addrs.Instance // of other features
	country       []addrs.Instance // the Country Integration, whatever its status
	countryPoints []addrs.Instance // points of it that will be active, with the integration
	queryRules    []addrs.Instance
	fieldRules    []addrs.Instance
	points        []addrs.Instance
}

// neighbours indexes all objects of a request by their connection.
func neighbours(env *resource.Env) neighbourIndex {
	index := neighbourIndex{}
	for addr := range env.Refs {
		switch env.Refs[addr].Type {
		case "country_filter":
			if b, _, err := resource.Ref[countryFilterBody](env, addr); err == nil {
				list := index.made(b.Connection).own()
				if b.Feature != featureCLM {
					list = index.made(b.Connection).others()
				}
				*list = append(*list, addr)
			}
		case "integration":
			if b, _, err := resource.Ref[integrationBody](env, addr); err == nil && b.Type == "country" {
				at := index.made(b.Connection)
				at.country = append(at.country, addr)
			}
		case "query_rule":
			if b, _, err := resource.Ref[queryRuleBody](env, addr); err == nil {
				at := index.made(b.Connection)
				at.queryRules = append(at.queryRules, addr)
			}
		case "field_rule":
			if b, _, err := resource.Ref[fieldRuleBody](env, addr); err == nil {
				at := index.made(b.Connection)
				at.fieldRules = append(at.fieldRules, addr)
			}
		case "integration_point":
			b, _, err := resource.Ref[pointBody](env, addr)
			if err != nil {
				continue
			}
			parent, _, err := resource.Ref[integrationBody](env, b.Integration)
			if err != nil {
				continue
			}
			at := index.made(parent.Connection)
			at.points = append(at.points, addr)
			if b.Name == "clm_country" && b.Status == active && parent.Status == active {
				at.countryPoints = append(at.countryPoints, addr)
			}
		}
	}
	index.share(env)
	for _, at := range index {
		for _, list := range []*[]addrs.Instance{&at.filters, &at.otherFilters, &at.country, &at.countryPoints, &at.queryRules, &at.fieldRules, &at.points} {
			slices.SortFunc(*list, addrs.Instance.Compare)
		}
	}
	return index
}

// own are the filters for what runs move, and others those of other features.
func (n *neighbourhood) own() *[]addrs.Instance    { return &n.filters }
func (n *neighbourhood) others() *[]addrs.Instance { return &n.otherFilters }

type neighbourIndex map[addrs.Instance]*neighbourhood

// at is what stands on a connection. It is to be read.
func (x neighbourIndex) at(connection addrs.Instance) *neighbourhood {
	if at := x[connection]; at != nil {
		return at
	}
	return &neighbourhood{}
}

func (x neighbourIndex) made(connection addrs.Instance) *neighbourhood {
	if x[connection] == nil {
		x[connection] = &neighbourhood{}
	}
	return x[connection]
}

// share gives all connections of a CRM vault its filters: it has one for a
// feature, whichever connection the block names.
func (x neighbourIndex) share(env *resource.Env) {
	of := map[addrs.Instance][]addrs.Instance{} // CRM vault → connections
	for addr := range env.Refs {
		if env.Refs[addr].Type != "connection" {
			continue
		}
		if b, _, err := resource.Ref[connectionBody](env, addr); err == nil {
			of[b.CRM] = append(of[b.CRM], addr)
		}
	}
	for _, connections := range of {
		for _, list := range []func(*neighbourhood) *[]addrs.Instance{(*neighbourhood).own, (*neighbourhood).others} {
			var filters []addrs.Instance
			for _, c := range connections {
				filters = append(filters, *list(x.at(c))...)
			}
			if len(connections) > 1 && len(filters) > 0 {
				for _, c := range connections {
					*list(x.made(c)) = slices.Clone(filters)
				}
			}
		}
	}
}
