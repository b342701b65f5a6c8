package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
)

// Consents is what the Consent doors ask of the store. *consentpg.Store is one; its methods say what each does.
type Consents interface {
	File(ctx context.Context, actor hie.Actor, v consent.Version, expected int64) (consent.Version, error)
	Current(ctx context.Context, records []hie.SourcePatientID) ([]consent.Version, error)
	History(ctx context.Context, record hie.SourcePatientID, id int64) ([]consent.Version, error)
	Load(ctx context.Context, records []hie.SourcePatientID) ([]consent.Directive, []consent.Grant, error)
}

// right is what a caller may do with the consents of a record.
type right uint8

const (
	noRight right = iota
	mayRead
	mayFile // and read
)

// consentRight says what actor may do with the consents given on record, and the record's site: the patient's own
// client files on every record that is surely theirs, an organisation on its own sites' registrations; a privacy
// officer reads those of their organisation's sites, one of the network itself all. A record that does not exist
// gives no right and no error, as one that is somebody else's.
//
// Source: spec federation 2.7; IHE PCF 3.108 (the consent recorder).
func (s *Server) consentRight(ctx context.Context, actor hie.Actor, record hie.SourcePatientID) (right, hie.SiteID, error) {
	sp, err := s.deps.Patients.Record(ctx, record)
	if errors.Is(err, hie.ErrNotFound) {
		return noRight, "", nil
	}
	if err != nil {
		return noRight, "", err
	}
	if actor.Patient != 0 {
		own, err := s.ownRecords(ctx, actor)
		if err != nil || !slices.Contains(own, record) {
			return noRight, "", err
		}
		return mayFile, sp.Site, nil
	}
	site, known := s.deps.Network().Site(sp.Site)
	org, member := s.deps.Network().Organization(actor.Organization)
	switch {
	case !known || !member:
		return noRight, "", nil
	case actor.HasRole(hie.RolePrivacyOfficer):
		if org.Kind == networkKind || site.Org == org.ID {
			return mayRead, sp.Site, nil
		}
	case site.Org == org.ID && site.Active:
		return mayFile, sp.Site, nil
	}
	return noRight, "", nil
}

// ownRecords returns the records that are surely the patient's who acts.
func (s *Server) ownRecords(ctx context.Context, actor hie.Actor) ([]hie.SourcePatientID, error) {
	p, err := s.deps.Patients.PersonOf(ctx, actor.Patient)
	if err != nil {
		return nil, err
	}
	out := []hie.SourcePatientID{actor.Patient}
	for _, m := range p.Members {
		if m.Link == hie.LinkConfirmed && m.Record != actor.Patient {
			out = append(out, m.Record)
		}
	}
	return out, nil
}

// errConsentPatient is the answer for every patient the caller may not file for, known or not.
var errConsentPatient = &hie.InvalidError{Path: "Consent.patient", Rule: "must name a patient whose consent the caller may file", Code: "business-rule"}

// consentPatient returns the record a Consent's patient names, when the caller may file for it.
func (s *Server) consentPatient(ctx context.Context, actor hie.Actor, ref fhir.Reference) (hie.SourcePatientID, error) {
	record, err := s.namedRecord(ctx, ref)
	if err != nil {
		return 0, err
	}
	r, _, err := s.consentRight(ctx, actor, record)
	if err != nil {
		return 0, err
	}
	if r != mayFile {
		return 0, errConsentPatient
	}
	return record, nil
}

// namedRecord returns the record ref names, 0 for none.
func (s *Server) namedRecord(ctx context.Context, ref fhir.Reference) (hie.SourcePatientID, error) {
	id, identifier, ok := consentfhir.PatientOf(ref, s.cfg.FHIRBase())
	if !ok {
		return 0, nil
	}
	if id != "" {
		record, _ := s.patientRecord(id) // 0 when it is no id of ours
		return record, nil
	}
	record, err := s.deps.Patients.RecordOf(ctx, identifier)
	if errors.Is(err, hie.ErrNotFound) {
		return 0, nil
	}
	return record, err
}

// readFiling reads a Consent that is filed for a patient the caller may file for.
func (s *Server) readFiling(c *gin.Context) (consent.Version, error) {
	ctx, actor := c.Request.Context(), caller(c)
	body, err := s.body(c)
	if err != nil {
		return consent.Version{}, err
	}
	now := s.deps.Now()
	_, patient, err := consentfhir.ReadFiling(body, now, time.UTC)
	if err != nil {
		return consent.Version{}, err
	}
	record, err := s.consentPatient(ctx, actor, patient)
	if err != nil {
		return consent.Version{}, err
	}
	_, siteID, err := s.consentRight(ctx, actor, record)
	if err != nil {
		return consent.Version{}, err
	}
	zone := time.UTC
	if site, known := s.deps.Network().Site(siteID); known {
		if z, err := time.LoadLocation(site.Zone); err == nil {
			zone = z
		}
	}
	v, _, err := consentfhir.ReadFiling(body, now, zone) // dates are the site's
	if err != nil {
		return consent.Version{}, err
	}
	v.Record, v.By, v.ByPatient = record, actor.Organization, actor.Patient != 0
	return v, nil
}

// createConsent answers POST /fhir/Consent. Once it has answered, every decision follows the new directive.
//
// Source: IHE PCF ITI-108; spec consent 2.14.
func (s *Server) createConsent(c *gin.Context) {
	v, err := s.readFiling(c)
	if err == nil {
		v, err = s.deps.Consents.File(c.Request.Context(), caller(c), v, 0)
	}
	if err != nil {
		s.refuseConsent(c, "create", 0, err)
		return
	}
	location := s.cfg.FHIRBase() + "/Consent/" + s.consentID(v) + "/_history/" + strconv.FormatInt(v.Number, 10)
	s.sendConsent(c, http.StatusCreated, v, location)
}

// updateConsent answers PUT /fhir/Consent/{id}; If-Match must name the current version. The patient stays.
func (s *Server) updateConsent(c *gin.Context) {
	record, id, err := s.consentNamed(c, mayFile)
	if err != nil {
		s.refuseConsent(c, "update", record, err)
		return
	}
	v, err := s.revision(c, record)
	if err == nil {
		var expected int64
		if expected, err = requiredMatch(c); err == nil {
			v.ID = id
			v, err = s.deps.Consents.File(c.Request.Context(), caller(c), v, expected)
		}
	}
	if err != nil {
		s.refuseConsent(c, "update", record, err)
		return
	}
	s.sendConsent(c, http.StatusOK, v, "")
}

// revision reads the body of an update of a directive of record.
func (s *Server) revision(c *gin.Context, record hie.SourcePatientID) (consent.Version, error) {
	v, err := s.readFiling(c)
	if err != nil {
		return v, err
	}
	if v.Record != record {
		return v, &hie.InvalidError{Path: "Consent.patient", Rule: "must stay the patient the consent was filed for", Code: "business-rule"}
	}
	var h fhir.Header
	if err := fhir.Decode(v.Content, &h); err != nil {
		return v, err
	}
	if h.ID != c.Param("id") {
		return v, &hie.InvalidError{Path: "Consent.id", Rule: "must be the id of the URL", Code: "value"}
	}
	return v, nil
}

func requiredMatch(c *gin.Context) (int64, error) {
	v, err := ifMatch(c)
	if err == nil && v == 0 {
		err = hie.Required("If-Match")
	}
	return v, err
}

// revokeConsent answers POST /fhir/Consent/{id}/$revoke-consent: a new version with status inactive. The body,
// Parameters with returnToDefault (valueBoolean), may be missing: then what the consent permitted is refused from
// now on, whatever the default. Revoking twice is revoking once.
//
// Source: HL7 FAST consent management, $revoke; spec consent 2.8f.
func (s *Server) revokeConsent(c *gin.Context) {
	record, id, err := s.consentNamed(c, mayFile)
	if err != nil {
		s.refuseConsent(c, "revoke", record, err)
		return
	}
	v, err := s.revoke(c, record, id)
	if err != nil {
		s.refuseConsent(c, "revoke", record, err)
		return
	}
	s.sendConsent(c, http.StatusOK, v, "")
}

// maxRevocations bounds how often a revocation that meets another change is tried again.
const maxRevocations = 8

func (s *Server) revoke(c *gin.Context, record hie.SourcePatientID, id int64) (consent.Version, error) {
	ctx := c.Request.Context()
	toDefault, err := s.readRevocation(c)
	if err != nil {
		return consent.Version{}, err
	}
	match, err := ifMatch(c)
	if err != nil {
		return consent.Version{}, err
	}
	for try := 1; ; try++ {
		versions, err := s.deps.Consents.History(ctx, record, id)
		if err != nil {
			return consent.Version{}, err
		}
		v := versions[0]
		if match != 0 && v.Number != match {
			return consent.Version{}, hie.ErrStale
		}
		if v.Status == "inactive" && v.ReturnToDefault == toDefault {
			return v, nil
		}
		if v.Content, err = consentfhir.Revoked(v.Content, toDefault); err != nil {
			return consent.Version{}, err
		}
		v.Status, v.ReturnToDefault, v.By, v.ByPatient = "inactive", toDefault, caller(c).Organization, caller(c).Patient != 0
		done, err := s.deps.Consents.File(ctx, caller(c), v, v.Number)
		if !errors.Is(err, hie.ErrStale) || match != 0 || try == maxRevocations {
			return done, err
		}
	}
}

// readRevocation reads the optional Parameters of a revocation.
func (s *Server) readRevocation(c *gin.Context) (toDefault bool, err error) {
	if c.Request.ContentLength == 0 {
		return false, nil
	}
	b, err := s.body(c)
	if err != nil || len(b) == 0 {
		return false, err
	}
	var p fhir.Parameters
	if err := fhir.Decode(b, &p); err != nil {
		return false, err
	}
	if p.ResourceType != "Parameters" {
		return false, hie.Invalid("resourceType", "must be Parameters")
	}
	for _, q := range p.Parameter {
		if q.Name != "returnToDefault" || q.ValueBoolean == nil {
			return false, &hie.InvalidError{Path: "Parameters.parameter", Rule: "may only be returnToDefault with a boolean", Code: "not-supported"}
		}
		toDefault = *q.ValueBoolean
	}
	return toDefault, nil
}

// readConsent answers GET /fhir/Consent/{id}.
func (s *Server) readConsent(c *gin.Context) {
	s.showVersion(c, "read", func(versions []consent.Version) (consent.Version, bool) { return versions[0], true })
}

// readConsentVersion answers GET /fhir/Consent/{id}/_history/{version}.
func (s *Server) readConsentVersion(c *gin.Context) {
	s.showVersion(c, "vread", func(versions []consent.Version) (consent.Version, bool) {
		i := slices.IndexFunc(versions, func(v consent.Version) bool { return strconv.FormatInt(v.Number, 10) == c.Param("version") })
		if i < 0 {
			return consent.Version{}, false
		}
		return versions[i], true
	})
}

func (s *Server) showVersion(c *gin.Context, interaction string, choose func([]consent.Version) (consent.Version, bool)) {
	versions, ok := s.consentVersions(c, interaction)
	if !ok {
		return
	}
	v, found := choose(versions)
	if !found {
		s.fail(c, hie.ErrNotFound)
		return
	}
	s.sendConsent(c, http.StatusOK, v, "")
}

// consentHistory answers GET /fhir/Consent/{id}/_history: all versions, newest first.
func (s *Server) consentHistory(c *gin.Context) {
	versions, ok := s.consentVersions(c, "history")
	if !ok {
		return
	}
	total := len(versions)
	b := fhir.Bundle{ResourceType: "Bundle", Type: "history", Total: &total,
		Link: []fhir.BundleLink{{Relation: "self", URL: s.cfg.FHIRBase() + "/Consent/" + c.Param("id") + "/_history"}}}
	for _, v := range versions {
		resource, err := consentfhir.Render(v, s.consentID(v))
		if err != nil {
			s.fail(c, err)
			return
		}
		method, status := http.MethodPut, "200"
		if v.Number == 1 {
			method, status = http.MethodPost, "201"
		}
		b.Entry = append(b.Entry, fhir.BundleEntry{FullURL: s.cfg.FHIRBase() + "/Consent/" + s.consentID(v), Resource: resource,
			Request:  &fhir.BundleRequest{Method: method, URL: "Consent/" + s.consentID(v)},
			Response: &fhir.BundleResponse{Status: status, Etag: weakTag(v.Number), LastModified: fhir.Instant(v.Filed)}})
	}
	s.send(c, http.StatusOK, b)
}

// consentVersions returns all versions of the Consent the URL names, newest first, after recording the look. When
// not ok, the request has been answered.
func (s *Server) consentVersions(c *gin.Context, interaction string) (_ []consent.Version, ok bool) {
	ctx := c.Request.Context()
	record, id, err := s.consentNamed(c, mayRead)
	var versions []consent.Version
	if err == nil {
		versions, err = s.deps.Consents.History(ctx, record, id)
	}
	if err != nil {
		s.refuseConsent(c, interaction, record, err)
		return nil, false
	}
	if err := s.deps.Audit.Record(context.WithoutCancel(ctx), s.consentLook(c, interaction).About(record)); err != nil {
		s.fail(c, err)
		return nil, false
	}
	return versions, true
}

// consentNamed opens the Consent id of the URL and checks that the caller has at least this right to it. Every id
// the caller has no right to is hie.ErrNotFound, whether it exists or not; record is set when it does.
func (s *Server) consentNamed(c *gin.Context, need right) (record hie.SourcePatientID, id int64, err error) {
	sp, id, err := s.deps.Sealer.OpenID("consent", c.Param("id"))
	if err != nil {
		return 0, 0, hie.ErrNotFound
	}
	record = hie.SourcePatientID(sp)
	have, _, err := s.consentRight(c.Request.Context(), caller(c), record)
	switch {
	case err != nil:
	case have == noRight:
		err = hie.ErrNotFound
	case have < need:
		err = hie.ErrForbidden // a privacy officer, who may read it
	}
	return record, id, err
}

// consentLook begins the event of a look at consents.
func (s *Server) consentLook(c *gin.Context, interaction string) audit.Event {
	e := s.asked(caller(c), interaction, "")
	e.Action = "R"
	e.Detail = map[string]string{"interaction": "consent " + interaction}
	return e
}

// refuseConsent records and answers a refused interaction with consents.
func (s *Server) refuseConsent(c *gin.Context, interaction string, record hie.SourcePatientID, err error) {
	status, _ := outcomeOf(err)
	if status < http.StatusInternalServerError {
		e := audit.NewEvent(audit.Refused, caller(c), s.deps.Now())
		e.Outcome, e.Detail = audit.Refusal, map[string]string{"interaction": "consent " + interaction, "status": strconv.Itoa(status)}
		if record != 0 {
			e = e.About(record)
		}
		if failed := s.deps.Audit.Record(context.WithoutCancel(c.Request.Context()), e); failed != nil {
			err = failed
		}
	}
	s.fail(c, err)
}

func (s *Server) consentID(v consent.Version) string {
	return s.deps.Sealer.ID("consent", int64(v.Record), v.ID)
}

func (s *Server) sendConsent(c *gin.Context, status int, v consent.Version, location string) {
	body, err := consentfhir.Render(v, s.consentID(v))
	if err != nil {
		s.fail(c, err)
		return
	}
	c.Header("Last-Modified", v.Filed.UTC().Format(http.TimeFormat))
	s.sendVersion(c, status, body, location, strconv.FormatInt(v.Number, 10))
}

// searchConsents answers GET /fhir/Consent and POST _search: the current versions of one patient's consents, as
// far as the caller may read them. A patient unknown, without consents or somebody else's gives the same answer.
//
// Source: IHE PCF ITI-108, 3.108.4.2; DESIGN idea 6.
func (s *Server) searchConsents(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	ps, ctl, err := s.controls(c, 50, 200)
	if err != nil {
		s.fail(c, err)
		return
	}
	search, patient, unknown, err := consentfhir.ReadSearch(ps)
	if err == nil {
		err = ctl.refuseUnknown(unknown)
	}
	var records []hie.SourcePatientID
	if err == nil {
		records, err = s.searchedRecords(ctx, actor, patient)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	versions, err := s.deps.Consents.Current(ctx, records)
	if err != nil {
		s.fail(c, err)
		return
	}
	found := slices.DeleteFunc(versions, func(v consent.Version) bool { return !search.Meets(v, s.consentID(v)) })
	slices.SortFunc(found, func(a, b consent.Version) int { return strings.Compare(s.consentID(a), s.consentID(b)) })
	event := s.consentLook(c, "search").About(records...)
	event.Released, event.Query = len(found), rawParams(ps)
	if err := s.deps.Audit.Record(context.WithoutCancel(ctx), event); err != nil {
		s.fail(c, err)
		return
	}
	s.sendConsents(c, ps, ctl, found, unknown, records)
}

// searchedRecords returns the records a search is about that the caller may read, none for every other.
func (s *Server) searchedRecords(ctx context.Context, actor hie.Actor, patient []fhir.Param) ([]hie.SourcePatientID, error) {
	if len(patient) == 0 {
		if actor.Patient != 0 {
			return s.ownRecords(ctx, actor)
		}
		return nil, &hie.InvalidError{Path: "patient", Rule: "or patient.identifier is required", Code: "required"}
	}
	var out []hie.SourcePatientID
	for i, p := range patient {
		if len(p.Values) != 1 {
			return nil, &hie.InvalidError{Path: p.Name, Rule: "must name one patient", Code: "value"}
		}
		ref := fhir.Reference{Reference: fhir.Text(p.Values[0])}
		if p.Name == "patient.identifier" {
			t := fhir.ParseToken(p.Values[0])
			ref = fhir.Reference{Identifier: &fhir.Identifier{System: t.System, Value: t.Code}}
		} else if !strings.Contains(ref.Reference, "/") {
			ref.Reference = "Patient/" + ref.Reference
		}
		record, err := s.namedRecord(ctx, ref)
		if err != nil {
			return nil, err
		}
		if i > 0 && !slices.Contains(out, record) {
			return nil, nil // repeated parameters are AND
		}
		have, _, err := s.consentRight(ctx, actor, record)
		if err != nil {
			return nil, err
		}
		if out = nil; have != noRight {
			out = []hie.SourcePatientID{record}
		}
	}
	return out, nil
}

// sendConsents answers a search. The self link names no patient.
func (s *Server) sendConsents(c *gin.Context, ps []fhir.Param, ctl searchControls, found []consent.Version, unknown []string, records []hie.SourcePatientID) {
	total := len(found)
	self := s.cfg.FHIRBase() + "/Consent"
	if ctl.countOnly {
		s.sendSearchset(c, self, "", &total, nil, unknownIssues(unknown))
		return
	}
	what := "consent search " + string(caller(c).Organization) + " " + caller(c).Patient.String()
	for _, r := range records {
		what += " " + r.String()
	}
	for _, p := range ps {
		if p.Name != "patient" && p.Name != "patient.identifier" {
			what += " " + encodeParams([]fhir.Param{p})
		}
	}
	part, cursor, err := pageOf(s, what, ctl, found, s.consentID)
	if err != nil {
		s.fail(c, err)
		return
	}
	var entries []fhir.BundleEntry
	for _, v := range part {
		resource, err := consentfhir.Render(v, s.consentID(v))
		if err != nil {
			s.fail(c, err)
			return
		}
		entries = append(entries, searchEntry(s.cfg.FHIRBase()+"/Consent/"+s.consentID(v), resource))
	}
	next := ""
	if cursor != "" {
		next = self + "?" + s.nextConsents(ps, ctl, records, cursor)
	}
	s.sendSearchset(c, self, next, &total, entries, unknownIssues(unknown))
}

// nextConsents is the query of the next page: the same search, its patient named by a sealed id.
func (s *Server) nextConsents(ps []fhir.Param, ctl searchControls, records []hie.SourcePatientID, cursor string) string {
	rest := slices.DeleteFunc(slices.Clone(ps), func(p fhir.Param) bool { return p.Name == "patient" || p.Name == "patient.identifier" })
	if len(records) == 1 {
		rest = append(rest, fhir.Param{Name: "patient", Values: []string{s.patientID(records[0])}})
	}
	return encodeParams(rest) + "&_count=" + strconv.Itoa(ctl.count) + "&_cursor=" + cursor
}
