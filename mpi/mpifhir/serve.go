package mpifhir

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/mpi"
)

// Own returns sp as its own organisation is served it: the bytes received, but for id, meta.versionId,
// meta.lastUpdated, what the index knows of active, and link, which names by reference the registration that
// replaced it. A registration that came in another form than a Patient is written from its demographics.
// id is sp's public id, survivor that of sp.AliasOf or "".
func Own(sp mpi.SourcePatient, id, survivor string) []byte {
	o, err := fhir.KnownObject(sp.Received) // a Patient was read before it was stored, and a message is no object
	if err != nil || string(o.Value("resourceType")) != `"Patient"` {
		if o, err = fhir.ParseObject(fhir.Encode(patient(sp, false))); err != nil {
			panic("mpifhir: " + err.Error()) // what was just encoded is an object, or it is a bug in this program
		}
	}
	o.Set("id", id)
	meta, err := fhir.KnownObject(o.Value("meta"))
	if err != nil {
		meta, _ = fhir.ParseObject([]byte(`{}`)) // absent
	}
	meta.Set("versionId", strconv.FormatInt(sp.Version, 10))
	meta.Set("lastUpdated", fhir.Instant(sp.Updated))
	o.Set("meta", meta)
	if !sp.Active || survivor != "" {
		o.Set("active", false)
	}
	o.Delete("link")
	if survivor != "" {
		o.Set("link", []fhir.PatientLink{{Other: fhir.Reference{Reference: "Patient/" + survivor}, Type: "replaced-by"}})
	}
	return o.Bytes()
}

// Other returns sp as another organisation is served it: the identifier its site knows it by, names, birth date
// and sex, which is what tells the asker whom it found. Social security and insurance numbers, addresses,
// telephone numbers and everything else a site may have sent stay where they are; the tag says so.
//
// Source: 45 CFR 164.502(b), minimum necessary; FHIR R4 search 3.1.1.5.9 (SUBSETTED).
func Other(sp mpi.SourcePatient, id string) []byte {
	p := patient(sp, true)
	p.ID = id
	p.Meta = &fhir.Meta{Tag: []fhir.Coding{{System: "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", Code: "SUBSETTED", Display: "subsetted"}}}
	return fhir.Encode(p)
}

// Demographic returns all demographics of sp, for a steward who compares registrations. What else a site sent in
// its Patient is left out.
func Demographic(sp mpi.SourcePatient, id string) []byte {
	p := patient(sp, false)
	p.ID = id
	return fhir.Encode(p)
}

// Masked is Demographic with all but the last four characters of social security numbers, and of other numbers that
// are no site's own, replaced by "*".
//
// Source: spec ux W2: masked SSN with a logged reveal.
func Masked(sp mpi.SourcePatient, id string) []byte {
	sp.Demographics = masked(sp.Demographics)
	return Demographic(sp, id)
}

// Composite writes demographics put together from several registrations, numbers masked.
func Composite(d mpi.Demographics) []byte {
	p := patient(mpi.SourcePatient{Demographics: masked(d), Active: true}, false)
	p.Identifier = p.Identifier[1:] // the local one, of which a composite has none
	return fhir.Encode(p)
}

// secret are the kinds of number that open doors elsewhere (HL7 table 0203) and the systems that are known for them.
var (
	secretTypes   = []string{"SS", "SB", "DL", "PPN", "MC", "MB", "MA", "SN", "TAX", "NI"}
	secretSystems = []string{"http://hl7.org/fhir/sid/us-ssn", "http://hl7.org/fhir/sid/us-mbi", "urn:oid:2.16.840.1.113883.4.1"}
)

func masked(d mpi.Demographics) mpi.Demographics {
	d.Identifiers = slices.Clone(d.Identifiers)
	for i, id := range d.Identifiers {
		if slices.Contains(secretTypes, id.Type) || slices.Contains(secretSystems, id.System) {
			d.Identifiers[i].Value = mask(id.Value)
		}
	}
	return d
}

// mask keeps the last four characters, and none of a value so short that they would be most of it.
func mask(v string) string {
	r := []rune(v)
	keep := 4
	if len(r) < 6 {
		keep = 0
	}
	for i := range len(r) - keep {
		if r[i] != '-' && r[i] != ' ' {
			r[i] = '*'
		}
	}
	return string(r)
}

// patient writes sp from its demographics; with subset only what [Other] serves.
func patient(sp mpi.SourcePatient, subset bool) fhir.Patient {
	d := sp.Demographics
	active := sp.Active && sp.AliasOf == 0
	p := fhir.Patient{ResourceType: "Patient", Active: &active, Gender: string(d.Sex), BirthDate: date(d.Birth),
		Identifier: []fhir.Identifier{{System: sp.Local.System, Value: sp.Local.Value}}}
	for _, n := range d.Names {
		p.Name = append(p.Name, humanName(n))
	}
	if subset {
		return p
	}
	for _, id := range d.Identifiers {
		out := fhir.Identifier{Use: id.Use, System: id.System, Value: id.Value, Period: period(id.Period)}
		if id.Type != "" {
			out.Type = &fhir.CodeableConcept{Coding: []fhir.Coding{{System: "http://terminology.hl7.org/CodeSystem/v2-0203", Code: id.Type}}}
		}
		p.Identifier = append(p.Identifier, out)
	}
	for _, a := range d.Addresses {
		p.Address = append(p.Address, fhir.Address{Use: a.Use, Text: a.Text, Line: a.Lines, City: a.City, District: a.District,
			State: a.State, PostalCode: a.PostalCode, Country: a.Country, Period: period(a.Period)})
	}
	for _, t := range d.Telecoms {
		p.Telecom = append(p.Telecom, fhir.ContactPoint{System: t.System, Value: t.Value, Use: t.Use, Period: period(t.Period)})
	}
	for _, n := range d.Guardians {
		name := humanName(n)
		p.Contact = append(p.Contact, fhir.PatientContact{Relationship: []fhir.CodeableConcept{{Text: "parent or guardian"}}, Name: &name})
	}
	if d.MothersMaidenName != "" {
		p.Extension = []fhir.Extension{{URL: maidenURL, ValueString: d.MothersMaidenName}}
	}
	switch {
	case d.Multiple.Order > 0:
		p.MultipleBirthInteger = &d.Multiple.Order
	case d.Multiple.Known:
		p.MultipleBirthBoolean = &d.Multiple.Multiple
	}
	switch {
	case !d.Deceased.On.IsZero():
		p.DeceasedDateTime = date(d.Deceased.On)
	case d.Deceased.Known:
		p.DeceasedBoolean = &d.Deceased.Dead
	}
	return p
}

func humanName(n mpi.Name) fhir.HumanName {
	return fhir.HumanName{Use: n.Use, Text: n.Text, Family: n.Family, Given: n.Given, Prefix: n.Prefix, Suffix: n.Suffix, Period: period(n.Period)}
}

func date(d mpi.Date) string {
	switch {
	case d.IsZero():
		return ""
	case d.Month == 0:
		return fmt.Sprintf("%04d", d.Year)
	case d.Day == 0:
		return fmt.Sprintf("%04d-%02d", d.Year, d.Month)
	}
	return fmt.Sprintf("%04d-%02d-%02d", d.Year, d.Month, d.Day)
}

func period(p mpi.Period) *fhir.Period {
	if p.Start.IsZero() && p.End.IsZero() {
		return nil
	}
	return &fhir.Period{Start: date(p.Start), End: date(p.End)}
}
