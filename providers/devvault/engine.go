package devvault

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// The server has no engine that moves content. It only remembers in which CRM vaults one is switched on, and lets it in: package standin is one.

// VaultInfo is what a vault is.
type VaultInfo struct {
	Name, Kind, Environment string
	ID                      int64
	Engine                  bool // the stand-in of the platform's own engine is on
}

// Vaults returns the vaults in the order in which they were made.
func (s *Server) Vaults() []VaultInfo {
	var list []VaultInfo
	for _, v := range s.list() {
		list = append(list, VaultInfo{v.name, v.kind, v.environment, v.id, v.engine.Load()})
	}
	return list
}

// SetEngine switches the stand-in of the platform's own engine on or off for the points of a CRM vault. It lasts over a restart.
func (s *Server) SetEngine(name string, on bool) error {
	v := s.vault(name)
	if v == nil {
		return fmt.Errorf("there is no vault %q", name)
	}
	if v.kind != kindCRM {
		return fmt.Errorf("%s is a %s vault; integration points are in the CRM vault", name, v.kind)
	}
	value := ""
	if on {
		value = "on"
	}
	if err := s.Note("engine "+name, value); err != nil {
		return err
	}
	v.engine.Store(on)
	return nil
}

// Note keeps a text under a name over restarts; Noted returns it, "" where there is none.
func (s *Server) Note(name, text string) error {
	return s.store.update(func(t *tx) error {
		return t.exec(`INSERT INTO settings VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, "note "+name, text)
	})
}

func (s *Server) Noted(name string) (string, error) {
	var text string
	_, err := one(context.Background(), s.store.read, []any{&text}, `SELECT value FROM settings WHERE name = ?`, "note "+name)
	return text, err
}

// insideKey marks the context of a call that a part of the server makes itself.
type insideKey struct{}

func fromInside(ctx context.Context) bool { return ctx.Value(insideKey{}) != nil }

// Inside makes a call of a vault's API as its own admin, from inside the server: it is not logged in, not counted, not paced, and meets no fault.
// Form is "name=value&…" of x-www-form-urlencoded, or JSON where it begins with a bracket. A failure is an error.
func (s *Server) Inside(ctx context.Context, vault, method, path, form string) (map[string]any, error) {
	r, err := http.NewRequestWithContext(context.WithValue(ctx, insideKey{}, true), method, "http://localhost/"+vault+"/api/"+versions[len(versions)-1]+"/"+path, strings.NewReader(form))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if strings.HasPrefix(form, "[") || strings.HasPrefix(form, "{") {
		r.Header.Set("Content-Type", "application/json")
	}
	w := &answerWriter{header: http.Header{}}
	s.serve(w, r)
	var out map[string]any
	d := json.NewDecoder(&w.body)
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		return nil, fmt.Errorf("%s %s %s: %w", method, vault, path, err)
	}
	if status := out["responseStatus"]; !slices.Contains([]any{"SUCCESS", "WARNING"}, status) {
		return out, fmt.Errorf("%s %s %s: %v", method, vault, path, out["errors"])
	}
	return out, nil
}

// answerWriter keeps an answer in memory.
type answerWriter struct {
	header http.Header
	body   bytes.Buffer
}

func (w *answerWriter) Header() http.Header         { return w.header }
func (w *answerWriter) WriteHeader(int)             {}
func (w *answerWriter) Write(b []byte) (int, error) { return w.body.Write(b) }

// answerInside answers a call of Inside, which nobody logs in for.
func (s *Server) answerInside(c *call, unread error) (reply, error) {
	if unread != nil {
		return reply{}, unread
	}
	admin := s.user("admin@" + c.v.name + ".dev")
	if admin == nil {
		return reply{}, fmt.Errorf("the vault %s has no admin of its own", c.v.name)
	}
	c.session, c.user = &session{vault: c.v, user: admin}, s.principal(admin, c.v)
	if c.user == nil {
		return reply{}, fmt.Errorf("%s is no member of its vault", admin.Name)
	}
	return c.route.handle(c)
}
