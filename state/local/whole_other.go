//go:build !unix

package local

// readWhole reads a file.
func readWhole(path string) (whole, error) { return readPlainly(path) }
