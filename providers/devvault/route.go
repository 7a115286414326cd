package devvault

import (
	"net/url"
	"slices"
	"strings"
)

// route is one method on one path pattern. Patterns are relative to /api/{version}/, or to /api/ where bare is set. One without a handler is
// known, but not built.
type route struct {
	method, pattern string
	effect          effect
	handle          func(*call) (reply, error)
	open            bool // needs no session
	bare            bool
	login           bool   // of the login host, not of a vault
	section         string // of the reference
	note            string // what is to be said of it in a list of routes
	params          []string
	library         bool // its body is a content library, however large
}

// effect says what a call does to a vault, for counting.
type effect string

const (
	reads  effect = "read"
	writes effect = "write"
	logins effect = "auth"
)

// router finds routes by path. A literal segment is preferred to a parameter, whatever the method.
type router struct {
	literal map[string]*router
	param   *router
	rest    *router // of a last parameter like {path...}, which takes all segments that are left
	routes  []*route
}

func newRouter(routes []*route) *router {
	root := &router{}
	for _, r := range routes {
		n := root
		path := r.pattern
		if !r.bare && !r.login {
			path = "{version}/" + path
		}
		for _, s := range strings.Split(path, "/") {
			n = n.child(s)
			if strings.HasPrefix(s, "{") {
				r.params = append(r.params, strings.Trim(s, "{.}"))
			}
		}
		n.routes = append(n.routes, r)
	}
	return root
}

func (n *router) child(segment string) *router {
	if strings.HasSuffix(segment, "...}") {
		if n.rest == nil {
			n.rest = &router{}
		}
		return n.rest
	}
	if strings.HasPrefix(segment, "{") {
		if n.param == nil {
			n.param = &router{}
		}
		return n.param
	}
	if n.literal == nil {
		n.literal = map[string]*router{}
	}
	if n.literal[segment] == nil {
		n.literal[segment] = &router{}
	}
	return n.literal[segment]
}

// find returns the route for a method and a path, with its parameters. When the path is known, but not built with that method, route is nil
// and known is true.
func (n *router) find(method, path string) (r *route, params []string, known bool) {
	segments := strings.Split(strings.Trim(path, "/"), "/")
	for i, s := range segments {
		if u, err := url.PathUnescape(s); err == nil {
			segments[i] = u
		}
	}
	n.walk(segments, nil, func(found *router, p []string) {
		known = true
		for _, x := range found.routes {
			if x.method == method && x.handle != nil {
				r, params = x, slices.Clone(p)
			}
		}
	})
	return r, params, known
}

// walk visits the node of a path, the most literal one; it reports whether there is one.
func (n *router) walk(segments, params []string, visit func(*router, []string)) bool {
	if len(segments) == 0 {
		if len(n.routes) > 0 {
			visit(n, params)
		}
		return len(n.routes) > 0
	}
	if l := n.literal[segments[0]]; l != nil && l.walk(segments[1:], params, visit) {
		return true
	}
	if n.param != nil && segments[0] != "" && n.param.walk(segments[1:], append(params, segments[0]), visit) {
		return true
	}
	return n.rest != nil && n.rest.walk(nil, append(params, strings.Join(segments, "/")), visit)
}
