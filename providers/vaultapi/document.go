package vaultapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"net/url"
	"strconv"
	"strings"
)

// Family tells documents from binders where Vault serves both alike.
type Family string

const (
	Documents Family = "documents"
	Binders   Family = "binders"
)

// Version names a version of a document or binder.
type Version struct {
	ID           ID
	Major, Minor int
}

// String is the version as Vault lists them: "22:0:1".
func (v Version) String() string { return fmt.Sprintf("%s:%d:%d", v.ID, v.Major, v.Minor) }

func (c *conn) versionPath(f Family, v Version, more ...string) string {
	return c.path(append([]string{"objects", string(f), seg(v.ID), "versions", strconv.Itoa(v.Major), strconv.Itoa(v.Minor)}, more...)...)
}

// DocumentReply is what comes with a document's fields.
type DocumentReply struct {
	Versions   []DocumentVersion
	Renditions []Rendition
}

// DocumentVersion is an entry in a document's list of versions.
type DocumentVersion struct {
	Number string `json:"number"` // "0.1"
	URL    string `json:"value"`
}

// Rendition is a file made of a document.
type Rendition struct{ Type, URL string }

// GetDocument reads the latest version's fields into a struct or map. Types,
// states and picklists are labels; references are arrays of ids: take Names.
func (r *Reader) GetDocument(ctx context.Context, f Family, id ID, into any) (*DocumentReply, error) {
	op := fmt.Sprintf("read %s %s", strings.TrimSuffix(string(f), "s"), id)
	return r.document(ctx, op, r.c.path("objects", string(f), seg(id)), into)
}

// GetVersion is GetDocument for one version.
func (r *Reader) GetVersion(ctx context.Context, f Family, v Version, into any) (*DocumentReply, error) {
	op := fmt.Sprintf("read %s %s", strings.TrimSuffix(string(f), "s"), v)
	return r.document(ctx, op, r.c.versionPath(f, v), into)
}

func (r *Reader) document(ctx context.Context, op, path string, into any) (*DocumentReply, error) {
	var reply struct {
		Document   json.RawMessage   `json:"document"`
		Versions   []DocumentVersion `json:"versions"`
		Renditions json.RawMessage   `json:"renditions"`
	}
	k := call{op: op, method: http.MethodGet, path: path, missing: true}
	if err := r.c.do(ctx, k, &reply); err != nil {
		return nil, err
	}
	if into != nil {
		if err := k.decode(reply.Document, into); err != nil {
			return nil, err
		}
	}
	return &DocumentReply{Versions: reply.Versions, Renditions: renditions(reply.Renditions, nil)}, nil
}

// Renditions lists what renditions a document has; a Version with only an ID
// means the latest.
func (r *Reader) Renditions(ctx context.Context, v Version) ([]Rendition, error) {
	path := r.c.path("objects", "documents", seg(v.ID), "renditions")
	if v.Major != 0 || v.Minor != 0 {
		path = r.c.versionPath(Documents, v, "renditions")
	}
	var reply struct {
		Types      Names           `json:"renditionTypes"`
		Renditions json.RawMessage `json:"renditions"`
	}
	err := r.c.do(ctx, call{op: "list renditions of document " + v.String(), method: http.MethodGet, path: path, missing: true}, &reply)
	if err != nil {
		return nil, err
	}
	return renditions(reply.Renditions, reply.Types), nil
}

// renditions reads {type: url}, or the array that one endpoint has instead;
// order is that of types where given.
func renditions(data []byte, types Names) []Rendition {
	var urls map[string]string
	if json.Unmarshal(data, &urls) != nil {
		_ = json.Unmarshal(data, &types)
	}
	var list []Rendition
	for _, name := range types {
		if address, ok := urls[name]; ok || urls == nil {
			list = append(list, Rendition{name, address})
			delete(urls, name)
		}
	}
	rest := make(Fields, len(urls))
	for name := range urls {
		rest[name] = nil
	}
	for _, name := range columnsOf(rest) {
		list = append(list, Rendition{name, urls[name]})
	}
	return list
}

// File is what is uploaded. Open is called for each attempt; Size is -1 if not known.
type File struct {
	Name string
	Size int64
	Open func() (io.ReadCloser, error)
}

// CreateDocument creates a document; without file, a placeholder.
func (c *Client) CreateDocument(ctx context.Context, fields Fields, file *File) (ID, error) {
	return c.create(ctx, fmt.Sprintf("create document %v", fields["name__v"]), c.c.path("objects", "documents"), fields, file)
}

func (c *Client) create(ctx context.Context, op, path string, fields Fields, file *File) (ID, error) {
	var reply struct {
		ID ID `json:"id"`
	}
	if err := c.sendFile(ctx, call{op: op, method: http.MethodPost, path: path}, fields, file, &reply); err != nil {
		return "", err
	}
	return reply.ID, nil
}

// multipartBody puts fields and file into a form without reading the file.
func multipartBody(values url.Values, file File) (payload, error) {
	var head bytes.Buffer
	w := multipart.NewWriter(&head)
	for name := range values {
		if err := w.WriteField(name, values.Get(name)); err != nil {
			return payload{}, err
		}
	}
	part := textproto.MIMEHeader{}
	part.Set("Content-Disposition", fmt.Sprintf(`form-data; name="file"; filename="%s"`, strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\r", "", "\n", "").Replace(file.Name)))
	part.Set("Content-Type", "application/octet-stream")
	if _, err := w.CreatePart(part); err != nil {
		return payload{}, err
	}
	before := bytes.Clone(head.Bytes())
	head.Reset()
	if err := w.Close(); err != nil {
		return payload{}, err
	}
	after := head.Bytes()

	p := payload{contentType: w.FormDataContentType(), size: -1}
	if file.Size >= 0 {
		p.size = int64(len(before)) + file.Size + int64(len(after))
	}
	p.open = func() (io.ReadCloser, error) {
		content, err := file.Open()
		if err != nil {
			return nil, err
		}
		all := io.MultiReader(bytes.NewReader(before), content, bytes.NewReader(after))
		return struct {
			io.Reader
			io.Closer
		}{all, content}, nil
	}
	return p, nil
}

// CreateDocuments creates placeholders, or documents whose files are staged.
func (c *Client) CreateDocuments(ctx context.Context, rows []Fields, opts ...WriteOption) []Result {
	return c.documents(ctx, "create documents", http.MethodPost, c.c.caps.documents, rows, opts)
}

// UpdateDocuments updates the latest versions; rows have "id". nil clears a
// field, fields that are not named stay.
func (c *Client) UpdateDocuments(ctx context.Context, rows []Fields, opts ...WriteOption) []Result {
	return c.documents(ctx, "update documents", http.MethodPut, c.c.caps.updates, rows, opts)
}

// DeleteDocuments deletes documents with all their versions.
func (c *Client) DeleteDocuments(ctx context.Context, ids []ID) []Result {
	rows := make([]Fields, len(ids))
	for i, id := range ids {
		rows[i] = Fields{"id": id}
	}
	return c.documents(ctx, "delete documents", http.MethodDelete, c.c.caps.documents, rows, nil)
}

func (c *Client) documents(ctx context.Context, op, method string, maxRows int, rows []Fields, opts []WriteOption) []Result {
	return c.csvRows(ctx, call{op: op, method: method, path: c.c.path("objects", "documents", "batch")}, maxRows, rows, opts)
}

// csvRows sends rows in batches, as CSV.
func (c *Client) csvRows(ctx context.Context, k call, maxRows int, rows []Fields, opts []WriteOption) []Result {
	for _, opt := range opts {
		opt(&k)
	}
	results := make([]Result, len(rows))
	c.c.runCSV(ctx, batch{call: k, maxRows: maxRows, maxBytes: c.c.caps.csvBytes}, rows, results)
	return results
}

// BindingRule decides which version of its source a CrossLink shows.
type BindingRule string

const (
	LatestSteady    BindingRule = "Latest Steady State version" // Vault's default
	Latest          BindingRule = "Latest version"
	SpecificVersion BindingRule = "Specific Document version"
)

// CrossLink is a document that shows one of another vault.
type CrossLink struct {
	SourceVault    int64
	SourceDocument ID
	Rule           BindingRule // "" leaves it to Vault
	Major, Minor   int         // for SpecificVersion
	Fields         Fields      // all that its type requires
}

// CreateCrossLink creates one CrossLink; Vault has no batch for them.
func (c *Client) CreateCrossLink(ctx context.Context, link CrossLink) (ID, error) {
	fields := make(Fields, len(link.Fields)+5)
	for name, v := range link.Fields {
		fields[name] = v
	}
	fields["source_vault_id__v"] = link.SourceVault
	fields["source_document_id__v"] = link.SourceDocument
	if link.Rule != "" {
		fields["source_binding_rule__v"] = string(link.Rule)
	}
	if link.Rule == SpecificVersion {
		fields["bound_source_major_version__v"] = link.Major
		fields["bound_source_minor_version__v"] = link.Minor
	}
	op := fmt.Sprintf("create a crosslink to document %s of vault %d", link.SourceDocument, link.SourceVault)
	return c.create(ctx, op, c.c.path("objects", "documents"), fields, nil)
}

// UpdateDocument updates the latest version of a document or binder.
func (c *Client) UpdateDocument(ctx context.Context, f Family, id ID, fields Fields) error {
	return c.postForm(ctx, http.MethodPut, fmt.Sprintf("update %s %s", strings.TrimSuffix(string(f), "s"), id), c.c.path("objects", string(f), seg(id)), fields, nil)
}

// UpdateVersion updates one version.
func (c *Client) UpdateVersion(ctx context.Context, f Family, v Version, fields Fields) error {
	return c.postForm(ctx, http.MethodPut, fmt.Sprintf("update %s %s", strings.TrimSuffix(string(f), "s"), v), c.c.versionPath(f, v), fields, nil)
}

// DeleteDocument deletes a document or binder with all its versions.
func (c *Client) DeleteDocument(ctx context.Context, f Family, id ID) error {
	op := fmt.Sprintf("delete %s %s", strings.TrimSuffix(string(f), "s"), id)
	return c.c.do(ctx, call{op: op, method: http.MethodDelete, path: c.c.path("objects", string(f), seg(id)), write: true, missing: true}, nil)
}

// NewDraft starts a version after the latest: of a binder, or of a document
// with the latest content or, if given, with file.
func (c *Client) NewDraft(ctx context.Context, f Family, id ID, file *File) (Version, error) {
	fields := Fields{}
	if f == Documents {
		fields["createDraft"] = "latestContent"
		if file != nil {
			fields["createDraft"] = "uploadedContent"
		}
	}
	var reply versionReply
	op := fmt.Sprintf("start a draft of %s %s", strings.TrimSuffix(string(f), "s"), id)
	if err := c.sendFile(ctx, call{op: op, method: http.MethodPost, path: c.c.path("objects", string(f), seg(id))}, fields, file, &reply); err != nil {
		return Version{}, err
	}
	return reply.version(id), nil
}

// LifecycleAction is what a user can do with a version in its state.
type LifecycleAction struct {
	Name       string `json:"name__v"`
	Label      string `json:"label__v"`
	Type       string `json:"lifecycle_action_type__v"` // workflow, stateChange, …
	Lifecycle  string `json:"lifecycle__v"`
	State      string `json:"state__v"`
	Executable Bool   `json:"executable__v"`
}

// LifecycleActions lists a version's user actions.
func (r *Reader) LifecycleActions(ctx context.Context, f Family, v Version) ([]LifecycleAction, error) {
	var reply struct {
		Actions []LifecycleAction `json:"lifecycle_actions__v"`
	}
	op := fmt.Sprintf("list actions of %s %s", strings.TrimSuffix(string(f), "s"), v)
	err := r.c.do(ctx, call{op: op, method: http.MethodGet, path: r.c.versionPath(f, v, "lifecycle_actions")}, &reply)
	return reply.Actions, err
}

// ExecuteLifecycleAction runs one of LifecycleActions.
func (c *Client) ExecuteLifecycleAction(ctx context.Context, f Family, v Version, action string, fields Fields) error {
	op := fmt.Sprintf("run %s on %s %s", action, strings.TrimSuffix(string(f), "s"), v)
	return c.postForm(ctx, http.MethodPut, op, c.c.versionPath(f, v, "lifecycle_actions", seg(action)), fields, nil)
}

// ExecuteLifecycleActions runs an action on versions that are in one state of
// one lifecycle. Vault passes over those that are not, and does not say which:
// no error means accepted, the state must be read back.
func (c *Client) ExecuteLifecycleActions(ctx context.Context, f Family, action, lifecycle, state string, versions []Version) []Result {
	results := make([]Result, len(versions))
	op := fmt.Sprintf("run %s on %s", action, f)
	for from := 0; from < len(versions); from += c.c.caps.actions {
		to := min(from+c.c.caps.actions, len(versions))
		list := make([]string, 0, to-from)
		for _, v := range versions[from:to] {
			list = append(list, v.String())
		}
		err := c.postForm(ctx, http.MethodPut, op, c.c.path("objects", string(f), "lifecycle_actions", seg(action)),
			Fields{"docIds": list, "lifecycle": lifecycle, "state": state}, nil)
		for i := from; i < to; i++ {
			results[i] = Result{ID: versions[i].ID, Err: err}
		}
		if ctx.Err() != nil {
			unsent := &Error{Op: op, Kind: Transient, Cause: context.Cause(ctx)}
			for i := to; i < len(versions); i++ {
				results[i] = Result{ID: versions[i].ID, Err: unsent}
			}
			break
		}
	}
	return results
}

// Relationship ties a document version to another document.
type Relationship struct {
	ID          ID     `json:"id"`
	Type        string `json:"relationship_type__v"`
	Source      ID     `json:"source_doc_id__v"`
	Target      ID     `json:"target_doc_id__v"`
	SourceMajor *Int   `json:"source_major_version__v"` // nil unless the type is version-specific
	SourceMinor *Int   `json:"source_minor_version__v"`
	TargetMajor *Int   `json:"target_major_version__v"`
	TargetMinor *Int   `json:"target_minor_version__v"`
	Created     string `json:"created_date__v"`
}

// Relationships lists a version's relationships.
func (r *Reader) Relationships(ctx context.Context, v Version) ([]Relationship, error) {
	var reply struct {
		Relationships []struct {
			Relationship Relationship `json:"relationship"`
		} `json:"relationships"`
	}
	err := r.c.do(ctx, call{op: "list relationships of document " + v.String(), method: http.MethodGet, path: r.c.versionPath(Documents, v, "relationships")}, &reply)
	list := make([]Relationship, len(reply.Relationships))
	for i, each := range reply.Relationships {
		list[i] = each.Relationship
	}
	return list, err
}

// CreateRelationships creates relationships; ID and Created are ignored.
func (c *Client) CreateRelationships(ctx context.Context, list []Relationship) []Result {
	return relate(ctx, c, "create relationships", http.MethodPost, list, func(r Relationship) ([]byte, error) {
		row := Fields{"source_doc_id__v": r.Source, "target_doc_id__v": r.Target, "relationship_type__v": r.Type}
		for name, number := range map[string]*Int{
			"source_major_version__v": r.SourceMajor, "source_minor_version__v": r.SourceMinor,
			"target_major_version__v": r.TargetMajor, "target_minor_version__v": r.TargetMinor,
		} {
			if number != nil {
				row[name] = *number
			}
		}
		return encodeJSON(row)
	})
}

// DeleteRelationships deletes relationships by id.
func (c *Client) DeleteRelationships(ctx context.Context, ids []ID) []Result {
	return relate(ctx, c, "delete relationships", http.MethodDelete, ids, func(id ID) ([]byte, error) {
		return encodeJSON(Fields{"id": id})
	})
}

func relate[T any](ctx context.Context, c *Client, op, method string, rows []T, enc func(T) ([]byte, error)) []Result {
	results := make([]Result, len(rows))
	b := batch{
		call:    call{op: op, method: method, path: c.c.path("objects", "documents", "relationships", "batch")},
		maxRows: c.c.caps.relationships, maxBytes: c.c.caps.recordBytes, join: joinJSON, overhead: 2,
	}
	encoded, index := encode(b, rows, results, enc)
	c.c.run(ctx, b, encoded, index, results)
	return results
}
