package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"accord/lang"
	"accord/lang/addrs"
	"accord/planner"
	"accord/providers"
)

type exportOptions struct {
	inputs
	vaults []string
	out    string
}

func (c *cli) exportCommand() *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the blocks for what the vaults hold",
		Long: `Lists all that the vaults hold and accord can manage, and writes the blocks for it,
with imports: what repeats from vault to vault becomes one block with for_each. A
plan of these blocks is made before anything is written, and takes everything over
without changing it; what it would change or refuse is left out, and said. Nothing
is written in any vault, and no content is read.

Into the directory of the configuration, or without -out to standard output, it
writes what is not under code yet, as blocks that join those that are there. Into
another directory it writes a configuration of its own, with the vaults. Files that
are there are never overwritten.`,
		Example: `  accord export
  accord export -out=.
  accord export -out=../emea -vault='vault.crm["de"]' -vault='vault.crm["at"]'`,
		Annotations: exits(exitRefused, exitAccess, exitInterrupted),
		Args:        noArguments,
		RunE:        func(cmd *cobra.Command, args []string) error { return c.runExport(cmd.Context(), o) },
	}
	o.inputs.flags(cmd)
	cmd.Flags().StringArrayVar(&o.vaults, "vault", nil, "only what this `ADDRESS` holds (a vault, or a block of them); may be repeated")
	cmd.Flags().StringVar(&o.out, "out", "", "write into this `DIR`")
	return cmd
}

func (c *cli) runExport(ctx context.Context, o exportOptions) error {
	w, err := c.evaluated(ctx, o.inputs)
	if err != nil {
		return err
	}
	defer w.Close()
	req, err := w.exportRequest(o)
	if err != nil {
		return err
	}
	if err := w.openState(ctx); err != nil {
		return err
	}
	if req.State, err = w.store.Read(ctx); err != nil {
		return err
	}
	if req.Instances, err = w.connect(ctx, objectsOf(w.desired.Instances), pairs(w.connections()), true); err != nil {
		return err
	}
	if req.Alone {
		if req.Instances, err = w.elsewhere(req.Instances, o.out); err != nil {
			return err
		}
	}
	progress := c.progress()
	w.planner.Events = progress.planner
	e, diags := w.planner.Export(ctx, req)
	progress.clear()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if diags.HasErrors() {
		return w.planProblems(ctx, diags)
	}
	if o.out != "" {
		if err := writeNew(o.out, e.Files); err != nil {
			return err
		}
	}
	c.showExport(e, o, req)
	return c.unlisted(e)
}

// exportRequest is what to ask for by the flags.
func (w *workspace) exportRequest(o exportOptions) (planner.ExportRequest, error) {
	req := planner.ExportRequest{Desired: w.desired, Dir: w.dir}
	if len(w.desired.Instances) == 0 {
		return req, misused("Write a vault block for each vault, with its kind, environment, url and id.", "There is no vault to export from")
	}
	for _, text := range o.vaults {
		target, err := addrs.ParseTarget(text)
		if err != nil {
			return req, misused(`An address is written as in the files: vault.crm["us"]`, "%s", err)
		}
		if !slices.ContainsFunc(w.desired.Instances, func(r *lang.Resource) bool { return target.Covers(r.Addr) }) {
			var names []string
			for _, r := range w.desired.Instances {
				names = append(names, r.Addr.String())
			}
			const few = 10
			if more := len(names) - few; more > 0 {
				names = append(names[:few], fmt.Sprintf("and %d more", more))
			}
			return req, misused("There is: "+strings.Join(names, ", "), "The files have no vault %s", target)
		}
		req.Of = append(req.Of, target)
	}
	if o.out != "" {
		here, err := sameDir(w.dir, o.out)
		if err != nil {
			return req, err
		}
		req.Alone = !here
	}
	if req.Alone {
		if found, _ := filepath.Glob(filepath.Join(o.out, "*.hcl")); len(found) > 0 {
			return req, refusal("%s holds a configuration already, and is not overwritten: %s. Choose another directory", o.out, filepath.Base(found[0]))
		}
		return req, nil
	}
	req.Sources = w.config.Sources()
	maps.DeleteFunc(req.Sources, func(name string, _ []byte) bool {
		return strings.HasPrefix(name, "<") || slices.Contains(o.varFiles, name)
	})
	req.Options = lang.Options{Environ: os.Environ(), VarFiles: o.varFiles, Vars: o.vars}
	return req, nil
}

// sameDir reports whether two names are of one directory; one that is not there
// yet is another.
func sameDir(a, b string) (bool, error) {
	first, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	second, err := os.Stat(b)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if !second.IsDir() {
		return false, misused("Give a directory; it is made where it is not there.", "-out=%s is a file", b)
	}
	return os.SameFile(first, second), nil
}

// elsewhere has the instances name their files of credentials as another
// directory does.
func (w *workspace) elsewhere(instances map[addrs.Instance]providers.Object, dir string) (map[addrs.Instance]providers.Object, error) {
	out := maps.Clone(instances)
	for addr, o := range instances {
		var body map[string]json.RawMessage
		var file string
		if o.Decode(&body) != nil || json.Unmarshal(body["credentials_file"], &file) != nil || filepath.IsAbs(file) {
			continue
		}
		from, err := filepath.Abs(dir)
		if err != nil {
			return nil, err
		}
		to, err := filepath.Abs(filepath.Join(w.dir, file))
		if err != nil {
			return nil, err
		}
		if rel, err := filepath.Rel(from, to); err == nil {
			to = filepath.ToSlash(rel)
		}
		if body["credentials_file"], err = json.Marshal(to); err != nil {
			return nil, err
		}
		if o.Body, err = json.Marshal(body); err != nil {
			return nil, err
		}
		out[addr] = o
	}
	return out, nil
}

// writeNew writes files that are not there yet, all or none.
func writeNew(dir string, files map[string][]byte) error {
	names := slices.Sorted(maps.Keys(files))
	for _, name := range names {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return refusal("%s is there already, and is not overwritten. Move it away, or choose another directory", filepath.Join(dir, name))
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for n, name := range names {
		if err := writeOne(filepath.Join(dir, name), files[name]); err != nil {
			for _, made := range names[:n] {
				_ = os.Remove(filepath.Join(dir, made))
			}
			return fmt.Errorf("write the export: %w", err)
		}
	}
	return nil
}

func writeOne(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		_ = os.Remove(path)
	}
	return err
}

// unlisted says which vaults could not tell all that they hold.
func (c *cli) unlisted(e *planner.Export) error {
	if len(e.Unlisted) == 0 {
		return nil
	}
	var diags hcl.Diagnostics
	code := exitError
	for _, addr := range slices.SortedFunc(maps.Keys(e.Unlisted), addrs.Instance.Compare) {
		d := diagnosticOf(e.Unlisted[addr])
		d.Summary = fmt.Sprintf("The export lacks what %s holds: %s", addr, e.Unlisted[addr])
		diags, code = append(diags, d), max(code, exitCode(e.Unlisted[addr]))
	}
	c.diagnostics(diags)
	return told(code)
}

func (c *cli) showExport(e *planner.Export, o exportOptions, req planner.ExportRequest) {
	objects := 0
	for _, n := range e.Objects {
		objects += n
	}
	if c.json {
		for _, name := range slices.Sorted(maps.Keys(e.Files)) {
			_ = c.line("export_file", name, map[string]any{"file": name, "text": string(e.Files[name])})
		}
		for _, l := range e.LeftOut {
			_ = c.line("export_left_out", fmt.Sprintf("%s %s is left out: %s", l.Type, l.ID, l.Why), map[string]any{"object": l})
		}
		for _, s := range e.Runs {
			_ = c.line("export_run", fmt.Sprintf("%s would run: %s", s.Addr, s.Decision.Why()), map[string]any{"sync": s})
		}
		_ = c.line("export_summary", fmt.Sprintf("%d objects in %d blocks", objects, e.Blocks), map[string]any{
			"directory": o.out, "objects": e.Objects, "blocks": e.Blocks, "managed": e.Managed, "left_out": len(e.LeftOut), "runs": len(e.Runs), "fills": e.Fills, "variables": e.Secrets,
		})
		return
	}
	v := exportView{c.planView(nil, false), e}
	if o.out == "" {
		for n, name := range slices.Sorted(maps.Keys(e.Files)) {
			if n > 0 {
				fmt.Fprintln(c.stdout)
			}
			fmt.Fprintf(c.stdout, "# %s\n%s", name, e.Files[name])
		}
		v.w = c.stderr
	}
	v.summary(o, req, objects)
}

// exportView says for people what was exported.
type exportView struct {
	planView
	export *planner.Export
}

func (v *exportView) summary(o exportOptions, req planner.ExportRequest, objects int) {
	e := v.export
	switch {
	case objects == 0 && e.Managed > 0 && !req.Alone:
		v.line("%s", bold("Nothing to export: all that was found is under code."))
	case objects == 0:
		v.line("%s", bold("Nothing to export: no vault holds anything that accord could take over."))
	case o.out == "":
		v.line("%s %s in %s.", bold("Exported:"), count(objects, "object"), count(e.Blocks, "block"))
	default:
		v.line("%s %s in %s, into %s:", bold("Exported:"), count(objects, "object"), count(e.Blocks, "block"), o.out)
	}
	for _, typ := range slices.Sorted(maps.Keys(e.Objects)) {
		v.line("    %s %s", number(e.Objects[typ]), typ)
	}
	if e.Managed > 0 && objects > 0 {
		text := fmt.Sprintf("%s under code here already, and left out.", areUnder(e.Managed))
		if req.Alone {
			text = fmt.Sprintf("! %s under code here too. Let one configuration alone manage an object: two take turns in undoing each other.", areUnder(e.Managed))
		}
		v.text("  ", text)
	}
	v.left()
	if len(e.Secrets) > 0 {
		v.text("  ", "What is secret is in no file. Set the variables: "+strings.Join(e.Secrets, ", ")+".")
	}
	for _, s := range e.Runs {
		v.text("  ", fmt.Sprintf("! Applied, it would begin a run of %s: %s.", s.Addr, s.Decision.Why()))
	}
	for _, name := range slices.Sorted(maps.Keys(e.Fills)) {
		v.text("  ", fmt.Sprintf("! Applied, it would fill %s, which accord keeps there: %s.", name, count(e.Fills[name], "object")))
	}
	besides := ""
	if len(e.Runs)+len(e.Fills) > 0 {
		besides = " besides"
	}
	if objects > 0 {
		v.text("", fmt.Sprintf("%s a plan of it takes over %s, and changes nothing%s.", bold("Proved:"), count(objects, "object"), besides))
	}
	switch {
	case objects == 0 || o.out == "":
	case req.Alone:
		v.line("Next: accord -chdir=%s plan", o.out)
	default:
		v.line("Next: accord plan")
	}
}

func areUnder(n int) string {
	if n == 1 {
		return "1 object is"
	}
	return count(n, "object") + " are"
}

// left lists what no block was written for, by its reason.
func (v *exportView) left() {
	byReason := map[string][]planner.LeftOut{}
	for _, l := range v.export.LeftOut {
		byReason[l.Why] = append(byReason[l.Why], l)
	}
	for _, why := range slices.Sorted(maps.Keys(byReason)) {
		list := byReason[why]
		names := make([]string, len(list))
		for n, l := range list {
			names[n] = fmt.Sprintf("%s %s of %s", l.Type, l.ID, l.Instance)
		}
		const few = 5
		if more := len(names) - few; more > 0 {
			names = append(names[:few], fmt.Sprintf("%d more", more))
		}
		v.text("  ", clean(fmt.Sprintf("? Left out (%d): %s: %s.", len(list), strings.Join(names, ", "), why)))
	}
}
