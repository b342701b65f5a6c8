package consent

import (
	"maps"
	"slices"

	"github.com/concord-hie/concord/hie"
)

// confidentiality is a place in U < L < M < N < R < V.
type confidentiality int8

const noConfidentiality confidentiality = -1

const normal confidentiality = 3 // N

var confidentialities = [...]string{"U", "L", "M", "N", "R", "V"}

// readConfidentiality returns the place of code, or noConfidentiality for anything outside the list.
func readConfidentiality(code string) confidentiality {
	for i, c := range confidentialities {
		if c == code {
			return confidentiality(i)
		}
	}
	return noConfidentiality
}

// An atom kind is a sensitivity code of the list, or one of three that are none: plain (a completely labelled
// document without labels), vague (the plain atom of a document whose labels are not known to be complete) and
// other (a label outside the list).
type atomKind uint8

const (
	plain atomKind = 15 + iota
	vague
	other
)

// atomSet is a set of atom kinds.
type atomSet uint32

func (s atomSet) has(k atomKind) bool { return s>>k&1 == 1 }

// PsychotherapyNote is the sensitivity code no emergency opens.
const psychotherapyNote atomKind = 3

// sensitivities is the sensitivity list: each code with the code it is under. Parents stand before children.
//
// Source: spec consent-cases, "Code lists"; HL7 v3 ActCode, InformationSensitivityPolicy.
var sensitivities = [15]struct {
	code   string
	parent int
}{
	{"BH", -1}, {"MH", 0}, {"PSY", 0}, {"PSYTHPN", 0}, {"SUD", 0}, {"ETHUD", 4}, {"OPIOIDUD", 4},
	{"HIV", -1}, {"SDV", -1}, {"SEX", -1}, {"STD", -1}, {"GDIS", -1}, {"REPRO", -1}, {"SICKLE", -1}, {"VIO", -1},
}

// A SensitivityUnder puts one sensitivity code under another, beside what HL7's list puts it under: what is said of the other
// is said of it too.
type SensitivityUnder struct{ Code, Under string }

// kinship says which sensitivities lie under which.
type kinship struct {
	// below[k] is k and what is under it; around[k] adds what k is under, which may contain k.
	below, around [15]atomSet
}

// listed is the kinship of the list. It is never written to after it was made.
var listed = newKinship(nil)

// newKinship is the kinship of the list with more besides. Two codes under each other mean the same. Codes outside the list say
// nothing.
func newKinship(more []SensitivityUnder) *kinship {
	k := new(kinship)
	for i, s := range sensitivities {
		k.below[i] |= 1 << i
		if s.parent >= 0 {
			k.below[s.parent] |= 1 << i
		}
	}
	for _, m := range more {
		if code, under := readSensitivity(m.Code), readSensitivity(m.Under); code != other && under != other {
			k.below[under] |= 1 << code
		}
	}
	for changed := true; changed; {
		changed = false
		for p := range k.below {
			all := k.below[p]
			for i := range k.below {
				if all.has(atomKind(i)) {
					all |= k.below[i]
				}
			}
			changed = changed || all != k.below[p]
			k.below[p] = all
		}
	}
	for p := range k.below {
		k.around[p] |= k.below[p]
		for i := range k.below {
			if k.below[p].has(atomKind(i)) {
				k.around[i] |= 1 << p
			}
		}
	}
	return k
}

// sensitivityName brings synonyms to one code: ETH is SUD.
func sensitivityName(code string) string {
	if code == "ETH" {
		return "SUD"
	}
	return code
}

// readSensitivity returns the atom kind of a code; other for one outside the list.
func readSensitivity(code string) atomKind {
	code = sensitivityName(code)
	for i := range sensitivities {
		if sensitivities[i].code == code {
			return atomKind(i)
		}
	}
	return other
}

// StandardPurpose reports whether code is a purpose of use of HL7's list.
func StandardPurpose(code string) bool { return basePurposes[hie.Purpose(code)] != nil }

// Sensitivities are the sensitivity codes of HL7's list that decisions tell apart, parents before what is under them.
func Sensitivities() []string {
	out := make([]string, len(sensitivities))
	for i, s := range sensitivities {
		out[i] = s.code
	}
	return out
}

// StandardLabel reports whether code is a confidentiality or sensitivity of HL7's lists.
func StandardLabel(code string) bool {
	return readConfidentiality(code) != noConfidentiality || readSensitivity(code) != other
}

// readAction says whether a provision's action speaks of disclosure.
//
// Source: spec consent-cases, "Code lists"; FHIR R4 consentaction.
func readAction(code string) tri {
	switch code {
	case "access", "disclose":
		return yes
	case "collect", "use", "correct":
		return no
	}
	return unknown
}

// A LocalPurpose is a purpose of use added to the tree: under Parent, or a root of its own when Parent is "".
type LocalPurpose struct {
	Code, Parent hie.Purpose
}

// builtinPurposes is the tree of purposes of use, children under their parent.
//
// Source: spec consent-cases, "Code lists"; HL7 v3 ActReason, PurposeOfUse.
var builtinPurposes = []struct {
	parent   hie.Purpose
	children []hie.Purpose
}{
	{"TREAT", []hie.Purpose{"CLINTRL", "COC", "CAREMGT", "POPHLTH", "ETREAT"}},
	{"ETREAT", []hie.Purpose{"BTG", "ERTREAT"}},
	{"HPAYMT", []hie.Purpose{"CLMATTCH", "COVAUTH", "COVERAGE", "ELIGDTRM", "ELIGVER", "ENROLLM", "REMITADV", "PMTDS"}},
	{"HOPERAT", []hie.Purpose{"HLEGAL", "HACCRED", "HCOMPL", "HQUALIMP", "PATADMIN", "PATSFTY", "RECORDMGT", "TRAIN"}},
	{"HRESCH", []hie.Purpose{"BIORCH", "CLINTRCH", "DSRCH", "POARCH", "TRANSRCH"}},
	{"PATRQT", []hie.Purpose{"FAMRQT", "PWATRNY", "SUPNWK"}},
	{"PUBHLTH", []hie.Purpose{"DISASTER", "THREAT"}},
	{"HMARKT", nil},
	{"GOVDTRM", nil},
}

// purpose is one node of the tree.
type purpose struct {
	code hie.Purpose
	// up is the purpose itself and what it is under, nearest first; the last is its root.
	up []*purpose
	// index tells it from the others of one Env: its place in lists made for purposes.
	index int
	// covered holds what it is under, itself too, by their index and as far as that goes into a set: under denying all of it,
	// under permitting what covers it, as [purpose.coveredBy] says.
	covered [2]purposeSet
	// treatment and research say it is under TREAT or HRESCH; breakGlass that it is BTG or under it.
	treatment, research, breakGlass bool
}

func (p *purpose) root() hie.Purpose { return p.up[len(p.up)-1].code }

// under reports whether p is q or under it in the full tree.
func (p *purpose) under(q *purpose) bool { return slices.Contains(p.up, q) }

// coveredBy reports whether a rule on q speaks of p. Break-glass is never implied by a permit on what it is under.
//
// Source: spec consent 2.4; spec consent-cases 6.
func (p *purpose) coveredBy(q *purpose, s sense) bool {
	if !p.under(q) {
		return false
	}
	return s == denying || !p.breakGlass || q.breakGlass
}

// purposeSet is a set of purposes by their index, of those below maxPurposeSet; there are some fifty, and few local ones.
type purposeSet [2]uint64

const maxPurposeSet = 128

func (s *purposeSet) add(p *purpose) {
	if p.index < maxPurposeSet {
		s[p.index/64] |= 1 << (p.index % 64)
	}
}

func (s *purposeSet) meets(o *purposeSet) bool { return s[0]&o[0]|s[1]&o[1] != 0 }

// coveredIn is what covers p in this sense, as far as sets go.
func (p *purpose) coveredIn(s sense) *purposeSet {
	if s == denying {
		return &p.covered[1]
	}
	return &p.covered[0]
}

type purposeTree map[hie.Purpose]*purpose

// basePurposes is the built-in tree. It is never written to after it was made.
var basePurposes = builtinTree()

func builtinTree() purposeTree {
	parents := map[hie.Purpose]hie.Purpose{}
	for _, b := range builtinPurposes {
		if _, has := parents[b.parent]; !has {
			parents[b.parent] = ""
		}
		for _, c := range b.children {
			parents[c] = b.parent
		}
	}
	tree := make(purposeTree, len(parents))
	tree.grow(0, parents, tree.find)
	return tree
}

func (t purposeTree) find(code hie.Purpose) *purpose { return t[code] }

// grow adds codes, numbered from first, with their parents, which find looks up. A parent that is not known makes a root; a chain
// that leads back to itself stops at the first repeat.
func (t purposeTree) grow(first int, parents map[hie.Purpose]hie.Purpose, find func(hie.Purpose) *purpose) {
	for i, code := range slices.Sorted(maps.Keys(parents)) {
		t[code] = &purpose{code: code, index: first + i}
	}
	for code := range parents {
		p := t[code]
		for at := p; at != nil && !slices.Contains(p.up, at); {
			p.up = append(p.up, at)
			above, mine := parents[at.code]
			if !mine { // a code of another tree, complete already
				p.up = append(p.up, at.up[1:]...)
				break
			}
			at = find(above)
		}
		for _, q := range p.up {
			p.treatment = p.treatment || q.code == hie.PurposeTreat
			p.research = p.research || q.code == "HRESCH"
			p.breakGlass = p.breakGlass || q.code == hie.PurposeBreakGlass
		}
	}
	for code := range parents {
		p := t[code]
		for _, q := range p.up {
			for _, as := range []sense{permitting, denying} {
				if p.coveredBy(q, as) {
					p.coveredIn(as).add(q)
				}
			}
		}
	}
}

// purpose returns the purpose of code, nil when it is in neither the built-in tree nor the local one.
func (e *Env) purpose(code hie.Purpose) *purpose {
	if p := basePurposes[code]; p != nil {
		return p
	}
	return e.local[code]
}

// addPurposes adds local purposes. A code that is there already keeps its place.
func (e *Env) addPurposes(local []LocalPurpose) {
	parents := make(map[hie.Purpose]hie.Purpose, len(local))
	for _, l := range local {
		if _, taken := parents[l.Code]; !taken && basePurposes[l.Code] == nil {
			parents[l.Code] = l.Parent
		}
	}
	e.local = make(purposeTree, len(parents))
	e.local.grow(len(basePurposes), parents, e.purpose)
}

// StandardConfidentiality reports whether code is one of HL7's confidentiality codes.
func StandardConfidentiality(code string) bool { return readConfidentiality(code) != noConfidentiality }
