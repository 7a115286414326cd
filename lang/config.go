package lang

import (
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"golang.org/x/sync/errgroup"

	"accord/lang/addrs"
	"accord/lang/lower"
)

// Config is a directory of files as written, with the modules that it calls:
// read, but not yet held against any schema.
type Config struct {
	Dir      string // where relative file names start
	Settings Settings

	*module                    // of the directory itself
	modules map[string]*module // all, by their directory
	broken  bool               // a file has a syntax error: what is missing may stand there

	mu     sync.Mutex
	files  map[string]*hcl.File
	native parser
	memory string // the file of what it came to before; "" for none
}

// parser reads a file in native syntax.
type parser func(text []byte, name string) (*hcl.File, hcl.Diagnostics)

// coreBlocks are the block types of the core and the names of their labels.
var coreBlocks = map[string][]string{
	"accord":   nil,
	"variable": {"name"},
	"locals":   nil,
	"output":   {"name"},
	"module":   {"name"},
	"import":   nil,
	"moved":    nil,
	"removed":  nil,
	"check":    {"name"},
}

// Load reads every *.hcl and *.hcl.json file of a directory, and of the
// directories of the modules that they call. Hidden files and variable files
// (*.vars.hcl) are no part of a configuration. The Config is never nil and
// holds what could be read, so that problems can be shown with their source.
//
// Where dir has a folder .accord, large files are kept there as they were
// lowered, so that they need not be parsed again, and so is what many blocks
// came to, so that they need not be evaluated again.
func Load(dir string) (*Config, hcl.Diagnostics) {
	cache := lower.OpenCache(filepath.Join(dir, ".accord", "cache", "files"))
	c, diags := gather(dir, cache.Parse, func(module string) (map[string][]byte, hcl.Diagnostics) { return readDir(dir, module) })
	_ = cache.Save() // it only makes the next time slower
	c.memory = filepath.Join(dir, ".accord", "cache", "objects")
	return c, diags
}

// Parse is Load for files that are in memory, by name. A name with slashes
// belongs to a module.
func Parse(dir string, sources map[string][]byte) (*Config, hcl.Diagnostics) {
	return gather(dir, lower.Parse, func(module string) (map[string][]byte, hcl.Diagnostics) {
		found := map[string][]byte{}
		for name, text := range sources {
			if path.Dir(name) == module && isSource(name) {
				found[name] = text
			}
		}
		if len(found) == 0 && module != "." {
			return nil, hcl.Diagnostics{{Severity: hcl.DiagError, Summary: "No module", Detail: fmt.Sprintf("The directory %s has no *.hcl file.", module)}}
		}
		return found, nil
	})
}

// readDir reads the files of one module.
func readDir(dir, module string) (map[string][]byte, hcl.Diagnostics) {
	what := "configuration"
	if module != "." {
		what = "module"
	}
	entries, err := os.ReadDir(filepath.Join(dir, filepath.FromSlash(module)))
	if err != nil {
		return nil, hcl.Diagnostics{{
			Severity: hcl.DiagError,
			Summary:  fmt.Sprintf("No %s directory", what),
			Detail:   fmt.Sprintf("Reading the directory of the %s: %v.", what, err),
		}}
	}
	var names []string
	for _, entry := range entries {
		if name := entry.Name(); !entry.IsDir() && !strings.HasPrefix(name, ".") && isSource(name) {
			names = append(names, path.Join(module, name))
		}
	}
	var diags hcl.Diagnostics
	if len(names) == 0 {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  fmt.Sprintf("No %s", what),
			Detail:   fmt.Sprintf("The directory %s has no *.hcl file.", path.Join(dir, module)),
		})
	}
	texts := make([][]byte, len(names))
	problems := make([]*hcl.Diagnostic, len(names))
	parallel(len(names), func(n int) {
		text, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(names[n])))
		if err != nil {
			problems[n] = &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Unreadable file",
				Detail:   fmt.Sprintf("Reading a file of the %s: %v.", what, err),
			}
		}
		texts[n] = text
	})
	sources := make(map[string][]byte, len(names))
	for n, name := range names {
		sources[name] = texts[n]
		if problems[n] != nil {
			diags = append(diags, problems[n])
		}
	}
	return sources, diags
}

// isSource reports whether a file is part of a configuration.
func isSource(name string) bool {
	switch {
	case strings.HasSuffix(name, ".vars.hcl"), strings.HasSuffix(name, ".vars.hcl.json"):
		return false
	}
	return strings.HasSuffix(name, ".hcl") || strings.HasSuffix(name, ".hcl.json")
}

// gather reads the root module and, from there, every module that is called.
// read returns the files of a module by name, as ranges show them; native
// parses those in native syntax.
func gather(dir string, native parser, read func(module string) (map[string][]byte, hcl.Diagnostics)) (*Config, hcl.Diagnostics) {
	c := &Config{Dir: dir, Settings: defaultSettings(), modules: map[string]*module{}, files: map[string]*hcl.File{}, native: native}
	sources, diags := read(".")
	c.broken = diags.HasErrors()
	c.module = c.parse(".", sources, &diags)
	for todo := c.module.callList(); len(todo) > 0; todo = todo[1:] {
		call := todo[0]
		m := c.modules[call.dir]
		if m == nil {
			sources, problems := read(call.dir)
			for _, d := range problems {
				d.Subject = call.source.Ptr()
			}
			diags = append(diags, problems...)
			if problems.HasErrors() {
				continue
			}
			m = c.parse(call.dir, sources, &diags)
			todo = append(todo, m.callList()...)
		}
		call.module = m
	}
	return c, Arrange(append(diags, c.module.checkNesting(nil)...))
}

// parse reads the files of one module.
func (c *Config) parse(dir string, sources map[string][]byte, diags *hcl.Diagnostics) *module {
	m := newModule(dir)
	c.modules[dir] = m
	names := slices.Sorted(maps.Keys(sources))
	files := make([]*hcl.File, len(names))
	problems := make([]hcl.Diagnostics, len(names))
	parallel(len(names), func(n int) { files[n], problems[n] = parseFile(sources[names[n]], names[n], c.native) })
	for n, name := range names {
		c.files[name] = files[n]
		*diags = append(*diags, problems[n]...)
		c.broken = c.broken || problems[n].HasErrors()
	}
	for _, file := range files {
		*diags = append(*diags, c.sort(m, file)...)
	}
	return m
}

// sort puts the blocks of a file where they belong.
func (c *Config) sort(m *module, file *hcl.File) hcl.Diagnostics {
	blocks, diags := topBlocks(file)
	for _, block := range blocks {
		labels, core := coreBlocks[block.Type]
		if !core {
			labels = []string{"name"}
		}
		if d := checkLabels(block, labels); d != nil {
			diags = append(diags, d)
			c.broken = true // others may refer to it
			continue
		}
		switch block.Type {
		case "accord":
			if m.dir != "." {
				diags = append(diags, &hcl.Diagnostic{
					Severity: hcl.DiagError, Summary: "Settings in a module",
					Detail: "The accord block belongs to the configuration that calls this module.", Subject: block.DefRange.Ptr(),
				})
				continue
			}
			diags = append(diags, c.Settings.decode(block)...)
		case "variable":
			diags = append(diags, m.addVariable(block)...)
		case "locals":
			diags = append(diags, m.addLocals(block)...)
		case "output":
			diags = append(diags, m.addOutput(block)...)
		case "module":
			diags = append(diags, m.addCall(block)...)
		case "check":
			diags = append(diags, m.addCheck(block)...)
		case "import", "moved", "removed":
			m.transitions = append(m.transitions, block)
		default:
			m.blocks = append(m.blocks, block)
		}
	}
	return diags
}

// checkLabels holds the labels of a block against those it must have. A label
// that is a name must be writable without quotes, as part of an address.
func checkLabels(block *hcl.Block, want []string) *hcl.Diagnostic {
	switch {
	case len(block.Labels) < len(want):
		return &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Missing name",
			Detail:   fmt.Sprintf("A %s block has a %s: %s \"…\" { }.", block.Type, want[len(block.Labels)], block.Type),
			Subject:  block.DefRange.Ptr(),
		}
	case len(block.Labels) > len(want):
		detail := fmt.Sprintf("A %s block has no label.", block.Type)
		if len(want) > 0 {
			detail = fmt.Sprintf("A %s block has one label, its %s.", block.Type, strings.Join(want, ", "))
		}
		return &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Too many labels",
			Detail:   detail,
			Subject:  block.LabelRanges[len(want)].Ptr(),
			Context:  block.DefRange.Ptr(),
		}
	}
	for n, label := range block.Labels {
		if !plainName(label) && !hclsyntax.ValidIdentifier(label) {
			return &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Bad name",
				Detail:   fmt.Sprintf("%q cannot be part of an address. A name begins with a letter or an underscore; letters, digits, underscores and dashes follow.", label),
				Subject:  block.LabelRanges[n].Ptr(),
				Context:  block.DefRange.Ptr(),
			}
		}
	}
	return nil
}

// plainName spares most names the trouble of being taken apart.
func plainName(name string) bool {
	for n := range len(name) {
		switch c := name[n]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', c == '_':
		case n > 0 && ('0' <= c && c <= '9' || c == '-'):
		default:
			return false
		}
	}
	return name != ""
}

// Files returns all that was read, by the name in the ranges of diagnostics;
// after Evaluate also variable files and values from the command line.
func (c *Config) Files() map[string]*hcl.File {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.files)
}

// Sources returns the text of Files.
func (c *Config) Sources() map[string][]byte {
	sources := map[string][]byte{}
	for name, file := range c.Files() {
		sources[name] = file.Bytes
	}
	return sources
}

// Types returns the block types in use that are not the core's, sorted.
func (c *Config) Types() []string {
	types := map[string]bool{}
	for _, m := range c.modules {
		for _, b := range m.blocks {
			types[b.Type] = true
		}
	}
	return slices.Sorted(maps.Keys(types))
}

// Declaration finds the block that declares an object, whatever its for_each, and
// the variables of a call, come to.
func (c *Config) Declaration(of addrs.Block) (hcl.Range, bool) {
	m := c.moduleAt(of.Module)
	if m == nil {
		return hcl.Range{}, false
	}
	for _, b := range m.blocks {
		if b.Type == of.Type && b.Labels[0] == of.Name {
			return b.DefRange, true
		}
	}
	return hcl.Range{}, false
}

// moduleAt is the module that a path of calls leads to; nil where one is not there.
func (c *Config) moduleAt(path string) *module {
	if path == "" {
		return c.module
	}
	last, err := addrs.ParseTarget(path)
	if err != nil {
		return nil
	}
	m := c.moduleAt(last.Module)
	if m == nil || m.calls[last.Name] == nil {
		return nil
	}
	return m.calls[last.Name].module
}

func (c *Config) keepFile(name string, file *hcl.File) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.files[name] = file
}

// parallel calls do for 0…n-1 on all cores and waits.
func parallel(n int, do func(n int)) {
	workers := min(n, runtime.GOMAXPROCS(0))
	var group errgroup.Group
	for w := range workers {
		group.Go(func() error {
			for i := w * n / workers; i < (w+1)*n/workers; i++ {
				do(i)
			}
			return nil
		})
	}
	group.Wait()
}
