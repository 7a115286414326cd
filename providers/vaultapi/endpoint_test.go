package vaultapi

import (
	"context"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What each call sends, and what it makes of the answer in Vault's reference.
func TestEndpoints(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	order := 3
	testEndpoints(t, []endpointTest{
		{"record", func(c *Client) (any, error) {
			var v struct {
				ID     ID    `json:"id"`
				Status Names `json:"status__v"`
			}
			err := c.GetRecord(ctx, "country__v", "00C1", &v)
			return fmt.Sprintf("%+v", v), err
		}, "GET vobjects/country__v/00C1", `{"responseStatus":"SUCCESS","responseDetails":{"url":"u"},"data":{"id":"00C1","status__v":["active__v"]}}`, "{ID:00C1 Status:[active__v]}"},
		{"record actions", func(c *Client) (any, error) { return c.RecordActions(ctx, "x__c", "1") },
			"GET vobjects/x__c/1/actions", `{"responseStatus":"SUCCESS","data":[{"name":"Objectaction.x__c.go__c","label":"Go","type":"object_action","links":[{"rel":"metadata","Href":"u"}]}]}`,
			[]RecordAction{{"Objectaction.x__c.go__c", "Go", "object_action"}}},
		{"record action", func(c *Client) (any, error) {
			return nil, c.ExecuteRecordAction(ctx, "x__c", "1", "go__c", Fields{"a": 1})
		}, "POST vobjects/x__c/1/actions/go__c a=1", `{"responseStatus":"SUCCESS"}`, nil},
		{"document", func(c *Client) (any, error) {
			var v struct {
				ID     Int
				Binder Bool `json:"binder__v"`
			}
			reply, err := c.GetDocument(ctx, Documents, "9001", &v)
			return fmt.Sprintf("%+v %+v", v, *reply), err
		}, "GET objects/documents/9001", `{"responseStatus":"SUCCESS","document":{"id":9001,"binder__v":true},"renditions":{"viewable_rendition__v":"https://r"},"versions":[{"number":"1.0","value":"https://v"}],"attachments":[]}`,
			"{ID:9001 Binder:true} {Versions:[{Number:1.0 URL:https://v}] Renditions:[{Type:viewable_rendition__v URL:https://r}]}"},
		{"version with an array of renditions", func(c *Client) (any, error) {
			return c.GetVersion(ctx, Documents, Version{"9001", 0, 1}, nil)
		}, "GET objects/documents/9001/versions/0/1", `{"responseStatus":"SUCCESS","document":{},"renditions":["viewable_rendition__v"]}`,
			&DocumentReply{Renditions: []Rendition{{Type: "viewable_rendition__v"}}}},
		{"renditions", func(c *Client) (any, error) { return c.Renditions(ctx, Version{ID: "7"}) },
			"GET objects/documents/7/renditions", `{"responseStatus":"SUCCESS","renditionTypes":["b","a"],"renditions":{"a":"ua","c":"uc","b":"ub"}}`,
			[]Rendition{{"b", "ub"}, {"a", "ua"}, {"c", "uc"}}},
		{"create document", func(c *Client) (any, error) {
			return c.CreateDocument(ctx, Fields{"name__v": "X", "product__v": []string{"1", "2"}}, nil)
		}, "POST objects/documents name__v=X&product__v=1%2C2", `{"responseStatus":"SUCCESS","responseMessage":"successfully created document","id":9001}`, ID("9001")},
		{"crosslink", func(c *Client) (any, error) {
			return c.CreateCrossLink(ctx, CrossLink{SourceVault: 7001, SourceDocument: "9", Rule: LatestSteady, Fields: Fields{"name__v": "X"}})
		}, "POST objects/documents name__v=X&source_binding_rule__v=Latest+Steady+State+version&source_document_id__v=9&source_vault_id__v=7001", `{"responseStatus":"SUCCESS","id":"12"}`, ID("12")},
		{"crosslink to a version", func(c *Client) (any, error) {
			return c.CreateCrossLink(ctx, CrossLink{SourceVault: 7001, SourceDocument: "9", Rule: SpecificVersion, Major: 2})
		}, "POST objects/documents bound_source_major_version__v=2&bound_source_minor_version__v=0&source_binding_rule__v=Specific+Document+version&source_document_id__v=9&source_vault_id__v=7001", `{"responseStatus":"SUCCESS","id":12}`, ID("12")},
		{"update document", func(c *Client) (any, error) {
			return nil, c.UpdateDocument(ctx, Documents, "9", Fields{"title__v": nil})
		}, "PUT objects/documents/9 title__v=", `{"responseStatus":"SUCCESS","id":9}`, nil},
		{"update binder version", func(c *Client) (any, error) {
			return nil, c.UpdateVersion(ctx, Binders, Version{"9", 1, 2}, Fields{"a": "b"})
		}, "PUT objects/binders/9/versions/1/2 a=b", `{"responseStatus":"SUCCESS","id":9}`, nil},
		{"draft", func(c *Client) (any, error) { return c.NewDraft(ctx, Documents, "9", nil) },
			"POST objects/documents/9 createDraft=latestContent", `{"responseStatus":"SUCCESS","responseMessage":"New draft successfully created","major_version_number__v":1,"minor_version_number__v":1}`, Version{"9", 1, 1}},
		{"draft of a binder", func(c *Client) (any, error) { return c.NewDraft(ctx, Binders, "9", nil) },
			"POST objects/binders/9", `{"responseStatus":"SUCCESS","major_version_number__v":"0","minor_version_number__v":"2"}`, Version{"9", 0, 2}},
		{"lifecycle actions", func(c *Client) (any, error) { return c.LifecycleActions(ctx, Documents, Version{"9", 0, 1}) },
			"GET objects/documents/9/versions/0/1/lifecycle_actions", `{"responseStatus":"SUCCESS","lifecycle_actions__v":[{"name__v":"a","label__v":"A","lifecycle_action_type__v":"stateChange","lifecycle__v":"l","state__v":"s","executable__v":"true","entry_requirements__v":"u"},{"name__v":"b","executable__v":false}]}`,
			[]LifecycleAction{{"a", "A", "stateChange", "l", "s", true}, {Name: "b"}}},
		{"lifecycle action", func(c *Client) (any, error) {
			return nil, c.ExecuteLifecycleAction(ctx, Documents, Version{"9", 0, 1}, "approve__c", nil)
		}, "PUT objects/documents/9/versions/0/1/lifecycle_actions/approve__c", `{"responseStatus":"SUCCESS","id":9}`, nil},
		{"relationships", func(c *Client) (any, error) { return c.Relationships(ctx, Version{"9", 0, 1}) },
			"GET objects/documents/9/versions/0/1/relationships", `{"responseStatus":"SUCCESS","relationships":[{"relationship":{"id":5,"source_doc_id__v":"9","target_doc_id__v":10,"relationship_type__v":"t"}}]}`,
			[]Relationship{{ID: "5", Source: "9", Target: "10", Type: "t"}}},
		{"create binder", func(c *Client) (any, error) { return c.CreateBinder(ctx, Fields{"name__v": "B"}) },
			"POST objects/binders name__v=B", `{"responseStatus":"SUCCESS","responseMessage":"Successfully created binder.","id":29}`, ID("29")},
		{"binder", func(c *Client) (any, error) {
			b, err := c.GetBinder(ctx, "29", true)
			if err != nil {
				return nil, err
			}
			return b.Nodes, nil
		}, "GET objects/binders/29?depth=all", `{"responseStatus":"SUCCESS","document":{"id":29},"versions":[],"binder":{"nodes":[{"properties":{"name__v":"S","order__v":1,"type__v":"section","id":"1457:1","parent_id__v":"rootNode","section_number__v":"01"},"nodes":[{"properties":{"document_id__v":7,"name__v":"Slide","order__v":"0","type__v":"document","id":"1457:2","parent_id__v":"1457:1"}}]}]}}`,
			[]Node{{ID: "1457:1", Parent: RootNode, Type: "section", Name: "S", Order: 1, Section: "01", Nodes: []Node{{ID: "1457:2", Parent: "1457:1", Type: "document", Name: "Slide", Document: "7"}}}}},
		{"add node", func(c *Client) (any, error) {
			return c.AddNode(ctx, "29", NewNode{Document: "8", Order: &order, Rule: SteadyNode})
		}, "POST objects/binders/29/documents binding_rule__v=steady-state&document_id__v=8&order__v=3", `{"responseStatus":"SUCCESS","id":"1457556160999:-2"}`, "1457556160999:-2"},
		{"add section", func(c *Client) (any, error) { return c.AddSection(ctx, "29", "S", RootNode, nil) },
			"POST objects/binders/29/sections name__v=S&parent_id__v=rootNode", `{"responseStatus":"SUCCESS","id":"1:2"}`, "1:2"},
		{"move node", func(c *Client) (any, error) { return c.MoveNode(ctx, "29", "1:2", "", &order) },
			"PUT objects/binders/29/documents/1:2 order__v=3", `{"responseStatus":"SUCCESS","id":"1:3"}`, "1:3"},
		{"remove node", func(c *Client) (any, error) { return nil, c.RemoveNode(ctx, "29", "1:-2") },
			"DELETE objects/binders/29/documents/1:-2", `{"responseStatus":"SUCCESS","id":"1:-2"}`, nil},
		{"binding rule", func(c *Client) (any, error) { return nil, c.SetBindingRule(ctx, "29", CurrentNode, true) },
			"PUT objects/binders/29/binding_rule binding_rule__v=current&binding_rule_override__v=true", `{"responseStatus":"SUCCESS"}`, nil},
		{"node rule", func(c *Client) (any, error) { return nil, c.SetNodeRule(ctx, "29", "1:2", SpecificNode, 2, 1) },
			"PUT objects/binders/29/documents/1:2/binding_rule binding_rule__v=specific&major_version_number__v=2&minor_version_number__v=1", `{"responseStatus":"SUCCESS"}`, nil},
		{"object by label", func(c *Client) (any, error) {
			o, err := c.Object(ctx, "integration_point__sys")
			if err != nil {
				return nil, err
			}
			f, err := o.FieldByLabel("Last Successful Run Time")
			return f, err
		}, "GET metadata/vobjects/integration_point__sys", `{"responseStatus":"SUCCESS","object":{"name":"integration_point__sys","status":["active__v"],"allow_types":true,"fields":[{"name":"last__c","label":"Last Successful Run Time"},{"name":"last__sys","label":"Last Successful Run Time","type":"DateTime","object":{"name":"o","label":"O"},"required":"false","max_length":1500}]}}`,
			ObjectField{Name: "last__sys", Label: "Last Successful Run Time", Type: "DateTime", MaxLength: 1500, Object: Labelled{"o", "O"}}},
		{"object types", func(c *Client) (any, error) { return c.ObjectTypes(ctx, "connection_settings__v") },
			"GET configuration/Objecttype", `{"responseStatus":"SUCCESS","data":[{"name":"connection_settings__v.clm_integration_settings__v","label":"CLM"},{"name":"other__v.base__v","label":"Base"}]}`,
			[]ObjectType{{Object: "connection_settings__v", Name: "clm_integration_settings__v", Label: "CLM"}}},
		{"document fields", func(c *Client) (any, error) {
			fields, err := c.DocumentFields(ctx)
			if err != nil {
				return nil, err
			}
			return fields.ByLabel("Publish for CRM (CLM)")
		}, "GET metadata/objects/documents/properties", `{"responseStatus":"SUCCESS","properties":[{"name":"clm_content__v","type":"Boolean","label":"Publish for CRM (CLM)","queryable":true,"maxLength":5}]}`,
			DocumentField{Name: "clm_content__v", Type: "Boolean", Label: "Publish for CRM (CLM)", Queryable: true, MaxLength: 5}},
		{"document types", func(c *Client) (any, error) {
			list, err := c.DocumentTypes(ctx)
			return list[0].Name(), err
		}, "GET metadata/objects/documents/types", `{"responseStatus":"SUCCESS","types":[{"label":"Slide","value":"https://h/api/v25.2/metadata/objects/documents/types/slide__v"}],"lock":"u"}`, "slide__v"},
		{"classification", func(c *Client) (any, error) {
			d, err := c.DocumentType(ctx, "a__v", "b__v", "c__v")
			if err != nil {
				return nil, err
			}
			return d.Lifecycles, nil
		}, "GET metadata/objects/documents/types/a__v/subtypes/b__v/classifications/c__v", `{"responseStatus":"SUCCESS","name":"c__v","properties":[{"name":"x"}],"renditions":["r"],"availableLifecycles":[{"name":"l__v","label":"L"}],"templates":[{"label":"t","name":"n","kind":"binder"}]}`, []Labelled{{"l__v", "L"}}},
		{"relationship types", func(c *Client) (any, error) { return c.RelationshipTypes(ctx, "slide__v") },
			"GET metadata/objects/documents/types/slide__v/relationships", `{"responseStatus":"SUCCESS","properties":[],"relationshipTypes":[{"value":"related_shared_resource__v","label":"R","sourceDocVersionSpecific":false,"singleUse":true}]}`, []RelationshipType{{Name: "related_shared_resource__v", Label: "R", SingleUse: true}}},
		{"picklist", func(c *Client) (any, error) { return c.PicklistValues(ctx, "country_cda__v") },
			"GET objects/picklists/country_cda__v", `{"responseStatus":"SUCCESS","responseMessage":"Success","errorCodes":null,"errorType":null,"picklistValues":[{"name":"us__v","label":"United States"}]}`, []Labelled{{"us__v", "United States"}}},
		{"picklist values", func(c *Client) (any, error) { return nil, c.AddPicklistValues(ctx, "p__c", "A", "B") },
			"POST objects/picklists/p__c value_1=A&value_2=B", `{"responseStatus":"SUCCESS"}`, nil},
		{"me", func(c *Client) (any, error) { return c.Me(ctx) },
			"GET objects/users/me", `{"responseStatus":"SUCCESS","users":[{"user":{"id":10001,"user_name__v":"u","active__v":true,"is_domain_admin__v":"true"}}]}`, User{ID: "10001", Name: "u", Active: true, DomainAdmin: true}},
		{"permissions", func(c *Client) (any, error) {
			return c.Permissions(ctx, "name__v::object.x__v.object_actions")
		},
			"GET objects/users/me/permissions?filter=name__v%3A%3Aobject.x__v.object_actions", `{"responseStatus":"SUCCESS","data":[{"name__v":"object.x__v.object_actions","permissions":{"read":true,"edit":"false","nested":{}}}]}`, []UserPermission{{"object.x__v.object_actions", Grants{"read": true, "edit": false}}}},
		{"domain", func(c *Client) (any, error) { return c.Domain(ctx) },
			"GET objects/domain?include_application=true", `{"responseStatus":"SUCCESS","domain__v":{"domain_name__v":"d","domain_type__v":"Testing","vaults__v":[{"id":"7001","vault_name__v":"PM","vault_status__v":"Active","vault_family__v":{"name":"f","label":"F"},"vault_type__v":"sandbox","vault_application__v":[{"name":"pm_promomats__v","label":"PromoMats"}]}]}}`,
			&Domain{"d", "Testing", []DomainVault{{7001, "PM", "Active", "sandbox", Labelled{"f", "F"}, []Labelled{{"pm_promomats__v", "PromoMats"}}}}}},
		{"versions", func(c *Client) (any, error) { return c.Versions(ctx) },
			"GET /api/", `{"responseStatus":"SUCCESS","values":{"v26.1":"u","v9.0":"u","v25.10":"u","v25.2":"u"}}`, []string{"v9.0", "v25.2", "v25.10", "v26.1"}},
		{"component types", func(c *Client) (any, error) { return c.ComponentTypes(ctx) },
			"GET metadata/components", `{"responseStatus":"SUCCESS","data":[{"url":"u","name":"Picklist","class":"metadata","abbreviation":"PCK","active":true,"label":"Picklist","vobject":"o"}]}`, []ComponentType{{"Picklist", "Picklist", "metadata", true, "o"}}},
		{"component", func(c *Client) (any, error) { return c.Component(ctx, "Permissionset.a__c") },
			"GET /api/mdl/components/Permissionset.a__c", "\nRECREATE Permissionset a__c (label('A'), active(true));\n", "\nRECREATE Permissionset a__c (label('A'), active(true));\n"},
		{"lifecycle", func(c *Client) (any, error) {
			l, err := c.Lifecycle(ctx, "crm_content__v")
			if err != nil {
				return nil, err
			}
			s, _ := l.State("approved__v")
			actions, err := s.Actions()
			return fmt.Sprint(l.StatesOf("steady"), l.StatesOf("obsolete"), l.StatesOf("planned"), actions), err
		}, "GET configuration/Doclifecycle.crm_content__v", `{"responseStatus":"SUCCESS","data":{"name":"crm_content__v","active":true,"state_labels":["base:general:starting","base:general:steady","base:general:obsolete"],"labeled_states":["Doclifecyclestate.draft__v","Doclifecyclestate.approved__v","obsolete__v"],"Doclifecyclestate":[{"name":"approved__v","label":"Approved","order":2,"user_action":"{<useractions><useraction name=\"make_obsolete__v\" label=\"Make Obsolete\" type=\"changeState\" state=\"obsolete__v\"/></useractions>}"}]}}`,
			"[approved__v] [obsolete__v] [] [{make_obsolete__v Make Obsolete changeState obsolete__v}]"},
	})
}

// endpointTest is a call, what it sends, and what it makes of an answer.
type endpointTest struct {
	name string
	do   func(c *Client) (any, error)
	sent string // method, path below /api/v25.2/, parameters, form
	body string // the answer; a file where it is no JSON
	want any
}

func testEndpoints(t *testing.T, tests []endpointTest) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var sent string
			s := serve(t, func(w http.ResponseWriter, r *http.Request) {
				sent = r.Method + " " + strings.TrimPrefix(r.URL.Path, "/api/v25.2/")
				if r.URL.RawQuery != "" {
					sent += "?" + r.URL.RawQuery
				}
				if body, _ := io.ReadAll(r.Body); len(body) > 0 {
					if kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); kind == "multipart/form-data" {
						body = []byte("(a form with a file)")
					}
					sent += " " + string(body)
				}
				if !strings.HasPrefix(test.body, "{") {
					w.Header().Set("Content-Type", "text/csv")
					_, _ = io.WriteString(w, test.body)
					return
				}
				answer(w, test.body)
			})
			got, err := test.do(s.open(t))
			if err != nil {
				t.Fatal(err)
			}
			if sent != test.sent {
				t.Errorf("sent %s\nwant %s", sent, test.sent)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What names one thing by its id, and is INVALID_DATA, does not exist.
func TestNotFound(t *testing.T) {
	t.Parallel()
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		failure(w, "INVALID_DATA", "The resource [1] does not exist")
	})
	c := s.open(t)
	ctx := t.Context()
	var any map[string]any
	for call, err := range map[string]error{
		"GetRecord": c.GetRecord(ctx, "x__c", "1", &any), "GetDocument": second(c.GetDocument(ctx, Documents, "1", &any)), "Object": second(c.Object(ctx, "x__c")),
		"Component": second(c.Component(ctx, "Picklist.x__c")), "Configuration": c.Configuration(ctx, "Picklist.x__c", &any), "DeleteDocument": c.DeleteDocument(ctx, Documents, "1"),
		"PicklistValues": second(c.PicklistValues(ctx, "x__c")), "GetBinder": second(c.GetBinder(ctx, "1", false)),
	} {
		if KindOf(err) != NotFound {
			t.Errorf("%s: %v", call, err)
		}
	}
	if err := c.UpdateDocument(ctx, Documents, "1", Fields{"a": "b"}); KindOf(err) != Invalid {
		t.Errorf("a write with values: %v", err)
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	o := &Object{Name: "x__c", Fields: []ObjectField{{Name: "a__v", Label: "A"}, {Name: "b__c", Label: "B"}, {Name: "c__c", Label: "B"}, {Name: "d__sys", Label: "D"}, {Name: "e__v", Label: "D"}}}
	for label, want := range map[string]Kind{"A": "", "B": Invalid, "C": NotFound, "D": Invalid} {
		if _, err := o.FieldByLabel(label); KindOf(err) != want {
			t.Errorf("%s: %v", label, err)
		}
	}
	if _, err := o.Field("nope"); KindOf(err) != NotFound {
		t.Error(err)
	}
}

// A file is uploaded as a stream, and again from its beginning on a retry.
func TestUpload(t *testing.T) {
	t.Parallel()
	content := strings.Repeat("0123456789", 100_000)
	var asked atomic.Int64
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
		if err != nil {
			t.Error(err)
			return
		}
		got := url.Values{}
		parts := multipart.NewReader(r.Body, params["boundary"])
		for {
			part, err := parts.NextPart()
			if err == io.EOF {
				break
			}
			if err != nil {
				t.Error(err)
				return
			}
			data, _ := io.ReadAll(part)
			got.Set(part.FormName(), string(data))
			if part.FormName() == "file" && part.FileName() != `a"b.pdf` {
				t.Errorf("file name %q", part.FileName())
			}
		}
		if got.Get("file") != content || got.Get("name__v") != "X" {
			t.Errorf("got %d bytes, %q", len(got.Get("file")), got.Get("name__v"))
		}
		if asked.Add(1) == 1 {
			says("FAILURE", "RACE_CONDITION")(w)
			return
		}
		answer(w, `{"responseStatus":"SUCCESS","id":9}`)
	})
	c := s.open(t)
	for _, size := range []int64{int64(len(content)), -1} {
		asked.Store(0)
		opened := 0
		file := &File{Name: `a"b.pdf`, Size: size, Open: func() (io.ReadCloser, error) {
			opened++
			return io.NopCloser(strings.NewReader(content)), nil
		}}
		if id, err := c.CreateDocument(t.Context(), Fields{"name__v": "X"}, file); err != nil || id != "9" || opened != 2 {
			t.Errorf("%s, %v, opened %d times", id, err, opened)
		}
	}
}

func TestExecuteMDL(t *testing.T) {
	t.Parallel()
	const ok = `{"responseStatus":"SUCCESS","script_execution":{"code":"GEN-S-0","message":"OK","warnings":0,"failures":0,"exceptions":0,"components_affected":1,"execution_time":0.014},"statement_execution":[{"vault":"h","statement":1,"command":"RECREATE","component":"Picklist.x__c","message":"[SUCCESS] RECREATE Picklist x__c","response":"SUCCESS"}]}`
	failed := `{"responseStatus":"FAILURE","script_execution":{"code":"GEN-F-401","message":"Script execution failed","failures":1},"statement_execution":[%s{"statement":2,"command":"CREATE","component":"Picklist.y__c","message":"[FAILURE]","response":"FAILURE","errors":[{"line":3,"message":"exists","context":"c","code":"GEN-FCRE-II-1007"}]}]}`
	one := `{"statement":1,"command":"RECREATE","component":"Picklist.x__c","response":"SUCCESS"},`
	for name, test := range map[string]struct {
		body string
		want Kind
		has  bool
	}{
		"success": {ok, "", true}, "failure": {fmt.Sprintf(failed, ""), Invalid, true}, "half": {fmt.Sprintf(failed, one), Ambiguous, true},
		"refused": {`{"responseStatus":"FAILURE","errors":[{"type":"INSUFFICIENT_ACCESS","message":"m"}]}`, Permission, false},
		"no JSON": {`<html>`, Ambiguous, false},
	} {
		s := serve(t, func(w http.ResponseWriter, r *http.Request) {
			if body, _ := io.ReadAll(r.Body); string(body) != "RECREATE Picklist x__c ();" {
				t.Errorf("sent %s", body)
			}
			answer(w, test.body)
		})
		result, err := s.open(t).ExecuteMDL(t.Context(), "RECREATE Picklist x__c ();")
		if KindOf(err) != test.want || (result != nil) != test.has {
			t.Errorf("%s: %+v, %v", name, result, err)
		}
		if name == "failure" && !strings.Contains(err.Error(), "statement 2, CREATE Picklist.y__c, line 3: GEN-FCRE-II-1007 exists") {
			t.Errorf("%v", err)
		}
	}
}

// A component that is no MDL is not taken for one.
func TestComponentThatIsNone(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]Kind{"<html>sign in</html>": Transient, "": Transient, `{"responseStatus":"SUCCESS"}`: Internal} {
		c := serve(t, func(w http.ResponseWriter, r *http.Request) { answer(w, body) }).open(t, func(cfg *Config) { cfg.Retry.Tries = 2 })
		_, err := c.Component(t.Context(), "Picklist.x__c")
		if KindOf(err) != want {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// Ten seconds between two looks at a job, whoever looks.
func TestWaitJob(t *testing.T) {
	t.Parallel()
	clock := &testClock{now: time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)}
	var looks []time.Time
	s := serve(t, func(w http.ResponseWriter, r *http.Request) {
		looks = append(looks, clock.Now())
		clock.After(3 * time.Second) // the call itself takes a while
		status := "RUNNING"
		if len(looks) == 2 {
			says("FAILURE", "API_LIMIT_EXCEEDED")(w)
			return
		}
		if len(looks) > 4 {
			status = "SUCCESS"
		}
		answer(w, fmt.Sprintf(`{"responseStatus":"SUCCESS","responseMessage":"OK","data":{"id":50123,"status":%q,"links":[{"rel":"artifacts","href":"/api/x"}]}}`, status))
	})
	var seen events
	c := s.open(t, func(cfg *Config) { cfg.Clock = clock; cfg.Observe = seen.observe })
	job, err := c.WaitJob(t.Context(), "50123")
	if err != nil || !job.Succeeded() || job.ID != "50123" || job.Links[0].Rel != "artifacts" {
		t.Fatalf("%+v, %v", job, err)
	}
	if _, err := c.Job(t.Context(), "50123"); err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(looks); i++ {
		if gap := looks[i].Sub(looks[i-1]); gap < 10*time.Second {
			t.Errorf("look %d came %s after the one before", i, gap)
		}
	}
	if len(looks) != 6 || len(seen.waits(Polling)) != 4 {
		t.Errorf("%d looks, %d waits told", len(looks), len(seen.waits(Polling)))
	}
}
