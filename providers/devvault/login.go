package devvault

import "net/http"

// loginRoutes are what the platform's login host serves, beside all vaults: /auth/….
func loginRoutes() []*route {
	return []*route{
		{method: "POST", pattern: "auth/discovery", effect: logins, handle: handleDiscovery, open: true, bare: true, login: true,
			note: "every user logs in with a password"},
	}
}

// handleDiscovery answers POST /auth/discovery: how a user logs in. Here that is always by password.
func handleDiscovery(c *call) (reply, error) {
	if _, err := c.required("username"); err != nil {
		return reply{}, err
	}
	return ok("data", body{"auth_type", "password"})
}

// serveLogin answers the calls of the login host.
func (s *Server) serveLogin(c *call, w http.ResponseWriter, path string) {
	found, params, known := s.logins.find(c.r.Method, path)
	var r reply
	var err error
	switch {
	case found != nil:
		c.route, c.path = found, params
		if err = c.readBody(); err == nil {
			r, err = found.handle(c)
		}
	case known:
		err = fail("METHOD_NOT_SUPPORTED", "The HTTP method [%s] is not supported for this call", c.r.Method)
	default:
		err = fail("MALFORMED_URL", "The resource [/%s] does not exist", path)
	}
	c.write(w, r, err)
}
