package portal

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

// P2, my choice: choose, see what it would do, confirm, keep the receipt.

// A fault is what is wrong with one field of a form.
type fault struct{ Field, Key string }

// sharers are the organisations a patient can name: all that treat people here.
func (v *visit) sharers() []directory.Organization {
	return slices.DeleteFunc(v.deps.Network().Organizations(), func(o directory.Organization) bool { return !o.Active || o.Kind == "network" })
}

// myID is the public id of the record of the patient who is signed in.
func (v *visit) myID() string { return v.deps.PatientID(v.session.Actor.Patient) }

// choice answers GET /my/choice.
func (v *visit) choice() error {
	all, err := v.consentsOf("")
	if err != nil {
		return err
	}
	now, others := standing(all)
	picked := wish{}
	if d := v.draft("choice"); d != nil {
		picked = draftWish(d)
	} else if now != nil {
		picked = now.Wish
	}
	v.showChoice(http.StatusOK, picked, now, others, nil)
	return nil
}

func (v *visit) showChoice(status int, picked wish, now *filed, others []filed, faults []fault) {
	chosen := map[hie.OrgID]bool{}
	for _, o := range picked.Orgs {
		chosen[o] = true
	}
	v.show(status, "choice", map[string]any{"Picks": picks, "Picked": picked.Pick, "Chosen": chosen, "Orgs": v.sharers(), "Now": now, "Others": others, "Faults": faults})
}

func draftWish(form url.Values) wish {
	w := wish{Pick: pick(form.Get("pick"))}
	if w.Pick == pickSome {
		for _, o := range form["org"] {
			w.Orgs = append(w.Orgs, hie.OrgID(o))
		}
		slices.Sort(w.Orgs)
		w.Orgs = slices.Compact(w.Orgs)
	}
	return w
}

// faultsOf says what a wish lacks. What no form of ours can send is an error.
func (v *visit) faultsOf(w wish) ([]fault, error) {
	var faults []fault
	if !slices.Contains(picks, w.Pick) {
		faults = append(faults, fault{"pick-share", "choice.fault.pick"})
	}
	known := v.sharers()
	for _, o := range w.Orgs {
		if !slices.ContainsFunc(known, func(k directory.Organization) bool { return k.ID == o }) {
			return nil, hie.Invalid("org", "must be an organization of this network")
		}
	}
	if w.Pick == pickSome && len(w.Orgs) == 0 {
		faults = append(faults, fault{"pick-some", "choice.fault.orgs"})
	}
	return faults, nil
}

// choose answers POST /my/choice: the pick is kept for checking; nothing is filed.
func (v *visit) choose() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	w := draftWish(form)
	faults, err := v.faultsOf(w)
	if err != nil {
		return err
	}
	if faults != nil {
		all, err := v.consentsOf("")
		if err != nil {
			return err
		}
		now, others := standing(all)
		v.showChoice(http.StatusUnprocessableEntity, w, now, others, faults)
		return nil
	}
	if err := v.keepDraft("choice", url.Values{"pick": form["pick"], "org": form["org"]}); err != nil {
		return err
	}
	return v.redirect("/my/choice/check")
}

// A forecast says what somebody would be shown before and after a change.
type forecast struct {
	Key                   string // its words: check.KEY
	Before, After, Total  int64
	BeforePart, AfterPart bool
}

// viewpoints are who a change is shown for. Roles and purposes are those a member of a practice would state.
var viewpoints = []struct {
	key       string
	purpose   hie.Purpose
	emergency bool
}{{"check.treating", hie.PurposeTreat, false}, {"check.emergency", hie.PurposeBreakGlass, true}}

// checkChoice answers GET /my/choice/check: what the pick would do, decided as requests are.
func (v *visit) checkChoice() error {
	d := v.draft("choice")
	if d == nil {
		return v.redirect("/my/choice")
	}
	w := draftWish(d)
	all, err := v.consentsOf("")
	if err != nil {
		return err
	}
	now, others := standing(all)
	propose, err := v.proposing(w, all)
	if err != nil {
		return err
	}
	var forecasts []forecast
	for _, p := range viewpoints {
		as := v.doctorAt("")
		as.Purposes = []hie.Purpose{p.purpose}
		f := forecast{Key: p.key}
		if f.Before, f.Total, err = v.shownTo(as, p.emergency, nil); err == nil {
			f.After, _, err = v.shownTo(as, p.emergency, propose)
		}
		if err != nil {
			return err
		}
		forecasts = append(forecasts, f)
	}
	v.show(http.StatusOK, "choicecheck", map[string]any{"Wish": w, "Now": now, "Others": others, "Forecasts": forecasts, "Proven": v.session.SteppedUp(v.now)})
	return nil
}

// doctorAt is a doctor of an organisation; "" is any that treats people and where the patient is not known to be treated
// by name: the first of the directory.
func (v *visit) doctorAt(org hie.OrgID) hie.Actor {
	a := hie.Actor{Organization: org, Client: v.session.Actor.Client, User: "preview", Roles: []string{"physician"}, Purposes: []hie.Purpose{hie.PurposeTreat}}
	if org == "" {
		for _, o := range v.sharers() {
			a.Organization = o.ID
			break
		}
	}
	return a
}

// shownTo counts what as would be shown, and everything there is.
func (v *visit) shownTo(as hie.Actor, emergency bool, propose func([]consent.Directive) []consent.Directive) (shown, total int64, err error) {
	out, err := v.deps.Preview.Preview(v.ctx, v.actor(), federation.Preview{As: as, Emergency: emergency, Propose: propose})
	for _, o := range out {
		shown, total = shown+o.Shown, total+o.Shown+o.Kept
	}
	return shown, total, err
}

// proposing returns what would be on file if w were filed: w in place of the earlier picks it replaces.
func (v *visit) proposing(w wish, all []filed) (func([]consent.Directive) []consent.Directive, error) {
	d, err := v.proposed(v.signed(writeWish(w, v.myID(), v.now)))
	if err != nil {
		return nil, err
	}
	replaced := map[string]bool{}
	for _, f := range all {
		if f.Ours || f.picked() {
			if _, id, err := v.id("consent", f.ID); err == nil {
				replaced[strconv.FormatInt(id, 10)] = true
			}
		}
	}
	return func(onFile []consent.Directive) []consent.Directive {
		return append(slices.DeleteFunc(onFile, func(o consent.Directive) bool { return replaced[o.ID] }), d)
	}, nil
}

// proposed returns c as decisions would read it if it were filed now.
func (v *visit) proposed(c wireConsent) (consent.Directive, error) {
	version, _, err := consentfhir.ReadFiling(fhir.Encode(c), v.now, nil)
	if err != nil {
		return consent.Directive{}, err
	}
	version.Record, version.Number, version.Filed, version.ByPatient = v.session.Actor.Patient, 1, v.now, v.session.Actor.Representative == ""
	d, err := consentfhir.Directive(version)
	d.ID = "proposed"
	return d, err
}

// confirmChoice answers POST /my/choice/confirm: the pick is filed and holds from the next request on.
func (v *visit) confirmChoice() error {
	d := v.draft("choice")
	if d == nil {
		return v.redirect("/my/choice")
	}
	done, err := v.fileWish(draftWish(d), v.myID())
	if err != nil {
		return err
	}
	if err := v.keepDraft("choice", nil); err != nil {
		return err
	}
	return v.redirect("/my/choice/receipt/" + done.ID + "/" + strconv.FormatInt(done.Version, 10))
}

// receipt answers GET /my/choice/receipt/:consent/:version.
func (v *visit) receipt() error {
	a, err := v.call(http.MethodGet, "/fhir/Consent/"+url.PathEscape(v.c.Param("consent"))+"/_history/"+url.PathEscape(v.c.Param("version")), nil)
	if err != nil {
		return err
	}
	f, err := readFiled(a.body)
	if err != nil {
		return err
	}
	f.At = f.At.In(v.zone())
	v.show(http.StatusOK, "receipt", map[string]any{"Filed": f, "Number": receiptNumber(f), "Name": ""})
	return nil
}

// receiptNumber is what a receipt is known by: enough of the consent's id to find it, and the version.
func receiptNumber(f filed) string {
	id := f.ID
	if len(id) > 12 {
		id = id[:4] + "-" + id[4:8] + "-" + id[8:12]
	}
	return id + "-" + strconv.FormatInt(f.Version, 10)
}
