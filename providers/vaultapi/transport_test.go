package vaultapi

import (
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// What Go users expect of proxies and certificates holds: SSL_CERT_FILE adds a
// CA, HTTPS_PROXY is asked, and without either nobody is trusted. Both
// variables are read once a process, so each case is a process of its own.
func TestTransport(t *testing.T) {
	if address := os.Getenv("VAULTAPI_TEST_ADDRESS"); address != "" {
		cfg := (&server{Server: &httptest.Server{}}).config()
		cfg.BaseURL = address
		cfg.Clock, cfg.Retry.Tries = nil, 1
		client, err := Open(t.Context(), cfg)
		fmt.Printf("kind=%s\n", KindOf(err))
		if err == nil {
			_ = client.Close(t.Context())
		}
		return
	}
	t.Parallel()
	vault := &server{sessions: map[string]bool{}}
	vault.login = func(w http.ResponseWriter, r *http.Request) bool {
		vault.mu.Lock()
		vault.sessions["s"] = true
		vault.mu.Unlock()
		vault.loggedIn(w, "s", testVault, "https://"+r.Host+"/api")
		return true
	}
	web := httptest.NewTLSServer(vault)
	t.Cleanup(web.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: web.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	// A proxy that leads everybody to the vault, whatever they ask for.
	var tunnels atomic.Int64
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect {
			t.Errorf("the proxy was asked for %s %s", r.Method, r.URL)
			return
		}
		tunnels.Add(1)
		to, err := net.Dial("tcp", web.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		from, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(from, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { _, _ = io.Copy(to, from); _ = to.Close() }()
		_, _ = io.Copy(from, to)
		_ = from.Close()
	}))
	t.Cleanup(proxy.Close)

	for name, c := range map[string]struct {
		address string
		env     []string
		want    Kind
		logins  int
		tunnels int64
	}{
		"a CA of one's own":         {web.URL, []string{"SSL_CERT_FILE=" + ca}, "", 1, 0},
		"nobody vouches":            {web.URL, nil, Auth, 0, 0},
		"a proxy":                   {"https://example.com", []string{"SSL_CERT_FILE=" + ca, "HTTPS_PROXY=" + proxy.URL}, "", 1, 1},
		"a proxy, nobody vouches":   {"https://example.com", []string{"HTTPS_PROXY=" + proxy.URL}, Auth, 0, 1},
		"a proxy, but not for this": {web.URL, []string{"SSL_CERT_FILE=" + ca, "HTTPS_PROXY=" + proxy.URL, "NO_PROXY=127.0.0.1"}, "", 1, 0},
		"the wrong name":            {"https://vault.example.org", []string{"SSL_CERT_FILE=" + ca, "HTTPS_PROXY=" + proxy.URL}, Auth, 0, 1},
		"without TLS":               {"http://vault.example.org", []string{"HTTP_PROXY=" + proxy.URL}, Invalid, 0, 0},
	} {
		before, through := vault.loginCount(), tunnels.Load()
		cmd := exec.Command(os.Args[0], "-test.run=^TestTransport$")
		cmd.Env = append([]string{"VAULTAPI_TEST_ADDRESS=" + c.address, "HOME=" + t.TempDir(), "SSL_CERT_DIR=" + t.TempDir()}, c.env...)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), fmt.Sprintf("kind=%s\n", c.want)) {
			t.Errorf("%s: %v, %s", name, err, out)
		}
		if n, m := vault.loginCount()-before, tunnels.Load()-through; n != c.logins || m != c.tunnels {
			t.Errorf("%s: %d logins and %d tunnels, want %d and %d", name, n, m, c.logins, c.tunnels)
		}
	}
}
