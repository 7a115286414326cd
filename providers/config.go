package providers

import (
	"accord/lang/addrs"
)

// Config connects a provider.
type Config struct {
	Dir       string                      `json:"dir"` // where relative file names start
	Instances []Object                    `json:"instances"`
	ReadOnly  bool                        `json:"read_only"`           // a client without writing methods
	Endpoints map[addrs.Instance]Endpoint `json:"endpoints,omitempty"` // where the address in the body is not the one to dial
	Tool      string                      `json:"tool"`                // name and version, for client id headers
	Impatient bool                        `json:"impatient,omitempty"` // who asks comes back by itself, and has others to serve: what does not answer is an error soon
}

// Endpoint is where an instance with a URL of the embedded development server
// is reached. A password is never carried, only the name of the file it is in.
type Endpoint struct {
	URL          string `json:"url"`
	ID           int64  `json:"id,omitempty"`
	User         string `json:"user,omitempty"`
	PasswordFile string `json:"password_file,omitempty"`
}
