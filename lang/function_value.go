package lang

import (
	"errors"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2/ext/customdecode"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

var (
	boolType   = cty.Bool
	numberType = cty.Number
	stringType = cty.String
	listType   = cty.List(cty.DynamicPseudoType)
	mapType    = cty.Map(cty.DynamicPseudoType)
	setType    = cty.Set(cty.DynamicPseudoType)
)

// textFunc makes a function of strings.
func textFunc(result cty.Type, names string, do func(args []string) (cty.Value, error)) function.Function {
	var params []function.Parameter
	for name := range strings.FieldsSeq(names) {
		params = append(params, function.Parameter{Name: name, Type: cty.String})
	}
	return function.New(&function.Spec{
		Params:       params,
		Type:         function.StaticReturnType(result),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			texts := make([]string, len(args))
			for n, arg := range args {
				texts[n] = arg.AsString()
			}
			return do(texts)
		},
	})
}

func notNull(b *cty.RefinementBuilder) *cty.RefinementBuilder { return b.NotNull() }

var (
	startsWithFunc = textFunc(cty.Bool, "str prefix", func(a []string) (cty.Value, error) {
		return cty.BoolVal(strings.HasPrefix(a[0], a[1])), nil
	})
	endsWithFunc = textFunc(cty.Bool, "str suffix", func(a []string) (cty.Value, error) {
		return cty.BoolVal(strings.HasSuffix(a[0], a[1])), nil
	})
	strContainsFunc = textFunc(cty.Bool, "str substr", func(a []string) (cty.Value, error) {
		return cty.BoolVal(strings.Contains(a[0], a[1])), nil
	})
	// A search between slashes is a regular expression.
	replaceFunc = textFunc(cty.String, "str search replace", func(a []string) (cty.Value, error) {
		if n := len(a[1]); n < 2 || a[1][0] != '/' || a[1][n-1] != '/' {
			return cty.StringVal(strings.ReplaceAll(a[0], a[1], a[2])), nil
		}
		re, err := regexp.Compile(a[1][1 : len(a[1])-1])
		if err != nil {
			return cty.NilVal, function.NewArgError(1, err)
		}
		return cty.StringVal(re.ReplaceAllString(a[0], a[2])), nil
	})
	timeCmpFunc = textFunc(cty.Number, "a b", func(a []string) (cty.Value, error) {
		var at [2]time.Time
		for n := range at {
			var err error
			if at[n], err = time.Parse(time.RFC3339, a[n]); err != nil {
				return cty.NilVal, function.NewArgErrorf(n, "a time as in 2027-01-31T00:00:00Z is required")
			}
		}
		return cty.NumberIntVal(int64(at[0].Compare(at[1]))), nil
	})
)

// coalesceFunc is the first argument that says something: neither null nor "".
var coalesceFunc = function.New(&function.Spec{
	VarParam: &function.Parameter{
		Name: "values", Type: cty.DynamicPseudoType,
		AllowUnknown: true, AllowDynamicType: true, AllowNull: true,
	},
	Type: func(args []cty.Value) (cty.Type, error) {
		types := make([]cty.Type, len(args))
		for n, arg := range args {
			types[n] = arg.Type()
		}
		if ty, _ := convert.UnifyUnsafe(types); ty != cty.NilType {
			return ty, nil
		}
		return cty.NilType, errors.New("at least one argument is required, and all of one type")
	},
	RefineResult: notNull,
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		for _, arg := range args {
			v, err := convert.Convert(arg, ty)
			switch {
			case err != nil:
				return cty.NilVal, err
			case !v.IsKnown():
				return cty.UnknownVal(ty), nil
			case !v.IsNull() && !v.RawEquals(cty.StringVal("")):
				return v, nil
			}
		}
		return cty.NilVal, errors.New(`each argument is null or ""`)
	},
})

// truth folds a list of bools; null counts as false.
func truth(start bool) function.Function {
	return function.New(&function.Spec{
		Params:       []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:         function.StaticReturnType(cty.Bool),
		RefineResult: notNull,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			open := false
			for _, v := range args[0].AsValueSlice() {
				switch {
				case !v.IsKnown():
					open = true
				case (!v.IsNull() && v.True()) != start:
					return cty.BoolVal(!start), nil
				}
			}
			if open {
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.BoolVal(start), nil
		},
	})
}

var (
	allTrueFunc = truth(true)
	anyTrueFunc = truth(false)
)

var sumFunc = function.New(&function.Spec{
	Params:       []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
	Type:         function.StaticReturnType(cty.Number),
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if !args[0].CanIterateElements() {
			return cty.NilVal, function.NewArgErrorf(0, "a list or set of numbers is required")
		}
		if args[0].LengthInt() == 0 {
			return cty.NilVal, function.NewArgErrorf(0, "an empty list has no sum")
		}
		total := new(big.Float).SetPrec(512)
		for _, v := range args[0].AsValueSlice() {
			if !v.IsKnown() {
				return cty.UnknownVal(cty.Number), nil
			}
			n, err := convert.Convert(v, cty.Number)
			if err != nil || n.IsNull() {
				return cty.NilVal, function.NewArgErrorf(0, "a list or set of numbers is required")
			}
			total.Add(total, n.AsBigFloat())
		}
		return cty.NumberVal(total), nil
	},
})

// lengthFunc also takes strings, and counts their characters.
var lengthFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowUnknown: true, AllowMarked: true}},
	Type: func(args []cty.Value) (cty.Type, error) {
		ty := args[0].Type()
		if ty == cty.String || ty == cty.DynamicPseudoType || ty.IsCollectionType() || ty.IsTupleType() || ty.IsObjectType() {
			return cty.Number, nil
		}
		return cty.NilType, function.NewArgErrorf(0, "a string or a collection is required")
	},
	RefineResult: notNull,
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		v, marks := args[0].Unmark()
		switch ty := v.Type(); {
		case ty.IsTupleType():
			return cty.NumberIntVal(int64(ty.Length())).WithMarks(marks), nil
		case ty.IsObjectType():
			return cty.NumberIntVal(int64(len(ty.AttributeTypes()))).WithMarks(marks), nil
		case !v.IsKnown():
			return cty.UnknownVal(cty.Number).WithMarks(marks), nil
		case ty == cty.String:
			n, err := stdlib.Strlen(v)
			if err != nil {
				return cty.NilVal, err
			}
			return n.WithMarks(marks), nil
		default:
			return v.Length().WithMarks(marks), nil
		}
	},
})

// indexFunc is where a value stands in a list.
var indexFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "list", Type: cty.DynamicPseudoType},
		{Name: "value", Type: cty.DynamicPseudoType},
	},
	Type: func(args []cty.Value) (cty.Type, error) {
		if ty := args[0].Type(); ty != cty.DynamicPseudoType && !ty.IsListType() && !ty.IsTupleType() {
			return cty.NilType, function.NewArgErrorf(0, "a list is required")
		}
		return cty.Number, nil
	},
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		for n, v := range args[0].AsValueSlice() {
			same, err := stdlib.Equal(v, args[1])
			if err != nil {
				return cty.NilVal, err
			}
			if !same.IsKnown() {
				return cty.UnknownVal(cty.Number), nil
			}
			if same.True() {
				return cty.NumberIntVal(int64(n)), nil
			}
		}
		return cty.NilVal, fmt.Errorf("the value is not in the list")
	},
})

// oneFunc is the only element of a collection, or null.
var oneFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
	Type: func(args []cty.Value) (cty.Type, error) {
		switch ty := args[0].Type(); {
		case ty.IsListType(), ty.IsSetType():
			return ty.ElementType(), nil
		case ty.IsTupleType() && ty.Length() == 0, ty == cty.DynamicPseudoType:
			return cty.DynamicPseudoType, nil
		case ty.IsTupleType() && ty.Length() == 1:
			return ty.TupleElementType(0), nil
		}
		return cty.NilType, function.NewArgErrorf(0, "a list or set of at most one element is required")
	},
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		switch elements := args[0].AsValueSlice(); len(elements) {
		case 0:
			return cty.NullVal(ty), nil
		case 1:
			return elements[0], nil
		default:
			return cty.NilVal, function.NewArgErrorf(0, "a list or set of at most one element is required, this has %d", len(elements))
		}
	},
})

// matchKeysFunc keeps the values whose key at the same place is searched for.
var matchKeysFunc = function.New(&function.Spec{
	Params: []function.Parameter{
		{Name: "values", Type: listType},
		{Name: "keys", Type: listType},
		{Name: "search", Type: listType},
	},
	Type: func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil },
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		alike, _ := convert.UnifyUnsafe([]cty.Type{args[1].Type(), args[2].Type()})
		if alike == cty.NilType {
			return cty.NilVal, function.NewArgErrorf(2, "what is searched for is of another type than the keys")
		}
		for n := 1; n < 3; n++ {
			var err error
			if args[n], err = convert.Convert(args[n], alike); err != nil {
				return cty.NilVal, function.NewArgError(n, err)
			}
		}
		values, keys := args[0].AsValueSlice(), args[1].AsValueSlice()
		if len(values) != len(keys) {
			return cty.NilVal, function.NewArgErrorf(1, "as many keys as values are required")
		}
		var kept []cty.Value
		for n, key := range keys {
			for _, wanted := range args[2].AsValueSlice() {
				same, err := stdlib.Equal(key, wanted)
				if err != nil {
					return cty.NilVal, err
				}
				if !same.IsKnown() {
					return cty.UnknownVal(ty), nil
				}
				if same.True() {
					kept = append(kept, values[n])
					break
				}
			}
		}
		if len(kept) == 0 {
			return cty.ListValEmpty(ty.ElementType()), nil
		}
		return cty.ListVal(kept), nil
	},
})

// transposeFunc swaps keys and values of a map of lists of strings.
var transposeFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "map", Type: cty.Map(cty.List(cty.String))}},
	Type:   function.StaticReturnType(cty.Map(cty.List(cty.String))),
	Impl: func(args []cty.Value, ty cty.Type) (cty.Value, error) {
		if !args[0].IsWhollyKnown() {
			return cty.UnknownVal(ty), nil
		}
		keys := map[string][]cty.Value{}
		for it := args[0].ElementIterator(); it.Next(); {
			key, list := it.Element()
			if list.IsNull() {
				return cty.NilVal, function.NewArgErrorf(0, "a list in the map is null")
			}
			for _, v := range list.AsValueSlice() {
				if v.IsNull() {
					return cty.NilVal, function.NewArgErrorf(0, "a string in the map is null")
				}
				keys[v.AsString()] = append(keys[v.AsString()], key) // the iterator goes in key order
			}
		}
		if len(keys) == 0 {
			return cty.MapValEmpty(cty.List(cty.String)), nil
		}
		lists := make(map[string]cty.Value, len(keys))
		for value, list := range keys {
			lists[value] = cty.ListVal(list)
		}
		return cty.MapVal(lists), nil
	},
})

// mark is what follows a value through expressions.
type mark string

const (
	sensitive mark = "sensitive" // never shown
	volatile  mark = "volatile"  // may not become part of a resource
)

func (m mark) GoString() string { return string(m) }

// markFunc makes a function of any value, that sees its marks.
func markFunc(result func(cty.Type) cty.Type, do func(cty.Value) cty.Value) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{
			Name: "value", Type: cty.DynamicPseudoType,
			AllowUnknown: true, AllowNull: true, AllowMarked: true, AllowDynamicType: true,
		}},
		Type: func(args []cty.Value) (cty.Type, error) { return result(args[0].Type()), nil },
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return do(args[0]), nil },
	})
}

func sameType(ty cty.Type) cty.Type { return ty }

var (
	sensitiveFunc    = markFunc(sameType, func(v cty.Value) cty.Value { return v.Mark(sensitive) })
	nonSensitiveFunc = markFunc(sameType, func(v cty.Value) cty.Value {
		v, marks := v.Unmark()
		delete(marks, sensitive)
		return v.WithMarks(marks)
	})
	isSensitiveFunc = markFunc(func(cty.Type) cty.Type { return cty.Bool }, func(v cty.Value) cty.Value {
		return cty.BoolVal(v.HasMark(sensitive))
	})
)

// carrying is try or can, whose result is sensitive where that an expression
// fails, or does not, tells of something sensitive.
func carrying(f function.Function) function.Function {
	given := function.Parameter{Name: "expressions", Type: customdecode.ExpressionClosureType}
	return function.New(&function.Spec{
		VarParam: &given,
		Type:     f.ReturnTypeForValues,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			result, err := f.Call(args)
			if err != nil {
				return cty.NilVal, err
			}
			for _, arg := range args {
				closure := customdecode.ExpressionClosureFromVal(arg)
				v, diags := closure.Value()
				if !diags.HasErrors() { // the rest does not count
					if isSensitive(v) && !isSensitive(result) {
						result = result.Mark(sensitive)
					}
					break
				}
				if expr, ok := closure.Expression.(hclsyntax.Expression); ok && maySay(expr, closure.EvalContext) {
					return result.Mark(sensitive), nil
				}
			}
			return result, nil
		},
	})
}
