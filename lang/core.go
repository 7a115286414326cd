package lang

import (
	"github.com/zclconf/go-cty/cty"

	"accord/lang/schema"
)

// Core describes the blocks of the language itself, those of providers aside,
// for their reference page. Expressions that may be anything have the type any.
func Core() []schema.Type {
	text := func(name, doc string) schema.Attribute {
		return schema.Attribute{Name: name, Type: cty.String, Doc: doc}
	}
	needed := func(a schema.Attribute) schema.Attribute { a.Required = true; return a }
	flag := func(name, doc string) schema.Attribute {
		return schema.Attribute{Name: name, Type: cty.Bool, Doc: doc}
	}
	anything := func(name, doc string) schema.Attribute {
		return schema.Attribute{Name: name, Type: cty.DynamicPseudoType, Doc: doc}
	}
	fallback := func(a schema.Attribute, value string) schema.Attribute { a.Default = []byte(value); return a }
	rule := func(name, doc string) schema.Nested {
		return schema.Nested{Name: name, Doc: doc, Body: schema.Block{Attributes: []schema.Attribute{
			needed(flag("condition", "What must be true.")),
			needed(text("error_message", "What to say where it is not.")),
		}}}
	}
	forEach := anything("for_each", "A map, or a set of strings: one instance for each, which knows `each.key` and `each.value`. It may use variables and local values.")
	return []schema.Type{
		{Name: "accord", Doc: "Settings of accord itself, written `accord { … }`, once, at the root. Its values are constants.", Body: schema.Block{
			Attributes: []schema.Attribute{text("required_version", "Which versions of accord may read this: \">= 0.1.0\".")},
			Blocks: []schema.Nested{
				{Name: "state", Label: "backend", Doc: "Where the state is kept: local (the default), postgres, s3 or http.", Body: schema.Block{Attributes: []schema.Attribute{
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
				}}},
				{Name: "limits", Single: true, Doc: "How much content one run may move; more needs -allow, by name.", Body: schema.Block{Attributes: []schema.Attribute{
					fallback(text("max_withdrawn", "The share of what a sync owns in a CRM vault that one run may withdraw (CLM-11)."), `"20%"`),
					fallback(text("max_published", "The share that one run may newly publish; the first full sync of an empty vault is exempt."), `"50%"`),
					fallback(schema.Attribute{Name: "ignore_below", Type: cty.Number, Doc: "Shares do not apply to fewer items than this."}, "10"),
				}}},
				{Name: "provider", Label: "name", Doc: "A provider that is not built in. init pins it in .accord.lock.hcl.", Body: schema.Block{Attributes: []schema.Attribute{
					needed(text("source", "Which one: \"example.com/acme/acme\".")),
					text("version", "Which versions will do: \"1.2.0\", \"~> 1.2\"."),
					{Name: "env", Type: cty.List(cty.String), Doc: "Variables of the environment that it is given."},
				}}},
				{Name: "sync", Single: true, Doc: "When syncs run.", Body: schema.Block{Attributes: []schema.Attribute{
					fallback(text("filter_delay", "How long after an edit of a country filter the full run begins (CTRY-7)."), `"5m"`),
					fallback(text("full_retry_after", "When a full run that had failures may be had again for the same reason (CLM-14)."), `"24h"`),
					fallback(text("platform_timeout", "How long a run of the platform's own engine is waited for (INT-7)."), `"1h"`),
				}}},
				{Name: "serve", Single: true, Doc: "How serve runs.", Body: schema.Block{Attributes: []schema.Attribute{
					fallback(text("interval", "How often it looks for changes (CLM-9)."), `"5s"`),
				}}},
				{Name: "notify", Label: "kind", Doc: "Who is told of what runs published, and of new errors (CONN-6): notify \"webhook\".", Body: schema.Block{Attributes: []schema.Attribute{
					needed(text("url", "Where it is posted, signed with the secret in ACCORD_WEBHOOK_SECRET.")),
				}}},
				{Name: "encryption", Single: true, Doc: "State and plan files are encrypted to these. They are read with an identity of the environment: ACCORD_AGE_IDENTITY_FILE, ACCORD_AGE_IDENTITY.", Body: schema.Block{Attributes: []schema.Attribute{
					{Name: "recipients", Type: cty.List(cty.String), Doc: "Public keys of age."},
				}}},
				{Name: "suppress", Doc: "A difference that drift does not count until its day is over.", Body: schema.Block{Attributes: []schema.Attribute{
					needed(text("address", "Of an object, a block or a module.")),
					text("attribute", "Which attribute; left out, all."),
					needed(text("owner", "Who answers for it.")),
					needed(text("reason", "Why it may differ.")),
					text("expires", "Its last day: \"2027-01-31\"."),
				}}},
				{Name: "dev", Single: true, Doc: "For vaults with the address dev://NAME alone.", Body: schema.Block{Attributes: []schema.Attribute{
					text("library", "The directory with content to load on first use."),
					{Name: "burst", Type: cty.Number, Doc: "How many calls in 5 minutes a vault takes before it delays them."},
				}}},
			},
		}},
		{Name: "variable", Doc: "A value that is given from outside, written `variable \"NAME\" { … }` and read as `var.NAME`. It is given by -var, a variable file, or ACCORD_VAR_NAME.", Body: schema.Block{
			Attributes: []schema.Attribute{
				anything("type", "Such as string, set(string), map(object({ url = string, id = optional(number) }))."),
				anything("default", "Its value where none is given; without, one must be."),
				text("description", "For readers."),
				flag("sensitive", "It is shown nowhere, nor is what follows from it; and it is kept in no file."),
				fallback(flag("nullable", "Whether it may be null."), "true"),
			},
			Blocks: []schema.Nested{rule("validation", "What must hold of its value.")},
		}},
		{Name: "locals", Doc: "Values by name, written `locals { NAME = … }` and read as `local.NAME`. They may use variables and one another."},
		{Name: "output", Doc: "A value that apply prints and records, written `output \"NAME\" { … }`. Those of a module are read as `module.NAME.OUTPUT`.", Body: schema.Block{
			Attributes: []schema.Attribute{
				needed(anything("value", "Its value.")),
				text("description", "For readers."),
				flag("sensitive", "Needed where the value follows from something sensitive; then it is not kept."),
			},
			Blocks: []schema.Nested{rule("precondition", "What must hold before it is evaluated.")},
		}},
		{Name: "module", Doc: "The blocks of another directory, written `module \"NAME\" { … }`. Every other attribute is the value of a variable of that name there.", Body: schema.Block{Attributes: []schema.Attribute{
			needed(text("source", "The directory, beginning with ./ or ../.")),
			forEach,
			flag("enabled", "false is the same as taking the block out."),
			anything("depends_on", "Blocks that all of it comes after."),
		}}},
		{Name: "import", Doc: "Takes an object over that is there, as part of a plan, written `import { … }`.", Body: schema.Block{Attributes: []schema.Attribute{
			forEach,
			needed(anything("to", "The address of its block, with a key where that has for_each.")),
			needed(text("id", "Its id in the vault; what is found must have it.")),
		}}},
		{Name: "moved", Doc: "A block, a key or a module that has another name now, written `moved { … }`: what is remembered goes by the new one, and nothing else changes.", Body: schema.Block{Attributes: []schema.Attribute{
			needed(anything("from", "The address it had.")),
			needed(anything("to", "The address it has.")),
		}}},
		{Name: "removed", Doc: "What happens to an object whose block is gone, written `removed { … }`.", Body: schema.Block{Attributes: []schema.Attribute{
			needed(anything("from", "The address it had.")),
			{Name: "then", Type: cty.String, OneOf: []string{string(schema.Forget), string(schema.Reset), string(schema.Delete)}, Doc: "Left out, the type's own word."},
			flag("unprotect", "Lifts the protection that the state remembers."),
		}}},
		{Name: "check", Doc: "What should hold of everything, planned and applied, written `check \"NAME\" { … }`. Where it does not, that is a warning.", Body: schema.Block{
			Blocks: []schema.Nested{func() schema.Nested { a := rule("assert", "One thing that should hold."); a.Required = true; return a }()},
		}},
		{Name: "every block", Doc: "What every block of a provider may say besides.", Body: schema.Block{
			Attributes: []schema.Attribute{
				forEach,
				flag("enabled", "false is the same as taking the block out."),
				anything("depends_on", "Blocks that it comes after, where no reference says so."),
			},
			Blocks: []schema.Nested{{Name: "lifecycle", Single: true, Doc: "How it may change.", Body: schema.Block{
				Attributes: []schema.Attribute{
					flag("protect", "Nothing removes or replaces it. The state remembers that: taking the block out does not lift it."),
					anything("ignore_changes", "Attributes that are left as they are found."),
				},
				Blocks: []schema.Nested{
					rule("precondition", "What must hold before it is changed."),
					rule("postcondition", "What must hold after it was changed; it may read itself as `self`."),
				},
			}}},
		}},
	}
}
