package vql

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"accord/providers/devvault/scan"
)

// Parse reads one query. The error is an *Error. Old is for API versions before v20.3, where LIMIT and OFFSET stand for
// PAGESIZE and PAGEOFFSET.
func Parse(text string, old bool) (Query, error) {
	p := &parser{lexer: lexer{scan.New(text)}, old: old}
	if utf8.RuneCountInString(text) > MaxLength {
		return nil, &Error{Pos: Pos{Line: 1, Column: 1}, Token: scan.Snippet(text), Message: "query is longer than " + strconv.Itoa(MaxLength) + " characters"}
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	var q Query
	var err error
	switch {
	case p.at("SELECT"):
		q, err = p.selection(0)
	case p.at("SHOW"):
		q, err = p.show()
	default:
		err = p.fail("expected SELECT or SHOW")
	}
	if err != nil {
		return nil, err
	}
	if p.tok.kind != tokenEnd {
		return nil, p.fail("unexpected text")
	}
	return q, nil
}

type parser struct {
	lexer lexer
	tok   token
	old   bool
}

func (p *parser) advance() error {
	t, err := p.lexer.next()
	p.tok = t
	return err
}

func (p *parser) fail(message string) error {
	t := p.tok.text
	if p.tok.kind == tokenString {
		t = "'" + t + "'"
	}
	return &Error{Pos: p.tok.pos, Token: scan.Snippet(t), Message: message}
}

// at reports whether the token is the keyword; keywords are written in any case.
func (p *parser) at(keyword string) bool {
	return p.tok.kind == tokenWord && strings.EqualFold(p.tok.text, keyword)
}

// skip consumes the keyword if it is there.
func (p *parser) skip(keyword string) (bool, error) {
	if !p.at(keyword) {
		return false, nil
	}
	return true, p.advance()
}

func (p *parser) expect(keyword string) error {
	if !p.at(keyword) {
		return p.fail("expected " + keyword)
	}
	return p.advance()
}

func (p *parser) is(mark string) bool { return p.tok.kind == tokenMark && p.tok.text == mark }

func (p *parser) mark(mark string) error {
	if !p.is(mark) {
		return p.fail("expected " + mark)
	}
	return p.advance()
}

var keywords = []string{
	"SELECT", "FROM", "WHERE", "FIND", "ORDER", "BY", "SKIP", "MAXROWS", "PAGESIZE", "PAGEOFFSET", "AND", "OR", "NOT", "AS",
	"LATESTVERSION", "ALLVERSIONS", "BETWEEN", "CONTAINS", "LIKE", "IN", "SCOPE",
}

// name reads a name that is no keyword.
func (p *parser) name(what string) (Name, error) {
	n := Name{Pos: p.tok.pos, Text: p.tok.text}
	if p.tok.kind != tokenWord || slices.Contains(keywords, strings.ToUpper(n.Text)) {
		return n, p.fail("expected " + what)
	}
	return n, p.advance()
}

func (p *parser) show() (*Show, error) {
	s := &Show{Pos: p.tok.pos}
	if err := p.advance(); err != nil {
		return nil, err
	}
	switch what := strings.ToUpper(p.tok.text); what {
	case "TARGETS", "FIELDS", "RELATIONSHIPS":
		s.What = what
	default:
		return nil, p.fail("expected TARGETS, FIELDS or RELATIONSHIPS")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if s.What != "TARGETS" {
		if err := p.expect("FROM"); err != nil {
			return nil, err
		}
		var err error
		if s.Target, err = p.name("a query target"); err != nil {
			return nil, err
		}
	}
	like, err := p.skip("LIKE")
	if like {
		s.Pattern, err = p.quoted()
	}
	return s, err
}

func (p *parser) selection(depth int) (*Select, error) {
	s := &Select{Pos: p.tok.pos}
	if depth > 1 {
		return nil, p.fail("only one level of sub-select is allowed")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	var err error
	if s.Latest, err = p.skip("LATESTVERSION"); err != nil {
		return nil, err
	}
	for {
		c, err := p.column(depth)
		if err != nil {
			return nil, err
		}
		s.Columns = append(s.Columns, c)
		if !p.is(",") {
			break
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	if err := p.expect("FROM"); err != nil {
		return nil, err
	}
	if s.All, err = p.skip("ALLVERSIONS"); err != nil {
		return nil, err
	}
	if s.Target, err = p.name("a query target"); err != nil {
		return nil, err
	}
	return s, p.clauses(s, depth)
}

func (p *parser) column(depth int) (Column, error) {
	var c Column
	var err error
	if p.is("(") {
		if err := p.advance(); err != nil {
			return c, err
		}
		if c.Select, err = p.subselect(depth); err != nil {
			return c, err
		}
	} else if c.Field, err = p.field(); err != nil {
		return c, err
	}
	as, err := p.skip("AS")
	if as && err == nil {
		var alias Name
		alias, err = p.name("an alias")
		c.Alias = alias.Text
	}
	return c, err
}

// subselect reads SELECT … ) after an opening parenthesis.
func (p *parser) subselect(depth int) (*Select, error) {
	if !p.at("SELECT") {
		return nil, p.fail("expected SELECT")
	}
	s, err := p.selection(depth + 1)
	if err != nil {
		return nil, err
	}
	return s, p.mark(")")
}

func (p *parser) field() (Field, error) {
	f := Field{Pos: p.tok.pos}
	n, err := p.name("a field")
	if err != nil {
		return f, err
	}
	f.Name = n.Text
	if !p.is("(") {
		return f, nil
	}
	f.Function = strings.ToUpper(n.Text)
	if !slices.Contains(fieldFunctions, f.Function) {
		return f, &Error{Pos: n.Pos, Token: n.Text, Message: "unknown function"}
	}
	if err := p.advance(); err != nil {
		return f, err
	}
	if n, err = p.name("a field"); err != nil {
		return f, err
	}
	f.Name = n.Text
	return f, p.mark(")")
}

// clauses reads what follows the target, in the documented order.
func (p *parser) clauses(s *Select, depth int) error {
	find, err := p.skip("FIND")
	if find && err == nil {
		s.Find, err = p.find()
	}
	if err != nil {
		return err
	}
	where, err := p.skip("WHERE")
	if where && err == nil {
		s.Where, err = p.condition(precedenceOr, depth, 0)
	}
	if err != nil {
		return err
	}
	order, err := p.skip("ORDER")
	if order && err == nil {
		err = p.orderBy(s)
	}
	if err != nil {
		return err
	}
	for range 2 { // SKIP and MAXROWS: their order is not documented
		if err := p.count("SKIP", &s.Skip); err != nil {
			return err
		}
		if err := p.count("MAXROWS", &s.Maxrows); err != nil {
			return err
		}
	}
	if p.old {
		if err := p.count("LIMIT", &s.Pagesize); err != nil {
			return err
		}
		return p.count("OFFSET", &s.Pageoffset)
	}
	if err := p.count("PAGESIZE", &s.Pagesize); err != nil {
		return err
	}
	return p.count("PAGEOFFSET", &s.Pageoffset)
}

func (p *parser) count(keyword string, n **int) error {
	if !p.at(keyword) {
		return nil
	}
	if *n != nil {
		return p.fail(keyword + " is given twice")
	}
	if err := p.advance(); err != nil {
		return err
	}
	v, err := p.number()
	*n = &v
	return err
}

func (p *parser) number() (int, error) {
	v, err := strconv.ParseInt(p.tok.text, 10, 32)
	if p.tok.kind != tokenNumber || err != nil || v < 0 {
		return 0, p.fail("expected a whole number")
	}
	return int(v), p.advance()
}

func (p *parser) orderBy(s *Select) error {
	if err := p.expect("BY"); err != nil {
		return err
	}
	for {
		f, err := p.field()
		if err != nil {
			return err
		}
		o := Order{Field: f}
		if o.Desc, err = p.skip("DESC"); err != nil {
			return err
		}
		if !o.Desc {
			if _, err := p.skip("ASC"); err != nil {
				return err
			}
		}
		s.OrderBy = append(s.OrderBy, o)
		if !p.is(",") {
			return nil
		}
		if err := p.advance(); err != nil {
			return err
		}
	}
}

func (p *parser) find() (*Find, error) {
	f := &Find{Pos: p.tok.pos}
	if err := p.mark("("); err != nil {
		return nil, err
	}
	var err error
	if f.Not, err = p.skip("NOT"); err != nil {
		return nil, err
	}
	at := p.tok
	phrase, err := p.quoted()
	if err != nil {
		return nil, err
	}
	f.Phrase = strings.Join(phrase, "%")
	if n := utf8.RuneCountInString(f.Phrase); n < 1 || n > 250 {
		return nil, &Error{Pos: at.pos, Token: scan.Snippet("'" + at.text + "'"), Message: "a FIND phrase has 1 to 250 characters"}
	}
	scope, err := p.skip("SCOPE")
	for scope && err == nil {
		var n Name
		if n, err = p.name("a scope"); err != nil {
			return nil, err
		}
		switch upper := strings.ToUpper(n.Text); upper {
		case "ALL", "CONTENT", "PROPERTIES":
			n.Text = upper
		}
		f.Scope = append(f.Scope, n.Text)
		if !p.is(",") {
			break
		}
		err = p.advance()
	}
	if err != nil {
		return nil, err
	}
	return f, p.mark(")")
}

func (p *parser) quoted() (Pattern, error) {
	if p.tok.kind != tokenString {
		return nil, p.fail("expected a quoted text")
	}
	pieces, err := unescape(p.tok.text)
	if err != nil {
		return nil, p.fail(err.Error())
	}
	return pieces, p.advance()
}
