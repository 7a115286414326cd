package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
)

// document is a plan as it is shown: the one model that the terminal, the
// lines of -json, Markdown and HTML are renderings of, and that -format=json
// prints. It holds nothing sensitive and nothing that a terminal would obey,
// and the same plan gives the same bytes.
type document struct {
	FormatVersion string `json:"format_version" doc:"major.minor; additions raise the minor number"`
	Kind          string `json:"kind" doc:"plan"`

	Tool    string    `json:"tool"`
	Created time.Time `json:"created"`
	Lineage string    `json:"lineage" doc:"of the state that the plan was made for"`
	Serial  uint64    `json:"serial" doc:"of that state"`

	Environments []string `json:"environments,omitempty" doc:"of the vaults that the plan is about, production first"`

	Destroy bool     `json:"destroy,omitempty" doc:"everything is to be removed"`
	Allow   []string `json:"allow,omitempty" doc:"limits that are lifted once, by name"`
	Target  []string `json:"target,omitempty" doc:"the plan is about these alone, and what they need"`
	Exclude []string `json:"exclude,omitempty" doc:"the plan is about everything but these, and what needs them"`
	Replace []string `json:"replace,omitempty" doc:"what is to be made anew"`
	LeftOut int      `json:"left_out,omitempty" doc:"how many objects a partial plan is not about"`
	Assumed bool     `json:"assumed,omitempty" doc:"what the state remembers was not read again"`

	Failed  bool                   `json:"failed,omitempty" doc:"the plan could not be made, and cannot be applied; the rest is what is known all the same"`
	Errors  []providers.Diagnostic `json:"errors,omitempty" doc:"why it failed"`
	Unknown []plan.Unknown         `json:"unknown,omitempty" doc:"objects of which it is not known what they will be"`

	Verdict string `json:"verdict" doc:"the totals in words"`
	Nothing bool   `json:"nothing,omitempty" doc:"there is nothing to apply"`
	Totals  totals `json:"totals"`

	Since *delta `json:"since,omitempty" doc:"how it differs from an earlier plan (-since)"`

	Resolved []plan.Resolved `json:"resolved,omitempty" doc:"calls of an earlier apply whose answer was lost, and what came of them"`

	Newly []newly `json:"newly" doc:"countries that a vault receives for the first time (CTRY-8)"`

	Drift     []plan.Change   `json:"drift" doc:"changed outside this configuration"`
	Moves     []plan.Move     `json:"moves" doc:"other names for what is recorded"`
	Changes   []plan.Change   `json:"changes" doc:"what this configuration changes"`
	Unchanged int             `json:"unchanged" doc:"objects that stay as they are"`
	Content   []plan.Content  `json:"content" doc:"what happens to the content, by run"`
	Idle      []idleVault     `json:"idle" doc:"vaults in which no run is part of this plan, so that their content stays"`
	Syncs     []plan.SyncLine `json:"syncs" doc:"which syncs run and why, and what is merely due"`
	Steps     []documentStep  `json:"steps" doc:"what apply does, and in which order"`
	Outputs   []plan.Output   `json:"outputs" doc:"outputs that apply records otherwise than they are; what moves by itself is no change"`

	Warnings []providers.Diagnostic `json:"warnings"`
	Refusals []providers.Diagnostic `json:"refusals" doc:"with any, the plan cannot be applied"`

	Reads reads `json:"reads" doc:"what making the plan took"`
}

// environmentsOf are those of the vaults of a plan.
func environmentsOf(p *plan.Plan) []string {
	var all []string
	none := map[string]bool{} // types that have no environment
	for i := range p.Objects {
		var body instanceBody
		typ := p.Objects[i].Type
		if none[typ] {
			continue
		}
		if schema.ValueOf(p.Objects[i].Body, "environment") == nil {
			none[typ] = true // of a vault it is always known
			continue
		}
		if p.Objects[i].Decode(&body) == nil && body.Environment != "" && !slices.Contains(all, body.Environment) {
			all = append(all, body.Environment)
		}
	}
	slices.Sort(all) // production comes before sandbox
	return all
}

// totals count what a plan does.
type totals struct {
	Create  int `json:"create"`
	Update  int `json:"update"`
	Replace int `json:"replace"`
	Adopt   int `json:"adopt" doc:"it is in the vault already, and is taken over"`
	Remove  int `json:"remove"`
	Rename  int `json:"rename"`
	Drift   int `json:"drift"`
	Full    int `json:"full_syncs"`
	In      int `json:"in" doc:"items newly in the field"`
	Out     int `json:"out" doc:"items withdrawn"`
	Unknown int `json:"unknown,omitempty" doc:"objects, of a plan that failed"`
	Outputs int `json:"outputs" doc:"that change"`
	Steps   int `json:"steps"`
	Due     int `json:"due" doc:"incremental runs and retries, which sync and serve do"`
}

// newly is a country that a vault receives for the first time.
type newly struct {
	Vault addrs.Instance `json:"vault"`
	Addr  addrs.Instance `json:"addr" doc:"of the sync"`
	syncer.RouteImpact

	Several bool `json:"several,omitempty" doc:"points of the vault receive it"`
}

// by names the point where several of one vault receive a country, each in its
// own model of content (CLM-10).
func (n newly) by() string {
	if !n.Several {
		return ""
	}
	return " by " + n.Addr.String()
}

// idleVault is a vault that no run of the plan writes to.
type idleVault struct {
	Vault addrs.Instance   `json:"vault"`
	Syncs []addrs.Instance `json:"syncs" doc:"that write there, none of which runs"`
}

// documentStep is one thing that apply does.
type documentStep struct {
	Addr   addrs.Instance   `json:"addr"`
	Run    bool             `json:"run,omitempty" doc:"a sync's run, not an object's change"`
	Action providers.Action `json:"action,omitempty"`
	After  []string         `json:"after,omitempty" doc:"what is done before: addresses, and \"run of ADDRESS\""`
}

type reads struct {
	Instances int   `json:"instances"`
	Objects   int   `json:"objects"`
	Records   int   `json:"records" doc:"of content"`
	Calls     int   `json:"calls"`
	Took      int64 `json:"took_ms"`
}

// documentOf makes the document of a plan.
func documentOf(p *plan.Plan) *document {
	n := p.Count()
	d := &document{
		FormatVersion: uiVersion, Kind: "plan", Tool: p.Tool, Created: p.Created.UTC(), Lineage: p.Lineage, Serial: p.Serial,
		Destroy: p.Destroy, Allow: p.Allow, Target: p.Target, Exclude: p.Exclude, Replace: p.Replace, LeftOut: p.LeftOut, Assumed: p.Assumed, Resolved: p.Resolved,
		Failed: p.Failed, Errors: p.Errors, Unknown: p.Unknown,
		Nothing: !p.Differs() && !p.Failed, Outputs: redactedOutputs(p.Outputs), Drift: withoutSecrets(p.Drift), Moves: p.Moves, Changes: withoutSecrets(p.Changes), Unchanged: p.Unchanged,
		Content: p.Content, Syncs: p.Syncs, Warnings: p.Warnings, Refusals: p.Refusals,
		Reads: reads{Instances: p.Reads.Instances, Objects: p.Reads.Objects, Records: p.Reads.Records, Calls: p.Reads.Calls, Took: p.Reads.Took.Milliseconds()},
		Totals: totals{Create: n.Create, Update: n.Update, Replace: n.Replace, Adopt: n.Adopt, Remove: n.Remove,
			Rename: len(p.Moves), Drift: len(p.Drift), Full: n.Full, In: n.In, Out: n.Out, Unknown: len(p.Unknown), Outputs: len(p.Outputs), Steps: len(p.Steps)},
	}
	for _, s := range p.Syncs {
		if !s.Decision.Step && s.Decision.Mode != syncer.None {
			d.Totals.Due++
		}
	}
	d.Environments = environmentsOf(p)
	d.Newly, d.Idle = newlyReceived(p.Content), idleVaults(p)
	for _, s := range p.Steps {
		step := documentStep{Addr: s.Ref.Addr, Run: s.Ref.Sync}
		if s.Item != nil {
			step.Action = s.Item.Action
		}
		for _, ref := range s.After {
			step.After = append(step.After, describeRef(ref))
		}
		d.Steps = append(d.Steps, step)
	}
	d.Verdict = d.verdict()
	return d.harmless()
}

// harmless is the document without what a terminal would obey, in whatever
// text it stands.
func (d *document) harmless() *document {
	out := *d
	if b, err := json.Marshal(d); err == nil {
		var read document
		if json.Unmarshal(harmless(b), &read) == nil {
			out = read
		}
	}
	out.Drift, out.Moves, out.Changes = notNil(out.Drift), notNil(out.Moves), notNil(out.Changes)
	out.Content, out.Syncs, out.Steps = notNil(out.Content), notNil(out.Syncs), notNil(out.Steps)
	out.Outputs = notNil(out.Outputs)
	out.Warnings, out.Refusals, out.Newly, out.Idle = notNil(out.Warnings), notNil(out.Refusals), notNil(out.Newly), notNil(out.Idle)
	return &out
}

// notNil is a list that is written as one, also where there is nothing in it.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// withoutSecrets makes sure that an edit that is called sensitive shows nothing.
func withoutSecrets(changes []plan.Change) []plan.Change {
	out := slices.Clone(changes)
	for i := range out {
		out[i].Edits = slices.Clone(out[i].Edits)
		for n := range out[i].Edits {
			if e := &out[i].Edits[n]; e.Sensitive {
				e.Before, e.After = nil, nil
			}
		}
	}
	return out
}

// redactedOutputs makes the same sure of outputs.
func redactedOutputs(outputs []plan.Output) []plan.Output {
	out := slices.Clone(outputs)
	for i := range out {
		if out[i].Sensitive {
			out[i].Before, out[i].After = nil, nil
		}
	}
	return out
}

// newlyReceived lists the countries that vaults receive for the first time. A
// vault that had nothing before receives all of its for the first time, and a
// run that moves no content receives none.
func newlyReceived(content []plan.Content) []newly {
	var out []newly
	for _, c := range content {
		for _, r := range c.Impact.Newly {
			if r.Key != "" && !c.Impact.First && !c.Impact.Within {
				out = append(out, newly{Vault: c.Vault, Addr: c.Addr, RouteImpact: r})
			}
		}
	}
	for i, n := range out {
		out[i].Several = slices.ContainsFunc(out, func(o newly) bool { return o.Vault == n.Vault && o.Key == n.Key && o.Addr != n.Addr })
	}
	return out
}

// idleVaults lists the vaults that syncs write to, and no run of this plan.
func idleVaults(p *plan.Plan) []idleVault {
	running := map[addrs.Instance]bool{}
	for _, c := range p.Content {
		running[c.Vault] = true
	}
	var out []idleVault
	for _, s := range p.Syncs {
		if running[s.Vault] {
			continue
		}
		i := slices.IndexFunc(out, func(v idleVault) bool { return v.Vault == s.Vault })
		if i < 0 {
			i, out = len(out), append(out, idleVault{Vault: s.Vault})
		}
		out[i].Syncs = append(out[i].Syncs, s.Addr)
	}
	slices.SortFunc(out, func(a, b idleVault) int { return a.Vault.Compare(b.Vault) })
	return out
}

// untouched reports whether the configuration changes and no run follows, of any
// vault that content is in. A partial plan leaves runs to others.
func (d *document) untouched() bool {
	return len(d.Changes) > 0 && len(d.Content) == 0 && len(d.Idle) > 0 && !d.Partial() && !d.Failed
}

// Partial reports whether the plan is about some objects only.
func (d *document) Partial() bool { return len(d.Target)+len(d.Exclude) > 0 }

// verdict is the totals in words.
func (d *document) verdict() string {
	if d.Nothing {
		text := "Nothing to do: the vaults are as the configuration says."
		if d.Totals.Due > 0 {
			text += fmt.Sprintf(" %s due for accord sync.", count(d.Totals.Due, "incremental run"))
		}
		return text
	}
	t := d.Totals
	var parts []string
	add := func(n int, text string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, text))
		}
	}
	add(t.Create, "to create")
	add(t.Adopt, "to adopt")
	add(t.Update, "to change")
	add(t.Replace, "to replace")
	add(t.Remove, "to remove")
	add(t.Rename, "to rename")
	add(t.Drift, "drifted")
	add(t.Unknown, "not known")
	if d.Failed {
		return strings.Join(append([]string{"it failed, and nothing can be applied"}, parts...), ", ")
	}
	if t.Full > 0 {
		parts = append(parts, count(t.Full, "full sync"), fmt.Sprintf("%s in, %s out", number(t.In), number(t.Out)))
	}
	if len(parts) == 0 && t.Outputs > 0 {
		return "only what is recorded of outputs changes"
	}
	if len(parts) == 0 {
		return "only what accord remembers changes"
	}
	return strings.Join(parts, ", ")
}

// encode is the document as -format=json prints it.
func (d *document) encode() ([]byte, error) {
	b, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(b, '\n'), nil
}
