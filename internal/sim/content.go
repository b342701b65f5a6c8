package sim

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"strings"
	"time"
)

// Bytes returns the document's content, the same each time: a C-CDA, a one-page PDF, plain text or a FHIR
// document Bundle, two to eight kilobytes. The patient is named as the site wrote it down.
func (d Document) Bytes() []byte {
	paragraphs := d.paragraphs()
	switch d.ContentType {
	case "application/xml":
		return d.cda(paragraphs)
	case "application/pdf":
		return pdf(d.heading(), paragraphs)
	case "application/fhir+json":
		return d.fhirDocument(paragraphs)
	default:
		return []byte(d.heading() + "\n\n" + strings.Join(paragraphs, "\n\n") + "\n")
	}
}

func (d Document) heading() string {
	return fmt.Sprintf("%s\n%s\nPatient %s, born %s, record %s\n%s, %s", d.site.Name, d.Type.Display, d.Registration.Name(),
		d.Registration.Birth, d.Registration.Local, d.Created.Format("2 January 2006"), d.Author)
}

var (
	complaints = []string{"chest tightness on exertion", "follow-up of blood pressure", "a persistent cough", "lower back pain", "fatigue and poor sleep",
		"a yearly check-up", "dizziness when standing", "medication review", "knee pain after a fall", "results of last week's tests"}
	findings = []string{"Blood pressure %d/%d mmHg.", "Pulse %d, regular; temperature 36.%d C.", "Weight %d kg, unchanged since %d months.",
		"Glucose %d mg/dL, creatinine 0.%d mg/dL.", "Ejection fraction %d %%, %d beats a minute.", "Haemoglobin %d g/L, platelets %d."}
	plans = []string{"Continue the current medication.", "Return in six weeks, sooner if worse.", "Referred for further testing.",
		"Counselled on diet and activity.", "Repeat the laboratory tests before the next visit.", "No change; discussed with the patient."}
)

// paragraphs returns the invented text of the document.
func (d Document) paragraphs() []string {
	rnd := source(d.papers.seed, "text", d.Registration.Index, d.N)
	out := []string{fmt.Sprintf("The patient was seen on %s for %s.", d.Start.Format("2 January 2006"), pick(rnd, complaints))}
	for range 3 + rnd.IntN(10) {
		out = append(out, fmt.Sprintf(pick(rnd, findings), 50+rnd.IntN(100), 1+rnd.IntN(89)))
	}
	for range 2 + rnd.IntN(5) {
		out = append(out, pick(rnd, plans))
	}
	return out
}

// cda returns a C-CDA shaped document: header, patient, author, custodian, one section.
func (d Document) cda(paragraphs []string) []byte {
	g := d.Registration
	var b strings.Builder
	w := func(format string, args ...any) {
		for i, a := range args {
			if s, ok := a.(string); ok {
				args[i] = escape(s)
			}
		}
		fmt.Fprintf(&b, format, args...)
	}
	ts := d.Created.Format("20060102150405") + "+0000"
	w("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ClinicalDocument xmlns=\"urn:hl7-org:v3\">\n")
	w("  <realmCode code=\"US\"/>\n  <typeId root=\"2.16.840.1.113883.1.3\" extension=\"POCD_HD000040\"/>\n")
	w("  <templateId root=\"2.16.840.1.113883.10.20.22.1.1\" extension=\"2015-08-01\"/>\n  <id root=\"%s\"/>\n", strings.TrimPrefix(d.UID, "urn:uuid:"))
	w("  <code code=\"%s\" codeSystem=\"2.16.840.1.113883.6.1\" displayName=\"%s\"/>\n  <title>%s</title>\n", d.Type.Code, d.Type.Display, d.Type.Display)
	w("  <effectiveTime value=\"%s\"/>\n  <confidentialityCode code=\"%s\" codeSystem=\"2.16.840.1.113883.5.25\"/>\n  <languageCode code=\"en-US\"/>\n", ts, d.Confidentiality)
	w("  <recordTarget><patientRole>\n    <id root=\"2.25.%d\" extension=\"%s\"/>\n    <addr><streetAddressLine>%s</streetAddressLine><city>%s</city><state>%s</state><postalCode>%s</postalCode></addr>\n",
		len(d.site.ID), g.Local, g.Address.Line, g.Address.City, g.Address.State, g.Address.ZIP)
	w("    <patient><name><given>%s</given><given>%s</given><family>%s</family></name><administrativeGenderCode code=\"%s\" codeSystem=\"2.16.840.1.113883.5.1\"/><birthTime value=\"%s\"/></patient>\n  </patientRole></recordTarget>\n",
		g.Given, g.Middle, g.Family, strings.ToUpper(g.Sex[:1]), strings.ReplaceAll(g.Birth, "-", ""))
	w("  <author><time value=\"%s\"/><assignedAuthor><id nullFlavor=\"NI\"/><assignedPerson><name>%s</name></assignedPerson></assignedAuthor></author>\n", ts, d.Author)
	w("  <custodian><assignedCustodian><representedCustodianOrganization><id nullFlavor=\"NI\"/><name>%s</name></representedCustodianOrganization></assignedCustodian></custodian>\n", d.site.OrgName)
	w("  <component><structuredBody><component><section>\n    <code code=\"%s\" codeSystem=\"2.16.840.1.113883.6.1\"/>\n    <text>\n", d.Category.Code)
	for _, p := range paragraphs {
		w("      <paragraph>%s</paragraph>\n", p)
	}
	w("    </text>\n  </section></component></structuredBody></component>\n</ClinicalDocument>\n")
	return []byte(b.String())
}

func escape(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a bytes.Buffer does not fail
	return b.String()
}

// fhirDocument returns a Bundle of type document.
func (d Document) fhirDocument(paragraphs []string) []byte {
	type object = map[string]any
	base := strings.TrimPrefix(d.UID, "urn:uuid:")
	patient, author := "urn:uuid:"+"1"+base[1:], "urn:uuid:"+"2"+base[1:]
	div := "<div xmlns=\"http://www.w3.org/1999/xhtml\">"
	for _, p := range paragraphs {
		div += "<p>" + escape(p) + "</p>"
	}
	div += "</div>"
	body, err := json.MarshalIndent(object{
		"resourceType": "Bundle", "type": "document", "timestamp": d.Created.Format(time.RFC3339),
		"identifier": object{"system": "urn:ietf:rfc:3986", "value": d.UID},
		"entry": []object{
			{"fullUrl": "urn:uuid:0" + base[1:], "resource": object{
				"resourceType": "Composition", "status": "final", "title": d.Type.Display, "date": d.Created.Format(time.RFC3339),
				"type":    object{"coding": []object{{"system": d.Type.System, "code": d.Type.Code, "display": d.Type.Display}}},
				"subject": object{"reference": patient}, "author": []object{{"reference": author}},
				"section": []object{{"title": d.Type.Display, "text": object{"status": "generated", "div": div}}}}},
			{"fullUrl": patient, "resource": object{
				"resourceType": "Patient", "identifier": []object{{"system": d.site.Authority, "value": d.Registration.Local}},
				"name": []object{{"text": d.Registration.Name()}}}},
			{"fullUrl": author, "resource": object{"resourceType": "Practitioner", "name": []object{{"text": d.Author}}}},
		}}, "", "  ")
	if err != nil { // maps of strings are always JSON
		panic("sim: " + err.Error())
	}
	return body
}

// pdf returns a one-page PDF 1.4 file with the lines in a fixed-width font.
//
// Source: ISO 32000-1 7.5 (file structure: header, body, cross-reference table, trailer).
func pdf(heading string, paragraphs []string) []byte {
	var page strings.Builder
	page.WriteString("BT /F1 9 Tf 11 TL 50 760 Td\n")
	clean := strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`)
	for _, line := range append(strings.Split(heading, "\n"), paragraphs...) {
		fmt.Fprintf(&page, "(%s) Tj T*\n", clean.Replace(line))
	}
	page.WriteString("ET")
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", page.Len(), page.String()),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Courier >>",
	}
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n")
	var offsets []int
	for i, o := range objects {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, o := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&b, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return b.Bytes()
}
