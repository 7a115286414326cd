// Package topology reads the file that says which vaults a development server has: vaults with more objects and fields, users, connections.
//
// It refuses to know what the vaults are for, and how they are served: it turns a file into calls of devvault. Start at Load and Topology.Apply.
//
//	vault "promo" {
//	  kind        = "promomats"      # promomats, medcomms, crm, align
//	  environment = "production"     # or sandbox, which it is when left out
//	  domain      = "acme"           # dev when left out
//	  id          = 7001             # the next free one when left out
//	  mdl         = [file("fields.mdl"), "RECREATE Picklist color__c (label('Color'), active(true));"]
//	  library     = ["content.jsonl"]
//	  engine      = true             # of a crm vault: a stand-in plays the platform's own engine
//	}
//
//	user "anna@acme.dev" {
//	  password_env = "ANNA_PASSWORD" # the server's password when left out
//	  member "promo" {
//	    permission_sets = ["clm_admin__c"] # or profile = "business_user__v"
//	  }
//	}
//
//	connection "promo" "crm-us" {
//	  pending = "crm"                # crm, content, both; established when left out
//	}
//
// Paths are relative to the file. MDL and libraries are run again when their text has changed: write RECREATE.
package topology

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"

	"accord/providers/devvault"
)

// Topology is what a file asks for.
type Topology struct {
	Vaults      []Vault      `hcl:"vault,block"`
	Users       []User       `hcl:"user,block"`
	Connections []Connection `hcl:"connection,block"`

	dir string
}

// Vault is a vault, and what it has beyond the standard content of its kind.
type Vault struct {
	Name        string   `hcl:"name,label"`
	Kind        string   `hcl:"kind"`
	Environment string   `hcl:"environment,optional"`
	Domain      string   `hcl:"domain,optional"`
	ID          int64    `hcl:"id,optional"`
	MDL         []string `hcl:"mdl,optional"`     // scripts
	Library     []string `hcl:"library,optional"` // content libraries, by path
	Engine      *bool    `hcl:"engine,optional"`  // the stand-in of the platform's own engine is on; left out: as it is

	Range hcl.Range `hcl:",def_range"`
}

// User is a user of some of the vaults.
type User struct {
	Name        string   `hcl:"name,label"`
	PasswordEnv string   `hcl:"password_env,optional"` // the environment variable that holds the password
	Members     []Member `hcl:"member,block"`

	Range hcl.Range `hcl:",def_range"`
}

// Member says what a user may do in a vault: by a security profile, or by permission sets, for which a profile is made.
type Member struct {
	Vault          string   `hcl:"vault,label"`
	Profile        string   `hcl:"profile,optional"`
	PermissionSets []string `hcl:"permission_sets,optional"`

	Range hcl.Range `hcl:",def_range"`
}

// Connection ties a content vault to a CRM vault.
type Connection struct {
	Content string `hcl:"content,label"`
	CRM     string `hcl:"crm,label"`
	Type    string `hcl:"type,optional"`
	Pending string `hcl:"pending,optional"`

	Range hcl.Range `hcl:",def_range"`
}

// Load reads a file and finds what is wrong in it without a server: names that are not declared, or declared twice.
func Load(path string) (*Topology, hcl.Diagnostics) {
	file, diags := hclparse.NewParser().ParseHCLFile(path)
	if diags.HasErrors() {
		return nil, diags
	}
	t := &Topology{dir: filepath.Dir(path)}
	read := function.New(&function.Spec{
		Params: []function.Parameter{{Name: "path", Type: cty.String}},
		Type:   function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			text, err := os.ReadFile(t.path(args[0].AsString()))
			return cty.StringVal(string(text)), err
		},
	})
	diags = append(diags, gohcl.DecodeBody(file.Body, &hcl.EvalContext{Functions: map[string]function.Function{"file": read}}, t)...)
	if diags.HasErrors() {
		return nil, diags
	}
	diags = append(diags, t.check()...)
	if diags.HasErrors() {
		return nil, diags
	}
	return t, diags
}

func (t *Topology) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(t.dir, p)
}

func (t *Topology) check() (diags hcl.Diagnostics) {
	wrong := func(at hcl.Range, summary, format string, args ...any) {
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...), Subject: &at})
	}
	kinds := map[string]string{}
	for _, v := range t.Vaults {
		if _, twice := kinds[v.Name]; twice {
			wrong(v.Range, "Vault declared twice", "There is another vault %q in this file.", v.Name)
		}
		switch v.Kind {
		case "promomats", "medcomms", "crm", "align":
		default:
			wrong(v.Range, "Unknown kind of vault", "The kind of vault %q is %q; it is one of promomats, medcomms, crm, align.", v.Name, v.Kind)
		}
		if v.Engine != nil && v.Kind != "crm" {
			wrong(v.Range, "No place for an engine", "%q is no crm vault; the points that an engine runs are in a CRM vault.", v.Name)
		}
		kinds[v.Name] = v.Kind
	}
	known := func(at hcl.Range, name string) bool {
		_, found := kinds[name]
		if !found {
			wrong(at, "Unknown vault", "There is no vault %q in this file.", name)
		}
		return found
	}
	users := map[string]bool{}
	for _, u := range t.Users {
		if users[u.Name] {
			wrong(u.Range, "User declared twice", "There is another user %q in this file.", u.Name)
		}
		users[u.Name] = true
		for _, m := range u.Members {
			known(m.Range, m.Vault)
			if (m.Profile == "") == (len(m.PermissionSets) == 0) {
				wrong(m.Range, "Profile or permission sets", "A member has either a profile or permission_sets.")
			}
		}
	}
	for _, c := range t.Connections {
		if known(c.Range, c.Content) && known(c.Range, c.CRM) && (kinds[c.CRM] != "crm" || kinds[c.Content] != "promomats" && kinds[c.Content] != "medcomms") {
			wrong(c.Range, "Impossible connection", "A connection ties a promomats or medcomms vault to a crm vault, in this order.")
		}
	}
	return diags
}

// Apply makes the server have what the file asks for. What is there already stays; doing it again changes nothing.
func (t *Topology) Apply(s *devvault.Server) error {
	for _, v := range t.Vaults {
		if err := s.AddVault(devvault.VaultSpec{Name: v.Name, Kind: v.Kind, Environment: v.Environment, Domain: v.Domain, ID: v.ID}); err != nil {
			return fmt.Errorf("%s: %w", v.Range, err)
		}
		for i, script := range v.MDL {
			if err := runMDL(s, v.Name, fmt.Sprintf("topology-mdl-%d", i), script); err != nil {
				return fmt.Errorf("%s: %w", v.Range, err)
			}
		}
	}
	for _, c := range t.Connections {
		if err := s.Connect(devvault.ConnectSpec{Content: c.Content, CRM: c.CRM, Type: c.Type, Pending: c.Pending}, ""); err != nil {
			return fmt.Errorf("%s: %w", c.Range, err)
		}
	}
	for _, v := range t.Vaults { // after the connections: a library may hold CrossLinks
		for _, path := range v.Library {
			if err := load(s, v.Name, t.path(path)); err != nil {
				return fmt.Errorf("%s: %w", v.Range, err)
			}
		}
	}
	for _, v := range t.Vaults {
		if v.Engine == nil {
			continue
		}
		if err := s.SetEngine(v.Name, *v.Engine); err != nil {
			return fmt.Errorf("%s: %w", v.Range, err)
		}
	}
	for _, u := range t.Users {
		if err := u.apply(s); err != nil {
			return fmt.Errorf("%s: %w", u.Range, err)
		}
	}
	return nil
}

func load(s *devvault.Server, vault, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open library: %w", err)
	}
	defer f.Close()
	_, err = s.Load(vault, filepath.Base(path), f)
	return err
}

// runMDL runs a script as a content library of one line.
func runMDL(s *devvault.Server, vault, name, script string) error {
	line, err := json.Marshal(map[string]string{"mdl": script})
	if err != nil {
		return err
	}
	_, err = s.Load(vault, name, bytes.NewReader(line))
	return err
}

func (u User) apply(s *devvault.Server) error {
	spec := devvault.UserSpec{Name: u.Name, Vaults: map[string]string{}}
	if u.PasswordEnv != "" {
		if spec.Password = os.Getenv(u.PasswordEnv); spec.Password == "" {
			return fmt.Errorf("the environment variable %s, password of %s, is empty", u.PasswordEnv, u.Name)
		}
	}
	for _, m := range u.Members {
		spec.Vaults[m.Vault] = m.Profile
		if m.Profile != "" {
			continue
		}
		profile := profileName(u.Name)
		spec.Vaults[m.Vault] = profile
		sets := "'" + strings.Join(m.PermissionSets, "', '") + "'"
		script := fmt.Sprintf("RECREATE Securityprofile %s (label('%s'), active(true), permission_sets(%s));", profile, strings.ReplaceAll(u.Name, "'", "''"), sets)
		if err := runMDL(s, m.Vault, profile, script); err != nil {
			return err
		}
	}
	return s.AddUser(spec)
}

// profileName is the name of the security profile that a user of permission sets has.
func profileName(user string) string {
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(user))
	return strings.Trim(name, "_") + "__c"
}
