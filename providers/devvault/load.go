package devvault

func controlLoad(c *call) (reply, error) { return reply{}, fail("OPERATION_NOT_ALLOWED", "not built") }
