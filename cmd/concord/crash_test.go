package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/concord-hie/concord/internal/sim"
)

// What a feed says in these tests.
var asFeed = feeding

// A patientPut is the conditional update of one made-up person at the hospital.
func patientPut(x *exchangeUnderTest, local, given, family, born string) (target string, body []byte) {
	site, _ := x.region.Site("harbor-main")
	body, err := json.Marshal(map[string]any{"resourceType": "Patient", "identifier": []any{map[string]any{"system": site.Authority, "value": local}},
		"name": []any{map[string]any{"family": family, "given": []string{given}}}, "birthDate": born, "gender": "female"})
	if err != nil {
		x.t.Fatal(err)
	}
	return "/fhir/Patient?identifier=" + url.QueryEscape(site.Authority+"|"+local), body
}

// A pointerPost is the publication of one document of the hospital about its patient local.
func pointerPost(x *exchangeUnderTest, local, unique string) []byte {
	site, _ := x.region.Site("harbor-main")
	body, err := json.Marshal(map[string]any{"resourceType": "DocumentReference", "status": "current",
		"masterIdentifier": map[string]any{"system": "urn:ietf:rfc:3986", "value": unique},
		"type":             map[string]any{"coding": []any{map[string]any{"system": "http://loinc.org", "code": "18842-5"}}},
		"category":         []any{map[string]any{"coding": []any{map[string]any{"system": "http://loinc.org", "code": "11488-4"}}}},
		"subject":          map[string]any{"identifier": map[string]any{"system": site.Authority, "value": local}},
		"date":             "2026-10-01T10:00:00Z",
		"securityLabel":    []any{map[string]any{"coding": []any{map[string]any{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}}}},
		"content": []any{map[string]any{"attachment": map[string]any{"contentType": "text/plain", "url": x.bases["harbor-main"] + "/Binary/" + strings.ReplaceAll(unique, ":", "-"),
			"size": 3, "hash": "qZk+NkcGgWq6PiVxeFDCbJzQ2J0="}}}})
	if err != nil {
		x.t.Fatal(err)
	}
	return body
}

// TestWhatWasAcknowledgedSurvivesKills kills nodes and PostgreSQL with SIGKILL in the middle of registrations and
// publications, restarts them, and finds everything that was acknowledged and nothing by halves.
func TestWhatWasAcknowledgedSurvivesKills(t *testing.T) {
	x := newExchange(t, 2)
	x.must(http.StatusCreated, "harbor-main-feed", asFeed, http.MethodPut, first(patientPut(x, "K-0", "Kestrel", "Quillfeather", "1950-01-02")),
		second(patientPut(x, "K-0", "Kestrel", "Quillfeather", "1950-01-02")))

	var mu sync.Mutex
	registered, published := map[string]bool{}, map[string]bool{}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	token, err := x.clients["harbor-main-feed"].api.token(x.ctx, asFeed)
	if err != nil {
		t.Fatal(err)
	}
	for w := range 6 {
		wg.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				origin := x.origins[(w+n)%2]
				local, unique := fmt.Sprintf("K-%d-%d", w, n), fmt.Sprintf("urn:kill:%d:%d", w, n)
				target, body := patientPut(x, local, fmt.Sprintf("Given%c%c", 'a'+w, 'a'+n%26), fmt.Sprintf("Family%d", n), "1960-05-05")
				r, err := x.clients["harbor-main-feed"].api.send(x.ctx, http.MethodPut, origin+target, token, "application/fhir+json", body, nil)
				if err == nil && (r.status == 200 || r.status == 201) {
					mu.Lock()
					registered[local] = true
					mu.Unlock()
				}
				r, err = x.clients["harbor-main-feed"].api.send(x.ctx, http.MethodPost, origin+"/fhir/DocumentReference", token, "application/fhir+json", pointerPost(x, "K-0", unique), nil)
				if err == nil && (r.status == 200 || r.status == 201) {
					mu.Lock()
					published[unique] = true
					mu.Unlock()
				}
				if err != nil {
					time.Sleep(20 * time.Millisecond)
				}
			}
		})
	}
	time.Sleep(time.Second)
	x.nodes[0].kill()
	x.nodes[0] = x.startNode(0)
	time.Sleep(500 * time.Millisecond)
	_ = syscall.Kill(x.cluster.PID(), syscall.SIGKILL) // the postmaster; its children notice and end
	<-x.cluster.Done()
	time.Sleep(300 * time.Millisecond)
	x.restartPostgres()
	for i := range x.nodes {
		awaitOK(t, x.origins[i]+"/readyz", x.nodes[i])
	}
	time.Sleep(time.Second)
	x.nodes[1].kill()
	close(stop)
	wg.Wait()
	x.nodes[1] = x.startNode(1)

	if len(registered) < 20 || len(published) < 20 {
		t.Fatalf("only %d registrations and %d publications were acknowledged; nothing was shown", len(registered), len(published))
	}
	site, _ := x.region.Site("harbor-main")
	for local := range registered {
		q := url.QueryEscape(site.Authority + "|" + local)
		r := x.must(http.StatusOK, "harbor-main-feed", asFeed, http.MethodGet, "/fhir/Patient?identifier="+q, nil)
		if total(t, r) != 1 {
			t.Errorf("an acknowledged registration is found %d times, want once", total(t, r))
		}
	}
	for unique := range published {
		// Publishing it again finds it: 200, not 201.
		x.must(http.StatusOK, "harbor-main-feed", asFeed, http.MethodPost, "/fhir/DocumentReference", pointerPost(x, "K-0", unique))
	}
	// Nothing by halves: each pointer has its claim and body, each claim its pointer, presence counts what is there.
	x.consistent()
	t.Logf("%d registrations and %d publications acknowledged through two kills of nodes and one of PostgreSQL", len(registered), len(published))
}

// consistent checks what transactions must have kept together.
func (x *exchangeUnderTest) consistent() {
	x.t.Helper()
	for what, query := range map[string]string{
		"pointers without body":                   `select count(*) from locator.pointer p where not exists (select from locator.pointer_body b where b.sp_id = p.sp_id and b.ptr_id = p.ptr_id)`,
		"bodies without pointer":                  `select count(*) from locator.pointer_body b where not exists (select from locator.pointer p where p.sp_id = b.sp_id and p.ptr_id = b.ptr_id)`,
		"claims without pointer":                  `select count(*) from locator.doc_key k where not exists (select from locator.pointer p where p.sp_id = k.sp_id and p.ptr_id = k.ptr_id)`,
		"presence that does not count right":      `select count(*) from (select sp_id, kind, count(*) n from locator.pointer group by 1, 2) p full join locator.presence q using (sp_id, kind) where coalesce(p.n, 0) <> coalesce(q.count, 0)`,
		"identifiers without registration":        `select count(*) from mpi.identifier_key k where not exists (select from mpi.source_patient s where s.sp_id = k.sp_id)`,
		"registrations without a person":          `select count(*) from mpi.source_patient s where not exists (select from mpi.person_member m where m.sp_id = s.sp_id)`,
		"registrations in more than one person":   `select count(*) from (select sp_id from mpi.person_member group by 1 having count(*) > 1) d`,
		"candidate keys without registration":     `select count(*) from mpi.candidate_key k where not exists (select from mpi.source_patient s where s.sp_id = k.sp_id)`,
		"registrations without an audit event":    `select case when (select count(*) from audit.event) >= (select count(*) from mpi.source_patient) then 0 else 1 end`,
		"documents without an audit event":        `select case when (select count(*) from audit.event) >= (select count(*) from locator.pointer) then 0 else 1 end`,
		"events neither sequenced nor in waiting": `select count(*) from audit.event e where not exists (select from audit.leaf l where l.event_id = e.id) and not exists (select from audit.pending p where p.event_id = e.id)`,
	} {
		var n int64
		if err := x.db.QueryRow(x.ctx, query).Scan(&n); err != nil {
			x.t.Errorf("%s: %v", what, err)
		} else if n != 0 {
			x.t.Errorf("%s: %d", what, n)
		}
	}
}

func first(target string, _ []byte) string { return target }
func second(_ string, body []byte) []byte  { return body }

// total returns Bundle.total.
func total(t testing.TB, r reply) int {
	t.Helper()
	var b struct{ Total *int }
	if err := json.Unmarshal(r.body, &b); err != nil || b.Total == nil {
		t.Fatalf("no total in an answer of status %d", r.status)
	}
	return *b.Total
}

// TestOnePersonFromParallelFirstPosts lets 64 sites register the same, unheard-of person at the same instant
// through four nodes: one person, no deadlock.
func TestOnePersonFromParallelFirstPosts(t *testing.T) {
	x := newExchange(t, 4)
	sites := x.manySites(64)
	token, err := x.clients["many-feed"].api.token(x.ctx, asker{purposes: "HOPERAT", scopes: "system/Patient.cruds"})
	if err != nil {
		t.Fatal(err)
	}
	ready := make(chan struct{})
	var wg sync.WaitGroup
	var mu sync.Mutex
	status := map[int]int{}
	for i, authority := range sites {
		wg.Go(func() {
			body, _ := json.Marshal(map[string]any{"resourceType": "Patient",
				"identifier": []any{map[string]any{"system": authority, "value": fmt.Sprintf("N-%d", i)}, map[string]any{"system": "http://hl7.org/fhir/sid/us-ssn", "value": "512-83-6614"}},
				"name":       []any{map[string]any{"family": "Ottermole", "given": []string{"Philippa", "Wren"}}}, "birthDate": "1971-03-09", "gender": "female",
				"telecom": []any{map[string]any{"system": "phone", "value": "410-555-0173"}},
				"address": []any{map[string]any{"line": []string{"9 Saltbox Lane"}, "city": "Annapolis", "state": "MD", "postalCode": "21401"}}})
			<-ready
			target := x.origins[i%4] + "/fhir/Patient?identifier=" + url.QueryEscape(fmt.Sprintf("%s|N-%d", authority, i))
			r, err := x.clients["many-feed"].api.send(x.ctx, http.MethodPut, target, token, "application/fhir+json", body, nil)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				t.Errorf("a first post failed: %v", err)
				return
			}
			status[r.status]++
		})
	}
	close(ready)
	wg.Wait()
	if status[http.StatusCreated] != 64 {
		t.Errorf("answers by status: %v, want 64 of 201", status)
	}
	var persons, members int
	if err := x.db.QueryRow(x.ctx, `select count(distinct person_id), count(*) from mpi.person_member`).Scan(&persons, &members); err != nil {
		t.Fatal(err)
	}
	if persons != 1 || members != 64 {
		t.Errorf("%d persons with %d members, want 1 with 64", persons, members)
	}
	x.consistent()
}

// TestWithoutRedisTokensStopAndNothingElse: losing Redis costs the once-only keys, which fail closed, and speed.
func TestWithoutRedisTokensStopAndNothingElse(t *testing.T) {
	x := newExchange(t, 1)
	maria := x.person(sim.Ordinary)
	x.enter(maria)
	q := url.Values{"patient.identifier": {x.at(maria, "riverside-clinic")}, "status": {"current"}}.Encode()
	before := x.must(http.StatusOK, "riverside-clinic-emr", treating, http.MethodGet, "/fhir/DocumentReference?"+q, nil)
	x.must(http.StatusOK, "harbor-main-feed", asFeed, http.MethodGet, "/fhir/Patient?identifier="+url.QueryEscape(x.at(maria, "harbor-main")), nil)
	x.redis.kill()

	if _, err := x.clients["chesapeake-heart-emr"].api.token(x.ctx, treating); err == nil || !strings.Contains(err.Error(), "503") {
		t.Errorf("a token request without Redis: %v, want a refusal with 503", err)
	}
	after := x.must(http.StatusOK, "riverside-clinic-emr", treating, http.MethodGet, "/fhir/DocumentReference?"+q, nil)
	if total(t, before) == 0 || total(t, after) != total(t, before) {
		t.Errorf("documents found: %d with Redis, %d without", total(t, before), total(t, after))
	}
	x.must(http.StatusOK, "harbor-main-feed", asFeed, http.MethodGet, "/fhir/Patient?identifier="+url.QueryEscape(x.at(maria, "harbor-main")), nil)
	target, body := patientPut(x, "R-1", "Rosalind", "Thackeray", "1944-04-04")
	x.must(http.StatusCreated, "harbor-main-feed", asFeed, http.MethodPut, target, body)
}
