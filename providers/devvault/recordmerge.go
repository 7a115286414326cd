package devvault

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"strings"
)

const maxMergeSets = 10

// mergeSet is one pair to merge, and what became of it.
type mergeSet struct {
	Duplicate string    `json:"duplicate_record_id"`
	Main      string    `json:"main_record_id"`
	Status    string    `json:"status"`
	Error     *mergeErr `json:"error,omitempty"`
	Log       [][]string
}

type mergeErr struct{ Type, Message string }

type mergeResult struct {
	Object string
	Sets   []mergeSet
}

// handleMerge answers POST /api/{v}/vobjects/{object}/actions/merge. Whether it starts is for all sets together; then each is on its own.
func handleMerge(c *call) (reply, error) {
	o, err := c.object("delete")
	if err != nil {
		return reply{}, err
	}
	if !c.user.can(o.Name, "edit") {
		return reply{}, fail("INSUFFICIENT_ACCESS", "User [%s] may not merge records of [%s]", c.user.Name, o.Name)
	}
	if !o.Merges {
		return reply{}, fail("OPERATION_NOT_ALLOWED", "Merging records is not enabled on object [%s]", o.Name)
	}
	rows, err := c.rows(maxMergeSets)
	if err != nil {
		return reply{}, err
	}
	sets := make([]mergeSet, len(rows))
	gone := map[string]bool{}
	for i, row := range rows {
		s := mergeSet{Duplicate: row.text("duplicate_record_id"), Main: row.text("main_record_id")}
		switch {
		case s.Duplicate == "" || s.Main == "":
			return reply{}, fail("PARAMETER_REQUIRED", "A merge set needs [duplicate_record_id] and [main_record_id]")
		case s.Duplicate == s.Main:
			return reply{}, fail("INVALID_DATA", "The record [%s] cannot be merged into itself", s.Main)
		case gone[s.Duplicate]:
			return reply{}, fail("INVALID_DATA", "The record [%s] is the duplicate of two merge sets", s.Duplicate)
		}
		gone[s.Duplicate] = true
		sets[i] = s
	}
	for _, s := range sets {
		if gone[s.Main] {
			return reply{}, fail("INVALID_DATA", "The record [%s] is main record of one merge set and duplicate of another", s.Main)
		}
	}
	var id int64
	err = c.update(func(t *tx) error {
		for i := range sets {
			s := &sets[i]
			s.Status = "SUCCESS"
			err := t.row(func() error { return c.merge(t, o, s) })
			var e *apiError
			if errors.As(err, &e) {
				s.Status, s.Error, s.Log = "FAILURE", &mergeErr{e.Type, e.Message}, nil
			} else if err != nil {
				return err
			}
		}
		id, err = c.startJob(t, "Record Merge", appendJSON(nil, mergeResult{o.Name, sets}))
		return err
	})
	if err != nil {
		return reply{}, err
	}
	return ok("data", body{"job_id", id})
}

// merge moves what refers to the duplicate to the main record, and deletes the duplicate. The main record's own values stay.
func (c *call) merge(t *tx, o *object, s *mergeSet) error {
	for _, id := range []string{s.Main, s.Duplicate} {
		r, err := c.v.record(c.ctx(), t, o.Name, id)
		if err != nil {
			return err
		}
		if r == nil {
			return fail("INVALID_DATA", "The resource [%s] does not exist", id)
		}
	}
	log := func(step, what, id string) { s.Log = append(s.Log, []string{step, what, id}) }
	for _, children := range []bool{true, false} {
		step := "INBOUND_OBJECT"
		if children {
			step = "INBOUND_CHILD_OBJECT"
		}
		for _, in := range c.v.catalog().inbound(o.Name) {
			if (in.Field.Parent || in.Field.Cascade) != children {
				continue
			}
			ids, err := c.v.referring(t, c.v.extent(in.Object.Name), in.Field.Name, s.Duplicate)
			if err != nil {
				return err
			}
			for _, id := range ids {
				old, err := c.v.record(c.ctx(), t, in.Object.Name, id)
				if err != nil {
					return err
				}
				r := old.clone()
				r.fields[in.Field.Name] = s.Main
				if err := c.checkUnique(t, in.Object, r, old); err != nil {
					return fail("PROCESSING_ERROR", "%s", err.Error())
				}
				r.modified, r.modifiedBy = c.now.UnixMilli(), c.user.ID
				if err := c.putRecord(t, in.Object, r, old); err != nil {
					return err
				}
				log(step, in.Object.Name+"."+in.Field.Name, id)
			}
		}
	}
	for _, f := range c.v.catalog().docFields.list {
		if f.Object != o.Name || f.Column != "" {
			continue
		}
		n, err := c.v.replaceInDocuments(t, f.Name, s.Duplicate, s.Main, c.now.UnixMilli())
		if err != nil {
			return err
		}
		if n > 0 {
			log("INBOUND_DOCUMENT", f.Name, fmt.Sprintf("%d versions", n))
		}
	}
	res, err := t.execResult(`UPDATE record_files SET id = ? WHERE extent = ? AND id = ? AND field = ''`, s.Main, c.v.extent(o.Name), s.Duplicate)
	if err != nil {
		return err
	}
	if n, _ := res.RowsAffected(); n > 0 {
		log("ATTACHMENT", o.Name, fmt.Sprintf("%d files", n))
	}
	r, err := c.v.record(c.ctx(), t, o.Name, s.Duplicate)
	if err != nil {
		return err
	}
	log("DELETE", o.Name, s.Duplicate)
	c.auditRecord(t, o, "Delete", r, nil)
	return c.v.deleteRecord(t, o, r, c.now.UnixMilli())
}

// replaceInDocuments puts one value for another in a field with several values, once in each list, in all versions of all documents.
func (v *vault) replaceInDocuments(t *tx, field, from, to string, now int64) (int64, error) {
	res, err := t.execResult(`UPDATE versions SET modified = ?, fields = json_set(fields, '$.`+field+`',
			(SELECT json_group_array(value) FROM (SELECT value, min(key) FROM
				(SELECT key, CASE value WHEN ? THEN ? ELSE value END AS value FROM json_each(fields, '$.`+field+`')) GROUP BY value ORDER BY min(key))))
		WHERE key >= ? AND key < ? AND EXISTS (SELECT 1 FROM json_each(versions.fields, '$.`+field+`') WHERE value = ?)`,
		now, from, to, versionKey(v.slot, 0, 0), versionKey(v.slot+1, 0, 0), from)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

func (c *call) mergeOf() (mergeResult, error) {
	var m mergeResult
	id, err := c.number("job")
	if err != nil {
		return m, err
	}
	err = c.jobData(id, &m)
	if err == nil && m.Sets == nil {
		err = fail("INVALID_DATA", "The job [%d] is no record merge", id)
	}
	return m, err
}

// handleMergeStatus answers GET /api/{v}/vobjects/merges/{job}/status: FAILURE when a set failed.
func handleMergeStatus(c *call) (reply, error) {
	m, err := c.mergeOf()
	if err != nil {
		return reply{}, err
	}
	status := "SUCCESS"
	for _, s := range m.Sets {
		if s.Status != "SUCCESS" {
			status = "FAILURE"
		}
	}
	return ok("data", body{"status", status})
}

// handleMergeResults answers GET /api/{v}/vobjects/merges/{job}/results.
func handleMergeResults(c *call) (reply, error) {
	m, err := c.mergeOf()
	if err != nil {
		return reply{}, err
	}
	sets := []body{}
	for _, s := range m.Sets {
		b := body{"duplicate_record_id", s.Duplicate, "main_record_id", s.Main, "status", s.Status}
		if s.Error != nil {
			b = append(b, "error", body{"type", s.Error.Type, "message", s.Error.Message})
		}
		sets = append(sets, b)
	}
	return ok("data", body{"merge_sets", sets})
}

// handleMergeLog answers GET /api/{v}/vobjects/merges/{job}/log: a zip with one CSV for each set, in the order of what was done.
func handleMergeLog(c *call) (reply, error) {
	m, err := c.mergeOf()
	if err != nil {
		return reply{}, err
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, s := range m.Sets {
		w, err := z.Create(strings.Join([]string{s.Main, s.Duplicate}, "_") + ".csv")
		if err != nil {
			return reply{}, err
		}
		if _, err := w.Write(csvText(append([][]string{{"Step", "Relationship", "Record Id"}}, s.Log...))); err != nil {
			return reply{}, err
		}
	}
	if err := z.Close(); err != nil {
		return reply{}, err
	}
	return reply{content: out.Bytes(), media: "application/zip", name: "merge-" + c.param("job") + ".zip"}, nil
}
