package devvault

// apiRouter holds every route of the API that is built, and those of the reference that are not.
func apiRouter() *router { return newRouter(withReference(apiRoutes(), false)) }

func apiRoutes() []*route {
	get := func(pattern string, h func(*call) (reply, error)) *route {
		return &route{method: "GET", pattern: pattern, effect: reads, handle: h}
	}
	post := func(pattern string, h func(*call) (reply, error)) *route {
		return &route{method: "POST", pattern: pattern, effect: writes, handle: h}
	}
	put := func(pattern string, h func(*call) (reply, error)) *route {
		return &route{method: "PUT", pattern: pattern, effect: writes, handle: h}
	}
	remove := func(pattern string, h func(*call) (reply, error)) *route {
		return &route{method: "DELETE", pattern: pattern, effect: writes, handle: h}
	}
	reading := func(r *route) *route { r.effect = reads; return r } // a POST that changes nothing
	login := func(r *route) *route { r.effect = logins; return r }
	open := func(r *route) *route { r.open = true; return r }
	bare := func(r *route) *route { r.bare = true; return r }
	noted := func(note string, r *route) *route { r.note = note; return r }

	routes := []*route{
		open(login(post("auth", handleAuth))),
		noted("Accept: application/xml is answered in JSON, here and everywhere", bare(get("", handleVersions))),
		login(post("keep-alive", handleKeepAlive)),
		login(remove("session", handleEndSession)),

		reading(post("query", handleQuery)),
		reading(post("query/components", handleQueryComponents)),
		reading(post("query/{token}", handleQueryPage)),

		get("objects/users", handleUsers),
		get("objects/users/me", handleMe),
		get("objects/users/{id}", handleUser),
		get("objects/users/me/permissions", handlePermissions),
		get("objects/users/{id}/permissions", handlePermissions),
		get("objects/domain", handleDomain),
		get("limits", handleLimits),

		get("objects/picklists", handlePicklists),
		get("objects/picklists/{picklist}", handlePicklist),
		post("objects/picklists/{picklist}", handleAddPicklistValues),
		put("objects/picklists/{picklist}", handleRelabelPicklistValues),
		put("objects/picklists/{picklist}/{value}", handleChangePicklistValue),
		remove("objects/picklists/{picklist}/{value}", handleDropPicklistValue),

		bare(post("mdl/execute", handleExecute)),
		bare(post("mdl/execute_async", handleExecuteAsync)),
		bare(get("mdl/execute_async/{id}/results", handleExecuteResults)),
		bare(get("mdl/components/{component}", handleComponentText)),
		get("configuration/{component}", handleConfiguration),
		get("metadata/components", handleComponentTypes),
		get("metadata/components/{type}", handleComponentType),

		get("services/jobs/{id}", handleJob),
		get("services/jobs/{id}/artifacts", handleJobArtifacts),
	}
	routes = append(routes, recordRoutes(get, post, put, remove)...)
	routes = append(routes, documentRoutes(get, post, put, remove, reading)...)
	routes = append(routes, platformRoutes(get, post, put, remove)...)
	return routes
}
