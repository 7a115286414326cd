package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// teller tells one of the notify blocks.
func (w *workspace) teller(ctx context.Context, n lang.Notify, lineage string) (*notify.Teller, error) {
	secret := os.Getenv(webhookSecret)
	if secret == "" {
		return nil, fmt.Errorf("%s is not set, and nothing is sent unsigned", webhookSecret)
	}
	address, err := w.address(ctx, n)
	if err != nil {
		return nil, err
	}
	hook, err := notify.NewWebhook(n.Place(), address, secret, "accord/"+Version)
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
	left, next, err := w.journal.Waiting(ctx, notify.NameOf(n.Place()))
	if err == nil && left == 0 {
		return
	}
	name := n.Name()
	result := notify.Result{Left: left, Next: next}
	var t *notify.Teller
	if err == nil {
		st, unread := w.store.Read(ctx)
		if err = unread; err == nil {
			t, err = w.teller(ctx, n, st.Lineage)
		}
	}
	if err == nil {
		result, err = t.Tell(ctx)
	}
	if err == nil {
		err = result.Err
	}
	w.cli.notified(name, result, err)
	if result.Left == 0 && result.GaveUp == 0 && err == nil {
		return
	}
	d := &hcl.Diagnostic{Severity: hcl.DiagWarning, Subject: n.Range.Ptr(), Extra: &planner.Problem{Code: "CONN-6"},
		Summary: sentence(name) + " was not told of " + count(result.Left, "run"),
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
func (c *cli) notified(webhook string, r notify.Result, err error) {
	text := fmt.Sprintf("Told %s of %s", webhook, count(r.Told, "run"))
	switch {
	case c.json:
		data := map[string]any{"webhook": webhook, "told": r.Told, "left": r.Left, "gave_up": r.GaveUp}
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

// addressWithin is how long a command may take to print an address.
const addressWithin = 30 * time.Second

// address is where a webhook is, which may be a secret: no error repeats it.
func (w *workspace) address(ctx context.Context, n lang.Notify) (string, error) {
	var text, from string
	switch {
	case n.Env != "":
		if text, from = os.Getenv(n.Env), n.Env; text == "" {
			return "", fmt.Errorf("%s, which is to hold its address, is not set", n.Env)
		}
	case n.File != "":
		path := n.File
		if !filepath.IsAbs(path) {
			path = filepath.Join(w.dir, path)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("url_file cannot be read: %w", err)
		}
		text, from = string(data), n.File
	case len(n.Command) > 0:
		within, cancel := context.WithTimeout(ctx, addressWithin)
		defer cancel()
		cmd := exec.CommandContext(within, n.Command[0], n.Command[1:]...)
		cmd.Dir, cmd.WaitDelay = w.dir, time.Second // what it started may hold its output
		data, err := cmd.Output()
		switch {
		case within.Err() != nil && ctx.Err() == nil:
			return "", fmt.Errorf("url_command %s did not end within %s; run it by hand: does it wait for somebody?", n.Command[0], addressWithin)
		case err != nil:
			return "", fmt.Errorf("url_command %s: %w", n.Command[0], err)
		}
		text, from = string(data), "the output of "+n.Command[0]
	default:
		return n.URL, nil
	}
	text = strings.TrimSpace(text)
	if lang.WrongAddress(text) != "" {
		return "", fmt.Errorf("%s holds no address such as https://hooks.example.com/accord", from)
	}
	return text, nil
}

// keepTelling tells while serve runs: after each run, and when it is time to try
// again, which is also when an address that is kept elsewhere is read anew. It returns
// when ctx ends; what is not told then stays on record.
func (s *session) keepTelling(ctx context.Context, n lang.Notify, lineage string) {
	name, told, said := n.Name(), notify.NameOf(n.Place()), ""
	ran := s.ran[told]
	var t *notify.Teller
	for {
		wait := sessionMost
		if t == nil {
			var err error
			if t, err = s.teller(ctx, n, lineage); err != nil && err.Error() != said && ctx.Err() == nil {
				said = err.Error()
				s.log.Warn("a webhook is not told", "webhook", name, "error", err)
			}
		}
		if t != nil {
			r, err := t.Tell(ctx)
			if ctx.Err() != nil {
				return
			}
			switch {
			case err != nil:
				s.log.Warn("what is to be told cannot be read", "webhook", name, "error", err)
			case r.Err != nil:
				s.log.Warn("a webhook could not be told; it is tried again", "webhook", name, "error", r.Err, "left", r.Left, "again", r.Next.UTC().Format(time.RFC3339))
				wait, t = max(time.Second, time.Until(r.Next)), nil
			case r.Left > 0:
				wait = max(time.Second, time.Until(r.Next))
			}
			if r.Told > 0 {
				s.log.Info("told", "webhook", name, "runs", r.Told)
			}
			if r.GaveUp > 0 {
				s.log.Warn("runs ended too long ago to be told", "webhook", name, "runs", r.GaveUp)
			}
			s.untold.Store(told, untoldRuns{name, r.Left})
		} else if left, _, err := s.journal.Waiting(ctx, told); err == nil {
			s.untold.Store(told, untoldRuns{name, left})
		}
		select {
		case <-ctx.Done():
			return
		case <-ran:
		case <-time.After(wait):
		}
	}
}
