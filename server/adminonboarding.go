package server

import (
	"context"
	"errors"
	"net/http"
	"regexp"
	"time"

	"github.com/concord-hie/concord/directory"
	"github.com/concord-hie/concord/hie"
	"github.com/gin-gonic/gin"
)

// Onboarding is what the doors ask of a site's way to its go-live. hie.ErrNotFound stands for a site that does not take part.
type Onboarding interface {
	// Report makes the checks as of now.
	Report(ctx context.Context, site hie.SiteID) (directory.Onboarding, error)
	// Agreements are those of all sites that take part.
	Agreements(ctx context.Context) ([]directory.Agreement, error)
	// Agree and PutContact record; Probe and Alert try, and keep how it went.
	Agree(ctx context.Context, actor hie.Actor, a directory.Agreement, dryRun bool) (directory.Agreement, error)
	PutContact(ctx context.Context, actor hie.Actor, c directory.Contact, dryRun bool) error
	Probe(ctx context.Context, actor hie.Actor, site hie.SiteID) error
	Alert(ctx context.Context, actor hie.Actor, site hie.SiteID) error
	// Take takes a step, its checks made anew. hie.ErrForbidden is for who approves what they proposed.
	Take(ctx context.Context, actor hie.Actor, s directory.Step, dryRun bool) (directory.Step, error)
	// PublishRefused counts why something an organisation sent to publish was refused.
	PublishRefused(ctx context.Context, org hie.OrgID, reason string) error
}

// OnboardingRow is how far a site is, as administration and the command line show it.
type OnboardingRow struct {
	Site         hie.SiteID              `json:"site"`
	Name         string                  `json:"name"`
	Organization hie.OrgID               `json:"organization"`
	Membership   directory.Participation `json:"membership"`
	// Missing are the checks that do not pass.
	Missing []string `json:"missing"`
	// Proposed says that a go-live waits for a second person.
	Proposed   bool            `json:"proposed"`
	Checks     []CheckRow      `json:"checks"`
	Agreements []agreementJSON `json:"agreements"`
	Contacts   []contactJSON   `json:"contacts"`
	Steps      []SiteStepRow   `json:"steps"`
}

// CheckRow is how one check stands.
type CheckRow struct {
	Check    directory.CheckID `json:"check"`
	Result   directory.Result  `json:"result"`
	Owner    string            `json:"owner"`
	At       *time.Time        `json:"at,omitempty"`
	Findings []FindingRow      `json:"findings"`
}

// FindingRow is one thing that was measured, with what it says and how to put it right in English.
type FindingRow struct {
	Code   string            `json:"code"`
	Result directory.Result  `json:"result"`
	Values map[string]string `json:"values"`
	Text   string            `json:"text"`
	Fix    string            `json:"fix,omitempty"`
}

type agreementJSON struct {
	Number   int64     `json:"number"`
	Kind     string    `json:"kind"`
	SignedBy string    `json:"signed_by"`
	From     string    `json:"from"`
	Until    string    `json:"until,omitempty"`
	Hash     string    `json:"document_hash"`
	Recorded time.Time `json:"recorded"`
	By       string    `json:"recorded_by"`
}

type contactJSON struct {
	Role    string    `json:"role"`
	Name    string    `json:"name"`
	Email   string    `json:"email,omitempty"`
	Phone   string    `json:"phone,omitempty"`
	Changed time.Time `json:"changed"`
}

// SiteStepRow is a step in a site's membership.
type SiteStepRow struct {
	Number       int64          `json:"number"`
	Move         directory.Move `json:"move"`
	At           time.Time      `json:"at"`
	Organization hie.OrgID      `json:"organization"`
	User         string         `json:"user"`
	Note         string         `json:"note,omitempty"`
	// Checks are how the checks stood then.
	Checks []CheckRow `json:"checks,omitempty"`
}

// OnboardingOf writes o as administration shows it.
func OnboardingOf(o directory.Onboarding) OnboardingRow {
	_, proposed := o.Proposed()
	out := OnboardingRow{Site: o.Site.ID, Name: o.Site.Name, Organization: o.Site.Org, Membership: o.Site.Membership, Missing: directory.Missing(o.Checks), Proposed: proposed,
		Checks: checkRows(o.Checks), Agreements: []agreementJSON{}, Contacts: []contactJSON{}, Steps: []SiteStepRow{}}
	if out.Missing == nil {
		out.Missing = []string{}
	}
	for _, a := range o.Agreements {
		j := agreementJSON{Number: a.Number, Kind: a.Kind, SignedBy: a.SignedBy, From: a.From.Format(time.DateOnly), Hash: a.Hash, Recorded: a.Recorded.UTC(), By: a.By}
		if !a.Until.IsZero() {
			j.Until = a.Until.Format(time.DateOnly)
		}
		out.Agreements = append(out.Agreements, j)
	}
	for _, c := range o.Contacts {
		out.Contacts = append(out.Contacts, contactJSON{c.Role, c.Name, c.Email, c.Phone, c.Changed.UTC()})
	}
	for _, s := range o.Steps {
		row := SiteStepRow{Number: s.Number, Move: s.Move, At: s.At.UTC(), Organization: s.Organization, User: s.User, Note: s.Note}
		if len(s.Checks) > 0 {
			row.Checks = checkRows(s.Checks)
		}
		out.Steps = append(out.Steps, row)
	}
	return out
}

func checkRows(checks []directory.Check) []CheckRow {
	out := make([]CheckRow, 0, len(checks))
	for _, c := range checks {
		row := CheckRow{Check: c.ID, Result: c.Result, Owner: c.Owner, At: instant(c.At), Findings: []FindingRow{}}
		for _, f := range c.Findings {
			text, fix := f.Text()
			values := f.Values
			if values == nil {
				values = map[string]string{}
			}
			row.Findings = append(row.Findings, FindingRow{f.Code, f.Result, values, text, fix})
		}
		out = append(out, row)
	}
	return out
}

// readOnboarding answers GET /admin/v1/sites/{id}/onboarding.
func (s *Server) readOnboarding(c *gin.Context) { s.sendOnboarding(c, nil) }

// sendOnboarding answers with how far the site is now, unless err.
func (s *Server) sendOnboarding(c *gin.Context, err error) {
	var o directory.Onboarding
	if err == nil {
		o, err = s.deps.Onboarding.Report(c.Request.Context(), hie.SiteID(c.Param("id")))
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, OnboardingOf(o))
}

// An onboardingIn is part of the body of each of the posts below.
type onboardingIn struct {
	DryRun bool `json:"dry_run"`
}

// addAgreement answers POST /admin/v1/sites/{id}/onboarding/agreements.
func (s *Server) addAgreement(c *gin.Context) {
	var in struct {
		onboardingIn
		Kind     string `json:"kind"`
		SignedBy string `json:"signed_by"`
		From     string `json:"from"`
		Until    string `json:"until"`
		Hash     string `json:"document_hash"`
	}
	err := s.readJSON(c, &in)
	a := directory.Agreement{Site: hie.SiteID(c.Param("id")), Kind: in.Kind, SignedBy: in.SignedBy, Hash: in.Hash}
	if err == nil {
		a.From, err = ReadDay("from", in.From)
	}
	if err == nil {
		a.Until, err = ReadDay("until", in.Until)
	}
	if err == nil {
		_, err = s.deps.Onboarding.Agree(c.Request.Context(), caller(c), a, in.DryRun)
	}
	s.sendOnboarding(c, err)
}

// ReadDay reads a day, YYYY-MM-DD, as its midnight UTC; "" is none.
func ReadDay(path, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		return time.Time{}, hie.Invalid(path, "must be a day, YYYY-MM-DD")
	}
	return t, nil
}

// putContact answers POST /admin/v1/sites/{id}/onboarding/contacts.
func (s *Server) putContact(c *gin.Context) {
	var in struct {
		onboardingIn
		Role  string `json:"role"`
		Name  string `json:"name"`
		Email string `json:"email"`
		Phone string `json:"phone"`
	}
	err := s.readJSON(c, &in)
	if err == nil {
		err = s.deps.Onboarding.PutContact(c.Request.Context(), caller(c),
			directory.Contact{Site: hie.SiteID(c.Param("id")), Role: in.Role, Name: in.Name, Email: in.Email, Phone: in.Phone}, in.DryRun)
	}
	s.sendOnboarding(c, err)
}

// probeSite answers POST /admin/v1/sites/{id}/onboarding/probe.
func (s *Server) probeSite(c *gin.Context) {
	s.try(c, s.deps.Onboarding.Probe)
}

// alertSite answers POST /admin/v1/sites/{id}/onboarding/alert.
func (s *Server) alertSite(c *gin.Context) {
	s.try(c, s.deps.Onboarding.Alert)
}

func (s *Server) try(c *gin.Context, trial func(context.Context, hie.Actor, hie.SiteID) error) {
	var in onboardingIn
	err := s.readJSON(c, &in)
	if err == nil && !in.DryRun {
		err = trial(c.Request.Context(), caller(c), hie.SiteID(c.Param("id")))
	}
	s.sendOnboarding(c, err)
}

// stepSite answers POST /admin/v1/sites/{id}/onboarding/steps.
func (s *Server) stepSite(c *gin.Context) {
	var in struct {
		onboardingIn
		Move directory.Move `json:"move"`
		Note string         `json:"note"`
	}
	err := s.readJSON(c, &in)
	if err == nil {
		_, err = s.deps.Onboarding.Take(c.Request.Context(), caller(c), directory.Step{Site: hie.SiteID(c.Param("id")), Move: in.Move, Note: in.Note}, in.DryRun)
	}
	s.sendOnboarding(c, err)
}

// endingAgreements answers GET /admin/v1/agreements/ending: what was signed with sites and ends soon, or has ended, soonest first.
func (s *Server) endingAgreements(c *gin.Context) {
	all, err := s.deps.Onboarding.Agreements(c.Request.Context())
	if err != nil {
		s.fail(c, err)
		return
	}
	now := s.deps.Now()
	type endingJSON struct {
		Site     hie.SiteID `json:"site"`
		Kind     string     `json:"kind"`
		SignedBy string     `json:"signed_by"`
		Until    string     `json:"until"`
		Ended    bool       `json:"ended"`
	}
	out := struct {
		Agreements []endingJSON `json:"agreements"`
	}{[]endingJSON{}}
	for _, a := range directory.Ending(all, now) {
		out.Agreements = append(out.Agreements, endingJSON{a.Site, a.Kind, a.SignedBy, a.Until.Format(time.DateOnly), !a.Holds(now)})
	}
	s.sendJSON(c, http.StatusOK, out)
}

// failureKey is where a request's failure is kept for what runs after its handler.
const failureKey = "concord failure"

var indexes = regexp.MustCompile(`\[[0-9]+\]`)

// countRefusals counts why something was refused of what an organisation sent to publish that has a site which is not live: those
// who bring it on see what to put right. Reasons say where and by which rule, and hold nothing that was sent.
func (s *Server) countRefusals(c *gin.Context) {
	c.Next()
	failure, _ := c.Get(failureKey)
	err, _ := failure.(error)
	invalid, refused := errors.AsType[*hie.InvalidError](err)
	if !refused || s.deps.Onboarding == nil {
		return
	}
	org := caller(c).Organization
	for _, site := range s.deps.Network().Sites() {
		if site.Org == org && site.Membership != directory.Live {
			reason := indexes.ReplaceAllString(invalid.Path, "[]") + " " + invalid.Rule
			if err := s.deps.Onboarding.PublishRefused(context.WithoutCancel(c.Request.Context()), org, reason); err != nil {
				s.log.WarnContext(c.Request.Context(), "a refusal was not counted", "request", requestID(c), "org", string(org))
			}
			return
		}
	}
}
