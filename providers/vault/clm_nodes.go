package vault

import (
	"context"
	"slices"

	"accord/providers"
	"accord/providers/vaultapi"
)

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

// nodes brings the slides of presentations up to date: presentations side by
// side, the nodes of one in their order.
func (w *clmWriter) nodes(ctx context.Context) {
	items := w.membered()
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
				_, err = w.client.AddNode(ctx, binder, vaultapi.NewNode{Document: c.add, Order: c.at(), Rule: w.nodeRule()})
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
			if _, err := w.client.AddNode(ctx, i.doc.version.ID, vaultapi.NewNode{Document: id, Rule: w.nodeRule()}); err != nil {
				return err
			}
		}
		return nil
	})
}

// nodeRule says which version of a slide a presentation shows.
func (w *clmWriter) nodeRule() vaultapi.NodeRule {
	if w.latest {
		return vaultapi.CurrentNode
	}
	return vaultapi.SteadyNode
}

// ours are the nodes that hold something of ours, or nothing any more; others are
// not touched.
func (t *clmTarget) ours(nodes []node) []node {
	return slices.DeleteFunc(slices.Clone(nodes), func(n node) bool {
		_, ours := t.item(n.Mark)
		return !ours && !n.Empty
	})
}
