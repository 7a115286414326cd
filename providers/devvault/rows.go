package devvault

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strings"
)

// requestRow is one row of a bulk request, by field. Values are nil, string, json.Number, bool or []any.
type requestRow map[string]any

func (r requestRow) text(field string) string { return asText(r[field]) }

// rows reads the rows of a bulk request: a JSON array or one JSON object, CSV, or a form as one row. More than most are refused as a whole.
func (c *call) rows(most int) ([]requestRow, error) {
	var list []requestRow
	var err error
	switch c.media {
	case "application/json":
		list, err = jsonRows(c.body)
	case "text/csv":
		list, err = csvRows(c.body)
	case "application/x-www-form-urlencoded", "multipart/form-data":
		if c.file != nil && strings.HasSuffix(c.file.name, ".csv") {
			list, err = csvRows(c.file.content)
		} else {
			list = []requestRow{c.formRow()}
		}
	default:
		err = fail("INVALID_DATA", "The content type [%s] is not supported", c.media)
	}
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, fail("INVALID_DATA", "The request has no rows")
	}
	if len(list) > most {
		return nil, fail("INVALID_DATA", "The maximum batch size of %d rows is exceeded: %d", most, len(list))
	}
	return list, nil
}

// row is the one row of a request: of a JSON body, or a form.
func (c *call) row() (requestRow, error) {
	if c.media != "application/json" {
		return c.formRow(), nil
	}
	rows, err := c.rows(1)
	if err != nil {
		return nil, err
	}
	return rows[0], nil
}

// formRow is a form, without the parameters of the address, as a row.
func (c *call) formRow() requestRow {
	row := requestRow{}
	query := c.r.URL.Query()
	for k, v := range c.form {
		if _, isParameter := query[k]; isParameter && len(v) == len(query[k]) {
			continue
		}
		row[k] = v[len(v)-1]
	}
	return row
}

func jsonRows(b []byte) ([]requestRow, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if t := bytes.TrimLeft(b, " \t\r\n"); len(t) > 0 && t[0] == '{' {
		var one requestRow
		if err := d.Decode(&one); err != nil {
			return nil, fail("INVALID_DATA", "The JSON cannot be read: %v", err)
		}
		return []requestRow{one}, nil
	}
	var list []requestRow
	if err := d.Decode(&list); err != nil {
		return nil, fail("INVALID_DATA", "The JSON cannot be read: %v", err)
	}
	return list, nil
}

// csvRows reads the platform's CSV: RFC 4180 with backslashes doubled.
func csvRows(b []byte) ([]requestRow, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))))
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, fail("INVALID_DATA", "The CSV cannot be read: %v", err)
	}
	var list []requestRow
	for {
		line, err := r.Read()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, fail("INVALID_DATA", "The CSV cannot be read: %v", err)
		}
		row := make(requestRow, len(line))
		for i, cell := range line {
			if strings.ContainsRune(cell, '\r') {
				return nil, fail("INVALID_DATA", "The CSV cannot be read: a value holds a bare carriage return")
			}
			row[strings.TrimSpace(head[i])] = strings.ReplaceAll(cell, `\\`, `\`)
		}
		list = append(list, row)
	}
}
