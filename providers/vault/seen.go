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
	"accord/providers"
	"accord/providers/vaultapi"
)

// sightings is what was read of a vault's configuration, by what was asked for,
// as it was answered last. What it comes to is worked out when somebody asks.
type sightings struct {
	mu   sync.Mutex
	kept map[string]func() []providers.Seen
}

// saw notes an answer under the name of the question.
func (v *vault) saw(question string, what func() []providers.Seen) {
	v.seen.mu.Lock()
	defer v.seen.mu.Unlock()
	if v.seen.kept == nil {
		v.seen.kept = map[string]func() []providers.Seen{}
	}
	v.seen.kept[question] = what
}

// sawList notes all objects of a kind.
func sawList[T any](v *vault, kind string, list []T, of func(*T) (name string, values map[string]string)) {
	v.saw(kind, func() []providers.Seen {
		if len(list) == 0 {
			return []providers.Seen{{Instance: v.addr, Kind: kind, Listed: true}}
		}
		seen := make([]providers.Seen, len(list))
		for n := range list {
			name, values := of(&list[n])
			seen[n] = providers.Seen{Instance: v.addr, Kind: kind, Name: name, Listed: true, Values: values}
		}
		return seen
	})
}

// sawDefinition notes something that was looked up by its name, and whether it
// is there.
func (v *vault) sawDefinition(kind, name string, definition any, err error) {
	if err != nil && !errors.Is(err, vaultapi.NotFound) {
		return
	}
	v.saw(kind+"\x00"+name, func() []providers.Seen {
		seen := providers.Seen{Instance: v.addr, Kind: kind, Name: name}
		if err == nil {
			seen.Values = valuesOf(definition)
		}
		return []providers.Seen{seen}
	})
}

// valuesOf takes a definition apart, attribute by attribute.
func valuesOf(definition any) map[string]string {
	text, err := json.Marshal(definition)
	if err != nil {
		return nil
	}
	var attributes map[string]json.RawMessage
	if json.Unmarshal(text, &attributes) != nil {
		return map[string]string{"values": string(text)}
	}
	values := make(map[string]string, len(attributes))
	for name, value := range attributes {
		values[name] = string(value)
	}
	return values
}

// seen is what was read of all vaults, in order.
func (p *Provider) seen(context.Context) ([]providers.Seen, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	var all []providers.Seen
	for _, addr := range slices.SortedFunc(maps.Keys(p.vaults), addrs.Instance.Compare) {
		all = append(all, p.vaults[addr].seen.all()...)
	}
	return all, nil
}

func (s *sightings) all() []providers.Seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []providers.Seen
	for _, question := range slices.Sorted(maps.Keys(s.kept)) {
		all = append(all, s.kept[question]()...)
	}
	return all
}

// The lists that are read whole, and what of their objects is not volatile:
// neither run times, nor when something was edited, nor who may approve it.

func (v *vault) sawConnections(list []connectionRecord) {
	sawList(v, objConnection, list, func(r *connectionRecord) (string, map[string]string) {
		return r.API, map[string]string{"remote_vault_id__sys": r.Remote, "active": fmt.Sprint(r.Active)}
	})
}

func (v *vault) sawStatuses(object string, list []statusRecord) {
	sawList(v, object, list, func(r *statusRecord) (string, map[string]string) {
		name := r.API
		if name == "" {
			name = r.Name
		}
		return name, map[string]string{"name__v": r.Name, "status__v": r.word()}
	})
}

func (v *vault) sawSettings(list []settingsRecord) {
	sawList(v, objSettings, list, func(r *settingsRecord) (string, map[string]string) {
		return r.Name, map[string]string{"country_filter__v": strings.Join(r.Values, ","), "vault_crm_id__v": r.CRM, "object_type__v": r.Type}
	})
}

func (v *vault) sawCountries(list []countryRecord) {
	sawList(v, objCountry, list, func(r *countryRecord) (string, map[string]string) {
		return r.ID, map[string]string{"name__v": r.Name, "country_cda__v": strings.Join(r.Values, ",")}
	})
}

func (v *vault) sawProfiles(list []profileRecord) {
	sawList(v, objMultichannel, list, func(r *profileRecord) (string, map[string]string) {
		return r.ID, map[string]string{"name__v": r.Name, "external_id__v": r.External, "settings": r.Settings, "model": r.Model}
	})
}

func (v *vault) sawRules(name string, r *integrationRule) {
	sawList(v, "Fieldrule of "+name, r.FieldRules, func(f *fieldObject) (string, map[string]string) { return f.Name, valuesOf(f) })
	sawList(v, "Queryobjectrule of "+name, r.QueryRules, func(q *queryObject) (string, map[string]string) { return q.Name, valuesOf(q) })
}
