package devvault

import (
	"archive/zip"
	"bytes"
	"fmt"
)

// handleBinderAction answers POST /api/{v}/objects/binders/{id}/actions with action=refresh_auto_filing: no binder here files by itself, so
// there is nothing to refresh.
func handleBinderAction(c *call) (reply, error) {
	if _, err := c.target(c.s.store.read, true); err != nil {
		return reply{}, err
	}
	action, err := c.required("action")
	if err != nil {
		return reply{}, err
	}
	if action != "refresh_auto_filing" {
		return reply{}, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [action]", action)
	}
	return reply{}, nil
}

// handleExport answers POST /api/{v}/objects/binders/{id}/actions/export: a zip of the files of the binder's documents in file staging.
func handleExport(c *call) (reply, error) {
	var id int64
	err := c.update(func(t *tx) error {
		x, err := c.target(t, true)
		if err != nil {
			return err
		}
		content, err := c.exported(t, x)
		if err != nil {
			return err
		}
		path := fmt.Sprintf("/u%d/Vault Binder Export/%s v%d.%d-%d.zip", c.user.ID, x.number, x.major, x.minor, c.now.UnixMilli())
		item := &stagedItem{path: path}
		if item.size, item.md5, err = c.checksum(content); err != nil {
			return err
		}
		if err := c.stage(t, item, content, true); err != nil {
			return err
		}
		c.auditDocument(t, x, "ExportBinder", "Binder exported")
		id, err = c.startJob(t, "Binder Export", appendJSON(nil, body{"id", x.doc, "major_version_number__v", x.major, "minor_version_number__v", x.minor,
			"file", path, "user_id__v", c.user.ID}))
		return err
	})
	if err != nil {
		return reply{}, err
	}
	return ok("URL", c.jobURL(id), "job_id", id)
}

func (c *call) exported(t *tx, x *version) ([]byte, error) {
	nodes, err := c.v.nodes(c.ctx(), t, c.v.key(x))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, n := range nodes {
		if n.kind != kindDocument {
			continue
		}
		doc, err := c.v.latest(c.ctx(), t, n.content)
		if err != nil {
			return nil, err
		}
		name, content := "", []byte{}
		if _, err := one(c.ctx(), t, []any{&name, &content}, `SELECT filename, content FROM renditions WHERE version = ? AND type = ?`, c.v.key(doc), sourceFile); err != nil {
			return nil, err
		}
		if name == "" {
			name = "placeholder.txt"
		}
		f, err := z.Create(fmt.Sprintf("%s (%d.%d)/%s", doc.number, doc.major, doc.minor, name))
		if err != nil {
			return nil, err
		}
		if _, err := f.Write(content); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// handleExportResults answers GET /api/{v}/objects/binders/actions/export/{job}/results.
func handleExportResults(c *call) (reply, error) {
	id, err := c.number("job")
	if err != nil {
		return reply{}, err
	}
	result, err := c.jobResult(id)
	if err != nil {
		return reply{}, err
	}
	return ok("job_id", id, "data", raw("["+string(result)+"]"))
}
