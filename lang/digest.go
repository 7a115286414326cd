package lang

import (
	"crypto/sha256"
	"encoding/hex"
	"hash"
	"slices"
	"strconv"

	"accord/lang/addrs"
)

// Digest names everything that is desired: two configurations with the same
// variables have the same digest exactly when they want the same. It gives
// nothing away of what is sensitive but that it is the same.
func (d *Desired) Digest() string {
	h := sha256.New()
	for _, r := range slices.Concat(d.Instances, d.Resources) {
		write(h, r.Addr.String(), string(r.Body))
		for _, p := range slices.Concat(r.Unknown, []addrs.Path{"|"}, r.IgnoreChanges) {
			write(h, string(p))
		}
		if r.Protect {
			write(h, "protect")
		}
		for _, on := range r.DependsOn {
			write(h, on.String())
		}
	}
	for _, i := range d.Imports {
		write(h, "import", i.To.String(), i.ID)
	}
	for _, m := range d.Moves {
		write(h, "move", m.From.String(), m.To.String())
	}
	for _, r := range d.Removals {
		write(h, "remove", r.From.String(), string(r.Then), strconv.FormatBool(r.Unprotect))
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil))
}

func write(h hash.Hash, parts ...string) {
	for _, s := range parts {
		h.Write([]byte(s))
		h.Write([]byte{0})
	}
}
