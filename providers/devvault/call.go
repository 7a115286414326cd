package devvault

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// call is one request on its way through the server.
type call struct {
	s       *Server
	v       *vault     // nil for the control API
	user    *principal // nil before login
	session *session
	r       *http.Request
	route   *route
	version string   // "v26.2"; empty on the routes that have none
	path    []string // what stood for each {…} of the route, in order
	now     time.Time
	header  http.Header

	form  url.Values // query parameters, and the fields of a form or multipart body
	media string     // media type of the body
	body  []byte     // the body, unless it was a form
	file  *upload    // the part called file of a multipart body
	fault *fault     // the trouble that this call is in, if any

	known  map[[2]string]bool // records that a write has found to exist
	retype bool               // the type of a record may be changed
	made   map[string]bool    // users that a write has made
}

type upload struct {
	name, media string
	content     []byte
}

// reply is what a handler answers. The zero reply is a bare SUCCESS.
type reply struct {
	status  string // SUCCESS when empty
	body    body   // follows responseStatus
	content []byte // instead of body: a file or plain text
	media   string
	name    string                // file name of content
	stream  func(io.Writer) error // instead of content: what is too long to be held
}

// apiError is a failure in the words of the API.
type apiError struct {
	Type, Message string
	exception     bool
	extra         body
}

func (e *apiError) Error() string { return e.Type + ": " + e.Message }

func fail(typ, format string, args ...any) *apiError {
	return &apiError{Type: typ, Message: fmt.Sprintf(format, args...)}
}

// asAPIError turns what a handler returned into an error of the API; what is not one is the server's own trouble.
func asAPIError(err error) *apiError {
	var e *apiError
	if errors.As(err, &e) {
		return e
	}
	return &apiError{Type: "UNEXPECTED_ERROR", Message: err.Error(), exception: true}
}

func ok(pairs ...any) (reply, error) { return reply{body: pairs}, nil }

func (c *call) ctx() context.Context { return c.r.Context() }

// param returns what stood for {name} in the route.
func (c *call) param(name string) string {
	for i, p := range c.route.params {
		if p == name {
			return c.path[i]
		}
	}
	return ""
}

// number returns a {name} that must be a whole number; other text makes the URL malformed.
func (c *call) number(name string) (int64, error) {
	n, err := strconv.ParseInt(c.param(name), 10, 64)
	if err != nil || n < 0 {
		return 0, fail("MALFORMED_URL", "%q is not a valid %s", c.param(name), name)
	}
	return n, nil
}

// url is the address of a path of this call's vault, as this client reached it: "/api/…" in, "https://host/name/api/…" out.
func (c *call) url(path string) string { return c.base(c.v.name) + path }

func (c *call) base(vault string) string {
	scheme := "http"
	if c.r.TLS != nil || c.r.Header.Get("X-Forwarded-Proto") == "https" {
		scheme = "https"
	}
	return scheme + "://" + c.r.Host + "/" + vault
}

func (c *call) migration() bool {
	return strings.EqualFold(c.r.Header.Get("X-VaultAPI-MigrationMode"), "true")
}

// maxBody is the largest request the server reads, but for content libraries.
const maxBody, maxLibrary = 256 << 20, 8 << 30

// readBody reads the request's body, and takes forms apart.
func (c *call) readBody() error {
	c.form = c.r.URL.Query()
	if c.r.Body == nil || c.r.Method == http.MethodGet {
		return nil
	}
	media, params, _ := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	c.media = media
	limit := int64(maxBody)
	if c.route != nil && c.route.library {
		limit = maxLibrary
	}
	buf, err := io.ReadAll(http.MaxBytesReader(nil, c.r.Body, limit))
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return fail("EXCEEDS_FILE_MAX_SIZE", "the request is larger than %d bytes", limit)
		}
		return fmt.Errorf("read request: %w", err)
	}
	c.body = buf
	switch media {
	case "application/x-www-form-urlencoded":
		values, err := url.ParseQuery(string(buf))
		if err != nil {
			return fail("INVALID_DATA", "the form cannot be read: %v", err)
		}
		for k, v := range values {
			c.form[k] = append(c.form[k], v...)
		}
	case "multipart/form-data":
		return c.readParts(multipart.NewReader(bytes.NewReader(buf), params["boundary"]))
	}
	return nil
}

func (c *call) readParts(parts *multipart.Reader) error {
	for {
		p, err := parts.NextPart()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fail("INVALID_DATA", "the multipart form cannot be read: %v", err)
		}
		content, err := io.ReadAll(p)
		if err != nil {
			return fail("INVALID_DATA", "the multipart form cannot be read: %v", err)
		}
		if p.FileName() != "" {
			c.file = &upload{name: p.FileName(), media: p.Header.Get("Content-Type"), content: content}
			continue
		}
		c.form.Add(p.FormName(), string(content))
	}
}

// required returns a parameter of the form that must be there.
func (c *call) required(name string) (string, error) {
	if v := c.form.Get(name); v != "" {
		return v, nil
	}
	return "", fail("PARAMETER_REQUIRED", "Missing required parameter [%s]", name)
}

// write sends a reply or a failure, with the headers that every answer carries.
func (c *call) write(w http.ResponseWriter, r reply, err error) {
	h := w.Header()
	for k, v := range c.header {
		h[k] = v
	}
	if err != nil {
		e := asAPIError(err)
		status := "FAILURE"
		if e.exception {
			status = "EXCEPTION"
		}
		r = reply{status: status, body: append(body{"errors", []body{{"type", e.Type, "message", e.Message}}}, e.extra...)}
	}
	if r.status == "" {
		r.status = "SUCCESS"
	}
	setHeader(h, "X-VaultAPI-Status", r.status)
	c.s.log.record(c, r.status, err)
	if out := c.asCSV(r); out != nil {
		r.content, r.media = out, "text/csv;charset=UTF-8"
	}
	if r.stream != nil {
		setHeader(h, "Content-Type", r.media)
		if err := r.stream(w); err != nil {
			panic(http.ErrAbortHandler) // the answer has begun: all that can be said is that it does not end well
		}
		return
	}
	var out []byte
	if r.content != nil {
		out = r.content
		setHeader(h, "Content-Type", r.media)
		if r.name != "" {
			setHeader(h, "Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": r.name}))
		}
	} else {
		out = make([]byte, 0, 512)
		out = append(out, `{"responseStatus":`...)
		out = appendString(out, r.status)
		for i := 0; i+1 < len(r.body); i += 2 {
			out = append(out, ',')
			out = appendString(out, r.body[i].(string))
			out = append(out, ':')
			out = appendJSON(out, r.body[i+1])
		}
		out = append(out, '}')
		setHeader(h, "Content-Type", "application/json;charset=UTF-8")
	}
	setHeader(h, "Content-Length", strconv.Itoa(len(out)))
	w.WriteHeader(http.StatusOK)
	w.Write(out)
}

// setHeader writes a name in the platform's own spelling.
func setHeader(h http.Header, name, value string) { h[name] = []string{value} }

// decode reads a JSON body into v, strictly.
func (c *call) decode(v any) error {
	d := json.NewDecoder(bytes.NewReader(c.body))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fail("INVALID_DATA", "the body is not the JSON that is expected here: %v", err)
	}
	return nil
}

// update changes vaults in one transaction, at one moment.
func (c *call) update(do func(*tx) error) error {
	return c.s.store.update(func(t *tx) error {
		c.now = c.s.clock.now()
		return do(t)
	})
}
