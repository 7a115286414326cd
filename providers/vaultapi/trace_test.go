package vaultapi

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRedact(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ kind, body, want string }{
		{"application/json", `{"sessionId":"canary","userId":1,"deep":[{"Password":{"a":["canary"]}}],"name":"x"}`, `{"sessionId":"(redacted)","userId":1,"deep":[{"Password":"(redacted)"}],"name":"x"}`},
		{"application/json;charset=UTF-8", `{"a":1.50,"password":"canary`, `{"a":1.50,"password":"(redacted)"…`},
		{"application/json", `{"a":"half a canar`, `{"a":…`},
		{"application/json", `[1,2]`, `[1,2]`},
		{"application/x-www-form-urlencoded", "username=u&password=canary&PASSWORD=canary&new_p%61ssword__v=canary&a", "username=u&password=(redacted)&PASSWORD=(redacted)&new_p%61ssword__v=(redacted)&a"},
		{"text/csv", "id,password__v,name__v\n1,canary,x\n2,canary,y,canary\n", "id,password__v,name__v\n1,(redacted),x\n2,(redacted),y,(redacted)\n"},
		{"text/html", "<html>canary</html>", "(19 bytes of text/html)"},
		{"", "canary", "(6 bytes of )"},
		{"application/json", "", ""},
	} {
		got := redact(test.kind, []byte(test.body))
		if got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.body, got, test.want)
		}
		if strings.Contains(got, "canary") {
			t.Errorf("a secret got out: %s", got)
		}
	}
}

// However a body is cut, the value of a secret field is not in its trace.
func FuzzRedactJSON(f *testing.F) {
	f.Add(`{"a":[1,{"x":null}],`, `"b":2}`, 40)
	f.Fuzz(func(t *testing.T, before, after string, n int) {
		const secret = "canary-8f3a"
		if strings.Contains(before+after, "canary") || !utf8.ValidString(before) {
			return
		}
		for _, body := range []string{`{"sessionId":"` + secret + `",` + after, `{"x":1,"password":["` + secret + `"],` + after, `[{"token":{"` + secret + `":1}}` + after} {
			if got := redactJSON([]byte(body[:min(len(body), max(0, n))])); strings.Contains(got, secret) {
				t.Fatalf("%s\nbecame %s", body, got)
			}
		}
		if whole := before + after; json.Valid([]byte(whole)) {
			if got := redactJSON([]byte(whole)); !json.Valid([]byte(got)) && !strings.HasSuffix(got, "…") {
				t.Fatalf("%s\nbecame %s", whole, got)
			}
		}
	})
}
