package portal

import (
	"net/http"
	"slices"

	"github.com/concord-hie/concord/access"
)

// integratorPages are the pages of integrators.
func integratorPages() []route {
	integrators := []access.Duty{access.DutyIntegrator}
	return []route{
		{method: http.MethodGet, path: "/integrator", duties: integrators, nav: "nav.reference", do: (*visit).reference},
		{method: http.MethodGet, path: "/integrator/api", duties: integrators, nav: "nav.api", do: (*visit).adminReference},
		{method: http.MethodGet, path: "/integrator/api/:operation", duties: integrators, do: (*visit).operation},
		{method: http.MethodGet, path: "/integrator/people", duties: integrators, nav: "nav.people", do: (*visit).sandbox},
		{method: http.MethodPost, path: "/integrator/people/reset", duties: integrators, do: (*visit).resetPerson},
		{method: http.MethodGet, path: "/integrator/token", duties: integrators, nav: "nav.token", do: (*visit).tokenForm},
		{method: http.MethodPost, path: "/integrator/token", duties: integrators, do: (*visit).makeToken},
		{method: http.MethodGet, path: "/integrator/errors", duties: integrators, nav: "nav.errors", do: (*visit).errorCatalogue},
	}
}

// I2, the reference: what this node's CapabilityStatement says, read from the node that answers.

// A capability is what the page reads of the CapabilityStatement.
type capability struct {
	Software struct {
		Version string `json:"version"`
	} `json:"software"`
	Rest []struct {
		Resource []struct {
			Type          string `json:"type"`
			Documentation string `json:"documentation"`
			Interaction   []struct {
				Code string `json:"code"`
			} `json:"interaction"`
			SearchParam []struct {
				Name string `json:"name"`
				Type string `json:"type"`
			} `json:"searchParam"`
			Operation []struct {
				Name string `json:"name"`
			} `json:"operation"`
		} `json:"resource"`
	} `json:"rest"`
}

// reference answers GET /integrator.
func (v *visit) reference() error {
	var c capability
	if err := v.read(http.MethodGet, "/fhir/metadata", nil, &c); err != nil {
		return err
	}
	data := map[string]any{"Base": v.cfg.BaseURL, "Version": c.Software.Version, "Resources": nil}
	if len(c.Rest) > 0 {
		data["Resources"] = c.Rest[0].Resource
	}
	v.show(http.StatusOK, "integrator/reference", data)
	return nil
}

// A catalogued is one kind of fault: its status, its issue code, and the key of the words on cause and fix.
type catalogued struct {
	Status    int
	Code, Key string
}

// catalogue are the faults the doors answer with, by status.
//
// Source: server/outcome.go, whose table it tells of; FHIR R4 IssueType.
var catalogue = []catalogued{
	{400, "invalid", "fault.invalid"}, {401, "login", "fault.login"}, {403, "forbidden", "fault.forbidden"}, {404, "not-found", "fault.notfound"},
	{405, "not-supported", "fault.method"}, {406, "not-supported", "fault.accept"}, {409, "conflict", "fault.conflict"}, {410, "deleted", "fault.gone"},
	{412, "conflict", "fault.stale"}, {413, "too-long", "fault.toolarge"}, {415, "not-supported", "fault.media"}, {422, "business-rule", "fault.rule"},
	{429, "throttled", "fault.throttled"}, {500, "exception", "fault.ours"}, {503, "transient", "fault.unavailable"},
}

// errorCatalogue answers GET /integrator/errors.
func (v *visit) errorCatalogue() error {
	v.show(http.StatusOK, "integrator/errors", slices.Clone(catalogue))
	return nil
}
