// Package vql reads VQL, the query language of Vault, into a small tree.
//
// It knows the documented grammar only: which targets, fields and relationships there are, what a function may be
// applied to and what a query answers is for the executor. Every node keeps its place in the text, so that the executor
// can point there too.
//
// Start at Parse and at the type Select.
package vql

// MaxLength is the longest query, in characters.
const MaxLength = 50_000

// Query is a *Select or a *Show.
type Query interface{ query() }

// Select is a SELECT query or a sub-select of one.
type Select struct {
	Pos     Pos
	Latest  bool // LATESTVERSION
	Columns []Column
	All     bool // ALLVERSIONS
	Target  Name
	Find    *Find // nil without FIND
	Where   Expr  // nil without WHERE
	OrderBy []Order

	// Paging. Nil where the clause is absent. LIMIT and OFFSET of old versions are read into Pagesize and Pageoffset.
	Skip, Maxrows, Pagesize, Pageoffset *int
}

// Show is SHOW TARGETS, SHOW FIELDS FROM target or SHOW RELATIONSHIPS FROM target.
type Show struct {
	Pos     Pos
	What    string  // TARGETS, FIELDS or RELATIONSHIPS
	Target  Name    // empty for TARGETS
	Pattern Pattern // nil without LIKE
}

func (*Select) query() {}
func (*Show) query()   {}

// Name is a target or relationship name.
type Name struct {
	Pos  Pos
	Text string
}

// Column is one item of the select list: a field, or a sub-select when Select is not nil.
type Column struct {
	Field  Field
	Alias  string
	Select *Select
}

// Key is the name under which the column is answered: the alias, else the sub-select's relationship, else the field as
// written, without its function.
func (c Column) Key() string {
	switch {
	case c.Alias != "":
		return c.Alias
	case c.Select != nil:
		return c.Select.Target.Text
	}
	return c.Field.Name
}

// Field is a field, perhaps reached through relationships, perhaps inside a function.
type Field struct {
	Pos      Pos
	Function string // "" or one of fieldFunctions, in capitals
	Name     string // as written, with dots: country__vr.name__v
}

// Order is one item of ORDER BY.
type Order struct {
	Field Field
	Desc  bool
}

// Find is the FIND clause.
type Find struct {
	Pos    Pos
	Not    bool
	Phrase string   // unescaped
	Scope  []string // ALL, CONTENT, PROPERTIES or field names; empty when not given
}

// Expr is a condition: *And, *Or, *Compare, *Like, *Between, *Contains or *In.
type Expr interface{ expr() }

// And and Or have two terms or more.
type (
	And struct{ Terms []Expr }
	Or  struct{ Terms []Expr }
)

// Compare is field = != < > <= >= value.
type Compare struct {
	Field Field
	Op    string
	Value Value
}

// Like is field LIKE 'pattern'.
type Like struct {
	Field   Field
	Pattern Pattern
}

// Between includes both ends.
type Between struct {
	Field     Field
	Low, High Value
}

// Contains holds when the field has any of the values.
type Contains struct {
	Field  Field
	Values []Value
}

// In is an inner join: field IN (SELECT … FROM relationship …).
type In struct {
	Field  Field
	Select *Select
}

func (*And) expr()      {}
func (*Or) expr()       {}
func (*Compare) expr()  {}
func (*Like) expr()     {}
func (*Between) expr()  {}
func (*Contains) expr() {}
func (*In) expr()       {}

// ValueKind says how a value is written.
type ValueKind byte

const (
	String   ValueKind = iota // 'text'
	Number                    // 12, -3.5
	Bool                      // true, false
	Null                      // null
	Date                      // TODAY, LAST_DAYS:7: Text is the word, Count the number
	Function                  // STEADYSTATE(), STATETYPE('x'): Text is the name in capitals, Argument its text
)

// Value is the right side of a comparison.
type Value struct {
	Pos      Pos
	Kind     ValueKind
	Text     string // unescaped; true or false for Bool
	Count    int
	Argument string
}

// Pattern is a LIKE pattern: the literal pieces between the % signs. 'x%' is {"x", ""}; a pattern of one piece has no
// wildcard.
type Pattern []string

// fieldFunctions may stand around a field.
var fieldFunctions = []string{"TONAME", "TOLABEL", "LONGTEXT", "RICHTEXT", "CASEINSENSITIVE", "FILENAME", "TODISPLAYFORMAT", "TRIM"}

// valueFunctions may stand on the right of = and !=; the value says whether they take an argument.
var valueFunctions = map[string]bool{
	"STEADYSTATE": false, "OBSOLETESTATE": false, "SUPERSEDEDSTATE": false, "DELETEDSTATE": false, "STATETYPE": true,
}

// dateWords are the date literals; the value says whether they take a count.
var dateWords = map[string]bool{
	"TODAY": false, "LAST_DAYS": true, "NEXT_DAYS": true, "DAYS_AGO": true,
	"THIS_MONTH": false, "LAST_MONTH": false, "NEXT_MONTH": false, "LAST_MONTHS": true, "NEXT_MONTHS": true, "MONTHS_AGO": true,
	"THIS_QUARTER": false, "LAST_QUARTER": false, "NEXT_QUARTER": false, "LAST_QUARTERS": true, "NEXT_QUARTERS": true, "QUARTERS_AGO": true,
	"THIS_YEAR": false, "LAST_YEAR": false, "NEXT_YEAR": false, "LAST_YEARS": true, "NEXT_YEARS": true, "YEARS_AGO": true,
}
