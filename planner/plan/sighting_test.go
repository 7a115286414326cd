package plan

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord/lang/addrs"
	"accord/providers"
)

// What was seen may not move: one that was looked up, and of a list also what
// comes and what goes. What is not looked up any more is no difference.
func TestSighted(t *testing.T) {
	t.Parallel()
	crm := addrs.NewKeyed("vault", "crm", "a")
	rule := func(name, label string) providers.Seen {
		return providers.Seen{Instance: crm, Kind: "Fieldrule", Name: name, Listed: true, Values: map[string]string{"label": label, "active": "true"}}
	}
	field := func(name string, values map[string]string) providers.Seen {
		return providers.Seen{Instance: crm, Kind: "document field", Name: name, Values: values}
	}
	was := []providers.Seen{rule("a", "A"), rule("b", "B"), field("x", map[string]string{"type": "String"}), field("y", map[string]string{"type": "String"}), field("z", nil)}
	for name, test := range map[string]struct {
		now  []providers.Seen
		want []string
	}{
		"the same":           {was, nil},
		"another value":      {[]providers.Seen{rule("a", "Other"), rule("b", "B")}, []string{"Fieldrule a has changed: label"}},
		"one is gone":        {[]providers.Seen{rule("b", "B")}, []string{"Fieldrule a is gone"}},
		"one is new":         {[]providers.Seen{rule("a", "A"), rule("b", "B"), rule("c", "C")}, []string{"Fieldrule c is new"}},
		"none is left":       {[]providers.Seen{{Instance: crm, Kind: "Fieldrule", Listed: true}}, []string{"Fieldrule a is gone", "Fieldrule b is gone"}},
		"not listed again":   {[]providers.Seen{was[2], was[3], was[4]}, nil},
		"looked up and gone": {[]providers.Seen{field("x", nil)}, []string{"document field x is gone"}},
		"looked up and come": {[]providers.Seen{field("z", map[string]string{"type": "Date"})}, []string{"document field z was not there, and is now"}},
		"another lookup":     {[]providers.Seen{field("w", map[string]string{"type": "Date"})}, nil},
		"an attribute more":  {[]providers.Seen{field("y", map[string]string{"type": "String", "length": "5"})}, []string{"document field y has changed: length"}},
	} {
		if name == "none is left" { // and the other way round
			back := Sighted(sightings(test.now), sightings(was))
			if len(back) != 2 || back[0].What != "Fieldrule a is new" {
				t.Errorf("some are new where there were none: %v", back)
			}
		}
		var got []string
		for _, d := range Sighted(sightings(was), sightings(test.now)) {
			if d.Addr != crm {
				t.Errorf("%s: of %s", name, d.Addr)
			}
			got = append(got, d.What)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}

func sightings(seen []providers.Seen) []Sighting {
	var all []Sighting
	for _, s := range seen {
		all = append(all, SightingOf(s))
	}
	slices.SortFunc(all, Sighting.Compare)
	return all
}
