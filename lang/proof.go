package lang

import (
	"crypto/sha256"
	"encoding/binary"

	"accord/lang/lower"
)

// Proof is that somebody else had nothing to say of what a configuration comes
// to, kept from one run to the next. It is of this configuration as it is, with
// all that memory tells evaluations apart by.
type Proof struct {
	path string
	key  [sha256.Size]byte
}

// Proof is nil where nothing may be remembered of the configuration, or where
// something is sensitive: whoever looks at that must see it.
func (d *Desired) Proof() *Proof {
	if d.root == nil || d.root.proof == nil {
		return nil
	}
	for _, all := range [][]*Resource{d.Instances, d.Resources} {
		for _, r := range all {
			if len(r.Sensitive) > 0 {
				return nil
			}
		}
	}
	return d.root.proof
}

// Holds reports whether the same judges, by whatever tells them apart, had
// nothing to say when they were last asked.
func (p *Proof) Holds(judges ...string) bool {
	return p != nil && lower.Recall(p.path, p.head(judges)) != nil
}

// Keep notes that they had nothing to say.
func (p *Proof) Keep(judges ...string) {
	if p != nil {
		_ = lower.Keep(p.path, p.head(judges), nil) // it only makes the next time slower
	}
}

func (p *Proof) head(judges []string) []byte {
	h := sha256.New()
	h.Write(p.key[:])
	for _, j := range judges {
		h.Write(binary.AppendUvarint(nil, uint64(len(j))))
		h.Write([]byte(j))
	}
	return h.Sum([]byte("accord checked configuration 1\n"))
}
