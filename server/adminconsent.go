package server

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/mpi"
	"github.com/gin-gonic/gin"
)

// explainJSON is a hypothetical request about a stored patient.
type explainJSON struct {
	// Patient is a Patient id as served.
	Patient string `json:"patient"`
	// Record is the Patient id of the registration the document hangs on; "" for Patient.
	Record string `json:"record,omitzero"`
	// At is as of when; now when it is missing.
	At           time.Time `json:"at,omitzero"`
	Organization string    `json:"organization"`
	User         string    `json:"user,omitzero"`
	Practitioner string    `json:"practitioner,omitzero"`
	Roles        []string  `json:"roles,omitempty"`
	Purposes     []string  `json:"purposes"`
	// Exchange is the network exchange code asserted. OwnAccess supposes that the patient asks through a client of
	// theirs, Representative that somebody who may does so for them.
	Exchange       string `json:"exchange,omitzero"`
	OwnAccess      bool   `json:"own_access,omitzero"`
	Representative bool   `json:"representative,omitzero"`
	// Document is what the decision would be about; its site is the record's.
	Document struct {
		ID              string   `json:"id,omitzero"`
		Class           string   `json:"class,omitzero"`
		Type            string   `json:"type,omitzero"`
		Confidentiality string   `json:"confidentiality,omitzero"`
		Sensitivity     []string `json:"sensitivity,omitempty"`
		Labelled        bool     `json:"labelled,omitzero"`
		Start           string   `json:"start,omitzero"`
		End             string   `json:"end,omitzero"`
		Authors         []string `json:"authors,omitempty"`
		Encounter       string   `json:"encounter,omitzero"`
	} `json:"document"`
}

// traceJSON is an explained decision.
type traceJSON struct {
	Release     bool            `json:"release"`
	Reason      string          `json:"reason"`
	Layer       string          `json:"layer"`
	Atoms       map[string]bool `json:"atoms"`
	Obligations []string        `json:"obligations"`
	Directives  []standingJSON  `json:"directives"`
	Steps       []stepJSON      `json:"steps"`
	Basis       *basisJSON      `json:"basis,omitzero"`
}

type standingJSON struct {
	Consent string   `json:"consent"`
	Version int64    `json:"version"`
	State   string   `json:"state"`
	Why     []string `json:"why,omitempty"`
}

type stepJSON struct {
	Atom    string `json:"atom"`
	Purpose string `json:"purpose,omitzero"`
	Layer   string `json:"layer"`
	Rule    string `json:"rule"`
	Node    string `json:"node,omitzero"`
	Effect  string `json:"effect"`
	Decides bool   `json:"decides"`
	Note    string `json:"note,omitzero"`
	Source  string `json:"source,omitzero"`
}

// explainDecision answers POST /admin/v1/consent/explain: what would be decided, now or at a past instant, about such a
// document for such a request, and everything that spoke. Nothing is disclosed and nothing changes.
//
// Source: spec consent 2.12 and 2.19.
func (s *Server) explainDecision(c *gin.Context) {
	ctx := c.Request.Context()
	var in explainJSON
	if err := s.readJSON(c, &in); err != nil {
		s.fail(c, err)
		return
	}
	person, member, err := s.explained(ctx, caller(c), in)
	if err != nil {
		s.fail(c, err)
		return
	}
	if in.At.After(s.deps.Now()) {
		s.fail(c, hie.Invalid("at", "must not lie in the future"))
		return
	}
	if err := s.deps.Audit.Record(context.WithoutCancel(ctx), s.reviewed(c, "consent explain").About(person.Records()...)); err != nil {
		s.fail(c, err)
		return
	}
	past, err := s.deps.Past(ctx, member.Record, in.At)
	if err != nil {
		s.fail(c, err)
		return
	}
	if then, was := past.Person.Member(member.Record); was { // its site is the same; its link may not be
		member = then
	}
	req, doc := in.read(past, member)
	trace := past.Explain(req, doc)
	out := s.traceJSON(trace, past.OnFile.Directives)
	basis := s.basisJSON(past, trace.Basis)
	out.Basis = &basis
	s.sendJSON(c, http.StatusOK, out)
}

// explained returns the person asked about and the membership of the record the document hangs on. An officer of
// an organisation asks about registrations of its own sites.
func (s *Server) explained(ctx context.Context, actor hie.Actor, in explainJSON) (mpi.Person, mpi.Member, error) {
	record, ok := s.patientRecord(strings.TrimPrefix(in.Patient, "Patient/"))
	if !ok {
		return mpi.Person{}, mpi.Member{}, hie.ErrNotFound
	}
	about := record
	if in.Record != "" {
		if about, ok = s.patientRecord(strings.TrimPrefix(in.Record, "Patient/")); !ok {
			return mpi.Person{}, mpi.Member{}, hie.ErrNotFound
		}
	}
	for _, r := range []hie.SourcePatientID{record, about} {
		have, _, err := s.consentRight(ctx, actor, r)
		if err != nil || have == noRight {
			return mpi.Person{}, mpi.Member{}, firstError(err, hie.ErrNotFound)
		}
	}
	person, err := s.deps.Patients.PersonOf(ctx, record)
	if err != nil {
		return mpi.Person{}, mpi.Member{}, err
	}
	m, member := person.Member(about)
	if !member {
		return mpi.Person{}, mpi.Member{}, hie.Invalid("record", "must be a registration of the same person")
	}
	return person, m, nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (in explainJSON) read(past Past, m mpi.Member) (consent.Request, consent.Document) {
	actor := hie.Actor{Organization: hie.OrgID(in.Organization), User: in.User, Roles: in.Roles, Exchange: in.Exchange}
	for _, p := range in.Purposes {
		actor.Purposes = append(actor.Purposes, hie.Purpose(p))
	}
	req := past.Request(actor)
	req.Roles, req.OwnRecord, req.Representative = in.Roles, in.OwnAccess || in.Representative, in.Representative
	if in.Practitioner != "" {
		req.Practitioner = in.Practitioner
	}
	d := in.Document
	doc := consent.Document{ID: d.ID, Record: m.Record.String(), Site: m.Site, Class: d.Class, Type: d.Type, Confidentiality: d.Confidentiality,
		Authors: d.Authors, Encounter: d.Encounter}
	past.Label(&doc, d.Sensitivity, d.Labelled)
	doc.Start, doc.End = past.Env.DocumentTimes(m.Site, d.Start, d.End)
	return req, doc
}

func (s *Server) traceJSON(t consent.Trace, directives []consent.Directive) traceJSON {
	out := traceJSON{Release: t.Decision.Release, Reason: t.Decision.Reason.String(), Layer: string(t.Decision.Layer), Atoms: map[string]bool{},
		Obligations: t.Decision.Obligations, Directives: make([]standingJSON, 0, len(t.Directives)), Steps: make([]stepJSON, 0, len(t.Steps))}
	t.Decision.Atoms.Each(func(label string, permit bool) { out.Atoms[label] = permit })
	public := map[string]string{} // directives are named as their Consents are
	for i, st := range t.Directives {
		public[st.ID] = s.publicConsent(directives[i])
		out.Directives = append(out.Directives, standingJSON{Consent: public[st.ID], Version: st.Version, State: st.State, Why: st.Why})
	}
	for _, st := range t.Steps {
		rule := st.Rule
		if id, version, found := strings.Cut(rule, "/"); found && public[id] != "" {
			rule = public[id] + "/" + version
		}
		out.Steps = append(out.Steps, stepJSON{Atom: st.Atom, Purpose: string(st.Purpose), Layer: string(st.Layer), Rule: rule, Node: st.Node,
			Effect: st.Effect, Decides: st.Decides, Note: st.Note, Source: st.Source})
	}
	return out
}

// publicConsent returns the FHIR id of a directive.
func (s *Server) publicConsent(d consent.Directive) string {
	record, err1 := strconv.ParseInt(d.Record, 10, 64)
	id, err2 := strconv.ParseInt(d.ID, 10, 64)
	if err1 != nil || err2 != nil { // not one the store gave
		return d.ID
	}
	return s.deps.Sealer.ID("consent", record, id)
}
