package vault

import (
	"context"
	"slices"

	"accord/providers"
)

// others answers for the documents of a list that have no version of a wanted
// kind: drafts, those that left the steady state, those that are of another
// type now, were deleted, or are just not there. Of what has a type that may
// not be seen, nothing is known.
func (s *clmSource) others(ctx context.Context, typ string, list []string, records []providers.Record, asked map[providers.Member]bool) ([]providers.Record, error) {
	answered := answers{}
	for i := range records {
		answered.add(&records[i])
	}
	var open []string
	for _, id := range list {
		if len(answered.missing(keyOf(id), s.variants())) > 0 {
			open = append(open, id)
		}
	}
	there, elsewhere, err := s.latestOf(ctx, typ, open)
	if err != nil {
		return nil, err
	}
	var out []providers.Record
	for _, id := range open {
		missing := answered.missing(keyOf(id), s.variants())
		r, ok := there[id]
		if ok && r.text("type_name") == typ && !elsewhere[id] {
			rec := s.other(partOf(typ, r), id, r, unapproved(typ, r), missing)
			out = append(out, rec)
			answered.add(&rec)
			continue
		}
		standing, err := s.absent(ctx, id, r)
		if err != nil {
			return nil, err
		}
		// What was not asked for by its part is told of in each that it can be.
		parts := slices.DeleteFunc(partsOfType(typ), func(part string) bool { return !asked[providers.Member{Part: part, Key: keyOf(id)}] })
		if len(parts) == 0 && !s.req.Only {
			parts = partsOfType(typ)
		}
		for _, part := range parts {
			out = append(out, s.other(part, id, r, standing, missing))
		}
	}
	// Asked for as one part, and found to be the other.
	for _, id := range list {
		key := keyOf(id)
		for _, part := range partsOfType(typ) {
			if a := answered[key]; a != nil && asked[providers.Member{Part: part, Key: key}] && !slices.Contains(a.parts, part) {
				out = append(out, providers.Record{Part: part, Key: key, Title: a.title, Standing: standRetyped, Variants: s.variants()})
			}
		}
	}
	return out, nil
}

// answers is what records tell of documents, by key.
type answers map[string]*answerOf

type answerOf struct {
	title           string
	variants, parts []string
}

func (a answers) add(r *providers.Record) {
	if a[r.Key] == nil {
		a[r.Key] = &answerOf{}
	}
	of := a[r.Key]
	of.title = r.Title
	of.variants, of.parts = append(of.variants, r.Variants...), append(of.parts, r.Part)
}

// missing are those of some variants of a document that no record is of.
func (a answers) missing(key string, variants []string) []string {
	of := a[key]
	return slices.DeleteFunc(variants, func(v string) bool { return of != nil && slices.Contains(of.variants, v) })
}

// latestOf finds the latest versions of documents, of whatever type, and of which of
// them what was approved is of another type than their latest.
func (s *clmSource) latestOf(ctx context.Context, typ string, list []string) (there map[string]row, elsewhere map[string]bool, err error) {
	there = map[string]row{}
	err = s.lists(ctx, list, listed, func(list string) string {
		return "SELECT " + sourceOwn + ", name__v FROM documents WHERE id CONTAINS " + list
	}, func(r row) error { there[r.text("id")] = r; return nil })
	if err != nil {
		return nil, nil, err
	}
	var drafts []string // that are yet to become what they will be
	for _, id := range list {
		if r, ok := there[id]; ok && s.steady && r.text("type_name") == typ && r.int("major_version_number__v") > 0 {
			drafts = append(drafts, id)
		}
	}
	elsewhere, err = s.approvedElsewhere(ctx, typ, drafts)
	return there, elsewhere, err
}

// unapproved is where a document stands that has no approved version, by its latest:
// one that had one before has another major number than 0.
func unapproved(typ string, r row) string {
	was := r.int("major_version_number__v") > 0
	switch {
	case was && typ == typePresentation:
		return standInField
	case was:
		return standUnapproved
	case typ == typePresentation:
		return standNever
	}
	return standDraft
}

// absent is where a document stands that is not of the type that was looked for; latest
// is its version of another type, nil where it is not there.
func (s *clmSource) absent(ctx context.Context, id string, latest row) (string, error) {
	switch {
	case latest != nil && latest.text("type_name") != "":
		return standRetyped, nil
	case latest != nil:
		return standMissing, nil
	}
	_, deleted, err := s.gone.has(ctx, s.caller, s.horizon, id)
	if err != nil || !deleted {
		return standMissing, err
	}
	return standDeleted, nil
}

// other is the record of a document that has no version of a wanted kind, by
// its latest version if it is there.
func (s *clmSource) other(part, id string, r row, standing string, variants []string) providers.Record {
	rec := providers.Record{Part: part, Key: keyOf(id), Title: r.text("name__v"), Standing: standing, Variants: variants}
	if part == partPresentation && r != nil {
		rec.Routes, rec.Groups = slices.Sorted(slices.Values(r.names("country__v"))), s.groups(r)
	}
	return rec
}
