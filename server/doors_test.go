package server

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/internal/opaque"
)

const testBase = "https://concord.test"

// The tokens the test doors know, each with all FHIR scopes but the last.
const (
	oakToken     = "oak"      // Oak Street Practice
	mercyToken   = "mercy"    // Mercy Health
	stewardToken = "steward"  // a steward of the network
	noScopeToken = "no-scope" // Oak Street Practice, allowed nothing

	hospitalStewardToken = "hospital-steward" // a steward of Mercy Health
)

func testActor(_ context.Context, token string) (hie.Actor, error) {
	all := []string{"system/*.cruds"}
	switch token {
	case oakToken:
		return hie.Actor{Organization: "oak", Client: "oak-emr", Scopes: all, Purposes: []hie.Purpose{hie.PurposeTreat}}, nil
	case mercyToken:
		return hie.Actor{Organization: "mercy", Client: "mercy-emr", Scopes: all, Purposes: []hie.Purpose{hie.PurposeTreat}}, nil
	case stewardToken, hospitalStewardToken:
		org := map[string]hie.OrgID{stewardToken: "network", hospitalStewardToken: "mercy"}[token]
		return hie.Actor{Organization: org, Client: "desk", User: "sam", Roles: []string{hie.RoleSteward},
			Scopes: []string{"concord/match.read", "concord/match.write"}}, nil
	case noScopeToken:
		return hie.Actor{Organization: "oak", Client: "oak-emr"}, nil
	}
	return hie.Actor{}, hie.ErrUnauthenticated
}

// doors is a real Server with what a test needs to knock.
type doors struct {
	*testing.T
	server *Server
	sealer *opaque.Sealer
	log    *bytes.Buffer
	as     *hie.Actor // who the token "app" is
}

// newDoors returns a Server over testFile; with sets further dependencies.
func newDoors(t *testing.T, with ...func(*Deps)) *doors {
	t.Helper()
	n, err := testFile().Network(1)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := opaque.New(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	d := &doors{T: t, sealer: sealer, log: &bytes.Buffer{}}
	verify := func(ctx context.Context, p access.Presented) (hie.Actor, error) {
		token := p.Token
		if token == "app" && d.as != nil {
			return *d.as, nil
		}
		return testActor(ctx, token)
	}
	deps := Deps{Verify: verify, Sealer: sealer, Network: func() *directory.Network { return n },
		Log: slog.New(slog.NewJSONHandler(d.log, nil))}
	for _, set := range with {
		set(&deps)
	}
	d.server = New(Config{BaseURL: testBase}, deps)
	return d
}

// do sends a request; headers come as name, value, name, value. A body is FHIR JSON unless a header says else.
func (d *doors) do(method, path, token string, body []byte, headers ...string) *httptest.ResponseRecorder {
	d.Helper()
	r := httptest.NewRequest(method, testBase+path, io.NopCloser(bytes.NewReader(body)))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/fhir+json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	d.server.ServeHTTP(w, r)
	return w
}

func (d *doors) get(path, token string) *httptest.ResponseRecorder {
	d.Helper()
	return d.do(http.MethodGet, path, token, nil)
}

// bundle reads an answer that must be a Bundle with status.
func (d *doors) bundle(r *httptest.ResponseRecorder, status int) fhir.Bundle {
	d.Helper()
	var b fhir.Bundle
	if r.Code != status {
		d.Fatalf("status %d, want %d: %s", r.Code, status, r.Body)
	}
	if err := fhir.Decode(r.Body.Bytes(), &b); err != nil || b.ResourceType != "Bundle" {
		d.Fatalf("not a Bundle: %v %s", err, r.Body)
	}
	return b
}

// refused checks that an answer is an OperationOutcome of status whose issue has code and, unless "", names
// expression.
func (d *doors) refused(r *httptest.ResponseRecorder, status int, code, expression string) {
	d.Helper()
	var oo fhir.OperationOutcome
	if err := fhir.Decode(r.Body.Bytes(), &oo); err != nil || oo.ResourceType != "OperationOutcome" || len(oo.Issue) == 0 {
		d.Errorf("status %d, not an OperationOutcome: %s", r.Code, r.Body)
		return
	}
	if r.Code != status || oo.Issue[0].Code != code || strings.Join(oo.Issue[0].Expression, " ") != expression {
		d.Errorf("got %d %s at %v, want %d %s at %q", r.Code, oo.Issue[0].Code, oo.Issue[0].Expression, status, code, expression)
	}
}
