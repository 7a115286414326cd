package vaultapi

import (
	"bytes"
	"context"
	"hash/maphash"
	"net/http"
	"reflect"
	"sync"
)

// Alike keeps what answers were decoded to that many vaults give alike, byte for
// byte, such as the metadata of vaults that were set up in one way. It is for
// answers that change seldom; what comes from it is shared, and nobody changes
// it. The zero value is ready.
type Alike struct {
	mu   sync.Mutex
	kept map[likeness][]alike
	n    int
}

// likeness finds answers that may be alike.
type likeness struct {
	typ  reflect.Type
	hash uint64
}

type alike struct {
	answer []byte
	value  any
}

const mostAlike = 500 // answers, of some kilobytes each

var alikeSeed = maphash.MakeSeed()

// find returns what an answer was decoded to, nil where it is a new one.
func (a *Alike) find(l likeness, answer []byte) any {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, k := range a.kept[l] {
		if bytes.Equal(k.answer, answer) {
			return k.value
		}
	}
	return nil
}

func (a *Alike) keep(l likeness, answer []byte, value any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.n == mostAlike {
		a.kept, a.n = nil, 0
	}
	if a.kept == nil {
		a.kept = map[likeness][]alike{}
	}
	a.kept[l] = append(a.kept[l], alike{bytes.Clone(answer), value})
	a.n++
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
		l := likeness{reflect.TypeFor[T](), maphash.Bytes(alikeSeed, answer.Bytes())}
		if known := c.cfg.Alike.find(l, answer.Bytes()); known != nil {
			reply = known.(*T)
			return nil
		}
		reply = new(T)
		if err := c.decode(k, resp, answer.Bytes(), reply); err != nil {
			return err
		}
		c.cfg.Alike.keep(l, answer.Bytes(), reply)
		return nil
	})
	return reply, err
}

var answers = sync.Pool{New: func() any { return new(bytes.Buffer) }}
