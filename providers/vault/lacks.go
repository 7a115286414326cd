package vault

import (
	"context"
	"maps"
	"slices"
	"sync"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/resource"
)

// lacks is PERM-5 where what is configured may not even be read: all rights that
// whoever accord logs in as lacks in any vault, for reading the objects and for
// the runs that they ask for, each with the objects that need it.
func (p *Provider) lacks(ctx context.Context, objects []providers.Object) ([]providers.Lack, error) {
	needs := p.allNeeds(ctx, objects)
	vaults := slices.SortedFunc(maps.Keys(needs), func(a, b *vault) int { return a.addr.Compare(b.addr) })
	lacks := make([]*providers.Lack, len(vaults))
	errs := make([]error, len(vaults))
	var asking sync.WaitGroup
	for n, v := range vaults {
		asking.Go(func() { lacks[n], errs[n] = v.lacking(ctx, needs[v]) })
	}
	asking.Wait()
	var found []providers.Lack
	for n, err := range errs {
		if err != nil {
			return nil, contractError("check permissions in "+vaults[n].addr.String(), err)
		}
		if lacks[n] != nil {
			found = append(found, *lacks[n])
		}
	}
	return found, nil
}

// neededBy are grants, each with the objects that need it.
type neededBy map[grant][]addrs.Instance

func (n neededBy) add(addr addrs.Instance, needs ...grant) {
	for _, g := range needs {
		if !slices.Contains(n[g], addr) {
			n[g] = append(n[g], addr)
		}
	}
}

// lacking says what the user that accord logs in as lacks; nil: nothing.
func (v *vault) lacking(ctx context.Context, needs neededBy) (*providers.Lack, error) {
	a, _, err := v.accessOf(ctx, "")
	if err != nil || a.all {
		return nil, err
	}
	if a.hidden {
		return nil, providers.Errorf(providers.Permission, "the user may not see what the user may do")
	}
	l := &providers.Lack{Instance: v.addr, Who: a.loggedIn(v), Advice: v.howToGrant()}
	var missing []grants // those that the same objects need stand together
	all := grants{}
	for g := range needs {
		all[g] = true
	}
	for _, g := range all.sorted() {
		own, lacks, err := v.withheld(ctx, a, g)
		if err != nil {
			return nil, err
		}
		if !lacks {
			continue
		}
		by := slices.SortedFunc(slices.Values(needs[g]), addrs.Instance.Compare)
		n := slices.IndexFunc(l.Rights, func(r providers.Right) bool { return slices.Equal(r.Needed, by) })
		if n < 0 {
			n = len(l.Rights)
			l.Rights, missing = append(l.Rights, providers.Right{Needed: by}), append(missing, grants{})
		}
		missing[n][own] = true
	}
	for n := range l.Rights {
		l.Rights[n].Name = shortGrants(missing[n])
	}
	if len(l.Rights) == 0 {
		return nil, nil
	}
	v.forgetAccess("") // it is asked for again as soon as it was mended
	return l, nil
}

// allNeeds are the rights that it takes to read objects, and to run what they
// ask for, in each vault. What cannot be told of an object is an error that its
// own reading tells.
func (p *Provider) allNeeds(ctx context.Context, objects []providers.Object) map[*vault]neededBy {
	changes := make([]providers.Change, len(objects))
	for n := range objects {
		changes[n] = providers.Change{Addr: objects[n].Addr, Before: &objects[n], After: &objects[n]}
	}
	s := newSyncMaker(ctx, p, changes)
	needs := map[*vault]neededBy{}
	in := func(v *vault, addr addrs.Instance, g ...grant) {
		if needs[v] == nil {
			needs[v] = neededBy{}
		}
		needs[v].add(addr, g...)
	}
	for n := range objects {
		o := &objects[n]
		switch o.Type {
		case "multichannel_settings":
			if b, _, err := resource.Ref[multichannelBody](s.after, o.Addr); err == nil {
				if v, err := p.vault(b.Vault); err == nil {
					in(v, o.Addr, grant{grantObject, objProfile, "read"}, grant{grantObject, objMultichannel, "read"})
				}
			}
			continue
		case "permission_set": // components are read with the vault's metadata
			continue
		}
		l := s.linkAt(o)
		if l == nil {
			continue
		}
		switch o.Type {
		case "connection":
			in(l.content, o.Addr, manageIntegrations[0])
			in(l.crm, o.Addr, manageIntegrations[0])
		case "country_filter":
			in(l.crm, o.Addr, grant{grantObject, objSettings, "read"})
		case "integration_point":
			content, crm := s.runNeeds(ctx, o.Addr)
			in(l.content, o.Addr, content.sorted()...)
			in(l.crm, o.Addr, crm.sorted()...)
			in(l.crm, o.Addr, manageIntegrations[1], grant{grantObject, objSettings, "read"})
		default: // stands on an integration
			in(l.crm, o.Addr, manageIntegrations[1])
		}
	}
	return needs
}

// linkAt is the connection that an object stands on, nil where it cannot be told.
func (s *syncMaker) linkAt(o *providers.Object) *link {
	of := o.Addr
	switch o.Type {
	case "connection":
	case "integration_point":
		b, _, err := resource.Ref[pointBody](s.after, o.Addr)
		if err != nil {
			return nil
		}
		parent, _, err := resource.Ref[integrationBody](s.after, b.Integration)
		if err != nil {
			return nil
		}
		of = parent.Connection
	default:
		var b struct {
			Connection addrs.Instance `json:"connection"`
		}
		if o.Decode(&b) != nil {
			return nil
		}
		of = b.Connection
	}
	body, _, err := resource.Ref[connectionBody](s.after, of)
	if err != nil {
		return nil
	}
	l, err := s.p.linkOf(of, body)
	if err != nil {
		return nil
	}
	return l
}

// runNeeds are the rights that runs of a point take, as far as they follow from
// the configuration alone; none where it will not run.
func (s *syncMaker) runNeeds(ctx context.Context, addr addrs.Instance) (content, crm grants) {
	p, err := s.point(addr)
	if err != nil || p == nil || p.body.Status != active || p.parent.Status != active {
		return nil, nil
	}
	sync := &providers.Sync{Engine: engineOf(p.link, p.body.Engine)}
	if p.names.Model != "" {
		sync.Target.Stream = streamCLMContent
		if p.names.Model == modelObject {
			sync.Target.Stream = streamCLMObjects
		}
		if tables := s.around.at(p.link.addr).countryPoints; len(tables) > 0 && !p.link.unfiltered() {
			sync.Route.Table = &tables[0]
		}
		if fitting, err := s.fieldRules(ctx, p.link); err == nil {
			sync.Rules = fitting.rules
		}
	}
	return s.loginNeeds(p, sync)
}
