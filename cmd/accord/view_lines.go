package main

import (
	"encoding/json"

	"accord/lang/addrs"
	"accord/lang/schema"
	"accord/planner"
	"accord/planner/ledger"
	"accord/planner/plan"
	"accord/planner/syncer"
	"accord/providers"
	"accord/providers/devvault"
	"accord/state"
)

// uiVersion is the version of the lines that -json prints and of the documents
// of -format=json. What is added raises the minor number; what is taken away
// or changes its meaning, the major one.
const uiVersion = "1.5"

// lineType declares one type of the lines that -json prints. Every line has
// @timestamp, @message and type besides.
type lineType struct {
	name   string
	doc    string
	fields fields
}

// fields are the members of a line by name, each with a value of its Go type,
// from which its JSON Schema is made. A name that ends in ? may be left out.
type fields map[string]any

// lineTypes are all types of lines. A line of a type that is not here, or with
// a member that is not, fails the tests; `accord schema -json-output` prints
// what they come to.
var lineTypes = []lineType{
	{"version", "The first line of every stream: which accord prints, and in which version of these types.", fields{
		"accord": "", "ui": "", "go": "", "platform": ""}},
	{"diagnostic", "A problem: what is wrong, where, and what to do.", fields{"diagnostic": diagnosticJSON{}}},
	{"heartbeat", "The command goes on, and has for so long; every 10 s.", fields{
		"operation": "", "elapsed_ms": int64(0), "doing?": ""}},
	{"waiting", "Nothing happens for a while, and why.", fields{"addr?": addrs.Instance{}, "until?": ""}},
	{"help", "The help text of a command.", fields{"command": "", "text": ""}},

	// plan, show FILE, sync -preview
	{"partial", "The plan is about a part: what was asked for, and how many objects are left out.", fields{
		"target": []string{}, "exclude": []string{}, "left_out": 0}},
	{"assumed", "What the state remembers was not read again.", nil},
	{"resolved", "What came of a call of an earlier apply whose answer was lost.", fields{"resolved": plan.Resolved{}}},
	{"since", "How the plan differs from an earlier one.", fields{"since": delta{}}},
	{"newly_receives", "A country that a vault receives for the first time (CTRY-8); before all else that a plan says.", fields{"newly": newly{}}},
	{"resource_moved", "A recorded object has another name.", fields{"from": addrs.Instance{}, "to": addrs.Instance{}}},
	{"resource_drift", "An object changed outside this configuration.", fields{"change": plan.Change{}}},
	{"planned_change", "What this configuration changes.", fields{"change": plan.Change{}}},
	{"planned_output", "An output that apply records otherwise than it is; what moves by itself is no change, and of a sensitive one there is no value.", fields{"output": plan.Output{}}},
	{"unknown", "An object of which a plan that failed cannot say what it will be, and why.", fields{"unknown": plan.Unknown{}}},
	{"impact", "What happens to the content of one vault by one run.", fields{"content": plan.Content{}}},
	{"sync_planned", "Whether a sync runs, how, and why.", fields{"sync": plan.SyncLine{}}},
	{"refused", "Why the plan cannot be applied.", fields{"refusal": providers.Diagnostic{}}},
	{"change_summary", "The totals of a plan; of one that failed, and cannot be applied, of what is known of it.", fields{"changes": totals{}, "failed?": false}},
	{"saved", "A plan was saved.", fields{"file": "", "digest": ""}},

	// apply, destroy, sync, resume
	{"resuming", "What was interrupted, and how much of it is left.", fields{
		"command": "", "change_ref": "", "started": moment{}, "standing": planner.Begun, "steps": 0, "left": 0}},
	{"resuming_run", "A run that was cut short or is owed, and is begun again.", fields{"addr": addrs.Instance{}, "why": ""}},
	{"moved", "What is not as it was when the saved plan was made.", fields{"difference": plan.Difference{}}},
	{"apply_start", "An object's change has begun.", fields{"addr": addrs.Instance{}, "action": providers.Create}},
	{"apply_complete_step", "An object's change is done.", fields{"addr": addrs.Instance{}}},
	{"apply_errored", "An object's change failed.", fields{"addr": addrs.Instance{}, "error": ""}},
	{"apply_skipped", "A step was not begun, and why.", fields{"addr": addrs.Instance{}, "because": ""}},
	{"apply_complete", "What an apply really did.", fields{
		"done": map[providers.Action]int{}, "renamed": 0, "failed": 0, "skipped": 0, "interrupted": false, "took_ms": int64(0)}},
	{"sync_start", "A run has begun.", fields{"addr": addrs.Instance{}, "run": "", "decision": syncer.Decision{}}},
	{"sync_progress", "How far a run is; at most one line a second.", fields{
		"addr": addrs.Instance{}, "part": "", "verb": providers.WriteCreate, "done": 0, "total": 0, "failed": 0}},
	{"sync_follow", "Where a run of the platform's own engine stands; a line each time that it is looked at.", fields{
		"addr": addrs.Instance{}, "state": providers.EngineState{}, "until": moment{}}},
	{"record_error", "One item could not be moved.", fields{"addr": addrs.Instance{}, "failure": syncer.Failure{}}},
	{"sync_complete", "How a run ended; kept are the first items that stay as they are and call for somebody, with the reason; withheld is why nothing was withdrawn.", fields{
		"addr": addrs.Instance{}, "run": "", "status": syncer.Clean, "decision": syncer.Decision{}, "done": syncer.Counts{},
		"failed": 0, "new_failures": 0, "failures": []syncer.Failure{}, "calls": 0, "started": moment{}, "ended": moment{},
		"kept?": []syncer.Item{}, "withheld?": "", "error?": "", "kind?": providers.Invalid, "followed?": syncer.Followed{}}},
	{"withdrawal", "All content of a point in a vault is about to be withdrawn; returns says that the next full run publishes it again.", fields{
		"addr": addrs.Instance{}, "vault": addrs.Instance{}, "items": 0, "returns": false}},
	{"sync_left", "A run that is owed and was left to the next apply, sync or serve; earliest_start says when it may begin.", fields{
		"addr": addrs.Instance{}, "decision": syncer.Decision{}}},
	{"notified", "A webhook was told of runs, or could not be; what is left is told later (CONN-6).", fields{
		"webhook": "", "told": 0, "left": 0, "gave_up": 0, "next?": moment{}, "error?": ""}},
	{"sync_idle", "A point that does not run, and why.", fields{"addr": addrs.Instance{}, "why": ""}},
	{"sync_summary", "How many runs there were.", fields{"runs": 0}},
	{"exception", "What cannot be synced: a message or an item (ERR-1, ERR-2); or an item that stays published, which somebody should know (CLM-1).", fields{"exception": ledger.Entry{}}},
	{"exceptions_summary", "How many exceptions were listed.", fields{"messages": 0, "items": 0, "kept": 0, "acknowledged": 0}},
	{"exception_acknowledged", "Somebody has acknowledged an exception; without ack: that was taken back.", fields{
		"id": "", "point": addrs.Instance{}, "ack?": state.Ack{}}},
	{"exception_dismissed", "A message was deactivated.", fields{"id": "", "point": addrs.Instance{}}},
	{"output", "One output of an apply; of a sensitive one the value is null.", fields{
		"name": "", "value": json.RawMessage{}, "sensitive": false}},
	{"outputs", "The outputs as they were recorded; of sensitive ones the names.", fields{"outputs": map[string]json.RawMessage{}, "sensitive": []string{}}},

	// drift
	{"drift", "An object was changed or taken away outside, and counts.", fields{"change": plan.Change{}}},
	{"drift_suppressed", "A difference that a suppress block speaks of. One that has expired counts again, and is a line of drift too.", fields{
		"change": plan.Change{}, "owner": "", "reason": "", "until?": "", "expired": false}},
	{"drift_pending", "What the files say otherwise than was applied: not drift.", fields{"change": plan.Change{}}},
	{"drift_unmanaged", "An object of a vault that is not under code.", fields{"object": providers.Object{}}},
	{"sync_standing", "How far a sync is behind: whether a run is due and why, when it last succeeded, and how many items wait.", fields{
		"addr": addrs.Instance{}, "title": "", "vault": addrs.Instance{}, "decision": syncer.Decision{}, "last_success?": moment{}, "failures": 0}},
	{"drift_summary", "The totals of drift.", fields{
		"changed": 0, "gone": 0, "suppressed": 0, "expired": 0, "pending": 0, "unmanaged": 0, "syncs_late": 0, "objects": 0, "unread": 0, "instances": 0}},

	// export
	{"export_file", "A file of the export, whole.", fields{"file": "", "text": ""}},
	{"export_left_out", "An object that was found, and that no block was written for.", fields{"object": planner.LeftOut{}}},
	{"export_run", "A run that an apply of the files would begin, whatever they say: the vault asks for it.", fields{"sync": plan.SyncLine{}}},
	{"export_summary", "The totals of an export: its objects by type, those that are under code already, the attributes that an apply would fill, and the variables to set.", fields{
		"directory": "", "objects": map[string]int{}, "blocks": 0, "managed": 0, "left_out": 0, "runs": 0, "fills": map[string]int{}, "variables": []string{}}},

	// import
	{"imported", "An object was taken over by its id, and how its block would change it.", fields{
		"address": addrs.Instance{}, "id": "", "differs": []plan.Edit{}}},

	// show, state
	{"state", "Which state it is.", fields{"serial": uint64(0), "lineage": ""}},
	{"object", "One recorded object, without what is sensitive in it.", fields{"object": state.Object{}}},
	{"state_object", "One recorded object: by name, or with all that is recorded of it.", fields{
		"address?": addrs.Instance{}, "id?": "", "provider?": "", "protect?": false, "object?": state.Object{}}},
	{"state_pulled", "The whole state, in the form that push takes.", fields{"state": json.RawMessage{}}},
	{"state_moved", "A recorded object has another address.", fields{"from": addrs.Instance{}, "to": addrs.Instance{}}},
	{"state_forgotten", "An object is recorded no more.", fields{"address": addrs.Instance{}}},
	{"state_replaced", "Another state is the present one.", fields{"serial": uint64(0), "lineage": "", "objects": 0}},
	{"state_version", "A version of the state that is kept.", fields{
		"version": state.Version{}, "present": false, "command": "", "who": "", "change_ref": ""}},
	{"state_encrypted", "Earlier versions of the state were encrypted as it is now; left are those that could not be.", fields{"versions": 0, "left": 0}},
	{"state_unlocked", "The state's lock was taken away.", fields{"id": ""}},

	// serve
	{"log", "Something that serve did or found, with what belongs to it.", fields{"level": "", "fields?": map[string]any{}}},

	// the rest
	{"initialised", "The state is ready.", fields{"providers": []string{}, "serial": uint64(0)}},
	{"provider_locked", "A provider that is not built in, as it is locked: added, changed (another version), rebuilt (other bytes of the same version), extended (for more systems) or kept.", fields{
		"name": "", "source": "", "version": "", "checksums": map[string]string{}, "change": ""}},
	{"provider_unlocked", "A provider that the configuration names no more.", fields{"source": "", "version": ""}},
	{"validated", "The configuration is valid.", fields{"valid": true, "resources": 0, "instances": 0}},
	{"formatted", "A file is, or with -check would be, laid out anew.", fields{"file": "", "written": false, "diff?": ""}},
	{"value", "The answer to an expression.", fields{"known": false, "sensitive": false, "value?": json.RawMessage{}}},
	{"block", "A block of the configuration, and those it refers to.", fields{"block": "", "needs": []string{}}},
	{"code", "What a code of problems means.", fields{"code": "", "title": "", "rule": "", "advice": ""}},
	{"core_schema", "What the blocks of accord itself may say.", fields{"blocks": []schema.Type{}}},
	{"provider_schema", "What the blocks of a provider may say.", fields{"provider": schema.Provider{}}},
	{"json_schema", "The JSON Schema of all lines and documents.", fields{"schema": json.RawMessage{}}},
	{"route", "A route of the development server.", fields{"route": devvault.RouteInfo{}}},
	{"bench_plan", "What plans of one configuration took: of an empty one, the parsing of its files alone, its apply, a plan, and the plan again with what is remembered of it.", fields{
		"shape": "", "resources": 0, "calls": 0, "empty": costJSON{}, "parse": costJSON{}, "apply": costJSON{}, "plan": costJSON{}, "again": costJSON{}}},
	{"bench_sync", "What one kind of run took, of accord and of the bare loop; and how long its calls take under the vendor's limit.", fields{
		"run": "", "documents": 0, "vaults": 0, "accord": runJSON{}, "floor": runJSON{}, "forecast_s": 0.0}},
	{"bench_round", "What a round of serve took, and of a bare loop that is connected already.", fields{"documents": 0, "vaults": 0, "accord_s": 0.0, "floor_s": 0.0}},
	{"serving", "The development server takes calls.", fields{"address": "", "password_file": ""}},
}

// diagnosticJSON is a problem as a machine reads it.
type diagnosticJSON struct {
	Severity providers.Severity `json:"severity"`
	Code     string             `json:"code,omitempty" doc:"stable, for accord explain"`
	Summary  string             `json:"summary" doc:"what is wrong"`
	Detail   string             `json:"detail" doc:"what to do"`
	Address  addrs.Instance     `json:"address,omitzero" doc:"whose"`
	Range    *rangeJSON         `json:"range,omitempty" doc:"where in the files; lines and columns count from 1, bytes from 0, the end excluded"`
	Snippet  *snippetJSON       `json:"snippet,omitempty"`
}

type rangeJSON struct {
	Filename string       `json:"filename"`
	Start    positionJSON `json:"start"`
	End      positionJSON `json:"end"`
}

type positionJSON struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// snippetJSON is the line of a problem, and what is in scope there.
type snippetJSON struct {
	Line  int      `json:"line" doc:"its number"`
	Code  string   `json:"code" doc:"its text"`
	Start int      `json:"start" doc:"where in the text the place begins, in characters from 0"`
	End   int      `json:"end" doc:"where it ends, excluded"`
	Facts []string `json:"facts,omitempty" doc:"the values in scope, in words; sensitive ones are only described"`
}
