package vaultapi

import (
	"bytes"
	"context"
	"hash/maphash"
	"net/http"
	"reflect"
	"slices"
	"sync"
)

// Alike keeps what answers were decoded to that many vaults give alike, such as
// the metadata of vaults that were set up in one way: byte for byte, but for who
// made and changed what is told of, and when, which is told of no one here. It is
// for answers that change seldom; what comes from it is shared, and nobody changes
// it. The zero value is ready.
type Alike struct {
	mu   sync.Mutex
	kept map[likeness][]*alike
	n    int
}

// likeness finds answers that may be alike.
type likeness struct {
	typ  reflect.Type
	hash uint64
}

type alike struct {
	essence []byte
	once    sync.Once
	value   any // nil: it is no answer
}

const mostAlike = 500 // answers, of some kilobytes each

var alikeSeed = maphash.MakeSeed()

// of returns the answer of the same essence, which is kept where it is new.
func (a *Alike) of(l likeness, essence []byte) *alike {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range a.kept[l] {
		if bytes.Equal(k.essence, essence) {
			return k
		}
	}
	if a.n == mostAlike {
		a.kept, a.n = nil, 0
	}
	if a.kept == nil {
		a.kept = map[likeness][]*alike{}
	}
	k := &alike{essence: bytes.Clone(essence)}
	a.kept[l] = append(a.kept[l], k)
	a.n++
	return k
}

// drop forgets an answer that is none.
func (a *Alike) drop(l likeness, k *alike) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if at := slices.Index(a.kept[l], k); at >= 0 {
		a.kept[l] = slices.Delete(a.kept[l], at, at+1)
		a.n--
	}
}

// askAlike is do for an answer that other vaults may have given before.
func askAlike[T any](ctx context.Context, c *conn, k call) (*T, error) {
	if c.cfg.Alike == nil {
		reply := new(T)
		return reply, c.do(ctx, k, reply)
	}
	var reply *T
	err := c.send(ctx, k, func(resp *http.Response) error {
		answer := answers.Get().(*bytes.Buffer)
		defer answers.Put(answer)
		answer.Reset()
		if _, err := answer.ReadFrom(resp.Body); err != nil {
			return k.broken(resp, err)
		}
		essence := answers.Get().(*bytes.Buffer)
		defer answers.Put(essence)
		distil(essence, answer.Bytes())
		l := likeness{reflect.TypeFor[T](), maphash.Bytes(alikeSeed, essence.Bytes())}
		known := c.cfg.Alike.of(l, essence.Bytes())
		known.once.Do(func() {
			if v := new(T); c.decode(k, resp, answer.Bytes(), v) == nil {
				known.value = v
			}
		})
		if known.value != nil {
			reply = known.value.(*T)
			return nil
		}
		c.cfg.Alike.drop(l, known)
		reply = new(T)
		return c.decode(k, resp, answer.Bytes(), reply)
	})
	return reply, err
}

// distil writes an answer without who made and changed what, and when. What is
// written like one of these keys is one: in a text its quotes were escaped.
func distil(to *bytes.Buffer, answer []byte) {
	to.Reset()
	for {
		at := bytes.Index(answer, []byte("ed_"))
		if at < 0 {
			break
		}
		at += len("ed_")
		before, after := answer[:at], answer[at:]
		to.Write(before)
		answer = after
		if !bytes.HasSuffix(before, []byte(`"created_`)) && !bytes.HasSuffix(before, []byte(`"modified_`)) {
			continue
		}
		for _, rest := range []string{`by":`, `date":`} {
			if value, ok := bytes.CutPrefix(after, []byte(rest)); ok {
				answer = value[plainScalar(value):]
			}
		}
	}
	to.Write(answer)
}

// plainScalar is how long the text or whole number is that an answer goes on with;
// 0 where it is neither, or is written with escapes.
func plainScalar(answer []byte) int {
	digits := len(answer) - len(bytes.TrimLeft(answer, "0123456789"))
	if digits > 0 || len(answer) == 0 || answer[0] != '"' {
		return digits
	}
	end := bytes.IndexByte(answer[1:], '"') + 1
	if end == 0 || bytes.IndexByte(answer[:end], '\\') >= 0 {
		return 0
	}
	return end + 1
}

var answers = sync.Pool{New: func() any { return new(bytes.Buffer) }}
