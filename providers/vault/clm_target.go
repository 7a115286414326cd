package vault

import (
	"bytes"
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"accord/providers"
	"accord/providers/vaultapi"
)

// targetFields are what the base rules fill (CLM-5).
var targetFields = []string{
	"name__v", "title__v", "description__v", "language__v",
	"crm_media_type__v", "crm_start_date__v", "crm_end_date__v", "crm_training__v", "crm_hidden__v",
	"link__sys", "version_link__sys",
}

const targetOwn = "id, external_id__v, TONAME(type__v) AS type_name, TONAME(lifecycle__v) AS lifecycle_name, TONAME(status__v) AS status_name, " +
	"major_version_number__v, minor_version_number__v, crosslink__v, source_vault_id__v"

const markedNodes = "(SELECT id, content_id__sys, order__sys, type__sys, parent_section_id__sys, document__sysr.external_id__v FROM binder_nodes__sysr)"

// clmTarget is what one point made in one CRM vault: the stream "clm_content".
type clmTarget struct {
	*caller
	scope   scope
	columns []column
	refs    map[string]refMap // by target field
	shared  map[string]string // shared resources met: id → key, "" for what is none of ours
	gone    deletions
}

func (v *vault) clmTarget(ctx context.Context, end providers.End) (*clmTarget, error) {
	s, err := scopeOf(end)
	if err != nil {
		return nil, err
	}
	t := &clmTarget{caller: v.caller(), scope: s, refs: map[string]refMap{}, shared: map[string]string{}}
	for _, r := range s.Refs {
		t.refs[r.Field] = r
	}
	t.columns, err = v.columns(ctx, append(slices.Clone(targetFields), s.Fields...))
	return t, err
}

func (p *Provider) clmTargetRecords(ctx context.Context, r *reading) (last providers.Batch, err error) {
	t, err := r.v.clmTarget(ctx, r.End)
	if err != nil {
		return last, err
	}
	return r.published(ctx, t.caller, t)
}

// statement reads documents of ours: of the two member types, or binders. The
// condition may be long, and in parts: it is written once.
func (t *clmTarget) statement(binders bool, where ...string) string {
	target, own, types := "documents", strings.Split(targetOwn, ", "), []string{targetSlide, targetShared}
	if binders {
		target, own, types = "binders", append(own, markedNodes), []string{targetPresentation}
	}
	start := "SELECT " + selectList(t.columns, own...) + " FROM " + target + " WHERE TONAME(type__v) CONTAINS " + vaultapi.QuoteList(types...) + " AND "
	return strings.Join(append([]string{start}, where...), "")
}

func (t *clmTarget) prefix() string { return markPrefix(t.scope.Point, t.scope.Source) }

// all reads everything of ours in the order of the marks, which is that of
// the keys.
func (t *clmTarget) all(ctx context.Context, req providers.RecordsRequest, emit emit) error {
	for _, binders := range []bool{false, true} {
		err := scanMarks(ctx, t.caller, t.prefix(), req, func(where string) string { return t.statement(binders, where) }, func(page []row) error {
			records, err := t.records(ctx, page)
			if err != nil {
				return err
			}
			return emit(records)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// marked reads items, in chunks.
func (t *clmTarget) marked(ctx context.Context, binders bool, items []providers.Member, each func([]providers.Record) error) error {
	for part := range slices.Chunk(items, markList) {
		rows, err := t.caller.all(ctx, t.statement(binders, "external_id__v CONTAINS ", vaultapi.QuoteList(marks(t.scope.Point, t.scope.Source, part)...)))
		if err != nil {
			return err
		}
		slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.text("external_id__v"), b.text("external_id__v")) })
		records, err := t.records(ctx, rows)
		if err != nil {
			return err
		}
		if err := each(records); err != nil {
			return err
		}
	}
	return nil
}

// holders reads the published containers that name any of the keys.
func (t *clmTarget) holders(ctx context.Context, keys []providers.Member, emit emit) error {
	members, err := t.documents(ctx, slices.DeleteFunc(slices.Clone(keys), func(m providers.Member) bool { return m.Part == partPresentation }))
	if err != nil {
		return err
	}
	var documents, shared []string
	for m, d := range members {
		documents = append(documents, string(d.version.ID))
		if m.Part == partShared {
			shared = append(shared, string(d.version.ID))
		}
	}
	slices.Sort(documents)
	slices.Sort(shared)
	// Presentations that hold a slide, or a shared resource as a slide.
	seen := map[string]bool{}
	for part := range slices.Chunk(documents, listed) {
		rows, err := t.caller.all(ctx, t.statement(true, "external_id__v > "+vaultapi.Quote(t.prefix())+" AND external_id__v < "+vaultapi.Quote(t.prefix()+"~")+
			" AND id IN (SELECT id FROM binder_nodes__sysr WHERE content_id__sys CONTAINS "+vaultapi.QuoteList(part...)+")"))
		if err != nil {
			return err
		}
		rows = slices.DeleteFunc(rows, func(r row) bool { was := seen[r.text("id")]; seen[r.text("id")] = true; return was })
		if err := t.emitPublished(ctx, rows, emit); err != nil {
			return err
		}
	}
	// Slides that use a shared resource.
	users, err := t.related(ctx, targetDocument, sourceDocument, shared)
	if err != nil {
		return err
	}
	var slides ids
	for _, list := range users {
		slides.add(list...)
	}
	for part := range slices.Chunk(slides.sorted(), listed) {
		rows, err := t.caller.all(ctx, t.statement(false, "id CONTAINS "+vaultapi.QuoteList(part...)))
		if err != nil {
			return err
		}
		if err := t.emitPublished(ctx, rows, emit); err != nil {
			return err
		}
	}
	return nil
}

// emitPublished hands over what of rows is ours, and published.
func (t *clmTarget) emitPublished(ctx context.Context, rows []row, emit emit) error {
	records, err := t.records(ctx, rows)
	if err != nil {
		return err
	}
	return emit(slices.DeleteFunc(records, func(r providers.Record) bool { return r.Standing != providers.Published }))
}

// records turns rows into records of ours, in their order. What is not ours
// although it looks like it is left out (CLM-11).
func (t *clmTarget) records(ctx context.Context, rows []row) ([]providers.Record, error) {
	var slides []string
	for _, r := range rows {
		switch r.text("type_name") {
		case targetSlide:
			slides = append(slides, r.text("id"))
		case targetShared:
			t.meet(r)
		}
	}
	uses, err := t.related(ctx, sourceDocument, targetDocument, slides)
	if err != nil {
		return nil, err
	}
	var shared ids
	for _, list := range uses {
		shared.add(list...)
	}
	keys, err := t.keys(ctx, shared.sorted())
	if err != nil {
		return nil, err
	}
	known, err := t.neutralReferences(ctx, t.columns, rows, func(r row) (string, string) { return r.text("link__sys"), r.text("external_id__v") })
	if err != nil {
		return nil, err
	}
	out := make([]providers.Record, 0, len(rows))
	var fields []byte
	for _, r := range rows {
		if !t.owns(r) {
			continue
		}
		item, _ := t.item(r.text("external_id__v"))
		rec := providers.Record{Part: partOfTarget[r.text("type_name")], Key: item.Key, ID: r.text("id"), Title: r.text("name__v")}
		if rec.Standing, err = t.standing(ctx, r); err != nil {
			return nil, err
		}
		if fields, err = appendFields(fields[:0], t.columns, r, known); err != nil {
			return nil, err
		}
		rec.Fields = bytes.Clone(fields)
		switch rec.Part {
		case partPresentation:
			if rec.Members, rec.Problem, err = t.slidesOf(ctx, r); err != nil {
				return nil, err
			}
		case partSlide:
			for _, id := range uses[r.int("id")] {
				if key := keys[id]; key != "" {
					rec.Members = append(rec.Members, providers.Member{Part: partShared, Key: key})
				}
			}
			sortMembers(rec.Members)
		}
		out = append(out, rec)
	}
	return out, nil
}

// slidesOf are the slides that a presentation holds, in their order, and what is
// wrong with it. One that was deleted is still named.
func (t *clmTarget) slidesOf(ctx context.Context, r row) (slides []providers.Member, problem string, err error) {
	nodes, err := t.binderNodes(ctx, r)
	for _, n := range nodes {
		item, ours := t.item(cmp.Or(n.Mark, n.Was))
		switch {
		case n.Empty && !ours: // which one it was is not known
			item = providers.Member{Part: partSlide, Key: "deleted " + string(n.Content)}
			fallthrough
		case n.Empty:
			problem = slideLost
			fallthrough
		case ours:
			slides = append(slides, item)
		}
	}
	return slides, problem, err
}

// slideLost is the problem of a presentation whose slide was deleted by hand.
const slideLost = "a slide of it is not there any more"

// binderNodes are those of the binder version that a row is, in their order. One whose
// document was deleted is told from one whose document may not be seen: the vault
// lists what was deleted.
func (t *clmTarget) binderNodes(ctx context.Context, r row) ([]node, error) {
	all, err := t.allNodes(ctx, r)
	if err != nil {
		return nil, err
	}
	all = inOrder(all)
	for n := range all {
		if all[n].Mark != "" || all[n].Content == "" || all[n].Type == "binder" {
			continue
		}
		now, err := t.v.now(ctx)
		if err != nil {
			return nil, err
		}
		if all[n].Was, all[n].Empty, err = t.gone.has(ctx, t.caller, now, string(all[n].Content)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// item is what a mark of ours stands for, a presentation's as if it were a
// slide's; ours is false of any other text.
func (t *clmTarget) item(text string) (item providers.Member, ours bool) {
	return itemOfMark(text, t.scope.Point, t.scope.Source)
}

// owns is CLM-11: the mark, the type that it says, and of a CrossLink also its
// source.
func (t *clmTarget) owns(r row) bool {
	item, ours := t.item(r.text("external_id__v"))
	switch part := partOfTarget[r.text("type_name")]; {
	case !ours:
		return false
	case part == partPresentation:
		return item.Part == partSlide
	case part != item.Part:
		return false
	}
	link, _ := r.flag("crosslink__v")
	return link && r.int("source_vault_id__v") == t.scope.Source
}

// standing is what the state of a document's latest version means: steady is
// published, obsolete withdrawn, and what is neither was cut short.
func (t *clmTarget) standing(ctx context.Context, r row) (string, error) {
	l, err := t.v.lifecycle(ctx, r.text("lifecycle_name"))
	if err != nil {
		return "", err
	}
	switch state := r.text("status_name"); {
	case slices.Contains(l.StatesOf("steady"), state):
		return providers.Published, nil
	case slices.Contains(l.StatesOf("obsolete"), state):
		return providers.Withdrawn, nil
	}
	return providers.Unfinished, nil
}

// sharedKept is how many shared resources are remembered from page to page:
// slides of many pages use the same few.
const sharedKept = 50_000

// meet remembers a shared resource.
func (t *clmTarget) meet(r row) {
	key := ""
	if item, ours := t.item(r.text("external_id__v")); ours && item.Part == partShared {
		key = strings.Clone(item.Key)
	}
	t.shared[strings.Clone(r.text("id"))] = key
}

// keys finds the keys of shared resources of ours by their ids.
func (t *clmTarget) keys(ctx context.Context, list []string) (map[string]string, error) {
	if len(t.shared) > sharedKept {
		clear(t.shared)
	}
	unknown := slices.DeleteFunc(slices.Clone(list), func(id string) bool { _, known := t.shared[id]; return known })
	err := t.lists(ctx, unknown, listed, func(list string) string {
		return "SELECT id, external_id__v FROM documents WHERE id CONTAINS " + list
	}, func(r row) error { t.meet(r); return nil })
	out := map[string]string{}
	for _, id := range list {
		if key := t.shared[id]; key != "" {
			out[id] = key
		}
	}
	return out, err
}

// targetDoc is a document of ours as a write needs to know it.
type targetDoc struct {
	typ              string
	version          vaultapi.Version
	lifecycle, state string
	owned            bool
	nodes            []node
}

// documents finds what is there of slides and shared resources.
func (t *clmTarget) documents(ctx context.Context, items []providers.Member) (map[providers.Member]*targetDoc, error) {
	return t.find(ctx, "documents", items, targetOwn)
}

// binders finds what is there of presentations, with their nodes.
func (t *clmTarget) binders(ctx context.Context, items []providers.Member) (map[providers.Member]*targetDoc, error) {
	return t.find(ctx, "binders", items, targetOwn+", "+markedNodes)
}

func (t *clmTarget) find(ctx context.Context, target string, items []providers.Member, columns string) (map[providers.Member]*targetDoc, error) {
	out := map[providers.Member]*targetDoc{}
	of := make(map[string]providers.Member, len(items))
	for n, text := range marks(t.scope.Point, t.scope.Source, items) {
		of[text] = items[n]
	}
	err := t.lists(ctx, slices.Sorted(maps.Keys(of)), markList, func(list string) string {
		return "SELECT " + columns + " FROM " + target + " WHERE external_id__v CONTAINS " + list
	}, func(r row) error {
		d := &targetDoc{
			typ:       r.text("type_name"),
			version:   vaultapi.Version{ID: vaultapi.ID(r.text("id")), Major: int(r.int("major_version_number__v")), Minor: int(r.int("minor_version_number__v"))},
			lifecycle: r.text("lifecycle_name"), state: r.text("status_name"), owned: t.owns(r),
		}
		if target == "binders" {
			var err error
			if d.nodes, err = t.binderNodes(ctx, r); err != nil {
				return err
			}
		}
		out[of[r.text("external_id__v")]] = d
		return nil
	})
	return out, err
}

// published counts what a point has published, by part.
func (v *vault) published(ctx context.Context, point string, source int64) (map[string]int, error) {
	counts := map[string]int{}
	c := v.caller()
	prefix := markPrefix(point, source)
	for part, typ := range targetOfPart {
		target := "documents"
		if part == partPresentation {
			target = "binders"
		}
		page, err := c.page(ctx, "SELECT id FROM "+target+" WHERE TONAME(type__v) = "+vaultapi.Quote(typ)+" AND status__v = STEADYSTATE() AND external_id__v > "+
			vaultapi.Quote(prefix)+" AND external_id__v < "+vaultapi.Quote(prefix+"~")+" PAGESIZE 1")
		if err != nil {
			return nil, err
		}
		counts[part] = page.Details.Total
	}
	return counts, nil
}
