package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// ofTarget reads documents of a CRM vault that accord made: members, or
// presentations with their nodes.
func ofTarget(presentations bool, where string) string {
	own, from, types := bareOfTarget, "documents", "('slide__v','shared_resource__v')"
	if presentations {
		own, from, types = own+", "+bareMarkedNodes, "binders", "('presentation__v')"
	}
	return fmt.Sprintf("SELECT %s, %s, link__sys, version_link__sys FROM %s WHERE TONAME(type__v) CONTAINS %s AND %s", own, bareFields, from, types, where)
}

func (r *bareRun) readTarget(ctx context.Context, v *bareVault) error {
	if err := v.shape(ctx); err != nil {
		return err
	}
	prefix := barePrefix(r.source.id)
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
			slides := slices.DeleteFunc(slices.Clone(rows), func(row bareRow) bool { return row.Type != "slide__v" })
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
			if (r.library[id].Type == "multichannel_presentation__v") == presentations {
				marks = append(marks, r.mark(r.library[id]))
			}
		}
		for part := range slices.Chunk(marks, bareMarks) {
			rows, err := bareQuery[bareRow](ctx, v, ofTarget(presentations, "external_id__v CONTAINS "+bareList(part))+" PAGESIZE 1000")
			if err != nil {
				return err
			}
			v.hold(rows)
			slides := slices.DeleteFunc(rows, func(row bareRow) bool { return row.Type != "slide__v" })
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
			h.members = append(h.members, bareDocument(n.External))
		}
		v.held[bareDocument(row.External)] = h
	}
}

func (r *bareRun) mark(row *bareRow) string {
	return bareMark(r.source.id, row.ID, row.Shared != nil && *row.Shared)
}

// bareDocument is the source document of a mark.
func bareDocument(mark string) int64 {
	mark = strings.TrimSuffix(mark, bareShared)
	id, _ := strconv.ParseInt(mark[strings.LastIndexByte(mark, ':')+1:], 10, 64)
	return id
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
