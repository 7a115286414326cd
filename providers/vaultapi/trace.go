package vaultapi

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Trace is one attempt of a call, for people who look for a mistake. Its
// bodies are cut to a few KB and have their secret fields blanked, by name.
type Trace struct {
	At          time.Time
	Op          string
	Method      string
	Path        string // with parameters
	Attempt     int
	Duration    time.Duration
	HTTPStatus  int    // 0: no answer
	Status      string // X-VaultAPI-Status, if sent
	ExecutionID string
	Err         error
	Request     string
	Response    string
}

// traceLimit is how much of a body a trace shows.
const traceLimit = 8 << 10

// secretFields are the names whose values no trace shows, in lower case.
var secretFields = map[string]bool{
	"password": true, "password__v": true, "current_password__v": true, "new_password__v": true,
	"sessionid": true, "session_id": true, "delegated_sessionid": true, "authorization": true,
	"token": true, "access_token": true, "id_token": true, "refresh_token": true, "client_secret": true,
	"api_access_token": true, "secret": true,
}

func isSecret(name string) bool { return secretFields[strings.ToLower(name)] }

const redacted = "(redacted)"

// redact shows a body, or the beginning of one, without its secret fields. A
// body that has no fields, or is in a form unknown here, is only measured.
func redact(contentType string, body []byte) string {
	if len(body) == 0 {
		return ""
	}
	kind, _, _ := mime.ParseMediaType(contentType)
	switch kind {
	case "application/json":
		return redactJSON(body)
	case "application/x-www-form-urlencoded":
		return redactForm(body)
	case "text/csv":
		return redactCSV(body)
	}
	return fmt.Sprintf("(%d bytes of %s)", len(body), kind)
}

// shownPath is a path with its parameters, without secret ones.
func shownPath(u *url.URL) string {
	if u.RawQuery == "" {
		return u.EscapedPath()
	}
	return u.EscapedPath() + "?" + redactForm([]byte(u.RawQuery))
}

func redactForm(body []byte) string {
	var out []string
	for _, pair := range strings.Split(string(body), "&") {
		name, _, _ := strings.Cut(pair, "=")
		if plain, err := url.QueryUnescape(name); err != nil || isSecret(plain) {
			pair = name + "=" + redacted
		}
		out = append(out, pair)
	}
	return strings.Join(out, "&")
}

func redactCSV(body []byte) string {
	rows := csv.NewReader(bytes.NewReader(body))
	rows.FieldsPerRecord = -1
	var out strings.Builder
	w := csv.NewWriter(&out)
	var head []string
	for {
		row, err := rows.Read()
		if err != nil {
			w.Flush()
			if err != io.EOF {
				out.WriteString("…")
			}
			return out.String()
		}
		if head == nil {
			head = append(head, row...)
		} else {
			for i := range row {
				if i >= len(head) || isSecret(head[i]) {
					row[i] = redacted
				}
			}
		}
		_ = w.Write(row)
	}
}

// redactJSON goes token by token, so that a body that was cut off is still
// shown up to the cut, and no half value slips through.
func redactJSON(body []byte) string {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var out strings.Builder
	if err := redactValue(dec, &out); err != nil {
		out.WriteString("…")
	}
	return out.String()
}

func redactValue(dec *json.Decoder, out *strings.Builder) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		text, err := json.Marshal(token)
		out.Write(text)
		return err
	}
	out.WriteString(delim.String())
	for i := 0; dec.More(); i++ {
		if i > 0 {
			out.WriteByte(',')
		}
		if delim == '[' {
			if err := redactValue(dec, out); err != nil {
				return err
			}
			continue
		}
		key, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		text, _ := json.Marshal(name)
		out.Write(text)
		out.WriteByte(':')
		if isSecret(name) {
			out.WriteString(`"` + redacted + `"`)
			var skipped json.RawMessage
			if err := dec.Decode(&skipped); err != nil {
				return err
			}
			continue
		}
		if err := redactValue(dec, out); err != nil {
			return err
		}
	}
	end, err := dec.Token()
	if err != nil {
		return err
	}
	out.WriteString(end.(json.Delim).String())
	return nil
}

// recorder keeps the beginning of what is read through it.
type recorder struct {
	io.ReadCloser
	mu   sync.Mutex
	kept []byte
}

func (r *recorder) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kept = append(r.kept, p[:min(n, traceLimit-len(r.kept))]...)
	return n, err
}

func (r *recorder) beginning() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kept
}
