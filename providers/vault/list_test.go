package vault

import (
	"fmt"
	"slices"
	"testing"

	"accord/lang/addrs"
	"accord/providers"

	"github.com/google/go-cmp/cmp"
)

// All types are listed, and what is listed is what a read finds: by the same id,
// with the same body.
func TestListIsWhatReadFinds(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spec{"promomats", "promomats", production, ""}, spec{"medcomms", "medcomms", production, ""}, spec{"crm-a", "crm", production, ""}, spec{"crm-b", "crm", production, ""})
	w.tie("promomats", "crm-a")
	w.tie("promomats", "crm-b")
	w.tie("medcomms", "crm-b")
	w.countries("promomats")
	field := `{"mdl": "RECREATE Docfield team__c (label('Team'), active(true), required(false), shared(true), type('String'), max_length(100), display_section('general'));"}` + "\n"
	w.load("promomats", field)
	w.load("crm-a", field+`{"mdl": "ALTER Integrationrule promomats_crm_clm_presentation_iir__v (ADD Fieldrule hand__c(label('By hand'), active(true), query_object('documents'), query_field('team__c'), target_docfield('Docfield.team__c'), field_default('none')), ADD Fieldrule platform__v(label('Theirs'), active(true), query_object('documents'), query_field('title__v'), target_docfield('Docfield.title__v')));"}
{"mdl": "RECREATE Permissionset readers__c (label('Readers'), active(true), Objectpermission keyword__v(read(true)));"}
`)
	w.connect(false)
	c := w.crms(map[string][]string{"a": {"United States"}})
	c.apply() // the filter
	w.writes()
	w.connect(true)
	refs := providers.Refs{}
	for _, v := range w.vaults {
		refs[v.Addr] = v
	}
	var got []string
	left := map[string]int{}
	for _, typ := range []string{"connection", "permission_set", "country_filter", "integration", "integration_point", "query_rule", "field_rule"} {
		n := 0
		for _, v := range w.vaults {
			for found, err := range w.p.List(t.Context(), providers.ListRequest{Type: typ, Instance: v.Addr, Refs: refs}) {
				if err != nil {
					t.Fatalf("list %s of %s: %v", typ, v.Addr, err)
				}
				o := found.Object
				if found.Left != "" {
					left[found.Left]++
					continue
				}
				o.Addr = addrs.NewKeyed(typ, "found", fmt.Sprint(len(refs)))
				refs[o.Addr] = o
				n++
				asked := o
				asked.ID = ""
				r := w.p.Read(t.Context(), providers.ReadRequest{Objects: []providers.Object{asked}, Refs: refs})[0]
				switch {
				case r.Err != nil || r.Missing || r.Object == nil && !r.Same:
					t.Errorf("%s %s is listed, and a read answers %+v", typ, o.ID, r)
				case r.Object != nil:
					if r.Object.ID != o.ID {
						t.Errorf("%s is listed as %s and read as %s", typ, o.ID, r.Object.ID)
					}
					ignore := []string{"content_api_name"} // left out where it need not be said
					if diff := cmp.Diff(without(o.Body, ignore), without(r.Object.Body, ignore)); diff != "" {
						t.Errorf("%s %s (-listed +read)\n%s", typ, o.ID, diff)
					}
				}
			}
		}
		got = append(got, fmt.Sprintf("%s %d", typ, n))
	}
	want := []string{"connection 3", "permission_set 2", "country_filter 1", "integration 14", "integration_point 17", "query_rule 3", "field_rule 1"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(map[string]int{
		"a standard permission set, which is not changed (PERM-4)":     8,
		"a rule of the platform itself, which is not changed (RULE-1)": 1,
		"it leads nowhere yet: no other vault has accepted it":         1,
	}, left); diff != "" {
		t.Errorf("what cannot be managed (-want +got)\n%s", diff)
	}
	if n := w.writes(); n > 0 {
		t.Errorf("listing has written %d times", n)
	}

	// A connection is found by its id alone, where one vault has it.
	var connections []providers.Object
	for _, o := range refs {
		if o.Type == "connection" {
			connections = append(connections, o)
		}
	}
	slices.SortFunc(connections, func(a, b providers.Object) int { return a.Addr.Compare(b.Addr) })
	found, several := 0, 0
	for _, o := range connections {
		r := w.p.Read(t.Context(), providers.ReadRequest{Objects: []providers.Object{{Addr: o.Addr, Type: "connection", ID: o.ID, Body: []byte(`{}`)}}, Refs: refs})[0]
		switch {
		case r.Err != nil && r.Err.Kind == providers.Invalid:
			several++
		case r.Object != nil && r.Object.ID == o.ID:
			found++
		default:
			t.Errorf("%s by its id: %+v", o.ID, r)
		}
	}
	if found == 0 || several == 0 {
		t.Errorf("%d found by id, %d in several vaults", found, several)
	}
	r := w.p.Read(t.Context(), providers.ReadRequest{Objects: []providers.Object{{Addr: addrs.New("connection", "x"), Type: "connection", ID: "V0X", Body: []byte(`{}`)}}, Refs: refs})[0]
	if !r.Missing {
		t.Errorf("an id that nothing has: %+v", r)
	}
}
