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
// connects vaults; sync.go turns integration points into syncs; stream.go lists
// what these read and write, one file each.
package vault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"

	"accord/lang/addrs"
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

	mu       sync.RWMutex
	vaults   map[addrs.Instance]*vault
	refusals map[addrs.Instance]*vaultapi.Refusals // of those who stay
}

// New returns a provider that is not connected yet.
func New() providers.Provider {
	p := &Provider{transport: vaultapi.NewTransport(), vaults: map[addrs.Instance]*vault{}, refusals: map[addrs.Instance]*vaultapi.Refusals{}}
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
		Streams:  streamSchemas(),
		Syncer:   p,
		Seen:     p.seen,
		Lacks:    p.lacks,
		Close:    p.close,
	})
}

// vault returns the connected vault of an address.
func (p *Provider) vault(addr addrs.Instance) (*vault, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if v := p.vaults[addr]; v != nil {
		return v, nil
	}
	return nil, providers.Errorf(providers.Access, "%s is not connected", addr)
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
		out.Kind, out.Trace, out.Advice = kindOf(api.Kind), api.ExecutionID, adviceOn(api)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		out.Kind = providers.Transient
	}
	return out
}

// adviceOn says what to do about an error of the API, as far as that does not hang
// on what was asked.
func adviceOn(err *vaultapi.Error) string {
	switch {
	case err.Type == "CONFIGURATION_MODE_ENABLED":
		return "An administrator has put that vault into configuration mode; what it refuses now goes well once that has ended."
	case err.Kind == vaultapi.Permission:
		return "Grant it in that vault, in a permission set of the user's security profile (Admin > Users & Groups > Permission Sets; PERM-5)."
	case err.Kind == vaultapi.Throttled:
		return "That vault's limit of calls is used up, by whoever calls it. In 5 minutes there is a new one; to leave more of it to others, lower burst_share in the vault's block."
	case err.Kind == vaultapi.Auth:
		return "Look at the user that accord logs in as: whether it is active and not locked, and its password has not run out."
	case err.Kind == vaultapi.Ambiguous:
		return "The next try finds out what was done, and does nothing twice."
	case err.Kind == vaultapi.Transient && err.ExecutionID != "":
		return "As a rule this passes, and the next try goes well. Where it does not, Veeva Support finds the call by its execution id."
	case err.Kind == vaultapi.Transient:
		return "As a rule this passes, and the next try goes well. Where it does not, look at whether the vault can be reached from here."
	}
	return ""
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
