package vault

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"accord/providers"
	"accord/providers/vaultapi"
)

// platformContent reads the stream "platform_content": what an engine that is
// not accord's made in a CRM vault of the content of one content vault. It
// carries no mark of ours. A CrossLink is known by its source, a presentation by
// its link; of several of one type with one source the first counts. It is read
// as a whole, for forecasts only.
type platformContent struct{ *clmTarget }

func (p *Provider) platformRecords(ctx context.Context, r *reading) (last providers.Batch, err error) {
	target, err := r.v.clmTarget(ctx, r.End)
	if err != nil {
		return last, err
	}
	now, err := r.v.now(ctx)
	if err != nil {
		return last, err
	}
	t := &platformContent{target}
	for _, binders := range []bool{false, true} {
		if err := t.read(ctx, binders, r.emit(t.caller)); err != nil {
			return last, err
		}
	}
	return providers.Batch{Horizon: now, Calls: t.took()}, nil
}

// linkPrefix begins the link of what came from the content vault: its global
// ids.
func (t *platformContent) linkPrefix() string { return fmt.Sprintf("%d_", t.scope.Source) }

// read reads one kind, in the order in which doubles stand side by side.
func (t *platformContent) read(ctx context.Context, binders bool, emit emit) error {
	target, types, column, nodes := "documents", vaultapi.QuoteList(targetSlide, targetShared), "source_document_id__v", ""
	first, where := "0", fmt.Sprintf("crosslink__v = true AND source_vault_id__v = %d AND source_document_id__v > ", t.scope.Source)
	quote := func(after string) string { return after }
	if binders {
		target, types, column = "binders", vaultapi.QuoteList(targetPresentation), "link__sys"
		nodes = ", (SELECT id, content_id__sys, order__sys, type__sys, parent_section_id__sys FROM binder_nodes__sysr)"
		first, where = t.linkPrefix(), fmt.Sprintf("link__sys < %s AND link__sys > ", vaultapi.Quote(t.linkPrefix()+"~"))
		quote = func(after string) string { return vaultapi.Quote(after) }
	}
	s := newScan(t.caller, column, first, func(after string) string {
		return limited("SELECT " + selectList(t.columns, strings.Split(targetOwn+", source_document_id__v", ", ")...) + nodes + " FROM " + target + " WHERE TONAME(type__v) CONTAINS " + types +
			" AND " + where + quote(after) + " ORDER BY " + column + ", id")
	})
	last, seen := "", map[string]bool{} // of the source that was met last: its types
	for {
		var page []row
		for len(page) < pageRows {
			r, err := s.peek(ctx)
			if err != nil {
				return err
			}
			if r == nil {
				break
			}
			s.take()
			if r.text(column) != last {
				last = r.text(column)
				clear(seen)
			}
			typ := r.text("type_name")
			if strings.HasPrefix(r.text("external_id__v"), markOurs) || seen[typ] {
				continue
			}
			seen[typ] = true
			page = append(page, r)
		}
		if len(page) == 0 {
			return nil
		}
		records, err := t.records(ctx, page)
		if err == nil {
			err = emit(records)
		}
		if err != nil {
			return err
		}
	}
}

// records turns rows into records, with the source keys of what they name.
func (t *platformContent) records(ctx context.Context, rows []row) ([]providers.Record, error) {
	var slides []string
	for _, r := range rows {
		if r.text("type_name") == targetSlide {
			slides = append(slides, r.text("id"))
		}
	}
	uses, err := t.related(ctx, sourceDocument, targetDocument, slides)
	if err != nil {
		return nil, err
	}
	var named ids
	for _, list := range uses {
		named.add(list...)
	}
	nodes := map[string][]node{}
	for _, r := range rows {
		if r.text("type_name") != targetPresentation {
			continue
		}
		all, err := t.allNodes(ctx, r)
		if err != nil {
			return nil, err
		}
		nodes[r.text("id")] = inOrder(all)
		for _, n := range all {
			if n.Content != "" {
				named.add(string(n.Content))
			}
		}
	}
	members, err := t.sources(ctx, named.sorted())
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
		rec := providers.Record{Part: partOfTarget[r.text("type_name")], ID: r.text("id"), Title: r.text("name__v"), Key: keyOf(r.text("source_document_id__v"))}
		if rec.Part == partPresentation {
			rec.Key = keyOf(strings.TrimPrefix(r.text("link__sys"), t.linkPrefix()))
		}
		if rec.Standing, err = t.standing(ctx, r); err != nil {
			return nil, err
		}
		if fields, err = appendFields(fields[:0], t.columns, r, known); err != nil {
			return nil, err
		}
		rec.Fields = bytes.Clone(fields)
		var list []string
		for _, n := range nodes[rec.ID] {
			list = append(list, string(n.Content))
		}
		for _, id := range append(list, uses[r.int("id")]...) {
			if m, ok := members[id]; ok {
				rec.Members = append(rec.Members, m)
			}
		}
		if rec.Part == partSlide {
			sortMembers(rec.Members)
		}
		out = append(out, rec)
	}
	return out, nil
}

// sources finds what CrossLinks of the content vault stand for, by their ids.
func (t *platformContent) sources(ctx context.Context, list []string) (map[string]providers.Member, error) {
	out := map[string]providers.Member{}
	err := t.lists(ctx, list, listed, func(list string) string {
		return "SELECT id, TONAME(type__v) AS type_name, source_document_id__v, source_vault_id__v FROM documents WHERE id CONTAINS " + list
	}, func(r row) error {
		if part := partOfTarget[r.text("type_name")]; part != "" && r.int("source_vault_id__v") == t.scope.Source {
			out[r.text("id")] = providers.Member{Part: part, Key: keyOf(r.text("source_document_id__v"))}
		}
		return nil
	})
	return out, err
}
