package lang

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"accord/lang/addrs"
)

// reader decodes constants and gathers what is wrong with them.
type reader struct{ diags hcl.Diagnostics }

func (r *reader) problem(a *hcl.Attribute, summary, detail string) {
	r.diags = append(r.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  summary,
		Detail:   detail,
		Subject:  a.Expr.Range().Ptr(),
		Context:  a.Range.Ptr(),
	})
}

// attributes returns those of a body that are written, and reports others.
func (r *reader) attributes(body hcl.Body, names ...string) hcl.Attributes {
	schema := &hcl.BodySchema{}
	for _, name := range names {
		schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: name})
	}
	content, diags := contentOf(body, schema)
	r.diags = append(r.diags, diags...)
	return content.Attributes
}

// value evaluates a constant of a type; ok is false after a problem.
func (r *reader) value(a *hcl.Attribute, ty cty.Type) (v cty.Value, ok bool) {
	for _, t := range a.Expr.Variables() {
		r.diags = append(r.diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Not a constant",
			Detail:   "This is read before anything else, and cannot refer to anything.",
			Subject:  t.SourceRange().Ptr(),
			Context:  a.Range.Ptr(),
		})
		return cty.NilVal, false
	}
	_, calls := mentions(a.Expr)
	diags := checkCalls(calls, pureFunctions)
	if diags.HasErrors() {
		r.diags = append(r.diags, diags...)
		return cty.NilVal, false
	}
	v, more := a.Expr.Value(&hcl.EvalContext{Functions: pureFunctions})
	r.diags = append(r.diags, more...)
	if more.HasErrors() {
		return cty.NilVal, false
	}
	v, _ = v.UnmarkDeep()
	v, err := convert.Convert(v, ty)
	if err != nil || v.IsNull() || !v.IsWhollyKnown() {
		r.problem(a, "Wrong type", fmt.Sprintf("%s is a %s.", a.Name, ty.FriendlyName()))
		return cty.NilVal, false
	}
	return v, true
}

func (r *reader) into(a *hcl.Attribute, s *string) {
	if v, ok := r.value(a, cty.String); ok {
		*s = v.AsString()
	}
}

func (r *reader) constraint(a *hcl.Attribute, s *string) {
	if r.into(a, s); *s == "" {
		return
	}
	if _, err := version.NewConstraint(*s); err != nil {
		r.problem(a, "Bad version", "A version is required as in \">= 0.1.0, < 2.0.0\".")
	}
}

func (r *reader) source(a *hcl.Attribute, source *addrs.Source) {
	v, ok := r.value(a, cty.String)
	if !ok {
		return
	}
	var err error
	if *source, err = addrs.ParseSource(v.AsString()); err != nil {
		r.problem(a, "Bad source", err.Error()+".")
	}
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// environment reads names of environment variables; accord's own are for
// accord alone.
func (r *reader) environment(a *hcl.Attribute, names *[]string) {
	r.list(a, names)
	for _, name := range *names {
		switch {
		case !variableName.MatchString(name):
			r.problem(a, "Bad name", "env lists names of environment variables, without their values: [\"ACME_TOKEN\"].")
		case strings.HasPrefix(strings.ToUpper(name), "ACCORD_"):
			r.problem(a, "A variable of accord", fmt.Sprintf("%s is for accord alone. A provider is given what its blocks say, and variables of other names.", name))
		}
	}
}

func (r *reader) list(a *hcl.Attribute, list *[]string) {
	if v, ok := r.value(a, cty.List(cty.String)); ok {
		for _, e := range v.AsValueSlice() {
			if e.IsNull() {
				r.problem(a, "Wrong type", fmt.Sprintf("%s is a list of strings, without null.", a.Name))
				return
			}
			*list = append(*list, e.AsString())
		}
	}
}

func (r *reader) count(a *hcl.Attribute, n *int) {
	v, ok := r.value(a, cty.Number)
	if !ok {
		return
	}
	f := v.AsBigFloat()
	i, _ := f.Int64()
	if !f.IsInt() || i < 0 || i > 1e9 {
		r.problem(a, "Wrong number", fmt.Sprintf("%s is a whole number from 0 to 1000000000.", a.Name))
		return
	}
	*n = int(i)
}

func (r *reader) duration(a *hcl.Attribute, d *time.Duration) {
	v, ok := r.value(a, cty.String)
	if !ok {
		return
	}
	parsed, err := time.ParseDuration(v.AsString())
	if err != nil || parsed < 0 {
		r.problem(a, "Bad duration", fmt.Sprintf("%s is a duration: \"90s\", \"5m\", \"24h\", \"1h30m\".", a.Name))
		return
	}
	*d = parsed
}

// texts reads a body of attributes of anyone's choice; each value as a string.
func (r *reader) texts(body hcl.Body) map[string]string {
	attributes, diags := attributesOf(body)
	r.diags = append(r.diags, diags...)
	texts := make(map[string]string, len(attributes))
	for name, a := range attributes {
		if v, ok := r.value(a, cty.String); ok {
			texts[name] = v.AsString()
		}
	}
	return texts
}

// strings reads a block of strings, some of them required, and returns those
// that are written.
func (r *reader) strings(b *hcl.Block, into map[string]*string, required ...string) hcl.Attributes {
	attributes := r.attributes(b.Body, slices.Sorted(maps.Keys(into))...)
	for name, a := range attributes {
		r.into(a, into[name])
	}
	for _, name := range required {
		if attributes[name] == nil {
			r.diags = append(r.diags, missing(name, b.DefRange))
		}
	}
	return attributes
}

func (r *reader) flag(a *hcl.Attribute, b *bool) {
	if a == nil {
		return
	}
	if v, ok := r.value(a, cty.Bool); ok {
		*b = v.True()
	}
}
