package lower

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"sync"

	"github.com/hashicorp/hcl/v2"
)

// Cache keeps lowered files from one run to the next, by what is written in
// them. What is no longer as it was written, or was written by another version,
// is as if it were not there: a cache makes things faster, and nothing else.
type Cache struct {
	path string
	was  map[key][]byte // trees

	mu   sync.Mutex
	now  map[key][]byte
	new  bool
	size int // of all texts
}

// worthwhile is how much text there must be for a cache to be faster.
var worthwhile = 64 << 10

type key [sha256.Size]byte

// OpenCache reads the cache of a file, which need not be there.
func OpenCache(path string) *Cache {
	c := &Cache{path: path, was: map[key][]byte{}, now: map[key][]byte{}}
	for rest := Recall(path, cacheHead()); len(rest) > 0; {
		k := key(rest[:sha256.Size])
		size, n := binary.Uvarint(rest[sha256.Size:])
		rest = rest[sha256.Size+n:]
		c.was[k], rest = rest[:size:size], rest[size:]
	}
	return c
}

// cacheHead names the version of the form, of the parser, and of the program.
func cacheHead() []byte {
	const form = 1
	return fmt.Appendf(nil, "accord lowered files %d %s\n", form, Program())
}

// Parse is Parse for a file that may have been lowered before. It may be called
// concurrently.
func (c *Cache) Parse(text []byte, name string) (*hcl.File, hcl.Diagnostics) {
	k := key(sha256.Sum256(text))
	c.mu.Lock()
	c.size += len(text)
	c.mu.Unlock()
	if tree, ok := c.was[k]; ok {
		if f, err := Load(text, name, tree); err == nil {
			c.keep(k, tree, false)
			return &hcl.File{Body: f.Body(), Bytes: text}, nil
		}
	}
	file, diags := Parse(text, name)
	if body, ok := file.Body.(*Body); ok {
		c.keep(k, body.file.tree, true)
	}
	return file, diags
}

func (c *Cache) keep(k key, tree []byte, made bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now[k] = tree
	c.new = c.new || made
}

// Save keeps what Parse was asked for, and forgets the rest, if it is much. A folder that is
// not there is not made, but for the last one. Nothing is lost where it fails.
func (c *Cache) Save() error {
	if !c.new || c.size < worthwhile {
		return nil
	}
	size := 0
	for _, tree := range c.now {
		size += sha256.Size + binary.MaxVarintLen64 + len(tree)
	}
	body := make([]byte, 0, size)
	for k, tree := range c.now {
		body = binary.AppendUvarint(append(body, k[:]...), uint64(len(tree)))
		body = append(body, tree...)
	}
	return Keep(c.path, cacheHead(), body)
}
