package devvault

import (
	_ "embed"
	"strings"
	"sync"
)

// RouteInfo is a route of the platform's reference, or one of ours, and whether it is built here.
type RouteInfo struct {
	Method  string `json:"method"`
	Pattern string `json:"pattern"` // "/api/{version}/objects/documents/{doc_id}"
	Section string `json:"section"` // of the reference, "05 Documents"; "ours" for what it does not have, "control" for what steers this server
	Built   bool   `json:"built"`
	Note    string `json:"note,omitempty"`
}

//go:embed reference.txt
var referenceText string

// Routes lists every route of the reference in its order, and after them those of this server that the reference does not have.
// Whether one is built is asked of the router itself. One that is not answers METHOD_NOT_SUPPORTED; what is in no list, MALFORMED_URL.
func Routes() []RouteInfo {
	list := make([]RouteInfo, 0, 500)
	listed := map[string]bool{}
	built := map[string]*route{}
	for _, r := range append(apiRoutes(), loginRoutes()...) {
		built[r.shape()] = r
	}
	for _, r := range referenceRoutes() {
		info := RouteInfo{Method: r.method, Pattern: r.address(), Section: r.section}
		if x := built[r.shape()]; x != nil {
			info.Built, info.Note = true, x.note
		} else {
			info.Note = r.note
		}
		listed[r.shape()] = true
		list = append(list, info)
	}
	for _, r := range append(apiRoutes(), loginRoutes()...) {
		if !listed[r.shape()] {
			list = append(list, RouteInfo{Method: r.method, Pattern: r.address(), Section: "ours", Built: true, Note: r.note})
		}
	}
	for _, r := range controlRoutes() {
		list = append(list, RouteInfo{Method: r.method, Pattern: "/_dev/" + r.pattern, Section: "control", Built: true})
	}
	return list
}

// referenceRoutes are the routes of reference.txt, without handlers.
var referenceRoutes = sync.OnceValue(func() []*route {
	var list []*route
	section := ""
	for _, line := range strings.Split(referenceText, "\n") {
		if name, isHead := strings.CutPrefix(line, "# "); isHead {
			section = name
			continue
		}
		method, rest, found := strings.Cut(line, " ")
		if !found {
			continue
		}
		path, note, _ := strings.Cut(rest, " ")
		r := &route{method: method, section: section, note: strings.TrimSpace(note)}
		path, _, _ = strings.Cut(path, "?")
		path = strings.ReplaceAll(path, "{/role_name}", "/{role_name}")
		switch {
		case strings.HasPrefix(path, "https://login"):
			r.pattern, r.login = path[strings.Index(path, "/auth/")+1:], true
		case strings.HasPrefix(path, "https://"):
			r.pattern = path[strings.Index(path, "{version}/")+len("{version}/"):]
		case strings.HasPrefix(path, "/api/"):
			r.pattern, r.bare = path[len("/api/"):], true
		default:
			r.pattern = path[1:]
		}
		list = append(list, r)
	}
	return list
})

// shape is what makes two routes the same: method and path, whatever the parameters are called.
func (r *route) shape() string {
	parts := strings.Split(r.address(), "/")
	for i, p := range parts {
		if strings.HasPrefix(p, "{") {
			parts[i] = "{}"
		}
	}
	return r.method + " " + strings.Join(parts, "/")
}

// address is the whole path of a route, as it is shown.
func (r *route) address() string {
	switch {
	case r.login:
		return "/" + r.pattern
	case r.bare:
		return "/api/" + r.pattern
	}
	return "/api/{version}/" + r.pattern
}

// withReference adds to built routes those of the reference that are not built, so that the router knows their paths.
func withReference(built []*route, login bool) []*route {
	known := map[string]bool{}
	for _, r := range built {
		known[r.shape()] = true
	}
	list := built
	for _, r := range referenceRoutes() {
		if r.login == login && !known[r.shape()] {
			known[r.shape()] = true
			n := *r
			list = append(list, &n)
		}
	}
	return list
}
