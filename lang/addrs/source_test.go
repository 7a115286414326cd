package addrs

import (
	"strings"
	"testing"
)

func TestParseSource(t *testing.T) {
	for text, want := range map[string]Source{
		"acme/notes":                {Namespace: "acme", Name: "notes"},
		"example.com/acme/notes":    {Host: "example.com", Namespace: "acme", Name: "notes"},
		"git.example.com/a_b/x-1":   {Host: "git.example.com", Namespace: "a_b", Name: "x-1"},
		"localhost/console/con-air": {Host: "localhost", Namespace: "console", Name: "con-air"},
	} {
		got, err := ParseSource(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "notes", "/notes", "acme/", "a//b", "../acme/notes", "acme/..", "./notes", "a/b/c/d", `acme\notes`, "acme/notes ",
		"Acme/notes", "acme/Notes", "acme/no_tes", "acme/no.tes", "-a/notes", "a./notes", "acme/notes\n", "acme/nötes", "localhost:8080/a/b",
		"con/notes", "acme/nul", "aux.example/acme/notes", "com1.x/acme/notes", "lpt9/notes", strings.Repeat("a", 64) + "/notes",
	} {
		if got, err := ParseSource(text); err == nil {
			t.Errorf("%q is read as %+v", text, got)
		}
	}
}
