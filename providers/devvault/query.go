package devvault

// handleQuery answers POST /api/{v}/query: parse, compile, run, reply.
func handleQuery(c *call) (reply, error) {
	return reply{}, fail("OPERATION_NOT_ALLOWED", "queries are not built yet")
}

// handleQueryPage answers POST /api/{v}/query/{token}?pagesize=&pageoffset=.
func handleQueryPage(c *call) (reply, error) {
	return reply{}, fail("INVALID_DATA", "the page token is not known")
}
