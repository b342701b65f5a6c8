package server

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
	"github.com/gin-gonic/gin"
)

// requireReports lets a request pass of a privacy officer, and of a patient about themselves.
func (s *Server) requireReports(c *gin.Context) {
	if a := caller(c); a.Patient != 0 {
		s.requireGrant("concord/report.read", hie.RolePatient)(c)
		return
	}
	s.requireGrant("concord/report.read", hie.RolePrivacyOfficer)(c)
}

// accessJSON is one row of a report: who did what, when, for what, to which kinds of document.
type accessJSON struct {
	Event string `json:"event"`
	At    string `json:"at"`
	// Disclosed is when a site that told of a disclosure of its own made it.
	Disclosed        string   `json:"disclosed,omitzero"`
	Kind             string   `json:"kind"`
	Outcome          string   `json:"outcome"`
	Organization     string   `json:"organization"`
	OrganizationName string   `json:"organization_name,omitzero"`
	Recipient        string   `json:"recipient,omitzero"`
	User             string   `json:"user,omitzero"`
	UserName         string   `json:"user_name,omitzero"`
	Roles            []string `json:"roles,omitempty"`
	Purposes         []string `json:"purposes"`
	Site             string   `json:"site,omitzero"`
	SiteName         string   `json:"site_name,omitzero"`
	Classes          []string `json:"classes,omitempty"`
	Documents        int      `json:"documents"`
	Emergency        bool     `json:"emergency"`
	// Automatic says that no person is named as having acted.
	Automatic bool `json:"automatic"`
	// Record and Why are of disclosures that leaned on a link.
	Record string   `json:"record,omitzero"`
	Why    []string `json:"why,omitempty"`
}

func (s *Server) accessJSON(e audit.Event) accessJSON {
	a := accessJSON{Event: e.ID, At: fhir.Instant(e.Time), Disclosed: e.Detail["disclosed"], Kind: string(e.Kind), Outcome: string(e.Outcome),
		Organization: string(e.Actor.Organization), Recipient: e.Detail["recipient"], User: e.Actor.User, UserName: e.Actor.UserName, Roles: e.Actor.Roles,
		Purposes: []string{}, Site: string(e.Site), Classes: e.Classes, Documents: max(len(e.Documents), e.Released), Emergency: e.Emergency,
		Automatic: e.Actor.User == ""}
	for _, p := range e.Actor.Purposes {
		a.Purposes = append(a.Purposes, string(p))
	}
	n := s.deps.Network()
	o, _ := n.Organization(e.Actor.Organization)
	site, _ := n.Site(e.Site)
	a.OrganizationName, a.SiteName = o.Name, site.Name
	return a
}

// A reading is one report under way.
type reading struct {
	Stretch
	name   string
	person mpi.Person
}

// cursor binds the place in a report to the report and who reads it.
func (r *reading) cursor(actor hie.Actor) string {
	what := "report " + r.name + " " + string(actor.Organization) + " " + actor.User + " " + actor.Patient.String()
	for _, rec := range r.Records {
		what += " " + rec.String()
	}
	return what
}

// readReport reads what a report is asked about: the patient, who must be one the caller may see the consents of (a
// patient: themselves), and the stretch of time. An officer of an organisation sees what concerns its own sites'
// registrations; records that are the patient's only perhaps are left out.
func (s *Server) readReport(c *gin.Context, name string, p listParams) (*reading, error) {
	ctx, actor := c.Request.Context(), caller(c)
	r := &reading{name: name, Stretch: Stretch{Count: p.count}}
	record, err := s.reportedPatient(ctx, actor, p)
	if err != nil {
		return nil, err
	}
	if r.person, err = s.deps.Patients.PersonOf(ctx, record); err != nil {
		return nil, err
	}
	r.Person = r.person.Records()
	for _, m := range r.person.Members {
		if m.Record != record && m.Link != hie.LinkConfirmed {
			continue
		}
		have, _, err := s.consentRight(ctx, actor, m.Record)
		if err != nil {
			return nil, err
		}
		if have != noRight {
			r.Records = append(r.Records, m.Record)
		}
	}
	if r.From, err = p.instant("from"); err != nil {
		return nil, err
	}
	if r.To, err = p.instant("to"); err != nil {
		return nil, err
	}
	if after := p.values["after"]; after != "" {
		b, err := s.deps.Sealer.Open(r.cursor(actor), after)
		if err != nil {
			return nil, errAfter
		}
		r.Before = string(b)
	}
	return r, nil
}

// reportedPatient returns the record a report is about: the one named, or the patient's own who asks.
func (s *Server) reportedPatient(ctx context.Context, actor hie.Actor, p listParams) (hie.SourcePatientID, error) {
	record := actor.Patient
	if id := strings.TrimPrefix(p.values["patient"], "Patient/"); id != "" {
		named, ok := s.patientRecord(id)
		if !ok {
			return 0, hie.ErrNotFound
		}
		record = named
	}
	if record == 0 {
		return 0, hie.Required("patient")
	}
	have, _, err := s.consentRight(ctx, actor, record)
	if err != nil || have == noRight {
		return 0, firstError(err, hie.ErrNotFound)
	}
	return record, nil
}

// sendReport records that a page was read, and answers.
func (s *Server) sendReport(c *gin.Context, r *reading, events []audit.Event, next string) {
	if err := s.deps.Audit.Record(context.WithoutCancel(c.Request.Context()), s.reviewed(c, "report "+r.name).About(r.Records...)); err != nil {
		s.fail(c, err)
		return
	}
	rows := make([]accessJSON, 0, len(events))
	for _, e := range events {
		rows = append(rows, s.accessJSON(e))
	}
	if next != "" {
		next = s.deps.Sealer.Seal(r.cursor(caller(c)), []byte(next))
	}
	s.sendJSON(c, http.StatusOK, reportJSON{rows, next})
}

type reportJSON struct {
	Rows []accessJSON `json:"rows"`
	Next string       `json:"next,omitzero"`
}

// accountDisclosures answers GET /admin/v1/reports/accounting?patient=&law=&from=&to=&after=&count=: the disclosures a
// law owes the patient a list of, newest first.
func (s *Server) accountDisclosures(c *gin.Context) {
	p, err := readListParams(c, "patient", "law", "from", "to")
	if err != nil {
		s.fail(c, err)
		return
	}
	code := cmp.Or(p.values["law"], "us-hipaa")
	law, known := consent.AccountingOf(code)
	if !known {
		s.fail(c, hie.Invalid("law", "must be us-hipaa, us-part2-intermediary, us-az or all"))
		return
	}
	r, err := s.readReport(c, "accounting "+code, p)
	if err != nil {
		s.fail(c, err)
		return
	}
	events, next, err := s.reports.Accounting(c.Request.Context(), law, r.Stretch)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendReport(c, r, events, next)
}

// listAccess answers GET /admin/v1/reports/access?patient=&automatic=&from=&to=&after=&count=: everybody who looked,
// asked, was refused or changed something, as the patient is shown it, newest first.
func (s *Server) listAccess(c *gin.Context) {
	p, err := readListParams(c, "patient", "automatic", "from", "to")
	automatic := true
	if err == nil && p.values["automatic"] != "" {
		automatic, err = p.flag("automatic")
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	r, err := s.readReport(c, "access", p)
	if err != nil {
		s.fail(c, err)
		return
	}
	events, next, err := s.reports.Access(c.Request.Context(), automatic, r.Stretch)
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendReport(c, r, events, next)
}

// suspendAccounting answers POST /admin/v1/reports/suspensions {"patient", "recipient", "ground", "until"}: disclosures
// to an agency stay off the patient's lists until a day, because the agency said in writing that telling would impede it.
//
// Source: 45 CFR 164.528(a)(2).
func (s *Server) suspendAccounting(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	var in struct {
		Patient   string `json:"patient"`
		Recipient string `json:"recipient"`
		Ground    string `json:"ground"`
		Until     string `json:"until"`
	}
	err := s.readJSON(c, &in)
	var x consent.Suspension
	if err == nil {
		x, err = s.readSuspension(ctx, actor, in.Patient, in.Recipient, in.Ground, in.Until)
	}
	if err == nil {
		x, err = s.deps.Suspensions.Suspend(ctx, actor, x)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, struct {
		Recipient string `json:"recipient"`
		Since     string `json:"since"`
		Until     string `json:"until"`
	}{string(x.Recipient), fhir.Instant(x.Since), fhir.Instant(x.Until)})
}

// maxSuspension bounds how long one statement of an agency lasts: it is asked again.
const maxSuspension = 366 * 24 * time.Hour

func (s *Server) readSuspension(ctx context.Context, actor hie.Actor, patient, recipient, ground, until string) (consent.Suspension, error) {
	record, err := s.reportedPatient(ctx, actor, listParams{values: map[string]string{"patient": patient}})
	if err != nil {
		return consent.Suspension{}, err
	}
	x := consent.Suspension{Record: record, Recipient: hie.OrgID(recipient), Ground: strings.TrimSpace(ground), Since: s.deps.Now()}
	if _, known := s.deps.Network().Organization(x.Recipient); !known {
		return x, hie.Invalid("recipient", "must be an organization of the directory")
	}
	if x.Ground == "" || len(x.Ground) > maxClaimText {
		return x, hie.Invalid("ground", "must say in at most 4000 bytes what the agency stated")
	}
	if x.Until, err = time.Parse(time.RFC3339, until); err != nil || !x.Until.After(x.Since) || x.Until.Sub(x.Since) > maxSuspension {
		return x, hie.Invalid("until", "must be an instant to come within a year")
	}
	return x, nil
}
