package syncer

import "accord/providers"

// fate is what shall become of an item at one target, whatever is there.
type fate int

const (
	publish  fate = iota
	withdraw      // where it is there
	keep          // as it is there; reported
	stay          // as it is there; nothing to report
	refuse        // it cannot be published, and stays as it is there; an exception
)

// decide says what shall become of a routed record (CLM-1, CTRY-5). why is for
// people. A record that the source does not know is kept: absence never removes.
func (c *class) decide(r *record, routes *routes, gap string) (f fate, why string) {
	if r == nil {
		return keep, "missing in the source"
	}
	switch c.meaning(r) {
	case providers.Withdraw:
		return withdraw, words(r.standing)
	case providers.Keep:
		// Of what has no standing that means something nothing is known, neither its
		// routes. What is kept goes nowhere either where its routes are blank (CTRY-5).
		if _, known := c.standings[r.standing]; known && !routes.takes(r.routes) {
			return withdraw, notRouted
		}
		return keep, r.standing
	}
	if !routes.takes(r.routes) {
		return withdraw, notRouted
	}
	switch problem := c.problem(r); {
	case problem != "":
		return refuse, problem
	case gap != "":
		return refuse, gap
	default:
		return publish, ""
	}
}

// decideMember says what shall become of a record that goes where its
// containers go, and leaves with the last.
func (c *class) decideMember(r *record, needed bool, gap string) (f fate, why string) {
	switch {
	case !needed:
		return withdraw, "nothing there needs it any more"
	case r == nil:
		return stay, ""
	case c.meaning(r) != providers.Publish:
		return keep, r.standing
	case c.problem(r) != "":
		return refuse, c.problem(r)
	case gap != "":
		return keep, gap // its containers carry the exception
	default:
		return publish, ""
	}
}

const notRouted = "not routed here"
