package devvault

import (
	"strconv"
	"strings"
)

// enter moves a version into a state. A minor version that enters a steady state becomes the next major one, and the versions that were
// steady before it become superseded, where the lifecycle has a state for that.
func (c *call) enter(t *tx, x *version, to *state) error {
	l := c.v.catalog().lifecycles[x.lifecycle]
	if to.Kind == "steady" {
		list, err := c.v.versions(c.ctx(), t, x.doc)
		if err != nil {
			return err
		}
		superseded := l.kind("superseded")
		for _, y := range list {
			if y.seq == x.seq {
				continue
			}
			if s := l.state(y.status); superseded != nil && s != nil && s.Kind == "steady" {
				c.auditDocument(t, y, "ChangeState", "Superseded by a newer version", "field_name", "status__v", "old_value", y.status, "new_value", superseded.Name)
				y.status = superseded.Name
				c.touch(y)
				if err := c.v.updateVersion(t, y); err != nil {
					return err
				}
			}
		}
		if x.minor != 0 {
			x.major, x.minor = list[len(list)-1].major+1, 0
		}
	}
	c.auditDocument(t, x, "ChangeState", "State changed", "field_name", "status__v", "old_value", x.status, "new_value", to.Name)
	x.status = to.Name
	c.touch(x)
	if err := c.v.updateVersion(t, x); err != nil {
		return err
	}
	return c.v.refreshLinks(t, x.doc)
}

// run runs a user action on a version; the failure names the action when its state does not have it.
func (c *call) run(t *tx, x *version, action string) error {
	l := c.v.catalog().lifecycles[x.lifecycle]
	s := l.state(x.status)
	if s == nil || s.action(action) == nil {
		return fail("INVALID_DATA", "The action [%s] is not available in the state [%s] of document [%d]", action, x.status, x.doc)
	}
	return c.enter(t, x, l.state(s.action(action).To))
}

func (c *call) lifecycleAction(x *version, a action, binder bool) body {
	base := "/api/" + c.version + "/objects/documents/" + strconv.FormatInt(x.doc, 10) + "/versions/" + strconv.FormatInt(x.major, 10) + "/" +
		strconv.FormatInt(x.minor, 10) + "/lifecycle_actions/" + a.Name
	var executable any = "true" // a text for documents, a boolean for binders, as the platform has it
	if binder {
		executable = true
	}
	return body{"name__v", a.Name, "label__v", a.Label, "lifecycle_action_type__v", "stateChange", "lifecycle__v", x.lifecycle, "state__v", x.status,
		"executable__v", executable, "entry_requirements__v", base + "/entry_requirements"}
}

// handleLifecycleActions answers GET …/versions/{major}/{minor}/lifecycle_actions.
func handleLifecycleActions(c *call, binder bool) (reply, error) {
	x, err := c.target(c.s.store.read, binder)
	if err != nil {
		return reply{}, err
	}
	list := []body{}
	if s := c.v.catalog().lifecycles[x.lifecycle].state(x.status); s != nil {
		for _, a := range s.Actions {
			list = append(list, c.lifecycleAction(x, a, binder))
		}
	}
	return ok("lifecycle_actions__v", list)
}

// handleEntryRequirements answers GET …/lifecycle_actions/{action}/entry_requirements: no state of the lifecycles here asks for anything.
func handleEntryRequirements(c *call, binder bool) (reply, error) {
	x, err := c.target(c.s.store.read, binder)
	if err != nil {
		return reply{}, err
	}
	if s := c.v.catalog().lifecycles[x.lifecycle].state(x.status); s == nil || s.action(c.param("action")) == nil {
		return reply{}, fail("INVALID_DATA", "The action [%s] is not available in the state [%s] of document [%d]", c.param("action"), x.status, x.doc)
	}
	return ok("properties", []body{})
}

// handleRunLifecycleAction answers PUT …/versions/{major}/{minor}/lifecycle_actions/{action}.
func handleRunLifecycleAction(c *call, binder bool) (reply, error) {
	id, err := c.change(binder, func(t *tx, x *version) error { return c.run(t, x, c.param("action")) })
	if err != nil {
		return reply{}, err
	}
	return ok("id", id)
}

// docIDs reads docIds=22:0:1,21:1:0. What does not exist, or is not a binder where one must be, is left out.
func (c *call) docIDs(q querier, binder bool) ([]*version, error) {
	text, err := c.required("docIds")
	if err != nil {
		return nil, err
	}
	var list []*version
	for _, s := range strings.Split(text, ",") {
		var n [3]int64
		parts := strings.Split(strings.TrimSpace(s), ":")
		if len(parts) != 3 {
			return nil, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [docIds]: not of the form id:major:minor", s)
		}
		for i, p := range parts {
			if n[i], err = strconv.ParseInt(p, 10, 64); err != nil {
				return nil, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [docIds]: not of the form id:major:minor", s)
			}
		}
		x, err := c.v.numbered(c.ctx(), q, n[0], n[1], n[2])
		if _, missing := err.(*apiError); missing {
			continue
		}
		if err != nil {
			return nil, err
		}
		if x.binder || !binder {
			list = append(list, x)
		}
	}
	return list, nil
}

// handleSharedLifecycleActions answers POST …/lifecycle_actions with docIds: the actions of all of them.
func handleSharedLifecycleActions(c *call, binder bool) (reply, error) {
	list, err := c.docIDs(c.s.store.read, binder)
	if err != nil {
		return reply{}, err
	}
	out := []body{}
	seen := map[string]bool{}
	for _, x := range list {
		s := c.v.catalog().lifecycles[x.lifecycle].state(x.status)
		if s == nil {
			continue
		}
		for _, a := range s.Actions {
			if key := a.Name + "\x00" + x.lifecycle + "\x00" + x.status; !seen[key] {
				seen[key] = true
				out = append(out, c.lifecycleAction(x, a, binder))
			}
		}
	}
	return ok("lifecycle_actions__v", out)
}

// handleRunLifecycleActions answers PUT …/lifecycle_actions/{action} with docIds, lifecycle and state. Documents that are not in that
// state of that lifecycle are silently left out, as the platform does.
func handleRunLifecycleActions(c *call, binder bool) (reply, error) {
	lifecycle, err := c.required("lifecycle")
	if err != nil {
		return reply{}, err
	}
	state, err := c.required("state")
	if err != nil {
		return reply{}, err
	}
	return reply{}, c.update(func(t *tx) error {
		list, err := c.docIDs(t, binder)
		if err != nil {
			return err
		}
		for _, x := range list {
			if x.lifecycle != lifecycle || x.status != state {
				continue
			}
			if err := c.run(t, x, c.param("action")); err != nil {
				return err
			}
		}
		return nil
	})
}

// handleNewDraft answers POST of a document (createDraft) or of a binder: a new minor version with the fields, the file and the nodes of
// the latest one.
func handleNewDraft(c *call, binder bool) (reply, error) {
	draft := c.form.Get("createDraft")
	switch {
	case binder, draft == "latestContent", draft == "uploadedContent" && c.file != nil:
	case draft == "uploadedContent":
		return reply{}, fail("PARAMETER_REQUIRED", "Missing required parameter [file]")
	case draft != "":
		return reply{}, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [createDraft]", draft)
	default:
		return handleCheckIn(c)
	}
	var n *version
	_, err := c.change(binder, func(t *tx, x *version) (err error) {
		if err := c.mayDraft(t, x); err != nil {
			return err
		}
		n, err = c.newDraft(t, x)
		return err
	})
	if err != nil {
		return reply{}, err
	}
	message := "New draft successfully created."
	if binder {
		message = "New draft successfully created"
	}
	return ok("responseMessage", message, "major_version_number__v", n.major, "minor_version_number__v", n.minor)
}

// maxDraftNodes is the size of binder above which no draft is made by the API.
const maxDraftNodes = 10000

func (c *call) newDraft(t *tx, x *version) (*version, error) {
	if x.seq >= maxSeq {
		return nil, fail("OPERATION_NOT_ALLOWED", "The document [%d] has too many versions", x.doc)
	}
	if x.binder {
		var n int
		if _, err := one(c.ctx(), t, []any{&n}, `SELECT count(*) FROM nodes WHERE version = ?`, c.v.key(x)); err != nil {
			return nil, err
		}
		if n > maxDraftNodes {
			return nil, fail("OPERATION_NOT_ALLOWED", "A binder of more than %d nodes cannot be drafted", maxDraftNodes)
		}
	}
	n := x.clone()
	n.seq, n.minor, n.latest = x.seq+1, x.minor+1, true
	n.status = c.v.catalog().lifecycles[x.lifecycle].kind("starting").Name
	n.versionCreated, n.versionCreatedBy = c.now.UnixMilli(), c.user.ID
	c.touch(n)
	if d := c.form.Get("description__v"); d != "" {
		n.fields["description__v"] = d
	}
	if err := t.exec(`UPDATE versions SET latest = 0 WHERE key = ?`, c.v.key(x)); err != nil {
		return nil, err
	}
	if err := c.v.insertVersion(t, n); err != nil {
		return nil, err
	}
	if err := t.exec(`INSERT INTO nodes SELECT ?, ord, id, slot, parent, kind, content, major, minor, name, number, rule, created FROM nodes WHERE version = ?`,
		c.v.key(n), c.v.key(x)); err != nil {
		return nil, err
	}
	if err := t.exec(`INSERT INTO renditions SELECT ?, type, filename, media, size, md5, content FROM renditions WHERE version = ?`, c.v.key(n), c.v.key(x)); err != nil {
		return nil, err
	}
	if c.file != nil {
		if err := c.v.putRendition(t, c.v.key(n), sourceFile, c.file); err != nil {
			return nil, err
		}
	}
	c.auditDocument(t, n, "CreateDraft", "Draft created")
	return n, c.v.refreshLinks(t, x.doc)
}

// handleCheckIn answers POST of a document without createDraft: it gives a placeholder its file, and one that is checked out a new version.
func handleCheckIn(c *call) (reply, error) {
	if c.file == nil {
		return reply{}, fail("PARAMETER_REQUIRED", "Missing required parameter [createDraft] or [file]")
	}
	var x *version
	err := c.update(func(t *tx) (err error) {
		if x, err = c.target(t, false); err != nil {
			return err
		}
		if err := c.mayWriteFile(t, x); err != nil {
			return err
		}
		holder, _, err := c.v.lockOf(c.ctx(), t, x.doc)
		if err != nil {
			return err
		}
		if holder != 0 {
			if err := t.exec(`DELETE FROM locks WHERE slot = ? AND doc = ?`, c.v.slot, x.doc); err != nil {
				return err
			}
			x, err = c.newDraft(t, x)
			return err
		}
		c.auditDocument(t, x, "CheckIn", "Document checked in")
		c.touch(x)
		if err := c.v.updateVersion(t, x); err != nil {
			return err
		}
		return c.v.putRendition(t, c.v.key(x), sourceFile, c.file)
	})
	if err != nil {
		return reply{}, err
	}
	return ok("responseMessage", "Document successfully checked in.", "major_version_number__v", x.major, "minor_version_number__v", x.minor)
}

// handleCreateVersions answers POST /api/{v}/objects/documents/versions/batch: versions with numbers of the caller's choice, in migration
// mode only.
func handleCreateVersions(c *call) (reply, error) {
	if !c.migration() {
		return reply{}, fail("OPERATION_NOT_ALLOWED", "The header [X-VaultAPI-MigrationMode] is required")
	}
	return c.documentRows(maxDocumentRows, func(t *tx, row requestRow) (body, error) {
		x, err := c.rowDocument(t, row)
		if err != nil {
			return nil, err
		}
		n := x.clone()
		n.seq, n.minor, n.latest = x.seq+1, x.minor+1, true
		n.versionCreated, n.versionCreatedBy = c.now.UnixMilli(), c.user.ID
		c.touch(n)
		file, err := c.fileOf(t, row)
		if err != nil {
			return nil, err
		}
		if p := c.form.Get("idParam"); p != "" {
			row = cloneMap(row)
			delete(row, p)
		}
		if _, err := c.fillDocument(t, n, row, false); err != nil {
			return nil, err
		}
		list, err := c.v.versions(c.ctx(), t, x.doc)
		if err != nil {
			return nil, err
		}
		for _, y := range list {
			if y.major > n.major || y.major == n.major && y.minor >= n.minor {
				return nil, fail("INVALID_DATA", "The document [%d] has a version [%d.%d] already", x.doc, y.major, y.minor)
			}
		}
		if err := t.exec(`UPDATE versions SET latest = 0 WHERE key = ?`, c.v.key(x)); err != nil {
			return nil, err
		}
		if err := c.v.insertVersion(t, n); err != nil {
			return nil, err
		}
		if file != nil {
			if err := c.v.putRendition(t, c.v.key(n), sourceFile, file); err != nil {
				return nil, err
			}
		}
		c.auditDocument(t, n, "CreateVersion", "Version created in migration mode")
		return append(documentRow(n), "major_version_number__v", n.major, "minor_version_number__v", n.minor), c.v.refreshLinks(t, x.doc)
	})
}
