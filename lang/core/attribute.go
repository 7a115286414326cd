package core

import (
	"github.com/zclconf/go-cty/cty"

	"accord/lang/schema"
)

func text(name, doc string) schema.Attribute {
	return schema.Attribute{Name: name, Type: cty.String, Doc: doc}
}

func flag(name, doc string) schema.Attribute {
	return schema.Attribute{Name: name, Type: cty.Bool, Doc: doc}
}

func number(name, doc string) schema.Attribute {
	return schema.Attribute{Name: name, Type: cty.Number, Doc: doc}
}

func texts(name, doc string) schema.Attribute {
	return schema.Attribute{Name: name, Type: cty.List(cty.String), Doc: doc}
}

// anything is an expression of whatever type.
func anything(name, doc string) schema.Attribute {
	return schema.Attribute{Name: name, Type: cty.DynamicPseudoType, Doc: doc}
}

func needed(a schema.Attribute) schema.Attribute {
	a.Required = true
	return a
}

// fallback is an attribute with a default, as JSON.
func fallback(a schema.Attribute, value string) schema.Attribute {
	a.Default = []byte(value)
	return a
}

func attributes(list ...schema.Attribute) schema.Block { return schema.Block{Attributes: list} }

// rule is a block with something that must hold.
func rule(name, doc string) schema.Nested {
	return schema.Nested{Name: name, Doc: doc, Body: ruleBody}
}

var ruleBody = attributes(
	needed(flag("condition", "What must be true.")),
	needed(text("error_message", "What to say where it is not.")),
)

var forEach = anything("for_each", "A map, or a set of strings: one instance for each, which knows `each.key` and `each.value`. It may use variables and local values.")
