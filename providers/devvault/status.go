package devvault

import (
	"bytes"
	"net"
	"sync/atomic"
)

// NumericStatus makes the status lines of what is served on l numeric only, "HTTP/1.1 200 " with no text after the number, as the platform's
// are. Go's server always adds the text, so it is taken away on the way out.
func NumericStatus(l net.Listener) net.Listener { return statusListener{l} }

type statusListener struct{ net.Listener }

func (l statusListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &statusConn{Conn: c}, nil
}

// statusConn looks at the first write after a read: an answer begins there, as the server has nothing left to write when it reads a request.
type statusConn struct {
	net.Conn
	asked atomic.Bool
}

func (c *statusConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		c.asked.Store(true)
	}
	return n, err
}

func (c *statusConn) Write(b []byte) (int, error) {
	const number = len("HTTP/1.1 200 ")
	if !c.asked.Load() || !bytes.HasPrefix(b, []byte("HTTP/1.1 ")) || len(b) < number || b[number-1] != ' ' {
		return c.Conn.Write(b)
	}
	end := bytes.Index(b, []byte("\r\n"))
	if end < 0 {
		return c.Conn.Write(b)
	}
	c.asked.Store(b[9] == '1') // the answer proper comes after a 100 Continue
	parts := net.Buffers{b[:number], b[end:]}
	n, err := parts.WriteTo(c.Conn)
	if err != nil {
		return int(n), err
	}
	return len(b), nil
}
