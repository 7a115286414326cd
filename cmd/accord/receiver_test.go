package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
)

// receiverCommand is a webhook: receiver NAME. NAME.address says where; NAME.log
// has a line for each delivery; NAME.mode may say slow, redirect ADDRESS, or the
// status that it answers with, and after how many seconds it may be told again.
func receiverCommand() {
	name := os.Args[1]
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var mu sync.Mutex
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var m struct{ Type, Text string }
		_ = json.Unmarshal(body, &m)
		id := r.Header.Get("webhook-id")
		mac := hmac.New(sha256.New, []byte(os.Getenv("ACCORD_WEBHOOK_SECRET")))
		fmt.Fprintf(mac, "%s.%s.%s", id, r.Header.Get("webhook-timestamp"), body)
		signed := "unsigned"
		if r.Header.Get("webhook-signature") == "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
			signed = "signed"
		}
		mode, _ := os.ReadFile(name + ".mode")
		how, to, _ := strings.Cut(strings.TrimSpace(string(mode)), " ")
		mu.Lock()
		if log, err := os.OpenFile(name+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err == nil {
			fmt.Fprintf(log, "%s %s %s %s %s\n", r.Method, signed, id, m.Type, m.Text)
			_ = log.Close()
		}
		mu.Unlock()
		status := http.StatusNoContent
		switch how {
		case "":
		case "slow":
			<-r.Context().Done() // until nobody waits for an answer
		case "redirect":
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return
		default:
			_, _ = fmt.Sscan(how, &status)
			if to != "" {
				w.Header().Set("Retry-After", to)
			}
		}
		w.WriteHeader(status)
	})
	err = os.WriteFile(name+".address.new", []byte("http://"+listener.Addr().String()), 0o644)
	if err == nil { // whoever waits for the file finds all of it
		err = os.Rename(name+".address.new", name+".address")
	}
	if err == nil {
		go func() {
			<-interrupted()
			os.Exit(0)
		}()
		err = http.Serve(listener, handler)
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
