package vault

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
	"accord/providers/resource"
	"accord/providers/vaultapi"
)

// countryFilterBody is the block `country_filter`.
type countryFilterBody struct {
	Connection   addrs.Instance       `json:"connection" schema:"required" refers:"connection" doc:"Whose CRM vault is filtered: any of its connections, which share the filter."`
	Feature      string               `json:"feature" schema:"replace" default:"clm" oneof:"clm approved_email" doc:"Which feature is routed (CTRY-1)."`
	Countries    resource.Set[string] `json:"countries" nonempty:"An empty filter would let every country through. If that is meant, say all_countries = true." doc:"Countries that the CRM vault receives: values of country_cda__v, by name or by label."`
	AllCountries *bool                `json:"all_countries" doc:"True: every country there is. The only way to say all."`

	Values     resource.Set[string] `json:"values" schema:"computed,readonly" doc:"The same countries by name, as the vault keeps them."`
	VaultCRMID string               `json:"vault_crm_id" schema:"readonly" doc:"The CRM vault's own id in its settings record; filled, and compared on every read (CTRY-13)."`
	Edited     time.Time            `json:"edited" schema:"volatile" doc:"When the settings record was edited last, whoever did it, by the CRM vault's clock (CTRY-7)."`
}

func (p *Provider) countryFilterType() resource.Resource {
	return resource.Type[countryFilterBody]{
		Name:     "country_filter",
		Doc:      "The country filter of a CRM vault. It is never emptied by taking the block out: it stays as it is (CTRY-11).",
		Identity: []string{"connection", "feature"},
		Removal:  schema.Forget,
		Validate: validateFilters,
		Read:     p.readFilters,
		List:     listing(p, p.listFilters),
		Plan:     p.planFilters,
		Create:   p.writeFilters,
		Update:   p.writeFilters,
	}
}

func validateFilters(env *resource.Env, items []*resource.Item[countryFilterBody]) {
	type key struct {
		of      addrs.Instance // the CRM vault, which has one filter for a feature, whatever connections it has
		feature string
	}
	seen := map[key]addrs.Instance{}
	for _, i := range items {
		all := i.Want.AllCountries != nil && *i.Want.AllCountries
		unknown := i.IsUnknown("/countries") || i.IsUnknown("/all_countries")
		switch {
		case unknown:
		case all && i.Want.Countries != nil:
			i.Refuse("CTRY-1", "/all_countries", "Both countries and all_countries are set", "Keep one of them.")
		case !all && i.Want.Countries == nil:
			i.Refuse("CTRY-1", "", "The filter names no country", "Write countries, or all_countries = true.")
		}
		k := key{i.Want.Connection, i.Want.Feature}
		if c, _, err := resource.Ref[connectionBody](env, i.Want.Connection); err == nil {
			k.of = c.CRM
		}
		if other, double := seen[k]; double {
			i.Refuse("CTRY-1", "", fmt.Sprintf("%s and %s are the same filter", other, i.Addr),
				fmt.Sprintf("%s has one filter for %s, by which all its connections route. Take one of the blocks out.", k.of, i.Want.Feature))
		}
		seen[k] = i.Addr
	}
}

// countryNames is the picklist of countries, both ways. Vaults whose picklists
// are alike share it.
type countryNames struct {
	label map[string]string // by name
	name  map[string]string // by name or label, in small letters
	all   []string
}

func newCountryNames(values []vaultapi.Labelled) *countryNames {
	n := &countryNames{label: map[string]string{}, name: map[string]string{}}
	for _, v := range values {
		n.name[strings.ToLower(v.Label)] = v.Name
	}
	for _, v := range values { // a name wins over a label
		n.label[v.Name] = v.Label
		n.name[strings.ToLower(v.Name)] = v.Name
		n.all = append(n.all, v.Name)
	}
	slices.Sort(n.all)
	return n
}

// canonical finds the name of what a user wrote.
func (n *countryNames) canonical(written string) (string, bool) {
	name, ok := n.name[strings.ToLower(strings.TrimSpace(written))]
	return name, ok
}

// both is how a plan shows a country: United States (us__v).
func (n *countryNames) both(name string) string {
	if l := n.label[name]; l != "" {
		return fmt.Sprintf("%s (%s)", l, name)
	}
	return name
}

func (v *vault) countryNames(ctx context.Context) (*countryNames, error) {
	values, err := v.picklist(ctx, picklistCountry)
	if err != nil {
		return nil, contractError("read the countries of "+v.addr.String(), err)
	}
	if len(values) == 0 {
		return newCountryNames(nil), nil
	}
	return v.names.get(&values[0], func() (*countryNames, error) { return newCountryNames(values), nil })
}

// expand turns what is written into names; unknown lists the places of those
// that are no country.
func (n *countryNames) expand(body *countryFilterBody) (names []string, unknown []int) {
	if body.AllCountries != nil && *body.AllCountries {
		return slices.Clone(n.all), nil
	}
	for at, written := range body.Countries {
		if name, ok := n.canonical(written); ok {
			names = append(names, name)
		} else {
			unknown = append(unknown, at)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), unknown
}

// spell writes a filter as it is in the words of who asks: each country as
// written there, else by its label where labels are used there, else by its
// name. All of them is all_countries, where that is what was written.
func (n *countryNames) spell(now []string, want *countryFilterBody) (countries resource.Set[string], all *bool) {
	if want.AllCountries != nil && *want.AllCountries {
		yes := slices.Equal(now, n.all)
		if yes {
			return nil, &yes
		}
		return now, &yes
	}
	written := map[string]string{}
	labels := false
	for _, w := range slices.Backward(want.Countries) {
		if name, ok := n.canonical(w); ok {
			written[name] = w
			labels = labels || w == n.label[name]
		}
	}
	countries = make(resource.Set[string], 0, len(now))
	for _, name := range now {
		word := name
		if labels {
			word = cmp.Or(n.label[name], name)
		}
		countries = append(countries, cmp.Or(written[name], word))
	}
	// Two words for one country are both there.
	for _, w := range want.Countries {
		if name, ok := n.canonical(w); ok && slices.Contains(now, name) && !slices.Contains(countries, w) {
			countries = append(countries, w)
		}
	}
	slices.Sort(countries)
	return countries, want.AllCountries
}

// settingsRecord is the record of a CRM vault that holds a filter.
type settingsRecord struct {
	ID     string
	Values []string
	CRM    string
	Type   string // object type
	Name   string
	Edited time.Time
}

func (v *vault) settingsRecords(ctx context.Context) ([]settingsRecord, error) {
	rows, err := v.caller().all(ctx, "SELECT id, name__v, country_filter__v, vault_crm_id__v, modified_date__v, object_type__vr.api_name__v FROM "+objSettings)
	if err != nil {
		return nil, err
	}
	list := make([]settingsRecord, len(rows))
	for n, r := range rows {
		list[n] = settingsRecord{ID: r.text("id"), Name: r.text("name__v"), Values: slices.Sorted(slices.Values(r.names("country_filter__v"))),
			CRM: r.text("vault_crm_id__v"), Type: r.text("object_type__vr.api_name__v"), Edited: r.time("modified_date__v")}
	}
	v.sawSettings(list)
	v.filters.keep(objSettings, list)
	return list, nil
}

// settingsOf finds the record of a feature: the only one of its type, or the
// global one by name.
func settingsOf(list []settingsRecord, feature string) (*settingsRecord, error) {
	var found []settingsRecord
	for _, f := range features {
		if f.Name != feature {
			continue
		}
		for _, r := range list {
			if r.Type == f.ObjectType {
				found = append(found, r)
			}
		}
		if len(found) > 1 {
			named := slices.DeleteFunc(slices.Clone(found), func(r settingsRecord) bool { return r.Name != f.Record })
			if len(named) != 1 {
				return nil, providers.Errorf(providers.Invalid, "there are %d records of type %s, and not one of them alone is called %q", len(found), f.ObjectType, f.Record)
			}
			found = named
		}
	}
	if len(found) == 0 {
		return nil, nil
	}
	return &found[0], nil
}

func (p *Provider) readFilters(ctx context.Context, env *resource.Env, items []*resource.Item[countryFilterBody]) {
	records := cached(func(v *vault) ([]settingsRecord, error) { return v.settingsRecords(ctx) })
	resource.Each(atOnce, func(ctx context.Context, env *resource.Env, i *resource.Item[countryFilterBody]) {
		l, r, names, err := p.findFilter(ctx, env, i.Want, records)
		switch {
		case err != nil:
			i.Fail(err)
		case r == nil:
			i.Missing()
		default:
			i.Found(r.ID, filterNow(i.Want, r, names))
			touch(ctx, env, i, l.crm, objSettings, r.ID)
		}
	})(ctx, env, items)
}

func (p *Provider) findFilter(ctx context.Context, env *resource.Env, body *countryFilterBody, records func(*vault) ([]settingsRecord, error)) (*link, *settingsRecord, *countryNames, error) {
	l, err := p.link(env, body.Connection)
	if err != nil {
		return nil, nil, nil, err
	}
	list, err := records(l.crm)
	if err != nil {
		return nil, nil, nil, contractError("read connection settings of "+l.crm.addr.String(), err)
	}
	r, err := settingsOf(list, body.Feature)
	if err != nil {
		return nil, nil, nil, err
	}
	names, err := l.crm.countryNames(ctx)
	return l, r, names, err
}

func filterNow(want *countryFilterBody, r *settingsRecord, names *countryNames) countryFilterBody {
	now := countryFilterBody{Connection: want.Connection, Feature: want.Feature, Values: append(resource.Set[string]{}, r.Values...), VaultCRMID: r.CRM, Edited: r.Edited}
	now.Countries, now.AllCountries = names.spell(r.Values, want)
	return now
}

func (p *Provider) planFilters(ctx context.Context, env *resource.Env, changes []*resource.Change[countryFilterBody]) {
	countries := cached(func(v *vault) ([]countryRecord, error) { return v.countries(ctx) })
	for _, c := range changes {
		if c.Desired == nil {
			continue
		}
		l, err := p.link(env, c.Desired.Connection)
		if err != nil {
			c.Fail(err)
			continue
		}
		names, err := l.crm.countryNames(ctx)
		if err != nil {
			c.Fail(err)
			continue
		}
		values, unknown := names.expand(c.Desired)
		for _, at := range unknown {
			written := c.Desired.Countries[at]
			c.Refuse("CTRY-1", addrs.Path("/countries").Index(at), fmt.Sprintf("There is no country %q in %s%s", written, l.crm.addr, suggest(written, names.words())),
				"Countries are values of the picklist country_cda__v, by name (us__v) or by label (United States).")
		}
		if len(unknown) > 0 {
			continue
		}
		if c.IsUnknown("/countries") || c.IsUnknown("/all_countries") {
			c.MarkUnknown("values")
		} else {
			c.Set("values", append(resource.Set[string]{}, values...))
			if len(values) == 0 { // it is empty in the vault, and nobody here says otherwise
				c.Warn("CTRY-9", "/countries", fmt.Sprintf("The country filter of %s is empty, and stays so, since its countries are ignored here", l.crm.addr),
					"Without a country the Country Integration does not run. Take countries out of ignore_changes, or fill the filter in the vault.")
			}
		}
		if c.Desired.AllCountries != nil && *c.Desired.AllCountries {
			c.Set("countries", nil) // what was named until now is not kept beside it
		}
		own := strconv.FormatInt(l.crm.id, 10)
		c.Set("vault_crm_id", own)
		if c.Live == nil {
			c.Refuse("CTRY-1", "", fmt.Sprintf("%s has no settings record for the feature %s", l.crm.addr, c.Desired.Feature),
				"It comes with the vault, under Admin > Configuration. Ask the vendor.")
			continue
		}
		if r := c.Recorded; r != nil && r.Connection != c.Desired.Connection && r.VaultCRMID != own {
			c.ReplaceFor("/connection") // of the same CRM vault, another connection has the same filter
			continue
		}
		if other := c.Live.VaultCRMID; other != "" && other != own {
			c.Diagnose(refused(otherVault(other, l.crm)))
			continue
		}
		if c.Live.VaultCRMID == "" {
			c.Consequence("Vault CRM ID is filled in: the record is vault %s's from now on, and what was published there stays", own)
		}
		if r := c.Recorded; r != nil && r.VaultCRMID != "" && r.VaultCRMID != own {
			c.Warn("CTRY-13", "/vault_crm_id", fmt.Sprintf("%s is another vault now: vault %s, and it was vault %s", l.crm.addr, own, r.VaultCRMID), anotherVault(r.VaultCRMID, own, l))
		}
		if c.Changed("values") {
			c.Consequence("%s", filterEdit(c.Live.Values, values, names))
		}
		adviseFilter(l, c, values, names, countries)
	}
}

// otherVault is CTRY-13.
func otherVault(id string, crm *vault) providers.Diagnostic {
	return providers.Diagnostic{
		Code: "CTRY-13", Path: "/vault_crm_id",
		Summary: fmt.Sprintf("This record belongs to vault %s, and %s is vault %d; a refreshed sandbox?", id, crm.addr, crm.id),
		Detail: fmt.Sprintf("No sync of this connection runs, so the content of both vaults stays as it is. If the vault was copied from vault %s, clear the field Vault CRM ID of its settings record: "+
			"the next plan fills it, and a full run takes over what was copied, and brings it in line. What vault %[1]s itself holds is not touched.", id),
	}
}

// anotherVault says what becomes of the content of both vaults where a connection
// leads to another one than before (CTRY-13).
func anotherVault(before, now string, l *link) string {
	return fmt.Sprintf("What was published to vault %s stays there as it is, and so do its Connection Country records in %s: nothing is withdrawn from a vault that is not connected. "+
		"Vault %s gets what is routed to it by a full run; what it holds with this connection's mark, since it was copied, is taken over and not doubled. "+
		"To withdraw what vault %[1]s has, connect it by a block of its own, and run: accord sync -withdraw-all", before, l.content.addr, now)
}

// words are all words for countries, for suggestions.
func (n *countryNames) words() []string {
	var list []string
	for _, name := range n.all {
		list = append(list, name, n.label[name])
	}
	return list
}

// filterEdit says in words what an edit adds and takes out; what is new comes
// first (CTRY-8).
func filterEdit(was, will []string, names *countryNames) string {
	var added, removed []string
	for _, v := range will {
		if !slices.Contains(was, v) {
			added = append(added, names.both(v))
		}
	}
	for _, v := range was {
		if !slices.Contains(will, v) {
			removed = append(removed, names.both(v))
		}
	}
	var parts []string
	if len(added) > 0 {
		parts = append(parts, "newly received: "+shortened(added))
	}
	if len(removed) > 0 {
		parts = append(parts, "no longer received: "+shortened(removed))
	}
	return strings.Join(parts, "; ")
}

func shortened(list []string) string {
	const most = 12
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

// lists are the countries through which more comes than the filter names: those
// that list several, such as Global, and one of the filter's (CTRY-2).
func lists(records []countryRecord, values []string) []string {
	var names []string
	for _, r := range records {
		if len(r.Values) > 1 && slices.ContainsFunc(r.Values, func(v string) bool { return slices.Contains(values, v) }) {
			names = append(names, r.Name)
		}
	}
	return names
}

// adviseFilter is CTRY-9, as far as vaults must be asked for it.
func adviseFilter(l *link, c *resource.Change[countryFilterBody], values []string, names *countryNames, countries func(*vault) ([]countryRecord, error)) {
	records, err := countries(l.content)
	if err != nil {
		return // advice is not worth a failed plan
	}
	held := map[string]bool{}
	var blank []string
	for _, r := range records {
		if len(r.Values) == 0 {
			blank = append(blank, r.Name)
		}
		for _, v := range r.Values {
			held[v] = true
		}
	}
	if c.Desired.AllCountries == nil || !*c.Desired.AllCountries {
		var at []int // in what is written
		var unheld []string
		for n, written := range c.Desired.Countries {
			if name, _ := names.canonical(written); !held[name] {
				at, unheld = append(at, n), append(unheld, names.both(name))
			}
		}
		const few = 3 // more of them are one piece of advice
		if len(unheld) > few {
			c.Warn("CTRY-9", "/countries", fmt.Sprintf("No country of %s holds %d of the filter's %d values", l.content.addr, len(unheld), len(c.Desired.Countries)),
				fmt.Sprintf("No content can be routed by %s. A country__v record holds a value in its field country_cda__v.", shortened(unheld)))
		} else {
			for n, name := range unheld {
				c.Warn("CTRY-9", addrs.Path("/countries").Index(at[n]), fmt.Sprintf("No country of %s holds %s", l.content.addr, name),
					"No content can be routed by it. A country__v record holds it in its field country_cda__v.")
			}
		}
	}
	if c.Changed("values") {
		if through := lists(records, values); len(through) > 0 {
			c.Consequence("content of %s is routed here too: it is for several countries", shortened(through))
		}
	}
	if len(blank) > 0 {
		c.Warn("CTRY-9", "", fmt.Sprintf("Countries of %s without a value in country_cda__v: %s", l.content.addr, shortened(blank)), "Content of these countries alone goes nowhere.")
	}
}

func (p *Provider) writeFilters(ctx context.Context, env *resource.Env, changes []*resource.Change[countryFilterBody]) {
	records := cached(func(v *vault) ([]settingsRecord, error) { return v.settingsRecords(ctx) })
	rows := map[*vault][]vaultapi.Fields{}
	then := map[*vault][]func(error){}
	for _, c := range changes {
		l, r, names, err := p.findFilter(ctx, env, c.Planned, records)
		if err == nil && r == nil {
			err = providers.Errorf(providers.NotFound, "the settings record is not there any more")
		}
		if err != nil {
			c.Fail(err)
			continue
		}
		values, unknown := names.expand(c.Planned)
		own := strconv.FormatInt(l.crm.id, 10)
		switch {
		case len(unknown) > 0:
			c.Fail(providers.Errorf(providers.Invalid, "there is no country %q", c.Planned.Countries[unknown[0]]))
			continue
		case len(values) == 0 && len(r.Values) > 0:
			c.Fail(providers.Errorf(providers.Refused, "a country filter is never emptied (CTRY-11)"))
			continue
		case r.CRM != "" && r.CRM != own:
			c.Fail(&providers.Error{Kind: providers.Refused, Message: otherVault(r.CRM, l.crm).Summary})
			continue
		}
		row := vaultapi.Fields{"id": r.ID}
		if !slices.Equal(r.Values, values) {
			row["country_filter__v"] = values
		}
		if r.CRM != own {
			row["vault_crm_id__v"] = own
		}
		now := *c.Planned
		now.Values, now.VaultCRMID = append(resource.Set[string]{}, values...), own
		if len(row) == 1 {
			c.Done(r.ID, now)
			continue
		}
		rows[l.crm] = append(rows[l.crm], row)
		then[l.crm] = append(then[l.crm], func(err error) {
			if err != nil {
				c.Fail(contractError("write the country filter", err))
				return
			}
			c.Done(r.ID, now)
		})
	}
	for v, list := range rows {
		for n, result := range v.client.UpdateRecords(ctx, objSettings, list) {
			then[v][n](result.Err)
		}
	}
}
