// Package mpifhir reads FHIR Patients as registrations and queries of the index, and serves registrations as
// Patients: those of the caller's own as they were received, those of others cut to what identifies.
//
// It decides nothing about who is who and nothing about who may see what.
//
// Source: FHIR R4 Patient; IHE PIXm ITI-104, ITI-83; IHE PDQm ITI-78, ITI-119; US Core Patient.
package mpifhir

import (
	"fmt"
	"slices"
	"strings"

	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
)

// A Patient is what a received Patient resource says.
type Patient struct {
	hie.Private
	// Demographics hold all identifiers that have a value and a system or a type.
	Demographics mpi.Demographics
	// Active is what the resource says, true when it says nothing.
	Active bool
	// ReplacedBy names the Patient that takes this one's place, by identifier or by reference; the zero
	// Replacement when none does.
	ReplacedBy Replacement
	received   []byte
}

// A Replacement is the other end of a link of type replaced-by. Identifier or Reference is set.
type Replacement struct {
	Identifier hie.Identifier
	// Reference is literal, as received.
	Reference string
}

// IsZero reports whether nothing is named.
func (r Replacement) IsZero() bool { return r.Identifier.IsZero() && r.Reference == "" }

// The bounds on a Patient's repeating parts; nobody real comes near them, and they bound the work of comparing.
const (
	maxParts  = 100
	maxString = 1024
)

// Read reads a Patient resource. An *hie.InvalidError names the element at fault as FHIRPath.
func Read(body []byte) (Patient, error) {
	var r fhir.Patient
	if err := fhir.Decode(body, &r); err != nil {
		return Patient{}, err
	}
	if r.ResourceType != "Patient" {
		return Patient{}, hie.Invalid("resourceType", "must be Patient")
	}
	if r.ImplicitRules != "" {
		return Patient{}, &hie.InvalidError{Path: "Patient.implicitRules", Rule: "is not understood here", Code: "not-supported"}
	}
	if len(r.ModifierExtension) > 0 {
		return Patient{}, &hie.InvalidError{Path: "Patient.modifierExtension", Rule: "changes the meaning in a way not understood here", Code: "extension"}
	}
	d := reader{}
	p := Patient{Demographics: d.demographics(r), Active: r.Active == nil || *r.Active, received: body}
	p.ReplacedBy = d.replacement(r)
	return p, d.err
}

// Holds reports whether id is among p's identifiers.
func (p Patient) Holds(id hie.Identifier) bool {
	return slices.ContainsFunc(p.Demographics.Identifiers, func(i mpi.Identifier) bool {
		return i.System == id.System && i.Value == id.Value
	})
}

// Registration returns p as site's registration under local, which is not repeated among the other identifiers.
func (p Patient) Registration(site hie.SiteID, local hie.Identifier) mpi.Registration {
	d := p.Demographics
	d.Identifiers = slices.DeleteFunc(slices.Clone(d.Identifiers), func(i mpi.Identifier) bool {
		return i.System == local.System && i.Value == local.Value
	})
	return mpi.Registration{Site: site, Local: local, Demographics: d, Received: p.received, Active: p.Active}
}

// reader turns parts of a Patient into the index's words and keeps the first fault.
type reader struct{ err error }

func (d *reader) fault(path, rule, code string) {
	if d.err == nil {
		d.err = &hie.InvalidError{Path: path, Rule: rule, Code: code}
	}
}

func (d *reader) demographics(r fhir.Patient) mpi.Demographics {
	for _, part := range []struct {
		path string
		n    int
	}{
		{"Patient.name", len(r.Name)}, {"Patient.address", len(r.Address)}, {"Patient.telecom", len(r.Telecom)},
		{"Patient.identifier", len(r.Identifier)}, {"Patient.link", len(r.Link)}, {"Patient.contact", len(r.Contact)},
	} {
		if part.n > maxParts {
			d.fault(part.path, "repeats too often", "too-long")
			return mpi.Demographics{}
		}
	}
	out := mpi.Demographics{
		Birth: d.date("Patient.birthDate", r.BirthDate, false),
		Sex:   mpi.Sex(d.code("Patient.gender", r.Gender, "male", "female", "other", "unknown")),
	}
	for i, n := range r.Name {
		out.Names = append(out.Names, d.name(fmt.Sprintf("Patient.name[%d]", i), n))
	}
	for i, a := range r.Address {
		out.Addresses = append(out.Addresses, d.address(fmt.Sprintf("Patient.address[%d]", i), a))
	}
	for i, t := range r.Telecom {
		path := fmt.Sprintf("Patient.telecom[%d]", i)
		out.Telecoms = append(out.Telecoms, mpi.Telecom{
			System: d.code(path+".system", t.System, "phone", "fax", "email", "pager", "url", "sms", "other"),
			Value:  d.text(path+".value", t.Value), Use: d.code(path+".use", t.Use, "home", "work", "temp", "old", "mobile"),
			Period: d.period(path+".period", t.Period)})
	}
	for i, id := range r.Identifier {
		if v, ok := d.identifier(fmt.Sprintf("Patient.identifier[%d]", i), id); ok {
			out.Identifiers = append(out.Identifiers, v)
		}
	}
	for i, e := range r.Extension {
		if e.URL == maidenURL {
			out.MothersMaidenName = d.text(fmt.Sprintf("Patient.extension[%d].valueString", i), e.ValueString)
		}
	}
	d.parents(r, &out)
	out.Multiple = d.multiple(r)
	out.Deceased = d.deceased(r)
	return out
}

// parentCodes are relationships of a contact that make them a parent or guardian; true for a mother. Next of kin and
// emergency contacts may be anybody, and are left out.
//
// Source: HL7 v3 RoleCode (PRN and below, GUARD); HL7 v2 table 0063.
var parentCodes = map[string]bool{"MTH": true, "NMTH": true, "GESTM": true, "MTHFOST": false, "ADOPTM": false, "FTH": false, "NFTH": false, "FTHFOST": false,
	"ADOPTF": false, "PRN": false, "NPRN": false, "PRNFOST": false, "ADOPTP": false, "GUARD": false, "GUADLTM": false, "PAR": false, "GRD": false}

// parents reads the names of parents and guardians among the contacts, and a mother's maiden name where no extension tells.
func (d *reader) parents(r fhir.Patient, out *mpi.Demographics) {
	for i, c := range r.Contact {
		if c.Name == nil {
			continue
		}
		parent, mother := false, false
		for _, rel := range c.Relationship {
			for _, code := range rel.Coding {
				m, is := parentCodes[code.Code]
				parent, mother = parent || is, mother || m
			}
		}
		if !parent {
			continue
		}
		n := d.name(fmt.Sprintf("Patient.contact[%d].name", i), *c.Name)
		out.Guardians = append(out.Guardians, n)
		if mother && n.Use == "maiden" && out.MothersMaidenName == "" {
			out.MothersMaidenName = n.Family
		}
	}
}

const maidenURL = "http://hl7.org/fhir/StructureDefinition/patient-mothersMaidenName"

func (d *reader) name(path string, n fhir.HumanName) mpi.Name {
	return mpi.Name{Use: d.code(path+".use", n.Use, "usual", "official", "temp", "nickname", "anonymous", "old", "maiden"),
		Text: d.text(path+".text", n.Text), Family: d.text(path+".family", n.Family), Given: d.texts(path+".given", n.Given),
		Prefix: d.texts(path+".prefix", n.Prefix), Suffix: d.texts(path+".suffix", n.Suffix), Period: d.period(path+".period", n.Period)}
}

func (d *reader) address(path string, a fhir.Address) mpi.Address {
	return mpi.Address{Use: d.code(path+".use", a.Use, "home", "work", "temp", "old", "billing"), Text: d.text(path+".text", a.Text),
		Lines: d.texts(path+".line", a.Line), City: d.text(path+".city", a.City), District: d.text(path+".district", a.District),
		State: d.text(path+".state", a.State), PostalCode: d.text(path+".postalCode", a.PostalCode),
		Country: d.text(path+".country", a.Country), Period: d.period(path+".period", a.Period)}
}

// identifier reads an identifier; one without a value, or with neither system nor type, says nothing.
func (d *reader) identifier(path string, id fhir.Identifier) (mpi.Identifier, bool) {
	out := mpi.Identifier{Identifier: hie.Identifier{System: d.text(path+".system", id.System), Value: d.text(path+".value", id.Value)},
		Type: identifierType(id), Use: d.code(path+".use", id.Use, "usual", "official", "temp", "secondary", "old"),
		Period: d.period(path+".period", id.Period)}
	return out, out.Value != "" && (out.System != "" || out.Type != "")
}

// identifierType returns the HL7 table 0203 code of an identifier: the one it states, else the one its system
// implies.
//
// Source: FHIR R4 terminologies-systems (us-ssn, us-mbi); the OID branches of SSN, Medicare and driver licences.
func identifierType(id fhir.Identifier) string {
	if id.Type != nil {
		for _, c := range id.Type.Coding {
			if strings.HasSuffix(c.System, "/v2-0203") || strings.HasSuffix(c.System, "/v2/0203") {
				return c.Code
			}
		}
	}
	switch s := id.System; {
	case s == "http://hl7.org/fhir/sid/us-ssn", s == "urn:oid:2.16.840.1.113883.4.1":
		return "SS"
	case s == "http://hl7.org/fhir/sid/us-mbi", s == "urn:oid:2.16.840.1.113883.4.927", s == "http://hl7.org/fhir/sid/us-medicare":
		return "MC"
	case strings.HasPrefix(s, "urn:oid:2.16.840.1.113883.4.3."):
		return "DL"
	}
	return ""
}

// multiple reads multipleBirth[x]: an integer is the place in the birth order.
func (d *reader) multiple(r fhir.Patient) mpi.MultipleBirth {
	switch {
	case r.MultipleBirthBoolean != nil && r.MultipleBirthInteger != nil:
		d.fault("Patient.multipleBirth", "must be a boolean or an integer, not both", "structure")
	case r.MultipleBirthBoolean != nil:
		return mpi.MultipleBirth{Known: true, Multiple: *r.MultipleBirthBoolean}
	case r.MultipleBirthInteger != nil:
		n := *r.MultipleBirthInteger
		if n < 1 || n > 9 {
			d.fault("Patient.multipleBirthInteger", "must be a place in the birth order from 1 to 9", "value")
		}
		return mpi.MultipleBirth{Known: true, Multiple: true, Order: n}
	}
	return mpi.MultipleBirth{}
}

func (d *reader) deceased(r fhir.Patient) mpi.Deceased {
	switch {
	case r.DeceasedBoolean != nil && r.DeceasedDateTime != "":
		d.fault("Patient.deceased", "must be a boolean or a date, not both", "structure")
	case r.DeceasedBoolean != nil:
		return mpi.Deceased{Known: true, Dead: *r.DeceasedBoolean}
	case r.DeceasedDateTime != "":
		return mpi.Deceased{Known: true, Dead: true, On: d.date("Patient.deceasedDateTime", r.DeceasedDateTime, true)}
	}
	return mpi.Deceased{}
}

// replacement reads links of type replaced-by; other links are the sender's own business.
//
// Source: IHE PIXm ITI-104, "Resolve duplicate patient": active is false and one link names the survivor.
func (d *reader) replacement(r fhir.Patient) Replacement {
	var out Replacement
	for i, l := range r.Link {
		path := fmt.Sprintf("Patient.link[%d]", i)
		d.code(path+".type", l.Type, "replaced-by", "replaces", "refer", "seealso")
		if l.Type != "replaced-by" {
			continue
		}
		if !out.IsZero() {
			d.fault(path, "is a second replaced-by; one Patient takes the place of another", "business-rule")
		}
		if id := l.Other.Identifier; id != nil && id.System != "" && id.Value != "" {
			out = Replacement{Identifier: hie.Identifier{System: d.text(path+".other.identifier.system", id.System),
				Value: d.text(path+".other.identifier.value", id.Value)}}
		} else if l.Other.Reference != "" {
			out = Replacement{Reference: d.text(path+".other.reference", l.Other.Reference)}
		} else {
			d.fault(path+".other", "must name the surviving Patient by identifier (system and value) or reference", "required")
		}
	}
	if !out.IsZero() && (r.Active == nil || *r.Active) {
		d.fault("Patient.active", "must be false where a link says replaced-by", "business-rule")
	}
	return out
}

// code returns v if it is one of the allowed codes or empty.
func (d *reader) code(path, v string, allowed ...string) string {
	if v != "" && !slices.Contains(allowed, v) {
		d.fault(path, "must be one of "+strings.Join(allowed, ", "), "code-invalid")
		return ""
	}
	return v
}

func (d *reader) text(path, v string) string {
	if len(v) > maxString {
		d.fault(path, "is too long", "too-long")
		return ""
	}
	return v
}

func (d *reader) texts(path string, vs []string) []string {
	if len(vs) > maxParts {
		d.fault(path, "repeats too often", "too-long")
		return nil
	}
	for i, v := range vs {
		d.text(fmt.Sprintf("%s[%d]", path, i), v)
	}
	return vs
}

func (d *reader) period(path string, p *fhir.Period) mpi.Period {
	if p == nil {
		return mpi.Period{}
	}
	return mpi.Period{Start: d.date(path+".start", p.Start, true), End: d.date(path+".end", p.End, true)}
}

// date reads a FHIR date, or with timed a dateTime, of which the calendar date as written is kept.
func (d *reader) date(path, v string, timed bool) mpi.Date {
	if v == "" {
		return mpi.Date{}
	}
	date, ok := parseDate(v, timed)
	if !ok {
		d.fault(path, "must be a date that exists, YYYY, YYYY-MM or YYYY-MM-DD", "value")
	}
	return date
}

func parseDate(v string, timed bool) (mpi.Date, bool) {
	if _, ok := fhir.ParseSpan(v, nil); !ok {
		return mpi.Date{}, false
	}
	day, _, hasTime := strings.Cut(v, "T")
	if hasTime && !timed {
		return mpi.Date{}, false
	}
	var out mpi.Date
	for i, part := range strings.Split(day, "-") {
		n := 0
		for _, c := range part {
			n = n*10 + int(c-'0') // only digits: ParseSpan has seen it
		}
		switch i {
		case 0:
			out.Year = n
		case 1:
			out.Month = n
		case 2:
			out.Day = n
		}
	}
	return out, true
}
