package main

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"accord/providers/devvault"
)

// parseFault reads the -fault flag: KIND, then comma-separated settings by
// their names in the control API: "cut_after,route=objects/documents,rate=0.05".
func parseFault(text string) (devvault.Fault, error) {
	kind, rest, _ := strings.Cut(text, ",")
	values := map[string]any{"kind": kind}
	if rest != "" {
		for setting := range strings.SplitSeq(rest, ",") {
			name, value, ok := strings.Cut(setting, "=")
			if !ok {
				return devvault.Fault{}, fmt.Errorf("%q is not of the form name=value", setting)
			}
			values[name] = typed(name, value)
		}
	}
	b, err := json.Marshal(values)
	if err != nil {
		return devvault.Fault{}, err
	}
	var f devvault.Fault
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return f, err
	}
	return f, nil
}

// typed gives a setting the type that the fault's field has; a word that does
// not fit stays a word, and is refused when it is decoded.
func typed(name, value string) any {
	for i := range reflect.TypeFor[devvault.Fault]().NumField() {
		field := reflect.TypeFor[devvault.Fault]().Field(i)
		if tag, _, _ := strings.Cut(field.Tag.Get("json"), ","); tag != name {
			continue
		}
		switch field.Type.Kind() {
		case reflect.String:
			return value
		case reflect.Slice:
			return strings.Split(value, "+")
		default:
			if n, err := strconv.ParseFloat(value, 64); err == nil {
				return n
			}
		}
	}
	return value
}

// setClock sets the server's clock: by a duration forward, or to a moment.
func setClock(s *devvault.Server, text string) error {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(strings.TrimPrefix(days, "+")); err == nil && n >= 0 {
			return s.Advance(time.Duration(n) * 24 * time.Hour)
		}
	}
	if d, err := time.ParseDuration(strings.TrimPrefix(text, "+")); err == nil && d >= 0 {
		return s.Advance(d)
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return s.SetClock(t)
	}
	return fmt.Errorf("-clock=%s: write how far forward (15d, 36h) or a moment (2026-12-01T08:00:00Z)", text)
}

// printRoutes lists what is built and what is not.
func (c *cli) printRoutes(w io.Writer) error {
	routes := devvault.Routes()
	if c.json {
		for _, r := range routes {
			if err := c.line("route", r.Method+" "+r.Pattern, map[string]any{"route": r}); err != nil {
				return err
			}
		}
		return nil
	}
	built := 0
	section := ""
	t := tabwriter.NewWriter(w, 2, 0, 2, ' ', 0)
	for _, r := range routes {
		if r.Section != section {
			section = r.Section
			fmt.Fprintf(t, "%s\n", section)
		}
		mark := "-"
		if r.Built {
			mark = "✓"
			built++
		}
		fmt.Fprintf(t, "  %s %s\t%s\t%s\n", mark, r.Method, r.Pattern, r.Note)
	}
	t.Flush()
	_, err := fmt.Fprintf(w, "\n✓ %d built, - %d not: these answer as a vault does for a call that it does not support.\n", built, len(routes)-built)
	return err
}
