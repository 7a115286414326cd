package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Webhook is an address that is posted to.
type Webhook struct {
	name   string
	url    *url.URL
	hidden bool // no part of the address is shown to anybody
	secret []byte
	agent  string
	client *http.Client
	pause  time.Duration // between the two attempts of one delivery
}

// answerWithin is how long an answer is waited for.
const answerWithin = 5 * time.Second

// NewWebhook takes where an address is written or kept, the address, which has been
// checked, and the secret that its deliveries are signed with: any text, or whsec_
// and base64.
func NewWebhook(place, address, secret, agent string) (*Webhook, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the url of the webhook is no address")
	}
	key := []byte(secret)
	if coded, is := strings.CutPrefix(secret, "whsec_"); is {
		if key, err = base64.StdEncoding.DecodeString(coded); err != nil {
			return nil, errors.New("the secret begins with whsec_, and what follows is not base64")
		}
	}
	return &Webhook{name: NameOf(place), url: u, hidden: place != address, secret: key, agent: agent, pause: time.Second, client: &http.Client{
		Timeout: answerWithin,
		// A signature is for the one that the url names, and for nobody else.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// NameOf is how the journal calls a webhook, by where its address is written or
// kept. That may be the address itself, which may hold a secret.
func NameOf(place string) string {
	sum := sha256.Sum256([]byte(place))
	return "webhook " + hex.EncodeToString(sum[:8])
}

// Name is how the journal calls it.
func (w *Webhook) Name() string { return w.name }

// Answer is an answer that is not yes.
type Answer struct {
	Status     int
	To         string // of a redirect: the host
	RetryAfter time.Duration
}

func (a *Answer) Error() string {
	switch {
	case a.To != "":
		return fmt.Sprintf("it redirects to %s (%d), which is not followed: what is signed for one is not sent to another", a.To, a.Status)
	case a.Status == http.StatusUnauthorized, a.Status == http.StatusForbidden:
		return fmt.Sprintf("it answered %d %s: does it know the secret?", a.Status, http.StatusText(a.Status))
	}
	return strings.TrimSpace(fmt.Sprintf("it answered %d %s", a.Status, http.StatusText(a.Status)))
}

// post delivers a message, and tries twice where it was not heard.
func (w *Webhook) post(ctx context.Context, id string, body []byte, now func() time.Time) error {
	err := w.once(ctx, id, body, now())
	var answer *Answer
	if err == nil || errors.As(err, &answer) && answer.Status < 500 {
		return err
	}
	select {
	case <-ctx.Done():
		return err
	case <-time.After(w.pause):
		return w.once(ctx, id, body, now())
	}
}

func (w *Webhook) once(ctx context.Context, id string, body []byte, now time.Time) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url.String(), bytes.NewReader(body))
	if err != nil {
		return errors.New("the url of the webhook is no address")
	}
	moment := strconv.FormatInt(now.Unix(), 10)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", w.agent)
	req.Header.Set("Webhook-Id", id)
	req.Header.Set("Webhook-Timestamp", moment)
	req.Header.Set("Webhook-Signature", w.sign(id, moment, body))
	resp, err := w.client.Do(req)
	if err != nil {
		return w.unaddressed(err)
	}
	defer resp.Body.Close()
	if n := resp.ContentLength; n >= 0 && n <= 64<<10 {
		_, _ = io.Copy(io.Discard, resp.Body) // so that the connection is used again
	}
	if resp.StatusCode >= 200 && resp.StatusCode < 300 {
		return nil
	}
	answer := &Answer{Status: resp.StatusCode}
	if to, err := resp.Location(); err == nil && resp.StatusCode < 400 {
		if answer.To = to.Host; w.hidden {
			answer.To = "another address"
		}
	}
	answer.RetryAfter = retryAfter(resp.Header.Get("Retry-After"), now)
	return answer
}

// retryAfter is how long a receiver asks to be left alone: it says a number of
// seconds, or a moment.
func retryAfter(text string, now time.Time) time.Duration {
	if s, err := strconv.Atoi(text); err == nil {
		return max(0, time.Duration(s)*time.Second)
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// sign is the signature of Standard Webhooks, version 1: who alters the body, or
// sends it again much later, is found out.
func (w *Webhook) sign(id, moment string, body []byte) string {
	mac := hmac.New(sha256.New, w.secret)
	fmt.Fprintf(mac, "%s.%s.%s", id, moment, body)
	return "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// unaddressed takes the address out of an error, and where it is hidden its host, too.
func (w *Webhook) unaddressed(err error) error {
	var e *url.Error
	switch {
	case !errors.As(err, &e):
		return err
	case e.Timeout():
		return fmt.Errorf("it did not answer within %s", answerWithin)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errors.New("it closed the connection without an answer")
	}
	if w.hidden && w.url.Hostname() != "" {
		return errors.New(strings.ReplaceAll(e.Err.Error(), w.url.Hostname(), "its host"))
	}
	return e.Err
}
