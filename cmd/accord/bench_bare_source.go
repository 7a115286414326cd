package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"accord/providers/vault"
)

// What is selected is what accord selects, so that an answer costs the same.
const bareFields = "name__v, title__v, description__v, TONAME(language__v) AS language_v_name, TONAME(crm_media_type__v) AS crm_media_type_v_name, crm_start_date__v, crm_end_date__v, crm_training__v, crm_hidden__v"

// ofSource reads versions of the source: those in a steady state or the
// obsolete ones, of slides or of presentations.
func ofSource(presentations, obsolete bool, where string) string {
	typ, from, own, state := vault.SourceSlide, "documents", vault.SourceColumns+", latest_version__v", "STEADYSTATE()"
	if presentations {
		typ, from = vault.SourcePresentation, "binders"
	}
	if obsolete {
		state = "OBSOLETESTATE()"
	} else if presentations {
		own += ", " + vault.SourceNodes
	}
	return fmt.Sprintf("SELECT LATESTVERSION %s, %s, global_id__sys, global_version_id__sys FROM ALLVERSIONS %s WHERE TONAME(type__v) = '%s' AND status__v = %s AND %s ORDER BY id", own, bareFields, from, typ, state, where)
}

func (r *bareRun) readSource(ctx context.Context) error {
	if err := r.source.get(ctx, "metadata/objects/documents/properties"); err != nil {
		return err
	}
	for _, object := range []string{"country__v", "product__v"} {
		if _, err := bareQuery[struct{}](ctx, r.source, "SELECT id, name__v FROM "+object+" PAGESIZE 1000"); err != nil {
			return err
		}
	}
	if r.kind == "incremental" {
		return r.readChanges(ctx)
	}
	for _, presentations := range []bool{false, true} {
		var both errgroup.Group
		var obsolete []bareRow
		both.Go(func() error {
			return r.source.pages(ctx, func(last *bareRow) string { return ofSource(presentations, true, afterID(last)) }, func(rows []bareRow) error {
				obsolete = append(obsolete, rows...)
				return nil
			})
		})
		err := r.source.pages(ctx, func(last *bareRow) string { return ofSource(presentations, false, afterID(last)) }, func(rows []bareRow) error {
			r.keep(rows)
			if err := r.newest(ctx, rows); err != nil || presentations {
				return err
			}
			return r.source.related(ctx, "source_doc_id__v", idsOf(rows), r.use)
		})
		if err := errors.Join(both.Wait(), err); err != nil {
			return err
		}
		r.keep(obsolete)
	}
	return nil
}

// keep notes the newest of the versions of a document.
func (r *bareRun) keep(rows []bareRow) {
	for n := range rows {
		if was := r.library[rows[n].ID]; was == nil || was.Major < rows[n].Major || was.Major == rows[n].Major && was.Minor < rows[n].Minor {
			r.library[rows[n].ID] = &rows[n]
		}
	}
}

// newest asks what the approved version is of documents that have a newer one: it may
// be of another type.
func (r *bareRun) newest(ctx context.Context, rows []bareRow) error {
	var ids []int64
	for _, row := range rows {
		if !row.Latest {
			ids = append(ids, row.ID)
		}
	}
	for part := range slices.Chunk(ids, barePage) {
		if _, err := bareQuery[bareRow](ctx, r.source, "SELECT LATESTVERSION id, TONAME(type__v) AS type_name FROM ALLVERSIONS documents WHERE (status__v = STEADYSTATE() OR status__v = OBSOLETESTATE()) AND id CONTAINS "+bareList(part)+" PAGESIZE 1000"); err != nil {
			return err
		}
	}
	return nil
}

func (r *bareRun) use(source, target int64) {
	if !slices.Contains(r.uses[source], target) {
		r.uses[source] = append(r.uses[source], target)
	}
}

// readChanges reads what changed, with the presentations of changed slides and
// the slides of changed presentations.
func (r *bareRun) readChanges(ctx context.Context) error {
	slides, presentations := map[int64]bool{}, map[int64]bool{}
	err := r.source.pages(ctx, func(last *bareRow) string {
		return "SELECT id, TONAME(type__v) AS type_name FROM ALLVERSIONS documents WHERE TONAME(type__v) CONTAINS " + bareList([]string{vault.SourcePresentation, vault.SourceSlide}) + " AND version_modified_date__v >= '" +
			strings.TrimSuffix(r.since, "Z") + ".000Z' AND " + afterID(last) + " ORDER BY id"
	}, func(rows []bareRow) error {
		for _, row := range rows {
			if row.Type == vault.SourcePresentation {
				presentations[row.ID] = true
			} else {
				slides[row.ID] = true
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	deleted := url.Values{"start_date": {r.since}, "end_date": {r.started.Add(time.Second).Format(time.RFC3339)}, "limit": {"1000"}, "offset": {"0"}}
	if err := r.source.get(ctx, "objects/deletions/documents?"+deleted.Encode()); err != nil {
		return err
	}
	if err := r.source.related(ctx, "target_doc_id__v", slices.Sorted(maps.Keys(slides)), func(source, target int64) { slides[source] = true }); err != nil {
		return err
	}
	for part := range slices.Chunk(slices.Sorted(maps.Keys(slides)), barePage) {
		holders, err := bareQuery[bareRow](ctx, r.source, "SELECT id FROM ALLVERSIONS binders WHERE TONAME(type__v) = '"+vault.SourcePresentation+"' AND id IN (SELECT id FROM binder_nodes__sysr WHERE content_id__sys CONTAINS "+bareList(part)+") AND status__v = STEADYSTATE() PAGESIZE 1000")
		if err != nil {
			return err
		}
		for _, h := range holders {
			presentations[h.ID] = true
		}
	}
	read := func(of map[int64]bool, binders bool) error {
		for part := range slices.Chunk(slices.Sorted(maps.Keys(of)), barePage) {
			found := len(r.library)
			for _, obsolete := range []bool{false, true} {
				rows, err := bareQuery[bareRow](ctx, r.source, ofSource(binders, obsolete, "id CONTAINS "+bareList(part))+" PAGESIZE 1000")
				if err != nil {
					return err
				}
				r.keep(rows)
				if obsolete {
					continue
				}
				if err := r.newest(ctx, rows); err != nil {
					return err
				}
			}
			if len(r.library)-found == len(part) {
				continue
			}
			// What has neither version now is a draft, of another type, or gone.
			if _, err := bareQuery[struct{}](ctx, r.source, "SELECT "+vault.SourceColumns+", name__v FROM documents WHERE id CONTAINS "+bareList(part)+" PAGESIZE 1000"); err != nil {
				return err
			}
		}
		return nil
	}
	if err := read(presentations, true); err != nil {
		return err
	}
	for id := range presentations {
		if p := r.library[id]; p != nil {
			for _, n := range p.Nodes.Data {
				slides[n.Content] = true
			}
		}
	}
	var shared []int64
	if err := r.source.related(ctx, "source_doc_id__v", slices.Sorted(maps.Keys(slides)), func(source, target int64) {
		r.use(source, target)
		shared = append(shared, target)
	}); err != nil {
		return err
	}
	for _, id := range shared {
		slides[id] = true
	}
	return read(slides, false)
}
