package devvault

import (
	"archive/zip"
	"bytes"
	"net"
	"strconv"
	"sync"
	"time"
)

// apiLog keeps the last calls in memory, for GET /logs/api_usage. The platform keeps 30 days; how much is kept here is ours.
type apiLog struct {
	mu    sync.Mutex
	calls []loggedCall // a ring, once it is full
	next  int
}

const maxLogged = 20000

type loggedCall struct {
	slot, user                         int64
	at                                 time.Time
	took                               time.Duration
	method, path, version              string
	status, failure                    string
	execution, client, reference, from string
	session, userName, remaining, wait string
}

// record notes a call that is answered now.
func (l *apiLog) record(c *call, status string, err error) {
	if c.v == nil {
		return
	}
	x := loggedCall{slot: c.v.slot, at: c.now, took: c.s.clock.now().Sub(c.now), method: c.r.Method, path: c.r.URL.Path, version: c.version, status: status,
		execution: header(c, "X-VaultAPI-ExecutionId"), client: c.clientID(), reference: header(c, "X-VaultAPI-ReferenceId"),
		session: header(c, "X-VaultAPI-TruncatedSessionId"), remaining: header(c, "X-VaultAPI-BurstLimitRemaining"),
		wait: header(c, "X-VaultAPI-ResponseDelay"), from: c.r.RemoteAddr}
	if c.user != nil {
		x.user, x.userName = c.user.ID, c.user.Name
	}
	if err != nil {
		x.failure = asAPIError(err).Type
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.calls) < maxLogged {
		l.calls = append(l.calls, x)
		return
	}
	l.calls[l.next] = x
	l.next = (l.next + 1) % maxLogged
}

func header(c *call, name string) string {
	if v := c.header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// of returns the calls of a vault on a day, oldest first.
func (l *apiLog) of(slot int64, day string) []loggedCall {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []loggedCall
	for i := range l.calls {
		x := &l.calls[(l.next+i)%len(l.calls)]
		if x.slot == slot && x.at.UTC().Format(time.DateOnly) == day {
			list = append(list, *x)
		}
	}
	return list
}

// handleAPIUsage answers GET /api/{v}/logs/api_usage?date=YYYY-MM-DD with a zip of one CSV.
func handleAPIUsage(c *call) (reply, error) {
	if !c.user.admin {
		return reply{}, fail("INSUFFICIENT_ACCESS", "Only an administrator may read the logs")
	}
	day, err := c.required("date")
	if err != nil {
		return reply{}, err
	}
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return reply{}, fail("INVALID_DATA", "Invalid value [%s] specified for parameter [date]", day)
	}
	if c.now.Sub(at) > keepDeletions+24*time.Hour || at.After(c.now) {
		return reply{}, fail("INVALID_DATA", "The date [%s] is not within the last 30 days", day)
	}
	rows := [][]string{{"timestamp", "session_id", "user_id", "username", "api_name", "http_method", "http_status", "endpoint", "api_version", "api_response_status",
		"api_response_error_type", "execution_id", "client_id", "client_ip", "burst_limit_remaining", "response_delay", "duration", "reference_id"}}
	for _, x := range c.s.log.of(c.v.slot, day) {
		ip, _, err := net.SplitHostPort(x.from)
		if err != nil {
			ip = x.from
		}
		rows = append(rows, []string{x.at.UTC().Format(timeLayout), x.session, strconv.FormatInt(x.user, 10), x.userName, "VAULT", x.method, "200", x.path, x.version, x.status,
			x.failure, x.execution, x.client, ip, x.remaining, x.wait, strconv.FormatInt(x.took.Milliseconds(), 10), x.reference})
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	name := strconv.FormatInt(c.v.id, 10) + "-" + day + "-api_usage"
	f, err := z.Create(name + ".csv")
	if err != nil {
		return reply{}, err
	}
	if _, err := f.Write(csvText(rows)); err != nil {
		return reply{}, err
	}
	if err := z.Close(); err != nil {
		return reply{}, err
	}
	return reply{content: out.Bytes(), media: "application/octet-stream", name: name + ".zip"}, nil
}
