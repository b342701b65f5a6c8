package consent

import (
	"time"

	"github.com/concord-hie/concord/hie"
)

// A Directive is one version of what a patient has said: who may have which of their documents for what.
// Members keep what the source wrote; what it means, and whether it can be understood, is settled by Compile.
type Directive struct {
	hie.Private
	// ID and Version name it in explanations and on the ground of a disclosure.
	ID      string
	Version int64
	// Record is the source record it was given on.
	Record string
	// Filed is when it was recorded, Signed when the patient signed it; a zero Signed is not known.
	Filed, Signed time.Time
	// SignedWithin is for how long after Signed it may have been signed, where only its day, month or year is known: what it
	// permits counts from Signed, what it denies from the end of that. It is used to the second.
	SignedWithin time.Duration
	// Frequency is how often at most who is permitted may ask, as a number of times an HOUR, DAY, WEEK, MONTH or YEAR ("4/DAY"); ""
	// is without limit. It goes with a release as an obligation.
	//
	// Source: ABDM consent artefact, permission.frequency; spec consent 2.18 f.
	Frequency string
	// Verified says that the evidence was verified; without it only what it denies acts.
	Verified bool
	// NetworkWide says that it was meant for the whole network, not only where it was given.
	NetworkWide bool
	// Absolute says that its denies hold against everything, emergencies included.
	Absolute bool
	// ReturnToDefault says that revoking it was meant to leave the defaults, not a refusal.
	ReturnToDefault bool

	Status string // FHIR consent-state-codes; only "active" and "inactive" count
	Scope  string // first code of the scope: "patient-privacy", "research", ...
	// Performers and Organizations are references, Policies URIs, PolicyRules codes ("OPTIN", "OPTOUT").
	Performers, Organizations, Policies, PolicyRules []string
	// Modified says that it carries a modifier extension, which nobody here understands.
	Modified bool
	// Provision is the root; nil is a root without limits.
	Provision *Provision
}

// A Provision is one node of a directive. In lists of codes "" is a coding without a code.
//
// Source: FHIR R4 Consent.provision; spec consent 2.6 and 2.7.
type Provision struct {
	Type       string // "permit", "deny" or ""
	Period     *Period
	Actors     []Actor
	Actions    []string
	Labels     []string
	Purposes   []string
	Classes    []string
	Codes      []string
	DataPeriod *Period
	Data       []Data
	Provisions []Provision
	Modified   bool
}

// An Actor is a recipient or a source.
type Actor struct {
	Role      string // first code of the role; IRCP or "" is a recipient, CST and INF a source, another nobody known
	Reference string
	// Team is the contained PractitionerRole that Reference names, nil when there is none.
	Team *PractitionerRole
}

// UnknownRole stands for the role of an actor whose coding has no code.
const UnknownRole = "UNKNOWN"

// A PractitionerRole is someone in an organisation, in some role: what it states is AND, its codes are OR.
type PractitionerRole struct {
	// HasOrganization and HasPractitioner say that the element is there, though its reference may be "".
	HasOrganization, HasPractitioner bool
	Organization, Practitioner       string // references
	Codes                            []string
}

// Data is a piece of data a node speaks of.
type Data struct {
	Meaning   string // instance, related, dependents, authoredby
	Reference string
}

// A Subject is the person a decision is about: the records that make them up now.
type Subject struct {
	Records []Record
	// Home is the patient's home jurisdiction, or "". It decides only where Setup.HomeDefault is set, which cases may do; the
	// directory and the packs of an exchange have no word for it.
	Home string
	// Proxies may sign for the patient.
	Proxies []Proxy
	// Grants are emergency claims on file.
	Grants []Grant
	// Instruments are legal bases on file.
	Instruments []Instrument
	// Died is when the patient died; zero is not known, or not yet.
	Died time.Time
}

// Subject is the person records make up, of whom this is on file; died is when they died, zero for not known or not yet.
func (f OnFile) Subject(records []Record, died time.Time) Subject {
	return Subject{Records: records, Proxies: f.Proxies, Grants: f.Grants, Instruments: f.Instruments, Died: died}
}

// A Record is one site's registration of the person.
type Record struct {
	ID   string // a source patient id in decimal
	Site hie.SiteID
	Link hie.LinkState
}

// A Proxy may sign for the patient while the period lasts.
type Proxy struct {
	Ref    string // "RelatedPerson/x", "Practitioner/y"
	Period Period
	// Lapses is when what the proxy permitted ends, such as a parent's permits when the child comes of age; what
	// they refused stays. Zero is never.
	//
	// Source: 45 CFR 164.502(g)(3); spec consent, vector 66.
	Lapses time.Time
}

// An OnFile is what is kept about records: the directives given on them, the emergencies claimed for them, who may
// sign for their patient, and the legal bases others have to ask about them.
type OnFile struct {
	Directives  []Directive
	Grants      []Grant
	Proxies     []Proxy
	Instruments []Instrument
	// Epochs are those of the records, each of them, and no newer than anything else here; an epoch that never moved is 0. What
	// was on file at an instant of the past has none.
	Epochs map[hie.SourcePatientID]int64
}

// NoEarlier returns the instant at which o is to be decided on when the clock says now: no earlier than when anything of it
// was filed. Another node's clock may be ahead, and what was acknowledged there, a revocation above all, counts here at once.
//
// Source: DESIGN idea 8; spec consent 2.14.
func (o OnFile) NoEarlier(now time.Time) time.Time {
	for i := range o.Directives {
		now = later(now, o.Directives[i].Filed)
	}
	for i := range o.Instruments {
		now = later(now, o.Instruments[i].Recorded)
	}
	return now
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
