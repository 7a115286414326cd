package providertest

import (
	"context"
	"iter"
	"maps"
	"slices"
	"strconv"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
	"accord/providers/resource"
)

type shelfBody struct {
	System string `json:"system" schema:"required" doc:"The system in memory that the shelf is."`
	Room   string `json:"room" schema:"readonly" doc:"Where it was found when connected."`
}

type boxBody struct {
	Shelf    addrs.Instance       `json:"shelf" schema:"required,replace" refers:"shelf" doc:"Where the box stands."`
	Name     string               `json:"name" schema:"required,replace" doc:"Unique on the shelf."`
	Size     int                  `json:"size" default:"1" doc:"In litres."`
	Contents resource.Set[string] `json:"contents" nonempty:"leave it out, or say all = true" doc:"What is in it."`
	All      *bool                `json:"all" doc:"Whether everything is in it."`
	Colour   *string              `json:"colour" schema:"computed" doc:"Brown where it is left out."`
	Code     *string              `json:"code" schema:"sensitive" doc:"Opens it."`
	Trigger  *string              `json:"trigger" schema:"local" doc:"Known to accord alone."`
	Serial   string               `json:"serial" schema:"readonly" doc:"Given by the shelf."`
	Opened   *int                 `json:"opened" schema:"volatile" doc:"How often it was read."`
	Lid      *lidBody             `json:"lid" schema:"block" doc:"Its lid."`
	Slots    map[string]slotBody  `json:"slot" schema:"block" label:"slot name" doc:"Its slots."`
}

type lidBody struct {
	Colour string `json:"colour" schema:"required" doc:"Its colour."`
	Locked *bool  `json:"locked" schema:"computed" doc:"Unlocked where it is left out."`
}

type slotBody struct {
	Keys resource.Set[string] `json:"keys" doc:"What fits."`
}

type labelBody struct {
	Box    addrs.Instance `json:"box" schema:"required,replace" refers:"box" doc:"The box it is on."`
	Text   string         `json:"text" schema:"required,replace" doc:"Unique on the box."`
	Size   int            `json:"size" default:"10" doc:"In points."`
	Status string         `json:"status" default:"active" oneof:"active inactive" doc:"Whether it can be seen."`
	BoxID  string         `json:"box_id" schema:"readonly" doc:"The box's id."`
}

type signBody struct {
	Shelf addrs.Instance `json:"shelf" schema:"required,replace" refers:"shelf" doc:"Where it hangs."`
	Name  string         `json:"name" schema:"required,replace" doc:"Unique on the shelf."`
	Text  *string        `json:"text" doc:"What it says."`
}

type feedBody struct {
	From         addrs.Instance       `json:"from" schema:"required,replace" refers:"shelf" doc:"Where it reads."`
	To           addrs.Instance       `json:"to" schema:"required,replace" refers:"shelf" doc:"Where it writes."`
	Name         string               `json:"name" schema:"required,replace" doc:"Unique where it writes; the mark of what it wrote."`
	Kind         string               `json:"kind" schema:"replace" default:"books" oneof:"books countries" doc:"What it moves."`
	Status       string               `json:"status" default:"inactive" oneof:"active inactive" doc:"Whether it runs."`
	Engine       string               `json:"engine" default:"accord" oneof:"accord platform" doc:"Who runs it."`
	Variant      string               `json:"variant" default:"steady" oneof:"steady latest" doc:"Which versions it takes."`
	Routes       resource.Set[string] `json:"routes" doc:"The routes it takes; left out, with no table and no lookup: all."`
	Table        *addrs.Instance      `json:"table" refers:"feed" doc:"The countries feed by which it routes."`
	Lookup       resource.Set[string] `json:"lookup" doc:"Route by the countries with these values, kept in no table; of those in the table, where there is one."`
	Fields       map[string]string    `json:"fields" doc:"Target field of source field, beyond the name."`
	OnUnapproved string               `json:"on_unapproved" default:"keep" oneof:"keep withdraw" doc:"What becomes of what is unapproved."`
	FullTrigger  *string              `json:"full_sync_trigger" schema:"local" doc:"A change asks for a full run."`
	LRT          time.Time            `json:"last_run_time" schema:"volatile" doc:"Start of the last run."`
	LSRT         time.Time            `json:"last_successful_run_time" schema:"volatile" doc:"Start of the last run without errors."`
}

// Provider returns a new provider on the data, not configured.
func (m *Memory) Provider() providers.Provider {
	c := &connection{memory: m, systems: map[addrs.Instance]string{}}
	return &faulty{memory: m, Provider: resource.New(resource.Provider{
		Name: "memory", Version: "1.0.0",
		Instances: []resource.Connectable{resource.Instance[shelfBody]{
			Name: "shelf", Doc: "A shelf in memory.", Connect: c.connect,
		}},
		Resources: []resource.Resource{
			resource.Type[boxBody]{
				Name: "box", Doc: "A box on a shelf.", Identity: []string{"shelf", "name"}, Removal: schema.Delete,
				Validate: validateBoxes,
				Read:     boxes.read(c), Plan: planBoxes, Create: boxes.write(c), Update: boxes.write(c), Remove: boxes.remove(c), List: boxes.list(c),
			},
			resource.Type[labelBody]{
				Name: "label", Doc: "A label on a box.", Identity: []string{"box", "text"}, Removal: schema.Deactivate,
				Read: labels.read(c), Plan: planLabels, Create: labels.write(c), Update: labels.write(c), Remove: labels.remove(c), List: labels.list(c),
			},
			resource.Type[signBody]{
				Name: "sign", Doc: "A sign on a shelf.", Identity: []string{"shelf", "name"}, Removal: schema.Forget,
				Read: signs.read(c), Create: signs.write(c), Update: signs.write(c), Remove: signs.remove(c), List: signs.list(c),
			},
			resource.Type[feedBody]{
				Name: "feed", Doc: "A feed between shelves.", Identity: []string{"to", "name"}, Removal: schema.Deactivate,
				Read: feeds.read(c), Create: feeds.write(c), Update: feeds.write(c), Remove: feeds.remove(c), List: feeds.list(c),
			},
		},
		Streams: streams,
		Syncer:  c,
		Seen:    c.seen,
		Lacks:   c.lacks,
	})}
}

// faulty is the provider, whose schema can be had with faults as well.
type faulty struct {
	providers.Provider
	memory *Memory
}

func (f *faulty) Schema(ctx context.Context) (*schema.Provider, error) {
	if err := f.memory.fault("schema", "").strike(ctx, false); err != nil {
		return nil, err
	}
	return f.Provider.Schema(ctx)
}

// connection is a configured provider: which shelf is which system.
type connection struct {
	memory  *Memory
	systems map[addrs.Instance]string // written by connect alone
}

// seen are the rules of the house on all shelves.
func (c *connection) seen(ctx context.Context) ([]providers.Seen, error) {
	c.memory.record(Call{Method: "seen"})
	if err := c.memory.fault("seen", "").strike(ctx, false); err != nil {
		return nil, err
	}
	var all []providers.Seen
	for _, shelf := range slices.SortedFunc(maps.Keys(c.systems), addrs.Instance.Compare) {
		s, err := c.system(shelf)
		if err != nil {
			return nil, err
		}
		c.memory.locked(func() {
			if len(s.Rules) == 0 {
				all = append(all, providers.Seen{Instance: shelf, Kind: "rule", Listed: true})
			}
			for _, name := range slices.Sorted(maps.Keys(s.Rules)) {
				all = append(all, providers.Seen{Instance: shelf, Kind: "rule", Name: name, Listed: true, Values: map[string]string{"text": s.Rules[name]}})
			}
		})
	}
	return all, nil
}

// lacks has nothing to say: whoever comes in may do everything.
func (c *connection) lacks(ctx context.Context, _ []providers.Object) ([]providers.Lack, error) {
	c.memory.record(Call{Method: "lacks"})
	return nil, c.memory.fault("lacks", "").strike(ctx, false)
}

func (c *connection) connect(ctx context.Context, env *resource.Env, items []*resource.Item[shelfBody]) {
	c.memory.record(Call{Method: "configure"})
	for _, i := range items {
		if err := c.memory.fault("configure", i.Want.System).strike(ctx, false); err != nil {
			i.Fail(err)
			continue
		}
		now := *i.Want
		c.systems[i.Addr] = now.System
		c.memory.System(now.System)
		now.Room = "room of " + now.System
		i.Found("system:"+now.System, now)
	}
}

func (c *connection) system(shelf addrs.Instance) (*System, error) {
	name, ok := c.systems[shelf]
	if !ok {
		return nil, providers.Errorf(providers.Invalid, "%s is not connected", shelf)
	}
	return c.memory.System(name), nil
}

func (m *Memory) record(call Call) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, call)
}

// table is one type of object on a system: how to find, fill and remove one.
type table[T any] struct {
	name   string
	on     func(*resource.Env, *T) (addrs.Instance, error) // the shelf
	rows   func(*System) map[string]*T
	key    func(*T) string                              // how calls and faults name it
	same   func(*resource.Env, *System, *T) string      // identity on the shelf, where it is not the key
	fill   func(*Memory, *resource.Env, string, *T)     // what the shelf fills in
	drop   func(*T) bool                                // on removal: amend and keep, or delete
	listed func(*resource.Env, *T, addrs.Instance) bool // gives what List found its references; false: they lead nowhere
}

var boxes = table[boxBody]{
	name: "box",
	on:   func(_ *resource.Env, b *boxBody) (addrs.Instance, error) { return b.Shelf, nil },
	rows: func(s *System) map[string]*boxBody { return s.Boxes },
	key:  func(b *boxBody) string { return b.Name },
	fill: func(_ *Memory, _ *resource.Env, id string, b *boxBody) {
		b.Serial = "serial of " + id
		if b.Colour == nil {
			b.Colour = pointer("brown")
		}
		if b.Lid != nil && b.Lid.Locked == nil {
			b.Lid.Locked = pointer(false)
		}
	},
	drop:   func(*boxBody) bool { return true },
	listed: func(_ *resource.Env, b *boxBody, shelf addrs.Instance) bool { b.Shelf = shelf; return true },
}

var labels = table[labelBody]{
	name: "label",
	on: func(env *resource.Env, l *labelBody) (addrs.Instance, error) {
		b, _, err := resource.Ref[boxBody](env, l.Box)
		if err != nil {
			return addrs.Instance{}, err
		}
		return b.Shelf, nil
	},
	rows: func(s *System) map[string]*labelBody { return s.Labels },
	key:  func(l *labelBody) string { return l.Box.String() + " " + l.Text },
	fill: func(_ *Memory, env *resource.Env, _ string, l *labelBody) {
		if _, id, err := resource.Ref[boxBody](env, l.Box); err == nil {
			l.BoxID = id
		}
	},
	drop: func(l *labelBody) bool { l.Status = "inactive"; return false },
	same: func(env *resource.Env, s *System, l *labelBody) string { // a box may be called otherwise by now
		if b := s.Boxes[l.BoxID]; b != nil {
			return b.Name + " " + l.Text
		}
		if b, _, err := resource.Ref[boxBody](env, l.Box); err == nil {
			return b.Name + " " + l.Text
		}
		return l.Box.String() + " " + l.Text
	},
	listed: func(env *resource.Env, l *labelBody, _ addrs.Instance) bool {
		for addr, o := range env.Refs {
			if o.Type == "box" && o.ID == l.BoxID {
				l.Box = addr
				return true
			}
		}
		return false
	},
}

var signs = table[signBody]{
	name:   "sign",
	on:     func(_ *resource.Env, s *signBody) (addrs.Instance, error) { return s.Shelf, nil },
	rows:   func(s *System) map[string]*signBody { return s.Signs },
	key:    func(s *signBody) string { return s.Name },
	fill:   func(*Memory, *resource.Env, string, *signBody) {},
	drop:   func(*signBody) bool { return true }, // when replaced
	listed: func(_ *resource.Env, s *signBody, shelf addrs.Instance) bool { s.Shelf = shelf; return true },
}

var feeds = table[feedBody]{
	name:   "feed",
	on:     func(_ *resource.Env, f *feedBody) (addrs.Instance, error) { return f.To, nil },
	rows:   func(s *System) map[string]*feedBody { return s.Feeds },
	key:    func(f *feedBody) string { return f.Name },
	fill:   func(*Memory, *resource.Env, string, *feedBody) {},
	drop:   func(f *feedBody) bool { f.Status = "inactive"; return false },
	listed: func(_ *resource.Env, f *feedBody, shelf addrs.Instance) bool { f.To = shelf; return true },
}

func pointer[T any](v T) *T { return &v }

func (t table[T]) read(c *connection) func(context.Context, *resource.Env, []*resource.Item[T]) {
	return func(ctx context.Context, env *resource.Env, items []*resource.Item[T]) {
		call := Call{Method: "read", What: t.name}
		for _, i := range items {
			call.Keys = append(call.Keys, t.key(i.Want))
		}
		c.memory.record(call)
		for _, i := range items {
			if err := c.memory.fault("read", t.key(i.Want)).strike(ctx, false); err != nil {
				i.Fail(err)
				continue
			}
			shelf, err := t.on(env, i.Want)
			if err != nil {
				i.Fail(err)
				continue
			}
			s, err := c.system(shelf)
			if err != nil {
				i.Fail(err)
				continue
			}
			c.memory.locked(func() {
				id, row := t.find(env, s, i.ID, i.Want)
				if row == nil {
					i.Missing()
					return
				}
				if b, ok := any(row).(*boxBody); ok {
					if b.Opened == nil {
						b.Opened = new(int)
					}
					*b.Opened++
				}
				now := *row
				if l, ok := any(&now).(*labelBody); ok && t.identity(env, s, row) == t.identity(env, s, i.Want) {
					l.Box = any(i.Want).(*labelBody).Box // by the address of who asks
				}
				i.Found(id, now)
			})
		}
	}
}

// find looks by id, else by identity. The caller holds the lock.
func (t table[T]) find(env *resource.Env, s *System, id string, want *T) (string, *T) {
	if row := t.rows(s)[id]; row != nil {
		return id, row
	}
	for _, id := range slices.Sorted(maps.Keys(t.rows(s))) {
		if row := t.rows(s)[id]; t.identity(env, s, row) == t.identity(env, s, want) {
			return id, row
		}
	}
	return "", nil
}

func (t table[T]) identity(env *resource.Env, s *System, row *T) string {
	if t.same != nil {
		return t.same(env, s, row)
	}
	return t.key(row)
}

func (t table[T]) write(c *connection) func(context.Context, *resource.Env, []*resource.Change[T]) {
	return func(ctx context.Context, env *resource.Env, changes []*resource.Change[T]) {
		if len(changes) > 0 {
			call := Call{Method: "apply", What: t.name, Verb: string(changes[0].Action)}
			for _, ch := range changes {
				call.Keys = append(call.Keys, t.key(ch.Planned))
			}
			c.memory.record(call)
		}
		for _, ch := range changes {
			t.writeOne(ctx, c, env, ch)
		}
	}
}

func (t table[T]) writeOne(ctx context.Context, c *connection, env *resource.Env, ch *resource.Change[T]) {
	shelf, err := t.on(env, ch.Planned)
	if err != nil {
		ch.Fail(err)
		return
	}
	s, err := c.system(shelf)
	if err != nil {
		ch.Fail(err)
		return
	}
	f := c.memory.fault("apply", t.key(ch.Planned))
	if err := f.strike(ctx, false); err != nil {
		ch.Fail(err)
		return
	}
	var id string
	now := *ch.Planned
	c.memory.locked(func() {
		var was *T
		if id, was = t.find(env, s, ch.ID, ch.Planned); was == nil {
			id = c.memory.id(t.name)
		}
		t.fill(c.memory, env, id, &now)
		kept := now
		t.rows(s)[id] = &kept
	})
	if err := f.strike(ctx, true); err != nil {
		ch.Fail(err)
		return
	}
	ch.Done(id, now)
}

func (t table[T]) remove(c *connection) func(context.Context, *resource.Env, []*resource.Change[T]) {
	return func(ctx context.Context, env *resource.Env, changes []*resource.Change[T]) {
		if len(changes) > 0 {
			call := Call{Method: "apply", What: t.name, Verb: string(changes[0].Action)}
			for _, ch := range changes {
				call.Keys = append(call.Keys, t.key(t.there(ch)))
			}
			c.memory.record(call)
		}
		for _, ch := range changes {
			body := t.there(ch)
			shelf, err := t.on(env, body)
			if err != nil {
				ch.Fail(err)
				continue
			}
			s, err := c.system(shelf)
			if err != nil {
				ch.Fail(err)
				continue
			}
			f := c.memory.fault("apply", t.key(body))
			if err := f.strike(ctx, false); err != nil {
				ch.Fail(err)
				continue
			}
			c.memory.locked(func() {
				if id, row := t.find(env, s, ch.ID, body); row != nil && (ch.Removal == schema.Delete || t.drop(row)) {
					delete(t.rows(s), id)
				}
			})
			if err := f.strike(ctx, true); err != nil {
				ch.Fail(err)
				continue
			}
			ch.Gone()
		}
	}
}

func (t table[T]) there(ch *resource.Change[T]) *T {
	if ch.Live != nil {
		return ch.Live
	}
	if ch.Recorded != nil {
		return ch.Recorded
	}
	return new(T)
}

func (t table[T]) list(c *connection) func(context.Context, *resource.Env, addrs.Instance) iter.Seq2[resource.Found[T], error] {
	return func(ctx context.Context, env *resource.Env, shelf addrs.Instance) iter.Seq2[resource.Found[T], error] {
		return func(yield func(resource.Found[T], error) bool) {
			c.memory.record(Call{Method: "list", What: t.name})
			s, err := c.system(shelf)
			if err == nil {
				err = c.memory.fault("list", t.name).strike(ctx, false)
			}
			if err != nil {
				yield(resource.Found[T]{}, err)
				return
			}
			var found []resource.Found[T]
			c.memory.locked(func() {
				for _, id := range slices.Sorted(maps.Keys(t.rows(s))) {
					body := *t.rows(s)[id]
					if t.listed(env, &body, shelf) {
						found = append(found, resource.Found[T]{ID: id, Body: body})
					}
				}
			})
			for _, f := range found {
				if !yield(f, ctx.Err()) || ctx.Err() != nil {
					return
				}
			}
		}
	}
}

func validateBoxes(_ *resource.Env, items []*resource.Item[boxBody]) {
	seen := map[string]addrs.Instance{}
	for _, i := range items {
		key := i.Want.Shelf.String() + " " + i.Want.Name
		if i.IsUnknown("/shelf") || i.IsUnknown("/name") {
			continue
		}
		if first, ok := seen[key]; ok {
			i.Refuse("BOX-1", "/name", "two boxes of one name", first.String()+" has the name "+strconv.Quote(i.Want.Name)+" too.")
		}
		seen[key] = i.Addr
	}
}

func planBoxes(_ context.Context, _ *resource.Env, changes []*resource.Change[boxBody]) {
	for _, c := range changes {
		switch {
		case c.Planned == nil && c.Live != nil && c.Removal == schema.Delete:
			c.Consequence("%d things in the box are thrown away", len(c.Live.Contents))
		case c.Planned != nil && c.Planned.Size > 1000:
			c.Refuse("BOX-2", "/size", "the box is larger than a shelf", "Choose a size up to 1000.")
		}
	}
}

// planLabels fills in the id of the box where it is known, and orders a label
// after the boxes that its own box was replaced for.
func planLabels(_ context.Context, env *resource.Env, changes []*resource.Change[labelBody]) {
	for _, c := range changes {
		if c.Planned == nil {
			continue
		}
		switch _, id, err := resource.Ref[boxBody](env, c.Planned.Box); {
		case err != nil:
			c.Refuse("", "/box", err.Error(), "")
		case id == "":
			c.MarkUnknown("box_id")
		default:
			c.Set("box_id", id)
		}
	}
}
