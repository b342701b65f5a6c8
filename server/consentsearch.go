package server

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
)

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
