package syncer

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"accord/lang/schema"
	"accord/providers"
	"accord/state"
)

// How much of a failure is told: what fields of the target surely hold.
const (
	toldTitle   = 100
	toldMessage = 1000
)

// general records what kept a run from its end (ERR-1), in the journal and
// where the target keeps exceptions. A protection of accord's own is not the
// target's concern, and who was not let in does not knock again.
func (j *job) general(ctx context.Context, err error) {
	status := statusOf(err)
	if status == Interrupted || errors.Is(err, state.ErrFenced) {
		return
	}
	f := state.Exception{Type: state.Message, Key: string(providers.KindOf(err)), Title: j.Sync.Title, Kind: string(providers.KindOf(err)), Message: err.Error()}
	var perr *providers.Error
	if errors.As(err, &perr) {
		f.Cause = perr.Addr
	}
	if status == Refused {
		f.Message = providers.Advised(err)
	}
	told := j.checkpoint(ctx, 0, nil, []state.Exception{f})
	if told == nil && status != Refused && providers.KindOf(err) != providers.Access {
		told = j.tell(ctx, false)
	}
	if told != nil && providers.KindOf(told) != providers.KindOf(err) {
		j.err = errors.Join(j.err, told)
	}
}

// tell brings the records of exceptions to what is open in the journal (ERR-4).
// What the journal holds is there afterwards; of what it does not hold, or this
// run has not met although it looked at everything, nothing is, if settled.
func (j *job) tell(ctx context.Context, settled bool) error {
	if j.Sync.Exceptions == nil || j.Sync.Engine == providers.EnginePlatform || settled && j.quiet() {
		return nil
	}
	_, stream, err := j.s.stream(*j.Sync.Exceptions)
	if err != nil {
		return err
	}
	t := &telling{job: j, parts: stream.Parts}
	if err := t.gather(ctx, settled); err != nil {
		return fmt.Errorf("telling what failed: %w", err)
	}
	defer t.clear()
	for q := range t.parts { // messages before the items that they hold
		if err := t.write(ctx, q, providers.WriteCreate, providers.WriteUpdate); err != nil {
			return fmt.Errorf("telling what failed: %w", err)
		}
	}
	if !settled {
		return nil
	}
	for q := range slices.Backward(t.parts) {
		if err := t.write(ctx, q, providers.WriteWithdraw); err != nil {
			return fmt.Errorf("telling what fails no more: %w", err)
		}
	}
	return nil
}

// quiet: nothing fails, nothing did, and a clean run has left nothing behind.
func (j *job) quiet() bool {
	last := j.run.memory.Last
	return j.failures == 0 && j.run.memory.Failures == 0 && last != nil && last.Outcome == state.Clean
}

// telling is the records of exceptions of one run: those that are there, and
// those that shall be.
type telling struct {
	*job
	parts       []schema.Part
	open, shall []frames // by part, in key order
}

func (t *telling) clear() {
	for _, f := range slices.Concat(t.open, t.shall) {
		f.remove()
	}
}

func (t *telling) gather(ctx context.Context, settled bool) error {
	scratch := t.s.scratch()
	in := newIntake(scratch, t.parts, false)
	err := t.s.records(ctx, providers.RecordsRequest{End: *t.Sync.Exceptions}, nil, func(r *providers.Record) error {
		if x, err := exceptionOf(r); err != nil || !x.Own {
			return err
		}
		return in.add(r)
	})
	if err != nil {
		return err
	}
	if t.open, err = in.rest(); err != nil {
		return err
	}
	shall := sets(scratch, len(t.parts))
	message, item := partIndex(t.parts, providers.ExceptionMessage), partIndex(t.parts, providers.ExceptionItem)
	if message < 0 || item < 0 {
		return providers.Errorf(providers.Internal, "a stream of exceptions has messages and items")
	}
	add := func(q int, w providers.Write, err error) error {
		if err != nil {
			return err
		}
		return shall[q].add(w.Key, w.Fields, nil)
	}
	items := 0
	for f, err := range t.s.opts.Journal.Exceptions(ctx, t.Sync.Addr) {
		switch {
		case err != nil:
			return fmt.Errorf("reading what fails: %w", err)
		case settled && len(t.Decision.Only) == 0 && f.Run != t.run.id:
			continue // it is resolved, as the end of the run says
		case f.Type == state.Kept:
			continue // nothing is wrong with it in the target's eyes
		case f.Type == state.Message:
			w, made := exceptionWrite(providers.ExceptionMessage, f.Key, providers.Exception{Title: f.Title, Kind: f.Kind, Message: f.Message})
			err = add(message, w, made)
		default:
			items++
			w, made := itemWrite(f.Part, f.Key, f.Title, f.Kind, f.Message)
			err = add(item, w, made)
		}
		if err != nil {
			return err
		}
	}
	if items > 0 {
		w, made := holderWrite(t.Sync.Title, items)
		if err := add(message, w, made); err != nil {
			return err
		}
	}
	t.shall, err = restAll(shall)
	return err
}

// itemWrite is the write that makes the record of an item (ERR-2).
func itemWrite(part, key, title, kind, message string) (providers.Write, error) {
	x := providers.Exception{Part: part, Key: key, Title: title, Kind: kind, Message: message}
	return exceptionWrite(providers.ExceptionItem, x.RecordKey(), x)
}

// holderWrite is the write that makes the message which holds all items.
func holderWrite(title string, items int) (providers.Write, error) {
	return exceptionWrite(providers.ExceptionMessage, providers.ItemsMessage, providers.Exception{
		Title: title, Kind: providers.ItemsMessage, Items: items, Message: fmt.Sprintf("Items that cannot be synced: %d", items),
	})
}

// exceptionWrite is the write that makes a record of an exception.
func exceptionWrite(part, key string, x providers.Exception) (providers.Write, error) {
	x.Title, x.Message = brief(cmp.Or(x.Title, key), toldTitle), brief(cmp.Or(x.Message, x.Kind), toldMessage)
	fields, err := json.Marshal(x)
	return providers.Write{Verb: providers.WriteCreate, Part: part, Key: key, Title: x.Title, Fields: fields}, err
}

// brief makes a text one line of at most n characters.
func brief(text string, n int) string {
	text = strings.Join(strings.Fields(text), " ")
	if r := []rune(text); len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return text
}

// untraced is a message without what differs from call to call.
func untraced(message string) string { return traces.ReplaceAllString(message, "…") }

var traces = regexp.MustCompile(`[0-9a-f]{16,}`)

func exceptionOf(r *providers.Record) (x providers.Exception, err error) {
	if err = json.Unmarshal(r.Fields, &x); err != nil {
		err = fmt.Errorf("reading an exception: %w", err)
	}
	return x, err
}

// write makes the writes of one part that have one of some verbs, in batches.
func (t *telling) write(ctx context.Context, q int, of ...providers.Verb) error {
	open, shall := t.open[q].open(), t.shall[q].open()
	defer open.close()
	defer shall.close()
	batches := map[providers.Verb][]providers.Write{}
	send := func(verb providers.Verb) error {
		err := t.send(ctx, batches[verb])
		batches[verb] = nil
		return err
	}
	put := func(w providers.Write) error {
		if !slices.Contains(of, w.Verb) {
			return nil
		}
		batches[w.Verb] = append(batches[w.Verb], w)
		if len(batches[w.Verb]) < batchSize {
			return nil
		}
		return send(w.Verb)
	}
	open.next()
	shall.next()
	for open.ok || shall.ok {
		w, err := t.next(q, open, shall)
		if err == nil && w != nil {
			err = put(*w)
		}
		if err != nil {
			return err
		}
	}
	if err := cmp.Or(open.err, shall.err); err != nil {
		return err
	}
	for _, verb := range of {
		if err := send(verb); err != nil {
			return err
		}
	}
	return nil
}

// next takes the next record off both sides, and says what is to be done about
// it; nil: nothing.
func (t *telling) next(q int, open, shall *cursor) (*providers.Write, error) {
	order := 0
	switch {
	case !shall.ok:
		order = -1
	case !open.ok:
		order = 1
	default:
		order = cmp.Compare(open.key, shall.key)
	}
	w := &providers.Write{Verb: providers.WriteCreate, Part: t.parts[q].Name}
	var there, wanted providers.Exception
	if order <= 0 {
		var r record
		body, err := open.bodies.read(open.body)
		err = cmp.Or(err, r.decode(open.payload, w.Part, open.key), r.decodeBody(body))
		if err == nil {
			err = json.Unmarshal([]byte(r.fields), &there)
		}
		if err != nil {
			return nil, fmt.Errorf("reading an exception: %w", err)
		}
		w.Verb, w.Key, w.ID, w.Title = providers.WriteWithdraw, r.key, r.id, r.title
		open.next() // of several with one key the first is the one, and the others go
	}
	if order >= 0 {
		w.Key, w.Fields = shall.key, []byte(shall.payload)
		if err := json.Unmarshal(w.Fields, &wanted); err != nil {
			return nil, err
		}
		w.Title = wanted.Title
		shall.next()
	}
	if order == 0 {
		w.Verb = providers.WriteUpdate
		if there.Title == wanted.Title && untraced(there.Message) == untraced(wanted.Message) && there.Kind == wanted.Kind && there.Items == wanted.Items {
			return nil, nil
		}
	}
	return w, nil
}

// send writes a batch; what may or may not have been done is done again, which
// changes nothing where it was.
func (t *telling) send(ctx context.Context, batch []providers.Write) error {
	for n := 1; len(batch) > 0; n++ {
		if err := t.may(ctx); err != nil {
			return err
		}
		results := t.s.writeExceptions(ctx, t.Sync, t.run.id, batch)
		var again []providers.Write
		for i, r := range results {
			switch {
			case r.Err == nil:
			case n < attempts && slices.Contains([]providers.Kind{providers.Ambiguous, providers.Transient, providers.Throttled}, r.Err.Kind):
				again = append(again, batch[i])
			default:
				return r.Err
			}
		}
		batch = again
	}
	return nil
}

func (s *Syncer) writeExceptions(ctx context.Context, sync providers.Sync, run string, batch []providers.Write) []providers.WriteResult {
	sync.Target = *sync.Exceptions
	p, _, err := s.stream(sync.Target)
	if err == nil {
		results := p.Write(context.WithoutCancel(ctx), providers.WriteRequest{Sync: sync.Decided(), Run: run, Writes: batch})
		if len(results) == len(batch) {
			return results
		}
		err = providers.Errorf(providers.Ambiguous, "the provider answered %d of %d writes", len(results), len(batch))
	}
	results := make([]providers.WriteResult, len(batch))
	for i := range results {
		results[i].Err = &providers.Error{Kind: providers.KindOf(err), Op: "write exceptions", Message: err.Error()}
	}
	return results
}

// Exceptions reads the exceptions of a sync that are open at its target, of
// whatever engine (ERR-4). What holds items is not one of them.
func (s *Syncer) Exceptions(ctx context.Context, sync providers.Sync, yield func(providers.Exception) error) error {
	if sync.Exceptions == nil {
		return nil
	}
	return s.records(ctx, providers.RecordsRequest{End: *sync.Exceptions}, nil, func(r *providers.Record) error {
		x, err := exceptionOf(r)
		if err != nil || r.Part == providers.ExceptionMessage && x.Holds() {
			return err
		}
		return yield(x)
	})
}

// Dismiss deactivates messages at once (ERR-1): no run, no full sync, LSRT as it
// is. ids are those of their records, keys those of the journal's failures; one
// of the two may be all there is of a message.
func (s *Syncer) Dismiss(ctx context.Context, sync providers.Sync, messages []Message) error {
	var batch []providers.Write
	var items []state.Item
	for _, m := range messages {
		if m.ID != "" {
			batch = append(batch, providers.Write{Verb: providers.WriteWithdraw, Part: providers.ExceptionMessage, Key: m.Key, ID: m.ID, Title: m.Title})
		}
		items = append(items, state.Item{Key: m.Key})
	}
	if len(batch) > 0 && sync.Exceptions != nil {
		for i, r := range s.writeExceptions(ctx, sync, "", batch) {
			if r.Err != nil {
				return fmt.Errorf("deactivating message %s: %w", batch[i].ID, r.Err)
			}
		}
	}
	return s.opts.Journal.Dismiss(ctx, sync.Addr, items)
}

// Message is a general error (ERR-1).
type Message struct {
	ID    string // of its record; "": there is none
	Key   string
	Title string
}

// ExceptionKey is the key of a failure that only a system tells of, in the
// journal: its item's, else one made of its own id.
func ExceptionKey(x providers.Exception) string {
	switch {
	case x.Key != "":
		return x.Key
	case x.Own:
		return x.Kind
	}
	return "exception " + x.ID
}
