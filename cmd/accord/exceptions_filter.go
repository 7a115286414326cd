package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"accord/lang/addrs"
	"accord/planner"
	"accord/planner/ledger"
	"accord/providers"
)

// exceptionFilter is which exceptions a command is about, as flags say it.
type exceptionFilter struct {
	vaults, points, classes, types, countries, products []string
	since, known                                        string
	changed                                             func(flag string) bool // nil: there are no flags
}

// given reports whether a flag was written, be it without a value.
func (f *exceptionFilter) given(flag string) bool { return f.changed != nil && f.changed(flag) }

func (f *exceptionFilter) flags(cmd *cobra.Command) {
	flags := cmd.Flags()
	f.changed = flags.Changed
	flags.StringArrayVar(&f.vaults, "vault", nil, "only those from, to or of the vault at this `ADDRESS`")
	flags.StringArrayVar(&f.points, "point", nil, "only those of the integration point at this `ADDRESS`; without a key all of its block")
	flags.StringArrayVar(&f.classes, "class", nil, "only those of a `CLASS`: configuration, document, wait")
	flags.StringArrayVar(&f.types, "type", nil, "only those of a `TYPE`: message, item, kept")
	flags.StringArrayVar(&f.countries, "country", nil, "only documents for this `COUNTRY`, by its name; slides and shared resources by the presentations that need them")
	flags.StringArrayVar(&f.products, "product", nil, "only documents of this `PRODUCT`, by its name; slides and shared resources as above")
	flags.StringVar(&f.since, "since", "", "only those seen since `WHEN`: a time ago (36h, 7d), a date, or a time")
	flags.StringVar(&f.known, "acknowledged", "", "only those that somebody has acknowledged, or nobody: `yes|no`")
}

// filter reads the flags.
func (f *exceptionFilter) filter(ids []string, now time.Time) (ledger.Filter, error) {
	out := ledger.Filter{IDs: ids, Countries: f.countries, Products: f.products}
	if slices.ContainsFunc(ids, func(id string) bool { return strings.TrimSpace(id) == "" }) { // a variable that is not set
		return out, misused("See: accord exceptions list", "An id of an exception is empty")
	}
	for flag, list := range map[string][]string{"country": f.countries, "product": f.products} {
		if slices.ContainsFunc(list, func(name string) bool { return strings.TrimSpace(name) == "" }) {
			return out, misused("Leave it out for all.", "-%s= names none", flag)
		}
	}
	for _, list := range []struct {
		given []string
		into  *[]addrs.Instance
	}{{f.vaults, &out.Vaults}, {f.points, &out.Points}} {
		for _, text := range list.given {
			a, err := addrs.ParseTarget(text)
			if err != nil {
				return out, misused(`An address is written as in the files: vault.crm["us"]`, "%s", err)
			}
			*list.into = append(*list.into, a)
		}
	}
	for _, class := range f.classes {
		if !slices.Contains(ledger.Classes, ledger.Class(class)) {
			return out, misused("The classes are configuration, document and wait.", "-class=%s is no class of exceptions", class)
		}
		out.Classes = append(out.Classes, ledger.Class(class))
	}
	for _, typ := range f.types {
		if !slices.Contains(ledger.Types, typ) {
			return out, misused("A message is a general error, an item one document's failure; kept is one that stays published although its source does not have it any more.", "-type=%s is neither message, item nor kept", typ)
		}
		out.Types = append(out.Types, typ)
	}
	switch {
	case f.known == "yes", f.known == "no":
		yes := f.known == "yes"
		out.Known = &yes
	case f.known != "", f.given("acknowledged"):
		return out, misused("Leave it out for both.", "-acknowledged=%s is neither yes nor no", f.known)
	}
	var err error
	if f.since != "" || f.given("since") {
		if out.Since, err = timeOf(f.since, now, -1); err != nil {
			return out, misused("Write a time ago (36h, 7d), a date (2026-03-01), or a time (2026-03-01T12:00:00Z).", "-since=%s is no time", f.since)
		}
	}
	return out, nil
}

func (f *exceptionFilter) empty() bool {
	return len(f.vaults)+len(f.points)+len(f.classes)+len(f.types)+len(f.countries)+len(f.products) == 0 && f.since+f.known == ""
}

// timeOf reads a time: a distance from now in a direction, a date, or a time.
func timeOf(text string, now time.Time, direction int) (time.Time, error) {
	t, err := anyTimeOf(text, now, direction)
	if year := t.UTC().Year(); err == nil && (year < 0 || year > 9999) { // which no file can hold
		return t, fmt.Errorf("the year %d", year)
	}
	return t, err
}

func anyTimeOf(text string, now time.Time, direction int) (time.Time, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 {
			return now.AddDate(0, 0, direction*n), nil
		}
	}
	if d, err := time.ParseDuration(text); err == nil && d >= 0 {
		return now.Add(time.Duration(direction) * d), nil
	}
	if t, err := time.Parse(time.DateOnly, text); err == nil {
		return t, nil
	}
	return time.Parse(time.RFC3339, text)
}

// pick returns the entries that arguments and flags mean. Commands that change
// something want to be told which.
func (x *troubled) pick(ctx context.Context, ids []string, f exceptionFilter, named bool) ([]*ledger.Entry, error) {
	if named && len(ids) == 0 && f.empty() {
		return nil, misused("Name them by id, or choose them: -point, -class, -country … See: accord exceptions list", "Which exceptions?")
	}
	filter, err := f.filter(ids, x.planner.Now())
	if err != nil {
		return nil, err
	}
	if err := errors.Join(known("vault", filter.Vaults, x.vaults), known("point", filter.Points, x.points())); err != nil {
		return nil, err
	}
	if err := x.knownGroups(ctx, &filter); err != nil {
		return nil, err
	}
	return filter.Pick(x.entries)
}

// points are the integration points that were applied, and those of exceptions
// that outlived theirs. They are told by the state: of a vault that does not
// answer no sync is known.
func (x *troubled) points() []addrs.Instance {
	var all []addrs.Instance
	types := map[string]bool{}
	for _, e := range x.entries {
		all, types[e.Point.Type] = append(all, e.Point), true
	}
	for _, t := range x.tasks {
		types[t.Sync.Addr.Type] = true
	}
	for _, addr := range x.applied {
		if types[addr.Type] || len(types) == 0 {
			all = append(all, addr)
		}
	}
	slices.SortFunc(all, addrs.Instance.Compare)
	return slices.Compact(all)
}

// known refuses an address that names nothing: who looks for its exceptions
// would be told that there are none.
func known(flag string, given, among []addrs.Instance) error {
	for _, target := range given {
		if slices.ContainsFunc(among, target.Covers) {
			continue
		}
		var names []string
		for _, addr := range among {
			names = append(names, addr.String())
		}
		return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "An address matches nothing", Extra: &planner.Problem{Code: "ADDRESS"},
			Detail: fmt.Sprintf("-%s=%s: nothing of what was applied has it. There are: %s.", flag, target, planner.FirstOf(names))}}
	}
	return nil
}

// knownGroups refuses a country or a product that no exception can be of, and tells
// the filter which of them have a comma in their name. Of a vault that does not
// answer it is not known what there is.
func (x *troubled) knownGroups(ctx context.Context, f *ledger.Filter) error {
	if x.partial || len(f.Countries)+len(f.Products) == 0 {
		return nil
	}
	syncs := make([]providers.Sync, len(x.tasks))
	for i, t := range x.tasks {
		syncs[i] = t.Sync
	}
	there, err := x.planner.Syncer.GroupNames(ctx, syncs)
	if err != nil {
		return err
	}
	for _, names := range there {
		for name := range names {
			if strings.Contains(name, ",") {
				f.Commas = append(f.Commas, name)
			}
		}
	}
	slices.SortFunc(f.Commas, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) }) // one may hold another
	for _, of := range []struct {
		group, all string
		given      []string
	}{{ledger.GroupCountry, "countries", f.Countries}, {ledger.GroupProduct, "products", f.Products}} {
		for _, name := range of.given {
			if f.Matches(x.entries, of.group, name) {
				continue
			}
			exists, taken := false, false
			var names []string
			for n, goes := range there[of.group] {
				same := strings.EqualFold(n, name)
				exists, taken = exists || same, taken || same && goes
				if goes {
					names = append(names, n)
				}
			}
			if slices.Sort(names); exists && !taken {
				return misused(fmt.Sprintf("What goes somewhere is of: %s.", planner.FirstOf(names)), "-%s=%s: no integration point takes what is of it", of.group, name)
			} else if !exists && len(there) > 0 {
				return misused(fmt.Sprintf("There are: %s.", planner.FirstOf(names)), "-%s=%s: no content vault has it among its %s", of.group, name, of.all)
			}
		}
	}
	return nil
}
