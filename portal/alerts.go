package portal

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/mail"
)

// P7, alerts: what a patient is told of by e-mail. A message says that something happened and where to look, never what was
// in it, nor who it was: mail is read by others.

// Alerts keeps what patients want to be told. *auditpg.Alerts is one; its methods say what each does.
type Alerts interface {
	Setting(ctx context.Context, record hie.SourcePatientID) (audit.AlertSetting, error)
	Set(ctx context.Context, actor hie.Actor, s audit.AlertSetting) error
	Ask(ctx context.Context, actor hie.Actor, record hie.SourcePatientID) error
	Waits(ctx context.Context, record hie.SourcePatientID) (bool, error)
	Confirm(ctx context.Context, actor hie.Actor, record hie.SourcePatientID, code string) (bool, error)
}

// alerts answers GET /my/alerts.
func (v *visit) alerts() error {
	s, err := v.deps.Alerts.Setting(v.ctx, v.session.Actor.Patient)
	if err != nil {
		return err
	}
	return v.showAlerts(http.StatusOK, s, nil)
}

func (v *visit) showAlerts(status int, s audit.AlertSetting, faults []fault) error {
	wanted := map[audit.AlertKind]bool{}
	for _, k := range s.Kinds {
		wanted[k] = true
	}
	waits, err := v.deps.Alerts.Waits(v.ctx, v.session.Actor.Patient)
	if err != nil {
		return err
	}
	v.show(status, "alerts", map[string]any{"Address": s.Address, "Wanted": wanted, "Kinds": audit.AlertKinds, "Mails": v.cfg.Mails, "Faults": faults,
		"Confirmed": !s.Confirmed.IsZero(), "Waits": waits})
	return nil
}

// setAlerts answers POST /my/alerts. An address that is not known to be the patient's is sent a code, and nothing else.
func (v *visit) setAlerts() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	if !v.cfg.Mails {
		return hie.ErrForbidden
	}
	me := v.session.Actor.Patient
	before, err := v.deps.Alerts.Setting(v.ctx, me)
	if err != nil {
		return err
	}
	s := audit.AlertSetting{Record: me, Address: strings.TrimSpace(form.Get("address")), Language: v.language}
	for _, k := range audit.AlertKinds {
		if slices.Contains(form["kind"], string(k)) {
			s.Kinds = append(s.Kinds, k)
		}
	}
	if wrong(s.Check()) { // of the form's two fields only the address can be wrong
		return v.showAlerts(http.StatusUnprocessableEntity, s, []fault{{"address", "alerts.fault"}})
	}
	if err := v.deps.Alerts.Set(v.ctx, v.actor(), s); err != nil {
		return err
	}
	if s.Address != "" && s.Address != before.Address {
		return v.sendCode()
	}
	return v.alertsDone("alerts.saved")
}

// alertsDone leads back to the page, which says what was done.
func (v *visit) alertsDone(said string) error {
	if err := v.say(said); err != nil {
		return err
	}
	return v.redirect("/my/alerts")
}

// sendCode answers POST /my/alerts/code: another code is sent to the address on file.
func (v *visit) sendCode() error {
	if !v.cfg.Mails {
		return hie.ErrForbidden
	}
	err := v.deps.Alerts.Ask(v.ctx, v.actor(), v.session.Actor.Patient)
	switch {
	case errors.Is(err, hie.ErrConflict):
		return v.alertsDone("alerts.toooften")
	case errors.Is(err, hie.ErrUnavailable):
		return v.alertsDone("alerts.notsent")
	case errors.Is(err, hie.ErrNotFound):
		return v.redirect("/my/alerts")
	case err != nil:
		return err
	}
	return v.alertsDone("alerts.codesent")
}

// confirmAlerts answers POST /my/alerts/confirm: the code from the mail makes the address the patient's.
func (v *visit) confirmAlerts() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	ok, err := v.deps.Alerts.Confirm(v.ctx, v.actor(), v.session.Actor.Patient, strings.ReplaceAll(form.Get("code"), " ", ""))
	if err != nil {
		return err
	}
	if !ok {
		s, err := v.deps.Alerts.Setting(v.ctx, v.session.Actor.Patient)
		if err != nil {
			return err
		}
		return v.showAlerts(http.StatusUnprocessableEntity, s, []fault{{"code", "alerts.fault.code"}})
	}
	return v.alertsDone("alerts.confirmed")
}

// removeAlerts answers POST /my/alerts/remove: the address is forgotten and nothing is sent any more.
func (v *visit) removeAlerts() error {
	if err := v.deps.Alerts.Set(v.ctx, v.actor(), audit.AlertSetting{Record: v.session.Actor.Patient, Language: v.language}); err != nil {
		return err
	}
	return v.alertsDone("alerts.removed")
}

// AlertMail writes the message of an alert. base is the portal's origin.
func AlertMail(a audit.Alert, base string) mail.Message {
	w := readWords()
	language := a.Language
	if !slices.Contains(languages, language) {
		language = languages[0]
	}
	if a.Kind == audit.AlertCode {
		return mail.Message{To: a.Address, Subject: w.say(language, "alert.code"), Language: language, ID: a.Event + "-" + string(a.Kind),
			Text: w.say(language, "alert.code.text", "code", a.Code) + "\n\n" + w.say(language, "alert.code.where", "url", base+"/my/alerts") + "\n\n" + w.say(language, "alert.code.why") + "\n"}
	}
	key, look, page := "alert."+string(a.Kind), "mail.look", "/my/looked"
	if a.Kind == audit.AlertEnding {
		look, page = "mail.rules", "/my/rules"
	}
	return mail.Message{To: a.Address, Subject: w.say(language, key), Language: language, ID: a.Event + "-" + string(a.Kind),
		Text: w.say(language, key) + "\n\n" + w.say(language, look, "url", base+page) + "\n\n" + w.say(language, "mail.why") + "\n"}
}
