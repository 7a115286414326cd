package vault

import (
	"context"
	"errors"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/resource"
	"accord/providers/vaultapi"
)

// What stands below a connection is listed on its CRM vault, for the
// connections that the request refers to; each kind of thing in as many calls
// as reading one of them takes.

// lister yields what it finds; false: nobody wants more.
type lister[T any] func(found resource.Found[T]) bool

// listing makes a List of a function that finds things on one vault.
func listing[T any](p *Provider, find func(ctx context.Context, env *resource.Env, v *vault, yield lister[T]) error) func(context.Context, *resource.Env, addrs.Instance) iter.Seq2[resource.Found[T], error] {
	return func(ctx context.Context, env *resource.Env, instance addrs.Instance) iter.Seq2[resource.Found[T], error] {
		return func(yield func(resource.Found[T], error) bool) {
			v, err := p.vault(instance)
			stopped := false
			if err == nil {
				err = find(ctx, env, v, func(f resource.Found[T]) bool {
					stopped = stopped || !yield(f, nil)
					return !stopped
				})
			}
			if err != nil && !stopped {
				yield(resource.Found[T]{}, contractError("list what is in "+instance.String(), err))
			}
		}
	}
}

// linksOf are the connections among the references that lead to a CRM vault, by
// address.
func (p *Provider) linksOf(env *resource.Env, crm *vault) []*link {
	var links []*link
	for addr, o := range env.Refs {
		if o.Type != "connection" {
			continue
		}
		if l, err := p.link(env, addr); err == nil && l.crm == crm {
			links = append(links, l)
		}
	}
	slices.SortFunc(links, func(a, b *link) int { return a.addr.Compare(b.addr) })
	return links
}

// listConnections finds, on CRM vaults, those whose content vault is connected
// too. Others are told of: those that lead to a vault without a block, on either
// side, and those that are of no standard kind.
func (p *Provider) listConnections(ctx context.Context, _ *resource.Env, v *vault, yield lister[connectionBody]) error {
	cache := p.connectionCache(ctx)
	found, err := p.connectionsOf(v, cache)
	if err != nil {
		return err
	}
	taken := map[string]bool{}
	for _, f := range found {
		taken[f.ID] = true
		if !yield(f) {
			return nil
		}
	}
	_, own, err := cache(v.addr)
	if err != nil {
		return err
	}
	for _, r := range own {
		why := ""
		switch {
		case taken[r.ID]:
			continue
		case r.Remote == "":
			why = "it leads nowhere yet: no other vault has accepted it"
		case p.vaultWithID(r.Remote, "") == nil:
			why = "it leads to the vault with the id " + r.Remote + ", which no vault block declares"
		case v.kind != kindCRM:
			continue // it is found from its other side
		default:
			why = "it is none of the standard connections of content vaults (CONN-1)"
		}
		if !yield(resource.Found[connectionBody]{ID: r.API, Left: why}) {
			return nil
		}
	}
	return nil
}

// connectionsOf are the connections of a CRM vault with content vaults that are
// connected. The API name in the content vault is said where it must be: where
// several lead to the CRM vault, that of the first that is active.
func (p *Provider) connectionsOf(crm *vault, records connectionRecords) ([]resource.Found[connectionBody], error) {
	if crm.kind != kindCRM {
		return nil, nil
	}
	_, own, err := records(crm.addr)
	if err != nil {
		return nil, err
	}
	var found []resource.Found[connectionBody]
	for i := range connections {
		names := &connections[i]
		at := slices.IndexFunc(own, func(r connectionRecord) bool { return r.API == names.APIName && r.Remote != "" })
		if at < 0 {
			continue
		}
		content := p.vaultWithID(own[at].Remote, names.ContentKind)
		if content == nil {
			continue
		}
		want := connectionBody{Type: names.Type, Content: content.addr, CRM: crm.addr}
		_, theirs, err := records(content.addr)
		if err != nil {
			return nil, err
		}
		if _, err := contentSide(theirs, names, "", crm.id); err != nil {
			want.ContentAPIName = firstOf(theirs, names, crm.id)
		}
		s, err := p.sides(&want, records)
		if err != nil {
			return nil, err
		}
		now := s.body(&want)
		now.ContentAPIName = want.ContentAPIName
		found = append(found, resource.Found[connectionBody]{ID: s.crm.ID, Body: now})
	}
	return found, nil
}

// connectionWithID finds a connection of which nothing is known but the id that
// its record has in the CRM vault; nil: no connected vault has it.
func (p *Provider) connectionWithID(id string, records connectionRecords) (*resource.Found[connectionBody], error) {
	var found []resource.Found[connectionBody]
	for _, v := range p.all() {
		list, err := p.connectionsOf(v, records)
		if err != nil {
			return nil, err
		}
		for _, f := range list {
			if f.ID == id {
				found = append(found, f)
			}
		}
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return &found[0], nil
	}
	return nil, providers.Errorf(providers.Invalid, "%s and %s both have a connection with the id %s; write the block of the one that is meant", found[0].Body.CRM, found[1].Body.CRM, id)
}

// all are the connected vaults by address.
func (p *Provider) all() []*vault {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return slices.SortedFunc(maps.Values(p.vaults), func(a, b *vault) int { return a.addr.Compare(b.addr) })
}

func firstOf(records []connectionRecord, names *connectionNames, crm int64) *string {
	var found []connectionRecord
	for _, r := range records {
		if r.Remote == strconv.FormatInt(crm, 10) && strings.HasPrefix(r.API, names.Type+"_") {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b connectionRecord) int {
		if a.Active != b.Active {
			if a.Active {
				return -1
			}
			return 1
		}
		return strings.Compare(a.API, b.API)
	})
	return &found[0].API
}

// vaultWithID finds a connected vault of a kind, or of any kind.
func (p *Provider) vaultWithID(id, kind string) *vault {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var found *vault
	for _, v := range p.vaults {
		if strconv.FormatInt(v.id, 10) == id && (kind == "" || v.kind == kind) && (found == nil || v.addr.Compare(found.addr) < 0) {
			found = v
		}
	}
	return found
}

// listFilters finds the filters that name a country. A CRM vault has one for
// each feature, which is that of its first connection.
func (p *Provider) listFilters(ctx context.Context, env *resource.Env, crm *vault, yield lister[countryFilterBody]) error {
	links := p.linksOf(env, crm)
	if len(links) == 0 {
		return nil
	}
	slices.SortStableFunc(links, func(a, b *link) int { return -strings.Compare(a.names.Type, b.names.Type) }) // promomats_crm before medical_crm
	records, err := crm.settingsRecords(ctx)
	if err != nil {
		return err
	}
	names, err := crm.countryNames(ctx)
	if err != nil {
		return err
	}
	for _, f := range features {
		r, err := settingsOf(records, f.Name)
		if err != nil {
			return err
		}
		if r == nil || len(r.Values) == 0 {
			continue
		}
		want := &countryFilterBody{Connection: links[0].addr, Feature: f.Name}
		for _, name := range r.Values { // by label, where a label leads back
			if label := names.label[name]; label != "" {
				if back, ok := names.canonical(label); ok && back == name {
					want.Countries = append(want.Countries, label)
				}
			}
		}
		if !yield(resource.Found[countryFilterBody]{ID: r.ID, Body: filterNow(want, r, names)}) {
			return nil
		}
	}
	return nil
}

func (p *Provider) listIntegrations(ctx context.Context, env *resource.Env, crm *vault, yield lister[integrationBody]) error {
	links := p.linksOf(env, crm)
	if len(links) == 0 {
		return nil
	}
	records, err := crm.integrationRecords(ctx)
	if err != nil {
		return err
	}
	for _, l := range links {
		for _, typ := range l.names.Types {
			names := integrationByType(typ)
			r := findRecord(records, l.names.apiName(names.Stem), l.names.label(names.Label))
			if r == nil {
				continue
			}
			want := &integrationBody{Connection: l.addr, Type: typ, Status: r.word()}
			if !yield(resource.Found[integrationBody]{ID: r.ID, Body: integrationNow(l, want, r)}) {
				return nil
			}
		}
	}
	return nil
}

func (p *Provider) listPoints(ctx context.Context, env *resource.Env, crm *vault, yield lister[pointBody]) error {
	links := p.linksOf(env, crm)
	if len(links) == 0 {
		return nil
	}
	records, err := crm.pointRecords(ctx)
	if err != nil {
		return err
	}
	var parents []addrs.Instance
	for addr, o := range env.Refs {
		if o.Type == "integration" {
			parents = append(parents, addr)
		}
	}
	slices.SortFunc(parents, addrs.Instance.Compare)
	for _, addr := range parents {
		parent, _, err := resource.Ref[integrationBody](env, addr)
		if err != nil {
			return err
		}
		at := slices.IndexFunc(links, func(l *link) bool { return l.addr == parent.Connection })
		if at < 0 {
			continue
		}
		for i := range points {
			names := &points[i]
			if names.Integration != parent.Type {
				continue
			}
			l := &pointLink{link: links[at], parent: parent, names: names}
			r := findRecord(records, l.api(), l.link.names.label(names.Label))
			if r == nil {
				continue
			}
			want := &pointBody{Integration: addr, Name: names.Name, Status: r.word()}
			now, err := pointNow(ctx, l, want, r)
			if err != nil {
				return err
			}
			if !yield(resource.Found[pointBody]{ID: r.ID, Body: now}) {
				return nil
			}
		}
	}
	return nil
}

// rulesOf are the rules of a connection; nil where it has none.
func rulesOf(l *link, rules func(*link) (*integrationRule, error)) (*integrationRule, error) {
	r, err := rules(l)
	if err != nil && contractError("", err).Kind == kindOf(vaultapi.NotFound) {
		return nil, nil
	}
	return r, err
}

func (p *Provider) listQueryRules(ctx context.Context, env *resource.Env, crm *vault, yield lister[queryRuleBody]) error {
	rules := rulesCache(ctx)
	for _, l := range p.linksOf(env, crm) {
		r, err := rulesOf(l, rules)
		if err != nil {
			return err
		}
		if r == nil {
			continue
		}
		for i := range r.QueryRules {
			q := &r.QueryRules[i]
			f := resource.Found[queryRuleBody]{ID: l.names.Rule + "." + q.Name}
			if q == r.approvedOnly() {
				f.Body = queryRuleNow(l, &queryRuleBody{Connection: l.addr}, q)
			} else {
				f.Left = "accord manages the one query rule that lets only steady-state content through (RULE-4)"
			}
			if !yield(f) {
				return nil
			}
		}
	}
	return nil
}

// listFieldRules finds the custom rules, and tells of those of the platform
// itself, which are not changed.
func (p *Provider) listFieldRules(ctx context.Context, env *resource.Env, crm *vault, yield lister[fieldRuleBody]) error {
	rules := rulesCache(ctx)
	for _, l := range p.linksOf(env, crm) {
		r, err := rulesOf(l, rules)
		if err != nil {
			return err
		}
		if r == nil {
			continue
		}
		for i := range r.FieldRules {
			f := &r.FieldRules[i]
			found := resource.Found[fieldRuleBody]{ID: l.names.Rule + "." + f.Name}
			switch {
			case !strings.HasSuffix(f.Name, "__c"), slices.Contains(fixedTargets, f.TargetField):
				found.Left = "a rule of the platform itself, which is not changed (RULE-1)"
			case !bool(f.Active):
				found.Left = "it is inactive, and a block would activate it"
			case f.QueryField == "", f.TargetField == "":
				found.Left = "it does not map one field to another"
			case r.byPairOfRule[[2]string{f.QueryField, f.TargetField}] != f:
				found.Left = "another rule maps the same fields"
			default:
				found.Body = fieldRuleNow(&fieldRuleBody{Connection: l.addr, Source: f.QueryField, Target: f.TargetField}, f)
			}
			if !yield(found) {
				return nil
			}
		}
	}
	return nil
}

// listPermissionSets finds the custom sets, with all that can be read of them
// in words of the language: a bundle that is granted whole by its name. It tells
// of the standard ones.
func (p *Provider) listPermissionSets(ctx context.Context, _ *resource.Env, v *vault, yield lister[permissionSetBody]) error {
	type component struct {
		Name string `json:"name"`
	}
	var all []component
	if err := v.reader.Configurations(ctx, "Permissionset", &all); err != nil {
		if errors.Is(err, vaultapi.NotFound) {
			return nil
		}
		return err
	}
	slices.SortFunc(all, func(a, b component) int { return strings.Compare(a.Name, b.Name) })
	var names []string
	for _, s := range all {
		if strings.HasSuffix(s.Name, "__c") {
			names = append(names, s.Name)
		} else if !yield(resource.Found[permissionSetBody]{ID: s.Name, Left: "a standard permission set, which is not changed (PERM-4)"}) {
			return nil
		}
	}
	const atOnce = 8
	for batch := range slices.Chunk(names, atOnce) {
		found := make([]*resource.Found[permissionSetBody], len(batch))
		errs := make([]error, len(batch))
		var group sync.WaitGroup
		for n, name := range batch {
			group.Go(func() { found[n], errs[n] = p.describePermissionSet(ctx, v, name) })
		}
		group.Wait()
		if err := errors.Join(errs...); err != nil {
			return err
		}
		for _, f := range found {
			if f != nil && !yield(*f) {
				return nil
			}
		}
	}
	return nil
}

func (p *Provider) describePermissionSet(ctx context.Context, v *vault, name string) (*resource.Found[permissionSetBody], error) {
	set, err := v.permissionSet(ctx, name)
	if err != nil || set == nil {
		return nil, err
	}
	live := set.grants()
	body := &permissionSetBody{Vault: v.addr, Name: name}
	for _, b := range bundles {
		candidate := &permissionSetBody{Bundles: []string{b.Name}}
		own, unknown, err := v.objectNames(ctx, candidate)
		if err != nil {
			return nil, err
		}
		if wanted := grantsOf(candidate, own); len(unknown) == 0 && live.allowsAll(wanted) {
			body.Bundles = append(body.Bundles, b.Name)
		}
	}
	own, _, err := v.objectNames(ctx, body)
	if err != nil {
		return nil, err
	}
	said := grantsOf(body, own)
	for _, g := range live.sorted() {
		if said.allows(g) {
			continue
		}
		ok, err := v.knowsGrant(ctx, g)
		if err != nil {
			return nil, err
		}
		if ok {
			body.add(g)
		}
	}
	if own, _, err = v.objectNames(ctx, body); err != nil {
		return nil, err
	}
	now := project(body, live, own)
	label := set.label()
	now.Label = &label
	return &resource.Found[permissionSetBody]{ID: name, Body: now}, nil
}

// allowsAll reports whether everything is granted, in whatever words.
func (s grants) allowsAll(wanted grants) bool {
	for g := range wanted {
		if !s.allows(g) {
			return false
		}
	}
	return true
}

// knowsGrant reports whether a block can speak of what a grant is about: the
// object is there, and the field.
func (v *vault) knowsGrant(ctx context.Context, g grant) (bool, error) {
	if g.Kind == grantAction {
		return true, nil
	}
	object, rest, _ := strings.Cut(g.Name, ".")
	def, err := v.object(ctx, object)
	switch {
	case errors.Is(err, vaultapi.NotFound):
		return false, nil
	case err != nil:
		return false, err
	case g.Kind != grantField || rest == allFields:
		return true, nil
	}
	_, err = def.Field(rest)
	return err == nil, nil
}

// add says one more grant in the words of the language.
func (b *permissionSetBody) add(g grant) {
	if g.Kind == grantAction {
		b.VaultActions = append(b.VaultActions, strings.TrimSuffix(g.Name, "__v"))
		return
	}
	name, rest, _ := strings.Cut(g.Name, ".")
	if b.Object == nil {
		b.Object = map[string]objectPermissions{}
	}
	o := b.Object[name]
	switch g.Kind {
	case grantObject:
		o.Permissions = append(o.Permissions, g.Verb)
	case grantType:
		if o.Type == nil {
			o.Type = map[string]objectTypeRights{}
		}
		o.Type[rest] = objectTypeRights{append(o.Type[rest].Permissions, g.Verb)}
	case grantField:
		if o.Field == nil {
			o.Field = map[string]fieldRight{}
		}
		if rest == allFields {
			rest = "*"
		}
		if o.Field[rest].Permission != "edit" {
			o.Field[rest] = fieldRight{g.Verb}
		}
	}
	b.Object[name] = o
}
