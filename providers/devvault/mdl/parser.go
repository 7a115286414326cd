package mdl

import (
	"strings"

	"accord/providers/devvault/scan"
)

// Parse reads a whole script. The error is a *SyntaxError; no statement is returned beside an error.
func Parse(script string) ([]Statement, error) {
	p := &parser{lexer: lexer{scan.New(script)}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	var statements []Statement
	for p.tok.kind != tokenEnd {
		s, err := p.statement()
		if err != nil {
			return nil, err
		}
		statements = append(statements, s)
		if p.tok.kind == tokenEnd {
			break
		}
		if err := p.mark(";"); err != nil {
			return nil, err
		}
	}
	return statements, nil
}

// maxDepth bounds the nesting of sub-components; Vault itself knows two levels.
const maxDepth = 8

type parser struct {
	lexer lexer
	tok   token
}

func (p *parser) advance() error {
	t, err := p.lexer.next()
	p.tok = t
	return err
}

func (p *parser) fail(message string) error {
	t := p.tok.text
	switch p.tok.kind {
	case tokenText:
		t = "'" + t + "'"
	case tokenXML:
		t = "{" + t + "}"
	}
	return &SyntaxError{Pos: p.tok.pos, Token: scan.Snippet(t), Message: message}
}

func (p *parser) is(mark string) bool { return p.tok.kind == tokenMark && p.tok.text == mark }

func (p *parser) mark(mark string) error {
	if !p.is(mark) {
		return p.fail("expected " + mark)
	}
	return p.advance()
}

// keyword reports whether the token is one of the words, in any case, and returns it in capitals.
func (p *parser) keyword(words ...Command) (Command, bool) {
	if p.tok.kind == tokenWord {
		for _, w := range words {
			if strings.EqualFold(p.tok.text, string(w)) {
				return w, true
			}
		}
	}
	return "", false
}

func (p *parser) word(valid func(string) bool, what string) (string, error) {
	if p.tok.kind != tokenWord || !valid(p.tok.text) {
		return "", p.fail("expected " + what)
	}
	text := p.tok.text
	return text, p.advance()
}

func (p *parser) statement() (Statement, error) {
	s := Statement{Component: Component{Pos: p.tok.pos}}
	command, ok := p.keyword(Create, Recreate, Alter, Drop, Rename)
	if !ok {
		return s, p.fail("expected CREATE, RECREATE, ALTER, DROP or RENAME")
	}
	s.Command = command
	if err := p.advance(); err != nil {
		return s, err
	}
	var err error
	if s.Type, err = p.word(isType, "a component type"); err != nil {
		return s, err
	}
	if s.Condition, err = p.condition(); err != nil {
		return s, err
	}
	return s, p.rest(&s.Component, 0)
}

func (p *parser) condition() (Condition, error) {
	if _, ok := p.keyword("IF"); !ok {
		return Always, nil
	}
	condition := IfExists
	if err := p.advance(); err != nil {
		return Always, err
	}
	if _, ok := p.keyword("NOT"); ok {
		condition = IfNotExists
		if err := p.advance(); err != nil {
			return Always, err
		}
	}
	if _, ok := p.keyword("EXISTS"); !ok {
		return Always, p.fail("expected EXISTS")
	}
	return condition, p.advance()
}

// rest reads what follows the type of a component: its name and, by its command, a new name or a body.
func (p *parser) rest(c *Component, depth int) error {
	var err error
	if c.Name, err = p.word(isName, "a component name"); err != nil {
		return err
	}
	switch c.Command {
	case Drop:
		return nil
	case Rename:
		if _, ok := p.keyword("TO"); !ok {
			return p.fail("expected TO")
		}
		if err := p.advance(); err != nil {
			return err
		}
		c.Newname, err = p.word(isName, "a component name")
		return err
	}
	if depth > maxDepth {
		return p.fail("sub-components nested too deep")
	}
	return p.body(c, depth)
}

func (p *parser) body(c *Component, depth int) error {
	if err := p.mark("("); err != nil {
		return err
	}
	alter := c.Command == Alter || c.Command == Modify
	for !p.is(")") {
		if err := p.item(c, alter, depth); err != nil {
			return err
		}
		if p.is(")") {
			break
		}
		if !p.is(",") && !p.is(";") {
			return p.fail("expected , or )")
		}
		for p.is(",") || p.is(";") { // a DROP inside ALTER is printed with both
			if err := p.advance(); err != nil {
				return err
			}
		}
	}
	return p.advance()
}

// item reads one attribute or sub-component into c.
func (p *parser) item(c *Component, alter bool, depth int) error {
	pos := p.tok.pos
	command, isCommand := p.keyword(Add, Modify, Drop, Rename)
	if alter && isCommand {
		if err := p.advance(); err != nil {
			return err
		}
		if p.is("(") {
			return p.fail("expected a sub-component type")
		}
	}
	if p.tok.kind == tokenWord && isType(p.tok.text) {
		if alter && !isCommand {
			return p.fail("expected ADD, MODIFY, DROP or RENAME before a sub-component of ALTER")
		}
		sub := Component{Pos: pos, Command: command, Type: p.tok.text}
		if err := p.advance(); err != nil {
			return err
		}
		if err := p.rest(&sub, depth+1); err != nil {
			return err
		}
		if !alter && c.Component(sub.Type, sub.Name) != nil {
			return &SyntaxError{Pos: pos, Token: sub.Type + " " + sub.Name, Message: "sub-component given twice"}
		}
		c.Components = append(c.Components, sub)
		return nil
	}
	if alter && isCommand {
		return p.fail("expected a sub-component type")
	}
	a, err := p.attribute(alter)
	if err != nil {
		return err
	}
	for _, b := range c.Attributes {
		if b.Name == a.Name && b.Command == a.Command {
			return &SyntaxError{Pos: a.Pos, Token: a.Name, Message: "attribute given twice"}
		}
	}
	c.Attributes = append(c.Attributes, a)
	return nil
}

func (p *parser) attribute(alter bool) (Attribute, error) {
	a := Attribute{Pos: p.tok.pos}
	var err error
	if a.Name, err = p.word(isName, "an attribute or a sub-component"); err != nil {
		return a, err
	}
	if command, ok := p.keyword(Add, Drop); ok && alter {
		a.Command = command
		if err := p.advance(); err != nil {
			return a, err
		}
	}
	if err := p.mark("("); err != nil {
		return a, err
	}
	for !p.is(")") {
		v := Value{Text: p.tok.text}
		switch {
		case p.tok.kind == tokenText:
			v.Kind = Text
		case p.tok.kind == tokenNumber:
			v.Kind = Number
		case p.tok.kind == tokenXML:
			v.Kind = XML
		case p.tok.kind == tokenWord && (p.tok.text == "true" || p.tok.text == "false"):
			v.Kind = Bool
		default:
			return a, p.fail("expected a value: 'text', a number, true, false or {…}")
		}
		a.Values = append(a.Values, v)
		if err := p.advance(); err != nil {
			return a, err
		}
		if p.is(")") {
			break
		}
		if err := p.mark(","); err != nil {
			return a, err
		}
	}
	return a, p.advance()
}

// isType reports whether s is the name of a component type: a capital, then small letters.
func isType(s string) bool {
	if len(s) < 2 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if s[i] < 'a' || s[i] > 'z' {
			return false
		}
	}
	return true
}

// isName reports whether s is the name of a component or an attribute: small letters, digits, _ and dots.
func isName(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= 'A' && s[i] <= 'Z' {
			return false
		}
	}
	return s != ""
}
