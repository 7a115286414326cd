package statetest

import (
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

// ErrNoPostgreSQL says that there is none to start.
var ErrNoPostgreSQL = errors.New("PostgreSQL is not installed (Debian: apt-get install postgresql)")

// Needed reports whether ACCORD_REQUIRE says that there must be a PostgreSQL.
func Needed() bool {
	return slices.Contains(strings.Split(os.Getenv("ACCORD_REQUIRE"), ","), "postgres")
}

// Required fails a test that has no PostgreSQL where ACCORD_REQUIRE says that
// there must be one, and skips it elsewhere.
func Required(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, ErrNoPostgreSQL) && !Needed():
		t.Skip(err)
	default:
		t.Fatal(err)
	}
}
