package devvault

import (
	"container/list"
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"accord/providers/devvault/vql"
)

// queryState is what the server keeps of queries from one call to the next. The zero value is ready.
type queryState struct {
	mu         sync.Mutex
	statements map[string]*sql.Stmt // prepared, by text
	results    map[string]*list.Element
	recent     list.List // of *result, the latest used in front
	totals     map[string]total
	running    map[queryUser]chan struct{}
}

const (
	maxStatements = 500
	maxResults    = 500
	maxKept       = 8 // results whose keys are held
	maxTotals     = 1000
)

// result is a query that has further pages. Its keys are read when the second page is asked for, so that paging through costs the same
// on every page and rows neither come twice nor are missed while others are written.
type result struct {
	token       string
	slot        int64
	query       string
	old         bool
	definitions bool

	mu   sync.Mutex
	keys []int64
	read bool
}

// total is how many rows follow a bound, by the query without it.
type total struct {
	state   [2]int64 // of changes, when it was counted
	rows    int
	counted time.Time
}

// totalAge is for how long a total that rows have been written since is told to who pages on by `id > last`, so that not every page of a long
// walk counts all that follow it while others write. Whether there is a next page is never taken from such a total.
const totalAge = 10 * time.Second

// cheapTotal is how many rows are always counted anew; it is more than a page has.
const cheapTotal = 10_000

// statement returns the prepared statement for a text; nil when it is not to be prepared because there are too many.
func (s *queryState) statement(ctx context.Context, db *sql.DB, text string) (*sql.Stmt, error) {
	s.mu.Lock()
	stmt, full := s.statements[text], len(s.statements) >= maxStatements
	s.mu.Unlock()
	if stmt != nil || full {
		return stmt, nil
	}
	stmt, err := db.PrepareContext(ctx, text)
	if err != nil {
		return nil, fmt.Errorf("prepare query %s: %w", text, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if first := s.statements[text]; first != nil {
		stmt.Close()
		return first, nil
	}
	if s.statements == nil {
		s.statements = map[string]*sql.Stmt{}
	}
	s.statements[text] = stmt
	return stmt, nil
}

// oldPaging is for versions in which paging is by LIMIT and OFFSET.
func oldPaging(version string) bool { return version < "v20.3" }

// handleQuery answers POST /api/{v}/query: parse, compile, run, reply.
func handleQuery(c *call) (reply, error) {
	text, err := c.required("q")
	if err != nil {
		return reply{}, err
	}
	return c.query(text, newCompiler(c))
}

// handleQueryComponents answers POST /api/{v}/query/components: queries of components, with their definitions.
func handleQueryComponents(c *call) (reply, error) {
	text, err := c.required("q")
	if err != nil {
		return reply{}, err
	}
	q := newCompiler(c)
	q.definitions = true
	return c.query(text, q)
}

func (c *call) query(text string, q *compiler) (reply, error) {
	done, err := c.s.queries.enter(c)
	if err != nil {
		return reply{}, err
	}
	defer done()
	if text, err = c.tokens(text); err != nil {
		return reply{}, err
	}
	old := oldPaging(c.version)
	parsed, err := vql.Parse(text, old)
	if err != nil {
		return reply{}, syntaxError(err)
	}
	if s, isSelect := parsed.(*vql.Select); isSelect && q.definitions && s.Target.Text != "vault_component__v" {
		return reply{}, fail("INVALID_DATA", "The query target [%s] at line %d, column %d is not for this call: it takes vault_component__v", s.Target.Text,
			s.Target.Pos.Line, s.Target.Pos.Column)
	}
	s, isSelect := parsed.(*vql.Select)
	if !isSelect {
		return q.show(parsed.(*vql.Show))
	}
	p, err := q.plan(s)
	if err != nil {
		return reply{}, err
	}
	w := pageRange{size: maxPage}
	if s.Pagesize != nil {
		w.size = min(*s.Pagesize, maxPage)
	}
	if s.Pageoffset != nil {
		w.offset = *s.Pageoffset
	}
	w.skip, w.most = p.limits()
	return p.reply(c, text, w)
}

func syntaxError(err error) error {
	var e *vql.Error
	if errors.As(err, &e) {
		return fail(e.Type(), "%s", e.Error())
	}
	return err
}

// pageRange is the part of the rows that is answered: skip and most are of the query, size and offset of the page.
type pageRange struct {
	size, offset int
	skip         int
	most         int // -1: all
}

// limits are the query's own SKIP and MAXROWS.
func (p *plan) limits() (skip, most int) {
	most = -1
	if p.s.Skip != nil {
		skip = *p.s.Skip
	}
	if p.s.Maxrows != nil {
		most = *p.s.Maxrows
	}
	return skip, most
}

// rows is how many rows the page may have.
func (w pageRange) rows() int {
	if w.most < 0 {
		return w.size
	}
	return max(0, min(w.size, w.most-w.offset))
}

// reply reads the first page, or any page of a target whose rows have no key.
func (p *plan) reply(c *call, text string, w pageRange) (reply, error) {
	state := c.s.store.changes.state(c.v.slot, p.elsewhere())
	page, err := p.readRows(c, p.page(w.rows(), w.skip+w.offset), w.rows())
	if err != nil {
		return reply{}, err
	}
	n, err := p.total(c, w, page, state)
	if err != nil {
		return reply{}, err
	}
	token := ""
	if w.offset+page.size < n || w.offset > 0 {
		if p.t.target != "users" && p.t.target != "workflows" {
			token = c.s.queries.remember(&result{slot: c.v.slot, query: text, old: oldPaging(c.version), definitions: p.q.definitions})
		}
	}
	return p.answer(c, page, n, w, token)
}

// answer puts the reply together.
func (p *plan) answer(c *call, page page, total int, w pageRange, token string) (reply, error) {
	var b body
	if strings.EqualFold(c.r.Header.Get("X-VaultAPI-DescribeQuery"), "true") {
		b = append(b, "queryDescribe", p.describe())
	}
	if page.cut {
		w.size = page.size
	}
	sizeKey, offsetKey := "pagesize", "pageoffset"
	if oldPaging(c.version) {
		sizeKey, offsetKey = "limit", "offset"
	}
	var details body
	if p.s.Find != nil {
		details = append(details, "find", p.s.Find.Phrase)
	}
	details = append(details, sizeKey, w.size, offsetKey, w.offset, "size", page.size, "total", total)
	link := func(offset int) string {
		return fmt.Sprintf("/api/%s/query/%s?%s=%d&%s=%d", c.version, token, sizeKey, w.size, offsetKey, offset)
	}
	if token != "" && w.offset+page.size < total {
		details = append(details, "next_page", link(w.offset+w.size))
	}
	if token != "" && w.offset > 0 {
		details = append(details, "previous_page", link(max(0, w.offset-w.size)))
	}
	b = append(b, "responseDetails", details, "data", raw(page.rows))
	if p.properties != nil {
		b = append(b, p.properties.name, p.properties.rows)
	}
	return reply{body: b}, nil
}

// total is how many rows there are. A page that is not full says it itself. Who pages by `id > last` is told from the page before,
// while nothing is written: the rows that follow its last one are those it had to follow less those it had.
func (p *plan) total(c *call, w pageRange, page page, state [2]int64) (int, error) {
	if !page.cut && page.size < w.rows() && (page.size > 0 || w.offset == 0) || w.most >= 0 && w.offset+page.size >= w.most {
		return w.offset + page.size, nil
	}
	follows := p.paged != "" && w.skip == 0 && w.offset == 0 && w.most < 0
	rest := ""
	if follows {
		rest = p.restKey(c)
	}
	bound := ""
	if p.bound != nil {
		bound = p.bound.value
	}
	limit := -1
	if w.most >= 0 {
		limit = w.skip + w.most
	}
	var known bool
	var n int
	counted := time.Now()
	if follows {
		t, found := c.s.queries.total(rest + bound)
		fresh := t.state == state
		if known = found && (fresh || p.bound != nil && t.rows > cheapTotal && time.Since(t.counted) < totalAge); known {
			n, state, counted = t.rows, t.state, t.counted
		}
	}
	if !known {
		var err error
		if n, err = c.s.queries.count(c, p.count(limit)); err != nil {
			return 0, err
		}
		n = max(0, n-w.skip)
	}
	if follows {
		c.s.queries.keepTotal(rest+bound, total{state, n, counted})
		if page.last != "" {
			after := n - page.size
			if p.s.All && !p.s.Latest {
				same, err := c.s.queries.count(c, p.countRest(page.key))
				if err != nil {
					return 0, err
				}
				after -= same
			}
			c.s.queries.keepTotal(rest+page.last, total{state, after, counted})
		}
	}
	return n, nil
}

// elsewhere reports whether other tables than versions decide which rows there are.
func (p *plan) elsewhere() bool {
	sql := p.from.sql + p.allWhere().sql
	return !p.t.labels || strings.Contains(sql, "records ") || strings.Contains(sql, "nodes ") || strings.Contains(sql, "members ")
}

// restKey is the same for queries that differ in their bound only.
func (p *plan) restKey(c *call) string {
	where := join(" AND ", p.where...)
	args, err := json.Marshal(where.args)
	if err != nil {
		panic(err) // texts and numbers
	}
	return strconv.FormatInt(c.v.slot, 10) + p.from.sql + where.sql + string(args) + "\x00"
}

// total is what was counted before.
func (s *queryState) total(key string) (t total, known bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, known = s.totals[key]
	return t, known
}

func (s *queryState) keepTotal(key string, t total) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.totals == nil || len(s.totals) >= maxTotals {
		s.totals = map[string]total{}
	}
	s.totals[key] = t
}

// remember keeps a query for its further pages and returns its token.
func (s *queryState) remember(r *result) string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	r.token = fmt.Sprintf("%x-%x-%x-%x-%x", b[0:4], b[4:6], b[6:8], b[8:10], b[10:])
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.results == nil {
		s.results = map[string]*list.Element{}
	}
	s.results[r.token] = s.recent.PushFront(r)
	for s.recent.Len() > maxResults {
		delete(s.results, s.recent.Remove(s.recent.Back()).(*result).token)
	}
	return r.token
}

// find returns the query of a token, and lets go of keys that were not used for long.
func (s *queryState) find(token string) *result {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.results[token]
	if e == nil {
		return nil
	}
	s.recent.MoveToFront(e)
	kept := 0
	for e := s.recent.Front(); e != nil; e = e.Next() {
		if kept++; kept > maxKept {
			r := e.Value.(*result)
			if r.mu.TryLock() {
				r.keys, r.read = nil, false
				r.mu.Unlock()
			}
		}
	}
	return e.Value.(*result)
}

// handleQueryPage answers POST /api/{v}/query/{token}?pagesize=&pageoffset=.
func handleQueryPage(c *call) (reply, error) {
	r := c.s.queries.find(c.param("token"))
	if r == nil || r.slot != c.v.slot {
		return reply{}, fail("INVALID_DATA", "The query page [%s] is not known any more: run the query again", c.param("token"))
	}
	done, err := c.s.queries.enter(c)
	if err != nil {
		return reply{}, err
	}
	defer done()
	parsed, err := vql.Parse(r.query, r.old)
	if err != nil {
		return reply{}, syntaxError(err)
	}
	q := newCompiler(c)
	q.definitions = r.definitions
	p, err := q.plan(parsed.(*vql.Select))
	if err != nil {
		return reply{}, err
	}
	w := pageRange{size: maxPage}
	w.skip, w.most = p.limits()
	sizeKey, offsetKey := "pagesize", "pageoffset"
	if r.old {
		sizeKey, offsetKey = "limit", "offset"
	}
	for key, n := range map[string]*int{sizeKey: &w.size, offsetKey: &w.offset} {
		if text := c.form.Get(key); text != "" {
			if *n, err = strconv.Atoi(text); err != nil || *n < 0 {
				return reply{}, fail("INVALID_DATA", "[%s] is not a valid %s", text, key)
			}
		}
	}
	w.size = min(w.size, maxPage)
	if p.t.key == "" {
		page, err := p.readRows(c, p.page(w.rows(), w.skip+w.offset), w.rows())
		if err != nil {
			return reply{}, err
		}
		n, err := c.s.queries.count(c, p.count(-1))
		if err != nil {
			return reply{}, err
		}
		if n = max(0, n-w.skip); w.most >= 0 {
			n = min(n, w.most)
		}
		return p.answer(c, page, n, w, r.token)
	}
	keys, err := r.rowKeys(c, p, w)
	if err != nil {
		return reply{}, err
	}
	from := min(w.offset, len(keys))
	page, err := p.readRows(c, p.rowsOf(keys[from:min(from+w.size, len(keys))]), w.size)
	if err != nil {
		return reply{}, err
	}
	return p.answer(c, page, len(keys), w, r.token)
}

// rowKeys are the keys of all rows of a result, in order.
func (r *result) rowKeys(c *call, p *plan, w pageRange) ([]int64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.read {
		return r.keys, nil
	}
	var keys []int64
	err := c.s.queries.each(c, p.keys(w.most, w.skip), 1, func(values []any) error {
		k, _ := values[0].(int64)
		keys = append(keys, k)
		return nil
	})
	if err != nil {
		return nil, err
	}
	r.keys, r.read = keys, true
	return keys, nil
}
