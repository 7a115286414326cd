package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
	"accord/providers/resource"
	"accord/providers/vaultapi"
)

// permissionSetBody is the block `permission_set`.
type permissionSetBody struct {
	Vault        addrs.Instance               `json:"vault" schema:"required,replace" refers:"vault" doc:"The vault it is in."`
	Name         string                       `json:"name" schema:"required,replace" doc:"API name; of a custom set, so it ends in __c."`
	Label        *string                      `json:"label" schema:"computed" doc:"Left out: as it is; of a new set, its name."`
	Bundles      resource.Set[string]         `json:"bundles" oneof:"clm_integration country_integration" doc:"Named bundles of grants: clm_integration, country_integration (PERM-1..3). The plan shows what they expand to."`
	VaultActions resource.Set[string]         `json:"vault_actions" doc:"Vault actions, such as manage_connections."`
	Exact        *bool                        `json:"exact" schema:"local" doc:"True: the set has these grants and no others. Only for a set that accord made (PERM-4)."`
	Object       map[string]objectPermissions `json:"object" schema:"block" label:"object name" doc:"What is granted on an object."`

	Grants  resource.Set[string] `json:"grants" schema:"computed,readonly" doc:"All that the set grants, to see what a plan changes."`
	Granted resource.Set[string] `json:"granted" schema:"computed,readonly,local" doc:"What accord granted, and takes back when it is no longer asked for."`
	Created bool                 `json:"created" schema:"readonly,local" doc:"Whether accord made the set. One that it did not make is never deleted."`
}

type objectPermissions struct {
	Permissions resource.Set[string]        `json:"permissions" doc:"read, create, edit, delete."`
	Type        map[string]objectTypeRights `json:"type" schema:"block" label:"object type name" doc:"What is granted on an object type."`
	Field       map[string]fieldRight       `json:"field" schema:"block" label:"field name" doc:"What is granted on a field; * is all fields."`
}

type objectTypeRights struct {
	Permissions resource.Set[string] `json:"permissions" doc:"read, create, edit, delete."`
}

type fieldRight struct {
	Permission string `json:"permission" schema:"required" oneof:"read edit" doc:"read, or edit, which implies it."`
}

func (p *Provider) permissionSetType() resource.Resource {
	return resource.Type[permissionSetBody]{
		Name:     "permission_set",
		Doc:      "A permission set. Grants are added to what is there, and only those that accord made are taken back (PERM-4).",
		Identity: []string{"vault", "name"},
		Removal:  schema.Revoke,
		Removals: []schema.Removal{schema.Delete},
		Validate: validatePermissionSets,
		Read:     p.readPermissionSets,
		List:     listing(p, p.listPermissionSets),
		Plan:     resource.Each(8, p.planPermissionSet),
		Create:   resource.Each(8, p.writePermissionSet),
		Update:   resource.Each(8, p.writePermissionSet),
		Remove:   resource.Each(8, p.writePermissionSet),
	}
}

func validatePermissionSets(_ *resource.Env, items []*resource.Item[permissionSetBody]) {
	type key struct {
		vault addrs.Instance
		name  string
	}
	seen := map[key]addrs.Instance{}
	for _, i := range items {
		if !i.IsUnknown("/name") && !strings.HasSuffix(i.Want.Name, "__c") {
			i.Refuse("PERM-4", "/name", fmt.Sprintf("%q is not a custom permission set", i.Want.Name), "Standard sets are not changed. Name a set that ends in __c, and assign it beside the standard one.")
		}
		for n, b := range i.Want.Bundles {
			if bundleByName(b) == nil {
				i.Refuse("PERM-4", addrs.Path("/bundles").Index(n), fmt.Sprintf("There is no bundle %q%s", b, suggest(b, bundleNames())), "There are "+strings.Join(bundleNames(), " and ")+".")
			}
		}
		for name, o := range i.Want.Object {
			at := addrs.Path("/object").Child(name)
			checkVerbs(i, at.Child("permissions"), o.Permissions)
			for typ, t := range o.Type {
				checkVerbs(i, at.Child("type").Child(typ).Child("permissions"), t.Permissions)
			}
		}
		k := key{i.Want.Vault, i.Want.Name}
		if other, double := seen[k]; double {
			i.Refuse("", "/name", fmt.Sprintf("%s and %s are the same permission set", other, i.Addr), "Put their grants into one block.")
		}
		seen[k] = i.Addr
	}
}

func checkVerbs(i *resource.Item[permissionSetBody], at addrs.Path, list []string) {
	for n, verb := range list {
		if !slices.Contains(grantVerbs[grantObject], verb) {
			i.Refuse("PERM-4", at.Index(n), fmt.Sprintf("There is no permission %q%s", verb, suggest(verb, grantVerbs[grantObject])), "There are read, create, edit and delete.")
		}
	}
}

// grantsOf expands a body (PERM-1..3). name turns the name of an object into
// the vault's own.
func grantsOf(b *permissionSetBody, name func(string) string) grants {
	wanted := grants{}
	for _, n := range b.Bundles {
		if known := bundleByName(n); known != nil {
			for _, g := range known.Grants {
				wanted[g.renamed(name)] = true
			}
		}
	}
	for _, a := range b.VaultActions {
		wanted[grant{grantAction, actionName(a), "granted"}] = true
	}
	for object, o := range b.Object {
		own := name(object)
		for _, verb := range o.Permissions {
			wanted[grant{grantObject, own, verb}] = true
		}
		for typ, t := range o.Type {
			for _, verb := range t.Permissions {
				wanted[grant{grantType, own + "." + typ, verb}] = true
			}
		}
		for field, f := range o.Field {
			wanted[fieldGrant(own, field, f.Permission)] = true
		}
	}
	return wanted
}

func fieldGrant(object, field, verb string) grant {
	if field == "*" {
		field = allFields
	}
	return grant{grantField, object + "." + field, verb}
}

// renamed is the grant on the object's own name.
func (g grant) renamed(name func(string) string) grant {
	if g.Kind == grantAction {
		return g
	}
	object, rest, dotted := strings.Cut(g.Name, ".")
	g.Name = name(object)
	if dotted {
		g.Name += "." + rest
	}
	return g
}

// project says what a body's words find among the grants there are: a bundle
// that is granted whole, each action and permission that is granted. Equal
// access in other words is found too (PERM-5).
func project(b *permissionSetBody, live grants, name func(string) string) permissionSetBody {
	now := permissionSetBody{Vault: b.Vault, Name: b.Name, Grants: live.closed().strings()}
	has := func(list ...grant) bool {
		return !slices.ContainsFunc(list, func(g grant) bool { return !live.allows(g.renamed(name)) })
	}
	keep := func(wanted resource.Set[string], granted func(string) bool) resource.Set[string] {
		if wanted == nil {
			return nil
		}
		return slices.DeleteFunc(append(resource.Set[string]{}, wanted...), func(w string) bool { return !granted(w) })
	}
	now.Bundles = keep(b.Bundles, func(n string) bool { known := bundleByName(n); return known != nil && has(known.Grants...) })
	now.VaultActions = keep(b.VaultActions, func(a string) bool { return has(grant{grantAction, actionName(a), "granted"}) })
	if b.Object == nil {
		return now
	}
	now.Object = map[string]objectPermissions{}
	for object, o := range b.Object {
		p := objectPermissions{Permissions: keep(o.Permissions, func(v string) bool { return has(grant{grantObject, object, v}) })}
		if o.Type != nil {
			p.Type = map[string]objectTypeRights{}
		}
		for typ, t := range o.Type {
			p.Type[typ] = objectTypeRights{keep(t.Permissions, func(v string) bool { return has(grant{grantType, object + "." + typ, v}) })}
		}
		if o.Field != nil {
			p.Field = map[string]fieldRight{}
		}
		for field, f := range o.Field {
			switch {
			case has(fieldGrant(object, field, f.Permission)):
				p.Field[field] = f
			case f.Permission == "edit" && has(fieldGrant(object, field, "read")):
				p.Field[field] = fieldRight{"read"}
			}
		}
		now.Object[object] = p
	}
	return now
}

// objectNames looks up the vault's own names of all objects that a body
// speaks of. unknown are those that it does not have, as written.
func (v *vault) objectNames(ctx context.Context, b *permissionSetBody) (name func(string) string, unknown []string, err error) {
	own := map[string]string{}
	look := func(object string) error {
		if own[object] != "" {
			return nil
		}
		o, err := v.object(ctx, object)
		switch {
		case errors.Is(err, vaultapi.NotFound):
			unknown = append(unknown, object)
			own[object] = object
		case err != nil:
			return err
		default:
			own[object] = o.Name
		}
		return nil
	}
	for _, n := range b.Bundles {
		if known := bundleByName(n); known != nil {
			for _, g := range known.Grants {
				if object, _, _ := strings.Cut(g.Name, "."); g.Kind != grantAction {
					if err := look(object); err != nil {
						return nil, nil, err
					}
				}
			}
		}
	}
	for object := range b.Object {
		if err := look(object); err != nil {
			return nil, nil, err
		}
	}
	return func(object string) string {
		if n := own[object]; n != "" {
			return n
		}
		return object
	}, unknown, nil
}

// permissionSet reads a set; nil when there is none of that name.
func (v *vault) permissionSet(ctx context.Context, name string) (*permissionText, error) {
	text, err := v.reader.Component(ctx, "Permissionset."+name)
	if errors.Is(err, vaultapi.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, contractError("read the permission set "+name, err)
	}
	set, err := parsePermissionText(text)
	if err != nil {
		return nil, providers.Errorf(providers.Invalid, "the permission set %s of %s cannot be read, and is not touched: %v", name, v.addr, err)
	}
	return set, nil
}

func (p *Provider) readPermissionSets(ctx context.Context, env *resource.Env, items []*resource.Item[permissionSetBody]) {
	touched := componentTouches(ctx, env)
	resource.Each(8, func(ctx context.Context, _ *resource.Env, i *resource.Item[permissionSetBody]) {
		p.readPermissionSet(ctx, i, touched)
	})(ctx, env, items)
}

func (p *Provider) readPermissionSet(ctx context.Context, i *resource.Item[permissionSetBody], touched func(*vault, ...string) *providers.Touch) {
	v, err := p.vault(i.Want.Vault)
	if err != nil {
		i.Fail(err)
		return
	}
	set, err := v.permissionSet(ctx, i.Want.Name)
	if err != nil {
		i.Fail(err)
		return
	}
	if set == nil {
		i.Missing()
		return
	}
	name, _, err := v.objectNames(ctx, i.Want)
	if err != nil {
		i.Fail(contractError("read objects of "+v.addr.String(), err))
		return
	}
	now := project(i.Want, set.grants(), name)
	label := set.label()
	now.Label = &label
	i.Found(i.Want.Name, now)
	i.Touch(touched(v, i.Want.Name))
}

func (p *Provider) planPermissionSet(ctx context.Context, _ *resource.Env, c *resource.Change[permissionSetBody]) {
	if c.Desired == nil {
		p.planPermissionRemoval(c)
		return
	}
	v, err := p.vault(c.Desired.Vault)
	if err != nil {
		c.Fail(err)
		return
	}
	name, unknown, err := v.objectNames(ctx, c.Desired)
	if err != nil {
		c.Fail(contractError("read objects of "+v.addr.String(), err))
		return
	}
	if len(unknown) > 0 {
		p.refuseObjects(ctx, v, c, unknown)
		return
	}
	if err := p.checkPermissionFields(ctx, v, c); err != nil {
		c.Fail(contractError("read objects of "+v.addr.String(), err))
		return
	}
	live, err := p.liveGrants(ctx, v, c)
	if err != nil {
		c.Fail(err)
		return
	}
	exact := c.Desired.Exact != nil && *c.Desired.Exact
	created := c.Live == nil || c.Recorded != nil && c.Recorded.Created
	if exact && !created {
		c.Diagnose(refused(providers.Diagnostic{
			Code: "PERM-4", Path: "/exact", Summary: fmt.Sprintf("accord did not make the permission set %s", c.Desired.Name),
			Detail: "exact = true would take away what others granted. It is for sets that accord made.",
		}))
		return
	}
	if r := c.Recorded; r != nil && !r.Created && (r.Name != c.Desired.Name || r.Vault != c.Desired.Vault) {
		c.Diagnose(refused(providers.Diagnostic{
			Code: "PERM-4", Path: "/name", Summary: fmt.Sprintf("accord did not make the permission set %s, and does not delete it", r.Name),
			Detail: "The block means another set by now. Give it another name, or key: then what accord granted in the one is taken back, and the other is managed.",
		}))
		return
	}
	// What is left out is not asked for any more: nothing of it stays planned.
	for attribute, gone := range map[string]bool{
		"bundles": c.Desired.Bundles == nil, "vault_actions": c.Desired.VaultActions == nil, "object": c.Desired.Object == nil,
	} {
		if gone && !c.IsUnknown(addrs.Path("").Child(attribute)) {
			c.Set(attribute, nil)
		}
	}
	if c.IsUnknown("/bundles") || c.IsUnknown("/vault_actions") || c.IsUnknown("/object") {
		c.MarkUnknown("grants")
		c.MarkUnknown("granted")
		return
	}
	change := changeGrants(grantsOf(c.Desired, name), live, recordedGrants(c.Recorded), exact)
	c.Set("granted", resource.Set[string](change.Made.strings()))
	c.Set("grants", resource.Set[string](change.after(live).closed().strings()))
	if created {
		c.Set("created", true)
	}
	if c.Live == nil && c.Desired.Label == nil {
		c.Set("label", c.Desired.Name)
	}
	for _, b := range c.Desired.Bundles {
		c.Consequence("bundle %s: %s", b, shortGrants(newGrants(bundleByName(b).Grants...)))
	}
	if len(change.Add) > 0 && (c.Live != nil || len(c.Desired.Bundles) == 0) {
		c.Consequence("grants %s", shortGrants(change.Add))
	}
	if len(change.Revoke) > 0 {
		c.Consequence("takes back %s", shortGrants(change.Revoke))
	}
}

func recordedGrants(b *permissionSetBody) grants {
	if b == nil {
		return grants{}
	}
	return parseGrants(b.Granted)
}

// shortGrants writes a set in words: object keyword__v read; field … .
func shortGrants(s grants) string {
	type thing struct{ kind, name string }
	verbs := map[thing][]string{}
	var order []thing
	for _, g := range s.sorted() {
		t := thing{g.Kind, g.Name}
		if verbs[t] == nil {
			order = append(order, t)
		}
		verbs[t] = append(verbs[t], g.Verb)
	}
	var parts []string
	for _, t := range order {
		if t.kind == grantAction {
			parts = append(parts, strings.ReplaceAll(strings.TrimSuffix(t.name, "__v"), "_", " "))
			continue
		}
		name := strings.Replace(t.name, "."+allFields, ".*", 1)
		parts = append(parts, strings.Join(verbs[t], "/")+" on "+name)
	}
	return strings.Join(parts, ", ")
}

// liveGrants reads what the set gives now: Live shows only the words of the
// configuration.
func (p *Provider) liveGrants(ctx context.Context, v *vault, c *resource.Change[permissionSetBody]) (grants, error) {
	if c.Live == nil {
		return grants{}, nil
	}
	set, err := v.permissionSet(ctx, c.Desired.Name)
	if err != nil || set == nil {
		return grants{}, err
	}
	return set.grants(), nil
}

func (p *Provider) refuseObjects(ctx context.Context, v *vault, c *resource.Change[permissionSetBody], unknown []string) {
	var known []string
	if list, err := v.reader.Objects(ctx); err == nil {
		for _, o := range list {
			known = append(known, o.Name)
		}
	}
	for _, object := range unknown {
		at := addrs.Path("/object").Child(object)
		if _, own := c.Desired.Object[object]; !own {
			at = "/bundles"
		}
		c.Refuse("PERM-4", at, fmt.Sprintf("%s has no object %q%s", v.addr, object, suggest(object, known)), "Write the API name of one of its objects.")
	}
}

// checkPermissionFields makes sure that fields and object types exist.
func (p *Provider) checkPermissionFields(ctx context.Context, v *vault, c *resource.Change[permissionSetBody]) error {
	for object, o := range c.Desired.Object {
		def, err := v.object(ctx, object)
		if err != nil {
			return err
		}
		known := make([]string, len(def.Fields))
		for n, f := range def.Fields {
			known[n] = f.Name
		}
		for field := range o.Field {
			if field != "*" && !slices.Contains(known, field) {
				c.Refuse("PERM-4", addrs.Path("/object").Child(object).Child("field").Child(field), fmt.Sprintf("%s has no field %q%s", object, field, suggest(field, known)), "Write the API name of one of its fields.")
			}
		}
		if len(o.Type) == 0 {
			continue
		}
		types, err := v.reader.ObjectTypes(ctx, def.Name)
		if err != nil {
			return err
		}
		known = make([]string, len(types))
		for n, t := range types {
			known[n] = t.Name
		}
		for typ := range o.Type {
			if typ != allFields && !slices.Contains(known, typ) {
				c.Refuse("PERM-4", addrs.Path("/object").Child(object).Child("type").Child(typ), fmt.Sprintf("%s has no object type %q%s", object, typ, suggest(typ, known)), "Write the API name of one of its object types.")
			}
		}
	}
	return nil
}

func (p *Provider) planPermissionRemoval(c *resource.Change[permissionSetBody]) {
	switch {
	case c.Recorded == nil:
	case c.Removal == schema.Revoke:
		if made := recordedGrants(c.Recorded); len(made) > 0 {
			c.Consequence("takes back %s", shortGrants(made))
		} else {
			c.Consequence("takes back nothing: accord granted nothing that was not there")
		}
		c.Consequence("the permission set itself stays")
	case c.Removal == schema.Delete && !c.Recorded.Created:
		c.Diagnose(refused(providers.Diagnostic{Code: "PERM-4", Summary: fmt.Sprintf("accord did not make the permission set %s, and does not delete it", c.Recorded.Name),
			Detail: `Leave the removal at "revoke", or write then = "forget".`}))
	}
}

func (p *Provider) writePermissionSet(ctx context.Context, _ *resource.Env, c *resource.Change[permissionSetBody]) {
	body := c.Planned
	if c.Action == providers.Remove {
		if body = c.Recorded; body == nil {
			c.Gone() // nothing was granted
			return
		}
	}
	v, err := p.vault(body.Vault)
	if err != nil {
		c.Fail(err)
		return
	}
	set, err := v.permissionSet(ctx, body.Name)
	if err != nil {
		c.Fail(err)
		return
	}
	if c.Action == providers.Remove {
		p.removePermissionSet(ctx, v, c, body, set)
		return
	}
	name, _, err := v.objectNames(ctx, body)
	if err != nil {
		c.Fail(contractError("read objects of "+v.addr.String(), err))
		return
	}
	label := body.Name
	if body.Label != nil {
		label = *body.Label
	}
	var before string
	if set == nil {
		set = newPermissionText(body.Name, label)
	} else {
		before = set.String()
	}
	add, revoke := plannedGrants(c)
	if c.Planned.Grants == nil { // what is asked for was not known when planned
		change := changeGrants(grantsOf(body, name), set.grants(), recordedGrants(c.Recorded), body.Exact != nil && *body.Exact)
		add, revoke = change.Add, change.Revoke
	}
	rest := set.grants().without(revoke)
	for g := range parseGrants(c.Planned.Grants) {
		if !rest.allows(g) { // it was implied by what is taken back
			add[g] = true
		}
	}
	if err := set.change(add, revoke); err != nil {
		c.Fail(providers.Errorf(providers.Invalid, "permission set %s: %v", body.Name, err))
		return
	}
	if set.label() != label {
		set.setLabel(label)
	}
	if text := set.String(); text != before {
		if _, err := v.client.ExecuteMDL(ctx, text); err != nil {
			c.Fail(contractError("write the permission set "+body.Name, err))
			return
		}
	}
	now := project(body, set.grants(), name)
	now.Label = &label
	c.Done(body.Name, now)
}

// plannedGrants is the difference that the plan showed.
func plannedGrants(c *resource.Change[permissionSetBody]) (add, revoke grants) {
	add, revoke = parseGrants(c.Planned.Grants), grants{}
	if c.Live == nil {
		return add, revoke
	}
	for g := range parseGrants(c.Live.Grants) {
		if !add[g] {
			revoke[g] = true
		}
		delete(add, g)
	}
	return add, revoke
}

func (p *Provider) removePermissionSet(ctx context.Context, v *vault, c *resource.Change[permissionSetBody], body *permissionSetBody, set *permissionText) {
	if set == nil {
		c.Gone()
		return
	}
	script := ""
	if c.Removal == schema.Delete {
		if !body.Created {
			c.Fail(providers.Errorf(providers.Refused, "PERM-4: accord did not make the permission set %s", body.Name))
			return
		}
		script = "DROP Permissionset " + body.Name + ";"
	} else {
		before := set.String()
		live := set.grants()
		revoke := grants{}
		for g := range recordedGrants(body) {
			if live[g] {
				revoke[g] = true
			}
		}
		if err := set.change(grants{}, revoke); err != nil {
			c.Fail(providers.Errorf(providers.Invalid, "permission set %s: %v", body.Name, err))
			return
		}
		if script = set.String(); script == before {
			script = ""
		}
	}
	if script != "" {
		if _, err := v.client.ExecuteMDL(ctx, script); err != nil {
			c.Fail(contractError("take back grants of "+body.Name, err))
			return
		}
	}
	c.Gone()
}
