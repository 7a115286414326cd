package main

import (
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/term"
)

// region is the last lines of a terminal, which move: one for each step that
// runs, in the order in which they began, and one for what else goes on. What
// has ended stays above them.
type region struct {
	w       io.Writer
	running []runningLine
	beside  string // what else goes on
	drawn   int    // lines on the screen
	last    time.Time
}

type runningLine struct {
	key, text string
	began     time.Time
}

const (
	regionLines = 8                     // at most, of what runs
	regionEvery = 80 * time.Millisecond // it is drawn no more often
)

// set says what a step does now.
func (r *region) set(key, text string, now time.Time) {
	i := slices.IndexFunc(r.running, func(l runningLine) bool { return l.key == key })
	if i < 0 {
		i, r.running = len(r.running), append(r.running, runningLine{key: key, began: now})
	}
	r.running[i].text = text
}

// end takes a step out.
func (r *region) end(key string) {
	r.running = slices.DeleteFunc(r.running, func(l runningLine) bool { return l.key == key })
}

// wipe takes the lines off the screen; they are drawn again below whatever is
// printed then.
func (r *region) wipe() {
	if r.drawn == 0 {
		return
	}
	fmt.Fprint(r.w, "\r\x1b[K"+strings.Repeat("\x1b[1A\x1b[K", r.drawn-1))
	r.drawn = 0
}

// soon draws, unless that was just done.
func (r *region) soon(now time.Time) {
	if now.Sub(r.last) > regionEvery {
		r.draw(now)
	}
}

// draw puts the lines on the screen, each within its width, and no more of them
// than fit.
func (r *region) draw(now time.Time) {
	r.wipe()
	r.last = now
	width, height := screenSize(r.w)
	most := max(1, min(regionLines, height-2))
	var lines []string
	for i, l := range r.running {
		if i == most-1 && len(r.running) > most {
			lines = append(lines, fmt.Sprintf("… and %d more", len(r.running)-i))
			break
		}
		text := l.text
		if ran := now.Sub(l.began); ran >= time.Second {
			text += "  " + ran.Truncate(time.Second).String()
		}
		lines = append(lines, text)
	}
	if r.beside != "" {
		lines = append(lines, r.beside)
	}
	for i, text := range lines {
		lines[i] = shorten("  "+text, min(width, 120)-1)
	}
	fmt.Fprint(r.w, strings.Join(lines, "\n"))
	r.drawn = len(lines)
}

// screenSize is how large a terminal is; what is none is endless.
func screenSize(w io.Writer) (width, height int) {
	if f, ok := w.(*os.File); ok {
		if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 20 {
			return width, height
		}
	}
	return math.MaxInt32, math.MaxInt32
}
