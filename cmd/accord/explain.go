package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func (c *cli) explainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain [CODE]",
		Short: "Explain the code of a problem",
		Long: `Explains the code that stands in brackets under a problem: the rule behind it, and
what to do. Without a code it lists all of them.`,
		Example: `  accord explain CTRY-9
  accord explain`,
		Annotations: exits(),
		Args:        upTo(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.listCodes()
			}
			return c.runExplain(args[0])
		},
	}
}

func (c *cli) listCodes() error {
	for _, code := range slices.Sorted(maps.Keys(explanations)) {
		if c.json {
			_ = c.line("code", code, map[string]any{"code": code, "title": explanations[code].title, "rule": explanations[code].rule, "advice": explanations[code].advice})
			continue
		}
		fmt.Fprintf(c.stdout, "%-9s  %s\n", code, explanations[code].title)
	}
	return nil
}

func (c *cli) runExplain(code string) error {
	code = strings.ToUpper(strings.Trim(code, "[]"))
	e, ok := explanations[code]
	if !ok {
		return misused("All of them: accord explain", "There is no code %q", code)
	}
	if c.json {
		return c.line("code", code, map[string]any{"code": code, "title": e.title, "rule": e.rule, "advice": e.advice})
	}
	width := screenWidth(c.stdout)
	fmt.Fprintf(c.stdout, "%s: %s\n\n%s\n\n%s\n", bold(code), e.title, wrap(e.rule, "", width), wrap("What to do: "+e.advice, "", width))
	return nil
}

// explanation is what `accord explain` says of a code.
type explanation struct {
	title  string // one line
	rule   string // what holds
	advice string // what to do
}

// explanations are all codes that accord gives. A code never changes its
// meaning; one that is given no more stays here.
var explanations = map[string]explanation{
	"PROTECTED": {
		"the object is protected",
		"lifecycle { protect = true } forbids every removal and replacement. The state remembers it, so taking the block out of the configuration does not lift it.",
		"If it is meant: put the block back without protect and apply that first; or write a removed block for it with unprotect = true.",
	},
	"LIMIT": {
		"more content would move than the limits allow",
		"The limits block says which share of what a sync owns in a CRM vault one run may withdraw (max_withdrawn) or newly publish (max_published). The first full sync of an empty vault is exempt from the second. A run that would go beyond does nothing at all.",
		"Look at the content part of the plan. If it is meant, give -allow with the name that the message shows, for this once, or change the limit in its line.",
	},
	"ADDRESS": {
		"an address names nothing",
		"-target, -exclude and -replace take the address of an object, of a block (all its instances), of a module (all that is in it), and but for -replace of a vault (all that leads to it). One that names nothing is a slip: the plan would be about something else.",
		"Write the address as accord plan or accord state list shows it.",
	},
	"SUPPRESS": {
		"a suppression is of no use",
		"A suppress block takes a known difference out of drift until its day is over. One that matches nothing suppresses nothing, or will hide something else one day.",
		"Correct its address and attribute, give it a later day, or take it out.",
	},
	"PROMISE": {
		"the content would not change as it was approved",
		"A saved plan shows what each run does to each CRM vault. When it is applied the content is looked at again: no vault, no country, no direction (publish or withdraw) may be new, and at most 1 % or 10 more items, whichever is more, may be withdrawn than it showed.",
		"Plan again, look at the content part, and approve that plan.",
	},
	"CONN-1": {
		"which connection is meant is not clear",
		"A content vault has one standard connection of each type, which serves one CRM vault; every further CRM vault has a duplicate of it with an API name of its own.",
		"Name it by content_api_name, or correct the type or the vaults.",
	},
	"CONN-2": {
		"the two vaults cannot be connected",
		"A connection is between two vaults of one domain, or between a production vault and a sandbox. Two production vaults of different domains cannot be connected.",
		"Check the vaults that the connection names, and their environment.",
	},
	"CONN-3": {
		"a sandbox would write into production",
		"A sandbox never populates a production vault. It is judged by the direction in which an integration point moves its data, so the same connection may be legal for another point.",
		"Connect a sandbox, or leave this point out. If a vault's environment is written wrongly, correct that.",
	},
	"CONN-5": {
		"the connection does not carry this integration",
		"The Medical-CRM connection carries the CLM and the Country Integration and nothing else.",
		"Use a PromoMats-CRM connection, or another type.",
	},
	"CONN-7": {
		"the connection is not established",
		"A connection is established when it is active on both sides. Nothing under it can be activated before. accord does not approve connections.",
		"Let somebody who may manage connections approve it in the vaults that the message names.",
	},
	"PERM-4": {
		"the permission set is not accord's to take from",
		"Grants are added to what is there, and only those that accord made are taken back. A set that accord did not create is never deleted or set exactly; standard sets are not changed at all.",
		"Leave exact out, or use a set of your own.",
	},
	"PERM-5": {
		"permissions are missing",
		"Before a run the permissions that it needs are checked: of the user that accord logs in as, of the connection's authorized user, and of the content admin sets.",
		"Grant what the message lists, where it says so.",
	},
	"INT-1": {
		"there is no such integration point",
		"The CLM Integration has the point clm_presentation, and the Country Integration the point clm_country.",
		"Correct the name of the point, or the integration that it belongs to.",
	},
	"INT-3": {
		"the point would not run",
		"A run needs both: the integration active, and its point active. A point that is active under an inactive integration does nothing.",
		"Set both to active, or both to inactive.",
	},
	"INT-4": {
		"this ends runs and leaves content",
		"Standard integrations and points can be neither created nor deleted: taking one out of the configuration deactivates it. That stops runs, and what is published stays as it is.",
		"If the content should go, withdraw it before: accord sync ADDRESS -withdraw-all",
	},
	"INT-7": {
		"two engines would move the same content",
		"Every point has one engine: the platform's own, or accord. With accord's, the platform's point must be inactive.",
		"Choose one engine, and deactivate the other in the vault.",
	},
	"RULE-1": {
		"the field rule does not fit its connection",
		"Field rules belong to the integration rule of their connection's CLM point, and map one field of the content vault to one of the CRM vault. Two rules for one target contradict each other.",
		"Correct the rule at the line that is shown.",
	},
	"RULE-2": {
		"the reference cannot be mapped",
		"A field that refers to an object is mapped to the matching record of the CRM vault, by its Link, or by its External ID where the Link is blank. It is never copied as an id.",
		"Write a reference block with the object of the CRM vault.",
	},
	"RULE-3": {
		"a field is not there, or the types do not fit",
		"Both fields of a field rule must exist, and the type of the one must fit into the other. This is checked against the vaults as they are.",
		"Correct the name, or create the field in its vault first.",
	},
	"RULE-4": {
		"content that is not approved would be published",
		"The query rule lets only approved content through. It may be inactive for a sandbox CRM vault only.",
		"Set its status to active, or take the block out, which does the same.",
	},
	"CTRY-1": {
		"the country filter is not complete",
		"A filter names values of country_cda__v for one feature of one CRM vault. An empty filter would mean the opposite of what it seems to say, so it is an error.",
		"Name the countries as the message spells them, or write all_countries = true.",
	},
	"CTRY-6": {
		"everything goes to this CRM vault",
		"Without an active Country Integration countries do not matter: all content that is otherwise eligible is published.",
		"Add the Country Integration and its point, or confirm that it is meant.",
	},
	"CTRY-9": {
		"the filter does not do what it seems to",
		"A filter has no effect without an active Country Integration. A value that no country record holds matches nothing; a country record without values is never chosen; a CRM vault without a filter beside others that have one receives everything.",
		"Follow the advice of the message; nothing is refused for it.",
	},
	"CTRY-13": {
		"the record belongs to another vault",
		"The settings record holds the id of the CRM vault that it was made for. After a sandbox was refreshed it may be another's, and every sync of the connection stops then.",
		"Check which vault is connected. If this is the one, correct vault_crm_id__v on the record that the message names.",
	},
	"CLM-3": {
		"this mapping is fixed",
		"Presentations, slides and shared resources keep their document types; which becomes which cannot be configured.",
		"Take the attribute out.",
	},
}
