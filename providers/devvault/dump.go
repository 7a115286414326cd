package devvault

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"
)

// Dump writes all content of a vault, one JSON object a line, always in the same order and form, with dates and all: two dumps are the same
// bytes only when nothing has changed in between. Lines begin with what they are, {"record":"country__v","id":…}, {"version":…}, {"node":…}
// or {"relationship":…}, so that a part can be compared alone. kind is one of those words, or empty for all.
func (s *Server) Dump(ctx context.Context, vault, kind string, to io.Writer) error {
	v := s.vault(vault)
	if v == nil {
		return fmt.Errorf("there is no vault %q", vault)
	}
	w := bufio.NewWriterSize(to, 1<<16)
	low, high := versionKey(v.slot, 0, 0), versionKey(v.slot+1, 0, 0)
	for _, part := range []struct {
		kind, query string
		args        []any
	}{
		{"record", `SELECT e.object AS record, r.id, r.name, r.status, r.type, r.state, r.external_id, r.link, r.created, r.created_by, r.modified, r.modified_by, r.fields
			FROM extents e JOIN records r ON r.extent = e.extent WHERE e.slot = ? ORDER BY e.object, r.id`, []any{v.slot}},
		{"version", `SELECT doc AS version, ` + versionColumns[len("doc, "):] + ` FROM versions WHERE key > ? AND key < ? ORDER BY key`, []any{low, high}},
		{"node", `SELECT v.doc AS node, v.seq, n.ord, n.id, n.parent, n.kind, n.content, n.major, n.minor, n.name, n.number, n.rule, n.created
			FROM nodes n JOIN versions v ON v.key = n.version WHERE n.version > ? AND n.version < ? ORDER BY n.version, n.ord, n.id`, []any{low, high}},
		{"relationship", `SELECT id AS relationship, type, source, source_major, source_minor, target, target_major, target_minor, created, created_by
			FROM relationships WHERE slot = ? ORDER BY id`, []any{v.slot}},
	} {
		if kind != "" && kind != part.kind {
			continue
		}
		if err := s.dump(ctx, w, part.query, part.args); err != nil {
			return fmt.Errorf("dump %ss of %s: %w", part.kind, vault, err)
		}
	}
	return w.Flush()
}

func (s *Server) dump(ctx context.Context, w *bufio.Writer, query string, args []any) error {
	rows, err := s.store.read.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		return err
	}
	row := make([]any, len(columns))
	into := make([]any, len(columns))
	for i := range row {
		into[i] = &row[i]
	}
	var line []byte
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		line = append(line[:0], '{')
		for i, name := range columns {
			value := row[i]
			if value == nil {
				continue
			}
			if i > 0 {
				line = append(line, ',')
			}
			line = appendString(line, name)
			line = append(line, ':')
			if text, isText := value.(string); isText && name == "fields" {
				value = raw(text)
			}
			line = appendJSON(line, value)
		}
		line = append(line, '}', '\n')
		if _, err := w.Write(line); err != nil {
			return err
		}
	}
	return rows.Err()
}

// controlDump answers GET /_dev/dump/{vault}[?kind=record|version|node|relationship].
func controlDump(c *call) (reply, error) {
	name := c.param("vault")
	if c.s.vault(name) == nil {
		return reply{}, fail("INVALID_DATA", "There is no vault %s", name)
	}
	kind := c.form.Get("kind")
	if kind != "" && !strings.Contains(" record version node relationship ", " "+kind+" ") {
		return reply{}, fail("INVALID_DATA", "There is no kind %s of dump", kind)
	}
	return reply{media: "application/x-ndjson", stream: func(w io.Writer) error { return c.s.Dump(c.ctx(), name, kind, w) }}, nil
}
