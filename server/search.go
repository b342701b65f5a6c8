package server

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/federation"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/locator/locatorfhir"
	"github.com/gin-gonic/gin"
)

// The extensions of a search entry that are Concord's own.
const (
	extensionObligation = "urn:concord:search:obligation"
	extensionAlternate  = "urn:concord:search:same-document"
)

// mayBeWithheld stands in every answer about documents, whatever it holds, unless the network's policy is silent.
//
// Source: spec consent 2.12 (a constant notice); consent.WithheldNotice.
var mayBeWithheld = fhir.Issue{Severity: "information", Code: "informational",
	Diagnostics: "Information may be withheld or unavailable. The absence of documents says nothing about their existence."}

// searchDocuments answers GET /fhir/DocumentReference and POST /fhir/DocumentReference/_search.
//
// Source: IHE MHD ITI-67; US Core DocumentReference.
func (s *Server) searchDocuments(c *gin.Context) {
	q, sought, unknown, ctl, err := s.documentQuery(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	q.Limit, q.CountOnly, q.Heard = ctl.count, ctl.countOnly, follower(c.Request)
	wait, said := preferredWait(c)
	q.Wait, q.Remembered = wait, said && wait == 0
	found, err := s.deps.Exchange.Find(c.Request.Context(), caller(c), q)
	if err != nil {
		s.fail(c, err)
		return
	}
	next := ""
	if found.More {
		next = s.cfg.FHIRBase() + "/DocumentReference?_cursor=" + s.sealDocuments(caller(c), sought, found.Next) + "&_count=" + strconv.Itoa(ctl.count)
	}
	entries := make([]fhir.BundleEntry, 0, len(found.Entries))
	for _, e := range found.Entries {
		entries = append(entries, s.documentEntry(c, e))
	}
	total := int(found.Total)
	s.sendSearchset(c, s.documentSelf(sought), next, &total, entries, s.documentIssues(found, unknown, askedLanguage(c.GetHeader("Accept-Language"))))
}

// documentQuery reads a search for documents: what is sought, the parameters that said so, those nobody knows, and how
// to answer. A cursor brings its own parameters.
func (s *Server) documentQuery(c *gin.Context) (q federation.Query, sought []fhir.Param, unknown []string, ctl searchControls, err error) {
	sought, ctl, err = s.controls(c, 50, locator.MaxPage)
	if err != nil {
		return q, nil, nil, ctl, err
	}
	if ctl.cursor != "" {
		if len(sought) > 0 { // the cursor holds the search; another beside it would be ignored
			return q, nil, nil, ctl, errCursor
		}
		if sought, q.Cursor, err = s.openDocuments(caller(c), ctl.cursor); err != nil {
			return q, nil, nil, ctl, err
		}
	}
	search, err := locatorfhir.ReadSearch(sought, locatorfhir.Known{Base: s.cfg.FHIRBase(), Document: s.anyDocument, Organization: s.organizationBy, Now: s.deps.Now()})
	if err == nil {
		err = ctl.refuseUnknown(search.Unknown)
	}
	if err == nil {
		err = s.whose(&q, search)
	}
	q.Filter, q.Raw = search.Filter, rawParams(sought)
	return q, sought, search.Unknown, ctl, err
}

// whose sets whose documents are sought: those of the patient named, or, in a search by id alone, of the one patient whose
// documents have these ids.
func (s *Server) whose(q *federation.Query, search locatorfhir.Search) error {
	switch {
	case !search.Patient.IsZero():
		q.Patient = search.Patient
	case search.PatientID != "":
		if record, ok := s.patientRecord(search.PatientID); ok {
			q.Record = record
		}
	case search.Filter.IDs == nil:
		return &hie.InvalidError{Path: "patient", Rule: "or patient.identifier must name the patient", Code: "required"}
	default:
		for _, ref := range search.Filter.IDs {
			if q.Record != 0 && q.Record != ref.Record {
				return &hie.InvalidError{Path: "_id", Rule: "must name documents of one patient record; ask for others separately", Code: "too-costly"}
			}
			q.Record = ref.Record
		}
	}
	return nil
}

// documentKinds are the kinds of sealed ids a DocumentReference can have: of the index, and of what a live site told.
var documentKinds = []string{kindDocument, kindLive}

func (s *Server) anyDocument(id string) (locator.Ref, bool) {
	for _, kind := range documentKinds {
		if record, doc, err := s.deps.Sealer.OpenID(kind, id); err == nil {
			return locator.Ref{Record: hie.SourcePatientID(record), ID: hie.PointerID(doc)}, true
		}
	}
	return locator.Ref{}, false
}

func (s *Server) organizationBy(id hie.Identifier) (hie.OrgID, bool) {
	for _, uri := range []string{id.Value, id.System + "|" + id.Value} {
		if o, ok := s.deps.Network().OrganizationByURI(uri); ok {
			return o.ID, true
		}
	}
	return "", false
}

// reference is the DocumentReference of one that is shown, under our ids and with what goes with it in words; brief takes the short
// form of a statement where there is one.
func (s *Server) reference(c *gin.Context, e federation.Entry, brief bool) []byte {
	p := e.Pointer
	if e.Live { // a site's answer has no versions here
		p.Version, p.Updated = 1, s.deps.Now()
	}
	return locatorfhir.DocumentReference(p, locatorfhir.Public{ID: s.shownDocument(e.Ref(), e.Live), Patient: s.patientID(e.Record),
		URL: s.binaryURL(e.Ref(), e.Live), Marks: s.marks(c, e.Obligations, e.Caveats, brief)})
}

// documentEntry makes the entry of one document: its resource, and beside it what goes with showing it. A page holds many, so
// they bear the short statements; who reads one, or its bytes, is given the whole.
func (s *Server) documentEntry(c *gin.Context, e federation.Entry) fhir.BundleEntry {
	out := searchEntry(s.cfg.FHIRBase()+"/DocumentReference/"+s.shownDocument(e.Ref(), e.Live), s.reference(c, e, true))
	for _, o := range e.Obligations {
		out.Search.Extension = append(out.Search.Extension, fhir.Extension{URL: extensionObligation, ValueCode: o})
	}
	for _, a := range e.Alternates {
		out.Search.Extension = append(out.Search.Extension, fhir.Extension{URL: extensionAlternate,
			ValueReference: &fhir.Reference{Reference: "DocumentReference/" + s.shownDocument(a.Ref(), a.Live), Display: s.siteName(a.Site)}})
	}
	return out
}

// readLive answers GET /fhir/DocumentReference/{id} for what a live site told of, while it is kept.
func (s *Server) readLive(c *gin.Context) {
	record, doc, err := s.deps.Sealer.OpenID(kindLive, c.Param("id"))
	if err != nil {
		s.fail(c, hie.ErrNotFound)
		return
	}
	e, err := s.deps.Exchange.Show(c.Request.Context(), caller(c), federation.Handle{Ref: locator.Ref{Record: hie.SourcePatientID(record), ID: hie.PointerID(doc)}, Live: true})
	if err != nil {
		s.fail(c, err)
		return
	}
	s.send(c, http.StatusOK, s.reference(c, e, false))
}

func (s *Server) shownDocument(ref locator.Ref, live bool) string {
	kind := kindDocument
	if live {
		kind = kindLive
	}
	return s.deps.Sealer.ID(kind, int64(ref.Record), int64(ref.ID))
}

func (s *Server) siteName(id hie.SiteID) string {
	if site, ok := s.deps.Network().Site(id); ok {
		return site.Name
	}
	return string(id)
}

// harmless are the search parameters that may stand in a link: none names or describes a patient.
var harmless = []string{"status", "type", "category", "setting", "facility", "event", "security-label", "format", "date", "creation", "period", "custodian", "contenttype", "language", "_sort"}

// documentSelf is the link of a search to itself: what was asked, but for everything that could name a patient, so
// that it is the same whoever was asked about.
func (s *Server) documentSelf(sought []fhir.Param) string {
	self := s.cfg.FHIRBase() + "/DocumentReference"
	shown := slices.DeleteFunc(slices.Clone(sought), func(p fhir.Param) bool { return !slices.Contains(harmless, p.Name) })
	if len(shown) > 0 {
		self += "?" + encodeParams(shown)
	}
	return self
}

// fates are how a site that did not answer is told of: FHIR's issue type and a sentence after its name.
var fates = map[federation.Fate]struct{ code, text string }{
	federation.Late:    {"timeout", "did not answer in time"},
	federation.Failed:  {"transient", "could not be asked"},
	federation.Refused: {"forbidden", "refused to answer"},
	federation.Skipped: {"throttled", "was not asked, since it is not well or busy"},
	federation.Partial: {"incomplete", "answered in part"},
	federation.Unasked: {"incomplete", "was not asked, since the caller does not wait"},
}

func (s *Server) documentIssues(found federation.Found, unknown []string, lang string) []fhir.Issue {
	issues := unknownIssues(unknown)
	for _, silence := range found.Silent {
		f := fates[silence.Fate]
		text := s.siteName(silence.Site) + " " + f.text + "."
		if silence.Again > 0 {
			text += " Asking again may help in " + strconv.Itoa(int((silence.Again+time.Second-1)/time.Second)) + " s."
		}
		for _, v := range silence.Caveats { // that the site has the patient is told too
			text = strings.TrimSpace(text + " " + v.Words(lang).Brief() + " " + consent.ExplainScope(v.Permissions, lang, s.names()))
		}
		issues = append(issues, fhir.Issue{Severity: "warning", Code: f.code, Diagnostics: text, Details: &fhir.CodeableConcept{Text: string(silence.Fate)}})
	}
	if found.Moved {
		issues = append(issues, fhir.Issue{Severity: "warning", Code: "incomplete",
			Diagnostics: "What may be shown has changed since the first page. Begin the search again for one consistent answer."})
	}
	return append(issues, s.withheldIssues(found.Withheld)...)
}

// withheldIssues are what the policy in force lets requesters be told of what is withheld; named are the classes of document
// that the exchange names.
func (s *Server) withheldIssues(named []string) []fhir.Issue {
	var out []fhir.Issue
	if len(named) > 0 {
		i := fhir.Issue{Severity: "information", Code: "suppressed", Details: &fhir.CodeableConcept{Text: "withheld"},
			Diagnostics: "Documents of these kinds are withheld from this answer: " + strings.Join(named, ", ") + "."}
		for _, class := range named {
			i.Details.Coding = append(i.Details.Coding, fhir.Coding{Code: class})
		}
		out = append(out, i)
	}
	if s.deps.ConsentEnv == nil || s.deps.ConsentEnv().Notice() != consent.NoticeSilent {
		out = append(out, mayBeWithheld)
	}
	return out
}

// sealDocuments seals a search with the place its page ended at, for who made it.
func (s *Server) sealDocuments(actor hie.Actor, sought []fhir.Param, at federation.Cursor) string {
	asked := int64(0)
	if !at.Asked.IsZero() {
		asked = at.Asked.UnixMicro()
	}
	payload := append(locatorfhir.Cursor(at.Cursor, asked, at.Standing), encodeParams(sought)...)
	return s.deps.Sealer.Seal(documentsContext(actor), payload)
}

// cursorSize is the length of a cursor's fixed part.
var cursorSize = len(locatorfhir.Cursor(locator.Cursor{}, 0, 0))

func (s *Server) openDocuments(actor hie.Actor, sealed string) ([]fhir.Param, federation.Cursor, error) {
	payload, err := s.deps.Sealer.Open(documentsContext(actor), sealed)
	if err != nil || len(payload) < cursorSize {
		return nil, federation.Cursor{}, errCursor
	}
	var (
		c     federation.Cursor
		asked int64
		ok    bool
	)
	if c.Cursor, ok = locatorfhir.ReadCursor(payload[:cursorSize], &asked, &c.Standing); !ok {
		return nil, federation.Cursor{}, errCursor
	}
	if asked != 0 {
		c.Asked = time.UnixMicro(asked).UTC()
	}
	ps, err := fhir.ParseParams(string(payload[cursorSize:]))
	if err != nil {
		return nil, federation.Cursor{}, errCursor
	}
	return ps, c, nil
}

// documentsContext binds a cursor to one organisation, client, user, patient and purpose.
func documentsContext(actor hie.Actor) string {
	parts := []string{"document search", string(actor.Organization), string(actor.Client), actor.User, actor.Patient.String()}
	for _, p := range actor.Purposes {
		parts = append(parts, string(p))
	}
	return strings.Join(parts, "\x00")
}

// preferredWait returns how long the caller says it waits (Prefer: wait=10), false when it does not say. Who does not wait
// at all (wait=0) wants what is known: no site is asked.
//
// Source: RFC 7240 section 4.3.
func preferredWait(c *gin.Context) (time.Duration, bool) {
	for _, h := range c.Request.Header.Values("Prefer") {
		for _, part := range strings.FieldsFunc(h, func(r rune) bool { return r == ',' || r == ';' }) {
			if v, ok := strings.CutPrefix(strings.TrimSpace(part), "wait="); ok {
				if n, err := strconv.ParseUint(v, 10, 16); err == nil {
					return time.Duration(n) * time.Second, true
				}
			}
		}
	}
	return 0, false
}

// presence answers GET and POST /fhir/DocumentReference/$presence: at which sites a patient has documents, of which
// classes, how many and how new. The patient is named as in a search; a POST may also bring Parameters.
func (s *Server) presence(c *gin.Context) {
	q, err := s.presenceQuery(c)
	if err != nil {
		s.fail(c, err)
		return
	}
	places, err := s.deps.Exchange.Presence(c.Request.Context(), caller(c), q)
	if err != nil {
		s.fail(c, err)
		return
	}
	if len(places) == 0 {
		s.even(c)
	}
	out := fhir.Parameters{ResourceType: "Parameters"}
	for _, w := range places {
		n := int(w.Count)
		parts := []fhir.Parameter{{Name: "site", ValueReference: &fhir.Reference{Reference: "Organization/" + string(w.Site), Display: s.siteName(w.Site)}}}
		if w.Class != "" {
			parts = append(parts, fhir.Parameter{Name: "class", ValueCode: w.Class})
		}
		parts = append(parts, fhir.Parameter{Name: "count", ValueInteger: &n}, fhir.Parameter{Name: "newest", ValueDateTime: fhir.Instant(w.Newest)})
		out.Parameter = append(out.Parameter, fhir.Parameter{Name: "presence", Part: parts})
	}
	var caveats []consent.Caveat
	for _, w := range places {
		caveats = consent.Join(caveats, w.Caveats)
	}
	out.Parameter = append(out.Parameter, s.statements(caveats)...)
	for _, i := range s.withheldIssues(nil) {
		out.Parameter = append(out.Parameter, fhir.Parameter{Name: "notice", ValueString: i.Diagnostics})
	}
	s.send(c, http.StatusOK, out)
}

func (s *Server) presenceQuery(c *gin.Context) (federation.Query, error) {
	var q federation.Query
	if c.Request.Method == http.MethodPost && !strings.HasPrefix(c.GetHeader("Content-Type"), "application/x-www-form-urlencoded") {
		return s.presenceBody(c)
	}
	sought, ctl, err := s.controls(c, 1, 1)
	if err != nil {
		return q, err
	}
	search, err := locatorfhir.ReadSearch(sought, locatorfhir.Known{Base: s.cfg.FHIRBase(), Document: s.anyDocument, Organization: s.organizationBy, Now: s.deps.Now()})
	if err != nil {
		return q, err
	}
	for _, p := range sought {
		if !strings.HasPrefix(p.Name, "patient") && !strings.HasPrefix(p.Name, "subject") {
			search.Unknown = append(search.Unknown, p.Name)
		}
	}
	if err := ctl.refuseUnknown(search.Unknown); err != nil {
		return q, err
	}
	search.Filter = locator.Filter{}
	q.Raw = rawParams(sought)
	return q, s.whose(&q, search)
}

func (s *Server) presenceBody(c *gin.Context) (federation.Query, error) {
	var (
		q  federation.Query
		in fhir.Parameters
	)
	body, err := s.body(c)
	if err != nil {
		return q, err
	}
	if err := fhir.Decode(body, &in); err != nil {
		return q, err
	}
	if in.ResourceType != "Parameters" {
		return q, &hie.InvalidError{Path: "resourceType", Rule: "must be Parameters", Code: "structure"}
	}
	named := 0
	for i, p := range in.Parameter {
		at := "Parameters.parameter[" + strconv.Itoa(i) + "]"
		switch {
		case p.Name == "patient.identifier" && p.ValueIdentifier != nil && p.ValueIdentifier.System != "" && p.ValueIdentifier.Value != "":
			q.Patient = hie.Identifier{System: p.ValueIdentifier.System, Value: p.ValueIdentifier.Value}
			q.Raw = "patient.identifier=" + p.ValueIdentifier.System + "|" + p.ValueIdentifier.Value
		case p.Name == "patient" && p.ValueReference != nil && p.ValueReference.Reference != "":
			id := strings.TrimPrefix(strings.TrimPrefix(p.ValueReference.Reference, s.cfg.FHIRBase()+"/"), "Patient/")
			q.Record, _ = s.patientRecord(id) // one that is not ours names nobody
			q.Raw = "patient=" + id
		default:
			return q, &hie.InvalidError{Path: at, Rule: "must be patient (a reference) or patient.identifier (an identifier)", Code: "not-supported"}
		}
		named++
	}
	if named != 1 {
		return q, &hie.InvalidError{Path: "Parameters.parameter", Rule: "must name one patient, once", Code: "required"}
	}
	return q, nil
}
