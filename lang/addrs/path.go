package addrs

import (
	"strconv"
	"strings"
)

// Path is a place inside an object's body, as an RFC 6901 pointer:
// "/countries/2", "/object/brand__c/permissions". "" is the whole body.
type Path string

// Child returns the place of an attribute, a label or a map key below p.
func (p Path) Child(name string) Path {
	if strings.ContainsAny(name, "~/") {
		name = escaper.Replace(name)
	}
	return p + "/" + Path(name)
}

var (
	escaper   = strings.NewReplacer("~", "~0", "/", "~1")
	unescaper = strings.NewReplacer("~1", "/", "~0", "~")
)

// Index returns the place of a list element below p.
func (p Path) Index(n int) Path { return p + "/" + Path(strconv.Itoa(n)) }

// Steps returns the unescaped steps of p, outermost first.
func (p Path) Steps() []string {
	if p == "" {
		return nil
	}
	steps := strings.Split(string(p[1:]), "/")
	for i, s := range steps {
		steps[i] = unescaper.Replace(s)
	}
	return steps
}

// Root returns the attribute or block that p lies in, "" for the whole body.
func (p Path) Root() string {
	if s := p.Steps(); len(s) > 0 {
		return s[0]
	}
	return ""
}

// Within reports whether p lies at or below outer.
func (p Path) Within(outer Path) bool {
	rest, ok := strings.CutPrefix(string(p), string(outer))
	return ok && (rest == "" || rest[0] == '/')
}

// MeetsAny reports whether p lies at, below or above one of the places.
func (p Path) MeetsAny(places []Path) bool {
	for _, place := range places {
		if p.Within(place) || place.Within(p) {
			return true
		}
	}
	return false
}

// String prints the path as a user reads it: countries[2], object["brand__c"].permissions.
func (p Path) String() string {
	var b strings.Builder
	for i, s := range p.Steps() {
		switch {
		case isNumber(s):
			b.WriteString("[" + s + "]")
		case !isIdent(s):
			b.WriteString("[" + quote(s) + "]")
		case i == 0:
			b.WriteString(s)
		default:
			b.WriteString("." + s)
		}
	}
	return b.String()
}

func isNumber(s string) bool {
	_, err := strconv.Atoi(s)
	return err == nil
}

func isIdent(s string) bool {
	for i := range len(s) {
		if !isWord(s[i], i == 0) {
			return false
		}
	}
	return s != ""
}
