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
	around := neighbours(env)
	advice := slices.Concat(adviseUnfiltered(env, objects, around), adviseIdleFilters(env, around), adviseModels(env, objects))
	slices.SortFunc(advice, func(a, b providers.Diagnostic) int { return a.Addr.Compare(b.Addr) })
	return advice
}

// adviseUnfiltered is CTRY-9 of CRM vaults that have no filter, on a content vault
// that serves several.
func adviseUnfiltered(env *resource.Env, objects []providers.Object, around neighbourIndex) (advice []providers.Diagnostic) {
	connections := map[addrs.Instance][]addrs.Instance{} // by content vault
	served := map[addrs.Instance]map[addrs.Instance]bool{}
	for _, o := range objects {
		if o.Type != "connection" {
			continue
		}
		b, _, err := resource.Ref[connectionBody](env, o.Addr)
		if err != nil {
			continue
		}
		connections[b.Content] = append(connections[b.Content], o.Addr)
		if served[b.Content] == nil {
			served[b.Content] = map[addrs.Instance]bool{}
		}
		served[b.Content][b.CRM] = true
	}
	for content, crms := range served {
		for _, c := range connections[content] {
			if len(crms) < 2 || len(around.at(c).filters) > 0 {
				continue
			}
			what := "It receives all content."
			switch at := around.at(c); {
			case len(at.countryPoints) > 0:
				what = "It receives what the filter in the vault lets through, of which the files say nothing."
			case !deactivatesCountry(env, at):
				what = "It receives all content, unless the Country Integration is active in the vault, of which the files say nothing."
			}
			advice = append(advice, filterAdvice(c, fmt.Sprintf("%s serves %d CRM vaults, and this one has no country filter", content, len(crms)),
				what+" Where a content vault serves several CRM vaults, the Country Integration should always be enabled, with a country_filter for each."))
		}
	}
	return advice
}

// deactivatesCountry reports whether the files say that a Country Integration is not
// active. Where they say nothing of it, the vault's own word holds (CTRY-5).
func deactivatesCountry(env *resource.Env, at *neighbourhood) bool {
	return slices.ContainsFunc(at.country, func(addr addrs.Instance) bool {
		b, _, err := resource.Ref[integrationBody](env, addr)
		return err == nil && b.Status == inactive
	}) || slices.ContainsFunc(at.points, func(addr addrs.Instance) bool {
		b, _, err := resource.Ref[pointBody](env, addr)
		return err == nil && b.Name == "clm_country" && b.Status == inactive
	})
}

// adviseIdleFilters is CTRY-9 of filters without an active Country Integration.
func adviseIdleFilters(env *resource.Env, around neighbourIndex) (advice []providers.Diagnostic) {
	routes, idle := map[addrs.Instance]bool{}, map[addrs.Instance][]addrs.Instance{} // by filter
	for _, c := range slices.SortedFunc(maps.Keys(around), addrs.Instance.Compare) {
		at := around[c]
		moves := slices.ContainsFunc(at.points, func(addr addrs.Instance) bool { return movesContent(env, addr) })
		for _, filter := range at.filters {
			b, _, err := resource.Ref[countryFilterBody](env, filter)
			switch {
			case len(at.countryPoints) > 0, !crmMayWrite(env, c):
				routes[filter] = true
			case moves, err == nil && b.Connection == c:
				idle[filter] = append(idle[filter], c)
			}
		}
	}
	for filter, connections := range idle {
		summary := "The filter has no effect"
		if routes[filter] {
			summary += fmt.Sprintf(" on what comes by %s", listedAddrs(connections))
		}
		detail := fmt.Sprintf("No block activates the Country Integration of %s and its point clm_country.", listedAddrs(connections))
		if slices.ContainsFunc(connections, func(c addrs.Instance) bool { return !deactivatesCountry(env, around[c]) }) {
			summary += " unless the Country Integration is active in the vault"
			detail += " Where it is all the same, an edit of the filter publishes and withdraws content that no plan of these files counts."
		}
		advice = append(advice, filterAdvice(filter, summary, detail))
	}
	return advice
}

func filterAdvice(addr addrs.Instance, summary, detail string) providers.Diagnostic {
	return providers.Diagnostic{Severity: providers.SeverityWarning, Code: "CTRY-9", Addr: addr, Summary: summary, Detail: detail}
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
