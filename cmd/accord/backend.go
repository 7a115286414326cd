package main

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/hashicorp/hcl/v2"

	"accord/state/local"
)

// openStore opens the store that the accord block names, and no journal.
func (w *workspace) openStore(context.Context) error {
	b := w.config.Settings.Backend
	if b.Type != "local" {
		return w.cli.problems(hcl.Diagnostics{{
			Severity: hcl.DiagError, Summary: fmt.Sprintf("The state backend %q is not supported yet", b.Type),
			Detail: `Use state "local", which is also the default.`, Subject: b.Range.Ptr(),
		}})
	}
	path := b.Config["path"]
	if !filepath.IsAbs(path) {
		path = filepath.Join(w.dir, path)
	}
	store, err := local.Open(path, local.Options{Tool: "accord " + Version})
	if err != nil {
		return fmt.Errorf("open the state: %w", err)
	}
	w.onClose(store)
	w.store = store
	return nil
}
