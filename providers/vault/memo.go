package vault

import (
	"sync"
	"time"
)

// memo keeps answers about what does not change while a command runs, such as
// a vault's shape. Who asks for what is being asked waits for the answer, and
// nobody waits for another one. An error is not kept.
type memo[K comparable, T any] struct {
	mu   sync.Mutex
	kept map[K]*answer[T]
}

type answer[T any] struct {
	value T
	known bool
	done  chan struct{} // closed with the answer, or once there is none
}

func (m *memo[K, T]) get(key K, ask func() (T, error)) (T, error) {
	for {
		m.mu.Lock()
		a := m.kept[key]
		if a == nil {
			a = &answer[T]{done: make(chan struct{})}
			if m.kept == nil {
				m.kept = map[K]*answer[T]{}
			}
			m.kept[key] = a
			m.mu.Unlock()
			return m.ask(key, a, ask)
		}
		m.mu.Unlock()
		<-a.done
		if a.known {
			return a.value, nil
		}
	}
}

func (m *memo[K, T]) ask(key K, a *answer[T], ask func() (T, error)) (v T, err error) {
	defer func() {
		if !a.known {
			m.forget(key)
		}
		close(a.done)
	}()
	if v, err = ask(); err == nil {
		a.value, a.known = v, true
	}
	return v, err
}

// put keeps an answer that was come by otherwise.
func (m *memo[K, T]) put(key K, v T) {
	a := &answer[T]{value: v, known: true, done: make(chan struct{})}
	close(a.done)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.kept == nil {
		m.kept = map[K]*answer[T]{}
	}
	m.kept[key] = a
}

func (m *memo[K, T]) forget(key K) {
	m.mu.Lock()
	delete(m.kept, key)
	m.mu.Unlock()
}

// cached makes a reader of one thing per vault ask each vault once.
func cached[K comparable, T any](ask func(K) (T, error)) func(K) (T, error) {
	var kept memo[K, T]
	return func(of K) (T, error) {
		return kept.get(of, func() (T, error) { return ask(of) })
	}
}

// recent keeps answers for a moment: what runs that follow each other closely
// need not read again.
type recent[T any] struct {
	mu   sync.Mutex
	kept map[string]T
	read map[string]time.Time
}

func (r *recent[T]) keep(key string, v T) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.kept == nil {
		r.kept, r.read = map[string]T{}, map[string]time.Time{}
	}
	r.kept[key], r.read[key] = v, time.Now()
}

func (r *recent[T]) get(key string) (v T, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v, ok = r.kept[key]
	return v, ok && time.Since(r.read[key]) < fresh
}
