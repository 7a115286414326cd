package vaultapi

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// ScriptResult is what became of an MDL script, as a whole and statement by
// statement.
type ScriptResult struct {
	Script     ScriptSummary     `json:"script_execution"`
	Statements []StatementResult `json:"statement_execution"`
}

// ScriptSummary is about the whole script.
type ScriptSummary struct {
	Code       string `json:"code"` // GEN-S-0
	Message    string `json:"message"`
	Warnings   int    `json:"warnings"`
	Failures   int    `json:"failures"`
	Exceptions int    `json:"exceptions"`
	Affected   int    `json:"components_affected"`
}

// StatementResult is about one statement.
type StatementResult struct {
	Statement int              `json:"statement"` // from 1
	Command   string           `json:"command"`   // RECREATE
	Component string           `json:"component"` // Picklist.color__c
	Message   string           `json:"message"`
	Response  string           `json:"response"` // SUCCESS, FAILURE, …
	Errors    []StatementError `json:"errors"`
}

// StatementError points into a statement.
type StatementError struct {
	Line    Int    `json:"line"`
	Message string `json:"message"`
	Context string `json:"context"`
	Code    string `json:"code"`
}

// ExecuteMDL runs a script. With an error of the script there is also a
// result. A script of which only some statements succeeded is Ambiguous: read
// what there is now.
func (c *Client) ExecuteMDL(ctx context.Context, script string) (*ScriptResult, error) {
	k := call{
		op: "execute MDL " + firstWords(script, 3), method: http.MethodPost, path: "/api/mdl/execute", write: true,
		// Vault wants a JSON header for what is MDL.
		body: payload{contentType: "application/json", data: []byte(script), shown: true},
	}
	return c.c.script(ctx, k)
}

// ExecuteMDLAsync starts a script as a job: what Vault demands for changes of
// raw objects that hold many records. ScriptResults reads its result.
func (c *Client) ExecuteMDLAsync(ctx context.Context, script string) (JobRef, error) {
	var job JobRef
	err := c.c.do(ctx, call{
		op: "execute MDL " + firstWords(script, 3) + " as a job", method: http.MethodPost, path: "/api/mdl/execute_async", write: true,
		body: payload{contentType: "application/json", data: []byte(script), shown: true},
	}, &job)
	return job, err
}

// ScriptResults reads what became of a script that ran as a job, as ExecuteMDL
// returns it.
func (r *Reader) ScriptResults(ctx context.Context, job ID) (*ScriptResult, error) {
	return r.c.script(ctx, call{op: fmt.Sprintf("read the results of MDL job %s", job), method: http.MethodGet, path: "/api/mdl/execute_async/" + seg(job) + "/results", missing: true})
}

// CancelDeployment stops a change of a raw object that is under way.
func (c *Client) CancelDeployment(ctx context.Context, object string) error {
	return c.c.do(ctx, call{op: "cancel the deployment of " + object, method: http.MethodPost, path: c.c.path("metadata", "vobjects", seg(object), "actions", "canceldeployment"), write: true}, nil)
}

// script sends k and reads a ScriptResult, also beside an error.
func (c *conn) script(ctx context.Context, k call) (*ScriptResult, error) {
	var result *ScriptResult
	err := c.send(ctx, k, func(resp *http.Response) error {
		result = nil
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return k.broken(resp, err)
		}
		var env envelope
		if err := json.Unmarshal(body, &env); err != nil || !env.known() {
			return k.foreign(resp)
		}
		var r ScriptResult
		readable := json.Unmarshal(body, &r)
		if readable == nil && len(r.Statements) > 0 {
			result = &r
		}
		if err := c.failure(k, resp, env); err != nil {
			if result != nil {
				return result.explain(err.(*Error))
			}
			return err
		}
		if readable != nil {
			return k.unreadable(resp, readable)
		}
		result = &r
		return nil
	})
	return result, err
}

// explain tells from the statements what e leaves open.
func (r *ScriptResult) explain(e *Error) error {
	var messages []string
	succeeded := 0
	for _, s := range r.Statements {
		if s.Response == statusSuccess || s.Response == statusWarning {
			succeeded++
			continue
		}
		where := fmt.Sprintf("statement %d, %s %s", s.Statement, s.Command, s.Component)
		if len(s.Errors) == 0 {
			messages = append(messages, where+": "+s.Message)
		}
		for _, each := range s.Errors {
			messages = append(messages, fmt.Sprintf("%s, line %d: %s %s", where, each.Line, each.Code, each.Message))
		}
	}
	if e.Type == "" {
		e.Type = r.Script.Code
	}
	e.Message = strings.Join(messages, "; ")
	if succeeded > 0 {
		e.Kind = Ambiguous
	}
	return e
}

func firstWords(text string, n int) string {
	words := strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" \t\r\n(;", r) })
	return strings.Join(words[:min(n, len(words))], " ")
}

// Component reads a component as MDL text; it is named "Type.name".
func (r *Reader) Component(ctx context.Context, name string) (string, error) {
	k := call{
		op: "read component " + name, method: http.MethodGet, path: "/api/mdl/components/" + seg(name), missing: true,
		header: map[string]string{"Accept": "*/*"}, // the text is no JSON, its errors are
	}
	var text string
	err := r.c.send(ctx, k, func(resp *http.Response) error {
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			return k.broken(resp, err)
		}
		if trimmed := bytes.TrimSpace(body); len(trimmed) > 0 && trimmed[0] == '{' {
			var env envelope
			if err := json.Unmarshal(body, &env); err != nil || !env.known() {
				return k.foreign(resp)
			}
			if err := r.c.failure(k, resp, env); err != nil {
				return err
			}
			return k.unreadable(resp, fmt.Errorf("it is not MDL"))
		}
		text = string(body)
		if word := firstWords(text, 1); word != "RECREATE" && word != "CREATE" {
			return k.foreign(resp)
		}
		return nil
	})
	return text, err
}

// Configuration reads a component, "Type.name", as JSON: its attributes, and
// its subcomponents under their type's name.
func (r *Reader) Configuration(ctx context.Context, name string, into any) error {
	return r.configuration(ctx, name, into)
}

// Configurations lists the components of a type, with at least name and label.
func (r *Reader) Configurations(ctx context.Context, typ string, into any) error {
	return r.configuration(ctx, typ, into)
}

func (r *Reader) configuration(ctx context.Context, name string, into any) error {
	var reply struct {
		Data json.RawMessage `json:"data"`
	}
	k := call{op: "read configuration " + name, method: http.MethodGet, path: r.c.path("configuration", seg(name)), missing: true}
	if err := r.c.do(ctx, k, &reply); err != nil {
		return err
	}
	return k.decode(reply.Data, into)
}

// ComponentType is a kind of component that the vault knows.
type ComponentType struct {
	Name   string `json:"name"`
	Label  string `json:"label"`
	Class  string `json:"class"` // metadata, code
	Active Bool   `json:"active"`
	Object string `json:"vobject"`
}

// ComponentTypes lists them.
func (r *Reader) ComponentTypes(ctx context.Context) ([]ComponentType, error) {
	var reply struct {
		Data []ComponentType `json:"data"`
	}
	err := r.c.do(ctx, call{op: "list component types", method: http.MethodGet, path: r.c.path("metadata", "components")}, &reply)
	return reply.Data, err
}

// ComponentDetails is a component type with its attributes, in Vault's words.
type ComponentDetails struct {
	Name          string             `json:"name"`
	Class         string             `json:"class"`
	Abbreviation  string             `json:"abbreviation"`
	Active        Bool               `json:"active"`
	Attributes    []Attribute        `json:"attributes"`
	Subcomponents []SubcomponentType `json:"sub_components"`
}

// SubcomponentType is a type that only lives in components of another.
type SubcomponentType struct {
	Name       string      `json:"name"`
	Collection string      `json:"json_collection_name"`
	Attributes []Attribute `json:"attributes"`
}

// Attribute is an attribute of a component type.
type Attribute struct {
	Name         string `json:"name"`
	Type         string `json:"type"`
	Requiredness string `json:"requiredness"` // required, optional, conditional
	MaxLength    Int    `json:"max_length"`
	Editable     Bool   `json:"editable"`
	MultiValue   Bool   `json:"multi_value"`
	Values       Names  `json:"enums"`
}

// ComponentType reads a component type.
func (r *Reader) ComponentType(ctx context.Context, name string) (*ComponentDetails, error) {
	var reply struct {
		Data ComponentDetails `json:"data"`
	}
	err := r.c.do(ctx, call{op: "read component type " + name, method: http.MethodGet, path: r.c.path("metadata", "components", seg(name)), missing: true}, &reply)
	if err != nil {
		return nil, err
	}
	return &reply.Data, nil
}

// ComponentFile writes the binary content of a component, "Type.name", to w.
func (r *Reader) ComponentFile(ctx context.Context, name string, w io.Writer) (int64, error) {
	return r.c.download(ctx, call{op: "download the content of component " + name, method: http.MethodGet, path: "/api/mdl/components/" + seg(name) + "/files", missing: true}, w)
}

// UploadComponentFile uploads the binary content for a component that a script
// makes afterwards; Vault names it in the answer.
func (c *Client) UploadComponentFile(ctx context.Context, file File) (map[string]any, error) {
	var reply struct {
		Data map[string]any `json:"data"`
	}
	err := c.sendFile(ctx, call{op: "upload component content " + file.Name, method: http.MethodPost, path: "/api/mdl/files"}, nil, &file, &reply)
	return reply.Data, err
}
