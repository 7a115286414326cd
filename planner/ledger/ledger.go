// Package ledger is the one list of what cannot be synced (ERR-4): the exceptions
// that the journal remembers, joined with what their vaults tell of them, and what
// class of trouble each is.
//
// It refuses to know where either is read, which files declare a point, and how
// a list is shown. Start with Ledger.Journal and Ledger.Vault, which add to it,
// and ClassOf, which is the judgement.
package ledger

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"fmt"
	"slices"
	"strings"
	"time"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
)

// Types of entries.
const (
	Message = "message" // ERR-1: a general error
	Item    = "item"    // ERR-2: one document's failure
	Kept    = "kept"    // CLM-1: one that stays published, which somebody should know
)

// types are what the journal calls them.
var types = map[string]state.ExceptionType{Message: state.Message, Item: state.Failing, Kept: state.Kept}

// Entry is one exception: a line of the ledger.
type Entry struct {
	ID    string         `json:"id"` // of accord; the same as long as it lasts
	Type  string         `json:"type"`
	Point addrs.Instance `json:"point"`
	Title string         `json:"title"` // of the item; of a message that of the point

	Part   string         `json:"part,omitempty"`
	Key    string         `json:"key"`              // of the record of the source; of a message its own
	Source addrs.Instance `json:"source,omitzero"`  // where the item is
	Target addrs.Instance `json:"target,omitzero"`  // where it should go
	Where  addrs.Instance `json:"vault,omitzero"`   // that keeps its record
	Record string         `json:"record,omitempty"` // id there; "": it has none
	Engine string         `json:"engine,omitempty"`

	Countries string `json:"countries,omitempty"` // names
	Product   string `json:"product,omitempty"`

	Kind    string         `json:"kind"`
	Message string         `json:"message"`
	Class   Class          `json:"class"`
	Cause   addrs.Instance `json:"cause,omitzero"` // the block whose change would help
	Fix     string         `json:"fix,omitempty"`  // the line of that block, FILE:LINE; else who mends what

	First     time.Time  `json:"first_seen,omitzero"`
	Last      time.Time  `json:"last_seen,omitzero"`
	Attempts  int        `json:"attempts"`
	Ack       *state.Ack `json:"ack,omitempty"`
	Known     bool       `json:"acknowledged"` // an Ack holds, or somebody has acknowledged it in the vault
	Retried   time.Time  `json:"retried,omitzero"`
	RetriedBy string     `json:"retried_by,omitempty"`
}

// Item is what the journal knows an entry by.
func (e *Entry) Item() state.Item { return state.Item{Part: e.Part, Key: e.Key} }

// Unnamed: the vault that tells of it does not say what it is about.
func (e *Entry) Unnamed() bool {
	return e.Record != "" && e.Key == syncer.ExceptionKey(providers.Exception{ID: e.Record})
}

// Exception is an entry as the journal keeps it, for one that it has not met.
func (e *Entry) Exception() state.Exception {
	f := state.Exception{Sync: e.Point, Type: types[e.Type], Part: e.Part, Key: e.Key, Title: e.Title, Kind: e.Kind, Message: e.Message,
		Cause: e.Cause, FirstSeen: e.First, LastSeen: e.Last}
	for name, value := range map[string]string{GroupCountry: e.Countries, GroupProduct: e.Product} {
		if value != "" {
			if f.Groups == nil {
				f.Groups = map[string]string{}
			}
			f.Groups[name] = value
		}
	}
	return f
}

// Groups of source records that the ledger knows by name.
const (
	GroupCountry = "country"
	GroupProduct = "product"
)

// Ledger is a list of entries. The zero Ledger is empty.
type Ledger struct {
	now     time.Time
	syncs   map[addrs.Instance]providers.Sync
	entries map[place]*Entry
}

type place struct {
	sync addrs.Instance
	item state.Item
}

// New makes the ledger of some syncs at a time. Exceptions of other syncs are
// taken, too: they are of points that are no more, or that cannot be read.
func New(now time.Time, syncs []providers.Sync) *Ledger {
	l := &Ledger{now: now, syncs: map[addrs.Instance]providers.Sync{}, entries: map[place]*Entry{}}
	for _, s := range syncs {
		l.syncs[s.Addr] = s
	}
	return l
}

// Journal adds what the journal remembers.
func (l *Ledger) Journal(f state.Exception) {
	e := l.entry(f.Sync, state.Item{Part: f.Part, Key: f.Key}, f.Type == state.Message)
	e.Title, e.Kind, e.Message, e.Cause = cmp.Or(f.Title, e.Title), f.Kind, f.Message, f.Cause
	if f.Type == state.Kept {
		e.Type = Kept
	}
	e.Countries, e.Product = f.Groups[GroupCountry], f.Groups[GroupProduct]
	if e.Countries == "" {
		e.Countries = strings.Join(f.Routes, ", ")
	}
	e.First, e.Last, e.Attempts = f.FirstSeen, f.LastSeen, f.Attempts
	e.Ack, e.Retried, e.RetriedBy = f.Ack, f.Retried, f.RetriedBy
	e.Known = e.Known || f.Ack.Holds(l.now)
	e.Class = ClassOf(f.Kind, e.Type == Message, !f.Cause.IsZero())
}

// Vault adds what the vault of a sync tells. Where the journal remembers it too,
// the journal's words count: they are newer, and whole.
func (l *Ledger) Vault(sync addrs.Instance, x providers.Exception) {
	item := state.Item{Part: x.Part, Key: syncer.ExceptionKey(x)}
	e := l.entry(sync, item, x.General)
	e.Record, e.Where = x.ID, e.Target
	e.Known = e.Known || x.Known
	if s := l.syncs[sync]; s.Exceptions != nil {
		e.Where = s.Exceptions.Instance
	}
	if e.Kind != "" {
		return
	}
	e.Title, e.Kind, e.Message = cmp.Or(x.Title, e.Title), cmp.Or(x.Kind, "exception"), x.Message
	e.First, e.Last = x.At, x.At
	e.Class = ClassOf(e.Kind, x.General, false)
}

// Whole says that a vault told all that it has of a sync. Of one that another
// engine moves nothing else is known than what the vault tells: what the journal
// remembers of it beside that is settled, but for a run that gave up.
func (l *Ledger) Whole(sync addrs.Instance) {
	if l.syncs[sync].Engine != providers.EnginePlatform {
		return
	}
	for at, e := range l.entries {
		if at.sync == sync && e.Record == "" && (e.Type != Message || e.Key != e.Kind) {
			delete(l.entries, at)
		}
	}
}

// Nowhere are the items of a sync of which is not known to which countries and
// products they belong: members, which have none of their own.
func (l *Ledger) Nowhere(sync addrs.Instance) []providers.Member {
	var list []providers.Member
	for at, e := range l.entries {
		if at.sync == sync && e.Type != Message && e.Part != "" && e.Countries == "" && e.Product == "" {
			list = append(list, providers.Member{Part: e.Part, Key: e.Key})
		}
	}
	slices.SortFunc(list, func(a, b providers.Member) int {
		return cmp.Or(cmp.Compare(a.Part, b.Part), cmp.Compare(a.Key, b.Key))
	})
	return list
}

// Belongs adds what an item belongs to.
func (l *Ledger) Belongs(sync addrs.Instance, m providers.Member, groups map[string]string) {
	if e := l.entries[place{sync, state.Item{Part: m.Part, Key: m.Key}}]; e != nil {
		e.Countries, e.Product = groups[GroupCountry], groups[GroupProduct]
	}
}

func (l *Ledger) entry(sync addrs.Instance, item state.Item, general bool) *Entry {
	at := place{sync, item}
	if e := l.entries[at]; e != nil {
		return e
	}
	s := l.syncs[sync]
	e := &Entry{ID: IDOf(sync, item), Type: Item, Point: sync, Part: item.Part, Key: item.Key, Engine: s.Engine,
		Source: s.Source.Instance, Target: s.Target.Instance}
	if general {
		e.Type, e.Title = Message, s.Title
	}
	l.entries[at] = e
	return e
}

// IDOf is what an entry is called: short enough to be typed, and long enough for
// millions of them.
func IDOf(sync addrs.Instance, item state.Item) string {
	sum := sha256.Sum256([]byte(sync.String() + "\x00" + item.Part + "\x00" + item.Key))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:])[:10])
}

// Types are all of them, in the order in which they are listed.
var Types = []string{Message, Item, Kept}

// Entries returns all, messages first, by point, then as long as they last.
func (l *Ledger) Entries() []*Entry {
	list := make([]*Entry, 0, len(l.entries))
	for _, e := range l.entries {
		list = append(list, e)
	}
	slices.SortFunc(list, func(a, b *Entry) int {
		return cmp.Or(cmp.Compare(slices.Index(Types, a.Type), slices.Index(Types, b.Type)), a.Point.Compare(b.Point), a.First.Compare(b.First), cmp.Compare(a.Part, b.Part), cmp.Compare(a.Key, b.Key))
	})
	return list
}

// Class says who can do something about an exception.
type Class string

// The classes.
const (
	Configuration Class = "configuration" // fix the configuration
	Document      Class = "document"      // fix the document
	Wait          Class = "wait"          // it goes by itself
)

// Classes are all of them.
var Classes = []Class{Configuration, Document, Wait}

// Words are for people.
func (c Class) Words() string {
	if c == Wait {
		return "wait"
	}
	return "fix the " + string(c)
}

// ClassOf judges a failure by its kind. A general error that does not go by
// itself is the configuration's (ERR-1), and so is an item's where a block of
// the configuration is known to cause it.
func ClassOf(kind string, general, caused bool) Class {
	switch providers.Kind(kind) {
	case providers.Transient, providers.Throttled, providers.Ambiguous, providers.Internal, syncer.KindHeld:
		return Wait
	case providers.Access, providers.Permission, providers.Refused:
		return Configuration
	}
	if general || caused {
		return Configuration
	}
	return Document
}

// Filter is which entries are meant; what is left out means all.
type Filter struct {
	IDs       []string         // or beginnings of them
	Vaults    []addrs.Instance // source, target, or keeper
	Points    []addrs.Instance // an address without a key means all of its block
	Classes   []Class
	Types     []string
	Countries []string // names, whatever the case; one of an entry's is enough
	Products  []string
	Since     time.Time // last seen then or later
	Known     *bool     // acknowledged, or not

	// Commas are the names of countries and products that have a comma: in what is
	// listed they are one name, and not the parts of it.
	Commas []string
}

// Takes reports whether an entry is meant.
func (f *Filter) Takes(e *Entry) bool {
	any := func(n int, is func(int) bool) bool {
		for i := range n {
			if is(i) {
				return true
			}
		}
		return n == 0
	}
	return any(len(f.IDs), func(i int) bool { return strings.HasPrefix(e.ID, strings.ToLower(f.IDs[i])) }) &&
		any(len(f.Vaults), func(i int) bool {
			v := f.Vaults[i]
			return v.Covers(e.Source) || v.Covers(e.Target) || v.Covers(e.Where)
		}) &&
		any(len(f.Points), func(i int) bool { return f.Points[i].Covers(e.Point) }) &&
		any(len(f.Classes), func(i int) bool { return f.Classes[i] == e.Class }) &&
		any(len(f.Types), func(i int) bool { return f.Types[i] == e.Type }) &&
		any(len(f.Countries), func(i int) bool { return f.lists(e.Countries, f.Countries[i]) }) &&
		any(len(f.Products), func(i int) bool { return f.lists(e.Product, f.Products[i]) }) &&
		(f.Since.IsZero() || !e.Last.Before(f.Since)) &&
		(f.Known == nil || *f.Known == e.Known)
}

// Matches reports whether any entry is of a name of a group.
func (f *Filter) Matches(all []*Entry, group, name string) bool {
	return slices.ContainsFunc(all, func(e *Entry) bool {
		return f.lists(map[string]string{GroupCountry: e.Countries, GroupProduct: e.Product}[group], name)
	})
}

// lists reports whether a list of names, as people read it, holds one.
func (f *Filter) lists(list, name string) bool {
	const comma = ", "
	between := func(name string) string { return strings.ToLower(comma + name + comma) }
	list, name = between(list), between(name)
	for _, other := range f.Commas {
		if other = between(other); other != name {
			list = strings.ReplaceAll(list, other, comma)
		}
	}
	return strings.Contains(list, name)
}

// Pick returns the entries that are meant. An id that is of none, or of several,
// is an error.
func (f *Filter) Pick(all []*Entry) ([]*Entry, error) {
	for _, id := range f.IDs {
		var found []string
		for _, e := range all {
			if strings.HasPrefix(e.ID, strings.ToLower(id)) {
				found = append(found, e.ID)
			}
		}
		switch {
		case id == "": // which begins every id
			return nil, &providers.Error{Kind: providers.Invalid, Message: "the id of an exception is empty", Advice: "See: accord exceptions list"}
		case len(found) == 0:
			return nil, &providers.Error{Kind: providers.NotFound, Message: fmt.Sprintf("there is no exception %s", id),
				Advice: "It may be resolved by now. See: accord exceptions list"}
		case len(found) > 1:
			return nil, &providers.Error{Kind: providers.Invalid, Message: fmt.Sprintf("%s begins the ids of %d exceptions", id, len(found)),
				Advice: "Write more of it: " + strings.Join(found[:min(5, len(found))], ", ")}
		}
	}
	var picked []*Entry
	for _, e := range all {
		if f.Takes(e) {
			picked = append(picked, e)
		}
	}
	return picked, nil
}
