package vault

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"accord/lang/addrs"
	"accord/providers/vaultapi"
)

// fit is what must be known of the two fields of a field rule to tell whether
// values of the one can be written into the other (RULE-3).
type fit struct {
	source, target             vaultapi.DocumentField
	sourceValues, targetValues []vaultapi.Labelled // of picklists; nil: not known
}

// misfit is what does not fit, and where in the block.
type misfit struct {
	at              addrs.Path
	summary, detail string
	warning         bool // some values do not fit; each is an exception of its document
}

// check holds a rule against both fields. It is pure.
func (f *fit) check(b *fieldRuleBody) []misfit {
	var found []misfit
	refuse := func(at addrs.Path, detail, format string, args ...any) {
		found = append(found, misfit{at: at, summary: fmt.Sprintf(format, args...), detail: detail})
	}
	warn := func(at addrs.Path, detail, format string, args ...any) {
		found = append(found, misfit{at: at, summary: fmt.Sprintf(format, args...), detail: detail, warning: true})
	}
	switch {
	case bool(f.source.Disabled):
		refuse("/source", "Activate it, or map another field.", "%s is not an active field", f.source.Name)
	case bool(f.target.Disabled):
		refuse("/target", "Activate it, or map another field.", "%s is not an active field", f.target.Name)
	case !bool(f.target.Editable):
		refuse("/target", "The vault fills it itself. Map another field.", "%s cannot be written", f.target.Name)
	}
	if why := fits(f.source, f.target); why != "" {
		refuse("/target", "Map a field of a type that fits.", "%s cannot be written into %s: %s", f.source.Name, f.target.Name, why)
		return found
	}
	if b.Values != nil && !slices.Contains([]string{"Picklist", "String", "LongText"}, f.source.Type) {
		refuse("/values", "Take it out.", "values are for picklists and texts, and %s is %s", f.source.Name, a(f.source.Type))
	} else {
		found = append(found, f.checkValues(b.Values)...)
	}
	if b.Default != nil && *b.Default != "" {
		if why := f.takes(*b.Default); why != "" {
			refuse("/default", "Write a value of "+f.target.Name+".", "The default %q does not fit %s: %s", *b.Default, f.target.Name, why)
		}
	}
	if bool(f.target.Required) && !bool(f.source.Required) && (b.Default == nil || *b.Default == "") {
		warn("/target", "A document where it is blank is an exception, and stays as it is in the CRM vault. Write a default, or map a field that is required too.",
			"%s must not be blank, and %s may be", f.target.Name, f.source.Name)
	}
	if most := int(f.target.MaxLength); most > 0 && isText(f.source.Type) && isText(f.target.Type) && int(f.source.MaxLength) > most {
		warn("/target", "A longer text is an exception of its document, which stays as it is in the CRM vault.",
			"%s takes %d characters, and %s may have %d", f.target.Name, most, f.source.Name, f.source.MaxLength)
	}
	return found
}

// checkValues holds the table of values against the picklists.
func (f *fit) checkValues(table map[string]string) []misfit {
	var found []misfit
	for _, from := range slices.Sorted(maps.Keys(table)) {
		at := addrs.Path("/values").Child(from)
		if f.source.Type == "Picklist" && f.sourceValues != nil && !named(f.sourceValues, from) {
			found = append(found, misfit{at: at, summary: fmt.Sprintf("%q is no value of %s%s", from, f.source.Name, suggest(from, valueNames(f.sourceValues))), detail: "Values are written by name."})
		}
		if why := f.takes(table[from]); why != "" {
			found = append(found, misfit{at: at, summary: fmt.Sprintf("%q does not fit %s: %s", table[from], f.target.Name, why), detail: "Values are written by name."})
		}
	}
	if f.source.Type != "Picklist" || f.targetValues == nil {
		return found
	}
	var lost []string
	for _, v := range f.sourceValues {
		if _, mapped := table[v.Name]; !mapped && !named(f.targetValues, v.Name) {
			lost = append(lost, v.Name)
		}
	}
	if len(lost) > 0 {
		found = append(found, misfit{at: "/target", warning: true,
			summary: fmt.Sprintf("Values of %s that %s does not have: %s", f.source.Name, f.target.Name, shortened(lost)),
			detail:  "A document with one of them is an exception. Name what they become in values, or add them to the picklist of the CRM vault."})
	}
	return found
}

// takes says why the target field does not take a text that was written in the
// configuration, "" when it does.
func (f *fit) takes(text string) string {
	switch f.target.Type {
	case "Picklist":
		if f.targetValues != nil && !named(f.targetValues, text) {
			return "it is no value of its picklist" + suggest(text, valueNames(f.targetValues))
		}
	case "Boolean":
		if text != "true" && text != "false" {
			return "it is a Yes/No field; write true or false"
		}
	case "Number":
		if n, err := strconv.ParseFloat(text, 64); err != nil || n-n != 0 || strings.ContainsAny(text, "xX_") {
			return "it is no number"
		}
	case "Date":
		if _, err := time.Parse(time.DateOnly, text); err != nil {
			return "it is no date; write 2027-01-31"
		}
	case "DateTime":
		if _, err := vaultapi.ParseTime(text); err != nil {
			return "it is no time; write 2027-01-31T09:00:00.000Z"
		}
	case "ObjectReference":
		return "it refers to records, which have no name here"
	default:
		if most := int(f.target.MaxLength); most > 0 && utf8.RuneCountInString(text) > most {
			return fmt.Sprintf("it has more than %d characters", most)
		}
	}
	return ""
}

// a puts the article before the name of a type.
func a(typ string) string {
	if typ != "" && strings.ContainsRune("AEIO", rune(typ[0])) {
		return "an " + typ
	}
	return "a " + typ
}

func isText(typ string) bool { return typ == "String" || typ == "LongText" || typ == "URL" }

func named(values []vaultapi.Labelled, name string) bool {
	return slices.ContainsFunc(values, func(v vaultapi.Labelled) bool { return v.Name == name })
}

func valueNames(values []vaultapi.Labelled) []string {
	names := make([]string, len(values))
	for n, v := range values {
		names[n] = v.Name
	}
	return names
}

// fits says why values of one type of field cannot be written into another,
// "" when they can.
func fits(source, target vaultapi.DocumentField) string {
	ok := map[string][]string{ // values go over as they are
		"String": {"String", "LongText"}, "LongText": {"LongText"}, "URL": {"URL", "String", "LongText"},
		"Number": {"Number"}, "Boolean": {"Boolean"}, "Date": {"Date"}, "DateTime": {"DateTime"},
		"Picklist": {"Picklist"}, "ObjectReference": {"ObjectReference"},
	}
	targets, known := ok[source.Type]
	switch {
	case !known:
		return fmt.Sprintf("a field of type %s cannot be mapped", source.Type)
	case !slices.Contains(targets, target.Type):
		return fmt.Sprintf("%s does not fit %s", a(source.Type), a(target.Type))
	case bool(source.Repeating) && !bool(target.Repeating):
		return "several values do not fit a field that takes one"
	}
	return ""
}
