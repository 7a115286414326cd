package vault

import (
	"fmt"
	"strconv"
	"strings"

	"accord/providers"
)

// The names of the platform are data. Public sources disagree about some and
// lack others, so each that is not certain stands in a table of this file, and
// is looked for in the vault's metadata by name, then by label, before it is
// used. No other file spells one out.

// Kinds of vaults.
const (
	kindPromoMats = "promomats"
	kindMedComms  = "medcomms"
	kindCRM       = "crm"
	kindAlign     = "align"
)

// Environments. What cannot be proven is unproven, and judged by CONN-3.
const (
	production = "production"
	sandbox    = "sandbox"
	unproven   = "unproven"
)

// Statuses of configuration records.
const (
	active   = "active"
	inactive = "inactive"
)

// applications names the kind of vault that an application of its domain entry
// shows: the first that is there counts.
var applications = []struct{ name, kind string }{
	{"pm_promomats__v", kindPromoMats},
	{"pm_medcomms__v", kindMedComms},
	{"medcomms__v", kindMedComms},
	{"vault_crm__v", kindCRM},
	{"crm__v", kindCRM},
	{"align__v", kindAlign},
}

// telling are the standard objects that only vaults of some kinds have, by
// name, or by label where no source has the name.
var telling = []struct {
	object, label string
	kinds         []string
}{
	{"connection_settings__v", "", []string{kindCRM}},
	{"clm_content_metrics__v", "", []string{kindPromoMats, kindMedComms}},
	{objConnectionCountry, labelConnectionCountry, []string{kindPromoMats, kindMedComms}},
	{"aln_territory__v", "", []string{kindAlign}},
}

// connectionNames is one of the two standard connections (CONN-1).
type connectionNames struct {
	Type        string // promomats_crm, medical_crm: the word of the language
	Title       string // "PromoMats-CRM", the prefix of all labels below it
	APIName     string // connection__sys.api_name__sys, the same on both sides of the standard one
	ContentKind string // which kind of content vault it ties
	Rule        string // the Integrationrule of the CLM point (RULE-1)
	Types       []string
}

var connections = []connectionNames{
	{"promomats_crm", "PromoMats-CRM", "promomats_crm__v", kindPromoMats, "promomats_crm_clm_presentation_iir__v",
		[]string{"clm", "country", "records", "content_metrics", "approved_email", "document_transfer"}},
	{"medical_crm", "Medical-CRM", "medical_crm__v", kindMedComms, "medical_crm_clm_presentation_iir__v",
		[]string{"clm", "country"}}, // CONN-5: the seeds give it these two and nothing else
}

func connectionByType(typ string) *connectionNames {
	for i := range connections {
		if connections[i].Type == typ {
			return &connections[i]
		}
	}
	return nil
}

// integrationNames is an integration type of the language and what it is in a
// vault: found by API name, else by label.
type integrationNames struct {
	Type  string
	Stem  string // of the API name: {connection}_{stem}__v; ours, no source has it
	Label string // after "PromoMats-CRM: "
	Flow  string // CONN-3: "content" the data goes to the content vault, "crm" to the CRM vault, "both"
}

var integrations = []integrationNames{
	{"clm", "clm", "CLM Integration", "crm"},
	{"country", "country", "Country Integration", "content"},
	{"records", "records", "Records Integration", "both"},
	{"content_metrics", "content_metrics", "CLM Content Metrics", "content"},
	{"approved_email", "approved_email", "Approved Email", "crm"},
	{"document_transfer", "document_transfer", "Document Transfer", "crm"},
}

func integrationByType(typ string) *integrationNames {
	for i := range integrations {
		if integrations[i].Type == typ {
			return &integrations[i]
		}
	}
	return nil
}

// pointNames is an integration point of the language.
type pointNames struct {
	Name        string // of the language
	Integration string // the integration type it belongs to
	Stem        string // of the API name; ours
	Label       string // after "PromoMats-CRM: "
	Model       string // of CLM content, which it moves (CLM-10); "": none
}

// The models of CLM content (CLM-10).
const (
	modelDocument = "document"
	modelObject   = "object"
)

var points = []pointNames{
	{"clm_presentation", "clm", "clm_presentation", "CLM Presentation Integration Point", modelDocument}, // INT-1
	{"clm_object_model", "clm", "clm_object_model", "CLM Object Model Integration Point", modelObject},   // CLM-10; name and label are ours
	{"clm_country", "country", "clm_country", "CLM Country", ""},                                         // INT-2
	{"records", "records", "records", "Records", ""},
	{"content_metrics", "content_metrics", "content_metrics", "CLM Content Metrics", ""},
	{"approved_email", "approved_email", "approved_email", "Approved Email", ""},
	{"document_transfer", "document_transfer", "document_transfer", "Document Transfer", ""},
}

// movesCLM reports whether a point of the language moves CLM content, in
// whatever model.
func movesCLM(name string) bool {
	n := pointByName(name)
	return n != nil && n.Model != ""
}

func pointByName(name string) *pointNames {
	for i := range points {
		if points[i].Name == name {
			return &points[i]
		}
	}
	return nil
}

// apiName is {connection stem}_{stem}__v: promomats_crm_clm_presentation__v.
func (c *connectionNames) apiName(stem string) string { return c.Type + "_" + stem + "__v" }

// label is "PromoMats-CRM: CLM Integration".
func (c *connectionNames) label(rest string) string { return c.Title + ": " + rest }

// Objects and fields of the machinery.
const (
	objConnection  = "connection__sys"
	objIntegration = "integration__sys"
	objPoint       = "integration_point__sys"
	objSettings    = "connection_settings__v"
	objCountry     = "country__v"
	objProduct     = "product__v"

	fieldLRT  = "last_run_time__sys" // found by the label below
	fieldLSRT = "last_successful_run_time__sys"
	labelLRT  = "Last Run Time"
	labelLSRT = "Last Successful Run Time"

	objConnectionCountry      = "crm_connection_country__v" // found by the label below
	labelConnectionCountry    = "CRM Connection Country"
	labelConnectionCountryAlt = "Connection Country"

	picklistCountry = "country_cda__v"
)

// objectAliases are pairs of names that sources give to one object.
var objectAliases = [][2]string{
	{"user_exception_message__v", "exception_message__sys"},
	{"user_exception_item__v", "exception_item__sys"},
}

// adminProfiles are security profiles that may do everything.
var adminProfiles = []string{"system_admin__v", "vault_owner__v"}

// exceptionNames are the objects of user exceptions, and their fields: by name,
// else by label, which is all that sources have of some.
var exceptionNames = struct {
	message, item string
	fields        map[string][]string // ours → name and labels
}{
	"exception_message__sys", "exception_item__sys",
	map[string][]string{
		"point":     {"integration_point__sys", "Integration Point"},
		"text":      {"error_message__sys", "Error Message"},
		"type":      {"error_type__sys", "Error Type"},
		"processor": {"message_processor__sys", "Message Processor"},
		"failed":    {"message_items_failed__sys", "Message Items Failed"},
		"parent":    {"exception_message__sys", "Exception Message", "User Exception Message"},
		"item":      {"item__sys", "Item"},
		"data":      {"item_data__sys", "Item Data"},
		"state":     {"error_status__sys", "Error Status"},
	},
}

// Values of their picklists, of which a vault may lack some. The error status
// of an item that still fails is one of openStatuses, or knownStatus once
// somebody has acknowledged it.
const (
	typeOfItems   = "item_processing_error__sys"
	typeOfGeneral = "message_processing_error__sys"

	openStatus  = "open__sys"
	knownStatus = "acknowledged__sys"
	doneStatus  = "resolved__sys"

	labelReprocess = "Reprocess Request" // ERR-1: the action of a message
)

var openStatuses = []string{openStatus, "pending__sys"}

// featureCLM is the feature whose content runs move.
const featureCLM = "clm"

// features that route by country (CTRY-1): the object type of
// connection_settings__v that holds the filter, and the record's name.
var features = []struct{ Name, ObjectType, Record, Title string }{
	{featureCLM, "clm_integration_settings__v", "Global CLM Integration Settings", "CLM"},
	{"approved_email", "approved_email_integration_settings__v", "Global Approved Email Integration Settings", "Approved Email"},
}

// Document types of CLM content (CLM-3), fixed.
const (
	typePresentation = "multichannel_presentation__v" // source
	typeSlide        = "multichannel_slide__v"

	targetPresentation = "presentation__v"
	targetSlide        = "slide__v"
	targetShared       = "shared_resource__v"

	relationShared = "related_shared_resource__v"
)

// Parts of the CLM streams, in the order in which they are written.
const (
	partShared       = "shared_resource"
	partSlide        = "slide"
	partPresentation = "presentation"
	partCountry      = "country"
	partProduct      = "product"
	partReference    = "reference"
	partObstacle     = "obstacle"
	partMessage      = providers.ExceptionMessage
	partItem         = providers.ExceptionItem
)

// partOfTarget and its inverse: the document type of a part in the CRM vault.
var partOfTarget = map[string]string{targetPresentation: partPresentation, targetSlide: partSlide, targetShared: partShared}
var targetOfPart = map[string]string{partPresentation: targetPresentation, partSlide: targetSlide, partShared: targetShared}

// mark is what accord writes into external_id__v of what it makes in a CRM
// vault (CLM-11): whose it is, and of which source document. A document that
// becomes a shared resource is another item than the slide that it was, which
// a presentation may still show, so that shared resources have marks of their
// own. Marks of one point and source sort as the keys do.
func mark(point string, source int64, item providers.Member) string {
	text := markPrefix(point, source) + item.Key
	if item.Part == partShared {
		text += markShared
	}
	return text
}

// marks are those of items, which share the bytes of one text.
func marks(point string, source int64, items []providers.Member) []string {
	prefix, size := markPrefix(point, source), 0
	for n := range items {
		size += len(prefix) + len(items[n].Key) + len(markShared)
	}
	var all strings.Builder
	all.Grow(size)
	list := make([]string, len(items))
	for n := range items {
		at := all.Len()
		all.WriteString(prefix)
		all.WriteString(items[n].Key)
		if items[n].Part == partShared {
			all.WriteString(markShared)
		}
		list[n] = all.String()[at:]
	}
	return list
}

func markPrefix(point string, source int64) string {
	return markOurs + point + ":" + strconv.FormatInt(source, 10) + ":"
}

// markOurs begins every mark, and markShared ends those of shared resources.
const (
	markOurs   = "accord:"
	markShared = ":s"
)

// itemOfMark is the inverse of mark, for members: the mark of a presentation
// reads as that of a slide. Every row and node that is read is asked for it, so
// that it makes no prefix to compare with.
func itemOfMark(text, point string, source int64) (item providers.Member, ok bool) {
	item.Part = partSlide
	text, shared := strings.CutSuffix(text, markShared)
	if shared {
		item.Part = partShared
	}
	of, key, ok := cutLast(text, ':')
	if !ok || len(key) != keyWidth {
		return item, false
	}
	item.Key = key
	of, vault, ok := cutLast(of, ':')
	var own [20]byte
	if !ok || vault != string(strconv.AppendInt(own[:0], source, 10)) {
		return item, false
	}
	name, ok := strings.CutPrefix(of, markOurs)
	return item, ok && name == point
}

func cutLast(s string, sep byte) (before, after string, ok bool) {
	at := strings.LastIndexByte(s, sep)
	if at < 0 {
		return "", "", false
	}
	return s[:at], s[at+1:], true
}

const keyWidth = 12

// keyOf is the key of a document: its id at a fixed width, so that keys sort
// as ids do.
func keyOf(id string) string {
	if len(id) >= keyWidth {
		return id
	}
	return "000000000000"[len(id):] + id
}

// idOf is the inverse of keyOf.
func idOf(key string) string {
	id := strings.TrimLeft(key, "0")
	if id == "" {
		return "0"
	}
	return id
}

// statusName turns a word of the language into the vault's.
func statusName(word string) string { return word + "__v" }

// suggest returns ", did you mean x?" for the known word nearest to a wrong
// one, else "". The ending of API names, __c or __v, makes nothing alike.
func suggest(word string, known []string) string {
	stem := func(name string) string {
		name, _, _ = strings.Cut(strings.ToLower(name), "__")
		return name
	}
	best, distance := "", len(stem(word))/3+2
	for _, k := range known {
		if d := editDistance(stem(word), stem(k)); d < distance {
			best, distance = k, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %q?", best)
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// refused is a diagnostic of a protection (exit 5).
func refused(d providers.Diagnostic) providers.Diagnostic {
	d.Severity, d.Refused = providers.SeverityError, true
	return d
}
