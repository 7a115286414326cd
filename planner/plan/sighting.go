package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"accord/lang/addrs"
	"accord/providers"
)

// Sighting is a configuration object that was read for a plan and is not
// managed, or not for itself: one of a list, or one that a rule looked up. Its
// values may be anybody's, so only digests of them are kept.
type Sighting struct {
	Instance addrs.Instance    `json:"instance"`
	Kind     string            `json:"kind"`
	Name     string            `json:"name,omitempty"` // "": there were none of its kind
	Listed   bool              `json:"listed,omitempty"`
	Digests  map[string]string `json:"digests,omitempty"` // by attribute; nil: it was not there
}

// SightingOf makes one.
func SightingOf(s providers.Seen) Sighting {
	out := Sighting{Instance: s.Instance, Kind: s.Kind, Name: s.Name, Listed: s.Listed}
	if s.Values != nil {
		out.Digests = make(map[string]string, len(s.Values))
	}
	for name, value := range s.Values {
		out.Digests[name] = Digest([]byte(value))[len("sha256:"):][:sightingSize]
	}
	return out
}

const sightingSize = 16

// Compare orders sightings.
func (s Sighting) Compare(o Sighting) int {
	if c := s.Instance.Compare(o.Instance); c != 0 {
		return c
	}
	if c := strings.Compare(s.Kind, o.Kind); c != 0 {
		return c
	}
	return strings.Compare(s.Name, o.Name)
}

// Sighted compares what was seen with what is seen now, both in order. What was
// not looked up again is as unknown as it would be without the plan, and no
// difference; of a list, what is new is one.
func Sighted(was, now []Sighting) []Difference {
	var out []Difference
	list := func(s Sighting) string { return s.Instance.String() + "\x00" + s.Kind }
	before, after := map[string]bool{}, map[string]bool{}
	for _, s := range was {
		before[list(s)] = before[list(s)] || s.Listed
	}
	for _, s := range now {
		after[list(s)] = after[list(s)] || s.Listed
	}
	differ := func(s Sighting, format string, args ...any) {
		out = append(out, Difference{Addr: s.Instance, What: fmt.Sprintf("%s %s", s.Kind, s.Name) + fmt.Sprintf(format, args...)})
	}
	for _, s := range was {
		i, found := slices.BinarySearchFunc(now, s, Sighting.Compare)
		switch {
		case s.Name == "": // an empty list
		case !found && s.Listed && after[list(s)]:
			differ(s, " is gone")
		case !found:
		case s.Digests != nil && now[i].Digests == nil:
			differ(s, " is gone")
		case s.Digests == nil && now[i].Digests != nil:
			differ(s, " was not there, and is now")
		default:
			if names := otherwise(s.Digests, now[i].Digests); len(names) > 0 {
				differ(s, " has changed: %s", strings.Join(names, ", "))
			}
		}
	}
	for _, s := range now {
		if _, found := slices.BinarySearchFunc(was, s, Sighting.Compare); !found && s.Name != "" && s.Listed && before[list(s)] {
			differ(s, " is new")
		}
	}
	return out
}

// otherwise are the attributes that differ.
func otherwise(a, b map[string]string) []string {
	var names []string
	for name := range maps.Keys(a) {
		if b[name] != a[name] {
			names = append(names, name)
		}
	}
	for name := range maps.Keys(b) {
		if _, ok := a[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
