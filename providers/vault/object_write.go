package vault

import (
	"context"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"accord/providers"
	"accord/providers/vaultapi"
)

// objectWriter makes one batch of writes so, in the object model: all of one
// part and verb. Records are made and changed by their marks, so that doing it
// again does nothing twice.
type objectWriter struct {
	*objectTarget
	client *vaultapi.Client
	part   string
	items  []*objectItem
}

// objectItem is one write on its way.
type objectItem struct {
	writeItem
	there   *targetRecord // nil until it exists
	members []string      // ids of what it names, in the order of write.Members
}

func (p *Provider) writeObjects(ctx context.Context, v *vault, req providers.WriteRequest) []providers.WriteResult {
	t, err := v.objectTarget(ctx, req.Sync.Target)
	if err != nil {
		return failAll(len(req.Writes), contractError("write CLM records", err))
	}
	if len(req.Writes) == 0 {
		return nil
	}
	w := &objectWriter{objectTarget: t, client: v.client, part: req.Writes[0].Part}
	for n := range req.Writes {
		w.items = append(w.items, &objectItem{writeItem: newWriteItem(req.Writes, n)})
	}
	if req.Writes[0].Verb == providers.WriteWithdraw {
		err = w.withdraw(ctx)
	} else {
		err = w.publish(ctx)
	}
	results := make([]providers.WriteResult, len(w.items))
	for n, i := range w.items {
		i.fail(err)
		id := ""
		if i.there != nil {
			id = i.there.id
		}
		results[n] = i.result(id)
	}
	return results
}

// open are the items that have not failed.
func (w *objectWriter) open() []*objectItem {
	return slices.DeleteFunc(slices.Clone(w.items), func(i *objectItem) bool { return i.err != nil })
}

func (w *objectWriter) object() string { return objectOfPart[w.part] }

// look finds what is there of the items.
func (w *objectWriter) look(ctx context.Context) error {
	var items []providers.Member
	for _, i := range w.open() {
		items = append(items, i.item())
	}
	there, err := w.find(ctx, w.object(), items)
	if err != nil {
		return err
	}
	for _, i := range w.open() {
		i.there = there[i.item()]
	}
	return nil
}

// withdraw makes records inactive, and never deletes one: calls and metrics
// refer to them (CLM-13). What is not there is withdrawn.
func (w *objectWriter) withdraw(ctx context.Context) error {
	if err := w.look(ctx); err != nil {
		return err
	}
	w.status(ctx, statusInactive, func(r *targetRecord) bool { return r.active })
	return nil
}

// status sets the status of those records that it is to be set of. That of a
// parent cannot be changed in bulk: of presentations it takes a call for each,
// many at once.
func (w *objectWriter) status(ctx context.Context, status string, of func(*targetRecord) bool) {
	var rows []vaultapi.Fields
	var items []*objectItem
	for _, i := range w.open() {
		if i.there != nil && of(i.there) {
			items, rows = append(items, i), append(rows, vaultapi.Fields{"id": i.there.id, "status__v": status})
		}
	}
	if w.part != partPresentation {
		settleRows(w.client.UpdateRecords(ctx, w.object(), rows), items)
		return
	}
	var g errgroup.Group
	g.SetLimit(singleCalls)
	for n := range rows {
		g.Go(func() error {
			settleRows(w.client.UpdateRecords(ctx, w.object(), rows[n:n+1]), items[n:n+1])
			return nil
		})
	}
	_ = g.Wait()
}

// settleRows notes how the rows of items went.
func settleRows(results []vaultapi.Result, of []*objectItem) {
	for n, r := range results {
		of[n].settle(r)
	}
}

// publish brings fields and members up to date, and makes what it writes
// active, last: until then a presentation is not seen, or as it was.
func (w *objectWriter) publish(ctx context.Context) error {
	if err := readFields(ctx, w.caller, w.refs, w.items, func(i *objectItem) *writeItem { return &i.writeItem }); err != nil {
		return err
	}
	if err := w.look(ctx); err != nil {
		return err
	}
	if err := w.memberIDs(ctx); err != nil {
		return err
	}
	w.upsert(ctx)
	if w.part != partPresentation {
		return nil
	}
	if err := w.hold(ctx); err != nil {
		return err
	}
	w.status(ctx, statusActive, func(r *targetRecord) bool { return !r.active })
	return nil
}

// memberIDs finds the key messages that members are in the CRM vault, in
// batches. A member that is not there fails its container.
func (w *objectWriter) memberIDs(ctx context.Context) error {
	var items []providers.Member
	for _, i := range w.open() {
		items = append(items, i.write.Members...)
	}
	messages, err := w.find(ctx, objKeyMessage, items)
	if err != nil {
		return err
	}
	for _, i := range w.open() {
		for _, m := range i.write.Members {
			r := messages[m]
			if r == nil {
				i.fail(providers.Errorf(providers.NotFound, "the key message of %s, which it names, is not in the CRM vault", idOf(m.Key)))
				break
			}
			i.members = append(i.members, r.id)
		}
	}
	return nil
}

// upsert writes the records themselves. A presentation that is new or was
// withdrawn stays inactive until it holds its slides.
func (w *objectWriter) upsert(ctx context.Context) {
	var rows []vaultapi.Fields
	of := w.open()
	for _, i := range of {
		row := vaultapi.Fields{"external_id__v": mark(w.scope.Point, w.scope.Source, i.item())}
		for _, c := range w.columns[w.object()] { // what is blank in the source becomes blank
			if i.there != nil && slices.Contains(i.write.Changed, c.field) {
				row[c.field] = nil
			}
		}
		for name, v := range i.fields {
			if i.there == nil || i.write.Verb == providers.WriteCreate || slices.Contains(i.write.Changed, name) {
				row[name] = v
			}
		}
		switch w.part {
		case partPresentation:
			if i.there == nil {
				row["status__v"] = statusInactive
			}
		case partShared:
			row["status__v"], row["is_shared_resource__v"] = statusActive, true
		case partSlide:
			row["status__v"], row["is_shared_resource__v"] = statusActive, false
			row["shared_resource__v"] = nil
			if len(i.members) > 0 {
				row["shared_resource__v"] = i.members[0]
			}
		}
		rows = append(rows, row)
	}
	results := w.client.UpsertRecords(ctx, w.object(), "external_id__v", rows)
	settleRows(results, of)
	for n, r := range results {
		if of[n].there == nil && r.Err == nil {
			of[n].there = &targetRecord{id: string(r.ID), active: w.part != partPresentation}
		}
	}
}

// hold gives presentations their slides, in order. A slide that it held before
// and does not any more is made inactive.
func (w *objectWriter) hold(ctx context.Context) error {
	var list []string
	open := slices.DeleteFunc(w.open(), func(i *objectItem) bool {
		return i.there.active && i.write.Verb == providers.WriteUpdate && !i.write.Reorder
	})
	for _, i := range open {
		list = append(list, i.there.id)
	}
	existing, err := w.slides(ctx, list)
	if err != nil {
		return err
	}
	var rows []vaultapi.Fields
	var of []*objectItem
	add := func(i *objectItem, row vaultapi.Fields) { rows, of = append(rows, row), append(of, i) }
	for _, i := range open {
		byMark := map[string]presentationSlide{}
		for _, s := range existing[i.there.id] {
			byMark[s.mark] = s
		}
		wanted, times := map[string]bool{}, map[string]int{}
		for n, m := range i.write.Members {
			times[m.Key]++
			text := fmt.Sprintf("%s:%s:%d", mark(w.scope.Point, w.scope.Source, i.item()), m.Key, times[m.Key])
			wanted[text] = true
			if s := byMark[text]; s.id != "" && s.active && s.order == int64(n+1) && s.message == i.members[n] {
				continue
			}
			row := vaultapi.Fields{"external_id__v": text, "status__v": statusActive, "display_order__v": n + 1}
			if s := byMark[text]; s.id == "" {
				row["name__v"], row["clm_presentation__v"] = fmt.Sprintf("%s %s %d", idOf(i.write.Key), idOf(m.Key), times[m.Key]), i.there.id
				row["key_message__v"] = i.members[n]
			} else if s.message != i.members[n] {
				row["key_message__v"] = i.members[n]
			}
			add(i, row)
		}
		for text, s := range byMark {
			if s.active && !wanted[text] {
				add(i, vaultapi.Fields{"external_id__v": text, "status__v": statusInactive})
			}
		}
	}
	settleRows(w.client.UpsertRecords(ctx, objMemberOf, "external_id__v", rows), of)
	return nil
}
