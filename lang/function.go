package lang

import (
	"maps"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	yaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// pureFunctions are the functions whose result follows from their arguments
// alone, under the names that Terraform users know. Nothing here reads a clock
// or a random source: a configuration means the same each time it is read.
var pureFunctions = map[string]function.Function{
	// conditions
	"can":           carrying(tryfunc.CanFunc),
	"try":           carrying(tryfunc.TryFunc),
	"alltrue":       allTrueFunc,
	"anytrue":       anyTrueFunc,
	"assertnotnull": stdlib.AssertNotNullFunc,
	"coalesce":      coalesceFunc,
	"sensitive":     sensitiveFunc,
	"issensitive":   isSensitiveFunc,

	"nonsensitive": nonSensitiveFunc,

	// conversion
	"tobool":   stdlib.MakeToFunc(boolType),
	"tolist":   stdlib.MakeToFunc(listType),
	"tomap":    stdlib.MakeToFunc(mapType),
	"tonumber": stdlib.MakeToFunc(numberType),
	"toset":    stdlib.MakeToFunc(setType),
	"tostring": stdlib.MakeToFunc(stringType),

	// numbers
	"abs":      stdlib.AbsoluteFunc,
	"ceil":     stdlib.CeilFunc,
	"floor":    stdlib.FloorFunc,
	"int":      stdlib.IntFunc,
	"log":      stdlib.LogFunc,
	"max":      stdlib.MaxFunc,
	"min":      stdlib.MinFunc,
	"parseint": stdlib.ParseIntFunc,
	"pow":      stdlib.PowFunc,
	"signum":   stdlib.SignumFunc,
	"sum":      sumFunc,

	// strings
	"chomp":        stdlib.ChompFunc,
	"endswith":     endsWithFunc,
	"format":       stdlib.FormatFunc,
	"formatlist":   stdlib.FormatListFunc,
	"indent":       stdlib.IndentFunc,
	"join":         stdlib.JoinFunc,
	"lower":        stdlib.LowerFunc,
	"regex":        stdlib.RegexFunc,
	"regexall":     stdlib.RegexAllFunc,
	"regexreplace": stdlib.RegexReplaceFunc,
	"replace":      replaceFunc,
	"split":        stdlib.SplitFunc,
	"startswith":   startsWithFunc,
	"strcontains":  strContainsFunc,
	"strlen":       stdlib.StrlenFunc,
	"strrev":       stdlib.ReverseFunc,
	"substr":       stdlib.SubstrFunc,
	"title":        stdlib.TitleFunc,
	"trim":         stdlib.TrimFunc,
	"trimprefix":   stdlib.TrimPrefixFunc,
	"trimspace":    stdlib.TrimSpaceFunc,
	"trimsuffix":   stdlib.TrimSuffixFunc,
	"upper":        stdlib.UpperFunc,

	// collections
	"chunklist":              stdlib.ChunklistFunc,
	"coalescelist":           stdlib.CoalesceListFunc,
	"compact":                stdlib.CompactFunc,
	"concat":                 stdlib.ConcatFunc,
	"contains":               stdlib.ContainsFunc,
	"distinct":               stdlib.DistinctFunc,
	"element":                stdlib.ElementFunc,
	"flatten":                stdlib.FlattenFunc,
	"hasindex":               stdlib.HasIndexFunc,
	"index":                  indexFunc,
	"keys":                   stdlib.KeysFunc,
	"length":                 lengthFunc,
	"lookup":                 stdlib.LookupFunc,
	"matchkeys":              matchKeysFunc,
	"merge":                  stdlib.MergeFunc,
	"one":                    oneFunc,
	"range":                  stdlib.RangeFunc,
	"reverse":                stdlib.ReverseListFunc,
	"setintersection":        stdlib.SetIntersectionFunc,
	"sethaselement":          stdlib.SetHasElementFunc,
	"setproduct":             stdlib.SetProductFunc,
	"setsubtract":            stdlib.SetSubtractFunc,
	"setsymmetricdifference": stdlib.SetSymmetricDifferenceFunc,
	"setunion":               stdlib.SetUnionFunc,
	"slice":                  stdlib.SliceFunc,
	"sort":                   stdlib.SortFunc,
	"transpose":              transposeFunc,
	"values":                 stdlib.ValuesFunc,
	"zipmap":                 stdlib.ZipmapFunc,

	// dates
	"formatdate": stdlib.FormatDateFunc,
	"timeadd":    stdlib.TimeAddFunc,
	"timecmp":    timeCmpFunc,

	// encoding
	"base64decode":     base64DecodeFunc,
	"base64encode":     base64EncodeFunc,
	"base64gunzip":     base64GunzipFunc,
	"base64gzip":       base64GzipFunc,
	"csvdecode":        stdlib.CSVDecodeFunc,
	"jsondecode":       stdlib.JSONDecodeFunc,
	"jsonencode":       stdlib.JSONEncodeFunc,
	"textdecodebase64": textDecodeBase64Func,
	"textencodebase64": textEncodeBase64Func,
	"urldecode":        urlDecodeFunc,
	"urlencode":        urlEncodeFunc,
	"yamldecode":       yaml.YAMLDecodeFunc,
	"yamlencode":       yaml.YAMLEncodeFunc,

	// hashes
	"base64sha256": hashFunc(sha256Sum, base64Text),
	"base64sha512": hashFunc(sha512Sum, base64Text),
	"md5":          hashFunc(md5Sum, hexText),
	"sha1":         hashFunc(sha1Sum, hexText),
	"sha256":       hashFunc(sha256Sum, hexText),
	"sha512":       hashFunc(sha512Sum, hexText),
	"uuidv5":       uuidV5Func,

	// addresses
	"cidrcontains": cidrContainsFunc,
	"cidrhost":     cidrHostFunc,
	"cidrnetmask":  cidrNetmaskFunc,
	"cidrsubnet":   cidrSubnetFunc,
	"cidrsubnets":  cidrSubnetsFunc,
}

// absentFunctions are expected by Terraform users and not here, with the reason.
var absentFunctions = map[string]string{
	"bcrypt":        notTwice,
	"plantimestamp": notTwice,
	"rsadecrypt":    "Secrets come from the environment or from a credential helper, never from the configuration.",
	"timestamp":     notTwice,
	"uuid":          notTwice,
}

const notTwice = "It would give another value each time, and a configuration means the same each time it is read."

// functionTable is all functions; file names start in dir. outside is called
// before anything is read there.
func functionTable(dir string, outside func()) map[string]function.Function {
	table := maps.Clone(pureFunctions)
	maps.Copy(table, fileFunctions(dir, outside))
	return table
}
