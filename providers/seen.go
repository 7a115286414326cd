package providers

import "accord/lang/addrs"

// Seen is a configuration object that was read beside those that were asked
// for: one of a list, or one that a rule looked up. What was decided may rest on
// it, so a plan that is applied later wants it to be as it was.
type Seen struct {
	Instance addrs.Instance    `json:"instance"`
	Kind     string            `json:"kind"`             // in the system's words
	Name     string            `json:"name,omitempty"`   // "": there are none of its kind; Listed is set then
	Listed   bool              `json:"listed,omitempty"` // all of its kind there were read: one that is not among them is not there
	Values   map[string]string `json:"values,omitempty"` // less what is volatile
}
