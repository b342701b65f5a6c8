package consent

import (
	"fmt"
	"strings"
	"time"

	"github.com/concord-hie/concord/hie"
)

// Names give what an explanation names a name that people know. A nil function leaves the id.
type Names struct {
	Organization func(hie.OrgID) string
	Site         func(hie.SiteID) string
}

// ExplainScope says in plain words what permissions permit, in a language of Languages, English for any other; "" for none. Several
// are counted one by one: the document leaves by all of them together.
//
// It names no patient, no document and no directive. The Spanish is to be confirmed by a qualified translator (45 CFR 92.201).
//
// Source: 42 CFR 2.32(b) (a clear explanation of the scope of the consent).
func ExplainScope(ps []Permission, lang string, names Names) string {
	if len(ps) == 0 {
		return ""
	}
	w, known := scopeWords[lang]
	if !known {
		w = scopeWords[Languages()[0]]
	}
	var out strings.Builder
	if len(ps) > 1 {
		fmt.Fprintf(&out, w.several, len(ps))
	}
	for i, p := range ps {
		if len(ps) > 1 {
			fmt.Fprintf(&out, "%d. ", i+1)
		}
		until := w.endless
		if !p.Until.IsZero() {
			until = w.until + w.date(p.Until)
		}
		fmt.Fprintf(&out, w.sentence+" ", w.what(p, names), w.whom(p, names), w.purpose(p.Purposes), until)
	}
	return out.String() + w.tail
}

// scopeLanguage is how a scope is put in one language.
type scopeLanguage struct {
	several, sentence, tail string // sentence takes what, whom, for what, until when
	endless, until          string
	documents               string
	kind, this, visit       string
	author, level, labelled string
	from, between, since    string
	everybody, units        string
	person, team, role, at  string
	those                   string
	anything, to, and       string
	day                     string
	months                  [12]string
	purposes                map[hie.Purpose]string
}

func (w *scopeLanguage) date(t time.Time) string {
	return fmt.Sprintf(w.day, t.Day(), w.months[t.Month()-1], t.Year())
}

// what says which documents p is about.
func (w *scopeLanguage) what(p Permission, names Names) string {
	if p.This {
		return w.this
	}
	out := w.documents
	for _, limit := range []struct {
		holds bool
		words string
	}{
		{p.Kind, w.kind}, {p.Visit, w.visit}, {p.Author, w.author},
		{p.Confidentiality != "", w.level + p.Confidentiality}, {len(p.Labels) > 0, w.labelled + strings.Join(p.Labels, ", ")},
	} {
		if limit.holds {
			out += " " + limit.words
		}
	}
	switch {
	case !p.From.IsZero() && !p.To.IsZero():
		out += " " + fmt.Sprintf(w.between, w.date(p.From), w.date(p.To))
	case !p.From.IsZero():
		out += " " + fmt.Sprintf(w.since, w.date(p.From))
	case !p.To.IsZero():
		out += " " + fmt.Sprintf(w.to, w.date(p.To))
	}
	if p.Site != "" {
		name := string(p.Site)
		if names.Site != nil {
			name = names.Site(p.Site)
		}
		out += " " + w.from + name
	}
	return out
}

// whom says to whom p lets them go.
func (w *scopeLanguage) whom(p Permission, names Names) string {
	if p.Everybody {
		return w.everybody
	}
	org := string(p.Organization)
	if org != "" && names.Organization != nil {
		org = names.Organization(p.Organization)
	}
	var parts []string
	switch {
	case p.Person:
		parts = append(parts, w.person)
	case p.Team:
		parts = append(parts, w.team)
	}
	if p.Role != "" {
		if parts == nil {
			parts = append(parts, w.those)
		}
		parts = append(parts, w.role+p.Role)
	}
	switch {
	case org != "" && parts == nil:
		parts = append(parts, org+w.units)
	case org != "":
		parts = append(parts, w.at+org)
	}
	return strings.Join(parts, " ")
}

// purpose says for what.
func (w *scopeLanguage) purpose(purposes []hie.Purpose) string {
	if len(purposes) == 0 {
		return w.anything
	}
	out := ""
	for i, p := range purposes {
		words := w.purposes[p]
		if words == "" {
			words = string(p)
		}
		switch {
		case i == 0:
		case i == len(purposes)-1:
			out += w.and
		default:
			out += ", "
		}
		out += words
	}
	return out
}

var scopeWords = map[string]*scopeLanguage{
	"en": {
		several:  "This document is disclosed under %d consents of the patient together. ",
		sentence: "The patient has consented that %s may be given to %s, for %s. The consent holds %s.",
		tail:     "The patient may revoke consent at any time; that ends further disclosure and does not reach back to this one. Only what concerns this document is told here.",
		endless:  "without an end date", until: "until ",
		documents: "documents from their record", kind: "of this one's kind", this: "this document", visit: "of the visit this one belongs to",
		author: "by the author of this one", level: "of confidentiality ", labelled: "labelled ",
		from: "held by ", between: "about care from %s to %s", since: "about care from %s on", to: "about care until %s",
		everybody: "whoever takes part in this exchange", units: " and its units", person: "the practitioner who asked", team: "a care team that the one who asked belongs to",
		those: "those", role: "in the role ", at: "at ", anything: "any purpose", and: " and ", day: "%d %s %d",
		months: [12]string{"January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December"},
		purposes: map[hie.Purpose]string{"TREAT": "treatment", "CLINTRL": "clinical trial care", "COC": "coordination of care", "CAREMGT": "care management", "POPHLTH": "population health",
			"ETREAT": "emergency treatment", "ERTREAT": "emergency room treatment", "BTG": "access in an emergency", "HPAYMT": "payment", "COVERAGE": "coverage", "ELIGDTRM": "determining eligibility",
			"HOPERAT": "health care operations", "HLEGAL": "legal proceedings", "HQUALIMP": "quality improvement", "RECORDMGT": "record management", "HRESCH": "research", "CLINTRCH": "clinical trial research",
			"PATRQT": "the patient's own request", "FAMRQT": "a request of the family", "PUBHLTH": "public health", "HMARKT": "marketing", "GOVDTRM": "determination of government benefits"}},
	"es": {
		several:  "Este documento se divulga por %d consentimientos del paciente en conjunto. ",
		sentence: "El paciente ha consentido que %s se entreguen a %s, para %s. El consentimiento vale %s.",
		tail:     "El paciente puede revocar su consentimiento en cualquier momento; eso pone fin a otras divulgaciones y no alcanza a esta. Aquí se dice solo lo que concierne a este documento.",
		endless:  "sin fecha de término", until: "hasta el ",
		documents: "documentos de su expediente", kind: "del tipo de este", this: "los datos de este documento", visit: "de la visita a la que pertenece este",
		author: "del autor de este", level: "de confidencialidad ", labelled: "con las etiquetas ",
		from: "en poder de ", between: "sobre la atención del %s al %s", since: "sobre la atención desde el %s", to: "sobre la atención hasta el %s",
		everybody: "quien participe en este intercambio", units: " y sus unidades", person: "el profesional que los pidió", team: "un equipo de atención al que pertenece quien los pidió",
		those: "quienes actúan", role: "en la función ", at: "en ", anything: "cualquier propósito", and: " y ", day: "%d de %s de %d",
		months: [12]string{"enero", "febrero", "marzo", "abril", "mayo", "junio", "julio", "agosto", "septiembre", "octubre", "noviembre", "diciembre"},
		purposes: map[hie.Purpose]string{"TREAT": "tratamiento", "CLINTRL": "atención en un ensayo clínico", "COC": "coordinación de la atención", "CAREMGT": "gestión de la atención", "POPHLTH": "salud de la población",
			"ETREAT": "tratamiento de emergencia", "ERTREAT": "tratamiento en la sala de emergencias", "BTG": "acceso en una emergencia", "HPAYMT": "pago", "COVERAGE": "cobertura", "ELIGDTRM": "determinación de elegibilidad",
			"HOPERAT": "operaciones de atención médica", "HLEGAL": "procesos legales", "HQUALIMP": "mejora de la calidad", "RECORDMGT": "gestión de registros", "HRESCH": "investigación", "CLINTRCH": "investigación en ensayos clínicos",
			"PATRQT": "la solicitud del propio paciente", "FAMRQT": "una solicitud de la familia", "PUBHLTH": "salud pública", "HMARKT": "mercadotecnia", "GOVDTRM": "determinación de beneficios públicos"}},
}
