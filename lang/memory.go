package lang

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"

	ctyjson "github.com/zclconf/go-cty/cty/json"

	"accord/lang/addrs"
	"accord/lang/lower"
	"accord/lang/schema"
)

// memory is what the blocks of a configuration came to when it was last
// evaluated, with the same files, the same values of variables, and the same
// schemas. It has the blocks whose bodies follow from these alone: those that
// read no other block, have no conditions, and hold nothing sensitive. What else
// there is, is evaluated beside them.
//
// A configuration that anything was to be said of has no memory, nor has one
// that reads files of other kinds or takes sensitive values.
type memory struct {
	blocks []recalledBlock // in the order in which they are settled
}

// recalledBlock is one block that is remembered.
type recalledBlock struct {
	module, typ string
	name        []byte
	instances   []recalled
}

// recalled is what one instance of a block came to.
type recalled struct {
	key       string
	body      json.RawMessage
	dependsOn []addrs.Instance
	protect   bool
}

func memoryHead(key [sha256.Size]byte) []byte {
	return append([]byte("accord evaluated blocks 2\n"), key[:]...)
}

// next is what a block came to, nil where it is not remembered. Blocks are asked
// for in the order in which they were remembered, each once.
func (m *memory) next(b addrs.Block) []recalled {
	if len(m.blocks) == 0 {
		return nil
	}
	is := &m.blocks[0]
	if string(is.name) != b.Name || is.typ != b.Type || is.module != b.Module {
		return nil
	}
	m.blocks = m.blocks[1:]
	return is.instances
}

// worthwhile is how large a memory must be to be faster than evaluating.
var worthwhile = 64 << 10

// memoryKey tells evaluations apart that may come to something else. ok is
// false where none may be remembered.
func (e *evaluator) memoryKey(providers []*schema.Provider) (key [sha256.Size]byte, ok bool) {
	if e.config.memory == "" || len(e.diags) > 0 {
		return key, false
	}
	h := sha256.New()
	part := func(b []byte) {
		_, _ = h.Write(binary.AppendUvarint(nil, uint64(len(b))))
		_, _ = h.Write(b)
	}
	part([]byte(lower.Program()))
	part([]byte(e.paths["cwd"].AsString()))
	declared, err := json.Marshal(providers)
	if err != nil {
		return key, false
	}
	part(declared)
	for _, name := range slices.Sorted(maps.Keys(e.vars)) {
		if e.module.variables[name].sensitive {
			return key, false
		}
		value, err := ctyjson.SimpleJSONValue{Value: e.vars[name]}.MarshalJSON()
		if err != nil {
			return key, false
		}
		part([]byte(name))
		part([]byte(e.vars[name].Type().GoString()))
		part(value)
	}
	for _, dir := range slices.Sorted(maps.Keys(e.config.modules)) {
		part([]byte(dir))
	}
	sources := e.config.Sources()
	for _, name := range slices.Sorted(maps.Keys(sources)) {
		part([]byte(name))
		part(sources[name])
	}
	return key, h.Sum(key[:0]) != nil
}

// recallInstances settles a block as it was remembered.
func (e *evaluator) recallInstances(d *decl) bool {
	if e.memory == nil || d.call != nil {
		return false
	}
	found := e.memory.next(d.addr)
	if found == nil {
		return false
	}
	d.recalled, d.remembered, d.settled = found, true, true
	if d.forEach == nil {
		d.one[0] = d.addr.Single()
		d.instances = d.one[:]
		return true
	}
	d.instances = make([]addrs.Instance, len(found))
	d.keys = make([]string, len(found))
	for n := range found {
		d.keys[n] = found[n].key
		d.instances[n] = d.addr.Instance(found[n].key)
	}
	return true
}

// recalled fills r in as it was remembered.
func (r *Resource) recalled() bool {
	d := r.decl
	if !d.remembered {
		return false
	}
	n := 0
	if d.forEach != nil {
		n, _ = slices.BinarySearch(d.keys, r.Addr.Key)
	}
	was := &d.recalled[n]
	r.Body, r.DependsOn, r.Protect = was.body, was.dependsOn, was.protect
	return true
}

// recall reads what was remembered of the same; nil where there is nothing, or
// not this.
func recall(path string, key [sha256.Size]byte) *memory {
	body := lower.Recall(path, memoryHead(key))
	if body == nil {
		return nil
	}
	r := &memoryReader{rest: body}
	m := r.memory()
	if r.broken || len(r.rest) > 0 {
		return nil
	}
	return m
}

// remember writes down what the blocks came to, and reports whether it did: not
// where it is little.
func (e *evaluator) remember(path string, key [sha256.Size]byte) bool {
	if e.outside.Load() {
		return false
	}
	w := &memoryWriter{addresses: map[addrs.Instance]uint64{}}
	for _, m := range e.all {
		for _, d := range m.order {
			if d.closed() {
				w.block(d)
			}
		}
	}
	if len(w.blocks) < worthwhile {
		return false
	}
	return lower.Keep(path, memoryHead(key), w.bytes()) == nil
}

// closed reports whether the resources of a block follow from the configuration
// alone.
func (d *decl) closed() bool {
	if !d.settled || d.enabled != nil || len(d.mentions) > 0 || len(d.conditions) > 0 || len(d.instances) == 0 {
		return false
	}
	return !slices.ContainsFunc(d.resources, func(r Resource) bool { return len(r.Unknown) > 0 || len(r.Sensitive) > 0 })
}

// memoryWriter writes a memory: the addresses that are depended on, and then the
// blocks.
type memoryWriter struct {
	addresses      map[addrs.Instance]uint64
	table          []byte
	blocks         []byte
	count, objects uint64 // in blocks
}

func appendText[T string | json.RawMessage](dst []byte, text T) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

func (w *memoryWriter) block(d *decl) {
	b := w.blocks
	for _, text := range []string{d.addr.Module, d.addr.Type, d.addr.Name} {
		b = appendText(b, text)
	}
	b = binary.AppendUvarint(b, uint64(len(d.resources)))
	for n := range d.resources {
		r := &d.resources[n]
		b = appendText(b, r.Addr.Key)
		b = appendText(b, r.Body)
		protect := uint64(0)
		if r.Protect {
			protect = 1
		}
		b = binary.AppendUvarint(b, protect)
		b = binary.AppendUvarint(b, uint64(len(r.DependsOn)))
		for _, on := range r.DependsOn {
			n, ok := w.addresses[on]
			if !ok {
				n = uint64(len(w.addresses))
				w.addresses[on] = n
				w.table = appendText(w.table, on.String())
			}
			b = binary.AppendUvarint(b, n)
		}
	}
	w.blocks = b
	w.count++
	w.objects += uint64(len(d.resources))
}

func (w *memoryWriter) bytes() []byte {
	all := make([]byte, 0, len(w.table)+len(w.blocks)+3*binary.MaxVarintLen64)
	for _, n := range []uint64{w.count, w.objects, uint64(len(w.addresses))} {
		all = binary.AppendUvarint(all, n)
	}
	return append(append(all, w.table...), w.blocks...)
}

// memoryReader reads what memoryWriter wrote. Its sum was right, so it is
// broken only where another program wrote it.
type memoryReader struct {
	rest   []byte
	broken bool
}

func (r *memoryReader) number() int {
	n, size := binary.Uvarint(r.rest)
	if size <= 0 || n > uint64(len(r.rest))+1<<32 {
		r.broken, r.rest = true, nil
		return 0
	}
	r.rest = r.rest[size:]
	return int(n)
}

func (r *memoryReader) bytes() []byte {
	n := r.number()
	if n > len(r.rest) {
		r.broken, r.rest = true, nil
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *memoryReader) memory() *memory {
	blocks, objects := min(r.number(), len(r.rest)), min(r.number(), len(r.rest))
	m := &memory{blocks: make([]recalledBlock, 0, blocks)}
	slab := make([]recalled, objects)
	table := make([]addrs.Instance, min(r.number(), len(r.rest))) // of which most depend on one
	for n := range table {
		addr, err := addrs.ParseInstance(string(r.bytes()))
		if err != nil {
			r.broken = true
			return nil
		}
		table[n] = addr
	}
	words := map[string]string{}
	word := func() string {
		b := r.bytes()
		w, ok := words[string(b)]
		if !ok {
			w = string(b)
			words[w] = w
		}
		return w
	}
	for len(r.rest) > 0 && !r.broken {
		block := recalledBlock{module: word(), typ: word(), name: r.bytes()}
		size := r.number()
		if size == 0 || size > len(slab) {
			r.broken = true
			return nil
		}
		all := slab[:size:size]
		slab = slab[size:]
		for n := range all {
			one := recalled{key: string(r.bytes()), body: r.bytes(), protect: r.number() == 1}
			if count := min(r.number(), len(r.rest)); count > 0 {
				if count > 1 {
					one.dependsOn = make([]addrs.Instance, count)
				}
				for i := range count {
					at := r.number()
					if at >= len(table) {
						r.broken = true
						return nil
					}
					if count == 1 {
						one.dependsOn = table[at : at+1 : at+1]
						break
					}
					one.dependsOn[i] = table[at]
				}
			}
			all[n] = one
		}
		block.instances = all
		m.blocks = append(m.blocks, block)
	}
	return m
}
