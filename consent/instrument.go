package consent

import (
	"slices"
	"time"

	"github.com/concord-hie/concord/hie"
)

// An Instrument is a legal basis, verified by a privacy officer, on which an organisation may ask about the patient of a
// record: a court order, a report that law requires, an attestation. It is one version of what is recorded; versions are
// only ever added, and the one with the highest number is current. What the patient agreed to is a directive, never this.
//
// Source: spec consent 2.1 (legal basis: kind, evidence, verifiedBy).
type Instrument struct {
	hie.Private
	Record     hie.SourcePatientID
	ID, Number int64
	// Kind is what rules name ("required-by-law", "court-order").
	Kind string
	// Organization may rely on it, its units with it; Purposes are for what, nil for any.
	Organization hie.OrgID
	Purposes     []hie.Purpose
	// It holds at From <= t < Until; a zero Until is open.
	From, Until time.Time
	// Ground cites what it rests on ("Md. Code, Health-Gen. 18-201"); Evidence is the hash of the paper, "" for none.
	Ground, Evidence string
	// VerifiedBy is who saw it, as their organisation By names them.
	VerifiedBy string
	By         hie.OrgID
	Recorded   time.Time
}

// patientsOwn are the kinds only the patient gives, as a directive with its evidence.
var patientsOwn = []string{InstrumentPart2, InstrumentCounselling, InstrumentAuthorization, InstrumentPsychotherapy}

// Check says what is wrong with i apart from whom it is about: an *hie.InvalidError naming the member, or nil.
func (i *Instrument) Check() error {
	switch {
	case !validPackID(i.Kind):
		return hie.Invalid("kind", "must be 1 to 64 small letters, digits and hyphens, as rules name it")
	case slices.Contains(patientsOwn, i.Kind):
		return hie.Invalid("kind", "is given by the patient: file it as a Consent")
	case i.Organization == "":
		return hie.Required("organization")
	case i.From.IsZero():
		return hie.Required("from")
	case !i.Until.IsZero() && !i.From.Before(i.Until):
		return hie.Invalid("until", "must lie after from")
	case i.Ground == "" || len(i.Ground) > 400:
		return hie.Invalid("ground", "must cite in 1 to 400 bytes what it rests on")
	case i.Evidence != "" && !isHash(i.Evidence):
		return hie.Invalid("evidence", "must be a SHA-256 in 64 hexadecimal digits")
	case len(i.Purposes) > 16:
		return hie.Invalid("purposes", "must not be more than 16")
	}
	return nil
}

// CheckIn is Check with what env knows: the organisation and the purposes must be known.
func (i *Instrument) CheckIn(env *Env) error {
	if err := i.Check(); err != nil {
		return err
	}
	if _, known := env.orgs[i.Organization]; !known {
		return hie.Invalid("organization", "must be an organization of the directory")
	}
	for _, p := range i.Purposes {
		if !env.KnowsPurpose(p) {
			return hie.Invalid("purposes", "must be purposes of use the exchange knows")
		}
	}
	return nil
}

// holds reports whether an instrument of one of kinds is in force for q: one the request came with, or one recorded on the
// document's own record for the requester and this purpose.
func (q *query) holds(kinds ...string) bool {
	if meet(q.req.Instruments, kinds) {
		return true
	}
	for i := range q.who.Instruments {
		in := &q.who.Instruments[i]
		if !slices.Contains(kinds, in.Kind) || in.Record.String() != q.doc.Record || q.now < tickOf(in.From) ||
			!in.Until.IsZero() && q.now >= tickOf(in.Until) {
			continue
		}
		to := q.env.orgs[in.Organization]
		if to != nil && q.org.under(to) && q.purposeAmong(in.Purposes) {
			return true
		}
	}
	return false
}

// purposeAmong reports whether q's purpose is one of codes, or under one, as permits read them; of none any is.
func (q *query) purposeAmong(codes []hie.Purpose) bool {
	return len(codes) == 0 || slices.ContainsFunc(codes, func(code hie.Purpose) bool {
		p := q.env.purpose(code)
		return p != nil && q.purpose.coveredBy(p, permitting)
	})
}

// EndedAt returns i as it is when it ends at now: before it began it never holds, and one that is over stays as it was.
func (i Instrument) EndedAt(now time.Time) Instrument {
	switch {
	case now.Before(i.From):
		i.Until = i.From
	case i.Until.IsZero() || now.Before(i.Until):
		i.Until = now
	}
	return i
}
