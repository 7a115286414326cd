package planner

import (
	"bytes"
	"encoding/json"
	"iter"
	"slices"

	"accord/lang"
	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner/plan"
	"accord/providers"
	"accord/state"
)

// object is one instance or resource on its way through planning.
type object struct {
	addr     addrs.Instance
	provider string
	typ      *schema.Type

	on       []*object      // all it refers to, but instances
	desired  *lang.Resource // nil: only the state knows it
	recorded *state.Object  // nil: only the configuration knows it
	live     *providers.Object
	missing  bool // read, and certainly not there
	read     bool // and an answer came

	asked    *providers.Object // as it is read, if what is wanted is what is remembered, or less
	unmoved  bool              // its provider said with the answer that it stays
	turned   *providers.Object // as it was planned: what others refer to; nil until its turn
	want     *providers.Object // desired, resolved
	planned  *providers.Object
	response providers.PlanResponse
	action   providers.Action
	foreseen *providers.PlanResponse // asked for before its turn
	stay     bool                    // as above, but nothing had to be asked: it will be as it was read
	removal  schema.Removal
	record   bool // nothing for the provider to do, but the state entry changes

	left        bool           // out of a partial plan
	lost        string         // why it is not known what it will be; "" where it is
	root        addrs.Instance // what it is lost for: itself, or what it hangs on
	unreachable bool           // left out, and on a vault that is not connected
	assumed     bool           // not read: live is as remembered
	replace     bool           // someone asks for a new one
	adrift      bool           // remembered as hanging on what nobody knows any more

	elsewhere *providers.Object // looked for as this, where it was not found otherwise

	imported *lang.Import   // takes it over by its id
	open     []state.Intent // what was begun, and came to no known end
}

// boundary turns a body of the language into an object of the contract.
func boundary(addr addrs.Instance, typ string, id string, o lang.Object) *providers.Object {
	return &providers.Object{Addr: addr, Type: typ, ID: id, Body: o.Body, Unknown: o.Unknown, Sensitive: o.Sensitive}
}

// remembered turns a state entry into an object of the contract.
func remembered(o *state.Object) *providers.Object {
	if o == nil {
		return nil
	}
	return &providers.Object{Addr: o.Addr, Type: o.Type, ID: o.ID, Body: o.Body, Sensitive: o.Sensitive}
}

// entry turns an object into what the state keeps of it: everything but what
// is volatile, and what is sensitive.
func (o *object) entry(result *providers.Object) *state.Object {
	e := &state.Object{
		Addr: o.addr, Provider: o.provider, Type: o.typ.Name, ID: result.ID,
		SchemaVersion: o.typ.Version,
		Body:          plan.Redact(plan.Without(result.Body, flagged(o.typ, isVolatile)...), result.Sensitive),
		Sensitive:     result.Sensitive,
		Removal:       string(o.typ.Removal),
	}
	if o.desired != nil {
		e.DependsOn = o.desired.DependsOn
		e.Protect = o.desired.Protect
	}
	if o.desired == nil && o.recorded != nil {
		e.Protect = o.recorded.Protect // taking the block out does not lift it
	}
	return e
}

func isVolatile(a *schema.Attribute) bool { return a.Volatile }
func isLocal(a *schema.Attribute) bool    { return a.Local }

// flagged lists a type's top-level attributes that a predicate holds for.
func flagged(t *schema.Type, holds func(*schema.Attribute) bool) []string {
	var names []string
	for n := range t.Body.Attributes {
		if a := &t.Body.Attributes[n]; holds(a) {
			names = append(names, a.Name)
		}
	}
	return names
}

// comparable returns the body that counts as how the object is now: what was
// read, without what is volatile, and with accord's own settings as recorded.
func (o *object) comparable() json.RawMessage {
	if o.live == nil {
		return nil
	}
	body := plan.Without(o.live.Body, flagged(o.typ, isVolatile)...)
	var settings json.RawMessage
	if o.recorded != nil {
		settings = o.recorded.Body
	}
	body = plan.With(body, settings, flagged(o.typ, isLocal)...)
	if o.want != nil && o.recorded != nil {
		// What is sensitive is not in the state: it counts as it is wanted.
		body = plan.With(body, o.want.Body, flagged(o.typ, func(a *schema.Attribute) bool {
			return (a.Local || o.assumed) && plan.Hidden(o.want.Sensitive, a.Name)
		})...)
	}
	return body
}

// references lists the addresses that a body refers to.
func references(t *schema.Type, body json.RawMessage) []addrs.Instance {
	var out []addrs.Instance
	for text := range referenceTexts(t, body) {
		if addr := parseReference(text); !addr.IsZero() {
			out = append(out, addr)
		}
	}
	return out
}

// parseReference is the address that a value names; zero where it names none.
func parseReference(text json.RawMessage) addrs.Instance {
	var s string
	if json.Unmarshal(text, &s) != nil || s == "" {
		return addrs.Instance{}
	}
	addr, _ := addrs.ParseInstance(s)
	return addr
}

// referenceTexts are the values of a body's references, as they are written.
func referenceTexts(t *schema.Type, body json.RawMessage) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		var members []schema.Member
		var buffer [24]schema.Member // more than most bodies have
		for n := range t.Body.Attributes {
			a := &t.Body.Attributes[n]
			if len(a.Refers) == 0 {
				continue
			}
			if members == nil {
				var err error
				if members, err = schema.Members(buffer[:0], body); err != nil {
					return
				}
			}
			if m := schema.Find(members, a.Name); m.Value != nil && !yield(m.Value) {
				return
			}
		}
	}
}

// refinement checks that planned keeps what was desired: every attribute that
// the configuration sets, with that value, at any depth of nested blocks. It
// returns the places that do not.
func refinement(desired, planned *providers.Object) []addrs.Path {
	r := refining{desired.Unknown, planned.Unknown, nil}
	r.compare("", desired.Body, planned.Body)
	slices.Sort(r.bad)
	return r.bad
}

// refining goes through two bodies.
type refining struct {
	wanted, planned []addrs.Path // unknown
	bad             []addrs.Path
}

func (r *refining) compare(at addrs.Path, want, got json.RawMessage) {
	switch {
	case bytes.Equal(want, got), at.MeetsAny(r.wanted), at.MeetsAny(r.planned):
	case len(want) > 0 && want[0] == '{' && len(got) > 0 && got[0] == '{':
		var buffer [2][24]schema.Member
		w, _ := schema.Members(buffer[0][:0], want)
		g, _ := schema.Members(buffer[1][:0], got)
		for _, m := range w {
			if is := schema.Find(g, string(m.Name)).Value; !bytes.Equal(m.Value, is) {
				r.compare(at.Child(string(m.Name)), m.Value, is)
			}
		}
	default:
		r.bad = append(r.bad, at)
	}
}

// completion checks that a result keeps what was planned, apart from what was
// unknown, volatile or the state's own.
func completion(t *schema.Type, planned, result *providers.Object) []addrs.Path {
	skip := append(flagged(t, isVolatile), flagged(t, isLocal)...)
	want := *planned
	want.Body = plan.Without(planned.Body, skip...)
	got := *result
	got.Unknown = nil
	return refinement(&want, &got)
}
