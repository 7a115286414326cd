package devvault

import (
	"hash/fnv"
	"sync"

	"accord/providers/devvault/mdl"
)

// Kinds of vaults.
const (
	kindPromoMats = "promomats"
	kindMedComms  = "medcomms"
	kindCRM       = "crm"
	kindAlign     = "align"
)

// standardCatalogs holds the catalog each kind of vault starts with. They are made once a process, and shared.
var standardCatalogs = map[string]func() *catalog{
	kindPromoMats: sync.OnceValue(func() *catalog { return standardCatalog(kindPromoMats) }),
	kindMedComms:  sync.OnceValue(func() *catalog { return standardCatalog(kindMedComms) }),
	kindCRM:       sync.OnceValue(func() *catalog { return standardCatalog(kindCRM) }),
	kindAlign:     sync.OnceValue(func() *catalog { return standardCatalog(kindAlign) }),
}

func standardCatalog(kind string) *catalog {
	c := &catalog{
		objects: map[string]*object{}, doctypes: map[string]*doctype{}, lifecycles: map[string]*lifecycle{},
		picklists: map[string]*picklist{}, relations: map[string]*relationType{}, components: map[string]mdl.Component{},
		stateflows: map[string]*stateflow{}, written: map[string]mdl.Component{},
		aliases: map[string]string{
			"user_exception_message__v": "exception_message__sys",
			"user_exception_item__v":    "exception_item__sys",
		},
		docFields: standardDocFields(),
	}
	c.addPicklists(standardPicklists()...)
	c.addPicklists(kindPicklists(kind)...)
	c.stateflows["connection_lifecycle__sys"] = connectionLifecycle()
	c.addObjects(systemObjects()...)
	c.addComponents(standardSets...)
	switch kind {
	case kindPromoMats, kindMedComms:
		c.addObjects(contentObjects(kind)...)
		c.addLifecycles(contentLifecycle(kind), unclassified())
		c.addDoctypes(contentDoctypes(kind)...)
	case kindCRM:
		c.addObjects(crmObjects()...)
		c.addLifecycles(crmLifecycle(), unclassified())
		c.addDoctypes(crmDoctypes()...)
		c.addComponents(crmRules...)
	case kindAlign:
		c.addObjects(alignObjects()...)
		c.addLifecycles(unclassified())
	}
	c.addDoctypes(&doctype{Name: "undefined__v", Label: "Unclassified", Lifecycles: []string{"unclassified__v"}, Source: "system"})
	c.relations["related_shared_resource__v"] = &relationType{Name: "related_shared_resource__v", Label: "Related Shared Resource"}
	c.relations["crosslink_document_latest__v"] = &relationType{Name: "crosslink_document_latest__v", Label: "CrossLink Latest Bindings", System: true}
	c.relations["crosslink_document_latest_steady_state__v"] = &relationType{Name: "crosslink_document_latest_steady_state__v", Label: "CrossLink Latest Steady State Bindings", System: true}
	c.relations["based_on__v"] = &relationType{Name: "based_on__v", Label: "Based On", System: true}
	return c
}

func (c *catalog) addObjects(list ...*object) {
	for _, o := range list {
		c.objects[o.Name] = o
	}
}

func (c *catalog) addDoctypes(list ...*doctype) {
	for _, t := range list {
		c.doctypes[t.Name] = t
	}
}

func (c *catalog) addLifecycles(list ...*lifecycle) {
	for _, l := range list {
		c.lifecycles[l.Name] = l
	}
}

func (c *catalog) addPicklists(list ...*picklist) {
	for _, p := range list {
		c.picklists[p.Name] = p
	}
}

func (c *catalog) addComponents(texts ...string) {
	for _, text := range texts {
		list, err := mdl.Parse(text)
		if err != nil {
			panic(err) // a bug in the texts below
		}
		for _, s := range list {
			s.Command = ""
			c.components[s.Key()] = s.Component
		}
	}
}

// Makers of fields.

func text(name, label string, length int) *field {
	return &field{Name: name, Label: label, Type: typeString, MaxLength: length, System: true}
}
func longText(name, label string) *field {
	return &field{Name: name, Label: label, Type: typeLongText, MaxLength: 32000, System: true}
}
func boolean(name, label string) *field {
	return &field{Name: name, Label: label, Type: typeBoolean, System: true}
}
func number(name, label string) *field {
	return &field{Name: name, Label: label, Type: typeNumber, System: true}
}
func date(name, label string) *field {
	return &field{Name: name, Label: label, Type: typeDate, System: true}
}
func dateTime(name, label string) *field {
	return &field{Name: name, Label: label, Type: typeDateTime, System: true}
}
func pick(name, label, list string) *field {
	return &field{Name: name, Label: label, Type: typePicklist, Picklist: list, System: true}
}
func reference(name, label, object string) *field {
	return &field{Name: name, Label: label, Type: typeObject, Object: object, Outbound: relationshipName(name), System: true}
}

func (f *field) column(c string) *field { f.Column = c; return f }
func (f *field) computed() *field       { f.Computed, f.ReadOnly = true, true; return f }
func (f *field) readOnly() *field       { f.ReadOnly = true; return f }
func (f *field) required() *field       { f.Required = true; return f }
func (f *field) unique() *field         { f.Unique = true; return f }
func (f *field) many() *field           { f.MultiValue = true; return f }
func (f *field) in(section string) *field {
	f.Section = section
	return f
}

// newObject makes an object with the fields that every object has, and its own after them.
func newObject(name, label, labels, prefix string, own ...*field) *object {
	source := "standard"
	switch {
	case len(name) > 5 && name[len(name)-5:] == "__sys":
		source = "system"
	case name[len(name)-3:] == "__c":
		source = "custom"
	}
	common := []*field{
		(&field{Name: "id", Label: "ID", Type: typeID, System: true, MaxLength: 20, Unique: true}).readOnly().column("id"),
		text("name__v", "Name", 128).required().column("name"),
		pick("status__v", "Status", "default_status__v").column("status"),
		reference("object_type__v", "Object Type", "object_type__v").column("type"),
		text("external_id__v", "External ID", 200).unique().column("external_id"),
		text("link__sys", "Link", 255).column("link"),
		text("global_id__sys", "Global ID", 64).computed(),
		dateTime("created_date__v", "Created Date").readOnly().column("created"),
		reference("created_by__v", "Created By", "user__sys").readOnly().column("created_by"),
		dateTime("modified_date__v", "Last Modified Date").readOnly().column("modified"),
		reference("modified_by__v", "Last Modified By", "user__sys").readOnly().column("modified_by"),
	}
	for _, f := range own {
		if f.Object != "" && f.Inbound == "" {
			f.Inbound = plural(name)
		}
	}
	o := &object{Name: name, Label: label, Plural: labels, Prefix: prefix, Source: source, InMenu: source != "system",
		fields: newFields(append(common, own...)...)}
	return o.withTypes(objectType{Name: "base__v", Label: "Base " + label})
}

// withTypes replaces the object types.
func (o *object) withTypes(types ...objectType) *object {
	o.Types = nil
	for _, t := range types {
		t.ID = objectTypeID(o.Name, t.Name)
		o.Types = append(o.Types, t)
	}
	return o
}

// withLifecycle gives the object a state__v.
func (o *object) withLifecycle(name string) *object {
	o.Lifecycle = name
	o.fields.set((&field{Name: "lifecycle__v", Label: "Lifecycle", Type: typeString, System: true}).computed())
	o.fields.set(text("state__v", "State", 128).column("state"))
	return o
}

// objectTypeID is the id of an object type as a record: the same for the same names, "OOT" and twelve digits.
func objectTypeID(object, typ string) string {
	h := fnv.New64a()
	h.Write([]byte(object + "." + typ))
	return recordID("OOT", int64(h.Sum64()%1e12))
}

func systemObjects() []*object {
	user := newObject("user__sys", "User", "Users", "V0U", text("username__sys", "User Name", 255).unique(), text("email__sys", "Email", 255))
	return []*object{
		user,
		newObject("object_type__v", "Object Type", "Object Types", "OOT", text("api_name__v", "API Name", 100), text("object_name__v", "Object Name", 100)),
		newObject("connection__sys", "Connection", "Connections", "V1C",
			text("api_name__sys", "API Name", 40).unique(),
			text("remote_vault_id__sys", "Remote Vault ID", 20),
			text("remote_vault_dns__sys", "Connection URL", 255),
			reference("authorized_connection_user__sys", "Authorized Connection User", "user__sys"),
			text("description__sys", "Description", 255),
			dateTime("last_sync_date__sys", "Last Sync Date"),
		).withTypes(objectType{Name: "vault_to_vault__sys", Label: "Vault to Vault"}, objectType{Name: "external__sys", Label: "External"},
			objectType{Name: "local__sys", Label: "Local"}).withLifecycle("connection_lifecycle__sys"),
		newObject("integration__sys", "Integration", "Integrations", "V1I",
			text("integration_api_name__sys", "Integration API Name", 40).unique(),
			reference("connection__sys", "Connection", "connection__sys"),
			text("description__sys", "Description", 255)),
		newObject("integration_point__sys", "Integration Point", "Integration Points", "V1P",
			text("integration_point_api_name__sys", "Integration Point API Name", 40).unique(),
			reference("integration__sys", "Integration", "integration__sys"),
			text("description__sys", "Description", 255),
			dateTime("last_run_time__sys", "Last Run Time"),
			dateTime("last_successful_run_time__sys", "Last Successful Run Time"),
		).withTypes(objectType{Name: "inbound__sys", Label: "Inbound"}, objectType{Name: "outbound__sys", Label: "Outbound"}),
		newObject("exception_message__sys", "User Exception Message", "User Exception Messages", "V1M",
			reference("integration__sys", "Integration", "integration__sys"),
			reference("integration_point__sys", "Integration Point", "integration_point__sys"),
			pick("error_type__sys", "Error Type", "exception_error_type__sys"),
			longText("error_message__sys", "Error Message"),
			text("message_processor__sys", "Message Processor", 255),
			longText("message_body_json__sys", "Message Body (JSON)"),
			number("message_items_failed__sys", "Message Items Failed"),
			number("message_items_received__sys", "Message Items Received")),
		newObject("exception_item__sys", "User Exception Item", "User Exception Items", "V1T",
			reference("exception_message__sys", "Exception Message", "exception_message__sys").cascade(),
			reference("integration_point__sys", "Integration Point", "integration_point__sys"),
			text("item__sys", "Item", 255),
			longText("item_data__sys", "Item Data"),
			longText("error_message__sys", "Error Message"),
			pick("error_type__sys", "Error Type", "exception_error_type__sys"),
			pick("error_status__sys", "Error Status", "exception_item_error_status__sys")),
		newObject("reference_lookup__sys", "Reference Lookup", "Reference Lookups", "V1R",
			text("reference_lookup_type__sys", "Reference Lookup Type", 128),
			text("source_key__sys", "Source Key", 255), text("target_key__sys", "Target Key", 255)),
		country(),
		newObject("product__v", "Product", "Products", "00P", text("product_family__v", "Product Family", 255)),
		newObject("keyword__v", "Keyword", "Keywords", "V0K"),
		newObject("website__v", "Website", "Websites", "V0W", &field{Name: "url__v", Label: "URL", Type: typeURL, MaxLength: 255, System: true}),
	}
}

// connectionLifecycle has no actions: who may establish a connection does so on both sides, not by the API.
func connectionLifecycle() *stateflow {
	return &stateflow{Name: "connection_lifecycle__sys", Label: "Connection Lifecycle", Starting: "pending_state__sys", States: []*recordState{
		{Name: "pending_state__sys", Label: "Pending", Status: "inactive__v", Kinds: []string{"initial"}},
		{Name: "active_state__sys", Label: "Active", Status: "active__v"},
		{Name: "inactive_state__sys", Label: "Inactive", Status: "inactive__v"},
	}}
}

func country() *object {
	return newObject("country__v", "Country", "Countries", "00C",
		text("code__v", "Country Code", 2),
		pick("country_cda__v", "Country CDA", "country_cda__v").many())
}

// standardDocFields are the fields of documents and binders, the same on every type.
func standardDocFields() *fields {
	const general, crm, link = "general", "crm", "crosslink"
	return newFields(
		(&field{Name: "id", Label: "ID", Type: typeID, System: true}).readOnly().column("doc"),
		text("version_id", "Version ID", 40).computed(),
		text("name__v", "Name", 100).required().column("name").in(general),
		text("title__v", "Title", 255).in(general),
		text("description__v", "Description", 1500).in(general),
		text("document_number__v", "Document Number", 255).column("number").in(general),
		text("type__v", "Type", 100).required().column("type").in(general),
		text("subtype__v", "Subtype", 100).column("subtype").in(general),
		text("classification__v", "Classification", 100).column("classification").in(general),
		text("lifecycle__v", "Lifecycle", 100).required().column("lifecycle").in(general),
		text("status__v", "Status", 100).readOnly().column("status").in(general),
		number("major_version_number__v", "Major Version Number").column("major"),
		number("minor_version_number__v", "Minor Version Number").column("minor"),
		boolean("latest_version__v", "Latest Version").readOnly().column("latest"),
		text("global_id__sys", "Global ID", 64).computed(),
		text("global_version_id__sys", "Global Version ID", 64).computed(),
		text("link__sys", "Link", 255).column("link"),
		text("version_link__sys", "Version Link", 255).column("version_link"),
		text("external_id__v", "External ID", 250).unique().column("external_id"),
		reference("product__v", "Product", "product__v").many().docRelation().in(general),
		reference("country__v", "Country", "country__v").many().docRelation().in(general),
		reference("website__v", "Website", "website__v").many().docRelation().in(crm),
		pick("language__v", "Language", "language__v").many().in(general),
		boolean("clm_content__v", "Publish for CRM (CLM)").in(crm),
		boolean("is_shared_resource__v", "Shared Resource").in(crm),
		pick("crm_media_type__v", "CRM Media Type", "crm_media_type__v").in(crm),
		date("crm_start_date__v", "CRM Start Date").in(crm),
		date("crm_end_date__v", "CRM End Date").in(crm),
		boolean("crm_training__v", "CRM Training").in(crm),
		boolean("crm_hidden__v", "CRM Hidden").in(crm),
		text("crm_presentation_id__v", "CRM Presentation ID", 255).in(crm),
		text("crm_disable_actions__v", "CRM Disable Actions", 255).in(crm),
		text("crm_custom_reaction__v", "CRM Custom Reaction", 255).in(crm),
		boolean("engage_content__v", "Publish for Engage").in(crm),
		boolean("cobrowse_content__v", "Publish for CoBrowse").in(crm),
		boolean("crm_fax_content__v", "Publish for CRM (Fax)").in(crm), // the label is the platform's, the name ours (DOCX-4)
		text("crm_directory__v", "CRM Directory", 255).in(crm),
		text("crm_related_content_display_order__v", "CRM Related Content Display Order", 255).in(crm),
		text("crm_slide_update_method__v", "CRM Slide Update Method", 255).in(crm),
		text("ios_resolution__v", "iOS Resolution", 255).in(crm),
		boolean("crosslink__v", "CrossLink").readOnly().column("crosslink"),
		boolean("binder__v", "Binder").readOnly().column("binder"),
		dateTime("version_modified_date__v", "Version Modified Date").readOnly().column("modified"),
		dateTime("document_creation_date__v", "Created Date").readOnly().column("created"),
		dateTime("version_creation_date__v", "Version Creation Date").readOnly().column("version_created"),
		reference("created_by__v", "Created By", "user__sys").readOnly().column("created_by"),
		reference("version_created_by__v", "Version Created By", "user__sys").readOnly().column("version_created_by"),
		reference("last_modified_by__v", "Last Modified By", "user__sys").readOnly().column("modified_by"),
		text("link_status__v", "Link Status", 40).readOnly().in(link),
		pick("source_binding_rule__v", "Source Binding Rule", "source_binding_rule__v").readOnly().in(link),
		number("source_document_id__v", "Source Document ID").readOnly().in(link),
		text("source_document_name__v", "Source Document Name", 100).readOnly().in(link),
		text("source_document_number__v", "Source Document Number", 255).readOnly().in(link),
		text("source_owner__v", "Source Owner", 255).readOnly().in(link),
		number("source_vault_id__v", "Source Vault ID").readOnly().in(link),
		text("source_vault_name__v", "Source Vault Name", 255).readOnly().in(link),
		number("latest_source_major_version__v", "Latest Source Major Version").readOnly().in(link),
		number("latest_source_minor_version__v", "Latest Source Minor Version").readOnly().in(link),
		number("bound_source_major_version__v", "Bound Source Major Version").readOnly().in(link),
		number("bound_source_minor_version__v", "Bound Source Minor Version").readOnly().in(link),
	)
}

// docRelation gives a document's reference the platform's name of the relationship, document_{field}__vr.
func (f *field) docRelation() *field {
	f.Outbound = "document_" + relationshipName(f.Name)
	f.Inbound = f.Outbound
	return f
}

// cascade lets the referring records go with the one they refer to.
func (f *field) cascade() *field { f.Cascade = true; return f }

func contentLifecycle(kind string) *lifecycle {
	l := &lifecycle{Name: "promo_mats_lifecycle__v", Label: "PromoMats Lifecycle"}
	if kind == kindMedComms {
		l = &lifecycle{Name: "med_comms_lifecycle__v", Label: "MedComms Lifecycle"}
	}
	approve := action{"approve__v", "Approve", "approved__v"}
	obsolete := action{"make_obsolete__v", "Make Obsolete", "obsolete__v"}
	l.States = []*state{
		{Name: "draft__v", Label: "Draft", Kind: "starting", Actions: []action{{"start_review__v", "Start Review", "in_review__v"}, approve, obsolete}},
		{Name: "in_review__v", Label: "In Review", Actions: []action{approve, {"return_to_draft__v", "Return to Draft", "draft__v"}}},
		{Name: "approved__v", Label: "Approved", Kind: "steady", Actions: []action{obsolete, {"expire__v", "Expire", "expired__v"}, {"withdraw_approval__v", "Withdraw Approval", "in_review__v"}}},
		{Name: "expired__v", Label: "Expired", Actions: []action{approve, obsolete}},
		{Name: "superseded__v", Label: "Superseded", Kind: "superseded"},
		{Name: "obsolete__v", Label: "Obsolete", Kind: "obsolete", Actions: []action{{"reinstate__v", "Reinstate", "approved__v"}}},
	}
	return l
}

func crmLifecycle() *lifecycle {
	obsolete := action{"make_obsolete__v", "Make Obsolete", "obsolete__v"}
	return &lifecycle{Name: "crm_content__v", Label: "CRM Content", States: []*state{
		{Name: "draft__v", Label: "Draft", Kind: "starting", Actions: []action{{"approve__v", "Approve", "approved__v"}, obsolete}},
		{Name: "approved__v", Label: "Approved", Kind: "steady", Actions: []action{obsolete}},
		{Name: "obsolete__v", Label: "Obsolete", Kind: "obsolete", Actions: []action{{"reinstate__v", "Reinstate", "approved__v"}}},
	}}
}

func unclassified() *lifecycle {
	return &lifecycle{Name: "unclassified__v", Label: "Inbox", States: []*state{{Name: "unclassified__v", Label: "Unclassified", Kind: "starting"}}}
}

func contentDoctypes(kind string) []*doctype {
	lifecycles := []string{contentLifecycle(kind).Name}
	typ := func(name, label string) *doctype {
		return &doctype{Name: name, Label: label, Lifecycles: lifecycles, Source: "standard"}
	}
	presentation := typ("multichannel_presentation__v", "Multichannel Presentation")
	slide := typ("multichannel_slide__v", "Multichannel Slide")
	slide.Relations = []string{"related_shared_resource__v"}
	return []*doctype{presentation, slide, typ("promotional_piece__v", "Promotional Piece"), typ("material__v", "Material"),
		typ("email_template__v", "Email Template"), typ("email_fragment__v", "Email Fragment"), typ("template_fragment__v", "Template Fragment")}
}

func crmDoctypes() []*doctype {
	typ := func(name, label string) *doctype {
		return &doctype{Name: name, Label: label, Lifecycles: []string{"crm_content__v"}, Source: "standard"}
	}
	presentation := typ("presentation__v", "Presentation")
	slide := typ("slide__v", "Slide")
	slide.Relations = []string{"related_shared_resource__v"}
	fax := typ("fax_template__c", "Fax Template")
	fax.Source = "custom"
	return []*doctype{presentation, slide, typ("shared_resource__v", "Shared Resource"), fax,
		typ("email_template__v", "Email Template"), typ("email_fragment__v", "Email Fragment"), typ("template_fragment__v", "Template Fragment")}
}

// standardSets are the permission sets and profiles that a vault comes with. Admins need none: their profile may do everything.
var standardSets = []string{
	`RECREATE Permissionset system_admin_actions__v ( label('System Administrator Actions'), active(true) );`,
	`RECREATE Permissionset business_user__v ( label('Business User'), active(true), Vaultaction api_access__v ( granted(true) ) );`,
	`RECREATE Securityprofile system_admin__v ( label('System Administrator'), active(true), permission_sets('system_admin_actions__v') );`,
	`RECREATE Securityprofile vault_owner__v ( label('Vault Owner'), active(true), permission_sets('system_admin_actions__v') );`,
	`RECREATE Securityprofile business_user__v ( label('Business User'), active(true), permission_sets('business_user__v') );`,
}

// crmRules are the integration rules of RULE-1, each with its rule "only Approved (Steady State)", which is active (RULE-4).
var crmRules = []string{
	`RECREATE Integrationrule promomats_crm_clm_presentation_iir__v (
	label('PromoMats-CRM: CLM Presentation'), active(true), connection('promomats_crm__v'),
	integration_point('promomats_crm_clm_presentation__v'), primary_query_object('documents'),
	Queryobjectrule approved_only__v ( label('Only Approved (Steady State)'), active(true), query_object('documents'),
		filter_clause('status__v = STEADYSTATE()') )
);`,
	`RECREATE Integrationrule medical_crm_clm_presentation_iir__v (
	label('Medical-CRM: CLM Presentation'), active(true), connection('medical_crm__v'),
	integration_point('medical_crm_clm_presentation__v'), primary_query_object('documents'),
	Queryobjectrule approved_only__v ( label('Only Approved (Steady State)'), active(true), query_object('documents'),
		filter_clause('status__v = STEADYSTATE()') )
);`,
}
