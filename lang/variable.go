package lang

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"accord/lang/lower"
)

// variable is an input of the configuration.
type variable struct {
	name        string
	ty          cty.Type
	inner       *typeexpr.Defaults // of optional attributes inside ty; nil where there are none
	fallback    *hcl.Attribute     // the default; nil: a value is required
	sensitive   bool
	nullable    bool
	validations []*rule
	rng         hcl.Range
}

// SensitiveVariable reports whether a variable of the configuration is declared
// sensitive.
func (c *Config) SensitiveVariable(name string) bool {
	root := c.modules["."]
	return root != nil && root.variables[name] != nil && root.variables[name].sensitive
}

// rule is a condition that must hold, and what to say where it does not.
type rule struct {
	condition, message hcl.Expression
}

var variableSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{
		{Name: "type"}, {Name: "default"}, {Name: "description"}, {Name: "sensitive"}, {Name: "nullable"},
	},
	Blocks: []hcl.BlockHeaderSchema{{Type: "validation"}},
}

var ruleSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "condition"}, {Name: "error_message"}},
}

func (c *module) addVariable(block *hcl.Block) hcl.Diagnostics {
	name := block.Labels[0]
	if first := c.variables[name]; first != nil {
		return hcl.Diagnostics{again(block.DefRange, fmt.Sprintf("a variable %q", name), first.rng)}
	}
	v := &variable{name: name, ty: cty.DynamicPseudoType, nullable: true, rng: block.DefRange}
	c.variables[name] = v

	content, diags := contentOf(block.Body, variableSchema)
	r := &reader{diags: diags}
	if a := content.Attributes["type"]; a != nil {
		ty, inner, more := typeexpr.TypeConstraintWithDefaults(static(a.Expr))
		r.diags = append(r.diags, more...)
		if !more.HasErrors() {
			v.ty, v.inner = ty, inner
		}
	}
	v.fallback = content.Attributes["default"]
	r.flag(content.Attributes["sensitive"], &v.sensitive)
	r.flag(content.Attributes["nullable"], &v.nullable)
	if a := content.Attributes["description"]; a != nil {
		var description string
		r.into(a, &description)
	}
	for _, b := range content.Blocks {
		v.validations = append(v.validations, r.rule(b))
	}
	return r.diags
}

// rule reads a block with a condition and an error message; nil where either
// is missing.
func (r *reader) rule(b *hcl.Block) *rule {
	content, diags := contentOf(b.Body, ruleSchema)
	r.diags = append(r.diags, diags...)
	for _, a := range ruleSchema.Attributes {
		if content.Attributes[a.Name] == nil {
			r.diags = append(r.diags, missing(a.Name, b.DefRange))
		}
	}
	condition, message := content.Attributes["condition"], content.Attributes["error_message"]
	if condition == nil || message == nil {
		return nil
	}
	return &rule{condition.Expr, message.Expr}
}

// environmentPrefix is before the name of a variable in the environment.
const environmentPrefix = "ACCORD_VAR_"

// Options are the values of variables that come from outside. A value on the
// command line goes before one in a file, and that before the environment.
type Options struct {
	Environ  []string // as of os.Environ: ACCORD_VAR_name=value
	VarFiles []string // in order, the last that sets a variable wins
	Vars     []string // name=value, the last wins
}

// given is a value for a variable, and where it was written.
type given struct {
	expr   hcl.Expression
	text   string // in place of expr: the literal text of a primitive
	source string // in words
}

// gather finds the values given for variables.
func (c *Config) gather(opts Options) (map[string]given, hcl.Diagnostics) {
	values := map[string]given{}
	var diags hcl.Diagnostics
	for _, entry := range opts.Environ {
		name, text, _ := strings.Cut(entry, "=")
		if name, ok := strings.CutPrefix(name, environmentPrefix); ok {
			if v := c.variables[name]; v != nil {
				g, more := c.fromText(v, text, "the environment variable "+environmentPrefix+name)
				diags = append(diags, more...)
				values[name] = g
			}
		}
	}
	for _, name := range opts.VarFiles {
		attributes, more := c.readVarFile(name)
		diags = append(diags, more...)
		for _, a := range attributes {
			if c.variables[a.Name] == nil {
				diags = append(diags, &hcl.Diagnostic{
					Severity: hcl.DiagWarning,
					Summary:  "Value for an unknown variable",
					Detail:   fmt.Sprintf("There is no variable %q.%s", a.Name, didYouMean(a.Name, c.variableNames())),
					Subject:  a.NameRange.Ptr(),
					Context:  a.Range.Ptr(),
				})
				continue
			}
			values[a.Name] = given{expr: a.Expr, source: name}
		}
	}
	for _, entry := range opts.Vars {
		name, text, ok := strings.Cut(entry, "=")
		name = strings.TrimSpace(name)
		switch v := c.variables[name]; {
		case !ok:
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Bad -var",
				Detail:   fmt.Sprintf("-var is followed by NAME=VALUE; %q has no equals sign.", entry),
			})
		case v == nil:
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Value for an unknown variable",
				Detail:   fmt.Sprintf("There is no variable %q, which -var gives a value.%s", name, didYouMean(name, c.variableNames())),
			})
		default:
			g, more := c.fromText(v, text, "-var "+name)
			diags = append(diags, more...)
			values[name] = g
		}
	}
	return values, diags
}

// fromText takes text as it is for a primitive variable and as an expression
// for any other.
func (c *Config) fromText(v *variable, text, source string) (given, hcl.Diagnostics) {
	if v.ty.IsPrimitiveType() || v.ty == cty.DynamicPseudoType {
		return given{text: text, source: source}, nil
	}
	name := "<" + source + ">"
	expr, diags := hclsyntax.ParseExpression([]byte(text), name, hcl.InitialPos)
	switch {
	case diags.HasErrors() && v.sensitive:
		diags = hcl.Diagnostics{v.unusable(source)}
	case !v.sensitive:
		c.keepFile(name, &hcl.File{Bytes: []byte(text)})
	}
	if diags.HasErrors() {
		return given{expr: hcl.StaticExpr(cty.DynamicVal, v.rng), source: source}, diags
	}
	return given{expr: expr, source: source}, diags
}

// unusable reports a sensitive value without showing anything of it.
func (v *variable) unusable(source string) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Unusable value",
		Detail:   fmt.Sprintf("The variable %q is declared as %s; %s is not a value of that. It is sensitive, so it is not shown.", v.name, typeText(v.ty), source),
		Subject:  v.rng.Ptr(),
	}
}

func (c *Config) readVarFile(name string) (hcl.Attributes, hcl.Diagnostics) {
	path := name
	if !filepath.IsAbs(path) {
		path = filepath.Join(c.Dir, path)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Unreadable variable file",
			Detail:   fmt.Sprintf("Reading the variable file %s: %v.", name, plain(err)),
		}}
	}
	file, diags := parseFile(text, name, lower.Parse) // never kept: it may hold a secret
	attributes, more := attributesOf(file.Body)
	diags = append(diags, more...)
	if diags.HasErrors() { // what belongs to which variable is not known
		for _, d := range diags {
			d.Detail = "What the variable file says here cannot be understood. It is not shown, as it may be a secret."
			d.Expression, d.EvalContext = nil, nil
		}
		return attributes, diags
	}
	c.keepFile(name, &hcl.File{Bytes: c.veiled(text, attributes)})
	return attributes, diags
}

// veiled is the text of a variable file for snippets: the values of variables
// that are sensitive, or that do not exist, are stars.
func (c *Config) veiled(text []byte, attributes hcl.Attributes) []byte {
	shown := slices.Clone(text)
	for _, a := range attributes {
		if v := c.variables[a.Name]; v != nil && !v.sensitive {
			continue
		}
		value := a.Expr.Range() // of a heredoc, its first line only
		end := a.Range.End.Byte
		for n := value.Start.Byte; n < max(end, value.End.Byte) && n < len(shown); n++ {
			if shown[n] != '\n' {
				shown[n] = '*'
			}
		}
	}
	return shown
}

func (m *module) variableNames() []string { return slices.Sorted(maps.Keys(m.variables)) }

// value is the variable's value: what was given, else its default.
func (v *variable) value(g given, isGiven bool) (cty.Value, hcl.Diagnostics) {
	var val cty.Value
	var diags hcl.Diagnostics
	at, source := v.rng, g.source
	switch {
	case isGiven && g.expr == nil:
		val = cty.StringVal(g.text)
	case isGiven:
		if val, diags = g.expr.Value(nil); diags.HasErrors() && v.sensitive {
			diags = hcl.Diagnostics{v.unusable(source)}
		}
		if !v.sensitive || !strings.HasPrefix(g.expr.Range().Filename, "<") {
			at = g.expr.Range()
		}
	case v.fallback != nil:
		source = "its default"
		if val, diags = v.fallback.Expr.Value(&hcl.EvalContext{Functions: pureFunctions}); diags.HasErrors() && v.sensitive {
			diags = hcl.Diagnostics{v.unusable(source)}
		}
		if !v.sensitive {
			at = v.fallback.Expr.Range()
		}
	default:
		return cty.UnknownVal(v.ty.WithoutOptionalAttributesDeep()), hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  "Variable without a value",
			Detail:   fmt.Sprintf("The variable %q has no default. Give it a value: -var '%s=…', a variable file, or %s%s.", v.name, v.name, environmentPrefix, v.name),
			Subject:  v.rng.Ptr(),
		}}
	}
	if diags.HasErrors() {
		return unknownOf(v.ty), diags
	}
	val, more := v.accept(val, source, at, isGiven)
	return val, append(diags, more...)
}

// accept takes a value that comes from a source for the variable's.
func (v *variable) accept(val cty.Value, source string, at hcl.Range, isGiven bool) (cty.Value, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	unknown := unknownOf(v.ty)
	if val.IsNull() && !v.nullable {
		if isGiven && v.fallback != nil {
			return v.value(given{}, false)
		}
		return unknown, append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Null for a variable",
			Detail:   fmt.Sprintf("The variable %q may not be null, and %s is.", v.name, source),
			Subject:  at.Ptr(),
		})
	}
	if v.inner != nil && !val.IsNull() {
		val = v.inner.Apply(val)
	}
	converted, err := convert.Convert(val, v.ty)
	if err != nil && v.sensitive {
		return unknown, append(diags, v.unusable(source))
	}
	if err != nil {
		return unknown, append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Wrong type",
			Detail:   fmt.Sprintf("The variable %q is declared as %s; %s does not fit: %s.", v.name, typeText(v.ty), source, problemText(err)),
			Subject:  at.Ptr(),
		})
	}
	if v.sensitive {
		converted = converted.Mark(sensitive)
	}
	return converted, diags
}

// evaluateVariables gives every variable its value, and says where it is
// written.
func (c *Config) evaluateVariables(opts Options) (map[string]cty.Value, map[string]hcl.Expression, hcl.Diagnostics) {
	values, diags := c.gather(opts)
	vars := make(map[string]cty.Value, len(c.variables))
	exprs := map[string]hcl.Expression{}
	for name, v := range c.variables {
		g, ok := values[name]
		val, more := v.value(g, ok)
		diags = append(diags, more...)
		vars[name] = val
		switch {
		case v.sensitive: // is not pointed at
		case ok && g.expr != nil:
			exprs[name] = g.expr
		case !ok && v.fallback != nil:
			exprs[name] = v.fallback.Expr
		}
	}
	return vars, exprs, diags
}

// validateVariables holds the values against the rules that are declared.
func (e *evaluator) validateVariables() {
	sight := sight{what: "The validation of a variable"}
	for _, v := range e.module.variables {
		if val := e.vars[v.name]; !val.IsKnown() {
			continue // reported
		}
		for _, rule := range v.validations {
			if rule == nil {
				continue
			}
			_, diags := e.check(rule.condition, sight)
			_, more := e.check(rule.message, sight)
			if diags = append(diags, more...); diags.HasErrors() {
				e.report(diags...)
				continue
			}
			_, diags = rule.judge(e.root(), "Invalid value for the variable "+v.name)
			e.report(diags...)
		}
	}
}

// judge evaluates the condition; diags say why it fails.
func (r *rule) judge(ctx *hcl.EvalContext, summary string) (Verdict, hcl.Diagnostics) {
	val, diags := valueOf(r.condition, ctx)
	if diags.HasErrors() {
		return Fails, diags
	}
	val, _ = val.Unmark()
	val, err := convert.Convert(val, cty.Bool)
	switch {
	case err != nil || val.IsNull():
		return Fails, append(diags, &hcl.Diagnostic{
			Severity:    hcl.DiagError,
			Summary:     "Wrong type",
			Detail:      "A condition is true or false.",
			Subject:     r.condition.Range().Ptr(),
			Expression:  r.condition,
			EvalContext: ctx,
		})
	case !val.IsKnown():
		return Unknown, diags
	case val.True():
		return Holds, diags
	}
	text := "The condition does not hold."
	message, more := valueOf(r.message, ctx)
	diags = append(diags, more...)
	if isSensitive(message) {
		text = "The condition does not hold; its message is sensitive."
	} else if message, _ = message.UnmarkDeep(); message.Type() == cty.String && message.IsKnown() && !message.IsNull() {
		text = message.AsString()
	}
	return Fails, append(diags, &hcl.Diagnostic{
		Severity:    hcl.DiagError,
		Summary:     summary,
		Detail:      text,
		Subject:     r.condition.Range().Ptr(),
		Expression:  r.condition,
		EvalContext: ctx,
	})
}

// typeText writes a type as a user does.
func typeText(ty cty.Type) string { return typeexpr.TypeString(ty) }

// problemText says what a conversion found, with the place inside the value.
func problemText(err error) string {
	path, ok := err.(cty.PathError)
	if !ok || len(path.Path) == 0 {
		return err.Error()
	}
	return pathText(path.Path) + ": " + path.Error()
}

func pathText(path cty.Path) string {
	var b strings.Builder
	for _, step := range path {
		switch step := step.(type) {
		case cty.GetAttrStep:
			b.WriteString("." + step.Name)
		case cty.IndexStep:
			switch key := step.Key; {
			case !key.IsKnown() || key.IsNull():
				b.WriteString("[…]")
			case key.Type() == cty.String:
				fmt.Fprintf(&b, "[%q]", key.AsString())
			case key.Type() == cty.Number:
				fmt.Fprintf(&b, "[%s]", key.AsBigFloat().Text('f', 0))
			}
		}
	}
	return strings.TrimPrefix(b.String(), ".")
}
