package standin

import (
	"fmt"
	"slices"
	"time"
)

// fate is what shall become of an item.
type fate int

const (
	keep fate = iota
	publish
	withdraw
)

// presentations runs the CLM point. An incremental run leaves alone what has not changed since, and what has nothing to do with it.
func (w *work) presentations(routed, full bool, since time.Time) error {
	list, approvedOnly, err := w.mappings()
	if err != nil {
		return err
	}
	source, err := w.library(list, approvedOnly)
	if err != nil {
		return err
	}
	target, err := w.items(list)
	if err != nil {
		return err
	}
	var connected []string
	if routed {
		rows, err := w.query(w.content.Name, fmt.Sprintf("SELECT country__v FROM crm_connection_country__v WHERE vault_crm_id__v = '%d'", w.crm.ID))
		if err != nil {
			return err
		}
		for _, r := range rows {
			connected = append(connected, r.list("country__v")...)
		}
	}
	sourceOf := map[string]string{} // item → document
	for id, i := range target {
		sourceOf[i.id] = id
	}
	heldBy := func(id string) (docs []string) { // what an item names, as documents
		if i := target[id]; i != nil && i.published {
			for _, m := range i.members {
				if d := sourceOf[m]; d != "" {
					docs = append(docs, d)
				}
			}
		}
		return docs
	}
	touched := w.changedSince(source, target, heldBy, full, since)
	takes := func(d *doc) bool {
		return !routed || slices.ContainsFunc(d.countries, func(c string) bool { return slices.Contains(connected, c) })
	}

	fates, needed := map[string]fate{}, map[string]bool{}
	ids := map[string]bool{}
	for id := range source {
		ids[id] = true
	}
	for id := range target {
		ids[id] = true
	}
	for _, part := range []string{presentation, slide, shared} {
		for _, id := range sorted(ids) {
			d := source[id]
			if p := partIn(d, target[id]); p != part {
				continue
			}
			why := lacking(source, id)
			switch {
			case !touched[id]:
				fates[id] = keep
			case part != presentation && !needed[id]:
				fates[id] = withdraw
			case part != presentation && why == "":
				fates[id] = publish
			case part != presentation:
				fates[id] = keep
			case d == nil, d.standing == obsolete, d.standing == unpublished:
				fates[id] = withdraw
			case !takes(d):
				fates[id] = withdraw
			case d.standing != approved:
				fates[id] = keep
			case why != "":
				fates[id] = keep
				w.failures = append(w.failures, failure{id, d.title, why})
			default:
				fates[id] = publish
			}
			members := heldBy(id)
			switch fates[id] {
			case publish:
				members = d.members
			case withdraw:
				members = nil
			}
			for _, m := range members {
				needed[m] = true
			}
		}
	}
	return w.write(source, target, fates, approvedOnly)
}

func partIn(d *doc, i *item) string {
	if d != nil {
		return d.part
	}
	return i.part
}

// lacking is why a document cannot be published whole: it, or something that it names, is not published.
func lacking(source map[string]*doc, id string) string {
	d := source[id]
	switch {
	case d == nil:
		return "document " + id + " was not found"
	case d.standing == kept:
		return fmt.Sprintf("%s (%s) has no approved version", d.title, id)
	case d.standing != approved:
		return fmt.Sprintf("%s (%s) is %s", d.title, id, d.standing)
	case d.problem != "":
		return d.problem
	}
	for _, m := range d.members {
		if source[m] != nil && source[m].part == presentation {
			return "it holds another presentation"
		}
		if why := lacking(source, m); why != "" {
			return why
		}
	}
	return ""
}

// changedSince is what an incremental run looks at: what changed, what names it, and what that names.
func (w *work) changedSince(source map[string]*doc, target map[string]*item, held func(string) []string, full bool, since time.Time) map[string]bool {
	touched := map[string]bool{}
	for id, d := range source {
		touched[id] = full || w.retry[id] || !d.changed.Before(since)
	}
	for id := range target {
		touched[id] = touched[id] || full || source[id] == nil
	}
	named := func(id string) []string {
		list := held(id)
		if d := source[id]; d != nil {
			list = append(list, d.members...)
		}
		return list
	}
	for range 2 { // shared resource → slide → presentation
		for id := range touched {
			touched[id] = touched[id] || slices.ContainsFunc(named(id), func(m string) bool { return touched[m] })
		}
	}
	for range 2 {
		for id, is := range touched {
			for _, m := range named(id) {
				touched[m] = touched[m] || is
			}
		}
	}
	return touched
}

// write makes it so: members before what names them, withdrawals of what names them before theirs.
func (w *work) write(source map[string]*doc, target map[string]*item, fates map[string]fate, approvedOnly bool) error {
	bad := map[string]bool{}
	do := func(part string, f fate, act func(id string) error) {
		for _, id := range sorted(fates) {
			if fates[id] != f || partIn(source[id], target[id]) != part {
				continue
			}
			if err := act(id); err != nil {
				bad[id] = true
				title := id
				if d := source[id]; d != nil {
					title = d.title
				}
				w.failures = append(w.failures, failure{id, title, err.Error()})
			}
		}
	}
	for _, part := range []string{shared, slide, presentation} {
		do(part, publish, func(id string) error {
			d := source[id]
			var members []string
			for _, m := range d.members {
				if target[m] == nil || bad[m] {
					return fmt.Errorf("document %s, which it names, is not in the CRM vault", m)
				}
				members = append(members, target[m].id)
			}
			if part == slide {
				members = sameSet(members, target[id])
			}
			i, err := w.publish(d, target[id], approvedOnly, members)
			if err == nil {
				target[id] = i
			}
			return err
		})
	}
	for _, part := range []string{presentation, slide, shared} {
		family := "documents"
		if part == presentation {
			family = "binders"
		}
		do(part, withdraw, func(id string) error {
			i := target[id]
			if i == nil || i.withdrawn {
				return nil
			}
			return w.enter(family, i.id, "OBSOLETESTATE()", "make_obsolete__v")
		})
	}
	return nil
}

// sameSet puts members into the order in which an item holds them, when they are the same: that of shared resources means nothing.
func sameSet(members []string, i *item) []string {
	if i == nil || len(members) != len(i.members) || slices.ContainsFunc(members, func(m string) bool { return !slices.Contains(i.members, m) }) {
		return members
	}
	return i.members
}
