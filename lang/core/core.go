// Package core describes the blocks of the language itself, those of providers
// aside, for their reference page.
//
// It refuses to know how they are read: that they are, and no others, is proved by
// package lang. Start with Blocks.
package core

import (
	"github.com/zclconf/go-cty/cty"

	"accord/lang/schema"
)

// Blocks are those of the language, in the order of the page. Expressions that may
// be anything have the type any.
func Blocks() []schema.Type {
	return []schema.Type{
		accordBlock, variableBlock, localsBlock, outputBlock, moduleBlock, importBlock, movedBlock, removedBlock, checkBlock, everyBlock,
	}
}

var variableBlock = schema.Type{
	Name: "variable",
	Doc:  "A value that is given from outside, written `variable \"NAME\" { … }` and read as `var.NAME`. It is given by -var, a variable file, or ACCORD_VAR_NAME.",
	Body: schema.Block{
		Attributes: []schema.Attribute{
			anything("type", "Such as string, set(string), map(object({ url = string, id = optional(number) }))."),
			anything("default", "Its value where none is given; without, one must be."),
			text("description", "For readers."),
			flag("sensitive", "It is shown nowhere, nor is what follows from it; and it is kept in no file."),
			fallback(flag("nullable", "Whether it may be null."), "true"),
		},
		Blocks: []schema.Nested{rule("validation", "What must hold of its value.")},
	},
}

var localsBlock = schema.Type{
	Name: "locals",
	Doc:  "Values by name, written `locals { NAME = … }` and read as `local.NAME`. They may use variables and one another.",
}

var outputBlock = schema.Type{
	Name: "output",
	Doc:  "A value that apply prints and records, written `output \"NAME\" { … }`. Those of a module are read as `module.NAME.OUTPUT`.",
	Body: schema.Block{
		Attributes: []schema.Attribute{
			needed(anything("value", "Its value.")),
			text("description", "For readers."),
			flag("sensitive", "Needed where the value follows from something sensitive; then it is not kept."),
		},
		Blocks: []schema.Nested{rule("precondition", "What must hold before it is evaluated.")},
	},
}

var moduleBlock = schema.Type{
	Name: "module",
	Doc:  "The blocks of another directory, written `module \"NAME\" { … }`. Every other attribute is the value of a variable of that name there.",
	Body: attributes(
		needed(text("source", "The directory, beginning with ./ or ../.")),
		forEach,
		flag("enabled", "false is the same as taking the block out."),
		anything("depends_on", "Blocks that all of it comes after."),
	),
}

var importBlock = schema.Type{
	Name: "import",
	Doc:  "Takes an object over that is there, as part of a plan, written `import { … }`.",
	Body: attributes(
		forEach,
		needed(anything("to", "The address of its block, with a key where that has for_each.")),
		needed(text("id", "Its id in the vault; what is found must have it.")),
	),
}

var movedBlock = schema.Type{
	Name: "moved",
	Doc:  "A block, a key or a module that has another name now, written `moved { … }`: what is remembered goes by the new one, and nothing else changes.",
	Body: attributes(
		needed(anything("from", "The address it had.")),
		needed(anything("to", "The address it has.")),
	),
}

var removedBlock = schema.Type{
	Name: "removed",
	Doc:  "What happens to an object whose block is gone, written `removed { … }`.",
	Body: attributes(
		needed(anything("from", "The address it had.")),
		schema.Attribute{Name: "then", Type: cty.String, OneOf: []string{string(schema.Forget), string(schema.Reset), string(schema.Delete)}, Doc: "Left out, the type's own word."},
		flag("unprotect", "Lifts the protection that the state remembers."),
	),
}

var checkBlock = schema.Type{
	Name: "check",
	Doc:  "What should hold of everything, planned and applied, written `check \"NAME\" { … }`. Where it does not, that is a warning.",
	Body: schema.Block{
		Blocks: []schema.Nested{{Name: "assert", Required: true, Doc: "One thing that should hold.", Body: ruleBody}},
	},
}

var everyBlock = schema.Type{
	Name: "every block",
	Doc:  "What every block of a provider may say besides.",
	Body: schema.Block{
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
	},
}
