package lang

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// Limits hold a run back that would do more than was thought of (CLM-11).
type Limits struct {
	MaxWithdrawn Limit // of what a stream owns in a target
	MaxPublished Limit // new items, same base
	IgnoreBelow  int   // shares do not apply to fewer items than this
	Range        hcl.Range
}

// Limit is one line of the limits block, or its default.
type Limit struct {
	Name    string
	Share   float64 // of one: 0.2
	Written bool
	Range   hcl.Range // of the line; where it is not written, of the block it belongs into

	missing string // that block, where there is none either
}

// String is the share as it is written.
func (l Limit) String() string {
	return strconv.FormatFloat(l.Share*100, 'f', -1, 64) + "%"
}

// Place says which line to change.
func (l Limit) Place() string {
	at := fmt.Sprintf("%s:%d", l.Range.Filename, l.Range.Start.Line)
	switch {
	case l.Written:
		return fmt.Sprintf("%s: %s = %q", at, l.Name, l)
	case l.missing == "":
		return fmt.Sprintf("%s is %s by default; write it into the limits block at %s", l.Name, l, at)
	case l.missing == "limits":
		return fmt.Sprintf("%s is %s by default, there is no limits block; write limits { %s = \"…\" } into the accord block at %s", l.Name, l, l.Name, at)
	default:
		return fmt.Sprintf("%s is %s by default, there is no accord block; write accord { limits { %s = \"…\" } }", l.Name, l, l.Name)
	}
}

func (l *Limits) all() []*Limit { return []*Limit{&l.MaxWithdrawn, &l.MaxPublished} }

func (r *reader) limit(a *hcl.Attribute, l *Limit) {
	l.Range, l.Written = a.Range, true
	v, ok := r.value(a, cty.String)
	if !ok {
		return
	}
	number, percent := strings.CutSuffix(v.AsString(), "%")
	share, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !percent || err != nil || !(share >= 0 && share <= 100) {
		r.problem(a, "Bad limit", fmt.Sprintf("%s is a share: \"0%%\" to \"100%%\".", a.Name))
		return
	}
	l.Share = share / 100
}
