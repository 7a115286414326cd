package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// The floor of bench sync: a bare loop over net/http that knows one
// configuration by heart, keeps all it reads in memory, journals nothing,
// paces nothing and trusts every answer. It makes the calls that the work takes
// and that the rules ask for, in the phases of a run and at its concurrency:
// the source beside the targets, one page ahead; four CRM vaults at once; four
// batches of 500 in flight for each; 32 calls in flight where there is no batch.

const (
	bareTargets  = 4
	bareBatches  = 4
	bareSingles  = 32
	barePage     = 1000
	bareBatch    = 500
	bareMarks    = 700 // a query has at most 50,000 characters
	barePointCLM = "promomats_crm_clm_presentation__v"
	barePointCDA = "promomats_crm_clm_country__v"
)

type bareOptions struct {
	vaults int
	share  bool
	first  bool
	since  string
}

// benchBareCommand is a process of its own, as the tool is one.
func (c *cli) benchBareCommand() *cobra.Command {
	var o bareOptions
	cmd := &cobra.Command{
		Use:   "bare full|incremental|preview",
		Short: "The floor of bench sync: the same calls, and nothing else",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			collectLater() // as accord does
			info, err := readDevInfo(c.chdir)
			if err != nil {
				return err
			}
			run := &bareRun{bareOptions: o, kind: args[0], source: &bareVault{bare: newBare(info), name: "promomats"}}
			for n := range o.vaults {
				run.crms = append(run.crms, &bareVault{bare: run.source.bare, name: "crm-" + strconv.Itoa(n+1)})
			}
			return run.run(cmd.Context())
		},
	}
	cmd.Flags().IntVar(&o.vaults, "vaults", 1, "how many CRM vaults")
	cmd.Flags().BoolVar(&o.share, "share", false, "route by country")
	cmd.Flags().BoolVar(&o.first, "first", false, "nothing is known yet of what earlier runs left")
	cmd.Flags().StringVar(&o.since, "since", "", "of an incremental run: where it begins")
	return cmd
}

// bare calls a development server.
type bare struct {
	address, password string
	client            *http.Client
}

func newBare(info devInfo) *bare {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConns, t.MaxIdleConnsPerHost, t.DisableCompression = 256, 128, true
	return &bare{address: info.Address, password: info.Password, client: &http.Client{Transport: t}}
}

// bareVault is one vault and what the loop holds of it.
type bareVault struct {
	*bare
	name, session string
	id            int64

	points map[string]string // API name → record id
	table  map[string]bool   // countries that are routed here
	held   map[int64]*bareHeld
}

// bareHeld is a document of a CRM vault.
type bareHeld struct {
	id      int64
	title   string
	members []int64
}

func (v *bareVault) call(ctx context.Context, method, path, contentType string, body io.Reader, out any) error {
	req, err := http.NewRequestWithContext(ctx, method, v.address+"/"+v.name+"/api/v25.2/"+path, body)
	if err != nil {
		return err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", v.session)
	resp, err := v.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	// Every answer of a vault says how it went in its first few bytes.
	if head := answer[:min(len(answer), 60)]; !bytes.Contains(head, []byte(`"responseStatus":"SUCCESS"`)) && !bytes.Contains(head, []byte(`"responseStatus":"WARNING"`)) {
		return fmt.Errorf("%s %s %s: %s", v.name, method, path, answer[:min(len(answer), 500)])
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

func (v *bareVault) form(ctx context.Context, method, path string, form url.Values, out any) error {
	return v.call(ctx, method, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()), out)
}

func (v *bareVault) get(ctx context.Context, path string) error {
	return v.call(ctx, http.MethodGet, path, "", nil, nil)
}

func (v *bareVault) batch(ctx context.Context, method, path, contentType, rows string, out any) error {
	return v.call(ctx, method, path, contentType, strings.NewReader(rows), out)
}

func (v *bareVault) login(ctx context.Context) error {
	var answer struct {
		Session string `json:"sessionId"`
		ID      int64  `json:"vaultId"`
	}
	err := v.form(ctx, http.MethodPost, "auth", url.Values{"username": {"admin@" + v.name + ".dev"}, "password": {v.password}}, &answer)
	v.session, v.id = answer.Session, answer.ID
	return err
}

// bareRow is a row of any of the loop's queries.
type bareRow struct {
	ID       int64    `json:"id"`
	Type     string   `json:"type_name"`
	Status   string   `json:"status_name"`
	Major    int64    `json:"major_version_number__v"`
	Minor    int64    `json:"minor_version_number__v"`
	Publish  *bool    `json:"clm_content__v"`
	Shared   *bool    `json:"is_shared_resource__v"`
	Country  []string `json:"country__v"`
	Name     string   `json:"name__v"`
	Title    string   `json:"title__v"`
	Text     string   `json:"description__v"`
	Medium   []string `json:"crm_media_type_v_name"`
	Ends     string   `json:"crm_end_date__v"`
	Global   string   `json:"global_id__sys"`
	Version  string   `json:"global_version_id__sys"`
	External string   `json:"external_id__v"`
	Source   int64    `json:"source_doc_id__v"`
	Target   int64    `json:"target_doc_id__v"`
	Nodes    struct {
		Data []struct {
			Content  int64  `json:"content_id__sys"`
			External string `json:"document__sysr.external_id__v"`
		} `json:"data"`
	} `json:"binder_nodes__sysr"`
}

func bareQuery[T any](ctx context.Context, v *bareVault, q string) ([]T, error) {
	var answer struct {
		Data []T `json:"data"`
	}
	err := v.form(ctx, http.MethodPost, "query", url.Values{"q": {q}}, &answer)
	return answer.Data, err
}

// pages reads a statement page by page, one ahead. text makes the statement
// that begins after a row.
func (v *bareVault) pages(ctx context.Context, text func(last *bareRow) string, each func([]bareRow) error) error {
	type answer struct {
		rows []bareRow
		err  error
	}
	ahead := func(last *bareRow) chan answer {
		next := make(chan answer, 1)
		go func() {
			rows, err := bareQuery[bareRow](ctx, v, text(last)+fmt.Sprintf(" MAXROWS %d PAGESIZE %d", barePage, barePage))
			next <- answer{rows, err}
		}()
		return next
	}
	for next := ahead(nil); next != nil; {
		got := <-next
		next = nil
		if got.err != nil {
			return got.err
		}
		if len(got.rows) == barePage {
			next = ahead(&got.rows[barePage-1])
		}
		if len(got.rows) > 0 {
			if err := each(got.rows); err != nil {
				return err
			}
		}
	}
	return nil
}

func bareList[T any](values []T) string {
	quoted := make([]string, len(values))
	for n, v := range values {
		quoted[n] = fmt.Sprintf("'%v'", v)
	}
	return "(" + strings.Join(quoted, ",") + ")"
}

// related reads which shared resources documents use, or which use them.
func (v *bareVault) related(ctx context.Context, by string, ids []int64, each func(source, target int64)) error {
	for part := range slices.Chunk(ids, barePage) {
		rows, err := bareQuery[bareRow](ctx, v, "SELECT id, source_doc_id__v, target_doc_id__v FROM relationships WHERE relationship_type__v = 'related_shared_resource__v' AND "+by+" CONTAINS "+bareList(part)+" PAGESIZE 1000")
		if err != nil {
			return err
		}
		for _, r := range rows {
			each(r.Source, r.Target)
		}
	}
	return nil
}

// bareRun is one run of the loop.
type bareRun struct {
	bareOptions
	kind   string
	source *bareVault
	crms   []*bareVault

	library map[int64]*bareRow // of the source, published or not
	uses    map[int64][]int64  // slide → shared resources
	started time.Time
}

func (r *bareRun) run(ctx context.Context) error {
	r.started = time.Now().UTC()
	r.library, r.uses = map[int64]*bareRow{}, map[int64][]int64{}
	if err := r.connect(ctx); err != nil {
		return err
	}
	if r.share {
		if err := r.countries(ctx); err != nil {
			return err
		}
	}
	if err := r.content(ctx); err != nil {
		return err
	}
	return r.each(append(slices.Clone(r.crms), r.source), 16, func(v *bareVault) error {
		return v.call(ctx, http.MethodDelete, "session", "", nil, nil)
	})
}

func (r *bareRun) each(vaults []*bareVault, atOnce int, f func(*bareVault) error) error {
	var g errgroup.Group
	g.SetLimit(atOnce)
	for _, v := range vaults {
		g.Go(func() error { return f(v) })
	}
	return g.Wait()
}

// connect logs in, and learns of each vault what a run must know before it
// begins: that it is the one that is meant (CONN-3), whether its connection,
// integrations and points are active (CONN-7, INT-3) and when they ran (CLM-6),
// whose settings it has (CTRY-13), and what the users may do (PERM-5).
func (r *bareRun) connect(ctx context.Context) error {
	user := func(v *bareVault) error {
		var me struct {
			Users []struct {
				User struct {
					ID int64 `json:"id"`
				} `json:"user"`
			} `json:"users"`
		}
		if err := v.call(ctx, http.MethodGet, "objects/users/me", "", nil, &me); err != nil {
			return err
		}
		if len(me.Users) == 0 {
			return errors.New("the vault does not say who is logged in")
		}
		return v.get(ctx, fmt.Sprintf("objects/users/%d", me.Users[0].User.ID))
	}
	return r.each(append([]*bareVault{r.source}, r.crms...), 16, func(v *bareVault) error {
		if err := v.login(ctx); err != nil {
			return err
		}
		if err := v.get(ctx, "objects/domain?include_application=true"); err != nil {
			return err
		}
		if _, err := bareQuery[struct{}](ctx, v, "SELECT id, api_name__sys, remote_vault_id__sys, status__v, state__v, authorized_connection_user__sys FROM connection__sys PAGESIZE 1000"); err != nil {
			return err
		}
		if v != r.source {
			if err := v.get(ctx, "metadata/vobjects/integration_point__sys"); err != nil {
				return err
			}
			if err := v.readPoints(ctx); err != nil {
				return err
			}
			for _, q := range []string{"SELECT id, name__v, status__v, integration_api_name__sys FROM integration__sys PAGESIZE 1000",
				"SELECT id, name__v, country_filter__v, vault_crm_id__v, object_type__vr.api_name__v FROM connection_settings__v PAGESIZE 1000"} {
				if _, err := bareQuery[struct{}](ctx, v, q); err != nil {
					return err
				}
			}
			if r.share {
				if err := v.get(ctx, "objects/picklists/country_cda__v"); err != nil {
					return err
				}
			}
		}
		return user(v)
	})
}

func (v *bareVault) readPoints(ctx context.Context) error {
	points, err := bareQuery[struct {
		ID   string `json:"id"`
		Name string `json:"integration_point_api_name__sys"`
	}](ctx, v, "SELECT id, name__v, status__v, integration_point_api_name__sys, last_run_time__sys, last_successful_run_time__sys FROM integration_point__sys PAGESIZE 1000")
	v.points = map[string]string{}
	for _, p := range points {
		v.points[p.Name] = p.ID
	}
	return err
}

// finish sets LRT and LSRT of a point (CLM-8), as it is found now.
func (r *bareRun) finish(ctx context.Context, v *bareVault, point string) error {
	if err := v.readPoints(ctx); err != nil {
		return err
	}
	at := r.started.Format("2006-01-02T15:04:05.000Z")
	row, err := json.Marshal([]map[string]string{{"id": v.points[point], "last_run_time__sys": at, "last_successful_run_time__sys": at}})
	if err != nil {
		return err
	}
	return v.batch(ctx, http.MethodPut, "vobjects/integration_point__sys", "application/json", string(row), nil)
}

// exceptions reads what an earlier run may have left open at a point (ERR-4).
func (v *bareVault) exceptions(ctx context.Context, point string) error {
	for _, object := range []string{"exception_message__sys", "exception_item__sys"} {
		if err := v.get(ctx, "metadata/vobjects/"+object); err != nil {
			return err
		}
	}
	if err := v.readPoints(ctx); err != nil {
		return err
	}
	for _, q := range []string{"SELECT id, name__v, error_message__sys FROM exception_message__sys WHERE id > '' AND status__v = 'active__v' AND message_processor__sys > '%[1]s' AND message_processor__sys < '%[1]s~' ORDER BY id PAGESIZE 1000",
		"SELECT id, name__v, item__sys, error_message__sys FROM exception_item__sys WHERE id > '' AND status__v = 'active__v' AND exception_message__sysr.message_processor__sys > '%[1]s' AND exception_message__sysr.message_processor__sys < '%[1]s~' ORDER BY id PAGESIZE 1000"} {
		if _, err := bareQuery[struct{}](ctx, v, fmt.Sprintf(q, "accord:"+point+":")); err != nil {
			return err
		}
	}
	return nil
}

// countries is the Country Integration where nothing is to be done: the
// countries, and of each CRM vault the Connection Country records.
func (r *bareRun) countries(ctx context.Context) error {
	if err := r.source.get(ctx, "metadata/vobjects/crm_connection_country__v"); err != nil {
		return err
	}
	countries, err := bareQuery[struct {
		ID     string   `json:"id"`
		Values []string `json:"country_cda__v"`
	}](ctx, r.source, "SELECT id, name__v, country_cda__v FROM country__v ORDER BY id PAGESIZE 1000")
	if err != nil {
		return err
	}
	return r.each(r.crms, bareTargets, func(v *bareVault) error {
		read := func() error {
			routed, err := bareQuery[struct {
				Country string `json:"country__v"`
			}](ctx, r.source, fmt.Sprintf("SELECT id, name__v, country__v FROM crm_connection_country__v WHERE vault_crm_id__v = '%d' PAGESIZE 1000", v.id))
			v.table = map[string]bool{}
			for _, c := range routed {
				v.table[c.Country] = true
			}
			if err == nil && (len(v.table) == 0 || len(countries) == 0) {
				err = fmt.Errorf("nothing is routed to %s", v.name)
			}
			return err
		}
		if err := read(); err != nil {
			return err
		}
		if r.kind == "preview" {
			return nil
		}
		if err := read(); err != nil { // once more, after the run: the records must cover the filter (CTRY-12)
			return err
		}
		return r.finish(ctx, v, barePointCDA)
	})
}

// content is the CLM integration.
func (r *bareRun) content(ctx context.Context) error {
	var both errgroup.Group
	both.Go(func() error { return r.readSource(ctx) })
	if r.kind != "incremental" {
		both.Go(func() error {
			return r.each(r.crms, bareTargets, func(v *bareVault) error { return r.readTarget(ctx, v) })
		})
	}
	if err := both.Wait(); err != nil {
		return err
	}
	return r.each(r.crms, bareTargets, func(v *bareVault) error {
		if r.kind == "incremental" {
			if err := r.readTargetOf(ctx, v); err != nil {
				return err
			}
		}
		if r.kind == "preview" {
			return nil
		}
		if err := r.write(ctx, v); err != nil {
			return err
		}
		if r.first {
			if err := v.exceptions(ctx, barePointCLM); err != nil {
				return err
			}
		}
		return r.finish(ctx, v, barePointCLM)
	})
}

// What is selected is what accord selects, so that an answer costs the same.
const (
	bareFields = "name__v, title__v, description__v, TONAME(language__v) AS language_v_name, TONAME(crm_media_type__v) AS crm_media_type_v_name, crm_start_date__v, crm_end_date__v, crm_training__v, crm_hidden__v"

	bareOfSource = "id, TONAME(type__v) AS type_name, TONAME(lifecycle__v) AS lifecycle_name, TONAME(status__v) AS status_name, major_version_number__v, minor_version_number__v, clm_content__v, is_shared_resource__v, country__v, product__v"
	bareNodes    = "(SELECT id, content_id__sys, order__sys, type__sys, parent_section_id__sys, document__sysr.is_shared_resource__v, document__sysr.minor_version_number__v FROM binder_nodes__sysr)"

	bareOfTarget    = "id, external_id__v, TONAME(type__v) AS type_name, TONAME(lifecycle__v) AS lifecycle_name, TONAME(status__v) AS status_name, major_version_number__v, minor_version_number__v, crosslink__v, source_vault_id__v"
	bareMarkedNodes = "(SELECT id, content_id__sys, order__sys, type__sys, parent_section_id__sys, document__sysr.external_id__v FROM binder_nodes__sysr)"
)

// ofSource reads versions of the source: those in a steady state or the
// obsolete ones, of slides or of presentations.
func ofSource(presentations, obsolete bool, where string) string {
	typ, from, own, state := "multichannel_slide__v", "documents", bareOfSource, "STEADYSTATE()"
	if presentations {
		typ, from = "multichannel_presentation__v", "binders"
	}
	if obsolete {
		state = "OBSOLETESTATE()"
	} else if presentations {
		own += ", " + bareNodes
	}
	return fmt.Sprintf("SELECT LATESTVERSION %s, %s, global_id__sys, global_version_id__sys FROM ALLVERSIONS %s WHERE TONAME(type__v) = '%s' AND status__v = %s AND %s ORDER BY id", own, bareFields, from, typ, state, where)
}

// keep notes the newest of the versions of a document.
func (r *bareRun) keep(rows []bareRow) {
	for n := range rows {
		if was := r.library[rows[n].ID]; was == nil || was.Major < rows[n].Major || was.Major == rows[n].Major && was.Minor < rows[n].Minor {
			r.library[rows[n].ID] = &rows[n]
		}
	}
}

func (r *bareRun) use(source, target int64) {
	if !slices.Contains(r.uses[source], target) {
		r.uses[source] = append(r.uses[source], target)
	}
}

func (r *bareRun) readSource(ctx context.Context) error {
	if err := r.source.get(ctx, "metadata/objects/documents/properties"); err != nil {
		return err
	}
	for _, object := range []string{"country__v", "product__v"} {
		if _, err := bareQuery[struct{}](ctx, r.source, "SELECT id, name__v FROM "+object+" PAGESIZE 1000"); err != nil {
			return err
		}
	}
	if r.kind == "incremental" {
		return r.readChanges(ctx)
	}
	for _, presentations := range []bool{false, true} {
		var both errgroup.Group
		var obsolete []bareRow
		both.Go(func() error {
			return r.source.pages(ctx, func(last *bareRow) string { return ofSource(presentations, true, afterID(last)) }, func(rows []bareRow) error {
				obsolete = append(obsolete, rows...)
				return nil
			})
		})
		err := r.source.pages(ctx, func(last *bareRow) string { return ofSource(presentations, false, afterID(last)) }, func(rows []bareRow) error {
			r.keep(rows)
			if presentations {
				return nil
			}
			return r.source.related(ctx, "source_doc_id__v", idsOf(rows), r.use)
		})
		if err := errors.Join(both.Wait(), err); err != nil {
			return err
		}
		r.keep(obsolete)
	}
	return nil
}

func afterID(last *bareRow) string {
	if last == nil {
		return "id > '0'"
	}
	return fmt.Sprintf("id > '%d'", last.ID)
}

func idsOf(rows []bareRow) []int64 {
	ids := make([]int64, len(rows))
	for n := range rows {
		ids[n] = rows[n].ID
	}
	return ids
}

// readChanges reads what changed, with the presentations of changed slides and
// the slides of changed presentations.
func (r *bareRun) readChanges(ctx context.Context) error {
	slides, presentations := map[int64]bool{}, map[int64]bool{}
	err := r.source.pages(ctx, func(last *bareRow) string {
		return "SELECT id, TONAME(type__v) AS type_name FROM ALLVERSIONS documents WHERE TONAME(type__v) CONTAINS ('multichannel_presentation__v','multichannel_slide__v') AND version_modified_date__v >= '" +
			strings.TrimSuffix(r.since, "Z") + ".000Z' AND " + afterID(last) + " ORDER BY id"
	}, func(rows []bareRow) error {
		for _, row := range rows {
			if row.Type == "multichannel_presentation__v" {
				presentations[row.ID] = true
			} else {
				slides[row.ID] = true
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	deleted := url.Values{"start_date": {r.since}, "end_date": {r.started.Add(time.Second).Format(time.RFC3339)}, "limit": {"1000"}, "offset": {"0"}}
	if err := r.source.get(ctx, "objects/deletions/documents?"+deleted.Encode()); err != nil {
		return err
	}
	if err := r.source.related(ctx, "target_doc_id__v", slices.Sorted(maps.Keys(slides)), func(source, target int64) { slides[source] = true }); err != nil {
		return err
	}
	for part := range slices.Chunk(slices.Sorted(maps.Keys(slides)), barePage) {
		holders, err := bareQuery[bareRow](ctx, r.source, "SELECT id FROM ALLVERSIONS binders WHERE TONAME(type__v) = 'multichannel_presentation__v' AND id IN (SELECT id FROM binder_nodes__sysr WHERE content_id__sys CONTAINS "+bareList(part)+") AND status__v = STEADYSTATE() PAGESIZE 1000")
		if err != nil {
			return err
		}
		for _, h := range holders {
			presentations[h.ID] = true
		}
	}
	read := func(of map[int64]bool, binders bool) error {
		for part := range slices.Chunk(slices.Sorted(maps.Keys(of)), barePage) {
			found := len(r.library)
			for _, obsolete := range []bool{false, true} {
				rows, err := bareQuery[bareRow](ctx, r.source, ofSource(binders, obsolete, "id CONTAINS "+bareList(part))+" PAGESIZE 1000")
				if err != nil {
					return err
				}
				r.keep(rows)
			}
			if len(r.library)-found == len(part) {
				continue
			}
			// What has neither version now is a draft, of another type, or gone.
			if _, err := bareQuery[struct{}](ctx, r.source, "SELECT "+bareOfSource+", name__v FROM documents WHERE id CONTAINS "+bareList(part)+" PAGESIZE 1000"); err != nil {
				return err
			}
		}
		return nil
	}
	if err := read(presentations, true); err != nil {
		return err
	}
	for id := range presentations {
		if p := r.library[id]; p != nil {
			for _, n := range p.Nodes.Data {
				slides[n.Content] = true
			}
		}
	}
	var shared []int64
	if err := r.source.related(ctx, "source_doc_id__v", slices.Sorted(maps.Keys(slides)), func(source, target int64) {
		r.use(source, target)
		shared = append(shared, target)
	}); err != nil {
		return err
	}
	for _, id := range shared {
		slides[id] = true
	}
	return read(slides, false)
}

// ofTarget reads documents of a CRM vault that accord made: members, or
// presentations with their nodes.
func ofTarget(presentations bool, where string) string {
	own, from, types := bareOfTarget, "documents", "('slide__v','shared_resource__v')"
	if presentations {
		own, from, types = own+", "+bareMarkedNodes, "binders", "('presentation__v')"
	}
	return fmt.Sprintf("SELECT %s, %s, link__sys, version_link__sys FROM %s WHERE TONAME(type__v) CONTAINS %s AND %s", own, bareFields, from, types, where)
}

func (v *bareVault) hold(rows []bareRow) {
	for _, row := range rows {
		h := &bareHeld{id: row.ID, title: row.Title}
		for _, n := range row.Nodes.Data {
			h.members = append(h.members, bareDocument(n.External))
		}
		v.held[bareDocument(row.External)] = h
	}
}

func (r *bareRun) mark(row *bareRow) string {
	return bareMark(r.source.id, row.ID, row.Shared != nil && *row.Shared)
}

// bareDocument is the source document of a mark.
func bareDocument(mark string) int64 {
	mark = strings.TrimSuffix(mark, bareShared)
	id, _ := strconv.ParseInt(mark[strings.LastIndexByte(mark, ':')+1:], 10, 64)
	return id
}

// shape learns of a CRM vault what its documents are like.
func (v *bareVault) shape(ctx context.Context) error {
	v.held = map[int64]*bareHeld{}
	return v.get(ctx, "metadata/objects/documents/properties")
}

func (r *bareRun) readTarget(ctx context.Context, v *bareVault) error {
	if err := v.shape(ctx); err != nil {
		return err
	}
	prefix := barePrefix(r.source.id)
	for _, presentations := range []bool{false, true} {
		if err := v.pages(ctx, func(last *bareRow) string {
			after := prefix
			if last != nil {
				after = last.External
			}
			return ofTarget(presentations, "external_id__v > '"+after+"' AND external_id__v <= '"+prefix+"~' ORDER BY external_id__v")
		}, func(rows []bareRow) error {
			v.hold(rows)
			if presentations {
				return nil
			}
			slides := slices.DeleteFunc(slices.Clone(rows), func(row bareRow) bool { return row.Type != "slide__v" })
			return v.related(ctx, "source_doc_id__v", idsOf(slides), func(int64, int64) {})
		}); err != nil {
			return err
		}
	}
	if len(v.held) == 0 {
		return nil
	}
	return v.shapeOfHeld(ctx)
}

// shapeOfHeld learns what the states of documents mean that are there already.
func (v *bareVault) shapeOfHeld(ctx context.Context) error {
	return v.get(ctx, "configuration/Doclifecycle.crm_content__v")
}

// readTargetOf reads what a CRM vault holds of the documents that an
// incremental run is about: all of them, routed there or not, since one that is
// no longer routed would have to be withdrawn.
func (r *bareRun) readTargetOf(ctx context.Context, v *bareVault) error {
	if len(r.library) == 0 {
		return nil
	}
	if err := v.shape(ctx); err != nil {
		return err
	}
	for _, presentations := range []bool{true, false} {
		var marks []string
		for _, id := range slices.Sorted(maps.Keys(r.library)) {
			if (r.library[id].Type == "multichannel_presentation__v") == presentations {
				marks = append(marks, r.mark(r.library[id]))
			}
		}
		for part := range slices.Chunk(marks, bareMarks) {
			rows, err := bareQuery[bareRow](ctx, v, ofTarget(presentations, "external_id__v CONTAINS "+bareList(part))+" PAGESIZE 1000")
			if err != nil {
				return err
			}
			v.hold(rows)
			slides := slices.DeleteFunc(rows, func(row bareRow) bool { return row.Type != "slide__v" })
			if err := v.related(ctx, "source_doc_id__v", idsOf(slides), func(int64, int64) {}); err != nil {
				return err
			}
		}
	}
	if len(v.held) == 0 {
		return nil
	}
	return v.shapeOfHeld(ctx)
}

// published says whether a document is published at all.
func (r *bareRun) published(row *bareRow) bool {
	presentation := row.Type == "multichannel_presentation__v"
	return row.Status == "approved__v" && (row.Publish == nil && !presentation || row.Publish != nil && *row.Publish) && (row.Ends == "" || row.Ends >= r.started.Format(time.DateOnly))
}

// write makes and changes what is to be, by part: shared resources, slides,
// presentations.
func (r *bareRun) write(ctx context.Context, v *bareVault) error {
	var parts [3][]*bareRow
	needed := map[int64]bool{}
	for _, id := range slices.Sorted(maps.Keys(r.library)) {
		row := r.library[id]
		if row.Type != "multichannel_presentation__v" || !r.published(row) {
			continue
		}
		if r.share && !slices.ContainsFunc(row.Country, func(c string) bool { return v.table[c] }) {
			continue
		}
		parts[2] = append(parts[2], row)
		for _, n := range row.Nodes.Data {
			needed[n.Content] = true
		}
	}
	for id := range maps.Clone(needed) {
		for _, shared := range r.uses[id] {
			needed[shared] = true
		}
	}
	for _, id := range slices.Sorted(maps.Keys(needed)) {
		if row := r.library[id]; row != nil && row.Shared != nil && *row.Shared {
			parts[0] = append(parts[0], row)
		} else if row != nil {
			parts[1] = append(parts[1], row)
		}
	}
	for part, rows := range parts {
		var missing, changed []*bareRow
		for _, row := range rows {
			switch h := v.held[row.ID]; {
			case h == nil:
				missing = append(missing, row)
			case h.title != row.Title:
				changed = append(changed, row)
			}
		}
		var g errgroup.Group
		g.SetLimit(bareBatches)
		if len(missing) > 0 {
			typ := [3]string{"shared_resource__v", "slide__v", "presentation__v"}[part]
			if err := v.get(ctx, "metadata/objects/documents/types/"+typ); err != nil {
				return err
			}
			if part == 0 {
				if err := v.get(ctx, "configuration/Doclifecycle.crm_content__v"); err != nil {
					return err
				}
			}
			var mu sync.Mutex
			for batch := range slices.Chunk(missing, bareBatch) {
				g.Go(func() error { return r.create(ctx, v, &mu, typ, batch) })
			}
		}
		for batch := range slices.Chunk(changed, bareBatch) {
			g.Go(func() error { return r.update(ctx, v, part == 2, batch) })
		}
		if err := g.Wait(); err != nil {
			return err
		}
	}
	return nil
}

// look reads what became of documents, by their marks.
func (r *bareRun) look(ctx context.Context, v *bareVault, presentations bool, rows []*bareRow) ([]bareRow, error) {
	marks := make([]string, len(rows))
	for n, row := range rows {
		marks[n] = r.mark(row)
	}
	from, own := "documents", bareOfTarget
	if presentations {
		from, own = "binders", own+", "+bareMarkedNodes
	}
	return bareQuery[bareRow](ctx, v, "SELECT "+own+" FROM "+from+" WHERE external_id__v CONTAINS "+bareList(marks)+" PAGESIZE 1000")
}

// update sets the titles of documents, once it was seen that they are still
// what they were (CLM-11).
func (r *bareRun) update(ctx context.Context, v *bareVault, presentations bool, rows []*bareRow) error {
	there, err := r.look(ctx, v, presentations, rows)
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("id,title__v\n")
	for _, row := range there {
		fmt.Fprintf(&b, "%d,%q\n", row.ID, r.library[bareDocument(row.External)].Title)
	}
	return v.batch(ctx, http.MethodPut, "objects/documents/batch", "text/csv", b.String(), nil)
}

// create makes CrossLinks with their relationships, or binders with their
// nodes, and approves them.
func (r *bareRun) create(ctx context.Context, v *bareVault, mu *sync.Mutex, typ string, rows []*bareRow) error {
	presentations := typ == "presentation__v"
	family := "documents"
	if presentations {
		family = "binders"
	}
	made := make([]int64, len(rows))
	singles := func(f func(n int, row *bareRow) error) error {
		var g errgroup.Group
		g.SetLimit(bareSingles)
		for n, row := range rows {
			g.Go(func() error { return f(n, row) })
		}
		return g.Wait()
	}
	if err := singles(func(n int, row *bareRow) error {
		form := url.Values{"type__v": {typ}, "lifecycle__v": {"crm_content__v"}, "external_id__v": {r.mark(row)}, "name__v": {row.Name}, "title__v": {row.Title}, "link__sys": {row.Global}, "version_link__sys": {row.Version}}
		if row.Text != "" {
			form.Set("description__v", row.Text)
		}
		if len(row.Medium) > 0 {
			form.Set("crm_media_type__v", row.Medium[0])
		}
		if row.Ends != "" {
			form.Set("crm_end_date__v", row.Ends)
		}
		if !presentations {
			form.Set("source_vault_id__v", strconv.FormatInt(r.source.id, 10))
			form.Set("source_document_id__v", strconv.FormatInt(row.ID, 10))
			form.Set("source_binding_rule__v", "Latest Steady State version")
		}
		var answer struct {
			ID int64 `json:"id"`
		}
		err := v.form(ctx, http.MethodPost, "objects/"+family, form, &answer)
		made[n] = answer.ID
		return err
	}); err != nil {
		return err
	}
	mu.Lock()
	for n, row := range rows {
		v.held[row.ID] = &bareHeld{id: made[n], title: row.Title}
	}
	mu.Unlock()
	id := func(document int64) int64 {
		mu.Lock()
		defer mu.Unlock()
		if h := v.held[document]; h != nil {
			return h.id
		}
		return 0
	}
	if presentations {
		if err := singles(func(n int, row *bareRow) error {
			for order, node := range row.Nodes.Data {
				form := url.Values{"document_id__v": {strconv.FormatInt(id(node.Content), 10)}, "order__v": {strconv.Itoa(order)}, "binding_rule__v": {"steady-state"}}
				if err := v.form(ctx, http.MethodPost, fmt.Sprintf("objects/binders/%d/documents", made[n]), form, nil); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
		if _, err := r.look(ctx, v, true, rows); err != nil { // the order of nodes, which Vault is known to ignore
			return err
		}
	} else {
		type edge struct {
			Source int64  `json:"source_doc_id__v"`
			Target int64  `json:"target_doc_id__v"`
			Type   string `json:"relationship_type__v"`
		}
		var edges []edge
		for n, row := range rows {
			for _, shared := range r.uses[row.ID] {
				edges = append(edges, edge{made[n], id(shared), "related_shared_resource__v"})
			}
		}
		for part := range slices.Chunk(edges, bareBatch) {
			body, err := json.Marshal(part)
			if err != nil {
				return err
			}
			if err := v.batch(ctx, http.MethodPost, "objects/documents/relationships/batch", "application/json", string(body), nil); err != nil {
				return err
			}
		}
	}
	ids := make([]string, len(made))
	for n, id := range made {
		ids[n] = fmt.Sprintf("%d:0:1", id)
	}
	if err := v.form(ctx, http.MethodPut, "objects/"+family+"/lifecycle_actions/approve__v", url.Values{"docIds": {strings.Join(ids, ",")}, "lifecycle": {"crm_content__v"}, "state": {"draft__v"}}, nil); err != nil {
		return err
	}
	_, err := r.look(ctx, v, presentations, rows) // Vault says nothing of what an action passes over
	return err
}
