package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/resource"
	"accord/providers/vaultapi"
)

// instanceBody is the block `vault`.
type instanceBody struct {
	Kind               string   `json:"kind" schema:"required" oneof:"promomats medcomms crm align" doc:"What kind of vault it is; checked against what the vault says of itself."`
	Environment        string   `json:"environment" schema:"required" oneof:"production sandbox" doc:"Checked against what the vault says of itself. What cannot be proven counts as production when written to, and as sandbox when read from (CONN-3)."`
	URL                string   `json:"url" schema:"required" doc:"https://HOST; or dev://NAME, a vault of the embedded development server."`
	ID                 *int64   `json:"id" doc:"The vault's id; required for https://. Nothing is sent to a vault with another one."`
	BurstShare         string   `json:"burst_share" default:"80%" doc:"How much of the vault's call limit accord uses, at most."`
	CredentialsFile    *string  `json:"credentials_file" doc:"A file with user and password, as JSON or on two lines, instead of environment variables."`
	CredentialsCommand []string `json:"credentials_command" doc:"A command that prints user and password, as JSON or on two lines, instead of environment variables."`

	VaultID    int64  `json:"vault_id" schema:"readonly" doc:"The vault's id, as it says itself."`
	DomainName string `json:"domain" schema:"readonly" doc:"The domain it belongs to, where the user may see it."`
	DNS        string `json:"dns" schema:"volatile" doc:"The host it was reached at."`
}

const (
	readers   = "_READ" // between a vault and USER: who may only read
	loginTime = 60 * time.Second

	// impatience is how long a call is tried for somebody who comes back by himself, and
	// answerTime how long he waits for one answer: that one never comes must not keep
	// him from what has changed since (CLM-9).
	impatience = 20 * time.Second
	answerTime = time.Minute
	closeTime  = 5 * time.Second
)

// relogins is when somebody who stays tries a refused password again: before a
// vault locks the user out, which takes five in a row. Nobody is locked out of a
// vault of the development server.
var (
	relogins    = []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute}
	devRelogins = []time.Duration{time.Second, 5 * time.Second, 20 * time.Second, time.Minute, time.Minute}
)

// validateInstances checks what can be known of vaults without calling them.
func validateInstances(_ *resource.Env, items []*resource.Item[instanceBody]) {
	variables := map[string]addrs.Instance{}
	places := map[string]addrs.Instance{}
	for _, i := range items {
		var is []string // what says which vault it is
		if !i.IsUnknown("/url") {
			is = append(is, strings.TrimSuffix(strings.ToLower(i.Want.URL), "/"))
		}
		if i.Want.ID != nil && !i.IsUnknown("/id") {
			is = append(is, fmt.Sprint("vault ", *i.Want.ID))
		}
		for _, place := range is {
			if other, taken := places[place]; taken {
				i.Refuse("", "/url", fmt.Sprintf("%s and %s are one vault: %s", other, i.Addr, place),
					"A vault has one block: two would each have runs, limits and a memory of their own for the same content. Correct url and id, or take one of them out.")
				break
			}
			places[place] = i.Addr
		}
		if !i.IsUnknown("/url") {
			if problem := checkURL(i.Want.URL); problem != "" {
				i.Refuse("", "/url", problem, "Write https:// and the host of the vault, or dev:// and a name for a development vault.")
			}
			if strings.HasPrefix(i.Want.URL, "https://") && i.Want.ID == nil && !i.IsUnknown("/id") {
				i.Refuse("", "/id", "The id of the vault is missing", "It is the guard against writing to another vault than you mean. Admin > Settings > General Settings shows it.")
			}
		}
		if _, err := parseShare(i.Want.BurstShare); err != nil && !i.IsUnknown("/burst_share") {
			i.Refuse("", "/burst_share", err.Error(), `Write a share between 1% and 100%, such as "80%".`)
		}
		if i.Want.CredentialsFile != nil && len(i.Want.CredentialsCommand) > 0 {
			i.Refuse("CREDENTIALS", "/credentials_command", "Both credentials_file and credentials_command are set", "Keep one of them.")
		}
		own := variableName(i.Addr)
		for _, name := range []string{own, own + readers} {
			if other, taken := variables[name]; taken {
				i.Refuse("CREDENTIALS", "", fmt.Sprintf("%s and %s would take their credentials from the same variable", other, i.Addr),
					fmt.Sprintf("Both names become %s_USER. Rename one of them.", name))
				break
			}
			variables[name] = i.Addr
		}
	}
}

func checkURL(text string) string {
	u, err := url.Parse(text)
	switch {
	case strings.Contains(text, "@"): // which is not repeated
		return "The address of a vault holds no user and no password"
	case err == nil && (u.RawQuery != "" || u.Fragment != ""):
		return "The address of a vault holds no parameters and no fragment"
	case err != nil || u.Host == "":
		return fmt.Sprintf("%q is not the address of a vault", text)
	case u.Scheme == "dev" || u.Scheme == "https":
		return ""
	case u.Scheme == "http" && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1" || u.Hostname() == "::1"):
		return ""
	}
	return fmt.Sprintf("%q is not the address of a vault", text)
}

// variableName is the beginning of the names of the variables that a vault's
// credentials come from: ACCORD_VAULT_CRM_US, for module.eu["de"].vault.crm
// ACCORD_VAULT_EU_DE_CRM.
func variableName(addr addrs.Instance) string {
	return strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z':
			return r - 'a' + 'A'
		case 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
			return r
		}
		return '_'
	}, "ACCORD_VAULT_"+strings.Join(nameParts(addr), "_"))
}

// nameParts are the names and keys of an address, those of its modules first.
func nameParts(addr addrs.Instance) []string {
	var parts []string
	if in, err := addrs.ParseTarget(addr.Module); err == nil {
		parts = nameParts(in)
	}
	parts = append(parts, addr.Name)
	if addr.Keyed {
		parts = append(parts, addr.Key)
	}
	return parts
}

// parseShare reads "80%".
func parseShare(text string) (float64, error) {
	n, ok := strings.CutSuffix(strings.TrimSpace(text), "%")
	share, err := strconv.ParseFloat(strings.TrimSpace(n), 64)
	if !ok || err != nil || share < 1 || share > 100 {
		return 0, fmt.Errorf("%q is not a share", text)
	}
	return share / 100, nil
}

// connect logs in to one vault and checks that it is the one that is meant,
// and of the kind and environment that is declared.
func (p *Provider) connect(ctx context.Context, env *resource.Env, i *resource.Item[instanceBody]) {
	v, body, err := p.dial(ctx, env.Config, i.Addr, *i.Want)
	if err != nil {
		e := contractError("connect "+i.Addr.String(), err)
		e.Addr = i.Addr
		if path, advice := unreached(credentialNames(env.Config, i.Addr)[0], err); advice != "" {
			e.Path, e.Advice = path, advice
		}
		i.Fail(e)
		return
	}
	p.mu.Lock()
	p.vaults[i.Addr] = v
	p.mu.Unlock()
	if v.environment == unproven {
		i.Warn("CONN-3", "/environment", fmt.Sprintf("%s does not say whether it is a production vault", i.Addr),
			"The user accord logs in as may not see the domain. The vault counts as production when written to, and as sandbox when read from.")
	}
	i.Found(fmt.Sprint(v.id), body)
}

// unreached says what to look at when a vault could not be connected; nothing of
// what is no error of the API.
func unreached(name string, err error) (addrs.Path, string) {
	if errors.As(err, new(*providers.Error)) {
		return "", ""
	}
	switch vaultapi.KindOf(err) {
	case vaultapi.Auth:
		return "", fmt.Sprintf("Check the user and the password: %[1]s_USER and %[1]s_PASSWORD, or what the block names in their place. Nothing is written to it.", name)
	case vaultapi.WrongVault:
		return "/id", "A user of several vaults lands in another one where the host name is not exactly right. Correct url and id. Nothing is written to it."
	case vaultapi.Transient, vaultapi.Throttled, vaultapi.Ambiguous:
		return "/url", "Check the address, and whether the vault can be reached from here. Nothing is written to it."
	}
	return "", ""
}

func (p *Provider) dial(ctx context.Context, config providers.Config, addr addrs.Instance, body instanceBody) (*vault, instanceBody, error) {
	v := &vault{addr: addr, kind: body.Kind, names: &p.names, heard: headers{transport: p.transport}, looks: readerOf(config, addr) != ""}
	base, wanted := body.URL, int64(0)
	if body.ID != nil {
		wanted = *body.ID
	}
	endpoint, embedded := config.Endpoints[addr]
	if embedded {
		v.dev = true
		base = endpoint.URL
		if wanted == 0 {
			wanted = endpoint.ID
		}
	} else if strings.HasPrefix(base, "dev://") {
		return nil, body, providers.Errorf(providers.Access, "%s is a vault of the development server, which is not running", base)
	}
	share, err := parseShare(body.BurstShare)
	if err != nil {
		return nil, body, providers.Errorf(providers.Invalid, "burst_share: %v", err)
	}
	journal := newJournal(addr)
	cfg := vaultapi.Config{
		BaseURL:    base,
		ClientID:   clientID(config.Tool),
		Expect:     vaultapi.Expect{VaultID: wanted},
		ReadOnly:   config.ReadOnly,
		BurstShare: share,
		Transport:  &v.heard,
		Alike:      &p.alike,
		Observe:    journal.observe,
		Trace:      journal.trace(),
		Credentials: func(ctx context.Context) (string, vaultapi.Secret, error) {
			return credentials(ctx, config, addr, body)
		},
	}
	if embedded {
		// What the cap and the waits protect is a vault that others use too.
		cfg.Queries = 16
		cfg.Retry = vaultapi.Retry{Base: 20 * time.Millisecond, Cap: 500 * time.Millisecond}
	}
	if config.Impatient {
		cfg.Retry.Elapsed, cfg.Retry.Downtime, cfg.Answer = impatience, -1, answerTime
		cfg.Refusals = p.refusalsOf(addr, embedded)
	}
	login, cancel := context.WithTimeout(ctx, loginTime)
	defer cancel()
	if config.ReadOnly {
		v.reader, err = vaultapi.OpenReader(login, cfg)
	} else {
		v.client, err = vaultapi.Open(login, cfg)
		if err == nil {
			v.reader = v.client.Reader
		}
	}
	if err != nil {
		return nil, body, err
	}
	v.id = v.reader.VaultID()
	if u, err := url.Parse(v.reader.BaseURL()); err == nil {
		v.dns = u.Host
	}
	if err := v.prove(ctx, body); err != nil {
		_ = v.reader.Close(context.WithoutCancel(ctx))
		return nil, body, err
	}
	body.VaultID, body.DomainName, body.DNS = v.id, v.domain, v.dns
	return v, body, nil
}

// refusalsOf is what is remembered of refused passwords of a vault, however often
// it is connected.
func (p *Provider) refusalsOf(addr addrs.Instance, embedded bool) *vaultapi.Refusals {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refusals[addr] == nil {
		p.refusals[addr] = vaultapi.NewRefusals(relogins...)
		if embedded {
			p.refusals[addr] = vaultapi.NewRefusals(devRelogins...)
		}
	}
	return p.refusals[addr]
}

// prove holds what is declared against what the vault says of itself, before
// anything else is sent. Its id and address were checked at login.
//
// A domain admin sees the kind and the environment in the domain. Another user
// does not; then the kind is told by the standard objects that only vaults of
// some kinds have. That does not tell PromoMats from MedComms, nor production
// from sandbox: such a vault is what its id says, and its environment is
// unproven (CONN-3).
func (v *vault) prove(ctx context.Context, body instanceBody) error {
	v.environment = unproven
	var said vaultapi.DomainVault
	domain, err := v.reader.Domain(ctx)
	switch kind := vaultapi.KindOf(err); {
	case kind == vaultapi.Permission, kind == vaultapi.Invalid, kind == vaultapi.NotFound: // only domain admins may look
	case err != nil:
		return err
	default:
		v.domain = domain.Name
		if at := slices.IndexFunc(domain.Vaults, func(d vaultapi.DomainVault) bool { return int64(d.ID) == v.id }); at >= 0 {
			said = domain.Vaults[at]
		}
	}
	kinds := []string{kindOfApplications(said.Applications)}
	if kinds[0] == "" {
		objects, err := v.reader.Objects(ctx)
		if err != nil {
			return err
		}
		kinds = kindsOfObjects(objects)
	}
	if len(kinds) > 0 && !slices.Contains(kinds, body.Kind) {
		return &providers.Error{Kind: providers.Access, Path: "/kind",
			Message: fmt.Sprintf("%s is declared as a %s vault, but vault %d is a %s vault", v.addr, body.Kind, v.id, strings.Join(kinds, " or ")),
			Advice:  "Correct kind, or url and id. Nothing is written to it."}
	}
	switch said.Type {
	case "":
		return nil
	case production, sandbox:
		v.environment = said.Type
	default:
		v.environment = sandbox // every other type that is known is for testing
	}
	if v.environment != body.Environment {
		return &providers.Error{Kind: providers.Access, Path: "/environment",
			Message: fmt.Sprintf("%s is declared as %s, but vault %d says that it is %s", v.addr, body.Environment, v.id, v.environment),
			Advice:  "Correct environment, or url and id. Nothing is written to it."}
	}
	return nil
}

// kindsOfObjects are the kinds of vault that have such objects; none where
// they do not tell.
func kindsOfObjects(list []vaultapi.Object) []string {
	var kinds []string
	for _, o := range list {
		for _, known := range telling {
			if o.Name == known.object || known.label != "" && o.Label == known.label {
				for _, k := range known.kinds {
					if !slices.Contains(kinds, k) {
						kinds = append(kinds, k)
					}
				}
			}
		}
	}
	return kinds
}

func kindOfApplications(list []vaultapi.Labelled) string {
	for _, known := range applications {
		for _, a := range list {
			if a.Name == known.name {
				return known.kind
			}
		}
	}
	return ""
}

func clientID(tool string) string {
	id := strings.Map(func(r rune) rune {
		switch {
		case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9', r == '.', r == '-', r == '_':
			return r
		}
		return '-'
	}, tool)
	if id == "" {
		return "accord"
	}
	return id[:min(len(id), 100)]
}

// credentialNames are the beginnings of the variables' names that a vault's
// credentials may come from, the preferred first: who only reads prefers a user
// who may only read, where there is one.
func credentialNames(config providers.Config, addr addrs.Instance) []string {
	name := variableName(addr)
	if read := readerOf(config, addr); read != "" {
		return []string{read, name}
	}
	return []string{name}
}

// readerOf is the beginning of the names of the variables of a user who may only read;
// "" where there is none, or more than that is to be done.
func readerOf(config providers.Config, addr addrs.Instance) string {
	read := variableName(addr) + readers
	if config.ReadOnly && (os.Getenv(read+"_USER") != "" || os.Getenv(read+"_PASSWORD") != "") {
		return read
	}
	return ""
}

// helperTime is how long a command may take to find credentials; somebody may
// have to touch a key. Tests shorten it.
var helperTime = 2 * time.Minute

// credentials finds user and password: variables first, then file or command,
// then what the development server left.
func credentials(ctx context.Context, config providers.Config, addr addrs.Instance, body instanceBody) (string, vaultapi.Secret, error) {
	name := variableName(addr)
	for _, prefix := range credentialNames(config, addr) {
		user, password := os.Getenv(prefix+"_USER"), os.Getenv(prefix+"_PASSWORD")
		switch {
		case user != "" && password != "":
			return user, vaultapi.NewSecret(password), nil
		case user != "" || password != "":
			return "", vaultapi.Secret{}, access(addr, fmt.Sprintf("of %s_USER and %s_PASSWORD only one is set", prefix, prefix), "Set both.")
		}
	}
	switch {
	case body.CredentialsFile != nil:
		path := *body.CredentialsFile
		if !filepath.IsAbs(path) {
			path = filepath.Join(config.Dir, path)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return "", vaultapi.Secret{}, access(addr, fmt.Sprintf("credentials_file cannot be read: %v", err), "")
		}
		return parseCredentials(addr, "credentials_file "+*body.CredentialsFile, text)
	case len(body.CredentialsCommand) > 0:
		within, cancel := context.WithTimeout(ctx, helperTime)
		defer cancel()
		cmd := exec.CommandContext(within, body.CredentialsCommand[0], body.CredentialsCommand[1:]...)
		cmd.Dir, cmd.WaitDelay = config.Dir, time.Second // what it started may hold its output
		text, err := cmd.Output()
		if within.Err() != nil && ctx.Err() == nil {
			return "", vaultapi.Secret{}, access(addr, fmt.Sprintf("credentials_command %s did not end within %s", body.CredentialsCommand[0], helperTime), "Run it by hand: does it wait for somebody?")
		}
		if err != nil {
			return "", vaultapi.Secret{}, access(addr, fmt.Sprintf("credentials_command %s failed: %v", body.CredentialsCommand[0], complaint(err, text)), "")
		}
		return parseCredentials(addr, "the output of credentials_command", text)
	}
	if e, ok := config.Endpoints[addr]; ok && e.PasswordFile != "" {
		text, err := os.ReadFile(e.PasswordFile)
		if err != nil {
			return "", vaultapi.Secret{}, access(addr, fmt.Sprintf("the development server's password cannot be read: %v", err), "")
		}
		var file struct {
			Password string `json:"password"`
		}
		if json.Unmarshal(text, &file) != nil {
			file.Password = strings.TrimSpace(string(text))
		}
		return e.User, vaultapi.NewSecret(file.Password), nil
	}
	return "", vaultapi.Secret{}, access(addr, "there are no credentials", fmt.Sprintf("Set %s_USER and %s_PASSWORD, or credentials_file or credentials_command in the block.", name, name))
}

// complaint is err with what the command said of it on standard error, without
// anything that it gave as credentials, or that the environment keeps as such.
func complaint(err error, output []byte) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) || len(exit.Stderr) == 0 {
		return err
	}
	secrets := strings.FieldsFunc(string(output), func(r rune) bool { return strings.ContainsRune("\r\n\"", r) })
	for _, pair := range os.Environ() {
		if name, value, _ := strings.Cut(pair, "="); secretName.MatchString(name) {
			secrets = append(secrets, value)
		}
	}
	said := strings.TrimSpace(string(exit.Stderr))
	for _, s := range secrets {
		if s = strings.TrimSpace(s); len(s) > 2 {
			said = strings.ReplaceAll(said, s, "(redacted)")
		}
	}
	return fmt.Errorf("%w: %s", err, said)
}

var secretName = regexp.MustCompile(`(?i)(PASSWORD|SECRET|TOKEN|_KEY)$`)

// parseCredentials reads {"user": "…", "password": "…"}, or a user and a
// password on a line each.
func parseCredentials(addr addrs.Instance, from string, text []byte) (string, vaultapi.Secret, error) {
	var pair struct{ User, Password string }
	if json.Unmarshal(text, &pair) != nil {
		user, rest, _ := strings.Cut(string(text), "\n")
		password, _, _ := strings.Cut(rest, "\n")
		pair.User, pair.Password = strings.TrimRight(user, "\r"), strings.TrimRight(password, "\r")
	}
	if pair.User == "" || pair.Password == "" {
		return "", vaultapi.Secret{}, access(addr, from+" does not hold a user and a password", `Write {"user": "…", "password": "…"}, or the two on a line each.`)
	}
	return pair.User, vaultapi.NewSecret(pair.Password), nil
}

func access(addr addrs.Instance, message, advice string) *providers.Error {
	return &providers.Error{Kind: providers.Access, Op: "find credentials of " + addr.String(), Addr: addr, Message: message, Advice: advice}
}
