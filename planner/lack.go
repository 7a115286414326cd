package planner

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/providers"
)

// codeLack is PERM-5: what is not permitted is told at once.
const codeLack = "PERM-5"

// notPermitted puts all that may not be done in the place of the errors that
// first met it: whose right is missing, where, which, and which lines need it.
func (m *making) notPermitted(ctx context.Context) {
	denied := func(d *hcl.Diagnostic) bool {
		p, ok := d.Extra.(*Problem)
		return ok && d.Severity == hcl.DiagError && p.Err != nil && p.Err.Kind == providers.Permission
	}
	if !slices.ContainsFunc(m.diags, denied) {
		return
	}
	if m.lacking {
		m.diags = slices.DeleteFunc(m.diags, denied) // all is told
		return
	}
	refs := maps.Clone(m.req.Instances)
	for _, o := range m.sorted {
		if ref, ok := o.ref(); ok && !o.unreachable {
			refs[o.addr] = ref
		}
	}
	lacks := m.lacks(ctx, refs)
	if len(lacks) == 0 {
		return
	}
	m.lacking = true
	for _, d := range m.diags {
		if o := m.object(addrOf(d)); o != nil && denied(d) {
			o.lost = "it may not be read (" + codeLack + ")"
		}
	}
	m.diags = slices.DeleteFunc(m.diags, denied)
	for _, l := range lacks {
		first := m.object(l.Rights[0].Needed[0])
		d := Place(first.located(), providers.Diagnostic{
			Severity: providers.SeverityError, Code: codeLack, Addr: l.Rights[0].Needed[0], Summary: summaryOf(l), Detail: detailOf(l, m.lineOf),
		})
		d.Extra = &Problem{Code: codeLack, Addr: l.Rights[0].Needed[0], Err: &providers.Error{Kind: providers.Refused}}
		m.diags = append(m.diags, d)
	}
}

func addrOf(d *hcl.Diagnostic) addrs.Instance {
	if p, ok := d.Extra.(*Problem); ok {
		return p.Addr
	}
	return addrs.Instance{}
}

func (m *making) lineOf(addr addrs.Instance) plan.Place {
	if o := m.object(addr); o != nil && o.desired != nil {
		return placeOf(o.desired.Range)
	}
	return plan.Place{}
}

// allLacks is one error of all that may not be done, where err is that something
// may not; else err as it is.
func (p *Planner) allLacks(ctx context.Context, refs providers.Refs, err error) error {
	if providers.KindOf(err) != providers.Permission {
		return err
	}
	lacks := p.lacks(ctx, refs)
	if len(lacks) == 0 {
		return err
	}
	var what, advice []string
	for _, l := range lacks {
		what = append(what, summaryOf(l))
		advice = append(advice, detailOf(l, func(addrs.Instance) plan.Place { return plan.Place{} }))
	}
	return &providers.Error{
		Kind: providers.Refused, Addr: lacks[0].Rights[0].Needed[0],
		Message: codeLack + ": " + strings.Join(what, ". "), Advice: strings.Join(advice, "\n"),
	}
}

// lacks asks every provider what may not be done. One that cannot tell has
// nothing to say.
func (p *Planner) lacks(ctx context.Context, refs providers.Refs) []providers.Lack {
	mine := map[string][]providers.Object{}
	for _, addr := range slices.SortedFunc(maps.Keys(refs), addrs.Instance.Compare) {
		if provider, typ, instance := p.typeOf(refs[addr].Type); typ != nil && !instance {
			mine[provider] = append(mine[provider], refs[addr])
		}
	}
	var all []providers.Lack
	for _, provider := range slices.Sorted(maps.Keys(mine)) {
		lacks, err := p.Providers[provider].Lacks(ctx, mine[provider])
		if err != nil {
			continue
		}
		for _, l := range lacks {
			if len(l.Rights) > 0 && !slices.ContainsFunc(l.Rights, func(r providers.Right) bool { return len(r.Needed) == 0 }) {
				all = append(all, l)
			}
		}
	}
	return all
}

func summaryOf(l providers.Lack) string {
	names := make([]string, len(l.Rights))
	for n, r := range l.Rights {
		names[n] = r.Name
	}
	return fmt.Sprintf("%s may not: %s", l.Who, strings.Join(names, ", "))
}

// detailOf says of each right what needs it, with lines as far as they are known,
// and how it is granted.
func detailOf(l providers.Lack, line func(addrs.Instance) plan.Place) string {
	var b strings.Builder
	for _, r := range l.Rights {
		fmt.Fprintf(&b, "%s: needed by %s.\n", capital(r.Name), neededBy(r.Needed, line))
	}
	return b.String() + l.Advice
}

// neededBy names objects, which stand in the order of their addresses, those of
// one block together.
func neededBy(list []addrs.Instance, line func(addrs.Instance) plan.Place) string {
	var needed []string
	for len(list) > 0 {
		first, keys := list[0], []string(nil)
		for len(list) > 0 && list[0].Block == first.Block {
			keys, list = append(keys, list[0].Key), list[1:]
		}
		name := addrs.Several(first, keys)
		if at := line(first).At(); at != "" {
			name += " (" + at + ")"
		}
		needed = append(needed, name)
	}
	return strings.Join(needed, ", ")
}
