package lang

import (
	"github.com/hashicorp/hcl/v2"

	"accord/lang/addrs"
)

// Absence is why the configuration has no object of an address, and where that
// is written. Range is empty where nothing is written any more.
type Absence struct {
	Word  AbsenceWord
	Range hcl.Range
}

// AbsenceWord says what is missing.
type AbsenceWord string

// The words of an Absence.
const (
	BlockGone      AbsenceWord = "block_gone"
	KeyGone        AbsenceWord = "key_gone" // for_each has it no more, or the block has for_each newly, or none any more
	Disabled       AbsenceWord = "disabled" // enabled = false
	ModuleGone     AbsenceWord = "module_gone"
	ModuleKeyGone  AbsenceWord = "module_key_gone"
	ModuleDisabled AbsenceWord = "module_disabled"
)

// Absent says why the configuration has no object of an address. It is for
// addresses that Find does not find.
func (d *Desired) Absent(addr addrs.Instance) Absence {
	if e := d.evaluatorOf(addr.Module); e != nil {
		return e.lookup(addr.Type, addr.Name).absence(addr, BlockGone, KeyGone, Disabled)
	}
	call, err := addrs.ParseTarget(addr.Module)
	if err != nil {
		return Absence{Word: ModuleGone}
	}
	e := d.evaluatorOf(call.Module)
	if e == nil {
		return d.Absent(call) // the module around it is gone
	}
	return e.lookup("module", call.Name).absence(call, ModuleGone, ModuleKeyGone, ModuleDisabled)
}

func (d *Desired) evaluatorOf(module string) *evaluator {
	for _, e := range d.root.all {
		if e.prefix == module {
			return e
		}
	}
	return nil
}

func (d *decl) absence(addr addrs.Instance, block, key, disabled AbsenceWord) Absence {
	switch {
	case d == nil:
		return Absence{Word: block}
	case addr.Keyed != (d.forEach != nil):
		return Absence{key, d.block.DefRange}
	case d.off[addr.Key]:
		return Absence{disabled, d.enabled.Range}
	case d.forEach != nil:
		return Absence{key, d.forEach.Range}
	}
	return Absence{block, d.block.DefRange}
}
