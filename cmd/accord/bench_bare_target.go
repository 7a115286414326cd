package main

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"accord/providers/vault"
)

// ofTarget reads documents of a CRM vault that accord made: members, or
// presentations with their nodes.
func ofTarget(presentations bool, where string) string {
	own, from, types := vault.TargetColumns, "documents", bareList([]string{vault.TargetSlide, vault.TargetShared})
	if presentations {
		own, from, types = own+", "+vault.TargetNodes, "binders", bareList([]string{vault.TargetPresentation})
	}
	return fmt.Sprintf("SELECT %s, %s, link__sys, version_link__sys FROM %s WHERE TONAME(type__v) CONTAINS %s AND %s", own, bareFields, from, types, where)
}

func (r *bareRun) readTarget(ctx context.Context, v *bareVault) error {
	if err := v.shape(ctx); err != nil {
		return err
	}
	prefix := vault.MarkPrefix(barePointCLM, r.source.id)
	for _, presentations := range []bool{false, true} {
		if err := v.pages(ctx, func(last *bareRow) string {
			after := prefix
			if last != nil {
				after = last.External
			}
			return ofTarget(presentations, "external_id__v > '"+after+"' AND external_id__v <= '"+prefix+"~' ORDER BY external_id__v")
		}, func(rows []bareRow) error {
			v.hold(rows)
			if presentations {
				return nil
			}
			slides := slices.DeleteFunc(slices.Clone(rows), func(row bareRow) bool { return row.Type != vault.TargetSlide })
			return v.related(ctx, "source_doc_id__v", idsOf(slides), func(int64, int64) {})
		}); err != nil {
			return err
		}
	}
	if len(v.held) == 0 {
		return nil
	}
	return v.shapeOfHeld(ctx)
}

// readTargetOf reads what a CRM vault holds of the documents that an
// incremental run is about: all of them, routed there or not, since one that is
// no longer routed would have to be withdrawn.
func (r *bareRun) readTargetOf(ctx context.Context, v *bareVault) error {
	if len(r.library) == 0 {
		return nil
	}
	if err := v.shape(ctx); err != nil {
		return err
	}
	for _, presentations := range []bool{true, false} {
		var marks []string
		for _, id := range slices.Sorted(maps.Keys(r.library)) {
			if (r.library[id].Type == vault.SourcePresentation) == presentations {
				marks = append(marks, r.mark(r.library[id]))
			}
		}
		for part := range slices.Chunk(marks, bareMarks) {
			rows, err := bareQuery[bareRow](ctx, v, ofTarget(presentations, "external_id__v CONTAINS "+bareList(part))+" PAGESIZE 1000")
			if err != nil {
				return err
			}
			v.hold(rows)
			slides := slices.DeleteFunc(rows, func(row bareRow) bool { return row.Type != vault.TargetSlide })
			if err := v.related(ctx, "source_doc_id__v", idsOf(slides), func(int64, int64) {}); err != nil {
				return err
			}
		}
	}
	if len(v.held) == 0 {
		return nil
	}
	return v.shapeOfHeld(ctx)
}

func (v *bareVault) hold(rows []bareRow) {
	for _, row := range rows {
		h := &bareHeld{id: row.ID, title: row.Title}
		for _, n := range row.Nodes.Data {
			h.members = append(h.members, vault.Marked(n.External))
		}
		v.held[vault.Marked(row.External)] = h
	}
}

func (r *bareRun) mark(row *bareRow) string {
	return vault.Mark(barePointCLM, r.source.id, row.ID, row.Shared != nil && *row.Shared)
}

// shape learns of a CRM vault what its documents are like.
func (v *bareVault) shape(ctx context.Context) error {
	v.held = map[int64]*bareHeld{}
	return v.get(ctx, "metadata/objects/documents/properties")
}

// shapeOfHeld learns what the states of documents mean that are there already.
func (v *bareVault) shapeOfHeld(ctx context.Context) error {
	return v.get(ctx, "configuration/Doclifecycle.crm_content__v")
}
