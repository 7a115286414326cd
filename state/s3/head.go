package s3

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"accord/state"
	"accord/state/remote"
)

// head is the object that everything turns on.
type head struct {
	Format int      `json:"format"`
	Nonce  string   `json:"nonce"`          // makes each unlike all others
	State  string   `json:"state"`          // of versions/; "" when nothing was saved
	Log    [][]byte `json:"log,omitempty"`  // the first entries
	Logs   []string `json:"logs,omitempty"` // of log/: those that follow; the last is being written to
}

const format = 1

// held is the head as the holder of the lock has last written it.
type held struct {
	id     string // of the lock
	object object
	head   head
	kept   int // entries that are in the head itself
}

func (p *place) head(ctx context.Context) (object, head, error) {
	o, err := p.get(ctx, "head")
	if err != nil || o.tag == "" {
		return o, head{}, err
	}
	var h head
	dec := json.NewDecoder(bytes.NewReader(o.data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&h); err != nil || h.Format != format {
		return o, h, &state.DamagedError{Path: p.Name() + "/head", Reason: "it is not the head of a state, or one of another version"}
	}
	return o, h, nil
}

func (p *place) replace(ctx context.Context, before object, h *head) (object, error) {
	h.Format, h.Nonce = format, rand.Text()
	data, err := json.Marshal(h)
	if err != nil {
		return object{}, err
	}
	return p.swap(ctx, "head", before, data)
}

// Load implements remote.Place. It reads until head stayed the same meanwhile.
func (p *place) Load(ctx context.Context) (remote.Kept, error) {
	for {
		o, h, err := p.head(ctx)
		if err != nil {
			return remote.Kept{}, err
		}
		kept, err := p.follow(ctx, h)
		again, _, headErr := p.head(ctx)
		if headErr != nil {
			return kept, headErr
		}
		if again.tag == o.tag {
			return kept, err
		}
		if err := ctx.Err(); err != nil {
			return kept, err
		}
	}
}

// follow reads what a head names.
func (p *place) follow(ctx context.Context, h head) (kept remote.Kept, err error) {
	if h.State != "" {
		o, err := p.get(ctx, "versions/"+h.State)
		if err != nil {
			return kept, err
		}
		if o.tag == "" {
			return kept, &state.DamagedError{Path: p.Name() + "/versions/" + h.State, Reason: "it is the present state, and is gone"}
		}
		kept.State = o.data
	}
	kept.Log = slices.Clone(h.Log)
	for _, log := range h.Logs {
		entries, err := p.log(ctx, log)
		if err != nil {
			return kept, err
		}
		kept.Log = append(kept.Log, entries...)
	}
	return kept, nil
}

// log reads one log. Each batch is named after its first entry; what follows a
// gap was never acknowledged.
func (p *place) log(ctx context.Context, log string) (entries [][]byte, err error) {
	batches, err := p.list(ctx, "log/"+log+"/")
	if err != nil {
		return nil, err
	}
	for _, b := range batches {
		first, err := strconv.Atoi(b.name)
		if err != nil || first != len(entries)+1 {
			break
		}
		o, err := p.get(ctx, "log/"+log+"/"+b.name)
		if err != nil {
			return nil, err
		}
		var batch [][]byte
		if err := json.Unmarshal(o.data, &batch); err != nil {
			return nil, &state.DamagedError{Path: p.Name() + "/log/" + log + "/" + b.name, Reason: err.Error()}
		}
		entries = append(entries, batch...)
	}
	return entries, nil
}

// seize makes the head ours. First it says so, and from then on nothing that
// another appends is acknowledged; then it takes in what was.
func (p *place) seize(ctx context.Context, h state.Holder) error {
	o, now, err := p.head(ctx)
	if err != nil {
		return err
	}
	old := now.Logs
	if len(old) > 0 {
		now.Logs = append(slices.Clone(old), rand.Text())
		if o, err = p.replace(ctx, o, &now); err != nil {
			return err
		}
		for _, log := range old {
			entries, err := p.log(ctx, log)
			if err != nil {
				return err
			}
			now.Log = append(now.Log, entries...)
		}
	}
	now.Logs = []string{rand.Text()}
	if o, err = p.replace(ctx, o, &now); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mine = held{id: h.ID, object: o, head: now, kept: len(now.Log)}
	p.tidy(ctx, now)
	return nil
}

// holding returns the head of who holds the lock.
func (p *place) holding(h state.Holder) (held, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mine.id != h.ID {
		return held{}, state.ErrLockLost
	}
	return p.mine, nil
}

// Append implements remote.Place. An entry counts when head is still ours
// after it was written: whoever takes the lock changes head before it reads.
func (p *place) Append(ctx context.Context, h state.Holder, n int, entries [][]byte) error {
	mine, err := p.holding(h)
	if err != nil {
		return err
	}
	data, err := json.Marshal(entries)
	if err != nil {
		return err
	}
	if err := p.put(ctx, fmt.Sprintf("log/%s/%010d", mine.head.Logs[0], n-mine.kept+1), data); err != nil {
		return err
	}
	now, err := p.get(ctx, "head")
	if err != nil {
		return err
	}
	if now.tag != mine.object.tag {
		return state.ErrLockLost
	}
	return nil
}

// Save implements remote.Place.
func (p *place) Save(ctx context.Context, h state.Holder, s remote.Saved) error {
	mine, err := p.holding(h)
	if err != nil {
		return err
	}
	next := head{State: mine.head.State, Log: s.Log, Logs: []string{rand.Text()}}
	if s.New {
		next.State = fmt.Sprintf("%020d-%s", s.Serial, rand.Text())
		if err := p.put(ctx, "versions/"+next.State, s.State); err != nil {
			return err
		}
	}
	o, err := p.replace(ctx, mine.object, &next)
	if errors.Is(err, errChanged) {
		return state.ErrLockLost
	}
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mine = held{id: h.ID, object: o, head: next, kept: len(next.Log)}
	p.tidy(ctx, next)
	return nil
}

// tidy removes what head no longer names, but for the last versions. What it
// cannot remove it leaves to the next time.
func (p *place) tidy(ctx context.Context, h head) {
	logs, _ := p.list(ctx, "log/")
	for _, o := range logs {
		if log, _, _ := strings.Cut(o.name, "/"); !slices.Contains(h.Logs, log) {
			_ = p.remove(ctx, "log/"+o.name)
		}
	}
	all, _ := p.list(ctx, "versions/")
	for n, o := range all {
		if n < len(all)-p.config.Versions && o.name != h.State {
			_ = p.remove(ctx, "versions/"+o.name)
		}
	}
}

// History implements remote.Place. Versions that head never named, or names no
// more under their serial, are not part of it.
func (p *place) History(ctx context.Context) ([]state.Version, error) {
	versions, err := p.versions(ctx)
	if err != nil {
		return nil, err
	}
	var all []state.Version
	for _, v := range versions {
		all = append(all, v.Version)
	}
	return all, nil
}

type version struct {
	state.Version
	name string
}

// versions returns those up to the present one, newest first.
func (p *place) versions(ctx context.Context) (all []version, err error) {
	_, h, err := p.head(ctx)
	if err != nil || h.State == "" {
		return nil, err
	}
	objects, err := p.list(ctx, "versions/")
	if err != nil {
		return nil, err
	}
	present, _, _ := strings.Cut(h.State, "-")
	for _, o := range slices.Backward(objects) {
		digits, _, _ := strings.Cut(o.name, "-")
		serial, err := strconv.ParseUint(digits, 10, 64)
		if err != nil || digits > present || digits == present && o.name != h.State {
			continue // not ours, or of a save that came no further
		}
		if len(all) > 0 && all[len(all)-1].Serial == serial {
			continue
		}
		all = append(all, version{state.Version{Serial: serial, Saved: o.at.UTC(), Size: o.size}, o.name})
	}
	return all, nil
}

// At implements remote.Place.
func (p *place) At(ctx context.Context, serial uint64) ([]byte, error) {
	versions, err := p.versions(ctx)
	if err != nil {
		return nil, err
	}
	for _, v := range versions {
		if v.Serial != serial {
			continue
		}
		o, err := p.get(ctx, "versions/"+v.name)
		if err != nil || o.tag != "" {
			return o.data, err
		}
	}
	return nil, state.ErrNoVersion
}

// Rewrite implements remote.Place.
func (p *place) Rewrite(context.Context, state.Holder, uint64, []byte) error {
	return state.ErrVersionStays
}
