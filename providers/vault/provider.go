// Package vault is the provider of Veeva Vault: connections between content
// vaults and CRM vaults, permission sets, integrations and their points, field
// and query rules, country filters, and the streams of CLM content (in both
// models, CLM-10) and of countries between the vaults.
//
// It refuses to know how planning, state and syncs work, how HTTP does (package
// vaultapi), and what is configured where (its requests say so). What the
// platform calls things is data, in names.go.
//
// Start with New, which lists the resource types, one file each; instance.go
// connects vaults; sync.go turns integration points into syncs; clm_source.go,
// clm_target.go, object_target.go and country.go are the streams.
package vault

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"sync"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
	"accord/providers/resource"
	"accord/providers/vaultapi"
)

// Version of the provider.
const Version = "0.1.0"

// atOnce is how many vaults are asked side by side, each at its own pace.
const atOnce = 16

// Provider holds the connected vaults.
type Provider struct {
	// Of all vaults:
	transport *http.Transport
	alike     vaultapi.Alike
	names     memo[*vaultapi.Labelled, *countryNames] // of picklists, by their first value

	mu     sync.RWMutex
	vaults map[addrs.Instance]*vault
}

// New returns a provider that is not connected yet.
func New() providers.Provider {
	p := &Provider{transport: vaultapi.NewTransport(), vaults: map[addrs.Instance]*vault{}}
	return resource.New(resource.Provider{
		Name:    "vault",
		Version: Version,
		Instances: []resource.Connectable{
			resource.Instance[instanceBody]{
				Name:     "vault",
				Doc:      "A Veeva Vault that accord logs in to: a content vault (PromoMats, MedComms), a CRM vault or an Align vault. Nothing of it is managed by this block. User and password come from environment variables named after its address, with its keys and those of its modules: vault.crm[\"us\"] has ACCORD_VAULT_CRM_US_USER and ACCORD_VAULT_CRM_US_PASSWORD, vault.crm of module.eu[\"de\"] ACCORD_VAULT_EU_DE_CRM_USER; ACCORD_VAULT_CRM_US_READ_USER is preferred by commands that only read.",
				Validate: validateInstances,
				Connect:  resource.Each(atOnce, p.connect),
			},
		},
		Resources: []resource.Resource{
			p.connectionType(), p.permissionSetType(), p.countryFilterType(), p.integrationType(), p.pointType(), p.queryRuleType(), p.fieldRuleType(), p.multichannelType(),
		},
		Validate: validateAll,
		Streams:  streams,
		Syncer:   p,
		Seen:     p.seen,
		Lacks:    p.lacks,
		Close:    p.close,
	})
}

var streams = []schema.Stream{
	{
		Name: streamCLM, Instance: "vault", Ordered: true,
		Doc: "CLM content of a content vault: presentations with their slides, and the shared resources that slides use.",
		Parts: []schema.Part{
			{Name: partShared, Title: "shared resources"}, {Name: partSlide, Title: "slides"}, {Name: partPresentation, Title: "presentations", Routed: true},
		},
	},
	{
		Name: streamCLMContent, Instance: "vault", Ordered: true, Write: true,
		Doc: "What the CLM integration made in a CRM vault: slides and shared resources as CrossLinks, presentations as binders (CLM-4, CLM-11).",
		Parts: []schema.Part{
			{Name: partShared, Title: "shared resources", Cost: schema.Cost{Create: 1, Batch: 3}},
			{Name: partSlide, Title: "slides", Cost: schema.Cost{Create: 1, Batch: 5}},
			{Name: partPresentation, Title: "presentations", Routed: true, Cost: schema.Cost{Create: 1, Edit: 1, Member: 1, Batch: 7}},
		},
	},
	{
		Name: streamCLMObjects, Instance: "vault", Ordered: true, Write: true,
		Doc: "What the CLM integration made in a CRM vault in the object model (CLM-10): slides and shared resources as key messages, presentations as records that hold them by presentation slides.",
		Parts: []schema.Part{
			{Name: partShared, Title: "shared key messages", Cost: schema.Cost{Batch: 3}},
			{Name: partSlide, Title: "key messages", Cost: schema.Cost{Batch: 3}},
			{Name: partPresentation, Title: "presentations", Routed: true, Cost: schema.Cost{Batch: 6}},
		},
	},
	{
		Name: streamPlatform, Instance: "vault",
		Doc: "What the platform's own engine made in a CRM vault (INT-7): CrossLinks by their source, presentations by their link. Read only.",
		Parts: []schema.Part{
			{Name: partShared, Title: "shared resources"}, {Name: partSlide, Title: "slides"}, {Name: partPresentation, Title: "presentations", Routed: true},
		},
	},
	{
		Name: streamCountry, Instance: "vault", Ordered: true, Small: true,
		Doc:   "The countries of a content vault; what routes them are the values of their Country CDA field.",
		Parts: []schema.Part{{Name: partCountry, Title: "countries", Routed: true}},
	},
	{
		Name: streamConnectionCountry, Instance: "vault", Ordered: true, Write: true,
		Doc:   "Connection Country records of a content vault for one CRM vault: the countries that are routed there (CTRY-2).",
		Parts: []schema.Part{{Name: partCountry, Title: "countries", Routed: true, Cost: schema.Cost{Batch: 2}}},
	},
	{
		Name: streamGroups, Instance: "vault",
		Doc:   "By what the content of a content vault is counted: its countries and its products, by name. It is read as a whole only.",
		Parts: []schema.Part{{Name: partCountry, Title: "countries", Routed: true}, {Name: partProduct, Title: "products"}},
	},
	{
		Name: streamReference, Instance: "vault", Ordered: true,
		Doc:   "What references of a content vault mean in a CRM vault, by Link, else by External ID (RULE-2), and which values a picklist there has (RULE-3). It is read by key only.",
		Parts: []schema.Part{{Name: partReference, Title: "references"}},
	},
	{
		Name: streamExceptions, Instance: "vault", Write: true,
		Doc:   "User exceptions of an integration point that are open (ERR-4): messages, and items below them, of whatever engine.",
		Parts: []schema.Part{{Name: partMessage, Title: "exception messages"}, {Name: partItem, Title: "exception items"}},
	},
	{
		Name: streamPreflight, Instance: "vault", Ordered: true,
		Doc:   "What keeps a run from being made: rights that somebody lacks (PERM-5), and a settings record of another vault (CTRY-13).",
		Parts: []schema.Part{{Name: partObstacle, Title: "obstacles"}},
	},
}

// Streams.
const (
	streamGroups            = "groups"
	streamReference         = "reference"
	streamPreflight         = "preflight"
	streamExceptions        = "exceptions"
	streamCLM               = "clm"
	streamCLMContent        = "clm_content"
	streamPlatform          = "platform_content"
	streamCLMObjects        = "clm_objects"
	streamCountry           = "country"
	streamConnectionCountry = "connection_country"
)

// vault returns the connected vault of an address.
func (p *Provider) vault(addr addrs.Instance) (*vault, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if v := p.vaults[addr]; v != nil {
		return v, nil
	}
	return nil, providers.Errorf(providers.Access, "%s is not connected", addr)
}

// Records reads one of the streams.
func (p *Provider) Records(ctx context.Context, req providers.RecordsRequest) iter.Seq2[providers.Batch, error] {
	return func(yield func(providers.Batch, error) bool) {
		v, err := p.vault(req.End.Instance)
		if err == nil {
			err = wholly(req)
		}
		if err != nil {
			yield(providers.Batch{}, contractError("read "+req.End.Stream, err))
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // a page that is being read ahead
		switch req.End.Stream {
		case streamCLM:
			p.clmRecords(ctx, v, req, yield)
		case streamCLMContent:
			p.clmTargetRecords(ctx, v, req, yield)
		case streamCLMObjects:
			p.objectRecords(ctx, v, req, yield)
		case streamPlatform:
			p.platformRecords(ctx, v, req, yield)
		case streamCountry:
			p.countryRecords(ctx, v, req, yield)
		case streamGroups:
			p.groupRecords(ctx, v, req, yield)
		case streamPreflight:
			p.obstacles(ctx, v, req, yield)
		case streamExceptions:
			p.exceptionRecords(ctx, v, req, yield)
		case streamReference:
			p.referenceRecords(ctx, v, req, yield)
		case streamConnectionCountry:
			p.connectionCountryRecords(ctx, v, req, yield)
		}
	}
}

// wholly refuses to read a part of a stream that is only read as a whole.
func wholly(req providers.RecordsRequest) error {
	part := len(req.Keys) > 0 || !req.Since.IsZero() || req.After != "" || req.UpTo != ""
	switch req.End.Stream {
	case streamGroups, streamExceptions, streamPlatform:
		if part {
			return providers.Errorf(providers.Internal, "this stream is only read as a whole")
		}
	}
	return nil
}

// Write writes to one of the target streams.
func (p *Provider) Write(ctx context.Context, req providers.WriteRequest) []providers.WriteResult {
	ctx, calls := vaultapi.Counting(ctx)
	results := p.write(ctx, req)
	if len(results) > 0 {
		results[0].Calls = calls()
	}
	return results
}

func (p *Provider) write(ctx context.Context, req providers.WriteRequest) []providers.WriteResult {
	v, err := p.vault(req.Sync.Target.Instance)
	if err == nil && req.Sync.Target.Stream == streamExceptions {
		return p.writeExceptions(ctx, v, req)
	}
	if err == nil {
		err = p.guard(ctx, req.Sync)
	}
	if err != nil {
		return failAll(len(req.Writes), contractError("write to "+req.Sync.Target.Stream, err))
	}
	switch req.Sync.Target.Stream {
	case streamConnectionCountry:
		return p.writeConnectionCountries(ctx, v, req)
	case streamCLMObjects:
		return p.writeObjects(ctx, v, req)
	}
	return p.writeCLM(ctx, v, req)
}

func failAll(n int, err *providers.Error) []providers.WriteResult {
	results := make([]providers.WriteResult, n)
	for i := range results {
		e := *err
		results[i].Err = &e
	}
	return results
}

// close ends the sessions of all vaults, side by side.
func (p *Provider) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	var ending sync.WaitGroup
	var mu sync.Mutex
	var errs []error
	for addr, v := range p.vaults {
		ending.Go(func() {
			if err := v.reader.Close(ctx); err != nil {
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, fmt.Errorf("end the session of %s: %w", addr, err))
			}
		})
	}
	ending.Wait()
	p.transport.CloseIdleConnections()
	clear(p.vaults)
	return errors.Join(errs...)
}

// contractError brings an error of the API into the contract's words.
func contractError(op string, err error) *providers.Error {
	var ours *providers.Error
	if errors.As(err, &ours) {
		return ours
	}
	out := &providers.Error{Kind: providers.Internal, Op: op, Message: err.Error()}
	var api *vaultapi.Error
	switch {
	case errors.As(err, &api):
		out.Kind, out.Trace = kindOf(api.Kind), api.ExecutionID
		if out.Kind == providers.Permission {
			out.Advice = "Grant it in that vault, in a permission set of the user's security profile (Admin > Users & Groups > Permission Sets; PERM-5)."
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		out.Kind = providers.Transient
	}
	return out
}

func kindOf(k vaultapi.Kind) providers.Kind {
	switch k {
	case vaultapi.Invalid:
		return providers.Invalid
	case vaultapi.NotFound:
		return providers.NotFound
	case vaultapi.Exists:
		return providers.Exists
	case vaultapi.Permission:
		return providers.Permission
	case vaultapi.Throttled:
		return providers.Throttled
	case vaultapi.Transient:
		return providers.Transient
	case vaultapi.Ambiguous:
		return providers.Ambiguous
	case vaultapi.Auth, vaultapi.WrongVault:
		return providers.Access
	}
	return providers.Internal
}
