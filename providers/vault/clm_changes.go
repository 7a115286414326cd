package vault

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"accord/providers"
	"accord/providers/vaultapi"
)

// some reads what changed since a time, and by key, with what must be seen
// with it: the containers of a changed member, and the members of each
// container that is read. What grows with the number of changes is a list of
// ids, eight bytes each.
func (s *clmSource) some(ctx context.Context, emit emit) error {
	asked := map[providers.Member]bool{}
	var slides, presentations, others, gone idList
	for _, m := range s.req.Keys {
		asked[m] = true
		if m.Part == partPresentation {
			presentations.add(idOf(m.Key))
		} else {
			slides.add(idOf(m.Key))
		}
	}
	if s.req.Only {
		return s.byKey(ctx, &presentations, &slides, asked, emit)
	}
	if !s.req.Since.IsZero() {
		if err := s.changed(ctx, &slides, &presentations, &others); err != nil {
			return err
		}
		if err := s.deletedOrFewer(ctx, &slides, &presentations, &others, &gone); err != nil {
			return err
		}
		if err := s.referring(ctx, &slides, &presentations); err != nil {
			return err
		}
	}
	if err := s.using(ctx, &slides, &presentations, &others); err != nil {
		return err
	}
	// A presentation is read before its slides, and once more where it turns out to have
	// taken one for something else than what that one's approved version is.
	s.later = true
	meant, err := s.containers(ctx, &presentations, &slides, asked, emit)
	if err != nil {
		return err
	}
	used, err := s.follow(ctx, &slides, sourceDocument, targetDocument)
	if err != nil {
		return err
	}
	slides.join(used)
	shared, mistaken, err := s.members(ctx, &slides, meant, asked, emit)
	if err != nil {
		return err
	}
	s.later, s.shared = false, shared
	if err := s.again(ctx, mistaken, &presentations, asked, emit); err != nil {
		return err
	}
	return s.tellGone(&gone, emit, &slides, &presentations, &others)
}

// deletedOrFewer adds to gone what was deleted since the horizon, and to the other lists
// what is there all the same: where a version alone was deleted, or it is there again.
func (s *clmSource) deletedOrFewer(ctx context.Context, slides, presentations, others, gone *idList) error {
	var fewer idList
	if err := s.deleted(ctx, func(d vaultapi.Deletion) {
		if fewer.add(string(d.ID)); d.Type == wholeDocument {
			gone.add(string(d.ID))
		}
	}); err != nil {
		return err
	}
	for part := range fewer.parts() {
		rows, err := s.all(ctx, "SELECT "+changeOwn+" FROM documents WHERE id CONTAINS "+vaultapi.QuoteList(part...))
		if err != nil {
			return err
		}
		for _, r := range rows {
			sortChange(r, slides, presentations, others)
		}
	}
	return nil
}

// using adds the slides that use a changed shared resource, then the presentations that
// hold one of the slides. What is neither by now is found where it is still used:
// nothing else was published of it.
func (s *clmSource) using(ctx context.Context, slides, presentations, others *idList) error {
	all := idList{ids: slices.Concat(slides.ids, others.ids)}
	users, err := s.follow(ctx, &all, targetDocument, sourceDocument)
	if err != nil {
		return err
	}
	slides.join(users)
	all.join(users)
	return s.holders(ctx, &all, presentations)
}

// containers reads presentations, and adds the slides that they name. meant are those of
// approved ones, by the part that they are taken for.
func (s *clmSource) containers(ctx context.Context, presentations, slides *idList, asked map[providers.Member]bool, emit emit) (meant map[string]*idList, err error) {
	meant = map[string]*idList{partShared: {}, partSlide: {}}
	return meant, s.chunks(ctx, typePresentation, presentations, asked, func(records []providers.Record) error {
		for _, r := range records {
			for _, m := range r.Members {
				slides.add(idOf(m.Key))
				if slices.Contains(r.Variants, variantSteady) {
					meant[m.Part].add(idOf(m.Key))
				}
			}
		}
		return emit(records)
	})
}

// members reads slides and shared resources. What one of them is its approved version
// says, which is read only now: shared are those that are shared resources by it, and
// mistaken those that were meant as the other part.
func (s *clmSource) members(ctx context.Context, slides *idList, meant map[string]*idList, asked map[providers.Member]bool, emit emit) (shared, mistaken *idList, err error) {
	shared, mistaken = &idList{}, &idList{}
	err = s.chunks(ctx, typeSlide, slides, asked, func(records []providers.Record) error {
		for _, r := range records {
			if id := idOf(r.Key); slices.Contains(r.Variants, variantSteady) && !slices.Contains(nothingThere, r.Standing) {
				if r.Part == partShared {
					shared.add(id)
				}
				if meant[otherMember[r.Part]].has(id) {
					mistaken.add(id)
				}
			}
		}
		return emit(records)
	})
	return shared, mistaken, err
}

// tellGone tells of deleted documents that were not read as what is there. Such a one
// has no type any more: it is told of in each part, and means something where the
// target holds it.
func (s *clmSource) tellGone(gone *idList, emit emit, read ...*idList) error {
	for part := range gone.parts() {
		var deleted []providers.Record
		for _, name := range []string{partShared, partSlide, partPresentation} {
			for _, id := range part {
				if !slices.ContainsFunc(read, func(l *idList) bool { return l.has(id) }) {
					deleted = append(deleted, providers.Record{Part: name, Key: keyOf(id), Standing: standDeleted, Variants: s.variants()})
				}
			}
		}
		if err := emit(deleted); err != nil {
			return err
		}
	}
	return nil
}

// otherMember is what else the approved version of a slide or shared resource may be.
var otherMember = map[string]string{partShared: partSlide, partSlide: partShared}

// nothingThere are standings of what is told of as each part that it may have been.
var nothingThere = []string{standRetyped, standDeleted, standMissing}

// again reads those presentations once more that took a slide for a shared resource,
// or one for a slide: their nodes know its latest version, and it is the approved one
// that counts. What is read last of a presentation holds.
func (s *clmSource) again(ctx context.Context, mistaken, presentations *idList, asked map[providers.Member]bool, emit emit) error {
	var holding, again idList
	if err := s.holders(ctx, mistaken, &holding); err != nil {
		return err
	}
	for part := range holding.parts() {
		for _, id := range part {
			if presentations.has(id) {
				again.add(id)
			}
		}
	}
	return s.chunks(ctx, typePresentation, &again, asked, emit)
}

// usesKept is of how many slides is remembered which shared resources they
// use, until they are read themselves.
const usesKept = 50_000

// follow finds what the documents of a list are related to.
func (s *clmSource) follow(ctx context.Context, list *idList, from, to string) (*idList, error) {
	found := &idList{}
	for part := range list.parts() {
		related, err := s.related(ctx, from, to, part)
		if err != nil {
			return nil, err
		}
		if from == sourceDocument && len(s.uses) < usesKept {
			for _, id := range part {
				if n, err := strconv.ParseInt(id, 10, 64); err == nil {
					s.uses[n] = related[n]
				}
			}
		}
		for _, ids := range related {
			found.add(ids...)
		}
	}
	return found, nil
}

// changed lists the documents that have a version modified since the horizon,
// whatever its state: no eligibility is in the filter (CLM-7). Nor is a type,
// since what is of another type now may have been one of CLM-3's before: a
// presentation, where it is a binder, else one of the others (sortChange).
func (s *clmSource) changed(ctx context.Context, slides, presentations, others *idList) error {
	changes := s.changes("")
	for {
		r, err := changes.peek(ctx)
		if err != nil || r == nil {
			return err
		}
		sortChange(r, slides, presentations, others)
		changes.take()
	}
}

// changes scans the versions that were modified since the horizon, with what more is
// selected of each.
func (s *clmSource) changes(more string) *scan {
	return newScan(s.caller, "id", "0", func(after string) string {
		return limited("SELECT " + changeOwn + more + " FROM ALLVERSIONS documents WHERE version_modified_date__v >= " +
			vaultapi.QuoteTime(s.req.Since) + " AND id > " + vaultapi.Quote(after) + " ORDER BY id")
	})
}

// changeOwn is what changedPart goes by.
const changeOwn = "id, TONAME(type__v) AS type_name, binder__v"

// changedPart is where a changed version is looked for: among the presentations, where
// it is a binder, whatever its type is by now; or the slides, which shared resources
// are, too; "": where it is still used.
func changedPart(r row) string {
	binder, _ := r.flag("binder__v")
	switch typ := r.text("type_name"); {
	case typ == typePresentation, binder:
		return partPresentation
	case typ == typeSlide:
		return partSlide
	}
	return ""
}

func sortChange(r row, slides, presentations, others *idList) {
	switch changedPart(r) {
	case partSlide:
		slides.add(r.text("id"))
	case partPresentation:
		presentations.add(r.text("id"))
		if binder, _ := r.flag("binder__v"); !binder { // it was something else, and may still be used as that
			others.add(r.text("id"))
		}
	default:
		others.add(r.text("id"))
	}
}

// changedReferences are the records that changed since the horizon, of each object
// that a mapped field refers to: by what a record is known, its Link or External
// ID, is part of what documents say that refer to it (RULE-2), and changes none of
// them.
func (s *clmSource) changedReferences(ctx context.Context, columns []column) (map[string][]row, error) {
	changed := map[string][]row{}
	for _, col := range columns {
		if _, asked := changed[col.object]; asked || col.typ != "ObjectReference" {
			continue
		}
		rows, err := s.all(ctx, "SELECT id, modified_date__v FROM "+col.object+" WHERE modified_date__v >= "+vaultapi.QuoteTime(s.req.Since))
		if err != nil {
			return nil, err
		}
		changed[col.object] = rows
	}
	return changed, nil
}

// referring adds the documents that refer to a changed record, in any version: more
// than needed does no harm.
func (s *clmSource) referring(ctx context.Context, slides, presentations *idList) error {
	changed, err := s.changedReferences(ctx, s.columns)
	if err != nil {
		return err
	}
	types := vaultapi.QuoteList(typePresentation, typeSlide)
	for _, col := range s.columns {
		for part := range slices.Chunk(changed[col.object], listed) {
			list := make([]string, len(part))
			for n, r := range part {
				list[n] = r.text("id")
			}
			found := newScan(s.caller, "id", "0", func(after string) string {
				return limited("SELECT LATESTVERSION " + changeOwn + " FROM ALLVERSIONS documents WHERE TONAME(type__v) CONTAINS " + types +
					" AND " + col.field + " CONTAINS " + vaultapi.QuoteList(list...) + " AND id > " + vaultapi.Quote(after) + " ORDER BY id")
			})
			for {
				r, err := found.peek(ctx)
				if err != nil {
					return err
				}
				if r == nil {
					break
				}
				sortChange(r, slides, presentations, &idList{}) // there is none of another type
				found.take()
			}
		}
	}
	return nil
}

// wholeDocument is what the deletion of a document is called, and not of one of
// its versions. That changes no version that is left, and may yet change which one
// counts.
const wholeDocument = "document__sys"

// deleted tells of the documents and versions that were deleted since the horizon.
func (s *clmSource) deleted(ctx context.Context, each func(vaultapi.Deletion)) error {
	s.calls.Add(1)
	for d, err := range s.v.reader.DeletedDocuments(ctx, s.req.Since, s.horizon.Add(time.Second)) {
		if err != nil {
			return err
		}
		each(d)
	}
	return nil
}

// holders adds the presentations that have one of the slides as a node, in any
// version that a wanted variant could be: more than needed does no harm.
func (s *clmSource) holders(ctx context.Context, slides, presentations *idList) error {
	for part := range slides.parts() {
		join := " WHERE TONAME(type__v) = " + vaultapi.Quote(typePresentation) + " AND id IN (SELECT id FROM binder_nodes__sysr WHERE content_id__sys CONTAINS " + vaultapi.QuoteList(part...) + ")"
		var queries []string
		if s.steady {
			queries = append(queries, "SELECT id FROM ALLVERSIONS binders"+join+" AND status__v = STEADYSTATE()")
		}
		if s.latest {
			queries = append(queries, "SELECT id FROM binders"+join)
		}
		for _, q := range queries {
			rows, err := s.all(ctx, q)
			if err != nil {
				return err
			}
			for _, r := range rows {
				presentations.add(r.text("id"))
			}
		}
	}
	return nil
}

func (s *clmSource) byKey(ctx context.Context, presentations, slides *idList, asked map[providers.Member]bool, emit emit) error {
	only := func(records []providers.Record) error {
		kept := records[:0]
		for _, r := range records {
			if asked[providers.Member{Part: r.Part, Key: r.Key}] {
				kept = append(kept, r)
			}
		}
		return emit(kept)
	}
	if s.req.Confirm {
		if err := s.confirmRelated(ctx, slides); err != nil {
			return err
		}
	}
	if err := s.chunks(ctx, typeSlide, slides, asked, only); err != nil {
		return err
	}
	return s.chunks(ctx, typePresentation, presentations, asked, only)
}

// confirmed is how many documents are asked one by one before an answer that
// names nothing for any of a list is believed.
const confirmed = 20

// confirmRelated makes sure that slides use no shared resource any more: where
// the query names none for any of them, some are asked by another way. They
// are spread over the list, so that they are not of one page.
func (s *clmSource) confirmRelated(ctx context.Context, slides *idList) error {
	for part := range slides.parts() {
		related, err := s.related(ctx, sourceDocument, targetDocument, part)
		if err != nil || len(related) > 0 {
			return err
		}
		rows := map[string]row{}
		step := max(1, len(part)/confirmed)
		var some []string
		for n := 0; n < len(part) && len(some) < confirmed; n += step {
			some = append(some, part[n])
		}
		if err := s.lists(ctx, some, listed, func(list string) string {
			return "SELECT id, major_version_number__v, minor_version_number__v FROM documents WHERE id CONTAINS " + list
		}, func(r row) error { rows[r.text("id")] = r; return nil }); err != nil {
			return err
		}
		for _, id := range some {
			r := rows[id]
			if r == nil {
				continue
			}
			at := versionOf(r)
			s.calls.Add(1)
			list, err := s.v.reader.Relationships(ctx, vaultapi.Version{ID: vaultapi.ID(id), Major: int(at.major), Minor: int(at.minor)})
			if err != nil {
				return err
			}
			for _, x := range list {
				if x.Type == relationShared && string(x.Source) == id {
					return providers.Errorf(providers.Transient, "the query for relationships of %s answers nothing, and yet slide %s uses a shared resource: nothing is taken away upon such an answer", s.v.addr, id)
				}
			}
		}
	}
	return nil
}

// chunks reads documents by id, in order, and says of each that was asked for
// by key where it stands, also when it is not there.
func (s *clmSource) chunks(ctx context.Context, typ string, list *idList, asked map[providers.Member]bool, each func([]providers.Record) error) error {
	for part := range list.parts() {
		where := "id CONTAINS " + vaultapi.QuoteList(part...)
		byID := map[int64]*found{}
		for _, kind := range s.kindsToRead() {
			rows, err := s.all(ctx, s.statement(typ, kind, where, kind != standObsolete))
			if err != nil {
				return err
			}
			for _, r := range rows {
				f := byID[r.int("id")]
				if f == nil {
					f = &found{id: r.int("id")}
					byID[f.id] = f
				}
				f.put(kind, r)
			}
		}
		page := make([]found, 0, len(byID))
		for _, id := range slices.Sorted(maps.Keys(byID)) {
			page = append(page, *byID[id])
		}
		records, err := s.records(ctx, typ, page)
		if err != nil {
			return err
		}
		rest, err := s.others(ctx, typ, part, records, asked)
		if err != nil {
			return err
		}
		records = append(records, rest...)
		slices.SortStableFunc(records, func(a, b providers.Record) int { return strings.Compare(a.Key, b.Key) })
		if err := each(records); err != nil {
			return err
		}
	}
	return nil
}

func partsOfType(typ string) []string {
	if typ == typePresentation {
		return []string{partPresentation}
	}
	return []string{partShared, partSlide}
}

func (s *clmSource) variants() []string {
	var list []string
	if s.steady {
		list = append(list, variantSteady)
	}
	if s.latest {
		list = append(list, variantLatest)
	}
	return list
}
