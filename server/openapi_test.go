package server

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// document is what OpenAPI says, read and checked as OpenAPI 3.1.
func document(t *testing.T) *openapi3.T {
	t.Helper()
	loader := openapi3.NewLoader()
	doc, err := loader.LoadFromData(OpenAPI())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(loader.Context, openapi3.IsOpenAPI31OrLater()); err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestTheDocumentOfAdministrationNamesItsRoutesAndNoOthers(t *testing.T) {
	var described []string
	for path, item := range document(t).Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	slices.Sort(described)
	var served []string
	for _, r := range New(Config{}, Deps{}).Routes() {
		if !strings.HasPrefix(r.Path, adminPrefix) {
			continue
		}
		parts := strings.Split(r.Path, "/")
		for i, p := range parts {
			if name, isParameter := strings.CutPrefix(p, ":"); isParameter {
				parts[i] = "{" + name + "}"
			}
		}
		served = append(served, r.Method+" "+strings.Join(parts, "/"))
	}
	slices.Sort(served)
	if !slices.Equal(described, served) {
		t.Errorf("described:\n%s\nserved:\n%s", strings.Join(described, "\n"), strings.Join(served, "\n"))
	}
	if len(served) < 10 {
		t.Errorf("only %d routes; nothing was shown", len(served))
	}
}

// TestEachOperationSaysWhoMayCallItAndWhatCanGoWrong holds the document to one form.
func TestEachOperationSaysWhoMayCallItAndWhatCanGoWrong(t *testing.T) {
	for path, item := range document(t).Paths.Map() {
		for method, op := range item.Operations() {
			if path == adminPrefix+"openapi.yaml" {
				continue
			}
			at := method + " " + path
			if !strings.Contains(op.Description, "Scope `concord/") || !strings.Contains(op.Description, ", role ") {
				t.Errorf("%s does not say which scope and role it needs", at)
			}
			want := []string{"200", "401", "403", "default"}
			if strings.Contains(path, "{id}") {
				want = append(want, "404")
			}
			if op.RequestBody != nil {
				want = append(want, "400", "413", "415")
			}
			for _, status := range want {
				r := op.Responses.Value(status)
				if r == nil {
					t.Errorf("%s does not describe %s", at, status)
					continue
				}
				if problem := r.Value.Content["application/problem+json"]; status != "200" && (problem == nil || problem.Schema.Ref != "#/components/schemas/Problem") {
					t.Errorf("%s answers %s otherwise than with a problem", at, status)
				}
			}
		}
	}
}

func TestTheDocumentOfAdministrationIsOpenToAll(t *testing.T) {
	d := newDoors(t)
	r := d.get("/admin/openapi.yaml", "")
	if r.Code != http.StatusOK || r.Header().Get("Content-Type") != "application/yaml" || !bytes.Equal(r.Body.Bytes(), OpenAPI()) {
		t.Errorf("%d %s, %d bytes", r.Code, r.Header().Get("Content-Type"), r.Body.Len())
	}
}

// TestErrorsHaveTheFormOfWhereTheyArise: OperationOutcomes under /fhir, problems elsewhere.
func TestErrorsHaveTheFormOfWhereTheyArise(t *testing.T) {
	c, _ := newDesk(t)
	for _, tt := range []struct{ method, path, token string }{
		{http.MethodGet, "/nowhere", ""}, {http.MethodGet, "/admin/v1/nowhere", ""}, {http.MethodDelete, "/admin/v1/match/tasks", stewardToken},
		{http.MethodPut, "/oauth/token", ""}, {http.MethodGet, "/fhirx", ""},
	} {
		r := c.do(tt.method, tt.path, tt.token, nil)
		if got := r.Header().Get("Content-Type"); got != "application/problem+json" || r.Code != 404 && r.Code != 405 {
			t.Errorf("%s %s: %d %s, want a problem", tt.method, tt.path, r.Code, got)
		}
	}
	c.refused(c.get("/fhir/nowhere", ""), http.StatusNotFound, "not-found", "")
	c.refused(c.do(http.MethodPatch, "/fhir/Patient", "", nil), http.StatusMethodNotAllowed, "not-supported", "")
	if r := c.do(http.MethodPatch, "/fhir/Patient", "", nil); r.Header().Get("Allow") == "" {
		t.Error("405 without Allow")
	}
	c.troubled(c.do(http.MethodPost, "/admin/v1/match/verdicts", stewardToken, []byte(`verdict=same`), "Content-Type", "application/x-www-form-urlencoded"),
		http.StatusUnsupportedMediaType, "Content-Type")
	c.refused(c.do(http.MethodPut, "/fhir/Patient?identifier=a%7Cb", oakToken, []byte(`<Patient/>`), "Content-Type", "application/fhir+xml"),
		http.StatusUnsupportedMediaType, "not-supported", "Content-Type")
}
