package pin

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"

	"accord/lang/addrs"
)

// Copy is a binary that nobody else can reach.
type Copy struct {
	Path     string
	Checksum string // of its bytes
}

// ChangedError says that bytes are not those that were locked.
type ChangedError struct {
	Path      string
	Want, Got string // checksums
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s is not what was locked: its checksum is %s, not %s", e.Path, short(e.Got), short(e.Want))
}

func short(sum string) string { return sum[:min(len(sum), len("sha256:")+12)] + "…" }

// Take copies a binary into a folder of its own below a working folder, where
// only this user can write, and holds the copy against its checksum; "" takes
// any. Nothing is left where it fails.
func Take(work, path, checksum string) (*Copy, error) {
	if err := os.MkdirAll(work, 0o700); err != nil {
		return nil, err
	}
	sweep(work)
	from, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	folder, err := os.MkdirTemp(work, leftover)
	if err != nil {
		return nil, err
	}
	c := &Copy{Path: filepath.Join(folder, filepath.Base(path))}
	if c.Path, err = filepath.Abs(c.Path); err == nil {
		c.Checksum, err = fill(c.Path, from)
	}
	if err == nil && checksum != "" && c.Checksum != checksum {
		err = &ChangedError{Path: path, Want: checksum, Got: c.Checksum}
	}
	if err != nil {
		_ = c.Remove()
		return nil, err
	}
	return c, nil
}

// fill writes an executable. No process may begin meanwhile: it would hold the
// file open for writing until its own program is loaded, and a file that is
// open for writing cannot be run.
func fill(path string, from io.Reader) (checksum string, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	to, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		return "", err
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(to, h), from)
	if err := errors.Join(err, to.Close()); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// Started says that the binary runs. Where the system lets a running program
// be deleted, it is.
func (c *Copy) Started() {
	if runtime.GOOS != "windows" {
		_ = c.Remove()
	}
}

// Remove deletes the copy. It may be called again.
func (c *Copy) Remove() error { return os.RemoveAll(filepath.Dir(c.Path)) }

// leftover begins the name of a copy's folder.
const leftover = "plugin-"

// sweep deletes copies whose process was killed before it could.
func sweep(work string) {
	entries, err := os.ReadDir(work)
	if err != nil {
		return
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if err == nil && entry.IsDir() && strings.HasPrefix(entry.Name(), leftover) && time.Since(info.ModTime()) > 24*time.Hour {
			_ = os.RemoveAll(filepath.Join(work, entry.Name())) // one that still runs cannot be deleted, on Windows
		}
	}
}

// Installed is where a binary is kept below a folder.
func Installed(folder string, source addrs.Source, version, platform string) string {
	name := prefix + source.Name
	if strings.HasPrefix(platform, "windows_") {
		name += ".exe"
	}
	return filepath.Join(folder, filepath.FromSlash(source.String()), version, platform, name)
}

// Install keeps a copy where Installed says.
func (c *Copy) Install(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	from, err := os.Open(c.Path)
	if err != nil {
		return err
	}
	defer from.Close()
	return replace(path, 0o755, func(to *os.File) error {
		_, err := io.Copy(to, from)
		return err
	})
}

// Checksum is that of a file which is not run.
func Checksum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return "sha256:" + hex.EncodeToString(h.Sum(nil)), nil
}

// replace writes a file whole or not at all.
func replace(path string, mode os.FileMode, write func(*os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	if err := errors.Join(write(f), f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
