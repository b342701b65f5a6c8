package consent

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/concord-hie/concord/hie"
)

// A PolicyEvent is one step in the life of a policy: a law pack, the network's rules or a site's. Steps are only ever
// added, so what was in force at any instant can be said for ever.
type PolicyEvent struct {
	Policy string
	// Seq counts the steps of the policy from 1.
	Seq int64
	// Version is the version the step is about; for a step that rolls back, the one that is in force again, 0 for the
	// one the program brings along, or none.
	Version int64
	Action  PolicyAction
	At      time.Time
	By      string // "organisation/person"
	// Effective is from when on Version is in force, set by what activates and what rolls back.
	Effective time.Time
	Note      string
}

// A PolicyAction is a kind of step.
type PolicyAction string

// The steps, in their order: who approves did not draft, and saw a simulation.
const (
	PolicyDrafted    PolicyAction = "draft"
	PolicySimulated  PolicyAction = "simulate"
	PolicyApproved   PolicyAction = "approve"
	PolicyActivated  PolicyAction = "activate"
	PolicyRolledBack PolicyAction = "rollback"
)

// PolicyNotice is how long before it takes effect a change of policy must be recorded at least, so that every node has
// read it when it does.
//
// Source: DESIGN idea 8 (nothing is answered under rules that no longer hold).
const PolicyNotice = 2 * time.Second

// A PolicyHistory is the steps of one policy, in order.
type PolicyHistory []PolicyEvent

// did returns the first step of a kind about version, nil when there is none.
func (h PolicyHistory) did(a PolicyAction, version int64) *PolicyEvent {
	for i := range h {
		if h[i].Action == a && h[i].Version == version {
			return &h[i]
		}
	}
	return nil
}

// Next checks that e may follow on h, and returns it with Seq set. A zero Effective of a step that activates means as
// soon as may be. Errors: *hie.InvalidError with the member at fault; hie.ErrForbidden for who approves what they
// drafted.
//
// Source: issue "Consent": draft, simulate, approve by a second person, effective date, roll back.
func (h PolicyHistory) Next(e PolicyEvent) (PolicyEvent, error) {
	e.Seq = int64(len(h)) + 1
	refuse := func(path, rule string) (PolicyEvent, error) {
		return PolicyEvent{}, &hie.InvalidError{Path: path, Rule: rule, Code: "business-rule"}
	}
	if e.By == "" {
		return PolicyEvent{}, hie.ErrForbidden
	}
	draft := h.did(PolicyDrafted, e.Version)
	if e.Action != PolicyDrafted && e.Action != PolicyRolledBack && draft == nil {
		return PolicyEvent{}, hie.ErrNotFound
	}
	switch e.Action {
	case PolicyDrafted:
		e.Version = h.Versions() + 1
	case PolicySimulated:
	case PolicyApproved:
		switch {
		case h.did(PolicySimulated, e.Version) == nil:
			return refuse("version", "must be simulated before it is approved")
		case h.did(PolicyApproved, e.Version) != nil:
			return refuse("version", "is approved already")
		case draft.By == e.By:
			return PolicyEvent{}, hie.ErrForbidden
		}
	case PolicyActivated:
		if h.did(PolicyApproved, e.Version) == nil {
			return refuse("version", "must be approved by a second person before it is activated")
		}
		if e.Effective.IsZero() {
			e.Effective = e.At.Add(PolicyNotice)
		}
		if e.Effective.Before(e.At.Add(PolicyNotice)) {
			return refuse("effective", "must be at least two seconds ahead, so that every node knows in time")
		}
	case PolicyRolledBack:
		back, ok := h.before(e.At)
		if !ok {
			return refuse("policy", "was never activated: there is nothing to roll back")
		}
		e.Version, e.Effective = back.Version, back.Effective
	default:
		return refuse("action", "is not a step of a policy")
	}
	return e, nil
}

// Versions returns how many versions were drafted.
func (h PolicyHistory) Versions() int64 {
	n := int64(0)
	for _, e := range h {
		if e.Action == PolicyDrafted {
			n = max(n, e.Version)
		}
	}
	return n
}

// turns are the steps that put a version in force, in the order they take effect: of two for one instant the one
// recorded last counts.
func (h PolicyHistory) turns() []PolicyEvent {
	var out []PolicyEvent
	for _, e := range h {
		if !e.Effective.IsZero() {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b PolicyEvent) int {
		return cmp.Or(a.Effective.Compare(b.Effective), cmp.Compare(a.Seq, b.Seq))
	})
	return out
}

// InForce returns the version in force at t, 0 for the one the program brings along, or none, and the next instant at
// which that may change, zero for none that is known.
func (h PolicyHistory) InForce(t time.Time) (version int64, next time.Time) {
	for _, e := range h.turns() {
		if e.Effective.After(t) {
			return version, e.Effective
		}
		version = e.Version
	}
	return version, time.Time{}
}

// before returns what rolling back at now brings: what is yet to take effect is called off, else what was in force
// before the present version is in force again.
func (h PolicyHistory) before(now time.Time) (PolicyEvent, bool) {
	turns := h.turns()
	for i := len(turns) - 1; i >= 0; i-- {
		e := turns[i]
		if e.Effective.After(now) {
			back, _ := h.InForce(e.Effective.Add(-time.Microsecond))
			if i+1 == len(turns) && e.Version != back {
				return PolicyEvent{Version: back, Effective: e.Effective}, true
			}
			continue
		}
		current := e.Version
		for j := i - 1; j >= 0; j-- {
			if turns[j].Version != current {
				return PolicyEvent{Version: turns[j].Version, Effective: now.Add(PolicyNotice)}, true
			}
		}
		if current == 0 {
			return PolicyEvent{}, false
		}
		return PolicyEvent{Version: 0, Effective: now.Add(PolicyNotice)}, true
	}
	return PolicyEvent{}, false
}

// State says where a version stands at now: "draft", "simulated", "approved", "scheduled", "in force" or "past".
func (h PolicyHistory) State(version int64, now time.Time) string {
	if v, _ := h.InForce(now); v == version {
		return "in force"
	}
	state := "draft"
	for _, e := range h {
		switch {
		case e.Version != version:
		case e.Action == PolicySimulated && state == "draft":
			state = "simulated"
		case e.Action == PolicyApproved:
			state = "approved"
		}
	}
	for _, e := range h.turns() {
		if e.Version != version {
			continue
		}
		if v, _ := h.InForce(e.Effective); e.Effective.After(now) && v == version {
			return "scheduled"
		}
		state = "past"
	}
	return state
}

// A StoredPack is one version of a policy as received.
type StoredPack struct {
	Version   int64
	Content   []byte
	Signature string
	Pack      Pack
}

// A PackVersion is a pack as it is in force: Version 0 came with the program.
type PackVersion struct {
	Version int64
	Pack    Pack
}

// In adds what packs say to o. Each rule is named with the version of its pack, so that an explanation cites it.
func (o Options) In(packs []PackVersion, now time.Time) Options {
	h := uint64(fnvOffset)
	for _, v := range packs {
		p := &v.Pack
		for _, b := range []byte(p.ID + " " + p.Edition) {
			h = mix(h, uint64(b))
		}
		if h = mix(h, uint64(v.Version)); p.Holds(now) {
			h = mix(h, 1)
		}
		for _, r := range p.rules() {
			if v.Version > 0 {
				r.ID = p.ID + "/" + strconv.FormatInt(v.Version, 10) + ":" + r.ID
			}
			o.Rules = append(o.Rules, r)
		}
		if !p.Holds(now) {
			continue
		}
		o.Policies = append(o.Policies, p.Policies...)
		o.Defaults = append(o.Defaults, p.Defaults...)
		o.Notice = reticent(o.Notice, p.Withheld)
	}
	o.Version = int64(h >> 1)
	return o
}

// PackTurn returns the first instant after now at which a pack's law begins or ends, zero for none.
func PackTurn(packs []PackVersion, now time.Time) (next time.Time) {
	for _, v := range packs {
		for _, t := range []time.Time{v.Pack.From, v.Pack.Until} {
			if t.After(now) && (next.IsZero() || t.Before(next)) {
				next = t
			}
		}
	}
	return next
}
