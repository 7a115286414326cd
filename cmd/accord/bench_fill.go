package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"

	"accord/providers/devvault/sample"
	"accord/providers/vault"
)

// benchItem is a document of the sample as CRM vaults would hold it.
type benchItem struct {
	id                        int64 // in the content vault: its place in the library
	version                   int   // what is published of it, counted from 1; 0: nothing
	name, title, text, medium string
	countries                 []string
	nodes                     []string // of a presentation: slides, by external id
	shared                    []string // of a slide: shared resources
}

// benchLibrary is all that of a sample which a CRM vault could hold.
type benchLibrary struct {
	items                         map[string]*benchItem // by external id
	shared, slides, presentations []string              // in the library's order
}

// readLibrary reads a sample as it is written.
func readLibrary(p sample.Params) (*benchLibrary, error) {
	r, w := io.Pipe()
	defer r.Close()
	go func() { w.CloseWithError(sample.Write(w, p)) }()
	l := &benchLibrary{items: map[string]*benchItem{}}
	type version struct {
		State  string
		Fields struct {
			Title string `json:"title__v"`
		}
		Nodes []string
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 16<<20)
	for id := int64(1); lines.Scan(); {
		var x struct {
			Document, Binder, Relationship, Source, Target string
			Nodes                                          []string
			Versions                                       []version
			Fields                                         struct {
				Name      string   `json:"name__v"`
				Title     string   `json:"title__v"`
				Text      string   `json:"description__v"`
				Medium    string   `json:"crm_media_type__v"`
				Shared    bool     `json:"is_shared_resource__v"`
				Publish   bool     `json:"clm_content__v"`
				Ends      string   `json:"crm_end_date__v"`
				Countries []string `json:"country__v.external_id__v"`
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &x); err != nil {
			return nil, err
		}
		if x.Relationship != "" {
			if from := l.items[x.Source]; !slices.Contains(from.shared, x.Target) {
				from.shared = append(from.shared, x.Target)
			}
			continue
		}
		key := x.Document + x.Binder
		if key == "" {
			continue
		}
		item := &benchItem{id: id, name: x.Fields.Name, title: x.Fields.Title, text: x.Fields.Text, medium: x.Fields.Medium, nodes: x.Nodes}
		id++
		l.items[key] = item
		switch {
		case x.Binder != "":
			l.presentations = append(l.presentations, key)
			item.countries = x.Fields.Countries
		case x.Fields.Shared:
			l.shared = append(l.shared, key)
		default:
			l.slides = append(l.slides, key)
		}
		for n, v := range x.Versions { // an end date of the sample has always passed
			if v.State == "approved__v" && x.Fields.Publish && x.Fields.Ends == "" {
				item.version = n + 1
				if v.Fields.Title != "" {
					item.title = v.Fields.Title
				}
				if v.Nodes != nil {
					item.nodes = v.Nodes
				}
			}
		}
	}
	return l, lines.Err()
}

// heldBy writes the library of a CRM vault to which this content vault
// publishes the presentations of a country, or all of them.
func (l *benchLibrary) heldBy(w io.Writer, source int64, country string) error {
	needed := map[string]bool{}
	var presentations []string
	for _, key := range l.presentations {
		item := l.items[key]
		if item.version == 0 || country != "" && !slices.Contains(item.countries, country) {
			continue
		}
		presentations = append(presentations, key)
		for _, slide := range item.nodes {
			needed[slide] = true
			for _, shared := range l.items[slide].shared {
				needed[shared] = true
			}
		}
	}
	out := bufio.NewWriterSize(w, 1<<16)
	lines := json.NewEncoder(out)
	type row map[string]any
	shared := map[string]bool{}
	for _, key := range l.shared {
		shared[key] = true
	}
	mark := func(key string) string { return vault.Mark(barePointCLM, source, l.items[key].id, shared[key]) }
	marks := func(keys []string) []string {
		list := make([]string, len(keys))
		for n, key := range keys {
			list[n] = mark(key)
		}
		return list
	}
	document := func(key, kind, typ string, more row) error {
		item := l.items[key]
		fields := row{
			"name__v": item.name, "title__v": item.title,
			"link__sys": fmt.Sprintf("%d_%d", source, item.id), "version_link__sys": fmt.Sprintf("%d_%d_%d", source, item.id, item.version),
		}
		for name, v := range map[string]string{"description__v": item.text, "crm_media_type__v": item.medium} {
			if v != "" {
				fields[name] = v
			}
		}
		line := row{kind: mark(key), "type": typ, "lifecycle": "crm_content__v", "fields": fields, "versions": []row{{"number": "1.0", "state": "approved__v"}}}
		for name, v := range more {
			line[name] = v
		}
		return lines.Encode(line)
	}
	link := func(key string) row {
		return row{"source_vault": "promomats", "source": key, "rule": "Latest Steady State version"}
	}
	for _, part := range []struct {
		keys []string
		typ  string
	}{{l.shared, vault.TargetShared}, {l.slides, vault.TargetSlide}} {
		for _, key := range part.keys {
			if !needed[key] {
				continue
			}
			if err := document(key, "crosslink", part.typ, link(key)); err != nil {
				return err
			}
			for _, shared := range l.items[key].shared {
				if err := lines.Encode(row{"relationship": vault.RelationShared, "source": mark(key), "target": mark(shared)}); err != nil {
					return err
				}
			}
		}
	}
	for _, key := range presentations {
		if err := document(key, "binder", vault.TargetPresentation, row{"nodes": marks(l.items[key].nodes)}); err != nil {
			return err
		}
	}
	return out.Flush()
}

// fill loads into the CRM vaults what a full sync would have left there.
func (b *benchSync) fill(ctx context.Context, dev *devServer) error {
	library, err := readLibrary(b.library())
	if err != nil {
		return err
	}
	vaults, err := bareVaults(ctx, dev)
	if err != nil {
		return err
	}
	for n := range b.vaults {
		country := ""
		if b.share {
			country = benchCountries[n]
		}
		r, w := io.Pipe()
		go func() { w.CloseWithError(library.heldBy(w, vaults["promomats"], country)) }()
		err := dev.control(ctx, http.MethodPost, fmt.Sprintf("load/crm-%d?name=held", n+1), r, nil)
		r.Close()
		if err != nil {
			return fmt.Errorf("fill the CRM vaults: %w", err)
		}
	}
	return nil
}

// bareVaults are the ids of a server's vaults, by name.
func bareVaults(ctx context.Context, dev *devServer) (map[string]int64, error) {
	var answer struct {
		Vaults []struct {
			Name string
			ID   int64
		}
	}
	if err := dev.control(ctx, http.MethodGet, "vaults", nil, &answer); err != nil {
		return nil, err
	}
	ids := map[string]int64{}
	for _, v := range answer.Vaults {
		ids[v.Name] = v.ID
	}
	return ids, nil
}
