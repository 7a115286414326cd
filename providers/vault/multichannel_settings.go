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
	"accord/providers/vaultapi"
)

// multichannelBody is the block `multichannel_settings`.
type multichannelBody struct {
	Vault      addrs.Instance `json:"vault" schema:"required,replace" refers:"vault" doc:"The CRM vault."`
	Profile    string         `json:"application_profile" schema:"required,replace" doc:"The application profile, by its external id or by its name."`
	CLMContent string         `json:"clm_content" schema:"required" oneof:"document object" doc:"From which model its users have their CLM content; one of the two, never both (CLM-10)."`
}

// Where Multichannel Settings are kept: Vault CRM's help names the object, whose
// records are of one application profile each, or of the vault, as those of Veeva
// Settings are. It names no field for the model of CLM content: that one is ours,
// and found by its label where it is called otherwise.
const (
	objProfile        = "application_profile__v"
	objMultichannel   = "multichannel_settings__v"
	fieldContentModel = "clm_content_model__v"
	labelContentModel = "CLM Content Model"
)

// modelValue is the picklist value of a model.
var modelValue = map[string]string{modelDocument: "document_model__v", modelObject: "object_model__v"}

func modelOf(value string) string {
	for model, v := range modelValue {
		if v == value {
			return model
		}
	}
	return ""
}

func (p *Provider) multichannelType() resource.Resource {
	return resource.Type[multichannelBody]{
		Name:     "multichannel_settings",
		Doc:      "The Multichannel Settings of an application profile: from which content model its users have CLM content (CLM-10). Taking the block out leaves the profile as it is: no model is safe for everybody.",
		Identity: []string{"vault", "application_profile"},
		Removal:  schema.Forget,
		Validate: validateMultichannel,
		Read:     p.readMultichannel,
		List:     listing(p, p.listMultichannel),
		Plan:     p.planMultichannel,
		Create:   p.writeMultichannel,
		Update:   p.writeMultichannel,
	}
}

func validateMultichannel(env *resource.Env, items []*resource.Item[multichannelBody]) {
	type key struct {
		vault   addrs.Instance
		profile string
	}
	seen := map[key]addrs.Instance{}
	for _, i := range items {
		if v, _, err := resource.Ref[instanceBody](env, i.Want.Vault); err == nil && v.Kind != kindCRM {
			i.Refuse("CLM-10", "/vault", fmt.Sprintf("%s is a %s vault, and application profiles are in CRM vaults", i.Want.Vault, v.Kind), "Name the CRM vault whose application profile is meant.")
		}
		if i.IsUnknown("/application_profile") {
			continue
		}
		k := key{i.Want.Vault, i.Want.Profile}
		if other, double := seen[k]; double {
			i.Refuse("CLM-10", "/application_profile", fmt.Sprintf("%s and %s are the settings of one application profile", other, i.Addr), "Its users have their content from one model. Take one of the blocks out.")
		}
		seen[k] = i.Addr
	}
}

// profileRecord is an application profile of a CRM vault.
type profileRecord struct {
	ID, Name, External string
	Settings           string // id of its Multichannel Settings; "": it has none
	Model              string // "" where it is not set, or not known here
}

// is reports whether a profile is meant by a word: its external id or its name.
func (r *profileRecord) is(word string) bool { return word == r.External || word == r.Name }

// profiles reads the application profiles of a CRM vault, by name.
func (v *vault) profiles(ctx context.Context) ([]profileRecord, error) {
	field, err := v.contentModelField(ctx)
	if err != nil {
		return nil, err
	}
	rows, err := v.caller().all(ctx, "SELECT id, name__v, external_id__v FROM "+objProfile)
	if err != nil {
		return nil, contractError("read application profiles of "+v.addr.String(), err)
	}
	settings, err := v.caller().all(ctx, "SELECT id, "+objProfile+", "+field+" FROM "+objMultichannel)
	if err != nil {
		return nil, contractError("read Multichannel Settings of "+v.addr.String(), err)
	}
	of := map[string]row{} // those of the vault itself have no profile
	for _, r := range settings {
		profile := r.one(objProfile)
		if other := of[profile]; other != nil && profile != "" {
			return nil, providers.Errorf(providers.Invalid, "CLM-10: application profile %s of %s has two records of Multichannel Settings, %s and %s; delete the one that is not meant", profile, v.addr, other.text("id"), r.text("id"))
		}
		of[profile] = r
	}
	list := make([]profileRecord, len(rows))
	for n, r := range rows {
		list[n] = profileRecord{ID: r.text("id"), Name: r.text("name__v"), External: r.text("external_id__v")}
		if s := of[list[n].ID]; s != nil {
			list[n].Settings, list[n].Model = s.text("id"), modelOf(s.one(field))
		}
	}
	slices.SortFunc(list, func(a, b profileRecord) int { return strings.Compare(a.Name+"\n"+a.ID, b.Name+"\n"+b.ID) })
	v.sawProfiles(list)
	return list, nil
}

// contentModelField is the field of Multichannel Settings that names the model.
func (v *vault) contentModelField(ctx context.Context) (string, error) {
	o, err := v.object(ctx, objMultichannel)
	if err != nil {
		return "", contractError("find the Multichannel Settings of "+v.addr.String(), err)
	}
	f, err := o.Field(fieldContentModel)
	if err != nil {
		f, err = o.FieldByLabel(labelContentModel)
	}
	if err != nil {
		return "", providers.Errorf(providers.Invalid, "CLM-10: the Multichannel Settings of %s have no field %q", v.addr, labelContentModel)
	}
	return f.Name, nil
}

// profileOf finds the profile that a word means; an external id wins over a
// name, and several of one name are an error.
func profileOf(list []profileRecord, word string) (*profileRecord, error) {
	var found []*profileRecord
	for n := range list {
		if list[n].External == word {
			return &list[n], nil
		}
		if list[n].is(word) {
			found = append(found, &list[n])
		}
	}
	switch len(found) {
	case 0:
		return nil, nil
	case 1:
		return found[0], nil
	}
	return nil, providers.Errorf(providers.Invalid, "%d application profiles are called %q; name the one that is meant by its external id", len(found), word)
}

func (p *Provider) findProfile(body *multichannelBody, profiles func(*vault) ([]profileRecord, error)) (*vault, *profileRecord, error) {
	v, err := p.vault(body.Vault)
	if err != nil {
		return nil, nil, err
	}
	list, err := profiles(v)
	if err != nil {
		return v, nil, err
	}
	r, err := profileOf(list, body.Profile)
	return v, r, err
}

func (p *Provider) readMultichannel(ctx context.Context, env *resource.Env, items []*resource.Item[multichannelBody]) {
	profiles := cached(func(v *vault) ([]profileRecord, error) { return v.profiles(ctx) })
	resource.Each(atOnce, func(ctx context.Context, env *resource.Env, i *resource.Item[multichannelBody]) {
		v, r, err := p.findProfile(i.Want, profiles)
		switch {
		case err != nil:
			i.Fail(err)
		case r == nil || r.Model == "": // nothing is set for it
			i.Missing()
		default:
			i.Found(r.Settings, multichannelBody{Vault: i.Want.Vault, Profile: i.Want.Profile, CLMContent: r.Model})
			touch(ctx, env, i, v, objMultichannel, r.Settings)
		}
	})(ctx, env, items)
}

// listMultichannel finds the profiles whose model is set.
func (p *Provider) listMultichannel(ctx context.Context, _ *resource.Env, crm *vault, yield lister[multichannelBody]) error {
	if crm.kind != kindCRM {
		return nil
	}
	list, err := crm.profiles(ctx)
	if err != nil {
		return err
	}
	for n := range list {
		r := &list[n]
		word := r.Name
		if r.External != "" {
			word = r.External
		}
		if found, err := profileOf(list, word); r.Model == "" || err != nil || found != r {
			continue // no word leads back to it
		}
		if !yield(resource.Found[multichannelBody]{ID: r.Settings, Body: multichannelBody{Vault: crm.addr, Profile: word, CLMContent: r.Model}}) {
			return nil
		}
	}
	return nil
}

func (p *Provider) planMultichannel(ctx context.Context, _ *resource.Env, changes []*resource.Change[multichannelBody]) {
	profiles := cached(func(v *vault) ([]profileRecord, error) { return v.profiles(ctx) })
	type profile struct {
		vault addrs.Instance
		id    string
	}
	seen := map[profile]addrs.Instance{} // a profile has an external id and a name
	for _, c := range changes {
		if c.Desired == nil || c.IsUnknown("/application_profile") {
			continue
		}
		v, r, err := p.findProfile(c.Desired, profiles)
		switch {
		case err != nil:
			c.Fail(err)
			continue
		case r == nil:
			list, _ := profiles(v)
			var known []string
			for _, r := range list {
				known = append(known, r.Name, r.External)
			}
			c.Refuse("CLM-10", "/application_profile", fmt.Sprintf("There is no application profile %q in %s%s", c.Desired.Profile, v.addr, suggest(c.Desired.Profile, known)),
				"Application profiles are made by the vault's administrators. Name one by its external id or its name.")
			continue
		}
		at := profile{v.addr, r.ID}
		if other, double := seen[at]; double {
			c.Refuse("CLM-10", "/application_profile", fmt.Sprintf("%s and %s are the settings of one application profile, %s", other, c.Addr, r.Name), "Take one of them out.")
			continue
		}
		seen[at] = c.Addr
		if c.IsUnknown("/clm_content") || r.Model == c.Desired.CLMContent {
			continue
		}
		was := "no model"
		if r.Model != "" {
			was = "the " + r.Model + " model"
		}
		c.Consequence("users of %s have their CLM content from the %s model; until now from %s", r.Name, c.Desired.CLMContent, was)
		if c.Desired.CLMContent == modelDocument {
			c.Warn("CLM-10", "/clm_content", fmt.Sprintf("Users of %s have CLM content on iPad only", r.Name),
				"At its first release the document model is supported on the iPad alone, and does not have all that the object model has.")
		}
	}
}

func (p *Provider) writeMultichannel(ctx context.Context, _ *resource.Env, changes []*resource.Change[multichannelBody]) {
	profiles := cached(func(v *vault) ([]profileRecord, error) { return v.profiles(ctx) })
	type target struct {
		*vault
		create bool
	}
	rows := map[target][]vaultapi.Fields{}
	of := map[target][]*resource.Change[multichannelBody]{}
	for _, c := range changes {
		v, r, err := p.findProfile(c.Planned, profiles)
		if err == nil && r == nil {
			err = providers.Errorf(providers.NotFound, "the application profile %q is not there any more", c.Planned.Profile)
		}
		if err != nil {
			c.Fail(err)
			continue
		}
		if r.Model == c.Planned.CLMContent {
			c.Done(r.Settings, *c.Planned)
			continue
		}
		field, err := v.contentModelField(ctx)
		if err != nil {
			c.Fail(err)
			continue
		}
		row := vaultapi.Fields{field: []string{modelValue[c.Planned.CLMContent]}}
		w := target{v, r.Settings == ""}
		if w.create {
			row["name__v"], row[objProfile] = r.Name, r.ID
		} else {
			row["id"] = r.Settings
		}
		rows[w], of[w] = append(rows[w], row), append(of[w], c)
	}
	for w, list := range rows {
		write := w.client.UpdateRecords
		if w.create {
			write = w.client.CreateRecords
		}
		for n, result := range write(ctx, objMultichannel, list) {
			if result.Err != nil {
				of[w][n].Fail(contractError("write Multichannel Settings", result.Err))
				continue
			}
			of[w][n].Done(string(result.ID), *of[w][n].Planned)
		}
	}
}

// adviseModels is CLM-10 across types: a profile whose users would have no
// content, since no active point brings any in their model.
func adviseModels(env *resource.Env, objects []providers.Object) []providers.Diagnostic {
	type at struct {
		crm   addrs.Instance
		model string
	}
	brought := map[at]bool{}
	for _, o := range objects {
		b, _, err := resource.Ref[pointBody](env, o.Addr)
		if o.Type != "integration_point" || err != nil || b.Status != active || !movesCLM(b.Name) {
			continue
		}
		parent, _, err := resource.Ref[integrationBody](env, b.Integration)
		if err != nil || parent.Status != active {
			continue
		}
		if c, _, err := resource.Ref[connectionBody](env, parent.Connection); err == nil {
			brought[at{c.CRM, pointByName(b.Name).Model}] = true
		}
	}
	var out []providers.Diagnostic
	for _, o := range objects {
		b, _, err := resource.Ref[multichannelBody](env, o.Addr)
		if o.Type != "multichannel_settings" || err != nil || modelValue[b.CLMContent] == "" || brought[at{b.Vault, b.CLMContent}] {
			continue
		}
		name, other := "clm_presentation", modelObject
		if b.CLMContent == modelObject {
			name, other = "clm_object_model", modelDocument
		}
		detail := fmt.Sprintf("No active integration_point with name = %q leads there.", name)
		if brought[at{b.Vault, other}] {
			detail += fmt.Sprintf(" Content comes in the %s model: activate that point, or write clm_content = %q.", other, other)
		}
		out = append(out, providers.Diagnostic{Severity: providers.SeverityWarning, Code: "CLM-10", Addr: o.Addr, Path: "/clm_content",
			Summary: fmt.Sprintf("Users of %s would have no CLM content: none comes to %s in the %s model", b.Profile, b.Vault, b.CLMContent), Detail: detail})
	}
	return out
}

// Where a CRM vault keeps which models are switched on in it. That there are such
// switches is the seed's (both may be enabled); where, and what they are called, is
// a guess, so that a vault without them is taken to have both on.
const objVeevaSettings = "veeva_settings__v"

var modelSwitch = map[string]string{modelDocument: "clm_document_model__v", modelObject: "clm_object_model__v"}

// switchedOff reports whether a CRM vault says that a model is off there. What
// does not say so is taken to be on.
func (v *vault) switchedOff(ctx context.Context, model string) bool {
	o, err := v.object(ctx, objVeevaSettings)
	if err != nil {
		return false
	}
	if _, err := o.Field(modelSwitch[model]); err != nil {
		return false
	}
	rows, err := v.caller().all(ctx, "SELECT id, "+modelSwitch[model]+" FROM "+objVeevaSettings)
	if err != nil || len(rows) == 0 {
		return false
	}
	return !slices.ContainsFunc(rows, func(r row) bool { on, _ := r.flag(modelSwitch[model]); return on })
}

// adviseObjectModel says what of the configuration does not reach the object
// model.
func adviseObjectModel(ctx context.Context, l *pointLink, c *resource.Change[pointBody], env *resource.Env) {
	if l.crm.switchedOff(ctx, modelObject) {
		c.Warn("CLM-10", "/status", fmt.Sprintf("The object model is switched off in %s: nobody sees what comes in it", l.crm.addr),
			"Veeva Settings of the CRM vault have a switch for each model of CLM content. It is set by the vault's administrators.")
	}
	var lost []string
	for addr, o := range env.Refs {
		b, _, err := resource.Ref[fieldRuleBody](env, addr)
		if o.Type != "field_rule" || err != nil || b.Connection != l.addr {
			continue
		}
		rule := providers.Rule{To: b.Target}
		for _, typ := range b.AppliesTo {
			rule.Parts = append(rule.Parts, partOfTarget[typ])
		}
		if fields, err := l.crm.objectFields(ctx, rule); err == nil && len(fields) == 0 {
			lost = append(lost, fmt.Sprintf("%s (%s)", addr, b.Target))
		}
	}
	if len(lost) > 0 {
		slices.Sort(lost)
		c.Warn("CLM-10", "", fmt.Sprintf("Field rules that the object model has no field for: %s", shortened(lost)),
			fmt.Sprintf("They go on filling documents. In the object model a rule fills a field of %s or %s that is called as its target, and is of the same type.", objPresentation, objKeyMessage))
	}
}
