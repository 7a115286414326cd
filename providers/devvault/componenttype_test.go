package devvault

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestComponentTypesAreListed(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm")
	want(t, "types", len(b.must("GET", "crm", "metadata/components", nil).list("data")), 117)
	data := response(b.must("GET", "crm", "metadata/components/Picklist", nil).get("data").(map[string]any))
	want(t, "sub-component", data.list("sub_components")[0]["json_collection_name"], any("Picklistentry"))
	want(t, "first attribute", fmt.Sprint(data.list("attributes")[0]), "map[editable:true max_length:128 multi_value:false name:label requiredness:required type:String]")
	want(t, "unknown", b.do("GET", "crm", "metadata/components/Nothing", nil).errorType(), "INVALID_DATA")
	want(t, "known by name only", len(b.must("GET", "crm", "configuration/Visualhierarchyconfiguration", nil).list("data")), 0)
}

// roundTrip runs a script and checks that a component reads back as written, also after the server was opened again.
func TestComponentsLast(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := openBench(t, dir, "crm:crm")
	script := `
CREATE Picklist region__c (label('Region'), active(true), Picklistentry north__c (value('North'), order(0), active(true)));
CREATE Picklist town__c (label('Town'), active(true), controlling_picklist('Picklist.region__c'),
   Picklistentry oslo__c (value('Oslo'), order(0), active(true), controlling_entries('Picklistentry.north__c')));
CREATE Objectlifecycle approval__c (label('Approval'), active(true), starting_state('Objectlifecyclestate.open__c'),
   state_labels('base:object_lifecycle:initial', 'base:object_lifecycle:complete'),
   labeled_states('Objectlifecyclestate.open__c', 'Objectlifecyclestate.done__c'),
   Objectlifecyclestate open__c (label('Open'), active(true),
      Objectlifecyclestateuseraction finish__c (label('Finish'), rule({<useraction type="changeState" state="done__c"/>}), order(0))),
   Objectlifecyclestate done__c (label('Done'), active(true), record_status('inactive__v')));
CREATE Object visit__c (label('Visit'), label_plural('Visits'), active(true), in_menu(false), audit(true), enable_merges(true), available_lifecycles('Objectlifecycle.approval__c'),
   Field region__c (label('Region'), type('Picklist'), active(true), required(false), list_column(true), picklist('Picklist.region__c'), multi_value(false)),
   Field next__c (label('Next'), type('Object'), active(true), required(false), list_column(false), object('Object.week__c')));
`
	want(t, "an object that is not there", b.mdl("crm", script).errorType(), "INVALID_DATA")
	script = strings.ReplaceAll(script[strings.Index(script, "CREATE Object visit__c"):], ",\n   Field next__c (label('Next'), type('Object'), active(true), required(false), list_column(false), object('Object.week__c'))", "")
	for _, s := range []string{script,
		`CREATE Object week__c (label('Week'), label_plural('Weeks'), active(true), in_menu(true), Field visit__c (label('Visit'), type('Object'), active(true), required(false), list_column(false), object('Object.visit__c')));`,
		`ALTER Object visit__c (ADD Field next__c (label('Next'), type('Object'), active(true), required(false), list_column(false), object('Object.week__c')), ADD Index i__c (label('I'), fields('Field.region__c')));`,
		`CREATE Objecttype visit__c.long__c (label('Long'), label_plural('Long'), active(true), Typefield region__c (source('custom'), required(true)));`,
		`CREATE Tab visits__c (label('Visits'), order(3), object('visit__c'), active(true));`,
		`CREATE Docrelationshiptype told_by__c (label('Told By'), active(true));`,
		`CREATE Doclifecycle short__c (label('Short'), active(true), state_labels('base:general:starting', 'base:general:steady'),
		   labeled_states('Doclifecyclestate.a__c', 'Doclifecyclestate.b__c'),
		   Doclifecyclestate a__c (label('A'), active(true), order(0), user_action({<useractions><useraction name="go__c" label="Go" type="changeState" state="b__c"/></useractions>})),
		   Doclifecyclestate b__c (label('B'), active(true), order(1), entry_criteria({<x/>})));`,
		`CREATE Doctype note__c (label('Note'), active(true), available_lifecycles('Doclifecycle.short__c'), relationship_types('Docrelationshiptype.told_by__c'), description('Notes'));`,
	} {
		if a := b.mdl("crm", s); a.status() != "SUCCESS" {
			t.Fatalf("%s: %v", s, a)
		}
	}
	components := []string{"Picklist.town__c", "Objectlifecycle.approval__c", "Object.visit__c", "Object.week__c", "Objecttype.visit__c.long__c", "Tab.visits__c",
		"Docrelationshiptype.told_by__c", "Doclifecycle.short__c", "Doctype.note__c"}
	before := map[string]string{}
	for _, c := range components {
		before[c] = b.text("crm", c)
		if a := b.mdl("crm", before[c]); a.status() != "SUCCESS" {
			t.Errorf("%s sent back: %v", c, a)
		}
		if d := cmp.Diff(before[c], b.text("crm", c)); d != "" {
			t.Errorf("%s after it was sent back: %s", c, d)
		}
	}
	for _, part := range []string{"enable_merges(true)", "Index i__c", "in_menu(false)"} {
		if !strings.Contains(before["Object.visit__c"], part) {
			t.Errorf("the object lost %s: %s", part, before["Object.visit__c"])
		}
	}
	b.close()
	b = openBench(t, dir)
	for _, c := range components {
		if d := cmp.Diff(before[c], b.text("crm", c)); d != "" {
			t.Errorf("%s after a restart: %s", c, d)
		}
	}
}

func TestComponentAttributesAreChecked(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm")
	for script, typ := range map[string]string{
		`CREATE Picklist a__c (active(true));`:                                                                                      "PARAMETER_REQUIRED",
		`CREATE Picklist a__c (label('A'), color('red'));`:                                                                          "ATTRIBUTE_NOT_SUPPORTED",
		`CREATE Picklist a__c (label('A'), active('yes'));`:                                                                         "INVALID_DATA",
		`CREATE Picklist a__c (label('A','B'));`:                                                                                    "INVALID_DATA",
		`CREATE Picklist a__c (label('` + strings.Repeat("x", 129) + `'));`:                                                         "INVALID_DATA",
		`CREATE Picklist a__c (label('A'), order_type('any'));`:                                                                     "INVALID_DATA",
		`CREATE Picklist a__c (label('A'), Field b__c (label('B')));`:                                                               "INVALID_DATA",
		`CREATE Object a__c (label('A'), label_plural('B'), Field b__c (label('B'), type('Tensor')));`:                              "INVALID_DATA",
		`CREATE Docfield a__c (label('A'), type('Picklist'), picklist('Picklist.nothing__c'), display_section('g'));`:               "INVALID_DATA",
		`CREATE Visualhierarchyconfiguration a__c (label('A'));`:                                                                    "INVALID_DATA",
		`DROP Object country__v;`:                                                                                                   "OPERATION_NOT_ALLOWED",
		`DROP Doclifecycle crm_content__v;`:                                                                                         "OPERATION_NOT_ALLOWED",
		`RENAME Object country__v TO land__c;`:                                                                                      "OPERATION_NOT_ALLOWED",
		`CREATE Securityprofile a__c (label('A'), active(true), permission_sets('Permissionset.nothing__c'));`:                      "INVALID_DATA",
		`CREATE Objectlifecycle a__c (label('A'), active(true), Objectlifecyclestate b__c (label('B'), record_status('gone__v')));`: "INVALID_DATA",
	} {
		want(t, script, b.mdl("crm", script).errorType(), typ)
	}
}

func TestRename(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := openBench(t, dir, "crm:crm")
	must := func(script string) {
		t.Helper()
		if a := b.mdl("crm", script); a.status() != "SUCCESS" {
			t.Fatal(a)
		}
	}
	must(`CREATE Picklist color__c (label('Color'), active(true), Picklistentry red__c (value('Red'), order(0), active(true)));
CREATE Object thing__c (label('Thing'), label_plural('Things'), active(true), in_menu(true),
   Field color__c (label('Color'), type('Picklist'), active(true), picklist('Picklist.color__c')), Field code__c (label('Code'), type('String'), active(true), unique(true)));
CREATE Object part__c (label('Part'), label_plural('Parts'), active(true), in_menu(true), Field thing__c (label('Thing'), type('Object'), active(true), object('Object.thing__c')));`)
	thing := b.record("crm", "thing__c", map[string]any{"name__v": "T", "color__c": "red__c", "code__c": "x1"})
	b.record("crm", "part__c", map[string]any{"name__v": "P", "thing__c": thing})
	must(`RENAME Picklist color__c TO paint__c; RENAME Object thing__c TO item__c; ALTER Object item__c (RENAME Field code__c TO number__c);`)
	check := func() {
		t.Helper()
		r := b.read("crm", "item__c", thing)
		want(t, "value", fmt.Sprint(r["color__c"], r["number__c"]), "[red__c]x1")
		a := b.query("crm", "SELECT thing__cr.number__c FROM part__c WHERE thing__c = '"+thing+"'")
		want(t, "reference", a.list("data")[0]["thing__cr.number__c"], any("x1"))
		want(t, "unique", len(b.query("crm", "SELECT id FROM item__c WHERE number__c = 'x1'").list("data")), 1)
		want(t, "picklist", b.do("GET", "crm", "objects/picklists/color__c", nil).errorType(), "INVALID_DATA")
	}
	check()
	want(t, "in use", b.mdl("crm", "DROP Object part__c;").errorType(), "OPERATION_NOT_ALLOWED")
	b.close()
	b = openBench(t, dir)
	check()
}
