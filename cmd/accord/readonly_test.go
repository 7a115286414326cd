package main

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"accord/planner/plan"
)

// files are the digests of all files below a folder.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	if err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		rel, _ := filepath.Rel(dir, path)
		all[rel] = plan.Digest(b)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// Trap, dry run writes: what only looks changes nothing, neither in a vault nor on this
// machine, so that the apply after it does what it would have done without.
func TestLookingChangesNothing(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	s := &story{world: worked(t)}
	s.clock.run()
	s.done("apply", "-auto-approve")
	s.reroute(1)
	s.rewrite(1)
	s.configure()
	s.writes()
	was := files(t, s.dir)
	for _, args := range [][]string{
		{"plan"}, {"-json", "plan"}, {"plan", "-format=html"}, {"plan", "-destroy"}, {"plan", "-refresh=false"}, {"drift"}, {"sync", "-preview", "-full"},
		{"validate"}, {"show"}, {"state", "list"}, {"state", "history"}, {"state", "pull"}, {"output"}, {"graph"}, {"fmt", "-check"}, {"schema"}, {"explain", "CTRY-9"}, {"resume"},
	} {
		p := s.begin(args...)
		code := p.end()
		if diff := cmp.Diff(was, files(t, s.dir)); diff != "" {
			t.Errorf("%v changed files (-before +after)\n%s", args, diff)
		}
		if w := s.writes(); len(w) > 0 {
			t.Errorf("%v made calls that write: %v", args, w)
		}
		if code == exitCrash || code == -1 {
			t.Errorf("%v ended with %d:\n%s", args, code, p.out.String())
		}
	}
	before := s.look()
	s.settle()
	p := s.begin("apply", "-auto-approve")
	if code := p.end(); code != exitOK {
		t.Errorf("%s", fmt.Sprint(code, p.out.String()))
	}
	s.done("sync")
	s.converged(before)
}
