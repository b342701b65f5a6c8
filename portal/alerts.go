package portal

import (
	"context"
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
}

// alerts answers GET /my/alerts.
func (v *visit) alerts() error {
	s, err := v.deps.Alerts.Setting(v.ctx, v.session.Actor.Patient)
	if err != nil {
		return err
	}
	v.showAlerts(http.StatusOK, s, nil)
	return nil
}

func (v *visit) showAlerts(status int, s audit.AlertSetting, faults []fault) {
	wanted := map[audit.AlertKind]bool{}
	for _, k := range s.Kinds {
		wanted[k] = true
	}
	v.show(status, "alerts", map[string]any{"Address": s.Address, "Wanted": wanted, "Kinds": audit.AlertKinds, "Mails": v.cfg.Mails, "Faults": faults})
}

// setAlerts answers POST /my/alerts.
func (v *visit) setAlerts() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	if !v.cfg.Mails {
		return hie.ErrForbidden
	}
	s := audit.AlertSetting{Record: v.session.Actor.Patient, Address: strings.TrimSpace(form.Get("address")), Language: v.language}
	for _, k := range audit.AlertKinds {
		if slices.Contains(form["kind"], string(k)) {
			s.Kinds = append(s.Kinds, k)
		}
	}
	if wrong(s.Check()) { // of the form's two fields only the address can be wrong
		v.showAlerts(http.StatusUnprocessableEntity, s, []fault{{"address", "alerts.fault"}})
		return nil
	}
	if err := v.deps.Alerts.Set(v.ctx, v.actor(), s); err != nil {
		return err
	}
	if err := v.say("alerts.saved"); err != nil {
		return err
	}
	return v.redirect("/my/alerts")
}

// AlertMail writes the message of an alert. base is the portal's origin.
func AlertMail(a audit.Alert, base string) mail.Message {
	w := readWords()
	language := a.Language
	if !slices.Contains(languages, language) {
		language = languages[0]
	}
	key := "alert." + string(a.Kind)
	return mail.Message{To: a.Address, Subject: w.say(language, key), Language: language, ID: a.Event + "-" + string(a.Kind),
		Text: w.say(language, key) + "\n\n" + w.say(language, "mail.look", "url", base+"/my/looked") + "\n\n" + w.say(language, "mail.why") + "\n"}
}
