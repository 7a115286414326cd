package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// bare calls a development server.
type bare struct {
	address, password string
	client            *http.Client
}

func newBare(info devInfo) *bare {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost, t.DisableCompression = bareIdle, bareIdle, true
	return &bare{address: info.Address, password: info.Password, client: &http.Client{Transport: t}}
}

// bareVault is one vault and what the loop holds of it.
type bareVault struct {
	*bare
	name, session string
	id            int64

	points map[string]string // API name → record id
	table  map[string]bool   // countries that are routed here
	held   map[int64]*bareHeld
}

// bareHeld is a document of a CRM vault.
type bareHeld struct {
	id      int64
	title   string
	members []int64
}

func (v *bareVault) login(ctx context.Context) error {
	var answer struct {
		Session string `json:"sessionId"`
		ID      int64  `json:"vaultId"`
	}
	err := v.form(ctx, http.MethodPost, "auth", url.Values{"username": {"admin@" + v.name + ".dev"}, "password": {v.password}}, &answer)
	v.session, v.id = answer.Session, answer.ID
	return err
}

func (v *bareVault) call(ctx context.Context, method, path, contentType string, body io.Reader, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, v.address+"/"+v.name+"/api/v25.2/"+path, body)
	if err != nil {
		return err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", v.session)
	resp, err := v.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	// Every answer of a vault says how it went in its first few bytes.
	if head := answer[:min(len(answer), 60)]; !bytes.Contains(head, []byte(`"responseStatus":"SUCCESS"`)) && !bytes.Contains(head, []byte(`"responseStatus":"WARNING"`)) {
		return fmt.Errorf("%s %s %s: %s", v.name, method, path, answer[:min(len(answer), 500)])
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

func (v *bareVault) form(ctx context.Context, method, path string, form url.Values, out any) error {
	return v.call(ctx, method, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()), out)
}

func (v *bareVault) get(ctx context.Context, path string) error {
	return v.call(ctx, http.MethodGet, path, "", nil, nil)
}

func (v *bareVault) batch(ctx context.Context, method, path, contentType, rows string) error {
	return v.call(ctx, method, path, contentType, strings.NewReader(rows), nil)
}
