package portal

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
)

// P4 and P5, rules: what a patient keeps back beside their choice, by place, by kind, by subject and by document, for how long.

// rules answers GET /my/rules: what is kept back, from whom, for which reasons and until when, and what can be.
func (v *visit) rules() error { return v.showRules(http.StatusOK, nil, nil) }

func (v *visit) showRules(status int, form url.Values, faults []fault) error {
	mine, others, err := v.keptBack()
	if err != nil {
		return err
	}
	where, err := v.whereabouts()
	if err != nil {
		return err
	}
	now, elsewhere := standing(others)
	kept, kinds := map[string]bool{}, map[string]bool{}
	for _, f := range mine {
		kept[f.Rule.Group] = kept[f.Rule.Group] || !f.Over && f.Rule.fromAll()
	}
	for _, p := range where {
		for _, k := range p.Kinds {
			kinds[k.Class] = k.Class != ""
		}
	}
	maps.DeleteFunc(kinds, func(_ string, named bool) bool { return !named })
	v.show(status, "rules", map[string]any{"Now": now, "Mine": mine, "Elsewhere": elsewhere, "Groups": groups, "Kept": kept, "Faults": faults,
		"Places": where, "Kinds": slices.Sorted(maps.Keys(kinds)), "Orgs": v.sharers(), "Purposes": rulePurposes,
		"What": form.Get("what"), "Org": form.Get("org"), "Purpose": form.Get("purpose")})
	return nil
}

// addRule answers POST /my/rules: the rule is kept for checking.
func (v *visit) addRule() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	if what := form.Get("what"); what != "" { // "site:harbor-main": what of which sort
		sort, which, _ := strings.Cut(what, ":")
		if !slices.Contains([]string{"all", "site", "class", "group"}, sort) {
			return hie.Invalid("what", "must be of the list")
		}
		form.Set(sort, which)
		if sort == "all" && form.Get("org") == "" && form.Get("purpose") == "" {
			return v.showRules(http.StatusUnprocessableEntity, form, []fault{{"what", "rules.fault.nothing"}})
		}
	}
	r, err := v.formRule(form)
	if err != nil {
		return err
	}
	if r.Document != "" { // one of theirs, by the name it has
		a, err := v.call(http.MethodGet, "/fhir/DocumentReference/"+url.PathEscape(r.Document), nil)
		if err != nil {
			return err
		}
		p, err := readReference(a.body)
		if err != nil {
			return err
		}
		r.Title = p.Title
	}
	if err := v.keepDraft("rule", url.Values{"org": form["org"], "purpose": form["purpose"], "site": form["site"], "class": form["class"], "group": form["group"], "document": form["document"], "title": {r.Title},
		"back": {backTo(form)}}); err != nil {
		return err
	}
	return v.redirect("/my/rules/check")
}

// backTo is the page a form says to come back to: one of the patient's own, else the rules.
func backTo(form url.Values) string {
	if b := local(form.Get("back")); strings.HasPrefix(b, "/my/") {
		return b
	}
	return "/my/rules"
}

// checkRule answers GET /my/rules/check: what the rule would keep back, decided as requests are.
func (v *visit) checkRule() error {
	d := v.draft("rule")
	if d == nil {
		return v.redirect("/my/rules")
	}
	return v.showRule(http.StatusOK, d, nil)
}

func (v *visit) showRule(status int, d url.Values, faults []fault) error {
	r, err := v.formRule(d)
	if err != nil {
		return err
	}
	proposed := r
	proposed.Until = "" // what it does while it holds
	directive, err := v.proposed(v.writeRule(proposed, v.myID()))
	if err != nil {
		return err
	}
	as := v.doctorAt(r.Org)
	if r.Purpose != "" {
		as.Purposes = []hie.Purpose{hie.Purpose(r.Purpose)}
	}
	before, err := v.deps.Preview.Preview(v.ctx, v.actor(), federation.Preview{As: as})
	if err != nil {
		return err
	}
	after, err := v.deps.Preview.Preview(v.ctx, v.actor(), federation.Preview{As: as,
		Propose: func(onFile []consent.Directive) []consent.Directive { return append(onFile, directive) }})
	if err != nil {
		return err
	}
	type change struct {
		federation.Outlook
		Before int64
	}
	shown := map[federation.Outlook]int64{}
	for _, b := range before {
		shown[federation.Outlook{Site: b.Site, Class: b.Class}] = b.Shown
	}
	var changes []change
	for _, a := range after {
		if b := shown[federation.Outlook{Site: a.Site, Class: a.Class}]; b != a.Shown {
			changes = append(changes, change{a, b})
		}
	}
	v.show(status, "rulecheck", map[string]any{"Rule": r, "Changes": changes, "Proven": v.session.SteppedUp(v.now), "Faults": faults, "Today": v.dayHere(), "Back": backTo(d)})
	return nil
}

// confirmRule answers POST /my/rules/confirm.
func (v *visit) confirmRule() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	d := v.draft("rule")
	if d == nil {
		return v.redirect("/my/rules")
	}
	d.Set("until", form.Get("until"))
	r, err := v.formRule(d)
	if err != nil {
		return err
	}
	if !v.checkUntil(r.Until) {
		return v.showRule(http.StatusUnprocessableEntity, d, []fault{{"until", "rulecheck.fault.until"}})
	}
	if !v.session.SteppedUp(v.now) { // the day that was picked is there again afterwards
		if err := v.keepDraft("rule", d); err != nil {
			return err
		}
		return errStepUp
	}
	if _, err := v.call(http.MethodPost, "/fhir/Consent", v.writeRule(r, v.myID()), "Content-Type", "application/fhir+json"); err != nil {
		return err
	}
	back := backTo(d)
	delete(v.drafts, "rule")
	if err := v.say("rules.added"); err != nil {
		return err
	}
	return v.redirect(back)
}

// pauseRule answers POST /my/rules/:consent/pause: until it is taken up again the rule keeps nothing back.
func (v *visit) pauseRule() error { return v.turnRule(true, "rules.paused") }

// resumeRule answers POST /my/rules/:consent/resume: the rule keeps back from now on what it did before.
func (v *visit) resumeRule() error { return v.turnRule(false, "rules.resumed") }

func (v *visit) turnRule(paused bool, done string) error {
	form, err := v.form()
	if err != nil {
		return err
	}
	err = v.changeRule(v.c.Param("consent"), func(_ *wireConsent, r rule) wireConsent {
		r.Paused = paused
		return v.writeRule(r, v.myID())
	})
	if err != nil {
		return err
	}
	if err := v.say(done); err != nil {
		return err
	}
	return v.redirect(backTo(form))
}

// endRule answers POST /my/rules/:consent/end: the rule holds no longer.
func (v *visit) endRule() error {
	form, err := v.form()
	if err != nil {
		return err
	}
	err = v.changeRule(v.c.Param("consent"), func(_ *wireConsent, r rule) wireConsent {
		r.Paused = false
		c := v.writeRule(r, v.myID())
		yes := true
		c.Status, c.Extension = "inactive", append(c.Extension, fhir.Extension{URL: consentfhir.ReturnToDefaultURL, ValueBoolean: &yes})
		return c
	})
	if err != nil {
		return err
	}
	if err := v.say("rules.ended"); err != nil {
		return err
	}
	return v.redirect(backTo(form))
}
