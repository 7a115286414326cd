package syncer

import (
	"slices"

	"accord/lang/addrs"
	"accord/providers"
)

// change is what becomes of one item.
type change struct {
	Verb    string // Added … Exception; never Unchanged
	Part    string
	Key     string
	ID      string // of the target item
	Title   string
	Reason  string
	Changed []string       // fields
	Reorder bool           // members differ
	Cause   addrs.Instance // of an exception: the block whose change would help
	kept    string         // the standing for which it stays published
	problem string         // of what is kept: what is wrong with it at the target

	fields  []byte // as they shall be
	members list   // as they shall be
	held    list   // as they are
	routes  list   // that lead here; of a withdrawn item those that led, or all it has where none did
	groups  list
}

func appendChange(b []byte, c *change) []byte {
	b = putString(b, c.Verb)
	b = putString(b, c.ID)
	b = putString(b, c.Title)
	b = putString(b, c.Reason)
	b = putStrings(b, c.Changed)
	reorder := ""
	if c.Reorder {
		reorder = "y"
	}
	b = putString(b, reorder)
	b = putString(b, string(c.routes))
	b = putString(b, string(c.groups))
	b = putString(b, c.Cause.String())
	b = putString(b, c.kept)
	b = putString(b, c.problem)
	b = putString(b, string(c.fields))
	b = putString(b, string(c.members))
	return putString(b, string(c.held))
}

func decodeChange(payload, part, key string) (change, error) {
	r := reader{rest: payload}
	return change{
		Part: part, Key: key,
		Verb:    r.string(),
		ID:      r.string(),
		Title:   r.string(),
		Reason:  r.string(),
		Changed: slices.Collect(r.list().strings()),
		Reorder: r.string() != "",
		routes:  list(r.string()),
		groups:  list(r.string()),
		Cause:   r.addr(),
		kept:    r.string(),
		problem: r.string(),
		fields:  []byte(r.string()),
		members: list(r.string()),
		held:    list(r.string()),
	}, r.end()
}

// again returns the change that is still needed, given what is there now.
func (c change) again(t *providers.Record, m mapping) (change, error) {
	there := t != nil && t.Standing != providers.Withdrawn
	if c.Verb == Withdrawn {
		if !there {
			c.Verb = Unchanged
		}
		return c, nil
	}
	if t == nil {
		c.Verb, c.ID = Added, ""
		return c, nil
	}
	var ours, theirs parser
	shall, err := ours.parse(string(c.fields))
	if err != nil {
		return c, err
	}
	have, err := theirs.parse(string(t.Fields))
	if err != nil {
		return c, err
	}
	c.ID, c.held = t.ID, listOf(t.Members)
	c.Changed = m.differing(shall, have)
	c.Reorder = c.members != c.held || t.Problem != ""
	switch {
	case t.Standing != providers.Published:
		c.Verb = Restored
	case len(c.Changed) > 0 || c.Reorder:
		c.Verb = Updated
	default:
		c.Verb = Unchanged
	}
	return c, nil
}
