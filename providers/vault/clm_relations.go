package vault

import (
	"context"

	"accord/providers/vaultapi"
)

// relation is a relationship of a slide to a shared resource that it uses.
type relation struct{ source, target vaultapi.ID }

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
	existing, err := w.relations(ctx, sources)
	if err != nil {
		return err
	}
	var targets ids
	for r := range existing {
		targets.add(string(r.target))
	}
	ours, err := w.keys(ctx, targets.sorted())
	if err != nil {
		return err
	}
	var add []vaultapi.Relationship
	var remove []vaultapi.ID
	var addOf, removeOf []*clmItem
	for _, i := range items {
		wanted := map[vaultapi.ID]bool{}
		source := i.doc.version.ID
		for _, id := range i.members {
			wanted[id] = true
			if existing[relation{source, id}] == "" {
				add, addOf = append(add, vaultapi.Relationship{Source: source, Target: id, Type: relationShared}), append(addOf, i)
			}
		}
		for r, id := range existing {
			if r.source == source && !wanted[r.target] && ours[string(r.target)] != "" {
				remove, removeOf = append(remove, id), append(removeOf, i)
			}
		}
	}
	for n, r := range w.client.CreateRelationships(ctx, add) {
		addOf[n].settle(r)
	}
	for n, r := range w.client.DeleteRelationships(ctx, remove) {
		removeOf[n].settle(r)
	}
	return nil
}

// relations reads those of slides, with their ids.
func (w *clmWriter) relations(ctx context.Context, slides []string) (map[relation]vaultapi.ID, error) {
	existing := map[relation]vaultapi.ID{}
	err := w.lists(ctx, slides, listed, func(list string) string {
		return "SELECT id, source_doc_id__v, target_doc_id__v FROM relationships WHERE relationship_type__v = " + vaultapi.Quote(relationShared) + " AND source_doc_id__v CONTAINS " + list
	}, func(r row) error {
		existing[relation{vaultapi.ID(r.text(sourceDocument)), vaultapi.ID(r.text(targetDocument))}] = vaultapi.ID(r.text("id"))
		return nil
	})
	return existing, err
}
