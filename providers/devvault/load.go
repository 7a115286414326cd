package devvault

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"accord/providers/devvault/mdl"
)

// loadLine is one line of a content library. Which of the first fields is set says what it is; the package comment tells the vocabulary.
type loadLine struct {
	MDL          string `json:"mdl"`
	Record       string `json:"record"`       // an object; Key is the record's external_id__v
	Document     string `json:"document"`     // external_id__v of a document
	Binder       string `json:"binder"`       // external_id__v of a binder
	CrossLink    string `json:"crosslink"`    // external_id__v of a CrossLink
	Relationship string `json:"relationship"` // its type
	Delete       string `json:"delete"`       // external_id__v of a document to delete

	Key       string         `json:"key"`
	Type      string         `json:"type"`
	Lifecycle string         `json:"lifecycle"`
	Fields    requestRow     `json:"fields"`
	Nodes     []string       `json:"nodes"`
	Versions  []loadVersion  `json:"versions"`
	Source    string         `json:"source"`       // of a relationship or CrossLink: external_id__v
	Vault     string         `json:"source_vault"` // of a CrossLink: the vault's name
	Rule      string         `json:"rule"`         // of a CrossLink
	Target    string         `json:"target"`
	Files     map[string]int `json:"renditions"` // rendition type → size in bytes
}

type loadVersion struct {
	Number   string     `json:"number"` // "1.0"
	State    string     `json:"state"`
	Modified time.Time  `json:"modified"`
	Fields   requestRow `json:"fields"` // beside and before those of the document
	Nodes    []string   `json:"nodes"`  // those of the binder when absent
}

// Loaded says what a load did. Skipped lines were there already.
type Loaded struct {
	Records, Documents, Relationships, Deleted, Statements, Skipped int
}

// loader puts a library into a vault, with the rights of its admin and in migration mode.
type loader struct {
	*call
	cat     *catalog
	docs    map[string]int64 // external_id__v → id, of the documents met
	pending string           // MDL to run when the write under way is done
	done    Loaded
}

// loadChunk is how many lines are one write, so that others come in between.
const loadChunk = 2000

// Load reads a content library into a vault. What is there already is left as it is, so that loading again does nothing; the same file
// under the same name is not even read again. An error names the line; what was written some way before it stays.
func (s *Server) Load(vault, name string, library io.Reader) (Loaded, error) {
	v := s.vault(vault)
	if v == nil {
		return Loaded{}, fmt.Errorf("load %s: there is no vault %q", name, vault)
	}
	text, err := io.ReadAll(library)
	if err != nil {
		return Loaded{}, fmt.Errorf("load %s: %w", name, err)
	}
	sum := sha256.Sum256(text)
	digest := hex.EncodeToString(sum[:])
	var known string
	if _, err := one(bg, s.store.read, []any{&known}, `SELECT digest FROM loads WHERE slot = ? AND name = ?`, v.slot, name); err != nil {
		return Loaded{}, err
	}
	if known == digest {
		return Loaded{}, nil
	}
	request, err := http.NewRequestWithContext(context.Background(), "POST", "/", nil)
	if err != nil {
		return Loaded{}, err
	}
	request.Header.Set("X-VaultAPI-MigrationMode", "true")
	c := &call{s: s, v: v, r: request, header: http.Header{}, user: s.principal(s.user("admin@"+v.name+".dev"), v), form: map[string][]string{}}
	l := &loader{call: c, docs: map[string]int64{}}
	scan := bufio.NewScanner(bytes.NewReader(text))
	scan.Buffer(nil, 16<<20)
	line, more := 0, true
	for more {
		err := s.store.update(func(t *tx) error {
			c.now = s.clock.now()
			l.cat = v.catalog()
			for i := 0; i < loadChunk; i++ {
				if more = scan.Scan(); !more {
					return nil
				}
				line++
				b := bytes.TrimSpace(scan.Bytes())
				if len(b) == 0 || b[0] == '#' {
					continue
				}
				var x loadLine
				d := json.NewDecoder(bytes.NewReader(b))
				d.UseNumber()
				d.DisallowUnknownFields()
				if err := d.Decode(&x); err != nil {
					return err
				}
				if x.MDL != "" {
					l.pending = x.MDL
					return nil
				}
				if err := l.line(t, &x); err != nil {
					return err
				}
			}
			return nil
		})
		if err == nil && l.pending != "" {
			err = l.execute()
		}
		if err != nil {
			return l.done, fmt.Errorf("load %s, line %d: %w", name, line, err)
		}
	}
	if err := scan.Err(); err != nil {
		return l.done, fmt.Errorf("load %s: %w", name, err)
	}
	return l.done, s.store.update(func(t *tx) error {
		return t.exec(`INSERT INTO loads VALUES (?, ?, ?) ON CONFLICT (slot, name) DO UPDATE SET digest = excluded.digest`, v.slot, name, digest)
	})
}

// execute runs the statements of an mdl line.
func (l *loader) execute() error {
	script, err := mdl.Parse(l.pending)
	l.pending = ""
	if err != nil {
		return err
	}
	for _, st := range script {
		if _, err := l.runStatement(st); err != nil {
			return fmt.Errorf("%s %s: %w", st.Command, st.Key(), err)
		}
		l.done.Statements++
	}
	return nil
}

func (l *loader) line(t *tx, x *loadLine) error {
	switch {
	case x.Record != "":
		return l.record(t, x)
	case x.Document != "":
		return l.document(t, x, x.Document, false)
	case x.Binder != "":
		return l.document(t, x, x.Binder, true)
	case x.CrossLink != "":
		return l.document(t, x, x.CrossLink, false)
	case x.Relationship != "":
		return l.relationship(t, x)
	case x.Delete != "":
		return l.delete(t, x)
	}
	return errors.New("the line says nothing that a library can say")
}

// find returns the id of a document by its external id, 0 when there is none.
func (l *loader) find(t *tx, v *vault, external string) (int64, error) {
	if id, met := l.docs[external]; met && v == l.v {
		return id, nil
	}
	var id int64
	_, err := one(bg, t, []any{&id}, `SELECT doc FROM versions WHERE slot = ? AND external_id = ? AND latest = 1`, v.slot, external)
	if err == nil && v == l.v && id != 0 {
		l.docs[external] = id
	}
	return id, err
}

func (l *loader) need(t *tx, v *vault, external string) (int64, error) {
	id, err := l.find(t, v, external)
	if err == nil && id == 0 {
		err = fmt.Errorf("there is no document %q in vault %s", external, v.name)
	}
	return id, err
}

func (l *loader) record(t *tx, x *loadLine) error {
	o := l.cat.object(x.Record)
	if o == nil {
		return fmt.Errorf("there is no object %q", x.Record)
	}
	if x.Key != "" {
		ids, err := l.v.lookup(bg, t, o, o.fields.get("external_id__v"), x.Key)
		if err != nil {
			return err
		}
		if len(ids) > 0 {
			l.done.Skipped++
			return nil
		}
		x.Fields = cloneMap(x.Fields)
		x.Fields["external_id__v"] = x.Key
	}
	_, err := l.createRecord(t, o, x.Fields)
	l.done.Records++
	return err
}

// document makes a document with all its versions.
func (l *loader) document(t *tx, x *loadLine, external string, binder bool) error {
	if id, err := l.find(t, l.v, external); err != nil || id != 0 {
		l.done.Skipped++
		return err
	}
	base := &version{external: external, binder: binder, created: l.now.UnixMilli(), createdBy: l.user.ID, modifiedBy: l.user.ID, versionCreatedBy: l.user.ID, fields: values{}}
	if err := l.classify(base, requestRow{"type__v": x.Type, "lifecycle__v": x.Lifecycle}); err != nil {
		return err
	}
	var err error
	if base.doc, err = l.v.nextDoc(t); err != nil {
		return err
	}
	l.docs[external] = base.doc
	base.number = fmt.Sprintf("VV-%06d", base.doc)
	if _, err := l.fillDocument(t, base, x.Fields, true); err != nil {
		return err
	}
	if x.CrossLink != "" {
		if err := l.link(t, base, x); err != nil {
			return err
		}
	}
	versions := x.Versions
	if len(versions) == 0 {
		versions = []loadVersion{{Number: "0.1", State: base.status}}
	}
	for i, n := range versions {
		y := base.clone()
		y.seq, y.latest = int64(i+1), i == len(versions)-1
		y.modified = base.created
		if !n.Modified.IsZero() {
			y.modified = n.Modified.UnixMilli()
		}
		y.versionCreated = y.modified
		if i == 0 && y.modified < base.created {
			base.created = y.modified
		}
		y.created = base.created
		if _, err := l.fillDocument(t, y, n.Fields, true); err != nil {
			return err
		}
		major, minor, _ := strings.Cut(n.Number, ".")
		var e1, e2 error
		y.major, e1 = strconv.ParseInt(major, 10, 64)
		y.minor, e2 = strconv.ParseInt(minor, 10, 64)
		if e1 != nil || e2 != nil {
			return fmt.Errorf("%q is no number of a version", n.Number)
		}
		if n.State != "" {
			if l.cat.lifecycles[y.lifecycle].state(n.State) == nil {
				return fmt.Errorf("the lifecycle %s has no state %q", y.lifecycle, n.State)
			}
			y.status = n.State
		}
		if y.name == "" {
			return errors.New("a document needs a name__v")
		}
		if err := l.v.insertVersion(t, y); err != nil {
			return err
		}
		nodes := n.Nodes
		if nodes == nil {
			nodes = x.Nodes
		}
		if err := l.nodes(t, y, nodes); err != nil {
			return err
		}
		for typ, size := range x.Files {
			if err := t.exec(`INSERT INTO renditions (version, type, filename, media, size, md5) VALUES (?, ?, ?, 'application/octet-stream', ?, '')`,
				l.v.key(y), typ, external, size); err != nil {
				return err
			}
		}
	}
	l.done.Documents++
	return nil
}

func (l *loader) link(t *tx, base *version, x *loadLine) error {
	source := l.s.vault(x.Vault)
	if source == nil {
		return fmt.Errorf("there is no vault %q", x.Vault)
	}
	doc, err := l.need(t, source, x.Source)
	if err != nil {
		return err
	}
	link, err := l.crossLink(t, requestRow{"source_vault_id__v": strconv.FormatInt(source.id, 10), "source_document_id__v": strconv.FormatInt(doc, 10), "source_binding_rule__v": x.Rule}, false)
	if err != nil {
		return err
	}
	link.into(base)
	return nil
}

// nodes puts documents into a binder version in their order. Their ids are made of the document's and the place, so that versions share them.
func (l *loader) nodes(t *tx, y *version, externals []string) error {
	for i, external := range externals {
		doc, err := l.need(t, l.v, external)
		if err != nil {
			return err
		}
		id := fmt.Sprintf("%d:%d", y.created, y.doc<<16|int64(i))
		if err := t.exec(`INSERT INTO nodes (version, ord, id, slot, parent, kind, content, name, created) VALUES (?, ?, ?, ?, 'rootNode', 'document', ?, ?, ?)`,
			l.v.key(y), i, id, l.v.slot, doc, external, y.modified); err != nil {
			return err
		}
	}
	return nil
}

func (l *loader) relationship(t *tx, x *loadLine) error {
	if l.cat.relations[x.Relationship] == nil {
		return fmt.Errorf("there is no relationship type %q", x.Relationship)
	}
	source, err := l.need(t, l.v, x.Source)
	if err != nil {
		return err
	}
	target, err := l.need(t, l.v, x.Target)
	if err != nil {
		return err
	}
	var id int64
	found, err := one(bg, t, []any{&id}, `SELECT id FROM relationships WHERE slot = ? AND source = ? AND target = ? AND type = ?`, l.v.slot, source, target, x.Relationship)
	if err != nil {
		return err
	}
	if found {
		l.done.Skipped++
		return nil
	}
	l.done.Relationships++
	return t.exec(`INSERT INTO relationships (slot, type, source, source_major, source_minor, target, created, created_by)
		SELECT ?, ?, doc, major, minor, ?, ?, ? FROM versions WHERE key > ? AND key < ? AND latest = 1`, l.v.slot, x.Relationship, target,
		l.now.UnixMilli(), l.user.ID, versionKey(l.v.slot, source, 0), versionKey(l.v.slot, source+1, 0))
}

func (l *loader) delete(t *tx, x *loadLine) error {
	id, err := l.find(t, l.v, x.Delete)
	if err != nil || id == 0 {
		l.done.Skipped++
		return err
	}
	y, err := l.v.latest(bg, t, id)
	if err != nil {
		return err
	}
	delete(l.docs, x.Delete)
	l.done.Deleted++
	return l.deleteDocument(t, y)
}

// controlLoad answers POST /_dev/load/{vault}?name=… with a library as its body.
func controlLoad(c *call) (reply, error) {
	name := c.form.Get("name")
	if name == "" {
		name = "library"
	}
	done, err := c.s.Load(c.param("vault"), name, bytes.NewReader(c.body))
	if err != nil {
		return reply{}, invalid(err)
	}
	return ok("records", done.Records, "documents", done.Documents, "relationships", done.Relationships, "deleted", done.Deleted,
		"statements", done.Statements, "skipped", done.Skipped)
}
