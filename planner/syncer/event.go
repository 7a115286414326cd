package syncer

import (
	"time"

	"accord/lang/addrs"
	"accord/providers"
)

// Event is something that happened on the way, for whoever watches: one of
// the types of this file. Events of one Syncer come one at a time.
type Event interface{ event() }

// Started says that a run has its lease and begins.
type Started struct {
	Addr     addrs.Instance `json:"addr"`
	Run      string         `json:"run"`
	Decision Decision       `json:"decision"`
}

// Reading says how far the read of a stream is. A source is read for all
// targets at once.
type Reading struct {
	Instance addrs.Instance `json:"instance"`
	Stream   string         `json:"stream"`
	Records  int            `json:"records"`
	Calls    int            `json:"calls"`
	Done     bool           `json:"done,omitempty"`
}

// Previewed says what a run would do, or is about to.
type Previewed struct {
	Addr   addrs.Instance `json:"addr"`
	Impact *Impact        `json:"impact"`
}

// Waiting says that nothing happens until a moment, and why.
type Waiting struct {
	Addr  addrs.Instance `json:"addr"`
	Until time.Time      `json:"until"`
	Why   string         `json:"why"`
}

// Wrote says that a batch is done. Done counts this verb and part so far,
// failures included.
type Wrote struct {
	Addr   addrs.Instance `json:"addr"`
	Part   string         `json:"part"`
	Verb   providers.Verb `json:"verb"`
	Done   int            `json:"done"`
	Total  int            `json:"total"`
	Failed int            `json:"failed"`
}

// ItemFailed says that one item could not be moved.
type ItemFailed struct {
	Addr    addrs.Instance `json:"addr"`
	Failure Failure        `json:"failure"`
}

// Finished says how a run ended.
type Finished struct {
	Addr    addrs.Instance `json:"addr"`
	Outcome *Outcome       `json:"outcome"`
}

func (Started) event()    {}
func (Reading) event()    {}
func (Previewed) event()  {}
func (Waiting) event()    {}
func (Wrote) event()      {}
func (ItemFailed) event() {}
func (Finished) event()   {}
