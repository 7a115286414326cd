package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// The oracle tells what a CRM vault shall hold, from the dump of the content
// vault and the rules of spec/rules.md: over maps, document by document,
// without streams, horizons, parts in files or any notion of what has changed.

// Parts, by what a document is on either side (CLM-3).
const (
	presentations = "presentation"
	slides        = "slide"
	shareds       = "shared_resource"
)

// version is one version of a document of the content vault.
type version struct {
	Doc    int64          `json:"version"`
	Seq    int64          `json:"seq"`
	Binder int64          `json:"binder"`
	Major  int64          `json:"major"`
	Minor  int64          `json:"minor"`
	Type   string         `json:"type"`
	Name   string         `json:"name"`
	Status string         `json:"status"`
	Fields map[string]any `json:"fields"`

	nodes []int64 // content, in order
}

type node struct {
	Doc     int64 `json:"node"`
	Seq     int64 `json:"seq"`
	Ord     int64 `json:"ord"`
	ID      string
	Content int64 `json:"content"`
}

type relation struct {
	ID     int64 `json:"relationship"`
	Source int64 `json:"source"`
	Target int64 `json:"target"`
}

// library is all that a content vault holds.
type library struct {
	versions map[int64][]*version // by document, oldest first
	shared   map[int64][]int64    // slide → shared resources
	relation []relation
	nodes    map[int64][]node // of the latest version of a binder
	country  map[string][]string
	names    map[string]string // country id → name
	product  map[string]string // product id → name
}

func (w *world) library() *library {
	w.t.Helper()
	l := &library{versions: map[int64][]*version{}, shared: map[int64][]int64{}, nodes: map[int64][]node{}, country: map[string][]string{}, names: map[string]string{}, product: map[string]string{}}
	at := map[[2]int64]*version{}
	for _, line := range lines(w.dump(source, "version")) {
		v := &version{}
		w.decode(line, v)
		l.versions[v.Doc] = append(l.versions[v.Doc], v)
		at[[2]int64{v.Doc, v.Seq}] = v
	}
	for _, list := range l.versions {
		sort.Slice(list, func(i, j int) bool { return list[i].Seq < list[j].Seq })
	}
	for _, line := range lines(w.dump(source, "node")) {
		var n node
		w.decode(line, &n)
		v := at[[2]int64{n.Doc, n.Seq}]
		v.nodes = append(v.nodes, n.Content) // the dump is in order
		if v == l.latest(n.Doc) {
			l.nodes[n.Doc] = append(l.nodes[n.Doc], n)
		}
	}
	for _, line := range lines(w.dump(source, "relationship")) {
		var r relation
		w.decode(line, &r)
		l.relation = append(l.relation, r)
		if !slices.Contains(l.shared[r.Source], r.Target) {
			l.shared[r.Source] = append(l.shared[r.Source], r.Target)
		}
	}
	for _, list := range l.shared {
		slices.Sort(list)
	}
	for _, line := range lines(w.dump(source, "record")) {
		var r struct {
			Object string         `json:"record"`
			ID     string         `json:"id"`
			Name   string         `json:"name"`
			Fields map[string]any `json:"fields"`
		}
		w.decode(line, &r)
		switch r.Object {
		case "country__v":
			l.country[r.ID] = texts(r.Fields["country_cda__v"])
			l.names[r.ID] = r.Name
		case "product__v":
			l.product[r.ID] = r.Name
		}
	}
	return l
}

func (w *world) decode(line string, into any) {
	w.t.Helper()
	if err := json.Unmarshal([]byte(line), into); err != nil {
		w.t.Fatalf("%s: %v", line, err)
	}
}

func texts(v any) []string {
	list, _ := v.([]any)
	var out []string
	for _, x := range list {
		out = append(out, fmt.Sprint(x))
	}
	return out
}

func (l *library) latest(doc int64) *version {
	list := l.versions[doc]
	if len(list) == 0 {
		return nil
	}
	return list[len(list)-1]
}

// taken is the version of a document that an integration looks at, and where
// it stands (CLM-1, RULE-4).
func (l *library) taken(doc int64, steadyOnly bool, today string) (v *version, standing string) {
	if l.latest(doc) == nil {
		return nil, "deleted"
	}
	v = l.latest(doc)
	if steadyOnly {
		v = nil
		for _, x := range l.versions[doc] {
			if x.Status == "approved__v" || x.Status == "obsolete__v" {
				v = x
			}
		}
		if v == nil {
			if l.latest(doc).Major > 0 {
				return l.latest(doc), "unapproved"
			}
			return l.latest(doc), "draft"
		}
	}
	publish, set := v.Fields["clm_content__v"].(bool)
	end, _ := v.Fields["crm_end_date__v"].(string)
	switch {
	case v.Status == "obsolete__v":
		return v, "obsolete"
	case !publish && (set || v.Type == "multichannel_presentation__v"):
		return v, "unpublished"
	case end != "" && end < today:
		return v, "expired"
	}
	return v, "approved"
}

// part is what a version is to the integration (CLM-3); "": nothing. A presentation
// is a binder, and nothing else is.
func (v *version) part() string {
	switch shared, _ := v.Fields["is_shared_resource__v"].(bool); {
	case v.Type == "multichannel_presentation__v" && v.Binder == 1:
		return presentations
	case v.Type != "multichannel_slide__v" || v.Binder == 1:
		return ""
	case shared:
		return shareds
	}
	return slides
}

// docs are the documents whose latest version is of a part.
func (l *library) docs(part string) []int64 {
	var out []int64
	for _, doc := range slices.Sorted(maps.Keys(l.versions)) {
		if l.latest(doc).part() == part {
			out = append(out, doc)
		}
	}
	return out
}

// thing is a document of the content vault, as it is or was: a slide that
// becomes a shared resource is another thing from then on.
type thing struct {
	part string
	doc  int64
}

func (at thing) String() string { return fmt.Sprintf("%s:%d", at.part, at.doc) }

func (at thing) compare(other thing) int {
	return cmp.Or(cmp.Compare(at.doc, other.doc), cmp.Compare(at.part, other.part))
}

// item is one item of a CRM vault that carries the mark of our point.
type item struct {
	ID       string
	Standing string
	Fields   string // canonical JSON of those that are synced
	Members  string // things, in order
}

// items are what a CRM vault holds of ours.
type items map[thing]item

// inOrder are items in the order of their documents.
func (all items) inOrder() []thing { return slices.SortedFunc(maps.Keys(all), thing.compare) }

// connected is CTRY-2: the countries whose field holds a value of the filter.
func (l *library) connected(c *crmConfig) []string {
	var out []string
	for id, values := range l.country {
		for _, label := range c.countries {
			if slices.Contains(values, picklistName[label]) && !slices.Contains(out, id) {
				out = append(out, id)
			}
		}
	}
	slices.Sort(out)
	return out
}

var picklistName = map[string]string{"United States": "us__v", "Canada": "ca__v", "Mexico": "mx__v", "Germany": "de__v"}

// table is by which countries a CRM vault is routed to; all: whatever they are.
func (l *library) table(w *world, c *crmConfig) (table []string, all bool) {
	if !c.country && (len(c.countries) == 0 || w.countryAllowed(c) || c.platform) { // CTRY-6
		return nil, true
	}
	return l.connected(c), false
}

// routed is CTRY-5: which of a presentation's countries lead to a CRM vault;
// ok: it goes there.
func (l *library) routed(w *world, c *crmConfig, countries []string) (lead []string, ok bool) {
	table, all := l.table(w, c)
	if all {
		return countries, true
	}
	for _, id := range countries {
		if slices.Contains(table, id) {
			lead = append(lead, id)
		}
	}
	return lead, len(lead) > 0
}

// routedBy is the table of a run.
type routedBy struct {
	table []string
	all   bool
}

func allOf(list []string, is func(string) bool) bool {
	return !slices.ContainsFunc(list, func(s string) bool { return !is(s) })
}

func (l *library) products() []string { return slices.Sorted(maps.Keys(l.product)) }

// groupsOf says under which countries and which product a presentation counts:
// published, where it leads; withdrawn, where it led, by the table of the last full
// run or by that of now, or where it was, if it never led there. "" is no country.
func (l *library) groupsOf(w *world, c *crmConfig, doc int64, withdrawn bool, led *routedBy) (countries []string, product string) {
	v, _ := l.taken(doc, c.rule != "inactive", w.server.Now().UTC().Format("2006-01-02"))
	if v == nil {
		return []string{""}, ""
	}
	if v.part() != presentations { // it is withdrawn for what it has become
		v = l.latest(doc)
	}
	countries = texts(v.Fields["country__v"])
	if !withdrawn {
		countries, _ = l.routed(w, c, countries)
	} else if table, all := l.table(w, c); led != nil && !led.all && !all {
		never := func(id string) bool { return !slices.Contains(table, id) && !slices.Contains(led.table, id) }
		if !allOf(countries, never) {
			countries = slices.DeleteFunc(countries, never)
		}
	}
	if len(countries) == 0 {
		countries = []string{""}
	}
	var names []string
	for _, id := range texts(v.Fields["product__v"]) {
		names = append(names, l.product[id])
	}
	slices.Sort(names)
	return countries, strings.Join(names, ", ")
}

// expected is what a complete run of the CLM point of a CRM vault makes of it.
func (l *library) expected(w *world, c *crmConfig, before items) items {
	steady := c.rule != "inactive"
	today := w.server.Now().UTC().Format("2006-01-02")
	routed := func(countries []string) bool {
		_, ok := l.routed(w, c, countries)
		return ok
	}
	taken := func(at thing) (*version, string) {
		v, standing := l.taken(at.doc, steady, today)
		if v != nil && v.part() != at.part { // CLM-3
			standing = "of another type"
		}
		return v, standing
	}
	members := func(at thing) (list []thing) {
		v, _ := taken(at)
		if at.part == slides {
			for _, doc := range l.shared[at.doc] {
				list = append(list, thing{shareds, doc})
			}
			return list
		}
		for _, doc := range v.nodes {
			m := thing{slides, doc}
			if v, _ := taken(m); v != nil && v.part() == shareds {
				m.part = shareds
			}
			list = append(list, m)
		}
		return list
	}
	var whole func(at thing) bool // publishable, and so is all that it names (CLM-12)
	whole = func(at thing) bool {
		_, standing := taken(at)
		if standing != "approved" || c.asObjects && at.part == slides && len(l.shared[at.doc]) > 1 { // CLM-10: no room
			return false
		}
		return !slices.ContainsFunc(members(at), func(m thing) bool { return !whole(m) })
	}
	after := items{}
	publish := func(at thing) {
		v, _ := taken(at)
		after[at] = item{Standing: "approved__v", Fields: synced(w, c, at.part, v), Members: memberText(members(at))}
	}
	keep := func(at thing) {
		if was, there := before[at]; there {
			after[at] = was
		}
	}
	withdraw := func(at thing) {
		if was, there := before[at]; there {
			was.Standing = "obsolete__v"
			after[at] = was
		}
	}
	all := map[thing]bool{}
	for doc := range l.versions {
		if v, _ := l.taken(doc, steady, today); v.part() != "" {
			all[thing{v.part(), doc}] = true
		}
	}
	for at := range before {
		all[at] = true
	}
	needed := map[thing]bool{}
	for _, part := range []string{presentations, slides, shareds} {
		for at := range all {
			if at.part != part {
				continue
			}
			v, standing := taken(at)
			if part != presentations {
				switch {
				case !needed[at]: // CTRY-5: withdrawn when the last one there stops
					withdraw(at)
				case v != nil && whole(at):
					publish(at)
				default:
					keep(at)
				}
			} else {
				var countries []string
				if v != nil {
					countries = texts(v.Fields["country__v"])
				}
				keeping := standing == "expired" || (standing == "draft" || standing == "unapproved") && c.onUnapproved != "withdraw"
				switch {
				case standing == "deleted" || standing == "obsolete" || standing == "unpublished" || standing == "of another type" || (standing == "unapproved" || standing == "draft") && !keeping:
					withdraw(at)
				case !routed(countries):
					withdraw(at)
				case keeping || !whole(at):
					keep(at)
				default:
					publish(at)
				}
			}
			if now, there := after[at]; there && now.Standing != "obsolete__v" { // users may have what lies below a draft
				for _, m := range memberList(now.Members) {
					needed[m] = true
				}
			}
		}
	}
	return after
}

func memberText(list []thing) string {
	var texts []string
	for _, m := range list {
		texts = append(texts, m.String())
	}
	return strings.Join(texts, " ")
}

func memberList(text string) []thing {
	var out []thing
	for _, s := range strings.Fields(text) {
		part, doc, _ := strings.Cut(s, ":")
		n, _ := strconv.ParseInt(doc, 10, 64)
		out = append(out, thing{part, n})
	}
	return out
}

// synced is CLM-5: the fields of an item, with those of field rules.
func synced(w *world, c *crmConfig, part string, v *version) string {
	f := map[string]any{
		"name__v": v.Name, "link__sys": fmt.Sprintf("%d_%d", w.ids[source], v.Doc), "version_link__sys": fmt.Sprintf("%d_%d_%d", w.ids[source], v.Doc, v.Seq),
	}
	for _, name := range []string{"title__v", "description__v", "crm_end_date__v"} {
		if x, ok := v.Fields[name]; ok {
			f[name] = x
		}
	}
	if c.asObjects {
		return syncedRecord(f, part, v)
	}
	team, _ := v.Fields["team__c"].(string)
	switch {
	case !c.ruled(part):
		f["team__c"] = "not compared" // what no rule fills stays as it is
		team = ""
	case c.team == "values" && team == "red":
		team = "Red team"
	case team == "" && c.nobody:
		team = "nobody"
	}
	if team != "" {
		f["team__c"] = team
	}
	return canonicalFields(f)
}

// syncedRecord is synced, in the object model: its records have no field for the
// team, nor for a title.
func syncedRecord(f map[string]any, part string, v *version) string {
	f["vexternal_id__v"] = f["version_link__sys"]
	for _, name := range []string{"version_link__sys", "title__v", "crm_end_date__v"} {
		delete(f, name)
	}
	if part == presentations {
		f["hidden__v"], f["training__v"] = false, false
		if end, ok := v.Fields["crm_end_date__v"]; ok {
			f["end_date__v"] = end
		}
	}
	return canonicalFields(f)
}

func canonicalFields(f map[string]any) string {
	b, err := json.Marshal(f)
	if err != nil {
		panic(err)
	}
	return string(b)
}

// published reads what a CRM vault holds of ours, by VQL: what carries the
// point's mark, or, where the platform's engine is at work, what comes from the
// content vault and carries no mark. Marks are unique.
func (w *world) published(c *crmConfig) items {
	w.t.Helper()
	if c.asObjects {
		return w.publishedRecords(c)
	}
	out := items{}
	prefix := fmt.Sprintf("accord:promomats_crm_clm_presentation__v:%d:", w.ids[source])
	partOf := map[string]string{"slide__v": slides, "shared_resource__v": shareds, "presentation__v": presentations}
	thingOf := func(r map[string]any) thing {
		text, ok := strings.CutPrefix(fmt.Sprint(r["external_id__v"]), prefix)
		part := partOf[fmt.Sprint(r["kind"])]
		if c.platform {
			text, ok = strings.CutPrefix(fmt.Sprint(r["link__sys"]), fmt.Sprintf("%d_", w.ids[source]))
			ok = ok && !strings.HasPrefix(fmt.Sprint(r["external_id__v"]), "accord:")
		} else if bare, shared := strings.CutSuffix(text, ":s"); ok {
			if text = bare; shared != (part == shareds) {
				w.fail("%s holds %s marked as %s", c.vault(), part, text)
			}
		}
		n, err := strconv.ParseInt(text, 10, 64)
		if !ok || err != nil {
			return thing{}
		}
		return thing{part, n}
	}
	byID := map[string]thing{}
	rows := w.query(c.vault(), "SELECT id, external_id__v, TONAME(type__v) AS kind, TONAME(status__v) AS state, name__v, title__v, description__v, crm_end_date__v, team__c, link__sys, version_link__sys FROM documents")
	for _, r := range rows {
		at := thingOf(r)
		if at.doc == 0 {
			continue
		}
		if was, double := out[at]; double {
			w.fail("%s holds %v twice: %s and %v", c.vault(), at, was.ID, r["id"])
		}
		f := map[string]any{}
		for _, name := range []string{"name__v", "title__v", "description__v", "crm_end_date__v", "team__c", "link__sys", "version_link__sys"} {
			if r[name] != nil {
				f[name] = r[name]
			}
		}
		if !c.ruled(at.part) {
			f["team__c"] = "not compared"
		}
		byID[fmt.Sprint(r["id"])] = at
		out[at] = item{ID: fmt.Sprint(r["id"]), Standing: fmt.Sprint(r["state"]), Fields: canonicalFields(f)}
	}
	members := map[thing][]thing{}
	for _, r := range w.query(c.vault(), "SELECT id, (SELECT content_id__sys, order__sys FROM binder_nodes__sysr) FROM binders") {
		at := byID[fmt.Sprint(r["id"])]
		sub, _ := r["binder_nodes__sysr"].(map[string]any)
		data, _ := sub["data"].([]any)
		slices.SortFunc(data, func(a, b any) int { return int(number64(a, "order__sys") - number64(b, "order__sys")) })
		for _, n := range data {
			if m := byID[fmt.Sprint(n.(map[string]any)["content_id__sys"])]; at.doc != 0 {
				members[at] = append(members[at], m)
			}
		}
	}
	for _, r := range w.query(c.vault(), "SELECT id, source_doc_id__v, target_doc_id__v FROM relationships WHERE relationship_type__v = 'related_shared_resource__v'") {
		if at := byID[fmt.Sprint(r["source_doc_id__v"])]; at.doc != 0 {
			members[at] = append(members[at], byID[fmt.Sprint(r["target_doc_id__v"])])
		}
	}
	for at, x := range out {
		list := members[at]
		if at.part == slides {
			slices.SortFunc(list, thing.compare)
		}
		x.Members = memberText(list)
		out[at] = x
	}
	return out
}

// publishedRecords is published, in the object model, in the words of the other.
func (w *world) publishedRecords(c *crmConfig) items {
	w.t.Helper()
	out, byID := items{}, map[string]thing{}
	prefix := fmt.Sprintf("accord:promomats_crm_clm_object_model__v:%d:", w.ids[source])
	standing := map[string]string{"[active__v]": "approved__v", "[inactive__v]": "obsolete__v"}
	shared := map[thing]string{}
	for object, names := range map[string][]string{"key_message__v": {"is_shared_resource__v", "shared_resource__v"}, "clm_presentation__v": {"end_date__v", "hidden__v", "training__v"}} {
		for _, r := range w.query(c.vault(), "SELECT id, external_id__v, status__v, name__v, description__v, link__sys, vexternal_id__v, "+strings.Join(names, ", ")+" FROM "+object) {
			text, ours := strings.CutPrefix(fmt.Sprint(r["external_id__v"]), prefix)
			text, isShared := strings.CutSuffix(text, ":s")
			doc, err := strconv.ParseInt(text, 10, 64)
			if !ours || err != nil {
				continue
			}
			at := thing{presentations, doc}
			x := item{ID: fmt.Sprint(r["id"]), Standing: standing[fmt.Sprint(r["status__v"])]}
			f := map[string]any{}
			for _, name := range []string{"name__v", "description__v", "link__sys", "vexternal_id__v", "end_date__v", "hidden__v", "training__v"} {
				if r[name] != nil {
					f[name] = r[name]
				}
			}
			x.Fields = canonicalFields(f)
			if object == "key_message__v" {
				at.part = slides
				if r["is_shared_resource__v"] == true {
					at.part = shareds
				}
				if isShared != (at.part == shareds) {
					w.fail("%s holds %v marked otherwise", c.vault(), at)
				}
				if r["shared_resource__v"] != nil {
					shared[at] = fmt.Sprint(r["shared_resource__v"])
				}
			}
			if was, double := out[at]; double {
				w.fail("%s holds %v twice: %s and %s", c.vault(), at, was.ID, x.ID)
			}
			byID[x.ID], out[at] = at, x
		}
	}
	members := map[thing][]thing{}
	rows := w.query(c.vault(), "SELECT id, clm_presentation__v, key_message__v, display_order__v FROM clm_presentation_slide__v WHERE status__v = 'active__v'")
	slices.SortFunc(rows, func(a, b map[string]any) int {
		return int(number64(a, "display_order__v") - number64(b, "display_order__v"))
	})
	for _, r := range rows {
		at := byID[fmt.Sprint(r["clm_presentation__v"])]
		members[at] = append(members[at], byID[fmt.Sprint(r["key_message__v"])])
	}
	for at, x := range out {
		if id := shared[at]; id != "" {
			members[at] = append(members[at], byID[id])
		}
		x.Members = memberText(members[at])
		out[at] = x
	}
	return out
}

// contentDump is what a CRM vault holds of content in a model.
func (w *world) contentDump(c *crmConfig) string {
	if !c.asObjects {
		return w.documentsDump(c.vault())
	}
	var kept []string
	for _, line := range lines(w.dump(c.vault(), "record")) {
		if strings.HasPrefix(line, `{"record":"clm_presentation`) || strings.HasPrefix(line, `{"record":"key_message`) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "\n")
}

func number64(row any, name string) int64 {
	n, _ := strconv.ParseInt(fmt.Sprint(row.(map[string]any)[name]), 10, 64)
	return n
}

// countries reads the Connection Country records of a CRM vault, by country.
func (w *world) countries(c *crmConfig) []string {
	w.t.Helper()
	var out []string
	for _, r := range w.query(source, fmt.Sprintf("SELECT id, country__v FROM crm_connection_country__v WHERE vault_crm_id__v = '%d'", w.ids[c.vault()])) {
		out = append(out, fmt.Sprint(r["country__v"]))
	}
	slices.Sort(out)
	return out
}
