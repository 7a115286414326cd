package devvault

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strings"
)

// csvText writes rows in the platform's CSV: RFC 4180 with backslashes doubled.
func csvText(rows [][]string) []byte {
	var out bytes.Buffer
	w := csv.NewWriter(&out)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, s := range row {
			cells[i] = strings.ReplaceAll(s, `\`, `\\`)
		}
		w.Write(cells)
	}
	w.Flush()
	return out.Bytes()
}

// asCSV is the answer of a bulk call as CSV, for who asks for it by Accept: text/csv; nil for an answer that has no rows of its own.
// The columns are responseStatus and id, what else the rows have, and errors and warnings as TYPE|message.
func (c *call) asCSV(r reply) []byte {
	if !strings.Contains(c.r.Header.Get("Accept"), "text/csv") {
		return nil
	}
	var data []body
	for i := 0; i+1 < len(r.body); i += 2 {
		if r.body[i] == "data" {
			data, _ = r.body[i+1].([]body)
		}
	}
	if len(data) == 0 || len(data[0]) == 0 || data[0][0] != "responseStatus" {
		return nil
	}
	columns := []string{"responseStatus", "id"}
	cells := make([]map[string]string, len(data))
	for i, row := range data {
		cells[i] = map[string]string{}
		var flatten func(body)
		flatten = func(b body) {
			for j := 0; j+1 < len(b); j += 2 {
				name, value := b[j].(string), b[j+1]
				if inner, nests := value.(body); nests && name == "data" {
					flatten(inner)
					continue
				}
				if list, isList := value.([]body); isList { // errors, warnings: {type, message}
					var texts []string
					for _, e := range list {
						texts = append(texts, asText(e[1])+"|"+asText(e[3]))
					}
					cells[i][name] = strings.Join(texts, ";")
					continue
				}
				cells[i][name] = asText(value)
				if !slices.Contains(columns, name) {
					columns = append(columns, name)
				}
			}
		}
		flatten(row)
	}
	columns = append(columns, "errors", "warnings")
	rows := [][]string{columns}
	for _, row := range cells {
		line := make([]string, len(columns))
		for i, name := range columns {
			line[i] = row[name]
		}
		rows = append(rows, line)
	}
	return csvText(rows)
}
