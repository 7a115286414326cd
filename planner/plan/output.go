package plan

import (
	"encoding/json"

	"accord/lang/addrs"
	"accord/providers"
)

// Output is one output that an apply will record otherwise than the last one.
type Output struct {
	Name      string           `json:"name"`
	Action    providers.Action `json:"action"`           // create, update or remove
	Before    json.RawMessage  `json:"before,omitempty"` // as it is recorded
	After     json.RawMessage  `json:"after,omitempty"`
	Unknown   bool             `json:"unknown,omitempty"`   // it is known once the plan is applied
	Sensitive bool             `json:"sensitive,omitempty"` // Before and After are then nil
	Place
}

// Edit is the output as one place of a body that differs.
func (o Output) Edit() Edit {
	return Edit{Path: addrs.Path("").Child(o.Name), Before: o.Before, After: o.After, Unknown: o.Unknown, Sensitive: o.Sensitive, Place: o.Place}
}
