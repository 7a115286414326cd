package lang

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

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

// Limits hold a run back that would do more than was thought of (CLM-11).
type Limits struct {
	MaxWithdrawn Limit // of what a stream owns in a target
	MaxPublished Limit // new items, same base
	IgnoreBelow  int   // shares do not apply to fewer items than this
	Range        hcl.Range
}

// Limit is one line of the limits block, or its default.
type Limit struct {
	Name    string
	Share   float64 // of one: 0.2
	Written bool
	Range   hcl.Range // of the line; where it is not written, of the block it belongs into

	missing string // that block, where there is none either
}

// String is the share as it is written.
func (l Limit) String() string {
	return strconv.FormatFloat(l.Share*100, 'f', -1, 64) + "%"
}

// Place says which line to change.
func (l Limit) Place() string {
	at := fmt.Sprintf("%s:%d", l.Range.Filename, l.Range.Start.Line)
	switch {
	case l.Written:
		return fmt.Sprintf("%s: %s = %q", at, l.Name, l)
	case l.missing == "":
		return fmt.Sprintf("%s is %s by default; write it into the limits block at %s", l.Name, l, at)
	case l.missing == "limits":
		return fmt.Sprintf("%s is %s by default, there is no limits block; write limits { %s = \"…\" } into the accord block at %s", l.Name, l, l.Name, at)
	default:
		return fmt.Sprintf("%s is %s by default, there is no accord block; write accord { limits { %s = \"…\" } }", l.Name, l, l.Name)
	}
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

// Notify is who is told what runs did, and of problems (CONN-6).
type Notify struct {
	Type  string
	URL   string
	Range hcl.Range
}

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

func (s *Settings) addNotify(r *reader, b *hcl.Block) {
	n := Notify{Type: b.Labels[0], Range: b.DefRange}
	if n.Type != "webhook" {
		r.diags = append(r.diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Unknown kind of notification",
			Detail:   "There is one kind: notify \"webhook\"." + didYouMean(n.Type, []string{"webhook"}),
			Subject:  b.LabelRanges[0].Ptr(),
		})
	}
	r.strings(b, map[string]*string{"url": &n.URL}, "url")
	if problem := wrongAddress(n.URL); problem != "" && n.URL != "" {
		r.diags = append(r.diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Bad address",
			Detail:   problem,
			Subject:  b.DefRange.Ptr(), // the line of the address may hold a secret
		})
	}
	s.Notify = append(s.Notify, n)
}

// wrongAddress says what is wrong with an address that is told what runs did.
func wrongAddress(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return `It is an address such as "https://hooks.example.com/accord".`
	}
	local := u.Hostname() == "localhost"
	if ip := net.ParseIP(u.Hostname()); ip != nil {
		local = ip.IsLoopback()
	}
	switch {
	case u.User != nil:
		return "An address holds no password. Deliveries are signed with the secret in ACCORD_WEBHOOK_SECRET."
	case u.Scheme != "https" && !(u.Scheme == "http" && local):
		return "It begins with https://; http:// is for this machine alone."
	}
	return ""
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

func (l *Limits) all() []*Limit { return []*Limit{&l.MaxWithdrawn, &l.MaxPublished} }

// reader decodes constants and gathers what is wrong with them.
type reader struct{ diags hcl.Diagnostics }

func (r *reader) problem(a *hcl.Attribute, summary, detail string) {
	r.diags = append(r.diags, &hcl.Diagnostic{
		Severity: hcl.DiagError,
		Summary:  summary,
		Detail:   detail,
		Subject:  a.Expr.Range().Ptr(),
		Context:  a.Range.Ptr(),
	})
}

// attributes returns those of a body that are written, and reports others.
func (r *reader) attributes(body hcl.Body, names ...string) hcl.Attributes {
	schema := &hcl.BodySchema{}
	for _, name := range names {
		schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: name})
	}
	content, diags := contentOf(body, schema)
	r.diags = append(r.diags, diags...)
	return content.Attributes
}

// value evaluates a constant of a type; ok is false after a problem.
func (r *reader) value(a *hcl.Attribute, ty cty.Type) (v cty.Value, ok bool) {
	for _, t := range a.Expr.Variables() {
		r.diags = append(r.diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Not a constant",
			Detail:   "This is read before anything else, and cannot refer to anything.",
			Subject:  t.SourceRange().Ptr(),
			Context:  a.Range.Ptr(),
		})
		return cty.NilVal, false
	}
	_, calls := mentions(a.Expr)
	diags := checkCalls(calls, pureFunctions)
	if diags.HasErrors() {
		r.diags = append(r.diags, diags...)
		return cty.NilVal, false
	}
	v, more := a.Expr.Value(&hcl.EvalContext{Functions: pureFunctions})
	r.diags = append(r.diags, more...)
	if more.HasErrors() {
		return cty.NilVal, false
	}
	v, _ = v.UnmarkDeep()
	v, err := convert.Convert(v, ty)
	if err != nil || v.IsNull() || !v.IsWhollyKnown() {
		r.problem(a, "Wrong type", fmt.Sprintf("%s is a %s.", a.Name, ty.FriendlyName()))
		return cty.NilVal, false
	}
	return v, true
}

func (r *reader) into(a *hcl.Attribute, s *string) {
	if v, ok := r.value(a, cty.String); ok {
		*s = v.AsString()
	}
}

func (r *reader) constraint(a *hcl.Attribute, s *string) {
	if r.into(a, s); *s == "" {
		return
	}
	if _, err := version.NewConstraint(*s); err != nil {
		r.problem(a, "Bad version", "A version is required as in \">= 0.1.0, < 2.0.0\".")
	}
}

func (r *reader) source(a *hcl.Attribute, source *addrs.Source) {
	v, ok := r.value(a, cty.String)
	if !ok {
		return
	}
	var err error
	if *source, err = addrs.ParseSource(v.AsString()); err != nil {
		r.problem(a, "Bad source", err.Error()+".")
	}
}

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// environment reads names of environment variables; accord's own are for
// accord alone.
func (r *reader) environment(a *hcl.Attribute, names *[]string) {
	r.list(a, names)
	for _, name := range *names {
		switch {
		case !variableName.MatchString(name):
			r.problem(a, "Bad name", "env lists names of environment variables, without their values: [\"ACME_TOKEN\"].")
		case strings.HasPrefix(strings.ToUpper(name), "ACCORD_"):
			r.problem(a, "A variable of accord", fmt.Sprintf("%s is for accord alone. A provider is given what its blocks say, and variables of other names.", name))
		}
	}
}

func (r *reader) list(a *hcl.Attribute, list *[]string) {
	if v, ok := r.value(a, cty.List(cty.String)); ok {
		for _, e := range v.AsValueSlice() {
			if e.IsNull() {
				r.problem(a, "Wrong type", fmt.Sprintf("%s is a list of strings, without null.", a.Name))
				return
			}
			*list = append(*list, e.AsString())
		}
	}
}

func (r *reader) count(a *hcl.Attribute, n *int) {
	v, ok := r.value(a, cty.Number)
	if !ok {
		return
	}
	f := v.AsBigFloat()
	i, _ := f.Int64()
	if !f.IsInt() || i < 0 || i > 1e9 {
		r.problem(a, "Wrong number", fmt.Sprintf("%s is a whole number from 0 to 1000000000.", a.Name))
		return
	}
	*n = int(i)
}

func (r *reader) duration(a *hcl.Attribute, d *time.Duration) {
	v, ok := r.value(a, cty.String)
	if !ok {
		return
	}
	parsed, err := time.ParseDuration(v.AsString())
	if err != nil || parsed < 0 {
		r.problem(a, "Bad duration", fmt.Sprintf("%s is a duration: \"90s\", \"5m\", \"24h\", \"1h30m\".", a.Name))
		return
	}
	*d = parsed
}

func (r *reader) limit(a *hcl.Attribute, l *Limit) {
	l.Range, l.Written = a.Range, true
	v, ok := r.value(a, cty.String)
	if !ok {
		return
	}
	number, percent := strings.CutSuffix(v.AsString(), "%")
	share, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !percent || err != nil || !(share >= 0 && share <= 100) {
		r.problem(a, "Bad limit", fmt.Sprintf("%s is a share: \"0%%\" to \"100%%\".", a.Name))
		return
	}
	l.Share = share / 100
}

// texts reads a body of attributes of anyone's choice; each value as a string.
func (r *reader) texts(body hcl.Body) map[string]string {
	attributes, diags := attributesOf(body)
	r.diags = append(r.diags, diags...)
	texts := make(map[string]string, len(attributes))
	for name, a := range attributes {
		if v, ok := r.value(a, cty.String); ok {
			texts[name] = v.AsString()
		}
	}
	return texts
}

// strings reads a block of strings, some of them required, and returns those
// that are written.
func (r *reader) strings(b *hcl.Block, into map[string]*string, required ...string) hcl.Attributes {
	attributes := r.attributes(b.Body, slices.Sorted(maps.Keys(into))...)
	for name, a := range attributes {
		r.into(a, into[name])
	}
	for _, name := range required {
		if attributes[name] == nil {
			r.diags = append(r.diags, missing(name, b.DefRange))
		}
	}
	return attributes
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
