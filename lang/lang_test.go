package lang

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/rogpeppe/go-internal/txtar"
	"github.com/zclconf/go-cty/cty"

	"accord/lang/addrs"
	"accord/lang/schema"
)

var update = flag.Bool("update", false, "rewrite the expectations in testdata")

// testProviders are shaped as the real ones are, and have one attribute of
// every kind.
func testProviders() []*schema.Provider {
	text := func(name string) schema.Attribute { return schema.Attribute{Name: name, Type: cty.String} }
	required := func(a schema.Attribute) schema.Attribute { a.Required = true; return a }
	refers := func(name string, types ...string) schema.Attribute {
		return schema.Attribute{Name: name, Type: cty.String, Required: true, Refers: types}
	}
	status := schema.Attribute{Name: "status", Type: cty.String, OneOf: []string{"active", "inactive"}}
	texts := func(name string) schema.Attribute { return schema.Attribute{Name: name, Type: cty.Set(cty.String)} }
	return []*schema.Provider{{
		Name: "test",
		Instances: []schema.Type{{Name: "vault", Body: schema.Block{Attributes: []schema.Attribute{
			{Name: "kind", Type: cty.String, Required: true, OneOf: []string{"promomats", "medcomms", "crm", "align"}},
			required(text("url")),
			text("environment"),
			{Name: "id", Type: cty.Number, Computed: true},
			{Name: "burst_share", Type: cty.String, Default: []byte(`"80%"`)},
		}}}},
		Resources: []schema.Type{
			{Name: "connection", Body: schema.Block{Attributes: []schema.Attribute{
				refers("content", "vault"),
				refers("crm", "vault"),
				{Name: "type", Type: cty.String, OneOf: []string{"promomats_crm", "medical_crm"}, Default: []byte(`"promomats_crm"`)},
				{Name: "api_name", Type: cty.String, Computed: true},
				{Name: "secret", Type: cty.String, Sensitive: true},
				{Name: "health", Type: cty.String, Volatile: true, Computed: true, ReadOnly: true},
			}}},
			{Name: "permission_set", Body: schema.Block{
				Attributes: []schema.Attribute{
					refers("vault", "vault"),
					required(text("name")),
					text("label"),
					{Name: "bundles", Type: cty.Set(cty.String), OneOf: []string{"clm_integration", "country_integration"}},
				},
				Blocks: []schema.Nested{{Name: "object", Label: "object name", Body: schema.Block{
					Attributes: []schema.Attribute{texts("permissions")},
					Blocks: []schema.Nested{{Name: "field", Label: "field name", Body: schema.Block{Attributes: []schema.Attribute{
						{Name: "permission", Type: cty.String, OneOf: []string{"read", "edit"}, Default: []byte(`"read"`)},
					}}}},
				}}},
			}},
			{Name: "country_filter", Body: schema.Block{Attributes: []schema.Attribute{
				refers("connection", "connection"),
				{Name: "countries", Type: cty.Set(cty.String), NonEmpty: "An empty filter receives everything. Write all_countries = true if that is meant."},
				{Name: "all_countries", Type: cty.Bool},
				{Name: "regions", Type: cty.Set(cty.String), Deprecated: "Write countries."},
			}}},
			{Name: "integration_point", Body: schema.Block{Attributes: []schema.Attribute{
				refers("connection", "connection"),
				required(text("name")),
				status,
				{Name: "last_run", Type: cty.String, Volatile: true, Computed: true, ReadOnly: true},
			}}},
			{Name: "field_rule", Body: schema.Block{
				Attributes: []schema.Attribute{
					refers("connection", "connection"),
					required(text("source")),
					text("target"),
					{Name: "applies_to", Type: cty.List(cty.String)},
					{Name: "values", Type: cty.Map(cty.String)},
					{Name: "weight", Type: cty.Number},
					{Name: "anything", Type: cty.DynamicPseudoType},
				},
				Blocks: []schema.Nested{
					{Name: "reference", Single: true, Body: schema.Block{Attributes: []schema.Attribute{
						required(text("object")),
						{Name: "no_match", Type: cty.String, OneOf: []string{"exception", "blank"}, Default: []byte(`"exception"`)},
					}}},
					{Name: "step", Body: schema.Block{Attributes: []schema.Attribute{text("do"), texts("on")}}},
				},
			}},
		},
	}}
}

// TestScripts runs every archive of testdata: files, perhaps options and known
// objects, and what comes of them.
func TestScripts(t *testing.T) {
	names, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(names) == 0 {
		t.Fatalf("no archives: %v", err)
	}
	for _, name := range names {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(name)
			if err != nil {
				t.Fatal(err)
			}
			got := runArchive(t, archive)
			if strings.HasSuffix(name, "/sensitive.txtar") && strings.Contains(got, "canary") {
				t.Errorf("a sensitive value is shown:\n%s", got)
			}
			if *update {
				archive.Files = slices.DeleteFunc(archive.Files, func(f txtar.File) bool { return f.Name == "want" })
				archive.Files = append(archive.Files, txtar.File{Name: "want", Data: []byte(got)})
				if err := os.WriteFile(name, txtar.Format(archive), 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			want := ""
			for _, f := range archive.Files {
				if f.Name == "want" {
					want = string(f.Data)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func runArchive(t *testing.T, archive *txtar.Archive) string {
	dir := t.TempDir()
	var opts Options
	known := map[addrs.Instance]Object{}
	for _, f := range archive.Files {
		switch f.Name {
		case "want":
		case "options":
			for line := range strings.Lines(string(f.Data)) {
				word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
				switch word {
				case "-var":
					opts.Vars = append(opts.Vars, rest)
				case "-var-file":
					opts.VarFiles = append(opts.VarFiles, rest)
				case "env":
					opts.Environ = append(opts.Environ, rest)
				}
			}
		case "known":
			for line := range strings.Lines(string(f.Data)) {
				name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
				body, unknown, _ := strings.Cut(rest, " unknown ")
				addr, err := addrs.ParseInstance(name)
				if err != nil {
					t.Fatal(err)
				}
				object := Object{Body: []byte(body)}
				for place := range strings.FieldsSeq(unknown) {
					object.Unknown = append(object.Unknown, addrs.Path(place))
				}
				known[addr] = object
			}
		default:
			path := filepath.Join(dir, f.Name)
			if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, f.Data, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	var b strings.Builder
	config, diags := Load(dir)
	desired, more := config.Evaluate(testProviders(), opts)
	writeDiagnostics(&b, Arrange(append(diags, more...)))
	if !diags.HasErrors() && !more.HasErrors() {
		writeDesired(&b, desired, nil)
		if len(known) > 0 {
			b.WriteString("\nresolved:\n")
			writeDesired(&b, desired, known)
		}
	}
	return strings.ReplaceAll(b.String(), dir, "DIR")
}

func writeDiagnostics(b *strings.Builder, diags hcl.Diagnostics) {
	for _, d := range diags {
		severity := "error"
		if d.Severity == hcl.DiagWarning {
			severity = "warning"
		}
		at := "-"
		if d.Subject != nil {
			at = d.Subject.String()
		}
		fmt.Fprintf(b, "%s: %s: %s: %s\n", at, severity, d.Summary, d.Detail)
		for _, fact := range Facts(d) {
			fmt.Fprintf(b, "    %s\n", fact)
		}
	}
}

func writeDesired(b *strings.Builder, desired *Desired, known map[addrs.Instance]Object) {
	for _, r := range slices.Concat(desired.Instances, desired.Resources) {
		object := r.Object
		if known != nil {
			var diags hcl.Diagnostics
			object, diags = r.Resolve(known)
			writeDiagnostics(b, diags)
			if cmp.Equal(object, r.Object) {
				continue
			}
		}
		fmt.Fprintf(b, "%s %s\n", r.Addr, object.Body)
		list := func(what string, values []string) {
			if len(values) > 0 {
				fmt.Fprintf(b, "    %s: %s\n", what, strings.Join(values, " "))
			}
		}
		list("unknown", texts(object.Unknown))
		list("sensitive", texts(object.Sensitive))
		if known != nil {
			continue
		}
		list("after", stringsOf(r.DependsOn))
		list("ignores", texts(r.IgnoreChanges))
		if r.Protect {
			b.WriteString("    protected\n")
		}
	}
	writeConditions := func(conditions []*Condition) {
		for _, c := range conditions {
			verdict, diags := c.Check(known)
			fmt.Fprintf(b, "%s of %s: %s\n", c.Kind, c.Name, [...]string{"not known yet", "holds", "fails"}[verdict])
			writeDiagnostics(b, diags)
		}
	}
	for _, r := range slices.Concat(desired.Instances, desired.Resources) {
		writeConditions(r.Conditions)
	}
	if known == nil {
		for _, i := range desired.Imports {
			fmt.Fprintf(b, "import %s by %q\n", i.To, i.ID)
		}
		for _, m := range desired.Moves {
			fmt.Fprintf(b, "move %s to %s\n", m.From, m.To)
		}
		for _, r := range desired.Removals {
			fmt.Fprintf(b, "remove %s, then %q, unprotect %t\n", r.From, r.Then, r.Unprotect)
		}
	}
	writeConditions(desired.Checks)
	for _, o := range desired.Outputs {
		writeConditions(o.Conditions)
		v, diags := o.Value(known)
		writeDiagnostics(b, diags)
		fmt.Fprintf(b, "output %s = %s", o.Name, v.JSON)
		if v.Unknown {
			b.WriteString("(unknown)")
		}
		if v.Sensitive {
			b.WriteString(" (sensitive)")
		}
		b.WriteByte('\n')
	}
}

func texts(paths []addrs.Path) []string {
	s := make([]string, len(paths))
	for n, p := range paths {
		s[n] = string(p)
	}
	return s
}

func stringsOf[T fmt.Stringer](list []T) []string {
	s := make([]string, len(list))
	for n, v := range list {
		s[n] = v.String()
	}
	return s
}

// load evaluates one file that must be right.
func load(t testing.TB, source string) *Desired {
	t.Helper()
	config, diags := Parse(".", map[string][]byte{"main.hcl": []byte(source)})
	desired, more := config.Evaluate(testProviders(), Options{})
	if diags = append(diags, more...); diags.HasErrors() {
		t.Fatal(diags)
	}
	return desired
}

// TestLocate points at every place of a body with the text that stands there.
func TestLocate(t *testing.T) {
	const source = `
locals {
  crms = {
    us = { countries = ["us", "ca"], name = "United" }
  }
}
variable "more" {
  default = ["zz", "yy"]
}
vault "content" {
  kind = "promomats"
  url  = "dev://content"
}
connection "crm" {
  content = vault.content
  crm     = vault.content
}
country_filter "us" {
  for_each   = local.crms
  connection = connection.crm
  countries  = each.value.countries
}
country_filter "more" {
  connection = connection.crm
  countries  = toset(var.more)
}
permission_set "admin" {
  vault = vault.content
  name  = "admin"
  object "brand__c" {
    permissions = ["read", "edit"]
    field "*" { permission = "read" }
  }
}
field_rule "brand" {
  connection = connection.crm
  source     = "brand__c"
  applies_to = ["one", "two"]
  values     = { a = "b", "c d" = "e" }
  reference  { object = "product__v" }
  step { do = "first" }
  step {
    do = "second"
    on = ["y", "x"]
  }
}`
	desired := load(t, source)
	for _, c := range []struct{ addr, path, want string }{
		{`country_filter.us["us"]`, "/countries/0", `"ca"`},
		{`country_filter.us["us"]`, "/countries/1", `"us"`},
		{`country_filter.us["us"]`, "/countries", `each.value.countries`},
		{`country_filter.us["us"]`, "/countries/7", `each.value.countries`},
		{`country_filter.us["us"]`, "/connection", `connection.crm`},
		{`country_filter.us["us"]`, "/all_countries", `country_filter "us"`},
		{`country_filter.us["us"]`, "", `country_filter "us"`},
		{"country_filter.more", "/countries/0", `"yy"`},
		{"permission_set.admin", "/object", `object "brand__c"`},
		{"permission_set.admin", "/object/brand__c", `object "brand__c"`},
		{"permission_set.admin", "/object/brand__c/permissions/0", `"edit"`},
		{"permission_set.admin", "/object/brand__c/field/*/permission", `"read"`},
		{"permission_set.admin", "/object/other__c/permissions", `permission_set "admin"`},
		{"field_rule.brand", "/applies_to/1", `"two"`},
		{"field_rule.brand", "/values/c d", `"e"`},
		{"field_rule.brand", "/reference/object", `"product__v"`},
		{"field_rule.brand", "/reference/no_match", `reference`},
		{"field_rule.brand", "/step/1/do", `"second"`},
		{"field_rule.brand", "/step/1/on/0", `"x"`},
	} {
		addr, err := addrs.ParseInstance(c.addr)
		if err != nil {
			t.Fatal(err)
		}
		rng := desired.Find(addr).Locate(addrs.Path(c.path))
		if got := string(rng.SliceBytes([]byte(source))); got != c.want {
			t.Errorf("%s%s is at %q, want %q", c.addr, c.path, got, c.want)
		}
	}
	d := desired.Find(addrs.NewKeyed("country_filter", "us", "us")).Diagnostic(hcl.DiagError, "/countries/0", "Unknown country", "")
	if diff := cmp.Diff([]string{"each.value.countries is a list of 2"}, Facts(d)); diff != "" {
		t.Errorf("facts (-want +got)\n%s", diff)
	}
	if got := d.Subject.String(); got != "main.hcl:4,31-35" {
		t.Errorf("subject at %s", got)
	}
}

// TestCanonical holds what is evaluated against the definition of the form.
func TestOrigin(t *testing.T) {
	const source = `variable "crm" {
  default = { us = ["x"] }
}
locals { text = "brand__c" }
vault "content" {
  kind = "crm"
  url  = "dev://x"
}
connection "crm" {
  content = vault.content
  crm     = vault.content
}
country_filter "us" {
  for_each   = var.crm
  connection = connection.crm
  countries  = toset(each.value)
}
field_rule "brand" {
  connection = connection.crm
  source     = local.text
  applies_to = ["one"]
}`
	desired := load(t, source)
	for _, c := range []struct{ addr, path, want string }{
		{`country_filter.us["us"]`, "/countries", `["x"]`},
		{"field_rule.brand", "/source", `"brand__c"`},
		{"field_rule.brand", "/applies_to", `["one"]`},
		{"field_rule.brand", "/applies_to/0", `"one"`},
		{"field_rule.brand", "", `field_rule "brand"`},
	} {
		addr, err := addrs.ParseInstance(c.addr)
		if err != nil {
			t.Fatal(err)
		}
		rng := desired.Find(addr).Origin(addrs.Path(c.path))
		if got := string(rng.SliceBytes([]byte(source))); got != c.want {
			t.Errorf("%s%s comes from %q, want %q", c.addr, c.path, got, c.want)
		}
	}
}

func TestAbsent(t *testing.T) {
	const source = `vault "content" {
  kind = "crm"
  url  = "dev://x"
}
vault "off" {
  kind    = "crm"
  url     = "dev://y"
  enabled = false
}
vault "each" {
  for_each = { a = "dev://a", b = "dev://b" }
  kind     = "crm"
  url      = each.value
  enabled  = each.key == "a"
}`
	desired := load(t, source)
	for addr, want := range map[string]string{
		"vault.gone":                "block_gone ",
		"vault.off":                 "disabled enabled = false",
		`vault.each["b"]`:           `disabled enabled  = each.key == "a"`,
		`vault.each["c"]`:           `key_gone for_each = { a = "dev://a", b = "dev://b" }`,
		"vault.each":                `key_gone vault "each"`,
		`vault.content["x"]`:        `key_gone vault "content"`,
		"module.eu.vault.x":         "module_gone ",
		`module.a.module.b.vault.x`: "module_gone ",
	} {
		parsed, err := addrs.ParseInstance(addr)
		if err != nil {
			t.Fatal(err)
		}
		got := desired.Absent(parsed)
		text := string(got.Word) + " "
		if got.Range.Filename != "" {
			text += string(got.Range.SliceBytes([]byte(source)))
		}
		if text != want {
			t.Errorf("%s: %q, want %q", addr, text, want)
		}
	}
}

// A block is found whether or not there are values for what it follows from.
func TestDeclaration(t *testing.T) {
	config, diags := Parse(".", map[string][]byte{
		"main.hcl":      []byte("variable \"sites\" {}\nmodule \"site\" {\n  source   = \"./site\"\n  for_each = var.sites\n}\n\nbox \"a\" {\n  for_each = var.sites\n}\n"),
		"site/main.hcl": []byte("module \"in\" {\n  source = \"./in\"\n}\n"),
		"site/in/b.hcl": []byte("\nbox \"b\" {}\n"),
	})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	for address, want := range map[string]string{
		`box.a["x"]`: "main.hcl:7", `module.site["a.b"].module.in.box.b["c"]`: "site/in/b.hcl:2", `module.site.module.in.box.b`: "site/in/b.hcl:2",
		`box.b`: "", `module.site.box.b`: "", `module.other.box.b`: "",
	} {
		a, err := addrs.ParseInstance(address)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if at, ok := config.Declaration(a.Block); ok {
			got = fmt.Sprintf("%s:%d", at.Filename, at.Start.Line)
		}
		if got != want {
			t.Errorf("%s: %q, want %q", address, got, want)
		}
	}
}

func TestCanonical(t *testing.T) {
	desired := load(t, `
vault "v" {
  kind = "crm"
  url  = "dev://v"
}
connection "c" {
  content = vault.v
  crm     = vault.v
}
field_rule "r" {
  connection = connection.c
  source     = "<a & \"b\">  \u2028 e\u0301"
  weight     = 1.50
  values     = { z = "1", a = null, B = 2 }
  anything   = { n = [1e3, 0.1, 1/3, 12345678901234567890], s = toset(["b", "a", "b"]), none = null }
  step {
    on = ["b", "a", "b"]
  }
}`)
	r := desired.Find(addrs.New("field_rule", "r"))
	want := `{"anything":{"n":[1000,0.1,0.3333333333333333,12345678901234567890],"s":["a","b"]},"connection":"connection.c",` +
		`"source":"\u003ca \u0026 \"b\"\u003e  \u2028 é","step":[{"on":["a","b"]}],"values":{"B":"2","z":"1"},"weight":1.5}`
	if diff := cmp.Diff(want, string(r.Body)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	again, err := schema.Canonical(r.Body, &r.Type.Body)
	if err != nil || !bytes.Equal(again, r.Body) {
		t.Errorf("canonical of %s is %s, %v", r.Body, again, err)
	}
}

// TestLanguageByExample loads a configuration that uses every block there is.
func TestLanguageByExample(t *testing.T) {
	config, diags := Load("testdata/every_block")
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	want := []string{"align_import", "align_instance", "align_mapping", "align_push", "connection", "country_filter", "document_transfer", "field_rule",
		"integration", "integration_point", "multichannel_settings", "permission_set", "query_rule", "vault"}
	if diff := cmp.Diff(want, config.Types()); diff != "" {
		t.Errorf("types (-want +got)\n%s", diff)
	}
	var transitions []string
	for _, b := range config.transitions {
		transitions = append(transitions, b.Type)
	}
	if diff := cmp.Diff([]string{"import", "removed", "moved"}, transitions); diff != "" {
		t.Errorf("transitions (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"synced"}, slices.Sorted(maps.Keys(config.outputs))); diff != "" {
		t.Errorf("outputs (-want +got)\n%s", diff)
	}
}

// archived are the files of an archive, by name.
func archived(t *testing.T, name string) map[string][]byte {
	t.Helper()
	archive, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range archive.Files {
		files[f.Name] = f.Data
	}
	return files
}

// TestSourcesParseAgain: what Sources returns is the whole configuration, its
// modules included, as a saved plan needs it.
func TestSourcesParseAgain(t *testing.T) {
	sources := archived(t, "testdata/modules.txtar")
	digest := func(sources map[string][]byte) (string, *Config) {
		config, diags := Parse(".", sources)
		desired, more := config.Evaluate(testProviders(), Options{})
		if diags = append(diags, more...); diags.HasErrors() {
			t.Fatal(diags)
		}
		return desired.Digest(), config
	}
	want, config := digest(sources)
	if got, _ := digest(config.Sources()); got != want || len(config.Sources()) != 3 {
		t.Errorf("%d files give %s, want %s", len(config.Sources()), got, want)
	}
}

// TestTypeOfTwoProviders names both, where one of them is named.
func TestTypeOfTwoProviders(t *testing.T) {
	other := &schema.Provider{Name: "other", Resources: []schema.Type{{Name: "connection"}, {Name: "output"}, {Name: "a b"},
		{Name: "fine", Body: schema.Block{Attributes: []schema.Attribute{{Name: "for_each", Type: cty.String}}, Blocks: []schema.Nested{{Name: "life cycle"}, {Name: "lifecycle", Body: schema.Block{Attributes: []schema.Attribute{{Name: "enabled", Type: cty.Bool}}}}}}}}}
	config, diags := Parse(".", map[string][]byte{"main.hcl": []byte("accord {\n  provider \"other\" {\n    source = \"acme/other\"\n  }\n}\nconnection \"c\" {}")})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	_, diags = config.Evaluate(append(testProviders(), other), Options{})
	var b strings.Builder
	writeDiagnostics(&b, diags)
	for _, want := range []string{
		`main.hcl:3,5-26: error: Block type of two providers: The provider "test" and the provider "other" both declare "connection". A block type belongs to one, so only one of them can be used here.`,
		`main.hcl:3,5-26: error: Block type of the core: The provider "other" declares the block type "output", which is accord's own.`,
		`main.hcl:3,5-26: error: No name of a block type: The provider "other" declares the block type "a b", which nobody could write.`,
		`main.hcl:3,5-26: error: Block that cannot be: The provider "other" declares "for_each" in its block type "fine"; that word is for accord in every block.`,
		`main.hcl:3,5-26: error: Block that cannot be: The provider "other" declares "lifecycle" in its block type "fine"; that word is for accord in every block.`,
		`main.hcl:3,5-26: error: Block that cannot be: The provider "other" declares "life cycle" in its block type "fine"; nobody could write that.`,
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%s\nlacks %s", b.String(), want)
		}
	}
}

// TestTypeWithoutTypes is found before anything is made of it.
func TestTypeWithoutTypes(t *testing.T) {
	odd := &schema.Provider{Name: "odd", Resources: []schema.Type{{Name: "thing", Body: schema.Block{
		Blocks: []schema.Nested{{Name: "inner", Body: schema.Block{Attributes: []schema.Attribute{{Name: "enabled"}}}}},
	}}}}
	config, _ := Parse(".", map[string][]byte{"main.hcl": []byte("accord {}")})
	diags := config.CheckProviders([]*schema.Provider{odd})
	if len(diags) != 1 || diags[0].Detail != `The provider "odd" declares "enabled" in its block type "thing"; it has no type.` {
		t.Error(diags)
	}
}

// FuzzLoad must neither panic nor leave a body that is not canonical, in either
// syntax, and with a module that the text may call or be.
func FuzzLoad(f *testing.F) {
	names, _ := filepath.Glob("testdata/*.txtar")
	for _, name := range names {
		archive, err := txtar.ParseFile(name)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range archive.Files {
			if isSource(file.Name) {
				f.Add(file.Data)
			}
		}
	}
	const caller = `
vault "fuzz" {
  kind = "crm"
  url  = "x"
}
module "m" {
  source = "./m"
  vault  = vault.fuzz
  name   = "x"
}
output "out" {
  value = module.m
}`
	f.Fuzz(func(t *testing.T, source []byte) {
		for _, sources := range []map[string][]byte{
			{"main.hcl": source, "modules/crm/main.hcl": []byte(`variable "name" {}`)},
			{"main.hcl.json": source},
			{"main.hcl": []byte(caller), "m/main.hcl": source},
		} {
			config, _ := Parse(".", sources)
			desired, _ := config.Evaluate(testProviders(), Options{})
			desired.CheckEarly()
			for _, r := range slices.Concat(desired.Instances, desired.Resources) {
				again, err := schema.Canonical(r.Body, &r.Type.Body)
				if err != nil || !bytes.Equal(again, r.Body) {
					t.Fatalf("canonical of %s is %s, %v", r.Body, again, err)
				}
				for _, path := range append(r.Unknown, "/a/0") {
					r.Locate(path)
				}
			}
		}
	})
}
