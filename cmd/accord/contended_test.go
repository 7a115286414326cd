package main

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"accord/state/statetest"
)

// held makes the first writing call of the tool stand still: it is closed when
// the call has come, and release lets it go on.
func (w *world) held(writes func(method, path string) bool) (held <-chan struct{}, release func()) {
	came, go_ := make(chan struct{}), make(chan struct{})
	var first sync.Once
	w.answer(func(_ http.ResponseWriter, _, method, path, _ string) bool {
		if writes(method, path) {
			first.Do(func() {
				close(came)
				<-go_
			})
		}
		return false
	})
	release = sync.OnceFunc(func() { close(go_) })
	w.t.Cleanup(release) // or the server would wait for it
	return came, release
}

// stalled are writes of content to one CRM vault, which stand still until all of them
// are let go.
type stalled struct {
	came    chan struct{} // closed when the first has come
	begun   atomic.Int64
	release func()
}

func (w *world) stall(c *crmConfig) *stalled {
	x, hold := &stalled{came: make(chan struct{})}, make(chan struct{})
	x.release = sync.OnceFunc(func() { close(hold) })
	w.answer(func(_ http.ResponseWriter, vault, method, path, _ string) bool {
		if vault == c.vault() && writesContent(method, path) {
			if x.begun.Add(1) == 1 {
				close(x.came)
			}
			<-hold
		}
		return false
	})
	return x
}

// comes waits until a process has come to the call at which it is held.
func (p *process) comes(t testing.TB, came <-chan struct{}) {
	t.Helper()
	select {
	case <-came:
	case <-time.After(patience):
		t.Fatalf("it does not write for %s:\n%s", patience, p.out.String())
	}
}

func writesContent(method, path string) bool {
	return method != "GET" && (strings.HasPrefix(path, "objects/documents") || strings.HasPrefix(path, "objects/binders"))
}

func writesSettings(method, path string) bool {
	return method != "GET" && strings.HasPrefix(path, "vobjects/")
}

// places are where the state may be, and how many tools want it at once.
func places(t *testing.T) map[string]struct {
	block string
	env   []string
	tools int
} {
	s3 := httptest.NewServer(statetest.S3(t, "bucket"))
	t.Cleanup(s3.Close)
	type place = struct {
		block string
		env   []string
		tools int
	}
	all := map[string]place{
		"local": {tools: howMany(4, 8, 50)},
		"s3": {
			fmt.Sprintf("state \"s3\" {\n    bucket = \"bucket\"\n    region = \"eu-1\"\n    endpoint = %q\n    path_style = \"true\"\n  }", s3.URL),
			[]string{"AWS_ACCESS_KEY_ID=someone", "AWS_SECRET_ACCESS_KEY=canary", "AWS_CONFIG_FILE=/nonexistent", "AWS_SHARED_CREDENTIALS_FILE=/nonexistent"}, howMany(3, 4, 15),
		},
	}
	if url, stop, err := statetest.PostgreSQL(); !errors.Is(err, statetest.ErrNoPostgreSQL) || statetest.Needed() {
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(stop)
		all["postgres"] = place{fmt.Sprintf("state \"postgres\" {\n    url = %q\n  }", url), nil, howMany(3, 4, 15)}
	}
	return all
}

// Anchors §3b.10: of many tools that apply at once one wins, and all others exit
// 6 and say who holds the lock; nothing is doubled, and the state is whole. When
// the winner is killed, force-unlock with its id, or its expiry, lets the next
// one go on.
func TestContended(t *testing.T) {
	t.Parallel()
	all := places(t)
	t.Run("places", func(t *testing.T) {
		for name, at := range all {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := &story{world: worked(t)}
				s.block, s.env = at.block, at.env
				s.bare = name == "s3" // a state without a journal has no runs
				s.clock.run()
				came, release := s.held(writesSettings)
				var tools []*process
				for range at.tools {
					tools = append(tools, s.begin("apply", "-auto-approve"))
				}
				winner := s.contend(tools, came)
				s.taken(name, winner, release)
				if name == "local" {
					s.converged(s.look())
				}
			})
		}
	})
}

// contend waits until one tool holds the lock at its first write and all others
// have ended, and returns it.
func (s *story) contend(tools []*process, came <-chan struct{}) *process {
	s.t.Helper()
	tools[0].comes(s.t, came) // or another one
	ended := make(chan *process, len(tools))
	for _, p := range tools {
		go func() {
			p.code = p.end()
			ended <- p
		}()
	}
	left := map[*process]bool{}
	for _, p := range tools {
		left[p] = true
	}
	for range len(tools) - 1 {
		select {
		case p := <-ended:
			delete(left, p)
		case <-time.After(patience):
			s.fail("%d tools do not end while one holds the lock", len(left)-1)
		}
	}
	var winner *process
	for p := range left {
		winner = p
	}
	for _, p := range tools {
		if p == winner {
			continue
		}
		if text := p.out.String(); p.code != exitLocked || !strings.Contains(text, fmt.Sprintf("process %d,", winner.cmd.Process.Pid)) {
			s.fail("a loser exits %d and does not name process %d:\n%s", p.code, winner.cmd.Process.Pid, text)
		}
	}
	s.t.Logf("%d tools at once: one won, %d were told of it", len(tools), len(tools)-1)
	winner.over = ended
	return winner
}

var lockID = regexp.MustCompile(`id ([A-Z2-7]{26})\)`)

// taken kills the winner, and takes over what it held.
func (s *story) taken(place string, winner *process, release func()) {
	s.t.Helper()
	_ = winner.cmd.Process.Kill()
	<-winner.over
	release()
	began := time.Now()
	if place != "local" { // the system tells that a process of this machine is gone, and not one of another
		p := s.begin("apply", "-auto-approve")
		code, text := p.end(), p.out.String()
		id := lockID.FindStringSubmatch(text)
		if code != exitLocked || id == nil {
			s.fail("after the holder was killed, apply exits %d:\n%s", code, text)
		}
		if p := s.begin("force-unlock", "NOTTHEONE"); p.end() != exitLocked || !strings.Contains(p.out.String(), id[1]) {
			s.fail("a lock was taken away by a wrong id:\n%s", p.out.String())
		}
		if long() { // it expires by itself
			for p = s.begin("apply", "-auto-approve"); p.end() == exitLocked; p = s.begin("apply", "-auto-approve") {
				if time.Since(began) > 2*time.Minute {
					s.fail("the lock of a dead tool does not expire:\n%s", p.out.String())
				}
				time.Sleep(time.Second)
			}
			s.t.Logf("taken over %s after its holder was killed", time.Since(began).Round(time.Second))
		} else if p := s.begin("force-unlock", id[1]); p.end() != exitOK {
			s.fail("force-unlock:\n%s", p.out.String())
		}
	}
	s.resumed()
	for _, args := range [][]string{{"apply", "-auto-approve"}, {"plan", "-detailed-exitcode"}} {
		if p := s.begin(args...); p.end() != exitOK {
			s.fail("%v afterwards:\n%s", args, p.out.String())
		}
	}
	s.answer(nil)
}

// A second tool at the same time is told who holds the lock or the lease, and
// exits 6; the first is not disturbed.
func TestSecondTool(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"apply", "-auto-approve"}, {"sync"}} {
		t.Run(args[0], func(t *testing.T) {
			t.Parallel()
			s := &story{world: worked(t)}
			s.clock.run()
			if args[0] == "sync" {
				s.done("apply", "-auto-approve")
				s.load(source, presentation("For all", []string{"global"}, "two"))
			}
			came, release := s.held(writesContent)
			p := s.begin(args...)
			p.comes(t, came)
			second := s.begin(args...)
			code := second.end()
			if code != exitLocked || !strings.Contains(second.out.String(), fmt.Sprint(p.cmd.Process.Pid)) {
				t.Errorf("the second exits %d, and says:\n%s", code, second.out.String())
			}
			release()
			if code := p.end(); code != exitOK && code != exitRecords {
				t.Errorf("the first exits %d:\n%s", code, p.out.String())
			}
		})
	}
}
