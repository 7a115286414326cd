package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"

	"accord/providers/devvault/sample"
)

// benchCountries are values of country_cda__v, one for each CRM vault.
var benchCountries = strings.Fields("us ca mx de fr it es gb nl be ch at se no dk fi pl pt ie gr cz hu ro bg jp cn kr in br au")

const benchSyncConfig = `
accord {
  limits {
    max_withdrawn = "100%"
    max_published = "100%"
    ignore_below  = 1000000000
  }
  sync {
    filter_delay = "0s"
  }
  dev {
    library = "library"
    burst   = 1000000000
  }
}
vault "promomats" {
  kind        = "promomats"
  environment = "production"
  url         = "dev://promomats"
}
vault "crm" {
  for_each    = local.crm
  kind        = "crm"
  environment = "production"
  url         = "dev://crm-${each.key}"
}
connection "crm" {
  for_each = local.crm
  type     = "promomats_crm"
  content  = vault.promomats
  crm      = vault.crm[each.key]
}
integration "clm" {
  for_each   = local.crm
  connection = connection.crm[each.key]
  type       = "clm"
  status     = "active"
}
integration_point "clm_presentation" {
  for_each    = local.crm
  integration = integration.clm[each.key]
  name        = "clm_presentation"
  status      = "active"
}
`

const benchShareConfig = `
country_filter "crm" {
  for_each   = local.crm
  connection = connection.crm[each.key]
  feature    = "clm"
  countries  = [each.value]
}
integration "country" {
  for_each   = local.crm
  connection = connection.crm[each.key]
  type       = "country"
  status     = "active"
}
integration_point "clm_country" {
  for_each    = local.crm
  integration = integration.country[each.key]
  name        = "clm_country"
  status      = "active"
}
`

// configure writes the configuration; shift moves every country to another
// CRM vault.
func (o benchSyncOptions) configure(dir string, shift int) error {
	var b strings.Builder
	b.WriteString("locals {\n  crm = {\n")
	for n := range o.vaults {
		fmt.Fprintf(&b, "    %d = %q\n", n+1, benchCountries[(n+shift)%o.vaults%len(benchCountries)]+"__v")
	}
	b.WriteString("  }\n}\n" + benchSyncConfig)
	if o.share {
		b.WriteString(benchShareConfig)
	}
	return os.WriteFile(filepath.Join(dir, "main.hcl"), []byte(b.String()), 0o600)
}

// library is what the content vault holds: of six documents, one is a
// presentation; of fifty, one a shared resource.
func (o benchSyncOptions) library() sample.Params {
	p := sample.Params{Seed: 1, Presentations: o.documents / 6, SharedResources: o.documents / 50}
	p.Slides = o.documents - p.Presentations - p.SharedResources
	for n := range min(o.vaults, len(benchCountries)) {
		key := benchCountries[n]
		p.Countries = append(p.Countries, sample.Country{Key: key, Name: strings.ToUpper(key), Values: []string{key + "__v"}, Weight: 1})
	}
	return p
}

// prepare loads the vaults and applies the configuration, without any run, and
// copies all of it for the floor.
func (b *benchSync) prepare(ctx context.Context) error {
	if err := os.MkdirAll(filepath.Join(b.dir, "library"), 0o700); err != nil {
		return err
	}
	if err := b.configure(b.dir, 0); err != nil {
		return err
	}
	params, err := json.Marshal(b.library())
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.dir, "library", "promomats.sample.json"), append(params, '\n'), 0o600); err != nil {
		return err
	}
	dev, err := openDevServer(ctx, b.dir)
	if err != nil {
		return err
	}
	defer dev.Close()
	if _, err := b.child(ctx, b.dir, nil, "apply", "-auto-approve", "-concise", "-no-sync"); err != nil {
		return err
	}
	if b.share {
		m, err := b.child(ctx, b.dir, nil, "sync", "integration_point.clm_country")
		if err != nil {
			return err
		}
		if n := strings.Count(m.out.String(), "full run clean"); n != b.vaults {
			return fmt.Errorf("the countries of %d CRM vaults were synced, not of %d:\n%s", n, b.vaults, m.out.String())
		}
	}
	if b.filled {
		if err := b.fill(ctx, dev); err != nil {
			return err
		}
	}
	dev.Close()
	return copyOfSite(ctx, b.dir, b.floor)
}

// copyOfSite copies a folder with the data of its development server, once
// that has ended.
func copyOfSite(ctx context.Context, from, to string) error {
	lock := flock.New(filepath.Join(from, ".accord", "dev.lock"))
	waiting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if held, err := lock.TryLockContext(waiting, 50*time.Millisecond); err != nil || !held {
		return fmt.Errorf("wait for the development server to end: %w", err)
	}
	defer lock.Unlock()
	return os.CopyFS(to, os.DirFS(from))
}
