package lang

import (
	"fmt"
	"strings"
)

// suggest returns the name nearest to a given one, "" where none is near: at
// most a third of its letters may differ.
func suggest(given string, names []string) string {
	best, least := "", max(1, len([]rune(given))/3)+1
	for _, name := range names {
		if strings.EqualFold(given, name) && given != name {
			return name
		}
		if d := distance(given, name); d > 0 && d < least {
			best, least = name, d
		}
	}
	return best
}

// didYouMean is the sentence for suggest, with a space before it.
func didYouMean(given string, names []string) string {
	if s := suggest(given, names); s != "" {
		return fmt.Sprintf(" Did you mean %q?", s)
	}
	return ""
}

// distance counts the insertions, deletions, substitutions and swaps of
// neighbours that make b of a.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	if d := len(s) - len(t); d > 4 || d < -4 {
		return 5
	}
	before, last, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range last {
		last[j] = j
	}
	for i := range s {
		row[0] = i + 1
		for j := range t {
			cost := 1
			if s[i] == t[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(t)]
}

// enumerate joins names for a sentence, the first few of many.
func enumerate(names []string) string {
	const few = 8
	quoted := make([]string, 0, few)
	for _, name := range names[:min(few, len(names))] {
		quoted = append(quoted, fmt.Sprintf("%q", name))
	}
	s := strings.Join(quoted, ", ")
	if more := len(names) - few; more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}
