package plugin

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"time"

	"accord/providers"
	"accord/providers/plugin/proto"
	"accord/providers/plugin/waiting"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"
)

// Command is how a plugin is started.
type Command struct {
	Name    string           // for people; the base of Path where empty
	Path    string           // the executable, as exec.Command takes it
	Args    []string         // without the name
	Environ []string         // its environment, as of os.Environ; nil: the host's own
	Env     []string         // beside that
	Waiting *waiting.Process // its process, where one waits; Open ends it where it does not become the plugin
	Within  time.Duration    // how long it may take to start; StartWithin where zero
	Log     *slog.Logger     // where its log goes; other lines of it go there at level debug; nil: slog.Default
}

func (c *Command) level() string {
	for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo} {
		if c.Log.Enabled(context.Background(), level) {
			return level.String()
		}
	}
	return slog.LevelWarn.String()
}

// StartWithin is how long a plugin may take to answer, unless the command says
// otherwise: far longer than any takes that is well.
const StartWithin = 20 * time.Second

// Open starts a plugin and shakes hands with it. The process ends with Close,
// and with this process. The context holds for the start alone.
func Open(ctx context.Context, c Command) (*Plugin, error) { return open(ctx, c, protocol) }

func open(ctx context.Context, c Command, speaks versions) (*Plugin, error) {
	c.Name = cmp.Or(c.Name, filepath.Base(c.Path))
	c.Within = cmp.Or(c.Within, StartWithin)
	if c.Log == nil {
		c.Log = slog.Default()
	}
	path, err := exec.LookPath(c.Path)
	if err != nil {
		return nil, providers.Errorf(providers.Invalid, "starting plugin %s: %v", c.Name, err)
	}
	c.Path = path
	p := &Plugin{process: newProcess(c)}
	p.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  handshake,
		StartTimeout:     c.Within,
		VersionedPlugins: speaks.sets(&end{}),
		SkipHostEnv:      true, // the process has what the command says
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: sockets()},
		AutoMTLS:         runtime.GOOS == "windows", // no unix socket there, but a port that anyone may dial
		Logger:           c.logger(),
		Stderr:           io.MultiWriter(&p.process.words, &records{log: c.Log, plugin: c.Name}),
		SyncStderr:       io.MultiWriter(&p.process.words, lines{c.Log, c.Name}),
		RunnerFunc: func(_ hclog.Logger, spec *exec.Cmd, folder string) (runner.Runner, error) {
			p.process.folder = folder
			return p.process, p.process.prepare(spec.Env)
		},
		GRPCDialOptions: dialOptions,
	})
	stop := context.AfterFunc(ctx, func() { _ = p.process.Kill(ctx) })
	defer stop()
	began := time.Now()
	if err := p.start(); err != nil {
		late := p.process.wasKilled() && time.Since(began) >= c.Within
		_ = p.Close()
		return nil, p.notStarted(ctx, err, speaks, late)
	}
	return p, nil
}

var dialOptions = []grpc.DialOption{
	grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(messageSize), grpc.MaxCallSendMsgSize(messageSize)),
	grpc.WithInitialWindowSize(windowSize), grpc.WithInitialConnWindowSize(windowSize),
}

func (p *Plugin) start() error {
	protocol, err := p.client.Client()
	if err != nil {
		return err
	}
	raw, err := protocol.Dispense(service)
	if err != nil {
		return err
	}
	p.rpc = raw.(proto.ProviderClient)
	return nil
}

var incompatible = regexp.MustCompile(`Plugin version: (\d+), Client versions`)

func (p *Plugin) notStarted(ctx context.Context, err error, speaks versions, late bool) error {
	c := p.process.command
	if m := incompatible.FindStringSubmatch(err.Error()); m != nil {
		theirs, _ := strconv.Atoi(m[1])
		return speaks.apart(c.Name, versions{theirs, theirs})
	}
	if ctx.Err() != nil {
		return providers.Errorf(providers.Transient, "starting plugin %s: %v", c.Name, ctx.Err())
	}
	e := providers.Errorf(providers.Internal, "starting plugin %s: it did not answer as a plugin does: %v", c.Name, err)
	status, dead := p.process.dead()
	switch {
	case late:
		e.Kind, e.Message = providers.Transient, fmt.Sprintf("starting plugin %s: it did not answer within %s, and was ended", c.Name, c.Within)
	case dead && !p.process.started:
		e.Message = fmt.Sprintf("starting plugin %s: %s", c.Name, status)
	case dead:
		e.Message = fmt.Sprintf("starting plugin %s: it ended (%s) before it answered as a plugin does", c.Name, status)
	}
	if words := p.process.words.String(); words != "" {
		e.Message += "; its last words were:\n" + words
	}
	return e
}

// apart says that the two ends have no version in common, and which of them is
// behind.
func (v versions) apart(name string, plugin versions) *providers.Error {
	err := providers.Errorf(providers.Invalid, "plugin %s speaks %s of the plugin protocol, and this accord speaks %s", name, plugin, v)
	if plugin.oldest > v.newest {
		err.Advice = "The plugin is newer than accord. Upgrade accord, or use an older version of the plugin."
	} else {
		err.Advice = "The plugin is older than accord. Upgrade the plugin, or use an older version of accord."
	}
	return err
}
