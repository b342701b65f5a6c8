package server

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/consent/consentfhir"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
	"github.com/gin-gonic/gin"
)

// Forms is what capture asks of the store. *consentpg.Store is one; its methods say what each does.
type Forms interface {
	Templates(ctx context.Context) ([]consent.Template, error)
	ProposeTemplate(ctx context.Context, actor hie.Actor, t consent.Template) (consent.Template, error)
	DecideTemplate(ctx context.Context, actor hie.Actor, id string, version int64, approve bool) (consent.Template, error)
	RetireTemplate(ctx context.Context, actor hie.Actor, id string, version int64) (consent.Template, error)
	Represent(ctx context.Context, actor hie.Actor, r consent.Representative, expected int64) (consent.Representative, error)
	Representatives(ctx context.Context, records []hie.SourcePatientID) ([]consent.Representative, error)
	RecordInstrument(ctx context.Context, actor hie.Actor, i consent.Instrument, expected int64) (consent.Instrument, error)
	Instruments(ctx context.Context, records []hie.SourcePatientID) ([]consent.Instrument, error)
	Evidence(ctx context.Context, record hie.SourcePatientID, id int64) (map[int64][]consent.Evidence, error)
}

// What a form is filled in and signed with. Of $preview, consent may stand in place of all of them.
var captureParameters = []string{"patient", "template", "version", "language", "organization*", "label*", "until", "performer", "kind", "method", "hash",
	"witness", "verified", "document"}

// captureConsent answers POST /fhir/Consent/$capture: a form as filled in and signed becomes a consent in force.
//
// Source: spec consent 2.20.
func (s *Server) captureConsent(c *gin.Context) {
	ps, err := s.readParameters(c, captureParameters...)
	var v consent.Version
	if err == nil {
		v, err = s.captured(c.Request.Context(), caller(c), ps, true)
	}
	if err == nil {
		v, err = s.keepConsent(c, v, 0)
	}
	if err != nil {
		s.refuseConsent(c, "capture", 0, err)
		return
	}
	s.sendConsent(c, http.StatusCreated, v, s.consentLocation(v))
}

// captured makes of the parameters the version that is to be filed; signed is whether it must be one that was signed.
func (s *Server) captured(ctx context.Context, actor hie.Actor, ps parameters, signed bool) (consent.Version, error) {
	if ps.one("patient").ValueReference == nil {
		return consent.Version{}, hie.Required(parameterPath("patient") + ".value")
	}
	record, err := s.consentPatient(ctx, actor, *ps.one("patient").ValueReference)
	if err != nil {
		return consent.Version{}, err
	}
	form, err := s.form(ctx, record, ps.one("template").ValueString, ps.one("version").ValueInteger)
	if err != nil {
		return consent.Version{}, err
	}
	root, err := form.Fill(answersOf(ps))
	if err != nil {
		return consent.Version{}, atParameter(err)
	}
	evidence, err := s.evidenceOf(ctx, actor, record, form, ps, signed)
	if err != nil {
		return consent.Version{}, err
	}
	patient := fhir.Reference{Reference: "Patient/" + s.patientID(record)}
	verified := ps.one("verified").ValueBoolean
	b := consentfhir.Compose(form, root, consentfhir.Signing{Patient: patient, Performer: fhir.Reference{Reference: evidence.Signer}, Signed: s.deps.Now(),
		Verified: actor.Patient != 0 || verified != nil && *verified, Language: evidence.Language})
	v, err := s.filing(ctx, actor, b)
	v.Evidence = []consent.Evidence{evidence}
	return v, err
}

// form returns the version of a form that is offered where record's site is: the newest, or the one named.
func (s *Server) form(ctx context.Context, record hie.SourcePatientID, id string, version *int) (consent.Template, error) {
	if id == "" {
		return consent.Template{}, hie.Required(parameterPath("template") + ".value")
	}
	home, err := s.deps.Patients.Home(ctx, record)
	if err != nil {
		return consent.Template{}, err
	}
	all, err := s.deps.Forms.Templates(ctx)
	if err != nil {
		return consent.Template{}, err
	}
	for _, t := range consent.Offered(all, s.deps.Network().Jurisdiction(home.Site)) {
		if t.ID == id && (version == nil || int64(*version) == t.Version) {
			return t, nil
		}
	}
	return consent.Template{}, &hie.InvalidError{Path: parameterPath("template"), Rule: "must name a form, and a version of it, that is offered here", Code: "code-invalid"}
}

func answersOf(ps parameters) consent.Answers {
	a := consent.Answers{Until: ps.one("until").ValueDateTime}
	for _, p := range ps["organization"] {
		if p.ValueReference != nil {
			a.Organizations = append(a.Organizations, hie.OrgID(strings.TrimPrefix(p.ValueReference.Reference, "Organization/")))
		}
	}
	for _, p := range ps["label"] {
		a.Labels = append(a.Labels, p.ValueCode)
	}
	return a
}

// atParameter names the parameter an answer is.
func atParameter(err error) error {
	inv, ok := errors.AsType[*hie.InvalidError](err)
	if !ok {
		return err
	}
	name := map[string]string{"organizations": "organization", "labels": "label"}[inv.Path]
	if name == "" {
		name = inv.Path
	}
	return &hie.InvalidError{Path: parameterPath(name), Rule: inv.Rule, Code: inv.Code}
}

// evidenceOf reads what the signature rests on: who signed, who for another must be a representative who may, and the
// paper or the word it was.
func (s *Server) evidenceOf(ctx context.Context, actor hie.Actor, record hie.SourcePatientID, form consent.Template, ps parameters, signed bool) (consent.Evidence, error) {
	e := consent.Evidence{Kind: ps.one("kind").ValueCode, Method: ps.one("method").ValueCode, Hash: ps.one("hash").ValueString, Witness: ps.one("witness").ValueString,
		Language: ps.one("language").ValueCode, Template: form.ID, TemplateVersion: form.Version, Signer: "Patient/" + s.patientID(record), Capacity: consent.CapacityPatient}
	if doc := ps.one("document").Resource; doc != nil {
		paper, err := consentfhir.ReadEvidence(doc)
		if err != nil {
			return e, err
		}
		e.Kind, e.Method, e.Hash, e.MediaType, e.Size, e.Content = paper.Kind, paper.Method, paper.Hash, paper.MediaType, paper.Size, paper.Content
	}
	if e.Language != "" && form.Words[e.Language] == (consent.Words{}) {
		return e, &hie.InvalidError{Path: parameterPath("language"), Rule: "must be a language the form has words in", Code: "code-invalid"}
	}
	if performer := ps.one("performer").ValueReference; performer != nil && !strings.HasPrefix(performer.Reference, "Patient/") {
		if err := s.signs(ctx, record, performer.Reference, &e); err != nil {
			return e, err
		}
	}
	if !signed {
		return e, nil
	}
	if actor.Patient != 0 && e.Kind == "" { // who is signed in signs by what they are signed in with
		e.Kind, e.Method, e.Hash = "signature", "electronic", consentfhir.Hash([]byte(actor.TokenID+" "+form.ID+"/"+strconv.FormatInt(form.Version, 10)))
	}
	if err := e.Check(); err != nil {
		return e, atParameter(err)
	}
	return e, nil
}

// signs checks that the representative called ref may sign for the patient of record now, and puts their capacity into e.
func (s *Server) signs(ctx context.Context, record hie.SourcePatientID, ref string, e *consent.Evidence) error {
	all, err := s.deps.Forms.Representatives(ctx, []hie.SourcePatientID{record})
	if err != nil {
		return err
	}
	home, err := s.deps.Patients.Home(ctx, record)
	if err != nil {
		return err
	}
	zone := s.zoneOf(home.Site)
	for _, r := range all {
		if r.Ref == ref && r.MayAct(consent.RightsManage, s.deps.Now(), zone) {
			e.Signer, e.Capacity = r.Ref, r.Capacity
			return nil
		}
	}
	return &hie.InvalidError{Path: parameterPath("performer"), Rule: "must be the patient, or a representative on record who may sign for them now", Code: "business-rule"}
}

// previewConsent answers POST /fhir/Consent/$preview: who can see what now, and who could if the consent in the request
// (whole, or a form as filled in) were filed, with the conflicts that would leave open. Nothing is written but that
// somebody looked.
//
// Source: spec consent 2.20; spec ux finding 6.
func (s *Server) previewConsent(c *gin.Context) {
	ctx, actor := c.Request.Context(), caller(c)
	ps, err := s.readParameters(c, append(slices.Clone(captureParameters), "consent", "asker*")...)
	var v consent.Version
	switch {
	case err != nil:
	case ps.one("consent").Resource != nil:
		v, err = s.filing(ctx, actor, ps.one("consent").Resource)
	default:
		v, err = s.captured(ctx, actor, ps, false)
	}
	var p preview
	if err == nil {
		p, err = s.preview(ctx, actor, v, askersOf(ps))
	}
	if err == nil {
		err = s.deps.Audit.Record(context.WithoutCancel(ctx), s.consentLook(c, "preview").About(v.Record))
	}
	if err != nil {
		s.refuseConsent(c, "preview", 0, err)
		return
	}
	s.send(c, http.StatusOK, p.parameters(s))
}

// askersOf reads whom a preview is to suppose: Organization or Practitioner references.
func askersOf(ps parameters) []consent.Asker {
	var out []consent.Asker
	for _, p := range ps["asker"] {
		if p.ValueReference == nil {
			continue
		}
		if id, ok := strings.CutPrefix(p.ValueReference.Reference, "Organization/"); ok {
			out = append(out, consent.Asker{Organization: hie.OrgID(id)})
		}
	}
	return out
}

// A preview is what a consent would change.
type preview struct {
	outlook   []consent.Outlook
	conflicts []consent.Conflict
	filed     string // the ID that stands for what would be filed
	name      func(id string) string
}

// maxAskers bounds whom one preview supposes.
const maxAskers = 8

// preview decides under what is on file, and under what would be if v were.
func (s *Server) preview(ctx context.Context, actor hie.Actor, v consent.Version, askers []consent.Asker) (preview, error) {
	person, err := s.deps.Patients.PersonOf(ctx, v.Record)
	if err != nil {
		return preview{}, err
	}
	onFile, err := s.deps.Consents.Load(ctx, person.Records())
	if err != nil {
		return preview{}, err
	}
	at := s.deps.Now()
	v.ID, v.Number, v.Filed = 0, 1, at
	added, err := consentfhir.Directive(v)
	if err != nil {
		return preview{}, err
	}
	env, subject := s.deps.ConsentEnv(), federation.SubjectOf(person, onFile)
	then := append(slices.Clone(onFile.Directives), added)
	after := consent.Compile(env, subject, then)
	sites, err := s.previewedSites(ctx, actor, person)
	if err != nil {
		return preview{}, err
	}
	p := preview{filed: added.ID, outlook: consent.Preview(consent.Compile(env, subject, onFile.Directives), after, sites, env.PreviewAskers(subject, then, askers, maxAskers), at.Add(time.Microsecond))}
	for _, conflict := range after.Conflicts(at.Add(time.Microsecond)) {
		if conflict.Permit.ID == added.ID || conflict.Deny.ID == added.ID {
			p.conflicts = append(p.conflicts, conflict)
		}
	}
	public := map[string]string{}
	for _, d := range onFile.Directives {
		record, err := strconv.ParseInt(d.Record, 10, 64)
		if err != nil {
			continue
		}
		if have, _, err := s.consentRight(ctx, actor, hie.SourcePatientID(record)); err == nil && have != noRight {
			public[d.ID] = "Consent/" + s.publicConsent(d)
		}
	}
	p.name = func(id string) string { return public[id] }
	return p, nil
}

// previewedSites are the sites actor may be shown an outlook of: a patient those of the records that are surely theirs, an
// organisation its own. Where else the patient has records is not for it to learn.
func (s *Server) previewedSites(ctx context.Context, actor hie.Actor, person mpi.Person) ([]hie.SiteID, error) {
	var out []hie.SiteID
	for _, m := range person.Members {
		have, home, err := s.consentRight(ctx, actor, m.Record)
		if err != nil {
			return nil, err
		}
		if have == mayFile {
			out = append(out, home.Site)
		}
	}
	return out, nil
}

// parameters writes a preview: a part for each kind of sight, and one for each conflict, which names what of it the
// caller may read.
func (p *preview) parameters(s *Server) fhir.Parameters {
	out := fhir.Parameters{ResourceType: "Parameters"}
	bools := func(b bool) *bool { return &b }
	for _, o := range p.outlook {
		part := []fhir.Parameter{{Name: "site", ValueCode: string(o.Site)}, {Name: "organization", ValueReference: &fhir.Reference{Reference: "Organization/" + string(o.Asker.Organization)}},
			{Name: "purpose", ValueCode: string(o.Purpose)}, {Name: "kind", ValueCode: o.Kind}, {Name: "now", ValueBoolean: bools(o.Now)}, {Name: "then", ValueBoolean: bools(o.Then)}}
		out.Parameter = append(out.Parameter, fhir.Parameter{Name: "sight", Part: part})
	}
	for _, conflict := range p.conflicts {
		part := []fhir.Parameter{{Name: "why", ValueString: conflict.Why}}
		for name, d := range map[string]consent.DirectiveName{"permit": conflict.Permit, "deny": conflict.Deny} {
			if ref := p.name(d.ID); ref != "" {
				part = append(part, fhir.Parameter{Name: name, ValueReference: &fhir.Reference{Reference: ref}})
			}
		}
		slices.SortFunc(part, func(a, b fhir.Parameter) int { return strings.Compare(b.Name, a.Name) })
		out.Parameter = append(out.Parameter, fhir.Parameter{Name: "conflict", Part: part})
	}
	return out
}
