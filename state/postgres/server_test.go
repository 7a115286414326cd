//go:build unix

package postgres

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// server is a PostgreSQL of the tests' own, made when the first one needs it:
// a socket in a folder that goes with it.
var server struct {
	once sync.Once
	url  string
	why  string // there is none
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
	server.once.Do(func() { server.err = startServer() })
	if server.err != nil {
		t.Fatal(server.err)
	}
	if server.why != "" {
		if slices.Contains(strings.Split(os.Getenv("ACCORD_REQUIRE"), ","), "postgres") {
			t.Fatal(server.why)
		}
		t.Skip(server.why)
	}
	return server.url
}

func startServer() error {
	initdb, postgres := find("initdb"), find("postgres")
	if initdb == "" || postgres == "" {
		server.why = "PostgreSQL is not installed (Debian: apt-get install postgresql)"
		return nil
	}
	dir, err := os.MkdirTemp("", "accord-pg")
	if err != nil {
		return err
	}
	attr := &syscall.SysProcAttr{}
	if os.Getuid() == 0 { // which PostgreSQL refuses to run as
		u, err := user.Lookup("postgres")
		if err != nil {
			server.why = "PostgreSQL refuses root, and there is no user postgres"
			return os.RemoveAll(dir)
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			return err
		}
	}
	data := filepath.Join(dir, "data")
	cmd := exec.Command(initdb, "-D", data, "-U", "accord", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
	cmd.Dir, cmd.SysProcAttr = dir, attr
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	cmd = exec.Command(postgres, "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=300", "-c", "shared_buffers=32MB")
	cmd.Dir, cmd.SysProcAttr = dir, attr
	log, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	server.stop = func() {
		cmd.Process.Signal(syscall.SIGQUIT) // at once
		cmd.Wait()
		os.RemoveAll(dir)
	}
	ready := make(chan error, 1)
	go func() {
		var seen strings.Builder
		lines := bufio.NewScanner(log)
		for lines.Scan() {
			if seen.Len() < 1<<16 {
				seen.WriteString(lines.Text() + "\n")
			}
			if strings.Contains(lines.Text(), "ready to accept connections") {
				ready <- nil
			}
		}
		select {
		case ready <- errors.New("PostgreSQL ended:\n" + seen.String()):
		default:
		}
	}()
	server.url = "postgres://accord@/postgres?host=" + dir
	return <-ready
}

// find looks where Debian puts what it keeps out of the path.
func find(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	paths, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
	if len(paths) == 0 {
		return ""
	}
	return paths[len(paths)-1]
}

// execute runs a statement in a schema.
func (p *place) execute(t *testing.T, statement string) {
	t.Helper()
	if _, err := p.db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}
