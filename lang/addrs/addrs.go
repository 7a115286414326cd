// Package addrs names things: blocks, instances, and places inside their bodies.
//
// Every name is a comparable value that prints the way a user writes it and
// parses back to itself. The package knows no schema, no file and no vault; it
// is the floor that the pillars share so that they need not know each other.
// Start with Instance.
package addrs

import (
	"fmt"
	"strings"
)

// Block names a block of the configuration, before for_each:
// country_filter.crm, or module.eu.country_filter.crm.
type Block struct {
	Module string // "" at the root, else `module.eu` or `module.eu["a"]`, nested by dots
	Type   string
	Name   string
}

// Instance names one instance of a block: country_filter.crm["us"].
// The zero Instance names nothing.
type Instance struct {
	Block
	Key   string // for_each key; meaningful only when Keyed
	Keyed bool
}

// New returns the instance of a block without for_each.
func New(typ, name string) Instance {
	return Instance{Block: Block{Type: typ, Name: name}}
}

// NewKeyed returns one instance of a block with for_each.
func NewKeyed(typ, name, key string) Instance {
	return Instance{Block: Block{Type: typ, Name: name}, Key: key, Keyed: true}
}

// Instance returns the instance of b with the given for_each key.
func (b Block) Instance(key string) Instance { return Instance{Block: b, Key: key, Keyed: true} }

// Single returns the only instance of a block without for_each.
func (b Block) Single() Instance { return Instance{Block: b} }

func (b Block) String() string {
	if b.Type == "" {
		return ""
	}
	s := b.Type + "." + b.Name
	if b.Module != "" {
		s = b.Module + "." + s
	}
	return s
}

func (i Instance) String() string {
	if !i.Keyed {
		return i.Block.String()
	}
	return i.Block.String() + "[" + quote(i.Key) + "]"
}

// IsZero reports whether i names nothing.
func (i Instance) IsZero() bool { return i == Instance{} }

// Compare orders instances by module, type, name, then key; unkeyed first.
func (i Instance) Compare(j Instance) int {
	switch {
	case i.Module != j.Module:
		return strings.Compare(i.Module, j.Module)
	case i.Type != j.Type:
		return strings.Compare(i.Type, j.Type)
	case i.Name != j.Name:
		return strings.Compare(i.Name, j.Name)
	case i.Keyed == j.Keyed:
		return strings.Compare(i.Key, j.Key)
	case j.Keyed:
		return -1
	default:
		return 1
	}
}

// MarshalText makes instances usable as JSON strings and map keys.
func (i Instance) MarshalText() ([]byte, error) { return []byte(i.String()), nil }

// UnmarshalText is the inverse of MarshalText; empty text is the zero Instance.
func (i *Instance) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*i = Instance{}
		return nil
	}
	parsed, err := ParseInstance(string(text))
	if err != nil {
		return err
	}
	*i = parsed
	return nil
}

// ParseInstance reads what Instance.String prints.
func ParseInstance(s string) (Instance, error) {
	p := parser{rest: s}
	inst, err := p.instance()
	if err == nil && p.rest != "" {
		err = fmt.Errorf("unexpected %q", p.rest)
	}
	if err != nil {
		return Instance{}, fmt.Errorf("%q is not an address such as country_filter.crm[\"us\"]: %w", s, err)
	}
	return inst, nil
}

// ParseTarget reads an address that may also name a whole block with for_each,
// or a module, whose Type is "module". Covers then holds for all that is in it.
func ParseTarget(s string) (Instance, error) {
	p := parser{rest: s, modules: true}
	inst, err := p.instance()
	if err == nil && p.rest != "" {
		err = fmt.Errorf("unexpected %q", p.rest)
	}
	if err != nil {
		return Instance{}, fmt.Errorf("%q is not an address such as country_filter.crm[\"us\"]: %w", s, err)
	}
	return inst, nil
}

// Covers reports whether the target i names j: the same instance; where i has
// no key, any instance of the same block; where i is a module, all that is in
// it, and in all its instances where it has no key.
func (i Instance) Covers(j Instance) bool {
	if i.Type != "module" {
		return i == j || !i.Keyed && i.Block == j.Block
	}
	rest, ok := strings.CutPrefix(j.Module, i.String())
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[' && !i.Keyed)
}

type parser struct {
	rest    string
	modules bool // an address may end with a module
}

func (p *parser) instance() (Instance, error) {
	var module []string
	for {
		word, err := p.word()
		if err != nil {
			return Instance{}, err
		}
		if err := p.dot(); err != nil {
			return Instance{}, err
		}
		name, err := p.word()
		if err != nil {
			return Instance{}, err
		}
		key, keyed, err := p.key()
		if err != nil {
			return Instance{}, err
		}
		if word != "module" {
			return Instance{Block: Block{Module: strings.Join(module, "."), Type: word, Name: name}, Key: key, Keyed: keyed}, nil
		}
		if p.modules && p.rest == "" {
			return Instance{Block: Block{Module: strings.Join(module, "."), Type: word, Name: name}, Key: key, Keyed: keyed}, nil
		}
		step := "module." + name
		if keyed {
			step += "[" + quote(key) + "]"
		}
		module = append(module, step)
		if err := p.dot(); err != nil {
			return Instance{}, err
		}
	}
}

func (p *parser) missing(what string) error {
	if p.rest == "" {
		return fmt.Errorf("%s is missing at its end", what)
	}
	return fmt.Errorf("%s is missing before %q", what, p.rest)
}

func (p *parser) dot() error {
	if !strings.HasPrefix(p.rest, ".") {
		return p.missing("a dot")
	}
	p.rest = p.rest[1:]
	return nil
}

func (p *parser) word() (string, error) {
	n := 0
	for n < len(p.rest) && isWord(p.rest[n], n == 0) {
		n++
	}
	if n == 0 {
		return "", p.missing("a name")
	}
	w := p.rest[:n]
	p.rest = p.rest[n:]
	return w, nil
}

func isWord(c byte, first bool) bool {
	switch {
	case c == '_', 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c >= 0x80:
		return true
	default:
		return !first && (c == '-' || '0' <= c && c <= '9')
	}
}

func (p *parser) key() (string, bool, error) {
	if !strings.HasPrefix(p.rest, "[") {
		return "", false, nil
	}
	if !strings.HasPrefix(p.rest, `["`) {
		return "", false, fmt.Errorf("a key in brackets is a quoted string")
	}
	s := p.rest[2:]
	var b strings.Builder
	for n := 0; n < len(s); n++ {
		switch c := s[n]; {
		case strings.HasPrefix(s[n:], "$${"), strings.HasPrefix(s[n:], "%%{"):
			b.WriteString(s[n+1 : n+3])
			n += 2
		case c == '\\' && n+1 < len(s):
			n++
			switch s[n] {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case 'r':
				b.WriteByte('\r')
			case '"', '\\':
				b.WriteByte(s[n])
			default:
				return "", false, fmt.Errorf("unknown escape \\%c", s[n])
			}
		case c == '"':
			if !strings.HasPrefix(s[n+1:], "]") {
				return "", false, fmt.Errorf("] is missing after the key")
			}
			p.rest = s[n+2:]
			return b.String(), true, nil
		default:
			b.WriteByte(c)
		}
	}
	return "", false, fmt.Errorf("the key is not closed")
}

// quote writes a key as HCL does: double quotes, and only the escapes that key reads.
func quote(s string) string {
	if strings.ContainsAny(s, "\\\"\n\t\r{") {
		s = quoter.Replace(s)
	}
	return `"` + s + `"`
}

var quoter = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\t", `\t`, "\r", `\r`, "${", "$${", "%{", "%%{")
