package locator

import (
	"slices"
	"strings"

	"github.com/concord-hie/concord/hie"
)

// Terms returns a number for everything a code clause can ask of p, sorted, each once: for a coding its
// system and code, its code in any system, and its system with any code. Numbers of different fields never
// stand for each other.
func (p Pointer) Terms() []int64 {
	var out []int64
	coding := func(f Field, cs ...hie.Coding) {
		for _, c := range cs {
			if c.System == "" && c.Code == "" { // a label nobody can read is not found by
				continue
			}
			out = append(out, CodeMatch{System: c.System, Code: c.Code}.Term(f), CodeMatch{Code: c.Code, AnySystem: true}.Term(f))
			if c.System != "" {
				out = append(out, CodeMatch{System: c.System}.Term(f))
			}
		}
	}
	coding(FieldType, p.Types...)
	coding(FieldCategory, p.Categories...)
	coding(FieldSetting, p.Settings...)
	coding(FieldFacility, p.Facilities...)
	coding(FieldEvent, p.Events...)
	coding(FieldLabel, p.Labels...)
	coding(FieldFormat, p.Formats...)
	for _, id := range append([]hie.Identifier{p.MasterIdentifier}, p.Identifiers...) {
		if !id.IsZero() {
			coding(FieldIdentifier, hie.Coding{System: id.System, Code: id.Value})
		}
	}
	text := func(f Field, values ...string) {
		for _, v := range values {
			if v != "" {
				out = append(out, CodeMatch{Code: v, AnySystem: true}.Term(f))
			}
		}
	}
	text(FieldRelated, p.Related...)
	text(FieldRelated, p.Encounters...) // a search for related also finds by the encounter (MHD ITI-67, referenceIdList)
	text(FieldEncounter, p.Encounters...)
	text(FieldCustodian, string(p.Custodian))
	text(FieldContent, p.ContentType)
	text(FieldLanguage, p.Language)
	uid, content := p.Same()
	text(FieldSame, uid, content)
	slices.Sort(out)
	return slices.Compact(out)
}

// Term returns the number that stands for m in field f; see [Pointer.Terms].
func (m CodeMatch) Term(f Field) int64 {
	switch {
	case m.AnySystem:
		return hash63(string(f), "code", m.Code)
	case m.Code == "":
		return hash63(string(f), "system", m.System)
	default:
		return hash63(string(f), "both", m.System, m.Code)
	}
}

// NameIndex returns p's author names as one text in which [NameMatch] alternatives are found as substrings:
// a line a name, folded once and as written once.
func (p Pointer) NameIndex() string {
	var b strings.Builder
	line := func(f Field, name string) {
		if name = strings.ReplaceAll(name, "\n", " "); name != "" {
			b.WriteString("\n" + string(f) + "~" + fold(name) + "\n" + string(f) + "=" + name + "\n")
		}
	}
	for _, a := range p.Authors {
		for _, g := range a.Given {
			line(FieldGiven, g)
		}
		line(FieldFamily, a.Family)
	}
	return b.String()
}

// Needle returns the text that [Pointer.NameIndex] contains exactly when m holds for field f.
func (m NameMatch) Needle(f Field) string { return m.needle(f) }

func (m NameMatch) needle(f Field) string {
	text := strings.ReplaceAll(m.Text, "\n", " ")
	if m.Exact {
		return "\n" + string(f) + "=" + text + "\n"
	}
	return "\n" + string(f) + "~" + fold(text)
}

// fold removes case and the accents of Latin letters, as FHIR string search asks.
func fold(s string) string {
	s = strings.ToLower(s)
	if strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0 {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r >= 0x300 && r <= 0x36f { // combining marks
			return -1
		}
		if base, ok := unaccented[r]; ok {
			return base
		}
		return r
	}, s)
}

var unaccented = func() map[rune]rune {
	out := map[rune]rune{}
	for base, accented := range map[rune]string{
		'a': "àáâãäåāăą", 'c': "çćĉċč", 'd': "ďđ", 'e': "èéêëēĕėęě", 'g': "ĝğġģ", 'h': "ĥħ", 'i': "ìíîïĩīĭįı", 'j': "ĵ", 'k': "ķ",
		'l': "ĺļľŀł", 'n': "ñńņň", 'o': "òóôõöøōŏő", 'r': "ŕŗř", 's': "śŝşšș", 't': "ţťŧț", 'u': "ùúûüũūŭůűų", 'w': "ŵ", 'y': "ýÿŷ", 'z': "źżž",
	} {
		for _, r := range accented {
			out[r] = base
		}
	}
	return out
}()
