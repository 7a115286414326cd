//go:build !linux || race

package early

// enlarge does nothing where the system gives large pages by itself, or none; and
// under the race detector, whose own memory grows with what is mapped.
func enlarge() {}
