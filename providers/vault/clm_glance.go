package vault

import (
	"context"
	"encoding/json"

	"accord/providers"
	"accord/providers/vaultapi"
)

// glance tells of what changed since a time no more than tells one change from
// another: the document and the date. Who looks every few seconds whether there
// is something to do need not read what. Documents of other types are told of
// where one of them is still used (CLM-3).
func (s *clmSource) glance(ctx context.Context, emit emit) error {
	var changed, elsewhere []providers.Record
	var others idList
	changes := s.changes(", version_modified_date__v")
	for {
		r, err := changes.peek(ctx)
		if err != nil {
			return err
		}
		if r == nil {
			break
		}
		at, err := json.Marshal(map[string]string{"version_modified_date__v": r.text("version_modified_date__v")})
		if err != nil {
			return err
		}
		rec := providers.Record{Part: changedPart(r), Key: keyOf(r.text("id")), Fields: at, Variants: s.variants()}
		if rec.Part != "" {
			changed = append(changed, rec)
		} else {
			rec.Part = partSlide
			others.add(r.text("id"))
			elsewhere = append(elsewhere, rec)
		}
		changes.take()
		if len(changed) >= pageRows {
			if err := emit(changed); err != nil {
				return err
			}
			changed = nil
		}
	}
	var err error
	if s.horizon, err = s.v.now(ctx); err != nil { // as the answers above have said
		return err
	}
	if err := s.deleted(ctx, func(d vaultapi.Deletion) {
		rec := providers.Record{Part: partPresentation, Key: keyOf(string(d.ID)), Variants: s.variants()}
		if d.Type == wholeDocument {
			rec.Standing = standDeleted
		} else {
			rec.Fields, _ = json.Marshal(map[string]string{"version": string(d.Major) + "." + string(d.Minor), "deleted": d.Date}) // of texts: it cannot fail
		}
		changed = append(changed, rec)
	}); err != nil {
		return err
	}
	if len(s.req.Fields) > 0 { // what is mapped
		columns, err := s.v.columns(ctx, s.req.Fields)
		if err != nil {
			return err
		}
		records, err := s.changedReferences(ctx, columns)
		if err != nil {
			return err
		}
		for object, rows := range records {
			for _, r := range rows {
				at, _ := json.Marshal(map[string]string{"modified_date__v": r.text("modified_date__v")}) // of texts: it cannot fail
				changed = append(changed, providers.Record{Part: partPresentation, Key: object + " " + r.text("id"), Fields: at, Variants: s.variants()})
			}
		}
	}
	if len(others.ids) > 0 {
		var holding idList
		users, err := s.follow(ctx, &others, targetDocument, sourceDocument)
		if err == nil {
			err = s.holders(ctx, &others, &holding)
		}
		if err != nil {
			return err
		}
		if len(users.ids)+len(holding.ids) > 0 {
			changed = append(changed, elsewhere...)
		}
	}
	return emit(changed)
}
