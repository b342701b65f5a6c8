package server

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/gin-gonic/gin"
)

// ReportRequests keeps what patients ask for about their records and are owed by a day. *consentpg.Store is one; its methods say
// what each does.
type ReportRequests interface {
	AskReport(ctx context.Context, actor hie.Actor, r consent.ReportRequest) (consent.ReportRequest, error)
	Reports(ctx context.Context, record hie.SourcePatientID) ([]consent.ReportRequest, error)
	Report(ctx context.Context, record hie.SourcePatientID, id int64) (consent.ReportRequest, error)
	OpenReports(ctx context.Context, organizations []hie.OrgID, limit int) ([]consent.ReportRequest, error)
	ExtendReport(ctx context.Context, actor hie.Actor, r consent.ReportRequest, why string) error
	AnswerReport(ctx context.Context, actor hie.Actor, r consent.ReportRequest, outcome consent.ReportOutcome, words string) error
}

// requestJSON is what a patient asked for. Status is open, given or refused; Late says that the answer should have come by now.
type requestJSON struct {
	ID           string `json:"id"`
	Patient      string `json:"patient"`
	Kind         string `json:"kind"`
	Law          string `json:"law,omitzero"`
	Organization string `json:"organization,omitzero"`
	Words        string `json:"words,omitzero"`
	Asked        string `json:"asked"`
	Due          string `json:"due"`
	Status       string `json:"status"`
	Late         bool   `json:"late"`
	Extended     string `json:"extended,omitzero"`
	Extension    string `json:"extension,omitzero"`
	Answered     string `json:"answered,omitzero"`
	AnsweredBy   string `json:"answered_by,omitzero"`
	Answer       string `json:"answer,omitzero"`
}

func (s *Server) requestJSON(r consent.ReportRequest) requestJSON {
	out := requestJSON{ID: s.deps.Sealer.ID("report", int64(r.Record), r.ID), Patient: s.patientID(r.Record), Kind: string(r.Kind), Law: r.Law,
		Organization: string(r.Organization), Words: r.Words, Asked: fhir.Instant(r.Asked), Due: fhir.Instant(r.Due), Status: "open", Late: r.Late(s.deps.Now()),
		Extension: r.Extension, AnsweredBy: r.AnsweredBy, Answer: r.Answer}
	if !r.Answered.IsZero() {
		out.Status = string(r.Outcome)
	}
	for to, at := range map[*string]time.Time{&out.Extended: r.Extended, &out.Answered: r.Answered} {
		if !at.IsZero() {
			*to = fhir.Instant(at)
		}
	}
	return out
}

// listRequests answers GET /admin/v1/reports/requests?count=: a patient's own, newest first; for an officer what waits for an answer
// of their organisation and its units, of the network's officers all, due first first.
func (s *Server) listRequests(c *gin.Context) {
	p, err := readListParams(c)
	var all []consent.ReportRequest
	if ctx, actor := c.Request.Context(), caller(c); err == nil && actor.Patient != 0 {
		var have right
		if have, _, err = s.consentRight(ctx, actor, actor.Patient); err == nil && have == noRight {
			err = hie.ErrForbidden
		}
		if err == nil {
			all, err = s.deps.Requests.Reports(ctx, actor.Patient)
		}
		all = all[:min(len(all), p.count)]
	} else if err == nil {
		var orgs []hie.OrgID
		if orgs, err = s.answersFor(actor); err == nil {
			all, err = s.deps.Requests.OpenReports(ctx, orgs, p.count)
		}
	}
	event := s.reviewed(c, "report requests")
	out := struct {
		Requests []requestJSON `json:"requests"`
	}{make([]requestJSON, 0, len(all))}
	for _, r := range all {
		out.Requests = append(out.Requests, s.requestJSON(r))
		event = event.About(r.Record)
	}
	if err == nil {
		err = s.deps.Audit.Record(context.WithoutCancel(c.Request.Context()), event)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, out)
}

// answersFor are the organisations whose requests an officer answers, nil for all.
func (s *Server) answersFor(officer hie.Actor) ([]hie.OrgID, error) {
	only, err := s.reviewScope(officer)
	if err != nil || only == "" {
		return nil, err
	}
	return s.deps.Network().Units(only), nil
}

// askRequest answers POST /admin/v1/reports/requests {"kind", "law", "organization", "words"}: a patient asks, or who may decide
// for them. A list the exchange makes itself is given at once.
func (s *Server) askRequest(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	var in struct {
		Kind         string `json:"kind"`
		Law          string `json:"law"`
		Organization string `json:"organization"`
		Words        string `json:"words"`
	}
	err := s.readJSON(c, &in)
	if err == nil {
		var have right
		if have, _, err = s.consentRight(ctx, actor, actor.Patient); err == nil && have != mayFile {
			err = hie.ErrForbidden
		}
	}
	r := consent.ReportRequest{Record: actor.Patient, Kind: consent.ReportKind(in.Kind), Law: in.Law, Organization: hie.OrgID(in.Organization), Words: in.Words}
	if o, known := s.deps.Network().Organization(r.Organization); err == nil && r.Organization != "" && (!known || !o.Active || o.Kind == networkKind) {
		err = hie.Invalid("organization", "must be an organization that takes part")
	}
	if err == nil {
		r, err = s.deps.Requests.AskReport(ctx, actor, r)
	}
	s.sendRequest(c, r, err)
}

// answerRequest answers POST /admin/v1/reports/requests/{id}/answer {"outcome": "given" | "refused", "words"}.
func (s *Server) answerRequest(c *gin.Context) {
	var in struct {
		Outcome string `json:"outcome"`
		Words   string `json:"words"`
	}
	s.onRequest(c, &in, func(ctx context.Context, r consent.ReportRequest) error {
		return s.deps.Requests.AnswerReport(ctx, caller(c), r, consent.ReportOutcome(in.Outcome), in.Words)
	})
}

// extendRequest answers POST /admin/v1/reports/requests/{id}/extend {"words"}: the answer is put off, once.
func (s *Server) extendRequest(c *gin.Context) {
	var in struct {
		Words string `json:"words"`
	}
	s.onRequest(c, &in, func(ctx context.Context, r consent.ReportRequest) error {
		return s.deps.Requests.ExtendReport(ctx, caller(c), r, in.Words)
	})
}

// onRequest takes a step with the request the path names, one the officer answers, and answers with it as it is then.
func (s *Server) onRequest(c *gin.Context, in any, step func(context.Context, consent.ReportRequest) error) {
	ctx := c.Request.Context()
	record, id, err := s.deps.Sealer.OpenID("report", c.Param("id"))
	if err != nil {
		s.fail(c, hie.ErrNotFound)
		return
	}
	r, err := s.deps.Requests.Report(ctx, hie.SourcePatientID(record), id)
	var orgs []hie.OrgID
	if err == nil {
		orgs, err = s.answersFor(caller(c))
	}
	if err == nil && orgs != nil && !slices.Contains(orgs, r.Organization) {
		err = hie.ErrNotFound
	}
	if err == nil {
		err = s.readJSON(c, in)
	}
	if err == nil {
		err = step(ctx, r)
	}
	if err == nil {
		r, err = s.deps.Requests.Report(ctx, r.Record, r.ID)
	}
	s.sendRequest(c, r, err)
}

func (s *Server) sendRequest(c *gin.Context, r consent.ReportRequest, err error) {
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, s.requestJSON(r))
}
