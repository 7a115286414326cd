package devvault

import (
	"encoding/json"
	"strconv"
	"strings"
)

// The binding rules of CrossLinks, as their labels. They compare without regard to case: sources spell the last one in two ways.
const (
	bindLatest   = "Latest version"
	bindSteady   = "Latest Steady State version"
	bindSpecific = "Specific Document version"
)

// linkParameters are the fields of a create call that make a CrossLink.
var linkParameters = map[string]bool{"source_vault_id__v": true, "source_document_id__v": true, "source_binding_rule__v": true,
	"bound_source_major_version__v": true, "bound_source_minor_version__v": true}

// crossLink is what a new CrossLink is tied to.
type crossLink struct {
	vault *vault
	rule  string   // name of the picklist's value
	bound *version // the version it shows now
	exact bool     // it shows this version for good
}

// crossLink reads the source of a CrossLink from a create call; nil when the call makes an ordinary document.
//
// A binder cannot be the source of a CrossLink (CLM-4), nor can a CrossLink. A production vault takes none from a sandbox (CONN-3).
func (c *call) crossLink(t *tx, row requestRow, binder bool) (*crossLink, error) {
	vaultID, docID := row.text("source_vault_id__v"), row.text("source_document_id__v")
	if vaultID == "" && docID == "" {
		return nil, nil
	}
	if vaultID == "" || docID == "" {
		return nil, fail("PARAMETER_REQUIRED", "A CrossLink needs both [source_vault_id__v] and [source_document_id__v]")
	}
	if binder || c.file != nil {
		return nil, fail("OPERATION_NOT_ALLOWED", "A CrossLink has no nodes and no file of its own")
	}
	id, err := strconv.ParseInt(vaultID, 10, 64)
	if err != nil {
		return nil, fail("INVALID_DATA", "Invalid value [%s] specified for field [source_vault_id__v]", vaultID)
	}
	source := c.s.vaultByID(id)
	if source == nil || source == c.v {
		return nil, fail("INVALID_DATA", "The vault [%s] cannot be the source of a CrossLink", vaultID)
	}
	if c.v.environment == "production" && source.environment != "production" {
		return nil, fail("OPERATION_NOT_ALLOWED", "A production vault takes no CrossLink from the sandbox [%s]", source.name)
	}
	doc, err := strconv.ParseInt(docID, 10, 64)
	if err != nil {
		return nil, fail("INVALID_DATA", "Invalid value [%s] specified for field [source_document_id__v]", docID)
	}
	list, err := source.versions(c.ctx(), t, doc)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fail("INVALID_DATA", "The source document [%d] does not exist in vault [%s]", doc, vaultID)
	}
	last := list[len(list)-1]
	if last.binder {
		return nil, fail("OPERATION_NOT_ALLOWED", "A binder cannot be the source of a CrossLink: [%d]", doc)
	}
	if last.crosslink {
		return nil, fail("OPERATION_NOT_ALLOWED", "A CrossLink cannot be the source of a CrossLink: [%d]", doc)
	}
	link := &crossLink{vault: source}
	switch rule := row.text("source_binding_rule__v"); {
	case strings.EqualFold(rule, bindLatest) || rule == "latest_version__v":
		link.rule, link.bound = "latest_version__v", last
	case rule == "" || strings.EqualFold(rule, bindSteady) || rule == "latest_steady_state_version__v":
		link.rule, link.bound = "latest_steady_state_version__v", source.steady(list)
		if link.bound == nil {
			return nil, fail("INVALID_DATA", "The source document [%d] has no version in a steady state", doc)
		}
	case strings.EqualFold(rule, bindSpecific) || rule == "specific_document_version__v":
		major, minor := row.text("bound_source_major_version__v"), row.text("bound_source_minor_version__v")
		if major == "" || minor == "" {
			return nil, fail("PARAMETER_REQUIRED", "The rule [%s] needs [bound_source_major_version__v] and [bound_source_minor_version__v]", bindSpecific)
		}
		for _, x := range list {
			if strconv.FormatInt(x.major, 10) == major && strconv.FormatInt(x.minor, 10) == minor {
				link.bound = x
			}
		}
		if link.bound == nil {
			return nil, fail("INVALID_DATA", "The source document [%d] has no version [%s.%s]", doc, major, minor)
		}
		link.rule, link.exact = "specific_document_version__v", true
	default:
		return nil, fail("INVALID_DATA", "Invalid value [%s] specified for field [source_binding_rule__v]", rule)
	}
	return link, nil
}

// steady returns the newest version that is in a steady state, or nil.
func (v *vault) steady(list []*version) *version {
	cat := v.catalog()
	for i := len(list) - 1; i >= 0; i-- {
		if cat.stateKind(list[i].lifecycle, list[i].status) == "steady" {
			return list[i]
		}
	}
	return nil
}

// into makes a new document the CrossLink.
func (l *crossLink) into(x *version) {
	x.crosslink = true
	x.source = sourceKey(l.vault.slot, l.bound.doc)
	f := x.fields
	f["link_status__v"] = "Active"
	f["source_binding_rule__v"] = []string{l.rule}
	f["source_document_id__v"] = jsonInt(l.bound.doc)
	f["source_document_name__v"] = l.bound.name
	f["source_document_number__v"] = l.bound.number
	f["source_owner__v"] = strconv.FormatInt(l.bound.createdBy, 10)
	f["source_vault_id__v"] = jsonInt(l.vault.id)
	f["source_vault_name__v"] = l.vault.name
	f["latest_source_major_version__v"] = jsonInt(l.bound.major)
	f["latest_source_minor_version__v"] = jsonInt(l.bound.minor)
	if l.exact {
		f["bound_source_major_version__v"] = jsonInt(l.bound.major)
		f["bound_source_minor_version__v"] = jsonInt(l.bound.minor)
	}
}

func jsonInt(n int64) json.Number { return json.Number(strconv.FormatInt(n, 10)) }

// refreshLinks brings the CrossLinks of a document up to date after its versions or its name have changed. It is no change of theirs:
// their dates stay.
func (v *vault) refreshLinks(t *tx, doc int64) error {
	key := sourceKey(v.slot, doc)
	var linked int64
	if found, err := one(bg, t, []any{&linked}, `SELECT 1 FROM versions WHERE source = ? LIMIT 1`, key); err != nil || !found {
		return err
	}
	list, err := v.versions(bg, t, doc)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return t.exec(`UPDATE versions SET fields = json_set(fields, '$.link_status__v', 'Broken') WHERE source = ?`, key)
	}
	last := list[len(list)-1]
	bound := map[string]*version{"latest_version__v": last, "latest_steady_state_version__v": v.steady(list), "specific_document_version__v": last}
	for rule, x := range bound {
		if x == nil {
			continue
		}
		if err := t.exec(`UPDATE versions SET fields = json_set(fields, '$.source_document_name__v', ?, '$.latest_source_major_version__v', ?,
			'$.latest_source_minor_version__v', ?) WHERE source = ? AND fields ->> '$.source_binding_rule__v[0]' = ?`, last.name, x.major, x.minor, key, rule); err != nil {
			return err
		}
	}
	return nil
}
