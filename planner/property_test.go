package planner

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"accord/lang/addrs"
	"accord/planner/plan"
	"accord/providers"
	"accord/providers/providertest"
)

// The sample of the property test is the same each time, but for the long
// proof and where flags say otherwise.
func TestMain(m *testing.M) {
	flag.Parse()
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	set := func(name, value string) {
		if !given[name] {
			_ = flag.Set(name, value)
		}
	}
	if os.Getenv("ACCORD_LONG") != "" {
		set("rapid.checks", "5000")
	} else {
		set("rapid.checks", "40")
		set("rapid.seed", "4")
	}
	os.Exit(m.Run())
}

// wish is a configuration of the property test: what is said of each object.
type wish struct {
	boxes  map[string]wishedBox
	labels map[string]wishedLabel
	signs  map[string]string // name → text
	feed   string            // status; "" has none
	table  bool              // the feed routes by another's table
}

type wishedBox struct {
	shelf, colour string // colour "": left out
	size          int
	trigger       string
	protect       bool
}

type wishedLabel struct {
	box, text string
	size      int
	sized     bool // its size is that of its box, known when applied
}

func (c wish) hcl() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(c.boxes)) {
		x := c.boxes[name]
		fmt.Fprintf(&b, "box %q {\n  shelf = shelf.%s\n  name = %q\n  size = %d\n", name, x.shelf, name, x.size)
		if x.colour != "" {
			fmt.Fprintf(&b, "  colour = %q\n", x.colour)
		}
		if x.trigger != "" {
			fmt.Fprintf(&b, "  trigger = %q\n", x.trigger)
		}
		if x.protect {
			b.WriteString("  lifecycle {\n    protect = true\n  }\n")
		}
		b.WriteString("}\n")
	}
	for _, name := range slices.Sorted(maps.Keys(c.labels)) {
		x := c.labels[name]
		size := fmt.Sprint(x.size)
		if x.sized {
			size = fmt.Sprintf("length(box.%s.serial)", x.box)
		}
		fmt.Fprintf(&b, "label %q {\n  box = box.%s\n  text = %q\n  size = %s\n}\n", name, x.box, x.text, size)
	}
	for _, name := range slices.Sorted(maps.Keys(c.signs)) {
		fmt.Fprintf(&b, "sign %q {\n  shelf = shelf.south\n  name = %q\n  text = %q\n}\n", name, name, c.signs[name])
	}
	if c.table {
		b.WriteString("feed \"countries\" {\n  from = shelf.north\n  to = shelf.south\n  name = \"countries\"\n  kind = \"countries\"\n  status = \"active\"\n  routes = [\"u\"]\n}\n")
	}
	if c.feed != "" {
		fmt.Fprintf(&b, "feed \"books\" {\n  from = shelf.north\n  to = shelf.south\n  name = \"books\"\n  status = %q\n", c.feed)
		if c.table {
			b.WriteString("  table = feed.countries\n")
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// wishes draws a configuration, near to another one so that most of it stays.
func wishes(t *rapid.T, near wish) wish {
	c := wish{boxes: map[string]wishedBox{}, labels: map[string]wishedLabel{}, signs: map[string]string{}, feed: near.feed, table: near.table}
	one := func(label string, n int) int { return rapid.IntRange(0, n-1).Draw(t, label) }
	for _, name := range []string{"a", "b", "c", "d"} {
		x, was := near.boxes[name]
		switch one("box "+name, 5) {
		case 0:
			was = false
		case 1:
			x = wishedBox{shelf: []string{"north", "south"}[one("shelf", 2)], size: 1 + one("size", 4), colour: []string{"", "red", "blue"}[one("colour", 3)],
				trigger: []string{"", "x", "y"}[one("trigger", 3)], protect: x.protect || one("protect", 8) == 0}
			was = true
		}
		if was {
			c.boxes[name] = x
		}
	}
	for _, at := range [][2]string{{"k", "a"}, {"l", "a"}, {"m", "b"}} { // in one order, so that what fails can be found again
		name, box := at[0], at[1]
		if _, there := c.boxes[box]; !there {
			continue
		}
		x, was := near.labels[name]
		switch one("label "+name, 4) {
		case 0:
			was = false
		case 1:
			x, was = wishedLabel{box: box, text: name + []string{"1", "2"}[one("text", 2)], size: 1 + one("size", 4), sized: one("sized", 3) == 0}, true
		}
		if was {
			c.labels[name] = x
		}
	}
	for _, name := range []string{"s", "t"} {
		text, was := near.signs[name]
		switch one("sign "+name, 4) {
		case 0:
			was = false
		case 1:
			text, was = []string{"in", "out"}[one("words", 2)], true
		}
		if was {
			c.signs[name] = text
		}
	}
	switch one("feed", 5) {
	case 0:
		c.feed = ""
	case 1:
		c.feed = []string{"active", "inactive"}[one("status", 2)]
	case 2: // for good: an attribute that is left out keeps what is there, which may not be gone
		c.table = true
	}
	return c
}

// tried plans and applies as a command does, with whatever goes wrong on the
// way. A plan may be approved before a change outside, as a saved one is.
func (w *world) tried(source string, destroy bool, between func()) (failed bool, err error) {
	ctx := context.Background()
	lock, err := w.store.Lock(ctx, "apply")
	if err != nil {
		return false, err
	}
	defer lock.Unlock()
	s := w.session(source)
	p, diags := s.Plan(ctx, Request{Desired: s.desired, State: lock.State(), Destroy: destroy, Instances: s.instances})
	if diags.HasErrors() {
		return false, diags
	}
	if len(p.Refusals) > 0 {
		return false, fmt.Errorf("%w: %v", errRefused, p.Refusals)
	}
	if between != nil {
		between()
	}
	r, err := s.Apply(ctx, ApplyRequest{Plan: p, Desired: s.desired, Lock: lock})
	if err != nil {
		return false, err
	}
	return len(r.Failed)+len(r.Skipped) > 0, nil
}

var errRefused = errors.New("refused")

// Random states, configurations, trouble and operations: the state is valid at
// any moment; a repaired apply ends well and leaves nothing to do; nothing is
// doubled, lost, or touched that is not ours; what is protected stays.
func TestWhateverHappens(t *testing.T) {
	var applies, faults, refused int
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "case-")
		if err != nil {
			r.Fatal(err)
		}
		w := &world{t: t, dir: dir, memory: providertest.NewMemory()}
		w.open()
		defer func() { w.store.Close() }()
		w.memory.System("north").Put(providertest.Country("de", "Germany", "u"), providertest.Book("b1", "One", []string{"de"}, "p1"), providertest.Page("p1", "Page"))
		foreign := wish{boxes: map[string]wishedBox{"foreign": {shelf: "north", size: 7}}}
		other := &world{t: t, dir: filepath.Join(dir, "other"), memory: w.memory}
		if err := os.Mkdir(other.dir, 0o700); err != nil {
			r.Fatal(err)
		}
		other.open()
		defer func() { other.store.Close() }()
		if failed, err := other.tried(foreign.hcl(), false, nil); failed || err != nil {
			r.Fatal(failed, err)
		}

		now := wish{}
		for range rapid.IntRange(1, 5).Draw(r, "rounds") {
			now = wishes(r, now)
			destroy := rapid.IntRange(0, 9).Draw(r, "destroy") == 0
			if fault := drawFault(r); fault != nil {
				w.memory.Fault(*fault)
				faults++
			}
			var between func()
			if rapid.IntRange(0, 3).Draw(r, "outside") == 0 {
				name := []string{"a", "b"}[rapid.IntRange(0, 1).Draw(r, "whose")]
				between = func() { w.outside(name) }
			}
			_, err := w.tried(now.hcl(), destroy, between)
			applies++
			if errors.Is(err, errRefused) {
				refused++
			}
			w.memory.ClearFaults()
			w.open() // as the next command does
			w.valid(r)
		}

		// Repaired: what is protected and no longer said is unprotected in words.
		w.standing(now)
		source := now.hcl() + w.unprotect(now)
		for n := 0; ; n++ {
			failed, err := w.tried(source, false, nil)
			if err == nil && !failed {
				break
			}
			if n == 2 {
				r.Fatalf("a repaired apply does not end well: %v\n%s", err, source)
			}
		}
		w.open()
		w.valid(r)
		w.memory.ResetCalls()
		if failed, err := w.tried(now.hcl(), false, nil); failed || err != nil {
			r.Fatalf("a second apply: %v", err)
		}
		if n := w.memory.Changes(); n > 0 {
			r.Fatalf("a second apply made %d changing calls: %v\n%s", n, w.memory.Calls(), now.hcl())
		}
		w.asWished(r, now)
	})
	t.Logf("%d applies, %d faults, %d refused", applies, faults, refused)
}

func drawFault(r *rapid.T) *providertest.Fault {
	if rapid.IntRange(0, 3).Draw(r, "trouble") == 0 {
		return nil
	}
	f := &providertest.Fault{
		Method: rapid.SampledFrom([]string{"apply", "apply", "apply", "read", "write", "finish", "records", "syncs"}).Draw(r, "method"),
		Skip:   rapid.IntRange(0, 4).Draw(r, "skip"), Times: rapid.IntRange(1, 3).Draw(r, "times"),
		Kind: rapid.SampledFrom([]providers.Kind{providers.Ambiguous, providers.Ambiguous, providers.Transient, providers.Permission, providers.Invalid}).Draw(r, "kind"),
	}
	if f.Method == "apply" || f.Method == "write" || f.Method == "finish" {
		f.Done = f.Kind == providers.Ambiguous && rapid.Bool().Draw(r, "done")
		if rapid.IntRange(0, 5).Draw(r, "panic") == 0 {
			f.Kind, f.Panic = "", true
		}
	}
	return f
}

// outside changes a box behind the configuration's back.
func (w *world) outside(name string) {
	for _, system := range []string{"north", "south"} {
		for _, b := range w.memory.System(system).Boxes {
			if b.Name == name {
				b.Size += 10
			}
		}
	}
}

// valid checks the state as it was opened: every object whole, every reference
// to something that is there, and no object of a system twice.
func (w *world) valid(r *rapid.T) {
	st, err := w.store.Read(context.Background())
	if err != nil {
		r.Fatalf("the state does not open: %v", err)
	}
	ids := map[string]addrs.Instance{}
	for addr, o := range st.Objects {
		if err := o.Valid(); err != nil || o.Addr != addr {
			r.Fatalf("%s: %v", addr, err)
		}
		for _, on := range o.DependsOn {
			if st.Objects[on] == nil && len(st.Open) == 0 && o.Type != "shelf" {
				r.Fatalf("%s refers to %s, which is not remembered", addr, on)
			}
		}
		if o.ID != "" && o.Type != "shelf" {
			if other, twice := ids[o.ID]; twice {
				r.Fatalf("%s and %s are both %s", addr, other, o.ID)
			}
			ids[o.ID] = addr
		}
	}
	for _, system := range []string{"north", "south"} {
		seen := map[string]bool{}
		for _, b := range w.memory.System(system).Boxes {
			if seen[b.Name] {
				r.Fatalf("box %s is twice on %s", b.Name, system)
			}
			seen[b.Name] = true
		}
	}
}

// standing leaves boxes where they stand: what is protected cannot be replaced.
func (w *world) standing(now wish) {
	for _, system := range []string{"north", "south"} {
		for _, b := range w.memory.System(system).Boxes {
			if x, said := now.boxes[b.Name]; said {
				x.shelf = system
				now.boxes[b.Name] = x
			}
		}
	}
}

// unprotect lets go of what is protected in the state and no longer said, or
// would be replaced.
func (w *world) unprotect(now wish) string {
	st, err := w.store.Read(context.Background())
	if err != nil {
		return ""
	}
	var b strings.Builder
	for _, o := range st.Sorted() {
		if _, said := now.boxes[o.Addr.Name]; o.Protect && o.Type == "box" && !said {
			fmt.Fprintf(&b, "removed {\n  from = %s\n  unprotect = true\n}\n", o.Addr)
		}
	}
	for _, i := range st.Open { // it may be there, and is protected once it is found
		if _, said := now.boxes[i.Addr.Name]; i.Addr.Type == "box" && !said && st.Objects[i.Addr] == nil {
			fmt.Fprintf(&b, "removed {\n  from = %s\n  unprotect = true\n}\n", i.Addr)
		}
	}
	return b.String()
}

// owes reports whether items are known to fail: those a sync tries again, and no
// apply (CLM-14).
func (w *world) owes(r *rapid.T) bool {
	j, err := w.store.Journal(context.Background())
	if err != nil {
		r.Fatal(err)
	}
	for _, err := range j.Exceptions(context.Background(), addrs.Instance{}) {
		if err != nil {
			r.Fatal(err)
		}
		return true
	}
	return false
}

// asWished holds what is there against the configuration.
func (w *world) asWished(r *rapid.T, now wish) {
	there := map[string]string{}
	for _, system := range []string{"north", "south"} {
		for _, b := range w.memory.System(system).Boxes {
			there[b.Name] = fmt.Sprintf("%s %d", system, b.Size)
		}
	}
	want := map[string]string{"foreign": "north 7"}
	for name, x := range now.boxes {
		want[name] = fmt.Sprintf("%s %d", x.shelf, x.size)
	}
	if !maps.Equal(there, want) {
		r.Fatalf("there is %v, and wished is %v", there, want)
	}
	if now.feed == "active" {
		if held := w.memory.System("south").Held("books"); len(held) == 0 && !w.owes(r) {
			r.Fatalf("an active feed brought nothing, and nothing of it is known to fail")
		}
	}
	p := &plan.Plan{}
	if p, _ = w.tryPlan(now.hcl(), false); p == nil || !p.Empty() || len(p.Drift) > 0 {
		r.Fatalf("a plan afterwards is not empty: %+v", p)
	}
}
