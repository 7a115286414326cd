package vaultapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// RootNode is the parent of a binder's top nodes.
const RootNode = "rootNode"

// Binder is a binder's tree.
type Binder struct {
	Fields json.RawMessage // the binder's fields, as GetDocument reads them
	Nodes  []Node
}

// Node is a document, a section or a binder in a binder.
type Node struct {
	ID       string // "1457556160448:810987462"
	Parent   string // a section's node, or RootNode
	Type     string // document, section, binder
	Name     string
	Order    int    // among its siblings; the first is 0
	Document ID     // for documents and binders
	Section  string // a section's number
	Nodes    []Node
}

func (n *Node) UnmarshalJSON(data []byte) error {
	var wire struct {
		Properties struct {
			ID       ID     `json:"id"`
			Parent   ID     `json:"parent_id__v"`
			Type     string `json:"type__v"`
			Name     string `json:"name__v"`
			Order    Int    `json:"order__v"`
			Document ID     `json:"document_id__v"`
			Section  ID     `json:"section_number__v"`
		} `json:"properties"`
		Nodes []Node `json:"nodes"`
	}
	if err := json.Unmarshal(data, &wire); err != nil {
		return err
	}
	p := wire.Properties
	*n = Node{ID: string(p.ID), Parent: string(p.Parent), Type: p.Type, Name: p.Name, Order: int(p.Order), Document: p.Document, Section: string(p.Section), Nodes: wire.Nodes}
	return nil
}

// GetBinder reads a binder with its top nodes, or with all of them.
func (r *Reader) GetBinder(ctx context.Context, id ID, all bool) (*Binder, error) {
	return r.binder(ctx, "read binder "+string(id), r.c.path("objects", "binders", seg(id)), all)
}

// GetBinderVersion is GetBinder of one version.
func (r *Reader) GetBinderVersion(ctx context.Context, v Version, all bool) (*Binder, error) {
	return r.binder(ctx, "read version "+v.String()+" of a binder", r.c.versionPath(Binders, v), all)
}

func (r *Reader) binder(ctx context.Context, op, path string, all bool) (*Binder, error) {
	var reply struct {
		Document json.RawMessage `json:"document"`
		Binder   struct {
			Nodes []Node `json:"nodes"`
		} `json:"binder"`
	}
	k := call{op: op, method: http.MethodGet, path: path, missing: true}
	if all {
		k.params = url.Values{"depth": {"all"}}
	}
	if err := r.c.do(ctx, k, &reply); err != nil {
		return nil, err
	}
	return &Binder{Fields: reply.Document, Nodes: reply.Binder.Nodes}, nil
}

// CreateBinder creates an empty binder.
func (c *Client) CreateBinder(ctx context.Context, fields Fields) (ID, error) {
	return c.create(ctx, fmt.Sprintf("create binder %v", fields["name__v"]), c.c.path("objects", "binders"), fields, nil)
}

// NewNode is a document to be put into a binder.
type NewNode struct {
	Document     ID
	Parent       string   // "" for the root
	Order        *int     // among its siblings, the first is 0; nil leaves it to Vault, which may ignore it
	Rule         NodeRule // "" for the binder's own
	Major, Minor int      // for SpecificNode
}

// NodeRule decides which version of a document a binder shows.
type NodeRule string

const (
	DefaultRule  NodeRule = "default"
	SteadyNode   NodeRule = "steady-state"
	CurrentNode  NodeRule = "current"
	SpecificNode NodeRule = "specific"
)

// AddNode puts a document into the binder's latest version.
func (c *Client) AddNode(ctx context.Context, binder ID, n NewNode) (node string, err error) {
	fields := placed(Fields{"document_id__v": n.Document}, n.Parent, n.Order)
	if n.Rule != "" {
		fields["binding_rule__v"] = string(n.Rule)
	}
	if n.Rule == SpecificNode {
		fields["major_version_number__v"], fields["minor_version_number__v"] = n.Major, n.Minor
	}
	op := fmt.Sprintf("add document %s to binder %s", n.Document, binder)
	return c.node(ctx, http.MethodPost, op, c.c.path("objects", "binders", seg(binder), "documents"), fields)
}

// AddSection makes a section.
func (c *Client) AddSection(ctx context.Context, binder ID, name, parent string, order *int) (node string, err error) {
	op := fmt.Sprintf("add section %s to binder %s", name, binder)
	return c.node(ctx, http.MethodPost, op, c.c.path("objects", "binders", seg(binder), "sections"), placed(Fields{"name__v": name}, parent, order))
}

// MoveNode moves a document's node; its id may change.
func (c *Client) MoveNode(ctx context.Context, binder ID, node, parent string, order *int) (moved string, err error) {
	op := fmt.Sprintf("move node %s of binder %s", node, binder)
	return c.node(ctx, http.MethodPut, op, c.c.path("objects", "binders", seg(binder), "documents", seg(node)), placed(Fields{}, parent, order))
}

// RemoveNode takes a document's node out of the binder; the document stays.
func (c *Client) RemoveNode(ctx context.Context, binder ID, node string) error {
	return c.remove(ctx, binder, "documents", node)
}

// RemoveSection takes out a section with all that is in it.
func (c *Client) RemoveSection(ctx context.Context, binder ID, node string) error {
	return c.remove(ctx, binder, "sections", node)
}

func (c *Client) remove(ctx context.Context, binder ID, what, node string) error {
	op := fmt.Sprintf("remove node %s of binder %s", node, binder)
	return c.c.do(ctx, call{op: op, method: http.MethodDelete, path: c.c.path("objects", "binders", seg(binder), what, seg(node)), write: true, missing: true}, nil)
}

// SetBindingRule sets the rule of a whole binder; override sets it for nodes
// that have their own, too.
func (c *Client) SetBindingRule(ctx context.Context, binder ID, rule NodeRule, override bool) error {
	return c.postForm(ctx, http.MethodPut, "set the binding rule of binder "+string(binder), c.c.path("objects", "binders", seg(binder), "binding_rule"),
		Fields{"binding_rule__v": string(rule), "binding_rule_override__v": override}, nil)
}

// SetNodeRule sets the rule of one document's node; major and minor are for
// SpecificNode.
func (c *Client) SetNodeRule(ctx context.Context, binder ID, node string, rule NodeRule, major, minor int) error {
	fields := Fields{"binding_rule__v": string(rule)}
	if rule == SpecificNode {
		fields["major_version_number__v"], fields["minor_version_number__v"] = major, minor
	}
	op := fmt.Sprintf("set the binding rule of node %s of binder %s", node, binder)
	return c.postForm(ctx, http.MethodPut, op, c.c.path("objects", "binders", seg(binder), "documents", seg(node), "binding_rule"), fields, nil)
}

func (c *Client) node(ctx context.Context, method, op, path string, fields Fields) (string, error) {
	var reply struct {
		ID ID `json:"id"`
	}
	err := c.postForm(ctx, method, op, path, fields, &reply)
	return string(reply.ID), err
}

func placed(fields Fields, parent string, order *int) Fields {
	if parent != "" {
		fields["parent_id__v"] = parent
	}
	if order != nil {
		fields["order__v"] = *order
	}
	return fields
}
