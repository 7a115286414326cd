package vault

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/resource"
	"accord/providers/vaultapi"
)

// preflight is what must hold before a run begins (PERM-5, CTRY-13). It is made
// with the sync; what it says of users is asked only when a run is due.
type preflight struct {
	Connection string                 `json:"connection"`
	Known      []providers.Diagnostic `json:"known,omitempty"` // what is known to be wrong
	Subjects   []subject              `json:"subjects,omitempty"`
}

// subject is somebody who must have rights in one vault, for a run.
type subject struct {
	Needs []string       `json:"needs,omitempty"`
	User  string         `json:"user,omitempty"` // id; "": who accord logs in as
	Vault addrs.Instance `json:"vault"`
}

// preflight says what a run of a point needs: no more than follows from the
// configuration.
func (s *syncMaker) preflight(point *syncPoint, sync *providers.Sync) *preflight {
	l := point.link
	p := &preflight{Connection: l.addr.String()}
	content, crm := s.needsOf(point, sync)
	login := sync.Engine == providers.EngineAccord
	ownContent, ownCRM := s.loginNeeds(point, sync)
	p.Subjects = append(p.Subjects, subject{Vault: l.content.addr, Needs: ownContent.strings()}, subject{Vault: l.crm.addr, Needs: ownCRM.strings()})
	if o := s.live[l.addr]; o != nil {
		var now connectionBody
		if o.Decode(&now) == nil {
			for _, side := range []struct {
				vault *vault
				user  string
				needs grants
			}{{l.content, now.ContentUser, content}, {l.crm, now.CRMUser, crm}} {
				if side.user == "" {
					continue
				}
				who := subject{Vault: side.vault.addr, User: side.user}
				if !login { // it is who moves the content
					who.Needs = side.needs.strings()
				}
				p.Subjects = append(p.Subjects, who)
			}
		}
	}
	p.Known = append(p.Known, s.lackingSets(l, point.parent.Type)...)
	return p
}

// loginNeeds are the rights that whoever accord logs in as needs in both vaults. Where
// the platform's engine moves the content, that is to forecast and to follow it: to
// read (INT-7). No more is asked of a user of commands that only read.
func (s *syncMaker) loginNeeds(p *syncPoint, sync *providers.Sync) (content, crm grants) {
	content, crm = s.needsOf(p, sync)
	platform := sync.Engine == providers.EnginePlatform
	if platform || p.link.content.looks {
		content = content.reads()
	}
	if platform || p.link.crm.looks {
		crm = crm.reads()
	}
	if !platform {
		return content, crm
	}
	told := crm
	if p.names.Model == "" {
		told = content
	}
	for _, object := range []string{exceptionNames.message, exceptionNames.item} {
		told[grant{grantObject, object, "read"}] = true
	}
	return content, crm
}

// needsOf are the rights in both vaults that moving content through a point
// takes.
func (s *syncMaker) needsOf(p *syncPoint, sync *providers.Sync) (content, crm grants) {
	content, crm = newGrants(manageIntegrations[0]), newGrants(manageIntegrations...)
	read := func(to grants, object string) { to[grant{grantObject, object, "read"}] = true }
	read(content, objCountry)
	read(crm, objSettings)
	told := crm // ERR-4: where what fails is told
	if p.names.Model == "" {
		told = content
	}
	if sync.Engine == providers.EngineAccord {
		for _, object := range []string{exceptionNames.message, exceptionNames.item} {
			for _, verb := range []string{"read", "create", "edit"} {
				told[grant{grantObject, object, verb}] = true
			}
		}
	}
	if p.names.Model == "" {
		for _, g := range every(grantObject, objConnectionCountry) {
			content[g] = true
		}
		return content, crm
	}
	read(content, objProduct)
	if sync.Route.Table != nil {
		read(content, objConnectionCountry)
	}
	if sync.Target.Stream == streamCLMObjects {
		for _, object := range []string{objPresentation, objKeyMessage, objMemberOf} {
			for _, verb := range []string{"read", "create", "edit"} {
				crm[grant{grantObject, object, verb}] = true
			}
		}
	}
	for _, r := range sync.Rules {
		if r.Reference == nil || r.Reference.Object == "" {
			continue
		}
		read(crm, r.Reference.Object)
		if object := s.refersTo(sourceField{p.link.content, r.From}); object != "" {
			read(content, object)
		}
	}
	return content, crm
}

// sourceField is a document field of a content vault.
type sourceField struct {
	vault *vault
	name  string
}

// bundleOf is which bundle of grants administers an integration (PERM-1..3).
var bundleOf = map[string]string{"clm": "clm_integration", "country": "country_integration"}

// adminSets are the permission sets that are declared for the administrators of an
// integration.
func (s *syncMaker) adminSets(l *link, integration string) (sets []addrs.Instance) {
	for _, addr := range s.types["permission_set"] {
		body, _, err := resource.Ref[permissionSetBody](s.after, addr)
		if err == nil && body.Vault == l.crm.addr && slices.Contains(body.Bundles, bundleOf[integration]) {
			sets = append(sets, addr)
		}
	}
	return sets
}

// lackingSets holds the permission sets of administrators against what they grant: as
// planned, where the plan changes them, else as they are.
func (s *syncMaker) lackingSets(l *link, integration string) []providers.Diagnostic {
	b := bundleByName(bundleOf[integration])
	var found []providers.Diagnostic
	for _, addr := range s.adminSets(l, integration) {
		body, _, err := resource.Ref[permissionSetBody](s.after, addr)
		if err != nil {
			continue
		}
		given := body.Grants
		before, _, err := resource.Ref[permissionSetBody](s.before, addr)
		if err == nil && slices.Equal(before.Grants, body.Grants) {
			var now permissionSetBody
			switch o := s.live[addr]; {
			case o == nil:
				found = append(found, lacking(addr, fmt.Sprintf("The permission set %s of %s is not there any more", body.Name, body.Vault), "accord apply makes it again; somebody has deleted it."))
				continue
			case o.Decode(&now) != nil:
				continue
			}
			given = now.Grants
		}
		if given == nil {
			continue
		}
		live, missing := parseGrants(given), grants{}
		for _, g := range b.Grants {
			if !live.allows(g) && !live.allows(g.renamed(otherName)) {
				missing[g] = true
			}
		}
		if len(missing) > 0 {
			found = append(found, lacking(addr, fmt.Sprintf("The permission set %s of %s lacks %s", body.Name, body.Vault, shortGrants(missing)),
				"accord apply grants it again; somebody has taken it away."))
		}
	}
	return found
}

func lacking(addr addrs.Instance, summary, detail string) providers.Diagnostic {
	return providers.Diagnostic{Severity: providers.SeverityWarning, Code: "PERM-5", Addr: addr, Summary: summary, Detail: detail + " Until then no run of this connection begins."}
}

// otherName is the other name that sources give an object.
func otherName(object string) string {
	for _, pair := range objectAliases {
		for n, name := range pair {
			if name == object {
				return pair[1-n]
			}
		}
	}
	return object
}

// obstacles reads the stream "preflight": everything that keeps a run from
// being made, at once.
func (p *Provider) obstacles(ctx context.Context, r *reading) (last providers.Batch, err error) {
	s, err := scopeOf(r.End)
	if err == nil && s.Preflight == nil {
		err = providers.Errorf(providers.Invalid, "the stream %s needs to be told what a run needs", r.End.Stream)
	}
	if err != nil {
		return last, err
	}
	type answer struct {
		lacks []providers.Diagnostic
		calls int
		err   error
	}
	answers := make([]answer, len(s.Preflight.Subjects))
	var asking sync.WaitGroup
	for n, who := range s.Preflight.Subjects {
		asking.Go(func() {
			a := &answers[n]
			at, err := p.vault(who.Vault)
			if a.err = err; err == nil {
				a.lacks, a.calls, a.err = at.lacks(ctx, who, s.Preflight.Connection)
			}
		})
	}
	asking.Wait()
	found := slices.Clone(s.Preflight.Known)
	calls := 0
	for n, a := range answers {
		if a.err != nil {
			return last, contractError("check permissions in "+s.Preflight.Subjects[n].Vault.String(), a.err)
		}
		found, calls = append(found, a.lacks...), calls+a.calls
	}
	now, err := r.v.now(ctx)
	if err != nil {
		return last, err
	}
	records := make([]providers.Record, 0, len(found))
	for n, d := range found {
		raw, err := json.Marshal(d)
		if err != nil {
			return last, err
		}
		records = append(records, providers.Record{Part: partObstacle, Key: fmt.Sprintf("%03d", n), Title: d.Summary, Standing: d.Code, Fields: raw})
	}
	return providers.Batch{Records: records, Horizon: now, Calls: calls}, nil
}

// lacks says what somebody may not do that a run needs.
func (v *vault) lacks(ctx context.Context, who subject, connection string) ([]providers.Diagnostic, int, error) {
	a, calls, err := v.accessOf(ctx, who.User)
	if err != nil || a.hidden {
		return nil, calls, err
	}
	name := a.loggedIn(v)
	if who.User != "" {
		name = fmt.Sprintf("The authorized user of %s in %s, %s,", connection, v.addr, cmp.Or(a.name, "user "+who.User))
	}
	at, err := addrs.ParseInstance(connection)
	if err != nil {
		at = v.addr
	}
	switch {
	case a.gone:
		return []providers.Diagnostic{lacking(at, name+" is not there any more", "Choose another user on the connection's record, under Admin > Connections.")}, calls, nil
	case a.inactive:
		return []providers.Diagnostic{lacking(at, name+" is inactive", "Activate the user, or choose another one on the connection's record, under Admin > Connections.")}, calls, nil
	case a.all:
		return nil, calls, nil
	}
	missing := grants{}
	for _, g := range parseGrants(who.Needs).sorted() {
		own, lacks, err := v.withheld(ctx, a, g)
		if err != nil {
			return nil, calls, err
		}
		if lacks {
			missing[own] = true
		}
	}
	if len(missing) == 0 {
		return nil, calls, nil
	}
	v.forgetAccess(who.User) // it is asked for again as soon as it was mended
	return []providers.Diagnostic{lacking(at, name+" may not: "+shortGrants(missing), v.howToGrant())}, calls, nil
}

// withheld reports whether a user lacks a right that a run needs, by the name
// that the vault has for it.
func (v *vault) withheld(ctx context.Context, a *userAccess, need grant) (own grant, lacks bool, err error) {
	own = need
	if need.Kind == grantObject {
		o, err := v.named(ctx, need.Name)
		switch {
		case errors.Is(err, vaultapi.NotFound):
			return own, false, nil // an object that is not there is an error of its own
		case err != nil && vaultapi.KindOf(err) != vaultapi.Permission:
			return own, false, err
		case err == nil:
			own.Name = o.Name
		}
	}
	return own, !a.allows(own), nil
}

func (a *userAccess) loggedIn(v *vault) string {
	return fmt.Sprintf("The user %s, as whom accord logs in to %s,", a.name, v.addr)
}

func (v *vault) howToGrant() string {
	return fmt.Sprintf("Grant it in %s, in a permission set of the user's security profile (Admin > Users & Groups > Permission Sets).", v.addr)
}

// named is an object by the name that a need gives it.
func (v *vault) named(ctx context.Context, object string) (*vaultapi.Object, error) {
	if object == objConnectionCountry {
		return v.connectionCountry(ctx)
	}
	return v.object(ctx, object)
}

// userAccess is what a user may do in a vault.
type userAccess struct {
	name     string
	all      bool // an administrator
	inactive bool
	gone     bool
	hidden   bool // who accord logs in as may not see it
	rights   map[string]vaultapi.Grants
	actions  bool // vault actions are among them
	asked    time.Time
}

// allows reports whether the user may do what g says; edit, create and delete
// imply read.
func (a *userAccess) allows(g grant) bool {
	if a.all {
		return true
	}
	if g.Kind == grantAction {
		return !a.actions || a.rights["vault_actions."+g.Name]["execute"]
	}
	rights := a.rights["object."+g.Name+".object_actions"]
	if g.Verb == "read" {
		return rights["read"] || rights["edit"] || rights["create"] || rights["delete"]
	}
	return rights[g.Verb]
}

// knownFor is how long what a user may do is believed: a run every few seconds
// does not ask every time.
const knownFor = 5 * time.Minute

// met keeps who accord logs in as, where that is an administrator: there is
// nothing else to ask.
func (v *vault) met(me vaultapi.User) {
	if slices.Contains(adminProfiles, me.SecurityProfile) {
		v.accesses.put("", &userAccess{name: me.Name, all: true, asked: time.Now()})
	}
}

func (v *vault) forgetAccess(user string) { v.accesses.forget(user) }

// accessOf asks what a user may do, once for all runs that begin together.
func (v *vault) accessOf(ctx context.Context, user string) (a *userAccess, calls int, err error) {
	for {
		a, err = v.accesses.get(user, func() (a *userAccess, err error) {
			a, calls, err = v.askAccess(ctx, user)
			return a, err
		})
		if err != nil {
			return nil, calls, err
		}
		fresh := time.Since(a.asked) < knownFor
		if !fresh || a.gone {
			v.accesses.forget(user)
		}
		if fresh {
			return a, calls, nil
		}
	}
}

func (v *vault) askAccess(ctx context.Context, user string) (*userAccess, int, error) {
	a := &userAccess{asked: time.Now(), rights: map[string]vaultapi.Grants{}}
	ask := func() (u vaultapi.User, err error) {
		if user == "" {
			return v.reader.Me(ctx)
		}
		return v.reader.User(ctx, vaultapi.ID(user))
	}
	u, err := ask()
	calls := 1
	switch kind := vaultapi.KindOf(err); {
	case err == nil:
	case user != "" && kind == vaultapi.NotFound:
		a.gone = true
		return a, calls, nil
	case user != "" && kind == vaultapi.Permission:
		a.hidden = true
	default:
		return nil, calls, err
	}
	a.name = u.Name
	a.inactive = !a.hidden && user != "" && !bool(u.Active)
	a.all = slices.Contains(adminProfiles, u.SecurityProfile)
	if !a.all && !a.hidden && !a.inactive {
		var list []vaultapi.UserPermission
		calls++
		if user == "" {
			list, err = v.reader.Permissions(ctx, "")
		} else {
			list, err = v.reader.UserPermissions(ctx, vaultapi.ID(user), "")
		}
		switch kind := vaultapi.KindOf(err); {
		case err == nil:
		case kind == vaultapi.Permission, kind == vaultapi.Invalid:
			a.hidden = true
		default:
			return nil, calls, err
		}
		for _, p := range list {
			a.rights[p.Name] = p.Grants
			a.actions = a.actions || strings.HasPrefix(p.Name, "vault_actions.")
		}
	}
	return a, calls, nil
}
