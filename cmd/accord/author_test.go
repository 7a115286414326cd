package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// authorCommand does in a content vault what an author does, and shows what a
// CRM vault's users have. Documents are called by their names.
//
//	author DIR VAULT set NAME field=value …   metadata of the latest version; brand__c=@B-1 is a record by its external id
//	author DIR VAULT draft NAME               a new draft of what is approved
//	author DIR VAULT do NAME ACTION           a lifecycle action: approve, make_obsolete, …
//	author DIR VAULT slides NAME SLIDE …      the slides of a presentation, in order
//	author DIR VAULT uses SLIDE [SHARED …]    the shared resources of a slide
//	author DIR VAULT becomes NAME TYPE        a document of another type
//	author DIR VAULT delete NAME
//	author DIR VAULT add LINE …               lines of a library
//	author DIR VAULT media                    what users see: presentations with their slides
//	author DIR VAULT withdrawn                what they saw once
//	author DIR VAULT records                  what users of the object model see
func authorCommand() {
	if err := authorVerb(os.Args[1], os.Args[2], os.Args[3], os.Args[4:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// author is a session in one vault of a development server.
type author struct {
	dev           *devServer
	base, session string
	vault         string
}

func authorVerb(dir, vault, verb string, args []string) error {
	ctx := context.Background()
	executable = func() (string, error) { return exec.LookPath("accord") }
	dev, err := openDevServer(ctx, dir)
	if err != nil {
		return err
	}
	defer dev.Close()
	a := &author{dev: dev, base: dev.info.Address + "/" + vault + "/api/v25.2/", vault: vault}
	login, err := call(http.MethodPost, a.base+"auth", "", url.Values{"username": {"admin@" + vault + ".dev"}, "password": {dev.info.Password}})
	if err != nil {
		return err
	}
	a.session, _ = login["sessionId"].(string)
	switch verb {
	case "records":
		return a.records()
	case "media":
		return a.media()
	case "withdrawn":
		return a.withdrawn()
	case "add":
		var out json.RawMessage
		return dev.control(ctx, http.MethodPost, "load/"+vault, strings.NewReader(strings.Join(args, "\n")+"\n"), &out)
	}
	if len(args) == 0 {
		return fmt.Errorf("%s what?", verb)
	}
	d, err := a.document(args[0])
	if err != nil {
		return err
	}
	switch verb {
	case "set":
		form := url.Values{}
		for _, pair := range args[1:] {
			name, value, _ := strings.Cut(pair, "=")
			if key, ok := strings.CutPrefix(value, "@"); ok {
				rows, err := a.query("SELECT id FROM " + name + " WHERE external_id__v = '" + key + "'")
				if err != nil || len(rows) != 1 {
					return fmt.Errorf("%d records of %s are called %s: %v", len(rows), name, key, err)
				}
				value = fmt.Sprint(rows[0]["id"])
			}
			form.Set(name, value)
		}
		return a.do("PUT", d.path(), form)
	case "draft":
		return a.do("POST", d.path(), url.Values{"createDraft": {"latestContent"}})
	case "do":
		return a.do("PUT", d.version()+"/lifecycle_actions/"+args[1]+"__v", nil)
	case "becomes":
		return a.do("PUT", d.path(), url.Values{"reclassify": {"true"}, "type__v": {args[1]}, "lifecycle__v": {"promo_mats_lifecycle__v"}})
	case "delete":
		return a.do("DELETE", d.path(), nil)
	case "slides":
		return a.slides(d, args[1:])
	case "uses":
		return a.uses(d, args[1:])
	}
	return fmt.Errorf("unknown verb %q", verb)
}

// authored is the latest version of a document.
type authored struct {
	id, major, minor string
	binder           bool
}

func (d *authored) path() string {
	if d.binder {
		return "objects/binders/" + d.id
	}
	return "objects/documents/" + d.id
}

func (d *authored) version() string { return d.path() + "/versions/" + d.major + "/" + d.minor }

func (a *author) do(method, path string, form url.Values) error {
	_, err := call(method, a.base+path, a.session, form)
	return err
}

func (a *author) query(q string) ([]map[string]any, error) {
	out, err := call(http.MethodPost, a.base+"query", a.session, url.Values{"q": {q}})
	if err != nil {
		return nil, err
	}
	data, _ := out["data"].([]any)
	rows := make([]map[string]any, len(data))
	for n, r := range data {
		rows[n], _ = r.(map[string]any)
	}
	return rows, nil
}

func (a *author) document(name string) (*authored, error) {
	rows, err := a.query("SELECT id, binder__v, major_version_number__v, minor_version_number__v FROM documents WHERE name__v = '" + strings.ReplaceAll(name, "'", `\'`) + "'")
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 {
		return nil, fmt.Errorf("%d documents of %s are called %s", len(rows), a.vault, name)
	}
	r := rows[0]
	binder, _ := r["binder__v"].(bool)
	return &authored{id: fmt.Sprint(r["id"]), major: fmt.Sprint(r["major_version_number__v"]), minor: fmt.Sprint(r["minor_version_number__v"]), binder: binder}, nil
}

// slides makes the slides of a presentation these, in this order.
func (a *author) slides(d *authored, names []string) error {
	out, err := call(http.MethodGet, a.base+d.path(), a.session, nil)
	if err != nil {
		return err
	}
	tree, _ := out["binder"].(map[string]any)
	nodes, _ := tree["nodes"].([]any)
	for _, n := range nodes {
		node, _ := n.(map[string]any)
		properties, _ := node["properties"].(map[string]any)
		if err := a.do("DELETE", fmt.Sprintf("%s/documents/%v", d.path(), properties["id"]), nil); err != nil {
			return err
		}
	}
	for _, name := range names {
		slide, err := a.document(name)
		if err != nil {
			return err
		}
		if err := a.do("POST", d.path()+"/documents", url.Values{"document_id__v": {slide.id}, "parent_id__v": {"rootNode"}}); err != nil {
			return err
		}
	}
	return nil
}

// uses makes the shared resources of a slide these.
func (a *author) uses(d *authored, names []string) error {
	rows, err := a.query("SELECT id FROM relationships WHERE relationship_type__v = 'related_shared_resource__v' AND source_doc_id__v = " + d.id)
	if err != nil {
		return err
	}
	for _, r := range rows {
		if err := a.do("DELETE", fmt.Sprintf("%s/relationships/%v", d.version(), r["id"]), nil); err != nil {
			return err
		}
	}
	for _, name := range names {
		shared, err := a.document(name)
		if err != nil {
			return err
		}
		form := url.Values{"target_doc_id__v": {shared.id}, "relationship_type__v": {"related_shared_resource__v"}}
		if err := a.do("POST", d.version()+"/relationships", form); err != nil {
			return err
		}
	}
	return nil
}

// media prints a line for each published presentation: Launch: Opening (Logo), Summary.
// records prints the active presentations of the object model, with their key
// messages in order, and of each the shared one that it uses.
func (a *author) records() error {
	slides, messages := map[string][]string{}, map[string]string{}
	rows, err := a.query("SELECT id, name__v, shared_resource__vr.name__v FROM key_message__v WHERE status__v = 'active__v'")
	if err != nil {
		return err
	}
	for _, r := range rows {
		text := fmt.Sprint(r["name__v"])
		if shared := r["shared_resource__vr.name__v"]; shared != nil {
			text += fmt.Sprintf(" (%v)", shared)
		}
		messages[fmt.Sprint(r["id"])] = text
	}
	if rows, err = a.query("SELECT id, clm_presentation__v, key_message__v, display_order__v FROM clm_presentation_slide__v WHERE status__v = 'active__v'"); err != nil {
		return err
	}
	slices.SortFunc(rows, func(a, b map[string]any) int {
		return int(number64(a, "display_order__v") - number64(b, "display_order__v"))
	})
	for _, r := range rows {
		text := messages[fmt.Sprint(r["key_message__v"])]
		if text == "" {
			text = "(not there)"
		}
		id := fmt.Sprint(r["clm_presentation__v"])
		slides[id] = append(slides[id], text)
	}
	if rows, err = a.query("SELECT id, name__v FROM clm_presentation__v WHERE status__v = 'active__v'"); err != nil {
		return err
	}
	var lines []string
	for _, r := range rows {
		lines = append(lines, fmt.Sprintf("%v: %s", r["name__v"], strings.Join(slides[fmt.Sprint(r["id"])], ", ")))
	}
	slices.Sort(lines)
	for _, line := range lines {
		fmt.Println(line)
	}
	return nil
}

func (a *author) media() error {
	names, uses := map[string]string{}, map[string][]string{}
	rows, err := a.query("SELECT id, name__v FROM documents WHERE status__v = STEADYSTATE()")
	if err != nil {
		return err
	}
	for _, r := range rows {
		names[fmt.Sprint(r["id"])] = fmt.Sprint(r["name__v"])
	}
	if rows, err = a.query("SELECT source_doc_id__v, target_doc_id__v FROM relationships WHERE relationship_type__v = 'related_shared_resource__v'"); err != nil {
		return err
	}
	for _, r := range rows {
		if name := names[fmt.Sprint(r["target_doc_id__v"])]; name != "" {
			slide := fmt.Sprint(r["source_doc_id__v"])
			uses[slide] = append(uses[slide], name)
		}
	}
	rows, err = a.query("SELECT id, name__v, (SELECT content_id__sys, order__sys FROM binder_nodes__sysr) FROM binders WHERE status__v = STEADYSTATE()")
	if err != nil {
		return err
	}
	var lines []string
	for _, r := range rows {
		sub, _ := r["binder_nodes__sysr"].(map[string]any)
		nodes, _ := sub["data"].([]any)
		slices.SortFunc(nodes, func(a, b any) int { return int(number64(a, "order__sys") - number64(b, "order__sys")) })
		var slides []string
		for _, n := range nodes {
			id := fmt.Sprint(n.(map[string]any)["content_id__sys"])
			slide := names[id]
			if slide == "" {
				slide = "(not there)"
			}
			if list := uses[id]; len(list) > 0 {
				slices.Sort(list)
				slide += " (" + strings.Join(list, ", ") + ")"
			}
			slides = append(slides, slide)
		}
		lines = append(lines, fmt.Sprintf("%v: %s", r["name__v"], strings.Join(slides, ", ")))
	}
	slices.Sort(lines)
	for _, l := range lines {
		fmt.Println(l)
	}
	return nil
}

func (a *author) withdrawn() error {
	rows, err := a.query("SELECT name__v FROM documents WHERE status__v = OBSOLETESTATE() ORDER BY name__v")
	for _, r := range rows {
		fmt.Println(r["name__v"])
	}
	return err
}
