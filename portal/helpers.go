package portal

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// P8, people who help me: whom a patient has named to act for them, and until when. What such a person may do is
// consent's to say; a person named here may sign for the patient at a desk, as far as their rights go.

// Helpers keeps who may act for patients. *consentpg.Store is one; its methods say what each does.
type Helpers interface {
	Representatives(ctx context.Context, records []hie.SourcePatientID) ([]consent.Representative, error)
	Represent(ctx context.Context, actor hie.Actor, r consent.Representative, expected int64) (consent.Representative, error)
	BindHelper(ctx context.Context, actor hie.Actor, account string, record hie.SourcePatientID, id int64) error
	HelperBound(ctx context.Context, record hie.SourcePatientID, id int64) (bool, error)
	HelpedBy(ctx context.Context, account string) ([]consent.Representative, error)
}

// A helper is one as the page shows them.
type helper struct {
	consent.Representative
	// Ref is their sealed id; Mine says that the patient named them and can end it here; Acts that they may act now.
	Sealed     string
	Mine, Acts bool
	// Invite is the link with which they can begin to act here, "" when they have.
	Invite string
}

// helpers answers GET /my/helpers.
func (v *visit) helpers() error {
	form := url.Values{}
	if d := v.draft("helper"); d != nil {
		form = d
	}
	v.showHelpers(http.StatusOK, form, nil)
	return nil
}

func (v *visit) showHelpers(status int, form url.Values, faults []fault) {
	all, err := v.deps.Helpers.Representatives(v.ctx, []hie.SourcePatientID{v.session.Actor.Patient})
	if err != nil {
		v.fail(err, "")
		return
	}
	var shown []helper
	for _, r := range all {
		if r.Withdrawn {
			continue
		}
		h := helper{Representative: r, Sealed: v.deps.Sealer.ID("helper", int64(r.Record), r.ID), Mine: r.Capacity == consent.CapacityHelper, Acts: r.MayAct(consent.RightsView, v.now, v.zone())}
		if h.Mine && h.Acts {
			bound, err := v.deps.Helpers.HelperBound(v.ctx, r.Record, r.ID)
			if err != nil {
				v.fail(err, "")
				return
			}
			if !bound {
				h.Invite = v.cfg.BaseURL + "/helping/invited/" + v.invite(r)
			}
		}
		shown = append(shown, h)
	}
	v.show(status, "helpers", map[string]any{"Helpers": shown, "Form": form, "Faults": faults})
}

// nameHelper answers POST /my/helpers.
func (v *visit) nameHelper() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	name := strings.TrimSpace(form.Get("name"))
	r := consent.NamedByPatient(v.session.Actor.Patient, name, consent.Rights(form.Get("rights")), v.now.In(v.zone()).Format(time.DateOnly), form.Get("until"))
	var faults []fault
	switch {
	case name == "":
		faults = []fault{{"name", "helpers.fault.name"}}
	case r.Check() != nil:
		faults = []fault{{"until", "helpers.fault.until"}}
	}
	if faults != nil {
		v.showHelpers(http.StatusUnprocessableEntity, form, faults)
		return nil
	}
	if !v.session.SteppedUp(v.now) { // what was typed is there again afterwards
		if err := v.keepDraft("helper", url.Values{"name": form["name"], "rights": form["rights"], "until": form["until"]}); err != nil {
			return err
		}
		return errStepUp
	}
	r.By = v.session.Actor.Organization
	if _, err := v.deps.Helpers.Represent(v.ctx, v.actor(), r, 0); err != nil {
		return err
	}
	delete(v.drafts, "helper")
	if err := v.say("helpers.named"); err != nil {
		return err
	}
	return v.redirect("/my/helpers")
}

// endHelper answers POST /my/helpers/:helper/end: from today on they act for the patient no longer.
func (v *visit) endHelper() error {
	record, id, err := v.id("helper", v.c.Param("helper"))
	if err != nil || hie.SourcePatientID(record) != v.session.Actor.Patient {
		return hie.ErrNotFound
	}
	all, err := v.deps.Helpers.Representatives(v.ctx, []hie.SourcePatientID{v.session.Actor.Patient})
	if err != nil {
		return err
	}
	for _, r := range all {
		if r.ID != id || r.Capacity != consent.CapacityHelper {
			continue
		}
		number := r.Number
		r = consent.EndedByPatient(r, v.now.In(v.zone()))
		if _, err := v.deps.Helpers.Represent(v.ctx, v.actor(), r, number); err != nil {
			return err
		}
		if err := v.say("helpers.ended"); err != nil {
			return err
		}
		return v.redirect("/my/helpers")
	}
	return hie.ErrNotFound
}
