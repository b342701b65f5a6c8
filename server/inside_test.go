package server

import (
	"net/http"
	"net/http/httptest"
	"testing"

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
