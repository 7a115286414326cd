package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"accord/cmd/accord/early"
	"accord/lang/lower"
	"accord/providers"
	"accord/providers/plugin"
	"accord/providers/vault"
)

// maker makes a provider that this binary contains.
type maker struct {
	declare func() providers.Provider // to be asked for its schema, and nothing else
	serve   func() providers.Provider
}

var makers = map[string]maker{
	"vault": {vault.New, vault.New},
}

func init() {
	if os.Getenv(envBench) != "" {
		makers = map[string]maker{"bench": {newBenchProvider, filledBenchProvider}}
	}
}

func builtins() []string { return slices.Sorted(maps.Keys(makers)) }

// builtin is a built-in provider: a plugin process of this binary, of which it is
// known without what it declares.
type builtin struct {
	name  string
	begun atomic.Bool
	open  func() (*plugin.Plugin, error) // once, by whoever asks first; others wait
}

// builtin returns one that is not started yet.
func (c *cli) builtin(ctx context.Context, name string) *builtin {
	return &builtin{name: name, open: sync.OnceValues(func() (*plugin.Plugin, error) { return c.startBuiltin(ctx, name) })}
}

// arrive starts it, or waits for what begin has started.
func (b *builtin) arrive() (*plugin.Plugin, error) {
	b.begun.Store(true)
	return b.open()
}

// begin starts it, and does not wait.
func (b *builtin) begin() {
	b.begun.Store(true)
	go b.open() // waited for by Close
}

// Close ends it where it was started. It may be called again.
func (b *builtin) Close() error {
	if !b.begun.Load() {
		return nil
	}
	p, err := b.open()
	if err != nil {
		return nil // told to who asked
	}
	return p.Close()
}

// declared is the provider with what it declares, and without its process.
func (b *builtin) declared(ctx context.Context) (*declared, error) {
	sch, err := makers[b.name].declare().Schema(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask provider %s for its schema: %w", b.name, err)
	}
	return &declared{process: b, schema: sch, named: sch.Name, digest: "accord " + lower.Program()}, nil
}

// startBuiltin starts a built-in provider. It is accord itself, and has accord's
// environment.
func (c *cli) startBuiltin(ctx context.Context, name string) (*plugin.Plugin, error) {
	self, err := executable()
	if err != nil {
		return nil, err
	}
	limit, err := startWithin()
	if err != nil {
		return nil, err
	}
	p, err := plugin.Open(ctx, plugin.Command{Name: name, Path: self, Args: []string{"provider", name}, Waiting: early.Take(name), Within: limit, Log: c.logger()})
	if err != nil {
		return nil, fmt.Errorf("start provider %s: %w", name, tooSlow(err))
	}
	return p, nil
}

// startBuiltins starts all built-in providers, and does not wait for them:
// nothing that a configuration says changes how. It leaves them alone where one
// may be attached to instead.
func (c *cli) startBuiltins(ctx context.Context) map[string]*builtin {
	all := map[string]*builtin{}
	for _, name := range builtins() {
		if os.Getenv(plugin.ReattachVariable) == "" {
			all[name] = c.builtin(ctx, name)
			all[name].begin()
		}
	}
	if len(all) == 0 {
		early.Drop()
	}
	return all
}
