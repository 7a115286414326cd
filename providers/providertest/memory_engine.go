package providertest

import (
	"context"
	"encoding/json"
	"time"

	"accord/providers"
)

// The memory has no engine that runs by itself: what a test writes to a feed is
// its run.

// Ask empties LSRT of the feeds.
func (c *connection) Ask(ctx context.Context, syncs []providers.Sync) []providers.EngineState {
	return c.states(ctx, "ask", syncs, func(f *feedBody) { f.LSRT = time.Time{} })
}

// Follow answers where the feeds stand.
func (c *connection) Follow(ctx context.Context, syncs []providers.Sync) []providers.EngineState {
	return c.states(ctx, "follow", syncs, func(*feedBody) {})
}

func (c *connection) states(ctx context.Context, method string, syncs []providers.Sync, do func(*feedBody)) []providers.EngineState {
	states := make([]providers.EngineState, len(syncs))
	for n, sync := range syncs {
		c.memory.record(Call{Method: method, What: sync.Target.Stream})
		var of scope
		if err := json.Unmarshal(sync.Target.Scope, &of); err != nil {
			states[n].Err = providers.Errorf(providers.Invalid, "the target needs the scope of a feed")
			continue
		}
		if err := c.memory.fault(method, of.Feed).strike(ctx, false); err != nil {
			states[n].Err = asError(err, method+" "+of.Feed)
			continue
		}
		s, err := c.system(sync.Target.Instance)
		if err != nil {
			states[n].Err = asError(err, method)
			continue
		}
		states[n].Err = providers.Errorf(providers.NotFound, "there is no feed %s", of.Feed)
		c.memory.locked(func() {
			for _, f := range s.Feeds {
				if f.Name == of.Feed {
					states[n] = providers.EngineState{Active: f.Status == "active", LRT: f.LRT, LSRT: f.LSRT, Now: c.memory.Now}
					do(f)
				}
			}
		})
	}
	return states
}
