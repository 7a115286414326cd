// Package standin plays the platform's own integration engine on a development server, for the CRM vaults in which it is switched on
// (devvault.Server.SetEngine; off by default). While a Country or CLM point and its integration are active it runs them: in full after they
// were activated, after Last Successful Run Time was cleared, when that is 15 days ago, and 5 minutes after the country filter was edited; else,
// at an interval, for what changed since.
//
// It is a stand-in: plain, for small libraries that fit in memory, and of its own making. It shares no code with the engine that is held
// against it, and works through the API of the vaults, from inside the server. What the platform keeps to itself is settled the simplest way:
// what it made in a CRM vault is known by its source (a CrossLink's, or the link of a presentation), not by a mark.
//
// Start with Tick; due.go says when a point runs, source.go what the content vault publishes, target.go what there is, publish.go what a run does.
package standin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"accord/providers/devvault"
)

// Engine runs the points of a server's vaults.
type Engine struct {
	server *devvault.Server
	every  time.Duration
	mu     sync.Mutex // one tick at a time
}

// New makes an engine whose incremental runs are that far apart, by the server's clock.
func New(server *devvault.Server, every time.Duration) *Engine {
	return &Engine{server: server, every: every}
}

// Run ticks until the context ends. What goes wrong is told to report.
func (e *Engine) Run(ctx context.Context, report func(error)) {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := e.Tick(ctx); err != nil && ctx.Err() == nil {
				report(err)
			}
		}
	}
}

// Tick runs every point that is due.
func (e *Engine) Tick(ctx context.Context) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	var errs []error
	vaults := e.server.Vaults()
	for _, crm := range vaults {
		if !crm.Engine {
			continue
		}
		for _, connection := range []string{"promomats_crm", "medical_crm"} {
			w := &work{Engine: e, ctx: ctx, crm: crm, connection: connection}
			if err := w.tick(vaults); err != nil {
				errs = append(errs, fmt.Errorf("the stand-in of the platform's engine, %s, %s: %w", crm.Name, connection, err))
			}
		}
	}
	return errors.Join(errs...)
}

// work is what one tick does for one connection of a CRM vault.
type work struct {
	*Engine
	ctx          context.Context
	crm, content devvault.VaultInfo
	connection   string

	settings settings
	retry    map[string]bool // documents that failed in earlier runs
	failures []failure       // of the run
}

// point is an integration point as the vault has it.
type point struct {
	id        string
	active    bool // with its integration
	lrt, lsrt time.Time
}

// settings are the Global CLM Integration Settings.
type settings struct {
	filter []string
	edited time.Time
}

// failure is a document that a run could not publish.
type failure struct{ doc, title, why string }

func (w *work) tick(vaults []devvault.VaultInfo) error {
	rows, err := w.query(w.crm.Name, "SELECT remote_vault_id__sys FROM connection__sys WHERE api_name__sys = '"+w.connection+"__v' AND status__v = 'active__v'")
	if err != nil || len(rows) == 0 {
		return err
	}
	at := slices.IndexFunc(vaults, func(v devvault.VaultInfo) bool { return fmt.Sprint(v.ID) == rows[0].text("remote_vault_id__sys") })
	if at < 0 {
		return nil // another server's
	}
	w.content = vaults[at]
	// What a run goes by is read after what asks for it, since it was set before.
	clm, err := w.point("clm_presentation")
	if err != nil {
		return err
	}
	country, err := w.point("clm_country")
	if err != nil {
		return err
	}
	if w.settings, err = w.readSettings(); err != nil {
		return err
	}
	// A sandbox never populates a production vault.
	if w.crm.Environment != "production" && w.content.Environment == "production" {
		country.active = false
	}
	waits, err := w.run("clm_country", country, func(bool, time.Time) error { return w.countries() })
	if err != nil || waits { // content is not routed by records that are about to change
		return err
	}
	if w.content.Environment != "production" && w.crm.Environment == "production" {
		clm.active = false
	}
	_, err = w.run("clm_presentation", clm, func(full bool, since time.Time) error { return w.presentations(country.active, full, since) })
	return err
}

// run runs a point when it is due, and says in the vault how it went. waits: it was
// asked for, and runs at the next beat.
func (w *work) run(name string, p point, do func(full bool, since time.Time) error) (waits bool, err error) {
	m, err := w.recall(name)
	if err != nil {
		return false, err
	}
	now := w.server.Now().UTC().Truncate(time.Millisecond)
	before := m
	mode := due(&m, p, w.settings, now, w.every)
	if mode == none {
		if waits = !m.Asked.IsZero(); m == before {
			return waits, nil
		}
		return waits, w.remember(name, m)
	}
	if w.retry, err = w.open(p); err != nil {
		return false, err
	}
	w.failures = nil
	err = do(mode == full, p.lsrt)
	row := map[string]any{"id": p.id, "last_run_time__sys": stamp(now)}
	if err == nil && len(w.failures) == 0 {
		row["last_successful_run_time__sys"] = stamp(now)
		m.LSRT = now
	}
	if xerr := w.exceptions(p, err); xerr != nil {
		return false, xerr
	}
	if uerr := w.records(w.crm.Name, "PUT", "integration_point__sys", row); uerr != nil {
		return false, uerr
	}
	if mode == full && err == nil {
		m.Filter, m.Edited = strings.Join(w.settings.filter, ","), time.Time{}
	}
	m.Active = true
	return false, w.remember(name, m)
}

func (w *work) noteName(point string) string {
	return "standin " + w.crm.Name + " " + w.connection + " " + point
}

func (w *work) recall(point string) (m memory, err error) {
	text, err := w.server.Noted(w.noteName(point))
	if err == nil && text != "" {
		err = json.Unmarshal([]byte(text), &m)
	}
	return m, err
}

func (w *work) remember(point string, m memory) error {
	text, err := json.Marshal(m)
	if err != nil {
		return err
	}
	return w.server.Note(w.noteName(point), string(text))
}

func (w *work) point(name string) (point, error) {
	rows, err := w.query(w.crm.Name, "SELECT id, status__v, last_run_time__sys, last_successful_run_time__sys, integration__sysr.status__v FROM integration_point__sys WHERE integration_point_api_name__sys = '"+w.connection+"_"+name+"__v'")
	if err != nil || len(rows) == 0 {
		return point{}, err
	}
	r := rows[0]
	is := func(name string) bool { return slices.Contains(r.list(name), "active__v") }
	return point{r.text("id"), is("status__v") && is("integration__sysr.status__v"), r.time("last_run_time__sys"), r.time("last_successful_run_time__sys")}, nil
}

func (w *work) readSettings() (settings, error) {
	rows, err := w.query(w.crm.Name, "SELECT country_filter__v, modified_date__v FROM connection_settings__v WHERE name__v = 'Global CLM Integration Settings'")
	if err != nil || len(rows) == 0 {
		return settings{}, err
	}
	filter := rows[0].list("country_filter__v")
	slices.Sort(filter)
	return settings{filter, rows[0].time("modified_date__v")}, nil
}

// countries makes the Connection Country records those of the countries that hold a value of the filter.
func (w *work) countries() error {
	all, err := w.query(w.content.Name, "SELECT id, name__v, country_cda__v FROM country__v")
	if err != nil {
		return err
	}
	there, err := w.query(w.content.Name, fmt.Sprintf("SELECT id, country__v FROM crm_connection_country__v WHERE vault_crm_id__v = '%d'", w.crm.ID))
	if err != nil {
		return err
	}
	wanted := map[string]row{}
	for _, c := range all {
		if slices.ContainsFunc(c.list("country_cda__v"), func(v string) bool { return slices.Contains(w.settings.filter, v) }) {
			wanted[c.text("id")] = c
		}
	}
	var gone []map[string]any
	for _, r := range there {
		country := strings.Join(r.list("country__v"), "")
		if _, ok := wanted[country]; !ok {
			gone = append(gone, map[string]any{"id": r.text("id")})
		}
		delete(wanted, country)
	}
	var add []map[string]any
	for id, c := range wanted {
		add = append(add, map[string]any{"name__v": c.text("name__v"), "country__v": id, "vault_crm_id__v": fmt.Sprint(w.crm.ID)})
	}
	if err := w.records(w.content.Name, "POST", "crm_connection_country__v", add...); err != nil {
		return err
	}
	return w.records(w.content.Name, "DELETE", "crm_connection_country__v", gone...)
}

// open are the documents of the exceptions that are open.
func (w *work) open(p point) (map[string]bool, error) {
	rows, err := w.query(w.crm.Name, "SELECT item__sys FROM exception_item__sys WHERE integration_point__sys = '"+p.id+"' AND error_status__sys = 'open__sys'")
	docs := map[string]bool{}
	for _, r := range rows {
		docs[r.text("item__sys")] = true
	}
	return docs, err
}

// exceptions writes what failed as User Exceptions: one item for each document, under one message. What no longer fails is resolved.
func (w *work) exceptions(p point, general error) error {
	open, err := w.query(w.crm.Name, "SELECT id, item__sys, error_message__sys FROM exception_item__sys WHERE integration_point__sys = '"+p.id+"' AND error_status__sys = 'open__sys'")
	if err != nil {
		return err
	}
	messages, err := w.query(w.crm.Name, "SELECT id FROM exception_message__sys WHERE integration_point__sys = '"+p.id+"' AND status__v = 'active__v'")
	if err != nil {
		return err
	}
	failing := map[string]failure{}
	for _, f := range w.failures {
		failing[f.doc] = f
	}
	var settled []map[string]any
	if general == nil {
		for _, r := range open {
			doc := r.text("item__sys")
			if f, still := failing[doc]; !still || f.why != r.text("error_message__sys") {
				settled = append(settled, map[string]any{"id": r.text("id"), "error_status__sys": "resolved__sys"})
			} else {
				delete(failing, doc)
			}
		}
	}
	if err := w.records(w.crm.Name, "PUT", "exception_item__sys", settled...); err != nil {
		return err
	}
	if general == nil && len(w.failures) == 0 {
		var done []map[string]any
		for _, r := range messages {
			done = append(done, map[string]any{"id": r.text("id"), "status__v": "inactive__v"})
		}
		return w.records(w.crm.Name, "PUT", "exception_message__sys", done...)
	}
	if general == nil && len(failing) == 0 || general != nil && len(messages) > 0 {
		return nil
	}
	text, kind := "Some documents could not be published", "item_processing_error__sys"
	if general != nil {
		text, kind = general.Error(), "configuration_error__sys"
	}
	made, err := w.create(w.crm.Name, "exception_message__sys", map[string]any{"name__v": "Exception of " + w.connection, "integration_point__sys": p.id,
		"error_type__sys": kind, "error_message__sys": text, "message_items_failed__sys": len(failing)})
	if err != nil {
		return err
	}
	for _, f := range w.failures {
		if _, isNew := failing[f.doc]; !isNew {
			continue
		}
		if _, err := w.create(w.crm.Name, "exception_item__sys", map[string]any{"name__v": cut(f.title, 120), "exception_message__sys": made, "integration_point__sys": p.id,
			"item__sys": f.doc, "error_message__sys": f.why, "error_type__sys": "item_processing_error__sys", "error_status__sys": "open__sys"}); err != nil {
			return err
		}
	}
	return nil
}

// cut shortens a text to so many characters.
func cut(text string, n int) string {
	if r := []rune(text); len(r) > n {
		return string(r[:n])
	}
	return text
}
