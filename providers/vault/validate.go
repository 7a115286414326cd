package vault

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/resource"
)

// validateAll is the advice that looks across types and needs no vault
// (CTRY-9, CLM-10).
func validateAll(env *resource.Env, objects []providers.Object) []providers.Diagnostic {
	filtered := map[addrs.Instance]bool{}           // by connection
	serves := map[addrs.Instance][]addrs.Instance{} // content vault → connections
	filterOf := map[addrs.Instance]addrs.Instance{}
	for _, o := range objects {
		switch o.Type {
		case "country_filter":
			if b, _, err := resource.Ref[countryFilterBody](env, o.Addr); err == nil && b.Feature == "clm" {
				filtered[b.Connection] = true
				filterOf[b.Connection] = o.Addr
			}
		case "connection":
			if b, _, err := resource.Ref[connectionBody](env, o.Addr); err == nil {
				serves[b.Content] = append(serves[b.Content], o.Addr)
			}
		}
	}
	for _, o := range objects { // a CRM vault has one filter, for all its connections
		c, _, err := resource.Ref[connectionBody](env, o.Addr)
		if o.Type != "connection" || err != nil || filtered[o.Addr] {
			continue
		}
		filtered[o.Addr] = slices.ContainsFunc(slices.Collect(maps.Keys(filterOf)), func(other addrs.Instance) bool {
			b, _, err := resource.Ref[connectionBody](env, other)
			return err == nil && b.CRM == c.CRM
		})
	}
	var out []providers.Diagnostic
	warn := func(addr addrs.Instance, summary, detail string) {
		out = append(out, providers.Diagnostic{Severity: providers.SeverityWarning, Code: "CTRY-9", Addr: addr, Summary: summary, Detail: detail})
	}
	for content, list := range serves {
		served := map[addrs.Instance]bool{} // CRM vaults
		for _, c := range list {
			if b, _, err := resource.Ref[connectionBody](env, c); err == nil {
				served[b.CRM] = true
			}
		}
		if len(served) < 2 {
			continue
		}
		for _, c := range list {
			if !filtered[c] {
				warn(c, fmt.Sprintf("%s serves %d CRM vaults, and this one has no country filter", content, len(served)),
					"It receives all content. Where a content vault serves several CRM vaults, the Country Integration should always be enabled, with a country_filter for each.")
			}
		}
	}
	around := neighbours(env)
	routes, idle := map[addrs.Instance]bool{}, map[addrs.Instance][]addrs.Instance{} // by filter
	for _, c := range slices.SortedFunc(maps.Keys(around), addrs.Instance.Compare) {
		for _, filter := range around[c].filters {
			switch {
			case around[c].countryActive, !crmMayWrite(env, c):
				routes[filter] = true
			case filterOf[c] == filter, slices.ContainsFunc(around[c].points, func(addr addrs.Instance) bool { return movesContent(env, addr) }):
				idle[filter] = append(idle[filter], c)
			}
		}
	}
	for filter, connections := range idle {
		summary := "The filter has no effect"
		if routes[filter] {
			summary += fmt.Sprintf(" on what comes by %s", listedAddrs(connections))
		}
		warn(filter, summary, fmt.Sprintf("No block activates the Country Integration of %s and its point clm_country.", listedAddrs(connections)))
	}
	out = append(out, adviseModels(env, objects)...)
	slices.SortFunc(out, func(a, b providers.Diagnostic) int { return a.Addr.Compare(b.Addr) })
	return out
}

// crmMayWrite reports whether, as far as is declared, a connection's CRM vault
// may write into its content vault (CONN-3): where it may not, accord's own
// engine keeps to the filter without a Country Integration.
func crmMayWrite(env *resource.Env, connection addrs.Instance) bool {
	return declaredForbidden(env, connection, "content") == ""
}

// declaredForbidden is link.forbidden as far as is declared; "" where that is not
// known.
func declaredForbidden(env *resource.Env, connection addrs.Instance, direction string) string {
	b, _, err := resource.Ref[connectionBody](env, connection)
	if err != nil {
		return ""
	}
	l := &link{}
	for addr, v := range map[addrs.Instance]**vault{b.Content: &l.content, b.CRM: &l.crm} {
		body, _, err := resource.Ref[instanceBody](env, addr)
		if err != nil || body.Environment == "" {
			return ""
		}
		*v = &vault{addr: addr, environment: body.Environment}
	}
	if l.content == nil || l.crm == nil {
		return ""
	}
	return l.forbidden(direction)
}

// movesContent reports whether a point moves CLM content: active, as its integration
// is (INT-3).
func movesContent(env *resource.Env, point addrs.Instance) bool {
	b, _, err := resource.Ref[pointBody](env, point)
	if err != nil || b.Status != active || !movesCLM(b.Name) {
		return false
	}
	parent, _, err := resource.Ref[integrationBody](env, b.Integration)
	return err == nil && parent.Status == active
}

func listedAddrs(list []addrs.Instance) string {
	names := make([]string, len(list))
	for n, addr := range list {
		names[n] = addr.String()
	}
	return strings.Join(names, " and ")
}
