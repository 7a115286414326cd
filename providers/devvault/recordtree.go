package devvault

import (
	"encoding/json"
	"fmt"
)

// treeResult is what became of a cascade delete or of a deep copy: pairs of object and record id.
type treeResult struct {
	Success, Failure [][2]string
}

// whole runs do on the record of the route in one write, and records the job that tells of it. What do refuses is the job's failure.
func (c *call) whole(verb, title string, do func(t *tx, o *object, r *record, done *treeResult) error) (reply, error) {
	o, err := c.object(verb)
	if err != nil {
		return reply{}, err
	}
	var id int64
	err = c.update(func(t *tx) error {
		r, err := c.v.record(c.ctx(), t, o.Name, c.param("id"))
		if err != nil {
			return err
		}
		if r == nil || !c.user.canType(o.Name, r.typ, verb) {
			return fail("INVALID_DATA", "The resource [%s] does not exist", c.param("id"))
		}
		done := &treeResult{}
		err = t.row(func() error { return do(t, o, r, done) })
		if _, refused := err.(*apiError); refused {
			*done = treeResult{Failure: [][2]string{{o.Name, r.id}}}
		} else if err != nil {
			return err
		}
		result, err := json.Marshal(done)
		if err != nil {
			return err
		}
		id, err = c.startJob(t, title, result)
		return err
	})
	if err != nil {
		return reply{}, err
	}
	return ok("job_id", id, "url", fmt.Sprintf("/api/%s/services/jobs/%d", c.version, id))
}

// handleCascadeDelete answers POST /api/{v}/vobjects/{object}/{id}/actions/cascadedelete: the record goes with all its children.
func handleCascadeDelete(c *call) (reply, error) {
	return c.whole("delete", "Cascade Delete", func(t *tx, o *object, r *record, done *treeResult) error {
		return c.deleteTree(t, o, r, done)
	})
}

func (c *call) deleteTree(t *tx, o *object, r *record, done *treeResult) error {
	err := c.eachChild(t, o, r, func(child *object, x *record, _ *field) error { return c.deleteTree(t, child, x, done) })
	if err != nil {
		return err
	}
	c.auditRecord(t, o, "Delete", r, nil)
	if err := c.v.deleteRecord(t, o, r, c.now.UnixMilli()); err != nil {
		return err
	}
	done.Success = append(done.Success, [2]string{o.Name, r.id})
	return nil
}

// eachChild calls do for the records that are children of r: those that refer to it by a parent reference.
func (c *call) eachChild(t *tx, o *object, r *record, do func(*object, *record, *field) error) error {
	for _, in := range c.v.catalog().inbound(o.Name) {
		if !in.Field.Parent && !in.Field.Cascade {
			continue
		}
		ids, err := c.v.referring(t, c.v.extent(in.Object.Name), in.Field.Name, r.id)
		if err != nil {
			return err
		}
		for _, id := range ids {
			child, err := c.v.record(c.ctx(), t, in.Object.Name, id)
			if err != nil {
				return err
			}
			if child == nil { // went with another
				continue
			}
			if err := do(in.Object, child, in.Field); err != nil {
				return err
			}
		}
	}
	return nil
}

// handleDeepCopy answers POST /api/{v}/vobjects/{object}/{id}/actions/deepcopy: a copy of the record with copies of its children.
// Fields in the body replace those of the record itself.
func handleDeepCopy(c *call) (reply, error) {
	var given requestRow
	if len(c.body) > 0 {
		rows, err := c.rows(1)
		if err != nil {
			return reply{}, err
		}
		given = rows[0]
	}
	return c.whole("create", "Deep Copy", func(t *tx, o *object, r *record, done *treeResult) error {
		n := c.copyOf(o, r)
		if err := c.fill(t, o, n, given, "id", true); err != nil {
			return err
		}
		return c.copyTree(t, o, r, n, done)
	})
}

// copyTree stores n, the copy of r, and copies of the children of r.
func (c *call) copyTree(t *tx, o *object, r, n *record, done *treeResult) error {
	if err := c.checkUnique(t, o, n, nil); err != nil {
		return err
	}
	if err := c.v.insertRecord(t, o, n); err != nil {
		return err
	}
	c.auditRecord(t, o, "Create", n, nil)
	done.Success = append(done.Success, [2]string{o.Name, n.id})
	return c.eachChild(t, o, r, func(child *object, x *record, f *field) error {
		if f.NoDeepCopy {
			return nil
		}
		y := c.copyOf(child, x)
		y.fields[f.Name] = n.id
		return c.copyTree(t, child, x, y, done)
	})
}

// copyOf is a record with the values of r, but for those that are unique or that a copy does not take.
func (c *call) copyOf(o *object, r *record) *record {
	now := c.now.UnixMilli()
	n := r.clone()
	n.id, n.external, n.link = "", "", ""
	n.created, n.modified, n.createdBy, n.modifiedBy = now, now, c.user.ID, c.user.ID
	if l := c.v.catalog().stateflows[o.Lifecycle]; l != nil {
		n.enter(l.state(l.Starting))
	}
	for _, f := range o.fields.list {
		if f.Column == "" && (f.Unique || f.NoCopy || f.ReadOnly) {
			delete(n.fields, f.Name)
		}
	}
	return n
}

// enter puts the record into a state.
func (r *record) enter(s *recordState) {
	r.state = s.Name
	if s.Status != "" {
		r.status = s.Status
	}
}

// handleTreeResults answers GET /api/{v}/vobjects/cascadedelete/results/{object}/{success|failure}/{job}, and the same of deepcopy: CSV.
func handleTreeResults(c *call) (reply, error) {
	id, err := c.number("job")
	if err != nil {
		return reply{}, err
	}
	var done treeResult
	if err := c.jobData(id, &done); err != nil {
		return reply{}, err
	}
	list := done.Success
	switch c.param("status") {
	case "success":
	case "failure":
		list = done.Failure
	default:
		return reply{}, fail("MALFORMED_URL", "[%s] is neither success nor failure", c.param("status"))
	}
	rows := [][]string{{"Source Object", "Record Id"}}
	for _, x := range list {
		rows = append(rows, x[:])
	}
	return reply{content: csvText(rows), media: "text/csv;charset=UTF-8", name: c.param("status") + ".csv"}, nil
}

// jobData reads the result of a job of this vault into v.
func (c *call) jobData(id int64, v any) error {
	b, err := c.jobResult(id)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fail("INVALID_DATA", "The job [%d] is of another kind", id)
	}
	return nil
}

// handleRecalculate accepts what has nothing to do here: there are no roll-ups, and one currency only.
func handleRecalculate(c *call) (reply, error) {
	o, err := c.object("edit")
	if err != nil {
		return reply{}, err
	}
	var id int64
	err = c.update(func(t *tx) error {
		id, err = c.startJob(t, "Recalculate "+o.Label, []byte(`{}`))
		return err
	})
	if err != nil {
		return reply{}, err
	}
	return ok("job_id", id, "url", fmt.Sprintf("/api/%s/services/jobs/%d", c.version, id))
}

// handleRecalculateStatus answers GET /api/{v}/vobjects/{object}/actions/recalculaterollups.
func handleRecalculateStatus(c *call) (reply, error) {
	if _, err := c.object("read"); err != nil {
		return reply{}, err
	}
	return ok("data", body{"status", "NOT_RUNNING"})
}

// handleCancelDeployment answers POST /api/{v}/metadata/vobjects/{object}/actions/canceldeployment. Changes are done at once here, so that no
// object is ever in deployment.
func handleCancelDeployment(c *call) (reply, error) {
	o, err := c.object("read")
	if err != nil {
		return reply{}, err
	}
	return reply{}, fail("OPERATION_NOT_ALLOWED", "The object [%s] is not in deployment", o.Name)
}

// handleChangeType answers POST /api/{v}/vobjects/{object}/actions/changetype: rows of id and type, with fields to set on the way.
func handleChangeType(c *call) (reply, error) {
	o, err := c.object("edit")
	if err != nil {
		return reply{}, err
	}
	rows, err := c.rows(maxRecordRows)
	if err != nil {
		return reply{}, err
	}
	c.retype = true
	results, err := c.each(rows, func(t *tx, row requestRow) (rowResult, error) {
		id := row.text("id")
		if id == "" {
			return rowResult{}, fail("PARAMETER_REQUIRED", "Missing required parameter [id]")
		}
		if row.text("object_type__v") == "" && row.text("object_type__v.api_name__v") == "" {
			return rowResult{}, fail("PARAMETER_REQUIRED", "Missing required parameter [object_type__v]")
		}
		changed, err := c.changeRecord(t, o, id, row, "id")
		return rowResult{warning: !changed, data: body{"id", id, "url", c.recordURL(o, id)}}, err
	})
	if err != nil {
		return reply{}, err
	}
	return c.recordReply(results)
}
