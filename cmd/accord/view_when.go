package main

import (
	"fmt"
	"time"
)

// when is a moment, as seen at another one: for people how far away it is, and
// the time of day, which the page tells in the time zone of whoever looks.
type when struct {
	time.Time
	now time.Time
}

// Far is how far away it is.
func (w when) Far() string { return farFrom(w.Time, w.now) }

// ISO is for the page's script.
func (w when) ISO() string { return w.UTC().Format(time.RFC3339) }

// Clock is for whoever has no script.
func (w when) Clock() string { return clockAt(w.Time, w.now) + " UTC" }

// howFar is a time for people: when, and how far away.
func howFar(t, now time.Time) string {
	if t.IsZero() {
		return "–"
	}
	if far := farFrom(t, now); far != "now" {
		return clockAt(t, now) + ", " + far
	}
	return clockAt(t, now)
}

// clockAt is the time of day, and the day where that is another one.
func clockAt(t, now time.Time) string {
	if t.UTC().Format(time.DateOnly) != now.UTC().Format(time.DateOnly) {
		return t.UTC().Format("2006-01-02 15:04")
	}
	return t.UTC().Format("15:04:05")
}

// farFrom is how far away a time is.
func farFrom(t, now time.Time) string {
	d := now.Sub(t)
	far := ""
	switch away := d.Abs(); {
	case away < time.Second:
		return "now"
	case away < time.Minute:
		far = fmt.Sprintf("%d s", int(away.Seconds()))
	case away < time.Hour:
		far = fmt.Sprintf("%d min", int(away.Minutes()))
	case away < 48*time.Hour:
		far = fmt.Sprintf("%d h", int(away.Hours()))
	default:
		far = fmt.Sprintf("%d d", int(away.Hours()/24))
	}
	if d < 0 {
		return "in " + far
	}
	return far + " ago"
}

// ago is farFrom, and a dash where nothing is known.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return farFrom(t, now)
}
