package local

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// writeTemp writes data durably under another name beside path. A process that
// died may have left one.
func (s *Store) writeTemp(path string, data []byte) (name string, err error) {
	name = path + ".tmp"
	if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err == nil {
		err = s.fsync(f)
	}
	if err = errors.Join(err, f.Close()); err != nil {
		os.Remove(name)
		return "", err
	}
	return name, nil
}

// writeFile makes data the contents of path: all of it, or what was there.
func (s *Store) writeFile(path string, data []byte) error {
	temp, err := s.writeTemp(path, data)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		os.Remove(temp)
		return err
	}
	return s.syncDir(filepath.Dir(path))
}

// makeDirs makes the folders of the store.
func (s *Store) makeDirs() error {
	for _, dir := range []string{s.backupDir(), s.aliveDir()} {
		if err := s.makeDir(dir); err != nil {
			return err
		}
	}
	return nil
}

// makeDir makes a folder and those above it, durably.
func (s *Store) makeDir(dir string) error {
	if _, err := os.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.makeDir(filepath.Dir(dir)); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return s.syncDir(filepath.Dir(dir))
}

func (s *Store) syncDir(dir string) error {
	if runtime.GOOS == "windows" { // folders cannot be synced there
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(s.fsync(f), f.Close())
}

func (s *Store) fsync(f *os.File) error {
	s.fsyncs.Add(1)
	return f.Sync()
}

// Fsyncs counts how often a file or a folder was made durable. It is for who
// measures.
func (s *Store) Fsyncs() int64 { return s.fsyncs.Load() }

// backup keeps the present state file under a name of its own, and forgets the
// oldest ones. There need not be a state file.
func (s *Store) backup(serial uint64) error {
	name := fmt.Sprintf("%s-%08d.json", s.opts.Now().UTC().Format("20060102T150405.000000000Z"), serial)
	err := linkOrCopy(s.path, filepath.Join(s.backupDir(), name))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
		return nil // the first version; or kept a moment ago, by a save that came no further
	}
	if err != nil {
		return err
	}
	kept := s.backups()
	for len(kept) > s.opts.Backups {
		if err := os.Remove(filepath.Join(s.backupDir(), kept[0])); err != nil {
			return err
		}
		kept = kept[1:]
	}
	return nil
}

// backups returns the names of the kept versions, oldest first.
func (s *Store) backups() []string {
	files, _ := os.ReadDir(s.backupDir()) // sorted
	var kept []string
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".json") {
			kept = append(kept, f.Name())
		}
	}
	return kept
}

func linkOrCopy(from, to string) error {
	err := os.Link(from, to)
	if err == nil || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist) {
		return err
	}
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
