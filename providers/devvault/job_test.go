package devvault

import (
	"fmt"
	"testing"
	"time"
)

func TestJobsAreLookedAtOnceInTenSeconds(t *testing.T) {
	t.Parallel()
	b := newBench(t, "crm:crm")
	started := b.do("POST", "crm", "/api/mdl/execute_async", clmAdmin)
	path := started["url"].(string)
	want(t, "job", b.must("GET", "crm", path, nil).get("data", "status"), any("SUCCESS"))
	want(t, "at once again", b.do("GET", "crm", path, nil).errorType(), "API_LIMIT_EXCEEDED")
	b.now.add(10*time.Second - time.Millisecond)
	want(t, "too early", b.do("GET", "crm", path, nil).errorType(), "API_LIMIT_EXCEEDED")
	b.now.add(time.Millisecond)
	job := b.must("GET", "crm", path, nil)
	want(t, "after ten seconds", job.get("data", "status"), any("SUCCESS"))
	links := response(job.get("data").(map[string]any)).list("links")
	want(t, "artifacts", b.must("GET", "crm", links[1]["href"].(string), nil).get("data", "responseStatus"), any("SUCCESS"))
	result := b.must("GET", "crm", fmt.Sprintf("/api/mdl/execute_async/%v/results", started["job_id"]), nil)
	want(t, "result", result.get("script_execution", "code"), any("GEN-S-0"))
	want(t, "no such job", b.do("GET", "crm", "services/jobs/99", nil).errorType(), "INVALID_DATA")
}
