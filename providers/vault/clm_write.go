package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"accord/providers"
	"accord/providers/vaultapi"
)

// singleCalls is how many calls that have no batch are in flight at once; the
// client paces them.
const singleCalls = 32

// clmWriter makes one batch of writes so: all of one part and verb. What was
// made by a run that was cut short is found by its mark and completed.
type clmWriter struct {
	*clmTarget
	client *vaultapi.Client
	part   string
	run    string
	latest bool // the variant: bind to the latest version, not to the latest steady one
	items  []*clmItem
}

// clmItem is one write on its way.
type clmItem struct {
	writeItem
	doc     *targetDoc    // nil until it exists
	made    bool          // by this batch
	assumed bool          // doc is what a new document is, and not what was seen
	members []vaultapi.ID // what it names, in the order of write.Members
	differs []string      // fields, of what should be created and is there
}

func (p *Provider) writeCLM(ctx context.Context, v *vault, req providers.WriteRequest) []providers.WriteResult {
	t, err := v.clmTarget(ctx, req.Sync.Target)
	if err != nil {
		return failAll(len(req.Writes), contractError("write CLM content", err))
	}
	if len(req.Writes) == 0 {
		return nil
	}
	w := &clmWriter{clmTarget: t, client: v.client, part: req.Writes[0].Part, run: req.Run, latest: req.Sync.Variant == variantLatest}
	for n := range req.Writes {
		w.items = append(w.items, &clmItem{writeItem: newWriteItem(req.Writes, n)})
	}
	if req.Writes[0].Verb == providers.WriteWithdraw {
		err = w.withdraw(ctx)
	} else {
		err = w.publish(ctx)
	}
	results := make([]providers.WriteResult, len(w.items))
	documents := make(map[providers.Member]vaultapi.ID, len(w.items))
	for n, i := range w.items {
		i.fail(err)
		documents[i.item()] = ""
		if i.err == nil && i.doc != nil && i.doc.owned && i.write.Verb != providers.WriteWithdraw {
			documents[i.item()] = i.doc.version.ID
		}
		id := ""
		if i.doc != nil {
			id = string(i.doc.version.ID)
		}
		results[n] = i.result(id)
	}
	if !w.binds() {
		v.made.note(w.run, t.prefix(), documents)
	}
	return results
}

// open are the items that have not failed.
func (w *clmWriter) open() []*clmItem {
	return slices.DeleteFunc(slices.Clone(w.items), func(i *clmItem) bool { return i.err != nil })
}

// binds reports whether the items are binders.
func (w *clmWriter) binds() bool { return w.part == partPresentation }

func (w *clmWriter) family() vaultapi.Family {
	if w.binds() {
		return vaultapi.Binders
	}
	return vaultapi.Documents
}

// look finds what is there of the items. It is an error of an item when what
// carries its mark is something else (CLM-11): somebody changed its type.
func (w *clmWriter) look(ctx context.Context, items []*clmItem) error {
	members := make([]providers.Member, len(items))
	for n, i := range items {
		members[n] = i.item()
	}
	find := w.documents
	if w.binds() {
		find = w.binders
	}
	docs, err := find(ctx, members)
	if err != nil {
		return err
	}
	for _, i := range items {
		d := docs[i.item()]
		if d != nil && !d.owned {
			i.fail(providers.Errorf(providers.Exists, "document %s of the CRM vault carries this item's mark, but is a %s that did not come from this document, where a %s is expected (CLM-11); give it that type again, or blank its external id",
				d.version.ID, d.typ, targetOfPart[w.part]))
			continue
		}
		i.doc, i.assumed = d, false
	}
	return nil
}

// withdraw moves items to the obsolete state, never further (CLM-13), the latest
// version last: until then they do not look withdrawn. What is not there is withdrawn.
func (w *clmWriter) withdraw(ctx context.Context) error {
	if err := w.look(ctx, w.open()); err != nil {
		return err
	}
	if err := w.settleOlder(ctx); err != nil {
		return err
	}
	return w.settle(ctx, "obsolete")
}

// publish creates what is not there, brings fields and members up to date,
// and moves everything to the steady state, last: until then a presentation is
// seen as it was, or not at all.
func (w *clmWriter) publish(ctx context.Context) error {
	if err := readFields(ctx, w.caller, w.refs, w.items, func(i *clmItem) *writeItem { return &i.writeItem }); err != nil {
		return err
	}
	if err := w.look(ctx, w.open()); err != nil {
		return err
	}
	if err := w.memberIDs(ctx); err != nil {
		return err
	}
	if err := w.create(ctx); err != nil {
		return err
	}
	if w.binds() {
		if err := w.draft(ctx); err != nil {
			return err
		}
	}
	if err := w.update(ctx); err != nil {
		return err
	}
	if w.binds() {
		w.nodes(ctx)
	} else if w.part == partSlide {
		if err := w.relate(ctx); err != nil {
			return err
		}
	}
	return w.settle(ctx, "steady")
}

// membered are the writes that bring the members of their item up to date.
func (w *clmWriter) membered() []*clmItem {
	return slices.DeleteFunc(w.open(), func(i *clmItem) bool {
		return !i.write.Reorder && i.write.Verb != providers.WriteCreate && i.doc != nil && !i.made
	})
}

// memberIDs finds the documents that members are in the CRM vault: those that
// this run has just written, and in batches the others. A member that is not
// there fails its container.
func (w *clmWriter) memberIDs(ctx context.Context) error {
	if w.part == partShared {
		return nil
	}
	var members []providers.Member
	items := w.membered()
	for _, i := range items {
		members = append(members, i.write.Members...)
	}
	known := w.v.made.find(w.run, w.prefix(), members)
	docs, err := w.documents(ctx, slices.DeleteFunc(members, func(m providers.Member) bool { return known[m] != "" }))
	if err != nil {
		return err
	}
	for m, d := range docs {
		if d.owned {
			known[m] = d.version.ID
		}
	}
	for _, i := range items {
		for _, m := range i.write.Members {
			if known[m] == "" {
				i.fail(providers.Errorf(providers.NotFound, "%s %s, which it names, is not in the CRM vault", strings.ReplaceAll(m.Part, "_", " "), idOf(m.Key)))
				break
			}
			i.members = append(i.members, known[m])
		}
	}
	return nil
}

// create makes what is not there: CrossLinks and binders have no batch, so
// many calls are in flight. What was made is taken to be as its lifecycle has
// it begin, until it is looked at once it was settled.
func (w *clmWriter) create(ctx context.Context) error {
	var missing []*clmItem
	for _, i := range w.open() {
		if i.doc == nil {
			missing = append(missing, i)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	typ, err := w.v.documentType(ctx, targetOfPart[w.part])
	if err != nil {
		return err
	}
	if len(typ.Lifecycles) == 0 {
		return providers.Errorf(providers.Invalid, "the document type %s of the CRM vault has no lifecycle", typ.Name)
	}
	name := typ.Lifecycles[0].Name
	lifecycle, err := w.v.lifecycle(ctx, name)
	if err != nil {
		return err
	}
	first := lifecycle.StatesOf("starting")
	w.parallel(ctx, missing, func(ctx context.Context, i *clmItem) error {
		fields := vaultapi.Fields{"type__v": typ.Name, "lifecycle__v": name, "external_id__v": mark(w.scope.Point, w.scope.Source, i.item())}
		for name, v := range i.fields {
			fields[name] = v
		}
		i.made, i.changed = true, true
		id, err := w.createOne(ctx, i, fields)
		if err == nil && id != "" && len(first) == 1 {
			i.doc = &targetDoc{typ: typ.Name, version: vaultapi.Version{ID: id, Minor: 1}, lifecycle: name, state: first[0], owned: true}
			i.assumed = true
		}
		return err
	})
	// An answer that was lost is settled by looking: what carries the mark was made.
	var unknown []*clmItem
	for _, i := range missing {
		if errors.Is(i.err, vaultapi.Ambiguous) {
			i.err = nil
		}
		if i.err == nil && i.doc == nil {
			unknown = append(unknown, i)
		}
	}
	if err := w.look(ctx, unknown); err != nil {
		return err
	}
	for _, i := range unknown {
		if i.doc == nil {
			i.fail(vanished())
		}
	}
	return nil
}

func (w *clmWriter) createOne(ctx context.Context, i *clmItem, fields vaultapi.Fields) (vaultapi.ID, error) {
	if w.binds() {
		return w.client.CreateBinder(ctx, fields)
	}
	rule := vaultapi.LatestSteady
	if w.latest {
		rule = vaultapi.Latest
	}
	return w.client.CreateCrossLink(ctx, vaultapi.CrossLink{
		SourceVault: w.scope.Source, SourceDocument: vaultapi.ID(idOf(i.write.Key)), Rule: rule, Fields: fields,
	})
}

// vanished is ambiguous, so that it is read what became of it.
func vanished() error {
	return providers.Errorf(providers.Ambiguous, "it was not found after it was made")
}

// parallel runs a call for each item, many at once. Who calls stays until all is
// done: a stack that a call has grown serves the next.
func (w *clmWriter) parallel(ctx context.Context, items []*clmItem, call func(context.Context, *clmItem) error) {
	waiting := make(chan *clmItem, len(items))
	for _, i := range items {
		waiting <- i
	}
	close(waiting)
	var g errgroup.Group
	for range min(singleCalls, len(items)) {
		g.Go(func() error {
			for i := range waiting {
				if err := call(ctx, i); err != nil {
					i.fail(err)
				}
			}
			return nil
		})
	}
	_ = g.Wait()
}

// update sets the fields that differ, in batches.
func (w *clmWriter) update(ctx context.Context) error {
	if err := w.compare(ctx); err != nil {
		return err
	}
	var rows []vaultapi.Fields
	var of []*clmItem
	for _, i := range w.open() {
		if i.made {
			continue
		}
		row := vaultapi.Fields{"id": i.doc.version.ID}
		for _, name := range append(i.differs, i.write.Changed...) {
			row[name] = i.fields[name] // absent: cleared
		}
		if len(row) > 1 {
			rows, of = append(rows, row), append(of, i)
		}
	}
	if len(rows) == 0 {
		return nil
	}
	for n, r := range w.client.UpdateDocuments(ctx, rows) {
		of[n].settle(r)
	}
	return nil
}

// compare finds which fields differ of what should be created and is there,
// made by an earlier run.
func (w *clmWriter) compare(ctx context.Context) error {
	there := map[providers.Member]*clmItem{}
	for _, i := range w.open() {
		if !i.made && i.write.Verb == providers.WriteCreate {
			there[i.item()] = i
		}
	}
	if len(there) == 0 {
		return nil
	}
	items := slices.Collect(maps.Keys(there))
	sortMembers(items)
	return w.marked(ctx, w.binds(), items, func(records []providers.Record) error {
		for _, r := range records {
			i := there[providers.Member{Part: r.Part, Key: r.Key}]
			var has, shall map[string]json.RawMessage
			if err := errors.Join(json.Unmarshal(r.Fields, &has), json.Unmarshal(i.write.Fields, &shall)); err != nil {
				return fmt.Errorf("compare the fields of %s: %w", r.Title, err)
			}
			for name, v := range shall {
				if string(has[name]) != string(v) {
					i.differs = append(i.differs, name)
				}
			}
		}
		return nil
	})
}
