package vault

import "strings"

// bundle is a named group of grants (PERM-1..3).
type bundle struct {
	Name   string
	Doc    string
	Grants []grant
}

// bundles are what the words of permission_set.bundles expand to. Object names
// are those of the seeds; Plan looks up what the vault calls them.
var bundles = []bundle{
	{
		Name: "clm_integration",
		Doc:  "Manage Connections and Manage Integrations; read on keywords, websites and user exceptions, all fields (PERM-1, PERM-2).",
		Grants: join(manageIntegrations,
			readAll("keyword__v"), readAll("website__v"), readAll("user_exception_item__v"), readAll("user_exception_message__v")),
	},
	{
		Name: "country_integration",
		Doc:  "Manage Connections and Manage Integrations; all rights on connection settings of the CLM integration, edit on country filter and vault CRM id (PERM-1, PERM-3).",
		Grants: join(manageIntegrations,
			every(grantObject, "connection_settings__v"),
			every(grantType, "connection_settings__v.clm_integration_settings__v"),
			every(grantField, "connection_settings__v.country_filter__v"),
			every(grantField, "connection_settings__v.vault_crm_id__v")),
	},
}

// manageIntegrations: to see connections; to see and change what stands below.
var manageIntegrations = []grant{{grantAction, "manage_connections__v", "granted"}, {grantAction, "manage_integrations__v", "granted"}}

func readAll(object string) []grant {
	return []grant{{grantObject, object, "read"}, {grantField, object + "." + allFields, "read"}}
}

func every(kind, name string) []grant {
	var list []grant
	for _, verb := range grantVerbs[kind] {
		list = append(list, grant{kind, name, verb})
	}
	return list
}

func join(lists ...[]grant) []grant {
	var all []grant
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func bundleByName(name string) *bundle {
	for i := range bundles {
		if bundles[i].Name == name {
			return &bundles[i]
		}
	}
	return nil
}

func bundleNames() []string {
	var names []string
	for _, b := range bundles {
		names = append(names, b.Name)
	}
	return names
}

// actionName is the platform's name of a vault action: manage_connections is
// short for manage_connections__v.
func actionName(word string) string {
	if strings.Contains(word, "__") {
		return word
	}
	return word + "__v"
}
