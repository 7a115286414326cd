package main

import (
	"encoding/json"
	"net/http"
	"time"

	"accord/planner/watch"
)

// live answers 200 while the loop comes round, else 503: a start anew would help.
func (s *server) live(w http.ResponseWriter, r *http.Request) {
	st := s.status()
	why := st.Alive(time.Now())
	s.answer(w, r, why, map[string]any{"alive": why == "", "started": st.Started.UTC(), "beats": st.Beats})
}

// health answers 200 while something can be brought over, else 503 and why, with
// what was last heard of each vault.
func (s *server) health(w http.ResponseWriter, r *http.Request) {
	st, now := s.status(), time.Now()
	why := st.Healthy(now)
	answer := map[string]any{"healthy": why == "", "started": st.Started.UTC(), "beats": st.Beats, "serial": st.Serial, "points": len(st.Points)}
	if s.tells(r) {
		vaults := map[string]vaultHealth{}
		for _, v := range st.Vaults {
			vaults[v.Addr.String()] = healthOf(v)
		}
		answer["vaults"] = vaults
	}
	s.answer(w, r, why, answer)
}

// vaultHealth is what was last heard of a vault.
type vaultHealth struct {
	State    string    `json:"state"` // ok | failing: it did not answer when it was asked last | silent: for too long
	Answered time.Time `json:"answered,omitzero"`
	Why      string    `json:"why,omitempty"`
}

func healthOf(v watch.Vault) vaultHealth {
	h := vaultHealth{State: "ok", Answered: v.Answered.UTC()}
	if v.Err != nil {
		h.State, h.Why = "failing", clean(v.Err.Error())
	}
	if v.Silent {
		h.State = "silent"
	}
	return h
}

// tells reports whether whoever asks may know more than that something is wrong.
func (s *server) tells(r *http.Request) bool { return !s.open || s.known(r) }

func (s *server) answer(w http.ResponseWriter, r *http.Request, why string, answer map[string]any) {
	w.Header().Set("Content-Type", "application/json")
	if why != "" {
		w.WriteHeader(http.StatusServiceUnavailable)
		if s.tells(r) {
			answer["why"] = clean(why)
		}
	}
	_ = json.NewEncoder(w).Encode(answer)
}
