package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What counts of a document is its newest approved version, or with RULE-4 off its
// latest, and each change of which one that is reaches the CRM vault by an incremental
// run (CLM-1, CLM-3, CLM-7): where a version is deleted, where it becomes another
// document, where two of them are approved at a time.
func TestWhichVersionCounts(t *testing.T) {
	t.Parallel()
	withoutRaces(t)
	becomes := func(what, typ string) [3]string {
		return [3]string{"PUT", what, "reclassify=true&type__v=" + typ + "&lifecycle__v=promo_mats_lifecycle__v"}
	}
	retype := func(what string) [3]string { return becomes(what, "material__v") }
	const approved, two = `{"number": "1.0", "state": "approved__v"}`, `{"number": "1.0", "state": "approved__v"}, {"number": "2.0", "state": "approved__v"}`
	for name, c := range map[string]struct {
		slide, presentation string // their versions
		shared              bool   // the slide is a shared resource
		anyVersion          bool   // RULE-4 is off
		do                  [][3]string
	}{
		"the approved one is deleted": {
			slide: approved, presentation: `{"number": "1.0", "state": "superseded__v"}, {"number": "2.0", "state": "approved__v"}`,
			do: [][3]string{{"DELETE", "binders/%s/versions/2/0"}},
		},
		"the latest one is deleted": {
			slide: approved, presentation: approved + `, {"number": "1.1", "state": "draft__v", "fields": {"title__v": "Draft"}, "nodes": ["s1"]}`,
			anyVersion: true, do: [][3]string{{"DELETE", "binders/%s/versions/1/1"}},
		},
		"of two approved ones the newer is another document": {
			slide: approved, presentation: two, do: [][3]string{retype("binders/%s")},
		},
		"and obsolete": {
			slide: approved, presentation: two,
			do: [][3]string{retype("binders/%s"), {"PUT", "binders/%s/versions/2/0/lifecycle_actions/make_obsolete__v"}},
		},
		"and it is a slide": {slide: two, presentation: approved, do: [][3]string{retype("documents/%s")}},
		"the newer one of a slide is yet to be approved, and will be a shared resource": {
			slide: approved + `, {"number": "2.0", "state": "in_review__v"}`, presentation: approved,
			do: [][3]string{{"PUT", "documents/%s", "is_shared_resource__v=true"}, {"PUT", "binders/%s", "title__v=New"}},
		},
		"the newer one of a shared resource is yet to be approved, and will be a slide": {
			slide: approved + `, {"number": "2.0", "state": "in_review__v"}`, presentation: approved, shared: true,
			do: [][3]string{{"PUT", "documents/%s", "is_shared_resource__v=false"}, {"PUT", "binders/%s", "title__v=New"}},
		},
		"of two approved ones of a shared resource the newer is a slide": {
			slide: two, presentation: approved, shared: true, do: [][3]string{{"PUT", "documents/%s", "is_shared_resource__v=false"}},
		},
		"the presentation is a slide, and of no use as one": {
			slide: approved, presentation: approved, do: [][3]string{becomes("binders/%s", "multichannel_slide__v")},
		},
		"the slide is a presentation, and of no use as one": {
			slide: approved, presentation: approved, do: [][3]string{becomes("documents/%s", "multichannel_presentation__v"), {"PUT", "binders/%s", "title__v=New"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			crm := &crmConfig{key: "a", clm: true, onUnapproved: "withdraw"}
			if c.anyVersion {
				crm.environment, crm.rule = "sandbox", "inactive"
			}
			w := newWorld(t, !c.anyVersion, crm)
			w.load(source, `{"document": "s1", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "One"}, "versions": [`+approved+`]}
{"document": "s2", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Two", "is_shared_resource__v": `+strconv.FormatBool(c.shared)+`}, "versions": [`+c.slide+`]}
{"binder": "p1", "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Launch", "clm_content__v": true}, "nodes": ["s1", "s2"], "versions": [`+c.presentation+`]}
`)
			if _, _, err := w.apply(t.Context()); err != nil {
				t.Fatal(err)
			}
			before := w.published(crm)
			if len(before) == 0 {
				t.Fatalf("published: %v", text(before))
			}
			w.clock.pass(time.Hour)
			for _, d := range c.do {
				key := "s2"
				if strings.HasPrefix(d[1], "binders") {
					key = "p1"
				}
				id := w.query(source, "SELECT id FROM documents WHERE external_id__v = '"+key+"'")[0]["id"]
				form, err := url.ParseQuery(d[2])
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.call(d[0], source, "objects/"+fmt.Sprintf(d[1], fmt.Sprint(id)), form); err != nil {
					t.Fatal(err)
				}
			}
			want := text(w.library().expected(w, crm, before))
			for _, full := range []bool{false, true} {
				w.clock.pass(time.Hour)
				if _, _, err := w.sync(t.Context(), full); err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, text(w.published(crm))); diff != "" {
					t.Errorf("full = %v (-the rules +the vault)\n%s", full, diff)
				}
			}
		})
	}
}

// A document on the vault's list of deletions that is there again is as it is there
// (CLM-1, CLM-7), and not withdrawn by an incremental run.
func TestDeletedAndThereAgain(t *testing.T) {
	t.Parallel()
	withoutRaces(t)
	crm := &crmConfig{key: "a", clm: true}
	w := newWorld(t, true, crm)
	w.load(source, `{"document": "s1", "type": "multichannel_slide__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "One"}, "versions": [{"number": "1.0", "state": "approved__v"}]}
{"binder": "p1", "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Launch", "clm_content__v": true}, "nodes": ["s1"], "versions": [{"number": "1.0", "state": "approved__v"}]}
{"binder": "p2", "type": "multichannel_presentation__v", "lifecycle": "promo_mats_lifecycle__v", "fields": {"name__v": "Gone", "clm_content__v": true}, "nodes": ["s1"], "versions": [{"number": "1.0", "state": "approved__v"}]}
`)
	w.clock.pass(time.Hour)
	w.applyCleanly()
	w.clock.pass(time.Hour)
	ids := map[string]string{}
	for _, r := range w.query(source, "SELECT id, external_id__v FROM documents") {
		ids[fmt.Sprint(r["external_id__v"])] = fmt.Sprint(r["id"])
	}
	w.must(w.call("DELETE", source, "objects/binders/"+ids["p2"], nil))
	w.answer(func(to http.ResponseWriter, vault, _, path, _ string) bool {
		if vault != source || path != "objects/deletions/documents" {
			return false
		}
		var rows []string
		for _, key := range []string{"s1", "p1", "p2"} {
			rows = append(rows, fmt.Sprintf(`{"id": %s, "global_id__sys": "1_1", "major_version_number__v": "", "minor_version_number__v": "", "external_id__v": %q, "date_deleted": "2026-11-02T09:30:00Z", "deletion_type": "document__sys"}`, ids[key], key))
		}
		fmt.Fprintf(to, `{"responseStatus": "SUCCESS", "responseMessage": "OK", "responseDetails": {"total": 3, "size": 3, "limit": 1000, "offset": 0}, "data": [%s]}`, strings.Join(rows, ", "))
		return true
	})
	want := text(w.library().expected(w, crm, w.published(crm)))
	for _, full := range []bool{false, true} {
		w.clock.pass(time.Hour)
		w.syncs(full)
		if diff := cmp.Diff(want, text(w.published(crm))); diff != "" {
			t.Errorf("full = %v (-the rules +the vault)\n%s", full, diff)
		}
	}
}
