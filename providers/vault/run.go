package vault

import (
	"context"
	"time"

	"accord/providers"
	"accord/providers/vaultapi"
)

// guard is what is checked before every batch of writes: CONN-3, and that the
// platform's own engine is not at work (INT-7), nor a stand-in of it.
func (p *Provider) guard(ctx context.Context, sync providers.Sync) error {
	source, err := p.vault(sync.Source.Instance)
	if err != nil {
		return err
	}
	target, err := p.vault(sync.Target.Instance)
	if err != nil {
		return err
	}
	scope, err := scopeOf(sync.Target)
	if err != nil {
		return err
	}
	from := source
	if scope.CRM != 0 { // countries: what is written about a CRM vault comes from it
		if from = p.vaultByID(scope.CRM); from == nil {
			return providers.Errorf(providers.Access, "vault %d is not connected", scope.CRM)
		}
	}
	if !mayFlow(from, target) {
		return providers.Errorf(providers.Refused, "CONN-3: %s (%s) never populates %s (%s)", from.addr, from.environment, target.addr, target.environment)
	}
	crm := target
	if scope.CRM != 0 {
		crm = from
	}
	switch {
	case crm.standIn() && sync.Target.Stream != streamCLMObjects: // which it does not play
		return providers.Errorf(providers.Refused, "INT-7: a stand-in of the platform's own engine runs %q in %s", sync.Title, crm.addr)
	case crm.dev:
		return nil
	}
	points, err := crm.pointRecords(ctx)
	if err != nil {
		return err
	}
	if r := findRecord(points, scope.Point, sync.Title); r != nil && r.Active {
		return providers.Errorf(providers.Refused, "INT-7: the platform's own engine runs %q in %s", r.Name, crm.addr)
	}
	return nil
}

func (p *Provider) vaultByID(id int64) *vault {
	p.mu.RLock()
	defer p.mu.RUnlock()
	for _, v := range p.vaults {
		if v.id == id {
			return v
		}
	}
	return nil
}

// Finish writes Last Run Time and, after a clean run, Last Successful Run Time
// on the point's record (CLM-8). A country run is first held against the
// records that it should have left (CTRY-12). Last Successful Run Time stays
// empty where somebody has cleared it since the run was decided: that asks for
// the next run (INT-6), and is no business of this one.
func (p *Provider) Finish(ctx context.Context, run providers.Run) error {
	scope, err := scopeOf(run.Sync.Target)
	if err != nil {
		return err
	}
	crm, err := p.vault(run.Sync.Target.Instance)
	if err != nil {
		return err
	}
	crm.made.forget(markPrefix(scope.Point, scope.Source))
	var verified error
	if scope.CRM != 0 {
		content := crm
		if crm = p.vaultByID(scope.CRM); crm == nil {
			return providers.Errorf(providers.Access, "vault %d is not connected", scope.CRM)
		}
		verified = p.verifyCountries(ctx, content, scope.CRM, run.Sync.Route.Values)
	}
	points, err := crm.pointRecords(ctx)
	if err != nil {
		return contractError("read integration points of "+crm.addr.String(), err)
	}
	r := findRecord(points, scope.Point, run.Sync.Title)
	if r == nil {
		return providers.Errorf(providers.NotFound, "the integration point %s is not there any more", run.Sync.Title)
	}
	lrt, lsrt, err := crm.timeFields(ctx)
	if err != nil {
		return contractError("find the run times", err)
	}
	row := vaultapi.Fields{"id": r.ID}
	started := vaultapi.FormatTime(run.Started)
	if !r.row.time(lrt).Equal(run.Started.Truncate(time.Millisecond)) {
		row[lrt] = started
	}
	now := r.row.time(lsrt)
	requested := now.IsZero() && !run.Sync.LSRT.IsZero()
	if run.Clean && verified == nil && !requested && !now.Equal(run.Started.Truncate(time.Millisecond)) {
		row[lsrt] = started
	}
	if len(row) > 1 {
		if err := vaultapi.FirstError(crm.client.UpdateRecords(ctx, objPoint, []vaultapi.Fields{row})); err != nil {
			return contractError("write the run times of "+run.Sync.Title, err)
		}
	}
	return verified
}
