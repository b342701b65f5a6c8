package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/hie"
)

func TestServeAsHoldsThePortalToTheRulesOfTheDoors(t *testing.T) {
	d := newDoors(t)
	get := func(path string, actor hie.Actor, headers ...string) int {
		r := httptest.NewRequest(http.MethodGet, testBase+path, nil)
		for i := 0; i+1 < len(headers); i += 2 {
			r.Header.Set(headers[i], headers[i+1])
		}
		w := httptest.NewRecorder()
		d.server.ServeAs(w, r, actor)
		return w.Code
	}
	reader := hie.Actor{Organization: "oak", Client: "portal", Scopes: []string{"system/Organization.rs"}}
	if got := get("/fhir/Organization", reader); got != http.StatusOK {
		t.Errorf("within the scopes: %d, want 200", got)
	}
	if got := get("/fhir/AuditEvent", reader); got != http.StatusForbidden {
		t.Errorf("beyond the scopes: %d, want 403", got)
	}
	if got := get("/fhir/AuditEvent", hie.Actor{}, "Authorization", "Bearer "+oakToken); got != http.StatusForbidden {
		t.Errorf("a token beside nobody: %d, want 403: only the actor counts", got)
	}
	if got := d.get("/fhir/Organization", "").Code; got != http.StatusUnauthorized {
		t.Errorf("from outside without a token: %d, want 401", got)
	}
}

func TestEveryPersonAtThePortalHasAnAllowanceOfTheirOwn(t *testing.T) {
	taken := map[string]int{}
	var names []string
	d := newDoors(t, func(deps *Deps) {
		deps.Limit = func(_ context.Context, name string) (bool, time.Duration) {
			taken[name]++
			names = append(names, name)
			return taken[name] <= 2, time.Second
		}
	})
	get := func(actor hie.Actor) int {
		w := httptest.NewRecorder()
		d.server.ServeAs(w, httptest.NewRequest(http.MethodGet, testBase+"/fhir/Organization", nil), actor)
		return w.Code
	}
	person := func(user string) hie.Actor {
		return hie.Actor{Organization: "oak", Client: "portal", User: user, Scopes: []string{"system/Organization.rs"}}
	}
	for range 2 {
		if got := get(person("Practitioner/quillfeather")); got != http.StatusOK {
			t.Fatalf("within the allowance: %d, want 200", got)
		}
	}
	if got := get(person("Practitioner/quillfeather")); got != http.StatusTooManyRequests {
		t.Errorf("beyond the allowance: %d, want 429", got)
	}
	if got := get(person("Practitioner/other")); got != http.StatusOK {
		t.Errorf("somebody else of the same client and organization: %d, want 200", got)
	}
	if slices.ContainsFunc(names, func(n string) bool { return strings.Contains(n, "quillfeather") }) {
		t.Error("an allowance is named by who it is for")
	}
	if d.get("/fhir/Organization", oakToken); !strings.HasPrefix(names[len(names)-1], "oak") || strings.Contains(names[len(names)-1], " ") {
		t.Errorf("a machine's allowance is named %q, want its client id", names[len(names)-1])
	}
}
