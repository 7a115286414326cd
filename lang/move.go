package lang

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"accord/lang/addrs"
)

// Move says that an object, a block or a module has another name now. One
// without a key stands for all its instances, unless the other side has a key.
// A module has the Type "module".
type Move struct {
	From, To addrs.Instance
	Range    hcl.Range // the header of the block
}

// Moved is where a move leads an address; ok is false where it is not about it.
func (m *Move) Moved(addr addrs.Instance) (to addrs.Instance, ok bool) {
	if m.From.Type != "module" {
		switch {
		case addr == m.From:
			return m.To, true
		case !m.From.Keyed && !m.To.Keyed && addr.Block == m.From.Block:
			return addrs.Instance{Block: m.To.Block, Key: addr.Key, Keyed: addr.Keyed}, true
		}
		return addr, false
	}
	rest, ok := strings.CutPrefix(addr.Module, m.From.String())
	switch {
	case !ok:
		return addr, false
	case rest == "", rest[0] == '.':
	case rest[0] == '[' && !m.From.Keyed && !m.To.Keyed: // all instances of the module
	default:
		return addr, false
	}
	addr.Module = m.To.String() + rest
	return addr, true
}

// Moved follows all moves from where an object was to where it is now.
func (d *Desired) Moved(addr addrs.Instance) addrs.Instance {
	for range d.Moves { // at most once each: they go in no circle
		before := addr
		for _, m := range d.Moves {
			if to, ok := m.Moved(addr); ok {
				addr = to
				break
			}
		}
		if addr == before {
			break
		}
	}
	return addr
}

var movedSchema = &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "from"}, {Name: "to"}}}

func (e *evaluator) evaluateMoved(block *hcl.Block) {
	content, ok := e.required(block, movedSchema, "from", "to")
	if !ok {
		return
	}
	from, ok := e.staticTarget(content.Attributes["from"])
	to, ok2 := e.staticTarget(content.Attributes["to"])
	if !ok || !ok2 {
		return
	}
	problem := func(summary, format string, args ...any) {
		e.report(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: block.DefRange.Ptr()})
	}
	switch {
	case from.Type != to.Type:
		problem("A move to another type", "%s cannot become %s.", from, to)
	case from == to:
		problem("A move to itself", "%s is on both sides.", from)
	default:
		e.desired.Moves = append(e.desired.Moves, &Move{From: from, To: to, Range: block.DefRange})
	}
}

// checkMoves holds moves against each other and against what is there.
func (e *evaluator) checkMoves() {
	problem := func(at hcl.Range, summary, format string, args ...any) {
		e.report(&hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: at.Ptr()})
	}
	for n, m := range e.desired.Moves {
		for _, other := range e.desired.Moves[:n] {
			if other.From == m.From {
				e.report(again(m.Range, "a move from "+m.From.String(), other.Range))
			}
		}
		leads := func(addr addrs.Instance) bool {
			to, ok := m.Moved(addr)
			return ok && to != addr
		}
		if r := e.still(leads); r != nil {
			problem(m.Range, "A move from what is there", "%s is still in the configuration, at %s:%d.", r.Addr, r.Range.Filename, r.Range.Start.Line)
		}
		// A circle comes back to where it began.
		at := m.To
		for range e.desired.Moves {
			if at == m.From {
				problem(m.Range, "Moves go in a circle", "What is moved from %s comes back there.", m.From)
				break
			}
			for _, next := range e.desired.Moves {
				if next.From == at {
					at = next.To
					break
				}
			}
		}
	}
}
