// Package planner is the bridge: it holds what is wanted (lang), what is
// remembered (state) and what is there (providers) against each other, makes a
// plan, and applies exactly that.
//
// It knows the contract and the schemas, and nothing of any vault; it never
// starts a plugin and prints nothing. Plan decides everything; Apply walks the
// steps. Start with Planner.Plan in make.go, whose phases lie in gather.go, read.go,
// propose.go, judge.go, order.go and syncs.go; then apply.go.
package planner

import (
	"context"
	"fmt"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner/syncer"
	"accord/providers"
	"accord/state"
)

// batchSize is how many objects go to a provider in one request.
const batchSize = 500

// Planner plans and applies for one configuration.
type Planner struct {
	// Providers by name, connected by Configure, and what they declared.
	Providers map[string]providers.Provider
	Schemas   map[string]*schema.Provider

	Journal state.Journal
	Syncer  *syncer.Syncer

	Tool   string
	Now    func() time.Time
	Events func(Event) // may be nil
}

// Event is something worth showing while it happens.
type Event interface{ event() }

// The events of planning and applying. Those of runs are the syncer's.
type (
	// Reading: objects of a type are being read.
	Reading struct {
		Type  string
		Count int
	}
	// StepStarted and the three below: the life of one resource step.
	StepStarted struct {
		Ref    providers.Ref
		Action providers.Action
		Word   string // the removal's word
	}
	// StepDone ends well.
	StepDone struct {
		Ref  providers.Ref
		Took time.Duration
	}
	// StepFailed ends badly; other branches go on.
	StepFailed struct {
		Ref providers.Ref
		Err error
	}
	// StepSkipped was not begun: Because failed, or its reason is gone.
	StepSkipped struct {
		Ref     providers.Ref
		Because string
	}
)

func (Reading) event()     {}
func (StepStarted) event() {}
func (StepDone) event()    {}
func (StepFailed) event()  {}
func (StepSkipped) event() {}

func (p *Planner) emit(e Event) {
	if p.Events != nil {
		p.Events(e)
	}
}

// typeOf finds the provider and the schema of a type.
func (p *Planner) typeOf(name string) (provider string, typ *schema.Type, instance bool) {
	for prov, sch := range p.Schemas {
		if t, inst := sch.Type(name); t != nil {
			return prov, t, inst
		}
	}
	return "", nil, false
}

// Configure connects every provider with the instances that belong to it, and
// returns the instances as found. All are tried, so that all problems are told
// at once; with an error nothing may be used.
func (p *Planner) Configure(ctx context.Context, config providers.Config) (map[addrs.Instance]providers.Object, []error) {
	found := map[addrs.Instance]providers.Object{}
	var errs []error
	for name, provider := range p.Providers {
		mine := config
		mine.Instances = nil
		for _, o := range config.Instances {
			if owner, _, _ := p.typeOf(o.Type); owner == name {
				mine.Instances = append(mine.Instances, o)
			}
		}
		for i, r := range provider.Configure(ctx, mine) {
			switch {
			case r.Err != nil:
				if r.Err.Addr.IsZero() && i < len(mine.Instances) {
					r.Err.Addr = mine.Instances[i].Addr
				}
				errs = append(errs, r.Err)
			case r.Object != nil && i < len(mine.Instances):
				o := *r.Object
				o.Addr = mine.Instances[i].Addr
				found[o.Addr] = o
			case i < len(mine.Instances):
				found[mine.Instances[i].Addr] = mine.Instances[i]
			}
		}
	}
	if len(errs) == 0 && len(found) < len(config.Instances) {
		errs = append(errs, fmt.Errorf("a provider left %d of %d instances unanswered", len(config.Instances)-len(found), len(config.Instances)))
	}
	return found, errs
}
