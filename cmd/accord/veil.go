package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"

	"accord/lang/addrs"
	"accord/providers"
)

// veil knows the sensitive values that went to providers, so that what comes
// back in words (an error that quotes one, the log of a call that carries one)
// does not show them. Objects need none: they say themselves what is sensitive.
//
// An answer may hold a value that nobody knew before: of an object that was
// changed outside. So the log of calls is held back while a provider is asked,
// and told once its answer has been looked through.
type veil struct {
	mu    sync.RWMutex
	words []string // in every way in which calls write them, longest first

	asked   int      // the last question
	open    []int    // those that wait for an answer, in order
	untold  []untold // what the log has to tell after them
	telling sync.Mutex
}

const (
	unsaid   = "(sensitive)"
	shortest = 4 // of a value that is looked for: a shorter one is in half of all words
)

// learn remembers the sensitive values of what is said of one object.
func (v *veil) learn(of ...*providers.Object) {
	var paths []addrs.Path
	for _, o := range of {
		if o != nil {
			paths = append(paths, o.Sensitive...)
		}
	}
	if len(paths) == 0 {
		return
	}
	for _, o := range of {
		var body any
		if o == nil || json.Unmarshal(o.Body, &body) != nil {
			continue
		}
		for _, path := range paths {
			v.add(at(body, path.Steps()))
		}
	}
}

// at is the part of a body at a path; nil where there is none.
func at(body any, steps []string) any {
	for _, step := range steps {
		switch b := body.(type) {
		case map[string]any:
			body = b[step]
		case []any:
			n, err := strconv.Atoi(step)
			if err != nil || n < 0 || n >= len(b) {
				return nil
			}
			body = b[n]
		default:
			return nil
		}
	}
	return body
}

func (v *veil) add(value any) {
	switch value := value.(type) {
	case map[string]any:
		for _, e := range value {
			v.add(e)
		}
	case []any:
		for _, e := range value {
			v.add(e)
		}
	case string:
		if len(value) < shortest {
			return
		}
		quoted, _ := json.Marshal(value)
		inner := string(quoted[1 : len(quoted)-1])
		v.mu.Lock()
		defer v.mu.Unlock()
		for _, word := range []string{value, inner, url.QueryEscape(value), url.PathEscape(value), strings.ReplaceAll(value, "'", `\'`), strings.ReplaceAll(value, "'", "''")} {
			if !slices.Contains(v.words, word) {
				v.words = append(v.words, word)
			}
		}
		slices.SortFunc(v.words, func(a, b string) int { return len(b) - len(a) })
	}
}

// ask begins a question to a provider, which answered ends.
func (v *veil) ask() (question int) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.asked++
	v.open = append(v.open, v.asked)
	return v.asked
}

// answered ends a question, once the answer was learned, and tells what no other
// question holds back that was open then.
func (v *veil) answered(question int) {
	v.telling.Lock() // in the order in which it came
	defer v.telling.Unlock()
	v.mu.Lock()
	v.open = slices.DeleteFunc(v.open, func(q int) bool { return q == question })
	n := len(v.untold)
	if len(v.open) > 0 {
		n, _ = slices.BinarySearchFunc(v.untold, v.open[0], func(u untold, oldest int) int { return u.asked - oldest })
	}
	ready := v.untold[:n]
	v.untold = slices.Clone(v.untold[n:])
	v.mu.Unlock()
	for _, u := range ready {
		u.tell()
	}
}

// holds keeps something to be told after the answers that are waited for, and
// reports whether there are any.
func (v *veil) holds(tell func()) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.open) == 0 {
		return false
	}
	v.untold = append(v.untold, untold{v.asked, tell})
	return true
}

// untold is what the log has to tell, and the last question that was asked then.
type untold struct {
	asked int
	tell  func()
}

// over is a text without sensitive values.
func (v *veil) over(text string) string {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for _, word := range v.words {
		text = strings.ReplaceAll(text, word, unsaid)
	}
	return text
}

// veiled is a provider whose words are looked through.
type veiled struct {
	providers.Provider
	veil *veil
}

func (p veiled) error(e *providers.Error) {
	if e != nil {
		e.Message, e.Advice, e.Trace, e.Stack = p.veil.over(e.Message), p.veil.over(e.Advice), p.veil.over(e.Trace), p.veil.over(e.Stack)
	}
}

func (p veiled) diagnostics(diags []providers.Diagnostic) []providers.Diagnostic {
	for i := range diags {
		diags[i].Summary, diags[i].Detail = p.veil.over(diags[i].Summary), p.veil.over(diags[i].Detail)
	}
	return diags
}

// learned looks through what was found of the objects that were asked for, in
// the order of the answers.
func (p veiled) learned(results []providers.Result, asked func(i int) []*providers.Object) {
	for i := range results {
		if results[i].Object != nil {
			p.veil.learn(append(asked(i), results[i].Object)...)
		}
	}
}

func (p veiled) results(results []providers.Result) []providers.Result {
	for i := range results {
		p.error(results[i].Err)
		p.diagnostics(results[i].Diagnostics)
	}
	return results
}

func (p veiled) Validate(ctx context.Context, objects []providers.Object) []providers.Diagnostic {
	for i := range objects {
		p.veil.learn(&objects[i])
	}
	return p.diagnostics(p.Provider.Validate(ctx, objects))
}

func (p veiled) Configure(ctx context.Context, config providers.Config) []providers.Result {
	for i := range config.Instances {
		p.veil.learn(&config.Instances[i])
	}
	defer p.veil.answered(p.veil.ask())
	return p.results(p.Provider.Configure(ctx, config))
}

func (p veiled) Read(ctx context.Context, req providers.ReadRequest) []providers.Result {
	for i := range req.Objects {
		p.veil.learn(&req.Objects[i])
	}
	defer p.veil.answered(p.veil.ask())
	results := p.Provider.Read(ctx, req)
	p.learned(results, func(i int) []*providers.Object {
		if i >= len(req.Objects) {
			return nil
		}
		return []*providers.Object{&req.Objects[i]}
	})
	return p.results(results)
}

func (p veiled) Plan(ctx context.Context, req providers.PlanRequest) []providers.PlanResponse {
	for _, i := range req.Items {
		p.veil.learn(i.Desired, i.Recorded, i.Live)
	}
	defer p.veil.answered(p.veil.ask())
	responses := p.Provider.Plan(ctx, req)
	for i := range responses {
		p.diagnostics(responses[i].Diagnostics)
	}
	return responses
}

func (p veiled) Apply(ctx context.Context, req providers.ApplyRequest) []providers.Result {
	for _, i := range req.Items {
		p.veil.learn(i.Planned, i.Recorded, i.Live)
	}
	defer p.veil.answered(p.veil.ask())
	results := p.Provider.Apply(ctx, req)
	p.learned(results, func(i int) []*providers.Object {
		if i >= len(req.Items) {
			return nil
		}
		return []*providers.Object{req.Items[i].Planned, req.Items[i].Recorded, req.Items[i].Live}
	})
	return p.results(results)
}

// veiledLog is a log whose attributes are looked through. What is told of calls
// waits for the answer that they are made for; what is for who waits does not.
type veiledLog struct {
	slog.Handler
	veil *veil
}

func (l veiledLog) Handle(ctx context.Context, r slog.Record) error {
	kept := r.Clone()
	if r.Level < slog.LevelInfo && l.veil.holds(func() { _ = l.tell(context.WithoutCancel(ctx), kept) }) {
		return nil
	}
	return l.tell(ctx, r)
}

func (l veiledLog) tell(ctx context.Context, r slog.Record) error {
	shown := slog.NewRecord(r.Time, r.Level, l.veil.over(r.Message), r.PC)
	r.Attrs(func(a slog.Attr) bool {
		if a.Value.Kind() == slog.KindString || a.Value.Kind() == slog.KindAny {
			if text, is := a.Value.Any().(string); is {
				a.Value = slog.StringValue(l.veil.over(text))
			}
		}
		shown.AddAttrs(a)
		return true
	})
	return l.Handler.Handle(ctx, shown)
}

func (l veiledLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return veiledLog{l.Handler.WithAttrs(attrs), l.veil}
}

func (l veiledLog) WithGroup(name string) slog.Handler {
	return veiledLog{l.Handler.WithGroup(name), l.veil}
}
