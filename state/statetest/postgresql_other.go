//go:build !unix

package statetest

// PostgreSQL starts none: its own programs are looked for on Unix alone.
func PostgreSQL() (url string, stop func(), err error) { return "", nil, ErrNoPostgreSQL }
