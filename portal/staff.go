package portal

import (
	"net/http"

	"github.com/concord-hie/concord/access"
)

// The pages of those who answer for the exchange, in the order of their navigation.

// stewardPages are the pages of data stewards.
func stewardPages() []route {
	const get, post = http.MethodGet, http.MethodPost
	stewards := []access.Duty{access.DutySteward}
	return []route{
		{method: get, path: "/steward", duties: stewards, nav: "nav.queue", do: (*visit).queue},
		{method: post, path: "/steward/work", duties: stewards, do: (*visit).workOnTasks},
		{method: get, path: "/steward/tasks/:task", duties: stewards, do: (*visit).compare},
		{method: post, path: "/steward/tasks/:task/claim", duties: stewards, do: workOnTask("claim", "queue.claimed")},
		{method: post, path: "/steward/tasks/:task/release", duties: stewards, do: workOnTask("release", "queue.released")},
		{method: post, path: "/steward/tasks/:task/snooze", duties: stewards, do: (*visit).snoozeTask},
		{method: post, path: "/steward/tasks/:task/wake", duties: stewards, do: workOnTask("wake", "queue.done.woken")},
		{method: post, path: "/steward/tasks/:task/escalate", duties: stewards, do: (*visit).escalateTask},
		{method: post, path: "/steward/tasks/:task/recall", duties: stewards, do: workOnTask("recall", "queue.done.recalled")},
		{method: post, path: "/steward/tasks/:task/ask", duties: stewards, do: (*visit).askSite},
		{method: post, path: "/steward/tasks/:task/answer", duties: stewards, do: (*visit).takeAnswer},
		{method: post, path: "/steward/tasks/:task/withdraw", duties: stewards, do: (*visit).withdrawTask},
		{method: post, path: "/steward/tasks/:task/reveal", duties: stewards, do: (*visit).reveal},
		{method: post, path: "/steward/tasks/:task/verdict", duties: stewards, do: (*visit).decide},
		{method: get, path: "/steward/tasks/:task/check", duties: stewards, stepUp: true, do: (*visit).checkVerdict},
		{method: post, path: "/steward/tasks/:task/settle", duties: stewards, stepUp: true, again: "/steward", do: (*visit).settle},
		{method: get, path: "/steward/records", duties: stewards, nav: "nav.record", do: (*visit).recordForm},
		{method: post, path: "/steward/records", duties: stewards, do: (*visit).findRecord},
		{method: get, path: "/steward/records/:record", duties: stewards, do: (*visit).identity},
		{method: get, path: "/steward/records/:record/all", duties: stewards, do: (*visit).sideBySide},
		{method: post, path: "/steward/records/:record/with", duties: stewards, do: (*visit).compareWith},
		{method: get, path: "/steward/quality", duties: stewards, nav: "nav.quality", do: (*visit).quality},
		{method: get, path: "/steward/compare/:record/:other", duties: stewards, do: (*visit).compare},
		{method: post, path: "/steward/compare/:record/:other/reveal", duties: stewards, do: (*visit).reveal},
		{method: post, path: "/steward/compare/:record/:other/verdict", duties: stewards, do: (*visit).decide},
		{method: get, path: "/steward/compare/:record/:other/check", duties: stewards, stepUp: true, do: (*visit).checkVerdict},
		{method: post, path: "/steward/compare/:record/:other/settle", duties: stewards, stepUp: true, again: "/steward", do: (*visit).settle},
		{method: get, path: "/steward/changes/:change", duties: stewards, stepUp: true, do: (*visit).change},
		{method: post, path: "/steward/changes/:change/undo", duties: stewards, stepUp: true, again: "/steward", do: (*visit).undo},
	}
}

// officerPages are the pages of privacy officers.
func officerPages() []route {
	const get, post = http.MethodGet, http.MethodPost
	officers := []access.Duty{access.DutyPrivacy}
	return []route{
		{method: get, path: "/officer", duties: officers, nav: "nav.today", do: (*visit).today},
		{method: get, path: "/officer/reviews", duties: officers, nav: "nav.reviews", do: (*visit).reviews},
		{method: get, path: "/officer/reviews/:review", duties: officers, do: (*visit).overrideReview},
		{method: post, path: "/officer/reviews/:review/close", duties: officers, do: (*visit).closeReview},
		{method: get, path: "/officer/patients", duties: officers, nav: "nav.file", do: (*visit).patientForm},
		{method: post, path: "/officer/patients", duties: officers, do: (*visit).findPatient},
		{method: get, path: "/officer/patients/:patient", duties: officers, do: (*visit).patientFile},
		{method: get, path: "/officer/patients/:patient/explain", duties: officers, do: (*visit).explain},
		{method: get, path: "/officer/reviews/:review/letter", duties: officers, do: (*visit).reviewLetter},
		{method: get, path: "/officer/reviews/:review/case.json", duties: officers, stepUp: true, do: (*visit).reviewCase},
		{method: post, path: "/officer/reviews/:review/contest", duties: officers, do: (*visit).contestReview},
		{method: post, path: "/officer/reviews/:review/end", duties: officers, stepUp: true, again: "/officer/reviews/:review", do: (*visit).endReview},
		{method: post, path: "/officer/reviews/:review/hold", duties: officers, stepUp: true, again: "/officer/reviews", do: (*visit).holdNotice},
		{method: get, path: "/officer/access", duties: officers, nav: "nav.access", do: (*visit).explorer},
		{method: post, path: "/officer/access", duties: officers, do: (*visit).explore},
		{method: post, path: "/officer/access/saved", duties: officers, do: (*visit).saveSearch},
		{method: post, path: "/officer/access/saved/:search", duties: officers, do: (*visit).openSearch},
		{method: post, path: "/officer/access/saved/:search/forget", duties: officers, do: (*visit).forgetSearch},
		{method: get, path: "/officer/access.csv", duties: officers, stepUp: true, do: (*visit).explorerCSV},
		{method: get, path: "/officer/wishes", duties: officers, nav: "nav.wishes", do: (*visit).wishes},
		{method: post, path: "/officer/wishes/:task/settle", duties: officers, do: (*visit).settleWish},
		{method: get, path: "/officer/requests", duties: officers, nav: "nav.owed", do: (*visit).openRequests},
		{method: post, path: "/officer/requests/:report", duties: officers, do: (*visit).answerRequest},
		{method: get, path: "/officer/consents/:consent", duties: officers, do: (*visit).consentPage},
		{method: post, path: "/officer/consents/:consent/verify", duties: officers, stepUp: true, again: "/officer/wishes", do: (*visit).verifyConsent},
		{method: post, path: "/officer/patients/:patient/representatives", duties: officers, stepUp: true, again: "/officer/patients", do: (*visit).addRepresentative},
		{method: post, path: "/officer/patients/:patient/representatives/:representative/end", duties: officers, stepUp: true, again: "/officer/patients", do: (*visit).endRepresentative},
		{method: get, path: "/officer/policies", duties: officers, nav: "nav.policies", do: (*visit).policies},
		{method: post, path: "/officer/policies", duties: officers, do: (*visit).draftPolicy},
		{method: get, path: "/officer/policies/:policy", duties: officers, do: (*visit).policyPage},
		{method: post, path: "/officer/policies/:policy/versions/:version/simulate", duties: officers, do: (*visit).simulatePolicy},
		{method: post, path: "/officer/policies/:policy/versions/:version/approve", duties: officers, stepUp: true, again: "/officer/policies", do: stepPolicy("approve", "policies.approved")},
		{method: post, path: "/officer/policies/:policy/versions/:version/activate", duties: officers, stepUp: true, again: "/officer/policies", do: stepPolicy("activate", "policies.activated")},
		{method: post, path: "/officer/policies/:policy/rollback", duties: officers, stepUp: true, again: "/officer/policies", do: stepPolicy("rollback", "policies.rolledback")},
	}
}
