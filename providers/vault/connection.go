package vault

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
	"accord/providers/resource"
)

// connectionBody is the block `connection`.
type connectionBody struct {
	Type           string         `json:"type" schema:"required,replace" oneof:"promomats_crm medical_crm" doc:"Which of the two standard connections it is (CONN-1)."`
	Content        addrs.Instance `json:"content" schema:"required,replace" refers:"vault" doc:"The content vault."`
	CRM            addrs.Instance `json:"crm" schema:"required,replace" refers:"vault" doc:"The CRM vault."`
	ContentAPIName *string        `json:"content_api_name" schema:"computed" doc:"API name of the connection in the content vault, where it is a duplicate; left out, it is the one whose remote vault is crm."`

	CRMAPIName  string   `json:"crm_api_name" schema:"readonly" doc:"API name of the connection in the CRM vault."`
	ContentUser string   `json:"content_user" schema:"volatile" doc:"Id of the connection's authorized user in the content vault (PERM-5)."`
	CRMUser     string   `json:"crm_user" schema:"volatile" doc:"The same in the CRM vault."`
	Pending     []string `json:"pending" schema:"volatile" doc:"The vaults whose administrators have not approved it yet."`
	State       string   `json:"state" schema:"readonly" doc:"active, or pending while one of the two sides has not approved it."`
}

// States of a connection.
const (
	connectionActive  = "active"
	connectionPending = "pending"
)

func (p *Provider) connectionType() resource.Resource {
	return resource.Type[connectionBody]{
		Name:     "connection",
		Doc:      "A connection that is there, between a content vault and a CRM vault. accord neither makes nor approves connections; it makes sure that this one is established before anything under it is activated (CONN-7).",
		Identity: []string{"type", "content", "crm"},
		Removal:  schema.Forget,
		Validate: validateConnections,
		Read:     p.readConnections,
		List:     listing(p, p.listConnections),
		Plan:     p.planConnections,
		Create:   p.confirmConnections,
		Update:   p.confirmConnections,
	}
}

func validateConnections(env *resource.Env, items []*resource.Item[connectionBody]) {
	type pair struct {
		typ          string
		content, crm addrs.Instance
	}
	type side struct {
		typ string
		crm addrs.Instance
	}
	seen, taken := map[pair]addrs.Instance{}, map[side]addrs.Instance{}
	for _, i := range items {
		names := connectionByType(i.Want.Type)
		if names == nil || i.IsUnknown("/content") || i.IsUnknown("/crm") {
			continue
		}
		possible := true
		for _, end := range []struct {
			at   addrs.Path
			addr addrs.Instance
			kind string
		}{{"/content", i.Want.Content, names.ContentKind}, {"/crm", i.Want.CRM, kindCRM}} {
			v, _, err := resource.Ref[instanceBody](env, end.addr)
			if err == nil && v.Kind != end.kind {
				i.Refuse("CONN-1", end.at, fmt.Sprintf("%s is a %s vault, and a %s connection has a %s vault here", end.addr, v.Kind, names.Type, end.kind),
					fmt.Sprintf("Name a %s vault, or write the other type of connection.", end.kind))
				possible = false
			}
		}
		if !possible {
			continue
		}
		at := pair{names.Type, i.Want.Content, i.Want.CRM}
		if other, double := seen[at]; double {
			i.Refuse("CONN-1", "", fmt.Sprintf("%s and %s are the same connection", other, i.Addr), "Take one of them out.")
			continue
		}
		seen[at] = i.Addr
		here := side{names.Type, i.Want.CRM}
		if other, double := taken[here]; double {
			i.Refuse("CONN-1", "/content", fmt.Sprintf("%s and %s are both the %s connection of %s, which has one", other, i.Addr, names.Type, i.Want.CRM),
				"A content vault can be tied to many CRM vaults, and a CRM vault to one content vault of each kind. Take one of them out.")
		}
		taken[here] = i.Addr
	}
}

// connectionRecord is a connection__sys record of one side.
type connectionRecord struct {
	ID     string
	API    string
	Remote string // vault id, "" before the other side is known
	Active bool
	User   string // id of the authorized user
}

// connectionRecords reads all connections of a vault, in one query.
func (v *vault) connectionRecords(ctx context.Context) ([]connectionRecord, error) {
	rows, err := v.caller().all(ctx, "SELECT id, api_name__sys, remote_vault_id__sys, status__v, state__v, authorized_connection_user__sys FROM "+objConnection)
	if err != nil {
		return nil, err
	}
	list := make([]connectionRecord, len(rows))
	for n, r := range rows {
		state := r.one("state__v")
		list[n] = connectionRecord{
			ID: r.text("id"), API: r.text("api_name__sys"), Remote: r.text("remote_vault_id__sys"),
			User:   r.one("authorized_connection_user__sys"),
			Active: r.one("status__v") == "active__v" && !strings.HasPrefix(state, "pending"),
		}
	}
	v.sawConnections(list)
	v.tied.keep(objConnection, list)
	return list, nil
}

// contentSide finds a connection in the content vault (CONN-1): the declared
// one, else the one whose remote vault is the CRM vault. Nil: none is.
func contentSide(records []connectionRecord, names *connectionNames, declared string, crm int64) (*connectionRecord, error) {
	remote := strconv.FormatInt(crm, 10)
	var found []connectionRecord
	for _, r := range records {
		switch {
		case declared != "" && r.API == declared:
			if r.Remote != "" && r.Remote != remote {
				return nil, providers.Errorf(providers.Invalid, "the connection %s of the content vault is with vault %s, not with vault %d", declared, r.Remote, crm)
			}
			return &r, nil
		case declared == "" && r.Remote == remote && strings.HasPrefix(r.API, names.Type+"_"):
			found = append(found, r)
		}
	}
	switch {
	case len(found) == 1:
		return &found[0], nil
	case len(found) > 1:
		var api []string
		for _, r := range found {
			api = append(api, r.API)
		}
		slices.Sort(api)
		return nil, providers.Errorf(providers.Invalid, "several connections of the content vault lead to vault %d: %s; write content_api_name", crm, strings.Join(api, ", "))
	}
	return nil, nil
}

// crmSide finds a connection in the CRM vault. Nil: it is not there.
func crmSide(records []connectionRecord, names *connectionNames, content int64) (*connectionRecord, error) {
	remote := strconv.FormatInt(content, 10)
	for _, r := range records {
		if r.API != names.APIName {
			continue
		}
		if r.Remote != "" && r.Remote != remote {
			return nil, providers.Errorf(providers.Invalid, "the connection %s of the CRM vault is with vault %s, not with vault %d", r.API, r.Remote, content)
		}
		return &r, nil
	}
	return nil, nil
}

// sides are both records of a connection; either may be nil.
type sides struct{ content, crm *connectionRecord }

// pending names those who have not approved the connection yet.
func (s sides) pending(body *connectionBody) []string {
	var who []string
	for _, side := range []struct {
		record *connectionRecord
		addr   addrs.Instance
	}{{s.content, body.Content}, {s.crm, body.CRM}} {
		if side.record == nil || side.record.Remote == "" || !side.record.Active {
			who = append(who, side.addr.String())
		}
	}
	return who
}

func (p *Provider) readConnections(ctx context.Context, env *resource.Env, items []*resource.Item[connectionBody]) {
	records := p.connectionCache(ctx)
	resource.Each(atOnce, func(ctx context.Context, env *resource.Env, i *resource.Item[connectionBody]) {
		if i.Want.Type == "" { // by id alone
			switch f, err := p.connectionWithID(i.ID, records); {
			case err != nil:
				i.Fail(err)
			case f == nil:
				i.Missing()
			default:
				i.Found(f.ID, f.Body)
			}
			return
		}
		s, err := p.sides(i.Want, records)
		switch {
		case err != nil:
			i.Fail(err)
		case s.crm == nil:
			i.Missing()
		default:
			now := s.body(i.Want)
			i.Found(s.crm.ID, now)
			at, record := i.Want.CRM, s.crm
			if s.content != nil && len(now.Pending) > 0 && !slices.Contains(now.Pending, at.String()) {
				at, record = i.Want.Content, s.content // it was taken back on that side
			}
			if v, err := p.vault(at); err == nil {
				touch(ctx, env, i, v, objConnection, record.ID)
			}
		}
	})(ctx, env, items)
}

func (s sides) body(want *connectionBody) connectionBody {
	now := connectionBody{Type: want.Type, Content: want.Content, CRM: want.CRM, CRMAPIName: s.crm.API, CRMUser: s.crm.User, State: connectionActive, Pending: s.pending(want)}
	if s.content != nil {
		now.ContentUser = s.content.User
		now.ContentAPIName = &s.content.API
	}
	if len(now.Pending) > 0 {
		now.State = connectionPending
	}
	return now
}

// connectionRecords finds a vault with its connections.
type connectionRecords func(addrs.Instance) (*vault, []connectionRecord, error)

// connectionsLately goes by what was read a moment ago, as it is for what was
// read to be planned.
func (p *Provider) connectionsLately(ctx context.Context) connectionRecords {
	read := p.connectionCache(ctx)
	return func(addr addrs.Instance) (*vault, []connectionRecord, error) {
		if v, err := p.vault(addr); err == nil {
			if list, ok := v.tied.get(objConnection); ok {
				return v, list, nil
			}
		}
		return read(addr)
	}
}

// connectionCache reads each vault's connections once.
func (p *Provider) connectionCache(ctx context.Context) connectionRecords {
	records := cached(func(v *vault) ([]connectionRecord, error) { return v.connectionRecords(ctx) })
	return func(addr addrs.Instance) (*vault, []connectionRecord, error) {
		v, err := p.vault(addr)
		if err != nil {
			return nil, nil, err
		}
		list, err := records(v)
		if err != nil {
			return nil, nil, contractError("read connections of "+addr.String(), err)
		}
		return v, list, nil
	}
}

func (p *Provider) sides(body *connectionBody, records connectionRecords) (sides, error) {
	names := connectionByType(body.Type)
	if names == nil {
		return sides{}, providers.Errorf(providers.Invalid, "there is no connection type %q", body.Type)
	}
	var content, crm *vault
	var contentRecords, crmRecords []connectionRecord
	var ofContent, ofCRM error
	var both sync.WaitGroup
	both.Go(func() { content, contentRecords, ofContent = records(body.Content) })
	both.Go(func() { crm, crmRecords, ofCRM = records(body.CRM) })
	both.Wait()
	err := cmp.Or(ofContent, ofCRM)
	if err != nil {
		return sides{}, err
	}
	var s sides
	if s.crm, err = crmSide(crmRecords, names, content.id); err != nil {
		return s, err
	}
	declared := ""
	if body.ContentAPIName != nil {
		declared = *body.ContentAPIName
	}
	s.content, err = contentSide(contentRecords, names, declared, crm.id)
	return s, err
}

func (p *Provider) planConnections(ctx context.Context, env *resource.Env, changes []*resource.Change[connectionBody]) {
	records := p.connectionsLately(ctx)
	for _, c := range changes {
		if c.Desired == nil {
			continue
		}
		content, err := p.vault(c.Desired.Content)
		if err != nil {
			c.Fail(err)
			continue
		}
		crm, err := p.vault(c.Desired.CRM)
		if err != nil {
			c.Fail(err)
			continue
		}
		if problem := mayConnect(content, crm); problem != "" {
			c.Refuse("CONN-2", "", problem, "A connection needs two vaults of one domain, or a production vault and a sandbox.")
			continue
		}
		s, err := p.sides(c.Desired, records)
		if err != nil {
			c.Refuse("CONN-1", "", err.Error(), "")
			continue
		}
		if who := s.pending(c.Desired); len(who) > 0 {
			c.Diagnose(refused(notEstablished(addrs.Instance{}, connectionByType(c.Desired.Type), who)))
		}
	}
}

// notEstablished is CONN-7.
func notEstablished(addr addrs.Instance, names *connectionNames, who []string) providers.Diagnostic {
	return providers.Diagnostic{
		Code: "CONN-7", Addr: addr, Summary: fmt.Sprintf("The connection %s is not established: pending in %s", names.APIName, strings.Join(who, " and ")),
		Detail: "An administrator of each of these vaults must establish the connection under Admin > Connections. accord does not approve connections.",
	}
}

// mayConnect is CONN-2; "" when the two may be tied. What cannot be proven is
// not held against it here: CONN-3 judges each point by it.
func mayConnect(content, crm *vault) string {
	if content.domain == "" || crm.domain == "" || content.domain == crm.domain {
		return ""
	}
	one, other := content.environment, crm.environment
	if one == unproven || other == unproven || one != other {
		return ""
	}
	return fmt.Sprintf("%s (domain %s) and %s (domain %s) are both %s vaults, of different domains", content.addr, content.domain, crm.addr, crm.domain, one)
}

// confirmConnections writes nothing: the plan has made sure that the
// connection is there.
func (p *Provider) confirmConnections(ctx context.Context, env *resource.Env, changes []*resource.Change[connectionBody]) {
	records := p.connectionCache(ctx)
	for _, c := range changes {
		s, err := p.sides(c.Planned, records)
		switch {
		case err != nil:
			c.Fail(err)
		case s.crm == nil:
			c.Fail(providers.Errorf(providers.NotFound, "the connection is not there any more"))
		default:
			c.Done(s.crm.ID, s.body(c.Planned))
		}
	}
}

// link is a connection with both vaults, as everything below it needs it.
type link struct {
	addr         addrs.Instance
	names        *connectionNames
	content, crm *vault
}

// link resolves a connection's address.
func (p *Provider) link(env *resource.Env, addr addrs.Instance) (*link, error) {
	body, _, err := resource.Ref[connectionBody](env, addr)
	if err != nil {
		return nil, err
	}
	return p.linkOf(addr, body)
}

func (p *Provider) linkOf(addr addrs.Instance, body *connectionBody) (*link, error) {
	names := connectionByType(body.Type)
	if names == nil {
		return nil, providers.Errorf(providers.Invalid, "%s has no type", addr)
	}
	content, err := p.vault(body.Content)
	if err != nil {
		return nil, err
	}
	crm, err := p.vault(body.CRM)
	if err != nil {
		return nil, err
	}
	return &link{addr: addr, names: names, content: content, crm: crm}, nil
}

// mayFlow is CONN-3: whether data may go from one vault to another. What
// cannot be proven counts as sandbox when read from, as production when
// written to.
func mayFlow(from, to *vault) bool {
	return from.environment == production || to.environment == sandbox
}

// flows are the directions of a point's data: from where to where.
func (l *link) flows(direction string) [][2]*vault {
	switch direction {
	case "crm":
		return [][2]*vault{{l.content, l.crm}}
	case "content":
		return [][2]*vault{{l.crm, l.content}}
	}
	return [][2]*vault{{l.content, l.crm}, {l.crm, l.content}}
}

// forbidden says which vaults CONN-3 keeps apart, "" when none.
func (l *link) forbidden(direction string) string {
	for _, f := range l.flows(direction) {
		if !mayFlow(f[0], f[1]) {
			return fmt.Sprintf("from %s (%s) to %s (%s)", f[0].addr, f[0].environment, f[1].addr, f[1].environment)
		}
	}
	return ""
}

// unfiltered reports whether the country filter cannot be kept as records in
// the content vault: the CRM vault is a sandbox of a production content vault
// (CONN-3).
func (l *link) unfiltered() bool { return !mayFlow(l.crm, l.content) }
