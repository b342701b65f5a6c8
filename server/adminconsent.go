package server

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
	"github.com/gin-gonic/gin"
)

// Privacy officers review emergencies and have decisions explained. Those of an organisation see claims its own
// people made; those of the network see all.

// reviewJSON is a claim as a privacy officer sees it.
type reviewJSON struct {
	ID           string   `json:"id"`
	Opened       string   `json:"opened"`
	Until        string   `json:"until"`
	Organization string   `json:"organization"`
	Client       string   `json:"client"`
	User         string   `json:"user"`
	UserName     string   `json:"user_name,omitzero"`
	Role         string   `json:"role"`
	Reason       string   `json:"reason"`
	Text         string   `json:"text"`
	Attested     []string `json:"attested"`
	// Records are the records the claim opened, as Patient ids; empty when it named nobody known here.
	Records  []string `json:"records"`
	Closed   string   `json:"closed,omitzero"`
	ClosedBy string   `json:"closed_by,omitzero"`
	Finding  string   `json:"finding,omitzero"`
	Note     string   `json:"note,omitzero"`
}

func (s *Server) reviewJSON(t consent.Task) reviewJSON {
	r := reviewJSON{ID: s.adminID("review", t.ID), Opened: fhir.Instant(t.Opened), Until: fhir.Instant(t.Until),
		Organization: string(t.Actor.Organization), Client: string(t.Actor.Client), User: t.Actor.User, UserName: t.Actor.UserName,
		Role: t.Claim.Role, Reason: t.Claim.ReasonCode, Text: t.Claim.Text, Attested: t.Claim.Attested, Records: []string{},
		ClosedBy: t.ClosedBy, Finding: t.Finding, Note: t.Note}
	for _, record := range t.Records {
		r.Records = append(r.Records, s.patientID(record))
	}
	if !t.Closed.IsZero() {
		r.Closed = fhir.Instant(t.Closed)
	}
	return r
}

// reviewScope returns the organisation whose claims the caller sees, "" for all.
func (s *Server) reviewScope(actor hie.Actor) (hie.OrgID, error) {
	o, known := s.deps.Network().Organization(actor.Organization)
	if !known {
		return "", hie.ErrForbidden
	}
	if o.Kind == networkKind {
		return "", nil
	}
	return o.ID, nil
}

// listReviews answers GET /admin/v1/reviews?closed=&after=&count=: oldest first.
func (s *Server) listReviews(c *gin.Context) {
	f, err := s.reviewFilter(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	tasks, more, err := s.deps.Emergencies.Tasks(c.Request.Context(), f)
	if err != nil {
		s.fail(c, err)
		return
	}
	out := struct {
		Reviews []reviewJSON `json:"reviews"`
		Next    string       `json:"next,omitzero"`
	}{Reviews: make([]reviewJSON, 0, len(tasks))}
	event := s.reviewed(c, "review list")
	for _, t := range tasks {
		out.Reviews = append(out.Reviews, s.reviewJSON(t))
		event = event.About(t.Records...)
	}
	if more {
		out.Next = out.Reviews[len(out.Reviews)-1].ID
	}
	if err := s.deps.Audit.Record(context.WithoutCancel(c.Request.Context()), event); err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, out)
}

func (s *Server) reviewFilter(c *gin.Context) (f consent.TaskFilter, err error) {
	f.Limit = 50
	if f.Organization, err = s.reviewScope(caller(c)); err != nil {
		return f, err
	}
	for name, values := range c.Request.URL.Query() {
		v := values[0]
		if len(values) > 1 {
			return f, hie.Invalid(parameterName(name), "must be given once")
		}
		switch name {
		case "closed":
			if f.Closed, err = strconv.ParseBool(v); err != nil {
				return f, hie.Invalid("closed", "must be true or false")
			}
		case "after":
			if f.After, err = s.openAdminID("review", v); err != nil {
				return f, hie.Invalid("after", "does not continue this list")
			}
		case "count":
			if f.Limit, err = strconv.Atoi(v); err != nil || f.Limit < 1 || f.Limit > 200 {
				return f, hie.Invalid("count", "must be from 1 to 200")
			}
		default:
			return f, hie.Invalid(parameterName(name), "is not a parameter of this list")
		}
	}
	return f, nil
}

// review returns the task the URL names, when the caller may see it.
func (s *Server) review(c *gin.Context) (consent.Task, error) {
	only, err := s.reviewScope(caller(c))
	if err != nil {
		return consent.Task{}, err
	}
	id, err := s.openAdminID("review", c.Param("id"))
	if err != nil {
		return consent.Task{}, hie.ErrNotFound
	}
	t, err := s.deps.Emergencies.Task(c.Request.Context(), id)
	if err == nil && only != "" && t.Actor.Organization != only {
		err = hie.ErrNotFound
	}
	return t, err
}

// readReview answers GET /admin/v1/reviews/{id}.
func (s *Server) readReview(c *gin.Context) {
	t, err := s.review(c)
	if err == nil {
		err = s.deps.Audit.Record(context.WithoutCancel(c.Request.Context()), s.reviewed(c, "review read").About(t.Records...))
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, s.reviewJSON(t))
}

// closeReview answers POST /admin/v1/reviews/{id}/close {"finding": "justified" | "unjustified", "note"}. Nobody
// closes the review of their own claim.
func (s *Server) closeReview(c *gin.Context) {
	var in struct {
		Finding string `json:"finding"`
		Note    string `json:"note"`
	}
	t, err := s.review(c)
	if err == nil {
		err = s.readJSON(c, &in)
	}
	switch actor := caller(c); {
	case err != nil:
	case in.Finding != "justified" && in.Finding != "unjustified":
		err = hie.Invalid("finding", "must be justified or unjustified")
	case strings.TrimSpace(in.Note) == "" || len(in.Note) > maxClaimText:
		err = hie.Invalid("note", "must say in at most 4000 bytes what the finding rests on")
	case actor.User == "" || actor.User == t.Actor.User && actor.Organization == t.Actor.Organization:
		err = hie.ErrForbidden
	default:
		err = s.deps.Emergencies.Close(c.Request.Context(), actor, t.ID, in.Finding, in.Note)
	}
	if err == nil {
		t, err = s.deps.Emergencies.Task(c.Request.Context(), t.ID)
	}
	if err != nil {
		s.fail(c, err)
		return
	}
	s.sendJSON(c, http.StatusOK, s.reviewJSON(t))
}

func (s *Server) reviewed(c *gin.Context, interaction string) audit.Event {
	e := audit.NewEvent(audit.AuditRead, caller(c), s.deps.Now())
	e.Action, e.Detail = "R", map[string]string{"interaction": interaction}
	return e
}

// explainJSON is a hypothetical request about a stored patient.
type explainJSON struct {
	// Patient is a Patient id as served.
	Patient string `json:"patient"`
	// Record is the Patient id of the registration the document hangs on; "" for Patient.
	Record       string   `json:"record,omitzero"`
	Organization string   `json:"organization"`
	User         string   `json:"user,omitzero"`
	Practitioner string   `json:"practitioner,omitzero"`
	Roles        []string `json:"roles,omitempty"`
	Purposes     []string `json:"purposes"`
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

// explainDecision answers POST /admin/v1/consent/explain: what would be decided now about such a document for such
// a request, and everything that spoke. Nothing is disclosed and nothing changes.
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
	onFile, err := s.deps.Consents.Load(ctx, person.Records())
	if err != nil {
		s.fail(c, err)
		return
	}
	if err := s.deps.Audit.Record(context.WithoutCancel(ctx), s.reviewed(c, "consent explain").About(person.Records()...)); err != nil {
		s.fail(c, err)
		return
	}
	env := s.deps.ConsentEnv()
	subject := consent.Subject{Grants: onFile.Grants, Proxies: onFile.Proxies}
	for _, m := range person.Members {
		subject.Records = append(subject.Records, consent.Record{ID: m.Record.String(), Site: m.Site, Link: m.Link})
	}
	req, doc := in.read(env, member)
	trace := consent.Compile(env, subject, onFile.Directives).Explain(req, doc, s.deps.Now())
	s.sendJSON(c, http.StatusOK, s.traceJSON(trace, onFile.Directives))
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

func (in explainJSON) read(env *consent.Env, m mpi.Member) (consent.Request, consent.Document) {
	req := consent.Request{Organization: hie.OrgID(in.Organization), User: in.User, Practitioner: in.Practitioner, Roles: in.Roles,
		Abilities: env.Abilities()}
	for _, p := range in.Purposes {
		req.Purposes = append(req.Purposes, hie.Purpose(p))
	}
	d := in.Document
	doc := consent.Document{ID: d.ID, Record: m.Record.String(), Site: m.Site, Class: d.Class, Type: d.Type, Confidentiality: d.Confidentiality,
		Sensitivity: d.Sensitivity, Authors: d.Authors, Encounter: d.Encounter}
	if d.Labelled {
		doc.LabelState = consent.Labelled
	}
	doc.Start, doc.End = env.DocumentTimes(m.Site, d.Start, d.End)
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
