package devvault

import (
	"archive/zip"
	"bytes"
	"crypto/md5"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"
)

// recordFile is one version of an attachment of a record, or the file of an attachment field.
type recordFile struct {
	key, attachment, version, size, created, createdBy int64
	filename, description, media, md5                  string
}

const recordFileColumns = `key, attachment, version, size, created, created_by, filename, description, media, md5`

func scanRecordFile(rows *sql.Rows) (f recordFile, err error) {
	err = rows.Scan(&f.key, &f.attachment, &f.version, &f.size, &f.created, &f.createdBy, &f.filename, &f.description, &f.media, &f.md5)
	return f, err
}

// recordFiles lists the files of a record, oldest version first. field is empty for attachments.
func (v *vault) recordFiles(q querier, object, id, field string) ([]recordFile, error) {
	rows, err := q.QueryContext(bg, `SELECT `+recordFileColumns+` FROM record_files WHERE extent = ? AND id = ? AND field = ? ORDER BY attachment, version`,
		v.extent(object), id, field)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []recordFile
	for rows.Next() {
		f, err := scanRecordFile(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, rows.Err()
}

// versionsOf are the versions of the attachment of the route, up to the version of the route if it names one.
func (c *call) versionsOf(q querier) (*object, *record, []recordFile, error) {
	o, r, err := c.readable()
	if err != nil {
		return nil, nil, nil, err
	}
	id, err := c.number("attachment")
	if err != nil {
		return nil, nil, nil, err
	}
	all, err := c.v.recordFiles(q, o.Name, r.id, "")
	if err != nil {
		return nil, nil, nil, err
	}
	var list []recordFile
	for _, f := range all {
		if f.attachment == id && (c.param("version_number") == "" || c.param("version_number") == strconv.FormatInt(f.version, 10)) {
			list = append(list, f)
		}
	}
	if len(list) == 0 {
		return nil, nil, nil, fail("INVALID_DATA", "The attachment [%s] of record [%s] does not exist", c.param("attachment"), r.id)
	}
	return o, r, list, nil
}

func (c *call) recordFileURL(o *object, r *record, f recordFile) string {
	return c.url(fmt.Sprintf("%s/attachments/%d", c.recordURL(o, r.id), f.attachment))
}

// recordFileBody is the latest of some versions of an attachment, with the addresses of all.
func (c *call) recordFileBody(o *object, r *record, list []recordFile) body {
	f := list[len(list)-1]
	versions := []body{}
	for _, x := range list {
		versions = append(versions, body{"version__v", x.version, "url", fmt.Sprintf("%s/versions/%d", c.recordFileURL(o, r, x), x.version)})
	}
	return body{"id", f.attachment, "filename__v", f.filename, "description__v", f.description, "format__v", f.media, "size__v", f.size, "md5checksum__v", f.md5,
		"version__v", f.version, "created_date__v", formatMillis(f.created), "created_by__v", f.createdBy, "versions", versions}
}

// handleRecordAttachments answers GET /api/{v}/vobjects/{object}/{id}/attachments.
func handleRecordAttachments(c *call) (reply, error) {
	o, r, err := c.readable()
	if err != nil {
		return reply{}, err
	}
	list, err := c.v.recordFiles(c.s.store.read, o.Name, r.id, "")
	if err != nil {
		return reply{}, err
	}
	data := []body{}
	for len(list) > 0 {
		n := 1
		for n < len(list) && list[n].attachment == list[0].attachment {
			n++
		}
		data = append(data, c.recordFileBody(o, r, list[:n]))
		list = list[n:]
	}
	return ok("data", data)
}

// handleRecordAttachment answers GET …/attachments/{attachment} and …/versions/{version_number}.
func handleRecordAttachment(c *call) (reply, error) {
	o, r, list, err := c.versionsOf(c.s.store.read)
	if err != nil {
		return reply{}, err
	}
	return ok("data", []body{c.recordFileBody(o, r, list)})
}

// handleRecordAttachmentVersions answers GET …/attachments/{attachment}/versions.
func handleRecordAttachmentVersions(c *call) (reply, error) {
	o, r, list, err := c.versionsOf(c.s.store.read)
	if err != nil {
		return reply{}, err
	}
	data := []body{}
	for i := range list {
		data = append(data, c.recordFileBody(o, r, list[i:i+1]))
	}
	return ok("data", data)
}

// changeable finds the object and the record of the route, for who may edit it.
func (c *call) changeable() (*object, *record, error) {
	o, r, err := c.readable()
	if err == nil && !c.user.canType(o.Name, r.typ, "edit") {
		err = fail("INSUFFICIENT_ACCESS", "User [%s] may not edit records of type [%s]", c.user.Name, r.typ)
	}
	return o, r, err
}

// handleAddRecordAttachment answers POST …/attachments with the part file. A file of the same name is a new version of the attachment.
func handleAddRecordAttachment(c *call) (reply, error) {
	o, r, err := c.changeable()
	if err != nil {
		return reply{}, err
	}
	if !o.Attachments {
		return reply{}, fail("OPERATION_NOT_ALLOWED", "The object [%s] does not allow attachments", o.Name)
	}
	if c.file == nil {
		return reply{}, fail("PARAMETER_REQUIRED", "Missing required parameter [file]")
	}
	f := recordFile{filename: c.file.name, media: c.file.media, description: c.form.Get("description__v")}
	err = c.update(func(t *tx) error {
		list, err := c.v.recordFiles(t, o.Name, r.id, "")
		if err != nil {
			return err
		}
		f.attachment, f.version = 0, 1
		for _, x := range list {
			if x.filename == f.filename {
				f.attachment, f.version = x.attachment, x.version+1
			}
		}
		return c.storeFile(t, o, r, "", &f, c.file.content)
	})
	if err != nil {
		return reply{}, err
	}
	return ok("data", body{"id", f.attachment, "version__v", f.version})
}

func (c *call) storeFile(t *tx, o *object, r *record, field string, f *recordFile, content []byte) error {
	sum := md5.Sum(content)
	if f.attachment == 0 {
		if _, err := one(bg, t, []any{&f.attachment}, `SELECT coalesce(max(attachment), 0) + 1 FROM record_files`); err != nil {
			return err
		}
	}
	return t.exec(`INSERT INTO record_files (extent, id, field, attachment, version, filename, description, media, size, md5, created, created_by, content)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, c.v.extent(o.Name), r.id, field, f.attachment, f.version, f.filename, f.description, f.media,
		len(content), hex.EncodeToString(sum[:]), c.now.UnixMilli(), c.user.ID, content)
}

// handleDescribeRecordAttachment answers PUT …/attachments/{attachment} with description__v.
func handleDescribeRecordAttachment(c *call) (reply, error) {
	if _, _, err := c.changeable(); err != nil {
		return reply{}, err
	}
	_, _, list, err := c.versionsOf(c.s.store.read)
	if err != nil {
		return reply{}, err
	}
	return reply{}, c.s.store.update(func(t *tx) error {
		return t.exec(`UPDATE record_files SET description = ? WHERE key = ?`, c.form.Get("description__v"), list[len(list)-1].key)
	})
}

// handleRestoreRecordAttachment answers POST …/versions/{version_number}?restore=true: that version becomes the latest.
func handleRestoreRecordAttachment(c *call) (reply, error) {
	if c.form.Get("restore") != "true" {
		return reply{}, fail("PARAMETER_REQUIRED", "Missing required parameter [restore]")
	}
	o, r, err := c.changeable()
	if err != nil {
		return reply{}, err
	}
	_, _, list, err := c.versionsOf(c.s.store.read)
	if err != nil {
		return reply{}, err
	}
	f := list[0]
	err = c.s.store.update(func(t *tx) error {
		if _, err := one(bg, t, []any{&f.version}, `SELECT max(version) + 1 FROM record_files WHERE extent = ? AND id = ? AND attachment = ?`,
			c.v.extent(o.Name), r.id, f.attachment); err != nil {
			return err
		}
		return t.exec(`INSERT INTO record_files (extent, id, field, attachment, version, filename, description, media, size, md5, created, created_by, content)
			SELECT extent, id, field, attachment, ?, filename, description, media, size, md5, ?, ?, content FROM record_files WHERE key = ?`,
			f.version, c.now.UnixMilli(), c.user.ID, f.key)
	})
	if err != nil {
		return reply{}, err
	}
	return ok("data", body{"id", f.attachment, "version__v", f.version})
}

// handleDeleteRecordAttachment answers DELETE …/attachments/{attachment} and …/versions/{version_number}.
func handleDeleteRecordAttachment(c *call) (reply, error) {
	o, r, err := c.changeable()
	if err != nil {
		return reply{}, err
	}
	_, _, list, err := c.versionsOf(c.s.store.read)
	if err != nil {
		return reply{}, err
	}
	return reply{}, c.s.store.update(func(t *tx) error {
		for _, f := range list {
			if err := t.exec(`DELETE FROM record_files WHERE key = ?`, f.key); err != nil {
				return err
			}
			if err := t.exec(`INSERT INTO deletions (slot, kind, at, id, major, global_id) VALUES (?, ?, ?, ?, ?, ?)`, c.v.slot, o.Name+"/attachment",
				c.s.clock.now().UnixMilli(), strconv.FormatInt(f.attachment, 10), f.version, r.id); err != nil {
				return err
			}
		}
		return nil
	})
}

// handleRecordAttachmentDeletions answers GET /api/{v}/objects/deletions/vobjects/{object}/attachments.
func handleRecordAttachmentDeletions(c *call) (reply, error) {
	o, err := c.object("read")
	if err != nil {
		return reply{}, err
	}
	from, to, err := c.span()
	if err != nil {
		return reply{}, err
	}
	limit, offset := c.page(1000, 5000)
	rows, err := c.s.store.read.QueryContext(c.ctx(), `SELECT id, major, global_id, at, count(*) OVER () FROM deletions WHERE slot = ? AND kind = ? AND at BETWEEN ? AND ?
		ORDER BY at, id LIMIT ? OFFSET ?`, c.v.slot, o.Name+"/attachment", from, to, limit, offset)
	if err != nil {
		return reply{}, err
	}
	defer rows.Close()
	data, total := []body{}, 0
	for rows.Next() {
		var id, version, at int64
		var record string
		if err := rows.Scan(&id, &version, &record, &at, &total); err != nil {
			return reply{}, err
		}
		data = append(data, body{"id", id, "version__v", version, "record_id", record, "date_deleted", secondsOf(at)})
	}
	return reply{body: body{"responseMessage", "OK", "responseDetails", body{"total", total, "size", len(data), "limit", limit, "offset", offset}, "data", data}}, rows.Err()
}

func (c *call) contentOf(key int64) (content []byte, err error) {
	_, err = one(c.ctx(), c.s.store.read, []any{&content}, `SELECT content FROM record_files WHERE key = ?`, key)
	return content, err
}

// handleRecordAttachmentFile answers GET …/attachments/{attachment}/file and …/versions/{version_number}/file.
func handleRecordAttachmentFile(c *call) (reply, error) {
	_, _, list, err := c.versionsOf(c.s.store.read)
	if err != nil {
		return reply{}, err
	}
	return c.fileReply(list[len(list)-1])
}

func (c *call) fileReply(f recordFile) (reply, error) {
	content, err := c.contentOf(f.key)
	if content == nil {
		content = []byte{}
	}
	return reply{content: content, media: "application/octet-stream;charset=UTF-8", name: path.Base(f.filename)}, err
}

// handleRecordAttachmentFiles answers GET …/attachments/file: a zip of the latest versions.
func handleRecordAttachmentFiles(c *call) (reply, error) { return c.zipOf(false) }

// handleAttachmentFieldFiles answers GET …/attachment_fields/file: a zip of the files of all attachment fields.
func handleAttachmentFieldFiles(c *call) (reply, error) { return c.zipOf(true) }

func (c *call) zipOf(fields bool) (reply, error) {
	o, r, err := c.readable()
	if err != nil {
		return reply{}, err
	}
	latest := map[string]recordFile{}
	folders := []string{""}
	if fields {
		folders = nil
		for _, f := range o.fields.list {
			if f.Type == typeFile && c.user.canField(o.Name, f.Name, "read") {
				folders = append(folders, f.Name)
			}
		}
	}
	for _, folder := range folders {
		list, err := c.v.recordFiles(c.s.store.read, o.Name, r.id, folder)
		if err != nil {
			return reply{}, err
		}
		for _, f := range list {
			latest[path.Join(folder, strconv.FormatInt(f.attachment, 10), path.Base(f.filename))] = f
		}
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, name := range names(latest) {
		content, err := c.contentOf(latest[name].key)
		if err != nil {
			return reply{}, err
		}
		w, err := z.Create(name)
		if err == nil {
			_, err = w.Write(content)
		}
		if err != nil {
			return reply{}, err
		}
	}
	if err := z.Close(); err != nil {
		return reply{}, err
	}
	return reply{content: out.Bytes(), media: "application/zip", name: r.id + ".zip"}, nil
}

func (c *call) attachmentField(o *object) (*field, error) {
	f := o.fields.get(c.param("field"))
	if f == nil || f.Type != typeFile {
		return nil, fail("INVALID_DATA", "The object [%s] has no attachment field [%s]", o.Name, c.param("field"))
	}
	return f, nil
}

// handleAttachmentFieldFile answers GET …/attachment_fields/{field}/file.
func handleAttachmentFieldFile(c *call) (reply, error) {
	o, r, err := c.readable()
	if err != nil {
		return reply{}, err
	}
	f, err := c.attachmentField(o)
	if err != nil {
		return reply{}, err
	}
	list, err := c.v.recordFiles(c.s.store.read, o.Name, r.id, f.Name)
	if err == nil && len(list) == 0 {
		err = fail("INVALID_DATA", "The attachment field [%s] of record [%s] is empty", f.Name, r.id)
	}
	if err != nil {
		return reply{}, err
	}
	return c.fileReply(list[len(list)-1])
}

// maxFieldFile is the largest file of an attachment field.
const maxFieldFile = 100 << 20

// handleSetAttachmentField answers POST …/attachment_fields/{field}/file with the part file. The field's value is the file's name.
func handleSetAttachmentField(c *call) (reply, error) {
	o, r, err := c.changeable()
	if err != nil {
		return reply{}, err
	}
	f, err := c.attachmentField(o)
	if err != nil {
		return reply{}, err
	}
	if c.file == nil {
		return reply{}, fail("PARAMETER_REQUIRED", "Missing required parameter [file]")
	}
	if !c.user.canField(o.Name, f.Name, "edit") {
		return reply{}, fail("INSUFFICIENT_ACCESS", "User [%s] may not edit the field [%s]", c.user.Name, f.Name)
	}
	err = c.update(func(t *tx) error {
		old, err := c.v.record(c.ctx(), t, o.Name, r.id)
		if err != nil {
			return err
		}
		return c.setFile(t, o, old, f, c.file.name, c.file.content)
	})
	if err != nil {
		return reply{}, err
	}
	return ok("data", body{"id", r.id, "url", c.recordURL(o, r.id)})
}

func (c *call) setFile(t *tx, o *object, old *record, f *field, name string, content []byte) error {
	if len(content) > maxFieldFile {
		return fail("EXCEEDS_FILE_MAX_SIZE", "The file of an attachment field may have 100 MB")
	}
	if old == nil {
		return errors.New("the record is gone")
	}
	if err := t.exec(`DELETE FROM record_files WHERE extent = ? AND id = ? AND field = ?`, c.v.extent(o.Name), old.id, f.Name); err != nil {
		return err
	}
	n := old.clone()
	n.fields[f.Name] = path.Base(strings.ReplaceAll(name, `\`, "/"))
	n.modified, n.modifiedBy = c.now.UnixMilli(), c.user.ID
	if err := c.storeFile(t, o, old, f.Name, &recordFile{filename: name, media: "application/octet-stream", version: 1}, content); err != nil {
		return err
	}
	return c.v.updateRecord(t, o, n, old)
}
