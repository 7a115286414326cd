package main

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"accord/lang/lower"
)

type fmtOptions struct{ check, diff, recursive bool }

func (c *cli) fmtCommand() *cobra.Command {
	var o fmtOptions
	cmd := &cobra.Command{
		Use:   "fmt [FILE | DIR | -]…",
		Short: "Lay out files in the canonical way",
		Long: `Rewrites every *.hcl file of the directory, or the files and directories that
are named, in the canonical layout, and prints the names of those that it
changed. Nothing but white space changes. With -check nothing is written, and a
file that would change is exit code 1. With - in place of a file it reads its
input, and writes it laid out to its output: so an editor calls it.`,
		Example: `  accord fmt
  accord fmt -check -diff -recursive
  accord fmt - < main.hcl`,
		Annotations: exits(),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"."}
			}
			return c.runFmt(args, o)
		},
	}
	cmd.Flags().BoolVar(&o.check, "check", false, "write nothing; exit 1 where something would change")
	cmd.Flags().BoolVar(&o.diff, "diff", false, "print what changes")
	cmd.Flags().BoolVar(&o.recursive, "recursive", false, "also in the directories below")
	return cmd
}

func (c *cli) runFmt(args []string, o fmtOptions) error {
	var names []string
	for _, arg := range args {
		if arg == "-" {
			names = append(names, arg)
			continue
		}
		found, err := sourcesIn(arg, o.recursive)
		if err != nil {
			return err
		}
		names = append(names, found...)
	}
	var diags hcl.Diagnostics
	c.sources = map[string]*hcl.File{}
	changed := 0
	for _, name := range names {
		text, err := c.source(name)
		if err != nil {
			return err
		}
		file, problems := lower.Parse(text, name)
		if problems.HasErrors() {
			c.sources[name] = file
			diags = append(diags, problems...)
			continue
		}
		canonical := hclwrite.Format(text)
		if name == "-" && !o.check && !o.diff && !c.json {
			if _, err := c.stdout.Write(canonical); err != nil {
				return err
			}
			continue
		}
		if bytes.Equal(text, canonical) {
			continue
		}
		changed++
		if c.json {
			data := map[string]any{"file": name, "written": !o.check && name != "-"}
			if o.diff {
				data["diff"] = string(diff.Diff(name, text, name, canonical))
			}
			_ = c.line("formatted", name, data)
		} else {
			fmt.Fprintln(c.stdout, name)
			if o.diff {
				fmt.Fprintf(c.stdout, "%s", diff.Diff(name, text, name, canonical))
			}
		}
		if !o.check && name != "-" {
			if err := rewrite(name, canonical); err != nil {
				return fmt.Errorf("write %s: %w", name, err)
			}
		}
	}
	if diags.HasErrors() {
		return c.problems(diags)
	}
	if o.check && changed > 0 {
		return told(exitError)
	}
	return nil
}

// source is the text of a file, or of the input.
func (c *cli) source(name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(c.stdin)
	}
	return os.ReadFile(name)
}

// sourcesIn lists the files to lay out: the file that is named, or those of a
// directory.
func sourcesIn(name string, recursive bool) ([]string, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, misused("fmt takes files and directories.", "There is no file %q", name)
	}
	if !info.IsDir() {
		if strings.HasSuffix(name, ".json") {
			return nil, misused("fmt lays out *.hcl files.", "%s is JSON, which has a layout of its own", name)
		}
		return []string{name}, nil
	}
	var found []string
	err = filepath.WalkDir(name, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != name && (!recursive || strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case !d.IsDir() && strings.HasSuffix(d.Name(), ".hcl") && !strings.HasPrefix(d.Name(), "."):
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() { // or a link to one
				found = append(found, path)
			}
		}
		return nil
	})
	return found, err
}

// rewrite replaces a file, whole or not at all.
func rewrite(name string, text []byte) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	return replaceFile(name, text, info.Mode().Perm())
}
