package main

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"accord/state/failpoint"
)

// arm makes the tool die at a fail point: FAILPOINT='die 12 3' when point 12 is
// reached for the third time. FAILPOINT='note FILE' adds a line to a file for
// each that it reaches.
func arm() {
	if len(os.Args) < 2 || slices.Contains([]string{"provider", "dev"}, os.Args[1]) {
		return
	}
	var point, nth int64
	var reached atomic.Int64
	what := os.Getenv("FAILPOINT")
	if file, note := strings.CutPrefix(what, "note "); note {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			panic(err)
		}
		failpoint.Arm(func(p failpoint.Point) { fmt.Fprintln(f, int(p)) })
		return
	}
	if _, err := fmt.Sscanf(what, "die %d %d", &point, &nth); err != nil {
		return
	}
	failpoint.Arm(func(p failpoint.Point) {
		if int64(p) == point && reached.Add(1) == nth {
			self, _ := os.FindProcess(os.Getpid())
			_ = self.Kill()
			select {} // until it is gone
		}
	})
}

// deed is something that a user does, at any moment of which the tool may die.
type deed struct {
	name string
	args [][]string
	turn func(s *story, n int) // what has changed since the time before
}

var deeds = []deed{
	{"apply", [][]string{{"apply", "-auto-approve"}}, func(s *story, n int) { s.rewrite(n); s.reroute(n) }},
	{"sync", [][]string{{"sync"}}, func(s *story, n int) { s.rewrite(n) }},
	{"sync -full", [][]string{{"sync", "-full"}}, func(s *story, n int) { s.rewrite(n) }},
	{"a saved plan", [][]string{{"plan", "-out=saved.plan"}, {"apply", "saved.plan"}}, func(s *story, n int) { s.rewrite(n); s.reroute(n) }},
	{"moved points", [][]string{{"apply", "-auto-approve"}}, func(s *story, n int) {
		for _, c := range s.crms {
			c.moves = n
		}
		s.rewrite(n)
	}},
	{"activated again", [][]string{{"apply", "-auto-approve"}}, func(s *story, n int) {
		s.crms[1].clm, s.crms[2].country = false, false
		s.done("apply", "-auto-approve")
		s.rewrite(n)
		s.crms[1].clm, s.crms[2].country = true, true
	}},
}

// rewrite changes the library, so that something is published, updated and
// withdrawn at each turn.
func (s *story) rewrite(n int) {
	ids := map[string]string{}
	for id, name := range s.library().names {
		ids[name] = id
	}
	country := ids[[]string{"United States", "Canada"}[n%2]]
	for name, form := range map[string]url.Values{
		"For nobody": {"country__v": {country}},
		"For the US": {"title__v": {fmt.Sprint("Title ", n)}},
		"For Mexico": {"clm_content__v": {strconv.FormatBool(n%2 == 0)}},
	} {
		_, err := s.call("PUT", source, "objects/binders/"+s.world.document(name), form)
		s.must(nil, err)
	}
	_, err := s.call("PUT", source, "objects/documents/"+s.world.document("one"), url.Values{"title__v": {fmt.Sprint("Slide ", n)}})
	s.must(nil, err)
}

// reroute changes the filters.
func (s *story) reroute(n int) {
	s.crms[0].countries = [][]string{{"United States"}, {"United States", "Mexico"}}[n%2]
	s.crms[1].countries = [][]string{{"United States", "Canada"}, {"Canada"}}[n%2]
}

// points runs a deed to its end, and counts how often each point is reached.
func (s *story) points(d deed) map[failpoint.Point]int {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), "points")
	for _, args := range d.args {
		s.failAt = "note " + file
		p := s.begin(args...)
		s.failAt = ""
		if code := p.end(); code != exitOK && code != exitRecords {
			s.fail("%v ended with %d:\n%s", args, code, p.out.String())
		}
	}
	b, err := os.ReadFile(file)
	s.must(nil, err)
	reached := map[failpoint.Point]int{}
	for _, line := range strings.Fields(string(b)) {
		n, err := strconv.Atoi(line)
		s.must(nil, err)
		reached[failpoint.Point(n)]++
	}
	return reached
}

// dies does a deed in which the tool dies, brings it to its end, and checks
// that nothing is lost, doubled or left. It reports whether the tool died.
func (s *story) dies(d deed, at string, kill func(p *process)) (died bool) {
	s.t.Helper()
	s.settle()
	before := s.look()
	for _, args := range d.args {
		s.failAt = at
		p := s.begin(args...)
		s.failAt = ""
		if kill != nil {
			kill(p)
		}
		switch code := p.end(); code {
		case -1:
			died = true
		case exitOK, exitRecords:
			continue
		default:
			s.fail("%v at %q ended with %d:\n%s", args, at, code, p.out.String())
		}
		break
	}
	s.note("%s, %q, died: %v", d.name, at, died)
	if died {
		s.resumed()
	}
	s.ended(d)
	s.converged(before)
	return died
}

// resumed goes on with what was cut short, once.
func (s *story) resumed() {
	s.t.Helper()
	for n := range 2 {
		p := s.begin("resume")
		code, text := p.end(), p.out.String()
		s.note("resume ended with %d:\n%s", code, text)
		switch {
		case code == exitError && strings.Contains(text, "There is nothing to resume"):
			return
		case code != exitOK && code != exitRecords:
			s.fail("resume ended with %d:\n%s", code, text)
		case n == 1:
			s.fail("a second resume finds something, although the first came to its end:\n%s", text)
		}
	}
}

// ended brings the deed to its end, and wants it to be one.
func (s *story) ended(d deed) {
	s.t.Helper()
	again := [][]string{{"apply", "-auto-approve"}, {"sync"}}
	if strings.HasPrefix(d.name, "sync") {
		again = again[1:]
	}
	for _, args := range again {
		p := s.begin(args...)
		if code := p.end(); code != exitOK && code != exitRecords {
			s.fail("%v afterwards ended with %d:\n%s", args, code, p.out.String())
		}
	}
	p := s.begin("plan", "-detailed-exitcode")
	if code := p.end(); code != exitOK {
		s.fail("a plan afterwards ended with %d:\n%s", code, p.out.String())
	}
}

// slow are the points that are reached only by what takes long; see TestKilledAtRenewal.
var slow = []failpoint.Point{failpoint.LockRenewed, failpoint.LeaseRenewed}

// Killed at each fail point, the first time that it is reached, the last, and
// in between, the tool converges: nothing that was begun is lost, nothing is
// doubled, and resume goes on at once with all that was cut short.
func TestKilledAtEachPoint(t *testing.T) {
	if testing.Short() {
		t.Skip("minutes of starting and killing the tool")
	}
	t.Parallel()
	_, seed := seeds(t, 1)
	var kills atomic.Int64
	at := make([]map[failpoint.Point]int, len(deeds))
	met := make([]map[failpoint.Point]int, len(deeds))
	t.Run("deeds", func(t *testing.T) {
		for i, d := range deeds {
			at[i] = map[failpoint.Point]int{}
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				s := &story{world: worked(t)}
				s.clock.run()
				s.done("apply", "-auto-approve")
				turn := 1
				d.turn(s, turn)
				reached := s.points(d)
				met[i] = reached
				random := rand.New(rand.NewPCG(uint64(i), seed))
				for _, p := range sampled(random, slices.Sorted(maps.Keys(reached))) {
					nths := []int{1, reached[p]}
					if long() {
						nths = append(nths, 1+random.IntN(reached[p]), 1+random.IntN(reached[p]))
					} else {
						nths = nths[random.IntN(2):][:1]
					}
					slices.Sort(nths)
					for _, nth := range slices.Compact(nths) {
						turn++
						d.turn(s, turn)
						if s.dies(d, fmt.Sprintf("die %d %d", p, nth), nil) {
							at[i][p]++
							kills.Add(1)
						} else if nth == 1 {
							s.fail("%s was not reached", p)
						}
					}
				}
			})
		}
	})
	total := map[failpoint.Point]int{}
	for _, counts := range at {
		for p, n := range counts {
			total[p] += n
		}
	}
	var list []string
	for _, p := range failpoint.All() {
		if !slices.Contains(slow, p) && !t.Failed() && !slices.ContainsFunc(met, func(m map[failpoint.Point]int) bool { return m[p] > 0 }) {
			t.Errorf("point %d, %s, was never met", p, p)
		}
		list = append(list, fmt.Sprintf("%d %s ×%d", p, p, total[p]))
	}
	t.Logf("%d kills at numbered points: %s", kills.Load(), strings.Join(list, ", "))
	if kills.Load() == 0 {
		t.Error("no kill: nothing is proved")
	}
}

// sampled are the points of a deed that a proof takes: all of them for the long
// one, else one of each.
func sampled(r *rand.Rand, points []failpoint.Point) []failpoint.Point {
	if long() {
		return points
	}
	return someOf(r, points, 1)
}

// Killed at any moment of anything that a user does, the tool converges.
func TestKilledAnywhere(t *testing.T) {
	if testing.Short() {
		t.Skip("minutes of starting and killing the tool")
	}
	t.Parallel()
	_, seed := seeds(t, 1)
	var kills, tries atomic.Int64
	each := howMany(1, 1, 170)
	t.Run("deeds", func(t *testing.T) {
		for i, d := range deeds {
			t.Run(d.name, func(t *testing.T) {
				t.Parallel()
				s := &story{world: worked(t)}
				s.clock.run()
				s.done("apply", "-auto-approve")
				random := rand.New(rand.NewPCG(uint64(i), seed))
				typical := 500 * time.Millisecond
				for n := 1; n <= each; n++ {
					d.turn(s, n)
					began := time.Now()
					died := s.dies(d, "", func(p *process) {
						go func() {
							time.Sleep(time.Duration(random.Int64N(int64(typical))))
							_ = p.cmd.Process.Kill()
						}()
					})
					tries.Add(1)
					if died {
						kills.Add(1)
					} else {
						typical = min(typical, time.Since(began)/2)
					}
				}
			})
		}
	})
	t.Logf("%d kills at random moments, in %d tries", kills.Load(), tries.Load())
	if kills.Load() == 0 {
		t.Error("no kill: nothing is proved")
	}
}

// Killed when it has just renewed the state's lock, or the lease of a run, the
// tool converges too, once what it held has expired.
func TestKilledAtRenewal(t *testing.T) {
	if !long() {
		t.Skip("a lock is renewed after 20 s, a lease after 30 s: ACCORD_LONG=1")
	}
	t.Parallel()
	remote, has := places(t)["postgres"]
	for _, p := range slow {
		t.Run(p.String(), func(t *testing.T) {
			t.Parallel()
			s := &story{world: worked(t)}
			if p == failpoint.LockRenewed {
				if !has {
					t.Skip("PostgreSQL is not installed")
				}
				s.block, s.env = remote.block, remote.env
			}
			s.clock.run()
			d := deeds[0]
			came, release := s.held(writesContent)
			s.failAt = fmt.Sprintf("die %d 1", p)
			tool := s.begin(d.args[0]...)
			s.failAt = ""
			tool.comes(t, came)
			if code := tool.end(); code != -1 {
				s.fail("it did not die:\n%s", tool.out.String())
			}
			release()
			for n := 0; ; n++ {
				try := s.begin("resume")
				code := try.end()
				if code == exitOK || code == exitRecords {
					break
				}
				if code != exitLocked || n > 120 {
					s.fail("resume ends with %d:\n%s", code, try.out.String())
				}
				time.Sleep(time.Second)
			}
			s.ended(d)
			if p == failpoint.LeaseRenewed {
				s.converged(s.look())
			}
		})
	}
}
