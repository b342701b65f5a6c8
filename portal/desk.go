package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// D5, consent at the desk: what stands, taking down what the patient says, and the form in both languages.

// desk answers GET /desk/:patient.
func (v *visit) desk() error {
	who, all, err := v.atDesk()
	if err != nil {
		return err
	}
	v.showDesk(http.StatusOK, who, all, nil, nil)
	return nil
}

// atDesk reads the patient and what is on file for them at this practice.
func (v *visit) atDesk() (foundPatient, []filed, error) {
	who, err := v.patientBanner(v.c.Param("patient"))
	if err != nil {
		return who, nil, err
	}
	if !who.Own {
		return who, nil, hie.ErrNotFound // another place's registration: its own desk speaks with the patient
	}
	all, err := v.consentsOf(who.ID)
	return who, all, err
}

// methods are how a patient may say it at the desk: method.NAME.
var methods = []string{"paper", "spoken", "phone", "screen"}

func (v *visit) showDesk(status int, who foundPatient, all []filed, form url.Values, faults []fault) {
	now, others := standing(all)
	if now != nil {
		now.At = now.At.In(v.zone())
	}
	chosen := map[hie.OrgID]bool{}
	for _, o := range form["org"] {
		chosen[hie.OrgID(o)] = true
	}
	v.show(status, "deskchoice", map[string]any{"Patient": who, "Now": now, "Others": others, "Picks": picks, "Picked": pick(form.Get("pick")), "Orgs": v.sharers(),
		"Chosen": chosen, "Methods": methods, "Method": form.Get("method"), "Witness": form.Get("witness"), "Faults": faults})
}

// takeDown answers POST /desk/:patient: what the patient said is kept for confirming.
func (v *visit) takeDown() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	who, all, err := v.atDesk()
	if err != nil {
		return err
	}
	w := draftWish(form)
	faults, err := v.faultsOf(w)
	if err != nil {
		return err
	}
	if !slices.Contains(methods, form.Get("method")) {
		faults = append(faults, fault{"method-paper", "desk.fault.method"})
	}
	if m := form.Get("method"); (m == "spoken" || m == "phone") && form.Get("witness") == "" {
		faults = append(faults, fault{"witness", "desk.fault.witness"})
	}
	if faults != nil {
		v.showDesk(http.StatusUnprocessableEntity, who, all, form, faults)
		return nil
	}
	if err := v.keepDraft("desk "+who.ID, url.Values{"pick": form["pick"], "org": form["org"], "method": form["method"], "witness": form["witness"]}); err != nil {
		return err
	}
	return v.redirect("/desk/" + who.ID + "/confirm")
}

// confirmDesk answers GET /desk/:patient/confirm.
func (v *visit) confirmDesk() error { return v.showConfirm(http.StatusOK, nil) }

func (v *visit) showConfirm(status int, faults []fault) error {
	who, _, err := v.atDesk()
	if err != nil {
		return err
	}
	d := v.draft("desk " + who.ID)
	if d == nil {
		return v.redirect("/desk/" + who.ID)
	}
	signers, err := v.signers(who.ID)
	if err != nil {
		return err
	}
	v.show(status, "deskconfirm", map[string]any{"Patient": who, "Wish": draftWish(d), "Method": d.Get("method"), "Witness": d.Get("witness"), "Signers": signers, "Faults": faults})
	return nil
}

// fileDesk answers POST /desk/:patient/file: what the patient said is filed as the form they were asked on, with what it
// rests on.
func (v *visit) fileDesk() error {
	who, all, err := v.atDesk()
	if err != nil {
		return err
	}
	d := v.draft("desk " + who.ID)
	if d == nil {
		return v.redirect("/desk/" + who.ID)
	}
	paper, faults, err := v.paper(d.Get("method"))
	if err != nil {
		return err
	}
	if faults != nil {
		return v.showConfirm(http.StatusUnprocessableEntity, faults)
	}
	paper.Witness = d.Get("witness")
	done, err := v.capture(draftWish(d), who.ID, paper)
	if err != nil {
		return err
	}
	if err := v.takeBack(all, done); err != nil {
		return err
	}
	if err := v.keepDraft("desk "+who.ID, nil); err != nil {
		return err
	}
	return v.redirect("/desk/" + who.ID + "/receipt/" + done.ID + "/" + strconv.FormatInt(done.Version, 10))
}

// deskReceipt answers GET /desk/:patient/receipt/:consent/:version, to print and hand over.
func (v *visit) deskReceipt() error {
	who, _, err := v.atDesk()
	if err != nil {
		return err
	}
	a, err := v.call(http.MethodGet, "/fhir/Consent/"+url.PathEscape(v.c.Param("consent"))+"/_history/"+url.PathEscape(v.c.Param("version")), nil)
	if err != nil {
		return err
	}
	f, err := readFiled(a.body)
	if err != nil {
		return err
	}
	f.At = f.At.In(v.zone())
	v.show(http.StatusOK, "receipt", map[string]any{"Filed": f, "Number": receiptNumber(f), "Name": who.Name})
	return nil
}

// deskForm answers GET /desk/:patient/form: the paper form, English and Spanish side by side, in the words of the forms in
// force: what is signed on it is filed as these.
func (v *visit) deskForm() error {
	who, _, err := v.atDesk()
	if err != nil {
		return err
	}
	all, err := v.deps.Forms.Templates(v.ctx)
	if err != nil {
		return err
	}
	type line struct{ Key, EN, ES string }
	var lines, anyway []line
	var undo line
	var versions []string
	for _, t := range consent.Offered(all, v.deps.Network().Jurisdiction(who.Site)) {
		if !slices.ContainsFunc(picks, func(p pick) bool { return pickForms[p] == t.ID }) {
			continue
		}
		en, es := t.Words["en"], t.Words["es"]
		lines = append(lines, line{t.ID, en.Choice, es.Choice}, line{"", en.Happens, es.Happens})
		if other := (line{"", en.Anyway, es.Anyway}); !slices.Contains(anyway, other) {
			anyway = append(anyway, other)
		}
		undo = line{"", en.Undo, es.Undo}
		versions = append(versions, t.ID+"/"+strconv.FormatInt(t.Version, 10))
	}
	both := func(key string) line { return line{key, v.words.say("en", key), v.words.say("es", key)} }
	v.show(http.StatusOK, "deskform", map[string]any{"Patient": who, "Lines": lines, "Anyway": anyway, "AnywayTitle": both("choice.anyway"),
		"Title": both("choice.title"), "Question": both("choice.question"), "Undo": undo, "Versions": versions,
		"Sign": both("desk.form.sign"), "Date": both("desk.form.date"), "Witness": both("desk.form.witness")})
	return nil
}
