package standin

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// row is one row of an answer.
type row map[string]any

func (r row) text(name string) string {
	switch v := r[name].(type) {
	case nil:
		return ""
	case []any:
		if len(v) == 0 {
			return ""
		}
		return fmt.Sprint(v[0])
	default:
		return fmt.Sprint(v)
	}
}

func (r row) list(name string) []string {
	switch v := r[name].(type) {
	case nil:
		return nil
	case []any:
		out := make([]string, len(v))
		for n := range v {
			out[n] = fmt.Sprint(v[n])
		}
		return out
	default:
		return []string{fmt.Sprint(v)}
	}
}

func (r row) time(name string) time.Time {
	t, _ := time.Parse(time.RFC3339, r.text(name))
	return t
}

func (r row) rows(name string) []row {
	sub, _ := r[name].(map[string]any)
	return rowsOf(sub["data"])
}

func rowsOf(data any) []row {
	list, _ := data.([]any)
	rows := make([]row, len(list))
	for n := range list {
		m, _ := list[n].(map[string]any)
		rows[n] = m
	}
	return rows
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// query reads all rows.
func (w *work) query(vault, q string) ([]row, error) {
	got, err := w.server.Inside(w.ctx, vault, "POST", "query", url.Values{"q": {q + " PAGESIZE 1000"}}.Encode())
	var rows []row
	for {
		if err != nil {
			return nil, fmt.Errorf("%w: %s", err, q)
		}
		rows = append(rows, rowsOf(got["data"])...)
		details, _ := got["responseDetails"].(map[string]any)
		next, _ := details["next_page"].(string)
		_, token, more := strings.Cut(next, "/query/")
		if !more {
			return rows, nil
		}
		got, err = w.server.Inside(w.ctx, vault, "POST", "query/"+token, "")
	}
}

// records writes records in batches. The first that fails is the error.
func (w *work) records(vault, method, object string, rows ...map[string]any) error {
	for len(rows) > 0 {
		n := min(len(rows), 500)
		body, err := json.Marshal(rows[:n])
		if err != nil {
			return err
		}
		got, err := w.server.Inside(w.ctx, vault, method, "vobjects/"+object, string(body))
		if err != nil {
			return err
		}
		for _, r := range rowsOf(got["data"]) {
			if r.text("responseStatus") == "FAILURE" {
				return fmt.Errorf("%s %s %s: %v", method, vault, object, r["errors"])
			}
		}
		rows = rows[n:]
	}
	return nil
}

// create makes one record and returns its id.
func (w *work) create(vault, object string, fields map[string]any) (string, error) {
	body, err := json.Marshal([]map[string]any{fields})
	if err != nil {
		return "", err
	}
	got, err := w.server.Inside(w.ctx, vault, "POST", "vobjects/"+object, string(body))
	if err != nil {
		return "", err
	}
	rows := rowsOf(got["data"])
	if len(rows) == 0 {
		return "", fmt.Errorf("create %s in %s: no answer", object, vault)
	}
	data, ok := rows[0]["data"].(map[string]any)
	if !ok {
		return "", fmt.Errorf("create %s in %s: %v", object, vault, rows[0]["errors"])
	}
	return row(data).text("id"), nil
}

// form sends a form, and returns the id of the answer.
func (w *work) form(vault, method, path string, fields map[string]string) (string, error) {
	values := url.Values{}
	for name, v := range fields {
		values.Set(name, v)
	}
	got, err := w.server.Inside(w.ctx, vault, method, path, values.Encode())
	return row(got).text("id"), err
}
