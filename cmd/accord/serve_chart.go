package main

import (
	"fmt"
	"math"
	"slices"
)

// pageChart is the runs as bars, oldest first, in a box of 100 by 100. Heights
// are square roots, so that a few items are seen beside many.
type pageChart struct {
	Bars        []chartBar
	Most        int
	First, Last when
}

// chartBar is one run.
type chartBar struct {
	X, Width float64
	Parts    []chartPart
	Words    string
}

// chartPart is what the run did of one kind.
type chartPart struct {
	Class     string
	Y, Height float64
}

func chartOf(runs []pageRun) pageChart {
	c := pageChart{}
	for _, r := range runs {
		c.Most = max(c.Most, r.Published+r.Updated+r.Withdrawn+r.Failed)
	}
	if c.Most == 0 {
		return c
	}
	c.First, c.Last = runs[len(runs)-1].Started, runs[0].Started
	width := 100 / float64(len(runs))
	for i, r := range slices.Backward(runs) {
		bar := chartBar{X: float64(len(runs)-1-i) * width, Width: width * 0.8,
			Words: fmt.Sprintf("%s, %s, %s: %d published, %d updated, %d withdrawn, %d failed", r.Point, r.Started.Far(), r.Started.Clock(), r.Published, r.Updated, r.Withdrawn, r.Failed)}
		y, all := 100.0, r.Published+r.Updated+r.Withdrawn+r.Failed
		height := 100 * math.Sqrt(float64(all)/float64(c.Most))
		for _, part := range []struct {
			class string
			n     int
		}{{"published", r.Published}, {"updated", r.Updated}, {"withdrawn", r.Withdrawn}, {"failed", r.Failed}} {
			if part.n > 0 {
				h := height * float64(part.n) / float64(all)
				y -= h
				bar.Parts = append(bar.Parts, chartPart{Class: part.class, Y: y, Height: h})
			}
		}
		c.Bars = append(c.Bars, bar)
	}
	return c
}
