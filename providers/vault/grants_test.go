package vault

import (
	"strings"
	"testing"

	"accord/lang/addrs"
	"accord/providers"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const setText = `RECREATE Permissionset clm_admin__c (
   label('It''s (an) admin, ok'),
   active(true),
   Vaultaction api_access__v(
      granted(true)
   ),
   Objectpermission keyword__v(
      read(true),
      create(false)
   ),
   Tabpermission home__v(
      view(true)
   ),
   Fieldpermission keyword__v.all(read(true), edit(false))
);`

// PERM-4: a set is changed item by item; all else goes back byte for byte.
func TestPermissionText(t *testing.T) {
	p, err := parsePermissionText(setText)
	if err != nil {
		t.Fatal(err)
	}
	if p.String() != setText || p.label() != "It's (an) admin, ok" {
		t.Errorf("read back: %s, label %q", p, p.label())
	}
	want := []string{"field keyword__v.all read", "object keyword__v read", "vault action api_access__v"}
	if diff := cmp.Diff(want, p.grants().strings()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	add := newGrants(grant{grantObject, "keyword__v", "edit"}, grant{grantObject, "website__v", "read"})
	if err := p.change(add, newGrants(grant{grantAction, "api_access__v", "granted"})); err != nil {
		t.Fatal(err)
	}
	got := p.String()
	for _, part := range []string{"Tabpermission home__v(\n      view(true)\n   )", "label('It''s (an) admin, ok')", "Objectpermission website__v(\n      read(true)\n   )", "edit(true)"} {
		if !strings.Contains(got, part) {
			t.Errorf("%q is not in\n%s", part, got)
		}
	}
	if strings.Contains(got, "api_access__v") {
		t.Errorf("what was taken back is still there\n%s", got)
	}
	again, err := parsePermissionText(got)
	if err != nil || cmp.Diff(p.grants().strings(), again.grants().strings()) != "" {
		t.Errorf("%v: %s", err, cmp.Diff(p.grants().strings(), again.grants().strings()))
	}
}

// PERM-4: what cannot be read is never rewritten.
func TestPermissionTextRefuses(t *testing.T) {
	for _, text := range []string{"", "CREATE Permissionset x (label('x'));", "RECREATE Permissionset x (label('x)", "RECREATE Permissionset x (label('x'); DROP Permissionset y;"} {
		if p, err := parsePermissionText(text); err == nil {
			t.Errorf("%q was read as %v", text, p.items)
		}
	}
	p, err := parsePermissionText("RECREATE Permissionset x (Objectpermission keyword__v(read(true), atomic('some')))")
	if err != nil {
		t.Fatal(err)
	}
	before := p.String()
	if err := p.change(newGrants(grant{grantObject, "keyword__v", "edit"}), nil); err == nil || p.String() != before {
		t.Errorf("rewritten: %v %s", err, p)
	}
}

// PERM-4, PERM-5, as tables.
func TestChangeGrants(t *testing.T) {
	read, edit := grant{grantObject, "a__v", "read"}, grant{grantObject, "a__v", "edit"}
	action := grant{grantAction, "manage_connections__v", "granted"}
	field, all := grant{grantField, "a__v.x__v", "read"}, grant{grantField, "a__v.all", "edit"}
	for name, c := range map[string]struct {
		wanted, live, made grants
		exact              bool
		want               grantChange
	}{
		"PERM-4: added, never replaced":                          {newGrants(read), newGrants(action), nil, false, grantChange{newGrants(read), grants{}, newGrants(read)}},
		"PERM-4: others' grants stay":                            {grants{}, newGrants(read), nil, false, grantChange{grants{}, grants{}, grants{}}},
		"PERM-4: only accord's are revoked":                      {grants{}, newGrants(read, action), newGrants(read), false, grantChange{grants{}, newGrants(read), grants{}}},
		"PERM-4: what is gone is forgotten":                      {grants{}, grants{}, newGrants(read), false, grantChange{grants{}, grants{}, grants{}}},
		"PERM-4: exact takes the rest":                           {newGrants(read), newGrants(read, action), newGrants(read), true, grantChange{grants{}, newGrants(action), newGrants(read)}},
		"PERM-5: edit implies read":                              {newGrants(read), newGrants(edit), nil, false, grantChange{grants{}, grants{}, grants{}}},
		"PERM-5: edit of all implies a read":                     {newGrants(field), newGrants(all), nil, false, grantChange{grants{}, grants{}, grants{}}},
		"PERM-5: read stays where the edit that implied it goes": {newGrants(read), newGrants(edit), nil, true, grantChange{newGrants(read), newGrants(edit), newGrants(read)}},
		"PERM-5: edit is written with its read":                  {newGrants(edit), grants{}, nil, false, grantChange{newGrants(edit, read), grants{}, newGrants(edit, read)}},
		"granted before, still wanted":                           {newGrants(read), newGrants(read), newGrants(read), false, grantChange{grants{}, grants{}, newGrants(read)}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, changeGrants(c.wanted, c.live, c.made, c.exact)); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

// PERM-1..3: what the bundles are.
func TestBundles(t *testing.T) {
	same := func(s string) string { return s }
	got := grantsOf(&permissionSetBody{Bundles: []string{"clm_integration", "country_integration"}}, same)
	for _, g := range []grant{
		{grantAction, "manage_connections__v", "granted"}, {grantAction, "manage_integrations__v", "granted"}, // PERM-1
		{grantObject, "keyword__v", "read"}, {grantObject, "website__v", "read"}, // PERM-2
		{grantObject, "user_exception_item__v", "read"}, {grantObject, "user_exception_message__v", "read"},
		{grantField, "keyword__v.all", "read"}, {grantField, "user_exception_item__v.all", "read"},
		{grantObject, "connection_settings__v", "create"}, {grantObject, "connection_settings__v", "delete"}, // PERM-3
		{grantType, "connection_settings__v.clm_integration_settings__v", "edit"},
		{grantField, "connection_settings__v.country_filter__v", "edit"}, {grantField, "connection_settings__v.vault_crm_id__v", "edit"},
	} {
		if !got[g] {
			t.Errorf("%s is not granted", g)
		}
	}
	if len(got) != 2+8+4+4+4 {
		t.Errorf("%d grants: %v", len(got), got.strings())
	}
}

// Whatever is granted and taken back: the text gives exactly that, and what
// was written by others is still there.
func TestPermissionTextProperty(t *testing.T) {
	generator := rapid.Custom(func(t *rapid.T) grant {
		kind := rapid.SampledFrom([]string{grantAction, grantObject, grantType, grantField}).Draw(t, "kind")
		name := rapid.SampledFrom([]string{"keyword__v", "a__c", "b__c"}).Draw(t, "name")
		if kind == grantType || kind == grantField {
			name += "." + rapid.SampledFrom([]string{"all", "x__c"}).Draw(t, "rest")
		}
		return grant{kind, name, rapid.SampledFrom(grantVerbs[kind]).Draw(t, "verb")}
	})
	rapid.Check(t, func(t *rapid.T) {
		p, err := parsePermissionText(setText)
		if err != nil {
			t.Fatal(err)
		}
		want := p.grants()
		for range rapid.IntRange(1, 4).Draw(t, "changes") {
			add := newGrants(rapid.SliceOfN(generator, 0, 5).Draw(t, "add")...)
			revoke := newGrants(rapid.SliceOfN(generator, 0, 5).Draw(t, "revoke")...)
			for g := range add {
				delete(revoke, g)
			}
			if err := p.change(add, revoke); err != nil {
				t.Fatal(err)
			}
			want = grantChange{Add: add, Revoke: revoke}.after(want)
			if p, err = parsePermissionText(p.String()); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want.strings(), p.grants().strings()); diff != "" {
				t.Fatalf("(-want +got)\n%s", diff)
			}
			if !strings.Contains(p.String(), "Tabpermission home__v(\n      view(true)\n   )") {
				t.Fatalf("others' items are gone\n%s", p)
			}
			for g := range want {
				if back, ok := parseGrant(g.String()); !ok || back != g {
					t.Fatalf("%s reads as %s", g, back)
				}
			}
		}
	})
}

// PERM-4 against a vault: grants of others stay, those of accord go, and a set
// that accord did not make is never deleted.
func TestPermissionSetInVault(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spec{"crm-a", "crm", production, ""})
	w.load("crm-a", `{"mdl": "RECREATE Permissionset theirs__c (label('Theirs'), active(true), Objectpermission keyword__v(read(true)), Vaultaction api_access__v(granted(true)));"}`)
	w.connect(false)
	addr := addrs.New("permission_set", "theirs")
	body := map[string]any{"vault": `vault.crm["a"]`, "name": "theirs__c", "bundles": []string{"clm_integration"}}
	c := w.config(w.object(addr, body))
	c.apply()
	set := func() []string {
		p, err := vaultOf(w, "crm-a").permissionSet(t.Context(), "theirs__c")
		if err != nil || p == nil {
			t.Fatalf("the set is gone: %v", err)
		}
		return p.grants().strings()
	}
	if n := len(set()); n != 11 {
		t.Errorf("%d grants: %v", n, set())
	}
	exact := map[string]any{"vault": `vault.crm["a"]`, "name": "theirs__c", "exact": true, "vault_actions": []string{"api_access"}}
	c.objects = []providers.Object{w.object(addr, exact)}
	if diff := cmp.Diff([]string{"PERM-4 permission_set.theirs /exact"}, errorsOf(c.plan())); diff != "" {
		t.Errorf("exact on a set that accord did not make (-want +got)\n%s", diff)
	}
	c.objects = nil
	c.apply()
	if diff := cmp.Diff([]string{"object keyword__v read", "vault action api_access__v"}, set()); diff != "" {
		t.Errorf("PERM-4: after revoke (-want +got)\n%s", diff)
	}
}

// Unknown objects, fields and bundles are errors at their place when planned.
func TestPermissionSetMistakes(t *testing.T) {
	t.Parallel()
	w := newWorld(t, spec{"crm-a", "crm", production, ""}, spec{"promomats", "promomats", production, ""})
	w.connect(true)
	o := w.object(addrs.New("permission_set", "x"), map[string]any{"vault": `vault.crm["a"]`, "name": "x__c", "object": map[string]any{
		"keywrod__v": map[string]any{"permissions": []string{"read"}}, "website__v": map[string]any{"field": map[string]any{"urll__v": map[string]any{"permission": "read"}}}}})
	c := w.config(o)
	problems := c.plan()
	if diff := cmp.Diff([]string{"PERM-4 permission_set.x /object/keywrod__v"}, errorsOf(problems)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if len(problems) > 0 && !strings.Contains(problems[0].Summary, `did you mean "keyword__v"?`) {
		t.Errorf("no suggestion: %s", problems[0].Summary)
	}
	bad := w.object(addrs.New("permission_set", "y"), map[string]any{"vault": `vault.crm["a"]`, "name": "system__v", "bundles": []string{"clm_integratoin"}})
	got := errorsOf(w.p.Validate(t.Context(), []providers.Object{bad}))
	if diff := cmp.Diff([]string{"PERM-4 permission_set.y /bundles/0", "PERM-4 permission_set.y /name"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
