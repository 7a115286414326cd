package lang

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
)

// Notify is who is told what runs did, and of problems (CONN-6): an address that is
// written, or that is kept somewhere else, since it is itself a secret.
type Notify struct {
	Type string
	URL  string // "": it is kept elsewhere

	Env     string   // in a variable of the environment
	File    string   // in a file, relative to the configuration
	Command []string // it is printed by a command, which is run in the configuration's folder

	Range hcl.Range
}

// Place tells one from all others. It holds the address where that is written.
func (n *Notify) Place() string {
	switch {
	case n.Env != "":
		return "environment " + n.Env
	case n.File != "":
		return "file " + n.File
	case len(n.Command) > 0:
		return fmt.Sprintf("command %q", n.Command)
	}
	return n.URL
}

// Name is what people know it by: the host of an address that is written, since the
// rest may hold a secret, else where it is kept.
func (n *Notify) Name() string {
	if kept := cmp.Or(n.Env, n.File); kept != "" {
		return "webhook " + kept
	}
	if len(n.Command) > 0 {
		return "webhook of " + n.Command[0]
	}
	u, err := url.Parse(n.URL)
	if err != nil || u.Host == "" {
		return "the webhook"
	}
	return u.Host
}

func (s *Settings) addNotify(r *reader, b *hcl.Block) {
	n := Notify{Type: b.Labels[0], Range: b.DefRange}
	problem := func(severity hcl.DiagnosticSeverity, summary, detail string) {
		// The block, and not the line: an address may hold a secret.
		r.diags = append(r.diags, &hcl.Diagnostic{Severity: severity, Summary: summary, Detail: detail, Subject: b.DefRange.Ptr()})
	}
	if n.Type != "webhook" {
		r.diags = append(r.diags, &hcl.Diagnostic{
			Severity: hcl.DiagError,
			Summary:  "Unknown kind of notification",
			Detail:   "There is one kind: notify \"webhook\"." + didYouMean(n.Type, []string{"webhook"}),
			Subject:  b.LabelRanges[0].Ptr(),
		})
	}
	before := len(r.diags)
	written := r.attributes(b.Body, "url", "url_env", "url_file", "url_command")
	for name, a := range written {
		switch name {
		case "url":
			r.into(a, &n.URL)
		case "url_env":
			if r.into(a, &n.Env); n.Env != "" && !variableName.MatchString(n.Env) {
				problem(hcl.DiagError, "Bad name", `url_env is the name of an environment variable, without its value: "TEAM_WEBHOOK".`)
			}
		case "url_file":
			r.into(a, &n.File)
		case "url_command":
			r.list(a, &n.Command)
		}
	}
	readable := len(r.diags) == before
	wrong := ""
	if written["url"] != nil {
		wrong = WrongAddress(n.URL)
	}
	switch {
	case !readable:
	case len(written) != 1:
		problem(hcl.DiagError, "One address is needed", `Write url, or, where the address is itself a secret, url_env, url_file or url_command: a variable or a file that holds it, or a command that prints it.`)
	case wrong != "":
		problem(hcl.DiagError, "Bad address", wrong)
	case n.Place() == "":
		problem(hcl.DiagError, "Bad address", `What says where the address is kept is empty: url_env = "TEAM_WEBHOOK", url_file = "webhook.url", url_command = ["pass", "show", "webhook"].`)
	case carriesToken(n.URL):
		problem(hcl.DiagWarning, "The address of a webhook looks like a secret",
			`Whoever knows an address that carries a token can post to it, and files are read by many. Take it out of them: write url_env = "TEAM_WEBHOOK" and keep the address in that variable, or url_file or url_command. Then have the receiver issue another one, since this one has been written.`)
	}
	for _, first := range s.Notify {
		if readable && first.Place() == n.Place() && n.Place() != "" {
			r.diags = append(r.diags, again(b.DefRange, "a notify block of this url", first.Range))
			return
		}
	}
	s.Notify = append(s.Notify, n)
}

// WrongAddress says what is wrong with an address that is told what runs did,
// without repeating it; "": nothing.
func WrongAddress(address string) string {
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

var (
	// tokenHosts give each channel an address of its own, which is all that it takes
	// to post there.
	tokenHosts = regexp.MustCompile(`(?i)(^|\.)(hooks\.slack(-gov)?\.com|discord(app)?\.com|webhook\.office(365)?\.com|outlook\.office(365)?\.com|logic\.azure\.com|chat\.googleapis\.com|hooks\.zapier\.com|hook\.[a-z0-9.]*make\.com|webhook\.site)$`)
	tokenNames = regexp.MustCompile(`(?i)^(access_?|api_?|auth_?)?(token|key|sig|signature|secret|code|password|apikey)$`)
)

// carriesToken reports whether an address looks like one that is itself a secret.
func carriesToken(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	if tokenHosts.MatchString(u.Hostname()) && strings.Trim(u.Path, "/")+u.RawQuery != "" {
		return true
	}
	for name, values := range u.Query() {
		if tokenNames.MatchString(name) && strings.Join(values, "") != "" {
			return true
		}
		for _, v := range values {
			if looksRandom(v) {
				return true
			}
		}
	}
	for segment := range strings.SplitSeq(u.Path, "/") {
		if looksRandom(segment) {
			return true
		}
	}
	return false
}

// looksRandom reports whether a text looks like chance made it: it is long, has
// letters and digits, and changes from the one to the other again and again.
func looksRandom(text string) bool {
	const long, often = 20, 4
	changes, was := 0, 0
	for _, c := range text {
		is := 0
		switch {
		case unicode.IsDigit(c):
			is = 1
		case unicode.IsLetter(c):
			is = 2
		}
		if is > 0 && was > 0 && is != was {
			changes++
		}
		if is > 0 {
			was = is
		}
	}
	return len(text) >= long && changes >= often
}
