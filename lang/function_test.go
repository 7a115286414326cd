package lang

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// TestFunctions evaluates each expression to what the other one says, or to an
// error that holds the text after "error:".
func TestFunctions(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"hello.txt": "hello", "bytes": "\xff\xfe", "a/one.tmpl": "${upper(name)}%{ for n in list } ${n}%{ endfor }", "a/two.tmpl": "${",
		"a/reads.tmpl": `${file("hello.txt")} ${templatefile("a/one.tmpl", {})}`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	table := functionTable(dir, func() {})
	ctx := &hcl.EvalContext{Functions: table}
	used := map[string]bool{}
	for _, c := range []struct{ expr, want string }{
		{`abs(-3)`, `3`},
		{`abspath("/x")`, `"/x"`},
		{`alltrue([])`, `true`},
		{`alltrue([true, false])`, `false`},
		{`anytrue([])`, `false`},
		{`anytrue([false, "true"])`, `true`},
		{`base64decode("aGk=")`, `"hi"`},
		{`base64decode("a")`, `error:not base64`},
		{`base64decode("/w==")`, `error:UTF-8`},
		{`base64encode("hi")`, `"aGk="`},
		{`base64sha256("hello")`, `"LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="`},
		{`base64sha512("")`, `"z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=="`},
		{`basename("a/b.c")`, `"b.c"`},
		{`can(tonumber("x"))`, `false`},
		{`ceil(1.2)`, `2`},
		{`chomp("a\n")`, `"a"`},
		{`chunklist(["a", "b", "c"], 2)`, `tolist([tolist(["a", "b"]), tolist(["c"])])`},
		{`cidrcontains("10.0.0.0/8", "10.9.9.9")`, `true`},
		{`cidrcontains("10.0.0.0/8", "10.1.0.0/16")`, `true`},
		{`cidrcontains("10.0.0.0/8", "8.0.0.0/6")`, `false`},
		{`cidrcontains("10.0.0.0/8", "x")`, `error:address range`},
		{`cidrhost("10.1.2.240/28", 1)`, `"10.1.2.241"`},
		{`cidrhost("10.1.2.240/28", -1)`, `"10.1.2.255"`},
		{`cidrhost("10.1.2.240/28", 16)`, `error:16 addresses`},
		{`cidrhost("fd00:fd12:3456:7890::/72", 34)`, `"fd00:fd12:3456:7890::22"`},
		{`cidrnetmask("172.16.0.0/12")`, `"255.240.0.0"`},
		{`cidrnetmask("fd00::/8")`, `error:IPv4`},
		{`cidrsubnet("172.16.0.0/12", 4, 2)`, `"172.18.0.0/16"`},
		{`cidrsubnet("fd00:fd12:3456:7890::/56", 16, 162)`, `"fd00:fd12:3456:7800:a200::/72"`},
		{`cidrsubnet("10.0.0.0/30", 4, 0)`, `error:2 bits left`},
		{`cidrsubnet("10.0.0.0/8", 2, 4)`, `error:cannot hold`},
		{`cidrsubnets("10.1.0.0/16", 4, 4, 8, 4)`, `tolist(["10.1.0.0/20", "10.1.16.0/20", "10.1.32.0/24", "10.1.48.0/20"])`},
		{`cidrsubnets("10.0.0.0/30", 1, 1, 1)`, `error:no room`},
		{`cidrsubnets("fd00:fd12:3456:7890::/56", 8)`, `tolist(["fd00:fd12:3456:7800::/64"])`},
		{`assertnotnull("a")`, `"a"`},
		{`base64gunzip(base64gzip("hello"))`, `"hello"`},
		{`base64gzip("test")`, `"H4sIAAAAAAAA/ypJLS4BAAAA//8BAAD//wx+f9gEAAAA"`}, // as Terraform packs it
		{`base64gunzip("aGk=")`, `error:not gzip`},
		{`hasindex(["a"], 1)`, `false`},
		{`int(1.9)`, `1`},
		{`regexreplace("a1b2", "[0-9]", "#")`, `"a#b#"`},
		{`sethaselement(["a"], "a")`, `true`},
		{`setsymmetricdifference(["a", "b"], ["b", "c"])`, `toset(["a", "c"])`},
		{`strlen("héé")`, `3`},
		{`textdecodebase64("aABpAA==", "UTF-16LE")`, `"hi"`},
		{`textencodebase64("hi", "UTF-16LE")`, `"aABpAA=="`},
		{`textencodebase64("é", "latin1")`, `"6Q=="`},
		{`textencodebase64("あ", "Shift_JIS")`, `"gqA="`},
		{`textencodebase64("あ", "ISO-8859-1")`, `error:cannot be written`},
		{`textencodebase64("hi", "UTF-99")`, `error:UTF-16LE`},
		{`urldecode("a+b%2F")`, `"a b/"`},
		{`urldecode("%zz")`, `error:encoded for a URL`},
		{`coalesce(null, "a")`, `"a"`},
		{`coalesce("", null, "a")`, `"a"`},
		{`coalesce(0, 1)`, `0`},
		{`coalesce(null, "")`, `error:each argument is null`},
		{`coalesce("", 1)`, `"1"`},
		{`coalesce([], {})`, `error:all of one type`},
		{`coalescelist([], ["a"])`, `["a"]`},
		{`compact(["a", "", "b"])`, `tolist(["a", "b"])`},
		{`concat(["a"], ["b"])`, `["a", "b"]`},
		{`contains(["a"], "a")`, `true`},
		{`csvdecode("a,b\n1,2")[0].b`, `"2"`},
		{`dirname("a/b.c")`, `"a"`},
		{`distinct(["a", "a"])`, `tolist(["a"])`},
		{`element(["a", "b"], 3)`, `"b"`},
		{`endswith("abc", "bc")`, `true`},
		{`file("hello.txt")`, `"hello"`},
		{`file("none.txt")`, `error:no such file`},
		{`file("bytes")`, `error:filebase64`},
		{`filebase64("bytes")`, `"//4="`},
		{`filebase64sha256("hello.txt")`, `base64sha256("hello")`},
		{`filebase64sha512("hello.txt")`, `base64sha512("hello")`},
		{`fileexists("hello.txt")`, `true`},
		{`fileexists("none")`, `false`},
		{`fileexists("a")`, `error:regular file`},
		{`filemd5("hello.txt")`, `md5("hello")`},
		{`fileset("a", "*.tmpl")`, `toset(["one.tmpl", "reads.tmpl", "two.tmpl"])`},
		{`fileset(".", "*")`, `toset(["bytes", "hello.txt"])`},
		{`fileset(".", "**/*.{tmpl,txt}")`, `toset(["a/one.tmpl", "a/two.tmpl", "a/reads.tmpl", "hello.txt"])`},
		{`length(fileset("none", "*"))`, `0`},
		{`fileset("a", "../*")`, `error:stays below`},
		{`fileset("a", "[")`, `error:syntax error`},
		{`filesha1("hello.txt")`, `sha1("hello")`},
		{`filesha256("hello.txt")`, `sha256("hello")`},
		{`filesha512("hello.txt")`, `sha512("hello")`},
		{`flatten([["a"], [["b"]]])`, `["a", "b"]`},
		{`floor(1.8)`, `1`},
		{`format("%03d %s", 7, "x")`, `"007 x"`},
		{`formatdate("YYYY-MM-DD", "2027-01-31T10:00:00Z")`, `"2027-01-31"`},
		{`formatlist("%s!", ["a", "b"])`, `tolist(["a!", "b!"])`},
		{`indent(2, "a\nb")`, `"a\n  b"`},
		{`index(["a", "b"], "b")`, `1`},
		{`index(["a"], "b")`, `error:not in the list`},
		{`issensitive(sensitive(1))`, `true`},
		{`issensitive(nonsensitive(sensitive(1)))`, `false`},
		{`join("-", ["a", "b"])`, `"a-b"`},
		{`jsondecode("{\"a\":[1,null]}")`, `{ a = [1, null] }`},
		{`jsonencode({ b = 1, a = "x" })`, `"{\"a\":\"x\",\"b\":1}"`},
		{`keys({ b = 1, a = 2 })`, `["a", "b"]`},
		{`length("héé")`, `3`},
		{`length({ a = 1 })`, `1`},
		{`length([1, 2])`, `2`},
		{`length(toset(["a", "a"]))`, `1`},
		{`length(1)`, `error:string or a collection`},
		{`log(8, 2)`, `3`},
		{`lookup({ a = "x" }, "b", "none")`, `"none"`},
		{`lower("ÀB")`, `"àb"`},
		{`matchkeys(["a", "b", "c"], ["1", "2", "1"], ["1"])`, `tolist(["a", "c"])`},
		{`matchkeys(["a", "b"], ["1", "2"], [1])`, `tolist(["a"])`},
		{`matchkeys(["a"], ["1"], [["1"]])`, `error:another type`},
		{`matchkeys(["a"], [], ["1"])`, `error:as many keys`},
		{`max(1, 3)`, `3`},
		{`md5("hello")`, `"5d41402abc4b2a76b9719d911017c592"`},
		{`merge({ a = 1 }, { b = 2 })`, `{ a = 1, b = 2 }`},
		{`min(1, 3)`, `1`},
		{`nonsensitive(1)`, `1`},
		{`one([])`, `null`},
		{`one(["a"])`, `"a"`},
		{`one(toset(["a", "b"]))`, `error:this has 2`},
		{`pathexpand("~/x") == abspath("${pathexpand("~")}/x")`, `true`},
		{`pathexpand("a/~")`, `"a/~"`},
		{`pathexpand("~you")`, `error:only the folder`},
		{`parseint("ff", 16)`, `255`},
		{`pow(2, 10)`, `1024`},
		{`range(3)`, `tolist([0, 1, 2])`},
		{`regex("[0-9]+", "ab12")`, `"12"`},
		{`regexall("[a-z]", "a1b")`, `tolist(["a", "b"])`},
		{`replace("a.b", ".", "-")`, `"a-b"`},
		{`replace("a1b2", "/[0-9]/", "#")`, `"a#b#"`},
		{`replace("x", "/(/", "")`, `error:missing closing`},
		{`reverse(["a", "b"])`, `["b", "a"]`},
		{`setintersection(["a", "b"], ["b"])`, `toset(["b"])`},
		{`setproduct(["a"], ["b"])`, `tolist([["a", "b"]])`},
		{`setsubtract(["a", "b"], ["b"])`, `toset(["a"])`},
		{`setunion(["a"], ["b"])`, `toset(["a", "b"])`},
		{`sha1("hello")`, `"aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d"`},
		{`sha256("hello")`, `"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"`},
		{`substr(sha512(""), 0, 8)`, `"cf83e135"`},
		{`signum(-2)`, `-1`},
		{`slice(["a", "b", "c"], 1, 2)`, `["b"]`},
		{`sort(["b", "a"])`, `tolist(["a", "b"])`},
		{`split(",", "a,b")`, `tolist(["a", "b"])`},
		{`startswith("abc", "ab")`, `true`},
		{`strcontains("abc", "d")`, `false`},
		{`strrev("abc")`, `"cba"`},
		{`substr("abc", 1, -1)`, `"bc"`},
		{`sum([1, 2.5, "3"])`, `6.5`},
		{`sum(toset([1, 2]))`, `3`},
		{`sum([])`, `error:an empty list has no sum`},
		{`try(sum([]), 0)`, `0`},
		{`sum(toset([]))`, `error:an empty list has no sum`},
		{`sum("x")`, `error:list or set of numbers`},
		{`templatefile("a/one.tmpl", { name = "x", list = [1, 2] })`, `"X 1 2"`},
		{`templatefile("a/one.tmpl", { nam = "x", list = [] })`, `error:one.tmpl:1 needs the variable "name"; there is "nam".`},
		{`templatefile("a/reads.tmpl", {})`, `error:templatefile`},
		{`templatestring("$${upper(name)} $${file(\"hello.txt\")}", { name = "x" })`, `"X hello"`},
		{`templatestring("$${nam}", {})`, `error:the template:1 needs the variable "nam".`},
		{`issensitive(templatestring(sensitive("$${a}"), { a = 1 }))`, `true`},
		{`templatefile("a/two.tmpl", {})`, `error:a/two.tmpl:1`},
		{`templatefile("hello.txt", 1)`, `error:map of variables`},
		{`issensitive(templatefile("a/one.tmpl", { name = sensitive("x"), list = [] }))`, `true`},
		{`timeadd("2027-01-31T10:00:00Z", "1h")`, `"2027-01-31T11:00:00Z"`},
		{`timecmp("2027-01-31T10:00:00Z", "2027-01-31T12:00:00+02:00")`, `0`},
		{`timecmp("x", "2027-01-31T12:00:00+02:00")`, `error:a time as in`},
		{`title("hello you")`, `"Hello You"`},
		{`tobool("true")`, `true`},
		{`tolist(["a"])[0]`, `"a"`},
		{`tomap({ a = "x" }).a`, `"x"`},
		{`tonumber("12")`, `12`},
		{`length(toset(["a"]))`, `1`},
		{`tostring(1.5)`, `"1.5"`},
		{`transpose({ a = ["1", "2"], b = ["1"] })`, `tomap({ "1" = tolist(["a", "b"]), "2" = tolist(["a"]) })`},
		{`transpose({ a = null })`, `error:is null`},
		{`trim("--a--", "-")`, `"a"`},
		{`trimprefix("abc", "a")`, `"bc"`},
		{`trimspace(" a ")`, `"a"`},
		{`trimsuffix("abc", "c")`, `"ab"`},
		{`try(tonumber("x"), 1)`, `1`},
		{`can(sensitive("x"))`, `sensitive(true)`},
		{`can(regex("^c", sensitive("canary")))`, `sensitive(true)`},
		{`can(tonumber(sensitive("x")))`, `sensitive(false)`},
		{`try(tonumber(sensitive("x")), "no")`, `sensitive("no")`},
		{`try(1, sensitive("x"))`, `1`},
		{`issensitive(try({ a = sensitive("x"), b = 1 }.b, 2))`, `false`},
		{`try(["a", sensitive("b")], "c")`, `["a", sensitive("b")]`},
		{`try([for w in ["a", sensitive("b")] : w][5], "none")`, `sensitive("none")`},
		{`upper("ab")`, `"AB"`},
		{`urlencode("a b/ü")`, `"a+b%2F%C3%BC"`},
		{`uuidv5("dns", "www.example.com")`, `"2ed6657d-e927-568b-95e1-2665a8aea6a2"`},
		{`uuidv5("6ba7b810-9dad-11d1-80b4-00c04fd430c8", "www.example.com")`, `uuidv5("dns", "www.example.com")`},
		{`uuidv5("x", "y")`, `error:a UUID`},
		{`values({ b = 1, a = 2 })`, `[2, 1]`},
		{`yamldecode("a: [1, x, ~]\nb: yes\n")`, `{ a = [1, "x", null], b = true }`},
		{`yamldecode("a: [1\n")`, `error:line 1`},
		{`yamlencode({ b = [1, "no"], a = null })`, `"\"a\": null\n\"b\":\n- 1\n- \"no\"\n"`},
		{`yamldecode(yamlencode({ a = "on" })).a`, `"on"`},
		{`issensitive(yamldecode(sensitive("a: 1")))`, `true`},
		{`zipmap(["a"], [1])`, `{ a = 1 }`},
	} {
		for _, call := range regexp.MustCompile(`[a-z0-9]+\(`).FindAllString(c.expr, -1) {
			used[strings.TrimSuffix(call, "(")] = true
		}
		expr, diags := hclsyntax.ParseExpression([]byte(c.expr), "", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatalf("%s: %v", c.expr, diags)
		}
		got, diags := expr.Value(ctx)
		if text, ok := strings.CutPrefix(c.want, "error:"); ok {
			if !strings.Contains(diags.Error(), text) {
				t.Errorf("%s is %#v, %v; want an error with %q", c.expr, got, diags, text)
			}
			if strings.Contains(diags.Error(), dir) {
				t.Errorf("%s: the message names this machine's folder: %v", c.expr, diags)
			}
			continue
		}
		wanted, _ := hclsyntax.ParseExpression([]byte(c.want), "", hcl.InitialPos)
		want, _ := wanted.Value(ctx)
		if diags.HasErrors() || !got.RawEquals(want) {
			t.Errorf("%s is %#v, %v; want %#v", c.expr, got, diags, want)
		}
	}
	var untested []string
	for name := range table {
		if !used[name] {
			untested = append(untested, name)
		}
	}
	if slices.Sort(untested); len(untested) > 0 {
		t.Errorf("functions without a test: %s", strings.Join(untested, " "))
	}
}

// TestExpectedFunctions: each function that Terraform users expect is there, or
// its absence has a reason; and everything of cty's standard library that is no
// operator.
func TestExpectedFunctions(t *testing.T) {
	const expected = `
abs abspath alltrue anytrue base64decode base64encode base64gzip base64sha256 base64sha512 basename bcrypt can ceil
chomp chunklist cidrhost cidrnetmask cidrsubnet cidrsubnets coalesce coalescelist compact concat contains csvdecode
dirname distinct element endswith file filebase64 filebase64sha256 filebase64sha512 fileexists filemd5 fileset filesha1
filesha256 filesha512 flatten floor format formatdate formatlist indent index issensitive join jsondecode jsonencode
keys length log lookup lower matchkeys max md5 merge min nonsensitive one parseint plantimestamp pow range regex
pathexpand regexall replace reverse rsadecrypt sensitive setintersection setproduct setsubtract setunion sha1 sha256 sha512 signum
slice sort split startswith strcontains strrev substr sum templatefile templatestring textdecodebase64 textencodebase64 timeadd timecmp
timestamp title tobool tolist tomap tonumber toset tostring transpose trim trimprefix trimspace trimsuffix try upper
urlencode uuid uuidv5 values yamldecode yamlencode zipmap
base64gunzip cidrcontains urldecode
assertnotnull hasindex int regexreplace sethaselement setsymmetricdifference strlen`
	table := functionTable(".", func() {})
	for name := range strings.FieldsSeq(expected) {
		_, there := table[name]
		if there == (absentFunctions[name] != "") {
			t.Errorf("%s: there %t, with the reason %q", name, there, absentFunctions[name])
		}
	}
}
