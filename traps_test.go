package accord

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// The README's table of traps names a proof of each: the file is there, it says
// the name of the trap, and it has the tests.
func TestTraps(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(readme), "## Traps that others fell into")
	table, _, _ = strings.Cut(table, "\n## ")
	rows := regexp.MustCompile("(?m)^\\| ([a-z ]+) \\| .* \\| `([^`]+)`([^|]*) \\|$").FindAllStringSubmatch(table, -1)
	if len(rows) != 12 {
		t.Errorf("%d traps in the table", len(rows))
	}
	for _, row := range rows {
		name, path := row[1], row[2]
		proof, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if !strings.Contains(string(proof), "Trap, "+name+":") {
			t.Errorf("%s does not say that it is about the trap, %s", path, name)
		}
		for _, test := range regexp.MustCompile(`Test\w+`).FindAllString(row[3], -1) {
			if !strings.Contains(string(proof), "func "+test+"(t *testing.T)") {
				t.Errorf("%s: %s has no %s", name, path, test)
			}
		}
	}
}
