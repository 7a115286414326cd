package providers

import "accord/lang/addrs"

// Lack is what somebody may not do in one instance, of all that was asked for.
type Lack struct {
	Instance addrs.Instance `json:"instance"`
	Who      string         `json:"who"` // as a sentence begins: "The user sync@example.com, as whom accord logs in to vault.crm,"
	Rights   []Right        `json:"rights"`
	Advice   string         `json:"advice"` // how it is granted
}

// Right is something that one may be allowed to do, and what needs it.
type Right struct {
	Name   string           `json:"name"` // in the system's words: "read on country__v"
	Needed []addrs.Instance `json:"needed"`
}
