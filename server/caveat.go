package server

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/concord-hie/concord/consent"
	"github.com/concord-hie/concord/hie"
	"github.com/concord-hie/concord/internal/fhir"
	"github.com/concord-hie/concord/locator"
	"github.com/concord-hie/concord/locator/locatorfhir"
	"github.com/gin-gonic/gin"
)

// What goes with a document in words. In FHIR it stands in the resource's meta, where handling caveats belong: codes in
// meta.security, sentences as DS4P's marks to display. With bytes, which may be of any type, the header has the short
// statements, and a link to all of it.
//
// Source: 42 CFR 2.32; HL7 FHIR R4 security labels; HL7 FHIR DS4P, extension-display.

// extensionDisplay is DS4P's "a marking should be displayed when the resource is rendered".
const extensionDisplay = "http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-display"

// extensionScope marks a sentence as the explanation of the scope of the consent.
const extensionScope = "urn:concord:search:scope-of-consent"

// obligationSystem is of the obligations that HL7's ActCode has no word for.
const obligationSystem = "https://concord-hie.org/fhir/CodeSystem/obligation"

// obligationCoding is an obligation as a code. ActCode's DELAU has no room for the day.
//
// Source: HL7 v3 ActCode, ObligationPolicy and RefrainPolicy.
func obligationCoding(o string) fhir.Coding {
	if slices.Contains([]string{"NORDSCLCD", "NODSCLCDS", "MINEC", "DELAU"}, o) {
		return fhir.Coding{System: locator.SystemActCode, Code: o}
	}
	return fhir.Coding{System: obligationSystem, Code: o}
}

// marks are what a resource about a document bears in its meta; brief takes the short form of a statement where there is one.
func (s *Server) marks(c *gin.Context, obligations []string, caveats []consent.Caveat, brief bool) locatorfhir.Marks {
	var out locatorfhir.Marks
	for _, o := range obligations {
		if o != "LABELS" { // the labels are there
			out.Security = append(out.Security, obligationCoding(o))
		}
	}
	if caveats == nil {
		return out
	}
	lang, yes := askedLanguage(c.GetHeader("Accept-Language")), true
	for _, v := range caveats {
		text := v.Words(lang).Long
		if brief {
			text = v.Words(lang).Brief()
		}
		of := fhir.Extension{URL: extensionObligation, ValueCode: v.Obligation}
		out.Display = append(out.Display, fhir.Extension{URL: extensionDisplay, ValueAnnotation: &fhir.Annotation{Extension: []fhir.Extension{of}, Text: text}})
		if scope := consent.ExplainScope(v.Permissions, lang, s.names()); scope != "" {
			out.Display = append(out.Display, fhir.Extension{URL: extensionDisplay,
				ValueAnnotation: &fhir.Annotation{Extension: []fhir.Extension{of, {URL: extensionScope, ValueBoolean: &yes}}, Text: scope}})
		}
	}
	return out
}

// names are what the scope of a consent names.
func (s *Server) names() consent.Names {
	return consent.Names{Site: s.siteName, Organization: func(id hie.OrgID) string {
		if o, ok := s.deps.Network().Organization(id); ok {
			return o.Name
		}
		return string(id)
	}}
}

// askedLanguage is the language of statements that an Accept-Language header likes best, English where it names none.
//
// Source: RFC 9110 section 12.5.4.
func askedLanguage(header string) string {
	best, most := consent.Languages()[0], 0.0
	for _, part := range strings.Split(header, ",") {
		tag, weight, _ := strings.Cut(strings.TrimSpace(part), ";")
		base, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(tag)), "-")
		q := 1.0
		if w, weighed := strings.CutPrefix(strings.TrimSpace(weight), "q="); weighed {
			q, _ = strconv.ParseFloat(w, 64) // what cannot be read weighs nothing
		}
		if q > most && slices.Contains(consent.Languages(), base) {
			best, most = base, q
		}
	}
	return best
}

// noticeHeader writes the short statements as a Structured Field: a list of obligations, each with its text where it has a short
// one, and with the scope of the consent where that fits. It is in English, since a header is ASCII; what does not fit is told where
// the link leads.
//
// Source: RFC 9651 sections 3.1, 3.1.2 and 3.3.3; 42 CFR 2.32(a)(2), (b).
func noticeHeader(caveats []consent.Caveat, names consent.Names) string {
	var out []string
	for _, v := range caveats {
		item, lang := v.Obligation, consent.Languages()[0]
		for _, p := range []struct{ name, text string }{{"text", v.Words(lang).Short}, {"scope", consent.ExplainScope(v.Permissions, lang, names)}} {
			if p.text != "" && len(p.text) <= maxHeaderText && !strings.ContainsFunc(p.text, func(r rune) bool { return r < ' ' || r > '~' }) {
				item += ";" + p.name + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(p.text) + `"`
			}
		}
		out = append(out, item)
	}
	return strings.Join(out, ", ")
}

// maxHeaderText bounds one text in a header: clients bound headers, most at 8 KB and more.
const maxHeaderText = 1024

// notice answers GET /fhir/Binary/{id}/$notice: what goes with a document in words, whole and in each language, to who may have the
// document now; to anybody else it is not there. The document's own answer links here.
//
// Source: 42 CFR 2.32.
func (s *Server) notice(c *gin.Context) {
	e, err := s.deps.Exchange.Show(c.Request.Context(), caller(c), s.handle(c.Param("id")))
	if err != nil {
		s.fail(c, err)
		return
	}
	s.send(c, http.StatusOK, fhir.Parameters{ResourceType: "Parameters", Parameter: s.statements(e.Caveats)})
}

// statements are caveats as parameters.
func (s *Server) statements(caveats []consent.Caveat) (out []fhir.Parameter) {
	for _, v := range caveats {
		st := v.Statement
		p := fhir.Parameter{Name: "statement", Part: []fhir.Parameter{{Name: "obligation", ValueCode: v.Obligation}, {Name: "source", ValueString: st.Source}}}
		if st.Pack != "" {
			version := int(st.Version)
			p.Part = append(p.Part, fhir.Parameter{Name: "policy", ValueString: strings.TrimSpace(st.Pack + " " + st.Edition)}, fhir.Parameter{Name: "version", ValueInteger: &version})
		}
		for _, lang := range consent.Languages() {
			words := v.Words(lang)
			w := fhir.Parameter{Name: "words", Part: []fhir.Parameter{{Name: "language", ValueCode: lang}, {Name: "text", ValueString: words.Long}}}
			if words.Short != "" {
				w.Part = append(w.Part, fhir.Parameter{Name: "short", ValueString: words.Short})
			}
			if scope := consent.ExplainScope(v.Permissions, lang, s.names()); scope != "" {
				w.Part = append(w.Part, fhir.Parameter{Name: "scope", ValueString: scope})
			}
			p.Part = append(p.Part, w)
		}
		out = append(out, p)
	}
	return out
}
