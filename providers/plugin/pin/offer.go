package pin

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"github.com/hashicorp/go-version"

	"accord/lang/addrs"
)

// Platform is the one that this process runs on, as it is locked.
func Platform() string { return runtime.GOOS + "_" + runtime.GOARCH }

var platformForm = regexp.MustCompile(`^[a-z0-9]+_[a-z0-9]+$`)

// Offer is a binary that a folder holds of a provider.
type Offer struct {
	Path     string
	Version  *version.Version // nil where the file's name does not say it
	Platform string
}

// prefix begins the name of every provider's binary.
const prefix = "accord-provider-"

// Find returns the binaries of a provider in folders, newest first, and of one
// version the first folder's first. They are called
//
//	accord-provider-NAME[_VERSION][_OS_ARCH][.exe]
//
// and lie in a folder itself, or below it in [HOST/]NAMESPACE/NAME. A folder
// that is not there offers nothing.
func Find(folders []string, source addrs.Source) ([]Offer, error) {
	var offers []Offer
	for _, folder := range folders {
		for _, where := range []string{filepath.Join(folder, filepath.FromSlash(source.String())), folder} {
			entries, err := os.ReadDir(where)
			if err != nil {
				if errors.Is(err, fs.ErrNotExist) {
					continue
				}
				return nil, err
			}
			for _, entry := range entries {
				offer, ok := offered(entry.Name(), source.Name)
				if offer.Path = filepath.Join(where, entry.Name()); ok && regular(offer.Path) {
					offers = append(offers, offer)
				}
			}
		}
	}
	slices.SortStableFunc(offers, func(a, b Offer) int {
		switch {
		case a.Version != nil && b.Version != nil:
			return b.Version.Compare(a.Version)
		default:
			return cmp.Compare(known(b), known(a))
		}
	})
	return offers, nil
}

func known(o Offer) int {
	if o.Version == nil {
		return 0
	}
	return 1
}

// regular follows links: a folder may be made of them.
func regular(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// offered reads the name of a file.
func offered(file, name string) (o Offer, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimSuffix(file, ".exe"), prefix+name)
	if !ok {
		return o, false
	}
	o.Platform = Platform()
	if rest == "" {
		return o, true
	}
	parts := strings.Split(rest, "_")
	if parts[0] != "" {
		return o, false // of another provider, whose name begins with this one's
	}
	parts = parts[1:]
	if n := len(parts); n >= 2 {
		if o.Platform = parts[n-2] + "_" + parts[n-1]; !platformForm.MatchString(o.Platform) {
			return o, false
		}
		parts = parts[:n-2]
	}
	if len(parts) == 0 {
		return o, true
	}
	v, err := version.NewVersion(parts[0])
	if err != nil || len(parts) > 1 {
		return o, false
	}
	o.Version = v
	return o, true
}
