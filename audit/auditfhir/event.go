// Package auditfhir turns audit events into FHIR AuditEvents in the patterns of IHE Basic Audit Log Patterns (BALP),
// and search parameters into audit queries.
//
// A profile is claimed only by an event that meets it: a success, with client and server addresses, and one patient
// where the profile allows one. Others have the same shape and claim nothing.
//
// Source: IHE BALP 1.1.4; spec federation 3.1 (table and traps); FHIR R4 AuditEvent.
package auditfhir

import (
	"cmp"
	"encoding/base64"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/concord-hie/concord/audit"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/internal/opaque"
)

// A Writer writes events as this installation's AuditEvents.
type Writer struct {
	// Base is the FHIR base URL, without a trailing slash.
	Base   string
	Sealer *opaque.Sealer
	// Name returns the display name of an organisation, "" when unknown.
	Name func(hie.OrgID) string
}

// Event returns e as an AuditEvent.
func (w Writer) Event(e audit.Event) fhir.AuditEvent {
	f := formOf(e.Kind)
	out := fhir.AuditEvent{
		ResourceType: "AuditEvent", ID: e.ID, Type: f.typ, Subtype: w.subtypes(f, e), Action: e.Action,
		Recorded: fhir.Instant(e.Time), Outcome: outcomeCodes[e.Outcome], OutcomeDesc: strings.Join(e.Reasons, " "),
		PurposeOfEvent: purposes(e.Actor.Purposes), Agent: w.agents(f, e), Source: w.source(), Entity: w.entities(f, e),
	}
	switch f.shape { // what these patterns fix
	case querying, deciding:
		out.Action = "E"
	case exporting:
		out.Action = "R"
	}
	out.Meta = &fhir.Meta{LastUpdated: out.Recorded}
	if p := w.profile(f, e); p != "" {
		out.Meta.Profile = []string{balp + "StructureDefinition/IHE.BasicAudit." + p}
	}
	return out
}

func (w Writer) subtypes(f form, e audit.Event) []fhir.Coding {
	var out []fhir.Coding
	switch {
	case f.shape == deciding && len(consents(e)) > 0:
		return []fhir.Coding{authzConsent} // the pattern allows no code from elsewhere beside it
	case f.shape == deciding:
		out = append(out, authzRole)
	case f.subtype.Code != "":
		out = append(out, f.subtype)
	default:
		if a, ok := actions[e.Action]; ok {
			out = append(out, fhir.Coding{System: restful, Code: a.interaction, Display: a.interaction})
		}
	}
	if iti := transactions[e.Kind][e.Detail["interaction"]]; iti != "" {
		out = append(out, fhir.Coding{System: "urn:ihe:event-type-code", Code: iti})
	}
	return append(out, fhir.Coding{System: kindSystem, Code: string(e.Kind)})
}

func (w Writer) agents(f form, e audit.Event) []fhir.AuditEventAgent {
	client := fhir.AuditEventAgent{Type: concept(source), Who: identified(string(e.Actor.Client)), Requestor: e.Actor.User == ""}
	server := fhir.AuditEventAgent{Type: concept(destination), Who: w.observer(), Network: &fhir.AuditEventNetwork{Address: w.Base, Type: "5"}}
	if a := address(e); a != "" {
		client.Network = &fhir.AuditEventNetwork{Address: a, Type: "2"}
	}
	switch f.shape {
	case reading, exporting:
		client.Type, server.Type = concept(destination), concept(source)
	case deciding, signing:
		client.Type, server.Type, server.Network = concept(application), concept(authServer), nil
	}
	if e.Actor.TokenID != "" && f.shape != signing {
		client.Policy = []string{"urn:ietf:params:oauth:jti:" + e.Actor.TokenID}
	}
	out := []fhir.AuditEventAgent{}
	if e.Actor.Client != "" {
		out = append(out, client)
	}
	out = append(out, server)
	if e.Actor.User != "" || e.Actor.UserName != "" {
		user := fhir.AuditEventAgent{Type: concept(recipient), Who: identified(e.Actor.User), Name: e.Actor.UserName, Requestor: true,
			PurposeOfUse: purposes(e.Actor.Purposes)}
		if f.shape == writing {
			user.Type = concept(author)
		}
		if f.shape != deciding {
			user.AltID = e.Actor.User
		}
		for _, r := range e.Actor.Roles {
			user.Role = append(user.Role, role(r))
		}
		out = append(out, user)
	}
	if e.Actor.Organization != "" {
		who := &fhir.Reference{Reference: "Organization/" + string(e.Actor.Organization), Type: "Organization"}
		if w.Name != nil {
			who.Display = w.Name(e.Actor.Organization)
		}
		out = append(out, fhir.AuditEventAgent{Type: concept(provider), Who: who})
	}
	if to := e.Detail["recipient"]; to != "" && to != "unlisted" { // of a disclosure a site told of
		out = append(out, fhir.AuditEventAgent{Type: concept(recipient), Who: &fhir.Reference{Reference: "Organization/" + to, Type: "Organization"}})
	}
	if !slices.ContainsFunc(out, func(a fhir.AuditEventAgent) bool { return a.Requestor }) {
		out[0].Requestor = true
	}
	return out
}

// address is where the request came from: the actor's, or the peer's of a request that established no actor.
func address(e audit.Event) string { return cmp.Or(e.Actor.Address, e.Detail["peer"]) }

// role writes a role as access does: a plain code of ours, or "system#code".
func role(r string) fhir.CodeableConcept {
	system, code, found := strings.Cut(r, "#")
	if !found {
		system, code = "urn:concord:role", r
	}
	return *concept(fhir.Coding{System: system, Code: code})
}

// observer names this installation; the server agent and the source are the same (BALP val-audit-source).
func (w Writer) observer() *fhir.Reference {
	return &fhir.Reference{Identifier: &fhir.Identifier{System: "urn:ietf:rfc:3986", Value: w.Base}, Display: "Concord"}
}

func (w Writer) source() fhir.AuditEventSource {
	site := ""
	if u, err := url.Parse(w.Base); err == nil {
		site = u.Hostname()
	}
	return fhir.AuditEventSource{Site: site, Observer: *w.observer(),
		Type: []fhir.Coding{{System: sourceType, Code: "4", Display: "Application Server"}}}
}

func (w Writer) entities(f form, e audit.Event) []fhir.AuditEventEntity {
	var out []fhir.AuditEventEntity
	for _, r := range e.Records {
		out = append(out, fhir.AuditEventEntity{Type: &person, Role: &patientRole, What: w.patient(r)})
	}
	if f.shape == deciding && len(consents(e)) > 0 { // this pattern's entities are closed
		for _, c := range consents(e) {
			out = append(out, fhir.AuditEventEntity{Type: &consentType, What: identified(c)})
		}
		if e.Actor.TokenID != "" {
			out = append(out, fhir.AuditEventEntity{Type: &tokenType, What: identified("urn:ietf:params:oauth:jti:" + e.Actor.TokenID)})
		}
		return out
	}
	if f.shape == querying || e.Query != "" {
		out = append(out, fhir.AuditEventEntity{Type: &object, Role: &queryRole, Query: base64.StdEncoding.EncodeToString([]byte(e.Query))})
		if e.Query == "" {
			out[len(out)-1].Query = base64.StdEncoding.EncodeToString([]byte("?")) // a search without parameters
		}
	}
	out = append(out, w.data(f, e)...)
	if e.Actor.Request != "" {
		out = append(out, fhir.AuditEventEntity{Type: &requestIDKey, What: identified(e.Actor.Request)})
	}
	if d := details(e); d != nil {
		out = append(out, fhir.AuditEventEntity{Type: &other, Name: "summary", Detail: d})
	}
	return out
}

// data are the resources involved. The pattern of a change wants one of them even when a record is all there is.
func (w Writer) data(f form, e audit.Event) []fhir.AuditEventEntity {
	var out []fhir.AuditEventEntity
	for _, d := range e.Documents {
		entity := fhir.AuditEventEntity{Type: &object, Role: &reportRole, What: &fhir.Reference{Type: "DocumentReference",
			Reference: "DocumentReference/" + w.Sealer.ID("document", int64(d.Record), int64(d.Pointer))}}
		if d.Class != "" {
			entity.Detail = []fhir.AuditEventDetail{{Type: "class", ValueString: d.Class}}
		}
		out = append(out, entity)
	}
	switch f.kind {
	case audit.ConsentChanged:
		for _, c := range consents(e) {
			out = append(out, fhir.AuditEventEntity{Type: &object, Role: &resourceRole, What: w.consent(e, c)})
		}
	case audit.PatientRegistered:
		for _, r := range e.Records {
			out = append(out, fhir.AuditEventEntity{Type: &object, Role: &resourceRole, What: w.patient(r)})
		}
	}
	return out
}

func (w Writer) patient(r hie.SourcePatientID) *fhir.Reference {
	return &fhir.Reference{Reference: "Patient/" + w.Sealer.ID("patient", int64(r), 0), Type: "Patient"}
}

// details are the facts that have no element of their own, in a fixed order.
func details(e audit.Event) []fhir.AuditEventDetail {
	var out []fhir.AuditEventDetail
	add := func(name, value string) {
		if value != "" {
			out = append(out, fhir.AuditEventDetail{Type: name, ValueString: value})
		}
	}
	for _, c := range e.Classes {
		add("class", c)
	}
	add("site", string(e.Site))
	if e.Released > 0 || e.Withheld > 0 || e.Kind == audit.DocumentsQueried {
		add("released", strconv.Itoa(e.Released))
	}
	if e.Withheld > 0 {
		add("withheld", strconv.Itoa(e.Withheld))
	}
	if e.Emergency {
		add("emergency", "true")
	}
	for _, g := range e.Ground {
		add("ground", g)
	}
	var names []string
	for name := range e.Detail {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		add(name, e.Detail[name])
	}
	return out
}

// profile names the BALP profile e meets, "" for none.
func (w Writer) profile(f form, e audit.Event) string {
	if e.Actor.Client == "" || address(e) == "" {
		return ""
	}
	patient := ""
	if len(e.Records) == 1 {
		patient = "Patient"
	}
	success := e.Outcome == audit.Success
	switch f.shape {
	case querying:
		if success {
			return patient + "Query"
		}
	case writing:
		if a := actions[e.Action]; success && a.profile != "" && len(w.data(f, e)) == 1 && e.Query == "" {
			return patient + a.profile
		}
	case exporting:
		if len(e.Records) == 1 && len(e.Documents) > 0 {
			return "PrivacyDisclosure.Source"
		}
	case deciding:
		if len(e.Records) == 1 && len(consents(e)) > 0 && e.Actor.User != "" && e.Actor.Organization != "" {
			return "AuthZconsent"
		}
	}
	return ""
}

// directive is how grounds name a directive: its id and its version.
var directive = regexp.MustCompile(`^([0-9]{1,19})/([0-9]{1,9})$`)

// consents are the directives among an event's grounds.
func consents(e audit.Event) []string {
	var out []string
	for _, g := range e.Ground {
		if directive.MatchString(g) {
			out = append(out, g)
		}
	}
	return out
}

// consent refers to the directive c of a consent change: to the resource when the event tells whose it is.
func (w Writer) consent(e audit.Event, c string) *fhir.Reference {
	parts := directive.FindStringSubmatch(c)
	id, err := strconv.ParseInt(parts[1], 10, 64)
	if err != nil || len(e.Records) != 1 {
		return identified(c)
	}
	return &fhir.Reference{Type: "Consent", Reference: "Consent/" + w.Sealer.ID("consent", int64(e.Records[0]), id) + "/_history/" + parts[2]}
}

func purposes(ps []hie.Purpose) []fhir.CodeableConcept {
	var out []fhir.CodeableConcept
	for _, p := range ps {
		out = append(out, *concept(fhir.Coding{System: actReason, Code: string(p)}))
	}
	return out
}

func concept(c fhir.Coding) *fhir.CodeableConcept {
	return &fhir.CodeableConcept{Coding: []fhir.Coding{c}}
}

func identified(value string) *fhir.Reference {
	if value == "" {
		return nil
	}
	return &fhir.Reference{Identifier: &fhir.Identifier{Value: value}}
}
