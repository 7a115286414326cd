package vault

import (
	"context"
	"fmt"
	"os"
	"testing"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/plugin"
	"accord/providers/providertest"
)

// library is a small content vault with every standing.
const library = `
{"mdl": "RECREATE Docfield brand__c (label('Brand'), active(true), required(false), shared(true), type('String'), max_length(100), display_section('general'));"}
{"document": "shared-1", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Shared 1", "is_shared_resource__v": true}, "versions": [{"number": "1.0", "state": "approved__v"}]}
{"document": "slide-1", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Slide 1"}, "versions": [{"number": "1.0", "state": "approved__v"}]}
{"document": "slide-2", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Slide 2", "clm_content__v": true}, "versions": [{"number": "1.0", "state": "approved__v"}, {"number": "1.1", "state": "draft__v", "fields": {"name__v": "Slide 2, draft"}}]}
{"document": "slide-draft", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Slide, draft"}, "versions": [{"number": "0.1", "state": "draft__v"}]}
{"document": "other", "type": "promotional_piece__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Not CLM"}, "versions": [{"number": "1.0", "state": "approved__v"}]}
{"relationship": "related_shared_resource__v", "source": "slide-1", "target": "shared-1"}
{"binder": "us", "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "US", "clm_content__v": true, "country__v.external_id__v": ["us"]}, "nodes": ["slide-1", "slide-2"], "versions": [{"number": "1.0", "state": "approved__v"}]}
{"binder": "global", "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Global", "clm_content__v": true, "country__v.external_id__v": ["global"], "brand__c": "Mira"}, "nodes": ["slide-2", "slide-1"], "versions": [{"number": "1.0", "state": "approved__v"}, {"number": "1.1", "state": "draft__v", "nodes": ["slide-2", "slide-1", "slide-draft"]}]}
{"binder": "not-published", "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Not published", "clm_content__v": false, "country__v.external_id__v": ["us"]}, "nodes": ["slide-1"], "versions": [{"number": "1.0", "state": "approved__v"}]}
{"binder": "blank", "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Publish is blank", "country__v.external_id__v": ["us"]}, "nodes": ["slide-1"], "versions": [{"number": "1.0", "state": "approved__v"}]}
{"binder": "obsolete", "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Obsolete", "clm_content__v": true, "country__v.external_id__v": ["us"]}, "nodes": ["slide-1"], "versions": [{"number": "1.0", "state": "obsolete__v"}]}
{"binder": "expired", "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Expired", "clm_content__v": true, "crm_end_date__v": "2026-11-01", "country__v.external_id__v": ["us"]}, "nodes": ["slide-1"], "versions": [{"number": "1.0", "state": "approved__v"}]}
{"binder": "last-day", "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Last day", "clm_content__v": true, "crm_end_date__v": "2026-11-02", "country__v.external_id__v": ["us"]}, "nodes": ["slide-1"], "versions": [{"number": "1.0", "state": "approved__v"}]}
{"binder": "back-in-review", "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Back in review", "clm_content__v": true, "country__v.external_id__v": ["us"]}, "nodes": ["slide-1"], "versions": [{"number": "1.0", "state": "in_review__v"}]}
{"binder": "draft", "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Draft", "clm_content__v": true, "country__v.external_id__v": ["us"]}, "nodes": ["slide-1"], "versions": [{"number": "0.1", "state": "draft__v"}]}
`

// oneCRM is a content vault with the library, tied to one CRM vault.
func oneCRM(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, spec{"promomats", "promomats", production, ""}, spec{"crm-a", "crm", production, ""})
	w.tie("promomats", "crm-a")
	w.countries("promomats")
	w.load("promomats", library)
	w.connect(false)
	return w
}

// TestMain lets the test binary be a plugin, too.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == asPlugin {
		if err := plugin.Serve(New); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

const asPlugin = "serve-the-vault-provider"

// Trap, defaults look like changes: what was applied is read as it was planned,
// whatever the vault filled in. Every provider passes the suite, in process and behind the plugin boundary.
func TestSuite(t *testing.T) {
	t.Parallel()
	trySuite(t, func(*testing.T) providers.Provider { return New() })
}

func TestSuiteThroughPlugin(t *testing.T) {
	if testing.Short() {
		t.Skip("the suite without the plugin, and the plugin with another provider, are enough")
	}
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	trySuite(t, func(t *testing.T) providers.Provider {
		p, err := plugin.Open(t.Context(), plugin.Command{Name: "vault", Path: self, Args: []string{asPlugin}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Close() })
		return p
	})
}

func trySuite(t *testing.T, open func(t *testing.T) providers.Provider) {
	// All worlds of the suite are alike: ids and addresses are those of the first.
	first := oneCRM(t)
	config := providers.Config{Instances: first.vaults, Tool: "accord/test"}
	sync := first.crms(map[string][]string{"a": {"United States"}})
	sync.objects = append(sync.objects, first.object(addrs.New("integration_point", "objects"), map[string]any{"integration": `integration.clm["a"]`, "name": "clm_object_model", "status": "active"}))
	sync.apply()
	syncs := sync.syncs()
	objects := syncs[`integration_point.objects`]
	clm, country := syncs[`integration_point.clm_presentation["a"]`], syncs[`integration_point.clm_country["a"]`]

	bySource := map[string]providers.Record{}
	for _, r := range first.read(providers.RecordsRequest{End: clm.Source}) {
		bySource[r.Title] = r
	}
	write := func(title string) providers.Write {
		r := bySource[title]
		return providers.Write{Verb: providers.WriteCreate, Part: r.Part, Key: r.Key, Title: r.Title, Members: r.Members,
			Fields: []byte(`{"name__v":"` + r.Title + `"}`)}
	}
	var us providers.Record
	for _, r := range first.read(providers.RecordsRequest{End: country.Source}) {
		if r.Title == "United States" {
			us = r
		}
	}
	providertest.Run(t, providertest.Target{
		Config: config,
		New: func(t *testing.T) func(t *testing.T) providers.Provider {
			w := newWorld(t, spec{"promomats", "promomats", production, ""}, spec{"crm-a", "crm", production, ""})
			w.tie("promomats", "crm-a")
			w.countries("promomats")
			w.load("promomats", library)
			w.load("crm-a", `{"record": "application_profile__v", "key": "sales_rep__c", "fields": {"name__v": "Sales rep"}}`)
			return func(t *testing.T) providers.Provider { return &located{open(t), w} }
		},
		Resources: []providertest.Resource{{
			Desired: first.object(addrs.New("multichannel_settings", "reps"), map[string]any{"vault": `vault.crm["a"]`, "application_profile": "sales_rep__c", "clm_content": "document"}),
			Changed: first.object(addrs.New("multichannel_settings", "reps"), map[string]any{"vault": `vault.crm["a"]`, "application_profile": "sales_rep__c", "clm_content": "object"}),
		}, {
			Desired: first.object(addrs.New("permission_set", "readers"), map[string]any{"vault": `vault.crm["a"]`, "name": "readers__c", "bundles": []string{"clm_integration"}}),
			Changed: first.object(addrs.New("permission_set", "readers"), map[string]any{"vault": `vault.crm["a"]`, "name": "readers__c", "label": "Readers", "vault_actions": []string{"api_access"}}),
		}},
		Streams: []providertest.Stream{
			{End: clm.Source, Records: 9},
			{End: clm.Target, Sync: clm, Writes: [][]providers.Write{
				{write("Shared 1")}, {write("Slide 1"), write("Slide 2")}, {write("US")},
			}},
			{End: objects.Target, Sync: objects, Writes: [][]providers.Write{
				{write("Shared 1")}, {write("Slide 1"), write("Slide 2")}, {write("US")},
			}},
			{End: country.Source, Records: 4},
			{End: country.Target, Sync: country, Writes: [][]providers.Write{
				{{Verb: providers.WriteCreate, Part: us.Part, Key: us.Key, Title: us.Title, Fields: us.Fields}},
			}},
		},
	})
}

// located is a provider that reaches its world, wherever that is served.
type located struct {
	providers.Provider
	w *world
}

func (l *located) Configure(ctx context.Context, config providers.Config) []providers.Result {
	config.Endpoints = l.w.endpoints()
	return l.Provider.Configure(ctx, config)
}
