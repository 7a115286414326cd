package vault

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
	"accord/providers/resource"
)

// pointBody is the block `integration_point`.
type pointBody struct {
	Integration     addrs.Instance `json:"integration" schema:"required,replace" refers:"integration" doc:"The integration it belongs to."`
	Name            string         `json:"name" schema:"required,replace" doc:"Which point: clm_presentation, clm_object_model (CLM-10), clm_country, records, content_metrics, approved_email, document_transfer."`
	Status          string         `json:"status" schema:"required" oneof:"active inactive" doc:"An active point under an active integration asks for syncs (INT-3)."`
	Engine          *string        `json:"engine" schema:"computed,local" oneof:"platform accord" doc:"Who moves the content: the vault's own engine, or accord's. Left out: platform, and on the development server accord (INT-7)."`
	FullSyncTrigger *string        `json:"full_sync_trigger" schema:"local" doc:"A change from one text to another asks for one full sync; setting it first, or removing it, asks for nothing (INT-6)."`
	OnUnapproved    *string        `json:"on_unapproved" schema:"local" oneof:"keep withdraw" doc:"What happens to content that left the steady state without becoming obsolete, of a point that moves content. Left out: keep (CLM-1)."`

	Title                 string    `json:"title" schema:"readonly" doc:"The label in the vault."`
	PlatformStatus        string    `json:"platform_status" schema:"readonly" doc:"The status of the vault's own record."`
	LastRunTime           time.Time `json:"last_run_time" schema:"volatile" doc:"When it ran last (CLM-8)."`
	LastSuccessfulRunTime time.Time `json:"last_successful_run_time" schema:"volatile" doc:"When it ran last without errors (CLM-8)."`
}

func (b *pointBody) status() string { return b.Status }

// trigger is full_sync_trigger; "" where there is none.
func (b *pointBody) trigger() string {
	if b.FullSyncTrigger == nil {
		return ""
	}
	return *b.FullSyncTrigger
}

// unapproved is on_unapproved.
func (b *pointBody) unapproved() string {
	if b.OnUnapproved == nil {
		return "keep"
	}
	return *b.OnUnapproved
}

func (p *Provider) pointType() resource.Resource {
	return resource.Type[pointBody]{
		Name:       "integration_point",
		Doc:        "A standard integration point: what is active here is what syncs. It can be neither made nor deleted, only activated and deactivated (INT-4).",
		Identity:   []string{"integration", "name"},
		Removal:    schema.Deactivate,
		Validate:   validatePoints,
		Read:       p.readPoints,
		AsRecorded: true, // as of an integration (INT-7)
		List:       listing(p, p.listPoints),
		Plan:       p.planPoints,
		Create:     p.writePoints,
		Update:     p.writePoints,
		Remove:     p.writePoints,
	}
}

func validatePoints(env *resource.Env, items []*resource.Item[pointBody]) {
	type key struct {
		integration addrs.Instance
		name        string
	}
	seen := map[key]addrs.Instance{}
	for _, i := range items {
		if i.IsUnknown("/name") {
			continue
		}
		names := pointByName(i.Want.Name)
		parent, _, err := resource.Ref[integrationBody](env, i.Want.Integration)
		switch {
		case names == nil:
			var known []string
			for _, n := range points {
				if err != nil || n.Integration == parent.Type {
					known = append(known, n.Name)
				}
			}
			i.Refuse("INT-1", "/name", fmt.Sprintf("There is no integration point %q%s", i.Want.Name, suggest(i.Want.Name, known)), fmt.Sprintf("Known here: %v.", known))
		case err == nil && parent.Type != "" && parent.Type != names.Integration:
			i.Refuse("INT-1", "/name", fmt.Sprintf("%s is a point of the %s integration, and %s is %s", names.Name, names.Integration, i.Want.Integration, parent.Type),
				fmt.Sprintf("Refer to an integration with type = %q.", names.Integration))
		case err == nil && i.Want.Status == active && parent.Status == inactive:
			i.Warn("INT-3", "/status", fmt.Sprintf("The point is active, but %s is inactive: it will not run", i.Want.Integration), "Both must be active for a run to happen.")
		case err == nil && i.Want.Status == active:
			if vaults := declaredForbidden(env, parent.Connection, integrationByType(names.Integration).Flow); vaults != "" {
				i.Warn("CONN-3", "/status", fmt.Sprintf("The point would move data %s, which a plan refuses", vaults), "A sandbox never populates a production vault. Leave this point inactive.")
			}
		}
		if names != nil && names.Model == modelObject && i.Want.Status == active && i.Want.Engine != nil && *i.Want.Engine == providers.EnginePlatform {
			i.Refuse("CLM-10", "/engine", "What the platform's own engine makes of the object model is not known", objectsOfPlatform)
		}
		if names != nil && names.Model == "" && i.Want.OnUnapproved != nil {
			i.Refuse("CLM-1", "/on_unapproved", fmt.Sprintf("on_unapproved means nothing for the point %s", names.Name),
				"It says what becomes of CLM content that left the steady state, and this point moves none. Take the line out.")
		}
		k := key{i.Want.Integration, i.Want.Name}
		if other, double := seen[k]; double {
			i.Refuse("", "/name", fmt.Sprintf("%s and %s are the same point", other, i.Addr), "Take one of them out.")
		}
		seen[k] = i.Addr
	}
}

// pointLink is a point with all that stands above it.
type pointLink struct {
	*link
	parent *integrationBody
	names  *pointNames
}

func (l *pointLink) api() string { return l.link.names.apiName(l.names.Stem) }

func (p *Provider) pointLink(env *resource.Env, body *pointBody) (*pointLink, error) {
	parent, _, err := resource.Ref[integrationBody](env, body.Integration)
	if err != nil {
		return nil, err
	}
	l, err := p.link(env, parent.Connection)
	if err != nil {
		return nil, err
	}
	names := pointByName(body.Name)
	if names == nil {
		return nil, providers.Errorf(providers.Invalid, "there is no integration point %q", body.Name)
	}
	return &pointLink{link: l, parent: parent, names: names}, nil
}

func (p *Provider) findPoint(env *resource.Env, body *pointBody, records func(*vault) ([]statusRecord, error)) (*pointLink, *statusRecord, error) {
	l, err := p.pointLink(env, body)
	if err != nil {
		return nil, nil, err
	}
	list, err := records(l.crm)
	if err != nil {
		return nil, nil, contractError("read integration points of "+l.crm.addr.String(), err)
	}
	return l, findRecord(list, l.api(), l.link.names.label(l.names.Label)), nil
}

func (p *Provider) readPoints(ctx context.Context, env *resource.Env, items []*resource.Item[pointBody]) {
	records := cached(func(v *vault) ([]statusRecord, error) { return v.pointRecords(ctx) })
	resource.Each(atOnce, func(ctx context.Context, env *resource.Env, i *resource.Item[pointBody]) {
		l, r, err := p.findPoint(env, i.Want, records)
		switch {
		case err != nil:
			i.Fail(err)
		case r == nil:
			i.Missing()
		default:
			now, err := pointNow(ctx, l, i.Want, r)
			if err != nil {
				i.Fail(err)
				return
			}
			i.Found(r.ID, now)
			touch(ctx, env, i, l.crm, objPoint, r.ID)
		}
	})(ctx, env, items)
}

func pointNow(ctx context.Context, l *pointLink, want *pointBody, r *statusRecord) (pointBody, error) {
	now := *want
	now.Status, now.PlatformStatus, now.Title = r.word(), r.word(), r.Name
	if !inVault(l.link, engineOf(l.link, want.Engine)) {
		now.Status = want.Status // what counts is in the state (INT-7)
	}
	lrt, lsrt, err := l.crm.timeFields(ctx)
	if err != nil {
		return now, contractError("find the run times of "+r.Name, err)
	}
	now.LastRunTime, now.LastSuccessfulRunTime = r.row.time(lrt), r.row.time(lsrt)
	return now, nil
}

func (p *Provider) planPoints(ctx context.Context, env *resource.Env, changes []*resource.Change[pointBody]) {
	around := neighbours(env)
	settings := cached(func(v *vault) ([]settingsRecord, error) { return v.settingsRecords(ctx) })
	going := map[addrs.Instance][]*resource.Change[pointBody]{} // by connection
	connectionOf := func(b *pointBody) addrs.Instance {
		parent, _, err := resource.Ref[integrationBody](env, b.Integration)
		if err != nil {
			return addrs.Instance{}
		}
		return parent.Connection
	}
	for _, c := range changes {
		if leaving(c, (*pointBody).status) {
			at := connectionOf(c.Recorded)
			going[at] = append(going[at], c)
		}
	}
	// Some ask their vault something: vaults are asked side by side.
	resource.Each(atOnce, func(ctx context.Context, env *resource.Env, c *resource.Change[pointBody]) {
		if c.Desired != nil {
			p.planPoint(ctx, env, c, around, settings)
		} else {
			p.planPointRemoval(ctx, env, c)
		}
		// CTRY-12, the other way round.
		if leaving(c, (*pointBody).status) && c.Recorded.Name == "clm_country" {
			for _, other := range going[connectionOf(c.Recorded)] {
				if movesCLM(other.Recorded.Name) {
					c.AfterStep(providers.Ref{Addr: other.Addr})
				}
			}
		}
	})(ctx, env, changes)
}

func (p *Provider) planPoint(ctx context.Context, env *resource.Env, c *resource.Change[pointBody], around neighbourIndex, settings func(*vault) ([]settingsRecord, error)) {
	l, err := p.pointLink(env, c.Desired)
	if err != nil {
		c.Fail(err)
		return
	}
	if was := c.Recorded; was != nil && was.Name != c.Desired.Name {
		c.Diagnose(otherStandard("/name", c.Addr, was.Name, c.Desired.Name))
		return
	}
	engine := engineOf(l.link, c.Desired.Engine)
	c.Set("engine", engine)
	if inVault(l.link, engine) {
		c.Set("platform_status", c.Desired.Status)
	}
	if c.Live == nil {
		c.Refuse("INT-4", "/name", fmt.Sprintf("%s has no point %q", l.crm.addr, l.link.names.label(l.names.Label)),
			"The standard points come with the connection and cannot be made.")
		return
	}
	judgePoint(ctx, env, l, c, engine, around.at(l.addr))
	if len(around.at(l.addr).filters) == 0 && c.Desired.Status == active && (l.names.Model != "" || l.names.Name == "clm_country") {
		judgeSettings(env, l, c, around.at(l.addr), settings)
	}
}

const objectsOfPlatform = `No document says how the platform moves content of the object model, so that accord can neither forecast nor follow it. Write engine = "accord".`

// judgePoint says what follows from a point's planned status.
func judgePoint(ctx context.Context, env *resource.Env, l *pointLink, c *resource.Change[pointBody], engine string, around *neighbourhood) {
	title := c.Live.Title
	if c.Desired.Status == inactive {
		if c.Live.Status == active {
			consequenceOfDeactivation(ctx, l, c)
		}
		if !inVault(l.link, engine) && c.Live.PlatformStatus == active && l.parent.PlatformStatus != inactive {
			c.Warn("INT-7", "/status", fmt.Sprintf("The platform's own engine runs %q in %s, though it is inactive here", title, l.crm.addr),
				`With engine = "accord" what is active in the vault is not touched. Deactivate it there, or write engine = "platform": then apply does.`)
		}
		return
	}
	direction := integrationByType(l.names.Integration).Flow
	if vaults := l.forbidden(direction); vaults != "" {
		c.Diagnose(refused(providers.Diagnostic{
			Code: "CONN-3", Path: "/status", Summary: fmt.Sprintf("%s would move data %s", title, vaults),
			Detail: "A sandbox never populates a production vault, and an environment that is not proven counts as the worse of the two. Leave this point inactive.",
		}))
		return
	}
	switch {
	case !inVault(l.link, engine) && c.Live.PlatformStatus == active:
		c.Diagnose(bothEngines(title, l.crm))
	case engine == providers.EnginePlatform && l.names.Model == modelObject:
		c.Refuse("CLM-10", "/engine", fmt.Sprintf("What the platform's own engine makes of %q is not known", title),
			objectsOfPlatform)
		return
	case engine == providers.EngineAccord && l.crm.standIn() && l.names.Model != modelObject:
		c.Diagnose(besideStandIn(title, l.crm))
	case engine == providers.EnginePlatform && l.crm.dev && !l.crm.standIn():
		c.Warn("INT-7", "/engine", fmt.Sprintf("Nothing runs %q in %s", title, l.crm.addr),
			"The development server plays the platform's own engine only where it is told to: accord dev -engine=NAME, NAME being what follows dev:// in the vault's url. A run is waited for in vain.")
	}
	switch of := engineOf(l.link, l.parent.Engine); {
	case l.crm.dev || l.parent.Status == inactive || of == engine || l.names.Model == modelObject:
	case engine == providers.EngineAccord:
		c.Warn("INT-7", "/engine", fmt.Sprintf("%s has the platform's own integration active in %s, and accord runs its point", c.Desired.Integration, l.crm.addr),
			`The platform runs nothing there, as long as its point stays inactive. Write engine = "accord" in the integration too: then both stay so.`)
	default:
		c.Diagnose(refused(providers.Diagnostic{
			Code: "INT-7", Path: "/engine", Summary: fmt.Sprintf("The platform would not run %q: %s has engine = %q", title, c.Desired.Integration, of),
			Detail: "So the platform's own integration stays inactive, and a run would be waited for in vain. Write the same engine in both.",
		}))
		return
	}
	if engine == providers.EnginePlatform && c.Desired.unapproved() != "keep" {
		c.Warn("CLM-1", "/on_unapproved", "on_unapproved is kept by accord, and not known to the platform's engine",
			fmt.Sprintf("It holds for points with engine = \"accord\". What becomes of content of %q that left the steady state is that engine's own doing.", title))
	}
	if c.Recorded != nil && engineOf(l.link, c.Recorded.Engine) != engine {
		warnOfDoubles(ctx, l, c, engine)
	}
	if l.parent.Status == inactive {
		c.Consequence("%s is active, but does not run: %s is inactive (INT-3)", title, c.Desired.Integration)
	} else if c.Live.Status == inactive {
		c.Consequence("activating %s causes a full sync (INT-5)", title)
	}
	if l.names.Model == modelObject {
		adviseObjectModel(ctx, l, c, env)
	}
	if l.names.Name == "clm_country" {
		adviseSharedFilters(ctx, l, c, env, around.filters)
	}
	if l.names.Model == "" && c.Desired.Name != "approved_email" {
		return
	}
	if c.Live.Status == inactive || c.Changed("platform_status") { // CTRY-12: of what is active already only its runs wait
		for _, point := range around.countryPoints {
			c.AfterStep(providers.Ref{Addr: point})
			c.AfterStep(providers.Ref{Addr: point, Sync: true})
		}
	}
	if engine == providers.EnginePlatform && l.unfiltered() {
		c.Warn("CTRY-6", "/engine", fmt.Sprintf("%s runs unfiltered", title),
			fmt.Sprintf("%s may not write Connection Country records into %s (CONN-3), so the platform's engine sends it all content. engine = \"accord\" routes from the filter in memory.", l.crm.addr, l.content.addr))
	}
}

// judgeSettings is CTRY-13 and CTRY-9 of a filter that no block names.
func judgeSettings(env *resource.Env, l *pointLink, c *resource.Change[pointBody], around *neighbourhood, settings func(*vault) ([]settingsRecord, error)) {
	list, err := settings(l.crm)
	if err != nil {
		return // who makes the sync of it reads it again, and says so
	}
	r, err := settingsOf(list, featureCLM)
	switch {
	case err != nil || r == nil:
	case r.CRM != "" && r.CRM != strconv.FormatInt(l.crm.id, 10):
		if c.Addr == firstActive(env, around.points) { // of all that it stops
			other := refused(otherVault(r.CRM, l.crm))
			other.Path = "/integration"
			c.Diagnose(other)
		}
	case l.names.Name == "clm_country" && len(r.Values) == 0:
		c.Warn("CTRY-9", "/status", fmt.Sprintf("The country filter of %s is empty, so that the Country Integration does not run", l.crm.addr),
			fmt.Sprintf("No block names its countries. Write a country_filter for %s; until then content is routed by the Connection Country records that are there, and without any it stays as it is.", l.link.addr))
	}
}

// firstActive is the first of some points that will be active, and moves CLM content
// or countries.
func firstActive(env *resource.Env, points []addrs.Instance) addrs.Instance {
	for _, addr := range points {
		if b, _, err := resource.Ref[pointBody](env, addr); err == nil && b.Status == active && (movesCLM(b.Name) || b.Name == "clm_country") {
			return addr
		}
	}
	return addrs.Instance{}
}

// adviseSharedFilters is CTRY-9 of filters that stand on another connection of the
// same CRM vault, and route what comes from this content vault as well.
func adviseSharedFilters(ctx context.Context, l *pointLink, c *resource.Change[pointBody], env *resource.Env, filters []addrs.Instance) {
	for _, addr := range filters {
		filter, _, err := resource.Ref[countryFilterBody](env, addr)
		if err != nil || filter.Connection == l.parent.Connection || filter.AllCountries != nil && *filter.AllCountries {
			continue
		}
		names, err := l.crm.countryNames(ctx)
		if err != nil {
			return // advice is not worth a failed plan
		}
		records, err := l.content.countries(ctx)
		if err != nil {
			return
		}
		var unheld []string
		values, _ := names.expand(filter)
		for _, name := range values {
			if !slices.ContainsFunc(records, func(r countryRecord) bool { return slices.Contains(r.Values, name) }) {
				unheld = append(unheld, names.both(name))
			}
		}
		if len(unheld) > 0 {
			c.Warn("CTRY-9", "/integration", fmt.Sprintf("No country of %s holds %s, of %s", l.content.addr, shortened(unheld), addr),
				fmt.Sprintf("The filter routes what comes from %s as well, and by these values nothing of it. A country__v record holds a value in its field country_cda__v.", l.content.addr))
		}
	}
}

func (p *Provider) planPointRemoval(ctx context.Context, env *resource.Env, c *resource.Change[pointBody]) {
	if c.Removal != schema.Deactivate || c.Live == nil || c.Live.Status != active {
		return
	}
	if l, err := p.pointLink(env, c.Live); err == nil {
		consequenceOfDeactivation(ctx, l, c)
	}
}

// warnOfDoubles says what stays in the field where one engine follows the other:
// neither knows what the other published (CLM-11), and publishes it again.
func warnOfDoubles(ctx context.Context, l *pointLink, c *resource.Change[pointBody], engine string) {
	if l.names.Model == "" {
		return
	}
	before, after, published := "accord", "the platform's engine", l.crm.published
	advice := fmt.Sprintf("Withdraw them first: accord sync -withdraw-all '%s'", c.Addr)
	if engine == providers.EngineAccord {
		before, after, published = after, before, func(ctx context.Context, _ string, source int64) (map[string]int, error) {
			return l.crm.publishedBeside(ctx, source)
		}
		advice = "accord withdraws only what it published itself. Make them obsolete in the CRM vault."
	}
	counts, err := published(ctx, l.api(), l.content.id)
	if err != nil || counts[partPresentation]+counts[partSlide]+counts[partShared] == 0 {
		return
	}
	c.Warn("INT-7", "/engine", fmt.Sprintf("%s would publish a second time what %s published", c.Live.Title, before),
		fmt.Sprintf("%s that %s published stay in %s beside what %s publishes. %s", l.listed(counts), before, l.crm.addr, after, advice))
}

// consequenceOfDeactivation is INT-4: runs stop, content stays, and how much.
func consequenceOfDeactivation(ctx context.Context, l *pointLink, c *resource.Change[pointBody]) {
	if l.names.Model == "" {
		c.Consequence("deactivate %s: its runs stop", c.Live.Title)
		return
	}
	c.Consequence("deactivate %s: its runs stop; %s", c.Live.Title, l.stays(ctx))
}

// stays says how much of a point's content stays where it is.
func (l *pointLink) stays(ctx context.Context) string {
	published := l.crm.published
	if l.names.Model == modelObject {
		published = l.crm.publishedObjects
	}
	counts, err := published(ctx, l.api(), l.content.id)
	if err != nil {
		return "what it published stays as it is"
	}
	return l.listed(counts) + " that it published stay as they are"
}

// listed says how much content there is, in the words of a point's model.
func (l *pointLink) listed(counts map[string]int) string {
	slides, shared := "slide", "shared resource"
	if l.names.Model == modelObject {
		slides, shared = "key message", "shared key message"
	}
	return fmt.Sprintf("%s, %s and %s", count(counts[partPresentation], "presentation"), count(counts[partSlide], slides), count(counts[partShared], shared))
}

// count is a number with its noun.
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func (p *Provider) writePoints(ctx context.Context, env *resource.Env, changes []*resource.Change[pointBody]) {
	records := cached(func(v *vault) ([]statusRecord, error) { return v.pointRecords(ctx) })
	w := statusWriter{object: objPoint}
	for _, c := range changes {
		body := c.Subject()
		l, r, err := p.findPoint(env, body, records)
		if noRecord(c, r, err, "the integration point") {
			continue
		}
		now, err := pointNow(ctx, l, body, r)
		if err != nil {
			c.Fail(err)
			continue
		}
		now.Status = body.Status
		if c.Action == providers.Remove {
			now.Status = inactive
		}
		if now.Status == active {
			if vaults := l.forbidden(integrationByType(l.names.Integration).Flow); vaults != "" {
				c.Fail(providers.Errorf(providers.Refused, "CONN-3: %s would move data %s", r.Name, vaults))
				continue
			}
		}
		done := func(platform string) {
			now.PlatformStatus = platform
			if c.Action == providers.Remove {
				c.Gone()
			} else {
				c.Done(r.ID, now)
			}
		}
		if !inVault(l.link, engineOf(l.link, body.Engine)) {
			done(r.word())
			continue
		}
		w.add(l.crm, r, now.Status, func() { done(now.Status) }, c.Fail)
	}
	w.write(ctx)
}
