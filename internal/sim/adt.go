package sim

import (
	"strings"
	"time"
)

// structures are the message structures of the triggers that have one of their own.
//
// Source: HL7 v2.5.1 chapter 3, table of ADT messages.
var structures = map[string]string{"A28": "ADT_A05", "A31": "ADT_A05", "A40": "ADT_A39", "A24": "ADT_A24", "A37": "ADT_A37", "A43": "ADT_A43", "A23": "ADT_A21", "A29": "ADT_A21"}

// control is the message control id of the n-th event of g's life.
func (g *Registration) control(s Site, n int) string {
	return s.prefix + digits(g.Index) + "-" + digits(n)
}

// when is the instant e's message bears.
func (e Event) when(g *Registration, n int) time.Time { return e.On.Add(moment(g.Index, n)).UTC() }

// message returns e as an HL7 v2.5.1 message: segments end in a carriage return, the message in a line feed. n
// is the event's number in g's life. Of two records, the one that stays comes first.
//
// Source: HL7 v2.5.1 chapter 3 (A04, A08, A23, A24, A28, A29, A31, A37, A40, A43: MSH, EVN, PID, MRG, PV1); IHE PAM.
func (e Event) message(s Site, g *Registration, n int) []byte {
	on := e.when(g, n).Format("20060102150405") + "+0000"
	structure := structures[e.Trigger]
	if structure == "" {
		structure = "ADT_A01"
	}
	var b strings.Builder
	segment := func(fields ...string) {
		b.WriteString(strings.TrimRight(strings.Join(fields, "|"), "|"))
		b.WriteByte('\r')
	}
	segment("MSH", `^~\&`, "REG", hl7(s.ID), "CONCORD", "HIE", on, "", "ADT^"+e.Trigger+"^"+structure, g.control(s, n), "P", "2.5.1", "", "", "AL", "NE", "", "UNICODE UTF-8")
	segment("EVN", e.Trigger, on)
	own := cx(g.Local, s.Authority, "MR")
	switch e.Trigger {
	case "A40":
		segment(e.Other.pid(s, "")...)
		segment("MRG", own)
	case "A24", "A37":
		segment(e.Other.pid(s, "")...)
		segment(e.State.pid(s, "")...)
	case "A43": // the number stays, and goes from one chart to another
		segment(e.State.pid(s, chart(s, e.State.Person))...)
		segment("MRG", own, "", "", chart(s, e.Former))
	case "A04", "A08", "A23":
		segment(e.State.pid(s, "")...)
		segment("PV1", "1", "O")
	default:
		segment(e.State.pid(s, "")...)
		segment("PV1", "1", "N")
	}
	b.WriteByte('\n')
	return []byte(b.String())
}

// chart is the number under which s files all of a person's: it tells nothing of who that is.
func chart(s Site, person int) string {
	return cx("E"+s.prefix+digits(int(siteHash(s.ID, "chart"+digits(person)))), s.Authority+"/chart", "PI")
}

// pid returns r as a PID segment; chart is what else s files it under, "" for nothing.
func (r *Registration) pid(s Site, chart string) []string {
	ids := cx(r.Local, s.Authority, "MR")
	if r.SSN != "" {
		ids += "~" + hl7(r.SSN) + "^^^&2.16.840.1.113883.4.1&ISO^SS"
	}
	if payer, member, ok := strings.Cut(r.Insurance, "|"); ok {
		ids += "~" + cx(member, payer, "MB")
	}
	names := name(r.Family, r.Given, r.Middle, r.Suffix, "L")
	if r.Maiden != "" {
		names += "~" + name(r.Maiden, "", "", "", "M")
	}
	mother := ""
	if r.MotherMaiden != "" {
		mother = name(r.MotherMaiden, "", "", "", "M")
	}
	a := r.Address
	address := strings.TrimRight(hl7(a.Line)+"^^"+hl7(a.City)+"^"+hl7(a.State)+"^"+hl7(a.ZIP)+"^"+map[bool]string{true: map[string]string{"US": "USA", "CA": "CAN"}[a.Country()]}[a != Address{}], "^")
	telecom := ""
	if r.Phone != "" {
		telecom = "^PRN^PH^^1^" + strings.ReplaceAll(strings.Replace(r.Phone, "-", "^", 1), "-", "")
	}
	if r.Email != "" {
		telecom = strings.TrimPrefix(telecom+"~^NET^Internet^"+hl7(r.Email), "~")
	}
	twin, order, dead := "", "", ""
	if r.Multiple {
		twin = "Y"
		if r.Order > 0 {
			order = digits(r.Order)
		}
	}
	if r.Death != "" {
		dead = "Y"
	}
	return []string{"PID", "1", chart, ids, "", names, mother, plainDate(r.Birth), hl7Sex(r.Sex), "", "", address, "", telecom, "", "", "", "", "", "", "", "", "", "",
		twin, order, "", "", "", plainDate(r.Death), dead}
}

// truth returns e as a line of events.csv: whose data the message bears, and what the site is wrong about.
func (e Event) truth(seed uint64, s Site, g *Registration, n int) []byte {
	other, whose, mistake := "", "", ""
	if e.Other != nil {
		other, whose = e.Other.Local, personID(e.Other.Person)
	}
	if e.Mistake {
		mistake = "1"
	}
	var errs []string
	for _, d := range e.State.Errors {
		errs = append(errs, d.Field+":"+d.Kind)
	}
	return csvRow(nil, g.control(s, n), RecordID(seed, g.Index), e.when(g, n).Format(time.RFC3339), e.Trigger, personID(e.State.Person), other, whose, mistake, strings.Join(errs, "|"))
}

// cx returns an identifier with its assigning authority, a URI.
func cx(value, authority, kind string) string {
	return hl7(value) + "^^^&" + hl7(authority) + "&URI^" + kind
}

func name(family, given, middle, suffix, kind string) string {
	return hl7(family) + "^" + hl7(given) + "^" + hl7(middle) + "^" + hl7(suffix) + "^^^" + kind
}

func plainDate(s string) string { return strings.ReplaceAll(s, "-", "") }

func hl7Sex(s string) string {
	switch s {
	case "female":
		return "F"
	case "male":
		return "M"
	}
	return "U"
}

// hl7 escapes the delimiters.
//
// Source: HL7 v2.5.1 2.7.
func hl7(s string) string { return hl7Escapes.Replace(s) }

var hl7Escapes = strings.NewReplacer(`\`, `\E\`, "|", `\F\`, "^", `\S\`, "&", `\T\`, "~", `\R\`, "\r", " ", "\n", " ")

// consent returns p's standing wish as a FHIR R4 Consent, nil for the nine in ten who never filed one: most
// wishes are refusals, some of everything, some except in an emergency, some of one organisation.
//
// Source: FHIR R4 Consent (ppc-1: a policyRule); IHE PCF.
func (w *writer) consent(p Person, records []Registration) []byte {
	rnd := source(w.Seed, "wish", p.ID)
	if !chance(rnd, .10) || age(p) < 18 {
		return nil
	}
	var mine *Registration
	for i := range records {
		if records[i].Person == p.ID && records[i].Was == p.ID {
			mine = &records[i]
			break
		}
	}
	if mine == nil {
		return nil
	}
	site := w.site(mine.Site)
	type object = map[string]any
	code := func(system, code string) object { return object{"coding": []object{{"system": system, "code": code}}} }
	const act = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
	self := object{"type": "Patient", "identifier": object{"system": site.Authority, "value": mine.Local}}
	rule, provision := "OPTOUT", object{"type": "deny"}
	switch x := rnd.Float64(); {
	case x < .30:
		rule, provision = "OPTIN", object{"type": "permit"}
	case x < .55:
		provision["provision"] = []object{{"type": "permit", "purpose": []object{{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "ETREAT"}}}}
	case x < .75:
		rule, provision = "OPTIN", object{"type": "permit"}
		other := pick(rnd, w.sites)
		provision["provision"] = []object{{"type": "deny", "actor": []object{{"role": code("http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "IRCP"),
			"reference": object{"identifier": object{"system": "urn:ietf:rfc:3986", "value": other.OrgURI}}}}}}
	}
	filed := mine.On
	if adult := p.Birth.AddDate(18, 0, 1); filed.Before(adult) {
		filed = adult
	}
	return marshal(object{"resourceType": "Consent", "status": "active", "patient": self, "performer": []object{self},
		"dateTime":   filed.Add(9 * time.Hour).Format(time.RFC3339),
		"scope":      code("http://terminology.hl7.org/CodeSystem/consentscope", "patient-privacy"),
		"category":   []object{code("http://loinc.org", "59284-0")},
		"policyRule": code(act, rule), "provision": provision})
}
