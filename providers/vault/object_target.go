package vault

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"accord/providers"
	"accord/providers/vaultapi"
)

// The object model (CLM-10): a slide is a key message, and so is a shared
// resource; a presentation is a record that presentation slides tie to its key
// messages, in order.
const (
	objPresentation = "clm_presentation__v"
	objKeyMessage   = "key_message__v"
	objMemberOf     = "clm_presentation_slide__v"

	statusActive   = active + "__v"
	statusInactive = inactive + "__v"
)

// objectOfPart is what a part is in the object model.
var objectOfPart = map[string]string{partPresentation: objPresentation, partSlide: objKeyMessage, partShared: objKeyMessage}

// keyMessageOwn, presentationOwn and memberOwn are what the stream reads for
// itself, beside the fields of the rules.
const (
	presentationOwn = "id, name__v, external_id__v, link__sys, status__v"
	keyMessageOwn   = presentationOwn + ", is_shared_resource__v, shared_resource__vr.external_id__v"
	memberOwn       = "id, external_id__v, status__v, clm_presentation__v, key_message__v, key_message__vr.external_id__v, display_order__v"
)

// objectRules are the fields that every record of the object model has (CLM-5),
// whatever field rules add. A Yes/No field of a record is never blank.
func objectRules() []providers.Rule {
	no := []byte("false")
	only := []string{partPresentation}
	return []providers.Rule{
		{From: "global_version_id__sys", To: "vexternal_id__v"}, {From: "global_id__sys", To: "link__sys"},
		{From: "name__v", To: "name__v"}, {From: "description__v", To: "description__v"},
		{From: "crm_start_date__v", To: "start_date__v", Parts: only}, {From: "crm_end_date__v", To: "end_date__v", Parts: only},
		{From: "crm_hidden__v", To: "hidden__v", Default: no, Parts: only}, {From: "crm_training__v", To: "training__v", Default: no, Parts: only},
	}
}

// objectTarget is what one point made in one CRM vault, in the object model:
// the stream "clm_objects".
type objectTarget struct {
	*caller
	scope   scope
	columns map[string][]column // by object
	refs    map[string]refMap   // by target field
}

func (v *vault) objectTarget(ctx context.Context, end providers.End) (*objectTarget, error) {
	s, err := scopeOf(end)
	if err != nil {
		return nil, err
	}
	t := &objectTarget{caller: v.caller(), scope: s, columns: map[string][]column{}, refs: map[string]refMap{}}
	for _, r := range s.Refs {
		t.refs[r.Field] = r
	}
	for _, part := range []string{partPresentation, partSlide} {
		object := objectOfPart[part]
		var fields []string
		for _, r := range objectRules() {
			if len(r.Parts) == 0 || slices.Contains(r.Parts, part) {
				fields = append(fields, r.To)
			}
		}
		if t.columns[object], err = v.recordColumns(ctx, object, fields, s.Fields); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// recordColumns are the columns of an object's fields; of more, those that the
// object has.
func (v *vault) recordColumns(ctx context.Context, object string, fields, more []string) ([]column, error) {
	o, err := v.object(ctx, object)
	if err != nil {
		return nil, contractError("read the object "+object+" of "+v.addr.String(), err)
	}
	var list []column
	for n, name := range append(slices.Clone(fields), more...) {
		f, err := o.Field(name)
		switch {
		case err != nil && n < len(fields):
			return nil, providers.Errorf(providers.Invalid, "CLM-10: %s of %s has no field %s", object, v.addr, name)
		case err == nil:
			list = append(list, newRecordColumn(name, documentTypeOf(f), f.Object.Name))
		}
	}
	return list, nil
}

// documentTypeOf is the type that a document field of the same kind has.
func documentTypeOf(f vaultapi.ObjectField) string {
	switch f.Type {
	case "Object", "ParentObject":
		return "ObjectReference"
	}
	return f.Type
}

func (p *Provider) objectRecords(ctx context.Context, r *reading) (last providers.Batch, err error) {
	t, err := r.v.objectTarget(ctx, r.End)
	if err != nil {
		return last, err
	}
	return r.published(ctx, t.caller, t)
}

// statement reads records of one object.
func (t *objectTarget) statement(object, where string) string {
	own := presentationOwn
	if object == objKeyMessage {
		own = keyMessageOwn
	}
	return "SELECT " + selectList(t.columns[object], strings.Split(own, ", ")...) + " FROM " + object + " WHERE " + where
}

func (t *objectTarget) prefix() string { return markPrefix(t.scope.Point, t.scope.Source) }

// all reads everything of ours in the order of the marks, which is that of the
// keys.
func (t *objectTarget) all(ctx context.Context, req providers.RecordsRequest, emit emit) error {
	for _, object := range []string{objKeyMessage, objPresentation} {
		err := scanMarks(ctx, t.caller, t.prefix(), req, func(where string) string { return t.statement(object, where) }, func(page []row) error {
			records, err := t.records(ctx, object, page)
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

// marked reads the records of items, in chunks: presentations, or key messages.
func (t *objectTarget) marked(ctx context.Context, presentations bool, items []providers.Member, each func([]providers.Record) error) error {
	object := objKeyMessage
	if presentations {
		object = objPresentation
	}
	for part := range slices.Chunk(items, markList) {
		if err := t.where(ctx, object, "external_id__v CONTAINS "+vaultapi.QuoteList(marks(t.scope.Point, t.scope.Source, part)...), each); err != nil {
			return err
		}
	}
	return nil
}

// where reads the records of a condition in the order of their keys.
func (t *objectTarget) where(ctx context.Context, object, condition string, each func([]providers.Record) error) error {
	rows, err := t.caller.all(ctx, t.statement(object, condition))
	if err != nil {
		return err
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.text("external_id__v"), b.text("external_id__v")) })
	records, err := t.records(ctx, object, rows)
	if err != nil {
		return err
	}
	return each(records)
}

// holders reads the published containers that name any of the keys.
func (t *objectTarget) holders(ctx context.Context, keys []providers.Member, emit emit) error {
	there, err := t.find(ctx, objKeyMessage, keys)
	if err != nil {
		return err
	}
	var list []string
	for _, r := range there {
		list = append(list, r.id)
	}
	slices.Sort(list)
	published := func(records []providers.Record) error {
		return emit(slices.DeleteFunc(records, func(r providers.Record) bool { return r.Standing != providers.Published }))
	}
	var holders ids
	for part := range slices.Chunk(list, listed) {
		if err := t.where(ctx, objKeyMessage, "shared_resource__v CONTAINS "+vaultapi.QuoteList(part...), published); err != nil {
			return err
		}
		rows, err := t.caller.all(ctx, "SELECT id, clm_presentation__v FROM "+objMemberOf+" WHERE status__v = "+vaultapi.Quote(statusActive)+" AND key_message__v CONTAINS "+vaultapi.QuoteList(part...))
		if err != nil {
			return err
		}
		for _, r := range rows {
			holders.add(r.one("clm_presentation__v"))
		}
	}
	for part := range slices.Chunk(holders.sorted(), listed) {
		if err := t.where(ctx, objPresentation, "id CONTAINS "+vaultapi.QuoteList(part...), published); err != nil {
			return err
		}
	}
	return nil
}

// records turns rows of one object into records of ours, in their order.
func (t *objectTarget) records(ctx context.Context, object string, rows []row) ([]providers.Record, error) {
	rows = slices.DeleteFunc(rows, func(r row) bool { _, ours := t.item(r.text("external_id__v")); return !ours })
	known, err := t.neutralReferences(ctx, t.columns[object], rows, func(r row) (string, string) { return r.text("link__sys"), r.text("external_id__v") })
	if err != nil {
		return nil, err
	}
	slides := map[string][]presentationSlide{}
	if object == objPresentation {
		var list []string
		for _, r := range rows {
			list = append(list, r.text("id"))
		}
		if slides, err = t.slides(ctx, list); err != nil {
			return nil, err
		}
	}
	out := make([]providers.Record, 0, len(rows))
	var fields []byte
	for _, r := range rows {
		item, _ := t.item(r.text("external_id__v"))
		rec := providers.Record{Part: partPresentation, Key: item.Key, ID: r.text("id"), Title: r.text("name__v"), Standing: providers.Withdrawn}
		if r.one("status__v") == statusActive {
			rec.Standing = providers.Published
		}
		if fields, err = appendFields(fields[:0], t.columns[object], r, known); err != nil {
			return nil, err
		}
		rec.Fields = bytes.Clone(fields)
		switch {
		case object == objPresentation:
			for _, s := range slides[rec.ID] {
				switch {
				case !s.active:
				case s.ours:
					rec.Members = append(rec.Members, s.member)
				default: // the key message was deleted, or is another by now
					rec.Problem = slideLost
				}
			}
		default:
			rec.Part = item.Part
			if shared, _ := r.flag("is_shared_resource__v"); shared != (item.Part == partShared) && rec.Standing == providers.Published {
				rec.Standing = providers.Unfinished // not as it was made
			}
			if shared, ours := t.item(r.text("shared_resource__vr.external_id__v")); ours {
				rec.Members = []providers.Member{shared}
			}
		}
		out = append(out, rec)
	}
	return out, nil
}

// item is what a mark of ours stands for, a presentation's as if it were a
// slide's; ours is false of any other text.
func (t *objectTarget) item(text string) (item providers.Member, ours bool) {
	return itemOfMark(text, t.scope.Point, t.scope.Source)
}

// presentationSlide is a presentation slide of ours.
type presentationSlide struct {
	id, mark string
	message  string // the key message's id
	member   providers.Member
	ours     bool // the key message is, and is the member
	order    int64
	active   bool
}

// slides reads the presentation slides of presentations, in their order. Those
// that somebody else made are not ours to see (CLM-11).
func (t *objectTarget) slides(ctx context.Context, presentations []string) (map[string][]presentationSlide, error) {
	out := map[string][]presentationSlide{}
	err := t.lists(ctx, presentations, listed, func(list string) string {
		return "SELECT " + memberOwn + " FROM " + objMemberOf + " WHERE clm_presentation__v CONTAINS " + list
	}, func(r row) error {
		if !strings.HasPrefix(r.text("external_id__v"), t.prefix()) {
			return nil
		}
		s := presentationSlide{id: r.text("id"), mark: r.text("external_id__v"), message: r.one("key_message__v"), order: r.int("display_order__v"), active: r.one("status__v") == statusActive}
		s.member, s.ours = t.item(r.text("key_message__vr.external_id__v"))
		out[r.one("clm_presentation__v")] = append(out[r.one("clm_presentation__v")], s)
		return nil
	})
	for _, list := range out {
		slices.SortFunc(list, func(a, b presentationSlide) int {
			return cmp.Or(cmp.Compare(a.order, b.order), strings.Compare(a.mark, b.mark))
		})
	}
	return out, err
}

// targetRecord is a record of ours as a write needs to know it.
type targetRecord struct {
	id     string
	active bool
}

// find finds what is there of items, all of one object.
func (t *objectTarget) find(ctx context.Context, object string, items []providers.Member) (map[providers.Member]*targetRecord, error) {
	out := map[providers.Member]*targetRecord{}
	of := make(map[string]providers.Member, len(items))
	for _, item := range items {
		of[mark(t.scope.Point, t.scope.Source, item)] = item
	}
	err := t.lists(ctx, slices.Sorted(maps.Keys(of)), markList, func(list string) string {
		return "SELECT id, external_id__v, status__v FROM " + object + " WHERE external_id__v CONTAINS " + list
	}, func(r row) error {
		out[of[r.text("external_id__v")]] = &targetRecord{id: r.text("id"), active: r.one("status__v") == statusActive}
		return nil
	})
	return out, err
}

// publishedObjects counts what a point has published in the object model, by
// part.
func (v *vault) publishedObjects(ctx context.Context, point string, source int64) (map[string]int, error) {
	counts := map[string]int{}
	c, prefix := v.caller(), markPrefix(point, source)
	for part, object := range objectOfPart {
		where := fmt.Sprintf(" WHERE status__v = %s AND external_id__v > %s AND external_id__v < %s", vaultapi.Quote(statusActive), vaultapi.Quote(prefix), vaultapi.Quote(prefix+"~"))
		if object == objKeyMessage {
			where += fmt.Sprintf(" AND is_shared_resource__v = %t", part == partShared)
		}
		page, err := c.page(ctx, "SELECT id FROM "+object+where+" PAGESIZE 1")
		if err != nil {
			return nil, err
		}
		counts[part] = page.Details.Total
	}
	return counts, nil
}
