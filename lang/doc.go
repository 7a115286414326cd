// Package lang turns the files of a directory into what is wanted: instances
// that providers connect to, resources that they manage, outputs, and the
// settings of accord itself.
//
//	files → Config → Desired
//
// Load reads the syntax and the settings and needs no schema. Evaluate checks
// every block against the schemas of the providers, settles for_each and
// enabled, and evaluates the bodies to canonical JSON. What a body reads from
// another resource is unknown then; Resource.Resolve fills it in as the planner
// learns it. Every mistake is an hcl.Diagnostic at its place in the source, and
// all of them are reported at once.
//
// The package refuses to know what any block is for, what is recorded, and what
// exists. Start with Config, then Desired; evaluate.go goes through a module,
// decl.go reads a block, instances.go says how many it makes; body.go is where a
// block meets its schema, reference.go where one block meets another.
package lang
