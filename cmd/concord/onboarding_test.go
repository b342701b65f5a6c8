package main

import (
	"bytes"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/audit/auditpg"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/directory/directorypg"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/mail/mailtest"
	"github.com/concord-hie/concord/internal/sim"
	"github.com/concord-hie/concord/server"
)

// startSite serves a site that says what it is and hands over one document, until the test ends.
func startSite(t *testing.T, document []byte) (host string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/fhir/metadata" {
			w.Header().Set("Content-Type", "application/fhir+json")
			_, _ = w.Write([]byte(`{"resourceType":"CapabilityStatement","fhirVersion":"4.0.1","software":{"name":"Elm EMR","version":"3.1"}}`))
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		_, _ = w.Write(document)
	})}
	var served sync.WaitGroup
	served.Go(func() { _ = srv.Serve(l) })
	t.Cleanup(func() { _ = srv.Close(); served.Wait() })
	return l.Addr().String()
}

// TestASiteIsBroughtOn is what an operator and the people of a new site do from the first line in the directory to the go-live,
// over HTTP and from the command line: each check passes when what it asks for is there, and no earlier; nobody signs off alone.
//
// Source: spec ux A3.
func TestASiteIsBroughtOn(t *testing.T) {
	oneAfterAnother(t)
	document := []byte("a test document")
	host := startSite(t, document)
	region, err := sim.Population(demoSeed, 14, 5)
	if err != nil {
		t.Fatal(err)
	}
	x := newExchangeOf(t, 1, region, host)
	store := directorypg.New(x.db, auditpg.Append, nil)
	n, err := store.Load(x.ctx)
	if err != nil {
		t.Fatal(err)
	}
	f := n.File()
	const authority, uri = "https://elm.example.org/ids", "https://elm.example.org"
	f.Organizations = append(f.Organizations, directory.Organization{ID: "elm", Name: "Elm Health", Identifier: uri, Kind: "practice", Jurisdiction: "US-VA", Active: true})
	f.Sites = append(f.Sites, directory.Site{ID: "elm-main", Org: "elm", Name: "Elm Main", Authorities: []string{authority}, Zone: "America/New_York", Labelled: true,
		PrivilegedRoles: []string{"ed"}, Publishes: true, Active: true, Endpoints: []directory.Endpoint{{ID: "elm-fhir", Protocol: "fhir-r4", Address: "http://" + host + "/fhir"}}})
	if _, err := store.Apply(x.ctx, operatorActor, f, false); err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Second)

	const base = "/admin/v1/sites/elm-main/onboarding"
	call := func(who asker, status int, method, path string, body any) (row server.OnboardingRow) {
		t.Helper()
		r := x.must(status, "operator-desk", who, method, path, body)
		if status == http.StatusOK {
			decode(t, r, &row)
		}
		return row
	}
	// found are the codes of what was found at one check, and how it stands.
	found := func(row server.OnboardingRow, id directory.CheckID) (directory.Result, []string) {
		for _, c := range row.Checks {
			if c.Check == id {
				var codes []string
				for _, f := range c.Findings {
					codes = append(codes, f.Code)
				}
				return c.Result, codes
			}
		}
		return "", nil
	}
	want := func(row server.OnboardingRow, missing ...string) {
		t.Helper()
		if !slices.Equal(row.Missing, missing) {
			t.Errorf("missing %v, want %v", row.Missing, missing)
		}
	}
	step := func(who asker, status int, move directory.Move) server.OnboardingRow {
		t.Helper()
		return call(who, status, http.MethodPost, base+"/steps", map[string]any{"move": move, "note": "as tested"})
	}
	row := call(asOperator, http.StatusOK, http.MethodGet, base, nil)
	want(row, "agreement", "contacts", "keys", "connect", "publish", "quality", "query", "alert")
	if row.Membership != directory.Joining {
		t.Errorf("a new site is %s", row.Membership)
	}
	step(asOperator, http.StatusBadRequest, directory.MoveProposed)

	// Agreement and contacts; a dry run records nothing.
	agreement := map[string]any{"kind": "baa", "signed_by": "Elm Health, its director", "from": "2026-01-01", "document_hash": strings.Repeat("0a", 32), "dry_run": true}
	want(call(asOperator, http.StatusOK, http.MethodPost, base+"/agreements", agreement), "agreement", "contacts", "keys", "connect", "publish", "quality", "query", "alert")
	delete(agreement, "dry_run")
	call(asOperator, http.StatusOK, http.MethodPost, base+"/agreements", agreement)
	for _, c := range []map[string]any{{"role": "technical", "name": "Integration desk", "email": "desk@elm.example.org"}, {"role": "privacy", "name": "Privacy desk", "email": "privacy@elm.example.org"},
		{"role": "on-call", "name": "Night desk", "phone": "410-555-0100"}} {
		row = call(asOperator, http.StatusOK, http.MethodPost, base+"/contacts", c)
	}
	want(row, "keys", "connect", "publish", "quality", "query", "alert")
	call(asOperator, http.StatusBadRequest, http.MethodPost, base+"/contacts", map[string]any{"role": "technical", "name": "x", "email": "no"})

	// Keys and connection.
	w := &town{exchangeUnderTest: x}
	x.region.Sites = append(x.region.Sites, sim.Site{ID: "none", Org: "elm", OrgURI: uri})
	w.admit("elm", access.Client{ID: "elm-feed", Scopes: feedScopes, Purposes: []hie.Purpose{"HOPERAT"}}, access.Client{ID: "elm-emr", Scopes: emrScopes, Purposes: emrPurposes, Roles: []string{"physician"}})
	time.Sleep(1200 * time.Millisecond)
	row = call(asOperator, http.StatusOK, http.MethodPost, base+"/probe", map[string]any{})
	want(row, "publish", "quality", "query", "alert")
	if result, codes := found(row, directory.CheckQuery); result != directory.Fail || !slices.Contains(codes, "query.out.failed") {
		t.Errorf("our query before anything is published: %s, %v", result, codes)
	}

	// Patients and references; one reference is refused, and why is told.
	sum := sha1.Sum(document)
	given := []string{"Ada", "Beryl", "Clement", "Dorothea", "Edmund", "Florence", "Gilbert", "Harriet", "Ignatius", "Josephine"}
	for i := range 10 {
		local := fmt.Sprintf("ELM-%d", i)
		patient := fmt.Appendf(nil, `{"resourceType":"Patient","identifier":[{"system":%q,"value":%q}],"name":[{"family":"Elmtest%c","given":[%q]}],"gender":"female",
 "birthDate":"19%d-0%d-11","address":[{"line":["%d Elm Row"],"city":"Norfolk","state":"VA","postalCode":"23501"}]}`, authority, local, 'a'+i, given[i], 40+3*i, 1+i%9, 10+i)
		x.must(http.StatusCreated, "elm-feed", feeding, http.MethodPut, "/fhir/Patient?identifier="+url.QueryEscape(authority+"|"+local), patient)
		reference := strings.NewReplacer(x.authority("harbor-main"), authority, x.bases["harbor-main"], "http://"+host+"/fhir", `"size":3`, fmt.Sprintf(`"size":%d`, len(document)),
			"qZk+NkcGgWq6PiVxeFDCbJzQ2J0=", base64.StdEncoding.EncodeToString(sum[:])).Replace(string(pointerPost(x, local, fmt.Sprintf("urn:elm:%d", i))))
		if i == 0 {
			elsewhere := strings.Replace(reference, "http://"+host, "http://elsewhere.example.org", 1)
			x.must(http.StatusBadRequest, "elm-feed", feeding, http.MethodPost, "/fhir/DocumentReference", []byte(elsewhere))
		}
		x.must(http.StatusCreated, "elm-feed", feeding, http.MethodPost, "/fhir/DocumentReference", []byte(reference))
	}
	row = call(asOperator, http.StatusOK, http.MethodPost, base+"/probe", map[string]any{})
	want(row, "query", "alert")
	if _, codes := found(row, directory.CheckPublish); !slices.Contains(codes, "publish.refused") {
		t.Errorf("what was refused is not told: %v", codes)
	}

	// A query of theirs counts when it is marked as one.
	asks := func(request string) {
		t.Helper()
		token, err := x.clients["elm-emr"].api.token(x.ctx, treating)
		if err != nil {
			t.Fatal(err)
		}
		r, err := x.clients["elm-emr"].api.send(x.ctx, http.MethodGet, x.base+"/fhir/DocumentReference?status=current&patient.identifier="+url.QueryEscape(authority+"|ELM-0"), token, "", nil,
			[]string{"X-Request-Id", request})
		if err != nil || r.status != http.StatusOK || len(attachments(t, r)) != 0 {
			t.Fatalf("the joining site's own query: %d %v %s", r.status, err, r.body)
		}
	}
	asks("an-ordinary-one")
	want(call(asOperator, http.StatusOK, http.MethodGet, base, nil), "query", "alert")
	asks(directory.TestMark + "1")
	want(call(asOperator, http.StatusOK, http.MethodGet, base, nil), "alert")

	// A notice, which this node cannot send and the command line can.
	row = call(asOperator, http.StatusOK, http.MethodPost, base+"/alert", map[string]any{})
	if result, codes := found(row, directory.CheckAlert); result != directory.Fail || !slices.Contains(codes, "alert.sent.failed") {
		t.Errorf("a notice without a mail server: %s, %v", result, codes)
	}
	post, err := mailtest.Start(nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(post.Stop)
	g := &Globals{DatabaseURL: x.dbURL}
	command := func(c interface {
		Run(context.Context, *Globals, *streams) error
	}) (string, error) {
		t.Helper()
		var out, messages bytes.Buffer
		err := c.Run(x.ctx, g, &streams{out: &out, err: &messages})
		return out.String() + messages.String(), err
	}
	flags := onboardWriteFlags{onboardFlags: onboardFlags{Site: "elm-main", Output: "json"}}
	out, err := command(&onboardAlertCmd{onboardWriteFlags: flags, SMTPAddr: post.Addr(), SMTPFrom: "exchange@bay.example.org"})
	if err != nil || len(post.Messages()) != 1 || !strings.Contains(post.Messages()[0], "desk@elm.example.org") {
		t.Fatalf("%v, %d messages: %s", err, len(post.Messages()), out)
	}
	if err := json.Unmarshal([]byte(out), &row); err != nil {
		t.Fatal(err)
	}
	want(row)

	// Two people.
	if row = step(asOperator, http.StatusOK, directory.MoveProposed); !row.Proposed || row.Membership != directory.Joining {
		t.Errorf("after the proposal: proposed %t, %s", row.Proposed, row.Membership)
	}
	step(asOperator, http.StatusForbidden, directory.MoveApproved)
	second := asOperator
	second.user, second.name = "v.lind", "Vera Lind"
	if row = step(second, http.StatusOK, directory.MoveApproved); row.Membership != directory.Live || len(row.Steps) != 2 || len(row.Steps[1].Checks) != 9 {
		t.Errorf("after the sign-off: %s, %d steps", row.Membership, len(row.Steps))
	}
	own := func() int {
		t.Helper()
		r := x.must(http.StatusOK, "elm-emr", treating, http.MethodGet, "/fhir/DocumentReference?status=current&patient.identifier="+url.QueryEscape(authority+"|ELM-0"), nil)
		return len(attachments(t, r))
	}
	if own() != 1 {
		t.Error("a live site's query finds nothing at the next request")
	}

	// Out again, by one.
	suspend := &onboardSuspendCmd{onboardStepFlags{onboardWriteFlags: flags}}
	if _, err := command(suspend); err == nil || !strings.Contains(err.Error(), "note") {
		t.Errorf("a suspension without a reason: %v", err)
	}
	suspend.Note, suspend.DryRun = "an incident", true
	if out, err = command(suspend); err != nil || !strings.Contains(out, `"membership":"live"`) {
		t.Errorf("a dry run: %v, %s", err, out)
	}
	suspend.DryRun = false
	if out, err = command(suspend); err != nil || !strings.Contains(out, `"membership":"suspended"`) {
		t.Errorf("suspended: %v, %s", err, out)
	}
	time.Sleep(time.Second)
	if own() != 0 {
		t.Error("a suspended site's query finds something")
	}
	row = call(asOperator, http.StatusOK, http.MethodGet, base, nil)
	want(row, "publish", "quality", "query") // what it did before it was suspended counts no more
	show := &onboardShowCmd{onboardFlags{Site: "elm-main", Output: "table"}}
	if out, err = command(show); err != nil || !strings.Contains(out, "suspended; no go-live proposed") || !strings.Contains(out, "0 of 10 test references were accepted.") {
		t.Errorf("%v\n%s", err, out)
	}
}
