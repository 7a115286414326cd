package providertest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
	"accord/providers/resource"
)

// The standings of source records.
const (
	StandingApproved    = "approved"
	StandingUnpublished = "unpublished"
	StandingObsolete    = "obsolete"
	StandingUnapproved  = "unapproved"
	StandingDraft       = "draft"
	StandingDeleted     = "deleted"
	StandingMissing     = "missing" // asked for by key, and neither there nor deleted
)

// The streams. Source streams are ordered, target streams are not.
const (
	StreamBooks        = "books"
	StreamCountries    = "countries"
	StreamCopies       = "copies"
	StreamCountryTable = "country_table" // its withdraw deletes
	StreamExceptions   = "exceptions"    // what a feed cannot move (ERR-4); only what is open is read
)

var (
	bookParts = []schema.Part{
		{Name: "picture", Title: "pictures", Cost: aBatch},
		{Name: "page", Title: "pages", Cost: aBatch},
		{Name: "book", Title: "books", Routed: true, Cost: aBatch},
	}
	countryParts = []schema.Part{{Name: "country", Title: "countries", Routed: true, Cost: aBatch}}

	aBatch = schema.Cost{Batch: 1}

	exceptionParts = []schema.Part{{Name: providers.ExceptionMessage, Title: "messages"}, {Name: providers.ExceptionItem, Title: "items"}}

	streams = []schema.Stream{
		{Name: StreamBooks, Instance: "shelf", Doc: "Books with their pages and pictures.", Parts: bookParts, Ordered: true},
		{Name: StreamCountries, Instance: "shelf", Doc: "Countries.", Parts: countryParts, Ordered: true, Small: true},
		{Name: StreamCopies, Instance: "shelf", Doc: "Copies of books, pages and pictures.", Parts: bookParts, Write: true},
		{Name: StreamCountryTable, Instance: "shelf", Doc: "The countries a shelf receives.", Parts: countryParts, Write: true},
		{Name: StreamExceptions, Instance: "shelf", Doc: "What a feed cannot move.", Parts: exceptionParts, Write: true},
	}
)

// scope narrows a target stream to what one feed wrote.
type scope struct {
	Feed string `json:"feed"`
}

// Syncs makes a sync of each feed that there is or will be.
func (c *connection) Syncs(ctx context.Context, changes []providers.Change) ([]providers.Sync, error) {
	c.memory.record(Call{Method: "syncs"})
	if err := c.memory.fault("syncs", "").strike(ctx, false); err != nil {
		return nil, err
	}
	var syncs []providers.Sync
	for _, ch := range changes {
		o := cmp.Or(ch.After, ch.Before)
		if o == nil || o.Type != "feed" {
			continue
		}
		var was, f feedBody
		if err := o.Decode(&f); err != nil {
			return nil, err
		}
		if ch.Before != nil {
			if err := ch.Before.Decode(&was); err != nil {
				return nil, err
			}
		}
		s := f.sync(ch.Addr)
		s.Was, s.TriggerWas = ch.Before != nil && was.Status == "active", was.trigger()
		switch {
		case ch.After == nil:
			s.Idle = "the feed is taken out"
		case f.Status != "active":
			s.Idle = "the feed is inactive"
		default:
			s.Active = true
		}
		if ch.Live != nil {
			var live feedBody
			if err := ch.Live.Decode(&live); err != nil {
				return nil, err
			}
			s.LRT, s.LSRT = live.LRT, live.LSRT
		}
		c.memory.locked(func() { s.Now = c.memory.Now })
		syncs = append(syncs, s)
	}
	return syncs, nil
}

func (f *feedBody) sync(addr addrs.Instance) providers.Sync {
	raw, _ := json.Marshal(scope{f.Name})
	s := providers.Sync{
		Addr:    addr,
		Title:   "Feed " + f.Name,
		Engine:  f.Engine,
		Source:  providers.End{Instance: f.From, Stream: StreamBooks},
		Target:  providers.End{Instance: f.To, Stream: StreamCopies, Scope: raw},
		Variant: f.Variant,
		Rules:   []providers.Rule{{From: "name", To: "title"}},
		Route:   providers.Route{Values: f.Routes},
		Standings: map[string]providers.Meaning{
			StandingApproved: providers.Publish, StandingUnpublished: providers.Withdraw, StandingObsolete: providers.Withdraw,
			StandingDeleted: providers.Withdraw, StandingUnapproved: providers.Meaning(f.OnUnapproved),
		},
		Policy: providers.Policy{FullAfter: 15 * 24 * time.Hour, RetryAfter: 24 * time.Hour},
		Needs:  []addrs.Instance{addr},
	}
	s.Trigger = f.trigger()
	if f.Variant == "latest" {
		s.Standings[StandingDraft] = providers.Publish
	}
	for _, from := range slices.Sorted(maps.Keys(f.Fields)) {
		s.Fields = append(s.Fields, from)
		s.Rules = append(s.Rules, providers.Rule{From: from, To: f.Fields[from]})
	}
	byCountry := &providers.Lookup{End: providers.End{Instance: f.From, Stream: StreamCountries}, Values: f.Lookup}
	switch {
	case f.Kind == "countries":
		s.Source.Stream, s.Target.Stream, s.Variant = StreamCountries, StreamCountryTable, ""
		if f.Routes == nil {
			s.Route = providers.Route{All: true}
		}
	case f.Table != nil:
		s.Route = providers.Route{Table: f.Table}
		s.After = []addrs.Instance{*f.Table}
		s.Needs = append(s.Needs, *f.Table)
		if f.Lookup != nil {
			s.Route.Within = byCountry
		}
	case f.Lookup != nil:
		s.Route = providers.Route{Lookup: byCountry}
	case f.Routes == nil:
		s.Route = providers.Route{All: true}
	}
	s.Exceptions = &providers.End{Instance: f.To, Stream: StreamExceptions, Scope: raw}
	s.Inputs = map[string]string{"filter": digest(f.Routes, f.Lookup), "rules": digest(f.Fields), "variant": digest(f.Variant)}
	return s
}

func (f *feedBody) trigger() string {
	if f.FullTrigger == nil {
		return ""
	}
	return *f.FullTrigger
}

func digest(values ...any) string {
	b, _ := json.Marshal(values)
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// Records reads a stream as it is when the read begins.
func (c *connection) Records(ctx context.Context, req providers.RecordsRequest) iter.Seq2[providers.Batch, error] {
	if len(req.Also) > 0 {
		return providers.Beside(ctx, req, c.Records)
	}
	return func(yield func(providers.Batch, error) bool) {
		call := Call{Method: "records", What: req.End.Stream, Verb: "all"}
		switch {
		case req.Holders:
			call.Verb = "holders"
		case len(req.Keys) > 0:
			call.Verb = "keys"
		case !req.Since.IsZero():
			call.Verb = "since"
		case req.After != "" || req.UpTo != "":
			call.Verb = "range"
		}
		for _, k := range req.Keys {
			call.Keys = append(call.Keys, k.Key)
		}
		c.memory.record(call)
		records, now, err := c.records(req)
		if err != nil {
			yield(providers.Batch{}, err)
			return
		}
		first := true
		size := cmp.Or(c.memory.BatchSize, 100)
		for batch := range slices.Chunk(append(records, providers.Record{}), size) {
			last := batch[len(batch)-1].Part == ""
			f := c.memory.fault("records", req.End.Stream)
			if err := f.strike(ctx, false); err != nil {
				yield(providers.Batch{}, err)
				return
			}
			if f != nil && f.Backwards && !first {
				batch = records[:min(size, len(records))]
			}
			first = false
			out := providers.Batch{Records: batch, Calls: 1}
			if last {
				if f != nil && f.Short {
					return
				}
				if out.End, out.Horizon = true, now; batch[len(batch)-1].Part == "" {
					out.Records = batch[:len(batch)-1]
				}
			}
			if ctx.Err() != nil {
				yield(providers.Batch{}, ctx.Err())
				return
			}
			if !yield(out, nil) {
				return
			}
		}
	}
}

func (c *connection) records(req providers.RecordsRequest) (records []providers.Record, now time.Time, err error) {
	s, err := c.system(req.End.Instance)
	if err != nil {
		return nil, now, err
	}
	c.memory.locked(func() {
		now = c.memory.Now
		switch req.End.Stream {
		case StreamBooks:
			records = s.source(req, bookParts)
		case StreamCountries:
			records = s.source(req, countryParts)
		default:
			records, err = s.target(req)
		}
	})
	return records, now, err
}

func inParts(parts []schema.Part, part string) bool {
	return slices.ContainsFunc(parts, func(p schema.Part) bool { return p.Name == part })
}

func (s *System) source(req providers.RecordsRequest, parts []schema.Part) []providers.Record {
	var all []*Item
	for _, i := range s.Library {
		if inParts(parts, i.Part) && inRange(i.Key, req) && wanted(i.Variants, req.Variants) {
			all = append(all, i)
		}
	}
	records := make([]providers.Record, 0, len(all))
	partial := !req.Since.IsZero() || len(req.Keys) > 0
	var seen map[providers.Member]bool
	if partial {
		seen = selected(req, each(all, func(i *Item) (providers.Record, time.Time) { return i.Record, i.Modified }))
	}
	found := map[providers.Member]bool{}
	for _, i := range all {
		key := providers.Member{Part: i.Part, Key: i.Key}
		if partial && !seen[key] || !partial && i.Standing == StandingDeleted {
			continue
		}
		found[key] = true
		r := i.Record
		r.Fields = only(r.Fields, append([]string{"name"}, req.Fields...))
		records = append(records, r)
	}
	for _, key := range req.Keys {
		if !found[key] && inParts(parts, key.Part) {
			found[key] = true
			records = append(records, providers.Record{Part: key.Part, Key: key.Key, Standing: StandingMissing})
		}
	}
	slices.SortStableFunc(records, func(a, b providers.Record) int {
		return cmp.Or(strings.Compare(a.Key, b.Key), strings.Compare(a.Part, b.Part), slices.Compare(a.Variants, b.Variants))
	})
	return records
}

// target yields what a feed holds, the newest first.
func (s *System) target(req providers.RecordsRequest) ([]providers.Record, error) {
	var of scope
	if err := json.Unmarshal(req.End.Scope, &of); err != nil || of.Feed == "" {
		return nil, providers.Errorf(providers.Invalid, "stream %s needs the scope of a feed, not %s", req.End.Stream, req.End.Scope)
	}
	var all []*Copy
	for _, c := range s.Copies {
		if c.Stream == StreamExceptions && c.Standing != providers.Published {
			continue
		}
		if c.Stream == req.End.Stream && c.Feed == of.Feed && inRange(c.Key, req) {
			all = append(all, c)
		}
	}
	var seen map[providers.Member]bool
	partial := !req.Since.IsZero() || len(req.Keys) > 0
	if partial {
		seen = selected(req, each(all, func(c *Copy) (providers.Record, time.Time) { return c.Record, c.Modified }))
	}
	var records []providers.Record
	for _, c := range slices.Backward(all) {
		switch {
		case req.Holders:
			if c.Standing == providers.Published && slices.ContainsFunc(c.Members, func(m providers.Member) bool { return slices.Contains(req.Keys, m) }) {
				records = append(records, c.Record)
			}
		case !partial || seen[providers.Member{Part: c.Part, Key: c.Key}]:
			records = append(records, c.Record)
		}
	}
	return records, nil
}

func each[E any](all []E, record func(E) (providers.Record, time.Time)) iter.Seq2[providers.Record, time.Time] {
	return func(yield func(providers.Record, time.Time) bool) {
		for _, e := range all {
			if !yield(record(e)) {
				return
			}
		}
	}
}

// selected says which keys a read of changes or of keys sees: those, the
// containers that name them and theirs, and all that these name.
func selected(req providers.RecordsRequest, all iter.Seq2[providers.Record, time.Time]) map[providers.Member]bool {
	seen := map[providers.Member]bool{}
	for _, k := range req.Keys {
		seen[k] = true
	}
	if !req.Since.IsZero() {
		for r, modified := range all {
			if !modified.Before(req.Since) {
				seen[providers.Member{Part: r.Part, Key: r.Key}] = true
			}
		}
	}
	if req.Only {
		return seen
	}
	spread := func(step func(self providers.Member, members []providers.Member) bool) {
		for grew := true; grew; {
			grew = false
			for r := range all {
				grew = step(providers.Member{Part: r.Part, Key: r.Key}, r.Members) || grew
			}
		}
	}
	spread(func(self providers.Member, members []providers.Member) bool {
		up := !seen[self] && slices.ContainsFunc(members, func(m providers.Member) bool { return seen[m] })
		seen[self] = seen[self] || up
		return up
	})
	spread(func(self providers.Member, members []providers.Member) (down bool) {
		for _, m := range members {
			if seen[self] && !seen[m] {
				seen[m], down = true, true
			}
		}
		return down
	})
	return seen
}

func inRange(key string, req providers.RecordsRequest) bool {
	return key > req.After && (req.UpTo == "" || key <= req.UpTo)
}

func wanted(have, want []string) bool {
	return len(have) == 0 || len(want) == 0 || slices.ContainsFunc(have, func(v string) bool { return slices.Contains(want, v) })
}

func only(fields json.RawMessage, names []string) json.RawMessage {
	var all map[string]json.RawMessage
	if len(fields) == 0 || json.Unmarshal(fields, &all) != nil {
		return fields
	}
	maps.DeleteFunc(all, func(name string, _ json.RawMessage) bool { return !slices.Contains(names, name) })
	out, _ := json.Marshal(all)
	return out
}

// Write makes each change so. A container's members must be published, and a
// published container's members cannot be withdrawn.
func (c *connection) Write(ctx context.Context, req providers.WriteRequest) []providers.WriteResult {
	call := Call{Method: "write", What: req.Sync.Target.Stream, Run: req.Run}
	for _, w := range req.Writes {
		call.Verb, call.Part = string(w.Verb), w.Part
		call.Keys = append(call.Keys, w.Key)
	}
	c.memory.record(call)
	results := make([]providers.WriteResult, len(req.Writes))
	for n, w := range req.Writes {
		f := c.memory.fault("write", w.Key)
		id, same, err := c.write(ctx, req.Sync, w, f)
		results[n] = providers.WriteResult{ID: id, Same: same}
		if err != nil {
			results[n] = providers.WriteResult{ID: id, Err: asError(err, "writing "+w.Part+" "+w.Key)}
		}
	}
	if len(results) > 0 {
		results[0].Calls = aBatch.Batch
	}
	return results
}

func (c *connection) write(ctx context.Context, sync providers.Sync, w providers.Write, f *Fault) (id string, same bool, err error) {
	s, err := c.system(sync.Target.Instance)
	if err != nil {
		return "", false, err
	}
	var of scope
	if err := json.Unmarshal(sync.Target.Scope, &of); err != nil || of.Feed == "" {
		return "", false, providers.Errorf(providers.Invalid, "the target needs the scope of a feed")
	}
	if err := f.strike(ctx, false); err != nil {
		return "", false, err
	}
	if ctx.Err() != nil {
		return "", false, ctx.Err()
	}
	c.memory.locked(func() {
		id, same, err = s.writeCopy(sync.Target.Stream, of.Feed, w)
		if n := slices.IndexFunc(s.Copies, func(c *Copy) bool { return c.ID == id }); n >= 0 && f != nil && f.Half {
			s.Copies[n].Standing, s.Copies[n].Members = providers.Unfinished, nil
		}
	})
	if err != nil {
		return id, same, err
	}
	return id, same, f.strike(ctx, true)
}

func (s *System) writeCopy(stream, feed string, w providers.Write) (id string, same bool, err error) {
	find := func(m providers.Member) *Copy {
		for _, c := range s.Copies {
			if c.Stream == stream && c.Feed == feed && c.Part == m.Part && c.Key == m.Key {
				return c
			}
		}
		return nil
	}
	c := find(providers.Member{Part: w.Part, Key: w.Key})
	if w.Verb == providers.WriteWithdraw {
		switch {
		case c == nil || c.Standing == providers.Withdrawn:
			return "", true, nil
		case stream == StreamCountryTable:
			s.Copies = slices.DeleteFunc(s.Copies, func(other *Copy) bool { return other == c })
			return c.ID, false, nil
		}
		for _, other := range s.Copies {
			if other.Stream == stream && other.Feed == feed && other.Standing == providers.Published && slices.Contains(other.Members, providers.Member{Part: w.Part, Key: w.Key}) {
				return c.ID, false, providers.Errorf(providers.Invalid, "%s %s still holds it", other.Part, other.Key)
			}
		}
		c.Standing, c.Modified = providers.Withdrawn, s.memory.Now
		return c.ID, false, nil
	}
	for _, m := range w.Members {
		if held := find(m); held == nil || held.Standing != providers.Published {
			return "", false, providers.Errorf(providers.NotFound, "its %s %s is not published here", m.Part, m.Key)
		}
	}
	if c == nil {
		if w.Verb != providers.WriteCreate {
			return "", false, providers.Errorf(providers.NotFound, "there is no %s %s", w.Part, w.Key)
		}
		c = &Copy{Stream: stream, Feed: feed}
		c.Part, c.Key, c.ID = w.Part, w.Key, s.memory.id("copy")
		s.Copies = append(s.Copies, c)
		w.Changed, w.Reorder = nil, true
	}
	before, _ := json.Marshal(c.Record)
	c.Title, c.Standing = w.Title, providers.Published
	c.Fields = patch(c.Fields, w)
	if stream == StreamExceptions {
		c.Fields = owned(c.ID, w)
	}
	if w.Reorder || w.Verb == providers.WriteCreate {
		c.Members = w.Members
	}
	after, _ := json.Marshal(c.Record)
	if string(before) == string(after) {
		return c.ID, true, nil
	}
	c.Modified = s.memory.Now
	return c.ID, false, nil
}

// owned is an exception as it is read again.
func owned(id string, w providers.Write) json.RawMessage {
	var x providers.Exception
	_ = json.Unmarshal(w.Fields, &x)
	x.ID, x.Own, x.General = id, true, w.Part == providers.ExceptionMessage
	out, _ := json.Marshal(x)
	return out
}

// patch sets the fields that changed; of a create, all.
func patch(was json.RawMessage, w providers.Write) json.RawMessage {
	if w.Verb == providers.WriteCreate {
		return w.Fields
	}
	old, now := map[string]json.RawMessage{}, map[string]json.RawMessage{}
	_ = json.Unmarshal(was, &old)
	_ = json.Unmarshal(w.Fields, &now)
	for _, name := range w.Changed {
		delete(old, name)
		if v, ok := now[name]; ok {
			old[name] = v
		}
	}
	out, _ := json.Marshal(old)
	return out
}

// Finish keeps LRT and LSRT on the feed.
func (c *connection) Finish(ctx context.Context, run providers.Run) error {
	c.memory.record(Call{Method: "finish", What: run.Sync.Target.Stream, Run: run.ID})
	s, err := c.system(run.Sync.Target.Instance)
	if err != nil {
		return err
	}
	var of scope
	if err := json.Unmarshal(run.Sync.Target.Scope, &of); err != nil {
		return providers.Errorf(providers.Invalid, "the target needs the scope of a feed")
	}
	f := c.memory.fault("finish", of.Feed)
	if err := f.strike(ctx, false); err != nil {
		return asError(err, "finishing "+of.Feed)
	}
	var found bool
	c.memory.locked(func() {
		for _, feed := range s.Feeds {
			if feed.Name == of.Feed {
				found, feed.LRT = true, run.Started
				if run.Clean {
					feed.LSRT = run.Started
				}
			}
		}
	})
	if !found {
		return providers.Errorf(providers.NotFound, "there is no feed %s", of.Feed)
	}
	if err := f.strike(ctx, true); err != nil {
		return asError(err, "finishing "+of.Feed)
	}
	return nil
}

func asError(err error, op string) *providers.Error {
	if e, ok := err.(*providers.Error); ok {
		e.Op = op
		return e
	}
	return &providers.Error{Kind: providers.Ambiguous, Op: op, Message: err.Error()}
}

var _ resource.Syncer = (*connection)(nil)
