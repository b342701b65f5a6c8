package consent

import (
	"fmt"
	"slices"
	"strings"

	"github.com/concord-hie/concord/hie"
)

// A Statement is the words that an obligation puts before who receives a document: they are part of the pack whose rule
// attaches the obligation, and signed with it.
//
// Source: spec consent 2.11; 42 CFR 2.32(a); NY PHL 2782(5).
type Statement struct {
	// Code is the obligation, whole ("STATE-STMT:NY") or up to the colon ("DELAU") for every obligation of that name.
	Code string
	// Source cites what asks for the words.
	Source string
	// Scope says that an explanation of the scope of the patient's consent goes with them, where a document leaves by one.
	//
	// Source: 42 CFR 2.32(b).
	Scope bool
	// Words are by language; each of Languages has some. The first is what the law's own text is in.
	Words map[string]StatementWords
	// Pack, Edition and Version name the pack in force that the words are from; Version 0 came with the program. A pack
	// itself leaves them empty.
	Pack, Edition string
	Version       int64
}

// StatementWords are a statement in one language. "{value}" stands for what follows the colon of the obligation.
type StatementWords struct {
	// Long is the statement whole.
	Long string
	// Short may stand in its place, "" where the rule allows no choice. In English it is printable ASCII, so that it fits
	// wherever a line of text does.
	//
	// Source: 42 CFR 2.32(a)(2).
	Short string
}

// Brief returns the short form where there is one, else the long one.
func (w StatementWords) Brief() string {
	if w.Short != "" {
		return w.Short
	}
	return w.Long
}

// Languages are those that each statement has words in, and the scope of a consent is explained in.
func Languages() []string { return []string{"en", "es"} }

// Bounds of a statement's forms, in bytes.
const (
	maxStatement = 4000
	maxShort     = 240
)

// valuePlace stands in the words of a statement for what follows the colon of the obligation.
const valuePlace = "{value}"

// Spoken reports whether an obligation is one that a pack has words for, since the recipient must be told it in words: all
// but the engine's own.
func Spoken(obligation string) bool { return !slices.Contains(ownDuties[:], dutyName(obligation)) }

func (p *Pack) validateStatement(i int, s Statement) error {
	at := fmt.Sprintf("statements[%d]", i)
	name, value, whole := strings.Cut(s.Code, ":")
	switch {
	case name == "" || whole && value == "" || len(s.Code) > 64 || strings.ContainsFunc(s.Code, notInCode):
		return hie.Invalid(at+".code", "must be an obligation: capital letters, digits and hyphens, and perhaps a colon with a value")
	case slices.ContainsFunc(p.Statements[:i], func(o Statement) bool { return o.Code == s.Code }):
		return hie.Invalid(at+".code", "must name one statement only")
	case !Spoken(s.Code):
		return hie.Invalid(at+".code", "must not be one of the exchange's own, which is told as a code")
	case s.Source == "":
		return hie.Required(at + ".source")
	}
	for _, lang := range Languages() {
		w, at := s.Words[lang], at+".words."+lang
		switch {
		case strings.TrimSpace(w.Long) == "" || len(w.Long) > maxStatement:
			return hie.Invalid(at+".long", "must hold 1 to 4000 bytes")
		case len(w.Short) > maxShort:
			return hie.Invalid(at+".short", "must be at most 240 bytes")
		case lang == "en" && strings.ContainsFunc(w.Short, func(r rune) bool { return r < ' ' || r > '~' }):
			return hie.Invalid(at+".short", "must be printable ASCII: it stands in a header")
		case (w.Short == "") != (s.Words["en"].Short == ""):
			return hie.Invalid(at+".short", "must be there in each language or in none")
		case whole && strings.Contains(w.Long+w.Short, valuePlace):
			return hie.Invalid(at+".long", "must not leave a place for the value that the code states")
		}
	}
	return nil
}

func notInCode(r rune) bool {
	return (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != ':'
}

// statement returns the words of an obligation among all: those of the code whole before those of its name.
func statement(all []Statement, obligation string) *Statement {
	for _, code := range []string{obligation, dutyName(obligation)} {
		if i := slices.IndexFunc(all, func(s Statement) bool { return s.Code == code }); i >= 0 {
			return &all[i]
		}
	}
	return nil
}

// Wordless returns the obligations that p's rules and policies attach, that a recipient must be told, and that p has no
// words for: sorted, nil for none. One of them is never released by rules that came out of such a pack.
func (p *Pack) Wordless() []string {
	var out []string
	for _, r := range p.Rules {
		for _, o := range r.Obligations {
			if Spoken(o) && statement(p.Statements, o) == nil {
				out = append(out, o)
			}
		}
	}
	if slices.ContainsFunc(p.Policies, func(y Policy) bool { return y.Erase }) && statement(p.Statements, dutyErase) == nil {
		out = append(out, dutyErase)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// Speak fills in words that p lacks from others: a version kept from before packs held words says what the pack of the
// program says.
func (p *Pack) Speak(others []Statement) {
	for _, o := range p.Wordless() {
		if s := statement(others, o); s != nil && statement(p.Statements, s.Code) == nil {
			p.Statements = append(slices.Clip(p.Statements), *s)
		}
	}
}

// spoken are p's statements as they are in force in version.
func (p *Pack) spoken(version int64) []Statement {
	out := slices.Clone(p.Statements)
	for i := range out {
		if out[i].Pack == "" {
			out[i].Pack, out[i].Edition, out[i].Version = p.ID, p.Edition, version
		}
	}
	return out
}

// reviewed are the words of the one obligation of the engine's own that the recipient is told.
//
// Source: spec consent 2.10 and 2.11 (BTG-REVIEW, ttl).
var reviewed = Statement{Code: ownDuties[dutyReview], Source: "spec consent 2.10", Words: map[string]StatementWords{
	"en": {Long: "This was disclosed because an emergency was claimed. The claim holds until {value} at the latest; every use of it is reviewed, and the patient is told."},
	"es": {Long: "Esto se divulgó porque se declaró una emergencia. La declaración vale a más tardar hasta {value}; cada uso se revisa, y se avisa al paciente."}}}

// speak gives r the words of its obligations out of said, its pack's.
func (r *Rule) speak(said []Statement) {
	for _, o := range r.Obligations {
		if !Spoken(o) {
			continue
		}
		if s := statement(said, o); s != nil {
			r.Statements = append(slices.Clip(r.Statements), *s)
		} else {
			r.Mute = true
		}
	}
}
