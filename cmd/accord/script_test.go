package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"filippo.io/age"
	"github.com/rogpeppe/go-internal/testscript"

	"accord/planner/plan"
	"accord/providers/devvault"
)

// editScript replaces text in a file: edit FILE OLD NEW, where \n is the end of a
// line. It fails where OLD is not there exactly once.
func editScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: edit FILE OLD NEW")
	}
	name := ts.MkAbs(args[0])
	text := ts.ReadFile(name)
	before, after := strings.ReplaceAll(args[1], `\n`, "\n"), strings.ReplaceAll(args[2], `\n`, "\n")
	if n := strings.Count(text, before); n != 1 {
		ts.Fatalf("%q is %d times in %s", before, n, args[0])
	}
	ts.Check(os.WriteFile(name, []byte(strings.Replace(text, before, after, 1)), 0o644))
}

// awaitScript waits until another process has made a file: await FILE.
func awaitScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await FILE")
	}
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(ts.MkAbs(args[0])); err == nil {
			return
		}
	}
	ts.Fatalf("%s is not there after %s", args[0], patience)
}

// untilScript runs a command again and again, until it says what it should:
// until PATTERN COMMAND…
func untilScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until PATTERN COMMAND…")
	}
	pattern := regexp.MustCompile(`(?m)` + args[0])
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if ts.Exec(args[1], args[2:]...) == nil && pattern.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("%s does not say %s after %s", strings.Join(args[1:], " "), args[0], patience)
}

// laterScript wants a moment not to lie before another one, or by no more than
// the second was guessed too late: later MOMENT OTHER BY.
func laterScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: later MOMENT OTHER BY")
	}
	var at [2]time.Time
	for i, text := range args[:2] {
		var err error
		at[i], err = time.Parse(time.RFC3339, text)
		ts.Check(err)
	}
	by, err := time.ParseDuration(args[2])
	ts.Check(err)
	if early := at[1].Sub(at[0]); early > by {
		ts.Fatalf("%s is %s before %s", args[0], early, args[1])
	}
}

// copyDirScript copies a folder without its dot-folders: copydir FROM TO.
func copyDirScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: copydir FROM TO")
	}
	from, to := ts.MkAbs(args[0]), ts.MkAbs(args[1])
	ts.Check(filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(from, path)
		if d.IsDir() {
			if strings.HasPrefix(d.Name(), ".") && rel != "." {
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), b, 0o644)
	}))
}

// ageKeyScript makes an identity: agekey FILE NAME. FILE holds it, $NAME is its
// recipient, $NAME_IDENTITY is itself.
func ageKeyScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: agekey FILE NAME")
	}
	id, err := age.GenerateX25519Identity()
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(id.String()+"\n"), 0o600))
	ts.Setenv(args[1], id.Recipient().String())
	ts.Setenv(args[1]+"_IDENTITY", id.String())
}

// exitsScript runs a command and wants an exit code: exits CODE COMMAND…
func exitsScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("%s: exit code %d, want %d", strings.Join(args[1:], " "), got, want)
	}
}

// mishap makes the provider's process meet one at its Nth call of a kind:
// MISHAP='die POST objects/documents 2' kills it, 'interrupt …' interrupts the
// command that it works for, and 'panic …' panics. Once the command is
// interrupted no call goes on before it has heard of that.
func mishap() {
	var word, method, path string
	var left atomic.Int64
	var n int64
	if len(os.Args) < 2 {
		return
	}
	if _, err := fmt.Sscan(os.Getenv("MISHAP"), &word, &method, &path, &n); err != nil {
		return
	}
	heard := func(host int) string { return filepath.Join(os.TempDir(), fmt.Sprint("heard-", host)) }
	if os.Args[1] != "provider" {
		if word == "interrupt" {
			interrupts := interrupted()
			go func() {
				<-interrupts
				_ = os.WriteFile(heard(os.Getpid()), nil, 0o600)
			}()
		}
		return
	}
	left.Store(n)
	// The transport asks for a proxy before each call.
	http.DefaultTransport.(*http.Transport).Proxy = func(r *http.Request) (*url.URL, error) {
		strikes := r.Method == method && strings.Contains(r.URL.Path, path) && left.Add(-1) == 0
		switch word {
		case "die":
			if strikes {
				self, _ := os.FindProcess(os.Getpid())
				_ = self.Kill()
				select {}
			}
		case "interrupt":
			if strikes {
				host, _ := os.FindProcess(os.Getppid())
				_ = host.Signal(os.Interrupt)
			}
			for left.Load() <= 0 && r.Context().Err() == nil { // a call that is ended by it ends here
				if _, err := os.Stat(heard(os.Getppid())); err == nil {
					time.Sleep(50 * time.Millisecond) // who else has heard of it acts on it
					break
				}
				time.Sleep(5 * time.Millisecond)
			}
		case "panic":
			if strikes {
				panic("a mishap")
			}
		}
		return nil, nil
	}
}

// panickingSink panics at the Nth write to a stream: MISHAP='sink stderr - N'.
// It is what shows events, wherever they come from.
func panickingSink(w io.Writer, name string) io.Writer {
	var word, stream, rest string
	var n int64
	if _, err := fmt.Sscan(os.Getenv("MISHAP"), &word, &stream, &rest, &n); err != nil || word != "sink" || stream != name || len(os.Args) > 1 && os.Args[1] == "provider" {
		return w
	}
	return &sink{Writer: w, left: n}
}

type sink struct {
	io.Writer
	mu   sync.Mutex
	left int64
}

func (s *sink) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left--; s.left == 0 {
		panic("a mishap of the sink")
	}
	return s.Writer.Write(b)
}

// linesScript wants every line of the last stdout to be a JSON object with a
// type and a message: lines TYPE…, where each type must be among them.
func linesScript(ts *testscript.TestScript, neg bool, args []string) {
	missing := map[string]bool{}
	for _, typ := range args {
		missing[typ] = true
	}
	for _, line := range strings.Split(strings.TrimSpace(ts.ReadFile("stdout")), "\n") {
		var m struct {
			Type    string `json:"type"`
			Message string `json:"@message"`
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil || m.Type == "" || m.Message == "" {
			ts.Fatalf("not a line of JSON with type and @message (%v): %q", err, line)
		}
		delete(missing, m.Type)
	}
	if neg || len(missing) > 0 {
		ts.Fatalf("no line has the type %v", slices.Sorted(maps.Keys(missing)))
	}
}

// namedScript wants the JSON of a plan, one document or lines, to name every item
// that it counts, and more of one vault than are named unasked: named VERB.
func namedScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: named VERB")
	}
	most := 0
	for d := json.NewDecoder(strings.NewReader(ts.ReadFile("stdout"))); d.More(); {
		var document struct{ Content json.RawMessage }
		ts.Check(d.Decode(&document))
		var content []plan.Content
		if one := new(plan.Content); json.Unmarshal(document.Content, &content) != nil && json.Unmarshal(document.Content, one) == nil {
			content = append(content, *one)
		}
		for _, c := range content {
			names := len(c.Impact.Names[args[0]])
			if total := c.Impact.Total.Of(args[0]); names != total {
				ts.Fatalf("%s: %d are %s, and %d named", c.Vault, total, args[0], names)
			}
			most = max(most, names)
		}
	}
	if most <= 20 {
		ts.Fatalf("%d items are named at most", most)
	}
}

// keepScript sets a variable to the last stdout, or to what a pattern captures
// in it: keep NAME [PATTERN].
func keepScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 2 {
		ts.Fatalf("usage: keep NAME [PATTERN]")
	}
	text := strings.TrimSpace(ts.ReadFile("stdout"))
	if len(args) == 2 {
		found := regexp.MustCompile(args[1]).FindStringSubmatch(text)
		if len(found) < 2 {
			ts.Fatalf("stdout has no %s", args[1])
		}
		text = found[1]
	}
	ts.Setenv(args[0], text)
}

// absentScript looks through every file below the folder of the script, and
// the last output, for what must be nowhere: absent TEXT.
func absentScript(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: absent TEXT")
	}
	for _, stream := range []string{"stdout", "stderr"} {
		if strings.Contains(ts.ReadFile(stream), args[0]) {
			ts.Fatalf("%s says %s", stream, args[0])
		}
	}
	ts.Check(filepath.WalkDir(ts.Getenv("WORK"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil // a file of the server may come and go
		}
		if b, err := os.ReadFile(path); err == nil && bytes.Contains(b, []byte(args[0])) {
			return fmt.Errorf("%s holds %s", path, args[0])
		}
		return nil
	}))
}

// vaultCommand speaks to the development server of a folder as its own user
// would: vault DIR VERB …
//
//	vault DIR query VAULT 'SELECT …'      rows, one JSON object a line
//	vault DIR put VAULT PATH k=v …        a form, as an admin's curl sends it
//	vault DIR post VAULT PATH k=v …
//	vault DIR delete VAULT OBJECT ID      a record
//	vault DIR control METHOD PATH [JSON]  the control API
//	vault DIR address|password            what .accord/dev.json says
//	vault DIR met                         waits until calls have met every fault
//	vault DIR hold                        keeps the server running until killed
func vaultCommand() {
	if err := vaultVerb(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func vaultVerb(dir string, args []string) error {
	ctx := context.Background()
	executable = func() (string, error) { return exec.LookPath("accord") }
	dev, err := openDevServer(ctx, dir)
	if err != nil {
		return err
	}
	defer dev.Close()
	switch args[0] {
	case "address":
		fmt.Println(dev.info.Address)
		return nil
	case "password":
		fmt.Println(dev.info.Password)
		return nil
	case "met":
		return faultsMet(ctx, dev)
	case "hold":
		<-interrupted()
		return nil
	case "control":
		var body io.Reader
		if len(args) > 3 {
			body = strings.NewReader(args[3])
		}
		var out json.RawMessage
		if err := dev.control(ctx, args[1], args[2], body, &out); err != nil {
			return err
		}
		fmt.Println(string(out))
		return nil
	}
	base := dev.info.Address + "/" + args[1]
	login, err := call(http.MethodPost, base+"/api/v25.2/auth", "", url.Values{"username": {"admin@" + args[1] + ".dev"}, "password": {dev.info.Password}})
	if err != nil {
		return err
	}
	session, _ := login["sessionId"].(string)
	switch args[0] {
	case "query":
		out, err := call(http.MethodPost, base+"/api/v25.2/query", session, url.Values{"q": {args[2]}})
		if err != nil {
			return err
		}
		rows, _ := out["data"].([]any)
		for _, r := range rows {
			b, _ := json.Marshal(r)
			fmt.Println(string(b))
		}
		return nil
	case "mdl":
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/api/mdl/execute", strings.NewReader(args[2]))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", session)
		return answered(req)
	case "delete":
		req, err := http.NewRequestWithContext(ctx, http.MethodDelete, base+"/api/v25.2/vobjects/"+args[2], strings.NewReader(`[{"id": "`+args[3]+`"}]`))
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", session)
		req.Header.Set("Content-Type", "application/json")
		return answered(req)
	case "put", "post":
		form := url.Values{}
		for _, kv := range args[3:] {
			k, v, _ := strings.Cut(kv, "=")
			form.Set(k, v)
		}
		_, err := call(strings.ToUpper(args[0]), base+"/api/v25.2/"+args[2], session, form)
		return err
	}
	return fmt.Errorf("unknown verb %q", args[0])
}

// answered makes a call, and fails unless all of it succeeded.
func answered(req *http.Request) error {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && (!bytes.Contains(b, []byte(`"responseStatus":"SUCCESS"`)) || bytes.Contains(b, []byte(`"FAILURE"`))) {
		err = fmt.Errorf("%s", b)
	}
	return err
}

// interrupted is told of an interrupt, also where whoever began all this lets his
// children hear of none.
func interrupted() <-chan os.Signal {
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt)
	return interrupts
}

// faultsMet waits until every fault has struck.
func faultsMet(ctx context.Context, dev *devServer) error {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		var out struct{ Faults []devvault.Fault }
		if err := dev.control(ctx, http.MethodGet, "faults", nil, &out); err != nil {
			return err
		}
		if !slices.ContainsFunc(out.Faults, func(f devvault.Fault) bool { return f.Times == 0 }) {
			return nil
		}
	}
	return fmt.Errorf("a fault was not met within %s", patience)
}

func call(method, address, session string, form url.Values) (map[string]any, error) {
	req, err := http.NewRequest(method, address, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Authorization", session)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&out); err != nil {
		return nil, fmt.Errorf("%s: %w: %s", address, err, b)
	}
	if out["responseStatus"] == "FAILURE" || out["responseStatus"] == "EXCEPTION" {
		return nil, fmt.Errorf("%s %s: %s", method, address, b)
	}
	return out, nil
}
