package portal

import (
	"context"
	"net/http"
	"strings"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
)

// P4, "this is not me": a patient says that what a place holds under their name is somebody else's, and a steward looks.

// Owned tells a patient's own records. *federation.Exchange is one.
type Owned interface {
	Own(ctx context.Context, actor hie.Actor) ([]mpi.Member, error)
}

// Reporter opens a steward's task on a patient's word. *mpi.Index is one.
type Reporter interface {
	Report(ctx context.Context, actor hie.Actor, record, other hie.SourcePatientID, note string) (mpi.Task, error)
}

// notMineForm answers GET /my/notmine?site=.
func (v *visit) notMineForm() error {
	s, ok := v.deps.Network().Site(hie.SiteID(v.c.Query("site")))
	if !ok {
		return hie.ErrNotFound
	}
	v.show(http.StatusOK, "notmine", map[string]any{"Site": s, "Words": "", "Faults": []fault(nil)})
	return nil
}

// notMine answers POST /my/notmine: a task for each record of the patient's that the place registered.
func (v *visit) notMine() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	s, ok := v.deps.Network().Site(hie.SiteID(form.Get("site")))
	if !ok {
		return hie.ErrNotFound
	}
	words := strings.TrimSpace(form.Get("words"))
	if words == "" || len(words) > 1000 {
		v.show(http.StatusUnprocessableEntity, "notmine", map[string]any{"Site": s, "Words": words, "Faults": []fault{{"words", "notmine.fault"}}})
		return nil
	}
	own, err := v.deps.Owned.Own(v.ctx, v.actor())
	if err != nil {
		return err
	}
	opened := false
	for _, m := range own {
		if m.Site != s.ID {
			continue
		}
		other := v.session.Actor.Patient
		if other == m.Record {
			other = 0
		}
		if _, err := v.deps.Reporter.Report(v.ctx, v.actor(), m.Record, other, words); err != nil {
			return err
		}
		opened = true
	}
	if !opened {
		return hie.ErrNotFound
	}
	if err := v.say("notmine.sent"); err != nil {
		return err
	}
	return v.redirect("/my/places")
}
