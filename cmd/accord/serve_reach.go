package main

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"accord/lang/addrs"
	"accord/planner/graph"
	"accord/providers"
)

// reach is which vaults a session of serve is connected to. Each is tried by
// itself, again and again: one that is slow or away keeps nobody waiting.
type reach struct {
	on        *session
	instances []providers.Object // that it connects to
	config    providers.Config

	trying graph.Group
	mu     sync.Mutex
	found  map[addrs.Instance]providers.Object
	tried  map[addrs.Instance]*attempt // of those that are not found
}

// attempt is trying to connect to a vault, so far in vain. How often a password is
// tried that was refused is the client's rule (vaultapi.Refusals).
type attempt struct {
	now bool  // one is under way
	err error // of the last; nil: there was none
}

func newReach(on *session, instances []providers.Object) *reach {
	return &reach{
		on: on, instances: instances, trying: graph.Group{Crashed: func() { on.end(nil) }},
		found: map[addrs.Instance]providers.Object{}, tried: map[addrs.Instance]*attempt{},
	}
}

// begin connects for the first time. Those that do not answer are left for later,
// unless none does. Those that do not let accord in are always left for later: the
// provider remembers what they refused, as long as it lives.
func (r *reach) begin(ctx context.Context) error {
	dir, err := filepath.Abs(r.on.dir)
	if err != nil {
		return err
	}
	r.config = providers.Config{Dir: dir, Tool: "accord-" + Version, Impatient: true}
	if usesDev(r.instances) {
		if r.on.dev, err = openDevServer(ctx, r.on.dir); err != nil {
			return err
		}
		r.on.onClose(r.on.dev)
		if r.config.Endpoints, err = r.on.dev.provide(ctx, r.instances, nil, r.on.workspace.config.Settings.Dev); err != nil {
			return err
		}
	}
	found, away := r.connect(ctx)
	if len(found) == 0 {
		r.wait() // nobody else is there who would wait
		found, away = r.here()
	}
	shut := func(err error) bool { return providers.KindOf(err) == providers.Access }
	if len(found) == 0 && len(r.instances) > 0 && !slices.ContainsFunc(away, shut) {
		return errors.Join(away...)
	}
	return nil
}

// wait waits for the tries that are under way.
func (r *reach) wait() { _ = r.trying.Wait() }

// connect tries the vaults that have not answered yet, and returns those that are
// connected, and why others are not. A slow one is not waited for: once it is
// there, what was applied is looked at again.
func (r *reach) connect(ctx context.Context) (map[addrs.Instance]providers.Object, []error) {
	var begun sync.WaitGroup
	r.mu.Lock()
	for _, inst := range r.instances {
		if _, ok := r.found[inst.Addr]; ok {
			continue
		}
		a := r.tried[inst.Addr]
		if a == nil {
			a = &attempt{}
			r.tried[inst.Addr] = a
		}
		if a.now {
			continue
		}
		a.now = true
		begun.Add(1)
		r.trying.Go(func() error {
			defer begun.Done()
			r.try(ctx, inst, a)
			return nil
		})
	}
	r.mu.Unlock()
	done := make(chan struct{})
	go func() { begun.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(servePatience):
		r.trying.Go(func() error {
			<-done
			r.on.watch.Refresh()
			return nil
		})
	}
	return r.here()
}

// here returns the vaults that are connected, and why others are not.
func (r *reach) here() (map[addrs.Instance]providers.Object, []error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, inst := range r.instances {
		switch a := r.tried[inst.Addr]; {
		case a == nil:
		case a.now:
			errs = append(errs, &providers.Error{Kind: providers.Transient, Op: "connect " + inst.Addr.String(), Addr: inst.Addr, Message: "it has not answered yet"})
		case a.err != nil:
			errs = append(errs, a.err)
		}
	}
	return maps.Clone(r.found), errs
}

// try tries one vault.
func (r *reach) try(ctx context.Context, inst providers.Object, a *attempt) {
	config := r.config
	config.Instances = []providers.Object{inst}
	found, missed := r.on.planner.Configure(ctx, config)
	r.mu.Lock()
	defer r.mu.Unlock()
	a.now = false
	if len(missed) == 0 {
		r.found[inst.Addr] = found[inst.Addr]
		delete(r.tried, inst.Addr)
		return
	}
	if ctx.Err() != nil {
		return
	}
	if a.err == nil || a.err.Error() != missed[0].Error() {
		r.on.log.Warn("a vault is not reached", "error", missed[0])
	}
	a.err = missed[0]
}
