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
	"RENAMED": {
		"two names stand for one object",
		"A block that is gone from the configuration and one that is there mean the same object of a vault. To take the old one out by its type's word (delete, deactivate, reset, revoke) would do that to the object which the other block keeps, and what hangs on the old name would be made anew: most often a block, a key or a module was renamed.",
		"Write the moved block that the message shows: nothing but the name changes then. Where the state has both names, a removed block with then = \"forget\" drops one of them.",
	},
	"REPOINTED": {
		"a block means another object than before",
		"An attribute was edited by which the object is found, and accord never deletes objects of this type: connections and country filters, for example, are only forgotten, and stay as they are. So there is no replacing one by the other.",
		"Give the block another name, or another key in for_each: what is remembered under the old one is forgotten, and the other object is taken over.",
	},
	"PARTIAL": {
		"a partial plan changes what routes content, and leaves the run out",
		"With -target or -exclude a plan is about some objects only. One of them decides which content a CRM vault receives, such as a country filter, and the sync that follows from it is left out: what it adds and withdraws is not read, and stands nowhere in this plan. The sync is due all the same once the change is applied, and accord sync, accord serve and the next plan run it in full.",
		"Plan the whole, which counts the content; or add -target for the integration point that the message names. The limits hold whenever it runs.",
	},
	"LIMIT": {
		"more content would move than the limits allow",
		"The limits block says which share of what a sync owns in a CRM vault one run may withdraw (max_withdrawn) or newly publish (max_published). The first full sync of an empty vault is exempt from the second. A run that would go beyond does nothing at all.",
		"Look at the content part of the plan. If it is meant, give -allow with the name that the message shows, for this once, or change the limit in its line.",
	},
	"ADDRESS": {
		"an address names nothing",
		"-target, -exclude and -replace take the address of an object, of a block (all its instances), of a module (all that is in it), and but for -replace of a vault (all that leads to it); -point and -vault of accord exceptions that of a point or a vault which was applied. One that names nothing is a slip: the plan would be about something else, and no exception would be found.",
		"Write the address as accord plan or accord state list shows it.",
	},
	"CREDENTIALS": {
		"where user and password of a vault come from is not clear",
		"They are never in a file of the configuration. A vault has variables named after its address: in upper case, the names of its modules before its own, each followed by its key, and _ for what is no letter or digit. vault.promomats has ACCORD_VAULT_PROMOMATS_USER and ACCORD_VAULT_PROMOMATS_PASSWORD, vault.crm[\"us\"] ACCORD_VAULT_CRM_US_USER, vault.crm in module.eu[\"de\"] ACCORD_VAULT_EU_DE_CRM_USER, and so on. Commands that only read prefer ACCORD_VAULT_CRM_US_READ_USER and its password. Instead of variables a vault may have credentials_file or credentials_command, not both. Two vaults whose names become the same variables would log in as each other.",
		"Rename one of the two, or give one a credentials_file or a credentials_command.",
	},
	"SUPPRESS": {
		"a suppression is of no use",
		"A suppress block takes a known difference out of drift until its day is over. One that matches nothing suppresses nothing, or will hide something else one day.",
		"Correct its address and attribute, give it a later day, or take it out.",
	},
	"PLUGIN": {
		"a provider that is not built in cannot be used",
		"A provider from elsewhere is found by its source, and pinned in .accord.lock.hcl by version and checksum. Every command runs a copy whose bytes were checked, and starts nothing where they are not those that were locked. A block type belongs to one provider, and both ends must speak a version of the plugin protocol in common.",
		"Follow the message: mostly accord init, which chooses what is not chosen yet, or accord init -upgrade, which chooses anew. If bytes changed that nobody meant to change, find out who did. One that does not start within 20 s is given up; where it only takes longer, set ACCORD_PLUGIN_TIMEOUT, such as 60s.",
	},
	"PROMISE": {
		"the content would not change as it was approved",
		"A saved plan shows what each run does to each CRM vault. When it is applied the content is looked at again: no vault, no country, no direction (publish or withdraw) may be new, and at most 1 % or 10 more items, whichever is more, may be withdrawn than it showed.",
		"Plan again, look at the content part, and approve that plan.",
	},
	"CONN-1": {
		"which connection is meant is not clear",
		"A content vault has one standard connection of each type, which serves one CRM vault; every further CRM vault has a duplicate of it with an API name of its own. A CRM vault has one connection of each type.",
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
	"CONN-6": {
		"a webhook is told what runs did, and of errors",
		"Each notify \"webhook\" block names an address that is posted to, once for every run that changed content, gave up, or met an error for the first time. A delivery is signed as Standard Webhooks describes (headers webhook-id, webhook-timestamp and webhook-signature, HMAC-SHA256) with the secret in ACCORD_WEBHOOK_SECRET; its id stays the same however often it is sent. What could not be delivered stays in the journal for a week and is tried again, later each time, by the next apply, sync or serve. One that asks for time (Retry-After) is told nothing meanwhile, for an hour at most. Redirects are not followed. No run fails for a webhook. An address that carries a token is itself a secret: it is kept in a variable of the environment (url_env), in a file (url_file), or printed by a command (url_command), and is shown to nobody.",
		"Look at what the webhook answers, and whether ACCORD_WEBHOOK_SECRET is set where accord runs.",
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
		"Standard integrations and points can be neither created nor deleted: taking one out of the configuration deactivates it. That stops runs, the one that is under way as well, and what is published stays as it is.",
		"If the content should go, set status = \"inactive\", apply, and withdraw it while the block is still there: accord sync ADDRESS -withdraw-all",
	},
	"INT-7": {
		"two engines would move the same content",
		"Every point has one engine, and its integration the same: the platform's own, or accord. With accord's, the platform's integration and point must be inactive. Neither engine knows what the other published, or withdraws it: whoever takes over publishes it a second time beside that.",
		"Choose one engine, and deactivate the other in the vault. Before the platform's takes over, withdraw what accord published: accord sync -withdraw-all ADDRESS. What the platform's published is made obsolete in the CRM vault.",
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
		"Both fields of a field rule must exist, and the type of the one must fit into the other. This is checked against the vaults as they are, when it is planned and before every run. A value that the target has no room for is an exception of its document.",
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
		"The settings record holds the id of the CRM vault that it was made for. After a sandbox was refreshed it may be another's, and every sync of the connection stops then: the content of both vaults stays as it is. Where a block leads to another vault than the one that was applied, the plan says so, and its points run in full (vault_changed). What the vault before holds stays there, with its Connection Country records, since nothing is withdrawn from a vault that is not connected; what was copied from it into the new one carries the same marks, and is taken over, brought in line, and not doubled.",
		"Check which vault is connected. If this is the one, clear vault_crm_id__v on the record that the message names; the next apply fills it. To withdraw what the vault before holds, connect it by a block of its own, and run accord sync -withdraw-all.",
	},
	"CLM-3": {
		"this mapping is fixed",
		"Presentations, slides and shared resources keep their document types; which becomes which cannot be configured. A document that is given another type, or becomes a shared resource or ceases to be one, is another item of the CRM vault from then on: the old one is withdrawn once nothing needs it.",
		"Take the attribute out.",
	},
	"CONN-4": {
		"what comes from the CRM vault",
		"The PromoMats-CRM connection alone carries data from the CRM vault to the content vault: products and groups, surveys, directories, event configuration, countries, and the metrics of CLM content.",
		"Use a PromoMats-CRM connection for it.",
	},
	"PERM-1": {
		"what a content administrator may do",
		"The permission set of a content administrator carries the vault actions Manage Connections and Manage Integrations. Both bundles of a permission_set contain them.",
		"Name the bundle clm_integration or country_integration.",
	},
	"PERM-2": {
		"what the CLM Integration needs",
		"Read on keywords, websites and user exceptions, all fields read. The bundle clm_integration contains it.",
		"Name the bundle clm_integration.",
	},
	"PERM-3": {
		"what the Country Integration needs",
		"Create, read, edit and delete on connection settings and their type for the CLM Integration, and edit on the fields Country Filter and Vault CRM ID. The bundle country_integration contains it.",
		"Name the bundle country_integration.",
	},
	"INT-2": {
		"the Country Integration",
		"It is outbound from the CRM vault and has one point, clm_country. It turns the country filter into Connection Country records of the content vault.",
		"Declare integration with type = \"country\", and its point clm_country.",
	},
	"INT-5": {
		"activating causes a full sync",
		"Whenever the CLM point becomes active, also again, everything is read and compared.",
		"Nothing needs to be done. Look at the content part of the plan: a point that was inactive for long may have much to catch up with.",
	},
	"INT-6": {
		"a full sync of one point was asked for",
		"Clearing Last Successful Run Time makes the next run of that point full. In the configuration a changed full_sync_trigger asks for one; setting it first, or taking it out, asks for nothing. The times themselves belong to the engine, and are never drift.",
		"Nothing needs to be done: accord apply or accord sync runs it.",
	},
	"RULE-5": {
		"a changed rule changes what was synced before",
		"Field rules and query rules say how content is written and which. When one changes, the points that follow from it run in full; the plan names them and counts what changes.",
		"Look at the content part of the plan.",
	},
	"CTRY-2": {
		"Connection Country records",
		"For each CRM vault there is a record in the content vault for every country whose Country CDA field holds at least one value of the filter. A country that lists many, such as Global, is one of them for each of these vaults. There is one set of records for all features: it is kept for the filters of all of them together, and content goes by those of its own.",
		"Look at the country__v records, and at the filter.",
	},
	"CTRY-3": {
		"a country taken out of a filter",
		"A value taken out removes the Connection Country records that nothing else in the filter still asks for.",
		"Nothing needs to be done. What follows for the content is counted in the plan (CTRY-8).",
	},
	"CTRY-5": {
		"where a presentation goes",
		"With the Country Integration active it goes to a CRM vault when any of its countries is among that vault's Connection Country records. A blank country goes nowhere, and is counted. Slides and shared resources go where a presentation needs them, whatever their own country.",
		"Fill the country of the document, or widen the filter.",
	},
	"CTRY-7": {
		"an edited filter waits",
		"Editing the country filter causes a full sync five minutes after the edit; several edits meanwhile cause one, five minutes after the last. The moment of the edit is the CRM vault's own record of it, so every command, after any restart, waits for the same moment. The delay is filter_delay in the sync block. What was activated, never succeeded or is asked for by name does not wait.",
		"Wait, or give apply or sync -detach: the next apply, sync or serve begins the run when it may.",
	},
	"CTRY-8": {
		"a narrower filter withdraws content",
		"What is no longer routed is withdrawn by the full sync that the edit causes. The plan says first how many are published and withdrawn, per country, and names a country that a CRM vault newly receives at its top.",
		"Look at these numbers before you apply; the limits block says how many may go at once.",
	},
	"CTRY-10": {
		"the Country Integration runs first",
		"Routing depends on its records: a full sync of CLM content is preceded by one of the countries.",
		"Nothing needs to be done.",
	},
	"CTRY-11": {
		"a filter is never emptied",
		"Taking out the block, enabled = false and destroy leave the filter as it is: an empty one would let every country through.",
		"Write the countries that are meant, or all_countries = true.",
	},
	"CTRY-12": {
		"the routing table is not complete",
		"On one connection the order is: filter, Country Integration, its point, its records verified for every value of the filter, then the CLM Integration and its point. Without the verified records the CLM point is not activated, and no call of it is made.",
		"Look at the country__v records that the message names, and at the errors of the country run.",
	},
	"CLM-1": {
		"what is published, and what is withdrawn",
		"Published: Publish for CRM (CLM) is Yes, there is an approved version, and its country leads to the CRM vault. Withdrawn: the field is No, the document is obsolete or deleted, or it is no longer routed. What left the approved state without becoming obsolete is kept and listed among the exceptions as long as it stays, unless on_unapproved says withdraw; so is what is gone from the source without a deletion on record.",
		"Change the document, or the setting; or have what is kept withdrawn by name: accord exceptions withdraw ID",
	},
	"CLM-4": {
		"each document once",
		"Every published slide and shared resource is a CrossLink in the CRM vault, each presentation a binder there that holds them in order. They carry a mark, by which a second run finds them.",
		"Do not change the External ID of what accord made.",
	},
	"CLM-5": {
		"changes follow",
		"A new version, changed metadata, and another order of slides reach the CRM vaults with the next run.",
		"Nothing needs to be done.",
	},
	"CLM-6": {
		"when a run is full",
		"After the point was activated, when it has never succeeded, and when its last success is 15 days ago or more. Otherwise it reads what changed.",
		"Nothing needs to be done. The plan and accord sync say which it is, and why.",
	},
	"CLM-7": {
		"what a run reads",
		"A full run reads all approved CLM content that is valid: complete, and not past its CRM end date. An incremental one reads everything that changed, eligible or not, and what was deleted, since the last run that read its source to the end.",
		"Look at the document's end date and at its slides.",
	},
	"CLM-8": {
		"run times",
		"Last Run Time is set by every run; Last Successful Run Time by a run without errors. A point whose first is later than its second is tried again by the next run.",
		"Look at the failures of the last run.",
	},
	"CLM-9": {
		"near real-time",
		"accord serve runs incremental syncs at the interval of the serve block.",
		"Run accord serve.",
	},
	"CLM-10": {
		"content in two models: documents, and object records",
		"CLM content comes to a CRM vault as documents (the point clm_presentation), as object records (clm_object_model: presentations, key messages and presentation slides), or as both. The Multichannel Settings of an application profile give its users one of the two, so that content of the other model is there and not seen. The document model is supported on iPad only at its first release; in the object model a key message has room for one shared resource, and a field rule fills what the records have a field for. Three names of a vault are not published, and are taken as accord has them or found by their label: the field CLM Content Model of multichannel_settings__v, the switches of the two models in veeva_settings__v (without them both count as on), and the integration point of the object model.",
		"Activate the point of the model that the profile's users have, or set clm_content of its multichannel_settings to the model in which content comes.",
	},
	"CLM-11": {
		"it is not accord's to change",
		"A run sees as its own only what carries its point's mark, is of one of the three document types, and comes from its content vault. Everything else in the CRM vault is not counted, changed or withdrawn.",
		"If the document was made by hand with that mark, take its External ID away.",
	},
	"CLM-12": {
		"a presentation is published whole or not at all",
		"When a slide cannot be published, neither is what holds it: an exception is recorded, and the version before stays.",
		"Publish the slide that the message names, or take it out of the presentation. The next run tries again by itself.",
	},
	"CLM-13": {
		"withdrawn is obsolete, not deleted",
		"What is withdrawn moves to the obsolete state of its lifecycle, since calls and metrics refer to it. When it is published again, the same document is used.",
		"If no user action of the lifecycle leads to such a state, add one in the CRM vault.",
	},
	"CLM-14": {
		"a full run is held back",
		"A full run that read its source to the end and had failures would fail again for the same reason. Another one waits for a change, a request, or a day (full_retry_after). Meanwhile the failures are tried again by every run, and changes are read.",
		"Mend what failed, or ask for it: accord sync ADDRESS -full",
	},
	"ERR-1": {
		"the target vault cannot take the data",
		"A general error of a point: something in the configuration of its target vault must change. The next run tries again by itself.",
		"Change what the message names.",
	},
	"ERR-2": {
		"one document failed",
		"The next run tries it again by itself, also an incremental one that would not have read it. It stops no other document.",
		"Mend the document, or wait where the vault was busy.",
	},
	"ERR-4": {
		"what fails is told in the point's target vault",
		"Messages and items are User Exception records there, whichever engine moves the content: accord's own runs write them, and clear them once their cause is gone; those of the platform's engine are only read.",
		"See them all in one list: accord exceptions list",
	},
}
