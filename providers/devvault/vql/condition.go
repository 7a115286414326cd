package vql

import (
	"slices"
	"strings"

	"accord/providers/devvault/scan"
)

// Binding powers of the condition's operators; AND binds tighter.
const (
	precedenceOr = iota + 1
	precedenceAnd
)

// maxNesting bounds parentheses.
const maxNesting = 100

// condition reads terms joined by operators that bind at least as tight as precedence.
func (p *parser) condition(precedence, depth, nesting int) (Expr, error) {
	left, err := p.term(depth, nesting)
	if err != nil {
		return nil, err
	}
	for {
		switch {
		case p.at("AND") && precedence <= precedenceAnd:
			terms := []Expr{left}
			for p.at("AND") {
				if err := p.advance(); err != nil {
					return nil, err
				}
				right, err := p.term(depth, nesting)
				if err != nil {
					return nil, err
				}
				terms = append(terms, right)
			}
			left = &And{Terms: terms}
		case p.at("OR") && precedence <= precedenceOr:
			terms := []Expr{left}
			for p.at("OR") {
				if err := p.advance(); err != nil {
					return nil, err
				}
				right, err := p.condition(precedenceAnd, depth, nesting)
				if err != nil {
					return nil, err
				}
				terms = append(terms, right)
			}
			left = &Or{Terms: terms}
		default:
			return left, nil
		}
	}
}

func (p *parser) term(depth, nesting int) (Expr, error) {
	if p.is("(") {
		if nesting == maxNesting {
			return nil, p.fail("parentheses nested too deep")
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		e, err := p.condition(precedenceOr, depth, nesting+1)
		if err != nil {
			return nil, err
		}
		return e, p.mark(")")
	}
	f, err := p.field()
	if err != nil {
		return nil, err
	}
	switch {
	case p.tok.kind == tokenMark && slices.Contains([]string{"=", "!=", "<", ">", "<=", ">="}, p.tok.text):
		return p.compare(f)
	case p.at("LIKE"):
		return p.like(f)
	case p.at("BETWEEN"):
		return p.between(f)
	case p.at("CONTAINS"):
		return p.contains(f)
	case p.at("IN"):
		return p.in(f, depth)
	}
	return nil, p.fail("expected an operator")
}

func (p *parser) compare(f Field) (Expr, error) {
	c := &Compare{Field: f, Op: p.tok.text}
	if err := p.advance(); err != nil {
		return nil, err
	}
	var err error
	at := p.tok
	if c.Value, err = p.value(); err != nil {
		return nil, err
	}
	equality := c.Op == "=" || c.Op == "!="
	if !equality && (c.Value.Kind == Null || c.Value.Kind == Bool || c.Value.Kind == Function) {
		return nil, &Error{Pos: at.pos, Token: at.text, Message: "operator " + c.Op + " does not take this value"}
	}
	return c, nil
}

func (p *parser) like(f Field) (Expr, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	at := p.tok
	pattern, err := p.quoted()
	if err != nil {
		return nil, err
	}
	if len(pattern) > 1 && pattern[0] == "" {
		return nil, &Error{Pos: at.pos, Token: scan.Snippet("'" + at.text + "'"), Message: "LIKE does not take a leading %"}
	}
	return &Like{Field: f, Pattern: pattern}, nil
}

func (p *parser) between(f Field) (Expr, error) {
	b := &Between{Field: f}
	if err := p.advance(); err != nil {
		return nil, err
	}
	var err error
	if b.Low, err = p.plainValue(); err != nil {
		return nil, err
	}
	if err := p.expect("AND"); err != nil {
		return nil, err
	}
	if b.High, err = p.plainValue(); err != nil {
		return nil, err
	}
	return b, nil
}

func (p *parser) contains(f Field) (Expr, error) {
	c := &Contains{Field: f}
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.mark("("); err != nil {
		return nil, err
	}
	for {
		v, err := p.plainValue()
		if err != nil {
			return nil, err
		}
		c.Values = append(c.Values, v)
		if !p.is(",") {
			return c, p.mark(")")
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

func (p *parser) in(f Field, depth int) (Expr, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	if err := p.mark("("); err != nil {
		return nil, err
	}
	s, err := p.subselect(depth)
	if err != nil {
		return nil, err
	}
	return &In{Field: f, Select: s}, nil
}

// plainValue reads a literal text, number or boolean.
func (p *parser) plainValue() (Value, error) {
	at := p.tok
	v, err := p.value()
	if err == nil && v.Kind != String && v.Kind != Number && v.Kind != Bool {
		err = &Error{Pos: at.pos, Token: at.text, Message: "expected a literal value"}
	}
	return v, err
}

func (p *parser) value() (Value, error) {
	v := Value{Pos: p.tok.pos, Text: p.tok.text}
	switch p.tok.kind {
	case tokenString:
		v.Kind = String
		pieces, err := p.quoted()
		v.Text = strings.Join(pieces, "%")
		return v, err
	case tokenNumber:
		v.Kind = Number
		return v, p.advance()
	case tokenWord:
		return p.wordValue()
	}
	return v, p.fail("expected a value")
}

func (p *parser) wordValue() (Value, error) {
	v := Value{Pos: p.tok.pos, Text: strings.ToUpper(p.tok.text)}
	takesArgument, isFunction := valueFunctions[v.Text]
	takesCount, isDate := dateWords[v.Text]
	switch {
	case v.Text == "NULL":
		v.Kind, v.Text = Null, ""
	case v.Text == "TRUE" || v.Text == "FALSE":
		v.Kind, v.Text = Bool, strings.ToLower(v.Text)
	case isFunction:
		v.Kind = Function
	case isDate:
		v.Kind = Date
	default:
		return v, p.fail("expected a value")
	}
	if err := p.advance(); err != nil {
		return v, err
	}
	var err error
	switch {
	case isFunction:
		if err := p.mark("("); err != nil {
			return v, err
		}
		if takesArgument {
			argument, err := p.quoted()
			if err != nil {
				return v, err
			}
			v.Argument = strings.Join(argument, "%")
		}
		err = p.mark(")")
	case isDate && takesCount:
		if err := p.mark(":"); err != nil {
			return v, err
		}
		v.Count, err = p.number()
	}
	return v, err
}
