package vault

import (
	"slices"
	"strings"
	"testing"

	"accord/providers"
)

// INT-3: a point runs under an active integration only. CTRY-12: its run needs
// all that routes its content to be as planned.
func TestSyncFollowsFromWhatStandsAround(t *testing.T) {
	t.Parallel()
	w := oneCRM(t)
	c := w.crms(map[string][]string{"a": {"United States"}})
	c.apply()
	clm := func() providers.Sync { return c.syncs()[`integration_point.clm_presentation["a"]`] }
	s := clm()
	if !s.Active || !s.Was {
		t.Errorf("active %v, was %v: %s", s.Active, s.Was, s.Idle)
	}
	var needs []string
	for _, addr := range s.Needs {
		needs = append(needs, addr.String())
	}
	for _, want := range []string{`connection.crm["a"]`, `integration.clm["a"]`, `country_filter.crm["a"]`, `integration.country["a"]`, `integration_point.clm_country["a"]`, `query_rule.approved_only["a"]`} {
		if !slices.Contains(needs, want) {
			t.Errorf("it does not need %s, but %v", want, needs)
		}
	}
	at := slices.IndexFunc(c.objects, func(o providers.Object) bool { return o.Addr == keyed("integration", "clm", "a") })
	c.objects[at] = w.object(c.objects[at].Addr, map[string]any{"connection": `connection.crm["a"]`, "type": "clm", "status": "inactive"})
	c.apply()
	if s := clm(); s.Active || s.Was || !strings.Contains(s.Idle, "INT-3") {
		t.Errorf("INT-3: active %v, was %v: %s", s.Active, s.Was, s.Idle)
	}
}
