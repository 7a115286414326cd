package lang

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// fileFunctions read files. Relative names start in dir, wherever the tool was
// started.
func fileFunctions(dir string, outside func()) map[string]function.Function {
	in := func(name string) string {
		outside()
		if !filepath.IsAbs(name) {
			name = filepath.Join(dir, name)
		}
		return name
	}
	// read makes a function of a file's bytes.
	read := func(do func([]byte) (string, error)) function.Function {
		return textFunc(cty.String, "path", func(a []string) (cty.Value, error) {
			b, err := readFile(in(a[0]))
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			s, err := do(b)
			if err != nil {
				return cty.NilVal, function.NewArgError(0, err)
			}
			return cty.StringVal(s), nil
		})
	}
	hash := func(sum func([]byte) []byte, text func([]byte) string) function.Function {
		return read(func(b []byte) (string, error) { return text(sum(b)), nil })
	}
	name := func(do func(string) string) function.Function {
		return textFunc(cty.String, "path", func(a []string) (cty.Value, error) { return cty.StringVal(do(a[0])), nil })
	}
	table := map[string]function.Function{
		"abspath": textFunc(cty.String, "path", func(a []string) (cty.Value, error) {
			abs, err := filepath.Abs(in(a[0]))
			return cty.StringVal(filepath.ToSlash(abs)), err
		}),
		"basename": name(path.Base),
		"dirname":  name(path.Dir),
		"pathexpand": textFunc(cty.String, "path", func(a []string) (cty.Value, error) {
			rest, ok := strings.CutPrefix(a[0], "~")
			if !ok {
				return cty.StringVal(a[0]), nil
			}
			if rest != "" && rest[0] != '/' {
				return cty.NilVal, function.NewArgErrorf(0, "only the folder of the user who runs this is known, as ~")
			}
			outside()
			home, err := os.UserHomeDir()
			return cty.StringVal(filepath.ToSlash(home) + rest), err
		}),
		"file": read(utf8Text),
		"fileexists": textFunc(cty.Bool, "path", func(a []string) (cty.Value, error) {
			info, err := os.Stat(in(a[0]))
			switch {
			case errors.Is(err, fs.ErrNotExist):
				return cty.False, nil
			case err != nil:
				return cty.NilVal, function.NewArgError(0, plain(err))
			case !info.Mode().IsRegular():
				return cty.NilVal, function.NewArgErrorf(0, "this is not a regular file")
			}
			return cty.True, nil
		}),
		"fileset": textFunc(cty.Set(cty.String), "path pattern", func(a []string) (cty.Value, error) {
			if !fs.ValidPath(path.Clean(a[1])) {
				return cty.NilVal, function.NewArgErrorf(1, "a pattern stays below the path")
			}
			names, err := doublestar.Glob(os.DirFS(in(a[0])), path.Clean(a[1]), doublestar.WithFilesOnly())
			if err != nil {
				return cty.NilVal, function.NewArgError(1, err)
			}
			if len(names) == 0 {
				return cty.SetValEmpty(cty.String), nil
			}
			found := make([]cty.Value, len(names))
			for n, name := range names {
				found[n] = cty.StringVal(name)
			}
			return cty.SetVal(found), nil
		}),
		"filebase64":       read(func(b []byte) (string, error) { return base64Text(b), nil }),
		"filebase64sha256": hash(sha256Sum, base64Text),
		"filebase64sha512": hash(sha512Sum, base64Text),
		"filemd5":          hash(md5Sum, hexText),
		"filesha1":         hash(sha1Sum, hexText),
		"filesha256":       hash(sha256Sum, hexText),
		"filesha512":       hash(sha512Sum, hexText),
	}
	// What a template may call: no further templates.
	inside := maps.Clone(pureFunctions)
	maps.Copy(inside, table)
	table["templatefile"] = templateFunc("path", func(name string) (string, string, error) {
		b, err := readFile(in(name))
		if err != nil {
			return name, "", err
		}
		text, err := utf8Text(b)
		return name, text, err
	}, inside)
	table["templatestring"] = templateFunc("template", func(text string) (string, string, error) {
		return "the template", text, nil
	}, inside)
	return table
}

func readFile(name string) ([]byte, error) {
	b, err := os.ReadFile(name)
	return b, plain(err)
}

// plain is an error without the system's path, which differs by machine; the
// user's own words for it stand in the snippet.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return fmt.Errorf("cannot %s the file: %w", p.Op, p.Err)
	}
	return err
}

func utf8Text(b []byte) (string, error) {
	if !utf8.Valid(b) {
		return "", errors.New("the file is not text in UTF-8; filebase64 reads any file")
	}
	return string(b), nil
}

// templateFunc renders a template, which read finds by the first argument,
// with its name in messages. The template sees only the variables given, and
// functions.
func templateFunc(param string, read func(arg string) (name, text string, err error), functions map[string]function.Function) function.Function {
	render := func(args []cty.Value) (cty.Value, error) {
		arg, marks := args[0].Unmark()
		name, text, err := read(arg.AsString())
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		expr, diags := hclsyntax.ParseTemplate([]byte(text), name, hcl.InitialPos)
		if diags.HasErrors() {
			return cty.NilVal, function.NewArgError(0, diags)
		}
		vars, varMarks := args[1].Unmark()
		if ty := vars.Type(); !ty.IsObjectType() && !ty.IsMapType() {
			return cty.NilVal, function.NewArgErrorf(1, "a map of variables is required")
		}
		values := vars.AsValueMap()
		for _, t := range expr.Variables() {
			if _, ok := values[t.RootName()]; !ok {
				hint := ""
				if near := suggest(t.RootName(), slices.Sorted(maps.Keys(values))); near != "" {
					hint = fmt.Sprintf("; there is %q", near)
				}
				return cty.NilVal, function.NewArgErrorf(1, "%s:%d needs the variable %q%s", name, t.SourceRange().Start.Line, t.RootName(), hint)
			}
		}
		v, diags := expr.Value(&hcl.EvalContext{Variables: values, Functions: functions})
		if diags.HasErrors() {
			return cty.NilVal, diags
		}
		return v.WithMarks(marks, varMarks), nil
	}
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: param, Type: cty.String, AllowMarked: true},
			{Name: "vars", Type: cty.DynamicPseudoType, AllowMarked: true},
		},
		Type: func(args []cty.Value) (cty.Type, error) {
			if !args[0].IsKnown() || !args[1].IsWhollyKnown() {
				return cty.DynamicPseudoType, nil
			}
			v, err := render(args)
			if err != nil {
				return cty.NilType, err
			}
			return v.Type(), nil
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[1].IsWhollyKnown() {
				_, marks := args[0].Unmark()
				_, varMarks := args[1].UnmarkDeep()
				return cty.DynamicVal.WithMarks(marks, varMarks), nil
			}
			return render(args)
		},
	})
}
