package devvault

// The objects that the vaults of each kind start with, as far as the public documents name them. Where they give a label only, the name is ours, and
// so are the names of fields that no document has; clients find them by label.

// synced are the fields of a record that the PromoMats-CRM Connection has brought: CRM Org and CRM ID (REC-2).
func synced(own ...*field) []*field {
	return append([]*field{
		text("crm_org__v", "CRM Org", 40),
		text("crm_id__v", "CRM ID", 40),
	}, own...)
}

// fromSource are the fields of a reference record that came from a content vault.
func fromSource(own ...*field) []*field {
	return append([]*field{
		text("source_vault_id__v", "Source Vault ID", 40),
		text("original_source_id__v", "Original Source ID", 40),
		text("source_status__v", "Source Status", 40),
		boolean("deleted_in_source__v", "Deleted in Source"),
		text("vexternal_id__v", "Vault External ID", 120),
	}, own...)
}

func (f *field) child() *field { f.Parent, f.Cascade = true, true; return f }

// merging lets records of the object be merged.
func (o *object) merging() *object { o.Merges = true; return o }

func span() []*field {
	return []*field{date("start_date__v", "Start Date"), date("end_date__v", "End Date")}
}

// contentObjects are those of PromoMats and MedComms. The CRM records of CONN-4 come from CRM vaults; CONN-5's go to them.
func contentObjects(kind string) []*object {
	list := []*object{
		newObject("crm_connection_country__v", "CRM Connection Country", "CRM Connection Countries", "V2C",
			reference("country__v", "Country", "country__v"),
			text("vault_crm_id__v", "Vault CRM ID", 40)),
		newObject("product_family__v", "Product Family", "Product Families", "V2F", synced()...),
		newObject("indication__v", "Indication", "Indications", "V2I", synced(reference("product__v", "Product", "product__v"))...),
	}
	if kind == kindMedComms {
		return list
	}
	return append(list,
		// METR-1, per presentation or slide and CRM vault.
		newObject("clm_content_metrics__v", "CLM Content Metrics", "CLM Content Metrics", "V2M",
			text("vault_crm_id__v", "Vault CRM ID", 40),
			text("document_id__v", "Document ID", 40),
			text("crm_document_id__v", "CRM Document ID", 40),
			reference("country__v", "Country", "country__v"),
			number("times_shown__v", "Times Shown"),
			number("duration__v", "Duration (Seconds)"),
			number("times_sent__v", "Times Sent as a Link"),
			number("link_clicks__v", "Link Clicks"),
			number("click_rate__v", "Click Rate"),
			number("custom_presentation_uses__v", "Uses in Custom Presentations"),
			number("previews__v", "Previews"),
			number("view_order__v", "View Order"),
			number("positive_reactions__v", "Positive Reactions"),
			number("neutral_reactions__v", "Neutral Reactions"),
			number("negative_reactions__v", "Negative Reactions")),
		newObject("crm_product__v", "CRM Product", "CRM Products", "V2P", synced(text("product_type__v", "Product Type", 100))...),
		newObject("crm_product_group__v", "CRM Product Group", "CRM Product Groups", "V2G",
			synced(reference("crm_product__v", "CRM Product", "crm_product__v"))...),
		newObject("crm_detail_group__v", "CRM Detail Group", "CRM Detail Groups", "V2D", synced()...),
		newObject("crm_content_group__v", "Content Group", "Content Groups", "V2O", synced()...),
		newObject("crm_survey__v", "Survey", "Surveys", "V2S", synced()...),
		newObject("crm_directory__v", "Directory", "Directories", "V2R", synced()...),
		newObject("crm_content_type__v", "Content Type", "Content Types", "V2T", synced()...),
		newObject("event_topic__v", "Event Topic", "Event Topics", "V2E", synced()...),
		newObject("event_configuration__v", "Event Configuration", "Event Configurations", "V2N", synced(reference("country__v", "Country", "country__v"))...),
		// DOCX-3: which document types are transferred.
		newObject("document_type_group__v", "Document Type Group", "Document Type Groups", "V2U", longText("document_types__v", "Document Types")),
	)
}

// crmObjects are those of Vault CRM: settings, reference data, accounts and territories, calls, and CLM in the object model.
func crmObjects() []*object {
	settings := newObject("connection_settings__v", "Connection Settings", "Connection Settings", "V3S",
		pick("country_filter__v", "Country Filter", "country_cda__v").many(),
		text("vault_crm_id__v", "Vault CRM ID", 40)).
		withTypes(objectType{Name: "clm_integration_settings__v", Label: "CLM Integration Settings"},
			objectType{Name: "approved_email_integration_settings__v", Label: "Approved Email Integration Settings"})
	list := []*object{settings,
		newObject("product_family__v", "Product Family", "Product Families", "V3F", fromSource()...),
		newObject("brand__v", "Brand", "Brands", "V3B", fromSource(reference("product_family__v", "Product Family", "product_family__v"))...),
		newObject("indication__v", "Indication", "Indications", "V3I", fromSource(reference("brand__v", "Brand", "brand__v"))...),
		newObject("product_group__v", "Product Group", "Product Groups", "V3G", reference("product__v", "Product", "product__v")),
		newObject("detail_group__v", "Detail Group", "Detail Groups", "V3D"),
		newObject("content_group__v", "Content Group", "Content Groups", "V3O"),
		newObject("survey__v", "Survey", "Surveys", "V3V"),
		newObject("directory__v", "Directory", "Directories", "V3R"),
		newObject("content_type__v", "Content Type", "Content Types", "V3T"),
		newObject("event_topic__v", "Event Topic", "Event Topics", "V3E"),
		newObject("event_configuration__v", "Event Configuration", "Event Configurations", "V3N", reference("country__v", "Country", "country__v")),
		newObject("clm_presentation__v", "CLM Presentation", "CLM Presentations", "V3P", fromSource(
			pick("slide_versioning_method__v", "Slide Versioning Method", "slide_versioning_method__v"),
			reference("product__v", "Product", "product__v"), text("description__v", "Description", 1500),
			date("start_date__v", "Start Date"), date("end_date__v", "End Date"),
			boolean("hidden__v", "Hidden"), boolean("training__v", "Training"))...),
		newObject("key_message__v", "Key Message", "Key Messages", "V3K", fromSource(
			reference("product__v", "Product", "product__v"), text("description__v", "Description", 1500),
			text("media_file_name__v", "Media File Name", 255), text("media_file_crc__v", "Media File CRC", 80),
			boolean("is_shared_resource__v", "Shared Resource"),
			reference("shared_resource__v", "Shared Resource", "key_message__v"))...),
		newObject("clm_presentation_slide__v", "CLM Presentation Slide", "CLM Presentation Slides", "V3L",
			reference("clm_presentation__v", "CLM Presentation", "clm_presentation__v").child(),
			reference("key_message__v", "Key Message", "key_message__v"),
			reference("sub_presentation__v", "Sub Presentation", "clm_presentation__v").namedInbound("sub_presentation_slides__vr"),
			number("display_order__v", "Display Order"),
			text("vexternal_id__v", "VExternal ID", 120), text("vault_external_id__v", "Vault External ID", 120)),
		newObject("application_profile__v", "Application Profile", "Application Profiles", "V3A"),
		newObject("multichannel_settings__v", "Multichannel Settings", "Multichannel Settings", "V4S", // of one profile, or, without one, of the vault
			reference("application_profile__v", "Application Profile", "application_profile__v"),
			pick("clm_content_model__v", "CLM Content Model", "clm_content_model__v")),
		newObject("veeva_settings__v", "Veeva Settings", "Veeva Settings", "V3X",
			boolean("clm_document_model__v", "CLM Document Model"), boolean("clm_object_model__v", "CLM Object Model")),
		newObject("vmobile_object_configuration__v", "VMobile Object Configuration", "VMobile Object Configurations", "V3M",
			text("object__v", "Object", 100), longText("where_clause__v", "Where Clause")),
		newObject("tsf__v", "TSF", "TSFs", "V3Y", reference("account__v", "Account", "account__v").child(), reference("territory__v", "Territory", "territory__v")),
		newObject("call2__v", "Call", "Calls", "V3C", reference("account__v", "Account", "account__v"), reference("territory__v", "Territory", "territory__v"),
			date("call_date__v", "Call Date"), dateTime("call_datetime__v", "Call Date Time"), reference("country__v", "Country", "country__v")),
		// One slide shown in one call: what content metrics are counted from.
		newObject("call2_key_message__v", "Call Key Message", "Call Key Messages", "V3H", reference("call2__v", "Call", "call2__v").child(),
			reference("clm_presentation__v", "CLM Presentation", "clm_presentation__v"), reference("key_message__v", "Key Message", "key_message__v"),
			text("document_id__v", "Document ID", 40), text("presentation_document_id__v", "Presentation Document ID", 40),
			number("duration__v", "Duration"), number("display_order__v", "Display Order"), pick("reaction__v", "Reaction", "clm_reaction__v"),
			boolean("custom_presentation__v", "Custom Presentation"), boolean("preview__v", "Preview")),
		// A presentation that was sent as a link, and its clicks.
		newObject("multichannel_activity__v", "Multichannel Activity", "Multichannel Activities", "V3U",
			text("document_id__v", "Document ID", 40), reference("account__v", "Account", "account__v"), dateTime("sent_datetime__v", "Sent"),
			number("clicks__v", "Clicks"), reference("country__v", "Country", "country__v")),
		newObject("approved_document__v", "Approved Document", "Approved Documents", "V3Q", fromSource(text("vault_document_id__v", "Vault Document ID", 40))...),
		newObject("my_setup_products__v", "My Setup Products", "My Setup Products", "V3Z",
			reference("product__v", "Product", "product__v"), reference("territory__v", "Territory", "territory__v"), reference("user__v", "User", "user__sys")),
	}
	return append(list, fieldObjects()...)
}

// fieldObjects are accounts, territories and assignments, which Align imports from the CRM vault and pushes there.
func fieldObjects() []*object {
	return []*object{
		newObject("account__v", "Account", "Accounts", "V5A", reference("country__v", "Country", "country__v"),
			reference("primary_parent__v", "Primary Parent", "account__v"), text("formatted_name__v", "Formatted Name", 255)).
			withTypes(objectType{Name: "person__v", Label: "Person"}, objectType{Name: "business__v", Label: "Business"}).merging(),
		newObject("address__v", "Address", "Addresses", "V5D", reference("account__v", "Account", "account__v").child(),
			reference("country__v", "Country", "country__v"), text("city__v", "City", 255), text("postal_code__v", "Postal Code", 40)),
		newObject("child_account__v", "Child Account", "Child Accounts", "V5C", reference("parent_account__v", "Parent Account", "account__v"),
			reference("child_account__v", "Child Account", "account__v").child().namedInbound("parent_accounts__vr")),
		newObject("product_metrics__v", "Product Metrics", "Product Metrics", "V5M", reference("account__v", "Account", "account__v").child(),
			reference("product__v", "Product", "product__v"), text("segment__v", "Segment", 100)),
		newObject("territory__v", "Territory", "Territories", "V4T", reference("parent_territory__v", "Parent Territory", "territory__v"),
			reference("country__v", "Country", "country__v"), text("master_align_id__v", "Master Align ID", 120).unique(), text("description__v", "Description", 255)),
		newObject("user_territory__v", "User Territory", "User Territories", "V5U", reference("user__v", "User", "user__sys"),
			reference("territory__v", "Territory", "territory__v"), text("master_align_id__v", "Master Align ID", 120).unique()),
		newObject("account_territory__v", "Account Territory", "Account Territories", "V5T", reference("account__v", "Account", "account__v").child(),
			reference("territory__v", "Territory", "territory__v"), text("source__v", "Source", 100), text("master_align_id__v", "Master Align ID", 120).unique()),
	}
}

func (f *field) namedInbound(name string) *field { f.Inbound = name; return f }

// alignObjects are those of Align: the master of territories, and what it has imported.
func alignObjects() []*object {
	dated := func(own ...*field) []*field { return append(own, span()...) }
	list := []*object{
		newObject("aln_territory__v", "Territory (Align)", "Territories (Align)", "V4A", reference("parent_territory__v", "Parent Territory", "aln_territory__v"),
			reference("country__v", "Country", "country__v"), reference("field_force__v", "Field Force", "aln_field_force__v"),
			text("crm_id__v", "CRM ID", 40), text("description__v", "Description", 255)),
		newObject("aln_account_territory__v", "Account Territory (Align)", "Account Territories (Align)", "V4C", dated(
			reference("account__v", "Account", "account__v"), reference("territory__v", "Territory", "aln_territory__v"),
			text("source__v", "Source", 100), text("crm_id__v", "CRM ID", 40))...),
		newObject("aln_roster_member__v", "Roster Member", "Roster Members", "V4R", text("username__v", "User Name", 255), text("email__v", "Email", 255),
			text("first_name__v", "First Name", 100), text("last_name__v", "Last Name", 100), boolean("mastered_by_align__v", "Mastered by Align"),
			text("crm_id__v", "CRM ID", 40)),
		newObject("aln_roster_member_territory__v", "Roster Member Territory", "Roster Member Territories", "V4B", dated(
			reference("roster_member__v", "Roster Member", "aln_roster_member__v"), reference("territory__v", "Territory", "aln_territory__v"),
			text("crm_id__v", "CRM ID", 40))...),
		newObject("aln_territory_product__v", "Territory Product", "Territory Products", "V4P", dated(
			reference("territory__v", "Territory", "aln_territory__v"), reference("product__v", "Product", "product__v"), text("crm_id__v", "CRM ID", 40))...),
		newObject("aln_process_monitor__v", "Process Monitor", "Process Monitors", "V4M", text("object_name__v", "Object Name", 100).unique(),
			dateTime("last_import_date__v", "Last Import Date"), reference("crm_instance__v", "Vault CRM Instance", "aln_crm_instance__v")),
		newObject("aln_process_task__v", "Process Task", "Process Tasks", "V4K", text("process__v", "Process", 100), dateTime("start_time__v", "Start Time"),
			dateTime("end_time__v", "End Time"), number("errors__v", "Errors"), number("successes__v", "Successes"), longText("log__v", "Log")),
		newObject("aln_crm_instance__v", "Vault CRM Instance", "Vault CRM Instances", "V4I", text("vault_crm_id__v", "Vault CRM ID", 40),
			dateTime("last_successful_push__v", "Last Successful Push")),
		newObject("aln_crm_instance_country__v", "Vault CRM Instance Country", "Vault CRM Instance Countries", "V4N",
			reference("crm_instance__v", "Vault CRM Instance", "aln_crm_instance__v").child(), reference("country__v", "Country", "country__v")),
		newObject("aln_field_mapping__v", "Field Mapping", "Field Mappings", "V4F", pick("direction__v", "Direction", "aln_mapping_direction__v"),
			pick("mapping_type__v", "Mapping Type", "aln_mapping_type__v"), text("align_object__v", "Align Object", 100), text("align_field__v", "Align Field", 100),
			text("crm_object__v", "CRM Object", 100), text("crm_field__v", "CRM Field", 100)),
		newObject("aln_field_force__v", "Field Force", "Field Forces", "V4O", reference("country__v", "Country", "country__v")),
		newObject("aln_geography__v", "Geography", "Geographies", "V4G", reference("country__v", "Country", "country__v")),
		newObject("aln_account_exclusion__v", "Account Exclusion", "Account Exclusions", "V4E", dated(
			reference("account__v", "Account", "account__v"), reference("territory__v", "Territory", "aln_territory__v"))...),
		newObject("align_settings__v", "Align Settings", "Align Settings", "V4S", boolean("user_management__v", "User Management")),
	}
	for _, o := range fieldObjects() {
		switch o.Name {
		case "user_territory__v", "account_territory__v": // assignments are kept in Align's own objects
		default:
			list = append(list, o)
		}
	}
	return list
}

// kindPicklists are the picklists of the objects above.
func kindPicklists(kind string) []*picklist {
	active := func(name, label string) entry { return entry{Name: name, Label: label, Active: true} }
	switch kind {
	case kindCRM:
		return []*picklist{
			newPicklist("slide_versioning_method__v", "Slide Versioning Method", false, active("latest__v", "Latest"), active("specific__v", "Specific")),
			newPicklist("clm_content_model__v", "CLM Content Model", true, active("document_model__v", "CLM as Document Model"), active("object_model__v", "CLM as Object Model")),
			newPicklist("clm_reaction__v", "Reaction", false, active("positive__v", "Positive"), active("neutral__v", "Neutral"), active("negative__v", "Negative")),
		}
	case kindAlign:
		return []*picklist{
			newPicklist("aln_mapping_direction__v", "Direction", true, active("inbound__v", "Inbound"), active("outbound__v", "Outbound")),
			newPicklist("aln_mapping_type__v", "Mapping Type", true, active("system__v", "System"), active("custom__v", "Custom")),
		}
	}
	return nil
}

// standardMapping is a system field mapping of Align (ALN-2, ALN-3), both ways.
type standardMapping struct{ align, alignField, crm, crmField string }

var standardMappings = []standardMapping{
	{"aln_roster_member__v", "name__v", "user__sys", "name__v"},
	{"aln_roster_member__v", "username__v", "user__sys", "username__sys"},
	{"aln_roster_member__v", "email__v", "user__sys", "email__sys"},
	{"aln_territory__v", "name__v", "territory__v", "name__v"},
	{"aln_territory__v", "country__v", "territory__v", "country__v"},
	{"aln_territory__v", "parent_territory__v", "territory__v", "parent_territory__v"},
}

// importedObjects have an aln_process_monitor__v record each (ALN-5).
var importedObjects = []string{"account__v", "address__v", "child_account__v", "product_metrics__v", "territory__v", "user__sys", "account_territory__v"}
