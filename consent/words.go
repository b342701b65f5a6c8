package consent

// A Layer says which part of the order of rules gave an answer.
//
// Source: spec consent 2.5; spec consent-cases, "Decision".
type Layer string

// The layers, in their order.
const (
	LayerGate       Layer = "gate"
	LayerEmergency  Layer = "emergency"
	LayerLaw        Layer = "law"
	LayerNetwork    Layer = "network"
	LayerSite       Layer = "site"
	LayerIdentity   Layer = "identity"
	LayerPatient    Layer = "patient"
	LayerDefault    Layer = "default"
	LayerObligation Layer = "obligation"
)

// A Reason says why a document, or one atom of it for one purpose, is released or refused. Reasons are for the
// audit trail, the source site and the privacy officer; none reaches a requester.
//
// The order of the constants is the order in which the answers of several atoms and purposes are summed up:
// the first one counts, refusals before permits.
//
// Source: spec consent-cases, "Decision".
type Reason uint8

// The reasons. The zero Reason means that nothing was decided.
const (
	ReasonNone Reason = iota
	ReasonInput
	ReasonLabelStale
	ReasonEmergencyInvalid
	ReasonLawForbid
	ReasonLawRequire
	ReasonNetworkForbid
	ReasonNetworkRequire
	ReasonSiteForbid
	ReasonSiteRequire
	ReasonBTGOnly
	ReasonLinkDisputed
	ReasonAbsolute
	ReasonDeny
	ReasonTombstone
	ReasonNotCovered
	ReasonDefaultDeny
	ReasonDefaultBTG
	ReasonDefaultNormal
	ReasonObligation
	ReasonEmergency // the first that permits
	ReasonMandate
	ReasonPermit
	ReasonDefault
	reasons // how many there are
)

var reasonNames = [reasons]struct {
	name  string
	layer Layer
}{
	ReasonNone:             {"", ""},
	ReasonInput:            {"INPUT", LayerGate},
	ReasonLabelStale:       {"LABEL_STALE", LayerGate},
	ReasonEmergencyInvalid: {"EMERGENCY_INVALID", LayerEmergency},
	ReasonLawForbid:        {"LAW_FORBID", LayerLaw},
	ReasonLawRequire:       {"LAW_REQUIRE", LayerLaw},
	ReasonNetworkForbid:    {"NETWORK_FORBID", LayerNetwork},
	ReasonNetworkRequire:   {"NETWORK_REQUIRE", LayerNetwork},
	ReasonSiteForbid:       {"SITE_FORBID", LayerSite},
	ReasonSiteRequire:      {"SITE_REQUIRE", LayerSite},
	ReasonBTGOnly:          {"BTG_ONLY", LayerEmergency},
	ReasonLinkDisputed:     {"LINK_DISPUTED", LayerIdentity},
	ReasonAbsolute:         {"ABSOLUTE", LayerPatient},
	ReasonDeny:             {"DENY", LayerPatient},
	ReasonTombstone:        {"TOMBSTONE", LayerPatient},
	ReasonNotCovered:       {"NOT_COVERED", LayerPatient},
	ReasonDefaultDeny:      {"DEFAULT_DENY", LayerDefault},
	ReasonDefaultBTG:       {"DEFAULT_BTG", LayerDefault},
	ReasonDefaultNormal:    {"DEFAULT_NORMAL", LayerDefault},
	ReasonObligation:       {"OBLIGATION", LayerObligation},
	ReasonEmergency:        {"EMERGENCY", LayerEmergency},
	ReasonMandate:          {"MANDATE", LayerLaw},
	ReasonPermit:           {"PERMIT", LayerPatient},
	ReasonDefault:          {"DEFAULT", LayerDefault},
}

// String returns the reason's code, "" for ReasonNone.
func (r Reason) String() string { return reasonNames[r].name }

// Layer returns the layer that gives this reason.
func (r Reason) Layer() Layer { return reasonNames[r].layer }

// Permits reports whether the reason is one that releases.
func (r Reason) Permits() bool { return r >= ReasonEmergency }

// tri is a match that may be unknown. The order matters: a match over several dimensions is their minimum.
//
// Source: spec consent 2.2.
type tri uint8

const (
	no tri = iota
	unknown
	yes
)

func known(b bool) tri {
	if b {
		return yes
	}
	return no
}

// not turns yes and no around; unknown stays.
func not(m tri) tri { return yes - m }

// A sense is how a rule reads its scope: a deny (FORBID, REQUIRE) acts on what may be meant, a permit
// (MANDATE) on what certainly is.
type sense bool

const (
	permitting sense = false
	denying    sense = true
)

// acts turns a three-valued match into the rule's answer: UNKNOWN is a match for a deny and none for a permit.
//
// Source: spec consent 2.2.
func (s sense) acts(m tri) bool {
	if s == denying {
		return m != no
	}
	return m == yes
}
