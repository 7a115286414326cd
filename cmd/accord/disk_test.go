//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// disk is a small file system of its own.
type disk struct {
	t    *testing.T
	path string
}

// newDisk mounts one, where that is allowed.
func newDisk(t *testing.T, bytes int) *disk {
	t.Helper()
	d := &disk{t: t, path: t.TempDir()}
	if err := syscall.Mount("none", d.path, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		if !slices.Contains(strings.Split(os.Getenv("ACCORD_REQUIRE"), ","), "mount") {
			t.Skip("no disk can be mounted here: ", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for range 100 { // the last process may be ending
			if syscall.Unmount(d.path, 0) == nil {
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
		_ = syscall.Unmount(d.path, syscall.MNT_DETACH)
	})
	return d
}

// fill leaves no byte free.
func (d *disk) fill() {
	d.t.Helper()
	f, err := os.OpenFile(filepath.Join(d.path, "filler"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for size := 4096; size > 0; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}

func (d *disk) free() {
	d.t.Helper()
	if err := os.Remove(filepath.Join(d.path, "filler")); err != nil {
		d.t.Fatal(err)
	}
}

func (d *disk) readOnly(on bool) {
	d.t.Helper()
	flags := uintptr(syscall.MS_REMOUNT)
	if on {
		flags |= syscall.MS_RDONLY
	}
	err := syscall.EBUSY
	for deadline := time.Now().Add(patience); errors.Is(err, syscall.EBUSY) && time.Now().Before(deadline); { // the last process may be ending
		time.Sleep(20 * time.Millisecond)
		err, _ = syscall.Mount("none", d.path, "tmpfs", flags, "").(syscall.Errno)
	}
	if err != 0 {
		d.t.Fatal(err)
	}
}

// onDisk is a world with its state on a small disk, applied once.
func onDisk(t *testing.T) (*story, *disk) {
	d := newDisk(t, 1<<20)
	s := &story{world: worked(t)}
	s.block = fmt.Sprintf("state \"local\" {\n    path = %q\n  }", filepath.Join(d.path, "accord.state.json"))
	s.clock.run()
	s.done("apply", "-auto-approve")
	return s, d
}

// says runs the tool, and wants an exit code and words.
func (s *story) says(code int, words string, args ...string) string {
	s.t.Helper()
	p := s.begin(args...)
	got, text := p.end(), p.out.String()
	if got != code {
		s.fail("%v exits %d, not %d:\n%s", args, got, code, text)
	}
	for word := range strings.SplitSeq(words, "|") {
		if !strings.Contains(strings.Join(strings.Fields(strings.ReplaceAll(text, "│", " ")), " "), word) {
			s.fail("%v does not say %q:\n%s", args, word, text)
		}
	}
	return text
}

const noSpace = "no space left on device"

// Anchors §3b.9: on a full disk nothing is begun that could not be recorded;
// the state opens, and when there is space again everything goes on.
func TestFullDisk(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	s, d := onDisk(t)
	serial := s.says(exitOK, "", "state", "list")
	d.fill()
	s.reroute(1)
	s.rewrite(1)
	s.writes()
	s.says(exitError, noSpace, "apply", "-auto-approve")
	s.says(exitError, noSpace, "sync")
	for call, n := range s.writes() {
		s.fail("on a full disk, %d calls of %s", n, call)
	}
	if now := s.says(exitOK, "", "state", "list"); now != serial {
		s.fail("the state was\n%s\nand is\n%s", serial, now)
	}
	s.says(exitOK, "", "show")
	d.free()
	before := s.look()
	s.settle()
	s.resumed()
	s.ended(deeds[0])
	s.converged(before)
}

// The disk is full in the middle of an apply, and of a run: what the vault was
// asked for is on record, and is found out when there is space again.
func TestDiskFillsUp(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	for name, writes := range map[string]func(method, path string) bool{"resources": writesSettings, "content": writesContent} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, d := onDisk(t)
			s.reroute(1)
			s.rewrite(1)
			before := s.look()
			s.settle()
			came, release := s.held(writes)
			p := s.begin("apply", "-auto-approve")
			p.comes(t, came)
			d.fill()
			release()
			if code, text := p.end(), p.out.String(); code != exitError || !strings.Contains(strings.Join(strings.Fields(strings.ReplaceAll(text, "│", " ")), " "), noSpace) {
				s.fail("apply exits %d:\n%s", code, text)
			}
			s.says(exitOK, "", "show")
			d.free()
			s.resumed()
			s.ended(deeds[0])
			s.converged(before)
		})
	}
}

// On a read-only disk what only reads goes on, and what would write says so
// before it does anything.
func TestReadOnlyDisk(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	s, d := onDisk(t)
	s.reroute(1)
	s.configure()
	d.readOnly(true)
	s.writes()
	const words = "read-only file system"
	s.says(exitError, words, "apply", "-auto-approve")
	s.says(exitError, words, "sync")
	s.says(exitError, words, "state", "rm", "vault.promomats")
	for call, n := range s.writes() {
		s.fail("on a read-only disk, %d calls of %s", n, call)
	}
	for _, args := range [][]string{{"show"}, {"state", "list"}, {"state", "pull"}, {"state", "history"}, {"output"}, {"validate"}, {"plan"}, {"drift"}, {"exceptions", "list"}} {
		s.says(exitOK, "", args...)
	}
	d.readOnly(false)
	s.done("apply", "-auto-approve")
	s.says(exitOK, "", "plan", "-detailed-exitcode")
}

// Where nothing was applied yet and nothing can be written, a plan shows what would
// be, and what would write says so before it does anything.
func TestNothingOnReadOnlyDisk(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	d := newDisk(t, 1<<20)
	s := &story{world: worked(t)}
	s.block = fmt.Sprintf("state \"local\" {\n    path = %q\n  }", filepath.Join(d.path, "accord.state.json"))
	s.clock.run()
	s.configure()
	d.readOnly(true)
	s.says(exitOK, "to adopt", "plan")
	s.says(exitError, "Nothing has been applied yet", "exceptions", "list")
	s.writes()
	s.says(exitError, "read-only file system", "apply", "-auto-approve")
	for call, n := range s.writes() {
		s.fail("on a read-only disk, %d calls of %s", n, call)
	}
	d.readOnly(false)
	s.done("apply", "-auto-approve")
}

// A plan that cannot be saved is an error, and the one before stays whole.
func TestPlanOnFullDisk(t *testing.T) {
	withoutRaces(t)
	t.Parallel()
	d := newDisk(t, 1<<20)
	s := &story{world: worked(t)}
	s.clock.run()
	s.done("apply", "-auto-approve")
	s.reroute(1)
	file := filepath.Join(d.path, "saved.plan")
	s.says(exitOK, "Saved", "plan", "-out="+file)
	was, err := os.ReadFile(file)
	s.must(nil, err)
	d.fill()
	s.reroute(0)
	s.says(exitError, noSpace+"|saved.plan", "plan", "-out="+file)
	s.says(exitError, noSpace+"|/dev/full", "plan", "-out=/dev/full")
	if now, err := os.ReadFile(file); err != nil || string(now) != string(was) {
		s.fail("the plan that was saved before is another: %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(d.path, ".saved.plan*")); len(left) > 0 {
		s.fail("left behind: %v", left)
	}
	s.says(exitOK, "", "show", file)
}
