package vaultapi

import (
	"context"
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
)

// DocumentField is a document field's definition.
type DocumentField struct {
	Name       string `json:"name"`
	Label      string `json:"label"`
	Type       string `json:"type"` // id, String, Number, Boolean, Date, DateTime, Picklist, ObjectReference, URL, …
	Required   Bool   `json:"required"`
	Repeating  Bool   `json:"repeating"`
	Editable   Bool   `json:"editable"`
	Disabled   Bool   `json:"disabled"`
	Queryable  Bool   `json:"queryable"`
	Shared     Bool   `json:"shared"`
	MaxLength  Int    `json:"maxLength"`
	ObjectType string `json:"objectType"` // of an ObjectReference
	Picklist   string `json:"picklist"`
}

// DocumentFields are all of a vault, or of a type.
type DocumentFields []DocumentField

// Field finds a field by API name.
func (d DocumentFields) Field(name string) (DocumentField, error) {
	for _, f := range d {
		if f.Name == name {
			return f, nil
		}
	}
	return DocumentField{}, &Error{Op: "look for a document field", Kind: NotFound, Message: "no field is named " + name}
}

// ByLabel finds a field as Object.FieldByLabel does.
func (d DocumentFields) ByLabel(label string) (DocumentField, error) {
	return byLabel("look for a document field", "field", label, d, func(f DocumentField) (string, string) { return f.Name, f.Label })
}

// DocumentFields lists all document fields.
func (r *Reader) DocumentFields(ctx context.Context) (DocumentFields, error) {
	type reply struct {
		Properties DocumentFields `json:"properties"`
	}
	said, err := askAlike[reply](ctx, r.c, call{op: "list document fields", method: http.MethodGet, path: r.c.path("metadata", "objects", "documents", "properties")})
	if err != nil {
		return nil, err
	}
	return said.Properties, nil
}

// Reference points to something by its label and an address or a name.
type Reference struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// Name is the last segment of Value.
func (r Reference) Name() string { return r.Value[strings.LastIndexByte(r.Value, '/')+1:] }

// DocumentTypes lists the types.
func (r *Reader) DocumentTypes(ctx context.Context) ([]Reference, error) {
	var reply struct {
		Types []Reference `json:"types"`
	}
	err := r.c.do(ctx, call{op: "list document types", method: http.MethodGet, path: r.c.path("metadata", "objects", "documents", "types")}, &reply)
	return reply.Types, err
}

// DocumentType is a type, a subtype or a classification.
type DocumentType struct {
	Name              string         `json:"name"`
	Label             string         `json:"label"`
	Fields            DocumentFields `json:"properties"`
	Renditions        Names          `json:"renditions"`
	RelationshipTypes []Reference    `json:"relationshipTypes"`
	Lifecycles        []Labelled     `json:"availableLifecycles"`
	Templates         []Labelled     `json:"templates"`
	Subtypes          []Reference    `json:"subtypes"`
	Classifications   []Reference    `json:"classifications"`
}

// DocumentType reads a type, or further down its subtype and classification.
func (r *Reader) DocumentType(ctx context.Context, name string, below ...string) (*DocumentType, error) {
	path := []string{"metadata", "objects", "documents", "types", seg(name)}
	for i, each := range below {
		path = append(path, []string{"subtypes", "classifications"}[min(i, 1)], seg(each))
	}
	op := "read document type " + strings.Join(append([]string{name}, below...), " > ")
	said, err := askAlike[DocumentType](ctx, r.c, call{op: op, method: http.MethodGet, path: r.c.path(path...), missing: true})
	if err != nil {
		return nil, err
	}
	return said, nil
}

// RelationshipType is a way in which documents of a type relate to others.
type RelationshipType struct {
	Name           string `json:"value"`
	Label          string `json:"label"`
	SourceSpecific Bool   `json:"sourceDocVersionSpecific"`
	TargetSpecific Bool   `json:"targetDocVersionSpecific"`
	System         Bool   `json:"system"`
	SingleUse      Bool   `json:"singleUse"`
}

// RelationshipTypes lists those of a document type.
func (r *Reader) RelationshipTypes(ctx context.Context, documentType string) ([]RelationshipType, error) {
	var reply struct {
		Types []RelationshipType `json:"relationshipTypes"`
	}
	err := r.c.do(ctx, call{op: "list relationship types of " + documentType, method: http.MethodGet,
		path: r.c.path("metadata", "objects", "documents", "types", seg(documentType), "relationships"), missing: true}, &reply)
	return reply.Types, err
}

// Lifecycle is a document lifecycle.
type Lifecycle struct {
	Name          string           `json:"name"`
	Label         string           `json:"label"`
	Active        Bool             `json:"active"`
	StateLabels   Names            `json:"state_labels"`   // "base:general:steady"
	LabeledStates Names            `json:"labeled_states"` // the state of each of StateLabels, position by position
	States        []LifecycleState `json:"Doclifecyclestate"`
}

// LifecycleState is a state, with its user actions as Vault's XML.
type LifecycleState struct {
	Name       string `json:"name"`
	Label      string `json:"label"`
	Active     Bool   `json:"active"`
	Order      Int    `json:"order"`
	UserAction string `json:"user_action"`
}

// Lifecycle reads a document lifecycle.
func (r *Reader) Lifecycle(ctx context.Context, name string) (*Lifecycle, error) {
	var l Lifecycle
	if err := r.Configuration(ctx, "Doclifecycle."+name, &l); err != nil {
		return nil, err
	}
	if len(l.StateLabels) != len(l.LabeledStates) {
		return nil, &Error{Op: "read lifecycle " + name, Kind: Internal, Message: fmt.Sprintf("%d state labels for %d states", len(l.StateLabels), len(l.LabeledStates))}
	}
	return &l, nil
}

// StatesOf are the names of the states of one type: starting, steady,
// superseded, obsolete.
func (l *Lifecycle) StatesOf(typ string) []string {
	var names []string
	for i, label := range l.StateLabels {
		if label == "base:general:"+typ && i < len(l.LabeledStates) {
			names = append(names, strings.TrimPrefix(l.LabeledStates[i], "Doclifecyclestate."))
		}
	}
	return names
}

// State finds a state by name.
func (l *Lifecycle) State(name string) (LifecycleState, bool) {
	for _, s := range l.States {
		if s.Name == name {
			return s, true
		}
	}
	return LifecycleState{}, false
}

// UserAction is what a user can do in a state.
type UserAction struct {
	Name  string `xml:"name,attr"`
	Label string `xml:"label,attr"`
	Type  string `xml:"type,attr"` // changeState
	State string `xml:"state,attr"`
}

// Actions reads the state's user actions.
func (s LifecycleState) Actions() ([]UserAction, error) {
	text := strings.TrimSpace(s.UserAction)
	text = strings.TrimSuffix(strings.TrimPrefix(text, "{"), "}")
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var list struct {
		Actions []UserAction `xml:"useraction"`
	}
	if err := xml.Unmarshal([]byte(text), &list); err != nil {
		return nil, &Error{Op: "read the user actions of state " + s.Name, Kind: Internal, Cause: err}
	}
	return list.Actions, nil
}
