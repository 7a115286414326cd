package main

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"

	"accord/state/failpoint"
)

// replaceFile makes text the contents of a file: all of it, or what was there,
// whatever happens meanwhile. What is no regular file, such as /dev/stdout, is
// written to as it is.
func replaceFile(name string, text []byte, mode os.FileMode) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		return os.WriteFile(name, text, mode)
	}
	if target, err := filepath.EvalSymlinks(name); err == nil {
		name = target // a link stays one
	}
	dir := filepath.Dir(name)
	tmp, err := os.CreateTemp(dir, "."+filepath.Base(name)+".*") // 0600
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name()) // gone when all went well
	_, err = tmp.Write(text)
	if err == nil {
		err = tmp.Chmod(mode)
	}
	if err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return err
	}
	failpoint.Reach(failpoint.FilePrepared)
	if err := os.Rename(tmp.Name(), name); err != nil {
		return err
	}
	failpoint.Reach(failpoint.FileReplaced)
	return syncFolder(dir)
}

// syncFolder makes durable which files a folder has.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" { // folders cannot be synced there
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
