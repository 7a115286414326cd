//go:build !linux

package early

// enlarge does nothing where the system gives large pages by itself, or none.
func enlarge() {}
