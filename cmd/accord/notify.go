package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/hashicorp/hcl/v2"

	"accord/lang"
	"accord/planner"
	"accord/planner/notify"
)

// webhookSecret is the variable that holds what deliveries are signed with.
const webhookSecret = "ACCORD_WEBHOOK_SECRET"

// tellFor is how long a command that has ended tells what its runs did.
const tellFor = 15 * time.Second

// toTell names those who are told of runs, as the journal calls them.
func (w *workspace) toTell() []string {
	var names []string
	for _, n := range w.config.Settings.Notify {
		names = append(names, notify.NameOf(n.URL))
	}
	return names
}

// teller tells one of the notify blocks.
func (w *workspace) teller(n lang.Notify, lineage string) (*notify.Teller, error) {
	secret := os.Getenv(webhookSecret)
	if secret == "" {
		return nil, fmt.Errorf("%s is not set, and nothing is sent unsigned", webhookSecret)
	}
	hook, err := notify.NewWebhook(n.URL, secret, "accord/"+Version)
	if err != nil {
		return nil, err
	}
	return &notify.Teller{Journal: w.journal, Webhook: hook, From: notify.Sender{Tool: "accord " + Version, Lineage: lineage}, Now: time.Now}, nil
}

// tell tells whoever is to be told what runs did, these and earlier ones (CONN-6).
// Who cannot be told is told later, and no command fails for it.
func (w *workspace) tell(ctx context.Context) {
	if len(w.config.Settings.Notify) == 0 || ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, tellFor)
	defer cancel()
	for _, n := range w.config.Settings.Notify {
		w.tellOne(ctx, n)
	}
}

func (w *workspace) tellOne(ctx context.Context, n lang.Notify) {
	left, next, err := w.journal.Waiting(ctx, notify.NameOf(n.URL))
	if err == nil && left == 0 {
		return
	}
	host := hostOf(n.URL)
	result := notify.Result{Left: left, Next: next}
	var t *notify.Teller
	if err == nil {
		st, unread := w.store.Read(ctx)
		if err = unread; err == nil {
			t, err = w.teller(n, st.Lineage)
		}
	}
	if err == nil {
		result, err = t.Tell(ctx)
	}
	if err == nil {
		err = result.Err
	}
	w.cli.notified(host, result, err)
	if result.Left == 0 && result.GaveUp == 0 && err == nil {
		return
	}
	d := &hcl.Diagnostic{Severity: hcl.DiagWarning, Subject: n.Range.Ptr(), Extra: &planner.Problem{Code: "CONN-6"},
		Summary: fmt.Sprintf("%s was not told of %s", host, count(result.Left, "run")),
		Detail:  "They stay on record, and are told by the next apply, sync or serve" + notBefore(result.Next) + ". The runs themselves are not concerned."}
	if err != nil {
		d.Summary += ": " + err.Error()
	}
	if result.GaveUp > 0 {
		d.Detail += fmt.Sprintf(" %s ended more than a week ago, and will not be told.", count(result.GaveUp, "run"))
	}
	w.cli.diagnostics(hcl.Diagnostics{d})
}

func notBefore(next time.Time) string {
	if now := time.Now(); next.After(now) {
		return ", not before " + clockTime(next, now)
	}
	return ""
}

// notified says what came of telling.
func (c *cli) notified(host string, r notify.Result, err error) {
	text := fmt.Sprintf("Told %s of %s", host, count(r.Told, "run"))
	switch {
	case c.json:
		data := map[string]any{"host": host, "told": r.Told, "left": r.Left, "gave_up": r.GaveUp}
		if r.Left > 0 {
			data["next"] = r.Next
		}
		if err != nil {
			data["error"] = err.Error()
		}
		_ = c.line("notified", text, data)
	case r.Told > 0:
		fmt.Fprintln(c.stdout, text+".")
	}
}

// hostOf is what people are shown of an address: the rest may hold a secret.
func hostOf(address string) string {
	hook, err := notify.NewWebhook(address, "", "")
	if err != nil {
		return "the webhook"
	}
	return hook.Host()
}

// keepTelling tells while serve runs: after each run, and when it is time to try
// again. It returns when ctx ends; what is not told then stays on record.
func (s *session) keepTelling(ctx context.Context, n lang.Notify, lineage string) {
	host := hostOf(n.URL)
	t, err := s.teller(n, lineage)
	if err != nil {
		s.log.Warn("a webhook is not told", "host", host, "error", err)
		return
	}
	ran := s.ran[notify.NameOf(n.URL)]
	for {
		r, err := t.Tell(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := sessionMost
		switch {
		case err != nil:
			s.log.Warn("what is to be told cannot be read", "host", host, "error", err)
		case r.Err != nil:
			s.log.Warn("a webhook could not be told; it is tried again", "host", host, "error", r.Err, "left", r.Left, "again", r.Next.UTC().Format(time.RFC3339))
			wait = max(time.Second, time.Until(r.Next))
		case r.Left > 0:
			wait = max(time.Second, time.Until(r.Next))
		}
		if r.Told > 0 {
			s.log.Info("told", "host", host, "runs", r.Told)
		}
		if r.GaveUp > 0 {
			s.log.Warn("runs ended too long ago to be told", "host", host, "runs", r.GaveUp)
		}
		s.untold.Store(host, r.Left)
		select {
		case <-ctx.Done():
			return
		case <-ran:
		case <-time.After(wait):
		}
	}
}
