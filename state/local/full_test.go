//go:build unix

package local

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"accord/state"
)

func init() { acts["full"] = fullDisk }

// Anchors §3b.9: when the disk is full nothing is promised, what was promised
// before stays, and when there is space again everything goes on.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "accord.state.json")
	a := start(t, "full", path)
	if got := a.line(); got != "ok" {
		t.Fatalf("the actor says %q", got)
	}
	if err := a.Wait(); err != nil {
		t.Fatal(err)
	}
	st := mustRead(t, open(t, path, nil))
	if st.Serial != 2 || len(st.Objects) != 4 || len(st.Open) != 0 {
		t.Errorf("serial %d, %d objects, %d open", st.Serial, len(st.Objects), len(st.Open))
	}
}

// fullDisk runs with a limit on the size of files in place of a full disk.
func fullDisk(s *Store, _ []string) error {
	signal.Ignore(syscall.SIGXFSZ)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return err
	}
	unlimited := limit.Cur
	space := func(bytes uint64) {
		limit.Cur = bytes
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
			panic(err)
		}
	}
	lock, err := s.Lock(ctx, "apply")
	if err != nil {
		return err
	}
	if err := errors.Join(lock.Done(ctx, []state.Outcome{outcome("a", `{}`)}), lock.Save(ctx), lock.Done(ctx, []state.Outcome{outcome("b", `{}`)})); err != nil {
		return err
	}
	info, err := os.Stat(s.logPath())
	if err != nil {
		return err
	}
	before, err := os.ReadFile(s.path)
	if err != nil {
		return err
	}

	space(uint64(info.Size()) + 20) // half a line
	big := outcome("c", fmt.Sprintf("%q", strings.Repeat("x", 4096)))
	if err := lock.Intend(ctx, []state.Intent{{Addr: big.Addr}}); err == nil {
		return errors.New("an intent was promised on a full disk")
	}
	if err := lock.Done(ctx, []state.Outcome{big}); err == nil {
		return errors.New("an outcome was promised on a full disk")
	}
	if err := lock.Save(ctx); err == nil {
		return errors.New("a state was saved on a full disk")
	}
	now, err := s.Read(ctx)
	if err != nil {
		return fmt.Errorf("on a full disk: %w", err)
	}
	after, err := os.ReadFile(s.path)
	if err != nil || string(after) != string(before) || len(now.Objects) != 2 {
		return fmt.Errorf("on a full disk the state changed: %v, %d objects", err, len(now.Objects))
	}
	if n := len(lock.State().Objects); n != 3 {
		return fmt.Errorf("the outcome is not even in memory: %d objects", n)
	}

	space(unlimited)
	if err := errors.Join(lock.Done(ctx, []state.Outcome{outcome("d", `{}`)}), lock.Save(ctx), lock.Unlock()); err != nil {
		return fmt.Errorf("with space again: %w", err)
	}
	fmt.Println("ok")
	return nil
}
