// Package devvault is a development Vault: a server that speaks the Vault API over HTTP, for PromoMats, MedComms, CRM and Align vaults, on an
// embedded database that lasts. Clients, tests and people use it as they would a real one.
//
// It refuses to know what its clients are for: nothing here publishes, routes or synchronises anything. It knows what the public facts say
// of the platform; where they leave a name open, the name is ours and the code says so.
//
// Start at Open and Server.Handler. A request goes serve → route → handler (api.go lists the routes); reads use the pool of readers, writes go through
// store.update, where what comes in together is committed together (writer.go). The tables are in store.go, what a vault knows of its own shape in
// catalog.go, what a fresh vault holds in standard.go and connect.go. Queries are read by the package vql, components by mdl.
//
// # Addresses
//
// A vault called crm-us is served under /crm-us/api/…; its admin is admin@crm-us.dev with the server's password. The control API is under
// /_dev/ and wants the password in the header X-Dev-Token; control.go lists its calls: vaults, users, connect, clock, faults, calls, settings,
// load, dump, client.
//
// # Content libraries
//
// Load reads one JSON object a line; lines that are empty or begin with # are passed over. A line is one of
//
//	{"mdl": "RECREATE Docfield brand_team__c (label('Brand Team'), active(true), required(false), shared(true), type('String'), display_section('general'));"}
//	{"record": "country__v", "key": "us", "fields": {"name__v": "United States", "code__v": "US", "country_cda__v": ["us__v"]}}
//	{"document": "slide-1", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v",
//	 "fields": {"name__v": "Mechanism", "country__v.external_id__v": ["us"], "clm_content__v": true},
//	 "versions": [{"number": "1.0", "state": "approved__v", "modified": "2026-01-31T08:00:00Z"}, {"number": "1.1", "state": "draft__v", "fields": {"title__v": "new"}}],
//	 "renditions": {"viewable_rendition__v": 10240}}
//	{"binder": "presentation-1", "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Launch"},
//	 "nodes": ["slide-1"], "versions": [{"number": "1.0", "state": "approved__v"}, {"number": "1.1", "state": "draft__v", "nodes": ["slide-1", "slide-2"]}]}
//	{"crosslink": "by-hand", "type": "slide__v", "lifecycle": "crm_content__v", "fields": {"name__v": "By hand"},
//	 "source_vault": "promo", "source": "slide-1", "rule": "Latest version"}
//	{"relationship": "related_shared_resource__v", "source": "slide-1", "target": "shared-1"}
//	{"delete": "slide-9"}
//
// The key of a record and the word after document, binder and crosslink are external ids; nodes, sources and targets name documents by them.
// Fields take what the API takes, in migration mode. Without versions there is one, 0.1, in the starting state; the last one is the latest.
// What is there already is left alone.
package devvault
