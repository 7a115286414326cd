package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"accord/lang/addrs"
	"accord/planner/syncer"
	"accord/state"
)

// Allowance reads the -allow flags that are about one sync:
// withdraw:ADDRESS=N, publish:ADDRESS=N.
func Allowance(flags []string, sync addrs.Instance) (state.Allowance, error) {
	var a state.Allowance
	for _, f := range flags {
		what, addr, n, err := parseAllow(f)
		if err != nil {
			return a, err
		}
		if addr != sync {
			continue
		}
		switch what {
		case "withdraw":
			a.Withdraw = n
		case "publish":
			a.Publish = n
		}
	}
	return a, nil
}

// CheckAllow refuses what is no -allow flag, before anybody is asked anything.
func CheckAllow(flags []string) error {
	for _, f := range flags {
		if _, _, _, err := parseAllow(f); err != nil {
			return err
		}
	}
	return nil
}

func parseAllow(flag string) (what string, addr addrs.Instance, n int, err error) {
	what, rest, ok := strings.Cut(flag, ":")
	cut := strings.LastIndexByte(rest, '=')
	if what == "delete" {
		return "", addr, 0, fmt.Errorf("%q: no run deletes anything; what leaves a CRM vault is withdrawn, by the word withdraw", flag)
	}
	if !ok || cut < 0 || what != "withdraw" && what != "publish" {
		return "", addr, 0, fmt.Errorf(`%q is not of the form withdraw:ADDRESS=N or publish:ADDRESS=N`, flag)
	}
	if addr, err = addrs.ParseInstance(rest[:cut]); err != nil {
		return "", addr, 0, err
	}
	if n, err = strconv.Atoi(rest[cut+1:]); err != nil || n < 0 {
		return "", addr, 0, fmt.Errorf("%q in %q is not a number of items", rest[cut+1:], flag)
	}
	return what, addr, n, nil
}

// CheckAllowFor is CheckAllow, and refuses a flag that is about none of the syncs.
func CheckAllowFor(flags []string, tasks []syncer.Task) error {
	var there []string
	for _, t := range tasks {
		there = append(there, t.Sync.Addr.String())
	}
	for _, f := range flags {
		_, addr, _, err := parseAllow(f)
		if err != nil {
			return err
		}
		if !slices.Contains(there, addr.String()) {
			return fmt.Errorf("no sync has the address %s; there are: %s", addr, FirstOf(there))
		}
	}
	return nil
}

// FirstOf lists the first of some names, for a message that says what there is.
func FirstOf(names []string) string {
	const few = 8
	if len(names) > few {
		return strings.Join(names[:few], ", ") + ", …"
	}
	return cmp.Or(strings.Join(names, ", "), "none")
}
