package vaultapi

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
)

// PackageStep is a step of a package, checked or deployed.
type PackageStep struct {
	ID           ID     `json:"id"`
	Name         string `json:"name__v"`
	Kind         string `json:"step_type__v"` // Component, Data, …
	Label        string `json:"step_label__v"`
	StepName     string `json:"step_name__v"`
	Type         string `json:"type__v"`
	Status       string `json:"deployment_status__v"` // Verified, Blocked; deployed__v, …
	Action       string `json:"deployment_action"`
	Dependencies []struct {
		Component        string `json:"component_name"`
		ComponentType    string `json:"component_type"`
		Subcomponent     string `json:"subcomponent_name"`
		SubcomponentType string `json:"subcomponent_type"`
		Status           string `json:"status"`
	} `json:"dependencies"`
}

// PackageCheck is what Vault says of a package before it is deployed.
type PackageCheck struct {
	Name    string        `json:"package_name"`
	ID      ID            `json:"package_id"`
	Summary string        `json:"summary"`
	Author  string        `json:"author"`
	Source  string        `json:"source_vault"`
	Status  string        `json:"package_status"`
	Error   string        `json:"package_error"`
	Total   Int           `json:"total_steps"`
	Blocked Int           `json:"total_steps_blocked"`
	Steps   []PackageStep `json:"package_steps"`
}

// Deployment is what became of a package.
type Deployment struct {
	Status       string        `json:"package_status__v"` // deployed__v, deployed_with_failures__v, …
	Total        Int           `json:"total_steps"`
	Deployed     Int           `json:"deployed"`
	WithWarnings Int           `json:"deployed_with_warnings"`
	WithFailures Int           `json:"deployed_with_failures"`
	WithError    Int           `json:"deployed_with_error"`
	Failed       Int           `json:"failed"`
	Skipped      Int           `json:"skipped"`
	Steps        []PackageStep `json:"-"`
}

// ExportPackage makes a package of an outbound package, as a job.
func (c *Client) ExportPackage(ctx context.Context, name string) (JobRef, error) {
	var job JobRef
	err := c.postForm(ctx, http.MethodPost, "export package "+name, c.c.path("services", "package"), Fields{"packageName": name}, &job)
	return job, err
}

// ImportPackage brings a package into the vault without deploying it, as a
// job; its "artifacts" link leads to the result.
func (c *Client) ImportPackage(ctx context.Context, file File) (JobRef, error) {
	var job JobRef
	err := c.sendFile(ctx, call{op: "import package " + file.Name, method: http.MethodPut, path: c.c.path("services", "package")}, nil, &file, &job)
	return job, err
}

// ImportedPackage is an imported package.
type ImportedPackage struct {
	ID     ID              `json:"id"`
	Name   string          `json:"name"`
	Status string          `json:"package_status"`
	Log    json.RawMessage `json:"log"`
}

// ImportResults reads what an import made, by the job's link.
func (r *Reader) ImportResults(ctx context.Context, job *Job) (ImportedPackage, error) {
	for _, link := range job.Links {
		if link.Rel != "artifacts" {
			continue
		}
		var reply struct {
			Package ImportedPackage `json:"vaultPackage"`
		}
		err := r.Follow(ctx, link, &reply)
		return reply.Package, err
	}
	return ImportedPackage{}, &Error{Op: fmt.Sprintf("read the results of job %s", job.ID), Kind: NotFound, Message: "the job has no results"}
}

// checkReply has the steps in either place.
type checkReply struct {
	Details PackageCheck  `json:"responseDetails"`
	Steps   []PackageStep `json:"package_steps"`
}

func (r checkReply) check() PackageCheck {
	if r.Details.Steps == nil {
		r.Details.Steps = r.Steps
	}
	return r.Details
}

// CheckPackage checks a file as if it were deployed. It changes nothing.
func (c *Client) CheckPackage(ctx context.Context, file File) (PackageCheck, error) {
	var reply checkReply
	err := c.sendFile(ctx, call{op: "check package " + file.Name, method: http.MethodPost, path: c.c.path("services", "package", "actions", "validate")}, nil, &file, &reply)
	return reply.check(), err
}

// CheckImported checks an imported package.
func (c *Client) CheckImported(ctx context.Context, id ID) (PackageCheck, error) {
	var reply checkReply
	err := c.c.do(ctx, call{op: "check package " + string(id), method: http.MethodPost, path: c.c.path("services", "vobject", "vault_package__v", seg(id), "actions", "validate"), write: true, missing: true}, &reply)
	return reply.check(), err
}

// Deploy deploys an imported package, as a job.
func (c *Client) Deploy(ctx context.Context, id ID) (JobRef, error) {
	var job JobRef
	err := c.c.do(ctx, call{op: "deploy package " + string(id), method: http.MethodPost, path: c.c.path("vobject", "vault_package__v", seg(id), "actions", "deploy"), write: true, missing: true}, &job)
	return job, err
}

// DeployResults reads what became of a package.
func (r *Reader) DeployResults(ctx context.Context, id ID) (Deployment, error) {
	var reply struct {
		Details Deployment    `json:"responseDetails"`
		Steps   []PackageStep `json:"package_steps"`
	}
	err := r.c.do(ctx, call{op: "read the deployment of package " + string(id), method: http.MethodGet, path: r.c.path("vobject", "vault_package__v", seg(id), "actions", "deploy", "results"), missing: true}, &reply)
	reply.Details.Steps = reply.Steps
	return reply.Details, err
}

// PackageDependency is a component that an outbound package needs and does not
// have, in Vault's words.
type PackageDependency = map[string]any

// PackageDependencies lists them.
func (r *Reader) PackageDependencies(ctx context.Context, outbound ID) ([]PackageDependency, error) {
	var reply struct {
		Dependencies []PackageDependency `json:"package_dependencies"`
	}
	err := r.c.do(ctx, call{op: "list the dependencies of package " + string(outbound), method: http.MethodGet, path: r.c.path("vobjects", "outbound_package__v", seg(outbound), "dependencies"), missing: true}, &reply)
	return reply.Dependencies, err
}

// CompareVaults starts a comparison with another vault, as a job; fields are
// Vault's, beside vault_id.
func (c *Client) CompareVaults(ctx context.Context, vault int64, fields Fields) (JobRef, error) {
	all := Fields{"vault_id": vault}
	for name, value := range fields {
		all[name] = value
	}
	var job JobRef
	err := c.postForm(ctx, http.MethodPost, fmt.Sprintf("compare with vault %d", vault), c.c.path("objects", "vault", "actions", "compare"), all, &job)
	return job, err
}

// ReportConfiguration starts a report of the vault's configuration, as a job.
func (c *Client) ReportConfiguration(ctx context.Context, fields Fields) (JobRef, error) {
	var job JobRef
	err := c.postForm(ctx, http.MethodPost, "report the configuration", c.c.path("objects", "vault", "actions", "configreport"), fields, &job)
	return job, err
}

// SetConfigurationMode keeps everybody but admins out of the vault, or not.
func (c *Client) SetConfigurationMode(ctx context.Context, on bool) error {
	action := "disable"
	if on {
		action = "enable"
	}
	return c.c.do(ctx, call{op: action + " the configuration mode", method: http.MethodPost, path: c.c.path("services", "configuration_mode", "actions", action), write: true}, nil)
}
