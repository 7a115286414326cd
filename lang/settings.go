package lang

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"

	"accord/lang/addrs"
)

// Settings is the accord block: how the tool itself behaves. What is left out
// has its default.
type Settings struct {
	RequiredVersion string
	Backend         Backend
	Providers       []RequiredProvider
	Limits          Limits
	Sync            Sync
	Serve           Serve
	Notify          []Notify
	Encryption      Encryption
	Suppress        []Suppression
	Dev             Dev

	Range   hcl.Range // of the block's header; zero where there is none
	version hcl.Range
}

// Backend is where the state is kept.
type Backend struct {
	Type   string // local | postgres | s3 | http
	Config map[string]string
	Range  hcl.Range
}

// RequiredProvider is a provider that is not built in.
type RequiredProvider struct {
	Name    string // by which the configuration and the state call it
	Source  addrs.Source
	Version string   // constraints; "" for any
	Env     []string // names of the environment variables that it is given

	Range, SourceRange, VersionRange hcl.Range // VersionRange is SourceRange where no version is written
}

// Allows holds a version against the constraints.
func (p *RequiredProvider) Allows(v *version.Version) bool {
	if p.Version == "" {
		return v.Prerelease() == ""
	}
	constraints, err := version.NewConstraint(p.Version)
	return err == nil && constraints.Check(v) // a mistake is reported by Load
}

// Sync is about all syncs.
type Sync struct {
	FilterDelay    time.Duration // CTRY-7
	FullRetryAfter time.Duration // CLM-14

	// PlatformTimeout is how long a run of the platform's own engine is waited
	// for (INT-7).
	PlatformTimeout time.Duration
}

// Serve is about the continuous mode.
type Serve struct{ Interval time.Duration }

// Encryption is of state and plan files; off without recipients.
type Encryption struct {
	Recipients []string
	Range      hcl.Range
}

// Suppression is a difference that drift does not report.
type Suppression struct {
	Address                  addrs.Instance // without a key: all instances of the block
	Attribute, Owner, Reason string
	Expires                  time.Time // zero: never
	Range                    hcl.Range
}

// Dev is about the embedded development server.
type Dev struct {
	Library string // content to load on first use, relative to the configuration; "" for none
	Burst   int    // 0: the server's own default
}

func defaultSettings() Settings {
	return Settings{
		Backend: Backend{Type: "local", Config: map[string]string{"path": "accord.state.json"}},
		Limits: Limits{
			MaxWithdrawn: Limit{Name: "max_withdrawn", Share: 0.2, missing: "accord"},
			MaxPublished: Limit{Name: "max_published", Share: 0.5, missing: "accord"},
			IgnoreBelow:  10,
		},
		Sync:  Sync{FilterDelay: 5 * time.Minute, FullRetryAfter: 24 * time.Hour, PlatformTimeout: time.Hour},
		Serve: Serve{Interval: 5 * time.Second},
	}
}

// CheckVersion holds the tool's version against required_version.
func (s *Settings) CheckVersion(tool string) hcl.Diagnostics {
	if s.RequiredVersion == "" {
		return nil
	}
	constraints, err := version.NewConstraint(s.RequiredVersion)
	if err != nil {
		return nil // reported by Load
	}
	v, err := version.NewVersion(tool)
	if err != nil || constraints.Check(v.Core()) {
		return nil
	}
	return hcl.Diagnostics{{
		Severity: hcl.DiagError,
		Summary:  "Another version of accord is required",
		Detail:   fmt.Sprintf("This is accord %s, and the configuration requires %s.", tool, s.RequiredVersion),
		Subject:  s.version.Ptr(),
	}}
}

var settingsSchema = &hcl.BodySchema{
	Attributes: []hcl.AttributeSchema{{Name: "required_version"}},
	Blocks: []hcl.BlockHeaderSchema{
		{Type: "state", LabelNames: []string{"type"}},
		{Type: "limits"},
		{Type: "provider", LabelNames: []string{"name"}},
		{Type: "sync"},
		{Type: "serve"},
		{Type: "notify", LabelNames: []string{"type"}},
		{Type: "encryption"},
		{Type: "suppress"},
		{Type: "dev"},
	},
}

var backendTypes = []string{"local", "postgres", "s3", "http"}

// decode reads the accord block. Its values are constants: they are needed
// before anything is evaluated.
func (s *Settings) decode(block *hcl.Block) hcl.Diagnostics {
	if s.Range != (hcl.Range{}) {
		return hcl.Diagnostics{again(block.DefRange, "an accord block", s.Range)}
	}
	s.Range = block.DefRange
	for _, l := range s.Limits.all() {
		l.Range, l.missing = block.DefRange, "limits"
	}
	content, diags := contentOf(block.Body, settingsSchema)
	r := &reader{diags: diags}
	if a := content.Attributes["required_version"]; a != nil {
		r.constraint(a, &s.RequiredVersion)
		s.version = a.Range
	}
	once := map[string]hcl.Range{}
	for _, b := range content.Blocks {
		first, repeated := once[b.Type]
		once[b.Type] = b.DefRange
		repeatable := b.Type == "provider" || b.Type == "notify" || b.Type == "suppress"
		if repeated && !repeatable {
			r.diags = append(r.diags, again(b.DefRange, article(b.Type)+" block", first))
			continue
		}
		s.decodeBlock(r, b)
	}
	return r.diags
}

func (s *Settings) decodeBlock(r *reader, b *hcl.Block) {
	switch b.Type {
	case "state":
		s.Backend = Backend{Type: b.Labels[0], Config: r.texts(b.Body), Range: b.DefRange}
		if !slices.Contains(backendTypes, b.Labels[0]) {
			r.diags = append(r.diags, &hcl.Diagnostic{
				Severity: hcl.DiagError,
				Summary:  "Unknown state backend",
				Detail:   fmt.Sprintf("State is kept in one of %s.%s", enumerate(backendTypes), didYouMean(b.Labels[0], backendTypes)),
				Subject:  b.LabelRanges[0].Ptr(),
			})
		}
		if s.Backend.Type == "local" && s.Backend.Config["path"] == "" {
			s.Backend.Config["path"] = "accord.state.json"
		}
	case "limits":
		s.Limits.Range = b.DefRange
		for _, l := range s.Limits.all() {
			l.Range, l.missing = b.DefRange, ""
		}
		for name, a := range r.attributes(b.Body, "max_withdrawn", "max_published", "ignore_below") {
			switch name {
			case "max_withdrawn":
				r.limit(a, &s.Limits.MaxWithdrawn)
			case "max_published":
				r.limit(a, &s.Limits.MaxPublished)
			case "ignore_below":
				r.count(a, &s.Limits.IgnoreBelow)
			}
		}
	case "provider":
		s.addProvider(r, b)
	case "sync":
		for name, a := range r.attributes(b.Body, "filter_delay", "full_retry_after", "platform_timeout") {
			switch name {
			case "filter_delay":
				r.duration(a, &s.Sync.FilterDelay)
			case "full_retry_after":
				r.duration(a, &s.Sync.FullRetryAfter)
			case "platform_timeout":
				r.duration(a, &s.Sync.PlatformTimeout)
			}
		}
	case "serve":
		for _, a := range r.attributes(b.Body, "interval") {
			r.duration(a, &s.Serve.Interval)
			if s.Serve.Interval == 0 {
				r.problem(a, "Bad duration", "Some time has to lie between two looks: \"2s\", \"5s\", \"1m\".")
			}
		}
	case "notify":
		s.addNotify(r, b)
	case "encryption":
		s.Encryption.Range = b.DefRange
		for _, a := range r.attributes(b.Body, "recipients") {
			r.list(a, &s.Encryption.Recipients)
		}
	case "suppress":
		s.Suppress = append(s.Suppress, r.suppression(b))
	case "dev":
		for name, a := range r.attributes(b.Body, "library", "burst") {
			switch name {
			case "library":
				r.into(a, &s.Dev.Library)
			case "burst":
				r.count(a, &s.Dev.Burst)
			}
		}
	}
}

func (s *Settings) addProvider(r *reader, b *hcl.Block) {
	p := RequiredProvider{Name: b.Labels[0], Range: b.DefRange}
	attributes := r.attributes(b.Body, "source", "version", "env")
	if a := attributes["source"]; a != nil {
		p.SourceRange, p.VersionRange = a.Range, a.Range
		r.source(a, &p.Source)
	} else {
		r.diags = append(r.diags, missing("source", b.DefRange))
	}
	if a := attributes["version"]; a != nil {
		p.VersionRange = a.Range
		r.constraint(a, &p.Version)
	}
	if a := attributes["env"]; a != nil {
		r.environment(a, &p.Env)
	}
	for _, other := range s.Providers {
		switch {
		case other.Name == p.Name:
			r.diags = append(r.diags, again(b.DefRange, fmt.Sprintf("a provider %q", p.Name), other.Range))
			return
		case other.Source == p.Source && p.Source != addrs.Source{}:
			r.diags = append(r.diags, again(p.SourceRange, "a provider of the source "+p.Source.String(), other.SourceRange))
			return
		}
	}
	s.Providers = append(s.Providers, p)
}

func (r *reader) suppression(b *hcl.Block) Suppression {
	s := Suppression{Range: b.DefRange}
	var address, expires string
	before := len(r.diags)
	attributes := r.strings(b, map[string]*string{
		"address": &address, "attribute": &s.Attribute, "owner": &s.Owner, "reason": &s.Reason, "expires": &expires,
	}, "address", "owner", "reason")
	readable := len(r.diags) == before
	for _, a := range [][2]string{{"address", address}, {"owner", s.Owner}, {"reason", s.Reason}} {
		if readable && strings.TrimSpace(a[1]) == "" {
			r.problem(attributes[a[0]], "Blank "+a[0], "What is not reported has an address, somebody who answers for it, and a reason.")
		}
	}
	var err error
	if address != "" {
		if s.Address, err = addrs.ParseTarget(address); err != nil {
			r.problem(attributes["address"], "Bad address", err.Error()+".")
		}
	}
	if expires != "" {
		if s.Expires, err = time.Parse(time.DateOnly, expires); err != nil {
			r.problem(attributes["expires"], "Bad date", "expires is a date: \"2027-01-31\".")
		}
	}
	return s
}

// missing reports an attribute that a block must have.
func missing(name string, block hcl.Range) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Missing attribute",
		Detail:   fmt.Sprintf("This block needs the attribute %q.", name),
		Subject:  block.Ptr(),
	}
}

// again reports the second of what may be there once.
func again(at hcl.Range, what string, first hcl.Range) *hcl.Diagnostic {
	return &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  "Declared twice",
		Detail:   fmt.Sprintf("There is %s at %s:%d already.", what, first.Filename, first.Start.Line),
		Subject:  at.Ptr(),
	}
}
