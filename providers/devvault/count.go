package devvault

import (
	"slices"
	"strings"
	"sync"
)

// CallCount is how often a route of a vault was called. Effect is read, write or auth.
type CallCount struct {
	Vault  string `json:"vault"`
	Method string `json:"method"`
	Route  string `json:"route"`
	Effect string `json:"effect"`
	Count  int    `json:"count"`
}

type counts struct {
	mu sync.Mutex
	m  map[countKey]int
}

type countKey struct {
	vault string
	route *route
}

func (c *counts) add(vault string, r *route) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.m == nil {
		c.m = map[countKey]int{}
	}
	c.m[countKey{vault, r}]++
}

// Calls returns how often each route was called, in order of vault, route and method. With reset, counting starts again from zero.
func (s *Server) Calls(reset bool) []CallCount {
	c := &s.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make([]CallCount, 0, len(c.m))
	for k, n := range c.m {
		list = append(list, CallCount{k.vault, k.route.method, k.route.pattern, string(k.route.effect), n})
	}
	if reset {
		c.m = nil
	}
	slices.SortFunc(list, func(a, b CallCount) int {
		if n := strings.Compare(a.Vault, b.Vault); n != 0 {
			return n
		}
		return strings.Compare(a.Route+" "+a.Method, b.Route+" "+b.Method)
	})
	return list
}
