package devvault

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// standardIntegration is an integration that a connection is shipped with, and one of its points.
type standardIntegration struct {
	api, name           string // integration
	pointAPI, pointName string
	inbound             bool // as seen from the vault that has it
}

// standardConnection is one of the two connections of CONN-1 with what the seeds give it (CONN-5). The labels are the platform's;
// the API names of integrations and points are ours, since no source has them.
type standardConnection struct {
	api, name    string
	integrations []standardIntegration
}

func standardConnections(kind string) []standardConnection {
	promo := standardConnection{"promomats_crm__v", "PromoMats-CRM Connection", nil}
	medical := standardConnection{"medical_crm__v", "Medical-CRM Connection", nil}
	switch kind { // a content vault has the other ends of what comes to it: exceptions there refer to them
	case kindPromoMats:
		promo.integrations = []standardIntegration{countryIn("promomats_crm", "v", "PromoMats-CRM")}
		return []standardConnection{promo}
	case kindMedComms:
		medical.integrations = []standardIntegration{countryIn("medical_crm", "v", "Medical-CRM")}
		return []standardConnection{medical}
	case kindCRM:
		promo.integrations = append(clmAndCountry("promomats_crm", "PromoMats-CRM"),
			standardIntegration{"promomats_crm_records__v", "PromoMats-CRM: Records Integration",
				"promomats_crm_records__v", "PromoMats-CRM: Records Integration Point", true},
			standardIntegration{"promomats_crm_content_metrics__v", "PromoMats-CRM: CLM Content Metrics Integration",
				"promomats_crm_content_metrics__v", "PromoMats-CRM: CLM Content Metrics", false},
			standardIntegration{"promomats_crm_approved_email__v", "PromoMats-CRM: Approved Email Integration",
				"promomats_crm_approved_email__v", "PromoMats-CRM: Approved Email Integration Point", true},
			standardIntegration{"promomats_crm_document_transfer__v", "PromoMats-CRM: Document Transfer Integration",
				"promomats_crm_document_transfer__v", "PromoMats-CRM: Document Transfer Integration Point", true})
		medical.integrations = clmAndCountry("medical_crm", "Medical-CRM")
		return []standardConnection{promo, medical}
	}
	return nil
}

// countryIn is the Country Integration of a content vault's connection.
func countryIn(api, suffix, label string) standardIntegration {
	return standardIntegration{api + "_country__" + suffix, label + ": Country Integration", api + "_clm_country__" + suffix, label + ": CLM Country", true}
}

func clmAndCountry(api, label string) []standardIntegration {
	return []standardIntegration{
		{api + "_clm__v", label + ": CLM Integration", api + "_clm_presentation__v", label + ": CLM Presentation Integration Point", true},
		// CLM-10: no seed names the point of the object model, so this one is ours.
		{api + "_clm__v", label + ": CLM Integration", api + "_clm_object_model__v", label + ": CLM Object Model Integration Point", true},
		{api + "_country__v", label + ": Country Integration", api + "_clm_country__v", label + ": CLM Country", false},
	}
}

// addStandardRecords makes the records a vault of its kind starts with: connections pending, integrations and points inactive (INT-3),
// and the settings record whose country filter is empty.
func (v *vault) addStandardRecords(t *tx, user int64) error {
	add := v.adder(t, user, v.created)
	var failed error
	must := func(id string, err error) string {
		failed = errors.Join(failed, err)
		return id
	}
	for _, sc := range standardConnections(v.kind) {
		connection := must(add("connection__sys", sc.name, "vault_to_vault__sys", "inactive__v", "pending_state__sys", values{"api_name__sys": sc.api}))
		must("", addIntegrations(add, connection, sc.integrations))
	}
	if v.kind == kindCRM {
		must(add("connection_settings__v", "Global CLM Integration Settings", "clm_integration_settings__v", "active__v", "", values{}))
		must(add("connection_settings__v", "Global Approved Email Integration Settings", "approved_email_integration_settings__v", "active__v", "", values{}))
	}
	switch v.kind {
	case kindPromoMats:
		must(add("document_type_group__v", "PromoMats-CRM Connection", "", "active__v", "", values{}))
	case kindCRM:
		must(add("veeva_settings__v", "Veeva Settings", "", "active__v", "", values{"clm_document_model__v": true}))
	case kindAlign:
		must(add("align_settings__v", "Align Settings", "", "active__v", "", values{}))
		for _, o := range importedObjects {
			must(add("aln_process_monitor__v", o, "", "active__v", "", values{"object_name__v": o}))
		}
		for _, m := range standardMappings {
			for _, direction := range []string{"inbound__v", "outbound__v"} {
				must(add("aln_field_mapping__v", m.align+"."+m.alignField, "", "active__v", "", values{"direction__v": []string{direction},
					"mapping_type__v": []string{"system__v"}, "align_object__v": m.align, "align_field__v": m.alignField, "crm_object__v": m.crm, "crm_field__v": m.crmField}))
			}
		}
	}
	return failed
}

// adder inserts a record of the vault itself; typ may be empty.
type adder func(object, name, typ, status, state string, fields values) (id string, err error)

func (v *vault) adder(t *tx, user, at int64) adder {
	return func(object, name, typ, status, state string, fields values) (string, error) {
		o := v.catalog().objects[object]
		if typ == "" {
			typ = o.defaultType()
		}
		r := &record{name: name, typ: typ, status: status, state: state, created: at, modified: at, createdBy: user, modifiedBy: user, fields: fields}
		err := v.insertRecord(t, o, r)
		return r.id, err
	}
}

// addIntegrations adds integrations and their points below a connection.
func addIntegrations(add adder, connection string, list []standardIntegration) (err error) {
	var integration string
	for n, si := range list {
		if n == 0 || si.api != list[n-1].api {
			if integration, err = add("integration__sys", si.name, "", "inactive__v", "", values{"integration_api_name__sys": si.api, "connection__sys": connection}); err != nil {
				return err
			}
		}
		typ := "outbound__sys"
		if si.inbound {
			typ = "inbound__sys"
		}
		if _, err = add("integration_point__sys", si.pointName, typ, "inactive__v", "", values{"integration_point_api_name__sys": si.pointAPI, "integration__sys": integration}); err != nil {
			return err
		}
	}
	return nil
}

// ConnectSpec names two vaults to tie together, for Connect.
type ConnectSpec struct {
	Content string `json:"content"` // a promomats or medcomms vault
	CRM     string `json:"crm"`
	Type    string `json:"type"` // promomats_crm or medical_crm; from the content vault's kind when empty

	// Pending leaves a side not approved: "crm", "content", or "both". Empty establishes the connection.
	Pending string `json:"pending"`
}

// Connect makes the connection records of both sides know each other, and establishes the connection. The first CRM vault of a content vault
// takes its standard connection; each further one a duplicate, promomats_crm_2__c and so on (CONN-1). base is the address under which
// the vaults are reached, "http://127.0.0.1:8080"; it may be empty. Doing it again changes nothing.
func (s *Server) Connect(spec ConnectSpec, base string) error {
	content, crm := s.vault(spec.Content), s.vault(spec.CRM)
	if content == nil || crm == nil {
		return fmt.Errorf("connect %s and %s: one of the vaults does not exist", spec.Content, spec.CRM)
	}
	typ := map[string]string{kindPromoMats: "promomats_crm", kindMedComms: "medical_crm"}[content.kind]
	if typ == "" || crm.kind != kindCRM || spec.Type != "" && spec.Type != typ {
		return fmt.Errorf("connect %s and %s: a %s vault and a %s vault have no connection %q", spec.Content, spec.CRM, content.kind, crm.kind, spec.Type)
	}
	return s.store.update(func(t *tx) error {
		pending := func(side string) bool { return spec.Pending == side || spec.Pending == "both" }
		if err := content.tie(t, crm, typ, base, pending("content"), true); err != nil {
			return fmt.Errorf("connect %s and %s: %w", content.name, crm.name, err)
		}
		if err := crm.tie(t, content, typ, base, pending("crm"), false); err != nil {
			return fmt.Errorf("connect %s and %s: %w", content.name, crm.name, err)
		}
		return nil
	})
}

// tie makes one side of a connection: the record that names remote already, else the standard one that names nobody, else a duplicate.
func (v *vault) tie(t *tx, remote *vault, typ, base string, pending, mayDuplicate bool) error {
	o := v.catalog().objects["connection__sys"]
	ctx := context.Background()
	rows, err := t.QueryContext(ctx, `SELECT `+recordColumns+` FROM records WHERE extent = ? ORDER BY id`, v.extent(o.Name))
	if err != nil {
		return err
	}
	defer rows.Close()
	var mine, free *record
	duplicates := 1
	for rows.Next() {
		r, err := scanRecord(rows)
		if err != nil {
			return err
		}
		api := asText(r.fields["api_name__sys"])
		if !strings.HasPrefix(api, typ+"_") {
			continue
		}
		switch asText(r.fields["remote_vault_id__sys"]) {
		case strconv.FormatInt(remote.id, 10):
			mine = r
		case "":
			if free == nil {
				free = r
			}
		}
		if strings.HasPrefix(api, fmt.Sprintf("%s_%d__c", typ, duplicates+1)) {
			duplicates++
		}
	}
	if err := rows.Err(); err != nil {
		return err
	}
	rows.Close()
	if mine == nil {
		mine = free
	}
	now := v.s.clock.now().UnixMilli()
	if mine == nil {
		if !mayDuplicate {
			return fmt.Errorf("the connection %s__v of %s is with another vault", typ, v.name)
		}
		var name string
		for _, sc := range standardConnections(v.kind) {
			if sc.api == typ+"__v" {
				name = sc.name
			}
		}
		mine = &record{name: fmt.Sprintf("%s %d", name, duplicates+1), typ: "vault_to_vault__sys", status: "inactive__v", state: "pending_state__sys",
			created: now, modified: now, createdBy: 10000 + v.slot, modifiedBy: 10000 + v.slot,
			fields: values{"api_name__sys": fmt.Sprintf("%s_%d__c", typ, duplicates+1)}}
		if err := v.insertRecord(t, o, mine); err != nil {
			return err
		}
		of := countryIn(fmt.Sprintf("%s_%d", typ, duplicates+1), "c", strings.TrimSuffix(name, " Connection"))
		if err := addIntegrations(v.adder(t, 10000+v.slot, now), mine.id, []standardIntegration{of}); err != nil {
			return err
		}
	}
	changed := mine.clone()
	changed.fields["remote_vault_id__sys"] = strconv.FormatInt(remote.id, 10)
	if base != "" || changed.fields["remote_vault_dns__sys"] == nil {
		changed.fields["remote_vault_dns__sys"] = base + "/" + remote.name
	}
	if changed.fields["authorized_connection_user__sys"] == nil {
		changed.fields["authorized_connection_user__sys"] = strconv.FormatInt(10000+v.slot, 10)
	}
	if !pending {
		changed.status, changed.state = "active__v", "active_state__sys"
	}
	changed.modified = now
	return v.updateRecord(t, o, changed, mine)
}
