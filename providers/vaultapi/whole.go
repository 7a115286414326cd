package vaultapi

import (
	"io"
	"strings"
	"sync"
)

// mostWhole is how long a page may be to be read whole. Longer ones have rows of
// unusual length, and are read row by row.
const mostWhole = 16 << 20

// readWhole is readPage for rows that are made of their cells: a page that is
// kept whole anyway is read as one text, and its rows are places in it. What is
// wrong with one that cannot be taken that way, readPage says.
func readWhole(r io.Reader, rows string, head *pageHead) ([][]Cell, error) {
	text, err := readText(r)
	if err == io.EOF {
		if w := (wholePage{text: text, name: rows, head: head}); w.take() {
			return w.rows, nil
		}
	}
	*head = pageHead{}
	var list [][]Cell
	err = readPage(io.MultiReader(strings.NewReader(text), rest{r, err}), rows, head, func(raw []byte) error {
		if head.known() && !head.ok() {
			return nil // rows of a failed call; the error is still to come
		}
		cells, err := Cells(nil, string(raw))
		list = append(list, cells)
		return err
	})
	return list, err
}

// readText reads to the end, where err is io.EOF, or to mostWhole.
func readText(r io.Reader) (text string, err error) {
	var blocks []*block
	last, size := blockSize, 0 // of the last block so much is filled
	for err == nil && size < mostWhole {
		if last == blockSize {
			blocks, last = append(blocks, freeBlocks.Get().(*block)), 0
		}
		var n int
		n, err = r.Read(blocks[len(blocks)-1][last:])
		last, size = last+n, size+n
	}
	var b strings.Builder
	b.Grow(size)
	for _, block := range blocks {
		b.Write(block[:min(blockSize, size-b.Len())])
		freeBlocks.Put(block)
	}
	return b.String(), err
}

// block is a piece of a text whose length is not known before its end.
type block [blockSize]byte

const blockSize = 64 << 10

var freeBlocks = sync.Pool{New: func() any { return new(block) }}

// rest is what follows on a text: more, or an error.
type rest struct {
	r   io.Reader
	err error
}

func (r rest) Read(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	return r.r.Read(p)
}

// wholePage is a page being taken apart.
type wholePage struct {
	text, name string // and the key of its rows
	head       *pageHead

	rows  [][]Cell
	cells []Cell // of some rows
	most  int    // that one had
	seen  bool
}

// take reports whether the text is a page.
func (w *wholePage) take() bool {
	at := space(w.text, 0)
	if at == len(w.text) || w.text[at] != '{' {
		return false
	}
	for at = space(w.text, at+1); at < len(w.text) && w.text[at] == '"'; at = space(w.text, at+1) {
		end := skipString(w.text, at)
		if end < 0 {
			return false
		}
		key := unquoted(w.text[at:end])
		if at = space(w.text, end); at == len(w.text) || w.text[at] != ':' {
			return false
		}
		at = space(w.text, at+1)
		if key == w.name && strings.HasPrefix(w.text[at:], "[") {
			end = w.takeRows(at)
		} else {
			end = w.takeHead(key, at)
		}
		if end < 0 {
			return false
		}
		if at = space(w.text, end); at < len(w.text) && w.text[at] == '}' {
			return space(w.text, at+1) == len(w.text)
		}
		if at == len(w.text) || w.text[at] != ',' {
			return false
		}
	}
	return false
}

func (w *wholePage) takeHead(key string, at int) (end int) {
	if end = skip(w.text, at, 1); end < 0 || key == w.name || w.head.set(key, []byte(w.text[at:end])) != nil {
		return -1
	}
	return end
}

func (w *wholePage) takeRows(at int) (end int) {
	if w.seen {
		return -1
	}
	w.seen = true
	w.rows = make([][]Cell, 0, min(max(w.head.Details.Size, 0), PageSize))
	if at = space(w.text, at+1); at < len(w.text) && w.text[at] == ']' {
		return at + 1
	}
	for at < len(w.text) && w.text[at] == '{' {
		if cap(w.cells)-len(w.cells) < w.most {
			w.cells = make([]Cell, 0, 64*w.most)
		}
		first := len(w.cells)
		if at = skipObject(w.text, at, 2, &w.cells); at < 0 {
			return -1
		}
		last := len(w.cells)
		w.most = max(w.most, last-first)
		w.rows = append(w.rows, w.cells[first:last:last])
		if at = space(w.text, at); at == len(w.text) {
			return -1
		}
		switch w.text[at] {
		case ']':
			return at + 1
		case ',':
			at = space(w.text, at+1)
		default:
			return -1
		}
	}
	return -1
}
