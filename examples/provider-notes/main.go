// Command accord-provider-notes is a provider for accord, as small as one can
// be that does everything: it keeps notes in JSON files.
//
// It is a module of its own, as yours will be. It knows nothing of accord but
// the contract (accord/providers), the kit to fulfil it with
// (accord/providers/resource), and how to be a plugin (accord/providers/plugin).
// Start with provider: what there is to declare. notebook.go is the system that
// is managed, note.go its objects.
package main

import (
	"fmt"
	"os"

	"accord/providers"
	"accord/providers/plugin"
	"accord/providers/resource"
)

// version is said to accord, which locks it. A release sets it:
// go build -ldflags "-X main.version=1.1.0"
var version = "1.0.0"

func main() {
	if err := plugin.Serve(provider); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// provider declares everything there is: what is connected to, and what is
// managed there.
func provider() providers.Provider {
	p := &notebooks{}
	return resource.New(resource.Provider{
		Name:      "notes",
		Version:   version,
		Instances: []resource.Connectable{p.instance()},
		Resources: []resource.Resource{p.notes()},
	})
}
