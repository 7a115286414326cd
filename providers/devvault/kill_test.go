package devvault

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
)

// serveForKill is the server that TestKilledServerHasWhatItAcknowledged starts, as a process of its own, and kills.
func serveForKill(dir string) error {
	s, err := Open(Options{Dir: dir, Settings: Settings{Burst: 1 << 30}})
	if err != nil {
		return err
	}
	if err := s.AddVault(VaultSpec{Name: "promo", Kind: "promomats"}); err != nil {
		return err
	}
	fmt.Println("serving", httptest.NewServer(s.Handler()).URL)
	select {}
}

// Every write that was answered is there after kill -9, and the server opens as if nothing had been.
func TestKilledServerHasWhatItAcknowledged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.CommandContext(context.Background(), os.Args[0])
	cmd.Env = append(os.Environ(), "DEVVAULT_SERVE="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var base string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if u, found := strings.CutPrefix(lines.Text(), "serving "); found {
			base = u
			break
		}
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	send := func(path, session, body string) (string, string) {
		req, err := http.NewRequest("POST", base+"/promo/api/v26.2/"+path, strings.NewReader(body))
		if err != nil {
			return "", ""
		}
		req.Header.Set("Authorization", session)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		res, err := client.Do(req)
		if err != nil {
			return "", ""
		}
		defer res.Body.Close()
		b, err := bufio.NewReader(res.Body).ReadString('}')
		if err != nil {
			return "", ""
		}
		return res.Header.Get("X-VaultAPI-Status"), b
	}
	_, login := send("auth", "", "username=admin@promo.dev&password=dev")
	_, rest, _ := strings.Cut(login, `"sessionId":"`)
	session, _, _ := strings.Cut(rest, `"`)

	var mu sync.Mutex
	acknowledged := map[string]bool{}
	var writers sync.WaitGroup
	for w := range 8 {
		writers.Go(func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%d-%d", w, i)
				path, body := "objects/documents", "name__v=x&type__v=material__v&lifecycle__v=promo_mats_lifecycle__v&external_id__v="+key
				if w%2 == 1 {
					path, body = "vobjects/keyword__v?idParam=external_id__v", "name__v=x&external_id__v="+key
				}
				status, _ := send(path, session, body)
				if status != "SUCCESS" {
					return
				}
				mu.Lock()
				acknowledged[key] = true
				if len(acknowledged) == 300 {
					cmd.Process.Kill()
				}
				mu.Unlock()
			}
		})
	}
	writers.Wait()
	cmd.Wait()

	s, err := Open(Options{Dir: dir, Lax: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	rows, err := s.store.read.Query(`SELECT external_id FROM versions UNION ALL SELECT external_id FROM records WHERE external_id IS NOT NULL`)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := map[string]bool{}
	for rows.Next() {
		var key string
		if err := rows.Scan(&key); err != nil {
			t.Fatal(err)
		}
		found[key] = true
	}
	if len(acknowledged) < 300 {
		t.Fatalf("%d writes only were acknowledged before the kill", len(acknowledged))
	}
	for key := range acknowledged {
		if !found[key] {
			t.Errorf("%s was acknowledged and is lost", key)
		}
	}
	if extra := len(found) - len(acknowledged); extra > 8 {
		t.Errorf("%d documents and records were made that nobody asked for", extra)
	}
}
