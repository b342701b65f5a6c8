package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/concord-hie/concord/internal/sim"
)

// TestALinkBringsItsConflictToTheDesk: one man refused, another permitted, and they are taken for one. Within seconds, on two
// nodes that both follow the index, there is one task; it goes with the link, and comes back with it under its number.
func TestALinkBringsItsConflictToTheDesk(t *testing.T) {
	x := newExchange(t, 2)
	james := x.region.Story(sim.Namesakes)
	x.enter(james[0], james[1])
	permitting, err1 := x.patientID(x.ctx, james[0], "riverside-clinic")
	refusing, err2 := x.patientID(x.ctx, james[1], "harbor-main")
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	no := refusal(refusing, false, time.Now().Add(-time.Hour))
	yes := strings.NewReplacer(`"OPTOUT"`, `"OPTIN"`, `"deny"`, `"permit"`).Replace(string(refusal(permitting, false, time.Now())))
	x.must(http.StatusCreated, "patient-app", patientActs(refusing), http.MethodPost, "/fhir/Consent", no)
	x.must(http.StatusCreated, "patient-app", patientActs(permitting), http.MethodPost, "/fhir/Consent", []byte(yes))
	tasks := func() (ids []string) {
		var desk struct {
			Tasks []struct{ ID string }
		}
		decode(t, x.must(http.StatusOK, "privacy-desk", asOfficer, http.MethodGet, "/admin/v1/consent/tasks?kind=conflict", nil), &desk)
		for _, task := range desk.Tasks {
			ids = append(ids, task.ID)
		}
		return ids
	}
	become := func(want int, why string) []string {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(200 * time.Millisecond) {
			if got := tasks(); len(got) == want {
				return got
			} else if time.Now().After(deadline) {
				t.Fatalf("%s: %d conflicts at the desk, want %d", why, len(got), want)
			}
		}
	}
	become(0, "two men with a wish each")
	link := func() string { // two stewards agree on it, since it brings different wishes together
		second := asSteward
		second.user, second.name = "q.stone", "Quinn Stone"
		var done struct{ Change, Task string }
		for _, who := range []asker{asSteward, second} {
			decode(t, x.must(http.StatusOK, "steward-desk", who, http.MethodPost, "/admin/v1/match/verdicts",
				map[string]any{"records": []string{permitting, refusing}, "verdict": "same", "reason": "one man, it seems"}), &done)
		}
		if done.Change == "" {
			t.Fatal("two stewards linked nothing")
		}
		return done.Change
	}
	change := link()
	first := become(1, "taken for one")
	time.Sleep(2 * followEvery) // the other node has looked as well
	if got := tasks(); len(got) != 1 {
		t.Errorf("%d conflicts once both nodes have looked, want one", len(got))
	}
	x.must(http.StatusOK, "steward-desk", asSteward, http.MethodPost, "/admin/v1/match/changes/"+change+"/undo", map[string]any{"reason": "two men"})
	become(0, "the link undone")
	link()
	if again := become(1, "linked again"); again[0] != first[0] {
		t.Errorf("task %s, want %s opened again", again[0], first[0])
	}
}
