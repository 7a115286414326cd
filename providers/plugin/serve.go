package plugin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"

	"accord/providers"
	"accord/providers/plugin/proto"
	"accord/providers/plugin/waiting"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// versions are a range of versions of the plugin protocol that one end speaks.
// Each end speaks all in its range, and the two use the newest in common. A
// field that is added to the messages raises nothing; one that changes its
// meaning raises the newest.
type versions struct{ oldest, newest int }

var protocol = versions{oldest: 1, newest: 1}

func (v versions) String() string {
	if v.oldest == v.newest {
		return fmt.Sprintf("version %d", v.oldest)
	}
	return fmt.Sprintf("versions %d to %d", v.oldest, v.newest)
}

// sets is what go-plugin negotiates over.
func (v versions) sets(e *end) map[int]goplugin.PluginSet {
	sets := map[int]goplugin.PluginSet{}
	for version := v.oldest; version <= v.newest; version++ {
		sets[version] = goplugin.PluginSet{service: e}
	}
	return sets
}

// handshake keeps a plugin from being run by hand. It is no secret: the folder
// of the socket is what keeps others out.
var handshake = goplugin.HandshakeConfig{
	MagicCookieKey:   "ACCORD_PLUGIN",
	MagicCookieValue: "2c1e6f0a9b774d55a3a1d6f6f3b0c8e7",
}

// Environment of a plugin process.
const (
	envStdin = "ACCORD_PLUGIN_STDIN" // set: the host holds standard input open for as long as it lives
	envLog   = "ACCORD_PLUGIN_LOG"   // the least level that the host listens to
)

// Serve answers the host that started this process with a provider, until the
// host is done with it, and closes the provider. What the process logs with slog
// is logged by the host at the same level; what it writes to standard error, at
// level debug. Level info is for who waits: the host shows it with its progress.
//
// A process that no host started gets an error that says so; with the argument
// -debug it waits for hosts instead, and prints how they find it.
func Serve(open func() providers.Provider) error {
	if slices.Contains(os.Args[1:], "-debug") || slices.Contains(os.Args[1:], "--debug") {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		return debugged(ctx, open, os.Stdout)
	}
	if os.Getenv(waiting.Variable) != "" {
		if err := obey(os.Stdin); err != nil {
			return err
		}
	}
	if os.Getenv(handshake.MagicCookieKey) != handshake.MagicCookieValue {
		return errors.New("this is a provider of accord, which starts it by itself; what it is good for: accord init -help. To run it under a debugger, give it -debug")
	}
	return serve(open(), protocol)
}

func serve(p providers.Provider, speaks versions) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(os.Getenv(envLog))); err != nil {
		level = slog.LevelWarn
	}
	slog.SetDefault(slog.New(slog.NewJSONHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
	if os.Getenv(envStdin) != "" {
		signal.Ignore(syscall.SIGPIPE) // a host that is gone hears nothing, and this process ends in order
		go endWithHost()
	}
	goplugin.Serve(config(&server{provider: func(context.Context) providers.Provider { return p }}, speaks))
	var removing sync.WaitGroup
	removing.Go(removeFolder) // the disk may be busy with what the host is recording
	defer removing.Wait()
	return p.Close()
}

func config(s *server, speaks versions, more ...grpc.ServerOption) *goplugin.ServeConfig {
	return &goplugin.ServeConfig{
		HandshakeConfig:  handshake,
		VersionedPlugins: speaks.sets(&end{server: s}),
		Logger:           hclog.NewNullLogger(),
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			options = append(options,
				grpc.MaxRecvMsgSize(messageSize), grpc.MaxSendMsgSize(messageSize),
				grpc.InitialWindowSize(windowSize), grpc.InitialConnWindowSize(windowSize),
				grpc.NumStreamWorkers(streamWorkers)) // whose stacks have grown already
			return grpc.NewServer(append(options, more...)...)
		},
	}
}

// endWithHost ends the process when the host closes standard input, as the
// system does for a host that was killed.
func endWithHost() {
	_, _ = io.Copy(io.Discard, os.Stdin)
	removeFolder()
	os.Exit(1)
}

// removeFolder removes the folder that the host made for the socket of this
// process: a host that was killed meanwhile cannot do it any more.
func removeFolder() { _ = os.RemoveAll(os.Getenv(goplugin.EnvUnixSocketDir)) }

// service is the one thing a plugin serves.
const service = "provider"

// end is go-plugin's view of both ends.
type end struct {
	goplugin.NetRPCUnsupportedPlugin
	server *server // of the plugin
}

func (e *end) GRPCServer(_ *goplugin.GRPCBroker, s *grpc.Server) error {
	proto.RegisterProviderServer(s, e.server)
	return nil
}

func (e *end) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return proto.NewProviderClient(conn), nil
}
