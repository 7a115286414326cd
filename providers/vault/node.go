package vault

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"accord/providers"
	"accord/providers/vaultapi"
)

// node is a node of a binder version.
type node struct {
	ID      vaultapi.ID
	Content vaultapi.ID
	Order   int64
	Type    string
	Section vaultapi.ID
	Mark    string // of its document; target only
	Empty   bool   // its document was deleted; target only
	Was     string // the mark of a document that was deleted

	Shared bool // the latest version of its document is a shared resource; source only
}

// nodesIn reads the nodes that came with a row.
func nodesIn(r row) (nodes []node, details vaultapi.Details, err error) {
	details, err = vaultapi.SubRows(r.raw("binder_nodes__sysr"), func(cells []vaultapi.Cell) error {
		var n node
		for at := range cells {
			switch raw := cells[at].Value; cells[at].Name {
			case "id":
				n.ID = vaultapi.ID(textOf(raw))
			case "content_id__sys":
				n.Content = vaultapi.ID(textOf(raw))
			case "order__sys":
				n.Order = intOf(raw)
			case "type__sys":
				n.Type = textOf(raw)
			case "parent_section_id__sys":
				n.Section = vaultapi.ID(textOf(raw))
			case "document__sysr.is_shared_resource__v":
				n.Shared, _ = flagOf(raw)
			case "document__sysr.external_id__v":
				n.Mark = textOf(raw)
			}
		}
		nodes = append(nodes, n)
		return nil
	})
	return nodes, details, err
}

// inOrder flattens sections: nodes as a reader of the binder meets them.
func inOrder(nodes []node) []node {
	byOrder := func(a, b node) int { return cmp.Compare(a.Order, b.Order) }
	if !slices.ContainsFunc(nodes, func(n node) bool { return n.Type == "section" || n.Section != "" && n.Section != "rootNode" }) {
		list := slices.Clone(nodes)
		slices.SortStableFunc(list, byOrder)
		return list
	}
	below := map[string][]node{}
	for _, n := range nodes {
		parent := string(n.Section)
		if parent == "rootNode" {
			parent = ""
		}
		below[parent] = append(below[parent], n)
	}
	var out []node
	seen := map[string]bool{}
	var walk func(parent string)
	walk = func(parent string) {
		if seen[parent] {
			return
		}
		seen[parent] = true
		list := below[parent]
		slices.SortStableFunc(list, byOrder)
		for _, n := range list {
			if n.Type == "section" {
				walk(string(n.ID))
				continue
			}
			out = append(out, n)
		}
	}
	walk("")
	return out
}

// membersOf are the slides of a presentation, in order, of which some are
// shared resources; problem is why they cannot be taken as they are.
func membersOf(nodes []node, shared func(node) bool) (members []providers.Member, problem string) {
	found := inOrder(nodes)
	lost := len(nodes) - len(found)
	for _, n := range nodes {
		if n.Type == "section" {
			lost--
		}
	}
	if lost > 0 {
		problem = "some of its slides are in a section that is not among its nodes"
	}
	for _, n := range found {
		part := partSlide
		switch {
		case n.Type == "binder":
			problem = "it holds another binder, which is not CLM content"
			continue
		case n.Content == "":
			problem = "one of its slides is not there any more"
			continue
		case shared(n):
			part = partShared
		}
		members = append(members, providers.Member{Part: part, Key: keyOf(string(n.Content))})
	}
	return members, problem
}

// allNodes returns all nodes of the binder version that a row is. The answer
// to a sub-select holds only the first of them: a longer tree is read whole,
// and what else must be known of its documents in batches.
func (c *caller) allNodes(ctx context.Context, r row) ([]node, error) {
	nodes, details, err := nodesIn(r)
	if err != nil {
		return nil, fmt.Errorf("read the nodes of binder %s: %w", r.text("id"), err)
	}
	if details.NextPage == "" && len(nodes) >= details.Total {
		return nodes, nil
	}
	at := versionOf(r)
	c.calls.Add(1)
	b, err := c.v.reader.GetBinderVersion(ctx, vaultapi.Version{ID: vaultapi.ID(r.text("id")), Major: int(at.major), Minor: int(at.minor)}, true)
	if err != nil {
		return nil, err
	}
	nodes = flatten(nil, "", b.Nodes)
	if len(nodes) < details.Total {
		return nil, providers.Errorf(providers.Transient, "version %d.%d of binder %s has %d nodes, of which the vault lists only %d", at.major, at.minor, r.text("id"), details.Total, len(nodes))
	}
	var used ids
	for _, n := range nodes {
		if n.Content != "" {
			used.add(string(n.Content))
		}
	}
	known := map[string]row{}
	err = c.lists(ctx, used.sorted(), listed, func(list string) string {
		return "SELECT id, is_shared_resource__v, external_id__v FROM documents WHERE id CONTAINS " + list
	}, func(r row) error { known[r.text("id")] = r; return nil })
	if err != nil {
		return nil, err
	}
	for n := range nodes {
		if r := known[string(nodes[n].Content)]; r != nil {
			shared, _ := r.flag("is_shared_resource__v")
			nodes[n].Shared, nodes[n].Mark = shared, r.text("external_id__v")
		}
	}
	return nodes, nil
}

// flatten adds a tree of nodes to a list, each with the section it is in.
func flatten(list []node, section vaultapi.ID, tree []vaultapi.Node) []node {
	for _, n := range tree {
		list = append(list, node{ID: vaultapi.ID(n.ID), Content: n.Document, Order: int64(n.Order), Type: n.Type, Section: section})
		list = flatten(list, vaultapi.ID(n.ID), n.Nodes)
	}
	return list
}

// nodeChange is one call that brings the nodes of a binder nearer to what they
// shall be: one of remove, move and add is set.
type nodeChange struct {
	remove, move string
	add          vaultapi.ID
	order        int  // the first is 0
	last         bool // of add: at the end
}

func (c nodeChange) at() *int {
	if c.last {
		return nil
	}
	return &c.order
}

// nodeChanges says how the nodes there are become the documents that shall be,
// in order: what is not wanted goes first, then each place is filled from the
// front, by a node that is there or by a new one.
func nodeChanges(there []node, shall []vaultapi.ID) []nodeChange {
	wanted := map[vaultapi.ID]int{}
	for _, id := range shall {
		wanted[id]++
	}
	var changes []nodeChange
	var now []node
	for _, n := range there {
		if wanted[n.Content] == 0 {
			changes = append(changes, nodeChange{remove: string(n.ID)})
			continue
		}
		wanted[n.Content]--
		now = append(now, n)
	}
	for at, id := range shall {
		if at < len(now) && now[at].Content == id {
			continue
		}
		later := -1
		for k := at; k < len(now); k++ {
			if now[k].Content == id {
				later = k
				break
			}
		}
		switch {
		case later >= 0:
			changes = append(changes, nodeChange{move: string(now[later].ID), order: at})
			n := now[later]
			now = slices.Insert(slices.Delete(now, later, later+1), at, n)
		case at == len(now):
			changes = append(changes, nodeChange{add: id, last: true})
			now = append(now, node{Content: id})
		default:
			changes = append(changes, nodeChange{add: id, order: at})
			now = slices.Insert(now, at, node{Content: id})
		}
	}
	return changes
}
