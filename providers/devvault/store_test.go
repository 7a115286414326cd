package devvault

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
)

// A data folder is opened again by the accord that made it, and by no other.
func TestTablesOfAnotherVersion(t *testing.T) {
	dir := t.TempDir()
	open := func() *store {
		t.Helper()
		s, err := openStore(dir, true)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	if err := open().close(); err != nil {
		t.Fatal(err)
	}
	if err := open().close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", filepath.Join(dir, "vaults.db"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA user_version = 1"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err := openStore(dir, true); err == nil {
		s.close()
		t.Error("a folder with other tables is opened")
	} else if !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "remove the folder") {
		t.Errorf("it says %q", err)
	}
}
