package local

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"sync/atomic"

	"accord/state"
	"accord/state/failpoint"
)

// The log is a text file of lines
//
//	0f9b1c2d {"n":2,"intents":[…]}
//
// each the CRC-32C of its JSON, a space, and the JSON. The first names the
// version of the state that all others go on from; n counts lines. A line is
// acknowledged when it is synced. One that lacks its line end never was.

// entry is one line.
type entry struct {
	N int `json:"n"`

	Head     *head                    `json:"head,omitempty"` // of the first line, and no other
	Intents  []state.Intent           `json:"intents,omitempty"`
	Outcomes []state.Outcome          `json:"outcomes,omitempty"`
	Outputs  *map[string]state.Output `json:"outputs,omitempty"`
	Sealed   []byte                   `json:"sealed,omitempty"` // an entry with intents, outcomes or outputs
	Saving   string                   `json:"saving,omitempty"` // digest of a state file that holds all lines before, about to take its place
}

type head struct {
	Format  int    `json:"format"`
	Lineage string `json:"lineage"`
	Serial  uint64 `json:"serial"`
}

const logFormat = 1

func checksum(text []byte) uint32 { return crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli)) }

func (e entry) line() ([]byte, error) {
	var b bytes.Buffer
	b.WriteString("00000000 ")
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // bodies keep their bytes
	if err := enc.Encode(e); err != nil {
		return nil, err
	}
	line := b.Bytes()
	copy(line, fmt.Sprintf("%08x", checksum(line[9:len(line)-1])))
	return line, nil
}

// seal hides what an entry says of objects.
func (e entry) seal(c state.Cipher) (entry, error) {
	if !state.Seals(c) || e.Intents == nil && e.Outcomes == nil && e.Outputs == nil {
		return e, nil
	}
	line, err := e.line()
	if err != nil {
		return e, err
	}
	sealed, err := c.Seal(line[9:])
	return entry{N: e.N, Sealed: sealed}, err
}

// open is the inverse of seal.
func (e entry) open(c state.Cipher) (entry, error) {
	if e.Sealed == nil {
		return e, nil
	}
	if c == nil {
		return e, state.ErrSealed
	}
	data, err := c.Open(e.Sealed)
	if err != nil {
		return e, state.Unopened(err)
	}
	opened := entry{}
	if err := json.Unmarshal(data, &opened); err != nil {
		return e, err
	}
	if opened.N != e.N {
		return e, fmt.Errorf("what is encrypted in it calls itself line %d", opened.N)
	}
	return opened, nil
}

func parseLine(line []byte) (e entry, err error) {
	if len(line) < 9 || line[8] != ' ' {
		return e, errors.New("it does not begin with a checksum")
	}
	sum, err := strconv.ParseUint(string(line[:8]), 16, 32)
	if err != nil {
		return e, errors.New("it does not begin with a checksum")
	}
	if uint32(sum) != checksum(line[9:]) {
		return e, errors.New("its checksum is wrong")
	}
	dec := json.NewDecoder(bytes.NewReader(line[9:]))
	dec.DisallowUnknownFields()
	return e, dec.Decode(&e)
}

// contents is what a log holds. The zero contents are those of no log.
type contents struct {
	head    head
	entries []entry // without the first
	size    int64   // of what was acknowledged, or may have been
}

func (c contents) exists() bool { return c.size > 0 }

// readLog reads a log. One that does not exist, or whose first line was never
// acknowledged, is no log.
func readLog(path string, cipher state.Cipher) (contents, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return contents{}, nil
	}
	if err != nil {
		return contents{}, fmt.Errorf("reading the state's journal: %w", err)
	}

	var c contents
	for n := 1; ; n++ {
		line, rest, whole := bytes.Cut(data, []byte("\n"))
		if !whole {
			return c, nil
		}
		e, err := parseLine(line)
		if err == nil {
			e, err = e.open(cipher)
			if errors.Is(err, state.ErrSealed) {
				return contents{}, fmt.Errorf("reading line %d of %s: %w", n, path, err)
			}
			if err != nil {
				return contents{}, &state.DamagedError{Path: path, Reason: fmt.Sprintf("line %d cannot be read: %v", n, err)}
			}
		}
		switch {
		case err != nil:
		case e.N != n:
			err = fmt.Errorf("it calls itself line %d", e.N)
		case (e.Head != nil) != (n == 1):
			err = errors.New("only the first line, and each first line, names a version of the state")
		case state.ValidEntry(e.Intents, e.Outcomes) != nil:
			err = state.ValidEntry(e.Intents, e.Outcomes)
		case n == 1 && e.Head.Format != logFormat:
			return contents{}, &state.DamagedError{Path: path,
				Reason: fmt.Sprintf("its format version is %d, and this accord knows only version %d", e.Head.Format, logFormat),
				Advice: "use the accord that wrote it"}
		}
		if err != nil {
			return contents{}, &state.DamagedError{Path: path,
				Reason: fmt.Sprintf("line %d is damaged: %v", n, err),
				Advice: "move it away, but keep it: the state file is as it was last saved, and what was done after that is found again in the vaults by the next plan"}
		}
		if n == 1 {
			c.head = *e.Head
		} else {
			c.entries = append(c.entries, e)
		}
		c.size += int64(len(line)) + 1
		data = rest
	}
}

// savedIn returns how many entries are part of this state file: those up to
// the line that announces it; 0 if none does.
func (c contents) savedIn(stateFile []byte) int {
	var sum string
	for n := len(c.entries); n > 0; n-- {
		announced := c.entries[n-1].Saving
		if announced == "" {
			continue
		}
		if sum == "" {
			sum = digest(stateFile)
		}
		if announced == sum {
			return n
		}
	}
	return 0
}

// replay adds the entries to s. Of the first ones, that s includes, it takes
// only which intents are open.
func (c contents) replay(s *state.State, included int) {
	for n, e := range c.entries {
		s.Begin(e.Intents)
		if n < included {
			s.CloseIntents(e.Outcomes)
			continue
		}
		s.Settle(e.Outcomes)
		if e.Outputs != nil {
			s.Outputs = *e.Outputs
		}
	}
}

// log is a log that is being written to.
type log struct {
	store *Store
	file  *os.File
	n     int          // lines
	size  atomic.Int64 // of whole lines
	err   error        // why nothing more can be written

	syncing sync.Mutex
	synced  int64 // size that is durable
	failed  error // why nothing more can be made durable
}

func (s *Store) lineOf(e entry) ([]byte, error) {
	e, err := e.seal(s.opts.Cipher)
	if err != nil {
		return nil, err
	}
	return e.line()
}

// createLog makes a log that goes on from a version of the state, with what is
// open in it. It takes the place of one that is there.
func (s *Store) createLog(st *state.State) (*log, error) {
	first, err := entry{N: 1, Head: &head{Format: logFormat, Lineage: st.Lineage, Serial: st.Serial}}.line()
	n := 1
	if err == nil && len(st.Open) > 0 {
		var second []byte
		second, err = s.lineOf(entry{N: 2, Intents: st.Open})
		first = append(first, second...)
		n = 2
	}
	if err != nil {
		return nil, err
	}
	if err := s.writeFile(s.logPath(), first); err != nil {
		return nil, err
	}
	return s.openLog(n, int64(len(first)))
}

// openLog opens a log behind its n lines. What follows them was never
// acknowledged and is cut off.
func (s *Store) openLog(n int, size int64) (*log, error) {
	f, err := os.OpenFile(s.logPath(), os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	g := &log{store: s, file: f, n: n, synced: size}
	g.size.Store(size)
	if err := g.cut(); err != nil {
		f.Close()
		return nil, err
	}
	return g, nil
}

func (g *log) cut() error {
	if err := g.file.Truncate(g.size.Load()); err != nil {
		return err
	}
	_, err := g.file.Seek(g.size.Load(), 0)
	return err
}

// write adds a line, and returns what to call sync with. One at a time.
func (g *log) write(e entry) (int64, error) {
	if g.err != nil {
		return 0, g.err
	}
	e.N = g.n + 1
	line, err := g.store.lineOf(e)
	if err != nil {
		return 0, err
	}
	if _, err := g.file.Write(line); err != nil {
		g.err = g.cut() // if even that fails, a later line would follow half a line
		return 0, err
	}
	g.n++
	failpoint.Reach(failpoint.EntryWritten)
	return g.size.Add(int64(len(line))), nil
}

// sync makes everything up to a position durable. While one call waits for the
// disk others gather, and one more sync serves them all.
func (g *log) sync(upTo int64) error {
	g.syncing.Lock()
	defer g.syncing.Unlock()
	if g.synced >= upTo {
		return nil
	}
	if g.failed != nil {
		return g.failed
	}
	size := g.size.Load()
	if err := g.store.fsync(g.file); err != nil {
		g.failed = err // a second fsync may report success for what the first has lost
		return err
	}
	g.synced = size
	failpoint.Reach(failpoint.EntryDurable)
	return nil
}

func (g *log) close() error { return g.file.Close() }
