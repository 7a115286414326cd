package plan

import (
	"encoding/json"

	"accord/lang/addrs"
	"accord/providers"
)

// Fingerprint is an object as it was read for a plan, less what is volatile,
// sensitive, or accord's own. apply FILE reads it again: what has moved since
// makes the plan stale.
type Fingerprint struct {
	Addr   addrs.Instance  `json:"addr"`
	Digest string          `json:"digest"` // of id and body; "" where nothing was there
	ID     string          `json:"id,omitempty"`
	Body   json.RawMessage `json:"body,omitempty"` // nil: as the object in Plan.Objects
}

// FingerprintOf makes one; o is nil where nothing is there.
func FingerprintOf(addr addrs.Instance, o *providers.Object) Fingerprint {
	if o == nil {
		return Fingerprint{Addr: addr}
	}
	return Fingerprint{Addr: addr, ID: o.ID, Body: o.Body, Digest: Digest([]byte(o.ID + "\x00" + string(o.Body)))}
}

// Difference is one place of an object that is not as it was when the plan was
// made. With Path "" it is the object itself.
type Difference struct {
	Addr   addrs.Instance  `json:"addr"`
	Path   addrs.Path      `json:"path,omitempty"`
	Before json.RawMessage `json:"before,omitempty"`
	Now    json.RawMessage `json:"now,omitempty"`
	What   string          `json:"what,omitempty"` // where no value says it: "it is gone"
}

// Differences compares an object as it was with how it is now.
func Differences(was, now Fingerprint) []Difference {
	switch {
	case was.Digest == now.Digest:
		return nil
	case was.Digest == "":
		return []Difference{{Addr: was.Addr, What: "it was not there, and is now"}}
	case now.Digest == "":
		return []Difference{{Addr: was.Addr, What: "it is gone"}}
	}
	var out []Difference
	if was.ID != now.ID {
		out = append(out, Difference{Addr: was.Addr, What: "another object is there, with the id " + now.ID + " instead of " + was.ID})
	}
	edits, _ := Diff(was.Body, now.Body, nil, nil)
	for _, e := range edits {
		out = append(out, Difference{Addr: was.Addr, Path: e.Path, Before: e.Before, Now: e.After})
	}
	return out
}
