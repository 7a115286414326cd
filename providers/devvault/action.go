package devvault

import (
	"fmt"
	"strings"
)

// recordAction is an action that a person can run on a record.
type recordAction struct {
	name, label, kind string // kind: object_action or state_change
	run               func(c *call, t *tx, o *object, r *record) error
}

// objectActions are the actions that do not change the state, by object. No source names the platform's own; these names are ours, and a
// client finds them by listing.
var objectActions = map[string][]recordAction{
	// ERR-1: deactivates one message, and nothing else: no full sync, no time cleared.
	"exception_message__sys": {{"Objectaction.exception_message__sys.reprocess_request__sys", "Reprocess Request", "object_action", deactivateRecord}},
	"exception_item__sys":    {{"Objectaction.exception_item__sys.acknowledge__sys", "Acknowledge", "object_action", acknowledgeItem}},
}

func deactivateRecord(c *call, t *tx, o *object, r *record) error {
	n := r.clone()
	n.status, n.modified, n.modifiedBy = "inactive__v", c.now.UnixMilli(), c.user.ID
	return c.putRecord(t, o, n, r)
}

func acknowledgeItem(c *call, t *tx, o *object, r *record) error {
	n := r.clone()
	n.fields["error_status__sys"] = []string{"acknowledged__sys"}
	n.modified, n.modifiedBy = c.now.UnixMilli(), c.user.ID
	return c.putRecord(t, o, n, r)
}

// putRecord stores a changed record, and the line of the audit trail that tells of it.
func (c *call) putRecord(t *tx, o *object, r, old *record) error {
	c.auditRecord(t, o, "Edit", r, old)
	return c.v.updateRecord(t, o, r, old)
}

// actionsOf lists what can be done with a record: the object's actions, and those of the state it is in.
func (c *catalog) actionsOf(o *object, r *record) []recordAction {
	list := append([]recordAction{}, objectActions[o.Name]...)
	flow := c.stateflows[o.Lifecycle]
	from := flow.state(r.state)
	if from == nil {
		return list
	}
	for _, a := range from.Actions {
		to := flow.state(a.To)
		list = append(list, recordAction{fmt.Sprintf("Objectlifecyclestateuseraction.%s.%s.%s", o.Name, from.Name, a.Name), a.Label, "state_change",
			func(c *call, t *tx, o *object, r *record) error {
				n := r.clone()
				n.enter(to)
				n.modified, n.modifiedBy = c.now.UnixMilli(), c.user.ID
				return c.putRecord(t, o, n, r)
			}})
	}
	return list
}

func (c *call) actionBody(o *object, id string, a recordAction) body {
	href := c.recordURL(o, id) + "/actions/" + a.name
	b := body{"name", a.name, "label", a.label, "type", a.kind, "links", []body{
		{"rel", "metadata", "href", href, "accept", "application/json", "method", "GET"},
		{"rel", "execute", "href", href, "accept", "application/json", "method", "POST"}}}
	if c.form.Get("loc") == "true" {
		b = append(b, "localized_data", body{"label", body{"en", a.label}})
	}
	return b
}

// actionTarget finds the object and the record of the route. A missing record is INSUFFICIENT_ACCESS on these calls.
func (c *call) actionTarget(q querier, id string) (*object, *record, error) {
	o, err := c.object("read")
	if err != nil {
		return nil, nil, err
	}
	r, err := c.v.record(c.ctx(), q, o.Name, id)
	if err != nil {
		return nil, nil, err
	}
	if r == nil || !c.user.canType(o.Name, r.typ, "read") {
		return nil, nil, fail("INSUFFICIENT_ACCESS", "User [%s] may not see the record [%s]", c.user.Name, id)
	}
	return o, r, nil
}

// handleRecordActions answers GET /api/{v}/vobjects/{object}/{id}/actions.
func handleRecordActions(c *call) (reply, error) {
	o, r, err := c.actionTarget(c.s.store.read, c.param("id"))
	if err != nil {
		return reply{}, err
	}
	data := []body{}
	for _, a := range c.v.catalog().actionsOf(o, r) {
		data = append(data, c.actionBody(o, r.id, a))
	}
	return ok("data", data)
}

// handleRecordAction answers GET /api/{v}/vobjects/{object}/{id}/actions/{action}.
func handleRecordAction(c *call) (reply, error) {
	o, r, err := c.actionTarget(c.s.store.read, c.param("id"))
	if err != nil {
		return reply{}, err
	}
	a, err := c.action(o, r)
	if err != nil {
		return reply{}, err
	}
	return ok("data", c.actionBody(o, r.id, a))
}

func (c *call) action(o *object, r *record) (recordAction, error) {
	for _, a := range c.v.catalog().actionsOf(o, r) {
		if strings.EqualFold(a.name, c.param("action")) {
			return a, nil
		}
	}
	return recordAction{}, fail("INVALID_DATA", "The action [%s] does not exist on object [%s], or not in the state of record [%s]", c.param("action"), o.Name, r.id)
}

// handleRunRecordAction answers POST /api/{v}/vobjects/{object}/{id}/actions/{action}.
func handleRunRecordAction(c *call) (reply, error) {
	return reply{}, c.s.store.update(func(t *tx) error { return c.runAction(t, c.param("id")) })
}

func (c *call) runAction(t *tx, id string) error {
	o, r, err := c.actionTarget(t, id)
	if err != nil {
		return err
	}
	a, err := c.action(o, r)
	if err != nil {
		return err
	}
	if !c.user.canType(o.Name, r.typ, "edit") {
		return fail("INSUFFICIENT_ACCESS", "User [%s] may not run actions on [%s]", c.user.Name, o.Name)
	}
	c.now = c.s.clock.now()
	return a.run(c, t, o, r)
}

// handleRunRecordActions answers POST /api/{v}/vobjects/{object}/actions/{action} with form ids=a,b.
func handleRunRecordActions(c *call) (reply, error) {
	list, err := c.required("ids")
	if err != nil {
		return reply{}, err
	}
	var rows []requestRow
	for _, id := range strings.Split(list, ",") {
		rows = append(rows, requestRow{"id": strings.TrimSpace(id)})
	}
	if len(rows) > maxRecordRows {
		return reply{}, fail("INVALID_DATA", "The maximum batch size of %d rows is exceeded: %d", maxRecordRows, len(rows))
	}
	results, err := c.each(rows, func(t *tx, row requestRow) (rowResult, error) { return rowResult{}, c.runAction(t, row.text("id")) })
	if err != nil {
		return reply{}, err
	}
	data := make([]body, len(rows))
	for i, r := range results {
		data[i] = flatRow(r.err, body{"id", rows[i].text("id")})
	}
	return ok("data", data)
}

// flatRow is a row of the bulk calls that do not nest: documents, and object actions.
func flatRow(e *apiError, more body) body {
	if e != nil {
		return append(body{"responseStatus", "FAILURE", "errors", []body{{"type", e.Type, "message", e.Message}}}, more...)
	}
	return append(body{"responseStatus", "SUCCESS"}, more...)
}
