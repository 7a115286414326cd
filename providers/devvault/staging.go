package devvault

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"mime"
	"net/url"
	pathpkg "path"
	"strconv"
	"strings"
)

// stagedItem is a file or folder of file staging.
type stagedItem struct {
	path     string
	folder   bool
	size     int64
	md5      string
	modified int64
}

const (
	maxStaged     = 50 << 20 // a file in one call; what is larger comes in parts
	maxStagedPage = 1000
)

func stagingRoutes(get, post, put, remove routeMaker) []*route {
	return []*route{
		get("services/file_staging/items", handleStagedItems),
		get("services/file_staging/items/{item...}", handleStagedItems),
		get("services/file_staging/items/content/{item...}", handleStagedContent),
		post("services/file_staging/items", handleStage),
		put("services/file_staging/items/{item...}", handleMoveStaged),
		remove("services/file_staging/items/{item...}", handleDropStaged),
		post("services/file_staging/upload", handleStartUpload),
		get("services/file_staging/upload", handleUploads),
		get("services/file_staging/upload/{upload}", handleUpload),
		get("services/file_staging/upload/{upload}/parts", handleUploadParts),
		put("services/file_staging/upload/{upload}", handleUploadPart),
		post("services/file_staging/upload/{upload}", handleCommitUpload),
		remove("services/file_staging/upload/{upload}", handleAbortUpload),
	}
}

// stagedPath is a path of a request as it is kept. Who is no administrator sees only the own folder, /u{id}, and may leave its name out.
func (c *call) stagedPath(item string) (string, error) {
	p := pathpkg.Clean("/" + item)
	if c.user.admin {
		return p, nil
	}
	home := fmt.Sprintf("/u%d", c.user.ID)
	if p == home || strings.HasPrefix(p, home+"/") {
		return p, nil
	}
	if first := strings.SplitN(p[1:], "/", 2)[0]; len(first) > 1 && first[0] == 'u' {
		if _, err := strconv.ParseInt(first[1:], 10, 64); err == nil {
			return "", fail("INSUFFICIENT_ACCESS", "User [%s] may see the own folder of file staging only", c.user.Name)
		}
	}
	return pathpkg.Clean(home + p), nil
}

// stagedItem finds an item; nil when there is none. The root is always there, and so is everybody's folder.
func (v *vault) stagedItem(ctx context.Context, q querier, path string) (*stagedItem, error) {
	x := &stagedItem{path: path}
	found, err := one(ctx, q, []any{&x.folder, &x.size, &x.md5, &x.modified}, `SELECT folder, size, md5, modified FROM staging WHERE slot = ? AND path = ?`, v.slot, path)
	if err != nil {
		return nil, err
	}
	if !found {
		if path != "/" && !(strings.HasPrefix(path, "/u") && strings.Count(path, "/") == 1) {
			return nil, nil
		}
		x.folder = true
	}
	return x, nil
}

func noItem(path string) *apiError {
	return fail("INVALID_DATA", "There is no [%s] in file staging", path)
}

func (x *stagedItem) body() body {
	b := body{"kind", x.kind(), "path", x.path, "name", pathpkg.Base(x.path)}
	if !x.folder {
		b = append(b, "size", x.size, "modified_date", formatMillis(x.modified))
	}
	return b
}

func (x *stagedItem) kind() string {
	if x.folder {
		return "folder"
	}
	return "file"
}

// inside is the range of paths under a folder.
func inside(folder string) (low, high string) {
	low = strings.TrimSuffix(folder, "/") + "/"
	return low, low[:len(low)-1] + "0" // the character after the slash
}

// handleStagedItems answers GET …/items/{item}: what a folder holds, with recursive=true also what its folders hold.
func handleStagedItems(c *call) (reply, error) {
	path, err := c.stagedPath(c.param("item"))
	if err != nil {
		return reply{}, err
	}
	x, err := c.v.stagedItem(c.ctx(), c.s.store.read, path)
	if err != nil {
		return reply{}, err
	}
	if x == nil {
		return reply{}, noItem(path)
	}
	limit := maxStagedPage
	if text := c.form.Get("limit"); text != "" {
		if limit, err = strconv.Atoi(text); err != nil || limit < 1 || limit > maxStagedPage {
			return reply{}, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [limit]: 1 to %d", text, maxStagedPage)
		}
	}
	csv := c.form.Get("format_result") == "csv"
	if csv {
		limit = 1 << 40
	}
	low, high := inside(path)
	if after := c.form.Get("cursor"); after != "" {
		low = max(low, after)
	}
	deep := c.form.Get("recursive") == "true"
	list := []*stagedItem{x}
	if x.folder {
		if list, err = c.v.stagedUnder(c.ctx(), c.s.store.read, path, low, high, deep, limit+1); err != nil {
			return reply{}, err
		}
	}
	if csv {
		rows := [][]string{{"kind", "path", "name", "size", "modified_date"}}
		for _, y := range list {
			rows = append(rows, []string{y.kind(), y.path, pathpkg.Base(y.path), strconv.FormatInt(y.size, 10), formatMillis(y.modified)})
		}
		return c.stagingJob(func(t *tx) (int64, error) {
			return c.startFileJob(t, "File Staging List", "items.csv", "text/csv", csvText(rows))
		})
	}
	details := body{}
	if len(list) > limit {
		list = list[:limit]
		q := url.Values{"cursor": {list[limit-1].path}, "limit": {strconv.Itoa(limit)}}
		if deep {
			q.Set("recursive", "true")
		}
		address := &url.URL{Path: "/api/" + c.version + "/services/file_staging/items" + strings.TrimSuffix(path, "/"), RawQuery: q.Encode()}
		details = append(details, "next_page", c.url(address.String()))
	}
	data := []body{}
	for _, y := range list {
		data = append(data, y.body())
	}
	return ok("responseDetails", details, "data", data)
}

// stagedUnder lists the items after low and before high, in order of path; unless deep only those right in the folder.
func (v *vault) stagedUnder(ctx context.Context, q querier, folder, low, high string, deep bool, limit int) ([]*stagedItem, error) {
	start := len(strings.TrimSuffix(folder, "/")) + 2 // of the name in the path, counted from 1
	rows, err := q.QueryContext(ctx, `SELECT path, folder, size, md5, modified FROM staging WHERE slot = ? AND path > ? AND path < ?
		AND (? OR instr(substr(path, ?), '/') = 0) ORDER BY path LIMIT ?`, v.slot, low, high, deep, start, limit)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []*stagedItem
	for rows.Next() {
		var x stagedItem
		if err := rows.Scan(&x.path, &x.folder, &x.size, &x.md5, &x.modified); err != nil {
			return nil, err
		}
		list = append(list, &x)
	}
	return list, rows.Err()
}

// staged reads a file of file staging as what was uploaded.
func (c *call) staged(q querier, item string) (*upload, error) {
	path, err := c.stagedPath(item)
	if err != nil {
		return nil, err
	}
	content := []byte{}
	found, err := one(c.ctx(), q, []any{&content}, `SELECT content FROM staging WHERE slot = ? AND path = ? AND folder = 0`, c.v.slot, path)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, noItem(path)
	}
	if content == nil {
		content = []byte{}
	}
	return &upload{name: pathpkg.Base(path), media: mediaOf(path), content: content}, nil
}

func mediaOf(path string) string {
	if m := mime.TypeByExtension(pathpkg.Ext(path)); m != "" {
		return m
	}
	return "application/octet-stream"
}

// handleStagedContent answers GET …/items/content/{item}.
func handleStagedContent(c *call) (reply, error) {
	f, err := c.staged(c.s.store.read, c.param("item"))
	if err != nil {
		return reply{}, err
	}
	return reply{content: f.content, media: "application/octet-stream;charset=UTF-8", name: f.name}, nil
}

// put stores a file or folder, and the folders that it is in.
func (c *call) stage(t *tx, x *stagedItem, content []byte, overwrite bool) error {
	old, err := c.v.stagedItem(c.ctx(), t, x.path)
	if err != nil {
		return err
	}
	if x.path == "/" || old != nil && (x.folder || old.folder || !overwrite) {
		return fail("ITEM_NAME_EXISTS", "There is a %s [%s] already", old.kind(), x.path)
	}
	for dir := pathpkg.Dir(x.path); dir != "/"; dir = pathpkg.Dir(dir) {
		parent, err := c.v.stagedItem(c.ctx(), t, dir)
		if err != nil {
			return err
		}
		if parent != nil && !parent.folder {
			return fail("INVALID_DATA", "The file [%s] cannot hold [%s]", dir, x.path)
		}
		if err := t.exec(`INSERT OR IGNORE INTO staging (slot, path, folder, size, md5, modified) VALUES (?, ?, 1, 0, '', ?)`, c.v.slot, dir, c.now.UnixMilli()); err != nil {
			return err
		}
	}
	return t.exec(`INSERT OR REPLACE INTO staging (slot, path, folder, size, md5, modified, content) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		c.v.slot, x.path, x.folder, x.size, x.md5, c.now.UnixMilli(), content)
}

// handleStage answers POST …/items: a folder, or a file of up to 50 MB.
func handleStage(c *call) (reply, error) {
	kind, err := c.required("kind")
	if err != nil {
		return reply{}, err
	}
	item, err := c.required("path")
	if err != nil {
		return reply{}, err
	}
	path, err := c.stagedPath(item)
	if err != nil {
		return reply{}, err
	}
	x := &stagedItem{path: path, folder: kind == "folder"}
	var content []byte
	switch {
	case kind != "folder" && kind != "file":
		return reply{}, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [kind]", kind)
	case x.folder:
	case c.file == nil:
		return reply{}, fail("PARAMETER_REQUIRED", "Missing required parameter [file]")
	case len(c.file.content) > maxStaged:
		return reply{}, fail("EXCEEDS_FILE_MAX_SIZE", "A file of more than %d bytes is uploaded in parts", maxStaged)
	default:
		content = c.file.content
		if x.size, x.md5, err = c.checksum(content); err != nil {
			return reply{}, err
		}
	}
	err = c.update(func(t *tx) error {
		return c.stage(t, x, content, c.form.Get("overwrite") == "true")
	})
	if err != nil {
		return reply{}, err
	}
	data := body{"kind", kind, "path", path, "name", pathpkg.Base(path)}
	if !x.folder {
		data = append(data, "size", x.size, "file_content_md5", x.md5)
	}
	return ok("data", data)
}

// checksum is the size and MD5 of a content, which must be that of the header Content-MD5 where there is one.
func (c *call) checksum(content []byte) (int64, string, error) {
	sum := md5.Sum(content)
	text := hex.EncodeToString(sum[:])
	if want := c.r.Header.Get("Content-MD5"); want != "" && !strings.EqualFold(want, text) {
		return 0, "", fail("INVALID_DATA", "The MD5 of the content is [%s], not [%s]", text, want)
	}
	return int64(len(content)), text, nil
}

// stagingJob answers with a job that do has done.
func (c *call) stagingJob(do func(*tx) (int64, error)) (reply, error) {
	var id int64
	err := c.update(func(t *tx) (err error) {
		id, err = do(t)
		return err
	})
	if err != nil {
		return reply{}, err
	}
	return ok("data", body{"job_id", id, "url", c.jobURL(id)})
}

// handleMoveStaged answers PUT …/items/{item}: another parent or name, as a job.
func handleMoveStaged(c *call) (reply, error) {
	path, err := c.stagedPath(c.param("item"))
	if err != nil {
		return reply{}, err
	}
	parent, name := pathpkg.Dir(path), pathpkg.Base(path)
	if p := c.form.Get("parent"); p != "" {
		if parent, err = c.stagedPath(p); err != nil {
			return reply{}, err
		}
	}
	if n := c.form.Get("name"); n != "" {
		name = n
	}
	to := pathpkg.Join(parent, name)
	if to == path || path == "/" || strings.Contains(name, "/") {
		return reply{}, fail("INVALID_DATA", "Give another [parent] or [name] to [%s]", path)
	}
	return c.stagingJob(func(t *tx) (int64, error) {
		x, err := c.v.stagedItem(c.ctx(), t, path)
		if err != nil {
			return 0, err
		}
		if x == nil {
			return 0, noItem(path)
		}
		if x.folder && strings.HasPrefix(to, path+"/") {
			return 0, fail("INVALID_DATA", "The folder [%s] cannot be moved into itself", path)
		}
		low, high := inside(path)
		x.path = to
		if err := c.stage(t, x, nil, false); err != nil {
			return 0, err
		}
		for _, stmt := range []struct {
			text string
			args []any
		}{
			{`UPDATE staging SET content = (SELECT content FROM staging WHERE slot = ? AND path = ?) WHERE slot = ? AND path = ?`, []any{c.v.slot, path, c.v.slot, to}},
			{`DELETE FROM staging WHERE slot = ? AND path = ?`, []any{c.v.slot, path}},
			{`UPDATE staging SET path = ? || substr(path, ?) WHERE slot = ? AND path > ? AND path < ?`, []any{to, len(path) + 1, c.v.slot, low, high}},
		} {
			if err := t.exec(stmt.text, stmt.args...); err != nil {
				return 0, err
			}
		}
		return c.startJob(t, "File Staging Move", appendJSON(nil, body{"path", to}))
	})
}

// handleDropStaged answers DELETE …/items/{item}, as a job; a folder that is not empty goes with recursive=true only.
func handleDropStaged(c *call) (reply, error) {
	path, err := c.stagedPath(c.param("item"))
	if err != nil {
		return reply{}, err
	}
	return c.stagingJob(func(t *tx) (int64, error) {
		x, err := c.v.stagedItem(c.ctx(), t, path)
		if err != nil {
			return 0, err
		}
		if x == nil || path == "/" {
			return 0, noItem(path)
		}
		low, high := inside(path)
		if c.form.Get("recursive") != "true" {
			list, err := c.v.stagedUnder(c.ctx(), t, path, low, high, true, 1)
			if err != nil {
				return 0, err
			}
			if len(list) > 0 {
				return 0, fail("INVALID_DATA", "The folder [%s] is not empty", path)
			}
		}
		if err := t.exec(`DELETE FROM staging WHERE slot = ? AND (path = ? OR path > ? AND path < ?)`, c.v.slot, path, low, high); err != nil {
			return 0, err
		}
		return c.startJob(t, "File Staging Delete", appendJSON(nil, body{"path", path}))
	})
}
