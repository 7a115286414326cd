package vaultapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func collect[T any](seq iter.Seq2[T, error]) ([]T, error) {
	var list []T
	for v, err := range seq {
		if err != nil {
			return list, err
		}
		list = append(list, v)
	}
	return list, nil
}

func text(content string) File {
	return File{Name: "x.txt", Size: int64(len(content)), Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(content)), nil }}
}

// written is what a download gives.
func written(do func(w io.Writer) (int64, error)) (any, error) {
	var b strings.Builder
	n, err := do(&b)
	if err == nil && n != int64(b.Len()) {
		err = fmt.Errorf("%d bytes, said %d", b.Len(), n)
	}
	return b.String(), err
}

// What each call sends beside those of TestEndpoints.
func TestMoreEndpoints(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	const ok, job = `{"responseStatus":"SUCCESS"}`, `{"responseStatus":"SUCCESS","job_id":5,"url":"/api/v25.2/services/jobs/5"}`
	ref := JobRef{"5", "/api/v25.2/services/jobs/5"}
	doc, version, record := OfDocument(Documents, "9"), OfVersion(Documents, Version{"9", 1, 0}), OfRecord("x__c", "00X")
	day := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	rows := func(results []Result) (any, error) { return len(results), FirstError(results) }
	row := `{"responseStatus":"SUCCESS","data":[{"responseStatus":"SUCCESS","id":9}]}`
	testEndpoints(t, []endpointTest{
		{"attachments", func(c *Client) (any, error) { return c.Attachments(ctx, version) },
			"GET objects/documents/9/versions/1/0/attachments", `{"responseStatus":"SUCCESS","data":[{"id":566,"filename__v":"a.txt","size__v":"7","md5checksum__v":"m","version__v":3,"versions":[{"version__v":3,"url":"u"}]}]}`,
			[]Attachment{{ID: "566", Name: "a.txt", Size: 7, MD5: "m", Version: 3, Versions: []AttachmentVersion{{3, "u"}}}}},
		{"attachment", func(c *Client) (any, error) { return c.Attachment(ctx, record, "5", 2) },
			"GET vobjects/x__c/00X/attachments/5/versions/2", `{"responseStatus":"SUCCESS","data":{"id":"5","version__v":2}}`, Attachment{ID: "5", Version: 2}},
		{"attachment versions", func(c *Client) (any, error) { return c.AttachmentVersions(ctx, doc, "5") },
			"GET objects/documents/9/attachments/5/versions", `{"responseStatus":"SUCCESS","data":[{"version__v":1,"url":"u"}]}`, []AttachmentVersion{{1, "u"}}},
		{"attachment file", func(c *Client) (any, error) {
			return written(func(w io.Writer) (int64, error) { return c.DownloadAttachment(ctx, record, "5", 0, w) })
		}, "GET vobjects/x__c/00X/attachments/5/file", "content", "content"},
		{"attachment files", func(c *Client) (any, error) {
			return written(func(w io.Writer) (int64, error) { return c.DownloadAttachments(ctx, doc, w) })
		}, "GET objects/documents/9/attachments/file", "zip", "zip"},
		{"add attachment", func(c *Client) (any, error) { return c.AddAttachment(ctx, doc, text("a")) },
			"POST objects/documents/9/attachments (a form with a file)", `{"responseStatus":"SUCCESS","data":{"id":"567","version__v":1}}`, Attachment{ID: "567", Version: 1}},
		{"restore attachment", func(c *Client) (any, error) { return c.RestoreAttachment(ctx, doc, "5", 1) },
			"POST objects/documents/9/attachments/5/versions/1?restore=true", `{"responseStatus":"SUCCESS","data":{"id":"5","version__v":3}}`, Attachment{ID: "5", Version: 3}},
		{"describe attachment", func(c *Client) (any, error) { return nil, c.DescribeAttachment(ctx, record, "5", "d") },
			"PUT vobjects/x__c/00X/attachments/5 description__v=d", ok, nil},
		{"delete attachment", func(c *Client) (any, error) { return nil, c.DeleteAttachment(ctx, record, "5", 2) },
			"DELETE vobjects/x__c/00X/attachments/5/versions/2", ok, nil},
		{"deleted attachments", func(c *Client) (any, error) { return collect(c.DeletedAttachments(ctx, "x__c", day, time.Time{})) },
			"GET objects/deletions/vobjects/x__c/attachments?limit=1000&offset=0&start_date=2026-03-01T00%3A00%3A00Z", `{"responseStatus":"SUCCESS","responseDetails":{"total":0,"size":0},"data":[]}`, []Deletion(nil)},
		{"attachments in bulk", func(c *Client) (any, error) {
			return rows(c.AddAttachments(ctx, "", []Fields{{"document_id__v": "9", "file": "/u1/a"}}))
		}, "POST objects/documents/attachments/batch document_id__v,file\n9,/u1/a\n", row, 1},
		{"attachment field", func(c *Client) (any, error) {
			return written(func(w io.Writer) (int64, error) { return c.DownloadAttachmentField(ctx, "x__c", "1", "f__c", w) })
		}, "GET vobjects/x__c/1/attachment_fields/f__c/file", "x", "x"},
		{"set attachment field", func(c *Client) (any, error) {
			return nil, c.SetAttachmentField(ctx, "x__c", "1", "f__c", text("x"))
		}, "POST vobjects/x__c/1/attachment_fields/f__c/file (a form with a file)", ok, nil},

		{"lock", func(c *Client) (any, error) { return c.LockOf(ctx, "9") },
			"GET objects/documents/9/lock", `{"responseStatus":"SUCCESS","lock":{"locked_by__v":10001,"locked_date__v":"2026-01-01T00:00:00.000Z"}}`, Lock{"10001", "2026-01-01T00:00:00.000Z"}},
		{"no lock", func(c *Client) (any, error) { return c.LockOf(ctx, "9") }, "GET objects/documents/9/lock", ok, Lock{}},
		{"check out", func(c *Client) (any, error) { return nil, c.CheckOut(ctx, "9") }, "POST objects/documents/9/lock", ok, nil},
		{"undo check-out", func(c *Client) (any, error) { return nil, c.UndoCheckOut(ctx, "9") }, "DELETE objects/documents/9/lock", ok, nil},
		{"undo check-outs", func(c *Client) (any, error) { return rows(c.UndoCheckOuts(ctx, []ID{"9"})) }, "DELETE objects/documents/batch/lock id\n\"9\"\n", row, 1},
		{"check in", func(c *Client) (any, error) { return c.CheckIn(ctx, "9", text("x")) },
			"POST objects/documents/9 (a form with a file)", `{"responseStatus":"SUCCESS","responseMessage":"Document successfully checked in.","major_version_number__v":0,"minor_version_number__v":2}`, Version{"9", 0, 2}},

		{"document roles", func(c *Client) (any, error) { return c.DocumentRoles(ctx, Binders, "9", "owner__v") },
			"GET objects/binders/9/roles/owner__v", `{"responseStatus":"SUCCESS","documentRoles":[{"name":"owner__v","label":"Owner","assignedUsers":[25],"assignedGroups":["3"]}]}`,
			[]DocumentRole{{Name: "owner__v", Label: "Owner", Users: []ID{"25"}, Groups: []ID{"3"}}}},
		{"assign roles", func(c *Client) (any, error) {
			return c.AssignDocumentRoles(ctx, Documents, "9", map[string]Members{"reviewer__v": {Users: []ID{"1", "2"}, Groups: []ID{"3"}}})
		}, "POST objects/documents/9/roles reviewer__v.groups=3&reviewer__v.users=1%2C2", `{"responseStatus":"SUCCESS","updatedRoles":{"reviewer__v":{"users":[1,2],"groups":[3]}}}`, map[string]Members{"reviewer__v": {[]ID{"1", "2"}, []ID{"3"}}}},
		{"remove role", func(c *Client) (any, error) {
			return nil, c.RemoveDocumentRole(ctx, Documents, "9", "reviewer__v", true, "3")
		}, "DELETE objects/documents/9/roles/reviewer__v.group/3", ok, nil},
		{"roles in bulk", func(c *Client) (any, error) {
			return rows(c.AssignRolesOfDocuments(ctx, []Fields{{"id": "9", "reviewer__v.users": []ID{"1", "2"}}}))
		}, "POST objects/documents/roles/batch id,reviewer__v.users\n9,\"1,2\"\n", row, 1},
		{"record roles", func(c *Client) (any, error) { return c.RecordRoles(ctx, "x__c", "1", "") },
			"GET vobjects/x__c/1/roles", `{"responseStatus":"SUCCESS","data":[{"name":"owner__v","users":[1],"groups":[],"assignment_type":"manual_assignment"}]}`, []RecordRole{{"owner__v", []ID{"1"}, []ID{}, "manual_assignment"}}},
		{"assign record roles", func(c *Client) (any, error) {
			return rows(c.AssignRecordRoles(ctx, "x__c", []Fields{{"id": "1", "editor__v.users": "5"}}))
		}, `POST vobjects/x__c/roles [{"editor__v.users":"5","id":"1"}]`, row, 1},
		{"remove record roles", func(c *Client) (any, error) {
			return rows(c.RemoveRecordRoles(ctx, "x__c", []Fields{{"id": "1", "editor__v.users": "5"}}))
		}, `DELETE vobjects/x__c/roles [{"editor__v.users":"5","id":"1"}]`, row, 1},

		{"rendition", func(c *Client) (any, error) {
			return written(func(w io.Writer) (int64, error) {
				return c.DownloadRendition(ctx, Version{ID: "9"}, "viewable_rendition__v", RenditionOptions{Steady: true, Unprotected: true}, w)
			})
		}, "GET objects/documents/9/renditions/viewable_rendition__v?protectedRendition=false&steadyState=true", "%PDF", "%PDF"},
		{"add rendition", func(c *Client) (any, error) { return nil, c.AddRendition(ctx, Version{"9", 1, 0}, "r__c", text("x")) },
			"POST objects/documents/9/versions/1/0/renditions/r__c (a form with a file)", ok, nil},
		{"render anew", func(c *Client) (any, error) { return nil, c.ReplaceRendition(ctx, Version{ID: "9"}, "r__c", nil) },
			"PUT objects/documents/9/renditions/r__c", ok, nil},
		{"delete rendition", func(c *Client) (any, error) { return nil, c.DeleteRendition(ctx, Version{ID: "9"}, "r__c") },
			"DELETE objects/documents/9/renditions/r__c", ok, nil},
		{"renditions in bulk", func(c *Client) (any, error) {
			return rows(c.DeleteRenditions(ctx, []Fields{{"id": "9", "rendition_type__v": "r__c"}}))
		}, "DELETE objects/documents/renditions/batch id,rendition_type__v\n9,r__c\n", row, 1},
		{"rerender", func(c *Client) (any, error) { return rows(c.Rerender(ctx, []ID{"9"})) }, "POST objects/documents/batch/actions/rerender id\n\"9\"\n", row, 1},

		{"versions of a document", func(c *Client) (any, error) { return c.DocumentVersions(ctx, Binders, "9") },
			"GET objects/binders/9/versions", `{"responseStatus":"SUCCESS","versions":[{"number":"0.1","value":"u"}],"renditions":{}}`, []DocumentVersion{{"0.1", "u"}}},
		{"document file", func(c *Client) (any, error) {
			return written(func(w io.Writer) (int64, error) { return c.DownloadDocument(ctx, "9", w) })
		}, "GET objects/documents/9/file", "x", "x"},
		{"document file to edit", func(c *Client) (any, error) {
			return written(func(w io.Writer) (int64, error) { return c.DownloadToEdit(ctx, "9", w) })
		}, "GET objects/documents/9/file?lockDocument=true", "x", "x"},
		{"text", func(c *Client) (any, error) {
			return written(func(w io.Writer) (int64, error) { return c.DownloadText(ctx, Version{"9", 1, 0}, w) })
		}, "GET objects/documents/9/versions/1/0/text", "x", "x"},
		{"create versions", func(c *Client) (any, error) { return rows(c.CreateVersions(ctx, []Fields{{"id": "9", "file": "a"}})) },
			"POST objects/documents/versions/batch id,file\n9,a\n", row, 1},
		{"delete version", func(c *Client) (any, error) { return nil, c.DeleteVersion(ctx, Documents, Version{"9", 0, 1}) },
			"DELETE objects/documents/9/versions/0/1", ok, nil},
		{"delete versions", func(c *Client) (any, error) { return rows(c.DeleteVersions(ctx, []Version{{"9", 0, 1}})) },
			"DELETE objects/documents/versions/batch id,major_version_number__v,minor_version_number__v\n9,0,1\n", row, 1},
		{"reclassify", func(c *Client) (any, error) {
			return nil, c.Reclassify(ctx, Documents, "9", Fields{"type__v": "a__v"})
		}, "PUT objects/documents/9 reclassify=true&type__v=a__v", ok, nil},
		{"reclassify in bulk", func(c *Client) (any, error) {
			return rows(c.ReclassifyDocuments(ctx, []Fields{{"id": "9", "type__v": "a__v"}}))
		}, "PUT objects/documents/batch/actions/reclassify id,type__v\n9,a__v\n", row, 1},
		{"list documents", func(c *Client) (any, error) {
			list, err := collect(c.ListDocuments(ctx, ListOptions{Search: "a", Versions: true}))
			return fmt.Sprintf("%s", list), err
		}, "GET objects/documents?limit=200&search=a&start=0&versionscope=all", `{"responseStatus":"SUCCESS","size":1,"start":0,"limit":200,"documents":[{"document":{"id":9}}]}`, `[{"id":9}]`},

		{"audit", func(c *Client) (any, error) {
			return collect(c.Audit(ctx, ObjectTrail, AuditQuery{Since: day, Objects: []string{"a__v", "b__v"}, Events: []string{"Edit"}}))
		}, "GET audittrail/object_audit_trail?events=Edit&limit=1000&objects=a__v%2Cb__v&offset=0&start_date=2026-03-01T00%3A00%3A00Z",
			`{"responseDetails":{"offset":0,"limit":1000,"size":1,"total":1,"object":{"name":"x"}},"data":[{"id":"1","timestamp":"2026-03-01T00:00:01Z","user_name":"u","action":"Edit","field_name":"f","old_value":"a","new_value":"b","record_id":"00X","object_name":"a__v"}],"responseStatus":"SUCCESS"}`,
			[]AuditEvent{{ID: "1", Timestamp: "2026-03-01T00:00:01Z", UserName: "u", Action: "Edit", Field: "f", Old: "a", New: "b", Record: "00X", Object: "a__v"}}},
		{"history", func(c *Client) (any, error) { return collect(c.History(ctx, record, AuditQuery{})) },
			"GET vobjects/x__c/00X/audittrail?limit=1000&offset=0", `{"responseStatus":"SUCCESS","responseDetails":{"total":0},"data":[]}`, []AuditEvent(nil)},
		{"audit as CSV", func(c *Client) (any, error) { return c.ExportAudit(ctx, LoginTrail, AuditQuery{}) },
			"GET audittrail/login_audit_trail?all_dates=true&format_result=csv", `{"responseStatus":"SUCCESS","jobId":5,"url":"/api/v25.2/services/jobs/5"}`, ref},
		{"trails", func(c *Client) (any, error) { return c.AuditTrails(ctx) },
			"GET metadata/audittrail", `{"responseStatus":"SUCCESS","data":[{"name":"a","label":"A","url":"u"}]}`, []Labelled{{"a", "A"}}},
		{"API usage", func(c *Client) (any, error) {
			return written(func(w io.Writer) (int64, error) { return c.APIUsage(ctx, day, w) })
		}, "GET logs/api_usage?date=2026-03-01", "zip", "zip"},

		{"users", func(c *Client) (any, error) { return collect(c.Users(ctx, true)) },
			"GET objects/users?limit=200&start=0&vaults=all", `{"responseStatus":"SUCCESS","size":1,"start":0,"limit":200,"users":[{"user":{"id":1,"user_name__v":"a"}}]}`, []User{{ID: "1", Name: "a"}}},
		{"user", func(c *Client) (any, error) { return c.User(ctx, "1") },
			"GET objects/users/1", `{"responseStatus":"SUCCESS","users":[{"user":{"id":1,"user_name__v":"a"}}]}`, User{ID: "1", Name: "a"}},
		{"create users", func(c *Client) (any, error) { return rows(c.CreateUsers(ctx, []Fields{{"user_name__v": "a"}})) },
			"POST objects/users user_name__v\n\"a\"\n", row, 1},
		{"membership", func(c *Client) (any, error) {
			return nil, c.SetMembership(ctx, "1", 7001, Membership{Active: true, SecurityProfile: "p__v"})
		}, "PUT objects/users/1/vault_membership/7001 active__v=true&security_profile__v=p__v", ok, nil},
		{"disable user", func(c *Client) (any, error) { return nil, c.DisableUser(ctx, "1", true) }, "DELETE objects/users/1?domain=true", ok, nil},
		{"password", func(c *Client) (any, error) { return nil, c.ChangePassword(ctx, NewSecret("a"), NewSecret("b")) },
			"POST objects/users/me/password new_password__v=b&password__v=a", ok, nil},
		{"permissions of a user", func(c *Client) (any, error) { return c.UserPermissions(ctx, "1", "") },
			"GET objects/users/1/permissions", `{"responseStatus":"SUCCESS","data":[]}`, []UserPermission{}},
		{"groups", func(c *Client) (any, error) { return c.Groups(ctx, true) },
			"GET objects/groups?includeImplied=true", `{"responseStatus":"SUCCESS","groups":[{"group":{"id":3,"name__v":"g","members__v":[1,"2"],"active__v":true}}]}`, []Group{{ID: "3", Name: "g", Members: []ID{"1", "2"}, Active: true}}},
		{"group", func(c *Client) (any, error) { return c.Group(ctx, "3") },
			"GET objects/groups/3", `{"responseStatus":"SUCCESS","groups":[{"group":{"id":3}}]}`, Group{ID: "3"}},
		{"create group", func(c *Client) (any, error) {
			return c.CreateGroup(ctx, Fields{"label__v": "G", "members__v": []ID{"1", "2"}})
		}, "POST objects/groups label__v=G&members__v=1%2C2", `{"responseStatus":"SUCCESS","id":3}`, ID("3")},
		{"update group", func(c *Client) (any, error) { return nil, c.UpdateGroup(ctx, "3", Fields{"active__v": false}) }, "PUT objects/groups/3 active__v=false", ok, nil},
		{"delete group", func(c *Client) (any, error) { return nil, c.DeleteGroup(ctx, "3") }, "DELETE objects/groups/3", ok, nil},
		{"limits", func(c *Client) (any, error) { return c.Limits(ctx) },
			"GET limits", `{"responseStatus":"SUCCESS","data":[{"name":"a","remaining":7,"max":"x"}]}`, Limits{"a": {"remaining": 7}}},
		{"keep alive", func(c *Client) (any, error) { return nil, c.KeepAlive(ctx) }, "POST keep-alive", ok, nil},

		{"merge", func(c *Client) (any, error) { return c.MergeRecords(ctx, "x__c", []Merge{{"3", "1"}}) },
			`POST vobjects/x__c/actions/merge [{"duplicate_record_id":"3","main_record_id":"1"}]`, `{"responseStatus":"SUCCESS","data":{"job_id":5}}`, []MergeJob{{"5", []Merge{{"3", "1"}}}}},
		{"merge status", func(c *Client) (any, error) { return c.WaitMerge(ctx, "5") }, "GET vobjects/merges/5/status", `{"responseStatus":"SUCCESS","data":{"status":"SUCCESS"}}`, "SUCCESS"},
		{"merge results", func(c *Client) (any, error) {
			list, err := c.MergeResults(ctx, "5")
			return fmt.Sprint(list), err
		}, "GET vobjects/merges/5/results", `{"responseStatus":"SUCCESS","data":{"merge_sets":[{"duplicate_record_id":"3","main_record_id":"1","status":"SUCCESS"},{"duplicate_record_id":"4","main_record_id":"1","status":"FAILURE","error":{"type":"PROCESSING_ERROR","message":"m"}}]}}`,
			"[{{3 1} SUCCESS <nil>} {{4 1} FAILURE merge 4 into 1: PROCESSING_ERROR: m}]"},
		{"cascade delete", func(c *Client) (any, error) { return c.CascadeDelete(ctx, "x__c", "1") }, "POST vobjects/x__c/1/actions/cascadedelete", job, ref},
		{"cascade results", func(c *Client) (any, error) { return collect(c.CascadeResults(ctx, "x__c", "5", true)) },
			"GET vobjects/cascadedelete/results/x__c/failure/5", "Source Object,Record Id\nx__c,1\ny__c,2\n", []TreeRecord{{"Source Object": "x__c", "Record Id": "1"}, {"Source Object": "y__c", "Record Id": "2"}}},
		{"deep copy", func(c *Client) (any, error) { return c.DeepCopy(ctx, "x__c", "1", Fields{"name__v": "N"}) }, `POST vobjects/x__c/1/actions/deepcopy {"name__v":"N"}`, job, ref},
		{"roll-ups", func(c *Client) (any, error) { return c.RollupStatus(ctx, "x__c") }, "GET vobjects/x__c/actions/recalculaterollups", `{"responseStatus":"SUCCESS","data":{"status":"RUNNING"}}`, "RUNNING"},

		{"relabel picklist values", func(c *Client) (any, error) {
			return nil, c.RelabelPicklistValues(ctx, "p__c", map[string]string{"a__c": "A"})
		}, "PUT objects/picklists/p__c a__c=A", ok, nil},
		{"change picklist value", func(c *Client) (any, error) {
			return nil, c.ChangePicklistValue(ctx, "p__c", "a__c", PicklistChange{Status: "inactive"})
		}, "PUT objects/picklists/p__c/a__c status=inactive", ok, nil},
		{"drop picklist value", func(c *Client) (any, error) { return nil, c.DropPicklistValue(ctx, "p__c", "a__c") }, "DELETE objects/picklists/p__c/a__c", ok, nil},

		{"MDL as a job", func(c *Client) (any, error) { return c.ExecuteMDLAsync(ctx, "DROP Picklist x__c;") },
			"POST /api/mdl/execute_async DROP Picklist x__c;", `{"responseStatus":"SUCCESS","script_execution":{},"job_id":5,"url":"/api/v25.2/services/jobs/5"}`, ref},
		{"MDL results", func(c *Client) (any, error) {
			r, err := c.ScriptResults(ctx, "5")
			if err != nil {
				return nil, err
			}
			return r.Script.Affected, nil
		}, "GET /api/mdl/execute_async/5/results", `{"responseStatus":"SUCCESS","script_execution":{"components_affected":1},"statement_execution":[]}`, 1},
		{"cancel deployment", func(c *Client) (any, error) { return nil, c.CancelDeployment(ctx, "x__c") }, "POST metadata/vobjects/x__c/actions/canceldeployment", ok, nil},
		{"component type", func(c *Client) (any, error) {
			d, err := c.ComponentType(ctx, "Picklist")
			if err != nil {
				return nil, err
			}
			return *d, nil
		}, "GET metadata/components/Picklist", `{"responseStatus":"SUCCESS","data":{"name":"Picklist","attributes":[{"name":"label","type":"String","requiredness":"required","max_length":60}],"sub_components":[{"name":"Picklistentry","json_collection_name":"Picklistentry"}]}}`,
			ComponentDetails{Name: "Picklist", Attributes: []Attribute{{Name: "label", Type: "String", Requiredness: "required", MaxLength: 60}}, Subcomponents: []SubcomponentType{{Name: "Picklistentry", Collection: "Picklistentry"}}}},

		{"staged", func(c *Client) (any, error) { return collect(c.Staged(ctx, "u1/a b", true)) },
			"GET services/file_staging/items/u1/a b?limit=1000&recursive=true", `{"responseStatus":"SUCCESS","responseDetails":{},"data":[{"kind":"file","path":"/u1/a b/x","name":"x","size":7}]}`, []StagedItem{{Kind: "file", Path: "/u1/a b/x", Name: "x", Size: 7}}},
		{"staged file", func(c *Client) (any, error) {
			return written(func(w io.Writer) (int64, error) { return c.DownloadStaged(ctx, "/u1/x", w) })
		}, "GET services/file_staging/items/content/u1/x", "x", "x"},
		{"stage", func(c *Client) (any, error) { return c.Stage(ctx, "u1/x", text("x"), true) },
			"POST services/file_staging/items (a form with a file)", `{"responseStatus":"SUCCESS","data":{"kind":"file","path":"/u1/x","size":1}}`, StagedItem{Kind: "file", Path: "/u1/x", Size: 1}},
		{"stage folder", func(c *Client) (any, error) { return c.StageFolder(ctx, "u1/d") },
			"POST services/file_staging/items kind=folder&path=u1%2Fd", `{"responseStatus":"SUCCESS","data":{"kind":"folder","path":"/u1/d"}}`, StagedItem{Kind: "folder", Path: "/u1/d"}},
		{"move staged", func(c *Client) (any, error) { return c.MoveStaged(ctx, "u1/x", "u2", "") },
			"PUT services/file_staging/items/u1/x parent=u2", `{"responseStatus":"SUCCESS","data":{"job_id":5,"url":"/api/v25.2/services/jobs/5"}}`, ref},
		{"delete staged", func(c *Client) (any, error) { return c.DeleteStaged(ctx, "u1/d", true) },
			"DELETE services/file_staging/items/u1/d?recursive=true", `{"responseStatus":"SUCCESS","data":{"job_id":5,"url":"/api/v25.2/services/jobs/5"}}`, ref},
		{"uploads", func(c *Client) (any, error) { return c.Uploads(ctx) }, "GET services/file_staging/upload", `{"responseStatus":"SUCCESS","data":[{"id":"u","uploaded_parts":2}]}`, []Upload{{ID: "u", Parts: 2}}},
		{"upload parts", func(c *Client) (any, error) { return collect(c.UploadParts(ctx, "u")) },
			"GET services/file_staging/upload/u/parts", `{"responseStatus":"SUCCESS","data":[{"part_number":1,"size":5,"part_content_md5":"m"}]}`, []UploadedPart{{1, 5, "m"}}},
		{"abort upload", func(c *Client) (any, error) { return nil, c.AbortUpload(ctx, "u") }, "DELETE services/file_staging/upload/u", ok, nil},

		{"job tasks", func(c *Client) (any, error) { return collect(c.JobTasks(ctx, "5")) },
			"GET services/jobs/5/tasks?limit=200&offset=0", `{"responseStatus":"SUCCESS","responseDetails":{"total":1,"limit":200,"offset":0},"tasks":[{"id":"5:1","state":"SUCCESS"}]}`, []JobTask{{"5:1", "SUCCESS"}}},
		{"job histories", func(c *Client) (any, error) { return collect(c.JobHistories(ctx, JobQuery{Status: "SUCCESS"})) },
			"GET services/jobs/histories?limit=200&offset=0&status=SUCCESS", `{"responseStatus":"SUCCESS","responseDetails":{"total":1},"jobs":[{"job_id":5,"title":"T","status":"SUCCESS","created_by":1}]}`, []JobRun{{ID: "5", Title: "T", Status: "SUCCESS", By: "1"}}},
		{"start job", func(c *Client) (any, error) { return c.StartJob(ctx, "5") }, "POST services/jobs/start_now/5", job, ref},

		{"export package", func(c *Client) (any, error) { return c.ExportPackage(ctx, "P") }, "POST services/package packageName=P", job, ref},
		{"import package", func(c *Client) (any, error) { return c.ImportPackage(ctx, text("x")) }, "PUT services/package (a form with a file)", job, ref},
		{"import results", func(c *Client) (any, error) {
			p, err := c.ImportResults(ctx, &Job{Links: []JobLink{{Rel: "self"}, {Rel: "artifacts", Href: "/api/v25.2/vobject/vault_package__v/0PI1/actions/import/results"}}})
			return p.ID + " " + ID(p.Status), err
		}, "GET vobject/vault_package__v/0PI1/actions/import/results", `{"responseStatus":"SUCCESS","vaultPackage":{"id":"0PI1","package_status":"verified__v"}}`, ID("0PI1 verified__v")},
		{"check package", func(c *Client) (any, error) {
			p, err := c.CheckPackage(ctx, text("x"))
			return fmt.Sprint(p.Blocked, p.Steps[0].Status), err
		}, "POST services/package/actions/validate (a form with a file)", `{"responseStatus":"SUCCESS","responseDetails":{"total_steps":1,"total_steps_blocked":1,"package_steps":[{"deployment_status__v":"Blocked"}]}}`, "1Blocked"},
		{"check imported", func(c *Client) (any, error) {
			p, err := c.CheckImported(ctx, "0PI1")
			return p.Total, err
		}, "POST services/vobject/vault_package__v/0PI1/actions/validate", `{"responseStatus":"SUCCESS","responseDetails":{"total_steps":2}}`, Int(2)},
		{"deploy", func(c *Client) (any, error) { return c.Deploy(ctx, "0PI1") }, "POST vobject/vault_package__v/0PI1/actions/deploy", job, ref},
		{"deploy results", func(c *Client) (any, error) { return c.DeployResults(ctx, "0PI1") },
			"GET vobject/vault_package__v/0PI1/actions/deploy/results", `{"responseStatus":"SUCCESS","responseDetails":{"total_steps":1,"deployed":1,"package_status__v":"deployed__v"},"package_steps":[{"id":"0IS1"}]}`,
			Deployment{Status: "deployed__v", Total: 1, Deployed: 1, Steps: []PackageStep{{ID: "0IS1"}}}},
		{"configuration mode", func(c *Client) (any, error) { return nil, c.SetConfigurationMode(ctx, true) }, "POST services/configuration_mode/actions/enable", ok, nil},

		{"load", func(c *Client) (any, error) {
			j, err := c.Load(ctx, []LoadTask{{ObjectType: "vobjects__v", Object: "x__c", Action: "create", File: "u1/x.csv", Order: 1}})
			return j, err
		}, `POST services/loader/load [{"object_type":"vobjects__v","object":"x__c","action":"create","file":"u1/x.csv","order":1}]`,
			`{"responseStatus":"SUCCESS","job_id":5,"url":"/api/v25.2/services/jobs/5","tasks":[{"task_id":1,"object":"x__c"}]}`, LoadJob{ref, []LoadedTask{{ID: "1", Object: "x__c"}}}},
		{"load log", func(c *Client) (any, error) {
			return written(func(w io.Writer) (int64, error) { return c.LoadLog(ctx, "5", "1", true, w) })
		}, "GET services/loader/5/tasks/1/failurelog", "a,b\n", "a,b\n"},

		{"components by query", func(c *Client) (any, error) {
			list, err := collect(c.Query(ctx, "SELECT id FROM vault_component__v PAGESIZE 1", OfComponents()))
			return fmt.Sprintf("%s", list), err
		}, "POST query/components q=SELECT+id+FROM+vault_component__v+PAGESIZE+1", `{"responseStatus":"SUCCESS","responseDetails":{"size":1,"total":1},"data":[{"id":1}]}`, `[{"id":1}]`},
	})
}

// What the user may do with rows comes beside them, page by page.
func TestRecordProperties(t *testing.T) {
	t.Parallel()
	page := 0
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-VaultAPI-RecordProperties") != "all" {
			t.Error("the header is missing")
		}
		page++
		next := `,"next_page":"/api/v25.2/query/u?pagesize=1&pageoffset=1"`
		if page == 2 {
			next = ""
		}
		answer(w, fmt.Sprintf(`{"responseStatus":"SUCCESS","responseDetails":{"size":1,"total":2%s},"data":[{"id":"%d"}],"record_properties":[{"id":"%d","permissions":{"read":true,"edit":false},"field_properties":{"hidden":["a__c"],"edit":[]}}]}`, next, page, page))
	})
	var got []ID
	_, err := collect(s.open(t).Query(t.Context(), "SELECT id FROM x__c", WithRecordProperties("all", func(p RecordProperties) {
		if !p.Permissions["read"] || p.Permissions["edit"] || !p.Fields.Hidden.Has("a__c") {
			t.Errorf("%+v", p)
		}
		got = append(got, p.ID)
	})))
	if err != nil || !cmp.Equal(got, []ID{"1", "2"}) {
		t.Errorf("%v, %v", got, err)
	}
}

// A list is read to its end, by address where Vault gives one, else by counting.
func TestListed(t *testing.T) {
	t.Parallel()
	for name, more := range map[string]func(n int) string{
		"by address":  func(n int) string { return fmt.Sprintf(`"responseDetails":{"next_page":"/api/v25.2/next/%d"},`, n+1) },
		"by total":    func(int) string { return `"responseDetails":{"total":450},` },
		"by counting": func(int) string { return "" },
	} {
		calls := 0
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			calls++
			n := min(200, 450-200*(calls-1))
			head := more(calls)
			if n < 200 && name == "by address" {
				head = ""
			}
			answer(w, `{"responseStatus":"SUCCESS",`+head+`"users":[`+strings.TrimSuffix(strings.Repeat(`{"user":{"id":1}},`, n), ",")+`]}`)
		})
		list, err := collect(s.open(t).Users(t.Context(), false))
		if err != nil || len(list) != 450 || calls != 3 {
			t.Errorf("%s: %d rows in %d calls, %v", name, len(list), calls, err)
		}
	}
}

// What is no file is not written, and what broke off is not written twice.
func TestDownloads(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		answer func(w http.ResponseWriter, call int)
		want   Kind
		text   string
		calls  int
	}{
		"refused": {func(w http.ResponseWriter, _ int) { failure(w, "INSUFFICIENT_ACCESS", "no") }, Permission, "", 1},
		"missing": {func(w http.ResponseWriter, _ int) { failure(w, "INVALID_DATA", "no") }, NotFound, "", 1},
		"a file that is JSON": {func(w http.ResponseWriter, _ int) {
			w.Header().Set("Content-Disposition", `attachment; filename="x.json"`)
			answer(w, `{"responseStatus":"FAILURE"}`)
		}, "", `{"responseStatus":"FAILURE"}`, 1},
		"a proxy's page": {func(w http.ResponseWriter, _ int) {
			w.Header().Del("X-VaultAPI-ExecutionId")
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<html>")
		}, Transient, "", 2},
		"cut before the first byte": {func(w http.ResponseWriter, call int) {
			if call == 1 {
				cut(w)
				return
			}
			w.Header().Set("Content-Type", "application/pdf")
			_, _ = io.WriteString(w, "whole")
		}, "", "whole", 2},
		"cut in the middle": {func(w http.ResponseWriter, _ int) {
			w.Header().Set("Content-Type", "application/pdf")
			w.Header().Set("Content-Length", "10")
			_, _ = io.WriteString(w, "half")
			cut(w)
		}, Transient, "half", 1},
	} {
		calls := 0
		s := serve(t, func(w http.ResponseWriter, r *http.Request) { calls++; test.answer(w, calls) })
		var b strings.Builder
		n, err := s.open(t, func(c *Config) { c.Retry.Tries = 2 }).DownloadDocument(t.Context(), "9", &b)
		if KindOf(err) != test.want || b.String() != test.text || n != int64(b.Len()) || calls != test.calls {
			t.Errorf("%s: %q (%d) in %d calls, %v", name, b.String(), n, calls, err)
		}
	}
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/pdf")
		_, _ = io.WriteString(w, "content")
	})
	full := errors.New("the disk is full")
	if _, err := s.open(t).DownloadDocument(t.Context(), "9", failing{full}); KindOf(err) != Internal || !errors.Is(err, full) || len(s.seen()) != 1 {
		t.Errorf("a full disk: %v, %d calls", err, len(s.seen()))
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

// A large file goes up in parts of at most 50 MB, each checked by its sum; a
// part that was cut off is sent again.
func TestStageLarge(t *testing.T) {
	t.Parallel()
	size := int64(partSize + 7)
	var sent []string
	cuts := 0
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method == "PUT":
			number := r.Header.Get("X-VaultAPI-FilePartNumber")
			if number == "2" && cuts == 0 {
				cuts++
				cut(w)
				return
			}
			n, _ := io.Copy(io.Discard, r.Body)
			sent = append(sent, fmt.Sprintf("%s: %d", number, n))
			if n != r.ContentLength {
				t.Errorf("part %s has %d bytes, said %d", number, n, r.ContentLength)
			}
			answer(w, fmt.Sprintf(`{"responseStatus":"SUCCESS","data":{"size":"%d","part_number":%s}}`, n, number))
		case strings.HasSuffix(r.URL.Path, "/upload"):
			answer(w, `{"responseStatus":"SUCCESS","data":{"id":"u1"}}`)
		case strings.HasSuffix(r.URL.Path, "/upload/u1"):
			answer(w, `{"responseStatus":"SUCCESS","data":{"job_id":5}}`)
		default:
			answer(w, `{"responseStatus":"SUCCESS","data":{"id":5,"status":"SUCCESS"}}`)
		}
	})
	if err := s.open(t).StageLarge(t.Context(), "u1/x", zeros{}, size, false); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{fmt.Sprintf("1: %d", partSize), "2: 7"}, sent); diff != "" {
		t.Error(diff)
	}
	damaged := serve(t, func(w http.ResponseWriter, r *http.Request) {
		answer(w, `{"responseStatus":"SUCCESS","data":{"id":"u1","part_content_md5":"00000000000000000000000000000000"}}`)
	})
	if err := damaged.open(t).StageLarge(t.Context(), "u1/x", zeros{}, 3, false); KindOf(err) != Transient {
		t.Errorf("a damaged part: %v", err)
	}
	seen := damaged.seen()
	if last := seen[len(seen)-1]; last != "DELETE /api/v25.2/services/file_staging/upload/u1" {
		t.Errorf("the upload was not dropped: %v", seen)
	}
	if _, err := damaged.open(t, func(c *Config) { c.ReadOnly = true }).UploadPart(t.Context(), "u", 1, zeros{}, 0, 1); !errors.Is(err, ErrReadOnly) {
		t.Errorf("a read-only client: %v", err)
	}
}

type zeros struct{}

func (zeros) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }
