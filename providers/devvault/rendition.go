package devvault

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
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

// handleFile answers GET …/file.
func handleFile(c *call) (reply, error) { return c.download(sourceFile) }

func (c *call) download(typ string) (reply, error) {
	x, err := c.target(c.s.store.read, false)
	if err != nil {
		return reply{}, err
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
	return reply{}, c.s.store.update(func(t *tx) error {
		c.now = c.s.clock.now()
		x, err := c.target(t, false)
		if err != nil {
			return err
		}
		if x.crosslink {
			return fail("OPERATION_NOT_ALLOWED", "The renditions of a CrossLink are those of its source")
		}
		c.touch(x)
		if err := c.v.updateVersion(t, x); err != nil {
			return err
		}
		return c.v.putRendition(t, c.v.key(x), c.param("rendition"), c.file)
	})
}

// handleDropRendition answers DELETE …/renditions/{rendition}.
func handleDropRendition(c *call) (reply, error) {
	return reply{}, c.s.store.update(func(t *tx) error {
		c.now = c.s.clock.now()
		x, err := c.target(t, false)
		if err != nil {
			return err
		}
		res, err := t.execResult(`DELETE FROM renditions WHERE version = ? AND type = ?`, c.v.key(x), c.param("rendition"))
		if err != nil {
			return err
		}
		if n, err := res.RowsAffected(); err != nil || n == 0 {
			return fail("INVALID_DATA", "The document [%d] has no [%s]", x.doc, c.param("rendition"))
		}
		c.touch(x)
		return c.v.updateVersion(t, x)
	})
}
