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
	if !w.binders() {
		v.made.note(w.run, t.prefix(), documents)
	}
	return results
}

// open are the items that have not failed.
func (w *clmWriter) open() []*clmItem {
	return slices.DeleteFunc(slices.Clone(w.items), func(i *clmItem) bool { return i.err != nil })
}

func (w *clmWriter) binders() bool { return w.part == partPresentation }

func (w *clmWriter) family() vaultapi.Family {
	if w.binders() {
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
	if w.binders() {
		find = w.clmTarget.binders
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

// withdraw moves items to the obsolete state, never further (CLM-13). What is
// not there is withdrawn.
func (w *clmWriter) withdraw(ctx context.Context) error {
	if err := w.look(ctx, w.open()); err != nil {
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
	if w.binders() {
		if err := w.draft(ctx); err != nil {
			return err
		}
	}
	if err := w.update(ctx); err != nil {
		return err
	}
	if w.binders() {
		w.nodes(ctx)
	} else if w.part == partSlide {
		if err := w.relate(ctx); err != nil {
			return err
		}
	}
	return w.settle(ctx, "steady")
}

// fieldValue turns canonical JSON into what the client writes. Most of it is
// plain text.
func fieldValue(raw json.RawMessage) (any, error) {
	if text, ok := plain(string(raw)); ok {
		return text, nil
	}
	d := json.NewDecoder(strings.NewReader(string(raw)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	return v, nil
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
	if w.binders() {
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

// draft starts a new version of presentations whose slides change, so that
// the published one stays whole until the new one is. A version that is not
// published is changed as it is.
func (w *clmWriter) draft(ctx context.Context) error {
	var items []*clmItem
	for _, i := range w.open() {
		if i.made || !i.write.Reorder && i.write.Verb != providers.WriteCreate {
			continue
		}
		l, err := w.v.lifecycle(ctx, i.doc.lifecycle)
		if err != nil {
			return err
		}
		if slices.Contains(l.StatesOf("steady"), i.doc.state) && len(nodeChanges(w.ours(i.doc.nodes), i.members)) > 0 {
			items = append(items, i)
		}
	}
	if len(items) == 0 {
		return nil
	}
	w.parallel(ctx, items, func(ctx context.Context, i *clmItem) error {
		i.changed = true
		_, err := w.client.NewDraft(ctx, vaultapi.Binders, i.doc.version.ID, nil)
		return err
	})
	return w.look(ctx, slices.DeleteFunc(items, func(i *clmItem) bool { return i.err != nil }))
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
		switch {
		case r.Err != nil:
			of[n].fail(r.Err)
		case !r.Unchanged:
			of[n].changed = true
		}
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
	return w.marked(ctx, w.binders(), items, func(records []providers.Record) error {
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

// relate brings the relationships of slides to shared resources up to date.
// Those to what is not ours stay.
func (w *clmWriter) relate(ctx context.Context) error {
	var items []*clmItem
	var sources []string
	for _, i := range w.membered() {
		if i.write.Reorder || len(i.members) > 0 {
			items = append(items, i)
			if !i.made { // what was just made has none
				sources = append(sources, string(i.doc.version.ID))
			}
		}
	}
	if len(items) == 0 {
		return nil
	}
	type edge struct{ source, target string }
	existing := map[edge]vaultapi.ID{}
	var targets ids
	err := w.lists(ctx, sources, listed, func(list string) string {
		return "SELECT id, source_doc_id__v, target_doc_id__v FROM relationships WHERE relationship_type__v = " + vaultapi.Quote(relationShared) + " AND source_doc_id__v CONTAINS " + list
	}, func(r row) error {
		existing[edge{r.text(sourceDocument), r.text(targetDocument)}] = vaultapi.ID(r.text("id"))
		targets.add(r.text(targetDocument))
		return nil
	})
	if err != nil {
		return err
	}
	ours, err := w.keys(ctx, targets.sorted())
	if err != nil {
		return err
	}
	var add []vaultapi.Relationship
	var remove []vaultapi.ID
	var addOf, removeOf []*clmItem
	for _, i := range items {
		wanted := map[string]bool{}
		source := string(i.doc.version.ID)
		for _, id := range i.members {
			wanted[string(id)] = true
			if existing[edge{source, string(id)}] == "" {
				add, addOf = append(add, vaultapi.Relationship{Source: i.doc.version.ID, Target: id, Type: relationShared}), append(addOf, i)
			}
		}
		for e, id := range existing {
			if e.source == source && !wanted[e.target] && ours[e.target] != "" {
				remove, removeOf = append(remove, id), append(removeOf, i)
			}
		}
	}
	for n, r := range w.client.CreateRelationships(ctx, add) {
		addOf[n].changed = true
		if r.Err != nil {
			addOf[n].fail(r.Err)
		}
	}
	for n, r := range w.client.DeleteRelationships(ctx, remove) {
		removeOf[n].changed = true
		if r.Err != nil {
			removeOf[n].fail(r.Err)
		}
	}
	return nil
}

// ours are the nodes that hold something of ours, or nothing any more; others are
// not touched.
func (t *clmTarget) ours(nodes []node) []node {
	return slices.DeleteFunc(slices.Clone(nodes), func(n node) bool {
		_, ours := t.item(n.Mark)
		return !ours && !n.Empty
	})
}

// nodes brings the slides of presentations up to date: presentations side by
// side, the nodes of one in their order.
func (w *clmWriter) nodes(ctx context.Context) {
	items := w.membered()
	rule := vaultapi.SteadyNode
	if w.latest {
		rule = vaultapi.CurrentNode
	}
	w.parallel(ctx, items, func(ctx context.Context, i *clmItem) error {
		binder := i.doc.version.ID
		for _, c := range nodeChanges(w.ours(i.doc.nodes), i.members) {
			i.changed = true
			var err error
			switch {
			case c.remove != "":
				err = w.client.RemoveNode(ctx, binder, c.remove)
			case c.move != "":
				_, err = w.client.MoveNode(ctx, binder, c.move, "", &c.order)
			default:
				_, err = w.client.AddNode(ctx, binder, vaultapi.NewNode{Document: c.add, Order: c.at(), Rule: rule})
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if len(items) > 0 {
		w.checkNodes(ctx, items)
	}
}

// checkNodes makes sure that the order was kept, which Vault is known to
// ignore at times: what is out of order is then taken out and put at the end,
// one after the other.
func (w *clmWriter) checkNodes(ctx context.Context, items []*clmItem) {
	items = slices.DeleteFunc(items, func(i *clmItem) bool { return i.err != nil || !i.changed })
	if len(items) == 0 {
		return
	}
	if err := w.look(ctx, items); err != nil {
		for _, i := range items {
			i.fail(err)
		}
		return
	}
	rule := vaultapi.SteadyNode
	if w.latest {
		rule = vaultapi.CurrentNode
	}
	w.parallel(ctx, items, func(ctx context.Context, i *clmItem) error {
		if i.doc == nil {
			return vanished()
		}
		there := w.ours(i.doc.nodes)
		same := 0
		for same < len(there) && same < len(i.members) && there[same].Content == i.members[same] {
			same++
		}
		for _, n := range there[same:] {
			if err := w.client.RemoveNode(ctx, i.doc.version.ID, string(n.ID)); err != nil {
				return err
			}
		}
		for _, id := range i.members[same:] {
			if _, err := w.client.AddNode(ctx, i.doc.version.ID, vaultapi.NewNode{Document: id, Rule: rule}); err != nil {
				return err
			}
		}
		return nil
	})
}

// settle moves items to a state of a kind, by the user actions that the
// lifecycle has for it, in batches: one for each action and state. Vault says
// nothing of those that it passes over, so the states are read afterwards.
func (w *clmWriter) settle(ctx context.Context, kind string) error {
	const steps = 3 // of the longest way that is looked for
	type at struct{ lifecycle, state string }
	ways := map[at]string{}
	pending := w.open()
	for step := 0; ; step++ {
		if step > 0 {
			if err := w.look(ctx, pending); err != nil {
				return err
			}
		}
		type group struct {
			at
			action string
		}
		groups := map[group][]*clmItem{}
		for _, i := range pending {
			switch {
			case i.err != nil:
				continue
			case i.doc == nil && kind == "obsolete":
				continue
			case i.doc == nil && i.made:
				i.fail(vanished())
				continue
			case i.doc == nil:
				i.fail(providers.Errorf(providers.NotFound, "it is not there any more"))
				continue
			}
			l, err := w.v.lifecycle(ctx, i.doc.lifecycle)
			if err != nil {
				return err
			}
			if slices.Contains(l.StatesOf(kind), i.doc.state) {
				continue
			}
			from := at{i.doc.lifecycle, i.doc.state}
			action := ways[from]
			if action == "" {
				action, err = wayTo(l, i.doc.state, kind)
				ways[from] = action
			}
			if err == nil && step == steps {
				err = providers.Errorf(providers.Invalid, "the action %s left it in the state %s", action, i.doc.state)
			}
			if err != nil {
				i.fail(err)
				continue
			}
			g := group{from, action}
			groups[g] = append(groups[g], i)
		}
		if len(groups) == 0 {
			return nil
		}
		pending = nil
		for g, list := range groups {
			versions := make([]vaultapi.Version, len(list))
			for n, i := range list {
				versions[n] = i.doc.version
				i.changed = true
			}
			for n, r := range w.client.ExecuteLifecycleActions(ctx, w.family(), g.action, g.lifecycle, g.state, versions) {
				if r.Err != nil && !errors.Is(r.Err, vaultapi.Ambiguous) && !list[n].assumed {
					list[n].fail(r.Err)
				}
			}
			pending = append(pending, list...)
		}
	}
}

// wayTo is the first user action on the shortest way from a state to one of a
// kind (CLM-13: found from metadata).
func wayTo(l *vaultapi.Lifecycle, state, kind string) (string, error) {
	goal := l.StatesOf(kind)
	type place struct{ state, first string }
	seen := map[string]bool{state: true}
	for queue := []place{{state: state}}; len(queue) > 0; queue = queue[1:] {
		s, ok := l.State(queue[0].state)
		if !ok {
			continue
		}
		actions, err := s.Actions()
		if err != nil {
			return "", err
		}
		for _, a := range actions {
			if a.State == "" || seen[a.State] {
				continue
			}
			seen[a.State] = true
			first := queue[0].first
			if first == "" {
				first = a.Name
			}
			if slices.Contains(goal, a.State) {
				return first, nil
			}
			queue = append(queue, place{a.State, first})
		}
	}
	return "", providers.Errorf(providers.Invalid, "no user action of the lifecycle %s leads from %s to a state of the kind %s", l.Name, state, kind)
}
