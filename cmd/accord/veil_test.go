package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"accord/lang/addrs"
	"accord/providers"
)

// What quotes a sensitive value, in whatever way it is written on the way, does
// not show it; short values, and what is not sensitive, are left alone.
func TestVeil(t *testing.T) {
	t.Parallel()
	var v veil
	v.learn(&providers.Object{
		Body:      []byte(`{"label":"pass/w&rd=\"1'","list":["open","sesame-2"],"map":{"a":{"b":"deep-inside"}},"plain":"well-known","short":"abc"}`),
		Sensitive: []addrs.Path{"/label", "/list/1", "/map", "/short", "/absent/x", "/list/7"},
	})
	for text, want := range map[string]string{
		`label "pass/w&rd="1'" is too long`: `label "(sensitive)" is too long`,
		`{"label":"pass/w\u0026rd=\"1'"}`:   `{"label":"(sensitive)"}`,
		`q=pass%2Fw%26rd%3D%221%27&x=1`:     `q=(sensitive)&x=1`,
		`label('pass/w&rd="1\'')`:           `label('(sensitive)')`,
		`sesame-2, open`:                    `(sensitive), open`,
		`deep-inside`:                       `(sensitive)`,
		`well-known abc`:                    `well-known abc`,
	} {
		if got := v.over(text); got != want {
			t.Errorf("%s\nis %s\nnot %s", text, got, want)
		}
	}
	p := veiled{veil: &v}
	e := &providers.Error{Message: "sesame-2 is taken", Advice: "choose another than sesame-2"}
	results := p.results([]providers.Result{{Err: e, Diagnostics: []providers.Diagnostic{{Summary: "deep-inside"}}}})
	if strings.Contains(e.Message+e.Advice+results[0].Diagnostics[0].Summary, "sesame") || results[0].Diagnostics[0].Summary != unsaid {
		t.Errorf("%+v", results)
	}
	var out bytes.Buffer
	log := slog.New(veiledLog{slog.NewTextHandler(&out, nil), &v}).With("plugin", "x")
	log.Info("sesame-2", "request", "deep-inside", slog.Any("n", 1))
	if strings.Contains(out.String(), "sesame") || strings.Contains(out.String(), "inside") || !strings.Contains(out.String(), "plugin=x") {
		t.Error(out.String())
	}
}

// What is told of calls waits for the answers that were open then, and for no
// later ones; it is told in its order, and by what was learned meanwhile.
func TestVeilHoldsBack(t *testing.T) {
	t.Parallel()
	var v veil
	var out bytes.Buffer
	log := slog.New(veiledLog{slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}), &v})
	told := func(want ...string) {
		t.Helper()
		got := strings.Count(out.String(), "msg=")
		if got != len(want) {
			t.Errorf("told %d lines, want %v:\n%s", got, want, out.String())
		}
		for _, w := range want {
			if !strings.Contains(out.String(), w) {
				t.Errorf("there is no %s in\n%s", w, out.String())
			}
		}
	}
	log.Debug("zero")
	told("zero")
	first := v.ask()
	log.Debug("one sesame-2")
	log.Info("heard at once")
	second := v.ask()
	log.Debug("two")
	told("zero", "heard at once")
	v.learn(&providers.Object{Body: []byte(`{"label":"sesame-2"}`), Sensitive: []addrs.Path{"/label"}})
	v.answered(first)
	told("zero", "heard at once", "one (sensitive)")
	v.answered(second)
	log.Debug("three")
	told("zero", "heard at once", "one (sensitive)", "two", "three")
}
