package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"accord/lang"
	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/devvault/sample"
)

// devServer is the development server of a folder as its clients see it.
type devServer struct {
	dir    string
	info   devInfo
	client *http.Client
	attach io.Closer
}

// devBurst is how many calls in 5 minutes a development vault takes where the
// configuration does not say.
const devBurst = 100000

// devStartup is how long a server may take to open its data.
const devStartup = 30 * time.Second

// openDevServer finds the server that runs for a folder, or starts one that
// lives for as long as somebody uses it.
func openDevServer(ctx context.Context, dir string) (*devServer, error) {
	d := &devServer{dir: dir, client: &http.Client{Transport: &http.Transport{Proxy: nil, MaxIdleConnsPerHost: 4}}}
	if d.connect(ctx) == nil {
		return d, nil
	}
	self, err := executable()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, ".accord"), 0o700); err != nil {
		return nil, err
	}
	log, err := os.OpenFile(filepath.Join(dir, ".accord", "dev.log"), os.O_CREATE|os.O_TRUNC|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd := exec.Command(self, "dev", "-embedded", "-chdir="+dir)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the development server: %w", err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	deadline := time.Now().Add(devStartup)
	for {
		if err = d.connect(ctx); err == nil {
			return d, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ended:
			// Another one may have been faster, or be on its way out.
			if said, _ := os.ReadFile(log.Name()); len(bytes.TrimSpace(said)) > 0 {
				return nil, fmt.Errorf("the development server did not start: %s", bytes.TrimSpace(said))
			}
			if time.Now().After(deadline) {
				return nil, fmt.Errorf("the development server did not start: %w", err)
			}
			return openDevServer(ctx, dir)
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("the development server did not answer within %s: %w", devStartup, err)
		}
	}
}

// connect attaches to the server that dev.json speaks of, if it is there.
func (d *devServer) connect(ctx context.Context) error {
	info, err := readDevInfo(d.dir)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(context.WithoutCancel(ctx), http.MethodGet, info.Address+attachPath, nil)
	if err != nil {
		return err
	}
	req.Header.Set("X-Dev-Token", info.Password)
	resp, err := d.client.Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return fmt.Errorf("%s is not the development server of %s", info.Address, d.dir)
	}
	d.info, d.attach = info, resp.Body
	return nil
}

// moved reports whether another server serves the folder by now, somewhere else.
func (d *devServer) moved() bool {
	if d == nil {
		return false
	}
	info, err := readDevInfo(d.dir)
	return err == nil && info.Address != d.info.Address
}

// Close lets the server go.
func (d *devServer) Close() error {
	if d == nil || d.attach == nil {
		return nil
	}
	err := d.attach.Close()
	d.client.CloseIdleConnections()
	return err
}

// control calls the control API.
func (d *devServer) control(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	switch v := in.(type) {
	case nil:
	case io.Reader:
		body = v
	default:
		b, err := json.Marshal(v)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, d.info.Address+"/_dev/"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("X-Dev-Token", d.info.Password)
	resp, err := d.client.Do(req)
	if err != nil {
		return fmt.Errorf("ask the development server: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("ask the development server: %w", err)
	}
	if status := resp.Header.Get("X-VaultAPI-Status"); resp.StatusCode >= 300 || status != "" && status != "SUCCESS" {
		return fmt.Errorf("the development server refused %s %s: %s", method, path, saidBy(answer))
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// saidBy is what an answer of the development server says to people.
func saidBy(answer []byte) string {
	var said struct {
		Errors []struct{ Message string }
	}
	if json.Unmarshal(answer, &said) == nil && len(said.Errors) > 0 {
		return said.Errors[0].Message
	}
	return string(bytes.TrimSpace(answer))
}

// devVault is a vault of the development server.
type devVault struct {
	Name        string `json:"name"`
	Kind        string `json:"kind"`
	Environment string `json:"environment"`
	Domain      string `json:"domain,omitempty"`
	ID          int64  `json:"id,omitempty"`
	URL         string `json:"url,omitempty"`
	User        string `json:"user,omitempty"`
	Created     bool   `json:"created,omitempty"`
}

// devName returns the vault's name in a dev:// URL.
func devName(raw string) (string, bool) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "dev" {
		return "", false
	}
	return u.Host, u.Host != ""
}

// instanceBody is what cmd must know of an instance to find its dev:// vault.
type instanceBody struct {
	Kind        string `json:"kind"`
	Environment string `json:"environment"`
	URL         string `json:"url"`
}

// provide makes the dev:// vaults that a configuration names, loads their
// library on first use, and connects them as its connections say. It returns
// where each is reached. Instances that are not on the development server are
// left alone.
func (d *devServer) provide(ctx context.Context, instances []providers.Object, pairs []devPair, dev lang.Dev) (map[addrs.Instance]providers.Endpoint, error) {
	burst := cmp.Or(dev.Burst, devBurst)
	if err := d.control(ctx, http.MethodPost, "settings", map[string]any{"burst": burst, "auth_burst": burst}, nil); err != nil {
		return nil, err
	}
	var there struct{ Vaults []devVault }
	if err := d.control(ctx, http.MethodGet, "vaults", nil, &there); err != nil {
		return nil, err
	}
	endpoints := map[addrs.Instance]providers.Endpoint{}
	var made []devVault
	names := map[addrs.Instance]string{}
	for _, inst := range instances {
		var body instanceBody
		if err := inst.Decode(&body); err != nil {
			return nil, err
		}
		name, ok := devName(body.URL)
		if !ok {
			continue
		}
		vault := devVault{Name: name, Kind: body.Kind, Environment: body.Environment, Domain: "accord.dev"}
		same := func(v devVault) bool {
			return v.Name == vault.Name && v.Kind == vault.Kind && v.Environment == vault.Environment && v.Domain == vault.Domain
		}
		if at := slices.IndexFunc(there.Vaults, same); at >= 0 {
			vault = there.Vaults[at]
		} else if err := d.control(ctx, http.MethodPost, "vaults", vault, &vault); err != nil {
			return nil, notProvided(inst.Addr, err)
		}
		names[inst.Addr] = name
		made = append(made, vault)
		endpoints[inst.Addr] = providers.Endpoint{URL: d.info.Address + "/" + name, ID: vault.ID, User: "admin@" + name + ".dev", PasswordFile: devFile(d.dir)}
	}
	for _, p := range pairs {
		content, crm := names[p.content], names[p.crm]
		if content == "" || crm == "" {
			continue
		}
		if err := d.control(ctx, http.MethodPost, "connect", map[string]string{"content": content, "crm": crm, "type": p.typ}, nil); err != nil {
			return nil, notProvided(p.addr, err)
		}
	}
	return endpoints, d.load(ctx, made, dev.Library)
}

// notProvided says what to do where the development server has something else
// than the files say: what it has lasts, as a vault's kind and environment do.
func notProvided(addr addrs.Instance, err error) error {
	return &providers.Error{Kind: providers.Invalid, Addr: addr, Message: err.Error(),
		Advice: "A vault of the development server stays what it was made as. Name another one (url = \"dev://NAME\"), or delete the folder .accord, with the state and all vaults in it, to begin again."}
}

// devPair is two vaults that a connection ties together.
type devPair struct {
	addr         addrs.Instance
	typ          string
	content, crm addrs.Instance
}

// load fills vaults that have not been filled from the library folder with
// NAME.sample.json (what to generate), then NAME.jsonl. Content vaults come
// first, since what the others hold may point at them.
func (d *devServer) load(ctx context.Context, vaults []devVault, library string) error {
	if library == "" {
		return nil
	}
	slices.SortStableFunc(vaults, func(a, b devVault) int {
		rank := func(v devVault) int {
			if v.Kind == "promomats" || v.Kind == "medcomms" {
				return 0
			}
			return 1
		}
		return rank(a) - rank(b)
	})
	for _, v := range vaults {
		done := filepath.Join(d.dir, ".accord", "dev", "loaded-"+v.Name)
		if _, err := os.Stat(done); err == nil {
			continue
		}
		for _, suffix := range []string{".sample.json", ".jsonl"} {
			if err := d.loadFile(ctx, v.Name, filepath.Join(d.dir, library, v.Name+suffix)); err != nil {
				return err
			}
		}
		if err := os.WriteFile(done, nil, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// loadFile loads one file, if there is one.
func (d *devServer) loadFile(ctx context.Context, vault, name string) error {
	f, err := os.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	} else if err != nil {
		return err
	}
	defer f.Close()
	var library io.Reader = f
	if strings.HasSuffix(name, ".sample.json") {
		params, err := sample.Decode(f)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r, w := io.Pipe()
		defer r.Close()
		go func() { w.CloseWithError(sample.Write(w, params)) }()
		library = r
	}
	path := "load/" + vault + "?name=" + url.QueryEscape(filepath.Base(name))
	if err := d.control(ctx, http.MethodPost, path, library, nil); err != nil {
		return fmt.Errorf("load %s into %s: %w", name, vault, err)
	}
	return nil
}
