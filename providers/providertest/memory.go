package providertest

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"accord/lang/addrs"
	"accord/providers"
)

// Memory is all that a set of memory providers manages, and the test's handle
// on it. Every provider that Provider makes works on the same systems, as after
// a restart. Its methods may be called at any time.
//
// A configuration has shelves (instances; each names a system), and on them
// boxes (removal: delete), labels of boxes (deactivate), signs (forget) and
// feeds (deactivate). An active feed asks for a sync: of books, with their
// pages and pictures, into copies, or of countries into a country table by
// which another feed routes.
type Memory struct {
	mu    sync.Mutex
	path  string      // "" keeps nothing
	kept  os.FileInfo // the file as last read or written
	calls []Call

	BatchSize int // records a batch; 100 when zero; set before use

	data
}

// data is what a Memory keeps in its file.
type data struct {
	Now     time.Time          `json:"now"`
	Next    int                `json:"next"` // id
	Systems map[string]*System `json:"systems"`
	Faults  []*Fault           `json:"faults,omitempty"`
}

// System is what one shelf connects to.
type System struct {
	memory *Memory

	Boxes  map[string]*boxBody   `json:"boxes"` // by id
	Labels map[string]*labelBody `json:"labels"`
	Signs  map[string]*signBody  `json:"signs"`
	Feeds  map[string]*feedBody  `json:"feeds"`

	Library []*Item `json:"library"` // what source streams read
	Copies  []*Copy `json:"copies"`  // what target streams hold

	Rules map[string]string `json:"rules,omitempty"` // of the house: nothing manages them, and every read sees them
}

// Item is one record of a source, with its parts "picture", "page", "book",
// or "country". A key may have several, one for each variant.
type Item struct {
	providers.Record
	Modified time.Time `json:"modified"`
}

// Copy is one item of a target.
type Copy struct {
	providers.Record
	Stream   string    `json:"stream"`
	Feed     string    `json:"feed"` // whose it is; "" is not ours
	Modified time.Time `json:"modified"`
}

// Call is one call of the contract that a provider answered.
type Call struct {
	Method string   // "read", "plan", "apply", "records", "write", …
	What   string   // type of the objects, or stream
	Verb   string   // action of an apply, verb of a write, "all", "since", "keys", "holders" or "range" of a read of records
	Part   string   // of a write
	Keys   []string // names of the objects, or keys
	Run    string   // of a write, a finish
}

func (c Call) String() string {
	return strings.Join(strings.Fields(strings.Join([]string{c.Method, c.What, c.Verb, c.Part, strings.Join(c.Keys, ",")}, " ")), " ")
}

// NewMemory returns an empty Memory, at noon of the first day of 2026.
func NewMemory() *Memory {
	return &Memory{data: data{Now: time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), Systems: map[string]*System{}}}
}

// OpenMemory returns the Memory kept in a file, or a new one that will be kept
// there. Several processes may have it open: each sees what the others did, as
// long as no two of them change something at the same moment.
func OpenMemory(path string) (*Memory, error) {
	m := NewMemory()
	m.path = path
	if err := m.load(); err != nil && !os.IsNotExist(err) {
		return nil, fmt.Errorf("opening memory: %w", err)
	}
	return m, nil
}

// load reads the file where another process has changed it. Systems stay the
// ones that they were.
func (m *Memory) load() error {
	info, err := os.Stat(m.path)
	if err != nil || m.kept != nil && os.SameFile(m.kept, info) && m.kept.ModTime().Equal(info.ModTime()) {
		return err // each change is a new file
	}
	b, err := os.ReadFile(m.path)
	if err != nil {
		return err
	}
	was := m.Systems
	m.data = data{}
	if err := json.Unmarshal(b, &m.data); err != nil {
		return err
	}
	for name, s := range m.Systems {
		if old := was[name]; old != nil {
			*old = *s
			m.Systems[name] = old
		}
		m.Systems[name].memory = m
	}
	m.kept = info
	return nil
}

// save keeps the data.
func (m *Memory) save() {
	if m.path == "" {
		return
	}
	b, err := json.Marshal(&m.data)
	if err == nil {
		err = os.WriteFile(m.path+".new", b, 0o600)
	}
	if err == nil {
		m.kept, err = os.Stat(m.path + ".new")
	}
	if err == nil {
		err = os.Rename(m.path+".new", m.path)
	}
	if err != nil {
		panic(fmt.Sprintf("keeping memory: %v", err))
	}
}

// lock is for reading and changing the data; the caller unlocks.
func (m *Memory) lock() {
	m.mu.Lock()
	if m.path == "" {
		return
	}
	if err := m.load(); err != nil && !os.IsNotExist(err) {
		panic(fmt.Sprintf("reading memory: %v", err))
	}
}

// locked runs f on the data, and keeps it.
func (m *Memory) locked(f func()) {
	m.lock()
	defer m.mu.Unlock()
	defer m.save()
	f()
}

// SetNow sets the clock of all systems. It stands still until set again.
func (m *Memory) SetNow(now time.Time) { m.locked(func() { m.Now = now }) }

// Time is what the clock of all systems says.
func (m *Memory) Time() time.Time {
	m.lock()
	defer m.mu.Unlock()
	return m.Now
}

// Pass lets time pass on all systems.
func (m *Memory) Pass(d time.Duration) { m.locked(func() { m.Now = m.Now.Add(d) }) }

// Calls returns the calls since the last ResetCalls, in the order of their end.
func (m *Memory) Calls() []Call {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.calls)
}

// ResetCalls forgets the calls made so far.
func (m *Memory) ResetCalls() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = nil
}

// Count returns how many calls of a method were made since the last ResetCalls.
func (m *Memory) Count(method string) (n int) {
	for _, c := range m.Calls() {
		if c.Method == method {
			n++
		}
	}
	return n
}

// Changes returns how many calls asked to change something, and reached it.
func (m *Memory) Changes() int { return m.Count("apply") + m.Count("write") + m.Count("finish") }

// System returns the system of that name, made where it is new.
func (m *Memory) System(name string) (s *System) {
	m.lock()
	defer m.mu.Unlock()
	if s = m.Systems[name]; s == nil {
		s = m.system(name)
		m.save()
	}
	return s
}

func (m *Memory) system(name string) *System {
	s := m.Systems[name]
	if s == nil {
		s = &System{memory: m, Boxes: map[string]*boxBody{}, Labels: map[string]*labelBody{}, Signs: map[string]*signBody{}, Feeds: map[string]*feedBody{}}
		m.Systems[name] = s
	}
	return s
}

func (m *Memory) id(prefix string) string {
	m.Next++
	return fmt.Sprintf("%s-%04d", prefix, m.Next)
}

// Put writes source records, each over the one of its part, key and variants,
// and marks them as changed now.
func (s *System) Put(records ...providers.Record) {
	s.memory.locked(func() {
		for _, r := range records {
			s.Library = slices.DeleteFunc(s.Library, func(i *Item) bool {
				return i.Part == r.Part && i.Key == r.Key && (i.Standing == StandingDeleted || slices.Equal(i.Variants, r.Variants))
			})
			s.Library = append(s.Library, &Item{r, s.memory.Now})
		}
	})
}

// Rule sets a rule of the house, which is seen with everything that is read.
func (s *System) Rule(name, text string) {
	s.memory.locked(func() {
		if s.Rules == nil {
			s.Rules = map[string]string{}
		}
		s.Rules[name] = text
	})
}

// Delete deletes a source record in all its variants. A read since then, or by
// key, says so.
func (s *System) Delete(part, key string) {
	s.memory.locked(func() {
		s.Library = slices.DeleteFunc(s.Library, func(i *Item) bool { return i.Part == part && i.Key == key })
		s.Library = append(s.Library, &Item{providers.Record{Part: part, Key: key, Standing: StandingDeleted}, s.memory.Now})
	})
}

// Lose takes a source record away as if it had never been: not deleted, just
// not there.
func (s *System) Lose(part, key string) {
	s.memory.locked(func() {
		s.Library = slices.DeleteFunc(s.Library, func(i *Item) bool { return i.Part == part && i.Key == key })
	})
}

// PutForeign writes target items that belong to no feed.
func (s *System) PutForeign(stream string, records ...providers.Record) {
	s.memory.locked(func() {
		for _, r := range records {
			r.ID = s.memory.id("copy")
			s.Copies = append(s.Copies, &Copy{Record: r, Stream: stream, Modified: s.memory.Now})
		}
	})
}

// Held returns the target items of a feed ("" for what is not ours), by part
// and key.
func (s *System) Held(feed string) []Copy {
	return s.held(func(c *Copy) bool { return c.Feed == feed && c.Stream != StreamExceptions })
}

// Told returns the exceptions of a feed, those that are open no more included,
// by part and key.
func (s *System) Told(feed string) []Copy {
	return s.held(func(c *Copy) bool { return c.Feed == feed && c.Stream == StreamExceptions })
}

func (s *System) held(which func(*Copy) bool) []Copy {
	s.memory.lock()
	defer s.memory.mu.Unlock()
	var held []Copy
	for _, c := range s.Copies {
		if which(c) {
			held = append(held, *c)
		}
	}
	slices.SortFunc(held, func(a, b Copy) int {
		return strings.Compare(a.Part+"\x00"+a.Key, b.Part+"\x00"+b.Key)
	})
	return held
}

// Book returns a book of the steady variant as a source record.
func Book(key, title string, routes []string, pages ...string) providers.Record {
	r := providers.Record{Part: "book", Key: key, Title: title, Standing: StandingApproved, Variants: []string{"steady"}, Routes: routes}
	for _, p := range pages {
		r.Members = append(r.Members, providers.Member{Part: "page", Key: p})
	}
	return withFields(r)
}

// Page returns a page of the steady variant as a source record.
func Page(key, title string, pictures ...string) providers.Record {
	r := providers.Record{Part: "page", Key: key, Title: title, Standing: StandingApproved, Variants: []string{"steady"}}
	for _, p := range pictures {
		r.Members = append(r.Members, providers.Member{Part: "picture", Key: p})
	}
	return withFields(r)
}

// Picture returns a picture of the steady variant as a source record.
func Picture(key, title string) providers.Record {
	return withFields(providers.Record{Part: "picture", Key: key, Title: title, Standing: StandingApproved, Variants: []string{"steady"}})
}

// Country returns a country as a source record; values are what a filter of
// the countries feed looks at.
func Country(key, title string, values ...string) providers.Record {
	return withFields(providers.Record{Part: "country", Key: key, Title: title, Standing: StandingApproved, Routes: values})
}

// withFields gives a record the field every stream has of its own.
func withFields(r providers.Record) providers.Record {
	r.Fields, _ = json.Marshal(map[string]string{"name": r.Title})
	return r
}

// object addresses, for tests that build bodies by hand

// Shelf returns the desired object of a shelf on a system.
func Shelf(name, system string) providers.Object {
	return Desired(addrs.New("shelf", name), map[string]any{"system": system})
}

// Desired returns the desired object of a body given as a Go value, whose
// sets must be sorted.
func Desired(addr addrs.Instance, body map[string]any) providers.Object {
	raw, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return providers.Object{Addr: addr, Type: addr.Type, Body: raw}
}
