package plugin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"

	"accord/providers"

	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
	"google.golang.org/grpc/stats"
)

// Reattach is where a plugin waits that was started by hand, under a debugger
// perhaps.
type Reattach struct {
	PID      int    `json:"pid"`
	Protocol int    `json:"protocol"` // the newest version that it speaks
	Oldest   int    `json:"oldest"`   // the oldest
	Network  string `json:"network"`
	Address  string `json:"address"`
}

// ReattachVariable is the environment variable in which a host is told of such
// plugins: a JSON object of Reattach by the provider's name.
const ReattachVariable = "ACCORD_REATTACH"

// debugged waits for hosts until the context ends, and tells on w how a host
// finds it. Each host is given a provider of its own.
func debugged(ctx context.Context, open func() providers.Provider, w io.Writer) error {
	first := open()
	declared, err := first.Schema(ctx)
	if err != nil {
		return fmt.Errorf("the provider has no schema: %w", err)
	}
	if err := first.Close(); err != nil {
		return err
	}
	folder, err := os.MkdirTemp(sockets(), "accord-provider-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	if err := os.Setenv(goplugin.EnvUnixSocketDir, folder); err != nil {
		return err
	}
	each := &hosts{open: open}
	found, ended := make(chan *goplugin.ReattachConfig), make(chan struct{})
	c := config(&server{provider: each.provider}, protocol, grpc.StatsHandler(each))
	c.Test = &goplugin.ServeTestConfig{Context: ctx, ReattachConfigCh: found, CloseCh: ended}
	go goplugin.Serve(c)
	select {
	case <-ended:
		return fmt.Errorf("the provider %s cannot listen in %s", declared.Name, folder)
	case at := <-found:
		if err := announce(w, declared.Name, Reattach{
			PID: at.Pid, Protocol: protocol.newest, Oldest: protocol.oldest,
			Network: at.Addr.Network(), Address: at.Addr.String(),
		}); err != nil {
			return err
		}
	}
	<-ended
	return nil
}

func announce(w io.Writer, name string, at Reattach) error {
	text, err := json.Marshal(map[string]Reattach{name: at})
	if err != nil {
		return err
	}
	set := fmt.Sprintf("export %s='%s'", ReattachVariable, text)
	if runtime.GOOS == "windows" {
		set = fmt.Sprintf("$env:%s='%s'", ReattachVariable, text)
	}
	_, err = fmt.Fprintf(w, "The provider %s waits for accord, in process %d. In another terminal:\n\n  %s\n\nIt ends with Ctrl-C.\n", name, at.PID, set)
	return err
}

// hosts keeps a provider for each connection, for as long as it lasts: a
// provider is configured once, and each command of a host connects anew.
type hosts struct{ open func() providers.Provider }

type connection struct {
	once     sync.Once
	provider providers.Provider
}

type hostKey struct{}

func (h *hosts) provider(ctx context.Context) providers.Provider {
	c := ctx.Value(hostKey{}).(*connection)
	c.once.Do(func() { c.provider = h.open() })
	return c.provider
}

// TagConn implements stats.Handler.
func (h *hosts) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	return context.WithValue(ctx, hostKey{}, &connection{})
}

// HandleConn implements stats.Handler.
func (h *hosts) HandleConn(ctx context.Context, event stats.ConnStats) {
	if _, ended := event.(*stats.ConnEnd); !ended {
		return
	}
	c := ctx.Value(hostKey{}).(*connection)
	c.once.Do(func() {})
	if c.provider != nil {
		_ = c.provider.Close()
	}
}

// TagRPC implements stats.Handler.
func (h *hosts) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC implements stats.Handler.
func (h *hosts) HandleRPC(context.Context, stats.RPCStats) {}
