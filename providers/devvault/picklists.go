package devvault

import (
	_ "embed"
	"strings"
	"sync"
)

func standardPicklists() []*picklist {
	active := func(name, label string) entry { return entry{Name: name, Label: label, Active: true} }
	return []*picklist{
		countries(),
		newPicklist("default_status__v", "Status", true, active("active__v", "Active"), active("inactive__v", "Inactive")),
		newPicklist("language__v", "Language", false, active("english__v", "English"), active("french__v", "French"), active("german__v", "German"),
			active("spanish__v", "Spanish"), active("italian__v", "Italian"), active("portuguese__v", "Portuguese"), active("japanese__v", "Japanese"),
			active("chinese__v", "Chinese"), active("korean__v", "Korean"), active("dutch__v", "Dutch"), active("polish__v", "Polish"),
			active("greek__v", "Greek"), active("arabic__v", "Arabic"), active("turkish__v", "Turkish")),
		newPicklist("crm_media_type__v", "CRM Media Type", false, active("html__v", "HTML"), active("image__v", "Image"), active("pdf__v", "PDF"),
			active("video__v", "Video"), active("powerpoint__v", "PowerPoint"), active("custom_slide__v", "Custom Slide")),
		newPicklist("source_binding_rule__v", "Source Binding Rule", true, active("latest_version__v", bindLatest),
			active("latest_steady_state_version__v", bindSteady), active("specific_document_version__v", bindSpecific)),
		newPicklist("exception_error_type__sys", "Exception Error Type", true, active("message_processing_error__sys", "Message Processing Error"),
			active("item_processing_error__sys", "Item Processing Error"), active("configuration_error__sys", "Configuration Error")),
		newPicklist("exception_item_error_status__sys", "Exception Item Error Status", true, active("open__sys", "Open"),
			active("pending__sys", "Pending"), active("acknowledged__sys", "Acknowledged"), active("resolved__sys", "Resolved")),
	}
}

//go:embed countries.txt
var countryNames string

// countries is the system managed picklist of country_cda__v: every country of ISO 3166, us__v "United States" among them.
var countries = sync.OnceValue(func() *picklist {
	var list []entry
	for line := range strings.Lines(countryNames) {
		code, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		if code != "#" {
			list = append(list, entry{Name: code + "__v", Label: name, Active: true})
		}
	}
	return newPicklist("country_cda__v", "Country CDA", true, list...)
})
