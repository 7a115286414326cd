package syncer

import (
	"encoding/json"
	"maps"
	"slices"

	"accord/providers"
	"accord/state"
)

// inputRoutes and inputWithheld are the syncer's own names in Memory.Inputs:
// the values that routed last time ("*": all, else a JSON list), and that
// nothing was withdrawn because the route table had errors. inputTable is the
// name of what routes, where that is another than before.
const (
	inputRoutes   = "syncer_routes"
	inputWithheld = "syncer_withheld"
	inputTable    = "table"
	allRoutes     = "*"
)

// Names of inputs that mean the same whoever gives them: whom content is for, between
// which instances, and whose run it is.
const (
	inputFilter = "filter"
	inputVaults = "vaults"
	inputEngine = "engine"
)

// changedInputs returns the names of inputs that differ from the last run's.
// Without an earlier run of ours there is nothing to differ from but what was there
// before the plan.
func changedInputs(sync providers.Sync, memory state.Memory) []string {
	if len(memory.Inputs) == 0 {
		var names []string
		for _, name := range slices.Sorted(maps.Keys(sync.Inputs)) { // somebody else's runs went by what was there before
			if was, known := sync.Before[name]; sync.Was && known && was != sync.Inputs[name] {
				names = append(names, name)
			}
		}
		return names
	}
	if engineChanged(memory.Inputs, sync.Inputs) {
		return comparable(memory.Inputs, sync.Inputs)
	}
	var names []string
	for name, digest := range sync.Inputs {
		if memory.Inputs[name] != digest {
			names = append(names, name)
		}
	}
	for name := range memory.Inputs {
		switch _, still := sync.Inputs[name]; {
		case still, name == inputRoutes, name == inputWithheld:
		case slices.Contains(sync.Policy.DelayedInputs, name): // it routes no more, which is no edit of it
			names = append(names, inputTable)
		default:
			names = append(names, name)
		}
	}
	if before, known := memory.Inputs[inputRoutes]; known && (before == allRoutes) != sync.Route.All {
		names = append(names, inputTable)
	}
	return names
}

// Overtaken reports whether a sync was run by another definition than this one since
// what was remembered of it was then. Whoever goes by this one, and does not hold the
// lock of the state, has yet to hear of what was applied meanwhile.
func Overtaken(sync providers.Sync, then, now state.Memory) bool {
	return !maps.Equal(then.Inputs, now.Inputs) && len(changedInputs(sync, now)) > 0
}

func engineChanged(before, now map[string]string) bool {
	return before[inputEngine] != "" && now[inputEngine] != "" && before[inputEngine] != now[inputEngine]
}

// comparable returns the names of inputs that differ, of those that mean the same to
// both engines: all else is worded by each in its own way.
func comparable(before, now map[string]string) (names []string) {
	for _, name := range []string{inputEngine, inputFilter, inputVaults} {
		was, had := before[name]
		if is, has := now[name]; had && has && was != is {
			names = append(names, name)
		}
	}
	return names
}

func inputReason(name string) Reason {
	switch name {
	case inputFilter:
		return FilterEdited
	case inputVaults:
		return VaultChanged
	case inputTable:
		return RouteTableChanged
	case inputEngine:
		return EngineChanged
	default:
		return RuleChanged
	}
}

// routesInput is the value of inputRoutes for a route.
func routesInput(values []string) string {
	text, _ := json.Marshal(values)
	return string(text)
}
