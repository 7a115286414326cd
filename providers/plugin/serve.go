package plugin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"

	"accord/providers"
	"accord/providers/plugin/proto"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// ProtocolVersion is what both ends must speak. A field that is added to the
// messages does not raise it; one that changes its meaning does.
const ProtocolVersion = 1

// handshake keeps a plugin from being run by hand. It is no secret: the folder
// of the socket is what keeps others out.
func handshake(version uint) goplugin.HandshakeConfig {
	return goplugin.HandshakeConfig{
		ProtocolVersion:  version,
		MagicCookieKey:   "ACCORD_PLUGIN",
		MagicCookieValue: "2c1e6f0a9b774d55a3a1d6f6f3b0c8e7",
	}
}

// Environment of a plugin process.
const (
	envStdin = "ACCORD_PLUGIN_STDIN" // set: the host holds standard input open for as long as it lives
	envLog   = "ACCORD_PLUGIN_LOG"   // the least level that the host listens to
)

// Serve answers the host that started this process with a provider, until the
// host is done with it, and closes the provider. A process that was not started
// by a host is told so and ends with status 1. What the process logs with slog
// is logged by the host at the same level; what it writes to standard error, at
// level debug. Level info is for who waits: the host shows it with its progress.
func Serve(p providers.Provider) error { return serve(p, ProtocolVersion) }

func serve(p providers.Provider, version uint) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(os.Getenv(envLog))); err != nil {
		level = slog.LevelWarn
	}
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
	if os.Getenv(envStdin) != "" {
		go endWithHost()
	}
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: handshake(version),
		Plugins:         goplugin.PluginSet{service: &end{provider: p}},
		Logger:          hclog.NewNullLogger(),
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			return grpc.NewServer(append(options,
				grpc.MaxRecvMsgSize(messageSize), grpc.MaxSendMsgSize(messageSize),
				grpc.InitialWindowSize(windowSize), grpc.InitialConnWindowSize(windowSize))...)
		},
	})
	return p.Close()
}

// endWithHost ends the process when the host closes standard input, as the
// system does for a host that was killed.
func endWithHost() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(1)
}

// service is the one thing a plugin serves.
const service = "provider"

// end is go-plugin's view of both ends.
type end struct {
	goplugin.NetRPCUnsupportedPlugin
	provider providers.Provider // of the server
}

func (e *end) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	if e.provider == nil {
		return errors.New("there is no provider to serve")
	}
	proto.RegisterProviderServer(s, &server{provider: e.provider})
	return nil
}

func (e *end) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return proto.NewProviderClient(conn), nil
}
