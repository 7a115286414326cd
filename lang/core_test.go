package lang

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"

	"accord/lang/core"
	"accord/lang/schema"
)

// The reference page of the core says what the language takes, and all of it.
func TestCoreIsWhatIsRead(t *testing.T) {
	blocks := map[string]schema.Block{}
	for _, typ := range core.Blocks() {
		blocks[typ.Name] = typ.Body
		if typ.Doc == "" {
			t.Errorf("%s has no word about it", typ.Name)
		}
	}
	nested := func(of, name string) schema.Block {
		b := blocks[of]
		return b.Nested(name).Body
	}
	lifecycle := nested("every block", "lifecycle")
	for name, want := range map[string]struct {
		documented schema.Block
		read       *hcl.BodySchema
	}{
		"accord": {blocks["accord"], settingsSchema}, "variable": {blocks["variable"], variableSchema}, "output": {blocks["output"], outputSchema},
		"import": {blocks["import"], importSchema}, "moved": {blocks["moved"], movedSchema}, "removed": {blocks["removed"], removedSchema},
		"check": {blocks["check"], checkSchema}, "every block": {blocks["every block"], metaArguments}, "lifecycle": {lifecycle, lifecycleSchema},
		"validation": {nested("variable", "validation"), ruleSchema}, "assert": {nested("check", "assert"), ruleSchema},
	} {
		var documented, read []string
		for _, a := range want.documented.Attributes {
			documented = append(documented, a.Name)
		}
		for _, b := range want.documented.Blocks {
			documented = append(documented, b.Name+" {}")
		}
		for _, a := range want.read.Attributes {
			read = append(read, a.Name)
		}
		for _, b := range want.read.Blocks {
			read = append(read, b.Type+" {}")
		}
		slices.Sort(documented)
		slices.Sort(read)
		if !slices.Equal(documented, read) {
			t.Errorf("%s: documented %v, read %v", name, documented, read)
		}
	}
	for _, b := range blocks["accord"].Blocks {
		if b.Name == "state" {
			continue // its settings are those of its backends
		}
		for _, a := range b.Body.Attributes {
			if unknown := settingsProblem(t, b, a.Name); unknown != "" {
				t.Errorf("%s.%s is documented, and not read: %s", b.Name, a.Name, unknown)
			}
		}
		if settingsProblem(t, b, "nonsense") == "" {
			t.Errorf("%s takes anything", b.Name)
		}
	}
}

// settingsProblem is what is said of an attribute's name in a block of accord's.
func settingsProblem(t *testing.T, b schema.Nested, attribute string) string {
	label := ""
	if b.Label != "" {
		label = ` "webhook"`
	}
	f, diags := hclparse.NewParser().ParseHCL(fmt.Appendf(nil, "accord {\n%s%s {\n%s = \"x\"\n}\n}\n", b.Name, label, attribute), "main.hcl")
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	content, _ := f.Body.Content(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{{Type: "accord"}}})
	for _, d := range new(Settings).decode(content.Blocks[0]) {
		if strings.HasPrefix(d.Summary, "Unknown attribute") {
			return d.Error()
		}
	}
	return ""
}
