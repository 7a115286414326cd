package devvault

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"strings"
)

// sourceFile is the type under which a version's own file is kept among its renditions.
const sourceFile = "file"

// renditionTypes are the types of rendition that every document may have.
var renditionTypes = []string{"viewable_rendition__v", "imported_rendition__c", "large_size_asset__v", "veeva_distribution_package__c"}

type rendition struct {
	typ, name, media, md5 string
	size                  int64
}

// renditions lists the renditions of a version, without its own file.
func (v *vault) renditions(ctx context.Context, q querier, version int64) ([]rendition, error) {
	rows, err := q.QueryContext(ctx, `SELECT type, filename, media, md5, size FROM renditions WHERE version = ? AND type <> 'file' ORDER BY type`, version)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []rendition
	for rows.Next() {
		var r rendition
		if err := rows.Scan(&r.typ, &r.name, &r.media, &r.md5, &r.size); err != nil {
			return nil, err
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

func (v *vault) putRendition(t *tx, version int64, typ string, file *upload) error {
	sum := md5.Sum(file.content)
	return t.exec(`INSERT INTO renditions (version, type, filename, media, size, md5, content) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (version, type) DO UPDATE SET filename = excluded.filename, media = excluded.media, size = excluded.size, md5 = excluded.md5, content = excluded.content`,
		version, typ, file.name, file.media, len(file.content), hex.EncodeToString(sum[:]), file.content)
}

// shown is the version whose renditions a version shows: a CrossLink shows those of its source.
func (c *call) shown(x *version) (int64, error) {
	if !x.crosslink {
		return c.v.key(x), nil
	}
	source := c.s.slot(x.source >> 32)
	if source == nil {
		return 0, noDocument(x.doc)
	}
	list, err := source.versions(c.ctx(), c.s.store.read, x.source&maxDoc)
	if err != nil {
		return 0, err
	}
	var y *version
	for _, n := range list {
		if asText(x.fields["latest_source_major_version__v"]) == fmt.Sprint(n.major) && asText(x.fields["latest_source_minor_version__v"]) == fmt.Sprint(n.minor) {
			y = n
		}
		if asText(x.fields["bound_source_major_version__v"]) == fmt.Sprint(n.major) && asText(x.fields["bound_source_minor_version__v"]) == fmt.Sprint(n.minor) {
			y = n
			break
		}
	}
	if y == nil {
		return 0, fail("OPERATION_NOT_ALLOWED", "The source of the CrossLink [%d] is gone", x.doc)
	}
	return source.key(y), nil
}

// handleRenditions answers GET …/renditions.
func handleRenditions(c *call) (reply, error) {
	x, err := c.target(c.s.store.read, false)
	if err != nil {
		return reply{}, err
	}
	key, err := c.shown(x)
	if err != nil {
		return reply{}, err
	}
	list, err := c.v.renditions(c.ctx(), c.s.store.read, key)
	if err != nil {
		return reply{}, err
	}
	links := body{}
	for _, r := range list {
		links = append(links, r.typ, c.url(fmt.Sprintf("/api/%s/objects/documents/%d/versions/%d/%d/renditions/%s", c.version, x.doc, x.major, x.minor, r.typ)))
	}
	return ok("renditionTypes", renditionTypes, "renditions", links)
}

// handleRendition answers GET …/renditions/{rendition}: the file.
func handleRendition(c *call) (reply, error) { return c.download(c.param("rendition")) }

// handleFile answers GET …/file; lockDocument=true checks the document out as well.
func handleFile(c *call) (reply, error) {
	r, err := c.download(sourceFile)
	if err == nil && c.form.Get("lockDocument") == "true" {
		_, err = handleCheckOut(c)
	}
	return r, err
}

func (c *call) download(typ string) (reply, error) {
	x, err := c.target(c.s.store.read, false)
	if err != nil {
		return reply{}, err
	}
	if c.form.Get("steadyState") == "true" {
		list, err := c.v.versions(c.ctx(), c.s.store.read, x.doc)
		if err != nil {
			return reply{}, err
		}
		if x = c.v.steady(list); x == nil {
			return reply{}, fail("INVALID_DATA", "The document has no version in a steady state")
		}
	}
	key, err := c.shown(x)
	if err != nil {
		return reply{}, err
	}
	r := reply{content: []byte{}}
	found, err := one(c.ctx(), c.s.store.read, []any{&r.name, &r.media, &r.content}, `SELECT filename, media, content FROM renditions WHERE version = ? AND type = ?`, key, typ)
	if err != nil {
		return reply{}, err
	}
	if !found {
		return reply{}, fail("INVALID_DATA", "The document [%d] has no [%s]", x.doc, typ)
	}
	if r.content == nil {
		r.content = []byte{}
	}
	return r, nil
}

// handleAddRendition answers POST and PUT …/renditions/{rendition} with the file.
func handleAddRendition(c *call) (reply, error) {
	if c.file == nil {
		return reply{}, fail("PARAMETER_REQUIRED", "Missing required parameter [file]")
	}
	return reply{}, c.update(func(t *tx) error {
		x, err := c.target(t, false)
		if err != nil {
			return err
		}
		return c.addRendition(t, x, c.param("rendition"), c.file)
	})
}

// addRendition gives a version a rendition, in place of the one it has of that type.
func (c *call) addRendition(t *tx, x *version, typ string, file *upload) error {
	if x.crosslink {
		return fail("OPERATION_NOT_ALLOWED", "The renditions of a CrossLink are those of its source")
	}
	c.touch(x)
	if err := c.v.updateVersion(t, x); err != nil {
		return err
	}
	c.auditDocument(t, x, "AddRendition", "Rendition added", "field_name", typ, "new_value", file.name)
	return c.v.putRendition(t, c.v.key(x), typ, file)
}

// handleAddRenditions answers POST /api/{v}/objects/documents/renditions/batch; the files are in file staging.
func handleAddRenditions(c *call) (reply, error) {
	return c.renditionRows(func(t *tx, x *version, typ string, row requestRow) error {
		if row.text("file") == "" {
			return fail("PARAMETER_REQUIRED", "Missing required parameter [file]")
		}
		file, err := c.fileOf(t, row)
		if err != nil {
			return err
		}
		return c.addRendition(t, x, typ, file)
	})
}

// handleDropRenditions answers DELETE /api/{v}/objects/documents/renditions/batch.
func handleDropRenditions(c *call) (reply, error) {
	return c.renditionRows(func(t *tx, x *version, typ string, _ requestRow) error { return c.dropRendition(t, x, typ) })
}

func (c *call) renditionRows(do func(*tx, *version, string, requestRow) error) (reply, error) {
	return c.documentRows(maxDocumentRows, func(t *tx, row requestRow) (body, error) {
		typ := row.text("rendition_type__v")
		if typ == "" {
			return nil, fail("PARAMETER_REQUIRED", "Missing required parameter [rendition_type__v]")
		}
		x, err := c.rowVersion(t, row)
		if err != nil {
			return nil, err
		}
		return append(documentRow(x), "rendition_type__v", typ, "major_version_number__v", x.major, "minor_version_number__v", x.minor), do(t, x, typ, row)
	})
}

// handleDropRendition answers DELETE …/renditions/{rendition}.
func handleDropRendition(c *call) (reply, error) {
	return reply{}, c.update(func(t *tx) error {
		x, err := c.target(t, false)
		if err != nil {
			return err
		}
		return c.dropRendition(t, x, c.param("rendition"))
	})
}

func (c *call) dropRendition(t *tx, x *version, typ string) error {
	res, err := t.execResult(`DELETE FROM renditions WHERE version = ? AND type = ?`, c.v.key(x), typ)
	if err != nil {
		return err
	}
	if n, err := res.RowsAffected(); err != nil || n == 0 {
		return fail("INVALID_DATA", "The document [%d] has no [%s]", x.doc, typ)
	}
	c.auditDocument(t, x, "RemoveRendition", "Rendition deleted", "field_name", typ)
	c.touch(x)
	return c.v.updateVersion(t, x)
}

// handleText answers GET …/text: the text of a text file, else one that is made of the document's own name and title.
func handleText(c *call) (reply, error) {
	x, err := c.target(c.s.store.read, false)
	if err != nil {
		return reply{}, err
	}
	name := fmt.Sprintf("%s v%d.%d.txt", x.number, x.major, x.minor)
	r, err := c.download(sourceFile)
	if err != nil || !strings.HasPrefix(r.media, "text/") {
		return reply{content: []byte(strings.TrimSpace(x.name+"\n"+asText(x.fields["title__v"])) + "\n"), media: "text/plain;charset=UTF-8", name: name}, nil
	}
	r.media, r.name = "text/plain;charset=UTF-8", name
	return r, nil
}

// handleThumbnail answers GET …/thumbnail: a small picture of one colour, which is the document's own.
func handleThumbnail(c *call) (reply, error) {
	x, err := c.target(c.s.store.read, false)
	if err != nil {
		return reply{}, err
	}
	sum := md5.Sum([]byte(x.number))
	picture := image.NewPaletted(image.Rect(0, 0, 64, 48), color.Palette{color.RGBA{sum[0], sum[1], sum[2], 255}})
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		return reply{}, err
	}
	return reply{content: out.Bytes(), media: "image/png", name: "thumbnail.png"}, nil
}
