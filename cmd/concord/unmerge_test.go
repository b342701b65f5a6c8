package main

import (
	"fmt"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/concord-hie/concord/internal/sim"
)

// A glance is one answer about documents, and when it was asked for and came.
type glance struct {
	asked, came time.Time
	total       int
}

// watch asks every node in turn about the documents of a patient of site until stop is closed, and returns what it was told.
func (x *exchangeUnderTest) watch(site, identifier string, stop <-chan struct{}) (seen func() []glance) {
	var wg sync.WaitGroup
	all := make([][]glance, len(x.origins))
	q := url.Values{"patient.identifier": {identifier}, "status": {"current"}}
	for i, origin := range x.origins {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				asked := time.Now()
				r, err := x.clients[site+"-emr"].api.call(x.ctx, treating, http.MethodGet, origin+"/fhir/DocumentReference?"+q.Encode(), nil)
				if err == nil && r.status == http.StatusServiceUnavailable {
					continue // links moved under each of its tries: said to the asker, who asks again
				}
				if err != nil || r.status != http.StatusOK {
					x.t.Errorf("a glance failed: %d %v %s", r.status, err, r.problem())
					return
				}
				all[i] = append(all[i], glance{asked, time.Now(), total(x.t, r)})
			}
		})
	}
	return func() (out []glance) {
		wg.Wait()
		for _, g := range all {
			out = append(out, g...)
		}
		return out
	}
}

// TestAMergeTakenBackAfterMuchFollowedIsRightAtEveryInstant is scenario 8 as the locator's and the consent engine's users see
// it. Two men are taken for one; one of them refuses to share, which hides the other as well; 200 registrations, updates and
// publications of both follow; the link is taken back. At every instant, on both nodes, either both are one and nothing is
// shown, or they are two and all of the one who shares is shown. Afterwards each has his own records, under the id he had.
//
// Source: spec mpi section 7, scenario 8; spec consent 2.13; DESIGN ideas 1 and 8.
func TestAMergeTakenBackAfterMuchFollowedIsRightAtEveryInstant(t *testing.T) {
	x := newExchange(t, 2)
	many := x.manySites(20)
	james := x.region.Story(sim.Namesakes)
	refuses, shares := x.region.Of(james[0], "riverside-clinic")[0], x.region.Of(james[1], "harbor-main")[0]
	x.enter(james[0], james[1])
	harbor, _ := x.region.Site("harbor-main")
	identifier := harbor.Authority + "|" + shares.Local
	if r, err := x.wish(x.ctx, james[0], "riverside-clinic", true); err != nil || r.status != http.StatusCreated {
		t.Fatalf("his refusal: %d %v", r.status, err)
	}
	count := func() int { return total(t, x.search("harbor-main", treating, identifier)) }
	own := count()
	if own == 0 {
		t.Fatal("nothing is shown before the link, so nothing would be shown by the test")
	}
	before := map[string]int64{refuses.Local: x.personOf(refuses.Local), shares.Local: x.personOf(shares.Local)}
	var ids []string
	for i, site := range []string{"riverside-clinic", "harbor-main"} {
		id, err := x.patientID(x.ctx, james[i], site)
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}

	stop := make(chan struct{})
	seen := x.watch("harbor-main", identifier, stop)
	linking := time.Now()
	change := x.link(ids...)
	linked := time.Now()

	// 200 things follow: each man at twenty more sites, updated there again and again, and documents of the one who shares.
	locals := map[string][]string{}
	shares.Documents += 40
	published := 0
	for i := range 200 {
		g := refuses
		if i%2 == 1 {
			g = shares
		}
		if i%5 == 4 {
			body := x.provideBundle(harbor, shares, own+published, own+published+1)
			if r, err := x.clients["harbor-main-feed"].api.call(x.ctx, feeding, http.MethodPost, x.origins[i%2]+"/fhir", body); err != nil || r.status != http.StatusOK {
				t.Fatalf("a document: %d %v", r.status, err)
			}
			published++
			continue
		}
		first := g.Local
		g.Local = fmt.Sprintf("%s-%d", first, i%40/2)
		g.Phone = fmt.Sprintf("410-555-0%03d", 100+i/40) // a new one each time: an update, not a repetition
		authority := many[i%40/2]
		target := x.origins[i%2] + "/fhir/Patient?identifier=" + url.QueryEscape(authority+"|"+g.Local)
		r, err := x.clients["many-feed"].api.call(x.ctx, feeding, http.MethodPut, target, g.Patient(sim.Site{Authority: authority}))
		if err != nil || r.status != http.StatusOK && r.status != http.StatusCreated {
			t.Fatalf("a registration: %d %v", r.status, err)
		}
		if r.status == http.StatusCreated {
			locals[first] = append(locals[first], g.Local)
		}
	}
	undoing := time.Now()
	x.must(http.StatusOK, "steward-desk", settling, http.MethodPost, "/admin/v1/match/changes/"+change+"/undo", map[string]any{"reason": "two men"})
	undone := time.Now()
	for range 5 {
		if got := count(); got != own+published {
			t.Errorf("%d documents after the link was taken back, want %d", got, own+published)
		}
	}
	close(stop)
	glances, while := seen(), 0
	for _, g := range glances {
		switch {
		case g.asked.After(linked) && g.came.Before(undoing):
			if while++; g.total != 0 {
				t.Errorf("%d documents shown while the two were one and one of them refused", g.total)
			}
		case g.came.Before(linking) && g.total != own, g.asked.After(undone) && g.total != own+published:
			t.Errorf("%d documents shown while the two were two, want all of the one who shares", g.total)
		case g.total != 0 && g.total != own && g.total != own+published:
			t.Errorf("%d documents shown around a change of links, want none or all", g.total)
		}
	}
	if while < 20 {
		t.Errorf("only %d of %d glances fell into the time of the link", while, len(glances))
	}

	for first, person := range before {
		for _, local := range append(locals[first], first) {
			if got := x.personOf(local); got != person {
				t.Errorf("%s is with person %d, want %d, whom %s was with before the link", local, got, person, first)
			}
		}
	}
	x.consistent()
}

// personOf returns the person a site's patient belongs to, by the local id, which only one site uses.
func (x *exchangeUnderTest) personOf(local string) (person int64) {
	x.t.Helper()
	if err := x.db.QueryRow(x.ctx, `select m.person_id from mpi.person_member m join mpi.source_patient s using (sp_id) where s.value = $1`, local).Scan(&person); err != nil {
		x.t.Fatal(err)
	}
	return person
}
