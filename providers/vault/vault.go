package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/vaultapi"
)

// vault is one connected vault: its one client, and what was learned about it.
type vault struct {
	addr        addrs.Instance
	kind        string
	environment string // production, sandbox, unproven
	domain      string // "" where the user may not see it
	dns         string
	id          int64
	dev         bool // of the embedded development server
	looks       bool // as the user of commands that only read

	reader *vaultapi.Reader
	client *vaultapi.Client // nil when only reading
	heard  headers

	names *memo[*vaultapi.Labelled, *countryNames] // of all vaults

	objects    memo[string, *vaultapi.Object]
	fields     memo[string, vaultapi.DocumentFields]
	types      memo[string, *vaultapi.DocumentType]
	lifecycles memo[string, *vaultapi.Lifecycle]
	values     memo[string, []vaultapi.Labelled]
	points     memo[string, string]      // ids of records of points, by API name and CRM vault; "": there is none
	accesses   memo[string, *userAccess] // by id; "": who accord logs in as
	known      recent[[]countryRecord]
	filters    recent[[]settingsRecord]
	connected  gathered[string, []connectionCountry] // Connection Country records, by the id of the CRM vault
	lately     recent[map[string]string]             // names of records, by object
	tied       recent[[]connectionRecord]
	seen       sightings
	made       made
}

// object reads an object's definition by its name, or by another name that
// sources give it.
func (v *vault) object(ctx context.Context, name string) (*vaultapi.Object, error) {
	return v.objects.get(name, func() (o *vaultapi.Object, err error) {
		defer func() { v.sawDefinition("object", name, o, err) }()
		o, err = v.reader.Object(ctx, name)
		if !errors.Is(err, vaultapi.NotFound) {
			return o, err
		}
		for _, pair := range objectAliases {
			for i, n := range pair {
				if n == name {
					return v.reader.Object(ctx, pair[1-i])
				}
			}
		}
		return nil, err
	})
}

// connectionCountry is the object of Connection Country records, whose name no
// source has: ours, else whatever is labelled so.
func (v *vault) connectionCountry(ctx context.Context) (*vaultapi.Object, error) {
	return v.objects.get("label:"+labelConnectionCountry, func() (*vaultapi.Object, error) {
		o, err := v.reader.Object(ctx, objConnectionCountry)
		for _, label := range []string{labelConnectionCountry, labelConnectionCountryAlt} {
			if !errors.Is(err, vaultapi.NotFound) {
				break
			}
			o, err = v.reader.ObjectByLabel(ctx, label)
		}
		return o, err
	})
}

// timeFields are the API names of Last Run Time and Last Successful Run Time,
// found by label.
func (v *vault) timeFields(ctx context.Context) (lrt, lsrt string, err error) {
	o, err := v.object(ctx, objPoint)
	if err != nil {
		return "", "", err
	}
	names := make([]string, 2)
	for i, want := range []struct{ name, label string }{{fieldLRT, labelLRT}, {fieldLSRT, labelLSRT}} {
		f, err := o.Field(want.name)
		if err != nil {
			f, err = o.FieldByLabel(want.label)
		}
		if err != nil {
			return "", "", err
		}
		names[i] = f.Name
	}
	return names[0], names[1], nil
}

func (v *vault) documentFields(ctx context.Context) (vaultapi.DocumentFields, error) {
	return v.fields.get("", func() (vaultapi.DocumentFields, error) { return v.reader.DocumentFields(ctx) })
}

// documentField looks up one field of documents.
func (v *vault) documentField(ctx context.Context, name string) (vaultapi.DocumentField, error) {
	known, err := v.documentFields(ctx)
	if err != nil {
		return vaultapi.DocumentField{}, err
	}
	f, err := known.Field(name)
	v.sawDefinition("document field", name, f, err)
	return f, err
}

// columns looks up fields of documents, in the order of their names. One that does not exist is an error:
// the plan has checked them (RULE-3).
func (v *vault) columns(ctx context.Context, names []string) ([]column, error) {
	var list []column
	for _, n := range names {
		if slices.ContainsFunc(list, func(c column) bool { return c.field == n }) {
			continue
		}
		f, err := v.documentField(ctx, n)
		if err != nil && !errors.Is(err, vaultapi.NotFound) {
			return nil, err
		}
		if err != nil {
			return nil, providers.Errorf(providers.Invalid, "vault %d has no document field %s", v.id, n)
		}
		list = append(list, newColumn(n, f.Type, f.ObjectType))
	}
	slices.SortFunc(list, func(a, b column) int { return strings.Compare(a.field, b.field) })
	return list, nil
}

func (v *vault) lifecycle(ctx context.Context, name string) (*vaultapi.Lifecycle, error) {
	return v.lifecycles.get(name, func() (*vaultapi.Lifecycle, error) {
		l, err := v.reader.Lifecycle(ctx, name)
		v.sawDefinition("lifecycle", name, l, err)
		return l, err
	})
}

func (v *vault) documentType(ctx context.Context, name string) (*vaultapi.DocumentType, error) {
	return v.types.get(name, func() (*vaultapi.DocumentType, error) {
		t, err := v.reader.DocumentType(ctx, name)
		v.sawDefinition("document type", name, t, err)
		return t, err
	})
}

func (v *vault) picklist(ctx context.Context, name string) ([]vaultapi.Labelled, error) {
	return v.values.get(name, func() ([]vaultapi.Labelled, error) {
		values, err := v.reader.PicklistValues(ctx, name)
		v.sawDefinition("picklist", name, values, err)
		return values, err
	})
}

// now is the vault's clock as it last said, so never ahead of it. It asks the
// vault only when that is a while ago.
func (v *vault) now(ctx context.Context) (time.Time, error) {
	if t, ok := v.heard.time(); ok {
		return t, nil
	}
	return v.askNow(ctx)
}

// askNow is now, but asks in any case: a development server's clock may have
// been set.
func (v *vault) askNow(ctx context.Context) (time.Time, error) {
	u, err := v.reader.Me(ctx)
	if err != nil {
		return time.Time{}, err
	}
	v.met(u)
	if t, ok := v.heard.time(); ok {
		return t, nil
	}
	return time.Time{}, &providers.Error{
		Kind: providers.Internal, Message: fmt.Sprintf("vault %d does not say what time it is", v.id),
		Advice: "Its answers come without the header Date, by which runs are timed. See to it that no proxy between here and the vault takes it out.",
	}
}

// headers is an HTTP transport that learns from the headers of a vault's
// answers: its time, and whether it is a vault of the development server in
// which a stand-in plays the platform's own engine (INT-7).
type headers struct {
	transport http.RoundTripper

	mu       sync.Mutex
	date     time.Time // as last said: whole seconds, cut off
	received time.Time
	standIn  bool // as last said
}

// RoundTrip implements http.RoundTripper.
func (c *headers) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.transport.RoundTrip(r)
	if err == nil {
		c.mu.Lock()
		c.standIn = resp.Header.Get("X-Dev-Engine") == "on"
		c.mu.Unlock()
		if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			c.mu.Lock()
			c.date, c.received = date.UTC(), time.Now()
			c.mu.Unlock()
		}
	}
	return resp, err
}

// fresh is how old an answer may be for the time to be told by its date, or for
// what it said to be gone by.
const fresh = time.Minute

func (c *headers) time() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.date, !c.received.IsZero() && time.Since(c.received) < fresh
}

// standIn reports whether the vault's last answer said that a stand-in plays
// the platform's own engine there.
func (v *vault) standIn() bool {
	v.heard.mu.Lock()
	defer v.heard.mu.Unlock()
	return v.dev && v.heard.standIn
}
