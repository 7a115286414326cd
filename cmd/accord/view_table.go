package main

import (
	"io"
	"slices"
	"strings"
)

// table is rows, under a head if there is one, the first column to the left and numbers to the
// right. Where that is wider than the screen, the first column stands on a
// line of its own.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

// print writes the table, no wider than the screen where that is possible.
// Columns whose cells all begin with a digit are numbers.
func (t *table) print(w io.Writer, indent string, screen int) {
	all, widths := t.measure()
	narrow := t.width()+len(indent) > screen
	for i, row := range all {
		head := i == 0 && t.head != nil
		if narrow && t.head == nil {
			_, _ = io.WriteString(w, indent+row[0]+"\n"+indent+"  "+wrap(strings.Join(row[1:], "  "), indent+"  ", screen)+"\n")
			continue
		}
		var line strings.Builder
		line.WriteString(indent)
		for c, cell := range row {
			pad := strings.Repeat(" ", widths[c]-columns(cell))
			switch {
			case c == 0 && narrow && head:
				line.WriteString("  ")
			case c == 0 && narrow:
				line.WriteString(cell + "\n" + indent + "  ")
			case t.numeric(c):
				line.WriteString(pad + cell + "  ")
			default:
				line.WriteString(cell + pad + "  ")
			}
		}
		text := strings.TrimRight(line.String(), " ")
		if head {
			text = faint(text)
		}
		_, _ = io.WriteString(w, text+"\n")
	}
}

// measure is all rows, and how wide their columns are.
func (t *table) measure() (all [][]string, widths []int) {
	all = t.rows
	if t.head != nil {
		all = slices.Concat([][]string{t.head}, t.rows)
	}
	widths = make([]int, len(all[0]))
	for _, row := range all {
		for i, cell := range row {
			widths[i] = max(widths[i], columns(cell))
		}
	}
	return all, widths
}

// width is how wide the table is.
func (t *table) width() int {
	total := -2
	_, widths := t.measure()
	for _, n := range widths {
		total += n + 2
	}
	return total
}

func (t *table) numeric(column int) bool {
	for _, row := range t.rows {
		if cell := row[column]; cell == "–" {
			continue
		} else if cell == "" || cell[0] < '0' || cell[0] > '9' {
			return false
		}
	}
	return column > 0
}

// defaultWidth is how wide paragraphs are at most.
const defaultWidth = 100

// screenWidth is how many columns there are; without a terminal, as many as a
// line needs, so that it can be searched.
func screenWidth(w io.Writer) int {
	width, _ := screenSize(w)
	return width
}
