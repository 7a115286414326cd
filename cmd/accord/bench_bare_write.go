package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"accord/providers/vault"
)

// published says whether a document is published at all.
func (r *bareRun) published(row *bareRow) bool {
	presentation := row.Type == vault.SourcePresentation
	return row.Status == "approved__v" && (row.Publish == nil && !presentation || row.Publish != nil && *row.Publish) && (row.Ends == "" || row.Ends >= r.started.Format(time.DateOnly))
}

// write makes and changes what is to be, by part: shared resources, slides,
// presentations.
func (r *bareRun) write(ctx context.Context, v *bareVault) error {
	var parts [3][]*bareRow
	needed := map[int64]bool{}
	for _, id := range slices.Sorted(maps.Keys(r.library)) {
		row := r.library[id]
		if row.Type != vault.SourcePresentation || !r.published(row) {
			continue
		}
		if r.share && !slices.ContainsFunc(row.Country, func(c string) bool { return v.table[c] }) {
			continue
		}
		parts[2] = append(parts[2], row)
		for _, n := range row.Nodes.Data {
			needed[n.Content] = true
		}
	}
	for id := range maps.Clone(needed) {
		for _, shared := range r.uses[id] {
			needed[shared] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(needed)) {
		if row := r.library[id]; row != nil && row.Shared != nil && *row.Shared {
			parts[0] = append(parts[0], row)
		} else if row != nil {
			parts[1] = append(parts[1], row)
		}
	}
	for part, rows := range parts {
		var missing, changed []*bareRow
		for _, row := range rows {
			switch h := v.held[row.ID]; {
			case h == nil:
				missing = append(missing, row)
			case h.title != row.Title:
				changed = append(changed, row)
			}
		}
		var g errgroup.Group
		g.SetLimit(bareBatches)
		if len(missing) > 0 {
			typ := [3]string{vault.TargetShared, vault.TargetSlide, vault.TargetPresentation}[part]
			if err := v.get(ctx, "metadata/objects/documents/types/"+typ); err != nil {
				return err
			}
			if part == 0 {
				if err := v.get(ctx, "configuration/Doclifecycle.crm_content__v"); err != nil {
					return err
				}
			}
			var mu sync.Mutex
			for batch := range slices.Chunk(missing, bareBatch) {
				g.Go(func() error { return r.create(ctx, v, &mu, typ, batch) })
			}
		}
		for batch := range slices.Chunk(changed, bareBatch) {
			g.Go(func() error { return r.update(ctx, v, part == 2, batch) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// look reads what became of documents, by their marks.
func (r *bareRun) look(ctx context.Context, v *bareVault, presentations bool, rows []*bareRow) ([]bareRow, error) {
	marks := make([]string, len(rows))
	for n, row := range rows {
		marks[n] = r.mark(row)
	}
	from, own := "documents", vault.TargetColumns
	if presentations {
		from, own = "binders", own+", "+vault.TargetNodes
	}
	return bareQuery[bareRow](ctx, v, "SELECT "+own+" FROM "+from+" WHERE external_id__v CONTAINS "+bareList(marks)+" PAGESIZE 1000")
}

// update sets the titles of documents, once it was seen that they are still
// what they were (CLM-11).
func (r *bareRun) update(ctx context.Context, v *bareVault, presentations bool, rows []*bareRow) error {
	there, err := r.look(ctx, v, presentations, rows)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("id,title__v\n")
	for _, row := range there {
		fmt.Fprintf(&b, "%d,%q\n", row.ID, r.library[vault.Marked(row.External)].Title)
	}
	return v.batch(ctx, http.MethodPut, "objects/documents/batch", "text/csv", b.String())
}

// create makes CrossLinks with their relationships, or binders with their
// nodes, and approves them.
func (r *bareRun) create(ctx context.Context, v *bareVault, mu *sync.Mutex, typ string, rows []*bareRow) error {
	presentations := typ == vault.TargetPresentation
	family := "documents"
	if presentations {
		family = "binders"
	}
	made := make([]int64, len(rows))
	singles := func(f func(n int, row *bareRow) error) error {
		var g errgroup.Group
		g.SetLimit(bareSingles)
		for n, row := range rows {
			g.Go(func() error { return f(n, row) })
		}
		return g.Wait()
	}
	if err := singles(func(n int, row *bareRow) error {
		form := url.Values{"type__v": {typ}, "lifecycle__v": {"crm_content__v"}, "external_id__v": {r.mark(row)}, "name__v": {row.Name}, "title__v": {row.Title}, "link__sys": {row.Global}, "version_link__sys": {row.Version}}
		if row.Text != "" {
			form.Set("description__v", row.Text)
		}
		if len(row.Medium) > 0 {
			form.Set("crm_media_type__v", row.Medium[0])
		}
		if row.Ends != "" {
			form.Set("crm_end_date__v", row.Ends)
		}
		if !presentations {
			form.Set("source_vault_id__v", strconv.FormatInt(r.source.id, 10))
			form.Set("source_document_id__v", strconv.FormatInt(row.ID, 10))
			form.Set("source_binding_rule__v", "Latest Steady State version")
		}
		var answer struct {
			ID int64 `json:"id"`
		}
		err := v.form(ctx, http.MethodPost, "objects/"+family, form, &answer)
		made[n] = answer.ID
		return err
	}); err != nil {
		return err
	}
	mu.Lock()
	for n, row := range rows {
		v.held[row.ID] = &bareHeld{id: made[n], title: row.Title}
	}
	mu.Unlock()
	id := func(document int64) int64 {
		mu.Lock()
		defer mu.Unlock()
		if h := v.held[document]; h != nil {
			return h.id
		}
		return 0
	}
	if presentations {
		if err := singles(func(n int, row *bareRow) error {
			for order, node := range row.Nodes.Data {
				form := url.Values{"document_id__v": {strconv.FormatInt(id(node.Content), 10)}, "order__v": {strconv.Itoa(order)}, "binding_rule__v": {"steady-state"}}
				if err := v.form(ctx, http.MethodPost, fmt.Sprintf("objects/binders/%d/documents", made[n]), form, nil); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
		if _, err := r.look(ctx, v, true, rows); err != nil { // the order of nodes, which Vault is known to ignore
			return err
		}
	} else {
		type edge struct {
			Source int64  `json:"source_doc_id__v"`
			Target int64  `json:"target_doc_id__v"`
			Type   string `json:"relationship_type__v"`
		}
		var edges []edge
		for n, row := range rows {
			for _, shared := range r.uses[row.ID] {
				edges = append(edges, edge{made[n], id(shared), vault.RelationShared})
			}
		}
		for part := range slices.Chunk(edges, bareBatch) {
			body, err := json.Marshal(part)
			if err != nil {
				return err
			}
			if err := v.batch(ctx, http.MethodPost, "objects/documents/relationships/batch", "application/json", string(body)); err != nil {
				return err
			}
		}
	}
	ids := make([]string, len(made))
	for n, id := range made {
		ids[n] = fmt.Sprintf("%d:0:1", id)
	}
	if err := v.form(ctx, http.MethodPut, "objects/"+family+"/lifecycle_actions/approve__v", url.Values{"docIds": {strings.Join(ids, ",")}, "lifecycle": {"crm_content__v"}, "state": {"draft__v"}}, nil); err != nil {
		return err
	}
	_, err := r.look(ctx, v, presentations, rows) // Vault says nothing of what an action passes over
	return err
}
