package vault

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord/lang/addrs"
	"accord/providers"
)

// CLM-10: a profile is named by its external id or its name, has its content
// from one model, and is never guessed.
func TestMultichannelSettings(t *testing.T) {
	t.Parallel()
	w := oneCRM(t)
	w.load("crm-a", `{"record": "application_profile__v", "key": "sales_rep__c", "fields": {"name__v": "Sales rep"}}
{"record": "application_profile__v", "key": "msl_eu__c", "fields": {"name__v": "MSL"}}
{"record": "application_profile__v", "key": "msl_us__c", "fields": {"name__v": "MSL"}}`)
	settings := func(name, vault, profile, model string) providers.Object {
		return w.object(addrs.New("multichannel_settings", name), map[string]any{"vault": vault, "application_profile": profile, "clm_content": model})
	}
	const crm = `vault.crm["a"]`
	for name, c := range map[string]struct {
		objects []providers.Object
		want    string // the summary of the first error; "": none
	}{
		"by its external id": {[]providers.Object{settings("x", crm, "sales_rep__c", "object")}, ""},
		"by its name":        {[]providers.Object{settings("x", crm, "Sales rep", "object")}, ""},
		"of several":         {[]providers.Object{settings("x", crm, "msl_us__c", "object")}, ""},
		"unknown":            {[]providers.Object{settings("x", crm, "sales_reps__c", "object")}, `There is no application profile "sales_reps__c" in vault.crm["a"]; did you mean "sales_rep__c"?`},
		"twice":              {[]providers.Object{settings("x", crm, "sales_rep__c", "object"), settings("y", crm, "sales_rep__c", "document")}, "are the settings of one application profile"},
		"of a content vault": {[]providers.Object{settings("x", "vault.promomats", "sales_rep__c", "object")}, "vault.promomats is a promomats vault"},
	} {
		problems := w.p.Validate(t.Context(), append(append([]providers.Object{}, w.vaults...), c.objects...))
		if len(c.objects) == 1 && !strings.Contains(c.want, "promomats") {
			for n, r := range w.p.Plan(t.Context(), providers.PlanRequest{Items: []providers.PlanItem{{Addr: c.objects[0].Addr, Desired: &c.objects[0]}}, Refs: w.config(c.objects...).refs()}) {
				problems = append(problems, r.Diagnostics...)
				if c.want == "" && len(r.Consequences) == 0 {
					t.Errorf("%s: item %d says nothing of what follows", name, n)
				}
			}
		}
		got := ""
		for _, d := range problems {
			if d.Severity == providers.SeverityError && got == "" {
				got = d.Code + " " + d.Summary
			}
		}
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) || got != "" && !strings.HasPrefix(got, "CLM-10 ") {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	// A name that two profiles have is no name.
	o := settings("x", crm, "MSL", "object")
	r := w.p.Read(t.Context(), providers.ReadRequest{Objects: []providers.Object{o}, Refs: w.config(o).refs()})[0]
	if r.Err == nil || !strings.Contains(r.Err.Message, `2 application profiles are called "MSL"`) {
		t.Errorf("two of one name: %+v", r.Err)
	}
	// Written once; listed by what leads back to it.
	c := w.config(settings("x", crm, "Sales rep", "object"), settings("y", crm, "msl_eu__c", "document"))
	c.applyAll()
	w.writes()
	c.applyAll()
	if n := w.writes(); n != 0 {
		t.Errorf("a second apply makes %d writes", n)
	}
	var listed []string
	for o, err := range w.p.List(t.Context(), providers.ListRequest{Type: "multichannel_settings", Instance: vaultAddr("crm-a"), Refs: c.refs()}) {
		if err != nil {
			t.Fatal(err)
		}
		var b multichannelBody
		if err := o.Decode(&b); err != nil {
			t.Fatal(err)
		}
		listed = append(listed, fmt.Sprintf("%s %s", b.Profile, b.CLMContent))
	}
	if diff := cmp.Diff([]string{"msl_eu__c document", "sales_rep__c object"}, listed); diff != "" {
		t.Errorf("listed (-want +got)\n%s", diff)
	}
}

// applyAll applies each object as it is, without a plan's order.
func (c *config) applyAll() {
	c.t.Helper()
	for _, o := range c.objects {
		live := c.p.Read(c.t.Context(), providers.ReadRequest{Objects: []providers.Object{o}, Refs: c.refs()})[0]
		if live.Err != nil {
			c.t.Fatal(live.Err)
		}
		item := providers.ApplyItem{Addr: o.Addr, Action: providers.Create, Planned: &o}
		if live.Object != nil || live.Same {
			item.Action = providers.Update
		}
		c.do(item)
	}
}
