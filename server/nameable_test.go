package server

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// A revocation that is acknowledged while an answer is made counts for that answer, at every door that names patients of
// others; where rules do not come to rest nobody is named.
//
// Source: DESIGN idea 8; spec consent 2.14.
func TestWhoMayBeNamedIsLookedAtAgainRightBeforeTheAnswerLeaves(t *testing.T) {
	match := `{"resourceType":"Parameters","parameter":[{"name":"resource","resource":` + whole("urn:asker", "q") + `}]}`
	for _, tt := range []struct {
		name string
		ask  func(h *hall) *httptest.ResponseRecorder
	}{
		{"$match", func(h *hall) *httptest.ResponseRecorder {
			return h.do("POST", "/fhir/Patient/$match", oakToken, []byte(match))
		}},
		{"$ihe-pix", func(h *hall) *httptest.ResponseRecorder {
			return h.get("/fhir/Patient/$ihe-pix?sourceIdentifier="+url.QueryEscape(blueSystem+"|B-1"), oakToken)
		}},
		{"a search", func(h *hall) *httptest.ResponseRecorder {
			return h.do("POST", "/fhir/Patient/_search", oakToken, []byte("family=Fairweather"), "Content-Type", "application/x-www-form-urlencoded")
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHall(t, mpi.Options{})
			red := h.registered("R-1", whole(redSystem, "R-1"))
			h.registeredAs(oakToken, blueSystem, "B-1", whole(blueSystem, "B-1"))
			h.still = func(context.Context) (bool, error) { return true, nil }
			if r := tt.ask(h); r.Code != http.StatusOK || !strings.Contains(r.Body.String(), "R-1") {
				t.Fatalf("where nothing moves: %d, want the other's record named: %s", r.Code, r.Body)
			}
			looks := 0
			h.still = func(context.Context) (bool, error) { // she takes it back while the answer is made
				looks++
				h.named[red] = false
				return looks > 1, nil
			}
			if r := tt.ask(h); r.Code != http.StatusOK || strings.Contains(r.Body.String(), "R-1") || looks != 2 {
				t.Errorf("taken back meanwhile: %d after %d looks, want an answer made anew without the record: %s", r.Code, looks, r.Body)
			}
			h.named[red] = true
			h.still = func(context.Context) (bool, error) { return false, nil }
			if r := tt.ask(h); r.Code != http.StatusServiceUnavailable || strings.Contains(r.Body.String(), "R-1") {
				t.Errorf("where rules do not come to rest: %d, want 503 and nobody named", r.Code)
			}
			h.still = func(context.Context) (bool, error) { return false, hie.ErrUnavailable }
			if r := tt.ask(h); r.Code != http.StatusServiceUnavailable || strings.Contains(r.Body.String(), "R-1") {
				t.Errorf("where it cannot be looked at: %d, want 503 and nobody named", r.Code)
			}
		})
	}
}
