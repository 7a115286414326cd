package pin

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"accord/lang/addrs"
)

var notes = addrs.Source{Host: "example.com", Namespace: "acme", Name: "notes"}

func sum(digit string) string { return "sha256:" + strings.Repeat(digit, 64) }

// What is written is sorted, laid out, and reads back.
func TestLock(t *testing.T) {
	lock := &Lock{}
	lock.Set(Provider{Source: notes, Version: "1.0.0", Checksums: map[string]string{"linux_amd64": sum("a")}})
	lock.Set(Provider{Source: addrs.Source{Namespace: "acme", Name: "x"}, Version: "2.0.0-rc1", Checksums: map[string]string{"linux_amd64": sum("b")}})
	lock.Set(Provider{Source: notes, Version: "1.1.0", Checksums: map[string]string{"linux_amd64": sum("a"), "darwin_arm64": sum("c")}})
	want := `# Written by accord init. Keep it with the configuration: it says which
# providers everyone runs, and accord runs no others.

provider "acme/x" {
  version = "2.0.0-rc1"
  checksums = {
    linux_amd64 = "` + sum("b") + `"
  }
}

provider "example.com/acme/notes" {
  version = "1.1.0"
  checksums = {
    darwin_arm64 = "` + sum("c") + `"
    linux_amd64  = "` + sum("a") + `"
  }
}
`
	if diff := cmp.Diff(want, string(lock.Bytes())); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	path := filepath.Join(t.TempDir(), "lock.hcl")
	for range 2 { // also over what is there
		if err := lock.Write(path); err != nil {
			t.Fatal(err)
		}
	}
	got, _, diags := ReadLock(path)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	if diff := cmp.Diff(lock, got); diff != "" {
		t.Errorf("read back (-written +read)\n%s", diff)
	}
	if p := got.Provider(notes); p == nil || !slices.Equal(p.Platforms(), []string{"darwin_arm64", "linux_amd64"}) {
		t.Errorf("%+v", p)
	}
	if none, _, diags := ReadLock(path + "-none"); diags.HasErrors() || len(none.Providers) != 0 {
		t.Errorf("no lock file: %+v, %v", none, diags)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestBadLock(t *testing.T) {
	for text, want := range map[string]string{
		`provider "a/b" {`:  "Unclosed configuration block",
		`provider "a/b" {}`: "Missing required argument",
		"provider \"../b\" {\n version = \"1.0.0\"\n checksums = {}\n}":                                 `in the source "../b"`,
		"provider \"a/b\" {\n version = \"one\"\n checksums = {}\n}":                                    `"one" is no version`,
		"provider \"a/b\" {\n version = \"1.0.0\"\n checksums = { linux_amd64 = \"sha256:12\" }\n}":     "not a platform with a checksum",
		"provider \"a/b\" {\n version = \"1.0.0\"\n checksums = { \"../x\" = \"" + sum("a") + "\" }\n}": "not a platform with a checksum",
		strings.Repeat("provider \"a/b\" {\n version = \"1.0.0\"\n checksums = {}\n}\n", 2):             "in it twice",
	} {
		path := filepath.Join(t.TempDir(), "lock.hcl")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		lock, files, diags := ReadLock(path)
		if lock != nil || !diags.HasErrors() || !strings.Contains(diags.Error(), want) || diags[0].Subject == nil || files[path] == nil {
			t.Errorf("%s\ngives %v, not %s", text, diags, want)
		}
	}
}

func TestFind(t *testing.T) {
	first, second := t.TempDir(), t.TempDir()
	below := filepath.Join(second, "example.com", "acme", "notes")
	if err := os.MkdirAll(filepath.Join(below, "accord-provider-notes_9.0.0"), 0o700); err != nil { // a folder is no binary
		t.Fatal(err)
	}
	for _, path := range []string{
		filepath.Join(first, "accord-provider-notes"),
		filepath.Join(first, "accord-provider-notes_1.9.0"),
		filepath.Join(first, "accord-provider-notes_1.10.0_plan9_arm.exe"),
		filepath.Join(first, "accord-provider-notes_darwin_arm64"),
		filepath.Join(first, "accord-provider-notes-more_1.0.0"),
		filepath.Join(first, "accord-provider-notes_new"),
		filepath.Join(first, "accord-provider-notes_1.0.0_linux"),
		filepath.Join(first, "notes"),
		filepath.Join(second, "accord-provider-notes_1.9.0"),
		filepath.Join(below, "accord-provider-notes_1.9.0"),
		filepath.Join(below, "accord-provider-notes_2.0.0-rc1"),
	} {
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	offers, err := Find([]string{first, filepath.Join(first, "none"), second}, notes)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, o := range offers {
		v := "?"
		if o.Version != nil {
			v = o.Version.String()
		}
		path := strings.NewReplacer(first, "1", second, "2", string(filepath.Separator), "/", Platform(), "here").Replace(o.Path + " " + v + " " + o.Platform)
		got = append(got, path)
	}
	want := []string{
		"2/example.com/acme/notes/accord-provider-notes_2.0.0-rc1 2.0.0-rc1 here",
		"1/accord-provider-notes_1.10.0_plan9_arm.exe 1.10.0 plan9_arm",
		"1/accord-provider-notes_1.9.0 1.9.0 here",
		"2/example.com/acme/notes/accord-provider-notes_1.9.0 1.9.0 here",
		"2/accord-provider-notes_1.9.0 1.9.0 here",
		"1/accord-provider-notes ? here",
		"1/accord-provider-notes_darwin_arm64 ? darwin_arm64",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// The copy is what is checked and run, whatever becomes of the original, and
// nothing is left where it is not what was locked.
func TestTake(t *testing.T) {
	work, path := t.TempDir(), filepath.Join(t.TempDir(), "accord-provider-notes")
	if err := os.WriteFile(path, []byte("first"), 0o600); err != nil {
		t.Fatal(err)
	}
	want, err := Checksum(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Take(work, path, want)
	if err != nil || c.Checksum != want {
		t.Fatalf("%+v, %v", c, err)
	}
	if err := os.WriteFile(path, []byte("second"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(c.Path); string(b) != "first" || err != nil {
		t.Errorf("the copy holds %s, %v", b, err)
	}
	if info, err := os.Stat(filepath.Dir(c.Path)); runtime.GOOS != "windows" && (err != nil || info.Mode().Perm() != 0o700) {
		t.Errorf("its folder: %v, %v", info.Mode(), err)
	}
	installed := Installed(filepath.Join(work, "kept"), notes, "1.0.0", "linux_amd64")
	if err := c.Install(installed); err != nil {
		t.Fatal(err)
	}
	if got, err := Checksum(installed); got != want {
		t.Errorf("installed with %s, %v", got, err)
	}
	if err := c.Remove(); err != nil {
		t.Fatal(err)
	}
	var changed *ChangedError
	if _, err := Take(work, path, want); !errors.As(err, &changed) || changed.Want != want || changed.Got == want {
		t.Errorf("other bytes: %v", err)
	}
	if _, err := Take(work, path+"-none", ""); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
	left, _ := filepath.Glob(filepath.Join(work, leftover+"*"))
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// What a killed process left is deleted by a later one.
func TestSweep(t *testing.T) {
	work := t.TempDir()
	old, young := filepath.Join(work, leftover+"old"), filepath.Join(work, leftover+"young")
	for _, dir := range []string{old, young} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-25*time.Hour)); err != nil {
		t.Fatal(err)
	}
	if _, err := Take(work, filepath.Join(work, "none"), ""); err == nil {
		t.Error("there is nothing to take")
	}
	sweep(work)
	if _, err := os.Stat(old); !os.IsNotExist(err) {
		t.Error("what is old is still there")
	}
	if _, err := os.Stat(young); err != nil {
		t.Error("what may still run was deleted")
	}
}

// A copy can be run at once, whatever other processes begin meanwhile.
func TestTakeBesideForks(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	work := t.TempDir()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 5 {
				c, err := Take(work, self, "")
				if err != nil {
					t.Error(err)
					return
				}
				if out, err := exec.Command(c.Path, "-test.run=^$").CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
				c.Started()
			}
		})
	}
	all.Wait()
}
