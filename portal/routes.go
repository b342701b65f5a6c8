package portal

import (
	"net/http"
	"slices"

	"github.com/concord-hie/concord/access"
)

// Who pages are for.
var (
	patients   = []access.Duty{access.DutyPatient}
	helpers    = []access.Duty{access.DutyHelper}
	clinicians = []access.Duty{access.DutyClinician}
	desks      = []access.Duty{access.DutyDesk}
	officers   = []access.Duty{access.DutyPrivacy}
	practice   = []access.Duty{access.DutyClinician, access.DutyDesk}
)

// table is where every page and action of the portal is named, in the order of the navigation.
func (p *Portal) table() []route {
	const get, post = http.MethodGet, http.MethodPost
	all := []route{
		{method: get, path: "/", open: true, do: (*visit).home},
		{method: get, path: "/assets/:hash/*name", open: true, passive: true, do: (*visit).asset},
		{method: get, path: "/help", open: true, do: (*visit).help},
		{method: post, path: "/language", open: true, do: (*visit).setLanguage},
		{method: get, path: "/signin", open: true, do: (*visit).signIn},
		{method: get, path: "/signin/return", open: true, do: (*visit).signedIn},
		{method: get, path: "/signin/again", do: (*visit).signInAgain},
		{method: post, path: "/signout", open: true, do: (*visit).signOut},
		{method: post, path: "/session/stay", do: (*visit).stay},

		{method: get, path: "/my", duties: patients, nav: "nav.home", do: (*visit).myHome},
		{method: get, path: "/my/choice", duties: patients, nav: "nav.choice", do: (*visit).choice},
		{method: post, path: "/my/choice", duties: patients, manage: true, do: (*visit).choose},
		{method: get, path: "/my/choice/check", duties: patients, manage: true, do: (*visit).checkChoice},
		{method: post, path: "/my/choice/confirm", duties: patients, manage: true, stepUp: true, again: "/my/choice/check", do: (*visit).confirmChoice},
		{method: get, path: "/my/choice/receipt/:consent/:version", duties: patients, do: (*visit).receipt},
		{method: get, path: "/my/looked", duties: patients, nav: "nav.looked", do: (*visit).looked},
		{method: get, path: "/my/looked.csv", duties: patients, stepUp: true, do: (*visit).lookedCSV},
		{method: get, path: "/my/looked.json", duties: patients, stepUp: true, do: (*visit).lookedFHIR},
		{method: get, path: "/my/looked/ask/:event", duties: patients, do: (*visit).askForm},
		{method: post, path: "/my/looked/ask/:event", duties: patients, manage: true, do: (*visit).ask},
		{method: get, path: "/my/questions", duties: patients, do: (*visit).myQuestions},
		{method: get, path: "/my/places", duties: patients, nav: "nav.places", do: (*visit).places},
		{method: get, path: "/my/places/:site", duties: patients, do: (*visit).placeDocuments},
		{method: get, path: "/my/rules", duties: patients, nav: "nav.rules", do: (*visit).rules},
		{method: post, path: "/my/rules", duties: patients, manage: true, do: (*visit).addRule},
		{method: get, path: "/my/rules/check", duties: patients, manage: true, do: (*visit).checkRule},
		{method: post, path: "/my/rules/confirm", duties: patients, manage: true, again: "/my/rules/check", do: (*visit).confirmRule},
		{method: post, path: "/my/rules/:consent/pause", duties: patients, manage: true, stepUp: true, again: "/my/rules", do: (*visit).pauseRule},
		{method: post, path: "/my/rules/:consent/resume", duties: patients, manage: true, stepUp: true, again: "/my/rules", do: (*visit).resumeRule},
		{method: post, path: "/my/rules/:consent/end", duties: patients, manage: true, stepUp: true, again: "/my/rules", do: (*visit).endRule},
		{method: get, path: "/my/preview", duties: patients, nav: "nav.preview", do: (*visit).previewAs},

		{method: get, path: "/my/notmine", duties: patients, do: (*visit).notMineForm},
		{method: post, path: "/my/notmine", duties: patients, manage: true, do: (*visit).notMine},
		{method: get, path: "/my/helpers", duties: patients, self: true, nav: "nav.helpers", do: (*visit).helpers},
		{method: post, path: "/my/helpers", duties: patients, self: true, again: "/my/helpers", do: (*visit).nameHelper},
		{method: post, path: "/my/helpers/:helper/end", duties: patients, self: true, do: (*visit).endHelper},
		{method: get, path: "/my/reports", duties: patients, nav: "nav.reports", do: (*visit).myReports},
		{method: post, path: "/my/reports", duties: patients, manage: true, do: (*visit).askReport},
		{method: get, path: "/my/reports/:report", duties: patients, do: (*visit).myReport},
		{method: get, path: "/my/reports/:report/table.csv", duties: patients, stepUp: true, do: (*visit).myReportCSV},
		{method: get, path: "/my/alerts", duties: patients, self: true, nav: "nav.alerts", do: (*visit).alerts},
		{method: post, path: "/my/alerts", duties: patients, self: true, do: (*visit).setAlerts},
		{method: post, path: "/my/alerts/code", duties: patients, self: true, do: (*visit).sendCode},
		{method: post, path: "/my/alerts/confirm", duties: patients, self: true, do: (*visit).confirmAlerts},
		{method: post, path: "/my/alerts/remove", duties: patients, self: true, do: (*visit).removeAlerts},

		{method: get, path: "/helping", duties: helpers, nav: "nav.helping", do: (*visit).helping},
		{method: post, path: "/helping/:helped", duties: helpers, do: (*visit).actFor},
		{method: get, path: "/helping/invited/:invite", duties: helpers, do: (*visit).invitation},
		{method: post, path: "/helping/invited/:invite", duties: helpers, do: (*visit).acceptInvitation},

		{method: get, path: "/officer/questions", duties: officers, nav: "nav.questions", do: (*visit).openQuestions},
		{method: post, path: "/officer/questions/:question", duties: officers, do: (*visit).answerQuestion},

		{method: get, path: "/find", duties: practice, nav: "nav.find", do: (*visit).findForm},
		{method: post, path: "/find", duties: practice, do: (*visit).find},
		{method: get, path: "/patients/:patient", duties: clinicians, do: (*visit).records},
		{method: get, path: "/patients/:patient/progress", duties: clinicians, passive: true, do: (*visit).progress},
		{method: get, path: "/patients/:patient/emergency", duties: clinicians, do: (*visit).emergency},
		{method: post, path: "/patients/:patient/emergency", duties: clinicians, do: (*visit).claimEmergency},
		{method: get, path: "/patients/:patient/emergency/confirm", duties: clinicians, stepUp: true, do: (*visit).confirmEmergency},
		{method: post, path: "/patients/:patient/emergency/open", duties: clinicians, stepUp: true, again: "/find", do: (*visit).openEmergency},
		{method: post, path: "/patients/:patient/emergency/end", duties: clinicians, do: (*visit).endEmergency},
		{method: get, path: "/documents/:document", duties: clinicians, do: (*visit).document},
		{method: get, path: "/documents/:document/file", duties: clinicians, do: (*visit).documentFile},

		{method: get, path: "/desk/:patient", duties: desks, do: (*visit).desk},
		{method: post, path: "/desk/:patient", duties: desks, do: (*visit).takeDown},
		{method: get, path: "/desk/:patient/form", duties: desks, do: (*visit).deskForm},
		{method: get, path: "/desk/:patient/confirm", duties: desks, stepUp: true, do: (*visit).confirmDesk},
		{method: post, path: "/desk/:patient/file", duties: desks, stepUp: true, body: maxScan + 1<<20, again: "/find", do: (*visit).fileDesk},
		{method: get, path: "/desk/:patient/receipt/:consent/:version", duties: desks, do: (*visit).deskReceipt},
	}
	return slices.Concat(officerPages(), all, stewardPages(), operatorPages(), integratorPages())
}

// routes puts the table in force.
func (p *Portal) routes() {
	for _, r := range p.table() {
		p.engine.Handle(r.method, r.path, p.handle(r))
	}
}

// home answers GET /: the page somebody begins at.
func (v *visit) home() error {
	switch v.session.Duty {
	case "":
		return v.landing()
	case access.DutyPatient:
		return v.redirect("/my")
	}
	for _, l := range v.frame("", nil).Nav {
		return v.redirect(l.Path)
	}
	v.show(http.StatusOK, "desk", nil)
	return nil
}

// help answers GET /help.
func (v *visit) help() error {
	v.show(http.StatusOK, "help", nil)
	return nil
}
