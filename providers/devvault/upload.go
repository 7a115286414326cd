package devvault

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	pathpkg "path"
	"strconv"
	"time"
)

// uploadSession is a file that comes to file staging in parts.
type uploadSession struct {
	id, path             string
	size, owner          int64
	overwrite            bool
	created, used        int64
	parts, uploaded, top int64 // how many parts, how many bytes, the highest part number
}

const (
	maxUpload      = 500 << 30
	minPart        = 5 << 20 // but for the last
	maxPart        = 50 << 20
	maxParts       = 2000
	maxUploads     = 50
	uploadLifetime = 72 * time.Hour
)

// uploads lists the sessions that are open, of the caller or for an administrator of all.
func (c *call) uploads(q querier) ([]*uploadSession, error) {
	rows, err := q.QueryContext(c.ctx(), `SELECT u.id, u.path, u.size, u.overwrite, u.owner, u.created, u.used, count(p.n), coalesce(sum(p.size), 0), coalesce(max(p.n), 0)
		FROM uploads u LEFT JOIN upload_parts p ON p.upload = u.id WHERE u.slot = ? AND u.created > ? GROUP BY u.id ORDER BY u.created, u.id`,
		c.v.slot, c.now.Add(-uploadLifetime).UnixMilli())
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []*uploadSession
	for rows.Next() {
		var u uploadSession
		if err := rows.Scan(&u.id, &u.path, &u.size, &u.overwrite, &u.owner, &u.created, &u.used, &u.parts, &u.uploaded, &u.top); err != nil {
			return nil, err
		}
		if u.owner == c.user.ID || c.user.admin {
			list = append(list, &u)
		}
	}
	return list, rows.Err()
}

// upload finds the session that the route names.
func (c *call) upload(q querier) (*uploadSession, error) {
	list, err := c.uploads(q)
	if err != nil {
		return nil, err
	}
	for _, u := range list {
		if u.id == c.param("upload") {
			return u, nil
		}
	}
	return nil, fail("INVALID_DATA", "There is no upload session [%s]", c.param("upload"))
}

func (u *uploadSession) body() body {
	return body{"id", u.id, "path", u.path, "name", pathpkg.Base(u.path), "expiration_date", formatMillis(u.created + uploadLifetime.Milliseconds()),
		"created_date", formatMillis(u.created), "last_uploaded_date", formatMillis(u.used), "owner", u.owner, "uploaded_parts", u.parts, "size", u.size,
		"uploaded", u.uploaded, "overwrite", u.overwrite}
}

// handleStartUpload answers POST …/upload.
func handleStartUpload(c *call) (reply, error) {
	item, err := c.required("path")
	if err != nil {
		return reply{}, err
	}
	text, err := c.required("size")
	if err != nil {
		return reply{}, err
	}
	u := &uploadSession{owner: c.user.ID, overwrite: c.form.Get("overwrite") == "true"}
	if u.path, err = c.stagedPath(item); err != nil {
		return reply{}, err
	}
	if u.size, err = strconv.ParseInt(text, 10, 64); err != nil || u.size < 0 {
		return reply{}, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [size]", text)
	}
	if u.size > maxUpload {
		return reply{}, fail("EXCEEDS_FILE_MAX_SIZE", "A file of more than %d bytes cannot be staged", int64(maxUpload))
	}
	var random [16]byte
	rand.Read(random[:])
	u.id = hex.EncodeToString(random[:])
	err = c.update(func(t *tx) error {
		u.created, u.used = c.now.UnixMilli(), c.now.UnixMilli()
		old, err := c.v.stagedItem(c.ctx(), t, u.path)
		if err != nil {
			return err
		}
		if old != nil && (old.folder || !u.overwrite) {
			return fail("ITEM_NAME_EXISTS", "There is a %s [%s] already", old.kind(), u.path)
		}
		list, err := c.uploads(t)
		if err != nil {
			return err
		}
		if len(list) >= maxUploads {
			return fail("OPERATION_NOT_ALLOWED", "There are %d upload sessions open", len(list))
		}
		return t.exec(`INSERT INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, u.id, c.v.slot, u.path, u.size, u.overwrite, u.owner, u.created, u.used)
	})
	if err != nil {
		return reply{}, err
	}
	return ok("data", u.body())
}

// handleUploads answers GET …/upload.
func handleUploads(c *call) (reply, error) {
	list, err := c.uploads(c.s.store.read)
	data := []body{}
	for _, u := range list {
		data = append(data, u.body())
	}
	return reply{body: body{"responseDetails", body{}, "data", data}}, err
}

// handleUpload answers GET …/upload/{upload}.
func handleUpload(c *call) (reply, error) {
	u, err := c.upload(c.s.store.read)
	if err != nil {
		return reply{}, err
	}
	return ok("data", u.body())
}

// handleUploadParts answers GET …/upload/{upload}/parts.
func handleUploadParts(c *call) (reply, error) {
	u, err := c.upload(c.s.store.read)
	if err != nil {
		return reply{}, err
	}
	rows, err := c.s.store.read.QueryContext(c.ctx(), `SELECT n, size, md5 FROM upload_parts WHERE upload = ? ORDER BY n`, u.id)
	if err != nil {
		return reply{}, err
	}
	defer rows.Close()
	data := []body{}
	for rows.Next() {
		var n, size int64
		var sum string
		if err := rows.Scan(&n, &size, &sum); err != nil {
			return reply{}, err
		}
		data = append(data, body{"part_number", n, "size", size, "part_content_md5", sum})
	}
	return reply{body: body{"responseDetails", body{}, "data", data}}, rows.Err()
}

// handleUploadPart answers PUT …/upload/{upload} with the part's bytes as body and its number in a header.
func handleUploadPart(c *call) (reply, error) {
	text := c.r.Header.Get("X-VaultAPI-FilePartNumber")
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 1 || n > maxParts {
		return reply{}, fail("INVALID_DATA", "The header X-VaultAPI-FilePartNumber is [%s], not a number from 1 to %d", text, maxParts)
	}
	if len(c.body) > maxPart {
		return reply{}, fail("EXCEEDS_FILE_MAX_SIZE", "A part has at most %d bytes", maxPart)
	}
	size, sum, err := c.checksum(c.body)
	if err != nil {
		return reply{}, err
	}
	err = c.update(func(t *tx) error {
		u, err := c.upload(t)
		if err != nil {
			return err
		}
		if err := t.exec(`INSERT OR REPLACE INTO upload_parts VALUES (?, ?, ?, ?, ?)`, u.id, n, size, sum, c.body); err != nil {
			return err
		}
		return t.exec(`UPDATE uploads SET used = ? WHERE id = ?`, c.now.UnixMilli(), u.id)
	})
	if err != nil {
		return reply{}, err
	}
	return ok("data", body{"size", size, "part_number", n, "part_content_md5", sum})
}

// handleCommitUpload answers POST …/upload/{upload}: the parts become the file, as a job.
func handleCommitUpload(c *call) (reply, error) {
	return c.stagingJob(func(t *tx) (int64, error) {
		u, err := c.upload(t)
		if err != nil {
			return 0, err
		}
		if u.parts != u.top || u.uploaded != u.size {
			return 0, fail("INVALID_DATA", "The upload session has %d bytes in %d parts of %d, and should have %d bytes", u.uploaded, u.parts, u.top, u.size)
		}
		var small int
		if _, err := one(bg, t, []any{&small}, `SELECT count(*) FROM upload_parts WHERE upload = ? AND n < ? AND size < ?`, u.id, u.top, minPart); err != nil {
			return 0, err
		}
		if small > 0 {
			return 0, fail("INVALID_DATA", "%d parts before the last have less than %d bytes", small, minPart)
		}
		content := make([]byte, 0, u.size)
		for n := int64(1); n <= u.top; n++ {
			var part []byte
			if _, err := one(bg, t, []any{&part}, `SELECT content FROM upload_parts WHERE upload = ? AND n = ?`, u.id, n); err != nil {
				return 0, fmt.Errorf("read part %d: %w", n, err)
			}
			content = append(content, part...)
		}
		x := &stagedItem{path: u.path}
		if x.size, x.md5, err = c.checksum(content); err != nil {
			return 0, err
		}
		if err := c.stage(t, x, content, u.overwrite); err != nil {
			return 0, err
		}
		if err := c.dropUpload(t, u); err != nil {
			return 0, err
		}
		return c.startJob(t, "File Staging Upload", appendJSON(nil, body{"path", u.path, "size", x.size, "file_content_md5", x.md5}))
	})
}

func (c *call) dropUpload(t *tx, u *uploadSession) error {
	if err := t.exec(`DELETE FROM upload_parts WHERE upload = ?`, u.id); err != nil {
		return err
	}
	return t.exec(`DELETE FROM uploads WHERE id = ?`, u.id)
}

// handleAbortUpload answers DELETE …/upload/{upload}.
func handleAbortUpload(c *call) (reply, error) {
	return reply{}, c.s.store.update(func(t *tx) error {
		u, err := c.upload(t)
		if err != nil {
			return err
		}
		return c.dropUpload(t, u)
	})
}
