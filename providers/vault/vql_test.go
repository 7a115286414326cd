package vault

import (
	"context"
	"strings"
	"testing"

	"accord/providers"
)

// A panic of the goroutine that reads a page ahead is one of whoever waits for
// the page: the process of the provider, and what else it reads, go on.
func TestPanicWhileReadingAhead(t *testing.T) {
	t.Parallel()
	s := newScan(nil, "id", "0", func(string) string { return "SELECT id FROM documents" }) // without a caller it panics
	defer func() {
		v, ok := recover().(*providers.Panic)
		if !ok {
			t.Fatalf("whoever waits met %v", v)
		}
		if err := providers.Panicked(v); !err.Crashed() || !strings.Contains(err.Stack, "(*scan).ahead") {
			t.Errorf("its stack does not say where: %s", err.Stack)
		}
	}()
	_, err := s.peek(context.Background())
	t.Errorf("it went on with %v", err)
}
