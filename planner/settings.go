package planner

import (
	"encoding/json"
	"time"

	"accord/lang"
	"accord/lang/addrs"
	"accord/state"
)

// SettingsType is the type of the state entry that remembers the settings of
// the last apply: sync and serve run what was applied, never the files.
const SettingsType = "accord"

// Settings are the settings of the accord block that runs need.
type Settings struct {
	FilterDelay    time.Duration `json:"filter_delay"`
	FullRetryAfter time.Duration `json:"full_retry_after"`
	PlatformWait   time.Duration `json:"platform_timeout"`
	MaxWithdrawn   Limit         `json:"max_withdrawn"`
	MaxPublished   Limit         `json:"max_published"`
	IgnoreBelow    int           `json:"ignore_below"`
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
	}
}

// AppliedSettings reads the settings that the last apply remembered.
func AppliedSettings(s *state.State) (Settings, bool) {
	var out Settings
	o := s.Objects[settingsAddr]
	return out, o != nil && json.Unmarshal(o.Body, &out) == nil
}

var settingsAddr = addrs.New(SettingsType, "settings")

func (s Settings) entry() *state.Object {
	body, _ := json.Marshal(s)
	return &state.Object{Addr: settingsAddr, Type: SettingsType, Body: body}
}
