package vaultapi

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// An answer that does not begin, and one that stops coming, end the call; a
// write is then in doubt, a read is tried again.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		begins bool
		text   string
	}{
		"no answer":        {false, "no answer within 20ms"},
		"a stalled answer": {true, "the answer stalled for 20ms"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := pipedServer()
			s.script = func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body) // else the server does not notice that the client went
				if c.begins {
					w.Header().Set("Content-Type", "application/json")
					_, _ = w.Write([]byte(`{"responseStatus":"SUCCESS","data":[`))
					_ = http.NewResponseController(w).Flush()
				}
				<-r.Context().Done()
			}
			client := s.piped(t, func(c *Config) { c.Retry.Tries = 2 })
			client.c.times = times{answer: time.Minute, query: time.Minute, stall: time.Minute}
			if c.begins {
				client.c.times.stall = 20 * time.Millisecond
			} else {
				client.c.times.answer, client.c.times.query = 20*time.Millisecond, 20*time.Millisecond
			}
			_, err := QueryPage[Fields](t.Context(), client.Reader, "SELECT id FROM x__c")
			if KindOf(err) != Transient || !strings.Contains(err.Error(), c.text) || len(s.seen()) != 2 {
				t.Errorf("%s to a query: %v, %d calls", name, err, len(s.seen()))
			}
			err = client.CreateRecords(t.Context(), "x__c", []Fields{{"name__v": "a"}})[0].Err
			if KindOf(err) != Ambiguous || !strings.Contains(err.Error(), c.text) || len(s.seen()) != 3 {
				t.Errorf("%s to a write: %v, %d calls", name, err, len(s.seen()))
			}
		})
	}
}

// CLM-9: whoever comes back by himself waits no longer for the answer to a read than
// he says; a write has all the time that it may need.
func TestAnswerIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := pipedServer()
		s.script = func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			<-r.Context().Done()
		}
		client := s.piped(t, func(c *Config) { c.Retry.Elapsed, c.Answer, c.Clock = 20*time.Second, time.Minute, realClock{} })
		client.c.times = usualTimes
		began := time.Now()
		_, err := QueryPage[Fields](t.Context(), client.Reader, "SELECT id FROM x__c")
		if took := time.Since(began); KindOf(err) != Transient || took != time.Minute {
			t.Errorf("a read: %v, after %s", err, took)
		}
		began = time.Now()
		_, err = QueryPage[Fields](Patiently(t.Context()), client.Reader, "SELECT id FROM x__c")
		if took := time.Since(began); took < usualTimes.query {
			t.Errorf("a read for which there is time: %v, after %s", err, took)
		}
		began = time.Now()
		err = client.CreateRecords(t.Context(), "x__c", []Fields{{"name__v": "a"}})[0].Err
		if took := time.Since(began); KindOf(err) != Ambiguous || took != usualTimes.answer {
			t.Errorf("a write: %v, after %s", err, took)
		}
	})
}

// pipedServer is a server that is reached through pipes alone.
func pipedServer() *server {
	return &server{Server: &httptest.Server{URL: "http://127.0.0.1"}, prefix: "/crm-us", sessions: map[string]bool{}}
}

// piped begins it, and opens a client of it.
func (s *server) piped(t *testing.T, configure func(*Config)) *Client {
	t.Helper()
	pipes := make(pipes)
	serving := &http.Server{Handler: s}
	go func() { _ = serving.Serve(pipes) }()
	t.Cleanup(func() { _ = serving.Close() })
	return s.open(t, func(c *Config) {
		configure(c)
		c.Transport = &http.Transport{DialContext: pipes.dial}
	})
}

// pipes is a network of one server, in memory: in it, time passes only while
// everybody waits.
type pipes chan net.Conn

func (p pipes) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	p <- theirs
	return ours, nil
}

func (p pipes) Accept() (net.Conn, error) {
	conn, open := <-p
	if !open {
		return nil, net.ErrClosed
	}
	return conn, nil
}

func (p pipes) Close() error {
	close(p)
	return nil
}

func (p pipes) Addr() net.Addr { return &net.TCPAddr{} }
