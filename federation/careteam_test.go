package federation

import (
	"errors"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/locator"
)

// TestACareTeamThatAWishNamesIsWhoBelongsToItNow asks as a doctor of the clinic for the one document there is.
//
// Source: spec consent 2.2 and 2.4, vector 26.
func TestACareTeamThatAWishNamesIsWhoBelongsToItNow(t *testing.T) {
	now := newWorld(t).now
	doctor := directory.CareTeamMember{Practitioner: "a"}
	left, coming, leaving := doctor, doctor, doctor
	left.Until, coming.From, leaving.Until = now.AddDate(0, 0, -1), now.AddDate(0, 0, 1), now.Add(time.Hour)
	notThem := denyAll(mariaHospital)
	notThem.PolicyRules = []string{"OPTIN"}
	notThem.Provision = &consent.Provision{Type: "permit", Provisions: []consent.Provision{{Type: "deny", Actors: []consent.Actor{{Reference: "CareTeam/ward"}}}}}
	for _, tt := range []struct {
		name    string
		wish    consent.Directive
		user    string
		members []directory.CareTeamMember // nil: there is no such team
		after   time.Duration              // how long after now it is asked again
		now     bool
		then    bool
	}{
		{"only the team: a member today", onlyTheTeam(), "Practitioner/a", []directory.CareTeamMember{doctor}, time.Hour, true, true},
		{"only the team: who left yesterday", onlyTheTeam(), "Practitioner/a", []directory.CareTeamMember{left}, time.Hour, false, false},
		{"only the team: who comes tomorrow", onlyTheTeam(), "Practitioner/a", []directory.CareTeamMember{coming}, 24 * time.Hour, false, true},
		{"only the team: who leaves within the hour", onlyTheTeam(), "Practitioner/a", []directory.CareTeamMember{leaving}, time.Hour, true, false},
		{"only the team: another", onlyTheTeam(), "Practitioner/b", []directory.CareTeamMember{doctor}, time.Hour, false, false},
		{"only the team: the clinic as a whole", onlyTheTeam(), "dr-a", []directory.CareTeamMember{{Organization: "clinic"}}, time.Hour, true, true},
		{"only the team: somebody not named as a practitioner", onlyTheTeam(), "dr-a", []directory.CareTeamMember{doctor}, time.Hour, false, false},
		{"only the team: there is no such team", onlyTheTeam(), "Practitioner/a", nil, time.Hour, false, false},
		{"all but the team: a member today", notThem, "Practitioner/a", []directory.CareTeamMember{doctor}, time.Hour, false, false},
		{"all but the team: who left yesterday", notThem, "Practitioner/a", []directory.CareTeamMember{left}, time.Hour, true, true},
		{"all but the team: somebody who may be a member", notThem, "dr-a", []directory.CareTeamMember{doctor}, time.Hour, false, false},
		{"all but the team: there is no such team", notThem, "Practitioner/a", nil, time.Hour, false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.doc(mariaHospital, "hospital", "11488-4", 1)
			w.say(tt.wish)
			if tt.members != nil {
				w.join(tt.members...)
			}
			asks := clinician()
			asks.User = tt.user
			for _, want := range []bool{tt.now, tt.then} {
				f, err := w.Find(t.Context(), asks, Query{Patient: clinicID, Limit: 10})
				if err != nil || (len(f.Entries) == 1) != want {
					t.Errorf("at %v: %d documents, %v; want one: %t", w.now, len(f.Entries), err, want)
				}
				w.now = w.now.Add(tt.after)
			}
		})
	}
}

// TestAnAnswerUnderWayIsMadeAnewWhenItsCareTeamChanges: what is being looked up when a member's hour strikes, or when somebody
// takes them out of the team, does not leave.
func TestAnAnswerUnderWayIsMadeAnewWhenItsCareTeamChanges(t *testing.T) {
	w := newWorld(t)
	var docs []locator.Pointer
	for day := range 3 {
		docs = append(docs, w.doc(mariaHospital, "hospital", "11488-4", day))
	}
	w.say(onlyTheTeam())
	at := w.now
	w.join(directory.CareTeamMember{Practitioner: "a", Until: at.Add(time.Hour)})
	asks := clinician()
	asks.User = "Practitioner/a"
	w.onFind = func() { w.now = at.Add(time.Hour) }
	if f, err := w.Find(t.Context(), asks, Query{Patient: clinicID, Limit: 10}); err != nil || len(f.Entries) != 0 {
		t.Errorf("%d documents to somebody whose time in the team ended while they were looked up, %v", len(f.Entries), err)
	}
	w.onFind, w.now = nil, at
	w.join(directory.CareTeamMember{Practitioner: "a"})
	w.onFind = func() { w.onFind = nil; w.join() }
	if f, err := w.Find(t.Context(), asks, Query{Patient: clinicID, Limit: 10}); err != nil || len(f.Entries) != 0 {
		t.Errorf("%d documents to somebody who was taken out of the team while they were looked up, %v", len(f.Entries), err)
	}
	if _, err := w.Retrieve(t.Context(), asks, Handle{Ref: docs[0].Ref()}); !errors.Is(err, hie.ErrNotFound) {
		t.Errorf("a document to somebody who is not of the team: %v", err)
	}
}
