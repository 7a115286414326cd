package plugin

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"accord/providers"
	"accord/providers/providertest"
)

// debugging starts a debugged provider in this process, and returns where it
// waits and how to end it.
func debugging(t *testing.T, open func() providers.Provider) (at Reattach, end func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- debugged(ctx, open, w) }()
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(ReattachVariable + `='(.*)'`).FindStringSubmatch(line)
		if found == nil {
			continue
		}
		go io.Copy(io.Discard, lines)
		var all map[string]Reattach
		if err := json.Unmarshal([]byte(found[1]), &all); err != nil || len(all) != 1 || all["memory"].Address == "" {
			t.Fatalf("%s: %v", found[1], err)
		}
		return all["memory"], func() {
			t.Helper()
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			_ = w.Close()
		}
	}
}

// A plugin that waits serves host after host, each with a provider of its own,
// and lives on when they go.
func TestDebugged(t *testing.T) {
	m := memory(t)
	opened, closed := 0, make(chan struct{}, 9)
	at, end := debugging(t, func() providers.Provider {
		opened++
		return closing{m.Provider(), closed}
	})
	<-closed // the one that was asked for its schema
	if at.PID != os.Getpid() || at.Protocol != protocol.newest {
		t.Errorf("%+v", at)
	}
	if info, err := os.Stat(filepath.Dir(at.Address)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder of the socket: %v, %v", info, err)
	}
	for _, readOnly := range []bool{true, false} {
		p, err := Attach(t.Context(), "memory", at)
		if err != nil {
			t.Fatal(err)
		}
		config := shelves
		config.ReadOnly = readOnly
		for _, r := range p.Configure(t.Context(), config) {
			if r.Err != nil {
				t.Errorf("read only %v: %v", readOnly, r.Err)
			}
		}
		if p.PID() != at.PID {
			t.Errorf("process %d", p.PID())
		}
		_ = p.Close()
		<-closed // its own provider
		if err := calls[0].call(t.Context(), p); providers.KindOf(err) != providers.Internal {
			t.Errorf("a call after that: %v", err)
		}
	}
	if opened != 3 {
		t.Errorf("%d providers", opened)
	}

	p, err := Attach(t.Context(), "memory", at)
	if err != nil {
		t.Fatal(err)
	}
	p.Configure(t.Context(), shelves)
	end()
	if err := calls[1].call(t.Context(), p); providers.KindOf(err) != providers.Ambiguous || !strings.Contains(err.Error(), "did not answer") {
		t.Errorf("a call when it has ended: %v", err)
	}
	_, err = Attach(t.Context(), "memory", at)
	if providers.KindOf(err) != providers.Invalid || !strings.Contains(err.Error(), "does not wait") {
		t.Errorf("when it has ended: %v", err)
	}
	if _, err := os.Stat(filepath.Dir(at.Address)); !os.IsNotExist(err) {
		t.Errorf("the folder of the socket is left behind: %v", err)
	}
	_, err = attach(t.Context(), "memory", at, versions{7, 8})
	if providers.KindOf(err) != providers.Invalid || !strings.Contains(err.Error(), "this accord speaks versions 7 to 8") {
		t.Errorf("another protocol: %v", err)
	}
}

type closing struct {
	providers.Provider
	closed chan struct{}
}

func (c closing) Close() error {
	err := c.Provider.Close()
	c.closed <- struct{}{}
	return err
}

func TestMemoryAttached(t *testing.T) {
	providertest.Run(t, providertest.MemoryTarget(func(t *testing.T, m *providertest.Memory) func(*testing.T) providers.Provider {
		at, end := debugging(t, m.Provider)
		t.Cleanup(end)
		return func(t *testing.T) providers.Provider {
			p, err := Attach(t.Context(), "memory", at)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = p.Close() })
			return p
		}
	}))
}
