package ledger

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/lang/addrs"
	"accord/providers"
	"accord/state"
)

var (
	now   = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	us    = addrs.NewKeyed("integration_point", "clm", "us")
	crm   = addrs.NewKeyed("vault", "crm", "us")
	promo = addrs.New("vault", "promomats")
	rule  = addrs.New("field_rule", "brand")
)

func sample() *Ledger {
	l := New(now, []providers.Sync{{Addr: us, Title: "CLM", Engine: "accord", Source: providers.End{Instance: promo}, Target: providers.End{Instance: crm},
		Exceptions: &providers.End{Instance: crm, Stream: "exceptions"}}})
	l.Journal(state.Exception{Sync: us, Part: "slide", Key: "2", Title: "Dosing", Kind: "invalid", Message: "too long", Cause: rule, FirstSeen: now.Add(-time.Hour), LastSeen: now, Attempts: 3})
	l.Journal(state.Exception{Sync: us, Part: "presentation", Key: "1", Title: "Launch", Kind: "exception", Message: "a slide is obsolete", FirstSeen: now.Add(-2 * time.Hour), LastSeen: now.Add(-time.Minute), Attempts: 1,
		Groups: map[string]string{"country": "Canada, Korea, Republic of, United States", "product": "Cholecap"}, Ack: &state.Ack{Owner: "Ana", Until: now.Add(time.Hour)}})
	l.Vault(us, providers.Exception{ID: "V1T1", Part: "slide", Key: "2", Title: "Dosing", Kind: "invalid", Message: "too l…", Own: true, At: now.Add(-time.Hour)})
	l.Vault(us, providers.Exception{ID: "V1M7", Title: "Exception of PromoMats-CRM", Message: "no such field", General: true, At: now})
	return l
}

// ERR-4: one line for each exception, whoever tells of it.
func TestJoin(t *testing.T) {
	var got []string
	for _, e := range sample().Entries() {
		got = append(got, e.Type+" "+e.Title+" "+e.Record+" "+string(e.Class)+" "+e.Message)
	}
	want := []string{
		"message Exception of PromoMats-CRM V1M7 configuration no such field",
		"item Launch  document a slide is obsolete",
		"item Dosing V1T1 configuration too long",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("entries (-want +got)\n%s", diff)
	}
}

// INT-7: of what the platform's engine moves the vault alone knows what is open. What
// it has settled is settled, whoever acknowledged it; a run that gave up is not its.
func TestPlatformTellsAll(t *testing.T) {
	l := New(now, []providers.Sync{{Addr: us, Title: "CLM", Engine: providers.EnginePlatform, Exceptions: &providers.End{Instance: crm, Stream: "exceptions"}}})
	l.Journal(state.Exception{Sync: us, Key: "7", Title: "Settled", Kind: "exception", Ack: &state.Ack{Owner: "Ana"}})
	l.Journal(state.Exception{Sync: us, Key: "exception V1M1", Title: "Deactivated", Kind: "exception", Type: state.Message})
	l.Journal(state.Exception{Sync: us, Key: "8", Title: "Open", Kind: "exception"})
	l.Journal(state.Exception{Sync: us, Key: "transient", Title: "Gave up", Kind: "transient", Type: state.Message})
	l.Vault(us, providers.Exception{ID: "V1T8", Key: "8", Title: "Open"})
	l.Vault(us, providers.Exception{ID: "V1T9", Title: "Of nothing"})
	l.Whole(us)
	var got []string
	for _, e := range l.Entries() {
		got = append(got, fmt.Sprint(e.Title, " ", e.Unnamed()))
	}
	if diff := cmp.Diff([]string{"Gave up false", "Open false", "Of nothing true"}, got); diff != "" {
		t.Errorf("entries (-want +got)\n%s", diff)
	}
}

func TestClassOf(t *testing.T) {
	for _, test := range []struct {
		kind            string
		general, caused bool
		want            Class
	}{
		{"transient", true, false, Wait},
		{"throttled", false, true, Wait},
		{"held", false, false, Wait},
		{"internal", true, false, Wait},
		{"permission", false, false, Configuration},
		{"access", true, false, Configuration},
		{"refused", true, false, Configuration},
		{"invalid", true, false, Configuration},
		{"invalid", false, true, Configuration},
		{"invalid", false, false, Document},
		{"exception", false, false, Document},
		{"not_found", false, false, Document},
	} {
		if got := ClassOf(test.kind, test.general, test.caused); got != test.want {
			t.Errorf("%s, general %t, caused %t: %s, want %s", test.kind, test.general, test.caused, got, test.want)
		}
	}
}

func TestFilter(t *testing.T) {
	all := sample().Entries()
	yes, no := true, false
	for name, test := range map[string]struct {
		filter Filter
		want   []string
	}{
		"everything":      {Filter{}, []string{"Exception of PromoMats-CRM", "Launch", "Dosing"}},
		"by class":        {Filter{Classes: []Class{Document}}, []string{"Launch"}},
		"by country":      {Filter{Countries: []string{"united states"}}, []string{"Launch"}},
		"by part of one":  {Filter{Countries: []string{"united"}}, nil},
		"by a comma":      {Filter{Countries: []string{"Korea, Republic of"}}, []string{"Launch"}},
		"so, and known":   {Filter{Countries: []string{"korea, Republic of"}, Commas: []string{"Korea, Republic of"}}, []string{"Launch"}},
		"before a comma":  {Filter{Countries: []string{"Korea"}, Commas: []string{"Korea, Republic of"}}, nil},
		"after a comma":   {Filter{Countries: []string{"Republic of"}, Commas: []string{"Korea, Republic of"}}, nil},
		"beside a comma":  {Filter{Countries: []string{"United States"}, Commas: []string{"Korea, Republic of"}}, []string{"Launch"}},
		"by product":      {Filter{Products: []string{"Cholecap"}}, []string{"Launch"}},
		"by time":         {Filter{Since: now}, []string{"Exception of PromoMats-CRM", "Dosing"}},
		"by source":       {Filter{Vaults: []addrs.Instance{promo}}, []string{"Exception of PromoMats-CRM", "Launch", "Dosing"}},
		"by other vault":  {Filter{Vaults: []addrs.Instance{addrs.NewKeyed("vault", "crm", "ca")}}, nil},
		"by block":        {Filter{Points: []addrs.Instance{addrs.New("integration_point", "clm")}}, []string{"Exception of PromoMats-CRM", "Launch", "Dosing"}},
		"by other point":  {Filter{Points: []addrs.Instance{addrs.New("integration_point", "country")}}, nil},
		"acknowledged":    {Filter{Known: &yes}, []string{"Launch"}},
		"unacknowledged":  {Filter{Known: &no}, []string{"Exception of PromoMats-CRM", "Dosing"}},
		"by type":         {Filter{Types: []string{Message}}, []string{"Exception of PromoMats-CRM"}},
		"by id":           {Filter{IDs: []string{all[1].ID[:6]}}, []string{"Launch"}},
		"by id and class": {Filter{IDs: []string{all[1].ID}, Classes: []Class{Wait}}, nil},
	} {
		picked, err := test.filter.Pick(all)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		var got []string
		for _, e := range picked {
			got = append(got, e.Title)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
	for _, id := range []string{"zzzz", ""} {
		if _, err := (&Filter{IDs: []string{id}}).Pick(all[:1]); err == nil {
			t.Errorf("id %q is accepted", id)
		}
	}
}
