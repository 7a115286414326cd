package main

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner"
	"accord/planner/syncer"
	"accord/providers"
)

// progress says on stderr what is happening: on a terminal lines that move, one
// for each step that runs, below lines that stay; elsewhere lines alone, one for
// each start and end and a heartbeat between. With -json they are lines on stdout.
type progress struct {
	cli  *cli
	w    io.Writer
	live bool

	mu    sync.Mutex
	lines region
	ticks chan struct{}             // nil: nothing ticks
	last  time.Time                 // of the last line of -json
	moved time.Time                 // when it was last said what goes on
	doing string                    // in words
	wait  countdown                 // beside what goes on
	word  map[addrs.Instance]string // what is being done to an object
}

func (c *cli) progress() *progress {
	p := &progress{cli: c, w: c.stderr, live: isTerminal(c.stderr) && !c.json, last: time.Now(), lines: region{w: c.stderr}, word: map[addrs.Instance]string{}}
	c.showing.Store(p)
	return p
}

// said shows what a provider says to who waits, such as that it waits itself,
// and for what.
func (p *progress) said(message string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.cli.json:
		_ = p.cli.line("waiting", message, nil)
		return
	case p.live:
		p.lines.beside = clean(message)
		p.lines.draw(time.Now())
	default:
		fmt.Fprintf(p.w, "  %s\n", message)
	}
}

// clear takes the moving lines away.
func (p *progress) clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines.wipe()
	p.lines.running, p.lines.beside = nil, ""
	p.doing = ""
	p.wait = countdown{}
	if p.ticks != nil {
		close(p.ticks)
		p.ticks = nil
	}
}

// stay prints a line that stays.
func (p *progress) stay(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cli.json {
		return // it is a line
	}
	p.lines.wipe()
	fmt.Fprintf(p.w, format+"\n", args...)
	p.lines.beside = ""
	if len(p.lines.running) > 0 {
		p.lines.soon(time.Now())
	}
}

// goesOn is what goes on right now, "" where that is not known.
func (p *progress) goesOn() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if text := p.waits(time.Now()); text != "" {
		return text
	}
	return p.doing
}

// move shows what goes on right now.
func (p *progress) move(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doing, p.moved = fmt.Sprintf(format, args...), time.Now()
	if p.live {
		p.lines.beside = p.doing
		p.lines.soon(p.moved)
	}
}

// runs shows what a step does right now, in a line of its own until it ends.
func (p *progress) runs(key, format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doing, p.moved = fmt.Sprintf(format, args...), time.Now()
	if p.live {
		p.lines.set(key, p.doing, p.moved)
		p.lines.soon(p.moved)
		p.tick()
	}
}

// ends takes the line of a step away.
func (p *progress) ends(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines.end(key)
}

// tick has the lines drawn every second from now on, so that time is seen to
// pass. The caller holds mu.
func (p *progress) tick() {
	if p.ticks != nil {
		return
	}
	quit := make(chan struct{})
	p.ticks = quit
	p.cli.beside.Go(func() error {
		every := time.NewTicker(time.Second)
		defer every.Stop()
		for {
			select {
			case <-quit:
				return nil
			case now := <-every.C:
				p.turn(quit, now)
			}
		}
	})
}

// turn draws the lines once more, unless they have been taken away.
func (p *progress) turn(quit chan struct{}, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ticks != quit {
		return
	}
	if text := p.waits(now); text != "" {
		p.lines.beside = text
	}
	p.lines.draw(now)
}

func (p *progress) planner(e planner.Event) {
	if p.cli.json {
		p.plannerLine(e)
	}
	switch e := e.(type) {
	case planner.Reading:
		p.move("reading %d of type %s", e.Count, e.Type)
	case planner.StepStarted:
		p.begin(e)
		p.runs(describeRef(e.Ref), "%s: %s …", e.Ref.Addr, stepWord(e))
	case planner.StepDone:
		p.ends(describeRef(e.Ref))
		p.stay("  %s %s: %s", green("✓"), e.Ref.Addr, p.ended(e.Ref.Addr))
	case planner.StepFailed:
		p.ends(describeRef(e.Ref))
		p.stay("  %s %s: failed", red("✗"), describeRef(e.Ref))
	}
}

func (p *progress) begin(e planner.StepStarted) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.word[e.Ref.Addr] = pastWords[stepWord(e)]
}

// ended says what was done to an object.
func (p *progress) ended(addr addrs.Instance) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.word[addr]
}

// pastWords say of each action that it is done.
var pastWords = map[string]string{
	string(providers.Create): "created", string(providers.Update): "changed", string(providers.Replace): "replaced",
	string(providers.Adopt): "adopted", string(providers.Remove): "removed", string(schema.Forget): "forgotten",
	string(schema.Delete): "deleted", string(schema.Deactivate): "deactivated", string(schema.Revoke): "revoked", string(schema.Reset): "reset",
}

func stepWord(e planner.StepStarted) string {
	if e.Action == providers.Remove {
		return e.Word
	}
	return string(e.Action)
}

func (p *progress) plannerLine(e planner.Event) {
	switch e := e.(type) {
	case planner.StepStarted:
		_ = p.cli.line("apply_start", e.Ref.Addr.String()+": "+stepWord(e), map[string]any{"addr": e.Ref.Addr, "action": e.Action})
	case planner.StepDone:
		_ = p.cli.line("apply_complete_step", e.Ref.Addr.String(), map[string]any{"addr": e.Ref.Addr})
	case planner.StepFailed:
		_ = p.cli.line("apply_errored", e.Ref.Addr.String(), map[string]any{"addr": e.Ref.Addr, "error": e.Err.Error()})
	case planner.StepSkipped:
		_ = p.cli.line("apply_skipped", e.Ref.Addr.String(), map[string]any{"addr": e.Ref.Addr, "because": e.Because})
	}
}

func (p *progress) syncer(e syncer.Event) {
	if p.cli.json {
		p.syncerLine(e)
	}
	switch e := e.(type) {
	case syncer.Started:
		if p.live {
			p.runs(e.Addr.String(), "▸ %s: %s run begins", e.Addr, e.Decision.Mode)
			break
		}
		p.stay("  %s %s: %s run begins", faint("▸"), e.Addr, e.Decision.Mode)
	case syncer.Reading:
		p.move("reading %s of %s: %s records, %d calls", e.Stream, e.Instance, number(e.Records), e.Calls)
	case syncer.Waiting:
		p.countDown(e)
	case syncer.Wrote:
		failed := ""
		if e.Failed > 0 {
			failed = fmt.Sprintf(", %s failed", number(e.Failed))
		}
		p.runs(e.Addr.String(), "%s %s/%s %s %s%s  %s", bar(e.Done, e.Total), number(e.Done), number(e.Total), e.Verb, e.Part, failed, e.Addr)
	case syncer.Following:
		p.runs(e.Sync.Addr.String(), "%s: %s, %s left", e.Sync.Addr, followingText(e), round(time.Until(e.Until)))
	case syncer.Finished:
		o := e.Outcome
		mark := green("✓")
		if o.Status != syncer.Clean && o.Status != syncer.Skipped {
			mark = red("✗")
		}
		p.ends(e.Addr.String())
		p.stay("  %s %s: %s run %s, %s", mark, e.Addr, o.Decision.Mode, o.Status, round(o.Ended.Sub(o.Started)))
	}
}

func bar(done, total int) string {
	const width = 12
	n := 0
	if total > 0 {
		n = min(width, done*width/total)
	}
	return strings.Repeat("▓", n) + strings.Repeat("░", width-n)
}

func (p *progress) syncerLine(e syncer.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch e := e.(type) {
	case syncer.Started:
		_ = p.cli.line("sync_start", e.Addr.String(), map[string]any{"addr": e.Addr, "run": e.Run, "decision": e.Decision})
	case syncer.Wrote:
		if now := time.Now(); now.Sub(p.last) > time.Second || e.Done == e.Total {
			p.last = now
			_ = p.cli.line("sync_progress", e.Addr.String(), map[string]any{"addr": e.Addr, "part": e.Part, "verb": e.Verb, "done": e.Done, "total": e.Total, "failed": e.Failed})
		}
	case syncer.Waiting:
		_ = p.cli.line("waiting", fmt.Sprintf("%s waits: %s", e.Addr, e.Why), map[string]any{"addr": e.Addr, "until": e.Until.UTC().Format(time.RFC3339)})
	case syncer.Following:
		_ = p.cli.line("sync_follow", e.Sync.Addr.String()+": "+followingText(e), map[string]any{"addr": e.Sync.Addr, "state": e.State, "until": e.Until})
	case syncer.ItemFailed:
		_ = p.cli.line("record_error", e.Addr.String(), map[string]any{"addr": e.Addr, "failure": e.Failure})
	}
}
