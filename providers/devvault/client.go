package devvault

import (
	"regexp"
	"slices"
	"strings"
)

var validClientID = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

// clientID is the caller's name for itself, as it is logged: from the query parameter client_id or else the header; "unknown" without one.
func (c *call) clientID() string {
	id := c.r.Header.Get("X-VaultAPI-ClientID")
	if strings.Contains(c.r.URL.RawQuery, "client_id=") {
		if q := c.r.URL.Query().Get("client_id"); q != "" {
			id = q
		}
	}
	switch {
	case id == "":
		return "unknown"
	case len(id) > 100 || !validClientID.MatchString(id):
		return "invalid_client_id"
	}
	return id
}

// admit refuses a client whose id is not among those that the settings let in. How the platform words that is not known; this is ours.
func (c *call) admit() error {
	only := c.s.settings.Load().ClientIDs
	if len(only) == 0 || slices.Contains(only, "*") || slices.Contains(only, c.clientID()) {
		return nil
	}
	return fail("INSUFFICIENT_ACCESS", "The client [%s] is not let in: Client ID Filtering is on", c.clientID())
}

// connectionClient is how the client id of a connection begins, before the connection's API name.
const connectionClient = "veeva-vault-"

// tellConnection names the connection that the client id belongs to, in a header.
func (c *call) tellConnection() error {
	name, isConnection := strings.CutPrefix(c.clientID(), connectionClient)
	if !isConnection {
		return nil
	}
	o := c.v.catalog().object("connection__sys")
	ids, err := c.v.lookup(c.ctx(), c.s.store.read, o, o.fields.get("api_name__sys"), name)
	if err == nil && len(ids) > 0 {
		setHeader(c.header, "X-VaultAPI-Connection", name)
	}
	return err
}
