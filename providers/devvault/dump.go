package devvault

func controlDump(c *call) (reply, error) { return reply{}, fail("OPERATION_NOT_ALLOWED", "not built") }
