package mpi

import (
	"slices"
	"strings"

	"github.com/concord-hie/concord/hie"
)

// A Dropped value was left out of comparison, with the reason; it names no value.
type Dropped struct {
	Field  string // "given", "birth-date", "ssn", ...
	Reason string // "newborn", "default", "never issued", ...
}

// values are demographics brought to one form: what features, keys and proofs are made of. Slices hold each
// value once, current ones first.
type values struct {
	hie.Private
	givens    []string // first given names
	middles   []string // the given names after the first
	families  []familyName
	suffix    byte
	birth     Date // a date that can be
	typed     Date // birth, or the digits typed where they cannot be one: compared, never a proof
	died      Date
	sex       byte
	order     byte
	ssn       string // nine digits, or four
	ids       []typedID
	phones    []string // ten digits, or more with a country
	emails    []string
	addresses []postal
	maiden    string
	guardian  string // first given name of a parent or guardian
	dropped   []Dropped
}

type typedID struct {
	kind          string // "mbi", "legal", "member", "itin", "local", "other"
	system, value string
}

// postal is an address in parts, each folded.
type postal struct {
	number, street string // street without number, unit and kind of street
	line           string // number, direction, name, kind in its standard form; without unit
	second         string // the second line, as street
	zip, city      string
}

func (v *values) drop(field, reason string) {
	v.dropped = append(v.dropped, Dropped{field, reason})
}

// normalize brings d to one form. Placeholders are dropped and named in dropped.
func normalize(d Demographics) values {
	v := values{sex: normalSex(d.Sex)}
	for _, n := range d.Names {
		v.addName(n)
	}
	v.birth = v.normalDate("birth-date", d.Birth)
	if v.typed = v.birth; v.birth.IsZero() {
		v.typed = typedDate(d.Birth)
	}
	if d.Deceased.Dead {
		v.died = v.normalDate("death-date", d.Deceased.On)
	}
	if m := d.Multiple; m.Known {
		switch {
		case m.Multiple && m.Order >= 1 && m.Order <= 9:
			v.order = byte(m.Order)
		case m.Multiple:
			v.order = multiple
		case m.Order == 1:
			v.order = firstOrOnly
		default:
			v.order = single
		}
	}
	for _, i := range d.Identifiers {
		v.addIdentifier(i)
	}
	for _, t := range d.Telecoms {
		v.addTelecom(t)
	}
	for _, a := range d.Addresses {
		v.addAddress(a)
	}
	for _, g := range d.Guardians {
		if given := strings.Fields(fold(strings.Join(g.Given, " "))); v.guardian == "" && len(given) > 0 && !unknownNames[given[0]] {
			v.guardian = given[0]
		}
	}
	if w := familyOf(fold(d.MothersMaidenName)); w.whole != "" && !unknownNames[w.whole] {
		v.maiden = w.whole
	}
	return v
}

func normalSex(s Sex) byte {
	switch strings.ToLower(strings.TrimSpace(string(s))) {
	case "male", "m":
		return 'm'
	case "female", "f":
		return 'f'
	}
	return 0
}

func addOnce(list []string, s string) []string {
	if s == "" || slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// normalDate returns d when it can be a date, at its precision; otherwise the zero Date, and why.
func (v *values) normalDate(field string, d Date) Date {
	if d.Year == 0 {
		return Date{}
	}
	if d.Month < 0 || d.Month > 12 || d.Day < 0 || d.Month == 0 && d.Day != 0 || d.Day > daysIn(d.Year, d.Month) {
		v.drop(field, "no date")
		return Date{}
	}
	if reason := placeholderBirth(d); reason != "" {
		v.drop(field, reason)
		return Date{}
	}
	return Date{Year: d.Year, Month: d.Month, Day: d.Day}
}

// daysIn is how many days a month has; 31 for no month.
func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// typedDate returns the digits of a date that cannot be one, or is nobody's who is treated today, as typed, when there is enough of them to
// compare: "1853-89-11" is still near to "1853-09-11", and 31 February to the 28th. Default dates stay missing.
func typedDate(d Date) Date {
	if d.Year < 1000 || d.Year > newest || d.Month < 1 || d.Month > 99 || d.Day < 1 || d.Day > 99 {
		return Date{}
	}
	if reason := placeholderBirth(d); reason == "default" || reason == "epoch" {
		return Date{}
	}
	return Date{Year: d.Year, Month: d.Month, Day: d.Day}
}

// Systems of identifiers that have a meaning of their own.
//
// Source: HL7 terminology, external identifier systems; HL7 table 0203.
const (
	systemSSN  = "http://hl7.org/fhir/sid/us-ssn"
	oidSSN     = "urn:oid:2.16.840.1.113883.4.1"
	systemMBI  = "http://hl7.org/fhir/sid/us-mbi"
	oidMBI     = "urn:oid:2.16.840.1.113883.4.927"
	systemITIN = "http://hl7.org/fhir/sid/us-itin"
)

func (v *values) addIdentifier(i Identifier) {
	value := strings.ReplaceAll(fold(i.Value), " ", "")
	if value == "" || strings.Trim(value, "0") == "" || unknownNames[value] {
		if i.Value != "" {
			v.drop("identifier", "placeholder")
		}
		return
	}
	switch {
	case i.System == systemSSN || i.System == oidSSN || i.Type == "SS" || i.Type == "SB":
		v.addSSN(i.Value)
	case i.System == systemMBI || i.System == oidMBI || i.Type == "MC":
		v.ids = append(v.ids, typedID{"mbi", systemMBI, value})
	case i.System == systemITIN || i.Type == "TAX" || i.Type == "ITIN":
		if reason := placeholderITIN(digits(value)); reason != "" && reason != "length" {
			v.drop("identifier", reason)
			return
		}
		v.ids = append(v.ids, typedID{"itin", systemITIN, value})
	case i.System == "":
		v.drop("identifier", "no system") // a number of nobody knows whom matches everybody
	case i.Type == "DL" || i.Type == "PPN" || i.Type == "NI":
		v.ids = append(v.ids, typedID{"legal", i.System, value})
	case i.Type == "MB" || i.Type == "MA":
		v.ids = append(v.ids, typedID{"member", i.System, value})
	case i.Type == "AN" || i.Type == "VN" || i.Type == "ANON" || i.Type == "ANC" || i.Type == "AND" || i.Type == "ANT":
		v.drop("identifier", "of an account or a visit") // one person has many
	case i.Type == "SN" || i.Type == "GN":
		v.drop("identifier", "shared by a family") // subscriber and guarantor numbers are not one person's
	case i.Type == "MR" || i.Type == "PI" || i.Type == "PT":
		v.ids = append(v.ids, typedID{"local", i.System, value})
	default:
		v.ids = append(v.ids, typedID{"other", i.System, value})
	}
}

// addSSN takes a social security number, whole or its last four ("XXX-XX-1234", "000-00-1234", "1234").
func (v *values) addSSN(raw string) {
	d := digits(raw)
	masked := len(d) == 4 || len(d) == 9 && strings.HasPrefix(d, "00000") && d[5:] != "0000"
	switch {
	case v.ssn != "":
	case masked:
		if last := d[len(d)-4:]; last != "0000" {
			v.ssn = last
		}
	case len(d) == 9 && d[0] == '9':
		if reason := placeholderITIN(d); reason != "" {
			v.drop("ssn", reason)
			return
		}
		v.drop("ssn", "tax number")
		v.ids = append(v.ids, typedID{"itin", systemITIN, d})
	default:
		if reason := placeholderSSN(d); reason != "" {
			v.drop("ssn", reason)
			return
		}
		v.ssn = d
	}
}

func (v *values) addTelecom(t Telecom) {
	switch {
	case t.System == "email" || strings.Contains(t.Value, "@"):
		if mail, ok := normalEmail(t.Value); ok {
			v.emails = addOnce(v.emails, mail)
		} else {
			v.drop("email", "placeholder")
		}
	case t.System == "phone" || t.System == "sms" || t.System == "":
		if phone, reason := normalPhone(t.Value); reason == "" {
			v.phones = addOnce(v.phones, phone)
		} else {
			v.drop("phone", reason)
		}
	}
}

// normalPhone returns the national number: ten digits for North America, else all digits without the trunk 0.
func normalPhone(raw string) (phone, reason string) {
	raw, _, _ = strings.Cut(strings.ToLower(strings.TrimPrefix(raw, "tel:")), "x") // an extension
	d := digits(raw)
	if len(d) == 11 && d[0] == '1' {
		d = d[1:]
	}
	d = strings.TrimPrefix(d, "00")
	if len(d) > 10 {
		d = d[len(d)-10:]
	}
	if len(d) < 7 {
		return "", "too short"
	}
	if len(d) == 10 {
		if reason := placeholderPhone(d); reason != "" {
			return "", reason
		}
	} else if allSame(d) {
		return "", "default"
	}
	return d, ""
}

// normalEmail returns the address in lower case, without a tag behind "+"; ok is false for a placeholder.
func normalEmail(raw string) (mail string, ok bool) {
	local, domain, found := strings.Cut(strings.ToLower(strings.TrimSpace(strings.TrimPrefix(raw, "mailto:"))), "@")
	if !found || local == "" || !strings.Contains(domain, ".") {
		return "", false
	}
	local, _, _ = strings.Cut(local, "+")
	if unknownMail[local] || local == "" {
		return "", false
	}
	return local + "@" + domain, true
}

func (v *values) addAddress(a Address) {
	p := postal{city: strings.ReplaceAll(fold(a.City), " ", ""), zip: normalZIP(a.PostalCode)}
	if unknownCities[p.city] {
		v.drop("city", "placeholder")
		p.city = ""
	}
	line := ""
	if len(a.Lines) > 0 {
		line = a.Lines[0]
		if len(a.Lines) > 1 && !strings.ContainsAny(line, "0123456789") {
			line = a.Lines[1] // "c/o Somebody", then the street
		}
	} else if a.City == "" && a.PostalCode == "" {
		line, _, _ = strings.Cut(a.Text, ",")
	}
	number, street, whole := normalStreet(line)
	if unknownStreets[strings.ReplaceAll(fold(line), " ", "")] {
		v.drop("street", "placeholder")
		number, street, whole = "", "", ""
	}
	p.number, p.street, p.line = number, street, whole
	if len(a.Lines) > 1 && line == a.Lines[0] {
		first, _, _ := strings.Cut(fold(a.Lines[1]), " ")
		if _, second, _ := normalStreet(a.Lines[1]); !unknownStreets[second] && !unitWords[first] {
			p.second = second
		}
	}
	if p == (postal{}) {
		return
	}
	if !slices.Contains(v.addresses, p) {
		v.addresses = append(v.addresses, p)
	}
}

// normalZIP returns the first five digits of a US ZIP code, or another postal code folded; "" for a placeholder.
func normalZIP(raw string) string {
	z := strings.ReplaceAll(fold(raw), " ", "")
	if d := digits(z); d == z && len(d) >= 5 {
		z = d[:5]
	}
	if allSame(z) || z == "12345" || strings.HasPrefix(z, "zz99") {
		return ""
	}
	return z
}
