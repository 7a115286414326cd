package addrs

import (
	"fmt"
	"regexp"
	"strings"
)

// Source names a provider that is not built in: who makes it, and what it is
// called. Each part is safe as the name of a folder on every system, and no two
// that differ are one folder anywhere.
type Source struct {
	Host      string // "" where it is left out
	Namespace string
	Name      string
}

func (s Source) String() string {
	if s.Host == "" {
		return s.Namespace + "/" + s.Name
	}
	return s.Host + "/" + s.Namespace + "/" + s.Name
}

// sourceLength is how long a part of a source may be, as of a domain name.
const sourceLength = 63

var (
	sourcePart = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$`)
	sourceName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`) // an underscore ends it in a file's name
	reserved   = regexp.MustCompile(`^(con|prn|aux|nul|com[0-9]|lpt[0-9])(\.|$)`)
)

// ParseSource reads [HOST/]NAMESPACE/NAME.
func ParseSource(s string) (Source, error) {
	parts := strings.Split(s, "/")
	if len(parts) != 2 && len(parts) != 3 {
		return Source{}, fmt.Errorf("%q is not a source such as acme/notes or example.com/acme/notes", s)
	}
	for n, part := range parts {
		form, what := sourcePart, "lower-case letters, digits, dots, dashes and underscores"
		if n == len(parts)-1 {
			form, what = sourceName, "lower-case letters, digits and dashes"
		}
		switch {
		case len(part) > sourceLength || !form.MatchString(part):
			return Source{}, fmt.Errorf("in the source %q, %q is not a name of %s that begins and ends with a letter or digit", s, part, what)
		case reserved.MatchString(part):
			return Source{}, fmt.Errorf("in the source %q, %q is a name that Windows keeps for a device", s, part)
		}
	}
	last := len(parts) - 1
	source := Source{Namespace: parts[last-1], Name: parts[last]}
	if last == 2 {
		source.Host = parts[0]
	}
	return source, nil
}
