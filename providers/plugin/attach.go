package plugin

import (
	"context"
	"log/slog"
	"net"

	"accord/providers"
	"accord/providers/plugin/proto"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

// Attach connects to a plugin that waits, and lives on after Close. What it
// logs it writes where it was started.
func Attach(ctx context.Context, name string, at Reattach) (*Plugin, error) {
	return attach(ctx, name, at, protocol)
}

func attach(ctx context.Context, name string, at Reattach, speaks versions) (*Plugin, error) {
	if theirs := (versions{at.Oldest, at.Protocol}); theirs.oldest > speaks.newest || theirs.newest < speaks.oldest {
		return nil, speaks.apart(name, theirs)
	}
	dial := func(ctx context.Context, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, at.Network, at.Address)
	}
	conn, err := dial(ctx, "")
	if err != nil {
		e := providers.Errorf(providers.Invalid, "plugin %s does not wait in process %d: %v", name, at.PID, err)
		e.Advice = "Start it again, and set " + ReattachVariable + " to what it prints; or unset it."
		return nil, e
	}
	_ = conn.Close()
	client, err := grpc.NewClient("passthrough:///plugin", append(dialOptions,
		grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithContextDialer(dial), grpc.WithIdleTimeout(0))...)
	if err != nil {
		return nil, providers.Errorf(providers.Internal, "attaching to plugin %s: %v", name, err)
	}
	p := &Plugin{process: newProcess(Command{Name: name, Log: slog.Default()}), conn: client, rpc: proto.NewProviderClient(client)}
	p.process.attached = at.PID
	return p, nil
}
