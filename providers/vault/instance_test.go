package vault

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"accord/lang/addrs"
	"accord/providers"
	"accord/providers/vaultapi"
)

func TestVariableNames(t *testing.T) {
	for want, addr := range map[string]addrs.Instance{
		"ACCORD_VAULT_PROMOMATS":             addrs.New("vault", "promomats"),
		"ACCORD_VAULT_CRM_US":                keyed("vault", "crm", "us"),
		"ACCORD_VAULT_CRM_EU_W_":             keyed("vault", "crm", "eu-w!"),
		"ACCORD_VAULT_EMEA_MARKET_DE_CRM_US": {Block: addrs.Block{Module: `module.emea.module.market["de"]`, Type: "vault", Name: "crm"}, Key: "us", Keyed: true},
	} {
		if got := variableName(addr); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

// Where credentials come from: variables, those for reading first when only
// reading, then a file or a command.
func TestCredentials(t *testing.T) {
	dir := t.TempDir()
	addr := keyed("vault", "crm", "us")
	write := func(name, text string) *string {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return &name
	}
	get := func(readOnly bool, body instanceBody) (string, string, error) {
		user, password, err := credentials(t.Context(), providers.Config{Dir: dir, ReadOnly: readOnly}, addr, body)
		return user, password.Reveal(), err
	}
	check := func(what, user, password string, err error, wantUser, wantPassword string) {
		t.Helper()
		if err != nil || user != wantUser || password != wantPassword {
			t.Errorf("%s: %q %q %v, want %q %q", what, user, password, err, wantUser, wantPassword)
		}
	}
	u, p, err := get(false, instanceBody{CredentialsFile: write("lines", "ann\r\nse cret\r\n")})
	check("two lines", u, p, err, "ann", "se cret")
	u, p, err = get(false, instanceBody{CredentialsFile: write("json", `{"user": "ann", "password": "x\ny"}`)})
	check("JSON", u, p, err, "ann", "x\ny")
	u, p, err = get(false, instanceBody{CredentialsCommand: []string{"echo", `{"user": "bob", "password": "y"}`}})
	check("a command", u, p, err, "bob", "y")
	_, _, err = get(false, instanceBody{CredentialsCommand: []string{"sh", "-c", "printf 'bob\\ncanary-pw\\n'; echo 'the safe is locked, said canary-pw' >&2; exit 3"}})
	if providers.KindOf(err) != providers.Access || !strings.Contains(err.Error(), "exit status 3: the safe is locked, said (redacted)") || strings.Contains(err.Error(), "canary") {
		t.Errorf("a command that fails: %v", err)
	}
	if _, _, err = get(false, instanceBody{CredentialsCommand: []string{filepath.Join(dir, "no-such-helper")}}); providers.KindOf(err) != providers.Access {
		t.Errorf("no such command: %v", err)
	}
	defer func(was time.Duration) { helperTime = was }(helperTime)
	helperTime = 100 * time.Millisecond
	if _, _, err = get(false, instanceBody{CredentialsCommand: []string{"sh", "-c", "sleep 60 & sleep 60"}}); providers.KindOf(err) != providers.Access || !strings.Contains(err.Error(), "did not end within") {
		t.Errorf("a command that waits for somebody: %v", err)
	}
	helperTime = time.Minute
	if _, _, err = get(false, instanceBody{CredentialsCommand: []string{"echo", "canary"}}); providers.KindOf(err) != providers.Access || strings.Contains(err.Error(), "canary") {
		t.Errorf("a command that prints half: %v", err)
	}
	if _, _, err := get(false, instanceBody{CredentialsFile: write("empty", "only-a-user\n")}); err == nil || strings.Contains(err.Error(), "only-a-user") {
		t.Errorf("a file without a password: %v", err)
	}
	if _, _, err := get(false, instanceBody{}); providers.KindOf(err) != providers.Access {
		t.Errorf("none: %v", err)
	}
	t.Setenv("ACCORD_VAULT_CRM_US_USER", "writer")
	if _, _, err := get(false, instanceBody{}); providers.KindOf(err) != providers.Access {
		t.Errorf("half a pair: %v", err)
	}
	t.Setenv("ACCORD_VAULT_CRM_US_PASSWORD", "w")
	t.Setenv("ACCORD_VAULT_CRM_US_READ_USER", "reader")
	t.Setenv("ACCORD_VAULT_CRM_US_READ_PASSWORD", "r")
	u, p, err = get(false, instanceBody{CredentialsFile: write("json", `{"user": "ann", "password": "x"}`)})
	check("variables before a file", u, p, err, "writer", "w")
	u, p, err = get(true, instanceBody{})
	check("only reading", u, p, err, "reader", "r")
}

func TestShares(t *testing.T) {
	for text, want := range map[string]float64{"80%": 0.8, " 100 %": 1, "0%": 0, "120%": 0, "0.8": 0, "": 0} {
		got, err := parseShare(text)
		if (err == nil) != (want > 0) || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}

// The first application that is known says what a vault is.
func TestKindOfApplications(t *testing.T) {
	for want, list := range map[string][]vaultapi.Labelled{
		kindPromoMats: {{Name: "some__v"}, {Name: "pm_promomats__v"}, {Name: "pm_multichannel__v"}},
		kindCRM:       {{Name: "vault_crm__v"}},
		"":            {{Name: "another__v"}},
	} {
		if got := kindOfApplications(list); got != want {
			t.Errorf("%v: %q, want %q", list, got, want)
		}
	}
}

// CLM-7: valid is not past its CRM end date; the last day counts.
func TestStandings(t *testing.T) {
	today := start.Format(time.DateOnly)
	for _, c := range []struct {
		typ  string
		row  string
		want string
	}{
		{typePresentation, `{"clm_content__v":true}`, standApproved},
		{typePresentation, `{"clm_content__v":false}`, standUnpublished},
		{typePresentation, `{}`, standUnpublished},
		{typeSlide, `{}`, standApproved}, // goes where a presentation needs it
		{typeSlide, `{"clm_content__v":false}`, standUnpublished},
		{typePresentation, `{"clm_content__v":true,"crm_end_date__v":"2026-11-02"}`, standApproved},
		{typePresentation, `{"clm_content__v":true,"crm_end_date__v":"2026-11-01"}`, standExpired},
		{typePresentation, `{"clm_content__v":false,"crm_end_date__v":"2026-11-01"}`, standUnpublished},
	} {
		if got := clmStanding(c.typ, rowOf(t, c.row), today); got != c.want {
			t.Errorf("CLM-1: %s %s: %s, want %s", c.typ, c.row, got, c.want)
		}
	}
	for on, want := range map[string]providers.Meaning{"keep": providers.Keep, "withdraw": providers.Withdraw} {
		for _, standing := range []string{standUnapproved, standInField, standNever} {
			if got := clmMeanings(on, variantSteady)[standing]; got != want {
				t.Errorf("CLM-1: on_unapproved = %s means %s of %s", on, got, standing)
			}
		}
	}
	m := clmMeanings("keep", variantSteady)
	for _, gone := range []string{standUnpublished, standObsolete, standDeleted, standRetyped} { // CLM-3: of another type, too
		if m[gone] != providers.Withdraw {
			t.Errorf("CLM-1: %s means %s", gone, m[gone])
		}
	}
	for _, never := range []string{standMissing, standDraft, standExpired} {
		if m[never] == providers.Withdraw || m[never] == providers.Publish {
			t.Errorf("absence never removes: %s means %s", never, m[never])
		}
	}
}

// However many vaults there are, their connections are those of the calls in
// flight: a vault that is done with leaves none behind.
func TestVaultsShareConnections(t *testing.T) {
	t.Parallel()
	var specs []spec
	for n := range 3 * atOnce {
		specs = append(specs, spec{fmt.Sprintf("crm-%d", n), "crm", sandbox, ""})
	}
	w := newWorld(t, specs...)
	var opened atomic.Int64
	web := httptest.NewUnstartedServer(w.server.Handler())
	web.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	web.Start()
	t.Cleanup(web.Close)
	w.url = web.URL
	w.connect(true)
	if n := opened.Load(); n > 2*atOnce {
		t.Errorf("%d vaults, %d of them at once, took %d connections", len(specs), atOnce, n)
	}
}

// An address that holds a password is refused, and not repeated.
func TestAddressesHoldNoPassword(t *testing.T) {
	for _, address := range []string{"https://u:canary@acme.veevavault.com", "https://canary@acme.veevavault.com", "ftp://u:canary@x", "https://u:can%ary@x"} {
		if problem := checkURL(address); problem == "" || strings.Contains(problem, "can") {
			t.Errorf("%s: %q", address, problem)
		}
	}
	if _, err := vaultapi.Open(t.Context(), vaultapi.Config{BaseURL: "https://u:canary@x"}); err == nil || strings.Contains(err.Error(), "canary") {
		t.Errorf("opened, or told: %v", err)
	}
}
