package vault

import (
	"context"
	"fmt"
	"sync"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/providers"
	"accord/providers/resource"
)

// queryRuleBody is the block `query_rule`.
type queryRuleBody struct {
	Connection addrs.Instance `json:"connection" schema:"required,replace" refers:"connection" doc:"The connection whose CLM content is meant; the rule follows from its type (RULE-1)."`
	Status     string         `json:"status" schema:"required" oneof:"active inactive" doc:"Active: only approved (steady state) content. Inactive: the latest version whatever its state; in a sandbox CRM vault only (RULE-4)."`

	Rule string `json:"rule" schema:"readonly" doc:"The rule in the vault."`
}

func (p *Provider) queryRuleType() resource.Resource {
	return resource.Type[queryRuleBody]{
		Name:     "query_rule",
		Doc:      "The rule that lets only approved content through the CLM Integration. It is active by default, and becomes active again when its block is taken out (RULE-4).",
		Identity: []string{"connection"},
		Removal:  schema.Reset,
		Validate: validateQueryRules,
		Read:     p.readQueryRules,
		List:     listing(p, p.listQueryRules),
		Plan:     p.planQueryRules,
		Create:   p.writeQueryRules,
		Update:   p.writeQueryRules,
		Remove:   p.writeQueryRules,
	}
}

func validateQueryRules(_ *resource.Env, items []*resource.Item[queryRuleBody]) {
	seen := map[addrs.Instance]addrs.Instance{}
	for _, i := range items {
		if other, double := seen[i.Want.Connection]; double {
			i.Refuse("", "/connection", fmt.Sprintf("%s and %s are the same rule", other, i.Addr), "Take one of them out.")
		}
		seen[i.Want.Connection] = i.Addr
	}
}

func (p *Provider) readQueryRules(ctx context.Context, env *resource.Env, items []*resource.Item[queryRuleBody]) {
	rules, touched := rulesCache(ctx), componentTouches(ctx, env)
	resource.Each(atOnce, func(ctx context.Context, env *resource.Env, i *resource.Item[queryRuleBody]) {
		l, q, err := p.findQueryRule(env, i.Want, rules)
		switch {
		case err != nil:
			i.Fail(err)
		case q == nil:
			i.Missing()
		default:
			i.Found(l.names.Rule+"."+q.Name, queryRuleNow(l, i.Want, q))
			i.Touch(touched(l.crm, q.Name, l.names.Rule))
		}
	})(ctx, env, items)
}

func (p *Provider) findQueryRule(env *resource.Env, body *queryRuleBody, rules func(*link) (*integrationRule, error)) (*link, *queryObject, error) {
	l, err := p.link(env, body.Connection)
	if err != nil {
		return nil, nil, err
	}
	r, err := rules(l)
	if err != nil {
		return nil, nil, err
	}
	return l, r.approvedOnly(), nil
}

func queryRuleNow(l *link, want *queryRuleBody, q *queryObject) queryRuleBody {
	now := queryRuleBody{Connection: want.Connection, Status: inactive, Rule: l.names.Rule + "." + q.Name}
	if q.Active {
		now.Status = active
	}
	return now
}

func (p *Provider) planQueryRules(ctx context.Context, env *resource.Env, changes []*resource.Change[queryRuleBody]) {
	around := sync.OnceValue(func() neighbourIndex { return neighbours(env) })
	for _, c := range changes {
		if c.Desired == nil {
			if c.Removal == schema.Reset && c.Live != nil && c.Live.Status == inactive {
				c.Consequence("the rule becomes active: only approved content goes to the CRM vault")
				where := c.Live.Connection.String()
				if l, err := p.link(env, c.Live.Connection); err == nil {
					where = l.crm.addr.String()
				}
				sayWhatRuns(env, around().at(c.Live.Connection).points, c)
				warnBound(c, "", where)
			}
			continue
		}
		l, err := p.link(env, c.Desired.Connection)
		if err != nil {
			c.Fail(err)
			continue
		}
		if c.Desired.Status == inactive && l.crm.environment != sandbox {
			c.Diagnose(refused(providers.Diagnostic{
				Code: "RULE-4", Path: "/status", Summary: fmt.Sprintf("Content that is not approved would reach %s, which is a %s vault", l.crm.addr, l.crm.environment),
				Detail: "The rule may be inactive only where the CRM vault is a sandbox.",
			}))
			continue
		}
		if c.Live == nil {
			c.Refuse("RULE-1", "", fmt.Sprintf("%s has no rule for approved content in %s", l.crm.addr, l.names.Rule), "It comes with the connection. Ask the vendor.")
			continue
		}
		if c.Desired.Status == inactive {
			c.Warn("RULE-4", "/status", fmt.Sprintf("Users of %s are given content that is not approved", l.crm.addr),
				"It is a sandbox, so this is allowed, for testing before approval. The latest version of a document counts, whatever its state.")
		}
		if c.Desired.Status == active && c.Live.Status == inactive {
			warnBound(c, "/status", l.crm.addr.String())
		}
		if c.Changed("status") {
			sayWhatRuns(env, around().at(l.addr).points, c)
		}
	}
}

// sayWhatRuns is RULE-5.
func sayWhatRuns(env *resource.Env, points []addrs.Instance, c *resource.Change[queryRuleBody]) {
	for _, addr := range points {
		if movesContent(env, addr) {
			c.Consequence("what was synced follows from this rule: %s runs in full (RULE-5)", addr)
		}
	}
}

// warnBound says what switching the rule on again does not change: a CrossLink is
// bound to its source when it is made, and no source says that the binding can be
// written later.
func warnBound(c *resource.Change[queryRuleBody], path addrs.Path, where string) {
	c.Warn("RULE-4", path, fmt.Sprintf("Slides that came to %s while the rule was inactive go on showing the latest version of their documents", where),
		"Their CrossLinks were bound to it when they were made. In the CRM vault, set their Source Binding Rule to Latest Steady State version, or delete them: the next full sync makes them anew.")
}

func (p *Provider) writeQueryRules(ctx context.Context, env *resource.Env, changes []*resource.Change[queryRuleBody]) {
	rules := rulesCache(ctx)
	for _, c := range changes {
		body := c.Subject()
		l, q, err := p.findQueryRule(env, body, rules)
		switch {
		case err != nil:
			c.Fail(err)
			continue
		case q == nil && c.Action == providers.Remove:
			c.Gone()
			continue
		case q == nil:
			c.Fail(providers.Errorf(providers.NotFound, "the rule is not there any more"))
			continue
		}
		wanted := body.Status == active || c.Action == providers.Remove
		if !wanted && l.crm.environment != sandbox {
			c.Fail(providers.Errorf(providers.Refused, "RULE-4: %s is not a sandbox", l.crm.addr))
			continue
		}
		if bool(q.Active) != wanted {
			script := fmt.Sprintf("ALTER Integrationrule %s (\n   MODIFY Queryobjectrule %s (\n      active(%t)\n   )\n);", l.names.Rule, q.Name, wanted)
			if _, err := l.crm.client.ExecuteMDL(ctx, script); err != nil {
				c.Fail(contractError("change the rule "+q.Name, err))
				continue
			}
		}
		if c.Action == providers.Remove {
			c.Gone()
			continue
		}
		now := queryRuleNow(l, body, q)
		now.Status = body.Status
		c.Done(now.Rule, now)
	}
}
