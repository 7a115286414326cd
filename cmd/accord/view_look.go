package main

import (
	"slices"

	"github.com/spf13/cobra"

	"accord/planner/plan"
)

// look is how a plan is to be shown.
type look struct {
	format   string // text, json, markdown or html
	maxBytes int    // of Markdown
	since    string // a file with an earlier plan

	was     *document // that plan
	verbose bool
	concise bool
}

func (l *look) flags(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&l.verbose, "verbose", false, "list everything, and every item by name")
	cmd.Flags().BoolVar(&l.concise, "concise", false, "the verdict and the totals only")
}

func (l *look) formatFlags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.format, "format", "text", "print it as `FORMAT`: text, json (one document), markdown (for a pull request), html (one file)")
	cmd.Flags().IntVar(&l.maxBytes, "max-bytes", markdownBudget, "leave sections of Markdown out beyond `N` bytes")
}

func (l *look) sinceFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.since, "since", "", "say as well what is new since an earlier plan: a `FILE` that -out saved, or -format=json printed")
}

// check refuses what cannot be shown of something, before anything is done for it.
func (l *look) check(c *cli, of string) error {
	switch {
	case !slices.Contains([]string{"", "text", "json", "markdown", "html"}, l.format):
		return misused("It is text, json, markdown or html.", "There is no format %q of %s", l.format, of)
	case c.json && l.format != "" && l.format != "text":
		return misused("-json prints lines while things happen, -format=json one document at the end.", "-json and -format=%s exclude each other", l.format)
	case l.verbose && l.concise:
		return misused("-verbose lists everything, -concise only the verdict and the totals.", "-verbose and -concise exclude each other")
	case l.maxBytes < 0:
		return misused("It is a number of bytes, such as 60000.", "-max-bytes=%d is no size", l.maxBytes)
	}
	if l.since == "" {
		return nil
	}
	was, err := earlier(l.since)
	l.was = was
	return err
}

// document reports whether standard output is one document, and nothing else.
func (l *look) document() bool { return l.format != "" && l.format != "text" }

// showPlan prints a plan in the format that was asked for.
func (c *cli) showPlan(p *plan.Plan, l look) error {
	d := documentOf(p)
	if l.was != nil {
		d.Since = since(l.was, d)
	}
	var out []byte
	var err error
	switch {
	case c.json:
		c.planLines(d)
	case l.format == "json":
		out, err = d.encode()
	case l.format == "markdown":
		out = markdown(d, l)
	case l.format == "html":
		out, err = report(d)
	default:
		c.planText(d, l)
	}
	if err == nil && out != nil {
		_, err = c.stdout.Write(out)
	}
	return err
}
