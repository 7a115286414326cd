package vault

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
	"accord/providers/resource"
)

// integrationBody is the block `integration`.
type integrationBody struct {
	Connection addrs.Instance `json:"connection" schema:"required,replace" refers:"connection" doc:"The connection it belongs to."`
	Type       string         `json:"type" schema:"required,replace" oneof:"clm country records content_metrics approved_email document_transfer" doc:"Which integration of the connection; on medical_crm only clm and country (CONN-5)."`
	Status     string         `json:"status" schema:"required" oneof:"active inactive" doc:"Both the integration and its point must be active for a run to happen (INT-3)."`
	Engine     *string        `json:"engine" schema:"computed,local" oneof:"platform accord" doc:"As on integration_point: with accord on a real vault, the platform's own integration stays inactive, and the status lives in the state (INT-7)."`

	Title          string `json:"title" schema:"readonly" doc:"The label in the vault."`
	PlatformStatus string `json:"platform_status" schema:"readonly" doc:"The status of the vault's own record."`
}

func (b *integrationBody) status() string { return b.Status }

func (p *Provider) integrationType() resource.Resource {
	return resource.Type[integrationBody]{
		Name:       "integration",
		Doc:        "A standard integration of a connection. It is there from the start and inactive; it can be neither made nor deleted, only activated and deactivated (INT-4).",
		Identity:   []string{"connection", "type"},
		Removal:    schema.Deactivate,
		Validate:   validateIntegrations,
		Read:       p.readIntegrations,
		AsRecorded: true, // whose engine it is, and with accord's whether it is active (INT-7)
		List:       listing(p, p.listIntegrations),
		Plan:       p.planIntegrations,
		Create:     p.writeIntegrations,
		Update:     p.writeIntegrations,
		Remove:     p.writeIntegrations,
	}
}

func validateIntegrations(env *resource.Env, items []*resource.Item[integrationBody]) {
	type key struct {
		connection addrs.Instance
		typ        string
	}
	seen := map[key]addrs.Instance{}
	for _, i := range items {
		connection, _, err := resource.Ref[connectionBody](env, i.Want.Connection)
		if err == nil {
			if names := connectionByType(connection.Type); names != nil && !slices.Contains(names.Types, i.Want.Type) && !i.IsUnknown("/type") {
				i.Refuse("CONN-5", "/type", fmt.Sprintf("A %s connection has no %s integration", names.Type, i.Want.Type),
					"It has "+strings.Join(names.Types, " and ")+".")
			}
		}
		k := key{i.Want.Connection, i.Want.Type}
		if other, double := seen[k]; double {
			i.Refuse("", "/type", fmt.Sprintf("%s and %s are the same integration", other, i.Addr), "Take one of them out.")
		}
		seen[k] = i.Addr
	}
}

// findIntegration finds the record of an integration block.
func (p *Provider) findIntegration(env *resource.Env, body *integrationBody, records func(*vault) ([]statusRecord, error)) (*link, *statusRecord, error) {
	l, err := p.link(env, body.Connection)
	if err != nil {
		return nil, nil, err
	}
	names := integrationByType(body.Type)
	if names == nil {
		return nil, nil, providers.Errorf(providers.Invalid, "there is no integration type %q", body.Type)
	}
	list, err := records(l.crm)
	if err != nil {
		return nil, nil, contractError("read integrations of "+l.crm.addr.String(), err)
	}
	return l, findRecord(list, l.names.apiName(names.Stem), l.names.label(names.Label)), nil
}

func (p *Provider) readIntegrations(ctx context.Context, env *resource.Env, items []*resource.Item[integrationBody]) {
	records := cached(func(v *vault) ([]statusRecord, error) { return v.integrationRecords(ctx) })
	resource.Each(atOnce, func(ctx context.Context, env *resource.Env, i *resource.Item[integrationBody]) {
		l, r, err := p.findIntegration(env, i.Want, records)
		switch {
		case err != nil:
			i.Fail(err)
		case r == nil:
			i.Missing()
		default:
			i.Found(r.ID, integrationNow(l, i.Want, r))
			touch(ctx, env, i, l.crm, objIntegration, r.ID)
		}
	})(ctx, env, items)
}

func integrationNow(l *link, want *integrationBody, r *statusRecord) integrationBody {
	now := *want
	now.Status, now.PlatformStatus, now.Title = r.word(), r.word(), r.Name
	if !inVault(l, engineOf(l, want.Engine)) {
		now.Status = want.Status // what counts is in the state (INT-7)
	}
	return now
}

// engineOf is the engine of a point or integration: as written, else by where
// the vault is (INT-7).
func engineOf(l *link, written *string) string {
	switch {
	case written != nil && *written != "":
		return *written
	case l.crm.dev:
		return providers.EngineAccord
	}
	return providers.EnginePlatform
}

// inVault reports whether a status is that of the vault's own record. With
// engine accord on a real vault it is not: the platform's stays inactive.
func inVault(l *link, engine string) bool { return engine == providers.EnginePlatform || l.crm.dev }

func (p *Provider) planIntegrations(ctx context.Context, env *resource.Env, changes []*resource.Change[integrationBody]) {
	around := neighbours(env)
	going := map[addrs.Instance][]*resource.Change[integrationBody]{}
	for _, c := range changes {
		if leaving(c, (*integrationBody).status) {
			going[c.Recorded.Connection] = append(going[c.Recorded.Connection], c)
		}
	}
	for _, c := range changes {
		// CTRY-12, the other way round.
		if leaving(c, (*integrationBody).status) && c.Recorded.Type == "country" {
			for _, other := range going[c.Recorded.Connection] {
				if other.Recorded.Type == "clm" {
					c.AfterStep(providers.Ref{Addr: other.Addr})
				}
			}
		}
		if c.Desired == nil {
			if c.Removal == schema.Deactivate && c.Live != nil && c.Live.Status == active {
				c.Consequence("deactivate %s; what it published stays as it is", c.Live.Title)
			}
			continue
		}
		l, err := p.link(env, c.Desired.Connection)
		if err != nil {
			c.Fail(err)
			continue
		}
		if was := c.Recorded; was != nil && was.Type != c.Desired.Type {
			c.Diagnose(otherStandard("/type", c.Addr, was.Type, c.Desired.Type))
			continue
		}
		engine := engineOf(l, c.Desired.Engine)
		c.Set("engine", engine)
		if inVault(l, engine) {
			c.Set("platform_status", c.Desired.Status)
		}
		if c.Live == nil {
			c.Refuse("INT-4", "/type", fmt.Sprintf("%s has no %q", c.Desired.Connection, l.names.label(integrationByType(c.Desired.Type).Label)),
				"The standard integrations come with the connection and cannot be made. Ask the vendor to enable it in "+l.crm.addr.String()+".")
			continue
		}
		if !inVault(l, engine) && c.Live.PlatformStatus == active {
			c.Diagnose(bothEngines(c.Live.Title, l.crm))
		}
		if c.Desired.Status == inactive && c.Live.Status == active {
			consequenceForPoints(ctx, env, l, c, around.at(c.Desired.Connection).points)
		}
		// CTRY-12: country comes first, down to its records.
		if c.Desired.Type == "clm" || c.Desired.Type == "approved_email" {
			for _, point := range around.at(c.Desired.Connection).countryPoints {
				c.AfterStep(providers.Ref{Addr: point})
				c.AfterStep(providers.Ref{Addr: point, Sync: true})
			}
		}
		if c.Desired.Type == "country" {
			for _, filter := range around.at(c.Desired.Connection).filters {
				c.AfterStep(providers.Ref{Addr: filter})
			}
		}
	}
}

// consequenceForPoints is INT-4 of the points that stay active under an integration
// that does not: they run no more, and their content stays.
func consequenceForPoints(ctx context.Context, env *resource.Env, l *link, c *resource.Change[integrationBody], points []addrs.Instance) {
	for _, addr := range points {
		b, _, err := resource.Ref[pointBody](env, addr)
		if err != nil || b.Integration != c.Addr || b.Status != active {
			continue
		}
		point := &pointLink{link: l, parent: c.Desired, names: pointByName(b.Name)}
		if point.names == nil {
			continue
		}
		title := l.names.label(point.names.Label)
		if point.names.Model == "" {
			c.Consequence("%s: its runs stop (INT-3)", title)
			continue
		}
		c.Consequence("%s: its runs stop (INT-3); %s", title, point.stays(ctx))
	}
}

func bothEngines(title string, crm *vault) providers.Diagnostic {
	return refused(providers.Diagnostic{
		Code: "INT-7", Path: "/engine",
		Summary: fmt.Sprintf("The platform's own engine runs %q in %s", title, crm.addr),
		Detail:  `With engine = "accord" the platform's own integration and point must be inactive: both at once would write the same content. Deactivate them in the vault, or write engine = "platform".`,
	})
}

// besideStandIn is bothEngines on the development server, where the status in
// the vault is accord's too.
func besideStandIn(title string, crm *vault) providers.Diagnostic {
	return refused(providers.Diagnostic{
		Code: "INT-7", Path: "/engine",
		Summary: fmt.Sprintf("A stand-in of the platform's own engine runs %q in %s", title, crm.addr),
		Detail:  `With engine = "accord" both at once would write the same content. Switch the stand-in off (start accord dev without -engine for this vault), or write engine = "platform".`,
	})
}

// otherStandard is INT-4: a standard integration or point takes the place of no other.
// What is remembered of runs under a block's name is of the one that it meant, and a
// plan that deactivates that one says what it published and leaves.
func otherStandard(at addrs.Path, block addrs.Instance, was, is string) providers.Diagnostic {
	return refused(providers.Diagnostic{
		Code: "INT-4", Path: at, Summary: fmt.Sprintf("%s is %s, and does not become %s", block, was, is),
		Detail: fmt.Sprintf("Standard integrations and points are not replaced by each other. Give the block of %s another name: then %s is deactivated, and the plan says what it published and leaves as it is.", is, was),
	})
}

func (p *Provider) writeIntegrations(ctx context.Context, env *resource.Env, changes []*resource.Change[integrationBody]) {
	records := cached(func(v *vault) ([]statusRecord, error) { return v.integrationRecords(ctx) })
	w := statusWriter{object: objIntegration}
	for _, c := range changes {
		body := c.Subject()
		l, r, err := p.findIntegration(env, body, records)
		if noRecord(c, r, err, "the integration") {
			continue
		}
		now := *body
		now.Title = r.Name
		if c.Action == providers.Remove {
			now.Status = inactive
		}
		done := func(platform string) {
			now.PlatformStatus = platform
			if c.Action == providers.Remove {
				c.Gone()
			} else {
				c.Done(r.ID, now)
			}
		}
		if !inVault(l, engineOf(l, body.Engine)) {
			done(r.word())
			continue
		}
		w.add(l.crm, r, now.Status, func() { done(now.Status) }, c.Fail)
	}
	w.write(ctx)
}
