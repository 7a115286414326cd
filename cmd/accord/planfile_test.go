package main

import (
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"time"

	"accord/planner/plan"
)

// FuzzShowPlan must not panic in any rendering of a plan file that somebody
// forged, its digest with it, nor when what is left of it is compared.
func FuzzShowPlan(f *testing.F) {
	b, err := json.Marshal(&plan.File{Plan: aPlan("Switzerland")})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"plan":{"steps":[{},{"ref":{"sync":true}},{"item":{}}],"syncs":[{}],"content":[{}],"changes":[{}],"drift":[{}],"moves":[{}],"resolved":[{}],"fingerprints":[{}],"moved":[{}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		file, err := plan.Decode(fmt.Appendf(nil, "accord plan 1\n%s\n%s\n", plan.Digest(body), body))
		if err != nil {
			return
		}
		for _, l := range []look{{}, {concise: true}, {verbose: true}, {format: "json"}, {format: "markdown", maxBytes: markdownBudget}, {format: "html"}} {
			for _, lines := range []bool{false, true} {
				c := &cli{stdout: io.Discard, stderr: io.Discard, json: lines, clock: func() time.Time { return time.Unix(0, 0) }}
				if err := c.showPlan(file.Plan, l); err != nil && !lines {
					t.Fatal(err)
				}
			}
		}
		_ = plan.Exceeds(file.Plan, file.Plan)
		_ = plan.Moved(file.Plan, file.Plan)
	})
}
