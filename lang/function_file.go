package lang

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"sort"
	"unicode/utf8"

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
	return map[string]function.Function{
		"abspath": textFunc(cty.String, "path", func(a []string) (cty.Value, error) {
			abs, err := filepath.Abs(in(a[0]))
			return cty.StringVal(filepath.ToSlash(abs)), err
		}),
		"basename": name(path.Base),
		"dirname":  name(path.Dir),
		"file":     read(utf8Text),
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
			names, err := fs.Glob(os.DirFS(in(a[0])), a[1])
			if err != nil {
				return cty.NilVal, function.NewArgError(1, err)
			}
			var found []cty.Value
			for _, name := range names {
				if info, err := os.Stat(filepath.Join(in(a[0]), name)); err == nil && info.Mode().IsRegular() {
					found = append(found, cty.StringVal(name))
				}
			}
			if len(found) == 0 {
				return cty.SetValEmpty(cty.String), nil
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
		"templatefile":     templateFileFunc(in),
	}
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

// templateFileFunc renders a file as a template. The template sees only the
// variables given, and all functions but this one.
func templateFileFunc(in func(string) string) function.Function {
	render := func(args []cty.Value) (cty.Value, error) {
		nameArg, marks := args[0].Unmark()
		name := nameArg.AsString()
		b, err := readFile(in(name))
		if err != nil {
			return cty.NilVal, function.NewArgError(0, err)
		}
		text, err := utf8Text(b)
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
				names := make([]string, 0, len(values))
				for name := range values {
					names = append(names, name)
				}
				sort.Strings(names)
				return cty.NilVal, function.NewArgErrorf(1, "%s:%d needs the variable %q.%s",
					name, t.SourceRange().Start.Line, t.RootName(), didYouMean(t.RootName(), names))
			}
		}
		v, diags := expr.Value(&hcl.EvalContext{Variables: values, Functions: pureFunctions})
		if diags.HasErrors() {
			return cty.NilVal, diags
		}
		return v.WithMarks(marks, varMarks), nil
	}
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "path", Type: cty.String, AllowMarked: true},
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
				return cty.DynamicVal, nil
			}
			return render(args)
		},
	})
}
