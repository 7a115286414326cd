package devvault

import "strconv"

// platformRoutes are the services of a vault beside its content: users, groups, policies, jobs, logs, file staging.
func platformRoutes(get, post, put, remove routeMaker) []*route {
	return append(stagingRoutes(get, post, put, remove), []*route{
		get("delegation/vaults", handleDelegations),

		get("metadata/objects/users", handleUserMetadata),
		post("objects/users", handleCreateUsers),
		put("objects/users", handleUpdateUsers),
		put("objects/users/me", handleUpdateUser),
		put("objects/users/{id}", handleUpdateUser),
		remove("objects/users/{id}", handleDisableUser),
		post("objects/users/me/password", handlePassword),
		put("objects/users/{id}/vault_membership/{vault}", handleMembership),
		get("objects/licenses", handleLicenses),

		get("metadata/objects/groups", handleGroupMetadata),
		get("objects/groups", handleGroups),
		get("objects/groups/auto", handleAutoGroups),
		get("objects/groups/{group}", handleGroup),
		post("objects/groups", handleCreateGroup),
		put("objects/groups/{group}", handleUpdateGroup),
		remove("objects/groups/{group}", handleDeleteGroup),

		get("metadata/objects/securitypolicies", handlePolicyMetadata),
		get("objects/securitypolicies", handlePolicies),
		get("objects/securitypolicies/{policy}", handlePolicy),
		get("objects/domains", handleDomains),

		get("metadata/audittrail", handleAuditTypes),
		get("metadata/audittrail/{type}", handleAuditType),
		get("audittrail/{type}", handleAuditTrail),
		get("objects/documents/{id}/audittrail", handleDocumentAudit),
		get("vobjects/{object}/{id}/audittrail", handleRecordAudit),
		get("logs/api_usage", handleAPIUsage),

		get("services/jobs/{id}/content", handleJobContent),
		get("services/jobs/{id}/tasks", handleJobTasks),
		get("services/jobs/histories", handleJobHistories),
		get("services/jobs/monitors", handleJobMonitors),
		post("services/jobs/start_now/{id}", handleStartJob),
	}...)
}

// handleDelegations answers GET /api/{v}/delegation/vaults: nobody delegates here.
func handleDelegations(c *call) (reply, error) { return ok("delegated_vaults", []body{}) }

// handleLicenses answers GET /api/{v}/objects/licenses: the seats of the vault's application. How many there are is ours.
func handleLicenses(c *call) (reply, error) {
	const seats = 1000
	used := map[string]int{}
	for _, u := range c.s.usersOf(c.v) {
		used[u.text("license_type__v")]++
	}
	list := []body{}
	for _, l := range []struct{ name, label string }{{"full__v", "Full User"}, {"external__v", "External User"}, {"read_only__v", "Read-only User"}} {
		list = append(list, body{"user_type_name", l.name, "user_type_label", l.label, "licensed", seats, "used", used[l.name], "shared", true})
	}
	var documents int
	if _, err := one(c.ctx(), c.s.store.read, []any{&documents}, `SELECT count(*) FROM versions WHERE key > ? AND key < ? AND latest = 1`,
		versionKey(c.v.slot, 0, 0), versionKey(c.v.slot+1, 0, 0)); err != nil {
		return reply{}, err
	}
	app := applications[c.v.kind]
	return ok("doc_count", body{"licensed", 10_000_000, "used", documents},
		"applications", []body{{"application_name", app.name, "application_label", app.label, "licensing", list}})
}

// securityPolicy is the only one there is.
var securityPolicy = struct{ name, label string }{"basic__v", "Basic"}

// handlePolicyMetadata answers GET /api/{v}/metadata/objects/securitypolicies.
func handlePolicyMetadata(c *call) (reply, error) {
	properties := []body{}
	for _, n := range []string{"name__v", "label__v", "is_active__v", "authentication_type__v", "min_password_length__v", "require_number__v", "require_uppercase__v",
		"password_expiration__v"} {
		properties = append(properties, body{"name__v", n, "label__v", title(n[:len(n)-len("__v")]), "type__v", "String"})
	}
	return ok("metadata__v", []body{{"securityPolicy", body{"properties", properties}}})
}

// handlePolicies answers GET /api/{v}/objects/securitypolicies.
func handlePolicies(c *call) (reply, error) {
	return ok("security_policies__v", []body{{"security_policy__v", body{"name__v", securityPolicy.name, "label__v", securityPolicy.label,
		"value__v", c.url("/api/" + c.version + "/objects/securitypolicies/" + securityPolicy.name)}}})
}

// handlePolicy answers GET /api/{v}/objects/securitypolicies/{policy}.
func handlePolicy(c *call) (reply, error) {
	if c.param("policy") != securityPolicy.name {
		return reply{}, fail("INVALID_DATA", "The security policy [%s] does not exist", c.param("policy"))
	}
	return ok("security_policy__v", body{"policy_details__v", body{"name__v", securityPolicy.name, "label__v", securityPolicy.label, "is_active__v", true},
		"policy_security_settings__v", body{"authentication_type__v", body{"name__v", "Password", "label__v", "Password"},
			"passwords_require_number__v", false, "passwords_require_uppercase_letter__v", false, "min_password_length__v", strconv.Itoa(minPassword),
			"password_expiration__v", "0", "password_history_reuse__v", "0"}})
}

// handleDomains answers GET /api/{v}/objects/domains: the domains that the caller administers.
func handleDomains(c *call) (reply, error) {
	list := []body{}
	if c.user.admin {
		list = append(list, body{"domain_name__v", c.v.domain, "domain_type__v", "testing"})
	}
	return ok("domains", list)
}
