package vault

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"accord/lang/schema"
	"accord/providers"
	"accord/providers/vaultapi"
)

// standPresent is the one standing of a country, or a product, that is there.
const standPresent = "present"

// countryRecord is a country__v record of a content vault.
type countryRecord struct {
	ID, Name string
	Values   []string // country_cda__v
}

// countries reads all countries of a vault, in the order of their ids.
func (v *vault) countries(ctx context.Context) ([]countryRecord, error) {
	rows, err := v.caller().all(ctx, "SELECT id, name__v, country_cda__v FROM "+objCountry+" ORDER BY id")
	if err != nil {
		return nil, contractError("read countries of "+v.addr.String(), err)
	}
	list := make([]countryRecord, len(rows))
	for n, r := range rows {
		list[n] = countryRecord{ID: r.text("id"), Name: r.text("name__v"), Values: slices.Sorted(slices.Values(r.names("country_cda__v")))}
	}
	slices.SortFunc(list, func(a, b countryRecord) int { return strings.Compare(a.ID, b.ID) })
	v.known.keep(objCountry, list)
	v.sawCountries(list)
	return list, nil
}

// countryRecords reads the stream "country". There are some hundreds of
// countries: whatever is asked for, all are read.
func (p *Provider) countryRecords(ctx context.Context, r *reading) (last providers.Batch, err error) {
	now, err := r.v.now(ctx)
	if err != nil {
		return last, err
	}
	list, err := r.v.countries(ctx)
	if err != nil {
		return last, err
	}
	asked := map[string]bool{}
	for _, m := range r.Keys {
		asked[m.Key] = true
	}
	only := len(asked) > 0 && (r.Only || r.Since.IsZero())
	var records []providers.Record
	for _, c := range list {
		if only && !asked[c.ID] || c.ID <= r.After || r.UpTo != "" && c.ID > r.UpTo {
			continue
		}
		fields, err := schema.AppendCanonical(nil, map[string]any{"name__v": c.Name}, nil)
		if err != nil {
			return last, err
		}
		records = append(records, providers.Record{Part: partCountry, Key: c.ID, Title: c.Name, Standing: standPresent, Routes: c.Values, Fields: fields})
		delete(asked, c.ID)
	}
	calls := 1
	if len(asked) > 0 {
		deleted := map[string]bool{}
		calls++
		since, until := deletionsUntil(now)
		for d, err := range r.v.reader.DeletedRecords(ctx, objCountry, since, until) {
			if err != nil {
				return last, err
			}
			deleted[string(d.ID)] = true
		}
		for id := range asked {
			standing := standMissing
			if deleted[id] {
				standing = standDeleted
			}
			records = append(records, providers.Record{Part: partCountry, Key: id, Standing: standing})
		}
		slices.SortFunc(records, func(a, b providers.Record) int { return strings.Compare(a.Key, b.Key) })
	}
	return providers.Batch{Records: records, Horizon: now, Calls: calls}, nil
}

// connectionCountry is a Connection Country record.
type connectionCountry struct {
	ID, Country, Name string
}

// connectionCountries reads the records of one CRM vault, with those of others
// that are asked for meanwhile.
func (v *vault) connectionCountries(ctx context.Context, crm int64) ([]connectionCountry, error) {
	return v.connected.get(ctx, fmt.Sprint(crm), v.connectionCountriesOf)
}

// connectionCountriesOf reads the records of CRM vaults by their ids, each in the
// order of countries.
func (v *vault) connectionCountriesOf(ctx context.Context, crms []string) (map[string][]connectionCountry, error) {
	o, err := v.connectionCountry(ctx)
	if err != nil {
		return nil, contractError("find the object of Connection Country records", err)
	}
	rows, err := v.caller().all(ctx, "SELECT id, name__v, country__v, vault_crm_id__v FROM "+o.Name+" WHERE vault_crm_id__v CONTAINS "+vaultapi.QuoteList(crms...))
	if err != nil {
		return nil, contractError("read Connection Country records of "+v.addr.String(), err)
	}
	lists := make(map[string][]connectionCountry, len(crms))
	for _, r := range rows {
		crm := r.text("vault_crm_id__v")
		lists[crm] = append(lists[crm], connectionCountry{ID: r.text("id"), Country: r.one("country__v"), Name: r.text("name__v")})
	}
	for _, list := range lists {
		slices.SortFunc(list, func(a, b connectionCountry) int {
			return cmp.Or(strings.Compare(a.Country, b.Country), strings.Compare(a.ID, b.ID))
		})
	}
	return lists, nil
}

func (p *Provider) connectionCountryRecords(ctx context.Context, r *reading) (last providers.Batch, err error) {
	s, err := scopeOf(r.End)
	if err != nil {
		return last, err
	}
	now, err := r.v.now(ctx)
	if err != nil {
		return last, err
	}
	list, err := r.v.connectionCountries(ctx, s.CRM)
	if err != nil {
		return last, err
	}
	asked := map[string]bool{}
	for _, m := range r.Keys {
		asked[m.Key] = true
	}
	var records []providers.Record
	for n, c := range list {
		switch {
		case len(asked) > 0 && !asked[c.Country], r.Holders, c.Country <= r.After, r.UpTo != "" && c.Country > r.UpTo:
			continue
		case n > 0 && list[n-1].Country == c.Country: // a double: the first stands for both
			continue
		}
		fields, err := schema.AppendCanonical(nil, map[string]any{"name__v": c.Name}, nil)
		if err != nil {
			return last, err
		}
		records = append(records, providers.Record{Part: partCountry, Key: c.Country, ID: c.ID, Title: c.Name, Standing: providers.Published, Fields: fields})
	}
	return providers.Batch{Records: records, Horizon: now, Calls: 1}, nil
}

// countryMark is the external id of a Connection Country record that accord
// makes: making it again finds it.
func countryMark(crm int64, country string) string {
	return fmt.Sprintf("accord:country:%d:%s", crm, country)
}

func (p *Provider) writeConnectionCountries(ctx context.Context, v *vault, req providers.WriteRequest) []providers.WriteResult {
	results := make([]providers.WriteResult, len(req.Writes))
	s, err := scopeOf(req.Sync.Target)
	if err != nil {
		return failAll(len(results), contractError("write Connection Country records", err))
	}
	o, err := v.connectionCountry(ctx)
	if err != nil {
		return failAll(len(results), contractError("find the object of Connection Country records", err))
	}
	existing, err := v.connectionCountries(ctx, s.CRM)
	if err != nil {
		return failAll(len(results), contractError("read Connection Country records", err))
	}
	byCountry := map[string][]connectionCountry{}
	for _, c := range existing {
		byCountry[c.Country] = append(byCountry[c.Country], c)
	}
	var create, update rowsOf
	var gone []vaultapi.ID
	var goneOf []int
	for n, w := range req.Writes {
		there := byCountry[w.Key]
		if w.Verb == providers.WriteWithdraw { // CTRY-3: all that there are for it
			for _, c := range there {
				gone, goneOf = append(gone, vaultapi.ID(c.ID)), append(goneOf, n)
			}
			results[n] = providers.WriteResult{ID: w.ID, Same: len(there) == 0}
			continue
		}
		var fields struct {
			Name string `json:"name__v"`
		}
		if err := json.Unmarshal(w.Fields, &fields); err != nil {
			results[n].Err = contractError("read the fields of "+w.Title, err)
			continue
		}
		if len(there) == 0 {
			create.add(n, vaultapi.Fields{
				"name__v": fields.Name, "country__v": w.Key, "vault_crm_id__v": fmt.Sprint(s.CRM), "external_id__v": countryMark(s.CRM, w.Key),
			})
			continue
		}
		results[n] = providers.WriteResult{ID: there[0].ID, Same: there[0].Name == fields.Name}
		if !results[n].Same {
			update.add(n, vaultapi.Fields{"id": there[0].ID, "name__v": fields.Name})
		}
	}
	settle := func(list []vaultapi.Result, of []int) {
		for n, r := range list {
			at := of[n]
			if r.Err != nil {
				results[at].Err = contractError("write the Connection Country record of "+req.Writes[at].Title, r.Err)
			} else if r.ID != "" {
				results[at].ID = string(r.ID)
			}
		}
	}
	if len(create.rows) > 0 {
		settle(v.client.UpsertRecords(ctx, o.Name, "external_id__v", create.rows), create.of)
	}
	if len(update.rows) > 0 {
		settle(v.client.UpdateRecords(ctx, o.Name, update.rows), update.of)
	}
	if len(gone) > 0 {
		settle(v.client.DeleteRecords(ctx, o.Name, gone), goneOf)
	}
	return results
}

// rowsOf are rows of one call, each with the write of the batch that it is of.
type rowsOf struct {
	rows []vaultapi.Fields
	of   []int
}

func (r *rowsOf) add(write int, row vaultapi.Fields) {
	r.rows, r.of = append(r.rows, row), append(r.of, write)
}

// verifyCountries is CTRY-12: for every filter value that a country holds
// there is a Connection Country record. A value that no country holds can have
// none, and was warned of when planned (CTRY-9).
func (p *Provider) verifyCountries(ctx context.Context, content *vault, crm int64, values []string) error {
	countries, ok := content.known.get(objCountry) // by which the run itself went
	if !ok {
		var err error
		if countries, err = content.countries(ctx); err != nil {
			return err
		}
	}
	records, err := content.connectionCountries(ctx, crm)
	if err != nil {
		return err
	}
	if missing := missingCountries(countries, records, values); len(missing) > 0 {
		return providers.Errorf(providers.Invalid, "CTRY-12: the Connection Country records of vault %d do not cover its filter: none for %s", crm, shortened(missing))
	}
	return nil
}

// missingCountries are the filter values that a country holds, and no
// Connection Country record stands for.
func missingCountries(countries []countryRecord, records []connectionCountry, values []string) []string {
	connected := map[string]bool{}
	for _, r := range records {
		connected[r.Country] = true
	}
	held, covered := map[string]bool{}, map[string]bool{}
	for _, c := range countries {
		for _, v := range c.Values {
			held[v] = true
			if connected[c.ID] {
				covered[v] = true
			}
		}
	}
	var missing []string
	for _, v := range values {
		if held[v] && !covered[v] {
			missing = append(missing, v)
		}
	}
	return missing
}
