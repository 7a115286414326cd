package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// A command is found by the name that it has itself, alone as among all others.
func TestCommandsHaveTheirNames(t *testing.T) {
	all := (&cli{}).root(nil)
	for name := range (&cli{}).commands() {
		alone := (&cli{}).root([]string{"--json", name})
		for _, root := range []*cobra.Command{alone, all} {
			if found, _, err := root.Find([]string{name}); err != nil || found.Name() != name {
				t.Errorf("%s finds %v (%v)", name, found.Name(), err)
			}
		}
		if n := len(alone.Commands()); n != 1 {
			t.Errorf("%s is made with %d more", name, n-1)
		}
	}
}

// Where it is not sure which command is meant, all are made, and cobra finds it.
func TestCommandIn(t *testing.T) {
	for line, want := range map[string]string{
		"":                            "",
		"sync":                        "sync",
		"-json sync -full":            "sync",
		"-chdir plan sync":            "sync",
		"-chdir=plan -debug sync":     "sync",
		"--no-color state list":       "state",
		"-target plan apply":          "",
		"-help sync":                  "",
		"-json":                       "",
		"-chdir":                      "",
		"-- sync":                     "",
		"help sync":                   "help",
		"integration_point.clm[us] x": "integration_point.clm[us]",
	} {
		args := doubleDashes(slices.Collect(strings.FieldsSeq(line)))
		if got := commandIn(args, (&cli{}).root(nil).PersistentFlags()); got != want {
			t.Errorf("accord %s is %q, and not %q", line, got, want)
		}
	}
}
