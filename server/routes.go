package server

import (
	"cmp"
	"slices"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
)

// A Route is one method and path pattern the machine doors answer: GET /fhir/Patient/:id.
type Route struct{ Method, Path string }

// Routes returns all routes, ordered by path and method.
func (s *Server) Routes() []Route {
	var out []Route
	for _, r := range s.engine.Routes() {
		out = append(out, Route{r.Method, r.Path})
	}
	slices.SortFunc(out, func(a, b Route) int { return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method)) })
	return out
}

// routes is where every path of the machine doors is named.
func (s *Server) routes() {
	s.engine.GET("/version", s.version)
	s.engine.GET("/livez", s.livez)
	s.engine.GET("/readyz", s.readyz)

	s.engine.POST("/oauth/token", s.issueToken)
	s.engine.POST("/oauth/introspect", s.introspectToken)
	s.engine.POST("/oauth/revoke", s.revokeToken)
	s.engine.GET("/oauth/jwks", s.keySet)
	s.engine.GET("/.well-known/smart-configuration", s.smartConfiguration)
	s.engine.GET("/fhir/.well-known/smart-configuration", s.smartConfiguration)

	f := s.engine.Group("/fhir", s.negotiate, s.authenticate, s.withinLimit)

	f.GET("/Organization", s.requireScope("Organization", 's'), s.searchOrganizations)
	f.POST("/Organization/_search", s.requireScope("Organization", 's'), s.searchOrganizations)
	f.GET("/Organization/:id", s.requireScope("Organization", 'r'), s.readOrganization)
	f.GET("/Endpoint", s.requireScope("Endpoint", 's'), s.searchEndpoints)
	f.POST("/Endpoint/_search", s.requireScope("Endpoint", 's'), s.searchEndpoints)
	f.GET("/Endpoint/:id", s.requireScope("Endpoint", 'r'), s.readEndpoint)

	f.GET("/AuditEvent", s.requireScope("AuditEvent", 's'), s.searchAuditEvents)
	f.POST("/AuditEvent/_search", s.requireScope("AuditEvent", 's'), s.searchAuditEvents)
	f.GET("/AuditEvent/:id", s.requireScope("AuditEvent", 'r'), s.readAuditEvent)

	s.engine.GET("/fhir/metadata", s.negotiate, s.metadata)
	for _, o := range ownOperations {
		s.engine.GET("/fhir/OperationDefinition/"+o.id(), s.negotiate, s.definition(o))
	}
	f.GET("/DocumentReference", s.requireScope("DocumentReference", 's'), s.searchDocuments)
	f.POST("/DocumentReference/_search", s.requireScope("DocumentReference", 's'), s.searchDocuments)
	f.GET("/DocumentReference/$presence", s.requireScope("DocumentReference", 's'), s.presence)
	f.POST("/DocumentReference/$presence", s.requireScope("DocumentReference", 's'), s.presence)
	// A document comes in its own content type, so what Accept says is settled with the document.
	s.engine.GET("/fhir/Binary/:id", s.authenticate, s.withinLimit, s.mayRetrieve, s.retrieve)
	s.engine.GET("/fhir/Binary/:id/$notice", s.negotiate, s.authenticate, s.withinLimit, s.mayRetrieve, s.notice)

	f.POST("", s.requireProvideScopes, s.countRefusals, s.provideDocuments)
	f.POST("/", s.requireProvideScopes, s.countRefusals, s.provideDocuments) // as clients write the base that end it with a slash
	f.POST("/DocumentReference", s.requireScope("DocumentReference", 'c'), s.countRefusals, s.publishDocument)
	f.GET("/DocumentReference/:id", s.requireScope("DocumentReference", 'r'), s.readDocument)
	f.PUT("/DocumentReference/:id", s.requireScope("DocumentReference", 'u'), s.countRefusals, s.reviseDocument)
	f.DELETE("/DocumentReference/:id", s.requireScope("DocumentReference", 'd'), s.deleteDocument)
	f.GET("/List/:id", s.requireScope("List", 'r'), s.readList)

	f.PUT("/Patient", s.requireScope("Patient", 'u'), s.putPatient)
	f.POST("/Patient", s.requireScope("Patient", 'c'), s.postPatient)
	f.DELETE("/Patient", s.requireScope("Patient", 'd'), s.deletePatient)
	f.GET("/Patient", s.requireScope("Patient", 's'), s.searchPatients)
	f.POST("/Patient/_search", s.requireScope("Patient", 's'), s.searchPatients)
	f.GET("/Patient/$ihe-pix", s.requireScope("Patient", 's'), s.crossReference)
	f.POST("/Patient/$ihe-pix", s.requireScope("Patient", 's'), s.crossReference)
	f.POST("/Patient/$match", s.requireScope("Patient", 's'), s.matchPatient)
	f.POST("/Patient/$idi-match", s.requireScope("Patient", 's'), s.matchIdentity)
	f.POST("/Patient/$IDI-match", s.requireScope("Patient", 's'), s.matchIdentity) // as the guide writes it in its text
	f.GET("/Patient/:id", s.requireScope("Patient", 'r'), s.readPatient)

	f.POST("/Patient/$break-glass", s.requireScope("Patient", 's'), s.breakGlass)
	f.POST("/Patient/$end-emergency", s.requireScope("Patient", 's'), s.endEmergency)

	f.POST("/Consent", s.requireScope("Consent", 'c'), s.createConsent)
	f.GET("/Consent", s.requireScope("Consent", 's'), s.searchConsents)
	f.POST("/Consent/_search", s.requireScope("Consent", 's'), s.searchConsents)
	f.GET("/Consent/:id", s.requireScope("Consent", 'r'), s.readConsent)
	f.PUT("/Consent/:id", s.requireScope("Consent", 'u'), s.updateConsent)
	f.GET("/Consent/:id/_history", s.requireScope("Consent", 'r'), s.consentHistory)
	f.GET("/Consent/:id/_history/:version", s.requireScope("Consent", 'r'), s.readConsentVersion)
	f.POST("/Consent/:id/$revoke-consent", s.requireScope("Consent", 'u'), s.revokeConsent)
	f.POST("/Consent/$preview", s.requireScope("Consent", 'c'), s.previewConsent)
	f.POST("/Consent/$capture", s.requireScope("Consent", 'c'), s.captureConsent)
	f.POST("/Consent/$residual", s.requireScope("Consent", 'r'), s.residualConsent)
	f.POST("/Consent/$file-consent", s.requireScope("Consent", 'c'), s.fileConsent)
	f.POST("/Consent/$fileConsent", s.requireScope("Consent", 'c'), s.fileConsent) // by the codes of the guide's definitions
	f.POST("/Consent/$revoke-consent", s.requireScope("Consent", 'u'), s.revokeNamed)
	f.POST("/Consent/$revokeConsent", s.requireScope("Consent", 'u'), s.revokeNamed)
	f.POST("/AuditEvent/$record-disclosure", s.requireScope("AuditEvent", 'c'), s.recordDisclosure)
	f.POST("/AuditEvent/$recordDisclosure", s.requireScope("AuditEvent", 'c'), s.recordDisclosure)

	s.engine.GET("/cds-services", s.cdsServices)
	s.engine.POST(consultPath, s.authenticate, s.withinLimit, s.requireScope("Consent", 'r'), s.consultConsent)

	s.engine.GET(adminPrefix+"openapi.yaml", s.describe)

	m := s.engine.Group(adminPrefix+"v1/match", s.authenticate, s.withinLimit, s.requireNetwork)
	look, settle := s.requireGrant("concord/match.read", hie.RoleSteward), s.requireGrant("concord/match.write", hie.RoleSteward)
	m.GET("/tasks", look, s.listTasks)
	m.POST("/tasks", settle, s.reportTask)
	m.GET("/tasks/:id", look, s.readTask)
	m.POST("/tasks/:id/claim", settle, s.claimTask)
	m.POST("/tasks/:id/release", settle, s.releaseTask)
	m.POST("/tasks/assign", settle, s.assignTasks)
	m.POST("/tasks/:id/snooze", settle, s.snoozeTask)
	m.POST("/tasks/:id/wake", settle, s.wakeTask)
	m.POST("/tasks/:id/escalate", settle, s.escalateTask)
	m.POST("/tasks/:id/recall", settle, s.recallTask)
	m.POST("/tasks/:id/ask", settle, s.askSite)
	m.POST("/tasks/:id/answer", settle, s.takeAnswer)
	m.POST("/tasks/:id/withdraw", settle, s.withdrawTask)
	m.POST("/tasks/:id/preview", look, s.previewTask)
	m.POST("/tasks/:id/verdict", settle, s.settleTask)
	m.POST("/verdicts", settle, s.decideRecords)
	m.POST("/verdicts/preview", look, s.previewVerdict)
	m.POST("/compare", look, s.compareRecords)
	m.GET("/quality", look, s.matchQuality)
	m.GET("/changes", look, s.listChanges)
	m.GET("/readers", look, s.listReaders)
	m.POST("/readers", settle, s.registerReader)
	m.DELETE("/readers/:name", settle, s.forgetReader)
	m.GET("/changes/:id/preview", look, s.previewUndo)
	m.POST("/changes/:id/undo", settle, s.undoChange)
	m.GET("/records/:id", look, s.readPerson)
	m.GET("/records/:id/history", look, s.recordHistory)
	m.GET("/records/:id/versions", look, s.recordVersions)
	m.GET("/records/:id/best", look, s.bestRecord)
	m.POST("/records/:id/reveal", settle, s.revealRecord)
	m.GET("/persons/:id/history", look, s.personHistory)

	r := s.engine.Group(adminPrefix+"v1", s.authenticate, s.withinLimit)
	see, settleReview := s.requireGrant("concord/review.read", hie.RolePrivacyOfficer), s.requireGrant("concord/review.write", hie.RolePrivacyOfficer)
	r.GET("/reviews", see, s.listReviews)
	r.GET("/reviews/:id", see, s.readReview)
	r.POST("/reviews/:id/close", settleReview, s.closeReview)
	r.POST("/reviews/:id/contest", settleReview, s.contestReview)
	r.POST("/reviews/:id/end", settleReview, s.endReview)
	r.POST("/reviews/:id/hold", settleReview, s.requireNetwork, s.holdNotice)
	r.GET("/notices", s.requireReports, s.listNotices)
	r.POST("/consent/explain", s.requireGrant("concord/consent.read", hie.RolePrivacyOfficer), s.explainDecision)

	readWish, writeWish := s.requireGrant("concord/consent.read", hie.RolePrivacyOfficer), s.requireGrant("concord/consent.write", hie.RolePrivacyOfficer)
	r.GET("/consent/tasks", readWish, s.listDeskTasks)
	r.POST("/consent/tasks/:id/settle", writeWish, s.settleDeskTask)
	r.GET("/consent/representatives", readWish, s.listRepresentatives())
	r.POST("/consent/representatives", writeWish, s.addRepresentative())
	r.POST("/consent/representatives/:id/end", writeWish, s.endRepresentative())
	r.GET("/consent/instruments", readWish, s.listInstruments())
	r.POST("/consent/instruments", writeWish, s.addInstrument())
	r.POST("/consent/instruments/:id/end", writeWish, s.endInstrument())
	r.GET("/consent/forms", readWish, s.listForms)
	r.POST("/consent/forms", writeWish, s.requireNetwork, s.proposeForm)
	r.POST("/consent/forms/decide", writeWish, s.requireNetwork, s.decideForm)
	r.POST("/consent/forms/retire", writeWish, s.requireNetwork, s.retireForm)
	r.GET("/consent/directives/:id/evidence", readWish, s.listEvidence)
	r.POST("/consent/directives/:id/verify", writeWish, s.verifyConsent)

	r.GET("/consent/copies", s.requireCopies, s.listCopyChanges)
	r.GET("/consent/copies/:id", s.requireCopies, s.readCopy)
	r.GET("/consent/rules", s.requireCopies, s.readCopyRules)

	r.GET("/care-teams", readWish, s.listCareTeams)
	r.GET("/care-teams/:id", readWish, s.readCareTeam)
	r.PUT("/care-teams/:id", writeWish, s.putCareTeam)
	r.POST("/care-teams/:id/end", writeWish, s.endCareTeamMember)

	r.GET("/agreements/ending", s.requireGrant("concord/report.read", hie.RolePrivacyOfficer), s.requireNetwork, s.endingAgreements)

	p := s.engine.Group(adminPrefix+"v1/reports", s.authenticate, s.withinLimit)
	p.GET("/accounting", s.requireReports, s.accountDisclosures)
	p.GET("/access", s.requireReports, s.listAccess)
	p.GET("/requests", s.requireReports, s.listRequests)
	p.POST("/requests", s.requireGrant("concord/report.write", hie.RolePatient), s.askRequest)
	p.POST("/requests/:id/answer", s.requireGrant("concord/report.write", hie.RolePrivacyOfficer), s.answerRequest)
	p.POST("/requests/:id/extend", s.requireGrant("concord/report.write", hie.RolePrivacyOfficer), s.extendRequest)
	p.GET("/leaned", s.requireGrant("concord/report.read", hie.RolePrivacyOfficer), s.requireNetwork, s.listLeaned)
	p.POST("/suspensions", s.requireGrant("concord/report.write", hie.RolePrivacyOfficer), s.suspendAccounting)

	policies := s.engine.Group(adminPrefix+"v1/policies", s.authenticate, s.withinLimit, s.requireNetwork)
	readPolicies, writePolicies := s.requireGrant("concord/policy.read", hie.RolePrivacyOfficer), s.requireGrant("concord/policy.write", hie.RolePrivacyOfficer)
	policies.GET("", readPolicies, s.listPolicies)
	policies.POST("", writePolicies, s.draftPolicy)
	policies.POST("/$test", readPolicies, s.testPolicy)
	policies.GET("/:policy", readPolicies, s.readPolicy)
	policies.GET("/:policy/versions/:version", readPolicies, s.readPolicyVersion)
	policies.POST("/:policy/versions/:version/simulate", writePolicies, s.simulatePolicy)
	policies.POST("/:policy/versions/:version/approve", writePolicies, s.takeStep(consent.PolicyApproved))
	policies.POST("/:policy/versions/:version/activate", writePolicies, s.takeStep(consent.PolicyActivated))
	policies.POST("/:policy/rollback", writePolicies, s.takeStep(consent.PolicyRolledBack))

	o := s.engine.Group(adminPrefix+"v1", s.authenticate, s.withinLimit, s.requireNetwork)
	operate := s.requireGrant("concord/site.read", hie.RoleOperator)
	o.GET("/sites", operate, s.listSites)
	o.GET("/sites/:id/history", operate, s.readSiteHistory)
	bring := s.requireGrant("concord/site.write", hie.RoleOperator)
	o.GET("/sites/:id/onboarding", operate, s.readOnboarding)
	o.POST("/sites/:id/onboarding/agreements", bring, s.addAgreement)
	o.POST("/sites/:id/onboarding/contacts", bring, s.putContact)
	o.POST("/sites/:id/onboarding/probe", bring, s.probeSite)
	o.POST("/sites/:id/onboarding/alert", bring, s.alertSite)
	o.POST("/sites/:id/onboarding/steps", bring, s.stepSite)
	o.GET("/trace/:id", operate, s.readTrace)
	o.GET("/config", operate, s.readConfig)

	a := s.engine.Group(adminPrefix+"v1/audit", s.authenticate, s.withinLimit, s.requireAuditor)
	a.GET("/checkpoint", s.readCheckpoint)
	a.GET("/events/:id/proof", s.readProof)
	a.POST("/table", s.exportEvents)
	a.POST("/flags", s.flagEvents)
}
