//go:build unix

package statetest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// PostgreSQL starts a real one, with a socket in a folder that goes when it is
// stopped, and returns its url.
func PostgreSQL() (url string, stop func(), err error) {
	initdb, postgres := find("initdb"), find("postgres")
	if initdb == "" || postgres == "" {
		return "", nil, ErrNoPostgreSQL
	}
	dir, err := os.MkdirTemp("/tmp", "accord-pg") // which everybody can enter, and is short enough for a socket
	if err != nil {
		return "", nil, err
	}
	attr := &syscall.SysProcAttr{}
	if os.Getuid() == 0 { // which PostgreSQL refuses to run as
		u, err := user.Lookup("postgres")
		if err != nil {
			return "", nil, errors.Join(fmt.Errorf("PostgreSQL refuses root, and there is no user postgres: %w", ErrNoPostgreSQL), os.RemoveAll(dir))
		}
		uid, _ := strconv.Atoi(u.Uid)
		gid, _ := strconv.Atoi(u.Gid)
		attr.Credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := os.Chown(dir, uid, gid); err != nil {
			return "", nil, err
		}
	}
	data := filepath.Join(dir, "data")
	cmd := exec.Command(initdb, "-D", data, "-U", "accord", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C.UTF-8")
	cmd.Dir, cmd.SysProcAttr = dir, attr
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", nil, fmt.Errorf("initdb: %w\n%s", err, out)
	}
	cmd = exec.Command(postgres, "-D", data, "-k", dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=300", "-c", "shared_buffers=32MB")
	cmd.Dir, cmd.SysProcAttr = dir, attr
	log, err := cmd.StderrPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
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
	return "postgres://accord@/postgres?host=" + dir, stop, <-ready
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
