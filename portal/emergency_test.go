package portal

import (
	"context"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/gin-gonic/gin"
)

// claims keeps claims that hold, in memory.
type claims []consent.Task

func (c claims) Tasks(_ context.Context, f consent.TaskFilter) (out []consent.Task, more bool, err error) {
	for _, t := range c {
		if t.ID > f.After && t.Actor.Organization == f.Organization && t.Actor.User == f.Claimant && t.Until.After(f.HoldsAt) {
			out = append(out, t)
		}
	}
	return out, false, nil
}

// Who claimed an emergency that an officer has ended asks as ever again: asked under the claim, the page would show nothing at
// all until the claim's time is up.
func TestAClaimThatSomebodyEndedIsAskedUnderNoMore(t *testing.T) {
	w := newWorld(t)
	who := foundPatient{ID: "somebody", Local: hie.Identifier{System: "urn:oak", Value: "m-1"}}
	bloom := hie.Actor{Organization: "elm", User: "dr-bloom", Purposes: []hie.Purpose{"TREAT"}}
	record, err := w.deps.RecordOf(t.Context(), who.Local)
	if err != nil {
		t.Fatal(err)
	}
	of := func(user string, record hie.SourcePatientID) consent.Task {
		return consent.Task{ID: 7, Actor: hie.Actor{Organization: "elm", User: user}, Records: []hie.SourcePatientID{record}, Until: w.now.Add(time.Hour)}
	}
	for _, row := range []struct {
		name  string
		held  claims
		under bool
	}{
		{"the claim holds", claims{of("dr-bloom", record)}, true},
		{"it was ended", nil, false},
		{"one about somebody else holds", claims{of("dr-bloom", record+1)}, false},
		{"a colleague's holds", claims{of("dr-reed", record)}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			w.deps.Claims = row.held
			c, _ := gin.CreateTestContext(httptest.NewRecorder())
			c.Request = httptest.NewRequest("GET", testBase+"/patients/"+who.ID, nil)
			v := &visit{Portal: w.Portal, c: c, ctx: t.Context(), now: w.now, sessionID: "s",
				drafts: map[string]url.Values{"emergency " + who.ID: {"until": {w.now.Add(time.Hour).Format(time.RFC3339)}}}}
			v.session.Actor = bloom
			if err := v.recallEmergency(who); err != nil {
				t.Fatal(err)
			}
			a, until := v.asking(who.ID)
			if under := a.Purposes[0] == hie.PurposeBreakGlass; under != row.under || until.IsZero() == row.under || (v.notice == "records.emergency.over") == row.under {
				t.Errorf("asks for %v until %v, says %q", a.Purposes, until, v.notice)
			}
		})
	}
}
