package lower

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync"
)

// What is kept from one run to the next makes things faster, and nothing else:
// what cannot be written is not kept, and what is not as it was written was
// never there.

// Keep writes a file, whole or not at all. The head says what it is, and of
// what. A folder that is not there is not made, but for the last one.
func Keep(path string, head, body []byte) error {
	folder := filepath.Dir(path)
	if err := os.Mkdir(folder, 0o700); err != nil && !os.IsExist(err) {
		return err
	}
	f, err := os.CreateTemp(folder, filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	sum := sha256.Sum256(body)
	for _, part := range [][]byte{head, sum[:], body} {
		if _, err := f.Write(part); err != nil {
			_ = f.Close()
			return err
		}
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// Recall is the body that Keep wrote under the same head; nil where there is
// none.
func Recall(path string, head []byte) []byte {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	rest, ours := bytes.CutPrefix(data, head)
	if !ours || len(rest) < sha256.Size || sha256.Sum256(rest[sha256.Size:]) != [sha256.Size]byte(rest[:sha256.Size]) {
		return nil
	}
	return rest[sha256.Size:]
}

// Program tells programs apart that may read a configuration otherwise. One that
// was not built of a commit is told by when it was built.
var Program = sync.OnceValue(func() string {
	text, committed := "", false
	if info, ok := debug.ReadBuildInfo(); ok {
		text = info.GoVersion + " " + info.Main.Version
		for _, dep := range info.Deps {
			if dep.Path == "github.com/hashicorp/hcl/v2" || dep.Path == "github.com/zclconf/go-cty" {
				text += " " + dep.Version
			}
		}
		settings := map[string]string{}
		for _, s := range info.Settings {
			settings[s.Key] = s.Value
		}
		text += " " + settings["vcs.revision"]
		committed = settings["vcs.revision"] != "" && settings["vcs.modified"] == "false"
	}
	if committed {
		return text
	}
	if self, err := os.Executable(); err == nil {
		if info, err := os.Stat(self); err == nil {
			text += fmt.Sprintf(" %d %d", info.Size(), info.ModTime().UnixNano())
		}
	}
	return text
})
