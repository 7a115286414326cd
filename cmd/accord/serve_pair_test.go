package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/providers/devvault"
	"accord/state"
)

// pair is two accord serve over many CRM vaults while everything happens to them
// that happens in a year.
type pair struct {
	*story
	r      *rand.Rand
	serves [2]*process
	kills  int
	memory map[int][]int // by process, its plugin included: KiB, each second

	mu   sync.Mutex
	late string // the vault whose answers are late
}

// CLM-9, ERR-3: two accord serve share the work over many CRM vaults, while
// authors edit, one or the other is killed and begins again, one vault is in
// maintenance for a while, one is slow, and the password of one is another for a
// minute. No two runs of a point overlap, neither process grows, and in the end
// there is nothing left to do.
func TestServePair(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	vaults, lasts := 5, 20*time.Second
	if long() {
		vaults, lasts = 30, 10*time.Minute
	}
	_, seed := seeds(t, 1)
	var crms []*crmConfig
	r := rand.New(rand.NewPCG(seed, 29))
	for n := range vaults {
		crms = append(crms, &crmConfig{key: fmt.Sprintf("v%02d", n), clm: true, country: true, countries: someOf(r, []string{"United States", "Canada", "Mexico"}, 1+r.IntN(3))})
	}
	p := &pair{story: &story{world: newWorld(t, true, crms...)}, r: r, memory: map[int][]int{}}
	p.load(source, workedLibrary)
	p.clock.run()
	p.answer(p.delay)
	p.done("apply", "-auto-approve")
	for n := range p.serves {
		p.serves[n] = p.begin("serve", "-listen=off", "-interval=1s")
	}
	p.live(lasts)

	// What was owed is done, and both stop when they are told to.
	p.eventually(t)
	for n, s := range p.serves {
		p.until(s, fmt.Sprintf("serve %d watches", n), func() bool { return strings.Contains(s.out.String(), "watching") })
		if code := s.stop(); code != exitOK {
			t.Errorf("serve %d ended with %d:\n%s", n, code, tail(s.out.String()))
		}
	}
	impacts, _, err := p.runs(t.Context(), true, true)
	if err != nil || len(impacts) != 2*vaults {
		t.Fatalf("%d previews: %v", len(impacts), err)
	}
	for _, i := range impacts {
		if !i.Unaffected() || i.Total.Exceptions > 0 {
			t.Errorf("a full run would have something to do: %s %+v", i.Addr, i.Total)
		}
	}
	runs := p.apart()
	t.Logf("%d vaults for %s: %d runs, %d kills, memory at most %d MiB", vaults, lasts, runs, p.kills, p.flat()>>10)
	if p.kills == 0 || runs < vaults {
		t.Error("it proves nothing")
	}
}

// live has things happen for a time. What goes wrong has come right before the end.
func (p *pair) live(lasts time.Duration) {
	p.t.Helper()
	began := time.Now()
	at := func(part float64) time.Duration { return time.Duration(part * float64(lasts)) }
	admin := devvault.UserSpec{Name: "admin@" + p.crms[2].vault() + ".dev", Vaults: map[string]string{p.crms[2].vault(): "system_admin__v"}}
	password := func(is string) func() {
		return func() {
			admin.Password = is
			p.must(nil, p.server.AddUser(admin))
			if _, err := p.server.AddFault(devvault.Fault{Vault: p.crms[2].vault(), Kind: "expired", Count: 2}); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	slow := func(vault string) func() {
		return func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.late = vault
		}
	}
	events := []struct {
		at time.Duration
		do func()
	}{
		{at(0.10), func() {
			_, err := p.server.AddFault(devvault.Fault{Vault: p.crms[0].vault(), Kind: "http", Rate: 1})
			p.must(nil, err)
		}},
		{at(0.30), p.server.ClearFaults},
		{at(0.15), slow(p.crms[1].vault())},
		{at(0.60), slow("")},
		{at(0.35), password("another")},
		{min(at(0.35)+time.Minute, at(0.55)), password("dev")},
	}
	nextKill, watched := began.Add(at(0.2*p.r.Float64())), began
	for n := 1; time.Since(began) < lasts; n++ {
		for i := range events {
			if e := &events[i]; e.do != nil && time.Since(began) >= e.at {
				e.do()
				e.do = nil
			}
		}
		p.rewrite(n)
		if time.Now().After(nextKill) && time.Since(began) < at(0.8) {
			k := 1 // the first is left alone for the last part, so that it would show if it grew
			if time.Since(began) < at(0.3) {
				k = p.r.IntN(2)
			}
			_ = p.serves[k].cmd.Process.Kill()
			p.serves[k].end()
			p.kills++
			p.serves[k] = p.begin("serve", "-listen=off", "-interval=1s")
			nextKill = time.Now().Add(at(0.02) + time.Duration(p.r.Int64N(int64(at(0.10)))))
		}
		if time.Since(watched) >= time.Second {
			watched = time.Now()
			for _, s := range p.serves {
				pid := s.cmd.Process.Pid
				p.memory[pid] = append(p.memory[pid], memoryOf(pid))
			}
		}
		time.Sleep(time.Duration(200+p.r.IntN(800)) * time.Millisecond)
	}
}

// delay holds up the answers of the vault that is slow.
func (p *pair) delay(_ http.ResponseWriter, vault, _, _, _ string) bool {
	p.mu.Lock()
	late := p.late != "" && p.late == vault
	p.mu.Unlock()
	if late {
		time.Sleep(2 * time.Second)
	}
	return false
}

// apart holds the runs of each point against each other: the leases of two never
// overlapped, and a later one has a higher fence. It returns how many there were.
func (p *pair) apart() (runs int) {
	p.t.Helper()
	x := p.start(context.Background(), "look")
	defer x.Close()
	for _, c := range p.crms {
		for _, point := range []addrs.Instance{c.point("clm_country"), c.point("clm_presentation")} {
			list, err := x.journal.Runs(context.Background(), point, 1<<20)
			if err != nil {
				p.t.Fatal(err)
			}
			slices.SortFunc(list, func(a, b state.Run) int { return int(a.Fence) - int(b.Fence) })
			for i := 1; i < len(list); i++ {
				was, is := list[i-1], list[i]
				if was.Outcome == state.Interrupted { // of one that was killed the next run says the end, when it has begun
					was.Ended = time.Time{}
				}
				if is.Fence == was.Fence || is.Started.Before(was.Started) || !was.Ended.IsZero() && is.Started.Before(was.Ended) {
					p.t.Errorf("%s: run %d from %s to %s, and run %d from %s on", point, was.Fence, was.Started, was.Ended, is.Fence, is.Started)
				}
			}
			runs += len(list)
		}
	}
	return runs
}

// flat wants the memory of whoever lived long enough not to grow, and returns the
// most that anyone had.
func (p *pair) flat() (most int) {
	p.t.Helper()
	for pid, all := range p.memory {
		most = max(most, slices.Max(all))
		if len(all) < 60 {
			continue
		}
		median := func(list []int) int { return slices.Sorted(slices.Values(list))[len(list)/2] }
		early, late := median(all[len(all)/3:len(all)/2]), median(all[len(all)*5/6:])
		p.t.Logf("process %d: %d MiB after a third of %d s, %d MiB at its end", pid, early>>10, len(all), late>>10)
		if late > early*5/4+8<<10 {
			p.t.Errorf("process %d grows: %d KiB, then %d KiB", pid, early, late)
		}
	}
	if most > 512<<10 {
		p.t.Errorf("%d MiB of memory", most>>10)
	}
	return most
}

// memoryOf is what a process and those that it started have in memory, in KiB.
func memoryOf(pid int) (kib int) {
	children := childrenOf()
	for todo := []int{pid}; len(todo) > 0; {
		at := todo[0]
		todo = append(todo[1:], children[at]...)
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", at))
		for line := range strings.Lines(string(b)) {
			if f := strings.Fields(line); len(f) > 1 && f[0] == "VmRSS:" {
				n, _ := strconv.Atoi(f[1])
				kib += n
			}
		}
	}
	return kib
}

// childrenOf are the processes that are there, by the one that started them.
func childrenOf() map[int][]int {
	children := map[int][]int{}
	all, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range all {
		b, _ := os.ReadFile(name)
		_, rest, _ := strings.Cut(string(b), ") ")
		child, _ := strconv.Atoi(strings.Split(name, "/")[2])
		if f := strings.Fields(rest); len(f) > 1 {
			parent, _ := strconv.Atoi(f[1])
			children[parent] = append(children[parent], child)
		}
	}
	return children
}

// tail is the end of a long text.
func tail(text string) string { return text[max(0, len(text)-4000):] }
