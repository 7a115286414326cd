//go:build unix

package postgres

import (
	"os"
	"sync"
	"testing"

	"accord/state/statetest"
)

// server is a PostgreSQL of the tests' own, made when the first one needs it.
var server struct {
	once sync.Once
	url  string
	err  error
	stop func()
}

func TestMain(m *testing.M) {
	code := m.Run()
	if server.stop != nil {
		server.stop()
	}
	os.Exit(code)
}

// database returns the url of the server.
func database(t *testing.T) string {
	t.Helper()
	server.once.Do(func() { server.url, server.stop, server.err = statetest.PostgreSQL() })
	statetest.Required(t, server.err)
	return server.url
}

// execute runs a statement in a schema.
func (p *place) execute(t *testing.T, statement string) {
	t.Helper()
	if _, err := p.db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}
