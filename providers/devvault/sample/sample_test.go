package sample

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func write(t *testing.T, p Params) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, p); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestSameSeedSameLibrary(t *testing.T) {
	p := Params{Seed: 7, Presentations: 40, Slides: 200, SharedResources: 9, Fields: true}
	if !bytes.Equal(write(t, p), write(t, p)) {
		t.Error("two libraries of one seed differ")
	}
	other := p
	other.Seed = 8
	if bytes.Equal(write(t, p), write(t, other)) {
		t.Error("two seeds give one library")
	}
}

// Everything is there in the number that was asked for, in every state, and a
// line names only what came before it.
func TestLibraryIsComplete(t *testing.T) {
	const presentations, slides, shared = 500, 2500, 30
	seen := map[string]bool{}
	states := map[string]int{}
	counts := map[string]int{}
	for _, line := range strings.Split(strings.TrimSpace(string(write(t, Params{Seed: 1, Presentations: presentations, Slides: slides, SharedResources: shared}))), "\n") {
		var d struct {
			document
			Relationship, Source, Target string
		}
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Fatal(err)
		}
		for _, n := range append(d.Nodes, d.Source, d.Target) {
			if n != "" && !seen[n] {
				t.Fatalf("%s is named before it is there", n)
			}
		}
		switch {
		case d.Binder != "":
			counts["binder"]++
			states[d.Versions[len(d.Versions)-1].State]++
			seen[d.Binder] = true
		case d.Document != "":
			counts[d.Document[:strings.Index(d.Document, "-")]]++
			seen[d.Document] = true
		case d.Relationship != "":
			counts["relationship"]++
		}
	}
	if counts["binder"] != presentations || counts["slide"] != slides || counts["shared"] != shared || counts["relationship"] == 0 {
		t.Errorf("counts: %v", counts)
	}
	for _, s := range []string{"approved__v", "draft__v", "in_review__v", "obsolete__v"} {
		if states[s] == 0 {
			t.Errorf("no presentation is in state %s: %v", s, states)
		}
	}
}
