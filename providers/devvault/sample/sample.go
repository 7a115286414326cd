// Package sample writes content libraries for the development server: as many
// presentations, slides and shared resources as wanted, in all the states that
// content is found in, the same for the same seed.
//
// It knows the vocabulary of a content library and nothing of the server, of
// routing, or of any example. Start with Write.
package sample

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"time"
)

// Params say what a library is like. The zero value of a field takes its default.
type Params struct {
	Seed            uint64    `json:"seed"`
	Presentations   int       `json:"presentations"`
	Slides          int       `json:"slides"`           // over all presentations
	SharedResources int       `json:"shared_resources"` // used by slides of several presentations
	Countries       []Country `json:"countries,omitempty"`
	Products        []string  `json:"products,omitempty"`
	AsOf            time.Time `json:"as_of,omitzero"` // the library's present; 2026-11-01 when zero
	Fields          bool      `json:"fields"`         // with the custom fields audience__c and therapy_area__c
	DraftSlides     int       `json:"draft_slides"`   // one slide in so many is still a draft, so that its presentation cannot go; 0: none
}

// Country is a country__v record and its share of the presentations.
type Country struct {
	Key    string   `json:"key"` // external_id__v
	Name   string   `json:"name"`
	Values []string `json:"values"` // of country_cda__v
	Weight int      `json:"weight"`
}

// Decode reads Params, and refuses fields it does not know.
func Decode(r io.Reader) (Params, error) {
	var p Params
	d := json.NewDecoder(r)
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		return p, fmt.Errorf("read what the sample is like: %w", err)
	}
	return p, nil
}

var someProducts = []string{"Cholecap", "Restolar", "Labrinone", "Nyaxa", "Gludacta", "Immunexa"}

var someCountries = []Country{{Key: "us", Name: "United States", Values: []string{"us__v"}, Weight: 1}}

// Write writes the library as JSON lines, members before what names them.
func Write(w io.Writer, p Params) error {
	if p.Presentations < 0 || p.Slides < 0 || p.SharedResources < 0 || p.Slides > 0 && p.Presentations == 0 {
		return errors.New("a sample has slides only where it has presentations, and no negative numbers")
	}
	if p.Products == nil {
		p.Products = someProducts
	}
	if p.Countries == nil {
		p.Countries = someCountries
	}
	if p.AsOf.IsZero() {
		p.AsOf = time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)
	}
	out := bufio.NewWriterSize(w, 1<<16)
	g := &generator{Params: p, random: rand.New(rand.NewPCG(p.Seed, 0x5eed)), lines: json.NewEncoder(out)}
	g.lines.SetEscapeHTML(false)
	g.all()
	if g.err != nil {
		return g.err
	}
	return out.Flush()
}

type generator struct {
	Params
	random *rand.Rand
	lines  *json.Encoder
	err    error
}

func (g *generator) line(v any) {
	if g.err == nil {
		g.err = g.lines.Encode(v)
	}
}

type row map[string]any

type document struct {
	Document  string         `json:"document,omitempty"`
	Binder    string         `json:"binder,omitempty"`
	Type      string         `json:"type"`
	Lifecycle string         `json:"lifecycle"`
	Fields    row            `json:"fields"`
	Nodes     []string       `json:"nodes,omitempty"`
	Versions  []version      `json:"versions"`
	Files     map[string]int `json:"renditions,omitempty"`
}

type version struct {
	Number   string    `json:"number"`
	State    string    `json:"state"`
	Modified time.Time `json:"modified"`
	Fields   row       `json:"fields,omitempty"`
	Nodes    []string  `json:"nodes,omitempty"`
}

const (
	lifecycle = "promo_mats_lifecycle__v"
	slideType = "multichannel_slide__v"
	binder    = "multichannel_presentation__v"
)

func (g *generator) all() {
	if g.Fields {
		g.customField("audience__c", "Audience", "hcp__c", "HCP", "patient__c", "Patient")
		g.customField("therapy_area__c", "Therapy Area", "cardiology__c", "Cardiology", "oncology__c", "Oncology")
	}
	for _, c := range g.Countries {
		g.line(row{"record": "country__v", "key": c.Key, "fields": row{"name__v": c.Name, "country_cda__v": c.Values}})
	}
	for i, name := range g.Products {
		g.line(row{"record": "product__v", "key": fmt.Sprintf("product-%d", i+1), "fields": row{"name__v": name}})
	}
	for n := range g.SharedResources {
		g.sharedResource(n)
	}
	slide := 0
	for n := range g.Presentations {
		// Slides are spread as evenly as their number allows, then unevenly by
		// a slide or two between neighbours.
		upTo := g.Slides * (n + 1) / g.Presentations
		if n+1 < g.Presentations && upTo-slide > 2 {
			upTo += g.random.IntN(3) - 1
		}
		g.presentation(n, slide, upTo)
		slide = upTo
	}
}

// customField adds a picklist field; values are names and labels in turn.
func (g *generator) customField(name, label string, values ...string) {
	entries := ""
	for i := 0; i+1 < len(values); i += 2 {
		entries += fmt.Sprintf(", Picklistentry %s(value('%s'), order(%d), active(true))", values[i], values[i+1], i/2)
	}
	g.line(row{"mdl": fmt.Sprintf("RECREATE Picklist %s (label('%s'), active(true)%s);", name, label, entries)})
	g.line(row{"mdl": fmt.Sprintf("RECREATE Docfield %s (label('%s'), active(true), required(false), shared(true), type('Picklist'), picklist('%s'), multi_value(false), display_section('general'));", name, label, name)})
}

// standing is what a presentation of the sample is like.
type standing struct {
	weight   int
	versions []string // number and state, oldest first
	publish  bool
	expired  bool
	blank    bool
}

var standings = []standing{
	{weight: 58, versions: []string{"1.0 approved__v"}, publish: true},
	{weight: 12, versions: []string{"1.0 superseded__v", "2.0 approved__v"}, publish: true},
	{weight: 7, versions: []string{"1.0 approved__v", "1.1 draft__v"}, publish: true},
	{weight: 6, versions: []string{"0.1 draft__v"}, publish: true},
	{weight: 3, versions: []string{"0.1 draft__v", "0.2 in_review__v"}, publish: true},
	{weight: 4, versions: []string{"1.0 approved__v"}},
	{weight: 4, versions: []string{"1.0 obsolete__v"}, publish: true},
	{weight: 3, versions: []string{"1.0 approved__v"}, publish: true, expired: true},
	{weight: 3, versions: []string{"1.0 approved__v"}, publish: true, blank: true},
}

func (g *generator) standing() standing {
	total := 0
	for _, s := range standings {
		total += s.weight
	}
	n := g.random.IntN(total)
	for _, s := range standings {
		if n -= s.weight; n < 0 {
			return s
		}
	}
	return standings[0]
}

func (g *generator) country() []string {
	total := 0
	for _, c := range g.Countries {
		total += c.Weight
	}
	pick := func() string {
		n := g.random.IntN(max(total, 1))
		for _, c := range g.Countries {
			if n -= c.Weight; n < 0 {
				return c.Key
			}
		}
		return g.Countries[0].Key
	}
	keys := []string{pick()}
	if g.random.IntN(20) == 0 { // now and then for two countries
		if second := pick(); second != keys[0] {
			keys = append(keys, second)
		}
	}
	return keys
}

// when is a moment of the last two years, in whole minutes.
func (g *generator) when() time.Time {
	return g.AsOf.Add(-time.Duration(g.random.IntN(2*365*24*60)) * time.Minute)
}

func shared(n int) string       { return fmt.Sprintf("shared-%05d", n+1) }
func slide(n int) string        { return fmt.Sprintf("slide-%06d", n+1) }
func presentation(n int) string { return fmt.Sprintf("presentation-%06d", n+1) }

func (g *generator) sharedResource(n int) {
	g.line(document{
		Document: shared(n), Type: slideType, Lifecycle: lifecycle,
		Fields: row{
			"name__v": fmt.Sprintf("%s shared resource %d", g.Products[n%len(g.Products)], n+1), "title__v": "Shared resource",
			"is_shared_resource__v": true, "clm_content__v": true, "crm_media_type__v": "html__v",
		},
		Versions: []version{{Number: "1.0", State: "approved__v", Modified: g.when()}},
		Files:    map[string]int{"viewable_rendition__v": 4096},
	})
}

func (g *generator) presentation(n, from, to int) {
	s := g.standing()
	product := g.random.IntN(len(g.Products))
	title := titles[g.random.IntN(len(titles))]
	countries := g.country()
	common := row{
		"product__v.external_id__v": []string{fmt.Sprintf("product-%d", product+1)},
		"clm_content__v":            s.publish,
	}
	if !s.blank {
		common["country__v.external_id__v"] = countries
	}
	if g.Fields && g.random.IntN(4) > 0 {
		common["audience__c"] = []string{"hcp__c", "patient__c"}[g.random.IntN(2)]
		common["therapy_area__c"] = []string{"cardiology__c", "oncology__c"}[g.random.IntN(2)]
	}
	with := func(more row) row {
		out := row{}
		for k, v := range common {
			out[k] = v
		}
		for k, v := range more {
			out[k] = v
		}
		return out
	}
	var nodes []string
	modified := g.when()
	for i := from; i < to; i++ {
		fields := with(row{
			"name__v":           fmt.Sprintf("%s %s %d", g.Products[product], title, i+1),
			"title__v":          fmt.Sprintf("%s · %d", title, i-from+1),
			"crm_media_type__v": "html__v", "is_shared_resource__v": false, "clm_content__v": true,
		})
		state := "approved__v"
		number := "1.0"
		if g.DraftSlides > 0 && g.random.IntN(g.DraftSlides) == 0 {
			state, number = "draft__v", "0.1"
		}
		g.line(document{
			Document: slide(i), Type: slideType, Lifecycle: lifecycle, Fields: fields,
			Versions: []version{{Number: number, State: state, Modified: modified.Add(-time.Duration(to-i) * time.Minute)}},
			Files:    map[string]int{"viewable_rendition__v": 20480},
		})
		nodes = append(nodes, slide(i))
		if g.SharedResources > 0 && g.random.IntN(3) == 0 {
			g.line(row{"relationship": "related_shared_resource__v", "source": slide(i), "target": shared(g.random.IntN(g.SharedResources))})
		}
	}
	if g.random.IntN(25) == 0 && from > 0 { // a slide of another presentation
		nodes = append(nodes, slide(g.random.IntN(from)))
	}
	d := document{Binder: presentation(n), Type: binder, Lifecycle: lifecycle, Nodes: nodes, Fields: with(row{
		"name__v":        fmt.Sprintf("%s %s %04d", g.Products[product], title, n+1),
		"title__v":       title,
		"description__v": fmt.Sprintf("%s for %s", title, g.Products[product]),
	})}
	if s.expired {
		d.Fields["crm_start_date__v"] = g.AsOf.AddDate(-1, 0, 0).Format(time.DateOnly)
		d.Fields["crm_end_date__v"] = g.AsOf.AddDate(0, 0, -1-g.random.IntN(90)).Format(time.DateOnly)
	}
	for i, v := range s.versions {
		var x version
		_, _ = fmt.Sscan(v, &x.Number, &x.State)
		x.Modified = modified.Add(time.Duration(i) * time.Hour)
		if i > 0 {
			x.Fields = row{"title__v": fmt.Sprintf("%s (%d)", title, i+1)}
			if len(nodes) > 1 { // a later version shows its slides in another order
				x.Nodes = slices.Clone(nodes)
				slices.Reverse(x.Nodes)
			}
		}
		d.Versions = append(d.Versions, x)
	}
	g.line(d)
}

// titles in several scripts, as a global library has them.
var titles = []string{
	"Mechanism of action", "Efficacy and safety", "Dosing in practice", "Patient journey", "Phase III results", "Long-term follow-up",
	"Mécanisme d’action", "Wirksamkeit und Verträglichkeit", "Eficacia en la vida real", "Recomendações de dose",
	"作用機序", "安全性プロファイル", "作用机制", "임상 결과", "Αποτελεσματικότητα", "Механизм действия", "آلية العمل", "מנגנון פעולה", "กลไกการออกฤทธิ์",
	"Étude de phase III — résultats", "Q&A: «what patients ask»", "Launch 🚀 deck",
}
