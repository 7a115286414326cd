package vault

import (
	"context"
	"fmt"

	"accord/providers"
	"accord/providers/vaultapi"
)

// firstExceptions is how many exceptions a state names.
const firstExceptions = 20

// Ask is INT-6: it clears Last Successful Run Time of the points, and writes
// nothing else. One that is empty is asked for already.
func (p *Provider) Ask(ctx context.Context, syncs []providers.Sync) []providers.EngineState {
	return p.engineStates(ctx, "ask the platform for a run", syncs, func(e *engineAt, s *providers.EngineState) error {
		switch {
		case e.sync.Engine != providers.EnginePlatform:
			return providers.Errorf(providers.Refused, "%s has engine = %q: the platform is asked for no run", e.sync.Addr, e.sync.Engine)
		case !s.Active:
			return providers.Errorf(providers.Refused, "%s is inactive in %s: the platform would not run it", e.point.Name, e.crm.addr)
		case s.LSRT.IsZero():
			return nil
		}
		_, lsrt, err := e.crm.timeFields(ctx)
		if err != nil {
			return err
		}
		if err := vaultapi.FirstError(e.crm.client.UpdateRecords(ctx, objPoint, []vaultapi.Fields{{"id": e.point.ID, lsrt: nil}})); err != nil {
			return err
		}
		if now, err := e.crm.askNow(ctx); err == nil { // a run of later than that has begun after it was asked for
			s.Now = now
		}
		return nil
	})
}

// Follow reads LRT, LSRT, exceptions and counts (INT-7).
func (p *Provider) Follow(ctx context.Context, syncs []providers.Sync) []providers.EngineState {
	return p.engineStates(ctx, "follow the platform's engine", syncs, func(e *engineAt, s *providers.EngineState) (err error) {
		if err := e.exceptions(ctx, s); err != nil {
			return err
		}
		s.Published, err = e.published(ctx)
		return err
	})
}

// engineAt is one point and its vaults.
type engineAt struct {
	sync   providers.Sync
	scope  scope
	crm    *vault // holds the point
	target *vault
	point  *statusRecord
}

func (p *Provider) engineStates(ctx context.Context, op string, syncs []providers.Sync, do func(*engineAt, *providers.EngineState) error) []providers.EngineState {
	states := make([]providers.EngineState, len(syncs))
	records := cached(func(v *vault) ([]statusRecord, error) { return v.pointRecords(ctx) })
	for n, sync := range syncs {
		e := &engineAt{sync: sync}
		if err := p.engineState(ctx, e, &states[n], records, do); err != nil {
			failure := *contractError(op, err)
			if failure.Addr.IsZero() {
				failure.Addr = sync.Addr
			}
			states[n] = providers.EngineState{Err: &failure}
		}
	}
	return states
}

func (p *Provider) engineState(ctx context.Context, e *engineAt, s *providers.EngineState, points func(*vault) ([]statusRecord, error), do func(*engineAt, *providers.EngineState) error) (err error) {
	if e.scope, err = scopeOf(e.sync.Target); err != nil {
		return err
	}
	if e.target, err = p.vault(e.sync.Target.Instance); err != nil {
		return err
	}
	if e.crm = e.target; e.scope.CRM != 0 {
		if e.crm = p.vaultByID(e.scope.CRM); e.crm == nil {
			return providers.Errorf(providers.Access, "vault %d is not connected", e.scope.CRM)
		}
	}
	// The clock first: what is read afterwards is never older than it says.
	if s.Now, err = e.crm.askNow(ctx); err != nil {
		return err
	}
	list, err := points(e.crm)
	if err != nil {
		return err
	}
	if e.point = findRecord(list, e.scope.Point, e.sync.Title); e.point == nil {
		return providers.Errorf(providers.NotFound, "the integration point %s is not there any more", e.sync.Title)
	}
	lrt, lsrt, err := e.crm.timeFields(ctx)
	if err != nil {
		return err
	}
	s.Active = e.point.Active
	s.LRT, s.LSRT = e.point.row.time(lrt), e.point.row.time(lsrt)
	return do(e, s)
}

// exceptions counts those of the point that are open, and names the first:
// items, and messages where there are none (ERR-1, ERR-2). They are in the
// point's target vault (ERR-4).
func (e *engineAt) exceptions(ctx context.Context, s *providers.EngineState) error {
	scope, point := e.scope, e.point.ID
	if scope.Title = e.sync.Title; e.target != e.crm {
		point = "" // it has a record of its own
	}
	x, err := e.target.exceptionsOf(ctx, scope, point)
	if err != nil {
		return contractError("find the user exceptions of "+e.target.addr.String(), err)
	}
	for _, part := range []string{partItem, partMessage} {
		where := x.where(part)
		if where == "" {
			continue // this vault does not tie exceptions to points
		}
		page, err := e.target.caller().page(ctx, fmt.Sprintf("%s WHERE %s ORDER BY id PAGESIZE %d", x.selected(part), where, pageRows))
		if err != nil {
			return err
		}
		if part == partMessage && s.Open > 0 {
			break // what holds the items
		}
		s.Open += page.Details.Total
		for _, r := range page.Rows[:min(firstExceptions, len(page.Rows))] {
			s.Exceptions = append(s.Exceptions, x.exception(part, r))
		}
	}
	return nil
}

// published counts what is in the target and was not made by accord, by part.
func (e *engineAt) published(ctx context.Context) (map[string]int, error) {
	if e.scope.CRM != 0 {
		list, err := e.target.connectionCountries(ctx, e.scope.CRM)
		return map[string]int{partCountry: len(list)}, err
	}
	return e.target.publishedBeside(ctx, e.scope.Source)
}

// publishedBeside counts what there is of a content vault that accord did not
// publish, by part.
func (v *vault) publishedBeside(ctx context.Context, source int64) (map[string]int, error) {
	c := v.caller()
	counts := map[string]int{}
	for part, typ := range targetOfPart {
		target := "documents"
		where := fmt.Sprintf("crosslink__v = true AND source_vault_id__v = %d", source)
		if part == partPresentation {
			prefix := fmt.Sprintf("%d_", source)
			target, where = "binders", fmt.Sprintf("link__sys > %s AND link__sys < %s", vaultapi.Quote(prefix), vaultapi.Quote(prefix+"~"))
		}
		total := func(more string) (int, error) {
			page, err := c.page(ctx, "SELECT id FROM "+target+" WHERE TONAME(type__v) = "+vaultapi.Quote(typ)+" AND status__v = STEADYSTATE() AND "+where+more+" PAGESIZE 1")
			return page.Details.Total, err
		}
		all, err := total("")
		if err != nil {
			return nil, err
		}
		ours, err := total(" AND external_id__v > " + vaultapi.Quote(markOurs) + " AND external_id__v < " + vaultapi.Quote(markOurs+"~"))
		if err != nil {
			return nil, err
		}
		counts[part] = all - ours
	}
	return counts, nil
}
