package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/spf13/cobra"

	"accord/providers/devvault"
	"accord/providers/devvault/standin"
	"accord/providers/devvault/topology"
)

// lingering is how long the embedded server stays after its last client has
// gone, so that one command after another finds it running.
const lingering = 2 * time.Second

// engineInterval is how often the stand-in of the platform's own engine looks
// for changes, by the server's clock.
const engineInterval = 5 * time.Minute

type devOptions struct {
	listen   string
	topology string
	clock    string
	burst    int
	faults   []string
	engines  []string
	routes   bool
	embedded bool
}

func (c *cli) devCommand() *cobra.Command {
	var o devOptions
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run the development vaults of this folder in the foreground",
		Long: `Serves the dev:// vaults of a configuration over HTTP, with the data in its
.accord folder, until interrupted. Other commands use the server that runs for
their folder, and start one only where none does.

Address and password are in .accord/dev.json. The user of vault NAME is
admin@NAME.dev.

A topology file (HCL) says which vaults, users and fields there are, where no
configuration does. The clock can be set forward, and calls made to fail: by
kind, and by route, method, vault, rate, seed, skip and count, as in the control
API (/_dev/faults). In CRM vaults that -engine names, a stand-in plays the
platform's own integration engine, for points with engine = "platform".`,
		Example: `  accord dev
  accord -chdir=examples/three-crms dev -listen=127.0.0.1:8600
  accord dev -routes
  accord dev -topology=vaults.hcl -clock=15d -burst=2000
  accord dev -fault='http_after,route=objects/documents,rate=0.05,seed=7'`,
		Annotations: exits(exitLocked),
		Args:        noArguments,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.routes {
				return c.printRoutes(c.stdout)
			}
			err := c.runDev(cmd.Context(), o)
			if err != nil && o.embedded { // whoever started it says it as it is
				fmt.Fprintln(c.stderr, err)
				return told(exitError)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&o.routes, "routes", false, "list the routes that are built and those that are not, and end")
	cmd.Flags().StringVar(&o.topology, "topology", "", "make the vaults, users and fields that a `FILE` names")
	cmd.Flags().StringVar(&o.clock, "clock", "", "set the clock forward by a duration, or to a moment: `TIME` as in 15d, 36h, 2026-12-01T08:00:00Z")
	cmd.Flags().IntVar(&o.burst, "burst", 0, "take `N` calls in 5 minutes a vault before they are delayed (2000)")
	cmd.Flags().StringArrayVar(&o.faults, "fault", nil, "make calls fail: `KIND[,name=value…]`; may be repeated")
	cmd.Flags().StringArrayVar(&o.engines, "engine", nil, "play the platform's own engine in the CRM vault `NAME`, from now on; NAME=off: no longer; may be repeated")
	cmd.Flags().StringVar(&o.listen, "listen", "127.0.0.1:0", "serve on the loopback address `ADDR`; port 0: any that is free")
	cmd.Flags().BoolVar(&o.embedded, "embedded", false, "end when the last client has gone")
	_ = cmd.Flags().MarkHidden("embedded")
	return cmd
}

// devInfo is .accord/dev.json: how to reach the server of a folder.
type devInfo struct {
	Address  string    `json:"address"`
	Password string    `json:"password"`
	PID      int       `json:"pid"`
	Started  time.Time `json:"started"`
}

func devFile(dir string) string { return filepath.Join(dir, ".accord", "dev.json") }

func readDevInfo(dir string) (devInfo, error) {
	var info devInfo
	b, err := os.ReadFile(devFile(dir))
	if err != nil {
		return info, err
	}
	if err := json.Unmarshal(b, &info); err != nil {
		return info, fmt.Errorf("%s cannot be read (%w); delete it, and the server makes it anew", devFile(dir), err)
	}
	return info, nil
}

func (c *cli) runDev(ctx context.Context, o devOptions) error {
	folder := filepath.Join(c.chdir, ".accord")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(folder, "dev.lock"))
	patience := 2 * lingering // for an embedded server that nobody uses any more
	if o.embedded {
		patience = 0
	}
	waiting, cancel := context.WithTimeout(ctx, patience)
	held, err := lock.TryLock()
	if !held && err == nil && patience > 0 {
		held, err = lock.TryLockContext(waiting, 50*time.Millisecond)
	}
	cancel()
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("lock the folder of the development server: %w", err)
	}
	if !held {
		if o.embedded {
			return nil // another one was faster; its client finds it
		}
		info, _ := readDevInfo(c.chdir)
		return &exit{code: exitLocked, err: fmt.Errorf("a development server already runs for this folder at %s (process %d)", info.Address, info.PID)}
	}
	defer lock.Unlock()

	info := devInfo{PID: os.Getpid(), Started: time.Now().UTC()}
	if old, err := readDevInfo(c.chdir); err == nil {
		info.Password = old.Password
	} else if !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if info.Password == "" {
		info.Password = randomPassword()
	}
	server, err := devvault.Open(devvault.Options{Dir: filepath.Join(folder, "dev"), Password: info.Password})
	if err != nil {
		return fmt.Errorf("open the development vaults: %w", err)
	}
	defer server.Close()
	if err := c.prepareDev(server, o); err != nil {
		return err
	}
	listener, err := listenLoopback(o.listen)
	if err != nil {
		return err
	}
	info.Address = "http://" + listener.Addr().String()
	listener = devvault.NumericStatus(listener)
	if err := writePrivate(devFile(c.chdir), info); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	clients := &devClients{password: info.Password, next: server.Handler(), gone: make(chan struct{}, 1)}
	if o.embedded {
		signal.Ignore(os.Interrupt) // meant for the command that uses it; that one's end ends this one
		go clients.watch(ctx, stop)
	} else if c.json {
		_ = c.line("serving", "Development vaults at "+info.Address, map[string]any{"address": info.Address, "password_file": devFile(c.chdir)})
	} else {
		fmt.Fprintf(c.stdout, "Development vaults at %s\nUser admin@NAME.dev; the password is in %s\nInterrupt to stop.\n", info.Address, devFile(c.chdir))
	}
	played := make(chan struct{})
	go func() {
		defer close(played)
		standin.New(server, engineInterval).Run(ctx, func(err error) { fmt.Fprintln(c.stderr, err) })
	}()
	defer func() { stop(); <-played }() // before the server is closed
	web := &http.Server{Handler: clients, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		grace, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		if web.Shutdown(grace) != nil {
			web.Close()
		}
	}()
	if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// prepareDev does what the flags ask for before anybody is served.
func (c *cli) prepareDev(server *devvault.Server, o devOptions) error {
	if o.burst > 0 {
		server.Set(devvault.Settings{Burst: o.burst})
	}
	if o.clock != "" {
		if err := setClock(server, o.clock); err != nil {
			return err
		}
	}
	if o.topology != "" {
		t, diags := topology.Load(o.topology)
		if diags.HasErrors() {
			return c.problems(diags)
		}
		if err := t.Apply(server); err != nil {
			return fmt.Errorf("-topology=%s: %w", o.topology, err)
		}
	}
	for _, text := range o.engines {
		name, off := strings.CutSuffix(text, "=off")
		if err := server.SetEngine(name, !off); err != nil {
			return fmt.Errorf("-engine=%s: %w", text, err)
		}
	}
	for _, text := range o.faults {
		f, err := parseFault(text)
		if err == nil {
			_, err = server.AddFault(f)
		}
		if err != nil {
			return fmt.Errorf("-fault=%s: %w", text, err)
		}
	}
	return nil
}

// listenLoopback listens where only this machine can connect: the server's
// password guards invented data, no more.
func listenLoopback(address string) (net.Listener, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("-listen=%s: %w", address, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("-listen=%s: the development server serves this machine only; use 127.0.0.1:PORT", address)
	}
	return net.Listen("tcp", address)
}

// devClients counts who uses the server: a client holds one request open for
// as long as it lives, so that one that dies is missed too.
type devClients struct {
	password string
	next     http.Handler
	gone     chan struct{}

	mu    sync.Mutex
	count int
}

const attachPath = "/_dev/attach"

func (d *devClients) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != attachPath {
		d.next.ServeHTTP(w, r)
		return
	}
	if r.Header.Get("X-Dev-Token") != d.password {
		http.Error(w, "wrong token", http.StatusForbidden)
		return
	}
	d.add(1)
	defer d.add(-1)
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	<-r.Context().Done()
}

func (d *devClients) add(n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.count += n
	select {
	case d.gone <- struct{}{}:
	default:
	}
}

// watch stops the server once nobody has used it for a while.
func (d *devClients) watch(ctx context.Context, stop func()) {
	idle := time.NewTimer(10 * lingering) // the first client needs time to come
	defer idle.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-d.gone:
			idle.Reset(lingering)
		case <-idle.C:
			d.mu.Lock()
			none := d.count == 0
			d.mu.Unlock()
			if none {
				stop()
				return
			}
			idle.Reset(lingering)
		}
	}
}

func randomPassword() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b)
	return hex.EncodeToString(b)
}

// writePrivate writes JSON that only the user may read, all or nothing.
func writePrivate(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(path, append(b, '\n'), 0o600)
}
