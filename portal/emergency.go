package portal

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

// D4, emergency access: a claim with a coded reason, words and three attestations, made by somebody who has just proved
// who they are. What a claim needs and what it opens is consent's to say; the page asks for what consent.Emergency checks.

// emergency answers GET /patients/:patient/emergency.
func (v *visit) emergency() error {
	who, err := v.patientBanner(v.c.Param("patient"))
	if err != nil {
		return err
	}
	v.showEmergency(http.StatusOK, who, v.draft("claim "+who.ID), nil)
	return nil
}

func (v *visit) showEmergency(status int, who foundPatient, form url.Values, faults []fault) {
	attested := map[string]bool{}
	for _, a := range form["attested"] {
		attested[a] = true
	}
	v.show(status, "emergency", map[string]any{"Patient": who, "Reasons": consent.EmergencyReasons(), "Attestations": consent.Attestations(),
		"Reason": form.Get("reason"), "Text": form.Get("text"), "Attested": attested, "Faults": faults})
}

// claimEmergency answers POST /patients/:patient/emergency: what is wrong is said at once; what is right is kept for the
// page that confirms it, which asks for a fresh proof.
func (v *visit) claimEmergency() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	who, err := v.patientBanner(v.c.Param("patient"))
	if err != nil {
		return err
	}
	var faults []fault
	if !slices.Contains(consent.EmergencyReasons(), form.Get("reason")) {
		faults = append(faults, fault{"reason", "emergency.fault.reason"})
	}
	if utf8.RuneCountInString(strings.TrimSpace(form.Get("text"))) < 20 {
		faults = append(faults, fault{"text", "emergency.fault.text"})
	}
	for _, a := range consent.Attestations() {
		if !slices.Contains(form["attested"], a) {
			faults = append(faults, fault{"attest-" + a, "emergency.fault.attest"})
			break
		}
	}
	if faults != nil {
		v.showEmergency(http.StatusUnprocessableEntity, who, form, faults)
		return nil
	}
	if err := v.keepDraft("claim "+who.ID, url.Values{"reason": form["reason"], "text": form["text"], "attested": form["attested"]}); err != nil {
		return err
	}
	return v.redirect("/patients/" + who.ID + "/emergency/confirm")
}

// confirmEmergency answers GET /patients/:patient/emergency/confirm.
func (v *visit) confirmEmergency() error {
	who, err := v.patientBanner(v.c.Param("patient"))
	if err != nil {
		return err
	}
	d := v.draft("claim " + who.ID)
	if d == nil {
		return v.redirect("/patients/" + who.ID + "/emergency")
	}
	v.show(http.StatusOK, "emergencyconfirm", map[string]any{"Patient": who, "Reason": d.Get("reason"), "Text": d.Get("text")})
	return nil
}

// openEmergency answers POST /patients/:patient/emergency/open: the claim is made, through the API's own operation.
func (v *visit) openEmergency() error {
	id := v.c.Param("patient")
	d := v.draft("claim " + id)
	if d == nil {
		return v.redirect("/patients/" + url.PathEscape(id) + "/emergency")
	}
	who, err := v.patientBanner(id)
	if err != nil {
		return err
	}
	if who.Local.IsZero() {
		return hie.ErrNotFound
	}
	claim := fhir.Parameters{ResourceType: "Parameters", Parameter: []fhir.Parameter{
		{Name: "identifier", ValueIdentifier: &fhir.Identifier{System: who.Local.System, Value: who.Local.Value}},
		{Name: "reason", ValueCode: d.Get("reason")}, {Name: "text", ValueString: strings.TrimSpace(d.Get("text"))}}}
	for _, a := range d["attested"] {
		claim.Parameter = append(claim.Parameter, fhir.Parameter{Name: "attested", ValueCode: a})
	}
	actor := v.actor()
	actor.Purposes = []hie.Purpose{hie.PurposeBreakGlass}
	a, err := v.callAs(actor, http.MethodPost, "/fhir/Patient/$break-glass", claim, "Content-Type", "application/fhir+json")
	if err != nil {
		return err
	}
	var done fhir.Parameters
	if err := a.into(&done); err != nil {
		return err
	}
	until := v.now
	for _, p := range done.Parameter {
		if p.Name == "until" {
			if t, err := time.Parse(time.RFC3339Nano, p.ValueDateTime); err == nil {
				until = t
			}
		}
	}
	delete(v.drafts, "claim "+id)
	if err := v.keepDraft("emergency "+id, url.Values{"until": {until.Format(time.RFC3339)}}); err != nil {
		return err
	}
	return v.redirect("/patients/" + url.PathEscape(id))
}

// Claims lists claims of emergencies. *consentpg.Store is one; its method says what it does.
type Claims interface {
	Tasks(ctx context.Context, f consent.TaskFilter) (tasks []consent.Task, more bool, err error)
}

// recallEmergency forgets a claim about who that this session remembers and that somebody has ended: under it nothing would be
// shown any more, not even what may be seen without.
func (v *visit) recallEmergency(who foundPatient) error {
	actor, until := v.asking(who.ID)
	if until.IsZero() {
		return nil
	}
	record, err := v.deps.RecordOf(v.ctx, who.Local)
	if err != nil {
		return err
	}
	f := consent.TaskFilter{Organization: actor.Organization, Claimant: actor.User, HoldsAt: v.now, Limit: 200}
	for more := true; more; {
		var tasks []consent.Task
		if tasks, more, err = v.deps.Claims.Tasks(v.ctx, f); err != nil {
			return err
		}
		for _, t := range tasks {
			if f.After = t.ID; slices.Contains(t.Records, record) {
				return nil
			}
		}
	}
	if err := v.keepDraft("emergency "+who.ID, nil); err != nil {
		return err
	}
	v.notice = "records.emergency.over"
	return nil
}

// endEmergency answers POST /patients/:patient/emergency/end: who claimed it says that it is over.
func (v *visit) endEmergency() error {
	id := v.c.Param("patient")
	who, err := v.patientBanner(id)
	if err != nil {
		return err
	}
	if who.Local.IsZero() {
		return hie.ErrNotFound
	}
	over := fhir.Parameters{ResourceType: "Parameters", Parameter: []fhir.Parameter{
		{Name: "identifier", ValueIdentifier: &fhir.Identifier{System: who.Local.System, Value: who.Local.Value}}}}
	if _, err := v.call(http.MethodPost, "/fhir/Patient/$end-emergency", over, "Content-Type", "application/fhir+json"); err != nil {
		return err
	}
	delete(v.drafts, "emergency "+id)
	if err := v.say("records.emergency.over"); err != nil {
		return err
	}
	return v.redirect("/patients/" + url.PathEscape(id))
}
