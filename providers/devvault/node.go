package devvault

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strconv"
)

// node is a section, document or binder in a binder version.
type node struct {
	id, parent, kind   string
	ord                int64
	content            int64
	major, minor       sql.NullInt64
	name, number, rule string
}

const (
	rootNode      = "rootNode"
	kindDocument  = "document"
	kindSection   = "section"
	kindBinder    = "binder"
	maxNodes      = 50000
	ruleDefault   = "default"
	ruleSteady    = "steady-state"
	ruleCurrent   = "current"
	ruleSpecific  = "specific"
	fieldRule     = "binding_rule__v"
	fieldOverride = "binding_rule_override__v"
)

// nodes returns the nodes of a binder version in order.
func (v *vault) nodes(ctx context.Context, q querier, version int64) ([]*node, error) {
	rows, err := q.QueryContext(ctx, `SELECT id, parent, kind, ord, content, major, minor, name, number, rule FROM nodes WHERE version = ? ORDER BY ord, id`, version)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []*node
	for rows.Next() {
		var n node
		var content sql.NullInt64
		var number, rule sql.NullString
		if err := rows.Scan(&n.id, &n.parent, &n.kind, &n.ord, &content, &n.major, &n.minor, &n.name, &number, &rule); err != nil {
			return nil, err
		}
		n.content, n.number, n.rule = content.Int64, number.String, rule.String
		list = append(list, &n)
	}
	return list, rows.Err()
}

func (n *node) body() body {
	b := body{}
	if n.kind == kindSection {
		b = append(b, "section_number__v", n.number)
	} else {
		b = append(b, "document_id__v", n.content)
	}
	b = append(b, "name__v", n.name, "order__v", n.ord, "type__v", n.kind, "id", n.id, "parent_id__v", n.parent)
	if n.rule != "" {
		b = append(b, fieldRule, n.rule)
	}
	if n.major.Valid {
		b = append(b, "major_version_number__v", n.major.Int64, "minor_version_number__v", n.minor.Int64)
	}
	return b
}

// nodeBodies are the children of parent, with their own children when deep.
func nodeBodies(nodes []*node, parent string, deep bool) []body {
	list := []body{}
	for _, n := range nodes {
		if n.parent != parent {
			continue
		}
		b := body{"properties", n.body()}
		if children := nodeBodies(nodes, n.id, deep); deep && n.kind == kindSection {
			b = append(b, "nodes", children)
		}
		list = append(list, b)
	}
	return list
}

// handleSections answers GET …/sections[/{node}].
func handleSections(c *call) (reply, error) {
	q := c.s.store.read
	x, err := c.target(q, true)
	if err != nil {
		return reply{}, err
	}
	nodes, err := c.v.nodes(c.ctx(), q, c.v.key(x))
	if err != nil {
		return reply{}, err
	}
	id := c.param("node")
	if id == "" || id == rootNode {
		return ok("binder", body{"nodes", nodeBodies(nodes, rootNode, false)})
	}
	for _, n := range nodes {
		if n.id == id {
			return ok("node", body{"properties", n.body(), "nodes", nodeBodies(nodes, id, false)})
		}
	}
	return reply{}, noNode(id)
}

func noNode(id string) *apiError {
	return fail("INVALID_DATA", "The node [%s] does not exist in this binder", id)
}

// editNodes runs do on the latest version of the binder of the route, and marks that version as changed.
func (c *call) editNodes(do func(t *tx, x *version) error) error {
	return c.update(func(t *tx) error {
		x, err := c.target(t, true)
		if err != nil {
			return err
		}
		if err := do(t, x); err != nil {
			return err
		}
		c.auditDocument(t, x, "EditBinder", "Binder content changed: "+c.r.Method+" "+c.param("node"))
		return t.exec(`UPDATE versions SET modified = ?, modified_by = ? WHERE key = ?`, c.now.UnixMilli(), c.user.ID, c.v.key(x))
	})
}

// place makes room for a node among the children of parent, and returns its order: as asked for, or at the end. The first has order 0,
// as in the reference's samples.
func (c *call) place(t *tx, x *version, parent, order string) (int64, error) {
	key := c.v.key(x)
	if parent != rootNode {
		var kind string
		found, err := one(c.ctx(), t, []any{&kind}, `SELECT kind FROM nodes WHERE version = ? AND id = ?`, key, parent)
		if err != nil {
			return 0, err
		}
		if !found || kind != kindSection {
			return 0, noNode(parent)
		}
	}
	var last int64
	if _, err := one(c.ctx(), t, []any{&last}, `SELECT coalesce(max(ord), -1) FROM nodes WHERE version = ? AND parent = ?`, key, parent); err != nil {
		return 0, err
	}
	if order == "" {
		return last + 1, nil
	}
	ord, err := strconv.ParseInt(order, 10, 64)
	if err != nil || ord < 0 {
		return 0, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [order__v]", order)
	}
	if ord > last {
		return last + 1, nil
	}
	return ord, t.exec(`UPDATE nodes SET ord = ord + 1 WHERE version = ? AND parent = ? AND ord >= ?`, key, parent, ord)
}

func (c *call) insertNode(t *tx, x *version, n *node) error {
	var count int
	if _, err := one(c.ctx(), t, []any{&count}, `SELECT count(*) FROM nodes WHERE version = ?`, c.v.key(x)); err != nil {
		return err
	}
	if count >= maxNodes {
		return fail("OPERATION_NOT_ALLOWED", "A binder holds at most %d nodes", maxNodes)
	}
	now := c.now.UnixMilli()
	n.id = fmt.Sprintf("%d:%d", now, int32(rand.Uint32()))
	return t.exec(`INSERT INTO nodes (version, ord, id, slot, parent, kind, content, major, minor, name, number, rule, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.v.key(x), n.ord, n.id, c.v.slot, n.parent, n.kind, nullInt(n.content), n.major, n.minor, n.name, null(n.number), null(n.rule), now)
}

func (c *call) parentID() string {
	if p := c.form.Get("parent_id__v"); p != "" {
		return p
	}
	return rootNode
}

// handleAddSection answers POST …/sections.
func handleAddSection(c *call) (reply, error) {
	name, err := c.required("name__v")
	if err != nil {
		return reply{}, err
	}
	n := &node{kind: kindSection, parent: c.parentID(), name: name, number: c.form.Get("section_number__v")}
	err = c.editNodes(func(t *tx, x *version) (err error) {
		if n.ord, err = c.place(t, x, n.parent, c.form.Get("order__v")); err != nil {
			return err
		}
		return c.insertNode(t, x, n)
	})
	if err != nil {
		return reply{}, err
	}
	return ok("id", n.id)
}

// handleAddNode answers POST …/documents.
func handleAddNode(c *call) (reply, error) {
	text, err := c.required("document_id__v")
	if err != nil {
		return reply{}, err
	}
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return reply{}, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [document_id__v]", text)
	}
	n := &node{kind: kindDocument, parent: c.parentID(), content: id, rule: c.form.Get(fieldRule)}
	err = c.editNodes(func(t *tx, x *version) error {
		doc, err := c.v.latest(c.ctx(), t, id)
		if err != nil {
			return err
		}
		if doc.binder {
			n.kind = kindBinder
		}
		if doc.doc == x.doc {
			return fail("OPERATION_NOT_ALLOWED", "A binder cannot hold itself")
		}
		n.name = doc.name
		if err := c.bind(t, n); err != nil {
			return err
		}
		if n.ord, err = c.place(t, x, n.parent, c.form.Get("order__v")); err != nil {
			return err
		}
		return c.insertNode(t, x, n)
	})
	if err != nil {
		return reply{}, err
	}
	return ok("id", n.id)
}

// bind checks a node's binding rule, and reads the version of a specific one.
func (c *call) bind(t *tx, n *node) error {
	switch n.rule {
	case "", ruleDefault, ruleSteady, ruleCurrent:
		n.major, n.minor = sql.NullInt64{}, sql.NullInt64{}
		return nil
	case ruleSpecific:
		if n.kind == kindSection {
			break
		}
		for _, p := range []struct {
			name string
			to   *sql.NullInt64
		}{{"major_version_number__v", &n.major}, {"minor_version_number__v", &n.minor}} {
			text, err := c.required(p.name)
			if err != nil {
				return err
			}
			number, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return fail("INVALID_DATA", "Invalid value [%s] specified for parameter [%s]", text, p.name)
			}
			*p.to = sql.NullInt64{Int64: number, Valid: true}
		}
		_, err := c.v.numbered(c.ctx(), t, n.content, n.major.Int64, n.minor.Int64)
		return err
	}
	return fail("INVALID_DATA", "Invalid value [%s] specified for parameter [%s]", n.rule, fieldRule)
}

// node finds a node of a binder version.
func (c *call) node(t *tx, x *version) (*node, error) {
	nodes, err := c.v.nodes(c.ctx(), t, c.v.key(x))
	if err != nil {
		return nil, err
	}
	for _, n := range nodes {
		if n.id == c.param("node") {
			return n, nil
		}
	}
	return nil, noNode(c.param("node"))
}

// handleMoveNode answers PUT …/documents/{node} and …/sections/{node}: another order or parent, or another name of a section.
func handleMoveNode(c *call) (reply, error) {
	err := c.editNodes(func(t *tx, x *version) error {
		n, err := c.node(t, x)
		if err != nil {
			return err
		}
		if n.kind == kindSection {
			if v := c.form.Get("name__v"); v != "" {
				n.name = v
			}
			if _, given := c.form["section_number__v"]; given {
				n.number = c.form.Get("section_number__v")
			}
		}
		key := c.v.key(x)
		parent := n.parent
		if p := c.form.Get("parent_id__v"); p != "" {
			parent = p
		}
		if order := c.form.Get("order__v"); order != "" || parent != n.parent {
			if parent == n.id {
				return fail("INVALID_DATA", "A section cannot be moved into itself")
			}
			if err := t.exec(`DELETE FROM nodes WHERE version = ? AND ord = ? AND id = ?`, key, n.ord, n.id); err != nil {
				return err
			}
			if err := t.exec(`UPDATE nodes SET ord = ord - 1 WHERE version = ? AND parent = ? AND ord > ?`, key, n.parent, n.ord); err != nil {
				return err
			}
			n.parent = parent
			if n.ord, err = c.place(t, x, parent, order); err != nil {
				return err
			}
			return t.exec(`INSERT INTO nodes (version, ord, id, slot, parent, kind, content, major, minor, name, number, rule, created) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
				key, n.ord, n.id, c.v.slot, n.parent, n.kind, nullInt(n.content), n.major, n.minor, n.name, null(n.number), null(n.rule), c.now.UnixMilli())
		}
		return t.exec(`UPDATE nodes SET name = ?, number = ? WHERE version = ? AND ord = ? AND id = ?`, n.name, null(n.number), key, n.ord, n.id)
	})
	if err != nil {
		return reply{}, err
	}
	return ok("id", c.param("node"))
}

// handleDropNode answers DELETE …/documents/{node} and …/sections/{node}; a section goes with what is in it.
func handleDropNode(c *call) (reply, error) {
	err := c.editNodes(func(t *tx, x *version) error {
		n, err := c.node(t, x)
		if err != nil {
			return err
		}
		key := c.v.key(x)
		if err := t.exec(`WITH RECURSIVE gone(id) AS (SELECT ? UNION SELECT n.id FROM nodes n JOIN gone ON n.parent = gone.id WHERE n.version = ?)
			DELETE FROM nodes WHERE version = ? AND id IN (SELECT id FROM gone)`, n.id, key, key); err != nil {
			return err
		}
		return t.exec(`UPDATE nodes SET ord = ord - 1 WHERE version = ? AND parent = ? AND ord > ?`, key, n.parent, n.ord)
	})
	if err != nil {
		return reply{}, err
	}
	return ok("id", c.param("node"))
}

// handleBinderRule answers PUT …/binding_rule of a binder.
func handleBinderRule(c *call) (reply, error) {
	rule, err := c.required(fieldRule)
	if err != nil {
		return reply{}, err
	}
	if rule != ruleDefault && rule != ruleSteady && rule != ruleCurrent {
		return reply{}, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [%s]", rule, fieldRule)
	}
	var id int64
	err = c.editNodes(func(t *tx, x *version) error {
		id = x.doc
		x.fields[fieldRule] = rule
		if err := c.v.updateVersion(t, x); err != nil {
			return err
		}
		if c.form.Get(fieldOverride) != "true" {
			return nil
		}
		return t.exec(`UPDATE nodes SET rule = ?, major = NULL, minor = NULL WHERE version = ?`, rule, c.v.key(x))
	})
	if err != nil {
		return reply{}, err
	}
	return ok("id", id)
}

// handleNodeRule answers PUT …/sections/{node}/binding_rule and …/documents/{node}/binding_rule.
func handleNodeRule(c *call) (reply, error) {
	rule, err := c.required(fieldRule)
	if err != nil {
		return reply{}, err
	}
	err = c.editNodes(func(t *tx, x *version) error {
		n, err := c.node(t, x)
		if err != nil {
			return err
		}
		n.rule = rule
		if err := c.bind(t, n); err != nil {
			return err
		}
		return t.exec(`UPDATE nodes SET rule = ?, major = ?, minor = ? WHERE version = ? AND ord = ? AND id = ?`, n.rule, n.major, n.minor, c.v.key(x), n.ord, n.id)
	})
	if err != nil {
		return reply{}, err
	}
	return ok("id", c.param("node"))
}
