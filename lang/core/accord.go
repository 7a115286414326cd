package core

import "accord/lang/schema"

var accordBlock = schema.Type{
	Name: "accord",
	Doc:  "Settings of accord itself, written `accord { … }`, once, at the root. Its values are constants.",
	Body: schema.Block{
		Attributes: []schema.Attribute{text("required_version", "Which versions of accord may read this: \">= 0.1.0\".")},
		Blocks: []schema.Nested{
			{Name: "state", Label: "backend", Doc: "Where the state is kept: local (the default), postgres, s3 or http.", Body: attributes(
				fallback(text("path", "local: the file."), `"accord.state.json"`),
				text("url", "postgres: the address of the database, without a password; what is left out comes from the environment, as for PostgreSQL's own tools."),
				text("schema", "postgres: the schema in it."),
				text("bucket", "s3: the bucket, required."),
				text("prefix", "s3: what every key in it begins with."),
				text("region", "s3: the region."),
				text("endpoint", "s3: the address of a server that is not Amazon's."),
				text("path_style", "s3: true where the bucket stands in the path."),
				text("address", "http: where the state is, required. User and password come from the environment."),
				text("lock_address", "http: where it is locked; left out, the address."),
				text("unlock_address", "http: where it is unlocked; left out, lock_address."),
				text("lock_method", "http: LOCK, where it is left out."),
				text("unlock_method", "http: UNLOCK, where it is left out."),
				text("update_method", "http: POST, where it is left out."),
			)},
			{Name: "limits", Single: true, Doc: "How much content one run may move; more needs -allow, by name.", Body: attributes(
				fallback(text("max_withdrawn", "The share of what a sync owns in a CRM vault that one run may withdraw (CLM-11)."), `"20%"`),
				fallback(text("max_published", "The share that one run may newly publish; the first full sync of an empty vault is exempt."), `"50%"`),
				fallback(number("ignore_below", "Shares do not apply to fewer items than this."), "10"),
			)},
			{Name: "provider", Label: "name", Doc: "A provider that is not built in. init pins it in .accord.lock.hcl.", Body: attributes(
				needed(text("source", "Which one: \"example.com/acme/acme\".")),
				text("version", "Which versions will do: \"1.2.0\", \"~> 1.2\"."),
				texts("env", "Variables of the environment that it is given."),
			)},
			{Name: "sync", Single: true, Doc: "When syncs run.", Body: attributes(
				fallback(text("filter_delay", "How long after an edit of a country filter the full run begins (CTRY-7)."), `"5m"`),
				fallback(text("full_retry_after", "When a full run that had failures may be had again for the same reason (CLM-14)."), `"24h"`),
				fallback(text("platform_timeout", "How long a run of the platform's own engine is waited for (INT-7)."), `"1h"`),
			)},
			{Name: "serve", Single: true, Doc: "How serve runs.", Body: attributes(
				fallback(text("interval", "How often it looks for changes (CLM-9)."), `"5s"`),
			)},
			{Name: "notify", Label: "kind", Doc: "Who is told of what runs published, and of new errors (CONN-6): notify \"webhook\".", Body: attributes(
				needed(text("url", "Where it is posted, signed with the secret in ACCORD_WEBHOOK_SECRET.")),
			)},
			{Name: "encryption", Single: true, Doc: "State and plan files are encrypted to these. They are read with an identity of the environment: ACCORD_AGE_IDENTITY_FILE, ACCORD_AGE_IDENTITY.", Body: attributes(
				texts("recipients", "Public keys of age."),
			)},
			{Name: "suppress", Doc: "A difference that drift does not count until its day is over.", Body: attributes(
				needed(text("address", "Of an object, a block or a module.")),
				text("attribute", "Which attribute; left out, all."),
				needed(text("owner", "Who answers for it.")),
				needed(text("reason", "Why it may differ.")),
				text("expires", "Its last day: \"2027-01-31\"."),
			)},
			{Name: "dev", Single: true, Doc: "For vaults with the address dev://NAME alone.", Body: attributes(
				text("library", "The directory with content to load on first use."),
				number("burst", "How many calls in 5 minutes a vault takes before it delays them."),
			)},
		},
	},
}
