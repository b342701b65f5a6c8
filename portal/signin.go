package portal

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/concord-hie/concord/access"
	"github.com/concord-hie/concord/access/accessoidc"
	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
)

// A journey is somebody on the way to the identity provider and back.
type journey struct {
	accessoidc.Flow
	// Next is the path they want to be led to.
	Next string
}

// signIn answers GET /signin?next=&as=: the way to the identity provider. as names an account, for a demonstration's
// one-click sign-in; the provider may ignore it.
func (v *visit) signIn() error { return v.depart(accessoidc.Ask{Hint: v.c.Query("as")}) }

// signInAgain answers GET /signin/again?next=: the same person proves anew who they are.
func (v *visit) signInAgain() error {
	return v.depart(accessoidc.Ask{Hint: v.session.Account, StepUp: true})
}

func (v *visit) depart(ask accessoidc.Ask) error {
	if v.deps.SignIn == nil {
		return hie.ErrUnavailable
	}
	ask.Language = v.language
	target, flow, err := v.deps.SignIn.Begin(v.ctx, ask)
	if err != nil {
		return err
	}
	if err := v.hold(v.ctx, journey{Flow: flow, Next: local(v.c.Query("next"))}); err != nil {
		return err
	}
	v.c.Redirect(http.StatusSeeOther, target)
	return nil
}

// signedIn answers GET /signin/return: somebody comes back from the identity provider.
func (v *visit) signedIn() error {
	var j journey
	if err := v.held(&j); err != nil {
		return v.notSignedIn(hie.Actor{}, "no journey of this browser", err)
	}
	id, err := v.deps.SignIn.Finish(v.ctx, j.Flow, v.c.Request.URL.Query())
	if err != nil {
		return v.notSignedIn(hie.Actor{}, "provider", err)
	}
	actor, duty, err := v.admitted(id)
	if err != nil {
		return v.notSignedIn(actor, "", err)
	}
	s := access.Session{Actor: actor, Duty: duty, Account: id.Subject, Started: v.now, Seen: v.now}
	if j.StepUp {
		if v.session.SignedInTo() != duty || v.session.Account != id.Subject || v.session.Actor.Organization != actor.Organization {
			return v.notSignedIn(actor, "stepped up as somebody else", hie.ErrForbidden)
		}
		if !id.Proves(v.deps.SignIn.StepUpClass(), j.Asked) {
			return v.notSignedIn(actor, "no fresh proof", hie.ErrForbidden)
		}
		s = v.session
		s.Seen, s.Proved = v.now, v.now
	} else {
		v.drafts = nil // nothing of somebody else's session goes on in this one
	}
	e := v.happened(audit.TokenIssued, actor, "portal sign-in")
	if j.StepUp {
		e.Detail["interaction"] = "portal step-up"
	}
	if err := v.record(e); err != nil {
		return err
	}
	if err := v.begin(s); err != nil {
		return err
	}
	return v.redirect(j.Next)
}

// admitted says who id is here. The record of a patient is looked up by what the provider states, never by anything
// the browser brought.
func (v *visit) admitted(id access.Identity) (hie.Actor, access.Duty, error) {
	var org access.Organization
	if o, ok := v.deps.Network().OrganizationByURI(id.Organization); ok {
		org = access.Organization{ID: o.ID, Name: o.Name, Identifier: o.Identifier, Active: o.Active}
	}
	var record hie.SourcePatientID
	if !id.Patient.IsZero() {
		var err error
		if record, err = v.deps.RecordOf(v.ctx, id.Patient); err != nil && !errors.Is(err, hie.ErrNotFound) {
			return hie.Actor{}, "", err
		}
	}
	actor, duty, reason := access.Admit(id, org, record)
	if reason != "" {
		return hie.Actor{Organization: org.ID, Client: access.PortalClient}, "", &notAdmitted{reason}
	}
	if record != 0 { // a patient is named by their record, as the patients' own clients name them
		actor.User = "Patient/" + v.deps.PatientID(record)
	}
	return actor, duty, nil
}

// notAdmitted says why somebody the provider knows is not let in; people are not told.
type notAdmitted struct{ reason string }

func (e *notAdmitted) Error() string { return "portal: not admitted: " + e.reason }

// Unwrap makes it hie.ErrForbidden.
func (e *notAdmitted) Unwrap() error { return hie.ErrForbidden }

// notSignedIn records and shows that somebody is not signed in.
func (v *visit) notSignedIn(actor hie.Actor, reason string, err error) error {
	if errors.Is(err, hie.ErrUnavailable) {
		return err
	}
	var no *notAdmitted
	if errors.As(err, &no) {
		reason = no.reason
	}
	actor.Client = access.PortalClient
	e := v.happened(audit.SignInFailed, actor, "portal sign-in")
	e.Outcome, e.Reasons = audit.Refusal, []string{reason}
	if err := v.record(e); err != nil {
		return err
	}
	v.show(http.StatusForbidden, "signin", map[string]any{"Problem": "signin.refused", "Next": "/", "Request": requestID(v.c)})
	return nil
}

// signInFirst shows the way to sign in, to somebody whose page needs it.
func (v *visit) signInFirst(expired bool) {
	problem := "signin.first"
	if expired {
		problem = "signin.expired"
		v.setCookie(sessionCookie, "", -1)
	}
	v.show(http.StatusUnauthorized, "signin", map[string]any{"Problem": problem, "Next": v.here(), "Request": ""})
}

// signOut answers POST /signout: the session ends here and, where the provider has a place for that, there.
func (v *visit) signOut() error {
	if v.sessionID != "" {
		if err := v.record(v.happened(audit.TokenIssued, v.session.Actor, "portal sign-out")); err != nil {
			return err
		}
	}
	if err := v.end(); err != nil {
		return err
	}
	if v.deps.SignIn != nil {
		if target := v.deps.SignIn.SignOutURL(v.ctx, v.cfg.BaseURL+"/"); target != "" {
			v.c.Redirect(http.StatusSeeOther, target)
			return nil
		}
	}
	return v.redirect("/")
}

// stay answers POST /session/stay: the person is still there.
func (v *visit) stay() error {
	v.session.Seen = v.now
	if err := v.save(); err != nil {
		return err
	}
	if v.asked() {
		v.c.JSON(http.StatusOK, map[string]int{"ends": int(v.session.Ends().Sub(v.now) / time.Second)})
		return nil
	}
	form, err := v.form()
	if err != nil {
		return err
	}
	return v.redirect(local(form.Get("next")))
}

// happened begins an event of the portal's own.
func (v *visit) happened(kind audit.Kind, actor hie.Actor, interaction string) audit.Event {
	actor.Request, actor.Address = requestID(v.c), v.c.RemoteIP()
	e := audit.NewEvent(kind, actor, v.now)
	e.Detail = map[string]string{"interaction": interaction}
	return e
}

// record commits e, even if the browser has gone.
func (v *visit) record(e audit.Event) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.ctx), 5*time.Second)
	defer cancel()
	return v.deps.Audit.Record(ctx, e)
}
