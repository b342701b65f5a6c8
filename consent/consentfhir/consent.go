package consentfhir

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/go-json-experiment/json/jsontext"
)

// The extensions by which a Consent says what R4 has no element for.
const (
	// ReachURL (valueCode) is "network" for a wish about the whole network, "site" for one about the custodians it
	// names. Without it a Consent reaches the network when neither organization nor a source actor limits it.
	ReachURL = "https://concord-hie.org/fhir/StructureDefinition/consent-reach"
	// AbsoluteURL (valueBoolean) says that what is denied holds in an emergency too.
	AbsoluteURL = "https://concord-hie.org/fhir/StructureDefinition/consent-absolute"
	// ReturnToDefaultURL (valueBoolean) says, on a revoked Consent, that the defaults hold again instead of a refusal.
	ReturnToDefaultURL = "https://concord-hie.org/fhir/StructureDefinition/consent-return-to-default"
)

// statuses are the codes of Consent.status.
var statuses = []string{"draft", "proposed", "active", "rejected", "inactive", "entered-in-error"}

// ReadFiling checks a Consent that is to be filed and returns what the exchange keeps of it, without who files it
// for whom: that is the caller's to establish from Patient. Content is resource as received. What is well formed
// but cannot be understood is no error; it will be held. now bounds dateTime, zone reads it when it is a date.
//
// Errors: *hie.InvalidError with the FHIRPath of the element.
//
// Source: FHIR R4 Consent; IHE PCF 3.108.4.1; spec consent 2.7.
func ReadFiling(resource []byte, now time.Time, zone *time.Location) (_ consent.Version, patient fhir.Reference, _ error) {
	fail := func(err error) (consent.Version, fhir.Reference, error) {
		return consent.Version{}, fhir.Reference{}, err
	}
	var c fhir.Consent
	shaped, err := inR4(resource)
	if err != nil {
		return fail(err)
	}
	if err := fhir.Decode(shaped, &c); err != nil {
		return fail(err)
	}
	d, err := Read(shaped)
	if err != nil {
		return fail(err)
	}
	if err := checkHeader(&c); err != nil {
		return fail(err)
	}
	v := consent.Version{Status: c.Status, Verified: true, Content: resource, NetworkWide: len(c.Organization) == 0 && !namesSource(d)}
	if err := extend(&v, c.Extension); err != nil {
		return fail(err)
	}
	if v.Evidence, err = attached(&c); err != nil {
		return fail(err)
	}
	for _, ver := range c.Verification {
		if ver.Verified != nil && !*ver.Verified {
			v.Verified = false
		}
	}
	signed, ok := fhir.ParseSpan(c.DateTime, zone)
	if !ok {
		return fail(&hie.InvalidError{Path: "Consent.dateTime", Rule: "must be a FHIR dateTime", Code: "value"})
	}
	if signed.Start.After(now) {
		return fail(&hie.InvalidError{Path: "Consent.dateTime", Rule: "must not lie in the future", Code: "business-rule"})
	}
	// Of a date without a time the reading that releases less: a permit as early as it may have been signed, so
	// that it beats no refusal of the same day, a refusal as late.
	v.Signed = signed.Start
	if !permitRoot(d) {
		if v.Signed = signed.End.Add(-time.Microsecond); v.Signed.After(now) {
			v.Signed = now
		}
	}
	return v, *c.Patient, nil
}

// checkHeader says which element of the header keeps a Consent from being filed.
func checkHeader(c *fhir.Consent) error {
	switch {
	case c.ResourceType != "Consent":
		return &hie.InvalidError{Path: "resourceType", Rule: "must be Consent", Code: "invalid"}
	case c.Status == "":
		return hie.Required("Consent.status")
	case !slices.Contains(statuses, c.Status):
		return &hie.InvalidError{Path: "Consent.status", Rule: "must be a code of consent-state-codes", Code: "code-invalid"}
	case c.Scope == nil || len(c.Scope.Coding) == 0:
		return hie.Required("Consent.scope")
	case len(c.Category) == 0:
		return hie.Required("Consent.category")
	case c.Patient == nil:
		return hie.Required("Consent.patient")
	case c.DateTime == "":
		return hie.Required("Consent.dateTime")
	case len(c.Policy) == 0 && c.PolicyRule == nil: // R4 ppc-1
		return &hie.InvalidError{Path: "Consent.policy", Rule: "or policyRule is required", Code: "required"}
	}
	if c.Provision != nil && c.Provision.Type != "" && c.Provision.Type != "permit" && c.Provision.Type != "deny" {
		return &hie.InvalidError{Path: "Consent.provision.type", Rule: "must be permit or deny", Code: "code-invalid"}
	}
	return nil
}

// extend takes what our extensions say. One of ours with a value that means nothing is refused: whoever wrote it
// relied on it.
func extend(v *consent.Version, extensions []fhir.Extension) error {
	for i, e := range extensions {
		path := "Consent.extension[" + strconv.Itoa(i) + "]"
		switch e.URL {
		case ReachURL:
			if e.ValueCode != "network" && e.ValueCode != "site" {
				return &hie.InvalidError{Path: path + ".value", Rule: "must be the code network or site", Code: "code-invalid"}
			}
			v.NetworkWide = e.ValueCode == "network"
		case FrequencyURL:
			if err := checkFrequency(e.ValueString, path); err != nil {
				return err
			}
		case AbsoluteURL, ReturnToDefaultURL:
			if e.ValueBoolean == nil {
				return &hie.InvalidError{Path: path + ".value", Rule: "must be a boolean", Code: "structure"}
			}
			if e.URL == AbsoluteURL {
				v.Absolute = *e.ValueBoolean
			} else {
				v.ReturnToDefault = *e.ValueBoolean
			}
		}
	}
	return nil
}

// namesSource reports whether the root names where documents come from.
func namesSource(d consent.Directive) bool {
	return d.Provision != nil && slices.ContainsFunc(d.Provision.Actors, func(a consent.Actor) bool { return a.Role == "CST" || a.Role == "INF" })
}

func permitRoot(d consent.Directive) bool {
	if d.Provision != nil && d.Provision.Type != "" {
		return d.Provision.Type == "permit"
	}
	return slices.Contains(d.PolicyRules, "OPTIN") && !slices.Contains(d.PolicyRules, "OPTOUT")
}

// Directive returns what a filed version says, as decisions read it.
func Directive(v consent.Version) (consent.Directive, error) {
	d, err := Read(v.Content)
	if err != nil {
		return consent.Directive{}, err
	}
	d.ID, d.Version, d.Record = strconv.FormatInt(v.ID, 10), v.Number, v.Record.String()
	d.Status, d.Filed, d.Signed, d.Verified = v.Status, v.Filed, v.Signed, v.Verified
	d.NetworkWide, d.Absolute, d.ReturnToDefault = v.NetworkWide, v.Absolute, v.ReturnToDefault
	if d.SignedWithin > 0 && !v.Signed.IsZero() { // Signed is the last moment of what refuses, the first of what permits
		if latest := v.Signed.Add(d.SignedWithin); !permitRoot(d) {
			d.Signed = v.Signed.Add(-d.SignedWithin)
		} else if latest.After(v.Filed) && !v.Filed.Before(v.Signed) {
			d.SignedWithin = v.Filed.Sub(v.Signed)
		}
	}
	return d, nil
}

// leeway is for how long the moments of a FHIR dateTime reach: of one with a time it is none.
func leeway(dateTime string) time.Duration {
	const day = 24 * time.Hour
	switch len(dateTime) {
	case len("2006-01-02"):
		return day + time.Hour // a day on which clocks are set back
	case len("2006-01"):
		return 31*day + time.Hour
	case len("2006"):
		return 366*day + time.Hour
	}
	return 0
}

// Render returns the resource as it is served: the received bytes (of an R5 Consent, what they say in R4) with the server's id, and with its version and
// time of filing in meta beside whatever else stood there.
func Render(v consent.Version, id string) ([]byte, error) {
	content, err := inR4(v.Content)
	if err != nil {
		return nil, err
	}
	o, err := fhir.ParseObject(content)
	if err != nil {
		return nil, err
	}
	meta := fhir.Object{}
	if raw := o.Value("meta"); raw != nil && raw.Kind() == '{' {
		if meta, err = fhir.ParseObject(raw); err != nil {
			return nil, err
		}
	}
	meta.Set("versionId", strconv.FormatInt(v.Number, 10))
	meta.Set("lastUpdated", fhir.Instant(v.Filed))
	o.Set("id", id)
	o.Set("meta", meta)
	return o.Bytes(), nil
}

// Revoked returns v's content with status inactive and, if asked for, the wish to return to the defaults.
func Revoked(content []byte, returnToDefault bool) ([]byte, error) {
	content, err := inR4(content)
	if err != nil {
		return nil, err
	}
	o, err := fhir.ParseObject(content)
	if err != nil {
		return nil, err
	}
	o.Set("status", "inactive")
	if !returnToDefault {
		return o.Bytes(), nil
	}
	var extensions []jsontext.Value
	if raw := o.Value("extension"); raw != nil {
		var all []fhir.Object
		if _, err := fhir.EditArray(raw, func(_ int, e *fhir.Object) error { all = append(all, *e); return nil }); err != nil {
			return nil, err
		}
		for _, e := range all {
			if string(e.Value("url")) != strconv.Quote(ReturnToDefaultURL) {
				extensions = append(extensions, e.Bytes())
			}
		}
	}
	yes := true
	o.Set("extension", append(extensions, fhir.Encode(fhir.Extension{URL: ReturnToDefaultURL, ValueBoolean: &yes})))
	return o.Bytes(), nil
}

// Verified returns content with one verification: whether the evidence was found to hold, at now.
func Verified(content []byte, verified bool, now time.Time) ([]byte, error) {
	content, err := inR4(content)
	if err != nil {
		return nil, err
	}
	o, err := fhir.ParseObject(content)
	if err != nil {
		return nil, err
	}
	o.Set("verification", []fhir.ConsentVerification{{Verified: &verified, VerificationDate: now.UTC().Format(time.RFC3339)}})
	return o.Bytes(), nil
}

// A Search is the criteria of a Consent search apart from the patient: all must be met, of the values of one any.
type Search struct {
	tests []func(*fhir.Consent, string) bool
}

// ReadSearch reads search parameters; patient and patient.identifier are left to the caller and returned among
// others as they stand, unknown names as unknown. Errors: *hie.InvalidError naming the parameter.
//
// Source: IHE PCF 3.108.4.2; FHIR R4 Consent search parameters.
func ReadSearch(ps []fhir.Param) (_ Search, patient []fhir.Param, unknown []string, _ error) {
	var s Search
	for _, p := range ps {
		switch p.Name {
		case "patient", "patient.identifier":
			if p.Modifier != "" {
				return s, nil, nil, notSupported(p.Name)
			}
			patient = append(patient, p)
			continue
		case "_id":
			s.tests = append(s.tests, func(_ *fhir.Consent, id string) bool {
				return slices.ContainsFunc(p.Values, func(v string) bool { return fhir.Text(v) == id })
			})
		case "status":
			s.token(p, func(c *fhir.Consent) []fhir.Coding { return []fhir.Coding{{System: stateSystem, Code: c.Status}} })
		case "scope":
			s.token(p, func(c *fhir.Consent) []fhir.Coding {
				if c.Scope == nil {
					return nil
				}
				return c.Scope.Coding
			})
		case "category":
			s.token(p, func(c *fhir.Consent) []fhir.Coding {
				var out []fhir.Coding
				for _, k := range c.Category {
					out = append(out, k.Coding...)
				}
				return out
			})
		case "date", "period", "_lastUpdated":
			if err := s.date(p); err != nil {
				return s, nil, nil, err
			}
		default:
			unknown = append(unknown, p.Name)
			continue
		}
		if p.Modifier != "" && !(p.Modifier == "not" && (p.Name == "status" || p.Name == "scope" || p.Name == "category")) {
			return s, nil, nil, notSupported(p.Name)
		}
	}
	return s, patient, unknown, nil
}

const stateSystem = "http://hl7.org/fhir/consent-state-codes"

func notSupported(name string) error {
	return &hie.InvalidError{Path: name, Rule: "has a modifier that is not supported", Code: "not-supported"}
}

func (s *Search) token(p fhir.Param, of func(*fhir.Consent) []fhir.Coding) {
	s.tests = append(s.tests, func(c *fhir.Consent, _ string) bool {
		found := false
		for _, v := range p.Values {
			t := fhir.ParseToken(v)
			found = found || slices.ContainsFunc(of(c), func(k fhir.Coding) bool {
				return (!t.HasSystem || k.System == t.System) && (t.Code == "" || k.Code == t.Code)
			})
		}
		return found != (p.Modifier == "not")
	})
}

// date adds a test on dateTime ("date"), on when the version was filed ("_lastUpdated") or on the root's period
// ("period"), whose open ends reach for ever.
func (s *Search) date(p fhir.Param) error {
	var tests []fhir.DateTest
	for _, v := range p.Values {
		t, ok := fhir.ParseDateTest(v)
		if !ok {
			return &hie.InvalidError{Path: p.Name, Rule: "must be a date with an optional prefix", Code: "value"}
		}
		tests = append(tests, t)
	}
	s.tests = append(s.tests, func(c *fhir.Consent, _ string) bool {
		var span fhir.Span
		var ok bool
		switch p.Name {
		case "period":
			span, ok = periodOf(c)
		case "_lastUpdated":
			span, ok = fhir.ParseSpan(c.Meta.LastUpdated, nil)
		default:
			span, ok = fhir.ParseSpan(c.DateTime, nil)
		}
		return ok && slices.ContainsFunc(tests, func(t fhir.DateTest) bool { return meets(t, span) })
	})
	return nil
}

func periodOf(c *fhir.Consent) (fhir.Span, bool) {
	if c.Provision == nil || c.Provision.Period == nil {
		return fhir.Span{}, false
	}
	out := fhir.Span{Start: time.Time{}, End: time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC)}
	if p := c.Provision.Period; p.Start != "" {
		from, ok := fhir.ParseSpan(p.Start, nil)
		if !ok {
			return fhir.Span{}, false
		}
		out.Start = from.Start
	}
	if p := c.Provision.Period; p.End != "" {
		to, ok := fhir.ParseSpan(p.End, nil)
		if !ok {
			return fhir.Span{}, false
		}
		out.End = to.End
	}
	return out, true
}

// meets compares a span with a sought one.
//
// Source: FHIR R4 search 3.1.1.4.4 (prefixes).
func meets(t fhir.DateTest, s fhir.Span) bool {
	switch t.Prefix {
	case "ne":
		return s.Start.Before(t.Span.Start) || s.End.After(t.Span.End)
	case "gt":
		return s.End.After(t.Span.End)
	case "ge":
		return s.End.After(t.Span.Start)
	case "lt":
		return s.Start.Before(t.Span.Start)
	case "le":
		return s.Start.Before(t.Span.End)
	case "sa":
		return !s.Start.Before(t.Span.End)
	case "eb":
		return !s.End.After(t.Span.Start)
	case "ap":
		return s.Start.Before(t.Span.End) && t.Span.Start.Before(s.End)
	}
	return !s.Start.Before(t.Span.Start) && !s.End.After(t.Span.End)
}

// Meets reports whether v, whose public id is id, meets every criterion.
func (s Search) Meets(v consent.Version, id string) bool {
	var c fhir.Consent
	content, err := inR4(v.Content)
	if err != nil || fhir.Decode(content, &c) != nil {
		return false
	}
	c.Status, c.Meta = v.Status, &fhir.Meta{LastUpdated: fhir.Instant(v.Filed)} // the exchange's, not the resource's own
	for _, test := range s.tests {
		if !test(&c, id) {
			return false
		}
	}
	return true
}

// PatientOf returns the sealed id or the identifier by which ref names a patient: "Patient/<id>", the same under
// base, or a logical reference.
func PatientOf(ref fhir.Reference, base string) (id string, identifier hie.Identifier, ok bool) {
	if rest, found := strings.CutPrefix(strings.TrimPrefix(ref.Reference, base+"/"), "Patient/"); found {
		return rest, hie.Identifier{}, rest != ""
	}
	if ref.Reference == "" && ref.Identifier != nil && ref.Identifier.System != "" && ref.Identifier.Value != "" {
		return "", hie.Identifier{System: ref.Identifier.System, Value: ref.Identifier.Value}, true
	}
	return "", hie.Identifier{}, false
}
