package lower

import "github.com/hashicorp/hcl/v2"

// hiding are problems after which the parser reads text as code and code as text,
// or bytes as neither, to the end of the file.
var hiding = map[string]bool{
	"Invalid multi-line string":  true, // a quote that is not closed on its line
	"Invalid character encoding": true, // not UTF-8
}

// causes leaves out what follows from a problem that hides the rest of the file:
// one for each line, or for each byte.
func causes(diags hcl.Diagnostics) hcl.Diagnostics {
	var first *hcl.Diagnostic
	for _, d := range diags {
		if hiding[d.Summary] && (first == nil || d.Subject.Start.Byte < first.Subject.Start.Byte) {
			first = d
		}
	}
	if first == nil {
		return diags
	}
	var rest hcl.Diagnostics
	for _, d := range diags {
		if d == first || d.Subject != nil && d.Subject.Start.Line < first.Subject.Start.Line {
			rest = append(rest, d)
		}
	}
	return rest
}
