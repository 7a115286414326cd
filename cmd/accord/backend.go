package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/planner/plan"
	"accord/state"
	statehttp "accord/state/http"
	"accord/state/local"
	"accord/state/postgres"
	"accord/state/remote"
	"accord/state/s3"
	"accord/state/seal"
)

// The variables that hold what no file should.
const (
	httpUsername = "ACCORD_HTTP_USERNAME"
	httpPassword = "ACCORD_HTTP_PASSWORD"
)

// backends open the store that a state block describes: the settings that each
// takes, the first of them required where need is set, and how it is opened.
var backends = map[string]struct {
	settings []string
	need     bool
	open     func(ctx context.Context, w *workspace, config map[string]string, cipher state.Cipher) (state.Store, error)
}{
	"local": {settings: []string{"path"}, open: func(_ context.Context, w *workspace, config map[string]string, cipher state.Cipher) (state.Store, error) {
		path := config["path"]
		if !filepath.IsAbs(path) {
			path = filepath.Join(w.dir, path)
		}
		return local.Open(path, local.Options{Tool: "accord " + Version, Cipher: cipher})
	}},
	"postgres": {settings: []string{"url", "schema"}, open: func(ctx context.Context, _ *workspace, config map[string]string, cipher state.Cipher) (state.Store, error) {
		return postgres.Open(ctx, postgres.Config{URL: config["url"], Schema: config["schema"]}, remoteOptions(cipher))
	}},
	"http": {need: true, settings: []string{"address", "lock_address", "unlock_address", "lock_method", "unlock_method", "update_method"},
		open: func(_ context.Context, _ *workspace, config map[string]string, cipher state.Cipher) (state.Store, error) {
			return statehttp.Open(statehttp.Config{
				Address: config["address"], LockAddress: config["lock_address"], UnlockAddress: config["unlock_address"],
				LockMethod: config["lock_method"], UnlockMethod: config["unlock_method"], UpdateMethod: config["update_method"],
				Username: os.Getenv(httpUsername), Password: os.Getenv(httpPassword),
			}, remoteOptions(cipher))
		}},
	"s3": {need: true, settings: []string{"bucket", "prefix", "region", "endpoint", "path_style"},
		open: func(ctx context.Context, _ *workspace, config map[string]string, cipher state.Cipher) (state.Store, error) {
			pathStyle, err := strconv.ParseBool(config["path_style"])
			if err != nil && config["path_style"] != "" {
				return nil, fmt.Errorf("path_style is true or false, not %q", config["path_style"])
			}
			return s3.Open(ctx, s3.Config{
				Bucket: config["bucket"], Prefix: config["prefix"], Region: config["region"], Endpoint: config["endpoint"], PathStyle: pathStyle,
			}, remoteOptions(cipher))
		}},
}

func remoteOptions(cipher state.Cipher) remote.Options {
	return remote.Options{Tool: "accord " + Version, Cipher: cipher}
}

// openStore opens the store that the accord block names, and no journal.
func (w *workspace) openStore(ctx context.Context) error {
	b := w.config.Settings.Backend
	if diags := checkBackend(b); diags.HasErrors() {
		return w.cli.problems(diags)
	}
	cipher, err := w.cipher()
	if err != nil {
		return err
	}
	store, err := backends[b.Type].open(ctx, w, b.Config, cipher)
	if err != nil {
		return w.cli.problems(hcl.Diagnostics{{Severity: hcl.DiagError, Summary: sentence(err.Error()), Subject: place(b.Range)}})
	}
	w.store = store
	return nil
}

// checkBackend says which settings a backend does not take, or lacks.
func checkBackend(b lang.Backend) (diags hcl.Diagnostics) {
	known := backends[b.Type]
	for name := range b.Config {
		if !slices.Contains(known.settings, name) {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: fmt.Sprintf("A state %q has no setting %s", b.Type, name),
				Detail: "It takes " + strings.Join(known.settings, ", ") + ".", Subject: place(b.Range),
			})
		}
	}
	if known.need && b.Config[known.settings[0]] == "" {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: fmt.Sprintf("A state %q needs the setting %s", b.Type, known.settings[0]), Subject: place(b.Range),
		})
	}
	slices.SortFunc(diags, func(a, b *hcl.Diagnostic) int { return strings.Compare(a.Summary, b.Summary) })
	return diags
}

// place is where a diagnostic points to; nil for a block that was left out.
func place(r hcl.Range) *hcl.Range {
	if r.Empty() {
		return nil
	}
	return &r
}

// cipher seals state and plan files to the recipients of the accord block.
func (w *workspace) cipher() (state.Cipher, error) {
	identities, err := seal.Environment(os.Getenv)
	if err != nil {
		return nil, err
	}
	e := w.config.Settings.Encryption
	s, err := seal.New(e.Recipients, identities)
	if err != nil {
		return nil, w.cli.problems(hcl.Diagnostics{{Severity: hcl.DiagError, Summary: sentence(err.Error()), Subject: place(e.Range)}})
	}
	return s, nil
}

// readPlan reads a saved plan, which may be encrypted.
func readPlan(name string) (*plan.File, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if seal.Is(b) {
		identities, err := seal.Environment(os.Getenv)
		if err != nil {
			return nil, err
		}
		s, err := seal.New(nil, identities)
		if err != nil {
			return nil, err
		}
		if b, err = s.Open(b); err != nil {
			return nil, fmt.Errorf("the plan in %s cannot be read: %w", name, err)
		}
	}
	f, err := plan.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return f, nil
}
