package vault

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"accord/providers"
	"accord/providers/vaultapi"
)

// Variants of the clm stream (CLM-1, RULE-4): the latest steady-state version
// of a document, or its latest.
const (
	variantSteady = "steady"
	variantLatest = "latest"
)

// Standings of the clm stream: where a document stands in its content vault.
const (
	standApproved    = "approved"    // publishable; of the latest variant: whatever its state
	standUnpublished = "unpublished" // Publish for CRM (CLM) is No; of a presentation also blank
	standObsolete    = "obsolete"
	standDeleted     = "deleted"
	standExpired     = "expired"             // past its CRM end date
	standUnapproved  = "unapproved"          // a slide that had a steady version, has none now, and is not obsolete
	standInField     = "unapproved_in_field" // a presentation of that kind, which users have for as long as it is kept
	standDraft       = "draft"               // a slide that never had one
	standNever       = "never_approved"      // a presentation of that kind: users have it where RULE-4 was off
	standRetyped     = "of_another_type"     // is not of this part any more
	standMissing     = "missing"             // neither there nor among the deleted
)

// sourceFields are the stream's own fields: what its base rules read (CLM-5).
// What else is mapped is asked for in RecordsRequest.Fields.
var sourceFields = []string{
	"name__v", "title__v", "description__v", "language__v",
	"crm_media_type__v", "crm_start_date__v", "crm_end_date__v", "crm_training__v", "crm_hidden__v",
	"global_id__sys", "global_version_id__sys",
}

// sourceOwn is what the stream reads for itself, beside the fields.
const sourceOwn = "id, TONAME(type__v) AS type_name, TONAME(lifecycle__v) AS lifecycle_name, TONAME(status__v) AS status_name, " +
	"major_version_number__v, minor_version_number__v, clm_content__v, is_shared_resource__v, country__v, product__v"

// nodesOf asks for the nodes of the binder version that a row is.
const nodesOf = "(SELECT id, content_id__sys, order__sys, type__sys, parent_section_id__sys, document__sysr.is_shared_resource__v FROM binder_nodes__sysr)"

// clmSource reads the stream "clm" of one content vault.
type clmSource struct {
	*caller
	req     providers.RecordsRequest
	steady  bool // which variants are wanted
	latest  bool
	columns []column
	today   string // by the vault's clock, UTC
	horizon time.Time
	country map[string]string // id → name
	titles  map[string]string // these, until they were told
	product map[string]string
	kinds   map[string]map[string]bool // lifecycle → obsolete states
	gone    deletions
	fields  []byte             // of one record, again and again
	uses    map[int64][]string // by slide, those that were asked for: the shared resources it uses
	shared  *idList            // of documents that name slides, once those were read: whose approved version is a shared resource
	later   bool               // slides are read after what names them, which is read again where it took them for something else
}

func (p *Provider) clmRecords(ctx context.Context, r *reading) (last providers.Batch, err error) {
	s := &clmSource{caller: r.v.caller(), req: r.RecordsRequest, kinds: map[string]map[string]bool{}, uses: map[int64][]string{}}
	s.steady = slices.Contains(r.Variants, variantSteady) || len(r.Variants) == 0
	s.latest = slices.Contains(r.Variants, variantLatest)
	err = s.read(ctx, func(records []providers.Record) error {
		if len(records) == 0 {
			return nil
		}
		b := providers.Batch{Records: records, Calls: s.took(), Titles: s.titles}
		s.titles = nil
		return r.send(b)
	})
	return providers.Batch{Horizon: s.horizon, Calls: s.took(), Titles: s.titles}, err
}

func (s *clmSource) read(ctx context.Context, emit emit) error {
	if s.req.Only && !s.req.Since.IsZero() && len(s.req.Keys) == 0 {
		return s.glance(ctx, emit)
	}
	if err := s.prepare(ctx); err != nil {
		return err
	}
	if !s.req.Since.IsZero() || len(s.req.Keys) > 0 {
		return s.some(ctx, emit)
	}
	var shared idList
	err := s.full(ctx, typeSlide, func(records []providers.Record) error {
		for _, r := range records {
			if r.Part == partShared && slices.Contains(r.Variants, variantSteady) {
				shared.add(idOf(r.Key))
			}
		}
		return emit(records)
	})
	if err != nil {
		return err
	}
	if s.req.After == "" && s.req.UpTo == "" {
		s.shared = &shared
	}
	return s.full(ctx, typePresentation, emit)
}

// prepare learns what all of the read needs to know. The clock is read last,
// from answers that were given before the read itself begins.
func (s *clmSource) prepare(ctx context.Context) (err error) {
	if s.columns, err = s.v.columns(ctx, append(slices.Clone(sourceFields), s.req.Fields...)); err != nil {
		return err
	}
	if s.country, err = s.recordNames(ctx, objCountry); err != nil {
		return err
	}
	if s.product, err = s.recordNames(ctx, objProduct); err != nil {
		return err
	}
	if !s.req.Only { // who asks by key knows them
		s.titles = s.country
	}
	if s.horizon, err = s.v.now(ctx); err != nil {
		return err
	}
	s.today = s.horizon.Format(time.DateOnly)
	return nil
}

// recordNames are the names of an object's records: read by each read, but for
// one by key, which goes by those that were read a moment ago.
func (s *clmSource) recordNames(ctx context.Context, object string) (map[string]string, error) {
	if names, ok := s.v.lately.get(object); ok && s.req.Only {
		return names, nil
	}
	rows, err := s.all(ctx, "SELECT id, name__v FROM "+object)
	if err != nil {
		return nil, err
	}
	names := make(map[string]string, len(rows))
	for _, r := range rows {
		names[r.text("id")] = r.text("name__v")
	}
	s.v.lately.keep(object, names)
	return names, nil
}

// statement reads the versions of one kind of the documents of a type: steady,
// obsolete (both: the newest such version of each document) or latest.
func (s *clmSource) statement(typ, kind, where string, nodes bool) string {
	own := strings.Split(sourceOwn, ", ")
	if kind != variantLatest {
		own = append(own, "latest_version__v")
	}
	target := "documents"
	if typ == typePresentation {
		target = "binders"
		if nodes {
			own = append(own, nodesOf)
		}
	}
	q := "SELECT "
	if kind == variantLatest {
		q += selectList(s.columns, own...) + " FROM " + target
	} else {
		q += "LATESTVERSION " + selectList(s.columns, own...) + " FROM ALLVERSIONS " + target
	}
	q += " WHERE TONAME(type__v) = " + vaultapi.Quote(typ)
	switch kind {
	case variantSteady:
		q += " AND status__v = STEADYSTATE()"
	case standObsolete:
		q += " AND status__v = OBSOLETESTATE()"
	}
	return q + " AND " + where + " ORDER BY id"
}

// found is what a read found of one document.
type found struct {
	id                       int64
	steady, obsolete, latest row
}

// full reads all documents of a type in the order of their ids: a merge of one
// scan for each kind of version.
func (s *clmSource) full(ctx context.Context, typ string, emit emit) error {
	scans := map[string]*scan{}
	kinds := s.kindsToRead()
	for _, kind := range kinds {
		scans[kind] = newScan(s.caller, "id", idOf(s.req.After), func(after string) string {
			where := "id > " + vaultapi.Quote(after)
			if s.req.UpTo != "" {
				where += " AND id <= " + vaultapi.Quote(idOf(s.req.UpTo))
			}
			return limited(s.statement(typ, kind, where, kind != standObsolete))
		})
	}
	for {
		page := make([]found, 0, pageRows)
		for len(page) < pageRows {
			next := found{id: -1}
			for _, kind := range kinds {
				r, err := scans[kind].peek(ctx)
				if err != nil {
					return err
				}
				if r == nil {
					continue
				}
				if id := r.int("id"); next.id < 0 || id < next.id {
					next = found{id: id}
				}
				if r.int("id") == next.id {
					next.put(kind, r)
				}
			}
			if next.id < 0 {
				break
			}
			for _, kind := range kinds {
				if next.get(kind) != nil {
					scans[kind].take()
				}
			}
			page = append(page, next)
		}
		if len(page) == 0 {
			return nil
		}
		records, err := s.records(ctx, typ, page)
		if err == nil {
			err = emit(records)
		}
		if err != nil {
			return err
		}
	}
}

func (s *clmSource) kindsToRead() []string {
	var kinds []string
	if s.steady {
		kinds = append(kinds, variantSteady, standObsolete)
	}
	if s.latest {
		kinds = append(kinds, variantLatest)
	}
	return kinds
}

func (f *found) put(kind string, r row) {
	switch kind {
	case variantSteady:
		f.steady = r
	case standObsolete:
		f.obsolete = r
	default:
		f.latest = r
	}
}

func (f *found) get(kind string) row {
	switch kind {
	case variantSteady:
		return f.steady
	case standObsolete:
		return f.obsolete
	}
	return f.latest
}

// records turns what was found into records, in the order of ids, with the
// members that they name.
func (s *clmSource) records(ctx context.Context, typ string, page []found) ([]providers.Record, error) {
	if err := s.forgetOutdated(ctx, typ, page); err != nil {
		return nil, err
	}
	named, err := s.named(ctx, typ, page)
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, f := range page {
		for _, r := range []row{f.steady, f.latest} {
			if r != nil {
				rows = append(rows, r)
			}
		}
	}
	known, err := s.neutralReferences(ctx, s.columns, rows, func(r row) (string, string) { return r.text("global_id__sys"), r.text("external_id__v") })
	if err != nil {
		return nil, err
	}
	out := make([]providers.Record, 0, len(page))
	for _, f := range page {
		steady, obsolete := f.approved()
		ofSteady, ofLatest := named[taken{f.id, variantSteady}], named[taken{f.id, variantLatest}]
		var add []providers.Record
		if s.steady && steady != nil {
			standing := standObsolete
			if !obsolete {
				standing = s.standing(typ, steady)
			}
			r, err := s.record(typ, steady, standing, ofSteady, known)
			if err != nil {
				return nil, err
			}
			r.Variants = []string{variantSteady}
			add = append(add, r)
		}
		if s.latest && f.latest != nil {
			same := steady != nil && versionOf(steady) == versionOf(f.latest) && s.steady
			if same && slices.Equal(ofSteady.members, ofLatest.members) {
				add[0].Variants = append(add[0].Variants, variantLatest)
			} else {
				standing, err := s.latestStanding(ctx, typ, f.latest)
				if err != nil {
					return nil, err
				}
				r, err := s.record(typ, f.latest, standing, ofLatest, known)
				if err != nil {
					return nil, err
				}
				r.Variants = []string{variantLatest}
				add = append(add, r)
			}
		}
		out = append(out, add...)
	}
	return out, nil
}

// forgetOutdated forgets versions that a newer one of another type was approved
// after, also where that one is obsolete by now: such a document is something else.
func (s *clmSource) forgetOutdated(ctx context.Context, typ string, page []found) error {
	var list []string
	for _, f := range page {
		if r, _ := f.approved(); r != nil {
			if last, _ := r.flag("latest_version__v"); !last {
				list = append(list, r.text("id"))
			}
		}
	}
	elsewhere, err := s.approvedElsewhere(ctx, typ, list)
	for n := range page {
		if elsewhere[strconv.FormatInt(page[n].id, 10)] {
			page[n].steady, page[n].obsolete = nil, nil
		}
	}
	return err
}

// approvedElsewhere are those documents whose approved version, or what was
// approved and is obsolete, is of another type.
func (s *clmSource) approvedElsewhere(ctx context.Context, typ string, list []string) (map[string]bool, error) {
	out := map[string]bool{}
	return out, s.lists(ctx, list, listed, func(list string) string {
		return "SELECT LATESTVERSION id, TONAME(type__v) AS type_name FROM ALLVERSIONS documents WHERE (status__v = STEADYSTATE() OR status__v = OBSOLETESTATE()) AND id CONTAINS " + list
	}, func(r row) error {
		out[r.text("id")] = r.text("type_name") != "" && r.text("type_name") != typ
		return nil
	})
}

// approved is the newest version that was approved, or has been made obsolete
// since; nil: there is none.
func (f *found) approved() (r row, obsolete bool) {
	if f.obsolete != nil && (f.steady == nil || versionOf(f.obsolete).compare(versionOf(f.steady)) > 0) {
		return f.obsolete, true
	}
	return f.steady, false
}

// record builds one record from one version.
func (s *clmSource) record(typ string, r row, standing string, names names, known neutral) (providers.Record, error) {
	var err error
	if s.fields, err = appendFields(s.fields[:0], s.columns, r, known); err != nil {
		return providers.Record{}, err
	}
	rec := providers.Record{
		Part: partOf(typ, r), Key: keyOf(r.text("id")), Title: r.text("name__v"), Standing: standing, Fields: bytes.Clone(s.fields),
	}
	switch rec.Part {
	case partPresentation:
		rec.Routes = slices.Sorted(slices.Values(r.names("country__v")))
		rec.Groups = s.groups(r)
		rec.Members, rec.Problem = names.members, names.problem
	case partSlide:
		rec.Members = names.members
	}
	return rec, nil
}

// taken is the version of a document that a variant takes.
type taken struct {
	id      int64
	variant string
}

// names is what a version names.
type names struct {
	members []providers.Member
	problem string // why they cannot be taken as they are
}

// named finds what the versions of a page name.
func (s *clmSource) named(ctx context.Context, typ string, page []found) (map[taken]names, error) {
	out := map[taken]names{}
	if typ == typePresentation {
		return out, s.nodes(ctx, page, out)
	}
	shared, err := s.sharedOf(ctx, typ, page)
	if err != nil {
		return nil, err
	}
	for id, list := range shared {
		var n names
		for _, id := range list {
			n.members = append(n.members, providers.Member{Part: partShared, Key: keyOf(id)})
		}
		out[taken{id, variantSteady}], out[taken{id, variantLatest}] = n, n
	}
	return out, nil
}

// nodes finds what presentations name. A node knows of its document what the
// latest version is, and it is the approved one that counts: where that is not
// known of the slides, it is asked for.
func (s *clmSource) nodes(ctx context.Context, page []found, out map[taken]names) error {
	trees := map[taken][]node{}
	shared := map[string]bool{} // of the approved version, where it may be something else
	var unsure ids
	for _, f := range page {
		rows := map[string]row{variantLatest: f.latest}
		if r, obsolete := f.approved(); !obsolete {
			rows[variantSteady] = r
		}
		for variant, r := range rows {
			if r == nil {
				continue
			}
			nodes, err := s.allNodes(ctx, r)
			if err != nil {
				return err
			}
			trees[taken{f.id, variant}] = nodes
			for _, n := range nodes {
				id := string(n.Content)
				switch {
				case variant != variantSteady || id == "" || s.later:
				case s.shared != nil && s.shared.has(id):
					shared[id] = true
				case n.Shared || s.shared == nil:
					unsure.add(id)
				}
			}
		}
	}
	err := s.lists(ctx, unsure.sorted(), listed, func(list string) string {
		return "SELECT LATESTVERSION id, is_shared_resource__v FROM ALLVERSIONS documents WHERE (status__v = STEADYSTATE() OR status__v = OBSOLETESTATE()) AND id CONTAINS " + list
	}, func(r row) error {
		shared[r.text("id")], _ = r.flag("is_shared_resource__v")
		return nil
	})
	if err != nil {
		return err
	}
	for v, nodes := range trees {
		var n names
		n.members, n.problem = membersOf(nodes, func(n node) bool {
			if is, known := shared[string(n.Content)]; known && v.variant == variantSteady {
				return is
			}
			return n.Shared
		})
		out[v] = n
	}
	return nil
}

// partOf is CLM-3.
func partOf(typ string, r row) string {
	if typ == typePresentation {
		return partPresentation
	}
	if shared, _ := r.flag("is_shared_resource__v"); shared {
		return partShared
	}
	return partSlide
}

// standing is where a steady version stands (CLM-1, CLM-7).
func (s *clmSource) standing(typ string, r row) string { return clmStanding(typ, r, s.today) }

// clmStanding judges a version by its fields. Members go wherever a
// presentation needs them, so that for them only an explicit No counts
// (CTRY-5); a presentation is published by an explicit Yes.
func clmStanding(typ string, r row, today string) string {
	publish, set := r.flag("clm_content__v")
	if !publish && (set || typ == typePresentation) {
		return standUnpublished
	}
	if end := r.text("crm_end_date__v"); end != "" && end < today {
		return standExpired
	}
	return standApproved
}

func (s *clmSource) latestStanding(ctx context.Context, typ string, r row) (string, error) {
	lifecycle := r.text("lifecycle_name")
	if s.kinds[lifecycle] == nil {
		s.calls.Add(1)
		l, err := s.v.lifecycle(ctx, lifecycle)
		if err != nil {
			return "", err
		}
		s.kinds[lifecycle] = map[string]bool{}
		for _, state := range l.StatesOf("obsolete") {
			s.kinds[lifecycle][state] = true
		}
	}
	if s.kinds[lifecycle][r.text("status_name")] {
		return standObsolete, nil
	}
	return s.standing(typ, r), nil
}

func (s *clmSource) groups(r row) map[string]string {
	groups := map[string]string{}
	for name, from := range map[string]struct {
		field string
		names map[string]string
	}{partCountry: {"country__v", s.country}, partProduct: {"product__v", s.product}} {
		var list []string
		for _, id := range r.names(from.field) {
			if n := from.names[id]; n != "" {
				list = append(list, n)
			}
		}
		if slices.Sort(list); len(list) > 0 {
			groups[name] = strings.Join(list, ", ")
		}
	}
	return groups
}

// sharedOf asks which shared resources the slides of a page use.
func (s *clmSource) sharedOf(ctx context.Context, typ string, page []found) (map[int64][]string, error) {
	out := map[int64][]string{}
	var ids []string
	for _, f := range page {
		if list, known := s.uses[f.id]; known {
			out[f.id] = list
		} else if f.holds(typ, partSlide) {
			ids = append(ids, strconv.FormatInt(f.id, 10))
		}
	}
	asked, err := s.related(ctx, sourceDocument, targetDocument, ids)
	maps.Copy(out, asked)
	return out, err
}

// holds reports whether a version of the document is of a part.
func (f *found) holds(typ, part string) bool {
	for _, r := range []row{f.steady, f.obsolete, f.latest} {
		if r != nil && partOf(typ, r) == part {
			return true
		}
	}
	return false
}

// Ends of a relationship.
const (
	sourceDocument = "source_doc_id__v"
	targetDocument = "target_doc_id__v"
)

// related follows the relationship to shared resources from one end, by whose
// ids it answers the ids of the other, sorted.
func (c *caller) related(ctx context.Context, from, to string, ids []string) (map[int64][]string, error) {
	out := map[int64][]string{}
	err := c.lists(ctx, ids, listed, func(list string) string {
		return "SELECT id, source_doc_id__v, target_doc_id__v FROM relationships WHERE relationship_type__v = " +
			vaultapi.Quote(relationShared) + " AND " + from + " CONTAINS " + list
	}, func(r row) error {
		out[r.int(from)] = append(out[r.int(from)], r.text(to))
		return nil
	})
	for id, list := range out {
		slices.SortFunc(list, func(a, b string) int { return strings.Compare(keyOf(a), keyOf(b)) })
		out[id] = slices.Compact(list)
	}
	return out, err
}
