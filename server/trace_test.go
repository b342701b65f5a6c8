package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
)

// traces keeps in memory.
type traces struct {
	mu   sync.Mutex
	kept []hie.Traced
}

func (t *traces) Keep(r hie.Traced) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, r)
}

func (t *traces) Of(_ context.Context, request string) (out []hie.Traced, err error) {
	for _, r := range t.kept {
		if r.Request == request {
			out = append(out, r)
		}
	}
	if out == nil {
		err = hie.ErrNotFound
	}
	return out, err
}

type recordedEvents struct{ events []audit.Event }

func (r *recordedEvents) Record(_ context.Context, events ...audit.Event) error {
	r.events = append(r.events, events...)
	return nil
}

func TestARequestIsFollowedByOperatorsAlone(t *testing.T) {
	kept, trail := &traces{}, &recordedEvents{}
	file := testFile()
	file.Organizations = append(file.Organizations, directory.Organization{ID: "network", Name: "The Exchange", Identifier: "urn:org:network", Kind: networkKind, Active: true})
	n, err := file.Network(1)
	if err != nil {
		t.Fatal(err)
	}
	d := newDoors(t, func(deps *Deps) {
		deps.Traces, deps.Audit, deps.Network = kept, trail, func() *directory.Network { return n }
	})
	operator := hie.Actor{Organization: "network", Client: "desk", User: "o.quist", Roles: []string{hie.RoleOperator}, Scopes: []string{"concord/site.read"}}
	as := func(actor hie.Actor, path string, headers ...string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, testBase+path, nil)
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		d.server.ServeAs(w, r, actor)
		return w
	}
	const id = "0af7651916cd43dd8448eb211c80319c"
	if w := as(hie.Actor{Organization: "oak", Client: "oak-emr", User: "Practitioner/quillfeather", UserName: "Zyx Quill", Scopes: []string{"system/Organization.rs"}}, "/fhir/Organization?name=Quill",
		"X-Request-Id", "req-followed", "Traceparent", "00-"+id+"-b7ad6b7169203331-01"); w.Code != http.StatusOK || w.Header().Get("X-Request-Id") != "req-followed" ||
		!strings.HasPrefix(w.Header().Get("Traceparent"), "00-"+id+"-") {
		t.Fatalf("%d %v", w.Code, w.Header())
	}
	as(hie.Actor{}, "/livez")
	if len(kept.kept) != 1 {
		t.Fatalf("%d requests kept, want 1", len(kept.kept))
	}
	if r := kept.kept[0]; r.ID != id || r.Organization != "oak" || r.Status != 200 || len(r.Spans) != 1 || r.Spans[0].Detail != "GET /fhir/Organization" {
		t.Errorf("%+v", r)
	}
	w := as(operator, "/admin/v1/trace/req-followed")
	if body := w.Body.String(); w.Code != http.StatusOK || !strings.Contains(body, `"trace":"`+id+`"`) || strings.Contains(body, "uill") {
		t.Errorf("%d %s", w.Code, body)
	}
	if len(trail.events) != 1 || trail.events[0].Kind != audit.AuditRead || trail.events[0].Detail["traced"] != "req-followed" || trail.events[0].Actor.User != "o.quist" {
		t.Errorf("the look is recorded as %+v", trail.events)
	}
	if w := as(operator, "/admin/v1/trace/req-unknown"); w.Code != http.StatusNotFound {
		t.Errorf("a request there was not: %d", w.Code)
	}
	for name, actor := range map[string]hie.Actor{
		"a steward":                         {Organization: "network", Client: "desk", Roles: []string{hie.RoleSteward}, Scopes: []string{"concord/site.read"}},
		"an operator of a hospital":         {Organization: "mercy", Client: "desk", Roles: []string{hie.RoleOperator}, Scopes: []string{"concord/site.read"}},
		"an operator without the scope":     {Organization: "network", Client: "desk", Roles: []string{hie.RoleOperator}, Scopes: []string{"concord/match.read"}},
		"the practice whose request it was": {Organization: "oak", Client: "oak-emr", Scopes: []string{"system/*.cruds"}},
	} {
		known, unknown := as(actor, "/admin/v1/trace/req-followed"), as(actor, "/admin/v1/trace/req-unknown")
		same := strings.ReplaceAll(known.Body.String(), known.Header().Get("X-Request-Id"), "") == strings.ReplaceAll(unknown.Body.String(), unknown.Header().Get("X-Request-Id"), "")
		if known.Code != http.StatusForbidden || unknown.Code != http.StatusForbidden || !same {
			t.Errorf("%s: %d, and %d about one there was not", name, known.Code, unknown.Code)
		}
	}
}

func TestWhatAPageAsksBelongsToThePagesTrace(t *testing.T) {
	kept := &traces{}
	d := newDoors(t, func(deps *Deps) { deps.Traces = kept })
	trace := hie.NewTrace("req-page-1", "", hie.Now())
	r := httptest.NewRequest(http.MethodGet, testBase+"/fhir/Organization", nil)
	d.server.ServeAs(httptest.NewRecorder(), r.WithContext(hie.WithTrace(r.Context(), trace)), hie.Actor{Organization: "oak", Scopes: []string{"system/Organization.rs"}})
	if got := trace.End(200, hie.Now()); len(kept.kept) != 0 || len(got.Spans) != 1 || got.Spans[0].Name != "api" || got.Organization != "oak" {
		t.Errorf("%d kept by themselves; the page's: %+v", len(kept.kept), got)
	}
}
