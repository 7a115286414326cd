package planner

import (
	"encoding/json"
	"slices"
	"strings"
	"time"

	"accord/lang"
	"accord/lang/addrs"
	"accord/planner/notify"
	"accord/state"
)

// ownType is the type of accord's own entries in the state: the settings of the last
// apply, since sync and serve run what was applied and never the files, and the last
// operation.
const ownType = "accord"

// Remembered are the objects of a state that have blocks, in the order of their
// addresses: all but accord's own entries, its settings and its last operation.
func Remembered(s *state.State) []*state.Object {
	return slices.DeleteFunc(s.Sorted(), func(o *state.Object) bool { return o.Type == ownType })
}

// Settings are the settings of the accord block that runs need.
type Settings struct {
	FilterDelay    time.Duration `json:"filter_delay"`
	FullRetryAfter time.Duration `json:"full_retry_after"`
	PlatformWait   time.Duration `json:"platform_timeout"`
	MaxWithdrawn   Limit         `json:"max_withdrawn"`
	MaxPublished   Limit         `json:"max_published"`
	IgnoreBelow    int           `json:"ignore_below"`

	// Who is told of runs, as the journal calls them (CONN-6), and how often serve
	// looks. Both stand in the files; here, so that whoever serves sees that others
	// were applied.
	Told     string        `json:"told"`
	Interval time.Duration `json:"interval"`
}

// Limit is a share, and the line that sets it.
type Limit struct {
	Share float64 `json:"share"`
	Place string  `json:"place"`
}

// SettingsOf takes the settings out of a configuration.
func SettingsOf(s lang.Settings) Settings {
	return Settings{
		FilterDelay:    s.Sync.FilterDelay,
		FullRetryAfter: s.Sync.FullRetryAfter,
		PlatformWait:   s.Sync.PlatformTimeout,
		MaxWithdrawn:   Limit{s.Limits.MaxWithdrawn.Share, s.Limits.MaxWithdrawn.Place()},
		MaxPublished:   Limit{s.Limits.MaxPublished.Share, s.Limits.MaxPublished.Place()},
		IgnoreBelow:    s.Limits.IgnoreBelow,
		Told:           strings.Join(Told(s), ", "),
		Interval:       s.Serve.Interval,
	}
}

// Told names those who are told of runs, as the journal calls them.
func Told(s lang.Settings) []string {
	names := make([]string, len(s.Notify))
	for i := range s.Notify {
		names[i] = notify.NameOf(s.Notify[i].Place())
	}
	return names
}

// AppliedSettings reads the settings that the last apply remembered.
func AppliedSettings(s *state.State) (Settings, bool) {
	var out Settings
	o := s.Objects[settingsAddr]
	return out, o != nil && json.Unmarshal(o.Body, &out) == nil
}

var settingsAddr = addrs.New(ownType, "settings")

func (s Settings) entry() *state.Object {
	body, _ := json.Marshal(s)
	return &state.Object{Addr: settingsAddr, Type: ownType, Body: body}
}
