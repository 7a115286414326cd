package addrs

import (
	"fmt"
	"strings"
)

// Several names instances of one block, of many the first few, by the first and
// the keys of all: vault.crm["a", "b", … 3 more].
func Several(first Instance, keys []string) string {
	const few = 6
	if len(keys) <= few+1 {
		return SeveralInFull(first, keys)
	}
	named := SeveralInFull(first, keys[:few])
	return fmt.Sprintf("%s, … %d more]", strings.TrimSuffix(named, "]"), len(keys)-few)
}

// SeveralInFull is Several with all of them.
func SeveralInFull(first Instance, keys []string) string {
	if len(keys) == 1 {
		return first.String()
	}
	quoted := make([]string, len(keys))
	for i, k := range keys {
		quoted[i] = fmt.Sprintf("%q", k)
	}
	return fmt.Sprintf("%s[%s]", first.Block, strings.Join(quoted, ", "))
}
