package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
	"accord/providers/resource"
	"accord/providers/vaultapi"
)

// fieldRuleBody is the block `field_rule`.
type fieldRuleBody struct {
	Connection addrs.Instance       `json:"connection" schema:"required,replace" refers:"connection" doc:"The connection whose CLM content is mapped."`
	Source     string               `json:"source" schema:"required,replace" doc:"A document field of the content vault."`
	Target     string               `json:"target" schema:"required,replace" doc:"A document field of the CRM vault."`
	AppliesTo  resource.Set[string] `json:"applies_to" schema:"local" nonempty:"leave it out to map all types" doc:"Document types of the CRM vault: presentation__v, slide__v, shared_resource__v. Left out: all."`
	Values     map[string]string    `json:"values" schema:"local" doc:"What values become; a value that is not named goes over as it is."`
	Default    *string              `json:"default" doc:"Where the source is blank. Left out, it is as it is in the vault; empty, there is none."`
	Reference  *fieldReference      `json:"reference" schema:"block" doc:"For object references: how the record of the CRM vault is found (RULE-2)."`

	Rule     string `json:"rule" schema:"readonly" doc:"The rule's name in the vault."`
	Inactive bool   `json:"inactive" schema:"readonly" doc:"True: somebody has deactivated it in the vault, where the platform's engine passes it over. Apply activates it again."`
}

type fieldReference struct {
	Object  string `json:"object" schema:"required" doc:"The object in the CRM vault; its records are found by Link, then by External ID."`
	NoMatch string `json:"no_match" default:"exception" oneof:"exception blank" doc:"What becomes of a reference without a match: an exception is tried again by every run, a blank is filled once the document changes, or by a full run."`
}

func (p *Provider) fieldRuleType() resource.Resource {
	return resource.Type[fieldRuleBody]{
		Name:     "field_rule",
		Doc:      "A field rule of the CLM Integration: a document field of the content vault that is written into one of the CRM vault (RULE-1).",
		Identity: []string{"connection", "source", "target"},
		Removal:  schema.Delete,
		Validate: validateFieldRules,
		Read:     p.readFieldRules,
		List:     listing(p, p.listFieldRules),
		Plan:     p.planFieldRules,
		Create:   p.writeFieldRules,
		Update:   p.writeFieldRules,
		Remove:   p.writeFieldRules,
	}
}

func validateFieldRules(_ *resource.Env, items []*resource.Item[fieldRuleBody]) {
	type fill struct {
		connection   addrs.Instance
		target, part string
	}
	seen := map[fill]addrs.Instance{}
	type rule struct {
		connection     addrs.Instance
		source, target string
	}
	rules := map[rule]addrs.Instance{}
	for _, i := range items {
		if i.IsUnknown("/target") || i.IsUnknown("/source") {
			continue
		}
		r := rule{i.Want.Connection, i.Want.Source, i.Want.Target}
		if other, double := rules[r]; double && other != i.Addr {
			i.Refuse("RULE-1", "/source", fmt.Sprintf("%s and %s are one rule: both write %s into %s", other, i.Addr, r.source, r.target),
				"The vault has one rule for a pair of fields. Write one block, with the document types of both in applies_to.")
			continue
		}
		rules[r] = i.Addr
		if slices.Contains(fixedTargets, i.Want.Target) {
			i.Refuse("CLM-3", "/target", fmt.Sprintf("%s is filled by the CLM Integration itself", i.Want.Target), "Types, links and the marks of what was synced cannot be configured.")
		}
		for at, typ := range i.Want.AppliesTo {
			if partOfTarget[typ] == "" {
				i.Refuse("CLM-3", addrs.Path("/applies_to").Index(at), fmt.Sprintf("%q is no document type of CLM content%s", typ, suggest(typ, slices.Sorted(maps.Keys(partOfTarget)))),
					"There are presentation__v, slide__v and shared_resource__v.")
			}
		}
		if i.IsUnknown("/applies_to") {
			continue
		}
		for _, part := range partsOf(i.Want.AppliesTo) {
			f := fill{i.Want.Connection, i.Want.Target, part}
			if other, double := seen[f]; double && other != i.Addr {
				i.Refuse("RULE-1", "/target", fmt.Sprintf("%s and %s both fill %s of %s", other, i.Addr, i.Want.Target, targetOfPart[part]), "Take one of them out, or narrow applies_to.")
				break
			}
			seen[f] = i.Addr
		}
	}
}

// fixedTargets are fields that accord or the platform fills.
var fixedTargets = []string{"type__v", "subtype__v", "classification__v", "lifecycle__v", "status__v", "external_id__v", "link__sys", "version_link__sys", "id"}

// partsOf are the parts of document types, in the order in which they are
// written; all for none.
func partsOf(types []string) []string {
	var parts []string
	for _, part := range []string{partShared, partSlide, partPresentation} {
		if types == nil || slices.Contains(types, targetOfPart[part]) {
			parts = append(parts, part)
		}
	}
	return parts
}

// orBlank at the beginning of a Fieldrule's label keeps no_match = "blank",
// for which the platform has no attribute.
const orBlank = "Or blank: "

func fieldRuleLabel(b *fieldRuleBody) string {
	label := b.Source + " to " + b.Target
	if b.Reference != nil && b.Reference.NoMatch == "blank" {
		label = orBlank + label
	}
	return label[:min(len(label), 60)]
}

func (p *Provider) readFieldRules(ctx context.Context, env *resource.Env, items []*resource.Item[fieldRuleBody]) {
	rules, touched := rulesCache(ctx), componentTouches(ctx, env)
	resource.Each(atOnce, func(ctx context.Context, env *resource.Env, i *resource.Item[fieldRuleBody]) {
		l, err := p.link(env, i.Want.Connection)
		if err != nil {
			i.Fail(err)
			return
		}
		r, err := rules(l)
		if err != nil {
			i.Fail(err)
			return
		}
		f := r.byPairOfRule[[2]string{i.Want.Source, i.Want.Target}]
		if f == nil {
			i.Missing()
			return
		}
		i.Found(l.names.Rule+"."+f.Name, fieldRuleNow(i.Want, f))
		i.Touch(touched(l.crm, f.Name, l.names.Rule))
	})(ctx, env, items)
}

func fieldRuleNow(want *fieldRuleBody, f *fieldObject) fieldRuleBody {
	now := *want
	now.Rule, now.Inactive, now.Default, now.Reference = f.Name, !bool(f.Active), nil, nil
	if f.Default != "" || want.Default != nil { // written and empty: none is wanted
		now.Default = &f.Default
	}
	if f.LookupType == "object" {
		now.Reference = &fieldReference{Object: f.Lookup, NoMatch: "exception"}
		if strings.HasPrefix(f.Label, orBlank) {
			now.Reference.NoMatch = "blank"
		}
	}
	return now
}

func (p *Provider) planFieldRules(ctx context.Context, env *resource.Env, changes []*resource.Change[fieldRuleBody]) {
	around := sync.OnceValue(func() neighbourIndex { return neighbours(env) })
	for _, c := range changes {
		if c.Desired == nil {
			if c.Live != nil {
				c.Consequence("%s", noLongerFilled(c.Live))
			}
			continue
		}
		l, err := p.link(env, c.Desired.Connection)
		if err != nil {
			c.Fail(err)
			continue
		}
		switch {
		case c.Live == nil:
			c.Set("rule", fieldRuleName(c.Desired.Source, c.Desired.Target))
		case c.Live.Inactive:
			c.Set("inactive", nil)
			c.Consequence("it is inactive in the vault, and is activated")
		}
		if err := p.checkFields(ctx, l, c); err != nil {
			c.Fail(err)
		}
		adviseLeftOut(c)
		if engineOf(l, nil) == providers.EnginePlatform && (c.Desired.Values != nil || c.Desired.AppliesTo != nil) && !runsHere(env, around().at(l.addr).points) {
			c.Warn("RULE-1", "/values", "values and applies_to are kept by accord, and not known to the platform's engine", `They hold for points with engine = "accord".`)
		}
	}
}

// noLongerFilled says what becomes of what a rule has written. What every item has
// is filled without a rule too (CLM-5); what no rule fills any more is not written.
func noLongerFilled(b *fieldRuleBody) string {
	if slices.ContainsFunc(baseRules(), func(r providers.Rule) bool { return r.To == b.Target }) {
		return b.Target + " is filled from the source's own again"
	}
	return b.Target + " is no longer filled; what was written stays"
}

// adviseLeftOut says what stays: what a block leaves out is not managed, also
// where it was written before.
func adviseLeftOut(c *resource.Change[fieldRuleBody]) {
	if c.Live == nil {
		return
	}
	if c.Desired.Default == nil && c.Live.Default != nil && *c.Live.Default != "" && !c.IsUnknown("/default") {
		c.Warn("RULE-1", "", fmt.Sprintf("The rule has a default that is not written here, and keeps it: %q", *c.Live.Default),
			fmt.Sprintf("What is left out is not managed. Write default = %q, or default = \"\" to have none.", *c.Live.Default))
	}
	if c.Desired.Reference == nil && c.Live.Reference != nil && !c.IsUnknown("/reference") {
		c.Warn("RULE-1", "", fmt.Sprintf("The rule has a reference that is not written here, and keeps it: %s, no_match = %q", c.Live.Reference.Object, c.Live.Reference.NoMatch),
			"What is left out is not managed. Write the reference block as it is meant.")
	}
}

// runsHere reports whether accord's engine moves CLM content through one of
// the points.
func runsHere(env *resource.Env, points []addrs.Instance) bool {
	for _, addr := range points {
		if b, _, err := resource.Ref[pointBody](env, addr); err == nil && movesCLM(b.Name) && b.Engine != nil && *b.Engine == providers.EngineAccord {
			return true
		}
	}
	return false
}

// checkFields is RULE-3: both fields exist and fit, by live metadata.
func (p *Provider) checkFields(ctx context.Context, l *link, c *resource.Change[fieldRuleBody]) error {
	if c.IsUnknown("/source") || c.IsUnknown("/target") {
		return nil
	}
	find := func(v *vault, name string, at addrs.Path) (vaultapi.DocumentField, bool, error) {
		all, err := v.documentFields(ctx)
		if err != nil {
			return vaultapi.DocumentField{}, false, contractError("read the document fields of "+v.addr.String(), err)
		}
		f, err := v.documentField(ctx, name)
		if errors.Is(err, vaultapi.NotFound) {
			known := make([]string, len(all))
			for n, f := range all {
				known[n] = f.Name
			}
			c.Refuse("RULE-3", at, fmt.Sprintf("%s has no document field %q%s", v.addr, name, suggest(name, known)),
				"Write the API name of one of its document fields, as under Admin > Configuration > Document Fields.")
			return f, false, nil
		}
		return f, err == nil, err
	}
	source, okSource, err := find(l.content, c.Desired.Source, "/source")
	if err != nil {
		return err
	}
	target, okTarget, err := find(l.crm, c.Desired.Target, "/target")
	if err != nil || !okSource || !okTarget {
		return err
	}
	f := fit{source: source, target: target}
	for _, of := range []struct {
		v     *vault
		field vaultapi.DocumentField
		to    *[]vaultapi.Labelled
	}{{l.content, source, &f.sourceValues}, {l.crm, target, &f.targetValues}} {
		if of.field.Type != "Picklist" || of.field.Picklist == "" {
			continue
		}
		if *of.to, err = of.v.picklist(ctx, of.field.Picklist); err != nil {
			return contractError("read the picklist "+of.field.Picklist+" of "+of.v.addr.String(), err)
		}
	}
	judged := *c.Desired
	if c.IsUnknown("/default") {
		judged.Default = nil
	}
	if c.IsUnknown("/values") {
		judged.Values = nil
	}
	for _, m := range f.check(&judged) {
		if m.warning {
			c.Warn("RULE-3", m.at, m.summary, m.detail)
		} else {
			c.Refuse("RULE-3", m.at, m.summary, m.detail)
		}
	}
	switch ref := c.Desired.Reference; {
	case ref == nil:
	case c.IsUnknown("/reference"):
	case source.Type != "ObjectReference":
		c.Refuse("RULE-2", "/reference", fmt.Sprintf("%s is no object reference", source.Name), "Take the reference block out.")
	case target.Type == "ObjectReference" && target.ObjectType != "" && target.ObjectType != ref.Object:
		c.Refuse("RULE-2", "/reference/object", fmt.Sprintf("%s refers to %s, not to %s%s", target.Name, target.ObjectType, ref.Object, suggest(ref.Object, []string{target.ObjectType})), fmt.Sprintf("Write object = %q.", target.ObjectType))
	}
	return nil
}

// writeFieldRules alters each integration rule once, for all of the batch.
func (p *Provider) writeFieldRules(ctx context.Context, env *resource.Env, changes []*resource.Change[fieldRuleBody]) {
	rules := rulesCache(ctx)
	type script struct {
		l    *link
		text []string
		done []func(error)
	}
	scripts := map[*integrationRule]*script{}
	var order []*integrationRule
	for _, c := range changes {
		body := c.Subject()
		l, err := p.link(env, body.Connection)
		if err != nil {
			c.Fail(err)
			continue
		}
		r, err := rules(l)
		if err != nil {
			c.Fail(err)
			continue
		}
		there := r.byPairOfRule[[2]string{body.Source, body.Target}]
		text, now, err := p.fieldRuleText(ctx, l, c.Action, body, there)
		if err != nil {
			c.Fail(err)
			continue
		}
		done := func(err error) {
			switch {
			case err != nil:
				c.Fail(contractError("change the field rules of "+l.names.Rule, err))
			case c.Action == providers.Remove:
				c.Gone()
			default:
				c.Done(l.names.Rule+"."+now.Rule, now)
			}
		}
		if text == "" {
			done(nil)
			continue
		}
		if scripts[r] == nil {
			scripts[r] = &script{l: l}
			order = append(order, r)
		}
		s := scripts[r]
		s.text, s.done = append(s.text, text), append(s.done, done)
	}
	for _, r := range order {
		s := scripts[r]
		_, err := s.l.crm.client.ExecuteMDL(ctx, "ALTER Integrationrule "+s.l.names.Rule+" (\n   "+strings.Join(s.text, ",\n   ")+"\n);")
		for _, done := range s.done {
			done(err)
		}
	}
}

// fieldRuleText is the change of one Fieldrule as MDL, "" when there is none.
func (p *Provider) fieldRuleText(ctx context.Context, l *link, action providers.Action, body *fieldRuleBody, there *fieldObject) (string, fieldRuleBody, error) {
	now := *body
	if action == providers.Remove {
		if there == nil {
			return "", now, nil
		}
		return "DROP Fieldrule " + there.Name, now, nil
	}
	source, err := l.content.documentField(ctx, body.Source)
	if err != nil {
		return "", now, contractError(fmt.Sprintf("find the document field %s of %s", body.Source, l.content.addr), err)
	}
	name, verb := fieldRuleName(body.Source, body.Target), "ADD"
	if there != nil {
		name, verb = there.Name, "MODIFY"
		if fieldRulesEqual(fieldRuleNow(body, there), *body) {
			now.Rule = name
			return "", now, nil
		}
	}
	now.Rule = name
	attributes := []string{
		"label(" + quoteMDL(fieldRuleLabel(body)) + ")", "active(true)", "query_object('documents')",
		"query_field(" + quoteMDL(body.Source) + ")", "target_docfield(" + quoteMDL("Docfield."+body.Target) + ")",
	}
	if typ := queryFieldTypes[source.Type]; typ != "" {
		attributes = append(attributes, "query_field_type("+quoteMDL(typ)+")")
	}
	optional := func(name string, value string) {
		if value != "" {
			attributes = append(attributes, name+"("+quoteMDL(value)+")")
		} else if there != nil {
			attributes = append(attributes, name+"()")
		}
	}
	def, lookupType, lookup := "", "", ""
	if body.Default != nil {
		def = *body.Default
	}
	if body.Reference != nil {
		lookupType, lookup = "object", body.Reference.Object
	}
	optional("field_default", def)
	optional("reference_lookup_type", lookupType)
	optional("reference_lookup", lookup)
	return verb + " Fieldrule " + name + " (\n      " + strings.Join(attributes, ",\n      ") + "\n   )", now, nil
}

// fieldRulesEqual compares what the vault keeps of two bodies.
func fieldRulesEqual(a, b fieldRuleBody) bool {
	a.Rule, b.Rule = "", ""
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && string(x) == string(y)
}

// rule is the field rule as the engine applies it.
func (b *fieldRuleBody) rule(addr addrs.Instance, target vaultapi.DocumentField) (providers.Rule, error) {
	r := providers.Rule{Addr: addr, From: b.Source, To: b.Target, Values: b.Values}
	if b.AppliesTo != nil {
		r.Parts = partsOf(b.AppliesTo)
	}
	if target.Type == "ObjectReference" {
		r.Reference = &providers.Reference{Object: target.ObjectType, NoMatch: "exception"}
		if b.Reference != nil {
			r.Reference = &providers.Reference{Object: b.Reference.Object, NoMatch: b.Reference.NoMatch}
		}
	}
	if b.Default == nil || *b.Default == "" {
		return r, nil
	}
	var value any = *b.Default
	switch target.Type {
	case "Boolean":
		value = *b.Default == "true"
	case "Number":
		value = json.Number(*b.Default)
	case "Picklist":
		value = []any{*b.Default}
	}
	raw, err := schema.AppendCanonical(nil, value, nil)
	r.Default = raw
	return r, err
}
