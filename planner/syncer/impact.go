package syncer

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
)

// Impact is what a run would do to the content of its target, or was about to.
type Impact struct {
	Addr     addrs.Instance `json:"addr"`
	Target   addrs.Instance `json:"target"` // the instance that is written to
	Title    string         `json:"title"`
	Decision Decision       `json:"decision"` // as it was in the end: a changed route table makes a run full

	// Within says that nothing leaves the vault: what moves is a table that others
	// are routed by, and no content.
	Within bool `json:"within,omitempty"`

	Parts []PartImpact `json:"parts"` // in the order of the stream
	Total Counts       `json:"total"`

	Owned int  `json:"owned"`           // ours there and not withdrawn, before; -1: not known
	First bool `json:"first,omitempty"` // the first full run into an empty target, or what failed in it tried again: max_published does not apply

	Inherited int `json:"inherited,omitempty"` // of the engine that ran before this one, which does not see them: limits are measured by it

	Routes []RouteImpact            `json:"routes,omitempty"` // routed parts, by route value; "" has none
	Newly  []RouteImpact            `json:"newly,omitempty"`  // values that the target newly receives (CTRY-8)
	Groups map[string][]GroupImpact `json:"groups,omitempty"` // routed parts, by product and the like

	Names    map[string][]Item `json:"names,omitempty"`    // the first of each verb of Change, or all (Options.Named)
	Blank    int               `json:"blank,omitempty"`    // publishable, but without a route value (CTRY-5)
	Withheld string            `json:"withheld,omitempty"` // why nothing is withdrawn

	Exact   bool      `json:"exact"`                  // a full read, of a run of our own; else only what changed was looked at, or it is a forecast
	AsOf    time.Time `json:"as_of"`                  // when the source read began
	Calls   int       `json:"calls"`                  // reads, those of the source included
	Shared  int       `json:"shared_calls,omitempty"` // of them the source's, made once for all targets of one read
	Writes  int       `json:"writes"`                 // calls that writing it is expected to take
	Records int       `json:"records"`

	Verdicts  []Verdict              `json:"verdicts,omitempty"`  // limits it breaks
	Obstacles []providers.Diagnostic `json:"obstacles,omitempty"` // what keeps the run from being made

	parts []schema.Part
}

// Counts counts items by what becomes of them. What is Restored was withdrawn
// or unfinished before.
type Counts struct {
	Added      int `json:"added,omitempty"`
	Updated    int `json:"updated,omitempty"`
	Withdrawn  int `json:"withdrawn,omitempty"`
	Restored   int `json:"restored,omitempty"`
	Unchanged  int `json:"unchanged,omitempty"`
	Kept       int `json:"kept,omitempty"`       // as they are, and reported: see the reasons
	Exceptions int `json:"exceptions,omitempty"` // cannot be published, and stay as they are (CLM-12)
}

// Published counts items that are new to the target's users.
func (c Counts) Published() int { return c.Added + c.Restored }

// Written counts items that are written to.
func (c Counts) Written() int { return c.Added + c.Updated + c.Withdrawn + c.Restored }

// Plus counts the items of both.
func (c Counts) Plus(other Counts) Counts {
	c.Added += other.Added
	c.Updated += other.Updated
	c.Withdrawn += other.Withdrawn
	c.Restored += other.Restored
	c.Unchanged += other.Unchanged
	c.Kept += other.Kept
	c.Exceptions += other.Exceptions
	return c
}

// Of is how many items a verb became of.
func (c Counts) Of(verb string) int {
	if n := c.place(verb); n != nil {
		return *n
	}
	return 0
}

func (c *Counts) add(verb string, n int) {
	if at := c.place(verb); at != nil {
		*at += n
	}
}

func (c *Counts) place(verb string) *int {
	switch verb {
	case Added:
		return &c.Added
	case Updated:
		return &c.Updated
	case Withdrawn:
		return &c.Withdrawn
	case Restored:
		return &c.Restored
	case Unchanged:
		return &c.Unchanged
	case Kept:
		return &c.Kept
	case Exception:
		return &c.Exceptions
	}
	return nil
}

// What becomes of an item.
const (
	Added     = "added"
	Updated   = "updated"
	Withdrawn = "withdrawn"
	Restored  = "restored"
	Unchanged = "unchanged"
	Kept      = "kept"
	Exception = "exception"
)

// PartImpact counts one part of the stream.
type PartImpact struct {
	Part   string `json:"part"`
	Title  string `json:"title"`
	Routed bool   `json:"routed,omitempty"`
	Counts
}

// RouteImpact counts the routed items of one route value. An item with several
// counts in each.
type RouteImpact struct {
	Key   string `json:"key"`
	Title string `json:"title"`
	Newly bool   `json:"newly,omitempty"`
	Counts
}

// GroupImpact counts the routed items of one group.
type GroupImpact struct {
	Name string `json:"name"`
	Counts
}

// Item names one item for people.
type Item struct {
	Part   string `json:"part"`
	Key    string `json:"key"`
	Title  string `json:"title,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Unaffected reports whether nothing would be written.
func (i *Impact) Unaffected() bool { return i.Total.Written() == 0 }

// Promise is what a plan showed of a run, and a run keeps.
type Promise struct {
	Published int      `json:"published,omitempty"`
	Updated   int      `json:"updated,omitempty"`
	Withdrawn int      `json:"withdrawn,omitempty"`
	Newly     []string `json:"newly,omitempty"`  // route values, sorted
	Routes    []string `json:"routes,omitempty"` // all route values that were counted, sorted
}

// Promise returns what showing i promises.
func (i *Impact) Promise() *Promise {
	p := &Promise{Published: i.Total.Published(), Updated: i.Total.Updated, Withdrawn: i.Total.Withdrawn}
	for _, r := range i.Newly {
		p.Newly = append(p.Newly, r.Key)
	}
	for _, r := range i.Routes {
		p.Routes = append(p.Routes, r.Key)
	}
	slices.Sort(p.Newly)
	slices.Sort(p.Routes)
	return p
}

// tally counts the changes of one target as they are found. It keeps no text
// that lies in a frame.
type tally struct {
	parts  []Counts
	routes map[string]*routeTally
	groups map[string]map[string]*Counts
	names  map[string][]Item
	named  bool // all of them
	blank  int
	owned  int
	calls  int // to write what was counted, beside those of whole batches
}

type routeTally struct {
	Counts
	before bool // something owned had this value before
	after  bool // something published will have it
}

// firstNames is how many items of a verb an Impact names, unless it names all.
const firstNames = 20

func newTally(parts int, named bool) *tally {
	return &tally{
		parts:  make([]Counts, parts),
		routes: make(map[string]*routeTally),
		groups: make(map[string]map[string]*Counts),
		names:  make(map[string][]Item),
		named:  named,
	}
}

func (t *tally) count(n int, part *schema.Part, c *change) {
	t.parts[n].add(c.Verb, 1)
	t.calls += calls(&part.Cost, c)
	if c.Verb != Unchanged && (t.named || len(t.names[c.Verb]) < firstNames) {
		t.names[c.Verb] = append(t.names[c.Verb], Item{Part: c.Part, Key: strings.Clone(c.Key), Title: strings.Clone(c.Title), Reason: strings.Clone(c.Reason)})
	}
	if !part.Routed {
		return
	}
	if c.routes == "" {
		t.route("").add(c.Verb, 1)
	}
	for r := range c.routes.strings() {
		t.route(r).add(c.Verb, 1)
	}
	for group, name := range c.groups.pairs() {
		byName := t.groups[group]
		if byName == nil {
			byName = make(map[string]*Counts)
			t.groups[strings.Clone(group)] = byName
		}
		if byName[name] == nil {
			byName[strings.Clone(name)] = new(Counts)
		}
		byName[name].add(c.Verb, 1)
	}
}

func (t *tally) route(value string) *routeTally {
	r := t.routes[value]
	if r == nil {
		r = new(routeTally)
		t.routes[strings.Clone(value)] = r
	}
	return r
}

// into writes the counts into an impact. titles name route values; before is
// the input that the last full run left behind.
func (t *tally) into(i *Impact, titles func(string) string, before string) {
	for n, part := range i.parts {
		c := t.parts[n]
		i.Parts = append(i.Parts, PartImpact{Part: part.Name, Title: part.Title, Routed: part.Routed, Counts: c})
		i.Total = i.Total.Plus(c)
	}
	i.Writes = t.calls
	for n, part := range i.parts {
		for _, of := range []int{t.parts[n].Added, t.parts[n].Updated, t.parts[n].Withdrawn, t.parts[n].Restored} {
			i.Writes += (of + batchSize - 1) / batchSize * part.Cost.Batch
		}
	}
	values, all, known := remembered(before)
	for value, r := range t.routes {
		newly := value != "" && r.after && !r.before
		if known {
			newly = value != "" && r.after && !all && !values[value]
		}
		if r.Counts == (Counts{}) {
			continue
		}
		i.Routes = append(i.Routes, RouteImpact{Key: value, Title: titles(value), Newly: newly, Counts: r.Counts})
	}
	slices.SortFunc(i.Routes, func(a, b RouteImpact) int {
		return cmp.Or(cmp.Compare(a.Title, b.Title), cmp.Compare(a.Key, b.Key))
	})
	for _, r := range i.Routes {
		if r.Newly {
			i.Newly = append(i.Newly, r)
		}
	}
	i.Groups = make(map[string][]GroupImpact, len(t.groups))
	for group, byName := range t.groups {
		for _, name := range slices.Sorted(maps.Keys(byName)) {
			i.Groups[group] = append(i.Groups[group], GroupImpact{Name: name, Counts: *byName[name]})
		}
	}
	i.Names = t.names
	i.Blank = t.blank
}
